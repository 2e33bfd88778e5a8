/* apply.c - applying one change that was committed elsewhere or earlier: recovery from the log, and a follower.
 *
 * Owns nothing. Thread rule: any thread, any order of changes, beside readers and other appliers.
 * Invariants
 *   1. Last writer wins by cts, and deletes leave ghosts with their cts: whatever the order of application, each key
 *      ends with its newest change.
 *   2. A change becomes visible at once, whatever the snapshot clock says: whoever applies moves the clock past a cts
 *      only when all changes up to it are applied.
 *   3. Without versions no before-image is kept: only while nobody reads (recovery).
 *   4. A record looked up in a read section may leave the index in it, and an absent one may come: FROZEN tells the one,
 *      the link (EXISTS) the other, and the change is looked up again. So several may be looked up before the first is
 *      applied.
 * Source: Zheng et al., Fast databases with fast durability and recovery through multicore parallelism (SiloR), OSDI
 * 2014, 4.5 (replay in any order).
 *
 * SPDX-License-Identifier: MIT
 */
#include "storage/storage.h"

#include "base/planted.h"
#include "os/rcu.h"
#include "storage/version_int.h"

enum { HELD_UP = 100, TOGETHER = 8 };

/* Where changes go. `live`: how many more records are present, told once for all of them; with versions they count it. */
struct applier {
    struct vst_table *table;
    struct vst_versions *versions;
    struct vb_heap *heap;
    int64_t live;
};

/* Takes the writer field of the record that was looked up in this read section, or links one where there was none.
 * HELD_UP: somebody has a lock there, or there is a record after all. */
static int lock_record(const struct applier *to, const struct vst_logged *logged, struct vst_record *found,
                       struct vst_record **record) {
    if (found == NULL) {
        struct vst_inserted inserted;
        size_t bytes = logged->ghost ? 0 : logged->value.size;
        size_t room = bytes > VK_INLINE_BYTES ? 8 : bytes < 8 ? 8 : bytes;
        int status = vst_insert_ghost(to->table, to->heap, logged->key, room, VK_SLOT_APPLIER, 0, NULL, &inserted);
        if (status == VARVE_BUSY || status == VARVE_EXISTS) return HELD_UP;
        if (status == VARVE_OK) *record = inserted.record;
        return status;
    }
    if (!vst_writer_try(found, VK_SLOT_APPLIER)) return HELD_UP;
    if ((vb_load_acquire(&found->tid) & VST_FROZEN) != 0) {
        vst_writer_drop(vst_table_store(to->table)->domain, found);
        return HELD_UP;
    }
    *record = found;
    return VARVE_OK;
}

static void install_bare(struct applier *to, const struct vst_change *change, uint64_t cts) {
    struct vst_store *store = vst_table_store(to->table);
    struct vst_record *record = change->record;
    uint64_t old = vb_load_relaxed(&record->tid);
    void *blob = (old & VST_BLOB) != 0 ? (void *)(uintptr_t)vb_load_relaxed(vst_value_words(record)) : NULL;
    vst_value_write(store->domain, record, change, cts);
    to->live += (int64_t)((old & VST_GHOST) != 0) - (int64_t)change->ghost;
    if (blob != NULL) vst_retire(store, blob);
    if (change->ghost) vst_ghost_note(to->table, record);
}

/* The record is locked. Whatever is not used of the change is the caller's again. */
static int install_newer(struct applier *to, struct vst_change *change, uint64_t cts) {
    uint64_t now = vst_tid_cts(vb_load_relaxed(&change->record->tid));
    if (now >= cts && !VB_PLANTED(72)) return VARVE_OK;
    if (!change->ghost && change->blob == NULL && !vst_fits_inline(change->record, change->value.size))
        VB_TRY(vst_blob_create(to->heap, change->value, &change->blob));
    if (to->versions != NULL && now != 0) VB_TRY(vst_image_reserve(to->versions, change->record, &change->image));
    if (to->versions != NULL)
        vst_install(to->versions, change, cts);
    else
        install_bare(to, change, cts);
    change->blob = NULL;
    return VARVE_OK;
}

/* In the read section of the look-up. */
static int apply_found(struct applier *to, const struct vst_logged *logged, struct vst_record *found,
                       struct vst_change *change) {
    int status = lock_record(to, logged, found, &change->record);
    if (status != VARVE_OK) return status;
    status = install_newer(to, change, logged->cts);
    vst_writer_drop(vst_table_store(to->table)->domain, change->record);
    return status;
}

static int apply_one(struct applier *to, const struct vst_logged *logged) {
    varve_slice key = logged->key, value = logged->value;
    if (key.size == 0 || key.size > VARVE_KEY_MAX_BYTES || (!logged->ghost && value.size > VARVE_VALUE_MAX_BYTES))
        return VARVE_TOOBIG;
    struct vst_change change = {.ghost = logged->ghost, .value = value};
    if (!logged->ghost && value.size > VK_INLINE_BYTES) VB_TRY(vst_blob_create(to->heap, value, &change.blob));
    int status;
    for (;;) {
        struct vst_found found;
        vos_rcu_enter();
        vst_lookup(to->table, key, &found);
        status = apply_found(to, logged, found.record, &change);
        vos_rcu_exit();
        if (status != HELD_UP) break;
        vos_thread_yield();
    }
    vst_blob_free(to->heap, change.blob);
    return status;
}

/* Large values need memory made outside the section, and what has no right size is for apply_one to refuse. */
static bool alone(const struct vst_logged *logged) {
    return logged->key.size == 0 || logged->key.size > VARVE_KEY_MAX_BYTES ||
           (!logged->ghost && logged->value.size > VK_INLINE_BYTES);
}

/* Up to TOGETHER changes, none of them for itself. From the first that is held up they follow one by one, so that changes
 * of a key keep their order: one that was absent, for instance, is linked by its first change and held up at the second. */
static int apply_group(struct applier *to, const struct vst_logged *changes, size_t count, bool fresh) {
    varve_slice keys[TOGETHER];
    struct vst_found found[TOGETHER] = {{NULL, NULL, 0}};
    int status = VARVE_OK;
    size_t done = 0;
    for (size_t i = 0; i < count; i++) keys[i] = changes[i].key;
    vos_rcu_enter();
    if (!fresh) vst_lookup_many(to->table, keys, found, count);
    while (done < count) {
        struct vst_change change = {.ghost = changes[done].ghost, .value = changes[done].value};
        status = apply_found(to, &changes[done], found[done].record, &change);
        vst_blob_free(to->heap, change.blob);
        if (status != VARVE_OK) break;
        done++;
    }
    vos_rcu_exit();
    if (status == HELD_UP) status = VARVE_OK;
    while (done < count && status == VARVE_OK) status = apply_one(to, &changes[done++]);
    return status;
}

int vst_apply_many(struct vst_table *table, struct vst_versions *versions, struct vb_heap *heap,
                   const struct vst_logged *changes, size_t count, bool fresh) {
    struct applier to = {table, versions, heap, 0};
    int status = VARVE_OK;
    for (size_t first = 0; first < count && status == VARVE_OK;) {
        size_t part = 0;
        while (first + part < count && part < TOGETHER && !alone(&changes[first + part])) part++;
        status = part != 0 ? apply_group(&to, &changes[first], part, fresh) : apply_one(&to, &changes[first]);
        first += part != 0 ? part : 1;
    }
    if (to.live != 0) vst_count_live(vst_table_store(table), heap, to.live);
    return status;
}

/* size waiver: the seven words of one logged change and where it goes, as its callers have them. */
int vst_apply(struct vst_table *table, struct vst_versions *versions, struct vb_heap *heap, varve_slice key,
              varve_slice value, bool ghost, uint64_t cts) {
    struct vst_logged logged = {key, value, ghost, cts};
    return vst_apply_many(table, versions, heap, &logged, 1, false);
}
