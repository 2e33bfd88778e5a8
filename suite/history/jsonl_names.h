/* jsonl_names.h - the words of our JSON lines, for the reader and the writer. Private to history.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_JSONL_NAMES_H
#define VARVE_SUITE_JSONL_NAMES_H

#include "history/history.h"

enum { HS_OP_FLAGS = 7, HS_RANGE_FLAGS = 3, HS_TXN_FLAGS = 3, HS_LEVELS = 6, HS_OUTCOMES = 3 };

extern const char *const hs_kind_names[HS_KINDS];             /* [enum hs_kind] */
extern const char *const hs_op_flag_names[HS_OP_FLAGS];       /* bit by bit */
extern const char *const hs_range_flag_names[HS_RANGE_FLAGS]; /* bit by bit */
extern const char *const hs_txn_flag_names[HS_TXN_FLAGS];     /* bit by bit */
extern const char *const hs_level_names[HS_LEVELS];           /* [varve_isolation] */
extern const char *const hs_outcome_names[HS_OUTCOMES];       /* [enum hs_outcome] */

#endif
