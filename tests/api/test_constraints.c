/* test_constraints.c - declared rules: each kind accepts and refuses, at every level and in every scheme; a refusal
 * stages nothing and leaves the transaction usable; rules are checked against the rows that are there, survive reopen,
 * and can be listed and dropped.
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

static char scratch[TD_PATH_BYTES];
static varve_db *db;
static varve_table *table;

static int make_scratch(void **state) {
    (void)state;
    td_scratch(scratch);
    td_context("scratch directory %s", scratch);
    return 0;
}

static int remove_scratch(void **state) {
    (void)state;
    td_remove_tree(scratch);
    return 0;
}

static void open_memory(const char *options) {
    td_context("%s", options);
    db = td_open(":memory:", "%s", options);
    table = td_table(db, "people");
}

static void add_rule(const char *rule) {
    int status = varve_constraint_add(db, table, rule);
    TD_CHECK(status == VARVE_OK, "adding \"%s\" gave %s: %s", rule, varve_status_name(status), varve_db_error(db));
}

static int put(varve_txn *txn, const char *key, const char *value) {
    return varve_put(txn, table, td_str(key), td_str(value));
}

/* One put in a transaction of its own, and what it says. */
static int try_put(const char *key, const char *value) {
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    int status = put(txn, key, value);
    int end = varve_commit(txn);
    return status != VARVE_OK ? status : end;
}

struct example {
    const char *rule;
    const char *good_key, *good_value;
    const char *bad_key, *bad_value;
};

static const struct example examples[] = {
    {"short_keys key_bytes 2 4", "ab", "v", "a", "v"},
    {"short_keys key_bytes 2 4", "abcd", "v", "abcde", "v"},
    {"some_value value_bytes 1 3", "k", "abc", "k", ""},
    {"some_value value_bytes 1 3", "k", "a", "k", "abcd"},
    {"fixed value_bytes 2 2", "k", "ab", "k", "abc"},
    {"ids key_pattern [a-z]+[0-9]{2}", "abc12", "v", "abc123", "v"},
    {"ids key_pattern [a-z]+[0-9]{2}", "z00", "v", "1z00", "v"},
    {"either key_pattern a|bc", "bc", "v", "ac", "v"},
    {"mail value_pattern [^@ ]+@[^@ ]+", "k", "a@b", "k", "x a@b"},
    {"spaced value_pattern two words", "k", "two words", "k", "two  words"},
};

static void every_kind_accepts_and_refuses(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
            const struct example *e = &examples[i];
            open_memory(cc == 0 ? "cc=mvcc" : cc == 1 ? "cc=2pl" : "cc=occ");
            td_context("%s, %s", td_schemes[cc], e->rule);
            add_rule(e->rule);
            TD_STATUS(try_put(e->good_key, e->good_value), VARVE_OK);
            TD_STATUS(try_put(e->bad_key, e->bad_value), VARVE_CONSTRAINT);
            td_close(db);
        }
    }
}

static void a_refusal_names_the_rule_and_stages_nothing(void **state) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_error error = VARVE_ERROR_INIT;
    varve_slice value;
    varve_txn *txn = NULL;
    (void)state;
    for (unsigned level = 0; level < TD_LEVELS; level++) {
        open_memory("cc=mvcc");
        add_rule("name_length value_bytes 1 3");
        options.isolation = td_levels[level];
        options.error = &error;
        TD_STATUS(varve_begin(db, &options, &txn), VARVE_OK);
        TD_STATUS(put(txn, "a", "one"), VARVE_OK);
        TD_STATUS(put(txn, "a", "four"), VARVE_CONSTRAINT);
        assert_int_equal(error.status, VARVE_CONSTRAINT);
        assert_int_equal(error.reason, VARVE_REASON_CONSTRAINT);
        TD_CHECK(strstr(error.text, "name_length") != NULL, "the text does not name the rule: %s", error.text);
        TD_STATUS(varve_insert(txn, table, td_str("b"), td_str("four")), VARVE_CONSTRAINT);
        TD_STATUS(varve_update(txn, table, td_str("a"), td_str("four")), VARVE_CONSTRAINT);
        TD_STATUS(varve_add(txn, table, td_str("n"), 1), VARVE_CONSTRAINT);
        TD_STATUS(varve_get(txn, table, td_str("a"), &value), VARVE_OK);
        assert_true(td_equal(value, td_str("one")));
        TD_STATUS(varve_get(txn, table, td_str("b"), &value), VARVE_NOTFOUND);
        TD_STATUS(varve_get(txn, table, td_str("n"), &value), VARVE_NOTFOUND);
        TD_STATUS(varve_delete(txn, table, td_str("a")), VARVE_OK);
        TD_STATUS(put(txn, "c", "two"), VARVE_OK);
        TD_STATUS(varve_commit(txn), VARVE_OK);
        td_close(db);
    }
}

static void rows_that_are_there_are_checked(void **state) {
    (void)state;
    open_memory("cc=occ");
    td_store(db, table, "fine", "ok");
    td_store(db, table, "long", "much too long");
    TD_STATUS(varve_constraint_add(db, table, "brief value_bytes 0 4"), VARVE_CONSTRAINT);
    TD_CHECK(strstr(varve_db_error(db), "long") != NULL, "the row is not named: %s", varve_db_error(db));
    TD_STATUS(try_put("other", "also too long"), VARVE_OK);
    td_store(db, table, "long", "ok");
    td_store(db, table, "other", "ok");
    add_rule("brief value_bytes 0 4");
    TD_STATUS(try_put("other", "too long again"), VARVE_CONSTRAINT);
    td_close(db);
}

static void bad_rules_are_invalid(void **state) {
    static const char *const bad[] = {"", "name", "name key_bytes", "name key_bytes 1", "name key_bytes 5 2",
                                      "name key_bytes one two", "name colour red", "name key_pattern (",
                                      "name value_pattern", "name callback"};
    (void)state;
    open_memory("cc=mvcc");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int status = varve_constraint_add(db, table, bad[i]);
        TD_CHECK(status == VARVE_INVALID, "adding \"%s\" gave %s", bad[i], varve_status_name(status));
    }
    TD_STATUS(varve_constraint_add(db, table, NULL), VARVE_INVALID);
    add_rule("once key_bytes 1 9");
    int again = varve_constraint_add(db, table, "once value_bytes 1 9");
    TD_CHECK(again == VARVE_EXISTS || again == VARVE_INVALID, "a second rule of one name gave %s",
             varve_status_name(again));
    TD_STATUS(try_put("k", ""), VARVE_OK);
    td_close(db);
}

static int collect_rule(void *arg, const char *rule) {
    char *rules = arg;
    strcat(rules, rule);
    strcat(rules, ";");
    return 0;
}

static void rules_are_listed_dropped_and_kept_over_reopen(void **state) {
    char rules[256] = "";
    (void)state;
    db = td_open(scratch, "sync=none");
    table = td_table(db, "people");
    add_rule("one key_bytes 1 3");
    add_rule("two value_pattern [a-z ]*");
    add_rule("three value_bytes 0 9");
    td_store(db, table, "k", "abc");
    TD_STATUS(varve_constraint_drop(db, table, "three"), VARVE_OK);
    TD_STATUS(varve_constraint_drop(db, table, "three"), VARVE_NOTFOUND);
    TD_STATUS(try_put("k", "a longer value than nine"), VARVE_OK);
    td_close(db);
    db = td_open(scratch, "sync=none,cc=2pl");
    table = td_table(db, "people");
    (void)varve_constraint_list(db, table, collect_rule, rules);
    TD_CHECK(strstr(rules, "one key_bytes 1 3") != NULL && strstr(rules, "two value_pattern [a-z ]*") != NULL &&
                 strstr(rules, "three") == NULL, "listed: %s", rules);
    TD_STATUS(try_put("long", "abc"), VARVE_CONSTRAINT);
    TD_STATUS(try_put("k", "ABC"), VARVE_CONSTRAINT);
    TD_STATUS(varve_checkpoint(db), VARVE_OK);
    td_close(db);
    db = td_open(scratch, "sync=none");
    table = td_table(db, "people");
    TD_STATUS(try_put("k", "ABC"), VARVE_CONSTRAINT);
    TD_STATUS(try_put("k", "abc"), VARVE_OK);
    td_close(db);
}

static void rules_belong_to_their_table(void **state) {
    (void)state;
    open_memory("cc=mvcc");
    varve_table *people = table;
    add_rule("small key_bytes 1 1");
    table = td_table(db, "others");
    TD_STATUS(try_put("long key", "v"), VARVE_OK);
    table = people;
    TD_STATUS(try_put("long key", "v"), VARVE_CONSTRAINT);
    td_close(db);
}

static void adding_waits_for_open_transactions(void **state) {
    (void)state;
    open_memory("cc=mvcc,begin_timeout_ms=40");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(put(txn, "long key", "v"), VARVE_OK);
    int status = varve_constraint_add(db, table, "small key_bytes 1 1");
    TD_CHECK(status == VARVE_BUSY || status == VARVE_TIMEOUT, "a rule was added beside an open transaction: %s",
             varve_status_name(status));
    TD_STATUS(varve_commit(txn), VARVE_OK);
    TD_STATUS(varve_constraint_add(db, table, "small key_bytes 1 1"), VARVE_CONSTRAINT);
    td_close(db);
}

/* --- callbacks ---------------------------------------------------------------------------------------------- */

struct judge_of_rows {
    unsigned calls;
    char forbidden;
};

static int first_byte_allowed(void *arg, varve_slice key, varve_slice value) {
    struct judge_of_rows *judge = arg;
    judge->calls++;
    return key.size > 0 && value.size > 0 && *(const char *)value.data == judge->forbidden ? 1 : 0;
}

static void callbacks_decide(void **state) {
    struct judge_of_rows judge = {0, 'x'};
    varve_slice value;
    (void)state;
    db = td_open(scratch, "sync=none");
    table = td_table(db, "people");
    assert_int_not_equal(varve_constraint_register(db, "", first_byte_allowed, &judge), VARVE_OK);
    assert_int_not_equal(varve_constraint_register(db, "f", NULL, &judge), VARVE_OK);
    TD_STATUS(varve_constraint_register(db, "first_byte", first_byte_allowed, &judge), VARVE_OK);
    td_store(db, table, "k", "good");
    add_rule("no_x callback first_byte");
    assert_int_equal(judge.calls, 1);
    TD_STATUS(try_put("k", "xylophone"), VARVE_CONSTRAINT);
    TD_STATUS(try_put("k", "better"), VARVE_OK);
    td_close(db);
    db = td_open(scratch, "sync=none");
    table = td_table(db, "people");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(put(txn, "k", "unjudged"), VARVE_CONSTRAINT);
    TD_CHECK(strstr(varve_txn_error(txn), "first_byte") != NULL, "the text does not name the function: %s",
             varve_txn_error(txn));
    TD_STATUS(varve_get(txn, table, td_str("k"), &value), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    TD_STATUS(varve_constraint_register(db, "first_byte", first_byte_allowed, &judge), VARVE_OK);
    TD_STATUS(try_put("k", "judged"), VARVE_OK);
    TD_STATUS(try_put("k", "x"), VARVE_CONSTRAINT);
    td_close(db);
}

static void a_pattern_that_runs_away_is_an_error(void **state) {
    static char value[4096];
    (void)state;
    memset(value, 'a', sizeof value - 1);
    open_memory("cc=mvcc");
    add_rule("evil value_pattern (a+)+b");
    uint64_t start = td_now_ns();
    TD_STATUS(try_put("k", value), VARVE_CONSTRAINT);
    TD_CHECK(td_now_ns() - start < 20000000000u, "the pattern ran for over 20 seconds");
    td_close(db);
}

#define ON_DISK(name) cmocka_unit_test_setup_teardown(name, make_scratch, remove_scratch)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_accepts_and_refuses),
        cmocka_unit_test(a_refusal_names_the_rule_and_stages_nothing),
        cmocka_unit_test(rows_that_are_there_are_checked),
        cmocka_unit_test(bad_rules_are_invalid),
        ON_DISK(rules_are_listed_dropped_and_kept_over_reopen),
        cmocka_unit_test(rules_belong_to_their_table),
        cmocka_unit_test(adding_waits_for_open_transactions),
        ON_DISK(callbacks_decide),
        cmocka_unit_test(a_pattern_that_runs_away_is_an_error),
    };
    td_watchdog(120);
    return cmocka_run_group_tests_name("constraints", tests, NULL, NULL);
}
