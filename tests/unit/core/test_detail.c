/* test_detail.c - the detail of a failure: filled, cut, optional.
 *
 * SPDX-License-Identifier: MIT
 */
#include "core/detail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void detail__is_filled_and_status_returned(void **state) {
    (void)state;
    struct vk_detail detail = {.other_txn = 7};
    assert_int_equal(vk_fail(&detail, VARVE_CONFLICT, VARVE_REASON_READ, "key %s of %d", "a", 3), VARVE_CONFLICT);
    assert_int_equal(detail.status, VARVE_CONFLICT);
    assert_int_equal(detail.reason, VARVE_REASON_READ);
    assert_int_equal(detail.other_txn, 0);
    assert_string_equal(detail.text, "key a of 3");
}

static void detail__may_be_absent(void **state) {
    (void)state;
    assert_int_equal(vk_fail(NULL, VARVE_IO, VARVE_REASON_FAILED, "%d", 1), VARVE_IO);
}

static void detail__long_text_is_cut(void **state) {
    (void)state;
    struct vk_detail detail;
    char text[600];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    vk_fail(&detail, VARVE_IO, VARVE_REASON_FAILED, "%s", text);
    assert_int_equal(strlen(detail.text), sizeof(detail.text) - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(detail__is_filled_and_status_returned),
        cmocka_unit_test(detail__may_be_absent),
        cmocka_unit_test(detail__long_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
