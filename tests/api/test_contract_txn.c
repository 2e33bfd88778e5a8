/* test_contract_txn.c - what varve.h promises about transactions: levels served, statuses and the detail of errors,
 * doomed and finished handles, savepoints, cursors, limits, varve_run. By one thread.
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

static varve_db *db;
static varve_table *table;

static void open_memory(const char *options) {
    td_context("%s", options);
    db = td_open(":memory:", "%s", options);
    table = td_table(db, "accounts");
}

static varve_slice text(const char *string) {
    return td_str(string);
}

static int put(varve_txn *txn, const char *key, const char *value) {
    return varve_put(txn, table, text(key), text(value));
}

static int get(varve_txn *txn, const char *key) {
    varve_slice value;
    return varve_get(txn, table, text(key), &value);
}

static void expect(varve_txn *txn, const char *key, const char *wanted) {
    varve_slice value = {NULL, 0};
    int status = varve_get(txn, table, text(key), &value);
    if (wanted == NULL) {
        TD_STATUS(status, VARVE_NOTFOUND);
        return;
    }
    TD_STATUS(status, VARVE_OK);
    TD_CHECK(td_equal(value, text(wanted)), "%s is %.*s, wanted %s", key, (int)value.size, (const char *)value.data,
             wanted);
}

static varve_txn *begin_with(const varve_txn_options *options) {
    varve_txn *txn = NULL;
    TD_STATUS(varve_begin(db, options, &txn), VARVE_OK);
    return txn;
}

/* --- levels ------------------------------------------------------------------------------------------------- */

static void levels_are_served_or_the_next_stronger(void **state) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    char open_options[32];
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        snprintf(open_options, sizeof open_options, "cc=%s", td_schemes[cc]);
        open_memory(open_options);
        for (unsigned i = 0; i < TD_LEVELS; i++) {
            varve_txn *txn = NULL;
            varve_isolation served = td_served_level(td_schemes[cc], td_levels[i]);
            options.isolation = td_levels[i];
            options.exact = false;
            txn = begin_with(&options);
            assert_int_equal(varve_txn_effective_isolation(txn), served);
            varve_abort(txn);
            options.exact = true;
            txn = NULL;
            int status = varve_begin(db, &options, &txn);
            TD_CHECK(status == (served == td_levels[i] ? VARVE_OK : VARVE_INVALID), "exact %s in %s gave %s",
                     td_level_name(td_levels[i]), td_schemes[cc], varve_status_name(status));
            varve_abort(txn);
        }
        td_close(db);
    }
}

static void the_default_level_is_the_databases(void **state) {
    (void)state;
    open_memory("cc=mvcc");
    varve_txn *txn = td_begin(db, VARVE_ISOLATION_DEFAULT);
    assert_int_equal(varve_txn_effective_isolation(txn), VARVE_SERIALIZABLE);
    varve_abort(txn);
    td_close(db);
    open_memory("cc=mvcc,isolation=snapshot");
    txn = td_begin(db, VARVE_ISOLATION_DEFAULT);
    assert_int_equal(varve_txn_effective_isolation(txn), VARVE_SNAPSHOT);
    varve_abort(txn);
    td_close(db);
}

static void bad_transaction_options_are_invalid(void **state) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_txn *txn = NULL;
    (void)state;
    open_memory("cc=mvcc");
    options.isolation = (varve_isolation)17;
    TD_STATUS(varve_begin(db, &options, &txn), VARVE_INVALID);
    options = (varve_txn_options)VARVE_TXN_OPTIONS_INIT;
    options.sync = (varve_sync_mode)17;
    TD_STATUS(varve_begin(db, &options, &txn), VARVE_INVALID);
    options = (varve_txn_options)VARVE_TXN_OPTIONS_INIT;
    options.size = 0;
    TD_STATUS(varve_begin(db, &options, &txn), VARVE_INVALID);
    assert_null(txn);
    options = (varve_txn_options)VARVE_TXN_OPTIONS_INIT;
    options.read_only = options.deferrable = true;
    options.label = "a label that is longer than the thirty-one bytes that are kept of it";
    TD_STATUS(varve_commit(begin_with(&options)), VARVE_OK);
    td_close(db);
}

static void a_read_only_transaction_cannot_write(void **state) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    uint64_t count;
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        open_memory(cc == 0 ? "cc=mvcc" : cc == 1 ? "cc=2pl" : "cc=occ");
        td_store(db, table, "k", "v");
        options.read_only = true;
        varve_txn *txn = begin_with(&options);
        TD_STATUS(put(txn, "k", "w"), VARVE_READONLY);
        TD_STATUS(varve_insert(txn, table, text("l"), text("w")), VARVE_READONLY);
        TD_STATUS(varve_update(txn, table, text("k"), text("w")), VARVE_READONLY);
        TD_STATUS(varve_delete(txn, table, text("k")), VARVE_READONLY);
        TD_STATUS(varve_delete_range(txn, table, NULL, &count), VARVE_READONLY);
        TD_STATUS(varve_add(txn, table, text("n"), 1), VARVE_READONLY);
        expect(txn, "k", "v");
        td_store(db, table, "k", "newer");
        expect(txn, "k", "v");
        TD_STATUS(varve_commit(txn), VARVE_OK);
        td_close(db);
    }
}

/* --- errors ------------------------------------------------------------------------------------------------- */

static void the_error_tells_status_reason_table_and_key(void **state) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_error error = VARVE_ERROR_INIT;
    (void)state;
    open_memory("cc=mvcc");
    td_store(db, table, "alice", "1");
    options.isolation = VARVE_SNAPSHOT;
    options.error = &error;
    varve_txn *txn = begin_with(&options);
    expect(txn, "alice", "1");
    td_store(db, table, "alice", "2");
    int status = put(txn, "alice", "3");
    if (status == VARVE_OK)
        status = varve_commit(txn);
    else
        varve_abort(txn);
    TD_STATUS(status, VARVE_CONFLICT);
    assert_int_equal(error.size, sizeof error);
    assert_int_equal(error.status, VARVE_CONFLICT);
    assert_int_equal(error.reason, VARVE_REASON_WRITE_WRITE);
    assert_int_not_equal(error.retry_token, 0);
    TD_CHECK(strstr(error.text, "accounts") != NULL && strstr(error.text, "alice") != NULL,
             "the text names neither table nor key: %s", error.text);
    td_close(db);
}

/* Commits after another transaction did `other` to what this one read; the reason must be one of two. */
static void conflict_has_reason(bool by_scan, int one, int other) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_error error = VARVE_ERROR_INIT;
    varve_cursor *cursor;
    varve_slice key, value;
    options.error = &error;
    varve_txn *txn = begin_with(&options);
    if (by_scan) {
        TD_STATUS(varve_cursor_open(txn, table, NULL, &cursor), VARVE_OK);
        while (varve_cursor_next(cursor, &key, &value) == VARVE_OK)
            continue;
        varve_cursor_close(cursor);
    } else {
        expect(txn, "alice", "1");
    }
    td_store(db, table, by_scan ? "bob" : "alice", "2");
    int status = put(txn, "carol", "3");
    if (status == VARVE_OK)
        status = varve_commit(txn);
    else
        varve_abort(txn);
    TD_STATUS(status, VARVE_CONFLICT);
    TD_CHECK(error.reason == one || error.reason == other, "reason %d: %s", error.reason, error.text);
}

static void conflicts_have_their_reasons(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc += 2) {
        open_memory(cc == 0 ? "cc=mvcc" : "cc=occ");
        td_store(db, table, "alice", "1");
        conflict_has_reason(false, VARVE_REASON_READ, VARVE_REASON_STALE);
        td_close(db);
        open_memory(cc == 0 ? "cc=mvcc" : "cc=occ");
        conflict_has_reason(true, VARVE_REASON_PHANTOM, VARVE_REASON_STALE);
        td_close(db);
    }
}

static void a_lost_precondition_is_a_conflict(void **state) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_error error = VARVE_ERROR_INIT;
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc += 2) {
        open_memory(cc == 0 ? "cc=mvcc" : "cc=occ");
        options.isolation = VARVE_READ_COMMITTED;
        options.error = &error;
        varve_txn *txn = begin_with(&options);
        TD_STATUS(varve_insert(txn, table, text("k"), text("mine")), VARVE_OK);
        td_store(db, table, "k", "theirs");
        TD_STATUS(varve_commit(txn), VARVE_CONFLICT);
        assert_int_equal(error.reason, VARVE_REASON_PRECONDITION);
        td_close(db);
    }
}

static void a_doomed_transaction_repeats_itself(void **state) {
    varve_slice value;
    unsigned mark;
    (void)state;
    open_memory("cc=mvcc");
    td_store(db, table, "k", "1");
    varve_txn *txn = td_begin(db, VARVE_SNAPSHOT);
    expect(txn, "k", "1");
    td_store(db, table, "k", "2");
    TD_STATUS(varve_get_for_update(txn, table, text("k"), &value), VARVE_CONFLICT);
    TD_STATUS(get(txn, "k"), VARVE_CONFLICT);
    TD_STATUS(get(txn, "other"), VARVE_CONFLICT);
    TD_STATUS(put(txn, "other", "x"), VARVE_CONFLICT);
    TD_STATUS(varve_savepoint(txn, &mark), VARVE_CONFLICT);
    TD_STATUS(varve_commit(txn), VARVE_CONFLICT);
    td_close(db);
}

static void answers_leave_the_transaction_usable(void **state) {
    (void)state;
    open_memory("cc=mvcc,max_txn_bytes=64K");
    static char big[70000];
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(get(txn, "k"), VARVE_NOTFOUND);
    TD_STATUS(varve_insert(txn, table, text("k"), text("1")), VARVE_OK);
    TD_STATUS(varve_insert(txn, table, text("k"), text("2")), VARVE_EXISTS);
    TD_STATUS(varve_update(txn, table, text("l"), text("2")), VARVE_NOTFOUND);
    TD_STATUS(varve_delete(txn, table, text("l")), VARVE_NOTFOUND);
    TD_STATUS(varve_put(txn, table, VARVE_SLICE(NULL, 0), text("2")), VARVE_INVALID);
    TD_STATUS(varve_put(txn, table, text("big"), VARVE_SLICE(big, sizeof big)), VARVE_TOOBIG);
    TD_STATUS(varve_rollback_to(txn, 12345), VARVE_INVALID);
    expect(txn, "k", "1");
    expect(txn, "big", NULL);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    txn = td_begin(db, VARVE_SERIALIZABLE);
    expect(txn, "k", "1");
    TD_STATUS(varve_commit(txn), VARVE_OK);
    td_close(db);
}

static void a_finished_handle_is_misuse(void **state) {
    varve_slice key, value = {NULL, 0};
    varve_cursor *cursor = NULL, *second = NULL;
    unsigned mark;
    (void)state;
    open_memory("cc=mvcc");
    td_store(db, table, "k", "v");
    for (int committed = 0; committed < 2; committed++) {
        varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
        TD_STATUS(varve_cursor_open(txn, table, NULL, &cursor), VARVE_OK);
        TD_STATUS(varve_cursor_next(cursor, &key, &value), VARVE_OK);
        if (committed)
            TD_STATUS(varve_commit(txn), VARVE_OK);
        else
            varve_abort(txn);
        TD_STATUS(varve_get(txn, table, text("k"), &value), VARVE_MISUSE);
        TD_STATUS(put(txn, "k", "w"), VARVE_MISUSE);
        TD_STATUS(varve_savepoint(txn, &mark), VARVE_MISUSE);
        TD_STATUS(varve_rollback_to(txn, 0), VARVE_MISUSE);
        TD_STATUS(varve_cursor_open(txn, table, NULL, &second), VARVE_MISUSE);
        TD_STATUS(varve_commit(txn), VARVE_MISUSE);
        varve_abort(txn);
    }
    td_close(db);
}

static void a_cursor_of_an_ended_transaction_is_misuse(void **state) {
    varve_slice key, value;
    varve_cursor *cursor;
    (void)state;
    open_memory("cc=mvcc");
    td_store(db, table, "k", "v");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_cursor_open(txn, table, NULL, &cursor), VARVE_OK);
    TD_STATUS(varve_cursor_next(cursor, &key, &value), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    TD_STATUS(varve_cursor_next(cursor, &key, &value), VARVE_MISUSE);
    TD_STATUS(varve_cursor_first(cursor, &key, &value), VARVE_MISUSE);
    varve_cursor_close(cursor);
    td_close(db);
}

static void misuse_of_one_handle_hurts_no_other(void **state) {
    (void)state;
    open_memory("cc=occ");
    varve_txn *old = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_commit(old), VARVE_OK);
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(put(txn, "k", "v"), VARVE_OK);
    if (txn != old) {
        TD_STATUS(varve_commit(old), VARVE_MISUSE);
        varve_abort(old);
    }
    TD_STATUS(varve_commit(txn), VARVE_OK);
    td_close(db);
}

/* --- locks, limits and waits -------------------------------------------------------------------------------- */

static void a_lock_wait_ends_in_timeout_and_names_the_holder(void **state) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_error error = VARVE_ERROR_INIT;
    varve_slice value;
    (void)state;
    open_memory("cc=2pl");
    td_store(db, table, "k", "v");
    options.label = "the night batch";
    varve_txn *holder = begin_with(&options);
    TD_STATUS(varve_get_for_update(holder, table, text("k"), &value), VARVE_OK);
    options.label = NULL;
    options.timeout_ms = 30;
    options.error = &error;
    varve_txn *txn = begin_with(&options);
    uint64_t start = td_now_ns();
    TD_STATUS(put(txn, "k", "w"), VARVE_TIMEOUT);
    uint64_t waited_ms = (td_now_ns() - start) / 1000000;
    TD_CHECK(waited_ms >= 25 && waited_ms < 5000, "waited %llu ms of 30", (unsigned long long)waited_ms);
    assert_int_equal(error.reason, VARVE_REASON_LOCK_TIMEOUT);
    TD_CHECK(strstr(error.text, "the night batch") != NULL, "the text does not name the holder: %s", error.text);
    TD_STATUS(get(txn, "k"), VARVE_TIMEOUT);
    TD_STATUS(varve_commit(txn), VARVE_TIMEOUT);
    TD_STATUS(put(holder, "k", "held"), VARVE_OK);
    TD_STATUS(varve_commit(holder), VARVE_OK);
    td_close(db);
}

static void no_wait_does_not_wait(void **state) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_error error = VARVE_ERROR_INIT;
    varve_slice value;
    (void)state;
    open_memory("cc=2pl,deadlock=no_wait");
    td_store(db, table, "k", "v");
    varve_txn *holder = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_get_for_update(holder, table, text("k"), &value), VARVE_OK);
    options.error = &error;
    varve_txn *txn = begin_with(&options);
    TD_STATUS(put(txn, "k", "w"), VARVE_DEADLOCK);
    assert_int_equal(error.reason, VARVE_REASON_DIED);
    TD_STATUS(varve_commit(txn), VARVE_DEADLOCK);
    TD_STATUS(varve_commit(holder), VARVE_OK);
    td_close(db);
}

static void for_update_keeps_writers_out_in_every_scheme(void **state) {
    static const char *const options[] = {"cc=mvcc,deadlock=no_wait,lock_timeout_ms=20",
                                          "cc=2pl,deadlock=no_wait,lock_timeout_ms=20",
                                          "cc=occ,deadlock=no_wait,lock_timeout_ms=20"};
    varve_slice value;
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        for (unsigned level = 0; level < TD_LEVELS; level++) {
            open_memory(options[cc]);
            td_store(db, table, "k", "1");
            varve_txn *holder = td_begin(db, td_levels[level]);
            TD_STATUS(varve_get_for_update(holder, table, text("k"), &value), VARVE_OK);
            varve_txn *txn = td_begin(db, td_levels[level]);
            int status = put(txn, "k", "theirs");
            if (status == VARVE_OK)
                status = varve_commit(txn);
            else
                varve_abort(txn);
            TD_CHECK(varve_retryable(status), "%s: a writer got past for_update with %s",
                     td_level_name(td_levels[level]), varve_status_name(status));
            TD_STATUS(put(holder, "k", "mine"), VARVE_OK);
            TD_STATUS(varve_commit(holder), VARVE_OK);
            td_close(db);
        }
    }
}

static void a_transaction_has_a_size_limit(void **state) {
    char key[16], value[1000];
    int status = VARVE_OK;
    unsigned rows = 0;
    (void)state;
    memset(value, 'v', sizeof value);
    open_memory("cc=mvcc,max_txn_bytes=64K");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    while (status == VARVE_OK && rows < 200) {
        snprintf(key, sizeof key, "k%u", rows);
        status = varve_put(txn, table, text(key), VARVE_SLICE(value, sizeof value));
        rows += status == VARVE_OK ? 1 : 0;
    }
    TD_STATUS(status, VARVE_TOOBIG);
    TD_CHECK(rows >= 30 && rows <= 66, "%u rows of 1000 bytes fit into 64K", rows);
    TD_STATUS(get(txn, "k0"), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    txn = td_begin(db, VARVE_SERIALIZABLE);
    snprintf(key, sizeof key, "k%u", rows - 1);
    TD_STATUS(get(txn, key), VARVE_OK);
    snprintf(key, sizeof key, "k%u", rows);
    TD_STATUS(get(txn, key), VARVE_NOTFOUND);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    td_close(db);
}

static void begin_waits_for_a_free_transaction(void **state) {
    varve_txn *txns[3], *more = NULL;
    (void)state;
    open_memory("cc=mvcc,max_transactions=3,begin_timeout_ms=40");
    for (unsigned i = 0; i < 3; i++)
        txns[i] = td_begin(db, VARVE_SERIALIZABLE);
    uint64_t start = td_now_ns();
    TD_STATUS(varve_begin(db, NULL, &more), VARVE_TIMEOUT);
    TD_CHECK(td_now_ns() - start >= 35000000, "begin did not wait");
    assert_null(more);
    assert_true(strlen(varve_db_error(db)) > 0);
    TD_STATUS(varve_commit(txns[1]), VARVE_OK);
    TD_STATUS(varve_begin(db, NULL, &more), VARVE_OK);
    varve_abort(more);
    varve_abort(txns[0]);
    varve_abort(txns[2]);
    td_close(db);
}

static void retry_tokens_are_accepted(void **state) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_error error = VARVE_ERROR_INIT;
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc += 2) {
        open_memory(cc == 0 ? "cc=mvcc" : "cc=occ");
        td_store(db, table, "k", "0");
        options.error = &error;
        options.retry_token = 0;
        for (unsigned attempt = 0; attempt < 3; attempt++) {
            varve_txn *txn = begin_with(&options);
            TD_STATUS(get(txn, "k"), VARVE_OK);
            td_store(db, table, "k", attempt % 2 == 0 ? "1" : "0");
            int status = put(txn, "l", "x");
            if (status == VARVE_OK)
                status = varve_commit(txn);
            else
                varve_abort(txn);
            TD_STATUS(status, VARVE_CONFLICT);
            assert_int_not_equal(error.retry_token, 0);
            options.retry_token = error.retry_token;
        }
        varve_txn *txn = begin_with(&options);
        TD_STATUS(get(txn, "k"), VARVE_OK);
        TD_STATUS(put(txn, "l", "done"), VARVE_OK);
        TD_STATUS(varve_commit(txn), VARVE_OK);
        options.retry_token = UINT64_MAX / 3;
        TD_STATUS(varve_commit(begin_with(&options)), VARVE_OK);
        td_close(db);
    }
}

/* An attempt that runs under locks is served what 2pl serves: ranges that it has read do not change, whatever was asked. */
static void who_runs_under_locks_is_serializable(void **state) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc += 2) {
        open_memory(cc == 0 ? "cc=mvcc" : "cc=occ");
        options.retry_token = UINT64_MAX / 3;
        for (unsigned i = 0; i < TD_LEVELS; i++) {
            options.isolation = td_levels[i];
            varve_txn *txn = begin_with(&options);
            assert_int_equal(varve_txn_effective_isolation(txn), VARVE_SERIALIZABLE);
            TD_STATUS(varve_commit(txn), VARVE_OK);
        }
        td_close(db);
    }
}

/* --- savepoints and borrowed bytes -------------------------------------------------------------------------- */

static void savepoints_nest(void **state) {
    unsigned outer, middle, inner;
    (void)state;
    open_memory("cc=mvcc");
    td_store(db, table, "k", "0");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(put(txn, "k", "1"), VARVE_OK);
    TD_STATUS(varve_savepoint(txn, &outer), VARVE_OK);
    TD_STATUS(varve_delete(txn, table, text("k")), VARVE_OK);
    TD_STATUS(varve_savepoint(txn, &middle), VARVE_OK);
    TD_STATUS(put(txn, "k", "3"), VARVE_OK);
    TD_STATUS(varve_savepoint(txn, &inner), VARVE_OK);
    TD_STATUS(put(txn, "l", "4"), VARVE_OK);
    TD_STATUS(varve_rollback_to(txn, middle), VARVE_OK);
    expect(txn, "k", NULL);
    expect(txn, "l", NULL);
    TD_STATUS(varve_rollback_to(txn, inner), VARVE_INVALID);
    TD_STATUS(put(txn, "k", "5"), VARVE_OK);
    TD_STATUS(varve_rollback_to(txn, middle), VARVE_OK);
    expect(txn, "k", NULL);
    TD_STATUS(varve_rollback_to(txn, outer), VARVE_OK);
    expect(txn, "k", "1");
    TD_STATUS(varve_commit(txn), VARVE_OK);
    txn = td_begin(db, VARVE_SERIALIZABLE);
    expect(txn, "k", "1");
    expect(txn, "l", NULL);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    td_close(db);
}

static void lent_bytes_last_until_the_end(void **state) {
    varve_slice committed, staged, again;
    unsigned mark;
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        open_memory(cc == 0 ? "cc=mvcc" : cc == 1 ? "cc=2pl" : "cc=occ");
        td_store(db, table, "k", "committed");
        varve_txn *txn = td_begin(db, VARVE_READ_COMMITTED);
        TD_STATUS(varve_get(txn, table, text("k"), &committed), VARVE_OK);
        if (cc != 1)
            td_store(db, table, "k", "by another");
        TD_STATUS(varve_savepoint(txn, &mark), VARVE_OK);
        TD_STATUS(put(txn, "k", "staged"), VARVE_OK);
        TD_STATUS(varve_get(txn, table, text("k"), &staged), VARVE_OK);
        TD_STATUS(put(txn, "k", "again "), VARVE_OK);
        TD_STATUS(varve_get(txn, table, text("k"), &again), VARVE_OK);
        TD_STATUS(varve_delete(txn, table, text("k")), VARVE_OK);
        TD_STATUS(varve_rollback_to(txn, mark), VARVE_OK);
        for (int i = 0; i < 100; i++)
            TD_STATUS(put(txn, "filler", "some more bytes in the arena of this transaction"), VARVE_OK);
        assert_true(td_equal(committed, text("committed")));
        assert_true(td_equal(staged, text("staged")));
        assert_true(td_equal(again, text("again ")));
        varve_abort(txn);
        td_close(db);
    }
}

static void get_many_answers_each(void **state) {
    varve_slice keys[4] = {VARVE_STR("b"), VARVE_STR("a"), VARVE_STR("none"), VARVE_STR("b")}, values[4];
    int statuses[4];
    (void)state;
    open_memory("cc=mvcc");
    td_store(db, table, "a", "1");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(put(txn, "b", "2"), VARVE_OK);
    TD_STATUS(varve_get_many(txn, table, keys, values, statuses, 4), VARVE_OK);
    assert_int_equal(statuses[0], VARVE_OK);
    assert_int_equal(statuses[1], VARVE_OK);
    assert_int_equal(statuses[2], VARVE_NOTFOUND);
    assert_int_equal(statuses[3], VARVE_OK);
    assert_true(td_equal(values[0], text("2")));
    assert_true(td_equal(values[1], text("1")));
    assert_true(td_equal(values[3], text("2")));
    TD_STATUS(varve_get_many(txn, table, NULL, NULL, NULL, 0), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    td_close(db);
}

/* --- cursors ------------------------------------------------------------------------------------------------ */

static void at(varve_cursor *cursor, int (*move)(varve_cursor *, varve_slice *, varve_slice *), const char *wanted) {
    varve_slice key = {NULL, 0}, value;
    int status = move(cursor, &key, &value);
    if (wanted == NULL)
        TD_STATUS(status, VARVE_END);
    else
        TD_CHECK(status == VARVE_OK && td_equal(key, text(wanted)), "%s %.*s, wanted %s", varve_status_name(status),
                 (int)key.size, key.data == NULL ? "" : (const char *)key.data, wanted);
}

static void seek_to(varve_cursor *cursor, bool upward, const char *target, const char *wanted) {
    varve_slice key = {NULL, 0}, value;
    int status = upward ? varve_cursor_seek_ge(cursor, text(target), &key, &value)
                        : varve_cursor_seek_le(cursor, text(target), &key, &value);
    if (wanted == NULL)
        TD_STATUS(status, VARVE_END);
    else
        TD_CHECK(status == VARVE_OK && td_equal(key, text(wanted)), "seek %s: %s, wanted %s", target,
                 varve_status_name(status), wanted);
}

static varve_cursor *cursor_over(varve_txn *txn, const char *low, const char *high, bool reverse) {
    varve_range range;
    varve_cursor *cursor = NULL;
    memset(&range, 0, sizeof range);
    range.low = low == NULL ? VARVE_SLICE(NULL, 0) : text(low);
    range.high = high == NULL ? VARVE_SLICE(NULL, 0) : text(high);
    range.reverse = reverse;
    TD_STATUS(varve_cursor_open(txn, table, &range, &cursor), VARVE_OK);
    return cursor;
}

static void cursors_walk_both_ways(void **state) {
    (void)state;
    open_memory("cc=mvcc");
    for (const char *key = "acegi"; *key != '\0'; key++)
        td_store(db, table, (char[]){*key, '\0'}, "v");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    varve_cursor *cursor = cursor_over(txn, "c", "i", false);
    at(cursor, varve_cursor_next, "c");
    at(cursor, varve_cursor_next, "e");
    at(cursor, varve_cursor_prev, "c");
    at(cursor, varve_cursor_last, "g");
    at(cursor, varve_cursor_prev, "e");
    at(cursor, varve_cursor_first, "c");
    seek_to(cursor, true, "d", "e");
    at(cursor, varve_cursor_next, "g");
    at(cursor, varve_cursor_next, NULL);
    at(cursor, varve_cursor_next, NULL);
    seek_to(cursor, false, "f", "e");
    seek_to(cursor, true, "a", "c");
    seek_to(cursor, false, "z", "g");
    seek_to(cursor, true, "h", NULL);
    seek_to(cursor, false, "b", NULL);
    at(cursor, varve_cursor_first, "c");
    varve_cursor_close(cursor);
    cursor = cursor_over(txn, "c", "i", true);
    at(cursor, varve_cursor_next, "g");
    at(cursor, varve_cursor_next, "e");
    at(cursor, varve_cursor_prev, "g");
    seek_to(cursor, true, "d", "e");
    at(cursor, varve_cursor_next, "c");
    at(cursor, varve_cursor_next, NULL);
    varve_cursor_close(cursor);
    cursor = cursor_over(txn, "d", "d", false);
    at(cursor, varve_cursor_next, NULL);
    varve_cursor_close(cursor);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    td_close(db);
}

/* Where a cursor stands past its end, and what first means in reverse: read from "next walks from high to low". */
static void cursors_turn_at_their_ends(void **state) {
    (void)state;
    open_memory("cc=mvcc");
    for (const char *key = "ace"; *key != '\0'; key++)
        td_store(db, table, (char[]){*key, '\0'}, "v");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    varve_cursor *cursor = cursor_over(txn, NULL, NULL, false);
    at(cursor, varve_cursor_prev, NULL);
    at(cursor, varve_cursor_next, "a");
    at(cursor, varve_cursor_last, "e");
    at(cursor, varve_cursor_next, NULL);
    at(cursor, varve_cursor_prev, "e");
    at(cursor, varve_cursor_first, "a");
    at(cursor, varve_cursor_prev, NULL);
    at(cursor, varve_cursor_next, "a");
    varve_cursor_close(cursor);
    cursor = cursor_over(txn, NULL, NULL, true);
    at(cursor, varve_cursor_first, "e");
    at(cursor, varve_cursor_last, "a");
    at(cursor, varve_cursor_next, NULL);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    td_close(db);
}

static void a_cursor_sees_own_writes_ahead_of_it(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        open_memory(cc == 0 ? "cc=mvcc" : cc == 1 ? "cc=2pl" : "cc=occ");
        td_store(db, table, "b", "v");
        td_store(db, table, "d", "v");
        td_store(db, table, "f", "v");
        varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
        varve_cursor *cursor = cursor_over(txn, NULL, NULL, false);
        at(cursor, varve_cursor_next, "b");
        TD_STATUS(put(txn, "a", "behind"), VARVE_OK);
        TD_STATUS(put(txn, "c", "ahead"), VARVE_OK);
        TD_STATUS(varve_delete(txn, table, text("d")), VARVE_OK);
        at(cursor, varve_cursor_next, "c");
        TD_STATUS(varve_delete(txn, table, text("c")), VARVE_OK);
        at(cursor, varve_cursor_next, "f");
        at(cursor, varve_cursor_prev, "b");
        at(cursor, varve_cursor_prev, "a");
        TD_STATUS(varve_commit(txn), VARVE_OK);
        td_close(db);
    }
}

/* --- the engine's own housekeeping -------------------------------------------------------------------------- */

/* Reads a key that was deleted before, lets the engine forget the row, and writes something else. */
static void reads_across_a_purge(const char *options) {
    varve_stats_info info = {.size = sizeof info};
    open_memory(options);
    td_store(db, table, "k", "v");
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_delete(txn, table, text("k")), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    td_store(db, table, "later", "v");
    txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(get(txn, "k"), VARVE_NOTFOUND);
    TD_STATUS(varve_contains(txn, table, text("k")), VARVE_NOTFOUND);
    uint64_t give_up = td_now_ns() + 300000000;
    do {
        TD_STATUS(varve_stats(db, &info), VARVE_OK);
    } while (info.ghosts > 0 && td_now_ns() < give_up);
    TD_STATUS(get(txn, "k"), VARVE_NOTFOUND);
    TD_STATUS(put(txn, "other", "w"), VARVE_OK);
    int status = varve_commit(txn);
    TD_CHECK(status == VARVE_OK, "nobody else wrote, and commit gave %s (%llu ghosts left)", varve_status_name(status),
             (unsigned long long)info.ghosts);
    td_close(db);
}

static void forgetting_a_deleted_row_is_no_conflict(void **state) {
    (void)state;
    reads_across_a_purge("cc=mvcc");
    reads_across_a_purge("cc=2pl");
    reads_across_a_purge("cc=occ");
}

/* --- varve_run ---------------------------------------------------------------------------------------------- */

struct task {
    unsigned calls;
    unsigned conflicts_wanted;
    int answer;
};

/* Reads, lets another transaction change what was read, writes: a conflict as often as asked for. */
static int disturbed(varve_txn *txn, void *arg) {
    struct task *task = arg;
    varve_slice value;
    int status = varve_get(txn, table, text("k"), &value);
    if (status != VARVE_OK)
        return status;
    if (task->calls++ < task->conflicts_wanted)
        td_store(db, table, "k", task->calls % 2 == 0 ? "even" : "odd");
    status = put(txn, "done", "yes");
    return status != VARVE_OK ? status : task->answer;
}

static void run_retries_and_passes_on(void **state) {
    struct task task = {0, 2, VARVE_OK};
    char buffer[16];
    (void)state;
    open_memory("cc=mvcc");
    td_store(db, table, "k", "0");
    TD_STATUS(varve_run(db, NULL, disturbed, &task), VARVE_OK);
    assert_int_equal(task.calls, 3);
    assert_string_equal(td_load(db, table, "done", buffer, sizeof buffer), "yes");
    td_store(db, table, "done", "no");
    task = (struct task){0, 0, 42};
    assert_int_equal(varve_run(db, NULL, disturbed, &task), 42);
    assert_int_equal(task.calls, 1);
    task = (struct task){0, 0, VARVE_NOTFOUND};
    TD_STATUS(varve_run(db, NULL, disturbed, &task), VARVE_NOTFOUND);
    assert_int_equal(task.calls, 1);
    assert_string_equal(td_load(db, table, "done", buffer, sizeof buffer), "no");
    td_close(db);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_are_served_or_the_next_stronger),
        cmocka_unit_test(the_default_level_is_the_databases),
        cmocka_unit_test(bad_transaction_options_are_invalid),
        cmocka_unit_test(a_read_only_transaction_cannot_write),
        cmocka_unit_test(the_error_tells_status_reason_table_and_key),
        cmocka_unit_test(conflicts_have_their_reasons),
        cmocka_unit_test(a_lost_precondition_is_a_conflict),
        cmocka_unit_test(a_doomed_transaction_repeats_itself),
        cmocka_unit_test(answers_leave_the_transaction_usable),
        cmocka_unit_test(a_finished_handle_is_misuse),
        cmocka_unit_test(a_cursor_of_an_ended_transaction_is_misuse),
        cmocka_unit_test(misuse_of_one_handle_hurts_no_other),
        cmocka_unit_test(a_lock_wait_ends_in_timeout_and_names_the_holder),
        cmocka_unit_test(no_wait_does_not_wait),
        cmocka_unit_test(for_update_keeps_writers_out_in_every_scheme),
        cmocka_unit_test(a_transaction_has_a_size_limit),
        cmocka_unit_test(begin_waits_for_a_free_transaction),
        cmocka_unit_test(retry_tokens_are_accepted),
        cmocka_unit_test(who_runs_under_locks_is_serializable),
        cmocka_unit_test(savepoints_nest),
        cmocka_unit_test(lent_bytes_last_until_the_end),
        cmocka_unit_test(get_many_answers_each),
        cmocka_unit_test(cursors_walk_both_ways),
        cmocka_unit_test(cursors_turn_at_their_ends),
        cmocka_unit_test(a_cursor_sees_own_writes_ahead_of_it),
        cmocka_unit_test(forgetting_a_deleted_row_is_no_conflict),
        cmocka_unit_test(run_retries_and_passes_on),
    };
    td_watchdog(120);
    return cmocka_run_group_tests_name("contract of transactions", tests, NULL, NULL);
}
