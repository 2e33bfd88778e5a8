/* bench.h - what the files of `varve bench` share: what was asked, who runs, and the report that grows.
 *
 * bench_options.c reads the command line, bench_engines.c chooses engines and levels, bench_run.c runs them in turns,
 * bench_print.c writes the terminal's table, bench.c is the verb. Pages and JSON lines: bench/report.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TOOLS_BENCH_H
#define VARVE_TOOLS_BENCH_H

#include "bench/report/report.h"

enum { BENCH_ENGINES_MAX = 64, BENCH_LIST_MAX = 16 };

struct bench_ask {
    const char *loads, *cc, *isolation, *deadlock, *sync, *peers, *peer_dir, *directory, *key, *key_order, *extra, *html;
    const char *threads, *theta; /* lists */
    struct bl_settings settings;
    double seconds, warm, rate;
    unsigned repeats;
    bool json, keep, unequal, open;
    /* made of the above */
    bool sync_given;
    enum peer_sync sync_mode;
    varve_isolation levels[BENCH_LIST_MAX];
    unsigned thread_counts[BENCH_LIST_MAX];
    double thetas[BENCH_LIST_MAX];
    const struct bl_load *load_list[BENCH_LIST_MAX];
    unsigned level_count, thread_count, theta_count, load_count;
    const struct peer *engines[BENCH_ENGINES_MAX]; /* ours first */
    unsigned engine_count, ours_count;
};

extern const char bench_usage[];
int bench_complain(const char *what, const char *why); /* EXIT_USAGE */
/* 0, or an exit status after a message. */
int bench_take_options(struct bench_ask *ask, int argc, char **argv);
int bench_find_engines(struct bench_ask *ask);
/* The level at which the engine runs this load when `wanted` is asked: the weakest that is at least that, else its
 * strongest. */
unsigned bench_level(const struct bench_ask *ask, const struct peer *engine, varve_isolation wanted,
                     const struct bl_load *load);
/* Runs all sections into the report; prints each as it ends. *failed counts runs whose figures do not count. */
int bench_run_all(struct bench_ask *ask, struct br_report *report, unsigned *failed);
void bench_interrupt(void); /* from a signal handler: end soon */
bool bench_interrupted(void);

void bench_print_facts(const struct bench_ask *ask, const struct br_report *report);
void bench_print_section(const struct bench_ask *ask, const struct br_report *report, unsigned section);

#endif
