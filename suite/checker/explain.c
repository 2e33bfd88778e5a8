/* explain.c - a cycle of points as edges between transactions, each with the key and the values that make it, in words.
 *
 * SPDX-License-Identifier: MIT
 */
#include "checker/blackbox.h"

struct why {
    const struct ck_work *work;
    struct ck_edge *edge;
    bool known;
};

static int64_t value_of(const struct ck_work *work, uint32_t txn, uint32_t key) {
    const struct hs_op *op = ck_last_write(work->h, &work->h->txns[txn], key);
    return op == NULL || op->kind == HS_DELETE ? HS_ABSENT : op->value;
}

/* What the operation answered about the key. */
static int64_t answered(const struct ck_work *work, const struct ck_dependency *d) {
    const struct hs_op *op = &work->h->ops[d->op];
    if (d->range) return HS_ABSENT;
    if (op->kind == HS_LIST) return op->value > 0 ? work->h->lists[op->version + (uint64_t)op->value - 1] : HS_ABSENT;
    if (op->kind == HS_READ || op->kind == HS_ROW) return op->value;
    return ck_presence(op) == CK_SAYS_PRESENT ? 0 : HS_ABSENT;
}

/* Whether a version of the key after this one is of the writer, where only that was asked for (deps of weak
 * statements). */
static bool writes_later(const struct ck_work *work, uint32_t entry, uint32_t key, uint32_t writer) {
    for (uint32_t e = entry; !work->h->stamps && e < work->versions->end[key]; e++)
        if (ck_writer(work, e) == writer) return true;
    return false;
}

static void look_at_read(void *arg, const struct ck_dependency *d) {
    struct why *w = arg;
    bool back = w->edge->kind == CK_WR;
    uint32_t entry = back ? d->from : d->next, other = back ? w->edge->from : w->edge->to;
    bool kind = back || d->range == (w->edge->kind == CK_RW_RANGE);
    if (w->known || !kind || entry == CK_NO_ENTRY) return;
    if (ck_writer(w->work, entry) != other && (back || !writes_later(w->work, entry, d->key, other))) return;
    w->known = true;
    w->edge->key = d->key;
    w->edge->from_value = back ? value_of(w->work, other, d->key) : answered(w->work, d);
    w->edge->to_value = back ? answered(w->work, d) : value_of(w->work, other, d->key);
}

/* A key that both wrote, `from` before `to`; next to each other where there is such a key. */
static void look_at_writes(struct why *w) {
    const struct hs_history *h = w->work->h;
    const struct hs_txn *t = &h->txns[w->edge->to];
    const struct ck_versions *v = w->work->versions;
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count && !w->known; i++) {
        if (!ck_is_write(&h->ops[i])) continue;
        uint32_t key = h->ops[i].key, before = CK_NO_ENTRY;
        for (uint32_t e = v->start[key]; e < v->end[key]; e++) {
            if (ck_writer(w->work, e) == w->edge->from) before = e;
            if (ck_writer(w->work, e) == w->edge->to && w->work->partial == NULL) break;
        }
        if (before == CK_NO_ENTRY) continue;
        w->known = true;
        w->edge->key = key;
        w->edge->from_value = value_of(w->work, w->edge->from, key);
        w->edge->to_value = value_of(w->work, w->edge->to, key);
    }
}

static void look(const struct ck_work *work, struct ck_edge *edge) {
    struct why w = {work, edge, false};
    edge->key = HS_OPEN;
    edge->from_value = edge->to_value = HS_ABSENT;
    if (edge->kind == CK_WW)
        look_at_writes(&w);
    else if (edge->kind == CK_WR)
        ck_dependencies(work, edge->to, look_at_read, &w);
    else if (edge->kind == CK_RW || edge->kind == CK_RW_RANGE)
        ck_dependencies(work, edge->from, look_at_read, &w);
}

static void say_edge(const struct ck_work *work, struct ck_finding *finding, const struct ck_edge *e) {
    const struct hs_txn *txns = work->h->txns;
    struct ck_text key = {""}, from = ck_value_name(e->from_value), to = ck_value_name(e->to_value);
    if (e->key != HS_OPEN) key = ck_key_name(work, e->key);
    switch (e->kind) {
    case CK_WW:
        ck_say(finding, "T%u before T%u: T%u wrote %s = %s, and T%u wrote %s over it", e->from, e->to, e->from,
               key.text, from.text, e->to, to.text);
        break;
    case CK_WR:
        ck_say(finding, "T%u before T%u: T%u read %s = %s, which T%u wrote", e->from, e->to, e->to, key.text, from.text,
               e->from);
        break;
    case CK_RW:
        ck_say(finding, "T%u before T%u: T%u read %s = %s, and T%u changed it to %s", e->from, e->to, e->from, key.text,
               from.text, e->to, to.text);
        break;
    case CK_RW_RANGE:
        ck_say(finding, "T%u before T%u: a scan of T%u found no %s, and T%u wrote %s there", e->from, e->to, e->from,
               key.text, e->to, to.text);
        break;
    case CK_RT:
        ck_say(finding, "T%u before T%u: T%u had ended at %llu, T%u began at %llu", e->from, e->to, e->from,
               (unsigned long long)txns[e->from].end, e->to, (unsigned long long)txns[e->to].begin);
        break;
    default:
        ck_say(finding, "T%u before T%u: session %u ran them in this order", e->from, e->to, txns[e->from].session);
        break;
    }
}

/* Steps over helpers become one edge. */
static unsigned join(const struct ck_graph *g, const struct ck_step *steps, unsigned count, struct ck_edge *edges) {
    unsigned n = 0, first = 0;
    while (first < count && g->txn_of[steps[first].from] == CK_NO_TXN) first++;
    for (unsigned i = 0; i < count; i++) {
        const struct ck_step *step = &steps[(first + i) % count];
        uint32_t from = g->txn_of[step->from], to = g->txn_of[step->to];
        if (n == CK_CYCLE_MAX) return CK_CYCLE_MAX + 1;
        if (from != CK_NO_TXN) edges[n] = (struct ck_edge){.from = from, .kind = (enum ck_edge_kind)step->kind};
        if (to != CK_NO_TXN) edges[n++].to = to;
    }
    return n;
}

void ck_explain(struct ck_work *work, const struct ck_graph *graph, struct ck_finding *finding,
                const struct ck_step *steps, unsigned count) {
    unsigned n = join(graph, steps, count, finding->edges);
    if (n > CK_CYCLE_MAX) {
        ck_say(finding, "a cycle of %u transactions, too long to be listed", count);
        return;
    }
    finding->edge_count = n;
    finding->other = finding->edges[0].to;
    for (unsigned i = 0; i < n; i++) {
        look(work, &finding->edges[i]);
        if (i < 8) say_edge(work, finding, &finding->edges[i]);
    }
    if (n > 8) ck_say(finding, "and %u more", n - 8);
    ck_say(finding, "so T%u would have to come before itself", finding->edges[0].from);
}
