/* test_faults.c - the disk refuses, once or for good, at every operation; it fills up; it lies; reads fail.
 *
 * After a failed write or sync of the log the database has failed: the commit in hand has no known outcome, later ones
 * are refused, nothing is acknowledged, reads go on. Opening again, in the same boot, after the end of the process or
 * after a power cut, gives exactly what was acknowledged and perhaps the one of unknown outcome; and what was once
 * given stays, although after a failed sync the page cache shows bytes that the disk does not have. A full disk is no
 * failure: what is refused has not happened, and when there is room again all goes on. VARVE_TEST_BUDGET multiplies how
 * many capacities are tried. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/crashkit.h"

static const char script[] = "cctttarirtkoctttyttssikttrttidtttckttatstitoyt";
static const char after_failure[] = "otkycto";

static struct ck_model model;
static struct ck_run run;
static unsigned long runs, failures, refusals;

enum { GROUP = 1, WRITE = 2, NONE = 4 };

static const char *scheme(uint64_t number) { return td_schemes[number % TD_SCHEMES]; }

/* The operations of a run without a fault. */
static uint64_t count_operations(unsigned mode, uint64_t *used) {
    struct sim_disk *disk = sim_create(1);
    td_context("sync=%s without a fault", ck_modes[mode]);
    ck_model_init(&model);
    TD_STATUS(ck_open(&run, &model, disk, mode, scheme(mode)), VARVE_OK);
    ck_play(&run, script);
    if (used != NULL) *used = sim_used_bytes(disk);
    TD_STATUS(ck_close(&run), VARVE_OK);
    uint64_t ops = sim_ops(disk);
    sim_free(disk);
    return ops;
}

/* Opens, judges and leaves by a power cut; the place is in place[]. */
static void look_at(struct sim_disk *image, unsigned least, const char *when, unsigned place[2]) {
    struct ck_run look;
    int status = ck_open(&look, &model, image, GROUP, scheme(runs));
    if (status != VARVE_OK) sim_trace(image, stderr);
    TD_CHECK(status == VARVE_OK, "%s: reopen: %s: %s", when, varve_status_name(status), varve_db_error(look.db));
    const char *why = ck_judge(&look, least, &place[0], &place[1]);
    TD_CHECK(why == NULL, "%s: %s", when, why);
    sim_crash_after(image, 0);
    ck_close(&look);
}

/* The same boot: reads come from the page cache. What is given then must be on the disk. */
static void reopen_without_reboot(const struct sim_disk *disk, unsigned least) {
    unsigned place[2], there[2];
    struct sim_disk *same = sim_clone(disk);
    look_at(same, least, "in the same boot", place);
    struct sim_disk *later = sim_reboot(same, SIM_NOTHING, 0, 1);
    look_at(later, place[0], "after the same boot and a power cut", there);
    TD_CHECK(there[0] == place[0] && there[1] == place[1], "%u commits in the same boot, %u after a power cut",
             place[0], there[0]);
    sim_free(later);
    sim_free(same);
}

static void check_what_is_left(const struct sim_disk *disk, uint64_t at) {
    static const enum sim_policy policies[] = {SIM_ALL, SIM_NOTHING, SIM_RANDOM};
    unsigned place[2];
    reopen_without_reboot(disk, run.failed ? model.safe : ck_least(&run, &model, SIM_ALL));
    for (unsigned i = 0; i < 3; i++) {
        struct sim_disk *image = sim_reboot(disk, policies[i], (unsigned)at % sim_choices(disk, policies[i]), at);
        look_at(image, i == 0 && !run.failed ? ck_least(&run, &model, SIM_ALL) : model.safe,
                i == 0 ? "after a kill" : "after a power cut", place);
        sim_free(image);
    }
}

static void fail_one(unsigned mode, uint64_t at, int fault, bool persistent) {
    struct sim_disk *disk = sim_create(at);
    td_context("sync=%s, operation %llu fails with %s%s", ck_modes[mode], (unsigned long long)at,
               varve_status_name(fault), persistent ? " for good" : "");
    ck_model_init(&model);
    td_trace_clear();
    sim_set_sync_failure(disk, (enum sim_sync_failure)(at % 3));
    sim_fail_at(disk, at, fault, persistent);
    int status = ck_open(&run, &model, disk, mode, scheme(at));
    run.io_allowed = run.full_allowed = true;
    if (status == VARVE_OK) {
        ck_play(&run, script);
        ck_play(&run, after_failure);
    } else {
        TD_CHECK(status == fault || status == VARVE_IO, "open: %s: %s", varve_status_name(status),
                 varve_db_error(run.db));
    }
    failures += run.failed;
    refusals += run.full_count + run.failed_count;
    bool failed = run.failed;
    struct sim_disk *killed = sim_clone(disk); /* no orderly close */
    check_what_is_left(killed, at);
    sim_free(killed);
    status = ck_close(&run);
    TD_CHECK(status != VARVE_OK || !failed, "close: OK after a failure");
    if (status != VARVE_OK) run.failed = true;
    sim_fail_clear(disk);
    check_what_is_left(disk, at);
    sim_free(disk);
    runs++;
}

static void fail_everywhere(int fault) {
    static const unsigned modes[] = {GROUP, WRITE, NONE};
    runs = failures = refusals = 0;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t ops = count_operations(modes[i], NULL);
        for (uint64_t at = 1; at <= ops; at++) {
            fail_one(modes[i], at, fault, true);
            fail_one(modes[i], at, fault, false);
        }
    }
    print_message("%s: %lu runs, %lu failed, %lu answers refused\n", varve_status_name(fault), runs, failures,
                  refusals);
    assert_true(runs > 300 && failures > 50 && refusals > 300);
}

static void a_failed_operation_is_told_and_loses_nothing(void **state) {
    (void)state;
    fail_everywhere(VARVE_IO);
}

static void a_sudden_full_disk_is_told_and_loses_nothing(void **state) {
    (void)state;
    fail_everywhere(VARVE_FULL);
}

/* The disk has room for so many bytes, and later for more. */
static void fill_up(unsigned mode, uint64_t capacity) {
    struct sim_disk *disk = sim_create(capacity);
    unsigned place[2];
    td_context("sync=%s, capacity %llu", ck_modes[mode], (unsigned long long)capacity);
    ck_model_init(&model);
    sim_set_capacity(disk, capacity);
    int status = ck_open(&run, &model, disk, mode, scheme(capacity));
    run.full_allowed = true;
    TD_CHECK(status == VARVE_OK || status == VARVE_FULL, "open: %s: %s", varve_status_name(status),
             varve_db_error(run.db));
    if (status == VARVE_OK) {
        ck_play(&run, script);
        ck_play(&run, "o");
        refusals += run.full_count;
        sim_set_capacity(disk, UINT64_MAX);
        run.full_allowed = false;
        unsigned before = model.acked;
        ck_play(&run, "ccttrsktyto");
        TD_CHECK(model.acked >= before + 6, "with room again, %u commits of 6", model.acked - before);
        struct sim_disk *image = sim_reboot(disk, SIM_NOTHING, 0, 1);
        look_at(image, model.safe, "after a full disk", place);
        sim_free(image);
    }
    sim_set_capacity(disk, UINT64_MAX);
    TD_CHECK(ck_close(&run) == VARVE_OK, "close");
    look_at(disk, model.acked, "after a full disk and an orderly close", place);
    sim_free(disk);
    runs++;
}

static void a_full_disk_refuses_and_goes_on_when_there_is_room(void **state) {
    (void)state;
    runs = refusals = 0;
    for (unsigned i = 0; i < 2; i++) {
        unsigned mode = i == 0 ? GROUP : NONE;
        uint64_t used;
        count_operations(mode, &used);
        uint64_t step = used / (80 * (uint64_t)ck_budget(1)) + 1;
        for (uint64_t capacity = 0; capacity < used + step; capacity += step) fill_up(mode, capacity);
    }
    print_message("%lu capacities, %lu answers of FULL\n", runs, refusals);
    assert_true(refusals > 100);
}

/* --- reads ----------------------------------------------------------------------------------------------------------
 */

static void fail_reads(const struct sim_disk *image, bool persistent) {
    for (uint64_t at = 1;; at++) {
        struct sim_disk *disk = sim_clone(image);
        struct ck_run look;
        unsigned place[2];
        td_context("read %llu fails%s", (unsigned long long)at, persistent ? " for good" : "");
        sim_fail_read_at(disk, at, VARVE_IO, persistent);
        int status = ck_open(&look, &model, disk, GROUP, scheme(at));
        bool reached = sim_reads(disk) >= at;
        TD_CHECK(status == (reached ? VARVE_IO : VARVE_OK), "open: %s: %s", varve_status_name(status),
                 varve_db_error(look.db));
        if (reached) {
            TD_CHECK(varve_db_error(look.db)[0] != '\0', "no text");
            ck_close(&look);
            sim_fail_clear(disk);
            look_at(disk, model.acked, "after reads have failed", place);
        } else {
            sim_crash_after(disk, 0);
            ck_close(&look);
        }
        sim_free(disk);
        if (!reached) return;
        runs++;
    }
}

static void a_failed_read_fails_the_open_and_loses_nothing(void **state) {
    (void)state;
    struct sim_disk *disk = sim_create(1);
    runs = 0;
    td_context("reads");
    ck_model_init(&model);
    TD_STATUS(ck_open(&run, &model, disk, GROUP, "mvcc"), VARVE_OK);
    ck_play(&run, script);
    struct sim_disk *killed = sim_reboot(disk, SIM_NOTHING, 0, 1);
    TD_STATUS(ck_close(&run), VARVE_OK);
    fail_reads(killed, false);
    fail_reads(killed, true);
    fail_reads(disk, true);
    sim_free(killed);
    sim_free(disk);
    print_message("%lu reads failed\n", runs);
    assert_true(runs > 10);
}

/* --- a device that lies
 * ----------------------------------------------------------------------------------------------- */

/* It says that it has done an operation and has not. What was acknowledged may be gone, and that may go unnoticed where
 * it is the end; but what opens is the state after some prefix, and what has a gap does not open. */
static void a_lie_is_a_prefix_or_refused(void **state) {
    (void)state;
    uint64_t ops = count_operations(GROUP, NULL);
    unsigned refused = 0, place[2];
    for (uint64_t at = 1; at <= ops; at++) {
        struct sim_disk *disk = sim_create(1);
        td_context("the device lies at operation %llu", (unsigned long long)at);
        ck_model_init(&model);
        sim_fail_at(disk, at, VARVE_OK, false);
        int status = ck_open(&run, &model, disk, GROUP, "mvcc");
        run.io_allowed = run.lied = true; /* a lie about a name cannot be kept up */
        if (status == VARVE_OK) ck_play(&run, script);
        struct sim_disk *image = sim_reboot(disk, at % 2 != 0 ? SIM_NOTHING : SIM_ALL, 0, at);
        ck_close(&run);
        struct ck_run look;
        model.catalogue_safe = 0;
        status = ck_open(&look, &model, image, GROUP, "mvcc");
        TD_CHECK(status == VARVE_OK || status == VARVE_CORRUPT, "reopen: %s: %s", varve_status_name(status),
                 varve_db_error(look.db));
        const char *why = status == VARVE_OK ? ck_judge(&look, 0, &place[0], &place[1]) : NULL;
        TD_CHECK(why == NULL, "opened: %s", why);
        refused += status == VARVE_CORRUPT;
        sim_crash_after(image, 0);
        ck_close(&look);
        sim_free(image);
        sim_free(disk);
    }
    print_message("%llu lies, %u refused as damage\n", (unsigned long long)ops, refused);
    assert_true(refused > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_operation_is_told_and_loses_nothing),
        cmocka_unit_test(a_sudden_full_disk_is_told_and_loses_nothing),
        cmocka_unit_test(a_full_disk_refuses_and_goes_on_when_there_is_room),
        cmocka_unit_test(a_failed_read_fails_the_open_and_loses_nothing),
        cmocka_unit_test(a_lie_is_a_prefix_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
