/* node.c - building and changing one node of the index.
 *
 * Owns the bytes of a node. Thread rule: the latch holder, or whoever has made the node and not published it; only
 * vst_node_wait and vst_lead_compare are for readers. Nothing here fails once a node has its memory.
 * Invariants: N1 to N7 in node.h, and
 *   1. start is skip, or at least GAIN_LEAST above it: a short lead would cost every search a branch that is hard to
 *      predict, and gain little.
 *
 * SPDX-License-Identifier: MIT
 */
#include "storage/tree.h"

#include "base/check.h"

#define GAIN_LEAST 4u

uint64_t vst_node_wait(const struct vst_node *node) {
    unsigned turns = 0;
    for (;;) {
        uint64_t word = vb_load_acquire(&node->word);
        if ((word & VST_OLC_LOCKED) == 0) return word;
        vst_backoff(&turns);
    }
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

struct vst_node *vst_node_create(const struct vst_table *table, struct vb_heap *heap, unsigned level) {
    uint32_t stride = level == 0 ? table->leaf_stride : table->inner_stride;
    size_t words = (size_t)stride * (level == 0 ? 2 : 3);
    struct vst_node *node = vst_node_alloc(heap, sizeof(*node) + words * 8);
    if (node == NULL) return NULL;
    memset(node, 0, sizeof(*node) + words * 8);
    node->level = level;
    node->stride = stride;
    for (unsigned i = 0; i < stride; i++)
        node->slots[i] = VST_HEAD_NONE;
    return node;
}

struct vst_sep *vst_sep_create(struct vb_heap *heap, varve_slice key) {
    struct vst_sep *sep = vst_node_alloc(heap, sizeof(*sep) + key.size);
    if (sep == NULL) return NULL;
    sep->size = (uint32_t)key.size;
    memcpy(sep->bytes, key.data, key.size);
    return sep;
}

struct vst_fences *vst_fences_create(struct vb_heap *heap, varve_slice low, varve_slice high) {
    struct vst_fences *f = vst_node_alloc(heap, sizeof(*f) + low.size + high.size);
    if (f == NULL) return NULL;
    f->low_open = low.data == NULL;
    f->high_open = high.data == NULL;
    f->low_size = (uint32_t)low.size;
    f->high_size = (uint32_t)high.size;
    if (low.size != 0) memcpy(f->bytes, low.data, low.size);
    if (high.size != 0) memcpy(f->bytes + low.size, high.data, high.size);
    return f;
}

/* --- start, lead and heads ---------------------------------------------------------------------------------------- */

static size_t common_bytes(varve_slice a, varve_slice b, size_t limit) {
    const uint8_t *x = a.data, *y = b.data;
    size_t n = a.size < b.size ? a.size : b.size, i = 0;
    if (n > limit) n = limit;
    while (i < n && x[i] == y[i])
        i++;
    return i;
}

static size_t skip_of(const struct vst_fences *f) {
    if (f->low_open || f->high_open) return 0;
    return common_bytes(vst_fence_low(f), vst_fence_high(f), UINT16_MAX);
}

static size_t start_of(size_t skip, size_t common) { return common >= skip + GAIN_LEAST ? common : skip; }

static void lead_load(const struct vst_node *node, uint8_t *lead) {
    for (unsigned i = 0; i < VST_LEAD_BYTES / 8; i++) {
        uint64_t word = vb_seq_load(&node->lead[i]);
        memcpy(lead + 8 * i, &word, 8);
    }
}

/* Keeps bytes skip .. start of a key that is, or will be, in the node. */
static void lead_store(struct vst_node *node, varve_slice key, size_t skip, size_t start) {
    uint8_t lead[VST_LEAD_BYTES] = {0};
    memcpy(lead, (const uint8_t *)key.data + skip, start - skip);
    for (unsigned i = 0; i < VST_LEAD_BYTES / 8; i++) {
        uint64_t word;
        memcpy(&word, lead + 8 * i, 8);
        vb_seq_store(&node->lead[i], word);
    }
}

int vst_lead_compare(const struct vst_node *node, uint64_t meta, varve_slice key) {
    size_t skip = vst_meta_skip(meta), bytes = vst_meta_start(meta) - skip;
    uint8_t lead[VST_LEAD_BYTES];
    lead_load(node, lead);
    if (bytes > VST_LEAD_BYTES || key.size < skip) return 0; /* a torn look, which will be found out */
    size_t have = key.size - skip < bytes ? key.size - skip : bytes;
    int order = have != 0 ? memcmp((const uint8_t *)key.data + skip, lead, have) : 0;
    if (order != 0) return order;
    return have < bytes ? -1 : 0;
}

varve_slice vst_node_key(const struct vst_node *node, unsigned i) {
    if (node->level == 0) return vst_record_key(vst_slot_load(&vst_ptrs(node, node->stride)[i]));
    return vst_sep_key(vst_slot_load(&vst_seps(node, node->stride)[i]));
}

void vst_node_rebuild(struct vst_node *node, unsigned count) {
    size_t skip = skip_of(vb_seq_load(&node->fences)), start = skip;
    if (count != 0) {
        varve_slice first = vst_node_key(node, 0), last = vst_node_key(node, count - 1);
        start = start_of(skip, common_bytes(first, last, skip + VST_LEAD_BYTES));
        lead_store(node, first, skip, start);
    }
    uint64_t *heads = vst_heads(node);
    for (unsigned i = 0; i < count; i++)
        vb_seq_store(&heads[i], vst_head(vst_node_key(node, i), start));
    for (unsigned i = count; i < node->stride; i++)
        vb_seq_store(&heads[i], VST_HEAD_NONE);
    vb_seq_store(&node->meta, vst_meta_of(count, start, skip));
}

/* Heads that begin `back` bytes earlier: those bytes come from the lead, the rest from the old heads. */
static void heads_back(struct vst_node *node, unsigned count, size_t skip, size_t from, size_t start) {
    uint8_t lead[VST_LEAD_BYTES];
    lead_load(node, lead);
    size_t back = from - start;
    varve_slice taken = VARVE_SLICE(lead + (start - skip), back);
    uint64_t front = vst_head(taken, 0), *heads = vst_heads(node);
    for (unsigned i = 0; i < count; i++)
        vb_seq_store(&heads[i], back >= 8 ? front : front | vb_seq_load(&heads[i]) >> (8 * back));
}

/* Makes the node's start fit `key` as well, and returns it. */
static size_t admit(struct vst_node *node, varve_slice key) {
    uint64_t meta = vb_seq_load(&node->meta);
    size_t skip = vst_meta_skip(meta), start = vst_meta_start(meta), fits = start;
    unsigned count = vst_meta_count(meta);
    if (count == 0) {
        size_t most = key.size - skip < VST_LEAD_BYTES ? key.size - skip : VST_LEAD_BYTES;
        fits = start_of(skip, skip + most);
        lead_store(node, key, skip, fits);
    } else if (start != skip) {
        uint8_t lead[VST_LEAD_BYTES];
        lead_load(node, lead);
        varve_slice rest = VARVE_SLICE((const uint8_t *)key.data + skip, key.size - skip);
        size_t common = common_bytes(rest, VARVE_SLICE(lead, start - skip), VST_LEAD_BYTES);
        if (common == start - skip) return start;
        fits = start_of(skip, skip + common);
        heads_back(node, count, skip, start, fits);
    }
    vb_seq_store(&node->meta, vst_meta_of(count, fits, skip));
    return fits;
}

/* --- slots -------------------------------------------------------------------------------------------------------- */

/* Moves slots[from .. count) by one place, up or down. */
static void shift_up(uint64_t *slots, unsigned from, unsigned count) {
    for (unsigned i = count; i > from; i--)
        vb_seq_store(&slots[i], vb_seq_load(&slots[i - 1]));
}
static void shift_down(uint64_t *slots, unsigned from, unsigned count) {
    for (unsigned i = from; i + 1 < count; i++)
        vb_seq_store(&slots[i], vb_seq_load(&slots[i + 1]));
}

static void set_count(struct vst_node *node, unsigned count) {
    uint64_t meta = vb_seq_load(&node->meta);
    vb_seq_store(&node->meta, vst_meta_of(count, vst_meta_start(meta), vst_meta_skip(meta)));
}

void vst_leaf_put(struct vst_node *leaf, unsigned pos, struct vst_record *record) {
    unsigned count = vst_node_count(leaf);
    uint64_t *heads = vst_heads(leaf), *ptrs = vst_ptrs(leaf, leaf->stride);
    VB_ASSERT(leaf->level == 0 && count < leaf->stride && pos <= count);
    varve_slice key = vst_record_key(record);
    size_t start = admit(leaf, key);
    shift_up(heads, pos, count);
    shift_up(ptrs, pos, count);
    vb_seq_store(&heads[pos], vst_head(key, start));
    vst_slot_store(&ptrs[pos], record);
    set_count(leaf, count + 1);
}

void vst_leaf_take(struct vst_node *leaf, unsigned pos) {
    unsigned count = vst_node_count(leaf);
    VB_ASSERT(leaf->level == 0 && pos < count);
    shift_down(vst_heads(leaf), pos, count);
    shift_down(vst_ptrs(leaf, leaf->stride), pos, count);
    vb_seq_store(&vst_heads(leaf)[count - 1], VST_HEAD_NONE);
    set_count(leaf, count - 1);
}

void vst_inner_put(struct vst_node *inner, unsigned pos, struct vst_sep *sep, struct vst_node *child) {
    unsigned count = vst_node_count(inner);
    uint64_t *heads = vst_heads(inner), *ptrs = vst_ptrs(inner, inner->stride), *seps = vst_seps(inner, inner->stride);
    VB_ASSERT(inner->level != 0 && count + 1 < inner->stride && pos <= count);
    size_t start = admit(inner, vst_sep_key(sep));
    shift_up(heads, pos, count);
    shift_up(seps, pos, count);
    shift_up(ptrs, pos + 1, count + 1);
    vb_seq_store(&heads[pos], vst_head(vst_sep_key(sep), start));
    vst_slot_store(&seps[pos], sep);
    vst_slot_store(&ptrs[pos + 1], child);
    set_count(inner, count + 1);
}

void vst_inner_take(struct vst_node *inner, unsigned sep, unsigned child) {
    unsigned count = vst_node_count(inner);
    VB_ASSERT(inner->level != 0 && sep < count && child <= count);
    shift_down(vst_heads(inner), sep, count);
    shift_down(vst_seps(inner, inner->stride), sep, count);
    shift_down(vst_ptrs(inner, inner->stride), child, count + 1);
    vb_seq_store(&vst_heads(inner)[count - 1], VST_HEAD_NONE);
    set_count(inner, count - 1);
}
