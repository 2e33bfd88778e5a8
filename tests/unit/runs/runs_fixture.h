/* runs_fixture.h - what the tests of runs share: a simulated disk with one directory, entries made from a seed, runs
 * written and read back.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_RUNS_FIXTURE_H
#define VARVE_TESTS_RUNS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/random.h"
#include "runs/runs.h"
#include "support/simdisk.h"

struct fixture {
    struct sim_disk *disk;
    struct vos_dir *dir;
    struct vrn_config config;
    struct vk_detail detail;
};

static inline void fixture_open(struct fixture *fixture, struct sim_disk *disk) {
    memset(fixture, 0, sizeof(*fixture));
    fixture->disk = disk;
    fixture->config = (struct vrn_config){.os = sim_os(disk), .file_mode = 0600, .zlib_level = 1};
    struct vos_error error = {0};
    assert_int_equal(fixture->config.os->ops->dir_open(sim_os(disk), "db", true, 0700, &fixture->dir, &error), 0);
    fixture->config.dir = fixture->dir;
    memset(fixture->config.database_id, 0x5a, sizeof(fixture->config.database_id));
}

static inline void fixture_close(struct fixture *fixture) {
    fixture->config.os->ops->dir_close(fixture->dir);
    sim_free(fixture->disk);
}

static inline int setup(void **state) {
    static struct fixture fixture;
    fixture_open(&fixture, sim_create(1));
    *state = &fixture;
    return 0;
}

static inline int teardown(void **state) {
    fixture_close(*state);
    return 0;
}

static inline uint64_t test_seed(void) {
    const char *given = getenv("VARVE_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 1;
    printf("seed %llu\n", (unsigned long long)seed);
    return seed;
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

struct entries {
    struct vrn_entry *list; /* [count] */
    size_t count;
};

static inline int entry_order(const void *a, const void *b) {
    const struct vrn_entry *x = a, *y = b;
    if (x->table_id != y->table_id) return x->table_id < y->table_id ? -1 : 1;
    return vb_compare(x->key, y->key);
}

static inline varve_slice random_bytes(struct vb_random *random, size_t size, unsigned letters) {
    uint8_t *data = malloc(size != 0 ? size : 1);
    for (size_t i = 0; i < size; i++) data[i] = (uint8_t)vb_random_below(random, letters);
    return (varve_slice){data, size};
}

static inline struct vrn_entry make_entry(struct vb_random *random, uint32_t table_id, varve_slice key,
                                          size_t value_bytes) {
    struct vrn_entry entry = {.table_id = table_id, .key = key, .cts = vb_random_u64(random) >> 8};
    entry.tombstone = vb_random_below(random, 10) == 0;
    unsigned letters = vb_random_below(random, 2) != 0 ? 4 : 256;
    if (!entry.tombstone) entry.value = random_bytes(random, value_bytes, letters);
    return entry;
}

/* Sorts and drops repeated keys. */
static inline void entries_settle(struct entries *entries) {
    qsort(entries->list, entries->count, sizeof(struct vrn_entry), entry_order);
    size_t kept = 0;
    for (size_t i = 0; i < entries->count; i++) {
        struct vrn_entry *entry = &entries->list[i];
        if (kept != 0 && entry_order(&entries->list[kept - 1], entry) == 0) {
            free((void *)entry->key.data);
            free((void *)entry->value.data);
            continue;
        }
        entries->list[kept++] = *entry;
    }
    entries->count = kept;
}

static inline void entries_free(struct entries *entries) {
    for (size_t i = 0; i < entries->count; i++) {
        free((void *)entries->list[i].key.data);
        free((void *)entries->list[i].value.data);
    }
    free(entries->list);
}

static inline struct entries random_entries(uint64_t seed, size_t count, size_t key_max, size_t value_max) {
    struct vb_random random;
    vb_random_init(&random, seed);
    struct entries entries = {calloc(count + 1, sizeof(struct vrn_entry)), count};
    for (size_t i = 0; i < count; i++) {
        varve_slice key = random_bytes(&random, 1 + vb_random_below(&random, key_max), 3);
        entries.list[i] = make_entry(&random, (uint32_t)vb_random_below(&random, 3) * 0x01000001u, key,
                                     vb_random_below(&random, value_max + 1));
    }
    entries_settle(&entries);
    return entries;
}

/* --- runs --------------------------------------------------------------------------------------------------------- */

static inline int write_run(struct fixture *fixture, uint64_t file_id, const struct entries *entries,
                            struct vrn_facts *facts) {
    struct vrn_writer *writer;
    int status = vrn_writer_open(&fixture->config, file_id, 5, 0x1234567, &writer, &fixture->detail);
    if (status != VARVE_OK) return status;
    for (size_t i = 0; i < entries->count; i++) {
        status = vrn_writer_add(writer, &entries->list[i], &fixture->detail);
        if (status == VARVE_OK) continue;
        vrn_writer_abandon(writer);
        return status;
    }
    return vrn_writer_finish(writer, facts, &fixture->detail);
}

struct expected {
    const struct entries *entries;
    size_t next;
    bool wrong;
};

static inline bool same_entry(const struct vrn_entry *a, const struct vrn_entry *b) {
    return a->table_id == b->table_id && vb_equal(a->key, b->key) && vb_equal(a->value, b->value) &&
           a->cts == b->cts && a->tombstone == b->tombstone;
}

static inline int expect_entry(void *arg, const struct vrn_entry *entry) {
    struct expected *expected = arg;
    size_t i = expected->next++;
    if (i >= expected->entries->count || !same_entry(entry, &expected->entries->list[i])) expected->wrong = true;
    return VARVE_OK;
}

/* Reads every block. OK: what came was exactly the entries (asserted). */
static inline int read_run(struct fixture *fixture, const struct vrn_facts *facts, const struct entries *entries) {
    struct vrn_reader *reader;
    struct vrn_buffer *buffer;
    int status = vrn_reader_open(&fixture->config, facts, &reader, &fixture->detail);
    if (status != VARVE_OK) return status;
    status = vrn_buffer_open(&buffer);
    if (status != VARVE_OK) {
        vrn_reader_close(reader);
        return status;
    }
    struct expected expected = {entries, 0, false};
    for (size_t i = 0; status == VARVE_OK && i < vrn_reader_blocks(reader); i++)
        status = vrn_reader_block(reader, i, buffer, expect_entry, &expected, &fixture->detail);
    vrn_buffer_close(buffer);
    vrn_reader_close(reader);
    assert_false(expected.wrong);
    if (status == VARVE_OK) assert_int_equal(expected.next, entries->count);
    return status;
}

#endif
