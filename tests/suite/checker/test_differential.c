/* test_differential.c - random small histories, judged by the checker and by brute force: the verdicts agree.
 *
 * Two judges are written here, from the definitions and knowing nothing of the checker. The first takes the order of
 * commit timestamps for given and tries every stamp that is not on record. The second asks whether the points at which
 * transactions read and commit can be put in any order at all that explains every answer (the versions of each key in
 * the order of their commit timestamps): it tries all orders. A verdict must agree with the first; and a history that the
 * second cannot explain must get a cycle, one that it can must not.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "suite/checker/build.h"
#include "support/testdb.h"

enum { KEYS = 3, TXNS = 4, OPS = 4, STATES = TXNS + 1 };

struct state {
    uint64_t version[KEYS];
    int64_t value[KEYS];
};

struct case_state {
    struct hs_history h;
    bool strict;
    bool blind;                /* versions are not known: any order of them will do */
    unsigned writers;          /* committed, by cts */
    unsigned at[STATES];       /* their transactions, from 1 */
    unsigned position[TXNS];   /* of a writer; 0: it writes nothing */
    struct state states[STATES];
};

/* --- what the definitions say ------------------------------------------------------------------------------------------ */

static bool writes_op(const struct hs_op *op) { return op->kind == HS_WRITE || op->kind == HS_DELETE; }

static void index_states(struct case_state *c) {
    const struct hs_history *h = &c->h;
    c->writers = 0;
    for (unsigned t = 0; t < h->txn_count; t++) {
        c->position[t] = 0;
        for (unsigned i = 0; i < h->txns[t].op_count; i++)
            if (writes_op(&h->ops[h->txns[t].first_op + i])) c->position[t] = 1;
    }
    for (uint64_t cts = 1; cts <= 9; cts++)
        for (unsigned t = 0; t < h->txn_count; t++)
            if (c->position[t] != 0 && h->txns[t].cts == cts) c->at[++c->writers] = t;
    for (unsigned k = 0; k < KEYS; k++) {
        c->states[0].version[k] = 0;
        c->states[0].value[k] = HS_ABSENT;
    }
    for (unsigned p = 1; p <= c->writers; p++) {
        const struct hs_txn *t = &h->txns[c->at[p]];
        c->position[c->at[p]] = p;
        c->states[p] = c->states[p - 1];
        for (unsigned i = 0; i < t->op_count; i++) {
            const struct hs_op *op = &h->ops[t->first_op + i];
            if (!writes_op(op)) continue;
            c->states[p].version[op->key] = t->cts;
            c->states[p].value[op->key] = op->kind == HS_DELETE ? HS_ABSENT : op->value;
        }
    }
}

static bool owned(const struct hs_history *h, const struct hs_txn *t, uint64_t before, uint32_t key) {
    for (uint64_t i = t->first_op; i < before; i++)
        if (writes_op(&h->ops[i]) && h->ops[i].key == key) return true;
    return false;
}

static bool row_fits(const struct hs_op *op, const struct state *s) {
    if (op->value == HS_ABSENT) return s->value[op->key] == HS_ABSENT;
    return s->version[op->key] == op->version && s->value[op->key] == op->value;
}

static bool scan_fits(const struct hs_history *h, const struct hs_txn *t, uint64_t scan, const struct state *s, bool gaps) {
    const struct hs_range *range = &h->ranges[h->ops[scan].key];
    uint64_t rows = (uint64_t)h->ops[scan].value;
    for (uint64_t i = scan + 1; i <= scan + rows; i++)
        if ((h->ops[i].flags & HS_OWN) == 0 && !row_fits(&h->ops[i], s)) return false;
    for (uint32_t k = 0; gaps && k < KEYS; k++) {
        bool in = k >= range->low && (range->high == HS_OPEN || k < range->high), returned = false;
        for (uint64_t i = scan + 1; i <= scan + rows; i++) returned = returned || h->ops[i].key == k;
        if (in && !returned && !owned(h, t, scan, k) && s->value[k] != HS_ABSENT) return false;
    }
    return true;
}

/* The answers of operations first .. last - 1 are those that the state gives. */
static bool fits(const struct case_state *c, unsigned txn, uint64_t first, uint64_t last, const struct state *s, bool gaps) {
    const struct hs_history *h = &c->h;
    const struct hs_txn *t = &h->txns[txn];
    for (uint64_t i = first; i < last; i++) {
        const struct hs_op *op = &h->ops[i];
        if (op->kind == HS_SCAN && !scan_fits(h, t, i, s, gaps)) return false;
        if ((op->flags & HS_OWN) != 0) continue;
        if (op->kind == HS_READ && !row_fits(op, s)) return false;
        if (op->kind == HS_EXISTS && (op->value == HS_ABSENT) != (s->value[op->key] == HS_ABSENT)) return false;
    }
    return true;
}

static bool relies_on(const struct case_state *c, unsigned txn, const struct state *s) {
    const struct hs_txn *t = &c->h.txns[txn];
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
        const struct hs_op *op = &c->h.ops[i];
        if (!writes_op(op) || owned(&c->h, t, i, op->key)) continue;
        if ((op->flags & HS_NEEDS_ABSENT) != 0 && s->value[op->key] != HS_ABSENT) return false;
        if ((op->flags & HS_NEEDS_PRESENT) != 0 && s->value[op->key] == HS_ABSENT) return false;
    }
    return true;
}

static bool overwrites_between(const struct case_state *c, unsigned txn, unsigned from, unsigned to) {
    const struct hs_txn *t = &c->h.txns[txn];
    for (unsigned p = from + 1; p <= to; p++)
        for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
            const struct hs_op *op = &c->h.ops[i];
            if (writes_op(op) && c->states[p].version[op->key] == c->h.txns[c->at[p]].cts) return true;
        }
    return false;
}

/* --- the first judge: by the order of commit timestamps ------------------------------------------------------------------ */

static unsigned position_at(const struct case_state *c, uint64_t stamp) {
    unsigned p = 0;
    while (p < c->writers && c->h.txns[c->at[p + 1]].cts <= stamp) p++;
    return p;
}

static uint64_t statement_end(const struct hs_history *h, const struct hs_txn *t, uint64_t i) {
    uint64_t end = t->first_op + t->op_count, next = i + 1;
    while (next < end && h->ops[next].statement == h->ops[i].statement) next++;
    return next;
}

static bool statements_from(const struct case_state *c, unsigned txn, uint64_t i, unsigned from) {
    const struct hs_txn *t = &c->h.txns[txn];
    unsigned last = c->position[txn] != 0 ? c->position[txn] - 1 : c->writers;
    if (i == t->first_op + t->op_count) return true;
    uint64_t next = statement_end(&c->h, t, i);
    for (unsigned p = from; p <= last; p++)
        if (fits(c, txn, i, next, &c->states[p], true) && statements_from(c, txn, next, p)) return true;
    return false;
}

/* Twice the position for a commit, one more for a read after it; first[] where it begins, last[] where it ends. */
struct places {
    unsigned first[TXNS], last[TXNS];
    bool bound[TXNS];
};

/* What had been acknowledged, to a writer or to a reader of a stronger level, before the transaction began. */
static unsigned acknowledged(const struct case_state *c, const struct places *places, unsigned txn) {
    unsigned last = 0;
    for (unsigned o = 0; c->strict && o < c->h.txn_count; o++)
        if (places->bound[o] && c->h.txns[o].end < c->h.txns[txn].begin && places->last[o] / 2 > last)
            last = places->last[o] / 2;
    return last;
}

static bool time_kept(const struct case_state *c, const struct places *places) {
    for (unsigned a = 0; a < c->h.txn_count; a++)
        for (unsigned b = 0; b < c->h.txn_count; b++)
            if (places->bound[a] && places->bound[b] && c->h.txns[a].end < c->h.txns[b].begin &&
                places->last[a] > places->first[b])
                return false;
    return true;
}

static bool all_statements_hold(const struct case_state *c, const struct places *places) {
    for (unsigned t = 0; t < c->h.txn_count; t++)
        if (c->h.txns[t].level == VARVE_READ_COMMITTED &&
            !statements_from(c, t, c->h.txns[t].first_op, acknowledged(c, places, t)))
            return false;
    return true;
}

static bool place_from(const struct case_state *c, unsigned txn, struct places *places) {
    if (txn == c->h.txn_count) return (!c->strict || time_kept(c, places)) && all_statements_hold(c, places);
    const struct hs_txn *t = &c->h.txns[txn];
    unsigned own = c->position[txn];
    uint64_t first = t->first_op, end = first + t->op_count;
    places->bound[txn] = true;
    places->first[txn] = places->last[txn] = 2 * own;
    if (own != 0 && !relies_on(c, txn, &c->states[own - 1])) return false;
    if (t->level == VARVE_READ_COMMITTED) {
        places->bound[txn] = own != 0;
        return place_from(c, txn + 1, places);
    }
    bool gaps = t->level != VARVE_REPEATABLE_READ;
    if (own != 0 && t->level != VARVE_SNAPSHOT)
        return fits(c, txn, first, end, &c->states[own - 1], gaps) && place_from(c, txn + 1, places);
    for (unsigned p = 0; p <= c->writers; p++) {
        if (t->snapshot != HS_NO_STAMP && p != position_at(c, t->snapshot)) continue;
        if (!fits(c, txn, first, end, &c->states[p], gaps)) continue;
        if (own != 0 && overwrites_between(c, txn, p, own - 1)) continue;
        places->first[txn] = 2 * p + 1;
        places->last[txn] = own != 0 ? 2 * own : 2 * p + 1;
        if (place_from(c, txn + 1, places)) return true;
    }
    return false;
}

static bool legal_by_stamps(const struct case_state *c) {
    struct places places;
    return place_from(c, 0, &places);
}

/* --- the second judge: any order of points ---------------------------------------------------------------------------------- */

struct arrangement {
    const struct case_state *c;
    unsigned done[TXNS];   /* points taken */
    unsigned points[TXNS];
    struct state now;
    struct state snapshot[TXNS];
};

static unsigned points_of(const struct case_state *c, unsigned txn) {
    const struct hs_txn *t = &c->h.txns[txn];
    if (t->level == VARVE_SNAPSHOT) return 2;
    if (t->level != VARVE_READ_COMMITTED) return 1;
    unsigned points = 1;
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i = statement_end(&c->h, t, i)) points++;
    return points;
}

/* Nothing that has ended before it began is left to be placed. */
static bool may_begin(const struct arrangement *a, unsigned txn) {
    const struct hs_history *h = &a->c->h;
    for (unsigned o = 0; a->c->strict && o < h->txn_count; o++) {
        bool binds = h->txns[o].level != VARVE_READ_COMMITTED || a->c->position[o] != 0;
        if (binds && a->done[o] != a->points[o] && h->txns[o].end < h->txns[txn].begin) return false;
    }
    return true;
}

/* Every earlier version of a key that the transaction writes is there, none later. Where versions are not known: at
 * snapshot nobody has written the key since. */
static bool in_turn(const struct arrangement *a, unsigned txn) {
    const struct case_state *c = a->c;
    const struct hs_txn *t = &c->h.txns[txn];
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
        const struct hs_op *op = &c->h.ops[i];
        if (!writes_op(op)) continue;
        uint64_t before = c->blind && t->level == VARVE_SNAPSHOT ? a->snapshot[txn].version[op->key]
                          : c->blind                              ? a->now.version[op->key]
                                             : c->states[c->position[txn] - 1].version[op->key];
        if (a->now.version[op->key] != before) return false;
    }
    return true;
}

static bool take_point(struct arrangement *a, unsigned txn) {
    const struct case_state *c = a->c;
    const struct hs_txn *t = &c->h.txns[txn];
    unsigned point = a->done[txn];
    uint64_t first = t->first_op, end = first + t->op_count;
    bool commits = point + 1 == a->points[txn];
    if (point == 0 && !may_begin(a, txn)) return false;
    if (point == 0) a->snapshot[txn] = a->now;
    if (t->level == VARVE_READ_COMMITTED && !commits) {
        for (unsigned s = 0; s < point; s++) first = statement_end(&c->h, t, first);
        if (!fits(c, txn, first, statement_end(&c->h, t, first), &a->now, true)) return false;
    } else if (point == 0 && t->level != VARVE_READ_COMMITTED) {
        if (!fits(c, txn, first, end, &a->now, t->level != VARVE_REPEATABLE_READ)) return false;
        if (t->level == VARVE_SNAPSHOT && c->position[txn] != 0 && !in_turn(a, txn)) return false;
    }
    if (commits && c->position[txn] != 0) {
        if (!in_turn(a, txn) || !relies_on(c, txn, &a->now)) return false;
        for (uint64_t i = first; i < end; i++) {
            const struct hs_op *op = &c->h.ops[i];
            if (!writes_op(op)) continue;
            a->now.version[op->key] = t->cts;
            a->now.value[op->key] = op->kind == HS_DELETE ? HS_ABSENT : op->value;
        }
    }
    a->done[txn]++;
    return true;
}

/* What has been tried in vain, by the points taken: they tell the state where the order of versions is given. */
static bool failed[8 * 8 * 8 * 8];

static bool arrange(const struct arrangement *a) {
    bool all = true;
    unsigned where = a->done[0] | a->done[1] << 3 | a->done[2] << 6 | a->done[3] << 9;
    if (failed[where]) return false;
    for (unsigned t = 0; t < a->c->h.txn_count; t++) {
        if (a->done[t] == a->points[t]) continue;
        struct arrangement next = *a;
        all = false;
        if (take_point(&next, t) && arrange(&next)) return true;
    }
    failed[where] = !all && !a->c->blind;
    return all;
}

static bool legal_in_some_order(const struct case_state *c) {
    struct arrangement a = {.c = c, .now = c->states[0]};
    memset(failed, 0, sizeof(failed));
    for (unsigned t = 0; t < c->h.txn_count; t++) a.points[t] = points_of(c, t);
    return arrange(&a);
}

/* --- random histories ---------------------------------------------------------------------------------------------------------- */

struct maker {
    struct td_random *random;
    struct hs_history *h;
    const struct state *states;
    unsigned writers, faults;
    bool plain; /* no question of presence alone */
    int64_t own[KEYS]; /* INT64_MIN + 1: untouched */
    uint32_t own_op[KEYS];
    unsigned stamp;
};
#define UNTOUCHED (INT64_MIN + 1)

static void add_op(struct maker *m, struct hs_op op) { hb_must(hs_op_add(m->h, &op), "op"); }

static struct hs_op seen(struct maker *m, uint8_t kind, uint32_t key, uint16_t statement) {
    struct hs_op op = {.key = key, .kind = kind, .statement = statement};
    unsigned p = td_below(m->random, 100) < m->faults ? (unsigned)td_below(m->random, m->writers + 1) : m->stamp;
    if (m->own[key] != UNTOUCHED) {
        op.flags = HS_OWN;
        op.version = m->own_op[key];
        op.value = m->own[key];
    } else {
        op.version = m->states[p].version[key];
        op.value = m->states[p].value[key];
        if (op.value == HS_ABSENT && td_chance(m->random, 50)) op.version = 0;
    }
    if (kind == HS_EXISTS && op.value != HS_ABSENT) op.value = 0;
    return op;
}

static void add_scan(struct maker *m, uint16_t statement) {
    struct hs_range range = {(uint32_t)td_below(m->random, KEYS), HS_OPEN, 0};
    struct hs_op rows[KEYS], scan = {.kind = HS_SCAN, .statement = statement};
    if (td_chance(m->random, 60)) range.high = (uint32_t)td_below(m->random, KEYS);
    if (range.high != HS_OPEN && range.high < range.low) range.high = range.low;
    for (uint32_t k = range.low; k < KEYS && (range.high == HS_OPEN || k < range.high); k++) {
        rows[scan.value] = seen(m, HS_ROW, k, statement);
        scan.value += rows[scan.value].value != HS_ABSENT;
    }
    hb_must(hs_range_add(m->h, &range, &scan.key), "range");
    add_op(m, scan);
    for (int64_t i = 0; i < scan.value; i++) add_op(m, rows[i]);
}

static const struct hs_op none;

static void add_read(struct maker *m, uint16_t statement) {
    uint32_t key = (uint32_t)td_below(m->random, KEYS);
    switch (td_below(m->random, 4)) {
    case 0: add_scan(m, statement); break;
    case 1: add_op(m, seen(m, m->plain ? HS_READ : HS_EXISTS, key, statement)); break;
    default: add_op(m, seen(m, HS_READ, key, statement)); break;
    }
}

/* Writes are drawn before, so that the states are known: plan[] holds them. */
struct plan {
    unsigned op_count;
    struct hs_op writes[OPS]; /* kind HS_READ: a read comes here */
};

static void draw_plan(struct td_random *random, struct plan *plan, unsigned txn, bool deletes) {
    unsigned write_chance = td_below(random, 4) == 0 ? 0 : 45;
    plan->op_count = 1 + (unsigned)td_below(random, OPS);
    for (unsigned i = 0; i < plan->op_count; i++) {
        struct hs_op *op = &plan->writes[i];
        *op = none;
        op->kind = HS_READ;
        if (!td_chance(random, write_chance)) continue;
        op->key = (uint32_t)td_below(random, KEYS);
        op->kind = deletes && td_chance(random, 30) ? HS_DELETE : HS_WRITE;
        op->value = op->kind == HS_DELETE ? HS_ABSENT : (int64_t)(txn * 10 + i + 1);
    }
}

static void add_txn(struct maker *m, const struct case_state *c, const struct plan *plan, unsigned txn,
                    const struct hs_txn *head) {
    hb_must(hs_txn_add(m->h, head), "transaction");
    unsigned own = c->position[txn];
    bool at_cts = own != 0 && head->level != VARVE_SNAPSHOT;
    uint16_t statement = 0;
    m->stamp = at_cts ? own - 1 : position_at(c, head->snapshot);
    for (unsigned k = 0; k < KEYS; k++) m->own[k] = UNTOUCHED;
    for (uint32_t i = 0; i < plan->op_count; i++) {
        if (head->level == VARVE_READ_COMMITTED) m->stamp = (unsigned)td_below(m->random, m->stamp + 1);
        if (td_chance(m->random, 80)) statement++;
        if (plan->writes[i].kind == HS_READ) {
            add_read(m, statement);
            continue;
        }
        struct hs_op op = plan->writes[i];
        op.statement = statement;
        bool present = own != 0 && c->states[own - 1].value[op.key] != HS_ABSENT;
        if (!m->plain && m->own[op.key] == UNTOUCHED && td_chance(m->random, 30))
            op.flags = present != (td_below(m->random, 100) < m->faults) ? HS_NEEDS_PRESENT : HS_NEEDS_ABSENT;
        m->own[op.key] = op.kind == HS_DELETE ? HS_ABSENT : op.value;
        m->own_op[op.key] = m->h->txns[txn].op_count;
        add_op(m, op);
    }
}

/* Levels: one for all, or each its own. */
static void draw_case(struct td_random *random, struct case_state *c) {
    static const uint8_t levels[] = {VARVE_READ_COMMITTED, VARVE_REPEATABLE_READ, VARVE_SNAPSHOT, VARVE_SERIALIZABLE};
    struct plan plans[TXNS];
    struct hs_txn heads[TXNS];
    unsigned count = 2 + (unsigned)td_below(random, TXNS - 1), mix = (unsigned)td_below(random, 5);
    bool deletes = !c->blind && td_chance(random, 40);
    struct hs_history bare;
    hs_init(&bare);
    uint64_t order[TXNS] = {1, 2, 3, 4};
    for (unsigned i = count - 1; i > 0; i--) {
        unsigned j = (unsigned)td_below(random, i + 1);
        uint64_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (unsigned t = 0; t < count; t++) {
        draw_plan(random, &plans[t], t, deletes);
        bool writes = false;
        for (unsigned i = 0; i < plans[t].op_count; i++) writes = writes || plans[t].writes[i].kind != HS_READ;
        heads[t] = (struct hs_txn){.begin = td_below(random, 6), .cts = writes ? 2 * order[t] : 0, .session = t};
        heads[t].begin += td_chance(random, 70) ? 2 * order[t] : 0;
        heads[t].end = heads[t].begin + 1 + td_below(random, 6);
        heads[t].level = levels[mix < 4 ? mix : td_below(random, 4)];
        heads[t].snapshot = 2 * order[t] - 1 - td_below(random, 2 * order[t]);
        if (heads[t].level != VARVE_SNAPSHOT && td_chance(random, 40)) heads[t].snapshot = HS_NO_STAMP;
        hb_must(hs_txn_add(&bare, &heads[t]), "transaction");
        for (unsigned i = 0; i < plans[t].op_count; i++) hb_must(hs_op_add(&bare, &plans[t].writes[i]), "op");
    }
    c->h = bare;
    index_states(c);
    struct hs_history full;
    hs_init(&full);
    full.timed = full.by_session = true;
    full.stamps = !c->blind;
    for (unsigned k = 0; k < KEYS; k++) {
        uint32_t id;
        hb_must(hs_key(&full, &"abc"[k], 1, &id), "key");
    }
    struct maker m = {.random = random, .h = &full, .states = c->states, .writers = c->writers, .plain = c->blind};
    m.faults = (unsigned)td_below(random, 4) * 10;
    for (unsigned t = 0; t < count; t++) add_txn(&m, c, &plans[t], t, &heads[t]);
    hs_release(&bare);
    c->h = full;
}

/* --- the comparison -------------------------------------------------------------------------------------------------------------- */

static bool has_deletes(const struct hs_history *h) {
    for (size_t i = 0; i < h->op_count; i++)
        if (h->ops[i].kind == HS_DELETE) return true;
    return false;
}

struct tally {
    unsigned ok, order, by_class[CK_ANOMALIES];
};

static void compare(struct case_state *c, struct tally *tally) {
    struct ck_options options = {.strict = c->strict};
    struct ck_report report, with_graph;
    bool stamps = legal_by_stamps(c), any = legal_in_some_order(c);
    TD_STATUS(ck_check(&c->h, &options, &report), VARVE_OK);
    bool ok = report.verdict == CK_OK;
    enum ck_anomaly class = report.finding.anomaly;
    TD_CHECK(ok == stamps, "legal by stamps: %d, verdict %s\n%s", stamps, ok ? "ok" : ck_anomaly_name(class),
             report.finding.proof);
    TD_CHECK(!stamps || any, "the judges contradict each other");
    bool cycle = !ok && class != CK_ORDER && class != CK_G_SI;
    TD_CHECK(!cycle || !any || has_deletes(&c->h), "legal in another order, but found %s\n%s", ck_anomaly_name(class), report.finding.proof);
    TD_CHECK(ok || class != CK_ORDER || any || has_deletes(&c->h), "legal in no order, but found %s\n%s", ck_anomaly_name(class),
             report.finding.proof);
    options.graph = true;
    TD_STATUS(ck_check(&c->h, &options, &with_graph), VARVE_OK);
    TD_CHECK(with_graph.verdict == report.verdict && with_graph.finding.anomaly == class,
             "with the graph asked for: %s\n%s", ck_anomaly_name(with_graph.finding.anomaly), with_graph.finding.proof);
    tally->ok += ok;
    tally->order += !ok && !cycle;
    tally->by_class[ok ? CK_NONE : class]++;
}

static void print_history(const struct hs_history *h) {
    hs_write(stderr, HS_FORMAT_JSONL, h, &(struct hs_problem){0, ""});
}

static void test_differential(void **state) {
    (void)state;
    struct tally tally = {0};
    unsigned cases = td_case_count(6000);
    for (unsigned n = 0; n < cases; n++) {
        struct td_random random = {td_seed() * 1000003 + n};
        struct case_state c = {.blind = false};
        struct hs_problem problem;
        if (td_only_case() >= 0 && (long)n != td_only_case()) continue;
        td_context("seed %llu case %u", (unsigned long long)td_seed(), n);
        c.strict = td_chance(&random, 50);
        draw_case(&random, &c);
        hb_must(hs_finish(&c.h, &problem), "finish");
        if (td_only_case() >= 0) print_history(&c.h);
        compare(&c, &tally);
        hs_release(&c.h);
    }
    printf("%u histories: %u legal, %u in another order;", cases, tally.ok, tally.order);
    for (int a = 1; a < CK_ANOMALIES; a++)
        if (tally.by_class[a] != 0) printf(" %s %u", ck_anomaly_name((enum ck_anomaly)a), tally.by_class[a]);
    printf("\n");
    if (td_only_case() < 0) {
        assert_true(tally.ok > cases / 20);
        assert_true(tally.order > cases / 100);
    }
}

/* By values alone; the answer is never that it is not known. */
static void test_without_stamps(void **state) {
    (void)state;
    unsigned legal = 0, cases = td_case_count(6000), by_class[CK_ANOMALIES] = {0};
    for (unsigned n = 0; n < cases; n++) {
        struct td_random random = {td_seed() * 7000003 + n};
        struct case_state c = {.blind = true};
        struct hs_problem problem;
        struct ck_report report;
        if (td_only_case() >= 0 && (long)n != td_only_case()) continue;
        td_context("without stamps: seed %llu case %u", (unsigned long long)td_seed(), n);
        c.strict = td_chance(&random, 50);
        draw_case(&random, &c);
        hb_must(hs_finish(&c.h, &problem), "finish");
        if (td_only_case() >= 0) print_history(&c.h);
        struct ck_options options = {.strict = c.strict};
        unsigned points = 0;
        for (unsigned t = 0; t < c.h.txn_count; t++) points += points_of(&c, t);
        bool any = points > 12 ? false : legal_in_some_order(&c); /* more would take too long to try */
        TD_STATUS(ck_check(&c.h, &options, &report), VARVE_OK);
        if (points > 12) {
            hs_release(&c.h);
            continue;
        }
        bool weak = false; /* without stamps read committed is judged by less than what is tried here */
        for (unsigned t = 0; t < c.h.txn_count; t++) weak = weak || c.h.txns[t].level == VARVE_READ_COMMITTED;
        bool agree = report.verdict == (any ? CK_OK : CK_VIOLATION) || (weak && report.verdict == CK_OK);
        TD_CHECK(agree, "legal %d, verdict %d %s\n%s%s", any, report.verdict,
                 ck_anomaly_name(report.finding.anomaly), report.finding.proof, report.unknown);
        if (report.verdict == CK_VIOLATION && c.strict && !weak) {
            bool timely = report.finding.anomaly == CK_REAL_TIME;
            c.strict = false;
            TD_CHECK(timely == legal_in_some_order(&c), "%s, but without real time there is %s order\n%s",
                     ck_anomaly_name(report.finding.anomaly), timely ? "no" : "an", report.finding.proof);
        }
        legal += any;
        by_class[report.verdict == CK_OK ? CK_NONE : report.finding.anomaly]++;
        hs_release(&c.h);
    }
    printf("%u histories without stamps: %u legal;", cases, legal);
    for (int a = 1; a < CK_ANOMALIES; a++)
        if (by_class[a] != 0) printf(" %s %u", ck_anomaly_name((enum ck_anomaly)a), by_class[a]);
    printf("\n");
    if (td_only_case() < 0) assert_in_range(legal, cases / 10, cases - cases / 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_differential), cmocka_unit_test(test_without_stamps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
