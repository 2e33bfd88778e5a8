/* measure.c - a result condensed, and the names that all ways to tell it share.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "bench/report/report.h"

const double br_quantiles[BR_QUANTILES] = {0.1,  0.25,  0.5,   0.75,  0.9,    0.95,   0.99,
                                           0.995, 0.999, 0.9995, 0.9999, 0.99995, 0.99999};
const unsigned br_shares[BR_SHARES] = {50, 70, 90};

static int by_rate(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void take_rates(struct br_measure *m, const struct bd_result *r) {
    double sorted[BD_REPEATS_MAX];
    memcpy(m->rate, r->rate, sizeof(m->rate));
    memcpy(sorted, r->rate, sizeof(sorted));
    m->repeats = r->repeats;
    if (r->repeats == 0) return;
    qsort(sorted, r->repeats, sizeof(*sorted), by_rate);
    m->least = sorted[0];
    m->most = sorted[r->repeats - 1];
    m->median = r->repeats % 2 != 0 ? sorted[r->repeats / 2]
                                    : (sorted[r->repeats / 2 - 1] + sorted[r->repeats / 2]) / 2;
}

static void take_latency(struct br_measure *m, const struct bd_result *r) {
    for (unsigned i = 0; i < BR_QUANTILES; i++) m->quantile[i] = bd_quantile(&r->latency, br_quantiles[i]);
    m->p50 = bd_quantile(&r->latency, 0.5);
    m->p95 = bd_quantile(&r->latency, 0.95);
    m->p99 = bd_quantile(&r->latency, 0.99);
    m->p999 = bd_quantile(&r->latency, 0.999);
    m->max = r->latency.max;
    for (unsigned k = 0; k < BL_KINDS_MAX; k++) {
        m->by_kind[k] = r->committed[k];
        m->committed += r->committed[k];
        m->kind_p50[k] = bd_quantile(&r->by_kind[k], 0.5);
        m->kind_p99[k] = bd_quantile(&r->by_kind[k], 0.99);
    }
}

void br_measure_of(struct br_measure *m, const struct bd_result *r, double target) {
    memset(m, 0, sizeof(*m));
    take_rates(m, r);
    take_latency(m, r);
    m->target = target;
    m->seconds = r->seconds;
    m->fill_seconds = r->fill_seconds;
    m->cpu_seconds = r->cpu_seconds;
    m->rolled_back = r->rolled_back;
    m->attempts = r->attempts;
    m->aborts = r->aborts;
    memcpy(m->by_cause, r->aborts_by_cause, sizeof(m->by_cause));
    m->longest_aborts = r->longest_aborts;
    m->operations = r->operations;
    m->wasted = r->wasted;
    m->memory_bytes = r->memory_bytes;
    m->records = r->records;
    m->log_bytes = r->log_bytes;
    m->syncs = r->syncs;
    m->sample_count = r->sample_count < BR_SAMPLES ? r->sample_count : BR_SAMPLES;
    memcpy(m->samples, r->samples, sizeof(*m->samples) * m->sample_count);
    m->steady = r->steady;
    m->failed = r->failed;
    snprintf(m->text, sizeof(m->text), "%.250s", r->text);
}

const char *br_cause_name(unsigned reason) {
    static const char *const names[] = {"not told",     "write-write", "read changed", "phantom",      "stale snapshot",
                                        "precondition", "wounded",     "died",         "cycle",        "lock timeout",
                                        "constraint",   "resource",    "caller",       "database failed"};
    return reason < sizeof(names) / sizeof(*names) ? names[reason] : "other";
}

const char *br_level_name(varve_isolation level) {
    static const char *const names[] = {"default",  "read uncommitted", "read committed", "repeatable read",
                                        "snapshot", "serializable"};
    return (unsigned)level < sizeof(names) / sizeof(*names) ? names[level] : "unknown";
}

bool br_weaker(const struct br_run *run) {
    varve_isolation claims = run->engine->levels[run->level].claims;
    return claims < run->asked && !(run->ours && run->asked == VARVE_READ_UNCOMMITTED);
}

const char *br_level_of(const struct br_run *run) { return run->engine->levels[run->level].name; }
