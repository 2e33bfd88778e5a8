/* wait.c - taking a lock that somebody else may hold: attempts, claims, sleeping, wounding, timeouts.
 *
 * Owns the wait state of a slot while its transaction waits: wake, waiting_on, and a claim in the word. Thread rule:
 * the transaction's owner; only vlm_wound touches another's slot. A lock word is read outside read sections here: the
 * pin keeps its record.
 *  1. One round of vlm_take is K5. Whatever ends a sleep, the next round begins with a fresh attempt.
 *  2. A waiter sleeps on its own slot's wake word, never on the lock word: a wound does not change the lock word, and
 *     the lock word may come back to the value that was seen.
 *  3. A claim is set and cleared within one call of vlm_take, so none is left behind (K4). While it stands, a lock
 *     holder that has nothing in this word gives way to an older one that sleeps for it: it queues (wound-wait, where
 *     it waits for an older one, as ever; detect, whose search knows) or dies (wait-die). Else a victim that runs again
 *     at once takes the lock back before its wounder has woken, and a stream of readers starves an upgrade.
 *  4. The order of clearing wake, setting WAITERS and testing the wound holds by full barriers: a wounder CASes the
 *     wound, then sets wake; whoever misses the wound here has cleared wake before it was set.
 * Sources: as lockmgr.h; the order of K5 and K6 is Dekker's, found by model checking: a futex on the lock word loses
 * wounds.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/planted.h"
#include "lockmgr/lockmgr_int.h"
#include "os/rcu.h"

enum { SPINS = 100, DETECT_FIRST_NS = 1000000, DETECT_MOST_NS = 256000000 };

struct wait {
    struct vcc_txn *t;
    const struct vlm_ask *ask;
    uint64_t *word;
    struct vlm_me me;
    struct vlm_party party;
    bool claimed;         /* the claim in the word is ours */
    uint64_t deadline_ns; /* 0: none */
    uint64_t search_ns;   /* detect: when to look for a cycle next */
    uint64_t search_step_ns;
};

/* --- who is in the way -------------------------------------------------------------------------------------------- */

unsigned vlm_older_waiter(struct vk_domain *domain, const uint64_t *word, unsigned self, unsigned after) {
    struct vlm_party me = vlm_party_of(&domain->slots[self]);
    for (unsigned id = after + 1; id <= domain->slot_count; id++) {
        const struct vk_slot *slot = &domain->slots[id];
        if (id == self || vb_load_acquire(&slot->waiting_on) != (uint64_t)(uintptr_t)word) continue;
        struct vlm_party party = vlm_party_of(slot);
        if (party.lock_holder && vlm_older(&party, &me)) return id;
    }
    return 0;
}

/* Invariant 3: the slot that goes first, 0: none. */
static unsigned goes_first(const struct vcc_txn *t, const struct vlm_ask *ask, uint64_t v, bool claimed) {
    if (vb_likely((v & VST_LK_CLAIM) == 0) || claimed || (ask->flags & (VLM_ORDINARY | VLM_INSTANT)) != 0) return 0;
    if (t->shared->deadlock == VCC_NO_WAIT || vlm_has_any(v, vlm_me(t))) return 0;
    return vlm_older_waiter(t->domain, vlm_word(ask->record, ask->mode), t->self, 0);
}

/* The lock could not be had while the word shows v. */
static bool blocked(const struct vcc_txn *t, const struct vlm_ask *ask, uint64_t v, bool claimed) {
    struct vlm_rivals rivals = vlm_rivals(v, ask->mode, vlm_me(t));
    if (VB_PLANTED(61) && ask->mode == VLM_S && rivals.writer != 0 && rivals.writer <= t->domain->slot_count &&
        vk_commit_state(vb_load_acquire(&t->domain->slots[rivals.writer].commit)) == VK_IDLE)
        return false;
    if (rivals.writer != 0 || rivals.readers != 0) return true;
    if ((ask->flags & VLM_ORDINARY) != 0 && (v & VST_LK_CLAIM) != 0) return true;
    return goes_first(t, ask, v, claimed) != 0;
}

/* K3: an ordinary committer may not keep its locks while it waits here. */
static bool barred(const struct vk_domain *domain, const struct vlm_rivals *rivals, uint64_t v) {
    if ((v & VST_LK_CLAIM) != 0 || (rivals->readers != 0 && !VB_PLANTED(65))) return true;
    return rivals->writer != 0 && rivals->writer <= domain->slot_count &&
           vb_load_acquire(&domain->slots[rivals->writer].lock_holder) != 0;
}

unsigned vlm_first_rival(struct vk_domain *domain, struct vlm_rivals rivals) {
    if (rivals.writer != 0) return rivals.writer <= domain->slot_count ? rivals.writer : 0;
    return rivals.readers != 0 ? vk_reader_bit_owner(domain, (unsigned)__builtin_ctzll(rivals.readers)) : 0;
}

/* The owner may be putting another label there: read by words, any mixture of two labels is only text. */
static void copy_label(const struct vk_slot *slot, char text[sizeof(slot->label) + 1]) {
    for (size_t i = 0; i < sizeof(slot->label); i += sizeof(uint64_t)) {
        uint64_t word = vb_load_relaxed((const uint64_t *)(const void *)(slot->label + i));
        memcpy(text + i, &word, sizeof(word));
    }
    text[sizeof(slot->label)] = 0;
}

int vlm_blame(struct vcc_txn *t, int status, enum varve_reason reason, const char *what, const struct vlm_ask *ask,
              unsigned holder) {
    char key[72], label[sizeof(t->slot->label) + 1] = "";
    varve_slice bytes = vst_record_key(ask->record);
    if (bytes.size != 0)
        vb_printable(bytes, key, sizeof(key));
    else
        memcpy(key, "the end of the table", sizeof("the end of the table"));
    const char *of = ask->mode == VLM_INSERT ? "the gap below " : "";
    if (holder == 0) return vk_fail(&t->detail, status, reason, "%s %s%s", what, of, key);
    copy_label(&t->domain->slots[holder], label);
    uint64_t id = vb_load_relaxed(&t->domain->slots[holder].txn_id);
    vk_fail(&t->detail, status, reason, "%s %s%s: transaction %llu%s%s%s is in the way", what, of, key,
            (unsigned long long)id, label[0] != 0 ? " (" : "", label, label[0] != 0 ? ")" : "");
    t->detail.other_txn = id;
    return status;
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

void vlm_wound(struct vk_domain *domain, unsigned victim, uint64_t gen) {
    uint64_t *word = &domain->slots[victim].wound;
    uint64_t wanted = gen << 1 | 1, wound = vb_load_acquire(word);
    while (wound < wanted)
        if (vb_cas(word, &wound, wanted)) break;
    vb_fence_seq_cst(); /* invariant 4 */
    VK_YIELD(domain, lock_wound);
    vk_wake(domain, victim);
}

/* One holder of the word, which showed v. OK: wait for it; VCC_RETRY: the word has moved; DEADLOCK. */
static int judge_one(struct wait *w, uint64_t v, unsigned holder, int bit) {
    struct vk_domain *domain = w->t->domain;
    if (holder > domain->slot_count) return VARVE_OK; /* the purge or the applier */
    if (holder == 0) return VCC_RETRY;
    const struct vk_slot *slot = &domain->slots[holder];
    uint64_t gen = vb_load_acquire(&slot->gen);
    struct vlm_party party = vlm_party_of(slot);
    if (!vlm_same_holders(vb_load_acquire(w->word), v)) return VCC_RETRY; /* K7 */
    if (bit >= 0 && vk_reader_bit_owner(domain, (unsigned)bit) != holder) return VCC_RETRY;
    switch (vlm_on_conflict(w->t->shared->deadlock, &party, &w->party)) {
    case VLM_WAITS: break;
    case VLM_DIES: return vlm_blame(w->t, VARVE_DEADLOCK, VARVE_REASON_DIED, "gave way at a lock on", w->ask, holder);
    case VLM_WOUNDS: vlm_wound(domain, holder, gen); break;
    }
    return VARVE_OK;
}

/* All holders of the word, after WAITERS was set in it (v): OK, sleep; VCC_RETRY, BARRED, DEADLOCK. */
static int judge(struct wait *w, uint64_t v) {
    struct vk_domain *domain = w->t->domain;
    struct vlm_rivals rivals = vlm_rivals(v, w->ask->mode, w->me);
    if ((w->ask->flags & VLM_ORDINARY) != 0) {
        bool keep = (w->ask->flags & VLM_INSTANT) != 0; /* it holds nothing then */
        return !keep && barred(domain, &rivals, v) ? VLM_BARRED : VARVE_OK;
    }
    if (rivals.writer != 0) VB_TRY(judge_one(w, v, rivals.writer, -1));
    for (uint64_t left = rivals.readers; left != 0; left &= left - 1) {
        int bit = __builtin_ctzll(left);
        VB_TRY(judge_one(w, v, vk_reader_bit_owner(domain, (unsigned)bit), bit));
    }
    if (w->t->shared->deadlock != VCC_WAIT_DIE) return VARVE_OK;
    unsigned first = goes_first(w->t, w->ask, v, w->claimed);
    if (first == 0) return VARVE_OK;
    return vlm_blame(w->t, VARVE_DEADLOCK, VARVE_REASON_DIED, "gave way at a lock on", w->ask, first);
}

/* --- sleeping ----------------------------------------------------------------------------------------------------- */

/* Part of a cycle? Its youngest member dies. */
static int search(struct wait *w) {
    struct vcc_txn *t = w->t;
    uint64_t gen;
    vos_rcu_enter();
    unsigned victim = vlm_find_cycle(t->domain, t->self, &gen);
    vos_rcu_exit();
    if (victim == t->self)
        return vlm_blame(t, VARVE_DEADLOCK, VARVE_REASON_CYCLE, "part of a cycle of waiting transactions at", w->ask,
                         0);
    if (victim != 0) vlm_wound(t->domain, victim, gen);
    return VARVE_OK;
}

static int timed_out(struct wait *w) {
    struct vlm_rivals rivals = vlm_rivals(vb_load_acquire(w->word), w->ask->mode, w->me);
    return vlm_blame(w->t, VARVE_TIMEOUT, VARVE_REASON_LOCK_TIMEOUT, "waited too long for a lock on", w->ask,
                     vlm_first_rival(w->t->domain, rivals));
}

static int doze(struct wait *w) {
    struct vcc_txn *t = w->t;
    bool searches = t->shared->deadlock == VCC_DETECT && (w->ask->flags & VLM_ORDINARY) == 0;
    struct vk_wait_info info = {w->ask->mode == VLM_INSERT ? VK_WAIT_GAP : VK_WAIT_LOCK,
                                vb_load_relaxed(&t->slot->txn_id), t->self, w->ask->record, w->ask->mode};
    uint64_t until = w->deadline_ns;
    if (searches && (until == 0 || w->search_ns < until)) until = w->search_ns;
    vb_add_relaxed(t->shared->lock_waits, 1);
    VK_YIELD(t->domain, lock_sleep);
    if (VB_PLANTED(85)) vb_store_release(&t->slot->waiting_on, (uint64_t)(uintptr_t)w->word);
    bool woken = vk_sleep(t->domain, t->slot, &info, until);
    if (woken && !searches) return VARVE_OK;
    uint64_t now = vk_now_ns(t->domain);
    if (!woken && w->deadline_ns != 0 && now >= w->deadline_ns) return timed_out(w);
    if (!searches || now < w->search_ns) return VARVE_OK;
    w->search_step_ns = w->search_step_ns < DETECT_MOST_NS ? w->search_step_ns * 2 : DETECT_MOST_NS;
    w->search_ns = now + w->search_step_ns;
    return search(w);
}

/* One round of K5. OK: try again. */
static int park(struct wait *w) {
    struct vk_slot *slot = w->t->slot;
    vb_exchange_acq_rel(&slot->wake, 0);
    if (!VB_PLANTED(85)) vb_store_release(&slot->waiting_on, (uint64_t)(uintptr_t)w->word);
    uint64_t v = vb_load_acquire(w->word);
    if (!blocked(w->t, w->ask, v, w->claimed)) return VARVE_OK;
    VK_YIELD(w->t->domain, lock_mark);
    uint64_t marked = v | VST_LK_WAITERS;
    bool claims = (w->ask->mode & (VLM_S | VLM_U | VLM_X)) != 0 &&
                  (w->ask->flags & (VLM_INSTANT | VLM_ORDINARY)) == 0 && (v & VST_LK_CLAIM) == 0;
    if (claims) marked |= VST_LK_CLAIM;
    if (!vb_cas(w->word, &v, marked)) return VARVE_OK;
    w->claimed |= claims;
    vb_fence_seq_cst(); /* invariant 4, and the releaser's look at waiting_on */
    VK_YIELD(w->t->domain, lock_judge);
    int status = judge(w, marked);
    if (status == VCC_RETRY) return VARVE_OK;
    if (status == VARVE_OK) status = vlm_check_wound(w->t);
    return status == VARVE_OK ? doze(w) : status;
}

/* K4. Those who queue behind this one (invariant 3) must look again, whoever owns the claim. */
static void give_up(struct wait *w) {
    uint64_t v = vb_load_relaxed(w->word);
    uint64_t cleared = w->claimed && !VB_PLANTED(64) ? VST_LK_CLAIM | VST_LK_WAITERS : VST_LK_WAITERS;
    while (!vb_cas(w->word, &v, v & ~cleared)) continue;
    if ((v & VST_LK_WAITERS) != 0) vlm_wake_word(w->t->domain, w->word);
}

/* --- taking ------------------------------------------------------------------------------------------------------- */

static void list(struct vcc_txn *t, const struct vlm_ask *ask) {
    VB_ASSERT(t->locks.count < t->locks.capacity);
    t->locks.held[t->locks.count++] = (struct vcc_lock){ask->record, ask->mode};
}

int vlm_try(struct vcc_txn *t, const struct vlm_ask *ask, bool claimed) {
    struct vlm_me me = vlm_me(t);
    uint64_t *word = vlm_word(ask->record, ask->mode);
    uint64_t v = vb_load_acquire(word), next;
    do {
        if (vlm_covers(v, ask->mode, me)) return VARVE_OK;
        if (blocked(t, ask, v, claimed)) return VCC_WAIT;
        if ((ask->flags & VLM_INSTANT) != 0) return VARVE_OK;
        next = vlm_granted(v, ask->mode, me);
        if (claimed) next &= ~(VST_LK_CLAIM | VST_LK_WAITERS);
    } while (!vb_cas(word, &v, next));
    if (claimed && (v & VST_LK_WAITERS) != 0) vlm_wake_word(t->domain, word);
    VK_YIELD(t->domain, lock_granted);
    if (vb_unlikely((vb_load_acquire(&ask->record->tid) & VST_FROZEN) != 0) && !VB_PLANTED(70)) {
        if (!vlm_has_any(v, me)) vlm_drop(t->domain, word, me);
        return VCC_RETRY;
    }
    if ((ask->flags & VLM_UNLISTED) == 0 && !vlm_has_any(v, me)) list(t, ask);
    return VARVE_OK;
}

/* A committer is a few instructions or cache lines from its unlock: worth a moment before going to sleep. */
static void spin(struct wait *w) {
    struct vk_domain *domain = w->t->domain;
    for (unsigned i = 0; i < SPINS; i++) {
        uint64_t v = vb_load_relaxed(w->word);
        unsigned writer = vlm_rivals(v, w->ask->mode, w->me).writer;
        if (writer == 0 || writer > domain->slot_count) return;
        if (vk_commit_state(vb_load_relaxed(&domain->slots[writer].commit)) == VK_IDLE) return;
        vb_cpu_relax();
    }
}

static void wait_begin(struct wait *w, struct vcc_txn *t, const struct vlm_ask *ask) {
    *w = (struct wait){.t = t, .ask = ask, .word = vlm_word(ask->record, ask->mode), .me = vlm_me(t)};
    w->party = vlm_party_of(t->slot);
    uint64_t now = t->deadline_ms != 0 || t->shared->deadlock == VCC_DETECT ? vk_now_ns(t->domain) : 0;
    if (t->deadline_ms != 0) w->deadline_ns = now + t->deadline_ms * 1000000u;
    w->search_step_ns = DETECT_FIRST_NS;
    w->search_ns = now + DETECT_FIRST_NS;
}

int vlm_take(struct vcc_txn *t, const struct vlm_ask *ask) {
    int status = vlm_try(t, ask, false);
    if (vb_likely(status != VCC_WAIT)) return status;
    vos_assert_may_wait();
    struct wait w;
    wait_begin(&w, t, ask);
    spin(&w);
    for (;;) {
        status = vlm_try(t, ask, w.claimed);
        if (status != VCC_WAIT) break;
        status = park(&w);
        if (status != VARVE_OK) break;
    }
    vb_store_release(&t->slot->waiting_on, 0);
    if (vb_unlikely(status != VARVE_OK && status != VCC_RETRY)) give_up(&w);
    return status;
}
