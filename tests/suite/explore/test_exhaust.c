/* test_exhaust.c - every interleaving of two transactions of up to two operations, at every scheme and level, in four
 * settings; and a fixed sample of those of up to three operations, and of three transactions. With VARVE_TEST_BUDGET at
 * 10, as ./check --long sets it, all of two transactions of up to three.
 *
 * Also: the judge behind it is no rubber stamp. A run in which one answer is changed is found unsafe.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "explore/exhaust.h"
#include "model/oracle.h"
#include "step/step.h"
#include "support/testdb.h"

static struct sx_exhaust_result result;

static void run(struct sx_exhaust options) {
    for (unsigned i = 0; i < SX_SCHEMES; i++) options.schemes[i] = td_scheme_wanted(td_schemes[i]);
    for (unsigned level = 1; level <= SX_LEVELS; level++) options.levels[level] = true;
    options.threads = 2;
    int status = sx_exhaust(&options, &result);
    if (status != VARVE_OK) fprintf(stderr, "%s\n", result.error);
    assert_int_equal(status, VARVE_OK);
    printf("%ux%u: %llu interleavings, %llu runs\n", options.space.txns, options.space.ops,
           (unsigned long long)result.interleavings, (unsigned long long)result.runs);
    for (unsigned i = 0; i < SX_SCHEMES; i++)
        for (unsigned level = 1; level <= SX_LEVELS; level++)
            if (result.counts[i][level].first_bad[0] != 0)
                fprintf(stderr, "%s %u: %s\n", td_schemes[i], level, result.counts[i][level].first_bad);
    assert_int_equal(sx_exhaust_bad(&result), 0);
}

static void two_of_two_hold(void **state) {
    (void)state;
    run((struct sx_exhaust){.space = {2, 2, false}, .every = 1});
    assert_int_equal(result.interleavings, 14316);
    run((struct sx_exhaust){.space = {2, 2, true}, .every = 1});
    run((struct sx_exhaust){.space = {2, 2, false}, .every = 1, .ghosts = true, .tiny = true});
    run((struct sx_exhaust){.space = {2, 2, true}, .every = 3, .ghosts = true, .deadlock = "detect"});
}

static void two_of_three_hold(void **state) {
    uint64_t share = td_case_count(1);
    (void)state;
    run((struct sx_exhaust){.space = {2, 3, false}, .every = share >= 10 ? 1 : 100 / share});
    run((struct sx_exhaust){.space = {2, 3, true}, .every = 400 / share, .tiny = true});
}

static void three_of_two_hold(void **state) {
    uint64_t share = td_case_count(1);
    (void)state;
    run((struct sx_exhaust){.space = {3, 2, false}, .every = 1500 / share});
    run((struct sx_exhaust){.space = {3, 2, true}, .every = 6000 / share, .deadlock = "wait_die"});
}

/* Changes the first read that found something in a committed transaction. */
static bool change_an_answer(const struct ss_schedule *p, struct ss_run *r) {
    for (unsigned i = 0; i < p->step_count; i++) {
        struct ss_answer *a = &r->answers[i];
        if (p->steps[i].verb != SS_GET || !a->done || a->status != VARVE_OK || !r->txns[p->steps[i].txn].committed) continue;
        a->value += 1000;
        return true;
    }
    return false;
}

static void a_changed_answer_is_unsafe(void **state) {
    static struct ss_schedule schedule;
    static struct ss_run run_of;
    struct sx_space space = {2, 2, false};
    struct sx_program program;
    struct st_stage *stage;
    char error[200];
    uint8_t order[SS_STEPS_MAX];
    unsigned changed = 0;
    struct st_options options = {.scheme = "mvcc", .level = VARVE_READ_COMMITTED};
    (void)state;
    assert_int_equal(st_open(&options, &stage, error, sizeof(error)), VARVE_OK);
    sx_first(&space, &program);
    do {
        struct sm_verdict verdict;
        sx_schedule(&space, &program, &schedule);
        ss_interleaving(&schedule, 0, order);
        assert_int_equal(st_run(stage, &schedule, order, &run_of), VARVE_OK);
        if (!change_an_answer(&schedule, &run_of)) continue;
        sm_judge(&schedule, &run_of, false, &verdict);
        assert_false(verdict.safe);
        changed++;
    } while (sx_next(&space, &program));
    st_close(stage);
    assert_true(changed > 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changed_answer_is_unsafe),
        cmocka_unit_test(two_of_two_hold),
        cmocka_unit_test(two_of_three_hold),
        cmocka_unit_test(three_of_two_hold),
    };
    td_watchdog(290);
    return cmocka_run_group_tests_name("exhaust", tests, NULL, NULL);
}
