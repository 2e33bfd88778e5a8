/* storage_int.h - what the index and the versions share: the store, pieces of memory that others may still hold, and
 * the calls in both directions.
 *
 * Every record, node and blob has a hidden header in front of it, so that retiring it and queuing it for the purge need
 * no memory and cannot fail.
 *  M1  what was once reachable from a root or from a record is given up through vst_retire only, once
 *  M2  an object is in at most one list at a time: `next` belongs to that list
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_STORAGE_STORAGE_INT_H
#define VARVE_STORAGE_STORAGE_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/atomics.h"
#include "core/domain.h"
#include "os/os.h"
#include "storage/record.h"
#include "storage/storage.h"
#include "varve.h"

/* --- hidden headers ----------------------------------------------------------------------------------------------- */

enum vst_kind { VST_RECORD, VST_NODE, VST_BLOB_BYTES };
struct vst_hidden {
    struct vst_hidden *next;
    uint64_t word; /* flags 8 . kind 8 . bytes of the object 48 (low) */
};
#define VST_HIDDEN_QUEUED ((uint64_t)1 << 56)  /* waits for the purge */
#define VST_HIDDEN_RETIRED ((uint64_t)1 << 57) /* waits for its memory to be freed */
static inline struct vst_hidden *vst_hidden_of(void *object) { return (struct vst_hidden *)object - 1; }

/* --- the store ---------------------------------------------------------------------------------------------------- */

/* Retired or queued objects by the stamp that has to be passed before they are looked at again. */
#define VST_BATCHES 16
struct vst_batch {
    uint64_t tag;
    struct vst_hidden *list;
};
struct vst_batches {
    unsigned count;
    struct vst_batch batch[VST_BATCHES];
};

/* Counters spread over lines, chosen by the heap. */
#define VST_STRIPES 16
struct vst_stripe {
    vb_aligned_line int64_t linked; /* records made and not freed or retired */
    int64_t live;                   /* of them present, but for what the version buffers still count */
};

struct vst_versions;
struct vst_image;
struct vst_store {
    struct vk_domain *domain;
    struct vos_mutex mutex;                      /* list of version buffers; the hashes of tables */
    struct vst_versions *versions;
    vb_aligned_line struct vst_hidden *retired;  /* pushed by any thread, taken whole by the janitor */
    struct vst_hidden *ghosts;                   /* the same: to be purged */
    struct vst_image *limbo;                     /* the same: unlinked images */
    vb_aligned_line struct vst_image *limbo_old; /* janitor: their grace period has passed at the next round */
    struct vst_batches retired_batches, ghost_batches;
    uint64_t purged, recycled;
    uint32_t hash_asked;                         /* atomic; 1: the hash of some table does not fit it */
    struct vst_stripe stripes[VST_STRIPES];
    struct vst_table *tables[VK_TABLES_MAX + 1]; /* atomic; [0] is never used */
};

/* --- table.c ------------------------------------------------------------------------------------------------------ */

struct vst_store *vst_table_store(const struct vst_table *table);
unsigned vst_table_slot(const struct vst_table *table);
/* Frees the table with its nodes and records at once: nobody is left. */
void vst_tree_free(struct vst_table *table, struct vb_heap *heap);

/* --- tree_remove.c ------------------------------------------------------------------------------------------------ */

/* Takes a record out of the index and sets FROZEN, both under the leaf's latch, if it is still there and nobody holds
 * a reader bit of its lk or gap word. A scanner who takes such a bit and then checks the leaf again is either seen
 * here, or that check fails. The phantom counter stays. Frees a leaf that has become empty. The caller holds the
 * record's writer field and retires the record. Janitor only, in a read section. False: nothing was done. */
bool vst_tree_unlink(struct vst_table *table, struct vst_record *record);

/* --- memory.c ----------------------------------------------------------------------------------------------------- */

/* 64-byte aligned, not zeroed; NULL when out of memory. */
void *vst_node_alloc(struct vb_heap *heap, size_t size);
void vst_node_free(struct vb_heap *heap, void *node); /* never published, or nobody is left */
/* A ghost with cts 0 and writer field `writer`. value_bytes: inline capacity, made at least 8 and at most
 * VK_INLINE_BYTES. A key of no bytes makes a sentinel. NULL when out of memory. */
struct vst_record *vst_record_create(struct vst_table *table, struct vb_heap *heap, varve_slice key, size_t value_bytes,
                                     unsigned writer);
size_t vst_record_bytes(const struct vst_record *record);
/* Frees the record and its blob: never published, or nobody is left. */
void vst_record_free(struct vst_table *table, struct vb_heap *heap, struct vst_record *record);
/* A record, node or blob: freed once no pin and no read section can hold it. Any thread; cannot fail. */
void vst_retire(struct vst_store *store, void *object);

#endif
