/* mvcc.c - the table of the multiversion scheme.
 *
 *  M1  every read of a transaction is of the state at t->snap, which is registered; at read committed the stamp moves
 *      between statements
 *  M2  snapshot: first committer wins: a key of the write set has no version above t->snap when it is locked
 *  M3  repeatable read and serializable: reads hold as of the own cts, so that the transaction could have run at that
 *      instant
 *  M4  a stale transaction (its reads no longer hold at the clock) may finish without writes, as of t->snap
 *  M5  a declared read-only transaction registers nothing, validates nothing and locks nothing
 *
 * Source: Larson et al., High-Performance Concurrency Control Mechanisms for Main-Memory Databases, VLDB 2012, 3;
 * departures in README.md.
 *
 * SPDX-License-Identifier: MIT
 */
#include "mvcc/mvcc.h"

#include "base/check.h"
#include "base/planted.h"
#include "certify/certify.h"
#include "lockmgr/lockmgr.h"

static enum varve_isolation effective_level(enum varve_isolation asked, bool read_only) {
    if (read_only && asked < VARVE_SNAPSHOT) return VARVE_SNAPSHOT; /* M5: one snapshot, whatever was asked */
    return asked == VARVE_READ_UNCOMMITTED ? VARVE_READ_COMMITTED : asked;
}

static int begin(struct vcc_txn *t) {
    t->snap = vk_snapshot_register(t->domain, t->slot);
    return VARVE_OK;
}

static int read_row(struct vcc_txn *t, const struct vcc_access *access, struct vcc_result *result) {
    return vct_read(t, access, result, true);
}

static int range(struct vcc_txn *t, struct vcc_scan *scan, const struct vcc_step *step) {
    if (t->stale || !vct_validates_ranges(t, scan)) return VARVE_OK;
    if (VB_PLANTED(1) && !scan->point) return VARVE_OK;
    if (VB_PLANTED(2) && scan->point) return VARVE_OK;
    return vct_note_range(t, scan, step);
}

/* M2 */
static int first_committer(struct vcc_txn *t, const struct vst_table *table, varve_slice key, uint64_t tid) {
    if (vst_tid_cts(tid) <= t->snap) return VARVE_OK;
    if (VB_PLANTED(16) && (tid & VST_GHOST) != 0) return VARVE_OK;
    return vcc_refuse(t, VARVE_CONFLICT, VARVE_REASON_WRITE_WRITE, table, key,
                      "it has a newer version than the snapshot");
}

static int write_intent(struct vcc_txn *t, struct vst_table *table, varve_slice key, struct vst_record *record) {
    if (t->stale)
        return vcc_refuse(t, VARVE_CONFLICT, VARVE_REASON_STALE, table, key,
                          "rows read before have changed, so this transaction can only finish without writes");
    if (t->level == VARVE_SNAPSHOT && record != NULL)
        return first_committer(t, table, key, vb_load_acquire(&record->tid));
    return VARVE_OK;
}

static int check_locked(struct vcc_txn *t, const struct vk_write *write) {
    if (write->kind == VK_ADD && !write->looked) return VARVE_OK; /* it goes on top of whatever is there */
    return first_committer(t, write->table, write->key, vb_load_acquire(&write->record->tid));
}

static int precommit(struct vcc_txn *t) {
    return vlm_lock_writes(t, t->level == VARVE_SNAPSHOT && !VB_PLANTED(79) ? check_locked : NULL, vct_own_insert);
}

const struct vcc_ops vmv_ops = {
    .name = "mvcc",
    .caps = VCC_CAP_VALIDATES | VCC_CAP_STAMPED,
    .effective_level = effective_level,
    .begin = begin,
    .read = read_row,
    .range = range,
    .write = write_intent,
    .precommit = precommit,
    .validate = vct_validate_level,
    .end = vct_end,
};
