/* test_bounds.c - larger histories of registers and lists without stamps: legal ones are told to be legal in little time,
 * the answer unknown comes only when the steps of the search are used up, and a history with stamps never gets it.
 *
 * The histories are made by a model that runs transactions one after another, each at a random moment of its own
 * interval, so that begins and ends overlap and blind writes leave their order open.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "suite/checker/build.h"
#include "support/testdb.h"

enum { KEYS = 50, LIST_LENGTH = 2000 };

struct world {
    struct hb b;
    struct td_random random;
    int64_t value[KEYS];
    uint32_t id[KEYS];
    int64_t lists[KEYS][LIST_LENGTH];
    unsigned length[KEYS];
    int64_t next;
};

static void add_op(struct world *w, struct hs_op op) { hb_must(hs_op_add(&w->b.h, &op), "op"); }

static void register_op(struct world *w, unsigned k, bool updates_only, uint16_t statement) {
    bool writes = td_chance(&w->random, 50);
    struct hs_op op = {.key = w->id[k], .kind = HS_READ, .statement = statement, .value = w->value[k]};
    if (!writes || updates_only) add_op(w, op);
    if (!writes) return;
    op.kind = HS_WRITE;
    op.value = w->value[k] = ++w->next;
    add_op(w, op);
}

static void list_op(struct world *w, unsigned k, uint16_t statement) {
    struct hs_op op = {.key = w->id[k], .kind = HS_APPEND, .statement = statement};
    if (td_chance(&w->random, 50) && w->length[k] < LIST_LENGTH) {
        op.value = w->lists[k][w->length[k]++] = ++w->next;
    } else {
        op.kind = HS_LIST;
        op.value = w->length[k];
        hb_must(hs_list_add(&w->b.h, w->lists[k], w->length[k], &op.version), "list");
    }
    add_op(w, op);
}

enum shape { BLIND, UPDATES, LISTS };

static void make(struct world *w, enum shape shape, unsigned txns, unsigned ops, uint64_t seed) {
    memset(w, 0, sizeof(*w));
    hb_init(&w->b, false);
    w->random.state = seed;
    if (shape == LISTS) w->b.h.shape = HS_LISTS;
    for (unsigned k = 0; k < KEYS; k++) {
        char name[8];
        snprintf(name, sizeof(name), "k%02u", k);
        w->id[k] = hb_key(&w->b, name, 3);
        w->value[k] = HS_ABSENT;
    }
    for (unsigned t = 0; t < txns; t++) {
        uint64_t moment = 100 * (t + 10);
        struct hs_txn txn = {.begin = moment - td_below(&w->random, 500), .session = t};
        txn.end = moment + 1 + td_below(&w->random, 500);
        hb_must(hs_txn_add(&w->b.h, &txn), "transaction");
        bool used[KEYS] = {false};
        for (uint16_t i = 0; i < ops; i++) {
            unsigned k = (unsigned)td_below(&w->random, KEYS);
            if (used[k]) continue;
            used[k] = true;
            if (shape == LISTS)
                list_op(w, k, i);
            else
                register_op(w, k, shape == UPDATES, i);
        }
    }
    hb_finish(&w->b);
}

static void check_legal(struct world *w, varve_isolation level, const char *what) {
    struct ck_options options = {.level = level, .strict = true};
    struct ck_report report;
    TD_STATUS(ck_check(&w->b.h, &options, &report), VARVE_OK);
    TD_CHECK(report.verdict == CK_OK, "%s at level %d: verdict %d %s\n%s%s", what, level, report.verdict,
             ck_anomaly_name(report.finding.anomaly), report.finding.proof, report.unknown);
}

static void test_legal(void **state) {
    (void)state;
    static const char *const names[] = {"blind writes", "updates", "lists"};
    static const varve_isolation levels[] = {VARVE_READ_COMMITTED, VARVE_SNAPSHOT, VARVE_SERIALIZABLE};
    static struct world w;
    for (int shape = BLIND; shape <= LISTS; shape++) {
        uint64_t began = td_now_ns();
        make(&w, (enum shape)shape, shape == BLIND ? 250 : 3000, 6, td_seed() + (uint64_t)shape);
        for (unsigned i = 0; i < 3; i++) check_legal(&w, levels[i], names[shape]);
        printf("%s: %.3f s\n", names[shape], (double)(td_now_ns() - began) * 1e-9);
        hs_release(&w.b.h);
    }
}

/* A read of the value before the last, somewhere in the middle, is noticed in each shape. */
static void test_stale(void **state) {
    (void)state;
    static struct world w;
    for (unsigned n = 0; n < 20; n++) {
        struct ck_options options = {.strict = true};
        struct ck_report report;
        make(&w, n % 2 == 0 ? UPDATES : BLIND, 400, 6, td_seed() * 31 + n);
        struct hs_history *h = &w.b.h;
        uint64_t read = h->op_count / 2, old = UINT64_MAX;
        while (h->ops[read].kind != HS_READ || h->ops[read].value == HS_ABSENT) read++;
        for (uint64_t i = 0; i < h->op_count / 8; i++)
            if (h->ops[i].kind == HS_WRITE && h->ops[i].key == h->ops[read].key) old = h->ops[i].value == 0 ? old : i;
        if (old != UINT64_MAX) {
            h->ops[read].value = h->ops[old].value;
            TD_STATUS(ck_check(h, &options, &report), VARVE_OK);
            TD_CHECK(report.verdict == CK_VIOLATION, "history %u: a stale read was not noticed: %s", n, report.unknown);
        }
        hs_release(h);
    }
}

/* Two blind writes whose values are seen in turn: neither order will do, which takes a search to say. */
static void hard(struct hb *b) {
    static const char *const lines[] = {
        ": w q=1", ": w q=2", ": w x=1", ": w x=2", ": r x=1 ; w a=1", ": r a=1 ; r x=2 ; w b=1", ": r b=1 ; r x=1",
    };
    hb_init(b, false);
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) hb_txn(b, lines[i]);
    hb_finish(b);
}

static void test_unknown(void **state) {
    (void)state;
    struct hb b;
    struct ck_report report;
    struct ck_options options = {.level = VARVE_SERIALIZABLE};
    hard(&b);
    TD_STATUS(ck_check(&b.h, &options, &report), VARVE_OK);
    assert_int_equal(report.verdict, CK_VIOLATION);
    options.search_steps = 1;
    TD_STATUS(ck_check(&b.h, &options, &report), VARVE_OK);
    assert_int_equal(report.verdict, CK_UNKNOWN);
    assert_true(strlen(report.unknown) > 20);
    hs_release(&b.h);
    /* With stamps the bound does not matter. */
    hb_init(&b, true);
    hb_txn(&b, "ser C1 : w x=1 ; w y=1");
    hb_txn(&b, "ser C2 : w x=2 ; w y=2");
    hb_txn(&b, "ser : r x=1@1 ; r y=2@2");
    hb_finish(&b);
    TD_STATUS(ck_check(&b.h, &options, &report), VARVE_OK);
    assert_int_equal(report.verdict, CK_VIOLATION);
    hs_release(&b.h);
}

static void test_unfinished(void **state) {
    (void)state;
    struct hb b;
    struct ck_report report;
    struct ck_options options = {.level = VARVE_SERIALIZABLE};
    hb_init(&b, true);
    hb_txn(&b, "C1 : w x=1");
    TD_STATUS(ck_check(&b.h, &options, &report), VARVE_INVALID);
    hb_finish(&b);
    TD_STATUS(ck_check(&b.h, &options, &report), VARVE_OK);
    hs_release(&b.h);
    /* A committed writer without a cts: what its stamps say is not enough. */
    hb_init(&b, true);
    hb_txn(&b, ": w x=1");
    hb_finish(&b);
    TD_STATUS(ck_check(&b.h, &options, &report), VARVE_OK);
    assert_int_equal(report.verdict, CK_UNKNOWN);
    hs_release(&b.h);
    hb_init(&b, true);
    hb_finish(&b);
    TD_STATUS(ck_check(&b.h, &options, &report), VARVE_OK);
    assert_int_equal(report.verdict, CK_OK);
    hs_release(&b.h);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_legal), cmocka_unit_test(test_stale),
                                       cmocka_unit_test(test_unknown), cmocka_unit_test(test_unfinished)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
