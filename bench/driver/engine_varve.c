/* engine_varve.c - our own engine behind the peers' table.
 *
 * A transaction of `run` lives on the stack; begin, used by fills and checks, allocates.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/driver/engine_varve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peer_db {
    varve_db *db;
    varve_table *table;
};
struct peer_txn {
    varve_txn *txn;
    varve_table *table;
};

static const struct peer_level levels[EV_LEVELS] = {{"read uncommitted", VARVE_READ_COMMITTED},
                                                    {"read committed", VARVE_READ_COMMITTED},
                                                    {"repeatable read", VARVE_REPEATABLE_READ},
                                                    {"snapshot", VARVE_SNAPSHOT},
                                                    {"serializable", VARVE_SERIALIZABLE}};

static int open_scheme(const char *cc, const struct peer_options *o, struct peer_db **out, char *error,
                       size_t error_bytes) {
    static const char *const isolation[EV_LEVELS] = {"read_uncommitted", "read_committed", "repeatable_read", "snapshot",
                                                     "serializable"};
    static const char *const sync[] = {",sync=none", ",sync=write", ",sync=group"};
    char options[512];
    bool memory = strcmp(o->directory, ":memory:") == 0;
    struct peer_db *db = calloc(1, sizeof(*db));
    if (db == NULL) return VARVE_NOMEM;
    snprintf(options, sizeof(options), "cc=%s,isolation=%s,memory=%llu,max_transactions=%u%s%s", cc,
             isolation[o->level], (unsigned long long)(o->cache_bytes != 0 ? o->cache_bytes : 16ull << 30),
             o->threads + 64 < 4093 ? o->threads + 64 : 4093, memory ? "" : sync[o->sync],
             o->extra != NULL ? o->extra : "");
    int status = varve_open(o->directory, options, &db->db);
    if (status == VARVE_OK) status = varve_table_open(db->db, "bench", NULL, &db->table);
    if (status == VARVE_OK) {
        *out = db;
        return VARVE_OK;
    }
    snprintf(error, error_bytes, "%s", db->db != NULL ? varve_db_error(db->db) : varve_strerror(status));
    if (db->db != NULL) (void)varve_close(db->db);
    free(db);
    return status;
}

static int open_mvcc(const struct peer_options *o, struct peer_db **db, char *error, size_t error_bytes) {
    return open_scheme("mvcc", o, db, error, error_bytes);
}
static int open_2pl(const struct peer_options *o, struct peer_db **db, char *error, size_t error_bytes) {
    return open_scheme("2pl", o, db, error, error_bytes);
}
static int open_occ(const struct peer_options *o, struct peer_db **db, char *error, size_t error_bytes) {
    return open_scheme("occ", o, db, error, error_bytes);
}

static void close_db(struct peer_db *db) {
    (void)varve_close(db->db);
    free(db);
}

/* --- transactions ------------------------------------------------------------------------------------------------- */

static int begin(struct peer_db *db, bool read_only, struct peer_txn **out) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.read_only = read_only;
    struct peer_txn *txn = malloc(sizeof(*txn));
    if (txn == NULL) return VARVE_NOMEM;
    txn->table = db->table;
    int status = varve_begin(db->db, &options, &txn->txn);
    if (status == VARVE_OK)
        *out = txn;
    else
        free(txn);
    return status;
}

static int commit(struct peer_txn *txn) {
    int status = varve_commit(txn->txn);
    free(txn);
    return status;
}

static void abort_txn(struct peer_txn *txn) {
    varve_abort(txn->txn);
    free(txn);
}

struct body {
    struct peer_db *db;
    int (*fn)(void *arg, struct peer_txn *txn);
    void *arg;
    uint64_t attempts;
};

static int run_body(varve_txn *txn, void *arg) {
    struct body *body = arg;
    struct peer_txn inner = {txn, body->db->table};
    body->attempts++;
    return body->fn(body->arg, &inner);
}

static int run(struct peer_db *db, bool read_only, int (*fn)(void *arg, struct peer_txn *txn), void *arg,
               uint64_t *attempts) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.read_only = read_only;
    struct body body = {db, fn, arg, 0};
    int status = varve_run(db->db, &options, run_body, &body);
    *attempts = body.attempts;
    return status;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static int get(struct peer_txn *t, varve_slice key, varve_slice *value) { return varve_get(t->txn, t->table, key, value); }
static int get_for_update(struct peer_txn *t, varve_slice key, varve_slice *value) {
    return varve_get_for_update(t->txn, t->table, key, value);
}
static int put(struct peer_txn *t, varve_slice key, varve_slice value) {
    return varve_put(t->txn, t->table, key, value);
}
static int insert(struct peer_txn *t, varve_slice key, varve_slice value) {
    return varve_insert(t->txn, t->table, key, value);
}
static int remove_row(struct peer_txn *t, varve_slice key) { return varve_delete(t->txn, t->table, key); }
static int add(struct peer_txn *t, varve_slice key, int64_t delta) { return varve_add(t->txn, t->table, key, delta); }
static int get_many(struct peer_txn *t, const varve_slice *keys, varve_slice *values, int *statuses, size_t count) {
    return varve_get_many(t->txn, t->table, keys, values, statuses, count);
}

static int scan(struct peer_txn *t, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    varve_range range = {.low = low, .high = high, .limit = limit, .reverse = reverse};
    varve_cursor *cursor;
    varve_slice key, value;
    int status = varve_cursor_open(t->txn, t->table, &range, &cursor), answer = 0;
    if (status != VARVE_OK) return status;
    while (answer == 0 && (status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK) answer = fn(arg, key, value);
    varve_cursor_close(cursor);
    return status == VARVE_END ? VARVE_OK : status;
}

static int sync_db(struct peer_db *db) { return varve_sync(db->db); }

static int stats(struct peer_db *db, struct peer_stats *out) {
    varve_stats_info info = {.size = sizeof(info)};
    int status = varve_stats(db->db, &info);
    if (status != VARVE_OK) return status;
    *out = (struct peer_stats){info.memory_bytes, info.version_bytes, info.log_bytes, info.log_syncs, info.records, {0}};
    memcpy(out->aborts_by_reason, info.aborts_by_reason, sizeof(out->aborts_by_reason));
    return VARVE_OK;
}

#define BENCH_VARVE(id, cc)                                                                                          \
    const struct peer bench_varve_##id = {                                                                           \
        .abi = PEER_ABI, .name = "varve-" cc, .title = "Varve " cc, .package = "varve", .level_count = EV_LEVELS,    \
        .levels = levels, .open = open_##id, .close = close_db, .begin = begin, .commit = commit, .abort = abort_txn, \
        .get = get, .get_for_update = get_for_update, .put = put, .remove = remove_row, .scan = scan,                \
        .sync = sync_db, .insert = insert, .add = add, .get_many = get_many, .stats = stats, .run = run}

BENCH_VARVE(mvcc, "mvcc");
BENCH_VARVE(2pl, "2pl");
BENCH_VARVE(occ, "occ");
