/* peer_lmdb.c - LMDB: one writer at a time, readers on snapshots, a copy-on-write B+tree in one mapped file.
 *
 * A transaction is a writer or a reader from its begin. The writer's lock is LMDB's own; with no_wait the adapter knows
 * of the writer and refuses a second one. Readers are bound to their transaction, not to their thread (MDB_NOTLS).
 * Settings: MDB_NOSYNC for both weaker modes: what is written goes to the operating system before commit returns, and is
 * not synced.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <lmdb.h>

#include "bench/peers/peer_util.h"

enum { MAP_GIB = 32, READERS = 1024 };

struct peer_db {
    MDB_env *env;
    MDB_dbi dbi;
    bool no_wait;
    bool writer; /* no_wait: one is open; one thread then */
};
struct peer_txn {
    struct peer_db *db;
    MDB_txn *txn;
    bool writes;
    MDB_txn *outer; /* of a savepoint, or NULL */
};

static int status_of(int rc) {
    switch (rc) {
    case MDB_SUCCESS: return VARVE_OK;
    case MDB_NOTFOUND: return VARVE_NOTFOUND;
    case MDB_MAP_FULL: return VARVE_FULL;
    case MDB_READERS_FULL: return VARVE_BUSY;
    case ENOMEM: return VARVE_NOMEM;
    default: return VARVE_IO;
    }
}

static int open_tree(struct peer_db *db) {
    MDB_txn *txn;
    int rc = mdb_txn_begin(db->env, NULL, 0, &txn);
    if (rc != 0) return rc;
    rc = mdb_dbi_open(txn, NULL, MDB_CREATE, &db->dbi);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int open_db(const struct peer_options *o, struct peer_db **out, char *error, size_t error_bytes) {
    struct peer_db *db = calloc(1, sizeof(*db));
    if (db == NULL) return VARVE_NOMEM;
    db->no_wait = o->no_wait;
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (o->sync == PEER_SYNC_FULL ? 0 : MDB_NOSYNC);
    int rc = mdb_env_create(&db->env);
    if (rc == 0) rc = mdb_env_set_mapsize(db->env, (size_t)MAP_GIB << 30);
    if (rc == 0) rc = mdb_env_set_maxreaders(db->env, READERS);
    if (rc == 0) rc = mdb_env_open(db->env, o->directory, flags, 0600);
    if (rc == 0) rc = open_tree(db);
    if (rc == 0) {
        *out = db;
        return VARVE_OK;
    }
    if (db->env != NULL) mdb_env_close(db->env);
    free(db);
    return peer_fail(error, error_bytes, status_of(rc), o->directory, mdb_strerror(rc));
}

static void close_db(struct peer_db *db) {
    mdb_env_close(db->env);
    free(db);
}

static int begin(struct peer_db *db, bool read_only, struct peer_txn **out) {
    if (db->no_wait && !read_only && db->writer) return PEER_BLOCKED;
    struct peer_txn *t = calloc(1, sizeof(*t));
    if (t == NULL) return VARVE_NOMEM;
    int rc = mdb_txn_begin(db->env, NULL, read_only ? MDB_RDONLY : 0, &t->txn);
    if (rc != 0) {
        free(t);
        return status_of(rc);
    }
    t->db = db;
    t->writes = !read_only;
    if (db->no_wait && t->writes) db->writer = true;
    *out = t;
    return VARVE_OK;
}

static void over(struct peer_txn *t) {
    if (t->db->no_wait && t->writes) t->db->writer = false;
    free(t);
}

static int commit(struct peer_txn *t) {
    int rc = mdb_txn_commit(t->txn);
    if (rc == 0 && t->outer != NULL) rc = mdb_txn_commit(t->outer);
    over(t);
    return status_of(rc);
}

static void abort_txn(struct peer_txn *t) {
    mdb_txn_abort(t->txn);
    if (t->outer != NULL) mdb_txn_abort(t->outer);
    over(t);
}

static int get(struct peer_txn *t, varve_slice key, varve_slice *value) {
    MDB_val k = {key.size, (void *)(uintptr_t)key.data}, v;
    int rc = mdb_get(t->txn, t->db->dbi, &k, &v);
    if (rc == 0) *value = (varve_slice){v.mv_data, v.mv_size};
    return status_of(rc);
}

static int put(struct peer_txn *t, varve_slice key, varve_slice value) {
    if (!t->writes) return VARVE_READONLY;
    MDB_val k = {key.size, (void *)(uintptr_t)key.data}, v = {value.size, (void *)(uintptr_t)value.data};
    return status_of(mdb_put(t->txn, t->db->dbi, &k, &v, 0));
}

static int insert(struct peer_txn *t, varve_slice key, varve_slice value) {
    if (!t->writes) return VARVE_READONLY;
    MDB_val k = {key.size, (void *)(uintptr_t)key.data}, v = {value.size, (void *)(uintptr_t)value.data};
    int rc = mdb_put(t->txn, t->db->dbi, &k, &v, MDB_NOOVERWRITE);
    return rc == MDB_KEYEXIST ? VARVE_EXISTS : status_of(rc);
}

static int remove_row(struct peer_txn *t, varve_slice key) {
    if (!t->writes) return VARVE_READONLY;
    MDB_val k = {key.size, (void *)(uintptr_t)key.data};
    return status_of(mdb_del(t->txn, t->db->dbi, &k, NULL));
}

/* To the first row of the scan. */
static int seek(MDB_cursor *cursor, varve_slice low, varve_slice high, bool reverse, MDB_val *k, MDB_val *v) {
    varve_slice from = reverse ? high : low;
    if (from.data == NULL) return mdb_cursor_get(cursor, k, v, reverse ? MDB_LAST : MDB_FIRST);
    *k = (MDB_val){from.size, (void *)(uintptr_t)from.data};
    int rc = mdb_cursor_get(cursor, k, v, MDB_SET_RANGE);
    if (!reverse) return rc;
    return mdb_cursor_get(cursor, k, v, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
}

static int scan(struct peer_txn *t, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    MDB_cursor *cursor;
    MDB_val k, v;
    int rc = mdb_cursor_open(t->txn, t->db->dbi, &cursor);
    if (rc != 0) return status_of(rc);
    rc = seek(cursor, low, high, reverse, &k, &v);
    for (uint64_t n = 0; rc == 0 && (limit == 0 || n < limit); n++) {
        varve_slice key = {k.mv_data, k.mv_size}, value = {v.mv_data, v.mv_size};
        if (!peer_within(key, low, high, reverse) || fn(arg, key, value) != 0) break;
        rc = mdb_cursor_get(cursor, &k, &v, reverse ? MDB_PREV : MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? VARVE_OK : status_of(rc);
}

/* A nested transaction; going back aborts it and begins another. */
static int savepoint(struct peer_txn *t) {
    MDB_txn *inner;
    if (!t->writes) return VARVE_OK;
    if (t->outer != NULL) {
        int rc = mdb_txn_commit(t->txn);
        t->txn = t->outer;
        t->outer = NULL;
        if (rc != 0) return status_of(rc);
    }
    int rc = mdb_txn_begin(t->db->env, t->txn, 0, &inner);
    if (rc != 0) return status_of(rc);
    t->outer = t->txn;
    t->txn = inner;
    return VARVE_OK;
}

static int rollback(struct peer_txn *t) {
    if (t->outer == NULL) return t->writes ? VARVE_INVALID : VARVE_OK;
    mdb_txn_abort(t->txn);
    t->txn = t->outer;
    t->outer = NULL;
    return savepoint(t);
}

static int sync_db(struct peer_db *db) { return status_of(mdb_env_sync(db->env, 1)); }

static const struct peer_level levels[] = {{"one writer, snapshot readers", VARVE_SERIALIZABLE}};

PEER_EXPORT const struct peer varve_peer = {
    .abi = PEER_ABI, .name = "lmdb", .title = MDB_VERSION_STRING, .package = "liblmdb-dev", .level_count = 1,
    .levels = levels, .open = open_db, .close = close_db, .begin = begin, .commit = commit, .abort = abort_txn,
    .get = get, .put = put, .remove = remove_row, .scan = scan, .savepoint = savepoint, .rollback = rollback,
    .sync = sync_db, .insert = insert};
