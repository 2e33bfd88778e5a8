/* peer_lmdb.c - LMDB: one writer at a time, readers on snapshots, a copy-on-write B+tree in one mapped file.
 *
 * A transaction is a writer or a reader from its begin. The writer's lock is LMDB's own, and whoever wants it waits in
 * mdb_txn_begin; with no_wait the adapter knows of the writer and refuses a second one. Readers are bound to their
 * transaction, not to their thread (MDB_NOTLS), and their slots are used again (mdb_txn_reset, mdb_txn_renew). A savepoint
 * is a nested transaction.
 *
 * Settings: FULL is LMDB's default; NONE and WRITE are both MDB_NOSYNC, which writes the pages to the operating system
 * before commit returns: there is no log and nothing weaker. There is no cache of its own, so cache_bytes has no meaning.
 * `extra` is a list of "writemap" (no savepoints then), "nometasync", "nordahead".
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <lmdb.h>

#include "bench/peers/peer_util.h"

enum { MAP_GIB = 64, SPARE_READERS = 256 };

struct peer_txn {
    struct peer_handle handle;
    struct peer_db *db;
    MDB_txn *txn;   /* the innermost; an idle handle's is a reader that was reset */
    MDB_txn *outer; /* of a savepoint, or NULL */
    bool writes;
    int ended;
};
struct peer_db {
    struct peer_pool readers;
    MDB_env *env;
    MDB_dbi dbi;
    bool no_wait;
    bool writer; /* no_wait: one is open; one thread then */
};

static int status_of(int rc) {
    switch (rc) {
    case MDB_SUCCESS: return VARVE_OK;
    case MDB_NOTFOUND: return VARVE_NOTFOUND;
    case MDB_KEYEXIST: return VARVE_EXISTS;
    case MDB_BAD_VALSIZE: return VARVE_TOOBIG;
    case MDB_TXN_FULL: return VARVE_TOOBIG;
    case MDB_MAP_FULL:
    case ENOSPC: return VARVE_FULL;
    case MDB_READERS_FULL: return VARVE_BUSY;
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH: return VARVE_CORRUPT;
    case EACCES: return VARVE_READONLY;
    case ENOMEM: return VARVE_NOMEM;
    default: return VARVE_IO;
    }
}

static MDB_val val(varve_slice bytes) { return (MDB_val){bytes.size, (void *)(uintptr_t)bytes.data}; }

/* --- the database --------------------------------------------------------------------------------------------------- */

static int open_tree(struct peer_db *db) {
    MDB_txn *txn;
    int rc = mdb_txn_begin(db->env, NULL, 0, &txn);
    if (rc != 0) return rc;
    rc = mdb_dbi_open(txn, NULL, MDB_CREATE, &db->dbi);
    if (rc == 0) return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

static int flags_of(const struct peer_options *o, unsigned *flags) {
    static const struct {
        const char *word;
        unsigned flag;
    } known[] = {{"writemap", MDB_WRITEMAP}, {"nometasync", MDB_NOMETASYNC}, {"nordahead", MDB_NORDAHEAD}};
    *flags = MDB_NOTLS | (o->sync == PEER_SYNC_FULL ? 0 : MDB_NOSYNC);
    for (const char *at = o->extra; at != NULL && *at != 0;) {
        size_t size = strcspn(at, ", "), i = 0, count = sizeof known / sizeof *known;
        while (i < count && (strlen(known[i].word) != size || strncmp(known[i].word, at, size) != 0)) i++;
        if (size != 0 && i == count) return EINVAL;
        if (size != 0) *flags |= known[i].flag;
        at += size + (at[size] != 0);
    }
    return 0;
}

static void free_reader(struct peer_handle *handle) {
    struct peer_txn *t = (struct peer_txn *)handle;
    mdb_txn_abort(t->txn);
    free(t);
}

static void close_db(struct peer_db *db) {
    peer_pool_release(&db->readers, free_reader);
    if (db->env != NULL) mdb_env_close(db->env);
    free(db);
}

static int open_db(const struct peer_options *o, struct peer_db **out, char *error, size_t error_bytes) {
    unsigned flags;
    struct peer_db *db = calloc(1, sizeof(*db));
    if (db == NULL) return VARVE_NOMEM;
    peer_pool_init(&db->readers);
    db->no_wait = o->no_wait;
    int rc = flags_of(o, &flags);
    if (rc == 0) rc = mdb_env_create(&db->env);
    if (rc == 0) rc = mdb_env_set_mapsize(db->env, (size_t)MAP_GIB << 30);
    if (rc == 0) rc = mdb_env_set_maxreaders(db->env, o->threads + SPARE_READERS);
    if (rc == 0) rc = mdb_env_open(db->env, o->directory, flags, 0600);
    if (rc == 0) rc = open_tree(db);
    if (rc == 0) {
        *out = db;
        return VARVE_OK;
    }
    close_db(db);
    return peer_fail(error, error_bytes, rc == EINVAL ? VARVE_INVALID : status_of(rc), o->directory,
                     rc == EINVAL ? "an option that LMDB does not know" : mdb_strerror(rc));
}

/* --- transactions ----------------------------------------------------------------------------------------------------- */

static int begin_reader(struct peer_db *db, struct peer_txn **out) {
    struct peer_txn *t = (struct peer_txn *)peer_pool_take(&db->readers);
    bool known = t != NULL;
    if (t == NULL) t = calloc(1, sizeof(*t));
    if (t == NULL) return VARVE_NOMEM;
    t->db = db;
    t->ended = 0;
    int rc = known ? mdb_txn_renew(t->txn) : mdb_txn_begin(db->env, NULL, MDB_RDONLY, &t->txn);
    if (rc == 0) {
        if (!known) peer_pool_add(&db->readers, &t->handle);
        *out = t;
        return VARVE_OK;
    }
    if (known)
        peer_pool_put(&db->readers, &t->handle);
    else
        free(t);
    return status_of(rc);
}

static int begin(struct peer_db *db, bool read_only, struct peer_txn **out) {
    if (read_only) return begin_reader(db, out);
    if (db->no_wait && db->writer) return PEER_BLOCKED;
    struct peer_txn *t = calloc(1, sizeof(*t));
    if (t == NULL) return VARVE_NOMEM;
    int rc = mdb_txn_begin(db->env, NULL, 0, &t->txn);
    if (rc != 0) {
        free(t);
        return status_of(rc);
    }
    t->db = db;
    t->writes = true;
    if (db->no_wait) db->writer = true;
    *out = t;
    return VARVE_OK;
}

/* Ends it in LMDB; the handle stays. */
static int give_up(struct peer_txn *t, int status) {
    if (t->ended != 0) return t->ended;
    t->ended = status;
    if (!t->writes) {
        mdb_txn_reset(t->txn);
        return status;
    }
    mdb_txn_abort(t->txn);
    if (t->outer != NULL) mdb_txn_abort(t->outer);
    if (t->db->no_wait) t->db->writer = false;
    return status;
}
static int told(struct peer_txn *t, int status) { return peer_ends(status) ? give_up(t, status) : status; }

static void abort_txn(struct peer_txn *t) {
    (void)give_up(t, VARVE_MISUSE);
    if (t->writes)
        free(t);
    else
        peer_pool_put(&t->db->readers, &t->handle);
}

static int commit(struct peer_txn *t) {
    int status = t->ended;
    if (status == 0 && t->writes) {
        MDB_txn *outer = t->outer;
        t->outer = NULL;
        int rc = mdb_txn_commit(t->txn);
        if (outer != NULL && rc == 0) rc = mdb_txn_commit(outer);
        else if (outer != NULL) mdb_txn_abort(outer);
        if (t->db->no_wait) t->db->writer = false;
        t->ended = VARVE_MISUSE;
        status = status_of(rc);
    }
    abort_txn(t);
    return status;
}

/* A nested transaction; going back aborts it and begins another. */
static int savepoint(struct peer_txn *t) {
    MDB_txn *inner;
    if (t->ended != 0) return t->ended;
    if (!t->writes) return VARVE_OK;
    if (t->outer != NULL) {
        int rc = mdb_txn_commit(t->txn);
        t->txn = t->outer;
        t->outer = NULL;
        if (rc != 0) return told(t, status_of(rc));
    }
    int rc = mdb_txn_begin(t->db->env, t->txn, 0, &inner);
    if (rc != 0) return told(t, status_of(rc));
    t->outer = t->txn;
    t->txn = inner;
    return VARVE_OK;
}

static int rollback(struct peer_txn *t) {
    if (t->ended != 0) return t->ended;
    if (t->outer == NULL) return t->writes ? VARVE_INVALID : VARVE_OK;
    mdb_txn_abort(t->txn);
    t->txn = t->outer;
    t->outer = NULL;
    return savepoint(t);
}

/* --- rows ------------------------------------------------------------------------------------------------------------- */

static int get(struct peer_txn *t, varve_slice key, varve_slice *value) {
    if (t->ended != 0) return t->ended;
    if (key.size == 0) return VARVE_NOTFOUND;
    MDB_val k = val(key), v;
    int rc = mdb_get(t->txn, t->db->dbi, &k, &v);
    if (rc == 0) *value = (varve_slice){v.mv_data, v.mv_size};
    return told(t, status_of(rc));
}

static int write_row(struct peer_txn *t, varve_slice key, varve_slice value, unsigned flags) {
    if (t->ended != 0) return t->ended;
    if (key.size == 0) return VARVE_INVALID;
    MDB_val k = val(key), v = val(value);
    return told(t, t->writes ? status_of(mdb_put(t->txn, t->db->dbi, &k, &v, flags)) : VARVE_READONLY);
}
static int put(struct peer_txn *t, varve_slice key, varve_slice value) { return write_row(t, key, value, 0); }
static int insert(struct peer_txn *t, varve_slice key, varve_slice value) {
    return write_row(t, key, value, MDB_NOOVERWRITE);
}
static int remove_row(struct peer_txn *t, varve_slice key) {
    if (t->ended != 0) return t->ended;
    if (key.size == 0) return VARVE_NOTFOUND;
    MDB_val k = val(key);
    return told(t, t->writes ? status_of(mdb_del(t->txn, t->db->dbi, &k, NULL)) : VARVE_READONLY);
}

/* To the first row of the scan. */
static int seek(MDB_cursor *cursor, varve_slice low, varve_slice high, bool reverse, MDB_val *k, MDB_val *v) {
    varve_slice from = reverse ? high : low;
    if (from.data == NULL || from.size == 0) {
        if (reverse && from.data != NULL) return MDB_NOTFOUND; /* nothing is below the empty key */
        return mdb_cursor_get(cursor, k, v, reverse ? MDB_LAST : MDB_FIRST);
    }
    *k = val(from);
    int rc = mdb_cursor_get(cursor, k, v, MDB_SET_RANGE);
    if (!reverse || (rc != 0 && rc != MDB_NOTFOUND)) return rc;
    return mdb_cursor_get(cursor, k, v, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
}

static int scan(struct peer_txn *t, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    MDB_cursor *cursor;
    MDB_val k, v;
    if (t->ended != 0) return t->ended;
    int rc = mdb_cursor_open(t->txn, t->db->dbi, &cursor);
    if (rc != 0) return told(t, status_of(rc));
    rc = seek(cursor, low, high, reverse, &k, &v);
    for (uint64_t n = 0; rc == 0;) {
        varve_slice key = {k.mv_data, k.mv_size}, value = {v.mv_data, v.mv_size};
        if (!peer_within(key, low, high, reverse) || fn(arg, key, value) != 0 || ++n == limit) break;
        rc = mdb_cursor_get(cursor, &k, &v, reverse ? MDB_PREV : MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? VARVE_OK : told(t, status_of(rc));
}

/* --- the rest --------------------------------------------------------------------------------------------------------- */

static int sync_db(struct peer_db *db) { return status_of(mdb_env_sync(db->env, 1)); }

static int stats(struct peer_db *db, struct peer_stats *out) {
    MDB_envinfo info;
    MDB_stat stat;
    int rc = mdb_env_info(db->env, &info);
    if (rc == 0) rc = mdb_env_stat(db->env, &stat);
    if (rc != 0) return status_of(rc);
    *out = (struct peer_stats){.records = stat.ms_entries};
    out->memory_bytes = (info.me_last_pgno + 1) * stat.ms_psize; /* of the map, as far as it was ever used */
    return VARVE_OK;
}

static char title[48];
__attribute__((constructor)) static void name_version(void) {
    int major, minor, patch;
    (void)mdb_version(&major, &minor, &patch);
    snprintf(title, sizeof(title), "LMDB %d.%d.%d", major, minor, patch);
}

static const struct peer_level levels[] = {{"one writer, snapshot readers", VARVE_SERIALIZABLE}};

PEER_EXPORT const struct peer varve_peer = {
    .abi = PEER_ABI, .name = "lmdb", .title = title, .package = "liblmdb-dev", .level_count = 1, .levels = levels,
    .open = open_db, .close = close_db, .begin = begin, .commit = commit, .abort = abort_txn, .get = get, .put = put,
    .remove = remove_row, .scan = scan, .savepoint = savepoint, .rollback = rollback, .sync = sync_db, .insert = insert,
    .stats = stats};
