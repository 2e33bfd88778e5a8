/* picture_dot.c - a scene as a graph in DOT: transactions are nodes with their operations, dependencies are edges.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "report/scene.h"

/* Inside a quoted string. Line breaks are written as left-justified ones. */
static void quoted(FILE *out, const char *text) {
    for (size_t left = strlen(text); left;) {
        unsigned bytes = sc_code_point((const unsigned char *)text, left);
        if (*text == '\n')
            fputs("\\l", out);
        else if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else if (bytes)
            fwrite(text, 1, bytes, out);
        else
            fputs("\uFFFD", out);
        text += bytes ? bytes : 1;
        left -= bytes ? bytes : 1;
    }
}

static void draw_box(FILE *out, const struct sc_scene *s, int b) {
    const struct sc_box *box = &s->boxes[b];
    fprintf(out, "  %s [style=\"rounded,filled%s\", color=\"%s\", label=\"", box->name,
            box->outcome == SC_COMMITTED ? "" : ",dashed", box->outcome == SC_ABORTED ? "#c0574d" : "#8b98a9");
    quoted(out, box->name);
    fputs("  ", out);
    quoted(out, box->note);
    fputs("\\l", out);
    for (int r = box->first_row + 1; r >= 1 && r <= box->last_row && r < s->row_count; r++) {
        if (s->rows[r].box != b) continue;
        quoted(out, s->rows[r].text);
        fputs("\\l", out);
    }
    fputs("\"];\n", out);
}

static void draw_edge(FILE *out, const struct sc_scene *s, const struct sc_edge *edge) {
    static const char *const looks[] = {
        [CK_WW] = "color=\"#8f5600\", fontcolor=\"#8f5600\", style=dashed",
        [CK_WR] = "color=\"#0b5cad\", fontcolor=\"#0b5cad\"",
        [CK_RW] = "color=\"#b0146a\", fontcolor=\"#b0146a\", style=dashed",
        [CK_RW_RANGE] = "color=\"#b0146a\", fontcolor=\"#b0146a\", style=dashed",
        [CK_RT] = "color=\"#5b6675\", fontcolor=\"#5b6675\", style=dotted",
        [CK_SO] = "color=\"#5b6675\", fontcolor=\"#5b6675\", style=dotted",
    };
    fprintf(out, "  %s -> %s [%s%s, label=\"%s ", s->boxes[s->rows[edge->from_row].box].name,
            s->boxes[s->rows[edge->to_row].box].name, looks[edge->kind], edge->minor ? "" : ", penwidth=2",
            sc_edge_name(edge->kind));
    quoted(out, edge->label);
    fputs("\"];\n", out);
}

int sc_dot(FILE *out, const struct sc_scene *s) {
    fputs("digraph history {\n  rankdir=LR;\n  label=\"", out);
    quoted(out, s->title);
    fputs("\";\n  labelloc=t;\n  fontname=\"sans-serif\";\n"
          "  node [shape=box, fontname=\"monospace\", fontsize=11, fillcolor=\"#f4f6f9\"];\n"
          "  edge [fontname=\"monospace\", fontsize=10];\n",
          out);
    for (int b = 0; b < s->box_count; b++) draw_box(out, s, b);
    for (int e = 0; e < s->edge_count; e++) draw_edge(out, s, &s->edges[e]);
    fputs("}\n", out);
    return ferror(out) ? VARVE_IO : VARVE_OK;
}
