/* finish.c - the end of building a history: what cannot be one is refused, keys get their order, spare room is given
 * back.
 *
 * What is refused is what would lead a reader of the columns astray (indexes beyond their columns, rows without their
 * scan) or has no meaning (an end before its begin, a list in a history of registers). What a database got wrong is not
 * refused here: that is for the checker to say.
 *
 * SPDX-License-Identifier: MIT
 */
#include "history/history_int.h"

struct place {
    const struct hs_history *history;
    struct hs_problem *problem;
    size_t txn;
    uint32_t op;
};

static int refuse(const struct place *at, const char *why) {
    return hs_bad(at->problem, 0, "transaction %zu, operation %u: %s", at->txn, at->op, why);
}

static bool is_key(const struct hs_history *h, uint32_t id) { return id < h->key_count; }

static int check_scan(const struct place *at, const struct hs_txn *txn, const struct hs_op *op) {
    const struct hs_history *h = at->history;
    if (op->key >= h->range_count) return refuse(at, "a scan without its range");
    const struct hs_range *range = &h->ranges[op->key];
    if ((range->low != HS_OPEN && !is_key(h, range->low)) || (range->high != HS_OPEN && !is_key(h, range->high)))
        return refuse(at, "a bound that is no key");
    if (range->flags > (HS_HIGH_INCLUSIVE | HS_LOW_EXCLUSIVE | HS_REVERSE))
        return refuse(at, "an unknown flag of a range");
    uint32_t left = txn->op_count - at->op - 1;
    if (op->value < 0 || op->value > left) return refuse(at, "a scan with more rows than operations follow");
    for (int64_t i = 1; i <= op->value; i++)
        if (op[i].kind != HS_ROW) return refuse(at, "a scan with fewer rows than it says");
    if (op->value < left && op[op->value + 1].kind == HS_ROW) return refuse(at, "a row without a scan");
    return VARVE_OK;
}

static int check_list(const struct place *at, const struct hs_op *op) {
    size_t known = at->history->list_count;
    if (op->value == HS_ABSENT) return VARVE_OK;
    if (op->value < 0 || op->version > known || (uint64_t)op->value > known - op->version)
        return refuse(at, "a list beyond the elements");
    return VARVE_OK;
}

static int check_op(const struct place *at, const struct hs_txn *txn, const struct hs_op *op) {
    const struct hs_history *h = at->history;
    bool of_lists = op->kind == HS_APPEND || op->kind == HS_LIST;
    if (op->kind >= HS_KINDS) return refuse(at, "an unknown kind");
    if (of_lists != (h->shape == HS_LISTS))
        return refuse(at, of_lists ? "a list in a history of registers" : "a register in a history of lists");
    if (op->kind != HS_SCAN && !is_key(h, op->key)) return refuse(at, "an unknown key");
    if ((op->flags & HS_OWN) != 0 && op->kind != HS_LIST && op->version >= txn->op_count)
        return refuse(at, "answered from an own write that does not exist");
    if (op->kind == HS_EXISTS && op->value != 0 && op->value != HS_ABSENT)
        return refuse(at, "an answer about presence that is neither there nor absent");
    if ((op->flags & HS_ADDITION) != 0) {
        if (op->kind != HS_WRITE || op->value == HS_ABSENT) return refuse(at, "an addition that is no write of a number");
        if ((op->flags & (HS_FAILED | HS_NEEDS_ABSENT | HS_NEEDS_PRESENT)) != 0)
            return refuse(at, "an addition that relies on presence");
    }
    if (op->kind == HS_ROW && at->op == 0) return refuse(at, "a row without a scan");
    if (op->kind == HS_ROW && op[-1].kind != HS_ROW && op[-1].kind != HS_SCAN)
        return refuse(at, "a row without a scan");
    if (op->kind == HS_SCAN) return check_scan(at, txn, op);
    return op->kind == HS_LIST ? check_list(at, op) : VARVE_OK;
}

static int check_txn(struct place *at, const struct hs_txn *txn) {
    const struct hs_history *h = at->history;
    if (txn->first_op > h->op_count || txn->op_count > h->op_count - txn->first_op)
        return hs_bad(at->problem, 0, "transaction %zu: operations beyond their column", at->txn);
    if (txn->outcome > HS_UNKNOWN) return hs_bad(at->problem, 0, "transaction %zu: an unknown outcome", at->txn);
    if (txn->level > VARVE_SERIALIZABLE) return hs_bad(at->problem, 0, "transaction %zu: an unknown level", at->txn);
    if (h->timed && txn->end < txn->begin)
        return hs_bad(at->problem, 0, "transaction %zu: it ends at %llu, before it begins at %llu", at->txn,
                      (unsigned long long)txn->end, (unsigned long long)txn->begin);
    for (at->op = 0; at->op < txn->op_count; at->op++) {
        int status = check_op(at, txn, &h->ops[txn->first_op + at->op]);
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

int hs_finish(struct hs_history *h, struct hs_problem *problem) {
    struct place at = {.history = h, .problem = problem};
    h->additions = false;
    for (at.txn = 0; at.txn < h->txn_count; at.txn++) {
        int status = check_txn(&at, &h->txns[at.txn]);
        if (status != VARVE_OK) return status;
    }
    for (size_t i = 0; i < h->op_count; i++) h->additions = h->additions || (h->ops[i].flags & HS_ADDITION) != 0;
    hs_column_trim((void **)&h->txns, &h->txn_capacity, h->txn_count, sizeof *h->txns);
    hs_column_trim((void **)&h->ops, &h->op_capacity, h->op_count, sizeof *h->ops);
    hs_column_trim((void **)&h->lists, &h->list_capacity, h->list_count, sizeof *h->lists);
    return hs_rank_keys(h);
}

uint16_t hs_usual_statement(enum hs_kind kind, const struct hs_op *before) {
    if (before == NULL) return 0;
    return kind == HS_ROW || before->statement == UINT16_MAX ? before->statement : (uint16_t)(before->statement + 1);
}

void hs_number_statements(struct hs_history *h) {
    for (size_t t = 0; t < h->txn_count; t++) {
        struct hs_op *ops = h->ops + h->txns[t].first_op;
        for (uint32_t i = 0; i < h->txns[t].op_count; i++)
            ops[i].statement = hs_usual_statement((enum hs_kind)ops[i].kind, i == 0 ? NULL : &ops[i - 1]);
    }
}

int hs_plain(const struct hs_history *h, bool lists, struct hs_problem *problem) {
    if (lists != (h->shape == HS_LISTS))
        return hs_bad(problem, 0, lists ? "the history is one of registers" : "the history is one of lists");
    for (size_t t = 0; t < h->txn_count; t++) {
        for (uint32_t i = 0; i < h->txns[t].op_count; i++) {
            const struct hs_op *op = &h->ops[h->txns[t].first_op + i];
            struct place at = {.problem = problem, .txn = t, .op = i};
            if (op->kind == HS_SCAN || op->kind == HS_ROW) return refuse(&at, "the format has no scans");
            if (op->kind == HS_EXISTS || op->kind == HS_DELETE)
                return refuse(&at, "the format has no presence or deletion");
            if ((op->flags & HS_ADDITION) != 0) return refuse(&at, "the format has no additions");
            if ((op->flags & (HS_ROLLED_BACK | HS_FAILED)) != 0)
                return refuse(&at, "the format has no undone or refused writes");
            if ((op->kind == HS_WRITE || op->kind == HS_APPEND) && op->value == HS_ABSENT)
                return refuse(&at, "a write without a value");
        }
    }
    return VARVE_OK;
}
