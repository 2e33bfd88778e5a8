/* test_oracle.c - verdicts over runs that break one rule each, and needless aborts told from needed ones. A run is made
 * by definition and then spoilt by hand, so that everything but one thing in it is right. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/oracle.h"

static struct ss_schedule schedule;
static struct ss_run run;
static struct sm_verdict verdict;
static uint8_t order[SS_STEPS_MAX];
static char words[300];

/* The sessions, and one interleaving of them by session numbers. */
static void parse(const char *sessions, const char *interleaving) {
    char text[1000];
    struct ss_problem problem;
    const char *next;
    unsigned line;
    snprintf(text, sizeof text, "schedule A1 x\n%s\nrun %s\n", sessions, interleaving);
    if (ss_parse(text, 1, &schedule, &next, &line, &problem) != VARVE_OK)
        fail_msg("line %u: %s\n%s", problem.line, problem.text, text);
    ss_interleaving(&schedule, 0, order);
}

static void run_at(varve_isolation level) {
    struct sm_way way = {.level = level};
    sm_run(&schedule, order, &way, &run);
}

static void judge(bool tears) {
    sm_judge(&schedule, &run, tears, &verdict);
    sm_explain(&schedule, &run, &verdict, words, sizeof words);
}

static void is_safe(void) {
    judge(false);
    if (!verdict.safe) fail_msg("%s", words);
    assert_string_equal(words, "");
}

/* `step` counts from 0 over all sessions; SS_STEPS_MAX: no step. */
static void is_convicted(enum smr_reason reason, unsigned txn, unsigned step, const char *said) {
    judge(false);
    assert_false(verdict.safe);
    assert_int_equal(verdict.reason, reason);
    assert_int_equal(verdict.txn, txn);
    assert_int_equal(verdict.step, step);
    if (strstr(words, said) == NULL) fail_msg("said: %s", words);
}

static const varve_isolation levels[] = {VARVE_READ_COMMITTED, VARVE_REPEATABLE_READ, VARVE_SNAPSHOT,
                                         VARVE_SERIALIZABLE};

static void a_stale_read_at_every_level(void **state) {
    (void)state;
    parse("init x=0\ns1: w x 1 | c\ns2: r x | c", "1 1 2 2");
    for (unsigned i = 0; i < 4; i++) {
        run_at(levels[i]);
        is_safe();
        assert_true(verdict.serial);
        run.answers[2].value = 0;
        is_convicted(SMR_ANSWER, 1, 2, "s2.1 `r x` answered 0");
        assert_false(verdict.serial);
    }
}

static void an_unfinished_commit_may_be_missed(void **state) {
    (void)state;
    parse("init x=0\ns1: w x 1 | c\ns2: r x | c", "1 2 1 2"); /* the reader began before the commit returned */
    run_at(VARVE_READ_COMMITTED);
    is_safe();
    assert_int_equal(run.answers[2].value, 0);
    assert_true(verdict.serial);
}

static void rows_of_a_cursor_are_of_one_state(void **state) {
    (void)state;
    parse("init b=0 c=0\ns1: open [a,m) | next | next | close | c\ns2: w b 1 | w c 1 | c", "1 1 2 2 2 1 1 1");
    run_at(VARVE_READ_COMMITTED);
    is_safe();
    assert_int_equal(run.answers[2].value, 0);
    run.answers[2].value = 1;
    is_convicted(SMR_ANSWER, 0, 2, "s1.3 `next` answered c=1: at read committed");
    judge(true); /* unless each row is read under its own lock */
    assert_true(verdict.safe);
}

/* Torn, a cursor may see a row that came after its opening, or miss it, but not one that was there all along. */
static void a_torn_cursor_is_one_statement(void **state) {
    (void)state;
    parse("init b=0\ns1: open [a,m) | next | next | close | c\ns2: ins c 1 | c", "1 1 2 2 1 1 1");
    run_at(VARVE_READ_COMMITTED);
    assert_int_equal(run.answers[2].status, VARVE_END);
    judge(true);
    assert_true(verdict.safe);
    run.answers[2] = (struct ss_answer){
        .done = true, .value = 1, .next_key = 2, .started = run.answers[2].started, .ended = run.answers[2].ended};
    assert_string_equal(schedule.keys[2], "c");
    judge(true);
    assert_true(verdict.safe);
    judge(false);
    assert_false(verdict.safe);
    run.answers[1].next_key = 2; /* and b was missed */
    run.answers[1].value = 1;
    run.answers[2].status = VARVE_END;
    judge(true);
    assert_false(verdict.safe);
}

static void a_read_beside_a_cursor_is_of_its_state(void **state) {
    (void)state;
    parse("init b=0 x=0\ns1: open [a,m) | next | r x | close | c\ns2: w x 1 | c", "1 1 2 2 1 1 1");
    run_at(VARVE_READ_COMMITTED);
    assert_int_equal(run.answers[2].value, 0);
    is_safe();
    run.answers[2].value = 1; /* and a newer one does no harm */
    is_safe();
    run.answers[2].value = 2;
    is_convicted(SMR_ANSWER, 0, 2, "s1.3 `r x` answered 2");
}

static void a_cursor_stays_at_its_end(void **state) {
    (void)state;
    parse("s1: open [a,m) | next | w b 1 | next | c", "1 1 1 1 1");
    for (unsigned i = 0; i < 4; i++) {
        run_at(levels[i]);
        assert_int_equal(run.answers[3].status, VARVE_END);
        is_safe();
        run.answers[3].status = VARVE_OK;
        run.answers[3].value = 1;
        run.answers[3].next_key = 1;
        assert_string_equal(schedule.keys[1], "b");
        is_convicted(SMR_ANSWER, 0, 3, "`next` answered b=1");
    }
}

static void statements_do_not_go_back(void **state) {
    (void)state;
    parse("init x=0 y=0\ns1: r x | r y | c\ns2: w x 1 | w y 1 | c", "2 1 2 2 1 1");
    run_at(VARVE_READ_COMMITTED);
    is_safe();
    run.answers[0].value = 1; /* of a transaction that had not committed */
    is_convicted(SMR_ANSWER, 0, 0, "s1.1 `r x` answered 1");
    parse("init x=0 y=0\ns1: b | r x | r y | c\ns2: w x 1 | w y 1 | c", "1 2 2 2 1 1 1");
    run_at(VARVE_READ_COMMITTED);
    is_safe();
    run.answers[2].value = 0;
    is_convicted(SMR_ANSWER, 0, 2, "s1.3 `r y` answered 0");
}

static void the_first_committer_wins(void **state) {
    (void)state;
    parse("init x=0\ns1: r x | w x r(x)+1 | c\ns2: r x | w x r(x)+10 | c", "1 2 1 2 1 2");
    run_at(VARVE_READ_COMMITTED);
    assert_int_equal(run.commit_count, 2);
    is_safe();
    run.txns[1].level = VARVE_SNAPSHOT;
    is_convicted(SMR_OVERWRITTEN, 1, SS_STEPS_MAX, "s2 committed a write of a row");
    run.txns[1].level = VARVE_REPEATABLE_READ;
    is_convicted(SMR_ANSWER, 1, 3, "s2.1 `r x` answered 0: at repeatable read");
}

static void presence_is_looked_at_again(void **state) {
    (void)state;
    parse("s1: w k 1 | c\ns2: w k 2 | c", "1 2 1 2");
    run_at(VARVE_READ_COMMITTED);
    is_safe();
    parse("s1: ins k 1 | c\ns2: ins k 2 | c", "1 2 1 2");
    is_convicted(SMR_PRESENCE, 1, SS_STEPS_MAX, "s2 committed an insert");
}

static void the_rows_at_the_end(void **state) {
    (void)state;
    parse("init x=0 y=0\ns1: w x 1 | a\ns2: w y 1 | c", "1 2 1 2");
    run_at(VARVE_SERIALIZABLE);
    is_safe();
    run.final[0] = 1;
    is_convicted(SMR_FINAL, SS_TXNS_MAX, SS_STEPS_MAX, "x is 1");
    assert_int_equal(verdict.key, 0);
    run.final[0] = SS_ABSENT;
    is_convicted(SMR_FINAL, SS_TXNS_MAX, SS_STEPS_MAX, "x is absent");
}

static void deleted_ranges(void **state) {
    (void)state;
    parse("init a=0\ns1: b | del [a,m) | c\ns2: ins b 1 | c", "1 2 1 2 1");
    for (unsigned i = 0; i < 4; i++) {
        run_at(levels[i]);
        assert_int_equal(run.answers[1].value, 1);
        if (levels[i] == VARVE_SERIALIZABLE) { /* it has missed a row at its place */
            assert_false(run.txns[0].committed);
            continue;
        }
        is_safe();
        run.answers[1].value = 2;
        judge(false);
        assert_false(verdict.safe);
    }
}

static void a_deleted_row_was_there_at_the_commit(void **state) {
    (void)state;
    parse("init a=0\ns1: b | del [a,m) | c\ns2: r a | c", "1 2 1 2 1");
    run_at(VARVE_REPEATABLE_READ);
    is_safe();
    parse("init a=0\ns1: b | del [a,m) | c\ns2: d a | c", "1 2 1 2 1");
    run.txns[1].level = run.txns[0].level = VARVE_READ_COMMITTED;
    is_safe(); /* of two deletions the second does nothing */
    run.txns[0].level = VARVE_REPEATABLE_READ;
    is_convicted(SMR_ANSWER, 0, 1, "`del [a,m)` answered 1: at repeatable read");
}

/* Sixteen transactions whose orders are many: what has led nowhere is not tried again. */
static void a_search_among_sixteen(void **state) {
    char sessions[1000] = "init x=0";
    uint8_t all[SS_STEPS_MAX];
    size_t used = strlen(sessions);
    (void)state;
    for (unsigned s = 1; s <= 8; s++)
        used +=
            (size_t)snprintf(sessions + used, sizeof sessions - used, "\ns%u: b | w a%u %u | %sc | b | w b%u %u | c", s,
                             s, s, s == 1 ? "r x | " : "", s, s + 10);
    parse(sessions,
          "1 1 1 1 1 1 1 2 2 2 2 2 2 3 3 3 3 3 3 4 4 4 4 4 4 5 5 5 5 5 5 6 6 6 6 6 6 7 7 7 7 7 7 8 8 8 8 8 8");
    for (unsigned i = 0, at = 0; i < 7; i++) /* all the first steps, then all the second ones */
        for (unsigned s = 0; s < 8; s++)
            if (schedule.first_step[s] + i < schedule.first_step[s + 1])
                all[at++] = (uint8_t)(schedule.first_step[s] + i);
    memcpy(order, all, sizeof order);
    run_at(VARVE_READ_COMMITTED);
    assert_int_equal(run.commit_count, 16);
    is_safe();
    assert_true(verdict.serial);
    run.answers[2].value = 7; /* in no order */
    judge(false);
    assert_false(verdict.serial);
}

static void what_tears(void **state) {
    (void)state;
    parse("s1: r x | c\ns2: r x | c", "1 1 2 2");
    assert_true(sm_tears(&schedule, "2pl"));
    assert_false(sm_tears(&schedule, "mvcc"));
    parse("s1: r x | c | switch 2pl\ns2: r x | c", "1 1 1 2 2");
    assert_true(sm_tears(&schedule, "mvcc"));
}

/* --- needless aborts
 * ------------------------------------------------------------------------------------------------------ */

/* The last transaction is refused by hand. */
static unsigned needless_of_the_last(varve_isolation level, int status) {
    run_at(VARVE_READ_COMMITTED);
    for (unsigned t = 0; t < schedule.txn_count; t++) run.txns[t].level = level;
    run.txns[schedule.txn_count - 1].committed = false;
    run.txns[schedule.txn_count - 1].status = status;
    return sm_needless(&schedule, order, &run);
}

static void needless_aborts(void **state) {
    (void)state;
    parse("init x=0 y=0\ns1: r x | w y 1 | c\ns2: r y | w x 1 | c", "1 2 1 2 1 2"); /* write skew */
    assert_int_equal(needless_of_the_last(VARVE_SERIALIZABLE, VARVE_CONFLICT), 0);
    assert_int_equal(needless_of_the_last(VARVE_REPEATABLE_READ, VARVE_CONFLICT), 0);
    assert_int_equal(needless_of_the_last(VARVE_SNAPSHOT, VARVE_CONFLICT), 1);
    assert_int_equal(needless_of_the_last(VARVE_READ_COMMITTED, VARVE_DEADLOCK), 1);
    parse("init x=0 y=0\ns1: r x | w y 1 | c\ns2: r x | w x 1 | c", "1 2 1 2 1 2"); /* one edge, no cycle */
    assert_int_equal(needless_of_the_last(VARVE_SERIALIZABLE, VARVE_DEADLOCK), 1);
    assert_int_equal(needless_of_the_last(VARVE_SERIALIZABLE, VARVE_OK), 0); /* by the script */
    parse("init x=0 y=0\ns1: w x 1 | c\ns2: w x 2 | c", "1 2 1 2");          /* both write: somebody may have to go */
    assert_int_equal(needless_of_the_last(VARVE_SERIALIZABLE, VARVE_CONFLICT), 0);
    assert_int_equal(needless_of_the_last(VARVE_SNAPSHOT, VARVE_CONFLICT), 0);
    assert_int_equal(needless_of_the_last(VARVE_READ_COMMITTED, VARVE_CONFLICT), 1);
    parse("s1: s [a,m) | w n 1 | c\ns2: s [n,z) | w b 1 | c", "1 2 1 2 1 2"); /* skew of ranges: no row is read */
    assert_int_equal(needless_of_the_last(VARVE_SERIALIZABLE, VARVE_CONFLICT), 0);
    assert_int_equal(needless_of_the_last(VARVE_REPEATABLE_READ, VARVE_CONFLICT), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stale_read_at_every_level),
        cmocka_unit_test(an_unfinished_commit_may_be_missed),
        cmocka_unit_test(rows_of_a_cursor_are_of_one_state),
        cmocka_unit_test(a_torn_cursor_is_one_statement),
        cmocka_unit_test(a_read_beside_a_cursor_is_of_its_state),
        cmocka_unit_test(a_cursor_stays_at_its_end),
        cmocka_unit_test(statements_do_not_go_back),
        cmocka_unit_test(the_first_committer_wins),
        cmocka_unit_test(presence_is_looked_at_again),
        cmocka_unit_test(the_rows_at_the_end),
        cmocka_unit_test(deleted_ranges),
        cmocka_unit_test(a_deleted_row_was_there_at_the_commit),
        cmocka_unit_test(a_search_among_sixteen),
        cmocka_unit_test(what_tears),
        cmocka_unit_test(needless_aborts),
    };
    return cmocka_run_group_tests_name("oracle", tests, NULL, NULL);
}
