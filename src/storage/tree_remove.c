/* tree_remove.c - taking records out of the index, and leaves that have become empty.
 *
 * Owns nothing. Thread rule: any thread, inside a read section (vst_tree_unlink: the janitor).
 * Invariants
 *   1. FROZEN is set while the leaf is latched and the record still in it: whoever finds the record in the index, and
 *      checks the leaf again after locking it, has a record that is not FROZEN.
 *   2. Reader bits of the record are judged after the latch, behind a full fence (the same pair as in tree_insert.c).
 *   3. A leaf goes only while it is empty and an ancestor has another child. That ancestor, the inner nodes between the
 *      two (each with this one child), the leaf, and the edge of the neighbouring subtree that takes over the key range
 *      are latched together, all but the first by trying; so no reader sees a range that belongs to nobody.
 *   4. Whoever takes over a range changes its phantom counter, and the leaf that goes becomes OBSOLETE: a validator
 *      that remembers either looks at the range again.
 * Non-empty leaves are never merged. Sources: Graefe, A survey of B-tree locking techniques, TODS 2010 (ghosts); Sen
 * and Tarjan, Deletion without rebalancing in multiway search trees, TODS 2014 (free at empty).
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/check.h"
#include "base/planted.h"
#include "storage/hash.h"
#include "storage/storage.h"

#define LEVELS_MAX 32u
#define TRIES 8u

/* --- empty leaves ------------------------------------------------------------------------------------------------- */

/* What a removal latches: path[top] is the ancestor, path[top + 1 .. depth) go, edge[top + 1 .. depth) take over. */
struct removal {
    struct vst_table *table;
    unsigned depth, top;
    struct vst_look path[LEVELS_MAX], edge[LEVELS_MAX];
    struct vst_fences *fences[LEVELS_MAX]; /* new ones of edge[] */
    unsigned child;                        /* of path[top]: the one that goes */
    bool left;                             /* the edge is to the left */
};

enum outcome { DONE, NOTHING, AGAIN };

/* Fills path down to the leaf of `key` and finds the ancestor. */
static enum outcome find_path(struct removal *r, varve_slice key) {
    r->path[0] = vst_root_look(r->table);
    if ((r->path[0].word & VST_OLC_OBSOLETE) != 0) return NOTHING;
    bool found = false;
    for (r->depth = 1;; r->depth++) {
        struct vst_look *look = &r->path[r->depth - 1];
        unsigned count = vst_node_count(look->node), child;
        if (look->node->level == 0) {
            if (!vst_node_still(look->node, look->word)) return AGAIN;
            return count == 0 && found ? DONE : NOTHING;
        }
        VB_ASSERT(r->depth < LEVELS_MAX);
        if (!vst_inner_search(look->node, look->word, key, VST_SEEK_KEY, &child)) return AGAIN;
        if (!vst_child_look(r->table, look, child, &r->path[r->depth])) return AGAIN;
        if (count == 0) continue;
        found = true;
        r->top = r->depth - 1;
        r->child = child;
    }
}

/* Fills edge with the side of the neighbouring subtree that touches the range. */
static enum outcome find_edge(struct removal *r) {
    r->left = r->child > 0;
    const struct vst_look *from = &r->path[r->top];
    unsigned child = r->left ? r->child - 1 : r->child + 1;
    for (unsigned i = r->top + 1; i < r->depth; i++) {
        if (!vst_child_look(r->table, from, child, &r->edge[i])) return AGAIN;
        from = &r->edge[i];
        child = r->left ? vst_node_count(from->node) : 0;
        if (child >= from->node->stride) return AGAIN;
    }
    return DONE;
}

/* All the latches, or none. */
static bool latch_all(struct removal *r, bool *latched_all) {
    struct vst_look *order[2 * LEVELS_MAX];
    unsigned count = 0, latched = 0;
    order[count++] = &r->path[r->top];
    for (unsigned i = r->top + 1; i < r->depth; i++) {
        order[count++] = &r->path[i];
        order[count++] = &r->edge[i];
    }
    while (latched < count && vst_node_upgrade(order[latched]->node, order[latched]->word))
        latched++;
    *latched_all = latched == count;
    if (*latched_all) return true;
    while (latched > 0)
        vst_node_leave_same(order[--latched]->node);
    return false;
}

static void unlatch_all(struct removal *r) {
    for (unsigned i = r->top + 1; i < r->depth; i++) {
        vst_node_leave_same(r->edge[i].node);
        vst_node_leave_same(r->path[i].node);
    }
    vst_node_leave_same(r->path[r->top].node);
}

static bool make_fences(struct removal *r, struct vb_heap *heap) {
    const struct vst_fences *gone = vb_seq_load(&r->path[r->depth - 1].node->fences);
    for (unsigned i = r->top + 1; i < r->depth; i++) {
        const struct vst_fences *old = vb_seq_load(&r->edge[i].node->fences);
        varve_slice low = r->left ? vst_fence_low(old) : vst_fence_low(gone);
        varve_slice high = r->left ? vst_fence_high(gone) : vst_fence_high(old);
        r->fences[i] = vst_fences_create(heap, low, high);
        if (r->fences[i] != NULL) continue;
        while (--i > r->top)
            vst_node_free(heap, r->fences[i]);
        return false;
    }
    return true;
}

/* Everything is latched, all memory is there. Gives the latches back. */
static void remove_all(struct removal *r) {
    struct vst_store *store = r->table->store;
    struct vst_node *top = r->path[r->top].node;
    unsigned sep = r->left ? r->child - 1 : r->child;
    void *separator = vst_slot_load(&vst_seps(top, top->stride)[sep]);
    vst_inner_take(top, sep, r->child);
    vst_retire(store, separator);
    VK_YIELD(store->domain, merge_taken);
    for (unsigned i = r->top + 1; i < r->depth; i++) {
        struct vst_node *edge = r->edge[i].node, *gone = r->path[i].node;
        vst_retire(store, vb_seq_load(&edge->fences));
        vb_seq_store(&edge->fences, r->fences[i]);
        vst_node_rebuild(edge, vst_node_count(edge));
        vst_node_leave(edge, 1, 0);
        vst_node_leave(gone, 1, VST_OLC_OBSOLETE);
        vst_retire(store, vb_seq_load(&gone->fences));
        vst_retire(store, gone);
    }
    vst_node_leave(top, 0, 0);
    vb_add_relaxed(&r->table->leaves, -1);
    vst_hash_ask(r->table);
}

static enum outcome remove_leaf_once(struct vst_table *table, struct vb_heap *heap, varve_slice key) {
    struct removal r;
    r.table = table;
    enum outcome outcome = find_path(&r, key);
    if (outcome == DONE) outcome = find_edge(&r);
    if (outcome != DONE) return outcome;
    bool latched;
    if (!latch_all(&r, &latched)) return AGAIN;
    VK_YIELD(table->store->domain, merge_latched);
    if (!make_fences(&r, heap)) {
        unlatch_all(&r);
        return NOTHING;
    }
    remove_all(&r);
    return DONE;
}

/* Frees the leaf of `key` if it is empty and nothing is in the way. */
static void remove_leaf(struct vst_table *table, struct vb_heap *heap, varve_slice key) {
    for (unsigned i = 0; i < TRIES; i++) {
        enum outcome outcome = remove_leaf_once(table, heap, key);
        if (outcome == DONE) vst_tree_lower(table);
        if (outcome != AGAIN) return;
    }
}

void vst_tree_lower(struct vst_table *table) {
    for (;;) {
        struct vst_look root = vst_root_look(table), child;
        if ((root.word & VST_OLC_OBSOLETE) != 0 || root.node->level == 0 || vst_node_count(root.node) != 0) return;
        if (!vst_child_look(table, &root, 0, &child) || !vst_node_upgrade(root.node, root.word)) return;
        vb_store_release(&table->root, child.node); /* its fences are open on both sides, too */
        vst_node_leave(root.node, 0, VST_OLC_OBSOLETE);
        vst_retire(table->store, vb_seq_load(&root.node->fences));
        vst_retire(table->store, root.node);
    }
}

/* --- records ------------------------------------------------------------------------------------------------------ */

/* Unlinks the record unless others than `own` hold a reader bit on it. *emptied: its leaf has no record now. A ghost of
 * an aborter that has to stay counts as linked anew (`taken_back`): whoever linked it has advanced its own node set by
 * that link, and would not see who uses the ghost next. */
static bool unlink_record(struct vst_table *table, struct vst_record *record, uint64_t own, bool taken_back,
                          bool *emptied) {
    struct vst_look leaf;
    struct vst_place place;
    do {
        do {
            leaf = vst_descend(table, vst_record_key(record), VST_SEEK_KEY);
        } while (!vst_leaf_search(&leaf, vst_record_key(record), &place));
        if (place.record != record) return false;
    } while (!vst_node_upgrade(leaf.node, leaf.word));
    vb_fence_seq_cst(); /* between latch and reader bits: invariant 2 */
    uint64_t held = vb_load_acquire(&record->lk) | vb_load_acquire(&record->gap);
    if (VB_PLANTED(66) && taken_back) held = 0;
    if (VB_PLANTED(67) && !taken_back) held = vb_load_acquire(&record->lk);
    if ((held & VST_LK_READERS & ~own) != 0) {
        if (taken_back)
            vst_node_leave(leaf.node, 1, 0);
        else
            vst_node_leave_same(leaf.node);
        return false;
    }
    VK_YIELD(table->store->domain, gc_unlink);
    vb_or_acq_rel(&record->tid, (uint64_t)VST_FROZEN);
    vst_leaf_take(leaf.node, place.pos);
    *emptied = place.count == 1;
    vst_node_leave(leaf.node, 0, 0);
    vst_hash_take(table, record);
    return true;
}

bool vst_tree_unlink(struct vst_table *table, struct vst_record *record) {
    bool emptied;
    if (!unlink_record(table, record, 0, false, &emptied)) return false;
    if (emptied) remove_leaf(table, table->store->domain->janitor_heap, vst_record_key(record));
    return true;
}

void vst_remove_ghost(struct vst_table *table, struct vb_heap *heap, struct vst_record *record,
                      uint64_t own_bit_mask) {
    bool emptied;
    if (!unlink_record(table, record, own_bit_mask, true, &emptied)) {
        vst_ghost_note(table, record);
        return;
    }
    if (emptied) remove_leaf(table, heap, vst_record_key(record));
    vst_retire(table->store, record);
}
