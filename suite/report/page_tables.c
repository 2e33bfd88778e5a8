/* page_tables.c - what was refused without need, beside PostgreSQL's figures, and what other engines showed.
 *
 * PostgreSQL's figures are those that the comments of its isolation tests state (src/test/isolation/specs:
 * receipt-report and two-ids).
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <string.h>

#include "report/page_int.h"
#include "report/picture.h"

static const struct {
    const char *schedule;
    unsigned runs, must_fail, needless;
} postgres[] = {
    {"pg-receipt-report", 210, 6, 0}, /* its report is declared read only */
    {"pg-two-ids", 90, 4, 12},
};

/* The pair of a scheme at serializable; pair_count: it was not run. */
static unsigned serializable_pair(const struct sr_matrix *m, unsigned scheme) {
    for (unsigned p = 0; p < m->pair_count; p++)
        if (m->pairs[p].asked == VARVE_SERIALIZABLE && !strcmp(m->pairs[p].scheme, ss_schemes[scheme])) return p;
    return m->pair_count;
}

static void write_scheme_heads(struct pg_page *page) {
    for (unsigned s = 0; s < SS_SCHEMES; s++)
        if (serializable_pair(page->matrix, s) < page->matrix->pair_count)
            fprintf(page->out, "<th scope=\"col\">%s</th>", ss_schemes[s]);
}

/* Runs of a cell with a refusal that was not needed. */
static void write_needless_cells(struct pg_page *page, const struct sr_cell *cells) {
    for (unsigned s = 0; s < SS_SCHEMES; s++) {
        unsigned p = serializable_pair(page->matrix, s);
        if (p == page->matrix->pair_count) continue;
        fprintf(page->out, "<td class=\"number%s\">", cells[p].runs && !cells[p].needless_runs ? " zero" : "");
        if (cells[p].runs)
            pg_number(page, cells[p].needless_runs);
        else
            fputs("\u2013", page->out);
        fputs("</td>", page->out);
    }
}

static void write_against_postgres(struct pg_page *page) {
    const struct sr_matrix *m = page->matrix;
    fputs("<h3>Beside PostgreSQL</h3>\n<p>The shapes of two of its tests, every interleaving at serializable: runs in "
          "which a transaction was "
          "refused although all could have committed. The serial order here is the order of commits, so a transaction "
          "cannot be placed "
          "before one that committed earlier, which PostgreSQL may do; what that costs is seen here.</p>\n<div "
          "class=\"picture\" "
          "tabindex=\"0\" role=\"region\" aria-label=\"Needless aborts beside PostgreSQL\"><table "
          "class=\"plain\">\n<thead><tr>"
          "<th scope=\"col\">schedule</th><th scope=\"col\">runs</th><th scope=\"col\">must fail</th><th "
          "scope=\"col\">PostgreSQL</th>",
          page->out);
    write_scheme_heads(page);
    fputs("</tr></thead>\n<tbody>\n", page->out);
    for (unsigned i = 0; i < sizeof postgres / sizeof *postgres; i++) {
        unsigned index = 0;
        while (index < m->set->count &&
               (!m->chosen[index] || strcmp(m->set->schedules[index]->name, postgres[i].schedule)))
            index++;
        if (index == m->set->count) continue;
        fprintf(page->out,
                "<tr><th scope=\"row\"><a href=\"#s-%s\">%s</a></th><td class=\"number\">%u</td><td "
                "class=\"number\">%u</td>"
                "<td class=\"number\">%u</td>",
                postgres[i].schedule, postgres[i].schedule, postgres[i].runs, postgres[i].must_fail,
                postgres[i].needless);
        write_needless_cells(page, m->cells[index]);
        fputs("</tr>\n", page->out);
    }
    fputs("</tbody></table></div>\n", page->out);
}

static bool has_postgres_shapes(const struct sr_matrix *m) {
    for (unsigned i = 0; i < m->set->count; i++)
        for (unsigned k = 0; k < sizeof postgres / sizeof *postgres; k++)
            if (m->chosen[i] && !strcmp(m->set->schedules[i]->name, postgres[k].schedule)) return true;
    return false;
}

/* Of all transactions at a pair: refused, and refused without need. */
static void write_totals(struct pg_page *page) {
    const struct sr_matrix *m = page->matrix;
    fputs("<h3>Over all schedules</h3>\n<div class=\"picture\" tabindex=\"0\" role=\"region\" aria-label=\"Aborts over "
          "all schedules\">"
          "<table class=\"plain\">\n<thead><tr><th scope=\"col\">scheme</th><th scope=\"col\">asked</th><th "
          "scope=\"col\">served</th>"
          "<th scope=\"col\">transactions</th><th scope=\"col\">refused</th><th scope=\"col\">needlessly</th><th "
          "scope=\"col\">in %</th>"
          "</tr></thead>\n<tbody>\n",
          page->out);
    for (unsigned p = 0; p < m->pair_count; p++) {
        const struct sr_cell *total = &m->totals[p];
        fputs("<tr><th scope=\"row\">", page->out);
        pg_text(page, m->pairs[p].scheme);
        fprintf(page->out, "</th><td>%s</td><td>%s</td><td class=\"number\">", pg_level_long(m->pairs[p].asked),
                m->pairs[p].served == m->pairs[p].asked ? "same" : pg_level_long(m->pairs[p].served));
        pg_number(page, total->txns);
        fputs("</td><td class=\"number\">", page->out);
        pg_number(page, total->aborts);
        fputs("</td><td class=\"number\">", page->out);
        pg_number(page, total->needless);
        fprintf(page->out, "</td><td class=\"number\">%.2f</td></tr>\n",
                total->txns ? 100.0 * (double)total->needless / (double)total->txns : 0.0);
    }
    fputs("</tbody></table></div>\n", page->out);
}

void pg_write_needless(struct pg_page *page) {
    fputs("<section id=\"needless\">\n<h2>Needless aborts</h2>\n<p>A scheme may refuse more than it must. A refusal is "
          "needless when, in "
          "that run, all transactions could have committed as if one after another.</p>\n",
          page->out);
    if (has_postgres_shapes(page->matrix)) write_against_postgres(page);
    write_totals(page);
    fputs("</section>\n", page->out);
}

/* --- other engines --------------------------------------------------------------------------------------------------
 */

static const char *peer_word(const struct sp_peer_cell *cell) {
    if (!cell->runs) return "not run";
    if (cell->shown) return "shown";
    return cell->blocked > cell->refused ? "blocked" : cell->refused ? "refused" : "prevented";
}

static void write_peer_cell(struct pg_page *page, const struct sp_peer_cell *cell, bool first) {
    enum pg_mark mark = !cell->runs ? PG_NONE : cell->shown ? PG_SHOWN : PG_PREVENTED;
    fprintf(page->out,
            "<td class=\"%s%s\" title=\"shown in %" PRIu64 " of %" PRIu64 " runs, %" PRIu64 " blocked, %" PRIu64
            " refused\">"
            "<b aria-hidden=\"true\">%s</b><i>%s</i>",
            pg_mark_class(mark), first ? " first" : "", cell->shown, cell->runs, cell->blocked, cell->refused,
            pg_mark_sign(mark), peer_word(cell));
    if (cell->shown) fprintf(page->out, "<small>%" PRIu64 "/%" PRIu64 "</small>", cell->shown, cell->runs);
    fputs("</td>", page->out);
}

/* The first level of an engine. */
static bool engine_begins(const struct sp_about *about, unsigned p) {
    return p == 0 || strcmp(about->peers[p].engine, about->peers[p - 1].engine) != 0;
}

/* Engines above, their levels below; neighbours with one name share a head. */
static void write_peer_heads(struct pg_page *page) {
    const struct sp_about *about = page->about;
    fputs("<thead>\n<tr><th class=\"corner\" rowspan=\"2\" scope=\"col\">phenomenon</th>", page->out);
    for (unsigned p = 0; p < about->peer_count;) {
        unsigned span = 1;
        while (p + span < about->peer_count && !engine_begins(about, p + span)) span++;
        fprintf(page->out, "<th class=\"first\" scope=\"colgroup\" colspan=\"%u\" title=\"", span);
        pg_text(page, about->peers[p].engine);
        fputs("\">", page->out);
        sp_escape(page->out, about->peers[p].engine, strcspn(about->peers[p].engine, ":")); /* a date may follow */
        fputs("</th>", page->out);
        p += span;
    }
    fputs("</tr>\n<tr class=\"levels\">", page->out);
    for (unsigned p = 0; p < about->peer_count; p++) {
        fprintf(page->out, "<th scope=\"col\"%s>", engine_begins(about, p) ? " class=\"first\"" : "");
        pg_text(page, about->peers[p].level);
        fputs("</th>", page->out);
    }
    fputs("</tr>\n</thead>\n", page->out);
}

static void write_peer_row(struct pg_page *page, unsigned r) {
    const struct sr_row *row = &page->matrix->rows[r];
    const struct pg_word *word = pg_word_find(row->id);
    fputs("<tr><th scope=\"row\"><a href=\"#", page->out);
    pg_attribute(page, row->id);
    fputs("\"><span class=\"id\">", page->out);
    pg_text(page, row->id);
    fputs("</span> ", page->out);
    pg_text(page, word ? word->name : row->title);
    fputs("</a></th>", page->out);
    for (unsigned p = 0; p < page->about->peer_count; p++)
        write_peer_cell(page, &page->about->peers[p].cells[r], engine_begins(page->about, p));
    fputs("</tr>\n", page->out);
}

void pg_write_peers(struct pg_page *page) {
    if (!page->about->peer_count) return;
    fputs("<section id=\"peers\">\n<h2>Other engines</h2>\n<p>The same schedules on other engines, each at levels of "
          "its own. Nothing was "
          "tuned; a call that would have had to wait ended its transaction.</p>\n<div class=\"wide boxed\" "
          "tabindex=\"0\" role=\"region\" "
          "aria-label=\"Other engines\">\n<table class=\"matrix\">\n",
          page->out);
    write_peer_heads(page);
    fputs("<tbody>\n", page->out);
    for (unsigned r = 0; r < page->matrix->row_count; r++) write_peer_row(page, r);
    fputs("</tbody></table></div>\n</section>\n", page->out);
}
