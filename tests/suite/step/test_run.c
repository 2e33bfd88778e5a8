/* test_run.c - running schedules: who waits and who does not, what a step is answered, that nothing is left behind and
 * that the same schedule gives the same run.
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

#include "schedule/load.h"
#include "step/step.h"
#include "support/testdb.h"

static struct ss_schedule schedule;
static struct ss_run run;

static void parse(const char *text) {
    struct ss_problem problem;
    const char *next;
    unsigned line;
    int status = ss_parse(text, 1, &schedule, &next, &line, &problem);
    TD_CHECK(status == VARVE_OK, "line %u: %s", problem.line, problem.text);
}

static struct st_stage *stage_of(const char *scheme, varve_isolation level, const char *deadlock) {
    struct st_options options = {.scheme = scheme, .deadlock = deadlock, .level = level};
    struct st_stage *stage;
    char error[200];
    int status = st_open(&options, &stage, error, sizeof error);
    TD_CHECK(status == VARVE_OK, "%s", error);
    return stage;
}

/* Runs the n-th interleaving of the schedule parsed last. */
static void play(struct st_stage *stage, uint64_t n) {
    uint8_t order[SS_STEPS_MAX];
    ss_interleaving(&schedule, n, order);
    assert_int_equal(st_run(stage, &schedule, order, &run), VARVE_OK);
}

/* Step `number` of session `session`, both counted from 1 as in a file. */
static const struct ss_answer *answer(unsigned session, unsigned number) {
    return &run.answers[schedule.first_step[session - 1] + number - 1];
}

/* Of a run: how often the schedule's anomaly shows over all interleavings. */
static unsigned shown(struct st_stage *stage) {
    unsigned count = 0;
    for (uint64_t n = 0; n < ss_interleavings(&schedule); n++) {
        play(stage, n);
        assert_false(run.hang);
        assert_string_equal(run.note, "");
        count += ss_is_anomaly(&schedule, &run, false);
    }
    return count;
}

static const char lost_update[] = "schedule C1 lost\n"
                                  "init x=0\n"
                                  "s1: r x | w x 1 | c\n"
                                  "s2: r x | w x 2 | c\n"
                                  "anomaly s1.1=0 s2.1=0 all-commit\n"
                                  "must ser\n";

static void a_weak_level_shows_what_a_strong_one_prevents(void **state) {
    (void)state;
    for (unsigned i = 0; i < TD_SCHEMES; i++) {
        struct st_stage *stage = stage_of(td_schemes[i], VARVE_READ_COMMITTED, NULL);
        parse(lost_update);
        assert_true(shown(stage) > 0);
        st_set_level(stage, VARVE_SERIALIZABLE);
        assert_int_equal(shown(stage), 0);
        parse("schedule D2 skew\ns1: s [a,m) | w n 1 | c\ns2: s [m,z) | w b 1 | c\n"
              "anomaly s1.1={} s2.1={} all-commit\n");
        assert_int_equal(shown(stage), 0);
        st_set_level(stage, VARVE_READ_COMMITTED);
        assert_true(shown(stage) > 0);
        st_close(stage);
    }
}

/* 2pl: a reader of a row that is locked for writing waits for the commit and reads what was committed. */
static void a_step_waits_exactly_when_a_lock_is_in_the_way(void **state) {
    (void)state;
    struct st_stage *stage = stage_of("2pl", VARVE_SERIALIZABLE, NULL);
    parse("schedule X wait\ninit x=0 y=0\ns1: w x 5 | w y 5 | c\ns2: r y | r x | c\n"
          "run s1.1 s2.1 s2.2 s1.2 s1.3 s2.3\nrun s2.1 s2.2 s2.3 s1.1 s1.2 s1.3\nanomaly s1.abort\n");
    play(stage, 0); /* the older writer wounds the reader of y, which waits for x */
    assert_int_equal(answer(2, 1)->waited, SS_NO_WAIT);
    assert_int_equal(answer(2, 1)->value, 0);
    assert_int_equal(answer(2, 2)->waited, SS_WAITED_LOCK);
    assert_int_equal(answer(2, 2)->status, VARVE_DEADLOCK);
    assert_int_equal(answer(2, 2)->reason, VARVE_REASON_WOUNDED);
    assert_false(answer(2, 3)->done);
    assert_true(run.txns[0].committed);
    assert_false(run.txns[1].committed);
    play(stage, 1);
    for (unsigned i = 0; i < schedule.step_count; i++) assert_int_equal(run.answers[i].waited, SS_NO_WAIT);
    assert_int_equal(run.commit_count, 2);
    assert_int_equal(run.commit_order[0], 1);
    parse("schedule X wait2\ninit x=0\ns1: w x 5 | c\ns2: r x | c\nrun s1.1 s2.1 s2.2 s1.2\nanomaly s1.abort\n");
    play(stage, 0); /* the step of the waiting session is put off, and carried out after it has woken */
    assert_int_equal(answer(2, 1)->waited, SS_WAITED_LOCK);
    assert_int_equal(answer(2, 1)->value, 5);
    assert_true(answer(2, 1)->started < answer(1, 2)->started && answer(1, 2)->ended < answer(2, 1)->ended);
    assert_true(answer(2, 1)->ended < answer(2, 2)->started);
    assert_int_equal(answer(2, 1)->commits_before, 0);
    assert_int_equal(answer(2, 1)->commits_after, 1);
    assert_int_equal(run.commit_count, 2);
    unsigned count, waits = 0;
    const struct st_event *events = st_events(stage, &count);
    for (unsigned i = 0; i < count; i++)
        if (events[i].kind == ST_EVENT_WAIT && ++waits == 1) assert_int_equal(events[i].on, 0);
    assert_int_equal(waits, 1);
    st_close(stage);
}

/* Two transactions that write two rows in opposite orders: one commits, the other is the victim, under every policy. */
static void a_deadlock_has_one_victim(void **state) {
    (void)state;
    static const char *const policies[] = {"wound_wait", "no_wait", "wait_die", "detect"};
    static const unsigned victims[] = {2, 2, 2, 2}; /* who is younger, or came second */
    for (unsigned i = 0; i < sizeof policies / sizeof *policies; i++) {
        struct st_stage *stage = stage_of("2pl", VARVE_SERIALIZABLE, policies[i]);
        parse("schedule X dead\ninit x=0 y=0\ns1: w x 1 | w y 1 | c\ns2: w y 2 | w x 2 | c\n"
              "run 1 2 1 2 1 2\nrun 1 2 2 1 1 2\nanomaly all-commit\n");
        for (uint64_t n = 0; n < 2; n++) {
            play(stage, n);
            assert_false(run.hang);
            bool second_first = n == 0 && i == 1; /* no_wait: whoever meets a lock dies */
            unsigned victim = second_first ? 1 : victims[i];
            assert_int_equal(run.commit_count, 1);
            assert_false(run.txns[victim - 1].committed);
            assert_int_equal(run.txns[victim - 1].status, VARVE_DEADLOCK);
            assert_int_equal(run.final[0], 3 - victim);
            assert_int_equal(run.final[1], 3 - victim);
        }
        st_close(stage);
    }
}

static void steps_answer_what_they_read(void **state) {
    (void)state;
    for (unsigned i = 0; i < TD_SCHEMES; i++) {
        struct st_stage *stage = stage_of(td_schemes[i], VARVE_SERIALIZABLE, NULL);
        parse("schedule X verbs\ninit b=1 d=2\n"
              "s1: r a | has b | w a r(a)+7 | ins a 9 | upd q 1 | add b 5 | s [,c) rev | d d | d d | sp | w z 1 | rb | "
              "del [a,b) | s [,) | when r(a) = 0 : w y 4 | when r(a) != 0 : w u 4 | c\n"
              "s2: open [,) | next | next | next | c\n"
              "run 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 2 2 2 2 2\nanomaly s1.abort\n");
        play(stage, 0);
        assert_int_equal(answer(1, 1)->status, VARVE_NOTFOUND);
        assert_true(answer(1, 1)->value == SS_ABSENT);
        assert_int_equal(answer(1, 2)->value, 0);
        assert_int_equal(answer(1, 3)->written, 7); /* absent counts as 0 */
        assert_int_equal(answer(1, 4)->status, VARVE_EXISTS);
        assert_int_equal(answer(1, 5)->status, VARVE_NOTFOUND);
        assert_int_equal(answer(1, 7)->row_count, 2);
        assert_int_equal(answer(1, 7)->rows[0].value, 6);
        assert_int_equal(answer(1, 7)->rows[1].value, 7);
        assert_int_equal(answer(1, 8)->status, VARVE_OK);
        assert_int_equal(answer(1, 9)->status, VARVE_NOTFOUND);
        assert_int_equal(answer(1, 13)->value, 1);
        assert_int_equal(answer(1, 14)->row_count, 1);
        assert_true(answer(1, 15)->done && answer(1, 16)->skipped && !answer(1, 16)->done);
        assert_string_equal(schedule.keys[answer(2, 2)->next_key], "b");
        assert_int_equal(answer(2, 2)->value, 6);
        assert_string_equal(schedule.keys[answer(2, 3)->next_key], "y");
        assert_int_equal(answer(2, 4)->status, VARVE_END);
        assert_int_equal(run.commit_count, 2);
        st_close(stage);
    }
}

/* Rows survive a kill when their commit was acknowledged, and no others do. */
static void a_crash_keeps_what_was_acknowledged(void **state) {
    (void)state;
    for (unsigned i = 0; i < TD_SCHEMES; i++) {
        struct st_stage *stage = stage_of(td_schemes[i], VARVE_SERIALIZABLE, NULL);
        parse("schedule F1 kill\ninit x=0\ns1: w x 1 | c | w x 2 | crash | r x | c\ns2: w y 7 | c\n"
              "run 1 1 2 1 1 2 1 1\nrun 1 1 2 2 1 1 1 1\nanomaly s1.5=0\n");
        assert_true(schedule.durable);
        for (unsigned n = 0; n < 2; n++) {
            play(stage, n);
            assert_int_equal(answer(1, 5)->value, 1);
            assert_int_equal(run.final[0], 1);
            assert_true(run.final[1] == (n == 0 ? SS_ABSENT : 7));
            assert_true(run.txns[0].committed && !run.txns[1].committed && run.txns[2].committed);
            assert_string_equal(run.note, "");
        }
        st_close(stage);
    }
}

/* A session that waits for a lock is killed too, and its stack can be used again. */
static void a_crash_ends_waiters(void **state) {
    (void)state;
    struct st_stage *stage = stage_of("2pl", VARVE_SERIALIZABLE, NULL);
    parse("schedule F1 waiter\ninit x=0\ns1: w x 1 | crash | r x | c\ns2: r x | w z 1 | c\ns3: r x | c\n"
          "run 1 2 3 1 1 1 2 2 3\nanomaly s1.3=1\n");
    for (unsigned n = 0; n < 20; n++) {
        play(stage, 0);
        assert_int_equal(answer(2, 1)->waited, SS_WAITED_LOCK);
        assert_false(answer(2, 1)->done);
        assert_false(answer(2, 2)->done);
        assert_int_equal(answer(1, 3)->value, 0);
        assert_true(run.txns[1].committed);
        assert_int_equal(run.commit_count, 1);
        assert_false(run.hang);
    }
    st_close(stage);
}

static void splits_and_collections_disturb_nobody(void **state) {
    (void)state;
    for (unsigned i = 0; i < TD_SCHEMES; i++) {
        for (unsigned tiny = 0; tiny < 2; tiny++) {
            struct st_options options = {.scheme = td_schemes[i], .level = VARVE_SERIALIZABLE, .tiny = tiny != 0};
            struct st_stage *stage;
            char error[200];
            assert_int_equal(st_open(&options, &stage, error, sizeof error), VARVE_OK);
            parse("schedule X split\ninit a=1 x=2\ns1: s [,) | s [,) rev | c\ns2: split | gc | split\n"
                  "anomaly s1.abort\n");
            for (uint64_t n = 0; n < ss_interleavings(&schedule); n++) {
                play(stage, n);
                assert_int_equal(answer(1, 1)->row_count, 2);
                assert_int_equal(answer(1, 2)->row_count, 2);
                assert_int_equal(answer(2, 1)->status, VARVE_OK);
                assert_int_equal(run.commit_count, 1);
                assert_string_equal(run.note, "");
            }
            st_close(stage);
        }
    }
}

static void what_is_served_is_never_weaker(void **state) {
    (void)state;
    for (unsigned i = 0; i < TD_SCHEMES; i++) {
        struct st_stage *stage = stage_of(td_schemes[i], VARVE_SERIALIZABLE, NULL);
        for (unsigned l = 0; l < TD_LEVELS; l++) {
            st_set_level(stage, td_levels[l]);
            assert_int_equal(st_served(stage), td_served_level(td_schemes[i], td_levels[l]));
        }
        st_close(stage);
    }
}

static void a_bad_scheme_is_refused(void **state) {
    (void)state;
    struct st_options options = {.scheme = "ssi", .level = VARVE_SERIALIZABLE};
    struct st_stage *stage;
    char error[200];
    assert_int_equal(st_open(&options, &stage, error, sizeof error), VARVE_INVALID);
    assert_null(stage);
    assert_non_null(strstr(error, "cc"));
}

/* --- the corpus, twice -------------------------------------------------------------------------------------------- */

enum { PRINTS_MAX = 1 << 18 };
static uint64_t prints[PRINTS_MAX];

/* Every interleaving at every level, backwards or forwards through the corpus; `check`: compares with what the first
 * pass has left in prints[]. */
static unsigned sweep(const struct ss_set *set, const struct st_options *options, bool check) {
    struct st_stage *stage;
    char error[200];
    unsigned at = 0, bad = 0;
    TD_CHECK(st_open(options, &stage, error, sizeof error) == VARVE_OK, "%s", error);
    for (unsigned i = 0; i < set->count; i++) {
        uint64_t all = ss_interleavings(set->schedules[i]);
        for (unsigned l = 0; l < TD_LEVELS; l++) {
            if (set->schedules[i]->durable && l + 1 < TD_LEVELS) continue; /* files are slow */
            st_set_level(stage, td_levels[l]);
            for (uint64_t n = 0; n < all && at < PRINTS_MAX; n++, at++) {
                uint8_t order[SS_STEPS_MAX];
                uint64_t m = check ? all - 1 - n : n; /* the second time each from the back */
                ss_interleaving(set->schedules[i], m, order);
                TD_CHECK(st_run(stage, set->schedules[i], order, &run) == VARVE_OK, "%s", run.note);
                uint64_t *print = &prints[at - n + m < PRINTS_MAX ? at - n + m : at];
                if (!check)
                    *print = st_fingerprint(stage);
                else if (*print != st_fingerprint(stage) && bad++ < 10)
                    print_error("%s/%llu at %s in %s differs\n", set->schedules[i]->name, (unsigned long long)m,
                                td_level_name(td_levels[l]), options->scheme);
            }
        }
    }
    st_close(stage);
    TD_CHECK(!check || bad == 0, "%u of %u runs differ", bad, at);
    return at;
}

static void the_same_schedule_gives_the_same_run(void **state) {
    (void)state;
    struct ss_set set;
    ss_set_init(&set);
    assert_int_equal(ss_set_add_corpus(&set, stderr), VARVE_OK);
    for (unsigned i = 0; i < TD_SCHEMES; i++) {
        struct st_options options = {.scheme = td_schemes[i], .level = VARVE_SERIALIZABLE};
        uint64_t begun = td_now_ns();
        unsigned runs = sweep(&set, &options, false);
        print_message("%s: %u runs, %.1f us each\n", td_schemes[i], runs,
                      (double)(td_now_ns() - begun) / 1000 / (runs != 0 ? runs : 1));
        (void)sweep(&set, &options, true);
    }
    ss_set_release(&set);
}

/* The scheme changes once the last open transaction has ended; the gate's wait is told like any other. */
static void a_switch_waits_for_the_open_transactions(void **state) {
    (void)state;
    for (unsigned i = 0; i < TD_SCHEMES; i++) {
        struct st_stage *stage = stage_of(td_schemes[i], VARVE_SERIALIZABLE, NULL);
        parse("schedule G1 waits\ninit x=0\ns1: add x 1 | add x 2 | c\ns2: switch occ wait | r x | c\ns3: add x 4 | c\n"
              "run 1 2 3 1 1 2 2 3\nanomaly !s2.1=ok\n");
        play(stage, 0);
        assert_false(run.hang);
        assert_int_equal(answer(2, 1)->waited, SS_WAITED_OTHER);
        assert_int_equal(answer(3, 1)->waited, SS_WAITED_OTHER); /* it came when the gate was closed */
        assert_int_equal(answer(2, 1)->status, VARVE_OK);
        assert_true(answer(2, 1)->ended > answer(1, 3)->ended && answer(3, 1)->ended > answer(2, 1)->ended);
        assert_true(run.txns[0].committed && run.txns[1].committed && run.txns[2].committed);
        st_close(stage);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_switch_waits_for_the_open_transactions),
        cmocka_unit_test(a_weak_level_shows_what_a_strong_one_prevents),
        cmocka_unit_test(a_step_waits_exactly_when_a_lock_is_in_the_way),
        cmocka_unit_test(a_deadlock_has_one_victim),
        cmocka_unit_test(steps_answer_what_they_read),
        cmocka_unit_test(a_crash_keeps_what_was_acknowledged),
        cmocka_unit_test(a_crash_ends_waiters),
        cmocka_unit_test(splits_and_collections_disturb_nobody),
        cmocka_unit_test(what_is_served_is_never_weaker),
        cmocka_unit_test(a_bad_scheme_is_refused),
        cmocka_unit_test(the_same_schedule_gives_the_same_run),
    };
    td_watchdog(300);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
