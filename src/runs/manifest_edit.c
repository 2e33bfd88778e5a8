/* manifest_edit.c - edits to bytes and back.
 *
 * Pure functions over bytes and a state; one thread at a time. Invariants
 *   1. What is decoded passes the same refusals as what a caller hands in: a right sum is not enough.
 *   2. Decoding allocates no more than the payload's own size allows: counts are compared with the bytes that are left.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/check.h"
#include "runs/manifest_int.h"

enum { ITEM_HEADER_BYTES = 5, RUN_BODY_BYTES = 52, TABLE_FIXED_BYTES = 14 };

/* --- encoding ----------------------------------------------------------------------------------------------------- */

/* Room for one item; returns where its body goes, or NULL. */
static uint8_t *begin_item(struct vrn_bytes *out, enum vrn_edit_item kind, size_t body_bytes) {
    if (vrn_bytes_reserve(out, out->size + ITEM_HEADER_BYTES + body_bytes) != VARVE_OK) return NULL;
    uint8_t *at = out->data + out->size;
    at[0] = (uint8_t)kind;
    vb_put_u32(at + 1, (uint32_t)body_bytes);
    out->size += ITEM_HEADER_BYTES + body_bytes;
    return at + ITEM_HEADER_BYTES;
}

static int encode_run(const struct vrn_facts *facts, struct vrn_bytes *out) {
    uint8_t *at = begin_item(out, VRN_ADD_RUN, RUN_BODY_BYTES);
    if (at == NULL) return VARVE_NOMEM;
    vb_put_u32(at, 0);
    vb_put_u64(at + 4, facts->file_id);
    vb_put_u64(at + 12, facts->bytes);
    vb_put_u64(at + 20, facts->entries);
    vb_put_u64(at + 28, facts->tombstones);
    vb_put_u64(at + 36, facts->min_cts);
    vb_put_u64(at + 44, facts->max_cts);
    return VARVE_OK;
}

static int encode_table(const struct vrn_table *table, struct vrn_bytes *out) {
    size_t name_bytes = strlen(table->name), bytes = TABLE_FIXED_BYTES + name_bytes;
    for (size_t i = 0; i < table->rule_count; i++) bytes += 4 + strlen(table->rules[i]);
    uint8_t *at = begin_item(out, VRN_TABLE, bytes);
    if (at == NULL) return VARVE_NOMEM;
    vb_put_u32(at, table->id);
    vb_put_u32(at + 4, table->collation);
    at[8] = table->dropped ? VRN_TABLE_DROPPED : 0;
    at[9] = (uint8_t)name_bytes;
    memcpy(at + 10, table->name, name_bytes);
    at += 10 + name_bytes;
    vb_put_u32(at, (uint32_t)table->rule_count);
    at += 4;
    for (size_t i = 0; i < table->rule_count; i++) {
        size_t rule_bytes = strlen(table->rules[i]);
        vb_put_u32(at, (uint32_t)rule_bytes);
        memcpy(at + 4, table->rules[i], rule_bytes);
        at += 4 + rule_bytes;
    }
    return VARVE_OK;
}

static int encode_u64(enum vrn_edit_item kind, uint64_t value, struct vrn_bytes *out) {
    uint8_t *at = begin_item(out, kind, 8);
    if (at == NULL) return VARVE_NOMEM;
    vb_put_u64(at, value);
    return VARVE_OK;
}

static int encode_timeline(uint32_t timeline, struct vrn_bytes *out) {
    uint8_t *at = begin_item(out, VRN_TIMELINE, 4);
    if (at == NULL) return VARVE_NOMEM;
    vb_put_u32(at, timeline);
    return VARVE_OK;
}

static int encode_cut(uint64_t cts, uint64_t first_log_seq, struct vrn_bytes *out) {
    uint8_t *at = begin_item(out, VRN_CUT, 16);
    if (at == NULL) return VARVE_NOMEM;
    vb_put_u64(at, cts);
    vb_put_u64(at + 8, first_log_seq);
    return VARVE_OK;
}

static int encode_ids(uint64_t next_file, uint32_t next_table, struct vrn_bytes *out) {
    uint8_t *at = begin_item(out, VRN_IDS, 12);
    if (at == NULL) return VARVE_NOMEM;
    vb_put_u64(at, next_file);
    vb_put_u32(at + 8, next_table);
    return VARVE_OK;
}

int vrn_change_encode(const struct vrn_change *change, struct vrn_bytes *out) {
    if (change->next_file != 0 || change->next_table != 0)
        VB_TRY(encode_ids(change->next_file, change->next_table, out));
    const struct vrn_edit *edit = change->edit;
    if (edit == NULL) return VARVE_OK;
    for (size_t i = 0; i < edit->drop_file_count; i++) VB_TRY(encode_u64(VRN_DROP_FILE, edit->drop_files[i], out));
    for (size_t i = 0; i < edit->add_run_count; i++) VB_TRY(encode_run(&edit->add_runs[i], out));
    if (edit->set_cut) VB_TRY(encode_cut(edit->cut_cts, edit->cut_first_log_seq, out));
    if (edit->clock_floor != 0) VB_TRY(encode_u64(VRN_CLOCK, edit->clock_floor, out));
    if (edit->timeline != 0) VB_TRY(encode_timeline(edit->timeline, out));
    if (edit->log_file != 0) VB_TRY(encode_u64(VRN_LOG, edit->log_file, out));
    return edit->table != NULL ? encode_table(edit->table, out) : VARVE_OK;
}

int vrn_state_encode(const struct vrn_state *state, struct vrn_bytes *out) {
    VB_TRY(encode_ids(state->next_file, state->next_table, out));
    VB_TRY(encode_timeline(state->timeline, out));
    VB_TRY(encode_u64(VRN_CLOCK, state->clock_floor, out));
    VB_TRY(encode_u64(VRN_LOG, state->log_file, out));
    VB_TRY(encode_cut(state->cut_cts, state->cut_first_log_seq, out));
    for (size_t i = 0; i < state->run_count; i++) VB_TRY(encode_run(&state->runs[i], out));
    for (size_t i = 0; i < state->table_count; i++) VB_TRY(encode_table(&state->tables[i], out));
    return VARVE_OK;
}

/* --- decoding ----------------------------------------------------------------------------------------------------- */

static int apply_change(struct vrn_state *state, const struct vrn_change *change, const char **why) {
    *why = vrn_state_refusal(state, change);
    if (*why != NULL) return VARVE_CORRUPT;
    struct vrn_prepared prepared;
    VB_TRY(vrn_state_prepare(state, change, &prepared));
    vrn_state_apply(state, change, &prepared);
    return VARVE_OK;
}

/* Reads the rules into one piece of memory, which the caller frees; *rules NULL when there are none. */
static int decode_rules(struct vb_reader *body, struct vrn_table *table, size_t *all_bytes) {
    uint32_t count = vb_read_u32(body);
    size_t left = (size_t)(body->end - body->next);
    if (body->bad || count > left / 4) return VARVE_CORRUPT;
    table->rules = NULL;
    table->rule_count = count;
    if (count == 0) return VARVE_OK;
    *all_bytes = count * sizeof(char *) + left; /* each length of four bytes leaves room for a NUL */
    char **rules = vb_alloc(*all_bytes);
    if (rules == NULL) return VARVE_NOMEM;
    table->rules = rules;
    char *at = (char *)(rules + count);
    for (uint32_t i = 0; i < count; i++) {
        varve_slice text = vb_read_bytes(body, vb_read_u32(body));
        if (body->bad || memchr(text.size != 0 ? text.data : "", 0, text.size) != NULL) return VARVE_CORRUPT;
        if (text.size != 0) memcpy(at, text.data, text.size);
        rules[i] = at;
        at += text.size + 1; /* memory was zeroed */
    }
    return VARVE_OK;
}

static int decode_table(struct vrn_state *state, struct vb_reader *body, const char **why) {
    struct vrn_table table = {.id = vb_read_u32(body), .collation = vb_read_u32(body)};
    uint8_t flags = vb_read_u8(body);
    varve_slice name = vb_read_bytes(body, vb_read_u8(body));
    *why = "a table that makes no sense";
    if (body->bad || flags > VRN_TABLE_DROPPED || name.size == 0 || name.size > VRN_TABLE_NAME_MAX)
        return VARVE_CORRUPT;
    if (memchr(name.data, 0, name.size) != NULL) return VARVE_CORRUPT;
    memcpy(table.name, name.data, name.size);
    table.dropped = flags == VRN_TABLE_DROPPED;
    size_t all_bytes = 0;
    int status = decode_rules(body, &table, &all_bytes);
    if (status == VARVE_OK && body->next != body->end) status = VARVE_CORRUPT;
    if (status == VARVE_OK) {
        struct vrn_edit edit = {.table = &table};
        struct vrn_change change = {.edit = &edit};
        status = apply_change(state, &change, why);
    }
    vb_free(table.rules, all_bytes);
    return status;
}

/* The items of fixed size. False: an unknown kind. */
static bool decode_fixed(enum vrn_edit_item kind, struct vb_reader *body, struct vrn_change *change,
                         struct vrn_edit *edit, struct vrn_facts *facts) {
    switch (kind) {
    case VRN_ADD_RUN:
        if (vb_read_u32(body) != 0) body->bad = true;
        facts->file_id = vb_read_u64(body);
        facts->bytes = vb_read_u64(body);
        facts->entries = vb_read_u64(body);
        facts->tombstones = vb_read_u64(body);
        facts->min_cts = vb_read_u64(body);
        facts->max_cts = vb_read_u64(body);
        edit->add_runs = facts;
        edit->add_run_count = 1;
        return true;
    case VRN_DROP_FILE:
        facts->file_id = vb_read_u64(body);
        edit->drop_files = &facts->file_id;
        edit->drop_file_count = 1;
        return true;
    case VRN_CUT:
        edit->set_cut = true;
        edit->cut_cts = vb_read_u64(body);
        edit->cut_first_log_seq = vb_read_u64(body);
        return true;
    case VRN_IDS:
        change->next_file = vb_read_u64(body);
        change->next_table = vb_read_u32(body);
        return true;
    case VRN_CLOCK: edit->clock_floor = vb_read_u64(body); return true;
    case VRN_LOG: edit->log_file = vb_read_u64(body); return true;
    case VRN_TIMELINE: edit->timeline = vb_read_u32(body); return true;
    case VRN_TABLE: break;
    }
    return false;
}

int vrn_payload_apply(struct vrn_state *state, varve_slice payload, const char **why) {
    struct vb_reader reader;
    vb_reader_init(&reader, payload.data, payload.size);
    while (reader.next != reader.end) {
        uint8_t kind = vb_read_u8(&reader);
        varve_slice bytes = vb_read_bytes(&reader, vb_read_u32(&reader));
        *why = "an edit whose parts do not fit it";
        if (reader.bad) return VARVE_CORRUPT;
        struct vb_reader body;
        vb_reader_init(&body, bytes.data, bytes.size);
        if (kind == VRN_TABLE) {
            VB_TRY(decode_table(state, &body, why));
            continue;
        }
        struct vrn_edit edit = {0};
        struct vrn_facts facts = {0};
        struct vrn_change change = {.edit = &edit};
        bool known = decode_fixed((enum vrn_edit_item)kind, &body, &change, &edit, &facts);
        if (!known) *why = "an edit of a newer version";
        if (!known || body.bad || body.next != body.end) return VARVE_CORRUPT;
        VB_TRY(apply_change(state, &change, why));
    }
    return VARVE_OK;
}
