/* validate.c - do the reads hold as of a cts? And moving the stamp forward when they do.
 *
 * In a read section. Waits for nothing but another slot's PREP (a few instructions long).
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/bytes.h"
#include "base/check.h"
#include "base/experiment.h"
#include "base/planted.h"
#include "certify/certify.h"
#include "certify/certify_int.h"

/* Extensions may re-check this many times what was read, plus a little for small transactions. */
enum { RECHECK_FACTOR = 4, RECHECK_FREE = 64 };

/* V3 for one record met now: it was there, and as it is, at the stamp; nobody changes it at or below as_of. */
static bool fits(struct vcc_txn *t, const struct vst_record *record, uint64_t as_of) {
    uint64_t tid = vb_load_acquire(&record->tid);
    bool own = vst_lk_writer(vb_load_acquire(&record->lk)) == t->self;
    bool own_ghost = own && (vst_tid_cts(tid) == 0 || VB_PLANTED(55));
    if (own_ghost || (tid & VST_FROZEN) != 0) return true;
    if (vst_tid_cts(tid) > (VB_PLANTED(94) ? as_of : t->snap)) return false;
    if (VB_PLANTED(89) || vst_holds(t->domain, record, tid & VST_TID_MASK, as_of, t->self, false)) return true;
    /* Purged since it was looked at: only what was absent at every registered stamp, this one too, is purged. */
    return (vb_load_acquire(&record->tid) & VST_FROZEN) != 0;
}

static struct vst_table *table_of(const struct vcc_txn *t, const struct vst_record *record) {
    return vst_table_at(t->shared->store, vst_record_table_slot(record));
}

/* A row was read as absent and its ghost has been purged since: absent still, unless the key has been linked again. */
static bool absent_still(struct vcc_txn *t, const struct vst_record *purged, uint64_t as_of) {
    struct vst_found found;
    vst_lookup(table_of(t, purged), vst_record_key(purged), &found);
    return found.record == NULL || fits(t, found.record, as_of);
}

static bool row_holds(struct vcc_txn *t, const struct vcc_read_entry *entry, uint64_t as_of) {
    bool existence = (entry->seen & VCT_EXISTENCE) != 0;
    if (VB_PLANTED(41) && vst_lk_writer(vb_load_acquire(&entry->record->lk)) == t->self) return true;
    uint64_t seen = entry->seen & VST_TID_MASK;
    if (vb_likely(vst_holds_plainly(t->domain, entry->record, seen, as_of, t->self))) return true;
    if (vb_likely(vst_holds(t->domain, entry->record, seen, as_of, t->self, existence))) return true;
    bool purged = (entry->seen & VST_GHOST) != 0 && (vb_load_acquire(&entry->record->tid) & VST_FROZEN) != 0;
    return purged && absent_still(t, entry->record, as_of);
}

static int rows_hold(struct vcc_txn *t, uint64_t as_of) {
    const struct vcc_reads *reads = &t->reads;
    for (uint32_t i = 0; i < reads->entry_count; i++) {
        const struct vcc_read_entry *entry = &reads->entries[i];
        if (i + 4 < reads->entry_count) __builtin_prefetch(reads->entries[i + 4].record);
        VK_YIELD(t->domain, validate_row);
        if (vb_unlikely(!row_holds(t, entry, as_of)))
            return vcc_refuse(t, VARVE_CONFLICT, VARVE_REASON_READ, table_of(t, entry->record),
                              vst_record_key(entry->record), "it has changed since it was read");
    }
    return VARVE_OK;
}

static bool beyond_high(const struct vcc_range_entry *range, varve_slice key) {
    if (range->high.data == NULL) return false;
    int order = vb_compare(key, range->high);
    return order > 0 || (order == 0 && !range->high_inclusive);
}

/* Looks at the range again, leaf by leaf. */
static int rescan(struct vcc_txn *t, const struct vcc_range_entry *range, uint64_t as_of) {
    vb_add_relaxed(t->shared->range_rescans, 1);
    struct vst_portion portion;
    VK_YIELD(t->domain, validate_leaf);
    vst_portion_read(range->table, range->low, range->low_strict, VST_FORWARD, &portion);
    for (;;) {
        vst_portion_prefetch_next(range->table, &portion);
        for (unsigned i = 0; i < portion.count; i++) {
            varve_slice key = vst_record_key(portion.records[i]);
            if (beyond_high(range, key)) return VARVE_OK;
            if (!fits(t, portion.records[i], as_of))
                return vcc_refuse(t, VARVE_CONFLICT, VARVE_REASON_PHANTOM, range->table, key,
                                  "the range it lies in has changed since it was read");
        }
        varve_slice fence = vst_portion_fence(&portion);
        if (fence.data == NULL || beyond_high(range, fence)) return VARVE_OK;
        VK_YIELD(t->domain, validate_leaf);
        if (!vst_portion_next(range->table, &portion, &portion)) return VARVE_OK;
    }
}

static int ranges_hold(struct vcc_txn *t, uint64_t as_of) {
    struct vcc_reads *reads = &t->reads;
    for (uint32_t i = 0; i < reads->node_count; i++) {
        const struct vcc_node_entry *node = &reads->nodes[i];
        VK_YIELD(t->domain, validate_range);
        if (!vst_phantom_same(node->leaf, node->phantom)) reads->ranges[node->range].large = true;
    }
    for (uint32_t i = 0; i < reads->range_count; i++)
        if (reads->ranges[i].large && !(VB_PLANTED(19) && reads->ranges[i].rows > t->domain->limits.scan_small))
            VB_TRY(rescan(t, &reads->ranges[i], as_of));
    return VARVE_OK;
}

int vct_validate(struct vcc_txn *t, uint64_t cts) {
    VB_TRY(rows_hold(t, cts));
    if (VB_PLANTED(96) && t->cts == 0) return VARVE_OK;
    return ranges_hold(t, cts);
}

static bool within_budget(struct vcc_txn *t) {
    const struct vcc_reads *reads = &t->reads;
    uint64_t done = (uint64_t)reads->entry_count + reads->range_count;
    uint64_t factor = VB_SETTING(recheck_factor, RECHECK_FACTOR);
    t->reads.rechecks += done;
    return factor != 0 && reads->rechecks <= factor * done + RECHECK_FREE;
}

int vct_extend(struct vcc_txn *t, bool *lost) {
    *lost = false;
    if (!within_budget(t))
        return vk_fail(&t->detail, VARVE_CONFLICT, VARVE_REASON_STALE, "the snapshot was moved forward too often");
    uint64_t s = vb_load_acquire(&t->domain->clock);
    VK_YIELD(t->domain, extend_clock);
    if (!(VB_PLANTED(13) && t->wset.live == 0)) VB_TRY(vct_validate(t, s));
    VK_YIELD(t->domain, extend_checked);
    if (VB_PLANTED(58)) s = vb_load_acquire(&t->domain->clock);
    while (vb_unlikely(!vk_snapshot_move(t->domain, t->slot, s))) {
        s = vk_snapshot_register(t->domain, t->slot); /* the old stamp is given up: only success will do now */
        *lost = true;
        VB_TRY(vct_validate(t, s));
        *lost = false;
    }
    t->snap = s;
    t->snap_moves++;
    if (VB_PLANTED(11)) t->reads.entry_count = 0;
    VK_YIELD(t->domain, extend_moved);
    vb_add_relaxed(t->shared->extensions, 1);
    return VARVE_OK;
}
