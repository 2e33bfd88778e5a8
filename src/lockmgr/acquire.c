/* acquire.c - the locks a transaction holds: taking one, giving one up, giving all up; reader bits; wounds heard.
 *
 * Owns t->locks: one entry for each record (or gap) in which the transaction has anything, in the order of the first
 * grant; an upgrade adds none. The words themselves say what is held. Thread rule: the transaction's owner.
 *  1. The slot is marked before its first lock and unmarked after its last.
 *  2. A reader bit is leased at the first lock of a transaction that will take S or GS, when it holds nothing: then it
 *     may wait for one without closing a cycle. Returned after the last lock.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/check.h"
#include "base/planted.h"
#include "lockmgr/lockmgr_int.h"
#include "os/rcu.h"

enum { FIRST_CAPACITY = 16 };

void vlm_become_holder(struct vcc_txn *t) {
    if (vb_load_relaxed(&t->slot->lock_holder) != 0) return;
    vb_store_release(&t->slot->lock_holder, 1);
    VK_YIELD(t->domain, lock_holder);
}

int vlm_check_wound(struct vcc_txn *t) {
    if (vb_likely(!vk_wounded(t->slot)) || VB_PLANTED(62)) return VARVE_OK;
    if (t->shared->deadlock == VCC_DETECT)
        return vk_fail(&t->detail, VARVE_DEADLOCK, VARVE_REASON_CYCLE,
                       "the youngest of a cycle of waiting transactions");
    return vk_fail(&t->detail, VARVE_DEADLOCK, VARVE_REASON_WOUNDED, "an older transaction needed a lock held here");
}

int vlm_make_room(struct vcc_txn *t) {
    struct vcc_locks *locks = &t->locks;
    bool fails = VK_FAULT(t->domain, locks);
    if (vb_likely(locks->count < locks->capacity) && !fails) return VARVE_OK;
    uint32_t wanted = locks->capacity != 0 ? locks->capacity * 2 : FIRST_CAPACITY;
    struct vcc_lock *bigger = fails ? NULL : vb_heap_alloc(t->heap, wanted * sizeof(*bigger));
    if (bigger == NULL) return vk_fail(&t->detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for locks");
    if (locks->count != 0) memcpy(bigger, locks->held, locks->count * sizeof(*bigger));
    vb_heap_free(t->heap, locks->held, locks->capacity * sizeof(*bigger));
    locks->held = bigger;
    locks->capacity = wanted;
    return VARVE_OK;
}

/* Invariant 2. A transaction without a snapshot is a 2pl one: above read committed its reads hold S to the end. */
static int lease_bit(struct vcc_txn *t, enum vlm_mode mode) {
    bool reader = mode == VLM_S || mode == VLM_GS;
    if (vb_load_relaxed(&t->slot->reader_bit) != 0) return VARVE_OK;
    if (!reader && (t->snap != VK_NO_SNAP || t->level <= VARVE_READ_COMMITTED)) return VARVE_OK;
    if (vk_reader_bit_lease(t->domain, t->slot)) return VARVE_OK;
    if (t->locks.count != 0)
        return vk_fail(&t->detail, VARVE_DEADLOCK, VARVE_REASON_DIED,
                       "%u transactions hold read locks, as many as can: "
                       "this one holds locks and may not wait for its turn",
                       t->domain->limits.reader_bits);
    t->pending = (struct vcc_pending){.record = NULL, .mode = mode};
    return VCC_WAIT;
}

/* A shared lock as most are taken: by a holder that has its bit and room in its list, on a word without a writer and
 * without a claim. False: look closer; nothing has been taken. */
static bool share(struct vcc_txn *t, struct vst_record *record) {
    struct vlm_me me = vlm_me(t);
    uint64_t v = vb_load_acquire(&record->lk);
    if (me.bit == 0 || t->locks.count == t->locks.capacity || vk_wounded(t->slot)) return false;
    if (vst_lk_writer(v) != 0 || (v & (VST_LK_CLAIM | me.bit)) != 0 || VB_PLANTED(32)) return false;
    if (!vb_cas(&record->lk, &v, v | me.bit)) return false;
    VK_YIELD(t->domain, lock_granted);
    if (vb_unlikely((vb_load_acquire(&record->tid) & VST_FROZEN) != 0) && !VB_PLANTED(70)) {
        vlm_drop(t->domain, &record->lk, me);
        return false;
    }
    t->locks.held[t->locks.count++] = (struct vcc_lock){record, VLM_S};
    return true;
}

int vlm_acquire(struct vcc_txn *t, struct vst_record *record, enum vlm_mode mode) {
    if (mode == VLM_S && !VK_FAULTS_WANTED(t->domain) && vb_likely(share(t, record))) return VARVE_OK;
    vlm_become_holder(t);
    int status = vlm_check_wound(t);
    if (vb_likely(status == VARVE_OK)) status = lease_bit(t, mode);
    if (vb_likely(status == VARVE_OK)) status = vlm_make_room(t);
    if (vb_unlikely(status != VARVE_OK)) return status;
    if (VB_PLANTED(28) && mode == VLM_X && !vlm_holds(t, record, VLM_U)) vlm_release(t, record, VLM_S);
    status = vlm_try(t, &(struct vlm_ask){record, mode, 0}, false);
    if (status == VCC_WAIT) t->pending = (struct vcc_pending){.record = record, .mode = mode};
    return status;
}

int vlm_pass(struct vcc_txn *t, struct vst_record *record) {
    int status = vlm_try(t, &(struct vlm_ask){record, VLM_S, VLM_INSTANT}, false);
    if (status == VCC_WAIT) t->pending = (struct vcc_pending){.record = record, .mode = VLM_S | VLM_INSTANT};
    if (status == VARVE_OK && (vb_load_acquire(&record->tid) & VST_FROZEN) != 0) return VCC_RETRY;
    return status;
}

/* Every bit is leased. The transaction holds no lock, so nobody waits for it meanwhile. */
static int wait_for_bit(struct vcc_txn *t) {
    struct vk_domain *domain = t->domain;
    struct vk_wait_info info = {VK_WAIT_READER_BIT, vb_load_relaxed(&t->slot->txn_id), t->self, NULL, t->pending.mode};
    uint64_t now = vk_now_ns(domain), deadline = t->deadline_ms != 0 ? now + t->deadline_ms * 1000000u : UINT64_MAX;
    vb_add_relaxed(t->shared->lock_waits, 1);
    for (;; now = vk_now_ns(domain)) {
        uint32_t seen = vb_load_acquire(&domain->reader_bits_wake);
        if (vk_reader_bit_lease(domain, t->slot)) return VARVE_OK;
        if (now >= deadline)
            return vk_fail(&t->detail, VARVE_TIMEOUT, VARVE_REASON_LOCK_TIMEOUT,
                           "waited %llu ms while %u others hold read "
                           "locks, as many as can",
                           (unsigned long long)t->deadline_ms, domain->limits.reader_bits);
        if (domain->hooks.on_wait != NULL && domain->hooks.on_wait(domain->hooks.arg, &info)) continue;
        vos_futex_wait(&domain->reader_bits_wake, seen, deadline != UINT64_MAX ? deadline - now : 0);
    }
}

int vlm_wait(struct vcc_txn *t) {
    vos_assert_may_wait();
    struct vcc_pending pending = t->pending;
    if (pending.mode == 0) {
        vst_install_wait(t->domain, pending.writer, pending.stamp);
        return VARVE_OK;
    }
    if (pending.record == NULL) return wait_for_bit(t);
    VB_TRY(vlm_make_room(t));
    struct vlm_ask ask = {pending.record, pending.mode & ~(unsigned)VLM_INSTANT, pending.mode & VLM_INSTANT};
    int status = vlm_take(t, &ask);
    return status == VCC_RETRY ? VARVE_OK : status; /* FROZEN: the caller looks up again in any case */
}

bool vlm_holds(const struct vcc_txn *t, const struct vst_record *record, enum vlm_mode mode) {
    const uint64_t *word = mode == VLM_GS ? &record->gap : &record->lk;
    return vlm_covers(vb_load_acquire(word), mode, vlm_me(t));
}

/* The entry is looked for from the end: what is dropped early was taken last. */
void vlm_release(struct vcc_txn *t, struct vst_record *record, enum vlm_mode mode) {
    uint64_t *word = vlm_word(record, mode);
    for (uint32_t i = t->locks.count; i-- != 0;) {
        struct vcc_lock *lock = &t->locks.held[i];
        if (lock->record != record || vlm_word(record, lock->modes) != word) continue;
        memmove(lock, lock + 1, (t->locks.count - i - 1) * sizeof(*lock));
        t->locks.count--;
        break;
    }
    vlm_drop(t->domain, word, vlm_me(t));
}

void vlm_release_all(struct vcc_txn *t, bool committed) {
    struct vlm_me me = vlm_me(t);
    vlm_release_writes(t, committed);
    t->sorted_count = 0;
    if (VB_PLANTED(83)) vk_reader_bit_return(t->domain, t->slot);
    for (uint32_t i = t->locks.count; i-- != 0;) {
        const struct vcc_lock *lock = &t->locks.held[i];
        vlm_drop(t->domain, vlm_word(lock->record, lock->modes), me);
        VK_YIELD(t->domain, end_unlocked);
    }
    t->locks.count = 0;
    if (vb_load_relaxed(&t->slot->lock_holder) == 0) return;
    vk_reader_bit_return(t->domain, t->slot);
    vb_store_release(&t->slot->lock_holder, 0);
}
