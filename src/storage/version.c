/* version.c - installing a version: the before-image, the walk along a chain, its pruning under long readers, the new
 * value.
 *
 * Owns no memory; images live in chunks (chunk.c). Thread rule: vst_install by the holder of the record's writer
 * field, whose versions they are; vst_image_at by anyone in a read section.
 * Invariants: V1 to V5 in version_int.h, and
 *   1. The head is published before the tid shows BUSY, BUSY before any payload word, all of them before the new tid.
 *   2. A pruner believes only the janitor's capture, loaded once inside its read section; it never takes stock
 *      itself: a transaction that has loaded its stamp and not stored it yet is in no slot and behind no floor.
 * Sources: Neumann, Muehlbauer, Kemper, Fast serializable multi-version concurrency control for main-memory database
 * systems, SIGMOD 2015, 2 (newest in place, before-images); Boettcher et al., Scalable garbage collection for
 * in-memory MVCC systems, VLDB 2020, 4 (pruning by intervals). Departures: the capture instead of a list of active
 * transactions at every writer, and the stop rule, which lets chunks be reused without unlinking; both were model
 * checked.
 *
 * SPDX-License-Identifier: MIT
 */
#include "os/rcu.h"
#include "base/planted.h"
#include "base/seqcopy.h"
#include "storage/version_int.h"

/* Where somebody at or below the split goes in: V6. */
static struct vst_image *old_entry(const struct vst_record *record, uint64_t tid, uint64_t split) {
    if (vst_tid_cts(tid) > split && !VB_PLANTED(122)) return vb_load_acquire(vst_shortcut(record));
    struct vst_image *head = vb_load_acquire(&record->head);
    bool whole = head == NULL || vst_tid_cts(head->before) <= split || VB_PLANTED(123) || VB_PLANTED(122);
    return whole ? head : vb_load_acquire(vst_shortcut(record));
}

struct vst_image *vst_image_at(const struct vk_domain *domain, const struct vst_record *record, uint64_t tid, uint64_t s) {
    uint64_t split = vos_rcu_deref(&domain->capture)->split;
    bool old = split != 0 && s <= split;
    struct vst_image *image = old ? old_entry(record, tid, split) : vb_load_acquire(&record->head);
    while (image != NULL && vst_tid_cts(image->before) > s)
        image = vst_image_prev(image);
    return image;
}

/* Has the capture a snapshot in [low, high)? */
static bool captured_inside(const struct vk_capture *capture, uint64_t low, uint64_t high) {
    size_t first = 0, end = capture->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (capture->snaps[middle] < low + (VB_PLANTED(10) ? 1 : 0))
            first = middle + 1;
        else
            end = middle;
    }
    return first < capture->count && capture->snaps[first] < high;
}

/* The stop rule (V2, V6): may somebody step below a version with this cts? */
static bool may_step_below(const struct vk_capture *capture, uint64_t cts) {
    return cts > (cts > capture->split ? capture->young_min : capture->min_snap);
}

/* Unlinks every image that no captured snapshot needs and no later one can ask for. The writer field is held, so nobody
 * else changes the chain. */
static void prune(struct vst_versions *versions, struct vst_record *record, const struct vk_capture *capture,
                  uint64_t newest) {
    uint64_t over = newest;
    struct vst_image *above = NULL, *image = record->head;
    while (image != NULL && may_step_below(capture, over)) {
        VK_YIELD(versions->store->domain, gc_prune);
        struct vst_image *older = vst_image_prev(image);
        uint64_t before = vst_tid_cts(image->before);
        if (over > capture->gc_floor || captured_inside(capture, before, over)) {
            above = image;
        } else {
            vb_store_release(above != NULL ? &above->prev : &record->head, older);
            vst_gc_limbo(versions, image);
        }
        over = before;
        image = older;
    }
}

/* Nobody will ever step below the version `kept` to older ones by the head. A split that goes with this young_min is seen,
 * because young_min is loaded first. */
static bool is_cut(struct vk_domain *domain, uint64_t kept) {
    uint64_t young_min = vb_load_acquire(&domain->young_min);
    return kept <= vb_load_relaxed(&domain->min_snap) ||
           (kept <= young_min && (kept > vb_load_acquire(&domain->split) || VB_PLANTED(124)));
}

/* Links the image above the chain and prunes the chain where the janitor has taken stock since it was last done. `kept` is
 * the version the image keeps. */
static void link_above(struct vst_versions *versions, struct vst_record *record, struct vst_image *image,
                       uint64_t kept) {
    struct vk_domain *domain = versions->store->domain;
    if (record->head == NULL || is_cut(domain, kept)) {
        vst_image_set_pushes(image, 1);
        return;
    }
    vos_rcu_enter();
    const struct vk_capture *capture = vos_rcu_deref(&domain->capture);
    struct vst_image *head = may_step_below(capture, kept) ? record->head : NULL;
    uint32_t pushes = 1;
    if (head != NULL && head->link == capture->gc_floor)
        pushes += vst_image_pushes(head);
    else if (head != NULL)
        prune(versions, record, capture, kept);
    image->prev = head != NULL ? record->head : NULL;
    image->link = capture->gc_floor;
    vos_rcu_exit();
    vst_image_set_pushes(image, pushes);
    if (pushes > VST_CHAIN_LONG && vb_load_relaxed(&domain->janitor_asked) == 0)
        vb_store_relaxed(&domain->janitor_asked, 1);
}

/* Nobody writes the value while the caller holds the writer field. */
static void copy_to_image(struct vst_image *image, const struct vst_record *record, uint64_t tid) {
    size_t size = (tid & VST_BLOB) != 0 ? 8 : vst_image_value_bytes(image);
    memcpy(image->words, vst_value_words(record), (size + 7) & ~(size_t)7);
}

static void push_image(struct vst_versions *versions, struct vst_record *record, struct vst_image *image) {
    uint64_t tid = vb_load_relaxed(&record->tid);
    image->before = tid & ~(uint64_t)(0xffu & ~(VST_GHOST | VST_BLOB));
    copy_to_image(image, record, tid);
    link_above(versions, record, image, vst_tid_cts(tid));
    vos_light_barrier(); /* behind the stamp, before split is looked at: pairs with the janitor's membarrier (C6) */
    if (vst_tid_cts(tid) <= vb_load_acquire(&versions->store->domain->split) && !VB_PLANTED(125))
        vb_store_release(vst_shortcut(record), image);
    VK_YIELD(versions->store->domain, install_shortcut);
    vb_store_release(&record->head, image);
}

void vst_value_write(struct vk_domain *domain, struct vst_record *record, const struct vst_change *change,
                     uint64_t cts) {
    uint64_t tid = vb_load_relaxed(&record->tid), len = vb_load_relaxed(&record->len);
    const struct vst_blob *blob = change->blob;
    size_t size = change->ghost ? 0 : blob != NULL ? blob->size : change->value.size;
    VB_ASSERT(blob != NULL || change->ghost || size <= vst_len_capacity(len));
    uint64_t flags = (change->ghost ? VST_GHOST : 0) | (blob != NULL ? VST_BLOB : 0) | (tid & VST_HOT);
    if (size > VST_LEN_VALUE_MAX) size = VST_LEN_VALUE_MAX;

    vb_store_release(&record->tid, tid | VST_BUSY); /* after the head: whoever sees BUSY finds the image */
    vb_fence_release();
    VK_YIELD(domain, install_busy);
    vb_seq_store(&record->len, vst_len_with_value(len, (uint32_t)size));
    if (blob != NULL)
        vb_seq_store(vst_value_words(record), (uint64_t)(uintptr_t)blob);
    else if (!change->ghost)
        vb_seq_copy_in(vst_value_words(record), change->value.data, change->value.size);
    VK_YIELD(domain, install_value);
    vb_store_release(&record->tid, cts << 8 | flags);
}

void vst_install(struct vst_versions *versions, const struct vst_change *change, uint64_t cts) {
    struct vst_record *record = change->record;
    uint64_t old = vb_load_relaxed(&record->tid);
    VB_ASSERT(vst_tid_cts(old) < cts && (old & (VST_BUSY | VST_FROZEN)) == 0);
    VB_ASSERT(change->blob == NULL || !change->ghost);
    bool keep = vst_tid_cts(old) != 0 && !(VB_PLANTED(51) && versions->store->domain->capture->count == 0);
    if (keep) push_image(versions, record, change->image);
    VK_YIELD(versions->store->domain, install_image);
    vst_value_write(versions->store->domain, record, change, cts);
    if (change->image != NULL) vst_image_used(versions, change->image, keep ? cts : 0);

    int64_t delta = (int64_t)((old & VST_GHOST) != 0) - (int64_t)change->ghost;
    if (delta != 0) vb_store_relaxed(&versions->live_delta, versions->live_delta + delta);
    if (!change->ghost) return;
    vos_rcu_enter();
    struct vst_table *table = vst_table_at(versions->store, vst_record_table_slot(record));
    if (table != NULL) vst_ghost_note(table, record);
    vos_rcu_exit();
}
