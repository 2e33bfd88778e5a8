/* peer_wiredtiger.c - WiredTiger: snapshots, and two weaker levels.
 *
 * A session with two cursors for each transaction, kept for the next one. Nothing waits for a lock: at snapshot a write
 * whose row has a version that the snapshot does not see is refused (WT_ROLLBACK). This version takes writes at the two
 * weaker levels too and compares them with nothing; later ones refuse them. No cursor stays on a row from one call to
 * the next but the one whose bytes are lent out: at read committed a new call then sees new rows. A read for update is
 * WT_CURSOR::reserve, which takes the row as an update would.
 *
 * Settings: logging on; FULL: transaction_sync by fsync; WRITE: the log is written to the operating system at commit
 * (method none); NONE: transaction_sync off, the log stays in its buffer until that is full. cache_bytes of cache, four
 * threads of eviction, a checkpoint every minute or 2 GB of log, pages of up to 10 MB in memory. `extra` is appended to
 * the configuration.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <wiredtiger.h>

#include "bench/peers/peer_util.h"

enum { SPARE_SESSIONS = 256 };

struct peer_txn {
    struct peer_handle handle;
    struct peer_db *db;
    WT_SESSION *session;
    WT_CURSOR *cursor, *strict; /* strict: insert and remove tell what was there */
    WT_CURSOR *placed;          /* the one that stands on a row, or NULL */
    bool read_only;
    int ended;
};
struct peer_db {
    struct peer_pool pool;
    WT_CONNECTION *connection;
    unsigned level;
};

static const char *const isolation[] = {"isolation=snapshot", "isolation=read-committed", "isolation=read-uncommitted"};

static int status_of(int rc) {
    switch (rc) {
    case 0: return VARVE_OK;
    case WT_NOTFOUND: return VARVE_NOTFOUND;
    case WT_DUPLICATE_KEY: return VARVE_EXISTS;
    case WT_ROLLBACK: return VARVE_CONFLICT;
    case WT_CACHE_FULL: return VARVE_NOMEM;
    case WT_PANIC:
    case WT_RUN_RECOVERY: return VARVE_FAILED;
    case ENOTSUP:
    case EINVAL: return VARVE_INVALID;
    case EBUSY: return VARVE_BUSY;
    case ENOSPC: return VARVE_FULL;
    case ENOMEM: return VARVE_NOMEM;
    default: return VARVE_IO;
    }
}

/* --- the database and its sessions -------------------------------------------------------------------------------------- */

static int connect_db(struct peer_db *db, struct peer_txn **out) {
    static const char uri[] = "table:bench";
    struct peer_txn *t = calloc(1, sizeof(*t));
    if (t == NULL) return ENOMEM;
    t->db = db;
    int rc = db->connection->open_session(db->connection, NULL, NULL, &t->session);
    if (rc == 0) rc = t->session->create(t->session, uri, "key_format=u,value_format=u,memory_page_max=10MB");
    if (rc == 0) rc = t->session->open_cursor(t->session, uri, NULL, NULL, &t->cursor);
    if (rc == 0) rc = t->session->open_cursor(t->session, uri, NULL, "overwrite=false", &t->strict);
    if (rc == 0) {
        peer_pool_add(&db->pool, &t->handle);
        *out = t;
        return 0;
    }
    if (t->session != NULL) t->session->close(t->session, NULL);
    free(t);
    return rc;
}

static void free_handle(struct peer_handle *handle) { free(handle); } /* sessions end with their connection */

static void close_db(struct peer_db *db) {
    if (db->connection != NULL) db->connection->close(db->connection, NULL);
    peer_pool_release(&db->pool, free_handle);
    free(db);
}

static int open_db(const struct peer_options *o, struct peer_db **out, char *error, size_t error_bytes) {
    char config[1024];
    struct peer_txn *first = NULL;
    struct peer_db *db = calloc(1, sizeof(*db));
    if (db == NULL) return VARVE_NOMEM;
    snprintf(config, sizeof(config),
             "create,cache_size=%llu,session_max=%u,statistics=(fast),"
             "eviction=(threads_min=4,threads_max=4),log=(enabled,file_max=64MB),checkpoint=(wait=60,log_size=2GB),"
             "transaction_sync=(enabled=%s,method=%s)%s%s",
             (unsigned long long)(o->cache_bytes != 0 ? o->cache_bytes : 1ull << 30), o->threads + SPARE_SESSIONS,
             o->sync == PEER_SYNC_NONE ? "false" : "true", o->sync == PEER_SYNC_FULL ? "fsync" : "none",
             o->extra != NULL ? "," : "", o->extra != NULL ? o->extra : "");
    peer_pool_init(&db->pool);
    db->level = o->level;
    int rc = wiredtiger_open(o->directory, NULL, config, &db->connection);
    if (rc == 0) rc = connect_db(db, &first);
    if (rc == 0) {
        peer_pool_put(&db->pool, &first->handle);
        *out = db;
        return VARVE_OK;
    }
    close_db(db);
    return peer_fail(error, error_bytes, status_of(rc), o->directory, wiredtiger_strerror(rc));
}

/* --- transactions ----------------------------------------------------------------------------------------------------- */

static int begin(struct peer_db *db, bool read_only, struct peer_txn **out) {
    struct peer_txn *t = (struct peer_txn *)peer_pool_take(&db->pool);
    int rc = t != NULL ? 0 : connect_db(db, &t);
    if (rc != 0) return status_of(rc);
    t->read_only = read_only;
    t->ended = 0;
    rc = t->session->begin_transaction(t->session, isolation[db->level]);
    if (rc == 0)
        *out = t;
    else
        peer_pool_put(&db->pool, &t->handle);
    return status_of(rc);
}

/* At the start of each call: no cursor stands on a row. */
static int start(struct peer_txn *t) {
    if (t->placed != NULL) t->placed->reset(t->placed);
    t->placed = NULL;
    return t->ended;
}

static int told(struct peer_txn *t, int rc) {
    int status = status_of(rc);
    if (!peer_ends(status)) return status;
    (void)start(t);
    t->session->rollback_transaction(t->session, NULL);
    return t->ended = status;
}

static void abort_txn(struct peer_txn *t) {
    if (start(t) == 0) t->session->rollback_transaction(t->session, NULL);
    peer_pool_put(&t->db->pool, &t->handle);
}

/* A commit that fails has rolled back. */
static int commit(struct peer_txn *t) {
    int status = start(t);
    if (status == 0) status = status_of(t->session->commit_transaction(t->session, NULL));
    peer_pool_put(&t->db->pool, &t->handle);
    return status;
}

/* --- rows ------------------------------------------------------------------------------------------------------------- */

static void set_key(struct peer_txn *t, WT_CURSOR *cursor, varve_slice key) {
    WT_ITEM item = {.data = key.data, .size = key.size};
    cursor->set_key(cursor, &item);
    t->placed = cursor;
}

static int get(struct peer_txn *t, varve_slice key, varve_slice *value) {
    WT_ITEM item;
    if (start(t) != 0) return t->ended;
    set_key(t, t->cursor, key);
    int rc = t->cursor->search(t->cursor);
    if (rc == 0) rc = t->cursor->get_value(t->cursor, &item);
    if (rc == 0) *value = (varve_slice){item.data, item.size};
    return told(t, rc);
}

/* A row that is absent cannot be reserved. */
static int get_for_update(struct peer_txn *t, varve_slice key, varve_slice *value) {
    if (start(t) != 0) return t->ended;
    if (t->read_only) return VARVE_READONLY;
    set_key(t, t->strict, key);
    int status = told(t, t->strict->reserve(t->strict));
    return status == VARVE_OK ? get(t, key, value) : status;
}

static int write_row(struct peer_txn *t, WT_CURSOR *cursor, varve_slice key, varve_slice value) {
    WT_ITEM item = {.data = value.data, .size = value.size};
    if (start(t) != 0) return t->ended;
    if (t->read_only) return VARVE_READONLY;
    set_key(t, cursor, key);
    cursor->set_value(cursor, &item);
    int status = told(t, cursor->insert(cursor));
    (void)start(t);
    return status;
}
static int put(struct peer_txn *t, varve_slice key, varve_slice value) { return write_row(t, t->cursor, key, value); }
static int insert(struct peer_txn *t, varve_slice key, varve_slice value) { return write_row(t, t->strict, key, value); }
static int remove_row(struct peer_txn *t, varve_slice key) {
    if (start(t) != 0) return t->ended;
    if (t->read_only) return VARVE_READONLY;
    set_key(t, t->strict, key);
    int status = told(t, t->strict->remove(t->strict));
    (void)start(t);
    return status;
}

static int seek(struct peer_txn *t, WT_CURSOR *cursor, varve_slice from, bool reverse) {
    int where;
    if (from.data == NULL) {
        t->placed = cursor;
        return reverse ? cursor->prev(cursor) : cursor->next(cursor);
    }
    set_key(t, cursor, from);
    int rc = cursor->search_near(cursor, &where);
    if (rc != 0) return rc;
    if (reverse) return where >= 0 ? cursor->prev(cursor) : 0;
    return where < 0 ? cursor->next(cursor) : 0;
}

static int scan(struct peer_txn *t, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    WT_CURSOR *cursor = t->cursor;
    if (start(t) != 0) return t->ended;
    int rc = seek(t, cursor, reverse ? high : low, reverse);
    for (uint64_t n = 0; rc == 0;) {
        WT_ITEM k, v;
        rc = cursor->get_key(cursor, &k);
        if (rc == 0) rc = cursor->get_value(cursor, &v);
        if (rc != 0) break;
        varve_slice key = {k.data, k.size}, value = {v.data, v.size};
        if (!peer_within(key, low, high, reverse) || fn(arg, key, value) != 0 || ++n == limit) break;
        rc = reverse ? cursor->prev(cursor) : cursor->next(cursor);
    }
    int status = rc == WT_NOTFOUND ? VARVE_OK : told(t, rc);
    (void)start(t);
    return status;
}

/* --- the rest --------------------------------------------------------------------------------------------------------- */

static int with_session(struct peer_db *db, int (*fn)(WT_SESSION *session, void *arg), void *arg) {
    struct peer_txn *t = (struct peer_txn *)peer_pool_take(&db->pool);
    int rc = t != NULL ? 0 : connect_db(db, &t);
    if (rc != 0) return status_of(rc);
    rc = fn(t->session, arg);
    peer_pool_put(&db->pool, &t->handle);
    return status_of(rc);
}

static int flush(WT_SESSION *session, void *arg) {
    (void)arg;
    return session->log_flush(session, "sync=on");
}
static int sync_db(struct peer_db *db) { return with_session(db, flush, NULL); }

static int read_statistics(WT_SESSION *session, void *arg) {
    struct peer_stats *out = arg;
    const struct {
        int key;
        uint64_t *value;
    } wanted[] = {{WT_STAT_CONN_CACHE_BYTES_INUSE, &out->memory_bytes},
                  {WT_STAT_CONN_LOG_BYTES_WRITTEN, &out->log_bytes},
                  {WT_STAT_CONN_LOG_SYNC, &out->syncs}};
    WT_CURSOR *cursor;
    const char *description, *printed;
    int rc = session->open_cursor(session, "statistics:", NULL, "statistics=(fast)", &cursor);
    if (rc != 0) return rc;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && rc == 0; i++) {
        cursor->set_key(cursor, wanted[i].key);
        rc = cursor->search(cursor);
        if (rc == 0) rc = cursor->get_value(cursor, &description, &printed, wanted[i].value);
    }
    cursor->close(cursor);
    return rc;
}
static int stats(struct peer_db *db, struct peer_stats *out) {
    *out = (struct peer_stats){0};
    return with_session(db, read_statistics, out);
}

static char title[48];
__attribute__((constructor)) static void name_version(void) {
    int major, minor, patch;
    (void)wiredtiger_version(&major, &minor, &patch);
    snprintf(title, sizeof(title), "WiredTiger %d.%d.%d", major, minor, patch);
}

static const struct peer_level levels[] = {{"snapshot", VARVE_SNAPSHOT},
                                           {"read committed", VARVE_READ_COMMITTED},
                                           {"read uncommitted", VARVE_READ_UNCOMMITTED}};

PEER_EXPORT const struct peer varve_peer = {
    .abi = PEER_ABI, .name = "wiredtiger", .title = title, .package = "libwiredtiger-dev", .level_count = 3,
    .levels = levels, .open = open_db, .close = close_db, .begin = begin, .commit = commit, .abort = abort_txn,
    .get = get, .get_for_update = get_for_update, .put = put, .remove = remove_row, .scan = scan, .sync = sync_db,
    .insert = insert, .stats = stats};
