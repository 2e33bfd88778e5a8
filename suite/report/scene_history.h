/* scene_history.h - private to the files that make a scene of a history: what is chosen, and which operation an edge
 * joins.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_SCENE_HISTORY_H
#define VARVE_SUITE_SCENE_HISTORY_H

#include "report/scene.h"
#include "report/scene_int.h"

enum { SC_NOT_FOUND = -1 };

/* One operation, with the rows that belong to it. */
struct sc_item {
    uint64_t op;  /* index of its first operation */
    uint32_t ops; /* with its rows; of a gap: how many operations are left out */
    bool gap;     /* stands for operations that are not shown */
    bool carries; /* an edge or the finding needs it */
    int row;
};

struct sc_chosen {
    uint32_t txn; /* index in the history */
    struct sc_item *items;
    int item_count;
    int first_node; /* its begin; then items, then its end */
};

struct sc_builder {
    const struct hs_history *history;
    const struct ck_finding *finding;
    struct sc_scene *scene;
    struct sc_chosen chosen[SC_BOXES_MAX];
    int count;
    struct sc_item *items; /* of all */
};

static inline int sc_begin_node(const struct sc_chosen *chosen) { return chosen->first_node; }
static inline int sc_end_node(const struct sc_chosen *chosen) { return chosen->first_node + chosen->item_count + 1; }

/* scene_items.c */
int sc_chosen_index(const struct sc_builder *b, uint32_t txn); /* SC_NOT_FOUND */
/* The items an edge joins; NULL: its begin or end is meant. */
void sc_edge_items(const struct sc_builder *b, const struct ck_edge *edge, struct sc_item **from, struct sc_item **to);
/* The edge that a finding without a cycle speaks of: what the culprit read or wrote and the other wrote. */
bool sc_culprit_edge(const struct sc_builder *b, struct ck_edge *edge);
/* Calls fn for each value an item has read whose writer is drawn too, as the edge between them. Of a list every element
 * counts; to_value is its last. */
typedef int sc_seen_fn(struct sc_builder *b, void *argument, const struct ck_edge *edge);
int sc_each_seen(struct sc_builder *b, sc_seen_fn *fn, void *argument);

/* scene_when.c: every link that the history gives. */
int sc_link_all(struct sc_builder *b, struct sc_order *order);

/* scene_words.c: `text` has SC_TEXT_BYTES. */
void sc_item_text(const struct hs_history *h, const struct sc_item *item, char *text);
void sc_end_text(const struct hs_history *h, const struct hs_txn *txn, char *text);

#endif
