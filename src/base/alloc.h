/* alloc.h - all engine memory goes through here: one wrapper, two backends (alloc_jemalloc.c, alloc_libc.c), of which
 * the build links one.
 *
 * A vb_memory belongs to one database. A vb_heap is an allocation context used by one thread at a time (it belongs to
 * a transaction slot, the janitor or the checkpointer); memory taken from one heap may be freed through another.
 * Frees need the size that was asked for. Counters are exact when no one is allocating.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BASE_ALLOC_H
#define VARVE_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

struct vb_memory;
struct vb_heap;

/* heaps_max: how many heaps may exist at once. NULL when out of memory. */
struct vb_memory *vb_memory_open(unsigned heaps_max); /* any thread */
void vb_memory_close(struct vb_memory *memory); /* every heap closed, every byte freed (asserted) */
/* One heap, 0 <= index < heaps_max, not open already; heaps of one group (index / 4) share an arena in the jemalloc
 * backend. NULL when out of memory. Different heaps may be opened and closed by different threads at once. Whoever
 * closes a heap is its owner then; what was allocated from it may outlive it. */
struct vb_heap *vb_heap_open(struct vb_memory *memory, unsigned index);
void vb_heap_close(struct vb_heap *heap);

void *vb_heap_alloc(struct vb_heap *heap, size_t size);            /* 16-byte aligned; NULL when out of memory */
void *vb_heap_alloc_line(struct vb_heap *heap, size_t size);       /* 64-byte aligned; freed with vb_heap_free_line */
void vb_heap_free(struct vb_heap *heap, void *pointer, size_t size);       /* NULL is allowed */
void vb_heap_free_line(struct vb_heap *heap, void *pointer, size_t size);
/* Bytes asked for and not freed, over all heaps; any thread, approximate while others allocate. */
uint64_t vb_memory_used(const struct vb_memory *memory);

/* Rare allocations that belong to no heap (handles, catalogue, option text): any thread. Counted in no vb_memory. */
void *vb_alloc(size_t size); /* zeroed, 16-byte aligned */
void vb_free(void *pointer, size_t size); /* NULL is allowed */

#ifdef VARVE_ASSERTS
/* Plans a failure for tests, over all heaps and vb_alloc: the n-th allocation from now fails (1 = the next, 0 = none)
 * and, with _from, every later one too. Frees never fail. Each call starts the two counts anew. */
void vb_alloc_fail_after(uint64_t n);
void vb_alloc_fail_from(uint64_t n);
uint64_t vb_alloc_failures(void); /* how many were made to fail */
uint64_t vb_alloc_count(void);    /* how many were tried */
#endif

#endif
