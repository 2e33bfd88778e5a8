/* test_file_header.c - the file header: its bytes, every flip found, versions and features refused, seeds that differ.
 *
 * SPDX-License-Identifier: MIT
 */
#include "core/file_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

static struct vk_file_header sample(void) {
    struct vk_file_header header = {.kind = VK_FILE_RUN, .unit_bytes = 4096, .file_id = 0x0102030405060708,
                                    .salt = 0x1112131415161718, .creation_cts = 99};
    for (unsigned i = 0; i < 16; i++) header.database_id[i] = (uint8_t)(0xa0 + i);
    for (unsigned i = 0; i < sizeof(header.extra); i++) header.extra[i] = (uint8_t)i;
    return header;
}

static void header__bytes_are_as_documented(void **state) {
    (void)state;
    static const uint8_t start[] = {0x89, 0x56, 0x41, 0x52, 0x56, 0x0d, 0x0a, 0x1a, 1, 0, 0, 0, 1, 0, 0, 0};
    struct vk_file_header header = sample();
    uint8_t bytes[VK_FILE_HEADER_BYTES];
    vk_file_header_encode(&header, bytes);
    assert_memory_equal(bytes, start, sizeof(start));
    assert_int_equal(vb_get_u32(bytes + 40), 4096);
    assert_int_equal(vb_get_u32(bytes + 44), 1);
    assert_memory_equal(bytes + 48, header.database_id, 16);
    assert_int_equal(vb_get_u64(bytes + 64), header.file_id);
    assert_int_equal(vb_get_u64(bytes + 72), header.salt);
    assert_int_equal(vb_get_u64(bytes + 80), 99);
    for (unsigned i = 88; i < 160; i++) assert_int_equal(bytes[i], 0);
    assert_memory_equal(bytes + 160, header.extra, sizeof(header.extra));
    assert_int_equal(vb_get_u64(bytes + 4088), vb_hash64(bytes, 4088, 0));
}

static void header__comes_back(void **state) {
    (void)state;
    struct vk_file_header header = sample(), got;
    memset(&got, 0, sizeof(got));
    uint8_t bytes[VK_FILE_HEADER_BYTES];
    const char *why = NULL;
    vk_file_header_encode(&header, bytes);
    assert_int_equal(vk_file_header_decode(bytes, VK_FILE_RUN, &got, &why), VARVE_OK);
    assert_int_equal(got.kind, header.kind);
    assert_int_equal(got.unit_bytes, header.unit_bytes);
    assert_memory_equal(got.database_id, header.database_id, 16);
    assert_int_equal(got.file_id, header.file_id);
    assert_int_equal(got.salt, header.salt);
    assert_int_equal(got.creation_cts, header.creation_cts);
    assert_memory_equal(got.extra, header.extra, sizeof(header.extra));
    assert_int_equal(vk_file_header_decode(bytes, 0, &got, &why), VARVE_OK);
    assert_int_equal(vk_file_header_decode(bytes, VK_FILE_LOG, &got, &why), VARVE_CORRUPT);
    assert_string_equal(why, "a file of another kind");
}

static void header__every_flip_is_found(void **state) {
    (void)state;
    struct vk_file_header header = sample(), got;
    uint8_t bytes[VK_FILE_HEADER_BYTES];
    vk_file_header_encode(&header, bytes);
    for (unsigned bit = 0; bit < VK_FILE_HEADER_BYTES * 8; bit++) {
        const char *why = NULL;
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(vk_file_header_decode(bytes, VK_FILE_RUN, &got, &why), VARVE_CORRUPT);
        assert_non_null(why);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* A header that is whole, but from a version or with a feature that is not known here. */
static void refused_with(unsigned offset, uint8_t value, const char *expected) {
    struct vk_file_header header = sample(), got;
    uint8_t bytes[VK_FILE_HEADER_BYTES];
    const char *why = NULL;
    vk_file_header_encode(&header, bytes);
    bytes[offset] = value;
    vb_put_u64(bytes + 4088, vb_hash64(bytes, 4088, 0));
    assert_int_equal(vk_file_header_decode(bytes, VK_FILE_RUN, &got, &why), VARVE_CORRUPT);
    assert_string_equal(why, expected);
}

static void header__newer_is_refused(void **state) {
    (void)state;
    refused_with(8, 2, "written by an incompatible version");
    refused_with(16, 1, "needs a feature this version does not know");
    refused_with(24, 1, "needs a feature this version does not know to write");
    refused_with(44, 2, "unknown checksum");
    struct vk_file_header header = sample(), got;
    uint8_t bytes[VK_FILE_HEADER_BYTES];
    const char *why = NULL;
    vk_file_header_encode(&header, bytes);
    bytes[10] = 9; /* a newer minor version and compatible features are fine */
    bytes[32] = 1;
    vb_put_u64(bytes + 4088, vb_hash64(bytes, 4088, 0));
    assert_int_equal(vk_file_header_decode(bytes, VK_FILE_RUN, &got, &why), VARVE_OK);
}

static void header__seed_depends_on_all_four(void **state) {
    (void)state;
    struct vk_file_header a = sample(), b = sample();
    uint64_t seed = vk_file_seed(&a, 4096);
    assert_int_equal(seed, vk_file_seed(&b, 4096));
    assert_int_not_equal(seed, vk_file_seed(&a, 8192));
    b.file_id++;
    assert_int_not_equal(seed, vk_file_seed(&b, 4096));
    b = sample();
    b.salt++;
    assert_int_not_equal(seed, vk_file_seed(&b, 4096));
    b = sample();
    b.database_id[15]++;
    assert_int_not_equal(seed, vk_file_seed(&b, 4096));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header__bytes_are_as_documented), cmocka_unit_test(header__comes_back),
        cmocka_unit_test(header__every_flip_is_found),     cmocka_unit_test(header__newer_is_refused),
        cmocka_unit_test(header__seed_depends_on_all_four),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
