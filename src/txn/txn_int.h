/* txn_int.h - private to src/txn: the transaction object and the pool.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TXN_TXN_INT_H
#define VARVE_TXN_TXN_INT_H

#include "txn/txn.h"

enum vtx_state { VTX_FINISHED = 0, VTX_ACTIVE, VTX_SEALED };

/* Handles rest here between transactions: one FIFO per CPU, so that a handle comes back to a warm cache, and a few
 * others are used before it is, so that a use after the end is noticed. */
enum { VTX_SHARD_HANDLES = 8, VTX_SHARD_RESTING = 2, VTX_SHARDS_MAX = 64 };
struct vtx_shard {
    vb_aligned_line uint32_t lock; /* spin: a few instructions */
    uint32_t first, count;
    struct varve_txn *handles[VTX_SHARD_HANDLES];
};

enum { VTX_READ_KEYS = 1024 };
struct varve_txn {
    vb_aligned_line struct vcc_txn cc;
    struct vtx_pool *pool;
    struct vtx_shard *shard; /* where it goes when the transaction ends */
    struct vtl_ring *ring; /* NULL until the handle is first used */
    uint32_t state;        /* enum vtx_state; read by others only for the gate's drain */
    uint32_t open;         /* 1 from begin to end: what the drain waits for */
    int doomed;            /* the status every later call repeats, VARVE_OK = none */
    uint32_t expire;       /* set by the janitor: give the snapshot up */
    enum varve_sync_mode sync;
    uint64_t begin_ns;    /* only kept when snapshots may expire */
    uint64_t bytes;       /* staged and borrowed, against max_txn_bytes */
    uint64_t serial;      /* transactions this handle has carried */
    uint64_t retry_token; /* what varve_error reports */
    unsigned attempts;    /* aborts before this attempt, in a row */
    bool in_callback;
    varve_error *error;                 /* the caller's, or NULL */
    struct varve_cursor *cursors;       /* open ones */
    struct varve_cursor *spare_cursors; /* closed ones, kept for reuse */
    struct vst_table *last_tree;        /* the row looked up last, for the write that often follows its read */
    struct vst_record *last_record;     /* NULL: none; pinned, perhaps FROZEN */
    const struct vst_leaf *last_leaf;   /* of last_tree, met last; NULL: none; pinned, perhaps OBSOLETE */
    bool stays;                         /* and it was met twice in a row */
    struct vtx_witness witness;
    bool read_any;                          /* snapshot: something is in read_keys */
    uint64_t read_keys[VTX_READ_KEYS / 64]; /* snapshot: a bit for the hash of each key read */
    uint64_t last_cts;
    uint64_t *tell_cts;           /* where the end of this transaction stores last_cts, or NULL */
    struct vtx_counters counters; /* this handle's share; written by its owner */
};

/* Raises a counter that only this thread writes now. */
static inline void vtx_count(uint64_t *counter) { vb_store_relaxed(counter, vb_load_relaxed(counter) + 1); }

struct vtx_pool {
    struct vtx_config config;
    struct vcc_shared shared;
    struct vtx_counters counters; /* only what schemes count through vcc_shared */
    unsigned count;               /* handles */
    struct varve_txn *handles;    /* [count]; handle i uses slot i + 1 */
    unsigned used;                /* so many were ever taken; under rest_lock, stored release */
    unsigned shard_count;
    struct vtx_shard *shards;           /* [shard_count] */
    vb_aligned_line uint32_t rest_lock; /* the handles that are in no shard: a FIFO ring [count] */
    uint32_t rest_first, rest_count;
    struct varve_txn **rest;
    uint64_t attempt_ns; /* relaxed; mean time of a retry in varve_run */
    vb_aligned_line uint32_t gate; /* 1: begins wait */
    uint32_t returned;             /* futex: changes when somebody waits and a handle comes back or the gate opens */
    uint32_t begin_waiters;
    bool memory_full; /* relaxed; set by the janitor */
};

/* pool.c */
int vtx_handle_take(struct vtx_pool *pool, struct varve_txn **txn, struct vk_detail *detail);
void vtx_handle_return(struct varve_txn *txn);

/* txn.c: every public operation begins with this: the process, the state, the doom, a wound, an expired snapshot. */
int vtx_enter_slowly(struct varve_txn *txn); /* something of it is the matter, or may be */
vb_step int vtx_enter(struct varve_txn *txn) {
    const struct vk_slot *slot = txn->cc.slot;
    bool quiet = !vos_forked(&txn->pool->config.fork_mark) && vb_load_relaxed(&txn->state) == VTX_ACTIVE &&
                 !txn->in_callback && txn->doomed == VARVE_OK && vb_load_relaxed(&txn->expire) == 0 &&
                 (vb_load_relaxed(&slot->lock_holder) == 0 || !vk_wounded(slot));
    return vb_likely(quiet) ? VARVE_OK : vtx_enter_slowly(txn);
}
/* Takes a status on its way out: dooms, fills the caller's varve_error. Returns it. */
int vtx_leave_with(struct varve_txn *txn, int status);
vb_step int vtx_leave(struct varve_txn *txn, int status) {
    return vb_likely(status == VARVE_OK) ? VARVE_OK : vtx_leave_with(txn, status);
}
void vtx_finish(struct varve_txn *txn, bool committed,
                enum varve_reason reason); /* release everything but the handle */
/* Read committed: one stamp per statement. */
void vtx_statement_open(struct varve_txn *txn);
vb_step void vtx_statement_begin(struct varve_txn *txn) {
    if (vb_unlikely(txn->cc.level == VARVE_READ_COMMITTED)) vtx_statement_open(txn);
}
vb_step void vtx_statement_end(struct varve_txn *txn) {
    if (vb_unlikely(txn->cc.level == VARVE_READ_COMMITTED)) txn->cc.open_statements--;
}

/* access.c: a row as this transaction sees it, own writes first. OK with *result (present or not). */
struct vtx_row {
    struct vcc_result result;
    struct vk_write *own; /* the own write that answered, or NULL */
};
int vtx_read_row(struct varve_txn *txn, struct vst_table *tree, varve_slice key, enum vcc_hint hint,
                 struct vb_arena *arena, struct vtx_row *row);
/* The sum that an own ADD stands for, on the base that this transaction reads, registered or locked as the hint and the
 * level ask; from here on the ADD counts as looked at. In `arena` (NULL: the transaction's). INVALID: the base is no
 * number. Outside sections. */
int vtx_sum(struct varve_txn *txn, struct vk_write *add, enum vcc_hint hint, struct vb_arena *arena,
            varve_slice *value);
/* base + delta, wrapping, into `arena`; base data NULL: absent, which counts as 0. INVALID: another length than 8. */
enum { VTX_NUMBER_BYTES = 8 };
int vtx_plus(struct varve_txn *txn, const struct vst_table *tree, varve_slice key, varve_slice base, varve_slice delta,
             struct vb_arena *arena, varve_slice *sum);
/* At snapshot, in transactions that may write: an ADD to a row that was read before depends on it. A filter of constant
 * size tells; where it is wrong, the ADD meets the rule of the first committer like any write, which is always safe. */
void vtx_note_key_read(struct varve_txn *txn, const struct vst_table *tree, varve_slice key);
vb_step void vtx_note_key(struct varve_txn *txn, const struct vst_table *tree, varve_slice key) {
    if (vb_unlikely(txn->cc.level == VARVE_SNAPSHOT)) vtx_note_key_read(txn, tree, key);
}
/* What a VCC_WAIT or VCC_RETRY of a loop asks for; OK: look up again. Outside sections. */
int vtx_again(struct varve_txn *txn, int status);
int vtx_over_limit(struct varve_txn *txn, size_t more); /* TOOBIG when `more` bytes would pass max_txn_bytes */

/* cursor.c */
void vtx_cursors_close_all(struct varve_txn *txn);
void vtx_cursors_release(struct varve_txn *txn); /* pool closing: frees the spare ones */

#endif
