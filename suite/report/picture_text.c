/* picture_text.c - a scene as text for a terminal: a column a lane, one event a line, the edges listed below.
 *
 * Plain ASCII around the texts of the scene, so that it survives any terminal, log and mail.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "report/scene.h"

enum { NUMBERS = 4, LANE_LEAST = 12, LANE_MOST = 44, GAP = 2 };

/* What no terminal may act on becomes a question mark, the few signs of our own become ASCII. */
static void plain(FILE *out, const char *text, size_t size) {
    for (size_t at = 0; at < size;) {
        unsigned bytes = sc_code_point((const unsigned char *)text + at, size - at);
        if (bytes == 3 && !memcmp(text + at, "\u2192", 3))
            fputs("->", out);
        else if (bytes == 3 && !memcmp(text + at, "\u2026", 3))
            fputs("..", out);
        else if (bytes && text[at] != '\n')
            fwrite(text + at, 1, bytes, out);
        else
            fputc('?', out);
        at += bytes ? bytes : 1;
    }
}

/* Columns that plain() writes. */
static unsigned plain_columns(const char *text, size_t size) {
    unsigned columns = 0;
    for (size_t at = 0; at < size; columns++) {
        unsigned bytes = sc_code_point((const unsigned char *)text + at, size - at);
        if (bytes == 3 && (!memcmp(text + at, "\u2192", 3) || !memcmp(text + at, "\u2026", 3))) columns++;
        at += bytes ? bytes : 1;
    }
    return columns;
}

/* `text` cut or filled to exactly `width` columns. */
static void cell(FILE *out, const char *text, unsigned width) {
    size_t size = strlen(text);
    bool cut = plain_columns(text, size) > width;
    while (plain_columns(text, size) + (cut ? 2 : 0) > width && size)
        size = sc_prefix(text, sc_columns(text) > 0 ? (unsigned)(plain_columns(text, size) - 1) : 0) < size
                   ? sc_prefix(text, plain_columns(text, size) - 1)
                   : size - 1;
    plain(out, text, size);
    unsigned used = plain_columns(text, size);
    for (unsigned dots = 0; cut && dots < 2 && used < width; dots++, used++) fputc('.', out);
    for (; used < width; used++) fputc(' ', out);
}

static void row_text(const struct sc_scene *s, const struct sc_row *row, char *text, size_t bytes) {
    const struct sc_box *box = &s->boxes[row->box];
    *text = 0;
    if (row->kind == SC_BEGIN)
        sc_append(text, bytes, "+- %s %s", box->name, box->note);
    else if (row->kind == SC_END)
        sc_append(text, bytes, "+- %s", row->text);
    else
        sc_append(text, bytes, "|%c %s%s", row->marked || row->refused ? '!' : ' ', row->text,
                  row->wait_end != SC_NONE ? " (waits)" : "");
}

/* The box that stands in a lane at a row, SC_NONE. */
static int box_at(const struct sc_scene *s, int lane, int row) {
    for (int b = 0; b < s->box_count; b++)
        if (s->boxes[b].lane == lane && s->boxes[b].first_row <= row && row <= s->boxes[b].last_row) return b;
    return SC_NONE;
}

static bool waits_at(const struct sc_scene *s, int box, int row) {
    for (int r = 0; r < row; r++)
        if (s->rows[r].box == box && s->rows[r].wait_end > row) return true;
    return false;
}

static unsigned lane_width(const struct sc_scene *s, int lane, unsigned most) {
    unsigned width = LANE_LEAST;
    char text[SC_TEXT_BYTES + 80];
    for (int r = 0; r < s->row_count; r++) {
        if (s->rows[r].box == SC_NONE || s->boxes[s->rows[r].box].lane != lane) continue;
        row_text(s, &s->rows[r], text, sizeof text);
        unsigned columns = plain_columns(text, strlen(text));
        width = columns > width ? columns : width;
    }
    return width < most ? width : most;
}

static void draw_row(FILE *out, const struct sc_scene *s, int r, const unsigned *widths, int *number) {
    const struct sc_row *row = &s->rows[r];
    char text[SC_TEXT_BYTES + 80];
    if (row->kind == SC_BEGIN)
        fprintf(out, "%*s", NUMBERS, "");
    else
        fprintf(out, "%*d ", NUMBERS - 1, ++*number);
    if (row->box == SC_NONE) {
        fputs(" ==== ", out);
        plain(out, row->text, strlen(row->text));
        fputs(" ====\n", out);
        return;
    }
    for (int lane = 0; lane < s->lane_count; lane++) {
        int box = box_at(s, lane, r);
        *text = 0;
        if (box != SC_NONE && box == row->box)
            row_text(s, row, text, sizeof text);
        else if (box != SC_NONE)
            sc_append(text, sizeof text, waits_at(s, box, r) ? "|   :" : "|");
        fprintf(out, "%*s", lane ? GAP : 1, "");
        cell(out, text, widths[lane]);
    }
    fputc('\n', out);
}

static void draw_edges(FILE *out, const struct sc_scene *s) {
    for (int e = 0; e < s->edge_count; e++) {
        const struct sc_edge *edge = &s->edges[e];
        fprintf(out, "  %s --%s--> %s  ", s->boxes[s->rows[edge->from_row].box].name, sc_edge_name(edge->kind),
                s->boxes[s->rows[edge->to_row].box].name);
        plain(out, edge->label, strlen(edge->label));
        fputc('\n', out);
    }
}

static void draw_lines(FILE *out, const char *text, unsigned columns) {
    while (*text) {
        const char *next;
        size_t bytes = sc_line(text, columns, &next);
        plain(out, text, bytes);
        fputc('\n', out);
        text = next;
    }
}

int sc_text(FILE *out, const struct sc_scene *s, unsigned columns) {
    unsigned lanes = s->lane_count ? (unsigned)s->lane_count : 1;
    unsigned *widths = calloc(lanes, sizeof *widths);
    if (!widths) return VARVE_NOMEM;
    unsigned room = columns > NUMBERS + 1 ? columns - NUMBERS - 1 : 1, share = room / lanes;
    unsigned most = share > GAP + LANE_LEAST ? share - GAP : LANE_LEAST;
    draw_lines(out, s->title, columns);
    draw_lines(out, s->before, columns);
    fprintf(out, "%*s", NUMBERS, "");
    for (int lane = 0; lane < s->lane_count; lane++) {
        widths[lane] = lane_width(s, lane, most < LANE_MOST ? most : LANE_MOST);
        fprintf(out, "%*s", lane ? GAP : 1, "");
        cell(out, s->lanes[lane], widths[lane]);
    }
    fputc('\n', out);
    int number = 0;
    for (int r = 0; r < s->row_count; r++) draw_row(out, s, r, widths, &number);
    draw_lines(out, s->after, columns);
    draw_edges(out, s);
    draw_lines(out, s->proof, columns);
    free(widths);
    return ferror(out) ? VARVE_IO : VARVE_OK;
}
