/* peer_rocksdb.c - RocksDB through its C interface: pessimistic transactions, or with PEER_OPTIMISTIC optimistic ones.
 *
 * Pessimistic: locks on the rows that are written (and read for update), granted at once or, with no_wait, refused.
 * Optimistic: rows written (and read for update) are checked at commit against the memtables. Levels: plain reads of the
 * newest rows; reads at a snapshot taken at the begin, which writes are checked against too; every read for update.
 * Ranges are not protected at any of them. Settings: two-phase write queue off, write-ahead log on, synced at each commit
 * or left to the operating system; cache as asked for, 10 bits of Bloom filter a key, memtables of 256 MiB.
 *
 * SPDX-License-Identifier: MIT
 */
#include <rocksdb/c.h>

#include "bench/peers/peer_util.h"

enum level { PLAIN, SNAPSHOT, FOR_UPDATE, LEVELS };

struct peer_db {
#ifdef PEER_OPTIMISTIC
    rocksdb_optimistictransactiondb_t *db;
    rocksdb_optimistictransaction_options_t *begin_options;
#else
    rocksdb_transactiondb_t *db;
    rocksdb_transaction_options_t *begin_options;
    rocksdb_transactiondb_options_t *db_options;
#endif
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *write_options;
    rocksdb_block_based_table_options_t *table_options;
    rocksdb_cache_t *cache;
    enum level level;
};
struct peer_txn {
    struct peer_db *db;
    rocksdb_transaction_t *txn;
    rocksdb_readoptions_t *read_options;
    const rocksdb_snapshot_t *snapshot;
    char *bytes; /* of the last get */
};

/* Takes the text over. */
static int status_of(char *text) {
    static const struct {
        const char *begins;
        int status;
    } known[] = {{"Resource busy", VARVE_CONFLICT},
                 {"Operation timed out", PEER_BLOCKED},
                 {"Operation aborted", VARVE_DEADLOCK},
                 {"Operation expired", VARVE_TIMEOUT},
                 {"Operation failed. Try again", VARVE_CONFLICT},
                 {"IO error: No space", VARVE_FULL},
                 {"Corruption", VARVE_CORRUPT}};
    if (text == NULL) return VARVE_OK;
    int status = VARVE_IO;
    for (size_t i = 0; i < sizeof known / sizeof *known && status == VARVE_IO; i++)
        if (strncmp(text, known[i].begins, strlen(known[i].begins)) == 0) status = known[i].status;
    if (strstr(text, "Deadlock") != NULL) status = VARVE_DEADLOCK;
    rocksdb_free(text);
    return status;
}

static void set_options(struct peer_db *db, const struct peer_options *o) {
    db->level = (enum level)o->level;
    db->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(db->options, 1);
    rocksdb_options_increase_parallelism(db->options, (int)(o->threads > 2 ? o->threads : 2));
    rocksdb_options_set_write_buffer_size(db->options, 256 << 20);
    rocksdb_options_set_max_write_buffer_number(db->options, 4);
    db->table_options = rocksdb_block_based_options_create();
    db->cache = rocksdb_cache_create_lru(o->cache_bytes != 0 ? (size_t)o->cache_bytes : (size_t)1 << 30);
    rocksdb_block_based_options_set_block_cache(db->table_options, db->cache);
    rocksdb_block_based_options_set_filter_policy(db->table_options, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(db->options, db->table_options);
    db->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(db->write_options, o->sync == PEER_SYNC_FULL);
}

static void free_options(struct peer_db *db) {
    rocksdb_writeoptions_destroy(db->write_options);
    rocksdb_options_destroy(db->options);
    rocksdb_block_based_options_destroy(db->table_options);
    rocksdb_cache_destroy(db->cache);
    free(db);
}

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
static rocksdb_transaction_t *begin_txn(struct peer_db *db) {
    return rocksdb_optimistictransaction_begin(db->db, db->write_options, db->begin_options, NULL);
}
static int sync_db(struct peer_db *db) {
    char *error = NULL;
    rocksdb_t *base = rocksdb_optimistictransactiondb_get_base_db(db->db);
    rocksdb_flush_wal(base, 1, &error);
    rocksdb_optimistictransactiondb_close_base_db(base);
    return status_of(error);
}
#else
enum { LOCK_MS = 10000 };
static char *open_files(struct peer_db *db, const struct peer_options *o) {
    char *error = NULL;
    db->begin_options = rocksdb_transaction_options_create();
    rocksdb_transaction_options_set_set_snapshot(db->begin_options, db->level == SNAPSHOT);
    rocksdb_transaction_options_set_lock_timeout(db->begin_options, o->no_wait ? 0 : LOCK_MS);
    rocksdb_transaction_options_set_deadlock_detect(db->begin_options, !o->no_wait);
    db->db_options = rocksdb_transactiondb_options_create();
    db->db = rocksdb_transactiondb_open(db->options, db->db_options, o->directory, &error);
    return error;
}
static void close_files(struct peer_db *db) {
    if (db->db != NULL) rocksdb_transactiondb_close(db->db);
    rocksdb_transaction_options_destroy(db->begin_options);
    rocksdb_transactiondb_options_destroy(db->db_options);
}
static rocksdb_transaction_t *begin_txn(struct peer_db *db) {
    return rocksdb_transaction_begin(db->db, db->write_options, db->begin_options, NULL);
}
static int sync_db(struct peer_db *db) {
    char *error = NULL;
    rocksdb_transactiondb_flush_wal(db->db, 1, &error);
    return status_of(error);
}
#endif

static void close_db(struct peer_db *db) {
    close_files(db);
    free_options(db);
}

static int open_db(const struct peer_options *o, struct peer_db **out, char *error, size_t error_bytes) {
    struct peer_db *db = calloc(1, sizeof(*db));
    if (db == NULL) return VARVE_NOMEM;
    set_options(db, o);
    char *text = open_files(db, o);
    if (text == NULL) {
        *out = db;
        return VARVE_OK;
    }
    snprintf(error, error_bytes, "%s: %s", o->directory, text);
    close_db(db);
    return status_of(text);
}

static int begin(struct peer_db *db, bool read_only, struct peer_txn **out) {
    (void)read_only;
    struct peer_txn *t = calloc(1, sizeof(*t));
    if (t == NULL) return VARVE_NOMEM;
    t->db = db;
    t->txn = begin_txn(db);
    t->read_options = rocksdb_readoptions_create();
    if (db->level == SNAPSHOT) {
        t->snapshot = rocksdb_transaction_get_snapshot(t->txn);
        rocksdb_readoptions_set_snapshot(t->read_options, t->snapshot);
    }
    *out = t;
    return VARVE_OK;
}

static void over(struct peer_txn *t) {
    if (t->snapshot != NULL) rocksdb_free((void *)(uintptr_t)t->snapshot);
    rocksdb_readoptions_destroy(t->read_options);
    rocksdb_transaction_destroy(t->txn);
    rocksdb_free(t->bytes);
    free(t);
}

static int commit(struct peer_txn *t) {
    char *error = NULL;
    rocksdb_transaction_commit(t->txn, &error);
    over(t);
    return status_of(error);
}

static void abort_txn(struct peer_txn *t) {
    char *error = NULL;
    rocksdb_transaction_rollback(t->txn, &error);
    (void)status_of(error);
    over(t);
}

static int read_row(struct peer_txn *t, varve_slice key, varve_slice *value, bool for_update) {
    char *error = NULL;
    size_t size = 0;
    rocksdb_free(t->bytes);
    t->bytes = for_update
                   ? rocksdb_transaction_get_for_update(t->txn, t->read_options, key.data, key.size, &size, 1, &error)
                   : rocksdb_transaction_get(t->txn, t->read_options, key.data, key.size, &size, &error);
    if (error != NULL) return status_of(error);
    if (t->bytes == NULL) return VARVE_NOTFOUND;
    *value = (varve_slice){t->bytes, size};
    return VARVE_OK;
}
static int get(struct peer_txn *t, varve_slice key, varve_slice *value) {
    return read_row(t, key, value, t->db->level == FOR_UPDATE);
}
static int get_for_update(struct peer_txn *t, varve_slice key, varve_slice *value) {
    return read_row(t, key, value, true);
}

static int put(struct peer_txn *t, varve_slice key, varve_slice value) {
    char *error = NULL;
    rocksdb_transaction_put(t->txn, key.data, key.size, value.data, value.size, &error);
    return status_of(error);
}

/* It deletes what is not there too: whether the row is there is asked under its lock. */
static int remove_row(struct peer_txn *t, varve_slice key) {
    char *error = NULL;
    varve_slice value;
    int status = read_row(t, key, &value, true);
    if (status != VARVE_OK) return status;
    rocksdb_transaction_delete(t->txn, key.data, key.size, &error);
    return status_of(error);
}

static void seek(rocksdb_iterator_t *it, varve_slice low, varve_slice high, bool reverse) {
    if (!reverse && low.data != NULL) {
        rocksdb_iter_seek(it, low.data, low.size);
    } else if (!reverse) {
        rocksdb_iter_seek_to_first(it);
    } else if (high.data == NULL) {
        rocksdb_iter_seek_to_last(it);
    } else {
        size_t size = 0;
        rocksdb_iter_seek_for_prev(it, high.data, high.size);
        if (!rocksdb_iter_valid(it)) return;
        varve_slice key = {rocksdb_iter_key(it, &size), 0};
        key.size = size;
        if (peer_compare(key, high) == 0) rocksdb_iter_prev(it);
    }
}

static int scan(struct peer_txn *t, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    char *error = NULL;
    rocksdb_iterator_t *it = rocksdb_transaction_create_iterator(t->txn, t->read_options);
    seek(it, low, high, reverse);
    for (uint64_t n = 0; rocksdb_iter_valid(it) && (limit == 0 || n < limit); n++) {
        varve_slice key, value;
        key.data = rocksdb_iter_key(it, &key.size);
        value.data = rocksdb_iter_value(it, &value.size);
        if (!peer_within(key, low, high, reverse) || fn(arg, key, value) != 0) break;
        if (reverse)
            rocksdb_iter_prev(it);
        else
            rocksdb_iter_next(it);
    }
    rocksdb_iter_get_error(it, &error);
    rocksdb_iter_destroy(it);
    return status_of(error);
}

static int savepoint(struct peer_txn *t) {
    rocksdb_transaction_set_savepoint(t->txn);
    return VARVE_OK;
}
static int rollback(struct peer_txn *t) {
    char *error = NULL;
    rocksdb_transaction_rollback_to_savepoint(t->txn, &error);
    rocksdb_transaction_set_savepoint(t->txn); /* one may go back to it again */
    return status_of(error);
}

#ifdef PEER_OPTIMISTIC
#define PEER_NAME "rocksdb-optimistic"
#else
#define PEER_NAME "rocksdb"
#endif
static const struct peer_level levels[LEVELS] = {{"plain reads", VARVE_READ_COMMITTED},
                                                 {"snapshot", VARVE_SNAPSHOT},
                                                 {"every read for update", VARVE_REPEATABLE_READ}};

PEER_EXPORT const struct peer varve_peer = {
    .abi = PEER_ABI, .name = PEER_NAME, .title = PEER_TITLE, .package = "librocksdb-dev", .level_count = LEVELS,
    .levels = levels, .open = open_db, .close = close_db, .begin = begin, .commit = commit, .abort = abort_txn,
    .get = get, .get_for_update = get_for_update, .put = put, .remove = remove_row, .scan = scan,
    .savepoint = savepoint, .rollback = rollback, .sync = sync_db};
