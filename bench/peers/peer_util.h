/* peer_util.h - the few lines that every adapter needs.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_PEER_UTIL_H
#define VARVE_BENCH_PEER_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peers/peer.h"

/* What a module shows; everything else in it is static. */
#define PEER_EXPORT __attribute__((visibility("default")))

static inline int peer_fail(char *error, size_t error_bytes, int status, const char *what, const char *why) {
    snprintf(error, error_bytes, "%s: %s", what, why);
    return status;
}

/* memcmp order, shorter first. */
static inline int peer_compare(varve_slice a, varve_slice b) {
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* A key on the way of a scan lies before its end. */
static inline int peer_within(varve_slice key, varve_slice low, varve_slice high, bool reverse) {
    if (reverse) return low.data == NULL || peer_compare(key, low) >= 0;
    return high.data == NULL || peer_compare(key, high) < 0;
}

#endif
