/* judging.c - what one run amounts to: the anomaly, what the model and the checker say, and how an anomaly was kept away.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "checker/checker.h"
#include "model/oracle.h"
#include "model/sm_contract.h"
#include "report/matrix_int.h"

struct sr_judge {
    struct hs_problem problem;
    struct ck_report report;
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

static void ask_model(const struct sr_subject *subject, struct sr_verdict *verdict) {
    struct sm_verdict model;
    bool tears = sm_tears(subject->schedule, subject->pair->scheme);
    sm_judge(subject->schedule, subject->run, tears, &model);
    verdict->anomaly = ss_is_anomaly(subject->schedule, subject->run, !model.serial);
    verdict->mismatch = !model.safe;
    if (!model.safe) (void)sm_explain(subject->schedule, subject->run, &model, verdict->text, sizeof verdict->text);
    if (verdict->aborts != 0) verdict->needless = sm_needless(subject->schedule, subject->order, subject->run);
}

/* The checker knows nothing of the model: stamps and versions instead of answers. */
static int ask_checker(struct sr_judge *judge, const struct sr_subject *subject, struct sr_verdict *verdict) {
    struct hs_history history;
    struct ck_options options = {.level = subject->pair->served, .strict = true, .sessions = true};
    int status = st_history(subject->stage, subject->schedule, subject->run, &history, &judge->problem);
    if (status == VARVE_INVALID) return VARVE_OK; /* a step that no history can hold */
    if (status != VARVE_OK) return status;
    status = ck_check(&history, &options, &judge->report);
    bool violated = status == VARVE_OK && judge->report.verdict == CK_VIOLATION;
    if (violated != verdict->mismatch) {
        verdict->disagreed = true;
        size_t used = strlen(verdict->text);
        snprintf(verdict->text + used, sizeof verdict->text - used, "%sthe checker finds %s: %.150s",
                 used != 0 ? "; " : "", violated ? ck_anomaly_name(judge->report.finding.anomaly) : "nothing",
                 judge->report.finding.proof);
    }
    hs_release(&history);
    return status;
}

int sr_judge_run(struct sr_judge *judge, const struct sr_subject *subject, struct sr_verdict *verdict) {
    memset(verdict, 0, sizeof *verdict);
    count_txns(subject->schedule, subject->run, verdict);
    verdict->ways = ways_of(subject->schedule, subject->run);
    ask_model(subject, verdict);
    return ask_checker(judge, subject, verdict);
}

/* --- the contract ------------------------------------------------------------------------------------------------- */

enum sr_demand sr_contract_of(const char *id, const struct sr_pair *pair) {
    const struct sm_phenomenon *phenomenon = sm_phenomenon_find(id);
    if (phenomenon == NULL) return SR_FREE;
    switch (sm_promised(phenomenon, pair->asked, (unsigned)ss_scheme_find(pair->scheme))) {
    case SM_MUST_NOT: return SR_MUST_NOT;
    case SM_MUST_SHOW: return SR_MUST_SHOW;
    case SM_NOT_APPLICABLE: return SR_NOT_APPLICABLE;
    default: return SR_FREE;
    }
}

const char *sr_title_of(const char *id, unsigned *place) {
    const struct sm_phenomenon *phenomenon = sm_phenomenon_find(id);
    if (phenomenon == NULL) return NULL;
    *place = (unsigned)(phenomenon - sm_phenomena);
    return phenomenon->name;
}
