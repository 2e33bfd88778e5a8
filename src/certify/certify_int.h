/* certify_int.h - private to src/certify.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CERTIFY_CERTIFY_INT_H
#define VARVE_CERTIFY_CERTIFY_INT_H

#include "base/check.h"
#include "certify/certify.h"

/* In vcc_read_entry.seen: VST_BUSY's place, which VST_TID_MASK leaves free. */
#define VCT_EXISTENCE ((uint64_t)1)

int vct_reads_grow(struct vcc_txn *t); /* room for one more read, or NOMEM */
/* Adds a read. existence: only presence is validated. NOMEM. */
vb_step int vct_note_read(struct vcc_txn *t, const struct vst_record *record, uint64_t seen_tid, bool existence) {
    struct vcc_reads *reads = &t->reads;
    if (vb_unlikely(reads->entry_count == reads->entry_capacity) || VK_FAULTS_WANTED(t->domain)) VB_TRY(vct_reads_grow(t));
    reads->entries[reads->entry_count++] =
        (struct vcc_read_entry){record, (seen_tid & VST_TID_MASK) | (existence ? VCT_EXISTENCE : 0)};
    return VARVE_OK;
}

#endif
