/* peer_berkeleydb.c - Berkeley DB: two-phase locking of pages at three degrees, and snapshots.
 *
 * The environment is private to the process and threaded. Degree 3 is its default; degree 2 gives read locks back when a
 * cursor moves on; degree 1 reads what is not committed. Snapshot keeps versions of pages (DB_MULTIVERSION). With no_wait
 * transactions do not wait for locks (DB_TXN_NOWAIT): a lock that is not granted ends the call and the transaction.
 * Settings: its deadlock detector at every conflict, a cache of the size asked for, a log buffer of 4 MiB.
 *
 * SPDX-License-Identifier: MIT
 */
#include <db.h>
#include <errno.h>

#include "bench/peers/peer_util.h"

enum level { DEGREE_3, DEGREE_2, DEGREE_1, SNAPSHOT, LEVELS };

struct peer_db {
    DB_ENV *env;
    DB *tree;
    enum level level;
    bool no_wait;
};
struct peer_txn {
    struct peer_db *db;
    DB_TXN *txn;
    void *bytes; /* of the last get */
    u_int32_t room;
};

static int status_of(const struct peer_db *db, int rc) {
    switch (rc) {
    case 0: return VARVE_OK;
    case DB_NOTFOUND: return VARVE_NOTFOUND;
    case DB_KEYEXIST: return VARVE_EXISTS;
    case DB_LOCK_NOTGRANTED: return db->no_wait ? PEER_BLOCKED : VARVE_DEADLOCK;
    /* A snapshot that is too old for its write is told as a deadlock too. */
    case DB_LOCK_DEADLOCK: return db->level == SNAPSHOT ? VARVE_CONFLICT : db->no_wait ? PEER_BLOCKED : VARVE_DEADLOCK;
    case ENOMEM: return VARVE_NOMEM;
    case ENOSPC: return VARVE_FULL;
    case EINVAL: return VARVE_INVALID;
    default: return VARVE_IO;
    }
}

static int open_env(struct peer_db *db, const struct peer_options *o) {
    uint64_t cache = o->cache_bytes != 0 ? o->cache_bytes : 1u << 30;
    int rc = db_env_create(&db->env, 0);
    if (rc != 0) return rc;
    db->env->set_cachesize(db->env, (u_int32_t)(cache >> 30), (u_int32_t)(cache & ((1u << 30) - 1)), 1);
    db->env->set_lg_bsize(db->env, 4 << 20);
    db->env->set_lg_max(db->env, 64 << 20);
    db->env->set_lk_detect(db->env, DB_LOCK_DEFAULT);
    db->env->set_lk_max_locks(db->env, 200000);
    db->env->set_lk_max_objects(db->env, 200000);
    db->env->set_lk_max_lockers(db->env, 10000);
    db->env->set_tx_max(db->env, 10000);
    db->env->log_set_config(db->env, DB_LOG_AUTO_REMOVE, 1);
    if (o->sync == PEER_SYNC_NONE) db->env->set_flags(db->env, DB_TXN_NOSYNC, 1);
    if (o->sync == PEER_SYNC_WRITE) db->env->set_flags(db->env, DB_TXN_WRITE_NOSYNC, 1);
    u_int32_t flags = DB_CREATE | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_LOCK | DB_INIT_MPOOL | DB_PRIVATE | DB_THREAD |
                      DB_RECOVER;
    return db->env->open(db->env, o->directory, flags, 0600);
}

static int open_tree(struct peer_db *db) {
    int rc = db_create(&db->tree, db->env, 0);
    if (rc != 0) return rc;
    u_int32_t flags = DB_CREATE | DB_AUTO_COMMIT | DB_THREAD;
    if (db->level == DEGREE_1) flags |= DB_READ_UNCOMMITTED;
    if (db->level == SNAPSHOT) flags |= DB_MULTIVERSION;
    return db->tree->open(db->tree, NULL, "bench.db", NULL, DB_BTREE, flags, 0600);
}

static void close_db(struct peer_db *db) {
    if (db->tree != NULL) db->tree->close(db->tree, 0);
    if (db->env != NULL) db->env->close(db->env, 0);
    free(db);
}

static int open_db(const struct peer_options *o, struct peer_db **out, char *error, size_t error_bytes) {
    struct peer_db *db = calloc(1, sizeof(*db));
    if (db == NULL) return VARVE_NOMEM;
    db->level = (enum level)o->level;
    db->no_wait = o->no_wait;
    int rc = open_env(db, o);
    if (rc == 0) rc = open_tree(db);
    if (rc == 0) {
        *out = db;
        return VARVE_OK;
    }
    int status = status_of(db, rc);
    peer_fail(error, error_bytes, status, o->directory, db_strerror(rc));
    close_db(db);
    return status;
}

static int begin(struct peer_db *db, bool read_only, struct peer_txn **out) {
    static const u_int32_t flags[LEVELS] = {0, DB_READ_COMMITTED, DB_READ_UNCOMMITTED, DB_TXN_SNAPSHOT};
    struct peer_txn *t = calloc(1, sizeof(*t));
    (void)read_only;
    if (t == NULL) return VARVE_NOMEM;
    t->db = db;
    int rc = db->env->txn_begin(db->env, NULL, &t->txn, flags[db->level] | (db->no_wait ? DB_TXN_NOWAIT : 0));
    if (rc != 0) {
        free(t);
        return status_of(db, rc);
    }
    *out = t;
    return VARVE_OK;
}

static void over(struct peer_txn *t) {
    free(t->bytes);
    free(t);
}

static int commit(struct peer_txn *t) {
    int status = status_of(t->db, t->txn->commit(t->txn, 0));
    over(t);
    return status;
}

static void abort_txn(struct peer_txn *t) {
    t->txn->abort(t->txn);
    over(t);
}

static DBT thing(varve_slice bytes) {
    DBT dbt;
    memset(&dbt, 0, sizeof(dbt));
    dbt.data = (void *)(uintptr_t)bytes.data;
    dbt.size = (u_int32_t)bytes.size;
    return dbt;
}

static int read_row(struct peer_txn *t, varve_slice key, varve_slice *value, u_int32_t flags) {
    DBT k = thing(key), v;
    memset(&v, 0, sizeof(v));
    v.data = t->bytes;
    v.ulen = t->room;
    v.flags = DB_DBT_REALLOC;
    int rc = t->db->tree->get(t->db->tree, t->txn, &k, &v, flags);
    if (v.data != NULL) t->bytes = v.data;
    if (rc == 0) *value = (varve_slice){v.data, v.size};
    return status_of(t->db, rc);
}
static int get(struct peer_txn *t, varve_slice key, varve_slice *value) { return read_row(t, key, value, 0); }
static int get_for_update(struct peer_txn *t, varve_slice key, varve_slice *value) {
    return read_row(t, key, value, t->db->level == SNAPSHOT ? 0 : DB_RMW);
}

static int put(struct peer_txn *t, varve_slice key, varve_slice value) {
    DBT k = thing(key), v = thing(value);
    return status_of(t->db, t->db->tree->put(t->db->tree, t->txn, &k, &v, 0));
}
static int insert(struct peer_txn *t, varve_slice key, varve_slice value) {
    DBT k = thing(key), v = thing(value);
    return status_of(t->db, t->db->tree->put(t->db->tree, t->txn, &k, &v, DB_NOOVERWRITE));
}
static int remove_row(struct peer_txn *t, varve_slice key) {
    DBT k = thing(key);
    return status_of(t->db, t->db->tree->del(t->db->tree, t->txn, &k, 0));
}

/* Room of its own for each key and value of the cursor, grown by Berkeley DB. */
static int seek(DBC *cursor, varve_slice low, varve_slice high, bool reverse, DBT *k, DBT *v) {
    varve_slice from = reverse ? high : low;
    if (from.data == NULL) return cursor->get(cursor, k, v, reverse ? DB_LAST : DB_FIRST);
    k->data = malloc(from.size + 1);
    if (k->data == NULL) return ENOMEM;
    memcpy(k->data, from.data, from.size);
    k->size = (u_int32_t)from.size;
    int rc = cursor->get(cursor, k, v, DB_SET_RANGE);
    if (!reverse) return rc;
    return cursor->get(cursor, k, v, rc == DB_NOTFOUND ? DB_LAST : DB_PREV);
}

static int scan(struct peer_txn *t, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    DBC *cursor;
    DBT k, v;
    memset(&k, 0, sizeof(k));
    memset(&v, 0, sizeof(v));
    k.flags = v.flags = DB_DBT_REALLOC;
    int rc = t->db->tree->cursor(t->db->tree, t->txn, &cursor, 0);
    if (rc != 0) return status_of(t->db, rc);
    rc = seek(cursor, low, high, reverse, &k, &v);
    for (uint64_t n = 0; rc == 0 && (limit == 0 || n < limit); n++) {
        varve_slice key = {k.data, k.size}, value = {v.data, v.size};
        if (!peer_within(key, low, high, reverse) || fn(arg, key, value) != 0) break;
        rc = cursor->get(cursor, &k, &v, reverse ? DB_PREV : DB_NEXT);
    }
    int closed = cursor->close(cursor);
    free(k.data);
    free(v.data);
    if (rc == DB_NOTFOUND) rc = 0;
    return status_of(t->db, rc != 0 ? rc : closed);
}

static int sync_db(struct peer_db *db) { return status_of(db, db->env->log_flush(db->env, NULL)); }

static const struct peer_level levels[LEVELS] = {{"degree 3", VARVE_SERIALIZABLE},
                                                 {"degree 2", VARVE_READ_COMMITTED},
                                                 {"degree 1", VARVE_READ_UNCOMMITTED},
                                                 {"snapshot", VARVE_SNAPSHOT}};

PEER_EXPORT const struct peer varve_peer = {
    .abi = PEER_ABI, .name = "berkeleydb", .title = DB_VERSION_STRING, .package = "libdb5.3-dev",
    .level_count = LEVELS, .levels = levels, .open = open_db, .close = close_db, .begin = begin, .commit = commit,
    .abort = abort_txn, .get = get, .get_for_update = get_for_update, .put = put, .remove = remove_row, .scan = scan,
    .sync = sync_db, .insert = insert};
