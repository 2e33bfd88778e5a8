/* table.c - tables: made, named, found by slot, destroyed.
 *
 * Owns struct vst_table. Thread rule: create and destroy by one thread at a time (the caller sees to it); the rest any.
 * Invariants
 *   1. A table that is destroyed leaves tables[] first, then its root is replaced by an empty leaf, so that whoever
 *      still descends finds nothing and ends; then every node is made OBSOLETE under its latch, before its records are
 *      retired: the purge takes a record out of the index before, or finds nothing after.
 *   2. Its hash leaves it before: a record that is retired without having been FROZEN is not met through it.
 *   3. Tables are made from a heap of their own, number slot_count + 1, which is open only meanwhile.
 *
 * SPDX-License-Identifier: MIT
 */
#include "storage/storage.h"

#include "os/rcu.h"
#include "storage/hash.h"

static uint16_t whole_lines(unsigned fanout) { return (uint16_t)((fanout + 7) & ~7u); }

static struct vst_node *bare_leaf(const struct vst_table *table, struct vb_heap *heap) {
    struct vst_node *leaf = vst_node_create(table, heap, 0);
    struct vst_fences *fences = vst_fences_create(heap, VARVE_SLICE(NULL, 0), VARVE_SLICE(NULL, 0));
    if (leaf == NULL || fences == NULL) {
        if (leaf != NULL) vst_node_free(heap, leaf);
        if (fences != NULL) vst_node_free(heap, fences);
        return NULL;
    }
    leaf->fences = fences;
    vst_node_rebuild(leaf, 0);
    return leaf;
}

static void free_leaf(struct vb_heap *heap, struct vst_node *leaf) {
    if (leaf == NULL) return;
    vst_node_free(heap, leaf->fences);
    vst_node_free(heap, leaf);
}

static unsigned free_slot(const struct vst_store *store) {
    unsigned slot = 1;
    while (slot <= VK_TABLES_MAX && store->tables[slot] != NULL)
        slot++;
    return slot;
}

static struct vst_table *make_table(struct vst_store *store, struct vb_heap *heap, unsigned slot, const char *name) {
    const struct vk_limits *limits = &store->domain->limits;
    size_t name_bytes = strlen(name) + 1;
    struct vst_table *t = vst_node_alloc(heap, sizeof(*t) + name_bytes);
    if (t == NULL) return NULL;
    memset(t, 0, sizeof(*t));
    memcpy(t->name, name, name_bytes);
    t->store = store;
    t->slot = slot;
    t->leaf_fanout = (uint16_t)limits->leaf_fanout;
    t->inner_fanout = (uint16_t)limits->inner_fanout;
    t->leaf_stride = whole_lines(limits->leaf_fanout);
    t->inner_stride = whole_lines(limits->inner_fanout);
    t->root = bare_leaf(t, heap);
    t->bare = bare_leaf(t, heap);
    t->sentinel = vst_record_create(t, heap, VARVE_SLICE(NULL, 0), 0, 0);
    t->leaves = 1;
    if (t->root != NULL && t->bare != NULL && t->sentinel != NULL) {
        if (limits->hash_least == 0) t->hash = vst_hash_create(t, heap, 1);
        return t;
    }
    free_leaf(heap, t->root);
    free_leaf(heap, t->bare);
    if (t->sentinel != NULL) vst_record_free(t, heap, t->sentinel);
    vst_node_free(heap, t);
    return NULL;
}

int vst_table_create(struct vst_store *store, uint32_t id, const char *name, struct vst_table **table) {
    unsigned slot = free_slot(store);
    if (slot > VK_TABLES_MAX) return VARVE_FULL;
    struct vb_heap *heap = vb_heap_open(store->domain->memory, store->domain->slot_count + 1);
    if (heap == NULL) return VARVE_NOMEM;
    struct vst_table *t = make_table(store, heap, slot, name);
    vb_heap_close(heap);
    if (t == NULL) return VARVE_NOMEM;
    t->id = id;
    vb_store_release(&store->tables[slot], t);
    *table = t;
    return VARVE_OK;
}

/* --- destroying --------------------------------------------------------------------------------------------------- */

/* Latches a node that nobody can reach from a root any more, and keeps others from changing it ever again. */
static void make_obsolete(struct vst_node *node) {
    while (!vst_node_upgrade(node, vst_node_enter(node)))
        vb_cpu_relax();
    vst_node_leave(node, 1, VST_OLC_OBSOLETE);
}

static void retire_subtree(struct vst_store *store, struct vst_node *node) {
    make_obsolete(node);
    unsigned count = vst_node_count(node);
    for (unsigned i = 0; i < count && node->level == 0; i++)
        vst_retire(store, vst_slot_load(&vst_ptrs(node, node->stride)[i]));
    for (unsigned i = 0; i < count && node->level != 0; i++)
        vst_retire(store, vst_slot_load(&vst_seps(node, node->stride)[i]));
    for (unsigned i = 0; i <= count && node->level != 0; i++)
        retire_subtree(store, vst_slot_load(&vst_ptrs(node, node->stride)[i]));
    vst_retire(store, vb_seq_load(&node->fences));
    vst_retire(store, node);
}

void vst_table_destroy(struct vst_store *store, struct vst_table *table) {
    vos_mutex_lock(&store->mutex);
    struct vst_hash *hash = table->hash;
    vb_store_release(&store->tables[table->slot], NULL);
    vb_store_release(&table->hash, NULL);
    vos_mutex_unlock(&store->mutex);
    if (hash != NULL) vst_retire(store, hash);
    vos_rcu_enter();
    /* The root may be split, or lowered, until it is latched. */
    struct vst_look root;
    do {
        root = vst_root_look(table);
    } while (!vst_node_upgrade(root.node, root.word));
    vb_store_release(&table->root, table->bare);
    vst_node_leave(root.node, 0, 0);
    vos_rcu_exit(); /* from here on nobody but this thread retires a node of the tree */
    retire_subtree(store, root.node);
    vst_retire(store, table->bare->fences);
    vst_retire(store, table->bare);
    vst_retire(store, table->sentinel);
    vst_retire(store, table);
}

static void free_subtree(struct vst_table *table, struct vb_heap *heap, struct vst_node *node) {
    unsigned count = vst_node_count(node);
    for (unsigned i = 0; i < count && node->level == 0; i++)
        vst_record_free(table, heap, vst_slot_load(&vst_ptrs(node, node->stride)[i]));
    for (unsigned i = 0; i < count && node->level != 0; i++)
        vst_node_free(heap, vst_slot_load(&vst_seps(node, node->stride)[i]));
    for (unsigned i = 0; i <= count && node->level != 0; i++)
        free_subtree(table, heap, vst_slot_load(&vst_ptrs(node, node->stride)[i]));
    free_leaf(heap, node);
}

void vst_tree_free(struct vst_table *table, struct vb_heap *heap) {
    free_subtree(table, heap, table->root);
    free_leaf(heap, table->bare);
    vst_record_free(table, heap, table->sentinel);
    if (table->hash != NULL) vst_node_free(heap, table->hash);
    vst_node_free(heap, table);
}

/* --- what a table is ---------------------------------------------------------------------------------------------- */

uint32_t vst_table_id(const struct vst_table *table) { return table->id; }
const char *vst_table_name(const struct vst_table *table) { return table->name; }
struct vst_store *vst_table_store(const struct vst_table *table) { return table->store; }
unsigned vst_table_slot(const struct vst_table *table) { return table->slot; }

struct vst_table *vst_table_at(struct vst_store *store, unsigned table_slot) {
    return table_slot <= VK_TABLES_MAX ? vb_load_acquire(&store->tables[table_slot]) : NULL;
}

