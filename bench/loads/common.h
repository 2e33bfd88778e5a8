/* common.h - keys and rows that several loads make alike. Private to bench/loads.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_COMMON_H
#define VARVE_BENCH_COMMON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/loads/load.h"

/* A key: a byte for the table, then big-endian numbers, so that order is as in the table. */
struct bl_key {
    uint8_t bytes[48];
    size_t size;
};
static inline struct bl_key bl_key_of(uint8_t table) { return (struct bl_key){{table}, 1}; }
static inline void bl_key_add(struct bl_key *key, uint64_t number, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) key->bytes[key->size++] = (uint8_t)(number >> 8 * (bytes - 1 - i));
}
static inline void bl_key_text(struct bl_key *key, const char *text, size_t room) { /* padded with zeros */
    size_t size = strnlen(text, room);
    memcpy(key->bytes + key->size, text, size);
    memset(key->bytes + key->size + size, 0, room - size);
    key->size += room;
}
static inline varve_slice bl_slice(const struct bl_key *key) { return (varve_slice){key->bytes, key->size}; }

/* The key of a row that has but a number. */
static inline struct bl_key bl_numbered(uint8_t table, uint64_t number) {
    struct bl_key key = bl_key_of(table);
    bl_key_add(&key, number, 8);
    return key;
}

static inline int bl_refuse(struct bl_run *run, int status, const char *text) {
    snprintf(run->text, sizeof(run->text), "%s: %s", run->load->name, text);
    return status;
}

#define BL_TRY(call)                                \
    do {                                            \
        int bl_try_status = (call);                 \
        if (bl_try_status != VARVE_OK) return bl_try_status; \
    } while (0)

/* Reads a row of exactly `size` bytes. CORRUPT: it is not there or of another size. */
static inline int bl_read(struct bl_session *s, varve_slice key, void *row, size_t size) {
    varve_slice value;
    s->reads++;
    int status = s->run->engine->get(s->txn, key, &value);
    if (status == VARVE_NOTFOUND || (status == VARVE_OK && value.size != size && !s->run->generator)) return VARVE_CORRUPT;
    if (status == VARVE_OK) memcpy(row, value.data, size);
    return status;
}
/* The same for a row that will be written: with a lock where that was asked for and the engine has one. */
static inline int bl_read_to_write(struct bl_session *s, varve_slice key, void *row, size_t size) {
    varve_slice value;
    const struct peer *engine = s->run->engine;
    if (!s->run->settings.use_for_update || engine->get_for_update == NULL) return bl_read(s, key, row, size);
    s->reads++;
    int status = engine->get_for_update(s->txn, key, &value);
    if (status == VARVE_NOTFOUND || (status == VARVE_OK && value.size != size && !s->run->generator)) return VARVE_CORRUPT;
    if (status == VARVE_OK) memcpy(row, value.data, size);
    return status;
}
static inline int bl_write(struct bl_session *s, varve_slice key, const void *row, size_t size) {
    s->writes++;
    return s->run->engine->put(s->txn, key, (varve_slice){row, size});
}

/* Rows that are one number. */
static inline int bl_get_number(struct bl_session *s, uint8_t table, uint64_t number, bool to_write, int64_t *value) {
    struct bl_key key = bl_numbered(table, number);
    return to_write ? bl_read_to_write(s, bl_slice(&key), value, sizeof(*value))
                    : bl_read(s, bl_slice(&key), value, sizeof(*value));
}
static inline int bl_set_number(struct bl_session *s, uint8_t table, uint64_t number, int64_t value) {
    struct bl_key key = bl_numbered(table, number);
    return bl_write(s, bl_slice(&key), &value, sizeof(value));
}

/* Inserts a row that is not there yet; engines without such a call put it. */
static inline int bl_insert(struct bl_session *s, varve_slice key, varve_slice value) {
    const struct peer *engine = s->run->engine;
    s->writes++;
    return engine->insert != NULL ? engine->insert(s->txn, key, value) : engine->put(s->txn, key, value);
}

/* Rows first .. end-1 of a fill, put by one transaction; `count` is the load's own, zero when an attempt begins. */
struct bl_batch {
    uint64_t first, end;
    int64_t count[4];
};
enum { BL_FILL_BATCH = 1000 }; /* rows of a transaction: the same for every load and engine, so that fills compare */
/* This part of rows 0 .. records-1 in batches; the counts of those that committed go to the first tallies. */
static inline int bl_fill_rows(struct bl_session *s, unsigned part, unsigned parts,
                               int (*fn)(struct bl_session *session, void *batch)) {
    uint64_t records = s->run->settings.records, first = records * part / parts, end = records * (part + 1) / parts;
    for (; first < end; first += BL_FILL_BATCH) {
        struct bl_batch batch = {first, first + BL_FILL_BATCH < end ? first + BL_FILL_BATCH : end, {0}};
        BL_TRY(bl_transaction(s, false, fn, &batch));
        for (unsigned i = 0; i < 4; i++) s->tally[i] += batch.count[i];
    }
    return VARVE_OK;
}

/* Sums a 64-bit field at `offset` of every row whose key begins with `table`. */
struct bl_sum {
    uint8_t table;
    size_t offset, rows;
    int64_t sum;
    bool negative; /* some row was below zero */
};
static inline int bl_sum_row(void *arg, varve_slice key, varve_slice value) {
    struct bl_sum *sum = arg;
    int64_t field = 0;
    (void)key;
    if (value.size >= sum->offset + sizeof(field)) memcpy(&field, (const uint8_t *)value.data + sum->offset, sizeof(field));
    sum->sum = (int64_t)((uint64_t)sum->sum + (uint64_t)field); /* a field that is no number may wrap */
    sum->negative |= field < 0;
    sum->rows++;
    return 0;
}
/* For bl_transaction: arg is a struct bl_sum. */
static inline int bl_sum_table(struct bl_session *s, void *arg) {
    struct bl_sum *sum = arg;
    uint8_t low[1] = {sum->table}, high[1] = {(uint8_t)(sum->table + 1)};
    sum->rows = 0;
    sum->sum = 0;
    return s->run->engine->scan(s->txn, VARVE_SLICE(low, 1), VARVE_SLICE(high, 1), 0, false, bl_sum_row, sum);
}

/* The level the run is at is serializable as the engine says. */
static inline bool bl_serializable(const struct bl_run *run) {
    return run->level == 0 || run->level >= VARVE_SERIALIZABLE;
}

#endif
