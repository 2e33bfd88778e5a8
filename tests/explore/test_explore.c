/* test_explore.c - switches inside operations: every schedule of the corpus and random programs, in every scheme, with
 * the janitor beside them; nothing bad may come out, every place must have been reached, and the same seed must give
 * the same run.
 *
 * VARVE_TEST_CASES sets the runs of each search; VARVE_TEST_SEED the first seed. A bad run prints the program, the
 * scheme and level, and its seed or switches.
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

#include "explore/explorer.h"
#include "schedule/load.h"
#include "support/testdb.h"

static uint64_t total_runs, total_turns, reached[(VK_POINT_COUNT + 63) / 64];

static void print_program(const struct ss_schedule *p) {
    for (unsigned s = 0; s < p->session_count; s++) {
        fprintf(stderr, "    s%u:", s + 1);
        for (unsigned i = p->first_step[s]; i < p->first_step[s + 1]; i++) fprintf(stderr, " %s |", p->steps[i].text);
        fprintf(stderr, "\n");
    }
}

static void show_bad(const struct sx_search *search, const struct sx_found *found) {
    char how[400];
    const struct sx_outcome *o = &found->outcome;
    sx_describe(search, found, how, sizeof(how));
    fprintf(stderr, "%s, %s, %s, deadlock=%s%s%s, fault %u: %s\n", search->setup.program->name, search->setup.scheme,
            td_level_name(search->setup.level), search->setup.deadlock != NULL ? search->setup.deadlock : "wound_wait",
            search->setup.tiny ? ", tiny" : "", search->setup.janitor ? ", janitor" : "", search->setup.fault, how);
    print_program(search->setup.program);
    if (o->hang) fprintf(stderr, "    hang: nobody could go on\n");
    if (o->endless) fprintf(stderr, "    endless: %u turns\n", o->turns);
    if (o->leftover) fprintf(stderr, "    left over: %s\n", o->text);
    if (o->report.verdict == CK_VIOLATION)
        fprintf(stderr, "    %s\n%s\n", ck_anomaly_name(o->report.finding.anomaly), o->report.finding.proof);
    if (o->report.verdict == CK_UNKNOWN) fprintf(stderr, "    unknown: %s\n", o->report.unknown);
}

/* One search; true when nothing bad was found. */
static bool search(struct sx_search *search) {
    static struct sx_found found;
    int status = sx_explore(search, &found);
    if (status != VARVE_OK) fprintf(stderr, "%s: %s\n", varve_status_name(status), found.outcome.text);
    if (found.bad) show_bad(search, &found);
    total_runs += found.runs;
    total_turns += found.turns;
    for (unsigned i = 0; i < (VK_POINT_COUNT + 63) / 64; i++) reached[i] |= found.reached[i];
    sx_outcome_release(&found.outcome);
    return status == VARVE_OK && !found.bad;
}

static struct sx_search make(const struct ss_schedule *program, unsigned scheme, varve_isolation level, uint64_t seed,
                             uint64_t runs) {
    struct sx_search s = {.kind = SX_PCT, .seed = seed, .runs = runs, .depth = 3};
    s.setup = (struct sx_setup){.program = program, .scheme = td_schemes[scheme], .level = level, .janitor = true};
    return s;
}

static void random_programs_hold(void **state) {
    static struct ss_schedule program;
    static const char *const policies[] = {"wound_wait", "wound_wait", "detect", "wait_die", "no_wait"};
    unsigned programs = td_case_count(600), bad = 0;
    uint64_t seed = td_seed();
    (void)state;
    for (unsigned i = 0; i < programs && bad < 3; i++) {
        sx_random_program(seed * 1000000 + i, &program);
        for (unsigned scheme = 0; scheme < TD_SCHEMES; scheme++) {
            if (!td_scheme_wanted(td_schemes[scheme])) continue;
            struct sx_search s = make(&program, scheme, td_levels[i % TD_LEVELS], seed * 7919 + i, 12);
            s.kind = i % 3 == 0 ? SX_WALK : SX_PCT;
            s.setup.tiny = i % 2 == 1;
            s.setup.deadlock = policies[i % 5];
            if (i % 11 == 0) s.setup.switch_to = td_schemes[(scheme + 1) % TD_SCHEMES];
            if (i % 4 == 3) s.setup.fault = 1 + i / 4 % 12;
            bad += !search(&s);
        }
    }
    assert_int_equal(bad, 0);
}

static void corpus_holds(void **state) {
    struct ss_set set;
    unsigned bad = 0;
    uint64_t runs = td_case_count(4);
    (void)state;
    ss_set_init(&set);
    assert_int_equal(ss_set_add_corpus(&set, stderr), VARVE_OK);
    for (unsigned i = 0; i < set.count && bad < 3; i++)
        for (unsigned scheme = 0; scheme < TD_SCHEMES; scheme++) {
            if (!td_scheme_wanted(td_schemes[scheme])) continue;
            struct sx_search s = make(set.schedules[i], scheme, td_levels[(i + scheme) % TD_LEVELS], td_seed(), runs);
            s.setup.tiny = i % 2 == 0;
            bad += !search(&s);
            s.setup.level = VARVE_SERIALIZABLE;
            bad += !search(&s);
        }
    ss_set_release(&set);
    assert_int_equal(bad, 0);
}

/* Every run with at most two preemptions, of a few small programs. */
static void bounded_search_holds(void **state) {
    static struct ss_schedule program;
    unsigned bad = 0;
    uint64_t runs = td_case_count(1500);
    (void)state;
    for (uint64_t i = 0; i < 2 && bad == 0; i++)
        for (unsigned scheme = 0; scheme < TD_SCHEMES; scheme++) {
            sx_random_program(9000 + i, &program);
            struct sx_search s = make(&program, scheme, VARVE_SERIALIZABLE, 0, runs);
            s.kind = SX_BOUNDED;
            s.depth = 2;
            s.setup.janitor = false;
            bad += !search(&s);
        }
    assert_int_equal(bad, 0);
}

static void a_seed_gives_the_same_run(void **state) {
    static struct ss_schedule program;
    static struct sx_found found[2];
    (void)state;
    for (uint64_t seed = 1; seed < 20; seed++) {
        sx_random_program(seed, &program);
        struct sx_search s = make(&program, (unsigned)(seed % 3), VARVE_SERIALIZABLE, seed, 1);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(sx_explore(&s, &found[i]), VARVE_OK);
            sx_outcome_release(&found[i].outcome);
        }
        assert_int_equal(found[0].outcome.fingerprint, found[1].outcome.fingerprint);
        assert_int_equal(found[0].outcome.turns, found[1].outcome.turns);
    }
}

/* Log and janitor threads aside, no place may be one that nothing ever reaches. */
static void every_place_is_reached(void **state) {
    static const char *const elsewhere[] = {"cut.", "sync.", "harden.", "publish.head"};
    unsigned missing = 0;
    (void)state;
    for (unsigned i = 0; i < VK_POINT_COUNT; i++) {
        bool other = false;
        for (unsigned e = 0; e < sizeof elsewhere / sizeof *elsewhere; e++)
            other |= strncmp(vk_point_names[i], elsewhere[e], strlen(elsewhere[e])) == 0;
        if (other || (reached[i / 64] >> i % 64 & 1) != 0) continue;
        fprintf(stderr, "never reached: %s\n", vk_point_names[i]);
        missing++;
    }
    printf("%llu runs, %llu turns\n", (unsigned long long)total_runs, (unsigned long long)total_turns);
    assert_int_equal(missing, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_the_same_run), cmocka_unit_test(random_programs_hold),
        cmocka_unit_test(corpus_holds),              cmocka_unit_test(bounded_search_holds),
        cmocka_unit_test(every_place_is_reached),
    };
    td_watchdog(280);
    return cmocka_run_group_tests_name("explore", tests, NULL, NULL);
}
