/* manifest.c - the manifest as its users see it: open, create, edit, ids, sweep.
 *
 * One thread at a time; the caller's mutex. Invariants
 *   1. Opening writes nothing. The first call that something may be built on (check_vouched, edit, next_file, sweep)
 *      writes the whole state into a new file first: after a failed sync the system may show edits that the disk does
 *      not hold, and removing a file on the strength of one would lose what it replaced.
 *   2. No file id is handed out twice, over crashes too: ids below the limit in the file may have been used.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "runs/manifest_int.h"

enum { FILE_ID_BATCH = 16 };

static struct vrn_manifest *manifest_new(const struct vrn_config *config, const struct vrn_manifest_limits *limits) {
    struct vrn_manifest *made = vb_alloc(sizeof(*made));
    if (made == NULL) return NULL;
    made->config = *config;
    made->limits = *limits;
    made->rewrite_bytes = limits->rewrite_bytes;
    return made;
}

int vrn_manifest_open_with(const struct vrn_config *config, const struct vrn_manifest_limits *limits,
                           struct vrn_manifest **manifest, struct vk_detail *detail) {
    struct vrn_manifest *made = manifest_new(config, limits);
    if (made == NULL) return vrn_nomem(detail, "manifest");
    int status = vrn_manifest_load(made, detail);
    if (status != VARVE_OK) {
        vrn_manifest_close(made);
        return status;
    }
    made->next_file = made->state.next_file;
    *manifest = made;
    return VARVE_OK;
}

int vrn_manifest_open(const struct vrn_config *config, struct vrn_manifest **manifest, struct vk_detail *detail) {
    return vrn_manifest_open_with(config, &VRN_MANIFEST_LIMITS, manifest, detail);
}

int vrn_manifest_create_with(const struct vrn_config *config, const struct vrn_manifest_limits *limits,
                             struct vrn_manifest **manifest, struct vk_detail *detail) {
    struct vrn_manifest *made = manifest_new(config, limits);
    if (made == NULL) return vrn_nomem(detail, "manifest");
    made->sequence = 1;
    made->next_file = 1;
    made->state.next_file = 1 + FILE_ID_BATCH;
    made->state.next_table = 1;
    made->state.timeline = 1;
    int status = config->os->ops->random(config->os, made->config.database_id, sizeof(made->config.database_id));
    if (status != VARVE_OK)
        vk_fail(detail, status, VARVE_REASON_RESOURCE, "no random bytes to be had");
    else
        status = vrn_manifest_rewrite(made, NULL, detail);
    if (status != VARVE_OK) {
        vrn_manifest_close(made);
        return status;
    }
    *manifest = made;
    return VARVE_OK;
}

int vrn_manifest_create(const struct vrn_config *config, struct vrn_manifest **manifest, struct vk_detail *detail) {
    return vrn_manifest_create_with(config, &VRN_MANIFEST_LIMITS, manifest, detail);
}

void vrn_manifest_close(struct vrn_manifest *manifest) {
    if (manifest == NULL) return;
    if (manifest->file != NULL) manifest->config.os->ops->file_close(manifest->file, NULL); /* every edit is synced */
    vrn_state_free(&manifest->state);
    vrn_bytes_free(&manifest->scratch);
    vb_free(manifest, sizeof(*manifest));
}

/* --- edits -------------------------------------------------------------------------------------------------------- */

static int write_change(struct vrn_manifest *manifest, const struct vrn_change *change, bool anew,
                        struct vk_detail *detail) {
    if (manifest->failed)
        return vk_fail(detail, VARVE_FAILED, VARVE_REASON_FAILED, "manifest: an earlier write failed");
    const char *why = vrn_state_refusal(&manifest->state, change);
    if (why != NULL) return vk_fail(detail, VARVE_MISUSE, VARVE_REASON_CALLER, "manifest: %s", why);
    struct vrn_prepared prepared;
    if (vrn_state_prepare(&manifest->state, change, &prepared) != VARVE_OK) return vrn_nomem(detail, "manifest");
    int status = anew ? vrn_manifest_rewrite(manifest, change, detail) : vrn_manifest_append(manifest, change, detail);
    if (status != VARVE_OK) {
        vrn_state_discard(change, &prepared);
        return status;
    }
    vrn_state_apply(&manifest->state, change, &prepared);
    return VARVE_OK;
}

/* See invariant 1. New file ids come with it, so that a short life costs no further edit for them. */
static int settle(struct vrn_manifest *manifest, struct vk_detail *detail) {
    if (manifest->settled) return VARVE_OK;
    struct vrn_change change = {.next_file = manifest->state.next_file + FILE_ID_BATCH};
    return write_change(manifest, &change, true, detail);
}

int vrn_manifest_check_vouched(struct vrn_manifest *manifest, uint64_t vouched_sequence, struct vk_detail *detail) {
    if (vouched_sequence > manifest->sequence)
        return vk_fail(detail, VARVE_CORRUPT, VARVE_REASON_FAILED,
                       "manifest at %" PRIu64 ": ends with edit %" PRIu64 ", but a log segment names edit %" PRIu64,
                       manifest->end, manifest->sequence, vouched_sequence);
    return settle(manifest, detail);
}

int vrn_manifest_edit(struct vrn_manifest *manifest, const struct vrn_edit *edit, struct vk_detail *detail) {
    VB_TRY(settle(manifest, detail));
    struct vrn_edit edited = *edit;
    struct vrn_table table;
    struct vrn_change change = {.edit = &edited};
    if (edit->table != NULL) { /* a change of a table may leave its name out; the file has it always */
        const struct vrn_table *known = vrn_state_table(&manifest->state, edit->table->id);
        table = *edit->table;
        if (known != NULL) memcpy(table.name, known->name, sizeof(table.name));
        if (known != NULL) table.collation = known->collation;
        edited.table = &table;
    }
    return write_change(manifest, &change, false, detail);
}

uint64_t vrn_manifest_next_file(struct vrn_manifest *manifest, struct vk_detail *detail) {
    if (settle(manifest, detail) != VARVE_OK) return 0;
    if (manifest->next_file == manifest->state.next_file) {
        struct vrn_change change = {.next_file = manifest->state.next_file + FILE_ID_BATCH};
        if (write_change(manifest, &change, false, detail) != VARVE_OK) return 0;
    }
    return manifest->next_file++;
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

const uint8_t *vrn_manifest_database_id(const struct vrn_manifest *manifest) { return manifest->config.database_id; }

uint64_t vrn_manifest_sequence(const struct vrn_manifest *manifest) { return manifest->sequence; }

uint64_t vrn_manifest_cut(const struct vrn_manifest *manifest, uint64_t *first_log_seq) {
    *first_log_seq = manifest->state.cut_first_log_seq;
    return manifest->state.cut_cts;
}

uint64_t vrn_manifest_log_file(const struct vrn_manifest *manifest) { return manifest->state.log_file; }

uint64_t vrn_manifest_clock(const struct vrn_manifest *manifest) {
    const struct vrn_state *state = &manifest->state;
    return state->clock_floor > state->cut_cts ? state->clock_floor : state->cut_cts;
}

uint32_t vrn_manifest_timeline(const struct vrn_manifest *manifest) { return manifest->state.timeline; }

size_t vrn_manifest_runs(const struct vrn_manifest *manifest, const struct vrn_facts **facts) {
    *facts = manifest->state.runs;
    return manifest->state.run_count;
}

size_t vrn_manifest_tables(const struct vrn_manifest *manifest, const struct vrn_table **tables) {
    *tables = manifest->state.tables;
    return manifest->state.table_count;
}

uint32_t vrn_manifest_next_table_id(const struct vrn_manifest *manifest) { return manifest->state.next_table; }

/* --- sweeping ----------------------------------------------------------------------------------------------------- */

struct sweep {
    const struct vrn_manifest *manifest;
    struct vrn_bytes ids; /* of the files to remove, 8 bytes each */
};

static int collect(void *arg, const char *name) {
    struct sweep *sweep = arg;
    const struct vrn_state *state = &sweep->manifest->state;
    uint64_t id;
    if (!vrn_run_name_parse(name, &id) || id >= sweep->manifest->next_file) return VARVE_OK;
    for (size_t i = 0; i < state->run_count; i++)
        if (state->runs[i].file_id == id) return VARVE_OK;
    VB_TRY(vrn_bytes_reserve(&sweep->ids, sweep->ids.size + sizeof(id)));
    memcpy(sweep->ids.data + sweep->ids.size, &id, sizeof(id));
    sweep->ids.size += sizeof(id);
    return VARVE_OK;
}

int vrn_manifest_sweep(struct vrn_manifest *manifest, struct vk_detail *detail) {
    const struct vrn_config *config = &manifest->config;
    const struct vos_ops *ops = config->os->ops;
    struct vos_error error = {0};
    struct sweep sweep = {.manifest = manifest};
    VB_TRY(settle(manifest, detail));
    int status = ops->dir_list(config->dir, collect, &sweep, &error);
    for (size_t at = 0; status == VARVE_OK && at < sweep.ids.size; at += sizeof(uint64_t)) {
        uint64_t id;
        char name[VRN_NAME_BYTES];
        memcpy(&id, sweep.ids.data + at, sizeof(id));
        vrn_run_name(id, name);
        status = ops->dir_remove(config->dir, name, &error);
        if (status == VARVE_NOTFOUND) status = VARVE_OK;
    }
    if (status == VARVE_OK && sweep.ids.size != 0) status = ops->dir_sync(config->dir, &error);
    vrn_bytes_free(&sweep.ids);
    if (status == VARVE_NOMEM) return vrn_nomem(detail, "manifest");
    return status == VARVE_OK ? VARVE_OK : vrn_os_fail(detail, status, &error);
}
