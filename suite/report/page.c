/* page.c - the page as a whole: its head, what it is about, what was found wrong, how to read it, and its parts in
 * order.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include "report/page.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "report/page_int.h"
#include "report/scene.h"

enum { PICTURED_FINDINGS = 6, OPEN_FINDINGS = 10 };

static void write_head(struct pg_page *page) {
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
          "script-src 'unsafe-inline'; img-src data:\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n"
          "<meta name=\"referrer\" content=\"no-referrer\">\n"
          "<link rel=\"icon\" href=\"data:,\">\n"
          "<title>Varve: what each scheme prevents at each isolation level</title>\n<style>",
          page->out);
    fputs(pg_style, page->out);
    fputs(sc_svg_style, page->out);
    fputs("</style>\n</head>\n<body>\n", page->out);
}

static void write_fact(struct pg_page *page, const char *name, const char *text) {
    if (!text || !*text) return;
    fprintf(page->out, "<div><dt>%s</dt><dd>", name);
    pg_text(page, text);
    fputs("</dd></div>\n", page->out);
}

static void write_count(struct pg_page *page, uint64_t number, const char *what, const char *class) {
    fprintf(page->out, "<div class=\"count %s\"><b>", class);
    pg_number(page, number);
    fprintf(page->out, "</b><span>%s</span></div>\n", what);
}

static void write_top(struct pg_page *page) {
    const struct sr_matrix *m = page->matrix;
    const struct sp_about *about = page->about;
    fputs("<header class=\"top\">\n<h1>What each scheme prevents at each isolation level</h1>\n"
          "<p class=\"lead\">Each schedule below was run on this build in every interleaving, in every scheme, at "
          "every level. A cell tells "
          "whether the phenomenon appeared, and if not, what stood in its way.</p>\n<div class=\"counts\">\n",
          page->out);
    write_count(page, m->row_count, m->row_count == 1 ? "phenomenon or family" : "phenomena and families", "");
    write_count(page, m->interleavings, "schedules, each interleaving counted", "");
    write_count(page, m->pair_count, "pairs of scheme and level", "");
    write_count(page, m->runs, "runs", "");
    write_count(page, m->finding_count, m->finding_count == 1 ? "violation" : "violations",
                m->finding_count ? "wrong" : "right");
    fputs("</div>\n<dl class=\"facts\">\n", page->out);
    char took[32] = "";
    if (m->ns) snprintf(took, sizeof took, "%.1f s", (double)m->ns / 1e9);
    write_fact(page, "Varve", about->version);
    write_fact(page, "compiler", about->compiler);
    write_fact(page, "build", about->build);
    write_fact(page, "machine", about->machine);
    write_fact(page, "date", about->date);
    write_fact(page, "took", took);
    write_fact(page, "made by", about->command);
    fputs("</dl>\n<nav aria-label=\"Parts of the page\">\n", page->out);
    if (m->finding_count) fputs("<a href=\"#violations\">Violations</a>\n", page->out);
    fputs("<a href=\"#matrix\">Matrix</a>\n<a href=\"#phenomena\">Phenomena</a>\n<a href=\"#needless\">Needless "
          "aborts</a>\n",
          page->out);
    if (about->peer_count) fputs("<a href=\"#peers\">Other engines</a>\n", page->out);
    fputs("<a href=\"#words\">Words</a>\n</nav>\n</header>\n", page->out);
}

/* --- what is wrong ------------------------------------------------------------------------------------------------ */

static void write_finding(struct pg_page *page, const struct sr_finding *finding, bool pictured) {
    const struct sr_matrix *m = page->matrix;
    const struct ss_schedule *schedule =
        finding->schedule < m->set->count ? m->set->schedules[finding->schedule] : NULL;
    fputs("<li><p><strong>", page->out);
    pg_text(page, sr_finding_name(finding->kind));
    fputs("</strong> in ", page->out);
    if (finding->pair < m->pair_count) {
        pg_text(page, m->pairs[finding->pair].scheme);
        fprintf(page->out, " at %s: ", pg_level_long(m->pairs[finding->pair].asked));
    }
    fputs("<a href=\"#", page->out);
    pg_attribute(page, finding->id);
    fputs("\">", page->out);
    pg_text(page, finding->id);
    fputs("</a>", page->out);
    if (schedule) {
        fputs(" <code>", page->out);
        pg_text(page, schedule->name);
        if (finding->interleaving != SR_NEVER) fprintf(page->out, "/%" PRIu64, finding->interleaving);
        fputs("</code>", page->out);
    }
    if (schedule && finding->line) fprintf(page->out, ", line %u", finding->line);
    if (finding->count > 1) {
        fputs(", ", page->out);
        pg_number(page, finding->count);
        fputs(" times", page->out);
    }
    fputs("</p>\n<p>", page->out);
    pg_text(page, finding->text);
    fputs("</p>\n", page->out);
    if (schedule && pictured && finding->interleaving != SR_NEVER && finding->pair < m->pair_count &&
        pg_run(page, schedule, finding->interleaving, m->pairs[finding->pair].scheme, m->pairs[finding->pair].asked))
        pg_figure(page, schedule, "bad", "The first run that shows it.");
    fputs("</li>\n", page->out);
}

static bool same_run(const struct sr_finding *a, const struct sr_finding *b) {
    return a->schedule == b->schedule && a->interleaving == b->interleaving && a->pair == b->pair;
}

void pg_write_findings(struct pg_page *page) {
    const struct sr_matrix *m = page->matrix;
    if (!m->finding_count) return;
    fprintf(page->out, "<section class=\"violations\" id=\"violations\">\n<h2>%u violation%s</h2>\n<ol>\n",
            m->finding_count, m->finding_count == 1 ? "" : "s");
    unsigned pictured = 0;
    for (unsigned f = 0; f < m->finding_count && f < OPEN_FINDINGS; f++) {
        bool wanted = pictured < PICTURED_FINDINGS && (f == 0 || !same_run(&m->findings[f], &m->findings[f - 1]));
        write_finding(page, &m->findings[f], wanted);
        pictured += wanted;
    }
    fputs("</ol>\n", page->out);
    if (m->finding_count > OPEN_FINDINGS) {
        fprintf(page->out, "<details>\n<summary>%u more</summary>\n<ol start=\"%u\">\n",
                m->finding_count - OPEN_FINDINGS, OPEN_FINDINGS + 1);
        for (unsigned f = OPEN_FINDINGS; f < m->finding_count; f++) write_finding(page, &m->findings[f], false);
        fputs("</ol>\n</details>\n", page->out);
    }
    fputs("</section>\n", page->out);
}

/* --- words ----------------------------------------------------------------------------------------------------------
 */

static void write_words(struct pg_page *page) {
    static const char *const ways[SR_WAYS] = {
        [SR_VALIDATED] = "At commit the engine looked again at what had been read: a row or a range had changed.",
        [SR_FIRST_COMMITTER] =
            "Another transaction had already committed a newer version of a row that was to be written.",
        [SR_VICTIM] = "An older transaction needed a lock that this one held, so this one was ended.",
        [SR_WAITED] = "A step waited for a lock until the other transaction had ended; nothing was refused.",
        [SR_PRECONDITION] =
            "An insert, update or delete relied on a row being absent or present, and that had changed.",
        [SR_RULE] = "A declared rule of the table refused the commit.",
        [SR_OLDER] =
            "Nothing waited and nothing was refused: each read had a version with which the outcome is harmless.",
    };
    fputs("<section id=\"words\">\n<h2>Words</h2>\n<dl class=\"words\">\n", page->out);
    for (unsigned w = 0; w < SR_WAYS; w++)
        fprintf(page->out, "<div><dt>%s</dt><dd>%s</dd></div>\n", pg_way_short((enum sr_way)w), ways[w]);
    fputs("<div><dt>asked and served</dt><dd>A scheme that cannot give exactly the level asked for gives the next "
          "stronger one. The "
          "columns are the levels asked for; where another is served, its name stands under it.</dd></div>\n"
          "<div><dt>ww, wr, rw</dt><dd>One transaction must come before another: it wrote what the other wrote over "
          "(ww), it wrote what "
          "the other read (wr), or it read what the other then wrote over (rw). A circle of these has no serial "
          "order.</dd></div>\n"
          "<div><dt>needless</dt><dd>A transaction was refused in a run in which all could have committed as if one "
          "after "
          "another.</dd></div>\n</dl>\n</section>\n",
          page->out);
}

static void write_end(struct pg_page *page) {
    fputs("<footer><p>Phenomena after Adya, <cite>Weak Consistency</cite> (1999), Berenson et al., <cite>A Critique of "
          "ANSI SQL Isolation "
          "Levels</cite> (1995), and Kingsbury and Alvaro, <cite>Elle</cite> (2020). The page fetches nothing and "
          "sends nothing.</p></footer>\n"
          "<script>",
          page->out);
    fputs(pg_script, page->out);
    fputs("</script>\n</body>\n</html>\n", page->out);
}

int sp_page(FILE *out, const struct sr_matrix *matrix, const struct sp_about *about) {
    static const struct sp_about nothing;
    struct pg_page page = {.out = out, .matrix = matrix, .about = about ? about : &nothing};
    page.run = calloc(1, sizeof *page.run);
    if (!page.run) return VARVE_NOMEM;
    write_head(&page);
    write_top(&page);
    fputs("<main>\n", out);
    pg_write_findings(&page);
    pg_write_matrix(&page);
    pg_write_rows(&page);
    pg_write_needless(&page);
    pg_write_peers(&page);
    write_words(&page);
    fputs("</main>\n", out);
    write_end(&page);
    for (unsigned s = 0; s < SS_SCHEMES; s++)
        if (page.stages[s]) st_close(page.stages[s]);
    free(page.run);
    return ferror(out) ? VARVE_IO : VARVE_OK;
}
