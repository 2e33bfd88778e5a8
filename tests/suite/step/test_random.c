/* test_random.c - random schedules with a level for each transaction, run on the engine and judged twice: the answers by
 * the model, the stamps by the checker of histories. Both must find nothing, whatever the scheme, the deadlock policy, the
 * size of leaves and the ghosts around.
 *
 * VARVE_TEST_CASE replays one schedule; what failed is printed whole.
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
#include "model/oracle.h"
#include "step/step.h"
#include "suite/model/random_schedule.h"

enum { VARIANTS = 6, ORDERS = 4 };

/* 0: tiny is off; the second half of the variants also keeps ghosts */
static const char *const policies[VARIANTS] = {"wound_wait", "wound_wait", "no_wait", "wound_wait", "wait_die", "detect"};

static struct st_stage *stages[TD_SCHEMES][VARIANTS];
static struct ss_schedule schedule;
static struct ss_run run;
static struct ck_report report;
static uint64_t runs, refused, waited, unfit;

static int open_stages(void **state) {
    (void)state;
    char error[200];
    for (unsigned i = 0; i < TD_SCHEMES; i++) {
        for (unsigned v = 0; v < VARIANTS; v++) {
            struct st_options options = {.scheme = td_schemes[i],
                                         .deadlock = policies[v],
                                         .level = VARVE_SERIALIZABLE,
                                         .tiny = v != 0,
                                         .keep_ghosts = v >= VARIANTS / 2,
                                         .seed = td_seed()};
            if (st_open(&options, &stages[i][v], error, sizeof error) != VARVE_OK) return -1;
        }
    }
    return 0;
}

static int close_stages(void **state) {
    (void)state;
    for (unsigned i = 0; i < TD_SCHEMES; i++)
        for (unsigned v = 0; v < VARIANTS; v++) st_close(stages[i][v]);
    return 0;
}

static void judge_answers(const char *scheme, const char *text) {
    struct sm_verdict verdict;
    char words[300];
    sm_judge(&schedule, &run, sm_tears(&schedule, scheme), &verdict);
    TD_CHECK(verdict.safe, "%s: %s\n%s", scheme, sm_explain(&schedule, &run, &verdict, words, sizeof words), text);
    TD_CHECK(!run.hang && run.note[0] == 0, "%s: %s%s\n%s", scheme, run.hang ? "hang " : "", run.note, text);
}

static void judge_stamps(const struct st_stage *stage, const char *scheme, const char *text) {
    struct hs_history history;
    struct hs_problem problem;
    struct ck_options options = {.strict = true, .sessions = true};
    int status = st_history(stage, &schedule, &run, &history, &problem);
    if (status == VARVE_INVALID) {
        unfit++;
        return;
    }
    assert_int_equal(status, VARVE_OK);
    assert_int_equal(ck_check(&history, &options, &report), VARVE_OK);
    TD_CHECK(report.verdict == CK_OK, "%s: %s: %s%s\n%s", scheme,
             report.verdict == CK_UNKNOWN ? "unknown" : ck_anomaly_name(report.finding.anomaly), report.finding.proof,
             report.unknown, text);
    hs_release(&history);
}

static void count(void) {
    runs++;
    for (unsigned t = 0; t < schedule.txn_count; t++)
        refused += run.txns[t].begun && !run.txns[t].committed && run.txns[t].status != VARVE_OK;
    for (unsigned i = 0; i < schedule.step_count; i++) waited += run.answers[i].waited != SS_NO_WAIT;
}

/* Each transaction at a level of its own, or all at one. */
static void draw_levels(struct td_random *rng) {
    bool mixed = td_chance(rng, 50);
    varve_isolation level = td_levels[td_below(rng, TD_LEVELS)];
    for (unsigned i = 0; i < schedule.step_count; i++)
        if (schedule.steps[i].verb == SS_BEGIN)
            schedule.steps[i].level = mixed ? td_levels[td_below(rng, TD_LEVELS)] : level;
}

/* A session of the engine's own: it collects and splits between the steps of the others. */
static void add_housekeeping(struct td_random *rng, char *text) {
    unsigned sessions = strstr(text, "\ns3:") != NULL ? 3 : 2;
    size_t at = strlen(text);
    at += (size_t)sprintf(text + at, "s%u: gc", sessions + 1);
    for (unsigned left = (unsigned)td_below(rng, 4); left > 0; left--)
        at += (size_t)sprintf(text + at, " | %s", td_chance(rng, 30) ? "split" : "gc");
    sprintf(text + at, "\n");
}

static void one_case(struct td_random *rng, char *text) {
    struct shape shape = {.removes = td_chance(rng, 50), .scans_after_write = true, .locks = td_chance(rng, 50),
                          .adds = td_chance(rng, 20)};
    rs_text(rng, &shape, text);
    if (td_chance(rng, 50)) add_housekeeping(rng, text);
    rs_parse(text, &schedule);
    for (unsigned o = 0; o < ORDERS; o++) {
        uint8_t order[SS_STEPS_MAX];
        draw_levels(rng);
        rs_order(rng, &schedule, order);
        for (unsigned i = 0; i < TD_SCHEMES; i++) {
            struct st_stage *stage = stages[i][td_below(rng, VARIANTS)];
            assert_int_equal(st_run(stage, &schedule, order, &run), VARVE_OK);
            count();
            judge_answers(td_schemes[i], text);
            judge_stamps(stage, td_schemes[i], text);
        }
    }
}

static void nothing_that_is_promised_is_broken(void **state) {
    (void)state;
    unsigned cases = td_case_count(6000);
    long only = td_only_case();
    static char text[4096];
    for (unsigned i = 0; i < cases; i++) {
        struct td_random rng = {td_seed() + i * UINT64_C(0x632be59bd9b4e019)};
        if (only >= 0 && (long)i != only) continue;
        td_context("case %u", i);
        one_case(&rng, text);
    }
    print_message("%llu runs, %llu waits, %llu transactions refused, %llu runs without a history\n",
                  (unsigned long long)runs, (unsigned long long)waited, (unsigned long long)refused,
                  (unsigned long long)unfit);
    if (only < 0) assert_true(waited > 0 && refused > 0 && unfit < runs / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_that_is_promised_is_broken)};
    td_watchdog(300);
    return cmocka_run_group_tests(tests, open_stages, close_stages);
}
