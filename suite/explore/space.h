/* space.h - every small program: all transactions of up to `ops` operations over two keys, all sets of `txns` of them.
 *
 * An operation is one of seven: read, write or delete of x or of y, and a scan of everything. A transaction begins with
 * its first operation and ends with its commit. Programs that differ only in the names of sessions or keys are one:
 * two transactions of up to two operations make 813 programs with 14,316 interleavings, of up to three 40,002 with
 * 2,397,351; three of up to two make 15,457 with 20,070,440.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_SPACE_H
#define VARVE_SUITE_SPACE_H

#include "schedule/schedule.h"

enum { SX_TXNS_MAX = 3, SX_OPS_MAX = 3, SX_ALPHABET = 7 };

struct sx_space {
    unsigned txns, ops; /* at most SX_TXNS_MAX, SX_OPS_MAX */
    bool empty;         /* the keys are absent at the start; else both are there */
};
struct sx_program {
    uint64_t index;                 /* of all programs of the space, from 0 */
    uint16_t bodies[SX_TXNS_MAX];   /* not falling; each numbers a list of operations */
};

/* The first program (index 0), and the next one; false: there is none. */
void sx_first(const struct sx_space *space, struct sx_program *program);
bool sx_next(const struct sx_space *space, struct sx_program *program);
uint64_t sx_programs(const struct sx_space *space);
uint64_t sx_interleavings(const struct sx_space *space); /* of all programs together */
/* As a schedule: sessions s1.., keys x and y, every written value its own, named "2x3/17". */
void sx_schedule(const struct sx_space *space, const struct sx_program *program, struct ss_schedule *schedule);

#endif
