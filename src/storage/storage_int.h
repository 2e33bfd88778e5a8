/* storage_int.h - what the files of this folder share: the store, memory that is retired, records, the seam to the tree.
 *
 * Memory that others may still be reading is retired, not freed. Nothing on that path can fail: every record, node and blob
 * has a hidden header in front, which links it into the queue of ghosts while it waits for the purge and into the list
 * of retired memory afterwards.
 *  M1  an object is in at most one list; QUEUED and RETIRED in its hidden word say which, and change by atomic or / and
 *  M2  retired memory goes when min_pin has passed the epoch after it was unlinked and a grace period has passed since
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_STORAGE_STORAGE_INT_H
#define VARVE_STORAGE_STORAGE_INT_H

#include "os/os.h"
#include "storage/storage.h"

enum vst_kind { VST_RECORD = 1, VST_NODE = 2, VST_BLOB_BYTES = 3 };

struct vst_hidden {
    struct vst_hidden *next; /* of the one list it is in */
    uint64_t word;           /* bytes behind it 48 . kind 8 . QUEUED, RETIRED */
};
#define VST_HIDDEN_QUEUED ((uint64_t)1 << 62)  /* in the queue of ghosts */
#define VST_HIDDEN_RETIRED ((uint64_t)1 << 63) /* off the index; freed in time */

static inline struct vst_hidden *vst_hidden_of(const void *object) { return (struct vst_hidden *)(uintptr_t)object - 1; }

/* Retired objects and waiting ghosts, by the tag that must be passed before they are looked at again. When all are taken
 * the newest takes in what comes and its tag rises: later than need be, and never failing. */
#define VST_BATCHES 64
struct vst_batches {
    struct { uint64_t tag; struct vst_hidden *list; } ring[VST_BATCHES];
    unsigned first, count;
};

struct vst_store {
    struct vk_domain *domain;
    struct vst_table *tables[VK_TABLES_MAX + 1]; /* by table slot; atomic; slot 0 is never used */
    struct vos_mutex mutex;                      /* the list of versions */
    struct vst_versions *versions;
    vb_aligned_line struct vst_hidden *retired;  /* pushed by any thread, taken whole by the janitor */
    struct vst_hidden *ghosts;                   /* the same */
    struct vst_image *limbo;                     /* the same: before-images that were unlinked */
    int64_t linked;                              /* relaxed: records created less those freed or retired */
    int64_t live;                                /* relaxed: records made present without versions */
    vb_aligned_line struct vst_batches retired_batches; /* janitor only, from here */
    struct vst_batches ghost_batches;
    struct vst_image *limbo_old;                 /* taken a round ago */
    uint64_t purged, pruned, recycled;           /* relaxed */
};

/* --- store.c: memory that may be retired -------------------------------------------------------------------------- */

/* A node of the tree, 64-byte aligned, not zeroed; NULL when out of memory. */
void *vst_node_alloc(struct vb_heap *heap, size_t size);
void vst_node_free(struct vb_heap *heap, void *node); /* never linked, or nobody is left (closing) */
/* Off the index now: freed when no transaction pin and no read section can hold it. Record, node or blob; a record takes its
 * blob with it. Any thread; once for an object. Never fails. */
void vst_retire(struct vst_store *store, void *object);

/* An unlinked ghost: cts 0, lk = the writer given (0: none), gap 0. NULL when out of memory. value_bytes: inline capacity, rounded up to
 * 8 and clamped to 8..VK_INLINE_BYTES. */
struct vst_record *vst_record_create(struct vst_table *table, struct vb_heap *heap, varve_slice key, size_t value_bytes,
                                     unsigned writer);
void vst_record_free(struct vst_table *table, struct vb_heap *heap, struct vst_record *record); /* as vst_node_free */
size_t vst_record_bytes(const struct vst_record *record); /* header, key and value area */

/* --- the tree's side ---------------------------------------------------------------------------------------------- */

struct vst_store *vst_table_store(const struct vst_table *table);
unsigned vst_table_slot(const struct vst_table *table);
/* The purge, in a read section, with the record's writer field held by it. Under the leaf latch: if lk has no reader bits and gap is
 * empty, sets FROZEN and takes the record out (olc rises, phantom does not); a leaf that becomes empty may be unlinked. Does not
 * retire the record. False: a lock is held on it, or it is in no leaf. */
bool vst_tree_unlink(struct vst_table *table, struct vst_record *record);
/* Closing: frees every node and record of the table, and the table. */
void vst_tree_free(struct vst_table *table, struct vb_heap *heap);

#endif
