/* tree.c - finding things in the index: descents, look-up, portions in either direction, successors.
 *
 * Owns nothing. Thread rule: any thread, inside a read section; readers write nothing shared.
 * Invariants: N1 to N7 in node.h, and
 *   1. A descent loads the child's word before it looks at the parent again: the child was the parent's when its word
 *      was as loaded, so its range is the one the search chose.
 *   2. The root counts as such when the table still points to it after its word was loaded.
 *   3. Scans keep nothing between leaves but a fence key, and descend again from it: there are no links between
 *      neighbours that a split or a removal would have to change.
 *   4. Where the parent's word has not moved since the descent, the next leaf is its next child, without a search: the
 *      parent's separators are as they were when the leaf was found in it, so the leaf's fence was the one between the
 *      two (N7), and the child whose word was loaded before the parent was compared begins there, as in a descent.
 *
 * Sources: see node.h. Departure: descents restart from the root.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/check.h"
#include "storage/hash.h"
#include "storage/storage.h"

/* --- inside one node ---------------------------------------------------------------------------------------------- */

static unsigned count_of(const struct vst_node *node, uint64_t meta) {
    unsigned count = vst_meta_count(meta);
    return vb_likely(count <= node->stride) ? count : node->stride;
}

/* Narrows [low, high), separators whose head is the key's, to how many of all are <= key (BEFORE: < key). */
static bool settle_seps(const struct vst_look *look, varve_slice key, size_t start, bool before, unsigned *low,
                        unsigned high) {
    const uint64_t *seps = vst_seps(look->node, look->node->stride);
    while (*low < high) {
        unsigned middle = *low + (high - *low) / 2;
        const struct vst_sep *sep = vst_slot_load(&seps[middle]);
        if (!vst_node_still(look->node, look->word)) return false;
        int order = vst_compare_from(vst_sep_key(sep), key, start);
        if (order < 0 || (order == 0 && !before)) {
            *low = middle + 1;
        } else {
            high = middle;
        }
    }
    return true;
}

bool vst_inner_search(const struct vst_node *node, uint64_t word, varve_slice key, enum vst_seek seek,
                      unsigned *child) {
    uint64_t meta = vb_seq_load(&node->meta);
    unsigned count = count_of(node, meta);
    if (vb_unlikely(seek >= VST_SEEK_FIRST)) {
        *child = seek == VST_SEEK_FIRST ? 0 : count;
        return true;
    }
    int side = vst_node_side(node, meta, key);
    if (vb_unlikely(side != 0)) {
        *child = side < 0 ? 0 : count;
        return true;
    }
    const uint64_t *heads = vst_heads(node);
    uint64_t head = vst_head(key, vst_meta_start(meta));
    unsigned low = vst_heads_below(heads, node->stride, head);
    if (vb_unlikely(low < count && vb_seq_load(&heads[low]) == head)) {
        unsigned high = vst_heads_upto(heads, node->stride, count, head);
        struct vst_look look = {(struct vst_node *)(uintptr_t)node, word};
        if (!settle_seps(&look, key, vst_meta_start(meta), seek == VST_SEEK_BEFORE, &low, high)) return false;
    }
    *child = low;
    return true;
}

/* The record whose head is the key's and is not below the key, if any, among [place->pos, high). */
static bool settle_records(const struct vst_look *leaf, varve_slice key, size_t start, unsigned high,
                           struct vst_place *place) {
    const uint64_t *ptrs = vst_ptrs(leaf->node, leaf->node->stride);
    unsigned low = place->pos;
    while (low < high) {
        /* The first is tried first: heads are seldom equal for more than one. */
        unsigned middle = low == place->pos ? low : low + (high - low) / 2;
        struct vst_record *record = vst_slot_load(&ptrs[middle]);
        if (!vst_node_still(leaf->node, leaf->word)) return false;
        __builtin_prefetch((const char *)record + VB_CACHE_LINE); /* its value, which is wanted next */
        __builtin_prefetch((const char *)record + 2 * VB_CACHE_LINE);
        int order = vst_compare_from(vst_record_key(record), key, start);
        if (order == 0) {
            place->record = record;
            place->pos = middle;
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    place->pos = low;
    return true;
}

bool vst_leaf_search(const struct vst_look *leaf, varve_slice key, struct vst_place *place) {
    const struct vst_node *node = leaf->node;
    uint64_t meta = vb_seq_load(&node->meta);
    unsigned count = count_of(node, meta);
    place->count = count;
    place->record = NULL;
    int side = vst_node_side(node, meta, key);
    if (vb_unlikely(side != 0)) {
        place->pos = side < 0 ? 0 : count;
        return vst_node_still(node, leaf->word);
    }
    const uint64_t *heads = vst_heads(node);
    uint64_t head = vst_head(key, vst_meta_start(meta));
    place->pos = vst_heads_below(heads, node->stride, head);
    if (place->pos >= count || vb_seq_load(&heads[place->pos]) != head) return vst_node_still(node, leaf->word);
    unsigned high = place->pos + 1;
    if (high < count && vb_seq_load(&heads[high]) == head) high = vst_heads_upto(heads, node->stride, count, head);
    return settle_records(leaf, key, vst_meta_start(meta), high, place);
}

/* --- descents ----------------------------------------------------------------------------------------------------- */

/* Also the leaf's parent, with its word, and which of its children the leaf is; a node of NULL when it is the root. */
static inline __attribute__((always_inline)) struct vst_look descend(const struct vst_table *table, varve_slice key, enum vst_seek seek,
                                                                     struct vst_look *parent, unsigned *child) {
    for (;;) {
        struct vst_look look = vst_root_look(table);
        unsigned level = look.node->level;
        bool good = (look.word & VST_OLC_OBSOLETE) == 0;
        *child = 0;
        *parent = (struct vst_look){NULL, 0};
        while (good && level > 0) {
            struct vst_look next;
            good = vst_inner_search(look.node, look.word, key, seek, child) &&
                   vst_child_look(table, &look, *child, &next);
            if (!good) break;
            *parent = look;
            look = next;
            level--;
        }
        if (vb_likely(good && (look.word & VST_OLC_OBSOLETE) == 0)) return look;
    }
}

struct vst_look vst_descend(const struct vst_table *table, varve_slice key, enum vst_seek seek) {
    struct vst_look parent;
    unsigned child;
    return descend(table, key, seek, &parent, &child);
}

/* Does the key belong to this leaf, which the caller's pin keeps? A look like that of a descent. */
static bool look_near(const struct vst_leaf *near, varve_slice key, struct vst_look *look) {
    look->node = (struct vst_node *)(uintptr_t)&near->node;
    look->word = vb_load_acquire(&near->node.word);
    if ((look->word & (VST_OLC_LOCKED | VST_OLC_OBSOLETE)) != 0) return false;
    const struct vst_fences *fences = vb_seq_load(&near->node.fences);
    if (!vst_node_still(look->node, look->word)) return false;
    return (fences->low_open || vb_compare(key, vst_fence_low(fences)) >= 0) &&
           (fences->high_open || vb_compare(key, vst_fence_high(fences)) < 0);
}

struct vst_look vst_descend_near(const struct vst_table *table, varve_slice key, const struct vst_leaf *near) {
    struct vst_look look;
    if (near != NULL && look_near(near, key, &look)) return look;
    return vst_descend(table, key, VST_SEEK_KEY);
}

static struct vst_leaf *leaf_of(struct vst_node *node) { return (struct vst_leaf *)node; }

static void lookup(struct vst_table *table, varve_slice key, const struct vst_leaf *near, struct vst_found *found) {
    struct vst_look leaf;
    struct vst_place place;
    do {
        leaf = vst_descend_near(table, key, near);
    } while (vb_unlikely(!vst_leaf_search(&leaf, key, &place)));
    found->record = place.record;
    found->leaf = leaf_of(leaf.node);
    found->phantom = vst_word_phantom(leaf.word);
}

void vst_lookup(struct vst_table *table, varve_slice key, struct vst_found *found) { lookup(table, key, NULL, found); }

void vst_find(struct vst_table *table, varve_slice key, const struct vst_leaf *near, struct vst_found *found) {
    const struct vst_hash *hash = vb_load_acquire(&table->hash);
    uint64_t h = 0;
    if (vb_likely(hash != NULL)) {
        h = vst_hash_key(key);
        const struct vst_bucket *bucket = vst_hash_bucket(hash, h);
        *found = (struct vst_found){.record = vst_bucket_find(table, bucket, vst_bucket_hits(bucket, h), key)};
        if (vb_likely(found->record != NULL)) return;
    }
    lookup(table, key, near, found);
    if (found->record != NULL) vst_hash_learn(table, hash, h, found->record);
}

/* --- counters ----------------------------------------------------------------------------------------------------- */

bool vst_phantom_same(const struct vst_leaf *leaf, uint32_t phantom) {
    uint64_t word = vb_load_acquire(&leaf->node.word);
    return (word & VST_OLC_OBSOLETE) == 0 && vst_word_phantom(word) == phantom;
}

#ifdef VARVE_PLANTED
uint32_t vst_phantom_now(const struct vst_leaf *leaf) { return vst_word_phantom(vb_load_acquire(&leaf->node.word)); }
#endif

bool vst_leaf_same(const struct vst_leaf *leaf, uint32_t olc) {
    /* A gap lock taken just now is seen by whoever latches the leaf after this load. */
    vb_fence_seq_cst();
    return vst_word_olc(vb_load_acquire(&leaf->node.word)) == olc;
}

/* --- portions ----------------------------------------------------------------------------------------------------- */

/* The records of a leaf from `from` on, and its fences. False: the leaf has changed. */
static bool gather(const struct vst_look *leaf, varve_slice from, bool strict, enum vst_direction direction,
                   struct vst_portion *portion) {
    struct vst_place place = {0, vst_node_count(leaf->node), NULL};
    if (place.count > leaf->node->stride) return false;
    if (from.data != NULL && !vst_leaf_search(leaf, from, &place)) return false;
    const uint64_t *ptrs = vst_ptrs(leaf->node, leaf->node->stride);
    unsigned low = 0, high = place.count;
    if (from.data != NULL && direction == VST_FORWARD) low = place.pos + (place.record != NULL && strict);
    if (from.data != NULL && direction == VST_REVERSE) high = place.pos + (place.record != NULL && !strict);
    portion->count = high - low;
    for (unsigned i = 0; i < high - low; i++)
        portion->records[i] = vst_slot_load(&ptrs[direction == VST_FORWARD ? low + i : high - 1 - i]);
    portion->fences = vb_seq_load(&leaf->node->fences);
    portion->leaf = leaf_of(leaf->node);
    portion->phantom = vst_word_phantom(leaf->word);
    portion->olc = vst_word_olc(leaf->word);
    portion->direction = direction;
    return vst_node_still(leaf->node, leaf->word);
}

static enum vst_seek seek_of(varve_slice from, bool strict, enum vst_direction direction) {
    if (from.data == NULL) return direction == VST_FORWARD ? VST_SEEK_FIRST : VST_SEEK_LAST;
    return direction == VST_REVERSE && strict ? VST_SEEK_BEFORE : VST_SEEK_KEY;
}

void vst_portion_read(struct vst_table *table, varve_slice from, bool strict, enum vst_direction direction,
                      struct vst_portion *portion) {
    struct vst_look leaf, parent;
    unsigned child;
    do {
        leaf = descend(table, from, seek_of(from, strict, direction), &parent, &child);
    } while (vb_unlikely(!gather(&leaf, from, strict, direction, portion)));
    portion->parent = parent.node;
    portion->parent_word = parent.word;
    portion->child = child;
}

varve_slice vst_portion_fence(const struct vst_portion *portion) {
    return portion->direction == VST_FORWARD ? vst_fence_high(portion->fences) : vst_fence_low(portion->fences);
}

/* The child beside the portion's leaf, when there is one and the parent is as it was. */
static bool beside(const struct vst_portion *portion, struct vst_look *leaf) {
    const struct vst_node *parent = portion->parent;
    if (parent == NULL) return false;
    unsigned at = portion->child + (unsigned)(int)portion->direction; /* wraps below the first */
    if (at > count_of(parent, vb_seq_load(&parent->meta)) || at >= parent->stride) return false;
    leaf->node = vst_slot_load(&vst_ptrs(parent, parent->stride)[at]);
    return vst_node_still(parent, portion->parent_word);
}

/* Invariant 4. */
static bool step_aside(const struct vst_portion *before, struct vst_portion *portion) {
    struct vst_look leaf;
    if (!beside(before, &leaf)) return false;
    leaf.word = vst_node_enter(leaf.node);
    if (!vst_node_still(before->parent, before->parent_word) || (leaf.word & VST_OLC_OBSOLETE) != 0) return false;
    const struct vst_look parent = {(struct vst_node *)(uintptr_t)before->parent, before->parent_word};
    unsigned child = before->child + (unsigned)(int)before->direction;
    if (!gather(&leaf, VARVE_SLICE(NULL, 0), false, before->direction, portion)) return false;
    portion->parent = parent.node;
    portion->parent_word = parent.word;
    portion->child = child;
    return true;
}

bool vst_portion_next(struct vst_table *table, const struct vst_portion *before, struct vst_portion *portion) {
    enum vst_direction direction = before->direction;
    const struct vst_fences *fences = before->fences;
    if (step_aside(before, portion)) return true;
    varve_slice fence = direction == VST_FORWARD ? vst_fence_high(fences) : vst_fence_low(fences);
    if (fence.data == NULL) return false;
    vst_portion_read(table, fence, direction == VST_REVERSE, direction, portion);
    return true;
}

void vst_portion_prefetch(const struct vst_portion *portion, unsigned count) {
    for (unsigned i = 0; i < portion->count && i < count; i++)
        vst_record_prefetch(portion->records[i]);
    __builtin_prefetch(portion->fences);
}

void vst_portion_prefetch_next(const struct vst_table *table, const struct vst_portion *portion) {
    struct vst_look leaf;
    if (beside(portion, &leaf)) vst_prefetch_node(leaf.node, 1 + 2 * table->leaf_stride / 8);
}

/* --- successors --------------------------------------------------------------------------------------------------- */

/* One leaf's part of a search for the first record from a key on: *record, or where to go on, or neither: the table
 * ends here. False: the leaf has changed. */
static bool first_in(const struct vst_look *leaf, varve_slice key, bool strict, struct vst_record **record,
                     varve_slice *next) {
    struct vst_place place;
    *record = NULL;
    if (!vst_leaf_search(leaf, key, &place)) return false;
    unsigned pos = place.pos + (place.record != NULL && strict);
    if (pos < place.count) *record = vst_slot_load(&vst_ptrs(leaf->node, leaf->node->stride)[pos]);
    const struct vst_fences *fences = vb_seq_load(&leaf->node->fences);
    if (!vst_node_still(leaf->node, leaf->word)) return false;
    *next = vst_fence_high(fences); /* stays until this read section ends */
    return true;
}

struct vst_record *vst_first_from(const struct vst_table *table, varve_slice key, bool strict) {
    for (;;) {
        struct vst_look leaf = vst_descend(table, key, VST_SEEK_KEY);
        struct vst_record *record;
        varve_slice next;
        if (!first_in(&leaf, key, strict, &record, &next)) continue;
        if (record != NULL) return record;
        if (next.data == NULL) return table->sentinel;
        key = next;
        strict = false;
    }
}

/* Leaves without a record for a search that are remembered. More of them in a row are only there when memory was
 * out as they became empty. */
#define PASSED_MOST 64u

/* As vst_first_from, but of one moment: the leaves passed on the way are looked at once more at the end. NULL: one of
 * them has changed. */
static struct vst_record *first_at_once(const struct vst_table *table, varve_slice key, bool strict) {
    struct vst_look passed[PASSED_MOST];
    struct vst_record *record = NULL;
    unsigned count = 0;
    for (;;) {
        struct vst_look leaf = vst_descend(table, key, VST_SEEK_KEY);
        varve_slice next;
        if (!first_in(&leaf, key, strict, &record, &next)) continue;
        if (record == NULL && next.data == NULL) record = table->sentinel;
        if (record != NULL && count == 0) return record;
        passed[count < PASSED_MOST ? count++ : PASSED_MOST - 1] = leaf;
        if (record != NULL) break;
        key = next;
        strict = false;
    }
    while (count > 0 && vst_node_still(passed[count - 1].node, passed[count - 1].word))
        count--;
    return count == 0 ? record : NULL;
}

struct vst_record *vst_successor(struct vst_table *table, varve_slice key, bool strict) {
    /* A gap lock taken just now is seen by whoever latches a leaf after this look. Were the leaves looked at in
     * different moments, one who latched the first in between might have tested a record that is gone. */
    vb_fence_seq_cst();
    struct vst_record *record;
    do {
        record = first_at_once(table, key, strict);
    } while (record == NULL);
    return record;
}

struct vst_record *vst_sentinel(struct vst_table *table) { return table->sentinel; }
