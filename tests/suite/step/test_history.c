/* test_history.c - a run as a history: whose version was read, which stamps, what was undone, how far a scan has seen.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "checker/checker.h"
#include "step/step.h"
#include "support/testdb.h"

static struct ss_schedule schedule;
static struct ss_run run;
static struct hs_history history;
static struct st_stage *stage;

static void play(const char *scheme, varve_isolation level, const char *text) {
    struct ss_problem problem;
    struct hs_problem wrong;
    const char *next;
    unsigned line;
    uint8_t order[SS_STEPS_MAX];
    char error[200];
    int status = ss_parse(text, 1, &schedule, &next, &line, &problem);
    TD_CHECK(status == VARVE_OK, "line %u: %s", problem.line, problem.text);
    struct st_options options = {.scheme = scheme, .level = level};
    assert_int_equal(st_open(&options, &stage, error, sizeof error), VARVE_OK);
    ss_interleaving(&schedule, 0, order);
    assert_int_equal(st_run(stage, &schedule, order, &run), VARVE_OK);
    status = st_history(stage, &schedule, &run, &history, &wrong);
    TD_CHECK(status == VARVE_OK, "%s", wrong.text);
}

static void over(void) {
    hs_release(&history);
    st_close(stage);
}

static const struct hs_op *op_of(unsigned txn, unsigned number) {
    assert_true(number < history.txns[txn].op_count);
    return &history.ops[history.txns[txn].first_op + number];
}

static void versions_are_the_stamps_of_their_writers(void **state) {
    (void)state;
    for (unsigned i = 0; i < TD_SCHEMES; i++) {
        play(td_schemes[i], VARVE_SERIALIZABLE,
             "schedule X versions\ninit x=0\n"
             "s1: r x | w x 1 | r x | r q | c\n"
             "s2: r x | s [a,z) | ins p 5 | sp | w x 7 | rb | upd q 1 | c\n"
             "run 1 1 1 1 1 2 2 2 2 2 2 2 2\nanomaly s1.abort\n");
        assert_true(history.stamps && history.timed);
        assert_int_equal(history.txn_count, 3); /* the initial rows first */
        const struct hs_txn *t0 = &history.txns[0], *t1 = &history.txns[1], *t2 = &history.txns[2];
        assert_true(t0->cts != 0 && t0->cts < t1->cts && t1->cts < t2->cts);
        assert_int_equal(t0->session, SS_SESSIONS_MAX);
        assert_int_equal(t1->outcome, HS_COMMITTED);
        assert_int_equal(t1->level, VARVE_SERIALIZABLE);
        assert_true(t1->end < t2->begin);
        assert_int_equal(op_of(1, 0)->version, t0->cts);
        assert_int_equal(op_of(1, 2)->flags, HS_OWN);
        assert_int_equal(op_of(1, 2)->version, 1); /* its second operation */
        assert_int_equal(op_of(1, 3)->version, 0);
        assert_true(op_of(1, 3)->value == HS_ABSENT);
        assert_int_equal(op_of(2, 0)->version, t1->cts);
        assert_int_equal(op_of(2, 0)->value, 1);
        assert_int_equal(op_of(2, 1)->kind, HS_SCAN);
        assert_int_equal(op_of(2, 1)->value, 1);
        assert_int_equal(op_of(2, 2)->kind, HS_ROW);
        assert_int_equal(op_of(2, 2)->version, t1->cts);
        assert_int_equal(op_of(2, 3)->flags, HS_NEEDS_ABSENT);
        assert_int_equal(op_of(2, 4)->flags, HS_ROLLED_BACK);
        assert_int_equal(op_of(2, 5)->flags, HS_NEEDS_PRESENT | HS_FAILED);
        over();
    }
}

static void a_scan_has_seen_as_far_as_it_went(void **state) {
    (void)state;
    play("mvcc", VARVE_SNAPSHOT,
         "schedule X scan\ninit b=1 d=2 f=3\ns1: b ro | s [a,z) limit 2 | s [a,z) rev limit 1 | s [a,z) limit 9 | c\n"
         "anomaly s1.abort\n");
    const struct hs_range *ranges = history.ranges;
    assert_int_equal(history.range_count, 3);
    assert_int_equal(ranges[0].flags, HS_HIGH_INCLUSIVE);
    assert_memory_equal(hs_key_bytes(&history, ranges[0].high).data, "d", 1);
    assert_int_equal(ranges[1].flags, HS_REVERSE);
    assert_memory_equal(hs_key_bytes(&history, ranges[1].low).data, "f", 1);
    assert_int_equal(ranges[2].flags, 0);
    assert_int_equal(history.txns[1].flags, HS_READ_ONLY);
    assert_true(history.txns[1].snapshot != HS_NO_STAMP);
    over();
    play("2pl", VARVE_READ_COMMITTED, "schedule X torn\ninit b=1\ns1: s [a,z) | c\nanomaly s1.abort\n");
    assert_int_equal(history.txns[1].flags, HS_TORN);
    over();
}

/* The checker of histories, given what the engine said, finds a skew at the level above and none at its own. */
static void the_checker_sees_what_the_level_let_through(void **state) {
    (void)state;
    play("mvcc", VARVE_SNAPSHOT,
         "schedule D1 skew\ninit x=0 y=0\ns1: r x | r y | w x 1 | c\ns2: r x | r y | w y 2 | c\n"
         "run 1 1 2 2 1 2 1 2\nanomaly all-commit\n");
    assert_int_equal(run.commit_count, 2);
    static struct ck_report report;
    struct ck_options options = {.strict = true};
    assert_int_equal(ck_check(&history, &options, &report), VARVE_OK);
    assert_int_equal(report.verdict, CK_OK);
    options = (struct ck_options){.level = VARVE_SERIALIZABLE, .no_own_level = true, .strict = true};
    assert_int_equal(ck_check(&history, &options, &report), VARVE_OK);
    assert_int_equal(report.verdict, CK_VIOLATION);
    over();
}

static void what_a_history_cannot_hold_is_said(void **state) {
    (void)state;
    uint8_t order[SS_STEPS_MAX];
    struct hs_problem wrong;
    play("occ", VARVE_SERIALIZABLE, "schedule X plain\ninit x=0\ns1: r x | c\nanomaly s1.abort\n");
    hs_release(&history);
    struct ss_problem problem;
    const char *next;
    unsigned line;
    assert_int_equal(ss_parse("schedule X sweeps\ninit x=0\ns1: del [,) | c\nanomaly s1.abort\n", 1, &schedule, &next, &line,
                              &problem),
                     VARVE_OK);
    ss_interleaving(&schedule, 0, order);
    assert_int_equal(st_run(stage, &schedule, order, &run), VARVE_OK);
    assert_int_equal(st_history(stage, &schedule, &run, &history, &wrong), VARVE_INVALID);
    assert_int_equal(wrong.line, 3);
    st_close(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_the_stamps_of_their_writers),
        cmocka_unit_test(a_scan_has_seen_as_far_as_it_went),
        cmocka_unit_test(the_checker_sees_what_the_level_let_through),
        cmocka_unit_test(what_a_history_cannot_hold_is_said),
    };
    td_watchdog(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
