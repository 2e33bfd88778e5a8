/* graph.c - builds the graph: points, edges of the data, the chain of real time, the order of sessions.
 *
 * Owns the columns of struct ck_graph. All edges are produced twice by the same walk, first to count and then to store,
 * so that nothing is kept but the edges themselves. Adjacent ww only, and rw only to the next version: what lies
 * further follows.
 *
 * Sources: Adya, Weak Consistency, MIT 1999, chapter 4 (direct serialization graph, and its mixing over levels); the
 * chain of helpers for real time: Tan et al., Cobra, OSDI 2020, section 3.5, in place of an edge for each pair.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/blackbox.h"

/* Transactions or entries ahead of the walk, for what is fetched early. */
enum { ENTRIES_AHEAD = 16, EDGES_AHEAD = 8, STORES_AHEAD = 4, FETCHED = 16 };

enum { LATER_LOOKED_AT = 32 };

struct builder {
    struct ck_work *work;
    struct ck_graph *g;
    bool store;
    uint32_t txn;             /* whose reads are walked */
    uint32_t *before, *after; /* [txn_count]: helper that leads to it, helper that it leads to; UINT32_MAX none */
    uint32_t helpers;
    uint32_t *point_at; /* [commit_count + 1]: position to the point of its commit */
    uint32_t own;       /* the commit point of txn */
    bool snapshots;     /* some are at snapshot */
    bool statements;    /* txn is at read committed */
};

static void edge(struct builder *b, uint32_t from, uint32_t to, enum ck_edge_kind kind) {
    struct ck_graph *g = b->g;
    if (!b->store) {
        g->edge_start[from]++;
        return;
    }
    uint32_t at = --g->edge_start[from];
    g->edge_to[at] = to;
    g->edge_kind[at] = (uint8_t)kind;
    b->work->report->edges[kind]++;
}

/* Of the writer of an entry, without a look at the transaction. */
static inline uint32_t writer_point(const struct builder *b, uint32_t entry) {
    return b->point_at[b->work->versions->entries[entry] >> 1];
}

static uint32_t commit_point(const struct ck_graph *g, uint32_t txn) { return g->first_point[txn + 1] - 1; }

/* --- data -----------------------------------------------------------------------------------------------------------
 */

/* Without stamps read committed is monotonic atomic view and no more: of a transaction that was read from, nothing may
 * be missed afterwards; of others it may. */
static void atomic_view_edges(struct builder *b, const struct ck_dependency *d, uint32_t point) {
    const struct ck_versions *v = b->work->versions;
    const struct ck_partial *p = b->work->partial;
    bool ordered = p == NULL || (p->unordered[d->key >> 6] >> (d->key & 63) & 1) == 0;
    uint32_t last = ordered && v->end[d->key] - d->next > LATER_LOOKED_AT ? d->next + LATER_LOOKED_AT
                    : ordered                                             ? v->end[d->key]
                                                                          : d->next + 1;
    for (uint32_t e = d->next; e < last; e++)
        if (writer_point(b, e) != b->own && ck_reads_from(b->work, b->txn, d->statement, ck_writer(b->work, e)))
            edge(b, point, writer_point(b, e), d->range ? CK_RW_RANGE : CK_RW);
}

static void read_edges(void *arg, const struct ck_dependency *d) {
    struct builder *b = arg;
    uint32_t point = b->g->first_point[b->txn] + (b->statements ? d->statement : 0);
    if (d->from != CK_NO_ENTRY) {
        uint32_t writer = writer_point(b, d->from);
        if (writer != b->own) edge(b, writer, point, CK_WR);
    }
    if (d->next != CK_NO_ENTRY && b->statements && !b->work->h->stamps) {
        atomic_view_edges(b, d, point);
    } else if (d->next != CK_NO_ENTRY) {
        uint32_t writer = writer_point(b, d->next);
        if (writer != b->own) edge(b, point, writer, d->range ? CK_RW_RANGE : CK_RW);
    }
}

/* Whether all that the transaction does to the key is to add. */
static bool only_adds(const struct builder *b, uint32_t txn, uint32_t key) {
    const struct hs_history *h = b->work->h;
    return h->additions && (ck_last_write(h, &h->txns[txn], key)->flags & HS_ADDITION) != 0;
}

/* First committer wins: at snapshot what is overwritten was committed before the snapshot; not so what is added to. */
static void write_edge(struct builder *b, uint32_t key, uint32_t before, uint32_t after) {
    uint32_t from = writer_point(b, before), to = writer_point(b, after);
    if (from == to) return;
    if (b->snapshots) {
        uint32_t txn = b->g->txn_of[to];
        bool snapshot = ck_level(b->work, &b->work->h->txns[txn]) == VARVE_SNAPSHOT;
        if (snapshot && !only_adds(b, txn, key)) to = b->g->first_point[txn];
    }
    edge(b, from, to, CK_WW);
}

static void write_edges(struct builder *b) {
    const struct ck_versions *v = b->work->versions;
    const struct ck_partial *p = b->work->partial;
    for (size_t k = 0; k < b->work->h->key_count; k++) {
        bool ordered = p == NULL || (p->unordered[k >> 6] >> (k & 63) & 1) == 0;
        for (uint32_t e = v->start[k]; e < v->end[k]; e++) {
            if (e + EDGES_AHEAD < v->count) __builtin_prefetch(&b->g->edge_start[writer_point(b, e + EDGES_AHEAD)], 1);
            if (ordered && e + 1 < v->end[k]) write_edge(b, (uint32_t)k, e, e + 1);
            for (uint32_t i = ordered ? 0 : p->later_start[e]; !ordered && i < p->later_start[e + 1]; i++)
                write_edge(b, (uint32_t)k, e, p->later[i]);
        }
    }
}

/* --- time and sessions ----------------------------------------------------------------------------------------------
 */

static void place_helpers(struct builder *b, const struct ck_item *begins, const struct ck_item *ends, size_t count) {
    size_t ended = 0;
    for (size_t i = 0; i < count; i++) {
        bool more = ended < count && ends[ended].key < begins[i].key;
        for (; ended < count && ends[ended].key < begins[i].key; ended++) b->after[ends[ended].txn] = b->helpers;
        b->helpers += more;
        if (b->helpers != 0) b->before[begins[i].txn] = b->helpers - 1;
    }
}

/* A weak reader binds nobody: at read committed only what was acknowledged may not be missed later. */
static bool binds_later(const struct ck_work *work, uint32_t txn) {
    const struct hs_txn *t = &work->h->txns[txn];
    return ck_level(work, t) >= VARVE_REPEATABLE_READ || ck_has_writes(work->h, t);
}

static bool chain_init(struct builder *b) {
    const struct hs_history *h = b->work->h;
    struct ck_work *work = b->work;
    size_t n = 0, count = h->txn_count;
    if (!work->strict) return true;
    b->before = ck_alloc(work, count, sizeof(*b->before));
    b->after = ck_alloc(work, count, sizeof(*b->after));
    struct ck_item *begins = ck_alloc(work, count, 3 * sizeof(*begins)), *ends = begins + count;
    if (work->status == VARVE_OK) {
        memset(b->before, 0xff, count * sizeof(*b->before));
        memset(b->after, 0xff, count * sizeof(*b->after));
        for (size_t t = 0; t < count; t++) {
            if (!ck_committed(work, (uint32_t)t)) continue;
            begins[n] = (struct ck_item){h->txns[t].begin, (uint32_t)t, 0};
            ends[n++] = (struct ck_item){h->txns[t].end, (uint32_t)t, 0};
        }
        ck_sort(begins, ends + count, n);
        ck_sort(ends, ends + count, n);
        place_helpers(b, begins, ends, n);
    }
    ck_free(work, begins, count, 3 * sizeof(*begins));
    return work->status == VARVE_OK;
}

static void time_edges(struct builder *b) {
    struct ck_graph *g = b->g;
    for (size_t t = 0; b->before != NULL && t < b->work->h->txn_count; t++) {
        if (g->first_point[t] == g->first_point[t + 1]) continue;
        if (b->after[t] != UINT32_MAX && binds_later(b->work, (uint32_t)t))
            edge(b, commit_point(g, (uint32_t)t), g->helpers_from + b->after[t], CK_RT);
        if (b->before[t] != UINT32_MAX) edge(b, g->helpers_from + b->before[t], g->first_point[t], CK_RT);
    }
}

static void session_edges(struct builder *b, uint32_t *last) {
    struct ck_graph *g = b->g;
    if (last == NULL) return;
    memset(last, 0xff, b->work->session_count * sizeof(*last));
    for (size_t t = 0; t < b->work->h->txn_count; t++) {
        if (g->first_point[t] == g->first_point[t + 1]) continue;
        uint32_t *before = &last[b->work->session_at[t]];
        if (*before != UINT32_MAX) edge(b, commit_point(g, *before), g->first_point[t], CK_SO);
        if (binds_later(b->work, (uint32_t)t)) *before = (uint32_t)t;
    }
}

/* --- building --------------------------------------------------------------------------------------------------------
 */

static uint32_t points_of(const struct ck_work *work, uint32_t txn) {
    const struct hs_txn *t = &work->h->txns[txn];
    if (!ck_committed(work, txn)) return 0;
    switch (ck_level(work, t)) {
    case VARVE_SNAPSHOT: return 2;
    case VARVE_READ_COMMITTED: return 1 + ck_statements(work, t);
    default: return 1;
    }
}

static bool points_init(struct builder *b) {
    struct ck_graph *g = b->g;
    size_t count = b->work->h->txn_count;
    uint64_t sum = 0;
    g->first_point = ck_alloc(b->work, count + 1, sizeof(*g->first_point));
    if (g->first_point == NULL) return false;
    for (size_t t = 0; t < count; t++) {
        g->first_point[t] = (uint32_t)sum;
        sum += points_of(b->work, (uint32_t)t);
        b->snapshots = b->snapshots || ck_level(b->work, &b->work->h->txns[t]) == VARVE_SNAPSHOT;
    }
    g->first_point[count] = g->helpers_from = (uint32_t)sum;
    sum += b->helpers;
    if (sum >= UINT32_MAX / 4) b->work->status = VARVE_NOMEM;
    g->points = (uint32_t)sum;
    b->point_at = ck_alloc(b->work, (size_t)b->work->commit_count + 1, sizeof(*b->point_at));
    g->txn_of = ck_alloc(b->work, g->points, sizeof(*g->txn_of));
    g->edge_start = ck_zalloc(b->work, (size_t)g->points + 1, sizeof(*g->edge_start));
    if (b->work->status != VARVE_OK) return false;
    for (size_t t = 0; t < count; t++)
        for (uint32_t p = g->first_point[t]; p < g->first_point[t + 1]; p++) g->txn_of[p] = (uint32_t)t;
    for (uint32_t p = g->helpers_from; p < g->points; p++) g->txn_of[p] = CK_NO_TXN;
    b->point_at[0] = 0;
    for (uint32_t p = 1; p <= b->work->commit_count; p++) b->point_at[p] = commit_point(g, b->work->txn_at[p]);
    return true;
}

/* What the edges of the reads of later transactions touch: the entry, then where its writer keeps its edges. */
static inline void fetch_reads(const struct builder *b, size_t t, unsigned depth) {
    const struct ck_work *work = b->work;
    if (t >= work->h->txn_count) return;
    const struct hs_txn *txn = &work->h->txns[t];
    uint32_t count = txn->op_count < FETCHED ? txn->op_count : FETCHED;
    for (uint64_t i = txn->first_op; i < txn->first_op + count; i++) {
        uint32_t slot = work->slots[i];
        if (slot == CK_NO_ENTRY) continue;
        if (depth == 0) {
            __builtin_prefetch(&work->versions->entries[slot]);
            continue;
        }
        const uint32_t *start = &b->g->edge_start[writer_point(b, slot)];
        if (depth == 1) __builtin_prefetch(start, 1);
        if (depth == 2 && b->store) __builtin_prefetch(&b->g->edge_to[*start - 1], 1);
    }
}

static void fetch_ahead(const struct builder *b, size_t t) {
    if (b->work->slots == NULL) return;
    fetch_reads(b, t + ENTRIES_AHEAD, 0);
    fetch_reads(b, t + EDGES_AHEAD, 1);
    fetch_reads(b, t + STORES_AHEAD, 2);
}

static void all_edges(struct builder *b, uint32_t *last) {
    for (size_t t = 0; t < b->work->h->txn_count; t++) {
        b->txn = (uint32_t)t;
        fetch_ahead(b, t);
        if (!ck_committed(b->work, b->txn)) continue;
        b->own = commit_point(b->g, b->txn);
        b->statements = ck_level(b->work, &b->work->h->txns[t]) == VARVE_READ_COMMITTED;
        ck_dependencies(b->work, b->txn, read_edges, b);
    }
    write_edges(b);
    time_edges(b);
    session_edges(b, last);
}

static bool edges_init(struct builder *b) {
    struct ck_graph *g = b->g;
    uint64_t sum = 0;
    for (uint32_t p = 0; p <= g->points; p++) {
        sum += g->edge_start[p]; /* the end of its edges; storing goes down to their start */
        g->edge_start[p] = (uint32_t)sum;
    }
    if (sum >= UINT32_MAX) b->work->status = VARVE_NOMEM;
    g->edges = (size_t)sum;
    memset(b->work->report->edges, 0, sizeof(b->work->report->edges));
    g->edge_to = ck_alloc(b->work, g->edges, sizeof(*g->edge_to));
    g->edge_kind = ck_alloc(b->work, g->edges, sizeof(*g->edge_kind));
    return b->work->status == VARVE_OK;
}

bool ck_graph_build(struct ck_work *work, struct ck_graph *graph) {
    struct builder b = {.work = work, .g = graph};
    uint32_t *last = NULL;
    memset(graph, 0, sizeof(*graph));
    if (!ck_versions_build(work)) return false;
    if (chain_init(&b) && points_init(&b)) {
        if (work->sessions) last = ck_alloc(work, work->session_count, sizeof(*last));
        all_edges(&b, last);
        if (edges_init(&b)) {
            b.store = true;
            all_edges(&b, last);
        }
        ck_free(work, last, work->session_count, sizeof(*last));
    }
    ck_free(work, b.point_at, (size_t)work->commit_count + 1, sizeof(*b.point_at));
    ck_free(work, b.before, work->h->txn_count, sizeof(*b.before));
    ck_free(work, b.after, work->h->txn_count, sizeof(*b.after));
    return work->status == VARVE_OK;
}

void ck_graph_release(struct ck_work *work, struct ck_graph *g) {
    ck_free(work, g->first_point, work->h->txn_count + 1, sizeof(*g->first_point));
    ck_free(work, g->txn_of, g->points, sizeof(*g->txn_of));
    ck_free(work, g->edge_start, (size_t)g->points + 1, sizeof(*g->edge_start));
    ck_free(work, g->edge_to, g->edges, sizeof(*g->edge_to));
    ck_free(work, g->edge_kind, g->edges, sizeof(*g->edge_kind));
    memset(g, 0, sizeof(*g));
}
