/* test_rules.c - rule texts, each kind of rule, hostile patterns, callbacks, many threads.
 *
 * SPDX-License-Identifier: MIT
 */
#include "constraints/constraints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "os/os.h"

static struct vcn_callbacks *callbacks;
static struct vk_detail detail;

static int setup(void **state) {
    (void)state;
    memset(&detail, 0, sizeof(detail));
    return vcn_callbacks_open(&callbacks);
}

static int teardown(void **state) {
    (void)state;
    vcn_callbacks_close(callbacks);
    return 0;
}

static struct vcn_rules *one_rule(const char *text) {
    struct vcn_rules *rules = NULL;
    if (vcn_rules_create(&text, 1, callbacks, &rules, &detail) != VARVE_OK) fail_msg("%s", detail.text);
    return rules;
}

static int check(const struct vcn_rules *rules, const char *key, const char *value) {
    return vcn_check_row(rules, "t", (varve_slice){key, strlen(key)}, (varve_slice){value, strlen(value)}, &detail);
}

static void invalid(const char *text, const char *expected) {
    struct vcn_rules *rules = NULL;
    memset(&detail, 0, sizeof(detail));
    assert_int_equal(vcn_rules_create(&text, 1, callbacks, &rules, &detail), VARVE_INVALID);
    assert_null(rules);
    assert_int_equal(detail.status, VARVE_INVALID);
    if (strstr(detail.text, expected) == NULL) fail_msg("'%s' lacks '%s'", detail.text, expected);
}

static void rules__empty_set(void **state) {
    (void)state;
    struct vcn_rules *rules = NULL;
    assert_int_equal(vcn_rules_create(NULL, 0, callbacks, &rules, &detail), VARVE_OK);
    assert_int_equal(vcn_rules_count(rules), 0);
    assert_int_equal(check(rules, "k", "v"), VARVE_OK);
    vcn_rules_free(rules);
    assert_true(vcn_none(NULL));
    assert_int_equal(vcn_check_row(NULL, "t", VARVE_STR("k"), VARVE_STR("v"), &detail), VARVE_OK);
}

static void rules__texts_and_names(void **state) {
    (void)state;
    static const char *const texts[] = {"a key_bytes 1 5", "  b   value_pattern  [a-z ]* ", "c callback f"};
    struct vcn_rules *rules = NULL;
    assert_int_equal(vcn_rules_create(texts, 3, callbacks, &rules, &detail), VARVE_OK);
    assert_int_equal(vcn_rules_count(rules), 3);
    for (size_t i = 0; i < 3; i++) assert_string_equal(vcn_rules_text(rules, i), texts[i]);
    assert_int_equal(vcn_rules_find(rules, "b"), 1);
    assert_int_equal(vcn_rules_find(rules, "z"), -1);
    vcn_rules_free(rules);
}

static void rules__what_makes_no_sense_is_refused(void **state) {
    (void)state;
    char text[3000];
    invalid("", "NAME KIND");
    invalid("name", "NAME KIND");
    invalid("n key_byte 1 2", "'key_bytes'");
    invalid("n value_patern x", "'value_pattern'");
    invalid("n calback x", "'callback'");
    invalid("n key_bytes", "two numbers");
    invalid("n key_bytes 1", "two numbers");
    invalid("n key_bytes one 2", "two numbers");
    invalid("n key_bytes -1 2", "two numbers");
    invalid("n key_bytes 1 2 3", "two numbers");
    invalid("n key_bytes 1 99999999999999999999999", "two numbers");
    invalid("n key_bytes 5 4", "MIN is above MAX");
    invalid("n key_pattern", "pattern is missing");
    invalid("n key_pattern a(b", "at byte 3");
    invalid("n key_pattern (*UTF)a", "not valid");
    invalid("n callback", "name of a registered function");
    invalid("n callback a b", "name of a registered function");
    memset(text, 'n', sizeof(text));
    memcpy(text + 64, " key_bytes 1 2", 15);
    invalid(text, "NAME KIND");
    memset(text, 'a', sizeof(text));
    memcpy(text, "n key_pattern ", 14);
    text[14 + 1025] = '\0'; /* one byte more than a pattern may have */
    invalid(text, "not valid");
    text[14 + 1024] = '\0';
    vcn_rules_free(one_rule(text));
    invalid("n key_pattern (((((a{9}){9999}){9999}){9999}){9999})", "not valid"); /* would be gigabytes */
    char deep[1000];
    memset(deep, '(', sizeof(deep));
    memcpy(deep, "n key_pattern ", 14);
    memset(deep + 400, ')', 386);
    deep[786] = '\0';
    invalid(deep, "not valid");
    const char *twice[] = {"n key_bytes 1 2", "n value_bytes 1 2"};
    struct vcn_rules *rules = NULL;
    assert_int_equal(vcn_rules_create(twice, 2, callbacks, &rules, &detail), VARVE_INVALID);
    assert_non_null(strstr(detail.text, "rule n already"));
}

static void rules__bytes(void **state) {
    (void)state;
    struct vcn_rules *keys = one_rule("n key_bytes 2 4"), *values = one_rule("v value_bytes 0 3");
    assert_int_equal(check(keys, "a", ""), VARVE_CONSTRAINT);
    assert_string_equal(detail.text, "rule n of table t, key a: the key has 1 bytes, 2 to 4 are allowed");
    assert_int_equal(detail.reason, VARVE_REASON_CONSTRAINT);
    assert_int_equal(check(keys, "ab", "long enough"), VARVE_OK);
    assert_int_equal(check(keys, "abcd", ""), VARVE_OK);
    assert_int_equal(check(keys, "abcde", ""), VARVE_CONSTRAINT);
    assert_int_equal(check(values, "any key", ""), VARVE_OK);
    assert_int_equal(check(values, "any key", "123"), VARVE_OK);
    assert_int_equal(check(values, "any key", "1234"), VARVE_CONSTRAINT);
    vcn_rules_free(keys);
    vcn_rules_free(values);
}

static void rules__patterns_are_anchored(void **state) {
    (void)state;
    struct vcn_rules *rules = one_rule("n key_pattern a|bc");
    assert_int_equal(check(rules, "a", ""), VARVE_OK);
    assert_int_equal(check(rules, "bc", ""), VARVE_OK);
    assert_int_equal(check(rules, "abc", ""), VARVE_CONSTRAINT);
    assert_int_equal(check(rules, "xa", ""), VARVE_CONSTRAINT);
    assert_int_equal(check(rules, "a\n", ""), VARVE_CONSTRAINT);
    assert_non_null(strstr(detail.text, "rule n of table t, key a"));
    assert_non_null(strstr(detail.text, "does not match"));
    vcn_rules_free(rules);
    rules = one_rule("n value_pattern [a-z]+ [0-9]{2,4}"); /* blanks belong to the pattern */
    assert_int_equal(check(rules, "k", "abc 123"), VARVE_OK);
    assert_int_equal(check(rules, "k", "abc  123"), VARVE_CONSTRAINT);
    assert_int_equal(check(rules, "k", ""), VARVE_CONSTRAINT);
    vcn_rules_free(rules);
    rules = one_rule("n value_pattern .*");
    assert_int_equal(check(rules, "k", "a\nb\n"), VARVE_OK); /* a dot is any byte */
    assert_int_equal(check(rules, "k", ""), VARVE_OK);
    vcn_rules_free(rules);
}

static void rules__any_bytes(void **state) {
    (void)state;
    static const char key[] = {'a', 0, 'b', (char)0xff, 0};
    struct vcn_rules *rules = one_rule("n key_pattern a\\x00b\\xff\\x00");
    assert_int_equal(vcn_check_row(rules, "t", (varve_slice){key, 5}, VARVE_STR(""), &detail), VARVE_OK);
    assert_int_equal(vcn_check_row(rules, "t", (varve_slice){key, 4}, VARVE_STR(""), &detail), VARVE_CONSTRAINT);
    assert_non_null(strstr(detail.text, "a\\x00b\\xff"));
    assert_int_equal(vcn_check_row(rules, "t", (varve_slice){key, 1}, VARVE_STR(""), &detail), VARVE_CONSTRAINT);
    assert_int_equal(vcn_check_row(rules, "t", (varve_slice){NULL, 0}, (varve_slice){NULL, 0}, &detail),
                     VARVE_CONSTRAINT);
    vcn_rules_free(rules);
}

/* Patterns that a backtracking matcher would work on until the end of days. Bounded work, a refusal, a reason. */
static void rules__hostile_patterns_end(void **state) {
    (void)state;
    static const char *const texts[] = {"n value_pattern (a+)+$", "n value_pattern (a|aa)+b", "n value_pattern (a*)*b",
                                        "n value_pattern (.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x",
                                        "n value_pattern ((a+)(a+))+\\2\\3b", "n value_pattern (?:(?=(a+))a?)*b"};
    enum { LENGTH = 60000 };
    char *subject = malloc(LENGTH + 1);
    memset(subject, 'a', LENGTH);
    subject[LENGTH - 1] = '!';
    subject[LENGTH] = '\0';
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct vcn_rules *rules = one_rule(texts[i]);
        uint64_t start = vos_posix()->ops->now_ns(vos_posix());
        assert_int_equal(check(rules, "k", subject), VARVE_CONSTRAINT);
        uint64_t took = vos_posix()->ops->now_ns(vos_posix()) - start;
        if (i == 0) assert_non_null(strstr(detail.text, "limit was reached"));
        assert_true(took < UINT64_C(20000000000)); /* milliseconds in truth; sanitizers and busy machines are slow */
        assert_int_equal(check(rules, "k", "!"), VARVE_CONSTRAINT);
        vcn_rules_free(rules);
    }
    free(subject);
}

static void rules__long_subjects_pass(void **state) {
    (void)state;
    enum { LENGTH = 1 << 20 };
    char *subject = malloc(LENGTH);
    memset(subject, 'z', LENGTH);
    struct vcn_rules *rules = one_rule("n value_pattern [a-z]*");
    varve_slice value = {subject, LENGTH};
    assert_int_equal(vcn_check_row(rules, "t", VARVE_STR("k"), value, &detail), VARVE_OK);
    subject[LENGTH - 1] = '0';
    assert_int_equal(vcn_check_row(rules, "t", VARVE_STR("k"), value, &detail), VARVE_CONSTRAINT);
    vcn_rules_free(rules);
    free(subject);
}

static int starts_with(void *arg, varve_slice key, varve_slice value) {
    (void)value;
    return key.size != 0 && *(const char *)key.data == *(const char *)arg ? 0 : 7;
}

static void rules__callbacks(void **state) {
    (void)state;
    struct vcn_rules *rules = one_rule("n callback first");
    assert_int_equal(check(rules, "abc", ""), VARVE_CONSTRAINT);
    assert_non_null(strstr(detail.text, "function first is not registered"));
    char a = 'a', b = 'b';
    assert_int_equal(vcn_callbacks_register(callbacks, "first", starts_with, &a), VARVE_OK);
    assert_int_equal(check(rules, "abc", ""), VARVE_OK);
    assert_int_equal(check(rules, "bc", ""), VARVE_CONSTRAINT);
    assert_non_null(strstr(detail.text, "function first refuses it (7)"));
    assert_int_equal(vcn_callbacks_register(callbacks, "first", starts_with, &b), VARVE_OK);
    assert_int_equal(check(rules, "bc", ""), VARVE_OK);
    assert_int_equal(vcn_callbacks_register(callbacks, "", starts_with, &b), VARVE_INVALID);
    assert_int_equal(vcn_callbacks_register(callbacks, "two words", starts_with, &b), VARVE_INVALID);
    vcn_rules_free(rules);
}

static void rules__first_refusal_wins(void **state) {
    (void)state;
    static const char *const texts[] = {"one key_bytes 1 3", "two key_pattern [a-z]*"};
    struct vcn_rules *rules = NULL;
    assert_int_equal(vcn_rules_create(texts, 2, callbacks, &rules, &detail), VARVE_OK);
    assert_int_equal(check(rules, "ABCDE", ""), VARVE_CONSTRAINT);
    assert_non_null(strstr(detail.text, "rule one"));
    assert_int_equal(check(rules, "ABC", ""), VARVE_CONSTRAINT);
    assert_non_null(strstr(detail.text, "rule two"));
    assert_int_equal(check(rules, "abc", ""), VARVE_OK);
    vcn_rules_free(rules);
}

static void rules__every_allocation_fails_once(void **state) {
    (void)state;
#ifdef VARVE_ASSERTS
    static const char *const texts[] = {"one key_bytes 1 3", "two key_pattern (a|b)*c"};
    struct vcn_rules *rules = NULL;
    int status = VARVE_NOMEM;
    unsigned n = 1;
    for (; status != VARVE_OK; n++) {
        vb_alloc_fail_after(n);
        status = vcn_rules_create(texts, 2, callbacks, &rules, &detail);
        vb_alloc_fail_after(0);
        assert_true(status == VARVE_OK || status == VARVE_NOMEM);
    }
    assert_true(n > 4);
    for (n = 1, status = VARVE_NOMEM; status != VARVE_OK; n++) {
        vb_alloc_fail_after(n);
        status = check(rules, "abc", ""); /* never a verdict for want of memory */
        vb_alloc_fail_after(0);
        assert_true(status == VARVE_OK || status == VARVE_NOMEM);
    }
    vcn_rules_free(rules);
#else
    skip();
#endif
}

/* --- many threads ------------------------------------------------------------------------------------------------- */

struct checker {
    const struct vcn_rules *rules;
    unsigned wrong;
};

static void checker_main(void *arg) {
    struct checker *checker = arg;
    struct vk_detail own;
    for (unsigned i = 0; i < 3000; i++) {
        char key[16];
        snprintf(key, sizeof(key), i % 2 != 0 ? "k%u" : "x%u", i);
        int expected = i % 2 != 0 ? VARVE_OK : VARVE_CONSTRAINT;
        if (vcn_check_row(checker->rules, "t", (varve_slice){key, strlen(key)}, VARVE_STR("v"), &own) != expected)
            checker->wrong++;
    }
}

static void rules__any_thread(void **state) {
    (void)state;
    static const char *const texts[] = {"p key_pattern k(0|1|2|3|4|5|6|7|8|9)+", "f callback first"};
    struct vcn_rules *rules = NULL;
    char k = 'k';
    assert_int_equal(vcn_callbacks_register(callbacks, "first", starts_with, &k), VARVE_OK);
    assert_int_equal(vcn_rules_create(texts, 2, callbacks, &rules, &detail), VARVE_OK);
    struct checker checkers[4];
    struct vos_thread *threads[4];
    for (unsigned i = 0; i < 4; i++) {
        checkers[i] = (struct checker){rules, 0};
        assert_int_equal(vos_thread_start(checker_main, &checkers[i], "checker", &threads[i]), VARVE_OK);
    }
    for (unsigned i = 0; i < 50; i++) /* replacing a function beside its calls */
        assert_int_equal(vcn_callbacks_register(callbacks, "first", starts_with, &k), VARVE_OK);
    for (unsigned i = 0; i < 4; i++) {
        vos_thread_join(threads[i]);
        assert_int_equal(checkers[i].wrong, 0);
    }
    vcn_rules_free(rules);
}

#define RULES_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        RULES_TEST(rules__empty_set),
        RULES_TEST(rules__texts_and_names),
        RULES_TEST(rules__what_makes_no_sense_is_refused),
        RULES_TEST(rules__bytes),
        RULES_TEST(rules__patterns_are_anchored),
        RULES_TEST(rules__any_bytes),
        RULES_TEST(rules__hostile_patterns_end),
        RULES_TEST(rules__long_subjects_pass),
        RULES_TEST(rules__callbacks),
        RULES_TEST(rules__first_refusal_wins),
        RULES_TEST(rules__every_allocation_fails_once),
        RULES_TEST(rules__any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
