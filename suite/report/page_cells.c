/* page_cells.c - what a cell of the matrix says, and small writing for all of the page.
 *
 * A cell is a violation where the sweep has a finding of its phenomenon at its pair: the page judges nothing itself.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <string.h>

#include "report/page_int.h"
#include "report/picture.h"

static enum pg_mark mark_of(const struct sr_cell *cell) {
    return cell->runs == 0 ? PG_NONE : cell->shown ? PG_SHOWN : PG_PREVENTED;
}

enum pg_mark pg_row_mark(const struct sr_matrix *matrix, const struct sr_row *row, unsigned pair) {
    for (unsigned f = 0; f < matrix->finding_count; f++)
        if (matrix->findings[f].pair == pair && !strcmp(matrix->findings[f].id, row->id)) return PG_VIOLATION;
    return mark_of(&row->cells[pair]);
}

enum pg_mark pg_schedule_mark(const struct sr_matrix *matrix, unsigned schedule, unsigned pair) {
    for (unsigned f = 0; f < matrix->finding_count; f++)
        if (matrix->findings[f].pair == pair && matrix->findings[f].schedule == schedule) return PG_VIOLATION;
    return mark_of(&matrix->cells[schedule][pair]);
}

const char *pg_mark_class(enum pg_mark mark) {
    static const char *const names[] = {"n", "p", "s", "v"};
    return names[mark];
}

const char *pg_mark_sign(enum pg_mark mark) {
    static const char *const signs[] = {"\u2013", "\u2713", "\u25b2", "\u2715"};
    return signs[mark];
}

const char *pg_mark_word(enum pg_mark mark) {
    static const char *const names[] = {"not applicable", "prevented", "shown", "violation"};
    return names[mark];
}

unsigned pg_ways_of(const struct sr_cell *cell, enum sr_way ways[SR_WAYS]) {
    unsigned count = 0;
    for (unsigned w = 0; w < SR_WAYS; w++) {
        if (!(cell->ways & 1u << w)) continue;
        unsigned at = count++;
        for (; at > 0 && cell->way_runs[ways[at - 1]] < cell->way_runs[w]; at--) ways[at] = ways[at - 1];
        ways[at] = (enum sr_way)w;
    }
    return count;
}

void pg_text(struct pg_page *page, const char *text) { sp_escape(page->out, text, strlen(text)); }

void pg_number(struct pg_page *page, uint64_t number) {
    if (number >= 1000) {
        pg_number(page, number / 1000);
        fprintf(page->out, ",%03" PRIu64, number % 1000);
    } else {
        fprintf(page->out, "%" PRIu64, number);
    }
}

void pg_attribute(struct pg_page *page, const char *text) {
    for (; *text; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= '0' && *text <= '9') || *text == '-' || *text == '_';
        fputc(plain ? *text : '_', page->out);
    }
}
