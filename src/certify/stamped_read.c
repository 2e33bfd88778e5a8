/* stamped_read.c - the calls of a scheme that reads at a stamp: a read, registered where its level wants it validated;
 * the validation its level asks for; the end.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/check.h"
#include "base/planted.h"
#include "certify/certify.h"
#include "certify/certify_int.h"
#include "lockmgr/lockmgr.h"

bool vct_validates_rows(const struct vcc_txn *t) {
    return !t->read_only && ((t->level == VARVE_REPEATABLE_READ && !VB_PLANTED(80)) || t->level == VARVE_SERIALIZABLE);
}

bool vct_validates_ranges(const struct vcc_txn *t, const struct vcc_scan *scan) {
    return vct_validates_rows(t) && (t->level == VARVE_SERIALIZABLE || scan->point);
}

/* A newer version than the stamp's exists. Moves the stamp (VCC_RETRY: read again), or leaves the transaction stale. */
static int meet_newer(struct vcc_txn *t, bool may_go_stale) {
    if (t->stale) return VARVE_OK;
    bool lost;
    int status = vct_extend(t, &lost);
    if (status == VARVE_OK) return VB_PLANTED(59) ? VARVE_OK : VCC_RETRY;
    if (status != VARVE_CONFLICT || lost || !may_go_stale || t->wset.live != 0 ||
        vb_load_relaxed(&t->slot->lock_holder))
        return status;
    t->stale = true;
    return VARVE_OK;
}

/* Takes U and makes sure that the stamp sees the newest version, which cannot change any more. */
static int lock_newest(struct vcc_txn *t, struct vst_record *record) {
    VB_TRY(vlm_acquire(t, record, VLM_U));
    uint64_t newest = vst_tid_cts(vb_load_acquire(&record->tid));
    if (newest <= t->snap || VB_PLANTED(60)) return VARVE_OK;
    if (t->level == VARVE_SNAPSHOT)
        return vcc_refuse(t, VARVE_CONFLICT, VARVE_REASON_WRITE_WRITE, NULL, vst_record_key(record),
                          "it has a newer version than the snapshot");
    if (t->level == VARVE_READ_COMMITTED) {
        if (t->open_statements > 1) /* besides this one: a cursor, whose rows are to be of one state */
            return vcc_refuse(t, VARVE_CONFLICT, VARVE_REASON_STALE, NULL, vst_record_key(record),
                              "it has a newer version than the open cursor reads");
        t->snap = vk_snapshot_register(t->domain, t->slot);
        t->snap_moves++;
        return VARVE_OK;
    }
    if (t->stale)
        return vk_fail(&t->detail, VARVE_CONFLICT, VARVE_REASON_STALE, "the snapshot is stale and cannot lock rows");
    return meet_newer(t, false);
}

/* A row read ahead is as good as one read now while its record shows the same tid: whoever has a cts at or below the stamp
 * held its lock, or had installed, when the row was read. */
static bool ahead_holds(const struct vcc_access *access) {
    return access->ahead != NULL && access->hint != VCC_FOR_UPDATE &&
           (vb_load_acquire(&access->found.record->tid) & VST_TID_MASK) == access->ahead->tid;
}

int vct_read(struct vcc_txn *t, const struct vcc_access *access, struct vcc_result *result, bool may_go_stale) {
    struct vst_record *record = access->found.record;
    if (access->hint == VCC_FOR_UPDATE) VB_TRY(lock_newest(t, record));
    struct vst_seen seen;
    bool newest = VB_PLANTED(40) && !may_go_stale && !t->read_only && t->wset.live == 0;
    int status = VARVE_OK;
    if (ahead_holds(access))
        seen = *access->ahead;
    else
        status = vst_read_at(t->domain, record, newest ? UINT64_MAX >> 8 : t->snap, t->self, access->arena, &seen);
    if (status == VST_WAIT) {
        t->pending = (struct vcc_pending){.writer = seen.writer, .stamp = t->snap};
        return VCC_WAIT;
    }
    if (status != VARVE_OK) return vk_fail(&t->detail, status, VARVE_REASON_RESOURCE, "out of memory for a value");
    VK_YIELD(t->domain, read_copied);
    if (vct_validates_rows(t)) {
        bool existence = access->hint == VCC_EXISTENCE;
        bool same_presence = ((seen.tid & VST_GHOST) == 0) == seen.present;
        if (!seen.newest && !(existence && same_presence) && !VB_PLANTED(4)) VB_TRY(meet_newer(t, may_go_stale));
        bool item = access->hint != VCC_UNTRACKED &&
                    (seen.present || access->hint != VCC_SCAN || (t->level == VARVE_SERIALIZABLE && !VB_PLANTED(3)));
        if (item && !t->stale) VB_TRY(vct_note_read(t, record, seen.tid, existence));
    }
    if (!VB_PLANTED(54)) vcc_observe(t, seen.cts);
    *result = (struct vcc_result){seen.value, seen.cts, seen.present};
    return VARVE_OK;
}

static bool only_deletes(const struct vcc_txn *t) {
    for (uint32_t i = 0; i < t->sorted_count; i++)
        if (t->sorted[i]->kind != VK_DELETE) return false;
    return true;
}

int vct_validate_level(struct vcc_txn *t, uint64_t cts) {
    if (VB_PLANTED(81) && only_deletes(t)) return VARVE_OK;
    return vct_validates_rows(t) ? vct_validate(t, cts) : VARVE_OK;
}

void vct_end(struct vcc_txn *t, bool committed) {
    vlm_release_all(t, committed);
    vk_snapshot_release(t->slot);
}
