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

/* --- the guess: Kahn's order of the known graph, the earliest end first
 * -------------------------------------------------- */

struct heap {
    struct ck_item *items;
    size_t count;
};

static void heap_push(struct heap *heap, struct ck_item item) {
    size_t i = heap->count++;
    for (; i > 0 && heap->items[(i - 1) / 2].key > item.key; i = (i - 1) / 2) heap->items[i] = heap->items[(i - 1) / 2];
    heap->items[i] = item;
}

static struct ck_item heap_pop(struct heap *heap) {
    struct ck_item top = heap->items[0], last = heap->items[--heap->count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < heap->count; i = child) {
        if (child + 1 < heap->count && heap->items[child + 1].key < heap->items[child].key) child++;
        if (heap->items[child].key >= last.key) break;
        heap->items[i] = heap->items[child];
    }
    heap->items[i] = last;
    return top;
}

static struct ck_item ready(const struct ck_work *work, const struct ck_graph *g, uint32_t point) {
    uint32_t txn = g->txn_of[point];
    uint64_t key = txn == CK_NO_TXN ? 0 : work->h->timed ? work->h->txns[txn].end : txn;
    return (struct ck_item){key, point, 0};
}

static void work_off(const struct ck_work *work, const struct ck_graph *g, uint32_t *waits, struct heap *heap,
                     uint32_t *rank) {
    uint32_t next_rank = 0;
    for (uint32_t p = 0; p < g->points; p++) {
        for (uint32_t e = g->edge_start[p]; e < g->edge_start[p + 1]; e++) waits[g->edge_to[e]]++;
        if (ck_next_point(g, p) != UINT32_MAX) waits[p + 1]++;
    }
    for (uint32_t p = 0; p < g->points; p++)
        if (waits[p] == 0) heap_push(heap, ready(work, g, p));
    while (heap->count != 0) {
        uint32_t p = heap_pop(heap).txn, next = ck_next_point(g, p);
        if (g->txn_of[p] != CK_NO_TXN && next == UINT32_MAX) rank[g->txn_of[p]] = next_rank++;
        for (uint32_t e = g->edge_start[p]; e < g->edge_start[p + 1]; e++)
            if (--waits[g->edge_to[e]] == 0) heap_push(heap, ready(work, g, g->edge_to[e]));
        if (next != UINT32_MAX && --waits[next] == 0) heap_push(heap, ready(work, g, next));
    }
}

/* Whether all keys in an order of the known graph are without a cycle. */
static bool guess_holds(struct ck_blackbox *b, const struct ck_graph *known) {
    struct ck_work *work = b->work;
    const struct hs_history *h = work->h;
    size_t slots = h->op_count, entries = work->versions->count;
    uint32_t *waits = ck_zalloc(work, known->points, sizeof(*waits));
    uint32_t *rank = ck_zalloc(work, h->txn_count, sizeof(*rank));
    uint32_t *kept = ck_alloc(work, slots + entries, sizeof(*kept));
    struct heap heap = {ck_alloc(work, known->points, sizeof(*heap.items)), 0};
    struct ck_graph full;
    bool holds = false;
    if (work->status == VARVE_OK) {
        memcpy(kept, work->slots, slots * sizeof(*kept));
        memcpy(kept + slots, work->versions->entries, entries * sizeof(*kept));
        work_off(work, known, waits, &heap, rank);
        if (ck_registers_settle(b, rank) && ck_graph_build(work, &full)) {
            uint32_t *component = ck_alloc(work, full.points, sizeof(*component));
            holds = component != NULL && !ck_components(work, &full, UINT32_MAX, component);
            ck_free(work, component, full.points, sizeof(*component));
        }
        ck_graph_release(work, &full);
        memcpy(work->slots, kept, slots * sizeof(*kept));
        memcpy(work->versions->entries, kept + slots, entries * sizeof(*kept));
        work->partial = &b->partial;
    }
    ck_free(work, waits, known->points, sizeof(*waits));
    ck_free(work, rank, h->txn_count, sizeof(*rank));
    ck_free(work, kept, slots + entries, sizeof(*kept));
    ck_free(work, heap.items, known->points, sizeof(*heap.items));
    return holds;
}

/* --- all
 * ------------------------------------------------------------------------------------------------------------------ */

static void decide(struct ck_blackbox *b, const struct ck_graph *known) {
    struct ck_work *work = b->work;
    uint64_t began = ck_now_ns();
    if (ck_cycles(work, known) || work->found || !order_matters(b)) {
        ck_pass(work, "cycles", began, work->report->committed);
        return;
    }
    bool legal = guess_holds(b, known);
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

/* A cycle that needs real time or sessions was found: is there one of the data alone, once orders are tried? */
static void judge_without_time(struct ck_blackbox *b) {
    struct ck_work *work = b->work;
    struct ck_finding kept = work->report->finding;
    bool strict = work->strict, sessions = work->sessions;
    bool timely = work->found && (kept.anomaly == CK_REAL_TIME || kept.anomaly == CK_SESSION);
    if (!timely || work->status != VARVE_OK || !order_matters(b)) return;
    work->strict = work->sessions = work->found = false;
    memset(&work->report->finding, 0, sizeof(kept));
    judge_graph(b);
    work->strict = strict;
    work->sessions = sessions;
    if (work->found) return;
    work->found = true;
    work->report->finding = kept;
    work->report->unknown[0] = 0;
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
    judge_graph(b);
    judge_without_time(b);
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
