/* tree_many.c - looking up several keys at once, so that their cache misses overlap.
 *
 * Owns nothing. Thread rule: any thread, inside a read section.
 * The hash is asked first, for all keys of a batch at once. The others go down the tree in groups, all of a group one level at a time: what a key needs next is prefetched, then the others have
 * their turn. Leaves are all on one level, so the group stays together. A key that meets a change leaves the group
 * and is looked up by itself.
 *
 * Sources: Chen, Ailamaki, Gibbons, Mowry, Improving hash join performance through prefetching, ICDE 2004 (group
 * prefetching); Kocberber, Falsafi, Grot, Asynchronous memory access chaining, VLDB 2015. Departure: groups, because
 * all have the same way.
 *
 * SPDX-License-Identifier: MIT
 */
#include "storage/hash.h"
#include "storage/storage.h"

#define GROUP 8u  /* in the tree */
#define BATCH 16u /* in the hash */

struct lane {
    struct vst_look look, next;
    bool good; /* nothing has changed under it */
};

struct batch {
    uint64_t hashes[BATCH];
    const struct vst_bucket *buckets[BATCH];
    unsigned hits[BATCH];
    unsigned unknown[BATCH], unknown_count;
};

/* --- by the tree -------------------------------------------------------------------------------------------------- */

/* One level down: every lane finds its child, then every lane enters it. */
static void step_down(const struct vst_table *table, struct lane *lanes, const varve_slice *keys, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct lane *l = &lanes[i];
        unsigned child;
        l->good = l->good && vst_inner_search(l->look.node, l->look.word, keys[i], VST_SEEK_KEY, &child) &&
                  vst_child_find(table, &l->look, child, &l->next);
    }
    for (unsigned i = 0; i < count; i++) {
        struct lane *l = &lanes[i];
        if (!l->good) continue;
        l->good = vst_child_enter(&l->look, &l->next);
        l->look = l->next;
    }
}

/* Prefetches the pointer each lane will need, then what it points to. */
static void reach_records(struct lane *lanes, const varve_slice *keys, unsigned count) {
    const uint64_t *slots[GROUP];
    for (unsigned i = 0; i < count; i++) {
        const struct vst_node *leaf = lanes[i].look.node;
        if (!lanes[i].good) continue;
        uint64_t head = vst_head(keys[i], vst_meta_start(vb_seq_load(&leaf->meta)));
        unsigned pos = vst_heads_below(vst_heads(leaf), leaf->stride, head);
        slots[i] = &vst_ptrs(leaf, leaf->stride)[pos < leaf->stride ? pos : 0];
        __builtin_prefetch(slots[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        if (!lanes[i].good) continue;
        uintptr_t record = (uintptr_t)vb_seq_load(slots[i]); /* perhaps none at all: a prefetch may go anywhere */
        __builtin_prefetch((const void *)record);
        __builtin_prefetch((const void *)(record + VB_CACHE_LINE));
    }
}

static void lookup_group(struct vst_table *table, const varve_slice *keys, struct vst_found *found, unsigned count) {
    struct lane lanes[GROUP];
    struct vst_look root = vst_root_look(table);
    for (unsigned i = 0; i < count; i++)
        lanes[i] = (struct lane){root, root, (root.word & VST_OLC_OBSOLETE) == 0};
    for (unsigned level = root.node->level; level > 0; level--)
        step_down(table, lanes, keys, count);
    reach_records(lanes, keys, count);
    for (unsigned i = 0; i < count; i++) {
        struct vst_look *leaf = &lanes[i].look;
        struct vst_place place;
        if (!lanes[i].good || (leaf->word & VST_OLC_OBSOLETE) != 0 || !vst_leaf_search(leaf, keys[i], &place)) {
            vst_lookup(table, keys[i], &found[i]);
            continue;
        }
        found[i].record = place.record;
        found[i].leaf = (struct vst_leaf *)leaf->node;
        found[i].phantom = vst_word_phantom(leaf->word);
    }
}

static void lookup_by_tree(struct vst_table *table, const varve_slice *keys, struct vst_found *found, unsigned count) {
    for (unsigned done = 0; done < count; done += GROUP)
        lookup_group(table, keys + done, found + done, count - done < GROUP ? count - done : GROUP);
}

/* --- by the hash -------------------------------------------------------------------------------------------------- */

/* The keys of a batch that the hash does not know: looked up in the tree, and known from then on. */
static void lookup_unknown(struct vst_table *table, const struct vst_hash *hash, const struct batch *b,
                           const varve_slice *keys, struct vst_found *found) {
    varve_slice unknown[BATCH];
    struct vst_found results[BATCH];
    for (unsigned i = 0; i < b->unknown_count; i++) unknown[i] = keys[b->unknown[i]];
    lookup_by_tree(table, unknown, results, b->unknown_count);
    for (unsigned i = 0; i < b->unknown_count; i++) {
        unsigned at = b->unknown[i];
        found[at] = results[i];
        if (results[i].record != NULL) vst_hash_learn(table, hash, b->hashes[at], results[i].record);
    }
}

/* All buckets are on their way before the first is read, and then all records. */
static void lookup_batch(struct vst_table *table, const struct vst_hash *hash, const varve_slice *keys,
                         struct vst_found *found, unsigned count) {
    struct batch b;
    b.unknown_count = 0;
    for (unsigned i = 0; i < count; i++) {
        b.hashes[i] = vst_hash_key(keys[i]);
        b.buckets[i] = vst_hash_bucket(hash, b.hashes[i]);
        __builtin_prefetch(b.buckets[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        b.hits[i] = vst_bucket_hits(b.buckets[i], b.hashes[i]);
        for (unsigned hits = b.hits[i]; hits != 0; hits &= hits - 1)
            vst_prefetch_record(vst_bucket_record(b.buckets[i], (unsigned)__builtin_ctz(hits)));
    }
    for (unsigned i = 0; i < count; i++) {
        found[i] = (struct vst_found){.record = vst_bucket_find(table, b.buckets[i], b.hits[i], keys[i])};
        if (vb_unlikely(found[i].record == NULL)) b.unknown[b.unknown_count++] = i;
    }
    if (b.unknown_count != 0) lookup_unknown(table, hash, &b, keys, found);
}

void vst_lookup_many(struct vst_table *table, const varve_slice *keys, struct vst_found *found, size_t count) {
    const struct vst_hash *hash = vb_load_acquire(&table->hash);
    for (size_t done = 0; done < count; done += BATCH) {
        unsigned some = count - done < BATCH ? (unsigned)(count - done) : BATCH;
        if (vb_likely(hash != NULL)) {
            lookup_batch(table, hash, keys + done, found + done, some);
            continue;
        }
        lookup_by_tree(table, keys + done, found + done, some);
        if (found[done].record != NULL) vst_hash_learn(table, NULL, 0, found[done].record);
    }
}
