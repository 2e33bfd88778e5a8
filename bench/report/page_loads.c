/* page_loads.c - of each load: what it is, curves over threads and skew where a list was measured, and each section's
 * throughput, latency and memory.
 *
 * Thread rule: one thread at a time: charts are built in one static place, because they are large.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "bench/report/page_int.h"

static struct bp_lines chart;

void bp_run_name(const struct br_run *run, char *text, size_t bytes) {
    snprintf(text, bytes, "%s, %s", run->engine->name, br_level_of(run));
}

unsigned bp_colour(const struct br_report *report, const struct br_run *run) {
    const struct peer *seen[64];
    unsigned count = 0;
    for (unsigned i = 0; i < report->run_count && count < 64; i++) {
        unsigned at = 0;
        while (at < count && seen[at] != report->runs[i].engine) at++;
        if (at == count) seen[count++] = report->runs[i].engine;
        if (report->runs[i].engine == run->engine) return at % BP_COLOURS;
    }
    return 0;
}

/* Strongest: a whole line. */
unsigned bp_dash(const struct br_run *run) {
    unsigned below = run->ours && run->asked <= VARVE_SERIALIZABLE ? VARVE_SERIALIZABLE - run->asked : run->level;
    return below % 5;
}

static void begin_chart(const char *title, const char *x_name, const char *y_name) {
    memset(&chart, 0, sizeof(chart));
    snprintf(chart.title, sizeof(chart.title), "%s", title);
    chart.x_name = x_name;
    chart.y_name = y_name;
}

static struct bp_series *add_series(const struct br_report *report, const struct br_run *run, const char *more) {
    if (chart.count == BP_SERIES) return NULL;
    struct bp_series *s = &chart.series[chart.count++];
    char name[64];
    bp_run_name(run, name, sizeof(name));
    snprintf(s->name, sizeof(s->name), "%s%s", name, more);
    s->colour = bp_colour(report, run);
    s->dash = bp_dash(run);
    return s;
}

static void add_point(struct bp_series *s, double x, double y) {
    if (s == NULL || s->count == BP_POINTS) return;
    s->x[s->count] = x;
    s->y[s->count++] = y;
}

static bool measured(const struct br_measure *m) { return m->repeats > 0 && !m->failed; }

static double aborted(const struct br_measure *m) {
    return m->attempts > 0 ? 100.0 * (double)m->aborts / (double)m->attempts : 0;
}

static void plain_number(char text[32], double value) { snprintf(text, 32, "%g", value); }
static void seconds(char text[32], double value) { snprintf(text, 32, "%g s", value); }
static void percent(char text[32], double value) { snprintf(text, 32, "%.3g %%", value); }
static void mebibytes(char text[32], double value) { bp_bytes(text, value * (1 << 20)); }
static void quantile(char text[32], double value) { snprintf(text, 32, "%.6g %%", 100 * value); }

/* --- over a list -------------------------------------------------------------------------------------------------- */

/* The run of another section that differs in threads or skew alone. */
static const struct br_run *counterpart(const struct br_report *report, unsigned section, const struct br_run *run) {
    for (unsigned i = 0; i < report->run_count; i++) {
        const struct br_run *other = &report->runs[i];
        if (other->section == section && other->engine == run->engine && other->level == run->level) return other;
    }
    return NULL;
}

static bool along(const struct br_section *a, const struct br_section *b, bool threads) {
    return a->load == b->load && (threads ? a->theta == b->theta : a->threads == b->threads);
}

/* The chart over threads (or skew) that begins with this section; rate: throughput, else aborts. */
static void draw_along(FILE *out, const struct br_report *report, unsigned first, bool threads, bool rate) {
    const struct br_section *base = &report->sections[first];
    char title[160];
    snprintf(title, sizeof(title), "%s by %s, %s %g", rate ? "Throughput" : "Aborted attempts",
             threads ? "threads" : "skew", threads ? "theta" : "threads", threads ? base->theta : base->threads);
    begin_chart(title, threads ? "threads" : "theta", rate ? "transactions a second" : "aborted attempts");
    chart.x_text = plain_number;
    chart.y_text = rate ? bp_count : percent;
    chart.dots = true;
    for (unsigned i = 0; i < report->run_count; i++) {
        const struct br_run *run = &report->runs[i];
        if (run->section != first) continue;
        struct bp_series *s = add_series(report, run, "");
        for (unsigned other = first; other < report->section_count; other++) {
            const struct br_run *there = along(base, &report->sections[other], threads)
                                             ? counterpart(report, other, run) : NULL;
            if (there == NULL || !measured(&there->peak)) continue;
            add_point(s, threads ? report->sections[other].threads : report->sections[other].theta,
                      rate ? there->peak.median : aborted(&there->peak));
        }
    }
    bp_draw_lines(out, &chart);
}

static void draw_lists(FILE *out, const struct br_report *report, const struct bl_load *load) {
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned s = 0; s < report->section_count; s++) {
            bool threads = pass == 0, first = true, more = false;
            if (report->sections[s].load != load) continue;
            for (unsigned o = 0; o < report->section_count; o++) {
                if (o == s || !along(&report->sections[s], &report->sections[o], threads)) continue;
                if (o < s) first = false;
                more = true;
            }
            if (!first || !more) continue;
            draw_along(out, report, s, threads, true);
            draw_along(out, report, s, threads, false);
        }
}

/* --- one section -------------------------------------------------------------------------------------------------- */

static void draw_throughput(FILE *out, const struct br_report *report, unsigned section) {
    static struct bp_bar bars[128];
    unsigned count = 0;
    for (unsigned i = 0; i < report->run_count && count < 128; i++) {
        const struct br_run *run = &report->runs[i];
        const struct br_measure *m = &run->peak;
        if (run->section != section || (m->repeats == 0 && !m->failed)) continue;
        struct bp_bar *bar = &bars[count++];
        *bar = (struct bp_bar){.colour = bp_colour(report, run)};
        bp_run_name(run, bar->name, sizeof(bar->name));
        if (m->failed) {
            snprintf(bar->note, sizeof(bar->note), "FAILED");
            continue;
        }
        if (br_weaker(run)) snprintf(bar->note, sizeof(bar->note), "weaker than asked");
        bar->value = m->median;
        bar->least = m->least;
        bar->most = m->most;
    }
    bp_draw_bars(out, report->repeats > 1 ? "Transactions a second: median and range" : "Transactions a second", bars,
                 count);
}

/* share < 0: the closed loop. */
static void draw_latency(FILE *out, const struct br_report *report, unsigned section, int share) {
    char title[96];
    if (share < 0)
        snprintf(title, sizeof(title), "Latency, %s", report->runs[0].peak.target > 0 ? "open loop" : "closed loop");
    else
        snprintf(title, sizeof(title), "Latency, open loop at %u %% of its own peak", br_shares[share]);
    begin_chart(title, "quantile", "latency");
    chart.x_scale = BP_NINES;
    chart.y_scale = BP_LOG;
    chart.x_text = quantile;
    chart.y_text = bp_time;
    for (unsigned i = 0; i < report->run_count; i++) {
        const struct br_run *run = &report->runs[i];
        const struct br_measure *m = share < 0 ? &run->peak : &run->open[share];
        if (run->section != section || !measured(m) || m->committed == 0) continue;
        struct bp_series *s = add_series(report, run, "");
        for (unsigned q = 0; q < BR_QUANTILES; q++)
            if ((double)m->committed * (1 - br_quantiles[q]) >= 1) add_point(s, br_quantiles[q], (double)m->quantile[q] + 1);
    }
    bp_draw_lines(out, &chart);
}

static void draw_memory(FILE *out, const struct br_report *report, unsigned section) {
    begin_chart("Memory of the process over time, first repeat", "seconds", "resident");
    chart.x_text = seconds;
    chart.y_text = mebibytes;
    for (unsigned i = 0; i < report->run_count; i++) {
        const struct br_run *run = &report->runs[i];
        if (run->section != section || !measured(&run->peak) || run->peak.sample_count < 2) continue;
        struct bp_series *s = add_series(report, run, "");
        for (unsigned k = 0; k < run->peak.sample_count; k++)
            add_point(s, run->peak.samples[k].at, (double)run->peak.samples[k].memory_bytes / (1 << 20));
    }
    bp_draw_lines(out, &chart);
}

static void write_failures(FILE *out, const struct br_report *report, unsigned section) {
    for (unsigned i = 0; i < report->run_count; i++) {
        const struct br_run *run = &report->runs[i];
        if (run->section != section || !run->peak.failed) continue;
        char name[96];
        bp_run_name(run, name, sizeof(name));
        fputs("<p class=\"bad\"><strong>", out);
        bp_text(out, name);
        fputs("</strong> broke its invariant or failed, and has no figure: ", out);
        bp_text(out, run->peak.text);
        fputs("</p>\n", out);
    }
}

static void write_section(FILE *out, const struct br_report *report, unsigned section) {
    const struct br_section *s = &report->sections[section];
    char each[32];
    fprintf(out, "<section class=\"part\" id=\"s%u\">\n<h3>%u thread%s, theta %g</h3>\n", section, s->threads,
            s->threads == 1 ? "" : "s", s->theta);
    bp_time(each, s->generator_ns);
    if (s->generator_ns > 0)
        fprintf(out, "<p class=\"about\">The generator itself takes %s of processor time a transaction.</p>\n", each);
    write_failures(out, report, section);
    fputs("<div class=\"charts\">\n", out);
    draw_throughput(out, report, section);
    for (int share = -1; share < BR_SHARES; share++) draw_latency(out, report, section, share);
    draw_memory(out, report, section);
    fputs("</div>\n</section>\n", out);
}

void bp_write_loads(FILE *out, const struct br_report *report) {
    for (unsigned s = 0; s < report->section_count; s++) {
        const struct bl_load *load = report->sections[s].load;
        if (s > 0 && report->sections[s - 1].load == load) continue;
        fprintf(out, "<section class=\"load\" id=\"%s\">\n<h2>%s</h2>\n<p class=\"about\">", load->name, load->name);
        bp_text(out, load->about);
        fputs("</p>\n<div class=\"charts\">\n", out);
        draw_lists(out, report, load);
        fputs("</div>\n", out);
        for (unsigned o = s; o < report->section_count && report->sections[o].load == load; o++)
            write_section(out, report, o);
        fputs("</section>\n", out);
    }
}
