/* tree_many.c - looking up several keys at once, so that their cache misses overlap.
 *
 * Owns nothing. Thread rule: any thread, inside a read section.
 * Keys go down in groups, all of a group one level at a time: what a key needs next is prefetched, then the others have
 * their turn. Leaves are all on one level, so the group stays together. A key that meets a change leaves the group
 * and is looked up by itself.
 *
 * Sources: Chen, Ailamaki, Gibbons, Mowry, Improving hash join performance through prefetching, ICDE 2004 (group
 * prefetching); Kocberber, Falsafi, Grot, Asynchronous memory access chaining, VLDB 2015. Departure: groups, because
 * all have the same way.
 *
 * SPDX-License-Identifier: MIT
 */
#include "storage/storage.h"
#include "storage/tree.h"

#define GROUP 8u

struct lane {
    struct vst_look look, next;
    bool good; /* nothing has changed under it */
};

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

void vst_lookup_many(struct vst_table *table, const varve_slice *keys, struct vst_found *found, size_t count) {
    for (size_t done = 0; done < count; done += GROUP) {
        size_t left = count - done;
        lookup_group(table, keys + done, found + done, left < GROUP ? (unsigned)left : GROUP);
    }
}
