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
#include "schedule/load.h"

static struct ss_schedule schedule;
static struct ss_run run;

static void find(const char *name) {
    struct ss_set set;
    ss_set_init(&set);
    assert_int_equal(ss_set_add_corpus(&set, stderr), VARVE_OK);
    const struct ss_schedule *found = ss_set_find(&set, name);
    if (found == NULL) fail_msg("no schedule %s in the corpus", name);
    schedule = *found;
    ss_set_release(&set);
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

/* At serializable the model refuses by validation of what was read, and some of it needlessly; those that must fail are
 * never counted as needless. */
static unsigned needless(void) {
    struct sm_way way = {.level = VARVE_SERIALIZABLE};
    uint8_t order[SS_STEPS_MAX];
    unsigned total = 0;
    for (uint64_t n = 0; n < ss_interleavings(&schedule); n++) {
        ss_interleaving(&schedule, n, order);
        sm_run(&schedule, order, &way, &run);
        assert_true(run.commit_count >= schedule.txn_count - 1);
        total += sm_needless(&schedule, order, &run);
    }
    return total;
}

static void two_ids_has_four(void **state) {
    unsigned committed, unserial;
    (void)state;
    find("pg-two-ids");
    assert_int_equal(ss_interleavings(&schedule), 90);
    count(VARVE_SNAPSHOT, &committed, &unserial);
    assert_int_equal(committed, 90);
    assert_int_equal(unserial, 4);
    count(VARVE_SERIALIZABLE, &committed, &unserial);
    assert_int_equal(unserial, 0);
    assert_int_equal(committed + 4 + needless(), 90);
}

static void receipt_report_has_six(void **state) {
    unsigned committed, unserial;
    (void)state;
    find("pg-receipt-report");
    assert_int_equal(ss_interleavings(&schedule), 210);
    count(VARVE_SNAPSHOT, &committed, &unserial);
    assert_int_equal(committed, 210);
    assert_int_equal(unserial, 6);
    count(VARVE_SERIALIZABLE, &committed, &unserial);
    assert_int_equal(unserial, 0);
    assert_int_equal(committed + 6 + needless(), 210);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_ids_has_four),
        cmocka_unit_test(receipt_report_has_six),
    };
    return cmocka_run_group_tests_name("known counts", tests, NULL, NULL);
}
