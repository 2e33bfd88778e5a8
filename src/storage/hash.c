/* hash.c - the hash beside the index: storing and taking out entries, and the size of the array.
 *
 * Owns the arrays. Thread rule: put and take by any thread in a read section, tend by the janitor.
 * Invariants: H1 to H5 in hash.h, and
 *   1. table->hash is replaced under the store's mutex, and only while the table is in tables[]: whoever destroys the
 *      table takes the array with it.
 *   2. A new array is empty and fills as look-ups come to the tree. An array that was replaced is retired like a node.
 * Sizes go by the number of leaves, which changes seldom: nothing is counted for each record. A larger one is asked for
 * by look-ups that had to go to the tree: where rows are only loaded there is no array, and the first has the right size.
 *
 * Sources: see hash.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "storage/hash.h"

#include "base/check.h"
#include "storage/storage.h"

/* --- entries ------------------------------------------------------------------------------------------------------ */

static void empty(struct vst_bucket *bucket, uint64_t entry) {
    for (unsigned i = 0; i < VST_WAYS; i++)
        if (vb_load_relaxed(&bucket->entries[i]) == entry) vb_store_relaxed(&bucket->entries[i], 0);
}

void vst_hash_put(const struct vst_table *table, const struct vst_hash *hash, uint64_t h, struct vst_record *record) {
    uint64_t entry = vst_entry_tag(h) | (uint64_t)(uintptr_t)record;
    if (vb_unlikely(vst_entry_record(entry) != record)) return; /* an address of more bits than there is room for */
    struct vst_bucket *bucket = vst_hash_bucket(hash, h);
    unsigned way = (unsigned)(h >> 16) % VST_WAYS;
    for (unsigned i = 0; i < VST_WAYS; i++) {
        uint64_t there = vb_load_relaxed(&bucket->entries[i]);
        if (there == entry) return;
        if (there == 0) way = i;
    }
    vb_store_seq_cst(&bucket->entries[way], entry); /* H2: before the second look, also for all others */
    VK_YIELD(table->store->domain, hash_stored);
    if (vb_unlikely((vb_load_seq_cst(&record->tid) & VST_FROZEN) != 0) && !VB_PLANTED(111)) empty(bucket, entry);
}

void vst_hash_take(const struct vst_table *table, const struct vst_record *record) {
    VK_YIELD(table->store->domain, gc_hash);
    vb_fence_seq_cst(); /* H3: between FROZEN and the search */
    const struct vst_hash *hash = vb_load_acquire(&table->hash);
    if (hash == NULL || VB_PLANTED(110)) return;
    uint64_t h = vst_hash_key(vst_record_key(record));
    empty(vst_hash_bucket(hash, h), vst_entry_tag(h) | (uint64_t)(uintptr_t)record);
}

/* --- the array ---------------------------------------------------------------------------------------------------- */

/* How many rows there is to be room for: as many as the leaves have. */
static uint64_t rows_of(const struct vst_table *table, int64_t leaves) { return (uint64_t)leaves * table->leaf_fanout; }

static uint64_t least_of(const struct vst_table *table) { return table->store->domain->limits.hash_least; }

/* Five entries for four rows that the leaves have room for, so that a little more than half are used where rows came in any
 * order. More room would lose fewer entries, but miss the cache more often, and that costs more. */
struct vst_hash *vst_hash_create(const struct vst_table *table, struct vb_heap *heap, int64_t leaves) {
    uint64_t rows = rows_of(table, leaves) > least_of(table) ? rows_of(table, leaves) : least_of(table);
    uint64_t count = (rows + rows / 4 + VST_WAYS - 1) / VST_WAYS;
    if (count > UINT32_MAX) count = UINT32_MAX;
    size_t size = sizeof(struct vst_hash) + count * sizeof(struct vst_bucket);
    struct vst_hash *hash = vst_node_alloc(heap, size);
    if (hash == NULL) return NULL;
    memset(hash, 0, size);
    hash->bucket_count = count;
    return hash;
}

/* Is there no array yet, has the table outgrown it, or is it much too large? In a read section, or the janitor. */
static bool misfit(const struct vst_table *table, int64_t leaves) {
    const struct vst_hash *hash = vb_load_acquire(&table->hash);
    uint64_t rows = rows_of(table, leaves), least = least_of(table);
    if (hash == NULL) return rows > least;
    uint64_t entries = hash->bucket_count * VST_WAYS;
    if (rows > entries) return hash->bucket_count < UINT32_MAX;
    return rows < entries / 16 && least < entries / 16;
}

void vst_hash_ask(struct vst_table *table) {
    if (vb_likely(!misfit(table, vb_load_relaxed(&table->leaves)))) return;
    if (vb_load_relaxed(&table->store->hash_asked) == 0) vb_store_relaxed(&table->store->hash_asked, 1);
}

void vst_hash_learn(struct vst_table *table, const struct vst_hash *hash, uint64_t h, struct vst_record *record) {
    if (vb_likely(hash != NULL)) vst_hash_put(table, hash, h, record);
    vst_hash_ask(table);
}

/* Only the janitor frees what is retired, so the table stays while it is at work here. */
static void resize(struct vst_store *store, struct vst_table *table) {
    int64_t leaves = vb_load_relaxed(&table->leaves);
    if (!misfit(table, leaves)) return;
    struct vst_hash *hash = vst_hash_create(table, store->domain->janitor_heap, leaves);
    if (hash == NULL) return;
    vos_mutex_lock(&store->mutex);
    struct vst_hash *old = table->hash;
    bool live = store->tables[table->slot] == table;
    if (live) vb_store_release(&table->hash, hash);
    vos_mutex_unlock(&store->mutex);
    if (!live)
        vst_node_free(store->domain->janitor_heap, hash);
    else if (old != NULL)
        vst_retire(store, old);
}

void vst_hash_tend(struct vst_store *store) {
    if (vb_load_relaxed(&store->hash_asked) == 0) return;
    vb_store_relaxed(&store->hash_asked, 0);
    for (unsigned slot = 1; slot <= VK_TABLES_MAX; slot++) {
        struct vst_table *table = vst_table_at(store, slot);
        if (table != NULL) resize(store, table);
    }
}
