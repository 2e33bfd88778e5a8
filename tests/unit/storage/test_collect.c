/* test_collect.c - what the janitor frees and when: pins, sections, ghosts; applying changes; and everything at once
 * in threads.
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
    return record;
}

static void rounds(int count) {
    for (int i = 0; i < count; i++)
        fx_round(&fx);
}

static void tick(void) { actor_put(&other, 1000, 1, 8); }

static struct vst_gc_stats stats(void) {
    struct vst_gc_stats s;
    vst_gc_stats(fx.store, &s);
    return s;
}

/* --- pins and sections -------------------------------------------------------------------------------------------- */

static void test_pin(void **state) {
    (void)state;
    uint64_t before = vb_memory_used(fx.memory);
    for (int pinned = 0; pinned < 2; pinned++) {
        if (pinned) vk_pin(&fx.domain, reader.slot);
        void *blob;
        assert_int_equal(vst_blob_create(writer.heap, VARVE_SLICE("0123456789", 10), &blob), VARVE_OK);
        void *node = vst_node_alloc(writer.heap, 1000);
        assert_non_null(node);
        assert_int_equal((uintptr_t)node % 64, 0);
        memset(node, 1, 1000);
        vst_retire(fx.store, node);
        vst_retire(fx.store, blob);
        rounds(1);
        assert_true(vb_memory_used(fx.memory) > before + 1000);
        rounds(5);
        if (pinned) {
            assert_true(vb_memory_used(fx.memory) > before + 1000);
            vk_unpin(reader.slot);
            rounds(2);
        }
        assert_int_equal(vb_memory_used(fx.memory), before);
    }
}

/* More different epochs than batches: later than need be, but nothing is lost, and nothing goes while it is pinned. */
static void test_many_epochs(void **state) {
    (void)state;
    uint64_t before = vb_memory_used(fx.memory);
    vk_pin(&fx.domain, reader.slot);
    for (int i = 0; i < 4 * VST_BATCHES; i++) {
        vst_retire(fx.store, vst_node_alloc(writer.heap, 100));
        rounds(1);
    }
    assert_true(vb_memory_used(fx.memory) >= before + 4 * VST_BATCHES * 100);
    /* What is retired now, under a younger pin, stays for that one although there is no batch of its own for it. */
    vk_pin(&fx.domain, other.slot);
    vst_retire(fx.store, vst_node_alloc(writer.heap, 100));
    rounds(3);
    vk_unpin(reader.slot);
    rounds(3);
    assert_true(vb_memory_used(fx.memory) >= before + 100);
    vk_unpin(other.slot);
    rounds(3);
    assert_int_equal(vb_memory_used(fx.memory), before);
}

/* Somebody stands on an image that is unlinked meanwhile. */
struct walker {
    struct vst_image *image;
    uint32_t standing, go;
    uint64_t sum;
};

static void *walk_slowly(void *arg) {
    struct walker *w = arg;
    vos_rcu_enter();
    const struct vst_record *record = fx_find(&fx, 1);
    w->image = vst_image_at(&fx.domain, record, vb_load_acquire(&record->tid), 3);
    vb_store_release(&w->standing, 1);
    while (vb_load_acquire(&w->go) == 0)
        vos_thread_yield();
    for (struct vst_image *i = w->image; i != NULL && vst_tid_cts(i->before) >= 2; i = vst_image_prev(i)) {
        const struct vst_blob *blob = vst_image_blob(i);
        for (size_t b = 0; b < blob->size; b++)
            w->sum += blob->bytes[b];
    }
    vos_rcu_exit();
    return NULL;
}

static void test_slow_walker(void **state) {
    (void)state;
    reader.slot->snap = 1;
    for (int i = 1; i <= 5; i++)
        actor_put(&writer, 1, (uint8_t)i, 1000);
    rounds(1);
    struct walker walker = {NULL, 0, 0, 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, walk_slowly, &walker), 0);
    while (vb_load_acquire(&walker.standing) == 0)
        vos_thread_yield();
    actor_put(&writer, 1, 6, 1000); /* prunes 4, 3, 2 */
    assert_int_equal(stats().pruned_images, 3);
    vst_collect(fx.store); /* the rest of the round: what was unlinked a moment ago may not go */
    vb_store_release(&walker.go, 1);
    pthread_join(thread, NULL);
    assert_int_equal(walker.sum, 1000 * (3 + 2));
    uint64_t before = vb_memory_used(fx.memory);
    rounds(2);
    assert_true(vb_memory_used(fx.memory) < before - 3000);
    vk_snapshot_release(reader.slot);
}

/* --- ghosts ------------------------------------------------------------------------------------------------------- */

static void test_purge_conditions(void **state) {
    (void)state;
    actor_put(&writer, 1, 'a', 8);
    actor_put(&writer, 2, 'b', 8);
    uint64_t before = vk_snapshot_register(&fx.domain, &fx.domain.slots[5]);
    uint64_t deleted = actor_put(&writer, 1, 0, FX_DELETE);
    struct vst_record *ghost = find(1);
    assert_int_equal(stats().records, 1);
    assert_int_equal(stats().ghosts, 1);
    tick();
    rounds(3);
    assert_ptr_equal(find(1), ghost); /* a snapshot of before */
    struct vst_seen seen = actor_read(&reader, 1, before);
    assert_true(fx_is(&seen, 'a', 8));
    vk_snapshot_release(&fx.domain.slots[5]);
    static const uint64_t held[] = {1, VST_LK_CLAIM, (uint64_t)4 << VST_LK_WRITER_SHIFT};
    for (int i = 0; i < 3; i++) {
        vb_store_release(&ghost->lk, held[i]);
        rounds(3);
        assert_ptr_equal(find(1), ghost);
        assert_int_equal(ghost->lk, held[i]);
        vb_store_release(&ghost->lk, 0);
    }
    vb_store_release(&ghost->gap, 2);
    rounds(3);
    assert_ptr_equal(find(1), ghost); /* it anchors a gap lock */
    vb_store_release(&ghost->gap, 0);

    vk_pin(&fx.domain, reader.slot);
    rounds(3);
    assert_null(find(1));
    assert_true((vb_load_acquire(&ghost->tid) & VST_FROZEN) != 0); /* the pin keeps the record */
    vos_rcu_enter();
    assert_false(vst_holds(&fx.domain, ghost, deleted << 8 | VST_GHOST, now(), 3, false));
    assert_int_equal(vst_read_at(&fx.domain, ghost, now(), 3, NULL, &seen), VARVE_OK);
    vos_rcu_exit();
    assert_false(seen.present);
    vk_unpin(reader.slot);
    assert_int_equal(stats().purged_ghosts, 1);
    assert_int_equal(stats().ghosts, 0);
    assert_int_equal(stats().records, 2);
}

/* A ghost that nobody committed: purged when its lock is gone, unless its inserter takes it back. */
static void test_uncommitted_ghost(void **state) {
    (void)state;
    struct put p = {.key = 1, .fill = 'a', .size = 8};
    for (int held = 0; held < 2; held++) {
        actor_lock(&writer, &p);
        assert_true(p.fresh);
        if (held) vb_or_acq_rel(&p.record->lk, (uint64_t)1 << 7);
        rounds(3);
        assert_ptr_equal(find(1), p.record);
        vos_rcu_enter();
        vst_ghost_note(fx.table, p.record); /* met by chance */
        vst_remove_ghost(fx.table, writer.heap, p.record, 0);
        fx_unlock(p.record);
        vos_rcu_exit();
        if (held) {
            assert_ptr_equal(find(1), p.record);
            rounds(3);
            assert_ptr_equal(find(1), p.record);
            vb_store_release(&p.record->lk, 0);
            rounds(3);
        }
        assert_null(find(1));
        rounds(3);
        assert_int_equal(stats().ghosts, 0);
    }
}

/* Revived while queued: stays; deleted again: goes, once. */
static void test_revived(void **state) {
    (void)state;
    actor_put(&writer, 1, 'a', 8);
    for (int i = 0; i < 20; i++) {
        actor_put(&writer, 1, 0, FX_DELETE);
        struct vst_record *ghost = find(1);
        if (i % 3 == 0) rounds(1);
        actor_put(&writer, 1, 'b', 8);
        tick();
        rounds(i % 4);
        assert_ptr_equal(find(1), ghost);
        assert_int_equal(stats().ghosts, 0);
    }
    assert_int_equal(stats().purged_ghosts, 0);
    actor_put(&writer, 1, 0, FX_DELETE);
    tick();
    rounds(3);
    assert_null(find(1));
    assert_int_equal(stats().purged_ghosts, 1);
}

/* A key that comes back after its purge is another record. */
static void test_reinsert(void **state) {
    (void)state;
    vk_pin(&fx.domain, reader.slot);
    for (int i = 0; i < 200; i++) {
        uint64_t cts = actor_put(&writer, 1, (uint8_t)i, 8);
        struct vst_record *record = find(1);
        actor_put(&writer, 1, 0, FX_DELETE);
        tick();
        rounds(2);
        assert_null(find(1));
        assert_false(vst_holds(&fx.domain, record, cts << 8, now(), 3, true));
    }
    vk_unpin(reader.slot);
    assert_int_equal(stats().purged_ghosts, 200);
}

/* Many ghosts under an old snapshot wait without being lost. */
static void test_many_ghosts(void **state) {
    (void)state;
    enum { KEYS = 300 };
    reader.slot->snap = 0;
    for (uint32_t k = 0; k < KEYS; k++) {
        actor_put(&writer, k, 'a', 8);
        actor_put(&writer, k, 0, FX_DELETE);
        if (k % 5 == 0) rounds(1);
    }
    assert_int_equal(stats().ghosts, KEYS);
    vk_snapshot_release(reader.slot);
    tick();
    rounds(4);
    assert_int_equal(stats().ghosts, 0);
    assert_int_equal(stats().purged_ghosts, KEYS);
}

/* The purge and the applier release like everyone: who sleeps for the word is woken, claims and readers stay. */
static void test_writer_word(void **state) {
    (void)state;
    actor_put(&writer, 1, 'a', 8);
    struct vst_record *record = find(1);
    static const uint64_t refused[] = {1, VST_LK_CLAIM, (uint64_t)9 << VST_LK_WRITER_SHIFT};
    for (int i = 0; i < 3; i++) {
        record->lk = refused[i];
        assert_false(vst_writer_try(record, VK_SLOT_APPLIER));
        assert_int_equal(record->lk, refused[i]);
    }
    record->lk = VST_LK_WAITERS;
    assert_true(vst_writer_try(record, VK_SLOT_APPLIER));
    assert_int_equal(vst_lk_writer(record->lk), VK_SLOT_APPLIER);
    vb_or_acq_rel(&record->lk, VST_LK_CLAIM);
    vb_store_release(&fx.domain.slots[5].waiting_on, (uint64_t)(uintptr_t)&record->lk);
    vst_writer_drop(&fx.domain, record);
    assert_int_equal(record->lk, VST_LK_CLAIM);
    assert_int_equal(fx.domain.slots[5].wake, 1);
    assert_int_equal(fx.domain.slots[4].wake, 0);
    record->lk = 0;
}

/* Everything is left half done: closing frees it all (asserted by the memory's close and by the leak check). */
static void test_close_in_the_middle(void **state) {
    (void)state;
    reader.slot->snap = 0;
    vk_pin(&fx.domain, other.slot);
    for (uint32_t k = 0; k < 100; k++) {
        actor_put(&writer, k % 40, (uint8_t)k, k % 3 == 0 ? 2000 : 30);
        if (k % 4 == 0) actor_put(&writer, k % 40, 0, FX_DELETE);
        if (k % 30 == 0) rounds(1);
    }
    reader.slot->snap = 50;
    rounds(1);
    for (uint32_t k = 0; k < 40; k++)
        actor_put(&writer, k, (uint8_t)k, 500);
    vst_retire(fx.store, vst_node_alloc(writer.heap, 64));
    struct put p = {.key = 77, .size = 8};
    actor_lock(&writer, &p);
    vos_rcu_enter();
    vst_ghost_note(fx.table, p.record);
    vst_remove_ghost(fx.table, writer.heap, p.record, 0);
    vos_rcu_exit();
}

/* --- applying ----------------------------------------------------------------------------------------------------- */

struct change {
    uint32_t key;
    uint64_t cts;
    size_t size;
};
enum { CHANGES = 1500, APPLY_KEYS = 40 };
static struct change changes[CHANGES];

static int apply(struct actor *a, bool images, const struct change *c) {
    uint8_t bytes[32], value[FX_VALUE_MAX];
    bool ghost = c->size == FX_DELETE;
    if (!ghost) memset(value, (int)c->cts, c->size);
    return vst_apply(fx.table, images ? a->versions : NULL, a->heap, fx_key(c->key, bytes),
                     VARVE_SLICE(value, ghost ? 0 : c->size), ghost, c->cts);
}

/* Changes first .. end-1 in groups of random sizes; each is tried as a new key now and then. */
static int apply_groups(struct actor *a, bool images, struct vb_random *random, size_t first, size_t end) {
    enum { MOST = 20 };
    static uint8_t values[CHANGES][FX_VALUE_MAX], keys[CHANGES][32];
    struct vst_logged logged[MOST];
    while (first < end) {
        size_t count = 1 + vb_random_below(random, MOST);
        if (count > end - first) count = end - first;
        for (size_t i = 0; i < count; i++) {
            const struct change *c = &changes[first + i];
            bool ghost = c->size == FX_DELETE;
            if (!ghost) memset(values[first + i], (int)c->cts, c->size);
            logged[i] = (struct vst_logged){fx_key(c->key, keys[first + i]),
                                            VARVE_SLICE(values[first + i], ghost ? 0 : c->size), ghost, c->cts};
        }
        int status = vst_apply_many(fx.table, images ? a->versions : NULL, a->heap, logged, count,
                                    vb_random_below(random, 3) == 0);
        if (status != VARVE_OK) return status;
        first += count;
    }
    return VARVE_OK;
}

static void make_changes(struct vb_random *random) {
    static const size_t sizes[] = {0, 8, 100, 256, 257, 3000, FX_DELETE, FX_DELETE};
    for (uint64_t i = 0; i < CHANGES; i++)
        changes[i] = (struct change){(uint32_t)vb_random_below(random, APPLY_KEYS), i + 1,
                                     sizes[vb_random_below(random, 8)]};
}

static void shuffle(struct vb_random *random) {
    for (size_t i = CHANGES - 1; i > 0; i--) {
        size_t j = vb_random_below(random, i + 1);
        struct change c = changes[i];
        changes[i] = changes[j];
        changes[j] = c;
    }
}

static void check_applied(void) {
    uint64_t live = 0;
    for (uint32_t key = 0; key < APPLY_KEYS; key++) {
        const struct change *last = NULL;
        for (size_t i = 0; i < CHANGES; i++)
            if (changes[i].key == key && (last == NULL || changes[i].cts > last->cts)) last = &changes[i];
        struct vst_seen seen = actor_read(&reader, key, now());
        assert_non_null(last);
        assert_int_equal(seen.cts, last->cts);
        assert_int_equal(seen.present, last->size != FX_DELETE);
        if (!seen.present) continue;
        assert_true(fx_is(&seen, (uint8_t)last->cts, last->size));
        live++;
    }
    assert_int_equal(stats().records, live);
    assert_int_equal(stats().ghosts, APPLY_KEYS - live);
}

static void test_apply_any_order(void **state) {
    uint64_t seed = 5;
    struct vb_random random;
    vb_random_init(&random, seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 8; round++) {
        make_changes(&random);
        if (round % 4 > 0) shuffle(&random);
        for (size_t i = 0; i < CHANGES && round < 4; i++)
            assert_int_equal(apply(&writer, round % 2 == 0, &changes[i]), VARVE_OK);
        if (round >= 4) assert_int_equal(apply_groups(&writer, round % 2 == 0, &random, 0, CHANGES), VARVE_OK);
        for (size_t i = 0; i < CHANGES; i += 7)
            assert_int_equal(apply(&writer, round % 2 == 0, &changes[i]), VARVE_OK); /* again: nothing changes */
        fx.domain.clock = CHANGES;
        check_applied();
        fx.domain.clock++;
        rounds(5);
        assert_int_equal(stats().ghosts, 0);
        teardown(state);
        setup(state);
    }
}

struct applier {
    struct actor *actor;
    size_t first, end;
    bool groups;
};

static void *apply_some(void *arg) {
    struct applier *a = arg;
    struct vb_random random;
    vb_random_init(&random, a->first);
    for (size_t i = a->first; i < a->end && !a->groups; i++)
        assert_int_equal(apply(a->actor, a->first == 0, &changes[i]), VARVE_OK);
    if (a->groups) assert_int_equal(apply_groups(a->actor, a->first == 0, &random, a->first, a->end), VARVE_OK);
    return NULL;
}

static void check_threads(bool groups) {
    struct vb_random random;
    vb_random_init(&random, 6);
    make_changes(&random);
    shuffle(&random);
    struct applier appliers[2] = {{&writer, 0, CHANGES / 2, groups}, {&other, CHANGES / 2, CHANGES, groups}};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, apply_some, &appliers[1]), 0);
    apply_some(&appliers[0]);
    pthread_join(thread, NULL);
    fx.domain.clock = CHANGES;
    check_applied();
}
static void test_apply_threads(void **state) {
    check_threads(false);
    teardown(state);
    setup(state);
    check_threads(true);
}

/* A record that leaves the index under the applier's hands is looked up again. */
struct one {
    struct change change;
    uint32_t done;
};

static void *apply_one(void *arg) {
    struct one *one = arg;
    assert_int_equal(apply(&other, true, &one->change), VARVE_OK);
    vb_store_release(&one->done, 1);
    return NULL;
}

static void test_apply_frozen(void **state) {
    (void)state;
    uint64_t cts = actor_put(&writer, 1, 'a', 8);
    struct vst_record *record = find(1);
    struct one one = {{1, cts + 1, 20}, 0};
    vb_or_acq_rel(&record->tid, VST_FROZEN);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, apply_one, &one), 0);
    for (int i = 0; i < 2000 && vb_load_acquire(&one.done) == 0; i++)
        vos_thread_yield();
    assert_int_equal(vst_tid_cts(vb_load_acquire(&record->tid)), cts);
    vb_and_acq_rel(&record->tid, ~(uint64_t)VST_FROZEN);
    pthread_join(thread, NULL);
    assert_int_equal(vst_tid_cts(record->tid), cts + 1);
    assert_int_equal(record->lk, 0);
}

/* A follower: versions are pushed in cts order and old snapshots still read their own. */
static void test_apply_keeps_versions(void **state) {
    (void)state;
    struct change c = {1, 1, 100};
    reader.slot->snap = 0;
    for (; c.cts <= 50; c.cts++) {
        c.size = c.cts % 5 == 0 ? FX_DELETE : c.cts % 3 == 0 ? 600 : 100;
        assert_int_equal(apply(&writer, true, &c), VARVE_OK);
        vb_store_release(&fx.domain.clock, c.cts);
        if (c.cts == 20) fx.domain.slots[5].snap = 20;
        if (c.cts % 10 == 0) rounds(1);
    }
    struct vst_seen seen = actor_read(&reader, 1, 19);
    seen = actor_read(&reader, 1, 50);
    assert_int_equal(seen.cts, 50);
    seen = actor_read(&reader, 1, 20);
    assert_int_equal(seen.cts, 20);
    assert_false(seen.present);
    seen = actor_read(&reader, 1, 0);
    assert_int_equal(seen.cts, 0);
    vk_snapshot_release(reader.slot);
    vk_snapshot_release(&fx.domain.slots[5]);
}

static void test_apply_refuses(void **state) {
    (void)state;
    static const uint8_t key[VARVE_KEY_MAX_BYTES + 1];
    varve_slice none = VARVE_SLICE(NULL, 0), one = VARVE_SLICE(key, 1), most = VARVE_SLICE(key, sizeof(key) - 1);
    varve_slice long_key = VARVE_SLICE(key, sizeof(key)), long_value = one;
    long_value.size = (size_t)VARVE_VALUE_MAX_BYTES + 1;
    assert_int_equal(vst_apply(fx.table, NULL, writer.heap, none, none, false, 1), VARVE_TOOBIG);
    assert_int_equal(vst_apply(fx.table, NULL, writer.heap, long_key, none, false, 1), VARVE_TOOBIG);
    assert_int_equal(vst_apply(fx.table, NULL, writer.heap, one, long_value, false, 1), VARVE_TOOBIG);
    assert_int_equal(vst_apply(fx.table, NULL, writer.heap, most, none, false, 1), VARVE_OK);
    struct vst_logged logged[] = {{one, one, false, 2}, {none, none, false, 2}, {most, one, false, 2}};
    assert_int_equal(vst_apply_many(fx.table, NULL, writer.heap, logged, 3, false), VARVE_TOOBIG);
    vos_rcu_enter();
    struct vst_found found;
    vst_lookup(fx.table, one, &found);
    assert_non_null(found.record); /* what stands before is applied, what stands behind is not */
    assert_int_equal(vst_tid_cts(found.record->tid), 2);
    vst_lookup(fx.table, most, &found);
    assert_int_equal(vst_tid_cts(found.record->tid), 1);
    vos_rcu_exit();
#ifdef VARVE_ASSERTS
    struct change c = {3, 5, 3000};
    for (int i = 0; i < 2; i++) {
        uint64_t before = vb_memory_used(fx.memory);
        vb_alloc_fail_from(1);
        assert_int_equal(apply(&writer, true, &c), VARVE_NOMEM);
        vb_alloc_fail_from(0);
        assert_int_equal(vb_memory_used(fx.memory), before);
        assert_int_equal(apply(&writer, true, &c), VARVE_OK);
        c.cts++;
    }
#endif
}

/* --- everything at once ------------------------------------------------------------------------------------------- */

/* Two writers: batches of ten keys that all get the same filling, two keys whose sum stays, and keys that are deleted
 * and come back. Readers with short and with long snapshots check that each sees whole batches, the sum, and the same
 * thing twice. A janitor runs all the time. */
enum { TEN = 10, PAIR = 20, CHURN = 30, CHURN_KEYS = 24, SUM = 100, WORK = 2500 };

static uint32_t stop_all;
static uint64_t reads_done;

static void write_pair(struct actor *a, uint8_t amount) {
    struct put pair[2] = {{.key = PAIR, .fill = amount, .size = 5},
                          {.key = PAIR + 1, .fill = SUM - amount, .size = 300}};
    actor_commit(a, pair, 2);
}

static void *write_much(void *arg) {
    struct actor *a = arg;
    struct vb_random random;
    vb_random_init(&random, a->self);
    for (int i = 0; i < WORK; i++) {
        struct put ten[TEN];
        size_t size = vb_random_below(&random, 4) == 0 ? 700 : 1 + vb_random_below(&random, 200);
        for (uint32_t k = 0; k < TEN; k++)
            ten[k] = (struct put){.key = k, .fill = (uint8_t)i, .size = size};
        actor_commit(a, ten, TEN);
        write_pair(a, (uint8_t)vb_random_below(&random, SUM));
        uint32_t key = CHURN + (uint32_t)vb_random_below(&random, CHURN_KEYS);
        actor_put(a, key, (uint8_t)key, vb_random_below(&random, 2) == 0 ? FX_DELETE : 40);
    }
    return NULL;
}

static uint64_t look(struct actor *a, uint64_t s) {
    struct vst_seen seen = actor_read(a, 0, s);
    uint8_t fill = *(const uint8_t *)seen.value.data;
    size_t size = seen.value.size;
    uint64_t sum = seen.cts, cts = seen.cts;
    for (uint32_t k = 1; k < TEN; k++) {
        seen = actor_read(a, k, s);
        assert_true(fx_is(&seen, fill, size) && seen.cts == cts);
    }
    seen = actor_read(a, PAIR, s);
    uint8_t amount = *(const uint8_t *)seen.value.data;
    assert_true(fx_is(&seen, amount, 5));
    seen = actor_read(a, PAIR + 1, s);
    assert_true(fx_is(&seen, (uint8_t)(SUM - amount), 300));
    sum = sum * 31 + seen.cts;
    for (uint32_t k = CHURN; k < CHURN + CHURN_KEYS; k++) {
        seen = actor_read(a, k, s);
        assert_true(!seen.present || fx_is(&seen, (uint8_t)k, 40));
        sum = sum * 31 + (seen.present ? seen.cts : 0);
    }
    return sum;
}

static void *read_much(void *arg) {
    struct actor *a = arg;
    bool patient = a->self % 2 == 0;
    while (vb_load_acquire(&stop_all) == 0) {
        uint64_t s = vk_snapshot_register(&fx.domain, a->slot);
        uint64_t first = look(a, s);
        for (int i = 0; i < (patient ? 40 : 1); i++)
            assert_int_equal(look(a, s), first);
        vk_snapshot_release(a->slot);
        vb_add_relaxed(&reads_done, 1);
    }
    return NULL;
}

static void *collect_much(void *arg) {
    (void)arg;
    while (vb_load_acquire(&stop_all) == 0) {
        rounds(1);
        vos_thread_yield();
    }
    return NULL;
}

static void check_everything(void) {
    struct actor second;
    actor_open(&second, &fx, 4);
    struct put ten[TEN];
    for (uint32_t k = 0; k < TEN; k++)
        ten[k] = (struct put){.key = k, .fill = 1, .size = 9};
    actor_commit(&writer, ten, TEN);
    write_pair(&writer, 1);
    stop_all = 0;
    reads_done = 0;
    pthread_t threads[5];
    assert_int_equal(pthread_create(&threads[0], NULL, collect_much, NULL), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, read_much, &reader), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, read_much, &second), 0);
    assert_int_equal(pthread_create(&threads[3], NULL, write_much, &writer), 0);
    assert_int_equal(pthread_create(&threads[4], NULL, write_much, &other), 0);
    pthread_join(threads[3], NULL);
    pthread_join(threads[4], NULL);
    vb_store_release(&stop_all, 1);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    tick();
    rounds(6);
    print_message("%llu looks, %llu purged, %llu pruned, %llu chunks\n", (unsigned long long)reads_done,
                  (unsigned long long)stats().purged_ghosts, (unsigned long long)stats().pruned_images,
                  (unsigned long long)stats().recycled_chunks);
    assert_true(reads_done > 0 && stats().purged_ghosts > 0 && stats().recycled_chunks > 0);
    uint64_t present = 0;
    for (uint32_t k = 0; k < 1001; k++)
        present += actor_read(&reader, k, now()).present;
    assert_int_equal(stats().records, present);
    assert_int_equal(stats().ghosts, 0);
    actor_close(&second);
}

static void test_everything(void **state) {
    check_everything();
    teardown(state);
    setup(state);
    fx_split_soon(&fx);
    check_everything();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_pin),
        TEST(test_many_epochs),
        TEST(test_slow_walker),
        TEST(test_purge_conditions),
        TEST(test_uncommitted_ghost),
        TEST(test_revived),
        TEST(test_reinsert),
        TEST(test_many_ghosts),
        TEST(test_writer_word),
        TEST(test_close_in_the_middle),
        TEST(test_apply_any_order),
        TEST(test_apply_threads),
        TEST(test_apply_frozen),
        TEST(test_apply_keeps_versions),
        TEST(test_apply_refuses),
        TEST(test_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
