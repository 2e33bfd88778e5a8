/* fake_varve.c - the public interface over the reference model and one mutex: no log, no files, no waiting, no speed.
 * It exists so that the programs under tests/api and tests/stress can be tried, and broken on purpose, without the
 * engine. A "directory" is an entry in a list of this process that outlives varve_close. What it does not have says
 * so: declared rules answer INVALID, a lock that is held answers DEADLOCK at once.
 *
 * Environment, read at open so that one plants a fault for a whole run:
 *   FAKE_FAULT=level     serializable is served as snapshot
 *   FAKE_FAULT=lost      every level is served as read committed
 *   FAKE_FAULT=scan      a scan forgets its last row
 *   FAKE_FAULT=rollback  rollback_to does nothing
 *   FAKE_FAULT=reopen    nothing is left after close
 * SPDX-License-Identifier: MIT
 */
#include "model/fake_varve.h"

#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static varve_db *directories[FAKE_DIRECTORIES];
static pthread_mutex_t directories_mutex = PTHREAD_MUTEX_INITIALIZER;

int fake_db_error(varve_db *db, int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(db->error, sizeof db->error, format, arguments);
    va_end(arguments);
    return status;
}

static int txn_error(varve_txn *txn, int status, int reason, const char *what) {
    snprintf(txn->error, sizeof txn->error, "%s: %s", varve_status_name(status), what);
    if (txn->report != NULL) {
        txn->report->status = status;
        txn->report->reason = reason;
        txn->report->retry_token = txn->id;
        snprintf(txn->report->text, sizeof txn->report->text, "%s", txn->error);
    }
    if (status == VARVE_CONFLICT || status == VARVE_DEADLOCK)
        txn->doom = status;
    return status;
}

/* --- open and close ----------------------------------------------------------------------------------------- */

static varve_isolation level_named(const char *name) {
    static const char *const names[] = {"", "read_uncommitted", "read_committed", "repeatable_read", "snapshot",
                                        "serializable"};
    for (int i = 1; i < 6; i++)
        if (strcmp(names[i], name) == 0)
            return (varve_isolation)i;
    return VARVE_ISOLATION_DEFAULT;
}

static bool scheme_known(const char *cc) {
    return cc != NULL && (strcmp(cc, "mvcc") == 0 || strcmp(cc, "2pl") == 0 || strcmp(cc, "occ") == 0);
}

static int take_option(varve_db *db, const char *name, const char *value) {
    static const char *const ignored[] = {"create", "sync", "group_wait_us", "sync_interval_ms", "segment_bytes",
                                          "memory", "lock_timeout_ms", "deadlock", "checkpoint_bytes",
                                          "max_snapshot_age_ms", "storage", "mode"};
    if (strcmp(name, "cc") == 0 && scheme_known(value))
        return snprintf(db->cc, sizeof db->cc, "%s", value), VARVE_OK;
    if (strcmp(name, "isolation") == 0 && (db->isolation = level_named(value)) != VARVE_ISOLATION_DEFAULT)
        return VARVE_OK;
    if (strcmp(name, "max_transactions") == 0)
        return db->max_transactions = (unsigned)strtoul(value, NULL, 10), VARVE_OK;
    if (strcmp(name, "begin_timeout_ms") == 0)
        return db->begin_timeout_ms = (unsigned)strtoul(value, NULL, 10), VARVE_OK;
    if (strcmp(name, "max_txn_bytes") == 0)
        return db->max_txn_bytes = strtoull(value, NULL, 10) << (strchr(value, 'K') ? 10 : strchr(value, 'M') ? 20 : 0),
               VARVE_OK;
    if (strcmp(name, "sync") == 0 && db->memory && strcmp(value, "none") != 0)
        return fake_db_error(db, VARVE_INVALID, "sync=%s means nothing in memory", value);
    for (unsigned i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        if (strcmp(name, ignored[i]) == 0)
            return VARVE_OK;
    return fake_db_error(db, VARVE_INVALID, "unknown option or value %s=%s", name, value);
}

static int take_options(varve_db *db, const char *options) {
    char copy[512], *rest = copy, *item;
    snprintf(copy, sizeof copy, "%s", options == NULL ? "" : options);
    while ((item = strsep(&rest, ",")) != NULL) {
        char *value = strchr(item, '=');
        if (*item == '\0')
            continue;
        if (value == NULL)
            return fake_db_error(db, VARVE_INVALID, "no value: %s", item);
        *value++ = '\0';
        int status = take_option(db, item, value);
        if (status != VARVE_OK)
            return status;
    }
    return VARVE_OK;
}

static varve_db *make_db(const char *path) {
    varve_db *db = calloc(1, sizeof *db);
    pthread_condattr_t clock;
    if (db == NULL)
        return NULL;
    snprintf(db->path, sizeof db->path, "%s", path);
    db->memory = strcmp(path, ":memory:") == 0;
    db->pid = getpid();
    db->model = model_create();
    db->locks = calloc(FAKE_LOCKS, sizeof *db->locks);
    db->finished_tail = &db->finished;
    pthread_mutex_init(&db->mutex, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&db->ended, &clock);
    return db;
}

static void free_db(varve_db *db) {
    while (db->finished != NULL) {
        varve_txn *txn = db->finished;
        db->finished = txn->next;
        fake_cursors_free(txn);
        free(txn);
    }
    model_free(db->model);
    free(db->locks);
    free(db);
}

static void set_defaults(varve_db *db) {
    const char *name = getenv("FAKE_FAULT");
    static const char *const faults[] = {"", "level", "lost", "scan", "rollback", "reopen"};
    db->fault = FAULT_NONE;
    for (int i = 1; name != NULL && i < 6; i++)
        if (strcmp(name, faults[i]) == 0)
            db->fault = (enum fault)i;
    snprintf(db->cc, sizeof db->cc, "mvcc");
    db->isolation = VARVE_SERIALIZABLE;
    db->max_transactions = 1024;
    db->begin_timeout_ms = 1000;
    db->max_txn_bytes = (size_t)512 << 20;
}

/* The directory of that name, made when it is new; a stub that only tells its error when it is in use. */
static varve_db *find_directory(const char *path, bool *busy) {
    char real[PATH_MAX];
    mkdir(path, 0700);
    if (realpath(path, real) == NULL)
        snprintf(real, sizeof real, "%s", path);
    for (unsigned i = 0; i < FAKE_DIRECTORIES; i++) {
        if (directories[i] == NULL)
            return directories[i] = make_db(real);
        if (strcmp(directories[i]->path, real) == 0) {
            *busy = directories[i]->open;
            return directories[i];
        }
    }
    return NULL;
}

int varve_open(const char *path, const char *options, varve_db **out) {
    bool busy = false;
    if (path == NULL || out == NULL)
        return VARVE_INVALID;
    pthread_mutex_lock(&directories_mutex);
    varve_db *db = strcmp(path, ":memory:") == 0 ? make_db(path) : find_directory(path, &busy);
    int status = db == NULL ? VARVE_NOMEM : busy ? VARVE_BUSY : VARVE_OK;
    if (status == VARVE_OK) {
        set_defaults(db);
        status = take_options(db, options);
    }
    db = status == VARVE_OK || db == NULL ? db : make_db(":failed:");
    if (status != VARVE_OK && db != NULL) {
        db->failed_open = true;
        fake_db_error(db, status, busy ? "open already in process %ld" : "bad options (%ld)", (long)getpid());
    } else if (db != NULL) {
        db->open = true;
    }
    pthread_mutex_unlock(&directories_mutex);
    *out = db;
    return status;
}

int varve_close(varve_db *db) {
    if (db == NULL)
        return VARVE_INVALID;
    if (db->pid != getpid())
        return VARVE_FORKED;
    if (db->open_txns > 0)
        return fake_db_error(db, VARVE_BUSY, "%u transactions are open", db->open_txns);
    if (db->memory || db->failed_open) {
        free_db(db);
        return VARVE_OK;
    }
    if (db->fault == FAULT_REOPEN) {
        model_free(db->model);
        db->model = model_create();
    }
    pthread_mutex_lock(&directories_mutex);
    db->open = false;
    pthread_mutex_unlock(&directories_mutex);
    return VARVE_OK;
}

int fake_db_usable(varve_db *db) {
    if (db == NULL)
        return VARVE_INVALID;
    return db->failed_open ? VARVE_MISUSE : db->pid != getpid() ? VARVE_FORKED : VARVE_OK;
}

static bool name_good(const char *name) {
    size_t bytes = name == NULL ? 0 : strlen(name);
    return bytes >= 1 && bytes <= 63 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == bytes;
}

int varve_table_open(varve_db *db, const char *name, const char *options, varve_table **out) {
    int status = fake_db_usable(db), vacant = -1;
    if (status != VARVE_OK)
        return status;
    if (out == NULL || !name_good(name) || (options != NULL && strncmp(options, "create=", 7) != 0))
        return fake_db_error(db, VARVE_INVALID, "table %s", name == NULL ? "?" : name);
    for (int i = MODEL_TABLES; i-- > 0;) {
        if (db->tables[i].live && strcmp(db->tables[i].name, name) == 0)
            return *out = &db->tables[i], VARVE_OK;
        if (db->tables[i].db == NULL)
            vacant = i;
    }
    if (options != NULL && strcmp(options, "create=false") == 0)
        return fake_db_error(db, VARVE_NOTFOUND, "no table %s", name);
    if (vacant < 0)
        return fake_db_error(db, VARVE_NOMEM, "no room for table %s", name);
    struct varve_table *table = &db->tables[vacant];
    table->db = db;
    table->slot = (unsigned)vacant;
    table->live = true;
    snprintf(table->name, sizeof table->name, "%s", name);
    *out = table;
    return VARVE_OK;
}

int varve_table_drop(varve_db *db, const char *name) {
    int status = fake_db_usable(db);
    if (status != VARVE_OK)
        return status;
    for (int i = 0; i < MODEL_TABLES; i++) {
        if (!db->tables[i].live || strcmp(db->tables[i].name, name) != 0)
            continue;
        if (db->open_txns > 0)
            return fake_db_error(db, VARVE_BUSY, "transactions are open");
        db->tables[i].live = false;
        model_table_clear(db->model, (unsigned)i);
        return VARVE_OK;
    }
    return fake_db_error(db, VARVE_NOTFOUND, "no table %s", name);
}

int varve_table_list(varve_db *db, varve_table_fn fn, void *arg) {
    const char *last = "";
    for (;;) {
        struct varve_table *least = NULL;
        for (int i = 0; i < MODEL_TABLES; i++)
            if (db->tables[i].live && strcmp(db->tables[i].name, last) > 0 &&
                (least == NULL || strcmp(db->tables[i].name, least->name) < 0))
                least = &db->tables[i];
        if (least == NULL || fn(arg, least->name, least) != 0)
            return VARVE_OK;
        last = least->name;
    }
}

int varve_checkpoint(varve_db *db) {
    return fake_db_usable(db);
}

int varve_sync(varve_db *db) {
    return fake_db_usable(db);
}

int varve_stats(varve_db *db, varve_stats_info *info) {
    if (db == NULL || info == NULL || info->size != sizeof *info)
        return VARVE_INVALID;
    memset(info, 0, sizeof *info);
    info->size = sizeof *info;
    memcpy(info->cc, db->cc, sizeof info->cc);
    info->begins = db->begins;
    info->commits = db->commits;
    info->commits_read_only = db->commits_read_only;
    info->aborts = db->aborts;
    info->open_txns = db->open_txns;
    return VARVE_OK;
}

static void deadline_after(struct timespec *deadline, unsigned ms) {
    clock_gettime(CLOCK_MONOTONIC, deadline);
    deadline->tv_nsec += (long)(ms % 1000) * 1000000;
    deadline->tv_sec += ms / 1000 + deadline->tv_nsec / 1000000000;
    deadline->tv_nsec %= 1000000000;
}

int varve_set_concurrency(varve_db *db, const char *cc, uint32_t timeout_ms) {
    struct timespec deadline;
    int status = fake_db_usable(db), waited = 0;
    if (status != VARVE_OK)
        return status;
    if (!scheme_known(cc))
        return fake_db_error(db, VARVE_INVALID, "no scheme %s", cc == NULL ? "?" : cc);
    deadline_after(&deadline, timeout_ms);
    pthread_mutex_lock(&db->mutex);
    db->gate_closed = true;
    while (db->open_txns > 0 && waited == 0)
        waited = pthread_cond_timedwait(&db->ended, &db->mutex, &deadline);
    if (db->open_txns == 0)
        snprintf(db->cc, sizeof db->cc, "%s", cc);
    status = db->open_txns == 0 ? VARVE_OK : VARVE_TIMEOUT;
    db->gate_closed = false;
    pthread_cond_broadcast(&db->ended);
    pthread_mutex_unlock(&db->mutex);
    return status;
}

const char *varve_db_error(const varve_db *db) {
    return db == NULL ? "" : db->error;
}

/* --- transactions ------------------------------------------------------------------------------------------- */

static varve_isolation served(const varve_db *db, varve_isolation asked, bool read_only) {
    if (asked == VARVE_ISOLATION_DEFAULT)
        asked = db->isolation;
    if (read_only)
        return asked < VARVE_SNAPSHOT ? VARVE_SNAPSHOT : asked;
    if (asked == VARVE_READ_UNCOMMITTED)
        return VARVE_READ_COMMITTED;
    return asked == VARVE_SNAPSHOT && strcmp(db->cc, "mvcc") != 0 ? VARVE_SERIALIZABLE : asked;
}

static void start(varve_txn *txn, const varve_txn_options *options, varve_isolation level) {
    varve_db *db = txn->db;
    fake_cursors_free(txn);
    varve_isolation kept_level = db->fault == FAULT_LOST                                       ? VARVE_READ_COMMITTED
                                 : db->fault == FAULT_LEVEL && level == VARVE_SERIALIZABLE ? VARVE_SNAPSHOT
                                                                                           : level;
    txn->model = model_begin(db->model, kept_level, options->read_only);
    if (level == VARVE_REPEATABLE_READ && strcmp(db->cc, "mvcc") != 0)
        model_set_fresh_reads(txn->model);
    txn->fresh = level == VARVE_READ_COMMITTED;
    txn->live = true;
    txn->doom = VARVE_OK;
    txn->level = level;
    txn->bytes = 0;
    txn->report = options->error;
    txn->error[0] = '\0';
    txn->id = ++db->begins;
    db->open_txns++;
}

int varve_begin(varve_db *db, const varve_txn_options *options, varve_txn **out) {
    static const varve_txn_options none = VARVE_TXN_OPTIONS_INIT;
    struct timespec deadline;
    int status = fake_db_usable(db), waited = 0;
    if (status != VARVE_OK)
        return status;
    if (options == NULL)
        options = &none;
    varve_isolation level = served(db, options->isolation, options->read_only);
    if (out == NULL || options->size != sizeof *options || (unsigned)options->isolation > VARVE_SERIALIZABLE ||
        (options->exact && options->isolation != VARVE_ISOLATION_DEFAULT && level != options->isolation))
        return fake_db_error(db, VARVE_INVALID, "options of begin");
    deadline_after(&deadline, db->begin_timeout_ms);
    pthread_mutex_lock(&db->mutex);
    while ((db->gate_closed || db->open_txns >= db->max_transactions) && waited == 0)
        waited = pthread_cond_timedwait(&db->ended, &db->mutex, &deadline);
    varve_txn *txn = NULL;
    if (!db->gate_closed && db->open_txns < db->max_transactions) {
        txn = db->finished;
        if (txn != NULL && (db->finished = txn->next) == NULL)
            db->finished_tail = &db->finished;
        if (txn == NULL)
            txn = calloc(1, sizeof *txn);
        txn->db = db;
        txn->next = NULL;
        start(txn, options, served(db, options->isolation, options->read_only));
        *out = txn;
    }
    pthread_mutex_unlock(&db->mutex);
    return txn != NULL ? VARVE_OK : fake_db_error(db, VARVE_TIMEOUT, "max_transactions are open");
}

static void finish(varve_txn *txn) {
    varve_db *db = txn->db;
    unsigned kept = 0;
    for (unsigned i = 0; i < db->lock_count; i++) {
        if (db->locks[i].owner == txn)
            continue;
        if (kept != i) {
            db->locks[kept] = db->locks[i];
            db->locks[kept].key.data = db->locks[kept].bytes;
        }
        kept++;
    }
    db->lock_count = kept;
    txn->live = false;
    *db->finished_tail = txn;
    db->finished_tail = &txn->next;
    db->open_txns--;
    pthread_cond_broadcast(&db->ended);
}

static bool locked_by_other(const varve_txn *txn, unsigned table, varve_slice key) {
    const varve_db *db = txn->db;
    for (unsigned i = 0; i < db->lock_count; i++)
        if (db->locks[i].owner != txn && db->locks[i].table == table && model_compare(db->locks[i].key, key) == 0)
            return true;
    return false;
}

/* A lock taken after the write was staged keeps the commit out. */
static bool writes_locked_row(const varve_txn *txn) {
    const varve_db *db = txn->db;
    for (unsigned i = 0; i < db->lock_count; i++)
        if (db->locks[i].owner != txn && model_has_written(txn->model, db->locks[i].table, db->locks[i].key))
            return true;
    return false;
}

int varve_commit(varve_txn *txn) {
    if (txn == NULL)
        return VARVE_INVALID;
    varve_db *db = txn->db;
    pthread_mutex_lock(&db->mutex);
    if (!txn->live) {
        pthread_mutex_unlock(&db->mutex);
        return VARVE_MISUSE;
    }
    int status = txn->doom;
    uint64_t before = model_commit_number(db->model);
    if (status == VARVE_OK && writes_locked_row(txn))
        status = VARVE_CONFLICT;
    if (status != VARVE_OK)
        model_abort(txn->model);
    else
        status = model_commit(txn->model);
    if (status == VARVE_CONFLICT)
        txn_error(txn, status, VARVE_REASON_READ, "another commit came first");
    if (status != VARVE_OK)
        db->aborts++;
    else if (model_commit_number(db->model) > before)
        db->commits++;
    else
        db->commits_read_only++;
    finish(txn);
    pthread_mutex_unlock(&db->mutex);
    return status;
}

void varve_abort(varve_txn *txn) {
    if (txn == NULL)
        return;
    varve_db *db = txn->db;
    pthread_mutex_lock(&db->mutex);
    if (txn->live) {
        db->aborts++;
        model_abort(txn->model);
        finish(txn);
    }
    pthread_mutex_unlock(&db->mutex);
}

int fake_enter(varve_txn *txn) {
    if (txn == NULL)
        return VARVE_INVALID;
    if (txn->db->pid != getpid())
        return VARVE_FORKED;
    pthread_mutex_lock(&txn->db->mutex);
    int status = !txn->live ? VARVE_MISUSE : txn->doom;
    if (status != VARVE_OK)
        pthread_mutex_unlock(&txn->db->mutex);
    return status;
}

int fake_leave(varve_txn *txn, int status) {
    pthread_mutex_unlock(&txn->db->mutex);
    return status;
}

/* Enters, and checks what every row call is given. */
static int enter_row(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value, bool writes) {
    int status = fake_enter(txn);
    if (status != VARVE_OK)
        return status;
    if (t == NULL || !t->live || t->db != txn->db || key.data == NULL || key.size == 0 ||
        (value.data == NULL && value.size > 0))
        return fake_leave(txn, txn_error(txn, VARVE_INVALID, VARVE_REASON_CALLER, "table, key or value"));
    if (key.size > VARVE_KEY_MAX_BYTES || value.size > VARVE_VALUE_MAX_BYTES)
        return fake_leave(txn, txn_error(txn, VARVE_TOOBIG, VARVE_REASON_CALLER, "key or value"));
    if (writes && txn->bytes + key.size + value.size > txn->db->max_txn_bytes)
        return fake_leave(txn, txn_error(txn, VARVE_TOOBIG, VARVE_REASON_RESOURCE, "max_txn_bytes"));
    if (writes && locked_by_other(txn, t->slot, key))
        return fake_leave(txn, txn_error(txn, VARVE_DEADLOCK, VARVE_REASON_DIED, "the row is locked"));
    if (writes)
        txn->bytes += key.size + value.size;
    return VARVE_OK;
}

int varve_savepoint(varve_txn *txn, unsigned *mark) {
    int status = mark == NULL ? VARVE_INVALID : fake_enter(txn);
    if (status != VARVE_OK)
        return status;
    *mark = model_savepoint(txn->model);
    return fake_leave(txn, VARVE_OK);
}

int varve_rollback_to(varve_txn *txn, unsigned mark) {
    int status = fake_enter(txn);
    if (status != VARVE_OK)
        return status;
    if (txn->db->fault == FAULT_ROLLBACK)
        return fake_leave(txn, VARVE_OK);
    return fake_leave(txn, model_rollback_to(txn->model, mark));
}

varve_isolation varve_txn_effective_isolation(const varve_txn *txn) {
    return txn->level;
}

uint64_t varve_txn_id(const varve_txn *txn) {
    return txn->id;
}

const char *varve_txn_error(const varve_txn *txn) {
    return txn == NULL ? "" : txn->error;
}

int varve_run(varve_db *db, const varve_txn_options *options, varve_txn_fn fn, void *arg) {
    for (unsigned attempt = 0;; attempt++) {
        varve_txn *txn;
        int status = varve_begin(db, options, &txn);
        if (status == VARVE_OK) {
            status = fn(txn, arg);
            if (status == VARVE_OK)
                status = varve_commit(txn);
            else
                varve_abort(txn);
        }
        if (!varve_retryable(status))
            return status;
        for (unsigned turns = 1u << (attempt < 10 ? attempt : 10); turns != 0; turns--)
            sched_yield();
    }
}

/* --- rows --------------------------------------------------------------------------------------------------- */

static const varve_slice nothing = {NULL, 0};

int varve_get(varve_txn *txn, varve_table *t, varve_slice key, varve_slice *value) {
    int status = enter_row(txn, t, key, nothing, false);
    return status != VARVE_OK ? status : fake_leave(txn, model_get(txn->model, t->slot, key, value));
}

int varve_get_for_update(varve_txn *txn, varve_table *t, varve_slice key, varve_slice *value) {
    int status = enter_row(txn, t, key, nothing, true);
    if (status != VARVE_OK)
        return status;
    varve_db *db = txn->db;
    if (db->lock_count == FAKE_LOCKS || key.size > sizeof db->locks[0].bytes)
        return fake_leave(txn, VARVE_NOMEM);
    struct held_lock *lock = &db->locks[db->lock_count++];
    memcpy(lock->bytes, key.data, key.size);
    lock->key = VARVE_SLICE(lock->bytes, key.size);
    lock->owner = txn;
    lock->table = t->slot;
    if (!model_reads_newest(txn->model, t->slot, key))
        return fake_leave(txn, txn_error(txn, VARVE_CONFLICT, VARVE_REASON_STALE, "the row has a newer version"));
    return fake_leave(txn, model_get(txn->model, t->slot, key, value));
}

int varve_get_many(varve_txn *txn, varve_table *t, const varve_slice *keys, varve_slice *values, int *statuses,
                   size_t count) {
    int status = fake_enter(txn);
    if (status != VARVE_OK)
        return status;
    model_pin(txn->model);
    for (size_t i = 0; i < count; i++)
        statuses[i] = model_get(txn->model, t->slot, keys[i], &values[i]);
    model_unpin(txn->model);
    return fake_leave(txn, VARVE_OK);
}

int varve_contains(varve_txn *txn, varve_table *t, varve_slice key) {
    int status = enter_row(txn, t, key, nothing, false);
    return status != VARVE_OK ? status : fake_leave(txn, model_contains(txn->model, t->slot, key));
}

int varve_put(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value) {
    int status = enter_row(txn, t, key, value, true);
    return status != VARVE_OK ? status : fake_leave(txn, model_put(txn->model, t->slot, key, value));
}

int varve_insert(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value) {
    int status = enter_row(txn, t, key, value, true);
    return status != VARVE_OK ? status : fake_leave(txn, model_insert(txn->model, t->slot, key, value));
}

int varve_update(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value) {
    int status = enter_row(txn, t, key, value, true);
    return status != VARVE_OK ? status : fake_leave(txn, model_update(txn->model, t->slot, key, value));
}

int varve_delete(varve_txn *txn, varve_table *t, varve_slice key) {
    int status = enter_row(txn, t, key, nothing, true);
    return status != VARVE_OK ? status : fake_leave(txn, model_delete(txn->model, t->slot, key));
}

int varve_add(varve_txn *txn, varve_table *t, varve_slice key, int64_t delta) {
    int status = enter_row(txn, t, key, nothing, true);
    return status != VARVE_OK ? status : fake_leave(txn, model_add(txn->model, t->slot, key, delta));
}

int varve_delete_range(varve_txn *txn, varve_table *t, const varve_range *range, uint64_t *count) {
    int status = t == NULL || !t->live ? VARVE_INVALID : fake_enter(txn);
    return status != VARVE_OK ? status : fake_leave(txn, model_delete_range(txn->model, t->slot, range, count));
}
