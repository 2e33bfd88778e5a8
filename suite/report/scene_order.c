/* scene_order.c - a total order of events from what is known of it: links that must hold, wishes that decide the rest.
 *
 * A history says when transactions began and ended, but of the operations between only their order within one
 * transaction. What they answered says more: a version that was read had been committed, one that was missed had not.
 * Sorting is Kahn's (Topological sorting of large networks, 1962), with the smallest wish first.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include "report/scene_int.h"

#include <stdlib.h>
#include <string.h>

#include "varve.h"

int sc_order_init(struct sc_order *order, int node_count) {
    size_t nodes = node_count ? (size_t)node_count : 1;
    memset(order, 0, sizeof *order);
    order->node_count = node_count;
    order->wish = calloc(nodes, sizeof *order->wish);
    order->mark = calloc(nodes, sizeof *order->mark);
    order->stack = calloc(nodes, sizeof *order->stack);
    if (order->wish && order->mark && order->stack) return VARVE_OK;
    sc_order_release(order);
    return VARVE_NOMEM;
}

void sc_order_release(struct sc_order *order) {
    free(order->wish);
    free(order->mark);
    free(order->stack);
    free(order->links);
    memset(order, 0, sizeof *order);
}

/* `to` can be reached from `from`. */
static bool leads_to(struct sc_order *order, int from, int to) {
    int depth = 0;
    memset(order->mark, 0, (size_t)order->node_count * sizeof *order->mark);
    order->stack[depth++] = from;
    order->mark[from] = 1;
    while (depth) {
        int at = order->stack[--depth];
        if (at == to) return true;
        for (int i = 0; i < order->link_count; i++) {
            if (order->links[i].from != at || order->mark[order->links[i].to]) continue;
            order->mark[order->links[i].to] = 1;
            order->stack[depth++] = order->links[i].to;
        }
    }
    return false;
}

int sc_order_link(struct sc_order *order, int from, int to, bool sure) {
    if (from == to || (!sure && leads_to(order, to, from))) return VARVE_OK;
    if (order->link_count == order->link_capacity) {
        int wanted = order->link_capacity ? order->link_capacity * 2 : 64;
        void *grown = realloc(order->links, (size_t)wanted * sizeof *order->links);
        if (!grown) return VARVE_NOMEM;
        order->links = grown;
        order->link_capacity = wanted;
    }
    order->links[order->link_count].from = from;
    order->links[order->link_count++].to = to;
    return VARVE_OK;
}

void sc_order_sort(struct sc_order *order, int *sorted) {
    int *waits_for = order->mark; /* how many links into a node are open; -1: placed */
    memset(waits_for, 0, (size_t)order->node_count * sizeof *waits_for);
    for (int i = 0; i < order->link_count; i++) waits_for[order->links[i].to]++;
    for (int placed = 0; placed < order->node_count; placed++) {
        int best = -1;
        for (int n = 0; n < order->node_count; n++)
            if (waits_for[n] == 0 && (best < 0 || order->wish[n] < order->wish[best])) best = n;
        if (best < 0) /* a circle among links that were called sure: the rest as it stands */
            for (int n = 0; n < order->node_count && best < 0; n++)
                if (waits_for[n] > 0) best = n;
        sorted[placed] = best;
        waits_for[best] = -1;
        for (int i = 0; i < order->link_count; i++)
            if (order->links[i].from == best && waits_for[order->links[i].to] > 0) waits_for[order->links[i].to]--;
    }
}
