/* replay.c - one operation, one transaction, and the search for a serial order; see replay.h.
 *
 * The search goes depth first over the sets of transactions that have run. Candidates are tried in the order of their
 * commits, so that a history whose serial order is its commit order is acquitted at the first try; a transaction
 * without writes that fits is placed at once, because placing it later can help nobody; and, past five transactions, a
 * set and state that led nowhere is not tried again.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "model/replay_int.h"

/* --- one operation ------------------------------------------------------------------------------------------------ */

bool smr_scan_fits(const struct smr_op *op, const int64_t *state, struct smr_own *own, enum smr_rule rule) {
    unsigned taken = 0;
    for (unsigned i = 0; i < (unsigned)(op->high - op->low); i++) {
        unsigned key = op->reverse ? op->high - 1u - i : op->low + i;
        if (op->limit > 0 && taken == op->limit) break;
        bool mine = (own->own >> key & 1) != 0;
        bool returned = taken < op->row_count && op->rows[taken].key == key;
        int64_t value = smr_seen(state, own, key);
        bool looked_at = rule != SMR_OWN_ONLY || mine;
        if (returned && looked_at && value != op->rows[taken].value) return false;
        if (!returned && value != SS_ABSENT && (rule == SMR_WHOLE || mine)) return false;
        if (returned) smr_look(own, key);
        taken += returned ? 1 : 0;
    }
    return taken == op->row_count;
}

static bool delete_range_fits(const struct smr_op *op, const int64_t *state, struct smr_own *own) {
    int64_t count = 0;
    for (unsigned k = op->low; k < op->high; k++) {
        if (smr_seen(state, own, k) == SS_ABSENT) continue;
        smr_stage(own, k, SS_ABSENT, SMR_RELIES_ON_NOTHING);
        count++;
    }
    return count == op->value;
}

static bool write_fits(const struct smr_op *op, int64_t now, struct smr_own *own) {
    bool present = now != SS_ABSENT;
    bool done = op->status == VARVE_OK;
    switch (op->kind) {
    case SMR_PUT: smr_stage(own, op->low, op->value, SMR_RELIES_ON_NOTHING); return done;
    case SMR_INSERT:
        if (done) smr_stage(own, op->low, op->value, SMR_RELIES_ON_ABSENT);
        return done != present;
    case SMR_UPDATE:
    case SMR_DELETE:
        if (done) smr_stage(own, op->low, op->kind == SMR_DELETE ? SS_ABSENT : op->value, SMR_RELIES_ON_PRESENT);
        return done == present;
    default: /* SMR_ADD */ smr_stage_add(own, op->low, op->value); return done;
    }
}

bool smr_op_fits(const struct smr_op *op, const int64_t *state, struct smr_own *own, enum smr_rule rule) {
    switch (op->kind) {
    case SMR_SCAN: return smr_scan_fits(op, state, own, rule);
    case SMR_DELETE_RANGE: return delete_range_fits(op, state, own);
    case SMR_OPEN: return true;
    default: break;
    }
    int64_t now = smr_seen(state, own, op->low);
    if (op->kind == SMR_GET) smr_look(own, op->low);
    switch (op->kind) {
    case SMR_GET: return op->status == VARVE_OK ? now == op->value && now != SS_ABSENT : now == SS_ABSENT;
    case SMR_CONTAINS: return (op->status == VARVE_OK) == (now != SS_ABSENT);
    default: return write_fits(op, now, own);
    }
}

/* --- a whole transaction ------------------------------------------------------------------------------------------ */

bool smr_txn_fits(const struct smr_txn *txn, const int64_t *state, struct smr_own *own, unsigned *stopped) {
    struct smr_own saved[SMR_MARKS];
    smr_own_clear(own);
    for (unsigned i = 0; i < txn->op_count; i++) {
        *stopped = i;
        if (smr_is_mark(&txn->ops[i]))
            smr_mark(&txn->ops[i], saved, own);
        else if (!smr_op_fits(&txn->ops[i], state, own, SMR_WHOLE))
            return false;
    }
    return true;
}

void smr_apply(int64_t *state, const struct smr_own *own) {
    for (uint32_t left = own->own; left != 0; left &= left - 1) {
        unsigned key = (unsigned)__builtin_ctz(left);
        state[key] = smr_seen(state, own, key);
    }
}

/* Stages what the answer says was written, with no state to judge it by. */
static void take_for_written(const struct smr_op *op, struct smr_own *own) {
    if (op->status != VARVE_OK) return;
    switch (op->kind) {
    case SMR_PUT:
    case SMR_UPDATE: smr_stage(own, op->low, op->value, SMR_RELIES_ON_NOTHING); return;
    case SMR_ADD: smr_stage_add(own, op->low, op->value); return;
    case SMR_INSERT: smr_stage(own, op->low, op->value, SMR_RELIES_ON_ABSENT); return;
    case SMR_DELETE: smr_stage(own, op->low, SS_ABSENT, SMR_RELIES_ON_PRESENT); return;
    default: return;
    }
}

bool smr_has_writes(const struct smr_op *ops, unsigned op_count) {
    struct smr_own saved[SMR_MARKS], own;
    uint32_t ranged_at[SMR_MARKS], ranged = 0; /* ranges deleted: which rows they were is not known */
    smr_own_clear(&own);
    for (unsigned i = 0; i < op_count; i++) {
        const struct smr_op *op = &ops[i];
        if (op->kind == SMR_SAVEPOINT) ranged_at[op->mark] = ranged;
        if (op->kind == SMR_ROLLBACK) ranged = ranged_at[op->mark];
        if (smr_is_mark(op))
            smr_mark(op, saved, &own);
        else if (op->kind == SMR_DELETE_RANGE)
            ranged += op->status == VARVE_OK && op->value > 0;
        else
            take_for_written(op, &own);
    }
    for (uint32_t left = own.own; left != 0; left &= left - 1) {
        unsigned key = (unsigned)__builtin_ctz(left);
        if (own.value[key] != SS_ABSENT || (own.relies_absent >> key & 1) == 0) return true;
    }
    return ranged > 0;
}

/* --- some serial order -------------------------------------------------------------------------------------------- */

enum { TRIED_FROM = 6, TRIED_BITS = 16, TRIED_SLOTS = 1 << TRIED_BITS };

struct search {
    const struct smr_history *history;
    bool items;
    uint32_t all;
    uint32_t before[SMR_TXNS]; /* the transactions that must have run before */
    unsigned steps;            /* SMR_STEPS at most */
    int64_t *tried;            /* [TRIED_SLOTS] of a set and a state, 0 as the set: empty; NULL: few transactions, or
                                  no memory for it */
    unsigned tried_count;
};

static uint32_t must_be_before(const struct smr_history *h, unsigned txn, unsigned flags) {
    uint32_t before = 0;
    for (unsigned i = 0; i < h->commit_count; i++) {
        unsigned other = h->commit_order[i];
        if (other == txn) continue;
        const struct smr_txn *a = &h->txns[other], *b = &h->txns[txn];
        if (((flags & SMR_STRICT) != 0 && a->end < b->begin) ||
            ((flags & SMR_COMMIT_ORDER) != 0 && a->writes && b->writes && a->end < b->end))
            before |= UINT32_C(1) << other;
    }
    return before;
}

/* The slot of a set and state; *known when it is there already. NULL when the table is full. */
static int64_t *slot_of(struct search *s, uint32_t used, const int64_t *state, bool *known) {
    unsigned keys = s->history->key_count;
    uint64_t hash = used * UINT64_C(0x9E3779B97F4A7C15);
    for (unsigned k = 0; k < keys; k++)
        hash = (hash ^ (uint64_t)state[k]) * UINT64_C(0xFF51AFD7ED558CCD) + (hash >> 29);
    *known = false;
    for (size_t at = hash >> (64 - TRIED_BITS);; at = (at + 1) % TRIED_SLOTS) {
        int64_t *slot = &s->tried[at * (keys + 1)];
        if (slot[0] == 0) return s->tried_count < TRIED_SLOTS / 2 ? slot : NULL;
        *known = slot[0] == (int64_t)used && memcmp(slot + 1, state, keys * sizeof state[0]) == 0;
        if (*known) return slot;
    }
}

static bool led_nowhere(struct search *s, uint32_t used, const int64_t *state) {
    bool known = false;
    return s->tried != NULL && used != 0 && slot_of(s, used, state, &known) != NULL && known;
}

static void note_dead_end(struct search *s, uint32_t used, const int64_t *state) {
    bool known = false;
    int64_t *slot = s->tried != NULL && used != 0 ? slot_of(s, used, state, &known) : NULL;
    if (slot == NULL || known) return;
    slot[0] = used;
    memcpy(slot + 1, state, s->history->key_count * sizeof state[0]);
    s->tried_count++;
}

/* Items only: ordinary operations by their rule; nothing chooses. */
static bool items_fit(const struct smr_txn *txn, const int64_t *state, struct smr_own *own) {
    struct smr_own saved[SMR_MARKS];
    smr_own_clear(own);
    for (unsigned i = 0; i < txn->op_count; i++) {
        if (smr_is_mark(&txn->ops[i]))
            smr_mark(&txn->ops[i], saved, own);
        else if (!smr_op_fits(&txn->ops[i], state, own, SMR_ITEMS_ONLY))
            return false;
    }
    return true;
}

static bool some_order(struct search *s, uint32_t used, const int64_t *state) {
    const struct smr_history *h = s->history;
    if (++s->steps > SMR_STEPS) return true;
    if (used == s->all) return memcmp(state, h->final, h->key_count * sizeof state[0]) == 0;
    if (led_nowhere(s, used, state)) return false;
    for (unsigned i = 0; i < h->commit_count; i++) {
        unsigned txn = h->commit_order[i], stopped;
        uint32_t bit = UINT32_C(1) << txn;
        struct smr_own own;
        if ((used & bit) != 0 || (s->before[txn] & ~used) != 0) continue;
        if (!(s->items ? items_fit(&h->txns[txn], state, &own) : smr_txn_fits(&h->txns[txn], state, &own, &stopped)))
            continue;
        if (!h->txns[txn].writes) return some_order(s, used | bit, state);
        int64_t after[SMR_KEYS];
        memcpy(after, state, h->key_count * sizeof state[0]);
        smr_apply(after, &own);
        if (some_order(s, used | bit, after)) return true;
    }
    note_dead_end(s, used, state);
    return false;
}

bool smr_serializable(const struct smr_history *history, unsigned flags) {
    struct search s = {.history = history, .items = (flags & SMR_ITEMS) != 0};
    for (unsigned i = 0; i < history->commit_count; i++) {
        unsigned txn = history->commit_order[i];
        s.all |= UINT32_C(1) << txn;
        s.before[txn] = must_be_before(history, txn, flags);
    }
    if (history->commit_count >= TRIED_FROM) s.tried = calloc(TRIED_SLOTS, (history->key_count + 1) * sizeof *s.tried);
    bool found = some_order(&s, 0, history->initial);
    free(s.tried);
    return found;
}
