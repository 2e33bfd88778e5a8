/* layout.h - where everything in a picture stands: widths of lanes and gutters, heights of rows, ways of edges, labels.
 *
 * Lanes are as wide as their longest text, gutters as wide as the longest label that stands in them, both within
 * bounds; rows are of one height. An edge leaves its row sideways, crosses the lanes between at the height of the row
 * it left (nothing else is written at that height) and turns in the gutter beside its target.
 *
 * Widths are counted in columns of a monospaced font: SC_COLUMN is a little more than the widest of the usual ones.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_LAYOUT_H
#define VARVE_SUITE_LAYOUT_H

#include "report/scene.h"

enum { SC_MARGIN = 10, SC_NUMBERS = 24, SC_ROW = 23, SC_LABEL_HEIGHT = 16, SC_LINE = 17 };
#define SC_COLUMN       7.3 /* of the text in boxes */
#define SC_SMALL_COLUMN 6.7 /* of labels and notes */
#define SC_TITLE_COLUMN 7.9

/* The middle of a label, and its width. */
struct sc_label {
    double x, y, w;
};

struct sc_layout {
    const struct sc_scene *scene;
    double *lane_x, *lane_w;     /* [lane_count] */
    double *gutter_x, *gutter_w; /* [lane_count + 1]: 0 is left of the first lane, the last right of the last lane */
    double width, top;           /* top: of the first row */
    struct sc_label *labels;     /* [edge_count] */
    double *edge_from, *edge_to; /* [edge_count] heights of the ends */
};

/* OK with all widths set; NOMEM. */
int sc_layout_init(struct sc_layout *layout, const struct sc_scene *scene);
void sc_layout_release(struct sc_layout *layout);
/* The first row begins at `top`: sets the heights of ends and the places of labels. */
void sc_layout_place(struct sc_layout *layout, double top);

/* Where an edge goes: x of both ends, which way it leaves and comes in, and the gutter it turns in. */
struct sc_way {
    double x1, x2, turn_from, turn_to; /* turn_from: where the edge enters its gutter, turn_to: where it leaves it */
    bool leaves_right, comes_right, loop;
};

struct sc_way sc_way_of(const struct sc_layout *layout, int edge);

static inline double sc_row_y(const struct sc_layout *l, int row) { return l->top + row * SC_ROW + SC_ROW / 2.0; }

#endif
