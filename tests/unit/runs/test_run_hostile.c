/* test_run_hostile.c - run files with right sums that no writer makes: whoever wrote them meant harm, or had a fault.
 * Each is refused with a place in the file, or read; none makes the reader leave its bytes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "runs/run_int.h"

#include "runs_fixture.h"

enum { BLOCKS = 3, PER_BLOCK = 4, FILE_ID = 9 };
#define PATH "db/0000000000000009.run"

/* A file that is put together by hand, and what may be done to it on the way. */
struct forge {
    struct fixture *fixture;
    struct vk_file_header header;
    struct vrn_bytes file;
    struct vrn_facts facts;
    void (*on_data)(struct vrn_bytes *raw, unsigned block, struct vb_random *random);
    void (*on_index)(struct vrn_bytes *raw, struct vb_random *random);
    void (*on_handles)(struct vrn_handle handles[BLOCKS], const struct forge *forge);
    void (*on_items)(struct vrn_item items[PER_BLOCK], unsigned block);
    void (*on_top)(struct vrn_bytes *raw, struct vb_random *random);
    struct vb_random random;
    bool deflated;
};

static struct vrn_handle forge_frame(struct forge *forge, enum vrn_block_kind kind, const struct vrn_bytes *raw) {
    struct vrn_zip zip = {0};
    uint64_t sum;
    struct vrn_handle handle = {.offset = forge->file.size};
    struct vrn_frame frame = {.kind = kind,
                              .entries = raw->size >= 2 ? vb_get_u16(raw->data) : 0,
                              .raw = {raw->data, raw->size},
                              .seed = vk_file_seed(&forge->header, handle.offset),
                              .level = forge->deflated ? 6 : 0};
    assert_int_equal(vrn_frame_seal(&frame, &zip, &forge->file, &sum), VARVE_OK);
    handle.frame_bytes = (uint32_t)(forge->file.size - handle.offset);
    handle.check = (uint32_t)sum;
    vrn_zip_close(&zip);
    return handle;
}

/* Keys "\0\0\0\1" "k" block entry; separators are the last keys. */
static void forge_keys(uint8_t keys[BLOCKS][PER_BLOCK][8]) {
    for (unsigned b = 0; b < BLOCKS; b++)
        for (unsigned e = 0; e < PER_BLOCK; e++)
            memcpy(keys[b][e], (uint8_t[8]){0, 0, 0, 1, 'k', (uint8_t)('0' + b), (uint8_t)('0' + e), 'x'}, 8);
}

static void forge_data(struct forge *forge, struct vrn_handle handles[BLOCKS], uint8_t keys[BLOCKS][PER_BLOCK][8]) {
    struct vrn_bytes raw = {0};
    static const uint8_t value[40] = "the value of every row";
    for (unsigned b = 0; b < BLOCKS; b++) {
        struct vrn_item items[PER_BLOCK];
        for (unsigned e = 0; e < PER_BLOCK; e++)
            items[e] = (struct vrn_item){keys[b][e], value, 8, sizeof(value), 100 + e, 0};
        if (forge->on_items != NULL) forge->on_items(items, b);
        assert_int_equal(vrn_block_encode(items, PER_BLOCK, &raw), VARVE_OK);
        if (forge->on_data != NULL) forge->on_data(&raw, b, &forge->random);
        handles[b] = forge_frame(forge, VRN_DATA, &raw);
    }
    vrn_bytes_free(&raw);
}

static void forge_index(struct forge *forge, struct vrn_handle handles[BLOCKS], uint8_t keys[BLOCKS][PER_BLOCK][8],
                        struct vrn_handle *top) {
    struct vrn_bytes raw = {0};
    struct vrn_item items[BLOCKS];
    uint8_t values[BLOCKS + 1][VRN_HANDLE_BYTES];
    if (forge->on_handles != NULL) forge->on_handles(handles, forge);
    for (unsigned b = 0; b < BLOCKS; b++) {
        vrn_handle_encode(&handles[b], values[b]);
        items[b] = (struct vrn_item){keys[b][PER_BLOCK - 1], values[b], 8, VRN_HANDLE_BYTES, 0, 0};
    }
    assert_int_equal(vrn_block_encode(items, BLOCKS, &raw), VARVE_OK);
    if (forge->on_index != NULL) forge->on_index(&raw, &forge->random);
    struct vrn_handle index = forge_frame(forge, VRN_INDEX, &raw);
    vrn_handle_encode(&index, values[BLOCKS]);
    items[0] = (struct vrn_item){keys[BLOCKS - 1][PER_BLOCK - 1], values[BLOCKS], 8, VRN_HANDLE_BYTES, 0, 0};
    assert_int_equal(vrn_block_encode(items, 1, &raw), VARVE_OK);
    if (forge->on_top != NULL) forge->on_top(&raw, &forge->random);
    *top = forge_frame(forge, VRN_TOP, &raw);
    vrn_bytes_free(&raw);
}

static void forge_file(struct forge *forge, struct fixture *fixture) {
    uint8_t keys[BLOCKS][PER_BLOCK][8];
    struct vrn_handle handles[BLOCKS], top;
    forge->fixture = fixture;
    forge->header = (struct vk_file_header){.kind = VK_FILE_RUN, .unit_bytes = 4096, .file_id = FILE_ID, .salt = 5};
    memcpy(forge->header.database_id, fixture->config.database_id, 16);
    forge->file.size = 0;
    assert_int_equal(vrn_bytes_reserve(&forge->file, 64 << 10), VARVE_OK);
    vk_file_header_encode(&forge->header, forge->file.data);
    forge->file.size = VK_FILE_HEADER_BYTES;
    forge_keys(keys);
    forge_data(forge, handles, keys);
    forge_index(forge, handles, keys, &top);
    assert_int_equal(vrn_bytes_reserve(&forge->file, forge->file.size + VRN_FOOTER_BYTES), VARVE_OK);
    uint8_t *footer = forge->file.data + forge->file.size;
    forge->facts = (struct vrn_facts){FILE_ID, forge->file.size + VRN_FOOTER_BYTES, BLOCKS * PER_BLOCK, 0, 100, 103};
    memset(footer, 0, VRN_FOOTER_BYTES);
    memcpy(footer, vrn_footer_magic, 8);
    vb_put_u64(footer + VRN_FOOTER_FILE_ID, FILE_ID);
    vrn_handle_encode(&top, footer + VRN_FOOTER_TOP);
    vb_put_u64(footer + VRN_FOOTER_ENTRIES, BLOCKS * PER_BLOCK);
    vb_put_u64(footer + VRN_FOOTER_MIN_CTS, 100);
    vb_put_u64(footer + VRN_FOOTER_MAX_CTS, 103);
    vb_put_u64(footer + VRN_FOOTER_SUM,
               vb_hash64(footer, VRN_FOOTER_SUM, vk_file_seed(&forge->header, forge->file.size)));
    forge->file.size += VRN_FOOTER_BYTES;
    assert_true(sim_put(fixture->disk, PATH, forge->file.data, forge->file.size));
}

static int count_entry(void *arg, const struct vrn_entry *entry) {
    uint64_t *sum = arg;
    *sum += 1 + (vb_hash64(entry->key.data, entry->key.size, vb_hash64(entry->value.data, entry->value.size, 0)) & 0);
    return VARVE_OK;
}

/* Reads all of it, block by block and key by key. */
static int read_all(struct forge *forge, uint64_t *entries) {
    struct fixture *fixture = forge->fixture;
    struct vrn_reader *reader;
    struct vrn_buffer *buffer;
    *entries = 0;
    int status = vrn_reader_open(&fixture->config, &forge->facts, &reader, &fixture->detail);
    if (status != VARVE_OK) return status;
    assert_int_equal(vrn_buffer_open(&buffer), VARVE_OK);
    for (size_t i = 0; i < vrn_reader_blocks(reader) && status == VARVE_OK; i++)
        status = vrn_reader_block(reader, i, buffer, count_entry, entries, &fixture->detail);
    uint8_t keys[BLOCKS][PER_BLOCK][8];
    forge_keys(keys);
    for (unsigned b = 0; b < BLOCKS; b++)
        for (unsigned e = 0; e < PER_BLOCK; e++) {
            struct vrn_entry entry;
            int got = vrn_reader_get(reader, 1, (varve_slice){keys[b][e] + 4, 4}, buffer, &entry, &fixture->detail);
            assert_true(got == VARVE_OK || got == VARVE_NOTFOUND || got == VARVE_CORRUPT);
            if (got == VARVE_OK) assert_true(vb_equal(entry.key, (varve_slice){keys[b][e] + 4, 4}));
        }
    vrn_buffer_close(buffer);
    vrn_reader_close(reader);
    return status;
}

static void refused(struct fixture *fixture, struct forge *forge, const char *why) {
    uint64_t entries;
    forge_file(forge, fixture);
    fixture->detail.text[0] = '\0';
    assert_int_equal(read_all(forge, &entries), VARVE_CORRUPT);
    if (strstr(fixture->detail.text, why) == NULL) fail_msg("'%s' lacks '%s'", fixture->detail.text, why);
    assert_non_null(strstr(fixture->detail.text, "0000000000000009.run at "));
    vrn_bytes_free(&forge->file);
}

/* --- forgeries ---------------------------------------------------------------------------------------------------- */

static void swap_handles(struct vrn_handle handles[BLOCKS], const struct forge *forge) {
    (void)forge;
    struct vrn_handle first = handles[0];
    handles[0] = handles[1];
    handles[1] = first;
}
static void repeat_handle(struct vrn_handle handles[BLOCKS], const struct forge *forge) {
    (void)forge;
    handles[1] = handles[0];
}
static void handle_beyond(struct vrn_handle handles[BLOCKS], const struct forge *forge) {
    handles[2].offset = (forge->file.size + 100000) & ~UINT64_C(7);
}
static void handle_wraps(struct vrn_handle handles[BLOCKS], const struct forge *forge) {
    (void)forge;
    handles[2].offset = UINT64_MAX - 7;
}
static void handle_huge(struct vrn_handle handles[BLOCKS], const struct forge *forge) {
    (void)forge;
    handles[0].frame_bytes = UINT32_MAX - 7;
}
static void handle_in_header(struct vrn_handle handles[BLOCKS], const struct forge *forge) {
    (void)forge;
    handles[0].offset = 0;
}
static void handle_of_the_index(struct vrn_handle handles[BLOCKS], const struct forge *forge) {
    handles[2].offset = forge->file.size; /* where the index will lie */
    handles[2].frame_bytes = 64;
}
static void entries_backward(struct vrn_item items[PER_BLOCK], unsigned block) {
    if (block != 1) return;
    struct vrn_item kept = items[1];
    items[1] = items[2];
    items[2] = kept;
}
static void entry_twice(struct vrn_item items[PER_BLOCK], unsigned block) {
    if (block == 1) items[2] = items[1];
}
static void key_is_a_table(struct vrn_item items[PER_BLOCK], unsigned block) {
    if (block == 0) items[0].key_bytes = 4;
}
static void unknown_flag(struct vrn_item items[PER_BLOCK], unsigned block) {
    if (block == 2) items[3].flags = 2;
}
static void tombstone_with_value(struct vrn_item items[PER_BLOCK], unsigned block) {
    if (block == 2) items[3].flags = VRN_TOMBSTONE;
}
static void slot_beyond(struct vrn_bytes *raw, unsigned block, struct vb_random *random) {
    (void)random;
    if (block == 1) vb_put_u16(raw->data + raw->size - 2, (uint16_t)(raw->size + 50));
}
static void count_wrong(struct vrn_bytes *raw, unsigned block, struct vb_random *random) {
    (void)random;
    if (block == 1) vb_put_u16(raw->data, 5);
}
static void count_zero(struct vrn_bytes *raw, unsigned block, struct vb_random *random) {
    (void)random;
    if (block == 1) vb_put_u16(raw->data, 0);
}
static void slots_beyond(struct vrn_bytes *raw, unsigned block, struct vb_random *random) {
    (void)random;
    if (block == 0) vb_put_u32(raw->data + 4, UINT32_MAX);
}
static void prefix_beyond(struct vrn_bytes *raw, unsigned block, struct vb_random *random) {
    (void)random;
    if (block == 0) vb_put_u16(raw->data + 2, UINT16_MAX);
}

static void hostile__whole_without_forgery(void **state) {
    struct forge forge = {0};
    uint64_t entries;
    for (unsigned deflated = 0; deflated < 2; deflated++) {
        forge.deflated = deflated != 0;
        forge_file(&forge, *state);
        assert_int_equal(read_all(&forge, &entries), VARVE_OK);
        assert_int_equal(entries, BLOCKS * PER_BLOCK);
    }
    vrn_bytes_free(&forge.file);
}

static void hostile__handles(void **state) {
    refused(*state, &(struct forge){.on_handles = swap_handles}, "another's place");
    refused(*state, &(struct forge){.on_handles = repeat_handle}, "another's place");
    refused(*state, &(struct forge){.on_handles = handle_beyond}, "makes no sense");
    refused(*state, &(struct forge){.on_handles = handle_wraps}, "makes no sense");
    refused(*state, &(struct forge){.on_handles = handle_huge}, "makes no sense");
    refused(*state, &(struct forge){.on_handles = handle_in_header}, "makes no sense");
    refused(*state, &(struct forge){.on_handles = handle_of_the_index}, "checksum");
}

static void hostile__entries(void **state) {
    refused(*state, &(struct forge){.on_items = entries_backward}, "out of order");
    refused(*state, &(struct forge){.on_items = entry_twice}, "out of order");
    refused(*state, &(struct forge){.on_items = key_is_a_table}, "makes no sense");
    refused(*state, &(struct forge){.on_items = unknown_flag}, "makes no sense");
    refused(*state, &(struct forge){.on_items = tombstone_with_value}, "makes no sense");
}

static void hostile__layout(void **state) {
    refused(*state, &(struct forge){.on_data = slot_beyond}, "makes no sense");
    refused(*state, &(struct forge){.on_data = count_wrong}, "makes no sense");
    refused(*state, &(struct forge){.on_data = count_zero}, "makes no sense");
    refused(*state, &(struct forge){.on_data = slots_beyond}, "makes no sense");
    refused(*state, &(struct forge){.on_data = prefix_beyond}, "makes no sense");
}

static void scramble(struct vrn_bytes *raw, struct vb_random *random) {
    for (unsigned n = 1 + (unsigned)vb_random_below(random, 4); n > 0; n--)
        raw->data[vb_random_below(random, raw->size)] = (uint8_t)vb_random_u64(random);
    if (vb_random_below(random, 4) == 0) raw->size = vb_random_below(random, raw->size);
}
static void scramble_data(struct vrn_bytes *raw, unsigned block, struct vb_random *random) {
    if (block == 1) scramble(raw, random);
}

/* Random bytes in a block, an index or the top, under right sums. */
static void hostile__random(void **state) {
    struct fixture *fixture = *state;
    uint64_t seed = test_seed(), wrong = 0;
    struct vrn_bytes file = {0};
    for (unsigned round = 0; round < 3000; round++) {
        struct forge forge = {.deflated = round % 2 != 0, .file = file};
        uint64_t entries;
        if (round % 3 == 0) forge.on_data = scramble_data;
        if (round % 3 == 1) forge.on_index = scramble;
        if (round % 3 == 2) forge.on_top = scramble;
        vb_random_init(&forge.random, seed + round);
        forge_file(&forge, fixture);
        int status = read_all(&forge, &entries);
        assert_true(status == VARVE_OK || status == VARVE_CORRUPT);
        wrong += status != VARVE_OK;
        file = forge.file;
    }
    vrn_bytes_free(&file);
    assert_true(wrong > 1500);
}

#define RUN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        RUN_TEST(hostile__whole_without_forgery), RUN_TEST(hostile__handles), RUN_TEST(hostile__entries),
        RUN_TEST(hostile__layout),                RUN_TEST(hostile__random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
