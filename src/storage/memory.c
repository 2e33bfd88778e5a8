/* memory.c - records, nodes and blobs as pieces of memory: made, freed, retired, queued for the purge.
 *
 * Owns the hidden header in front of each. Thread rule: any thread; a heap by its owner.
 * Invariants
 *   1. Whoever sets the first of QUEUED and RETIRED puts the object into the list that goes with it; a retired object
 *      that is still queued is moved by the janitor, who takes it from the queue.
 *   2. The janitor clears QUEUED before it looks for the last time whether the record is a ghost; who makes a ghost
 *      stores the tid before it sets QUEUED: one of the two sees the other, and no ghost is lost.
 *
 * SPDX-License-Identifier: MIT
 */
#include "storage/storage_int.h"

#include "storage/version_int.h"

#define KIND_SHIFT 48
#define BYTES_MASK (((uint64_t)1 << KIND_SHIFT) - 1)

static uint64_t word_of(enum vst_kind kind, size_t bytes) { return (uint64_t)kind << KIND_SHIFT | bytes; }
static enum vst_kind kind_of(uint64_t word) { return (enum vst_kind)(word >> KIND_SHIFT & 0xff); }

static void *hide(struct vst_hidden *hidden, enum vst_kind kind, size_t bytes) {
    hidden->next = NULL;
    hidden->word = word_of(kind, bytes);
    return hidden + 1;
}

static struct vst_stripe *stripe_of(struct vst_store *store, const struct vb_heap *heap) {
    return &store->stripes[((uintptr_t)heap >> 6) % VST_STRIPES];
}

/* --- nodes and blobs --------------------------------------------------------------------------------------------- */

void *vst_node_alloc(struct vb_heap *heap, size_t size) {
    uint8_t *line = vb_heap_alloc_line(heap, VB_CACHE_LINE + size);
    if (line == NULL) return NULL;
    return hide((struct vst_hidden *)(void *)(line + VB_CACHE_LINE) - 1, VST_NODE, size);
}

void vst_node_free(struct vb_heap *heap, void *node) {
    size_t size = vst_hidden_of(node)->word & BYTES_MASK;
    vb_heap_free_line(heap, (uint8_t *)node - VB_CACHE_LINE, VB_CACHE_LINE + size);
}

int vst_blob_create(struct vb_heap *heap, varve_slice value, void **blob) {
    size_t bytes = sizeof(struct vst_blob) + value.size;
    struct vst_hidden *hidden = vb_heap_alloc(heap, sizeof(*hidden) + bytes);
    if (hidden == NULL) return VARVE_NOMEM;
    struct vst_blob *b = hide(hidden, VST_BLOB_BYTES, bytes);
    b->size = value.size;
    if (value.size != 0) memcpy(b->bytes, value.data, value.size);
    *blob = b;
    return VARVE_OK;
}

void vst_blob_free(struct vb_heap *heap, void *blob) {
    if (blob == NULL) return;
    struct vst_hidden *hidden = vst_hidden_of(blob);
    vb_heap_free(heap, hidden, sizeof(*hidden) + (hidden->word & BYTES_MASK));
}

/* --- records ----------------------------------------------------------------------------------------------------- */

size_t vst_record_bytes(const struct vst_record *record) {
    uint64_t len = vb_load_relaxed(&record->len);
    return (size_t)((uint8_t *)vst_value_words(record) - (uint8_t *)record) + vst_len_capacity(len) + VST_SHORTCUT_BYTES;
}

static uint64_t make_len(size_t key_bytes, size_t capacity, unsigned table_slot) {
    return (uint64_t)key_bytes | (uint64_t)(capacity / 8) << 40 | (uint64_t)table_slot << 52;
}

struct vst_record *vst_record_create(struct vst_table *table, struct vb_heap *heap, varve_slice key, size_t value_bytes,
                                     unsigned writer) {
    VB_ASSERT(key.size <= VARVE_KEY_MAX_BYTES);
    size_t padded = (key.size + 7) & ~(size_t)7, capacity = (value_bytes + 7) & ~(size_t)7;
    if (capacity < 8) capacity = 8;
    if (capacity > VK_INLINE_BYTES) capacity = VK_INLINE_BYTES;
    size_t bytes = sizeof(struct vst_record) + padded + capacity + VST_SHORTCUT_BYTES;
    struct vst_hidden *hidden = vb_heap_alloc(heap, sizeof(*hidden) + bytes);
    if (hidden == NULL) return NULL;
    struct vst_record *record = hide(hidden, VST_RECORD, bytes);
    record->tid = VST_GHOST;
    record->lk = vst_lk_of(writer);
    record->head = NULL;
    record->len = make_len(key.size, capacity, vst_table_slot(table));
    record->gap = 0;
    *vst_shortcut(record) = NULL;
    memset(record->key + key.size, 0, padded - key.size);
    if (key.size != 0) {
        memcpy(record->key, key.data, key.size);
        vb_add_relaxed(&stripe_of(vst_table_store(table), heap)->linked, 1);
    }
    return record;
}

static void free_record(struct vb_heap *heap, struct vst_record *record) {
    if ((record->tid & VST_BLOB) != 0) vst_blob_free(heap, (void *)(uintptr_t)*vst_value_words(record));
    struct vst_hidden *hidden = vst_hidden_of(record);
    vb_heap_free(heap, hidden, sizeof(*hidden) + (hidden->word & BYTES_MASK));
}

/* The sentinel of a table has no key and is not counted. */
static void uncount(struct vst_stripe *stripe, const struct vst_record *record) {
    if (vst_key_bytes(record) == 0) return;
    vb_add_relaxed(&stripe->linked, -1);
    if ((vb_load_relaxed(&record->tid) & VST_GHOST) == 0) vb_add_relaxed(&stripe->live, -1);
}

void vst_record_free(struct vst_table *table, struct vb_heap *heap, struct vst_record *record) {
    uncount(stripe_of(vst_table_store(table), heap), record);
    free_record(heap, record);
}

bool vst_fits_inline(const struct vst_record *record, size_t value_bytes) {
    return value_bytes <= vst_len_capacity(vb_load_relaxed(&record->len));
}

void vst_count_live(struct vst_store *store, const struct vb_heap *heap, int64_t delta) {
    vb_add_relaxed(&stripe_of(store, heap)->live, delta);
}

/* --- the two lists ----------------------------------------------------------------------------------------------- */

static void push(struct vst_hidden **stack, struct vst_hidden *hidden) {
    struct vst_hidden *top = vb_load_relaxed(stack);
    do {
        hidden->next = top;
    } while (!vb_cas(stack, &top, hidden));
}

void vst_retire(struct vst_store *store, void *object) {
    struct vst_hidden *hidden = vst_hidden_of(object);
    uint64_t before = vb_or_acq_rel(&hidden->word, VST_HIDDEN_RETIRED);
    VB_ASSERT((before & VST_HIDDEN_RETIRED) == 0);
    if (kind_of(before) == VST_RECORD) uncount(&store->stripes[0], object);
    if ((before & VST_HIDDEN_QUEUED) == 0) push(&store->retired, hidden);
}

void vst_ghost_note(struct vst_table *table, struct vst_record *record) {
    struct vst_hidden *hidden = vst_hidden_of(record);
    uint64_t before = vb_or_acq_rel(&hidden->word, VST_HIDDEN_QUEUED);
    if ((before & (VST_HIDDEN_QUEUED | VST_HIDDEN_RETIRED)) == 0) push(&vst_table_store(table)->ghosts, hidden);
}

bool vst_hidden_unqueue(struct vst_store *store, struct vst_hidden *hidden) {
    uint64_t before = vb_and_acq_rel(&hidden->word, ~VST_HIDDEN_QUEUED);
    if ((before & VST_HIDDEN_RETIRED) == 0) return true;
    push(&store->retired, hidden);
    return false;
}

void vst_hidden_free(struct vb_heap *heap, struct vst_hidden *hidden) {
    switch (kind_of(hidden->word)) {
    case VST_RECORD: free_record(heap, (struct vst_record *)(void *)(hidden + 1)); break;
    case VST_NODE: vst_node_free(heap, hidden + 1); break;
    case VST_BLOB_BYTES: vst_blob_free(heap, hidden + 1); break;
    }
}
