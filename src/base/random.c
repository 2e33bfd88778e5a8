/* random.c - xoshiro256** seeded by splitmix64.
 *
 * Source: David Blackman, Sebastiano Vigna, Scrambled Linear Pseudorandom Number Generators, 2018 (ACM TOMS 47(4),
 * 2021); seeding by splitmix64 as they advise, so that no seed, zero included, gives the all-zero state.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/random.h"

static uint64_t rotate_left(uint64_t x, int count) {
    return (x << count) | (x >> (64 - count));
}

static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void vb_random_init(struct vb_random *random, uint64_t seed) {
    for (int i = 0; i < 4; i++)
        random->s[i] = splitmix64(&seed);
}

uint64_t vb_random_u64(struct vb_random *random) {
    uint64_t *s = random->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* The first 2^64 mod bound values are thrown away, so that every remainder is equally likely. */
uint64_t vb_random_below(struct vb_random *random, uint64_t bound) {
    uint64_t r = vb_random_u64(random);
    if ((bound & (bound - 1)) == 0) return r & (bound - 1);
    uint64_t unfair = (0 - bound) % bound;
    while (r < unfair)
        r = vb_random_u64(random);
    return r % bound;
}
