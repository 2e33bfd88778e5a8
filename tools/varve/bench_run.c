/* bench_run.c - sections: a load at a number of threads and a skew, all engines and levels in turns.
 *
 * Repeats take turns: each round runs every engine once, so that what changes in the machine meanwhile meets all alike.
 * The open loops come after the closed one, in turns as well, at shares of each engine's own median. A repeat that was
 * interrupted before it measured is left out.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "bench/driver/engine_none.h"
#include "varve_cmd.h"

enum { OURS_CACHE_GIB = 4 };
static const double LEAST_SECONDS = 0.005, GENERATOR_SECONDS = 0.3;

static uint32_t stop_word;
void bench_interrupt(void) { __atomic_store_n(&stop_word, 1, __ATOMIC_RELAXED); }
bool bench_interrupted(void) { return __atomic_load_n(&stop_word, __ATOMIC_RELAXED) != 0; }

static void show_progress(void *arg, const char *what, double done) {
    fprintf(stderr, "\r\033[K%s: %s %3.0f %%", (const char *)arg, what, 100 * done);
}

/* --- several repeats as one result -------------------------------------------------------------------------------- */

static void merge_counts(struct bd_result *into, const struct bd_result *from) {
    for (unsigned k = 0; k < BL_KINDS_MAX; k++) {
        into->committed[k] += from->committed[k];
        bd_merge(&into->by_kind[k], &from->by_kind[k]);
    }
    for (unsigned i = 0; i < BD_CAUSES; i++) into->aborts_by_cause[i] += from->aborts_by_cause[i];
    bd_merge(&into->latency, &from->latency);
    into->rolled_back += from->rolled_back;
    into->attempts += from->attempts;
    into->aborts += from->aborts;
    into->operations += from->operations;
    into->wasted += from->wasted;
    if (from->longest_aborts > into->longest_aborts) into->longest_aborts = from->longest_aborts;
}

static void merge(struct bd_result *into, const struct bd_result *from) {
    if (into->repeats == 0 || from->failed) {
        *into = *from;
        return;
    }
    for (unsigned i = 0; i < from->repeats && into->repeats < BD_REPEATS_MAX; i++)
        into->rate[into->repeats++] = from->rate[i];
    merge_counts(into, from);
    into->cpu_seconds += from->cpu_seconds;
    into->log_bytes += from->log_bytes;
    into->syncs += from->syncs;
    into->seconds += from->seconds;
    into->fill_seconds += from->fill_seconds;
    into->memory_bytes = from->memory_bytes;
    into->records = from->records;
    into->steady = into->steady && from->steady;
}

/* --- one repeat --------------------------------------------------------------------------------------------------- */

static bool is_ours(const struct bench_ask *ask, const struct peer *engine) {
    for (unsigned i = 0; i < ask->ours_count; i++)
        if (ask->engines[i] == engine) return true;
    return false;
}

static void our_options(const struct bench_ask *ask, char *text, size_t bytes) {
    snprintf(text, bytes, "%s%s%s%s%s", strcmp(ask->sync, "interval") == 0 ? ",sync=interval" : "",
             ask->deadlock != NULL ? ",deadlock=" : "", ask->deadlock != NULL ? ask->deadlock : "",
             ask->extra != NULL ? "," : "", ask->extra != NULL ? ask->extra : "");
}

static const char *peer_directory(const struct bench_ask *ask, bool ours) {
    const char *tmp = getenv("TMPDIR");
    if (ours || strcmp(ask->directory, ":memory:") != 0) return ask->directory;
    return tmp != NULL && tmp[0] != 0 ? tmp : "/tmp";
}

static int one_turn(const struct bench_ask *ask, const struct br_section *section, const struct br_run *run, double rate,
                    struct bd_result *into) {
    static struct bd_result result;
    char extra[512] = "";
    struct bd_options options = {.engine = run->engine, .load = section->load, .settings = ask->settings,
                                 .seconds = ask->seconds, .warm_seconds_max = ask->warm, .repeats = 1, .rate = rate,
                                 .keep = ask->keep, .interrupted = &stop_word};
    options.settings.threads = section->threads;
    options.settings.theta = section->theta;
    options.open = (struct peer_options){.directory = peer_directory(ask, run->ours), .level = run->level,
                                         .sync = ask->sync_mode, .cache_bytes = (uint64_t)OURS_CACHE_GIB << 30,
                                         .threads = section->threads};
    if (run->ours) our_options(ask, extra, sizeof(extra));
    if (extra[0] != 0) options.open.extra = extra;
    if (isatty(2)) {
        options.progress = show_progress;
        options.arg = (void *)(uintptr_t)run->engine->name;
    }
    int status = bd_run(&options, &result);
    if (isatty(2)) fputs("\r\033[K", stderr);
    if (status == VARVE_INVALID) return bench_complain(run->engine->name, result.text);
    if (status != VARVE_OK && !result.failed) return cmd_fail(run->engine->name, status, result.text);
    if (!result.failed && (bench_interrupted() ? result.seconds < LEAST_SECONDS : result.repeats == 0)) return 0;
    merge(into, &result);
    return 0;
}

/* --- a section ---------------------------------------------------------------------------------------------------- */

/* Processor time of a transaction on an engine that does nothing: the load's own cost in each figure. A load that must
 * find rows that make sense cannot run there and has no such figure. */
static void measure_generator(const struct bench_ask *ask, struct br_section *section) {
    static struct bd_result result;
    struct bd_options options = {.engine = &bench_none, .load = section->load, .settings = ask->settings,
                                 .seconds = ask->seconds < GENERATOR_SECONDS ? ask->seconds : GENERATOR_SECONDS,
                                 .repeats = 1, .generator = true, .interrupted = &stop_word};
    options.settings.threads = 1;
    options.settings.theta = section->theta;
    options.open = (struct peer_options){.directory = ":memory:", .threads = 1};
    if (bd_run(&options, &result) != VARVE_OK || result.failed || result.repeats == 0) return;
    uint64_t done = result.rolled_back;
    for (unsigned k = 0; k < BL_KINDS_MAX; k++) done += result.committed[k];
    if (done > 0) section->generator_ns = result.cpu_seconds * 1e9 / (double)done;
}

/* One run for each engine and level; a peer that serves two levels alike runs once, for the stronger. */
static unsigned make_runs(const struct bench_ask *ask, const struct br_section *section, struct br_run *runs) {
    unsigned count = 0;
    for (unsigned e = 0; e < ask->engine_count; e++) {
        unsigned first = count;
        for (unsigned l = 0; l < ask->level_count; l++) {
            struct br_run run = {.engine = ask->engines[e], .asked = ask->levels[l], .ours = is_ours(ask, ask->engines[e])};
            run.level = bench_level(ask, run.engine, run.asked, section->load);
            unsigned same = first;
            while (same < count && runs[same].level != run.level) same++;
            if (same == count)
                runs[count++] = run;
            else if (run.asked > runs[same].asked)
                runs[same].asked = run.asked;
        }
    }
    return count;
}

/* All repeats of one loop; share < 0: the closed one, or that of --rate. */
static int run_loop(const struct bench_ask *ask, const struct br_section *section, struct br_run *runs, unsigned count,
                    int share) {
    struct bd_result *results = calloc(count, sizeof(*results));
    if (results == NULL) return cmd_fail("bench", VARVE_NOMEM, "out of memory");
    int status = 0;
    for (unsigned turn = 0; turn < ask->repeats && status == 0; turn++)
        for (unsigned i = 0; i < count && status == 0 && !bench_interrupted(); i++) {
            if (results[i].failed || (share >= 0 && (runs[i].peak.failed || runs[i].peak.median <= 0))) continue;
            double rate = share < 0 ? ask->rate : runs[i].peak.median * br_shares[share] / 100;
            status = one_turn(ask, section, &runs[i], rate, &results[i]);
        }
    for (unsigned i = 0; i < count; i++) {
        if (results[i].repeats == 0 && !results[i].failed) continue;
        if (share < 0)
            br_measure_of(&runs[i].peak, &results[i], ask->rate);
        else
            br_measure_of(&runs[i].open[share], &results[i], runs[i].peak.median * br_shares[share] / 100);
    }
    free(results);
    return status;
}

static void tell(const struct bench_ask *ask, const struct br_report *report, unsigned section, unsigned first) {
    if (!ask->json) bench_print_section(ask, report, section);
    for (unsigned i = first; i < report->run_count && ask->json; i++) br_json(stdout, report, &report->runs[i]);
    fflush(stdout);
}

static int run_section(struct bench_ask *ask, struct br_report *report, struct br_section section, unsigned *failed) {
    unsigned at = report->section_count, first = report->run_count, most = ask->engine_count * ask->level_count;
    void *sections = realloc(report->sections, (at + 1) * sizeof(*report->sections));
    if (sections != NULL) report->sections = sections;
    void *runs = realloc(report->runs, (first + most) * sizeof(*report->runs));
    if (runs != NULL) report->runs = runs;
    if (sections == NULL || runs == NULL) return cmd_fail("bench", VARVE_NOMEM, "out of memory");
    measure_generator(ask, &section);
    report->sections[at] = section;
    unsigned count = make_runs(ask, &section, report->runs + first);
    for (unsigned i = 0; i < count; i++) report->runs[first + i].section = at;
    int status = run_loop(ask, &section, report->runs + first, count, -1);
    for (int share = 0; ask->open && share < BR_SHARES && status == 0; share++)
        status = run_loop(ask, &section, report->runs + first, count, share);
    report->section_count++;
    report->run_count += count;
    report->partial = bench_interrupted();
    for (unsigned i = first; i < report->run_count; i++) {
        *failed += report->runs[i].peak.failed;
        for (unsigned share = 0; share < BR_SHARES; share++) *failed += report->runs[i].open[share].failed;
    }
    if (status == 0) tell(ask, report, at, first);
    return status;
}

int bench_run_all(struct bench_ask *ask, struct br_report *report, unsigned *failed) {
    int status = 0;
    for (unsigned l = 0; l < ask->load_count; l++)
        for (unsigned z = 0; z < ask->theta_count; z++)
            for (unsigned t = 0; t < ask->thread_count && status == 0 && !bench_interrupted(); t++)
                status = run_section(ask, report,
                                     (struct br_section){.load = ask->load_list[l], .threads = ask->thread_counts[t],
                                                         .theta = ask->thetas[z]},
                                     failed);
    return status;
}
