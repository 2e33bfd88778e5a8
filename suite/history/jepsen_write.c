/* jepsen_write.c - Jepsen's operations, writing, one map a line.
 *
 * A history with times becomes invokes and their ends in the order of time; of two at one time the invoke comes first,
 * so that what overlapped still overlaps. One without times becomes ends alone. A transaction of unknown outcome
 * without an end is told right behind its invoke. Where session order is not known, every transaction is a process of
 * its own.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdlib.h>

#include "history/history_int.h"

struct event {
    uint64_t time;
    uint32_t txn;
    bool end;
};
struct writer {
    FILE *out;
    bool edn;
    const struct hs_history *history;
    struct hs_problem *problem;
    uint64_t index;
    uint32_t *sessions; /* sorted, each once */
    uint32_t *open;     /* [session_count] the transaction that is open there + 1 */
    size_t session_count;
};

/* --- one map ------------------------------------------------------------------------------------------------------ */

static void write_key(struct writer *w, uint32_t id) {
    varve_slice key = hs_key_bytes(w->history, id);
    uint64_t number;
    if (hs_key_number(w->history, id, &number))
        fprintf(w->out, "%" PRIu64, number);
    else
        hs_write_string(w->out, key);
}

static void write_elements(struct writer *w, const struct hs_op *op) {
    putc('[', w->out);
    for (int64_t i = 0; i < op->value; i++)
        fprintf(w->out, "%s%" PRId64, i == 0 ? "" : w->edn ? " " : ",", w->history->lists[op->version + (uint64_t)i]);
    putc(']', w->out);
}

static void write_micro(struct writer *w, const struct hs_op *op, bool answered) {
    bool read = op->kind == HS_READ || op->kind == HS_LIST;
    const char *verb = read ? "r" : op->kind == HS_WRITE ? "w" : "append", *gap = w->edn ? " " : ",";
    fprintf(w->out, w->edn ? "[:%s " : "[\"%s\",", verb);
    write_key(w, op->key);
    fputs(gap, w->out);
    if ((read && !answered) || op->value == HS_ABSENT)
        fputs(w->edn ? "nil" : "null", w->out);
    else if (op->kind == HS_LIST)
        write_elements(w, op);
    else
        fprintf(w->out, "%" PRId64, op->value);
    putc(']', w->out);
}

static void write_map(struct writer *w, uint32_t t, const char *type, uint64_t time, bool answered) {
    const struct hs_txn *txn = &w->history->txns[t];
    uint32_t process = w->history->by_session ? txn->session : t;
    fprintf(w->out,
            w->edn ? "{:index %" PRIu64 ", :type :%s, :f :txn, :process %" PRIu32
                   : "{\"index\":%" PRIu64 ",\"type\":\"%s\",\"f\":\"txn\",\"process\":%" PRIu32,
            w->index++, type, process);
    if (w->history->timed) fprintf(w->out, w->edn ? ", :time %" PRIu64 : ",\"time\":%" PRIu64, time);
    fputs(w->edn ? ", :value [" : ",\"value\":[", w->out);
    for (uint32_t i = 0; i < txn->op_count; i++) {
        if (i != 0) putc(w->edn ? ' ' : ',', w->out);
        write_micro(w, &w->history->ops[txn->first_op + i], answered);
    }
    fputs("]}\n", w->out);
}

static const char *type_of(const struct hs_txn *txn) {
    return txn->outcome == HS_COMMITTED ? "ok" : txn->outcome == HS_ABORTED ? "fail" : "info";
}

/* --- the order of invokes and ends -------------------------------------------------------------------------------- */

static int by_time(const void *left, const void *right) {
    const struct event *a = left, *b = right;
    if (a->time != b->time) return a->time < b->time ? -1 : 1;
    if (a->end != b->end) return a->end ? 1 : -1;
    return a->txn < b->txn ? -1 : a->txn > b->txn;
}

static int by_number(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static void find_sessions(struct writer *w) {
    const struct hs_history *h = w->history;
    for (size_t i = 0; i < h->txn_count; i++) w->sessions[i] = h->by_session ? h->txns[i].session : (uint32_t)i;
    qsort(w->sessions, h->txn_count, sizeof *w->sessions, by_number);
    for (size_t i = 0; i < h->txn_count; i++)
        if (i == 0 || w->sessions[i] != w->sessions[i - 1]) w->sessions[w->session_count++] = w->sessions[i];
}

static uint32_t *open_of(struct writer *w, uint32_t t) {
    uint32_t session = w->history->by_session ? w->history->txns[t].session : t;
    const uint32_t *found = bsearch(&session, w->sessions, w->session_count, sizeof *w->sessions, by_number);
    return &w->open[found - w->sessions];
}

static void write_end(struct writer *w, uint32_t t, uint64_t time, uint32_t *open) {
    if (*open != t + 1) return; /* told already */
    write_map(w, t, type_of(&w->history->txns[t]), time, true);
    *open = 0;
}

static int write_event(struct writer *w, const struct event *event) {
    uint32_t *open = open_of(w, event->txn);
    if (event->end) {
        write_end(w, event->txn, event->time, open);
        return VARVE_OK;
    }
    if (*open != 0 && w->history->txns[*open - 1].end != event->time)
        return hs_bad(w->problem, 0, "transactions %" PRIu32 " and %" PRIu32 " of one session overlap", *open - 1,
                      event->txn);
    if (*open != 0) write_end(w, *open - 1, event->time, open);
    write_map(w, event->txn, "invoke", event->time, false);
    *open = event->txn + 1;
    return VARVE_OK;
}

static int write_timed(struct writer *w, struct event *events) {
    const struct hs_history *h = w->history;
    for (uint32_t t = 0; t < h->txn_count; t++) {
        const struct hs_txn *txn = &h->txns[t];
        bool endless = txn->outcome == HS_UNKNOWN && txn->end == HS_NO_STAMP;
        events[2 * t] = (struct event){txn->begin, t, false};
        events[2 * t + 1] = (struct event){endless ? txn->begin : txn->end, t, true};
    }
    qsort(events, 2 * h->txn_count, sizeof *events, by_time);
    find_sessions(w);
    for (size_t i = 0; i < 2 * h->txn_count && !ferror(w->out); i++) {
        int status = write_event(w, &events[i]);
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

static int check_keys(const struct writer *w) {
    for (uint32_t id = 0; id < w->history->key_count; id++)
        if (!hs_is_utf8(hs_key_bytes(w->history, id))) return hs_bad(w->problem, 0, "a key that is no UTF-8 text");
    return VARVE_OK;
}

int hs_write_jepsen(FILE *out, bool edn, const struct hs_history *h, struct hs_problem *problem) {
    struct writer w = {.out = out, .edn = edn, .history = h, .problem = problem};
    int status = check_keys(&w);
    if (status != VARVE_OK) return status;
    if (!h->timed) {
        for (uint32_t t = 0; t < h->txn_count; t++) write_map(&w, t, type_of(&h->txns[t]), 0, true);
        return ferror(out) ? VARVE_IO : VARVE_OK;
    }
    struct event *events = calloc(2 * h->txn_count + 1, sizeof *events);
    w.sessions = calloc(h->txn_count + 1, sizeof *w.sessions);
    w.open = calloc(h->txn_count + 1, sizeof *w.open);
    status = events == NULL || w.sessions == NULL || w.open == NULL ? VARVE_NOMEM : write_timed(&w, events);
    free(events), free(w.sessions), free(w.open);
    return status == VARVE_OK && ferror(out) ? VARVE_IO : status;
}
