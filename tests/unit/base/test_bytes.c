/* test_bytes.c - fixed-width and variable-width numbers, the bounds of the reader, order of keys, hash, printing.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"

static void bytes__little_endian(void **state) {
    (void)state;
    uint8_t raw[11] = {0xee, 1, 2, 3, 4, 5, 6, 7, 8, 0xee, 0xee};
    assert_int_equal(vb_get_u16(raw + 1), 0x0201);
    assert_int_equal(vb_get_u32(raw + 1), 0x04030201);
    assert_true(vb_get_u64(raw + 1) == 0x0807060504030201u);
    vb_put_u16(raw + 1, 0xa1a2);
    vb_put_u32(raw + 3, 0xb1b2b3b4);
    const uint8_t expected[] = {0xee, 0xa2, 0xa1, 0xb4, 0xb3, 0xb2, 0xb1, 7, 8, 0xee};
    assert_memory_equal(raw, expected, sizeof(expected));
    vb_put_u64(raw + 1, 0x1112131415161718u);
    const uint8_t expected64[] = {0xee, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0xee};
    assert_memory_equal(raw, expected64, sizeof(expected64));
}

static void bytes__varints(void **state) {
    (void)state;
    const struct {
        uint64_t value;
        size_t bytes;
    } edges[] = {{0, 1},           {1, 1},           {127, 1},         {128, 2},          {16383, 2},
                 {16384, 3},       {UINT32_MAX, 5},  {1ull << 35, 6},  {(1ull << 56) - 1, 8}, {1ull << 56, 9},
                 {(1ull << 63) - 1, 9}, {1ull << 63, 10}, {UINT64_MAX, 10}};
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        uint8_t raw[11];
        memset(raw, 0xee, sizeof(raw));
        assert_int_equal(vb_put_varint(raw, edges[i].value), edges[i].bytes);
        assert_int_equal(vb_varint_bytes(edges[i].value), edges[i].bytes);
        assert_int_equal(raw[edges[i].bytes], 0xee);
        struct vb_reader reader;
        vb_reader_init(&reader, raw, edges[i].bytes);
        assert_true(vb_read_varint(&reader) == edges[i].value);
        assert_false(reader.bad);
        assert_ptr_equal(reader.next, reader.end);
        for (size_t cut = 0; cut < edges[i].bytes; cut++) {
            vb_reader_init(&reader, raw, cut);
            assert_true(vb_read_varint(&reader) == 0);
            assert_true(reader.bad);
        }
    }
}

static void bytes__varints_that_lie(void **state) {
    (void)state;
    const uint8_t eleven[11] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0};
    const uint8_t too_large[10] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
    const uint8_t padded[3] = {0x85, 0x80, 0};
    struct vb_reader reader;
    vb_reader_init(&reader, eleven, sizeof(eleven));
    assert_true(vb_read_varint(&reader) == 0);
    assert_true(reader.bad);
    vb_reader_init(&reader, too_large, sizeof(too_large));
    assert_true(vb_read_varint(&reader) == 0);
    assert_true(reader.bad);
    vb_reader_init(&reader, padded, sizeof(padded));
    assert_true(vb_read_varint(&reader) == 5);
    assert_false(reader.bad);
}

static void bytes__zigzag(void **state) {
    (void)state;
    assert_true(vb_zigzag(0) == 0 && vb_zigzag(-1) == 1 && vb_zigzag(1) == 2 && vb_zigzag(-2) == 3);
    assert_true(vb_zigzag(INT64_MIN) == UINT64_MAX && vb_zigzag(INT64_MAX) == UINT64_MAX - 1);
    const int64_t values[] = {0, 1, -1, 12345, -12345, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < 7; i++)
        assert_true(vb_unzigzag(vb_zigzag(values[i])) == values[i]);
}

static void bytes__reader_stops_at_its_end(void **state) {
    (void)state;
    uint8_t *raw = malloc(7); /* exactly as long as said, so that a sanitizer sees one byte more */
    for (unsigned i = 0; i < 7; i++)
        raw[i] = (uint8_t)(i + 1);
    struct vb_reader reader;
    vb_reader_init(&reader, raw, 7);
    assert_int_equal(vb_read_u8(&reader), 1);
    assert_int_equal(vb_read_u16(&reader), 0x0302);
    assert_int_equal(vb_read_u32(&reader), 0x07060504);
    assert_false(reader.bad);
    assert_int_equal(vb_read_u8(&reader), 0);
    assert_true(reader.bad);
    vb_reader_init(&reader, raw, 7);
    assert_true(vb_read_u64(&reader) == 0);
    assert_true(reader.bad);
    assert_int_equal(vb_read_u8(&reader), 0); /* a failed reader stays failed */
    assert_null(vb_read_bytes(&reader, 0).data);
    free(raw);
}

static void bytes__reader_of_slices(void **state) {
    (void)state;
    const uint8_t raw[5] = {1, 2, 3, 4, 5};
    struct vb_reader reader;
    vb_reader_init(&reader, raw, 5);
    varve_slice s = vb_read_bytes(&reader, 3);
    assert_ptr_equal(s.data, raw);
    assert_int_equal(s.size, 3);
    s = vb_read_bytes(&reader, 0);
    assert_ptr_equal(s.data, raw + 3);
    s = vb_read_bytes(&reader, 2);
    assert_int_equal(s.size, 2);
    s = vb_read_bytes(&reader, 0); /* nothing at the end is no failure */
    assert_false(reader.bad);
    assert_int_equal(s.size, 0);
    vb_reader_init(&reader, raw, 5);
    s = vb_read_bytes(&reader, SIZE_MAX);
    assert_null(s.data);
    assert_int_equal(s.size, 0);
    assert_true(reader.bad);
    vb_reader_init(&reader, NULL, 0);
    s = vb_read_bytes(&reader, 0);
    assert_false(reader.bad);
    assert_int_equal(vb_read_u8(&reader), 0);
    assert_true(reader.bad);
}

/* Random bytes through random reads: never past the end, never good again after bad. */
static void bytes__reader_survives_noise(void **state) {
    (void)state;
    struct vb_random random;
    vb_random_init(&random, 77);
    for (int round = 0; round < 20000; round++) {
        size_t size = vb_random_below(&random, 24);
        uint8_t *raw = malloc(size + 1);
        for (size_t i = 0; i < size; i++)
            raw[i] = (uint8_t)vb_random_u64(&random);
        struct vb_reader reader;
        vb_reader_init(&reader, raw, size);
        for (int step = 0; step < 8; step++) {
            bool was_bad = reader.bad;
            switch (vb_random_below(&random, 6)) {
            case 0: vb_read_u8(&reader); break;
            case 1: vb_read_u16(&reader); break;
            case 2: vb_read_u32(&reader); break;
            case 3: vb_read_u64(&reader); break;
            case 4: vb_read_varint(&reader); break;
            default: vb_read_bytes(&reader, (size_t)vb_read_u8(&reader)); break;
            }
            assert_true(reader.next <= reader.end && reader.end == raw + size);
            assert_true(reader.bad || !was_bad);
        }
        free(raw);
    }
}

static void bytes__order_of_keys(void **state) {
    (void)state;
    varve_slice sorted[] = {VARVE_SLICE(NULL, 0), VARVE_STR("\0"),  VARVE_STR("\0\0"), VARVE_STR("a"),
                            VARVE_STR("a\0"),     VARVE_STR("ab"),  VARVE_STR("b"),    VARVE_STR("\x7f"),
                            VARVE_STR("\x80"),    VARVE_STR("\xff")};
    size_t count = sizeof(sorted) / sizeof(sorted[0]);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            int order = vb_compare(sorted[i], sorted[k]);
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
            assert_int_equal(vb_equal(sorted[i], sorted[k]), i == k);
        }
}

/* Known answers of XXH3-64, so that files written here are read everywhere. */
static void bytes__hash(void **state) {
    (void)state;
    assert_true(vb_hash64(NULL, 0, 0) == 0x2d06800538d394c2u);
    assert_true(vb_hash64("abc", 3, 0) == 0x78af5f94892f3950u);
    assert_true(vb_hash64("abc", 3, 1) != vb_hash64("abc", 3, 0));
}

static void print_check(varve_slice bytes, size_t size, const char *expected) {
    char *out = malloc(size);
    memset(out, 'X', size);
    vb_printable(bytes, out, size);
    assert_string_equal(out, expected);
    free(out);
}

static void bytes__printable(void **state) {
    (void)state;
    print_check(VARVE_STR("alice"), 32, "alice");
    print_check(VARVE_STR("alice"), 6, "alice");
    print_check(VARVE_STR("alice"), 5, "a...");
    print_check(VARVE_STR("alice"), 4, "...");
    print_check(VARVE_STR("alice"), 3, "..");
    print_check(VARVE_STR("alice"), 1, "");
    print_check(VARVE_STR("a\0\xff\n~\x7f"), 64, "a\\x00\\xff\\x0a~\\x7f");
    print_check(VARVE_STR("\x01\x02\x03"), 13, "\\x01\\x02\\x03");
    print_check(VARVE_STR("\x01\x02\x03"), 12, "\\x01\\x02..."); /* an escape is never cut in two */
    print_check(VARVE_STR("\x01\x02\x03"), 11, "\\x01...");
    print_check(VARVE_SLICE(NULL, 0), 4, "");
    vb_printable(VARVE_STR("a"), NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes__little_endian),
        cmocka_unit_test(bytes__varints),
        cmocka_unit_test(bytes__varints_that_lie),
        cmocka_unit_test(bytes__zigzag),
        cmocka_unit_test(bytes__reader_stops_at_its_end),
        cmocka_unit_test(bytes__reader_of_slices),
        cmocka_unit_test(bytes__reader_survives_noise),
        cmocka_unit_test(bytes__order_of_keys),
        cmocka_unit_test(bytes__hash),
        cmocka_unit_test(bytes__printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
