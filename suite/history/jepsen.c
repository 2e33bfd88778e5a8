/* jepsen.c - Jepsen's operations, as Elle reads them: list-append and rw-register, EDN or JSON, a vector of maps or map
 * after map.
 *
 * An invoke opens a transaction of its process; ok, fail and info end it as committed, aborted and unknown; what is
 * still open at the end of the file is unknown. A file may also have no invokes at all: then there is no real time.
 * The clock is :time where all operations have one and it always grows; else it is the place in the file, which is the
 * order that Jepsen vouches for. A read of nil in anything but an ok is a read whose answer is not known and left out.
 * Source of the form: Kingsbury and Alvaro, Elle: Inferring Isolation Anomalies from Experimental Observations, VLDB
 * 2020, and the documents of its checker.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "history/jepsen_int.h"

/* A process, and the writes of the transaction it has open. */
struct process {
    int64_t number; /* -1: those without a number */
    bool used, open;
    uint64_t time, place, line; /* of the invoke */
    struct hs_op *writes;
    size_t write_count, write_capacity;
};
struct reader {
    struct hs_lexer x;
    struct hs_history *history;
    enum hs_jepsen_shape shape;
    struct hj_op op;
    struct process *processes; /* open addressing */
    size_t process_count, process_capacity;
    uint64_t place, last_time;
    bool invokes, bare; /* some invoke; some end without one */
    bool no_clock;      /* a time is missing or does not grow */
    bool nameless;      /* some operation has no process */
};

/* --- processes ---------------------------------------------------------------------------------------------------- */

static struct process *slot_of(struct process *table, size_t capacity, int64_t number) {
    size_t at = ((uint64_t)number * 0x9e3779b97f4a7c15u >> 20) & (capacity - 1);
    while (table[at].used && table[at].number != number) at = (at + 1) & (capacity - 1);
    return &table[at];
}

static int grow_processes(struct reader *r) {
    size_t capacity = r->process_capacity == 0 ? 64 : r->process_capacity * 2;
    struct process *table = calloc(capacity, sizeof *table);
    if (table == NULL) return VARVE_NOMEM;
    for (size_t i = 0; i < r->process_capacity; i++)
        if (r->processes[i].used) *slot_of(table, capacity, r->processes[i].number) = r->processes[i];
    free(r->processes);
    r->processes = table;
    r->process_capacity = capacity;
    return VARVE_OK;
}

static struct process *process_of(struct reader *r, int64_t number) {
    if ((r->process_count + 1) * 4 > r->process_capacity * 3 && hs_lex_status(&r->x, grow_processes(r)) != VARVE_OK)
        return NULL;
    struct process *process = slot_of(r->processes, r->process_capacity, number);
    if (!process->used) {
        *process = (struct process){.number = number, .used = true};
        r->process_count++;
    }
    return process;
}

/* --- transactions ------------------------------------------------------------------------------------------------- */

static int add_micro(struct reader *r, const struct hj_micro *micro, bool answered) {
    struct hs_history *h = r->history;
    struct hs_op op = {.key = micro->key, .kind = micro->kind, .value = micro->value};
    if (!answered && micro->kind == HS_READ && micro->value == HS_ABSENT) return VARVE_OK;
    if (micro->kind == HS_LIST) {
        int status = hs_list_add(h, r->op.elements + micro->offset, (size_t)micro->value, &op.version);
        if (status != VARVE_OK) return hs_lex_status(&r->x, status);
    }
    return hs_lex_status(&r->x, hs_op_add(h, &op));
}

/* Times go to begin and end, places to snapshot and cts until the clock is chosen (choose_clock). */
static int add_txn(struct reader *r, const struct process *process, enum hs_outcome outcome) {
    bool known = outcome != HS_UNKNOWN;
    struct hs_txn txn = {
        .begin = process->open ? process->time : r->op.time,
        .snapshot = process->open ? process->place : r->place,
        .end = known ? r->op.time : HS_NO_STAMP,
        .cts = known ? r->place : HS_NO_STAMP,
        .session = process->number < 0 ? 0 : (uint32_t)process->number,
        .outcome = (uint8_t)outcome,
    };
    return hs_lex_status(&r->x, hs_txn_add(r->history, &txn));
}

static int add_pending(struct reader *r, const struct process *process) {
    for (size_t i = 0; i < process->write_count; i++)
        if (hs_lex_status(&r->x, hs_op_add(r->history, &process->writes[i])) != VARVE_OK) break;
    return r->x.status;
}

static int invoke(struct reader *r, struct process *process) {
    const struct hj_op *op = &r->op;
    if (process->open)
        return hs_lex_bad(&r->x, "process %" PRId64 " invokes again; its transaction of line %" PRIu64 " has not ended",
                          process->number, process->line);
    if (r->bare) return hs_lex_bad(&r->x, "an invoke, but an operation before it ended without one");
    r->invokes = process->open = true;
    process->time = op->time, process->place = r->place, process->line = op->line;
    process->write_count = 0;
    for (size_t i = 0; i < op->micro_count; i++) {
        const struct hj_micro *micro = &op->micros[i];
        if (micro->kind != HS_WRITE && micro->kind != HS_APPEND) continue;
        int status = hs_grow((void **)&process->writes, &process->write_capacity, process->write_count + 1,
                             sizeof *process->writes);
        if (hs_lex_status(&r->x, status) != VARVE_OK) return status;
        process->writes[process->write_count++] = (struct hs_op){micro->key, micro->kind, 0, 0, 0, micro->value};
    }
    return VARVE_OK;
}

static int complete(struct reader *r, struct process *process) {
    static const enum hs_outcome outcomes[] = {[HJ_OK] = HS_COMMITTED, [HJ_FAIL] = HS_ABORTED, [HJ_INFO] = HS_UNKNOWN};
    static const char *const names[] = {[HJ_OK] = "ok", [HJ_FAIL] = "fail", [HJ_INFO] = "info"};
    const struct hj_op *op = &r->op;
    if (!process->open && r->invokes)
        return process->number < 0 ? hs_lex_bad(&r->x, "an %s without its invoke", names[op->type])
                                   : hs_lex_bad(&r->x, "an %s of process %" PRId64 " without its invoke",
                                                names[op->type], process->number);
    if (!process->open) r->bare = true;
    if (op->type == HJ_OK && op->what != HJ_MICRO_OPS) return hs_lex_bad(&r->x, "an ok without its value");
    if (add_txn(r, process, outcomes[op->type]) != VARVE_OK) return r->x.status;
    if (op->what == HJ_MICRO_OPS)
        for (size_t i = 0; i < op->micro_count; i++)
            if (add_micro(r, &op->micros[i], op->type == HJ_OK) != VARVE_OK) return r->x.status;
    if (op->what != HJ_MICRO_OPS && process->open) (void)add_pending(r, process);
    process->open = false;
    return r->x.status;
}

static int take_op(struct reader *r) {
    struct hj_op *op = &r->op;
    if (hj_read_op(&r->x, r->history, &r->shape, op) != VARVE_OK) return r->x.status;
    if (op->by == HJ_OTHER) return VARVE_OK;
    if (!op->is_txn) return hs_lex_bad(&r->x, "unknown operation '%s'; only txn is known", op->f);
    if (op->what == HJ_WRONG) {
        r->x.line = op->wrong.line;
        return hs_lex_bad(&r->x, "%s", op->wrong.text);
    }
    r->place++;
    if (!op->has_time || (r->place > 1 && op->time <= r->last_time)) r->no_clock = true;
    r->last_time = op->time;
    r->nameless = r->nameless || op->by == HJ_NO_PROCESS;
    struct process *process = process_of(r, op->process);
    if (process == NULL) return r->x.status;
    return op->type == HJ_INVOKE ? invoke(r, process) : complete(r, process);
}

/* --- the whole file ----------------------------------------------------------------------------------------------- */

static int take_all(struct reader *r) {
    struct hs_lexer *x = &r->x;
    if (hs_lex(x) == HT_END) return hs_lex_bad(x, "the file is empty");
    for (; x->token != HT_END && x->status == VARVE_OK; (void)hs_lex(x)) {
        if (x->token == HT_MAP)
            (void)take_op(r);
        else if (x->token == HT_SEQ ? x->depth != 1 : x->token != HT_CLOSE)
            (void)hs_lex_bad(x, "an operation must be a map");
    }
    return x->status;
}

static int end_open(struct reader *r) {
    for (size_t i = 0; i < r->process_capacity; i++) {
        struct process *process = &r->processes[i];
        if (!process->used || !process->open) continue;
        if (add_txn(r, process, HS_UNKNOWN) != VARVE_OK || add_pending(r, process) != VARVE_OK) break;
    }
    return r->x.status;
}

static void choose_clock(struct reader *r) {
    struct hs_history *h = r->history;
    h->timed = r->invokes && !r->bare;
    h->by_session = !r->nameless;
    for (size_t i = 0; i < h->txn_count; i++) {
        struct hs_txn *txn = &h->txns[i];
        if (r->no_clock || !h->timed) txn->begin = txn->snapshot, txn->end = txn->cts;
        txn->snapshot = HS_NO_STAMP;
        txn->cts = 0;
    }
    h->shape = r->shape == HJ_LISTS ? HS_LISTS : HS_REGISTERS;
    if (h->shape == HS_REGISTERS) return;
    for (size_t i = 0; i < h->op_count; i++)
        if (h->ops[i].kind == HS_READ) h->ops[i].kind = HS_LIST; /* of nil */
}

int hs_read_jepsen(struct hs_input *in, bool edn, enum hs_jepsen_shape shape, struct hs_history *history,
                   struct hs_problem *problem) {
    struct reader r = {.history = history, .shape = shape};
    hs_lexer_init(&r.x, in, edn, problem);
    if (take_all(&r) == VARVE_OK && end_open(&r) == VARVE_OK) choose_clock(&r);
    hs_number_statements(history);
    for (size_t i = 0; i < r.process_capacity; i++)
        hs_column_free(r.processes[i].writes, r.processes[i].write_capacity, sizeof *r.processes[i].writes);
    free(r.processes);
    hj_op_release(&r.op);
    hs_lexer_release(&r.x);
    return r.x.status;
}
