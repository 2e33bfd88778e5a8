/* locking.c - the table of strict two-phase locking.
 *
 * Owns nothing: locks are lockmgr's, records storage's. Thread rule: the transaction's owner.
 *  L1  read committed: a row is read when its writer field was empty a moment ago; nothing is held
 *  L2  repeatable read: S to the end on each row read that exists or has a record, and GS to the end below which an
 *      absent key would be linked; ghosts and gaps that a cursor passes are not items
 *  L3  serializable: S on every record met, ghosts too, and GS on every gap crossed, to the end
 *  L4  every level: X from the first write of a row that has a record to the end; a new key is X-locked in precommit,
 *      and at serializable the gap it will be linked into has GS until then. An addition locks in precommit only, so a
 *      transaction that does nothing else is an ordinary committer, and no two such are a deadlock
 *  L5  a gap's GS protects only once its record was seen to be the successor still, and the leaf that was read to be
 *      unchanged, both after the grant; the looks are fenced off from the grant (vst_successor, vst_leaf_same), and so
 *      is the latch of whoever links a key from its look at the gap word: one of the two sees the other
 *  L6  a declared read-only transaction reads at a registered snapshot and never meets a lock
 * Every lock is held before the cts is drawn and the reads are stable until then, so the serial order is that of the
 * cts, as in the other schemes, and validation has nothing to do.
 *
 * Sources: Eswaran, Gray, Lorie, Traiger, The Notions of Consistency and Predicate Locks in a Database System, CACM
 * 1976; Gray, Lorie, Putzolu, Traiger, Granularity of Locks and Degrees of Consistency, 1976; Mohan, ARIES/KVL, VLDB
 * 1990 (gaps by next key); Graefe et al., orthogonal key-value locking, BTW 2015 (gap apart from key). Departures in
 * README.md.
 *
 * SPDX-License-Identifier: MIT
 */
#include "locking/locking.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/planted.h"
#include "lockmgr/lockmgr.h"

static enum varve_isolation effective_level(enum varve_isolation asked, bool read_only) {
    if (read_only) return asked < VARVE_SNAPSHOT ? VARVE_SNAPSHOT : asked; /* one snapshot, whatever was asked */
    if (asked == VARVE_READ_UNCOMMITTED) return VARVE_READ_COMMITTED;
    return asked == VARVE_SNAPSHOT ? VARVE_SERIALIZABLE : asked;
}

static int begin(struct vcc_txn *t) {
    t->snap = t->read_only ? vk_snapshot_register(t->domain, t->slot) : VK_NO_SNAP; /* L6 */
    return VARVE_OK;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static int answer(struct vcc_txn *t, int status, const struct vst_seen *seen, struct vcc_result *result) {
    if (status == VST_WAIT) {
        t->pending = (struct vcc_pending){.writer = seen->writer, .stamp = t->snap};
        return VCC_WAIT;
    }
    if (status != VARVE_OK) return vk_fail(&t->detail, status, VARVE_REASON_RESOURCE, "out of memory for a value");
    vcc_observe(t, seen->cts);
    *result = (struct vcc_result){seen->value, seen->cts, seen->present};
    return VARVE_OK;
}

/* Whatever makes the newest version fit to be read at this level. */
static int protect_row(struct vcc_txn *t, struct vst_record *record, enum vcc_hint hint) {
    if (hint == VCC_FOR_UPDATE) return vlm_acquire(t, record, VLM_U);
    if (hint == VCC_UNTRACKED || t->level == VARVE_READ_COMMITTED) return vlm_pass(t, record); /* L1 */
    return vlm_acquire(t, record, VLM_S);
}

static int read_row(struct vcc_txn *t, const struct vcc_access *access, struct vcc_result *result) {
    struct vst_record *record = access->found.record;
    struct vst_seen seen;
    if (t->read_only && VB_PLANTED(20)) return answer(t, vst_read_newest(record, access->arena, &seen), &seen, result);
    if (t->read_only)
        return answer(t, vst_read_at(t->domain, record, t->snap, t->self, access->arena, &seen), &seen, result);
    bool passing = access->hint == VCC_SCAN && t->level == VARVE_REPEATABLE_READ && !vlm_holds(t, record, VLM_S);
    bool brief = VB_PLANTED(22) && access->hint != VCC_FOR_UPDATE && !vlm_holds(t, record, VLM_S);
    VB_TRY(protect_row(t, record, access->hint));
    int status = answer(t, vst_read_newest(record, access->arena, &seen), &seen, result);
    if (status == VARVE_OK && ((passing && !result->present) || brief)) vlm_release(t, record, VLM_S); /* L2 */
    return status;
}

/* --- gaps --------------------------------------------------------------------------------------------------------- */

/* The first record at or beyond the end of the gap that a step has crossed. */
static struct vst_record *guard_of(const struct vcc_scan *scan, const struct vcc_step *step) {
    bool reverse = scan->direction == VST_REVERSE;
    if (step->to.data != NULL) return vst_successor(scan->table, step->to, reverse && step->to_inclusive);
    return reverse ? vst_successor(scan->table, VARVE_SLICE("", 0), false) : vst_sentinel(scan->table);
}

/* L5, across leaves, after the grant of GS on the guard. The first look says that nothing lies between the later
 * leaves' low ends and the guard, and so it stays. The second says that whoever had latched an earlier leaf, and had
 * found a successor that is gone now, has linked nothing; whoever latches one later finds the guard. */
static bool still_guards(const struct vcc_scan *scan, const struct vcc_step *step, const struct vst_record *guard) {
    return guard_of(scan, step) == guard && guard_of(scan, step) == guard;
}

/* The leaf that was read holds the guard: its version answers for the whole gap. */
static bool in_portion(const struct vst_portion *portion, const struct vst_record *guard) {
    for (unsigned i = 0; i < portion->count; i++)
        if (portion->records[i] == guard) return true;
    return false;
}

/* GS on the gap into which `key` would be linked, no record of that key being about. RETRY: look up again. */
static int lock_absence(struct vcc_txn *t, struct vst_table *table, varve_slice key) {
    struct vcc_scan scan = {.table = table, .direction = VST_FORWARD, .from = key, .point = true};
    struct vcc_step step = {.to = key, .to_inclusive = true};
    struct vst_record *guard = guard_of(&scan, &step);
    if (vb_equal(vst_record_key(guard), key)) return VCC_RETRY;
    VK_YIELD(t->domain, gap_found);
    VB_TRY(vlm_acquire(t, guard, VLM_GS));
    return still_guards(&scan, &step, guard) || VB_PLANTED(92) ? VARVE_OK : VCC_RETRY;
}

static int range(struct vcc_txn *t, struct vcc_scan *scan, const struct vcc_step *step) {
    if (t->read_only || t->level == VARVE_READ_COMMITTED) return VARVE_OK;
    if (VB_PLANTED(33) && scan->point) return VARVE_OK;
    if (scan->point) return lock_absence(t, scan->table, scan->from);
    if (t->level != VARVE_SERIALIZABLE) return VARVE_OK; /* L2 */
    if (VB_PLANTED(23) && step->guard == vst_sentinel(scan->table)) return VARVE_OK;
    VB_TRY(vlm_acquire(t, step->guard, VLM_GS));
    if (!in_portion(step->portion, step->guard) && !still_guards(scan, step, step->guard)) return VCC_RETRY;
    return vst_leaf_same(step->portion->leaf, step->portion->olc) || VB_PLANTED(68) ? VARVE_OK : VCC_RETRY; /* K9 */
}

/* --- writing and the end ------------------------------------------------------------------------------------------ */

static int write_intent(struct vcc_txn *t, struct vst_table *table, varve_slice key, struct vst_record *record) {
    if (record != NULL) return vlm_acquire(t, record, VLM_X);
    return t->level == VARVE_SERIALIZABLE ? lock_absence(t, table, key) : VARVE_OK;
}

static int precommit(struct vcc_txn *t) { return vlm_lock_writes(t, NULL, NULL); }

static int validate(struct vcc_txn *t, uint64_t cts) {
    (void)t;
    (void)cts;
    return VARVE_OK;
}

static void end(struct vcc_txn *t, bool committed) {
    vlm_release_all(t, committed);
    vk_snapshot_release(t->slot);
}

const struct vcc_ops vlk_ops = {
    .name = "2pl",
    .caps = VCC_CAP_GAPS,
    .effective_level = effective_level,
    .begin = begin,
    .read = read_row,
    .range = range,
    .write = write_intent,
    .precommit = precommit,
    .validate = validate,
    .end = end,
};
