/* store.c - the store of one database: opening and closing, and the janitor's part: freeing what is unpinned,
 * dropping pruned images, moving chunks on, purging ghosts.
 *
 * Owns the lists that transactions push to and the janitor takes. Thread rule: open and close with nobody else about;
 * vst_collect by the janitor, after vk_janitor_round; the rest any thread.
 * Invariants
 *   1. What vst_collect takes from a stack was unlinked before it took it. It is tagged with the epoch that follows and
 *      freed once min_pin has passed that. The round that starts that epoch ends with a grace period, after which nobody
 *      stores or meets an entry of the table's hash for it any more (hash.h); who met one before has begun by then, so
 *      its pin is not above the tag, and its section, if it has no pin, ends before the next round does.
 *   2. A ghost is purged when its cts is below min_snap and, in a durable database, durable (or 0: never committed),
 *      and nobody holds a lock on it or on its gap, under the leaf latch; FROZEN tells those who still hold a pointer
 * to look it up again. Sources: Boettcher et al., VLDB 2020 (see version.c); Graefe, A survey of B-tree locking
 * techniques, TODS 2010, 4.5 (ghost records).
 *
 * SPDX-License-Identifier: MIT
 */
#include "storage/storage.h"

#include "base/planted.h"
#include "os/rcu.h"
#include "storage/hash.h"
#include "storage/version_int.h"

/* A writer id that is no transaction's. */
#define PURGER        (VK_SLOT_APPLIER + 1)
/* Ghosts looked at in one collection, and in one read section. */
#define PURGE_MOST    16384u
#define PURGE_SECTION 32u

int vst_store_open(struct vk_domain *domain, struct vst_store **store) {
    struct vst_store *s = vb_heap_alloc_line(domain->janitor_heap, sizeof(*s));
    if (s == NULL) return VARVE_NOMEM;
    memset(s, 0, sizeof(*s));
    s->domain = domain;
    *store = s;
    return VARVE_OK;
}

void vst_gc_add_versions(struct vst_store *store, struct vst_versions *versions) {
    vos_mutex_lock(&store->mutex);
    versions->next = store->versions;
    store->versions = versions;
    vos_mutex_unlock(&store->mutex);
}

void vst_gc_remove_versions(struct vst_store *store, struct vst_versions *versions) {
    vos_mutex_lock(&store->mutex);
    struct vst_versions **link = &store->versions;
    while (*link != versions) link = &(*link)->next;
    *link = versions->next;
    vst_count_live(store, versions->heap, versions->live_delta);
    vos_mutex_unlock(&store->mutex);
}

/* --- batches ----------------------------------------------------------------------------------------------------- */

static void batch_add(struct vst_batches *batches, struct vst_hidden *list, struct vst_hidden *last, uint64_t tag) {
    if (list == NULL) return;
    struct vst_batch *into;
    if (batches->count < VST_BATCHES) {
        into = &batches->batch[batches->count++];
        into->tag = tag;
        into->list = NULL;
    } else {
        into = &batches->batch[0];
        for (unsigned i = 1; i < batches->count; i++)
            if (batches->batch[i].tag > into->tag) into = &batches->batch[i];
        if (into->tag < tag) into->tag = tag;
    }
    last->next = into->list;
    into->list = list;
}

/* Takes a batch whose tag is below `passed`, or 0 (ghosts that were never committed); NULL when there is none. */
static struct vst_hidden *batch_take(struct vst_batches *batches, uint64_t passed) {
    for (unsigned i = 0; i < batches->count; i++) {
        if (batches->batch[i].tag != 0 && batches->batch[i].tag >= passed) continue;
        struct vst_hidden *list = batches->batch[i].list;
        batches->batch[i] = batches->batch[--batches->count];
        return list;
    }
    return NULL;
}

/* A list under construction. */
struct chain {
    struct vst_hidden *first, *last;
    uint64_t tag;
};

static void chain_add(struct chain *chain, struct vst_hidden *hidden, uint64_t tag) {
    hidden->next = chain->first;
    if (chain->first == NULL) chain->last = hidden;
    chain->first = hidden;
    if (tag > chain->tag) chain->tag = tag;
}

static struct vst_hidden *take(struct vst_hidden **stack) {
    return vb_load_relaxed(stack) == NULL ? NULL : vb_exchange_acq_rel(stack, NULL);
}

static uint64_t free_all(struct vst_hidden *list, struct vb_heap *heap) {
    uint64_t count = 0;
    for (struct vst_hidden *next; list != NULL; list = next, count++) {
        next = list->next;
        vst_hidden_free(heap, list);
    }
    return count;
}

static uint64_t collect_retired(struct vst_store *store, struct vb_heap *heap) {
    uint64_t min_pin = vb_load_relaxed(&store->domain->min_pin), count = 0;
    for (struct vst_hidden *list; (list = batch_take(&store->retired_batches, min_pin)) != NULL;)
        count += free_all(list, heap);
    struct vst_hidden *list = take(&store->retired), *last = list;
    while (last != NULL && last->next != NULL) last = last->next;
    batch_add(&store->retired_batches, list, last, vb_load_relaxed(&store->domain->epoch) + !VB_PLANTED(113));
    return count;
}

/* --- pruned images ------------------------------------------------------------------------------------------------ */

void vst_gc_limbo(struct vst_versions *versions, struct vst_image *image) {
    struct vst_image **limbo = &versions->store->limbo, *top = vb_load_relaxed(limbo);
    vb_add_acq_rel(&vst_image_chunk(image)->in_limbo, 1);
    vb_store_relaxed(&versions->pruned, versions->pruned + 1);
    do {
        image->link = (uint64_t)(uintptr_t)top;
    } while (!vb_cas(limbo, &top, image));
}

static uint64_t collect_limbo(struct vst_store *store, struct vb_heap *heap) {
    uint64_t count = 0;
    for (struct vst_image *image = store->limbo_old, *next; image != NULL; image = next, count++) {
        next = (struct vst_image *)(uintptr_t)image->link;
        vst_image_dropped(image, heap);
    }
    store->limbo_old = vb_load_relaxed(&store->limbo) == NULL ? NULL : vb_exchange_acq_rel(&store->limbo, NULL);
    return count;
}

/* --- ghosts ------------------------------------------------------------------------------------------------------- */

enum fate { LEAVES, WAITS };

static bool purgeable(uint64_t tid, uint64_t min_snap) {
    uint64_t cts = vst_tid_cts(tid);
    return (tid & VST_GHOST) != 0 && (cts == 0 || cts < min_snap);
}

static bool unlink_ghost(struct vst_table *table, struct vst_record *record, uint64_t min_snap) {
    struct vst_store *store = vst_table_store(table);
    if (!vst_writer_try(record, PURGER)) return false;
    VK_YIELD(store->domain, gc_ghost);
    uint64_t tid = vb_load_acquire(&record->tid);
    bool gone = purgeable(tid, min_snap) && (tid & VST_FROZEN) == 0 && vst_tree_unlink(table, record);
    vst_writer_drop(store->domain, record);
    if (gone) vst_retire(store, record);
    return gone;
}

/* LEAVES: the record is out of the queue. A record that was revived, and became a ghost again while it was taken from
 * the queue, is noted anew. */
static enum fate look_at_ghost(struct vst_store *store, struct vst_hidden *hidden, uint64_t min_snap) {
    struct vst_record *record = (struct vst_record *)(void *)(hidden + 1);
    if ((vb_load_acquire(&hidden->word) & VST_HIDDEN_RETIRED) != 0) {
        vst_hidden_unqueue(store, hidden);
        return LEAVES;
    }
    struct vst_table *table = vst_table_at(store, vst_record_table_slot(record));
    if (table == NULL) return WAITS; /* being dropped: it will be retired */
    uint64_t tid = vb_load_acquire(&record->tid);
    if (purgeable(tid, min_snap) && unlink_ghost(table, record, min_snap)) {
        vb_store_relaxed(&store->purged, store->purged + 1);
        vst_hidden_unqueue(store, hidden);
        return LEAVES;
    }
    tid = vb_load_acquire(&record->tid);
    if ((tid & VST_GHOST) != 0) return WAITS;
    if (vst_hidden_unqueue(store, hidden) && (vb_load_acquire(&record->tid) & VST_GHOST) != 0)
        vst_ghost_note(table, record);
    return LEAVES;
}

static uint64_t look_at_ghosts(struct vst_store *store, struct vst_hidden *list, uint64_t min_snap,
                               struct chain *waiting) {
    uint64_t count = 0;
    while (list != NULL) {
        vos_rcu_enter();
        for (unsigned i = 0; i < PURGE_SECTION && list != NULL; i++) {
            struct vst_hidden *next = list->next;
            uint64_t cts = vst_tid_cts(vb_load_relaxed(&((struct vst_record *)(void *)(list + 1))->tid));
            if (look_at_ghost(store, list, min_snap) == WAITS)
                chain_add(waiting, list, cts);
            else
                count++;
            list = next;
        }
        vos_rcu_exit();
    }
    return count;
}

/* Ghosts with a cts below it may go. A reader cannot tell which commit removed a key that has no record any more, so
 * where acknowledgements wait for the disk a deletion is remembered until it is durable. */
static uint64_t ghost_horizon(const struct vk_domain *domain) {
    uint64_t min_snap = vb_load_relaxed(&domain->min_snap);
    uint64_t durable = vb_load_acquire(&domain->durable);
    return domain->ghosts_wait_durable && durable < min_snap ? durable + 1 : min_snap;
}

static uint64_t collect_ghosts(struct vst_store *store) {
    uint64_t min_snap = ghost_horizon(store->domain), count = 0;
    struct chain waiting = {NULL, NULL, 0};
    struct vst_hidden *fresh = take(&store->ghosts);
    while (count < PURGE_MOST) {
        struct vst_hidden *list = batch_take(&store->ghost_batches, min_snap);
        if (list == NULL) break;
        count += look_at_ghosts(store, list, min_snap, &waiting);
    }
    count += look_at_ghosts(store, fresh, min_snap, &waiting);
    batch_add(&store->ghost_batches, waiting.first, waiting.last, waiting.tag);
    return count;
}

/* --- the round, statistics, the end ------------------------------------------------------------------------------- */

bool vst_collect(struct vst_store *store) {
    struct vb_heap *heap = store->domain->janitor_heap;
    const struct vk_capture *capture = store->domain->capture; /* the janitor's own */
    uint64_t recycled = 0;
    uint64_t done = collect_retired(store, heap) + collect_limbo(store, heap);
    VK_YIELD(store->domain, gc_recycle);
    vos_mutex_lock(&store->mutex);
    for (struct vst_versions *v = store->versions; v != NULL; v = v->next)
        recycled += vst_versions_collect(v, capture, heap);
    vos_mutex_unlock(&store->mutex);
    vb_store_relaxed(&store->recycled, store->recycled + recycled);
    done += collect_ghosts(store);
    vst_hash_tend(store);
    return done + recycled != 0;
}

void vst_gc_stats(struct vst_store *store, struct vst_gc_stats *stats) {
    int64_t linked = 0, live = 0;
    for (unsigned i = 0; i < VST_STRIPES; i++) {
        linked += vb_load_relaxed(&store->stripes[i].linked);
        live += vb_load_relaxed(&store->stripes[i].live);
    }
    memset(stats, 0, sizeof(*stats));
    vos_mutex_lock(&store->mutex);
    for (struct vst_versions *v = store->versions; v != NULL; v = v->next) {
        live += vb_load_relaxed(&v->live_delta);
        stats->version_bytes -= vb_load_relaxed(&v->bytes_given);
        stats->version_bytes += vb_load_relaxed(&v->bytes_taken);
        stats->pruned_images += vb_load_relaxed(&v->pruned);
    }
    vos_mutex_unlock(&store->mutex);
    stats->records = live > 0 ? (uint64_t)live : 0;
    stats->ghosts = linked > live ? (uint64_t)(linked - live) : 0;
    stats->purged_ghosts = vb_load_relaxed(&store->purged);
    stats->recycled_chunks = vb_load_relaxed(&store->recycled);
}

/* Ghosts that are still linked are the tree's to free; those that were retired while queued are freed with the rest. */
static void leave_queue(struct vst_store *store, struct vst_hidden *list) {
    for (struct vst_hidden *next; list != NULL; list = next) {
        next = list->next;
        vst_hidden_unqueue(store, list);
    }
}

void vst_store_close(struct vst_store *store) {
    struct vb_heap *heap = store->domain->janitor_heap;
    leave_queue(store, take(&store->ghosts));
    for (unsigned i = 0; i < store->ghost_batches.count; i++) leave_queue(store, store->ghost_batches.batch[i].list);
    free_all(take(&store->retired), heap);
    for (unsigned i = 0; i < store->retired_batches.count; i++) free_all(store->retired_batches.batch[i].list, heap);
    for (unsigned slot = 1; slot <= VK_TABLES_MAX; slot++)
        if (store->tables[slot] != NULL) vst_tree_free(store->tables[slot], heap);
    for (struct vst_versions *v = store->versions; v != NULL; v = v->next)
        v->store = NULL; /* vst_versions_close may come later */
    vb_heap_free_line(heap, store, sizeof(*store));
}
