/* test_alloc.c - both allocator backends through their one interface: accounting, alignment, frees through another
 * heap, planned failures. Built once over each backend.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/atomics.h"
#include "base/check.h"
#include "base/random.h"
#include "os/os.h"

/* jemalloc's, where the program is built over it; NULL elsewhere. */
int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size) __attribute__((weak));

static void alloc__counts_what_is_in_use(void **state) {
    (void)state;
    struct vb_memory *memory = vb_memory_open(9);
    struct vb_heap *heap = vb_heap_open(memory, 0);
    assert_int_equal(vb_memory_used(memory), 0);
    char *a = vb_heap_alloc(heap, 100), *b = vb_heap_alloc(heap, 28);
    assert_int_equal(vb_memory_used(memory), 128);
    memset(a, 1, 100);
    memset(b, 2, 28);
    vb_heap_free(heap, a, 100);
    assert_int_equal(vb_memory_used(memory), 28);
    vb_heap_free(heap, b, 28);
    vb_heap_free(heap, NULL, 77);
    assert_int_equal(vb_memory_used(memory), 0);
    vb_heap_close(heap);
    vb_memory_close(memory);
}

static void alloc__aligns(void **state) {
    (void)state;
    struct vb_memory *memory = vb_memory_open(1);
    struct vb_heap *heap = vb_heap_open(memory, 0);
    for (size_t size = 0; size < 300; size++) {
        void *a = vb_heap_alloc(heap, size), *line = vb_heap_alloc_line(heap, size);
        assert_int_equal((uintptr_t)a % 16, 0);
        assert_int_equal((uintptr_t)line % 64, 0);
        memset(a, 0x5a, size);
        memset(line, 0x5a, size);
        vb_heap_free(heap, a, size);
        vb_heap_free_line(heap, line, size);
    }
    uint8_t *zeroed = vb_alloc(1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(zeroed[i], 0);
    assert_int_equal((uintptr_t)zeroed % 16, 0);
    vb_free(zeroed, 1000);
    vb_free(NULL, 5);
    assert_int_equal(vb_memory_used(memory), 0);
    vb_heap_close(heap);
    vb_memory_close(memory);
}

/* One heap's own counter goes negative, the sum does not; and it survives the heaps. */
static void alloc__frees_through_another_heap(void **state) {
    (void)state;
    struct vb_memory *memory = vb_memory_open(9);
    struct vb_heap *giver = vb_heap_open(memory, 1), *taker = vb_heap_open(memory, 8);
    void *kept = vb_heap_alloc(giver, 1000), *moved = vb_heap_alloc_line(giver, 24);
    vb_heap_free_line(taker, moved, 24);
    assert_int_equal(vb_memory_used(memory), 1000);
    vb_heap_close(giver);
    assert_int_equal(vb_memory_used(memory), 1000);
    memset(kept, 3, 1000);
    vb_heap_free(taker, kept, 1000);
    assert_int_equal(vb_memory_used(memory), 0);
    giver = vb_heap_open(memory, 1);
    kept = vb_heap_alloc(giver, 8);
    assert_int_equal(vb_memory_used(memory), 8);
    vb_heap_free(giver, kept, 8);
    vb_heap_close(giver);
    vb_heap_close(taker);
    vb_memory_close(memory);
}

static void alloc__refuses_what_cannot_be(void **state) {
    (void)state;
    struct vb_memory *memory = vb_memory_open(1);
    struct vb_heap *heap = vb_heap_open(memory, 0);
    size_t huge = (size_t)1 << 62;
#if !VB_ASAN && !VB_TSAN
    assert_null(vb_heap_alloc(heap, huge)); /* a sanitizer's allocator ends the process here */
    assert_null(vb_heap_alloc_line(heap, huge));
#else
    (void)huge;
#endif
    assert_int_equal(vb_memory_used(memory), 0);
    vb_heap_close(heap);
    vb_memory_close(memory);
}

struct churn {
    struct vb_memory *memory;
    unsigned index;
    void *left[64]; /* what the next thread frees through its own heap */
    size_t left_size[64];
    struct churn *from;
};

static void churn_run(void *arg) {
    struct churn *churn = arg;
    struct vb_heap *heap = vb_heap_open(churn->memory, churn->index);
    struct vb_random random;
    vb_random_init(&random, churn->index);
    void *held[64] = {NULL};
    size_t held_size[64] = {0};
    for (int i = 0; i < 20000; i++) {
        size_t at = vb_random_below(&random, 64);
        vb_heap_free(heap, held[at], held_size[at]);
        held_size[at] = vb_random_below(&random, 600);
        held[at] = vb_heap_alloc(heap, held_size[at]);
        memset(held[at], (int)at, held_size[at]);
    }
    if (churn->from != NULL)
        for (int i = 0; i < 64; i++)
            vb_heap_free(heap, churn->from->left[i], churn->from->left_size[i]);
    memcpy(churn->left, held, sizeof(held));
    memcpy(churn->left_size, held_size, sizeof(held_size));
    vb_heap_close(heap);
}

/* Four threads of two groups at once; then four more that free what the first left. */
static void alloc__threads_and_groups(void **state) {
    (void)state;
    struct vb_memory *memory = vb_memory_open(16);
    static struct churn churns[8];
    for (unsigned round = 0; round < 2; round++) {
        struct vos_thread *threads[4];
        for (unsigned i = 0; i < 4; i++) {
            churns[round * 4 + i] = (struct churn){.memory = memory, .index = i * 2};
            if (round == 1) churns[4 + i].from = &churns[i];
            assert_int_equal(vos_thread_start(churn_run, &churns[round * 4 + i], "churn", &threads[i]), VARVE_OK);
        }
        for (unsigned i = 0; i < 4; i++)
            vos_thread_join(threads[i]);
    }
    uint64_t left = 0;
    for (unsigned i = 4; i < 8; i++)
        for (unsigned k = 0; k < 64; k++)
            left += churns[i].left_size[k];
    assert_int_equal(vb_memory_used(memory), left);
    struct vb_heap *heap = vb_heap_open(memory, 15);
    for (unsigned i = 4; i < 8; i++)
        for (unsigned k = 0; k < 64; k++)
            vb_heap_free(heap, churns[i].left[k], churns[i].left_size[k]);
    vb_heap_close(heap);
    assert_int_equal(vb_memory_used(memory), 0);
    vb_memory_close(memory);
}

/* Caches and arenas are limited in the whole process; opening and closing must give them back. */
static void alloc__reopens_without_end(void **state) {
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct vb_memory *memory = vb_memory_open(64);
        for (unsigned i = 0; i < 64; i++) {
            struct vb_heap *heap = vb_heap_open(memory, i);
            assert_non_null(heap);
            if (i % 3 == 0) vb_heap_free(heap, vb_heap_alloc(heap, 40), 40);
            vb_heap_close(heap);
        }
        vb_memory_close(memory);
    }
}

static unsigned number_of(const char *name) {
    unsigned number = 0;
    size_t size = sizeof(number);
    assert_int_equal(mallctl(name, &number, &size, NULL, 0), 0);
    return number;
}

static unsigned arena_of(void *pointer) {
    unsigned arena = 0;
    size_t size = sizeof(arena);
    assert_int_equal(mallctl("arenas.lookup", &arena, &size, &pointer, sizeof(pointer)), 0);
    return arena;
}

/* jemalloc gives returned numbers out again, so that they stay small when nothing is left behind. */
static unsigned next_cache(void) {
    unsigned cache = number_of("tcache.create");
    assert_int_equal(mallctl("tcache.destroy", NULL, NULL, &cache, sizeof(cache)), 0);
    return cache;
}

/* Every object comes from its group's own arena, also when the thread's automatic cache has objects of that size to
 * give; two heaps of a group share, others do not; a closed memory leaves no arena and no
 * cache behind. */
static void alloc__every_object_in_its_arena(void **state) {
    (void)state;
    if (mallctl == NULL) skip();
    unsigned automatic = number_of("opt.narenas"), arenas = 0;
    for (int round = 0; round < 20; round++) {
        struct vb_memory *memory = vb_memory_open(8);
        struct vb_heap *heaps[3] = {vb_heap_open(memory, 0), vb_heap_open(memory, 3), vb_heap_open(memory, 4)};
        void *objects[3][200];
        unsigned arena[3] = {0};
        for (int h = 0; h < 3; h++)
            for (int i = 0; i < 200; i++) {
                size_t size = i % 2 == 0 ? 96 : (size_t)i * 50 + 1;
                vb_free(vb_alloc(size), size);
                objects[h][i] = i % 3 == 0 ? vb_heap_alloc_line(heaps[h], size) : vb_heap_alloc(heaps[h], size);
                if (i == 0) arena[h] = arena_of(objects[h][0]);
                assert_int_equal(arena_of(objects[h][i]), arena[h]);
            }
        assert_true(arena[0] >= automatic);
        assert_int_equal(arena[0], arena[1]);
        assert_true(arena[2] >= automatic && arena[2] != arena[0]);
        for (int h = 0; h < 3; h++)
            for (int i = 0; i < 200; i++) {
                size_t size = i % 2 == 0 ? 96 : (size_t)i * 50 + 1;
                if (i % 3 == 0)
                    vb_heap_free_line(heaps[2 - h], objects[h][i], size);
                else
                    vb_heap_free(heaps[2 - h], objects[h][i], size);
            }
        for (int h = 0; h < 3; h++)
            vb_heap_close(heaps[h]);
        vb_memory_close(memory);
        if (round == 0) arenas = number_of("arenas.narenas");
        assert_int_equal(number_of("arenas.narenas"), arenas);
    }
    assert_true(next_cache() < 64); /* hundreds were made before */
}

#ifdef VARVE_ASSERTS
static void alloc__fails_as_planned(void **state) {
    (void)state;
    struct vb_memory *memory = vb_memory_open(1);
    struct vb_heap *heap = vb_heap_open(memory, 0);
    vb_alloc_fail_after(3);
    void *a = vb_heap_alloc(heap, 1), *b = vb_alloc(2), *c = vb_heap_alloc_line(heap, 3), *d = vb_heap_alloc(heap, 4);
    assert_true(a != NULL && b != NULL && c == NULL && d != NULL);
    assert_int_equal(vb_alloc_failures(), 1);
    assert_int_equal(vb_alloc_count(), 4);
    assert_int_equal(vb_memory_used(memory), 5);
    vb_alloc_fail_from(2);
    void *e = vb_heap_alloc(heap, 5);
    assert_non_null(e);
    assert_null(vb_heap_alloc(heap, 1));
    assert_null(vb_alloc(1));
    assert_null(vb_memory_open(1));
    assert_int_equal(vb_alloc_failures(), 3);
    vb_alloc_fail_after(0);
    vb_heap_free(heap, a, 1);
    vb_free(b, 2);
    vb_heap_free(heap, d, 4);
    vb_heap_free(heap, e, 5);
    vb_heap_close(heap);
    vb_alloc_fail_after(1);
    assert_null(vb_heap_open(memory, 0));
    heap = vb_heap_open(memory, 0);
    assert_non_null(heap);
    vb_alloc_fail_after(0);
    vb_heap_close(heap);
    vb_memory_close(memory);
}
#endif

static unsigned mappings(void) {
    FILE *in = fopen("/proc/self/maps", "r");
    unsigned lines = 0;
    assert_non_null(in);
    for (int c; (c = fgetc(in)) != EOF;) lines += c == '\n';
    fclose(in);
    return lines;
}

/* A long-lived process may open databases without end. */
static void memory__close_leaves_no_mapping(void **state) {
    unsigned before = 0;
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        if (i == 100) before = mappings();
        struct vb_memory *memory = vb_memory_open(16);
        assert_non_null(memory);
        for (unsigned h = 0; h < 12; h++) {
            struct vb_heap *heap = vb_heap_open(memory, h);
            assert_non_null(heap);
            void *small = vb_heap_alloc(heap, 100), *large = vb_heap_alloc(heap, 100000);
            vb_heap_free(heap, small, 100);
            vb_heap_free(heap, large, 100000);
            vb_heap_close(heap);
        }
        vb_memory_close(memory);
    }
    assert_true(mappings() < before + 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory__close_leaves_no_mapping),
        cmocka_unit_test(alloc__counts_what_is_in_use),
        cmocka_unit_test(alloc__aligns),
        cmocka_unit_test(alloc__frees_through_another_heap),
        cmocka_unit_test(alloc__refuses_what_cannot_be),
        cmocka_unit_test(alloc__threads_and_groups),
        cmocka_unit_test(alloc__reopens_without_end),
        cmocka_unit_test(alloc__every_object_in_its_arena),
#ifdef VARVE_ASSERTS
        cmocka_unit_test(alloc__fails_as_planned),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
