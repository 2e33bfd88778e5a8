/* A power cut after every operation on the disk, with everything that may survive it, and again while recovering.
 *
 * What comes back must be a prefix of the commit order with all that was hardened in it; opening must work without
 * help, and what the next life commits must come back together with it.
 * VARVE_TEST_CASES bounds the choices tried per cut and policy (default 24, under a thread sanitizer 3; 0 = all).
 * SPDX-License-Identifier: MIT
 */
#include "txnlog_fixture.h"

static struct fx_model model, before;
static struct fx fx;
static bool shared_pages;

static unsigned choices_most(void) {
    const char *text = getenv("VARVE_TEST_CASES");
    return text != NULL ? (unsigned)strtoul(text, NULL, 10)
           : VB_TSAN    ? 3
                        : 24; /* one thread: little for a thread sanitizer to see */
}

/* The workload: all modes mixed, transactions of several segments, aborts, checkpoints. Stops at the first failure. */
static int run_workload(struct fx *f, unsigned commits) {
    static const enum varve_sync_mode modes[] = {VARVE_SYNC_NONE, VARVE_SYNC_GROUP, VARVE_SYNC_WRITE,   VARVE_SYNC_NONE,
                                                 VARVE_SYNC_SYNC, VARVE_SYNC_WRITE, VARVE_SYNC_INTERVAL};
    for (unsigned i = 0; i < commits; i++) {
        VB_TRY(fx_commit(f, 1 + i % FX_SLOTS, modes[i % 7]));
        if (i % 6 == 5) VB_TRY(fx_abort(f, 1 + i % FX_SLOTS));
        if (i % 9 == 8) vtl_tick(f->log);
        if (i % 20 == 19) VB_TRY(fx_checkpoint(f));
    }
    return VARVE_OK;
}

static void describe(const char *what, const char *why, uint64_t cut, unsigned policy, unsigned choice,
                     struct sim_disk *disk) {
    sim_trace(disk, stderr);
    fail_msg("%s: %s (cut after %llu, policy %u, choice %u): %s", what, why, (unsigned long long)cut, policy, choice,
             fx.detail.text);
}

/* One state of the disk after a cut: recovers, goes on, and recovers that. */
static void check_image(struct sim_disk *image, uint64_t cut, unsigned policy, unsigned choice) {
    fx_init_as(&fx, &model, sim_os(image), shared_pages);
    if (fx_open_dir(&fx) != VARVE_OK) fail();
    if (fx_recover(&fx, 1) != VARVE_OK) describe("recovery", "fails", cut, policy, choice, image);
    const char *why = fx_judge(&fx, policy == SIM_ALL);
    if (why != NULL) describe("recovery", why, cut, policy, choice, image);
    if (fx_reopen(&fx) != VARVE_OK) describe("open", "fails", cut, policy, choice, image);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(fx_commit(&fx, 1 + i, VARVE_SYNC_GROUP), VARVE_OK);
    struct sim_disk *again = sim_reboot(image, SIM_NOTHING, 0, 1);
    fx_close(&fx);
    fx_init_as(&fx, &model, sim_os(again), shared_pages);
    if (fx_open_dir(&fx) != VARVE_OK) fail();
    if (fx_recover(&fx, 1) != VARVE_OK) describe("second recovery", "fails", cut, policy, choice, image);
    for (uint64_t id = 1; id <= model.count; id++) {
        if (model.txns[id].cts > model.cut && !model.txns[id].recovered)
            describe("second recovery", "lost", cut, policy, choice, image);
    }
    fx_close(&fx);
    sim_free(again);
}

static void for_each_image(struct sim_disk *disk, uint64_t cut,
                           void (*check)(struct sim_disk *, uint64_t, unsigned, unsigned)) {
    unsigned most = choices_most();
    for (unsigned policy = 0; policy < SIM_POLICIES; policy++) {
        unsigned choices = sim_choices(disk, policy);
        unsigned step = most != 0 && choices > most ? choices / most : 1;
        for (unsigned choice = (unsigned)(cut % step); choice < choices; choice += step) {
            struct sim_disk *image = sim_reboot(disk, policy, choice, cut + 1);
            model = before;
            check(image, cut, policy, choice);
            sim_free(image);
        }
    }
}

/* Runs the workload with the power cut after operation `cut`; `before` is what the model knows then. False: it ran
 * through. */
static bool run_until(struct sim_disk *disk, uint64_t cut, unsigned commits) {
    memset(&model, 0, sizeof(model));
    sim_crash_after(disk, cut);
    fx_init_as(&fx, &model, sim_os(disk), shared_pages);
    int status = fx_open_dir(&fx);
    if (status == VARVE_OK) status = fx_recover(&fx, 1);
    if (status == VARVE_OK) status = fx_reopen(&fx);
    if (status == VARVE_OK) status = run_workload(&fx, commits);
    before = model;
    fx_close(&fx);
    return sim_power_is_off(disk);
}

static void a_cut_anywhere_loses_nothing_promised(void **state) {
    shared_pages = *state != NULL;
    unsigned commits = shared_pages ? 60 : 100;
    uint64_t cut = 1;
    for (bool off = true; off; cut++) {
        struct sim_disk *disk = sim_create(cut);
        off = run_until(disk, cut, commits);
        if (off) for_each_image(disk, cut, check_image);
        sim_free(disk);
    }
    assert_true(cut > commits * 3 / 2);
}

/* Cuts again after every operation of recovery and opening; what comes back may not differ between two tries. */
static void check_recovery_cuts(struct sim_disk *image, uint64_t cut, unsigned policy, unsigned choice) {
    struct fx_model at_image = model;
    for (uint64_t inner = 1;; inner++) {
        struct sim_disk *disk = sim_clone(image);
        model = at_image;
        sim_crash_after(disk, inner);
        fx_init_as(&fx, &model, sim_os(disk), shared_pages);
        int status = fx_open_dir(&fx);
        if (status == VARVE_OK) status = fx_recover(&fx, 1);
        if (status != VARVE_OK) describe("recovery", "fails", cut, policy, choice, image);
        struct fx_model first = model;
        bool opened = fx_reopen(&fx) == VARVE_OK;
        if (opened) fx.log->poison = 2; /* no orderly end: the power went off */
        fx_close(&fx);
        bool off = sim_power_is_off(disk);
        for (unsigned p = 0; p < SIM_POLICIES && off; p++) {
            unsigned choices = sim_choices(disk, p), step = choices > 5 ? choices / 5 : 1;
            for (unsigned c = (unsigned)(inner % step); c < choices; c += step) {
                struct sim_disk *next = sim_reboot(disk, p, c, inner);
                model = at_image;
                fx_init_as(&fx, &model, sim_os(next), shared_pages);
                assert_int_equal(fx_open_dir(&fx), VARVE_OK);
                if (fx_recover(&fx, 1) != VARVE_OK)
                    describe("recovery after a cut in recovery", "fails", cut, policy, choice, next);
                for (uint64_t id = 1; id <= model.count; id++) {
                    if (model.txns[id].recovered != first.txns[id].recovered) {
                        describe("recovery after a cut in recovery", "differs", cut, p, c, next);
                    }
                }
                fx_close(&fx);
                sim_free(next);
            }
        }
        sim_free(disk);
        if (!off) break;
    }
}

static void a_cut_while_recovering_changes_nothing(void **state) {
    shared_pages = *state != NULL;
    for (uint64_t cut = 20;; cut += 9) {
        struct sim_disk *disk = sim_create(cut);
        bool off = run_until(disk, cut, 60);
        if (off) {
            static const enum sim_policy policies[] = {SIM_ALL, SIM_PREFIX, SIM_RANDOM};
            for (unsigned i = 0; i < 3; i++) {
                unsigned choice = (unsigned)cut % sim_choices(disk, policies[i]);
                struct sim_disk *image = sim_reboot(disk, policies[i], choice, cut);
                model = before;
                check_recovery_cuts(image, cut, policies[i], choice);
                sim_free(image);
            }
        }
        sim_free(disk);
        if (!off) break;
    }
}

int main(void) {
    static char shared[] = "shared pages";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_anywhere_loses_nothing_promised),
        cmocka_unit_test(a_cut_while_recovering_changes_nothing),
        cmocka_unit_test_prestate(a_cut_anywhere_loses_nothing_promised, shared),
        cmocka_unit_test_prestate(a_cut_while_recovering_changes_nothing, shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
