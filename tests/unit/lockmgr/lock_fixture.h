/* lock_fixture.h - a domain with a few transactions, and records made by hand, for the tests of locks.
 *
 * Storms run without lock timeouts, so that a lost wake-up hangs; the alarm then ends the program.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_LOCK_FIXTURE_H
#define VARVE_TESTS_LOCK_FIXTURE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"
#include "lockmgr/lockmgr_int.h"
#include "os/rcu.h"

#define LX_SLOTS  16
#define lx_unused __attribute__((unused))

/* Asserts that also work in threads other than the test's. */
#define lx_check(c) ((c) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c), fflush(stderr), _exit(1)))

struct lx {
    struct vb_memory *memory;
    struct vk_limits limits;
    struct vk_domain domain;
    struct vcc_shared shared;
    uint64_t lock_waits, extensions, range_rescans;
    struct vst_store *store;
    struct vst_table *table;
    uint64_t next_age;
    struct vcc_txn txns[LX_SLOTS + 1];
};

/* How many rounds of a storm that does `plain` of them in an ordinary run. */
lx_unused static uint64_t lx_rounds(uint64_t plain) {
    const char *budget = getenv("VARVE_TEST_BUDGET");
    uint64_t times = budget != NULL && atoi(budget) > 0 ? (uint64_t)atoi(budget) : 1;
    return VB_TSAN || VB_ASAN ? plain * times / 10 : plain * times;
}

lx_unused static uint64_t lx_seed(void) {
    const char *given = getenv("VARVE_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 20240917;
    printf("seed %llu\n", (unsigned long long)seed);
    return seed;
}

lx_unused static void lx_open(struct lx *lx, enum vcc_deadlock deadlock, unsigned reader_bits) {
    memset(lx, 0, sizeof(*lx));
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was said before a hang is not lost */
    alarm(240);                       /* the watchdog */
    lx->limits = VK_LIMITS_DEFAULT;
    lx->limits.slots = LX_SLOTS;
    lx->limits.reader_bits = reader_bits;
    lx->limits.leaf_fanout = lx->limits.inner_fanout = 4;
    lx->memory = vb_memory_open(LX_SLOTS + 2);
    assert_non_null(lx->memory);
    assert_int_equal(vk_domain_open(&lx->domain, vos_posix(), lx->memory, &lx->limits), VARVE_OK);
    lx->shared = (struct vcc_shared){.domain = &lx->domain,
                                      .deadlock = deadlock,
                                      .lock_waits = &lx->lock_waits,
                                      .extensions = &lx->extensions,
                                      .range_rescans = &lx->range_rescans};
    lx->next_age = 1;
    for (unsigned id = 1; id <= LX_SLOTS; id++) {
        struct vcc_txn *t = &lx->txns[id];
        t->shared = &lx->shared;
        t->domain = &lx->domain;
        t->slot = &lx->domain.slots[id];
        t->self = id;
        t->heap = vb_heap_open(lx->memory, id);
        assert_non_null(t->heap);
        vb_arena_init(&t->arena, t->heap, 4096);
        vk_wset_init(&t->wset, &t->arena);
    }
}

lx_unused static void lx_close(struct lx *lx) {
    for (unsigned id = 1; id <= LX_SLOTS; id++) {
        struct vcc_txn *t = &lx->txns[id];
        vb_heap_free(t->heap, t->locks.held, t->locks.capacity * sizeof(*t->locks.held));
        vb_heap_free(t->heap, t->sorted, t->sorted_capacity * sizeof(*t->sorted));
        vb_arena_release(&t->arena);
        vb_heap_close(t->heap);
    }
    if (lx->store != NULL) vst_store_close(lx->store);
    assert_int_equal(lx->domain.reader_bits, 0);
    vk_domain_close(&lx->domain);
    vb_memory_close(lx->memory);
    alarm(0);
}

/* A serializable 2pl transaction; age 0: the next one. */
lx_unused static struct vcc_txn *lx_begin(struct lx *lx, unsigned id, uint64_t age) {
    struct vcc_txn *t = &lx->txns[id];
    t->level = VARVE_SERIALIZABLE;
    t->snap = VK_NO_SNAP;
    t->cts = 0;
    t->deadline_ms = 0;
    t->detail.text[0] = 0;
    t->detail.other_txn = 0;
    vb_store_relaxed(&t->slot->txn_id, 1000 + id);
    vb_store_release(&t->slot->age, age != 0 ? age : vb_add_relaxed(&lx->next_age, 1) << 12 | id);
    vk_pin(&lx->domain, t->slot);
    return t;
}

lx_unused static void lx_end(struct vcc_txn *t, bool committed) {
    vlm_release_all(t, committed);
    vb_store_release(&t->slot->commit, vk_commit_word(0, VK_IDLE));
    vb_store_release(&t->slot->gen, t->slot->gen + 1);
    vb_store_release(&t->slot->age, 0);
    vk_unpin(t->slot);
    vk_wset_reset(&t->wset);
    vb_arena_reset(&t->arena);
}

/* A record in no index. */
lx_unused static struct vst_record *lx_record(const char *key) {
    size_t size = strlen(key), padded = (size + 7) & ~(size_t)7;
    struct vst_record *record = calloc(1, sizeof(*record) + padded + 8);
    lx_check(record != NULL);
    record->tid = 1 << 8;
    record->len = size | (uint64_t)1 << 40;
    memcpy(record->key, key, size);
    return record;
}

/* What an operation does: in sections, waiting outside. */
lx_unused static int lx_lock(struct vcc_txn *t, struct vst_record *record, enum vlm_mode mode) {
    for (;;) {
        vos_rcu_enter();
        int status = vlm_acquire(t, record, mode);
        vos_rcu_exit();
        if (status != VCC_WAIT) return status;
        status = vlm_wait(t);
        if (status != VARVE_OK) return status;
    }
}

lx_unused static bool lx_free(const struct vst_record *record) {
    return vb_load_relaxed(&record->lk) == 0 && vb_load_relaxed(&record->gap) == 0;
}

/* Spins until a transaction sleeps for a word. */
lx_unused static void lx_await_waiter(const struct vcc_txn *t, const uint64_t *word) {
    while (vb_load_acquire(&t->slot->waiting_on) != (uint64_t)(uintptr_t)word ||
           (vb_load_acquire(word) & VST_LK_WAITERS) == 0)
        vos_thread_yield();
}

#endif
