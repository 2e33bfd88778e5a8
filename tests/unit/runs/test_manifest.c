/* test_manifest.c - the manifest: edits come back, refusals, ids, growing and rewriting, damage, errors of the world.
 *
 * SPDX-License-Identifier: MIT
 */
#include "runs/manifest_int.h"

#include "base/alloc.h"
#include "runs_fixture.h"

static const struct vrn_manifest_limits small = {.rewrite_bytes = 64 << 10, .grow_bytes = 4096};

static struct vrn_facts facts_of(uint64_t id) {
    return (struct vrn_facts){id, id * 1000, id * 10, id, id * 2, id * 3};
}

static int add_table(struct vrn_manifest *manifest, uint32_t id, const char *name, struct vk_detail *detail) {
    static char rule[] = "len key_bytes 1 9";
    char *rules[] = {rule, rule};
    struct vrn_table table = {.id = id, .rules = rules, .rule_count = id % 3};
    snprintf(table.name, sizeof(table.name), "%s", name);
    struct vrn_edit edit = {.table = &table};
    return vrn_manifest_edit(manifest, &edit, detail);
}

static int add_run(struct vrn_manifest *manifest, uint64_t id, uint64_t drop, uint64_t cut, struct vk_detail *detail) {
    struct vrn_facts facts = facts_of(id);
    struct vrn_edit edit = {.add_runs = &facts, .add_run_count = 1, .drop_files = &drop, .drop_file_count = drop != 0,
                            .set_cut = cut != 0, .cut_cts = cut, .cut_first_log_seq = cut / 2, .clock_floor = cut + 5};
    return vrn_manifest_edit(manifest, &edit, detail);
}

static struct vrn_manifest *create(struct fixture *fixture) {
    struct vrn_manifest *manifest = NULL;
    assert_int_equal(vrn_manifest_create_with(&fixture->config, &small, &manifest, &fixture->detail), VARVE_OK);
    return manifest;
}

static struct vrn_manifest *reopen(struct fixture *fixture, struct vrn_manifest *manifest) {
    vrn_manifest_close(manifest);
    manifest = NULL;
    assert_int_equal(vrn_manifest_open_with(&fixture->config, &small, &manifest, &fixture->detail), VARVE_OK);
    return manifest;
}

static void manifest__none(void **state) {
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest;
    assert_int_equal(vrn_manifest_open(&fixture->config, &manifest, &fixture->detail), VARVE_NOTFOUND);
}

static void manifest__new_and_empty(void **state) {
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest = NULL;
    assert_int_equal(vrn_manifest_create(&fixture->config, &manifest, &fixture->detail), VARVE_OK);
    assert_int_equal(sim_pending(fixture->disk), 0);
    uint8_t id[16];
    memcpy(id, vrn_manifest_database_id(manifest), 16);
    uint64_t first = 9;
    const struct vrn_facts *runs;
    const struct vrn_table *tables;
    assert_int_equal(vrn_manifest_sequence(manifest), 1);
    assert_int_equal(vrn_manifest_cut(manifest, &first), 0);
    assert_int_equal(first, 0);
    assert_int_equal(vrn_manifest_clock(manifest), 0);
    assert_int_equal(vrn_manifest_timeline(manifest), 1);
    assert_int_equal(vrn_manifest_runs(manifest, &runs), 0);
    assert_int_equal(vrn_manifest_tables(manifest, &tables), 0);
    assert_int_equal(vrn_manifest_next_table_id(manifest), 1);
    manifest = reopen(fixture, manifest);
    assert_memory_equal(vrn_manifest_database_id(manifest), id, 16);
    assert_int_equal(vrn_manifest_sequence(manifest), 1);
    vrn_manifest_close(manifest);
}

static void check_state(const struct vrn_manifest *manifest) {
    const struct vrn_facts *runs;
    const struct vrn_table *tables;
    uint64_t first;
    assert_int_equal(vrn_manifest_runs(manifest, &runs), 1);
    struct vrn_facts expected = facts_of(12);
    assert_memory_equal(&runs[0], &expected, sizeof(expected));
    assert_int_equal(vrn_manifest_cut(manifest, &first), 200);
    assert_int_equal(first, 100);
    assert_int_equal(vrn_manifest_clock(manifest), 205);
    assert_int_equal(vrn_manifest_timeline(manifest), 4);
    assert_int_equal(vrn_manifest_tables(manifest, &tables), 3);
    assert_string_equal(tables[0].name, "one");
    assert_int_equal(tables[0].rule_count, 1);
    assert_string_equal(tables[0].rules[0], "len key_bytes 1 9");
    assert_true(tables[1].dropped);
    assert_int_equal(tables[1].rule_count, 0);
    assert_string_equal(tables[2].name, "two"); /* the name is free again, the id is not */
    assert_int_equal(tables[2].id, 7);
    assert_int_equal(vrn_manifest_next_table_id(manifest), 8);
}

static void manifest__edits_come_back(void **state) {
    struct fixture *fixture = *state;
    struct vk_detail *detail = &fixture->detail;
    struct vrn_manifest *manifest = create(fixture);
    assert_int_equal(add_table(manifest, 1, "one", detail), VARVE_OK);
    assert_int_equal(add_table(manifest, 2, "two", detail), VARVE_OK);
    assert_int_equal(add_run(manifest, 11, 0, 100, detail), VARVE_OK);
    struct vrn_table drop = {.id = 2, .dropped = true};
    struct vrn_edit edit = {.table = &drop, .timeline = 4};
    assert_int_equal(vrn_manifest_edit(manifest, &edit, detail), VARVE_OK);
    assert_int_equal(add_table(manifest, 7, "two", detail), VARVE_OK);
    assert_int_equal(add_run(manifest, 12, 11, 200, detail), VARVE_OK);
    check_state(manifest);
    uint64_t sequence = vrn_manifest_sequence(manifest);
    assert_int_equal(sequence, 7);
    manifest = reopen(fixture, manifest);
    check_state(manifest);
    assert_int_equal(vrn_manifest_sequence(manifest), sequence);
    assert_int_equal(vrn_manifest_check_vouched(manifest, sequence, detail), VARVE_OK); /* writes it anew */
    check_state(manifest);
    manifest = reopen(fixture, manifest);
    check_state(manifest);
    vrn_manifest_close(manifest);
}

static void manifest__rules_are_replaced(void **state) {
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest = create(fixture);
    assert_int_equal(add_table(manifest, 2, "t", &fixture->detail), VARVE_OK);
    char a[] = "", b[] = "n value_pattern .*\n\t\\x00";
    char *rules[] = {a, b, a};
    struct vrn_table table = {.id = 2, .rules = rules, .rule_count = 3};
    struct vrn_edit edit = {.table = &table};
    assert_int_equal(vrn_manifest_edit(manifest, &edit, &fixture->detail), VARVE_OK);
    manifest = reopen(fixture, manifest);
    const struct vrn_table *tables;
    assert_int_equal(vrn_manifest_tables(manifest, &tables), 1);
    assert_string_equal(tables[0].name, "t");
    assert_int_equal(tables[0].rule_count, 3);
    assert_string_equal(tables[0].rules[0], "");
    assert_string_equal(tables[0].rules[1], b);
    vrn_manifest_close(manifest);
}

static void manifest__hidden_tables_take_no_ids(void **state) {
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest = create(fixture);
    assert_int_equal(add_table(manifest, 0x80000001, "h", &fixture->detail), VARVE_OK);
    assert_int_equal(vrn_manifest_next_table_id(manifest), 1);
    vrn_manifest_close(manifest);
}

static void refused(struct fixture *fixture, struct vrn_manifest *manifest, const struct vrn_edit *edit) {
    uint64_t sequence = vrn_manifest_sequence(manifest), ops = sim_ops(fixture->disk);
    assert_int_equal(vrn_manifest_edit(manifest, edit, &fixture->detail), VARVE_MISUSE);
    assert_int_equal(vrn_manifest_sequence(manifest), sequence);
    assert_int_equal(sim_ops(fixture->disk), ops);
}

static void manifest__what_makes_no_sense_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest = create(fixture);
    assert_int_equal(add_run(manifest, 5, 0, 50, &fixture->detail), VARVE_OK);
    assert_int_equal(add_table(manifest, 1, "t", &fixture->detail), VARVE_OK);
    struct vrn_facts twice[2] = {facts_of(6), facts_of(6)}, again = facts_of(5);
    uint64_t unknown = 9, five[2] = {5, 5};
    refused(fixture, manifest, &(struct vrn_edit){.add_runs = twice, .add_run_count = 2});
    refused(fixture, manifest, &(struct vrn_edit){.add_runs = &again, .add_run_count = 1});
    refused(fixture, manifest, &(struct vrn_edit){.drop_files = &unknown, .drop_file_count = 1});
    refused(fixture, manifest, &(struct vrn_edit){.drop_files = five, .drop_file_count = 2});
    refused(fixture, manifest, &(struct vrn_edit){.set_cut = true, .cut_cts = 49});
    refused(fixture, manifest, &(struct vrn_edit){.timeline = 1});
    struct vrn_table same = {.id = 2, .name = "t"}, nameless = {.id = 3}, drop = {.id = 1, .dropped = true};
    refused(fixture, manifest, &(struct vrn_edit){.table = &same});
    refused(fixture, manifest, &(struct vrn_edit){.table = &nameless});
    assert_int_equal(vrn_manifest_edit(manifest, &(struct vrn_edit){.table = &drop}, &fixture->detail), VARVE_OK);
    refused(fixture, manifest, &(struct vrn_edit){.table = &drop});
    vrn_manifest_close(manifest);
}

static void manifest__file_ids_never_repeat(void **state) {
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest = create(fixture);
    uint64_t last = 0;
    for (unsigned open = 0; open < 5; open++) {
        for (unsigned i = 0; i < open * 13 + 1; i++) {
            uint64_t id = vrn_manifest_next_file(manifest, &fixture->detail);
            assert_true(id > last);
            last = id;
        }
        manifest = reopen(fixture, manifest);
    }
    vrn_manifest_close(manifest);
}

/* Far more edits than the file may hold: it is written anew, and stays small. */
static void manifest__rewrites_itself(void **state) {
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest = create(fixture);
    uint64_t largest = 0, size = 0;
    for (unsigned i = 1; i <= 200; i++) {
        assert_int_equal(add_run(manifest, i, i - 1, i * 10, &fixture->detail), VARVE_OK);
        assert_true(sim_file_size(fixture->disk, "db/manifest", &size));
        if (size > largest) largest = size;
        assert_int_equal(sim_pending(fixture->disk), 0);
        if (i % 37 == 0) manifest = reopen(fixture, manifest);
    }
    assert_true(largest <= small.rewrite_bytes + small.grow_bytes);
    const struct vrn_facts *runs;
    manifest = reopen(fixture, manifest);
    assert_int_equal(vrn_manifest_runs(manifest, &runs), 1);
    assert_int_equal(runs[0].file_id, 200);
    vrn_manifest_close(manifest);
}

/* A state larger than the limit is not written anew by every edit. */
static void manifest__large_state(void **state) {
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest = create(fixture);
    static char text[3000];
    memset(text, 'r', sizeof(text) - 1);
    char *rules[] = {text, text, text, text};
    char name[16];
    uint64_t ops = 0;
    for (uint32_t id = 1; id <= 60; id++) {
        struct vrn_table table = {.id = id, .rules = rules, .rule_count = 4};
        snprintf(name, sizeof(name), "t%u", id);
        memcpy(table.name, name, sizeof(name));
        struct vrn_edit edit = {.table = &table};
        if (id == 31) ops = sim_ops(fixture->disk);
        assert_int_equal(vrn_manifest_edit(manifest, &edit, &fixture->detail), VARVE_OK);
    }
    assert_true(sim_ops(fixture->disk) - ops < 30 * 10);
    manifest = reopen(fixture, manifest);
    const struct vrn_table *tables;
    assert_int_equal(vrn_manifest_tables(manifest, &tables), 60);
    assert_string_equal(tables[59].rules[3], text);
    vrn_manifest_close(manifest);
}

static void manifest__sweep(void **state) {
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest = create(fixture);
    for (unsigned i = 0; i < 5; i++) vrn_manifest_next_file(manifest, &fixture->detail);
    assert_int_equal(add_run(manifest, 3, 0, 0, &fixture->detail), VARVE_OK);
    static const char *const kept[] = {"db/0000000000000003.run", "db/00000000000000ff.run", "db/0000000000000002.log",
                                       "db/0000000000000002.run.txt", "db/LOCK", "db/000000000000000A.run"};
    static const char *const gone[] = {"db/0000000000000001.run", "db/0000000000000005.run"};
    for (unsigned i = 0; i < 6; i++) assert_true(sim_put(fixture->disk, kept[i], "x", 1));
    for (unsigned i = 0; i < 2; i++) assert_true(sim_put(fixture->disk, gone[i], "x", 1));
    assert_int_equal(vrn_manifest_sweep(manifest, &fixture->detail), VARVE_OK);
    assert_int_equal(sim_pending(fixture->disk), 0);
    uint64_t size;
    for (unsigned i = 0; i < 6; i++) assert_true(sim_file_size(fixture->disk, kept[i], &size));
    for (unsigned i = 0; i < 2; i++) assert_false(sim_file_size(fixture->disk, gone[i], &size));
    vrn_manifest_close(manifest);
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

/* A manifest of four edits; `sequence` is that of the last. */
static uint64_t make_sample(struct fixture *fixture) {
    struct vrn_manifest *manifest = create(fixture);
    assert_int_equal(add_table(manifest, 1, "one", &fixture->detail), VARVE_OK);
    assert_int_equal(add_run(manifest, 2, 0, 30, &fixture->detail), VARVE_OK);
    assert_int_equal(add_run(manifest, 3, 2, 40, &fixture->detail), VARVE_OK);
    uint64_t sequence = vrn_manifest_sequence(manifest);
    vrn_manifest_close(manifest);
    return sequence;
}

/* CORRUPT with a place in the file, or the state after the last edit, or the one before it when nothing vouches for the
 * last. Returns the sequence found, 0 for CORRUPT. */
static uint64_t open_damaged(struct fixture *fixture, uint64_t vouched) {
    struct vrn_manifest *manifest = NULL;
    fixture->detail.text[0] = '\0';
    uint64_t ops = sim_ops(fixture->disk), sequence = 0, first;
    int status = vrn_manifest_open_with(&fixture->config, &small, &manifest, &fixture->detail);
    assert_int_equal(sim_ops(fixture->disk), ops); /* opening writes nothing */
    if (status == VARVE_OK) {
        sequence = vrn_manifest_sequence(manifest);
        static const uint64_t cuts[] = {0, 0, 0, 30, 40};
        assert_int_equal(vrn_manifest_cut(manifest, &first), cuts[sequence]);
        if (vouched > sequence) {
            status = vrn_manifest_check_vouched(manifest, vouched, &fixture->detail);
            assert_int_equal(sim_ops(fixture->disk), ops);
            sequence = 0;
        }
        vrn_manifest_close(manifest);
    }
    if (status != VARVE_OK) {
        assert_int_equal(status, VARVE_CORRUPT);
        assert_non_null(strstr(fixture->detail.text, "manifest at "));
    }
    return sequence;
}

static void manifest__every_flipped_bit(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(make_sample(fixture), 4);
    uint64_t size, cut = 0;
    assert_true(sim_file_size(fixture->disk, "db/manifest", &size));
    for (uint64_t at = 0; at < size; at++) {
        bool frame_of_interest = at % 4096 < 160 || at < 4096;
        for (unsigned bit = 0; bit < 8; bit++) {
            if (!frame_of_interest && bit != at % 8) continue;
            sim_flip(fixture->disk, "db/manifest", at, bit);
            uint64_t sequence = open_damaged(fixture, 0);
            bool in_last = at >= 4 * 4096 && at < 5 * 4096;
            assert_true(sequence == 0 || sequence == 4 || (sequence == 3 && in_last));
            if (at < 4096) assert_int_equal(sequence, 0);
            if (sequence == 3) assert_int_equal(open_damaged(fixture, 4), 0);
            cut += sequence == 3;
            sim_flip(fixture->disk, "db/manifest", at, bit);
        }
    }
    assert_true(cut > 500);
    assert_int_equal(open_damaged(fixture, 4), 4);
}

static void manifest__every_truncation(void **state) {
    struct fixture *fixture = *state;
    make_sample(fixture);
    uint64_t size;
    assert_true(sim_file_size(fixture->disk, "db/manifest", &size));
    uint8_t *bytes = malloc(size);
    assert_true(sim_peek(fixture->disk, "db/manifest", 0, bytes, size));
    for (uint64_t length = 0; length < size; length++) {
        assert_true(sim_put(fixture->disk, "db/manifest", bytes, length));
        uint64_t sequence = open_damaged(fixture, 4);
        assert_true(sequence == 0 || (sequence == 4 && length > 4 * 4096));
    }
    free(bytes);
}

static void manifest__swapped_frames(void **state) {
    struct fixture *fixture = *state;
    make_sample(fixture);
    uint8_t second[4096], third[4096], zeros[4096] = {0};
    sim_peek(fixture->disk, "db/manifest", 2 * 4096, second, 4096);
    sim_peek(fixture->disk, "db/manifest", 3 * 4096, third, 4096);
    sim_poke(fixture->disk, "db/manifest", 2 * 4096, third, 4096);
    sim_poke(fixture->disk, "db/manifest", 3 * 4096, second, 4096);
    assert_int_equal(open_damaged(fixture, 0), 0);
    sim_poke(fixture->disk, "db/manifest", 2 * 4096, second, 4096);
    sim_poke(fixture->disk, "db/manifest", 3 * 4096, zeros, 4096); /* a synced edit that vanished before a later one */
    assert_int_equal(open_damaged(fixture, 0), 0);
    sim_poke(fixture->disk, "db/manifest", 3 * 4096, third, 4096);
    assert_int_equal(open_damaged(fixture, 0), 4);
}

/* After a cut the next edits take the torn one's place. */
static void manifest__goes_on_after_a_cut(void **state) {
    struct fixture *fixture = *state;
    make_sample(fixture);
    sim_flip(fixture->disk, "db/manifest", 4 * 4096 + 30, 1);
    struct vrn_manifest *manifest = NULL;
    assert_int_equal(vrn_manifest_open_with(&fixture->config, &small, &manifest, &fixture->detail), VARVE_OK);
    assert_int_equal(vrn_manifest_sequence(manifest), 3);
    assert_int_equal(add_run(manifest, 3, 2, 60, &fixture->detail), VARVE_OK);
    manifest = reopen(fixture, manifest);
    uint64_t first;
    assert_int_equal(vrn_manifest_cut(manifest, &first), 60);
    vrn_manifest_close(manifest);
}

/* Bytes behind a right sum that no writer makes: refused, whatever they are. */
static void manifest__hostile_payloads(void **state) {
    (void)state;
    struct vb_random random;
    vb_random_init(&random, test_seed());
    struct vrn_state sample = {.next_file = 9, .next_table = 4, .timeline = 2};
    struct vrn_bytes bytes = {0};
    char rule[] = "a rule";
    char *rules[] = {rule, rule};
    struct vrn_table table = {.id = 3, .name = "t", .rules = rules, .rule_count = 2};
    struct vrn_facts facts = facts_of(4);
    struct vrn_edit edit = {.table = &table, .add_runs = &facts, .add_run_count = 1};
    struct vrn_change change = {.edit = &edit};
    assert_int_equal(vrn_state_encode(&sample, &bytes), VARVE_OK);
    assert_int_equal(vrn_change_encode(&change, &bytes), VARVE_OK);
    unsigned refusals = 0;
    for (unsigned round = 0; round < 20000; round++) {
        size_t size = round < bytes.size ? round : bytes.size;
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, bytes.data, size);
        for (unsigned flips = (unsigned)vb_random_below(&random, 4); flips > 0 && size != 0; flips--)
            copy[vb_random_below(&random, size)] = (uint8_t)vb_random_u64(&random);
        uint8_t *exact = realloc(copy, size != 0 ? size : 1);
        struct vrn_state got = {0};
        const char *why = NULL;
        int status = vrn_payload_apply(&got, (varve_slice){exact, size}, &why);
        if (status != VARVE_OK) {
            assert_int_equal(status, VARVE_CORRUPT);
            assert_non_null(why);
            refusals++;
        }
        vrn_state_free(&got);
        free(exact);
    }
    assert_true(refusals > 5000);
    vrn_bytes_free(&bytes);
}

/* --- failures of the world ---------------------------------------------------------------------------------------- */

/* One failing operation in an edit: FULL and NOMEM change nothing, IO leaves a handle that writes no more. In all cases
 * the disk holds the edit whole or not at all. */
static void one_failure(int failure, uint64_t nth) {
    struct fixture fixture;
    fixture_open(&fixture, sim_create(3));
    uint64_t first;
    struct vrn_manifest *manifest = create(&fixture);
    for (uint64_t id = 1; id <= 14; id++) /* the next one makes it write anew */
        assert_int_equal(add_run(manifest, id, id - 1, id, &fixture.detail), VARVE_OK);
    sim_fail_at(fixture.disk, sim_ops(fixture.disk) + nth, failure, false);
    int status = add_run(manifest, 15, 14, 15, &fixture.detail);
    sim_fail_clear(fixture.disk);
    if (status == VARVE_OK) {
        assert_int_equal(vrn_manifest_cut(manifest, &first), 15);
    } else {
        assert_true(status == failure || status == VARVE_IO);
        assert_int_equal(vrn_manifest_cut(manifest, &first), 14);
        int next = add_run(manifest, 16, 14, 16, &fixture.detail);
        assert_true(next == VARVE_OK || (status == VARVE_IO && next == VARVE_FAILED));
        uint64_t expected = next == VARVE_OK ? 16 : 0;
        manifest = reopen(&fixture, manifest);
        uint64_t cut = vrn_manifest_cut(manifest, &first);
        assert_true(expected != 0 ? cut == expected : cut == 14 || cut == 15);
    }
    vrn_manifest_close(manifest);
    fixture_close(&fixture);
}

static void manifest__every_write_fails_once(void **state) {
    (void)state;
    for (uint64_t nth = 1; nth <= 8; nth++) {
        one_failure(VARVE_IO, nth);
        one_failure(VARVE_FULL, nth);
    }
}

static void manifest__full_disk_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest = create(fixture);
    uint64_t id = 1, first;
    sim_set_capacity(fixture->disk, sim_used_bytes(fixture->disk) + 3 * 4096);
    int status = VARVE_OK;
    for (; status == VARVE_OK; id++) status = add_run(manifest, id, id - 1, id, &fixture->detail);
    assert_int_equal(status, VARVE_FULL);
    id -= 2; /* the last that was taken */
    assert_true(id >= 3);
    assert_int_equal(vrn_manifest_cut(manifest, &first), id);
    sim_set_capacity(fixture->disk, UINT64_MAX);
    assert_int_equal(add_run(manifest, 100, id, 100, &fixture->detail), VARVE_OK);
    manifest = reopen(fixture, manifest);
    assert_int_equal(vrn_manifest_cut(manifest, &first), 100);
    vrn_manifest_close(manifest);
}

/* No room for a new file beside the old one: the edit, which may be the one that frees room, is appended instead. */
static void manifest__full_disk_at_the_limit(void **state) {
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest = create(fixture);
    uint64_t id = 0, first;
    while (manifest->end + 4096 <= small.rewrite_bytes) {
        id++;
        assert_int_equal(add_run(manifest, id, id - 1, id, &fixture->detail), VARVE_OK);
    }
    sim_set_capacity(fixture->disk, sim_used_bytes(fixture->disk) + 4096);
    assert_int_equal(add_run(manifest, id + 1, id, id + 1, &fixture->detail), VARVE_OK);
    assert_true(manifest->end > small.rewrite_bytes);
    manifest = reopen(fixture, manifest);
    assert_int_equal(vrn_manifest_cut(manifest, &first), id + 1);
    vrn_manifest_close(manifest);
}

/* What a failed sync left only in memory is on the disk before anything is built on it. */
static void manifest__settles_after_a_failed_sync(void **state) {
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest = create(fixture);
    uint64_t first;
    assert_int_equal(add_run(manifest, 1, 0, 10, &fixture->detail), VARVE_OK);
    sim_set_sync_failure(fixture->disk, SIM_SYNC_DROPS);
    uint64_t size;
    assert_true(sim_file_size(fixture->disk, "db/manifest", &size));
    uint64_t op = sim_ops(fixture->disk) + (size > vrn_manifest_sequence(manifest) * 4096 + 8192 ? 2 : 3);
    sim_fail_at(fixture->disk, op, VARVE_IO, false);
    assert_int_equal(add_run(manifest, 2, 1, 20, &fixture->detail), VARVE_IO);
    assert_int_equal(add_run(manifest, 3, 1, 30, &fixture->detail), VARVE_FAILED);
    sim_fail_clear(fixture->disk);
    manifest = reopen(fixture, manifest);
    uint64_t shown = vrn_manifest_cut(manifest, &first);
    assert_int_equal(shown, 20); /* the system still shows what the disk does not hold */
    assert_int_equal(vrn_manifest_check_vouched(manifest, 0, &fixture->detail), VARVE_OK);
    vrn_manifest_close(manifest);
    struct fixture after;
    fixture_open(&after, sim_reboot(fixture->disk, SIM_NOTHING, 0, 1));
    assert_int_equal(vrn_manifest_open_with(&after.config, &small, &manifest, &after.detail), VARVE_OK);
    assert_int_equal(vrn_manifest_cut(manifest, &first), shown);
    vrn_manifest_close(manifest);
    fixture_close(&after);
}

static void manifest__every_allocation_fails_once(void **state) {
#ifdef VARVE_ASSERTS
    struct fixture *fixture = *state;
    struct vrn_manifest *manifest = create(fixture);
    uint32_t id = 1;
    for (unsigned n = 1; n < 40; n++) {
        char name[16];
        snprintf(name, sizeof(name), "t%u", id);
        uint64_t sequence = vrn_manifest_sequence(manifest);
        vb_alloc_fail_after(n % 4 + 1);
        int status = add_table(manifest, id, name, &fixture->detail);
        vb_alloc_fail_after(0);
        assert_true(status == VARVE_OK || status == VARVE_NOMEM);
        assert_int_equal(vrn_manifest_sequence(manifest), sequence + (status == VARVE_OK));
        id += status == VARVE_OK;
    }
    vrn_manifest_close(manifest);
    manifest = NULL;
    int status = VARVE_NOMEM;
    for (unsigned n = 1; status != VARVE_OK; n++) {
        vb_alloc_fail_after(n);
        status = vrn_manifest_open_with(&fixture->config, &small, &manifest, &fixture->detail);
        vb_alloc_fail_after(0);
        assert_true(status == VARVE_OK || status == VARVE_NOMEM);
    }
    const struct vrn_table *tables;
    assert_int_equal(vrn_manifest_tables(manifest, &tables), id - 1);
    vrn_manifest_close(manifest);
#else
    (void)state;
    skip();
#endif
}

#define RUN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        RUN_TEST(manifest__none),
        RUN_TEST(manifest__new_and_empty),
        RUN_TEST(manifest__edits_come_back),
        RUN_TEST(manifest__rules_are_replaced),
        RUN_TEST(manifest__hidden_tables_take_no_ids),
        RUN_TEST(manifest__what_makes_no_sense_is_refused),
        RUN_TEST(manifest__file_ids_never_repeat),
        RUN_TEST(manifest__rewrites_itself),
        RUN_TEST(manifest__large_state),
        RUN_TEST(manifest__sweep),
        RUN_TEST(manifest__every_flipped_bit),
        RUN_TEST(manifest__every_truncation),
        RUN_TEST(manifest__swapped_frames),
        RUN_TEST(manifest__goes_on_after_a_cut),
        cmocka_unit_test(manifest__hostile_payloads),
        cmocka_unit_test(manifest__every_write_fails_once),
        RUN_TEST(manifest__full_disk_changes_nothing),
        RUN_TEST(manifest__full_disk_at_the_limit),
        RUN_TEST(manifest__settles_after_a_failed_sync),
        RUN_TEST(manifest__every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
