/* soak_int.h - what the files of the random runs share. Private to record.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_SOAK_INT_H
#define VARVE_SUITE_SOAK_INT_H

#include "base/random.h"
#include "os/os.h"
#include "record/soak.h"

/* Ranks drawn by Gray et al., Quickly Generating Billion-Record Synthetic Databases, SIGMOD 1994, figure 6. */
struct rs_skew {
    double theta, alpha, zeta, eta;
    uint32_t count;
};
void rs_skew_init(struct rs_skew *skew, uint32_t count, double theta);
uint32_t rs_skew_draw(const struct rs_skew *skew, struct vb_random *random);

struct rs_shared;
struct rs_session {
    struct rc_lane lane;
    struct rs_shared *shared;
    struct vb_random random;
    struct vos_thread *thread;
    uint64_t left;      /* attempts to go */
    uint64_t done;      /* relaxed; read by the one who shows progress */
    uint64_t committed, aborted;
    int failure;        /* a status that ends the run */
    char text[320];
} __attribute__((aligned(128)));

/* Every so many-th row is added to, and so has eight bytes always. */
enum { RS_COUNTER_EVERY = 8 };
static inline bool rs_is_counter(uint32_t key) { return key % RS_COUNTER_EVERY == 0; }

/* What all sessions read. */
struct rs_shared {
    const struct rs_options *options;
    struct rs_skew skew;
    varve_db *db;
    varve_table *table;
    uint32_t torn;      /* 1 while the scheme is, or may be, 2pl */
    uint32_t stop;      /* futex: 1 = a session failed, or all have ended */
    uint32_t running;   /* sessions that have not ended */
};

#endif
