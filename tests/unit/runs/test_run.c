/* test_run.c - run files: entries of every shape go in and come out, one key is found, wrong use is refused, and damage
 * of any byte is found.
 *
 * SPDX-License-Identifier: MIT
 */
#include "runs/runs.h"

#include "base/alloc.h"
#include "runs_fixture.h"

static void round_trip(struct fixture *fixture, const struct entries *entries, int zlib_level) {
    static uint64_t file_id = 100;
    struct vrn_facts facts;
    fixture->config.zlib_level = zlib_level;
    assert_int_equal(write_run(fixture, ++file_id, entries, &facts), VARVE_OK);
    uint64_t tombstones = 0, min_cts = entries->count != 0 ? UINT64_MAX : 0, max_cts = 0;
    for (size_t i = 0; i < entries->count; i++) {
        tombstones += entries->list[i].tombstone;
        if (entries->list[i].cts < min_cts) min_cts = entries->list[i].cts;
        if (entries->list[i].cts > max_cts) max_cts = entries->list[i].cts;
    }
    assert_int_equal(facts.file_id, file_id);
    assert_int_equal(facts.entries, entries->count);
    assert_int_equal(facts.tombstones, tombstones);
    assert_true(facts.min_cts == min_cts && facts.max_cts == max_cts);
    assert_int_equal(sim_pending(fixture->disk), 0); /* synced, with its name */
    assert_int_equal(read_run(fixture, &facts, entries), VARVE_OK);
}

static void run__empty(void **state) {
    struct entries none = {NULL, 0};
    round_trip(*state, &none, 1);
}

static void run__random_entries(void **state) {
    uint64_t seed = test_seed();
    static const size_t counts[] = {1, 2, 10, 300, 5000};
    for (size_t c = 0; c < 5; c++) {
        struct entries entries = random_entries(seed + c, counts[c], 60, 200);
        round_trip(*state, &entries, (int)c * 2);
        entries_free(&entries);
    }
}

/* Every length around the borders of slots, blocks and varints, the longest key, values up to a megabyte. */
static void run__lengths(void **state) {
    static const size_t key_sizes[] = {1, 2, 127, 128, 1900, 4095, 4096, 16384, 65534, 65535};
    static const size_t value_sizes[] = {0, 1, 127, 128, 4000, 4096, 16383, 65535, 65536, 70000, 1 << 20};
    struct vb_random random;
    vb_random_init(&random, 5);
    struct entries entries = {calloc(110, sizeof(struct vrn_entry)), 0};
    for (size_t k = 0; k < 10; k++)
        for (size_t v = 0; v < 11; v++) {
            varve_slice key = random_bytes(&random, key_sizes[k], 256);
            entries.list[entries.count++] = make_entry(&random, 7, key, value_sizes[v]);
        }
    entries_settle(&entries);
    round_trip(*state, &entries, 1);
    round_trip(*state, &entries, 0);
    entries_free(&entries);
}

/* Keys that share nearly all of their bytes: blocks and index partitions are mostly prefix. */
static void run__prefix_heavy(void **state) {
    static const size_t prefixes[] = {60, 2000, 30000};
    for (size_t p = 0; p < 3; p++) {
        size_t prefix = prefixes[p], count = p == 2 ? 200 : 1500;
        struct vb_random random;
        vb_random_init(&random, 11 + p);
        struct entries entries = {calloc(count, sizeof(struct vrn_entry)), 0};
        for (size_t i = 0; i < count; i++) {
            char *key = malloc(prefix + 16);
            memset(key, 'q', prefix);
            int tail = snprintf(key + prefix, 16, "%06u", (unsigned)vb_random_below(&random, 1000000));
            varve_slice slice = {key, prefix + (size_t)tail};
            entries.list[entries.count++] = make_entry(&random, 1, slice, 30);
        }
        entries_settle(&entries);
        round_trip(*state, &entries, 1);
        entries_free(&entries);
    }
}

static void run__many_index_partitions(void **state) {
    struct vb_random random;
    vb_random_init(&random, 3);
    enum { COUNT = 3000 };
    struct entries entries = {calloc(COUNT, sizeof(struct vrn_entry)), 0};
    for (size_t i = 0; i < COUNT; i++) { /* every other separator is as long as a key: 2000 of them, 150 bytes each */
        char *key = malloc(320);
        int bytes = snprintf(key, 320, "%06u%0280u%u", (unsigned)(i / 4), 0u, (unsigned)(i % 4));
        entries.list[entries.count++] = make_entry(&random, 2, (varve_slice){key, (size_t)bytes}, 3000);
    }
    entries_settle(&entries);
    round_trip(*state, &entries, 0);
    entries_free(&entries);
}

static void run__get(void **state) {
    struct fixture *fixture = *state;
    struct entries entries = random_entries(test_seed(), 3000, 12, 100);
    struct vrn_facts facts;
    struct vrn_reader *reader;
    struct vrn_buffer *buffer;
    assert_int_equal(write_run(fixture, 3, &entries, &facts), VARVE_OK);
    assert_int_equal(vrn_reader_open(&fixture->config, &facts, &reader, &fixture->detail), VARVE_OK);
    assert_int_equal(vrn_buffer_open(&buffer), VARVE_OK);
    assert_true(vrn_reader_blocks(reader) > 10);
    for (size_t i = 0; i < entries.count; i++) {
        const struct vrn_entry *wanted = &entries.list[i];
        struct vrn_entry found, absent = *wanted;
        uint8_t key[16] = {0};
        assert_int_equal(
            vrn_reader_get(reader, wanted->table_id, wanted->key, buffer, &found, &fixture->detail), VARVE_OK);
        assert_true(same_entry(&found, wanted));
        memcpy(key, wanted->key.data, wanted->key.size); /* the key just above: there only if it is next */
        absent.key = (varve_slice){key, wanted->key.size + 1};
        bool is_next = i + 1 < entries.count && entry_order(&entries.list[i + 1], &absent) == 0;
        assert_int_equal(
            vrn_reader_get(reader, wanted->table_id, absent.key, buffer, &found, &fixture->detail),
            is_next ? VARVE_OK : VARVE_NOTFOUND);
    }
    struct vrn_entry found;
    assert_int_equal(vrn_reader_get(reader, UINT32_MAX, VARVE_STR("z"), buffer, &found, &fixture->detail),
                     VARVE_NOTFOUND);
    vrn_buffer_close(buffer);
    vrn_reader_close(reader);
    entries_free(&entries);
}

static void run__wrong_use(void **state) {
    struct fixture *fixture = *state;
    struct vrn_writer *writer, *second;
    struct vrn_entry entry = {.table_id = 2, .key = VARVE_STR("b"), .value = VARVE_STR("1"), .cts = 1};
    assert_int_equal(vrn_writer_open(&fixture->config, 4, 0, 0, &writer, &fixture->detail), VARVE_OK);
    assert_int_equal(vrn_writer_open(&fixture->config, 4, 0, 0, &second, &fixture->detail), VARVE_EXISTS);
    assert_int_equal(vrn_writer_add(writer, &entry, &fixture->detail), VARVE_OK);
    assert_int_equal(vrn_writer_add(writer, &entry, &fixture->detail), VARVE_MISUSE);
    entry.key = VARVE_STR("a");
    assert_int_equal(vrn_writer_add(writer, &entry, &fixture->detail), VARVE_MISUSE);
    entry.table_id = 1;
    entry.key = VARVE_STR("c");
    assert_int_equal(vrn_writer_add(writer, &entry, &fixture->detail), VARVE_MISUSE);
    entry.key = (varve_slice){"", 0};
    assert_int_equal(vrn_writer_add(writer, &entry, &fixture->detail), VARVE_TOOBIG);
    entry.table_id = 0x01000000; /* above 2, though its low byte is not */
    entry.key = VARVE_STR("a");
    assert_int_equal(vrn_writer_add(writer, &entry, &fixture->detail), VARVE_OK);
    vrn_writer_abandon(writer);
    uint64_t size;
    assert_false(sim_file_size(fixture->disk, "db/0000000000000004.run", &size));
}

static void run__another_file_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct entries entries = random_entries(1, 50, 10, 10);
    struct vrn_facts facts, other;
    assert_int_equal(write_run(fixture, 5, &entries, &facts), VARVE_OK);
    other = facts;
    other.entries++;
    assert_int_equal(read_run(fixture, &other, &entries), VARVE_CORRUPT);
    other = facts;
    other.file_id = 6;
    assert_int_equal(read_run(fixture, &other, &entries), VARVE_CORRUPT);
    assert_non_null(strstr(fixture->detail.text, "0000000000000006.run at 0: missing"));
    sim_move(fixture->disk, "db/0000000000000005.run", "db/0000000000000006.run");
    assert_int_equal(read_run(fixture, &other, &entries), VARVE_CORRUPT);
    assert_non_null(strstr(fixture->detail.text, "another file under this name"));
    sim_move(fixture->disk, "db/0000000000000006.run", "db/0000000000000005.run");
    fixture->config.database_id[0]++;
    assert_int_equal(read_run(fixture, &facts, &entries), VARVE_CORRUPT);
    assert_non_null(strstr(fixture->detail.text, "another database"));
    fixture->config.database_id[0]--;
    assert_int_equal(read_run(fixture, &facts, &entries), VARVE_OK);
    entries_free(&entries);
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

/* Either it is told, with file and offset, or what is read is right (read_run asserts that). */
static void check_damaged(struct fixture *fixture, const struct vrn_facts *facts, const struct entries *entries,
                          uint64_t *found) {
    fixture->detail.text[0] = '\0';
    int status = read_run(fixture, facts, entries);
    if (status == VARVE_OK) return;
    assert_int_equal(status, VARVE_CORRUPT);
    assert_non_null(strstr(fixture->detail.text, "0000000000000009.run at "));
    ++*found;
}

static void run__every_flipped_byte(void **state) {
    struct fixture *fixture = *state;
    struct entries entries = random_entries(2, 160, 30, 60);
    struct vrn_facts facts;
    uint64_t found = 0, flips = 0;
    assert_int_equal(write_run(fixture, 9, &entries, &facts), VARVE_OK);
    for (uint64_t at = 0; at < facts.bytes; at++) {
        unsigned bit = (unsigned)(at * 5 % 8);
        assert_true(sim_flip(fixture->disk, "db/0000000000000009.run", at, bit));
        check_damaged(fixture, &facts, &entries, &found);
        sim_flip(fixture->disk, "db/0000000000000009.run", at, bit);
        flips++;
    }
    assert_true(flips - found <= 96); /* only the properties, which nothing reads back, may go unnoticed */
    assert_int_equal(read_run(fixture, &facts, &entries), VARVE_OK);
    entries_free(&entries);
}

static void run__every_truncation(void **state) {
    struct fixture *fixture = *state;
    struct entries entries = random_entries(2, 60, 30, 60);
    struct vrn_facts facts;
    uint64_t found = 0;
    assert_int_equal(write_run(fixture, 9, &entries, &facts), VARVE_OK);
    for (uint64_t size = facts.bytes; size-- > 0;) {
        assert_true(sim_resize(fixture->disk, "db/0000000000000009.run", size));
        struct vrn_facts shorter = facts; /* a manifest that agrees with the short file changes nothing */
        shorter.bytes = size;
        check_damaged(fixture, &facts, &entries, &found);
        check_damaged(fixture, &shorter, &entries, &found);
    }
    assert_int_equal(found, 2 * facts.bytes);
    entries_free(&entries);
}

/* Two blocks of one file in each other's place, and a block of another file in the same place. */
static void run__swapped_blocks(void **state) {
    struct fixture *fixture = *state;
    struct vb_random random;
    vb_random_init(&random, 8);
    struct entries entries = {calloc(4, sizeof(struct vrn_entry)), 4};
    for (size_t i = 0; i < 4; i++) {
        entries.list[i] = (struct vrn_entry){.table_id = 1, .key = random_bytes(&random, 10, 256), .cts = 1};
        entries.list[i].value = random_bytes(&random, 5000, 256);
    }
    entries_settle(&entries);
    struct vrn_facts facts;
    assert_int_equal(write_run(fixture, 9, &entries, &facts), VARVE_OK);
    uint8_t first[5000], second[5000];
    enum { BLOCK = 5064 };
    uint64_t found = 0;
    assert_true(sim_peek(fixture->disk, "db/0000000000000009.run", 4096, first, sizeof(first)));
    assert_true(sim_peek(fixture->disk, "db/0000000000000009.run", 4096 + BLOCK, second, sizeof(second)));
    sim_poke(fixture->disk, "db/0000000000000009.run", 4096, second, sizeof(second));
    sim_poke(fixture->disk, "db/0000000000000009.run", 4096 + BLOCK, first, sizeof(first));
    check_damaged(fixture, &facts, &entries, &found);
    assert_int_equal(found, 1);
    entries_free(&entries);
}

/* --- failures of the world ---------------------------------------------------------------------------------------- */

static void run__every_write_fails_once(void **state) {
    struct fixture *fixture = *state;
    struct entries entries = random_entries(4, 4000, 40, 300);
    struct vrn_facts facts;
    uint64_t before = sim_ops(fixture->disk);
    assert_int_equal(write_run(fixture, 9, &entries, &facts), VARVE_OK);
    uint64_t ops = sim_ops(fixture->disk) - before;
    assert_true(ops >= 5);
    static const int statuses[] = {VARVE_IO, VARVE_FULL};
    for (unsigned s = 0; s < 2; s++) {
        for (uint64_t n = 1; n <= ops; n++) {
            uint64_t size;
            sim_fail_at(fixture->disk, sim_ops(fixture->disk) + n, statuses[s], false);
            assert_int_equal(write_run(fixture, 10 + n + s * 100, &entries, &facts), statuses[s]);
            sim_fail_clear(fixture->disk);
            char name[64];
            snprintf(name, sizeof(name), "db/%016llx.run", (unsigned long long)(10 + n + s * 100));
            if (n < ops) assert_false(sim_file_size(fixture->disk, name, &size)); /* the last is the directory's sync */
        }
    }
    entries_free(&entries);
}

static void run__every_allocation_fails_once(void **state) {
#ifdef VARVE_ASSERTS
    struct fixture *fixture = *state;
    struct entries entries = random_entries(4, 600, 40, 200);
    struct vrn_facts facts;
    unsigned n = 1;
    int status = VARVE_NOMEM;
    for (; status != VARVE_OK; n++) {
        vb_alloc_fail_after(n);
        status = write_run(fixture, 9, &entries, &facts);
        bool failed = vb_alloc_failures() != 0;
        vb_alloc_fail_after(0);
        assert_true(status == VARVE_OK || status == VARVE_NOMEM);
        if (failed && status == VARVE_OK) { /* without memory zlib leaves the block as it is */
            assert_int_equal(read_run(fixture, &facts, &entries), VARVE_OK);
            sim_delete(fixture->disk, "db/0000000000000009.run");
            status = VARVE_NOMEM;
        }
    }
    assert_true(n > 5);
    status = VARVE_NOMEM;
    for (n = 1; status != VARVE_OK; n++) {
        vb_alloc_fail_after(n);
        status = read_run(fixture, &facts, &entries);
        vb_alloc_fail_after(0);
        assert_true(status == VARVE_OK || status == VARVE_NOMEM);
    }
    assert_true(n > 5);
    entries_free(&entries);
#else
    (void)state;
    skip();
#endif
}

static void run__read_errors_are_told(void **state) {
    struct fixture *fixture = *state;
    struct entries entries = random_entries(4, 300, 40, 200);
    struct vrn_facts facts;
    assert_int_equal(write_run(fixture, 9, &entries, &facts), VARVE_OK);
    uint64_t before = sim_reads(fixture->disk);
    assert_int_equal(read_run(fixture, &facts, &entries), VARVE_OK);
    uint64_t reads = sim_reads(fixture->disk) - before;
    for (uint64_t n = 1; n <= reads; n++) {
        sim_fail_read_at(fixture->disk, sim_reads(fixture->disk) + n, VARVE_IO, false);
        assert_int_equal(read_run(fixture, &facts, &entries), VARVE_IO);
        sim_fail_clear(fixture->disk);
    }
    entries_free(&entries);
}

#define RUN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        RUN_TEST(run__empty),
        RUN_TEST(run__random_entries),
        RUN_TEST(run__lengths),
        RUN_TEST(run__prefix_heavy),
        RUN_TEST(run__many_index_partitions),
        RUN_TEST(run__get),
        RUN_TEST(run__wrong_use),
        RUN_TEST(run__another_file_is_refused),
        RUN_TEST(run__every_flipped_byte),
        RUN_TEST(run__every_truncation),
        RUN_TEST(run__swapped_blocks),
        RUN_TEST(run__every_write_fails_once),
        RUN_TEST(run__every_allocation_fails_once),
        RUN_TEST(run__read_errors_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
