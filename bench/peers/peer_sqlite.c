/* peer_sqlite.c - SQLite: one table of blobs without rowid; one writer at a time, a connection for each transaction.
 *
 * Levels: a write-ahead log with transactions that become writers at their first write (the busy snapshot is a conflict),
 * the same with writers from the begin, and the rollback journal. Connections are kept for the next transaction.
 * Settings: synchronous FULL syncs each commit, OFF leaves that to the operating system; checkpoints as by default.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <sqlite3.h>

#include "bench/peers/peer_util.h"

enum verb { BEGIN, COMMIT, ROLLBACK, GET, PUT, INSERT, REMOVE, SCAN, SCAN_BACK, SAVE, BACK, VERBS };
enum { IMMEDIATE = 1, JOURNAL = 2, BUSY_MS = 10000 };

struct peer_txn {
    struct peer_db *db;
    struct peer_txn *next;
    sqlite3 *connection;
    sqlite3_stmt *statements[VERBS];
    sqlite3_stmt *borrowed; /* whose row the last get lent out */
};
struct peer_db {
    pthread_mutex_t mutex;
    struct peer_txn *idle;
    char path[512];
    unsigned level;
    enum peer_sync sync;
    bool no_wait;
    uint64_t cache_bytes;
};

static int status_of(sqlite3 *connection, int rc) {
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW: return VARVE_OK;
    case SQLITE_BUSY:
        return sqlite3_extended_errcode(connection) == SQLITE_BUSY_SNAPSHOT ? VARVE_CONFLICT : PEER_BLOCKED;
    case SQLITE_LOCKED: return PEER_BLOCKED;
    case SQLITE_CONSTRAINT: return VARVE_EXISTS;
    case SQLITE_FULL: return VARVE_FULL;
    case SQLITE_NOMEM: return VARVE_NOMEM;
    case SQLITE_CORRUPT: return VARVE_CORRUPT;
    default: return VARVE_IO;
    }
}

static const char *const texts[VERBS] = {
    "BEGIN", "COMMIT", "ROLLBACK", "SELECT v FROM t WHERE k = ?1",
    "INSERT INTO t VALUES(?1, ?2) ON CONFLICT(k) DO UPDATE SET v = excluded.v", "INSERT INTO t VALUES(?1, ?2)",
    "DELETE FROM t WHERE k = ?1",
    "SELECT k, v FROM t WHERE k >= ?1 AND (?2 IS NULL OR k < ?2) ORDER BY k LIMIT ?3",
    "SELECT k, v FROM t WHERE k >= ?1 AND (?2 IS NULL OR k < ?2) ORDER BY k DESC LIMIT ?3",
    "SAVEPOINT s", "ROLLBACK TO s"};

static int run(struct peer_txn *t, enum verb verb) {
    sqlite3_stmt *statement = t->statements[verb];
    int rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    return rc;
}

static int settle(struct peer_txn *t) {
    char text[256];
    struct peer_db *db = t->db;
    snprintf(text, sizeof(text), "PRAGMA journal_mode=%s; PRAGMA synchronous=%s; PRAGMA cache_size=-%llu;",
             db->level == JOURNAL ? "DELETE" : "WAL", db->sync == PEER_SYNC_FULL ? "FULL" : "OFF",
             (unsigned long long)(db->cache_bytes >> 10));
    int rc = sqlite3_exec(t->connection, text, NULL, NULL, NULL);
    if (rc != SQLITE_OK) return rc;
    return sqlite3_exec(t->connection, "CREATE TABLE IF NOT EXISTS t(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID", NULL,
                        NULL, NULL);
}

static int connect_db(struct peer_db *db, struct peer_txn **out) {
    struct peer_txn *t = calloc(1, sizeof(*t));
    if (t == NULL) return SQLITE_NOMEM;
    t->db = db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(db->path, &t->connection, flags, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_busy_timeout(t->connection, db->no_wait ? 0 : BUSY_MS);
    if (rc == SQLITE_OK) rc = settle(t);
    for (unsigned i = 0; i < VERBS && rc == SQLITE_OK; i++) {
        const char *text = i == BEGIN && db->level == IMMEDIATE ? "BEGIN IMMEDIATE" : texts[i];
        rc = sqlite3_prepare_v3(t->connection, text, -1, SQLITE_PREPARE_PERSISTENT, &t->statements[i], NULL);
    }
    *out = t;
    return rc;
}

static void disconnect(struct peer_txn *t) {
    for (unsigned i = 0; i < VERBS; i++) sqlite3_finalize(t->statements[i]);
    sqlite3_close(t->connection);
    free(t);
}

static int open_db(const struct peer_options *o, struct peer_db **out, char *error, size_t error_bytes) {
    struct peer_db *db = calloc(1, sizeof(*db));
    struct peer_txn *first = NULL;
    if (db == NULL) return VARVE_NOMEM;
    snprintf(db->path, sizeof(db->path), "%s/bench.sqlite", o->directory);
    pthread_mutex_init(&db->mutex, NULL);
    db->level = o->level;
    db->sync = o->sync;
    db->no_wait = o->no_wait;
    db->cache_bytes = o->cache_bytes != 0 ? o->cache_bytes / (o->threads != 0 ? o->threads : 1) : 256 << 20;
    int rc = connect_db(db, &first);
    if (rc == SQLITE_OK) {
        db->idle = first;
        *out = db;
        return VARVE_OK;
    }
    int status = first != NULL ? status_of(first->connection, rc) : VARVE_NOMEM;
    peer_fail(error, error_bytes, status, db->path, first != NULL ? sqlite3_errmsg(first->connection) : "out of memory");
    if (first != NULL) disconnect(first);
    free(db);
    return status;
}

static void close_db(struct peer_db *db) {
    while (db->idle != NULL) {
        struct peer_txn *t = db->idle;
        db->idle = t->next;
        disconnect(t);
    }
    pthread_mutex_destroy(&db->mutex);
    free(db);
}

static void put_back(struct peer_txn *t) {
    if (t->borrowed != NULL) sqlite3_reset(t->borrowed);
    t->borrowed = NULL;
    pthread_mutex_lock(&t->db->mutex);
    t->next = t->db->idle;
    t->db->idle = t;
    pthread_mutex_unlock(&t->db->mutex);
}

static int begin(struct peer_db *db, bool read_only, struct peer_txn **out) {
    pthread_mutex_lock(&db->mutex);
    struct peer_txn *t = db->idle;
    if (t != NULL) db->idle = t->next;
    pthread_mutex_unlock(&db->mutex);
    int rc = t != NULL ? SQLITE_OK : connect_db(db, &t);
    if (t == NULL) return VARVE_NOMEM;
    if (rc == SQLITE_OK)
        rc = read_only ? sqlite3_exec(t->connection, "BEGIN", NULL, NULL, NULL) : run(t, BEGIN);
    int status = status_of(t->connection, rc);
    if (status == VARVE_OK)
        *out = t;
    else if (t->statements[VERBS - 1] != NULL)
        put_back(t);
    else
        disconnect(t);
    return status;
}

static void abort_txn(struct peer_txn *t) {
    if (t->borrowed != NULL) sqlite3_reset(t->borrowed);
    t->borrowed = NULL;
    (void)run(t, ROLLBACK);
    put_back(t);
}

static int commit(struct peer_txn *t) {
    if (t->borrowed != NULL) sqlite3_reset(t->borrowed);
    t->borrowed = NULL;
    int status = status_of(t->connection, run(t, COMMIT));
    if (status == VARVE_OK)
        put_back(t);
    else
        abort_txn(t);
    return status;
}

static int get(struct peer_txn *t, varve_slice key, varve_slice *value) {
    sqlite3_stmt *statement = t->statements[GET];
    if (t->borrowed != NULL) sqlite3_reset(t->borrowed);
    t->borrowed = statement;
    sqlite3_bind_blob(statement, 1, key.data, (int)key.size, SQLITE_STATIC);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_DONE) return VARVE_NOTFOUND;
    if (rc != SQLITE_ROW) return status_of(t->connection, rc);
    *value = (varve_slice){sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0)};
    return VARVE_OK;
}

static int write_row(struct peer_txn *t, enum verb verb, varve_slice key, varve_slice value) {
    sqlite3_stmt *statement = t->statements[verb];
    sqlite3_bind_blob(statement, 1, key.data, (int)key.size, SQLITE_STATIC);
    if (verb != REMOVE)
        sqlite3_bind_blob(statement, 2, value.size != 0 ? value.data : "", (int)value.size, SQLITE_STATIC);
    return status_of(t->connection, run(t, verb));
}

static int put(struct peer_txn *t, varve_slice key, varve_slice value) { return write_row(t, PUT, key, value); }
static int insert(struct peer_txn *t, varve_slice key, varve_slice value) { return write_row(t, INSERT, key, value); }
static int remove_row(struct peer_txn *t, varve_slice key) {
    int status = write_row(t, REMOVE, key, (varve_slice){NULL, 0});
    return status == VARVE_OK && sqlite3_changes(t->connection) == 0 ? VARVE_NOTFOUND : status;
}

static int scan(struct peer_txn *t, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    sqlite3_stmt *statement = t->statements[reverse ? SCAN_BACK : SCAN];
    sqlite3_bind_blob(statement, 1, low.data != NULL ? low.data : "", (int)low.size, SQLITE_STATIC);
    if (high.data != NULL)
        sqlite3_bind_blob(statement, 2, high.data, (int)high.size, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, 2);
    sqlite3_bind_int64(statement, 3, limit != 0 ? (sqlite3_int64)limit : -1);
    int rc, answer = 0;
    while (answer == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        varve_slice key = {sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0)};
        varve_slice value = {sqlite3_column_blob(statement, 1), (size_t)sqlite3_column_bytes(statement, 1)};
        answer = fn(arg, key, value);
    }
    sqlite3_reset(statement);
    return answer != 0 ? VARVE_OK : status_of(t->connection, rc);
}

static int savepoint(struct peer_txn *t) { return status_of(t->connection, run(t, SAVE)); }
static int rollback(struct peer_txn *t) { return status_of(t->connection, run(t, BACK)); }

static int sync_db(struct peer_db *db) {
    (void)db; /* every commit is synced, or nothing is asked for */
    return VARVE_OK;
}

static const struct peer_level levels[] = {{"WAL, BEGIN", VARVE_SERIALIZABLE},
                                           {"WAL, BEGIN IMMEDIATE", VARVE_SERIALIZABLE},
                                           {"rollback journal", VARVE_SERIALIZABLE}};

PEER_EXPORT const struct peer varve_peer = {
    .abi = PEER_ABI, .name = "sqlite", .title = "SQLite " SQLITE_VERSION, .package = "libsqlite3-dev",
    .level_count = 3, .levels = levels, .open = open_db, .close = close_db, .begin = begin, .commit = commit,
    .abort = abort_txn, .get = get, .put = put, .remove = remove_row, .scan = scan, .savepoint = savepoint,
    .rollback = rollback, .sync = sync_db, .insert = insert};
