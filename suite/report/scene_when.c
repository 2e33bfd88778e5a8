/* scene_when.c - what a history says of the order of its events, as links for scene_order.c.
 *
 * Begins and ends have the clock's order, or that of sessions, or none. An operation comes between the begin and the
 * end of its transaction, after the commit of what it saw, and before the commit of what it missed.
 *
 * Invariant: node numbers are the begin of a transaction, its items in order, its end; transactions one after another.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "report/scene_history.h"

static int item_node(const struct sc_chosen *chosen, const struct sc_item *item) {
    return chosen->first_node + 1 + (int)(item - chosen->items);
}

struct moment {
    uint64_t time;
    bool end;
    int node;
};

static int moment_order(const void *a, const void *b) {
    const struct moment *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return x->end != y->end ? x->end - y->end : x->node - y->node;
}

/* Begins and ends in the order of the clock; operations wish to be spread evenly between them. */
static int link_times(struct sc_builder *b, struct sc_order *order) {
    struct moment moments[2 * SC_BOXES_MAX];
    int count = 0, status = VARVE_OK;
    for (int i = 0; i < b->count; i++) {
        const struct hs_txn *txn = &b->history->txns[b->chosen[i].txn];
        moments[count++] = (struct moment){txn->begin, false, sc_begin_node(&b->chosen[i])};
        moments[count++] = (struct moment){txn->end, true, sc_end_node(&b->chosen[i])};
    }
    qsort(moments, (size_t)count, sizeof *moments, moment_order);
    for (int m = 0; m < count && status == VARVE_OK; m++) {
        order->wish[moments[m].node] = m;
        if (m) status = sc_order_link(order, moments[m - 1].node, moments[m].node, false);
    }
    for (int i = 0; i < b->count; i++) {
        const struct sc_chosen *chosen = &b->chosen[i];
        double begin = order->wish[sc_begin_node(chosen)], end = order->wish[sc_end_node(chosen)];
        for (int k = 0; k < chosen->item_count; k++)
            order->wish[item_node(chosen, &chosen->items[k])] =
                begin + (end - begin) * (k + 1) / (chosen->item_count + 1);
    }
    return status;
}

/* Without a clock: transactions side by side, those of one session one after another. */
static int link_sessions(struct sc_builder *b, struct sc_order *order) {
    int status = VARVE_OK;
    for (int i = 0; i < b->count; i++)
        for (int n = sc_begin_node(&b->chosen[i]); n <= sc_end_node(&b->chosen[i]); n++)
            order->wish[n] = n - sc_begin_node(&b->chosen[i]);
    for (int i = 0; b->history->by_session && i < b->count; i++)
        for (int k = i + 1; k < b->count && status == VARVE_OK; k++)
            if (b->history->txns[b->chosen[i].txn].session == b->history->txns[b->chosen[k].txn].session)
                status = sc_order_link(order, sc_end_node(&b->chosen[i]), sc_begin_node(&b->chosen[k]), false);
    return status;
}

static int link_edge(struct sc_builder *b, struct sc_order *order, const struct ck_edge *edge) {
    struct sc_item *from, *to;
    sc_edge_items(b, edge, &from, &to);
    if (!from || !to) return VARVE_OK;
    const struct sc_chosen *source = &b->chosen[sc_chosen_index(b, edge->from)],
                           *target = &b->chosen[sc_chosen_index(b, edge->to)];
    if (edge->kind == CK_RW || edge->kind == CK_RW_RANGE)
        return sc_order_link(order, item_node(source, from), sc_end_node(target), false);
    int status = VARVE_OK;
    if (b->history->txns[edge->from].outcome == HS_COMMITTED) /* what it wrote was seen: it had been committed */
        status = sc_order_link(order, sc_end_node(source),
                               edge->kind == CK_WR ? item_node(target, to) : sc_end_node(target), false);
    return status ? status : sc_order_link(order, item_node(source, from), item_node(target, to), false);
}

static int link_seen(struct sc_builder *b, void *order, const struct ck_edge *edge) {
    return link_edge(b, order, edge);
}

int sc_link_all(struct sc_builder *b, struct sc_order *order) {
    int status = VARVE_OK;
    for (int i = 0; i < b->count; i++)
        for (int n = sc_begin_node(&b->chosen[i]); n < sc_end_node(&b->chosen[i]) && status == VARVE_OK; n++)
            status = sc_order_link(order, n, n + 1, true);
    if (status == VARVE_OK) status = b->history->timed ? link_times(b, order) : link_sessions(b, order);
    for (unsigned e = 0; b->finding && e < b->finding->edge_count && e < CK_CYCLE_MAX && status == VARVE_OK; e++)
        status = link_edge(b, order, &b->finding->edges[e]);
    return status ? status : sc_each_seen(b, link_seen, order);
}
