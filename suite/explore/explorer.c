/* explorer.c - PCT, the random walk, the search with bounded preemptions, and replay.
 *
 * SPDX-License-Identifier: MIT
 */
#include "explore/explorer.h"

#ifdef VARVE_TEST_POINTS

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRACED_TURNS = 4096, USUAL_TURNS = 150, WALK_STAYS = 6 };

/* The next fibre after `current` that is ready. */
static unsigned next_ready(unsigned current, uint32_t ready) {
    for (unsigned step = 1; step <= 32; step++)
        if ((ready >> (current + step) % 32 & 1) != 0) return (current + step) % 32;
    return current;
}

static unsigned stay_or_next(unsigned current, uint32_t ready) {
    return current < 32 && (ready >> current & 1) != 0 ? current : next_ready(current, ready);
}

/* --- PCT ---------------------------------------------------------------------------------------------------------- */

struct pct {
    struct sx_strategy strategy;
    unsigned changes;
    uint32_t change_at[8];
    unsigned priority[32]; /* higher goes first */
    unsigned lowest;       /* below every one in use */
};

static unsigned highest(const struct pct *p, uint32_t ready) {
    unsigned best = 32;
    for (unsigned i = 0; i < 32; i++)
        if ((ready >> i & 1) != 0 && (best == 32 || p->priority[i] > p->priority[best])) best = i;
    return best;
}

static unsigned pct_choose(struct sx_strategy *strategy, uint32_t turn, unsigned current, uint32_t ready) {
    struct pct *p = (struct pct *)strategy;
    for (unsigned i = 0; i < p->changes; i++)
        if (p->change_at[i] == turn && current < 32) p->priority[current] = --p->lowest;
    return highest(p, ready);
}

static void pct_init(struct pct *p, uint64_t seed, unsigned depth, uint32_t turns) {
    struct vb_random random;
    vb_random_init(&random, seed);
    memset(p, 0, sizeof(*p));
    p->strategy.choose = pct_choose;
    p->changes = depth > 1 ? depth - 1 : 0;
    if (p->changes > 8) p->changes = 8;
    p->lowest = 1000;
    for (unsigned i = 0; i < 32; i++) p->priority[i] = 1000 + (unsigned)vb_random_below(&random, 1 << 20);
    for (unsigned i = 0; i < p->changes; i++) p->change_at[i] = 1 + (uint32_t)vb_random_below(&random, turns);
}

/* --- the random walk ---------------------------------------------------------------------------------------------- */

struct walk {
    struct sx_strategy strategy;
    struct vb_random random;
};

static unsigned walk_choose(struct sx_strategy *strategy, uint32_t turn, unsigned current, uint32_t ready) {
    struct walk *w = (struct walk *)strategy;
    (void)turn;
    bool stays = current < 32 && (ready >> current & 1) != 0;
    if (stays && vb_random_below(&w->random, WALK_STAYS) != 0) return current;
    uint64_t nth = vb_random_below(&w->random, (uint64_t)__builtin_popcount(ready));
    uint32_t left = ready;
    while (nth-- > 0) left &= left - 1;
    return (unsigned)__builtin_ctz(left);
}

/* --- a given list of switches ------------------------------------------------------------------------------------- */

struct listed {
    struct sx_strategy strategy;
    const struct sx_switch *switches;
    unsigned count, at;
    uint32_t seen;               /* turns traced */
    uint16_t ready[TRACED_TURNS]; /* who could have gone on at each turn */
    uint8_t chosen[TRACED_TURNS];
};

static unsigned listed_choose(struct sx_strategy *strategy, uint32_t turn, unsigned current, uint32_t ready) {
    struct listed *l = (struct listed *)strategy;
    unsigned next = stay_or_next(current, ready);
    while (l->at < l->count && l->switches[l->at].turn < turn) l->at++;
    if (l->at < l->count && l->switches[l->at].turn == turn && (ready >> l->switches[l->at].fibre & 1) != 0)
        next = l->switches[l->at].fibre;
    if (turn < TRACED_TURNS) {
        for (; l->seen < turn; l->seen++) l->ready[l->seen] = 0;
        l->ready[turn] = (uint16_t)ready;
        l->chosen[turn] = (uint8_t)next;
        l->seen = turn + 1;
    }
    return next;
}

/* --- searches ----------------------------------------------------------------------------------------------------- */

static void take(struct sx_found *found, const struct sx_outcome *outcome) {
    found->runs++;
    found->turns += outcome->turns;
    found->faults += outcome->faults;
    for (unsigned i = 0; i < (VK_POINT_COUNT + 63) / 64; i++) found->reached[i] |= outcome->reached[i];
    found->bad = sx_bad(outcome);
}

static int one(const struct sx_search *search, struct sx_strategy *strategy, struct sx_found *found) {
    sx_outcome_release(&found->outcome);
    int status = sx_weave(&search->setup, strategy, &found->outcome);
    if (status == VARVE_OK) take(found, &found->outcome);
    return status;
}

static int seeded(const struct sx_search *search, struct sx_found *found) {
    int status = VARVE_OK;
    uint32_t turns = USUAL_TURNS;
    for (uint64_t i = 0; i < search->runs && status == VARVE_OK && !found->bad; i++) {
        struct pct pct;
        struct walk walk = {.strategy = {walk_choose}};
        found->bad_seed = search->seed + i;
        vb_random_init(&walk.random, found->bad_seed);
        pct_init(&pct, found->bad_seed, search->depth, turns);
        status = one(search, search->kind == SX_PCT ? &pct.strategy : &walk.strategy, found);
    }
    return status;
}

struct bounded {
    const struct sx_search *search;
    struct sx_found *found;
    struct sx_switch switches[8];
};

/* All runs that begin with switches[0..count) and have at most `left` more. */
static int extend(struct bounded *b, unsigned count, unsigned left) {
    struct listed *l = calloc(1, sizeof(*l));
    if (l == NULL) return VARVE_NOMEM;
    l->strategy.choose = listed_choose;
    l->switches = b->switches;
    l->count = count;
    int status = one(b->search, &l->strategy, b->found);
    uint32_t from = count != 0 ? b->switches[count - 1].turn + 1 : 0;
    for (uint32_t turn = from; left != 0 && turn < l->seen; turn++) {
        for (uint32_t others = l->ready[turn] & ~(1u << l->chosen[turn]); others != 0; others &= others - 1) {
            if (status != VARVE_OK || b->found->bad) break;
            if (b->found->runs >= b->search->runs) {
                b->found->complete = false;
                break;
            }
            b->switches[count] = (struct sx_switch){turn, (uint8_t)__builtin_ctz(others)};
            status = extend(b, count + 1, left - 1);
        }
    }
    free(l);
    return status;
}

int sx_explore(const struct sx_search *search, struct sx_found *found) {
    memset(found, 0, sizeof(*found));
    found->complete = true;
    if (search->kind == SX_PCT || search->kind == SX_WALK) return seeded(search, found);
    struct bounded b = {.search = search, .found = found};
    if (search->kind == SX_BOUNDED) return extend(&b, 0, search->depth < 8 ? search->depth : 8);
    struct listed *l = calloc(1, sizeof(*l));
    if (l == NULL) return VARVE_NOMEM;
    *l = (struct listed){.strategy = {listed_choose}, .switches = search->replay, .count = search->replay_count};
    int status = one(search, &l->strategy, found);
    free(l);
    return status;
}

void sx_describe(const struct sx_search *search, const struct sx_found *found, char *buffer, size_t buffer_bytes) {
    if (search->kind == SX_PCT || search->kind == SX_WALK) {
        snprintf(buffer, buffer_bytes, "%s seed %llu", search->kind == SX_PCT ? "pct" : "walk",
                 (unsigned long long)found->bad_seed);
        return;
    }
    size_t at = (size_t)snprintf(buffer, buffer_bytes, "switches ");
    for (unsigned i = 0; i < found->outcome.switch_count && at < buffer_bytes; i++)
        at += (size_t)snprintf(buffer + at, buffer_bytes - at, "%s%u:%u", i != 0 ? "," : "",
                               found->outcome.switches[i].turn, found->outcome.switches[i].fibre);
}

unsigned sx_parse_switches(const char *text, struct sx_switch *switches, unsigned most) {
    unsigned count = 0, turn, fibre;
    int used;
    while (count < most && sscanf(text, "%u:%u%n", &turn, &fibre, &used) == 2) {
        switches[count++] = (struct sx_switch){turn, (uint8_t)fibre};
        text += used;
        if (*text != ',') break;
        text++;
    }
    return count;
}

#else
typedef int sx_explorer_needs_test_points; /* a file must not be empty */
#endif
