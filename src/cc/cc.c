/* cc.c - the only caller of a scheme's table.
 *
 * Checks what the contract in cc.h says about the moment of each call: read and range inside a read section, precommit
 * outside one, validate after the stamp. Schemes may rely on it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cc/cc.h"

#include "base/bytes.h"
#include "base/check.h"
#include "os/rcu.h"

bool vcc_ops_complete(const struct vcc_ops *ops) {
    return ops->name != NULL && ops->effective_level != NULL && ops->begin != NULL && ops->read != NULL &&
           ops->range != NULL && ops->write != NULL && ops->precommit != NULL && ops->validate != NULL &&
           ops->end != NULL;
}

int vcc_begin(struct vcc_txn *t) {
    VB_ASSERT(t->cts == 0 && t->locks.count == 0);
    return t->ops->begin(t);
}

int vcc_read(struct vcc_txn *t, const struct vcc_access *access, struct vcc_result *result) {
    VB_ASSERT(access->found.record != NULL);
    return t->ops->read(t, access, result);
}

int vcc_read_ahead(struct vcc_txn *t, struct vst_ahead *ahead) {
    ahead->done = 0;
    if (!t->read_only && (t->ops->caps & VCC_CAP_STAMPED) == 0) return VARVE_OK;
    if (vst_read_ahead(t->domain, ahead, t->snap, t->self) == VARVE_OK) return VARVE_OK;
    return vk_fail(&t->detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for a value");
}

int vcc_range(struct vcc_txn *t, struct vcc_scan *scan, const struct vcc_step *step) {
    VB_ASSERT(step->guard != NULL || (t->ops->caps & VCC_CAP_GAPS) == 0 || t->read_only);
    return t->ops->range(t, scan, step);
}

int vcc_write(struct vcc_txn *t, struct vst_table *table, varve_slice key, struct vst_record *record) {
    VB_ASSERT(!t->read_only);
    return t->ops->write(t, table, key, record);
}

int vcc_precommit(struct vcc_txn *t) {
    vos_assert_may_wait();
    return t->ops->precommit(t);
}

int vcc_validate(struct vcc_txn *t, uint64_t cts) {
    VB_ASSERT(vk_commit_state(vb_load_relaxed(&t->slot->commit)) == VK_COMMITTING);
    return t->ops->validate(t, cts);
}

void vcc_end(struct vcc_txn *t, bool committed) {
    t->ops->end(t, committed);
    VB_ASSERT(t->locks.count == 0 && vb_load_relaxed(&t->slot->snap) == VK_NO_SNAP);
}

int vcc_refuse(struct vcc_txn *t, int status, enum varve_reason reason, const struct vst_table *table, varve_slice key,
               const char *what) {
    char text[64];
    vb_printable(key, text, sizeof text);
    return vk_fail(&t->detail, status, reason, "table %s, key %s: %s", table != NULL ? vst_table_name(table) : "?",
                   text, what);
}
