/* test_upgrade.c - upgrade storms: every client reads one of very few counters and writes it back one higher, by get
 * and put, get and update, get_for_update and put, or add. No increment may be lost at any level that forbids lost
 * updates, nor at any level at all when the read was for update; all clients must get through. With get and put at
 * read committed increments must be seen to be lost.
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

enum { COUNTERS = 3 };

enum way { GET_PUT, GET_UPDATE, FOR_UPDATE_PUT, ADD, MANY_PUT, WAYS, MIXED = WAYS };

static const char *const way_names[] = {"get, put", "get, update", "for update, put", "add", "get_many, put", "mixed"};

static double slice_of_time;

struct storm {
    varve_table *table;
    varve_isolation level;
    enum way way;
    unsigned counters;
    atomic_llong increments[COUNTERS];
};

struct increment {
    struct storm *storm;
    enum way way;
    unsigned counter;
};

static void counter_key(char key[8], unsigned counter) {
    snprintf(key, 8, "c%02u", counter % 100);
}

static int read_counter(varve_txn *txn, const struct increment *increment, varve_slice key, varve_slice *value) {
    int status, one = VARVE_OK;
    varve_slice got = {NULL, 0};
    switch (increment->way) {
    case FOR_UPDATE_PUT:
        return varve_get_for_update(txn, increment->storm->table, key, value);
    case MANY_PUT:
        status = varve_get_many(txn, increment->storm->table, &key, &got, &one, 1);
        if (status == VARVE_OK && one == VARVE_OK)
            *value = got;
        return status != VARVE_OK ? status : one;
    default:
        return varve_get(txn, increment->storm->table, key, value);
    }
}

static int increment_counter(varve_txn *txn, void *arg) {
    struct increment *increment = arg;
    varve_table *table = increment->storm->table;
    varve_slice value = {NULL, 0};
    char name[8];
    counter_key(name, increment->counter);
    varve_slice key = td_str(name);
    if (increment->way == ADD)
        return varve_add(txn, table, key, 1);
    int status = read_counter(txn, increment, key, &value);
    if (status != VARVE_OK)
        return status;
    struct load_number next = load_number(load_value(value) + 1);
    sched_yield();
    if (increment->way == GET_UPDATE)
        return varve_update(txn, table, key, load_slice(&next));
    return varve_put(txn, table, key, load_slice(&next));
}

static void storm_day(struct load_worker *worker) {
    struct storm *storm = worker->load->arg;
    struct increment increment = {storm, storm->way, (unsigned)td_below(&worker->random, storm->counters)};
    if (storm->way == MIXED)
        increment.way = (enum way)td_below(&worker->random, WAYS);
    if (load_transact(worker, storm->level, false, increment_counter, &increment))
        atomic_fetch_add(&storm->increments[increment.counter], 1);
}

static void check_counters(struct load *load, struct storm *storm, bool must_hold) {
    bool lost = false;
    for (unsigned i = 0; i < storm->counters; i++) {
        char key[8];
        varve_slice value;
        varve_txn *txn = td_begin(load->db, VARVE_SERIALIZABLE);
        counter_key(key, i);
        TD_STATUS(varve_get(txn, storm->table, td_str(key), &value), VARVE_OK);
        long long found = load_value(value), wanted = atomic_load(&storm->increments[i]);
        TD_STATUS(varve_commit(txn), VARVE_OK);
        TD_CHECK(!must_hold || found == wanted, "%s: counter %u is %lld after %lld increments", load->name, i, found,
                 wanted);
        lost = lost || found != wanted;
    }
    TD_CHECK(must_hold || lost, "%s: no increment was lost", load->name);
}

static void run_storm(const char *cc, varve_isolation level, enum way way, enum load_size size, bool must_hold) {
    static struct load load;
    struct storm storm = {.level = level, .way = way, .counters = way % 2 == 0 ? 1 : COUNTERS};
    struct load_number zero = load_number(0);
    char name[96], key[8];
    if (!td_scheme_wanted(cc))
        return;
    snprintf(name, sizeof name, "%s, %s, %s, %s", cc, td_level_name(level), way_names[way], load_size_names[size]);
    load.name = name;
    load.db = load_open(NULL, cc, size);
    load.worker_count = size == LOAD_TINY ? 12 : 5;
    load.seconds = slice_of_time;
    load.least = must_hold ? 10 : 2000;
    load.fn = storm_day;
    load.arg = &storm;
    storm.table = td_table(load.db, "counters");
    for (unsigned i = 0; i < COUNTERS; i++) {
        varve_txn *txn = td_begin(load.db, VARVE_SERIALIZABLE);
        counter_key(key, i);
        TD_STATUS(varve_put(txn, storm.table, td_str(key), load_slice(&zero)), VARVE_OK);
        TD_STATUS(varve_commit(txn), VARVE_OK);
    }
    load_run(&load);
    check_counters(&load, &storm, must_hold);
    td_close(load.db);
}

static void serializable_loses_no_increment(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++)
        for (unsigned way = 0; way <= MIXED; way++)
            run_storm(td_schemes[cc], VARVE_SERIALIZABLE, (enum way)way, way == 0 ? LOAD_TINY : LOAD_DEFAULT, true);
}

static void weaker_levels_that_forbid_it_lose_none(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        run_storm(td_schemes[cc], VARVE_REPEATABLE_READ, MIXED, LOAD_DEFAULT, true);
        run_storm(td_schemes[cc], VARVE_SNAPSHOT, MIXED, LOAD_DEFAULT, true);
    }
}

static void reading_for_update_loses_none_at_any_level(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++)
        for (unsigned level = 0; level < TD_LEVELS; level++)
            run_storm(td_schemes[cc], td_levels[level], FOR_UPDATE_PUT, level == 1 ? LOAD_TINY : LOAD_DEFAULT, true);
}

static void read_committed_loses_some(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++)
        run_storm(td_schemes[cc], VARVE_READ_COMMITTED, GET_PUT, LOAD_DEFAULT, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serializable_loses_no_increment),
        cmocka_unit_test(weaker_levels_that_forbid_it_lose_none),
        cmocka_unit_test(reading_for_update_loses_none_at_any_level),
        cmocka_unit_test(read_committed_loses_some),
    };
    slice_of_time = td_seconds(3) / 40;
    td_watchdog(300);
    return cmocka_run_group_tests_name("upgrade", tests, NULL, NULL);
}
