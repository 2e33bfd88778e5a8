/* storage.h - the face of the hot tier: tables, look-up, ordered portions, ghosts, install, purge.
 *
 * Read sections: vst_lookup, vst_portion_read, vst_successor and vst_insert_ghost are called inside one (os/rcu.h). Records
 * and leaves they return stay valid, though perhaps FROZEN or obsolete, until the transaction's pin is dropped. Nothing
 * here waits except bounded latch spins.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_STORAGE_STORAGE_H
#define VARVE_STORAGE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "core/domain.h"
#include "storage/record.h"
#include "varve.h"

struct vst_store; /* all tables of one database */
struct vst_table; /* one B+tree */
struct vst_leaf;
struct vst_node;
struct vst_fences;

/* --- store and tables (rare; the caller serialises them) ------------------------------------------------------- */

int vst_store_open(struct vk_domain *domain, struct vst_store **store);
void vst_store_close(struct vst_store *store); /* no transaction is open: frees every table, record and version */
/* A new empty table under disk id `id` with a free table slot. FULL: VK_TABLES_MAX are live. */
int vst_table_create(struct vst_store *store, uint32_t id, const char *name, struct vst_table **table);
/* Unlinks the table; its memory goes when no transaction and no section can hold it (drain gate held by the caller). */
void vst_table_destroy(struct vst_store *store, struct vst_table *table);
uint32_t vst_table_id(const struct vst_table *table);
const char *vst_table_name(const struct vst_table *table);
struct vst_table *vst_table_at(struct vst_store *store, unsigned table_slot);

/* --- look-up ---------------------------------------------------------------------------------------------------- */

struct vst_found {
    struct vst_record *record; /* live or ghost; NULL: no such key in the index */
    struct vst_leaf *leaf;     /* where it is or would be */
    uint32_t phantom;          /* the leaf's phantom counter, from the same consistent look */
};
void vst_lookup(struct vst_table *table, varve_slice key, struct vst_found *found);
/* The same, but for a key that is there the leaf may be NULL: whoever wants only the record gets it sooner. near: a leaf of
 * this table that was found under the same pin and is tried before a descent, or NULL. */
void vst_find(struct vst_table *table, varve_slice key, const struct vst_leaf *near, struct vst_found *found);
/* As vst_find for several keys, whose cache misses overlap. Arrays of [count]. */
void vst_lookup_many(struct vst_table *table, const varve_slice *keys, struct vst_found *found, size_t count);

/* True: the leaf is not obsolete and no key was linked to it or unlinked from it, nor was it split, since `phantom`. */
bool vst_phantom_same(const struct vst_leaf *leaf, uint32_t phantom);
#ifdef VARVE_PLANTED
uint32_t vst_phantom_now(const struct vst_leaf *leaf);
#else
#define vst_phantom_now(leaf) 0
#endif

/* --- ordered access, one leaf at a time -------------------------------------------------------------------------- */

#define VST_PORTION_MAX 64
enum vst_direction { VST_FORWARD = 1, VST_REVERSE = -1 };
struct vst_portion {
    struct vst_leaf *leaf;
    uint32_t phantom;
    uint32_t olc;                 /* the leaf's latch version, for vst_leaf_same */
    unsigned count;
    enum vst_direction direction;
    struct vst_record *records[VST_PORTION_MAX]; /* [count], in the direction asked: live records and ghosts */
    const struct vst_fences *fences; /* of the leaf */
    /* Where the descent came from, for vst_portion_next: the leaf's parent, its word, and which child the leaf is. */
    const struct vst_node *parent; /* NULL: the leaf is the root */
    uint64_t parent_word;
    unsigned child;
};
/* One leaf's records from `from` on: FORWARD keys >= from (> from when strict) up to the leaf's high fence; REVERSE keys
 * <= from (< when strict) down to its low fence. from.data NULL: the open end. An empty portion with a fence is possible.
 * Consistent: the records, phantom, olc and fences are of one moment. */
void vst_portion_read(struct vst_table *table, varve_slice from, bool strict, enum vst_direction direction,
                      struct vst_portion *portion);
/* Where the next portion begins; {NULL, 0} when this is the last leaf's. The next portion: FORWARD from = fence, not strict;
 * REVERSE from = fence, strict. Its bytes stay as long as records do: within the caller's pin, or this section. */
varve_slice vst_portion_fence(const struct vst_portion *portion);
/* The portion behind `before`, which was read under the same pin, or in this section; cheaper than a descent. The two may
 * be one. False: `before` was the last leaf's. */
bool vst_portion_next(struct vst_table *table, const struct vst_portion *before, struct vst_portion *portion);
/* Starts loading the portion's first records, `count` at most, and its fences; and the leaf behind it. */
void vst_portion_prefetch(const struct vst_portion *portion, unsigned count);
void vst_portion_prefetch_next(const struct vst_table *table, const struct vst_portion *portion);
/* True: nothing at all has changed in the leaf since `olc` (not even latched now). */
bool vst_leaf_same(const struct vst_leaf *leaf, uint32_t olc);
/* The first record with key >= `key` (> when strict), ghosts included; the table's +inf sentinel when there is none. The
 * sentinel is a record without key bytes that is in no leaf; its gap word guards the gap above the last key. */
struct vst_record *vst_successor(struct vst_table *table, varve_slice key, bool strict);
struct vst_record *vst_sentinel(struct vst_table *table);

/* --- new keys ---------------------------------------------------------------------------------------------------- */

struct vst_inserted {
    struct vst_record *record;  /* new ghost, or the record that was there */
    struct vst_leaf *leaf;      /* OK: the leaf it was linked to, with its counter before and after */
    uint32_t phantom_before, phantom_after;
};
/* Links a ghost (cts 0) with `value_bytes` of inline capacity (at most VK_INLINE_BYTES, at least 8), already locked by
 * writer slot `self`. Under the leaf latch it tests the successor's gap word: reader bits other than `own_bit_mask` refuse it.
 * The new gap word starts with the successor's bits & own_bit_mask (models: a new record splits a gap).
 * near: as for vst_find.
 * VARVE_OK; EXISTS: a record is there already (record set; not locked); BUSY: another's GS on the successor (record = the
 * successor); NOMEM. Bumps the leaf's phantom counter when the ghost is linked. A full leaf is split first. */
int vst_insert_ghost(struct vst_table *table, struct vb_heap *heap, varve_slice key, size_t value_bytes, unsigned self,
                     uint64_t own_bit_mask, const struct vst_leaf *near, struct vst_inserted *inserted);
/* An aborter takes back a ghost it linked (writer field still its own, cts 0): unlinks it and retires it, unless another holds
 * a reader bit on lk or gap; then it stays linked for the purge. Does not unlock: the caller does, afterwards, in both cases. */
void vst_remove_ghost(struct vst_table *table, struct vb_heap *heap, struct vst_record *record, uint64_t own_bit_mask);

/* --- versions ---------------------------------------------------------------------------------------------------- */

/* Per-slot version buffers: chunks of before-images, recycled whole. Owner thread only, except as said. */
struct vst_versions;
int vst_versions_open(struct vst_store *store, struct vb_heap *heap, struct vst_versions **versions);
void vst_versions_close(struct vst_versions *versions); /* store closing: frees every chunk */
/* Room for the before-image of `record`'s current value. Called with the record's writer field held, before the stamp.
 * NOMEM. The room is given back by vst_image_cancel in the reverse order of reservation (an abort after reserve). */
int vst_image_reserve(struct vst_versions *versions, const struct vst_record *record, struct vst_image **image);
void vst_image_cancel(struct vst_versions *versions, struct vst_image *image);

/* A value that does not fit inline. NOMEM. */
int vst_blob_create(struct vb_heap *heap, varve_slice value, void **blob);
void vst_blob_free(struct vb_heap *heap, void *blob); /* never installed */
bool vst_fits_inline(const struct vst_record *record, size_t value_bytes);

struct vst_change {
    struct vst_record *record;   /* writer field held by the caller */
    struct vst_image *image;     /* reserved room; NULL only for a record with cts 0 (nothing to keep) */
    bool ghost;                  /* delete */
    varve_slice value;           /* inline value, when blob is NULL and not ghost */
    void *blob;
};
/* Pushes the before-image, prunes the chain under long readers by the janitor's capture (in a read section), writes the new value
 * and its cts under the seqlock. Cannot fail. A ghost is queued for the purge. */
void vst_install(struct vst_versions *versions, const struct vst_change *change, uint64_t cts);

/* Applies one recovered or replicated change: last writer wins on cts. Any thread, any order; assumes nothing about an idle
 * database: takes the writer field as VK_SLOT_APPLIER. With `versions` no long snapshot may be open: a stamp above the clock does not
 * see a split (domain.h). NOMEM, TOOBIG. */
int vst_apply(struct vst_table *table, struct vst_versions *versions, struct vb_heap *heap, varve_slice key, varve_slice value,
              bool ghost, uint64_t cts);

/* One change of vst_apply_many. */
struct vst_logged {
    varve_slice key, value;
    bool ghost;
    uint64_t cts;
};
/* The same for several changes of one table; their look-ups overlap. `fresh`: their keys are hardly there yet, so they are
 * not looked up before they are linked. Stops at the first that fails. */
int vst_apply_many(struct vst_table *table, struct vst_versions *versions, struct vb_heap *heap,
                   const struct vst_logged *changes, size_t count, bool fresh);

/* --- the janitor -------------------------------------------------------------------------------------------------- */

struct vst_gc_stats {
    uint64_t records, ghosts, version_bytes, purged_ghosts, pruned_images, recycled_chunks;
};
/* One round after vk_janitor_round: recycles chunks, frees what is unpinned, purges ghosts (cts < min_snap, no locks, under the
 * leaf latch; sets FROZEN; bumps olc, never phantom), unlinks empty leaves. Janitor thread only. Returns true if it did anything. */
bool vst_collect(struct vst_store *store);
/* Queues a ghost that stayed linked (an aborter's, or one met by chance) for the purge. Any thread, in a read section. */
void vst_ghost_note(struct vst_table *table, struct vst_record *record);
void vst_gc_stats(struct vst_store *store, struct vst_gc_stats *stats);

#endif
