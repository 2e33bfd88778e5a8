/* alloc_jemalloc.c - the allocator over jemalloc's own family of calls, so that the host's malloc stays what it is.
 *
 * Thread rule: alloc.h. A heap's counter and cache are its owner's alone.
 * Invariants
 *   1. Every allocation from a heap names its arena and its thread cache. With the arena alone jemalloc would serve
 *      from the calling thread's automatic cache, that is from any arena.
 *   2. Caches are created at a heap's first use and destroyed when it is closed; arenas are created by the first heap
 *      of a group and destroyed when the memory is closed, after every cache. A cache may hold objects of any arena
 *      of the same memory: the flush at its destruction sends each home.
 *   3. The sum of all heaps' counters and of `closed_used` is what was asked for and not freed; a heap through which
 *      another heap's memory is freed may be negative by itself.
 * jemalloc's limits on arenas and caches are the whole process's: where a cache cannot be had the heap works without,
 * where an arena cannot be had it shares the first one of its memory.
 * Source: jemalloc 5.3 manual, mallocx, tcache.create, arenas.create, arena.<i>.destroy.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/alloc.h"

#include <jemalloc/jemalloc.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc_int.h"

enum { HEAPS_PER_ARENA = 4 };

struct vb_heap {
    struct vb_memory *memory; /* NULL while closed */
    int64_t used;             /* owner writes, any thread reads */
    int arena_flags;          /* MALLOCX_ARENA of its group */
    int cache_flags;          /* MALLOCX_TCACHE of its own cache; 0 = not created yet */
} vb_aligned_line;

/* What jemalloc calls for an arena's extents; `ours` first: a hook gets its address. */
struct vb_hooks {
    extent_hooks_t ours;
    extent_hooks_t *usual; /* NULL: not known, arenas keep their own */
    bool closing;          /* the memory is being closed: what comes back goes to the system */
};

struct vb_memory {
    struct vb_hooks hooks;
    unsigned heaps_max, arenas_max;
    unsigned heaps_high; /* atomic: no heap at or above this index was ever opened */
    unsigned *arenas;    /* [arenas_max], atomic: index + 1, 0 = not created; behind the heaps */
    int64_t closed_used; /* atomic: sum of the counters of heaps that were closed */
    struct vb_heap heaps[];
};

/* Index 0 is jemalloc's first automatic arena, which always exists. */
static const int rare_flags = MALLOCX_ARENA(0) | MALLOCX_TCACHE_NONE;
static const int line_flag = MALLOCX_LG_ALIGN(6);

static size_t memory_bytes(unsigned heaps_max, unsigned arenas_max) {
    return sizeof(struct vb_memory) + heaps_max * sizeof(struct vb_heap) + arenas_max * sizeof(unsigned);
}

/* --- huge pages --------------------------------------------------------------------------------------------------- */

/* An arena asks the system for more each time, so a database that grows lies in extents of many huge pages, and a look-up
 * misses fewer translations. The first extent, one huge page in size, stays as it is: an arena that serves a few
 * transactions is to stay small. */
enum { HUGE_PAGE = 2 << 20 };

/* jemalloc calls it with its locks held, so it asks jemalloc nothing. */
static void *huge_alloc(extent_hooks_t *hooks, void *new_addr, size_t size, size_t alignment, bool *zero, bool *commit,
                        unsigned arena) {
    extent_hooks_t *usual = ((struct vb_hooks *)hooks)->usual;
    bool large = size > HUGE_PAGE && new_addr == NULL;
    size_t aligned = large && alignment < HUGE_PAGE ? HUGE_PAGE : alignment;
    void *extent = usual->alloc(usual, new_addr, size, aligned, zero, commit, arena);
    if (extent != NULL && large) (void)madvise(extent, size, MADV_HUGEPAGE); /* where it is refused nothing is lost */
    return extent;
}

/* jemalloc keeps the addresses of what it gives back for the arena's next need. An arena that is being destroyed has none:
 * without this each open and close of a database would leave a mapping behind. */
static bool closing_dalloc(extent_hooks_t *hooks, void *addr, size_t size, bool committed, unsigned arena) {
    const struct vb_hooks *own = (const struct vb_hooks *)hooks;
    return own->closing ? munmap(addr, size) != 0 : own->usual->dalloc(own->usual, addr, size, committed, arena);
}

/* The usual hooks but for two. They live as long as the memory, and so longer than its arenas. */
static void hooks_init(struct vb_hooks *hooks) {
    size_t size = sizeof(hooks->usual);
    if (mallctl("arena.0.extent_hooks", &hooks->usual, &size, NULL, 0) != 0) hooks->usual = NULL;
    if (hooks->usual == NULL) return;
    hooks->ours = *hooks->usual;
    hooks->ours.alloc = huge_alloc;
    hooks->ours.dalloc = closing_dalloc;
}

struct vb_memory *vb_memory_open(unsigned heaps_max) {
    if (vb_alloc_planned_failure()) return NULL;
    unsigned arenas_max = heaps_max / HEAPS_PER_ARENA + 1;
    struct vb_memory *memory = mallocx(memory_bytes(heaps_max, arenas_max), rare_flags | line_flag | MALLOCX_ZERO);
    if (memory == NULL) return NULL;
    memory->heaps_max = heaps_max;
    memory->arenas_max = arenas_max;
    memory->arenas = (unsigned *)(memory->heaps + heaps_max);
    hooks_init(&memory->hooks);
    return memory;
}

/* The name is resolved each time: this happens once per arena, and the index is in the middle of the path. */
static void arena_destroy(unsigned arena) {
    size_t mib[3], length = 3;
    int failed = mallctlnametomib("arena.0.destroy", mib, &length);
    VB_ASSERT(failed == 0);
    mib[1] = arena;
    if (failed == 0) failed = mallctlbymib(mib, length, NULL, NULL, NULL, 0);
    VB_ASSERT(failed == 0);
    (void)failed;
}

void vb_memory_close(struct vb_memory *memory) {
    VB_ASSERT(vb_memory_used(memory) == 0);
    for (unsigned i = 0; i < memory->heaps_high; i++)
        VB_ASSERT(memory->heaps[i].memory == NULL);
    memory->hooks.closing = true;
    for (unsigned i = 0; i < memory->arenas_max; i++)
        if (memory->arenas[i] != 0) arena_destroy(memory->arenas[i] - 1);
    sdallocx(memory, memory_bytes(memory->heaps_max, memory->arenas_max), rare_flags | line_flag);
}

/* The arena of a group plus one, made by whoever comes first; 0 when none can be had. */
static unsigned group_arena(struct vb_memory *memory, unsigned group) {
    unsigned known = vb_load_acquire(&memory->arenas[group]);
    if (known != 0) return known;
    unsigned arena;
    size_t size = sizeof(arena);
    extent_hooks_t *hooks = &memory->hooks.ours;
    bool own = memory->hooks.usual != NULL;
    if (mallctl("arenas.create", &arena, &size, own ? &hooks : NULL, own ? sizeof(hooks) : 0) != 0)
        return vb_load_acquire(&memory->arenas[0]);
    if (vb_cas(&memory->arenas[group], &known, arena + 1)) return arena + 1;
    arena_destroy(arena);
    return known;
}

struct vb_heap *vb_heap_open(struct vb_memory *memory, unsigned index) {
    VB_ASSERT(index < memory->heaps_max);
    struct vb_heap *heap = &memory->heaps[index];
    VB_ASSERT(heap->memory == NULL);
    if (vb_alloc_planned_failure()) return NULL;
    unsigned arena = group_arena(memory, index / HEAPS_PER_ARENA);
    if (arena == 0) return NULL;
    heap->memory = memory;
    heap->arena_flags = MALLOCX_ARENA(arena - 1);
    heap->cache_flags = 0;
    unsigned high = vb_load_relaxed(&memory->heaps_high);
    while (high <= index && !vb_cas(&memory->heaps_high, &high, index + 1)) continue;
    return heap;
}

static __attribute__((noinline)) int cache_create(struct vb_heap *heap) {
    unsigned cache;
    size_t size = sizeof(cache);
    bool failed = mallctl("tcache.create", &cache, &size, NULL, 0) != 0;
    heap->cache_flags = failed ? MALLOCX_TCACHE_NONE : MALLOCX_TCACHE(cache);
    return heap->cache_flags;
}

static inline int cache_of(struct vb_heap *heap) {
    return vb_likely(heap->cache_flags != 0) ? heap->cache_flags : cache_create(heap);
}

void vb_heap_close(struct vb_heap *heap) {
    VB_ASSERT(heap->memory != NULL);
    if (heap->cache_flags != 0 && heap->cache_flags != MALLOCX_TCACHE_NONE) {
        unsigned cache = (unsigned)(heap->cache_flags >> 8) - 2; /* the inverse of MALLOCX_TCACHE */
        int failed = mallctl("tcache.destroy", NULL, NULL, &cache, sizeof(cache));
        VB_ASSERT(failed == 0);
        (void)failed;
    }
    heap->cache_flags = 0;
    int64_t used = vb_load_relaxed(&heap->used);
    vb_store_relaxed(&heap->used, 0);
    vb_add_relaxed(&heap->memory->closed_used, used);
    heap->memory = NULL;
}

static inline void *heap_alloc(struct vb_heap *heap, size_t size, int flags) {
    if (vb_alloc_planned_failure()) return NULL;
    void *pointer = mallocx(size != 0 ? size : 1, heap->arena_flags | cache_of(heap) | flags);
    if (vb_likely(pointer != NULL)) vb_count(&heap->used, (int64_t)size);
    return pointer;
}

static inline void heap_free(struct vb_heap *heap, void *pointer, size_t size, int flags) {
    if (pointer == NULL) return;
    vb_count(&heap->used, -(int64_t)size);
    sdallocx(pointer, size != 0 ? size : 1, cache_of(heap) | flags);
}

void *vb_heap_alloc(struct vb_heap *heap, size_t size) {
    return heap_alloc(heap, size, MALLOCX_LG_ALIGN(4));
}

void *vb_heap_alloc_line(struct vb_heap *heap, size_t size) {
    return heap_alloc(heap, size, line_flag);
}

void vb_heap_free(struct vb_heap *heap, void *pointer, size_t size) {
    heap_free(heap, pointer, size, MALLOCX_LG_ALIGN(4));
}

void vb_heap_free_line(struct vb_heap *heap, void *pointer, size_t size) {
    heap_free(heap, pointer, size, line_flag);
}

uint64_t vb_memory_used(const struct vb_memory *memory) {
    int64_t used = vb_load_relaxed(&memory->closed_used);
    unsigned high = vb_load_acquire(&memory->heaps_high);
    for (unsigned i = 0; i < high; i++)
        used += vb_load_relaxed(&memory->heaps[i].used);
    return used > 0 ? (uint64_t)used : 0;
}

/* jemalloc zeroes what it has used before by giving the pages back to the system and taking them anew, from 32 KiB on. A
 * buffer of moderate size is zeroed sooner where it lies. */
void *vb_alloc(size_t size) {
    enum { ZEROED_BY_SYSTEM = 256 << 10 };
    if (vb_alloc_planned_failure()) return NULL;
    if (size == 0) size = 1;
    if (size > ZEROED_BY_SYSTEM) return mallocx(size, rare_flags | MALLOCX_LG_ALIGN(4) | MALLOCX_ZERO);
    void *pointer = mallocx(size, rare_flags | MALLOCX_LG_ALIGN(4));
    return pointer != NULL ? memset(pointer, 0, size) : NULL;
}

void vb_free(void *pointer, size_t size) {
    if (pointer != NULL) sdallocx(pointer, size != 0 ? size : 1, rare_flags | MALLOCX_LG_ALIGN(4));
}
