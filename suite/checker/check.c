/* check.c - the order of the passes, and the verdict.
 *
 * White box: the internal pass and the replay decide. Only what they find fault with is looked at again, to name the
 * worst thing the history shows.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/blackbox.h"

static bool any_uncommitted(const struct ck_work *work) {
    for (size_t t = 0; t < work->h->txn_count; t++)
        if (ck_level(work, &work->h->txns[t]) == VARVE_READ_UNCOMMITTED) return true;
    return false;
}

/* What the stamps contradict but the data do not: the order of commits was broken, and nobody could tell. */
static void tone_down(struct ck_work *work) {
    struct ck_finding *finding = &work->report->finding;
    if (finding->anomaly != CK_REAL_TIME && finding->anomaly != CK_SESSION) return;
    finding->anomaly = CK_ORDER;
    ck_say(finding, "what was read is explained by another order");
}

static void explain_by_graph(struct ck_work *work) {
    struct ck_graph graph;
    uint64_t began = ck_now_ns();
    bool found = false;
    work->explaining = true;
    if (ck_graph_build(work, &graph)) {
        ck_pass(work, "graph", began, work->report->committed);
        began = ck_now_ns();
        found = ck_cycles(work, &graph);
        ck_pass(work, "cycles", began, work->report->committed);
    }
    ck_graph_release(work, &graph);
    if (!found && work->found) tone_down(work);
}

static void white_box(struct ck_work *work) {
    if (!ck_commits_init(work) || !ck_sessions_init(work)) return;
    ck_pass_internal(work);
    if (work->status == VARVE_OK) ck_pass_stamps(work);
    if (work->status == VARVE_OK) ck_pass_replay(work);
    if (work->status == VARVE_OK && (work->broken || any_uncommitted(work))) ck_pass_reads(work);
    if (work->status == VARVE_OK && (work->broken || work->options.graph)) explain_by_graph(work);
}

int ck_check(const struct hs_history *history, const struct ck_options *options, struct ck_report *report) {
    struct ck_work work = {.h = history, .options = *options, .report = report};
    memset(report, 0, sizeof(*report));
    if (history->key_count != 0 && (history->key_rank == NULL || history->key_order == NULL)) return VARVE_INVALID;
    if (history->txn_count >= CK_NO_TXN) return VARVE_TOOBIG;
    if (work.options.level == VARVE_ISOLATION_DEFAULT) work.options.level = VARVE_SERIALIZABLE;
    work.strict = options->strict && history->timed;
    work.sessions = options->sessions && history->by_session;
    if (history->stamps && history->shape == HS_REGISTERS)
        white_box(&work);
    else
        ck_black_box(&work);
    ck_versions_release(&work);
    ck_free(&work, work.session_at, history->txn_count, sizeof(*work.session_at));
    ck_commits_release(&work);
    if (work.status != VARVE_OK) return work.status;
    report->verdict = work.found ? CK_VIOLATION : report->unknown[0] != 0 ? CK_UNKNOWN : CK_OK;
    return VARVE_OK;
}
