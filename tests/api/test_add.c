/* test_add.c - what varve.h promises of varve_add when two transactions are open at once: additions never refuse each
 * other, none is lost, and whoever has read the row meets the rule of its level. By one thread.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/testdb.h"

static varve_db *db;
static varve_table *table;

static varve_slice key(void) { return VARVE_STR("n"); }

static int64_t number_in(varve_txn *txn) {
    varve_slice value;
    TD_STATUS(varve_get(txn, table, key(), &value), VARVE_OK);
    return load_value(value);
}

static void expect_number(int64_t wanted) {
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    int64_t found = number_in(txn);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    TD_CHECK(found == wanted, "n is %lld, wanted %lld", (long long)found, (long long)wanted);
}

static void put_number(int64_t number) {
    struct load_number value = load_number(number);
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_put(txn, table, key(), load_slice(&value)), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
}

static void for_each_level(void (*test)(varve_isolation level)) {
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        if (!td_scheme_wanted(td_schemes[cc])) continue;
        for (unsigned level = 0; level < TD_LEVELS; level++) {
            td_context("%s, %s", td_schemes[cc], td_level_name(td_levels[level]));
            db = td_open(":memory:", "cc=%s", td_schemes[cc]);
            table = td_table(db, "t");
            test(td_levels[level]);
            td_close(db);
        }
    }
}

static void both_commit(varve_isolation level) {
    for (int there = 0; there < 2; there++) {
        if (there == 1) put_number(100);
        varve_txn *one = td_begin(db, level), *two = td_begin(db, level);
        TD_STATUS(varve_add(one, table, key(), 1), VARVE_OK);
        TD_STATUS(varve_add(two, table, key(), 10), VARVE_OK);
        TD_STATUS(varve_add(one, table, key(), 2), VARVE_OK);
        TD_STATUS(varve_commit(two), VARVE_OK);
        TD_STATUS(varve_commit(one), VARVE_OK);
        expect_number(there == 1 ? 113 : 13);
    }
}

static void two_additions_both_commit(void **state) {
    (void)state;
    for_each_level(both_commit);
}

static void undone(varve_isolation level) {
    unsigned mark;
    put_number(100);
    varve_txn *one = td_begin(db, level), *two = td_begin(db, level);
    TD_STATUS(varve_add(one, table, key(), 1), VARVE_OK);
    TD_STATUS(varve_savepoint(one, &mark), VARVE_OK);
    TD_STATUS(varve_add(one, table, key(), 1000), VARVE_OK);
    TD_STATUS(varve_rollback_to(one, mark), VARVE_OK);
    TD_STATUS(varve_add(two, table, key(), 10), VARVE_OK);
    TD_STATUS(varve_commit(two), VARVE_OK);
    TD_STATUS(varve_commit(one), VARVE_OK);
    expect_number(111);
}

static void a_savepoint_takes_back_only_its_own(void **state) {
    (void)state;
    for_each_level(undone);
}

/* The row is read before the addition or after it; another adds in between. In 2pl the other would have to wait. */
static void reads_then_adds(varve_isolation level, bool before) {
    put_number(100);
    varve_txn *one = td_begin(db, level), *two = td_begin(db, level);
    if (before) assert_int_equal(number_in(one), 100);
    TD_STATUS(varve_add(one, table, key(), 1), VARVE_OK);
    if (!before) assert_int_equal(number_in(one), 101);
    TD_STATUS(varve_add(two, table, key(), 10), VARVE_OK);
    TD_STATUS(varve_commit(two), VARVE_OK);
    bool refused = level != VARVE_READ_COMMITTED;
    TD_STATUS(varve_commit(one), refused ? VARVE_CONFLICT : VARVE_OK);
    expect_number(refused ? 110 : 111);
}

static void whoever_has_read_the_row_depends_on_it(void **state) {
    static const varve_isolation levels[] = {VARVE_READ_COMMITTED, VARVE_REPEATABLE_READ, VARVE_SNAPSHOT,
                                             VARVE_SERIALIZABLE};
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        if (!td_scheme_wanted(td_schemes[cc]) || strcmp(td_schemes[cc], "2pl") == 0) continue;
        for (unsigned i = 0; i < 8; i++) {
            td_context("%s, %s, %s", td_schemes[cc], td_level_name(levels[i / 2]), i % 2 == 0 ? "after" : "before");
            db = td_open(":memory:", "cc=%s", td_schemes[cc]);
            table = td_table(db, "t");
            reads_then_adds(levels[i / 2], i % 2 != 0);
            td_close(db);
        }
    }
}

static void scanned(varve_isolation level) {
    varve_cursor *cursor;
    varve_slice k, value;
    put_number(100);
    varve_txn *txn = td_begin(db, level);
    TD_STATUS(varve_add(txn, table, VARVE_STR("m"), 7), VARVE_OK);
    TD_STATUS(varve_add(txn, table, key(), 7), VARVE_OK);
    TD_STATUS(varve_cursor_open(txn, table, NULL, &cursor), VARVE_OK);
    TD_STATUS(varve_cursor_next(cursor, &k, &value), VARVE_OK);
    assert_int_equal(load_value(value), 7);
    TD_STATUS(varve_cursor_next(cursor, &k, &value), VARVE_OK);
    assert_int_equal(load_value(value), 107);
    TD_STATUS(varve_cursor_next(cursor, &k, &value), VARVE_END);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    expect_number(107);
}

static void a_cursor_sees_the_sum(void **state) {
    (void)state;
    for_each_level(scanned);
}

/* The row is no number any more when the additions commit: nothing of that transaction is written. */
static void spoilt(varve_isolation level) {
    varve_slice value;
    put_number(100);
    varve_txn *one = td_begin(db, level), *two = td_begin(db, level);
    TD_STATUS(varve_put(one, table, VARVE_STR("a"), VARVE_STR("other")), VARVE_OK);
    TD_STATUS(varve_add(one, table, key(), 1), VARVE_OK);
    TD_STATUS(varve_put(two, table, key(), VARVE_STR("seven b")), VARVE_OK);
    TD_STATUS(varve_commit(two), VARVE_OK);
    TD_STATUS(varve_commit(one), VARVE_INVALID);
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_get(txn, table, VARVE_STR("a"), &value), VARVE_NOTFOUND);
    TD_STATUS(varve_get(txn, table, key(), &value), VARVE_OK);
    assert_true(td_equal(value, VARVE_STR("seven b")));
    TD_STATUS(varve_add(txn, table, key(), 1), VARVE_INVALID);
    TD_STATUS(varve_commit(txn), VARVE_OK);
}

static void what_is_no_number_is_refused_at_the_commit(void **state) {
    (void)state;
    for_each_level(spoilt);
}

static void own_writes(varve_isolation level) {
    struct load_number five = load_number(5);
    put_number(100);
    varve_txn *txn = td_begin(db, level);
    TD_STATUS(varve_add(txn, table, key(), 1), VARVE_OK);
    TD_STATUS(varve_insert(txn, table, key(), load_slice(&five)), VARVE_EXISTS);
    TD_STATUS(varve_contains(txn, table, key()), VARVE_OK);
    TD_STATUS(varve_delete(txn, table, key()), VARVE_OK);
    TD_STATUS(varve_add(txn, table, key(), 2), VARVE_OK);
    assert_int_equal(number_in(txn), 2);
    TD_STATUS(varve_put(txn, table, key(), load_slice(&five)), VARVE_OK);
    TD_STATUS(varve_add(txn, table, key(), 2), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    expect_number(7);
}

static void additions_mix_with_own_writes(void **state) {
    (void)state;
    for_each_level(own_writes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_additions_both_commit),
        cmocka_unit_test(a_savepoint_takes_back_only_its_own),
        cmocka_unit_test(whoever_has_read_the_row_depends_on_it),
        cmocka_unit_test(a_cursor_sees_the_sum),
        cmocka_unit_test(what_is_no_number_is_refused_at_the_commit),
        cmocka_unit_test(additions_mix_with_own_writes),
    };
    td_watchdog(60);
    return cmocka_run_group_tests_name("add", tests, NULL, NULL);
}
