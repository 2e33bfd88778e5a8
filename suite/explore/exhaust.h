/* exhaust.h - every interleaving of every small program, on the engine, judged.
 *
 * Each run gets two verdicts: is it one that the level served allows (the reference judge, model/oracle.h), and were its
 * aborts needless (the same interleaving with plain snapshot reads and the first committer winning commits everything, and
 * that is allowed). Pairs of scheme and level that are served alike are run once and counted for each.
 *
 * Thread rule: the caller waits; workers take every threads-th program and share nothing.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_EXHAUST_H
#define VARVE_SUITE_EXHAUST_H

#include "explore/space.h"

enum { SX_SCHEMES = 3, SX_LEVELS = 5 };

struct sx_exhaust {
    struct sx_space space;
    const char *deadlock;  /* NULL: wound_wait */
    bool schemes[SX_SCHEMES];    /* mvcc, 2pl, occ */
    bool levels[SX_LEVELS + 1];  /* [varve_isolation] */
    unsigned threads;
    uint64_t every;        /* runs one interleaving in `every`, spread evenly; 1: all */
    bool ghosts;           /* rows of the run before stay as ghosts; else each run has fresh keys */
    bool tiny;
    void (*progress)(void *arg, uint64_t programs, uint64_t of); /* NULL; from one worker, now and then */
    void *arg;
};

struct sx_count {
    varve_isolation served;
    bool shared;          /* counted at a weaker level that is served alike: numbers are copies */
    uint64_t runs, txns, aborts, needless, needless_runs, waits, violations, hangs;
    char first_bad[400];  /* program, interleaving and why, of the first violation or hang */
};
struct sx_exhaust_result {
    uint64_t programs, interleavings; /* run at each pair */
    uint64_t runs;                    /* on the engine, all pairs */
    double seconds;
    struct sx_count counts[SX_SCHEMES][SX_LEVELS + 1];
    char error[200];
};
/* OK whatever was found; else what kept it from running, with result->error. */
int sx_exhaust(const struct sx_exhaust *options, struct sx_exhaust_result *result);
uint64_t sx_exhaust_bad(const struct sx_exhaust_result *result); /* violations and hangs, all pairs */

#endif
