/* bench_print.c - the terminal's table of `varve bench`.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "bench.h"

void bench_print_facts(const struct bench_ask *ask, const struct br_report *report) {
    const struct br_facts *f = &report->facts;
    printf("Varve %s, commit %s, %s, %s build\n", f->varve, f->commit, f->compiler, f->build);
    printf("%s, %u cores, %.1f GiB, %s%s%s%s%s\n", f->cpu[0] != 0 ? f->cpu : "processor unknown", f->cores,
           (double)f->memory_bytes / (1 << 30), f->kernel, f->governor[0] != 0 ? ", governor " : "", f->governor,
           f->huge_pages[0] != 0 ? ", huge pages " : "", f->huge_pages);
    printf("sync=%s", ask->sync);
    if (f->sync_ns != 0)
        printf("; %s: a 4 KiB write and fdatasync takes %.1f us (median; 95 %%: %.1f us)", f->directory,
               (double)f->sync_ns * 1e-3, (double)f->sync_p95_ns * 1e-3);
    printf("\n%s", ask->unequal ? "--unequal: the engines may not lose the same in a crash\n" : "");
    fflush(stdout);
}

static void print_header(const struct bench_ask *ask, const struct br_section *s) {
    printf("\n%s: %s\n", s->load->name, s->load->about);
    printf("%llu records, %u-byte values, %s keys, theta %g, %u thread%s, sync=%s, %g s x %u%s\n",
           (unsigned long long)ask->settings.records, ask->settings.value_bytes, ask->key, s->theta, s->threads,
           s->threads == 1 ? "" : "s", ask->sync, ask->seconds, ask->repeats, ask->rate > 0 ? ", open loop" : "");
    if (s->generator_ns > 0)
        printf("generator: %.3f us of processor time a transaction on an engine that does nothing\n", s->generator_ns * 1e-3);
    else
        printf("generator: not measured; this load needs the rows that it wrote\n");
    printf("%-19s %-26s %11s %21s %9s %9s %9s %9s %9s %8s %8s %8s %8s\n", "engine", "isolation", "txn/s", "(range)",
           "aborted", "p50 us", "p99 us", "p99.9 us", "max us", "cpu us", "log B", "syncs/s", "B/record");
}

static void print_figures(const struct br_measure *m) {
    double each = (double)(m->committed + !m->committed), seconds = m->seconds > 0 ? m->seconds : 1;
    printf(" %11.0f %10.0f-%-10.0f %7.3f %% %9.1f %9.1f %9.1f %9.1f %8.2f %8.0f %8.0f", m->median, m->least, m->most,
           100.0 * (double)m->aborts / (double)(m->attempts + !m->attempts), (double)m->p50 * 1e-3,
           (double)m->p99 * 1e-3, (double)m->p999 * 1e-3, (double)m->max * 1e-3, m->cpu_seconds * 1e6 / each,
           (double)m->log_bytes / each, (double)m->syncs / seconds);
    if (m->records > 0)
        printf(" %8.0f", (double)m->memory_bytes / (double)m->records);
    else
        printf(" %8s", "-");
    printf("%s\n", m->steady ? "" : "  (not steady)");
}

/* Why attempts failed, and what they cost: only where some did. */
static void print_aborts(const struct br_measure *m) {
    if (m->aborts == 0) return;
    printf("%19s aborts:", "");
    for (unsigned i = 0; i < BD_CAUSES; i++)
        if (m->by_cause[i] != 0) printf(" %s %llu,", br_cause_name(i), (unsigned long long)m->by_cause[i]);
    printf(" %.2f %% of operations wasted, at most %llu in a row\n",
           100.0 * (double)m->wasted / (double)(m->operations + !m->operations), (unsigned long long)m->longest_aborts);
}

static void print_run(const struct br_run *run) {
    char share[48];
    const struct br_measure *m = &run->peak;
    if (m->repeats == 0 && !m->failed) return;
    printf("%-19s %-26s", run->engine->name, br_level_of(run));
    if (m->failed) {
        printf(" FAIL: %s\n", m->text);
        return;
    }
    print_figures(m);
    if (br_weaker(run))
        printf("%19s weaker than asked: it claims %s, %s was asked\n", "",
               br_level_name(run->engine->levels[run->level].claims), br_level_name(run->asked));
    print_aborts(m);
    for (unsigned i = 0; i < BR_SHARES; i++) {
        const struct br_measure *open = &run->open[i];
        if (open->repeats == 0 && !open->failed) continue;
        snprintf(share, sizeof(share), "open loop, %u %%", br_shares[i]);
        printf("%19s %-26s", "", share);
        if (open->failed)
            printf(" FAIL: %s\n", open->text);
        else
            print_figures(open);
    }
}

void bench_print_section(const struct bench_ask *ask, const struct br_report *report, unsigned section) {
    unsigned measured = 0;
    print_header(ask, &report->sections[section]);
    for (unsigned i = 0; i < report->run_count; i++) {
        if (report->runs[i].section != section) continue;
        print_run(&report->runs[i]);
        measured += report->runs[i].peak.repeats > 0 || report->runs[i].peak.failed;
    }
    if (measured == 0) printf("(interrupted before anything was measured)\n");
}
