/* cc.h - the contract between a transaction and its concurrency-control scheme.
 *
 * A scheme is a table of seven calls plus its name, capability bits and effective_level. cc.c is the only caller of
 * the table and checks the transaction's state before each call. No algorithm lives here: schemes are in src/mvcc,
 * src/locking and src/occ; what two of them share is in src/certify (reads validated at commit) and src/lockmgr
 * (locks). Each transaction carries its own `ops`, so an escalated one points at the 2pl table.
 *
 * Words of a call that is not finished: VCC_WAIT: leave the read section, call vcc_wait, look up again. VCC_RETRY: the
 * leaf or record moved: look up again at once.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CC_CC_H
#define VARVE_CC_CC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "core/detail.h"
#include "core/domain.h"
#include "core/wset.h"
#include "storage/storage.h"
#include "varve.h"

enum { VCC_WAIT = 1, VCC_RETRY = 2 };

enum vcc_deadlock { VCC_WOUND_WAIT = 0, VCC_NO_WAIT, VCC_WAIT_DIE, VCC_DETECT };

/* What the database sets once for all its transactions, and counters they share (relaxed). */
struct vcc_shared {
    struct vk_domain *domain;
    struct vst_store *store;
    enum vcc_deadlock deadlock;
    uint64_t *lock_waits, *extensions, *range_rescans; /* counters of the database */
};

/* A validated read: 16 bytes. `seen` is the masked tid; bit 0 = existence only (BUSY is masked out, so the bit is
 * free). */
struct vcc_read_entry {
    const struct vst_record *record;
    uint64_t seen;
};
/* A leaf that a validated range crossed. */
struct vcc_node_entry {
    const struct vst_leaf *leaf;
    uint32_t phantom;
    uint32_t range; /* index of the range it belongs to */
};
/* A validated range: everything from low to high as the scan stopped. Their bytes live as long as the
 * transaction: copied, or those of a record or fence, which its pin keeps. */
struct vcc_range_entry {
    struct vst_table *table;
    varve_slice low, high; /* data NULL: open end */
    bool low_strict; /* the range begins above low */
    bool high_inclusive;
    bool large;     /* no node set any more: re-scan */
    uint32_t rows;  /* records crossed */
    uint32_t nodes; /* entries in the node set */
};
struct vcc_reads {
    struct vcc_read_entry *entries;
    struct vcc_node_entry *nodes;
    struct vcc_range_entry *ranges;
    uint32_t entry_count, entry_capacity, node_count, node_capacity, range_count, range_capacity;
    uint64_t rechecks; /* spent by extensions; budget: four times the reads done */
};
/* A lock held: mode bits of enum vlm_mode. */
struct vcc_lock {
    struct vst_record *record;
    uint32_t modes;
};
struct vcc_locks {
    struct vcc_lock *held; /* [count] */
    uint32_t count, capacity;
};

/* What a transaction is about to sleep for; filled by whoever returns VCC_WAIT. */
struct vcc_pending {
    struct vst_record *record; /* lock or gap wait */
    unsigned mode;             /* enum vlm_mode asked; 0: an install wait on slot `writer` at stamp `stamp` */
    unsigned writer;
    uint64_t stamp;
};

struct vcc_ops;
/* The part of a transaction that schemes see; the first member of struct vtx_txn. Owner thread only. */
struct vcc_txn {
    struct vcc_shared *shared;
    struct vk_domain *domain;
    struct vk_slot *slot;
    unsigned self; /* = slot->id */
    struct vb_heap *heap;
    struct vst_versions *versions;
    const struct vcc_ops *ops;
    enum varve_isolation level; /* effective */
    bool read_only;             /* declared: a registered snapshot in every scheme; never validates, aborts or waits */
    bool escalated;             /* runs as serializable 2pl with its first age */
    bool stale;                 /* mvcc: the snapshot could not be extended; may finish read-only */
    uint64_t snap;              /* current stamp; VK_NO_SNAP: none (2pl) */
    uint64_t snap_moves;        /* raised when the stamp moves: open cursors seek again */
    uint64_t observed;          /* highest cts seen: acknowledged only when it is durable */
    uint64_t cts;               /* own, after the stamp; 0 before */
    unsigned open_statements;   /* read committed: cursors open; while above 0 all reads share the stamp */
    uint64_t deadline_ms;       /* limit of each lock wait */
    struct vb_arena arena;      /* staged and borrowed bytes; grows until the end */
    struct vk_wset wset;
    struct vk_write **sorted; /* precommit's order [sorted_count] */
    uint32_t sorted_count, sorted_capacity;
    struct vcc_reads reads;
    struct vcc_locks locks;
    struct vcc_pending pending;
    struct vk_detail detail;
};

enum vcc_hint {
    VCC_PLAIN = 0,
    VCC_EXISTENCE,  /* only presence matters: validated as existence */
    VCC_UNTRACKED,  /* the caller protects the answer itself (a precondition); not registered, not locked at 2pl RC and
                       up either */
    VCC_FOR_UPDATE, /* take the writer field, read the newest */
    VCC_SCAN        /* a row met by a cursor: at repeatable read an absent one is not an item */
};
struct vcc_access {
    struct vst_table *table;
    varve_slice key;
    struct vst_found found; /* from the look-up of this section */
    enum vcc_hint hint;
    struct vb_arena *arena; /* where the value's bytes go; NULL: not wanted */
    const struct vst_seen *ahead; /* what vcc_read_ahead found at the present stamp, or NULL */
};
struct vcc_result {
    varve_slice value;
    uint64_t cts; /* identity of the version read; 0: never existed */
    bool present;
};

/* A scan's protection, kept by a cursor or made for one absent key. Zero = fresh. */
struct vcc_scan {
    struct vst_table *table;
    enum vst_direction direction;
    varve_slice from; /* where it begins (data NULL: open end); bytes live as long as the transaction */
    bool from_strict;
    bool point;     /* an absent key: the range is [from, from] */
    uint32_t range; /* certify: index + 1 of the range entry */
};
/* One step of a scan: it has crossed the open gap up to `to` and rests there. */
struct vcc_step {
    const struct vst_portion *portion; /* leaf, phantom and olc of the portion it is in */
    struct vst_record *guard; /* the record whose gap word guards the crossed gap, or NULL where the scheme does not
                                 want it (VCC_CAP_GAPS unset) */
    varve_slice to;           /* key rested on, or the bound it stopped at; data NULL: the open end; bytes as of `from` */
    bool to_inclusive;        /* `to` itself has been seen */
};

/* begin: chooses and registers the read stamp (mvcc, occ: snapshot; 2pl: none unless read_only). Pin, age and
 * generation are set by the caller. Does not block. */
typedef int (*vcc_begin_fn)(struct vcc_txn *t);
/* read: in a read section, no latch held. access->found.record may be NULL (no record: the absence is protected by a
 * following range call with a point scan, which the caller makes). OK with *result; VCC_WAIT; VCC_RETRY; NOMEM; or a
 * status that dooms the transaction. */
typedef int (*vcc_read_fn)(struct vcc_txn *t, const struct vcc_access *access, struct vcc_result *result);
/* range: in a read section; registers phantom protection for one step. OK; VCC_WAIT; VCC_RETRY: the portion is stale,
 * read it again from the last position and step again (what was locked stays locked); NOMEM; a dooming status. */
typedef int (*vcc_range_fn)(struct vcc_txn *t, struct vcc_scan *scan, const struct vcc_step *step);
/* write: before a write is staged, in a read section; record NULL when there is none. Early conflict check or X lock.
 * OK, VCC_WAIT, VCC_RETRY or a dooming status. */
typedef int (*vcc_write_fn)(struct vcc_txn *t, struct vst_table *table, varve_slice key, struct vst_record *record);
/* precommit: outside sections. Locks the live writes in order (t->sorted is made here), ghosts for new keys,
 * write-write rules and preconditions. OK: every write has its record and holds its writer field. Else nothing taken
 * here is held. May wait. */
typedef int (*vcc_precommit_fn)(struct vcc_txn *t);
/* validate: all registered reads and ranges hold as of cts (t->snap without writes of a validated level... = t->cts).
 * In a read section; bounded; no side effects but t->detail. OK or CONFLICT. */
typedef int (*vcc_validate_fn)(struct vcc_txn *t, uint64_t cts);
/* end: drops locks (unlinking own unused ghosts first), registrations, the stamp. Cannot fail. */
typedef void (*vcc_end_fn)(struct vcc_txn *t, bool committed);

/* The level that is served when `asked` is asked for: never weaker. */
typedef enum varve_isolation (*vcc_effective_level_fn)(enum varve_isolation asked, bool read_only);

enum vcc_caps {
    VCC_CAP_GAPS = 1,      /* range wants step->guard */
    VCC_CAP_VALIDATES = 2, /* validate may refuse */
    VCC_CAP_STAMPED = 4,   /* every row is read at the stamp, locks or not */
};
struct vcc_ops {
    const char *name;
    uint32_t caps;
    vcc_effective_level_fn effective_level;
    vcc_begin_fn begin;
    vcc_read_fn read;
    vcc_range_fn range;
    vcc_write_fn write;
    vcc_precommit_fn precommit;
    vcc_validate_fn validate;
    vcc_end_fn end;
};

/* The calls, with state checks; txn and below use these only. */
bool vcc_ops_complete(const struct vcc_ops *ops); /* every slot set: checked when the list of schemes is loaded */
int vcc_begin(struct vcc_txn *t);
int vcc_read(struct vcc_txn *t, const struct vcc_access *access, struct vcc_result *result);
/* Reads rows that a scan is about to reach. Registers nothing: a row counts as read once vcc_read was called for it, with
 * access->ahead, under the same stamp; or, in a declared read-only transaction, once it is delivered and its cts observed.
 * done is 0 where a read is more than a look at the stamp (2pl). In a read section. OK or NOMEM. */
int vcc_read_ahead(struct vcc_txn *t, struct vst_ahead *ahead);
int vcc_range(struct vcc_txn *t, struct vcc_scan *scan, const struct vcc_step *step);
int vcc_write(struct vcc_txn *t, struct vst_table *table, varve_slice key, struct vst_record *record);
int vcc_precommit(struct vcc_txn *t);
int vcc_validate(struct vcc_txn *t, uint64_t cts);
void vcc_end(struct vcc_txn *t, bool committed);

/* A scheme that calls `inner` and tells `sink` each call's name and answer: cc_trace.c. Its table is its first member.
 */
typedef void (*vcc_trace_fn)(void *arg, const struct vcc_txn *t, const char *call, int status);
struct vcc_tracer {
    struct vcc_ops ops;
    const struct vcc_ops *inner;
    vcc_trace_fn sink;
    void *arg;
};
void vcc_tracer_init(struct vcc_tracer *tracer, const struct vcc_ops *inner, vcc_trace_fn sink, void *arg);

/* Fails with "table T, key K: WHAT"; returns status. table NULL: unknown. */
int vcc_refuse(struct vcc_txn *t, int status, enum varve_reason reason, const struct vst_table *table, varve_slice key,
               const char *what);

/* Raises t->observed. */
static inline void vcc_observe(struct vcc_txn *t, uint64_t cts) {
    if (cts > t->observed) t->observed = cts;
}

#endif
