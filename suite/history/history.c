/* history.c - the columns of a history: adding to them, growing them, how much they hold.
 *
 * Thread rule: one thread at a time. Invariants: (1) an addition either is complete or has changed nothing but a
 * capacity; (2) the operations of a transaction are added after it and before the next one, so they stand together;
 * (3) a column of 1 MiB or more is a mapping of its own, which grows by being moved and not by being copied, so that a
 * large history never stands in memory twice; smaller ones are the C library's.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "history/history_int.h"

enum { DOUBLE_UP_TO = 1 << 16, FIRST_CAPACITY = 16, MAPPED_FROM = 1 << 20 };

int hs_bad(struct hs_problem *problem, uint64_t line, const char *format, ...) {
    if (problem == NULL) return VARVE_INVALID;
    va_list arguments;
    va_start(arguments, format);
    problem->line = line;
    vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
    return VARVE_INVALID;
}

void hs_init(struct hs_history *history) { *history = (struct hs_history){.shape = HS_REGISTERS}; }

void hs_release(struct hs_history *history) {
    hs_column_free(history->txns, history->txn_capacity, sizeof *history->txns);
    hs_column_free(history->ops, history->op_capacity, sizeof *history->ops);
    hs_column_free(history->ranges, history->range_capacity, sizeof *history->ranges);
    hs_column_free(history->keys, history->key_capacity, sizeof *history->keys);
    hs_column_free(history->key_bytes, history->key_bytes_capacity, 1);
    hs_column_free(history->lists, history->list_capacity, sizeof *history->lists);
    free(history->key_rank);
    free(history->key_order);
    hs_index_free(history->index);
    hs_init(history);
}

uint64_t hs_memory(const struct hs_history *h) {
    uint64_t bytes = h->txn_capacity * sizeof *h->txns + h->op_capacity * sizeof *h->ops +
                     h->range_capacity * sizeof *h->ranges + h->key_capacity * sizeof *h->keys + h->key_bytes_capacity +
                     h->list_capacity * sizeof *h->lists + hs_index_memory(h->index);
    if (h->key_rank != NULL) bytes += 2 * h->key_count * sizeof *h->key_rank;
    return bytes;
}

/* --- columns ------------------------------------------------------------------------------------------------------ */

static void *map(void *column, size_t old_bytes, size_t bytes) {
    void *mapped = old_bytes < MAPPED_FROM
                       ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                       : mremap(column, old_bytes, bytes, MREMAP_MAYMOVE);
    return mapped == MAP_FAILED ? NULL : mapped;
}

/* From one size to another, whichever side of MAPPED_FROM they are on. NULL: the column is as it was. */
static void *resize(void *column, size_t old_bytes, size_t bytes) {
    if (old_bytes < MAPPED_FROM && bytes < MAPPED_FROM) return realloc(column, bytes);
    if (bytes >= MAPPED_FROM && old_bytes >= MAPPED_FROM) return map(column, old_bytes, bytes);
    void *resized = bytes >= MAPPED_FROM ? map(NULL, 0, bytes) : malloc(bytes);
    if (resized == NULL) return NULL;
    if (old_bytes != 0) memcpy(resized, column, old_bytes < bytes ? old_bytes : bytes);
    hs_column_free(column, old_bytes, 1);
    return resized;
}

void hs_column_free(void *column, size_t capacity, size_t element_bytes) {
    if (capacity * element_bytes >= MAPPED_FROM)
        munmap(column, capacity * element_bytes);
    else
        free(column);
}

int hs_grow(void **column, size_t *capacity, size_t needed, size_t element_bytes) {
    if (needed <= *capacity) return VARVE_OK;
    size_t wanted = *capacity < FIRST_CAPACITY ? FIRST_CAPACITY : *capacity;
    while (wanted < needed) {
        size_t more = wanted < DOUBLE_UP_TO ? wanted : wanted / 4;
        if (more > SIZE_MAX / element_bytes - wanted) return VARVE_NOMEM;
        wanted += more;
    }
    void *grown = resize(*column, *capacity * element_bytes, wanted * element_bytes);
    if (grown == NULL) return VARVE_NOMEM;
    *column = grown;
    *capacity = wanted;
    return VARVE_OK;
}

void hs_column_trim(void **column, size_t *capacity, size_t count, size_t element_bytes) {
    if (count == 0 || count == *capacity) return;
    void *smaller = resize(*column, *capacity * element_bytes, count * element_bytes);
    if (smaller == NULL) return;
    *column = smaller;
    *capacity = count;
}

/* --- additions ---------------------------------------------------------------------------------------------------- */

int hs_txn_add(struct hs_history *h, const struct hs_txn *txn) {
    if (h->txn_count >= UINT32_MAX - 1) return VARVE_NOMEM;
    int status = hs_grow((void **)&h->txns, &h->txn_capacity, h->txn_count + 1, sizeof *h->txns);
    if (status != VARVE_OK) return status;
    struct hs_txn *added = &h->txns[h->txn_count++];
    *added = *txn;
    added->first_op = h->op_count;
    added->op_count = 0;
    return VARVE_OK;
}

int hs_op_add(struct hs_history *h, const struct hs_op *op) {
    struct hs_txn *txn = &h->txns[h->txn_count - 1];
    if (txn->op_count == UINT32_MAX) return VARVE_NOMEM;
    int status = hs_grow((void **)&h->ops, &h->op_capacity, h->op_count + 1, sizeof *h->ops);
    if (status != VARVE_OK) return status;
    h->ops[h->op_count++] = *op;
    txn->op_count++;
    return VARVE_OK;
}

int hs_range_add(struct hs_history *h, const struct hs_range *range, uint32_t *index) {
    if (h->range_count >= UINT32_MAX - 1) return VARVE_NOMEM;
    int status = hs_grow((void **)&h->ranges, &h->range_capacity, h->range_count + 1, sizeof *h->ranges);
    if (status != VARVE_OK) return status;
    *index = (uint32_t)h->range_count;
    h->ranges[h->range_count++] = *range;
    return VARVE_OK;
}

int hs_list_add(struct hs_history *h, const int64_t *elements, size_t count, uint64_t *offset) {
    int status = hs_grow((void **)&h->lists, &h->list_capacity, h->list_count + count, sizeof *h->lists);
    if (status != VARVE_OK) return status;
    *offset = h->list_count;
    if (count != 0) memcpy(h->lists + h->list_count, elements, count * sizeof *elements);
    h->list_count += count;
    return VARVE_OK;
}
