/* zipf.c - skewed ranks, and a scramble that spreads them over the keys.
 *
 * Ranks: Gray, Sundaresan, Englert, Baclawski, Weinberger, Quickly Generating Billion-Record Synthetic Databases, SIGMOD
 * 1994, figure 6. The scramble is a Feistel network over the next power of four, walked until it lands below the count,
 * so that it is a permutation of 0 .. count-1 (Black, Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002: cycle
 * walking).
 *
 * SPDX-License-Identifier: MIT
 */
#include <math.h>

#include "bench/loads/load.h"

enum { ROUNDS = 4, EXACT_TERMS = 1 << 20 };

/* The sum of 1/i^theta: exactly for the first terms, by the integral with its midpoint correction for the rest. */
static double zeta(uint64_t count, double theta) {
    uint64_t exact = count < EXACT_TERMS ? count : EXACT_TERMS;
    double sum = 0;
    for (uint64_t i = 1; i <= exact; i++) sum += 1 / pow((double)i, theta);
    if (exact == count) return sum;
    double from = (double)exact + 0.5, to = (double)count + 0.5;
    return sum + (pow(to, 1 - theta) - pow(from, 1 - theta)) / (1 - theta);
}

void bl_zipf_init(struct bl_zipf *zipf, uint64_t count, double theta) {
    zipf->count = count;
    zipf->theta = theta;
    zipf->alpha = 1 / (1 - theta);
    zipf->zeta = theta > 0 ? zeta(count, theta) : 0;
    zipf->half = 1 + pow(0.5, theta);
    zipf->eta = theta > 0 ? (1 - pow(2.0 / (double)count, 1 - theta)) / (1 - zipf->half / zipf->zeta) : 0;
}

uint64_t bl_zipf_rank(const struct bl_zipf *zipf, struct vb_random *random) {
    if (zipf->theta == 0) return vb_random_below(random, zipf->count);
    double u = (double)(vb_random_u64(random) >> 11) * 0x1p-53, uz = u * zipf->zeta;
    if (uz < 1) return 0;
    if (uz < zipf->half) return zipf->count > 1 ? 1 : 0;
    uint64_t rank = (uint64_t)((double)zipf->count * pow(zipf->eta * u - zipf->eta + 1, zipf->alpha));
    return rank < zipf->count ? rank : zipf->count - 1;
}

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t bl_scramble(uint64_t rank, uint64_t count) {
    unsigned half = 1;
    while ((UINT64_C(1) << 2 * half) < count) half++;
    uint64_t mask = (UINT64_C(1) << half) - 1;
    do {
        uint64_t left = rank >> half, right = rank & mask;
        for (unsigned i = 0; i < ROUNDS; i++) {
            uint64_t next = left ^ (mix(right + i * UINT64_C(0x9e3779b97f4a7c15)) & mask);
            left = right;
            right = next;
        }
        rank = left << half | right;
    } while (rank >= count);
    return rank;
}
