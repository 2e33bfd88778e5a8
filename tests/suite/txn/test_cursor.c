/* test_cursor.c - a cursor that looks ahead: what it delivers is of its stamp, what it has not delivered was not read, and
 * no size, bound, limit or direction makes a row come twice, or not at all.
 *
 * Tables are wide enough for some leaves at the default fan-out. Expected rows come from a plain array, or from what the
 * level promises.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/testdb.h"

enum { ROWS = 400, LONGEST = 1500, KEY_ROOM = 16 };

static varve_slice key_of(unsigned row, char room[KEY_ROOM]) {
    return VARVE_SLICE(room, (size_t)snprintf(room, KEY_ROOM, "k%05u", row));
}

/* A value tells its row and its age in every byte that it has; sizes cross the longest inline value. */
static varve_slice value_of(unsigned row, unsigned age, uint8_t room[LONGEST]) {
    size_t size = row % 7 == 0 ? 200 + row * 13 % (LONGEST - 200) : row * 31 % 250;
    for (size_t i = 0; i < size; i++) room[i] = (uint8_t)(row * 5 + age * 101 + i);
    return VARVE_SLICE(room, size);
}

static bool is_value(varve_slice value, unsigned row, unsigned age) {
    uint8_t room[LONGEST];
    return td_equal(value, value_of(row, age, room));
}

static void put_row(varve_txn *txn, varve_table *t, unsigned row, unsigned age) {
    char key[KEY_ROOM];
    uint8_t value[LONGEST];
    assert_int_equal(varve_put(txn, t, key_of(row, key), value_of(row, age, value)), VARVE_OK);
}

/* Rows first, first + step ... below end, in one transaction. */
static void put_rows(varve_db *db, varve_table *t, unsigned first, unsigned end, unsigned step, unsigned age) {
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    for (unsigned row = first; row < end; row += step) put_row(txn, t, row, age);
    assert_int_equal(varve_commit(txn), VARVE_OK);
}

static void delete_row(varve_db *db, varve_table *t, unsigned row) {
    char key[KEY_ROOM];
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    assert_int_equal(varve_delete(txn, t, key_of(row, key)), VARVE_OK);
    assert_int_equal(varve_commit(txn), VARVE_OK);
}

static varve_txn *begin_reader(varve_db *db) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_txn *txn;
    options.read_only = true;
    assert_int_equal(varve_begin(db, &options, &txn), VARVE_OK);
    return txn;
}

static void expect_row(varve_cursor *cursor, unsigned row, unsigned age) {
    char room[KEY_ROOM];
    varve_slice key, value;
    assert_int_equal(varve_cursor_next(cursor, &key, &value), VARVE_OK);
    assert_true(td_equal(key, key_of(row, room)));
    assert_true(is_value(value, row, age));
}

static varve_db *open_with(unsigned scheme, varve_table **t) {
    td_context("scheme %s, seed %llu", td_schemes[scheme], (unsigned long long)td_seed());
    varve_db *db = td_open(":memory:", "cc=%s,deadlock=no_wait", td_schemes[scheme]);
    *t = td_table(db, "t");
    return db;
}

/* --- the stamp ---------------------------------------------------------------------------------------------------- */

/* Between two rows of a declared reader everything changes: rows, presence, the shape of the index. */
static void a_declared_reader_reads_its_stamp(void **state) {
    (void)state;
    for (unsigned scheme = 0; scheme < TD_SCHEMES; scheme++)
        for (unsigned turn = 0; turn < 8; turn++) {
            varve_table *t;
            varve_cursor *cursor;
            varve_slice key, value;
            varve_db *db = open_with(scheme, &t);
            bool reverse = turn % 2 != 0;
            unsigned before = turn / 2 * 37; /* rows delivered before the change */
            varve_range range = {.reverse = reverse};
            put_rows(db, t, 0, ROWS, 2, 1);
            varve_txn *reader = begin_reader(db);
            assert_int_equal(varve_cursor_open(reader, t, &range, &cursor), VARVE_OK);
            for (unsigned i = 0; i < ROWS / 2; i++) {
                if (i == before) {
                    put_rows(db, t, 0, ROWS, 1, 2);
                    for (unsigned row = 0; row < ROWS; row += 3) delete_row(db, t, row);
                    put_rows(db, t, 0, ROWS, 6, 3);
                }
                expect_row(cursor, reverse ? ROWS - 2 - 2 * i : 2 * i, 1);
            }
            assert_int_equal(varve_cursor_next(cursor, &key, &value), VARVE_END);
            assert_int_equal(varve_commit(reader), VARVE_OK);
            td_close(db);
        }
}

/* The bytes of a row are the caller's until the next move, whatever happens to the row. */
static void bytes_stay_until_the_next_move(void **state) {
    (void)state;
    for (unsigned scheme = 0; scheme < TD_SCHEMES; scheme++) {
        varve_table *t;
        varve_cursor *cursor;
        varve_slice key, value;
        varve_db *db = open_with(scheme, &t);
        put_rows(db, t, 0, 60, 1, 1);
        varve_txn *reader = begin_reader(db);
        assert_int_equal(varve_cursor_open(reader, t, NULL, &cursor), VARVE_OK);
        for (unsigned row = 0; row < 60; row++) {
            assert_int_equal(varve_cursor_next(cursor, &key, &value), VARVE_OK);
            put_rows(db, t, row, row + 1, 1, 2 + row);
            assert_true(is_value(value, row, 1));
        }
        assert_int_equal(varve_commit(reader), VARVE_OK);
        td_close(db);
    }
}

/* --- looking is not reading --------------------------------------------------------------------------------------- */

/* A writer scans three rows; a rival changes the next, far within what was looked at. The writer, who never got there,
 * has nothing to do with it. */
static void a_row_not_delivered_was_not_read(void **state) {
    (void)state;
    for (unsigned scheme = 0; scheme < TD_SCHEMES; scheme++)
        for (unsigned reverse = 0; reverse < 2; reverse++) {
            varve_table *t;
            varve_cursor *cursor;
            varve_db *db = open_with(scheme, &t);
            varve_range range = {.reverse = reverse != 0, .limit = 50};
            put_rows(db, t, 0, ROWS, 1, 1);
            varve_txn *writer = td_begin(db, VARVE_SERIALIZABLE);
            assert_int_equal(varve_cursor_open(writer, t, &range, &cursor), VARVE_OK);
            for (unsigned i = 0; i < 3; i++) expect_row(cursor, reverse ? ROWS - 1 - i : i, 1);
            unsigned next = reverse ? ROWS - 4 : 3;
            put_rows(db, t, next, next + 1, 1, 2); /* 2pl: no lock is in its way */
            put_row(writer, t, ROWS / 2, 2);
            varve_cursor_close(cursor);
            assert_int_equal(varve_commit(writer), VARVE_OK);
            td_close(db);
        }
}

/* The same, but the writer goes on: it meets the row as it is now, and its commit holds, because the order rival, writer
 * explains all it saw. */
static void a_row_that_changed_meanwhile_is_read_as_it_is(void **state) {
    (void)state;
    for (unsigned scheme = 0; scheme < TD_SCHEMES; scheme++) {
        varve_table *t;
        varve_cursor *cursor;
        varve_db *db = open_with(scheme, &t);
        varve_range range = {.limit = 50};
        put_rows(db, t, 0, ROWS, 1, 1);
        varve_txn *writer = td_begin(db, VARVE_SERIALIZABLE);
        assert_int_equal(varve_cursor_open(writer, t, &range, &cursor), VARVE_OK);
        for (unsigned row = 0; row < 3; row++) expect_row(cursor, row, 1);
        put_rows(db, t, 3, 9, 1, 2);
        for (unsigned row = 3; row < 9; row++) expect_row(cursor, row, 2);
        for (unsigned row = 9; row < 50; row++) expect_row(cursor, row, 1);
        varve_cursor_close(cursor);
        put_row(writer, t, 0, 3);
        assert_int_equal(varve_commit(writer), VARVE_OK);
        td_close(db);
    }
}

/* A row that was delivered is read, also when it came from a batch: a rival's change of it is found at the commit. */
static void a_delivered_row_is_validated(void **state) {
    (void)state;
    for (unsigned scheme = 0; scheme < TD_SCHEMES; scheme++) {
        if (strcmp(td_schemes[scheme], "2pl") == 0) continue; /* the rival would wait */
        for (unsigned row = 0; row < 50; row += 7) {
            varve_table *t;
            varve_cursor *cursor;
            varve_db *db = open_with(scheme, &t);
            varve_range range = {.limit = 50};
            put_rows(db, t, 0, ROWS, 1, 1);
            varve_txn *writer = td_begin(db, VARVE_SERIALIZABLE);
            assert_int_equal(varve_cursor_open(writer, t, &range, &cursor), VARVE_OK);
            for (unsigned i = 0; i < 50; i++) expect_row(cursor, i, 1);
            varve_cursor_close(cursor);
            put_rows(db, t, row, row + 1, 1, 2);
            put_row(writer, t, ROWS / 2, 2);
            assert_int_equal(varve_commit(writer), VARVE_CONFLICT);
            td_close(db);
        }
    }
}

/* --- against an array --------------------------------------------------------------------------------------------- */

struct world {
    varve_db *db;
    varve_table *table;
    unsigned age[ROWS]; /* 0: absent */
};

static void change_some(struct world *w, struct td_random *random, varve_txn *txn) {
    for (unsigned i = 0; i < 40; i++) {
        unsigned row = (unsigned)td_below(random, ROWS);
        char key[KEY_ROOM];
        if (w->age[row] != 0 && td_chance(random, 40)) {
            w->age[row] = 0;
            assert_int_equal(varve_delete(txn, w->table, key_of(row, key)), VARVE_OK);
        } else {
            w->age[row]++;
            put_row(txn, w->table, row, w->age[row]);
        }
    }
}

/* One scan with random bounds, limit and direction, with an end before its end now and then. */
static void scan_some(const struct world *w, struct td_random *random, varve_txn *txn) {
    char low_key[KEY_ROOM], high_key[KEY_ROOM];
    unsigned low = (unsigned)td_below(random, ROWS), high = low + (unsigned)td_below(random, ROWS - low + 1);
    varve_range range = {.reverse = td_chance(random, 50), .limit = td_chance(random, 50) ? td_below(random, 90) + 1 : 0};
    if (td_chance(random, 70)) range.low = key_of(low, low_key); else low = 0;
    if (td_chance(random, 70)) range.high = key_of(high, high_key); else high = ROWS;
    uint64_t most = range.limit != 0 ? range.limit : UINT64_MAX;
    uint64_t stop = td_chance(random, 30) ? td_below(random, 60) : UINT64_MAX, count = 0;
    varve_cursor *cursor;
    varve_slice key, value;
    assert_int_equal(varve_cursor_open(txn, w->table, &range, &cursor), VARVE_OK);
    for (unsigned i = 0; i < high - low && count < most && count < stop; i++) {
        unsigned row = range.reverse ? high - 1 - i : low + i;
        if (w->age[row] == 0) continue;
        expect_row(cursor, row, w->age[row]);
        count++;
    }
    if (count < stop) assert_int_equal(varve_cursor_next(cursor, &key, &value), VARVE_END);
    varve_cursor_close(cursor);
}

static void scans_give_what_is_there(void **state) {
    (void)state;
    unsigned cases = td_case_count(60);
    for (unsigned scheme = 0; scheme < TD_SCHEMES; scheme++) {
        struct td_random random = {td_seed() + scheme};
        struct world w = {.db = open_with(scheme, &w.table)};
        for (unsigned i = 0; i < cases; i++) {
            varve_txn *txn = td_begin(w.db, VARVE_SERIALIZABLE);
            if (td_chance(&random, 50)) scan_some(&w, &random, txn);
            change_some(&w, &random, txn);
            for (unsigned scan = 0; scan < 4; scan++) scan_some(&w, &random, txn); /* among own writes */
            assert_int_equal(varve_commit(txn), VARVE_OK);
            txn = i % 2 == 0 ? begin_reader(w.db) : td_begin(w.db, td_levels[i % TD_LEVELS]);
            for (unsigned scan = 0; scan < 8; scan++) scan_some(&w, &random, txn);
            assert_int_equal(varve_commit(txn), VARVE_OK);
        }
        td_close(w.db);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_declared_reader_reads_its_stamp),
        cmocka_unit_test(bytes_stay_until_the_next_move),
        cmocka_unit_test(a_row_not_delivered_was_not_read),
        cmocka_unit_test(a_row_that_changed_meanwhile_is_read_as_it_is),
        cmocka_unit_test(a_delivered_row_is_validated),
        cmocka_unit_test(scans_give_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
