/* cursor.c - ordered walks: one leaf portion of the index at a time, merged with the transaction's own writes.
 *
 * A cursor rests on a key (or at an end) and moves by key, so that it needs no hold on the index between calls: the
 * portion it keeps is only a hint, read again whenever the stamp moved, the direction turned, or the scheme says so.
 * Each gap crossed is told to the scheme (vcc_range), also the ones up to an own write, a leaf's fence and the bound.
 *  U1  `at` is the last key crossed; everything between the scan's start and `at` has been registered
 *  U2  own writes are looked up freshly by key at every move: they are seen ahead of the position whenever they were
 *      made
 *  U3  rows are read, and the next portion is fetched, before they are wanted, so that their cache misses overlap. That
 *      is looking, not reading: a row is registered or locked, and a gap crossed, when the scan gets there. What was
 *      read under a stamp is thrown away when the stamp moves; a declared reader's stamp never does, and its rows go
 *      out as they were read
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/planted.h"
#include "os/rcu.h"
#include "txn/txn_int.h"

enum place { AT_LOW_END, ON_ROW, AT_HIGH_END };
enum { FIRST_BATCH = 4, BATCH_GROWTH = 4 };
enum { DELIVERED = 10, CROSSED = 11 }; /* beside statuses and VCC_WAIT, VCC_RETRY */

struct varve_cursor {
    struct varve_txn *txn; /* NULL once closed */
    struct varve_cursor *next;
    struct varve_table *table;
    struct vst_table *tree;
    varve_slice low, high; /* low <= key < high; data NULL: open; in the transaction's arena */
    bool reverse;
    uint64_t limit, delivered;
    enum place place;
    enum vst_direction direction;
    varve_slice at; /* U1; data NULL: the open end of this direction */
    bool at_strict; /* continue beyond `at` rather than from it */
    struct vcc_scan scan;
    uint64_t moves;       /* snap_moves when the portions and rows were read: what follows counts under no other stamp */
    unsigned index;       /* next record of the portion */
    unsigned ready;       /* U3: rows [index, ready) are in `seen` */
    unsigned batch;       /* how many rows the next look ahead reads */
    bool portion_valid, next_valid;
    bool may_end;         /* a record of the portion may lie outside the bounds */
    struct vst_portion portions[2], *portion, *next_portion;
    struct vst_seen seen[VST_PORTION_MAX];
    struct vb_arena ahead_arena; /* the values in `seen` */
    struct vb_arena row_arena;   /* the value of a row that was not read ahead, until the next move */
};

struct row_out {
    varve_slice key, value;
    struct vk_write *add; /* an own ADD, whose sum is still to be made; NULL: none */
};

/* --- bounds ------------------------------------------------------------------------------------------------------- */

static bool beyond(const struct varve_cursor *c, varve_slice key) {
    if (c->direction == VST_FORWARD) return c->high.data != NULL && vb_compare(key, c->high) >= 0;
    return c->low.data != NULL && vb_compare(key, c->low) < 0;
}

static int copy_bound(struct varve_txn *txn, varve_slice from, varve_slice *to) {
    *to = VARVE_SLICE(NULL, 0);
    if (from.data == NULL) return VARVE_OK;
    void *bytes = vb_arena_alloc(&txn->cc.arena, from.size != 0 ? from.size : 1);
    if (bytes == NULL)
        return vk_fail(&txn->cc.detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for a cursor");
    memcpy(bytes, from.data, from.size);
    *to = VARVE_SLICE(bytes, from.size);
    return VARVE_OK;
}

/* Narrows [low, high) to the keys that begin with prefix: high becomes the first key above all of them. */
static int apply_prefix(struct varve_txn *txn, varve_slice prefix, varve_slice *low, varve_slice *high) {
    if (prefix.data == NULL || prefix.size == 0) return VARVE_OK;
    varve_slice begin, end;
    VB_TRY(copy_bound(txn, prefix, &begin));
    VB_TRY(copy_bound(txn, prefix, &end));
    uint8_t *bytes = (uint8_t *)(uintptr_t)end.data;
    while (end.size != 0 && bytes[end.size - 1] == 0xff) end.size--;
    if (end.size != 0) bytes[end.size - 1]++;
    if (low->data == NULL || vb_compare(*low, begin) < 0) *low = begin;
    if (end.size != 0 && (high->data == NULL || vb_compare(end, *high) < 0)) *high = end;
    return VARVE_OK;
}

/* --- one step ----------------------------------------------------------------------------------------------------- */

/* The record whose gap word guards what lies before `to` in this direction: the first at or above the gap's upper end.
 */
static struct vst_record *guard_of(struct varve_cursor *c, varve_slice to, bool inclusive) {
    if (to.data != NULL) return vst_successor(c->tree, to, c->direction == VST_REVERSE && inclusive);
    if (c->direction == VST_FORWARD) return vst_sentinel(c->tree);
    return vst_successor(c->tree, VARVE_SLICE("", 0), false);
}

/* Tells the scheme that the scan has crossed everything up to `to`; `on` is the record it rests on, where it does. In a
 * read section. */
static int cross(struct varve_cursor *c, varve_slice to, bool inclusive, struct vst_record *on) {
    struct vcc_txn *cc = &c->txn->cc;
    struct vcc_step step = {.portion = c->portion, .to = to, .to_inclusive = inclusive};
    if ((cc->ops->caps & VCC_CAP_GAPS) != 0 && !cc->read_only)
        step.guard = on != NULL && c->direction == VST_FORWARD ? on : guard_of(c, to, inclusive);
    VK_YIELD(cc->domain, scan_crossed);
    return vcc_range(cc, &c->scan, &step);
}

static void rest_on(struct varve_cursor *c, varve_slice key, bool strict) {
    c->at = key;
    c->at_strict = strict;
}

static void forget_portions(struct varve_cursor *c) {
    c->portion_valid = c->next_valid = false;
    c->ready = 0;
}

/* Rows that may still be delivered before the cursor's limit. */
static unsigned rows_left(const struct varve_cursor *c) {
    uint64_t left = c->limit != 0 ? c->limit - c->delivered : VST_PORTION_MAX;
    return left < VST_PORTION_MAX ? (unsigned)left : VST_PORTION_MAX;
}

/* Whether the scan ends before the portion's fence, so that its keys have to be compared with the bound. */
static bool ends_before_fence(const struct varve_cursor *c) {
    varve_slice bound = c->direction == VST_FORWARD ? c->high : c->low;
    if (bound.data == NULL) return false;
    varve_slice fence = vst_portion_fence(c->portion);
    return fence.data == NULL || vb_compare(fence, bound) * (int)c->direction > 0;
}

/* Sends for what a portion that was just read will be asked for first; `left` rows at most. */
static void expect_portion(const struct varve_cursor *c, const struct vst_portion *portion, unsigned left) {
    vst_portion_prefetch(portion, left < VST_AHEAD_REACH ? left : VST_AHEAD_REACH);
    if (left > portion->count) vst_portion_prefetch_next(c->tree, portion);
}

static void load_portion(struct varve_cursor *c) {
    bool same = c->moves == c->txn->cc.snap_moves || VB_PLANTED(76);
    if (c->portion_valid && same) return;
    if (c->next_valid && same) {
        struct vst_portion *left = c->portion;
        c->portion = c->next_portion;
        c->next_portion = left;
    } else {
        vst_portion_read(c->tree, c->at, c->at_strict, c->direction, c->portion);
        expect_portion(c, c->portion, rows_left(c));
    }
    c->next_valid = false;
    c->portion_valid = true;
    c->moves = c->txn->cc.snap_moves;
    c->index = c->ready = 0;
    c->may_end = ends_before_fence(c);
    VK_YIELD(c->txn->cc.domain, scan_portion);
}

/* Reads the rows that are wanted next, more of them each time, so that a cursor that stops soon has read little in vain;
 * towards the portion's end fetches the next one. Where the scheme reads row by row, their lines are loaded at least. */
static int look_ahead(struct varve_cursor *c) {
    unsigned left = rows_left(c), known = c->portion->count - c->index;
    unsigned wanted = left < known ? left : known;
    struct vst_ahead ahead = {.records = c->portion->records + c->index,
                              .known = wanted,
                              .count = c->batch < wanted ? c->batch : wanted,
                              .arena = &c->ahead_arena,
                              .seen = c->seen + c->index};
    c->batch = c->batch * BATCH_GROWTH < VST_PORTION_MAX ? c->batch * BATCH_GROWTH : VST_PORTION_MAX;
    if (c->ahead_arena.used_bytes != 0) vb_arena_reset(&c->ahead_arena);
    VB_TRY(vcc_read_ahead(&c->txn->cc, &ahead));
    c->ready = c->index + ahead.done;
    if (ahead.done == 0 && wanted > VST_AHEAD_REACH) vst_record_prefetch(ahead.records[VST_AHEAD_REACH]);
    if (known - ahead.done > VST_AHEAD_REACH || left <= known || c->next_valid || c->may_end) return VARVE_OK;
    c->next_valid = vst_portion_next(c->tree, c->portion, c->next_portion);
    if (c->next_valid) expect_portion(c, c->next_portion, c->limit != 0 ? left - known : VST_PORTION_MAX);
    return VARVE_OK;
}

/* The next own write in this direction, within the bounds; NULL: none. */
static struct vk_write *own_ahead(struct varve_cursor *c) {
    struct vk_wset *wset = &c->txn->cc.wset;
    if (wset->live == 0) return NULL;
    struct vk_write *own = c->direction == VST_FORWARD ? vk_wset_ge(wset, c->table->id, c->at, c->at_strict)
                                                       : vk_wset_le(wset, c->table->id, c->at, c->at_strict);
    return own != NULL && !beyond(c, own->key) ? own : NULL;
}

static bool in_this_portion(const struct varve_cursor *c, varve_slice key) {
    varve_slice fence = vst_portion_fence(c->portion);
    if (fence.data == NULL) return true;
    int order = vb_compare(key, fence);
    return c->direction == VST_FORWARD ? order < 0 : order >= 0;
}

static int take_own(struct varve_cursor *c, struct vk_write *own, struct row_out *out) {
    VB_TRY(cross(c, own->key, true, NULL));
    rest_on(c, own->key, true);
    if (own->kind == VK_DELETE) return CROSSED;
    *out = (struct row_out){own->key, own->value, own->kind == VK_ADD ? own : NULL};
    c->txn->witness = (struct vtx_witness){0, own->index + 1};
    return DELIVERED;
}

static int take_record(struct varve_cursor *c, struct vst_record *record, struct row_out *out) {
    if (c->index >= c->ready) VB_TRY(look_ahead(c));
    struct vcc_access access = {
        .table = c->tree, .key = vst_record_key(record), .hint = VCC_SCAN, .arena = &c->row_arena};
    access.found = (struct vst_found){record, c->portion->leaf, c->portion->phantom};
    if (c->index < c->ready) access.ahead = &c->seen[c->index];
    struct vcc_result result;
    VB_TRY(vcc_read(&c->txn->cc, &access, &result));
    VB_TRY(cross(c, access.key, true, record));
    rest_on(c, access.key, true);
    c->index++;
    if (!result.present) return CROSSED;
    vtx_note_key(c->txn, c->tree, access.key);
    *out = (struct row_out){access.key, result.value, NULL};
    c->txn->witness = (struct vtx_witness){result.cts, 0};
    return DELIVERED;
}

/* No record of this portion is left: on to the next leaf, or the end. */
static int leave_portion(struct varve_cursor *c) {
    varve_slice fence = vst_portion_fence(c->portion);
    if (fence.data == NULL || beyond(c, fence) ||
        (c->direction == VST_REVERSE && c->low.data != NULL && vb_compare(fence, c->low) == 0)) {
        VB_TRY(cross(c, c->direction == VST_FORWARD ? c->high : c->low,
                     c->direction == VST_REVERSE && c->low.data != NULL, NULL));
        return VARVE_END;
    }
    bool inclusive = c->direction == VST_REVERSE; /* a leaf's low fence belongs to it, its high fence does not */
    VB_TRY(cross(c, fence, inclusive, NULL));
    rest_on(c, fence, c->direction == VST_REVERSE); /* its bytes stay, as records do */
    c->portion_valid = false;
    return CROSSED;
}

/* One candidate: DELIVERED with *out, CROSSED (go on), END, VCC_WAIT, VCC_RETRY or a failure. In a read section. */
static int step(struct varve_cursor *c, struct row_out *out) {
    load_portion(c);
    struct vst_record *record = c->index < c->portion->count ? c->portion->records[c->index] : NULL;
    bool ended = record != NULL && c->may_end && beyond(c, vst_record_key(record));
    if (ended) record = NULL;
    struct vk_write *own = own_ahead(c);
    if (own != NULL) {
        int order = record == NULL ? (ended || in_this_portion(c, own->key) ? -1 : 1)
                                   : vb_compare(own->key, vst_record_key(record)) * (int)c->direction;
        if (order == 0 && !VB_PLANTED(75)) c->index++; /* superseded by the own write */
        if (order <= 0) return take_own(c, own, out);
    }
    if (record != NULL) return take_record(c, record, out);
    if (!ended) return leave_portion(c);
    VB_TRY(cross(c, c->direction == VST_FORWARD ? c->high : c->low, c->direction == VST_REVERSE, NULL));
    return VARVE_END;
}

/* A sum may have to wait for its base, so it is read after the step, as a row looked up by its key. */
static int deliver(struct varve_cursor *c, struct row_out *out) {
    if (out->add != NULL) VB_TRY(vtx_sum(c->txn, out->add, VCC_PLAIN, &c->row_arena, &out->value));
    c->place = ON_ROW;
    return DELIVERED;
}

static int walk(struct varve_cursor *c, struct row_out *out) {
    if (c->row_arena.used_bytes != 0) vb_arena_reset(&c->row_arena);
    for (;;) {
        vos_rcu_enter();
        int status;
        do {
            status = step(c, out);
        } while (status == CROSSED);
        vos_rcu_exit();
        if (status == DELIVERED) status = deliver(c, out);
        if (status == DELIVERED) return VARVE_OK;
        forget_portions(c);
        if (status == VARVE_END) c->place = c->direction == VST_FORWARD ? AT_HIGH_END : AT_LOW_END;
        if (status > VARVE_OK) status = vtx_again(c->txn, status);
        if (status < VARVE_OK && status != VARVE_END) c->place = c->direction == VST_FORWARD ? AT_LOW_END : AT_HIGH_END;
        if (status != VARVE_OK) return status;
    }
}

/* --- moves -------------------------------------------------------------------------------------------------------- */

/* Begins a new scan at `from` (data NULL: the bound's open end). */
static void start_scan(struct varve_cursor *c, enum vst_direction direction, varve_slice from, bool strict) {
    c->direction = direction;
    rest_on(c, from, strict);
    c->scan = (struct vcc_scan){.table = c->tree, .direction = direction, .from = from, .from_strict = strict};
    forget_portions(c);
    c->batch = c->limit != 0 ? VST_PORTION_MAX : FIRST_BATCH;
}

static void start_at_bound(struct varve_cursor *c, enum vst_direction direction) {
    if (direction == VST_FORWARD)
        start_scan(c, direction, c->low, false);
    else
        start_scan(c, direction, c->high, c->high.data != NULL);
}

static void start_at_target(struct varve_cursor *c, enum vst_direction direction, varve_slice target) {
    if (direction == VST_FORWARD && c->low.data != NULL && vb_compare(target, c->low) < 0)
        start_at_bound(c, direction);
    else if (direction == VST_REVERSE && c->high.data != NULL && vb_compare(target, c->high) >= 0)
        start_at_bound(c, direction);
    else
        start_scan(c, direction, target, false);
}

/* Continues from the resting place. False: there is nothing further this way. */
static bool start_relative(struct varve_cursor *c, enum vst_direction direction) {
    enum place behind = direction == VST_FORWARD ? AT_LOW_END : AT_HIGH_END;
    if (c->place == ON_ROW) {
        if (c->direction != direction) start_scan(c, direction, c->at, true);
        return true;
    }
    if (c->place != behind) return false;
    start_at_bound(c, direction);
    return true;
}

static int move_to(struct varve_cursor *c, enum vtx_move move, varve_slice target, struct row_out *out) {
    enum vst_direction ahead = c->reverse ? VST_REVERSE : VST_FORWARD;
    enum vst_direction back = c->reverse ? VST_FORWARD : VST_REVERSE;
    if (move == VTX_NEXT && c->limit != 0 && c->delivered >= c->limit) return VARVE_END;
    if (move != VTX_NEXT) c->delivered = 0;
    switch (move) {
    case VTX_NEXT:
        if (!start_relative(c, ahead)) return VARVE_END;
        break;
    case VTX_PREV:
        if (!start_relative(c, back)) return VARVE_END;
        break;
    case VTX_FIRST: start_at_bound(c, ahead); break;
    case VTX_LAST: start_at_bound(c, back); break;
    case VTX_SEEK_GE: start_at_target(c, VST_FORWARD, target); break;
    case VTX_SEEK_LE: start_at_target(c, VST_REVERSE, target); break;
    }
    int status = walk(c, out);
    if (status == VARVE_OK) c->delivered++;
    return status;
}

/* The next row of a declared read-only transaction, when it was read ahead: it has nothing to tell its scheme. */
static bool deliver_ready(struct varve_cursor *c, varve_slice *key, varve_slice *value) {
    struct vcc_txn *cc = &c->txn->cc;
    if (c->index >= c->ready || !cc->read_only || c->moves != cc->snap_moves) return false;
    if (c->direction != (c->reverse ? VST_REVERSE : VST_FORWARD) || (c->limit != 0 && c->delivered >= c->limit))
        return false;
    const struct vst_seen *seen = &c->seen[c->index];
    varve_slice name = vst_record_key(c->portion->records[c->index]);
    if (!seen->present || (c->may_end && beyond(c, name))) return false;
    vcc_observe(cc, seen->cts);
    rest_on(c, name, true);
    c->index++;
    c->delivered++;
    c->txn->witness = (struct vtx_witness){seen->cts, 0};
    if (key != NULL) *key = name;
    if (value != NULL) *value = seen->value;
    return true;
}

int vtx_cursor_move(struct varve_cursor *c, enum vtx_move move, varve_slice target, varve_slice *key,
                    varve_slice *value) {
    struct varve_txn *txn = c->txn;
    VB_TRY(vtx_enter(txn));
    if (move == VTX_NEXT && deliver_ready(c, key, value)) return VARVE_OK;
    if (c->table->tree != c->tree)
        return vtx_refuse(txn, VARVE_INVALID, VARVE_REASON_CALLER, "the cursor's table has been dropped");
    struct row_out out;
    int status = move_to(c, move, target, &out);
    if (status != VARVE_OK) return vtx_leave(txn, status);
    if (key != NULL) *key = out.key;
    if (value != NULL) *value = out.value;
    return VARVE_OK;
}

/* --- open and close ----------------------------------------------------------------------------------------------- */

/* Closed cursors stay with the handle until the pool closes, so that a late use of one is noticed. */
static struct varve_cursor *cursor_get(struct varve_txn *txn) {
    struct varve_cursor *c = txn->spare_cursors;
    if (c != NULL) {
        txn->spare_cursors = c->next;
        return c;
    }
    c = vb_heap_alloc(txn->cc.heap, sizeof *c);
    if (c == NULL) return NULL;
    vb_arena_init(&c->ahead_arena, txn->cc.heap, VST_AHEAD_BYTES + 2 * VK_INLINE_BYTES);
    vb_arena_init(&c->row_arena, txn->cc.heap, 1024);
    c->portion = &c->portions[0];
    c->next_portion = &c->portions[1];
    return c;
}

static void cursor_put(struct varve_txn *txn, struct varve_cursor *c) {
    c->txn = NULL;
    c->next = txn->spare_cursors;
    txn->spare_cursors = c;
}

static int cursor_setup(struct varve_cursor *c, struct varve_txn *txn, struct varve_table *table,
                        const varve_range *range) {
    static const varve_range everything;
    if (range == NULL) range = &everything;
    c->table = table;
    c->tree = table->tree;
    c->reverse = range->reverse;
    c->limit = range->limit;
    c->delivered = 0;
    c->place = range->reverse ? AT_HIGH_END : AT_LOW_END;
    c->direction = range->reverse ? VST_REVERSE : VST_FORWARD;
    forget_portions(c);
    VB_TRY(copy_bound(txn, range->low, &c->low));
    VB_TRY(copy_bound(txn, range->high, &c->high));
    return apply_prefix(txn, range->prefix, &c->low, &c->high);
}

int vtx_cursor_open(struct varve_txn *txn, struct varve_table *table, const varve_range *range,
                    struct varve_cursor **cursor) {
    VB_TRY(vtx_enter(txn));
    if (table->tree == NULL || table->db != txn->pool->config.db)
        return vtx_refuse(txn, VARVE_INVALID, VARVE_REASON_CALLER,
                          "a cursor over a dropped table or another database's");
    struct varve_cursor *c = VK_FAULT(txn->cc.domain, cursor) ? NULL : cursor_get(txn);
    if (c == NULL) return vtx_refuse(txn, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for a cursor");
    int status = cursor_setup(c, txn, table, range);
    if (status != VARVE_OK) {
        cursor_put(txn, c);
        return vtx_leave(txn, status);
    }
    vtx_statement_begin(txn);
    c->txn = txn;
    c->next = txn->cursors;
    txn->cursors = c;
    *cursor = c;
    return VARVE_OK;
}

void vtx_cursor_close(struct varve_cursor *c) {
    struct varve_txn *txn = c->txn;
    if (txn == NULL) return;
    struct varve_cursor **link = &txn->cursors;
    while (*link != c) link = &(*link)->next;
    *link = c->next;
    vtx_statement_end(txn);
    vb_arena_reset(&c->ahead_arena);
    vb_arena_reset(&c->row_arena);
    cursor_put(txn, c);
}

void vtx_cursors_close_all(struct varve_txn *txn) {
    while (txn->cursors != NULL) vtx_cursor_close(txn->cursors);
}

void vtx_cursors_release(struct varve_txn *txn) {
    while (txn->spare_cursors != NULL) {
        struct varve_cursor *c = txn->spare_cursors;
        txn->spare_cursors = c->next;
        vb_arena_release(&c->ahead_arena);
        vb_arena_release(&c->row_arena);
        vb_heap_free(txn->cc.heap, c, sizeof *c);
    }
}

struct varve_txn *vtx_cursor_txn(const struct varve_cursor *cursor) {
    return cursor->txn;
}
