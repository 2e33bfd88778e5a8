/* soak_shapes.c - the shapes of transactions of a random run.
 *
 * Each is the smallest program of some family of anomalies: a read and a write of the same key (lost update), two reads
 * and one write (write skew), scans with inserts and deletes in the other's range (predicates, gaps, ghosts), reads of
 * absent keys, existence, presence asked for by insert, update and delete, savepoints, reads for update, readers of
 * several keys (long fork, fractured reads), long scans that cross leaves, and additions, alone and beside all of these.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/atomics.h"
#include "record/soak_int.h"

enum { ROWS = 256, SHORT_RANGE = 12, LONG_RANGE = 200 };

static uint32_t key(struct rs_session *s) { return rs_skew_draw(&s->shared->skew, &s->random); }
static uint64_t below(struct rs_session *s, uint64_t bound) { return vb_random_below(&s->random, bound); }

/* Mostly small, now and then a value that outgrows its record. Of a row that is added to always a number. */
static size_t value_bytes(struct rs_session *s, uint32_t k) {
    uint64_t dice = below(s, 64);
    if (rs_is_counter(k)) return 8;
    return dice < 56 ? 8 + below(s, 24) : dice < 63 ? 100 : 300 + below(s, 300);
}

/* A status that is not an answer ends the shape: the lane has ended the transaction. */
#define TRY_ANSWER(call)                                                                  \
    do {                                                                                  \
        int answer_ = (call);                                                             \
        if (answer_ != VARVE_OK && answer_ != VARVE_NOTFOUND && answer_ != VARVE_EXISTS) \
            return answer_;                                                               \
    } while (0)

static int read_one(struct rs_session *s, uint32_t k) {
    return rc_get(&s->lane, k, below(s, 8) == 0 ? RC_CONTAINS : RC_GET, NULL);
}

static int write_one(struct rs_session *s, uint32_t k) {
    static const enum rc_write mix[] = {RC_PUT, RC_PUT, RC_PUT, RC_INSERT, RC_UPDATE, RC_UPDATE, RC_DELETE, RC_PUT};
    return rc_write(&s->lane, k, mix[below(s, 8)], value_bytes(s, k));
}

static int scan_some(struct rs_session *s, uint32_t low, uint32_t width, unsigned *rows) {
    struct rc_row found[ROWS];
    uint32_t count = s->shared->options->keys, high = low + width < count ? low + width : count - 1;
    unsigned most = below(s, 3) == 0 ? 1 + (unsigned)below(s, 4) : ROWS, seen;
    int status = rc_scan(&s->lane, low, high, below(s, 3) == 0, found, most, &seen);
    if (status == VARVE_OK && rows != NULL) *rows = seen;
    return status;
}

/* --- shapes ------------------------------------------------------------------------------------------------------- */

static int read_modify_write(struct rs_session *s) {
    uint64_t count = 1 + below(s, 3);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t k = key(s);
        TRY_ANSWER(rc_get(&s->lane, k, below(s, 6) == 0 ? RC_GET_FOR_UPDATE : RC_GET, NULL));
        TRY_ANSWER(rc_write(&s->lane, k, RC_PUT, value_bytes(s, k)));
    }
    return VARVE_OK;
}

static int skew(struct rs_session *s) {
    uint32_t a = key(s), b = key(s);
    TRY_ANSWER(read_one(s, a));
    TRY_ANSWER(read_one(s, b));
    TRY_ANSWER(write_one(s, below(s, 2) == 0 ? a : b));
    return below(s, 4) == 0 ? read_one(s, a) : VARVE_OK;
}

static int reader(struct rs_session *s) {
    uint64_t count = 2 + below(s, 5);
    for (uint64_t i = 0; i < count; i++) TRY_ANSWER(read_one(s, key(s)));
    return below(s, 3) == 0 ? scan_some(s, key(s), SHORT_RANGE, NULL) : VARVE_OK;
}

static int blind_writes(struct rs_session *s) {
    uint64_t count = 1 + below(s, 4);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t k = key(s);
        TRY_ANSWER(rc_write(&s->lane, k, RC_PUT, value_bytes(s, k)));
    }
    return VARVE_OK;
}

static int presence(struct rs_session *s) {
    uint32_t k = key(s);
    TRY_ANSWER(write_one(s, k));
    TRY_ANSWER(write_one(s, below(s, 2) == 0 ? k : key(s)));
    return read_one(s, k);
}

static int scan_and_write(struct rs_session *s) {
    uint32_t low = key(s), k = low + (uint32_t)below(s, SHORT_RANGE);
    if (k >= s->shared->options->keys) k = low;
    TRY_ANSWER(scan_some(s, low, SHORT_RANGE, NULL));
    TRY_ANSWER(write_one(s, below(s, 2) == 0 ? k : key(s)));
    return below(s, 4) == 0 ? scan_some(s, low, SHORT_RANGE, NULL) : VARVE_OK;
}

/* Two neighbouring ranges: what one scans, the other fills. */
static int predicate_pair(struct rs_session *s) {
    uint32_t low = key(s) / 16 * 16, mine = (uint32_t)below(s, 2) * 8;
    if (low + 16 >= s->shared->options->keys) return reader(s);
    unsigned rows = 0;
    TRY_ANSWER(scan_some(s, low + mine, 8, &rows));
    uint32_t k = low + (8 - mine) + (uint32_t)below(s, 8);
    return rc_write(&s->lane, k, rows == 0 || below(s, 2) == 0 ? RC_PUT : RC_DELETE, value_bytes(s, k));
}

/* Sums, their own readers among them. */
static int additions(struct rs_session *s) {
    uint64_t count = 1 + below(s, 3);
    bool reads = below(s, 3) == 0;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t k = key(s) / RS_COUNTER_EVERY * RS_COUNTER_EVERY;
        if (reads && below(s, 2) == 0) TRY_ANSWER(read_one(s, k));
        TRY_ANSWER(rc_write(&s->lane, k, RC_ADD, 8));
        if (reads) TRY_ANSWER(read_one(s, k));
    }
    return below(s, 8) == 0 ? scan_some(s, key(s), SHORT_RANGE, NULL) : VARVE_OK;
}

static int with_savepoint(struct rs_session *s) {
    TRY_ANSWER(write_one(s, key(s)));
    TRY_ANSWER(rc_savepoint(&s->lane));
    TRY_ANSWER(below(s, 3) == 0 ? additions(s) : skew(s));
    if (below(s, 2) == 0) TRY_ANSWER(rc_rollback(&s->lane));
    return below(s, 2) == 0 ? write_one(s, key(s)) : VARVE_OK;
}

static int long_scan(struct rs_session *s) {
    TRY_ANSWER(scan_some(s, (uint32_t)below(s, s->shared->options->keys), LONG_RANGE, NULL));
    return below(s, 4) == 0 ? write_one(s, key(s)) : VARVE_OK;
}

typedef int (*shape_fn)(struct rs_session *s);
static const struct {
    shape_fn run;
    unsigned weight;
} shapes[] = {{read_modify_write, 5}, {skew, 6},           {reader, 5},         {blind_writes, 3}, {presence, 3},
              {scan_and_write, 4},    {predicate_pair, 4}, {with_savepoint, 2}, {long_scan, 1},
              {additions, 4}};

static shape_fn draw_shape(struct rs_session *s) {
    unsigned total = 0, at = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) total += shapes[i].weight;
    uint64_t dice = below(s, total);
    while (dice >= shapes[at].weight) dice -= shapes[at++].weight;
    return shapes[at].run;
}

int rs_transaction(struct rs_session *s, varve_isolation level, uint64_t retry_token) {
    shape_fn shape = draw_shape(s);
    bool read_only = (shape == reader) && below(s, 3) == 0;
    s->lane.torn = vb_load_acquire(&s->shared->torn) != 0;
    int status = rc_begin(&s->lane, level, read_only, retry_token);
    if (status != VARVE_OK) return status;
    TRY_ANSWER(shape(s));
    s->lane.torn |= vb_load_acquire(&s->shared->torn) != 0;
    if (below(s, 32) == 0) {
        rc_abort(&s->lane);
        return RS_ROLLED_BACK;
    }
    return rc_commit(&s->lane);
}
