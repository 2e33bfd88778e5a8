/* test_enumerate.c - the power goes off after every operation on the disk, and every kind of remainder is opened again.
 *
 * One fixed workload of a single thread runs in each sync mode; for each operation n it runs again up to n, and for
 * each policy of the simulated disk the remainder is opened under another scheme. What is there must be the state after
 * some prefix of the commits, with all that was promised in it: in sync and group every acknowledged commit; in write,
 * interval and none what the engine called durable and what came before a successful sync or checkpoint, and in write
 * every acknowledged one when only the process ended (policy 1). A table whose creation returned is there.
 * A sample goes on from there: commits more, loses power again, and must have those too; and a sample is cut again at
 * every operation of the recovery itself, which must then recover the same.
 *
 * VARVE_TEST_BUDGET multiplies the choices tried per policy (5 where there are more).
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/crashkit.h"

static const char script[] = "cctttatirtjtoctttyttsitktttjrtiotdtttckttatstitorttyjtttitktttoit";

static struct ck_model model, second;
static struct ck_run run;
static unsigned long images, continued, nested;
static unsigned mode;

enum { MODE_GROUP = 1, CONTINUE_EVERY = 7, NEST_EVERY = 11 };

static const char *scheme(uint64_t number) { return td_schemes[number % TD_SCHEMES]; }

/* Runs the workload with the power cut after operation `cut`. True: the power went off. */
static bool run_until(struct sim_disk *disk, uint64_t cut) {
    ck_model_init(&model);
    sim_crash_after(disk, cut);
    td_context("sync=%s, power off after %llu", ck_modes[mode], (unsigned long long)cut);
    int status = ck_open(&run, &model, disk, mode, scheme(mode));
    if (status == VARVE_OK)
        ck_play(&run, script);
    else
        TD_CHECK(sim_power_is_off(disk), "open: %s: %s", varve_status_name(status), varve_db_error(run.db));
    status = ck_close(&run);
    TD_CHECK(status == VARVE_OK || sim_power_is_off(disk), "close: %s", varve_status_name(status));
    return sim_power_is_off(disk);
}

static void open_and_judge(struct ck_run *look, struct ck_model *with, struct sim_disk *image, unsigned least,
                           unsigned place[2]) {
    int status = ck_open(look, with, image, MODE_GROUP, scheme(images));
    if (status != VARVE_OK) sim_trace(image, stderr);
    TD_CHECK(status == VARVE_OK, "reopen: %s: %s", varve_status_name(status), varve_db_error(look->db));
    const char *why = ck_judge(look, least, &place[0], &place[1]);
    TD_CHECK(why == NULL, "after reopen: %s", why);
}

static void lose_power_and_close(struct ck_run *look) {
    sim_crash_after(look->disk, 0);
    ck_close(look);
}

/* What the next life commits must be there after its own end, together with what was there before. */
static void go_on(struct ck_run *look, const unsigned place[2]) {
    struct ck_run again;
    unsigned there[2];
    second = model;
    ck_model_rebase(&second, place[0], place[1]);
    look->model = &second;
    ck_play(look, "cctrotktt");
    struct sim_disk *later = sim_reboot(look->disk, SIM_NOTHING, 0, 1);
    open_and_judge(&again, &second, later, second.acked, there);
    lose_power_and_close(&again);
    sim_free(later);
    continued++;
}

static void check_image(struct sim_disk *image, unsigned least) {
    struct ck_run look;
    unsigned place[2];
    open_and_judge(&look, &model, image, least, place);
    if (++images % CONTINUE_EVERY == 0) go_on(&look, place);
    lose_power_and_close(&look);
}

static void for_each_image(struct sim_disk *disk, uint64_t cut) {
    unsigned most = ck_budget(5);
    for (unsigned policy = 0; policy < SIM_POLICIES; policy++) {
        unsigned choices = sim_choices(disk, policy), step = choices > most ? choices / most : 1;
        for (unsigned choice = (unsigned)(cut % step); choice < choices; choice += step) {
            td_context("sync=%s, power off after %llu, policy %u choice %u", ck_modes[mode], (unsigned long long)cut,
                       policy, choice);
            struct sim_disk *image = sim_reboot(disk, policy, choice, cut + 1);
            check_image(image, ck_least(&run, &model, policy));
            sim_free(image);
        }
    }
}

static void every_cut_leaves_a_prefix(void **state) {
    mode = *(const unsigned *)*state;
    unsigned long before = images;
    uint64_t cut = 0;
    for (bool off = true; off; cut++) {
        struct sim_disk *disk = sim_create(1);
        off = run_until(disk, cut);
        for_each_image(disk, cut);
        sim_free(disk);
    }
    print_message("sync=%s: %llu operations, %u commits, %lu remainders opened\n", ck_modes[mode],
                  (unsigned long long)cut - 1, model.count, images - before);
    assert_true(cut > 100 && model.acked > 35 && images - before > 1000);
}

/* Cuts while the remainder is opened: what it recovers to must not change. */
static void check_nested(const struct sim_disk *image, const unsigned place[2]) {
    for (uint64_t inner = 0;; inner++) {
        struct ck_run look;
        struct sim_disk *disk = sim_clone(image);
        sim_crash_after(disk, inner);
        int status = ck_open(&look, &model, disk, MODE_GROUP, scheme(inner));
        TD_CHECK(status == VARVE_OK || sim_power_is_off(disk), "reopen: %s", varve_status_name(status));
        bool off = sim_power_is_off(disk);
        lose_power_and_close(&look);
        for (unsigned policy = 0; policy < SIM_POLICIES && off; policy++) {
            unsigned choices = sim_choices(disk, policy), there[2];
            struct sim_disk *later = sim_reboot(disk, policy, (unsigned)(inner * 7 + policy) % choices, inner);
            open_and_judge(&look, &model, later, 0, there);
            TD_CHECK(there[0] == place[0] && there[1] == place[1],
                     "%u commits, catalogue %u; after a cut at %llu of the recovery (policy %u) %u and %u", place[0],
                     place[1], (unsigned long long)inner, policy, there[0], there[1]);
            lose_power_and_close(&look);
            sim_free(later);
            nested++;
        }
        sim_free(disk);
        if (!off) return;
    }
}

static void a_cut_while_recovering_changes_nothing(void **state) {
    static const enum sim_policy policies[] = {SIM_ALL, SIM_PREFIX, SIM_RANDOM, SIM_NOTHING};
    (void)state;
    bool off = true;
    unsigned step = NEST_EVERY / ck_budget(1) + 1;
    for (uint64_t cut = 3; off; cut += step) {
        mode = (unsigned)(cut % CK_MODES);
        struct sim_disk *disk = sim_create(1);
        off = run_until(disk, cut);
        enum sim_policy policy = policies[cut % 4];
        struct sim_disk *image = sim_reboot(disk, policy, (unsigned)(cut % sim_choices(disk, policy)), cut);
        struct sim_disk *copy = sim_clone(image);
        struct ck_run look;
        unsigned place[2];
        open_and_judge(&look, &model, copy, ck_least(&run, &model, policy), place);
        lose_power_and_close(&look);
        check_nested(image, place);
        sim_free(copy);
        sim_free(image);
        sim_free(disk);
    }
    print_message("%lu cuts within recoveries\n", nested);
    assert_true(nested > 500);
}

int main(void) {
    static unsigned modes[CK_MODES] = {0, 1, 2, 3, 4};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_cut_leaves_a_prefix, &modes[0]),
        cmocka_unit_test_prestate(every_cut_leaves_a_prefix, &modes[1]),
        cmocka_unit_test_prestate(every_cut_leaves_a_prefix, &modes[2]),
        cmocka_unit_test_prestate(every_cut_leaves_a_prefix, &modes[3]),
        cmocka_unit_test_prestate(every_cut_leaves_a_prefix, &modes[4]),
        cmocka_unit_test(a_cut_while_recovering_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
