/* test_parse.c - what a schedule file says is what comes out, and whatever is wrong with one is told with its line.
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
static struct ss_problem problem;

static int parse(const char *text) {
    const char *next;
    unsigned line;
    return ss_parse(text, 1, &schedule, &next, &line, &problem);
}

static void must_parse(const char *text) {
    int status = parse(text);
    if (status != VARVE_OK) fail_msg("line %u: %s\n%s", problem.line, problem.text, text);
}

static const char full[] =
    "# a comment before\n"
    "\n"
    "schedule D2 predicate-skew  # and one behind\n"
    "about    each scans   the other's range\n"
    "like     SlateDB 1711\n"
    "init     x=0 y=-7\n"
    "s1: b ser ro deferrable | s [a,m) rev limit 2 | w n 1 | c\n"
    "s2: r x | when r(x) <= 3 : a | sp | open [,z) rev | next | rb | w b 2*(r(x)+1)-count() | s [m,) | c\n"
    "s3: checkpoint | switch 2pl wait | r x\n"
    "anomaly s1.2={n=1,b=-2} !s2.1=0 s2.commit s1.3=abort all-commit final y=- not-serial s2.5=-\n"
    "must    ser si@2pl,occ\n"
    "show    rc rr@2pl\n"
    "allow   si@mvcc\n"
    "precision 3 ser@mvcc\n"
    "constraint short key_bytes 1 3\n";

static void every_part(void **state) {
    (void)state;
    must_parse("schedule D1 a\ns1: s [,) | w x sum()\n");
    const char *no_count_yet = strstr(full, "count()");
    assert_non_null(no_count_yet);
    assert_int_equal(parse(full), VARVE_INVALID); /* count() before the scan it would count */
    assert_int_equal(problem.line, 8);
    assert_non_null(strstr(problem.text, "count()"));
}

static void shape_of_a_schedule(void **state) {
    (void)state;
    char text[sizeof full];
    memcpy(text, full, sizeof full);
    memcpy(strstr(text, "count()"), "r(x)   ", 7);
    must_parse(text);
    assert_string_equal(schedule.id, "D2");
    assert_string_equal(schedule.name, "predicate-skew");
    assert_string_equal(schedule.about, "each scans the other's range");
    assert_string_equal(schedule.like, "SlateDB 1711");
    assert_int_equal(schedule.line, 3);
    assert_int_equal(schedule.session_count, 3);
    assert_int_equal(schedule.step_count, 16);
    assert_int_equal(schedule.first_step[1], 4);
    assert_int_equal(schedule.first_step[3], 16);
    static const char *const keys[] = {"a", "b", "m", "n", "x", "y", "z"};
    assert_int_equal(schedule.key_count, 7);
    for (unsigned k = 0; k < 7; k++) assert_string_equal(schedule.keys[k], keys[k]);
    assert_int_equal(schedule.initial[4], 0);
    assert_int_equal(schedule.initial[5], -7);
    assert_true(schedule.initial[6] == SS_ABSENT);
    assert_true(schedule.durable);
    assert_true(schedule.run_all);
    assert_string_equal(schedule.rules_of_rows[0], "short key_bytes 1 3");
}

static void shape_of_the_steps(void **state) {
    shape_of_a_schedule(state);
    const struct ss_step *s = schedule.steps;
    assert_true(s[0].verb == SS_BEGIN && s[0].level == VARVE_SERIALIZABLE && s[0].read_only && s[0].deferrable);
    assert_true(s[1].verb == SS_SCAN && s[1].range.low == 0 && s[1].range.high == 2 && s[1].range.reverse);
    assert_int_equal(s[1].range.limit, 2);
    assert_string_equal(s[1].text, "s [a,m) rev limit 2");
    assert_true(s[2].verb == SS_PUT && s[2].key == 3 && s[2].value.count == 1 && s[2].value.terms[0].number == 1);
    assert_true(s[5].verb == SS_ABORT && s[5].guard == SS_LE && s[5].txn == s[6].txn);
    assert_true(s[7].verb == SS_OPEN && s[7].range.low == SS_KEYS_MAX && s[7].range.high == 6 && s[7].range.reverse);
    static const uint8_t kinds[] = {SS_NUMBER, SS_READ_OF, SS_NUMBER, SS_PLUS, SS_TIMES, SS_READ_OF, SS_MINUS};
    assert_int_equal(s[10].value.count, 7);
    for (unsigned i = 0; i < 7; i++) assert_int_equal(s[10].value.terms[i].kind, kinds[i]);
    assert_int_equal(s[10].value.terms[1].key, 4);
    assert_int_equal(s[10].line, 8);
    assert_int_equal(s[11].range.high, SS_KEYS_MAX);
    assert_true(s[13].verb == SS_CHECKPOINT && s[13].txn == SS_TXNS_MAX);
    assert_string_equal(s[14].scheme, "2pl");
    assert_int_equal(schedule.txn_count, 3);
    assert_int_equal(s[15].txn, 2);
}

static void shape_of_what_is_expected(void **state) {
    shape_of_a_schedule(state);
    const struct ss_condition *c = schedule.conditions;
    assert_int_equal(schedule.condition_count, 8);
    assert_true(c[0].kind == SS_ANSWER && c[0].is_rows && c[0].step == 1 && c[0].row_count == 2);
    assert_true(c[0].rows[0].key == 3 && c[0].rows[1].key == 1 && c[0].rows[1].value == -2);
    assert_true(c[1].negated && c[1].step == 4 && c[1].value == 0);
    assert_true(c[2].kind == SS_COMMITTED && c[2].session == 1 && c[2].step == SS_STEPS_MAX);
    assert_true(c[3].kind == SS_ABORTED && c[3].step == 2);
    assert_true(c[4].kind == SS_ALL_COMMIT && c[6].kind == SS_UNSERIAL);
    assert_true(c[5].kind == SS_FINAL && c[5].key == 5 && c[5].value == SS_ABSENT);
    assert_true(c[7].kind == SS_ANSWER && c[7].step == 8 && c[7].value == SS_ABSENT);
    const struct ss_rule *r = schedule.rules;
    assert_int_equal(schedule.rule_count, 6);
    assert_true(r[0].kind == SS_MUST && r[0].level == VARVE_SERIALIZABLE && r[0].schemes[0] && r[0].schemes[2]);
    assert_true(r[1].level == VARVE_SNAPSHOT && !r[1].schemes[0] && r[1].schemes[1] && r[1].schemes[2]);
    assert_true(r[4].kind == SS_ALLOW && r[4].schemes[0] && !r[4].schemes[1]);
    assert_true(r[5].kind == SS_PRECISION && r[5].number == 3);
}

static void several_in_one_file(void **state) {
    (void)state;
    const char *text =
        "\nschedule A1 one\ns1: r x\n# between\nschedule A1 two\ns1: rr x\n\nschedule A1 three\ns1: r z\n";
    unsigned line = 1;
    assert_int_equal(ss_parse(text, line, &schedule, &text, &line, &problem), VARVE_OK);
    assert_string_equal(schedule.name, "one");
    assert_int_equal(ss_parse(text, line, &schedule, &text, &line, &problem), VARVE_INVALID);
    assert_int_equal(problem.line, 6);
    assert_int_equal(ss_parse(text, line, &schedule, &text, &line, &problem), VARVE_OK);
    assert_string_equal(schedule.name, "three");
    assert_int_equal(schedule.line, 8);
    assert_int_equal(ss_parse(text, line, &schedule, &text, &line, &problem), VARVE_END);
}

/* A schedule of two sessions with one more line; what is wrong is in line 4 unless a case says otherwise. */
static const struct {
    const char *lines;
    unsigned line;
    const char *reason;
} faults[] = {
    {"session A1 x\n", 1, "`schedule ID NAME`"},
    {"schedule A1\n", 1, "expected a name"},
    {"schedule\n", 1, "expected the id"},
    {"schedule A1 x y\n", 1, "nothing more was expected"},
    {"schedule A1 x/1\n", 1, "nothing more was expected"},
    {"schedule A1 x\n", 1, "has no session"},
    {"schedule A1 x\ns2: r x\n", 1, "s2 without s1"},
    {"schedule A1 x\ns1: r x\ns1: r y\n", 3, "written twice"},
    {"schedule A1 x\ns9: r x\n", 2, "no session s9"},
    {"schedule A1 x\ns1: wr x 1\n", 2, "`wr` is not a step; the nearest is `w`"},
    {"schedule A1 x\ns1: isn x 1\n", 2, "the nearest is `ins`"},
    {"schedule A1 x\ns1: frobnicate\n", 2, "`frobnicate` is not a step; there are: b r g"},
    {"schedule A1 x\ns1: r x |\n", 2, "expected a step"},
    {"schedule A1 x\ns1: r\n", 2, "expected a key"},
    {"schedule A1 x\ns1: r abcdefghijklmnop\n", 2, "longer than 15"},
    {"schedule A1 x\ns1: r x y\n", 2, "nothing more"},
    {"schedule A1 x\ns1: w x\n", 2, "expected a number, r(KEY)"},
    {"schedule A1 x\ns1: w x 1 +\n", 2, "expected a number, r(KEY)"},
    {"schedule A1 x\ns1: w x (1\n", 2, "expected `)`"},
    {"schedule A1 x\ns1: w x 9999999999999999999\n", 2, "beyond"},
    {"schedule A1 x\ns1: w x 12a\n", 2, "after digits"},
    {"schedule A1 x\ns1: w x sun()\n", 2, "the nearest is `sum`"},
    {"schedule A1 x\ns1: w x r(y)\n", 2, "no step of s1 before this one reads y"},
    {"schedule A1 x\ns1: w x sum()\n", 2, "no step of s1 before this one is a scan"},
    {"schedule A1 x\ns1: s [a,c) | w x r(d)\n", 2, "reads d"},
    {"schedule A1 x\ns1: w x 1+1+1+1+1+1+1+1+1+1\n", 2, "more than 16 terms"},
    {"schedule A1 x\ns1: w x ((((((((((((((1))))))))))))))\n", 2, "nested"},
    {"schedule A1 x\ns1: s a,b)\n", 2, "expected `[`"},
    {"schedule A1 x\ns1: s [b,a)\n", 2, "not in order"},
    {"schedule A1 x\ns1: s [a,a)\n", 2, "not in order"},
    {"schedule A1 x\ns1: s [a,b) limit 0\n", 2, "limit of 0"},
    {"schedule A1 x\ns1: s [a,b) limits 1\n", 2, "the nearest is `limit`"},
    {"schedule A1 x\ns1: open [a,b) limit 1\n", 2, "`limit` is not"},
    {"schedule A1 x\ns1: b sre\n", 2, "the nearest is `ser`"},
    {"schedule A1 x\ns1: b rc si\n", 2, "a second level"},
    {"schedule A1 x\ns1: r x | b\n", 2, "`b` inside a transaction"},
    {"schedule A1 x\ns1: r x | rb\n", 2, "without an `sp`"},
    {"schedule A1 x\ns1: sp | c | rb\n", 2, "without an `sp`"},
    {"schedule A1 x\ns1: next\n", 2, "`next` without an `open`"},
    {"schedule A1 x\ns1: open [,) | c | next\n", 2, "`next` without an `open`"},
    {"schedule A1 x\ns1: open [,) | close | close\n", 2, "`close` without an `open`"},
    {"schedule A1 x\ns1: open [,) | open [,)\n", 2, "while a cursor is open"},
    {"schedule A1 x\ns1: switch btree\n", 2, "not a scheme"},
    {"schedule A1 x\ns1: r x | switch occ\n", 2, "inside a transaction"},
    {"schedule A1 x\ns1: switch occ now\n", 2, "`wait` or nothing"},
    {"schedule A1 x\ns1: r x | c\ns2: switch occ wait\ns3: gc\nanomaly s1.abort\n", 4, "beside a switch that waits"},
    {"schedule A1 x\ns1: when 1 < 2 r x\n", 2, "expected `:`"},
    {"schedule A1 x\ns1: when 1 : r x\n", 2, "one of = !="},
    {"schedule A1 x\ns1: when 1 = 1 : sp\n", 2, "cannot have a guard"},
    {"schedule A1 x\ns1: r x\ninti x=1\n", 3, "the nearest is `init`"},
    {"schedule A1 x\ns1: r x\ninit x=1 x=2\n", 3, "set twice"},
    {"schedule A1 x\ns1: r x\ninit x 1\n", 3, "expected `=`"},
    {"schedule A1 x\ns1: r x\nabout one\nabout two\n", 4, "a second `about`"},
    {"schedule A1 x\ns1: r x\nlike\n", 3, "says nothing"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nrun s1.1 s1.2 s2.1\n", 4, "leaves out s2.2"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nrun s1.1 s1.1 s2.1 s2.2\n", 4, "s1.1 stands twice"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nrun s1.2 s1.1 s2.1 s2.2\n", 4, "s1.2 stands before s1.1"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nrun s1.3\n", 4, "no step s1.3: s1 has 2"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nrun s3.1\n", 4, "no session s3"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nrun 1 2 1 1\n", 4, "s1 stands more often"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nrun 1 2 1 3\n", 4, "no session s3"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nrun 1 2 1 2\nrun 1 2 1 2\n", 5, "the same interleaving as number 0"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nrun 1 2 1 2\nrun all\n", 5, "after a list"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nrun all\nrun 1 2 1 2\n", 5, "leaves nothing"},
    {"schedule A1 x\ns1: r x & c\ns2: r x | c\nrun 1 2 1 2\n", 4, "`c` is joined"},
    {"schedule A1 x\ns1: r x & \n", 2, "expected a step"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nanomaly\n", 4, "without a condition"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nanomaly s1.3=1\n", 4, "no step s1.3"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nanomaly s3.commit\n", 4, "no session s3"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nanomaly s1.comit\n", 4, "the nearest is `commit`"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nanomaly s1.1=okay\n", 4, "the nearest is `ok`"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nanomaly s1.1={x=1}\n", 4, "not answered with rows"},
    {"schedule A1 x\ns1: w x 1 | c\ns2: r x | c\nanomaly s1.1=1\n", 4, "not answered with a number"},
    {"schedule A1 x\ns1: w x 1 | c\ns2: r x | c\nanomaly s1.1=-\n", 4, "not answered with absence"},
    {"schedule A1 x\ns1: gc\ns2: r x | c\nanomaly s1.1=commit\n", 4, "in no transaction"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nanomaly all-comit\n", 4, "the nearest is `all-commit`"},
    {"schedule A1 x\ns1: r x | c\ns2: s [,)\nanomaly s2.1={x=1 y=2}\n", 4, "expected `,`"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nmust\n", 4, "no level"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nmust serial\n", 4, "not a level"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nmust ser@3pl\n", 4, "the nearest is `2pl`"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nmust ser\nshow ser@occ\n", 5,
     "ser@occ stands in `must` and again in `show`"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nprecision ser\n", 4, "expected a number"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nprecision -1 ser\n", 4, "must be from 0"},
    {"schedule A1 x\ns1: r x | c\ns2: r x | c\nconstraint\n", 4, "says nothing"},
};

static void every_fault_has_line_and_reason(void **state) {
    (void)state;
    for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (parse(faults[i].lines) != VARVE_INVALID) fail_msg("parsed:\n%s", faults[i].lines);
        if (problem.line != faults[i].line || strstr(problem.text, faults[i].reason) == NULL)
            fail_msg("line %u: %s; wanted line %u: %s, of\n%s", problem.line, problem.text, faults[i].line,
                     faults[i].reason, faults[i].lines);
    }
}

static void too_many_of_each(void **state) {
    (void)state;
    char text[20000];
    size_t used = (size_t)snprintf(text, sizeof text, "schedule A1 x\ns1: r x");
    for (unsigned i = 1; i <= SS_STEPS_MAX; i++) used += (size_t)snprintf(text + used, sizeof text - used, " | r x");
    assert_int_equal(parse(text), VARVE_INVALID);
    assert_non_null(strstr(problem.text, "more than 96 steps"));
    used = (size_t)snprintf(text, sizeof text, "schedule A1 x\ns1: r x | c");
    for (unsigned i = 1; i <= SS_TXNS_MAX; i++) used += (size_t)snprintf(text + used, sizeof text - used, " | r x | c");
    assert_int_equal(parse(text), VARVE_INVALID);
    assert_non_null(strstr(problem.text, "more than 16 transactions"));
    used = (size_t)snprintf(text, sizeof text, "schedule A1 x\ninit");
    for (unsigned i = 0; i <= SS_KEYS_MAX; i++) used += (size_t)snprintf(text + used, sizeof text - used, " k%u=1", i);
    assert_int_equal(parse(text), VARVE_INVALID);
    assert_non_null(strstr(problem.text, "`k24` is one too many"));
    used = (size_t)snprintf(text, sizeof text, "schedule A1 x\ns1: r x\nanomaly");
    for (unsigned i = 0; i <= SS_CONDITIONS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " s1.1=1");
    assert_int_equal(parse(text), VARVE_INVALID);
    assert_non_null(strstr(problem.text, "more than 24 conditions"));
}

static void a_new_transaction_after_the_end(void **state) {
    (void)state;
    must_parse("schedule A1 x\ns1: r x | c | r x | a | b rc | c\ns2: w x 1 | crash | r x\n");
    static const uint8_t txns[] = {0, 0, 1, 1, 2, 2, 3, SS_TXNS_MAX, 4};
    for (unsigned i = 0; i < sizeof txns; i++) assert_int_equal(schedule.steps[i].txn, txns[i]);
    assert_int_equal(schedule.txn_count, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part),          cmocka_unit_test(shape_of_a_schedule),
        cmocka_unit_test(shape_of_the_steps),  cmocka_unit_test(shape_of_what_is_expected),
        cmocka_unit_test(several_in_one_file), cmocka_unit_test(every_fault_has_line_and_reason),
        cmocka_unit_test(too_many_of_each),    cmocka_unit_test(a_new_transaction_after_the_end),
    };
    return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
