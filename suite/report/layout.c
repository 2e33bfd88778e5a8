/* layout.c - measures a scene and places its edges and labels; layout.h tells how.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include "report/layout.h"

#include <stdlib.h>

enum {
    WIDTH_MIN = 320,
    WIDTH_MAX = 1100,
    LANE_MIN = 96,
    LANE_SHRUNK = 136,
    LANE_MAX = 300,
    LANE_PAD = 20,
    GUTTER_MIN = 30,
    TURN = 46,
    LABEL_PAD = 12,
    LEAD = 8,
    LABEL_TRIES = 60,
};

static int lane_of_row(const struct sc_scene *s, int row) { return s->boxes[s->rows[row].box].lane; }

/* --- measures -------------------------------------------------------------------------------------------------------
 */

/* "rw x: 0 -> 1" as its two parts; the label of an edge. */
static double label_width(const struct sc_edge *edge) {
    unsigned columns = sc_columns(sc_edge_name(edge->kind)) + (*edge->label ? 1 + sc_columns(edge->label) : 0);
    return columns * SC_SMALL_COLUMN + LABEL_PAD;
}

/* The gutter in which an edge turns and has its label: right of lane g is gutter g + 1. */
static int gutter_of(const struct sc_scene *s, const struct sc_edge *edge) {
    int from = lane_of_row(s, edge->from_row), to = lane_of_row(s, edge->to_row);
    if (from != to) return from < to ? to : to + 1;
    return from + 1 < s->lane_count || s->lane_count == 1 ? from + 1 : from;
}

static void measure_lanes(struct sc_layout *l) {
    const struct sc_scene *s = l->scene;
    for (int i = 0; i < s->lane_count; i++) l->lane_w[i] = LANE_MIN;
    for (int r = 0; r < s->row_count; r++) {
        if (s->rows[r].box == SC_NONE) continue;
        const struct sc_box *box = &s->boxes[s->rows[r].box];
        unsigned columns = s->rows[r].kind == SC_BEGIN ? sc_columns(box->name) + 1 + sc_columns(box->note)
                                                       : sc_columns(s->rows[r].text) + 2;
        double *w = &l->lane_w[box->lane], wanted = columns * SC_COLUMN + LANE_PAD;
        if (wanted > *w) *w = wanted < LANE_MAX ? wanted : LANE_MAX;
    }
    for (int g = 0; g <= s->lane_count; g++) l->gutter_w[g] = g == 0 || g == s->lane_count ? 0 : GUTTER_MIN;
    for (int e = 0; e < s->edge_count; e++) {
        double *w = &l->gutter_w[gutter_of(s, &s->edges[e])], wanted = label_width(&s->edges[e]) + TURN;
        if (wanted > *w) *w = wanted;
    }
}

/* The widest lanes give way until the whole fits, as far as LANE_SHRUNK: then the picture is wider. */
static void fit(struct sc_layout *l) {
    double fixed = 2 * SC_MARGIN + SC_NUMBERS, lanes = 0;
    for (int g = 0; g <= l->scene->lane_count; g++) fixed += l->gutter_w[g];
    for (int i = 0; i < l->scene->lane_count; i++) lanes += l->lane_w[i];
    for (double limit = LANE_MAX; fixed + lanes > WIDTH_MAX && limit > LANE_SHRUNK; limit -= 4) {
        lanes = 0;
        for (int i = 0; i < l->scene->lane_count; i++) {
            if (l->lane_w[i] > limit) l->lane_w[i] = limit;
            lanes += l->lane_w[i];
        }
    }
    if (fixed + lanes < WIDTH_MIN && l->scene->lane_count) { /* a small picture fills its least width */
        double more = (WIDTH_MIN - fixed - lanes) / l->scene->lane_count;
        for (int i = 0; i < l->scene->lane_count; i++) l->lane_w[i] += more;
    }
    double x = SC_MARGIN + SC_NUMBERS;
    for (int i = 0; i <= l->scene->lane_count; i++) {
        l->gutter_x[i] = x;
        x += l->gutter_w[i];
        if (i == l->scene->lane_count) break;
        l->lane_x[i] = x;
        x += l->lane_w[i];
    }
    l->width = x + SC_MARGIN < WIDTH_MIN ? WIDTH_MIN : x + SC_MARGIN;
}

/* --- edges and labels ----------------------------------------------------------------------------------------------
 */

static bool label_is_free(const struct sc_layout *l, int edge, double x, double y, double w) {
    for (int e = 0; e < edge; e++)
        if (y - l->labels[e].y < SC_LABEL_HEIGHT + 1 && l->labels[e].y - y < SC_LABEL_HEIGHT + 1 &&
            x - l->labels[e].x < (w + l->labels[e].w) / 2 && l->labels[e].x - x < (w + l->labels[e].w) / 2)
            return false;
    return y > l->top + 4 && y < l->top + l->scene->row_count * SC_ROW - 4;
}

struct sc_way sc_way_of(const struct sc_layout *l, int e) {
    const struct sc_edge *edge = &l->scene->edges[e];
    int from = lane_of_row(l->scene, edge->from_row), to = lane_of_row(l->scene, edge->to_row),
        gutter = gutter_of(l->scene, edge);
    struct sc_way way = {.loop = from == to};
    way.leaves_right = way.loop ? gutter == from + 1 : from < to;
    way.comes_right = way.loop ? gutter == from : from < to;
    way.x1 = l->lane_x[from] + (way.leaves_right ? l->lane_w[from] : 0);
    way.x2 = l->lane_x[to] + (way.comes_right ? 0 : l->lane_w[to]);
    way.turn_from = l->gutter_x[gutter] + (way.leaves_right ? 0 : l->gutter_w[gutter]);
    way.turn_to = way.loop ? way.turn_from : l->gutter_x[gutter] + (way.leaves_right ? l->gutter_w[gutter] : 0);
    return way;
}

/* One end of an edge: the row it is at, on which side of the box, and the row of the other end. */
struct end {
    int row, other;
    bool right;
};

static struct end end_of(const struct sc_layout *l, int e, bool last) {
    const struct sc_edge *edge = &l->scene->edges[e];
    struct sc_way way = sc_way_of(l, e);
    if (last) return (struct end){edge->to_row, edge->from_row, !way.comes_right};
    return (struct end){edge->from_row, edge->to_row, way.leaves_right};
}

/* Several ends on one side of a row stand apart, those that come from above higher; two as far as a label needs. */
static double end_y(const struct sc_layout *l, int e, bool last) {
    struct end own = end_of(l, e, last);
    int count = 0, place = 0;
    for (int i = 0; i < 2 * l->scene->edge_count; i++) {
        struct end end = end_of(l, i / 2, i % 2);
        if (end.row != own.row || end.right != own.right) continue;
        count++;
        place += end.other < own.other || (end.other == own.other && i < 2 * e + last);
    }
    double room = SC_LABEL_HEIGHT - 3, step = count > 1 ? room / (count - 1) : 0;
    return sc_row_y(l, own.row) + (place - (count - 1) / 2.0) * step;
}

/* A label stands on its edge just where that enters the gutter, so that it reads on from the operation; where that
 * place is taken, at the other end, then at the nearest height that is free. */
static void place_label(struct sc_layout *l, int e) {
    struct sc_way way = sc_way_of(l, e);
    double w = label_width(&l->scene->edges[e]), side = way.leaves_right ? 1 : -1;
    double near = way.turn_from + side * (LEAD + w / 2);
    double far = way.loop ? near : way.turn_to - side * (LEAD + 8 + w / 2), y = l->edge_from[e];
    l->labels[e] = (struct sc_label){near, y, w};
    if (label_is_free(l, e, near, y, w)) return;
    if (label_is_free(l, e, far, l->edge_to[e], w)) {
        l->labels[e] = (struct sc_label){far, l->edge_to[e], w};
        return;
    }
    for (int k = 1; k < LABEL_TRIES; k++) {
        double shifted = y + (k + 1) / 2 * 6.0 * (k % 2 ? 1 : -1);
        if (!label_is_free(l, e, near, shifted, w)) continue;
        l->labels[e].y = shifted;
        return;
    }
}

void sc_layout_place(struct sc_layout *l, double top) {
    l->top = top;
    for (int e = 0; e < l->scene->edge_count; e++) {
        l->edge_from[e] = end_y(l, e, false);
        l->edge_to[e] = end_y(l, e, true);
    }
    for (int e = 0; e < l->scene->edge_count; e++) place_label(l, e);
}

/* --- the whole ------------------------------------------------------------------------------------------------------
 */

void sc_layout_release(struct sc_layout *l) {
    free(l->lane_x);
    free(l->labels);
}

/* Room for the layout, and the widths of everything. */
int sc_layout_init(struct sc_layout *l, const struct sc_scene *scene) {
    size_t lanes = (size_t)scene->lane_count + 1, edges = (size_t)scene->edge_count + 1;
    *l = (struct sc_layout){.scene = scene};
    l->lane_x = calloc(4 * lanes + 2 * edges, sizeof *l->lane_x);
    l->labels = calloc(edges, sizeof *l->labels);
    if (!l->lane_x || !l->labels) {
        sc_layout_release(l);
        return VARVE_NOMEM;
    }
    l->lane_w = l->lane_x + lanes;
    l->gutter_x = l->lane_w + lanes;
    l->gutter_w = l->gutter_x + lanes;
    l->edge_from = l->gutter_w + lanes;
    l->edge_to = l->edge_from + edges;
    measure_lanes(l);
    fit(l);
    return VARVE_OK;
}
