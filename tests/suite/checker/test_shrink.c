/* test_shrink.c - a shrunken history shows the same anomaly and nothing more; and what is changed in a legal history by
 * hand is caught.
 *
 * A legal history is made by running random transactions one after another. Into it an anomaly of a known class is put,
 * at random places; shrunk, it must be the few transactions of that class again. And: one recorded fact of a legal
 * history is changed (a version, a write, a cts, a row), which must not pass.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "suite/checker/cases.h"

enum { KEYS = 20 };

struct world {
    struct hb b;
    struct td_random random;
    uint64_t version[KEYS]; /* 0: absent */
    int64_t value[KEYS];
    uint64_t clock;
    int64_t next;
};

static const char *key_name(unsigned k) {
    static const char *const names[KEYS] = {"k00", "k01", "k02", "k03", "k04", "k05", "k06", "k07", "k08", "k09",
                                            "k10", "k11", "k12", "k13", "k14", "k15", "k16", "k17", "k18", "k19"};
    return names[k];
}

static void say(char **at, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(char **at, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    *at += vsprintf(*at, format, arguments);
    va_end(arguments);
}

static void say_read(struct world *w, char **at, unsigned k) {
    if (w->version[k] == 0)
        say(at, "r %s=-@0 ; ", key_name(k));
    else
        say(at, "r %s=%lld@%llu ; ", key_name(k), (long long)w->value[k], (unsigned long long)w->version[k]);
}

static void say_scan(struct world *w, char **at) {
    unsigned low = (unsigned)td_below(&w->random, KEYS - 4), high = low + 4;
    say(at, "s [%s,%s)", key_name(low), key_name(high));
    for (unsigned k = low; k < high; k++)
        if (w->version[k] != 0)
            say(at, " %s=%lld@%llu", key_name(k), (long long)w->value[k], (unsigned long long)w->version[k]);
    say(at, " ; ");
}

/* One transaction, run alone: it reads, scans and writes. */
static void step(struct world *w) {
    char text[1024], *at = text;
    uint64_t now = ++w->clock;
    unsigned write = (unsigned)td_below(&w->random, KEYS);
    say(&at, "T ser B%llu E%llu P%u C%llu : ", (unsigned long long)now * 10, (unsigned long long)now * 10 + 5,
        (unsigned)td_below(&w->random, 4), (unsigned long long)now);
    for (unsigned i = 0; i < 3; i++) say_read(w, &at, (unsigned)td_below(&w->random, KEYS));
    if (td_chance(&w->random, 40)) say_scan(w, &at);
    if (w->version[write] != 0 && td_chance(&w->random, 15)) {
        say(&at, "del %s", key_name(write));
        w->version[write] = 0;
    } else {
        say(&at, "w %s=%lld", key_name(write), (long long)++w->next);
        w->version[write] = now;
        w->value[write] = w->next;
    }
    hb_txn(&w->b, text);
}

static void open_world(struct world *w, uint64_t seed, unsigned steps) {
    memset(w, 0, sizeof(*w));
    hb_init(&w->b, true);
    w->random.state = seed;
    w->next = 1000;
    for (unsigned i = 0; i < steps; i++) step(w);
}

/* An anomaly over keys of its own, which are known to be absent before. */
struct plant {
    enum ck_anomaly anomaly;
    const char *txns[4]; /* %1, %2, %3 stand for stamps one after another */
    unsigned left;       /* transactions of the shrunken history */
};

static const struct plant plants[] = {
    {CK_INTERNAL, {"ser C%1 : w p=1 ; r p=-@0"}, 1},
    {CK_G1A, {"aborted C%1 : w p=1", "ser C%2 : r p=1@%1 ; w q=1"}, 2},
    {CK_G1B, {"ser C%1 : w p=1 ; w p=2", "ser C%2 : r p=1@%1 ; w q=1"}, 2},
    {CK_G1C, {"ser C%1 : w p=1 ; r q=1@%2", "ser C%2 : w q=1 ; r p=1@%1"}, 2},
    {CK_FRACTURED, {"ser C%1 : w p=1 ; w q=1", "ser C%2 : r p=-@0 ; r q=1@%1 ; w o=1"}, 2},
    {CK_LOST_UPDATE, {"ser C%1 : r p=-@0 ; w p=1", "ser C%2 : r p=-@0 ; w p=2"}, 2},
    {CK_G_SINGLE_ITEM, {"ser C%1 : w p=1", "ser C%2 : r p=1@%1 ; w q=1", "ser C%3 : r p=-@0 ; r q=1@%2 ; w o=1"}, 3},
    {CK_G_SINGLE, {"ser C%1 : w p=1 ; w q=1", "ser C%2 : s [o,pp) ; r q=1@%1 ; w n=1"}, 2},
    {CK_G2_ITEM, {"ser C%1 : r p=-@0 ; w q=1", "ser C%2 : r q=-@0 ; w p=1"}, 2},
    {CK_G2, {"ser C%1 : s [p,pp) ; w q=1", "ser C%2 : s [q,qq) ; w p=1"}, 2},
    {CK_G2, {"ser C%1 : s [p,) ; w n=1", "ser C%2 : s [,oo) ; w q=1"}, 2},
    {CK_G_SI, {"si S%1 C%2 : w p=1", "si S%1 C%3 : w p=2"}, 2},
    {CK_ORDER, {"ser C%1 : w p=1", "ser C%2 : r p=-@0 ; w q=1"}, 2},
};

static void sow(struct world *w, const struct plant *plant) {
    uint64_t first = w->clock + 1;
    w->clock += 4;
    for (unsigned i = 0; i < 4 && plant->txns[i] != NULL; i++) {
        char text[256], *at = text;
        say(&at, "B%llu E%llu ", (unsigned long long)first * 10, (unsigned long long)first * 10 + 30);
        for (const char *c = plant->txns[i]; *c != 0; c++) {
            if (*c == '%')
                say(&at, "%llu", (unsigned long long)first + (uint64_t)(*++c - '1'));
            else
                *at++ = *c;
        }
        *at = 0;
        hb_txn(&w->b, text);
    }
}

static void test_shrink(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
        struct world w;
        struct ck_options options = {.strict = true};
        struct ck_report report, small_report;
        struct hs_history small;
        open_world(&w, td_seed() + i, 60);
        sow(&w, &plants[i]);
        for (unsigned n = 0; n < 60; n++) step(&w);
        hb_finish(&w.b);
        TD_STATUS(ck_check(&w.b.h, &options, &report), VARVE_OK);
        const char *name = ck_anomaly_name(plants[i].anomaly);
        TD_CHECK(report.finding.anomaly == plants[i].anomaly, "sown %s, found %s\n%s", name,
                 ck_anomaly_name(report.finding.anomaly), report.finding.proof);
        TD_STATUS(ck_shrink(&w.b.h, &options, &report, &small, &small_report), VARVE_OK);
        TD_CHECK(small_report.finding.anomaly == plants[i].anomaly, "%s became %s", name,
                 ck_anomaly_name(small_report.finding.anomaly));
        TD_CHECK(small.txn_count == plants[i].left, "%s: %zu transactions are left, not %u", name, small.txn_count,
                 plants[i].left);
        struct ck_report again;
        TD_STATUS(ck_check(&small, &options, &again), VARVE_OK);
        assert_int_equal(again.finding.anomaly, plants[i].anomaly);
        hs_release(&small);
        hs_release(&w.b.h);
    }
}

/* Everybody reads what came before and appends, so that nothing read can be explained by less than all; in the middle
 * two have read the same. Only these two are needed, and what they read goes with those who wrote it. */
static void test_shrink_long_lists(void **state) {
    (void)state;
    enum { STEPS = 600, MIDDLE = STEPS / 2 };
    int64_t elements[STEPS];
    struct hb b;
    struct hs_history small;
    struct ck_report report, small_report;
    struct ck_options options = {.level = VARVE_SNAPSHOT};
    hb_init(&b, false);
    b.h.shape = HS_LISTS;
    uint32_t key = hb_key(&b, "x", 1);
    for (int64_t n = 0; n < STEPS; n++) {
        struct hs_op read = {.key = key, .kind = HS_LIST, .value = n == MIDDLE ? n - 1 : n};
        struct hs_op append = {.key = key, .kind = HS_APPEND, .statement = 1, .value = n};
        hb_must(hs_txn_add(&b.h, &(struct hs_txn){.begin = (uint64_t)n, .end = (uint64_t)n + 1}), "transaction");
        hb_must(hs_list_add(&b.h, elements, (size_t)read.value, &read.version), "list");
        hb_must(hs_op_add(&b.h, &read), "read");
        hb_must(hs_op_add(&b.h, &append), "append");
        elements[n] = n;
    }
    hb_finish(&b);
    TD_STATUS(ck_check(&b.h, &options, &report), VARVE_OK);
    assert_string_equal(ck_anomaly_name(report.finding.anomaly), "lost-update");
    TD_STATUS(ck_shrink(&b.h, &options, &report, &small, &small_report), VARVE_OK);
    assert_string_equal(ck_anomaly_name(small_report.finding.anomaly), "lost-update");
    TD_CHECK(small.txn_count <= 3 && small.op_count <= 5, "%zu transactions, %zu operations are left", small.txn_count,
             small.op_count);
    hs_release(&small);
    hs_release(&b.h);
}

/* A report of another history is refused. */
static void test_shrink_refused(void **state) {
    (void)state;
    struct world w;
    struct ck_options options = {.strict = true};
    struct ck_report report, small_report;
    struct hs_history small;
    open_world(&w, td_seed(), 10);
    hb_finish(&w.b);
    TD_STATUS(ck_check(&w.b.h, &options, &report), VARVE_OK);
    assert_int_equal(report.verdict, CK_OK);
    report.finding.anomaly = CK_G0;
    TD_STATUS(ck_shrink(&w.b.h, &options, &report, &small, &small_report), VARVE_INVALID);
    hs_release(&w.b.h);
}

/* --- mutations ------------------------------------------------------------------------------------------------------- */

static uint64_t random_op(struct world *w, enum hs_kind kind) {
    for (;;) {
        uint64_t i = td_below(&w->random, w->b.h.op_count);
        if (w->b.h.ops[i].kind == kind) return i;
    }
}

/* Somebody later reads the key of this write, or scans it: dropping the write must show. */
static bool is_read_next(const struct hs_history *h, uint64_t write) {
    uint32_t t = 0;
    while (h->txns[t].first_op + h->txns[t].op_count <= write) t++;
    uint64_t cts = h->txns[t].cts;
    for (uint64_t i = 0; i < h->op_count; i++)
        if ((h->ops[i].kind == HS_READ || h->ops[i].kind == HS_ROW) && h->ops[i].version == cts &&
            h->ops[i].key == h->ops[write].key)
            return true;
    return false;
}

/* Returns false where this change would change nothing that anybody has seen. */
static bool mutate(struct world *w, unsigned how) {
    struct hs_history *h = &w->b.h;
    uint64_t read = random_op(w, HS_READ), write = random_op(w, HS_WRITE);
    switch (how) {
    case 0: /* another version, and its value */
        for (uint64_t i = 0; i < h->op_count; i++)
            if (h->ops[i].kind == HS_READ && h->ops[i].key == h->ops[read].key &&
                h->ops[i].version != h->ops[read].version) {
                h->ops[read].version = h->ops[i].version;
                h->ops[read].value = h->ops[i].value;
                return h->ops[i].value != HS_ABSENT;
            }
        return false;
    case 1: /* the write never took place */
        h->ops[write].flags |= HS_FAILED;
        return is_read_next(h, write);
    case 2: /* a value nobody wrote */
        h->ops[read].value = 7;
        return h->ops[read].version != 0;
    case 3: /* a row is not returned */
        do read = random_op(w, HS_ROW);
        while (h->ops[read + 1].kind == HS_ROW);
        h->ops[read].kind = HS_READ; /* it is read apart from the scan, which ends before it */
        return true;
    default: /* two writers change places in the order of commits */
        for (size_t t = 10; t + 1 < h->txn_count; t++) {
            uint64_t first = h->txns[t].first_op, last = first + h->txns[t].op_count;
            bool read_by_next = false;
            for (uint64_t i = h->txns[t + 1].first_op; i < h->txns[t + 1].first_op + h->txns[t + 1].op_count; i++)
                read_by_next = read_by_next || (h->ops[i].kind == HS_READ && h->ops[i].version == h->txns[t].cts);
            if (!read_by_next || last == first) continue;
            h->txns[t].cts += 2 * (h->txns[t + 1].cts - h->txns[t].cts);
            return true;
        }
        return false;
    }
}

static void test_mutations(void **state) {
    (void)state;
    unsigned made = 0, cases = td_case_count(400);
    for (unsigned n = 0; n < cases; n++) {
        struct world w;
        struct ck_options options = {.strict = true};
        struct ck_report report;
        td_context("seed %llu case %u", (unsigned long long)td_seed(), n);
        open_world(&w, td_seed() * 7919 + n, 60);
        hb_finish(&w.b);
        TD_STATUS(ck_check(&w.b.h, &options, &report), VARVE_OK);
        TD_CHECK(report.verdict == CK_OK, "a legal history: %s", report.finding.proof);
        if (mutate(&w, n % 5)) {
            made++;
            TD_STATUS(ck_check(&w.b.h, &options, &report), VARVE_OK);
            TD_CHECK(report.verdict == CK_VIOLATION, "change %u was not noticed", n % 5);
        }
        hs_release(&w.b.h);
    }
    assert_true(made > cases / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shrink), cmocka_unit_test(test_shrink_long_lists), cmocka_unit_test(test_shrink_refused),
                                       cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
