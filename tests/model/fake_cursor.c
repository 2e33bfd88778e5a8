/* fake_cursor.c - cursors of the fake engine: every move asks the model anew; see fake_varve.c.
 * SPDX-License-Identifier: MIT
 */
#include "model/fake_varve.h"

#include <stdlib.h>
#include <string.h>

static const varve_slice nothing = {NULL, 0};

static void free_cursor(varve_cursor *cursor) {
    free((void *)(uintptr_t)cursor->range.low.data);
    free((void *)(uintptr_t)cursor->range.high.data);
    free((void *)(uintptr_t)cursor->range.prefix.data);
    free(cursor);
}

void fake_cursors_free(varve_txn *txn) {
    while (txn->cursors != NULL) {
        varve_cursor *cursor = txn->cursors;
        txn->cursors = cursor->next;
        free_cursor(cursor);
    }
}

static varve_slice kept(varve_slice bytes) {
    void *copy = bytes.data == NULL ? NULL : malloc(bytes.size + 1);
    if (copy != NULL)
        memcpy(copy, bytes.data, bytes.size);
    return VARVE_SLICE(copy, bytes.size);
}

int varve_cursor_open(varve_txn *txn, varve_table *t, const varve_range *range, varve_cursor **out) {
    int status = t == NULL || !t->live || out == NULL ? VARVE_INVALID : fake_enter(txn);
    if (status != VARVE_OK)
        return status;
    varve_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return fake_leave(txn, VARVE_NOMEM);
    cursor->txn = txn;
    cursor->table = t;
    cursor->live = true;
    cursor->place = -1;
    if (range != NULL) {
        cursor->range = *range;
        cursor->range.low = kept(range->low);
        cursor->range.high = kept(range->high);
        cursor->range.prefix = kept(range->prefix);
    }
    model_pin(txn->model);
    cursor->next = txn->cursors;
    txn->cursors = cursor;
    *out = cursor;
    return fake_leave(txn, VARVE_OK);
}

/* Looks from `key` and stands on what is found; with nothing there it stands past the end looked towards. */
static int walk(varve_cursor *c, enum model_seek how, varve_slice key, varve_slice *key_out, varve_slice *value_out) {
    struct model_row row, beyond;
    int status = c == NULL ? VARVE_INVALID : fake_enter(c->txn);
    if (status != VARVE_OK)
        return status;
    bool upward = how == MODEL_FIRST || how == MODEL_GE || how == MODEL_GT;
    status = model_seek(c->txn->model, c->table->slot, &c->range, how, key, &row);
    if (status == VARVE_OK && c->txn->db->fault == FAULT_SCAN && how == MODEL_GT &&
        model_seek(c->txn->model, c->table->slot, &c->range, MODEL_GT, row.key, &beyond) != VARVE_OK)
        status = VARVE_END;
    c->place = status == VARVE_OK ? 0 : upward != c->range.reverse ? 1 : -1;
    if (status == VARVE_OK) {
        c->at = row.key;
        *key_out = row.key;
        *value_out = row.value;
    }
    return fake_leave(c->txn, status);
}

static int step(varve_cursor *c, bool forward, varve_slice *key, varve_slice *value) {
    if (c == NULL)
        return VARVE_INVALID;
    bool upward = forward != c->range.reverse;
    if (c->place == (forward ? 1 : -1))
        return VARVE_END;
    if (c->place != 0)
        return walk(c, upward ? MODEL_FIRST : MODEL_LAST, nothing, key, value);
    return walk(c, upward ? MODEL_GT : MODEL_LT, c->at, key, value);
}

int varve_cursor_next(varve_cursor *c, varve_slice *key, varve_slice *value) {
    if (c != NULL && c->range.limit > 0 && c->given >= c->range.limit)
        return VARVE_END;
    int status = step(c, true, key, value);
    if (status == VARVE_OK)
        c->given++;
    return status;
}

int varve_cursor_prev(varve_cursor *c, varve_slice *key, varve_slice *value) {
    return step(c, false, key, value);
}

int varve_cursor_first(varve_cursor *c, varve_slice *key, varve_slice *value) {
    return walk(c, c != NULL && c->range.reverse ? MODEL_LAST : MODEL_FIRST, nothing, key, value);
}

int varve_cursor_last(varve_cursor *c, varve_slice *key, varve_slice *value) {
    return walk(c, c != NULL && c->range.reverse ? MODEL_FIRST : MODEL_LAST, nothing, key, value);
}

int varve_cursor_seek_ge(varve_cursor *c, varve_slice target, varve_slice *key, varve_slice *value) {
    return walk(c, MODEL_GE, target, key, value);
}

int varve_cursor_seek_le(varve_cursor *c, varve_slice target, varve_slice *key, varve_slice *value) {
    return walk(c, MODEL_LE, target, key, value);
}

void varve_cursor_close(varve_cursor *c) {
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->txn->db->mutex);
    varve_cursor **link = &c->txn->cursors;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    if (c->txn->live)
        model_unpin(c->txn->model);
    pthread_mutex_unlock(&c->txn->db->mutex);
    free_cursor(c);
}
