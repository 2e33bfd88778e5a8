/* test_known_counts.c - the numbers that the authors of two schedules state: of all interleavings, how many must fail.
 *
 * Both are specifications of PostgreSQL's isolation tester, re-expressed: a statement that reads and writes is two
 * joined steps. Their comments say that of 90 interleavings of two-ids four must fail, and of 210 of receipt-report
 * six. On the model, plain snapshot isolation lets every one of them commit; those that must fail are those that are
 * then not strict serializable. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/oracle.h"

static struct ss_schedule schedule;
static struct ss_run run;

static void parse(const char *text) {
    struct ss_problem problem;
    const char *next;
    unsigned line;
    if (ss_parse(text, 1, &schedule, &next, &line, &problem) != VARVE_OK)
        fail_msg("line %u: %s", problem.line, problem.text);
}

static bool all_committed(void) { return run.commit_count == schedule.txn_count; }

/* Runs every interleaving at a level; how many all committed, how many of those are serializable. */
static void count(varve_isolation level, unsigned *committed, unsigned *unserial) {
    struct sm_way way = {.level = level};
    uint8_t order[SS_STEPS_MAX];
    *committed = *unserial = 0;
    for (uint64_t n = 0; n < ss_interleavings(&schedule); n++) {
        struct sm_verdict verdict;
        ss_interleaving(&schedule, n, order);
        sm_run(&schedule, order, &way, &run);
        sm_judge(&schedule, &run, false, &verdict);
        assert_true(verdict.safe);
        *committed += all_committed();
        *unserial += all_committed() && !verdict.serial;
    }
}

static const char two_ids[] = "schedule PG two-ids\n"
                              "init x=1 y=1\n"
                              "s1: r x & w x r(x)+1 | c\n"
                              "s2: r x & w y r(x)+1 | c\n"
                              "s3: r y | c\n";

/* The day is d; a receipt of day 22 has a key a..., of day 23 a key b... */
static const char receipt_report[] = "schedule PG receipt-report\n"
                                     "init d=22 a1=1 a2=2\n"
                                     "s1: r d & when r(d) = 22 : w a3 4 & when r(d) = 23 : w b3 4 | c\n"
                                     "s2: w d 23 | c\n"
                                     "s3: r d | s [a,b) | c\n";

static void two_ids_has_four(void **state) {
    unsigned committed, unserial;
    (void)state;
    parse(two_ids);
    assert_int_equal(ss_interleavings(&schedule), 90);
    count(VARVE_SNAPSHOT, &committed, &unserial);
    assert_int_equal(committed, 90);
    assert_int_equal(unserial, 4);
    count(VARVE_SERIALIZABLE, &committed, &unserial);
    assert_int_equal(unserial, 0);
}

static void receipt_report_has_six(void **state) {
    unsigned committed, unserial;
    (void)state;
    parse(receipt_report);
    assert_int_equal(ss_interleavings(&schedule), 210);
    count(VARVE_SNAPSHOT, &committed, &unserial);
    assert_int_equal(committed, 210);
    assert_int_equal(unserial, 6);
    count(VARVE_SERIALIZABLE, &committed, &unserial);
    assert_int_equal(unserial, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_ids_has_four),
        cmocka_unit_test(receipt_report_has_six),
    };
    return cmocka_run_group_tests_name("known counts", tests, NULL, NULL);
}
