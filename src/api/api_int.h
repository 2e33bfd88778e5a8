/* api_int.h - the checks every public call makes on its handles.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_API_API_INT_H
#define VARVE_API_API_INT_H

#include "db/db.h"
#include "txn/txn.h"
#include "varve.h"

/* OK, INVALID (NULL), MISUSE (a failed open) or FORKED. */
static inline int api_check_db(const varve_db *db) {
    if (db == NULL) return VARVE_INVALID;
    if (vdb_failed_open(db)) return VARVE_MISUSE;
    return vdb_forked(db) ? VARVE_FORKED : VARVE_OK;
}

/* The same for a transaction; MISUSE when it has ended. */
static inline int api_check_txn(const varve_txn *txn) {
    return txn != NULL ? vtx_check(txn) : VARVE_INVALID;
}

#endif
