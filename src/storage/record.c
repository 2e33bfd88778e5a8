/* record.c - reading a record: which version a snapshot sees, the newest one, and whether a version still holds.
 *
 * Owns no memory. Thread rule: any thread, inside a read section (vst_install_wait: outside).
 * Invariants
 *   1. The lock word is judged before the tid and the value are read: a committer with a cts at or below s had every
 *      lock before it drew the cts, hence before s was loaded, so the reader sees its lock or what it installed.
 *   2. Bytes copied under a tid count only if the tid is the same afterwards; the length is read in between as well,
 *      and clamped to the capacity.
 *   3. A record that is BUSY has the image of its last version as head already, so a reader who needs that version or
 *      an older one never waits for the installer.
 * Sources: Lameter, Effective synchronization on Linux/NUMA systems, 2005 (sequence locks); Boehm, Can seqlocks get
 * along with programming language memory models?, MSPC 2012; Larson et al., High-performance concurrency control
 * mechanisms for main-memory databases, VLDB 2011, 4 (validation). Departures: the sequence number is the commit
 * timestamp; a version overwritten by a larger cts than the one asked for still holds, which is read from the chain.
 *
 * SPDX-License-Identifier: MIT
 */
#include "storage/record.h"

#include "base/planted.h"
#include "base/seqcopy.h"
#include "os/os.h"
#include "storage/version_int.h"

/* The window between PREP and the stamp is a few instructions; an install is a few cache lines for each key. */
#define PREP_SPINS 1000u
#define INSTALL_SPINS 100u

enum { AGAIN = 100 };

/* A foreign committer whose cts is, or may turn out to be, at or below s; 0: none. A writer that is idle has its cts
 * still to draw, above s. The applier and the purge are no slots: the clock moves only after the one, the other
 * changes no version. */
vb_step unsigned committer_below(const struct vk_domain *domain, const struct vst_record *record, uint64_t s,
                                unsigned self, enum vk_state *state) {
    unsigned writer = vst_lk_writer(vb_load_acquire(&record->lk));
    if (vb_likely(writer == 0) || writer == self || writer > domain->slot_count) return 0;
    uint64_t word = vb_load_acquire(&domain->slots[writer].commit);
    *state = vk_commit_state(word);
    if (*state == VK_IDLE || (VB_PLANTED(18) && *state == VK_PREP)) return 0;
    return *state == VK_COMMITTING && vk_commit_cts(word) > s ? 0 : writer;
}

vb_step void see(struct vst_seen *seen, varve_slice value, uint64_t version, uint64_t tid) {
    seen->value = value;
    seen->cts = vst_tid_cts(version);
    seen->tid = tid & VST_TID_MASK;
    seen->present = (version & VST_GHOST) == 0;
    seen->newest = vst_tid_cts(version) == vst_tid_cts(tid);
    seen->writer = 0;
}

static int copy_bytes(const void *bytes, size_t size, struct vb_arena *arena, varve_slice *value) {
    *value = VARVE_SLICE(NULL, 0);
    if (arena == NULL) return VARVE_OK;
    void *copy = vb_arena_alloc(arena, size);
    if (copy == NULL) return VARVE_NOMEM;
    if (size != 0) memcpy(copy, bytes, size);
    *value = VARVE_SLICE(copy, size);
    return VARVE_OK;
}

static int see_blob(const struct vst_blob *blob, uint64_t version, uint64_t tid, struct vb_arena *arena,
                    struct vst_seen *seen) {
    varve_slice value;
    VB_TRY(copy_bytes(blob->bytes, blob->size, arena, &value));
    see(seen, value, version, tid);
    return VARVE_OK;
}

/* The version visible at s when the record's own is too new or is being replaced. AGAIN: it is a blob, and blobs are not
 * asked for. */
static int read_older(const struct vk_domain *domain, const struct vst_record *record, uint64_t tid, uint64_t s, bool blobs, struct vb_arena *arena,
                      struct vst_seen *seen) {
    const struct vst_image *image = vst_image_at(domain, record, tid, s);
    uint64_t version = image != NULL ? image->before : VST_GHOST;
    if ((version & VST_BLOB) != 0 && !blobs) return AGAIN;
    if ((version & VST_BLOB) != 0) return see_blob(vst_image_blob(image), version, tid, arena, seen);
    varve_slice value = VARVE_SLICE(NULL, 0);
    if ((version & VST_GHOST) == 0)
        VB_TRY(copy_bytes(image->words, vst_image_value_bytes(image), arena, &value));
    see(seen, value, version, tid);
    return VARVE_OK;
}

vb_step bool still(const struct vst_record *record, uint64_t tid) {
    vb_fence_acquire(); /* pairs with the installer's release fence: whoever saw a new word sees BUSY or the new tid */
    return vb_likely(vb_load_relaxed(&record->tid) == tid) || VB_PLANTED(50);
}

/* Reads the record's own version, whose tid (not BUSY) was just loaded. OK, NOMEM, or AGAIN when it was replaced. */
vb_step int read_own(const struct vst_record *record, uint64_t tid, struct vb_arena *arena, struct vst_seen *seen) {
    const uint64_t *words = vst_value_words(record);
    if ((tid & VST_BLOB) != 0) {
        const struct vst_blob *blob = (const struct vst_blob *)(uintptr_t)vb_seq_load(words);
        if (!still(record, tid)) return AGAIN;
        return see_blob(blob, tid, tid, arena, seen); /* it stays until this read section ends */
    }
    varve_slice value = VARVE_SLICE(NULL, 0);
    if (arena != NULL && (tid & VST_GHOST) == 0) {
        uint64_t len = vb_seq_load(&record->len);
        size_t size = vst_len_value(len), capacity = vst_len_capacity(len);
        if (size > capacity) size = capacity;
        uint8_t *copy = vb_arena_alloc(arena, size);
        if (copy == NULL) return VARVE_NOMEM;
        vb_seq_copy_out(copy, words, size);
        value = VARVE_SLICE(copy, size);
    }
    if (!still(record, tid)) return AGAIN;
    see(seen, value, tid, tid);
    return VARVE_OK;
}

int vst_read_at(struct vk_domain *domain, const struct vst_record *record, uint64_t s, unsigned self,
                struct vb_arena *arena, struct vst_seen *seen) {
    if (arena != NULL && VK_FAULT(domain, value)) return VARVE_NOMEM;
    for (unsigned spins = 0;;) {
        enum vk_state state;
        unsigned writer = committer_below(domain, record, s, self, &state);
        if (VB_PLANTED(8) && writer != 0 && state == VK_COMMITTING) writer = 0;
        if (vb_unlikely(writer != 0)) {
            if (spins++ >= (state == VK_PREP ? PREP_SPINS : INSTALL_SPINS)) {
                seen->writer = writer;
                return VST_WAIT;
            }
            vb_cpu_relax();
            continue;
        }
        VK_YIELD(domain, read_judged);
        uint64_t tid = vb_load_acquire(&record->tid);
        if (vb_unlikely((tid & VST_BUSY) != 0 || vst_tid_cts(tid) > s)) {
            VK_YIELD(domain, read_older);
            return read_older(domain, record, tid, s, true, arena, seen);
        }
        VK_YIELD(domain, read_picked);
        int status = read_own(record, tid, arena, seen);
        if (vb_likely(status != AGAIN)) return status;
    }
}

/* One record as vst_read_at reads it, but that it waits for nothing: OK, NOMEM, or a positive value: not this one. */
static inline int read_if_easy(struct vk_domain *domain, const struct vst_record *record, uint64_t s, unsigned self,
                               struct vb_arena *arena, struct vst_seen *seen) {
    enum vk_state state;
    if (vb_unlikely(committer_below(domain, record, s, self, &state) != 0)) return VST_WAIT;
    VK_YIELD(domain, read_judged);
    uint64_t tid = vb_load_acquire(&record->tid);
    if (vb_unlikely((tid & VST_BUSY) != 0 || vst_tid_cts(tid) > s)) {
        VK_YIELD(domain, read_older);
        return read_older(domain, record, tid, s, false, arena, seen);
    }
    VK_YIELD(domain, read_picked);
    return (tid & VST_BLOB) != 0 ? AGAIN : read_own(record, tid, arena, seen);
}

int vst_read_ahead(struct vk_domain *domain, struct vst_ahead *ahead, uint64_t s, unsigned self) {
    unsigned i = 0;
    int status = VARVE_OK;
    for (; i < ahead->count && ahead->arena->used_bytes < VST_AHEAD_BYTES; i++) {
        if (i + VST_AHEAD_REACH < ahead->known) vst_record_prefetch(ahead->records[i + VST_AHEAD_REACH]);
        if (VK_FAULT(domain, value)) return VARVE_NOMEM;
        status = read_if_easy(domain, ahead->records[i], s, self, ahead->arena, &ahead->seen[i]);
        if (vb_unlikely(status != VARVE_OK)) break;
    }
    ahead->done = i;
    return status == VARVE_NOMEM ? VARVE_NOMEM : VARVE_OK;
}

int vst_read_newest(const struct vst_record *record, struct vb_arena *arena, struct vst_seen *seen) {
    for (;;) {
        uint64_t tid = vb_load_acquire(&record->tid);
        int status = (tid & VST_BUSY) != 0 ? AGAIN : read_own(record, tid, arena, seen);
        if (vb_likely(status != AGAIN)) return status;
        vb_cpu_relax();
    }
}

void vst_install_wait(struct vk_domain *domain, unsigned writer, uint64_t s) {
    VB_ASSERT(writer >= 1 && writer <= domain->slot_count);
    for (;;) {
        uint64_t word = vb_load_acquire(&domain->slots[writer].commit);
        enum vk_state state = vk_commit_state(word);
        if (state == VK_IDLE || (state == VK_COMMITTING && vk_commit_cts(word) > s)) return;
        vos_thread_yield();
    }
}

/* The version word of what holds as of `as_of`, when the record shows `tid`. False: it cannot be told any more. The walk
 * is exact when no capture that a pruner may have used has a floor above as_of: the floor is loaded after the walk, and
 * whoever saw a link that a pruner changed sees the floor of its capture too. It is loaded before the walk as well:
 * then neither min_snap nor young_min is above as_of yet, and this section keeps what a later round finds unneeded. */
static bool version_as_of(const struct vk_domain *domain, const struct vst_record *record, uint64_t tid,
                          uint64_t as_of, uint64_t *version) {
    if (vb_likely(vst_tid_cts(tid) <= as_of)) {
        *version = tid;
        return true;
    }
    if (vb_load_acquire(&domain->gc_floor) > as_of) return false;
    const struct vst_image *image = vst_image_at(domain, record, tid, as_of);
    *version = image != NULL ? image->before : VST_GHOST;
    return vb_load_acquire(&domain->gc_floor) <= as_of;
}

bool vst_holds(struct vk_domain *domain, const struct vst_record *record, uint64_t tid, uint64_t as_of, unsigned self,
               bool existence) {
    enum vk_state state;
    for (unsigned spins = 0; committer_below(domain, record, as_of, self, &state) != 0; spins++) {
        if (VB_PLANTED(35)) break;
        /* A commit at or below as_of replaces the version for sure, but perhaps not its presence. */
        unsigned limit = state == VK_PREP ? PREP_SPINS : existence ? INSTALL_SPINS : 0;
        if (spins >= limit) return false;
        vb_cpu_relax();
    }
    VK_YIELD(domain, validate_judged);
    uint64_t now = vb_load_acquire(&record->tid), version;
    if (VB_PLANTED(37)) now &= ~(uint64_t)VST_FROZEN;
    if (vb_unlikely((now & VST_FROZEN) != 0)) return false;
    if (!version_as_of(domain, record, now, as_of, &version)) return VB_PLANTED(39);
    uint64_t compared = existence ? (VB_PLANTED(57) ? 0 : VST_GHOST) : VST_TID_MASK;
    return ((version ^ tid) & compared) == 0;
}
