/* test_peer_run.c - schedules on other engines: two small ones made here, one without any isolation, which must show what
 * can be shown, and one with a single writer and readers of copies, which must show nothing.
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

#include "bench/peers/peer.h"
#include "step/peer_run.h"
#include "support/testdb.h"

enum { ROWS_MAX = 64, KEY_MAX = 32 };

struct row {
    uint8_t key[KEY_MAX];
    size_t key_bytes;
    uint8_t value[8];
};
struct rows {
    struct row row[ROWS_MAX]; /* [count], by key */
    unsigned count;
};
struct peer_db {
    struct rows rows;
    bool isolated, writing;
};
struct peer_txn {
    struct peer_db *db;
    struct rows own; /* isolated: the copy */
    bool read_only;
};

/* --- a map of rows ------------------------------------------------------------------------------------------------ */

static int compare(const struct row *row, varve_slice key) {
    int order = memcmp(row->key, key.data, row->key_bytes < key.size ? row->key_bytes : key.size);
    return order != 0 ? order : row->key_bytes < key.size ? -1 : row->key_bytes > key.size;
}

/* The first row at or above the key. */
static unsigned place_of(const struct rows *rows, varve_slice key) {
    unsigned at = 0;
    while (at < rows->count && compare(&rows->row[at], key) < 0) at++;
    return at;
}

static bool there(const struct rows *rows, unsigned at, varve_slice key) {
    return at < rows->count && compare(&rows->row[at], key) == 0;
}

static struct rows *rows_of(struct peer_txn *txn) { return txn->db->isolated ? &txn->own : &txn->db->rows; }

/* --- the engine --------------------------------------------------------------------------------------------------- */

static int open_plain(const struct peer_options *options, struct peer_db **db, char *error, size_t error_bytes) {
    (void)error, (void)error_bytes;
    assert_true(options->no_wait);
    *db = calloc(1, sizeof **db);
    return *db != NULL ? VARVE_OK : VARVE_NOMEM;
}

static int open_isolated(const struct peer_options *options, struct peer_db **db, char *error, size_t error_bytes) {
    int status = open_plain(options, db, error, error_bytes);
    if (status == VARVE_OK) (*db)->isolated = true;
    return status;
}

static void close_db(struct peer_db *db) { free(db); }

static int begin(struct peer_db *db, bool read_only, struct peer_txn **out) {
    if (db->isolated && !read_only && db->writing) return PEER_BLOCKED;
    struct peer_txn *txn = calloc(1, sizeof *txn);
    assert_non_null(txn);
    *txn = (struct peer_txn){.db = db, .read_only = read_only, .own = db->rows};
    if (!read_only) db->writing = true;
    *out = txn;
    return VARVE_OK;
}

static void finish(struct peer_txn *txn) {
    if (!txn->read_only) txn->db->writing = false;
    free(txn);
}

static int commit(struct peer_txn *txn) {
    if (txn->db->isolated && !txn->read_only) txn->db->rows = txn->own;
    finish(txn);
    return VARVE_OK;
}

static int get(struct peer_txn *txn, varve_slice key, varve_slice *value) {
    struct rows *rows = rows_of(txn);
    unsigned at = place_of(rows, key);
    if (!there(rows, at, key)) return VARVE_NOTFOUND;
    *value = (varve_slice){rows->row[at].value, 8};
    return VARVE_OK;
}

static int put(struct peer_txn *txn, varve_slice key, varve_slice value) {
    struct rows *rows = rows_of(txn);
    unsigned at = place_of(rows, key);
    assert_int_equal(value.size, 8);
    assert_false(txn->read_only);
    if (!there(rows, at, key)) {
        assert_true(rows->count < ROWS_MAX && key.size <= KEY_MAX);
        memmove(&rows->row[at + 1], &rows->row[at], (rows->count++ - at) * sizeof *rows->row);
        memcpy(rows->row[at].key, key.data, key.size);
        rows->row[at].key_bytes = key.size;
    }
    memcpy(rows->row[at].value, value.data, 8);
    return VARVE_OK;
}

static int take_away(struct peer_txn *txn, varve_slice key) {
    struct rows *rows = rows_of(txn);
    unsigned at = place_of(rows, key);
    if (!there(rows, at, key)) return VARVE_NOTFOUND;
    memmove(&rows->row[at], &rows->row[at + 1], (--rows->count - at) * sizeof *rows->row);
    return VARVE_OK;
}

static int scan(struct peer_txn *txn, varve_slice low, varve_slice high, uint64_t limit, bool reverse,
                int (*fn)(void *arg, varve_slice key, varve_slice value), void *arg) {
    struct rows *rows = rows_of(txn);
    unsigned from = low.data != NULL ? place_of(rows, low) : 0;
    unsigned to = high.data != NULL ? place_of(rows, high) : rows->count;
    for (unsigned i = 0; from + i < to && (limit == 0 || i < limit); i++) {
        struct row *row = &rows->row[reverse ? to - 1 - i : from + i];
        if (fn(arg, (varve_slice){row->key, row->key_bytes}, (varve_slice){row->value, 8}) != 0) break;
    }
    return VARVE_OK;
}

static const struct peer_level levels[] = {{"only", VARVE_READ_UNCOMMITTED}};
static const struct peer plain = {.abi = PEER_ABI, .name = "plain", .title = "Plain 1", .package = "none",
                                  .level_count = 1, .levels = levels, .open = open_plain, .close = close_db,
                                  .begin = begin, .commit = commit, .abort = finish, .get = get, .put = put,
                                  .remove = take_away, .scan = scan};
static const struct peer isolated = {.abi = PEER_ABI, .name = "isolated", .title = "Isolated 1", .package = "none",
                                     .level_count = 1, .levels = levels, .open = open_isolated, .close = close_db,
                                     .begin = begin, .commit = commit, .abort = finish, .get = get, .put = put,
                                     .remove = take_away, .scan = scan};

/* --- the tests ---------------------------------------------------------------------------------------------------- */

static struct ss_schedule schedule;
static struct ss_run run;

static void parse(const char *text) {
    struct ss_problem problem;
    const char *next;
    unsigned line;
    int status = ss_parse(text, 1, &schedule, &next, &line, &problem);
    TD_CHECK(status == VARVE_OK, "line %u: %s", problem.line, problem.text);
}

static struct st_peer *peer_of(const struct peer *table) {
    struct st_peer *peer;
    char error[200] = "";
    assert_int_equal(st_peer_wrap(table, &peer), VARVE_OK);
    TD_CHECK(st_peer_open(peer, 0, NULL, error, sizeof error) == VARVE_OK, "%s", error);
    return peer;
}

/* Runs every interleaving: how many showed the anomaly. The small engines hold few rows, so each gets a fresh one. */
static unsigned shown(const struct peer *table, unsigned *blocked_in_all) {
    unsigned count = 0;
    *blocked_in_all = 0;
    for (uint64_t n = 0; n < ss_interleavings(&schedule); n++) {
        struct st_peer *peer = peer_of(table);
        uint8_t order[SS_STEPS_MAX];
        unsigned blocked;
        ss_interleaving(&schedule, n, order);
        assert_true(st_peer_can(peer, &schedule));
        assert_int_equal(st_peer_run(peer, &schedule, order, &run, &blocked), VARVE_OK);
        count += ss_is_anomaly(&schedule, &run, false);
        *blocked_in_all += blocked;
        st_peer_close(peer);
    }
    return count;
}

static void no_isolation_shows_all_and_one_writer_nothing(void **state) {
    (void)state;
    static const char *const texts[] = {
        "schedule A2 dirty\ninit x=0\ns1: w x 1 | w y 1 | c\ns2: r x | r y | c\nanomaly s2.1=1 s2.2=-\n",
        "schedule B8 skew\ninit x=0 y=0\ns1: r x | r y | c\ns2: w x 1 | w y 1 | c\nanomaly s1.1=0 s1.2=1\n",
        "schedule C1 lost\ninit x=0\ns1: r x | w x 1 | c\ns2: r x | w x 2 | c\nanomaly s1.1=0 s2.1=0 all-commit\n",
        "schedule D2 skew\ns1: s [a,m) | w n 1 | c\ns2: s [m,z) | w b 1 | c\nanomaly s1.1={} s2.1={} all-commit\n",
        "schedule B5 cursor\ninit b=1\ns1: open [,) | next | next | c\ns2: w d 2 | c\nanomaly s1.2={b=1} s1.3={d=2}\n",
    };
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        unsigned blocked;
        parse(texts[i]);
        assert_true(shown(&plain, &blocked) > 0);
        assert_int_equal(blocked, 0);
        unsigned with_one_writer = shown(&isolated, &blocked);
        if (i != 4) assert_int_equal(with_one_writer, 0); /* a reader that begins after the commit sees both */
        assert_int_equal(blocked != 0, i == 2 || i == 3); /* where both write */
    }
}

static void verbs_are_made_of_what_there_is(void **state) {
    (void)state;
    parse("schedule X verbs\ninit b=1 d=2\n"
          "s1: r a | has b | ins a 9 | ins a 8 | upd q 1 | upd b 4 | add b 5 | s [,c) rev | del [a,b) | d d | "
          "open [,) rev | next | next | c\n"
          "anomaly s1.abort\n");
    struct st_peer *peer = peer_of(&plain);
    uint8_t order[SS_STEPS_MAX];
    unsigned blocked;
    ss_interleaving(&schedule, 0, order);
    assert_int_equal(st_peer_run(peer, &schedule, order, &run, &blocked), VARVE_OK);
    static const int statuses[] = {VARVE_NOTFOUND, VARVE_OK, VARVE_OK, VARVE_EXISTS, VARVE_NOTFOUND, VARVE_OK, VARVE_OK,
                                   VARVE_OK, VARVE_OK, VARVE_OK, VARVE_OK, VARVE_OK, VARVE_END, VARVE_OK};
    for (unsigned i = 0; i < schedule.step_count; i++) assert_int_equal(run.answers[i].status, statuses[i]);
    assert_int_equal(run.answers[7].row_count, 2);
    assert_int_equal(run.answers[7].rows[0].value, 9);
    assert_int_equal(run.answers[8].value, 1);
    assert_string_equal(schedule.keys[run.answers[11].next_key], "b");
    assert_int_equal(run.commit_count, 1);
    st_peer_close(peer);
}

static void what_an_engine_lacks_is_not_asked_of_it(void **state) {
    (void)state;
    struct st_peer *peer = peer_of(&plain);
    static const char *const texts[] = {"s1: g x | c", "s1: sp | w x 1 | rb | c", "s1: b si | r x | c",
                                        "s1: w x 1 | c | crash"};
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[200];
        snprintf(text, sizeof text, "schedule X lacks\ninit x=0\n%s\nanomaly s1.abort\n", texts[i]);
        parse(text);
        assert_false(st_peer_can(peer, &schedule));
    }
    parse("schedule X has\ninit x=0\ns1: b ro | r x | c\ns2: w x 1 | a\nanomaly s1.abort\n");
    assert_true(st_peer_can(peer, &schedule));
    st_peer_close(peer);
    char error[200];
    assert_int_equal(st_peer_load("/nowhere/peer_x.so", &peer, error, sizeof error), VARVE_INVALID);
    assert_non_null(strstr(error, "/nowhere/peer_x.so"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_isolation_shows_all_and_one_writer_nothing),
        cmocka_unit_test(verbs_are_made_of_what_there_is),
        cmocka_unit_test(what_an_engine_lacks_is_not_asked_of_it),
    };
    td_watchdog(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
