/* node.h - one node of the index: its layout, its latch, and the search inside it.
 *
 * | offset | field |
 * | 0 | word: olc 32 (low: version 30 . OBSOLETE . LOCKED) . phantom 32 (high) |
 * | 8 | meta: count 16 . start 16 . skip 16 (low to high) |
 * | 16 | fences: low and high bound of the node's keys |
 * | 24 | level, 0 = leaf |
 * | 32 | lead: bytes skip .. start of every key in the node |
 * | 64 | heads[stride], then ptrs[stride] (records or children), then for inner nodes seps[stride] |
 *
 * A head is the 8 bytes of a key from `start` on, as a big-endian number, padded with zeros: heads order as keys do,
 * and equal heads are settled by the keys themselves. `skip` bytes are common to every key that may ever come here
 * (they are the common prefix of the fences); `start` >= skip bytes are common to the keys that are here now, and what
 * is between the two is kept in `lead`, so that a node at the edge of the tree, which has an open fence, has good heads
 * too.
 *
 *  N1  word, meta, fences, lead and the arrays change only under the latch, and word on the way out
 *  N2  a reader uses nothing of a node, follows no pointer and indexes with no count, before it has seen the same
 *      version after the load (vst_node_still); counts are bounded by the stride all the same
 *  N3  a latch holder waits only for the latches of nodes to the right of its own, as a reader; every latch after the
 *      first is only tried
 *  N4  an OBSOLETE node is reachable no more and never changes again
 *  N5  unused heads are all ones
 *  N6  fences and separators never change: a node gets new ones, and the old are retired
 *  N7  a child's fences are its two neighbouring separators, or the fence of its parent where there is none
 *
 * Sources: Leis, Haubenschild, Neumann, Optimistic Lock Coupling: A Scalable and Efficient General-Purpose
 * Synchronization Method, IEEE Data Eng. Bull. 2019, and Leis et al., The ART of Practical Synchronization, DaMoN 2016
 * (latch); Graefe and Larson, B-tree indexes and CPU caches, ICDE 2001 (heads, "poor man's normalized keys"); Bayer and
 * Unterauer, Prefix B-trees, TODS 1977 (separators and prefixes). Departures: the counter of logical changes shares the
 * latch's word; `lead`.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_STORAGE_NODE_H
#define VARVE_STORAGE_NODE_H

#include <string.h>

#include "base/atomics.h"
#include "base/bytes.h"
#include "os/os.h"
#include "storage/storage_int.h"

/* A key that belongs to a node: a separator. */
struct vst_sep {
    uint32_t size;
    uint8_t bytes[];
};
static inline varve_slice vst_sep_key(const struct vst_sep *sep) { return VARVE_SLICE(sep->bytes, sep->size); }

/* low <= keys < high; a NULL bound is open. */
struct vst_fences {
    uint32_t low_size, high_size;
    bool low_open, high_open;
    uint8_t bytes[]; /* low, then high */
};
static inline varve_slice vst_fence_low(const struct vst_fences *f) {
    return f->low_open ? VARVE_SLICE(NULL, 0) : VARVE_SLICE(f->bytes, f->low_size);
}
static inline varve_slice vst_fence_high(const struct vst_fences *f) {
    return f->high_open ? VARVE_SLICE(NULL, 0) : VARVE_SLICE(f->bytes + f->low_size, f->high_size);
}

#define VST_LEAD_BYTES 32
#define VST_HEAD_NONE UINT64_MAX
struct vst_node {
    vb_aligned_line uint64_t word;
    uint64_t meta;
    struct vst_fences *fences;
    uint32_t level;  /* constant */
    uint32_t stride; /* constant */
    uint64_t lead[VST_LEAD_BYTES / 8];
    uint64_t slots[]; /* heads, ptrs, seps */
};
struct vst_leaf {
    struct vst_node node;
};

/* --- meta --------------------------------------------------------------------------------------------------------- */

static inline uint64_t vst_meta_of(unsigned count, size_t start, size_t skip) {
    return (uint64_t)count | (uint64_t)start << 16 | (uint64_t)skip << 32;
}
static inline unsigned vst_meta_count(uint64_t meta) { return (unsigned)(meta & 0xffff); }
static inline size_t vst_meta_start(uint64_t meta) { return (size_t)(meta >> 16 & 0xffff); }
static inline size_t vst_meta_skip(uint64_t meta) { return (size_t)(meta >> 32 & 0xffff); }
/* Records of a leaf, separators of an inner node (which has one child more). */
static inline unsigned vst_node_count(const struct vst_node *n) { return vst_meta_count(vb_seq_load(&n->meta)); }

/* --- slots: for readers word by word, for the latch holder too ---------------------------------------------------- */

static inline uint64_t *vst_heads(const struct vst_node *n) { return (uint64_t *)(uintptr_t)n->slots; }
static inline uint64_t *vst_ptrs(const struct vst_node *n, unsigned stride) { return vst_heads(n) + stride; }
static inline uint64_t *vst_seps(const struct vst_node *n, unsigned stride) { return vst_heads(n) + 2 * stride; }
static inline void *vst_slot_load(const uint64_t *slot) { return (void *)(uintptr_t)vb_seq_load(slot); }
static inline void vst_slot_store(uint64_t *slot, const void *p) { vb_seq_store(slot, (uint64_t)(uintptr_t)p); }

/* --- latch -------------------------------------------------------------------------------------------------------- */

#define VST_OLC_LOCKED 1u
#define VST_OLC_OBSOLETE 2u
#define VST_OLC_STEP 4u
static inline uint32_t vst_word_olc(uint64_t word) { return (uint32_t)word; }
static inline uint32_t vst_word_phantom(uint64_t word) { return (uint32_t)(word >> 32); }
static inline uint64_t vst_word_of(uint32_t olc, uint32_t phantom) { return (uint64_t)phantom << 32 | olc; }

/* Waits a little longer each time. Holders hold for some tens of cache lines and never sleep, but may be preempted. */
static inline void vst_backoff(unsigned *turns) {
    unsigned pauses = *turns < 6 ? 1u << *turns : 64;
    if (++*turns > 12) vos_thread_yield();
    for (unsigned i = 0; i < pauses; i++)
        vb_cpu_relax();
}

uint64_t vst_node_wait(const struct vst_node *node); /* until it is not locked; the word then */

/* The word of a node that is not locked (it may be OBSOLETE). */
static inline uint64_t vst_node_enter(const struct vst_node *node) {
    uint64_t word = vb_load_acquire(&node->word);
    if (vb_likely((word & VST_OLC_LOCKED) == 0)) return word;
    return vst_node_wait(node);
}
/* Nothing changed since `word` was loaded: what was read in between is one state. */
static inline bool vst_node_still(const struct vst_node *node, uint64_t word) {
    vb_fence_acquire();
    return vb_likely(vb_load_relaxed(&node->word) == word);
}
/* From a consistent look to the latch. */
static inline bool vst_node_upgrade(struct vst_node *node, uint64_t word) {
    if ((word & (VST_OLC_OBSOLETE | VST_OLC_LOCKED)) != 0 || !vb_cas(&node->word, &word, word | VST_OLC_LOCKED))
        return false;
    vb_fence_release(); /* no change of the node may be seen before the latch */
    return true;
}
/* How the latch is given back: */
static inline void vst_node_leave_same(struct vst_node *node) { /* nothing was changed */
    vb_store_release(&node->word, vb_load_relaxed(&node->word) & ~(uint64_t)VST_OLC_LOCKED);
}
static inline void vst_node_leave(struct vst_node *node, uint32_t phantoms, uint32_t flags) {
    uint64_t word = vb_load_relaxed(&node->word);
    uint32_t olc = ((uint32_t)word & ~VST_OLC_LOCKED) + VST_OLC_STEP;
    vb_store_release(&node->word, vst_word_of(olc | flags, vst_word_phantom(word) + phantoms));
}

/* --- search ------------------------------------------------------------------------------------------------------- */

static inline uint64_t vst_be64(const uint8_t *bytes) {
    uint64_t v = vb_get_u64(bytes);
    return __builtin_bswap64(v);
}
/* The head of a key; bytes behind its end count as zeros. */
static inline uint64_t vst_head(varve_slice key, size_t start) {
    const uint8_t *bytes = key.data;
    if (vb_likely(start + 8 <= key.size)) return vst_be64(bytes + start);
    if (start >= key.size) return 0;
    size_t left = key.size - start; /* 1 to 7 */
    if (key.size >= 8) return vst_be64(bytes + key.size - 8) << (64 - 8 * left);
    uint64_t head = 0;
    for (size_t i = 0; i < left; i++)
        head |= (uint64_t)bytes[start + i] << (56 - 8 * i);
    return head;
}

/* How many heads are below `head`. First which line, then where in it: no load waits for another one's outcome, and
 * the loops run as often for every node of a table. Unused heads are never below. */
static inline unsigned vst_heads_below(const uint64_t *heads, unsigned stride, uint64_t head) {
    unsigned line = 0, below = 0;
    for (unsigned i = 7; i + 8 < stride; i += 8)
        line += vb_seq_load(&heads[i]) < head;
    heads += line * 8;
    for (unsigned i = 0; i < 8; i++)
        below += vb_seq_load(&heads[i]) < head;
    return line * 8 + below;
}
/* How many of the first `count`, all that are used, are not above it. */
static inline unsigned vst_heads_upto(const uint64_t *heads, unsigned stride, unsigned count, uint64_t head) {
    return head == UINT64_MAX ? count : vst_heads_below(heads, stride, head + 1);
}

/* Order of two keys whose first `start` bytes are the same. */
static inline int vst_compare_from(varve_slice a, varve_slice b, size_t start) {
    if (vb_unlikely(a.size < start || b.size < start)) start = 0;
    return vb_compare(VARVE_SLICE((const uint8_t *)a.data + start, a.size - start),
                      VARVE_SLICE((const uint8_t *)b.data + start, b.size - start));
}

/* Where the key lies: <0 below and >0 above all keys of the node, 0: among them, its first `start` bytes are theirs. */
int vst_lead_compare(const struct vst_node *node, uint64_t meta, varve_slice key);
static inline int vst_node_side(const struct vst_node *node, uint64_t meta, varve_slice key) {
    if (vb_likely(vst_meta_start(meta) == vst_meta_skip(meta))) return 0;
    return vst_lead_compare(node, meta, key);
}

static inline void vst_prefetch_node(const struct vst_node *node, unsigned lines) {
    for (unsigned i = 0; i < lines; i++)
        __builtin_prefetch((const char *)node + i * VB_CACHE_LINE);
}

/* --- node.c: building and changing nodes, by the latch holder ----------------------------------------------------- */

/* An empty node of `level` with no fences yet; NULL when out of memory. */
struct vst_node *vst_node_create(const struct vst_table *table, struct vb_heap *heap, unsigned level);
struct vst_sep *vst_sep_create(struct vb_heap *heap, varve_slice key);
/* A NULL data pointer makes an open bound. */
struct vst_fences *vst_fences_create(struct vb_heap *heap, varve_slice low, varve_slice high);

varve_slice vst_node_key(const struct vst_node *node, unsigned i); /* of record i, or separator i */
/* Sets count, skip, start, lead and heads from the fences and the keys in place. */
void vst_node_rebuild(struct vst_node *node, unsigned count);
/* Puts a record at `pos`. There is room. */
void vst_leaf_put(struct vst_node *leaf, unsigned pos, struct vst_record *record);
void vst_leaf_take(struct vst_node *leaf, unsigned pos);
/* Puts a separator at `pos` and the child that begins there behind it. There is room. */
void vst_inner_put(struct vst_node *inner, unsigned pos, struct vst_sep *sep, struct vst_node *child);
/* Takes out separator `sep` and child `child` (= sep or sep + 1). */
void vst_inner_take(struct vst_node *inner, unsigned sep, unsigned child);

#endif
