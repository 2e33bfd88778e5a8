/* lockword.c - the writer field of a record, taken and dropped by those who are no transactions: the applier and the
 * purge.
 *
 * Owns nothing. Thread rule: any thread, in a read section. Neither waits here, and neither holds more than one
 * record. Lock words change by CAS only. Reader bits and claims are respected when the field is taken and left in
 * place when it is dropped; WAITERS goes with the field, and then everyone who sleeps for this word is woken.
 *
 * SPDX-License-Identifier: MIT
 */
#include "storage/version_int.h"

bool vst_writer_try(struct vst_record *record, unsigned writer) {
    uint64_t lk = vb_load_relaxed(&record->lk);
    while (vst_lk_writer(lk) == 0 && (lk & (VST_LK_READERS | VST_LK_CLAIM)) == 0)
        if (vb_cas(&record->lk, &lk, lk | vst_lk_of(writer))) return true;
    return false;
}

void vst_writer_drop(struct vk_domain *domain, struct vst_record *record) {
    uint64_t lk = vb_load_relaxed(&record->lk);
    while (!vb_cas(&record->lk, &lk, lk & (VST_LK_READERS | VST_LK_CLAIM)))
        continue;
    if ((lk & VST_LK_WAITERS) == 0) return;
    for (unsigned id = 1; id <= domain->slot_count; id++)
        if (vb_load_acquire(&domain->slots[id].waiting_on) == (uint64_t)(uintptr_t)&record->lk) vk_wake(domain, id);
}
