/* apply.c - applying one change that was committed elsewhere or earlier: recovery from the log, and a follower.
 *
 * Owns nothing. Thread rule: any thread, any order of changes, beside readers and other appliers.
 * Invariants
 *   1. Last writer wins by cts, and deletes leave ghosts with their cts: whatever the order of application, each key
 *      ends with its newest change.
 *   2. A change becomes visible at once, whatever the snapshot clock says: whoever applies moves the clock past a cts
 *      only when all changes up to it are applied.
 *   3. Without versions no before-image is kept: only while nobody reads (recovery).
 * Source: Zheng et al., Fast databases with fast durability and recovery through multicore parallelism (SiloR), OSDI
 * 2014, 4.5 (replay in any order).
 *
 * SPDX-License-Identifier: MIT
 */
#include "storage/storage.h"

#include "base/planted.h"
#include "os/rcu.h"
#include "storage/version_int.h"

enum { HELD_UP = 100 };

/* Finds or links the record and takes its writer field. HELD_UP: somebody has a lock there. In a read section. */
static int lock_record(struct vst_table *table, struct vb_heap *heap, varve_slice key, size_t value_bytes,
                       struct vst_record **record) {
    struct vst_found found;
    vst_lookup(table, key, &found);
    if (found.record == NULL) {
        struct vst_inserted inserted;
        size_t room = value_bytes > VK_INLINE_BYTES ? 8 : value_bytes < 8 ? 8 : value_bytes;
        int status = vst_insert_ghost(table, heap, key, room, VK_SLOT_APPLIER, 0, &inserted);
        if (status == VARVE_BUSY || status == VARVE_EXISTS) return HELD_UP;
        if (status == VARVE_OK) *record = inserted.record;
        return status;
    }
    if (!vst_writer_try(found.record, VK_SLOT_APPLIER)) return HELD_UP;
    if ((vb_load_acquire(&found.record->tid) & VST_FROZEN) != 0) {
        vst_writer_drop(vst_table_store(table)->domain, found.record);
        return HELD_UP;
    }
    *record = found.record;
    return VARVE_OK;
}

static void install_bare(struct vst_table *table, struct vb_heap *heap, const struct vst_change *change, uint64_t cts) {
    struct vst_store *store = vst_table_store(table);
    struct vst_record *record = change->record;
    uint64_t old = vb_load_relaxed(&record->tid);
    void *blob = (old & VST_BLOB) != 0 ? (void *)(uintptr_t)vb_load_relaxed(vst_value_words(record)) : NULL;
    vst_value_write(store->domain, record, change, cts);
    int64_t delta = (int64_t)((old & VST_GHOST) != 0) - (int64_t)change->ghost;
    if (delta != 0) vst_count_live(store, heap, delta);
    if (blob != NULL) vst_retire(store, blob);
    if (change->ghost) vst_ghost_note(table, record);
}

/* The record is locked. Whatever is not used of the change is the caller's again. */
static int install_newer(struct vst_table *table, struct vst_versions *versions, struct vb_heap *heap,
                         struct vst_change *change, uint64_t cts) {
    uint64_t now = vst_tid_cts(vb_load_relaxed(&change->record->tid));
    if (now >= cts && !VB_PLANTED(72)) return VARVE_OK;
    if (!change->ghost && change->blob == NULL && !vst_fits_inline(change->record, change->value.size))
        VB_TRY(vst_blob_create(heap, change->value, &change->blob));
    if (versions != NULL && now != 0) VB_TRY(vst_image_reserve(versions, change->record, &change->image));
    if (versions != NULL)
        vst_install(versions, change, cts);
    else
        install_bare(table, heap, change, cts);
    change->blob = NULL;
    return VARVE_OK;
}

/* size waiver: the seven words of one logged change and where it goes; a struct would be filled for this call alone. */
int vst_apply(struct vst_table *table, struct vst_versions *versions, struct vb_heap *heap, varve_slice key,
              varve_slice value, bool ghost, uint64_t cts) {
    if (key.size == 0 || key.size > VARVE_KEY_MAX_BYTES || (!ghost && value.size > VARVE_VALUE_MAX_BYTES))
        return VARVE_TOOBIG;
    struct vst_change change = {.ghost = ghost, .value = value};
    if (!ghost && value.size > VK_INLINE_BYTES) VB_TRY(vst_blob_create(heap, value, &change.blob));
    struct vk_domain *domain = vst_table_store(table)->domain;
    int status;
    for (;;) {
        vos_rcu_enter();
        status = lock_record(table, heap, key, ghost ? 0 : value.size, &change.record);
        if (status == VARVE_OK) {
            status = install_newer(table, versions, heap, &change, cts);
            vst_writer_drop(domain, change.record);
        }
        vos_rcu_exit();
        if (status != HELD_UP) break;
        vos_thread_yield();
    }
    vst_blob_free(heap, change.blob);
    return status;
}
