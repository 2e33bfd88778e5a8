/* tree.h - descents and searches of the index, shared by its files.
 *
 * Everything here runs inside a read section. A (node, word) pair is a consistent look: what was read from the node
 * counts once vst_node_still(node, word) was seen after the read.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_STORAGE_TREE_H
#define VARVE_STORAGE_TREE_H

#include "storage/node.h"

struct vst_table {
    /* read by every descent; only root and hash change */
    vb_aligned_line struct vst_node *root; /* atomic */
    struct vst_store *store;
    struct vst_record *sentinel;
    uint16_t leaf_fanout, inner_fanout; /* most records of a leaf, most children of an inner node */
    uint16_t leaf_stride, inner_stride; /* the same, rounded up to whole lines */
    unsigned slot;
    uint32_t id;
    struct vst_node *bare;              /* the empty root of a table that is being destroyed */
    struct vst_hash *hash;              /* atomic; NULL: none */
    vb_aligned_line int64_t leaves;     /* atomic; how many there are */
    char name[];
};

/* Which leaf a descent looks for. */
enum vst_seek {
    VST_SEEK_KEY,    /* the one the key belongs to */
    VST_SEEK_BEFORE, /* the one the keys just below the key belong to */
    VST_SEEK_FIRST,
    VST_SEEK_LAST
};

struct vst_look {
    struct vst_node *node;
    uint64_t word;
};

/* Index of the child of an inner node that a descent goes to: how many separators are <= key (BEFORE: < key). May be
 * wrong, but in range, when the node changes meanwhile; the false return says that it did. */
bool vst_inner_search(const struct vst_node *node, uint64_t word, varve_slice key, enum vst_seek seek,
                      unsigned *child);

/* The root with its word: it was the root when the word was loaded. */
static inline struct vst_look vst_root_look(const struct vst_table *table) {
    for (;;) {
        struct vst_look look = {vb_load_acquire(&table->root), 0};
        look.word = vst_node_enter(look.node);
        if (vb_likely(vb_load_acquire(&table->root) == look.node)) return look;
    }
}
/* Child `i` of the inner node in `look`, prefetched; then its word. False: the node has changed. */
static inline bool vst_child_find(const struct vst_table *table, const struct vst_look *look, unsigned i,
                                  struct vst_look *child) {
    const struct vst_node *node = look->node;
    child->node = vst_slot_load(&vst_ptrs(node, node->stride)[i]);
    if (!vst_node_still(node, look->word)) return false;
    unsigned stride = node->level == 1 ? table->leaf_stride : table->inner_stride;
    vst_prefetch_node(child->node, 1 + 2 * stride / 8); /* heads and pointers */
    return true;
}
static inline bool vst_child_enter(const struct vst_look *look, struct vst_look *child) {
    child->word = vst_node_enter(child->node);
    return vst_node_still(look->node, look->word);
}
static inline bool vst_child_look(const struct vst_table *table, const struct vst_look *look, unsigned i,
                                  struct vst_look *child) {
    return vst_child_find(table, look, i, child) && vst_child_enter(look, child);
}

/* The leaf that a descent finds. */
struct vst_look vst_descend(const struct vst_table *table, varve_slice key, enum vst_seek seek);
/* The leaf that the key belongs to; `near` itself, where it does (a finger: Guibas et al., A new representation for linear
 * lists, STOC 1977). near: as for vst_find. */
struct vst_look vst_descend_near(const struct vst_table *table, varve_slice key, const struct vst_leaf *near);

struct vst_place {
    unsigned pos;              /* how many records of the leaf are below the key */
    unsigned count;            /* of the leaf */
    struct vst_record *record; /* the one with this key, or NULL */
};
/* False: the leaf has changed. */
bool vst_leaf_search(const struct vst_look *leaf, varve_slice key, struct vst_place *place);

/* The first record at or behind `key` (behind: strict), or the sentinel. The caller may hold the latch of a leaf whose
 * keys are all below `key`. */
struct vst_record *vst_first_from(const struct vst_table *table, varve_slice key, bool strict);

/* --- tree_split.c ------------------------------------------------------------------------------------------------- */

/* Splits the topmost full node on the way to `key`, if there is one and no rival is faster. The caller looks again. OK,
 * NOMEM. */
int vst_tree_split(struct vst_table *table, struct vb_heap *heap, varve_slice key);

/* --- tree_remove.c ------------------------------------------------------------------------------------------------ */

/* Makes a root with one child give way to it. */
void vst_tree_lower(struct vst_table *table);

#endif
