/* plume_write.c - the text of PolySI, Plume and IsoVista, writing.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdlib.h>

#include "history/history_int.h"

struct writer {
    FILE *out;
    const struct hs_history *history;
    struct hs_problem *problem;
    bool numbers; /* every key is the text of a number */
    struct hs_marks marks;
    uint8_t *absent; /* a bit a key: some read found it never written */
};

/* What the form cannot say, with the transaction it stands in. */
static int check(struct writer *w, size_t t, const struct hs_op *op) {
    bool read = op->kind == HS_READ;
    if (!(read && op->value == HS_ABSENT) && op->value < 0)
        return hs_bad(w->problem, 0, "transaction %zu: the form has no values below 0", t);
    if (read) return VARVE_OK;
    if (op->value == 0 && (w->absent[op->key / 8] >> op->key % 8 & 1) != 0)
        return hs_bad(w->problem, 0, "transaction %zu: a write of 0, which stands for a key never written", t);
    bool seen;
    int status = hs_mark(&w->marks, op->key, op->value, &seen);
    char key[64];
    if (status == VARVE_OK && seen)
        return hs_bad(w->problem, 0, "transaction %zu: value %" PRId64 " of key %s is written twice", t, op->value,
                      hs_key_text(w->history, op->key, key, sizeof key));
    return status;
}

static void write_op(struct writer *w, const struct hs_txn *txn, int64_t t, const struct hs_op *op) {
    uint64_t key = op->key;
    if (w->numbers) (void)hs_key_number(w->history, op->key, &key);
    fprintf(w->out, "%c(%" PRIu64 ",%" PRId64 ",%" PRIu32 ",%" PRId64 ")\n", op->kind == HS_READ ? 'r' : 'w', key,
            op->value == HS_ABSENT ? 0 : op->value, txn->session, t);
}

static int write_txn(struct writer *w, size_t t) {
    const struct hs_txn *txn = &w->history->txns[t];
    bool aborted = txn->outcome == HS_ABORTED;
    if (txn->outcome == HS_UNKNOWN)
        return hs_bad(w->problem, 0, "transaction %zu: the form has no unknown outcomes", t);
    for (uint32_t i = 0; i < txn->op_count; i++) {
        const struct hs_op *op = &w->history->ops[txn->first_op + i];
        if (aborted && op->kind == HS_READ) continue;
        int status = check(w, t, op);
        if (status != VARVE_OK) return status;
        write_op(w, txn, aborted ? -1 : (int64_t)t, op);
    }
    return VARVE_OK;
}

static void find_absent(struct writer *w) {
    for (size_t i = 0; i < w->history->op_count; i++) {
        const struct hs_op *op = &w->history->ops[i];
        if (op->kind == HS_READ && op->value == HS_ABSENT) w->absent[op->key / 8] |= (uint8_t)(1u << op->key % 8);
    }
}

int hs_write_plume(FILE *out, const struct hs_history *h, struct hs_problem *problem) {
    struct writer w = {.out = out, .history = h, .problem = problem, .numbers = true};
    uint64_t number;
    int status = hs_plain(h, false, problem);
    if (status != VARVE_OK) return status;
    w.absent = calloc(1, h->key_count / 8 + 1);
    if (w.absent == NULL) return VARVE_NOMEM;
    find_absent(&w);
    for (uint32_t id = 0; id < h->key_count; id++) w.numbers = w.numbers && hs_key_number(h, id, &number);
    for (size_t t = 0; t < h->txn_count && status == VARVE_OK; t++) status = write_txn(&w, t);
    free(w.marks.slots);
    free(w.absent);
    if (status != VARVE_OK) return status;
    return ferror(out) ? VARVE_IO : VARVE_OK;
}
