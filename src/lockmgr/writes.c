/* writes.c - locking a write set in order: finding or linking its records, conditions, and taking it all back.
 *
 * Owns t->sorted and the flags locked, new_ghost and held of the writes in it. Thread rule: the transaction's owner;
 * outside read sections, each step in one of its own.
 *  1. Order is (table id, key), the same for all: ordinary committers that wait for each other with their locks wait
 *     for larger keys only.
 *  2. An ordinary committer never sleeps behind a lock holder, or a claim, with anything in its hands (K3).
 *  3. A new ghost is taken back before it is unlocked: whoever waits for it wakes to a FROZEN record and looks again.
 *     Where another holds S on it or GS on its gap it stays linked, for that lock anchors there (K8), and the purge is
 *     told.
 *  4. A record counts as found only once it is locked and not FROZEN.
 * Sources: Silo (Tu et al., SOSP 2013, 4.4: write sets locked in order); Bernstein, Hadzilacos, Goodman, Concurrency
 * Control and Recovery in Database Systems, 1987, 3.4 (conservative locking: nothing is held while waiting).
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/bytes.h"
#include "base/check.h"
#include "base/planted.h"
#include "lockmgr/lockmgr_int.h"
#include "os/rcu.h"

enum { FIRST_CAPACITY = 16, FOUND_OBSTACLE = 10 };

struct plan {
    vlm_check_fn check;
    vlm_inserted_fn on_insert;
    bool ordinary;
    struct vlm_ask barrier; /* VLM_BARRED: what to wait for with empty hands */
    const struct vst_table *table; /* of the last ghost that was linked */
    const struct vst_leaf *leaf;   /* where it was */
    const struct vst_leaf *near;   /* the same, where the one before was linked there too; else NULL: keys are far apart */
};

static int sort_writes(struct vcc_txn *t) {
    t->sorted_count = 0;
    if (t->wset.live > t->sorted_capacity) {
        uint32_t wanted = t->sorted_capacity != 0 ? t->sorted_capacity : FIRST_CAPACITY;
        while (wanted < t->wset.live) wanted *= 2;
        struct vk_write **bigger = vb_heap_alloc(t->heap, wanted * sizeof(*bigger));
        if (bigger == NULL)
            return vk_fail(&t->detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for the commit");
        vb_heap_free(t->heap, t->sorted, t->sorted_capacity * sizeof(*bigger));
        t->sorted = bigger;
        t->sorted_capacity = wanted;
    }
    vk_wset_sorted(&t->wset, t->sorted);
    t->sorted_count = t->wset.live;
    for (uint32_t i = 0; i < t->sorted_count; i++)
        t->sorted[i]->locked = t->sorted[i]->new_ghost = t->sorted[i]->held = false;
    return VARVE_OK;
}

static int refuse_presence(struct vcc_txn *t, const struct vk_write *write) {
    char key[72];
    vb_printable(write->key, key, sizeof(key));
    return vk_fail(&t->detail, VARVE_CONFLICT, VARVE_REASON_PRECONDITION,
                   write->precondition == VK_MUST_BE_ABSENT ? "row %s has been inserted since it was found absent"
                                                            : "row %s has been deleted since it was found",
                   key);
}

/* The record is locked: its presence cannot change any more. */
static int check_locked(struct vcc_txn *t, const struct plan *plan, const struct vk_write *write) {
    if (VB_PLANTED(44)) return plan->check != NULL ? plan->check(t, write) : VARVE_OK;
    bool ghost = (vb_load_acquire(&write->record->tid) & VST_GHOST) != 0;
    if (write->precondition == VK_MUST_BE_ABSENT && !ghost) return refuse_presence(t, write);
    if (write->precondition == VK_MUST_BE_PRESENT && ghost) return refuse_presence(t, write);
    return plan->check != NULL ? plan->check(t, write) : VARVE_OK;
}

/* A ghost for a key that has no record. OK; FOUND_OBSTACLE: another's GS on *obstacle; a failure. In a read section. */
static int link_ghost(struct vcc_txn *t, struct plan *plan, struct vk_write *write,
                      struct vst_record **obstacle) {
    if (write->precondition == VK_MUST_BE_PRESENT) return refuse_presence(t, write);
    size_t room = write->value.size <= VK_INLINE_BYTES ? write->value.size : 8;
    struct vst_inserted inserted;
    int status = vst_insert_ghost(write->table, t->heap, write->key, room < 8 ? 8 : room, t->self, vlm_me(t).bit,
                                  plan->table == write->table ? plan->near : NULL, &inserted);
    VK_YIELD(t->domain, precommit_linked);
    switch (status) {
    case VARVE_OK:
        write->record = inserted.record;
        write->locked = write->new_ghost = true;
        plan->near = inserted.leaf == plan->leaf ? inserted.leaf : NULL;
        plan->leaf = inserted.leaf;
        plan->table = write->table;
        if (plan->on_insert != NULL) plan->on_insert(t, &inserted);
        return VARVE_OK;
    case VARVE_EXISTS: write->record = inserted.record; return VARVE_OK;
    case VARVE_BUSY: *obstacle = inserted.record; return FOUND_OBSTACLE;
    default: return vk_fail(&t->detail, status, VARVE_REASON_RESOURCE, "out of memory for a new row");
    }
}

/* Finds the record of a write, or links one. */
static int find_record(struct vcc_txn *t, struct plan *plan, struct vk_write *write, struct vst_record **obstacle) {
    struct vst_found found = {.record = NULL};
    int status = VARVE_OK;
    vos_rcu_enter();
    if (write->precondition == VK_MUST_BE_PRESENT) vst_lookup(write->table, write->key, &found);
    if (found.record != NULL)
        write->record = found.record;
    else
        status = link_ghost(t, plan, write, obstacle); /* tells if there is one after all */
    vos_rcu_exit();
    VK_YIELD(t->domain, precommit_found);
    return status;
}

/* Takes what is asked for as this kind of committer does. BARRED: the barrier is set. */
static int take(struct vcc_txn *t, struct plan *plan, struct vst_record *record, unsigned mode, unsigned flags) {
    struct vlm_ask ask = {record, mode, flags | (plan->ordinary ? VLM_ORDINARY : 0)};
    if (plan->ordinary && (flags & VLM_INSTANT) != 0) { /* a gap: only a lock holder can be in the way */
        plan->barrier = ask;
        return VLM_BARRED;
    }
    int status = vlm_take(t, &ask);
    if (status == VLM_BARRED) plan->barrier = (struct vlm_ask){record, mode, ask.flags | VLM_INSTANT};
    return status;
}

/* The writer field of a record whose word is empty, which is what most find: one CAS, and no claim or waiter to think
 * of. False: look closer. As in vlm_try a FROZEN record is given back. */
static bool take_free(struct vcc_txn *t, struct vst_record *record) {
    uint64_t empty = 0;
    if (!vb_cas(&record->lk, &empty, vst_lk_of(t->self))) return false;
    VK_YIELD(t->domain, lock_granted);
    if (vb_likely((vb_load_acquire(&record->tid) & VST_FROZEN) == 0) || VB_PLANTED(70)) return true;
    vlm_drop(t->domain, &record->lk, vlm_me(t));
    return false;
}

/* OK: the write has its record, locked, and its conditions hold. */
static int lock_one(struct vcc_txn *t, struct plan *plan, struct vk_write *write) {
    for (;;) {
        struct vst_record *obstacle;
        int status = write->record == NULL ? find_record(t, plan, write, &obstacle) : VARVE_OK;
        if (status == FOUND_OBSTACLE) {
            status = take(t, plan, obstacle, VLM_INSERT, VLM_INSTANT);
            if (status != VARVE_OK) return status;
            continue;
        }
        if (status != VARVE_OK) return status;
        if (write->new_ghost) break;
        write->held = false;
        if (vb_likely(take_free(t, write->record))) {
            write->locked = true;
            break;
        }
        write->held = vst_lk_writer(vb_load_relaxed(&write->record->lk)) == t->self;
        status = take(t, plan, write->record, VLM_X, VLM_UNLISTED);
        if (status == VARVE_OK) {
            write->locked = true;
            break;
        }
        if (status != VCC_RETRY) return status;
        write->record = NULL;
    }
    return check_locked(t, plan, write);
}

static int lock_all(struct vcc_txn *t, struct plan *plan) {
    for (uint32_t i = 0; i < t->sorted_count; i++) {
        if (i + 2 < t->sorted_count) __builtin_prefetch(t->sorted[i + 2]->record, 1);
        int status = lock_one(t, plan, t->sorted[i]);
        if (status != VARVE_OK) return status;
        VK_YIELD(t->domain, precommit_locked);
    }
    return VARVE_OK;
}

/* Most words show this writer and nothing else. */
vb_step void drop_lock(struct vcc_txn *t, struct vst_record *record, struct vlm_me me) {
    uint64_t own = vst_lk_of(t->self);
    if (vb_unlikely(!vb_cas(&record->lk, &own, 0))) {
        vlm_drop(t->domain, &record->lk, me);
        return;
    }
    VK_YIELD(t->domain, lock_release);
}

static void release_one(struct vcc_txn *t, struct vk_write *write, bool committed) {
    struct vst_record *record = write->record;
    struct vlm_me me = vlm_me(t);
    if (write->new_ghost) {
        if (VB_PLANTED(30) && !committed) vlm_drop(t->domain, &record->lk, me);
        if (!committed) vst_remove_ghost(write->table, t->heap, record, me.bit); /* invariant 3 */
        VK_YIELD(t->domain, end_unlinked);
        vlm_drop(t->domain, &record->gap, me); /* what it inherited from its successor */
        if (!committed) write->record = NULL;
    }
    if (!write->held) drop_lock(t, record, me);
    write->locked = write->new_ghost = false;
    VK_YIELD(t->domain, end_unlocked);
}

void vlm_release_writes(struct vcc_txn *t, bool committed) {
    if (t->sorted_count == 0) return;
    vos_rcu_enter();
    for (uint32_t i = t->sorted_count; i-- != 0;)
        if (t->sorted[i]->locked) release_one(t, t->sorted[i], committed);
    vos_rcu_exit();
}

int vlm_lock_writes(struct vcc_txn *t, vlm_check_fn check, vlm_inserted_fn on_insert) {
    vos_assert_may_wait();
    struct plan plan = {.check = check, .on_insert = on_insert};
    plan.ordinary = vb_load_relaxed(&t->slot->lock_holder) == 0;
    VB_TRY(sort_writes(t));
    VK_YIELD(t->domain, precommit_sorted);
    for (;;) {
        int status = vlm_check_wound(t);
        if (status == VARVE_OK) status = lock_all(t, &plan);
        if (status == VARVE_OK) return VARVE_OK;
        vlm_release_writes(t, false);
        VK_YIELD(t->domain, precommit_released);
        if (status == VLM_BARRED) status = vlm_take(t, &plan.barrier);
        if (status == VARVE_OK) continue;
        t->sorted_count = 0;
        return status;
    }
}
