/* test_block.c - frames and blocks over bytes alone: round trips, every flip found, and bytes that no writer made.
 *
 * SPDX-License-Identifier: MIT
 */
#include "runs/run_int.h"

#include "runs_fixture.h"

static void items_of(const struct entries *entries, struct vrn_item *items) {
    for (size_t i = 0; i < entries->count; i++) {
        const struct vrn_entry *entry = &entries->list[i];
        items[i] = (struct vrn_item){.key = entry->key.data,
                                     .key_bytes = (uint32_t)entry->key.size,
                                     .value = entry->value.data,
                                     .value_bytes = (uint32_t)entry->value.size,
                                     .cts = entry->cts,
                                     .flags = entry->tombstone};
    }
}

/* Entries of one table, so that the key alone orders them. */
static struct entries block_entries(uint64_t seed, size_t count, size_t value_max) {
    struct entries entries = random_entries(seed, count, 40, value_max);
    for (size_t i = 0; i < entries.count; i++) entries.list[i].table_id = 1;
    entries_settle(&entries);
    return entries;
}

static void check_block(const struct entries *entries, const struct vrn_block *block) {
    assert_int_equal(block->count, entries->count);
    for (unsigned i = 0; i < block->count; i++) {
        const struct vrn_entry *entry = &entries->list[i];
        struct vrn_item item;
        unsigned at;
        assert_true(vrn_block_item(block, i, &item));
        assert_int_equal(vrn_block_compare(block, &item, entry->key), 0);
        assert_int_equal(block->prefix_bytes + item.key_bytes, entry->key.size);
        assert_true(vb_equal((varve_slice){item.value, item.value_bytes}, entry->value));
        assert_true(item.cts == entry->cts);
        assert_int_equal(item.flags, entry->tombstone);
        assert_true(vrn_block_seek(block, entry->key, &at));
        assert_int_equal(at, i);
        uint8_t above[64] = {0};
        memcpy(above, entry->key.data, entry->key.size);
        assert_true(vrn_block_seek(block, (varve_slice){above, entry->key.size + 1}, &at));
        assert_int_equal(at, i + 1);
    }
}

static void block__round_trips(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct vrn_bytes raw = {0};
    static struct vrn_item items[3000];
    static const size_t counts[] = {1, 2, 3, 50, 400, 2500}, values[] = {0, 5, 300};
    for (size_t c = 0; c < 6; c++) {
        for (size_t v = 0; v < 3; v++) {
            struct entries entries = block_entries(seed + c * 3 + v, counts[c], values[v]);
            items_of(&entries, items);
            assert_int_equal(vrn_block_encode(items, entries.count, &raw), VARVE_OK);
            struct vrn_opened opened = {raw.data, raw.size, (unsigned)entries.count};
            struct vrn_block block;
            assert_true(vrn_block_open(&block, &opened));
            assert_int_equal(block.slot_bytes, raw.size > 65536 ? 4 : 2);
            check_block(&entries, &block);
            entries_free(&entries);
        }
    }
    vrn_bytes_free(&raw);
}

/* Reads whatever there is, following everything that the checks let through. */
static void walk_hostile(const uint8_t *raw, size_t size) {
    uint8_t *exact = malloc(size != 0 ? size : 1); /* so that one byte too far is seen */
    if (size != 0) memcpy(exact, raw, size);
    struct vrn_opened opened = {exact, size, size >= 2 ? vb_get_u16(exact) : 0};
    struct vrn_block block;
    if (vrn_block_open(&block, &opened)) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < block.count; i++) {
            struct vrn_item item;
            if (!vrn_block_item(&block, i, &item)) continue;
            sum += vb_hash64(item.key, item.key_bytes, 0) + vb_hash64(item.value, item.value_bytes, sum);
            sum += (uint64_t)vrn_block_compare(&block, &item, VARVE_STR("some key"));
        }
        unsigned at;
        if (vrn_block_seek(&block, VARVE_STR("a"), &at)) assert_true(at <= block.count);
        assert_true(sum != 1);
    }
    free(exact);
}

static void block__hostile_bytes(void **state) {
    (void)state;
    struct vb_random random;
    vb_random_init(&random, test_seed());
    static struct vrn_item items[100];
    struct vrn_bytes raw = {0};
    struct entries entries = block_entries(9, 40, 20);
    items_of(&entries, items);
    assert_int_equal(vrn_block_encode(items, entries.count, &raw), VARVE_OK);
    uint8_t *copy = malloc(raw.size);
    for (size_t cut = 0; cut <= raw.size; cut++) walk_hostile(raw.data, cut);
    for (unsigned round = 0; round < 30000; round++) {
        memcpy(copy, raw.data, raw.size);
        for (unsigned flips = 1 + (unsigned)vb_random_below(&random, 6); flips > 0; flips--) {
            size_t at = vb_random_below(&random, vb_random_below(&random, 2) != 0 ? raw.size : 32);
            copy[at] = (uint8_t)vb_random_u64(&random);
        }
        walk_hostile(copy, raw.size);
    }
    free(copy);
    vrn_bytes_free(&raw);
    entries_free(&entries);
}

static void seal_sample(struct vrn_bytes *out, int level, size_t raw_bytes, uint32_t *check) {
    uint8_t *raw = calloc(1, raw_bytes + 1);
    for (size_t i = 0; i < raw_bytes; i++) raw[i] = (uint8_t)(i / 16);
    struct vrn_zip zip = {0};
    struct vrn_frame frame = {.kind = VRN_DATA, .entries = 3, .raw = {raw, raw_bytes}, .seed = 99, .level = level};
    uint64_t sum;
    out->size = 0;
    assert_int_equal(vrn_frame_seal(&frame, &zip, out, &sum), VARVE_OK);
    *check = (uint32_t)sum;
    vrn_zip_close(&zip);
    free(raw);
}

static int unseal(const struct vrn_bytes *frame, uint64_t seed, uint32_t check, struct vrn_buffer *buffer,
                  struct vrn_opened *opened) {
    const char *why;
    buffer->stored.size = 0;
    assert_int_equal(vrn_bytes_reserve(&buffer->stored, frame->size), VARVE_OK);
    memcpy(buffer->stored.data, frame->data, frame->size);
    buffer->stored.size = frame->size;
    return vrn_frame_unseal(buffer, VRN_DATA, seed, check, opened, &why);
}

static void frame__round_trips_and_every_flip_is_found(void **state) {
    (void)state;
    struct vrn_bytes frame = {0};
    struct vrn_buffer buffer = {0};
    struct vrn_opened opened;
    uint32_t check;
    for (int level = 0; level <= 9; level += 3) {
        for (size_t raw_bytes = 0; raw_bytes < 600; raw_bytes += 37) {
            seal_sample(&frame, level, raw_bytes, &check);
            assert_int_equal(frame.size % 8, 0);
            assert_int_equal(unseal(&frame, 99, check, &buffer, &opened), VARVE_OK);
            assert_int_equal(opened.size, raw_bytes);
            assert_int_equal(opened.entries, 3);
            for (size_t i = 0; i < raw_bytes; i++) assert_int_equal(opened.raw[i], (uint8_t)(i / 16));
            assert_int_equal(unseal(&frame, 98, check, &buffer, &opened), VARVE_CORRUPT);
            assert_int_equal(unseal(&frame, 99, check + 1, &buffer, &opened), VARVE_CORRUPT);
            for (size_t bit = 0; bit < frame.size * 8; bit++) {
                frame.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
                assert_int_equal(unseal(&frame, 99, check, &buffer, &opened), VARVE_CORRUPT);
                frame.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            }
        }
    }
    vrn_bytes_free(&frame);
    vrn_buffer_release(&buffer);
}

/* Changes a frame and makes its sum right again: the fields themselves must be refused. */
static void refused_with(size_t offset, uint32_t value, unsigned bytes) {
    struct vrn_bytes frame = {0};
    struct vrn_buffer buffer = {0};
    struct vrn_opened opened;
    uint32_t check;
    seal_sample(&frame, 1, 2000, &check);
    assert_int_equal(frame.data[9], VRN_DEFLATED);
    for (unsigned i = 0; i < bytes; i++) frame.data[offset + i] = (uint8_t)(value >> 8 * i);
    uint64_t inner = vb_hash64(frame.data, 16, 99);
    uint64_t sum = vb_hash64(frame.data + 24, frame.size - 24, inner);
    vb_put_u64(frame.data + 16, sum);
    assert_int_equal(unseal(&frame, 99, (uint32_t)sum, &buffer, &opened), VARVE_CORRUPT);
    vrn_bytes_free(&frame);
    vrn_buffer_release(&buffer);
}

static void frame__fields_are_checked_behind_the_sum(void **state) {
    (void)state;
    refused_with(0, 1u << 30, 4);   /* stored bytes beyond the frame */
    refused_with(4, 1999, 4);       /* raw bytes: one too few, one too many, absurd, none */
    refused_with(4, 2001, 4);
    refused_with(4, UINT32_MAX, 4);
    refused_with(4, 0, 4);
    refused_with(8, VRN_INDEX, 1);  /* kind */
    refused_with(9, VRN_STORED, 1); /* codec */
    refused_with(9, 7, 1);
    refused_with(12, 1, 4);         /* reserved */
    refused_with(30, 0xffffffff, 4); /* the deflated bytes */
}

static void inflate__never_more_than_declared(void **state) {
    (void)state;
    uint8_t in[100], out[64];
    struct vrn_zip zip = {0}, back = {0};
    uint8_t zeros[4096] = {0};
    size_t size;
    assert_true(vrn_deflate(&zip, 9, (varve_slice){zeros, sizeof(zeros)}, in, sizeof(in), &size));
    assert_int_equal(vrn_inflate(&back, (varve_slice){in, size}, out, sizeof(out)), VARVE_CORRUPT);
    uint8_t *large = malloc(4097);
    assert_int_equal(vrn_inflate(&back, (varve_slice){in, size}, large, 4096), VARVE_OK);
    assert_int_equal(vrn_inflate(&back, (varve_slice){in, size}, large, 4097), VARVE_CORRUPT);
    assert_int_equal(vrn_inflate(&back, (varve_slice){in, size - 1}, large, 4096), VARVE_CORRUPT);
    assert_false(vrn_deflate(&zip, 9, (varve_slice){zeros, sizeof(zeros)}, in, 3, &size));
    free(large);
    vrn_zip_close(&zip);
    vrn_zip_close(&back);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block__round_trips),
        cmocka_unit_test(block__hostile_bytes),
        cmocka_unit_test(frame__round_trips_and_every_flip_is_found),
        cmocka_unit_test(frame__fields_are_checked_behind_the_sum),
        cmocka_unit_test(inflate__never_more_than_declared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
