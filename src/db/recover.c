/* recover.c - from the files to the state: the checkpoint's runs, then the log above their cut, last writer wins.
 *
 * Both are applied by several threads at once through vst_apply_many, which orders by cts alone. So each thread may keep
 * changes back until it has some of one table, whose look-ups then overlap; what it still has at the end is applied by the
 * caller, before anyone can see the database. Nobody reads meanwhile, so no before-images are made. The manifest says
 * which runs and which log are live. No algorithm of any scheme runs, so a database written under one opens under
 * another.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "db/db_int.h"
#include "os/rcu.h"

enum { TOGETHER = 8, KEPT_BYTES = 1024, BATCHES = 4 };

/* Changes of one table that a thread keeps back, with their bytes. */
struct batch {
    struct varve_table *table;
    size_t count;
    struct vst_logged changes[TOGETHER];
    uint8_t bytes[TOGETHER][KEPT_BYTES];
};

/* What one recovery thread applies with. */
struct worker {
    struct varve_db *db;
    struct vb_heap *heap;
    struct batch batches[BATCHES]; /* of a table: by its id */
    bool fresh;                    /* rows of a run: their keys are new, as a rule */
    struct vrn_reader *reader;
    size_t *next_block; /* shared: the next block of the run to take */
    struct vos_thread *thread;
    struct vk_detail detail;
    uint64_t rows;
    int status;
};

struct vdb_recovery {
    unsigned count;
    struct worker workers[VDB_RECOVERY_THREADS];
};

static int workers_open(struct varve_db *db) {
    struct vdb_recovery *recovery = vb_alloc(sizeof *recovery);
    if (recovery == NULL) return VARVE_NOMEM;
    db->recovery = recovery;
    unsigned cpus = vos_cpu_count();
    unsigned count = cpus < VDB_RECOVERY_THREADS ? cpus : VDB_RECOVERY_THREADS;
    for (unsigned i = 0; i < count; i++) {
        struct worker *w = &recovery->workers[recovery->count++];
        w->db = db;
        w->heap = vb_heap_open(db->memory, db->domain.slot_count + 3 + i);
        if (w->heap == NULL) return VARVE_NOMEM;
    }
    return VARVE_OK;
}

/* What was made with the heaps is the store's until it closes. */
void vdb_recovery_release(struct varve_db *db) {
    struct vdb_recovery *recovery = db->recovery;
    if (recovery == NULL) return;
    for (unsigned i = 0; i < recovery->count; i++)
        if (recovery->workers[i].heap != NULL) vb_heap_close(recovery->workers[i].heap);
    vb_free(recovery, sizeof *recovery);
    db->recovery = NULL;
}

static int apply_batch(struct worker *w, struct batch *batch) {
    size_t count = batch->count;
    batch->count = 0;
    return count != 0 ? vst_apply_many(batch->table->tree, NULL, w->heap, batch->changes, count, w->fresh) : VARVE_OK;
}

/* The caller's bytes are its own again. Rows too large to be kept back are applied at once. */
static int apply_row(struct worker *w, uint32_t table_id, const struct vst_logged *change) {
    struct batch *batch = &w->batches[table_id % BATCHES];
    if (batch->table == NULL || batch->table->id != table_id) {
        VB_TRY(apply_batch(w, batch));
        batch->table = vdb_table_by_id(w->db, table_id);
        if (batch->table == NULL) return VARVE_OK; /* dropped since */
    }
    w->rows++;
    varve_slice key = change->key, value = change->value;
    if (key.size > KEPT_BYTES || value.size > KEPT_BYTES - key.size)
        return vst_apply_many(batch->table->tree, NULL, w->heap, change, 1, w->fresh);
    uint8_t *bytes = batch->bytes[batch->count];
    if (key.size != 0) memcpy(bytes, key.data, key.size);
    if (value.size != 0) memcpy(bytes + key.size, value.data, value.size);
    batch->changes[batch->count++] = (struct vst_logged){
        VARVE_SLICE(bytes, key.size), VARVE_SLICE(bytes + key.size, value.size), change->ghost, change->cts};
    return batch->count == TOGETHER ? apply_batch(w, batch) : VARVE_OK;
}

/* What the threads kept back, once they are done. */
static int apply_rest(struct vdb_recovery *recovery, struct vk_detail *detail) {
    int status = VARVE_OK;
    for (unsigned i = 0; i < recovery->count; i++)
        for (unsigned b = 0; b < BATCHES && status == VARVE_OK; b++)
            status = apply_batch(&recovery->workers[i], &recovery->workers[i].batches[b]);
    if (status == VARVE_OK) return VARVE_OK;
    return vk_fail(detail, status, VARVE_REASON_RESOURCE, "recovering: %s", varve_strerror(status));
}

/* --- runs --------------------------------------------------------------------------------------------------------- */

/* A version above the cut cannot have come from the checkpoint: acknowledgements would wait for it for ever. */
static int apply_entry(void *arg, const struct vrn_entry *entry) {
    struct worker *w = arg;
    uint64_t first_log_seq;
    if (entry->cts > vrn_manifest_cut(w->db->manifest, &first_log_seq))
        return vk_fail(&w->detail, VARVE_CORRUPT, VARVE_REASON_RESOURCE,
                       "the checkpoint holds a version from after its cut");
    return apply_row(w, entry->table_id,
                     &(struct vst_logged){entry->key, entry->value, entry->tombstone, entry->cts});
}

static void load_blocks(void *arg) {
    struct worker *w = arg;
    struct vrn_buffer *buffer;
    w->status = vrn_buffer_open(&buffer);
    if (w->status != VARVE_OK) return;
    size_t blocks = vrn_reader_blocks(w->reader);
    while (w->status == VARVE_OK) {
        size_t block = vb_add_relaxed(w->next_block, 1);
        if (block >= blocks) break;
        w->status = vrn_reader_block(w->reader, block, buffer, apply_entry, w, &w->detail);
    }
    vrn_buffer_close(buffer);
}

static int load_run(struct varve_db *db, const struct vrn_config *config, const struct vrn_facts *facts,
                    struct vk_detail *detail) {
    struct vdb_recovery *recovery = db->recovery;
    struct vrn_reader *reader;
    size_t next = 0;
    VB_TRY(vrn_reader_open(config, facts, &reader, detail));
    for (unsigned i = 0; i < recovery->count; i++) {
        struct worker *w = &recovery->workers[i];
        w->reader = reader;
        w->next_block = &next;
        w->fresh = true;
        w->thread = NULL;
        if (i != 0 && vos_thread_start(load_blocks, w, "varve-load", &w->thread) != VARVE_OK) w->thread = NULL;
    }
    load_blocks(&recovery->workers[0]);
    int status = VARVE_OK;
    for (unsigned i = 0; i < recovery->count; i++) {
        struct worker *w = &recovery->workers[i];
        if (w->thread != NULL) vos_thread_join(w->thread);
        if (w->status != VARVE_OK && status == VARVE_OK) {
            status = w->status;
            *detail = w->detail;
            if (detail->text[0] == 0)
                vk_fail(detail, status, VARVE_REASON_RESOURCE, "loading the checkpoint: %s", varve_strerror(status));
        }
    }
    vrn_reader_close(reader);
    return status == VARVE_OK ? apply_rest(recovery, detail) : status;
}

static int load_runs(struct varve_db *db, struct vk_detail *detail) {
    struct vrn_config config = {.os = db->os, .dir = db->dir, .file_mode = db->options.file_mode, .zlib_level = 1};
    memcpy(config.database_id, vrn_manifest_database_id(db->manifest), sizeof config.database_id);
    const struct vrn_facts *runs;
    size_t count = vrn_manifest_runs(db->manifest, &runs);
    for (size_t i = 0; i < count; i++) {
        VB_TRY(load_run(db, &config, &runs[i], detail));
        db->image_bytes += runs[i].bytes;
    }
    for (unsigned i = 0; i < db->recovery->count; i++) {
        db->recovered_rows += db->recovery->workers[i].rows;
        db->recovery->workers[i].rows = 0;
        db->recovery->workers[i].fresh = false;
    }
    return VARVE_OK;
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

/* A catalogue edit's note in the log names the manifest sequence that made it: the manifest must have got that far. */
static void note_vouched(struct varve_db *db, uint64_t sequence) {
    uint64_t seen = vb_load_relaxed(&db->vouched);
    while (sequence > seen && !vb_cas(&db->vouched, &seen, sequence)) continue;
}

static int apply_txn(void *arg, unsigned thread, const struct vtl_txn *txn) {
    struct varve_db *db = arg;
    struct worker *w = &db->recovery->workers[thread];
    size_t offset = 0;
    for (;;) {
        struct vtl_op op;
        int status = vtl_txn_next(txn, &offset, &op);
        if (status == VARVE_END) return VARVE_OK;
        if (status != VARVE_OK) return status;
        if (op.kind == VTL_TABLE && op.value.size >= 8) note_vouched(db, vb_get_u64(op.value.data));
        if (op.kind != VTL_PUT && op.kind != VTL_DELETE) continue; /* the manifest has the catalogue */
        VB_TRY(apply_row(w, op.table_id, &(struct vst_logged){op.key, op.value, op.kind == VTL_DELETE, txn->cts}));
    }
}

static int next_file(void *arg, uint64_t *file_id) {
    struct varve_db *db = arg;
    struct vk_detail detail = {0};
    vos_mutex_lock(&db->manifest_mutex);
    *file_id = vrn_manifest_next_file(db->manifest, &detail);
    vos_mutex_unlock(&db->manifest_mutex);
    if (*file_id != 0) return VARVE_OK;
    return detail.status == VARVE_FULL ? VARVE_FULL : VARVE_IO;
}

static uint64_t manifest_sequence(void *arg) {
    struct varve_db *db = arg;
    vos_mutex_lock(&db->manifest_mutex);
    uint64_t sequence = vrn_manifest_sequence(db->manifest);
    vos_mutex_unlock(&db->manifest_mutex);
    return sequence;
}

/* The manifest is told of each new segment, so that one that goes missing is missed. */
static int segment_named(void *arg, uint64_t file_id) {
    struct varve_db *db = arg;
    struct vk_detail detail = {0};
    struct vrn_edit edit = {.log_file = file_id};
    vos_mutex_lock(&db->manifest_mutex);
    db->log_tip = file_id;
    int status = vrn_manifest_edit(db->manifest, &edit, &detail);
    vos_mutex_unlock(&db->manifest_mutex);
    return status;
}

static int check_newest_segment(struct varve_db *db, struct vk_detail *detail) {
    struct vos_error error = {0};
    struct vos_file *file;
    char name[32];
    db->log_tip = vrn_manifest_log_file(db->manifest);
    if (db->log_tip == 0) return VARVE_OK;
    snprintf(name, sizeof name, "%016llx.log", (unsigned long long)db->log_tip);
    int status = db->os->ops->file_open(db->dir, name, VOS_READ, 0, &file, &error);
    if (status == VARVE_OK) status = db->os->ops->file_close(file, &error);
    if (status == VARVE_NOTFOUND)
        return vk_fail(detail, VARVE_CORRUPT, VARVE_REASON_RESOURCE,
                       "%s at offset 0: missing, and the manifest names it", name);
    return status == VARVE_OK ? status : vk_fail(detail, status, VARVE_REASON_RESOURCE, "%s", error.text);
}

static struct vtl_config log_config(struct varve_db *db) {
    struct vtl_config config = {.domain = &db->domain,
                                .dir = db->dir,
                                .file_mode = db->options.file_mode,
                                .sync = db->options.sync,
                                .group_wait_us = db->options.group_wait_us,
                                .next_file_id = next_file,
                                .manifest_sequence = manifest_sequence,
                                .segment_named = db->manifest != NULL ? segment_named : NULL,
                                .arg = db};
    if (db->manifest != NULL) {
        memcpy(config.database_id, vrn_manifest_database_id(db->manifest), sizeof config.database_id);
        config.timeline = vrn_manifest_timeline(db->manifest);
    }
    return config;
}

int vdb_new_log(struct varve_db *db, struct vk_detail *detail) {
    struct vtl_config config = log_config(db);
    return vtl_open(&config, NULL, &db->log, detail);
}

static int replay_log(struct varve_db *db, struct vk_detail *detail) {
    struct vtl_config config = log_config(db);
    uint64_t first_log_seq;
    uint64_t cut = vrn_manifest_cut(db->manifest, &first_log_seq);
    struct vtl_recovered recovered = {0};
    VB_TRY(vtl_recover(&config, cut, first_log_seq, db->recovery->count, apply_txn, db, &recovered, detail));
    VB_TRY(apply_rest(db->recovery, detail));
    VB_TRY(check_newest_segment(db, detail)); /* before anything is written */
    if (db->vouched < recovered.manifest_sequence) db->vouched = recovered.manifest_sequence;
    VB_TRY(vrn_manifest_check_vouched(db->manifest, db->vouched, detail));
    db->recovered_txns = recovered.transactions;
    uint64_t clock = vrn_manifest_clock(db->manifest);
    if (clock < cut) clock = cut;
    if (clock < recovered.max_cts) clock = recovered.max_cts;
    vb_store_release(&db->domain.clock, clock);
    vb_store_release(&db->domain.durable, clock);
    return vtl_open(&config, &recovered, &db->log, detail);
}

int vdb_recover(struct varve_db *db, struct vk_detail *detail) {
    if (workers_open(db) != VARVE_OK)
        return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory while recovering");
    const struct vrn_table *tables;
    size_t count = vrn_manifest_tables(db->manifest, &tables);
    for (size_t i = 0; i < count; i++)
        if (!tables[i].dropped) VB_TRY(vdb_table_load(db, &tables[i], detail));
    VB_TRY(load_runs(db, detail));
    VB_TRY(replay_log(db, detail));
    return vrn_manifest_sweep(db->manifest, detail);
}
