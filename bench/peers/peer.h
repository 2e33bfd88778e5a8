/* peer.h - another engine behind one small table of calls, so that the same schedules and the same loads run on it.
 *
 * Each adapter is a module of its own (peer_NAME.so beside the command, never linked into the library or the command),
 * found with dlopen; its one symbol is `varve_peer`. An adapter is used by one thread a transaction. No call may sleep for
 * a lock: with `no_wait` a call that would have to answers PEER_BLOCKED at once and its transaction is over, so that one
 * thread can run several; without it (loads) it waits as the engine does.
 *
 * Bytes returned are valid until the next call with the same transaction. Statuses are varve_status values, and
 * PEER_BLOCKED.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_PEER_H
#define VARVE_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "varve.h"

enum { PEER_ABI = 1, PEER_BLOCKED = 1 };

enum peer_sync { PEER_SYNC_NONE, PEER_SYNC_WRITE, PEER_SYNC_FULL };

struct peer_level {
    const char *name;       /* as the engine's users call it: "degree 2", "snapshot" */
    varve_isolation claims; /* what its documentation says it is at least */
};

struct peer_options {
    const char *directory; /* empty and ours */
    unsigned level;        /* index into levels */
    enum peer_sync sync;
    bool no_wait;          /* schedules: nothing waits */
    uint64_t cache_bytes;
    unsigned threads;      /* how many will use it */
    const char *extra;     /* options in the engine's own words, NULL: none */
};

/* What an engine can tell of itself; 0 where it cannot. */
struct peer_stats {
    uint64_t memory_bytes, version_bytes, log_bytes, syncs, records;
    uint64_t aborts_by_reason[16]; /* [varve_reason] */
};

struct peer_db;
struct peer_txn;

struct peer {
    uint32_t abi; /* PEER_ABI */
    const char *name;    /* "lmdb" */
    const char *title;   /* "LMDB 0.9.24", the version it runs with */
    const char *package; /* the Debian package it was built with */
    unsigned level_count;
    const struct peer_level *levels;
    int (*open)(const struct peer_options *options, struct peer_db **db, char *error, size_t error_bytes);
    void (*close)(struct peer_db *db);
    int (*begin)(struct peer_db *db, bool read_only, struct peer_txn **txn);
    int (*commit)(struct peer_txn *txn); /* the transaction is gone whatever it returns */
    void (*abort)(struct peer_txn *txn);
    int (*get)(struct peer_txn *txn, varve_slice key, varve_slice *value);
    int (*get_for_update)(struct peer_txn *txn, varve_slice key, varve_slice *value); /* NULL: it has none */
    int (*put)(struct peer_txn *txn, varve_slice key, varve_slice value);
    int (*remove)(struct peer_txn *txn, varve_slice key); /* NOTFOUND */
    /* Rows of [low, high) in order (data NULL: open) until fn returns non-zero or `limit` rows (0: all). */
    int (*scan)(struct peer_txn *txn, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg);
    int (*savepoint)(struct peer_txn *txn); /* NULL: it has none; one level */
    int (*rollback)(struct peer_txn *txn);
    int (*sync)(struct peer_db *db);
    /* From here on all may be NULL: the caller then does without, or makes it of the calls above. */
    int (*insert)(struct peer_txn *txn, varve_slice key, varve_slice value); /* EXISTS */
    int (*add)(struct peer_txn *txn, varve_slice key, int64_t delta);       /* 8 bytes, little-endian; conflict-free */
    int (*get_many)(struct peer_txn *txn, const varve_slice *keys, varve_slice *values, int *statuses, size_t count);
    int (*stats)(struct peer_db *db, struct peer_stats *stats);
    /* Begins, calls fn, commits, and again as the engine thinks best until it has committed or fn gives up by a positive
     * number. *attempts counts the times fn was called. */
    int (*run)(struct peer_db *db, bool read_only, int (*fn)(void *arg, struct peer_txn *txn), void *arg,
               uint64_t *attempts);
};
extern const struct peer varve_peer; /* of a module */

#endif
