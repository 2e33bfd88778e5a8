/* history.c - the columns of a history: adding to them, growing them, how much they hold.
 *
 * Thread rule: one thread at a time. Invariants: (1) an addition either is complete or has changed nothing but a
 * capacity; (2) the operations of a transaction are added after it and before the next one, so they stand together.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "history/history_int.h"

enum { DOUBLE_UP_TO = 1 << 16, FIRST_CAPACITY = 16 };

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
    free(history->txns);
    free(history->ops);
    free(history->ranges);
    free(history->keys);
    free(history->key_bytes);
    free(history->key_rank);
    free(history->key_order);
    free(history->lists);
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

int hs_grow(void **column, size_t *capacity, size_t needed, size_t element_bytes) {
    if (needed <= *capacity) return VARVE_OK;
    size_t wanted = *capacity < FIRST_CAPACITY ? FIRST_CAPACITY : *capacity;
    while (wanted < needed) {
        size_t more = wanted < DOUBLE_UP_TO ? wanted : wanted / 4;
        if (more > SIZE_MAX / element_bytes - wanted) return VARVE_NOMEM;
        wanted += more;
    }
    void *grown = realloc(*column, wanted * element_bytes);
    if (grown == NULL) return VARVE_NOMEM;
    *column = grown;
    *capacity = wanted;
    return VARVE_OK;
}

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
