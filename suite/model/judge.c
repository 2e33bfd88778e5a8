/* judge.c - brings the form of judge.h into that of replay.h and asks there.
 * SPDX-License-Identifier: MIT
 */
#include "model/judge.h"

#include <stdio.h>
#include <string.h>

#include "model/replay.h"

_Static_assert(JUDGE_ABSENT == SS_ABSENT && (int)JUDGE_KEYS <= (int)SMR_KEYS && (int)JUDGE_TXNS <= (int)SMR_TXNS &&
                   (int)JUDGE_OPS <= (int)SMR_MARKS && (int)JUDGE_ROLLBACK == (int)SMR_ROLLBACK &&
                   (int)JUDGE_SCAN == (int)SMR_SCAN && (int)JUDGE_STRICT == (int)SMR_STRICT &&
                   (int)JUDGE_COMMIT_ORDER == (int)SMR_COMMIT_ORDER && (int)JUDGE_ITEMS == (int)SMR_ITEMS,
               "the two forms agree in what they name");

/* A history in the other form, and the room for it. */
struct carried {
    struct smr_history history;
    struct smr_txn txns[JUDGE_TXNS];
    struct smr_op ops[JUDGE_TXNS][JUDGE_OPS];
    struct ss_row rows[JUDGE_TXNS][JUDGE_OPS][JUDGE_KEYS];
    uint8_t commit_order[JUDGE_TXNS];
};

static void carry_op(const struct judge_op *op, unsigned at, struct smr_op *to, struct ss_row *rows) {
    bool mark = op->kind == JUDGE_SAVEPOINT || op->kind == JUDGE_ROLLBACK;
    *to = (struct smr_op){.kind = (uint8_t)op->kind,
                          .low = (uint8_t)op->low,
                          .high = (uint8_t)op->high,
                          .reverse = op->reverse,
                          .torn = op->torn,
                          .mark = (uint8_t)(op->kind == JUDGE_SAVEPOINT ? at
                                            : mark                      ? op->low
                                                                        : 0),
                          .before = (uint8_t)op->commits_before,
                          .after = (uint8_t)op->commits_after,
                          .status = op->status,
                          .limit = op->limit,
                          .row_count = op->row_count,
                          .rows = rows,
                          .value = op->value};
    for (unsigned i = 0; i < op->row_count; i++)
        rows[i] = (struct ss_row){.key = (uint8_t)op->rows[i].key, .value = op->rows[i].value};
}

static void carry_txn(const struct judge_txn *txn, struct smr_txn *to, struct smr_op *ops,
                      struct ss_row rows[JUDGE_OPS][JUDGE_KEYS]) {
    for (unsigned i = 0; i < txn->op_count; i++) carry_op(&txn->ops[i], i, &ops[i], rows[i]);
    *to = (struct smr_txn){.level = txn->level,
                           .committed = txn->committed,
                           .writes = smr_has_writes(ops, txn->op_count),
                           .before = (uint8_t)txn->commits_before,
                           .begin = txn->begin_step,
                           .end = txn->end_step,
                           .op_count = txn->op_count,
                           .ops = ops};
}

static const struct smr_history *carry(const struct judge_history *history, struct carried *c) {
    for (unsigned i = 0; i < history->txn_count; i++) carry_txn(&history->txns[i], &c->txns[i], c->ops[i], c->rows[i]);
    unsigned count = 0;
    for (unsigned i = 0; i < history->commit_count; i++) c->commit_order[count++] = (uint8_t)history->commit_order[i];
    c->history = (struct smr_history){.key_count = JUDGE_KEYS,
                                      .txn_count = history->txn_count,
                                      .commit_count = count,
                                      .initial = history->initial,
                                      .final = history->final,
                                      .txns = c->txns,
                                      .commit_order = c->commit_order};
    return &c->history;
}

bool judge_has_writes(const struct judge_txn *txn) {
    struct smr_op ops[JUDGE_OPS];
    struct ss_row rows[JUDGE_OPS][JUDGE_KEYS];
    struct smr_txn carried;
    carry_txn(txn, &carried, ops, rows);
    return carried.writes;
}

bool judge_serializable(const struct judge_history *history, unsigned flags) {
    struct carried c;
    return smr_serializable(carry(history, &c), flags);
}

bool judge_positions(const struct judge_history *history, unsigned *culprit) {
    struct carried c;
    struct smr_culprit found;
    bool fits = smr_positions(carry(history, &c), &found);
    *culprit = fits ? history->txn_count : found.txn;
    return fits;
}

/* --- print -------------------------------------------------------------------------------------------------- */

static void print_value(int64_t value) {
    if (value == JUDGE_ABSENT)
        fprintf(stderr, "-");
    else
        fprintf(stderr, "%lld", (long long)value);
}

static void print_op(const struct judge_op *op) {
    static const char *const names[] = {"get", "contains",     "put",  "insert",    "update",     "delete",
                                        "add", "delete_range", "scan", "savepoint", "rollback_to"};
    fprintf(stderr, "      %s", names[op->kind]);
    if (op->kind == JUDGE_SCAN || op->kind == JUDGE_DELETE_RANGE)
        fprintf(stderr, "[%u,%u)%s", op->low, op->high, op->reverse ? " reverse" : "");
    else if (op->kind != JUDGE_SAVEPOINT)
        fprintf(stderr, "(%u)", op->low);
    if (op->kind == JUDGE_SCAN && op->limit > 0) fprintf(stderr, " limit %u", op->limit);
    if (op->kind == JUDGE_SCAN)
        for (unsigned i = 0; i < op->row_count; i++)
            fprintf(stderr, " %u=%lld", op->rows[i].key, (long long)op->rows[i].value);
    else if (!(op->kind == JUDGE_SAVEPOINT || op->kind == JUDGE_ROLLBACK))
        fprintf(stderr, " %lld", (long long)op->value);
    fprintf(stderr, "  -> %s  (commits %u..%u)\n", varve_status_name(op->status), op->commits_before,
            op->commits_after);
}

void judge_print(const struct judge_history *history) {
    fprintf(stderr, "  history:\n    initial ");
    for (unsigned k = 0; k < JUDGE_KEYS; k++) {
        fprintf(stderr, " %u=", k);
        print_value(history->initial[k]);
    }
    fprintf(stderr, "\n    final   ");
    for (unsigned k = 0; k < JUDGE_KEYS; k++) {
        fprintf(stderr, " %u=", k);
        print_value(history->final[k]);
    }
    fprintf(stderr, "\n");
    for (unsigned i = 0; i < history->txn_count; i++) {
        const struct judge_txn *txn = &history->txns[i];
        fprintf(stderr, "    T%u level %d, steps %u..%u, begun after %u commits, %s\n", i, (int)txn->level,
                txn->begin_step, txn->end_step, txn->commits_before, txn->committed ? "committed" : "aborted");
        for (unsigned n = 0; n < txn->op_count; n++) print_op(&txn->ops[n]);
    }
}
