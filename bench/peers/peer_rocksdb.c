/* peer_rocksdb.c - RocksDB through its C interface: pessimistic transactions, or with PEER_OPTIMISTIC optimistic ones.
 *
 * Pessimistic: rows that are written, or read for update, are locked; granted at once or, with no_wait (a lock timeout of
 * nothing), refused. Optimistic: nothing is locked; the same rows are checked at commit against the versions that the
 * memtables still hold. Levels: plain reads of the newest committed rows; reads at a snapshot taken at the begin, which
 * writes are checked against too; every read for update, under a shared lock, rows of scans included, each read again once
 * it is locked. What is absent from a range is protected at none of them.
 *
 * A delete tells nothing, so remove and insert read the row for update first. Settings: FULL syncs the write-ahead log at
 * each commit, WRITE writes it to the operating system, NONE leaves it in its buffer (manual_wal_flush). Of cache_bytes a
 * quarter is for four memtables, the rest block cache, index and filter blocks included; ten bits of Bloom filter a key; a
 * background thread for each user thread. Transaction objects are used again. `extra` is an options string of RocksDB.
 *
 * SPDX-License-Identifier: MIT
 */
#include <rocksdb/c.h>

#include "bench/peers/peer_util.h"

enum level { PLAIN, SNAPSHOT, FOR_UPDATE, LEVELS };
enum { MEMTABLES = 4, MEMTABLE_LEAST = 1 << 20, MEMTABLE_MOST = 256 << 20, LOCK_MS = 10000 };

#ifdef PEER_OPTIMISTIC
#define PEER_NAME "rocksdb-optimistic"
#define PEER_KIND " optimistic"
typedef rocksdb_optimistictransactiondb_t engine_db;
typedef rocksdb_optimistictransaction_options_t begin_options;
#else
#define PEER_NAME "rocksdb"
#define PEER_KIND ""
typedef rocksdb_transactiondb_t engine_db;
typedef rocksdb_transaction_options_t begin_options;
#endif

struct peer_txn {
    struct peer_handle handle;
    struct peer_db *db;
    rocksdb_transaction_t *txn;
    rocksdb_readoptions_t *read_options;
    const rocksdb_snapshot_t *snapshot;
    rocksdb_pinnableslice_t *lent; /* by the last get */
    bool read_only, saved;
    int ended;
};
struct peer_db {
    struct peer_pool pool;
    engine_db *db;
    begin_options *begin_options;
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *write_options;
    rocksdb_block_based_table_options_t *table_options;
    rocksdb_cache_t *cache;
    enum level level;
    bool no_wait;
};

/* Takes the text over. */
static int status_of(const struct peer_db *db, char *text) {
    static const struct {
        const char *begins;
        int status;
    } known[] = {{"Resource busy: Deadlock", VARVE_DEADLOCK},
                 {"Resource busy", VARVE_CONFLICT},
                 {"Operation timed out", VARVE_TIMEOUT},
                 {"Operation expired", VARVE_TIMEOUT},
                 {"Operation failed. Try again", VARVE_CONFLICT}, /* the memtables are too young to tell */
                 {"Invalid argument", VARVE_INVALID},
                 {"IO error: No space", VARVE_FULL},
                 {"Corruption", VARVE_CORRUPT}};
    if (text == NULL) return VARVE_OK;
    int status = VARVE_IO;
    for (size_t i = 0; i < sizeof known / sizeof *known && status == VARVE_IO; i++)
        if (strncmp(text, known[i].begins, strlen(known[i].begins)) == 0) status = known[i].status;
    rocksdb_free(text);
    return status == VARVE_TIMEOUT && db->no_wait ? PEER_BLOCKED : status;
}

/* --- what the two kinds do differently ---------------------------------------------------------------------------------- */

#ifdef PEER_OPTIMISTIC
static char *open_files(struct peer_db *db, const struct peer_options *o) {
    char *error = NULL;
    db->begin_options = rocksdb_optimistictransaction_options_create();
    rocksdb_optimistictransaction_options_set_set_snapshot(db->begin_options, db->level == SNAPSHOT);
    db->db = rocksdb_optimistictransactiondb_open(db->options, o->directory, &error);
    return error;
}
static void close_files(struct peer_db *db) {
    if (db->db != NULL) rocksdb_optimistictransactiondb_close(db->db);
    rocksdb_optimistictransaction_options_destroy(db->begin_options);
}
static rocksdb_transaction_t *begin_txn(struct peer_db *db, rocksdb_transaction_t *again) {
    return rocksdb_optimistictransaction_begin(db->db, db->write_options, db->begin_options, again);
}
static int sync_db(struct peer_db *db) {
    char *error = NULL;
    rocksdb_t *base = rocksdb_optimistictransactiondb_get_base_db(db->db);
    rocksdb_flush_wal(base, 1, &error);
    rocksdb_optimistictransactiondb_close_base_db(base);
    return status_of(db, error);
}
static int property(struct peer_db *db, const char *name, uint64_t *value) {
    return rocksdb_optimistictransactiondb_property_int(db->db, name, value);
}
#else
static char *open_files(struct peer_db *db, const struct peer_options *o) {
    char *error = NULL;
    db->begin_options = rocksdb_transaction_options_create();
    rocksdb_transaction_options_set_set_snapshot(db->begin_options, db->level == SNAPSHOT);
    rocksdb_transaction_options_set_lock_timeout(db->begin_options, o->no_wait ? 0 : LOCK_MS);
    rocksdb_transaction_options_set_deadlock_detect(db->begin_options, !o->no_wait);
    rocksdb_transactiondb_options_t *options = rocksdb_transactiondb_options_create();
    db->db = rocksdb_transactiondb_open(db->options, options, o->directory, &error);
    rocksdb_transactiondb_options_destroy(options);
    return error;
}
static void close_files(struct peer_db *db) {
    if (db->db != NULL) rocksdb_transactiondb_close(db->db);
    rocksdb_transaction_options_destroy(db->begin_options);
}
static rocksdb_transaction_t *begin_txn(struct peer_db *db, rocksdb_transaction_t *again) {
    return rocksdb_transaction_begin(db->db, db->write_options, db->begin_options, again);
}
static int sync_db(struct peer_db *db) {
    char *error = NULL;
    rocksdb_transactiondb_flush_wal(db->db, 1, &error);
    return status_of(db, error);
}
static int property(struct peer_db *db, const char *name, uint64_t *value) {
    return rocksdb_transactiondb_property_int(db->db, name, value);
}
#endif

/* --- the database --------------------------------------------------------------------------------------------------- */

/* Error text, or NULL. */
static char *set_options(struct peer_db *db, const struct peer_options *o) {
    uint64_t cache = o->cache_bytes != 0 ? o->cache_bytes : 1u << 30, memtable = cache / (4 * MEMTABLES);
    if (memtable < MEMTABLE_LEAST) memtable = MEMTABLE_LEAST;
    if (memtable > MEMTABLE_MOST) memtable = MEMTABLE_MOST;
    rocksdb_options_set_create_if_missing(db->options, 1);
    rocksdb_options_increase_parallelism(db->options, (int)(o->threads > 2 ? o->threads : 2));
    rocksdb_options_set_write_buffer_size(db->options, memtable);
    rocksdb_options_set_max_write_buffer_number(db->options, MEMTABLES);
    rocksdb_options_set_manual_wal_flush(db->options, o->sync == PEER_SYNC_NONE);
    db->cache = rocksdb_cache_create_lru(cache > 2 * MEMTABLES * memtable ? cache - MEMTABLES * memtable : cache / 2);
    rocksdb_block_based_options_set_block_cache(db->table_options, db->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(db->table_options, 1);
    rocksdb_block_based_options_set_filter_policy(db->table_options, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(db->options, db->table_options);
    rocksdb_writeoptions_set_sync(db->write_options, o->sync == PEER_SYNC_FULL);
    if (o->extra == NULL) return NULL;
    char *error = NULL;
    rocksdb_options_t *changed = rocksdb_options_create();
    rocksdb_get_options_from_string(db->options, o->extra, changed, &error);
    rocksdb_options_destroy(db->options);
    db->options = changed;
    return error;
}

static void free_handle(struct peer_handle *handle) {
    struct peer_txn *t = (struct peer_txn *)handle;
    if (t->txn != NULL) rocksdb_transaction_destroy(t->txn);
    rocksdb_readoptions_destroy(t->read_options);
    free(t);
}

static void close_db(struct peer_db *db) {
    peer_pool_release(&db->pool, free_handle);
    if (db->begin_options != NULL) close_files(db);
    rocksdb_writeoptions_destroy(db->write_options);
    rocksdb_options_destroy(db->options);
    rocksdb_block_based_options_destroy(db->table_options);
    rocksdb_cache_destroy(db->cache);
    free(db);
}

static int open_db(const struct peer_options *o, struct peer_db **out, char *error, size_t error_bytes) {
    struct peer_db *db = calloc(1, sizeof(*db));
    if (db == NULL) return VARVE_NOMEM;
    peer_pool_init(&db->pool);
    db->level = (enum level)o->level;
    db->no_wait = o->no_wait;
    db->options = rocksdb_options_create();
    db->table_options = rocksdb_block_based_options_create();
    db->write_options = rocksdb_writeoptions_create();
    char *text = set_options(db, o);
    if (text == NULL) text = open_files(db, o);
    if (text == NULL) {
        *out = db;
        return VARVE_OK;
    }
    peer_fail(error, error_bytes, VARVE_IO, o->directory, text);
    int status = status_of(db, text);
    close_db(db);
    return status;
}

/* --- transactions ----------------------------------------------------------------------------------------------------- */

static int begin(struct peer_db *db, bool read_only, struct peer_txn **out) {
    struct peer_txn *t = (struct peer_txn *)peer_pool_take(&db->pool);
    if (t == NULL) {
        t = calloc(1, sizeof(*t));
        if (t == NULL) return VARVE_NOMEM;
        t->db = db;
        t->read_options = rocksdb_readoptions_create();
        peer_pool_add(&db->pool, &t->handle);
    }
    t->txn = begin_txn(db, t->txn);
    t->read_only = read_only;
    t->saved = false;
    t->ended = 0;
    if (db->level == SNAPSHOT) {
        t->snapshot = rocksdb_transaction_get_snapshot(t->txn);
        rocksdb_readoptions_set_snapshot(t->read_options, t->snapshot);
    }
    *out = t;
    return VARVE_OK;
}

/* At the start of each call: what the call before lent out is taken back. */
static int start(struct peer_txn *t) {
    if (t->lent != NULL) rocksdb_pinnableslice_destroy(t->lent);
    t->lent = NULL;
    return t->ended;
}

static void forget_snapshot(struct peer_txn *t) {
    if (t->snapshot == NULL) return;
    rocksdb_readoptions_set_snapshot(t->read_options, NULL);
    rocksdb_free((void *)(uintptr_t)t->snapshot); /* the wrapper; the snapshot is the transaction's */
    t->snapshot = NULL;
}

static void roll_back(struct peer_txn *t) {
    char *error = NULL;
    forget_snapshot(t);
    rocksdb_transaction_rollback(t->txn, &error);
    rocksdb_free(error);
}

static int told(struct peer_txn *t, char *error) {
    int status = status_of(t->db, error);
    if (!peer_ends(status)) return status;
    (void)start(t);
    roll_back(t);
    return t->ended = status;
}

static void abort_txn(struct peer_txn *t) {
    if (start(t) == 0) roll_back(t);
    peer_pool_put(&t->db->pool, &t->handle);
}

static int commit(struct peer_txn *t) {
    char *error = NULL;
    int status = start(t);
    if (status == 0) {
        rocksdb_transaction_commit(t->txn, &error);
        status = told(t, error);
        forget_snapshot(t);
    }
    peer_pool_put(&t->db->pool, &t->handle);
    return status;
}

static int savepoint(struct peer_txn *t) {
    if (start(t) != 0) return t->ended;
    rocksdb_transaction_set_savepoint(t->txn);
    t->saved = true;
    return VARVE_OK;
}
static int rollback(struct peer_txn *t) {
    char *error = NULL;
    if (start(t) != 0) return t->ended;
    if (!t->saved) return VARVE_INVALID;
    rocksdb_transaction_rollback_to_savepoint(t->txn, &error);
    rocksdb_transaction_set_savepoint(t->txn); /* going back uses it up */
    return told(t, error);
}

/* --- rows ------------------------------------------------------------------------------------------------------------- */

enum lock { UNLOCKED, SHARED, EXCLUSIVE };

/* VARVE_OK or VARVE_NOTFOUND, where *error stays NULL. */
static int look(struct peer_txn *t, varve_slice key, varve_slice *value, enum lock lock, char **error) {
    (void)start(t);
    t->lent = lock == UNLOCKED
                  ? rocksdb_transaction_get_pinned(t->txn, t->read_options, key.data, key.size, error)
                  : rocksdb_transaction_get_pinned_for_update(t->txn, t->read_options, key.data, key.size,
                                                              lock == EXCLUSIVE, error);
    if (t->lent == NULL) return VARVE_NOTFOUND;
    value->data = rocksdb_pinnableslice_value(t->lent, &value->size);
    return VARVE_OK;
}

static int read_row(struct peer_txn *t, varve_slice key, varve_slice *value, enum lock lock) {
    char *error = NULL;
    if (start(t) != 0) return t->ended;
    int status = look(t, key, value, lock, &error);
    return error != NULL ? told(t, error) : status;
}
static int get(struct peer_txn *t, varve_slice key, varve_slice *value) {
    return read_row(t, key, value, t->db->level == FOR_UPDATE ? SHARED : UNLOCKED);
}
static int get_for_update(struct peer_txn *t, varve_slice key, varve_slice *value) {
    return read_row(t, key, value, EXCLUSIVE);
}

static int put(struct peer_txn *t, varve_slice key, varve_slice value) {
    char *error = NULL;
    if (start(t) != 0) return t->ended;
    if (t->read_only) return VARVE_READONLY;
    rocksdb_transaction_put(t->txn, key.data, key.size, value.data, value.size, &error);
    return told(t, error);
}

static int insert(struct peer_txn *t, varve_slice key, varve_slice value) {
    varve_slice there;
    if (t->read_only) return VARVE_READONLY;
    int status = get_for_update(t, key, &there);
    return status == VARVE_NOTFOUND ? put(t, key, value) : status == VARVE_OK ? VARVE_EXISTS : status;
}

static int remove_row(struct peer_txn *t, varve_slice key) {
    char *error = NULL;
    varve_slice there;
    if (t->read_only) return VARVE_READONLY;
    int status = get_for_update(t, key, &there);
    if (status != VARVE_OK) return status;
    rocksdb_transaction_delete(t->txn, key.data, key.size, &error);
    return told(t, error);
}

static varve_slice key_of(rocksdb_iterator_t *it) {
    varve_slice key;
    key.data = rocksdb_iter_key(it, &key.size);
    return key;
}

static void seek(rocksdb_iterator_t *it, varve_slice low, varve_slice high, bool reverse) {
    if (!reverse && low.data != NULL) {
        rocksdb_iter_seek(it, low.data, low.size);
    } else if (!reverse) {
        rocksdb_iter_seek_to_first(it);
    } else if (high.data == NULL) {
        rocksdb_iter_seek_to_last(it);
    } else {
        rocksdb_iter_seek_for_prev(it, high.data, high.size);
        if (rocksdb_iter_valid(it) && peer_compare(key_of(it), high) == 0) rocksdb_iter_prev(it);
    }
}

static int scan(struct peer_txn *t, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    char *error = NULL;
    if (start(t) != 0) return t->ended;
    /* The iterator keeps looking at the bound in the options. */
    rocksdb_readoptions_set_iterate_upper_bound(t->read_options, reverse ? NULL : high.data, high.size);
    rocksdb_iterator_t *it = rocksdb_transaction_create_iterator(t->txn, t->read_options);
    seek(it, low, high, reverse);
    for (uint64_t n = 0; rocksdb_iter_valid(it);) {
        varve_slice key = key_of(it), value;
        if (!peer_within(key, low, high, reverse)) break;
        value.data = rocksdb_iter_value(it, &value.size);
        int there = t->db->level == FOR_UPDATE ? look(t, key, &value, SHARED, &error) : VARVE_OK;
        if (error != NULL || (there == VARVE_OK && (fn(arg, key, value) != 0 || ++n == limit))) break;
        if (reverse)
            rocksdb_iter_prev(it);
        else
            rocksdb_iter_next(it);
    }
    if (error == NULL) rocksdb_iter_get_error(it, &error);
    rocksdb_iter_destroy(it);
    rocksdb_readoptions_set_iterate_upper_bound(t->read_options, NULL, 0);
    return told(t, error);
}

/* --- the rest --------------------------------------------------------------------------------------------------------- */

static int stats(struct peer_db *db, struct peer_stats *out) {
    uint64_t memtables = 0, cached = 0;
    *out = (struct peer_stats){0};
    if (property(db, "rocksdb.cur-size-all-mem-tables", &memtables) != 0 ||
        property(db, "rocksdb.block-cache-usage", &cached) != 0 ||
        property(db, "rocksdb.estimate-num-keys", &out->records) != 0)
        return VARVE_IO;
    out->memory_bytes = memtables + cached;
    return VARVE_OK;
}

static const struct peer_level levels[LEVELS] = {{"plain reads", VARVE_READ_COMMITTED},
                                                 {"snapshot", VARVE_SNAPSHOT},
                                                 {"every read for update", VARVE_REPEATABLE_READ}};

PEER_EXPORT const struct peer varve_peer = {
    .abi = PEER_ABI, .name = PEER_NAME, .title = "RocksDB " PEER_VERSION PEER_KIND, .package = "librocksdb-dev", .level_count = LEVELS,
    .levels = levels, .open = open_db, .close = close_db, .begin = begin, .commit = commit, .abort = abort_txn,
    .get = get, .get_for_update = get_for_update, .put = put, .remove = remove_row, .scan = scan,
    .savepoint = savepoint, .rollback = rollback, .sync = sync_db, .insert = insert, .stats = stats};
