/* cycles.c - the shortest cycle of the worst class that a graph holds.
 *
 * A class is a kind of first edge and the kinds that may follow; G-nonadjacent also forbids two rw in a row, which a
 * second layer of states keeps track of. For each class, worst first: components of the graph with only its kinds;
 * then, from each first edge within one, breadth first back to where it came from. The step from a point to the next of
 * its transaction costs nothing. The first class with a cycle is reported.
 *
 * Sources: Kingsbury and Alvaro, Elle, VLDB 2020, section 6 (classes searched from the worst on); Cerone and Gotsman,
 * Analysing Snapshot Isolation, J. ACM 2018 (cycles without adjacent rw).
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/blackbox.h"

enum { BUDGET = 200 * 1000 * 1000, PATH_MAX_STEPS = 512, BIT_RT = 1 << CK_RT, BIT_SO = 1 << CK_SO };

struct class_row {
    enum ck_anomaly anomaly;
    unsigned first, rest;
    bool nonadjacent;
    bool complete; /* a first edge within a component is on a cycle of the class */
};

static const struct class_row before_singles[] = {
    {CK_G0, 1 << CK_WW, 1 << CK_WW, false, true},
    {CK_G1C, 1 << CK_WR, CK_MASK_DEPS, false, true},
};
static const struct class_row after_singles[] = {
    {CK_G_SINGLE_ITEM, 1 << CK_RW, CK_MASK_DEPS, false, false},
    {CK_G_SINGLE, 1 << CK_RW_RANGE, CK_MASK_DEPS, false, false},
    {CK_G_NONADJACENT, CK_MASK_RW, CK_MASK_DATA, true, false},
    {CK_G2_ITEM, 1 << CK_RW, CK_MASK_DEPS | 1 << CK_RW, false, true},
    {CK_G2, CK_MASK_RW, CK_MASK_DATA, false, true},
    {CK_REAL_TIME, BIT_RT, CK_MASK_DATA | BIT_RT, false, true},
    {CK_SESSION, BIT_SO, CK_MASK_DATA | BIT_SO, false, true},
    {CK_REAL_TIME, BIT_RT, CK_MASK_DATA | BIT_RT | BIT_SO, false, true},
};

struct hunt {
    struct ck_work *work;
    const struct ck_graph *g;
    uint32_t *component;
    uint32_t *seen;      /* [2 * points] by state: the round that saw it */
    uint32_t *came_from; /* state */
    uint32_t *came_by;   /* edge; UINT32_MAX: the implicit step */
    uint32_t *queue;
    uint32_t round, head, tail;
    uint64_t budget;
    uint32_t target; /* point */
    bool nonadjacent, reached, exists;
    unsigned mask;
    struct ck_step best[PATH_MAX_STEPS];
    unsigned best_count; /* 0: none */
};

/* --- breadth first --------------------------------------------------------------------------------------------------
 */

/* Sees a state and those that follow from it for nothing. State: point * 2 + "the last edge was an rw". */
static void see(struct hunt *f, uint32_t state, uint32_t from, uint32_t by) {
    while (f->seen[state] != f->round) {
        f->seen[state] = f->round;
        f->came_from[state] = from;
        f->came_by[state] = by;
        f->queue[f->tail++] = state;
        if (state >> 1 == f->target && (state & 1) == 0) f->reached = true;
        uint32_t next = ck_next_point(f->g, state >> 1);
        bool helper = state >> 1 >= f->g->helpers_from;
        if (f->reached || next == UINT32_MAX || (helper && (f->mask & BIT_RT) == 0)) return;
        from = state;
        by = UINT32_MAX;
        state = next << 1 | (state & 1);
    }
}

static void expand(struct hunt *f, uint32_t state) {
    const struct ck_graph *g = f->g;
    uint32_t point = state >> 1, component = f->component[point];
    for (uint32_t e = g->edge_start[point]; e < g->edge_start[point + 1] && !f->reached; e++) {
        unsigned bit = 1u << g->edge_kind[e];
        if (f->budget != 0) f->budget--;
        if ((f->mask & bit) == 0 || f->component[g->edge_to[e]] != component) continue;
        uint32_t rw = f->nonadjacent && (bit & CK_MASK_RW) != 0;
        if (rw != 0 && (state & 1) != 0) continue;
        see(f, g->edge_to[e] << 1 | rw, state, e);
    }
}

/* Whether the target is reached from `start` in fewer than `limit` edges. */
static bool breadth_first(struct hunt *f, uint32_t start, unsigned limit) {
    f->round++;
    f->head = f->tail = 0;
    f->reached = false;
    see(f, start << 1 | f->nonadjacent, UINT32_MAX, UINT32_MAX);
    for (unsigned depth = 1; depth < limit && !f->reached && f->head < f->tail; depth++)
        for (uint32_t level = f->tail; f->head < level && !f->reached;) expand(f, f->queue[f->head++]);
    return f->reached;
}

static void keep_path(struct hunt *f, uint32_t from, uint32_t first_edge) {
    const struct ck_graph *g = f->g;
    struct ck_step back[PATH_MAX_STEPS];
    unsigned n = 0;
    for (uint32_t state = f->target << 1; state != UINT32_MAX; state = f->came_from[state]) {
        uint32_t edge = f->came_by[state];
        if (edge == UINT32_MAX) continue;
        back[n++] = (struct ck_step){f->came_from[state] >> 1, state >> 1, g->edge_kind[edge]};
    }
    f->best[0] = (struct ck_step){from, g->edge_to[first_edge], g->edge_kind[first_edge]};
    for (unsigned i = 0; i < n; i++) f->best[i + 1] = back[n - 1 - i];
    f->best_count = n + 1;
}

/* From one first edge. */
static void follow(struct hunt *f, uint32_t from, uint32_t edge) {
    unsigned limit = f->best_count == 0 ? PATH_MAX_STEPS - 1 : f->best_count - 1;
    f->target = from;
    if (breadth_first(f, f->g->edge_to[edge], limit)) keep_path(f, from, edge);
}

static bool search(struct hunt *f, const struct class_row *class) {
    const struct ck_graph *g = f->g;
    if (!ck_components(f->work, g, class->first | class->rest, f->component)) return false;
    f->nonadjacent = class->nonadjacent;
    f->mask = class->rest;
    f->best_count = 0;
    f->budget = BUDGET;
    f->exists = false;
    for (uint32_t p = 0; p < g->points && f->best_count != 2 && f->budget != 0; p++)
        for (uint32_t e = g->edge_start[p]; e < g->edge_start[p + 1]; e++)
            if ((class->first >> g->edge_kind[e] & 1) != 0 && f->component[p] == f->component[g->edge_to[e]]) {
                f->exists = true;
                follow(f, p, e);
            }
    f->exists = f->exists && class->complete;
    return f->best_count != 0 || f->exists;
}

static bool report(struct hunt *f, enum ck_anomaly anomaly) {
    const struct ck_graph *g = f->g;
    unsigned at = 0;
    if (f->best_count == 0) {
        ck_say(ck_found(f->work, anomaly, CK_NO_TXN, CK_NO_OP, CK_NO_TXN),
               "there is a cycle of this kind, too long to be listed");
        return true;
    }
    while (at < f->best_count && g->txn_of[f->best[at].from] == CK_NO_TXN) at++;
    struct ck_finding *finding = ck_found(f->work, anomaly, g->txn_of[f->best[at].from], CK_NO_OP, CK_NO_TXN);
    if (finding != NULL) ck_explain(f->work, g, finding, f->best, f->best_count);
    return true;
}

/* --- cycles of two, one rw: named by how the transaction came to read both
 * -------------------------------------------- */

enum { PAIRS_MAX = 4096 };

struct pairs {
    struct hunt *f;
    uint32_t txn;
    unsigned count;
    struct ck_dependency deps[PAIRS_MAX];
    enum ck_anomaly best;
};

static void collect(void *arg, const struct ck_dependency *d) {
    struct pairs *p = arg;
    if (p->count < PAIRS_MAX) p->deps[p->count++] = *d;
}

static void keep_pair(struct pairs *p, enum ck_anomaly anomaly, const struct ck_dependency *old,
                      enum ck_edge_kind back) {
    struct hunt *f = p->f;
    if (p->best != CK_NONE && p->best <= anomaly) return;
    p->best = anomaly;
    uint32_t mine = f->g->first_point[p->txn], other = f->g->first_point[ck_writer(f->work, old->next) + 1] - 1;
    f->best[0] = (struct ck_step){mine, other, old->range ? CK_RW_RANGE : CK_RW};
    f->best[1] = (struct ck_step){other, mine, (uint8_t)back};
    f->best_count = 2;
}

/* The state before a commit was read at `old`, a part of that commit at `new`. */
static void fractured(struct pairs *p, const struct ck_dependency *old, const struct ck_dependency *new) {
    bool statements = ck_level(p->f->work, &p->f->work->h->txns[p->txn]) == VARVE_READ_COMMITTED;
    if (old->range || new->from == CK_NO_ENTRY || ck_writer(p->f->work, new->from) != ck_writer(p->f->work, old->next))
        return;
    if (new->statement == old->statement || (new->statement < old->statement))
        keep_pair(p, CK_OTV, old, CK_WR);
    else if (!statements)
        keep_pair(p, CK_FRACTURED, old, CK_WR);
}

static void lost_update(struct pairs *p, const struct ck_dependency *old) {
    const struct ck_work *work = p->f->work;
    const struct hs_history *h = work->h;
    const struct hs_op *op = &h->ops[old->op];
    bool reads = op->kind == HS_READ || op->kind == HS_ROW || op->kind == HS_LIST;
    const struct ck_partial *partial = work->partial;
    if (partial != NULL && (partial->unordered[old->key >> 6] >> (old->key & 63) & 1) != 0) return;
    if (!reads || old->range || ck_level(work, &h->txns[p->txn]) == VARVE_READ_COMMITTED) return;
    for (uint32_t i = old->next + 1; i < work->versions->end[old->key]; i++)
        if (ck_writer(work, i) == p->txn) {
            keep_pair(p, CK_LOST_UPDATE, old, CK_WW);
            return;
        }
}

static bool in_component(const struct hunt *f, uint32_t txn) {
    const struct ck_graph *g = f->g;
    for (uint32_t p = g->first_point[txn]; p < g->first_point[txn + 1]; p++)
        for (uint32_t e = g->edge_start[p]; e < g->edge_start[p + 1]; e++)
            if (f->component[g->edge_to[e]] == f->component[p]) return true;
    return false;
}

static enum ck_anomaly search_pairs(struct hunt *f) {
    static _Thread_local struct pairs p;
    p.f = f;
    p.best = CK_NONE;
    f->best_count = 0;
    if (!ck_components(f->work, f->g, CK_MASK_DATA, f->component)) return CK_NONE;
    for (size_t t = 0; t < f->work->h->txn_count && p.best != CK_OTV; t++) {
        p.txn = (uint32_t)t;
        p.count = 0;
        if (!in_component(f, p.txn)) continue;
        ck_dependencies(f->work, p.txn, collect, &p);
        for (unsigned i = 0; i < p.count; i++) {
            const struct ck_dependency *old = &p.deps[i];
            if (old->next == CK_NO_ENTRY || ck_writer(f->work, old->next) == p.txn) continue;
            lost_update(&p, old);
            for (unsigned j = 0; j < p.count; j++) fractured(&p, old, &p.deps[j]);
        }
    }
    return p.best;
}

/* One rw, out of a statement at read committed, which comes after or beside one that saw more. */
static bool search_statements(struct hunt *f) {
    const struct ck_graph *g = f->g;
    f->nonadjacent = false;
    f->mask = CK_MASK_DEPS;
    f->best_count = 0;
    f->budget = BUDGET;
    if (!ck_components(f->work, g, CK_MASK_DATA, f->component)) return false;
    for (uint32_t p = 0; p < g->helpers_from && f->best_count != 2 && f->budget != 0; p++) {
        if (ck_level(f->work, &f->work->h->txns[g->txn_of[p]]) != VARVE_READ_COMMITTED) continue;
        for (uint32_t e = g->edge_start[p]; e < g->edge_start[p + 1]; e++)
            if ((CK_MASK_RW >> g->edge_kind[e] & 1) != 0 && f->component[p] == f->component[g->edge_to[e]])
                follow(f, p, e);
    }
    return f->best_count != 0;
}

/* --- all ------------------------------------------------------------------------------------------------------------
 */

static bool search_all(struct hunt *f) {
    bool inferred = !f->work->h->stamps && f->work->h->shape == HS_REGISTERS;
    /* Where the order of writes was inferred from reads, a cycle of ww is one of wr. */
    for (size_t i = inferred ? 1 : 0; i < sizeof(before_singles) / sizeof(before_singles[0]); i++)
        if (search(f, &before_singles[i])) return report(f, before_singles[i].anomaly);
    enum ck_anomaly pair = search_pairs(f);
    if (pair != CK_OTV && search_statements(f))
        pair = CK_OTV;
    else if (pair != CK_NONE)
        pair = search_pairs(f); /* its cycle again, in place of what the other search has left */
    if (pair != CK_NONE) return report(f, pair);
    for (size_t i = 0; i < sizeof(after_singles) / sizeof(after_singles[0]); i++)
        if (search(f, &after_singles[i])) return report(f, after_singles[i].anomaly);
    return false;
}

bool ck_cycles(struct ck_work *work, const struct ck_graph *graph) {
    struct hunt *f = ck_zalloc(work, 1, sizeof(*f));
    size_t states = 2 * (size_t)graph->points;
    bool found = false;
    if (f == NULL) return false;
    f->work = work;
    f->g = graph;
    f->component = ck_alloc(work, graph->points, sizeof(*f->component));
    if (f->component != NULL && ck_components(work, graph, CK_MASK_DATA | BIT_RT | BIT_SO, f->component)) {
        f->seen = ck_zalloc(work, states, sizeof(*f->seen));
        f->came_from = ck_alloc(work, states, sizeof(*f->came_from));
        f->came_by = ck_alloc(work, states, sizeof(*f->came_by));
        f->queue = ck_alloc(work, states, sizeof(*f->queue));
        if (work->status == VARVE_OK) found = search_all(f);
    }
    ck_free(work, f->component, graph->points, sizeof(*f->component));
    ck_free(work, f->seen, states, sizeof(*f->seen));
    ck_free(work, f->came_from, states, sizeof(*f->came_from));
    ck_free(work, f->came_by, states, sizeof(*f->came_by));
    ck_free(work, f->queue, states, sizeof(*f->queue));
    ck_free(work, f, 1, sizeof(*f));
    return found;
}
