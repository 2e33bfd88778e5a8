/* explorer.h - strategies that choose switches inside operations, and searches made of many woven runs. Test builds only.
 *
 * PCT: Burckhardt, Kothari, Musuvathi, Nagarakatte, A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs,
 * ASPLOS 2010: random priorities and depth - 1 random places where the running one falls to the lowest. Bounded: Musuvathi,
 * Qadeer, Iterative Context Bounding for Systematic Testing of Multithreaded Programs, PLDI 2007: every run with at most
 * `bound` preemptions.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_EXPLORER_H
#define VARVE_SUITE_EXPLORER_H

#ifdef VARVE_TEST_POINTS

#include "base/random.h"
#include "explore/weave.h"

enum sx_kind { SX_PCT, SX_WALK, SX_BOUNDED, SX_REPLAY };

struct sx_search {
    struct sx_setup setup;
    enum sx_kind kind;
    uint64_t seed;       /* PCT, WALK: the first; later runs use seed + 1, ... */
    uint64_t runs;       /* PCT, WALK: how many; BOUNDED: at most */
    unsigned depth;      /* PCT: change points + 1; BOUNDED: preemptions at most */
    const struct sx_switch *replay; /* REPLAY */
    unsigned replay_count;
};
struct sx_found {
    uint64_t runs, turns, faults; /* done */
    bool complete;                /* BOUNDED: every run of the bound was made */
    uint64_t reached[(VK_POINT_COUNT + 63) / 64];
    bool bad;
    uint64_t bad_seed;            /* PCT, WALK */
    struct sx_outcome outcome;    /* the bad run, or the last one; the caller releases it */
};
/* Runs until something bad is found or the search is over. OK, or what kept it from running (found->outcome.text). */
int sx_explore(const struct sx_search *search, struct sx_found *found);
/* "pct seed 17", or the switches of a bad run as "turn:fibre,...", as sx_parse_switches takes them. */
void sx_describe(const struct sx_search *search, const struct sx_found *found, char *buffer, size_t buffer_bytes);
unsigned sx_parse_switches(const char *text, struct sx_switch *switches, unsigned most);

/* A random program of 2 or 3 sessions over a few keys, for searches: the same seed, the same program. */
void sx_random_program(uint64_t seed, struct ss_schedule *program);

#endif
#endif
