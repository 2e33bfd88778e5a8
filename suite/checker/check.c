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

/* The entry that each read was answered with, looked up once for all that ask: in blocks, so that the cache misses of
 * one read are waited for together with those of the others. */
enum { BLOCK = 64 };

static void find_block(struct ck_work *work, const uint64_t *ops, unsigned count, uint32_t *slots) {
    const struct ck_versions *v = work->versions;
    const struct hs_op *all = work->h->ops;
    for (unsigned i = 0; i < count; i++) {
        __builtin_prefetch(&v->start[all[ops[i]].key]);
        __builtin_prefetch(&v->end[all[ops[i]].key]);
        ck_position_fetch(work, all[ops[i]].version);
    }
    for (unsigned i = 0; i < count; i++) __builtin_prefetch(&v->entries[v->start[all[ops[i]].key]]);
    for (unsigned i = 0; i < count; i++) slots[ops[i]] = ck_find_entry(work, ops[i]);
}

static bool find_slots(struct ck_work *work) {
    const struct hs_history *h = work->h;
    uint64_t block[BLOCK];
    unsigned n = 0;
    if (!ck_versions_build(work)) return false;
    uint32_t *slots = ck_alloc(work, h->op_count, sizeof(*slots));
    if (slots == NULL) return false;
    for (size_t i = 0; i < h->op_count; i++) {
        const struct hs_op *op = &h->ops[i];
        bool reads = (op->kind == HS_READ || op->kind == HS_ROW || op->kind == HS_EXISTS) && (op->flags & HS_OWN) == 0;
        slots[i] = CK_NO_ENTRY;
        if (reads && op->version != 0) block[n++] = i;
        if (n < BLOCK) continue;
        find_block(work, block, n, slots);
        n = 0;
    }
    find_block(work, block, n, slots);
    work->slots = slots;
    return true;
}

static void explain_by_graph(struct ck_work *work) {
    struct ck_graph graph;
    uint64_t began = ck_now_ns();
    bool found = false;
    work->explaining = true;
    memset(&graph, 0, sizeof(graph));
    if (find_slots(work) && ck_graph_build(work, &graph)) {
        ck_pass(work, "graph", began, work->report->committed);
        began = ck_now_ns();
        found = ck_cycles(work, &graph);
        ck_pass(work, "cycles", began, work->report->committed);
    }
    ck_graph_release(work, &graph);
    ck_free(work, work->slots, work->h->op_count, sizeof(*work->slots));
    work->slots = NULL;
    if (!found && work->found) tone_down(work);
}

static void white_box(struct ck_work *work) {
    if (!ck_commits_init(work) || !ck_sessions_init(work) || !ck_sums(work)) return;
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
    else if (history->additions)
        snprintf(report->unknown, sizeof(report->unknown), "sums are no names of their writers: additions need stamps");
    else
        ck_black_box(&work);
    ck_versions_release(&work);
    ck_free(&work, work.session_at, history->txn_count, sizeof(*work.session_at));
    ck_commits_release(&work);
    ck_sums_release(&work);
    if (work.status != VARVE_OK) return work.status;
    report->verdict = work.found ? CK_VIOLATION : report->unknown[0] != 0 ? CK_UNKNOWN : CK_OK;
    return VARVE_OK;
}
