/* model.h - the reference model: what a transactional ordered map must answer, written for plainness.
 *
 * A model holds tables of keys; a key holds its list of committed versions {commit number, bytes or deleted}. A
 * transaction keeps its own writes in a list, newest last, and its reads in another. Every look-up walks these lists;
 * nothing is cached, merged or kept in two places. One thread at a time uses a model.
 *
 * What the levels mean here:
 *   read_committed    a statement sees the newest commit number at its start; between model_pin and model_unpin all
 *                     statements share one
 *   repeatable_read   reads at the begin (or, with model_set_fresh_reads, at the statement); commit refuses when a key
 *                     read has a newer version
 *   snapshot          reads at the begin; commit refuses when a key written has a newer version
 *   serializable      reads at the begin; commit refuses when a key or interval read has a newer version
 * read_uncommitted is served as read_committed. At every level commit refuses when an insert, update or delete
 * relied on a presence that the newest committed state does not have. Reads of existence alone hold while it is the
 * same. A read-only transaction reads at its begin and is never refused.
 *
 * Invariants: 1. versions of a key have strictly rising commit numbers. 2. keys of a table are strictly rising by
 * memcmp, shorter first. 3. bytes handed out stay where they are until model_free.
 *
 * No code is shared with the engine; of varve.h only types and status numbers are used.
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_MODEL_H
#define VARVE_SUITE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "varve.h"

enum { MODEL_TABLES = 16 };

struct model;
struct model_txn;

struct model_row {
    varve_slice key;
    varve_slice value;
};

/* Rows owned by the caller (model_rows_free); their bytes by the model. */
struct model_rows {
    struct model_row *items; /* [count] */
    size_t count;
    size_t capacity;
};

/* Where to look from a key, in key order. FIRST and LAST ignore the key. */
enum model_seek { MODEL_FIRST, MODEL_LAST, MODEL_GE, MODEL_GT, MODEL_LE, MODEL_LT };

int model_compare(varve_slice a, varve_slice b); /* memcmp order, shorter first */

struct model *model_create(void);
void model_free(struct model *model);
uint64_t model_commit_number(const struct model *model); /* of the last commit with writes; 0 = none */
void model_table_clear(struct model *model, unsigned table); /* drop: as if it had never held a row */

struct model_txn *model_begin(struct model *model, varve_isolation level, bool read_only);
void model_set_fresh_reads(struct model_txn *txn);
void model_pin(struct model_txn *txn);
void model_unpin(struct model_txn *txn);
/* Ends the transaction, whatever it returns: OK or CONFLICT. */
int model_commit(struct model_txn *txn);
void model_abort(struct model_txn *txn);
unsigned model_savepoint(struct model_txn *txn);
int model_rollback_to(struct model_txn *txn, unsigned mark); /* INVALID: no such mark, or ended by an outer one */

int model_get(struct model_txn *txn, unsigned table, varve_slice key, varve_slice *value);
int model_contains(struct model_txn *txn, unsigned table, varve_slice key);
int model_put(struct model_txn *txn, unsigned table, varve_slice key, varve_slice value);
int model_insert(struct model_txn *txn, unsigned table, varve_slice key, varve_slice value);
int model_update(struct model_txn *txn, unsigned table, varve_slice key, varve_slice value);
int model_delete(struct model_txn *txn, unsigned table, varve_slice key);
int model_add(struct model_txn *txn, unsigned table, varve_slice key, int64_t delta);
int model_delete_range(struct model_txn *txn, unsigned table, const varve_range *range, uint64_t *count);
/* The visible row of the range (its limit and direction aside) found from `key`: OK or END. */
int model_seek(struct model_txn *txn, unsigned table, const varve_range *range, enum model_seek how, varve_slice key,
               struct model_row *row);
/* Every row of the range in its direction, up to its limit. */
int model_scan(struct model_txn *txn, unsigned table, const varve_range *range, struct model_rows *rows);
void model_rows_free(struct model_rows *rows);

bool model_has_written(const struct model_txn *txn, unsigned table, varve_slice key);
/* No version of the key is newer than what the transaction would read now. */
bool model_reads_newest(const struct model_txn *txn, unsigned table, varve_slice key);
bool model_in_range(const varve_range *range, varve_slice key); /* bounds and prefix */

#endif
