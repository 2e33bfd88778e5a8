/* test_evaluate.c - values, guards and conditions are what the page of the format says they are, over runs filled in by
 * hand.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schedule/schedule.h"

static struct ss_schedule schedule;
static struct ss_run run;

static void parse(const char *text) {
    struct ss_problem problem;
    const char *next;
    unsigned line;
    if (ss_parse(text, 1, &schedule, &next, &line, &problem) != VARVE_OK)
        fail_msg("line %u: %s", problem.line, problem.text);
    memset(&run, 0, sizeof run);
    for (unsigned k = 0; k < SS_KEYS_MAX; k++) run.final[k] = SS_ABSENT;
}

static struct ss_answer *answered(unsigned step, int status, int64_t value) {
    struct ss_answer *answer = &run.answers[step];
    answer->done = true;
    answer->status = status;
    answer->value = value;
    return answer;
}

static void row(unsigned step, unsigned key, int64_t value) {
    struct ss_answer *answer = answered(step, VARVE_OK, 0);
    answer->rows[answer->row_count].key = (uint8_t)key;
    answer->rows[answer->row_count++].value = value;
}

static int64_t value_of(unsigned step) { return ss_evaluate(&schedule, &run, step, &schedule.steps[step].value); }

/* The schedule as it is written out again, with the same answers. */
static void write_and_parse(void) {
    struct ss_run kept = run;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(ss_write(out, &schedule), VARVE_OK);
    fclose(out);
    parse(text);
    free(text);
    run = kept;
}

static void arithmetic(void **state) {
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {
        {"7", 7},
        {"-7", -7},
        {"2+3*4", 14},
        {"(2+3)*4", 20},
        {"10-4-3", 3},
        {"10-(4-3)", 9},
        {"2-(3*(4-(5-6))-1)", -12},
        {"-(2+3)", -5},
        {"2*-3", -6},
        {"3--5", 8},
        {"- r(x) * 2", -10},
        {"r(x)+r(y)", 5},
        {"400000000000000000*400000000000000000", INT64_C(1) << 62},
        {"400000000000000000*-400000000000000000", -(INT64_C(1) << 62)},
        {"400000000000000000*11+400000000000000000", INT64_C(1) << 62},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "schedule A1 x\ns1: r x | r y | w z %s\n", cases[i].text);
        parse(text);
        answered(0, VARVE_OK, 5);
        answered(1, VARVE_NOTFOUND, SS_ABSENT);
        if (value_of(2) != cases[i].value) fail_msg("%s is %lld", cases[i].text, (long long)value_of(2));
        write_and_parse();
        if (value_of(2) != cases[i].value) fail_msg("%s, written, is %lld", cases[i].text, (long long)value_of(2));
    }
}

static void the_last_read_counts(void **state) {
    (void)state;
    parse("schedule A1 x\ns1: r b | s [a,m) | w z r(b) | s [a,m) limit 1 | w z r(b) | g b | w z r(b) | c | r b | w z "
          "r(b)\n"
          "s2: r b\n");
    answered(0, VARVE_OK, 3);
    answered(10, VARVE_OK, 99); /* another session's */
    assert_int_equal(value_of(2), 3);
    row(1, 0, 10);
    assert_int_equal(value_of(2), 0); /* the scan has seen that b is not there */
    row(1, 1, 4);
    assert_int_equal(value_of(2), 4);
    row(3, 0, 10);
    assert_int_equal(value_of(4), 4); /* the scan stopped at a */
    answered(5, VARVE_OK, 6);
    assert_int_equal(value_of(6), 6);
    answered(8, VARVE_CONFLICT, 0); /* no answer about b */
    assert_int_equal(value_of(9), 6);
    answered(8, VARVE_NOTFOUND, SS_ABSENT);
    assert_int_equal(value_of(9), 0);
}

static void sums_and_cursors(void **state) {
    (void)state;
    parse("schedule A1 x\ns1: s [a,m) | w z sum()*10+count() | open [a,m) | next | next | w z r(c) | s [m,) | w z "
          "sum()\n");
    row(0, 0, 5);
    row(0, 1, -2);
    assert_int_equal(value_of(1), 32);
    answered(3, VARVE_OK, 8)->next_key = 1;
    answered(4, VARVE_END, SS_ABSENT);
    assert_string_equal(schedule.keys[1], "c");
    assert_int_equal(value_of(5), 8);
    assert_int_equal(value_of(7), 3); /* the second scan was not carried out */
    answered(6, VARVE_OK, 0);
    assert_int_equal(value_of(7), 0);
}

static void guards(void **state) {
    static const char *const signs[] = {"=", "!=", "<", "<=", ">", ">="};
    static const bool holds[6][3] = {{0, 1, 0}, {1, 0, 1}, {1, 0, 0}, {1, 1, 0}, {0, 0, 1}, {0, 1, 1}};
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        char text[100];
        snprintf(text, sizeof text, "schedule A1 x\ns1: r x | when r(x) %s 2 : d x\n", signs[i]);
        parse(text);
        for (unsigned v = 0; v < 3; v++) {
            answered(0, VARVE_OK, (int64_t)v + 1);
            assert_int_equal(ss_guard_holds(&schedule, &run, 1), holds[i][v]);
        }
        assert_true(ss_guard_holds(&schedule, &run, 0));
    }
}

/* --- conditions
 * --------------------------------------------------------------------------------------------------------- */

static bool anomaly(const char *conditions, bool unserial) {
    char text[300];
    struct ss_run kept = run;
    snprintf(text, sizeof text,
             "schedule A1 x\ninit a=0 b=0\ns1: r a | s [a,m) | c | r b | a\ns2: ins a 1 | open [a,m) | next | next | "
             "has b | "
             "del [a,m) | c\nanomaly %s\n",
             conditions);
    parse(text);
    run = kept;
    return ss_is_anomaly(&schedule, &run, unserial);
}

static void a_run(void) {
    memset(&run, 0, sizeof run);
    for (unsigned k = 0; k < SS_KEYS_MAX; k++) run.final[k] = SS_ABSENT;
    answered(0, VARVE_OK, 5);
    row(1, 0, 5);
    row(1, 1, 6);
    answered(3, VARVE_NOTFOUND, SS_ABSENT);
    answered(5, VARVE_EXISTS, 0);
    answered(7, VARVE_OK, 5)->next_key = 0;
    answered(8, VARVE_END, SS_ABSENT)->next_key = SS_KEYS_MAX;
    answered(9, VARVE_NOTFOUND, SS_ABSENT);
    answered(10, VARVE_OK, 2);
    run.txns[0].begun = run.txns[0].committed = true;
    run.txns[1].begun = true;
    run.txns[2].begun = run.txns[2].committed = true;
    run.final[0] = 1;
}

static void conditions(void **state) {
    static const char *const hold[] = {
        "s1.1=5",        "!s1.1=4",       "s1.1=ok",     "s1.2={a=5,b=6}", "s1.2=ok",     "s1.4=-",
        "s1.4=notfound", "s2.1=exists",   "s2.3=5",      "s2.3={a=5}",     "s2.4=-",      "s2.4={}",
        "s2.5=-",        "s2.5=notfound", "s2.6=2",      "s2.commit",      "s1.1=commit", "s1.4=abort",
        "!s1.commit",    "!s1.abort",     "!all-commit", "final a=1",      "final b=-",   "s1.1=5 s2.commit final a=1",
        "!not-serial",   "!s1.3=ok"};
    static const char *const fail[] = {"s1.1=4",         "s1.1=-",         "s1.1=notfound",   "s1.2={a=5}", "s1.2={}",
                                       "s1.2={a=5,b=7}", "s1.2={b=6,a=5}", "s1.4=0",          "s2.1=ok",    "s2.3={}",
                                       "s2.3={b=5}",     "s2.3=-",         "s2.4=0",          "s2.6=1",     "s2.abort",
                                       "s1.commit",      "s1.abort",       "s1.4=commit",     "all-commit", "final a=-",
                                       "final a=2",      "final b=0",      "s1.1=5 s2.abort", "not-serial", "s1.3=ok"};
    (void)state;
    for (unsigned i = 0; i < sizeof hold / sizeof hold[0]; i++) {
        a_run();
        if (!anomaly(hold[i], false)) fail_msg("%s does not hold", hold[i]);
    }
    for (unsigned i = 0; i < sizeof fail / sizeof fail[0]; i++) {
        a_run();
        if (anomaly(fail[i], false)) fail_msg("%s holds", fail[i]);
    }
    a_run();
    assert_true(anomaly("not-serial", true));
}

static void without_conditions_it_is_serializability(void **state) {
    (void)state;
    parse("schedule A1 x\ns1: r x\n");
    assert_true(ss_is_anomaly(&schedule, &run, true));
    assert_false(ss_is_anomaly(&schedule, &run, false));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic),       cmocka_unit_test(the_last_read_counts),
        cmocka_unit_test(sums_and_cursors), cmocka_unit_test(guards),
        cmocka_unit_test(conditions),       cmocka_unit_test(without_conditions_it_is_serializability),
    };
    return cmocka_run_group_tests_name("evaluate", tests, NULL, NULL);
}
