/* blackbox.c - judges a history by its values: infers who read whom and in which order versions came, then asks the
 * graph.
 *
 * Steps. 1. Values name their writers; what has no committed writer is a finding. 2. Lists, or chains of updates, give
 * the order of versions of most keys. 3. The graph of what is known for certain: a cycle there is a finding. 4. For
 * keys whose order is not known a guess: an order in which what is known for certain can be worked off, earliest end
 * first. If the whole is then without a cycle, that order is a witness and the history is legal. 5. Else a search over
 * the orders that are left, with a bound; when it is hit the answer is unknown.
 *
 * Sources: Biswas and Enea, On the Complexity of Checking Transactional Consistency, OOPSLA 2019 (why a search is
 * needed); Tan et al., Cobra, OSDI 2020 (polygraphs, pruning by what is known).
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/blackbox.h"

static void undecided(struct ck_work *work, const char *why) {
    if (work->report->unknown[0] == 0) snprintf(work->report->unknown, sizeof(work->report->unknown), "%s", why);
}

static bool any_unordered(const struct ck_blackbox *b) {
    for (size_t w = 0; w < b->work->h->key_count / 64 + 1; w++)
        if (b->partial.unordered[w] != 0) return true;
    return false;
}

/* Whether an order that is not known can matter. Elements that nobody read follow what is known in any order that the
 * rest leaves, so for lists only where the first committer of two must win. */
static bool order_matters(const struct ck_blackbox *b) {
    const struct ck_work *work = b->work;
    bool matters = work->h->shape != HS_LISTS;
    for (size_t t = 0; t < work->h->txn_count && !matters; t++)
        matters = ck_level(work, &work->h->txns[t]) == VARVE_SNAPSHOT;
    return matters && any_unordered(b);
}

/* Whether all keys in an order of the known graph are without a cycle. */
static bool guess_holds(struct ck_blackbox *b, const struct ck_graph *known) {
    struct ck_work *work = b->work;
    const struct hs_history *h = work->h;
    size_t slots = h->op_count, entries = work->versions->count;
    uint32_t *rank = ck_zalloc(work, h->txn_count, sizeof(*rank));
    uint32_t *kept = ck_alloc(work, slots + entries, sizeof(*kept));
    struct ck_graph full;
    bool holds = false;
    memset(&full, 0, sizeof(full));
    if (work->status == VARVE_OK) {
        memcpy(kept, work->slots, slots * sizeof(*kept));
        memcpy(kept + slots, work->versions->entries, entries * sizeof(*kept));
        if (ck_guess(b, known, rank) && ck_registers_settle(b, rank) && ck_graph_build(work, &full)) {
            uint32_t *component = ck_alloc(work, full.points, sizeof(*component));
            holds = component != NULL && !ck_components(work, &full, UINT32_MAX, component);
            ck_free(work, component, full.points, sizeof(*component));
        }
        ck_graph_release(work, &full);
        memcpy(work->slots, kept, slots * sizeof(*kept));
        memcpy(work->versions->entries, kept + slots, entries * sizeof(*kept));
        work->partial = &b->partial;
    }
    ck_free(work, rank, h->txn_count, sizeof(*rank));
    ck_free(work, kept, slots + entries, sizeof(*kept));
    return holds;
}

/* --- all
 * ------------------------------------------------------------------------------------------------------------------ */

/* With the orders that readers tell, which would make any cycle look worse than it is, the guess is a better one. */
static bool guess_with_hints(struct ck_blackbox *b) {
    struct ck_work *work = b->work;
    struct ck_graph graph;
    size_t known = b->pair_count;
    bool holds = false;
    memset(&graph, 0, sizeof(graph));
    if (work->h->shape == HS_REGISTERS) ck_registers_hints(b);
    if (ck_partial_build(b) && ck_graph_build(work, &graph)) {
        uint32_t *component = ck_alloc(work, graph.points, sizeof(*component));
        bool cyclic = component == NULL || ck_components(work, &graph, UINT32_MAX, component);
        ck_free(work, component, graph.points, sizeof(*component));
        holds = !cyclic && guess_holds(b, &graph);
    }
    ck_graph_release(work, &graph);
    b->pair_count = known;
    return ck_partial_build(b) && holds;
}

static void decide(struct ck_blackbox *b, const struct ck_graph *known) {
    struct ck_work *work = b->work;
    uint64_t began = ck_now_ns();
    if (ck_cycles(work, known) || work->found || !order_matters(b)) {
        ck_pass(work, "cycles", began, work->report->committed);
        return;
    }
    bool legal = guess_with_hints(b);
    ck_pass(work, "guess", began, work->report->committed);
    if (legal || work->status != VARVE_OK) return;
    began = ck_now_ns();
    if (ck_search_orders(b, known) == CK_SEARCH_GAVE_UP)
        undecided(work, "the orders of versions that are left are too many to be searched");
    ck_pass(work, "search", began, work->report->committed);
}

static void judge_graph(struct ck_blackbox *b) {
    struct ck_work *work = b->work;
    struct ck_graph graph;
    uint64_t began = ck_now_ns();
    if (ck_graph_build(work, &graph)) {
        ck_pass(work, "graph", began, work->report->committed);
        decide(b, &graph);
    }
    ck_graph_release(work, &graph);
}

/* Something was found with real time or sessions: is there anything in the data alone? If not, it was they that left no
 * order of versions, whatever the cycle is that is shown. known: how many pairs were known before anything was tried. */
static void judge_without_time(struct ck_blackbox *b, size_t known) {
    struct ck_work *work = b->work;
    struct ck_finding kept = work->report->finding;
    bool strict = work->strict, sessions = work->sessions;
    if (!work->found || (!strict && !sessions) || work->status != VARVE_OK || !order_matters(b)) return;
    b->pair_count = known;
    if (!ck_partial_build(b)) return;
    work->strict = work->sessions = work->found = false;
    memset(&work->report->finding, 0, sizeof(kept));
    judge_graph(b);
    work->strict = strict;
    work->sessions = sessions;
    if (work->found || work->status != VARVE_OK) return;
    work->found = true;
    work->report->finding = kept;
    work->report->unknown[0] = 0;
    if (kept.anomaly >= CK_REAL_TIME) return;
    work->report->finding.anomaly = strict ? CK_REAL_TIME : CK_SESSION;
    ck_say(&work->report->finding, "orders of versions that explain all that was read do not keep %s",
           strict ? "real time" : "the order of each session");
}

static void judge(struct ck_blackbox *b) {
    struct ck_work *work = b->work;
    uint64_t began = ck_now_ns();
    size_t ops = work->h->op_count;
    work->slots = ck_alloc(work, ops, sizeof(*work->slots));
    b->partial.unordered = ck_zalloc(work, work->h->key_count / 64 + 1, sizeof(*b->partial.unordered));
    if (work->status != VARVE_OK) return;
    memset(work->slots, 0xff, ops * sizeof(*work->slots));
    if (work->h->shape == HS_LISTS)
        ck_lists_resolve(b);
    else
        ck_registers_resolve(b);
    ck_pass(work, "values", began, work->report->committed);
    if (work->status != VARVE_OK || b->twice || !ck_partial_build(b)) return;
    work->explaining = true;
    bool before = work->found;
    size_t known = b->pair_count;
    judge_graph(b);
    if (!before) judge_without_time(b, known);
    if (b->ambiguous && !work->found)
        undecided(work,
                  "a key was found absent, or there, that is also deleted or written again: which of its states was "
                  "seen cannot be told without versions");
}

void ck_black_box(struct ck_work *work) {
    struct ck_blackbox b = {.work = work};
    size_t txns = work->h->txn_count, ops = work->h->op_count;
    if (ck_values_build(&b) && ck_sessions_init(work)) {
        ck_blackbox_positions(&b);
        if (work->status == VARVE_OK) ck_pass_internal(work);
        if (work->status == VARVE_OK) judge(&b);
    }
    work->partial = NULL;
    ck_free(work, b.table, b.table_size, sizeof(*b.table));
    ck_free(work, b.owner, ops, sizeof(*b.owner));
    ck_free(work, b.position, txns, sizeof(*b.position));
    ck_free(work, b.partial.unordered, work->h->key_count / 64 + 1, sizeof(*b.partial.unordered));
    if (work->versions != NULL)
        ck_free(work, b.partial.later_start, work->versions->count + 1, sizeof(*b.partial.later_start));
    ck_free(work, b.partial.later, b.partial.later_count, sizeof(*b.partial.later));
    ck_free(work, b.pairs, b.pair_capacity, sizeof(*b.pairs));
    ck_free(work, work->slots, ops, sizeof(*work->slots));
    ck_free(work, work->txn_at, txns + 1, sizeof(*work->txn_at));
    work->slots = work->txn_at = NULL;
}
