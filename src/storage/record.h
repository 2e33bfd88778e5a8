/* record.h - the record: header words, key, inline value; and the mechanics of its lock and gap words.
 *
 * | offset | field | bits |
 * | 0 | tid | cts 56 (high) . flags 8 (low) |
 * | 8 | lk | writer slot 16 (high) . flags 4 . reader bits 44 (low) |
 * | 16 | head | newest before-image, or NULL |
 * | 24 | len | key bytes 16 . value bytes 24 . inline capacity / 8 12 . table slot 12 (low to high) |
 * | 32 | gap | as lk: guards the open interval below this key; its reader bits are GS holders |
 * | 40 | key bytes, padded to 8; then the inline value area, or a blob pointer in its first 8 bytes |
 * | behind it | shortcut: the newest image with before <= split, for those who read there (version_int.h); else anything |
 *
 *  R1  a linked record never moves, and its inline capacity (at least 8) never changes
 *  R2  the value, its length, BLOB and GHOST change only between BUSY set and the store of the new tid (seqlock), by the
 *      holder of the writer field
 *  R3  a ghost that was never committed has cts 0: invisible at every snapshot
 *  R4  FROZEN is set under the leaf latch when the record leaves the index, and never cleared
 *  R5  S is granted only when the writer field is empty; the version is read after the grant
 *  R6  lock words change by CAS only
 * Validators compare tid under VST_TID_MASK, so that hint bits may change freely.
 * Memory: records are freed by the transaction pin, before-images by snapshots, blobs with the version that holds them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_STORAGE_RECORD_H
#define VARVE_STORAGE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/atomics.h"
#include "base/bytes.h"
#include "core/domain.h"
#include "varve.h"

#define VST_BUSY 0x01u   /* being installed */
#define VST_GHOST 0x02u  /* absent: deleted, or not yet committed */
#define VST_FROZEN 0x04u /* no longer in the index */
#define VST_BLOB 0x08u   /* the inline area holds a blob pointer */
#define VST_HOT 0x10u    /* hint */
#define VST_TID_MASK (~(uint64_t)(VST_BUSY | VST_BLOB | VST_HOT | 0xe0u)) /* cts, GHOST, FROZEN */
static inline uint64_t vst_tid_cts(uint64_t tid) { return tid >> 8; }

#define VST_LK_WRITER_SHIFT 48
#define VST_LK_WAITERS ((uint64_t)1 << 44)
#define VST_LK_CLAIM ((uint64_t)1 << 45)    /* a waiting lock holder wants this record: ordinary committers stay away */
#define VST_LK_UPGRADE ((uint64_t)1 << 46)  /* with a writer: U, readers may stay, no other writer */
#define VST_LK_READERS (((uint64_t)1 << 44) - 1)
static inline unsigned vst_lk_writer(uint64_t lk) { return (unsigned)(lk >> VST_LK_WRITER_SHIFT); }
static inline uint64_t vst_lk_of(unsigned slot_id) { return (uint64_t)slot_id << VST_LK_WRITER_SHIFT; }

struct vst_image;
struct vst_record {
    uint64_t tid;
    uint64_t lk;
    struct vst_image *head;
    uint64_t len;
    uint64_t gap;
    uint8_t key[];
};

static inline size_t vst_key_bytes(const struct vst_record *r) { return (size_t)(vb_load_relaxed(&r->len) & 0xffff); }
static inline varve_slice vst_record_key(const struct vst_record *r) { return VARVE_SLICE(r->key, vst_key_bytes(r)); }
/* The same key? No call for keys of 8 to 16 bytes. */
static inline bool vst_key_is(const struct vst_record *record, varve_slice key) {
    if (vst_key_bytes(record) != key.size) return false;
    const uint8_t *a = record->key, *b = key.data;
    if (vb_likely(key.size - 8 <= 8))
        return ((vb_get_u64(a) ^ vb_get_u64(b)) | (vb_get_u64(a + key.size - 8) ^ vb_get_u64(b + key.size - 8))) == 0;
    return memcmp(a, b, key.size) == 0;
}
static inline unsigned vst_record_table_slot(const struct vst_record *r) { return (unsigned)(vb_load_relaxed(&r->len) >> 52); }

/* What a read found. */
struct vst_seen {
    varve_slice value;  /* in the arena that was given; {NULL, 0} without one or when absent */
    uint64_t cts;       /* of the version seen; 0 = never existed */
    uint64_t tid;       /* the word to validate against: newest tid at the time of the read, under VST_TID_MASK */
    bool present;
    bool newest;        /* the version seen is the newest */
    unsigned writer;    /* VST_WAIT: the slot that is installing */
};
enum { VST_WAIT = 1, VST_GONE = 2 }; /* beside VARVE_OK and VARVE_NOMEM */

/* The version of `record` visible at snapshot s, which the caller has registered, to the transaction in slot `self` (its own
 * writer field is ignored). In a read section; does not wait. arena NULL: no bytes are copied.
 * VARVE_OK; VST_WAIT: a commit with cts <= s is being installed by seen->writer (leave the section, vst_install_wait,
 * look up again); NOMEM. A FROZEN record still answers: it is absent at every s that may ask. */
int vst_read_at(struct vk_domain *domain, const struct vst_record *record, uint64_t s, unsigned self,
                struct vb_arena *arena, struct vst_seen *seen);
/* The newest committed version, whatever the clock: for holders of a lock on it, and for read committed under S.
 * VARVE_OK or NOMEM. */
int vst_read_newest(const struct vst_record *record, struct vb_arena *arena, struct vst_seen *seen);
#define VST_AHEAD_REACH 16u /* records on their way while one is read */
#define VST_AHEAD_BYTES ((size_t)8 << 10)
/* Records to be read before anybody asks for their rows, so that their cache misses overlap. */
struct vst_ahead {
    struct vst_record *const *records; /* [known], in the order in which they will be wanted */
    unsigned known, count;             /* the first `count` are read, some behind them prefetched */
    struct vb_arena *arena;            /* for values; what lies in it already is kept */
    struct vst_seen *seen;             /* [count] */
    unsigned done;                     /* out: how many were read */
};
/* vst_read_at of one record after the other; ends early at one that is being committed, has a value that is not inline, or
 * once the arena holds VST_AHEAD_BYTES: a piece of a first-level cache. OK or NOMEM. */
int vst_read_ahead(struct vk_domain *domain, struct vst_ahead *ahead, uint64_t s, unsigned self);
/* Starts loading the lines of a record whose size is not known yet. */
static inline void vst_record_prefetch(const struct vst_record *record) {
    for (unsigned i = 0; i < 3; i++)
        __builtin_prefetch((const char *)record + i * VB_CACHE_LINE);
}

/* Outside a read section: yields until slot `writer` is no longer COMMITTING with a cts <= s. */
void vst_install_wait(struct vk_domain *domain, unsigned writer, uint64_t s);

/* Does the version seen as `tid` (masked) still hold as of `as_of` for the transaction in slot `self`? Loads lk, judges a foreign
 * writer (IDLE, or COMMITTING with a larger cts: ignored; PREP: spins, bounded; COMMITTING with cts <= as_of: false), then
 * tid. FROZEN since: false. `existence`: only presence must be as it was, whatever the version. as_of is the own cts in
 * validation, the clock value loaded before in a snapshot extension. In a read section; never waits on a lock. */
bool vst_holds(struct vk_domain *domain, const struct vst_record *record, uint64_t tid, uint64_t as_of, unsigned self,
               bool existence);
/* The plain case, which costs no call: true only where vst_holds is true, and for the same reason: no foreign writer
 * was seen, and then the version was the same, and no later than as_of. */
vb_step bool vst_holds_plainly(const struct vk_domain *domain, const struct vst_record *record, uint64_t tid,
                               uint64_t as_of, unsigned self) {
    unsigned writer = vst_lk_writer(vb_load_acquire(&record->lk));
    VK_YIELD(domain, validate_judged);
    uint64_t now = vb_load_acquire(&record->tid);
    return (writer == 0 || writer == self) && ((now ^ tid) & VST_TID_MASK) == 0 && (now & VST_FROZEN) == 0 &&
           vst_tid_cts(now) <= as_of;
}

#endif
