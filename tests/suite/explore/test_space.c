/* test_space.c - the enumeration is complete and without repeats: its sizes are those that counting by symmetry gives.
 *
 * With m bodies, f of them unchanged when the keys are swapped, the number of unordered pairs up to that swap is by
 * Burnside's lemma (m(m+1)/2 + f(f+1)/2 + (m-f)/2) / 2.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "explore/space.h"

static void pairs_are_as_many_as_counting_says(void **state) {
    (void)state;
    const unsigned bodies[] = {0, 7, 56, 399};
    for (unsigned ops = 1; ops <= 3; ops++) {
        struct sx_space space = {.txns = 2, .ops = ops};
        uint64_t m = bodies[ops], f = ops;
        assert_int_equal(sx_programs(&space), (m * (m + 1) / 2 + f * (f + 1) / 2 + (m - f) / 2) / 2);
    }
}

static void sizes_are_those_written_down(void **state) {
    (void)state;
    const struct {
        struct sx_space space;
        uint64_t programs, interleavings;
    } known[] = {{{2, 2, false}, 813, 14316}, {{2, 3, false}, 40002, 2397351}, {{3, 2, false}, 15457, 20070440}};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(sx_programs(&known[i].space), known[i].programs);
        assert_int_equal(sx_interleavings(&known[i].space), known[i].interleavings);
    }
}

static void programs_are_schedules(void **state) {
    static struct ss_schedule schedule;
    struct sx_space space = {.txns = 2, .ops = 2};
    struct sx_program program;
    (void)state;
    sx_first(&space, &program);
    do {
        sx_schedule(&space, &program, &schedule);
        assert_int_equal(schedule.first_step[2], schedule.step_count);
        for (unsigned s = 0; s < 2; s++) {
            unsigned last = schedule.first_step[s + 1] - 1;
            assert_int_equal(schedule.steps[last].verb, SS_COMMIT);
            for (unsigned i = schedule.first_step[s]; i < last; i++)
                assert_int_not_equal(schedule.steps[i].verb, SS_COMMIT);
        }
    } while (sx_next(&space, &program));
    assert_int_equal(program.index, 812);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_as_many_as_counting_says),
        cmocka_unit_test(sizes_are_those_written_down),
        cmocka_unit_test(programs_are_schedules),
    };
    return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
