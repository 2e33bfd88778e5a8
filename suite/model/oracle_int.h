/* oracle_int.h - a run in the form that replay.h judges, shared by the verdict and the count of needless aborts.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_ORACLE_INT_H
#define VARVE_SUITE_ORACLE_INT_H

#include "model/oracle.h"

/* Filled, never cleared. The history points into the schedule, the run and this. */
struct sm_history {
    struct smr_history history;
    unsigned op_count;
    struct smr_txn txns[SS_TXNS_MAX];
    struct smr_op ops[SS_STEPS_MAX];
    struct ss_row next_rows[SS_STEPS_MAX]; /* of cursors */
    uint8_t step_of[SS_STEPS_MAX];
};

void sm_history_of(const struct ss_schedule *schedule, const struct ss_run *run, bool tears, struct sm_history *h);
bool sm_all_at(const struct smr_history *history, varve_isolation level); /* all committed ones */

#endif
