/* scene_history.c - a scene from a history: which transactions, which of their operations, in which lanes.
 *
 * Shown are the transactions of a finding, or the first 64. Of a long transaction the operations that carry an edge,
 * its beginning and its end are shown, the rest is counted. scene_items.c says which operation an edge means,
 * scene_when.c in which order events stand, scene_words.c what is written.
 *
 * Invariant: items of a transaction are in program order.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/scene_history.h"

enum { LONG_TXN_ITEMS = 14, CROWD_TXN_ITEMS = 6, CROWD_TXNS = 16, HEAD_ITEMS = 4, TAIL_ITEMS = 2, LANES_MAX = 10 };

/* --- which ------------------------------------------------------------------------------------------------------- */

static void choose(struct sc_builder *b, uint32_t txn) {
    if (txn >= b->history->txn_count || b->count == SC_BOXES_MAX) return;
    for (int i = 0; i < b->count; i++)
        if (b->chosen[i].txn == txn) return;
    int at = b->count++;
    for (; at > 0 && b->chosen[at - 1].txn > txn; at--) b->chosen[at] = b->chosen[at - 1];
    b->chosen[at] = (struct sc_chosen){.txn = txn};
}

static void choose_all(struct sc_builder *b) {
    const struct ck_finding *finding = b->finding;
    for (size_t t = 0; !finding && t < b->history->txn_count && t < SC_BOXES_MAX; t++) choose(b, (uint32_t)t);
    if (!finding) return;
    for (unsigned e = 0; e < finding->edge_count && e < CK_CYCLE_MAX; e++) {
        choose(b, finding->edges[e].from);
        choose(b, finding->edges[e].to);
    }
    if (finding->edge_count == 0 || finding->op != UINT64_MAX) {
        choose(b, finding->txn);
        choose(b, finding->other);
    }
}

/* Fills items of every chosen transaction. */
static int list_items(struct sc_builder *b) {
    size_t total = 0;
    for (int i = 0; i < b->count; i++) total += b->history->txns[b->chosen[i].txn].op_count;
    b->items = calloc(total ? total : 1, sizeof *b->items);
    if (!b->items) return VARVE_NOMEM;
    struct sc_item *next = b->items;
    for (int i = 0; i < b->count; i++) {
        const struct hs_txn *txn = &b->history->txns[b->chosen[i].txn];
        struct sc_chosen *chosen = &b->chosen[i];
        chosen->items = next;
        for (uint64_t op = txn->first_op; op < txn->first_op + txn->op_count; op++) {
            if (b->history->ops[op].kind == HS_ROW && chosen->item_count) {
                chosen->items[chosen->item_count - 1].ops++;
                continue;
            }
            chosen->items[chosen->item_count++] = (struct sc_item){.op = op, .ops = 1};
        }
        next += chosen->item_count;
    }
    return VARVE_OK;
}

static void mark_carriers(struct sc_builder *b) {
    struct sc_item *from, *to;
    struct ck_edge edge;
    for (unsigned e = 0; b->finding && e < b->finding->edge_count && e < CK_CYCLE_MAX; e++) {
        sc_edge_items(b, &b->finding->edges[e], &from, &to);
        if (from) from->carries = true;
        if (to) to->carries = true;
    }
    if (sc_culprit_edge(b, &edge)) {
        sc_edge_items(b, &edge, &from, &to);
        if (from) from->carries = true;
    }
    for (int i = 0; b->finding && b->finding->op != UINT64_MAX && i < b->count; i++)
        for (int k = 0; k < b->chosen[i].item_count; k++) {
            struct sc_item *item = &b->chosen[i].items[k];
            item->carries |= b->finding->op >= item->op && b->finding->op < item->op + item->ops;
        }
}

/* Long transactions: runs of items that nothing needs become one gap. */
static void fold(struct sc_chosen *chosen, int most) {
    if (chosen->item_count <= most) return;
    int kept = 0;
    for (int i = 0; i < chosen->item_count; i++) {
        struct sc_item item = chosen->items[i];
        if (item.carries || i < HEAD_ITEMS || i >= chosen->item_count - TAIL_ITEMS) {
            chosen->items[kept++] = item;
            continue;
        }
        if (kept && chosen->items[kept - 1].gap)
            chosen->items[kept - 1].ops++;
        else
            chosen->items[kept++] = (struct sc_item){.op = item.op, .ops = 1, .gap = true};
    }
    chosen->item_count = kept;
}

/* --- the scene ------------------------------------------------------------------------------------------------------
 */

static struct sc_box box_of(const struct hs_history *h, uint32_t index) {
    const struct hs_txn *txn = &h->txns[index];
    struct sc_box box = {.lane = 0};
    snprintf(box.name, sizeof box.name, "T%" PRIu32, index);
    sc_append(box.note, sizeof box.note, "%s", sc_level_name((varve_isolation)txn->level));
    if (txn->flags & HS_READ_ONLY) sc_append(box.note, sizeof box.note, "%sread only", *box.note ? ", " : "");
    box.outcome = txn->outcome == HS_COMMITTED ? SC_COMMITTED : txn->outcome == HS_ABORTED ? SC_ABORTED : SC_UNKNOWN;
    return box;
}

/* The row of a node: its chosen transaction is known. */
static int add_row(struct sc_builder *b, int chosen, int node) {
    struct sc_chosen *of = &b->chosen[chosen];
    const struct hs_txn *txn = &b->history->txns[of->txn];
    struct sc_row row = {.box = chosen, .wait_end = SC_NONE, .kind = SC_STEP};
    int index;
    if (node == sc_begin_node(of)) {
        row.kind = SC_BEGIN;
    } else if (node == sc_end_node(of)) {
        row.kind = SC_END;
        row.refused = txn->outcome == HS_ABORTED;
        sc_end_text(b->history, txn, row.text);
    } else {
        struct sc_item *item = &of->items[node - of->first_node - 1];
        row.refused = !item->gap && b->history->ops[item->op].flags & HS_FAILED;
        row.marked = b->finding && !item->gap && b->finding->op >= item->op && b->finding->op < item->op + item->ops;
        sc_item_text(b->history, item, row.text);
        item->row = b->scene->row_count;
    }
    return sc_row_add(b->scene, &row, &index);
}

static int add_rows(struct sc_builder *b) {
    int nodes = 0;
    for (int i = 0; i < b->count; i++) {
        b->chosen[i].first_node = nodes;
        nodes += b->chosen[i].item_count + 2;
    }
    struct sc_order order;
    int status = sc_order_init(&order, nodes);
    if (status != VARVE_OK) return status;
    int *sorted = calloc(nodes ? (size_t)nodes : 1, sizeof *sorted);
    status = sorted ? sc_link_all(b, &order) : VARVE_NOMEM;
    if (status == VARVE_OK) sc_order_sort(&order, sorted);
    for (int n = 0; n < nodes && status == VARVE_OK; n++) {
        int chosen = 0;
        while (sc_end_node(&b->chosen[chosen]) < sorted[n]) chosen++;
        status = add_row(b, chosen, sorted[n]);
    }
    free(sorted);
    sc_order_release(&order);
    return status;
}

static int add_edge(struct sc_builder *b, void *minor, const struct ck_edge *edge) {
    struct sc_item *from, *to;
    int source = sc_chosen_index(b, edge->from), target = sc_chosen_index(b, edge->to);
    bool implied = minor && edge->from_value != edge->to_value; /* of a list only the last element's writer is joined */
    if (source == SC_NOT_FOUND || target == SC_NOT_FOUND || implied) return VARVE_OK;
    sc_edge_items(b, edge, &from, &to);
    const struct sc_box *boxes = b->scene->boxes;
    struct sc_edge drawn = {.kind = edge->kind, .minor = minor != NULL};
    drawn.from_row = from ? from->row : boxes[source].last_row;
    drawn.to_row = to                                           ? to->row
                   : edge->kind == CK_RT || edge->kind == CK_SO ? boxes[target].first_row
                                                                : boxes[target].last_row;
    if (edge->key < b->history->key_count) {
        char key[40];
        sc_edge_label(&drawn, hs_key_text(b->history, edge->key, key, sizeof key), edge->from_value, edge->to_value);
    }
    return sc_edge_add(b->scene, &drawn);
}

static int add_edges(struct sc_builder *b) {
    struct ck_edge culprit;
    int status = VARVE_OK;
    if (!b->finding) return sc_each_seen(b, add_edge, b);
    for (unsigned e = 0; e < b->finding->edge_count && e < CK_CYCLE_MAX && status == VARVE_OK; e++)
        status = add_edge(b, NULL, &b->finding->edges[e]);
    if (status == VARVE_OK && sc_culprit_edge(b, &culprit)) status = add_edge(b, NULL, &culprit);
    return status;
}

/* --- lanes ----------------------------------------------------------------------------------------------------------
 */

/* A lane a session, if no two transactions of one session overlap and there are few enough; else false. */
static bool lanes_by_session(struct sc_builder *b, int *count) {
    *count = 0;
    for (int i = 0; b->history->by_session && i < b->count; i++) {
        struct sc_box *box = &b->scene->boxes[i];
        uint32_t session = b->history->txns[b->chosen[i].txn].session;
        box->lane = 0;
        for (int k = 0; k < b->count; k++) { /* the lane is the number of sessions below it */
            uint32_t other = b->history->txns[b->chosen[k].txn].session;
            bool first = true;
            for (int j = 0; j < k; j++) first &= b->history->txns[b->chosen[j].txn].session != other;
            box->lane += first && other < session;
            const struct sc_box *beside = &b->scene->boxes[k];
            if (k != i && other == session && beside->first_row < box->last_row && box->first_row < beside->last_row)
                return false;
        }
        if (box->lane + 1 > *count) *count = box->lane + 1;
    }
    return b->history->by_session && *count <= LANES_MAX;
}

/* Each box in the first lane that is free at its height, from the top down. */
static int pack_lanes(struct sc_scene *scene) {
    int count = 0, free_from[SC_BOXES_MAX] = {0};
    for (int r = 0; r < scene->row_count; r++) {
        if (scene->rows[r].kind != SC_BEGIN) continue;
        struct sc_box *box = &scene->boxes[scene->rows[r].box];
        for (box->lane = 0; box->lane < count && free_from[box->lane] > r;) box->lane++;
        count += box->lane == count;
        free_from[box->lane] = box->last_row + 1;
    }
    return count;
}

static int set_lanes(struct sc_builder *b) {
    int count;
    bool sessions = lanes_by_session(b, &count);
    if (!sessions) count = pack_lanes(b->scene);
    int status = sc_lanes_set(b->scene, count);
    for (int i = 0; sessions && i < b->count && status == VARVE_OK; i++)
        snprintf(b->scene->lanes[b->scene->boxes[i].lane], sizeof *b->scene->lanes, "session %" PRIu32,
                 b->history->txns[b->chosen[i].txn].session);
    return status;
}

static int build(struct sc_builder *b) {
    choose_all(b);
    int status = list_items(b);
    if (status != VARVE_OK) return status;
    mark_carriers(b);
    for (int i = 0; i < b->count; i++) fold(&b->chosen[i], b->count > CROWD_TXNS ? CROWD_TXN_ITEMS : LONG_TXN_ITEMS);
    for (int i = 0; i < b->count && status == VARVE_OK; i++) {
        struct sc_box box = box_of(b->history, b->chosen[i].txn);
        status = sc_box_add(b->scene, &box, NULL);
    }
    if (status == VARVE_OK) status = add_rows(b);
    if (status != VARVE_OK) return status;
    sc_bounds(b->scene);
    status = add_edges(b);
    return status ? status : set_lanes(b);
}

int sc_from_history(struct sc_scene *scene, const struct hs_history *history, const struct ck_finding *finding,
                    const char *title) {
    memset(scene, 0, sizeof *scene);
    struct sc_builder *b = calloc(1, sizeof *b);
    if (!b) return VARVE_NOMEM;
    b->history = history;
    b->finding = finding;
    b->scene = scene;
    snprintf(scene->title, sizeof scene->title, "%s", title ? title : "");
    if (finding) {
        snprintf(scene->before, sizeof scene->before, "%s", ck_anomaly_about(finding->anomaly));
        snprintf(scene->proof, sizeof scene->proof, "%s", finding->proof);
    }
    if (!finding && history->txn_count > SC_BOXES_MAX)
        snprintf(scene->after, sizeof scene->after, "the first %d of %zu transactions", SC_BOXES_MAX,
                 history->txn_count);
    int status = build(b);
    free(b->items);
    free(b);
    if (status != VARVE_OK) sc_release(scene);
    return status;
}
