/* table_fixture.h - the lock fixture with one real table, small leaves, and a commit in short.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_TABLE_FIXTURE_H
#define VARVE_TESTS_TABLE_FIXTURE_H

#include "unit/lockmgr/lock_fixture.h"

lx_unused static void lx_open_table(struct lx *lx) {
    assert_int_equal(vst_store_open(&lx->domain, &lx->store), VARVE_OK);
    assert_int_equal(vst_table_create(lx->store, 1, "t", &lx->table), VARVE_OK);
    for (unsigned id = 1; id <= LX_SLOTS; id++)
        assert_int_equal(vst_versions_open(lx->store, lx->txns[id].heap, &lx->txns[id].versions), VARVE_OK);
}

lx_unused static void lx_close_table(struct lx *lx) {
    for (unsigned id = 1; id <= LX_SLOTS; id++) vst_versions_close(lx->txns[id].versions);
    lx_close(lx);
}

lx_unused static varve_slice lx_text(const char *key) { return VARVE_SLICE(key, strlen(key)); }

lx_unused static struct vst_record *lx_find(struct lx *lx, const char *key) {
    struct vst_found found;
    vos_rcu_enter();
    vst_lookup(lx->table, lx_text(key), &found);
    vos_rcu_exit();
    return found.record;
}

lx_unused static struct vk_write *lx_stage(struct vcc_txn *t, struct lx *lx, const char *key, enum vk_write_kind kind,
                                           enum vk_precondition precondition) {
    struct vk_write write = {.table = lx->table,
                             .key = lx_text(key),
                             .table_id = 1,
                             .kind = (uint8_t)kind,
                             .precondition = (uint8_t)precondition},
                    *added;
    if (kind == VK_PUT) write.value = lx_text("value");
    lx_check(vk_wset_add(&t->wset, &write, &added) == VARVE_OK);
    return added;
}

/* What comes after precommit, in short. */
lx_unused static void lx_commit(struct vcc_txn *t) {
    vb_store_release(&t->slot->commit, vk_commit_word(0, VK_PREP));
    t->cts = vb_add_acq_rel(&t->domain->clock, 1) + 1;
    vb_store_release(&t->slot->commit, vk_commit_word(t->cts, VK_COMMITTING));
    vos_rcu_enter();
    for (uint32_t i = 0; i < t->sorted_count; i++) {
        struct vk_write *w = t->sorted[i];
        lx_check(vst_lk_writer(vb_load_relaxed(&w->record->lk)) == t->self);
        lx_check((vb_load_relaxed(&w->record->lk) & (VST_LK_UPGRADE | VST_LK_READERS)) == 0);
        struct vst_change change = {.record = w->record, .ghost = w->kind == VK_DELETE, .value = w->value};
        if (vst_tid_cts(vb_load_relaxed(&w->record->tid)) != 0)
            lx_check(vst_image_reserve(t->versions, w->record, &change.image) == VARVE_OK);
        vst_install(t->versions, &change, t->cts);
    }
    vos_rcu_exit();
    lx_end(t, true);
}

#endif
