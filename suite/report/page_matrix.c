/* page_matrix.c - the table of phenomena by scheme and level.
 *
 * Each cell says it three times: by a sign, by words, and by a colour. Its title says it in full.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <string.h>

#include "report/page_int.h"

enum { WAYS_IN_CELL = 2 };

/* --- heads -------------------------------------------------------------------------------------------------------- */

static bool scheme_begins(const struct sr_matrix *m, unsigned pair) {
    return pair == 0 || strcmp(m->pairs[pair].scheme, m->pairs[pair - 1].scheme) != 0;
}

static void write_level(struct pg_page *page, const struct sr_pair *pair, bool first) {
    fprintf(page->out, "<th scope=\"col\"%s><abbr title=\"%s\">%s</abbr>", first ? " class=\"first\"" : "",
            pg_level_long(pair->asked), ss_level_name(pair->asked));
    if (pair->served != pair->asked)
        fprintf(page->out, "<small>is <abbr title=\"served as %s\">%s</abbr></small>", pg_level_long(pair->served),
                ss_level_name(pair->served));
    fputs("</th>", page->out);
}

static void write_heads(struct pg_page *page) {
    const struct sr_matrix *m = page->matrix;
    fputs("<thead>\n<tr><th class=\"corner\" rowspan=\"2\" scope=\"col\">phenomenon</th>", page->out);
    for (unsigned p = 0; p < m->pair_count;) {
        unsigned span = 1;
        while (p + span < m->pair_count && !scheme_begins(m, p + span)) span++;
        fprintf(page->out, "<th class=\"scheme first\" scope=\"colgroup\" colspan=\"%u\">", span);
        pg_text(page, m->pairs[p].scheme);
        fputs("</th>", page->out);
        p += span;
    }
    fputs("</tr>\n<tr class=\"levels\">", page->out);
    for (unsigned p = 0; p < m->pair_count; p++) write_level(page, &m->pairs[p], scheme_begins(m, p));
    fputs("</tr>\n</thead>\n", page->out);
}

/* --- cells -------------------------------------------------------------------------------------------------------- */

static void write_title(struct pg_page *page, const struct sr_pair *pair, const struct sr_cell *cell,
                        enum pg_mark mark) {
    fputs(" title=\"", page->out);
    pg_text(page, pair->scheme);
    fprintf(page->out, " at %s", pg_level_long(pair->asked));
    if (pair->served != pair->asked) fprintf(page->out, ", served as %s", pg_level_long(pair->served));
    fprintf(page->out, ": %s", pg_mark_word(mark));
    if (cell->runs) fprintf(page->out, ", shown in %" PRIu64 " of %" PRIu64 " runs", cell->shown, cell->runs);
    enum sr_way ways[SR_WAYS];
    unsigned count = pg_ways_of(cell, ways);
    for (unsigned i = 0; i < count; i++)
        fprintf(page->out, "%s%s in %" PRIu64, i ? ", " : "; otherwise: ", pg_way_short(ways[i]),
                cell->way_runs[ways[i]]);
    fputs("\"", page->out);
}

static void write_cell(struct pg_page *page, const struct sr_row *row, unsigned p) {
    const struct sr_matrix *m = page->matrix;
    const struct sr_cell *cell = &row->cells[p];
    enum pg_mark mark = pg_row_mark(m, row, p);
    fprintf(page->out, "<td class=\"%s%s\"", pg_mark_class(mark), scheme_begins(m, p) ? " first" : "");
    write_title(page, &m->pairs[p], cell, mark);
    fprintf(page->out, "><b aria-hidden=\"true\">%s</b>", pg_mark_sign(mark));
    if (mark == PG_PREVENTED) {
        enum sr_way ways[SR_WAYS];
        unsigned count = pg_ways_of(cell, ways);
        fputs("<span class=\"out\">prevented: </span>", page->out);
        for (unsigned i = 0; i < count && i < WAYS_IN_CELL; i++) fprintf(page->out, "<i>%s</i>", pg_way_short(ways[i]));
    } else if (mark == PG_NONE) {
        fputs("<span class=\"out\">not applicable</span>", page->out);
    } else {
        fprintf(page->out, "<i>%s</i>", pg_mark_word(mark));
        if (mark == PG_SHOWN) fprintf(page->out, "<small>%" PRIu64 "/%" PRIu64 "</small>", cell->shown, cell->runs);
    }
    fputs("</td>", page->out);
}

static void write_row(struct pg_page *page, const struct sr_row *row) {
    const struct pg_word *word = pg_word_find(row->id);
    fputs("<tr data-row=\"", page->out);
    pg_attribute(page, row->id);
    fputs("\"><th scope=\"row\"><a href=\"#", page->out);
    pg_attribute(page, row->id);
    fputs("\"><span class=\"id\">", page->out);
    pg_text(page, row->id);
    fputs("</span> ", page->out);
    pg_text(page, word ? word->name : row->title);
    fputs("</a></th>", page->out);
    for (unsigned p = 0; p < page->matrix->pair_count; p++) write_cell(page, row, p);
    fputs("</tr>\n", page->out);
}

static void write_legend(struct pg_page *page) {
    static const enum pg_mark marks[] = {PG_PREVENTED, PG_SHOWN, PG_VIOLATION, PG_NONE};
    static const char *const texts[] = {"in no interleaving, and how",
                                        "the level permits it, and it does occur: in how many runs",
                                        "against what is promised", "the schedule does not apply"};
    fputs("<ul class=\"legend\">\n", page->out);
    for (unsigned i = 0; i < sizeof marks / sizeof *marks; i++)
        fprintf(page->out, "<li><b class=\"%s\" aria-hidden=\"true\">%s</b> <strong>%s</strong> %s</li>\n",
                pg_mark_class(marks[i]), pg_mark_sign(marks[i]), pg_mark_word(marks[i]), texts[i]);
    fputs("</ul>\n<p class=\"levels\">", page->out);
    for (unsigned level = VARVE_READ_UNCOMMITTED; level <= VARVE_SERIALIZABLE; level++)
        fprintf(page->out, "<span><b>%s</b> %s</span> ", ss_level_name((varve_isolation)level),
                pg_level_long((varve_isolation)level));
    fputs("</p>\n", page->out);
}

void pg_write_matrix(struct pg_page *page) {
    const struct sr_matrix *m = page->matrix;
    fputs("<section id=\"matrix\">\n<h2>The matrix</h2>\n", page->out);
    write_legend(page);
    fputs("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"The matrix\">\n<table class=\"matrix\">\n",
          page->out);
    write_heads(page);
    const char *family = "";
    for (unsigned r = 0; r < m->row_count; r++) {
        const char *own = pg_family(m->rows[r].id);
        if (strcmp(own, family)) {
            fprintf(page->out,
                    "%s<tbody>\n<tr class=\"family\"><th scope=\"rowgroup\" colspan=\"%u\"><span>%s</span></th></tr>\n",
                    *family ? "</tbody>\n" : "", m->pair_count + 1, own);
            family = own;
        }
        write_row(page, &m->rows[r]);
    }
    fprintf(page->out, "%s</table>\n</div>\n</section>\n", *family ? "</tbody>\n" : "");
}
