/* soak.h - random transactions of many sessions at once, recorded.
 *
 * Each transaction is one of a dozen small shapes (soak_shapes.c) over few keys, so that transactions meet: what goes wrong
 * between two of them goes wrong soon. Beside the sessions run the janitor, checkpoints, leaf splits (rows come and go),
 * and, when asked for, switches of the scheme. What comes out is a history for the checker; the run itself judges nothing.
 *
 * The seed fixes what each session asks for; how threads meet is the machine's.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_SOAK_H
#define VARVE_SUITE_SOAK_H

#include "record/lane.h"

struct rs_options {
    const char *cc;          /* "mvcc", "2pl" or "occ": the scheme, or the first one with `switching` */
    const char *deadlock;    /* NULL: wound_wait */
    varve_isolation level;   /* 0: each transaction draws one */
    unsigned threads;        /* sessions, each a thread */
    uint64_t txns;           /* attempts to be recorded over all sessions */
    uint32_t keys;           /* at most RC_KEYS_MAX */
    double theta;            /* skew of the keys, 0 = uniform, below 1 */
    uint64_t seed;
    const char *directory;   /* NULL: in memory, without files, log or checkpoints */
    bool switching;          /* the scheme is switched about 20 times a second */
    bool tiny;               /* leaves of four, four reader bits, small rings: what is rare happens all the time */
    bool unrecorded;         /* run only: for measuring what recording costs */
    void (*progress)(void *arg, uint64_t done); /* NULL; called about once a second */
    void *arg;
};
struct rs_result {
    double seconds;
    double processor; /* seconds of all processors that the sessions took, without gathering */
    uint64_t committed, aborted;
    uint64_t escalations, switches, checkpoints, lock_waits, extensions;
    char failure[360]; /* of a call that failed with what is no answer and no retry */
};
/* OK with a finished history (empty when unrecorded); else result->failure says what went wrong. */
int rs_run(const struct rs_options *options, struct hs_history *history, struct rs_result *result);

/* soak_shapes.c: one transaction of a random shape; returns what its commit or its failing call returned, or that it was
 * rolled back because that was drawn. */
enum { RS_ROLLED_BACK = 1 };
struct rs_session;
int rs_transaction(struct rs_session *session, varve_isolation level, uint64_t retry_token);

#endif
