/* test_lives.c - one database through many lives: each runs random steps in a random sync mode and scheme, ends at a
 * random operation of the disk, also in the middle of recovery or of an orderly close, and a random policy says what is
 * left for the next.
 *
 * Recycled segments, several generations, catalogue edits and checkpoints pile up as they do over years.
 * VARVE_TEST_CASES: databases (default 60); VARVE_TEST_CASE runs one again.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/crashkit.h"

enum { LIVES = 12, STEPS = 40, LONGEST_LIFE = 140 };

static struct ck_model model;

static void random_script(struct td_random *random, char script[STEPS + 1]) {
    static const char steps[] = "tttttttttttrsakyijocdo";
    unsigned count = 5 + (unsigned)td_below(random, STEPS - 5);
    memcpy(script, "cc", 2);
    for (unsigned i = 2; i < count; i++) script[i] = steps[td_below(random, sizeof steps - 1)];
    script[count] = '\0';
}

/* One life; returns the disk that is left. The model's start is what the life before left. */
static struct sim_disk *live(struct sim_disk *disk, struct td_random *random, unsigned least) {
    struct ck_run run;
    char script[STEPS + 1];
    unsigned p, v;
    bool looked = false;
    random_script(random, script);
    unsigned mode = (unsigned)td_below(random, CK_MODES);
    td_trace("sync=%s, %s", ck_modes[mode], script);
    sim_crash_after(disk, td_below(random, LONGEST_LIFE));
    int status = ck_open(&run, &model, disk, mode, td_schemes[td_below(random, TD_SCHEMES)]);
    if (status == VARVE_OK) {
        const char *why = ck_judge(&run, least, &p, &v);
        TD_CHECK(why == NULL || sim_power_is_off(disk), "after recovery: %s", why);
        if (why == NULL) {
            ck_model_rebase(&model, p, v);
            ck_play(&run, script);
            looked = true;
        }
    } else {
        TD_CHECK(sim_power_is_off(disk), "reopen: %s: %s", varve_status_name(status), varve_db_error(run.db));
    }
    if (!looked) model.safe = model.acked = least; /* what had to be there still has to, and no more */
    status = ck_close(&run);
    TD_CHECK(status == VARVE_OK || sim_power_is_off(disk), "close: %s", varve_status_name(status));
    enum sim_policy policy = (enum sim_policy)td_below(random, SIM_POLICIES);
    unsigned choice = (unsigned)td_below(random, sim_choices(disk, policy));
    td_trace("%s after %llu, policy %u choice %u", sim_power_is_off(disk) ? "power off" : "closed",
             (unsigned long long)sim_ops(disk), policy, choice);
    struct sim_disk *left = sim_reboot(disk, policy, choice, td_next(random));
    sim_free(disk);
    model.safe = ck_least(&run, &model, policy);
    return left;
}

static void every_life_finds_what_the_last_one_promised(void **state) {
    (void)state;
    unsigned cases = td_case_count(60);
    unsigned long commits = 0;
    for (unsigned i = 0; i < cases; i++) {
        if (td_only_case() >= 0 && td_only_case() != (long)i) continue;
        struct td_random random = {td_seed() * 1000003 + i};
        td_context("VARVE_TEST_CASE=%u", i);
        td_trace_clear();
        struct sim_disk *disk = sim_create(i + 1);
        ck_model_init(&model);
        for (unsigned life = 0; life < LIVES; life++) {
            disk = live(disk, &random, model.safe);
            commits += model.acked;
        }
        sim_free(disk);
    }
    print_message("%u databases, %u lives each, %lu commits\n", cases, (unsigned)LIVES, commits);
    assert_true(td_only_case() >= 0 || commits > cases * 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_life_finds_what_the_last_one_promised)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
