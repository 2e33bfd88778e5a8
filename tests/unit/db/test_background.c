/* test_background.c - when the log is long enough for a checkpoint.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/db_int.h"

static const uint64_t MIB = 1 << 20, GIB = 1 << 30;

static void background__small_images_wait_for_the_option(void **state) {
    (void)state;
    assert_true(vdb_log_between_checkpoints(64 * MIB, 0) == 64 * MIB);
    assert_true(vdb_log_between_checkpoints(64 * MIB, 8 * MIB) == 64 * MIB);
    assert_true(vdb_log_between_checkpoints(4 * GIB, 100 * MIB) == 4 * GIB);
}

static void background__eight_images_then_a_gibibyte_then_two_images(void **state) {
    (void)state;
    assert_true(vdb_log_between_checkpoints(64 * MIB, 100 * MIB) == 800 * MIB);
    assert_true(vdb_log_between_checkpoints(64 * MIB, 128 * MIB) == GIB);
    assert_true(vdb_log_between_checkpoints(64 * MIB, 512 * MIB) == GIB);
    assert_true(vdb_log_between_checkpoints(64 * MIB, 10 * GIB) == 20 * GIB);
}

static void background__a_larger_image_never_waits_for_less(void **state) {
    (void)state;
    uint64_t before = 0;
    for (uint64_t image = 0; image < 4 * GIB; image += 7 * MIB) {
        uint64_t wait = vdb_log_between_checkpoints(64 * MIB, image);
        assert_true(wait >= before && wait >= 2 * image);
        before = wait;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(background__small_images_wait_for_the_option),
        cmocka_unit_test(background__eight_images_then_a_gibibyte_then_two_images),
        cmocka_unit_test(background__a_larger_image_never_waits_for_less),
    };
    return cmocka_run_group_tests_name("db.background", tests, NULL, NULL);
}
