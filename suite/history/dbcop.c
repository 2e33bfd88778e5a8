/* dbcop.c - the JSON of dbcop: sessions of transactions of events, alone or as the member "data" of an object.
 *
 * Three generations of events are read: {"Read":{"variable":0,"version":1}} and {"Write":{...}}, the short form
 * ["r",0,1] and ["w",0,1], and the older {"write":true,"variable":0,"value":1,"success":true}. A transaction is
 * {"events":[...],"committed":true}, or "success" in the older one. A read of version null found nothing; an event
 * without success has not happened. In the older form 0 is what a variable holds before it is written.
 * Source of the form: Biswas and Enea, On the Complexity of Checking Transactional Consistency, OOPSLA 2019, and the
 * documents of its checker.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdlib.h>

#include "history/history_int.h"

struct reader {
    struct hs_lexer x;
    struct hs_history *history;
    struct hs_marks marks;
    uint32_t session;
    bool data_seen;
};
struct event {
    struct hs_op op;
    bool key, kind, value, failed, old;
};

static bool need(struct hs_lexer *x, enum hs_token token, const char *what) {
    if (hs_lex(x) == token) return true;
    return (void)hs_lex_bad(x, "%s expected", what), false;
}

static bool truth(struct hs_lexer *x, const char *what) {
    enum hs_token token = hs_lex(x);
    if (token != HT_TRUE && token != HT_FALSE) (void)hs_lex_bad(x, "%s must be true or false", what);
    return token == HT_TRUE;
}

static bool written_before(const struct hs_history *h, const struct hs_op *op) {
    for (size_t i = 0; i < h->op_count; i++)
        if (h->ops[i].kind == HS_WRITE && h->ops[i].key == op->key && h->ops[i].value == op->value) return true;
    return false;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static int event_key(struct reader *r, struct event *event) {
    event->key = true;
    return hs_lex_key(&r->x, r->history, &event->op.key);
}

static int event_value(struct reader *r, struct event *event) {
    event->value = true;
    event->op.value = HS_ABSENT;
    return r->x.token == HT_NULL ? VARVE_OK : hs_lex_i64(&r->x, "a version", &event->op.value);
}

/* The members of an event, of either generation, behind the opening bracket. */
static int event_members(struct reader *r, struct event *event) {
    struct hs_lexer *x = &r->x;
    while (hs_lex(x) != HT_CLOSE && x->status == VARVE_OK) {
        if (hs_lex_is(x, "variable")) {
            (void)hs_lex(x);
            (void)event_key(r, event);
        } else if (hs_lex_is(x, "version") || hs_lex_is(x, "value")) {
            (void)hs_lex(x);
            (void)event_value(r, event);
        } else if (hs_lex_is(x, "write")) {
            event->op.kind = truth(x, "write") ? HS_WRITE : HS_READ;
            event->kind = event->old = true;
        } else if (hs_lex_is(x, "success")) {
            event->failed = !truth(x, "success");
        } else if ((hs_lex_is(x, "Read") || hs_lex_is(x, "Write")) && !event->kind) {
            event->op.kind = hs_lex_is(x, "Write") ? HS_WRITE : HS_READ;
            event->kind = true;
            if (!need(x, HT_MAP, "the variable and version of an event")) return x->status;
            (void)event_members(r, event);
        } else
            return hs_lex_bad(x, "an event has no member '%.40s'", x->size == 0 ? "" : x->text);
    }
    return x->status;
}

static int event_short(struct reader *r, struct event *event) {
    struct hs_lexer *x = &r->x;
    (void)hs_lex(x);
    if (!hs_lex_is(x, "r") && !hs_lex_is(x, "w")) return hs_lex_bad(x, "an event is \"r\" or \"w\"");
    event->op.kind = hs_lex_is(x, "w") ? HS_WRITE : HS_READ;
    event->kind = true;
    (void)hs_lex(x);
    if (event_key(r, event) != VARVE_OK) return x->status;
    (void)hs_lex(x);
    if (event_value(r, event) != VARVE_OK) return x->status;
    return need(x, HT_CLOSE, "the end of the event") ? VARVE_OK : x->status;
}

static int add_event(struct reader *r, struct event *event) {
    struct hs_lexer *x = &r->x;
    struct hs_op *op = &event->op;
    if (!event->kind || !event->key || !event->value)
        return hs_lex_bad(x, "an event says what it does, its variable and its version");
    if (event->failed) return VARVE_OK;
    if (op->kind == HS_READ) {
        if (event->old && op->value == 0) op->value = HS_ABSENT;
        return hs_lex_status(x, hs_op_add(r->history, op));
    }
    if (op->value == HS_ABSENT) return hs_lex_bad(x, "a write without a version");
    bool seen = false;
    if (hs_lex_status(x, hs_mark(&r->marks, op->key, op->value, &seen)) != VARVE_OK) return x->status;
    if (seen && written_before(r->history, op))
        return hs_lex_bad(x, "version %" PRId64 " is written twice; this form needs every version once", op->value);
    return hs_lex_status(x, hs_op_add(r->history, op));
}

static int read_events(struct reader *r) {
    struct hs_lexer *x = &r->x;
    if (!need(x, HT_SEQ, "an array of events")) return x->status;
    while (hs_lex(x) != HT_CLOSE && x->status == VARVE_OK) {
        struct event event = {.op = {.kind = HS_READ}};
        if (x->token == HT_MAP)
            (void)event_members(r, &event);
        else if (x->token == HT_SEQ)
            (void)event_short(r, &event);
        else
            return hs_lex_bad(x, "an event is an object or an array");
        if (x->status != VARVE_OK || add_event(r, &event) != VARVE_OK) return x->status;
    }
    return x->status;
}

/* --- transactions and sessions ------------------------------------------------------------------------------------ */

static int read_txn(struct reader *r) {
    struct hs_lexer *x = &r->x;
    struct hs_txn txn = {.session = r->session, .snapshot = HS_NO_STAMP};
    bool events = false;
    if (x->token != HT_MAP) return hs_lex_bad(x, "a transaction must be an object");
    if (hs_lex_status(x, hs_txn_add(r->history, &txn)) != VARVE_OK) return x->status;
    while (hs_lex(x) != HT_CLOSE && x->status == VARVE_OK) {
        if (hs_lex_is(x, "events")) {
            events = true;
            (void)read_events(r);
        } else if (hs_lex_is(x, "committed") || hs_lex_is(x, "success")) {
            if (!truth(x, "committed")) r->history->txns[r->history->txn_count - 1].outcome = HS_ABORTED;
        } else
            return hs_lex_bad(x, "a transaction has no member '%.40s'", x->size == 0 ? "" : x->text);
    }
    if (x->status == VARVE_OK && !events) return hs_lex_bad(x, "a transaction without events");
    return x->status;
}

/* Behind the opening bracket of the array of sessions. */
static int read_sessions(struct reader *r) {
    struct hs_lexer *x = &r->x;
    r->data_seen = true;
    for (; hs_lex(x) != HT_CLOSE && x->status == VARVE_OK; r->session++) {
        if (x->token != HT_SEQ) return hs_lex_bad(x, "a session must be an array of transactions");
        while (hs_lex(x) != HT_CLOSE && x->status == VARVE_OK)
            if (read_txn(r) != VARVE_OK) return x->status;
    }
    return x->status;
}

static int read_object(struct reader *r) {
    struct hs_lexer *x = &r->x;
    while (hs_lex(x) != HT_CLOSE && x->status == VARVE_OK) {
        if (hs_lex_is(x, "data")) {
            if (r->data_seen || !need(x, HT_SEQ, "an array of sessions")) return hs_lex_bad(x, "\"data\" twice");
            (void)read_sessions(r);
        } else {
            (void)hs_lex(x);
            hs_lex_skip(x);
        }
    }
    if (x->status == VARVE_OK && !r->data_seen) return hs_lex_bad(x, "no \"data\" with the sessions");
    return x->status;
}

static int read_all(struct reader *r) {
    struct hs_lexer *x = &r->x;
    enum hs_token token = hs_lex(x);
    if (token == HT_END) return hs_lex_bad(x, "the file is empty");
    if (token != HT_SEQ && token != HT_MAP) return hs_lex_bad(x, "not a history: an array of sessions expected");
    int status = token == HT_SEQ ? read_sessions(r) : read_object(r);
    if (status == VARVE_OK && hs_lex(x) != HT_END) return hs_lex_bad(x, "something behind the history");
    return x->status;
}

int hs_read_dbcop(struct hs_input *in, struct hs_history *history, struct hs_problem *problem) {
    struct reader r = {.history = history};
    hs_lexer_init(&r.x, in, false, problem);
    history->by_session = true;
    (void)read_all(&r);
    hs_number_statements(history);
    free(r.marks.slots);
    hs_lexer_release(&r.x);
    return r.x.status;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

struct order {
    uint32_t session, txn;
};

static int by_session(const void *left, const void *right) {
    const struct order *a = left, *b = right;
    if (a->session != b->session) return a->session < b->session ? -1 : 1;
    return a->txn < b->txn ? -1 : a->txn > b->txn;
}

static void write_txn(FILE *out, const struct hs_history *h, const struct hs_txn *txn, bool numbers) {
    fputs("{\"events\":[", out);
    for (uint32_t i = 0; i < txn->op_count; i++) {
        const struct hs_op *op = &h->ops[txn->first_op + i];
        uint64_t key = op->key;
        if (numbers) (void)hs_key_number(h, op->key, &key);
        fprintf(out, "%s{\"%s\":{\"variable\":%" PRIu64 ",\"version\":", i == 0 ? "" : ",",
                op->kind == HS_READ ? "Read" : "Write", key);
        if (op->value == HS_ABSENT)
            fputs("null}}", out);
        else
            fprintf(out, "%" PRId64 "}}", op->value);
    }
    fprintf(out, "],\"committed\":%s}", txn->outcome == HS_COMMITTED ? "true" : "false");
}

static int write_sessions(FILE *out, const struct hs_history *h, struct order *order) {
    bool numbers = true;
    uint64_t number;
    for (uint32_t id = 0; id < h->key_count; id++) numbers = numbers && hs_key_number(h, id, &number);
    for (uint32_t t = 0; t < h->txn_count; t++) order[t] = (struct order){h->by_session ? h->txns[t].session : t, t};
    qsort(order, h->txn_count, sizeof *order, by_session);
    fputs(h->txn_count == 0 ? "[" : "[[", out);
    for (size_t i = 0; i < h->txn_count; i++) {
        if (i != 0) fputs(order[i].session != order[i - 1].session ? "],\n[" : ",\n", out);
        write_txn(out, h, &h->txns[order[i].txn], numbers);
    }
    fputs(h->txn_count == 0 ? "]\n" : "]]\n", out);
    return ferror(out) ? VARVE_IO : VARVE_OK;
}

int hs_write_dbcop(FILE *out, const struct hs_history *h, struct hs_problem *problem) {
    int status = hs_plain(h, false, problem);
    for (size_t t = 0; t < h->txn_count && status == VARVE_OK; t++)
        if (h->txns[t].outcome == HS_UNKNOWN)
            status = hs_bad(problem, 0, "transaction %zu: the form has no unknown outcomes", t);
    if (status != VARVE_OK) return status;
    struct order *order = malloc((h->txn_count + 1) * sizeof *order);
    if (order == NULL) return VARVE_NOMEM;
    status = write_sessions(out, h, order);
    free(order);
    return status;
}
