/* test_faults.c - every place of VK_FAULTS is reached, fails the call with the status that its row promises, and leaves
 * the database as it was.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "db/db.h"
#include "db/db_int.h"
#include "support/testdb.h"

static struct {
    const char *wanted; /* the place that fails, NULL: none */
    unsigned failed;
} fault;

static bool on_fault(void *arg, const char *point) {
    (void)arg;
    if (fault.wanted == NULL || strcmp(fault.wanted, point) != 0) return false;
    fault.failed++;
    return true;
}

static bool on_wait(void *arg, const struct vk_wait_info *info) {
    (void)info;
    *(uint64_t *)arg += 3600000000000; /* nobody else is there: a wait ends by its timeout */
    return true;
}

static uint64_t now(void *arg) { return *(uint64_t *)arg; }

/* A bit of everything: rows read, scanned, rewritten, made and made large. The first status that is no answer. */
static int work(varve_db *db, varve_table *t) {
    static char large[1000];
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    varve_cursor *cursor;
    varve_slice key, value;
    int status = varve_get(txn, t, td_str("a"), &value);
    if (status == VARVE_OK) status = varve_get(txn, t, td_str("nobody"), &value);
    if (status == VARVE_NOTFOUND) status = varve_cursor_open(txn, t, NULL, &cursor);
    while (status == VARVE_OK) status = varve_cursor_next(cursor, &key, &value);
    if (status == VARVE_END) status = varve_put(txn, t, td_str("a"), td_str("1"));
    for (int i = 0; i < 12 && status == VARVE_OK; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%02d", i);
        status = varve_insert(txn, t, td_str(name), td_str("new"));
    }
    if (status == VARVE_OK) status = varve_put(txn, t, td_str("b"), (varve_slice){large, sizeof large});
    if (status == VARVE_OK) return varve_commit(txn);
    varve_abort(txn);
    return status;
}

static unsigned rows(varve_db *db, varve_table *t) {
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    varve_cursor *cursor;
    varve_slice key, value;
    unsigned count = 0;
    TD_STATUS(varve_cursor_open(txn, t, NULL, &cursor), VARVE_OK);
    while (varve_cursor_next(cursor, &key, &value) == VARVE_OK) count++;
    varve_abort(txn);
    return count;
}

static int promised(const char *what) {
    if (strncmp(what, "NOMEM", 5) == 0) return VARVE_NOMEM;
    if (strncmp(what, "FULL", 4) == 0) return VARVE_FULL;
    if (strncmp(what, "CONFLICT", 8) == 0) return VARVE_CONFLICT;
    return VARVE_TIMEOUT; /* readers wait for a bit that never comes */
}

static void try_one(const char *scheme, const char *place, const char *what) {
    static const struct vk_limits tiny = {8, 4, 4, 4, 512, 512, 8 << 10, 8 << 10, 1 << 10, 4, 1, 1, 0};
    uint64_t clock = 1000;
    struct vk_hooks hooks = {.arg = &clock, .on_wait = on_wait, .now_ns = now, .fault = on_fault};
    struct vdb_setup setup = {.limits = &tiny, .hooks = &hooks, .no_threads = true};
    varve_db *db;
    char options[32];
    td_context("fault %s in %s", place, scheme);
    snprintf(options, sizeof options, "cc=%s", scheme);
    fault.wanted = NULL;
    TD_STATUS(vdb_open(":memory:", options, &setup, &db), VARVE_OK);
    varve_table *t = td_table(db, "t");
    td_store(db, t, "a", "0");
    td_store(db, t, "b", "0");
    fault.wanted = place;
    unsigned before = fault.failed;
    int status = work(db, t);
    fault.wanted = NULL;
    TD_STATUS(status, fault.failed != before ? promised(what) : VARVE_OK);
    char text[8];
    if (fault.failed != before) {
        TD_CHECK(rows(db, t) == 2, "%u rows are left of 2", rows(db, t));
        TD_CHECK(strcmp(td_load(db, t, "a", text, sizeof text), "0") == 0, "a refused transaction has written");
        TD_STATUS(work(db, t), VARVE_OK); /* and nothing is in the way of the next */
    }
    td_close(db);
}

static void each_place_fails_as_it_says(void **state) {
    (void)state;
    static const char *const what[] = {
#define WHAT(fault, name, text) text,
        VK_FAULTS(WHAT)
#undef WHAT
    };
    for (unsigned f = 0; f < VK_FAULT_COUNT; f++) {
        fault.failed = 0;
        for (unsigned cc = 0; cc < TD_SCHEMES; cc++) try_one(td_schemes[cc], vk_fault_names[f], what[f]);
        TD_CHECK(fault.failed != 0, "the place %s is never reached", vk_fault_names[f]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_place_fails_as_it_says)};
    td_watchdog(60);
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
