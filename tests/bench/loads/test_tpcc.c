/* test_tpcc.c - TPC-C is filled and run; then one row is damaged for each of the twelve conditions, and the check names
 * that condition.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/driver/engine_varve.h"
#include "bench/loads/loads.h"
#include "bench/loads/tpcc.h"
#include "support/testdb.h"

enum { THREADS = 2, TRANSACTIONS = 100, EDITS = 2 };

static struct bl_run run;
static struct bl_session sessions[THREADS];

/* What is done to one row: a number raised, the row removed, or a row put where none was. */
enum edit_kind { NONE, RAISE64, RAISE32, REMOVE, PUT };
struct edit {
    enum edit_kind kind;
    struct bl_key key;
    size_t offset;
    int64_t by;
    struct tpcc_history row; /* PUT */
    uint8_t old[4096];       /* what was there, to be put back */
    size_t old_size;
};

static struct edit edit_of(enum edit_kind kind, struct bl_key key, size_t offset, int64_t by) {
    return (struct edit){.kind = kind, .key = key, .offset = offset, .by = by};
}

static int apply(struct bl_session *s, void *arg) {
    struct edit *e = arg;
    varve_slice value;
    uint8_t bent[sizeof e->old];
    const struct peer *engine = s->run->engine;
    if (e->kind == PUT) return engine->put(s->txn, bl_slice(&e->key), VARVE_SLICE(&e->row, sizeof e->row));
    BL_TRY(engine->get(s->txn, bl_slice(&e->key), &value));
    e->old_size = value.size;
    memcpy(e->old, value.data, value.size);
    if (e->kind == REMOVE) return engine->remove(s->txn, bl_slice(&e->key));
    memcpy(bent, e->old, e->old_size);
    int64_t wide;
    int32_t narrow;
    memcpy(&wide, bent + e->offset, sizeof wide);
    memcpy(&narrow, bent + e->offset, sizeof narrow);
    wide += e->by;
    narrow += (int32_t)e->by;
    memcpy(bent + e->offset, e->kind == RAISE64 ? (void *)&wide : (void *)&narrow, e->kind == RAISE64 ? 8 : 4);
    return engine->put(s->txn, bl_slice(&e->key), VARVE_SLICE(bent, e->old_size));
}
static int undo(struct bl_session *s, void *arg) {
    struct edit *e = arg;
    if (e->kind == PUT) return s->run->engine->remove(s->txn, bl_slice(&e->key));
    return s->run->engine->put(s->txn, bl_slice(&e->key), VARVE_SLICE(e->old, e->old_size));
}

/* The check names this condition, and nothing once the damage is undone. */
static void expect_condition(int condition, struct edit edits[EDITS]) {
    char name[40];
    snprintf(name, sizeof name, "condition 3.3.2.%d fails", condition);
    td_context("%s", name);
    for (unsigned i = 0; i < EDITS && edits[i].kind != NONE; i++)
        assert_int_equal(bl_transaction(&sessions[0], false, apply, &edits[i]), VARVE_OK);
    run.text[0] = 0;
    int status = bl_tpcc.verify(&run, sessions, THREADS);
    TD_CHECK(status == VARVE_CORRUPT && strstr(run.text, name) != NULL, "%s: '%s'", varve_strerror(status), run.text);
    for (unsigned i = 0; i < EDITS && edits[i].kind != NONE; i++)
        assert_int_equal(bl_transaction(&sessions[0], false, undo, &edits[i]), VARVE_OK);
}

static void each_condition_can_fail(void **state) {
    struct tpcc_history history = {.amount = 1, .customer = 1, .customer_warehouse = 1, .customer_district = 1};
    struct bl_key no_district = tpcc_key_d(T_HISTORY, 1, 0); /* in no sum but the one over all */
    bl_key_add(&no_district, 0, 8);
#define ROW(of, ...) tpcc_key##of(__VA_ARGS__)
#define FIELD(row, field) offsetof(struct tpcc_##row, field)
    static struct edit table[13][EDITS];
    (void)state;
    table[1][0] = edit_of(RAISE64, ROW(, T_WAREHOUSE, 1), FIELD(warehouse, ytd), 1);
    table[2][0] = edit_of(RAISE32, ROW(_d, T_DISTRICT, 1, 3), FIELD(district, next_order), 1);
    table[3][0] = edit_of(REMOVE, ROW(_n, T_NEW_ORDER, 1, 1, 2950), 0, 0);
    table[4][0] = edit_of(REMOVE, ROW(_line, 1, 2, 7, 1), 0, 0);
    table[5][0] = edit_of(RAISE32, ROW(_n, T_ORDER, 1, 1, 2990), FIELD(order, carrier), 1);
    table[6][0] = edit_of(RAISE32, ROW(_n, T_ORDER, 1, 1, 10), FIELD(order, lines), 1);
    table[6][1] = edit_of(RAISE32, ROW(_n, T_ORDER, 1, 1, 11), FIELD(order, lines), -1);
    table[7][0] = edit_of(RAISE64, ROW(_line, 1, 1, 2991, 1), FIELD(line, delivery), 1);
    table[8][0] = (struct edit){.kind = PUT, .key = no_district, .row = history};
    table[9][0] = edit_of(RAISE64, ROW(_d, T_DISTRICT, 1, 2), FIELD(district, ytd), 1);
    table[10][0] = edit_of(RAISE64, ROW(_n, T_CUSTOMER, 1, 1, 5), FIELD(customer, balance), 1);
    table[12][0] = edit_of(RAISE64, ROW(_n, T_CUSTOMER, 1, 1, 6), FIELD(customer, ytd_payment), 1);
    for (int condition = 1; condition <= 12; condition++)
        if (condition != 11) expect_condition(condition, table[condition]);
}

static int deliver(struct bl_session *s, void *arg) { return s->run->load->body(s, *(unsigned *)arg); }

/* Condition 11: a delivery that nobody counted. Last, as it is not undone. */
static void an_uncounted_delivery_is_condition_11(void **state) {
    unsigned kind;
    (void)state;
    do kind = bl_tpcc.draw(&sessions[0]);
    while (kind != K_DELIVERY);
    assert_int_equal(bl_transaction(&sessions[0], false, deliver, &kind), VARVE_OK);
    assert_int_equal(bl_tpcc.verify(&run, sessions, THREADS), VARVE_CORRUPT);
    TD_CHECK(strstr(run.text, "condition 3.3.2.11 fails") != NULL, "'%s'", run.text);
}

/* Rows of another size, or of customers there cannot be, are told and not followed. */
static void rows_that_make_no_sense_are_told(void **state) {
    struct tpcc_history history = {.amount = 1, .customer = TPCC_CUSTOMERS + 1, .customer_warehouse = 1,
                                   .customer_district = 1};
    struct bl_key of_nobody = tpcc_key_d(T_HISTORY, 1, 1), beyond = tpcc_key_d(T_HISTORY, 1, 200);
    static struct edit edits[EDITS];
    (void)state;
    edits[0] = (struct edit){.kind = PUT, .key = of_nobody, .row = history};
    expect_condition(10, edits);
    history.customer = 1;
    edits[0] = (struct edit){.kind = PUT, .key = beyond, .row = history};
    expect_condition(8, edits);
}

/* --- the database ------------------------------------------------------------------------------------------------- */

static void *fill_part(void *arg) {
    struct bl_session *s = arg;
    s->draw[15] = (uint64_t)(int64_t)bl_tpcc.fill(&run, s, s->thread, THREADS);
    return NULL;
}

static void it_is_filled_and_runs(void **state) {
    pthread_t threads[THREADS];
    unsigned rolled_back = 0;
    (void)state;
    for (unsigned i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, fill_part, &sessions[i]);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < THREADS; i++) assert_int_equal((int)sessions[i].draw[15], VARVE_OK);
    for (unsigned n = 0; n < TRANSACTIONS; n++) {
        struct bl_session *s = &sessions[n % THREADS];
        unsigned kind = bl_tpcc.draw(s);
        int status = bl_transaction(s, bl_tpcc.read_only[kind], deliver, &kind);
        TD_CHECK(status == VARVE_OK || status == BL_ROLLBACK, "%s: %d", bl_tpcc.kinds[kind], status);
        rolled_back += status == BL_ROLLBACK;
        bl_tpcc.done(s, kind, status == VARVE_OK);
    }
    assert_in_range(rolled_back, 0, 10);
    int status = bl_tpcc.verify(&run, sessions, THREADS);
    TD_CHECK(status == VARVE_OK, "%s", run.text);
}

static int open_all(void **state) {
    struct peer_options open = {.directory = ":memory:", .level = EV_SERIALIZABLE, .cache_bytes = 4ull << 30, .threads = THREADS};
    char error[200] = "";
    (void)state;
    run = (struct bl_run){.load = &bl_tpcc, .engine = &bench_varve_mvcc, .level = VARVE_SERIALIZABLE};
    run.settings = (struct bl_settings){.warehouses = 1, .threads = THREADS, .seed = td_seed()};
    if (run.engine->open(&open, &run.db, error, sizeof error) != VARVE_OK) return printf("%s\n", error), -1;
    for (unsigned i = 0; i < THREADS; i++) {
        sessions[i].run = &run;
        sessions[i].thread = i;
        vb_random_init(&sessions[i].random, td_seed() + i);
    }
    return bl_tpcc.prepare(&run);
}
static int close_all(void **state) {
    (void)state;
    bl_tpcc.release(&run);
    run.engine->close(run.db);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_filled_and_runs), cmocka_unit_test(each_condition_can_fail),
                                       cmocka_unit_test(rows_that_make_no_sense_are_told),
                                       cmocka_unit_test(an_uncounted_delivery_is_condition_11)};
    return cmocka_run_group_tests(tests, open_all, close_all);
}
