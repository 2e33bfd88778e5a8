/* test_reader.c - long readers beside hot updates: a snapshot, held while the same few rows are rewritten, deleted and
 * inserted all the time, must give the same bytes at every look, by get, get_many and scans both ways, and must not be
 * refused; undeclared readers must find one state too, when they commit. When the last reader has gone the versions
 * kept for it must go as well.
 * SPDX-License-Identifier: MIT
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/testdb.h"

enum { ROWS = 64, LOOKS = 12 };

static double slice_of_time;

struct hot {
    varve_table *table;
    bool coming_and_going;
    atomic_ulong changes; /* committed */
};

/* Every writer changes two rows by opposite amounts, so that one state has one sum. */
struct change {
    struct hot *hot;
    unsigned one, other;
    int64_t amount;
};

static void hot_key(char key[16], unsigned row) {
    snprintf(key, 16, "row%04u", row % 10000);
}

static int change_row(varve_txn *txn, const struct change *change, unsigned row, int64_t amount) {
    char key[16];
    varve_slice value;
    int64_t old = 0;
    hot_key(key, row);
    int status = varve_get(txn, change->hot->table, td_str(key), &value);
    if (status == VARVE_OK)
        old = load_value(value);
    else if (status != VARVE_NOTFOUND)
        return status;
    if (old + amount == 0 && change->hot->coming_and_going)
        return status == VARVE_OK ? varve_delete(txn, change->hot->table, td_str(key)) : VARVE_OK;
    struct load_number number = load_number(old + amount);
    return varve_put(txn, change->hot->table, td_str(key), load_slice(&number));
}

static int change_rows(varve_txn *txn, void *arg) {
    struct change *change = arg;
    int status = change_row(txn, change, change->one, change->amount);
    return status == VARVE_OK ? change_row(txn, change, change->other, -change->amount) : status;
}

/* --- one look ----------------------------------------------------------------------------------------------- */

struct look {
    unsigned rows;
    int64_t sum;
    uint64_t hash;
};

static void look_at(struct look *look, varve_slice key, varve_slice value) {
    uint64_t mixed = (uint64_t)load_value(value) * 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < key.size; i++)
        mixed = (mixed ^ ((const unsigned char *)key.data)[i]) * 0x100000001B3u;
    look->rows++;
    look->sum += load_value(value);
    look->hash += mixed ^ (mixed >> 31);
}

static int look_by_scan(varve_txn *txn, varve_table *table, bool reverse, struct look *look) {
    varve_range range;
    varve_cursor *cursor;
    varve_slice key, value;
    memset(&range, 0, sizeof range);
    memset(look, 0, sizeof *look);
    range.reverse = reverse;
    int status = varve_cursor_open(txn, table, &range, &cursor);
    if (status != VARVE_OK)
        return status;
    while ((status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK)
        look_at(look, key, value);
    varve_cursor_close(cursor);
    return status == VARVE_END ? VARVE_OK : status;
}

static int look_by_get_many(varve_txn *txn, varve_table *table, struct look *look) {
    char names[ROWS][16];
    varve_slice keys[ROWS], values[ROWS];
    int statuses[ROWS];
    memset(look, 0, sizeof *look);
    for (unsigned i = 0; i < ROWS; i++) {
        hot_key(names[i], i);
        keys[i] = td_str(names[i]);
    }
    int status = varve_get_many(txn, table, keys, values, statuses, ROWS);
    for (unsigned i = 0; status == VARVE_OK && i < ROWS; i++)
        if (statuses[i] == VARVE_OK)
            look_at(look, keys[i], values[i]);
    return status;
}

static int look_by_get(varve_txn *txn, varve_table *table, struct look *look) {
    char name[16];
    varve_slice value;
    memset(look, 0, sizeof *look);
    for (unsigned i = 0; i < ROWS; i++) {
        hot_key(name, i);
        int status = varve_get(txn, table, td_str(name), &value);
        if (status == VARVE_OK)
            look_at(look, td_str(name), value);
        else if (status != VARVE_NOTFOUND)
            return status;
    }
    return VARVE_OK;
}

static int look_somehow(varve_txn *txn, varve_table *table, unsigned how, struct look *look) {
    switch (how % 4) {
    case 0:
        return look_by_scan(txn, table, false, look);
    case 1:
        return look_by_scan(txn, table, true, look);
    case 2:
        return look_by_get_many(txn, table, look);
    default:
        return look_by_get(txn, table, look);
    }
}

/* --- readers and writers ------------------------------------------------------------------------------------ */

struct reading {
    struct hot *hot;
    struct load_worker *worker;
    unsigned looks;
    struct look first;
    char wrong[128];
};

/* Until a few more changes were committed beside the reader, or nobody is left to make them. */
static void let_it_change(struct load_worker *worker) {
    struct hot *hot = worker->load->arg;
    unsigned long wanted = atomic_load(&hot->changes) + 5;
    uint64_t give_up = td_now_ns() + 50000000;
    while (atomic_load(&hot->changes) < wanted && !load_stopped(worker) && td_now_ns() < give_up)
        sched_yield();
}

static int read_again_and_again(varve_txn *txn, void *arg) {
    struct reading *reading = arg;
    reading->wrong[0] = '\0';
    for (unsigned i = 0; i < reading->looks; i++) {
        struct look look;
        int status = look_somehow(txn, reading->hot->table, i, &look);
        if (status != VARVE_OK)
            return status;
        if (i == 0)
            reading->first = look;
        if (look.rows != reading->first.rows || look.hash != reading->first.hash)
            snprintf(reading->wrong, sizeof reading->wrong, "look %u found %u rows and %lld, the first %u and %lld", i,
                     look.rows, (long long)look.sum, reading->first.rows, (long long)reading->first.sum);
        if (reading->looks == LOOKS)
            let_it_change(reading->worker);
    }
    return VARVE_OK;
}

static void read_long(struct load_worker *worker, bool read_only) {
    struct hot *hot = worker->load->arg;
    struct reading reading = {.hot = hot, .worker = worker, .looks = read_only ? LOOKS : 2};
    uint64_t tries = worker->tries;
    if (!load_transact(worker, VARVE_SERIALIZABLE, read_only, read_again_and_again, &reading))
        return;
    if (reading.wrong[0] != '\0')
        load_fail(worker, "%s reader: %s", read_only ? "read-only" : "undeclared", reading.wrong);
    if (reading.first.sum != 0)
        load_fail(worker, "a %s reader found a sum of %lld", read_only ? "read-only" : "undeclared",
                  (long long)reading.first.sum);
    if (read_only && worker->tries != tries + 1)
        load_fail(worker, "a read-only transaction was run again");
}

static void hot_day(struct load_worker *worker) {
    struct change change = {.hot = worker->load->arg};
    if (worker->index == 0) {
        read_long(worker, true);
        return;
    }
    if (worker->index == 1) {
        read_long(worker, false);
        return;
    }
    change.one = (unsigned)td_below(&worker->random, ROWS);
    change.other = (change.one + 1) % ROWS;
    change.amount = 1 + (int64_t)td_below(&worker->random, 2);
    if (load_transact(worker, VARVE_SERIALIZABLE, false, change_rows, &change))
        atomic_fetch_add(&change.hot->changes, 1);
}

/* Versions are given back by the engine's own thread in its time; a few more commits and seconds are enough. */
static void versions_go(struct load *load, struct hot *hot) {
    varve_stats_info info = {.size = sizeof info};
    uint64_t give_up = td_now_ns() + 10000000000u;
    for (unsigned i = 0; td_now_ns() < give_up; i++) {
        struct change change = {hot, i % ROWS, (i + 1) % ROWS, 1};
        TD_STATUS(varve_run(load->db, NULL, change_rows, &change), VARVE_OK);
        TD_STATUS(varve_stats(load->db, &info), VARVE_OK);
        if (info.version_bytes < 2048 * 1024)
            return;
        sched_yield();
    }
    TD_CHECK(false, "%llu bytes of versions are still kept, oldest snapshot %llu, clock %llu",
             (unsigned long long)info.version_bytes, (unsigned long long)info.oldest_snapshot,
             (unsigned long long)info.clock);
}

static void run_hot(const char *cc, bool coming_and_going) {
    static struct load load;
    struct hot hot = {.coming_and_going = coming_and_going};
    char name[64];
    if (!td_scheme_wanted(cc))
        return;
    snprintf(name, sizeof name, "%s, %s", cc, coming_and_going ? "rows come and go" : "rows stay");
    load.name = name;
    load.db = load_open(NULL, cc, LOAD_DEFAULT);
    load.worker_count = 5;
    load.seconds = slice_of_time;
    load.least = 2;
    load.fn = hot_day;
    load.arg = &hot;
    hot.table = td_table(load.db, "hot");
    load_run(&load);
    versions_go(&load, &hot);
    td_close(load.db);
}

static void a_snapshot_stays_what_it_was(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        run_hot(td_schemes[cc], false);
        run_hot(td_schemes[cc], true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_snapshot_stays_what_it_was)};
    slice_of_time = td_seconds(2) / 6;
    td_watchdog(300);
    return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
