/* domain.h - the state that commits share: the commit clock, the slots, the snapshot registry, the janitor's captures.
 *
 * Serial order = commit timestamp (cts) order = log order = snapshot order.
 * Invariants:
 *  C1  every lock is held before the clock is bumped; every reader loads the clock before it looks at locks
 *  C2  slot.commit is PREP before the fetch_add and {cts, COMMITTING} after it; IDLE only after the last unlock
 *  C3  a snapshot counts only once it is stored in its slot and gc_floor was then seen not above it
 *  C4  min_snap and young_min never fall: each is always a captured snapshot or the floor, and young_min is not below min_snap
 *  C5  slot.gen rises after the last unlock, also when an attempt is retried: a wound carries the gen it is meant for
 *  C6  a split that a capture shows was stored before the clock passed it: whoever draws a larger cts loads it afterwards
 *  C7  a split is not below the floor of the first capture that shows it. So a version above it that is at or below young_min was
 *      committed before a later floor was taken, and a grace period lies between that capture and who meets the version
 *
 * The split. Beside one long reader every version between its snapshot and the present is garbage, but reachable only through
 * what came later. So once the oldest snapshot is a long one the janitor draws a split a little ahead of the clock. Versions
 * overwritten above it are chained as if nobody older were there, with young_min as their min_snap; who reads at or below the
 * split reaches the rest of a chain by the record's shortcut (storage/version_int.h). There is one split at a time; it goes
 * when min_snap has passed it.
 *
 * Who writes what: the first line of a slot is written by its owner and read by all; the second is written by others.
 * Sources: Neumann, Muehlbauer, Kemper, Fast Serializable Multi-Version Concurrency Control, SIGMOD 2015, 2 (stamps);
 * Boettcher et al., Scalable Garbage Collection for In-Memory MVCC Systems, VLDB 2020 (captures); Kim et al., Long-lived
 * Transactions Made Less Harmful, SIGMOD 2020 (versions apart by who can need them). The protocol was model
 * checked (the split: tests/models); where it departs from the papers docs/decisions says so.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CORE_DOMAIN_H
#define VARVE_CORE_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/atomics.h"
#include "base/planted.h"
#include "core/hooks.h"
#include "core/limits.h"
#include "os/os.h"

#define VK_NO_SNAP UINT64_MAX
#define VK_NO_PIN UINT64_MAX

enum vk_state { VK_IDLE = 0, VK_PREP = 1, VK_COMMITTING = 2 };

/* slot.commit = cts << 8 | state */
static inline uint64_t vk_commit_word(uint64_t cts, enum vk_state state) { return cts << 8 | (uint64_t)state; }
static inline enum vk_state vk_commit_state(uint64_t word) { return (enum vk_state)(word & 0xff); }
static inline uint64_t vk_commit_cts(uint64_t word) { return word >> 8; }

struct vk_slot {
    /* owner-written, read by all */
    vb_aligned_line uint64_t commit; /* pairs: stored release by the owner, loaded acquire by readers and the flusher */
    uint64_t snap;         /* registered stamp, VK_NO_SNAP = none */
    uint64_t pin;          /* epoch of begin: record headers and leaves unlinked since stay; VK_NO_PIN = none */
    uint64_t gen;          /* generation, see C5 */
    uint64_t age;          /* clock at first begin << 12 | slot id: smaller is older; kept over retries; 0 = none */
    uint64_t waiting_on;   /* address of the lock or gap word this transaction sleeps for, 0 = none */
    uint64_t txn_id;       /* of the transaction that has the slot now */
    uint32_t lock_holder;  /* 1: may hold locks taken before precommit (set before the first, cleared after the last) */
    uint32_t reader_bit;   /* leased reader bit + 1, 0 = none */
    /* written by others */
    vb_aligned_line uint64_t wound; /* gen << 1 | 1 of the attempt that is to die */
    uint32_t wake;         /* futex word of the owner's waits: cleared by the owner, set to 1 by whoever wakes it */
    uint32_t id;           /* 1-based, constant */
    char label[32];        /* constant while the slot is taken */
};

/* What the janitor saw after its membarrier. Read in a read section; freed after a grace period. */
struct vk_capture {
    uint64_t gc_floor;
    uint64_t min_snap;     /* lowest registered stamp, or gc_floor */
    uint64_t split;        /* 0: none */
    uint64_t young_min;    /* lowest registered stamp above the split, or gc_floor; without a split min_snap */
    size_t count;
    uint64_t snaps[];      /* [count], ascending, without repeats */
};

struct vk_domain {
    vb_aligned_line uint64_t clock;    /* last cts drawn */
    vb_aligned_line uint64_t durable;  /* every commit up to here is synced (memory: = clock is implied) */
    vb_aligned_line uint64_t gc_floor; /* no snapshot below it may be registered any more */
    uint64_t min_snap;                 /* = capture->min_snap, for cheap reads */
    uint64_t young_min;                /* = capture->young_min; load it before split */
    uint64_t split;                    /* for those who install: a stamp that a capture may show next, or shows; 0: none */
    struct vk_capture *capture;        /* published; never NULL after init */
    uint64_t epoch;                    /* janitor rounds, from 1: what slot.pin holds */
    uint64_t min_pin;                  /* everything retired with a tag below it is unpinned */
    vb_aligned_line uint64_t reader_bits; /* leased bits, 1 = taken */
    uint32_t reader_bits_wake;         /* futex: changes when a bit comes back */
    uint32_t janitor_asked;            /* 1: somebody met a long chain */
    /* constant after open */
    vb_aligned_line struct vos *os;
    struct vk_limits limits;
    struct vk_hooks hooks;
    struct vb_memory *memory;
    /* janitor */
    unsigned long_rounds;              /* how often min_snap stayed where it was, below the floor */
    uint64_t split_reach;              /* how far ahead of the clock the next split is drawn */
    bool ghosts_wait_durable;          /* ghosts are purged only once their deletion is durable */
    struct vb_heap *janitor_heap;      /* used by the janitor only */
    unsigned slot_count;
    struct vk_slot *slots;             /* [slot_count + 1]; slots[0] is never used: a slot's id is its index */
};

/* `os`, `limits` and `memory` outlive the domain. clock starts at 0: set it before first use when recovering. */
int vk_domain_open(struct vk_domain *domain, struct vos *os, struct vb_memory *memory, const struct vk_limits *limits);
void vk_domain_close(struct vk_domain *domain);

/* Registers s = clock in the slot and returns it (C3). Also moves a registered snapshot forward. */
static inline uint64_t vk_snapshot_register(struct vk_domain *domain, struct vk_slot *slot) {
    for (;;) {
        uint64_t s = vb_load_acquire(&domain->clock);
        if (VB_PLANTED(53) && s > 1 && s > vb_load_relaxed(&domain->gc_floor)) s--;
        VK_YIELD(domain, snapshot_loaded);
        vb_store_relaxed(&slot->snap, s);
        vos_light_barrier(); /* pairs with the janitor's membarrier */
        VK_YIELD(domain, snapshot_stored);
        if (vb_likely(vb_load_acquire(&domain->gc_floor) <= s) || VB_PLANTED(7)) return s;
    }
}
/* Registers exactly s (loaded from the clock a moment ago). False: the janitor has passed it, and whatever the slot held
 * before is given up too. */
static inline bool vk_snapshot_move(struct vk_domain *domain, struct vk_slot *slot, uint64_t s) {
    vb_store_relaxed(&slot->snap, s);
    vos_light_barrier();
    return vb_load_acquire(&domain->gc_floor) <= s;
}
static inline void vk_snapshot_release(struct vk_slot *slot) { vb_store_release(&slot->snap, VK_NO_SNAP); }

/* Pins record headers and leaves. Between begin and end of every transaction, whatever its snapshot does. */
static inline void vk_pin(struct vk_domain *domain, struct vk_slot *slot) {
    vb_store_relaxed(&slot->pin, vb_load_acquire(&domain->epoch));
    vos_light_barrier(); /* pairs with the janitor's membarrier: it sees the pin, or the owner sees what was unlinked */
}
static inline void vk_unpin(struct vk_slot *slot) { vb_store_release(&slot->pin, VK_NO_PIN); }

/* One round of the janitor's bookkeeping: floor, membarrier, capture, min_snap, next epoch, min_pin; then a grace period. Janitor
 * thread only (or close). NOMEM: nothing has changed. Whatever was unlinked before the call with tag epoch_before
 * (the epoch's value before the call) is free to go once min_pin > epoch_before and this grace period has passed. */
int vk_janitor_round(struct vk_domain *domain);

/* Wakes the owner of a slot: sets its wake word and wakes its futex (and tells the hook). */
void vk_wake(struct vk_domain *domain, unsigned slot_id);
/* Sleeps on the own slot's wake word until it is set or the deadline (domain clock, ns; 0 = none) passes: false = passed. */
bool vk_sleep(struct vk_domain *domain, struct vk_slot *self, const struct vk_wait_info *info, uint64_t deadline_ns);
uint64_t vk_now_ns(struct vk_domain *domain); /* hook or os */

/* True when the slot's current attempt has been wounded. Owner only. */
static inline bool vk_wounded(const struct vk_slot *slot) {
    uint64_t wound = vb_load_acquire(&slot->wound);
    return vb_unlikely(wound != 0) && (wound == (vb_load_relaxed(&slot->gen) << 1 | 1) || VB_PLANTED(63));
}

/* Leases a reader bit to the slot; false when all are out. */
bool vk_reader_bit_lease(struct vk_domain *domain, struct vk_slot *slot);
void vk_reader_bit_return(struct vk_domain *domain, struct vk_slot *slot);
/* The slot that has this bit now, 0 = none. */
unsigned vk_reader_bit_owner(struct vk_domain *domain, unsigned bit);

#endif
