/* api_kv.c - the row family.
 *
 * SPDX-License-Identifier: MIT
 */
#include "api/api_int.h"
#include "base/check.h"

/* The row operations look at the process and the transaction's state themselves. */
static int no_table(varve_txn *txn) {
    VB_TRY(api_check_txn(txn));
    return vtx_refuse(txn, VARVE_INVALID, VARVE_REASON_CALLER, "a table or an output parameter is NULL");
}

static int get(varve_txn *txn, varve_table *t, varve_slice key, enum vtx_get_mode mode, varve_slice *value) {
    if (vb_unlikely(txn == NULL || t == NULL || value == NULL)) return no_table(txn);
    return vtx_get(txn, t, key, mode, value);
}

int varve_get(varve_txn *txn, varve_table *t, varve_slice key, varve_slice *value) {
    return get(txn, t, key, VTX_GET, value);
}

int varve_get_for_update(varve_txn *txn, varve_table *t, varve_slice key, varve_slice *value) {
    return get(txn, t, key, VTX_GET_FOR_UPDATE, value);
}

int varve_contains(varve_txn *txn, varve_table *t, varve_slice key) {
    if (vb_unlikely(txn == NULL || t == NULL)) return no_table(txn);
    return vtx_get(txn, t, key, VTX_CONTAINS, NULL);
}

int varve_get_many(varve_txn *txn, varve_table *t, const varve_slice *keys, varve_slice *values, int *statuses,
                   size_t count) {
    if (txn == NULL || t == NULL || (count != 0 && (keys == NULL || values == NULL || statuses == NULL))) return no_table(txn);
    return vtx_get_many(txn, t, keys, values, statuses, count);
}

static int write(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value, enum vtx_write_mode mode) {
    if (vb_unlikely(txn == NULL || t == NULL)) return no_table(txn);
    return vtx_write(txn, t, key, value, mode);
}

int varve_put(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value) {
    return write(txn, t, key, value, VTX_PUT);
}
int varve_insert(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value) {
    return write(txn, t, key, value, VTX_INSERT);
}
int varve_update(varve_txn *txn, varve_table *t, varve_slice key, varve_slice value) {
    return write(txn, t, key, value, VTX_UPDATE);
}
int varve_delete(varve_txn *txn, varve_table *t, varve_slice key) {
    return write(txn, t, key, VARVE_SLICE(NULL, 0), VTX_DELETE);
}

int varve_delete_range(varve_txn *txn, varve_table *t, const varve_range *range, uint64_t *count) {
    if (vb_unlikely(txn == NULL || t == NULL)) return no_table(txn);
    return vtx_delete_range(txn, t, range, count);
}

int varve_add(varve_txn *txn, varve_table *t, varve_slice key, int64_t delta) {
    if (vb_unlikely(txn == NULL || t == NULL)) return no_table(txn);
    return vtx_add(txn, t, key, delta);
}
