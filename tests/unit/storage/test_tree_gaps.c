/* test_tree_gaps.c - gap locks and reader bits against linking and unlinking, wherever the successor is. One thread.
 *
 * SPDX-License-Identifier: MIT
 */
#include "unit/storage/tree_fixture.h"

#define MINE 0x1ull
#define OTHER 0x2ull

static varve_slice number(uint64_t n) {
    static uint8_t bytes[4][TF_KEY_MAX];
    static unsigned turn;
    return tf_key(TF_NUMBER, n, bytes[turn++ % 4]);
}

/* A gap below `guard`, into which `key` belongs: who may link there, and what the new gap starts with. */
static void check_gap(struct tf *tf, varve_slice key, struct vst_record *guard) {
    struct vst_inserted in;
    vos_rcu_enter();
    assert_ptr_equal(vst_successor(tf->table, key, false), guard);
    vos_rcu_exit();
    static const struct {
        uint64_t gap, own, inherited;
        int status;
    } cases[] = {
        {OTHER, 0, 0, VARVE_BUSY},        {OTHER, MINE, 0, VARVE_BUSY},   {OTHER | MINE, MINE, 0, VARVE_BUSY},
        {MINE, 0, 0, VARVE_BUSY},         {MINE, MINE, MINE, VARVE_OK},   {0, MINE, 0, VARVE_OK},
        {0, 0, 0, VARVE_OK},              {VST_LK_WAITERS, 0, 0, VARVE_OK}, {1ull << 43, MINE, 0, VARVE_BUSY},
        {1ull << 43, 1ull << 43, 1ull << 43, VARVE_OK},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vst_found before;
        tf_find(tf, key, &before);
        vb_store_release(&guard->gap, cases[i].gap);
        assert_int_equal(tf_insert(tf, key, cases[i].own, &in), cases[i].status);
        vb_store_release(&guard->gap, 0);
        if (cases[i].status == VARVE_BUSY) {
            assert_ptr_equal(in.record, guard);
            assert_null(tf_find(tf, key, NULL));
            assert_true(vst_phantom_same(before.leaf, before.phantom) || vst_node_count(&before.leaf->node) <= 3);
            continue;
        }
        assert_ptr_equal(tf_find(tf, key, NULL), in.record);
        assert_true(in.record->gap == cases[i].inherited);
        assert_int_equal(in.record->lk, vst_lk_of(1));
        tf_take_back(tf, in.record, MINE | 1ull << 43);
        assert_null(tf_find(tf, key, NULL));
    }
    tf_check(tf);
}

static void test_link(void **state) {
    (void)state;
    struct tf tf;
    tf_open(&tf, 4, 4);
    check_gap(&tf, number(5), vst_sentinel(tf.table)); /* an empty table */
    for (unsigned i = 1; i <= 64; i++)
        tf_add(&tf, number(i * 10));
    /* Every gap: in the middle of a leaf, in front of its first, behind its last, and above the last of all. */
    for (unsigned i = 0; i <= 64; i++) {
        struct vst_record *guard = i < 64 ? tf_find(&tf, number((i + 1) * 10), NULL) : vst_sentinel(tf.table);
        check_gap(&tf, number(i * 10 + 5), guard);
    }
    tf_close(&tf);
}

#ifdef VARVE_ASSERTS
/* The successor is several leaves away, behind leaves that are empty. */
static void test_empty_leaves(void **state) {
    (void)state;
    struct tf tf;
    tf_open(&tf, 4, 4);
    for (unsigned i = 1; i <= 64; i++)
        tf_add(&tf, number(i * 10));
    vb_alloc_fail_from(1); /* so that empty leaves stay */
    for (unsigned i = 9; i <= 40; i++)
        tf_take_back(&tf, tf_find(&tf, number(i * 10), NULL), 0);
    vb_alloc_fail_from(0);
    assert_true(tf_check(&tf).empty >= 6);
    struct vst_record *guard = tf_find(&tf, number(410), NULL);
    vos_rcu_enter();
    for (unsigned i = 81; i < 410; i++)
        assert_ptr_equal(vst_successor(tf.table, number(i), false), guard);
    vos_rcu_exit();
    check_gap(&tf, number(85), guard);
    check_gap(&tf, number(240), guard);
    /* And the last leaves. */
    vb_alloc_fail_from(1);
    for (unsigned i = 49; i <= 64; i++)
        tf_take_back(&tf, tf_find(&tf, number(i * 10), NULL), 0);
    vb_alloc_fail_from(0);
    check_gap(&tf, number(485), vst_sentinel(tf.table));
    tf_close(&tf);
}
#endif

/* --- unlinking ---------------------------------------------------------------------------------------------------- */

/* A ghost on which somebody else holds a bit stays, and goes with the purge once the bits are gone. */
static void check_stays(uint64_t lk_bits, uint64_t gap_bits, uint64_t own, bool stays) {
    struct tf tf;
    struct vst_inserted in;
    tf_open(&tf, 4, 4);
    for (unsigned i = 0; i < 20; i++)
        tf_add(&tf, number(i * 10));
    assert_int_equal(tf_insert(&tf, number(55), 0, &in), VARVE_OK);
    struct vst_record *ghost = in.record;
    vb_or_acq_rel(&ghost->lk, lk_bits);
    vb_or_acq_rel(&ghost->gap, gap_bits);
    tf_take_back(&tf, ghost, own);
    assert_ptr_equal(tf_find(&tf, number(55), NULL), stays ? ghost : NULL);
    if (stays) {
        assert_int_equal(ghost->tid, VST_GHOST);
        assert_false(vst_phantom_same(in.leaf, in.phantom_after)); /* its linker looks at the range again */
        vb_store_release(&ghost->lk, lk_bits); /* the aborter unlocks */
        tf_settle(&tf);
        assert_ptr_equal(tf_find(&tf, number(55), NULL), ghost);
        vb_store_release(&ghost->lk, 0);
        vb_store_release(&ghost->gap, 0);
        tf_settle(&tf);
    }
    assert_null(tf_find(&tf, number(55), NULL));
    assert_true(vst_phantom_same(in.leaf, in.phantom_after + stays)); /* absent before, absent after */
    assert_int_equal(tf_check(&tf).records, 20);
    tf_close(&tf);
}

static void test_take_back(void **state) {
    (void)state;
    check_stays(0, 0, 0, false);
    check_stays(MINE, MINE, MINE, false);
    check_stays(OTHER, 0, MINE, true);
    check_stays(0, OTHER, MINE, true);
    check_stays(MINE, 0, 0, true);
    check_stays(MINE | OTHER, MINE, MINE, true);
}

static void test_unlink(void **state) {
    (void)state;
    struct tf tf;
    tf_open(&tf, 4, 4);
    for (unsigned i = 0; i < 20; i++)
        tf_add(&tf, number(i));
    struct vst_record *record = tf_find(&tf, number(7), NULL);
    struct vst_found before;
    tf_find(&tf, number(7), &before);
    uint32_t olc = vst_word_olc(before.leaf->node.word);
    vos_rcu_enter();
    vb_or_acq_rel(&record->gap, OTHER);
    assert_false(vst_tree_unlink(tf.table, record));
    vb_store_release(&record->gap, 0);
    vb_or_acq_rel(&record->lk, OTHER);
    assert_false(vst_tree_unlink(tf.table, record));
    vb_store_release(&record->lk, vst_lk_of(1));
    assert_true(vst_leaf_same(before.leaf, olc));
    assert_int_equal(record->tid, VST_GHOST);
    assert_true(vst_tree_unlink(tf.table, record));
    assert_int_equal(record->tid, VST_GHOST | VST_FROZEN);
    assert_false(vst_leaf_same(before.leaf, olc));
    assert_true(vst_phantom_same(before.leaf, before.phantom));
    vst_retire(tf.store, record);
    vos_rcu_exit();
    tf_close(&tf);
}

/* --- counters ----------------------------------------------------------------------------------------------------- */

/* A split tells whoever remembers the leaf; a leaf that goes, and the one that takes its range over, do so too. */
static void test_phantom(void **state) {
    (void)state;
    struct tf tf;
    struct vst_found left, right, low;
    tf_open(&tf, 4, 4);
    for (unsigned i = 1; i <= 4; i++)
        tf_add(&tf, number(i * 10));
    tf_find(&tf, number(20), &left);
    tf_add(&tf, number(25)); /* {10 20 25} {30 40} */
    assert_false(vst_phantom_same(left.leaf, left.phantom));
    tf_find(&tf, number(10), &left);
    tf_find(&tf, number(40), &right);
    assert_ptr_not_equal(left.leaf, right.leaf);
    tf_add(&tf, number(50));
    assert_true(vst_phantom_same(left.leaf, left.phantom)); /* not its range */
    tf_find(&tf, number(10), &low);
    tf_find(&tf, number(40), &right);
    vos_rcu_enter();
    tf_take_back(&tf, tf_find(&tf, number(10), NULL), 0);
    tf_take_back(&tf, tf_find(&tf, number(25), NULL), 0);
    assert_true(vst_phantom_same(low.leaf, low.phantom));
    tf_take_back(&tf, tf_find(&tf, number(20), NULL), 0);
    assert_false(vst_phantom_same(low.leaf, low.phantom));
    assert_false(vst_phantom_same(right.leaf, right.phantom));
    vos_rcu_exit();
    assert_int_equal(tf_check(&tf).leaves, 1);
    tf_close(&tf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link),
#ifdef VARVE_ASSERTS
        cmocka_unit_test(test_empty_leaves),
#endif
        cmocka_unit_test(test_take_back),
        cmocka_unit_test(test_unlink),
        cmocka_unit_test(test_phantom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
