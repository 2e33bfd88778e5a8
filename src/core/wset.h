/* wset.h - the private write set of a transaction: what it will install, and its read-your-own-writes.
 *
 * Operations are appended and never changed; a second write of a key supersedes the first, and rolling back to a mark
 * revives what was superseded after it. Keys and values lie in the transaction's arena. Owner thread only.
 *  W1  for each (table, key) at most one operation is live; vk_wset_find returns it
 *  W2  the ordered view, once asked for, holds every live operation in (table id, key) order
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CORE_WSET_H
#define VARVE_CORE_WSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "varve.h"

struct vst_table;
struct vst_record;
struct vst_image;

/* ADD: a number to be added to whatever the row holds at the commit; its value is the delta, in 8 bytes, until the
 * commit derives the sum and makes it a PUT. */
enum vk_write_kind { VK_PUT = 1, VK_DELETE = 2, VK_ADD = 3 };
enum vk_precondition { VK_ANY = 0, VK_MUST_BE_ABSENT = 1, VK_MUST_BE_PRESENT = 2 };

struct vk_write {
    struct vst_table *table;
    varve_slice key;
    varve_slice value;             /* PUT; ADD: the delta */
    uint32_t table_id;             /* disk id: the order of locking and of the log */
    uint8_t kind;                  /* enum vk_write_kind */
    uint8_t precondition;          /* of the first write of this key in the transaction */
    bool looked;                   /* ADD: the transaction has read the row, so it depends on what it is added to */
    bool superseded;
    bool locked;                   /* precommit holds the writer field for this write */
    bool new_ghost;                /* precommit linked the record */
    bool held;                     /* the writer field was held before precommit (2pl, get_for_update) */
    struct vk_write *previous;     /* the operation on the same key that this one supersedes, or NULL */
    struct vst_record *record;     /* NULL until known */
    struct vst_image *image;       /* reserve: room for the before-image */
    void *blob;                    /* reserve: the new value when it is not inline */
    uint64_t hash;                 /* of table and key */
    uint64_t head;                 /* the first 8 bytes of the key as a big-endian number, padded with zeros */
    struct vk_write *ordered[2];   /* links of the ordered view (private to wset.c) */
    uint32_t ordered_priority;
    uint32_t index;                /* position in the list of operations */
};

struct vk_wset {
    struct vb_arena *arena;
    struct vk_write **writes;      /* [count] in order of arrival, superseded ones included */
    uint32_t count, capacity;
    uint32_t live;                 /* not superseded */
    struct vk_write **index;       /* open addressing [index_size], used above 8 writes */
    uint32_t index_size;
    struct vk_write *root;         /* ordered view: a treap; NULL until asked for or empty */
    bool ordered;
    uint64_t bytes;                /* keys and values of all writes */
};

void vk_wset_init(struct vk_wset *wset, struct vb_arena *arena);
void vk_wset_reset(struct vk_wset *wset); /* with its arena's reset; allocates nothing */
/* The live operation on a key, or NULL. */
struct vk_write *vk_wset_find(const struct vk_wset *wset, uint32_t table_id, varve_slice key);
/* Appends a write (bytes are copied). On a key written before it supersedes that operation and inherits its record,
 * lock and precondition, and an ADD that supersedes one that was looked at counts as looked at. NOMEM: nothing has changed. */
int vk_wset_add(struct vk_wset *wset, const struct vk_write *write, struct vk_write **added);
uint32_t vk_wset_mark(const struct vk_wset *wset);
void vk_wset_rollback(struct vk_wset *wset, uint32_t mark);
/* Ordered walk over one table's live writes: the first with key >= (or >) `key`, the last with key <= (or <) it; a key with
 * data NULL is the open end. NULL when there is none. Builds the ordered view on first use (false from prepare: NOMEM). */
struct vk_write *vk_wset_ge(struct vk_wset *wset, uint32_t table_id, varve_slice key, bool strict);
struct vk_write *vk_wset_le(struct vk_wset *wset, uint32_t table_id, varve_slice key, bool strict);
/* Puts the live writes into `sorted` [live], in (table id, key) order. */
void vk_wset_sorted(struct vk_wset *wset, struct vk_write **sorted);

#endif
