/* scene_history.c - a scene from a history: which transactions, which of their operations, in which order, and the edges.
 *
 * Shown are the transactions of a finding, or the first 64. Of a long transaction the operations that carry an edge, its
 * beginning and its end are shown, the rest is counted. Where operations have no time, they stand between the begin and the end of
 * their transaction so that a version that was read had been committed before, and one that was missed is committed later.
 *
 * Invariants
 * 1. `item` is one operation with the rows that belong to it; items of a transaction are in program order.
 * 2. Node numbers: the begin of a transaction, its shown items in order, its end; transactions one after another.
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

enum { LONG_TXN_ITEMS = 14, CROWD_TXN_ITEMS = 6, CROWD_TXNS = 16, HEAD_ITEMS = 4, TAIL_ITEMS = 2, LANES_MAX = 10 };
enum { NOT_FOUND = -1 };

struct item {
    uint64_t op;     /* index of its first operation */
    uint32_t ops;    /* with its rows; of a gap: how many operations are left out */
    bool gap;        /* stands for operations that are not shown */
    bool carries;    /* an edge or the finding needs it */
    int row;
};

struct chosen {
    uint32_t txn;    /* index in the history */
    struct item *items;
    int item_count;
    int first_node;  /* its begin; then items, then its end */
};

struct builder {
    const struct hs_history *history;
    const struct ck_finding *finding;
    struct sc_scene *scene;
    struct chosen chosen[SC_BOXES_MAX];
    int count;
    struct item *items; /* of all */
};

/* --- which ------------------------------------------------------------------------------------------------------- */

static void choose(struct builder *b, uint32_t txn) {
    if (txn >= b->history->txn_count || b->count == SC_BOXES_MAX)
        return;
    for (int i = 0; i < b->count; i++)
        if (b->chosen[i].txn == txn)
            return;
    int at = b->count++;
    for (; at > 0 && b->chosen[at - 1].txn > txn; at--)
        b->chosen[at] = b->chosen[at - 1];
    b->chosen[at] = (struct chosen){.txn = txn};
}

static void choose_all(struct builder *b) {
    const struct ck_finding *finding = b->finding;
    for (size_t t = 0; !finding && t < b->history->txn_count && t < SC_BOXES_MAX; t++)
        choose(b, (uint32_t)t);
    if (!finding)
        return;
    for (unsigned e = 0; e < finding->edge_count && e < CK_CYCLE_MAX; e++) {
        choose(b, finding->edges[e].from);
        choose(b, finding->edges[e].to);
    }
    if (finding->edge_count == 0 || finding->op != UINT64_MAX) {
        choose(b, finding->txn);
        choose(b, finding->other);
    }
}

static int chosen_index(const struct builder *b, uint32_t txn) {
    for (int i = 0; i < b->count; i++)
        if (b->chosen[i].txn == txn)
            return i;
    return NOT_FOUND;
}

/* Fills items of every chosen transaction. */
static int list_items(struct builder *b) {
    size_t total = 0;
    for (int i = 0; i < b->count; i++)
        total += b->history->txns[b->chosen[i].txn].op_count;
    b->items = calloc(total ? total : 1, sizeof *b->items);
    if (!b->items)
        return VARVE_NOMEM;
    struct item *next = b->items;
    for (int i = 0; i < b->count; i++) {
        const struct hs_txn *txn = &b->history->txns[b->chosen[i].txn];
        struct chosen *chosen = &b->chosen[i];
        chosen->items = next;
        for (uint64_t op = txn->first_op; op < txn->first_op + txn->op_count; op++) {
            if (b->history->ops[op].kind == HS_ROW && chosen->item_count) {
                chosen->items[chosen->item_count - 1].ops++;
                continue;
            }
            chosen->items[chosen->item_count++] = (struct item){.op = op, .ops = 1};
        }
        next += chosen->item_count;
    }
    return VARVE_OK;
}

/* --- which operation an edge leaves from or comes to ----------------------------------------------------------------- */

static bool covers(const struct hs_history *h, const struct hs_range *range, uint32_t key) {
    uint32_t rank = h->key_rank[key];
    if (range->low != HS_OPEN && (rank < h->key_rank[range->low] ||
                                  ((range->flags & HS_LOW_EXCLUSIVE) && rank == h->key_rank[range->low])))
        return false;
    return range->high == HS_OPEN || rank < h->key_rank[range->high] ||
           ((range->flags & HS_HIGH_INCLUSIVE) && rank == h->key_rank[range->high]);
}

static bool is_write(const struct hs_op *op) {
    return !(op->flags & HS_FAILED) && (op->kind == HS_WRITE || op->kind == HS_DELETE || op->kind == HS_APPEND);
}

/* How well the item serves as a read of `key` that answered `value`; 0: not at all. */
static int reads(const struct hs_history *h, const struct item *item, uint32_t key, int64_t value) {
    const struct hs_op *op = &h->ops[item->op];
    if (op->kind == HS_SCAN) {
        for (uint32_t i = 1; i < item->ops; i++)
            if (op[i].key == key)
                return op[i].flags & HS_OWN ? 1 : op[i].value == value ? 6 : 3;
        return covers(h, &h->ranges[op->key], key) ? value == HS_ABSENT ? 5 : 2 : 0;
    }
    if (op->key != key || is_write(op))
        return 0;
    if (op->kind == HS_LIST || (op->flags & HS_FAILED))
        return 4;
    return op->flags & HS_OWN ? 1 : op->value == value ? 7 : 3;
}

static int writes(const struct hs_history *h, const struct item *item, uint32_t key, int64_t value) {
    const struct hs_op *op = &h->ops[item->op];
    if (!is_write(op) || op->key != key)
        return 0;
    int64_t written = op->kind == HS_DELETE ? HS_ABSENT : op->value;
    return (written == value ? 4 : 2) - (op->flags & HS_ROLLED_BACK ? 1 : 0);
}

static struct item *best_item(const struct builder *b, int chosen, bool write, uint32_t key, int64_t value) {
    struct item *best = NULL;
    int best_score = 0;
    const struct chosen *of = &b->chosen[chosen];
    for (int i = 0; i < of->item_count; i++) {
        if (of->items[i].gap)
            continue;
        int score = (write ? writes : reads)(b->history, &of->items[i], key, value);
        if (score > best_score || (write && score && score == best_score)) {
            best = &of->items[i];
            best_score = score;
        }
    }
    return best;
}

/* The items an edge joins; NULL: its begin or end is meant. */
static void edge_items(const struct builder *b, const struct ck_edge *edge, struct item **from, struct item **to) {
    *from = *to = NULL;
    int source = chosen_index(b, edge->from), target = chosen_index(b, edge->to);
    if (source == NOT_FOUND || target == NOT_FOUND || edge->key >= b->history->key_count)
        return;
    bool from_write = edge->kind == CK_WW || edge->kind == CK_WR, to_write = edge->kind != CK_WR;
    *from = best_item(b, source, from_write, edge->key, edge->from_value);
    *to = best_item(b, target, to_write, edge->key, edge->to_value);
}

/* The edge that a finding without a cycle speaks of: what the culprit read or wrote and the other wrote. */
static bool culprit_edge(const struct builder *b, struct ck_edge *edge) {
    const struct ck_finding *f = b->finding;
    const struct hs_history *h = b->history;
    if (!f || f->edge_count || f->op >= h->op_count || f->other >= h->txn_count || f->other == f->txn)
        return false;
    const struct hs_op *op = &h->ops[f->op];
    if (op->kind == HS_SCAN || op->key >= h->key_count)
        return false;
    int other = chosen_index(b, f->other);
    struct item *written = other == NOT_FOUND ? NULL : best_item(b, other, true, op->key, op->value);
    if (!written)
        return false;
    *edge = (struct ck_edge){.from = f->other, .to = f->txn, .key = op->key, .kind = is_write(op) ? CK_WW : CK_WR,
                             .from_value = h->ops[written->op].value, .to_value = op->value};
    return true;
}

static void mark_carriers(struct builder *b) {
    struct item *from, *to;
    struct ck_edge edge;
    for (unsigned e = 0; b->finding && e < b->finding->edge_count && e < CK_CYCLE_MAX; e++) {
        edge_items(b, &b->finding->edges[e], &from, &to);
        if (from)
            from->carries = true;
        if (to)
            to->carries = true;
    }
    if (culprit_edge(b, &edge)) {
        edge_items(b, &edge, &from, &to);
        if (from)
            from->carries = true;
    }
    for (int i = 0; b->finding && b->finding->op != UINT64_MAX && i < b->count; i++)
        for (int k = 0; k < b->chosen[i].item_count; k++) {
            struct item *item = &b->chosen[i].items[k];
            item->carries |= b->finding->op >= item->op && b->finding->op < item->op + item->ops;
        }
}

/* Long transactions: runs of items that nothing needs become one gap. */
static void fold(struct chosen *chosen, int most) {
    if (chosen->item_count <= most)
        return;
    int kept = 0;
    for (int i = 0; i < chosen->item_count; i++) {
        struct item item = chosen->items[i];
        if (item.carries || i < HEAD_ITEMS || i >= chosen->item_count - TAIL_ITEMS) {
            chosen->items[kept++] = item;
            continue;
        }
        if (kept && chosen->items[kept - 1].gap)
            chosen->items[kept - 1].ops++;
        else
            chosen->items[kept++] = (struct item){.op = item.op, .ops = 1, .gap = true};
    }
    chosen->item_count = kept;
}

/* --- when ---------------------------------------------------------------------------------------------------------- */

static int begin_node(const struct chosen *chosen) { return chosen->first_node; }
static int end_node(const struct chosen *chosen) { return chosen->first_node + chosen->item_count + 1; }
static int item_node(const struct chosen *chosen, const struct item *item) {
    return chosen->first_node + 1 + (int)(item - chosen->items);
}

struct moment {
    uint64_t time;
    bool end;
    int node;
};

static int moment_order(const void *a, const void *b) {
    const struct moment *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->end != y->end ? x->end - y->end : x->node - y->node;
}

/* Begins and ends in the order of the clock; operations wish to be spread evenly between them. */
static int link_times(struct builder *b, struct sc_order *order) {
    struct moment moments[2 * SC_BOXES_MAX];
    int count = 0, status = VARVE_OK;
    for (int i = 0; i < b->count; i++) {
        const struct hs_txn *txn = &b->history->txns[b->chosen[i].txn];
        moments[count++] = (struct moment){txn->begin, false, begin_node(&b->chosen[i])};
        moments[count++] = (struct moment){txn->end, true, end_node(&b->chosen[i])};
    }
    qsort(moments, (size_t)count, sizeof *moments, moment_order);
    for (int m = 0; m < count && status == VARVE_OK; m++) {
        order->wish[moments[m].node] = m;
        if (m)
            status = sc_order_link(order, moments[m - 1].node, moments[m].node, false);
    }
    for (int i = 0; i < b->count; i++) {
        const struct chosen *chosen = &b->chosen[i];
        double begin = order->wish[begin_node(chosen)], end = order->wish[end_node(chosen)];
        for (int k = 0; k < chosen->item_count; k++)
            order->wish[item_node(chosen, &chosen->items[k])] = begin + (end - begin) * (k + 1) / (chosen->item_count + 1);
    }
    return status;
}

/* Without a clock: transactions side by side, those of one session one after another. */
static int link_sessions(struct builder *b, struct sc_order *order) {
    int status = VARVE_OK;
    for (int i = 0; i < b->count; i++)
        for (int n = begin_node(&b->chosen[i]); n <= end_node(&b->chosen[i]); n++)
            order->wish[n] = n - begin_node(&b->chosen[i]);
    for (int i = 0; b->history->by_session && i < b->count; i++)
        for (int k = i + 1; k < b->count && status == VARVE_OK; k++)
            if (b->history->txns[b->chosen[i].txn].session == b->history->txns[b->chosen[k].txn].session)
                status = sc_order_link(order, end_node(&b->chosen[i]), begin_node(&b->chosen[k]), false);
    return status;
}

static int link_edge(struct builder *b, struct sc_order *order, const struct ck_edge *edge) {
    struct item *from, *to;
    edge_items(b, edge, &from, &to);
    if (!from || !to)
        return VARVE_OK;
    const struct chosen *source = &b->chosen[chosen_index(b, edge->from)], *target = &b->chosen[chosen_index(b, edge->to)];
    if (edge->kind == CK_RW || edge->kind == CK_RW_RANGE)
        return sc_order_link(order, item_node(source, from), end_node(target), false);
    int status = VARVE_OK;
    if (b->history->txns[edge->from].outcome == HS_COMMITTED) /* what it wrote was seen: it had been committed */
        status = sc_order_link(order, end_node(source), edge->kind == CK_WR ? item_node(target, to) : end_node(target), false);
    return status ? status : sc_order_link(order, item_node(source, from), item_node(target, to), false);
}

/* The chosen transaction whose write the read has seen; NOT_FOUND: none of them. */
static int writer_of(const struct builder *b, const struct hs_op *op, int reader) {
    if (op->flags & HS_OWN || (op->kind != HS_READ && op->kind != HS_ROW) || op->value == HS_ABSENT)
        return NOT_FOUND;
    for (int i = 0; i < b->count; i++) {
        const struct hs_txn *txn = &b->history->txns[b->chosen[i].txn];
        if (i == reader || (b->history->stamps && txn->cts && txn->cts != op->version))
            continue;
        for (uint64_t w = txn->first_op; w < txn->first_op + txn->op_count; w++)
            if (is_write(&b->history->ops[w]) && b->history->ops[w].key == op->key && b->history->ops[w].value == op->value)
                return i;
    }
    return NOT_FOUND;
}

/* Calls fn for each read of an item whose writer is drawn too. */
static int each_seen(struct builder *b, int (*fn)(struct builder *, void *, const struct ck_edge *), void *argument) {
    int status = VARVE_OK;
    for (int i = 0; i < b->count; i++)
        for (int k = 0; k < b->chosen[i].item_count; k++) {
            const struct item *item = &b->chosen[i].items[k];
            for (uint64_t o = item->op; !item->gap && status == VARVE_OK && o < item->op + item->ops; o++) {
                const struct hs_op *op = &b->history->ops[o];
                int writer = writer_of(b, op, i);
                if (writer == NOT_FOUND)
                    continue;
                struct ck_edge edge = {.from = b->chosen[writer].txn, .to = b->chosen[i].txn, .key = op->key,
                                       .kind = CK_WR, .from_value = op->value, .to_value = op->value};
                status = fn(b, argument, &edge);
            }
        }
    return status;
}

static int link_seen(struct builder *b, void *order, const struct ck_edge *edge) { return link_edge(b, order, edge); }

static int link_all(struct builder *b, struct sc_order *order) {
    int status = VARVE_OK;
    for (int i = 0; i < b->count; i++)
        for (int n = begin_node(&b->chosen[i]); n < end_node(&b->chosen[i]) && status == VARVE_OK; n++)
            status = sc_order_link(order, n, n + 1, true);
    if (status == VARVE_OK)
        status = b->history->timed ? link_times(b, order) : link_sessions(b, order);
    for (unsigned e = 0; b->finding && e < b->finding->edge_count && e < CK_CYCLE_MAX && status == VARVE_OK; e++)
        status = link_edge(b, order, &b->finding->edges[e]);
    return status ? status : each_seen(b, link_seen, order);
}

/* --- what is written in the boxes ------------------------------------------------------------------------------------- */

static void append_key(char *text, const struct hs_history *h, uint32_t key) {
    char buffer[SC_TEXT_BYTES];
    sc_append(text, SC_TEXT_BYTES, "%s", hs_key_text(h, key, buffer, sizeof buffer));
}

static void scan_text(const struct hs_history *h, const struct item *item, char *text) {
    const struct hs_op *op = &h->ops[item->op];
    const struct hs_range *range = &h->ranges[op->key];
    sc_append(text, SC_TEXT_BYTES, "scan %c", range->flags & HS_LOW_EXCLUSIVE ? '(' : '[');
    if (range->low != HS_OPEN)
        append_key(text, h, range->low);
    sc_append(text, SC_TEXT_BYTES, ",");
    if (range->high != HS_OPEN)
        append_key(text, h, range->high);
    sc_append(text, SC_TEXT_BYTES, "%c = {", range->flags & HS_HIGH_INCLUSIVE ? ']' : ')');
    for (uint32_t i = 1; i < item->ops; i++) {
        sc_append(text, SC_TEXT_BYTES, i > 1 ? ", " : "");
        append_key(text, h, op[i].key);
        sc_append(text, SC_TEXT_BYTES, "=");
        sc_append_value(text, SC_TEXT_BYTES, op[i].value);
    }
    sc_append(text, SC_TEXT_BYTES, "}%s", range->flags & HS_REVERSE ? " backwards" : "");
}

static void list_text(const struct hs_history *h, const struct hs_op *op, char *text) {
    sc_append(text, SC_TEXT_BYTES, "read ");
    append_key(text, h, op->key);
    if (op->value == HS_ABSENT) {
        sc_append(text, SC_TEXT_BYTES, " = none");
        return;
    }
    sc_append(text, SC_TEXT_BYTES, " = [");
    for (int64_t i = 0; i < op->value; i++)
        sc_append(text, SC_TEXT_BYTES, "%s%lld", i ? " " : "", (long long)h->lists[op->version + (uint64_t)i]);
    sc_append(text, SC_TEXT_BYTES, "]");
}

static void item_text(const struct hs_history *h, const struct item *item, char *text) {
    const struct hs_op *op = &h->ops[item->op];
    *text = 0;
    if (item->gap)
        sc_append(text, SC_TEXT_BYTES, "\u2026 %" PRIu32 " operations", item->ops);
    else if (op->kind == HS_SCAN)
        scan_text(h, item, text);
    else if (op->kind == HS_LIST)
        list_text(h, op, text);
    if (*text)
        return;
    static const char *const verbs[HS_KINDS] = {"read", "has", "", "row", "write", "delete", "append", ""};
    bool writes_new = op->flags & HS_NEEDS_ABSENT, updates = op->flags & HS_NEEDS_PRESENT;
    const char *verb = op->kind != HS_WRITE ? verbs[op->kind] : writes_new ? "insert" : updates ? "update" : "write";
    sc_append(text, SC_TEXT_BYTES, "%s ", op->flags & HS_FOR_UPDATE ? "lock" : verb);
    append_key(text, h, op->key);
    if (op->flags & HS_FAILED) {
        sc_append(text, SC_TEXT_BYTES, writes_new ? ": exists" : ": not found");
    } else if (op->kind == HS_EXISTS) {
        sc_append(text, SC_TEXT_BYTES, op->value == HS_ABSENT ? " = no" : " = yes");
    } else if (op->kind != HS_DELETE) {
        sc_append(text, SC_TEXT_BYTES, op->kind == HS_APPEND ? " " : " = ");
        sc_append_value(text, SC_TEXT_BYTES, op->value);
    }
    if (op->flags & HS_ROLLED_BACK)
        sc_append(text, SC_TEXT_BYTES, " (rolled back)");
}

static void end_text(const struct hs_history *h, const struct hs_txn *txn, char *text) {
    *text = 0;
    if (txn->outcome == HS_UNKNOWN)
        sc_append(text, SC_TEXT_BYTES, "outcome unknown");
    else if (txn->outcome == HS_ABORTED)
        sc_append(text, SC_TEXT_BYTES, txn->reason ? "abort: %s" : "abort", sc_reason_name(txn->reason));
    else if (h->stamps && txn->cts)
        sc_append(text, SC_TEXT_BYTES, "commit at %" PRIu64, txn->cts);
    else
        sc_append(text, SC_TEXT_BYTES, "commit");
}

/* --- the scene ------------------------------------------------------------------------------------------------------ */

static struct sc_box box_of(const struct hs_history *h, uint32_t index) {
    const struct hs_txn *txn = &h->txns[index];
    struct sc_box box = {.lane = 0};
    snprintf(box.name, sizeof box.name, "T%" PRIu32, index);
    sc_append(box.note, sizeof box.note, "%s", sc_level_name((varve_isolation)txn->level));
    if (txn->flags & HS_READ_ONLY)
        sc_append(box.note, sizeof box.note, "%sread only", *box.note ? ", " : "");
    box.outcome = txn->outcome == HS_COMMITTED ? SC_COMMITTED : txn->outcome == HS_ABORTED ? SC_ABORTED : SC_UNKNOWN;
    return box;
}

/* The row of a node: its chosen transaction is known. */
static int add_row(struct builder *b, int chosen, int node) {
    struct chosen *of = &b->chosen[chosen];
    const struct hs_txn *txn = &b->history->txns[of->txn];
    struct sc_row row = {.box = chosen, .wait_end = SC_NONE, .kind = SC_STEP};
    int index;
    if (node == begin_node(of)) {
        row.kind = SC_BEGIN;
    } else if (node == end_node(of)) {
        row.kind = SC_END;
        row.refused = txn->outcome == HS_ABORTED;
        end_text(b->history, txn, row.text);
    } else {
        struct item *item = &of->items[node - of->first_node - 1];
        row.refused = !item->gap && b->history->ops[item->op].flags & HS_FAILED;
        row.marked = b->finding && !item->gap && b->finding->op >= item->op && b->finding->op < item->op + item->ops;
        item_text(b->history, item, row.text);
        item->row = b->scene->row_count;
    }
    return sc_row_add(b->scene, &row, &index);
}

static int add_rows(struct builder *b) {
    int nodes = 0;
    for (int i = 0; i < b->count; i++) {
        b->chosen[i].first_node = nodes;
        nodes += b->chosen[i].item_count + 2;
    }
    struct sc_order order;
    int status = sc_order_init(&order, nodes);
    if (status != VARVE_OK)
        return status;
    int *sorted = calloc(nodes ? (size_t)nodes : 1, sizeof *sorted);
    status = sorted ? link_all(b, &order) : VARVE_NOMEM;
    if (status == VARVE_OK)
        sc_order_sort(&order, sorted);
    for (int n = 0; n < nodes && status == VARVE_OK; n++) {
        int chosen = 0;
        while (end_node(&b->chosen[chosen]) < sorted[n])
            chosen++;
        status = add_row(b, chosen, sorted[n]);
    }
    free(sorted);
    sc_order_release(&order);
    return status;
}

static int add_edge(struct builder *b, void *minor, const struct ck_edge *edge) {
    struct item *from, *to;
    int source = chosen_index(b, edge->from), target = chosen_index(b, edge->to);
    if (source == NOT_FOUND || target == NOT_FOUND)
        return VARVE_OK;
    edge_items(b, edge, &from, &to);
    const struct sc_box *boxes = b->scene->boxes;
    struct sc_edge drawn = {.kind = edge->kind, .minor = minor != NULL};
    drawn.from_row = from ? from->row : boxes[source].last_row;
    drawn.to_row = to ? to->row : edge->kind == CK_RT || edge->kind == CK_SO ? boxes[target].first_row : boxes[target].last_row;
    if (edge->key < b->history->key_count) {
        char key[40];
        sc_edge_label(&drawn, hs_key_text(b->history, edge->key, key, sizeof key), edge->from_value, edge->to_value);
    }
    return sc_edge_add(b->scene, &drawn);
}

static int add_edges(struct builder *b) {
    struct ck_edge culprit;
    int status = VARVE_OK;
    if (!b->finding)
        return each_seen(b, add_edge, b);
    for (unsigned e = 0; e < b->finding->edge_count && e < CK_CYCLE_MAX && status == VARVE_OK; e++)
        status = add_edge(b, NULL, &b->finding->edges[e]);
    if (status == VARVE_OK && culprit_edge(b, &culprit))
        status = add_edge(b, NULL, &culprit);
    return status;
}

/* --- lanes ---------------------------------------------------------------------------------------------------------- */

/* A lane a session, if no two transactions of one session overlap and there are few enough; else false. */
static bool lanes_by_session(struct builder *b, int *count) {
    *count = 0;
    for (int i = 0; b->history->by_session && i < b->count; i++) {
        struct sc_box *box = &b->scene->boxes[i];
        uint32_t session = b->history->txns[b->chosen[i].txn].session;
        box->lane = 0;
        for (int k = 0; k < b->count; k++) { /* the lane is the number of sessions below it */
            uint32_t other = b->history->txns[b->chosen[k].txn].session;
            bool first = true;
            for (int j = 0; j < k; j++)
                first &= b->history->txns[b->chosen[j].txn].session != other;
            box->lane += first && other < session;
            const struct sc_box *beside = &b->scene->boxes[k];
            if (k != i && other == session && beside->first_row < box->last_row && box->first_row < beside->last_row)
                return false;
        }
        if (box->lane + 1 > *count)
            *count = box->lane + 1;
    }
    return b->history->by_session && *count <= LANES_MAX;
}

/* Each box in the first lane that is free at its height, from the top down. */
static int pack_lanes(struct sc_scene *scene) {
    int count = 0, free_from[SC_BOXES_MAX] = {0};
    for (int r = 0; r < scene->row_count; r++) {
        if (scene->rows[r].kind != SC_BEGIN)
            continue;
        struct sc_box *box = &scene->boxes[scene->rows[r].box];
        for (box->lane = 0; box->lane < count && free_from[box->lane] > r;)
            box->lane++;
        count += box->lane == count;
        free_from[box->lane] = box->last_row + 1;
    }
    return count;
}

static int set_lanes(struct builder *b) {
    int count;
    bool sessions = lanes_by_session(b, &count);
    if (!sessions)
        count = pack_lanes(b->scene);
    int status = sc_lanes_set(b->scene, count);
    for (int i = 0; sessions && i < b->count && status == VARVE_OK; i++)
        snprintf(b->scene->lanes[b->scene->boxes[i].lane], sizeof *b->scene->lanes, "session %" PRIu32,
                 b->history->txns[b->chosen[i].txn].session);
    return status;
}

static int build(struct builder *b) {
    choose_all(b);
    int status = list_items(b);
    if (status != VARVE_OK)
        return status;
    mark_carriers(b);
    for (int i = 0; i < b->count; i++)
        fold(&b->chosen[i], b->count > CROWD_TXNS ? CROWD_TXN_ITEMS : LONG_TXN_ITEMS);
    for (int i = 0; i < b->count && status == VARVE_OK; i++) {
        struct sc_box box = box_of(b->history, b->chosen[i].txn);
        status = sc_box_add(b->scene, &box, NULL);
    }
    if (status == VARVE_OK)
        status = add_rows(b);
    if (status != VARVE_OK)
        return status;
    sc_bounds(b->scene);
    status = add_edges(b);
    return status ? status : set_lanes(b);
}

int sc_from_history(struct sc_scene *scene, const struct hs_history *history, const struct ck_finding *finding,
                    const char *title) {
    memset(scene, 0, sizeof *scene);
    struct builder *b = calloc(1, sizeof *b);
    if (!b)
        return VARVE_NOMEM;
    b->history = history;
    b->finding = finding;
    b->scene = scene;
    snprintf(scene->title, sizeof scene->title, "%s", title ? title : "");
    if (finding) {
        snprintf(scene->before, sizeof scene->before, "%s", ck_anomaly_about(finding->anomaly));
        snprintf(scene->proof, sizeof scene->proof, "%s", finding->proof);
    }
    if (!finding && history->txn_count > SC_BOXES_MAX)
        snprintf(scene->after, sizeof scene->after, "the first %d of %zu transactions", SC_BOXES_MAX, history->txn_count);
    int status = build(b);
    free(b->items);
    free(b);
    if (status != VARVE_OK)
        sc_release(scene);
    return status;
}
