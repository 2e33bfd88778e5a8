/* oracle.c - a run of a schedule as a history for replay.h, and the verdict in words; see oracle.h.
 * SPDX-License-Identifier: MIT
 */
#include "model/oracle.h"

#include <stdio.h>
#include <string.h>

#include "model/oracle_int.h"

bool sm_tears(const struct ss_schedule *schedule, const char *scheme) {
    if (strcmp(scheme, "2pl") == 0) return true;
    for (unsigned i = 0; i < schedule->step_count; i++)
        if (schedule->steps[i].verb == SS_SWITCH && strcmp(schedule->steps[i].scheme, "2pl") == 0) return true;
    return false;
}

/* --- a run as a history ---------------------------------------------------------------------------------------------
 */

static const uint8_t kinds[SS_VERBS] = {
    [SS_GET] = SMR_GET,
    [SS_GET_FOR_UPDATE] = SMR_GET,
    [SS_HAS] = SMR_CONTAINS,
    [SS_PUT] = SMR_PUT,
    [SS_INSERT] = SMR_INSERT,
    [SS_UPDATE] = SMR_UPDATE,
    [SS_DELETE] = SMR_DELETE,
    [SS_ADD] = SMR_ADD,
    [SS_SCAN] = SMR_SCAN,
    [SS_NEXT] = SMR_SCAN,
    [SS_OPEN] = SMR_OPEN,
    [SS_DELETE_RANGE] = SMR_DELETE_RANGE,
    [SS_SAVEPOINT] = SMR_SAVEPOINT,
    [SS_ROLLBACK] = SMR_ROLLBACK,
};

/* What is left of a session's cursor, and its savepoints. */
struct place {
    bool open;
    uint8_t low, high;
    bool reverse;
    uint8_t marks;
};

static uint8_t low_end(const struct ss_range *range) { return range->low == SS_KEYS_MAX ? 0 : range->low; }

static uint8_t high_end(const struct ss_schedule *schedule, const struct ss_range *range) {
    return range->high == SS_KEYS_MAX ? (uint8_t)schedule->key_count : range->high;
}

static void open_cursor(const struct ss_schedule *schedule, const struct ss_step *step, struct place *place) {
    place->open = true;
    place->low = low_end(&step->range);
    place->high = high_end(schedule, &step->range);
    place->reverse = step->range.reverse;
}

static void take_next(const struct ss_answer *answer, struct smr_op *op, struct place *place, struct ss_row *row) {
    op->low = place->low;
    op->high = place->high;
    op->reverse = place->reverse;
    op->of_cursor = true;
    op->limit = 1;
    op->row_count = answer->status == VARVE_OK ? 1 : 0;
    op->rows = row;
    op->status = VARVE_OK;
    *row = (struct ss_row){answer->next_key, answer->value};
    if (op->row_count == 0) place->low = place->high; /* a cursor stays at its end */
    if (op->row_count == 1 && place->reverse)
        place->high = answer->next_key < place->low ? place->low : answer->next_key;
    else if (op->row_count == 1)
        place->low = answer->next_key >= place->high ? place->high : (uint8_t)(answer->next_key + 1);
}

static bool is_write(enum ss_verb verb) {
    return verb == SS_PUT || verb == SS_INSERT || verb == SS_UPDATE || verb == SS_ADD;
}

/* Fills `op`; false for what is no operation, or got no answer. */
static bool take_step(const struct ss_schedule *schedule, const struct ss_run *run, unsigned at, struct smr_op *op,
                      struct place *place, struct ss_row *row) {
    const struct ss_step *step = &schedule->steps[at];
    const struct ss_answer *answer = &run->answers[at];
    bool end = step->verb == SS_NEXT && answer->status == VARVE_END;
    if (!answer->done ||
        (answer->status != VARVE_OK && answer->status != VARVE_NOTFOUND && answer->status != VARVE_EXISTS && !end))
        return false;
    if (step->verb == SS_OPEN) open_cursor(schedule, step, place);
    if (step->verb == SS_CLOSE) place->open = false;
    if (step->verb == SS_BEGIN || step->verb >= SS_COMMIT || step->verb == SS_CLOSE) return false;
    *op = (struct smr_op){.kind = kinds[step->verb],
                          .low = step->key,
                          .high = (uint8_t)(step->key + 1),
                          .beside_cursor = place->open && step->verb != SS_GET_FOR_UPDATE,
                          .status = answer->status,
                          .value = is_write(step->verb) ? answer->written : answer->value};
    if (step->verb == SS_SCAN || step->verb == SS_DELETE_RANGE) {
        op->low = low_end(&step->range);
        op->high = high_end(schedule, &step->range);
        op->reverse = step->range.reverse;
        op->limit = step->range.limit;
        op->row_count = answer->row_count;
        op->rows = answer->rows;
    }
    if (step->verb == SS_NEXT) take_next(answer, op, place, row);
    if (step->verb == SS_SAVEPOINT) op->mark = place->marks++;
    if (step->verb == SS_ROLLBACK) op->mark = (uint8_t)(place->marks - 1);
    return true;
}

static void take_txn(const struct ss_schedule *schedule, const struct ss_run *run, unsigned number, unsigned *next_step,
                     struct sm_history *h) {
    const struct ss_txn_end *end = &run->txns[number];
    struct smr_txn *txn = &h->txns[number];
    struct place place = {0};
    unsigned first_op = h->op_count, at = *next_step;
    for (; at < schedule->step_count && schedule->steps[at].txn >= number; at++) {
        uint8_t of = schedule->steps[at].txn;
        if (of != SS_TXNS_MAX && of > number) break;
        if (of != number || !end->committed ||
            !take_step(schedule, run, at, &h->ops[h->op_count], &place, &h->next_rows[h->op_count]))
            continue;
        h->step_of[h->op_count++] = (uint8_t)at;
    }
    *next_step = at;
    *txn = (struct smr_txn){.level = end->level,
                            .committed = end->committed,
                            .begin = end->begin_event,
                            .end = end->end_event,
                            .op_count = h->op_count - first_op,
                            .ops = &h->ops[first_op]};
    txn->writes = end->committed && smr_has_writes(txn->ops, txn->op_count);
}

/* Commits with writes that had been acknowledged before an event. */
static uint8_t commits_at(const struct smr_history *h, unsigned event) {
    uint8_t count = 0;
    for (unsigned i = 0; i < h->commit_count; i++)
        count += h->txns[h->commit_order[i]].writes && h->txns[h->commit_order[i]].end < event;
    return count;
}

static void take_moments(const struct ss_run *run, bool tears, struct sm_history *h) {
    for (unsigned i = 0; i < h->history.commit_count; i++) {
        struct smr_txn *txn = &h->txns[h->history.commit_order[i]];
        txn->before = commits_at(&h->history, txn->begin);
        for (unsigned n = 0; n < txn->op_count; n++) {
            struct smr_op *op = &h->ops[txn->ops - h->ops + n];
            if (txn->level > VARVE_READ_COMMITTED && op->kind != SMR_DELETE_RANGE) continue;
            const struct ss_answer *answer = &run->answers[h->step_of[txn->ops - h->ops + n]];
            op->before = commits_at(&h->history, answer->started);
            op->after = commits_at(&h->history, answer->ended);
            op->torn = tears && (op->kind == SMR_SCAN || op->kind == SMR_DELETE_RANGE);
        }
    }
}

void sm_history_of(const struct ss_schedule *schedule, const struct ss_run *run, bool tears, struct sm_history *h) {
    unsigned next_step = 0;
    h->op_count = 0;
    for (unsigned t = 0; t < schedule->txn_count; t++) take_txn(schedule, run, t, &next_step, h);
    h->history = (struct smr_history){.key_count = schedule->key_count,
                                      .txn_count = schedule->txn_count,
                                      .commit_count = run->commit_count,
                                      .initial = schedule->initial,
                                      .final = run->final,
                                      .txns = h->txns,
                                      .commit_order = run->commit_order};
    take_moments(run, tears, h);
}

bool sm_all_at(const struct smr_history *history, varve_isolation level) {
    for (unsigned i = 0; i < history->commit_count; i++)
        if (history->txns[history->commit_order[i]].level != level) return false;
    return true;
}

/* --- verdict ---------------------------------------------------------------------------------------------------------
 */

void sm_judge(const struct ss_schedule *schedule, const struct ss_run *run, bool tears, struct sm_verdict *verdict) {
    struct sm_history h;
    struct smr_culprit culprit;
    sm_history_of(schedule, run, tears, &h);
    bool safe = smr_positions(&h.history, &culprit);
    *verdict = (struct sm_verdict){.safe = safe, .txn = SS_TXNS_MAX, .step = SS_STEPS_MAX, .key = SS_KEYS_MAX};
    verdict->serial = (safe && sm_all_at(&h.history, VARVE_SERIALIZABLE)) || smr_serializable(&h.history, SMR_STRICT);
    if (safe) return;
    verdict->reason = culprit.reason;
    if (culprit.reason == SMR_FINAL) {
        verdict->key = culprit.op;
        return;
    }
    verdict->txn = culprit.txn;
    const struct smr_txn *txn = &h.txns[culprit.txn];
    if (culprit.reason == SMR_ANSWER && culprit.op < txn->op_count)
        verdict->step = h.step_of[txn->ops - h.ops + culprit.op];
}

static const char *rule_of(varve_isolation level) {
    switch (level) {
    case VARVE_READ_UNCOMMITTED:
    case VARVE_READ_COMMITTED:
        return "at read committed a statement sees one committed state, none from before the begin or from before the "
               "statement ahead of it";
    case VARVE_REPEATABLE_READ:
        return "at repeatable read every row read, present or absent, is at the commit as it was read";
    case VARVE_SNAPSHOT: return "at snapshot all answers are of one committed state, none from before the begin";
    default: return "at serializable every answer is that of the state at the transaction's place in the commit order";
    }
}

static void answer_text(const struct ss_schedule *schedule, const struct ss_step *step, const struct ss_answer *answer,
                        char *text, size_t text_bytes) {
    size_t used = 0;
    if (step->verb == SS_SCAN) {
        used = (size_t)snprintf(text, text_bytes, "{");
        for (unsigned i = 0; i < answer->row_count && used + 48 < text_bytes; i++)
            used +=
                (size_t)snprintf(text + used, text_bytes - used, "%s%s=%lld", i > 0 ? "," : "",
                                 answer->rows[i].key < schedule->key_count ? schedule->keys[answer->rows[i].key] : "?",
                                 (long long)answer->rows[i].value);
        snprintf(text + used, text_bytes - used, "}");
    } else if (answer->status != VARVE_OK || step->verb == SS_HAS || is_write(step->verb) || step->verb == SS_DELETE) {
        snprintf(text, text_bytes, "%s", varve_status_name(answer->status));
    } else if (step->verb == SS_NEXT) {
        snprintf(text, text_bytes, "%s=%lld",
                 answer->next_key < schedule->key_count ? schedule->keys[answer->next_key] : "?",
                 (long long)answer->value);
    } else {
        snprintf(text, text_bytes, "%lld", (long long)answer->value);
    }
}

static unsigned session_of(const struct ss_schedule *schedule, unsigned txn) {
    for (unsigned i = 0; i < schedule->step_count; i++)
        if (schedule->steps[i].txn == txn) return schedule->steps[i].session;
    return 0;
}

const char *sm_explain(const struct ss_schedule *schedule, const struct ss_run *run, const struct sm_verdict *verdict,
                       char *buffer, size_t buffer_bytes) {
    char answer[160];
    varve_isolation level = verdict->txn < SS_TXNS_MAX ? run->txns[verdict->txn].level : VARVE_ISOLATION_DEFAULT;
    unsigned session = verdict->txn < SS_TXNS_MAX ? session_of(schedule, verdict->txn) + 1 : 0;
    snprintf(buffer, buffer_bytes, "%s", "");
    if (verdict->reason == SMR_ANSWER && verdict->step < SS_STEPS_MAX) {
        const struct ss_step *step = &schedule->steps[verdict->step];
        answer_text(schedule, step, &run->answers[verdict->step], answer, sizeof answer);
        snprintf(buffer, buffer_bytes, "s%u.%u `%s` answered %s: %s", session, step->number + 1u, step->text, answer,
                 rule_of(level));
    } else if (verdict->reason == SMR_OVERWRITTEN) {
        snprintf(buffer, buffer_bytes,
                 "s%u committed a write of a row that another transaction had changed since its snapshot: at snapshot "
                 "the first committer wins",
                 session);
    } else if (verdict->reason == SMR_PRESENCE) {
        snprintf(
            buffer, buffer_bytes,
            "s%u committed an insert, update or delete though the presence it relied on was no longer so: at every "
            "level it is looked at again",
            session);
    } else if (verdict->reason == SMR_FINAL) {
        int64_t value = run->final[verdict->key];
        int used = snprintf(buffer, buffer_bytes, "the rows at the end are not what the commits give: %s is ",
                            schedule->keys[verdict->key]);
        if (used > 0 && (size_t)used < buffer_bytes)
            snprintf(buffer + used, buffer_bytes - (size_t)used, value == SS_ABSENT ? "absent" : "%lld",
                     (long long)value);
    } else if (!verdict->safe) {
        snprintf(buffer, buffer_bytes, "s%u does not fit its level: %s", session, rule_of(level));
    }
    return buffer;
}
