/* test_single.c - the planted bugs that one transaction, a reopening or a failing disk shows, a test each, named by the
 * number of the bug. All hold in the engine as it is.
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

#include "db/db.h"
#include "db/db_int.h"
#include "support/testdb.h"
#include "txn/txn_int.h"

/* The real disk, but that syncs are counted, and that one of them may be made to fail. */
static struct {
    struct vos_ops ops;
    struct vos os;
    unsigned syncs, fail_at;
} disk;

static int counted_sync(struct vos_file *file, struct vos_error *error) {
    if (++disk.syncs == disk.fail_at) {
        if (error != NULL) snprintf(error->text, sizeof error->text, "sync: made to fail");
        return VARVE_IO;
    }
    return vos_posix()->ops->file_sync(file, error);
}

struct at {
    char path[TD_PATH_BYTES];
    varve_db *db;
    varve_table *table;
};

static void at_open(struct at *at, const char *options, const struct vk_limits *limits) {
    struct vdb_setup setup = {.os = &disk.os, .limits = limits, .no_threads = true};
    disk.ops = *vos_posix()->ops;
    disk.ops.file_sync = counted_sync;
    disk.os.ops = &disk.ops;
    int status = vdb_open(at->path, options, &setup, &at->db);
    TD_CHECK(status == VARVE_OK, "open: %s", at->db != NULL ? varve_db_error(at->db) : "out of memory");
    at->table = td_table(at->db, "t");
}

static void at_new(struct at *at, const char *options) {
    td_scratch(at->path);
    disk.fail_at = 0;
    at_open(at, options, NULL);
}

static void at_end(struct at *at) {
    varve_close(at->db);
    td_remove_tree(at->path);
}

static void put(struct at *at, const char *key, const char *value, varve_sync_mode sync) {
    varve_txn_options o = VARVE_TXN_OPTIONS_INIT;
    varve_txn *txn;
    o.sync = sync;
    TD_STATUS(varve_begin(at->db, &o, &txn), VARVE_OK);
    TD_STATUS(varve_put(txn, at->table, td_str(key), td_str(value)), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
}

static void expect(struct at *at, const char *key, const char *value) {
    char buffer[32];
    const char *found = td_load(at->db, at->table, key, buffer, sizeof buffer);
    TD_CHECK(found != NULL && strcmp(found, value) == 0, "%s is %s, not %s", key, found != NULL ? found : "absent",
             value);
}

/* --- 46, 47, 73: acknowledgements and syncs ----------------------------------------------------------------------- */

static int put_x(varve_txn *txn, void *arg) {
    return varve_put(txn, ((struct at *)arg)->table, td_str("x"), td_str("1"));
}

/* A commit whose sync fails has an outcome nobody knows; run says so and does not try it again. */
static void bug_46_47_failed_sync(void **state) {
    (void)state;
    struct at at;
    at_new(&at, "sync=sync");
    disk.fail_at = disk.syncs + 1;
    TD_STATUS(varve_run(at.db, NULL, put_x, &at), VARVE_UNKNOWN_OUTCOME);
    at_end(&at);
}

static void bug_73_each_commit_is_synced(void **state) {
    (void)state;
    struct at at;
    at_new(&at, "sync=sync");
    for (int i = 0; i < 5; i++) {
        unsigned before = disk.syncs;
        put(&at, "x", "1", VARVE_SYNC_SYNC);
        TD_CHECK(disk.syncs > before, "commit %d was acknowledged without a sync", i + 1);
    }
    at_end(&at);
}

/* A reader that is acknowledged as durable has seen nothing that is not. */
static void bug_54_readers_wait_for_what_they_saw(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < 3; cc += 2) { /* mvcc, occ */
        struct at at;
        char options[32];
        snprintf(options, sizeof options, "sync=sync,cc=%s", cc == 0 ? "mvcc" : "occ");
        at_new(&at, options);
        put(&at, "x", "1", VARVE_SYNC_NONE);
        varve_txn *txn = td_begin(at.db, VARVE_SERIALIZABLE);
        varve_slice value;
        TD_STATUS(varve_get(txn, at.table, td_str("x"), &value), VARVE_OK);
        TD_STATUS(varve_commit(txn), VARVE_OK);
        TD_CHECK(vb_load_acquire(&at.db->domain.durable) == vb_load_acquire(&at.db->domain.clock),
                 "%s: seen and acknowledged, and not durable", options);
        at_end(&at);
    }
}

/* --- 71, 72, 84: what is there when it is opened again ------------------------------------------------------------ */

static void bug_71_the_clock_goes_on(void **state) {
    (void)state;
    struct at at;
    at_new(&at, "sync=sync");
    put(&at, "x", "1", VARVE_SYNC_SYNC);
    put(&at, "x", "2", VARVE_SYNC_SYNC);
    uint64_t before = vb_load_acquire(&at.db->domain.clock);
    td_close(at.db);
    at_open(&at, "sync=sync", NULL);
    TD_CHECK(vb_load_acquire(&at.db->domain.clock) >= before, "the clock went back");
    put(&at, "x", "3", VARVE_SYNC_SYNC);
    expect(&at, "x", "3");
    at_end(&at);
}

/* One cut holds the commits of many slots, slot by slot; the last commit wins all the same. */
static void bug_72_the_last_commit_wins(void **state) {
    (void)state;
    static const struct vk_limits few = {6, 4, 4, 4, 512, 512, 8 << 10, 8 << 10, 1 << 10, 4, 1, 1, 0};
    struct at at;
    td_scratch(at.path);
    at_open(&at, "sync=none", &few);
    for (char value[2] = "a"; value[0] <= 'z'; value[0]++) {
        put(&at, "x", value, VARVE_SYNC_NONE);
        if (value[0] % 2 != 0) continue;
        TD_STATUS(varve_sync(at.db), VARVE_OK);
        td_close(at.db);
        at_open(&at, "sync=none", &few);
        expect(&at, "x", value);
        for (int i = 0; i < value[0] % 5; i++) put(&at, "y", value, VARVE_SYNC_NONE);
        put(&at, "x", "-", VARVE_SYNC_NONE);
    }
    at_end(&at);
}

static void bug_84_commits_behind_a_checkpoint(void **state) {
    (void)state;
    struct at at;
    at_new(&at, "sync=sync");
    put(&at, "x", "1", VARVE_SYNC_SYNC);
    TD_STATUS(varve_checkpoint(at.db), VARVE_OK);
    put(&at, "x", "2", VARVE_SYNC_SYNC);
    td_close(at.db);
    at_open(&at, "sync=sync", NULL);
    expect(&at, "x", "2");
    at_end(&at);
}

/* --- 48, 63, 77, 78: handles, slots, the gate, rules -------------------------------------------------------------- */

static void memory(struct at *at, const char *options, const struct vk_limits *limits) {
    snprintf(at->path, sizeof at->path, ":memory:");
    at_open(at, options, limits);
}

static int get(varve_txn *txn, struct at *at, const char *key) {
    varve_slice value;
    return varve_get(txn, at->table, td_str(key), &value);
}

/* A transaction that has heard CONFLICT hears nothing else until it ends, and does not commit. */
static void bug_48_a_dead_transaction_stays_dead(void **state) {
    (void)state;
    struct at at;
    memory(&at, "cc=occ", NULL);
    td_store(at.db, at.table, "x", "0");
    varve_txn *txn = td_begin(at.db, VARVE_SERIALIZABLE);
    TD_STATUS(get(txn, &at, "x"), VARVE_OK);
    td_store(at.db, at.table, "x", "1");
    td_store(at.db, at.table, "y", "1");
    TD_STATUS(get(txn, &at, "y"), VARVE_CONFLICT);
    TD_STATUS(varve_put(txn, at.table, td_str("z"), td_str("1")), VARVE_CONFLICT);
    TD_STATUS(varve_commit(txn), VARVE_CONFLICT);
    td_close(at.db);
}

/* A wound is meant for one attempt; the next transaction in the slot knows nothing of it. */
static void bug_63_a_wound_ends_with_its_transaction(void **state) {
    (void)state;
    static const struct vk_limits two = {2, 4, 4, 4, 512, 512, 8 << 10, 8 << 10, 1 << 10, 4, 1, 1, 0};
    struct at at;
    memory(&at, "cc=2pl", &two);
    td_store(at.db, at.table, "x", "0");
    varve_txn *txn = td_begin(at.db, VARVE_SERIALIZABLE);
    struct vk_slot *slot = txn->cc.slot;
    vb_store_release(&slot->wound, vb_load_acquire(&slot->gen) << 1 | 1);
    TD_STATUS(get(txn, &at, "x"), VARVE_DEADLOCK);
    varve_abort(txn);
    for (int i = 0; i < 4; i++) {
        txn = td_begin(at.db, VARVE_SERIALIZABLE);
        TD_STATUS(get(txn, &at, "x"), VARVE_OK);
        TD_STATUS(varve_commit(txn), VARVE_OK);
    }
    td_close(at.db);
}

static void bug_77_the_gate_waits(void **state) {
    (void)state;
    struct at at;
    memory(&at, "cc=mvcc", NULL);
    varve_txn *txn = td_begin(at.db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_set_concurrency(at.db, "2pl", 1), VARVE_TIMEOUT);
    varve_abort(txn);
    TD_STATUS(varve_set_concurrency(at.db, "2pl", 1), VARVE_OK);
    td_close(at.db);
}

static void bug_78_rules_at_every_write(void **state) {
    (void)state;
    struct at at;
    memory(&at, "cc=mvcc", NULL);
    TD_STATUS(varve_constraint_add(at.db, at.table, "short value_bytes 1 3"), VARVE_OK);
    varve_txn *txn = td_begin(at.db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_put(txn, at.table, td_str("x"), td_str("abc")), VARVE_OK);
    TD_STATUS(varve_put(txn, at.table, td_str("x"), td_str("abcd")), VARVE_CONSTRAINT);
    varve_abort(txn);
    td_close(at.db);
}

/* --- the places that only a log has; tests/explore reaches the others --------------------------------------------- */

static bool reached[VK_POINT_COUNT];

static void note_place(void *arg, const char *point) {
    (void)arg;
    for (unsigned i = 0; i < VK_POINT_COUNT; i++)
        if (strcmp(vk_point_names[i], point) == 0) reached[i] = true;
}

static void places_of_the_log_are_reached(void **state) {
    (void)state;
    static const enum vk_point wanted[] = {VK_POINT_publish_head, VK_POINT_harden_before, VK_POINT_cut_clock,
                                           VK_POINT_cut_slot,     VK_POINT_cut_written,   VK_POINT_sync_before,
                                           VK_POINT_sync_done};
    struct at at;
    at_new(&at, "sync=sync");
    at.db->domain.hooks.yield = note_place;
    put(&at, "x", "1", VARVE_SYNC_SYNC);
    for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++)
        TD_CHECK(reached[wanted[i]], "never reached: %s", vk_point_names[wanted[i]]);
    at_end(&at);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bug_46_47_failed_sync),
        cmocka_unit_test(bug_48_a_dead_transaction_stays_dead),
        cmocka_unit_test(bug_54_readers_wait_for_what_they_saw),
        cmocka_unit_test(bug_63_a_wound_ends_with_its_transaction),
        cmocka_unit_test(bug_71_the_clock_goes_on),
        cmocka_unit_test(bug_72_the_last_commit_wins),
        cmocka_unit_test(bug_73_each_commit_is_synced),
        cmocka_unit_test(bug_77_the_gate_waits),
        cmocka_unit_test(bug_78_rules_at_every_write),
        cmocka_unit_test(bug_84_commits_behind_a_checkpoint),
        cmocka_unit_test(places_of_the_log_are_reached),
    };
    td_watchdog(60);
    return cmocka_run_group_tests_name("single", tests, NULL, NULL);
}
