/* peer_wiredtiger.c - WiredTiger: snapshots, and the two weaker levels for those who read.
 *
 * A session and a cursor for each transaction, kept for the next one. Nothing ever waits for a lock: a write whose row
 * has a newer or an uncommitted version is refused (WT_ROLLBACK). Writers are wanted at snapshot; at the weaker levels a
 * transaction that writes is refused by the engine.
 * Settings: logging on, sync by fsync or off, the cache of the size asked for, statistics off.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <pthread.h>
#include <wiredtiger.h>

#include "bench/peers/peer_util.h"

struct peer_txn {
    struct peer_db *db;
    struct peer_txn *next;
    WT_SESSION *session;
    WT_CURSOR *cursor, *inserter;
};
struct peer_db {
    WT_CONNECTION *connection;
    pthread_mutex_t mutex;
    struct peer_txn *idle;
    unsigned level;
};

static const char *const isolation[] = {"isolation=snapshot", "isolation=read-committed", "isolation=read-uncommitted"};

static int status_of(int rc) {
    switch (rc) {
    case 0: return VARVE_OK;
    case WT_NOTFOUND: return VARVE_NOTFOUND;
    case WT_DUPLICATE_KEY: return VARVE_EXISTS;
    case WT_ROLLBACK: return VARVE_CONFLICT;
    case ENOTSUP: return VARVE_INVALID;
    case EINVAL: return VARVE_INVALID;
    case ENOSPC: return VARVE_FULL;
    case ENOMEM: return VARVE_NOMEM;
    default: return VARVE_IO;
    }
}

static int connect_db(struct peer_db *db, struct peer_txn **out) {
    struct peer_txn *t = calloc(1, sizeof(*t));
    if (t == NULL) return ENOMEM;
    t->db = db;
    int rc = db->connection->open_session(db->connection, NULL, NULL, &t->session);
    if (rc == 0) rc = t->session->create(t->session, "table:bench", "key_format=u,value_format=u,memory_page_max=10m");
    if (rc == 0) rc = t->session->open_cursor(t->session, "table:bench", NULL, NULL, &t->cursor);
    if (rc == 0) rc = t->session->open_cursor(t->session, "table:bench", NULL, "overwrite=false", &t->inserter);
    if (rc == 0) {
        *out = t;
        return 0;
    }
    if (t->session != NULL) t->session->close(t->session, NULL);
    free(t);
    return rc;
}

static int open_db(const struct peer_options *o, struct peer_db **out, char *error, size_t error_bytes) {
    char config[256];
    struct peer_db *db = calloc(1, sizeof(*db));
    if (db == NULL) return VARVE_NOMEM;
    uint64_t cache = o->cache_bytes != 0 ? o->cache_bytes : 1ull << 30;
    snprintf(config, sizeof(config),
             "create,cache_size=%llu,session_max=2000,log=(enabled,file_max=64MB),transaction_sync=(enabled=%s,method=%s),"
             "checkpoint=(wait=60)",
             (unsigned long long)cache, o->sync == PEER_SYNC_NONE ? "false" : "true",
             o->sync == PEER_SYNC_FULL ? "fsync" : "none");
    pthread_mutex_init(&db->mutex, NULL);
    db->level = o->level;
    int rc = wiredtiger_open(o->directory, NULL, config, &db->connection);
    if (rc == 0) rc = connect_db(db, &db->idle);
    if (rc == 0) {
        *out = db;
        return VARVE_OK;
    }
    if (db->connection != NULL) db->connection->close(db->connection, NULL);
    free(db);
    return peer_fail(error, error_bytes, status_of(rc), o->directory, wiredtiger_strerror(rc));
}

static void close_db(struct peer_db *db) {
    while (db->idle != NULL) {
        struct peer_txn *t = db->idle;
        db->idle = t->next;
        free(t);
    }
    db->connection->close(db->connection, NULL);
    pthread_mutex_destroy(&db->mutex);
    free(db);
}

static void put_back(struct peer_txn *t) {
    pthread_mutex_lock(&t->db->mutex);
    t->next = t->db->idle;
    t->db->idle = t;
    pthread_mutex_unlock(&t->db->mutex);
}

static int begin(struct peer_db *db, bool read_only, struct peer_txn **out) {
    (void)read_only;
    pthread_mutex_lock(&db->mutex);
    struct peer_txn *t = db->idle;
    if (t != NULL) db->idle = t->next;
    pthread_mutex_unlock(&db->mutex);
    int rc = t != NULL ? 0 : connect_db(db, &t);
    if (rc == 0) rc = t->session->begin_transaction(t->session, isolation[db->level]);
    if (rc == 0)
        *out = t;
    else if (t != NULL)
        put_back(t);
    return status_of(rc);
}

static void reset(struct peer_txn *t) {
    t->cursor->reset(t->cursor);
    t->inserter->reset(t->inserter);
}

static int commit(struct peer_txn *t) {
    reset(t);
    int rc = t->session->commit_transaction(t->session, NULL);
    put_back(t);
    return status_of(rc);
}

static void abort_txn(struct peer_txn *t) {
    reset(t);
    t->session->rollback_transaction(t->session, NULL);
    put_back(t);
}

static void set_key(WT_CURSOR *cursor, varve_slice key) {
    WT_ITEM item = {.data = key.data, .size = key.size};
    cursor->set_key(cursor, &item);
}

static int get(struct peer_txn *t, varve_slice key, varve_slice *value) {
    WT_ITEM item;
    set_key(t->cursor, key);
    int rc = t->cursor->search(t->cursor);
    if (rc == 0) rc = t->cursor->get_value(t->cursor, &item);
    if (rc == 0) *value = (varve_slice){item.data, item.size};
    return status_of(rc);
}

static int write_row(WT_CURSOR *cursor, varve_slice key, varve_slice value) {
    WT_ITEM item = {.data = value.data, .size = value.size};
    set_key(cursor, key);
    cursor->set_value(cursor, &item);
    return status_of(cursor->insert(cursor));
}
static int put(struct peer_txn *t, varve_slice key, varve_slice value) { return write_row(t->cursor, key, value); }
static int insert(struct peer_txn *t, varve_slice key, varve_slice value) { return write_row(t->inserter, key, value); }
static int remove_row(struct peer_txn *t, varve_slice key) {
    set_key(t->inserter, key);
    return status_of(t->inserter->remove(t->inserter));
}

static int seek(WT_CURSOR *cursor, varve_slice low, varve_slice high, bool reverse) {
    varve_slice from = reverse ? high : low;
    int where;
    if (from.data == NULL) {
        cursor->reset(cursor);
        return reverse ? cursor->prev(cursor) : cursor->next(cursor);
    }
    set_key(cursor, from);
    int rc = cursor->search_near(cursor, &where);
    if (rc != 0) return rc;
    if (reverse) return where >= 0 ? cursor->prev(cursor) : 0;
    return where < 0 ? cursor->next(cursor) : 0;
}

static int scan(struct peer_txn *t, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    WT_CURSOR *cursor = t->cursor;
    int rc = seek(cursor, low, high, reverse);
    for (uint64_t n = 0; rc == 0 && (limit == 0 || n < limit); n++) {
        WT_ITEM k, v;
        rc = cursor->get_key(cursor, &k);
        if (rc == 0) rc = cursor->get_value(cursor, &v);
        if (rc != 0) break;
        varve_slice key = {k.data, k.size}, value = {v.data, v.size};
        if (!peer_within(key, low, high, reverse) || fn(arg, key, value) != 0) break;
        rc = reverse ? cursor->prev(cursor) : cursor->next(cursor);
    }
    cursor->reset(cursor);
    return rc == WT_NOTFOUND ? VARVE_OK : status_of(rc);
}

static int sync_db(struct peer_db *db) {
    struct peer_txn *t;
    pthread_mutex_lock(&db->mutex);
    t = db->idle;
    if (t != NULL) db->idle = t->next;
    pthread_mutex_unlock(&db->mutex);
    if (t == NULL) return VARVE_BUSY;
    int rc = t->session->log_flush(t->session, "sync=on");
    put_back(t);
    return status_of(rc);
}

static const struct peer_level levels[] = {{"snapshot", VARVE_SNAPSHOT},
                                           {"read committed (readers)", VARVE_READ_COMMITTED},
                                           {"read uncommitted (readers)", VARVE_READ_UNCOMMITTED}};

PEER_EXPORT const struct peer varve_peer = {
    .abi = PEER_ABI, .name = "wiredtiger", .title = WIREDTIGER_VERSION_STRING, .package = "libwiredtiger-dev",
    .level_count = 3, .levels = levels, .open = open_db, .close = close_db, .begin = begin, .commit = commit,
    .abort = abort_txn, .get = get, .put = put, .remove = remove_row, .scan = scan, .sync = sync_db, .insert = insert};
