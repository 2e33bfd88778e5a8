/* test_version.c - before-images: pushing, pruning by the janitor's capture, chunks and blobs, against a model at every
 * registered snapshot.
 *
 * SPDX-License-Identifier: MIT
 */
#include "unit/storage/storage_fixture.h"

#include "storage/version_int.h"

static struct fixture fx;
static struct actor writer, other, reader;

static int setup(void **state) {
    (void)state;
    fx_open(&fx, 1024);
    actor_open(&writer, &fx, 1);
    actor_open(&other, &fx, 2);
    actor_open(&reader, &fx, 3);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    actor_close(&reader);
    actor_close(&other);
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

/* Images of a chain, as far as anybody may walk. */
static size_t chain_length(const struct vst_record *record) {
    size_t length = 0;
    uint64_t above = vst_tid_cts(vb_load_acquire(&record->tid));
    for (struct vst_image *i = record->head; i != NULL && above > fx.domain.min_snap; i = vst_image_prev(i), length++)
        above = vst_tid_cts(i->before);
    return length;
}

static bool reads_as(uint32_t key, uint64_t s, uint8_t fill, size_t size) {
    struct vst_seen seen = actor_read(&reader, key, s);
    return fx_is(&seen, fill, size);
}

/* The blob of an overwritten version is not copied: the image has it. */
static void test_blob_moves(void **state) {
    (void)state;
    uint64_t s = actor_put(&writer, 1, 'a', 3000);
    reader.slot->snap = s;
    struct vst_record *record = find(1);
    assert_true((record->tid & VST_BLOB) != 0);
    struct vst_blob *blob = (struct vst_blob *)(uintptr_t)*vst_value_words(record);
    actor_put(&writer, 1, 'b', 5);
    assert_ptr_equal(vst_image_blob(record->head), blob);
    assert_int_equal(vst_image_value_bytes(record->head), 0);
    assert_true((record->tid & VST_BLOB) == 0);
    actor_put(&writer, 1, 'c', 2000);
    assert_true(reads_as(1, s, 'a', 3000));
    assert_true(reads_as(1, s + 1, 'b', 5));
    assert_true(reads_as(1, s + 2, 'c', 2000));
    vk_snapshot_release(reader.slot);
}

/* Versions 1..9 of one key with snapshots at 3 and 6: after a round the next install leaves what they need, no more. */
static void test_prune(void **state) {
    (void)state;
    for (int i = 1; i <= 9; i++) {
        if (i == 4) other.slot->snap = 3;
        if (i == 7) reader.slot->snap = 6;
        assert_int_equal(actor_put(&writer, 1, (uint8_t)i, i % 2 == 0 ? 500 : 20), i);
    }
    struct vst_record *record = find(1);
    assert_int_equal(chain_length(record), 8);
    fx_round(&fx);
    assert_int_equal(chain_length(record), 6); /* 8 7 6 5 4 3: below 3 nobody goes */
    actor_put(&writer, 1, 10, 20);
    assert_int_equal(chain_length(record), 3); /* 9, not pruned yet, and 6 and 3 */
    assert_true(reads_as(1, 3, 3, 20));
    assert_true(reads_as(1, 6, 6, 500));
    assert_true(reads_as(1, 10, 10, 20));
    struct vst_gc_stats stats;
    vst_gc_stats(fx.store, &stats);
    assert_int_equal(stats.pruned_images, 4);
    vk_snapshot_release(reader.slot);
    fx_round(&fx);
    actor_put(&writer, 1, 11, 20);
    assert_true(reads_as(1, 3, 3, 20));
    assert_int_equal(chain_length(record), 2); /* 10 and 3 */
    vk_snapshot_release(other.slot);
    fx_round(&fx);
    actor_put(&writer, 1, 12, 20);
    assert_int_equal(chain_length(record), 1);
    assert_null(vst_image_prev(record->head));
}

/* A snapshot of before the key existed: the walk ends with nothing, whatever was pruned. */
static void test_prune_to_nothing(void **state) {
    (void)state;
    actor_put(&writer, 9, 0, 8);
    reader.slot->snap = now();
    for (int i = 0; i < 40; i++) {
        actor_put(&writer, 1, (uint8_t)i, 20);
        fx_round(&fx);
        struct vst_seen seen = actor_read(&reader, 1, reader.slot->snap);
        assert_true(!seen.present && seen.cts == 0);
    }
    assert_true(chain_length(find(1)) <= 2);
    vk_snapshot_release(reader.slot);
}

/* --- random histories --------------------------------------------------------------------------------------------- */

#define KEYS 6
#define COMMITS 4000
#define READERS 8

struct version {
    uint64_t cts;
    size_t size;
    uint8_t fill;
};
struct history {
    struct version versions[COMMITS];
    size_t count;
};
static struct history history[KEYS];

static void check_snapshot(uint64_t s) {
    for (uint32_t key = 0; key < KEYS; key++) {
        const struct history *h = &history[key];
        size_t v = h->count;
        while (v > 0 && h->versions[v - 1].cts > s)
            v--;
        struct vst_seen seen = actor_read(&reader, key, s);
        if (v == 0 || h->versions[v - 1].size == FX_DELETE) {
            assert_false(seen.present);
            continue;
        }
        assert_int_equal(seen.cts, h->versions[v - 1].cts);
        assert_true(fx_is(&seen, h->versions[v - 1].fill, h->versions[v - 1].size));
    }
}

/* Commits, snapshots that come and go, rounds at any time; every registered snapshot reads exactly what the history
 * says. With the C library's allocator an address sanitizer sees every byte that is read after it was freed or
 * recycled. */
static void run_random(uint64_t seed) {
    static const size_t sizes[] = {0, 3, 8, 40, 200, 256, 300, 2000, FX_DELETE, FX_DELETE};
    struct vb_random random;
    vb_random_init(&random, seed);
    memset(history, 0, sizeof(history));
    for (int step = 0; step < COMMITS; step++) {
        struct vk_slot *slot = &fx.domain.slots[4 + vb_random_below(&random, READERS)];
        switch (vb_random_below(&random, 8)) {
        case 0: vk_snapshot_register(&fx.domain, slot); break;
        case 1: vk_snapshot_release(slot); break;
        case 2: fx_round(&fx); break;
        default: {
            uint32_t key = (uint32_t)vb_random_below(&random, KEYS);
            struct history *h = &history[key];
            struct version *v = &h->versions[h->count++];
            v->size = sizes[vb_random_below(&random, 10)];
            v->fill = (uint8_t)step;
            v->cts = actor_put(vb_random_below(&random, 2) == 0 ? &writer : &other, key, v->fill, v->size);
        }
        }
        if (step % 16 != 0) continue;
        for (unsigned id = 4; id < 4 + READERS; id++)
            if (fx.domain.slots[id].snap != VK_NO_SNAP) check_snapshot(fx.domain.slots[id].snap);
        check_snapshot(now());
    }
    for (unsigned id = 4; id < 4 + READERS; id++)
        vk_snapshot_release(&fx.domain.slots[id]);
    for (int i = 0; i < 4; i++)
        fx_round(&fx);
    check_snapshot(now());
    struct vst_gc_stats stats;
    vst_gc_stats(fx.store, &stats);
    assert_true(stats.recycled_chunks > 0 && stats.pruned_images > 0 && stats.purged_ghosts > 0);
    assert_true(stats.version_bytes <= 2 * VST_STREAMS * (1024 + (64 << 10)));
}

static void test_random(void **state) {
    for (uint64_t seed = 1; seed <= 12; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        if (seed % 2 == 0) fx_split_soon(&fx);
        run_random(seed);
        teardown(state);
        setup(state);
    }
}

/* --- bounds ------------------------------------------------------------------------------------------------------- */

/* One long reader, hot updates of a few keys beside first updates of many. Chains stay short between rounds, and the
 * memory of versions does not grow with the number of updates. */
static void test_long_reader(void **state) {
    (void)state;
    enum { HOT = 4, ROUND = 50, UPDATES = 20000, COLD = 400 };
    for (uint32_t k = 0; k < HOT + COLD; k++)
        actor_put(&writer, k, 'o', 100);
    uint64_t s = vk_snapshot_register(&fx.domain, reader.slot);
    uint64_t most = 0;
    for (uint32_t i = 0; i < UPDATES; i++) {
        actor_put(&writer, i % HOT, (uint8_t)i, 100);
        if (i % ROUND == 0 && i / ROUND < COLD) actor_put(&writer, HOT + i / ROUND, 'n', 100);
        if (i % ROUND != 0) continue;
        fx_round(&fx);
        if (fx_version_bytes(&fx) > most) most = fx_version_bytes(&fx);
        for (uint32_t k = 0; k < HOT; k++) {
            assert_true(chain_length(find(k)) <= 1 + 2 * (ROUND / HOT + 1)); /* snapshots + commits of two rounds */
            assert_true(reads_as(k, s, 'o', 100));
        }
    }
    print_message("version bytes: most %llu\n", (unsigned long long)most);
    assert_true(most < 2 * (HOT + COLD) * (100 + 64) + 32 * 1024);
    vk_snapshot_release(reader.slot);
}

static void test_asks_for_a_round(void **state) {
    (void)state;
    actor_put(&writer, 1, 0, 8);
    fx_round(&fx);
    for (int i = 0; i < VST_CHAIN_LONG; i++) {
        actor_put(&writer, 1, 1, 8);
        assert_int_equal(fx.domain.janitor_asked, 0);
    }
    for (int i = 0; i < 3; i++)
        actor_put(&writer, 1, 1, 8);
    assert_int_equal(fx.domain.janitor_asked, 1);
    fx_round(&fx);
    actor_put(&writer, 1, 1, 8);
    assert_int_equal(fx.domain.janitor_asked, 0);
}

/* --- chunks ------------------------------------------------------------------------------------------------------- */

enum { BATCH = 60 };
static struct put batch[BATCH];

static void lock_batch(void) {
    vk_pin(&fx.domain, writer.slot);
    for (uint32_t k = 0; k < BATCH; k++) {
        batch[k] = (struct put){.key = k, .fill = (uint8_t)k, .size = 60};
        actor_lock(&writer, &batch[k]);
    }
}

static void unlock_batch(void) {
    for (uint32_t k = 0; k < BATCH; k++)
        fx_unlock(batch[k].record);
    vk_unpin(writer.slot);
}

/* An abort after reserve gives back room over several chunks; what was kept before and after is untouched. */
static void test_cancel(void **state) {
    (void)state;
    for (uint32_t k = 0; k < BATCH; k++)
        actor_put(&other, k, 'a', 60);
    reader.slot->snap = now();
    for (int round = 0; round < 5; round++) {
        actor_put(&writer, 1, 'x', 60);
        lock_batch();
        for (uint32_t k = 0; k < BATCH; k++)
            assert_int_equal(vst_image_reserve(writer.versions, batch[k].record, &batch[k].image), VARVE_OK);
        for (uint32_t k = BATCH; k-- > 0;)
            vst_image_cancel(writer.versions, batch[k].image);
        unlock_batch();
        for (int i = 0; i < 3; i++)
            fx_round(&fx);
    }
    for (uint32_t k = 0; k < BATCH; k++)
        assert_true(reads_as(k, reader.slot->snap, 'a', 60));
    vk_snapshot_release(reader.slot);
}

/* While an image is only reserved its chunk stays, whatever min_snap does. */
static void test_reserved_stays(void **state) {
    (void)state;
    for (uint32_t k = 0; k < BATCH; k++)
        actor_put(&writer, k, 'a', 60);
    lock_batch();
    for (uint32_t k = 0; k < BATCH; k++)
        actor_reserve(&writer, &batch[k]);
    for (int i = 0; i < 5; i++) {
        actor_put(&other, 1000, 'z', 8);
        fx_round(&fx);
    }
    uint64_t s = vk_snapshot_register(&fx.domain, reader.slot);
    vb_store_release(&writer.slot->commit, vk_commit_word(0, VK_PREP));
    uint64_t cts = vb_add_acq_rel(&fx.domain.clock, 1) + 1;
    vb_store_release(&writer.slot->commit, vk_commit_word(cts, VK_COMMITTING));
    for (uint32_t k = 0; k < BATCH; k++)
        actor_install(&writer, &batch[k], cts);
    unlock_batch();
    vb_store_release(&writer.slot->commit, 0);
    for (int i = 0; i < 5; i++)
        fx_round(&fx);
    for (uint32_t k = 0; k < BATCH; k++)
        assert_true(reads_as(k, s, 'a', 60) && reads_as(k, now(), (uint8_t)k, 60));
    vk_snapshot_release(reader.slot);
}

/* Once nobody needs them chunks come back, blobs are freed, and an idle slot keeps little. */
static void test_recycled(void **state) {
    (void)state;
    for (uint32_t k = 0; k < 50; k++)
        actor_put(&writer, k, 'a', 4000);
    uint64_t before = vb_memory_used(fx.memory);
    for (int round = 0; round < 20; round++) {
        for (uint32_t k = 0; k < 50; k++)
            actor_put(&writer, k, 'b', 4000);
        for (int i = 0; i < 3; i++)
            fx_round(&fx);
    }
    assert_true(vb_memory_used(fx.memory) < before + (140 << 10));
    struct vst_gc_stats stats;
    vst_gc_stats(fx.store, &stats);
    assert_true(stats.version_bytes < 140 << 10);
    assert_true(stats.recycled_chunks > 20);
}

/* A slot that falls idle after overwriting large values does not keep them: they close its chunk. */
static void test_large_blobs_go(void **state) {
    (void)state;
    enum { LARGE = 100000 };
    static uint8_t bytes[LARGE];
    struct put p = {.key = 1, .fill = 0, .size = 8};
    actor_put(&writer, 1, 0, 8);
    for (int i = 0; i < 3; i++) {
        struct vst_change change = {.record = find(1)};
        actor_lock(&writer, &p);
        assert_int_equal(vst_image_reserve(writer.versions, p.record, &change.image), VARVE_OK);
        assert_int_equal(vst_blob_create(writer.heap, VARVE_SLICE(bytes, LARGE), &change.blob), VARVE_OK);
        vst_install(writer.versions, &change, vb_add_acq_rel(&fx.domain.clock, 1) + 1);
        fx_unlock(p.record);
    }
    assert_true(vb_memory_used(fx.memory) > 3 * LARGE);
    for (int i = 0; i < 3; i++)
        fx_round(&fx);
    assert_true(vb_memory_used(fx.memory) < 2 * LARGE);
    assert_true(fx_version_bytes(&fx) < LARGE);
}

#ifdef VARVE_ASSERTS
static void test_reserve_nomem(void **state) {
    (void)state;
    for (uint32_t k = 0; k < BATCH; k++)
        actor_put(&other, k, 'a', 60);
    lock_batch();
    uint32_t got = 0;
    vb_alloc_fail_from(3);
    while (got < BATCH && vst_image_reserve(writer.versions, batch[got].record, &batch[got].image) == VARVE_OK)
        got++;
    vb_alloc_fail_from(0);
    assert_true(got > 0 && got < BATCH);
    for (uint32_t k = got; k-- > 0;)
        vst_image_cancel(writer.versions, batch[k].image);
    for (uint32_t k = 0; k < BATCH; k++)
        assert_int_equal(vst_image_reserve(writer.versions, batch[k].record, &batch[k].image), VARVE_OK);
    for (uint32_t k = BATCH; k-- > 0;)
        vst_image_cancel(writer.versions, batch[k].image);
    unlock_batch();
}
#endif

/* Room that was reserved for a record without a committed version is given back by the install. */
static void test_unused_image(void **state) {
    (void)state;
    struct put p = {.key = 1, .fill = 'a', .size = 8};
    actor_lock(&writer, &p);
    actor_reserve(&writer, &p);
    assert_null(p.image);
    assert_int_equal(vst_image_reserve(writer.versions, p.record, &p.image), VARVE_OK);
    vb_add_acq_rel(&fx.domain.clock, 1);
    actor_install(&writer, &p, 1);
    fx_unlock(p.record);
    assert_null(p.record->head);
    assert_true(reads_as(1, 1, 'a', 8));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_blob_moves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prune, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prune_to_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_asks_for_a_round, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reserved_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recycled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_blobs_go, setup, teardown),
#ifdef VARVE_ASSERTS
        cmocka_unit_test_setup_teardown(test_reserve_nomem, setup, teardown),
#endif
        cmocka_unit_test_setup_teardown(test_unused_image, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
