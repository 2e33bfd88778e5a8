/* keys.c - keys as numbers: interning, their order, and their text.
 *
 * The index is an open table with linear steps, at most five eighths full; the hash is XXH3. A slot holds the first
 * eight bytes and the size of its key, so that a short key is found with one access. The order is by memcmp, the
 * shorter first of two with a common beginning: eight bytes of each key are compared as one number before the rest is
 * looked at.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "history/history_int.h"

struct slot {
    uint32_t hash;      /* its low byte is the size of the key, 255 for larger ones */
    uint32_t id_plus_1; /* 0 = empty */
    uint64_t beginning; /* the first eight bytes as they lie, zeros behind the end */
};
struct hs_index {
    size_t mask;
    struct slot slots[];
};

enum { FIRST_SLOTS = 64 };

void hs_index_free(struct hs_index *index) { free(index); }

uint64_t hs_index_memory(const struct hs_index *index) {
    return index == NULL ? 0 : sizeof *index + (index->mask + 1) * sizeof index->slots[0];
}

/* The slot that a key has, but for its id. */
static struct slot slot_of(const void *bytes, size_t size) {
    struct slot slot = {.hash = (uint32_t)XXH3_64bits(bytes, size) << 8 | (size < 255 ? (uint32_t)size : 255u)};
    if (size != 0) memcpy(&slot.beginning, bytes, size < 8 ? size : 8);
    return slot;
}

static size_t place_of(const struct hs_index *index, const struct slot *slot) {
    return (slot->hash * 0x9e3779b97f4a7c15u >> 24) & index->mask;
}

static void put(struct hs_index *index, const struct slot *slot) {
    size_t at = place_of(index, slot);
    while (index->slots[at].id_plus_1 != 0) at = (at + 1) & index->mask;
    index->slots[at] = *slot;
}

static int make_room(struct hs_history *h) {
    struct hs_index *old = h->index;
    size_t slots = old == NULL ? FIRST_SLOTS : old->mask + 1;
    if (old != NULL && (h->key_count + 1) * 8 <= slots * 5) return VARVE_OK;
    if (old != NULL) slots *= 2;
    struct hs_index *grown = calloc(1, sizeof *grown + slots * sizeof grown->slots[0]);
    if (grown == NULL) return VARVE_NOMEM;
    grown->mask = slots - 1;
    for (size_t i = 0; old != NULL && i <= old->mask; i++)
        if (old->slots[i].id_plus_1 != 0) put(grown, &old->slots[i]);
    free(old);
    h->index = grown;
    return VARVE_OK;
}

static bool find(const struct hs_history *h, const struct slot *wanted, const void *bytes, size_t size, uint32_t *id) {
    if (h->index == NULL) return false;
    const struct slot *slots = h->index->slots;
    for (size_t at = place_of(h->index, wanted); slots[at].id_plus_1 != 0; at = (at + 1) & h->index->mask) {
        if (slots[at].hash != wanted->hash || slots[at].beginning != wanted->beginning) continue;
        *id = slots[at].id_plus_1 - 1;
        if (size <= 8) return true;
        varve_slice known = hs_key_bytes(h, *id);
        if (known.size == size && memcmp(known.data, bytes, size) == 0) return true;
    }
    return false;
}

int hs_key(struct hs_history *h, const void *bytes, size_t size, uint32_t *id) {
    struct slot slot = slot_of(bytes, size);
    if (find(h, &slot, bytes, size, id)) return VARVE_OK;
    if (h->key_count >= UINT32_MAX - 2 || size > UINT32_MAX) return VARVE_TOOBIG;
    int status = make_room(h);
    if (status == VARVE_OK) status = hs_grow((void **)&h->keys, &h->key_capacity, h->key_count + 1, sizeof *h->keys);
    if (status == VARVE_OK) /* One byte more, so that the column exists even when its only key is empty. */
        status = hs_grow((void **)&h->key_bytes, &h->key_bytes_capacity, h->key_bytes_count + size + 1, 1);
    if (status != VARVE_OK) return status;
    *id = (uint32_t)h->key_count;
    h->keys[h->key_count++] = (struct hs_key){h->key_bytes_count, (uint32_t)size};
    if (size != 0) memcpy(h->key_bytes + h->key_bytes_count, bytes, size);
    h->key_bytes_count += size;
    slot.id_plus_1 = *id + 1;
    put(h->index, &slot);
    return VARVE_OK;
}

/* --- order -------------------------------------------------------------------------------------------------------- */

struct ordered {
    uint64_t beginning; /* the first eight bytes as a big-endian number, zeros behind the end */
    uint32_t id;
};

static int compare(const void *left, const void *right, void *arg) {
    const struct ordered *a = left, *b = right;
    if (a->beginning != b->beginning) return a->beginning < b->beginning ? -1 : 1;
    const struct hs_history *h = arg;
    varve_slice x = hs_key_bytes(h, a->id), y = hs_key_bytes(h, b->id);
    size_t common = x.size < y.size ? x.size : y.size;
    int order = common == 0 ? 0 : memcmp(x.data, y.data, common);
    if (order != 0) return order;
    return x.size == y.size ? 0 : x.size < y.size ? -1 : 1;
}

static uint64_t beginning(varve_slice key) {
    uint8_t bytes[8] = {0};
    memcpy(bytes, key.data, key.size < 8 ? key.size : 8);
    uint64_t number = 0;
    for (unsigned i = 0; i < 8; i++) number = number << 8 | bytes[i];
    return number;
}

int hs_rank_keys(struct hs_history *h) {
    size_t room = h->key_count + 1;
    struct ordered *sorted = malloc(room * sizeof *sorted);
    uint32_t *rank = malloc(room * sizeof *rank), *order = malloc(room * sizeof *order);
    if (sorted == NULL || rank == NULL || order == NULL) {
        free(sorted), free(rank), free(order);
        return VARVE_NOMEM;
    }
    for (uint32_t id = 0; id < h->key_count; id++) sorted[id] = (struct ordered){beginning(hs_key_bytes(h, id)), id};
    qsort_r(sorted, h->key_count, sizeof *sorted, compare, h);
    for (uint32_t place = 0; place < h->key_count; place++) {
        order[place] = sorted[place].id;
        rank[sorted[place].id] = place;
    }
    free(sorted), free(h->key_rank), free(h->key_order);
    h->key_rank = rank;
    h->key_order = order;
    return VARVE_OK;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

const char *hs_key_text(const struct hs_history *h, uint32_t id, char *buffer, size_t buffer_bytes) {
    if (buffer_bytes == 0) return "";
    varve_slice key = hs_key_bytes(h, id);
    const uint8_t *bytes = key.data;
    bool printable = key.size != 0;
    for (size_t i = 0; i < key.size; i++) printable = printable && bytes[i] > ' ' && bytes[i] < 0x7f;
    size_t at = 0, room = buffer_bytes - 1, step = printable ? 1 : 2;
    if (!printable && room >= 2) at = 2, buffer[0] = '0', buffer[1] = 'x';
    for (size_t i = 0; i < key.size && at + step <= room; i++, at += step) {
        if (printable)
            buffer[at] = (char)bytes[i];
        else
            memcpy(buffer + at, (char[2]){"0123456789abcdef"[bytes[i] >> 4], "0123456789abcdef"[bytes[i] & 15]}, 2);
    }
    bool cut = key.size * step + (printable ? 0 : 2) > at;
    for (size_t i = 1; cut && i <= 3 && i <= at; i++) buffer[at - i] = '.';
    buffer[at] = 0;
    return buffer;
}

bool hs_key_number(const struct hs_history *h, uint32_t id, uint64_t *number) {
    varve_slice key = hs_key_bytes(h, id);
    const uint8_t *bytes = key.data;
    if (key.size == 0 || key.size > 18 || (bytes[0] == '0' && key.size > 1)) return false;
    *number = 0;
    for (size_t i = 0; i < key.size; i++) {
        if (bytes[i] < '0' || bytes[i] > '9') return false;
        *number = *number * 10 + (bytes[i] - '0');
    }
    return true;
}

/* --- marks -------------------------------------------------------------------------------------------------------- */

static int grow_marks(struct hs_marks *m) {
    size_t capacity = m->capacity == 0 ? 256 : m->capacity * 2;
    uint64_t *slots = calloc(capacity, sizeof *slots);
    if (slots == NULL) return VARVE_NOMEM;
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->slots[i] == 0) continue;
        size_t at = m->slots[i] & (capacity - 1);
        while (slots[at] != 0) at = (at + 1) & (capacity - 1);
        slots[at] = m->slots[i];
    }
    free(m->slots);
    m->slots = slots;
    m->capacity = capacity;
    return VARVE_OK;
}

int hs_mark(struct hs_marks *m, uint32_t key, int64_t value, bool *seen) {
    if ((m->count + 1) * 4 > m->capacity * 3) {
        int status = grow_marks(m);
        if (status != VARVE_OK) return status;
    }
    uint64_t pair[2] = {key, (uint64_t)value};
    uint64_t mark = XXH3_64bits(pair, sizeof pair);
    if (mark == 0) mark = 1;
    size_t at = mark & (m->capacity - 1);
    while (m->slots[at] != 0 && m->slots[at] != mark) at = (at + 1) & (m->capacity - 1);
    *seen = m->slots[at] == mark;
    if (!*seen) m->count++;
    m->slots[at] = mark;
    return VARVE_OK;
}
