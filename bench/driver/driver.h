/* driver.h - runs a load on an engine and measures it: closed loop for the peak, open loop for latency.
 *
 * Method. Fill, verify, warm until the rate is steady, measure; the repeats of different engines and schemes take turns,
 * each on a fresh database. In the open loop transactions are due at times fixed beforehand and latency counts from the
 * time they were due, retries included, so that a stall is paid by all who had to wait (Tene, How NOT to Measure Latency,
 * 2013). Histograms have three significant digits and are merged across threads.
 *
 * Thread rule: the caller waits; workers share nothing that is written but the database.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_DRIVER_H
#define VARVE_BENCH_DRIVER_H

#include "bench/loads/load.h"

enum { BD_CAUSES = 16, BD_SAMPLES_MAX = 512, BD_REPEATS_MAX = 16, BD_TEXT_BYTES = 900 };

/* Values up to 2^40 ns with a relative error below 1/128. */
enum { BD_BUCKET_BITS = 7, BD_BUCKETS = (41 - BD_BUCKET_BITS) << BD_BUCKET_BITS };
struct bd_histogram {
    uint64_t counts[BD_BUCKETS];
    uint64_t total, max;
};
void bd_record(struct bd_histogram *histogram, uint64_t ns);
void bd_merge(struct bd_histogram *into, const struct bd_histogram *from);
uint64_t bd_quantile(const struct bd_histogram *histogram, double q); /* 0.5, 0.999 */

struct bd_options {
    const struct peer *engine;
    struct peer_options open;  /* directory: made empty for each repeat, removed afterwards unless `keep` */
    const struct bl_load *load;
    struct bl_settings settings;
    double seconds, warm_seconds_max;
    unsigned repeats;
    double rate;               /* open loop: transactions due a second over all threads; 0: closed loop */
    bool keep;
    bool generator;            /* the engine does nothing: no rows, nothing to verify */
    const uint32_t *interrupted; /* non-zero: end soon, and report what there is */
    void (*progress)(void *arg, const char *what, double done); /* about twice a second */
    void *arg;
};

struct bd_sample { /* one a second */
    double at, rate;
    uint64_t memory_bytes, versions_bytes;
};

struct bd_result {
    double rate[BD_REPEATS_MAX]; /* committed transactions a second, by repeat */
    unsigned repeats;
    double seconds;              /* measured, all repeats together */
    uint64_t committed[BL_KINDS_MAX], rolled_back, attempts, aborts;
    uint64_t aborts_by_cause[BD_CAUSES]; /* varve_reason where the engine tells, else [0] */
    uint64_t longest_aborts;     /* most aborts in a row of one transaction */
    uint64_t operations, wasted; /* done in all attempts; done in attempts that failed */
    struct bd_histogram latency; /* of committed transactions, from intended start (open) or first begin (closed) */
    struct bd_histogram by_kind[BL_KINDS_MAX];
    double cpu_seconds;          /* of the process, while measured */
    uint64_t memory_bytes, records, log_bytes, syncs; /* at the end, and while measured */
    double fill_seconds;
    uint64_t fill_rows;
    unsigned sample_count;
    struct bd_sample samples[BD_SAMPLES_MAX];
    bool steady;                 /* the warm-up ended because the rate was steady */
    bool failed;                 /* the invariant, or a call: text says what; no figure counts */
    char text[BD_TEXT_BYTES];
};
/* OK: *result holds what was measured (also when it failed its invariant); else what kept it from running. */
int bd_run(const struct bd_options *options, struct bd_result *result);

#endif
