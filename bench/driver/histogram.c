/* histogram.c - counts of durations in buckets whose width grows with the value.
 *
 * Buckets of one power of two are BD_BUCKET_BITS-th parts of it, as in HDR histograms (Tene): the relative error is
 * below 1/128 everywhere, and merging is addition.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/driver/driver.h"

enum { PARTS = 1 << BD_BUCKET_BITS };

static unsigned bucket_of(uint64_t ns) {
    if (ns < PARTS) return (unsigned)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - BD_BUCKET_BITS;
    unsigned bucket = ((shift + 1) << BD_BUCKET_BITS) + (unsigned)((ns >> shift) - PARTS);
    return bucket < BD_BUCKETS ? bucket : BD_BUCKETS - 1;
}

/* The largest value of a bucket. */
static uint64_t top_of(unsigned bucket) {
    if (bucket < PARTS) return bucket;
    unsigned shift = (bucket >> BD_BUCKET_BITS) - 1;
    uint64_t part = (bucket & (PARTS - 1)) + PARTS;
    return ((part + 1) << shift) - 1;
}

void bd_record(struct bd_histogram *histogram, uint64_t ns) {
    histogram->counts[bucket_of(ns)]++;
    histogram->total++;
    if (ns > histogram->max) histogram->max = ns;
}

void bd_merge(struct bd_histogram *into, const struct bd_histogram *from) {
    for (unsigned i = 0; i < BD_BUCKETS; i++) into->counts[i] += from->counts[i];
    into->total += from->total;
    if (from->max > into->max) into->max = from->max;
}

uint64_t bd_quantile(const struct bd_histogram *histogram, double q) {
    if (histogram->total == 0) return 0;
    uint64_t wanted = (uint64_t)(q * (double)histogram->total + 0.5), seen = 0;
    if (wanted == 0) wanted = 1;
    for (unsigned i = 0; i < BD_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen >= wanted) return top_of(i) < histogram->max ? top_of(i) : histogram->max;
    }
    return histogram->max;
}
