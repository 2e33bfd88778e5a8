/* evaluate.c - expressions, guards and the conditions of an anomaly, over what a run has answered so far.
 *
 * Arithmetic stops at 2^62 on either side, so that no value is ever SS_ABSENT.
 *
 * SPDX-License-Identifier: MIT
 */
#include "schedule/schedule.h"

#define VALUE_MOST (INT64_C(1) << 62)

/* A number for the key was read by this answer: its value, 0 where it was seen to be absent. */
static bool read_by(const struct ss_step *step, const struct ss_answer *answer, unsigned key, int64_t *value) {
    if (step->verb == SS_GET || step->verb == SS_GET_FOR_UPDATE) {
        *value = answer->value == SS_ABSENT || answer->status == VARVE_NOTFOUND ? 0 : answer->value;
        return step->key == key && (answer->status == VARVE_OK || answer->status == VARVE_NOTFOUND);
    }
    if (answer->status != VARVE_OK) return false;
    if (step->verb == SS_NEXT) {
        *value = answer->value;
        return answer->value != SS_ABSENT && answer->next_key == key;
    }
    if (step->verb != SS_SCAN) return false;
    for (unsigned i = 0; i < answer->row_count; i++) {
        if (answer->rows[i].key != key) continue;
        *value = answer->rows[i].value;
        return true;
    }
    bool inside = (step->range.low == SS_KEYS_MAX || step->range.low <= key) && key < step->range.high;
    bool stopped = step->range.limit > 0 && answer->row_count == step->range.limit;
    if (stopped && inside) {
        unsigned last = answer->rows[answer->row_count - 1].key;
        inside = step->range.reverse ? key > last : key < last;
    }
    *value = 0;
    return inside;
}

static int64_t last_read(const struct ss_schedule *schedule, const struct ss_run *run, unsigned step, unsigned key) {
    int64_t value = 0;
    for (unsigned i = step; i-- > schedule->first_step[schedule->steps[step].session];)
        if (run->answers[i].done && read_by(&schedule->steps[i], &run->answers[i], key, &value)) return value;
    return 0;
}

static int64_t clamped(int64_t value) {
    return value > VALUE_MOST ? VALUE_MOST : value < -VALUE_MOST ? -VALUE_MOST : value;
}

static int64_t of_last_scan(const struct ss_schedule *schedule, const struct ss_run *run, unsigned step, bool sum) {
    for (unsigned i = step; i-- > schedule->first_step[schedule->steps[step].session];) {
        const struct ss_answer *answer = &run->answers[i];
        if (schedule->steps[i].verb != SS_SCAN || !answer->done || answer->status != VARVE_OK) continue;
        int64_t total = 0;
        for (unsigned r = 0; r < answer->row_count; r++) total = clamped(total + clamped(answer->rows[r].value));
        return sum ? total : answer->row_count;
    }
    return 0;
}

static int64_t times(int64_t a, int64_t b) {
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product)) return (a < 0) == (b < 0) ? VALUE_MOST : -VALUE_MOST;
    return clamped(product);
}

int64_t ss_evaluate(const struct ss_schedule *schedule, const struct ss_run *run, unsigned step,
                    const struct ss_expression *expression) {
    int64_t stack[SS_TERMS_MAX + 1];
    unsigned depth = 0;
    for (unsigned i = 0; i < expression->count; i++) {
        const struct ss_term *term = &expression->terms[i];
        switch (term->kind) {
        case SS_NUMBER: stack[depth++] = term->number; continue;
        case SS_READ_OF: stack[depth++] = clamped(last_read(schedule, run, step, term->key)); continue;
        case SS_SUM:
        case SS_COUNT: stack[depth++] = of_last_scan(schedule, run, step, term->kind == SS_SUM); continue;
        default: break;
        }
        int64_t right = stack[--depth], left = stack[depth - 1];
        stack[depth - 1] = term->kind == SS_TIMES  ? times(left, right)
                           : term->kind == SS_PLUS ? clamped(left + right)
                                                   : clamped(left - right);
    }
    return depth == 0 ? 0 : stack[0];
}

bool ss_guard_holds(const struct ss_schedule *schedule, const struct ss_run *run, unsigned step) {
    const struct ss_step *at = &schedule->steps[step];
    if (at->guard == SS_ALWAYS) return true;
    int64_t left = ss_evaluate(schedule, run, step, &at->guard_left);
    int64_t right = ss_evaluate(schedule, run, step, &at->guard_right);
    switch (at->guard) {
    case SS_EQ: return left == right;
    case SS_NE: return left != right;
    case SS_LT: return left < right;
    case SS_LE: return left <= right;
    case SS_GT: return left > right;
    default: return left >= right;
    }
}

/* --- the anomaly
 * ------------------------------------------------------------------------------------------------------ */

static bool answered_so(const struct ss_condition *condition, enum ss_verb verb, const struct ss_answer *answer) {
    if (!answer->done) return false;
    if (condition->is_status) return answer->status == condition->status;
    if (condition->is_rows && verb == SS_NEXT) {
        bool row = answer->status == VARVE_OK && answer->value != SS_ABSENT;
        if (!row || condition->row_count == 0)
            return !row && condition->row_count == 0 && (answer->status == VARVE_OK || answer->status == VARVE_END);
        return answer->next_key == condition->rows[0].key && answer->value == condition->rows[0].value;
    }
    if (condition->is_rows) {
        if (answer->status != VARVE_OK || answer->row_count != condition->row_count) return false;
        for (unsigned i = 0; i < condition->row_count; i++)
            if (answer->rows[i].key != condition->rows[i].key || answer->rows[i].value != condition->rows[i].value)
                return false;
        return true;
    }
    if (condition->value == SS_ABSENT)
        return answer->status == VARVE_NOTFOUND || answer->status == VARVE_END ||
               (answer->status == VARVE_OK && answer->value == SS_ABSENT);
    return answer->status == VARVE_OK && answer->value == condition->value;
}

static bool ended_so(const struct ss_run *run, unsigned txn, bool committed) {
    return run->txns[txn].begun && run->txns[txn].committed == committed;
}

/* Every transaction of the session, or of all of them (SS_SESSIONS_MAX), ended so. */
static bool all_ended_so(const struct ss_schedule *schedule, const struct ss_run *run, unsigned session,
                         bool committed) {
    for (unsigned i = 0; i < schedule->step_count; i++) {
        const struct ss_step *step = &schedule->steps[i];
        if (step->txn == SS_TXNS_MAX || (session != SS_SESSIONS_MAX && step->session != session)) continue;
        if (!ended_so(run, step->txn, committed)) return false;
    }
    return true;
}

static bool holds(const struct ss_schedule *schedule, const struct ss_run *run, const struct ss_condition *condition,
                  bool unserial) {
    switch (condition->kind) {
    case SS_ANSWER:
        return answered_so(condition, schedule->steps[condition->step].verb, &run->answers[condition->step]);
    case SS_COMMITTED:
    case SS_ABORTED:
        if (condition->step == SS_STEPS_MAX)
            return all_ended_so(schedule, run, condition->session, condition->kind == SS_COMMITTED);
        return ended_so(run, schedule->steps[condition->step].txn, condition->kind == SS_COMMITTED);
    case SS_ALL_COMMIT: return all_ended_so(schedule, run, SS_SESSIONS_MAX, true);
    case SS_FINAL: return run->final[condition->key] == condition->value;
    default: return unserial;
    }
}

bool ss_is_anomaly(const struct ss_schedule *schedule, const struct ss_run *run, bool unserial) {
    if (schedule->condition_count == 0) return unserial;
    for (unsigned i = 0; i < schedule->condition_count; i++)
        if (holds(schedule, run, &schedule->conditions[i], unserial) == schedule->conditions[i].negated) return false;
    return true;
}
