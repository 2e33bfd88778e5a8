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
    int64_t value[SMR_KEYS];
};

enum smr_rule {
    SMR_WHOLE,      /* every row is what is seen and nothing is left out */
    SMR_ITEMS_ONLY, /* rows returned are what is seen; rows of others may be left out */
    SMR_OWN_ONLY,   /* own rows are what is seen and none is left out; rows of others are not looked at */
};

static inline void smr_own_clear(struct smr_own *own) { own->own = own->relies_present = own->relies_absent = 0; }

static inline int64_t smr_seen(const int64_t *state, const struct smr_own *own, unsigned key) {
    return (own->own >> key & 1) != 0 ? own->value[key] : state[key];
}

enum smr_relies { SMR_RELIES_ON_NOTHING, SMR_RELIES_ON_ABSENT, SMR_RELIES_ON_PRESENT };
static inline void smr_stage(struct smr_own *own, unsigned key, int64_t value, enum smr_relies relies) {
    uint32_t bit = UINT32_C(1) << key;
    if ((own->own & bit) == 0) {
        own->relies_present |= relies == SMR_RELIES_ON_PRESENT ? bit : 0;
        own->relies_absent |= relies == SMR_RELIES_ON_ABSENT ? bit : 0;
    }
    own->own |= bit;
    own->value[key] = value;
}

static inline bool smr_is_mark(const struct smr_op *op) {
    return op->kind == SMR_SAVEPOINT || op->kind == SMR_ROLLBACK;
}

/* Own writes as of a savepoint are found by replaying up to it; `saved` keeps them. */
static inline void smr_mark(const struct smr_op *op, struct smr_own saved[SMR_MARKS], struct smr_own *own) {
    if (op->kind == SMR_SAVEPOINT)
        saved[op->mark] = *own;
    else
        *own = saved[op->mark];
}

/* Runs one operation on state + own writes; false when the recorded answer is not the one that it gives. */
bool smr_op_fits(const struct smr_op *op, const int64_t *state, struct smr_own *own, enum smr_rule rule);
bool smr_scan_fits(const struct smr_op *op, const int64_t *state, const struct smr_own *own, enum smr_rule rule);
/* The whole transaction on one state; *stopped gets the index of the operation that does not fit. */
bool smr_txn_fits(const struct smr_txn *txn, const int64_t *state, struct smr_own *own, unsigned *stopped);
void smr_apply(int64_t *state, const struct smr_own *own);

#endif
