/* engine_none.c - every call returns at once; every row is there and is the same zeros.
 *
 * What is left of a transaction's time is the generator's: drawing, building keys and rows, counting, the clock. The
 * price of another engine contains it.
 *
 * Thread rule: any number of threads; nothing is written.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/driver/engine_none.h"

#include <string.h>

enum { ROW_BYTES = 4096, SCAN_MOST = 100 };

struct peer_db {
    char unused;
};
struct peer_txn {
    char unused;
};

static struct peer_db the_db;
static struct peer_txn the_txn;
static const uint8_t row[ROW_BYTES];

static int open_none(const struct peer_options *o, struct peer_db **db, char *error, size_t error_bytes) {
    (void)o, (void)error, (void)error_bytes;
    *db = &the_db;
    return VARVE_OK;
}
static void close_none(struct peer_db *db) { (void)db; }

static int begin(struct peer_db *db, bool read_only, struct peer_txn **txn) {
    (void)db, (void)read_only;
    *txn = &the_txn;
    return VARVE_OK;
}
static int commit(struct peer_txn *txn) {
    (void)txn;
    return VARVE_OK;
}
static void abort_txn(struct peer_txn *txn) { (void)txn; }

static int get(struct peer_txn *txn, varve_slice key, varve_slice *value) {
    (void)txn, (void)key;
    *value = VARVE_SLICE(row, sizeof(row));
    return VARVE_OK;
}
static int put(struct peer_txn *txn, varve_slice key, varve_slice value) {
    (void)txn, (void)key, (void)value;
    return VARVE_OK;
}
static int remove_row(struct peer_txn *txn, varve_slice key) {
    (void)txn, (void)key;
    return VARVE_OK;
}

static int scan(struct peer_txn *txn, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    (void)txn, (void)reverse;
    varve_slice key = low.data != NULL ? low : high.data != NULL ? high : VARVE_SLICE(row, 16);
    uint64_t count = limit != 0 && limit < SCAN_MOST ? limit : SCAN_MOST;
    for (uint64_t i = 0; i < count; i++)
        if (fn(arg, key, VARVE_SLICE(row, sizeof(row))) != 0) break;
    return VARVE_OK;
}

static int add(struct peer_txn *txn, varve_slice key, int64_t delta) {
    (void)txn, (void)key, (void)delta;
    return VARVE_OK;
}
static int get_many(struct peer_txn *txn, const varve_slice *keys, varve_slice *values, int *statuses, size_t count) {
    (void)txn, (void)keys;
    for (size_t i = 0; i < count; i++) {
        values[i] = VARVE_SLICE(row, sizeof(row));
        statuses[i] = VARVE_OK;
    }
    return VARVE_OK;
}
static int sync_none(struct peer_db *db) {
    (void)db;
    return VARVE_OK;
}

static const struct peer_level levels[] = {{"none", VARVE_SERIALIZABLE}};

const struct peer bench_none = {.abi = PEER_ABI, .name = "none", .title = "an engine that does nothing", .package = "none",
                                .level_count = 1, .levels = levels, .open = open_none, .close = close_none,
                                .begin = begin, .commit = commit, .abort = abort_txn, .get = get, .get_for_update = get,
                                .put = put, .remove = remove_row, .scan = scan, .sync = sync_none, .insert = put,
                                .add = add, .get_many = get_many};
