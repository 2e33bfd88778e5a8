/* alloc_libc.c - the allocator over the C library's malloc: for the static archive (its host keeps its own malloc),
 * for plugin hosts and for sanitizer builds, which then see every object with its true size.
 *
 * Thread rule: alloc.h. A heap's counter is written by its owner alone.
 * Invariants
 *   1. The sum of all heaps' counters and of `closed_used` is what was asked for and not freed; a heap through which
 *      another heap's memory is freed may be negative by itself.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc_int.h"

struct vb_heap {
    struct vb_memory *memory; /* NULL while closed */
    int64_t used;             /* owner writes, any thread reads */
} vb_aligned_line;

struct vb_memory {
    unsigned heaps_max;
    unsigned heaps_high;    /* atomic: no heap at or above this index was ever opened */
    int64_t closed_used;    /* atomic: sum of the counters of heaps that were closed */
    struct vb_heap heaps[]; /* [heaps_max] */
};

static void *line_alloc(size_t size) {
    void *pointer;
    return posix_memalign(&pointer, VB_CACHE_LINE, size != 0 ? size : 1) == 0 ? pointer : NULL;
}

static size_t memory_bytes(unsigned heaps_max) {
    return sizeof(struct vb_memory) + (size_t)heaps_max * sizeof(struct vb_heap);
}

struct vb_memory *vb_memory_open(unsigned heaps_max) {
    if (vb_alloc_planned_failure()) return NULL;
    struct vb_memory *memory = line_alloc(memory_bytes(heaps_max));
    if (memory == NULL) return NULL;
    memset(memory, 0, memory_bytes(heaps_max));
    memory->heaps_max = heaps_max;
    return memory;
}

void vb_memory_close(struct vb_memory *memory) {
    VB_ASSERT(vb_memory_used(memory) == 0);
    for (unsigned i = 0; i < memory->heaps_high; i++)
        VB_ASSERT(memory->heaps[i].memory == NULL);
    free(memory);
}

struct vb_heap *vb_heap_open(struct vb_memory *memory, unsigned index) {
    VB_ASSERT(index < memory->heaps_max);
    struct vb_heap *heap = &memory->heaps[index];
    VB_ASSERT(heap->memory == NULL);
    if (vb_alloc_planned_failure()) return NULL;
    heap->memory = memory;
    unsigned high = vb_load_relaxed(&memory->heaps_high);
    while (high <= index && !vb_cas(&memory->heaps_high, &high, index + 1)) continue;
    return heap;
}

void vb_heap_close(struct vb_heap *heap) {
    VB_ASSERT(heap->memory != NULL);
    int64_t used = vb_load_relaxed(&heap->used);
    vb_store_relaxed(&heap->used, 0);
    vb_add_relaxed(&heap->memory->closed_used, used);
    heap->memory = NULL;
}

void *vb_heap_alloc(struct vb_heap *heap, size_t size) {
    if (vb_alloc_planned_failure()) return NULL;
    void *pointer = malloc(size != 0 ? size : 1);
    if (pointer != NULL) vb_count(&heap->used, (int64_t)size);
    return pointer;
}

void *vb_heap_alloc_line(struct vb_heap *heap, size_t size) {
    if (vb_alloc_planned_failure()) return NULL;
    void *pointer = line_alloc(size);
    if (pointer != NULL) vb_count(&heap->used, (int64_t)size);
    return pointer;
}

void vb_heap_free(struct vb_heap *heap, void *pointer, size_t size) {
    if (pointer == NULL) return;
    vb_count(&heap->used, -(int64_t)size);
    free(pointer);
}

void vb_heap_free_line(struct vb_heap *heap, void *pointer, size_t size) {
    vb_heap_free(heap, pointer, size);
}

uint64_t vb_memory_used(const struct vb_memory *memory) {
    int64_t used = vb_load_relaxed(&memory->closed_used);
    unsigned high = vb_load_acquire(&memory->heaps_high);
    for (unsigned i = 0; i < high; i++)
        used += vb_load_relaxed(&memory->heaps[i].used);
    return used > 0 ? (uint64_t)used : 0;
}

void *vb_alloc(size_t size) {
    return vb_alloc_planned_failure() ? NULL : calloc(1, size != 0 ? size : 1);
}

void vb_free(void *pointer, size_t size) {
    (void)size;
    free(pointer);
}
