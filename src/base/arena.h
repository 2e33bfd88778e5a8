/* arena.h - bump allocation in chunks, freed at once: a transaction's staged and borrowed bytes.
 *
 * Owner thread only. Pointers stay valid until vb_arena_reset or vb_arena_release. The first chunk is kept over a
 * reset, so that a short transaction allocates nothing. Under an address sanitizer every byte that was not handed out
 * is poisoned, so that an overrun inside a chunk and a use after the reset are found.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BASE_ARENA_H
#define VARVE_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/check.h"

#if VB_ASAN
void __asan_poison_memory_region(void const volatile *address, size_t size);
void __asan_unpoison_memory_region(void const volatile *address, size_t size);
#define vb_arena_poison(p, n) __asan_poison_memory_region((p), (n))
#define vb_arena_unpoison(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define vb_arena_poison(p, n) ((void)(p), (void)(n))
#define vb_arena_unpoison(p, n) ((void)(p), (void)(n))
#endif

struct vb_arena_chunk;
struct vb_arena {
    struct vb_heap *heap;
    struct vb_arena_chunk *chunks; /* newest first */
    uint8_t *next, *end;           /* free bytes of the newest chunk; their number is a multiple of 8 */
    size_t used_bytes;             /* handed out since the last reset, rounded up to 8 each */
    size_t chunk_bytes;            /* size of an ordinary chunk */
};

void vb_arena_init(struct vb_arena *arena, struct vb_heap *heap, size_t chunk_bytes);
void vb_arena_reset(struct vb_arena *arena);   /* everything handed out is gone; keeps one ordinary chunk */
void vb_arena_release(struct vb_arena *arena); /* also frees that chunk; the arena may be used again */
void *vb_arena_grow(struct vb_arena *arena, size_t size); /* slow path of vb_arena_alloc */

/* 8-byte aligned; NULL when out of memory. A size of 0 gives a pointer that may not be followed. */
static inline void *vb_arena_alloc(struct vb_arena *arena, size_t size) {
    if ((size_t)(arena->end - arena->next) < size) return vb_arena_grow(arena, size);
    size_t rounded = (size + 7) & ~(size_t)7;
    void *out = arena->next;
    arena->next += rounded;
    arena->used_bytes += rounded;
    vb_arena_unpoison(out, size);
    return out;
}

#endif
