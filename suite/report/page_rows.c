/* page_rows.c - the phenomena one after another: what each is, its schedules, the first interleaving that showed it,
 * and what each scheme does with that interleaving.
 *
 * Which runs are pictured. Of each schedule that shows its phenomenon anywhere: the run at the strongest level that
 * showed it. Of the first schedule of a phenomenon also the same interleaving at serializable in each scheme. A
 * phenomenon that never appears is pictured at read committed, in the first interleaving in which somebody had to wait
 * or was refused.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <string.h>

#include "report/page_int.h"
#include "report/picture.h"
#include "report/scene.h"

enum { TRIED_INTERLEAVINGS = 300, CAPTION_BYTES = 400 };

/* --- pictures ----------------------------------------------------------------------------------------------------- */

bool pg_run(struct pg_page *page, const struct ss_schedule *schedule, uint64_t interleaving, const char *scheme,
            varve_isolation level) {
    unsigned s = (unsigned)ss_scheme_find(scheme);
    if (s >= SS_SCHEMES || page->failed[s] || interleaving >= ss_interleavings(schedule)) return false;
    if (!page->stages[s]) {
        struct st_options options = page->about->run ? *page->about->run : (struct st_options){0};
        char error[200];
        options.scheme = scheme;
        options.level = level;
        page->failed[s] = st_open(&options, &page->stages[s], error, sizeof error) != VARVE_OK;
        if (page->failed[s]) return false;
    }
    st_set_level(page->stages[s], level);
    uint8_t order[SS_STEPS_MAX];
    ss_interleaving(schedule, interleaving, order);
    return st_run(page->stages[s], schedule, order, page->run) == VARVE_OK;
}

void pg_figure(struct pg_page *page, const struct ss_schedule *schedule, const char *class, const char *caption) {
    struct sc_scene scene;
    if (sc_from_run(&scene, schedule, page->run, "") != VARVE_OK) return;
    double least, width = sc_svg_width(&scene, &least);
    fprintf(page->out, "<figure class=\"%s\" style=\"flex:1 1 %.0fpx;max-width:min(100%%,%.0fpx)\">\n<figcaption>",
            class, least, width + 2);
    pg_text(page, caption);
    fputs("</figcaption>\n<div class=\"picture\" tabindex=\"0\" role=\"region\" aria-label=\"Picture\">", page->out);
    snprintf(scene.name, sizeof scene.name, "%s", caption);
    (void)sc_svg(page->out, &scene, false); /* what cannot be written is seen by ferror at the end */
    fputs("</div>\n</figure>\n", page->out);
    sc_release(&scene);
}

/* The pair at the strongest level served that has shown the schedule; pair_count: none. */
static unsigned showing_pair(const struct sr_matrix *m, unsigned schedule) {
    unsigned best = m->pair_count;
    for (unsigned p = 0; p < m->pair_count; p++)
        if (m->cells[schedule][p].shown && (best == m->pair_count || m->pairs[p].served > m->pairs[best].served))
            best = p;
    return best;
}

/* A step of this run was answered so, or waited, or was a crash. */
static bool any_step(const struct pg_page *page, const struct ss_schedule *schedule, int status, bool waited,
                     enum ss_verb verb) {
    for (unsigned i = 0; i < schedule->step_count; i++) {
        const struct ss_answer *answer = &page->run->answers[i];
        if (answer->done && ((status != VARVE_OK && answer->status == status) || (waited && answer->waited) ||
                             (verb != SS_VERBS && schedule->steps[i].verb == verb)))
            return true;
    }
    return false;
}

/* What of this run stood in the way: read off its answers. */
static const char *what_happened(const struct pg_page *page, const struct ss_schedule *schedule) {
    for (unsigned t = 0; t < schedule->txn_count && t < SS_TXNS_MAX; t++) {
        const struct ss_txn_end *end = &page->run->txns[t];
        if (end->begun && !end->committed && end->reason && end->reason < VARVE_REASON_RESOURCE)
            return sc_reason_about(end->reason);
    }
    if (any_step(page, schedule, VARVE_CONSTRAINT, false, SS_VERBS)) return sc_reason_about(VARVE_REASON_CONSTRAINT);
    if (any_step(page, schedule, VARVE_EXISTS, false, SS_VERBS))
        return "The second is told that the row is there already.";
    if (any_step(page, schedule, VARVE_OK, true, SS_VERBS))
        return "A step waits until the other transaction has ended; then nothing is left of the danger.";
    if (any_step(page, schedule, VARVE_OK, false, SS_CRASH))
        return "After the crash everything that was acknowledged is there, and nothing else.";
    return "Nothing waits and nothing is refused: what each reads makes the outcome harmless.";
}

static void write_prevented(struct pg_page *page, const struct ss_schedule *schedule, uint64_t interleaving,
                            varve_isolation level) {
    char caption[CAPTION_BYTES];
    fprintf(page->out, "<h5>The same steps, in the same order, at %s</h5>\n<div class=\"side\">\n",
            pg_level_long(level));
    for (unsigned s = 0; s < SS_SCHEMES; s++) {
        if (!pg_run(page, schedule, interleaving, ss_schemes[s], level)) {
            fprintf(page->out, "<p>The run in %s could not be repeated.</p>\n", ss_schemes[s]);
            continue;
        }
        *caption = 0;
        sc_append(caption, sizeof caption, "%s. %s", ss_schemes[s], what_happened(page, schedule));
        pg_figure(page, schedule, "held", caption);
    }
    fputs("</div>\n", page->out);
}

static void write_shown(struct pg_page *page, unsigned index, unsigned pair) {
    const struct sr_matrix *m = page->matrix;
    const struct ss_schedule *schedule = m->set->schedules[index];
    const struct sr_cell *cell = &m->cells[index][pair];
    char caption[CAPTION_BYTES] = "";
    if (!pg_run(page, schedule, cell->first, m->pairs[pair].scheme, m->pairs[pair].asked)) {
        fputs("<p>The run that showed it could not be repeated.</p>\n", page->out);
        return;
    }
    sc_append(caption, sizeof caption,
              "Shown in %s at %s: %s/%" PRIu64 ", the first of %" PRIu64 " out of %" PRIu64 " interleavings.",
              m->pairs[pair].scheme, pg_level_long(m->pairs[pair].asked), schedule->name, cell->first, cell->shown,
              cell->runs);
    pg_figure(page, schedule, "seen", caption);
}

/* An interleaving of a schedule that never shows its phenomenon: the first in which locks make somebody wait, or
 * refuse. */
static uint64_t tense_interleaving(struct pg_page *page, const struct ss_schedule *schedule) {
    uint64_t all = ss_interleavings(schedule);
    for (unsigned s = 0; s < SS_SCHEMES; s++)
        for (uint64_t n = 0; n < all && n < TRIED_INTERLEAVINGS; n++) {
            if (!pg_run(page, schedule, n, ss_schemes[(s + 1) % SS_SCHEMES], VARVE_READ_COMMITTED)) return all / 2;
            for (unsigned i = 0; i < schedule->step_count; i++)
                if (page->run->answers[i].waited) return n;
        }
    return all / 2;
}

/* --- a schedule --------------------------------------------------------------------------------------------------- */

static void write_steps(struct pg_page *page, const struct ss_schedule *schedule) {
    fputs("<pre class=\"steps\">", page->out);
    bool any = false;
    for (unsigned k = 0; k < schedule->key_count; k++) {
        if (schedule->initial[k] == SS_ABSENT) continue;
        fputs(any ? " " : "init  ", page->out);
        pg_text(page, schedule->keys[k]);
        fprintf(page->out, "=%" PRId64, schedule->initial[k]);
        any = true;
    }
    fputs(any ? "\n" : "", page->out);
    for (unsigned c = 0; c < schedule->constraint_count; c++) {
        fputs("rule  ", page->out);
        pg_text(page, schedule->rules_of_rows[c]);
        fputs("\n", page->out);
    }
    for (unsigned s = 0; s < schedule->session_count; s++) {
        fprintf(page->out, "<span class=\"who\">s%u</span>    ", s + 1);
        for (unsigned i = schedule->first_step[s]; i < schedule->first_step[s + 1]; i++) {
            fputs(i == schedule->first_step[s] ? "" : schedule->steps[i].joined ? " &amp; " : " | ", page->out);
            pg_text(page, schedule->steps[i].text);
        }
        fputs("\n", page->out);
    }
    fputs("</pre>\n", page->out);
}

static void write_result(struct pg_page *page, unsigned index, unsigned p) {
    const struct sr_cell *cell = &page->matrix->cells[index][p];
    enum pg_mark mark = pg_schedule_mark(page->matrix, index, p);
    fprintf(page->out, "<td class=\"%s\"><b aria-hidden=\"true\">%s</b><span class=\"out\">%s</span>",
            pg_mark_class(mark), pg_mark_sign(mark), pg_mark_word(mark));
    if (cell->shown)
        fprintf(page->out, " %" PRIu64 "/%" PRIu64, cell->shown, cell->runs);
    else if (cell->runs) {
        enum sr_way ways[SR_WAYS];
        unsigned count = pg_ways_of(cell, ways);
        for (unsigned w = 0; w < count && w < 2; w++) fprintf(page->out, "<i>%s</i>", pg_way_short(ways[w]));
    }
    fputs("</td>", page->out);
}

/* The schedule's own matrix: schemes down, levels across. */
static void write_results(struct pg_page *page, unsigned index) {
    const struct sr_matrix *m = page->matrix;
    fputs("<div class=\"picture\" tabindex=\"0\" role=\"region\" aria-label=\"Outcomes\"><table "
          "class=\"small\">\n<tr><th></th>",
          page->out);
    for (unsigned level = VARVE_READ_UNCOMMITTED; level <= VARVE_SERIALIZABLE; level++)
        fprintf(page->out, "<th scope=\"col\"><abbr title=\"%s\">%s</abbr></th>", pg_level_long((varve_isolation)level),
                ss_level_name((varve_isolation)level));
    fputs("</tr>\n", page->out);
    for (unsigned p = 0; p < m->pair_count;) {
        unsigned begin = p;
        fputs("<tr><th scope=\"row\">", page->out);
        pg_text(page, m->pairs[p].scheme);
        fputs("</th>", page->out);
        for (unsigned level = VARVE_READ_UNCOMMITTED; level <= VARVE_SERIALIZABLE; level++) {
            if (p < m->pair_count && !strcmp(m->pairs[p].scheme, m->pairs[begin].scheme) &&
                (unsigned)m->pairs[p].asked == level)
                write_result(page, index, p++);
            else
                fputs("<td class=\"n\"></td>", page->out);
        }
        fputs("</tr>\n", page->out);
        if (p == begin) /* levels out of order: leave the rest */
            break;
    }
    fputs("</table></div>\n", page->out);
}

static void write_strip(struct pg_page *page, const enum pg_mark *marks) {
    const struct sr_matrix *m = page->matrix;
    fputs("<span class=\"strip\" aria-hidden=\"true\">", page->out);
    for (unsigned p = 0; p < m->pair_count; p++) {
        bool first = p && strcmp(m->pairs[p].scheme, m->pairs[p - 1].scheme) != 0;
        fprintf(page->out, "<b class=\"%s%s\">%s</b>", pg_mark_class(marks[p]), first ? " first" : "",
                pg_mark_sign(marks[p]));
    }
    fputs("</span>", page->out);
}

static void write_name(struct pg_page *page, const struct ss_schedule *schedule) {
    fputs("<code>", page->out);
    pg_text(page, schedule->name);
    fputs("</code> <small>", page->out);
    pg_number(page, ss_interleavings(schedule));
    fprintf(page->out, " interleaving%s</small>", ss_interleavings(schedule) == 1 ? "" : "s");
}

/* What a schedule is, what came out of it, and its pictures; `full`: what each scheme makes of it, too. */
static void write_inside(struct pg_page *page, unsigned index, bool full) {
    const struct sr_matrix *m = page->matrix;
    const struct ss_schedule *schedule = m->set->schedules[index];
    fputs("<p>", page->out);
    pg_text(page, schedule->about);
    if (*schedule->like) {
        fputs(" <small>Known from ", page->out);
        pg_text(page, schedule->like);
        fputs(".</small>", page->out);
    }
    fputs("</p>\n", page->out);
    write_steps(page, schedule);
    write_results(page, index);
    unsigned pair = showing_pair(m, index);
    if (pair < m->pair_count) {
        write_shown(page, index, pair);
        if (full) write_prevented(page, schedule, m->cells[index][pair].first, VARVE_SERIALIZABLE);
    } else if (full) {
        write_prevented(page, schedule, tense_interleaving(page, schedule), VARVE_READ_COMMITTED);
    }
}

static void write_leading(struct pg_page *page, unsigned index) {
    fputs("<article class=\"schedule\" id=\"s-", page->out);
    pg_attribute(page, page->matrix->set->schedules[index]->name);
    fputs("\">\n<h4>", page->out);
    write_name(page, page->matrix->set->schedules[index]);
    fputs("</h4>\n", page->out);
    write_inside(page, index, true);
    fputs("</article>\n", page->out);
}

/* One of the others: folded. */
static void write_other(struct pg_page *page, unsigned index) {
    enum pg_mark marks[SR_PAIRS_MAX];
    for (unsigned p = 0; p < page->matrix->pair_count; p++) marks[p] = pg_schedule_mark(page->matrix, index, p);
    fputs("<details class=\"schedule\">\n<summary>", page->out);
    write_name(page, page->matrix->set->schedules[index]);
    write_strip(page, marks);
    fputs("</summary>\n<article id=\"s-", page->out);
    pg_attribute(page, page->matrix->set->schedules[index]->name);
    fputs("\">\n", page->out);
    write_inside(page, index, false);
    fputs("</article>\n</details>\n", page->out);
}

/* --- a phenomenon ---------------------------------------------------------------------------------------------------
 */

/* "predicate-skew" is named after "Predicate skew". */
static bool named_after(const char *name, const char *title) {
    for (; *name && *title; name++, title++) {
        char lower = *title >= 'A' && *title <= 'Z' ? (char)(*title - 'A' + 'a') : *title == ' ' ? '-' : *title;
        if (*name != lower) return false;
    }
    return *name == *title;
}

/* The schedule that is pictured in full: the one named after the phenomenon, else the first that shows it, else the
 * first. */
static unsigned leading_schedule(const struct sr_matrix *m, const struct sr_row *row) {
    const struct pg_word *word = pg_word_find(row->id);
    unsigned best = m->set->count;
    int best_score = -1;
    for (unsigned i = 0; i < m->set->count; i++) {
        if (!m->chosen[i] || strcmp(m->set->schedules[i]->id, row->id)) continue;
        int score = (showing_pair(m, i) < m->pair_count ? 1 : 0) +
                    (word && named_after(m->set->schedules[i]->name, word->name) ? 2 : 0);
        if (score > best_score) {
            best_score = score;
            best = i;
        }
    }
    return best;
}

static void write_phenomenon(struct pg_page *page, const struct sr_row *row) {
    const struct sr_matrix *m = page->matrix;
    const struct pg_word *word = pg_word_find(row->id);
    enum pg_mark marks[SR_PAIRS_MAX];
    for (unsigned p = 0; p < m->pair_count; p++) marks[p] = pg_row_mark(m, row, p);
    fputs("<details class=\"phenomenon\" data-row=\"", page->out);
    pg_attribute(page, row->id);
    fputs("\">\n<summary><span class=\"id\">", page->out);
    pg_text(page, row->id);
    fputs("</span> <span class=\"name\">", page->out);
    pg_text(page, word ? word->name : row->title);
    fputs("</span>", page->out);
    write_strip(page, marks);
    fputs("</summary>\n<div class=\"inside\" id=\"", page->out);
    pg_attribute(page, row->id);
    fputs("\">\n", page->out);
    if (word) {
        fprintf(page->out, "<p class=\"meaning\">%s", word->text);
        fprintf(page->out, *word->known_as ? " <small>Also known as %s.</small></p>\n" : "</p>\n", word->known_as);
    }
    unsigned leading = leading_schedule(m, row);
    if (leading < m->set->count) write_leading(page, leading);
    if (row->schedule_count > 1)
        fprintf(page->out, "<h4 class=\"others\">%u more schedule%s of it</h4>\n", row->schedule_count - 1,
                row->schedule_count > 2 ? "s" : "");
    for (unsigned i = 0; i < m->set->count; i++)
        if (i != leading && m->chosen[i] && !strcmp(m->set->schedules[i]->id, row->id)) write_other(page, i);
    fputs("<p class=\"back\"><a href=\"#matrix\">Back to the matrix</a></p>\n</div>\n</details>\n", page->out);
}

void pg_write_rows(struct pg_page *page) {
    fputs("<section id=\"phenomena\">\n<h2>The phenomena</h2>\n<p>Each opens to its schedules: the steps of every "
          "session, what came out at "
          "each level, the first run that showed it, and what each scheme makes of the same steps.</p>\n",
          page->out);
    for (unsigned r = 0; r < page->matrix->row_count; r++) write_phenomenon(page, &page->matrix->rows[r]);
    fputs("</section>\n", page->out);
}
