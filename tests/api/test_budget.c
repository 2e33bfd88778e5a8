/* test_budget.c - a memory budget that is used up, snapshots that are given up for it, and the deadlock policies as a
 * program meets them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "support/testdb.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t patience_ns = 20000000000u;

/* Puts rows until the database refuses one; the answer. The janitor notices in its time, so once there are enough to exceed the
 * budget nothing more is committed. */
static int fill(varve_db *db, varve_table *table, size_t value_bytes) {
    static char value[4096];
    unsigned enough = value_bytes > 1000 ? 400 : 8000;
    uint64_t start = td_now_ns();
    int status = VARVE_OK;
    for (unsigned i = 0; status == VARVE_OK && td_now_ns() - start < patience_ns; i++) {
        varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
        unsigned char key[2] = {(unsigned char)(i % 256), (unsigned char)(i / 256 % 256)};
        status = varve_put(txn, table, VARVE_SLICE(key, sizeof key), VARVE_SLICE(value, value_bytes));
        if (status == VARVE_OK && i < enough)
            status = varve_commit(txn);
        else
            varve_abort(txn);
        if (status == VARVE_SNAPSHOT_TOO_OLD) status = VARVE_OK; /* its own, which has not run for a while */
    }
    return status;
}

static void check_full_budget(size_t value_bytes) {
    varve_db *db = td_open(":memory:", "memory=1M,max_txn_bytes=64K");
    varve_table *table = td_table(db, "t");
    TD_STATUS(fill(db, table, value_bytes), VARVE_BUSY);
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    varve_slice value;
    TD_STATUS(varve_get(txn, table, VARVE_SLICE("\0\0", 2), &value), VARVE_OK);
    uint64_t count = 0;
    TD_STATUS(varve_delete_range(txn, table, NULL, &count), VARVE_OK);
    assert_true(count > 100);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    int status = VARVE_BUSY; /* until the janitor has freed what was deleted */
    for (uint64_t start = td_now_ns(); status == VARVE_BUSY && td_now_ns() - start < patience_ns; sched_yield()) {
        txn = td_begin(db, VARVE_SERIALIZABLE);
        status = varve_put(txn, table, VARVE_STR("again"), VARVE_STR("1"));
        varve_abort(txn);
    }
    TD_STATUS(status, VARVE_OK);
    td_close(db);
}

/* Large values; and rows so small that what is deleted, and waits to be purged, is as much as the budget. */
static void a_full_budget_refuses_writes_but_not_deletes(void **state) {
    (void)state;
    check_full_budget(4096);
    check_full_budget(8);
}

static void an_old_snapshot_is_given_up(void **state) {
    (void)state;
    varve_db *db = td_open(":memory:", "memory=1M,max_txn_bytes=64K,max_snapshot_age_ms=1");
    varve_table *table = td_table(db, "t");
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_error error = VARVE_ERROR_INIT;
    varve_txn *reader;
    options.read_only = true;
    options.error = &error;
    TD_STATUS(varve_begin(db, &options, &reader), VARVE_OK);
    TD_STATUS(fill(db, table, 4096), VARVE_BUSY);
    int status = VARVE_NOTFOUND;
    varve_slice value;
    for (uint64_t start = td_now_ns(); status == VARVE_NOTFOUND && td_now_ns() - start < patience_ns; sched_yield())
        status = varve_get(reader, table, VARVE_STR("absent"), &value);
    TD_STATUS(status, VARVE_SNAPSHOT_TOO_OLD);
    assert_int_equal(error.status, VARVE_SNAPSHOT_TOO_OLD);
    TD_STATUS(varve_commit(reader), VARVE_SNAPSHOT_TOO_OLD); /* doomed */
    td_close(db);
}

/* An older and a younger transaction, each holding a row; the younger asks for the older one's. */
static int younger_meets_older(const char *deadlock, int32_t *reason) {
    varve_db *db = td_open(":memory:", "cc=2pl,lock_timeout_ms=50,deadlock=%s", deadlock);
    varve_table *table = td_table(db, "t");
    td_store(db, table, "a", "0");
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_error error = VARVE_ERROR_INIT;
    varve_txn *older = td_begin(db, VARVE_SERIALIZABLE), *younger;
    TD_STATUS(varve_put(older, table, VARVE_STR("a"), VARVE_STR("1")), VARVE_OK);
    td_store(db, table, "b", "0"); /* time passes, so that the ages differ */
    options.error = &error;
    TD_STATUS(varve_begin(db, &options, &younger), VARVE_OK);
    int status = varve_put(younger, table, VARVE_STR("a"), VARVE_STR("2"));
    *reason = error.reason;
    varve_abort(younger);
    TD_STATUS(varve_commit(older), VARVE_OK);
    td_close(db);
    return status;
}

static void each_policy_treats_a_younger_one_its_way(void **state) {
    (void)state;
    int32_t reason;
    TD_STATUS(younger_meets_older("no_wait", &reason), VARVE_DEADLOCK);
    assert_int_equal(reason, VARVE_REASON_DIED);
    TD_STATUS(younger_meets_older("wait_die", &reason), VARVE_DEADLOCK);
    assert_int_equal(reason, VARVE_REASON_DIED);
    TD_STATUS(younger_meets_older("wound_wait", &reason), VARVE_TIMEOUT); /* it waits, and the older one is idle */
    TD_STATUS(younger_meets_older("detect", &reason), VARVE_TIMEOUT);     /* it waits: there is no cycle */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_budget_refuses_writes_but_not_deletes),
        cmocka_unit_test(an_old_snapshot_is_given_up),
        cmocka_unit_test(each_policy_treats_a_younger_one_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
