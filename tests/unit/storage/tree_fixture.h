/* tree_fixture.h - a store with one table for the tests of the index, keys of many shapes, and a check of the whole
 * tree.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_TREE_FIXTURE_H
#define VARVE_TESTS_TREE_FIXTURE_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/random.h"
#include "os/rcu.h"
#include "storage/storage.h"
#include "storage/tree.h"

/* How much more than usual a random test is to do. */
__attribute__((unused)) static unsigned tf_budget(void) {
    const char *text = getenv("VARVE_TEST_BUDGET");
    unsigned n = text != NULL ? (unsigned)strtoul(text, NULL, 10) : 1;
    return n != 0 ? n : 1;
}

#define TF_SLOTS 8
#define TF_KEY_MAX 2000

struct tf {
    struct vb_memory *memory;
    struct vk_limits limits;
    struct vk_domain domain;
    struct vst_store *store;
    struct vst_table *table;
    struct vb_heap *heap; /* of slot 1 */
};

/* hash_least 0: with a hash from the start. */
__attribute__((unused)) static void tf_open_hashed(struct tf *tf, unsigned leaf_fanout, unsigned inner_fanout,
                                                   unsigned hash_least) {
    memset(tf, 0, sizeof(*tf));
    tf->limits = VK_LIMITS_DEFAULT;
    tf->limits.slots = TF_SLOTS;
    tf->limits.leaf_fanout = leaf_fanout;
    tf->limits.inner_fanout = inner_fanout;
    tf->limits.hash_least = hash_least;
    tf->memory = vb_memory_open(TF_SLOTS + 2);
    assert_non_null(tf->memory);
    assert_int_equal(vk_domain_open(&tf->domain, vos_posix(), tf->memory, &tf->limits), VARVE_OK);
    assert_int_equal(vst_store_open(&tf->domain, &tf->store), VARVE_OK);
    assert_int_equal(vst_table_create(tf->store, 7, "tree", &tf->table), VARVE_OK);
    tf->heap = vb_heap_open(tf->memory, 1);
    assert_non_null(tf->heap);
}

__attribute__((unused)) static void tf_open(struct tf *tf, unsigned leaf_fanout, unsigned inner_fanout) {
    tf_open_hashed(tf, leaf_fanout, inner_fanout, UINT_MAX);
}

__attribute__((unused)) static void tf_close(struct tf *tf) {
    vb_heap_close(tf->heap);
    vst_store_close(tf->store);
    vk_domain_close(&tf->domain);
    vb_memory_close(tf->memory); /* asserts that every byte was freed */
}

/* Rounds of the janitor until nothing is left to free. */
__attribute__((unused)) static void tf_settle(struct tf *tf) {
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(vk_janitor_round(&tf->domain), VARVE_OK);
        vst_collect(tf->store);
    }
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

enum tf_shape {
    TF_NUMBER,   /* 8 bytes, big-endian, dense */
    TF_PREFIXED, /* a long common prefix, then digits */
    TF_TENANTS,  /* a few common prefixes of different lengths, then digits */
    TF_NESTED,   /* prefixes of each other */
    TF_ZEROS,    /* bytes 0 and 1 only */
    TF_ONES,     /* bytes 255 and 254 only */
    TF_TIES,     /* equal but for bytes far behind the first eight that differ */
    TF_RANDOM,   /* 1 to 2000 random bytes */
    TF_SHAPES
};

/* Key number n of a shape; different n may give the same key. */
__attribute__((unused)) static varve_slice tf_key(enum tf_shape shape, uint64_t n, uint8_t bytes[TF_KEY_MAX]) {
    struct vb_random random;
    size_t size = 8;
    switch (shape) {
    case TF_NUMBER:
        for (unsigned i = 0; i < 8; i++)
            bytes[i] = (uint8_t)(n >> (56 - 8 * i));
        break;
    case TF_PREFIXED:
        size = (size_t)sprintf((char *)bytes, "warehouse/district/customer/%s/%010u/x", n % 2 ? "order" : "orders",
                               (unsigned)(n * 2654435761u));
        break;
    case TF_TENANTS:
        size = (size_t)sprintf((char *)bytes, "%.*s/%u", (int)(n % 7 * 6), "a-tenant-whose-name-goes-on-and-on-and-on",
                               (unsigned)n);
        break;
    case TF_NESTED:
        memset(bytes, 'n', TF_KEY_MAX);
        size = 1 + n % 300;
        bytes[size - 1] = (uint8_t)('n' - n / 300 % 3);
        break;
    case TF_ZEROS:
        size = 1 + n % 12;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(n / 12 >> i & 1);
        break;
    case TF_ONES:
        size = 1 + n % 30;
        memset(bytes, 255, size);
        if (n / 30 % 3 != 0) bytes[size - n / 90 % size - 1] = 254;
        break;
    case TF_TIES:
        memset(bytes, 0, 64);
        bytes[0] = (uint8_t)(n % 3);
        bytes[20 + n % 5] = 1;
        bytes[40] = (uint8_t)(n / 15);
        size = 41 + n % 4;
        break;
    default:
        vb_random_init(&random, n);
        size = 1 + vb_random_below(&random, n % 8 == 0 ? TF_KEY_MAX : 24);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)vb_random_u64(&random);
        break;
    }
    return VARVE_SLICE(bytes, size);
}

/* --- short calls -------------------------------------------------------------------------------------------------- */

__attribute__((unused)) static struct vst_record *tf_find(struct tf *tf, varve_slice key, struct vst_found *found) {
    struct vst_found unused;
    if (found == NULL) found = &unused;
    vos_rcu_enter();
    vst_lookup(tf->table, key, found);
    vos_rcu_exit();
    return found->record;
}

__attribute__((unused)) static int tf_insert(struct tf *tf, varve_slice key, uint64_t own, struct vst_inserted *in) {
    vos_rcu_enter();
    int status = vst_insert_ghost(tf->table, tf->heap, key, 8, 1, own, NULL, in);
    vos_rcu_exit();
    return status;
}

__attribute__((unused)) static struct vst_record *tf_add(struct tf *tf, varve_slice key) {
    struct vst_inserted in;
    assert_int_equal(tf_insert(tf, key, 0, &in), VARVE_OK);
    return in.record;
}

/* As an aborter does. */
__attribute__((unused)) static void tf_take_back(struct tf *tf, struct vst_record *record, uint64_t own) {
    vos_rcu_enter();
    vst_remove_ghost(tf->table, tf->heap, record, own);
    vos_rcu_exit();
}

/* --- the whole tree ----------------------------------------------------------------------------------------------- */

struct tf_census {
    unsigned leaves, inners, empty, records, leads;
    unsigned height;
};

static void tf_check_node(struct tf *tf, struct vst_node *node, varve_slice low, varve_slice high, unsigned level,
                          struct tf_census *census);

static void tf_check_keys(const struct vst_node *node, varve_slice low, varve_slice high) {
    unsigned count = vst_node_count(node);
    size_t start = vst_meta_start(node->meta), skip = vst_meta_skip(node->meta);
    assert_true(start == skip || (start > skip && start <= skip + VST_LEAD_BYTES));
    if (low.data == NULL || high.data == NULL) assert_int_equal(skip, 0);
    for (unsigned i = 0; i < count; i++) {
        varve_slice key = vst_node_key(node, i);
        if (i > 0) assert_true(vb_compare(vst_node_key(node, i - 1), key) < 0);
        if (low.data != NULL) assert_true(vb_compare(low, key) <= 0);
        if (high.data != NULL) assert_true(vb_compare(key, high) < 0);
        if (low.data != NULL && skip != 0) assert_memory_equal(low.data, key.data, skip);
        assert_true(key.size >= start);
        assert_memory_equal((const uint8_t *)key.data + skip, node->lead, start - skip);
        assert_true(vst_heads(node)[i] == vst_head(key, start));
    }
    for (unsigned i = count; i < node->stride; i++)
        assert_true(vst_heads(node)[i] == VST_HEAD_NONE);
}

static void tf_check_children(struct tf *tf, struct vst_node *node, varve_slice low, varve_slice high,
                              struct tf_census *census) {
    unsigned count = vst_node_count(node);
    for (unsigned i = 0; i <= count; i++)
        tf_check_node(tf, vst_slot_load(&vst_ptrs(node, node->stride)[i]), i == 0 ? low : vst_node_key(node, i - 1),
                      i == count ? high : vst_node_key(node, i), node->level - 1, census);
}

static void tf_check_node(struct tf *tf, struct vst_node *node, varve_slice low, varve_slice high, unsigned level,
                          struct tf_census *census) {
    assert_int_equal(node->level, level);
    assert_int_equal(node->word & (VST_OLC_LOCKED | VST_OLC_OBSOLETE), 0);
    assert_int_equal(node->fences->low_open, low.data == NULL);
    assert_int_equal(node->fences->high_open, high.data == NULL);
    assert_true(vb_equal(vst_fence_low(node->fences), low) && vb_equal(vst_fence_high(node->fences), high));
    tf_check_keys(node, low, high);
    unsigned count = vst_node_count(node);
    if (vst_meta_start(node->meta) != vst_meta_skip(node->meta)) census->leads++;
    if (level > 0) {
        census->inners++;
        assert_true(count + 1 <= tf->limits.inner_fanout);
        tf_check_children(tf, node, low, high, census);
        return;
    }
    assert_true(count <= tf->limits.leaf_fanout);
    census->leaves++;
    census->empty += count == 0;
    census->records += count;
    for (unsigned i = 0; i < count; i++) {
        const struct vst_record *record = vst_slot_load(&vst_ptrs(node, node->stride)[i]);
        assert_int_equal(record->tid & VST_FROZEN, 0);
    }
}

/* Every rule of the structure, with nobody else about. */
__attribute__((unused)) static struct tf_census tf_check(struct tf *tf) {
    struct tf_census census = {0, 0, 0, 0, 0, tf->table->root->level};
    tf_check_node(tf, tf->table->root, VARVE_SLICE(NULL, 0), VARVE_SLICE(NULL, 0), tf->table->root->level, &census);
    return census;
}

#endif
