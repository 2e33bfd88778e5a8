/* space.c - enumeration of the small programs.
 *
 * A body is a number: 0..6 are the lists of one operation, then those of two, then those of three, as digits to the base
 * of the alphabet. A program is a tuple of bodies that does not fall; it is canonical when swapping the two keys does not
 * give a smaller tuple.
 *
 * SPDX-License-Identifier: MIT
 */
#include "explore/space.h"

#include <stdio.h>
#include <string.h>

enum letter { READ_X, READ_Y, WRITE_X, WRITE_Y, DELETE_X, DELETE_Y, SCAN };

static unsigned body_count(const struct sx_space *space) {
    unsigned total = 0, power = 1;
    for (unsigned n = 0; n < space->ops; n++) total += power *= SX_ALPHABET;
    return total;
}

/* The letters of a body; returns how many. */
static unsigned letters_of(unsigned body, uint8_t letters[SX_OPS_MAX]) {
    unsigned length = 1, lists = SX_ALPHABET;
    while (body >= lists) {
        body -= lists;
        lists *= SX_ALPHABET;
        length++;
    }
    for (unsigned i = length; i-- > 0; body /= SX_ALPHABET) letters[i] = (uint8_t)(body % SX_ALPHABET);
    return length;
}

static unsigned body_of(const uint8_t *letters, unsigned length) {
    unsigned before = 0, lists = SX_ALPHABET, body = 0;
    for (unsigned n = 1; n < length; n++) {
        before += lists;
        lists *= SX_ALPHABET;
    }
    for (unsigned i = 0; i < length; i++) body = body * SX_ALPHABET + letters[i];
    return before + body;
}

static uint16_t with_keys_swapped(uint16_t body) {
    uint8_t letters[SX_OPS_MAX];
    unsigned length = letters_of(body, letters);
    for (unsigned i = 0; i < length; i++)
        if (letters[i] != SCAN) letters[i] ^= 1;
    return (uint16_t)body_of(letters, length);
}

static bool canonical(const struct sx_space *space, const uint16_t *bodies) {
    uint16_t swapped[SX_TXNS_MAX];
    for (unsigned i = 0; i < space->txns; i++) {
        uint16_t body = with_keys_swapped(bodies[i]);
        unsigned at = i;
        for (; at > 0 && swapped[at - 1] > body; at--) swapped[at] = swapped[at - 1];
        swapped[at] = body;
    }
    for (unsigned i = 0; i < space->txns; i++)
        if (swapped[i] != bodies[i]) return bodies[i] < swapped[i];
    return true;
}

void sx_first(const struct sx_space *space, struct sx_program *program) {
    (void)space;
    memset(program, 0, sizeof(*program));
}

bool sx_next(const struct sx_space *space, struct sx_program *program) {
    unsigned bodies = body_count(space);
    do {
        unsigned at = space->txns;
        while (at > 0 && program->bodies[at - 1] + 1u == bodies) at--;
        if (at == 0) return false;
        uint16_t body = (uint16_t)(program->bodies[at - 1] + 1);
        for (unsigned i = at - 1; i < space->txns; i++) program->bodies[i] = body;
    } while (!canonical(space, program->bodies));
    program->index++;
    return true;
}

static uint64_t choose(unsigned n, unsigned k) {
    uint64_t ways = 1;
    for (unsigned i = 1; i <= k; i++) ways = ways * (n - k + i) / i;
    return ways;
}

static uint64_t interleavings_of(const struct sx_space *space, const struct sx_program *program) {
    uint64_t ways = 1;
    unsigned steps = 0;
    uint8_t letters[SX_OPS_MAX];
    for (unsigned i = 0; i < space->txns; i++) {
        unsigned length = letters_of(program->bodies[i], letters) + 1;
        steps += length;
        ways *= choose(steps, length);
    }
    return ways;
}

static uint64_t count(const struct sx_space *space, bool interleavings) {
    struct sx_program program;
    uint64_t total = 0;
    sx_first(space, &program);
    do
        total += interleavings ? interleavings_of(space, &program) : 1;
    while (sx_next(space, &program));
    return total;
}

uint64_t sx_programs(const struct sx_space *space) { return count(space, false); }
uint64_t sx_interleavings(const struct sx_space *space) { return count(space, true); }

/* --- as a schedule ------------------------------------------------------------------------------------------------ */

static void fill_step(struct ss_step *step, unsigned letter, int64_t value) {
    static const char *const texts[] = {"r x", "r y", "w x", "w y", "d x", "d y", "s [x,z)"};
    static const enum ss_verb verbs[] = {SS_GET, SS_GET, SS_PUT, SS_PUT, SS_DELETE, SS_DELETE, SS_SCAN};
    step->verb = verbs[letter];
    step->key = letter & 1;
    if (letter == SCAN) {
        step->key = 0;
        step->range = (struct ss_range){.low = 0, .high = 2};
    }
    if (step->verb == SS_PUT) {
        step->value.count = 1;
        step->value.terms[0] = (struct ss_term){.kind = SS_NUMBER, .number = value};
        snprintf(step->text, sizeof(step->text), "%s %lld", texts[letter], (long long)value);
    } else {
        snprintf(step->text, sizeof(step->text), "%s", texts[letter]);
    }
}

static void add_session(struct ss_schedule *schedule, unsigned session, uint16_t body) {
    uint8_t letters[SX_OPS_MAX];
    unsigned length = letters_of(body, letters);
    schedule->first_step[session] = schedule->step_count;
    for (unsigned i = 0; i <= length; i++) {
        struct ss_step *step = &schedule->steps[schedule->step_count++];
        memset(step, 0, sizeof(*step));
        step->session = step->txn = (uint8_t)session;
        step->number = (uint8_t)i;
        if (i < length) {
            fill_step(step, letters[i], (int64_t)(session + 1) * 10 + i);
            continue;
        }
        step->verb = SS_COMMIT;
        snprintf(step->text, sizeof(step->text), "c");
    }
    schedule->first_step[session + 1] = schedule->step_count;
}

void sx_schedule(const struct sx_space *space, const struct sx_program *program, struct ss_schedule *schedule) {
    memset(schedule, 0, offsetof(struct ss_schedule, steps));
    schedule->constraint_count = schedule->listed_count = schedule->condition_count = schedule->rule_count = 0;
    schedule->durable = false;
    schedule->run_all = true;
    snprintf(schedule->id, sizeof(schedule->id), "SPACE");
    snprintf(schedule->name, sizeof(schedule->name), "%ux%u/%llu", space->txns, space->ops,
             (unsigned long long)program->index);
    schedule->session_count = schedule->txn_count = space->txns;
    schedule->key_count = 3;
    for (unsigned k = 0; k < 3; k++) {
        snprintf(schedule->keys[k], sizeof(schedule->keys[k]), "%c", "xyz"[k]);
        schedule->initial[k] = k < 2 && !space->empty ? 0 : SS_ABSENT;
    }
    for (unsigned i = 0; i < space->txns; i++) add_session(schedule, i, program->bodies[i]);
}
