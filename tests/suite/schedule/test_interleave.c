/* test_interleave.c - the interleavings are all of them, each once, in lexical order: compared with a plain recursion.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "schedule/schedule.h"

static struct ss_schedule schedule;

/* Sessions of so many steps each; ends with 0. */
static void sessions_of(const unsigned *steps) {
    char text[4000];
    struct ss_problem problem;
    const char *next;
    unsigned line;
    size_t used = (size_t)snprintf(text, sizeof text, "schedule A1 x\n");
    for (unsigned s = 0; steps[s] > 0; s++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "s%u: r x", s + 1);
        for (unsigned i = 1; i < steps[s]; i++) used += (size_t)snprintf(text + used, sizeof text - used, " | r x");
        used += (size_t)snprintf(text + used, sizeof text - used, "\n");
    }
    assert_int_equal(ss_parse(text, 1, &schedule, &next, &line, &problem), VARVE_OK);
}

struct brute {
    unsigned taken[SS_SESSIONS_MAX];
    uint8_t order[SS_STEPS_MAX];
    uint8_t stepped[SS_STEPS_MAX];
    uint64_t count;
    bool more;
};

static void visit(struct brute *b, unsigned depth) {
    if (depth == schedule.step_count) {
        uint8_t found[SS_STEPS_MAX];
        ss_interleaving(&schedule, b->count++, found);
        assert_memory_equal(found, b->order, depth);
        assert_true(b->more);
        assert_memory_equal(b->stepped, b->order, depth);
        b->more = ss_interleaving_next(&schedule, b->stepped);
        return;
    }
    for (unsigned s = 0; s < schedule.session_count; s++) {
        unsigned step = schedule.first_step[s] + b->taken[s];
        if (step == schedule.first_step[s + 1]) continue;
        bool parted = schedule.steps[step].joined && (depth == 0 || b->order[depth - 1] != step - 1);
        bool must_follow = depth > 0 && b->order[depth - 1] + 1u < schedule.step_count &&
                           schedule.steps[b->order[depth - 1] + 1].joined;
        if (parted || (must_follow && step != b->order[depth - 1] + 1u)) continue;
        b->order[depth] = (uint8_t)step;
        b->taken[s]++;
        visit(b, depth + 1);
        b->taken[s]--;
    }
}

static void as_a_plain_recursion_finds_them(void **state) {
    static const unsigned shapes[][5] = {{1},    {3},          {1, 1},    {3, 2},   {2, 2, 2},
                                         {4, 4}, {1, 2, 3, 1}, {3, 3, 3}, {5, 1, 2}};
    (void)state;
    for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct brute b = {.more = true};
        sessions_of(shapes[i]);
        ss_interleaving(&schedule, 0, b.stepped);
        visit(&b, 0);
        assert_int_equal(b.count, ss_interleavings(&schedule));
        assert_false(b.more);
        uint8_t first[SS_STEPS_MAX];
        ss_interleaving(&schedule, 0, first);
        assert_memory_equal(b.stepped, first, schedule.step_count);
    }
}

static void joined_steps_stay_together(void **state) {
    static const char text[] = "schedule PG x\ns1: w x 1 | c\ns2: r x & w y r(x)+1 & r z | c\ns3: r y | c & r x & c\n";
    struct ss_problem problem;
    const char *next;
    unsigned line;
    struct brute b = {.more = true};
    (void)state;
    assert_int_equal(ss_parse(text, 1, &schedule, &next, &line, &problem), VARVE_OK);
    assert_int_equal(ss_interleavings(&schedule), 90);
    ss_interleaving(&schedule, 0, b.stepped);
    visit(&b, 0);
    assert_int_equal(b.count, 90);
    assert_false(b.more);
}

static void known_counts(void **state) {
    (void)state;
    sessions_of((const unsigned[]){3, 2, 2, 0}); /* 7! / 3! 2! 2! */
    assert_int_equal(ss_interleavings(&schedule), 210);
    sessions_of((const unsigned[]){2, 2, 2, 0});
    assert_int_equal(ss_interleavings(&schedule), 90);
    sessions_of((const unsigned[]){12, 12, 12, 12, 12, 12, 12, 12, 0}); /* 1.2e80: does not fit */
    assert_true(ss_interleavings(&schedule) == UINT64_MAX);
}

/* The last of those that can be numbered is still a shuffle of the sessions, and larger ranks come later. */
static void ranks_beyond_what_fits(void **state) {
    uint8_t before[SS_STEPS_MAX], order[SS_STEPS_MAX];
    (void)state;
    sessions_of((const unsigned[]){12, 12, 12, 12, 12, 12, 12, 12, 0});
    ss_interleaving(&schedule, 0, before);
    for (uint64_t n = 1; n > 0; n <<= 3) {
        bool seen[SS_STEPS_MAX] = {false};
        ss_interleaving(&schedule, n, order);
        for (unsigned i = 0; i < schedule.step_count; i++) {
            assert_false(seen[order[i]]);
            seen[order[i]] = true;
        }
        assert_true(memcmp(before, order, schedule.step_count) < 0);
        memcpy(before, order, sizeof before);
    }
}

static void a_list_is_run_as_it_stands(void **state) {
    static const char text[] = "schedule A1 x\ns1: r x | c\ns2: r y | c\nrun s2.1 s1.1 s1.2 s2.2\nrun 1 1 2 2\n";
    static const uint8_t wanted[2][4] = {{2, 0, 1, 3}, {0, 1, 2, 3}};
    struct ss_problem problem;
    const char *next;
    unsigned line;
    (void)state;
    assert_int_equal(ss_parse(text, 1, &schedule, &next, &line, &problem), VARVE_OK);
    assert_int_equal(ss_interleavings(&schedule), 2);
    for (unsigned n = 0; n < 2; n++) {
        uint8_t order[SS_STEPS_MAX];
        ss_interleaving(&schedule, n, order);
        assert_memory_equal(order, wanted[n], 4);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_a_plain_recursion_finds_them),
        cmocka_unit_test(joined_steps_stay_together),
        cmocka_unit_test(known_counts),
        cmocka_unit_test(ranks_beyond_what_fits),
        cmocka_unit_test(a_list_is_run_as_it_stands),
    };
    return cmocka_run_group_tests_name("interleave", tests, NULL, NULL);
}
