/* fake_varve.c - the public interface over the reference model and one mutex: no log, no files, no waiting, no speed.
 * It exists so that the programs under tests/api and tests/stress can be tried, and broken on purpose, without the
 * engine. A "directory" is an entry in a list of this process that outlives varve_close. What it does not have says
 * so: constraints other than key and value length answer INVALID, a lock that is held answers DEADLOCK at once.
 *
 * Environment, read at open so that one plants a fault for a whole run:
 *   FAKE_FAULT=level     serializable is served as snapshot
 *   FAKE_FAULT=lost      every level is served as read committed
 *   FAKE_FAULT=scan      a scan forgets its last row
 *   FAKE_FAULT=rollback  rollback_to does nothing
 *   FAKE_FAULT=reopen    the last commit is gone after close
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "model/model.h"
#include "varve.h"

enum { FAKE_LOCKS = 4096, FAKE_DIRECTORIES = 256 };

enum fault { FAULT_NONE, FAULT_LEVEL, FAULT_LOST, FAULT_SCAN, FAULT_ROLLBACK, FAULT_REOPEN };

struct varve_table {
    varve_db *db;
    char name[64];
    unsigned slot;
    bool live;
};

struct held_lock {
    varve_txn *owner;
    unsigned table;
    varve_slice key; /* in `bytes` */
    char bytes[320];
};

struct varve_db {
    char path[512];
    bool open;
    bool failed_open;
    bool memory;
    pid_t pid;
    enum fault fault;
    char cc[8];
    varve_isolation isolation;
    unsigned max_transactions;
    unsigned begin_timeout_ms;
    size_t max_txn_bytes;
    struct model *model;
    struct varve_table tables[MODEL_TABLES];
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool gate_closed;
    unsigned open_txns;
    uint64_t begins, commits, commits_read_only, aborts;
    varve_txn *finished; /* handles waiting for reuse, first in first out */
    varve_txn **finished_tail;
    struct held_lock *locks; /* [lock_count] */
    unsigned lock_count;
    char error[512];
};

struct varve_txn {
    varve_db *db;
    struct model_txn *model;
    bool live;
    bool fresh;
    int doom;
    varve_isolation level;
    uint64_t id;
    size_t bytes;
    varve_error *report;
    varve_cursor *cursors;
    varve_txn *next;
    char error[256];
};

struct varve_cursor {
    varve_txn *txn;
    varve_cursor *next;
    varve_table *table;
    varve_range range;
    bool live;
    int place; /* -1 before the first row, 0 on `at`, 1 after the last */
    uint64_t given;
    varve_slice at;
};

static varve_db *directories[FAKE_DIRECTORIES];
static pthread_mutex_t directories_mutex = PTHREAD_MUTEX_INITIALIZER;

static int db_error(varve_db *db, int status, const char *format, ...) {
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

static int take_option(varve_db *db, const char *name, const char *value) {
    static const char *const ignored[] = {"create", "sync", "group_wait_us", "sync_interval_ms", "segment_bytes",
                                          "memory", "lock_timeout_ms", "deadlock", "checkpoint_bytes",
                                          "max_snapshot_age_ms", "storage", "mode"};
    if (strcmp(name, "cc") == 0 && (strcmp(value, "mvcc") == 0 || strcmp(value, "2pl") == 0 || strcmp(value, "occ") == 0))
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
        return db_error(db, VARVE_INVALID, "sync=%s means nothing in memory", value);
    for (unsigned i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        if (strcmp(name, ignored[i]) == 0)
            return VARVE_OK;
    return db_error(db, VARVE_INVALID, "unknown option or value %s=%s", name, value);
}

static int take_options(varve_db *db, const char *options) {
    char copy[512], *rest = copy, *item;
    snprintf(copy, sizeof copy, "%s", options == NULL ? "" : options);
    while ((item = strsep(&rest, ",")) != NULL) {
        char *value = strchr(item, '=');
        if (*item == '\0')
            continue;
        if (value == NULL)
            return db_error(db, VARVE_INVALID, "no value: %s", item);
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

static void free_cursor(varve_cursor *cursor) {
    free((void *)(uintptr_t)cursor->range.low.data);
    free((void *)(uintptr_t)cursor->range.high.data);
    free((void *)(uintptr_t)cursor->range.prefix.data);
    free(cursor);
}

/* Cursors of a finished transaction stay until its handle is used again, so that they can answer MISUSE. */
static void free_cursors(varve_txn *txn) {
    while (txn->cursors != NULL) {
        varve_cursor *cursor = txn->cursors;
        txn->cursors = cursor->next;
        free_cursor(cursor);
    }
}

static void free_db(varve_db *db) {
    while (db->finished != NULL) {
        varve_txn *txn = db->finished;
        db->finished = txn->next;
        free_cursors(txn);
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
    char real[512];
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
        db_error(db, status, busy ? "open already in process %ld" : "bad options (%ld)", (long)getpid());
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
        return db_error(db, VARVE_BUSY, "%u transactions are open", db->open_txns);
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

static int db_usable(varve_db *db) {
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
    int status = db_usable(db), vacant = -1;
    if (status != VARVE_OK)
        return status;
    if (out == NULL || !name_good(name) || (options != NULL && strncmp(options, "create=", 7) != 0))
        return db_error(db, VARVE_INVALID, "table %s", name == NULL ? "?" : name);
    for (int i = MODEL_TABLES; i-- > 0;) {
        if (db->tables[i].live && strcmp(db->tables[i].name, name) == 0)
            return *out = &db->tables[i], VARVE_OK;
        if (db->tables[i].db == NULL)
            vacant = i;
    }
    if (options != NULL && strcmp(options, "create=false") == 0)
        return db_error(db, VARVE_NOTFOUND, "no table %s", name);
    if (vacant < 0)
        return db_error(db, VARVE_NOMEM, "no room for table %s", name);
    struct varve_table *table = &db->tables[vacant];
    table->db = db;
    table->slot = (unsigned)vacant;
    table->live = true;
    snprintf(table->name, sizeof table->name, "%s", name);
    *out = table;
    return VARVE_OK;
}

int varve_table_drop(varve_db *db, const char *name) {
    int status = db_usable(db);
    if (status != VARVE_OK)
        return status;
    for (int i = 0; i < MODEL_TABLES; i++) {
        if (!db->tables[i].live || strcmp(db->tables[i].name, name) != 0)
            continue;
        if (db->open_txns > 0)
            return db_error(db, VARVE_BUSY, "transactions are open");
        db->tables[i].live = false;
        model_table_clear(db->model, (unsigned)i);
        return VARVE_OK;
    }
    return db_error(db, VARVE_NOTFOUND, "no table %s", name);
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
    return db_usable(db);
}

int varve_sync(varve_db *db) {
    return db_usable(db);
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
    int status = db_usable(db), waited = 0;
    if (status != VARVE_OK)
        return status;
    if (cc == NULL || (strcmp(cc, "mvcc") != 0 && strcmp(cc, "2pl") != 0 && strcmp(cc, "occ") != 0))
        return db_error(db, VARVE_INVALID, "no scheme %s", cc == NULL ? "?" : cc);
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

int varve_constraint_add(varve_db *db, varve_table *t, const char *rule) {
    (void)t;
    (void)rule;
    return db_error(db, VARVE_INVALID, "the model has no constraints");
}

int varve_constraint_drop(varve_db *db, varve_table *t, const char *name) {
    (void)t;
    (void)name;
    return db_error(db, VARVE_NOTFOUND, "the model has no constraints");
}

int varve_constraint_list(varve_db *db, varve_table *t, varve_constraint_list_fn fn, void *arg) {
    (void)t;
    (void)fn;
    (void)arg;
    return db_usable(db);
}

int varve_constraint_register(varve_db *db, const char *name, varve_constraint_fn fn, void *arg) {
    (void)name;
    (void)fn;
    (void)arg;
    return db_usable(db);
}

/* --- transactions ------------------------------------------------------------------------------------------- */

static varve_isolation served(const varve_db *db, varve_isolation asked) {
    if (asked == VARVE_ISOLATION_DEFAULT)
        asked = db->isolation;
    if (asked == VARVE_READ_UNCOMMITTED)
        return VARVE_READ_COMMITTED;
    return asked == VARVE_SNAPSHOT && strcmp(db->cc, "mvcc") != 0 ? VARVE_SERIALIZABLE : asked;
}

static void start(varve_txn *txn, const varve_txn_options *options, varve_isolation level) {
    varve_db *db = txn->db;
    free_cursors(txn);
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
    int status = db_usable(db), waited = 0;
    if (status != VARVE_OK)
        return status;
    if (options == NULL)
        options = &none;
    varve_isolation level = served(db, options->isolation);
    if (out == NULL || options->size != sizeof *options || (unsigned)options->isolation > VARVE_SERIALIZABLE ||
        (options->exact && options->isolation != VARVE_ISOLATION_DEFAULT && level != options->isolation))
        return db_error(db, VARVE_INVALID, "options of begin");
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
        start(txn, options, served(db, options->isolation));
        *out = txn;
    }
    pthread_mutex_unlock(&db->mutex);
    return txn != NULL ? VARVE_OK : db_error(db, VARVE_TIMEOUT, "max_transactions are open");
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

/* Takes the mutex when it answers OK. */
static int enter(varve_txn *txn) {
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

static int leave(varve_txn *txn, int status) {
    pthread_mutex_unlock(&txn->db->mutex);
    return status;
}

/* Enters, and checks what every row call is given. */
static int enter_row(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value, bool writes) {
    int status = enter(txn);
    if (status != VARVE_OK)
        return status;
    if (t == NULL || !t->live || t->db != txn->db || key.data == NULL || key.size == 0 ||
        (value.data == NULL && value.size > 0))
        return leave(txn, txn_error(txn, VARVE_INVALID, VARVE_REASON_CALLER, "table, key or value"));
    if (key.size > VARVE_KEY_MAX_BYTES || value.size > VARVE_VALUE_MAX_BYTES)
        return leave(txn, txn_error(txn, VARVE_TOOBIG, VARVE_REASON_CALLER, "key or value"));
    if (writes && txn->bytes + key.size + value.size > txn->db->max_txn_bytes)
        return leave(txn, txn_error(txn, VARVE_TOOBIG, VARVE_REASON_RESOURCE, "max_txn_bytes"));
    if (writes && locked_by_other(txn, t->slot, key))
        return leave(txn, txn_error(txn, VARVE_DEADLOCK, VARVE_REASON_DIED, "the row is locked"));
    if (writes)
        txn->bytes += key.size + value.size;
    return VARVE_OK;
}

int varve_savepoint(varve_txn *txn, unsigned *mark) {
    int status = mark == NULL ? VARVE_INVALID : enter(txn);
    if (status != VARVE_OK)
        return status;
    *mark = model_savepoint(txn->model);
    return leave(txn, VARVE_OK);
}

int varve_rollback_to(varve_txn *txn, unsigned mark) {
    int status = enter(txn);
    if (status != VARVE_OK)
        return status;
    if (txn->db->fault == FAULT_ROLLBACK)
        return leave(txn, VARVE_OK);
    return leave(txn, model_rollback_to(txn->model, mark));
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
        struct timespec pause = {0, 1000L << (attempt < 10 ? attempt : 10)};
        nanosleep(&pause, NULL);
    }
}

/* --- rows --------------------------------------------------------------------------------------------------- */

static const varve_slice nothing = {NULL, 0};

int varve_get(varve_txn *txn, varve_table *t, varve_slice key, varve_slice *value) {
    int status = enter_row(txn, t, key, nothing, false);
    return status != VARVE_OK ? status : leave(txn, model_get(txn->model, t->slot, key, value));
}

int varve_get_for_update(varve_txn *txn, varve_table *t, varve_slice key, varve_slice *value) {
    int status = enter_row(txn, t, key, nothing, true);
    if (status != VARVE_OK)
        return status;
    varve_db *db = txn->db;
    if (db->lock_count == FAKE_LOCKS || key.size > sizeof db->locks[0].bytes)
        return leave(txn, VARVE_NOMEM);
    struct held_lock *lock = &db->locks[db->lock_count++];
    memcpy(lock->bytes, key.data, key.size);
    lock->key = VARVE_SLICE(lock->bytes, key.size);
    lock->owner = txn;
    lock->table = t->slot;
    return leave(txn, model_get(txn->model, t->slot, key, value));
}

int varve_get_many(varve_txn *txn, varve_table *t, const varve_slice *keys, varve_slice *values, int *statuses,
                   size_t count) {
    int status = enter(txn);
    if (status != VARVE_OK)
        return status;
    model_pin(txn->model);
    for (size_t i = 0; i < count; i++)
        statuses[i] = model_get(txn->model, t->slot, keys[i], &values[i]);
    model_unpin(txn->model);
    return leave(txn, VARVE_OK);
}

int varve_contains(varve_txn *txn, varve_table *t, varve_slice key) {
    int status = enter_row(txn, t, key, nothing, false);
    return status != VARVE_OK ? status : leave(txn, model_contains(txn->model, t->slot, key));
}

int varve_put(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value) {
    int status = enter_row(txn, t, key, value, true);
    return status != VARVE_OK ? status : leave(txn, model_put(txn->model, t->slot, key, value));
}

int varve_insert(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value) {
    int status = enter_row(txn, t, key, value, true);
    return status != VARVE_OK ? status : leave(txn, model_insert(txn->model, t->slot, key, value));
}

int varve_update(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value) {
    int status = enter_row(txn, t, key, value, true);
    return status != VARVE_OK ? status : leave(txn, model_update(txn->model, t->slot, key, value));
}

int varve_delete(varve_txn *txn, varve_table *t, varve_slice key) {
    int status = enter_row(txn, t, key, nothing, true);
    return status != VARVE_OK ? status : leave(txn, model_delete(txn->model, t->slot, key));
}

int varve_add(varve_txn *txn, varve_table *t, varve_slice key, int64_t delta) {
    int status = enter_row(txn, t, key, nothing, true);
    return status != VARVE_OK ? status : leave(txn, model_add(txn->model, t->slot, key, delta));
}

int varve_delete_range(varve_txn *txn, varve_table *t, const varve_range *range, uint64_t *count) {
    int status = t == NULL || !t->live ? VARVE_INVALID : enter(txn);
    return status != VARVE_OK ? status : leave(txn, model_delete_range(txn->model, t->slot, range, count));
}

/* --- cursors ------------------------------------------------------------------------------------------------ */

static varve_slice kept(varve_slice bytes) {
    void *copy = bytes.data == NULL ? NULL : malloc(bytes.size + 1);
    if (copy != NULL)
        memcpy(copy, bytes.data, bytes.size);
    return VARVE_SLICE(copy, bytes.size);
}

int varve_cursor_open(varve_txn *txn, varve_table *t, const varve_range *range, varve_cursor **out) {
    int status = t == NULL || !t->live || out == NULL ? VARVE_INVALID : enter(txn);
    if (status != VARVE_OK)
        return status;
    varve_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return leave(txn, VARVE_NOMEM);
    cursor->txn = txn;
    cursor->table = t;
    cursor->live = true;
    cursor->place = -1;
    if (range != NULL) {
        cursor->range = *range;
        cursor->range.low = kept(range->low);
        cursor->range.high = kept(range->high);
        cursor->range.prefix = kept(range->prefix);
    }
    model_pin(txn->model);
    cursor->next = txn->cursors;
    txn->cursors = cursor;
    *out = cursor;
    return leave(txn, VARVE_OK);
}

/* Looks from `key` and stands on what is found; with nothing there it stands past the end looked towards. */
static int walk(varve_cursor *c, enum model_seek how, varve_slice key, varve_slice *key_out, varve_slice *value_out) {
    struct model_row row, beyond;
    int status = c == NULL ? VARVE_INVALID : enter(c->txn);
    if (status != VARVE_OK)
        return status;
    bool upward = how == MODEL_FIRST || how == MODEL_GE || how == MODEL_GT;
    status = model_seek(c->txn->model, c->table->slot, &c->range, how, key, &row);
    if (status == VARVE_OK && c->txn->db->fault == FAULT_SCAN && how == MODEL_GT &&
        model_seek(c->txn->model, c->table->slot, &c->range, MODEL_GT, row.key, &beyond) != VARVE_OK)
        status = VARVE_END;
    c->place = status == VARVE_OK ? 0 : upward != c->range.reverse ? 1 : -1;
    if (status == VARVE_OK) {
        c->at = row.key;
        *key_out = row.key;
        *value_out = row.value;
    }
    return leave(c->txn, status);
}

static int step(varve_cursor *c, bool forward, varve_slice *key, varve_slice *value) {
    if (c == NULL)
        return VARVE_INVALID;
    bool upward = forward != c->range.reverse;
    if (c->place == (forward ? 1 : -1))
        return VARVE_END;
    if (c->place != 0)
        return walk(c, upward ? MODEL_FIRST : MODEL_LAST, nothing, key, value);
    return walk(c, upward ? MODEL_GT : MODEL_LT, c->at, key, value);
}

int varve_cursor_next(varve_cursor *c, varve_slice *key, varve_slice *value) {
    if (c != NULL && c->range.limit > 0 && c->given >= c->range.limit)
        return VARVE_END;
    int status = step(c, true, key, value);
    if (status == VARVE_OK)
        c->given++;
    return status;
}

int varve_cursor_prev(varve_cursor *c, varve_slice *key, varve_slice *value) {
    return step(c, false, key, value);
}

int varve_cursor_first(varve_cursor *c, varve_slice *key, varve_slice *value) {
    return walk(c, c != NULL && c->range.reverse ? MODEL_LAST : MODEL_FIRST, nothing, key, value);
}

int varve_cursor_last(varve_cursor *c, varve_slice *key, varve_slice *value) {
    return walk(c, c != NULL && c->range.reverse ? MODEL_FIRST : MODEL_LAST, nothing, key, value);
}

int varve_cursor_seek_ge(varve_cursor *c, varve_slice target, varve_slice *key, varve_slice *value) {
    return walk(c, MODEL_GE, target, key, value);
}

int varve_cursor_seek_le(varve_cursor *c, varve_slice target, varve_slice *key, varve_slice *value) {
    return walk(c, MODEL_LE, target, key, value);
}

void varve_cursor_close(varve_cursor *c) {
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->txn->db->mutex);
    varve_cursor **link = &c->txn->cursors;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    if (c->txn->live)
        model_unpin(c->txn->model);
    pthread_mutex_unlock(&c->txn->db->mutex);
    free_cursor(c);
}

/* --- statuses ----------------------------------------------------------------------------------------------- */

const char *varve_status_name(int status) {
    static const struct {
        int status;
        const char *name;
    } names[] = {{VARVE_OK, "VARVE_OK"}, {VARVE_NOTFOUND, "VARVE_NOTFOUND"}, {VARVE_EXISTS, "VARVE_EXISTS"},
                 {VARVE_END, "VARVE_END"}, {VARVE_CONFLICT, "VARVE_CONFLICT"}, {VARVE_DEADLOCK, "VARVE_DEADLOCK"},
                 {VARVE_SNAPSHOT_TOO_OLD, "VARVE_SNAPSHOT_TOO_OLD"}, {VARVE_INVALID, "VARVE_INVALID"},
                 {VARVE_CONSTRAINT, "VARVE_CONSTRAINT"}, {VARVE_READONLY, "VARVE_READONLY"},
                 {VARVE_TOOBIG, "VARVE_TOOBIG"}, {VARVE_MISUSE, "VARVE_MISUSE"}, {VARVE_NOMEM, "VARVE_NOMEM"},
                 {VARVE_FULL, "VARVE_FULL"}, {VARVE_IO, "VARVE_IO"}, {VARVE_BUSY, "VARVE_BUSY"},
                 {VARVE_TIMEOUT, "VARVE_TIMEOUT"}, {VARVE_CORRUPT, "VARVE_CORRUPT"}, {VARVE_FAILED, "VARVE_FAILED"},
                 {VARVE_UNKNOWN_OUTCOME, "VARVE_UNKNOWN_OUTCOME"}, {VARVE_FORKED, "VARVE_FORKED"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].status == status)
            return names[i].name;
    return "not a varve status";
}

const char *varve_strerror(int status) {
    return varve_status_name(status);
}

bool varve_retryable(int status) {
    return status == VARVE_CONFLICT || status == VARVE_DEADLOCK || status == VARVE_SNAPSHOT_TOO_OLD ||
           status == VARVE_TIMEOUT || status == VARVE_BUSY;
}

const char *varve_version(void) {
    return "0.1.0";
}
