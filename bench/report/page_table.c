/* page_table.c - the table of all numbers, and what its columns mean.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/report/page_int.h"

static const struct {
    const char *name, *means;
} columns[] = {
    {"txn/s", "Committed transactions a second, all threads together: the median of the repeats."},
    {"range", "The least and the most of the repeats. Figures whose ranges overlap are not known to differ."},
    {"aborted", "Attempts that were refused and begun again, of all attempts."},
    {"p50 to max", "How long transactions took, retries included: from their first begin in the closed loop, from when "
                   "they were due in an open one."},
    {"cpu", "Processor time of the whole process for each committed transaction, the generator's share included. In an open "
            "loop waiting is done by the processor and counts."},
    {"log", "Bytes of log for each committed transaction, where the engine tells."},
    {"syncs/s", "How often the device was asked to make the log durable."},
    {"B/record", "Memory at the end divided by the rows there are, where the engine counts them."},
    {"wasted", "Operations done in attempts that were refused, of all operations."},
    {"in a row", "Most refusals in a row of one transaction."},
    {"causes", "What refused the attempts, where the engine tells; counted by the engine, so attempts of a retry that "
               "was still running are in."},
};

static void cell(FILE *out, const char *text) {
    fputs("<td>", out);
    bp_text(out, text);
    fputs("</td>", out);
}

static void time_cell(FILE *out, uint64_t ns) {
    char text[32];
    bp_time(text, (double)ns);
    cell(out, text);
}

static void share_cell(FILE *out, uint64_t part, uint64_t whole) {
    fprintf(out, "<td>%.3f %%</td>", 100.0 * (double)part / (double)(whole + !whole));
}

static void write_causes(FILE *out, const struct br_measure *m) {
    const char *comma = "";
    fputs("<td class=\"causes\">", out);
    for (unsigned i = 0; i < BD_CAUSES; i++) {
        if (m->by_cause[i] == 0) continue;
        fprintf(out, "%s%s %llu", comma, br_cause_name(i), (unsigned long long)m->by_cause[i]);
        comma = ", ";
    }
    fputs("</td>", out);
}

static void write_numbers(FILE *out, const struct br_measure *m) {
    char median[32], least[32], most[32];
    double each = (double)(m->committed + !m->committed);
    bp_count(median, m->median);
    bp_count(least, m->least);
    bp_count(most, m->most);
    fprintf(out, "<td>%s</td><td>%s to %s</td>", median, least, most);
    share_cell(out, m->aborts, m->attempts);
    time_cell(out, m->p50);
    time_cell(out, m->p95);
    time_cell(out, m->p99);
    time_cell(out, m->p999);
    time_cell(out, m->max);
    time_cell(out, (uint64_t)(m->cpu_seconds * 1e9 / each));
    fprintf(out, "<td>%.0f B</td><td>%.0f</td>", (double)m->log_bytes / each,
            (double)m->syncs / (m->seconds > 0 ? m->seconds : 1));
    if (m->records > 0)
        fprintf(out, "<td>%.0f</td>", (double)m->memory_bytes / (double)m->records);
    else
        fputs("<td>-</td>", out);
    share_cell(out, m->wasted, m->operations);
    fprintf(out, "<td>%llu</td>", (unsigned long long)m->longest_aborts);
    write_causes(out, m);
}

static void write_row(FILE *out, const struct br_run *run, const struct br_measure *m, const char *loop) {
    if (m->repeats == 0 && !m->failed) return;
    fprintf(out, "<tr%s><th scope=\"row\">", m->target > 0 ? " class=\"open\"" : "");
    bp_text(out, run->engine->title);
    fputs("</th><td class=\"left\">", out);
    bp_text(out, br_level_of(run));
    if (br_weaker(run)) fprintf(out, " (%s was asked)", br_level_name(run->asked));
    fprintf(out, "</td><td class=\"left\">%s%s</td>", loop, m->failed || m->steady ? "" : ", not steady");
    if (m->failed) {
        fputs("<td class=\"left\" colspan=\"15\">", out);
        bp_text(out, m->text);
        fputs("</td>", out);
    } else {
        write_numbers(out, m);
    }
    fputs("</tr>\n", out);
}

void bp_write_table(FILE *out, const struct br_report *report) {
    static const char *const heads[] = {"txn/s", "range", "aborted", "p50", "p95", "p99", "p99.9", "max", "cpu", "log",
                                        "syncs/s", "B/record", "wasted", "in a row"};
    static const char *const open[BR_SHARES] = {"open, 50 %", "open, 70 %", "open, 90 %"};
    fputs("<section id=\"numbers\">\n<h2>All numbers</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" "
          "aria-label=\"All numbers\"><table>\n<thead><tr><th class=\"corner\" scope=\"col\">engine</th>"
          "<th class=\"left\" scope=\"col\">isolation it gives</th><th class=\"left\" scope=\"col\">loop</th>", out);
    for (unsigned i = 0; i < sizeof(heads) / sizeof(*heads); i++) fprintf(out, "<th scope=\"col\">%s</th>", heads[i]);
    fputs("<th class=\"left\" scope=\"col\">causes</th></tr></thead>\n", out);
    for (unsigned s = 0; s < report->section_count; s++) {
        const struct br_section *section = &report->sections[s];
        fprintf(out, "<tbody>\n<tr class=\"group\"><th colspan=\"18\" scope=\"rowgroup\"><span>%s, %u thread%s, theta %g"
                "</span></th></tr>\n", section->load->name, section->threads, section->threads == 1 ? "" : "s",
                section->theta);
        for (unsigned i = 0; i < report->run_count; i++) {
            const struct br_run *run = &report->runs[i];
            if (run->section != s) continue;
            write_row(out, run, &run->peak, run->peak.target > 0 ? "open" : "closed");
            for (unsigned share = 0; share < BR_SHARES; share++) write_row(out, run, &run->open[share], open[share]);
        }
        fputs("</tbody>\n", out);
    }
    fputs("</table></div>\n</section>\n", out);
}

void bp_write_words(FILE *out, const struct br_report *report) {
    (void)report;
    fputs("<section id=\"words\">\n<h2>Words</h2>\n<dl class=\"words\">\n", out);
    for (unsigned i = 0; i < sizeof(columns) / sizeof(*columns); i++)
        fprintf(out, "<div><dt>%s</dt><dd>%s</dd></div>\n", columns[i].name, columns[i].means);
    fputs("<div><dt>closed loop</dt><dd>Each thread begins its next transaction when the last has ended: the peak. A stall "
          "is paid by one transaction only, so its latencies flatter.</dd></div>\n"
          "<div><dt>open loop</dt><dd>Transactions are due at times fixed beforehand, at a share of the engine's own peak; "
          "who is late because of a stall counts from when it was due.</dd></div>\n"
          "<div><dt>theta</dt><dd>Skew of the keys: 0 draws all rows alike, towards 1 a few rows are drawn most of the "
          "time.</dd></div>\n</dl>\n</section>\n", out);
}
