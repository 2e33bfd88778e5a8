/* weave.h - runs the sessions of a program inside each other: at every named place of an operation another session may go
 * on. Test builds only (VARVE_TEST_POINTS).
 *
 * All sessions, and the janitor, are fibres of one thread. Whoever runs goes on until it reaches a place of points.h, waits,
 * spins or ends; there a strategy says who is next. What a run did is the list of its switches, so that a seed, or the list
 * itself, gives the same run again.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_WEAVE_H
#define VARVE_SUITE_WEAVE_H

#ifdef VARVE_TEST_POINTS

#include "checker/checker.h"
#include "core/points.h"
#include "schedule/schedule.h"

enum { SX_FIBRES_MAX = SS_SESSIONS_MAX + 3, SX_SWITCHES_MAX = 64, SX_TURNS_MAX = 200000 };

/* "At turn `turn` let `fibre` go on." Turns count the places reached in a run, from 1. */
struct sx_switch {
    uint32_t turn;
    uint8_t fibre;
};

struct sx_setup {
    const struct ss_schedule *program; /* values are replaced by unique ones, guards and expressions do not count */
    const char *scheme, *deadlock;     /* deadlock NULL: wound_wait */
    varve_isolation level;
    bool tiny;       /* leaves of four, four reader bits */
    bool janitor;    /* a fibre that runs janitor rounds */
    const char *switch_to; /* a fibre that switches the scheme to this one, or NULL */
    uint32_t fault;  /* the how-many-th fault place reached fails, 0: none */
};

struct sx_strategy;
/* Who goes on at this turn: `current`, or another of `ready` (bits of fibres). Called only where there is a choice or
 * current cannot go on (its bit is not set then). */
typedef unsigned (*sx_choose_fn)(struct sx_strategy *strategy, uint32_t turn, unsigned current, uint32_t ready);
struct sx_strategy {
    sx_choose_fn choose;
};

struct sx_outcome {
    struct ck_report report;
    struct hs_history history;  /* finished; released by sx_outcome_release */
    bool hang;                  /* nobody could go on, and time did not help */
    bool leftover;              /* a lock, a ghost or an open transaction was left when all had ended */
    bool endless;               /* more than SX_TURNS_MAX turns */
    uint32_t turns, forced;     /* places reached; of them those where the current fibre could not go on */
    uint32_t faults;            /* fault places reached */
    unsigned switch_count;      /* where somebody else went on although the current one could: the preemptions */
    struct sx_switch switches[SX_SWITCHES_MAX];
    uint64_t fingerprint;       /* of everything that happened, in order */
    uint64_t reached[(VK_POINT_COUNT + 63) / 64]; /* places reached */
    char text[300];             /* what went wrong, for hang and leftover */
};
/* One run. OK whatever it found; NOMEM and failures of opening else, with outcome->text. */
int sx_weave(const struct sx_setup *setup, struct sx_strategy *strategy, struct sx_outcome *outcome);
void sx_outcome_release(struct sx_outcome *outcome);
void sx_weave_forget(void); /* gives back the stacks that this thread has kept for its next run */
static inline bool sx_bad(const struct sx_outcome *o) {
    return o->hang || o->leftover || o->endless || o->report.verdict != CK_OK;
}

#endif
#endif
