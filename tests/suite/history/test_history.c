/* test_history.c - the columns: interning, order and text of keys, what finishing refuses, how much is held.
 *
 * SPDX-License-Identifier: MIT
 */
#include "history_kit.h"

static uint32_t key(struct hs_history *h, const char *text) {
    uint32_t id;
    assert_int_equal(hs_key(h, text, strlen(text), &id), VARVE_OK);
    return id;
}

static void keys__are_interned_once_and_ranked_by_bytes(void **state) {
    (void)state;
    struct hs_history h;
    hs_init(&h);
    uint32_t b = key(&h, "b"), a = key(&h, "a"), ab = key(&h, "ab"), empty = key(&h, ""),
             long_b = key(&h, "abcdefghij"), long_a = key(&h, "abcdefghia"), zero;
    assert_int_equal(hs_key(&h, "a\0", 2, &zero), VARVE_OK);
    assert_int_equal(key(&h, "b"), b);
    assert_int_equal(key(&h, ""), empty);
    assert_int_equal(h.key_count, 7);
    assert_int_equal(hs_finish(&h, NULL), VARVE_OK);
    uint32_t expected[] = {empty, a, zero, ab, long_a, long_b, b};
    for (uint32_t place = 0; place < 7; place++) {
        assert_int_equal(h.key_order[place], expected[place]);
        assert_int_equal(h.key_rank[expected[place]], place);
    }
    hs_release(&h);
}

/* Against a plain comparison of all pairs, with many keys and common beginnings. */
static void keys__many(void **state) {
    (void)state;
    struct td_random random = {td_seed()};
    struct hs_history h;
    hs_init(&h);
    enum { KEYS = 3000 };
    static char known[KEYS][12];
    uint32_t ids[KEYS];
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(known[i], sizeof known[i], "%0*llu", 1 + (int)td_below(&random, 10),
                 (unsigned long long)td_below(&random, 5000));
        ids[i] = key(&h, known[i]);
    }
    assert_int_equal(hs_finish(&h, NULL), VARVE_OK);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(key(&h, known[i]), ids[i]);
        unsigned j = (unsigned)td_below(&random, KEYS);
        int order = strcmp(known[i], known[j]);
        assert_int_equal(order < 0, h.key_rank[ids[i]] < h.key_rank[ids[j]]);
        assert_int_equal(order == 0, ids[i] == ids[j]);
    }
    hs_release(&h);
}

/* So many that halves of hashes meet: short ones differ in their first eight bytes, long ones behind them alone. */
static void keys__with_one_hash_stay_apart(void **state) {
    (void)state;
    enum { EACH = 40000 };
    struct hs_history h;
    hs_init(&h);
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < 2 * EACH; i++) {
            char text[24];
            snprintf(text, sizeof text, i % 2 == 0 ? "%07u" : "the same %07u", i / 2);
            assert_int_equal(key(&h, text), i);
        }
    }
    assert_int_equal(h.key_count, 2 * EACH);
    hs_release(&h);
}

static void keys__as_text(void **state) {
    (void)state;
    struct hs_history h;
    char text[16], small[8], none[1];
    hs_init(&h);
    assert_string_equal(hs_key_text(&h, key(&h, "x"), text, sizeof text), "x");
    assert_string_equal(hs_key_text(&h, key(&h, "account:17"), text, sizeof text), "account:17");
    assert_string_equal(hs_key_text(&h, key(&h, "account:17"), small, sizeof small), "acco...");
    assert_string_equal(hs_key_text(&h, key(&h, "a b"), text, sizeof text), "0x612062");
    assert_string_equal(hs_key_text(&h, key(&h, ""), text, sizeof text), "0x");
    uint32_t zero;
    assert_int_equal(hs_key(&h, "\0\xff", 2, &zero), VARVE_OK);
    assert_string_equal(hs_key_text(&h, zero, text, sizeof text), "0x00ff");
    assert_string_equal(hs_key_text(&h, zero, none, sizeof none), "");
    hs_release(&h);
}

static struct hs_history two_ops(struct hs_op first, struct hs_op second) {
    struct hs_history h;
    hs_init(&h);
    (void)key(&h, "x");
    assert_int_equal(hs_txn_add(&h, &(struct hs_txn){.snapshot = HS_NO_STAMP}), VARVE_OK);
    assert_int_equal(hs_range_add(&h, &(struct hs_range){HS_OPEN, HS_OPEN, 0}, &(uint32_t){0}), VARVE_OK);
    assert_int_equal(hs_op_add(&h, &first), VARVE_OK);
    assert_int_equal(hs_op_add(&h, &second), VARVE_OK);
    return h;
}

static void finish__refuses_what_cannot_be(void **state) {
    (void)state;
    static const struct {
        struct hs_op first, second;
        const char *why; /* NULL: good */
    } cases[] = {
        {{.kind = HS_READ}, {.kind = HS_WRITE, .value = 3}, NULL},
        {{.kind = HS_SCAN, .value = 1}, {.kind = HS_ROW}, NULL},
        {{.kind = HS_READ, .key = 1}, {.kind = HS_READ}, "unknown key"},
        {{.kind = HS_READ}, {.kind = HS_KINDS}, "unknown kind"},
        {{.kind = HS_SCAN, .key = 1}, {.kind = HS_READ}, "without its range"},
        {{.kind = HS_SCAN, .value = 1}, {.kind = HS_READ}, "fewer rows"},
        {{.kind = HS_SCAN, .value = 2}, {.kind = HS_ROW}, "more rows"},
        {{.kind = HS_SCAN, .value = -1}, {.kind = HS_READ}, "more rows"},
        {{.kind = HS_SCAN, .value = 0}, {.kind = HS_ROW}, "row without a scan"},
        {{.kind = HS_READ}, {.kind = HS_ROW}, "row without a scan"},
        {{.kind = HS_ROW}, {.kind = HS_READ}, "row without a scan"},
        {{.kind = HS_READ, .flags = HS_OWN, .version = 2}, {.kind = HS_READ}, "own write that does not exist"},
        {{.kind = HS_EXISTS, .value = 5}, {.kind = HS_READ}, "presence"},
        {{.kind = HS_WRITE, .value = -3, .flags = HS_ADDITION}, {.kind = HS_READ}, NULL},
        {{.kind = HS_WRITE, .value = HS_ABSENT, .flags = HS_ADDITION}, {.kind = HS_READ}, "no write of a number"},
        {{.kind = HS_DELETE, .flags = HS_ADDITION}, {.kind = HS_READ}, "no write of a number"},
        {{.kind = HS_WRITE, .flags = HS_ADDITION | HS_NEEDS_ABSENT}, {.kind = HS_READ}, "relies on presence"},
        {{.kind = HS_APPEND, .value = 5}, {.kind = HS_READ}, "a list in a history of registers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hs_history h = two_ops(cases[i].first, cases[i].second);
        struct hs_problem problem = {0};
        int status = hs_finish(&h, &problem);
        TD_CHECK(status == (cases[i].why == NULL ? VARVE_OK : VARVE_INVALID), "case %zu: %s", i, problem.text);
        TD_CHECK(cases[i].why == NULL || strstr(problem.text, cases[i].why) != NULL, "case %zu: %s", i, problem.text);
        hs_release(&h);
    }
}

static void finish__refuses_bad_transactions(void **state) {
    (void)state;
    struct hs_problem problem = {0};
    struct hs_history h = two_ops((struct hs_op){.kind = HS_READ}, (struct hs_op){.kind = HS_READ});
    h.txns[0].begin = 5, h.txns[0].end = 4;
    assert_int_equal(hs_finish(&h, &problem), VARVE_OK); /* not one clock: no order to break */
    h.timed = true;
    assert_int_equal(hs_finish(&h, &problem), VARVE_INVALID);
    assert_non_null(strstr(problem.text, "before it begins"));
    h.timed = false;
    h.txns[0].outcome = 3;
    assert_int_equal(hs_finish(&h, &problem), VARVE_INVALID);
    h.txns[0].outcome = HS_UNKNOWN;
    h.ranges[0].low = 7;
    h.ops[0].kind = HS_SCAN;
    h.ops[0].value = 0;
    assert_int_equal(hs_finish(&h, &problem), VARVE_INVALID);
    assert_non_null(strstr(problem.text, "a bound that is no key"));
    hs_release(&h);
}

/* Transactions of eight operations, read as our JSON lines and built by hand: within 400 bytes each. */
static void memory__of_a_large_history(void **state) {
    (void)state;
    struct td_random random = {td_seed()};
    struct hs_history h;
    hs_init(&h);
    size_t txns = (size_t)td_case_count(100000), most = 0;
    for (size_t t = 0; t < txns; t++) {
        assert_int_equal(hs_txn_add(&h, &(struct hs_txn){.begin = t, .end = t + 1}), VARVE_OK);
        for (unsigned i = 0; i < 8; i++) {
            char text[24];
            int size = snprintf(text, sizeof text, "key%llu", (unsigned long long)td_below(&random, txns / 4 + 1));
            struct hs_op op = {.kind = i % 2 == 0 ? HS_READ : HS_WRITE, .value = (int64_t)(t * 8 + i)};
            assert_int_equal(hs_key(&h, text, (size_t)size, &op.key), VARVE_OK);
            assert_int_equal(hs_op_add(&h, &op), VARVE_OK);
        }
        if (t >= 40000 && hs_memory(&h) / (t + 1) > most) most = hs_memory(&h) / (t + 1);
    }
    assert_int_equal(hs_finish(&h, NULL), VARVE_OK);
    uint64_t held = hs_memory(&h) / txns;
    printf("%zu transactions of 8 operations: %llu bytes each at the end, at most %zu on the way\n", txns,
           (unsigned long long)held, most);
    TD_CHECK(txns < 65536 || (held <= 300 && most <= 400), "%llu and %zu bytes a transaction", (unsigned long long)held,
             most);
    hs_release(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys__are_interned_once_and_ranked_by_bytes),
        cmocka_unit_test(keys__many),
        cmocka_unit_test(keys__with_one_hash_stay_apart),
        cmocka_unit_test(keys__as_text),
        cmocka_unit_test(finish__refuses_what_cannot_be),
        cmocka_unit_test(finish__refuses_bad_transactions),
        cmocka_unit_test(memory__of_a_large_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
