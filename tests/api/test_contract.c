/* test_contract.c - what varve.h promises about opening, closing, tables, handles and arguments, sentence by sentence.
 * Transactions are in test_contract_txn.c, declared rules in test_constraints.c.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/testdb.h"

static char scratch[TD_PATH_BYTES];

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

/* Opens with options that must be refused; the handle must still tell why, and close. */
static void refused(const char *path, const char *options, int wanted, const char *words) {
    varve_db *db = NULL;
    int status = varve_open(path, options, &db);
    TD_CHECK(status == wanted, "open with \"%s\" gave %s, wanted %s", options, varve_status_name(status),
             varve_status_name(wanted));
    TD_CHECK(db != NULL, "open with \"%s\" left no handle to ask", options);
    TD_CHECK(strstr(varve_db_error(db), words) != NULL, "open with \"%s\": \"%s\" does not name %s", options,
             varve_db_error(db), words);
    (void)!varve_close(db);
}

/* --- opening ------------------------------------------------------------------------------------------------ */

static void unknown_option_names_the_nearest(void **state) {
    (void)state;
    refused(":memory:", "isolaton=serializable", VARVE_INVALID, "isolation");
    refused(":memory:", "max_transaction=5", VARVE_INVALID, "max_transactions");
    refused(":memory:", "ccc=mvcc", VARVE_INVALID, "cc");
    refused(":memory:", "lock_timeout=5", VARVE_INVALID, "lock_timeout_ms");
    refused(":memory:", "checkpoint_byte=5", VARVE_INVALID, "checkpoint_bytes");
}

static void bad_option_values_are_refused(void **state) {
    static const char *const options[] = {
        "cc=mvc",          "cc=",          "isolation=strong",      "sync=fsync",           "memory=much",
        "memory=-1",       "create=maybe", "max_transactions=4094", "max_transactions=0",   "deadlock=pray",
        "storage=tape",    "mode=999",     "lock_timeout_ms=soon",  "segment_bytes=1X",     "begin_timeout_ms=1e3",
        "cc=mvcc,sync",    "=mvcc",        "cc=mvcc;sync=none",     "memory=99999999999999999999G",
    };
    (void)state;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        refused(scratch, options[i], VARVE_INVALID, "");
}

static void a_handle_of_a_failed_open_only_tells_and_closes(void **state) {
    varve_db *db = NULL;
    varve_txn *txn = NULL;
    varve_table *table = NULL;
    (void)state;
    TD_STATUS(varve_open(":memory:", "cc=none", &db), VARVE_INVALID);
    assert_non_null(db);
    assert_true(strlen(varve_db_error(db)) > 0);
    assert_int_not_equal(varve_begin(db, NULL, &txn), VARVE_OK);
    assert_int_not_equal(varve_table_open(db, "t", NULL, &table), VARVE_OK);
    assert_null(txn);
    assert_null(table);
    (void)!varve_close(db);
}

static void null_arguments_are_invalid(void **state) {
    varve_db *db = NULL;
    varve_table *table = NULL;
    varve_txn *txn = NULL;
    varve_cursor *cursor = NULL;
    varve_slice key = VARVE_STR("k"), value = VARVE_STR("v");
    (void)state;
    TD_STATUS(varve_open(NULL, NULL, &db), VARVE_INVALID);
    if (db != NULL)
        (void)!varve_close(db);
    TD_STATUS(varve_open(":memory:", NULL, NULL), VARVE_INVALID);
    TD_STATUS(varve_close(NULL), VARVE_INVALID);
    TD_STATUS(varve_begin(NULL, NULL, &txn), VARVE_INVALID);
    TD_STATUS(varve_commit(NULL), VARVE_INVALID);
    varve_abort(NULL);
    varve_cursor_close(NULL);
    TD_STATUS(varve_table_open(NULL, "t", NULL, &table), VARVE_INVALID);
    TD_STATUS(varve_get(NULL, NULL, key, &value), VARVE_INVALID);
    TD_STATUS(varve_put(NULL, NULL, key, value), VARVE_INVALID);
    TD_STATUS(varve_cursor_open(NULL, NULL, NULL, &cursor), VARVE_INVALID);
    TD_STATUS(varve_cursor_next(NULL, &key, &value), VARVE_INVALID);
    TD_STATUS(varve_checkpoint(NULL), VARVE_INVALID);
    TD_STATUS(varve_sync(NULL), VARVE_INVALID);
    TD_STATUS(varve_set_concurrency(NULL, "occ", 1), VARVE_INVALID);
    db = td_open(":memory:", "cc=mvcc");
    TD_STATUS(varve_begin(db, NULL, NULL), VARVE_INVALID);
    TD_STATUS(varve_table_open(db, NULL, NULL, &table), VARVE_INVALID);
    TD_STATUS(varve_table_open(db, "t", NULL, NULL), VARVE_INVALID);
    TD_STATUS(varve_stats(db, NULL), VARVE_INVALID);
    TD_STATUS(varve_set_concurrency(db, NULL, 1), VARVE_INVALID);
    TD_STATUS(varve_run(db, NULL, NULL, NULL), VARVE_INVALID);
    td_close(db);
}

static void second_open_is_busy_and_names_the_process(void **state) {
    char pid[32], other[TD_PATH_BYTES + 8];
    (void)state;
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    snprintf(other, sizeof other, "%s.link", scratch);
    varve_db *db = td_open(scratch, "sync=none");
    assert_int_equal(symlink(scratch, other), 0);
    refused(scratch, "sync=none", VARVE_BUSY, pid);
    refused(other, "sync=none", VARVE_BUSY, pid);
    td_close(db);
    db = td_open(other, "sync=none");
    refused(scratch, "sync=none", VARVE_BUSY, pid);
    td_close(db);
    unlink(other);
}

static void second_open_from_another_process_is_busy(void **state) {
    char pid[32];
    int status;
    (void)state;
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    varve_db *db = td_open(scratch, "sync=none");
    pid_t child = fork();
    if (child == 0) {
        varve_db *second = NULL;
        int answer = varve_open(scratch, "sync=none", &second);
        _exit(answer == VARVE_BUSY && second != NULL && strstr(varve_db_error(second), pid) != NULL ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    td_close(db);
    td_close(td_open(scratch, "sync=none"));
}

static void create_false_makes_nothing(void **state) {
    varve_db *db = NULL;
    struct stat status;
    (void)state;
    assert_int_not_equal(varve_open(scratch, "create=false", &db), VARVE_OK);
    assert_non_null(db);
    assert_true(strlen(varve_db_error(db)) > 0);
    (void)!varve_close(db);
    assert_int_equal(stat(scratch, &status), -1);
    td_close(td_open(scratch, "sync=none"));
    td_close(td_open(scratch, "create=false,sync=none"));
}

static void check_modes(mode_t forbidden) {
    char path[TD_PATH_BYTES + 300];
    struct stat status;
    struct dirent *entry;
    DIR *directory = opendir(scratch);
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", scratch, entry->d_name);
        assert_int_equal(stat(path, &status), 0);
        TD_CHECK(!S_ISREG(status.st_mode) || (status.st_mode & forbidden) == 0, "%s has mode %o", entry->d_name,
                 (unsigned)(status.st_mode & 07777));
    }
    closedir(directory);
}

static void files_are_private_unless_mode_says_otherwise(void **state) {
    mode_t old = umask(0);
    (void)state;
    varve_db *db = td_open(scratch, "sync=none");
    td_store(db, td_table(db, "t"), "k", "v");
    TD_STATUS(varve_checkpoint(db), VARVE_OK);
    td_close(db);
    check_modes(077);
    td_remove_tree(scratch);
    td_close(td_open(scratch, "sync=none,mode=0640"));
    check_modes(027);
    umask(old);
}

static void memory_has_no_files_and_no_durability(void **state) {
    char buffer[16];
    (void)state;
    refused(":memory:", "sync=group", VARVE_INVALID, "sync");
    refused(":memory:", "sync=sync", VARVE_INVALID, "sync");
    varve_db *one = td_open(":memory:", "sync=none"), *other = td_open(":memory:", "cc=occ");
    varve_table *in_one = td_table(one, "t"), *in_other = td_table(other, "t");
    td_store(one, in_one, "k", "one");
    assert_null(td_load(other, in_other, "k", buffer, sizeof buffer));
    assert_string_equal(td_load(one, in_one, "k", buffer, sizeof buffer), "one");
    TD_STATUS(varve_checkpoint(one), VARVE_OK);
    TD_STATUS(varve_sync(one), VARVE_OK);
    td_close(one);
    td_close(other);
    one = td_open(":memory:", "cc=mvcc");
    assert_null(td_load(one, td_table(one, "t"), "k", buffer, sizeof buffer));
    td_close(one);
}

static void close_with_open_transactions_is_busy(void **state) {
    char buffer[16];
    (void)state;
    varve_db *db = td_open(scratch, "sync=none");
    varve_table *table = td_table(db, "t");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_put(txn, table, VARVE_STR("k"), VARVE_STR("v")), VARVE_OK);
    TD_STATUS(varve_close(db), VARVE_BUSY);
    TD_STATUS(varve_put(txn, table, VARVE_STR("l"), VARVE_STR("w")), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    assert_string_equal(td_load(db, table, "l", buffer, sizeof buffer), "w");
    td_close(db);
}

static void what_was_committed_is_there_after_reopen(void **state) {
    static const char *const syncs[] = {"sync", "group", "write", "interval", "none"};
    char buffer[16], key[16];
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        snprintf(key, sizeof key, "k%u", i);
        varve_db *db = td_open(scratch, "sync=%s,cc=%s", syncs[i], td_schemes[i % TD_SCHEMES]);
        td_store(db, td_table(db, "t"), key, syncs[i]);
        if (i == 2)
            TD_STATUS(varve_checkpoint(db), VARVE_OK);
        td_close(db);
        db = td_open(scratch, "cc=%s", td_schemes[(i + 1) % TD_SCHEMES]);
        for (unsigned n = 0; n <= i; n++) {
            snprintf(key, sizeof key, "k%u", n);
            assert_string_equal(td_load(db, td_table(db, "t"), key, buffer, sizeof buffer), syncs[n]);
        }
        td_close(db);
    }
}

/* --- tables ------------------------------------------------------------------------------------------------- */

static void table_names_and_options_are_checked(void **state) {
    static const char *const bad[] = {"", "a b", "a/b", "caf\303\251", "a,b",
                                      "0123456789012345678901234567890123456789012345678901234567890123"};
    varve_table *table = NULL;
    (void)state;
    varve_db *db = td_open(":memory:", "cc=mvcc");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        TD_STATUS(varve_table_open(db, bad[i], NULL, &table), VARVE_INVALID);
    TD_STATUS(varve_table_open(db, "t", "colour=red", &table), VARVE_INVALID);
    TD_STATUS(varve_table_open(db, "missing", "create=false", &table), VARVE_NOTFOUND);
    assert_null(table);
    assert_true(strstr(varve_db_error(db), "missing") != NULL);
    td_table(db, "012345678901234567890123456789012345678901234567890123456789012");
    td_table(db, "A-z_0.9");
    td_close(db);
}

static void the_same_name_gives_the_same_handle(void **state) {
    varve_table *again = NULL;
    (void)state;
    varve_db *db = td_open(":memory:", "cc=mvcc");
    varve_table *one = td_table(db, "one"), *two = td_table(db, "two");
    assert_ptr_equal(td_table(db, "one"), one);
    assert_ptr_not_equal(one, two);
    TD_STATUS(varve_table_open(db, "two", "create=false", &again), VARVE_OK);
    assert_ptr_equal(again, two);
    td_close(db);
}

static int collect_name(void *arg, const char *name, varve_table *table) {
    char *names = arg;
    assert_non_null(table);
    strcat(names, name);
    strcat(names, " ");
    return strcmp(name, "stop") == 0 ? 7 : 0;
}

static void tables_are_listed_in_order(void **state) {
    char names[64] = "";
    (void)state;
    varve_db *db = td_open(scratch, "sync=none");
    td_table(db, "b");
    td_table(db, "a");
    td_table(db, "c");
    (void)varve_table_list(db, collect_name, names);
    assert_string_equal(names, "a b c ");
    td_table(db, "stop");
    td_table(db, "z");
    td_close(db);
    db = td_open(scratch, "sync=none");
    names[0] = '\0';
    (void)varve_table_list(db, collect_name, names);
    assert_string_equal(names, "a b c stop ");
    td_close(db);
}

static void a_dropped_table_is_gone(void **state) {
    char buffer[16];
    varve_slice value;
    varve_cursor *cursor;
    (void)state;
    varve_db *db = td_open(scratch, "sync=none,begin_timeout_ms=50");
    varve_table *table = td_table(db, "t"), *other = td_table(db, "other");
    td_store(db, table, "k", "v");
    td_store(db, other, "k", "kept");
    TD_STATUS(varve_table_drop(db, "nothing"), VARVE_NOTFOUND);
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_table_drop(db, "t"), VARVE_BUSY);
    TD_STATUS(varve_get(txn, table, VARVE_STR("k"), &value), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    TD_STATUS(varve_table_drop(db, "t"), VARVE_OK);
    txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_get(txn, table, VARVE_STR("k"), &value), VARVE_INVALID);
    TD_STATUS(varve_put(txn, table, VARVE_STR("k"), VARVE_STR("v")), VARVE_INVALID);
    TD_STATUS(varve_cursor_open(txn, table, NULL, &cursor), VARVE_INVALID);
    TD_STATUS(varve_get(txn, other, VARVE_STR("k"), &value), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    table = td_table(db, "t");
    assert_null(td_load(db, table, "k", buffer, sizeof buffer));
    td_store(db, table, "k", "new");
    td_close(db);
    db = td_open(scratch, "sync=none");
    assert_string_equal(td_load(db, td_table(db, "t"), "k", buffer, sizeof buffer), "new");
    assert_string_equal(td_load(db, td_table(db, "other"), "k", buffer, sizeof buffer), "kept");
    td_close(db);
}

static void a_table_of_another_database_is_invalid(void **state) {
    varve_slice value;
    (void)state;
    varve_db *one = td_open(":memory:", "cc=mvcc"), *two = td_open(":memory:", "cc=mvcc");
    varve_table *table = td_table(two, "t");
    varve_txn *txn = td_begin(one, VARVE_SERIALIZABLE);
    TD_STATUS(varve_get(txn, table, VARVE_STR("k"), &value), VARVE_INVALID);
    TD_STATUS(varve_put(txn, table, VARVE_STR("k"), VARVE_STR("v")), VARVE_INVALID);
    varve_abort(txn);
    td_close(one);
    td_close(two);
}

/* --- keys and values ---------------------------------------------------------------------------------------- */

static void keys_and_values_have_limits(void **state) {
    static unsigned char big[VARVE_KEY_MAX_BYTES + 1];
    varve_slice value;
    (void)state;
    memset(big, 'k', sizeof big);
    varve_db *db = td_open(":memory:", "cc=mvcc");
    varve_table *table = td_table(db, "t");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    varve_slice longest = VARVE_SLICE(big, VARVE_KEY_MAX_BYTES), too_long = VARVE_SLICE(big, sizeof big);
    varve_slice too_large = VARVE_SLICE(big, (size_t)VARVE_VALUE_MAX_BYTES + 1);
    TD_STATUS(varve_put(txn, table, VARVE_SLICE("", 0), VARVE_STR("v")), VARVE_INVALID);
    TD_STATUS(varve_get(txn, table, VARVE_SLICE("", 0), &value), VARVE_INVALID);
    TD_STATUS(varve_put(txn, table, VARVE_SLICE(NULL, 3), VARVE_STR("v")), VARVE_INVALID);
    TD_STATUS(varve_put(txn, table, VARVE_STR("k"), VARVE_SLICE(NULL, 3)), VARVE_INVALID);
    TD_STATUS(varve_put(txn, table, too_long, VARVE_STR("v")), VARVE_TOOBIG);
    TD_STATUS(varve_insert(txn, table, too_long, VARVE_STR("v")), VARVE_TOOBIG);
    TD_STATUS(varve_put(txn, table, VARVE_STR("k"), too_large), VARVE_TOOBIG);
    TD_STATUS(varve_put(txn, table, longest, VARVE_SLICE(NULL, 0)), VARVE_OK);
    TD_STATUS(varve_put(txn, table, VARVE_STR("k"), VARVE_SLICE("", 0)), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_get(txn, table, longest, &value), VARVE_OK);
    assert_int_equal(value.size, 0);
    TD_STATUS(varve_get(txn, table, VARVE_STR("k"), &value), VARVE_OK);
    assert_int_equal(value.size, 0);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    td_close(db);
}

static void outputs_are_untouched_on_failure(void **state) {
    varve_slice value = VARVE_STR("as it was"), key = VARVE_STR("so was this");
    varve_cursor *cursor = NULL;
    (void)state;
    varve_db *db = td_open(":memory:", "cc=mvcc");
    varve_table *table = td_table(db, "t");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_get(txn, table, VARVE_STR("k"), &value), VARVE_NOTFOUND);
    assert_true(td_equal(value, VARVE_STR("as it was")));
    TD_STATUS(varve_cursor_open(txn, table, NULL, &cursor), VARVE_OK);
    TD_STATUS(varve_cursor_next(cursor, &key, &value), VARVE_END);
    assert_true(td_equal(value, VARVE_STR("as it was")));
    assert_true(td_equal(key, VARVE_STR("so was this")));
    TD_STATUS(varve_commit(txn), VARVE_OK);
    td_close(db);
}

static void add_counts(void **state) {
    varve_slice value;
    (void)state;
    varve_db *db = td_open(":memory:", "cc=occ");
    varve_table *table = td_table(db, "t");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_add(txn, table, VARVE_STR("n"), 258), VARVE_OK);
    TD_STATUS(varve_add(txn, table, VARVE_STR("n"), -1), VARVE_OK);
    TD_STATUS(varve_get(txn, table, VARVE_STR("n"), &value), VARVE_OK);
    assert_true(td_equal(value, VARVE_SLICE("\1\1\0\0\0\0\0\0", 8)));
    TD_STATUS(varve_add(txn, table, VARVE_STR("m"), INT64_MAX), VARVE_OK);
    TD_STATUS(varve_add(txn, table, VARVE_STR("m"), 1), VARVE_OK);
    TD_STATUS(varve_get(txn, table, VARVE_STR("m"), &value), VARVE_OK);
    assert_true(td_equal(value, VARVE_SLICE("\0\0\0\0\0\0\0\200", 8)));
    TD_STATUS(varve_put(txn, table, VARVE_STR("s"), VARVE_STR("seven b")), VARVE_OK);
    TD_STATUS(varve_add(txn, table, VARVE_STR("s"), 1), VARVE_INVALID);
    TD_STATUS(varve_get(txn, table, VARVE_STR("s"), &value), VARVE_OK);
    assert_true(td_equal(value, VARVE_STR("seven b")));
    TD_STATUS(varve_commit(txn), VARVE_OK);
    td_close(db);
}

/* --- processes, threads, the rest --------------------------------------------------------------------------- */

static int in_child(varve_db *db, varve_table *table, varve_txn *txn) {
    varve_slice value;
    varve_txn *second = NULL;
    varve_table *other = NULL;
    int wrong = 0;
    wrong |= varve_get(txn, table, VARVE_STR("k"), &value) == VARVE_FORKED ? 0 : 1;
    wrong |= varve_put(txn, table, VARVE_STR("k"), VARVE_STR("w")) == VARVE_FORKED ? 0 : 2;
    wrong |= varve_begin(db, NULL, &second) == VARVE_FORKED ? 0 : 4;
    wrong |= varve_table_open(db, "u", NULL, &other) == VARVE_FORKED ? 0 : 8;
    wrong |= varve_checkpoint(db) == VARVE_FORKED ? 0 : 16;
    wrong |= varve_commit(txn) == VARVE_FORKED ? 0 : 32;
    wrong |= varve_close(db) == VARVE_FORKED ? 0 : 64;
    return wrong;
}

static void a_child_process_is_refused(void **state) {
    char buffer[16];
    int status;
    (void)state;
    varve_db *db = td_open(scratch, "sync=none");
    varve_table *table = td_table(db, "t");
    td_store(db, table, "k", "v");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_put(txn, table, VARVE_STR("l"), VARVE_STR("parent")), VARVE_OK);
    pid_t child = fork();
    if (child == 0)
        _exit(in_child(db, table, txn));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    TD_CHECK(WEXITSTATUS(status) == 0, "calls of the child that were not refused, as bits: %d", WEXITSTATUS(status));
    TD_STATUS(varve_commit(txn), VARVE_OK);
    assert_string_equal(td_load(db, table, "l", buffer, sizeof buffer), "parent");
    td_close(db);
}

struct moved {
    varve_txn *txn;
    varve_table *table;
    int status;
};

static void *continue_elsewhere(void *arg) {
    struct moved *moved = arg;
    varve_slice value;
    moved->status = varve_get(moved->txn, moved->table, VARVE_STR("k"), &value);
    if (moved->status == VARVE_OK)
        moved->status = varve_put(moved->txn, moved->table, VARVE_STR("k"), VARVE_STR("2"));
    if (moved->status == VARVE_OK)
        moved->status = varve_commit(moved->txn);
    return NULL;
}

static void a_transaction_may_move_between_threads(void **state) {
    char buffer[16];
    pthread_t thread;
    (void)state;
    for (unsigned i = 0; i < TD_SCHEMES; i++) {
        varve_db *db = td_open(":memory:", "cc=%s", td_schemes[i]);
        struct moved moved = {NULL, td_table(db, "t"), VARVE_OK};
        td_store(db, moved.table, "k", "1");
        moved.txn = td_begin(db, VARVE_SERIALIZABLE);
        TD_STATUS(varve_put(moved.txn, moved.table, VARVE_STR("l"), VARVE_STR("1")), VARVE_OK);
        assert_int_equal(pthread_create(&thread, NULL, continue_elsewhere, &moved), 0);
        pthread_join(thread, NULL);
        TD_STATUS(moved.status, VARVE_OK);
        assert_string_equal(td_load(db, moved.table, "k", buffer, sizeof buffer), "2");
        td_close(db);
    }
}

static void the_scheme_can_be_switched(void **state) {
    varve_stats_info info = {.size = sizeof info};
    char buffer[16];
    (void)state;
    varve_db *db = td_open(":memory:", "cc=mvcc");
    varve_table *table = td_table(db, "t");
    td_store(db, table, "k", "mvcc");
    TD_STATUS(varve_set_concurrency(db, "magic", 10), VARVE_INVALID);
    varve_txn *txn = td_begin(db, VARVE_SNAPSHOT);
    TD_STATUS(varve_set_concurrency(db, "2pl", 20), VARVE_TIMEOUT);
    TD_STATUS(varve_stats(db, &info), VARVE_OK);
    assert_string_equal(info.cc, "mvcc");
    TD_STATUS(varve_put(txn, table, VARVE_STR("k"), VARVE_STR("still")), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    for (unsigned i = 0; i < 2 * TD_SCHEMES; i++) {
        const char *cc = td_schemes[i % TD_SCHEMES];
        TD_STATUS(varve_set_concurrency(db, cc, 1000), VARVE_OK);
        TD_STATUS(varve_stats(db, &info), VARVE_OK);
        assert_string_equal(info.cc, cc);
        td_store(db, table, "k", cc);
        assert_string_equal(td_load(db, table, "k", buffer, sizeof buffer), cc);
        txn = td_begin(db, VARVE_SNAPSHOT);
        assert_int_equal(varve_txn_effective_isolation(txn), td_served_level(cc, VARVE_SNAPSHOT));
        varve_abort(txn);
    }
    td_close(db);
}

static void stats_count(void **state) {
    varve_stats_info info = {.size = 0};
    varve_slice value;
    (void)state;
    varve_db *db = td_open(":memory:", "cc=2pl");
    varve_table *table = td_table(db, "t");
    TD_STATUS(varve_stats(db, &info), VARVE_INVALID);
    info.size = sizeof info;
    TD_STATUS(varve_stats(db, &info), VARVE_OK);
    varve_stats_info before = info;
    td_store(db, table, "k", "v");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_get(txn, table, VARVE_STR("k"), &value), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_stats(db, &info), VARVE_OK);
    assert_int_equal(info.open_txns, 1);
    varve_abort(txn);
    TD_STATUS(varve_stats(db, &info), VARVE_OK);
    assert_string_equal(info.cc, "2pl");
    assert_int_equal(info.begins - before.begins, 3);
    assert_int_equal(info.commits - before.commits, 1);
    assert_int_equal(info.commits_read_only - before.commits_read_only, 1);
    assert_int_equal(info.aborts - before.aborts, 1);
    assert_int_equal(info.aborts_user - before.aborts_user, 1);
    assert_int_equal(info.open_txns, 0);
    assert_int_equal(info.tables, 1);
    assert_int_equal(info.records, 1);
    assert_false(info.failed);
    td_close(db);
}

static void statuses_have_names_and_classes(void **state) {
    static const int all[] = {VARVE_OK, VARVE_NOTFOUND, VARVE_EXISTS, VARVE_END, VARVE_CONFLICT, VARVE_DEADLOCK,
                              VARVE_SNAPSHOT_TOO_OLD, VARVE_INVALID, VARVE_CONSTRAINT, VARVE_READONLY, VARVE_TOOBIG,
                              VARVE_MISUSE, VARVE_NOMEM, VARVE_FULL, VARVE_IO, VARVE_BUSY, VARVE_TIMEOUT,
                              VARVE_CORRUPT, VARVE_FAILED, VARVE_UNKNOWN_OUTCOME, VARVE_FORKED};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        bool retry = all[i] == VARVE_CONFLICT || all[i] == VARVE_DEADLOCK || all[i] == VARVE_SNAPSHOT_TOO_OLD ||
                     all[i] == VARVE_TIMEOUT || all[i] == VARVE_BUSY;
        assert_int_equal(varve_retryable(all[i]), retry);
        assert_true(strlen(varve_strerror(all[i])) > 0);
        assert_int_equal(strncmp(varve_status_name(all[i]), "VARVE_", 6), 0);
        for (size_t n = 0; n < i; n++)
            assert_string_not_equal(varve_status_name(all[i]), varve_status_name(all[n]));
    }
    assert_non_null(varve_strerror(12345));
    assert_non_null(varve_status_name(12345));
    assert_false(varve_retryable(12345));
    assert_string_equal(varve_version(), "0.1.0");
}

#define ON_DISK(name) cmocka_unit_test_setup_teardown(name, make_scratch, remove_scratch)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_option_names_the_nearest),
        ON_DISK(bad_option_values_are_refused),
        cmocka_unit_test(a_handle_of_a_failed_open_only_tells_and_closes),
        cmocka_unit_test(null_arguments_are_invalid),
        ON_DISK(second_open_is_busy_and_names_the_process),
        ON_DISK(second_open_from_another_process_is_busy),
        ON_DISK(create_false_makes_nothing),
        ON_DISK(files_are_private_unless_mode_says_otherwise),
        cmocka_unit_test(memory_has_no_files_and_no_durability),
        ON_DISK(close_with_open_transactions_is_busy),
        ON_DISK(what_was_committed_is_there_after_reopen),
        cmocka_unit_test(table_names_and_options_are_checked),
        cmocka_unit_test(the_same_name_gives_the_same_handle),
        ON_DISK(tables_are_listed_in_order),
        ON_DISK(a_dropped_table_is_gone),
        cmocka_unit_test(a_table_of_another_database_is_invalid),
        cmocka_unit_test(keys_and_values_have_limits),
        cmocka_unit_test(outputs_are_untouched_on_failure),
        cmocka_unit_test(add_counts),
        ON_DISK(a_child_process_is_refused),
        cmocka_unit_test(a_transaction_may_move_between_threads),
        cmocka_unit_test(the_scheme_can_be_switched),
        cmocka_unit_test(stats_count),
        cmocka_unit_test(statuses_have_names_and_classes),
    };
    td_watchdog(120);
    return cmocka_run_group_tests_name("contract", tests, NULL, NULL);
}
