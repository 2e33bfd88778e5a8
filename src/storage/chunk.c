/* chunk.c - room for before-images: chunks of each transaction slot, bump allocated, reused whole without unlinking
 * what is in them.
 *
 * Owns every chunk and the blobs that before-images hold. Thread rule: open, reserve, cancel and used by the slot's
 * owner; dropped and collect by the janitor; close when both have stopped. The two meet in three places only: the
 * stack of sealed chunks (pushed by the owner, taken whole by the janitor), the stack of free ones (the other way
 * round), and in_limbo.
 * Invariants
 *   1. A chunk is sealed only when no image in it is merely reserved; a sealed chunk is the janitor's.
 *   2. A sealed chunk is reused when min_snap has reached the largest cts that overwrote a version in it, or young_min has
 *      and all its versions are from above the split, or every image in it was pruned, and a grace period has begun and ended after that was seen, and none of its images is
 *      in limbo: no registered reader and, after the grace period, no pruner goes there any more (stop rule,
 *      version_int.h).
 *   3. Images lie in a chunk one after the other, each with its room in its own header, so that blobs can be found.
 *   4. Blobs of more than BLOB_BYTES close a chunk, so that an idle slot does not keep much memory.
 * Source: the version buffers of Freitag, Kemper, Neumann, Memory-optimized multi-version concurrency control for
 * disk-based database systems, VLDB 2022, 3. Departure: two streams, by whether the oldest snapshot needs the
 * version, so that one long reader does not hold the chunks of what was written after it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "storage/version_int.h"

#define FIRST_BYTES 2048u
#define BLOB_BYTES (64u << 10)
#define SPARE_CHUNKS 4u
#define AHEAD_BYTES 512u
#define HELD_ROUNDS 64u

static uint32_t round8(uint32_t size) { return (size + 7) & ~7u; }

static void push_chunk(struct vst_chunk **stack, struct vst_chunk *chunk) {
    struct vst_chunk *top = vb_load_relaxed(stack);
    do {
        chunk->next = top;
    } while (!vb_cas(stack, &top, chunk));
}

static struct vst_chunk *take_chunks(struct vst_chunk **stack) {
    return vb_load_relaxed(stack) == NULL ? NULL : vb_exchange_acq_rel(stack, NULL);
}

static void count_up(uint64_t *counter, uint64_t by) { vb_store_relaxed(counter, vb_load_relaxed(counter) + by); }

int vst_versions_open(struct vst_store *store, struct vb_heap *heap, struct vst_versions **versions) {
    struct vst_versions *v = vb_heap_alloc_line(heap, sizeof(*v));
    if (v == NULL) return VARVE_NOMEM;
    memset(v, 0, sizeof(*v));
    v->store = store;
    v->heap = heap;
    size_t limit = store->domain->limits.chunk_bytes;
    v->fresh_bytes = limit < FIRST_BYTES ? (uint32_t)limit : FIRST_BYTES;
    vst_gc_add_versions(store, v);
    *versions = v;
    return VARVE_OK;
}

/* --- the owner's side -------------------------------------------------------------------------------------------- */

static void empty_chunk(struct vst_chunk *chunk, struct vst_versions *versions, uint32_t size) {
    memset(chunk, 0, sizeof(*chunk));
    chunk->versions = versions;
    chunk->size = size;
    chunk->used = sizeof(*chunk);
    chunk->min_before = UINT64_MAX;
    vb_arena_poison(chunk + 1, size - sizeof(*chunk));
}

static struct vst_chunk *fresh_chunk(struct vst_versions *v) {
    uint32_t size = v->fresh_bytes;
    struct vst_chunk *chunk = vb_heap_alloc(v->heap, size);
    if (chunk == NULL) return NULL;
    empty_chunk(chunk, v, size);
    uint64_t limit = v->store->domain->limits.chunk_bytes;
    v->fresh_bytes = size * 2 < limit ? size * 2 : (uint32_t)limit;
    return chunk;
}

static struct vst_chunk *next_chunk(struct vst_versions *v) {
    if (v->spare == NULL) v->spare = take_chunks(&v->recycled);
    struct vst_chunk *chunk = v->spare;
    if (chunk != NULL) {
        v->spare = chunk->next;
        vb_sub_acq_rel(&v->recycled_count, 1);
        chunk->next = NULL;
    } else {
        chunk = fresh_chunk(v);
        if (chunk == NULL) return NULL;
    }
    count_up(&v->bytes_taken, chunk->size);
    return chunk;
}

/* A chunk that gets no more images: the janitor's, or kept aside until those reserved in it are installed. */
static void close_chunk(struct vst_versions *v, struct vst_chunk *chunk) {
    if (chunk->pending == 0) {
        push_chunk(&v->sealed, chunk);
        return;
    }
    chunk->next = v->closing;
    v->closing = chunk;
}

static void leave_closing(struct vst_versions *v, struct vst_chunk *chunk) {
    struct vst_chunk **link = &v->closing;
    while (*link != NULL && *link != chunk)
        link = &(*link)->next;
    if (*link == NULL) return;
    *link = chunk->next;
    push_chunk(&v->sealed, chunk);
}

/* The room of the image after the next few: what is reused here has left the cache since. */
static void fetch_ahead(const char *end) {
    for (unsigned i = 0; i < 3; i++) __builtin_prefetch(end + AHEAD_BYTES + i * VB_CACHE_LINE, 1);
}

static enum vst_stream stream_of(const struct vk_domain *domain, uint64_t cts) {
    bool old = cts <= vb_load_relaxed(&domain->min_snap) || cts <= vb_load_relaxed(&domain->split);
    return old ? VST_OLD : VST_YOUNG;
}

int vst_image_reserve(struct vst_versions *versions, const struct vst_record *record, struct vst_image **image) {
    uint64_t tid = vb_load_relaxed(&record->tid), len = vb_load_relaxed(&record->len);
    uint32_t room = (tid & VST_GHOST) != 0 ? 0 : (tid & VST_BLOB) != 0 ? 8 : round8(vst_len_value(len));
    uint32_t bytes = vst_image_bytes(room);
    const struct vk_domain *domain = versions->store->domain;
    struct vst_chunk **open = &versions->open[stream_of(domain, vst_tid_cts(tid))], *chunk = *open;
    if (chunk == NULL || chunk->size - chunk->used < bytes) {
        chunk = next_chunk(versions);
        if (chunk == NULL) return VARVE_NOMEM;
        if (*open != NULL) close_chunk(versions, *open);
        *open = chunk;
    }
    struct vst_image *i = (struct vst_image *)(void *)((char *)chunk + chunk->used);
    vb_arena_unpoison(i, bytes);
    i->before = 0;
    i->prev = NULL;
    i->len = ((tid & (VST_GHOST | VST_BLOB)) != 0 ? 0 : vst_len_value(len)) | (uint64_t)(room / 8) << 24 |
             (uint64_t)(chunk->used / 8) << 48;
    i->link = 0;
    chunk->used += bytes;
    chunk->pending++;
    fetch_ahead((const char *)i + bytes);
    if (vst_tid_cts(tid) > vb_load_relaxed(&domain->young_min)) /* the chain is looked at when the image is pushed */
        __builtin_prefetch(vb_load_relaxed(&record->head));
    *image = i;
    return VARVE_OK;
}

static bool is_open(const struct vst_versions *v, const struct vst_chunk *chunk) {
    return chunk == v->open[VST_OLD] || chunk == v->open[VST_YOUNG];
}

void vst_image_cancel(struct vst_versions *versions, struct vst_image *image) {
    struct vst_chunk *chunk = vst_image_chunk(image);
    VB_ASSERT(chunk->versions == versions && chunk->pending > 0 && image->before == 0);
    chunk->pending--;
    if (!is_open(versions, chunk)) {
        if (chunk->pending == 0) leave_closing(versions, chunk);
        return;
    }
    uint32_t bytes = vst_image_bytes(vst_image_room(image));
    VB_ASSERT(vst_image_offset(image) + bytes == chunk->used);
    chunk->used -= bytes;
    vb_arena_poison(image, bytes);
}

void vst_image_used(struct vst_versions *versions, struct vst_image *image, uint64_t over) {
    struct vst_chunk *chunk = vst_image_chunk(image);
    VB_ASSERT(chunk->versions == versions && chunk->pending > 0);
    chunk->pending--;
    if (over != 0) {
        chunk->installed++;
        if (over > chunk->max_over) chunk->max_over = over;
        if (vst_tid_cts(image->before) < chunk->min_before) chunk->min_before = vst_tid_cts(image->before);
        if ((image->before & VST_BLOB) != 0) {
            chunk->blob_bytes += vst_blob_bytes(vst_image_blob(image));
            count_up(&versions->bytes_taken, vst_blob_bytes(vst_image_blob(image)));
        }
    }
    if (chunk->pending != 0) return;
    if (!is_open(versions, chunk)) {
        leave_closing(versions, chunk);
    } else if (chunk->blob_bytes > BLOB_BYTES) {
        versions->open[chunk == versions->open[VST_OLD] ? VST_OLD : VST_YOUNG] = NULL;
        push_chunk(&versions->sealed, chunk);
    }
}

/* --- the janitor's side ------------------------------------------------------------------------------------------ */

static uint64_t free_image_blob(struct vst_image *image, struct vb_heap *heap) {
    if ((image->before & VST_BLOB) == 0) return 0;
    struct vst_blob *blob = vst_image_blob(image);
    uint64_t size = vst_blob_bytes(blob);
    image->before &= ~(uint64_t)VST_BLOB;
    vst_blob_free(heap, blob);
    return size;
}

void vst_image_dropped(struct vst_image *image, struct vb_heap *heap) {
    struct vst_chunk *chunk = vst_image_chunk(image);
    uint64_t size = free_image_blob(image, heap);
    chunk->blob_bytes_freed += size;
    count_up(&chunk->versions->bytes_given, size);
    chunk->dropped++;
    vb_sub_acq_rel(&chunk->in_limbo, 1);
}

static void free_chunk_blobs(struct vst_chunk *chunk, struct vb_heap *heap) {
    for (uint32_t at = sizeof(*chunk); at < chunk->used && chunk->blob_bytes_freed < chunk->blob_bytes;) {
        struct vst_image *image = (struct vst_image *)(void *)((char *)chunk + at);
        chunk->blob_bytes_freed += free_image_blob(image, heap);
        at += vst_image_bytes(vst_image_room(image));
    }
}

static void free_chunk(struct vst_chunk *chunk, struct vb_heap *heap) {
    vb_arena_unpoison(chunk, chunk->size);
    vb_heap_free(heap, chunk, chunk->size);
}

static void recycle(struct vst_versions *v, struct vst_chunk *chunk, struct vb_heap *heap) {
    count_up(&v->bytes_given, chunk->size + chunk->blob_bytes - chunk->blob_bytes_freed);
    free_chunk_blobs(chunk, heap);
    if (vb_load_relaxed(&v->recycled_count) >= SPARE_CHUNKS) {
        free_chunk(chunk, heap);
        return;
    }
    empty_chunk(chunk, v, chunk->size);
    vb_add_relaxed(&v->recycled_count, 1);
    push_chunk(&v->recycled, chunk);
}

static bool is_done(const struct vst_chunk *chunk, const struct vk_capture *capture) {
    bool young = chunk->min_before > capture->split || VB_PLANTED(126);
    return chunk->max_over <= (young ? capture->young_min : capture->min_snap) || chunk->dropped == chunk->installed;
}

/* What a long reader holds waits for it to end, or, now and then, for the last image to be pruned. */
static void release_held(struct vst_versions *versions, const struct vk_capture *capture) {
    if (capture->min_snap == versions->held_by && ++versions->held_rounds < HELD_ROUNDS) return;
    versions->held_by = capture->min_snap;
    versions->held_rounds = 0;
    struct vst_chunk **last = &versions->held;
    while (*last != NULL) last = &(*last)->next;
    *last = versions->waiting;
    versions->waiting = versions->held;
    versions->held = NULL;
}

uint64_t vst_versions_collect(struct vst_versions *versions, const struct vk_capture *capture, struct vb_heap *heap) {
    uint64_t done = 0;
    struct vst_chunk **link = &versions->ready, *chunk, *next;
    while ((chunk = *link) != NULL) {
        if (vb_load_acquire(&chunk->in_limbo) != 0) {
            link = &chunk->next;
            continue;
        }
        *link = chunk->next;
        recycle(versions, chunk, heap);
        done++;
    }
    for (chunk = take_chunks(&versions->sealed); chunk != NULL; chunk = next) {
        next = chunk->next;
        chunk->next = versions->waiting;
        versions->waiting = chunk;
    }
    release_held(versions, capture);
    for (link = &versions->waiting; (chunk = *link) != NULL;) {
        struct vst_chunk **to = is_done(chunk, capture)               ? &versions->ready
                                : chunk->min_before <= capture->split ? &versions->held
                                                                      : NULL;
        if (to == NULL) {
            link = &chunk->next;
            continue;
        }
        *link = chunk->next;
        chunk->next = *to;
        *to = chunk;
    }
    return done;
}

static void free_list(struct vst_chunk *chunk, struct vb_heap *heap) {
    for (struct vst_chunk *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free_chunk_blobs(chunk, heap);
        free_chunk(chunk, heap);
    }
}

void vst_versions_close(struct vst_versions *versions) {
    struct vb_heap *heap = versions->heap;
    if (versions->store != NULL) vst_gc_remove_versions(versions->store, versions);
    struct vst_chunk *lists[] = {versions->open[0], versions->open[1], versions->closing,  versions->spare,
                                 versions->sealed,  versions->waiting, versions->recycled, versions->ready,
                                 versions->held};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        free_list(lists[i], heap);
    vb_heap_free_line(heap, versions, sizeof(*versions));
}
