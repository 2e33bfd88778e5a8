/* judging.c - what one run amounts to: the anomaly, what the model and the checker say, and how an anomaly was kept away.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "report/matrix_int.h"

struct sr_judge {
    struct hs_problem problem;
};

int sr_judge_open(struct sr_judge **judge) {
    *judge = calloc(1, sizeof **judge);
    return *judge != NULL ? VARVE_OK : VARVE_NOMEM;
}

void sr_judge_close(struct sr_judge *judge) { free(judge); }

static unsigned way_of_reason(const struct ss_txn_end *end) {
    if (end->status == VARVE_DEADLOCK) return 1u << SR_VICTIM;
    switch (end->reason) {
    case VARVE_REASON_READ:
    case VARVE_REASON_PHANTOM:
    case VARVE_REASON_STALE: return 1u << SR_VALIDATED;
    case VARVE_REASON_WRITE_WRITE: return 1u << SR_FIRST_COMMITTER;
    case VARVE_REASON_PRECONDITION: return 1u << SR_PRECONDITION;
    default: return 0;
    }
}

static unsigned ways_of(const struct ss_schedule *schedule, const struct ss_run *run) {
    unsigned ways = 0;
    for (unsigned t = 0; t < schedule->txn_count; t++)
        if (run->txns[t].begun && !run->txns[t].committed) ways |= way_of_reason(&run->txns[t]);
    for (unsigned i = 0; i < schedule->step_count; i++) {
        if (run->answers[i].status == VARVE_CONSTRAINT) ways |= 1u << SR_RULE;
        if (run->answers[i].waited != SS_NO_WAIT && ways == 0) ways |= 1u << SR_WAITED;
    }
    return ways != 0 ? ways : 1u << SR_OLDER;
}

/* Whether the schedule has its transaction commit: an abort it asks for is no refusal. */
static void count_txns(const struct ss_schedule *schedule, const struct ss_run *run, struct sr_verdict *verdict) {
    for (unsigned t = 0; t < schedule->txn_count; t++) {
        const struct ss_txn_end *end = &run->txns[t];
        if (!end->begun || (!end->committed && end->status == VARVE_OK)) continue;
        verdict->txns++;
        verdict->aborts += !end->committed;
        verdict->victims += end->status == VARVE_DEADLOCK;
    }
}

int sr_judge_run(struct sr_judge *judge, const struct st_stage *stage, const struct ss_schedule *schedule,
                 const struct ss_run *run, varve_isolation served, struct sr_verdict *verdict) {
    (void)judge, (void)stage, (void)served;
    memset(verdict, 0, sizeof *verdict);
    count_txns(schedule, run, verdict);
    verdict->anomaly = ss_is_anomaly(schedule, run, false);
    verdict->ways = ways_of(schedule, run);
    return VARVE_OK;
}

enum sr_demand sr_contract_of(const char *id, const struct sr_pair *pair) {
    (void)id, (void)pair;
    return SR_FREE;
}

const char *sr_title_of(const char *id, unsigned *place) {
    (void)id, (void)place;
    return NULL;
}
