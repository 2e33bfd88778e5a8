/* A group's leader and those it waits for: whoever completes the company wakes the leader, nobody is lost when it
 * ends, and where nobody comes back the wait is left out, longer each time. SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <stdlib.h>

#include "txnlog_fixture.h"

enum { WAITERS = 5 };
static const uint64_t LONG_NS = UINT64_C(3600) * 1000000000;

/* A clock that counts how often it is read, which is twice for each wait, and moves by a microsecond each time. */
static uint64_t clock_reads;
static uint64_t test_now(struct vos *os) {
    (void)os;
    return 1000 * ++clock_reads;
}
static struct vos_ops ops = {.now_ns = test_now};
static struct vos world = {.ops = &ops};
static struct vtl_log *the_log;

static int set_up(void **state) {
    (void)state;
    the_log = aligned_alloc(VB_CACHE_LINE, sizeof(*the_log));
    if (the_log == NULL) return -1;
    memset(the_log, 0, sizeof(*the_log));
    the_log->os = &world;
    clock_reads = 0;
    return 0;
}
static int tear_down(void **state) {
    (void)state;
    free(the_log);
    return 0;
}

static uint64_t durable;
struct waiter {
    pthread_t thread;
    uint64_t target;
};

/* As a committer waits, but that it never leads. */
static void *wait_for_target(void *arg) {
    const struct waiter *w = arg;
    struct vtl_ticket ticket;
    for (;;) {
        vtl_stage_look(&the_log->sync, &ticket);
        if (vb_load_acquire(&durable) >= w->target) return NULL;
        vtl_stage_sleep(&the_log->sync, &ticket, w->target);
    }
}

static void start(struct waiter *waiters, unsigned count, uint64_t first_target) {
    vb_store_release(&durable, 0);
    for (unsigned i = 0; i < count; i++) {
        waiters[i].target = first_target + i;
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_for_target, &waiters[i]), 0);
    }
}

/* Ends rounds until everybody is through; one more each time wakes whoever slept on the other word. */
static void finish(struct waiter *waiters, unsigned count, uint64_t covered) {
    vtl_stage_cover(&the_log->sync, covered);
    vb_store_release(&durable, covered);
    vtl_stage_release(&the_log->sync, true);
    for (unsigned i = 0; i < count; i++) {
        vtl_stage_wake_all(&the_log->sync);
        pthread_join(waiters[i].thread, NULL);
    }
}

static void the_last_to_come_wakes_the_leader(void **state) {
    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        struct waiter waiters[WAITERS];
        assert_true(vtl_stage_try(&the_log->sync));
        start(waiters, WAITERS, 1000 * round + 1);
        vtl_stage_gather(&the_log->sync, WAITERS, LONG_NS);
        assert_int_equal(vtl_stage_waiting(&the_log->sync), WAITERS);
        finish(waiters, WAITERS, 1000 * round + WAITERS);
        assert_int_equal(the_log->sync.served, WAITERS + 1);
        assert_int_equal(the_log->sync.goal, 0);
    }
}

static void the_limit_ends_it(void **state) {
    (void)state;
    assert_true(vtl_stage_try(&the_log->sync));
    vtl_stage_gather(&the_log->sync, 1, 1000);
    assert_int_equal(vtl_stage_waiting(&the_log->sync), 0);
    vtl_stage_release(&the_log->sync, true);
}

static bool waits(bool came_late) {
    uint64_t before = clock_reads;
    vtl_company_keep(the_log, came_late);
    return clock_reads != before;
}

static void nobody_is_waited_for_without_cause(void **state) {
    (void)state;
    the_log->sync.served = 8;
    assert_false(waits(true)); /* how long a sync takes is not known */
    vtl_company_synced(&the_log->company, 10000);
    assert_false(waits(true)); /* it takes less than a sleep */
    the_log->company.sync_ns = 0;
    vtl_company_synced(&the_log->company, 100000);
    the_log->sync.served = 0;
    assert_false(waits(true)); /* there was no round */
    the_log->sync.served = 1;
    assert_false(waits(false)); /* it was this committer's own */
}

static void in_vain_is_seldom_repeated(void **state) {
    (void)state;
    static const unsigned skipped[] = {1, 3, 7, 15, 31, 63, 63, 63};
    vtl_company_synced(&the_log->company, 100000);
    the_log->sync.served = 1;
    assert_true(waits(true));
    for (unsigned i = 0; i < sizeof(skipped) / sizeof(skipped[0]); i++) {
        for (unsigned k = 0; k < skipped[i]; k++) assert_false(waits(true));
        assert_true(waits(true));
    }
}

/* A sync of 100 us that `before` + 1 committers share anyway serves one in (100 / (before + 1)) us. Waiting pays where those
 * who come take clearly less than that each. */
static void what_pays_is_repeated(void **state) {
    (void)state;
    struct vtl_company company = {.sync_ns = 100000};
    vtl_company_learn(&company, 0, 1, 20000);
    assert_int_equal(company.skip, 0);
    vtl_company_learn(&company, 0, 1, 100000);
    assert_int_equal(company.skip, 1);
    vtl_company_learn(&company, 31, 31, 50000);
    assert_int_equal(company.skip, 0);
    assert_int_equal(company.refused, 0);
    vtl_company_learn(&company, 31, 8, 50000);
    assert_int_equal(company.skip, 1);
    vtl_company_learn(&company, 31, 0, 50000);
    assert_int_equal(company.skip, 3);
}

static void the_mean_follows(void **state) {
    (void)state;
    struct vtl_company company = {0};
    vtl_company_synced(&company, 80000);
    assert_int_equal(company.sync_ns, 80000);
    for (unsigned i = 0; i < 100; i++) vtl_company_synced(&company, 800000);
    assert_in_range(company.sync_ns, 790000, 800000);
    for (unsigned i = 0; i < 100; i++) vtl_company_synced(&company, 8000);
    assert_in_range(company.sync_ns, 7900, 8100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_to_come_wakes_the_leader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_limit_ends_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_waited_for_without_cause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(in_vain_is_seldom_repeated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_pays_is_repeated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_mean_follows, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
