/* zipf.c - skewed ranks, and a scramble that spreads them over the keys.
 *
 * Ranks: the law of Gray, Sundaresan, Englert, Baclawski, Weinberger, Quickly Generating Billion-Record Synthetic Databases,
 * SIGMOD 1994, by inversion: the first 64 ranks by their exact sums, those behind by the integral with its midpoint
 * correction. The closed form of that paper's figure 6 draws the ranks behind the second too often at high skew, which the
 * test of this file does not let pass. The scramble is a Feistel network over the next power of four, walked
 * until it lands below the count, so that it is a permutation of 0 .. count-1 (Black, Rogaway, Ciphers with Arbitrary
 * Finite Domains, CT-RSA 2002: cycle walking).
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
    double sum = 0;
    zipf->count = count;
    zipf->theta = theta;
    zipf->alpha = 1 / (1 - theta);
    zipf->zeta = theta > 0 ? zeta(count, theta) : 0;
    zipf->tail = pow(BL_ZIPF_EXACT + 0.5, 1 - theta);
    for (unsigned i = 0; i < BL_ZIPF_EXACT; i++) zipf->below[i] = sum += 1 / pow(i + 1.0, theta);
}

uint64_t bl_zipf_rank(const struct bl_zipf *zipf, struct vb_random *random) {
    if (zipf->theta == 0) return vb_random_below(random, zipf->count);
    double u = (double)(vb_random_u64(random) >> 11) * 0x1p-53 * zipf->zeta;
    uint64_t rank = 0;
    if (u < zipf->below[BL_ZIPF_EXACT - 1]) {
        for (unsigned step = BL_ZIPF_EXACT / 2; step != 0; step /= 2)
            if (u >= zipf->below[rank + step - 1]) rank += step;
    } else {
        double area = u - zipf->below[BL_ZIPF_EXACT - 1];
        rank = (uint64_t)(pow(area * (1 - zipf->theta) + zipf->tail, zipf->alpha) - 0.5);
    }
    return rank < zipf->count ? rank : zipf->count - 1;
}

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t bl_scramble(uint64_t rank, uint64_t count) {
    unsigned half = count <= 4 ? 1 : (65 - (unsigned)__builtin_clzll(count - 1)) / 2; /* 4^half >= count */
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

/* Where no row is hotter than another there is nothing to spread. */
uint64_t bl_zipf_row(const struct bl_zipf *zipf, struct vb_random *random) {
    uint64_t rank = bl_zipf_rank(zipf, random);
    return zipf->theta > 0 ? bl_scramble(rank, zipf->count) : rank;
}
