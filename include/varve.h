/* varve.h - the public interface of Varve, an embeddable, in-process, transactional, ordered key-value engine
 * with pluggable concurrency control.
 *
 *     varve_db *db;
 *     varve_table *accounts;
 *     varve_txn *txn;
 *     varve_slice key = VARVE_STR("alice"), value;
 *     int status = varve_open("/var/lib/bank", "cc=mvcc,sync=group", &db);
 *     if (status != VARVE_OK) { fprintf(stderr, "%s\n", varve_db_error(db)); varve_close(db); return 1; }
 *     varve_table_open(db, "accounts", NULL, &accounts);
 *     varve_begin(db, NULL, &txn);
 *     if (varve_get(txn, accounts, key, &value) == VARVE_NOTFOUND)
 *         varve_insert(txn, accounts, key, VARVE_STR("100"));
 *     status = varve_commit(txn);               // VARVE_OK: committed, and durable as the sync mode promises
 *     varve_close(db);
 *
 * Threads. A varve_db and a varve_table may be used by any number of threads. A varve_txn and its cursors are used
 * by one thread at a time and may move between threads. The library keeps no process-wide state of its own (liburcu's
 * is the stated exception), installs no signal handler, reads no environment variable and never ends the process.
 *
 * Lifetime. A table handle is valid until varve_close. A transaction handle is valid until varve_commit or
 * varve_abort returns; after that it answers VARVE_MISUSE until it is reused. Bytes from get and get_many stay valid
 * until the transaction ends; bytes from a cursor until its next move or its close. The library copies what it is
 * given: keys and values passed in may be freed when the call returns.
 *
 * Errors. Every call that can fail returns a status: VARVE_OK (0) or one of the negative values of varve_status, each
 * in exactly one class. After VARVE_CONFLICT, VARVE_DEADLOCK, VARVE_SNAPSHOT_TOO_OLD or VARVE_TIMEOUT from an
 * operation the transaction is doomed: later calls repeat the status, and commit returns it. Every other answer leaves
 * the transaction usable. Output parameters are untouched on failure unless a call says otherwise.
 *
 * Units are in the names: _bytes, _ms, _us, _count. The header compiles as C11 and as C++.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_H
#define VARVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VARVE_API __attribute__((visibility("default")))
#define VARVE_CHECKED __attribute__((warn_unused_result))
#else
#define VARVE_API
#define VARVE_CHECKED
#endif

#define VARVE_VERSION_MAJOR 0
#define VARVE_VERSION_MINOR 1
#define VARVE_VERSION_PATCH 0

typedef struct varve_db varve_db;
typedef struct varve_table varve_table;
typedef struct varve_txn varve_txn;
typedef struct varve_cursor varve_cursor;

/* Bytes and how many. Keys: 1 to 65,535 bytes, ordered by memcmp. Values: 0 to 1 GiB. */
typedef struct varve_slice {
    const void *data;
    size_t size;
} varve_slice;

#ifdef __cplusplus
#define VARVE_SLICE(data, size) (varve_slice{(data), (size)})
#else
#define VARVE_SLICE(data, size) ((varve_slice){(data), (size)})
#endif
#define VARVE_STR(literal) VARVE_SLICE("" literal "", sizeof(literal) - 1) /* a string literal as a slice */

#define VARVE_KEY_MAX_BYTES 65535u
#define VARVE_VALUE_MAX_BYTES (1u << 30)

/* Status of a call. The numbers are stable. */
typedef enum varve_status {
    VARVE_OK = 0,
    /* answers: the question was understood and this is the reply */
    VARVE_NOTFOUND = -1, /* no such key */
    VARVE_EXISTS = -2,   /* insert: the key is there already */
    VARVE_END = -3,      /* cursor: no further row in this direction */
    /* retry: nothing was changed; the same transaction run again may succeed */
    VARVE_CONFLICT = -10,         /* another transaction's commit does not fit with this one */
    VARVE_DEADLOCK = -11,         /* chosen as the victim of a lock conflict (wounded, died, or part of a cycle) */
    VARVE_SNAPSHOT_TOO_OLD = -12, /* the snapshot was given up to free memory */
    /* caller: the call itself is wrong */
    VARVE_INVALID = -20,    /* an argument or option is not acceptable */
    VARVE_CONSTRAINT = -21, /* a declared rule refuses the row */
    VARVE_READONLY = -22,   /* a write in a read-only transaction or database */
    VARVE_TOOBIG = -23,     /* key, value or transaction over its limit */
    VARVE_MISUSE = -24,     /* a handle used in a state or place where it may not be */
    /* world: the machine or another user stands in the way */
    VARVE_NOMEM = -30,
    VARVE_FULL = -31,    /* the disk is full; nothing was changed */
    VARVE_IO = -32,      /* reading or writing failed */
    VARVE_BUSY = -33,    /* the database or the resource is in use */
    VARVE_TIMEOUT = -34, /* a wait ran into its limit */
    /* fatal: the database cannot go on as it is */
    VARVE_CORRUPT = -40,         /* a file is damaged, truncated or not ours; the text names file and offset */
    VARVE_FAILED = -41,          /* an earlier write or sync failed: surely not committed; reopen to go on */
    VARVE_UNKNOWN_OUTCOME = -42, /* the sync of this commit failed: it may or may not survive; reopen to know */
    VARVE_FORKED = -43           /* the handle was made in a parent process */
} varve_status;

/* What a transaction is protected from. A name means the same in every scheme (docs/isolation.md). A scheme that
 * cannot give exactly the level asked for gives the next stronger one; varve_txn_effective_isolation tells which. */
typedef enum varve_isolation {
    VARVE_ISOLATION_DEFAULT = 0, /* the database's option `isolation`: serializable unless set */
    VARVE_READ_UNCOMMITTED = 1,  /* served as read committed */
    VARVE_READ_COMMITTED = 2,    /* each statement (2pl: each row) sees a committed state; lost updates are possible */
    VARVE_REPEATABLE_READ = 3,   /* PL-2.99: every row read, present or absent, is as it was; phantoms are possible */
    VARVE_SNAPSHOT = 4,          /* one committed state, first committer wins; write skew is possible */
    VARVE_SERIALIZABLE = 5       /* as if one after another, in real-time order */
} varve_isolation;

/* When a commit is acknowledged. */
typedef enum varve_sync_mode {
    VARVE_SYNC_DEFAULT = 0,  /* the database's option `sync`: group unless set */
    VARVE_SYNC_SYNC = 1,     /* after an fdatasync that covers it */
    VARVE_SYNC_GROUP = 2,    /* the same; the leader may wait for company (group_wait_us) */
    VARVE_SYNC_WRITE = 3,    /* after it was written to the operating system: survives a kill, not a power cut */
    VARVE_SYNC_INTERVAL = 4, /* at once; written and synced at least every sync_interval_ms */
    VARVE_SYNC_NONE = 5      /* at once; written every sync_interval_ms; synced by varve_sync, checkpoint and close */
} varve_sync_mode;

/* Why a transaction was refused, for programs. */
typedef enum varve_reason {
    VARVE_REASON_NONE = 0,
    VARVE_REASON_WRITE_WRITE,   /* first committer wins: a key of the write set has a newer version */
    VARVE_REASON_READ,          /* a row that was read has changed */
    VARVE_REASON_PHANTOM,       /* a range that was read has gained or lost rows */
    VARVE_REASON_STALE,         /* the snapshot could not be extended, and the transaction went on to write */
    VARVE_REASON_PRECONDITION,  /* insert, update or delete: presence changed before the commit */
    VARVE_REASON_WOUNDED,       /* an older transaction needed a lock held here (wound-wait) */
    VARVE_REASON_DIED,          /* a lock is held by an older transaction (wait-die), or at all (no-wait) */
    VARVE_REASON_CYCLE,         /* part of a cycle of waiting transactions (detect) */
    VARVE_REASON_LOCK_TIMEOUT,  /* lock_timeout_ms or timeout_ms passed */
    VARVE_REASON_CONSTRAINT,    /* a declared rule */
    VARVE_REASON_RESOURCE,      /* memory, disk or a limit */
    VARVE_REASON_CALLER,        /* wrong use */
    VARVE_REASON_FAILED         /* the database has failed */
} varve_reason;

/* The detail of a failure, filled by every failing call of the transaction it was given to. Caller-owned; set `size`
 * with VARVE_ERROR_INIT. */
typedef struct varve_error {
    uint32_t size;           /* sizeof(varve_error) */
    int32_t status;          /* varve_status */
    int32_t reason;          /* varve_reason */
    int32_t phenomenon;      /* reserved: 0 */
    uint64_t other_txn;      /* id of the other transaction, 0 = unknown */
    uint64_t retry_token;    /* put into the options of the next attempt: age and abort count are kept */
    char text[256];          /* what, which table, which key, who */
} varve_error;
#define VARVE_ERROR_INIT {sizeof(varve_error), 0, 0, 0, 0, 0, {0}}

/* How a transaction is to run. All zero means the database's defaults. Set `size` with VARVE_TXN_OPTIONS_INIT. */
typedef struct varve_txn_options {
    uint32_t size;             /* sizeof(varve_txn_options) */
    varve_isolation isolation;
    varve_sync_mode sync;      /* raises the mode of the group that carries this commit */
    bool read_only;            /* one snapshot at any level (snapshot is served for weaker ones); never validates, aborts or
                                  waits; writes answer READONLY */
    bool deferrable;           /* with read_only: accepted; every snapshot is safe, so nothing is deferred */
    bool exact;                /* refuse (INVALID) instead of serving a stronger level */
    uint32_t timeout_ms;       /* limit of each lock wait, 0 = the database's lock_timeout_ms */
    const char *label;         /* shown in errors of others that wait for this one; copied, 31 bytes at most */
    uint64_t retry_token;      /* from the varve_error of the attempt before, 0 = first attempt */
    varve_error *error;        /* where failures are told, or NULL; must outlive the transaction */
} varve_txn_options;
#define VARVE_TXN_OPTIONS_INIT \
    {sizeof(varve_txn_options), VARVE_ISOLATION_DEFAULT, VARVE_SYNC_DEFAULT, false, false, false, 0, NULL, 0, NULL}

/* A range of keys, half open: low <= key < high. A bound whose data is NULL is open. With `prefix`, only keys that
 * begin with it (and the bounds still hold). All zero = everything. */
typedef struct varve_range {
    varve_slice low;
    varve_slice high;
    varve_slice prefix;
    uint64_t limit;            /* rows at most, 0 = no limit */
    bool reverse;              /* next walks from high to low */
    uint64_t reserved[4];      /* zero */
} varve_range;

/* Counters since open. Set `size` to sizeof(varve_stats_info) before the call. */
typedef struct varve_stats_info {
    uint32_t size;
    char cc[8];                    /* "mvcc", "2pl" or "occ" */
    uint64_t begins;
    uint64_t commits;              /* with writes */
    uint64_t commits_read_only;    /* without writes */
    uint64_t aborts;               /* all of the following and the user's own */
    uint64_t aborts_by_reason[16]; /* [varve_reason] */
    uint64_t aborts_user;
    uint64_t escalations;
    uint64_t extensions;           /* snapshots moved forward */
    uint64_t range_rescans;        /* validations that had to look at a range again */
    uint64_t lock_waits;
    uint64_t clock;                /* last commit timestamp */
    uint64_t durable;              /* every commit up to here is as durable as the log's syncs make it */
    uint64_t oldest_snapshot;      /* = clock when none is held */
    uint64_t records;              /* linked records, ghosts included */
    uint64_t ghosts;
    uint64_t memory_bytes;         /* engine memory in use */
    uint64_t version_bytes;        /* of it before-images */
    uint64_t log_bytes;            /* written to the log since open */
    uint64_t log_blocks;
    uint64_t log_syncs;
    uint64_t checkpoints;
    uint64_t recovered_txns;       /* replayed from the log at open */
    uint64_t recovered_rows;       /* loaded from the checkpoint at open */
    uint64_t open_txns;
    uint64_t tables;
    bool failed;                   /* poisoned: reads only */
} varve_stats_info;

/* --- the database ------------------------------------------------------------------------------------------- */

/* Opens the database in directory `path`, creating it unless create=false. `options` is NULL or "name=value,...":
 *   create            true | false                                   true
 *   cc                mvcc | 2pl | occ                               mvcc
 *   isolation         read_uncommitted | read_committed | repeatable_read | snapshot | serializable   serializable
 *   sync              sync | group | write | interval | none         group
 *   group_wait_us     how long a group's leader waits for company   0: while it pays, at most half the time of a sync
 *   sync_interval_ms  for sync=interval and sync=none                100
 *   segment_bytes     largest log segment (suffixes K, M, G)         64M
 *   max_txn_bytes     keys, values and borrowed bytes of one txn     memory/8
 *   memory            budget for records and versions                4G
 *   max_transactions  open at once, at most 4093                     1024
 *   begin_timeout_ms  wait for a free transaction                    1000
 *   lock_timeout_ms   wait for one lock                              10000
 *   deadlock          wound_wait | no_wait | wait_die | detect       wound_wait
 *   checkpoint_bytes  log size that starts a checkpoint, 0 = never   64M
 *                     (and not before the log is eight times as long as the last checkpoint or has 1G, nor before twice)
 *   max_snapshot_age_ms  when memory is short, older snapshots end   0 (never)
 *   storage           memory                                         memory
 *   mode              permission bits of new files, octal            0600
 * Path ":memory:" makes a database without files, log or lock. On failure *db is still a handle (NULL only for NOMEM)
 * that accepts only varve_db_error and varve_close. BUSY: open already, the text names the holder's process id.
 * CORRUPT: the text names file and offset, nothing was written. INVALID: the text names the nearest known option. */
VARVE_API VARVE_CHECKED int varve_open(const char *path, const char *options, varve_db **db);

/* Writes what is left, syncs and releases everything. BUSY with open transactions: nothing has changed. After any other
 * result the handle is gone. */
VARVE_API int varve_close(varve_db *db);

/* Opens table `name` (1 to 63 bytes of [A-Za-z0-9_.-]), creating it unless options say "create=false" (NOTFOUND then).
 * The same name gives the same handle. Creation is durable when the call returns and is not part of any transaction. */
VARVE_API VARVE_CHECKED int varve_table_open(varve_db *db, const char *name, const char *options, varve_table **table);

/* Drops the table and its rows: waits for every open transaction (BUSY after begin_timeout_ms). Later use of its
 * handle is INVALID. */
VARVE_API VARVE_CHECKED int varve_table_drop(varve_db *db, const char *name);

/* Calls fn with each table's name, in order, until it returns non-zero. */
typedef int (*varve_table_fn)(void *arg, const char *name, varve_table *table);
VARVE_API int varve_table_list(varve_db *db, varve_table_fn fn, void *arg);

/* Writes a checkpoint, so that recovery starts from it and older log files are freed. Transactions go on meanwhile. */
VARVE_API VARVE_CHECKED int varve_checkpoint(varve_db *db);

/* Returns when every commit acknowledged before the call is synced. */
VARVE_API VARVE_CHECKED int varve_sync(varve_db *db);

VARVE_API int varve_stats(varve_db *db, varve_stats_info *info);

/* Switches the scheme online: holds new begins, waits for every open transaction, switches. TIMEOUT changes nothing. */
VARVE_API VARVE_CHECKED int varve_set_concurrency(varve_db *db, const char *cc, uint32_t timeout_ms);

/* The text of the last failed call on this handle that had no transaction; "" if none. Valid until the next failure. */
VARVE_API const char *varve_db_error(const varve_db *db);

/* --- constraints -------------------------------------------------------------------------------------------- */

/* Declares a rule on a table, "NAME KIND PARAMETER...":
 *   NAME key_bytes MIN MAX      length of the key in bytes, inclusive
 *   NAME value_bytes MIN MAX    length of the value
 *   NAME key_pattern REGEX      PCRE2, anchored at both ends; the rest of the text is the pattern
 *   NAME value_pattern REGEX
 *   NAME callback FUNCTION      a function registered under that name
 * Waits for open transactions, checks every row that is there (CONSTRAINT names the first that fails), then stores the
 * rule in the catalogue. Rules hold at every isolation level and in every scheme, and survive reopen. */
VARVE_API VARVE_CHECKED int varve_constraint_add(varve_db *db, varve_table *t, const char *rule);
VARVE_API VARVE_CHECKED int varve_constraint_drop(varve_db *db, varve_table *t, const char *name);
typedef int (*varve_constraint_list_fn)(void *arg, const char *rule); /* return non-zero to stop */
VARVE_API int varve_constraint_list(varve_db *db, varve_table *t, varve_constraint_list_fn fn, void *arg);

/* The function behind "callback" rules: returns 0 to accept. It may not call this library, block or jump out. A table
 * with a callback rule whose function is not registered is read-only (CONSTRAINT names it). */
typedef int (*varve_constraint_fn)(void *arg, varve_slice key, varve_slice value);
VARVE_API VARVE_CHECKED int varve_constraint_register(varve_db *db, const char *name, varve_constraint_fn fn, void *arg);

/* --- transactions ------------------------------------------------------------------------------------------- */

/* Begins a transaction. `options` NULL = the database's defaults. TIMEOUT: max_transactions are open. */
VARVE_API VARVE_CHECKED int varve_begin(varve_db *db, const varve_txn_options *options, varve_txn **txn);

/* Ends the transaction, whatever it returns. OK: committed, and acknowledged as the sync mode says. A retry status: not
 * committed, run it again. FULL, IO, NOMEM, TOOBIG, FAILED: not committed. UNKNOWN_OUTCOME: see the status. */
VARVE_API VARVE_CHECKED int varve_commit(varve_txn *txn);
VARVE_API void varve_abort(varve_txn *txn);

/* Marks a point to roll back to. Marks nest; rolling back to one ends those made after it. Bytes borrowed stay valid. */
VARVE_API VARVE_CHECKED int varve_savepoint(varve_txn *txn, unsigned *mark);
VARVE_API VARVE_CHECKED int varve_rollback_to(varve_txn *txn, unsigned mark);

/* The level that this transaction is served at. */
VARVE_API varve_isolation varve_txn_effective_isolation(const varve_txn *txn);
VARVE_API uint64_t varve_txn_id(const varve_txn *txn);
/* The text of this transaction's last failure, "" if none. Valid until its next call. */
VARVE_API const char *varve_txn_error(const varve_txn *txn);

/* Begins, calls fn, commits; on a retryable status backs off and runs again with its age kept, escalating to locks after
 * three aborts in a row. fn returns VARVE_OK to commit, a status from a call in it, or any positive number to abort
 * and stop (returned as it is). fn must not commit or abort. */
typedef int (*varve_txn_fn)(varve_txn *txn, void *arg);
VARVE_API VARVE_CHECKED int varve_run(varve_db *db, const varve_txn_options *options, varve_txn_fn fn, void *arg);

/* --- rows --------------------------------------------------------------------------------------------------- */

/* The value of a key: OK or NOTFOUND. The transaction's own writes are seen. */
VARVE_API VARVE_CHECKED int varve_get(varve_txn *txn, varve_table *t, varve_slice key, varve_slice *value);
/* The same for the newest version, holding a lock that keeps other writers out until this transaction ends. CONFLICT when
 * that is newer than a snapshot (or, at read committed, than what an open cursor reads). */
VARVE_API VARVE_CHECKED int varve_get_for_update(varve_txn *txn, varve_table *t, varve_slice key, varve_slice *value);
/* `count` keys at once: statuses[i] is OK or NOTFOUND and values[i] is set where OK. Arrays of [count]. */
VARVE_API VARVE_CHECKED int varve_get_many(varve_txn *txn, varve_table *t, const varve_slice *keys, varve_slice *values,
                                           int *statuses, size_t count);
/* OK or NOTFOUND, validated as existence only: a later change of the value is no conflict. */
VARVE_API VARVE_CHECKED int varve_contains(varve_txn *txn, varve_table *t, varve_slice key);
VARVE_API VARVE_CHECKED int varve_put(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value);
VARVE_API VARVE_CHECKED int varve_insert(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value); /* EXISTS */
VARVE_API VARVE_CHECKED int varve_update(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value); /* NOTFOUND */
VARVE_API VARVE_CHECKED int varve_delete(varve_txn *txn, varve_table *t, varve_slice key);                    /* NOTFOUND */
/* Deletes every row of the range that this transaction sees; *count (may be NULL) tells how many. */
VARVE_API VARVE_CHECKED int varve_delete_range(varve_txn *txn, varve_table *t, const varve_range *range,
                                               uint64_t *count);
/* Adds delta to an 8-byte little-endian signed integer, wrapping; an absent key counts as 0. Nothing is read or locked by
 * the call: the commit adds delta to the newest committed value. So two transactions that add to a row never conflict
 * with each other, in any scheme at any level, and none of the sums is lost; whoever has read the row, or writes it in
 * another way, conflicts with an add as with any write. A transaction that reads a row after adding to it gets the row
 * as it reads it, plus delta, and depends on that row from there on as its level has it: repeatable read and serializable
 * validate or lock it, snapshot lets the first committer win, read committed does neither. The same holds for a row read
 * before the add (at snapshot, after some hundred reads, now and then for a row that was not). Else, at snapshot, the
 * sum lies on top of whatever was committed since the snapshot.
 * OK: delta will be added if the transaction commits. INVALID: the value has another length, at the call where that is
 * seen, else at the commit, of which nothing is written then. A table with rules reads the row first, like get and put. */
VARVE_API VARVE_CHECKED int varve_add(varve_txn *txn, varve_table *t, varve_slice key, int64_t delta);

/* --- cursors ------------------------------------------------------------------------------------------------ */

/* A cursor over a range (NULL = everything), placed before its first row. It sees the transaction's own writes ahead of
 * its position. A cursor is closed by its transaction's end at the latest. */
VARVE_API VARVE_CHECKED int varve_cursor_open(varve_txn *txn, varve_table *t, const varve_range *range,
                                              varve_cursor **cursor);
VARVE_API VARVE_CHECKED int varve_cursor_next(varve_cursor *c, varve_slice *key, varve_slice *value); /* END */
VARVE_API VARVE_CHECKED int varve_cursor_prev(varve_cursor *c, varve_slice *key, varve_slice *value);
VARVE_API VARVE_CHECKED int varve_cursor_first(varve_cursor *c, varve_slice *key, varve_slice *value);
VARVE_API VARVE_CHECKED int varve_cursor_last(varve_cursor *c, varve_slice *key, varve_slice *value);
VARVE_API VARVE_CHECKED int varve_cursor_seek_ge(varve_cursor *c, varve_slice target, varve_slice *key,
                                                 varve_slice *value);
VARVE_API VARVE_CHECKED int varve_cursor_seek_le(varve_cursor *c, varve_slice target, varve_slice *key,
                                                 varve_slice *value);
VARVE_API void varve_cursor_close(varve_cursor *c);

/* --- statuses ----------------------------------------------------------------------------------------------- */

VARVE_API const char *varve_strerror(int status); /* one line, static */
VARVE_API const char *varve_status_name(int status); /* "VARVE_CONFLICT" */
VARVE_API bool varve_retryable(int status);       /* the retry class, TIMEOUT and BUSY */
VARVE_API const char *varve_version(void);        /* "0.1.0" */

#ifdef __cplusplus
}
#endif
#endif
