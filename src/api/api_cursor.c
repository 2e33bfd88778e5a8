/* api_cursor.c - the cursor family.
 *
 * SPDX-License-Identifier: MIT
 */
#include "api/api_int.h"
#include "base/check.h"

int varve_cursor_open(varve_txn *txn, varve_table *t, const varve_range *range, varve_cursor **cursor) {
    VB_TRY(api_check_txn(txn));
    if (t == NULL || cursor == NULL)
        return vtx_refuse(txn, VARVE_INVALID, VARVE_REASON_CALLER, "cursor_open: table or cursor is NULL");
    return vtx_cursor_open(txn, t, range, cursor);
}

static int move(varve_cursor *c, enum vtx_move how, varve_slice target, varve_slice *key, varve_slice *value) {
    if (c == NULL) return VARVE_INVALID;
    varve_txn *txn = vtx_cursor_txn(c);
    if (txn == NULL) return VARVE_MISUSE;
    VB_TRY(api_check_txn(txn));
    if ((how == VTX_SEEK_GE || how == VTX_SEEK_LE) && target.data == NULL)
        return vtx_refuse(txn, VARVE_INVALID, VARVE_REASON_CALLER, "seek: the target is NULL");
    return vtx_cursor_move(c, how, target, key, value);
}

static const varve_slice nowhere;

int varve_cursor_next(varve_cursor *c, varve_slice *key, varve_slice *value) {
    return move(c, VTX_NEXT, nowhere, key, value);
}
int varve_cursor_prev(varve_cursor *c, varve_slice *key, varve_slice *value) {
    return move(c, VTX_PREV, nowhere, key, value);
}
int varve_cursor_first(varve_cursor *c, varve_slice *key, varve_slice *value) {
    return move(c, VTX_FIRST, nowhere, key, value);
}
int varve_cursor_last(varve_cursor *c, varve_slice *key, varve_slice *value) {
    return move(c, VTX_LAST, nowhere, key, value);
}

int varve_cursor_seek_ge(varve_cursor *c, varve_slice target, varve_slice *key, varve_slice *value) {
    return move(c, VTX_SEEK_GE, target, key, value);
}

int varve_cursor_seek_le(varve_cursor *c, varve_slice target, varve_slice *key, varve_slice *value) {
    return move(c, VTX_SEEK_LE, target, key, value);
}

void varve_cursor_close(varve_cursor *c) {
    if (c == NULL || vtx_cursor_txn(c) == NULL) return;
    if (api_check_txn(vtx_cursor_txn(c)) == VARVE_OK) vtx_cursor_close(c);
}
