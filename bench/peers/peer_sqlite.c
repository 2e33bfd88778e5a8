/* peer_sqlite.c - SQLite: one table of blobs without rowid; one writer at a time, a connection for each transaction.
 *
 * Levels are the journal and the way to begin: a write-ahead log (readers on snapshots beside the writer) or the rollback
 * journal (a writer waits for readers when it commits); BEGIN, where a transaction becomes a writer at its first write, or
 * BEGIN IMMEDIATE, where one that is not read-only is a writer from its begin. A snapshot is taken by the first read, not
 * by BEGIN. Each connection is one transaction at a time and is kept for the next.
 *
 * With no_wait there is no busy timeout, and SQLITE_BUSY is "blocked"; SQLITE_BUSY_SNAPSHOT, a reader that wants to write
 * after another's commit, is a conflict, which no waiting would cure.
 *
 * Settings: FULL is synchronous=FULL; WRITE is NORMAL with the write-ahead log (written at commit, synced at checkpoints)
 * and OFF with the journal; NONE is OFF. Pages are read from the map (mmap_size = cache_bytes); each connection's own
 * cache is cache_bytes / threads. Memory statistics are off, as the manual advises for threads. `extra` is SQL that each
 * connection carries out first ("PRAGMA wal_autocheckpoint=10000").
 *
 * SPDX-License-Identifier: MIT
 */
#include <sqlite3.h>

#include "bench/peers/peer_util.h"

enum verb { BEGIN, BEGIN_WRITER, COMMIT, ROLLBACK, GET, PUT, INSERT, REMOVE, SAVE, BACK, FREE, SCAN, SCANS = 8 };
enum { VERBS = SCAN + SCANS, BUSY_MS = 10000, CONNECTIONS = 16, LEAST_CACHE = 2 << 20, DEFAULT_CACHE = 256 << 20 };
enum { IMMEDIATE = 1, JOURNAL = 2 }; /* bits of a level */

struct peer_txn {
    struct peer_handle handle;
    struct peer_db *db;
    sqlite3 *connection;
    sqlite3_stmt *statements[VERBS];
    sqlite3_stmt *lent; /* whose row the last get lent out */
    bool read_only, saved;
    int ended;
};
struct peer_db {
    struct peer_pool pool;
    char path[512], extra[512];
    unsigned level;
    enum peer_sync sync;
    bool no_wait;
    uint64_t cache_bytes, map_bytes;
};

/* Scans are SCAN plus bits: 1 has a low bound, 2 a high one, 4 reverse. */
static const char *const texts[VERBS] = {
    "BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK", "SELECT v FROM t WHERE k = ?1",
    "INSERT INTO t VALUES(?1, ?2) ON CONFLICT(k) DO UPDATE SET v = excluded.v", "INSERT INTO t VALUES(?1, ?2)",
    "DELETE FROM t WHERE k = ?1", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s",
    "SELECT k, v FROM t ORDER BY k LIMIT ?3", "SELECT k, v FROM t WHERE k >= ?1 ORDER BY k LIMIT ?3",
    "SELECT k, v FROM t WHERE k < ?2 ORDER BY k LIMIT ?3",
    "SELECT k, v FROM t WHERE k >= ?1 AND k < ?2 ORDER BY k LIMIT ?3",
    "SELECT k, v FROM t ORDER BY k DESC LIMIT ?3", "SELECT k, v FROM t WHERE k >= ?1 ORDER BY k DESC LIMIT ?3",
    "SELECT k, v FROM t WHERE k < ?2 ORDER BY k DESC LIMIT ?3",
    "SELECT k, v FROM t WHERE k >= ?1 AND k < ?2 ORDER BY k DESC LIMIT ?3"};

static int status_of(const struct peer_db *db, int rc) {
    if (rc == SQLITE_BUSY_SNAPSHOT) return VARVE_CONFLICT;
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW: return VARVE_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return db->no_wait ? PEER_BLOCKED : VARVE_BUSY;
    case SQLITE_CONSTRAINT: return VARVE_EXISTS;
    case SQLITE_TOOBIG: return VARVE_TOOBIG;
    case SQLITE_READONLY: return VARVE_READONLY;
    case SQLITE_FULL: return VARVE_FULL;
    case SQLITE_NOMEM: return VARVE_NOMEM;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT: return VARVE_CORRUPT;
    default: return VARVE_IO;
    }
}

static int run(struct peer_txn *t, enum verb verb) {
    int rc = sqlite3_step(t->statements[verb]);
    sqlite3_reset(t->statements[verb]);
    return rc;
}

/* --- the database and its connections ----------------------------------------------------------------------------------- */

static int settle(struct peer_txn *t) {
    char text[512];
    const struct peer_db *db = t->db;
    bool journal = (db->level & JOURNAL) != 0;
    const char *weaker = db->sync == PEER_SYNC_WRITE && !journal ? "NORMAL" : "OFF";
    snprintf(text, sizeof(text),
             "PRAGMA journal_mode=%s; PRAGMA synchronous=%s; PRAGMA cache_size=-%llu; PRAGMA mmap_size=%llu;"
             "CREATE TABLE IF NOT EXISTS t(k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID",
             journal ? "DELETE" : "WAL", db->sync == PEER_SYNC_FULL ? "FULL" : weaker,
             (unsigned long long)(db->cache_bytes >> 10), (unsigned long long)db->map_bytes);
    int rc = sqlite3_exec(t->connection, text, NULL, NULL, NULL);
    return rc == SQLITE_OK && db->extra[0] != 0 ? sqlite3_exec(t->connection, db->extra, NULL, NULL, NULL) : rc;
}

static void disconnect(struct peer_handle *handle) {
    struct peer_txn *t = (struct peer_txn *)handle;
    for (unsigned i = 0; i < VERBS; i++) sqlite3_finalize(t->statements[i]);
    sqlite3_close(t->connection);
    free(t);
}

/* *out is NULL only when there is no memory. */
static int connect_db(struct peer_db *db, struct peer_txn **out) {
    struct peer_txn *t = *out = calloc(1, sizeof(*t));
    if (t == NULL) return SQLITE_NOMEM;
    t->db = db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(db->path, &t->connection, flags, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_busy_timeout(t->connection, db->no_wait ? 0 : BUSY_MS);
    if (rc == SQLITE_OK) rc = settle(t);
    for (unsigned i = 0; i < VERBS && rc == SQLITE_OK; i++)
        rc = sqlite3_prepare_v3(t->connection, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &t->statements[i], NULL);
    return rc;
}

static void close_db(struct peer_db *db) {
    peer_pool_release(&db->pool, disconnect);
    free(db);
}

/* With no_wait the connections are made beforehand: making one reads the schema, which a writer could block. */
static int open_db(const struct peer_options *o, struct peer_db **out, char *error, size_t error_bytes) {
    struct peer_db *db = calloc(1, sizeof(*db));
    struct peer_txn *t = NULL;
    if (db == NULL) return VARVE_NOMEM;
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* refused, and of no harm, when SQLite is in use already */
    snprintf(db->path, sizeof(db->path), "%s/bench.sqlite", o->directory);
    snprintf(db->extra, sizeof(db->extra), "%s", o->extra != NULL ? o->extra : "");
    peer_pool_init(&db->pool);
    db->level = o->level;
    db->sync = o->sync;
    db->no_wait = o->no_wait;
    db->map_bytes = o->cache_bytes != 0 ? o->cache_bytes : DEFAULT_CACHE;
    db->cache_bytes = db->map_bytes / (o->threads != 0 ? o->threads : 1);
    if (db->cache_bytes < LEAST_CACHE) db->cache_bytes = LEAST_CACHE;
    int rc = SQLITE_OK;
    for (unsigned i = 0; i < (o->no_wait ? CONNECTIONS : 1) && rc == SQLITE_OK; i++) {
        rc = connect_db(db, &t);
        if (t == NULL) break;
        peer_pool_add(&db->pool, &t->handle);
        peer_pool_put(&db->pool, &t->handle);
    }
    if (rc == SQLITE_OK) {
        *out = db;
        return VARVE_OK;
    }
    peer_fail(error, error_bytes, VARVE_IO, db->path, t != NULL ? sqlite3_errmsg(t->connection) : "out of memory");
    int status = (rc & 0xff) == SQLITE_ERROR ? VARVE_INVALID : status_of(db, rc);
    close_db(db);
    return status;
}

/* --- transactions ----------------------------------------------------------------------------------------------------- */

static int begin(struct peer_db *db, bool read_only, struct peer_txn **out) {
    struct peer_txn *t = (struct peer_txn *)peer_pool_take(&db->pool);
    if (t == NULL) {
        int rc = connect_db(db, &t);
        if (rc != SQLITE_OK && t != NULL) disconnect(&t->handle);
        if (rc != SQLITE_OK) return status_of(db, rc);
        peer_pool_add(&db->pool, &t->handle);
    }
    t->read_only = read_only;
    t->saved = false;
    t->ended = 0;
    int status = status_of(db, run(t, !read_only && (db->level & IMMEDIATE) != 0 ? BEGIN_WRITER : BEGIN));
    if (status == VARVE_OK)
        *out = t;
    else
        peer_pool_put(&db->pool, &t->handle);
    return status;
}

/* At the start of each call: what the call before lent out is taken back. */
static int start(struct peer_txn *t) {
    if (t->lent != NULL) sqlite3_reset(t->lent);
    t->lent = NULL;
    return t->ended;
}

static int told(struct peer_txn *t, int rc) {
    int status = status_of(t->db, rc);
    if (!peer_ends(status)) return status;
    (void)start(t);
    if (!sqlite3_get_autocommit(t->connection)) (void)run(t, ROLLBACK);
    return t->ended = status;
}

static void abort_txn(struct peer_txn *t) {
    if (start(t) == 0) (void)run(t, ROLLBACK);
    peer_pool_put(&t->db->pool, &t->handle);
}

static int commit(struct peer_txn *t) {
    int status = start(t);
    if (status == 0) status = told(t, run(t, COMMIT));
    peer_pool_put(&t->db->pool, &t->handle);
    return status;
}

static int savepoint(struct peer_txn *t) {
    int status = start(t);
    if (status == 0 && t->saved) status = told(t, run(t, FREE));
    if (status == 0) status = told(t, run(t, SAVE));
    t->saved = status == 0;
    return status;
}
static int rollback(struct peer_txn *t) {
    if (start(t) != 0) return t->ended;
    return t->saved ? told(t, run(t, BACK)) : VARVE_INVALID;
}

/* --- rows ------------------------------------------------------------------------------------------------------------- */

static void bind(sqlite3_stmt *statement, int place, varve_slice bytes) {
    sqlite3_bind_blob64(statement, place, bytes.size != 0 ? bytes.data : "", bytes.size, SQLITE_STATIC);
}

static varve_slice column(sqlite3_stmt *statement, int place) {
    const void *data = sqlite3_column_blob(statement, place);
    return (varve_slice){data != NULL ? data : "", (size_t)sqlite3_column_bytes(statement, place)};
}

static int get(struct peer_txn *t, varve_slice key, varve_slice *value) {
    if (start(t) != 0) return t->ended;
    t->lent = t->statements[GET];
    bind(t->lent, 1, key);
    int rc = sqlite3_step(t->lent);
    if (rc == SQLITE_DONE) return VARVE_NOTFOUND;
    if (rc != SQLITE_ROW) return told(t, rc);
    *value = column(t->lent, 0);
    return VARVE_OK;
}

static int write_row(struct peer_txn *t, enum verb verb, varve_slice key, varve_slice value) {
    if (start(t) != 0) return t->ended;
    if (t->read_only) return VARVE_READONLY;
    bind(t->statements[verb], 1, key);
    if (verb != REMOVE) bind(t->statements[verb], 2, value);
    return told(t, run(t, verb));
}
static int put(struct peer_txn *t, varve_slice key, varve_slice value) { return write_row(t, PUT, key, value); }
static int insert(struct peer_txn *t, varve_slice key, varve_slice value) { return write_row(t, INSERT, key, value); }
static int remove_row(struct peer_txn *t, varve_slice key) {
    int status = write_row(t, REMOVE, key, (varve_slice){NULL, 0});
    return status == VARVE_OK && sqlite3_changes(t->connection) == 0 ? VARVE_NOTFOUND : status;
}

static int scan(struct peer_txn *t, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    if (start(t) != 0) return t->ended;
    sqlite3_stmt *statement = t->statements[SCAN + (low.data != NULL) + 2 * (high.data != NULL) + 4 * reverse];
    if (low.data != NULL) bind(statement, 1, low);
    if (high.data != NULL) bind(statement, 2, high);
    sqlite3_bind_int64(statement, 3, limit != 0 && limit < INT64_MAX ? (sqlite3_int64)limit : -1);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        if (fn(arg, column(statement, 0), column(statement, 1)) != 0) break;
    sqlite3_reset(statement);
    return told(t, rc);
}

/* --- the rest --------------------------------------------------------------------------------------------------------- */

static int sync_file(sqlite3 *connection, int which) {
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(connection, "main", which, &file);
    if (rc != SQLITE_OK || file == NULL || file->pMethods == NULL) return rc;
    return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
}

/* What commits have written. Through SQLite's own handles: closing another one of the same file would drop its locks. */
static int sync_db(struct peer_db *db) {
    struct peer_txn *t = NULL;
    int status = begin(db, true, &t);
    if (status != VARVE_OK) return status;
    int rc = sqlite3_exec(t->connection, "SELECT 1 FROM t LIMIT 1", NULL, NULL, NULL); /* opens the log */
    if (rc == SQLITE_OK) rc = sync_file(t->connection, SQLITE_FCNTL_JOURNAL_POINTER);
    if (rc == SQLITE_OK) rc = sync_file(t->connection, SQLITE_FCNTL_FILE_POINTER);
    status = told(t, rc);
    abort_txn(t);
    return status;
}

static char title[48];
__attribute__((constructor)) static void name_version(void) {
    snprintf(title, sizeof(title), "SQLite %s", sqlite3_libversion());
}

static const struct peer_level levels[] = {{"WAL, BEGIN", VARVE_SERIALIZABLE},
                                           {"WAL, BEGIN IMMEDIATE", VARVE_SERIALIZABLE},
                                           {"journal, BEGIN", VARVE_SERIALIZABLE},
                                           {"journal, BEGIN IMMEDIATE", VARVE_SERIALIZABLE}};

PEER_EXPORT const struct peer varve_peer = {
    .abi = PEER_ABI, .name = "sqlite", .title = title, .package = "libsqlite3-dev", .level_count = 4, .levels = levels,
    .open = open_db, .close = close_db, .begin = begin, .commit = commit, .abort = abort_txn, .get = get, .put = put,
    .remove = remove_row, .scan = scan, .savepoint = savepoint, .rollback = rollback, .sync = sync_db, .insert = insert};
