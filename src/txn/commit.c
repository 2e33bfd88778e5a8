/* commit.c - the conductor: a commit is this list of stages, and each stage is somebody else's work.
 *
 * | stage     | what                                                         | can fail with           | then       |
 * | --------- | ------------------------------------------------------------ | ----------------------- | ---------- |
 * | seal      | no more operations                                           | the doom                | abort      |
 * | check     | row rules ran when each row was staged; none waits for commit | -                      | -          |
 * | precommit | lock the write set, ghosts for new keys, write-write rules   | retry statuses, NOMEM   | abort      |
 * | derive    | sums of what was added, under the locks                      | INVALID, NOMEM          | abort      |
 * | reserve   | before-images, blobs, log space; redo encoded but for its cts | FULL, NOMEM, FAILED    | abort      |
 * | stamp     | PREP, cts = fetch_add(clock), COMMITTING                     | -                       | -          |
 * | validate  | reads and ranges hold as of cts                              | CONFLICT                | abort: the cts
 * stays a gap | | publish   | the cts into the redo record: the point of no return         | -                       |
 * -          | | install   | before-image, new value, new cts, record by record           | -                       | -
 * | | end       | unlock, wake, release the snapshot                           | -                       | -          |
 * | harden    | wait for the durable cts                                     | UNKNOWN_OUTCOME, FAILED | report     |
 *
 * After derive nothing knows of additions any more: log, recovery and checkpoints see values.
 * A transaction without writes has none of the middle: it was consistent at its stamp all along, and only waits until
 * what it saw is as durable as its sync mode promises.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/check.h"
#include "base/planted.h"
#include "lockmgr/lockmgr.h"
#include "os/rcu.h"
#include "txn/txn_int.h"

static int seal(struct varve_txn *txn) {
    VB_TRY(vtx_enter(txn));
    vtx_cursors_close_all(txn);
    return VARVE_OK;
}

/* The newest committed version, which cannot change any more, plus the delta. */
static int derive_one(struct varve_txn *txn, struct vk_write *write) {
    struct vst_seen seen;
    vos_rcu_enter();
    int status = vst_read_newest(write->record, &txn->cc.arena, &seen);
    vos_rcu_exit();
    if (status != VARVE_OK)
        return vk_fail(&txn->cc.detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for a sum");
    VB_TRY(vtx_plus(txn, write->table, write->key, seen.present ? seen.value : VARVE_SLICE(NULL, 0), write->value,
                    &txn->cc.arena, &write->value));
    write->kind = VK_PUT;
    return VARVE_OK;
}

/* For a planted bug: the sums of rows that are there, before anything is locked. */
static int derive_early(struct varve_txn *txn) {
    const struct vk_wset *wset = &txn->cc.wset;
    for (uint32_t i = 0; i < wset->count; i++)
        if (!wset->writes[i]->superseded && wset->writes[i]->kind == VK_ADD && wset->writes[i]->record != NULL)
            VB_TRY(derive_one(txn, wset->writes[i]));
    return VARVE_OK;
}

static int derive(struct varve_txn *txn) {
    for (uint32_t i = 0; i < txn->cc.sorted_count; i++)
        if (txn->cc.sorted[i]->kind == VK_ADD) VB_TRY(derive_one(txn, txn->cc.sorted[i]));
    return VARVE_OK;
}

/* Gives back, last first, what reserve took for sorted[0..count). */
static void unreserve(struct vcc_txn *cc, uint32_t count) {
    while (count-- != 0) {
        struct vk_write *write = cc->sorted[count];
        if (write->blob != NULL) vst_blob_free(cc->heap, write->blob);
        if (write->image != NULL) vst_image_cancel(cc->versions, write->image);
        write->blob = NULL;
        write->image = NULL;
    }
}

/* Room for everything one write will install. */
static int reserve_write(struct vcc_txn *cc, struct vk_write *write) {
    if (write->kind == VK_PUT && !vst_fits_inline(write->record, write->value.size)) {
        if (VK_FAULT(cc->domain, blob)) return VARVE_NOMEM;
        VB_TRY(vst_blob_create(cc->heap, write->value, &write->blob));
    }
    if (vst_tid_cts(vb_load_relaxed(&write->record->tid)) == 0) return VARVE_OK; /* never committed: nothing to keep */
    if (VK_FAULT(cc->domain, image)) return VARVE_NOMEM;
    return vst_image_reserve(cc->versions, write->record, &write->image);
}

static int reserve(struct varve_txn *txn) {
    struct vcc_txn *cc = &txn->cc;
    int status = VARVE_OK;
    uint32_t done = 0;
    VK_YIELD(cc->domain, reserve_begin);
    while (done < cc->sorted_count && status == VARVE_OK) status = reserve_write(cc, cc->sorted[done++]);
    if (status != VARVE_OK)
        vk_fail(&cc->detail, status, VARVE_REASON_RESOURCE, "out of memory for the commit of %u rows",
                cc->sorted_count);
    if (status == VARVE_OK) status = vtl_reserve(txn->ring, cc->sorted, cc->sorted_count, &cc->detail);
    VK_YIELD(cc->domain, reserve_done);
    if (status == VARVE_OK && vb_load_relaxed(&cc->slot->lock_holder) != 0) {
        status = vlm_check_wound(cc); /* the last moment: nobody wounds a committer */
        if (status != VARVE_OK) vtl_cancel(txn->ring);
    }
    if (status != VARVE_OK) unreserve(cc, done);
    return status;
}

static void stamp(struct vcc_txn *cc) {
    VK_YIELD(cc->domain, stamp_before);
    if (!VB_PLANTED(49)) vb_store_release(&cc->slot->commit, vk_commit_word(0, VK_PREP)); /* C2 */
    uint64_t read = VB_PLANTED(82) ? vb_load_relaxed(&cc->domain->clock) : 0;
    VK_YIELD(cc->domain, stamp_prep);
    if (VB_PLANTED(82))
        vb_store_release(&cc->domain->clock, cc->cts = read + 1);
    else
        cc->cts = vb_add_acq_rel(&cc->domain->clock, 1) + 1;
    VK_YIELD(cc->domain, stamp_drawn);
    vb_store_release(&cc->slot->commit, vk_commit_word(cc->cts, VK_COMMITTING));
    VK_YIELD(cc->domain, stamp_committing);
}

/* For planted bugs: the reads as of the clock, before the own cts is drawn. */
static int validate_early(struct vcc_txn *cc) {
    vos_rcu_enter();
    int status = cc->ops->validate(cc, vb_load_acquire(&cc->domain->clock));
    vos_rcu_exit();
    return status;
}

static void install_one(struct vcc_txn *cc, const struct vk_write *write, uint64_t cts) {
    struct vst_change change = {.record = write->record,
                                .image = write->image,
                                .ghost = write->kind == VK_DELETE,
                                .value = write->value,
                                .blob = write->blob};
    vst_install(cc->versions, &change, cts);
}

static int validate(struct varve_txn *txn, int early) {
    struct vcc_txn *cc = &txn->cc;
    int status = VB_PLANTED(5) || VB_PLANTED(34) ? early : vcc_validate(cc, cc->cts);
    if (VK_FAULT(cc->domain, conflict))
        status = vk_fail(&cc->detail, VARVE_CONFLICT, VARVE_REASON_READ, "validation was made to refuse");
    if (vb_likely(status == VARVE_OK)) return VARVE_OK;
    if (VB_PLANTED(21) && !cc->sorted[0]->new_ghost) {
        install_one(cc, cc->sorted[0], cc->cts);
        cc->sorted[0]->image = NULL;
        cc->sorted[0]->blob = NULL;
    }
    vtl_cancel(txn->ring);
    unreserve(cc, cc->sorted_count);
    cc->cts = 0; /* stays a gap */
    return status;
}

static void install(struct vcc_txn *cc) {
    if (VB_PLANTED(9)) vb_store_release(&cc->slot->commit, vk_commit_word(0, VK_IDLE));
    for (uint32_t i = 0; i < cc->sorted_count; i++) {
        if (i + 2 < cc->sorted_count) __builtin_prefetch(cc->sorted[i + 2]->record, 1);
        install_one(cc, cc->sorted[i], VB_PLANTED(38) && i != 0 ? vb_add_acq_rel(&cc->domain->clock, 1) + 1 : cc->cts);
        VK_YIELD(cc->domain, install_record);
    }
}

/* After the end: nothing of the transaction but its sync mode and what it saw is needed. */
static int harden(struct varve_txn *txn, uint64_t cts) {
    int status = vtl_harden(txn->pool->config.log, txn->cc.slot, cts, txn->sync);
    if (vb_likely(status == VARVE_OK)) return VARVE_OK;
    bool wrote = txn->last_cts != 0;
    return vk_fail(&txn->cc.detail, wrote ? VARVE_UNKNOWN_OUTCOME : VARVE_FAILED, VARVE_REASON_FAILED, "%s: %s",
                   wrote ? "committed in memory, but its sync failed" : "what this transaction read may not be durable",
                   vtl_poison_text(txn->pool->config.log));
}

/* The stages between seal and harden of a transaction that has written. */
static int write_out(struct varve_txn *txn) {
    struct vcc_txn *cc = &txn->cc;
    int early = VB_PLANTED(34) ? validate_early(cc) : VARVE_OK;
    if (VB_PLANTED(6)) stamp(cc);
    if (VB_PLANTED(97)) VB_TRY(derive_early(txn));
    int status = vcc_precommit(cc);
    if (status == VARVE_OK && !VB_PLANTED(99)) status = derive(txn);
    if (status == VARVE_OK) status = reserve(txn);
    if (VB_PLANTED(99) && status == VARVE_OK) status = derive(txn);
    if (VB_PLANTED(6) && status != VARVE_OK) cc->cts = 0;
    if (status != VARVE_OK) return status;
    if (VB_PLANTED(5)) early = validate_early(cc);
    vos_rcu_enter();
    if (!VB_PLANTED(6)) stamp(cc);
    if (VB_PLANTED(45)) vtl_publish(txn->ring, cc->cts);
    status = validate(txn, early);
    if (status == VARVE_OK) {
        VK_YIELD(cc->domain, publish_before);
        if (!VB_PLANTED(45)) vtl_publish(txn->ring, cc->cts); /* the point of no return */
        install(cc);
    }
    vos_rcu_exit();
    return status;
}

/* What has to be as durable as the sync mode promises: the own commit and every version seen. In a database that
 * forgets deletions before they are durable, an absence may be anybody's commit. */
static uint64_t what_it_saw(const struct varve_txn *txn) {
    const struct vcc_txn *cc = &txn->cc;
    uint64_t saw = cc->cts > cc->observed ? cc->cts : cc->observed;
    bool strict = txn->sync == VARVE_SYNC_SYNC || txn->sync == VARVE_SYNC_GROUP;
    if (!strict || cc->domain->ghosts_wait_durable) return saw;
    return vb_load_acquire(&cc->domain->clock);
}

int vtx_commit(struct varve_txn *txn) {
    if (vb_load_relaxed(&txn->state) != VTX_ACTIVE || txn->in_callback) return VARVE_MISUSE;
    struct vcc_txn *cc = &txn->cc;
    int status = seal(txn);
    if (status == VARVE_OK && cc->wset.live != 0) status = write_out(txn);
    if (status != VARVE_OK) vtx_leave(txn, status); /* tells the caller's varve_error before the end clears anything */
    uint64_t saw = what_it_saw(txn);
    vtx_finish(txn, status == VARVE_OK, cc->detail.reason);
    if (status == VARVE_OK) {
        VK_YIELD(cc->domain, harden_before);
        status = harden(txn, saw);
        if (status != VARVE_OK) vtx_leave(txn, status);
    }
    vb_store_relaxed(&txn->state, VTX_FINISHED);
    vtx_handle_return(txn);
    return status;
}
