/* test_soak.c - random concurrent runs, recorded and judged: in every scheme at every level, mixed levels, with the scheme
 * switched while they run, with files and checkpoints, with tiny limits. And the recorder can be believed: a history in
 * which one answer is changed is refused.
 *
 * VARVE_TEST_CASES sets the transactions of each run, VARVE_TEST_SEED what they ask for.
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
#include "record/soak.h"
#include "support/testdb.h"

static struct rs_options usual(unsigned scheme, varve_isolation level) {
    return (struct rs_options){.cc = td_schemes[scheme],
                               .level = level,
                               .threads = 3,
                               .txns = td_case_count(4000),
                               .keys = 120,
                               .theta = 0.5,
                               .seed = td_seed()};
}

static void must_be(const struct hs_history *history, enum ck_verdict verdict) {
    struct ck_options options = {.level = VARVE_SERIALIZABLE, .strict = true};
    static struct ck_report report;
    assert_int_equal(ck_check(history, &options, &report), VARVE_OK);
    if (report.verdict != verdict)
        fprintf(stderr, "%s %s\n%s\n", ck_anomaly_name(report.finding.anomaly), report.unknown, report.finding.proof);
    assert_int_equal(report.verdict, verdict);
}

static void run_and_judge(const struct rs_options *options) {
    struct hs_history history;
    struct rs_result result;
    int status = rs_run(options, &history, &result);
    if (status != VARVE_OK) fprintf(stderr, "%s\n", result.failure);
    assert_int_equal(status, VARVE_OK);
    assert_true(history.txn_count >= options->txns);
    must_be(&history, CK_OK);
    hs_release(&history);
}

static void every_level_is_kept(void **state) {
    (void)state;
    for (unsigned scheme = 0; scheme < TD_SCHEMES; scheme++)
        for (unsigned level = 0; level < TD_LEVELS; level++) {
            struct rs_options options = usual(scheme, td_levels[level]);
            options.tiny = level % 2 == 1;
            run_and_judge(&options);
        }
}

static void mixed_levels_and_switches_are_kept(void **state) {
    (void)state;
    for (unsigned scheme = 0; scheme < TD_SCHEMES; scheme++) {
        struct rs_options options = usual(scheme, (varve_isolation)0);
        options.switching = true;
        options.txns *= 2;
        run_and_judge(&options);
        options.tiny = true;
        options.switching = false;
        options.deadlock = scheme == 0 ? "detect" : scheme == 1 ? "wait_die" : "no_wait";
        run_and_judge(&options);
    }
}

static void runs_with_files_are_kept(void **state) {
    char path[TD_PATH_BYTES];
    (void)state;
    for (unsigned scheme = 0; scheme < TD_SCHEMES; scheme++) {
        struct rs_options options = usual(scheme, VARVE_SERIALIZABLE);
        td_scratch(path);
        options.directory = path;
        run_and_judge(&options);
        td_remove_tree(path);
    }
}

/* The first committed read of a row gets another version. */
static bool change_a_read(struct hs_history *history, uint64_t nth) {
    for (size_t t = 0; t < history->txn_count; t++) {
        struct hs_txn *txn = &history->txns[t];
        if (txn->outcome != HS_COMMITTED || txn->cts == 0) continue;
        for (size_t i = txn->first_op; i < txn->first_op + txn->op_count; i++) {
            struct hs_op *op = &history->ops[i];
            if (op->kind != HS_READ || (op->flags & HS_OWN) != 0 || op->value == HS_ABSENT) continue;
            if (nth-- != 0) continue;
            op->version = 0;
            op->value = HS_ABSENT;
            return true;
        }
    }
    return false;
}

static void a_changed_answer_is_noticed(void **state) {
    (void)state;
    for (uint64_t nth = 0; nth < 300; nth += 60) {
        struct rs_options options = usual((unsigned)(nth / 60 % 3), VARVE_SERIALIZABLE);
        struct hs_history history;
        struct rs_result result;
        assert_int_equal(rs_run(&options, &history, &result), VARVE_OK);
        must_be(&history, CK_OK);
        assert_true(change_a_read(&history, nth));
        must_be(&history, CK_VIOLATION);
        hs_release(&history);
    }
}

static void bad_options_are_refused(void **state) {
    (void)state;
    struct hs_history history;
    struct rs_result result;
    struct rs_options options = usual(0, VARVE_SERIALIZABLE);
    options.theta = 1;
    assert_int_equal(rs_run(&options, &history, &result), VARVE_INVALID);
    assert_true(strlen(result.failure) > 0);
    options = usual(0, VARVE_SERIALIZABLE);
    options.deadlock = "hope";
    assert_int_equal(rs_run(&options, &history, &result), VARVE_INVALID);
    assert_non_null(strstr(result.failure, "hope"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_is_kept),         cmocka_unit_test(mixed_levels_and_switches_are_kept),
        cmocka_unit_test(runs_with_files_are_kept),    cmocka_unit_test(a_changed_answer_is_noticed),
        cmocka_unit_test(bad_options_are_refused),
    };
    td_watchdog(280);
    return cmocka_run_group_tests_name("soak", tests, NULL, NULL);
}
