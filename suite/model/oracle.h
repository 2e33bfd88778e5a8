/* oracle.h - what must come out of a schedule: the verdict over a run, and the run by definition.
 *
 * sm_judge takes what an engine answered and says whether each committed transaction kept the level it was served at,
 * whether all of them are strict serializable, and whether the final state is explained (model/replay.h). It is the
 * predicate of allowed outcomes: a run is allowed exactly when `safe`.
 *
 * sm_run carries an interleaving out on the plainest multi-version store there is (a list of whole states, one for each
 * commit) with the levels as they are defined and nobody waiting: reads are of the state at the begin (read committed:
 * at the statement), and commit refuses what the level does not allow. With it one shows that a level permits an
 * anomaly, and that an abort was needless.
 *
 * Declared rules of a table are not modelled. gc, split, checkpoint and switch do nothing here; crash ends what is
 * open. Thread rule: any number of calls at once; nothing is kept. SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_ORACLE_H
#define VARVE_SUITE_ORACLE_H

#include "model/replay.h"

/* --- verdict ------------------------------------------------------------------------------------------------------ */

struct sm_verdict {
    bool safe;   /* every committed transaction keeps its served level at its place in the commit order, and the final
                    state is what the commits give */
    bool serial; /* some order of the committed transactions that keeps real time gives every answer and the final
                    state; implied by `safe` where all are served as serializable */
    enum smr_reason reason; /* SMR_FITS when safe */
    unsigned txn;           /* the culprit: index of a transaction, SS_TXNS_MAX = none */
    unsigned step;          /* the step whose answer does not fit, SS_STEPS_MAX = none */
    unsigned key;           /* the key of a final state that is not explained, SS_KEYS_MAX = none */
};

/* Rows of one statement below snapshot may come from several states: in 2pl, and after a switch to it. */
bool sm_tears(const struct ss_schedule *schedule, const char *scheme);
void sm_judge(const struct ss_schedule *schedule, const struct ss_run *run, bool tears, struct sm_verdict *verdict);
/* Which rule was broken, in words; "" when safe. Returns buffer. */
const char *sm_explain(const struct ss_schedule *schedule, const struct ss_run *run, const struct sm_verdict *verdict,
                       char *buffer, size_t buffer_bytes);

/* --- the run by definition ---------------------------------------------------------------------------------------- */

struct sm_way {
    varve_isolation level;         /* where a begin names none */
    const varve_isolation *levels; /* [txn_count] of each transaction, over all begins say; NULL: as they say */
    bool fresh_reads;              /* repeatable read and serializable read the newest state at each statement */
    bool first_committer_only;     /* commit looks at nothing but writers of the same key, and presence */
};
/* Runs steps in this order. *run is complete, but for rows and values that its answers do not have. */
void sm_run(const struct ss_schedule *schedule, const uint8_t *order, const struct sm_way *way, struct ss_run *run);

/* How many of the aborts in `run` were needless: the same interleaving with plain snapshot reads and the first
 * committer winning (at read committed: statement reads) commits everything, and what comes out is allowed at the
 * levels served, strict serializability at serializable. 0 or all of them. Aborts of the script's own do not count. */
unsigned sm_needless(const struct ss_schedule *schedule, const uint8_t *order, const struct ss_run *run);

#endif
