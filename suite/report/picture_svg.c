/* picture_svg.c - a scene as SVG: lanes side by side, time downward, edges in the gutters between lanes (layout.h).
 *
 * Invariants
 * 1. No id, no reference, no script: any number of pictures may stand in one document.
 * 2. Every text goes through sp_escape and has been cut to the width that was reserved for it; the whole is in a
 * <title>.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "report/layout.h"
#include "report/picture.h"

#define LEAST_SCALE 0.76 /* how far a page may shrink a picture before it scrolls instead */

/* --- small writing
 * ---------------------------------------------------------------------------------------------------- */

static void escaped(FILE *out, const char *text) { sp_escape(out, text, strlen(text)); }

/* A text of one line in `width`, cut with an ellipsis where it does not fit. */
static void text_at(FILE *out, double x, double y, const char *class, const char *text, double width) {
    unsigned room = width < SC_COLUMN ? 1 : (unsigned)(width / SC_COLUMN);
    fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"%s\">", x, y, class);
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
            fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"%s\">", x, y + lines * SC_LINE, class);
            sp_escape(out, text, bytes);
            fputs("</text>\n", out);
        }
        text = next;
        lines++;
    }
    return lines;
}

static double title_columns(const struct sc_layout *l) { return (l->width - 2 * SC_MARGIN) / SC_TITLE_COLUMN; }
static double small_columns(const struct sc_layout *l) { return (l->width - 2 * SC_MARGIN) / SC_SMALL_COLUMN; }

/* --- lanes, rows and boxes
 * -------------------------------------------------------------------------------------------- */

static void draw_ground(FILE *out, const struct sc_layout *l) {
    const struct sc_scene *s = l->scene;
    fputs("<path d=\"", out);
    for (int r = 0; r < s->row_count; r += 2) fprintf(out, "M0 %gh%gv%dH0z", l->top + r * SC_ROW, l->width, SC_ROW);
    fputs("\" class=\"band\"/>\n", out);
    for (int i = 0; i < s->lane_count; i++) {
        double middle = l->lane_x[i] + l->lane_w[i] / 2;
        fprintf(out, "<path d=\"M%g %gV%g\" class=\"lane\"/>\n", middle, l->top, l->top + s->row_count * SC_ROW);
        if (*s->lanes[i])
            fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"small mid\">%s</text>\n", middle, l->top - 7, s->lanes[i]);
    }
    int number = 0;
    for (int r = 0; r < s->row_count; r++)
        if (s->rows[r].kind != SC_BEGIN)
            fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"small end\">%d</text>\n", (double)SC_MARGIN + SC_NUMBERS - 8,
                    sc_row_y(l, r) + 4, ++number);
}

static void draw_box(FILE *out, const struct sc_layout *l, const struct sc_box *box) {
    static const char *const classes[] = {"box", "box lost", "box open", "box open"};
    double x = l->lane_x[box->lane], w = l->lane_w[box->lane];
    double y = l->top + box->first_row * SC_ROW + 1.5, h = (box->last_row - box->first_row + 1) * SC_ROW - 3;
    fprintf(out, "<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\" rx=\"7\" class=\"%s\"/>\n", x, y, w, h,
            classes[box->outcome]);
    fprintf(out, "<path d=\"M%g %gv-13.5a6 6 0 0 1 6 -6h%ga6 6 0 0 1 6 6v13.5z\" class=\"head\"/>\n", x + .7,
            y + SC_ROW - 2.8, w - 13.4);
    fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"name\">", x + 9, y + 15);
    escaped(out, box->name);
    fputs("</text>\n", out);
    double name = (sc_columns(box->name) + 1) * SC_COLUMN;
    if (*box->note && w - name > 40) text_at(out, x + 9 + name, y + 15, "small", box->note, w - name - 14);
}

static const char *row_class(const struct sc_scene *s, const struct sc_row *row) {
    if (row->refused) return "bad";
    if (row->kind == SC_END) return s->boxes[row->box].outcome == SC_COMMITTED ? "good" : "quiet";
    return "op";
}

/* The mark before the text of a row: a tick, a cross, or nothing. */
static void draw_mark(FILE *out, const struct sc_row *row, enum sc_outcome outcome, double x, double y) {
    if (row->kind == SC_END && outcome == SC_COMMITTED)
        fprintf(out, "<path d=\"M%g %gl3 3.4l5.2 -7\" class=\"tick\"/>\n", x, y + 0.3);
    else if (row->refused)
        fprintf(out, "<path d=\"M%g %gl6.6 6.6m0 -6.6l-6.6 6.6\" class=\"cross\"/>\n", x + .5, y - 3.3);
}

static void draw_row(FILE *out, const struct sc_layout *l, int r) {
    const struct sc_scene *s = l->scene;
    const struct sc_row *row = &s->rows[r];
    double y = sc_row_y(l, r);
    if (row->kind == SC_ENGINE) {
        double x = SC_MARGIN + SC_NUMBERS, w = l->width - SC_MARGIN - x;
        fprintf(out, "<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%d\" rx=\"4\" class=\"engine\"/>\n", x,
                y - SC_ROW / 2.0 + 2, w, SC_ROW - 4);
        text_at(out, x + 9, y + 4, "quiet", row->text, w - 18);
        return;
    }
    if (row->kind == SC_BEGIN) return;
    const struct sc_box *box = &s->boxes[row->box];
    double x = l->lane_x[box->lane], w = l->lane_w[box->lane];
    if (row->marked)
        fprintf(out, "<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%d\" rx=\"4\" class=\"culprit\"/>\n", x + 3,
                y - SC_ROW / 2.0 + 2, w - 6, SC_ROW - 4);
    bool marked = row->refused || (row->kind == SC_END && box->outcome == SC_COMMITTED);
    draw_mark(out, row, box->outcome, x + 9, y);
    double indent = marked ? 14 : 0;
    text_at(out, x + 9 + indent, y + 4, row_class(s, row), row->text, w - 14 - indent);
}

/* A bar from the operation that waits to its answer. */
static void draw_wait(FILE *out, const struct sc_layout *l, int r) {
    const struct sc_row *row = &l->scene->rows[r];
    if (row->wait_end == SC_NONE || row->box == SC_NONE) return;
    const struct sc_box *box = &l->scene->boxes[row->box];
    double x = l->lane_x[box->lane] + 3, w = l->lane_w[box->lane] - 6;
    double from = sc_row_y(l, r) - SC_ROW / 2.0 + 2, to = sc_row_y(l, row->wait_end) - SC_ROW / 2.0;
    if (row->wait_end > r)
        fprintf(out,
                "<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\" rx=\"4\" "
                "class=\"wait\"><title>waits</title></rect>\n",
                x, from, w, to - from);
    if (row->wait_end > r + 1)
        fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"small\">waits</text>\n", x + 6, sc_row_y(l, r + 1) + 4);
    for (double y = from + 2 * SC_ROW + 3; y + 6 < to; y += 8)
        fprintf(out, "<path d=\"M%g %gv4\" class=\"pulse\"/>\n", x + 9, y);
}

/* --- edges
 * ------------------------------------------------------------------------------------------------------------ */

static const char *edge_class(enum ck_edge_kind kind) {
    static const char *const classes[] = {
        [CK_WW] = "ww", [CK_WR] = "wr", [CK_RW] = "rw", [CK_RW_RANGE] = "rw", [CK_RT] = "rt", [CK_SO] = "so",
    };
    return classes[kind];
}

/* The head of an arrow: its point at (x, y), flying right or left. */
static void draw_head(FILE *out, double x, double y, bool right, const char *class) {
    double d = right ? -8 : 8;
    fprintf(out, "<path d=\"M%g %gl%g -4.2v8.4z\" class=\"point %s\"/>\n", x, y, d, class);
}

static void draw_edge(FILE *out, const struct sc_layout *l, int e) {
    const struct sc_scene *s = l->scene;
    const struct sc_edge *edge = &s->edges[e];
    const struct sc_label *label = &l->labels[e];
    struct sc_way way = sc_way_of(l, e);
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
    fprintf(out, "<path d=\"M%g %gH%gC%g %g %g %g %g %gH%g\" class=\"line %s\"/>", way.x1, y1, straight_from, reach, y1,
            back, y2, straight_to, y2, stop, class);
    fprintf(out, "<circle cx=\"%g\" cy=\"%g\" r=\"3\" class=\"point %s\"/>", way.x1, y1, class);
    draw_head(out, way.x2, y2, way.comes_right, class);
    fputs("</g>\n", out);
}

static void draw_label(FILE *out, const struct sc_layout *l, int e) {
    const struct sc_edge *edge = &l->scene->edges[e];
    const struct sc_label *label = &l->labels[e];
    fprintf(out, "<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%d\" rx=\"8\" class=\"tag t-%s\"/>",
            label->x - label->w / 2, label->y - SC_LABEL_HEIGHT / 2.0, label->w, SC_LABEL_HEIGHT,
            edge_class(edge->kind));
    fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"label l-%s\"><tspan class=\"kind\">%s</tspan>%s", label->x,
            label->y + 4, edge_class(edge->kind), sc_edge_name(edge->kind), *edge->label ? " " : "");
    escaped(out, edge->label);
    fputs("</text>\n", out);
}

static void draw_edges(FILE *out, const struct sc_layout *l) {
    for (int e = 0; e < l->scene->edge_count; e++) draw_edge(out, l, e);
    for (int e = 0; e < l->scene->edge_count; e++) draw_label(out, l, e);
}

/* --- what stands around
 * ------------------------------------------------------------------------------------------------- */

static int draw_legend(FILE *out, const struct sc_layout *l, double y) {
    bool seen[CK_SO + 1] = {false};
    int lines = 0;
    for (int e = 0; e < l->scene->edge_count; e++) seen[l->scene->edges[e].kind] = true;
    for (int k = 0; k <= CK_SO; k++) {
        if (!seen[k]) continue;
        double at = y + lines++ * SC_LINE;
        if (!out) continue;
        const char *class = edge_class((enum ck_edge_kind)k);
        fprintf(out, "<path d=\"M%d %gh24\" class=\"line %s\"/>", SC_MARGIN, at - 4, class);
        draw_head(out, SC_MARGIN + 32, at - 4, true, class);
        fprintf(out, "<text x=\"%d\" y=\"%g\" class=\"small\"><tspan class=\"kind l-%s\">%s</tspan> %s</text>\n",
                SC_MARGIN + 42, at, class, sc_edge_name((enum ck_edge_kind)k), sc_edge_about((enum ck_edge_kind)k));
    }
    return lines;
}

static double above(FILE *out, const struct sc_layout *l) {
    double y = SC_MARGIN + 12;
    y += paragraph(out, l->scene->title, SC_MARGIN, y, "title", title_columns(l)) * SC_LINE;
    y += paragraph(out, l->scene->before, SC_MARGIN, y, "small", small_columns(l)) * SC_LINE;
    return y + 10;
}

static double below(FILE *out, const struct sc_layout *l) {
    double y = l->top + l->scene->row_count * SC_ROW + SC_LINE + 3;
    y += paragraph(out, l->scene->after, SC_MARGIN, y, "small", small_columns(l)) * SC_LINE;
    y += draw_legend(out, l, y) * SC_LINE;
    if (*l->scene->proof)
        y += 4 + paragraph(out, l->scene->proof, SC_MARGIN, y + 4, "small", small_columns(l)) * SC_LINE;
    return y - 4;
}

static void draw(FILE *out, const struct sc_layout *l, bool styled) {
    const struct sc_scene *s = l->scene;
    double height = below(NULL, l) + SC_MARGIN;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"vp\" role=\"img\" width=\"%.0f\" height=\"%.0f\" "
            "viewBox=\"0 0 %.0f %.0f\" "
            "style=\"min-width:%.0fpx\">\n",
            l->width, height, l->width, height, l->width * LEAST_SCALE);
    fputs("<title>", out);
    escaped(out, *s->name ? s->name : *s->title ? s->title : "a history");
    fputs("</title>\n", out);
    if (styled) fprintf(out, "<style>%s</style>\n", sc_svg_style);
    fprintf(out, "<rect width=\"%.0f\" height=\"%.0f\" class=\"ground\"/>\n", l->width, height);
    draw_ground(out, l);
    for (int b = 0; b < s->box_count; b++) draw_box(out, l, &s->boxes[b]);
    for (int r = 0; r < s->row_count; r++) draw_wait(out, l, r);
    for (int r = 0; r < s->row_count; r++) draw_row(out, l, r);
    draw_edges(out, l);
    above(out, l);
    below(out, l);
    fputs("</svg>\n", out);
}

double sc_svg_width(const struct sc_scene *scene, double *least) {
    struct sc_layout l;
    if (sc_layout_init(&l, scene) != VARVE_OK) return *least = 0;
    sc_layout_release(&l);
    *least = l.width * LEAST_SCALE;
    return l.width;
}

int sc_svg(FILE *out, const struct sc_scene *scene, bool styled) {
    struct sc_layout l;
    int status = sc_layout_init(&l, scene);
    if (status != VARVE_OK) return status;
    sc_layout_place(&l, above(NULL, &l) + (scene->lane_count && *scene->lanes[0] ? 12 : 0));
    draw(out, &l, styled);
    sc_layout_release(&l);
    return ferror(out) ? VARVE_IO : VARVE_OK;
}
