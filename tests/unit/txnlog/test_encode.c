/* Blocks, headers, transactions and operations, to bytes and back; and bytes that are none of these.
 * SPDX-License-Identifier: MIT
 */
#include "txnlog_fixture.h"

static const struct vtl_op samples[] = {
    {VTL_PUT, 0, {"", 0}, {"", 0}},
    {VTL_PUT, 1, {"key", 3}, {"value", 5}},
    {VTL_DELETE, UINT32_MAX, {"key", 3}, {NULL, 0}},
    {VTL_TABLE, 77, {"accounts", 8}, {"\0\1\2", 3}},
    {VTL_LABEL, 0, {"here", 4}, {NULL, 0}},
};
enum { SAMPLES = sizeof(samples) / sizeof(samples[0]) };

static size_t put_txn(uint8_t *out, uint64_t delta, unsigned ops) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < ops; i++) bytes += vtl_op_bytes(&samples[i]);
    uint8_t *at = out + vtl_prefix_put(out, delta, ops, bytes);
    const uint8_t *begin = at;
    for (unsigned i = 0; i < ops; i++) at = vtl_op_put(at, &samples[i]);
    assert_int_equal(at - begin, bytes);
    return (size_t)(at - out);
}

static void transactions_round_trip(void **state) {
    (void)state;
    uint8_t bytes[256];
    size_t size = put_txn(bytes, 1, SAMPLES);
    size += put_txn(bytes + size, 100, 0);
    size += put_txn(bytes + size, 50, 2);
    struct vb_reader reader;
    vb_reader_init(&reader, bytes, size);
    struct vtl_txn txn;
    static const uint64_t cts[] = {1001, 1100, 1050};
    static const unsigned counts[] = {SAMPLES, 0, 2};
    for (unsigned t = 0; t < 3; t++) {
        assert_int_equal(vtl_payload_next(&reader, 1000, 1100, &txn), VARVE_OK);
        assert_int_equal(txn.cts, cts[t]);
        assert_int_equal(txn.ops, counts[t]);
        size_t offset = 0;
        struct vtl_op op;
        for (unsigned i = 0; i < counts[t]; i++) {
            assert_int_equal(vtl_txn_next(&txn, &offset, &op), VARVE_OK);
            assert_int_equal(op.kind, samples[i].kind);
            assert_int_equal(op.table_id, samples[i].table_id);
            assert_true(vb_equal(op.key, samples[i].key) && vb_equal(op.value, samples[i].value));
        }
        assert_int_equal(vtl_txn_next(&txn, &offset, &op), VARVE_END);
    }
    assert_int_equal(vtl_payload_next(&reader, 1000, 1100, &txn), VARVE_END);
}

static int read_all(const uint8_t *bytes, size_t size, uint64_t cut_hi) {
    struct vb_reader reader;
    struct vtl_txn txn;
    int status;
    uint8_t *exact = malloc(size + 1); /* so that a read past the end is seen */
    memcpy(exact, bytes, size);
    vb_reader_init(&reader, exact, size);
    while ((status = vtl_payload_next(&reader, 0, cut_hi, &txn)) == VARVE_OK) assert_true(txn.cts <= cut_hi);
    free(exact);
    return status;
}

static void what_is_no_transaction_is_refused(void **state) {
    (void)state;
    uint8_t bytes[256], other[256];
    size_t size = put_txn(bytes, 9, SAMPLES);
    assert_int_equal(read_all(bytes, size, 9), VARVE_END);
    assert_int_equal(read_all(bytes, size, 8), VARVE_CORRUPT); /* beyond its cut */
    for (size_t cut = 1; cut < size; cut++) assert_int_equal(read_all(bytes, cut, 9), VARVE_CORRUPT);
    for (size_t at = 0; at < size; at++) {
        for (unsigned value = 0; value < 256; value++) {
            memcpy(other, bytes, size);
            other[at] = (uint8_t)value;
            int status = read_all(other, size, 9);
            assert_true(status == VARVE_END || status == VARVE_CORRUPT);
        }
    }
    static const uint8_t zero_delta[] = {0, 0, 0, 0}, flags[] = {1, 1, 0, 0}, fewer[] = {1, 0, 2, 5, 2, 1, 0, 2, 1};
    assert_int_equal(read_all(zero_delta, sizeof(zero_delta), 9), VARVE_CORRUPT);
    assert_int_equal(read_all(flags, sizeof(flags), 9), VARVE_CORRUPT);
    assert_int_equal(read_all(fewer, sizeof(fewer), 9), VARVE_CORRUPT);
}

static void a_block_round_trips(void **state) {
    (void)state;
    static uint8_t buffer[4096];
    for (uint32_t payload = 0; payload < 1000; payload += 37) {
        struct vtl_block block = {.flags = VTL_BLOCK_MORE,
                                  .payload_bytes = payload,
                                  .generation = 3,
                                  .timeline = 4,
                                  .seq = 5,
                                  .cut_lo = 6,
                                  .cut_hi = 7,
                                  .durable_seq = 2,
                                  .prev_check = 9,
                                  .wall_ns = 10},
                         read;
        memset(buffer, 0xaa, sizeof(buffer));
        size_t padded = vtl_block_seal(buffer, &block, 512, 77);
        assert_int_equal(padded, vtl_round_up(96 + payload, 512));
        for (size_t i = 96 + payload; i < padded; i++) assert_int_equal(buffer[i], 0);
        assert_true(vtl_block_parse(buffer, padded, 512, &read));
        assert_memory_equal(&block, &read, sizeof(block));
        assert_true(vtl_block_sum_holds(buffer, &read, 512, 77));
        assert_false(vtl_block_sum_holds(buffer, &read, 512, 78));
        assert_false(vtl_block_parse(buffer, padded - 1, 512, &read));
        for (size_t i = 0; i < padded * 8; i += 3) {
            buffer[i / 8] ^= (uint8_t)(1u << i % 8);
            assert_false(vtl_block_parse(buffer, padded, 512, &read) && vtl_block_sum_holds(buffer, &read, 512, 77));
            buffer[i / 8] ^= (uint8_t)(1u << i % 8);
        }
    }
}

/* The bytes themselves, so that a change of the format is seen. */
static void the_format_is_what_it_says(void **state) {
    (void)state;
    static uint8_t buffer[512];
    struct vtl_block block = {.flags = 3,
                              .payload_bytes = 0x0102,
                              .generation = 0x11121314,
                              .timeline = 0x21222324,
                              .seq = 0x31,
                              .cut_lo = 0x41,
                              .cut_hi = 0x51,
                              .durable_seq = 0x30,
                              .prev_check = 0x61,
                              .wall_ns = 0x71};
    vtl_block_seal(buffer, &block, 512, 1);
    static const uint8_t wanted[] = {0xed, 0x5e, 0x0c, 0xb1, 96,   0,    3,    0,    2,    1,    0,    0,   0xfd,
                                     0xfe, 0xff, 0xff, 0x14, 0x13, 0x12, 0x11, 0x24, 0x23, 0x22, 0x21, 0x31};
    assert_memory_equal(buffer, wanted, sizeof(wanted));
    static const struct {
        unsigned at;
        uint64_t value;
    } words[] = {{24, 0x31}, {32, 0x41}, {40, 0x51}, {48, 0x30}, {56, 0x61}, {64, 0x71}, {72, 0x0102}, {80, 0}};
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_int_equal(vb_get_u64(buffer + words[i].at), words[i].value);
    }
    vb_put_u64(buffer + 88, 0);
    assert_int_equal(vb_hash64(buffer, 512, 1), block.sum);
    uint8_t op[32];
    const struct vtl_op put = {VTL_PUT, 300, {"ab", 2}, {"c", 1}};
    static const uint8_t put_bytes[] = {1, 0xac, 0x02, 2, 1, 'a', 'b', 'c'};
    assert_int_equal(vtl_op_put(op, &put) - op, sizeof(put_bytes));
    assert_memory_equal(op, put_bytes, sizeof(put_bytes));
}

static void names_and_headers_round_trip(void **state) {
    (void)state;
    char name[VTL_NAME_BYTES];
    uint64_t id = 0;
    vtl_segment_name(name, UINT64_C(0x0123456789abcdef), ".log");
    assert_string_equal(name, "0123456789abcdef.log");
    assert_true(vtl_segment_parse_name(name, ".log", &id));
    assert_int_equal(id, UINT64_C(0x0123456789abcdef));
    static const char *const others[] = {"0123456789abcdef.new",  "0123456789abcdeF.log",  "0123456789abcde.log", "",
                                         "0123456789abcdef.logx", "00123456789abcdef.log", "0123456789abcdeg.log"};
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(vtl_segment_parse_name(others[i], ".log", &id));
    struct vtl_segment segment = {.generation = 2,
                                  .timeline = 3,
                                  .first_seq = 10,
                                  .prev_seq = 9,
                                  .prev_check = 5,
                                  .manifest_sequence = 6,
                                  .bytes = 8192},
                       read;
    segment.header =
        (struct vk_file_header){.kind = VK_FILE_LOG, .unit_bytes = 512, .file_id = 1, .salt = 2, .creation_cts = 3};
    uint8_t bytes[VK_FILE_HEADER_BYTES];
    const char *why;
    vtl_segment_encode(&segment, bytes);
    memset(&read, 0, sizeof(read));
    assert_int_equal(vtl_segment_decode(&read, bytes, &why), VARVE_OK);
    assert_memory_equal(&segment, &read, sizeof(segment));
    struct {
        uint64_t *word, bad;
    } broken[] = {{&segment.first_seq, 0},
                  {&segment.prev_seq, 7},
                  {&segment.bytes, 4095},
                  {&segment.bytes, 8193},
                  {&segment.header.creation_cts, VTL_CTS_MAX + 1}};
    for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        uint64_t good = *broken[i].word;
        *broken[i].word = broken[i].bad;
        vtl_segment_encode(&segment, bytes);
        assert_int_equal(vtl_segment_decode(&read, bytes, &why), VARVE_CORRUPT);
        *broken[i].word = good;
    }
    static const uint32_t units[] = {0, 64, 513, 1u << 20};
    for (unsigned i = 0; i < 4; i++) {
        segment.header.unit_bytes = units[i];
        vtl_segment_encode(&segment, bytes);
        assert_int_equal(vtl_segment_decode(&read, bytes, &why), VARVE_CORRUPT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_round_trip),      cmocka_unit_test(what_is_no_transaction_is_refused),
        cmocka_unit_test(a_block_round_trips),          cmocka_unit_test(the_format_is_what_it_says),
        cmocka_unit_test(names_and_headers_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
