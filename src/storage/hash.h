/* hash.h - the hash beside the index: from key to record, incomplete, for look-ups of one key.
 *
 * A table's hash is an array of buckets, one cache line each. An entry is a record's address with 15 bits of the hash of
 * its key above it; 0 is empty. A key has one bucket and any of its entries. Where a bucket is full an entry is
 * overwritten: the hash answers most look-ups and the tree all of them, so nothing here ever fails or waits.
 *
 *  H1  an entry is stored by who has, in the same read section, found the record in the index or seen it not FROZEN
 *  H2  who stores an entry looks at FROZEN once more afterwards, and takes the entry out if it is set
 *  H3  who sets FROZEN looks for entries of the record afterwards, before the record is retired
 *  H4  a FROZEN record that is met here is no answer: the tree has it
 *  H5  an entry changes by one store of a word; a store that is lost, or that empties another entry, costs a look-up of the
 *      tree and nothing else
 *
 * No entry outlives its record. Store and second look of H2, and the setting of FROZEN and the search of H3, are apart
 * by a full fence each: the search sees the entry, or the second look sees FROZEN. A record is not FROZEN as long as it
 * is in the index, so with H1 the section of whoever stores an entry began before the record was retired: after the
 * grace period that begins next, all second looks have been had. Until then a later section may still have met the entry;
 * that is why records are freed one epoch later than nodes that nothing but the tree leads to (store.c).
 * An array that is replaced is not searched by H3 any more, and not needed: whoever still reads it is in a section
 * that began before the record was retired. An entry that is stored into a new array, which a searcher did not see, was
 * stored behind the searcher's fence, so its second look finds FROZEN.
 *
 * A record that is not FROZEN is in the index, so an answer is as good as the tree's at the moment FROZEN was looked at.
 * Absence is never answered here: it needs a leaf with its counter.
 *
 * Sources: Fan, Andersen, Kaminsky, MemC3: Compact and Concurrent MemCache with Dumber Caching and Smarter Hashing,
 * NSDI 2013 (buckets of one line, tags); MySQL's adaptive hash index (a hash over a tree that holds what was looked up);
 * Mao, Kohler, Morris, Cache Craftiness for Fast Multicore Key-Value Storage (Masstree), EuroSys 2012 (what a tree's
 * misses cost); Wang Yi, wyhash (folded multiplication). Departures: no displacement, entries are lost instead.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_STORAGE_HASH_H
#define VARVE_STORAGE_HASH_H

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "base/bytes.h"
#include "base/planted.h"
#include "base/seqcopy.h"
#include "storage/storage_int.h"
#include "storage/tree.h"

#define VST_WAYS 8u
#define VST_POINTER_BITS 48

struct vst_bucket {
    vb_aligned_line uint64_t entries[VST_WAYS]; /* atomic */
};
struct vst_hash {
    vb_aligned_line uint64_t bucket_count; /* below 2^32 */
    struct vst_bucket buckets[];
};

/* --- hashing ------------------------------------------------------------------------------------------------------ */

__extension__ typedef unsigned __int128 vst_u128;

static inline uint64_t vst_fold(uint64_t a, uint64_t b) {
    vst_u128 product = (vst_u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t vst_hash_words(uint64_t first, uint64_t last, size_t size) {
    uint64_t h = vst_fold(first ^ UINT64_C(0xa0761d6478bd642f), last ^ UINT64_C(0xe7037ed1a0b428db) ^ size);
    return vst_fold(h ^ UINT64_C(0x8ebc6af09c88c6e3), UINT64_C(0x589965cc75374cc3));
}

/* Depends on all bytes of the key; of no value outside this process. */
static inline uint64_t vst_hash_key(varve_slice key) {
    const uint8_t *bytes = key.data;
    if (vb_likely(key.size - 8 <= 8))
        return vst_hash_words(vb_get_u64(bytes), vb_get_u64(bytes + key.size - 8), key.size);
    if (key.size > 16) return vb_hash64(bytes, key.size, 0);
    if (key.size >= 4) return vst_hash_words(vb_get_u32(bytes), vb_get_u32(bytes + key.size - 4), key.size);
    if (key.size == 0) return 0;
    return vst_hash_words((uint64_t)bytes[0] << 16 | (uint64_t)bytes[key.size / 2] << 8 | bytes[key.size - 1], 0,
                          key.size);
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

/* The upper half of a hash chooses the bucket, the lower bits are the tag, whose highest bit is set: no entry is 0. */
static inline struct vst_bucket *vst_hash_bucket(const struct vst_hash *hash, uint64_t h) {
    return (struct vst_bucket *)(uintptr_t)&hash->buckets[(h >> 32) * hash->bucket_count >> 32];
}
static inline uint64_t vst_entry_tag(uint64_t h) { return h << VST_POINTER_BITS | UINT64_C(1) << 63; }
static inline struct vst_record *vst_entry_record(uint64_t entry) {
    return (struct vst_record *)(uintptr_t)(entry & ((UINT64_C(1) << VST_POINTER_BITS) - 1));
}

/* Bit i: entry i has the tag, or had it a moment ago; an empty one may count as well. */
static inline unsigned vst_bucket_hits(const struct vst_bucket *bucket, uint64_t h) {
#if VB_SEQ_WIDE
    __m128i tag = _mm_set1_epi16((short)(h & 0x7fff)), tags[4];
    for (unsigned i = 0; i < 4; i++) { /* fifteen bits each: the highest tells only that there is an entry */
        __m128i two = _mm_load_si128((const __m128i *)(const void *)&bucket->entries[2 * i]);
        tags[i] = _mm_srli_epi64(_mm_slli_epi64(two, 1), 49);
    }
    __m128i all = _mm_packs_epi32(_mm_packs_epi32(tags[0], tags[1]), _mm_packs_epi32(tags[2], tags[3]));
    return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(_mm_cmpeq_epi16(all, tag), _mm_setzero_si128()));
#else
    uint64_t tag = vst_entry_tag(h);
    unsigned hits = 0;
    for (unsigned i = 0; i < VST_WAYS; i++)
        hits |= (unsigned)((vb_load_relaxed(&bucket->entries[i]) ^ tag) >> VST_POINTER_BITS == 0) << i;
    return hits;
#endif
}
static inline struct vst_record *vst_bucket_record(const struct vst_bucket *bucket, unsigned i) {
    return vst_entry_record(vb_load_acquire(&bucket->entries[i])); /* pairs with the store of vst_hash_put */
}
/* A record's header, key and a short value. */
static inline void vst_prefetch_record(const struct vst_record *record) {
    for (unsigned line = 0; line < 3; line++) __builtin_prefetch((const char *)record + line * VB_CACHE_LINE);
}

/* The record with this key among the entries in `hits`, or NULL. In a read section. */
static inline struct vst_record *vst_bucket_find(const struct vst_table *table, const struct vst_bucket *bucket,
                                                 unsigned hits, varve_slice key) {
    for (; hits != 0; hits &= hits - 1) {
        struct vst_record *record = vst_bucket_record(bucket, (unsigned)__builtin_ctz(hits));
        if (record == NULL) continue; /* taken out meanwhile */
        vst_prefetch_record(record);
        if (!vst_key_is(record, key)) continue;
        VK_YIELD(table->store->domain, hash_found);
        if ((vb_load_acquire(&record->tid) & VST_FROZEN) == 0 || VB_PLANTED(112)) return record;
    }
    return NULL;
}

/* --- hash.c ------------------------------------------------------------------------------------------------------- */

/* Stores an entry for a record that this read section has found in the index by its key, whose hash is h. */
void vst_hash_put(const struct vst_table *table, const struct vst_hash *hash, uint64_t h, struct vst_record *record);
/* The record is FROZEN and about to be retired. In a read section. */
void vst_hash_take(const struct vst_table *table, const struct vst_record *record);

/* An empty array for a table with `leaves` leaves; NULL when out of memory. */
struct vst_hash *vst_hash_create(const struct vst_table *table, struct vb_heap *heap, int64_t leaves);
/* Tells the janitor if the array does not fit the table. In a read section. */
void vst_hash_ask(struct vst_table *table);
/* The tree had to be asked for this record: puts it into the array (NULL: there is none) and asks for one that fits. */
void vst_hash_learn(struct vst_table *table, const struct vst_hash *hash, uint64_t h, struct vst_record *record);
/* Gives tables an array that fits them, where one was asked for and there is memory for it. Janitor only. */
void vst_hash_tend(struct vst_store *store);

#endif
