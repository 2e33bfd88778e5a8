/* peer_berkeleydb.c - Berkeley DB: two-phase locking of pages at three degrees, and snapshots.
 *
 * The environment is private to the process. Degree 3 is the default; degree 2 gives a page's read lock back when the
 * cursor moves on; degree 1 reads what is not committed; snapshot reads old versions of pages (DB_MULTIVERSION) and locks
 * what it writes. With no_wait a lock that is not granted at once ends the transaction (DB_TXN_NOWAIT), and is told apart
 * from a deadlock (DB_TIME_NOTGRANTED); what the snapshot level still calls a deadlock is then a page with a newer version,
 * a conflict. Without it the detector runs at every conflict and the two cannot be told apart: at snapshot both are
 * conflicts. A savepoint is a nested transaction.
 *
 * Settings: cache_bytes of cache, log buffer of 4 MiB, log files of 64 MiB removed when not needed; under load a thread
 * takes a checkpoint every 256 MiB of log, as the manual has applications do, and forward scans of more than a few rows
 * fetch rows in bulk (with no_wait row by row, so that no page is locked that was not asked for). FULL: the log is synced at commit; WRITE:
 * DB_TXN_WRITE_NOSYNC; NONE: DB_TXN_NOSYNC, the log stays in its buffer until that is full. `extra` is lines of DB_CONFIG.
 *
 * SPDX-License-Identifier: MIT
 */
#include <db.h>
#include <errno.h>
#include <time.h>

#include "bench/peers/peer_util.h"

enum level { DEGREE_3, DEGREE_2, DEGREE_1, SNAPSHOT, LEVELS };
enum { CHECKPOINT_KIB = 256 << 10, LOCKS = 100000, TRANSACTIONS = 20000, LOG_BUFFER = 4 << 20, LOG_FILE = 64 << 20 };
enum { FILLERS = 24, FILLER_BYTES = 600 };
enum { BULK_LEAST = 8 << 10, BULK_MOST = 128 << 10, BULK_ROWS = 8 };

struct peer_txn {
    struct peer_handle handle;
    struct peer_db *db;
    DB_TXN *txn;   /* the innermost */
    DB_TXN *outer; /* of a savepoint, or NULL */
    DBT key, value; /* room for what is read, grown by Berkeley DB */
    DBT bulk;       /* many rows, in `room` bytes of ours */
    u_int32_t room;
    bool read_only;
    int ended;
};
struct peer_db {
    struct peer_pool pool;
    DB_ENV *env;
    DB *tree;
    enum level level;
    bool no_wait;
    pthread_t checkpointer;
    bool checkpoints;
    pthread_mutex_t mutex;
    pthread_cond_t stop;
    bool stopping; /* under the mutex */
};

static int status_of(const struct peer_db *db, int rc) {
    switch (rc) {
    case 0: return VARVE_OK;
    case DB_NOTFOUND: return VARVE_NOTFOUND;
    case DB_KEYEXIST: return VARVE_EXISTS;
    case DB_LOCK_NOTGRANTED: return db->no_wait ? PEER_BLOCKED : VARVE_DEADLOCK;
    case DB_LOCK_DEADLOCK: return db->level == SNAPSHOT ? VARVE_CONFLICT : VARVE_DEADLOCK;
    case DB_RUNRECOVERY: return VARVE_FAILED;
    case ENOMEM: return VARVE_NOMEM;
    case ENOSPC: return VARVE_FULL;
    case EINVAL: return VARVE_INVALID;
    default: return VARVE_IO;
    }
}

/* --- the database --------------------------------------------------------------------------------------------------- */

static void *checkpoint_now_and_then(void *arg) {
    struct peer_db *db = arg;
    struct timespec until;
    pthread_mutex_lock(&db->mutex);
    while (!db->stopping) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        (void)pthread_cond_timedwait(&db->stop, &db->mutex, &until);
        pthread_mutex_unlock(&db->mutex);
        (void)db->env->txn_checkpoint(db->env, CHECKPOINT_KIB, 0, 0);
        pthread_mutex_lock(&db->mutex);
    }
    pthread_mutex_unlock(&db->mutex);
    return NULL;
}

/* Read by Berkeley DB when it opens; its lines are the names of its calls. */
static int write_config(const struct peer_options *o) {
    char path[600];
    if (o->extra == NULL) return 0;
    snprintf(path, sizeof(path), "%s/DB_CONFIG", o->directory);
    FILE *file = fopen(path, "w");
    if (file == NULL) return errno;
    int rc = fprintf(file, "%s\n", o->extra) < 0 ? EIO : 0;
    return fclose(file) != 0 ? EIO : rc;
}

static int open_env(struct peer_db *db, const struct peer_options *o) {
    uint64_t cache = o->cache_bytes != 0 ? o->cache_bytes : 1u << 30;
    int rc = db_env_create(&db->env, 0);
    if (rc != 0) return rc;
    DB_ENV *env = db->env;
    rc = env->set_cachesize(env, (u_int32_t)(cache >> 30), (u_int32_t)(cache & ((1u << 30) - 1)), 1);
    if (rc == 0) rc = env->set_lg_bsize(env, LOG_BUFFER);
    if (rc == 0) rc = env->set_lg_max(env, LOG_FILE);
    if (rc == 0) rc = env->set_lk_max_locks(env, LOCKS);
    if (rc == 0) rc = env->set_lk_max_objects(env, LOCKS);
    if (rc == 0) rc = env->set_lk_max_lockers(env, TRANSACTIONS);
    if (rc == 0) rc = env->set_tx_max(env, TRANSACTIONS); /* a snapshot's stay as long as its pages have versions */
    if (rc == 0) rc = env->log_set_config(env, DB_LOG_AUTO_REMOVE, 1);
    if (rc == 0 && !o->no_wait) rc = env->set_lk_detect(env, DB_LOCK_DEFAULT);
    if (rc == 0 && o->no_wait) rc = env->set_flags(env, DB_TIME_NOTGRANTED, 1);
    if (rc == 0 && o->sync == PEER_SYNC_NONE) rc = env->set_flags(env, DB_TXN_NOSYNC, 1);
    if (rc == 0 && o->sync == PEER_SYNC_WRITE) rc = env->set_flags(env, DB_TXN_WRITE_NOSYNC, 1);
    if (rc == 0) rc = write_config(o);
    u_int32_t flags = DB_CREATE | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_LOCK | DB_INIT_MPOOL | DB_PRIVATE | DB_THREAD |
                      DB_RECOVER;
    return rc == 0 ? env->open(env, o->directory, flags, 0600) : rc;
}

static int put_and_delete(DB *tree, DB_TXN *txn) {
    char name[32], room[FILLER_BYTES] = "";
    int rc = 0;
    for (int i = 0; i < FILLERS * 2 && rc == 0; i++) {
        int length = snprintf(name, sizeof(name), "%cfiller %d", 1, i % FILLERS);
        DBT key = {.data = name, .size = (u_int32_t)length}, value = {.data = room, .size = sizeof(room)};
        rc = i < FILLERS ? tree->put(tree, txn, &key, &value, DB_NOOVERWRITE) : tree->del(tree, txn, &key, 0);
    }
    return rc;
}

/* A tree under DB_MULTIVERSION never is a single page: where the root is the leaf, and a snapshot may not write it,
 * 5.3.28 dereferences NULL instead of telling so (__bam_get_root, __memp_fput). Rows that come and go split the root,
 * and DB_REVSPLITOFF leaves it so. */
static int split_root(struct peer_db *db) {
    DB_TXN *txn;
    int rc = db->env->txn_begin(db->env, NULL, &txn, 0);
    if (rc != 0) return rc;
    rc = put_and_delete(db->tree, txn);
    if (rc == 0) return txn->commit(txn, 0);
    txn->abort(txn);
    return rc;
}

static int open_tree(struct peer_db *db) {
    int rc = db_create(&db->tree, db->env, 0);
    if (rc != 0) return rc;
    u_int32_t flags = DB_CREATE | DB_AUTO_COMMIT | DB_THREAD;
    if (db->level == DEGREE_1) flags |= DB_READ_UNCOMMITTED;
    if (db->level == SNAPSHOT) {
        flags |= DB_MULTIVERSION;
        rc = db->tree->set_flags(db->tree, DB_REVSPLITOFF);
    }
    if (rc == 0) rc = db->tree->open(db->tree, NULL, "bench.db", NULL, DB_BTREE, flags, 0600);
    return rc == 0 && db->level == SNAPSHOT ? split_root(db) : rc;
}

static void free_handle(struct peer_handle *handle) {
    struct peer_txn *t = (struct peer_txn *)handle;
    free(t->key.data);
    free(t->value.data);
    free(t->bulk.data);
    free(t);
}

static void close_db(struct peer_db *db) {
    if (db->checkpoints) {
        pthread_mutex_lock(&db->mutex);
        db->stopping = true;
        pthread_cond_signal(&db->stop);
        pthread_mutex_unlock(&db->mutex);
        pthread_join(db->checkpointer, NULL);
    }
    if (db->tree != NULL) db->tree->close(db->tree, 0);
    if (db->env != NULL) db->env->close(db->env, 0);
    peer_pool_release(&db->pool, free_handle);
    pthread_cond_destroy(&db->stop);
    pthread_mutex_destroy(&db->mutex);
    free(db);
}

static int open_db(const struct peer_options *o, struct peer_db **out, char *error, size_t error_bytes) {
    struct peer_db *db = calloc(1, sizeof(*db));
    if (db == NULL) return VARVE_NOMEM;
    peer_pool_init(&db->pool);
    pthread_mutex_init(&db->mutex, NULL);
    pthread_cond_init(&db->stop, NULL);
    db->level = (enum level)o->level;
    db->no_wait = o->no_wait;
    int rc = open_env(db, o);
    if (rc == 0) rc = open_tree(db);
    if (rc == 0 && !db->no_wait) {
        rc = pthread_create(&db->checkpointer, NULL, checkpoint_now_and_then, db);
        db->checkpoints = rc == 0;
    }
    if (rc == 0) {
        *out = db;
        return VARVE_OK;
    }
    int status = status_of(db, rc);
    peer_fail(error, error_bytes, status, o->directory, db_strerror(rc));
    close_db(db);
    return status;
}

/* --- transactions ----------------------------------------------------------------------------------------------------- */

static int begin_inside(struct peer_db *db, DB_TXN *parent, DB_TXN **txn) {
    static const u_int32_t flags[LEVELS] = {0, DB_READ_COMMITTED, DB_READ_UNCOMMITTED, DB_TXN_SNAPSHOT};
    return db->env->txn_begin(db->env, parent, txn, flags[db->level] | (db->no_wait ? DB_TXN_NOWAIT : 0));
}

static int begin(struct peer_db *db, bool read_only, struct peer_txn **out) {
    struct peer_txn *t = (struct peer_txn *)peer_pool_take(&db->pool);
    if (t == NULL) {
        t = calloc(1, sizeof(*t));
        if (t == NULL) return VARVE_NOMEM;
        t->db = db;
        t->key.flags = t->value.flags = DB_DBT_REALLOC;
        t->bulk.flags = DB_DBT_USERMEM;
        peer_pool_add(&db->pool, &t->handle);
    }
    t->read_only = read_only;
    t->outer = NULL;
    t->ended = 0;
    int rc = begin_inside(db, NULL, &t->txn);
    if (rc == 0)
        *out = t;
    else
        peer_pool_put(&db->pool, &t->handle);
    return status_of(db, rc);
}

static int told(struct peer_txn *t, int rc) {
    int status = status_of(t->db, rc);
    if (!peer_ends(status)) return status;
    t->txn->abort(t->txn);
    if (t->outer != NULL) t->outer->abort(t->outer);
    return t->ended = status;
}

static void abort_txn(struct peer_txn *t) {
    if (t->ended == 0) t->txn->abort(t->txn);
    if (t->ended == 0 && t->outer != NULL) t->outer->abort(t->outer);
    peer_pool_put(&t->db->pool, &t->handle);
}

/* The outermost's commit takes nested ones along. */
static int commit(struct peer_txn *t) {
    DB_TXN *txn = t->outer != NULL ? t->outer : t->txn;
    int status = t->ended != 0 ? t->ended : status_of(t->db, txn->commit(txn, 0));
    peer_pool_put(&t->db->pool, &t->handle);
    return status;
}

static int savepoint(struct peer_txn *t) {
    DB_TXN *inner;
    if (t->ended != 0) return t->ended;
    if (t->outer != NULL) {
        int rc = t->txn->commit(t->txn, 0);
        t->txn = t->outer;
        t->outer = NULL;
        if (rc != 0) return told(t, rc);
    }
    int rc = begin_inside(t->db, t->txn, &inner);
    if (rc != 0) return told(t, rc);
    t->outer = t->txn;
    t->txn = inner;
    return VARVE_OK;
}

static int rollback(struct peer_txn *t) {
    if (t->ended != 0) return t->ended;
    if (t->outer == NULL) return VARVE_INVALID;
    int rc = t->txn->abort(t->txn);
    t->txn = t->outer;
    t->outer = NULL;
    return rc != 0 ? told(t, rc) : savepoint(t);
}

/* --- rows ------------------------------------------------------------------------------------------------------------- */

static DBT given(varve_slice bytes) {
    DBT dbt;
    memset(&dbt, 0, sizeof(dbt));
    dbt.data = (void *)(uintptr_t)bytes.data;
    dbt.size = (u_int32_t)bytes.size;
    return dbt;
}

static int read_row(struct peer_txn *t, varve_slice key, varve_slice *value, u_int32_t flags) {
    if (t->ended != 0) return t->ended;
    DBT k = given(key);
    int rc = t->db->tree->get(t->db->tree, t->txn, &k, &t->value, flags);
    if (rc == 0) *value = (varve_slice){t->value.data, t->value.size};
    return told(t, rc);
}
static int get(struct peer_txn *t, varve_slice key, varve_slice *value) { return read_row(t, key, value, 0); }
static int get_for_update(struct peer_txn *t, varve_slice key, varve_slice *value) {
    return read_row(t, key, value, DB_RMW);
}

static int write_row(struct peer_txn *t, varve_slice key, varve_slice value, u_int32_t flags) {
    if (t->ended != 0) return t->ended;
    if (t->read_only) return VARVE_READONLY;
    DBT k = given(key), v = given(value);
    return told(t, t->db->tree->put(t->db->tree, t->txn, &k, &v, flags));
}
static int put(struct peer_txn *t, varve_slice key, varve_slice value) { return write_row(t, key, value, 0); }
static int insert(struct peer_txn *t, varve_slice key, varve_slice value) {
    return write_row(t, key, value, DB_NOOVERWRITE);
}
static int remove_row(struct peer_txn *t, varve_slice key) {
    if (t->ended != 0) return t->ended;
    if (t->read_only) return VARVE_READONLY;
    DBT k = given(key);
    return told(t, t->db->tree->del(t->db->tree, t->txn, &k, 0));
}

/* To the first row of the scan; k's room is taken for the bound, and grown for it. */
static int seek(DBC *cursor, varve_slice from, bool reverse, DBT *k, DBT *v) {
    if (from.data == NULL) return cursor->get(cursor, k, v, reverse ? DB_LAST : DB_FIRST);
    void *room = realloc(k->data, from.size + 1);
    if (room == NULL) return ENOMEM;
    k->data = room;
    memcpy(room, from.data, from.size);
    k->size = (u_int32_t)from.size;
    int rc = cursor->get(cursor, k, v, DB_SET_RANGE);
    if (!reverse || (rc != 0 && rc != DB_NOTFOUND)) return rc;
    return cursor->get(cursor, k, v, rc == DB_NOTFOUND ? DB_LAST : DB_PREV);
}

struct scan {
    varve_slice low, high;
    uint64_t limit; /* still wanted, unless it began as 0 */
    bool reverse;
    int (*fn)(void *arg, varve_slice key, varve_slice value);
    void *arg;
};

/* False: it was the last that is wanted. */
static bool hand_over(struct scan *s, varve_slice key, varve_slice value) {
    return peer_within(key, s->low, s->high, s->reverse) && s->fn(s->arg, key, value) == 0 && --s->limit != 0;
}

static int scan_rows(struct peer_txn *t, DBC *cursor, struct scan *s) {
    DBT *k = &t->key, *v = &t->value;
    int rc = seek(cursor, s->reverse ? s->high : s->low, s->reverse, k, v);
    while (rc == 0 && hand_over(s, (varve_slice){k->data, k->size}, (varve_slice){v->data, v->size}))
        rc = cursor->get(cursor, k, v, s->reverse ? DB_PREV : DB_NEXT);
    return rc;
}

/* As small as a few pages at first, since what is fetched is locked; larger when a row asks for it. */
static int fetch(struct peer_txn *t, DBC *cursor, u_int32_t *bytes, u_int32_t flags) {
    for (;; *bytes *= 2) {
        if (t->room < *bytes) {
            void *room = realloc(t->bulk.data, *bytes);
            if (room == NULL) return ENOMEM;
            t->bulk.data = room;
            t->room = *bytes;
        }
        t->bulk.ulen = *bytes; /* it fills from both ends */
        int rc = cursor->get(cursor, &t->key, &t->bulk, flags | DB_MULTIPLE_KEY);
        if (rc != DB_BUFFER_SMALL) return rc;
    }
}

/* Many rows a call, as the manual advises for scans; forward only. */
static int scan_in_bulk(struct peer_txn *t, DBC *cursor, struct scan *s) {
    u_int32_t bytes = BULK_LEAST;
    void *room = realloc(t->key.data, s->low.size + 1);
    if (room == NULL) return ENOMEM;
    t->key.data = room;
    if (s->low.size != 0) memcpy(room, s->low.data, s->low.size);
    t->key.size = (u_int32_t)s->low.size;
    int rc = fetch(t, cursor, &bytes, s->low.data != NULL ? DB_SET_RANGE : DB_FIRST);
    while (rc == 0) {
        void *at;
        for (DB_MULTIPLE_INIT(at, &t->bulk);;) {
            varve_slice key, value;
            DB_MULTIPLE_KEY_NEXT(at, &t->bulk, key.data, key.size, value.data, value.size);
            if (at == NULL) break;
            if (!hand_over(s, key, value)) return 0;
        }
        if (bytes < BULK_MOST) bytes *= 2;
        rc = fetch(t, cursor, &bytes, DB_NEXT);
    }
    return rc;
}

static int scan(struct peer_txn *t, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    struct scan s = {low, high, limit, reverse, fn, arg};
    DBC *cursor;
    if (t->ended != 0) return t->ended;
    int rc = t->db->tree->cursor(t->db->tree, t->txn, &cursor, 0);
    if (rc != 0) return told(t, rc);
    bool few = limit != 0 && limit <= BULK_ROWS;
    rc = reverse || few || t->db->no_wait ? scan_rows(t, cursor, &s) : scan_in_bulk(t, cursor, &s);
    int closed = cursor->close(cursor);
    if (rc == DB_NOTFOUND) rc = 0;
    return told(t, rc != 0 ? rc : closed);
}

/* --- the rest --------------------------------------------------------------------------------------------------------- */

static int sync_db(struct peer_db *db) { return status_of(db, db->env->log_flush(db->env, NULL)); }

static int stats(struct peer_db *db, struct peer_stats *out) {
    DB_LOG_STAT *log = NULL;
    DB_MPOOL_STAT *pool = NULL;
    int rc = db->env->log_stat(db->env, &log, 0);
    if (rc == 0) rc = db->env->memp_stat(db->env, &pool, NULL, 0);
    if (rc == 0) {
        *out = (struct peer_stats){.syncs = log->st_scount};
        out->memory_bytes = ((uint64_t)pool->st_gbytes << 30) + pool->st_bytes; /* of the cache, full or not */
        out->log_bytes = ((uint64_t)log->st_w_mbytes << 20) + log->st_w_bytes;
    }
    free(log);
    free(pool);
    return status_of(db, rc);
}

static char title[48];
__attribute__((constructor)) static void name_version(void) {
    int major, minor, patch;
    (void)db_version(&major, &minor, &patch);
    snprintf(title, sizeof(title), "Berkeley DB %d.%d.%d", major, minor, patch);
}

static const struct peer_level levels[LEVELS] = {{"degree 3", VARVE_SERIALIZABLE},
                                                 {"degree 2", VARVE_READ_COMMITTED},
                                                 {"degree 1", VARVE_READ_UNCOMMITTED},
                                                 {"snapshot", VARVE_SNAPSHOT}};

PEER_EXPORT const struct peer varve_peer = {
    .abi = PEER_ABI, .name = "berkeleydb", .title = title, .package = "libdb5.3-dev", .level_count = LEVELS,
    .levels = levels, .open = open_db, .close = close_db, .begin = begin, .commit = commit, .abort = abort_txn,
    .get = get, .get_for_update = get_for_update, .put = put, .remove = remove_row, .scan = scan,
    .savepoint = savepoint, .rollback = rollback, .sync = sync_db, .insert = insert, .stats = stats};
