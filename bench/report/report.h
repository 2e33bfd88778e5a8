/* report.h - what a benchmark found, and three ways to tell it: facts of the machine, JSON lines, one HTML page.
 *
 * A report is sections (a load at a number of threads and a skew), each with runs (an engine at a level). Measures are
 * condensed: quantiles instead of histograms, so that a long matrix of runs fits into memory.
 *
 * Thread rule: one thread at a time. Text pointed to belongs to the caller and outlives the report.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_REPORT_H
#define VARVE_BENCH_REPORT_H

#include <stdio.h>

#include "bench/driver/driver.h"

enum { BR_QUANTILES = 13, BR_SAMPLES = 120, BR_SHARES = 3 };
extern const double br_quantiles[BR_QUANTILES];       /* 0.1 .. 0.99999 */
extern const unsigned br_shares[BR_SHARES];           /* percent of the peak: 50, 70, 90 */

/* --- facts -------------------------------------------------------------------------------------------------------- */

struct br_facts { /* empty text, or 0: not known */
    char varve[32], commit[96], compiler[96], build[48], cpu[128], kernel[160], governor[48], huge_pages[48], date[32];
    unsigned cores;
    uint64_t memory_bytes;
    char directory[256];
    uint64_t sync_ns, sync_p95_ns; /* a 4 KiB write into a preallocated file, and fdatasync */
};
/* `directory`: where the databases will be; ":memory:" measures no device. */
void br_facts_read(struct br_facts *facts, const char *directory);

/* --- results ------------------------------------------------------------------------------------------------------ */

struct br_measure {
    unsigned repeats;                      /* 0: not measured */
    double rate[BD_REPEATS_MAX];           /* in the order measured */
    double median, least, most;            /* of them */
    double target;                         /* open loop: transactions due a second; 0: closed loop */
    double seconds, fill_seconds, cpu_seconds;
    uint64_t committed, rolled_back, attempts, aborts, by_cause[BD_CAUSES], longest_aborts, operations, wasted;
    uint64_t by_kind[BL_KINDS_MAX], kind_p50[BL_KINDS_MAX], kind_p99[BL_KINDS_MAX];
    uint64_t quantile[BR_QUANTILES], p50, p95, p99, p999, max; /* ns */
    uint64_t memory_bytes, records, log_bytes, syncs;
    unsigned sample_count;
    struct bd_sample samples[BR_SAMPLES];  /* of the first repeat */
    bool steady, failed;
    char text[256];
};
void br_measure_of(struct br_measure *measure, const struct bd_result *result, double target);

struct br_run {
    const struct peer *engine;
    unsigned level, section;
    varve_isolation asked;
    bool ours;
    struct br_measure peak;            /* the closed loop, or the one open loop of --rate */
    struct br_measure open[BR_SHARES]; /* after it, with --open */
};
struct br_section {
    const struct bl_load *load;
    unsigned threads;
    double theta;
    double generator_ns; /* processor time of a transaction on the engine that does nothing; 0: not measured */
};
struct br_report {
    struct br_facts facts;
    struct bl_settings settings; /* threads and theta: see the sections */
    const char *sync, *command;
    double seconds;
    unsigned repeats;
    bool unequal, partial; /* durability differs; it was interrupted */
    struct br_section *sections;
    struct br_run *runs;
    unsigned section_count, run_count;
};

const char *br_cause_name(unsigned reason);     /* of varve_reason: "write-write" */
const char *br_level_name(varve_isolation level); /* "repeatable read" */
bool br_weaker(const struct br_run *run);         /* it claims less than was asked */
const char *br_level_of(const struct br_run *run); /* as its users call it */

/* One object a measure, one a line. */
void br_json(FILE *out, const struct br_report *report, const struct br_run *run);
/* VARVE_OK or IO. */
int br_page(FILE *out, const struct br_report *report);

#endif
