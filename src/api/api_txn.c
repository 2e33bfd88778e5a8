/* api_txn.c - the transaction family.
 *
 * SPDX-License-Identifier: MIT
 */
#include "api/api_int.h"
#include "base/check.h"

int varve_begin(varve_db *db, const varve_txn_options *options, varve_txn **txn) {
    VB_TRY(api_check_db(db));
    if (txn == NULL) return vdb_refuse(db, VARVE_INVALID, "begin: txn is NULL");
    struct vk_detail detail;
    vk_detail_init(&detail);
    int status = vtx_begin(vdb_pool(db), options, txn, &detail);
    return vb_likely(status == VARVE_OK) ? VARVE_OK : vdb_take_detail(db, &detail, status);
}

int varve_commit(varve_txn *txn) {
    VB_TRY(api_check_txn(txn));
    return vtx_commit(txn);
}

void varve_abort(varve_txn *txn) {
    if (api_check_txn(txn) == VARVE_OK) vtx_abort(txn);
}

int varve_savepoint(varve_txn *txn, unsigned *mark) {
    VB_TRY(api_check_txn(txn));
    if (mark == NULL) return vtx_refuse(txn, VARVE_INVALID, VARVE_REASON_CALLER, "savepoint: mark is NULL");
    return vtx_savepoint(txn, mark);
}

int varve_rollback_to(varve_txn *txn, unsigned mark) {
    VB_TRY(api_check_txn(txn));
    return vtx_rollback_to(txn, mark);
}

varve_isolation varve_txn_effective_isolation(const varve_txn *txn) {
    return txn != NULL ? vtx_effective(txn) : VARVE_ISOLATION_DEFAULT;
}

uint64_t varve_txn_id(const varve_txn *txn) { return txn != NULL ? vtx_id(txn) : 0; }

const char *varve_txn_error(const varve_txn *txn) { return txn != NULL ? vtx_error_text(txn) : "no transaction"; }

int varve_run(varve_db *db, const varve_txn_options *options, varve_txn_fn fn, void *arg) {
    VB_TRY(api_check_db(db));
    if (fn == NULL) return vdb_refuse(db, VARVE_INVALID, "run: fn is NULL");
    struct vk_detail detail;
    vk_detail_init(&detail);
    int status = vtx_run(vdb_pool(db), options, fn, arg, &detail);
    if (vb_unlikely(detail.text[0] != 0)) return vdb_take_detail(db, &detail, status);
    return status;
}
