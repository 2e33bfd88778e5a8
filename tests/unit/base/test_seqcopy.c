/* test_seqcopy.c - payload copied by pieces: every size, nothing beside it touched, and no half of a value believed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/seqcopy.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { SIZE_MOST = 300, EDGE = 16, WORDS = SIZE_MOST / 8 + 1, VALUE_WORDS = 13, ROUNDS = 200000 };

static uint8_t byte_at(size_t i) { return (uint8_t)(i * 7 + 3); }

static void seqcopy__out_of_every_size(void **state) {
    (void)state;
    uint64_t from[WORDS];
    for (size_t i = 0; i < sizeof(from); i++) ((uint8_t *)from)[i] = byte_at(i);
    for (size_t size = 0; size <= SIZE_MOST; size++) {
        uint8_t to[EDGE + SIZE_MOST + EDGE];
        memset(to, 0xee, sizeof(to));
        vb_seq_copy_out(to + EDGE, from, size);
        for (size_t i = 0; i < sizeof(to); i++)
            assert_int_equal(to[i], i < EDGE || i >= EDGE + size ? 0xee : byte_at(i - EDGE));
    }
}

static void seqcopy__into_every_size(void **state) {
    (void)state;
    uint8_t from[SIZE_MOST];
    for (size_t i = 0; i < sizeof(from); i++) from[i] = byte_at(i);
    for (size_t size = 0; size <= SIZE_MOST; size++) {
        uint64_t to[2 + WORDS + 2];
        memset(to, 0xee, sizeof(to));
        vb_seq_copy_in(to + 2, from, size);
        const uint8_t *bytes = (const uint8_t *)to;
        size_t whole = (size + 7) & ~(size_t)7; /* the rest of the last word may be anything */
        for (size_t i = 0; i < sizeof(to); i++) {
            if (i < EDGE || i >= EDGE + whole) assert_int_equal(bytes[i], 0xee);
            if (i >= EDGE && i < EDGE + size) assert_int_equal(bytes[i], byte_at(i - EDGE));
        }
    }
}

/* One writer, one reader, the protocol of a record: odd while it changes. */
static struct {
    uint64_t sequence, words[VALUE_WORDS];
    uint32_t done;
} shared;

static void *writer(void *arg) {
    size_t size = *(const size_t *)arg;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        uint8_t value[VALUE_WORDS * 8];
        memset(value, (int)(round & 0xff), sizeof(value));
        vb_store_release(&shared.sequence, 2 * round - 1);
        vb_fence_release();
        vb_seq_copy_in(shared.words, value, size);
        vb_store_release(&shared.sequence, 2 * round);
    }
    vb_store_release(&shared.done, 1);
    return NULL;
}

static void race(size_t size) {
    memset(&shared, 0, sizeof(shared));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, writer, &size), 0);
    while (vb_load_acquire(&shared.done) == 0) {
        uint8_t value[VALUE_WORDS * 8];
        uint64_t before = vb_load_acquire(&shared.sequence);
        vb_seq_copy_out(value, shared.words, size);
        vb_fence_acquire();
        if ((before & 1) != 0 || vb_load_relaxed(&shared.sequence) != before) continue;
        for (size_t i = 0; i < size; i++) assert_int_equal(value[i], (before / 2) & 0xff);
    }
    pthread_join(thread, NULL);
}
static void seqcopy__no_half_is_believed(void **state) {
    (void)state;
    static const size_t sizes[] = {3, 8, 15, 16, 17, 100, 104};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) race(sizes[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seqcopy__out_of_every_size),
        cmocka_unit_test(seqcopy__into_every_size),
        cmocka_unit_test(seqcopy__no_half_is_believed),
    };
    return cmocka_run_group_tests_name("base.seqcopy", tests, NULL, NULL);
}
