/* history.c - the last run as a history with stamps: what the engine said of versions, beside what it answered.
 *
 * The initial rows are a transaction of their own, in a session after all others and before all in time. Times are the
 * run's events. Steps that were not carried out, were refused or stood for no read or write leave no operation.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "step/step_int.h"

struct maker {
    const struct st_stage *stage;
    const struct ss_schedule *schedule;
    const struct ss_run *run;
    struct hs_history *history;
    uint32_t keys[SS_KEYS_MAX];
    unsigned txn_first[SS_TXNS_MAX]; /* the first step of each transaction */
};

static int add_keys(struct maker *m) {
    for (unsigned k = 0; k < m->schedule->key_count; k++) {
        int status = hs_key(m->history, m->schedule->keys[k], strlen(m->schedule->keys[k]), &m->keys[k]);
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

static int add_initial(struct maker *m) {
    struct hs_txn txn = {.begin = 0,
                         .end = 0,
                         .snapshot = HS_NO_STAMP,
                         .cts = m->stage->setup_cts,
                         .session = SS_SESSIONS_MAX,
                         .level = VARVE_SERIALIZABLE,
                         .outcome = HS_COMMITTED};
    int status = hs_txn_add(m->history, &txn);
    for (unsigned k = 0; k < m->schedule->key_count && status == VARVE_OK; k++) {
        if (m->schedule->initial[k] == SS_ABSENT) continue;
        struct hs_op op = {.key = m->keys[k], .kind = HS_WRITE, .value = m->schedule->initial[k]};
        status = hs_op_add(m->history, &op);
    }
    return status;
}

/* The operation index, within its transaction, of its last write to a key before operation `before`. */
static uint64_t own_version(const struct maker *m, uint32_t key) {
    const struct hs_txn *txn = &m->history->txns[m->history->txn_count - 1];
    for (uint64_t i = m->history->op_count; i-- > txn->first_op;) {
        const struct hs_op *op = &m->history->ops[i];
        if (op->key == key && (op->kind == HS_WRITE || op->kind == HS_DELETE) &&
            (op->flags & (HS_FAILED | HS_ROLLED_BACK)) == 0)
            return i - txn->first_op;
    }
    return 0;
}

/* A read or row: its version is the writer's stamp or the index of the own write. */
static struct hs_op read_op(const struct maker *m, enum hs_kind kind, unsigned key, uint64_t version, bool own) {
    struct hs_op op = {.key = m->keys[key], .kind = (uint8_t)kind, .version = version};
    if (!own) return op;
    op.flags = HS_OWN;
    op.version = own_version(m, m->keys[key]);
    return op;
}

/* Rows of one cursor are one statement: that of its opening. */
static uint16_t statement_of(const struct maker *m, unsigned index) {
    const struct ss_step *steps = m->schedule->steps;
    unsigned at = index;
    if (steps[index].verb == SS_NEXT)
        while (at > m->schedule->first_step[steps[index].session] && steps[at].verb != SS_OPEN) at--;
    return steps[at].number;
}

static int add_read(struct maker *m, unsigned index, const struct ss_step *step, const struct ss_answer *answer) {
    const struct st_witness *seen = &m->stage->witness[index];
    unsigned key = step->verb == SS_NEXT ? answer->next_key : step->key;
    if (key >= m->schedule->key_count) return VARVE_OK; /* the end of a cursor */
    struct hs_op op = read_op(m, step->verb == SS_HAS ? HS_EXISTS : HS_READ, key, seen->version, seen->own);
    op.value = answer->value;
    op.statement = statement_of(m, index);
    if (step->verb == SS_GET_FOR_UPDATE) op.flags |= HS_FOR_UPDATE;
    return hs_op_add(m->history, &op);
}

static int add_scan(struct maker *m, unsigned index, const struct ss_step *step, const struct ss_answer *answer) {
    const struct st_witness *seen = &m->stage->witness[index];
    struct hs_range range = {.low = step->range.low < SS_KEYS_MAX ? m->keys[step->range.low] : HS_OPEN,
                             .high = step->range.high < SS_KEYS_MAX ? m->keys[step->range.high] : HS_OPEN,
                             .flags = step->range.reverse ? HS_REVERSE : 0};
    bool stopped = step->range.limit != 0 && answer->row_count == step->range.limit;
    if (stopped) { /* it has seen nothing beyond its last row */
        uint32_t last = m->keys[answer->rows[answer->row_count - 1].key % SS_KEYS_MAX];
        if (step->range.reverse)
            range.low = last;
        else
            range.high = last, range.flags |= HS_HIGH_INCLUSIVE;
    }
    struct hs_op scan = {.kind = HS_SCAN, .value = answer->row_count, .statement = step->number};
    int status = hs_range_add(m->history, &range, &scan.key);
    if (status == VARVE_OK) status = hs_op_add(m->history, &scan);
    for (unsigned i = 0; i < answer->row_count && status == VARVE_OK; i++) {
        unsigned key = answer->rows[i].key;
        if (key >= m->schedule->key_count) return VARVE_INVALID;
        struct hs_op op = read_op(m, HS_ROW, key, seen->rows[i], seen->own_rows[i]);
        op.value = answer->rows[i].value;
        op.statement = step->number;
        status = hs_op_add(m->history, &op);
    }
    return status;
}

static int add_write(struct maker *m, unsigned index, const struct ss_step *step, const struct ss_answer *answer) {
    struct hs_op op = {.key = m->keys[step->key],
                       .kind = step->verb == SS_DELETE ? HS_DELETE : HS_WRITE,
                       .statement = step->number,
                       .value = step->verb == SS_DELETE ? HS_ABSENT : answer->written};
    if (step->verb == SS_ADD) op.flags |= HS_ADDITION;
    if (step->verb == SS_INSERT) op.flags |= HS_NEEDS_ABSENT;
    if (step->verb == SS_UPDATE || step->verb == SS_DELETE) op.flags |= HS_NEEDS_PRESENT;
    if (m->stage->witness[index].undone) op.flags |= HS_ROLLED_BACK;
    if (answer->status != VARVE_OK) op.flags |= HS_FAILED;
    return hs_op_add(m->history, &op);
}

static int add_step(struct maker *m, unsigned index) {
    const struct ss_step *step = &m->schedule->steps[index];
    const struct ss_answer *answer = &m->run->answers[index];
    bool answered = answer->status == VARVE_OK || answer->status == VARVE_NOTFOUND || answer->status == VARVE_EXISTS;
    if (!answer->done || !answered) return VARVE_OK;
    switch (step->verb) {
    case SS_GET:
    case SS_GET_FOR_UPDATE:
    case SS_HAS:
    case SS_NEXT: return add_read(m, index, step, answer);
    case SS_SCAN: return add_scan(m, index, step, answer);
    case SS_PUT:
    case SS_INSERT:
    case SS_UPDATE:
    case SS_ADD:
    case SS_DELETE: return add_write(m, index, step, answer);
    default: return VARVE_OK;
    }
}

static int add_txn(struct maker *m, unsigned number) {
    const struct ss_txn_end *end = &m->run->txns[number];
    const struct st_txn_witness *seen = &m->stage->txn_witness[number];
    unsigned first = m->txn_first[number];
    struct hs_txn txn = {.begin = end->begin_event,
                         .end = end->end_event,
                         .snapshot = seen->snapshot,
                         .cts = seen->cts,
                         .session = m->schedule->steps[first].session,
                         .level = (uint8_t)end->level,
                         .outcome = end->committed ? HS_COMMITTED : HS_ABORTED,
                         .reason = end->reason,
                         .flags = (uint8_t)((seen->read_only ? HS_READ_ONLY : 0) | (seen->torn ? HS_TORN : 0))};
    int status = hs_txn_add(m->history, &txn);
    for (unsigned i = first; i < m->schedule->step_count && status == VARVE_OK; i++)
        if (m->schedule->steps[i].txn == number) status = add_step(m, i);
    return status;
}

/* Steps that have no counterpart in a history. */
static const struct ss_step *stranger(const struct maker *m) {
    for (unsigned i = 0; i < m->schedule->step_count; i++) {
        enum ss_verb verb = m->schedule->steps[i].verb;
        if (m->run->answers[i].done && (verb == SS_DELETE_RANGE || verb == SS_CRASH))
            return &m->schedule->steps[i];
    }
    return NULL;
}

static int make(struct maker *m, struct hs_problem *problem) {
    const struct ss_step *strange = stranger(m);
    if (strange != NULL) {
        snprintf(problem->text, sizeof problem->text, "a history cannot hold '%s'", ss_verb_name(strange->verb));
        problem->line = strange->line;
        return VARVE_INVALID;
    }
    int status = add_keys(m);
    if (status == VARVE_OK) status = add_initial(m);
    for (unsigned i = m->schedule->step_count; i-- > 0;)
        if (m->schedule->steps[i].txn < SS_TXNS_MAX) m->txn_first[m->schedule->steps[i].txn] = i;
    for (unsigned t = 0; t < m->schedule->txn_count && status == VARVE_OK; t++)
        if (m->run->txns[t].begun) status = add_txn(m, t);
    return status == VARVE_OK ? hs_finish(m->history, problem) : status;
}

int st_history(const struct st_stage *stage, const struct ss_schedule *schedule, const struct ss_run *run,
               struct hs_history *history, struct hs_problem *problem) {
    hs_init(history);
    history->stamps = history->timed = history->by_session = true;
    problem->line = 0;
    problem->text[0] = 0;
    struct maker maker = {.stage = stage, .schedule = schedule, .run = run, .history = history};
    int status = make(&maker, problem);
    if (status != VARVE_OK) hs_release(history);
    return status;
}
