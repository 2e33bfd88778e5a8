/* test_policy.c - what a lock holder does about another.
 *
 * SPDX-License-Identifier: MIT
 */
#include "lock_fixture.h"

static const struct vlm_party old_one = {100, 7, true, false}, young_one = {200, 3, true, false};

static void policy__by_age(void **state) {
    (void)state;
    static const struct {
        enum vcc_deadlock policy;
        enum vlm_verdict old_meets_young, young_meets_old;
    } rows[] = {
        {VCC_WOUND_WAIT, VLM_WOUNDS, VLM_WAITS},
        {VCC_NO_WAIT, VLM_DIES, VLM_DIES},
        {VCC_WAIT_DIE, VLM_WAITS, VLM_DIES},
        {VCC_DETECT, VLM_WAITS, VLM_WAITS},
    };
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(vlm_on_conflict(rows[i].policy, &young_one, &old_one), rows[i].old_meets_young);
        assert_int_equal(vlm_on_conflict(rows[i].policy, &old_one, &young_one), rows[i].young_meets_old);
    }
}

static void policy__ordinary_and_committing_are_waited_for(void **state) {
    (void)state;
    struct vlm_party ordinary = young_one, committing = young_one;
    ordinary.lock_holder = false;
    committing.committing = true;
    for (enum vcc_deadlock policy = VCC_WOUND_WAIT; policy <= VCC_DETECT; policy++) {
        assert_int_equal(vlm_on_conflict(policy, &ordinary, &old_one), VLM_WAITS);
        assert_int_equal(vlm_on_conflict(policy, &committing, &old_one), VLM_WAITS);
    }
}

static void policy__equal_ages_are_told_apart(void **state) {
    (void)state;
    struct vlm_party a = {100, 1, true, false}, b = {100, 2, true, false};
    assert_true(vlm_older(&a, &b));
    assert_false(vlm_older(&b, &a));
    assert_int_equal(vlm_on_conflict(VCC_WOUND_WAIT, &b, &a), VLM_WOUNDS);
    assert_int_equal(vlm_on_conflict(VCC_WOUND_WAIT, &a, &b), VLM_WAITS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policy__by_age),
        cmocka_unit_test(policy__ordinary_and_committing_are_waited_for),
        cmocka_unit_test(policy__equal_ages_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
