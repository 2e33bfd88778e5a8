/* plain_judge.h - the judge of suite/model once more, as plainly as it can be said: whole arrays, all orders, no masks,
 * no pruning, no choices. Rows of scans are of one state unless the operation says torn; nothing below snapshot deletes
 * ranges. test_judges.c compares the two. SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_PLAIN_JUDGE_H
#define VARVE_TESTS_PLAIN_JUDGE_H

#include <string.h>

#include "model/judge.h"

#define UNTOUCHED (INT64_MIN + 1)

/* A transaction's own writes, and the presence each relied on in the state below when it was made. */
struct overlay {
    int64_t own[JUDGE_KEYS];    /* UNTOUCHED, JUDGE_ABSENT or the value */
    bool added[JUDGE_KEYS];     /* own is a delta, on whatever lies below */
    bool looked[JUDGE_KEYS];    /* the row has been read, before or after */
    bool read[JUDGE_KEYS];
    int64_t relies[JUDGE_KEYS]; /* UNTOUCHED = on nothing, JUDGE_ABSENT, or 1 = on presence */
    bool ranged;                /* rows of a range were deleted; only for plain_has_writes, which does not know which */
};

enum rule { WHOLE, ITEMS_ONLY };

static void overlay_clear(struct overlay *o) {
    for (unsigned k = 0; k < JUDGE_KEYS; k++) {
        o->own[k] = o->relies[k] = UNTOUCHED;
        o->added[k] = o->looked[k] = o->read[k] = false;
    }
    o->ranged = false;
}

static int64_t seen(const int64_t state[JUDGE_KEYS], const struct overlay *o, unsigned key) {
    if (o->own[key] == UNTOUCHED) return state[key];
    if (!o->added[key]) return o->own[key];
    return (state[key] != JUDGE_ABSENT ? state[key] : 0) + o->own[key];
}

static void stage(struct overlay *o, unsigned key, int64_t value, int64_t relies) {
    if (o->own[key] == UNTOUCHED) o->relies[key] = relies;
    o->own[key] = value;
    o->added[key] = o->looked[key] = false;
}

static void stage_add(struct overlay *o, unsigned key, int64_t delta) {
    if (o->own[key] == UNTOUCHED) {
        o->own[key] = delta;
        o->added[key] = true;
        o->looked[key] = o->read[key];
    } else {
        o->own[key] = (o->own[key] != JUDGE_ABSENT ? o->own[key] : 0) + delta;
    }
}

static void look(struct overlay *o, unsigned key) {
    o->read[key] = true;
    if (o->added[key]) o->looked[key] = true;
}

/* --- one operation ------------------------------------------------------------------------------------------ */

/* Every row must be what is seen; a whole scan must also have left nothing out on its way. */
static bool scan_fits(const struct judge_op *op, const int64_t state[JUDGE_KEYS], struct overlay *o,
                      enum rule rule) {
    unsigned taken = 0;
    for (unsigned i = 0; i < op->high - op->low; i++) {
        unsigned key = op->reverse ? op->high - 1 - i : op->low + i;
        if (op->limit > 0 && taken == op->limit) break;
        bool returned = taken < op->row_count && op->rows[taken].key == key;
        int64_t value = seen(state, o, key);
        if (returned && value != op->rows[taken].value) return false;
        bool must_return = value != JUDGE_ABSENT && (rule == WHOLE || o->own[key] != UNTOUCHED);
        if (!returned && must_return) return false;
        if (returned) look(o, key);
        taken += returned ? 1 : 0;
    }
    return taken == op->row_count;
}

static bool delete_range_fits(const struct judge_op *op, const int64_t state[JUDGE_KEYS], struct overlay *o) {
    int64_t count = 0;
    for (unsigned k = op->low; k < op->high; k++) {
        if (seen(state, o, k) == JUDGE_ABSENT) continue;
        stage(o, k, JUDGE_ABSENT, UNTOUCHED);
        count++;
    }
    return count == op->value;
}

static bool write_fits(const struct judge_op *op, int64_t now, struct overlay *o) {
    bool present = now != JUDGE_ABSENT;
    bool done = op->status == VARVE_OK;
    switch (op->kind) {
    case JUDGE_PUT: stage(o, op->low, op->value, UNTOUCHED); return done;
    case JUDGE_INSERT:
        if (done) stage(o, op->low, op->value, JUDGE_ABSENT);
        return done != present;
    case JUDGE_UPDATE:
    case JUDGE_DELETE:
        if (done) stage(o, op->low, op->kind == JUDGE_DELETE ? JUDGE_ABSENT : op->value, 1);
        return done == present;
    default: /* JUDGE_ADD */ stage_add(o, op->low, op->value); return done;
    }
}

/* Runs one operation on state + own writes; false when the recorded answer is not the one that it gives. */
static bool op_fits(const struct judge_op *op, const int64_t state[JUDGE_KEYS], struct overlay *o, enum rule rule) {
    int64_t now = op->low < JUDGE_KEYS ? seen(state, o, op->low) : JUDGE_ABSENT;
    if (op->kind == JUDGE_GET) look(o, op->low);
    switch (op->kind) {
    case JUDGE_GET: return op->status == VARVE_OK ? now == op->value && now != JUDGE_ABSENT : now == JUDGE_ABSENT;
    case JUDGE_CONTAINS: return (op->status == VARVE_OK) == (now != JUDGE_ABSENT);
    case JUDGE_SCAN: return scan_fits(op, state, o, rule);
    case JUDGE_DELETE_RANGE: return delete_range_fits(op, state, o);
    default: return write_fits(op, now, o);
    }
}

/* --- a whole transaction ------------------------------------------------------------------------------------ */

/* What was read stays read. */
static void restore(struct overlay *o, const struct overlay *saved) {
    struct overlay now = *o;
    *o = *saved;
    for (unsigned k = 0; k < JUDGE_KEYS; k++) {
        o->read[k] = o->read[k] || now.read[k];
        o->looked[k] = o->added[k] && o->read[k];
    }
}

/* Own writes as of a savepoint are found by replaying up to it; `saved` keeps them. */
static void keep_or_restore(const struct judge_op *op, unsigned at, struct overlay saved[JUDGE_OPS],
                            struct overlay *o) {
    if (op->kind == JUDGE_SAVEPOINT)
        saved[at] = *o;
    else
        restore(o, &saved[op->low]);
}

static bool is_mark(const struct judge_op *op) { return op->kind == JUDGE_SAVEPOINT || op->kind == JUDGE_ROLLBACK; }

static bool txn_fits(const struct judge_txn *txn, const int64_t state[JUDGE_KEYS], struct overlay *o, enum rule rule) {
    struct overlay saved[JUDGE_OPS];
    overlay_clear(o);
    for (unsigned i = 0; i < txn->op_count; i++) {
        if (is_mark(&txn->ops[i]))
            keep_or_restore(&txn->ops[i], i, saved, o);
        else if (!op_fits(&txn->ops[i], state, o, rule))
            return false;
    }
    return true;
}

static void apply(int64_t state[JUDGE_KEYS], const struct overlay *o) {
    for (unsigned k = 0; k < JUDGE_KEYS; k++)
        state[k] = seen(state, o, k);
}

/* Stages what the answer says was written, with no state to judge it by. */
static void take_for_written(const struct judge_op *op, struct overlay *o) {
    if (op->status != VARVE_OK) return;
    switch (op->kind) {
    case JUDGE_PUT:
    case JUDGE_UPDATE: stage(o, op->low, op->value, UNTOUCHED); return;
    case JUDGE_ADD: stage_add(o, op->low, op->value); return;
    case JUDGE_INSERT: stage(o, op->low, op->value, JUDGE_ABSENT); return;
    case JUDGE_DELETE: stage(o, op->low, JUDGE_ABSENT, 1); return;
    default: o->ranged = o->ranged || (op->kind == JUDGE_DELETE_RANGE && op->value > 0);
    }
}

static bool plain_has_writes(const struct judge_txn *txn) {
    struct overlay saved[JUDGE_OPS], o;
    overlay_clear(&o);
    for (unsigned i = 0; i < txn->op_count; i++) {
        if (is_mark(&txn->ops[i]))
            keep_or_restore(&txn->ops[i], i, saved, &o);
        else
            take_for_written(&txn->ops[i], &o);
    }
    for (unsigned k = 0; k < JUDGE_KEYS; k++)
        if (o.own[k] != UNTOUCHED && !(o.own[k] == JUDGE_ABSENT && o.relies[k] == JUDGE_ABSENT)) return true;
    return o.ranged;
}

/* --- serializable: all orders ------------------------------------------------------------------------------- */

struct search {
    const struct judge_history *history;
    unsigned flags;
    bool used[JUDGE_TXNS];
};

/* May `next` come now, with all the others that are unused coming after it? */
static bool order_allows(const struct search *s, unsigned next) {
    const struct judge_history *h = s->history;
    for (unsigned i = 0; i < h->txn_count; i++) {
        if (i == next || s->used[i] || !h->txns[i].committed) continue;
        if ((s->flags & JUDGE_STRICT) && h->txns[i].end_step < h->txns[next].begin_step) return false;
        if ((s->flags & JUDGE_COMMIT_ORDER) && plain_has_writes(&h->txns[i]) && plain_has_writes(&h->txns[next]) &&
            h->txns[i].end_step < h->txns[next].end_step)
            return false;
    }
    return true;
}

static bool some_order(struct search *s, const int64_t state[JUDGE_KEYS]) {
    const struct judge_history *h = s->history;
    bool left = false;
    for (unsigned i = 0; i < h->txn_count; i++) {
        if (s->used[i] || !h->txns[i].committed) continue;
        left = true;
        struct overlay o;
        int64_t after[JUDGE_KEYS];
        if (!order_allows(s, i) || !txn_fits(&h->txns[i], state, &o, s->flags & JUDGE_ITEMS ? ITEMS_ONLY : WHOLE))
            continue;
        memcpy(after, state, sizeof after);
        apply(after, &o);
        s->used[i] = true;
        bool found = some_order(s, after);
        s->used[i] = false;
        if (found) return true;
    }
    return !left && memcmp(state, h->final, sizeof h->final) == 0;
}

static bool plain_serializable(const struct judge_history *history, unsigned flags) {
    struct search s = {history, flags, {false}};
    return some_order(&s, history->initial);
}

/* --- each at its own level, by the commit order ------------------------------------------------------------- */

/* states[n] is the state after the first n commits. */
struct line {
    const struct judge_history *history;
    int64_t states[JUDGE_TXNS + 1][JUDGE_KEYS];
};

static bool relies_hold(const struct overlay *o, const int64_t state[JUDGE_KEYS]) {
    for (unsigned k = 0; k < JUDGE_KEYS; k++)
        if (o->relies[k] != UNTOUCHED && (o->relies[k] == JUDGE_ABSENT) != (state[k] == JUDGE_ABSENT)) return false;
    return true;
}

static bool overwritten_between(const struct line *line, const struct overlay *o, unsigned from, unsigned to) {
    for (unsigned n = from; n < to; n++)
        for (unsigned k = 0; k < JUDGE_KEYS; k++)
            if (o->own[k] != UNTOUCHED && (!o->added[k] || o->looked[k]) && line->states[n][k] != line->states[n + 1][k]) return true;
    return false;
}

static bool serial_at_place(const struct line *line, const struct judge_txn *txn, unsigned before, struct overlay *o) {
    enum rule rule = txn->level == VARVE_REPEATABLE_READ ? ITEMS_ONLY : WHOLE;
    if (plain_has_writes(txn)) return txn_fits(txn, line->states[before], o, rule);
    for (unsigned n = txn->commits_before; n <= before; n++)
        if (txn_fits(txn, line->states[n], o, rule)) return true;
    return false;
}

static bool snapshot_somewhere(const struct line *line, const struct judge_txn *txn, unsigned before,
                               struct overlay *o) {
    for (unsigned n = txn->commits_before; n <= before; n++)
        if (txn_fits(txn, line->states[n], o, WHOLE) && !overwritten_between(line, o, n, before) &&
            relies_hold(o, line->states[before]))
            return true;
    return false;
}

/* A scan whose rows may come from different states: each row on its own, and never a row of one's own missed. */
static bool torn_scan_fits(const struct line *line, const struct judge_op *op, struct overlay *o) {
    for (unsigned i = 0; i < op->row_count; i++) {
        struct judge_op one = *op;
        one.row_count = 1;
        one.limit = 1;
        one.rows[0] = op->rows[i];
        one.low = op->rows[i].key;
        one.high = one.low + 1;
        bool fits = false;
        for (unsigned n = op->commits_before; !fits && n <= op->commits_after; n++)
            fits = op_fits(&one, line->states[n], o, ITEMS_ONLY);
        if (!fits) return false;
    }
    return true;
}

/* The earliest state that fits leaves the most room for the statements after it, so taking it is no loss. */
static bool statement_fits(const struct line *line, const struct judge_op *op, unsigned *from, struct overlay *o) {
    if (op->kind == JUDGE_SCAN && op->torn) return torn_scan_fits(line, op, o);
    for (unsigned n = *from; n <= op->commits_after; n++) {
        struct overlay tried = *o;
        if (!op_fits(op, line->states[n], &tried, WHOLE)) continue;
        *o = tried;
        *from = n;
        return true;
    }
    return false;
}

static bool committed_statements(const struct line *line, const struct judge_txn *txn, unsigned before,
                                 struct overlay *o) {
    struct overlay saved[JUDGE_OPS];
    unsigned from = txn->commits_before;
    overlay_clear(o);
    for (unsigned i = 0; i < txn->op_count; i++) {
        if (is_mark(&txn->ops[i]))
            keep_or_restore(&txn->ops[i], i, saved, o);
        else if (!statement_fits(line, &txn->ops[i], &from, o))
            return false;
    }
    return relies_hold(o, line->states[before]);
}

static bool txn_at_level(const struct line *line, const struct judge_txn *txn, unsigned before, struct overlay *o) {
    if (txn->level <= VARVE_READ_COMMITTED) return committed_statements(line, txn, before, o);
    if (txn->level == VARVE_SNAPSHOT) return snapshot_somewhere(line, txn, before, o);
    return serial_at_place(line, txn, before, o);
}

static bool plain_positions(const struct judge_history *history, unsigned *culprit) {
    struct line line;
    line.history = history;
    memcpy(line.states[0], history->initial, sizeof history->initial);
    unsigned commits = 0;
    for (unsigned i = 0; i < history->commit_count; i++) {
        const struct judge_txn *txn = &history->txns[history->commit_order[i]];
        struct overlay o;
        *culprit = history->commit_order[i];
        if (!txn_at_level(&line, txn, commits, &o)) return false;
        if (!plain_has_writes(txn)) continue;
        memcpy(line.states[commits + 1], line.states[commits], sizeof line.states[0]);
        apply(line.states[++commits], &o);
    }
    *culprit = history->txn_count;
    return memcmp(line.states[commits], history->final, sizeof history->final) == 0;
}

#endif
