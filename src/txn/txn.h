/* txn.h - the face of the transaction room: the pool of handles, begin, row operations, cursors, commit.
 *
 * The public handles are this room's objects: struct varve_txn, varve_cursor and varve_table. Every call returns a
 * status and has already put the detail into the transaction (and the caller's varve_error). Argument checks (NULL
 * handles, forks) are the api's.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TXN_TXN_H
#define VARVE_TXN_TXN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cc/cc.h"
#include "constraints/constraints.h"
#include "txnlog/txnlog.h"
#include "varve.h"

/* A table as transactions see it. Owned by src/db; valid until varve_close. */
struct varve_table {
    struct varve_db *db;
    struct vst_table *tree;        /* NULL once dropped; changes only under the drain gate */
    const struct vcn_rules *rules; /* NULL: none; changes only under the drain gate */
    uint32_t id;
    char name[64];
};

/* Counters of a database; relaxed, each written by many. */
struct vtx_counters {
    uint64_t begins, commits, commits_read_only, aborts, aborts_by_reason[16], aborts_user, escalations, extensions,
        range_rescans, lock_waits;
};

struct vtx_pool; /* all transaction handles of one database */
struct vtx_config {
    struct varve_db *db;
    struct vk_domain *domain;
    struct vst_store *store;
    struct vtl_log *log;
    unsigned handles;               /* transactions open at once; handle i uses slot i + 1 */
    const struct vcc_ops *ops;      /* the scheme of the database; vtx_pool_switch changes it */
    const struct vcc_ops *locking;  /* the 2pl table: what an escalated transaction runs under */
    enum varve_isolation isolation; /* defaults, never DEFAULT */
    enum varve_sync_mode sync;
    enum vcc_deadlock deadlock;
    uint64_t max_txn_bytes;
    uint32_t begin_timeout_ms, lock_timeout_ms;
    uint32_t max_snapshot_age_ms; /* 0: snapshots never expire, and begins read no clock */
    struct vos_fork_mark fork_mark; /* every operation of a transaction looks at it */
};
int vtx_pool_open(const struct vtx_config *config, struct vtx_pool **pool);
void vtx_pool_close(struct vtx_pool *pool);          /* no transaction is open */
unsigned vtx_pool_open_count(struct vtx_pool *pool); /* transactions open now */
void vtx_pool_counters(const struct vtx_pool *pool, struct vtx_counters *counters);
/* The drain gate: new begins wait; returns OK when no transaction is open, or TIMEOUT and the gate is open again. */
int vtx_gate_close(struct vtx_pool *pool, uint32_t timeout_ms);
void vtx_gate_open(struct vtx_pool *pool);
void vtx_pool_switch(struct vtx_pool *pool, const struct vcc_ops *ops); /* gate closed */
const struct vcc_ops *vtx_pool_ops(const struct vtx_pool *pool);
/* For the janitor when memory is short: every snapshot registered longer than max_age_ms is given up; its owner hears
 * SNAPSHOT_TOO_OLD at its next call, and its stamp leaves the registry there. Returns how many were asked. */
unsigned vtx_pool_expire(struct vtx_pool *pool, uint64_t max_age_ms);
void vtx_pool_memory_full(struct vtx_pool *pool, bool full); /* full: writes other than deletes answer BUSY */

/* --- transactions ------------------------------------------------------------------------------------------------- */

/* detail receives what went wrong when there is no transaction yet (INVALID, TIMEOUT, NOMEM, MISUSE). */
int vtx_begin(struct vtx_pool *pool, const varve_txn_options *options, struct varve_txn **txn,
              struct vk_detail *detail);
int vtx_commit(struct varve_txn *txn);
void vtx_abort(struct varve_txn *txn);
int vtx_run(struct vtx_pool *pool, const varve_txn_options *options, varve_txn_fn fn, void *arg,
            struct vk_detail *detail);
int vtx_check(const struct varve_txn *txn); /* OK, FORKED or MISUSE (finished); row operations look themselves */
struct varve_db *vtx_db(const struct varve_txn *txn);
enum varve_isolation vtx_effective(const struct varve_txn *txn);
uint64_t vtx_id(const struct varve_txn *txn);
const char *vtx_error_text(const struct varve_txn *txn);
/* Records a failure found above this room (an argument, a handle) in the transaction; returns status. */
int vtx_refuse(struct varve_txn *txn, int status, enum varve_reason reason, const char *text);
int vtx_savepoint(struct varve_txn *txn, unsigned *mark);
int vtx_rollback_to(struct varve_txn *txn, unsigned mark);

/* --- rows --------------------------------------------------------------------------------------------------------- */

enum vtx_get_mode { VTX_GET = 0, VTX_GET_FOR_UPDATE, VTX_CONTAINS };
int vtx_get(struct varve_txn *txn, struct varve_table *table, varve_slice key, enum vtx_get_mode mode,
            varve_slice *value);
int vtx_get_many(struct varve_txn *txn, struct varve_table *table, const varve_slice *keys, varve_slice *values,
                 int *statuses, size_t count);
enum vtx_write_mode { VTX_PUT = 0, VTX_INSERT, VTX_UPDATE, VTX_DELETE, VTX_ADD /* vtx_add only */ };
int vtx_write(struct varve_txn *txn, struct varve_table *table, varve_slice key, varve_slice value,
              enum vtx_write_mode mode);
int vtx_delete_range(struct varve_txn *txn, struct varve_table *table, const varve_range *range, uint64_t *count);
int vtx_add(struct varve_txn *txn, struct varve_table *table, varve_slice key, int64_t delta);

/* --- cursors ------------------------------------------------------------------------------------------------------ */

enum vtx_move { VTX_NEXT = 0, VTX_PREV, VTX_FIRST, VTX_LAST, VTX_SEEK_GE, VTX_SEEK_LE };
int vtx_cursor_open(struct varve_txn *txn, struct varve_table *table, const varve_range *range,
                    struct varve_cursor **cursor);
int vtx_cursor_move(struct varve_cursor *cursor, enum vtx_move move, varve_slice target, varve_slice *key,
                    varve_slice *value);
void vtx_cursor_close(struct varve_cursor *cursor);
struct varve_txn *vtx_cursor_txn(const struct varve_cursor *cursor); /* NULL once the transaction has ended */

/* The identity of the version that the last get or cursor move of this transaction returned (0: absent or own write),
 * and how far its last scan has come: for recorders of histories. */
struct vtx_witness {
    uint64_t version_cts;
    uint32_t own_write;
};
struct vtx_witness vtx_last_read(const struct varve_txn *txn);
uint64_t vtx_commit_cts(const struct varve_txn *txn); /* after commit, until the handle is reused; 0: none */
/* The same for a recorder beside which other threads take handles: *cts is stored before the handle is given back. */
void vtx_tell_cts(struct varve_txn *txn, uint64_t *cts);
uint64_t vtx_snapshot(const struct varve_txn *txn);
uint64_t vtx_clock(const struct vtx_pool *pool); /* the last cts drawn in the database */

#endif
