/* replay_int.h - one transaction replayed on one state; used by both judges of replay.h.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_REPLAY_INT_H
#define VARVE_SUITE_REPLAY_INT_H

#include "model/replay.h"

/* A transaction's own writes, and the presence each relied on in the state below when it was made. Masks are over keys;
 * value[k] means something only where `own` has k. */
struct smr_own {
    uint32_t own, relies_present, relies_absent;
    uint32_t added;  /* of own: value is a delta, on whatever lies below */
    uint32_t looked; /* of added: the transaction has read the row, before or after */
    uint32_t read;   /* rows read, those not there too */
    int64_t value[SMR_KEYS];
};

enum smr_rule {
    SMR_WHOLE,      /* every row is what is seen and nothing is left out */
    SMR_ITEMS_ONLY, /* rows returned are what is seen; rows of others may be left out */
    SMR_OWN_ONLY,   /* own rows are what is seen and none is left out; rows of others are not looked at */
};

static inline void smr_own_clear(struct smr_own *own) {
    own->own = own->relies_present = own->relies_absent = own->added = own->looked = own->read = 0;
}

/* An absent row counts as 0; sums wrap. */
static inline int64_t smr_plus(int64_t base, int64_t delta) {
    return (int64_t)((base == SS_ABSENT ? 0 : (uint64_t)base) + (uint64_t)delta);
}

static inline int64_t smr_seen(const int64_t *state, const struct smr_own *own, unsigned key) {
    if ((own->own >> key & 1) == 0) return state[key];
    return (own->added >> key & 1) != 0 ? smr_plus(state[key], own->value[key]) : own->value[key];
}

enum smr_relies { SMR_RELIES_ON_NOTHING, SMR_RELIES_ON_ABSENT, SMR_RELIES_ON_PRESENT };
static inline void smr_stage(struct smr_own *own, unsigned key, int64_t value, enum smr_relies relies) {
    uint32_t bit = UINT32_C(1) << key;
    if ((own->own & bit) == 0) {
        own->relies_present |= relies == SMR_RELIES_ON_PRESENT ? bit : 0;
        own->relies_absent |= relies == SMR_RELIES_ON_ABSENT ? bit : 0;
    }
    own->own |= bit;
    own->added &= ~bit;
    own->looked &= ~bit;
    own->value[key] = value;
}

/* What is added to a row that this transaction has not written otherwise stays a delta: it is added to whatever state
 * the transaction is run on, in the end to the one at its place. */
static inline void smr_stage_add(struct smr_own *own, unsigned key, int64_t delta) {
    uint32_t bit = UINT32_C(1) << key;
    own->value[key] = (own->own & bit) != 0 ? smr_plus(own->value[key], delta) : delta;
    if ((own->own & bit) == 0) {
        own->added |= bit;
        own->looked |= own->read & bit;
    }
    own->own |= bit;
}

/* A row was read: what is added to it, before or later, depends on that. */
static inline void smr_look(struct smr_own *own, unsigned key) {
    own->read |= UINT32_C(1) << key;
    own->looked |= own->added & UINT32_C(1) << key;
}

/* Deltas that nobody of the transaction has looked at: the order of two of them makes no difference. */
static inline uint32_t smr_blind(const struct smr_own *own) { return own->added & ~own->looked; }

static inline bool smr_is_mark(const struct smr_op *op) {
    return op->kind == SMR_SAVEPOINT || op->kind == SMR_ROLLBACK;
}

/* Own writes as of a savepoint are found by replaying up to it; `saved` keeps them. What was read stays read. */
static inline void smr_mark(const struct smr_op *op, struct smr_own saved[SMR_MARKS], struct smr_own *own) {
    uint32_t read = own->read;
    if (op->kind == SMR_SAVEPOINT) {
        saved[op->mark] = *own;
        return;
    }
    *own = saved[op->mark];
    own->read |= read;
    own->looked |= own->added & read;
}

/* Runs one operation on state + own writes; false when the recorded answer is not the one that it gives. */
bool smr_op_fits(const struct smr_op *op, const int64_t *state, struct smr_own *own, enum smr_rule rule);
bool smr_scan_fits(const struct smr_op *op, const int64_t *state, struct smr_own *own, enum smr_rule rule);
/* The whole transaction on one state; *stopped gets the index of the operation that does not fit. */
bool smr_txn_fits(const struct smr_txn *txn, const int64_t *state, struct smr_own *own, unsigned *stopped);
void smr_apply(int64_t *state, const struct smr_own *own);

#endif
