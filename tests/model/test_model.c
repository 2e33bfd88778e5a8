/* test_model.c - the reference model against what can be said in a few lines by hand.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"

static struct model *model;

static int fresh(void **state) {
    (void)state;
    model = model_create();
    return 0;
}

static int gone(void **state) {
    (void)state;
    model_free(model);
    return 0;
}

static varve_slice s(const char *text) {
    return VARVE_SLICE(text, strlen(text));
}

static void store(const char *key, const char *value) {
    struct model_txn *txn = model_begin(model, VARVE_SERIALIZABLE, false);
    assert_int_equal(model_put(txn, 0, s(key), s(value)), VARVE_OK);
    assert_int_equal(model_commit(txn), VARVE_OK);
}

static void holds(struct model_txn *txn, const char *key, const char *wanted) {
    varve_slice value;
    assert_int_equal(model_get(txn, 0, s(key), &value), wanted == NULL ? VARVE_NOTFOUND : VARVE_OK);
    if (wanted != NULL)
        assert_int_equal(model_compare(value, s(wanted)), 0);
}

/* The keys of a scan, one letter each. */
static void scans(struct model_txn *txn, varve_range range, const char *wanted) {
    struct model_rows rows;
    model_scan(txn, 0, &range, &rows);
    assert_int_equal(rows.count, strlen(wanted));
    for (size_t i = 0; i < rows.count; i++)
        assert_memory_equal(rows.items[i].key.data, wanted + i, 1);
    model_rows_free(&rows);
}

static void keys_sort_by_bytes_then_length(void **state) {
    (void)state;
    assert_true(model_compare(s("a"), s("b")) < 0);
    assert_true(model_compare(s("a"), s("aa")) < 0);
    assert_true(model_compare(s("ab"), s("b")) < 0);
    assert_true(model_compare(s("\377"), s("\177")) > 0);
    assert_int_equal(model_compare(s("same"), s("same")), 0);
}

static void a_snapshot_sees_the_past(void **state) {
    (void)state;
    store("k", "1");
    struct model_txn *old = model_begin(model, VARVE_SNAPSHOT, false);
    store("k", "2");
    struct model_txn *fresh_txn = model_begin(model, VARVE_READ_COMMITTED, false);
    holds(old, "k", "1");
    holds(fresh_txn, "k", "2");
    store("k", "3");
    holds(old, "k", "1");
    holds(fresh_txn, "k", "3");
    model_pin(fresh_txn);
    store("k", "4");
    holds(fresh_txn, "k", "3");
    model_unpin(fresh_txn);
    holds(fresh_txn, "k", "4");
    model_abort(old);
    model_abort(fresh_txn);
}

static void own_writes_are_seen_and_rolled_back(void **state) {
    (void)state;
    store("k", "1");
    struct model_txn *txn = model_begin(model, VARVE_SERIALIZABLE, false);
    model_put(txn, 0, s("k"), s("2"));
    unsigned outer = model_savepoint(txn);
    model_delete(txn, 0, s("k"));
    unsigned inner = model_savepoint(txn);
    model_put(txn, 0, s("l"), s("3"));
    holds(txn, "k", NULL);
    assert_int_equal(model_rollback_to(txn, outer), VARVE_OK);
    assert_int_equal(model_rollback_to(txn, inner), VARVE_INVALID);
    holds(txn, "k", "2");
    holds(txn, "l", NULL);
    assert_int_equal(model_commit(txn), VARVE_OK);
    assert_int_equal(model_commit_number(model), 2);
}

static void ranges_bound_turn_and_stop(void **state) {
    (void)state;
    for (const char *key = "aceg"; *key != '\0'; key++)
        store((char[]){*key, '\0'}, "v");
    struct model_txn *txn = model_begin(model, VARVE_SERIALIZABLE, false);
    model_put(txn, 0, s("d"), s("own"));
    model_delete(txn, 0, s("e"));
    scans(txn, (varve_range){.limit = 0}, "acdg");
    scans(txn, (varve_range){.low = s("c"), .high = s("g")}, "cd");
    scans(txn, (varve_range){.low = s("b"), .reverse = true}, "gdc");
    scans(txn, (varve_range){.reverse = true, .limit = 2}, "gd");
    scans(txn, (varve_range){.prefix = s("d")}, "d");
    scans(txn, (varve_range){.low = s("g"), .high = s("c")}, "");
    model_abort(txn);
}

static void add_wraps_and_needs_eight_bytes(void **state) {
    varve_slice value;
    (void)state;
    struct model_txn *txn = model_begin(model, VARVE_SERIALIZABLE, false);
    assert_int_equal(model_add(txn, 0, s("n"), INT64_MAX), VARVE_OK);
    assert_int_equal(model_add(txn, 0, s("n"), 1), VARVE_OK);
    assert_int_equal(model_get(txn, 0, s("n"), &value), VARVE_OK);
    assert_memory_equal(value.data, "\0\0\0\0\0\0\0\200", 8);
    model_put(txn, 0, s("t"), s("text"));
    assert_int_equal(model_add(txn, 0, s("t"), 1), VARVE_INVALID);
    model_abort(txn);
}

/* Two transactions that begin together; the second commit at each level, for what each of them read and wrote. */
static void second_commit(varve_isolation level, bool scan, bool same_key, int wanted) {
    struct model_rows rows;
    struct model_txn *one = model_begin(model, level, false), *two = model_begin(model, level, false);
    if (scan) {
        model_scan(two, 0, NULL, &rows);
        model_rows_free(&rows);
    } else {
        holds(two, "x", "0");
    }
    assert_int_equal(model_put(one, 0, s(scan ? "new" : "x"), s("0")), VARVE_OK);
    assert_int_equal(model_put(two, 0, s(same_key ? "x" : "y"), s("1")), VARVE_OK);
    assert_int_equal(model_commit(one), VARVE_OK);
    assert_int_equal(model_commit(two), wanted);
}

static void levels_refuse_what_they_must(void **state) {
    (void)state;
    store("x", "0");
    second_commit(VARVE_READ_COMMITTED, false, false, VARVE_OK);
    second_commit(VARVE_REPEATABLE_READ, false, false, VARVE_CONFLICT);
    second_commit(VARVE_SNAPSHOT, false, false, VARVE_OK);
    second_commit(VARVE_SNAPSHOT, false, true, VARVE_CONFLICT);
    second_commit(VARVE_SERIALIZABLE, false, false, VARVE_CONFLICT);
    model_table_clear(model, 0);
    store("x", "0");
    second_commit(VARVE_REPEATABLE_READ, true, false, VARVE_OK);
    model_table_clear(model, 0);
    store("x", "0");
    second_commit(VARVE_SERIALIZABLE, true, false, VARVE_CONFLICT);
}

static void presence_is_checked_at_commit(void **state) {
    (void)state;
    struct model_txn *one = model_begin(model, VARVE_READ_COMMITTED, false);
    struct model_txn *two = model_begin(model, VARVE_READ_COMMITTED, false);
    assert_int_equal(model_insert(one, 0, s("k"), s("1")), VARVE_OK);
    assert_int_equal(model_insert(two, 0, s("k"), s("2")), VARVE_OK);
    assert_int_equal(model_commit(one), VARVE_OK);
    assert_int_equal(model_commit(two), VARVE_CONFLICT);
    one = model_begin(model, VARVE_READ_COMMITTED, false);
    assert_int_equal(model_insert(one, 0, s("k"), s("3")), VARVE_EXISTS);
    assert_int_equal(model_update(one, 0, s("none"), s("3")), VARVE_NOTFOUND);
    assert_int_equal(model_delete(one, 0, s("none")), VARVE_NOTFOUND);
    assert_int_equal(model_commit(one), VARVE_OK);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fresh, gone)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(keys_sort_by_bytes_then_length),
        CASE(a_snapshot_sees_the_past),
        CASE(own_writes_are_seen_and_rolled_back),
        CASE(ranges_bound_turn_and_stop),
        CASE(add_wraps_and_needs_eight_bytes),
        CASE(levels_refuse_what_they_must),
        CASE(presence_is_checked_at_commit),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
