/* search.c - which orders of versions are left, and does one of them make the history legal?
 *
 * For every two versions of a key whose order is not known, one of two sets of edges holds: the writer of the first
 * comes before the writer of the second, and so does everybody who read the first; or the other way round. A set that
 * would close a cycle is out; if one is out the other holds; if both are, the history is illegal. What is left is
 * tried, with all that follows from each choice, until an order is found or none is left, or the steps are used up.
 *
 * Reachability is a bit matrix over the points of the graph, kept closed: an edge costs a row for each point before it.
 *
 * Source: Papadimitriou, The Serializability of Concurrent Database Updates, J. ACM 1979 (polygraphs; that the question
 * is NP-complete); the pruning follows Tan et al., Cobra, OSDI 2020, section 4.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/blackbox.h"

enum { MATRIX_BYTES = 64 << 20, DEPTH_BYTES = 512 << 20, PAIRS_LIMIT = 4 << 20 };
#define STEPS_DEFAULT 20000000u

struct search {
    struct ck_blackbox *b;
    struct ck_work *work;
    const struct ck_graph *g;
    uint64_t steps;
    size_t words, depth_left;
    struct ck_pair *pairs; /* not known in `known` */
    size_t pair_count;
    uint32_t *reader_start, *readers; /* by entry: the points that read it */
    uint32_t reader_count, txn;       /* while gathering */
    bool store;
    struct ck_pair stuck; /* both ways are out, with nothing but what is certain */
    bool certain;
};

/* --- the matrix
 * ------------------------------------------------------------------------------------------------------- */

static inline bool reaches(const struct search *s, const uint64_t *m, uint32_t from, uint32_t to) {
    return (m[(size_t)from * s->words + (to >> 6)] >> (to & 63) & 1) != 0;
}

static void join_row(uint64_t *to, const uint64_t *from, size_t words) {
    for (size_t w = 0; w < words; w++) to[w] |= from[w];
}

static void add_edge(struct search *s, uint64_t *m, uint32_t from, uint32_t to) {
    if (from == to || reaches(s, m, from, to)) return;
    const uint64_t *row = m + (size_t)to * s->words;
    for (uint32_t p = 0; p < s->g->points; p++) {
        if (p != from && !reaches(s, m, p, from)) continue;
        uint64_t *mine = m + (size_t)p * s->words;
        join_row(mine, row, s->words);
        mine[to >> 6] |= (uint64_t)1 << (to & 63);
        if (s->steps != 0) s->steps--;
    }
}

/* Sinks first: components are numbered from the top as they are finished. */
static bool close_known(struct search *s, uint64_t *m) {
    const struct ck_graph *g = s->g;
    uint32_t *component = ck_alloc(s->work, g->points, sizeof(*component));
    struct ck_item *order = ck_alloc(s->work, g->points, 2 * sizeof(*order));
    bool cyclic = false;
    if (s->work->status == VARVE_OK) {
        cyclic = ck_components(s->work, g, UINT32_MAX, component); /* then there is nothing to close */
        for (uint32_t p = 0; p < g->points; p++) order[p] = (struct ck_item){UINT32_MAX - component[p], p, 0};
        ck_sort(order, order + g->points, g->points);
        for (uint32_t i = 0; i < g->points; i++) {
            uint32_t p = order[i].txn, next = ck_next_point(g, p);
            uint64_t *row = m + (size_t)p * s->words;
            for (uint32_t e = g->edge_start[p]; e < g->edge_start[p + 1]; e++) {
                join_row(row, m + (size_t)g->edge_to[e] * s->words, s->words);
                row[g->edge_to[e] >> 6] |= (uint64_t)1 << (g->edge_to[e] & 63);
            }
            if (next == UINT32_MAX) continue;
            join_row(row, m + (size_t)next * s->words, s->words);
            row[next >> 6] |= (uint64_t)1 << (next & 63);
        }
    }
    ck_free(s->work, component, g->points, sizeof(*component));
    ck_free(s->work, order, g->points, 2 * sizeof(*order));
    return s->work->status == VARVE_OK && !cyclic;
}

/* --- what is left
 * ------------------------------------------------------------------------------------------------------- */

static void note_reader(void *arg, const struct ck_dependency *d) {
    struct search *s = arg;
    if (d->from == CK_NO_ENTRY) return;
    if (!s->store) {
        s->reader_start[d->from]++;
        return;
    }
    bool statements = ck_level(s->work, &s->work->h->txns[s->txn]) == VARVE_READ_COMMITTED;
    s->readers[--s->reader_start[d->from]] = s->g->first_point[s->txn] + (statements ? d->statement : 0);
}

static void walk_readers(struct search *s, bool store) {
    s->store = store;
    for (size_t t = 0; t < s->work->h->txn_count; t++) {
        s->txn = (uint32_t)t;
        if (ck_committed(s->work, s->txn)) ck_dependencies(s->work, s->txn, note_reader, s);
    }
}

static bool gather_readers(struct search *s) {
    size_t entries = s->work->versions->count;
    s->reader_start = ck_zalloc(s->work, entries + 1, sizeof(*s->reader_start));
    if (s->reader_start == NULL) return false;
    walk_readers(s, false);
    for (size_t e = 0; e <= entries; e++) {
        s->reader_count += s->reader_start[e];
        s->reader_start[e] = s->reader_count;
    }
    s->readers = ck_alloc(s->work, s->reader_count, sizeof(*s->readers));
    if (s->readers != NULL) walk_readers(s, true);
    return s->readers != NULL;
}

/* All pairs of unordered keys; false: too many. */
static bool gather_pairs(struct search *s) {
    const struct ck_versions *v = s->work->versions;
    uint64_t count = 0;
    for (int store = 0; store < 2; store++) {
        for (size_t k = 0; k < s->work->h->key_count; k++) {
            if ((s->b->partial.unordered[k >> 6] >> (k & 63) & 1) == 0) continue;
            uint64_t n = v->end[k] - v->start[k];
            if (store == 0) count += n * (n - 1) / 2;
            for (uint32_t i = v->start[k]; store == 1 && i < v->end[k]; i++)
                for (uint32_t j = i + 1; j < v->end[k]; j++) s->pairs[s->pair_count++] = (struct ck_pair){i, j};
        }
        if (count > PAIRS_LIMIT) return false;
        if (store == 0) s->pairs = ck_alloc(s->work, (size_t)count, sizeof(*s->pairs));
        if (s->pairs == NULL) return false;
    }
    return true;
}

/* --- choices
 * -------------------------------------------------------------------------------------------------------------- */

static uint32_t commit_of(const struct search *s, uint32_t entry) {
    return s->g->first_point[ck_writer(s->work, entry) + 1] - 1;
}

/* Where a write stands for those before it. */
static uint32_t entry_point(const struct search *s, uint32_t entry) {
    uint32_t txn = ck_writer(s->work, entry);
    bool snapshot = ck_level(s->work, &s->work->h->txns[txn]) == VARVE_SNAPSHOT;
    return snapshot ? s->g->first_point[txn] : commit_of(s, entry);
}

/* A statement at read committed is bound only by what its transaction had read from. */
static bool is_bound(const struct search *s, uint32_t reader, uint32_t writer) {
    uint32_t txn = s->g->txn_of[reader];
    if (txn == writer) return false;
    if (ck_level(s->work, &s->work->h->txns[txn]) != VARVE_READ_COMMITTED) return true;
    return ck_reads_from(s->work, txn, reader - s->g->first_point[txn], writer);
}

static bool possible(struct search *s, const uint64_t *m, uint32_t before, uint32_t after) {
    uint32_t commit = commit_of(s, after), writer = ck_writer(s->work, after);
    if (s->steps != 0) s->steps--;
    if (reaches(s, m, entry_point(s, after), commit_of(s, before))) return false;
    for (uint32_t i = s->reader_start[before]; i < s->reader_start[before + 1]; i++)
        if (reaches(s, m, commit, s->readers[i]) && is_bound(s, s->readers[i], writer)) return false;
    return true;
}

static void choose(struct search *s, uint64_t *m, uint32_t before, uint32_t after) {
    uint32_t commit = commit_of(s, after), writer = ck_writer(s->work, after);
    add_edge(s, m, commit_of(s, before), entry_point(s, after));
    for (uint32_t i = s->reader_start[before]; i < s->reader_start[before + 1]; i++)
        if (is_bound(s, s->readers[i], writer)) add_edge(s, m, s->readers[i], commit);
}

/* What follows from what is known; left[] shrinks to the pairs that stay open. False: a contradiction. */
static bool propagate(struct search *s, uint64_t *m, struct ck_pair *left, size_t *count) {
    bool changed = true;
    while (changed && s->steps != 0) {
        size_t kept = 0;
        changed = false;
        for (size_t i = 0; i < *count; i++) {
            if (s->steps == 0) return true; /* the caller sees that and gives up */
            struct ck_pair pair = left[i];
            bool forth = possible(s, m, pair.before, pair.after), back = possible(s, m, pair.after, pair.before);
            if (!forth && !back) {
                s->stuck = pair;
                return false;
            }
            if (forth && back) {
                left[kept++] = pair;
                continue;
            }
            struct ck_pair holds = forth ? pair : (struct ck_pair){pair.after, pair.before};
            choose(s, m, holds.before, holds.after);
            if (s->certain) (void)ck_pair_add(s->b, holds.before, holds.after);
            changed = true;
        }
        *count = kept;
    }
    return true;
}

static enum ck_search try(struct search *s, uint64_t *m, struct ck_pair *left, size_t count) {
    size_t rows = (size_t)s->g->points, open = count;
    if (!propagate(s, m, left, &open)) return CK_SEARCH_ILLEGAL;
    if (s->steps == 0) return CK_SEARCH_GAVE_UP;
    if (open == 0) return CK_SEARCH_LEGAL;
    if (s->depth_left == 0) return CK_SEARCH_GAVE_UP;
    s->certain = false;
    s->depth_left--;
    uint64_t *copy = ck_alloc(s->work, rows * s->words, sizeof(*copy));
    struct ck_pair *rest = ck_alloc(s->work, open, sizeof(*rest)), first = left[0];
    enum ck_search answer = CK_SEARCH_GAVE_UP;
    for (int way = 0; way < 2 && s->work->status == VARVE_OK; way++) {
        memcpy(copy, m, rows * s->words * sizeof(*copy));
        memcpy(rest, left, open * sizeof(*rest));
        choose(s, copy, way == 0 ? first.before : first.after, way == 0 ? first.after : first.before);
        answer = try(s, copy, rest + 1, open - 1);
        if (answer != CK_SEARCH_ILLEGAL) break;
    }
    ck_free(s->work, copy, rows * s->words, sizeof(*copy));
    ck_free(s->work, rest, open, sizeof(*rest));
    s->depth_left++;
    return answer;
}

/* --- saying why
 * ------------------------------------------------------------------------------------------------------------- */

/* What is certain when no order is legal: the mildest thing that the level asked for forbids. */
static enum ck_anomaly mildest(const struct search *s) {
    switch (s->work->options.level) {
    case VARVE_READ_UNCOMMITTED: return CK_G0;
    case VARVE_READ_COMMITTED: return CK_OTV;
    case VARVE_REPEATABLE_READ: return CK_G2_ITEM;
    case VARVE_SNAPSHOT: return CK_G_SI;
    default: return s->work->h->range_count != 0 ? CK_G2 : CK_G2_ITEM;
    }
}

/* Puts one writer before the other on every unordered key that both wrote. */
static bool order_writers(struct search *s, uint32_t first, uint32_t second) {
    const struct ck_versions *v = s->work->versions;
    for (size_t k = 0; k < s->work->h->key_count; k++) {
        uint32_t before = CK_NO_ENTRY, after = CK_NO_ENTRY;
        if ((s->b->partial.unordered[k >> 6] >> (k & 63) & 1) == 0) continue;
        for (uint32_t e = v->start[k]; e < v->end[k]; e++) {
            if (ck_writer(s->work, e) == first) before = e;
            if (ck_writer(s->work, e) == second) after = e;
        }
        if (before != CK_NO_ENTRY && after != CK_NO_ENTRY && !ck_pair_add(s->b, before, after)) return false;
    }
    return true;
}

/* Both orders of the two writers are tried; the milder of the cycles is kept. False: one of them has none. */
static bool both_ways(struct search *s) {
    struct ck_work *work = s->work;
    struct ck_finding *finding = &work->report->finding, first = {0};
    uint32_t a = ck_writer(work, s->stuck.before), b = ck_writer(work, s->stuck.after);
    size_t known = s->b->pair_count;
    for (int way = 0; way < 2 && work->status == VARVE_OK; way++) {
        struct ck_graph graph;
        work->found = false;
        memset(finding, 0, sizeof(*finding));
        if (!order_writers(s, way == 0 ? a : b, way == 0 ? b : a) || !ck_partial_build(s->b)) return false;
        if (ck_graph_build(work, &graph)) (void)ck_cycles(work, &graph);
        ck_graph_release(work, &graph);
        s->b->pair_count = known;
        if (!work->found) return false;
        if (way == 0)
            first = *finding;
        else if (first.anomaly > finding->anomaly)
            *finding = first;
    }
    return work->status == VARVE_OK;
}

/* Both orders of two writers lead to a cycle: the milder is shown. Where that takes nothing but what is known its class
 * is certain; else other orders had been ruled out by the level asked for, and only that level is. */
static void explain_stuck(struct search *s, size_t pairs_known) {
    struct ck_work *work = s->work;
    struct ck_finding *finding = &work->report->finding;
    size_t forced = s->b->pair_count;
    s->b->pair_count = pairs_known;
    bool certain = both_ways(s);
    if (!certain) {
        s->b->pair_count = forced;
        if (!both_ways(s)) {
            work->found = false;
            memset(finding, 0, sizeof(*finding));
            return;
        }
    }
    ck_say(finding, "the other order of what T%u and T%u wrote is no way out", ck_writer(work, s->stuck.before),
           ck_writer(work, s->stuck.after));
    if (certain || finding->anomaly >= mildest(s)) return;
    finding->anomaly = mildest(s);
    ck_say(finding, "other orders of versions have been ruled out before that");
}

static void explain_exhausted(struct search *s) {
    struct ck_finding *finding = ck_found(s->work, mildest(s), CK_NO_TXN, CK_NO_OP, CK_NO_TXN);
    ck_say(finding, "no order of the versions is without a cycle; all were tried");
}

enum ck_search ck_search_orders(struct ck_blackbox *b, const struct ck_graph *known) {
    struct ck_work *work = b->work;
    struct search s = {.b = b, .work = work, .g = known, .certain = true};
    size_t points = known->points;
    enum ck_search answer = CK_SEARCH_GAVE_UP;
    s.words = points / 64 + 1;
    s.steps = work->options.search_steps != 0 ? work->options.search_steps : STEPS_DEFAULT;
    if (points * s.words * sizeof(uint64_t) > MATRIX_BYTES) return answer;
    s.depth_left = DEPTH_BYTES / (points * s.words * sizeof(uint64_t) + 1);
    uint64_t *matrix = ck_zalloc(work, points * s.words, sizeof(*matrix));
    size_t all = 0;
    if (matrix != NULL && gather_readers(&s) && gather_pairs(&s) && close_known(&s, matrix)) {
        size_t known_pairs = b->pair_count;
        all = s.pair_count;
        answer = try(&s, matrix, s.pairs, s.pair_count);
        if (answer == CK_SEARCH_ILLEGAL && s.certain) explain_stuck(&s, known_pairs);
        if (answer == CK_SEARCH_ILLEGAL && !work->found) explain_exhausted(&s);
    }
    ck_free(work, matrix, points * s.words, sizeof(*matrix));
    ck_free(work, s.pairs, all, sizeof(*s.pairs));
    ck_free(work, s.reader_start, work->versions->count + 1, sizeof(*s.reader_start));
    ck_free(work, s.readers, s.reader_count, sizeof(*s.readers));
    return answer;
}
