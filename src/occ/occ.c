/* occ.c - the table of the optimistic scheme.
 *
 *  O1  the read stamp rs is registered in the slot as a snapshot is: ghosts above it are not purged
 *  O2  opacity: all rows read are of the state at rs; meeting a newer version moves rs forward if everything read still
 *      holds, else CONFLICT at once
 *  O3  repeatable read and serializable: reads hold as of the own cts
 *  O4  a validation conflict with a locker whose cts is larger is no conflict
 *
 * Sources: Kung, Robinson, On Optimistic Methods for Concurrency Control, TODS 1981; Tu et al., Speedy Transactions in
 * Multicore In-Memory Databases, SOSP 2013, 4; departures in README.md.
 *
 * SPDX-License-Identifier: MIT
 */
#include "occ/occ.h"

#include "base/check.h"
#include "base/planted.h"
#include "certify/certify.h"
#include "lockmgr/lockmgr.h"

static enum varve_isolation effective_level(enum varve_isolation asked, bool read_only) {
    if (read_only) return asked < VARVE_SNAPSHOT ? VARVE_SNAPSHOT : asked; /* one snapshot, whatever was asked */
    if (asked == VARVE_READ_UNCOMMITTED) return VARVE_READ_COMMITTED;
    return asked == VARVE_SNAPSHOT && !VB_PLANTED(93) ? VARVE_SERIALIZABLE : asked;
}

static int begin(struct vcc_txn *t) {
    t->snap = vk_snapshot_register(t->domain, t->slot);
    return VARVE_OK;
}

static int read_row(struct vcc_txn *t, const struct vcc_access *access, struct vcc_result *result) {
    return vct_read(t, access, result, false);
}

static int range(struct vcc_txn *t, struct vcc_scan *scan, const struct vcc_step *step) {
    return vct_validates_ranges(t, scan) && !VB_PLANTED(36) ? vct_note_range(t, scan, step) : VARVE_OK;
}

static int write_intent(struct vcc_txn *t, struct vst_table *table, varve_slice key, struct vst_record *record) {
    (void)t;
    (void)table;
    (void)key;
    (void)record;
    return VARVE_OK; /* nothing is known to be wrong before validation */
}

static int precommit(struct vcc_txn *t) { return vlm_lock_writes(t, NULL, vct_own_insert); }

const struct vcc_ops vox_ops = {
    .name = "occ",
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
