/* test_tree.c - the index against a sorted array: keys of every shape, small and ordinary fan-outs, scans in both
 * directions, memory that runs out, and leaves that come and go. One thread.
 *
 * SPDX-License-Identifier: MIT
 */
#include "unit/storage/tree_fixture.h"

/* --- the model ---------------------------------------------------------------------------------------------------- */

struct row {
    uint8_t *bytes;
    size_t size;
    struct vst_record *record;
};
struct model {
    struct row *rows; /* [count], ascending */
    size_t count, capacity;
};

static varve_slice row_key(const struct row *row) { return VARVE_SLICE(row->bytes, row->size); }

/* How many rows are below the key. */
static size_t model_below(const struct model *m, varve_slice key) {
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (vb_compare(row_key(&m->rows[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
static bool model_has(const struct model *m, size_t at, varve_slice key) {
    return at < m->count && vb_equal(row_key(&m->rows[at]), key);
}
static void model_add(struct model *m, size_t at, varve_slice key, struct vst_record *record) {
    if (m->count == m->capacity) {
        m->capacity = m->capacity * 2 + 64;
        m->rows = realloc(m->rows, m->capacity * sizeof(*m->rows));
        assert_non_null(m->rows);
    }
    memmove(&m->rows[at + 1], &m->rows[at], (m->count - at) * sizeof(*m->rows));
    struct row row = {malloc(key.size), key.size, record};
    memcpy(row.bytes, key.data, key.size);
    m->rows[at] = row;
    m->count++;
}
static void model_remove(struct model *m, size_t at) {
    free(m->rows[at].bytes);
    m->count--;
    memmove(&m->rows[at], &m->rows[at + 1], (m->count - at) * sizeof(*m->rows));
}
static void model_free(struct model *m) {
    for (size_t i = 0; i < m->count; i++)
        free(m->rows[i].bytes);
    free(m->rows);
}

/* --- comparing ---------------------------------------------------------------------------------------------------- */

/* The portion reached from the one before it is the one that a descent finds. */
static void check_stepped(const struct vst_portion *found, const struct vst_portion *stepped) {
    assert_ptr_equal(found->leaf, stepped->leaf);
    assert_int_equal(found->phantom, stepped->phantom);
    assert_int_equal(found->olc, stepped->olc);
    assert_int_equal(found->count, stepped->count);
    assert_memory_equal(found->records, stepped->records, found->count * sizeof(found->records[0]));
    assert_ptr_equal(found->fences, stepped->fences);
}

/* Scans to the end from `from` and compares with rows [low, high) in that direction. */
static void check_scan(struct tf *tf, const struct model *m, varve_slice from, bool strict,
                       enum vst_direction direction, size_t low, size_t high) {
    size_t seen = 0;
    struct vst_portion portion, stepped;
    vos_rcu_enter();
    for (;;) {
        vst_portion_read(tf->table, from, strict, direction, &portion);
        if (from.data != NULL && seen != 0) check_stepped(&portion, &stepped);
        assert_true(vst_leaf_same(portion.leaf, portion.olc));
        assert_true(vst_phantom_same(portion.leaf, portion.phantom));
        for (unsigned i = 0; i < portion.count; i++, seen++) {
            assert_true(seen < high - low);
            size_t at = direction == VST_FORWARD ? low + seen : high - 1 - seen;
            assert_ptr_equal(portion.records[i], m->rows[at].record);
        }
        varve_slice fence = vst_portion_fence(&portion);
        assert_int_equal(vst_portion_next(tf->table, &portion, &stepped), fence.data != NULL);
        if (fence.data == NULL) break;
        if (from.data != NULL && direction == VST_REVERSE && strict) assert_true(vb_compare(fence, from) < 0);
        if (from.data != NULL && direction == VST_FORWARD) assert_true(vb_compare(fence, from) > 0);
        from = fence;
        strict = direction == VST_REVERSE;
    }
    vos_rcu_exit();
    assert_int_equal(seen, high - low);
}

static void check_all_scans(struct tf *tf, const struct model *m) {
    check_scan(tf, m, VARVE_SLICE(NULL, 0), false, VST_FORWARD, 0, m->count);
    check_scan(tf, m, VARVE_SLICE(NULL, 0), false, VST_REVERSE, 0, m->count);
}

static void check_from(struct tf *tf, const struct model *m, varve_slice key) {
    size_t below = model_below(m, key), upto = below + model_has(m, below, key);
    check_scan(tf, m, key, false, VST_FORWARD, below, m->count);
    check_scan(tf, m, key, true, VST_FORWARD, upto, m->count);
    check_scan(tf, m, key, false, VST_REVERSE, 0, upto);
    check_scan(tf, m, key, true, VST_REVERSE, 0, below);
    vos_rcu_enter();
    struct vst_record *at = vst_successor(tf->table, key, false), *after = vst_successor(tf->table, key, true);
    vos_rcu_exit();
    struct vst_record *sentinel = vst_sentinel(tf->table);
    assert_ptr_equal(at, below < m->count ? m->rows[below].record : sentinel);
    assert_ptr_equal(after, upto < m->count ? m->rows[upto].record : sentinel);
}

/* --- random operations -------------------------------------------------------------------------------------------- */

static void add_one(struct tf *tf, struct model *m, varve_slice key) {
    struct vst_found before;
    size_t at = model_below(m, key);
    struct vst_record *there = tf_find(tf, key, &before);
    assert_ptr_equal(there, model_has(m, at, key) ? m->rows[at].record : NULL);
    assert_true(vst_phantom_same(before.leaf, before.phantom));
    struct vst_inserted in;
    int status = tf_insert(tf, key, 0, &in);
    if (there != NULL) {
        assert_int_equal(status, VARVE_EXISTS);
        assert_ptr_equal(in.record, there);
        assert_true(vst_phantom_same(before.leaf, before.phantom));
        return;
    }
    assert_int_equal(status, VARVE_OK);
    assert_true(vb_equal(vst_record_key(in.record), key));
    assert_int_equal(vst_lk_writer(in.record->lk), 1);
    assert_false(vst_phantom_same(before.leaf, before.phantom)); /* linked there, or the leaf was split */
    assert_true(vst_phantom_same(in.leaf, in.phantom_after));
    assert_int_equal(in.phantom_after, in.phantom_before + 1);
    model_add(m, at, key, in.record);
}

static void remove_one(struct tf *tf, struct model *m, size_t at, bool purge) {
    struct vst_record *record = m->rows[at].record;
    struct vst_found before;
    assert_ptr_equal(tf_find(tf, row_key(&m->rows[at]), &before), record);
    vos_rcu_enter();
    if (purge) {
        assert_true(vst_tree_unlink(tf->table, record));
        assert_false(vst_tree_unlink(tf->table, record));
        assert_true((record->tid & VST_FROZEN) != 0);
        vst_retire(tf->store, record);
    } else {
        vst_remove_ghost(tf->table, tf->heap, record, 0);
    }
    /* Others are told only when the leaf has gone. */
    bool gone = (before.leaf->node.word & VST_OLC_OBSOLETE) != 0;
    bool last = vst_node_count(&before.leaf->node) == 0;
    if (!gone && !last) assert_true(vst_phantom_same(before.leaf, before.phantom));
    vos_rcu_exit();
    assert_null(tf_find(tf, row_key(&m->rows[at]), NULL));
    model_remove(m, at);
}

/* Any leaf will do to begin with: of a key that is far away, or that was split or went since. In one pin. */
static void test_near(void **state) {
    (void)state;
    enum { KEYS = 1500 };
    static const struct vst_leaf *met[KEYS];
    struct tf tf;
    struct vb_random random;
    uint8_t bytes[TF_KEY_MAX];
    tf_open(&tf, 4, 4);
    vb_random_init(&random, 17);
    vk_pin(&tf.domain, &tf.domain.slots[1]);
    unsigned count = 0, same = 0;
    const struct vst_leaf *before = NULL; /* of the key before, in order */
    for (unsigned i = 0; i < KEYS; i++) {
        struct vst_inserted in;
        struct vst_found found, wanted;
        varve_slice key = tf_key(TF_NUMBER, i % 2 == 0 ? i : (unsigned)vb_random_below(&random, KEYS * 2), bytes);
        const struct vst_leaf *near = i % 2 == 0 || count == 0 ? before : met[vb_random_below(&random, count)];
        vos_rcu_enter();
        int status = vst_insert_ghost(tf.table, tf.heap, key, 8, 1, 0, near, &in);
        assert_true(status == VARVE_OK || status == VARVE_EXISTS);
        vst_lookup(tf.table, key, &wanted);
        assert_ptr_equal(wanted.record, in.record);
        vst_find(tf.table, key, near, &found);
        assert_ptr_equal(found.record, in.record);
        assert_true(found.leaf == NULL || (found.leaf == wanted.leaf && found.phantom == wanted.phantom));
        if (status == VARVE_OK) {
            assert_ptr_equal(in.leaf, wanted.leaf);
            same += near == in.leaf;
            met[count++] = in.leaf;
            if (i % 2 == 0) before = in.leaf;
        }
        if (i % 3 == 0) { /* leaves go */
            vst_lookup(tf.table, tf_key(TF_NUMBER, (unsigned)vb_random_below(&random, i + 1), bytes), &found);
            if (found.record != NULL) vst_remove_ghost(tf.table, tf.heap, found.record, 0);
        }
        vos_rcu_exit();
    }
    assert_true(same > KEYS / 8);
    vk_unpin(&tf.domain.slots[1]);
    tf_settle(&tf);
    tf_check(&tf);
    tf_close(&tf);
}

static void random_ops(enum tf_shape shape, unsigned leaf, unsigned inner, unsigned steps, uint64_t seed) {
    struct tf tf;
    struct model m = {NULL, 0, 0};
    struct vb_random random;
    uint8_t bytes[TF_KEY_MAX];
    tf_open(&tf, leaf, inner);
    vb_random_init(&random, seed);
    for (unsigned step = 0; step < steps; step++) {
        /* Phases that grow and phases that shrink, down to nothing. */
        bool grow = step / (steps / 4) % 2 == 0;
        varve_slice key = tf_key(shape, vb_random_below(&random, steps), bytes);
        if (vb_random_below(&random, 100) < (grow ? 80u : 8u)) {
            add_one(&tf, &m, key);
        } else if (m.count > 0) {
            remove_one(&tf, &m, vb_random_below(&random, m.count), vb_random_below(&random, 2) != 0);
        }
        if (vb_random_below(&random, 64) == 0) {
            check_from(&tf, &m, tf_key(shape, vb_random_below(&random, steps), bytes));
            if (m.count > 0) check_from(&tf, &m, row_key(&m.rows[vb_random_below(&random, m.count)]));
        }
        if (step % 256 == 0) {
            assert_int_equal(tf_check(&tf).records, m.count);
            check_all_scans(&tf, &m);
            tf_settle(&tf);
        }
    }
    struct tf_census census = tf_check(&tf);
    assert_int_equal(census.records, m.count);
    check_all_scans(&tf, &m);
    while (m.count > 0)
        remove_one(&tf, &m, vb_random_below(&random, m.count), true);
    census = tf_check(&tf);
    assert_int_equal(census.leaves, 1);
    assert_int_equal(census.height, 0);
    model_free(&m);
    tf_close(&tf);
}

static void test_random(void **state) {
    (void)state;
    static const unsigned fanouts[][2] = {{4, 4}, {5, 7}, {48, 48}, {64, 64}};
    for (unsigned round = 0; round < TF_SHAPES * 4 * tf_budget(); round++) {
        unsigned shape = round / 4 % TF_SHAPES, f = round % 4;
        print_message("seed %u\n", round);
        random_ops((enum tf_shape)shape, fanouts[f][0], fanouts[f][1], f < 2 ? 3000 : 8000, round);
    }
}

/* --- keys in order ------------------------------------------------------------------------------------------------ */

static void test_append(void **state) {
    (void)state;
    struct tf tf;
    uint8_t bytes[TF_KEY_MAX];
    tf_open(&tf, 48, 48);
    for (unsigned i = 0; i < 48 * 100; i++)
        tf_add(&tf, tf_key(TF_NUMBER, i, bytes));
    struct tf_census census = tf_check(&tf);
    assert_int_equal(census.records, 4800);
    assert_int_equal(census.leaves, 100); /* all of them full */
    tf_close(&tf);
}

/* A long common prefix does not cost the heads their worth, not even in a table of one leaf, nor in the root. */
static void test_lead(void **state) {
    (void)state;
    struct tf tf;
    uint8_t bytes[TF_KEY_MAX];
    tf_open(&tf, 48, 48);
    for (unsigned i = 0; i < 40; i++)
        tf_add(&tf, VARVE_SLICE(bytes, (size_t)sprintf((char *)bytes, "warehouse/0001/order/%06u", i * 7)));
    struct vst_node *root = tf.table->root;
    tf_check(&tf);
    assert_int_equal(vst_meta_start(root->meta), strlen("warehouse/0001/order/000"));
    for (unsigned i = 1; i < 40; i++)
        assert_true(vst_heads(root)[i - 1] < vst_heads(root)[i]);
    /* A key that does not share it takes it back, and nothing is lost. */
    tf_add(&tf, VARVE_SLICE("warm", 4));
    assert_int_equal(vst_meta_start(root->meta), 0);
    tf_add(&tf, VARVE_SLICE("w", 1));
    assert_int_equal(tf_check(&tf).records, 42);
    for (unsigned i = 0; i < 4000; i++)
        tf_add(&tf, VARVE_SLICE(bytes, (size_t)sprintf((char *)bytes, "warehouse/0002/order/%06u", i * 7)));
    struct tf_census census = tf_check(&tf);
    assert_true(census.records == 4042 && census.height >= 1);
    for (unsigned i = 0; i < 4000; i++)
        assert_non_null(
            tf_find(&tf, VARVE_SLICE(bytes, (size_t)sprintf((char *)bytes, "warehouse/0002/order/%06u", i * 7)), NULL));
    tf_close(&tf);
}

/* Appending on the right and removing on the left: what is behind goes, and the tree stays as small as its content. */
static void test_queue(void **state) {
    (void)state;
    struct tf tf;
    uint8_t bytes[TF_KEY_MAX];
    tf_open(&tf, 4, 4);
    for (unsigned i = 0; i < 6000; i++) {
        tf_add(&tf, tf_key(TF_NUMBER, i, bytes));
        if (i < 40) continue;
        struct vst_record *record = tf_find(&tf, tf_key(TF_NUMBER, i - 40, bytes), NULL);
        assert_non_null(record);
        vos_rcu_enter();
        assert_true(vst_tree_unlink(tf.table, record));
        vst_retire(tf.store, record);
        vos_rcu_exit();
        if (i % 512 != 0) continue;
        tf_settle(&tf);
        struct tf_census census = tf_check(&tf);
        assert_int_equal(census.records, 40);
        assert_true(census.leaves <= 12 && census.inners <= 16 && census.empty <= 1);
        assert_true(vb_memory_used(tf.memory) < 200000);
    }
    tf_close(&tf);
}

/* --- memory that runs out ----------------------------------------------------------------------------------------- */

#ifdef VARVE_ASSERTS
static void test_nomem(void **state) {
    (void)state;
    struct tf tf;
    struct model m = {NULL, 0, 0};
    uint8_t bytes[TF_KEY_MAX];
    unsigned failures = 0;
    tf_open(&tf, 4, 4);
    for (unsigned i = 0; i < 400; i++) {
        varve_slice key = tf_key(TF_TENANTS, i * 37 % 400, bytes);
        for (unsigned n = 1;; n++) {
            struct vst_inserted in;
            vb_alloc_fail_after(n);
            int status = tf_insert(&tf, key, 0, &in);
            vb_alloc_fail_after(0);
            if (status == VARVE_OK) {
                model_add(&m, model_below(&m, key), key, in.record);
                break;
            }
            assert_int_equal(status, VARVE_NOMEM);
            failures++;
            assert_null(tf_find(&tf, key, NULL));
            assert_int_equal(tf_check(&tf).records, i);
        }
    }
    assert_true(failures > 400);
    check_all_scans(&tf, &m);
    /* Removal goes on without memory; only empty leaves stay. */
    vb_alloc_fail_from(1);
    while (m.count > 0)
        remove_one(&tf, &m, m.count / 2, m.count % 2 == 0);
    vb_alloc_fail_from(0);
    assert_int_equal(tf_check(&tf).records, 0);
    assert_true(tf_check(&tf).empty > 1);
    check_all_scans(&tf, &m);
    vos_rcu_enter();
    assert_ptr_equal(vst_successor(tf.table, VARVE_SLICE("a", 1), false), vst_sentinel(tf.table));
    vos_rcu_exit();
    model_free(&m);
    tf_close(&tf);
}

static void test_table_nomem(void **state) {
    (void)state;
    struct tf tf;
    tf_open(&tf, 48, 48);
    unsigned failures = 0;
    for (unsigned n = 1;; n++) {
        struct vst_table *table = NULL;
        vb_alloc_fail_after(n);
        int status = vst_table_create(tf.store, 9, "more", &table);
        vb_alloc_fail_after(0);
        if (status == VARVE_OK) break;
        assert_int_equal(status, VARVE_NOMEM);
        assert_null(table);
        failures++;
    }
    assert_true(failures >= 6);
    tf_close(&tf);
}
#endif

/* --- tables ------------------------------------------------------------------------------------------------------- */

static void test_tables(void **state) {
    (void)state;
    struct tf tf;
    uint8_t bytes[TF_KEY_MAX];
    tf_open(&tf, 4, 4);
    struct vst_table *a, *b, *c;
    assert_int_equal(vst_table_create(tf.store, 0x80000001u, "a", &a), VARVE_OK);
    assert_int_equal(vst_table_create(tf.store, 2, "b", &b), VARVE_OK);
    assert_string_equal(vst_table_name(a), "a");
    assert_int_equal(vst_table_id(a), 0x80000001u);
    assert_ptr_equal(vst_table_at(tf.store, vst_table_slot(a)), a);
    assert_ptr_equal(vst_table_at(tf.store, vst_table_slot(b)), b);
    assert_null(vst_table_at(tf.store, 0));
    assert_null(vst_table_at(tf.store, VK_TABLES_MAX + 1));
    struct vst_table *first = tf.table;
    tf.table = a;
    for (unsigned i = 0; i < 300; i++)
        tf_add(&tf, tf_key(TF_NUMBER, i * 77 % 300, bytes));
    struct vst_record *record = tf_find(&tf, tf_key(TF_NUMBER, 5, bytes), NULL);
    assert_int_equal(vst_record_table_slot(record), vst_table_slot(a));
    tf.table = first;
    tf_settle(&tf);
    uint64_t with = vb_memory_used(tf.memory);
    unsigned slot = vst_table_slot(a);
    /* Somebody is still inside; the purge finds nothing to take out twice. */
    vk_pin(&tf.domain, &tf.domain.slots[1]);
    vst_table_destroy(tf.store, a);
    assert_null(vst_table_at(tf.store, slot));
    vos_rcu_enter();
    struct vst_found found;
    vst_lookup(a, tf_key(TF_NUMBER, 5, bytes), &found);
    assert_null(found.record);
    assert_false(vst_tree_unlink(a, record));
    vos_rcu_exit();
    tf_settle(&tf);
    assert_int_equal(vb_memory_used(tf.memory), with); /* pinned */
    vk_unpin(&tf.domain.slots[1]);
    tf_settle(&tf);
    assert_true(vb_memory_used(tf.memory) < with - 300 * sizeof(struct vst_record));
    assert_int_equal(vst_table_create(tf.store, 3, "c", &c), VARVE_OK);
    assert_int_equal(vst_table_slot(c), slot);
    tf_close(&tf);
}

static void test_many_tables(void **state) {
    (void)state;
    struct tf tf;
    tf_open(&tf, 4, 4);
    struct vst_table *table = NULL;
    for (unsigned i = 1; i < VK_TABLES_MAX; i++)
        assert_int_equal(vst_table_create(tf.store, i, "x", &table), VARVE_OK);
    assert_int_equal(vst_table_create(tf.store, 1, "x", &table), VARVE_FULL);
    vst_table_destroy(tf.store, table);
    assert_int_equal(vst_table_create(tf.store, 1, "x", &table), VARVE_OK);
    tf_close(&tf);
}

/* --- several at once ---------------------------------------------------------------------------------------------- */

static void test_lookup_many(void **state) {
    (void)state;
    struct tf tf;
    enum { KEYS = 3000 };
    static uint8_t bytes[40][TF_KEY_MAX];
    tf_open(&tf, 8, 8);
    for (unsigned i = 0; i < KEYS; i += 2)
        tf_add(&tf, tf_key(TF_PREFIXED, i, bytes[0]));
    struct vb_random random;
    vb_random_init(&random, 3);
    for (unsigned round = 0; round < 300; round++) {
        varve_slice keys[40];
        struct vst_found found[40], one;
        size_t count = vb_random_below(&random, 41);
        for (size_t i = 0; i < count; i++)
            keys[i] = tf_key(TF_PREFIXED, vb_random_below(&random, KEYS), bytes[i]);
        vos_rcu_enter();
        vst_lookup_many(tf.table, keys, found, count);
        vos_rcu_exit();
        for (size_t i = 0; i < count; i++) {
            tf_find(&tf, keys[i], &one);
            assert_ptr_equal(found[i].record, one.record);
            assert_ptr_equal(found[i].leaf, one.leaf);
            assert_int_equal(found[i].phantom, one.phantom);
        }
    }
    tf_close(&tf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_near),      cmocka_unit_test(test_append),
        cmocka_unit_test(test_lead),        cmocka_unit_test(test_queue),
#ifdef VARVE_ASSERTS
        cmocka_unit_test(test_nomem),       cmocka_unit_test(test_table_nomem),
#endif
        cmocka_unit_test(test_tables),      cmocka_unit_test(test_many_tables),
        cmocka_unit_test(test_lookup_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
