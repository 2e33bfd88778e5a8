/* tree_split.c - making room: splitting a leaf or an inner node, and growing a root.
 *
 * Owns nothing. Thread rule: any thread, inside a read section.
 * Invariants
 *   1. The parent's latch is held while a node is split, the node's latch is only tried: parent before child, and no
 *      waiting.
 *   2. Full nodes are split on the way down, so a parent always has room for one more separator.
 *   3. A node is split only after all memory for it is there: nothing fails halfway.
 *   4. A split changes the phantom counter of a leaf: keys that belonged to it may now be linked elsewhere.
 * At the right edge of the table a leaf is not halved: the new leaf begins with the new key, so keys that come in order
 * leave full leaves behind. Sources: see node.h; Graefe, Modern B-tree techniques, 2011, 4.1 (splitting on the way
 * down).
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/check.h"
#include "base/planted.h"
#include "storage/tree.h"

/* A split under way: everything it needs. */
struct split {
    struct vst_table *table;
    struct vst_node *parent; /* NULL: node is the root */
    struct vst_node *node;
    struct vst_node *right, *root;                               /* new */
    struct vst_fences *left_fences, *right_fences, *root_fences; /* new */
    struct vst_sep *sep; /* new for a leaf, the one that moves up for an inner node */
    unsigned at;         /* leaf: records that stay; inner node: separators that stay */
};

static bool full(const struct vst_table *table, const struct vst_node *node, unsigned count) {
    return node->level == 0 ? count >= table->leaf_fanout : count + 1 >= table->inner_fanout;
}

static void undo(struct vb_heap *heap, struct split *s) {
    void *made[] = {s->right,        s->root,        s->left_fences,
                    s->right_fences, s->root_fences, s->node->level == 0 ? s->sep : NULL};
    for (unsigned i = 0; i < sizeof(made) / sizeof(made[0]); i++)
        if (made[i] != NULL) vst_node_free(heap, made[i]);
}

/* The shortest key that is above `low` and not above `high`. */
static varve_slice shortest_between(varve_slice low, varve_slice high) {
    const uint8_t *x = low.data, *y = high.data;
    size_t n = 0;
    while (n < low.size && x[n] == y[n]) n++;
    VB_ASSERT(n < high.size);
    return VARVE_SLICE(high.data, n + 1);
}

static bool choose_leaf(struct split *s, struct vb_heap *heap, varve_slice key) {
    unsigned count = vst_node_count(s->node);
    varve_slice last = vst_node_key(s->node, count - 1), low, high;
    bool append = vb_seq_load(&s->node->fences)->high_open && vb_compare(key, last) > 0;
    s->at = append ? count : count / 2;
    low = append ? last : vst_node_key(s->node, s->at - 1);
    high = append ? key : vst_node_key(s->node, s->at);
    s->sep = vst_sep_create(heap, shortest_between(low, high));
    return s->sep != NULL;
}

static bool choose_inner(struct split *s) {
    unsigned count = vst_node_count(s->node);
    s->at = vb_seq_load(&s->node->fences)->high_open ? count - 1 : count / 2;
    s->sep = vst_slot_load(&vst_seps(s->node, s->node->stride)[s->at]);
    return true;
}

static bool prepare(struct split *s, struct vb_heap *heap, varve_slice key) {
    bool leaf = s->node->level == 0;
    if (!(leaf ? choose_leaf(s, heap, key) : choose_inner(s))) return false;
    const struct vst_fences *old = vb_seq_load(&s->node->fences);
    varve_slice sep = vst_sep_key(s->sep);
    s->left_fences = vst_fences_create(heap, vst_fence_low(old), sep);
    s->right_fences = vst_fences_create(heap, sep, vst_fence_high(old));
    s->right = vst_node_create(s->table, heap, s->node->level);
    bool good = s->left_fences != NULL && s->right_fences != NULL && s->right != NULL;
    if (s->parent != NULL || !good) return good;
    s->root = vst_node_create(s->table, heap, s->node->level + 1);
    s->root_fences = vst_fences_create(heap, VARVE_SLICE(NULL, 0), VARVE_SLICE(NULL, 0));
    return s->root != NULL && s->root_fences != NULL;
}

static void copy_slots(uint64_t *to, const uint64_t *from, unsigned count) {
    for (unsigned i = 0; i < count; i++) vb_seq_store(&to[i], vb_seq_load(&from[i]));
}

static void divide(struct split *s) {
    struct vst_node *left = s->node, *right = s->right;
    unsigned count = vst_node_count(left), stride = left->stride;
    unsigned first = s->at + (left->level != 0), moved = count - first; /* an inner node's middle separator goes up */
    copy_slots(vst_ptrs(right, stride), vst_ptrs(left, stride) + first, moved + (left->level != 0));
    if (left->level != 0) copy_slots(vst_seps(right, stride), vst_seps(left, stride) + first, moved);
    vb_seq_store(&right->fences, s->right_fences);
    vst_node_rebuild(right, moved);
    vb_seq_store(&left->fences, s->left_fences);
    vst_node_rebuild(left, s->at);
    uint64_t word = vb_load_relaxed(&left->word);
    vb_store_relaxed(&right->word, vst_word_of(0, vst_word_phantom(word) + 1));
    /* Before the right node can be reached: a key linked there must not find a validator with the old counter. */
    vb_store_release(&left->word, vst_word_of((uint32_t)word, vst_word_phantom(word) + (VB_PLANTED(12) ? 0 : 1)));
}

static void attach(struct split *s) {
    struct vst_node *parent = s->parent;
    if (parent == NULL) {
        vst_slot_store(&vst_ptrs(s->root, s->root->stride)[0], s->node);
        vb_seq_store(&s->root->fences, s->root_fences);
        vst_node_rebuild(s->root, 0);
        vst_inner_put(s->root, 0, s->sep, s->right);
        vb_store_release(&s->table->root, s->root);
        return;
    }
    const uint64_t *ptrs = vst_ptrs(parent, parent->stride);
    unsigned pos = 0;
    while (vst_slot_load(&ptrs[pos]) != s->node) pos++;
    vst_inner_put(parent, pos, s->sep, s->right);
}

/* parent NULL: the node is the root. Latches in order, or does nothing. */
static int split_node(struct vst_table *table, struct vb_heap *heap, const struct vst_look *parent,
                      const struct vst_look *node, varve_slice key) {
    struct split s = {.table = table, .parent = parent != NULL ? parent->node : NULL, .node = node->node};
    if (parent != NULL && !vst_node_upgrade(parent->node, parent->word)) return VARVE_OK;
    bool latched = vst_node_upgrade(node->node, node->word); /* a root is still the root: else its word had changed */
    bool made = latched && !VK_FAULT(table->store->domain, split) && prepare(&s, heap, key);
    struct vst_fences *old = vb_seq_load(&node->node->fences);
    if (made) {
        VK_YIELD(table->store->domain, split_latched);
        divide(&s);
        VK_YIELD(table->store->domain, split_divided);
        attach(&s);
        vst_node_leave(node->node, 0, 0);
        if (parent != NULL) vst_node_leave(parent->node, 0, 0);
        if (node->node->level == 0) vb_add_relaxed(&table->leaves, 1);
        vst_retire(table->store, old);
        return VARVE_OK;
    }
    if (latched) undo(heap, &s);
    if (latched) vst_node_leave_same(node->node);
    if (parent != NULL) vst_node_leave_same(parent->node);
    return latched ? VARVE_NOMEM : VARVE_OK;
}

int vst_tree_split(struct vst_table *table, struct vb_heap *heap, varve_slice key) {
    struct vst_look parent = {NULL, 0}, look = vst_root_look(table);
    if ((look.word & VST_OLC_OBSOLETE) != 0) return VARVE_OK;
    for (;;) {
        unsigned count = vst_node_count(look.node), child;
        if (!vst_node_still(look.node, look.word)) return VARVE_OK;
        if (full(table, look.node, count))
            return split_node(table, heap, parent.node != NULL ? &parent : NULL, &look, key);
        if (look.node->level == 0) return VARVE_OK;
        struct vst_look next;
        if (!vst_inner_search(look.node, look.word, key, VST_SEEK_KEY, &child)) return VARVE_OK;
        if (!vst_child_look(table, &look, child, &next)) return VARVE_OK;
        parent = look;
        look = next;
    }
}
