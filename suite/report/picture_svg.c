/* picture_svg.c - a scene as SVG: lanes side by side, time downward, edges in the gutters between lanes.
 *
 * Geometry. Lanes are as wide as their longest text, gutters as wide as the longest label that stands in them, both
 * within bounds; rows are of one height. An edge leaves its row sideways, crosses the lanes between at the height of the
 * row it left (nothing else is written at that height) and turns in the gutter beside its target.
 *
 * Invariants
 * 1. No id, no reference, no script: any number of pictures may stand in one document.
 * 2. Every text goes through sp_escape and has been cut to the width that was reserved for it; the whole is in a <title>.
 * 3. Widths are counted in columns of a monospaced font: COLUMN is a little more than the widest of the usual ones.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "report/picture.h"
#include "report/scene.h"

enum {
    WIDTH_MIN = 320, WIDTH_MAX = 1100, MARGIN = 10, NUMBERS = 24, ROW = 23, LANE_MIN = 96, LANE_SHRUNK = 136, LANE_MAX = 300, LANE_PAD = 20,
    GUTTER_MIN = 30, TURN = 46, LABEL_PAD = 12, LEAD = 8, LABEL_HEIGHT = 16, LINE = 17,
};
/* LEAST_SCALE: how far a page may shrink a picture before it scrolls instead. */
static const double LEAST_SCALE = 0.76, COLUMN = 7.3, SMALL_COLUMN = 6.7, TITLE_COLUMN = 7.9;

struct layout {
    const struct sc_scene *scene;
    double *lane_x, *lane_w;  /* [lane_count] */
    double *gutter_x, *gutter_w; /* [lane_count + 1]: 0 is left of the first lane, the last right of the last lane */
    double width, height, top; /* top: of the first row */
    struct label {
        double x, y, w;
    } *labels; /* [edge_count] */
    double *edge_from, *edge_to; /* [edge_count] heights of the ends */
};

static double row_y(const struct layout *l, int row) { return l->top + row * ROW + ROW / 2.0; }
static int lane_of_row(const struct sc_scene *s, int row) { return s->boxes[s->rows[row].box].lane; }

/* --- measures ------------------------------------------------------------------------------------------------------- */

/* "rw x: 0 -> 1" as its two parts; the label of an edge. */
static double label_width(const struct sc_edge *edge) {
    unsigned columns = sc_columns(sc_edge_name(edge->kind)) + (*edge->label ? 1 + sc_columns(edge->label) : 0);
    return columns * SMALL_COLUMN + LABEL_PAD;
}

/* The gutter in which an edge turns and has its label: right of lane g is gutter g + 1. */
static int gutter_of(const struct sc_scene *s, const struct sc_edge *edge) {
    int from = lane_of_row(s, edge->from_row), to = lane_of_row(s, edge->to_row);
    if (from != to)
        return from < to ? to : to + 1;
    return from + 1 < s->lane_count || s->lane_count == 1 ? from + 1 : from;
}

static void measure_lanes(struct layout *l) {
    const struct sc_scene *s = l->scene;
    for (int i = 0; i < s->lane_count; i++)
        l->lane_w[i] = LANE_MIN;
    for (int r = 0; r < s->row_count; r++) {
        if (s->rows[r].box == SC_NONE)
            continue;
        const struct sc_box *box = &s->boxes[s->rows[r].box];
        unsigned columns = s->rows[r].kind == SC_BEGIN ? sc_columns(box->name) + 1 + sc_columns(box->note)
                                                       : sc_columns(s->rows[r].text) + 2;
        double *w = &l->lane_w[box->lane], wanted = columns * COLUMN + LANE_PAD;
        if (wanted > *w)
            *w = wanted < LANE_MAX ? wanted : LANE_MAX;
    }
    for (int g = 0; g <= s->lane_count; g++)
        l->gutter_w[g] = g == 0 || g == s->lane_count ? 0 : GUTTER_MIN;
    for (int e = 0; e < s->edge_count; e++) {
        double *w = &l->gutter_w[gutter_of(s, &s->edges[e])], wanted = label_width(&s->edges[e]) + TURN;
        if (wanted > *w)
            *w = wanted;
    }
}

/* The widest lanes give way until the whole fits, as far as LANE_SHRUNK: then the picture is wider. */
static void fit(struct layout *l) {
    double fixed = 2 * MARGIN + NUMBERS, lanes = 0;
    for (int g = 0; g <= l->scene->lane_count; g++)
        fixed += l->gutter_w[g];
    for (int i = 0; i < l->scene->lane_count; i++)
        lanes += l->lane_w[i];
    for (double limit = LANE_MAX; fixed + lanes > WIDTH_MAX && limit > LANE_SHRUNK; limit -= 4) {
        lanes = 0;
        for (int i = 0; i < l->scene->lane_count; i++) {
            if (l->lane_w[i] > limit)
                l->lane_w[i] = limit;
            lanes += l->lane_w[i];
        }
    }
    if (fixed + lanes < WIDTH_MIN && l->scene->lane_count) { /* a small picture fills its least width */
        double more = (WIDTH_MIN - fixed - lanes) / l->scene->lane_count;
        for (int i = 0; i < l->scene->lane_count; i++)
            l->lane_w[i] += more;
    }
    double x = MARGIN + NUMBERS;
    for (int i = 0; i <= l->scene->lane_count; i++) {
        l->gutter_x[i] = x;
        x += l->gutter_w[i];
        if (i == l->scene->lane_count)
            break;
        l->lane_x[i] = x;
        x += l->lane_w[i];
    }
    l->width = x + MARGIN < WIDTH_MIN ? WIDTH_MIN : x + MARGIN;
}

/* --- small writing ---------------------------------------------------------------------------------------------------- */

static void escaped(FILE *out, const char *text) { sp_escape(out, text, strlen(text)); }

/* A text of one line in `width`, cut with an ellipsis where it does not fit. */
static void text_at(FILE *out, double x, double y, const char *class, const char *text, double width) {
    unsigned room = width < COLUMN ? 1 : (unsigned)(width / COLUMN);
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    if (sc_columns(text) <= room) {
        escaped(out, text);
    } else {
        fputs("<title>", out);
        escaped(out, text);
        fputs("</title>", out);
        sp_escape(out, text, sc_prefix(text, room - 1));
        fputs("\u2026", out);
    }
    fputs("</text>\n", out);
}

/* Text over as many lines as it needs; out == NULL: only counts. Returns the number of lines. */
static int paragraph(FILE *out, const char *text, double x, double y, const char *class, double columns) {
    int lines = 0;
    while (*text) {
        const char *next;
        size_t bytes = sc_line(text, columns < 8 ? 8 : (unsigned)columns, &next);
        if (out) {
            fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y + lines * LINE, class);
            sp_escape(out, text, bytes);
            fputs("</text>\n", out);
        }
        text = next;
        lines++;
    }
    return lines;
}

static double title_columns(const struct layout *l) { return (l->width - 2 * MARGIN) / TITLE_COLUMN; }
static double small_columns(const struct layout *l) { return (l->width - 2 * MARGIN) / SMALL_COLUMN; }

/* --- lanes, rows and boxes -------------------------------------------------------------------------------------------- */

static void draw_ground(FILE *out, const struct layout *l) {
    const struct sc_scene *s = l->scene;
    for (int r = 0; r < s->row_count; r += 2)
        fprintf(out, "<rect x=\"0\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" class=\"band\"/>\n", l->top + r * ROW, l->width, ROW);
    for (int i = 0; i < s->lane_count; i++) {
        double middle = l->lane_x[i] + l->lane_w[i] / 2;
        fprintf(out, "<path d=\"M%.1f %.1fV%.1f\" class=\"lane\"/>\n", middle, l->top, l->top + s->row_count * ROW);
        if (*s->lanes[i])
            fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"small mid\">%s</text>\n", middle, l->top - 7, s->lanes[i]);
    }
    int number = 0;
    for (int r = 0; r < s->row_count; r++)
        if (s->rows[r].kind != SC_BEGIN)
            fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"small end\">%d</text>\n", (double)MARGIN + NUMBERS - 8,
                    row_y(l, r) + 4, ++number);
}

static void draw_box(FILE *out, const struct layout *l, const struct sc_box *box) {
    static const char *const classes[] = {"box", "box lost", "box open", "box open"};
    double x = l->lane_x[box->lane], w = l->lane_w[box->lane];
    double y = l->top + box->first_row * ROW + 1.5, h = (box->last_row - box->first_row + 1) * ROW - 3;
    fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"7\" class=\"%s\"/>\n", x, y, w, h,
            classes[box->outcome]);
    fprintf(out, "<path d=\"M%.1f %.1fv-13.5a6 6 0 0 1 6 -6h%.1fa6 6 0 0 1 6 6v13.5z\" class=\"head\"/>\n", x + .7, y + ROW - 2.8,
            w - 13.4);
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"name\">", x + 9, y + 15);
    escaped(out, box->name);
    fputs("</text>\n", out);
    double name = (sc_columns(box->name) + 1) * COLUMN;
    if (*box->note && w - name > 40)
        text_at(out, x + 9 + name, y + 15, "small", box->note, w - name - 14);
}

static const char *row_class(const struct sc_scene *s, const struct sc_row *row) {
    if (row->refused)
        return "bad";
    if (row->kind == SC_END)
        return s->boxes[row->box].outcome == SC_COMMITTED ? "good" : "quiet";
    return "op";
}

/* The mark before the text of a row: a tick, a cross, or nothing. */
static void draw_mark(FILE *out, const struct sc_row *row, enum sc_outcome outcome, double x, double y) {
    if (row->kind == SC_END && outcome == SC_COMMITTED)
        fprintf(out, "<path d=\"M%.1f %.1fl3 3.4l5.2 -7\" class=\"tick\"/>\n", x, y + 0.3);
    else if (row->refused)
        fprintf(out, "<path d=\"M%.1f %.1fl6.6 6.6m0 -6.6l-6.6 6.6\" class=\"cross\"/>\n", x + .5, y - 3.3);
}

static void draw_row(FILE *out, const struct layout *l, int r) {
    const struct sc_scene *s = l->scene;
    const struct sc_row *row = &s->rows[r];
    double y = row_y(l, r);
    if (row->kind == SC_ENGINE) {
        double x = MARGIN + NUMBERS, w = l->width - MARGIN - x;
        fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"4\" class=\"engine\"/>\n", x, y - ROW / 2.0 + 2, w,
                ROW - 4);
        text_at(out, x + 9, y + 4, "quiet", row->text, w - 18);
        return;
    }
    if (row->kind == SC_BEGIN)
        return;
    const struct sc_box *box = &s->boxes[row->box];
    double x = l->lane_x[box->lane], w = l->lane_w[box->lane];
    if (row->marked)
        fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"4\" class=\"culprit\"/>\n", x + 3,
                y - ROW / 2.0 + 2, w - 6, ROW - 4);
    bool marked = row->refused || (row->kind == SC_END && box->outcome == SC_COMMITTED);
    draw_mark(out, row, box->outcome, x + 9, y);
    double indent = marked ? 14 : 0;
    text_at(out, x + 9 + indent, y + 4, row_class(s, row), row->text, w - 14 - indent);
}

/* A bar from the operation that waits to its answer. */
static void draw_wait(FILE *out, const struct layout *l, int r) {
    const struct sc_row *row = &l->scene->rows[r];
    if (row->wait_end == SC_NONE || row->box == SC_NONE)
        return;
    const struct sc_box *box = &l->scene->boxes[row->box];
    double x = l->lane_x[box->lane] + 3, w = l->lane_w[box->lane] - 6;
    double from = row_y(l, r) - ROW / 2.0 + 2, to = row_y(l, row->wait_end) - ROW / 2.0;
    if (row->wait_end > r)
        fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"4\" class=\"wait\"><title>waits</title></rect>\n",
                x, from, w, to - from);
    if (row->wait_end > r + 1)
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"small\">waits</text>\n", x + 6, row_y(l, r + 1) + 4);
    for (double y = from + 2 * ROW + 3; y + 6 < to; y += 8)
        fprintf(out, "<path d=\"M%.1f %.1fv4\" class=\"pulse\"/>\n", x + 9, y);
}

/* --- edges ------------------------------------------------------------------------------------------------------------ */

static const char *edge_class(enum ck_edge_kind kind) {
    static const char *const classes[] = {
        [CK_WW] = "ww", [CK_WR] = "wr", [CK_RW] = "rw", [CK_RW_RANGE] = "rw", [CK_RT] = "rt", [CK_SO] = "so",
    };
    return classes[kind];
}

static bool label_is_free(const struct layout *l, int edge, double x, double y, double w) {
    for (int e = 0; e < edge; e++)
        if (y - l->labels[e].y < LABEL_HEIGHT + 1 && l->labels[e].y - y < LABEL_HEIGHT + 1 &&
            x - l->labels[e].x < (w + l->labels[e].w) / 2 && l->labels[e].x - x < (w + l->labels[e].w) / 2)
            return false;
    return y > l->top + 4 && y < l->top + l->scene->row_count * ROW - 4;
}

/* Where an edge goes: x of both ends, which way it leaves and comes in, and the gutter it turns in. */
struct way {
    double x1, x2, turn_from, turn_to; /* turn_from: where the edge enters its gutter, turn_to: where it leaves it */
    bool leaves_right, comes_right, loop;
};

static struct way way_of(const struct layout *l, int e) {
    const struct sc_edge *edge = &l->scene->edges[e];
    int from = lane_of_row(l->scene, edge->from_row), to = lane_of_row(l->scene, edge->to_row), gutter = gutter_of(l->scene, edge);
    struct way way = {.loop = from == to};
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

static struct end end_of(const struct layout *l, int e, bool last) {
    const struct sc_edge *edge = &l->scene->edges[e];
    struct way way = way_of(l, e);
    if (last)
        return (struct end){edge->to_row, edge->from_row, !way.comes_right};
    return (struct end){edge->from_row, edge->to_row, way.leaves_right};
}

/* Several ends on one side of a row stand apart, those that come from above higher; two as far as a label needs. */
static double end_y(const struct layout *l, int e, bool last) {
    struct end own = end_of(l, e, last);
    int count = 0, place = 0;
    for (int i = 0; i < 2 * l->scene->edge_count; i++) {
        struct end end = end_of(l, i / 2, i % 2);
        if (end.row != own.row || end.right != own.right)
            continue;
        count++;
        place += end.other < own.other || (end.other == own.other && i < 2 * e + last);
    }
    double room = LABEL_HEIGHT - 3, step = count > 1 ? room / (count - 1) : 0;
    return row_y(l, own.row) + (place - (count - 1) / 2.0) * step;
}

/* A label stands on its edge just where that enters the gutter, so that it reads on from the operation; where that place is
 * taken, at the other end, then at the nearest height that is free. */
static void place_label(struct layout *l, int e) {
    struct way way = way_of(l, e);
    double w = label_width(&l->scene->edges[e]), side = way.leaves_right ? 1 : -1;
    double near = way.turn_from + side * (LEAD + w / 2);
    double far = way.loop ? near : way.turn_to - side * (LEAD + 8 + w / 2), y = l->edge_from[e];
    l->labels[e] = (struct label){near, y, w};
    if (label_is_free(l, e, near, y, w))
        return;
    if (label_is_free(l, e, far, l->edge_to[e], w)) {
        l->labels[e] = (struct label){far, l->edge_to[e], w};
        return;
    }
    for (int k = 1; k < 60; k++) {
        double shifted = y + (k + 1) / 2 * 6.0 * (k % 2 ? 1 : -1);
        if (!label_is_free(l, e, near, shifted, w))
            continue;
        l->labels[e].y = shifted;
        return;
    }
}

/* The head of an arrow: its point at (x, y), flying right or left. */
static void draw_head(FILE *out, double x, double y, bool right, const char *class) {
    double d = right ? -8 : 8;
    fprintf(out, "<path d=\"M%.1f %.1fl%.1f -4.2v8.4z\" class=\"point %s\"/>\n", x, y, d, class);
}

static void draw_edge(FILE *out, const struct layout *l, int e) {
    const struct sc_scene *s = l->scene;
    const struct sc_edge *edge = &s->edges[e];
    const struct label *label = &l->labels[e];
    struct way way = way_of(l, e);
    double y1 = l->edge_from[e], y2 = l->edge_to[e], side = way.leaves_right ? 1 : -1;
    double stop = way.x2 + (way.comes_right ? -6 : 6), straight_from = way.turn_from, straight_to = stop;
    if (label->y == y1) /* the label stands on a straight piece of the edge */
        straight_from = label->x + side * label->w / 2;
    else if (label->y == y2 && !way.loop)
        straight_to = label->x - side * label->w / 2;
    double reach = way.loop ? straight_from + side * 24 : (straight_from + straight_to) / 2;
    double back = way.loop ? way.turn_from + side * (label->w + 24) : reach;
    const char *class = edge_class(edge->kind);
    fprintf(out, "<g class=\"edge%s\" data-edge=\"%s-%s\">", edge->minor ? " minor" : "",
            s->boxes[s->rows[edge->from_row].box].name, s->boxes[s->rows[edge->to_row].box].name);
    fprintf(out, "<path d=\"M%.1f %.1fH%.1fC%.1f %.1f %.1f %.1f %.1f %.1fH%.1f\" class=\"line %s\"/>", way.x1, y1, straight_from,
            reach, y1, back, y2, straight_to, y2, stop, class);
    fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" class=\"point %s\"/>", way.x1, y1, class);
    draw_head(out, way.x2, y2, way.comes_right, class);
    fputs("</g>\n", out);
}

static void draw_label(FILE *out, const struct layout *l, int e) {
    const struct sc_edge *edge = &l->scene->edges[e];
    const struct label *label = &l->labels[e];
    fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"8\" class=\"tag t-%s\"/>", label->x - label->w / 2,
            label->y - LABEL_HEIGHT / 2.0, label->w, LABEL_HEIGHT, edge_class(edge->kind));
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"label l-%s\"><tspan class=\"kind\">%s</tspan>%s", label->x, label->y + 4,
            edge_class(edge->kind), sc_edge_name(edge->kind), *edge->label ? " " : "");
    escaped(out, edge->label);
    fputs("</text>\n", out);
}

static void draw_edges(FILE *out, struct layout *l) {
    for (int e = 0; e < l->scene->edge_count; e++) {
        l->edge_from[e] = end_y(l, e, false);
        l->edge_to[e] = end_y(l, e, true);
    }
    for (int e = 0; e < l->scene->edge_count; e++)
        place_label(l, e);
    for (int e = 0; e < l->scene->edge_count; e++)
        draw_edge(out, l, e);
    for (int e = 0; e < l->scene->edge_count; e++)
        draw_label(out, l, e);
}

/* --- what stands around ------------------------------------------------------------------------------------------------- */

static int draw_legend(FILE *out, const struct layout *l, double y) {
    bool seen[CK_SO + 1] = {false};
    int lines = 0;
    for (int e = 0; e < l->scene->edge_count; e++)
        seen[l->scene->edges[e].kind] = true;
    for (int k = 0; k <= CK_SO; k++) {
        if (!seen[k])
            continue;
        double at = y + lines++ * LINE;
        if (!out)
            continue;
        const char *class = edge_class((enum ck_edge_kind)k);
        fprintf(out, "<path d=\"M%d %.1fh24\" class=\"line %s\"/>", MARGIN, at - 4, class);
        draw_head(out, MARGIN + 32, at - 4, true, class);
        fprintf(out, "<text x=\"%d\" y=\"%.1f\" class=\"small\"><tspan class=\"kind l-%s\">%s</tspan> %s</text>\n", MARGIN + 42, at, class,
                sc_edge_name((enum ck_edge_kind)k), sc_edge_about((enum ck_edge_kind)k));
    }
    return lines;
}

static double above(FILE *out, const struct layout *l) {
    double y = MARGIN + 12;
    y += paragraph(out, l->scene->title, MARGIN, y, "title", title_columns(l)) * LINE;
    y += paragraph(out, l->scene->before, MARGIN, y, "small", small_columns(l)) * LINE;
    return y + 10;
}

static double below(FILE *out, const struct layout *l) {
    double y = l->top + l->scene->row_count * ROW + LINE + 3;
    y += paragraph(out, l->scene->after, MARGIN, y, "small", small_columns(l)) * LINE;
    y += draw_legend(out, l, y) * LINE;
    if (*l->scene->proof)
        y += 4 + paragraph(out, l->scene->proof, MARGIN, y + 4, "small", small_columns(l)) * LINE;
    return y - 4;
}

static void draw(FILE *out, struct layout *l, bool styled) {
    const struct sc_scene *s = l->scene;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"vp\" role=\"img\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
            "style=\"min-width:%.0fpx\">\n",
            l->width, l->height, l->width, l->height, l->width * LEAST_SCALE);
    fputs("<title>", out);
    escaped(out, *s->name ? s->name : *s->title ? s->title : "a history");
    fputs("</title>\n", out);
    if (styled)
        fprintf(out, "<style>%s</style>\n", sc_svg_style);
    fprintf(out, "<rect width=\"%.0f\" height=\"%.0f\" class=\"ground\"/>\n", l->width, l->height);
    draw_ground(out, l);
    for (int b = 0; b < s->box_count; b++)
        draw_box(out, l, &s->boxes[b]);
    for (int r = 0; r < s->row_count; r++)
        draw_wait(out, l, r);
    for (int r = 0; r < s->row_count; r++)
        draw_row(out, l, r);
    draw_edges(out, l);
    above(out, l);
    below(out, l);
    fputs("</svg>\n", out);
}

static void layout_release(struct layout *l) {
    free(l->lane_x);
    free(l->labels);
}

/* Room for the layout, and the widths of everything. */
static int layout_init(struct layout *l, const struct sc_scene *scene) {
    size_t lanes = (size_t)scene->lane_count + 1, edges = (size_t)scene->edge_count + 1;
    *l = (struct layout){.scene = scene};
    l->lane_x = calloc(4 * lanes + 2 * edges, sizeof *l->lane_x);
    l->labels = calloc(edges, sizeof *l->labels);
    if (!l->lane_x || !l->labels) {
        layout_release(l);
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

double sc_svg_width(const struct sc_scene *scene, double *least) {
    struct layout l;
    if (layout_init(&l, scene) != VARVE_OK)
        return *least = 0;
    layout_release(&l);
    *least = l.width * LEAST_SCALE;
    return l.width;
}

int sc_svg(FILE *out, const struct sc_scene *scene, bool styled) {
    struct layout l;
    int status = layout_init(&l, scene);
    if (status != VARVE_OK)
        return status;
    l.top = above(NULL, &l) + (scene->lane_count && *scene->lanes[0] ? 12 : 0);
    l.height = below(NULL, &l) + MARGIN;
    draw(out, &l, styled);
    layout_release(&l);
    return ferror(out) ? VARVE_IO : VARVE_OK;
}
