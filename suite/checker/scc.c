/* scc.c - strongly connected components, without recursion.
 *
 * Edges are taken whose kind is in a mask, and the implicit step from a point to the next of its transaction (from
 * helper to helper only where real time is in the mask).
 *
 * Source: Tarjan, Depth-First Search and Linear Graph Algorithms, SIAM J. Comput. 1972, in the form with one index a
 * vertex of Pearce, A Space-Efficient Algorithm for Finding Strongly Connected Components, IPL 2016.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/graph.h"

struct frame {
    uint32_t point, edge;
};

struct tarjan {
    const struct ck_graph *g;
    unsigned mask;
    uint32_t *low;        /* 0: not visited; above `limit`: its component is known, and numbered from the top */
    struct frame *frames; /* depth first */
    uint32_t *waiting;    /* visited, component not known */
    uint32_t frame_count, waiting_count, index, component;
    bool large; /* a component of several points was seen */
};

static bool steps_on(const struct tarjan *t, uint32_t point) {
    return point < t->g->helpers_from || (t->mask & 1 << CK_RT) != 0;
}

static void enter(struct tarjan *t, uint32_t point) {
    t->low[point] = ++t->index;
    t->frames[t->frame_count++] = (struct frame){point, t->g->edge_start[point]};
}

/* The next successor to look at, or UINT32_MAX. Edge number edge_start[point + 1] is the implicit step. */
static uint32_t successor(const struct tarjan *t, struct frame *frame) {
    const struct ck_graph *g = t->g;
    uint32_t end = g->edge_start[frame->point + 1];
    while (frame->edge < end) {
        uint32_t at = frame->edge++;
        if ((t->mask >> g->edge_kind[at] & 1) != 0) return g->edge_to[at];
    }
    if (frame->edge++ == end && steps_on(t, frame->point)) return ck_next_point(g, frame->point);
    return UINT32_MAX;
}

/* All successors of the point are done. `mine` is the index it was entered with. */
static void leave(struct tarjan *t, uint32_t point, uint32_t mine) {
    if (t->low[point] != mine) {
        t->waiting[t->waiting_count++] = point;
        return;
    }
    uint32_t members = 1, component = t->component--;
    while (t->waiting_count != 0 && t->low[t->waiting[t->waiting_count - 1]] >= mine) {
        t->low[t->waiting[--t->waiting_count]] = component;
        members++;
    }
    t->low[point] = component;
    t->index -= members;
    t->large = t->large || members > 1;
}

static void visit(struct tarjan *t, uint32_t root, uint32_t *entered) {
    entered[root] = t->index + 1;
    enter(t, root);
    while (t->frame_count != 0) {
        struct frame *frame = &t->frames[t->frame_count - 1];
        uint32_t point = frame->point, next = successor(t, frame);
        if (next != UINT32_MAX && t->low[next] == 0) {
            entered[next] = t->index + 1;
            enter(t, next);
        } else if (next != UINT32_MAX) {
            if (t->low[next] < t->low[point]) t->low[point] = t->low[next];
        } else {
            t->frame_count--;
            leave(t, point, entered[point]);
            if (t->frame_count != 0) {
                uint32_t parent = t->frames[t->frame_count - 1].point;
                if (t->low[point] < t->low[parent]) t->low[parent] = t->low[point];
            }
        }
    }
}

bool ck_components(struct ck_work *work, const struct ck_graph *graph, unsigned mask, uint32_t *component) {
    struct tarjan t = {.g = graph, .mask = mask, .low = component, .component = UINT32_MAX};
    size_t points = graph->points;
    t.frames = ck_alloc(work, points, sizeof(*t.frames));
    t.waiting = ck_alloc(work, points, sizeof(*t.waiting));
    uint32_t *entered = ck_alloc(work, points, sizeof(*entered));
    if (work->status == VARVE_OK) {
        memset(component, 0, points * sizeof(*component));
        for (uint32_t p = 0; p < points; p++)
            if (component[p] == 0) visit(&t, p, entered);
    }
    ck_free(work, t.frames, points, sizeof(*t.frames));
    ck_free(work, t.waiting, points, sizeof(*t.waiting));
    ck_free(work, entered, points, sizeof(*entered));
    return t.large;
}
