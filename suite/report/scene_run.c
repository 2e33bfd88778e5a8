/* scene_run.c - a scene from a run of a schedule: every step that was carried out, in the order of its events.
 *
 * A step that waited has two rows, the call and its answer, and a bar between them. A transaction that ended without a
 * commit or abort of its own (refused, or lost in a crash) gets its end where it was refused.
 *
 * Invariant: a place orders rows as the run's event numbers do; at one event a begin comes first and an end last.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/scene.h"
#include "report/scene_int.h"

enum { AT_BEGIN, AT_ANSWER, AT_STEP, AT_END, PLACES_MAX = 2 * SS_STEPS_MAX + 2 * SS_TXNS_MAX, NO_STEP = -1 };

struct place {
    unsigned event;
    int order; /* AT_BEGIN .. AT_END, at one event */
    int txn;   /* SS_TXNS_MAX: the engine's */
    int step;  /* NO_STEP: of the transaction itself */
};

struct maker {
    const struct ss_schedule *schedule;
    const struct ss_run *run;
    struct sc_scene *scene;
    struct place places[PLACES_MAX];
    int place_count;
    int box[SS_TXNS_MAX + 1];     /* its box, SC_NONE */
    int call_row[SS_STEPS_MAX];   /* SC_NONE */
    int answer_row[SS_STEPS_MAX]; /* SC_NONE */
};

/* --- words
 * ------------------------------------------------------------------------------------------------------------ */

static const char *key_name(const struct ss_schedule *s, unsigned key) {
    return key < s->key_count ? s->keys[key] : "";
}

static void append_range(const struct ss_schedule *s, const struct ss_range *range, char *text) {
    sc_append(text, SC_TEXT_BYTES, "[%s,%s)%s", range->low < SS_KEYS_MAX ? key_name(s, range->low) : "",
              range->high < SS_KEYS_MAX ? key_name(s, range->high) : "", range->reverse ? " backwards" : "");
    if (range->limit) sc_append(text, SC_TEXT_BYTES, " limit %u", range->limit);
}

static const char *verb_word(enum ss_verb verb) {
    switch (verb) {
    case SS_GET: return "read ";
    case SS_GET_FOR_UPDATE: return "lock ";
    case SS_HAS: return "has ";
    case SS_PUT: return "write ";
    case SS_INSERT: return "insert ";
    case SS_UPDATE: return "update ";
    case SS_DELETE: return "delete ";
    case SS_ADD: return "add to ";
    case SS_SCAN: return "scan ";
    case SS_DELETE_RANGE: return "delete ";
    case SS_OPEN: return "cursor ";
    case SS_NEXT: return "next";
    case SS_CLOSE: return "close cursor";
    case SS_SAVEPOINT: return "savepoint";
    case SS_ROLLBACK: return "roll back to savepoint";
    case SS_COMMIT: return "commit";
    case SS_ABORT: return "abort";
    case SS_GC: return "old versions are collected";
    case SS_CHECKPOINT: return "checkpoint";
    case SS_SPLIT: return "leaves are split";
    case SS_CRASH: return "crash, and recovery";
    case SS_SWITCH: return "switch to ";
    default: return "";
    }
}

/* What is called. */
static void append_call(const struct ss_schedule *s, const struct ss_run *run, unsigned step, char *text) {
    const struct ss_step *called = &s->steps[step];
    sc_append(text, SC_TEXT_BYTES, "%s", verb_word(called->verb));
    switch (called->verb) {
    case SS_SCAN:
    case SS_DELETE_RANGE:
    case SS_OPEN: append_range(s, &called->range, text); break;
    case SS_SWITCH: sc_append(text, SC_TEXT_BYTES, "%s", called->scheme); break;
    case SS_PUT:
    case SS_INSERT:
    case SS_UPDATE:
        sc_append(text, SC_TEXT_BYTES, "%s = ", key_name(s, called->key));
        sc_append_value(text, SC_TEXT_BYTES, run->answers[step].written);
        break;
    case SS_GET:
    case SS_GET_FOR_UPDATE:
    case SS_HAS:
    case SS_DELETE:
    case SS_ADD: sc_append(text, SC_TEXT_BYTES, "%s", key_name(s, called->key)); break;
    default: break;
    }
}

static void append_rows(const struct ss_schedule *s, const struct ss_answer *answer, char *text) {
    sc_append(text, SC_TEXT_BYTES, "{");
    for (unsigned i = 0; i < answer->row_count && i < SS_ROWS_MAX; i++)
        sc_append(text, SC_TEXT_BYTES, "%s%s=%" PRId64, i ? ", " : "", key_name(s, answer->rows[i].key),
                  answer->rows[i].value);
    sc_append(text, SC_TEXT_BYTES, "}");
}

static bool is_refusal(int status) {
    return status != VARVE_OK && status != VARVE_NOTFOUND && status != VARVE_EXISTS && status != VARVE_END;
}

/* What was answered; nothing for a write that simply went well. */
static void append_answer(const struct ss_schedule *s, const struct ss_run *run, unsigned step, char *text) {
    const struct ss_step *called = &s->steps[step];
    const struct ss_answer *answer = &run->answers[step];
    bool read = called->verb == SS_GET || called->verb == SS_GET_FOR_UPDATE;
    if (is_refusal(answer->status)) {
        sc_append(text, SC_TEXT_BYTES, ": %s", sc_status_name(answer->status));
    } else if (read) {
        sc_append(text, SC_TEXT_BYTES, " = ");
        sc_append_value(text, SC_TEXT_BYTES, answer->value);
    } else if (called->verb == SS_HAS) {
        sc_append(text, SC_TEXT_BYTES, answer->value == SS_ABSENT ? " = no" : " = yes");
    } else if (called->verb == SS_SCAN) {
        sc_append(text, SC_TEXT_BYTES, " = ");
        append_rows(s, answer, text);
    } else if (called->verb == SS_NEXT && answer->status == VARVE_OK) {
        sc_append(text, SC_TEXT_BYTES, ": %s=%" PRId64, key_name(s, answer->next_key), answer->value);
    } else if (called->verb == SS_DELETE_RANGE) {
        sc_append(text, SC_TEXT_BYTES, " = %" PRId64 " row%s", answer->value, answer->value == 1 ? "" : "s");
    } else if (called->verb == SS_ADD) {
        sc_append(text, SC_TEXT_BYTES, " = %" PRId64, answer->written);
    } else if (answer->status != VARVE_OK) {
        sc_append(text, SC_TEXT_BYTES, ": %s", sc_status_name(answer->status));
    }
}

static void state_text(const struct ss_schedule *s, const int64_t *values, const char *when, char *text) {
    bool any = false;
    sc_append(text, SC_TEXT_BYTES, "%s: ", when);
    for (unsigned k = 0; k < s->key_count; k++)
        if (values[k] != SS_ABSENT) {
            sc_append(text, SC_TEXT_BYTES, "%s%s=%" PRId64, any ? ", " : "", s->keys[k], values[k]);
            any = true;
        }
    if (!any) sc_append(text, SC_TEXT_BYTES, "no rows");
}

/* --- places
 * ------------------------------------------------------------------------------------------------------------ */

static void put(struct maker *m, unsigned event, int order, int txn, int step) {
    if (m->place_count < PLACES_MAX) m->places[m->place_count++] = (struct place){event, order, txn, step};
}

/* Something else happened between the call and its answer. */
static bool has_waited(const struct ss_schedule *s, const struct ss_run *run, unsigned step) {
    const struct ss_answer *answer = &run->answers[step];
    for (unsigned i = 0; i < s->step_count; i++) {
        const struct ss_answer *other = &run->answers[i];
        if (i != step && other->done &&
            ((other->started > answer->started && other->started < answer->ended) ||
             (other->ended > answer->started && other->ended < answer->ended)))
            return answer->waited || other->waited;
    }
    return false;
}

static bool ends_txn(enum ss_verb verb) { return verb == SS_COMMIT || verb == SS_ABORT; }

static void put_step(struct maker *m, unsigned step) {
    const struct ss_step *called = &m->schedule->steps[step];
    const struct ss_answer *answer = &m->run->answers[step];
    if (answer->stuck && !answer->done) { /* it waits to this day */
        put(m, answer->started, AT_STEP, called->txn, (int)step);
        return;
    }
    if (!answer->done || called->verb == SS_BEGIN) return;
    bool waited = has_waited(m->schedule, m->run, step), ends = ends_txn(called->verb);
    if (!ends || waited) put(m, answer->started, AT_STEP, called->txn, (int)step);
    if (ends)
        put(m, answer->ended, AT_END, called->txn, (int)step);
    else if (waited)
        put(m, answer->ended, AT_ANSWER, called->txn, (int)step);
}

/* Begin and, where no step of its own ended it, the end. */
static void put_txn(struct maker *m, unsigned txn) {
    const struct ss_schedule *s = m->schedule;
    const struct ss_txn_end *end = &m->run->txns[txn];
    unsigned first = end->begin_event, last = end->end_event;
    bool ended = false;
    for (unsigned i = 0; i < s->step_count; i++) {
        const struct ss_answer *answer = &m->run->answers[i];
        if (s->steps[i].txn != txn || !(answer->done || answer->stuck)) continue;
        if (!first || answer->started < first) first = answer->started;
        if (answer->ended > last) last = answer->ended;
        ended |= answer->done && ends_txn(s->steps[i].verb);
    }
    if (!end->begun && !last) return;
    put(m, first, AT_BEGIN, (int)txn, NO_STEP);
    if (!ended && (end->committed || end->status != VARVE_OK)) put(m, last, AT_END, (int)txn, NO_STEP);
}

static int place_order(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->event != y->event) return x->event < y->event ? -1 : 1;
    return x->order != y->order ? x->order - y->order : x->step - y->step;
}

/* --- rows
 * ---------------------------------------------------------------------------------------------------------------- */

static void end_row(const struct maker *m, const struct place *place, struct sc_row *row) {
    const struct ss_txn_end *end = &m->run->txns[place->txn];
    bool asked = place->step != NO_STEP && m->schedule->steps[place->step].verb == SS_ABORT;
    row->refused = !end->committed && !asked;
    if (end->committed)
        sc_append(row->text, SC_TEXT_BYTES, "commit");
    else if (asked)
        sc_append(row->text, SC_TEXT_BYTES, "abort");
    else if (end->reason)
        sc_append(row->text, SC_TEXT_BYTES, "%s: %s", place->step == NO_STEP ? "abort" : "commit",
                  sc_reason_name(end->reason));
    else
        sc_append(row->text, SC_TEXT_BYTES, "%s: %s", place->step == NO_STEP ? "abort" : "commit",
                  sc_status_name(end->status));
}

/* The answer of a step that waited. */
static void answer_text(const struct maker *m, unsigned step, char *text) {
    if (is_refusal(m->run->answers[step].status)) {
        sc_append(text, SC_TEXT_BYTES, "%s", sc_status_name(m->run->answers[step].status));
        return;
    }
    sc_append(text, SC_TEXT_BYTES, "\u2026");
    append_answer(m->schedule, m->run, step, text);
    if (strlen(text) <= strlen("\u2026")) sc_append(text, SC_TEXT_BYTES, " done");
}

static int add_place(struct maker *m, const struct place *place) {
    bool engine = place->txn >= SS_TXNS_MAX;
    struct sc_row row = {.box = engine ? SC_NONE : m->box[place->txn], .wait_end = SC_NONE, .kind = SC_STEP};
    int index = m->scene->row_count;
    const struct ss_answer *answer = place->step == NO_STEP ? NULL : &m->run->answers[place->step];
    if (engine) {
        row.kind = SC_ENGINE;
        append_call(m->schedule, m->run, (unsigned)place->step, row.text);
    } else if (place->order == AT_BEGIN) {
        row.kind = SC_BEGIN;
    } else if (place->order == AT_END) {
        row.kind = SC_END;
        end_row(m, place, &row);
    } else if (place->order == AT_ANSWER) {
        row.kind = SC_ANSWER;
        row.refused = is_refusal(answer->status);
        answer_text(m, (unsigned)place->step, row.text);
    } else {
        append_call(m->schedule, m->run, (unsigned)place->step, row.text);
        m->call_row[place->step] = index;
        if (answer->done && !ends_txn(m->schedule->steps[place->step].verb) &&
            !has_waited(m->schedule, m->run, (unsigned)place->step)) {
            row.refused = is_refusal(answer->status);
            append_answer(m->schedule, m->run, (unsigned)place->step, row.text);
        }
    }
    if (place->step != NO_STEP) m->answer_row[place->step] = index;
    return sc_row_add(m->scene, &row, NULL);
}

/* Bars: from the call to the answer, or to the last row of what waits to this day. */
static void set_waits(struct maker *m) {
    for (unsigned i = 0; i < m->schedule->step_count; i++) {
        int call = m->call_row[i], answer = m->answer_row[i];
        if (call == SC_NONE) continue;
        if (answer > call)
            m->scene->rows[call].wait_end = answer;
        else if (m->run->answers[i].stuck)
            m->scene->rows[call].wait_end = m->scene->row_count;
    }
}

static int add_boxes(struct maker *m) {
    for (int i = 0; i < m->place_count; i++) {
        const struct place *place = &m->places[i];
        if (place->order != AT_BEGIN) continue;
        const struct ss_txn_end *end = &m->run->txns[place->txn];
        struct sc_box box = {.outcome = end->committed            ? SC_COMMITTED
                                        : end->status != VARVE_OK ? SC_ABORTED
                                                                  : SC_UNFINISHED};
        snprintf(box.name, sizeof box.name, "T%d", place->txn + 1);
        sc_append(box.note, sizeof box.note, "%s", sc_level_name(end->level));
        for (unsigned k = 0; k < m->schedule->step_count; k++)
            if (m->schedule->steps[k].txn == place->txn) {
                box.lane = m->schedule->steps[k].session;
                if (m->schedule->steps[k].verb == SS_ABORT && m->run->answers[k].done) box.outcome = SC_ABORTED;
            }
        int status = sc_box_add(m->scene, &box, &m->box[place->txn]);
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

static int make(struct maker *m) {
    const struct ss_schedule *s = m->schedule;
    for (unsigned t = 0; t < s->txn_count && t < SS_TXNS_MAX; t++) put_txn(m, t);
    for (unsigned i = 0; i < s->step_count; i++) put_step(m, i);
    qsort(m->places, (size_t)m->place_count, sizeof *m->places, place_order);
    int status = sc_lanes_set(m->scene, (int)s->session_count);
    for (unsigned i = 0; i < s->session_count && status == VARVE_OK; i++)
        snprintf(m->scene->lanes[i], sizeof *m->scene->lanes, "session %u", i + 1);
    if (status == VARVE_OK) status = add_boxes(m);
    for (int i = 0; i < m->place_count && status == VARVE_OK; i++) status = add_place(m, &m->places[i]);
    if (status != VARVE_OK) return status;
    set_waits(m);
    sc_bounds(m->scene);
    for (int b = 0; b < m->scene->box_count; b++) /* what waits to this day is drawn to the end */
        for (int r = 0; r < m->scene->row_count; r++)
            if (m->scene->rows[r].box == b && m->scene->rows[r].wait_end >= m->scene->row_count)
                m->scene->boxes[b].last_row = m->scene->row_count - 1;
    return sc_run_edges(m->scene, s, m->run, m->answer_row);
}

int sc_from_run(struct sc_scene *scene, const struct ss_schedule *schedule, const struct ss_run *run,
                const char *title) {
    memset(scene, 0, sizeof *scene);
    struct maker *m = calloc(1, sizeof *m);
    if (!m) return VARVE_NOMEM;
    m->schedule = schedule;
    m->run = run;
    m->scene = scene;
    for (int i = 0; i <= SS_TXNS_MAX; i++) m->box[i] = SC_NONE;
    for (int i = 0; i < SS_STEPS_MAX; i++) m->call_row[i] = m->answer_row[i] = SC_NONE;
    snprintf(scene->title, sizeof scene->title, "%s", title ? title : schedule->name);
    state_text(schedule, schedule->initial, "at the start", scene->before);
    state_text(schedule, run->final, "at the end", scene->after);
    snprintf(scene->proof, sizeof scene->proof, "%s", run->note);
    int status = make(m);
    free(m);
    if (status != VARVE_OK) sc_release(scene);
    return status;
}
