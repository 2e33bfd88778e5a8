/* test_lists.c - random small histories of lists, judged by the checker and by brute force: the verdicts agree.
 *
 * The judge written here knows nothing of the checker: it tries every order of the points at which transactions read and
 * commit (one at repeatable read and serializable, two at snapshot) and carries the lists along. An order explains the
 * history if each list read is the one at the reader's first point with the reader's own elements behind it, if at
 * snapshot nobody has appended in between to what the transaction appends to, and if real time is kept where it counts.
 * Few reads are drawn, so that most elements are never seen by anybody.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "suite/checker/build.h"
#include "support/testdb.h"

enum { KEYS = 3, TXNS = 5, OPS = 4, LENGTH = TXNS * OPS };

struct list {
    unsigned count;
    int64_t elements[LENGTH];
};

struct state {
    struct list lists[KEYS];
};

/* --- the judge ------------------------------------------------------------------------------------------------------- */

struct arrangement {
    const struct hs_history *h;
    bool strict;
    unsigned done[TXNS];
    struct state now, first[TXNS]; /* as found at its first point */
};

static unsigned points_of(const struct hs_txn *txn) { return txn->level == VARVE_SNAPSHOT ? 2 : 1; }

static void append(struct list *list, int64_t element) { list->elements[list->count++] = element; }

static bool lists_fit(const struct hs_history *h, const struct hs_txn *txn, struct state s) {
    for (uint64_t i = txn->first_op; i < txn->first_op + txn->op_count; i++) {
        const struct hs_op *op = &h->ops[i];
        struct list *list = &s.lists[op->key];
        if (op->kind == HS_APPEND)
            append(list, op->value);
        else if ((op->value == HS_ABSENT ? 0 : (uint64_t)op->value) != list->count)
            return false;
        else if (list->count != 0 &&
                 memcmp(h->lists + op->version, list->elements, list->count * sizeof(*list->elements)) != 0)
            return false;
    }
    return true;
}

static bool may_begin(const struct arrangement *a, unsigned txn) {
    for (unsigned o = 0; a->strict && o < a->h->txn_count; o++)
        if (a->done[o] != points_of(&a->h->txns[o]) && a->h->txns[o].end < a->h->txns[txn].begin) return false;
    return true;
}

static bool take_point(struct arrangement *a, unsigned txn) {
    const struct hs_txn *t = &a->h->txns[txn];
    if (a->done[txn] == 0) {
        if (!may_begin(a, txn) || !lists_fit(a->h, t, a->now)) return false;
        a->first[txn] = a->now;
    }
    if (++a->done[txn] != points_of(t)) return true;
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
        uint32_t key = a->h->ops[i].key;
        bool appends = a->h->ops[i].kind == HS_APPEND;
        if (appends && a->now.lists[key].count != a->first[txn].lists[key].count) return false;
    }
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++)
        if (a->h->ops[i].kind == HS_APPEND) append(&a->now.lists[a->h->ops[i].key], a->h->ops[i].value);
    return true;
}

static bool arrange(const struct arrangement *a) {
    bool all = true;
    for (unsigned t = 0; t < a->h->txn_count; t++) {
        if (a->done[t] == points_of(&a->h->txns[t])) continue;
        struct arrangement next = *a;
        all = false;
        if (take_point(&next, t) && arrange(&next)) return true;
    }
    return all;
}

static bool legal(const struct hs_history *h, bool strict) {
    struct arrangement a = {.h = h, .strict = strict};
    return arrange(&a);
}

/* --- random histories ------------------------------------------------------------------------------------------------ */

/* What a transaction reads comes from the state before one of the others, most often from one and the same. */
struct maker {
    struct td_random *random;
    struct hs_history *h;
    struct state states[TXNS + 1]; /* after so many of them */
    unsigned faults, reads;
};

static void add_list(struct maker *m, uint32_t key, uint16_t statement, unsigned stamp, const struct list *own) {
    struct list list = m->states[td_chance(m->random, m->faults) ? td_below(m->random, stamp + 1) : stamp].lists[key];
    for (unsigned i = 0; i < own->count; i++) append(&list, own->elements[i]);
    struct hs_op op = {.key = key, .kind = HS_LIST, .statement = statement};
    op.value = list.count == 0 ? HS_ABSENT : (int64_t)list.count;
    if (list.count != 0) hb_must(hs_list_add(m->h, list.elements, list.count, &op.version), "list");
    hb_must(hs_op_add(m->h, &op), "operation");
}

static void add_txn(struct maker *m, unsigned txn, struct hs_txn head, unsigned stamp) {
    struct list own[KEYS] = {{0}};
    unsigned ops = 1 + (unsigned)td_below(m->random, OPS);
    hb_must(hs_txn_add(m->h, &head), "transaction");
    m->states[txn + 1] = m->states[txn];
    for (unsigned i = 0; i < ops; i++) {
        struct hs_op op = {.key = (uint32_t)td_below(m->random, KEYS), .kind = HS_APPEND};
        op.statement = (uint16_t)i;
        op.value = (int64_t)(txn * 10 + i + 1);
        if (td_chance(m->random, m->reads)) {
            add_list(m, op.key, op.statement, stamp, &own[op.key]);
            continue;
        }
        append(&own[op.key], op.value);
        append(&m->states[txn + 1].lists[op.key], op.value);
        hb_must(hs_op_add(m->h, &op), "operation");
    }
}

static void draw(struct td_random *random, struct hs_history *h) {
    static const uint8_t levels[] = {VARVE_REPEATABLE_READ, VARVE_SNAPSHOT, VARVE_SNAPSHOT, VARVE_SERIALIZABLE};
    struct maker m = {.random = random, .h = h, .faults = (unsigned)td_below(random, 3) * 15};
    struct hs_problem problem;
    unsigned count = 2 + (unsigned)td_below(random, TXNS - 1), mix = (unsigned)td_below(random, 5);
    m.reads = 25 + (unsigned)td_below(random, 40);
    hs_init(h);
    h->shape = HS_LISTS;
    h->timed = h->by_session = true;
    for (unsigned k = 0; k < KEYS; k++) {
        uint32_t id;
        hb_must(hs_key(h, &"abc"[k], 1, &id), "key");
    }
    for (unsigned t = 0; t < count; t++) {
        struct hs_txn head = {.begin = 2 * t + td_below(random, 4), .session = t};
        head.end = head.begin + 1 + td_below(random, 6);
        head.level = levels[mix < 4 ? mix : td_below(random, 4)];
        add_txn(&m, t, head, td_chance(random, 50) ? t : (unsigned)td_below(random, t + 1));
    }
    hb_must(hs_finish(h, &problem), "finish");
}

/* --- the comparison --------------------------------------------------------------------------------------------------- */

static void test_lists(void **state) {
    (void)state;
    unsigned cases = td_case_count(12000), by_class[CK_ANOMALIES] = {0};
    for (unsigned n = 0; n < cases; n++) {
        struct td_random random = {td_seed() * 9000011 + n};
        struct hs_history h;
        struct ck_report report;
        if (td_only_case() >= 0 && (long)n != td_only_case()) continue;
        td_context("lists: seed %llu case %u", (unsigned long long)td_seed(), n);
        struct ck_options options = {.strict = td_chance(&random, 40)};
        draw(&random, &h);
        if (td_only_case() >= 0) hs_write(stderr, HS_FORMAT_JSONL, &h, &(struct hs_problem){0, ""});
        bool expected = legal(&h, options.strict);
        TD_STATUS(ck_check(&h, &options, &report), VARVE_OK);
        TD_CHECK(report.verdict == (expected ? CK_OK : CK_VIOLATION), "legal %d, verdict %d %s\n%s%s", expected,
                 report.verdict, ck_anomaly_name(report.finding.anomaly), report.finding.proof, report.unknown);
        bool timely = report.finding.anomaly == CK_REAL_TIME;
        TD_CHECK(expected || timely == (options.strict && legal(&h, false)), "%s, but without real time %s\n%s",
                 ck_anomaly_name(report.finding.anomaly), timely ? "no order either" : "there is an order",
                 report.finding.proof);
        by_class[report.verdict == CK_OK ? CK_NONE : report.finding.anomaly]++;
        hs_release(&h);
    }
    printf("%u histories of lists: %u legal;", cases, by_class[CK_NONE]);
    for (int a = 1; a < CK_ANOMALIES; a++)
        if (by_class[a] != 0) printf(" %s %u", ck_anomaly_name((enum ck_anomaly)a), by_class[a]);
    printf("\n");
    if (td_only_case() < 0) assert_in_range(by_class[CK_NONE], cases / 10, cases - cases / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
