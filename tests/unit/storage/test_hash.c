/* test_hash.c - the hash beside the index: it answers as the tree does, loses nothing but time, and leads to no record
 * that has left the index; its size follows the table's; and threads that look up, link, take back and free.
 *
 * The model is the tree itself, which has tests of its own.
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>

#include "storage/hash.h"
#include "unit/storage/tree_fixture.h"

#define STEPS(n) ((VB_TSAN ? (n) / 8 : (n)) * tf_budget())

static uint8_t key_bytes[64][TF_KEY_MAX];

/* --- looking into the array --------------------------------------------------------------------------------------- */

static unsigned entries_of(const struct tf *tf, const struct vst_record *record) {
    const struct vst_hash *hash = tf->table->hash;
    unsigned count = 0;
    for (uint64_t i = 0; hash != NULL && i < hash->bucket_count * VST_WAYS; i++)
        count += vst_entry_record(hash->buckets[i / VST_WAYS].entries[i % VST_WAYS]) == record && record != NULL;
    return count;
}

/* Every entry is in its key's bucket, once, and leads to the record the tree has. Returns how many there are. */
static unsigned check_hash(struct tf *tf) {
    const struct vst_hash *hash = tf->table->hash;
    unsigned count = 0;
    assert_non_null(hash);
    for (uint64_t i = 0; i < hash->bucket_count * VST_WAYS; i++) {
        uint64_t entry = hash->buckets[i / VST_WAYS].entries[i % VST_WAYS];
        if (entry == 0) continue;
        struct vst_record *record = vst_entry_record(entry);
        uint64_t h = vst_hash_key(vst_record_key(record));
        assert_ptr_equal(vst_hash_bucket(hash, h), &hash->buckets[i / VST_WAYS]);
        assert_true(entry == (vst_entry_tag(h) | (uint64_t)(uintptr_t)record));
        assert_int_equal(record->tid & VST_FROZEN, 0);
        assert_ptr_equal(tf_find(tf, vst_record_key(record), NULL), record);
        assert_int_equal(entries_of(tf, record), 1);
        count++;
    }
    return count;
}

static struct vst_record *quick(struct tf *tf, varve_slice key) {
    struct vst_found found;
    vos_rcu_enter();
    vst_find(tf->table, key, NULL, &found);
    vos_rcu_exit();
    return found.record;
}

/* --- hashing ------------------------------------------------------------------------------------------------------ */

/* Keys that differ in one bit, anywhere, are apart in bucket or tag, and buckets fill evenly. */
static void test_spread(void **state) {
    (void)state;
    for (size_t size = 1; size <= 40; size++) {
        uint8_t key[40];
        memset(key, 'a', sizeof(key));
        uint64_t h = vst_hash_key(VARVE_SLICE(key, size));
        assert_true(h == vst_hash_key(VARVE_SLICE(key, size)));
        for (size_t bit = 0; bit < 8 * size; bit++) {
            key[bit / 8] ^= (uint8_t)(1u << bit % 8);
            uint64_t other = vst_hash_key(VARVE_SLICE(key, size));
            key[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_true(other >> 32 != h >> 32);
            assert_true(__builtin_popcountll(other ^ h) > 8);
        }
        if (size < 40) assert_true(vst_hash_key(VARVE_SLICE(key, size + 1)) != h);
    }
    /* The excess over full buckets, of keys of every shape: 4,096 keys, 1,024 buckets of 8. By the Poisson
     * distribution with mean 4 about 0.7 % of the keys are beyond the eighth of their bucket. */
    static unsigned filled[1024];
    for (int shape = 0; shape < TF_SHAPES; shape++) {
        if (shape == TF_ZEROS || shape == TF_ONES || shape == TF_NESTED || shape == TF_TIES) continue; /* repeat */
        memset(filled, 0, sizeof(filled));
        unsigned excess = 0;
        for (unsigned i = 0; i < 4096; i++) {
            uint64_t h = vst_hash_key(tf_key((enum tf_shape)shape, i, key_bytes[0]));
            excess += ++filled[(h >> 32) * 1024 >> 32] > VST_WAYS;
        }
        assert_true(excess < 80);
    }
}

/* --- against the tree --------------------------------------------------------------------------------------------- */

#define KEYS 400u

struct model {
    struct tf tf;
    struct vb_random random;
    struct vst_record *records[KEYS]; /* NULL: absent */
    bool given[KEYS];                 /* left to the purge */
    enum tf_shape shape;
};

static varve_slice model_key(const struct model *m, unsigned i, uint8_t *bytes) { return tf_key(m->shape, i, bytes); }

static void model_add(struct model *m, unsigned i) {
    struct vst_inserted in;
    varve_slice key = model_key(m, i, key_bytes[0]);
    if (tf_insert(&m->tf, key, 0, &in) != VARVE_OK) return; /* another number with the same key */
    m->records[i] = in.record;
    m->given[i] = false;
}

static void model_remove(struct model *m, unsigned i) {
    if (vb_random_below(&m->random, 2) == 0) {
        tf_take_back(&m->tf, m->records[i], 0);
        m->records[i] = NULL;
        return;
    }
    m->records[i]->lk = 0;
    vos_rcu_enter();
    vst_ghost_note(m->tf.table, m->records[i]);
    vos_rcu_exit();
    m->given[i] = true;
}

static void model_round(struct model *m) {
    assert_int_equal(vk_janitor_round(&m->tf.domain), VARVE_OK);
    vst_collect(m->tf.store);
    for (unsigned i = 0; i < KEYS; i++)
        if (m->given[i]) {
            m->given[i] = false;
            m->records[i] = NULL;
        }
    check_hash(&m->tf);
}

static void model_look(struct model *m) {
    varve_slice keys[40];
    struct vst_found found[40];
    unsigned count = 1 + (unsigned)vb_random_below(&m->random, 40);
    for (unsigned i = 0; i < count; i++)
        keys[i] = model_key(m, (unsigned)vb_random_below(&m->random, KEYS), key_bytes[1 + i]);
    vos_rcu_enter();
    vst_lookup_many(m->tf.table, keys, found, count);
    vos_rcu_exit();
    for (unsigned i = 0; i < count; i++) {
        struct vst_found exact;
        tf_find(&m->tf, keys[i], &exact);
        assert_ptr_equal(found[i].record, exact.record);
        if (exact.record == NULL) assert_ptr_equal(found[i].leaf, exact.leaf);
        if (exact.record == NULL) assert_int_equal(found[i].phantom, exact.phantom);
        assert_ptr_equal(quick(&m->tf, keys[i]), exact.record);
    }
}

static void run_model(enum tf_shape shape, uint64_t seed) {
    static struct model m;
    memset(&m, 0, sizeof(m));
    m.shape = shape;
    tf_open_hashed(&m.tf, 4, 4, 0);
    vb_random_init(&m.random, seed);
    for (unsigned step = 0; step < STEPS(4000); step++) {
        unsigned i = (unsigned)vb_random_below(&m.random, KEYS), dice = (unsigned)vb_random_below(&m.random, 100);
        bool shrink = step / 1000 % 2 != 0;
        if (dice < 20) model_look(&m);
        else if (dice < 22) model_round(&m);
        else if (m.records[i] == NULL && (!shrink || dice < 40)) model_add(&m, i);
        else if (m.records[i] != NULL && !m.given[i] && (shrink || dice < 40)) model_remove(&m, i);
    }
    model_round(&m);
    tf_check(&m.tf);
    tf_close(&m.tf);
}

static void test_model(void **state) {
    (void)state;
    print_message("seed 5\n");
    for (int shape = 0; shape < TF_SHAPES; shape++) run_model((enum tf_shape)shape, 5 + (uint64_t)shape);
}

/* --- a record that leaves ----------------------------------------------------------------------------------------- */

/* Removed by whoever linked it, or by the janitor: its entry goes with it. */
static void test_removed(void **state) {
    (void)state;
    for (int purged = 0; purged < 2; purged++) {
        struct tf tf;
        tf_open_hashed(&tf, 4, 4, 0);
        varve_slice key = VARVE_SLICE("key", 3);
        struct vst_record *record = tf_add(&tf, key);
        assert_ptr_equal(quick(&tf, key), record);
        assert_int_equal(entries_of(&tf, record), 1);
        if (purged) {
            record->lk = 0;
            vst_ghost_note(tf.table, record);
            assert_int_equal(vk_janitor_round(&tf.domain), VARVE_OK);
            vst_collect(tf.store);
        } else {
            tf_take_back(&tf, record, 0);
        }
        assert_int_equal(entries_of(&tf, record), 0);
        assert_null(quick(&tf, key));
        tf_close(&tf);
    }
}

/* A reader found the record in the tree, and stores the entry only after the record has left. */
static void test_stored_late(void **state) {
    (void)state;
    struct tf tf;
    tf_open_hashed(&tf, 4, 4, 0);
    varve_slice key = VARVE_SLICE("key", 3);
    struct vst_record *record = tf_add(&tf, key);
    vos_rcu_enter();
    vst_remove_ghost(tf.table, tf.heap, record, 0);
    vst_hash_put(tf.table, tf.table->hash, vst_hash_key(key), record);
    vos_rcu_exit();
    assert_int_equal(entries_of(&tf, record), 0);
    tf_close(&tf);
}

/* Another reader meets the entry between its store and the second look: it is no answer. */
static void test_met_late(void **state) {
    (void)state;
    struct tf tf;
    tf_open_hashed(&tf, 4, 4, 0);
    varve_slice key = VARVE_SLICE("key", 3);
    struct vst_record *record = tf_add(&tf, key);
    tf_take_back(&tf, record, 0);
    uint64_t h = vst_hash_key(key);
    uint64_t *entry = &vst_hash_bucket(tf.table->hash, h)->entries[3];
    *entry = vst_entry_tag(h) | (uint64_t)(uintptr_t)record;
    struct vst_found found[1];
    assert_null(quick(&tf, key));
    vst_lookup_many(tf.table, &key, found, 1);
    assert_null(found[0].record);
    struct vst_record *again = tf_add(&tf, key); /* the key comes back as another record */
    assert_ptr_not_equal(again, record);
    assert_ptr_equal(quick(&tf, key), again);
    *entry = 0;
    tf_close(&tf);
}

/* The entry may be met until the grace period after the removal ends, by a transaction that has begun since: the record
 * stays one round longer. */
static void test_freed_a_round_later(void **state) {
    (void)state;
    struct tf tf;
    tf_open_hashed(&tf, 48, 48, 0);
    tf_add(&tf, VARVE_SLICE("other", 5));
    tf_settle(&tf);
    uint64_t before = vb_memory_used(tf.memory), with;
    struct vst_record *record = tf_add(&tf, VARVE_SLICE("key", 3));
    with = vb_memory_used(tf.memory);
    assert_true(with > before);
    tf_take_back(&tf, record, 0);
    for (unsigned round = 1; round <= 3; round++) {
        assert_int_equal(vk_janitor_round(&tf.domain), VARVE_OK);
        vst_collect(tf.store); /* the first takes it from the list; the second's grace period ends late stores */
        assert_int_equal(vb_memory_used(tf.memory), round < 3 ? with : before);
    }
    tf_close(&tf);
}

static void test_dropped(void **state) {
    (void)state;
    struct tf tf;
    tf_open_hashed(&tf, 4, 4, 0);
    uint64_t before = vb_memory_used(tf.memory);
    struct vst_table *table, *first = tf.table;
    assert_int_equal(vst_table_create(tf.store, 8, "dropped", &table), VARVE_OK);
    tf.table = table;
    for (unsigned i = 0; i < 300; i++) {
        varve_slice key = tf_key(TF_PREFIXED, i, key_bytes[0]);
        tf_add(&tf, key);
        quick(&tf, key);
    }
    tf_settle(&tf);
    vos_rcu_enter();
    assert_non_null(table->hash);
    vos_rcu_exit();
    tf.table = first;
    vst_table_destroy(tf.store, table);
    tf_settle(&tf);
    assert_int_equal(vb_memory_used(tf.memory), before);
    tf_close(&tf);
}

/* --- the size ----------------------------------------------------------------------------------------------------- */

static uint64_t ways(const struct tf *tf) { return tf->table->hash == NULL ? 0 : tf->table->hash->bucket_count * 8; }

static void round_of(struct tf *tf) {
    assert_int_equal(vk_janitor_round(&tf->domain), VARVE_OK);
    vst_collect(tf->store);
}

static void test_size(void **state) {
    (void)state;
    enum { ROWS = 5000 };
    static struct vst_record *records[ROWS];
    struct tf tf;
    tf_open_hashed(&tf, 8, 8, 200);
    uint64_t last = 0, changes = 0;
    for (unsigned i = 0; i < ROWS; i++) {
        records[i] = tf_add(&tf, tf_key(TF_PREFIXED, i, key_bytes[0]));
        round_of(&tf);
        if (i < 30) assert_null(tf.table->hash);
        assert_ptr_equal(quick(&tf, tf_key(TF_PREFIXED, i / 2, key_bytes[0])), records[i / 2]);
        if (ways(&tf) != 0) assert_true(ways(&tf) > i && ways(&tf) <= 200 * 2 + 8 + 5 * i);
        changes += ways(&tf) != last;
        last = ways(&tf);
    }
    assert_true(changes >= 4 && changes <= 20); /* each a quarter larger than the one before, from 200 to 10000 */
    assert_true(last >= ROWS);
    for (unsigned i = 0; i < ROWS; i++) quick(&tf, tf_key(TF_PREFIXED, i, key_bytes[0]));
    assert_true(check_hash(&tf) > ROWS * 9 / 10);
    for (unsigned i = 0; i < ROWS; i++) {
        tf_take_back(&tf, records[i], 0);
        if (i % 100 == 0) round_of(&tf);
    }
    tf_settle(&tf);
    assert_int_equal(check_hash(&tf), 0);
    assert_true(ways(&tf) < last / 4);
    tf_close(&tf);
}

#ifdef VARVE_ASSERTS
/* Without memory for an array all goes on without one, or with the old. */
static void test_nomem(void **state) {
    (void)state;
    struct tf tf;
    tf_open_hashed(&tf, 4, 4, 0);
    uint64_t small = ways(&tf);
    for (unsigned i = 0; i < 500; i++) {
        varve_slice key = tf_key(TF_PREFIXED, i, key_bytes[0]);
        struct vst_record *record = tf_add(&tf, key);
        vb_alloc_fail_from(1);
        round_of(&tf);
        assert_ptr_equal(quick(&tf, key), record);
        assert_ptr_equal(quick(&tf, key), record);
        vb_alloc_fail_from(0);
        assert_int_equal(ways(&tf), small);
    }
    tf_add(&tf, tf_key(TF_PREFIXED, 500, key_bytes[0]));
    tf_add(&tf, tf_key(TF_PREFIXED, 501, key_bytes[0]));
    tf_add(&tf, tf_key(TF_PREFIXED, 502, key_bytes[0]));
    round_of(&tf);
    assert_true(ways(&tf) > 500);
    tf_close(&tf);
}
#endif

/* --- threads ------------------------------------------------------------------------------------------------------ */

/* Two link and take back keys of their own, or leave them to the purge; two look all of them up, and read what they got
 * for as long as they are pinned; the janitor frees, and gives larger and smaller arrays. */
#define SHARED_KEYS 600u
#define WRITERS 2u
#define READERS 2u

struct party {
    struct tf *tf;
    unsigned id, steps;
    struct vb_heap *heap;
    struct vb_random random;
    uint64_t met, wrong;
};

static uint32_t working;

static varve_slice shared_key(unsigned n, uint8_t *bytes) {
    return VARVE_SLICE(bytes, (size_t)sprintf((char *)bytes, "shared/%05u", n * 7919));
}

static void *writer_run(void *arg) {
    struct party *w = arg;
    struct vst_record *mine[SHARED_KEYS] = {NULL};
    uint8_t bytes[32];
    struct vk_slot *slot = &w->tf->domain.slots[w->id];
    for (unsigned step = 0; step < w->steps; step++) {
        unsigned n = (unsigned)vb_random_below(&w->random, SHARED_KEYS / WRITERS) * WRITERS + w->id % WRITERS;
        bool shrink = step / 1024 % 2 != 0;
        vk_pin(&w->tf->domain, slot);
        vos_rcu_enter();
        struct vst_inserted in;
        if (mine[n] == NULL) {
            if (!shrink &&
                vst_insert_ghost(w->tf->table, w->heap, shared_key(n, bytes), 8, w->id, 0, NULL, &in) == VARVE_OK)
                mine[n] = in.record;
        } else if (!shrink && step % 4 != 0) {
            /* stays */
        } else if (step % 8 < 4) {
            vst_remove_ghost(w->tf->table, w->heap, mine[n], 0);
            mine[n] = NULL;
        } else {
            vb_store_release(&mine[n]->lk, 0);
            vst_ghost_note(w->tf->table, mine[n]);
            mine[n] = NULL;
        }
        vos_rcu_exit();
        vk_unpin(slot);
    }
    vb_sub_acq_rel(&working, 1u);
    return NULL;
}

static void *reader_run(void *arg) {
    struct party *r = arg;
    uint8_t bytes[16][32];
    struct vk_slot *slot = &r->tf->domain.slots[r->id];
    while (vb_load_acquire(&working) != 0) {
        varve_slice keys[16];
        struct vst_found found[16];
        vk_pin(&r->tf->domain, slot);
        for (unsigned round = 0; round < 4; round++) {
            for (unsigned i = 0; i < 16; i++)
                keys[i] = shared_key((unsigned)vb_random_below(&r->random, SHARED_KEYS), bytes[i]);
            vos_rcu_enter();
            if (round % 2 == 0) vst_lookup_many(r->tf->table, keys, found, 16);
            for (unsigned i = 0; i < 16 && round % 2 == 1; i++) vst_find(r->tf->table, keys[i], NULL, &found[i]);
            vos_rcu_exit();
            if (round == 1) vos_thread_yield();
            for (unsigned i = 0; i < 16; i++) {
                if (found[i].record == NULL) continue;
                r->met++;
                r->wrong += !vb_equal(vst_record_key(found[i].record), keys[i]);
            }
        }
        vk_unpin(slot);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    static struct party parties[WRITERS + READERS];
    struct tf tf;
    pthread_t threads[WRITERS + READERS];
    tf_open_hashed(&tf, 4, 4, 8);
    working = WRITERS;
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        parties[i] = (struct party){.tf = &tf, .id = 2 + i, .steps = STEPS(200000)};
        parties[i].heap = vb_heap_open(tf.memory, 2 + i);
        vb_random_init(&parties[i].random, 100 + i);
        assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? writer_run : reader_run, &parties[i]), 0);
    }
    uint64_t sizes = 0, last = 0; /* of the array */
    while (vb_load_acquire(&working) != 0) {
        round_of(&tf);
        sizes += ways(&tf) != last;
        last = ways(&tf);
    }
    uint64_t met = 0;
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(parties[i].wrong, 0);
        met += parties[i].met;
        vb_heap_close(parties[i].heap);
    }
    print_message("%llu records met, %llu sizes\n", (unsigned long long)met, (unsigned long long)sizes);
    tf_settle(&tf);
    if (tf.table->hash != NULL) check_hash(&tf);
    tf_check(&tf);
    tf_close(&tf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spread),  cmocka_unit_test(test_model),
        cmocka_unit_test(test_removed), cmocka_unit_test(test_stored_late),
        cmocka_unit_test(test_met_late), cmocka_unit_test(test_freed_a_round_later),
        cmocka_unit_test(test_dropped), cmocka_unit_test(test_size),
#ifdef VARVE_ASSERTS
        cmocka_unit_test(test_nomem),
#endif
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
