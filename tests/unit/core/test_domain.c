/* test_domain.c - the janitor's round, registering snapshots, pins, sleeping and waking, reader bits.
 *
 * SPDX-License-Identifier: MIT
 */
#include "core/domain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"
#include "os/rcu.h"

struct fixture {
    struct vb_memory *memory;
    struct vk_domain domain;
};

static int setup_with(void **state, unsigned slots, unsigned reader_bits) {
    static struct fixture fixture;
    struct vk_limits limits = VK_LIMITS_DEFAULT;
    limits.slots = slots;
    limits.reader_bits = reader_bits;
    fixture.memory = vb_memory_open(slots + 1);
    *state = &fixture;
    return vk_domain_open(&fixture.domain, vos_posix(), fixture.memory, &limits);
}

static int setup(void **state) { return setup_with(state, 5, 3); }
static int setup_many(void **state) { return setup_with(state, 64, VK_READER_BITS_MAX); }

static int teardown(void **state) {
    struct fixture *fixture = *state;
    vk_domain_close(&fixture->domain);
    assert_int_equal(vb_memory_used(fixture->memory), 0);
    vb_memory_close(fixture->memory);
    return 0;
}

static void domain__opens_idle(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    assert_int_equal(domain->slot_count, 5);
    for (unsigned id = 1; id <= 5; id++) {
        assert_int_equal(domain->slots[id].id, id);
        assert_int_equal((uintptr_t)&domain->slots[id] % VB_CACHE_LINE, 0);
        assert_int_equal(vk_commit_state(domain->slots[id].commit), VK_IDLE);
        assert_true(domain->slots[id].snap == VK_NO_SNAP && domain->slots[id].pin == VK_NO_PIN);
        assert_false(vk_wounded(&domain->slots[id]));
    }
    assert_non_null(domain->capture);
    assert_int_equal(domain->capture->count, 0);
    assert_int_equal(domain->epoch, 1);
}

static void domain__out_of_memory_at_open(void **state) {
    (void)state;
#ifdef VARVE_ASSERTS
    struct vk_limits limits = VK_LIMITS_DEFAULT;
    struct vb_memory *memory = vb_memory_open(2);
    static struct vk_domain domain;
    for (unsigned n = 1; n <= 2; n++) {
        vb_alloc_fail_after(n);
        assert_int_equal(vk_domain_open(&domain, vos_posix(), memory, &limits), VARVE_NOMEM);
        vk_domain_close(&domain);
    }
    vb_alloc_fail_after(0);
    assert_int_equal(vb_memory_used(memory), 0);
    vb_memory_close(memory);
#else
    skip();
#endif
}

static void domain__capture_holds_each_stamp_once(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    domain->clock = 10;
    assert_int_equal(vk_snapshot_register(domain, &domain->slots[3]), 10);
    assert_int_equal(vk_snapshot_register(domain, &domain->slots[1]), 10);
    domain->clock = 12;
    assert_int_equal(vk_snapshot_register(domain, &domain->slots[2]), 12);
    domain->clock = 20;
    assert_int_equal(vk_janitor_round(domain), VARVE_OK);
    assert_int_equal(domain->gc_floor, 20);
    assert_int_equal(domain->min_snap, 10);
    assert_int_equal(domain->capture->min_snap, 10);
    assert_int_equal(domain->capture->gc_floor, 20);
    assert_int_equal(domain->capture->count, 2);
    assert_int_equal(domain->capture->snaps[0], 10);
    assert_int_equal(domain->capture->snaps[1], 12);
    vk_snapshot_release(&domain->slots[1]);
    vk_snapshot_release(&domain->slots[3]);
    domain->clock = 21;
    assert_int_equal(vk_janitor_round(domain), VARVE_OK);
    assert_int_equal(domain->min_snap, 12);
    vk_snapshot_release(&domain->slots[2]);
    assert_int_equal(vk_janitor_round(domain), VARVE_OK);
    assert_int_equal(domain->min_snap, 21);
    assert_int_equal(domain->capture->count, 0);
}

/* A stamp below the floor that nobody had captured: its owner is about to try again. */
static void domain__stale_stamp_is_ignored(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    domain->clock = 5;
    vk_snapshot_register(domain, &domain->slots[1]);
    domain->clock = 9;
    vk_janitor_round(domain); /* floor 9, captured {5} */
    assert_int_equal(domain->min_snap, 5);
    assert_false(vk_snapshot_move(domain, &domain->slots[2], 3));
    assert_false(vk_snapshot_move(domain, &domain->slots[3], 7));
    vk_janitor_round(domain);
    assert_int_equal(domain->min_snap, 5);
    assert_int_equal(domain->capture->count, 1);
    assert_true(vk_snapshot_move(domain, &domain->slots[2], 9)); /* at the floor it counts */
    domain->clock = 11;
    vk_snapshot_release(&domain->slots[1]);
    vk_janitor_round(domain);
    assert_int_equal(domain->min_snap, 9);
    assert_int_equal(domain->capture->count, 1); /* 7 still shows in slot 3 and still does not count */
    vk_snapshot_release(&domain->slots[3]);
}

static void domain__pins(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    vk_janitor_round(domain);
    assert_int_equal(domain->epoch, 2);
    assert_int_equal(domain->min_pin, 2);
    vk_pin(domain, &domain->slots[1]);
    uint64_t before = domain->epoch;
    vk_janitor_round(domain);
    vk_janitor_round(domain);
    assert_int_equal(domain->epoch, 4);
    assert_int_equal(domain->min_pin, before);
    vk_pin(domain, &domain->slots[2]);
    vk_unpin(&domain->slots[1]);
    vk_janitor_round(domain);
    assert_int_equal(domain->min_pin, 4);
    vk_unpin(&domain->slots[2]);
    before = domain->epoch;
    vk_janitor_round(domain);
    assert_true(domain->min_pin > before);
}

static void domain__round_takes_no_memory(void **state) {
#ifdef VARVE_ASSERTS
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    domain->janitor_asked = 1;
    vb_alloc_fail_from(1);
    for (unsigned i = 0; i < 5; i++) assert_int_equal(vk_janitor_round(domain), VARVE_OK);
    vb_alloc_fail_from(0);
    assert_int_equal(domain->janitor_asked, 0);
#else
    (void)state;
    skip();
#endif
}

static void domain__many_stamps_are_sorted(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    struct vb_random random;
    vb_random_init(&random, 7);
    for (unsigned round = 0; round < 200; round++) {
        uint64_t lowest = UINT64_MAX;
        for (unsigned id = 1; id <= 64; id++) {
            vk_snapshot_release(&domain->slots[id]);
            if (vb_random_below(&random, 4) == 0) continue;
            uint64_t s = domain->gc_floor + vb_random_below(&random, 50);
            if (domain->clock < s) domain->clock = s;
            assert_true(vk_snapshot_move(domain, &domain->slots[id], s));
            if (s < lowest) lowest = s;
        }
        vk_janitor_round(domain);
        assert_int_equal(domain->min_snap, lowest < domain->clock ? lowest : domain->clock);
        for (size_t i = 1; i < domain->capture->count; i++)
            assert_true(domain->capture->snaps[i - 1] < domain->capture->snaps[i]);
    }
}

/* --- transactions against the janitor ----------------------------------------------------------------------------- */

struct reader_run {
    struct vk_domain *domain;
    unsigned slot_id;
    uint64_t rounds;
    uint64_t wrong;
    uint32_t *stop;
};

/* While a stamp is registered, min_snap may not pass it; a capture read in a section is whole. */
static void reader_main(void *arg) {
    struct reader_run *run = arg;
    struct vk_slot *slot = &run->domain->slots[run->slot_id];
    while (vb_load_acquire(run->stop) == 0) {
        vb_add_acq_rel(&run->domain->clock, 1);
        uint64_t s = vk_snapshot_register(run->domain, slot);
        for (unsigned i = 0; i < 20; i++) {
            if (vb_load_acquire(&run->domain->min_snap) > s) run->wrong++;
            vos_rcu_enter();
            const struct vk_capture *capture = vos_rcu_deref(&run->domain->capture);
            if (capture->min_snap > s || capture->min_snap > capture->gc_floor) run->wrong++;
            for (size_t k = 1; k < capture->count; k++)
                if (capture->snaps[k - 1] >= capture->snaps[k]) run->wrong++;
            vos_rcu_exit();
        }
        vk_snapshot_release(slot);
        run->rounds++;
    }
}

static void domain__registered_stamps_hold_min_snap(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    enum { READERS = 3 };
    struct reader_run runs[READERS];
    struct vos_thread *threads[READERS];
    uint32_t stop = 0;
    for (unsigned i = 0; i < READERS; i++) {
        runs[i] = (struct reader_run){domain, i + 1, 0, 0, &stop};
        assert_int_equal(vos_thread_start(reader_main, &runs[i], "reader", &threads[i]), VARVE_OK);
    }
    uint64_t last = 0;
    for (unsigned round = 0; round < 300; round++) {
        vk_janitor_round(domain);
        assert_true(domain->min_snap >= last);
        last = domain->min_snap;
    }
    vb_store_release(&stop, 1);
    for (unsigned i = 0; i < READERS; i++) {
        vos_thread_join(threads[i]);
        assert_int_equal(runs[i].wrong, 0);
    }
}

/* --- sleeping and waking ------------------------------------------------------------------------------------------ */

struct clock_hook {
    uint64_t now;
    unsigned waits, wakes, last_woken;
    bool does_the_waiting;
    uint32_t *wake_word;
};
static uint64_t hook_now(void *arg) { return ((struct clock_hook *)arg)->now += 100; }
static bool hook_wait(void *arg, const struct vk_wait_info *info) {
    struct clock_hook *hook = arg;
    hook->waits++;
    assert_int_equal(info->kind, VK_WAIT_LOCK);
    return hook->does_the_waiting;
}
static void hook_wake(void *arg, unsigned slot) {
    struct clock_hook *hook = arg;
    hook->wakes++;
    hook->last_woken = slot;
}

static void domain__sleep_ends_at_once_when_awake(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    struct vk_wait_info info = {.kind = VK_WAIT_LOCK, .slot = 2};
    vk_wake(domain, 2);
    assert_true(vk_sleep(domain, &domain->slots[2], &info, 0));
}

static void domain__sleep_ends_at_the_deadline(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    struct vk_wait_info info = {.kind = VK_WAIT_LOCK, .slot = 2};
    uint64_t start = vk_now_ns(domain);
    assert_false(vk_sleep(domain, &domain->slots[2], &info, start + 2000000));
    assert_true(vk_now_ns(domain) >= start + 2000000);
}

static void domain__hooks_replace_waiting(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    struct clock_hook hook = {.does_the_waiting = true};
    domain->hooks = (struct vk_hooks){.arg = &hook, .on_wait = hook_wait, .on_wake = hook_wake, .now_ns = hook_now};
    struct vk_wait_info info = {.kind = VK_WAIT_LOCK, .slot = 2};
    assert_true(vk_sleep(domain, &domain->slots[2], &info, 0));
    assert_int_equal(hook.waits, 1);
    vk_wake(domain, 4);
    assert_int_equal(hook.last_woken, 4);
    assert_true(vk_sleep(domain, &domain->slots[4], &info, 0));
    assert_int_equal(hook.waits, 1); /* the word was set: nothing to wait for */
    hook.does_the_waiting = false;
    assert_false(vk_sleep(domain, &domain->slots[2], &info, hook.now + 450)); /* real waits of some hundred ns */
    assert_true(hook.waits > 1);
}

struct ping_run {
    struct vk_domain *domain;
    unsigned self, other, rounds;
};

/* Each hands the turn to the other and sleeps until it comes back; a lost wake-up would hang. */
static void ping_main(void *arg) {
    struct ping_run *run = arg;
    struct vk_slot *slot = &run->domain->slots[run->self];
    struct vk_wait_info info = {.kind = VK_WAIT_LOCK, .slot = run->self};
    for (unsigned i = 0; i < run->rounds; i++) {
        assert_true(vk_sleep(run->domain, slot, &info, 0));
        vb_store_release(&slot->wake, 0);
        vk_wake(run->domain, run->other);
    }
}

static void domain__no_wake_up_is_lost(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    struct ping_run runs[2] = {{domain, 1, 2, 20000}, {domain, 2, 1, 20000}};
    struct vos_thread *threads[2];
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(vos_thread_start(ping_main, &runs[i], "ping", &threads[i]), VARVE_OK);
    vk_wake(domain, 1);
    for (unsigned i = 0; i < 2; i++) vos_thread_join(threads[i]);
}

static void domain__wounds_are_for_one_generation(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    struct vk_slot *slot = &domain->slots[1];
    slot->wound = slot->gen << 1 | 1;
    assert_true(vk_wounded(slot));
    slot->gen++;
    assert_false(vk_wounded(slot));
}

/* --- reader bits -------------------------------------------------------------------------------------------------- */

static void domain__reader_bits(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    for (unsigned id = 1; id <= 3; id++) assert_true(vk_reader_bit_lease(domain, &domain->slots[id]));
    assert_true(vk_reader_bit_lease(domain, &domain->slots[1])); /* has one */
    assert_false(vk_reader_bit_lease(domain, &domain->slots[4]));
    for (unsigned id = 1; id <= 3; id++)
        assert_int_equal(vk_reader_bit_owner(domain, domain->slots[id].reader_bit - 1), id);
    assert_int_equal(vk_reader_bit_owner(domain, 3), 0);
    uint32_t word = domain->reader_bits_wake;
    unsigned bit = domain->slots[2].reader_bit - 1;
    vk_reader_bit_return(domain, &domain->slots[2]);
    assert_int_not_equal(domain->reader_bits_wake, word);
    assert_int_equal(vk_reader_bit_owner(domain, bit), 0);
    vk_reader_bit_return(domain, &domain->slots[2]); /* has none */
    word = domain->reader_bits_wake;
    vk_reader_bit_return(domain, &domain->slots[3]);
    assert_int_equal(domain->reader_bits_wake, word); /* nobody can have been waiting */
    assert_true(vk_reader_bit_lease(domain, &domain->slots[4]));
    assert_true(vk_reader_bit_lease(domain, &domain->slots[5]));
}

struct lease_run {
    struct vk_domain *domain;
    unsigned slot_id, wrong;
    uint32_t *holders; /* [reader bits] */
};

static void lease_main(void *arg) {
    struct lease_run *run = arg;
    struct vk_slot *slot = &run->domain->slots[run->slot_id];
    for (unsigned i = 0; i < 2000; i++) {
        for (;;) {
            uint32_t word = vb_load_acquire(&run->domain->reader_bits_wake);
            if (vk_reader_bit_lease(run->domain, slot)) break;
            vos_futex_wait(&run->domain->reader_bits_wake, word, 0);
        }
        unsigned bit = slot->reader_bit - 1;
        if (vb_add_acq_rel(&run->holders[bit], 1) != 0) run->wrong++;
        if (vk_reader_bit_owner(run->domain, bit) != run->slot_id) run->wrong++;
        unsigned yields = i % 64 == 0 ? 100 : 0; /* so that others find every bit out, and sleep */
        for (; yields > 0; yields--) vos_thread_yield();
        vb_sub_acq_rel(&run->holders[bit], 1);
        vk_reader_bit_return(run->domain, slot);
    }
}

static void domain__reader_bits_are_exclusive(void **state) {
    struct vk_domain *domain = &((struct fixture *)*state)->domain;
    enum { CLIENTS = 5 };
    uint32_t holders[3] = {0, 0, 0};
    struct lease_run runs[CLIENTS];
    struct vos_thread *threads[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        runs[i] = (struct lease_run){domain, i + 1, 0, holders};
        assert_int_equal(vos_thread_start(lease_main, &runs[i], "lease", &threads[i]), VARVE_OK);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        vos_thread_join(threads[i]);
        assert_int_equal(runs[i].wrong, 0);
    }
    assert_int_equal(domain->reader_bits, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(domain__opens_idle, setup, teardown),
        cmocka_unit_test(domain__out_of_memory_at_open),
        cmocka_unit_test_setup_teardown(domain__capture_holds_each_stamp_once, setup, teardown),
        cmocka_unit_test_setup_teardown(domain__stale_stamp_is_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(domain__pins, setup, teardown),
        cmocka_unit_test_setup_teardown(domain__round_takes_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(domain__many_stamps_are_sorted, setup_many, teardown),
        cmocka_unit_test_setup_teardown(domain__registered_stamps_hold_min_snap, setup, teardown),
        cmocka_unit_test_setup_teardown(domain__sleep_ends_at_once_when_awake, setup, teardown),
        cmocka_unit_test_setup_teardown(domain__sleep_ends_at_the_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(domain__hooks_replace_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(domain__no_wake_up_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(domain__wounds_are_for_one_generation, setup, teardown),
        cmocka_unit_test_setup_teardown(domain__reader_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(domain__reader_bits_are_exclusive, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
