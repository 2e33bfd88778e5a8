/* lane.c - recording: each public call, its answer, and the version it saw.
 *
 * The begin of a transaction is stamped before the call and its end after it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "record/lane.h"

#include <string.h>
#include <sys/mman.h>

#include "db/db.h"
#include "txn/txn.h"

enum { FIRST_CAPACITY = 1 << 13 };

/* Time is the commit clock, a load instead of two system clocks a transaction. An end is an even number and a begin an odd
 * one above every end that was stamped when the same commit was the last: what ended before is told from what did not, and
 * a session whose end is stamped late claims no more than the engine promises, for a snapshot is never older than the
 * clock at its begin. */
static uint64_t begin_stamp(const struct rc_lane *lane) { return 2 * vtx_clock(vdb_pool(lane->db)) + 1; }
static uint64_t end_stamp(const struct rc_lane *lane, uint64_t begin) {
    uint64_t stamp = 2 * vtx_clock(vdb_pool(lane->db));
    return stamp > begin ? stamp : begin;
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

varve_slice rc_key(uint32_t number, char buffer[RC_KEY_BYTES]) {
    uint32_t rest = number;
    buffer[0] = 'k';
    for (int i = 5; i >= 1; i--, rest /= 10) buffer[i] = (char)('0' + rest % 10);
    if (number % 3 != 2) return VARVE_SLICE(buffer, 6);
    memcpy(buffer + 6, ".tail", 5);
    return VARVE_SLICE(buffer, 11);
}

uint32_t rc_key_number(varve_slice key) {
    const char *text = key.data;
    uint32_t number = 0;
    for (int i = 1; i < 6; i++) number = number * 10 + (uint32_t)(text[i] - '0');
    return number;
}

/* --- columns ------------------------------------------------------------------------------------------------------ */

/* Pages of their own: a column doubles by moving its pages, not its bytes, and what is given back is back, whichever
 * thread filled it. */
static void *pages(void *column, size_t now, size_t wanted) {
    void *larger = column == NULL ? mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                  : mremap(column, now, wanted, MREMAP_MAYMOVE);
    if (larger == MAP_FAILED) return NULL;
    (void)madvise(larger, wanted, MADV_HUGEPAGE); /* fewer first touches; where it is refused nothing is lost */
    return larger;
}
static void pages_free(void *column, size_t bytes) {
    if (column != NULL) (void)munmap(column, bytes);
}

/* Room for one more; false when there is none, and the lane records no further. */
static bool grow(struct rc_lane *lane, void **column, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) return true;
    size_t wanted = *capacity == 0 ? FIRST_CAPACITY : *capacity * 2;
    void *larger = pages(*column, *capacity * size, wanted * size);
    if (larger == NULL) {
        lane->out_of_memory = true;
        return false;
    }
    *column = larger;
    *capacity = wanted;
    return true;
}

static struct hs_op *note(struct rc_lane *lane, enum hs_kind kind, uint32_t key, int64_t value) {
    static _Thread_local struct hs_op nowhere;
    if (lane->off || !grow(lane, (void **)&lane->ops, lane->op_count, &lane->op_capacity, sizeof(struct hs_op)))
        return &nowhere;
    struct hs_op *op = &lane->ops[lane->op_count++];
    *op = (struct hs_op){.key = key, .kind = (uint8_t)kind, .statement = lane->statement, .value = value};
    return op;
}

/* The transaction's last write of the key that still stands. */
static uint64_t own_write(const struct rc_lane *lane, uint32_t key) {
    for (size_t i = lane->op_count; i-- > lane->first_op;) {
        const struct hs_op *op = &lane->ops[i];
        bool writes = op->kind == HS_WRITE || op->kind == HS_DELETE;
        if (writes && op->key == key && (op->flags & (HS_ROLLED_BACK | HS_FAILED)) == 0) return i - lane->first_op;
    }
    return 0;
}

static void note_seen(struct rc_lane *lane, enum hs_kind kind, uint32_t key, int64_t value, uint8_t flags) {
    if (lane->off) return;
    struct vtx_witness seen = vtx_last_read(lane->txn);
    uint64_t version = seen.own_write != 0 ? own_write(lane, key) : seen.version_cts;
    struct hs_op *op = note(lane, kind, key, value);
    op->version = version;
    op->flags = (uint8_t)(flags | (seen.own_write != 0 ? HS_OWN : 0));
}

/* --- transactions ------------------------------------------------------------------------------------------------- */

void rc_lane_open(struct rc_lane *lane, varve_db *db, varve_table *table, uint32_t session) {
    memset(lane, 0, sizeof(*lane));
    lane->db = db;
    lane->table = table;
    lane->session = session;
    lane->error = (varve_error)VARVE_ERROR_INIT;
    lane->next_value = ((uint64_t)session + 1) << 40;
}

void rc_lane_close(struct rc_lane *lane) {
    pages_free(lane->txns, lane->txn_capacity * sizeof(*lane->txns));
    pages_free(lane->ops, lane->op_capacity * sizeof(*lane->ops));
    pages_free(lane->ranges, lane->range_capacity * sizeof(*lane->ranges));
    lane->txns = NULL;
    lane->ops = NULL;
    lane->ranges = NULL;
    lane->txn_count = lane->op_count = lane->range_count = 0;
    lane->txn_capacity = lane->op_capacity = lane->range_capacity = 0;
}

int rc_begin(struct rc_lane *lane, varve_isolation level, bool read_only, uint64_t retry_token) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.isolation = level;
    options.read_only = read_only;
    options.retry_token = retry_token;
    options.error = &lane->error;
    lane->statement = 0;
    lane->first_op = lane->mark_op = lane->op_count;
    lane->error.reason = 0;
    lane->now = (struct hs_txn){.begin = lane->off ? 0 : begin_stamp(lane), .session = lane->session, .snapshot = HS_NO_STAMP};
    int status = varve_begin(lane->db, &options, &lane->txn);
    if (status != VARVE_OK) return status;
    lane->now.level = (uint8_t)varve_txn_effective_isolation(lane->txn);
    lane->now.flags = read_only ? HS_READ_ONLY : 0;
    return VARVE_OK;
}

static void end(struct rc_lane *lane, enum hs_outcome outcome, uint64_t cts) {
    struct hs_txn *txn = &lane->now;
    lane->txn = NULL;
    if (lane->off || !grow(lane, (void **)&lane->txns, lane->txn_count, &lane->txn_capacity, sizeof(*txn))) return;
    txn->end = end_stamp(lane, txn->begin);
    txn->outcome = (uint8_t)outcome;
    txn->cts = cts;
    txn->reason = outcome == HS_ABORTED ? (uint8_t)lane->error.reason : 0;
    if (lane->torn && txn->level == VARVE_READ_COMMITTED) txn->flags |= HS_TORN;
    txn->first_op = lane->first_op;
    txn->op_count = (uint32_t)(lane->op_count - lane->first_op);
    lane->txns[lane->txn_count++] = *txn;
}

int rc_commit(struct rc_lane *lane) {
    uint64_t cts = 0;
    lane->now.snapshot = vtx_snapshot(lane->txn);
    vtx_tell_cts(lane->txn, &cts);
    int status = varve_commit(lane->txn);
    bool known = status != VARVE_UNKNOWN_OUTCOME;
    end(lane, status == VARVE_OK ? HS_COMMITTED : known ? HS_ABORTED : HS_UNKNOWN, cts);
    return status;
}

void rc_abort(struct rc_lane *lane) {
    varve_abort(lane->txn);
    end(lane, HS_ABORTED, 0);
}

/* A status on its way out: what is no answer has ended the transaction. */
static int leave(struct rc_lane *lane, int status) {
    lane->statement++;
    if (status != VARVE_OK && status != VARVE_NOTFOUND && status != VARVE_EXISTS) rc_abort(lane);
    return status;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static int64_t value_of(varve_slice value) {
    int64_t number = 0;
    memcpy(&number, value.data, value.size < sizeof(number) ? value.size : sizeof(number));
    return number;
}

int rc_get(struct rc_lane *lane, uint32_t key, enum rc_read how, int64_t *value) {
    char buffer[RC_KEY_BYTES];
    varve_slice name = rc_key(key, buffer), found = {NULL, 0};
    int status;
    if (how == RC_CONTAINS)
        status = varve_contains(lane->txn, lane->table, name);
    else if (how == RC_GET_FOR_UPDATE)
        status = varve_get_for_update(lane->txn, lane->table, name, &found);
    else
        status = varve_get(lane->txn, lane->table, name, &found);
    if (status == VARVE_OK || status == VARVE_NOTFOUND) {
        int64_t seen = status == VARVE_NOTFOUND ? HS_ABSENT : how == RC_CONTAINS ? 0 : value_of(found);
        if (value != NULL) *value = seen;
        note_seen(lane, how == RC_CONTAINS ? HS_EXISTS : HS_READ, key, seen,
                  how == RC_GET_FOR_UPDATE ? HS_FOR_UPDATE : 0);
    }
    return leave(lane, status);
}

int rc_write(struct rc_lane *lane, uint32_t key, enum rc_write how, size_t value_bytes) {
    static const uint8_t flags[] = {0, HS_NEEDS_ABSENT, HS_NEEDS_PRESENT, HS_NEEDS_PRESENT, HS_ADDITION};
    char buffer[RC_KEY_BYTES];
    uint64_t bytes[RC_VALUE_BYTES / 8];
    varve_slice name = rc_key(key, buffer);
    if (value_bytes < 8) value_bytes = 8;
    if (value_bytes > RC_VALUE_BYTES) value_bytes = RC_VALUE_BYTES;
    bytes[0] = ++lane->next_value;
    memset(bytes + 1, (int)(bytes[0] & 0xff), value_bytes - 8);
    varve_slice value = {bytes, value_bytes};
    int status;
    switch (how) {
    case RC_PUT: status = varve_put(lane->txn, lane->table, name, value); break;
    case RC_INSERT: status = varve_insert(lane->txn, lane->table, name, value); break;
    case RC_UPDATE: status = varve_update(lane->txn, lane->table, name, value); break;
    case RC_ADD: status = varve_add(lane->txn, lane->table, name, (int64_t)bytes[0]); break;
    default: status = varve_delete(lane->txn, lane->table, name); break;
    }
    if (status == VARVE_OK || status == VARVE_NOTFOUND || status == VARVE_EXISTS) {
        bool deletes = how == RC_DELETE;
        struct hs_op *op = note(lane, deletes ? HS_DELETE : HS_WRITE, key, deletes ? HS_ABSENT : (int64_t)bytes[0]);
        op->flags = (uint8_t)(flags[how] | (status == VARVE_OK ? 0 : HS_FAILED));
    }
    return leave(lane, status);
}

/* What the scan has covered: up to its bound, or, stopped by its limit, up to its last row. */
static struct hs_range covered(uint32_t low, uint32_t high, bool reverse, bool stopped, uint32_t last) {
    struct hs_range range = {low, high, reverse ? HS_REVERSE : 0};
    if (!stopped) return range;
    if (reverse) {
        range.low = last;
    } else {
        range.high = last;
        range.flags |= HS_HIGH_INCLUSIVE;
    }
    return range;
}

static int scan_rows(struct rc_lane *lane, varve_cursor *cursor, struct rc_row *rows, unsigned most, unsigned *count) {
    varve_slice key, value;
    int status = VARVE_OK;
    while (*count < most && (status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK) {
        rows[*count] = (struct rc_row){rc_key_number(key), value_of(value)};
        note_seen(lane, HS_ROW, rows[*count].key, rows[*count].value, 0);
        ++*count;
    }
    return status;
}

int rc_scan(struct rc_lane *lane, uint32_t low, uint32_t high, bool reverse, struct rc_row *rows, unsigned most,
            unsigned *count) {
    char low_bytes[RC_KEY_BYTES], high_bytes[RC_KEY_BYTES];
    varve_range range = {.low = rc_key(low, low_bytes), .high = rc_key(high, high_bytes), .reverse = reverse};
    varve_cursor *cursor;
    *count = 0;
    int status = varve_cursor_open(lane->txn, lane->table, &range, &cursor);
    if (status != VARVE_OK) return leave(lane, status);
    size_t head = lane->op_count;
    (void)note(lane, HS_SCAN, 0, 0);
    status = scan_rows(lane, cursor, rows, most, count);
    varve_cursor_close(cursor);
    if (status != VARVE_OK && status != VARVE_END) {
        if (!lane->off) lane->op_count = head; /* a scan that failed has answered nothing */
        return leave(lane, status);
    }
    if (!lane->off && !lane->out_of_memory &&
        grow(lane, (void **)&lane->ranges, lane->range_count, &lane->range_capacity, sizeof(struct hs_range))) {
        bool stopped = status == VARVE_OK; /* not at the end: `most` rows were enough */
        lane->ranges[lane->range_count] = covered(low, high, reverse, stopped, *count != 0 ? rows[*count - 1].key : low);
        lane->ops[head].key = (uint32_t)lane->range_count++;
        lane->ops[head].value = *count;
    }
    return leave(lane, VARVE_OK);
}

int rc_savepoint(struct rc_lane *lane) {
    lane->mark_op = lane->op_count;
    return leave(lane, varve_savepoint(lane->txn, &lane->mark));
}

int rc_rollback(struct rc_lane *lane) {
    int status = varve_rollback_to(lane->txn, lane->mark);
    for (size_t i = lane->mark_op; status == VARVE_OK && !lane->off && i < lane->op_count; i++)
        if (lane->ops[i].kind == HS_WRITE || lane->ops[i].kind == HS_DELETE) lane->ops[i].flags |= HS_ROLLED_BACK;
    return leave(lane, status);
}
