/* test_starvation.c - nobody waits for ever while others come and go: a stream of scans and one who inserts.
 *
 * SPDX-License-Identifier: MIT
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/load.h"

enum { SCANNERS = 16, ROWS = 8, INSERTS = 10, SCANS_MOST = 100000 };

struct crowd {
    varve_table *table;
    atomic_uint inserts, scans;
};

static int scan_all(varve_txn *txn, void *arg) {
    struct crowd *crowd = arg;
    varve_cursor *cursor;
    varve_slice key, value;
    int status = varve_cursor_open(txn, crowd->table, NULL, &cursor);
    while (status == VARVE_OK) status = varve_cursor_next(cursor, &key, &value);
    return status == VARVE_END ? VARVE_OK : status;
}

static int insert_one(varve_txn *txn, void *arg) {
    struct crowd *crowd = arg;
    struct load_number key = load_number(1 + (int64_t)atomic_load(&crowd->inserts) * 7 % (1000 * ROWS));
    return varve_put(txn, crowd->table, load_slice(&key), VARVE_STR("v"));
}

static int delete_one(varve_txn *txn, void *arg) {
    struct crowd *crowd = arg;
    struct load_number key = load_number(1 + (int64_t)atomic_load(&crowd->inserts) * 7 % (1000 * ROWS));
    return varve_delete(txn, crowd->table, load_slice(&key));
}

static void scan_until_done(struct load_worker *worker, struct crowd *crowd) {
    while (atomic_load(&crowd->inserts) < INSERTS && !load_stopped(worker)) {
        if (!load_transact(worker, VARVE_SERIALIZABLE, false, scan_all, crowd)) return;
        if (atomic_fetch_add(&crowd->scans, 1) > SCANS_MOST && atomic_load(&crowd->inserts) < INSERTS)
            load_fail(worker, "%d scans have passed %u inserts", SCANS_MOST, atomic_load(&crowd->inserts));
    }
}

/* Worker 0 inserts and deletes in the midst of the others' scans; how many of these pass meanwhile is the measure, for
 * it does not depend on the machine. */
static void work(struct load_worker *worker) {
    struct crowd *crowd = worker->load->arg;
    if (worker->index != 0) {
        scan_until_done(worker, crowd);
        return;
    }
    while (atomic_load(&crowd->scans) < SCANNERS * 10) sched_yield();
    while (atomic_load(&crowd->inserts) < INSERTS && !load_stopped(worker)) {
        if (!load_transact(worker, VARVE_SERIALIZABLE, false, insert_one, crowd)) return;
        if (!load_transact(worker, VARVE_SERIALIZABLE, false, delete_one, crowd)) return;
        atomic_fetch_add(&crowd->inserts, 1);
    }
}

static void scans_do_not_starve_an_insert(void **state) {
    (void)state;
    static struct load load;
    static struct crowd crowd;
    varve_db *db = td_open(":memory:", "cc=2pl");
    crowd.table = td_table(db, "t");
    for (int64_t i = 0; i < ROWS; i++) {
        struct load_number key = load_number(i * 1000);
        varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
        TD_STATUS(varve_put(txn, crowd.table, load_slice(&key), VARVE_STR("v")), VARVE_OK);
        TD_STATUS(varve_commit(txn), VARVE_OK);
    }
    td_watchdog(120);
    load = (struct load){.name = "scans and inserts", .db = db, .worker_count = SCANNERS + 1, .seconds = 0,
                         .fn = work, .arg = &crowd, .least = 1};
    load_run(&load);
    td_watchdog(0);
    td_close(db);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(scans_do_not_starve_an_insert)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
