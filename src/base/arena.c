/* arena.c - chunks behind the bump pointer of arena.h.
 *
 * Thread rule: owner thread only.
 * Invariants
 *   1. The head of the list is the chunk that next and end point into, or a large chunk with next == end.
 *   2. end - next is a multiple of 8, so that comparing it with an unrounded size is exact.
 *   3. A chunk's header is the only place that knows its size, which the heap wants back at the free.
 * A request over a quarter of a chunk gets a chunk of its own, put behind the head, so that the rest of the head is
 * not wasted.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/arena.h"

struct vb_arena_chunk {
    struct vb_arena_chunk *older;
    size_t bytes; /* of the whole allocation, this header included */
};

/* Where an arena without chunks points, so that no arithmetic is done on NULL. Never written. */
static uint8_t no_chunk[8] __attribute__((aligned(8)));

static uint8_t *chunk_data(struct vb_arena_chunk *chunk) {
    return (uint8_t *)(chunk + 1);
}

static void arena_point_at(struct vb_arena *arena, struct vb_arena_chunk *chunk) {
    if (chunk == NULL) {
        arena->next = arena->end = no_chunk;
        return;
    }
    arena->next = chunk_data(chunk);
    arena->end = (uint8_t *)chunk + chunk->bytes;
    vb_arena_poison(arena->next, (size_t)(arena->end - arena->next));
}

void vb_arena_init(struct vb_arena *arena, struct vb_heap *heap, size_t chunk_bytes) {
    size_t smallest = sizeof(struct vb_arena_chunk) + 64;
    arena->heap = heap;
    arena->chunks = NULL;
    arena->used_bytes = 0;
    arena->chunk_bytes = (chunk_bytes < smallest ? smallest : chunk_bytes + 7) & ~(size_t)7;
    arena_point_at(arena, NULL);
}

static void chunk_free(struct vb_arena *arena, struct vb_arena_chunk *chunk) {
    vb_arena_unpoison(chunk, chunk->bytes);
    vb_heap_free(arena->heap, chunk, chunk->bytes);
}

static void *arena_large(struct vb_arena *arena, size_t size, size_t rounded) {
    size_t bytes = sizeof(struct vb_arena_chunk) + rounded;
    struct vb_arena_chunk *chunk = vb_heap_alloc(arena->heap, bytes);
    if (chunk == NULL) return NULL;
    chunk->bytes = bytes;
    if (arena->chunks == NULL) {
        chunk->older = NULL;
        arena->chunks = chunk;
    } else {
        chunk->older = arena->chunks->older;
        arena->chunks->older = chunk;
    }
    arena->used_bytes += rounded;
    vb_arena_poison(chunk_data(chunk) + size, rounded - size);
    return chunk_data(chunk);
}

void *vb_arena_grow(struct vb_arena *arena, size_t size) {
    if (size > SIZE_MAX / 2) return NULL;
    size_t rounded = (size + 7) & ~(size_t)7;
    if (rounded > arena->chunk_bytes / 4) return arena_large(arena, size, rounded);
    struct vb_arena_chunk *chunk = vb_heap_alloc(arena->heap, arena->chunk_bytes);
    if (chunk == NULL) return NULL;
    chunk->bytes = arena->chunk_bytes;
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    arena_point_at(arena, chunk);
    void *out = vb_arena_alloc(arena, size);
    VB_ASSERT(out == chunk_data(chunk));
    return out;
}

void vb_arena_reset(struct vb_arena *arena) {
    struct vb_arena_chunk *kept = NULL, *chunk = arena->chunks;
    while (chunk != NULL) {
        struct vb_arena_chunk *older = chunk->older;
        if (kept == NULL && chunk->bytes == arena->chunk_bytes)
            kept = chunk;
        else
            chunk_free(arena, chunk);
        chunk = older;
    }
    if (kept != NULL) kept->older = NULL;
    arena->chunks = kept;
    arena->used_bytes = 0;
    arena_point_at(arena, kept);
}

void vb_arena_release(struct vb_arena *arena) {
    vb_arena_reset(arena);
    if (arena->chunks != NULL) chunk_free(arena, arena->chunks);
    arena->chunks = NULL;
    arena_point_at(arena, NULL);
}
