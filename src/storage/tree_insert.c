/* tree_insert.c - linking a new key as a ghost.
 *
 * Owns nothing. Thread rule: any thread, inside a read section.
 * Invariants
 *   1. A ghost is linked with its writer field set and with the gap bits it inherits: nobody sees it without.
 *   2. The successor's gap word is read after the leaf is latched. A scanner sets its bit there first and checks the
 *      leaf afterwards, with a full fence on either side: the inserter sees the bit, or the scanner sees the latch. A
 *      successor in a later leaf is looked for after the latch, too: a key that a rival links in front of it later
 *      falls into that leaf's part of the gap, and whoever locks that part checks this leaf again as well.
 *   3. The new gap is a part of the successor's, so bits of the inserter itself there cover it: they are copied.
 *
 * Sources: Lomet, Key range locking strategies for improved concurrency, VLDB 1993; Graefe, A survey of B-tree locking
 * techniques, TODS 2010; checked as a model (gap locks against inserts).
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/check.h"
#include "base/planted.h"
#include "storage/storage.h"
#include "storage/tree.h"

static struct vst_record *successor(const struct vst_table *table, const struct vst_node *leaf, unsigned pos,
                                    unsigned count) {
    if (pos < count) return vst_slot_load(&vst_ptrs(leaf, leaf->stride)[pos]);
    const struct vst_fences *fences = vb_seq_load(&leaf->fences);
    return fences->high_open ? table->sentinel : vst_first_from(table, vst_fence_high(fences), false);
}

/* The leaf is latched and has room. OK: linked; BUSY: *record is the successor. Gives the latch back. */
static int link_ghost(const struct vst_table *table, struct vst_node *leaf, const struct vst_place *place,
                      struct vst_record *ghost, uint64_t own, struct vst_inserted *inserted) {
    vb_fence_seq_cst(); /* between latch and gap word: invariant 2 */
    struct vst_record *next = successor(table, leaf, place->pos, place->count);
    uint64_t gap = vb_load_acquire(&next->gap) & VST_LK_READERS;
    if ((gap & ~own) != 0 && !VB_PLANTED(17)) {
        vst_node_leave_same(leaf);
        inserted->record = next;
        return VARVE_BUSY;
    }
    VK_YIELD(table->store->domain, precommit_latched);
    ghost->gap = VB_PLANTED(24) ? 0 : gap & own;
    vst_leaf_put(leaf, place->pos, ghost);
    uint32_t phantom = vst_word_phantom(vb_load_relaxed(&leaf->word));
    vst_node_leave(leaf, 1, 0);
    inserted->record = ghost;
    inserted->leaf = (struct vst_leaf *)leaf;
    inserted->phantom_before = phantom;
    inserted->phantom_after = phantom + 1;
    return VARVE_OK;
}

int vst_insert_ghost(struct vst_table *table, struct vb_heap *heap, varve_slice key, size_t value_bytes, unsigned self,
                     uint64_t own_bit_mask, const struct vst_leaf *near, struct vst_inserted *inserted) {
    struct vst_record *ghost = NULL;
    int status;
    for (;;) {
        struct vst_look leaf = vst_descend_near(table, key, near);
        near = NULL; /* once */
        struct vst_place place;
        if (!vst_leaf_search(&leaf, key, &place)) continue;
        status = VARVE_EXISTS;
        if (place.record != NULL) {
            inserted->record = place.record;
            break;
        }
        if (place.count >= table->leaf_fanout) {
            status = vst_tree_split(table, heap, key);
            if (status != VARVE_OK) break;
            continue;
        }
        status = VARVE_NOMEM;
        if (VK_FAULT(table->store->domain, ghost)) break;
        if (ghost == NULL) ghost = vst_record_create(table, heap, key, value_bytes, self);
        if (ghost == NULL) break;
        if (VB_PLANTED(17)) { /* the gap is tested, but before the latch */
            struct vst_record *next = vst_first_from(table, key, true);
            inserted->record = next;
            status = VARVE_BUSY;
            if ((vb_load_acquire(&next->gap) & VST_LK_READERS & ~own_bit_mask) != 0) break;
        }
        VK_YIELD(table->store->domain, precommit_leaf);
        if (!vst_node_upgrade(leaf.node, leaf.word)) continue;
        status = link_ghost(table, leaf.node, &place, ghost, own_bit_mask & VST_LK_READERS, inserted);
        break;
    }
    if (status != VARVE_OK && ghost != NULL) vst_record_free(table, heap, ghost);
    return status;
}
