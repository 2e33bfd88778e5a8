/* random.h - a small seeded generator (splitmix64 and xoshiro256**, Blackman and Vigna, Scrambled Linear Pseudorandom
 * Number Generators, 2018). Not for secrets. Owner thread only.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BASE_RANDOM_H
#define VARVE_BASE_RANDOM_H

#include <stdint.h>

struct vb_random { uint64_t s[4]; };
void vb_random_init(struct vb_random *random, uint64_t seed);
uint64_t vb_random_u64(struct vb_random *random);
uint64_t vb_random_below(struct vb_random *random, uint64_t bound); /* 0 <= r < bound; bound > 0 */

#endif
