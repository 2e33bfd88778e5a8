/* test_record.c - reading records: values of every length, histories at every snapshot, the locker rule, what still
 * holds.
 *
 * SPDX-License-Identifier: MIT
 */
#include "unit/storage/storage_fixture.h"

#include "storage/version_int.h"

#define HISTORY 400

static struct fixture fx;
static struct actor writer, reader;

static int setup(void **state) {
    (void)state;
    fx_open(&fx, 1024);
    actor_open(&writer, &fx, 1);
    actor_open(&reader, &fx, 2);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    actor_close(&reader);
    actor_close(&writer);
    fx_close(&fx);
    return 0;
}

static uint64_t now(void) { return vb_load_acquire(&fx.domain.clock); }

static struct vst_record *find(uint32_t key) {
    vos_rcu_enter();
    struct vst_record *record = fx_find(&fx, key);
    vos_rcu_exit();
    assert_non_null(record);
    return record;
}

static void test_layout(void **state) {
    (void)state;
    static const size_t wanted[][2] = {{0, 8}, {1, 8}, {8, 8}, {9, 16}, {255, 256}, {256, 256}, {5000, 256}};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        for (size_t k = 1; k < 20; k++) {
            uint8_t key[20];
            memset(key, (int)k, sizeof(key));
            struct vst_record *r = vst_record_create(fx.table, writer.heap, VARVE_SLICE(key, k), wanted[i][0], 3);
            assert_non_null(r);
            assert_int_equal(vst_key_bytes(r), k);
            assert_memory_equal(r->key, key, k);
            assert_int_equal(vst_record_table_slot(r), vst_table_slot(fx.table));
            assert_int_equal(vst_lk_writer(r->lk), 3);
            assert_int_equal(r->tid, VST_GHOST);
            assert_int_equal(vst_record_bytes(r), 40 + (k + 7) / 8 * 8 + wanted[i][1] + 8);
            assert_true(vst_fits_inline(r, wanted[i][1]));
            assert_false(vst_fits_inline(r, wanted[i][1] + 1));
            vst_record_free(fx.table, writer.heap, r);
        }
}

/* Every length from 0 to beyond inline, on one record that was made for the longest inline value. */
static void test_lengths(void **state) {
    (void)state;
    actor_put(&writer, 1, 0, 256);
    for (size_t size = 0; size <= 300; size++) {
        uint64_t cts = actor_put(&writer, 1, (uint8_t)size, size);
        struct vst_seen seen = actor_read(&reader, 1, now());
        assert_true(fx_is(&seen, (uint8_t)size, size));
        assert_int_equal(seen.cts, cts);
        assert_int_equal(seen.tid, cts << 8);
        assert_true(seen.newest);
        vos_rcu_enter();
        assert_int_equal(vst_read_newest(find(1), &reader.arena, &seen), VARVE_OK);
        assert_true(fx_is(&seen, (uint8_t)size, size));
        assert_int_equal(vst_read_at(&fx.domain, find(1), now(), 2, NULL, &seen), VARVE_OK);
        assert_true(seen.present && seen.value.data == NULL && seen.value.size == 0);
        vos_rcu_exit();
    }
}

struct model {
    uint64_t cts;
    size_t size;
    uint8_t fill;
};

/* One key through puts of all kinds and deletes; then every snapshot from 0 on sees what the model says. */
static void test_history(void **state) {
    (void)state;
    uint64_t seed = 20260101;
    struct vb_random random;
    vb_random_init(&random, seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    static struct model history[HISTORY + 1];
    static const size_t sizes[] = {0, 1, 7, 8, 30, 256, 257, 3000, FX_DELETE};
    reader.slot->snap = 0; /* and the janitor takes no stock: the whole history stays */
    for (int i = 1; i <= HISTORY; i++) {
        history[i].size = sizes[vb_random_below(&random, 9)];
        history[i].fill = (uint8_t)i;
        if (i % 3 == 0) actor_put(&writer, 99, 1, 8); /* the clock moves between the versions */
        history[i].cts = actor_put(&writer, 7, history[i].fill, history[i].size);
    }
    int version = 0;
    for (uint64_t s = 0; s <= now(); s++) {
        if (version < HISTORY && history[version + 1].cts == s) version++;
        struct vst_seen seen = actor_read(&reader, 7, s);
        assert_int_equal(seen.cts, history[version].cts);
        assert_int_equal(seen.newest, version == HISTORY);
        if (version == 0 || history[version].size == FX_DELETE)
            assert_true(!seen.present && seen.value.data == NULL);
        else
            assert_true(fx_is(&seen, history[version].fill, history[version].size));
    }
    vk_snapshot_release(reader.slot);
}

/* The writer field shows `id`, its slot the word; the record has version 1, the reader asks at s = 5. */
static int read_under(unsigned id, uint64_t word, unsigned self, struct vst_seen *seen) {
    struct vst_record *record = find(3);
    vb_store_release(&record->lk, vst_lk_of(id));
    if (id <= FX_SLOTS) vb_store_release(&fx.domain.slots[id].commit, word);
    vos_rcu_enter();
    int status = vst_read_at(&fx.domain, record, 5, self, &reader.arena, seen);
    vos_rcu_exit();
    if (id <= FX_SLOTS) vb_store_release(&fx.domain.slots[id].commit, 0);
    vb_store_release(&record->lk, 0);
    return status;
}

static void test_locker(void **state) {
    (void)state;
    actor_put(&writer, 3, 'a', 20);
    struct vst_seen seen;
    assert_int_equal(read_under(4, vk_commit_word(0, VK_IDLE), 2, &seen), VARVE_OK);
    assert_true(fx_is(&seen, 'a', 20));
    assert_int_equal(read_under(4, vk_commit_word(0, VK_PREP), 2, &seen), VST_WAIT);
    assert_int_equal(seen.writer, 4);
    assert_int_equal(read_under(4, vk_commit_word(5, VK_COMMITTING), 2, &seen), VST_WAIT);
    assert_int_equal(seen.writer, 4);
    assert_int_equal(read_under(4, vk_commit_word(6, VK_COMMITTING), 2, &seen), VARVE_OK);
    assert_int_equal(read_under(2, vk_commit_word(5, VK_COMMITTING), 2, &seen), VARVE_OK);
    assert_int_equal(read_under(VK_SLOT_APPLIER, 0, 2, &seen), VARVE_OK);
    assert_int_equal(read_under(VK_SLOT_APPLIER + 1, 0, 2, &seen), VARVE_OK);
}

static void *finish_install(void *arg) {
    struct vk_slot *slot = arg;
    for (int i = 0; i < 100; i++)
        vos_thread_yield();
    vb_store_release(&slot->commit, vk_commit_word(9, VK_COMMITTING));
    for (int i = 0; i < 100; i++)
        vos_thread_yield();
    vb_store_release(&slot->commit, vk_commit_word(0, VK_IDLE));
    return NULL;
}

static void test_install_wait(void **state) {
    (void)state;
    struct vk_slot *slot = &fx.domain.slots[4];
    vst_install_wait(&fx.domain, 4, 9);
    vb_store_release(&slot->commit, vk_commit_word(10, VK_COMMITTING));
    vst_install_wait(&fx.domain, 4, 9); /* a larger cts is not waited for */
    vb_store_release(&slot->commit, vk_commit_word(0, VK_PREP));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, finish_install, slot), 0);
    vst_install_wait(&fx.domain, 4, 9);
    assert_int_equal(vb_load_acquire(&slot->commit), vk_commit_word(0, VK_IDLE));
    pthread_join(thread, NULL);
}

/* A record in the middle of an install is read without waiting: old snapshots find the image. */
static void test_busy(void **state) {
    (void)state;
    struct put p = {.key = 5, .fill = 'n', .size = 40};
    actor_put(&writer, 5, 'o', 33);
    uint64_t old = now();
    assert_int_equal(vk_snapshot_register(&fx.domain, reader.slot), old);
    actor_lock(&writer, &p);
    actor_reserve(&writer, &p);
    vb_store_release(&writer.slot->commit, vk_commit_word(old + 1, VK_COMMITTING));
    vb_add_acq_rel(&fx.domain.clock, 1);
    actor_install(&writer, &p, old + 1);
    uint64_t tid = vb_load_relaxed(&p.record->tid);
    vb_store_release(&p.record->tid, old << 8 | VST_BUSY); /* as it was before the last step */
    struct vst_seen seen = actor_read(&reader, 5, old);
    assert_true(fx_is(&seen, 'o', 33));
    assert_true(seen.newest);
    assert_int_equal(seen.tid, old << 8);
    vos_rcu_enter();
    assert_true(vst_holds(&fx.domain, p.record, old << 8, old, 2, false));
    assert_false(vst_holds(&fx.domain, p.record, old << 8, old + 1, 2, false));
    vos_rcu_exit();
    vb_store_release(&p.record->tid, tid);
    fx_unlock(p.record);
    vb_store_release(&writer.slot->commit, 0);
    vk_snapshot_release(reader.slot);
}

static bool holds(const struct vst_record *record, uint64_t tid, uint64_t as_of, bool existence) {
    vos_rcu_enter();
    bool answer = vst_holds(&fx.domain, record, tid, as_of, 2, existence);
    vos_rcu_exit();
    return answer;
}

static void test_holds(void **state) {
    (void)state;
    reader.slot->snap = 0;
    uint64_t one = actor_put(&writer, 11, 'a', 8);
    struct vst_record *record = find(11);
    uint64_t two = actor_put(&writer, 11, 'b', 8);
    uint64_t gone = actor_put(&writer, 11, 0, FX_DELETE);
    uint64_t back = actor_put(&writer, 11, 'c', 8);
    uint64_t none = VST_GHOST, tid_one = one << 8, tid_two = two << 8, tid_gone = gone << 8 | VST_GHOST;

    assert_true(holds(record, back << 8, back, false));
    assert_true(holds(record, tid_one, one, false));  /* overwritten by larger stamps only */
    assert_false(holds(record, tid_one, two, false));
    assert_true(holds(record, tid_two, two, false));
    assert_false(holds(record, tid_two, back, false));
    assert_true(holds(record, tid_gone, gone, false));
    assert_true(holds(record, none, one - 1, false)); /* it did not exist then */
    assert_false(holds(record, none, one, false));

    assert_true(holds(record, tid_one, two, true));   /* another value, still there */
    assert_true(holds(record, tid_one, back, true));
    assert_false(holds(record, tid_one, gone, true)); /* there again now, but not as of then */
    assert_true(holds(record, none, gone, true));
    assert_false(holds(record, tid_gone, back, true));
    vk_snapshot_release(reader.slot);
}

/* Once the floor has passed as_of, only what the record itself shows counts. */
static void test_holds_floor(void **state) {
    (void)state;
    uint64_t one = actor_put(&writer, 12, 'a', 8);
    struct vst_record *record = find(12);
    reader.slot->snap = one;
    actor_put(&writer, 12, 'b', 8);
    assert_true(holds(record, one << 8, one, false));
    fx_round(&fx);
    assert_false(holds(record, one << 8, one, false));
    vk_snapshot_release(reader.slot);
}

/* Three-way rule: who has the record locked, in what state, decides. */
static void test_holds_locked(void **state) {
    (void)state;
    uint64_t cts = actor_put(&writer, 13, 'a', 8), tid = cts << 8, as_of = cts + 5;
    struct vst_record *record = find(13);
    struct vk_slot *slot = &fx.domain.slots[4];
    static const struct { enum vk_state state; int64_t delta; bool plain; } cases[] = {
        {VK_IDLE, 0, true}, {VK_PREP, 0, false}, {VK_COMMITTING, -1, false}, {VK_COMMITTING, 0, false},
        {VK_COMMITTING, 1, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        vb_store_release(&record->lk, vst_lk_of(4));
        vb_store_release(&slot->commit, vk_commit_word((uint64_t)((int64_t)as_of + cases[i].delta), cases[i].state));
        assert_int_equal(holds(record, tid, as_of, false), cases[i].plain);
        assert_int_equal(holds(record, tid, as_of, true), cases[i].plain);
        vos_rcu_enter();
        assert_true(vst_holds(&fx.domain, record, tid, as_of, 4, false)); /* my own lock */
        vos_rcu_exit();
    }
    vb_store_release(&slot->commit, 0);
    vb_store_release(&record->lk, 0);
    vb_or_acq_rel(&record->tid, VST_FROZEN);
    assert_false(holds(record, tid, as_of, false));
    assert_false(holds(record, tid, as_of, true));
    vb_and_acq_rel(&record->tid, ~(uint64_t)VST_FROZEN);
    vb_or_acq_rel(&record->tid, VST_HOT); /* a hint changes nothing */
    assert_true(holds(record, tid, as_of, false));
}

#ifdef VARVE_ASSERTS
static void test_nomem(void **state) {
    (void)state;
    static const size_t sizes[] = {200, 3000};
    for (int i = 0; i < 2; i++)
        for (int older = 0; older < 2; older++) {
            uint64_t s = actor_put(&writer, 20 + (uint32_t)i, 'x', sizes[i]);
            reader.slot->snap = s;
            if (older) actor_put(&writer, 20 + (uint32_t)i, 'y', 8);
            vb_arena_release(&reader.arena);
            struct vst_seen seen;
            struct vst_record *record = find(20 + (uint32_t)i);
            vos_rcu_enter();
            vb_alloc_fail_from(1);
            assert_int_equal(vst_read_at(&fx.domain, record, s, 2, &reader.arena, &seen), VARVE_NOMEM);
            vb_alloc_fail_from(0);
            assert_int_equal(vst_read_at(&fx.domain, record, s, 2, &reader.arena, &seen), VARVE_OK);
            vos_rcu_exit();
            assert_true(fx_is(&seen, 'x', sizes[i]));
            vk_snapshot_release(reader.slot);
        }
}
#endif

/* Values whose bytes are all alike and whose length says which: nobody ever sees a mixture. */
struct torn {
    struct vst_record *record;
    uint32_t stop;
};

/* Installs as fast as it goes, with no protocol around it. */
static void *overwrite(void *arg) {
    struct torn *t = arg;
    uint8_t bytes[256];
    struct vb_random random;
    vb_random_init(&random, 7);
    for (uint64_t cts = 2; vb_load_acquire(&t->stop) == 0; cts++) {
        size_t size = vb_random_below(&random, 257);
        memset(bytes, (int)size, size);
        struct vst_change change = {.record = t->record, .value = VARVE_SLICE(bytes, size)};
        vst_value_write(&fx.domain, t->record, &change, cts);
    }
    return NULL;
}

static void test_torn(void **state) {
    (void)state;
    actor_put(&writer, 30, 0, 256);
    struct torn torn = {find(30), 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, overwrite, &torn), 0);
    uint64_t last = 0, moved = 0;
    for (uint32_t reads = 0; reads < 100000 || moved < 1000; reads++) {
        struct vst_seen seen;
        vb_arena_reset(&reader.arena);
        vos_rcu_enter();
        assert_int_equal(vst_read_newest(torn.record, &reader.arena, &seen), VARVE_OK);
        vos_rcu_exit();
        assert_true(fx_is(&seen, (uint8_t)seen.value.size, seen.value.size));
        assert_true(seen.cts >= last);
        moved += seen.cts != last;
        last = seen.cts;
    }
    vb_store_release(&torn.stop, 1);
    pthread_join(thread, NULL);
}

/* The same through the whole protocol, with snapshots, blobs and the janitor. */
struct watcher {
    uint32_t stop;
    uint64_t reads;
};

static void *watch(void *arg) {
    struct watcher *w = arg;
    while (vb_load_acquire(&w->stop) == 0) {
        uint64_t s = vk_snapshot_register(&fx.domain, reader.slot);
        struct vst_seen seen = actor_read(&reader, 30, s);
        assert_true(fx_is(&seen, (uint8_t)seen.value.size, seen.value.size));
        assert_true(seen.cts <= s);
        vk_snapshot_release(reader.slot);
        vb_store_release(&w->reads, w->reads + 1);
    }
    return NULL;
}

static void test_watched(void **state) {
    (void)state;
    struct watcher watcher = {0, 0};
    actor_put(&writer, 30, 0, 256);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, watch, &watcher), 0);
    struct vb_random random;
    vb_random_init(&random, 7);
    for (int i = 0; i < 10000 || vb_load_acquire(&watcher.reads) < 1000; i++) {
        size_t size = vb_random_below(&random, 300);
        actor_put(&writer, 30, (uint8_t)size, size);
        if (i % 500 == 0) fx_round(&fx);
    }
    vb_store_release(&watcher.stop, 1);
    pthread_join(thread, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_layout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_history, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_install_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holds_floor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holds_locked, setup, teardown),
#ifdef VARVE_ASSERTS
        cmocka_unit_test_setup_teardown(test_nomem, setup, teardown),
#endif
        cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watched, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
