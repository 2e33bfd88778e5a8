/* txnlog.h - the face of the redo log: reserve, publish, harden; segments; reading back.
 *
 * Redo only. One ring of encoded transactions per slot, one file per segment, group commit cut by cts with a leader.
 *  L1  log space and bytes are reserved before the stamp: publish copies nothing large and cannot fail
 *  L2  a block holds every published transaction with cts in (cut_lo, cut_hi] and no other: durability is a prefix of
 *      cts order
 *  L3  the flusher loads C = clock before it scans the slots, and waits while a slot is PREP, or COMMITTING with cts
 *      <= C and not published (published is per ring, so a slot that went IDLE has published or never will)
 *  L4  two syncs of segments in use never overlap; the outcome (durable or poison) is published before the next sync
 *      starts; poison is tested after the own sync, before durable is stored
 *  L5  a failed write or sync is never retried: poison is for good
 *  L6  waiters sleep on a word that also changes on failure and on hand-over, loaded before they try to lead; who
 *      waits for log space may lead
 *  L7  recovery never goes on in a torn segment
 * A log opened without an os (":memory:") has no files: reserve and publish are empty, harden returns OK.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TXNLOG_TXNLOG_H
#define VARVE_TXNLOG_TXNLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/detail.h"
#include "core/domain.h"
#include "core/wset.h"
#include "os/os.h"
#include "varve.h"

struct vtl_log;
struct vtl_ring; /* one slot's redo buffer */

struct vtl_config {
    struct vk_domain *domain;
    struct vos_dir *dir; /* NULL: memory */
    unsigned file_mode;
    uint8_t database_id[16];
    uint32_t timeline;
    enum varve_sync_mode sync; /* the database's default mode */
    uint32_t group_wait_us;
    /* Ids for new segments, never handed out before (the manifest's). OK, FULL or IO. */
    int (*next_file_id)(void *arg, uint64_t *file_id);
    uint64_t (*manifest_sequence)(void *arg); /* named in each new segment's header */
    /* A new segment is synced under its name; the caller remembers that there is one. NULL: nobody cares. */
    int (*segment_named)(void *arg, uint64_t file_id);
    void *arg;
};

/* --- recovery: read first, then open for writing ------------------------------------------------------------------ */

enum vtl_op_kind { VTL_PUT = 1, VTL_DELETE = 2, VTL_TABLE = 3, VTL_LABEL = 4 };
struct vtl_op {
    enum vtl_op_kind kind;
    uint32_t table_id;
    varve_slice key;   /* TABLE: its name */
    varve_slice value; /* TABLE: its edit payload, as in the manifest */
};
struct vtl_txn { /* one recovered transaction; ops are decoded on demand */
    uint64_t cts;
    uint32_t ops;
    varve_slice bytes; /* borrowed for the call */
};
/* Next op of a transaction; *offset starts at 0. OK, END, or CORRUPT. */
int vtl_txn_next(const struct vtl_txn *txn, size_t *offset, struct vtl_op *op);

struct vtl_recovered {
    uint64_t max_cts; /* highest cts seen in any accepted block (cut_hi included): the clock restarts above it */
    uint64_t transactions;
    uint64_t last_seq;          /* sequence of the last accepted block */
    uint64_t last_check;        /* its checksum */
    uint32_t generation;        /* highest seen */
    bool torn;                  /* the last segment had a tail that was cut off */
    uint64_t manifest_sequence; /* highest that any segment names: the manifest must have got that far */
};
/* Reads every segment in the directory in sequence order and calls apply for each transaction with cts > cut (in any
 * order within a block; may be called from several threads at once for different blocks when threads > 1; a
 * transaction spanning CONT blocks is given whole). A bad block with nothing that vouches for it is a torn tail;
 * otherwise, or a gap between segments, or a missing segment after first_log_seq: CORRUPT with file and offset in
 * detail, nothing written and, if it was found before any transaction was looked into, nothing applied. first_log_seq
 * 0: no checkpoint names the log, so it may be absent. */
typedef int (*vtl_apply_fn)(void *arg, unsigned thread, const struct vtl_txn *txn);
int vtl_recover(const struct vtl_config *config, uint64_t cut, uint64_t first_log_seq, unsigned threads,
                vtl_apply_fn apply, void *arg, struct vtl_recovered *recovered, struct vk_detail *detail);

/* Opens for writing after recovery: starts a new segment of a new generation, copies the accepted tail of a torn
 * segment into it, syncs it and the directory, and only then returns. recovered NULL: a new database, without
 * segments (else CORRUPT). Raises the clock to what was recovered if it is lower, and sets durable to it. */
int vtl_open(const struct vtl_config *config, const struct vtl_recovered *recovered, struct vtl_log **log,
             struct vk_detail *detail);
/* Flushes and syncs what is published, then closes. IO: it failed; the log is closed all the same. */
int vtl_close(struct vtl_log *log, struct vk_detail *detail);

/* --- the commit path ---------------------------------------------------------------------------------------------- */

/* Rings may be closed before the log (what they hold is written) or after it. */
int vtl_ring_open(struct vtl_log *log, unsigned slot_id, struct vb_heap *heap, struct vtl_ring **ring); /* NOMEM */
void vtl_ring_close(struct vtl_ring *ring);

/* Encodes the live writes, all but the cts, and takes log space for them with worst-case padding. May wait for space
 * (it leads a flush itself then). FULL, NOMEM, TOOBIG, FAILED, and IO when a new segment could not be made: nothing
 * is held. */
int vtl_reserve(struct vtl_ring *ring, struct vk_write *const *writes, size_t count, struct vk_detail *detail);
void vtl_publish(struct vtl_ring *ring, uint64_t cts); /* point of no return; cannot fail, copies nothing large */
void vtl_cancel(struct vtl_ring *ring);                /* the reservation is given back (abort after reserve) */

/* Waits until every commit up to cts is as safe as `mode` asks: sync and group: durable >= cts; write: written >=
 * cts; interval and none: returns at once. Ignores timeouts. OK; UNKNOWN_OUTCOME: poisoned before it was safe. cts 0:
 * OK. slot: the caller's, which it still owns, or NULL. */
int vtl_harden(struct vtl_log *log, struct vk_slot *slot, uint64_t cts, enum varve_sync_mode mode);
/* The same for everything published up to now, synced (varve_sync, checkpoint). FAILED when poisoned. */
int vtl_sync(struct vtl_log *log);
/* The janitor's tick, in every mode: writes what is there, and syncs it except in write and none; makes the next
 * segment when half of this one is used. */
void vtl_tick(struct vtl_log *log);
/* Appends a catalogue edit (VTL_TABLE) or label as a transaction of its own with a cts drawn from the clock, and
 * syncs it. OK, FULL, NOMEM, IO, FAILED; UNKNOWN_OUTCOME when it failed past the stamp. */
int vtl_note(struct vtl_log *log, const struct vtl_op *op, struct vk_detail *detail);

bool vtl_poisoned(const struct vtl_log *log);
void vtl_poison(struct vtl_log *log, const char *why);  /* another part of the database failed; wakes every waiter */
const char *vtl_poison_text(const struct vtl_log *log); /* "" while healthy */

/* --- segments ----------------------------------------------------------------------------------------------------- */

/* Sequence the next block will have: a checkpoint's first_log_seq, taken before its snapshot is registered. */
uint64_t vtl_next_seq(struct vtl_log *log);
/* Segments all of whose blocks have seq < first_log_seq are recycled or removed. After the manifest edit is synced. */
int vtl_truncate(struct vtl_log *log, uint64_t first_log_seq, struct vk_detail *detail);

struct vtl_stats {
    uint64_t bytes, blocks, syncs, segments, live_bytes;
};
void vtl_stats(const struct vtl_log *log, struct vtl_stats *stats); /* live_bytes: since the last truncate */

#endif
