/* scene_items.c - which operation of a transaction an edge leaves from or comes to, and who wrote what was read.
 *
 * An edge names two transactions and a key; of the operations that could be meant the one whose value fits is taken.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include "report/scene_history.h"

enum { SEEN_MOST = 64 };

int sc_chosen_index(const struct sc_builder *b, uint32_t txn) {
    for (int i = 0; i < b->count; i++)
        if (b->chosen[i].txn == txn) return i;
    return SC_NOT_FOUND;
}

static bool covers(const struct hs_history *h, const struct hs_range *range, uint32_t key) {
    uint32_t rank = h->key_rank[key];
    if (range->low != HS_OPEN &&
        (rank < h->key_rank[range->low] || ((range->flags & HS_LOW_EXCLUSIVE) && rank == h->key_rank[range->low])))
        return false;
    return range->high == HS_OPEN || rank < h->key_rank[range->high] ||
           ((range->flags & HS_HIGH_INCLUSIVE) && rank == h->key_rank[range->high]);
}

static bool is_write(const struct hs_op *op) {
    return !(op->flags & HS_FAILED) && (op->kind == HS_WRITE || op->kind == HS_DELETE || op->kind == HS_APPEND);
}

/* The last element of a list that was read; HS_ABSENT: it has none. */
static int64_t last_of(const struct hs_history *h, const struct hs_op *op) {
    return op->value > 0 ? h->lists[op->version + (uint64_t)op->value - 1] : HS_ABSENT;
}

/* How well the item serves as a read of `key` that answered `value`; 0: not at all. */
static int reads(const struct hs_history *h, const struct sc_item *item, uint32_t key, int64_t value) {
    const struct hs_op *op = &h->ops[item->op];
    if (op->kind == HS_SCAN) {
        for (uint32_t i = 1; i < item->ops; i++)
            if (op[i].key == key) return op[i].flags & HS_OWN ? 1 : op[i].value == value ? 6 : 3;
        return covers(h, &h->ranges[op->key], key) ? value == HS_ABSENT ? 5 : 2 : 0;
    }
    if (op->key != key || is_write(op)) return 0;
    if (op->kind == HS_LIST) return last_of(h, op) == value ? 6 : 4;
    if (op->flags & HS_FAILED) return 4;
    return op->flags & HS_OWN ? 1 : op->value == value ? 7 : 3;
}

static int writes(const struct hs_history *h, const struct sc_item *item, uint32_t key, int64_t value) {
    const struct hs_op *op = &h->ops[item->op];
    if (!is_write(op) || op->key != key) return 0;
    int64_t written = op->kind == HS_DELETE ? HS_ABSENT : op->value;
    return (written == value ? 4 : 2) - (op->flags & HS_ROLLED_BACK ? 1 : 0);
}

static struct sc_item *best_item(const struct sc_builder *b, int chosen, bool write, uint32_t key, int64_t value) {
    struct sc_item *best = NULL;
    int best_score = 0;
    const struct sc_chosen *of = &b->chosen[chosen];
    for (int i = 0; i < of->item_count; i++) {
        if (of->items[i].gap) continue;
        int score = (write ? writes : reads)(b->history, &of->items[i], key, value);
        if (score > best_score || (write && score && score == best_score)) {
            best = &of->items[i];
            best_score = score;
        }
    }
    return best;
}

/* The items an edge joins; NULL: its begin or end is meant. */
void sc_edge_items(const struct sc_builder *b, const struct ck_edge *edge, struct sc_item **from, struct sc_item **to) {
    *from = *to = NULL;
    int source = sc_chosen_index(b, edge->from), target = sc_chosen_index(b, edge->to);
    if (source == SC_NOT_FOUND || target == SC_NOT_FOUND || edge->key >= b->history->key_count) return;
    bool from_write = edge->kind == CK_WW || edge->kind == CK_WR, to_write = edge->kind != CK_WR;
    *from = best_item(b, source, from_write, edge->key, edge->from_value);
    *to = best_item(b, target, to_write, edge->key, edge->to_value);
}

/* The edge that a finding without a cycle speaks of: what the culprit read or wrote and the other wrote. */
/* What an operation has seen of a transaction: a value, or the element of a list that the transaction appended. */
static int64_t seen_of(const struct hs_history *h, const struct hs_op *op, const struct hs_txn *writer) {
    if (op->kind != HS_LIST) return op->value;
    for (int64_t v = 0; v < op->value; v++)
        for (uint64_t w = writer->first_op; w < writer->first_op + writer->op_count; w++)
            if (is_write(&h->ops[w]) && h->ops[w].key == op->key &&
                h->ops[w].value == h->lists[op->version + (uint64_t)v])
                return h->ops[w].value;
    return last_of(h, op);
}

bool sc_culprit_edge(const struct sc_builder *b, struct ck_edge *edge) {
    const struct ck_finding *f = b->finding;
    const struct hs_history *h = b->history;
    if (!f || f->edge_count || f->op >= h->op_count || f->other >= h->txn_count || f->other == f->txn) return false;
    const struct hs_op *op = &h->ops[f->op];
    if (op->kind == HS_SCAN || op->key >= h->key_count) return false;
    int other = sc_chosen_index(b, f->other);
    int64_t seen = seen_of(h, op, &h->txns[f->other]);
    struct sc_item *written = other == SC_NOT_FOUND ? NULL : best_item(b, other, true, op->key, seen);
    if (!written) return false;
    *edge = (struct ck_edge){.from = f->other,
                             .to = f->txn,
                             .key = op->key,
                             .kind = is_write(op) ? CK_WW : CK_WR,
                             .from_value = h->ops[written->op].value,
                             .to_value = seen};
    return true;
}

/* The chosen transaction that wrote the value the operation has seen; SC_NOT_FOUND: none of them. */
static int writer_of(const struct sc_builder *b, const struct hs_op *op, int64_t value, int reader) {
    bool stamped = b->history->stamps && op->kind != HS_LIST;
    for (int i = 0; i < b->count && value != HS_ABSENT; i++) {
        const struct hs_txn *txn = &b->history->txns[b->chosen[i].txn];
        if (i == reader || (stamped && txn->cts && txn->cts != op->version)) continue;
        for (uint64_t w = txn->first_op; w < txn->first_op + txn->op_count; w++)
            if (is_write(&b->history->ops[w]) && b->history->ops[w].key == op->key && b->history->ops[w].value == value)
                return i;
    }
    return SC_NOT_FOUND;
}

/* What one operation has seen: a value, or the elements of a list, the last SEEN_MOST of them. */
static int each_value(struct sc_builder *b, int reader, const struct hs_op *op, sc_seen_fn *fn, void *argument) {
    bool list = op->kind == HS_LIST && op->value > 0, read = op->kind == HS_READ || op->kind == HS_ROW;
    if (op->flags & HS_OWN || !(list || read)) return VARVE_OK;
    int64_t first = list && op->value > SEEN_MOST ? op->value - SEEN_MOST : 0;
    int status = VARVE_OK;
    for (int64_t v = first; v < (list ? op->value : 1) && status == VARVE_OK; v++) {
        int64_t value = list ? b->history->lists[op->version + (uint64_t)v] : op->value;
        int writer = writer_of(b, op, value, reader);
        if (writer == SC_NOT_FOUND) continue;
        struct ck_edge edge = {.from = b->chosen[writer].txn,
                               .to = b->chosen[reader].txn,
                               .key = op->key,
                               .kind = CK_WR,
                               .from_value = value,
                               .to_value = list ? last_of(b->history, op) : value};
        status = fn(b, argument, &edge);
    }
    return status;
}

int sc_each_seen(struct sc_builder *b, sc_seen_fn *fn, void *argument) {
    int status = VARVE_OK;
    for (int i = 0; i < b->count; i++)
        for (int k = 0; k < b->chosen[i].item_count; k++) {
            const struct sc_item *item = &b->chosen[i].items[k];
            for (uint64_t o = item->op; !item->gap && status == VARVE_OK && o < item->op + item->ops; o++)
                status = each_value(b, i, &b->history->ops[o], fn, argument);
        }
    return status;
}
