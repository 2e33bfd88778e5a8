/* test_add.c - what varve.h promises of varve_add when two transactions are open at once: additions never refuse each
 * other, none is lost, and whoever has read the row meets the rule of its level; and what one transaction may expect of
 * it: sums wrap, an absent row counts as 0, and a row that is no number is refused. By one thread.
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

/* --- one transaction, by the definition --------------------------------------------------------------------------- */

static void expect_absent(void) {
    varve_slice value;
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_get(txn, table, key(), &value), VARVE_NOTFOUND);
    TD_STATUS(varve_commit(txn), VARVE_OK);
}

/* The sums of int64_t wrap: in one transaction, over two, and as a transaction reads its own. */
static void wrapped(varve_isolation level) {
    static const struct {
        int64_t base, deltas[2], sum;
    } cases[] = {{INT64_MAX, {1, 0}, INT64_MIN},
                 {INT64_MIN, {-1, 0}, INT64_MAX},
                 {INT64_MIN, {INT64_MIN, 0}, 0},
                 {INT64_MAX, {INT64_MAX, 2}, 0},
                 {-1, {INT64_MAX, INT64_MAX}, -3},
                 {0, {INT64_MIN, -1}, INT64_MAX}};
    for (unsigned i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        bool apart = i % 2 != 0;
        put_number(cases[i / 2].base);
        varve_txn *one = td_begin(db, level), *two = td_begin(db, level);
        TD_STATUS(varve_add(one, table, key(), cases[i / 2].deltas[0]), VARVE_OK);
        TD_STATUS(varve_add(apart ? two : one, table, key(), cases[i / 2].deltas[1]), VARVE_OK);
        TD_STATUS(varve_commit(two), VARVE_OK);
        if (!apart) assert_true(number_in(one) == cases[i / 2].sum);
        TD_STATUS(varve_commit(one), VARVE_OK);
        expect_number(cases[i / 2].sum);
    }
}

static void sums_wrap(void **state) {
    (void)state;
    for_each_level(wrapped);
}

/* An absent row counts as 0, whether it never was, or is gone, or goes while the addition is open. */
static void from_nothing(varve_isolation level) {
    varve_txn *txn = td_begin(db, level);
    TD_STATUS(varve_add(txn, table, key(), 0), VARVE_OK);
    TD_STATUS(varve_contains(txn, table, key()), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    expect_number(0);
    txn = td_begin(db, level);
    TD_STATUS(varve_delete(txn, table, key()), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    expect_absent();
    txn = td_begin(db, level);
    TD_STATUS(varve_add(txn, table, key(), -5), VARVE_OK);
    varve_abort(txn);
    expect_absent();
    txn = td_begin(db, level);
    TD_STATUS(varve_add(txn, table, key(), -5), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    expect_number(-5);
    varve_txn *open = td_begin(db, level);
    TD_STATUS(varve_add(open, table, key(), 9), VARVE_OK);
    txn = td_begin(db, level);
    TD_STATUS(varve_delete(txn, table, key()), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    TD_STATUS(varve_commit(open), VARVE_OK);
    expect_number(9);
}

static void an_absent_row_counts_as_zero(void **state) {
    (void)state;
    for_each_level(from_nothing);
}

/* What is added and then deleted in one transaction is not there, nor is what a rollback takes back altogether. */
static void nothing_is_left(varve_isolation level) {
    unsigned mark;
    varve_txn *txn = td_begin(db, level);
    TD_STATUS(varve_add(txn, table, key(), 1), VARVE_OK);
    TD_STATUS(varve_delete(txn, table, key()), VARVE_OK);
    TD_STATUS(varve_delete(txn, table, key()), VARVE_NOTFOUND);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    expect_absent();
    txn = td_begin(db, level);
    TD_STATUS(varve_savepoint(txn, &mark), VARVE_OK);
    TD_STATUS(varve_add(txn, table, key(), 1), VARVE_OK);
    TD_STATUS(varve_rollback_to(txn, mark), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    expect_absent();
    put_number(100);
    txn = td_begin(db, level);
    TD_STATUS(varve_add(txn, table, key(), 1), VARVE_OK);
    TD_STATUS(varve_savepoint(txn, &mark), VARVE_OK);
    TD_STATUS(varve_delete(txn, table, key()), VARVE_OK);
    TD_STATUS(varve_add(txn, table, key(), 7), VARVE_OK);
    assert_int_equal(number_in(txn), 7);
    TD_STATUS(varve_rollback_to(txn, mark), VARVE_OK);
    TD_STATUS(varve_add(txn, table, key(), 10), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    expect_number(111);
}

static void deletes_and_rollbacks_take_additions_back(void **state) {
    (void)state;
    for_each_level(nothing_is_left);
}

/* Every length but eight is refused: in a row that is there, in one that the transaction has put. The rest of it stays
 * usable, and the text names the table. */
static void of_another_length(varve_isolation level) {
    static const size_t lengths[] = {0, 1, 7, 9, 16, 300, 70000};
    static char filling[70000];
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        varve_slice wrong = VARVE_SLICE(filling, lengths[i]), value;
        for (unsigned own = 0; own < 2; own++) {
            varve_txn *txn = td_begin(db, level);
            TD_STATUS(varve_put(txn, table, key(), wrong), VARVE_OK);
            if (own == 0) {
                TD_STATUS(varve_commit(txn), VARVE_OK);
                txn = td_begin(db, level);
            }
            TD_STATUS(varve_add(txn, table, key(), 1), VARVE_INVALID);
            TD_CHECK(strstr(varve_txn_error(txn), "table t") != NULL, "the text: %s", varve_txn_error(txn));
            TD_STATUS(varve_add(txn, table, VARVE_STR("other"), 1), VARVE_OK);
            TD_STATUS(varve_get(txn, table, key(), &value), VARVE_OK);
            TD_CHECK(td_equal(value, wrong), "the row has %zu bytes instead of %zu", value.size, wrong.size);
            TD_STATUS(varve_commit(txn), VARVE_OK);
        }
    }
    varve_txn *txn = td_begin(db, level);
    TD_STATUS(varve_delete(txn, table, key()), VARVE_OK);
    TD_STATUS(varve_add(txn, table, key(), 3), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    expect_number(3);
}

static void only_eight_bytes_are_a_number(void **state) {
    (void)state;
    for_each_level(of_another_length);
}

static void wrong_calls_are_refused(void **state) {
    static char large[VARVE_KEY_MAX_BYTES + 1];
    (void)state;
    db = td_open(":memory:", "cc=mvcc");
    table = td_table(db, "t");
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_add(txn, table, VARVE_SLICE("", 0), 1), VARVE_INVALID);
    TD_STATUS(varve_add(txn, table, VARVE_SLICE(large, sizeof large), 1), VARVE_TOOBIG);
    TD_STATUS(varve_add(txn, table, key(), 1), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    options.read_only = true;
    TD_STATUS(varve_begin(db, &options, &txn), VARVE_OK);
    TD_STATUS(varve_add(txn, table, key(), 1), VARVE_READONLY);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    expect_number(1);
    td_close(db);
}

/* The row is read behind a savepoint that is rolled back. The read has happened: whoever depends on what it has read
 * goes on doing so, for the addition before the savepoint as for one after the rollback. */
static void read_and_rolled_back(varve_isolation level, unsigned shape) {
    varve_cursor *cursor;
    varve_slice k, value;
    unsigned mark;
    put_number(100);
    varve_txn *one = td_begin(db, level), *two = td_begin(db, level);
    if (shape < 4) TD_STATUS(varve_add(one, table, key(), 1), VARVE_OK);
    TD_STATUS(varve_savepoint(one, &mark), VARVE_OK);
    if (shape % 2 == 0) TD_STATUS(varve_add(one, table, key(), 1), VARVE_OK);
    if (shape / 2 == 1) {
        TD_STATUS(varve_cursor_open(one, table, NULL, &cursor), VARVE_OK);
        TD_STATUS(varve_cursor_next(cursor, &k, &value), VARVE_OK);
        varve_cursor_close(cursor);
    } else {
        (void)number_in(one);
    }
    TD_STATUS(varve_rollback_to(one, mark), VARVE_OK);
    if (shape >= 4) TD_STATUS(varve_add(one, table, key(), 1), VARVE_OK);
    TD_STATUS(varve_add(two, table, key(), 10), VARVE_OK);
    TD_STATUS(varve_commit(two), VARVE_OK);
    bool refused = level != VARVE_READ_COMMITTED;
    TD_STATUS(varve_commit(one), refused ? VARVE_CONFLICT : VARVE_OK);
    expect_number(refused ? 110 : 111);
}

static void a_read_outlives_the_rollback(void **state) {
    static const varve_isolation levels[] = {VARVE_READ_COMMITTED, VARVE_REPEATABLE_READ, VARVE_SNAPSHOT,
                                             VARVE_SERIALIZABLE};
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        if (!td_scheme_wanted(td_schemes[cc]) || strcmp(td_schemes[cc], "2pl") == 0) continue; /* two would wait */
        for (unsigned i = 0; i < 24; i++) {
            td_context("%s, %s, shape %u", td_schemes[cc], td_level_name(levels[i / 6]), i % 6);
            db = td_open(":memory:", "cc=%s", td_schemes[cc]);
            table = td_table(db, "t");
            read_and_rolled_back(levels[i / 6], i % 6);
            td_close(db);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_additions_both_commit),
        cmocka_unit_test(a_savepoint_takes_back_only_its_own),
        cmocka_unit_test(whoever_has_read_the_row_depends_on_it),
        cmocka_unit_test(a_cursor_sees_the_sum),
        cmocka_unit_test(what_is_no_number_is_refused_at_the_commit),
        cmocka_unit_test(additions_mix_with_own_writes),
        cmocka_unit_test(sums_wrap),
        cmocka_unit_test(an_absent_row_counts_as_zero),
        cmocka_unit_test(deletes_and_rollbacks_take_additions_back),
        cmocka_unit_test(only_eight_bytes_are_a_number),
        cmocka_unit_test(wrong_calls_are_refused),
        cmocka_unit_test(a_read_outlives_the_rollback),
    };
    td_watchdog(60);
    return cmocka_run_group_tests_name("add", tests, NULL, NULL);
}
