/* positions.c - each transaction at its own level at its place in the commit order; see replay.h.
 *
 * Invariants. 1. states[n] is the state after the first n commits with writes; a transaction is only run from states of
 * commits that were acknowledged before its own. 2. An attempt is a function of the values in `choices`: trying all of
 * them tries every possibility.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "model/replay_int.h"

enum { CHOICES_MAX = 48 };

/* The possibilities of an attempt, in the order in which they were met: a counter whose last place moves fastest. */
struct choices {
    unsigned at, count;
    uint8_t value[CHOICES_MAX], bound[CHOICES_MAX];
};

struct line {
    const struct smr_history *history;
    unsigned commits;
    int64_t states[SMR_TXNS + 1][SMR_KEYS];
    uint32_t written[SMR_TXNS + 1]; /* keys that commit n + 1 wrote */
    struct choices choices;
    struct smr_culprit here; /* of this attempt */
};

static unsigned choose(struct choices *c, unsigned bound) {
    if (bound <= 1 || c->at == CHOICES_MAX) return 0;
    if (c->at == c->count) {
        c->value[c->count] = 0;
        c->bound[c->count++] = (uint8_t)bound;
    }
    return c->value[c->at++];
}

static bool next_choices(struct choices *c) {
    c->count = c->at;
    c->at = 0;
    while (c->count > 0 && ++c->value[c->count - 1] == c->bound[c->count - 1]) c->count--;
    return c->count > 0;
}

static bool at_fault(struct line *line, enum smr_reason reason, unsigned op) {
    line->here.reason = reason;
    line->here.op = op;
    return false;
}

/* --- what several levels ask ---------------------------------------------------------------------------------------
 */

static bool relies_hold(const struct line *line, const struct smr_own *own, const int64_t *state) {
    for (unsigned k = 0; k < line->history->key_count; k++) {
        bool present = state[k] != SS_ABSENT;
        if ((present ? own->relies_absent : own->relies_present) >> k & 1) return false;
    }
    return true;
}

/* The keys whose rows a commit changes: all it has written, but those that were absent and are again. */
static uint32_t changed_keys(const struct smr_own *own, const int64_t *state) {
    uint32_t changed = own->own;
    for (uint32_t left = own->own; left != 0; left &= left - 1) {
        unsigned key = (unsigned)__builtin_ctz(left);
        if (own->value[key] == SS_ABSENT && state[key] == SS_ABSENT) changed &= ~(UINT32_C(1) << key);
    }
    return changed;
}

/* Own writes count but for rows inserted and deleted again, and for what was added without a look at the sum. */
static bool overwritten_between(const struct line *line, const struct smr_own *own, unsigned from, unsigned to) {
    uint32_t mine = own->own & ~smr_blind(own);
    for (uint32_t left = own->own & own->relies_absent; left != 0; left &= left - 1) {
        unsigned key = (unsigned)__builtin_ctz(left);
        if (own->value[key] == SS_ABSENT) mine &= ~(UINT32_C(1) << key);
    }
    for (unsigned n = from; n < to; n++)
        if ((line->written[n] & mine) != 0) return true;
    return false;
}

static unsigned last_state(const struct line *line, unsigned wanted) {
    return wanted < line->commits ? wanted : line->commits;
}

/* Was there, between two states, one in which the key held this value? */
static bool held_between(const struct line *line, unsigned key, int64_t value, unsigned from, unsigned to) {
    for (unsigned n = from; n <= to; n++)
        if (line->states[n][key] == value) return true;
    return false;
}

static bool present_between(const struct line *line, unsigned key, unsigned from, unsigned to) {
    for (unsigned n = from; n <= to; n++)
        if (line->states[n][key] != SS_ABSENT) return true;
    return false;
}

/* The rows that a delete-range took: those of one state, or, torn, any that were there at some moment of it. `must_be`
 * is a state that a row of others must be in as well, or NULL. */
static bool delete_range_fits(struct line *line, const struct smr_op *op, unsigned from, struct smr_own *own,
                              const int64_t *must_be) {
    unsigned to = last_state(line, op->after);
    unsigned one = op->torn || to < from ? from : from + choose(&line->choices, to - from + 1);
    int64_t count = 0;
    for (unsigned k = op->low; k < op->high; k++) {
        bool mine = (own->own >> k & 1) != 0;
        bool taken = mine ? own->value[k] != SS_ABSENT : line->states[one][k] != SS_ABSENT;
        if (!mine && op->torn) {
            bool may = present_between(line, k, from, to);
            bool may_not = held_between(line, k, SS_ABSENT, from, to);
            taken = may && !(may_not && choose(&line->choices, 2) == 1);
        }
        if (!taken) continue;
        if (!mine && must_be != NULL && must_be[k] == SS_ABSENT) return false;
        smr_stage(own, k, SS_ABSENT, SMR_RELIES_ON_NOTHING);
        count++;
    }
    return count == op->value;
}

/* --- serializable and repeatable read -------------------------------------------------------------------------------
 */

static bool items_fit(struct line *line, const struct smr_txn *txn, unsigned place, struct smr_own *own) {
    struct smr_own saved[SMR_MARKS];
    smr_own_clear(own);
    for (unsigned i = 0; i < txn->op_count; i++) {
        const struct smr_op *op = &txn->ops[i];
        bool fits = true;
        if (smr_is_mark(op))
            smr_mark(op, saved, own);
        else if (op->kind == SMR_DELETE_RANGE)
            fits = delete_range_fits(line, op, txn->before, own, line->states[place]);
        else
            fits = smr_op_fits(op, line->states[place], own, SMR_ITEMS_ONLY);
        if (!fits) return at_fault(line, SMR_ANSWER, i);
    }
    return true;
}

static bool fits_at(struct line *line, const struct smr_txn *txn, unsigned place, struct smr_own *own) {
    unsigned stopped = 0;
    if (txn->level == VARVE_REPEATABLE_READ) return items_fit(line, txn, place, own);
    return smr_txn_fits(txn, line->states[place], own, &stopped) || at_fault(line, SMR_ANSWER, stopped);
}

static bool serial_at_place(struct line *line, const struct smr_txn *txn, struct smr_own *own) {
    if (txn->writes) return fits_at(line, txn, line->commits, own);
    for (unsigned n = last_state(line, txn->before); n <= line->commits; n++)
        if (fits_at(line, txn, n, own)) return true;
    return false;
}

/* --- snapshot --------------------------------------------------------------------------------------------------------
 */

static bool snapshot_somewhere(struct line *line, const struct smr_txn *txn, struct smr_own *own) {
    enum smr_reason reason = SMR_ANSWER;
    unsigned furthest = 0;
    for (unsigned n = last_state(line, txn->before); n <= line->commits; n++) {
        unsigned stopped = 0;
        if (!smr_txn_fits(txn, line->states[n], own, &stopped)) {
            furthest = stopped > furthest ? stopped : furthest;
            continue;
        }
        if (overwritten_between(line, own, n, line->commits))
            reason = SMR_OVERWRITTEN;
        else if (!relies_hold(line, own, line->states[line->commits]))
            reason = SMR_PRESENCE;
        else
            return true;
    }
    return at_fault(line, reason, furthest);
}

/* --- read committed
 * --------------------------------------------------------------------------------------------------- */

/* Where a transaction stands between two statements. */
struct statements {
    unsigned from;   /* no later statement reads an earlier state */
    unsigned cursor; /* the state of the cursor opened last */
    unsigned opened; /* commits acknowledged when that was */
};

static bool torn_row_fits(const struct line *line, const struct smr_own *own, unsigned key, int64_t value,
                          unsigned from, unsigned to) {
    if ((own->own >> key & 1) == 0) return held_between(line, key, value, from, to);
    if ((own->added >> key & 1) == 0) return own->value[key] == value;
    for (unsigned n = from; n <= to; n++)
        if (smr_seen(line->states[n], own, key) == value) return true;
    return false;
}

/* Every key on the way of the scan was looked at once, between the beginning and the end of its statement: a cursor is
 * one from its opening. */
static bool torn_scan_fits(const struct line *line, const struct smr_op *op, const struct statements *s,
                           const struct smr_own *own) {
    unsigned to = last_state(line, op->after), from = last_state(line, op->of_cursor ? s->opened : op->before);
    unsigned taken = 0;
    for (unsigned i = 0; i < (unsigned)(op->high - op->low); i++) {
        unsigned key = op->reverse ? op->high - 1u - i : op->low + i;
        if (op->limit > 0 && taken == op->limit) break;
        bool returned = taken < op->row_count && op->rows[taken].key == key;
        int64_t value = returned ? op->rows[taken].value : SS_ABSENT;
        if (!torn_row_fits(line, own, key, value, from, to)) return false;
        taken += returned ? 1 : 0;
    }
    return taken == op->row_count;
}

/* What is read tells the state it was read from only as far as a later statement does not go back: the earliest state
 * that fits leaves the most room. */
static bool some_state_fits(const struct line *line, const struct smr_op *op, unsigned to, struct statements *s,
                            struct smr_own *own) {
    for (unsigned n = s->from; n <= to; n++) {
        struct smr_own tried = *own;
        if (!smr_op_fits(op, line->states[n], &tried, SMR_WHOLE)) continue;
        *own = tried;
        s->from = n;
        return true;
    }
    return false;
}

static bool statement_fits(struct line *line, const struct smr_op *op, struct statements *s, struct smr_own *own) {
    unsigned to = last_state(line, op->after);
    if (op->torn && op->kind == SMR_SCAN) return torn_scan_fits(line, op, s, own);
    if (op->kind == SMR_DELETE_RANGE) return delete_range_fits(line, op, s->from, own, NULL);
    if (op->kind == SMR_ADD) return smr_op_fits(op, line->states[s->from], own, SMR_WHOLE);
    if (op->kind == SMR_OPEN) {
        s->opened = op->before;
        s->cursor = to > s->from ? s->from + choose(&line->choices, to - s->from + 1) : s->from;
        return true;
    }
    if (op->of_cursor || op->beside_cursor) {
        struct smr_own tried = *own;
        if (smr_op_fits(op, line->states[s->cursor], &tried, SMR_WHOLE)) {
            *own = tried;
            return true;
        }
        if (op->of_cursor) return false;
    }
    return some_state_fits(line, op, to, s, own);
}

static bool committed_statements(struct line *line, const struct smr_txn *txn, struct smr_own *own) {
    struct smr_own saved[SMR_MARKS];
    struct statements s = {.from = last_state(line, txn->before), .cursor = last_state(line, txn->before)};
    smr_own_clear(own);
    for (unsigned i = 0; i < txn->op_count; i++) {
        if (smr_is_mark(&txn->ops[i]))
            smr_mark(&txn->ops[i], saved, own);
        else if (!statement_fits(line, &txn->ops[i], &s, own))
            return at_fault(line, SMR_ANSWER, i);
    }
    return relies_hold(line, own, line->states[line->commits]) || at_fault(line, SMR_PRESENCE, 0);
}

/* --- the whole
 * --------------------------------------------------------------------------------------------------------- */

static bool txn_at_level(struct line *line, const struct smr_txn *txn, struct smr_own *own) {
    if (txn->level <= VARVE_READ_COMMITTED) return committed_statements(line, txn, own);
    if (txn->level == VARVE_SNAPSHOT) return snapshot_somewhere(line, txn, own);
    return serial_at_place(line, txn, own);
}

static bool final_fits(struct line *line) {
    const struct smr_history *h = line->history;
    line->here.txn = h->txn_count;
    for (unsigned k = 0; k < h->key_count; k++)
        if (line->states[line->commits][k] != h->final[k]) return at_fault(line, SMR_FINAL, k);
    return true;
}

static bool attempt(struct line *line, unsigned *reached) {
    const struct smr_history *h = line->history;
    line->commits = 0;
    for (*reached = 0; *reached < h->commit_count; ++*reached) {
        const struct smr_txn *txn = &h->txns[h->commit_order[*reached]];
        struct smr_own own;
        line->here.txn = h->commit_order[*reached];
        if (!txn_at_level(line, txn, &own)) return false;
        if (!txn->writes) continue;
        int64_t *before = line->states[line->commits], *after = line->states[line->commits + 1];
        line->written[line->commits++] = changed_keys(&own, before);
        memcpy(after, before, h->key_count * sizeof after[0]);
        smr_apply(after, &own);
    }
    return final_fits(line);
}

bool smr_positions(const struct smr_history *history, struct smr_culprit *culprit) {
    struct line line;
    unsigned furthest = 0;
    line.history = history;
    line.choices.at = line.choices.count = 0;
    memcpy(line.states[0], history->initial, history->key_count * sizeof line.states[0][0]);
    *culprit = (struct smr_culprit){.reason = SMR_FITS};
    for (unsigned tries = 0; tries < SMR_TRIES; tries++) {
        unsigned reached = 0;
        if (attempt(&line, &reached)) return true;
        if (culprit->reason == SMR_FITS || reached > furthest || (reached == furthest && line.here.op > culprit->op)) {
            *culprit = line.here;
            furthest = reached;
        }
        if (!next_choices(&line.choices)) return false;
    }
    return true;
}
