/* Every operation on the disk fails once, or from then on; every allocation fails. Nothing promised is lost, nobody
 * is told OK for what is not safe, and what recovery has accepted stays, though the disk never had it.
 * SPDX-License-Identifier: MIT
 */
#include "txnlog_fixture.h"

static struct fx_model model;
static struct fx fx;
static bool shared_pages;

static void run_workload(unsigned commits) {
    static const enum varve_sync_mode modes[] = {VARVE_SYNC_NONE, VARVE_SYNC_GROUP, VARVE_SYNC_WRITE, VARVE_SYNC_SYNC};
    bool failed = false;
    for (unsigned i = 0; i < commits; i++) {
        uint64_t cts, id;
        enum varve_sync_mode mode = modes[i % 4];
        int status = fx_publish(&fx, 1 + i % FX_SLOTS, &cts, &id);
        if (status == VARVE_OK) {
            status = fx_harden(&fx, 1 + i % FX_SLOTS, id, cts, mode);
            assert_true(status == VARVE_OK || status == VARVE_UNKNOWN_OUTCOME);
            assert_false(status == VARVE_OK && failed && mode != VARVE_SYNC_NONE);
            assert_int_equal(status == VARVE_OK || vtl_poisoned(fx.log), true);
        } else {
            assert_true(status == VARVE_FAILED || status == VARVE_FULL || status == VARVE_IO);
            assert_int_equal(status == VARVE_FAILED, vtl_poisoned(fx.log));
        }
        if (vtl_poisoned(fx.log)) failed = true;
        if (i % 5 == 4) vtl_tick(fx.log);
        if (i % 20 == 19) (void)fx_checkpoint(&fx);
    }
}

/* What recovery accepts after a failure, read through the page cache of the same boot, must outlive the next power
 * cut. */
static void check_same_boot(struct sim_disk *disk, uint64_t nth) {
    sim_fail_clear(disk);
    fx_init_as(&fx, &model, sim_os(disk), shared_pages);
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    if (fx_recover(&fx, 1) != VARVE_OK)
        fail_msg("recovery after operation %u failed: %s", (unsigned)nth, fx.detail.text);
    const char *why = fx_judge(&fx, false);
    if (why != NULL) fail_msg("operation %u failed: %s", (unsigned)nth, why);
    if (fx_reopen(&fx) != VARVE_OK) fail_msg("open after operation %u failed: %s", (unsigned)nth, fx.detail.text);
    struct sim_disk *next = sim_reboot(disk, SIM_NOTHING, 0, 1);
    fx_close(&fx);
    fx_init_as(&fx, &model, sim_os(next), shared_pages);
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    if (fx_recover(&fx, 1) != VARVE_OK)
        fail_msg("second recovery after operation %u failed: %s", (unsigned)nth, fx.detail.text);
    for (uint64_t id = 1; id <= model.count; id++) {
        if (model.txns[id].cts > model.cut && !model.txns[id].recovered)
            fail_msg("operation %u failed: lost", (unsigned)nth);
    }
    fx_close(&fx);
    sim_free(next);
}

static void fail_each(int status, bool persistent, enum sim_sync_failure behaviour) {
    for (uint64_t nth = 1;; nth++) {
        struct sim_disk *disk = sim_create(nth);
        memset(&model, 0, sizeof(model));
        sim_set_sync_failure(disk, behaviour);
        sim_fail_at(disk, nth, status, persistent);
        fx_init_as(&fx, &model, sim_os(disk), shared_pages);
        if (fx_open_dir(&fx) == VARVE_OK && fx_recover(&fx, 1) == VARVE_OK && fx_reopen(&fx) == VARVE_OK)
            run_workload(60);
        bool through = sim_ops(disk) < nth;
        int closed = fx_close(&fx);
        if (through && sim_ops(disk) < nth) {
            assert_int_equal(closed, VARVE_OK);
            sim_free(disk);
            assert_true(nth > 60);
            return;
        }
        check_same_boot(disk, nth);
        sim_free(disk);
    }
}

static void every_operation_fails(void **state) {
    shared_pages = *state != NULL;
    for (unsigned behaviour = SIM_SYNC_DROPS; behaviour <= SIM_SYNC_REVERTS; behaviour++) {
        fail_each(VARVE_IO, false, behaviour);
        fail_each(VARVE_IO, true, behaviour);
    }
}

static void the_disk_is_full_at_every_operation(void **state) {
    shared_pages = *state != NULL;
    fail_each(VARVE_FULL, false, SIM_SYNC_DROPS);
    fail_each(VARVE_FULL, true, SIM_SYNC_DROPS);
}

static void every_read_fails(void **state) {
    (void)state;
    memset(&model, 0, sizeof(model));
    struct sim_disk *disk = sim_create(1);
    fx_start(&fx, &model, sim_os(disk), &FX_LIMITS);
    run_workload(50);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    for (uint64_t nth = 1;; nth++) {
        struct sim_disk *copy = sim_clone(disk);
        sim_fail_read_at(copy, nth, VARVE_IO, false);
        fx_init(&fx, &model, sim_os(copy), &FX_LIMITS);
        assert_int_equal(fx_open_dir(&fx), VARVE_OK);
        int status = fx_recover(&fx, 1);
        if (status == VARVE_OK) {
            assert_null(fx_judge(&fx, true));
            status = vtl_open(&fx.config, &fx.recovered, &fx.log, &fx.detail);
        }
        bool through = sim_reads(copy) < nth;
        assert_int_equal(status, through ? VARVE_OK : VARVE_IO);
        if (!through) assert_int_equal(fx.detail.status, VARVE_IO);
        fx_close(&fx);
        sim_free(copy);
        if (through) break;
        assert_int_equal(status, VARVE_IO);
    }
    sim_free(disk);
}

static void every_allocation_fails(void **state) {
    (void)state;
    memset(&model, 0, sizeof(model));
    struct sim_disk *disk = sim_create(1);
    fx_start(&fx, &model, sim_os(disk), &FX_LIMITS);
    run_workload(50);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    uint64_t failures = 0;
    for (uint64_t nth = 1;; nth++) {
        struct sim_disk *copy = sim_clone(disk);
        struct fx_model saved = model;
        fx_init(&fx, &model, sim_os(copy), &FX_LIMITS);
        assert_int_equal(fx_open_dir(&fx), VARVE_OK);
        vb_alloc_fail_after(nth);
        int status = fx_recover(&fx, 2);
        if (status == VARVE_OK) status = vtl_open(&fx.config, &fx.recovered, &fx.log, &fx.detail);
        failures = vb_alloc_failures();
        vb_alloc_fail_after(0);
        if (failures == 0)
            assert_int_equal(status, VARVE_OK);
        else
            assert_true(status == VARVE_NOMEM || status == VARVE_OK); /* a helper thread is done without */
        fx_close(&fx);
        sim_free(copy);
        model = saved;
        if (failures == 0) break;
    }
    sim_free(disk);
}

/* Out of memory in reserve leaves nothing behind: the log goes on, and its space adds up. */
static void reserve_fails_without_a_trace(void **state) {
    (void)state;
    memset(&model, 0, sizeof(model));
    struct sim_disk *disk = sim_create(1);
    fx_start(&fx, &model, sim_os(disk), &FX_LIMITS);
    unsigned refused = 0;
    for (uint64_t i = 0; i < 120; i++) {
        vb_alloc_fail_after(1 + i % 3);
        int status = fx_commit(&fx, 1 + i % FX_SLOTS, VARVE_SYNC_NONE);
        vb_alloc_fail_after(0);
        assert_true(status == VARVE_OK || status == VARVE_NOMEM);
        refused += status == VARVE_NOMEM;
    }
    assert_true(refused > 0);
    assert_int_equal(vtl_sync(fx.log), VARVE_OK);
    int64_t units = (int64_t)((fx.log->current->bytes - fx.log->offset) / 512);
    for (struct vtl_segment *s = fx.log->spares; s != NULL; s = s->next)
        units += (int64_t)((s->bytes - 4096) / 512) - 1;
    assert_int_equal(fx.log->space, units); /* S1 with nothing outstanding */
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

int main(void) {
    static char shared[] = "shared pages";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_fails),
        cmocka_unit_test(the_disk_is_full_at_every_operation),
        cmocka_unit_test_prestate(every_operation_fails, shared),
        cmocka_unit_test_prestate(the_disk_is_full_at_every_operation, shared),
        cmocka_unit_test(every_read_fails),
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(reserve_fails_without_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
