/* test_nearest.c - the nearest word: exact, mistyped, ties, none, long words; the distance is a metric.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const known[] = {"create", "cc", "isolation", "sync", "sync_interval_ms", "memory", "mode"};
enum { KNOWN = sizeof(known) / sizeof(known[0]) };

static void nearest__exact_and_mistyped(void **state) {
    (void)state;
    for (size_t i = 0; i < KNOWN; i++) assert_string_equal(vb_nearest(known[i], known, KNOWN), known[i]);
    assert_string_equal(vb_nearest("crate", known, KNOWN), "create");
    assert_string_equal(vb_nearest("isolaton", known, KNOWN), "isolation");
    assert_string_equal(vb_nearest("snyc", known, KNOWN), "sync");
    assert_string_equal(vb_nearest("sync_interval", known, KNOWN), "sync_interval_ms");
    assert_string_equal(vb_nearest("memroy", known, KNOWN), "memory");
    assert_string_equal(vb_nearest("moder", known, KNOWN), "mode");
}

static void nearest__ties_and_none(void **state) {
    (void)state;
    static const char *const words[] = {"bat", "cat", "rat"};
    assert_string_equal(vb_nearest("hat", words, 3), "bat");
    assert_string_equal(vb_nearest("", words, 3), "bat");
    assert_null(vb_nearest("hat", words, 0));
}

static void nearest__long_words(void **state) {
    (void)state;
    char a[300], b[300];
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    a[299] = b[299] = '\0';
    const char *words[] = {a, b, ""};
    assert_ptr_equal(vb_nearest(b, words, 3), b);
    assert_ptr_equal(vb_nearest("x", words, 3), words[2]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest__exact_and_mistyped),
        cmocka_unit_test(nearest__ties_and_none),
        cmocka_unit_test(nearest__long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
