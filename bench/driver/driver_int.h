/* driver_int.h - what the files of the driver share. Private to bench/driver.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_DRIVER_INT_H
#define VARVE_BENCH_DRIVER_INT_H

#include <pthread.h>

#include "bench/driver/driver.h"

enum bd_phase { BD_WARM = 0, BD_MEASURE = 1, BD_STOP = 2 };

/* Counters of one worker, written by it alone and read by the sampler (relaxed). */
struct bd_counts {
    uint64_t committed[BL_KINDS_MAX], rolled_back, attempts, aborts, aborts_by_cause[BD_CAUSES], longest_aborts;
    uint64_t operations, wasted;
};

struct bd_worker {
    struct bl_session session;
    pthread_t thread;
    struct bd_repeat *repeat;
    struct bd_counts counts;    /* since the start of BD_MEASURE */
    uint64_t finished;          /* transactions since the start of the repeat; relaxed */
    unsigned phase;             /* the phase its counters belong to */
    uint64_t due_ns, step_ns;   /* open loop */
    struct bd_histogram latency, by_kind[BL_KINDS_MAX];
    int status;                 /* of a call that failed for good */
} __attribute__((aligned(128)));

/* One repeat: a fresh database, filled, warmed, measured, verified. */
struct bd_repeat {
    const struct bd_options *options;
    struct bl_run run;
    struct bd_worker *workers;  /* [settings.threads] */
    unsigned phase;             /* enum bd_phase; stored by the driver, loaded by workers */
    uint32_t stop;              /* non-zero with BD_STOP, for loads that pace themselves */
    char directory[512];
};

uint64_t bd_now_ns(void);
double bd_cpu_seconds(void);
uint64_t bd_memory_bytes(void); /* resident */

/* worker.c */
void *bd_worker_main(void *arg);
/* One transaction of the session's load, with its retries. The final status: OK, or what ended it for good. */
int bd_transaction(struct bd_worker *worker, unsigned kind, uint64_t intended_ns);

#endif
