/* test_arena.c - bump allocation: alignment, growth, large requests, reset and release, out of memory.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

static struct vb_memory *memory;
static struct vb_heap *heap;

static int setup(void **state) {
    (void)state;
    memory = vb_memory_open(1);
    heap = vb_heap_open(memory, 0);
    return heap == NULL;
}

static int teardown(void **state) {
    (void)state;
    vb_heap_close(heap);
    uint64_t used = vb_memory_used(memory);
    vb_memory_close(memory);
    return used != 0;
}

static void arena__hands_out_in_order(void **state) {
    (void)state;
    struct vb_arena arena;
    vb_arena_init(&arena, heap, 1024);
    assert_int_equal(vb_memory_used(memory), 0); /* nothing before the first use */
    uint8_t *a = vb_arena_alloc(&arena, 1), *b = vb_arena_alloc(&arena, 8), *c = vb_arena_alloc(&arena, 9);
    assert_ptr_equal(b, a + 8);
    assert_ptr_equal(c, b + 8);
    assert_int_equal((uintptr_t)a % 8, 0);
    assert_int_equal(arena.used_bytes, 8 + 8 + 16);
    assert_int_equal(vb_memory_used(memory), 1024);
    assert_non_null(vb_arena_alloc(&arena, 0));
    assert_int_equal(arena.used_bytes, 32);
    vb_arena_release(&arena);
    assert_int_equal(vb_memory_used(memory), 0);
}

static void arena__empty_request_before_any_chunk(void **state) {
    (void)state;
    struct vb_arena arena;
    vb_arena_init(&arena, heap, 1024);
    assert_non_null(vb_arena_alloc(&arena, 0));
    assert_int_equal(vb_memory_used(memory), 0);
    vb_arena_reset(&arena);
    vb_arena_release(&arena);
}

static void arena__large_request_leaves_the_chunk_in_use(void **state) {
    (void)state;
    struct vb_arena arena;
    vb_arena_init(&arena, heap, 1024);
    uint8_t *a = vb_arena_alloc(&arena, 16);
    uint8_t *large = vb_arena_alloc(&arena, 5001);
    uint8_t *b = vb_arena_alloc(&arena, 16);
    assert_ptr_equal(b, a + 16);
    memset(large, 7, 5001);
    assert_int_equal(arena.used_bytes, 16 + 5008 + 16);
    assert_true(vb_memory_used(memory) > 1024 + 5008);
    vb_arena_reset(&arena);
    assert_int_equal(vb_memory_used(memory), 1024);
    assert_int_equal(arena.used_bytes, 0);
    vb_arena_release(&arena);
}

static void arena__large_request_first(void **state) {
    (void)state;
    struct vb_arena arena;
    vb_arena_init(&arena, heap, 1024);
    uint8_t *large = vb_arena_alloc(&arena, 3000);
    memset(large, 7, 3000);
    uint8_t *a = vb_arena_alloc(&arena, 100);
    memset(a, 8, 100);
    assert_int_equal(large[2999], 7);
    vb_arena_reset(&arena);
    assert_int_equal(vb_memory_used(memory), 1024);
    vb_arena_release(&arena);
}

static void arena__keeps_one_chunk_over_a_reset(void **state) {
    (void)state;
    struct vb_arena arena;
    vb_arena_init(&arena, heap, 512);
    for (int i = 0; i < 20; i++)
        assert_non_null(vb_arena_alloc(&arena, 100));
    assert_true(vb_memory_used(memory) >= 5 * 512);
    vb_arena_reset(&arena);
    assert_int_equal(vb_memory_used(memory), 512);
    for (int i = 0; i < 4; i++)
        assert_non_null(vb_arena_alloc(&arena, 100));
    assert_int_equal(vb_memory_used(memory), 512);
    vb_arena_release(&arena);
    assert_int_equal(vb_memory_used(memory), 0);
    assert_non_null(vb_arena_alloc(&arena, 8)); /* usable again */
    vb_arena_release(&arena);
}

static void arena__refuses_sizes_that_overflow(void **state) {
    (void)state;
    struct vb_arena arena;
    vb_arena_init(&arena, heap, 512);
    assert_null(vb_arena_alloc(&arena, SIZE_MAX));
    assert_null(vb_arena_alloc(&arena, SIZE_MAX - 6));
    assert_null(vb_arena_alloc(&arena, SIZE_MAX / 2 + 1));
    assert_int_equal(arena.used_bytes, 0);
    assert_int_equal(vb_memory_used(memory), 0);
    vb_arena_release(&arena);
}

/* Every block keeps its bytes until the reset, whatever the sizes. */
static void arena__blocks_do_not_overlap(void **state) {
    (void)state;
    struct vb_random random;
    vb_random_init(&random, 4711);
    struct vb_arena arena;
    vb_arena_init(&arena, heap, 2048);
    for (int round = 0; round < 50; round++) {
        static uint8_t *blocks[200];
        static size_t sizes[200];
        for (int i = 0; i < 200; i++) {
            sizes[i] = vb_random_below(&random, i % 10 == 0 ? 5000 : 120);
            blocks[i] = vb_arena_alloc(&arena, sizes[i]);
            assert_non_null(blocks[i]);
            if (sizes[i] != 0) memset(blocks[i], i, sizes[i]);
        }
        for (int i = 0; i < 200; i++)
            for (size_t k = 0; k < sizes[i]; k++)
                assert_int_equal(blocks[i][k], i);
        vb_arena_reset(&arena);
    }
    vb_arena_release(&arena);
}

#if VB_ASAN
int __asan_address_is_poisoned(void const volatile *address);

static void arena__poisons_what_is_not_handed_out(void **state) {
    (void)state;
    struct vb_arena arena;
    vb_arena_init(&arena, heap, 1024);
    char *small = vb_arena_alloc(&arena, 5), *large = vb_arena_alloc(&arena, 501);
    assert_false(__asan_address_is_poisoned(small + 4));
    assert_true(__asan_address_is_poisoned(small + 5));
    assert_true(__asan_address_is_poisoned(large + 504));
    assert_false(__asan_address_is_poisoned(large + 500));
    assert_true(__asan_address_is_poisoned(large + 501));
    vb_arena_reset(&arena);
    assert_true(__asan_address_is_poisoned(small));
    assert_ptr_equal(vb_arena_alloc(&arena, 5), small);
    assert_false(__asan_address_is_poisoned(small));
    vb_arena_release(&arena);
}
#endif

#ifdef VARVE_ASSERTS
static void arena__survives_out_of_memory(void **state) {
    (void)state;
    struct vb_arena arena;
    vb_arena_init(&arena, heap, 512);
    vb_alloc_fail_after(1);
    assert_null(vb_arena_alloc(&arena, 8));
    assert_non_null(vb_arena_alloc(&arena, 8));
    vb_alloc_fail_after(1);
    assert_null(vb_arena_alloc(&arena, 600)); /* a large one */
    assert_int_equal(arena.used_bytes, 8);
    assert_non_null(vb_arena_alloc(&arena, 600));
    vb_alloc_fail_after(0);
    vb_arena_release(&arena);
}
#endif

#define ARENA_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        ARENA_TEST(arena__hands_out_in_order),
        ARENA_TEST(arena__empty_request_before_any_chunk),
        ARENA_TEST(arena__large_request_leaves_the_chunk_in_use),
        ARENA_TEST(arena__large_request_first),
        ARENA_TEST(arena__keeps_one_chunk_over_a_reset),
        ARENA_TEST(arena__refuses_sizes_that_overflow),
        ARENA_TEST(arena__blocks_do_not_overlap),
#if VB_ASAN
        ARENA_TEST(arena__poisons_what_is_not_handed_out),
#endif
#ifdef VARVE_ASSERTS
        ARENA_TEST(arena__survives_out_of_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
