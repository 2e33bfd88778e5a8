/* programs.c - random programs for searches inside operations. Test builds only.
 *
 * SPDX-License-Identifier: MIT
 */
#include "explore/explorer.h"

#ifdef VARVE_TEST_POINTS

#include <stdio.h>
#include <string.h>

enum { KEYS = 5, STEPS_A_TXN = 4 };

/* One in three of the rows is there at the start, so that ghosts and inserts are common; in some programs all are, and
 * the first session deletes them, so that leaves become empty. */
static void set_keys(struct ss_schedule *p, struct vb_random *random, bool all) {
    p->key_count = KEYS;
    for (unsigned k = 0; k < KEYS; k++) {
        snprintf(p->keys[k], sizeof(p->keys[k]), "%c", 'a' + (int)k);
        p->initial[k] = all || vb_random_below(random, 3) == 0 ? 1 : SS_ABSENT;
    }
}

static void random_step(struct ss_step *step, struct vb_random *random) {
    static const struct {
        enum ss_verb verb;
        const char *text;
    } mix[] = {{SS_GET, "r"},    {SS_GET, "r"},     {SS_GET, "r"},  {SS_PUT, "w"},    {SS_PUT, "w"},
               {SS_PUT, "w"},    {SS_INSERT, "ins"}, {SS_UPDATE, "upd"}, {SS_DELETE, "d"}, {SS_DELETE, "d"},
               {SS_SCAN, "s"},   {SS_SCAN, "s"},    {SS_HAS, "has"}, {SS_GET_FOR_UPDATE, "g"}};
    unsigned n = (unsigned)vb_random_below(random, sizeof mix / sizeof *mix);
    step->verb = mix[n].verb;
    step->key = (uint8_t)vb_random_below(random, KEYS);
    snprintf(step->text, sizeof(step->text), "%s %c", mix[n].text, 'a' + step->key);
    if (step->verb != SS_SCAN) return;
    unsigned low = (unsigned)vb_random_below(random, KEYS), high = low + 1 + (unsigned)vb_random_below(random, KEYS);
    step->range = (struct ss_range){.low = (uint8_t)low,
                                    .high = (uint8_t)(high < KEYS ? high : SS_KEYS_MAX),
                                    .reverse = vb_random_below(random, 4) == 0,
                                    .limit = vb_random_below(random, 4) == 0 ? 1 : 0};
    snprintf(step->text, sizeof(step->text), "s [%c,%c)", 'a' + (int)low, high < KEYS ? 'a' + (int)high : ' ');
}

static struct ss_step *add(struct ss_schedule *p, unsigned session) {
    struct ss_step *step = &p->steps[p->step_count++];
    memset(step, 0, sizeof(*step));
    step->session = (uint8_t)session;
    step->number = (uint8_t)(p->step_count - 1 - p->first_step[session]);
    step->txn = (uint8_t)p->txn_count;
    return step;
}

static void delete_all(struct ss_schedule *p, unsigned session) {
    for (unsigned k = 0; k < KEYS; k++) {
        struct ss_step *step = add(p, session);
        step->verb = SS_DELETE;
        step->key = (uint8_t)k;
        snprintf(step->text, sizeof(step->text), "d %c", 'a' + (int)k);
    }
}

static void end_txn(struct ss_schedule *p, unsigned session, bool aborts) {
    struct ss_step *last = add(p, session);
    last->verb = aborts ? SS_ABORT : SS_COMMIT;
    snprintf(last->text, sizeof(last->text), "%s", aborts ? "a" : "c");
    p->txn_count++;
}

void sx_random_program(uint64_t seed, struct ss_schedule *p) {
    struct vb_random random;
    vb_random_init(&random, seed);
    memset(p, 0, sizeof(*p));
    snprintf(p->id, sizeof(p->id), "RANDOM");
    snprintf(p->name, sizeof(p->name), "random/%llu", (unsigned long long)seed);
    bool emptied = vb_random_below(&random, 6) == 0;
    set_keys(p, &random, emptied);
    p->session_count = 2 + (unsigned)vb_random_below(&random, 2);
    for (unsigned s = 0; s < p->session_count; s++) {
        p->first_step[s] = p->step_count;
        if (emptied && s == 0) {
            delete_all(p, s);
            end_txn(p, s, false);
        }
        for (uint64_t txns = 1 + vb_random_below(&random, 2); txns > 0; txns--) {
            uint64_t steps = 1 + vb_random_below(&random, STEPS_A_TXN);
            while (steps-- > 0) random_step(add(p, s), &random);
            end_txn(p, s, vb_random_below(&random, 10) == 0);
        }
    }
    p->first_step[p->session_count] = p->step_count;
}

#else
typedef int sx_programs_need_test_points; /* a file must not be empty */
#endif
