/* scene_int.h - what the files that make scenes share: an order of events that do not all carry a time, and the edges
 * of a run.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_SCENE_INT_H
#define VARVE_SUITE_SCENE_INT_H

#include <stdbool.h>

#include "report/scene.h"

/* Nodes 0 .. count-1, each with a wished place; links are kept acyclic. */
struct sc_order {
    int node_count, link_count, link_capacity;
    double *wish; /* [node_count] */
    struct {
        int from, to;
    } * links;
    int *mark; /* [node_count] */
    int *stack;
};

int sc_order_init(struct sc_order *order, int node_count); /* VARVE_OK or VARVE_NOMEM */
void sc_order_release(struct sc_order *order);
/* `from` comes before `to`. A link that would close a circle is left out: with `sure` no circle is looked for. */
int sc_order_link(struct sc_order *order, int from, int to, bool sure);
/* sorted[node_count] gets the nodes in an order that keeps the links; among free ones the smallest wish is first. */
void sc_order_sort(struct sc_order *order, int *sorted);

/* Adds the dependencies of a run to its scene. answer_row[step_count]: the row that shows a step's answer, or SC_NONE.
 */
int sc_run_edges(struct sc_scene *scene, const struct ss_schedule *schedule, const struct ss_run *run,
                 const int *answer_row);

#endif
