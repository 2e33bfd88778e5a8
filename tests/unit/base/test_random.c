/* test_random.c - the generator: known answers, same seed same numbers, bounds, evenness.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Computed by hand from the published recurrence: state 1, 2, 3, 4 gives 11520, 0, 1509978240. */
static void random__known_answers(void **state) {
    (void)state;
    struct vb_random random = {{1, 2, 3, 4}};
    assert_true(vb_random_u64(&random) == 11520);
    assert_true(vb_random_u64(&random) == 0);
    assert_true(vb_random_u64(&random) == 1509978240);
    vb_random_init(&random, 0); /* splitmix64 of 0 */
    assert_true(random.s[0] == 0xe220a8397b1dcdafu);
    assert_true(random.s[1] == 0x6e789e6aa1b965f4u);
}

static void random__same_seed_same_numbers(void **state) {
    (void)state;
    struct vb_random a, b, c;
    vb_random_init(&a, 42);
    vb_random_init(&b, 42);
    vb_random_init(&c, 43);
    int equal = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t r = vb_random_u64(&a);
        assert_true(r == vb_random_u64(&b));
        equal += r == vb_random_u64(&c);
    }
    assert_int_equal(equal, 0);
}

static void random__stays_below_and_is_even(void **state) {
    (void)state;
    struct vb_random random;
    vb_random_init(&random, 1);
    const uint64_t bounds[] = {1, 2, 3, 7, 8, 1000, (1ull << 63) + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
        for (int k = 0; k < 2000; k++)
            assert_true(vb_random_below(&random, bounds[i]) < bounds[i]);
    unsigned counts[7] = {0};
    for (int k = 0; k < 70000; k++)
        counts[vb_random_below(&random, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 9600, 10400); /* four standard deviations */
    /* Without the rejection two thirds of the range would be twice as likely as the rest. */
    uint64_t bound = 3ull << 62;
    unsigned low = 0;
    for (int k = 0; k < 30000; k++)
        low += vb_random_below(&random, bound) < 1ull << 62;
    assert_in_range(low, 9600, 10400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random__known_answers),
        cmocka_unit_test(random__same_seed_same_numbers),
        cmocka_unit_test(random__stays_below_and_is_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
