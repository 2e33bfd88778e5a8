/* test_add.c - one hot counter and its neighbours, raised by varve_add from many threads. Where nothing but additions
 * runs, no transaction may be refused, in any scheme at any level; with readers, savepoints, deletions and insertions
 * beside them, the counters must still hold exactly what was committed.
 * SPDX-License-Identifier: MIT
 */
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

static double slice_of_time;

struct sums {
    varve_table *table;
    varve_isolation level;
    bool mixed;
    atomic_llong added[COUNTERS];
};

struct job {
    struct sums *sums;
    unsigned kind;
    int64_t delta[COUNTERS];
};

enum { BLIND, ROLLED_BACK, READ_AFTER, READ_BEFORE, LOCKED, BESIDE, KINDS };

static varve_slice counter(char name[8], unsigned number) {
    snprintf(name, 8, "c%02u", number % 100);
    return td_str(name);
}

/* Rows that come and go beside the counters, which must not be in their way. */
static int beside(varve_txn *txn, const struct job *job) {
    struct load_number one = load_number(1);
    varve_slice value;
    int status = varve_insert(txn, job->sums->table, VARVE_STR("c01x"), load_slice(&one));
    if (status == VARVE_EXISTS) status = varve_delete(txn, job->sums->table, VARVE_STR("c01x"));
    if (status == VARVE_OK) status = varve_get(txn, job->sums->table, VARVE_STR("c02x"), &value);
    return status == VARVE_NOTFOUND ? VARVE_OK : status;
}

static int add_one(varve_txn *txn, const struct job *job, unsigned number) {
    char name[8];
    unsigned mark;
    varve_slice value, key = counter(name, number);
    varve_table *table = job->sums->table;
    int status = VARVE_OK;
    if (job->kind == READ_BEFORE) status = varve_get(txn, table, key, &value);
    if (job->kind == LOCKED) status = varve_get_for_update(txn, table, key, &value);
    if (status == VARVE_OK || status == VARVE_NOTFOUND) status = varve_add(txn, table, key, job->delta[number]);
    if (status == VARVE_OK && job->kind == READ_AFTER) status = varve_get(txn, table, key, &value);
    if (status != VARVE_OK || job->kind != ROLLED_BACK) return status;
    status = varve_savepoint(txn, &mark);
    if (status == VARVE_OK) status = varve_add(txn, table, key, 1000000);
    return status == VARVE_OK ? varve_rollback_to(txn, mark) : status;
}

static int add_some(varve_txn *txn, void *arg) {
    const struct job *job = arg;
    int status = job->kind == BESIDE ? beside(txn, job) : VARVE_OK;
    for (unsigned i = 0; i < COUNTERS && status == VARVE_OK; i++) {
        unsigned number = (i + (unsigned)job->delta[0]) % COUNTERS; /* in every order */
        if (job->delta[number] != 0) status = add_one(txn, job, number);
    }
    return status;
}

static void day(struct load_worker *worker) {
    struct sums *sums = worker->load->arg;
    struct job job = {.sums = sums};
    job.kind = sums->mixed ? (unsigned)td_below(&worker->random, KINDS) : (unsigned)td_below(&worker->random, 2);
    for (unsigned i = 0; i < COUNTERS; i++)
        job.delta[i] = i == 0 || td_below(&worker->random, 2) == 0 ? (int64_t)td_below(&worker->random, 9) + 1 : 0;
    if (!load_transact(worker, sums->level, false, add_some, &job)) return;
    for (unsigned i = 0; i < COUNTERS; i++) atomic_fetch_add(&sums->added[i], job.delta[i]);
}

static void check_sums(struct load *load, struct sums *sums) {
    varve_txn *txn = td_begin(load->db, VARVE_SERIALIZABLE);
    for (unsigned i = 0; i < COUNTERS; i++) {
        char name[8];
        varve_slice value;
        TD_STATUS(varve_get(txn, sums->table, counter(name, i), &value), VARVE_OK);
        long long found = load_value(value), wanted = atomic_load(&sums->added[i]);
        TD_CHECK(found == wanted, "%s: counter %u is %lld, %lld were added", load->name, i, found, wanted);
    }
    TD_STATUS(varve_commit(txn), VARVE_OK);
}

static void run_sums(const char *cc, varve_isolation level, bool mixed, enum load_size size) {
    static struct load load;
    struct sums sums = {.level = level, .mixed = mixed};
    char name[96];
    if (!td_scheme_wanted(cc)) return;
    snprintf(name, sizeof name, "%s, %s, %s, %s", cc, td_level_name(level), mixed ? "mixed" : "additions only",
             load_size_names[size]);
    load.name = name;
    load.db = load_open(NULL, cc, size);
    load.worker_count = 4;
    load.seconds = slice_of_time;
    load.least = 50;
    load.fn = day;
    load.arg = &sums;
    sums.table = td_table(load.db, "counters");
    load_run(&load);
    check_sums(&load, &sums);
    TD_CHECK(mixed || load.tries == load.done, "%s: %llu tries for %llu transactions", name,
             (unsigned long long)load.tries, (unsigned long long)load.done);
    td_close(load.db);
}

static void additions_alone_are_never_refused(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++)
        for (unsigned level = 0; level < TD_LEVELS; level++) run_sums(td_schemes[cc], td_levels[level], false, LOAD_DEFAULT);
}

static void beside_others_none_is_lost(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++)
        for (unsigned level = 0; level < TD_LEVELS; level++)
            run_sums(td_schemes[cc], td_levels[level], true, level % 2 == 0 ? LOAD_DEFAULT : LOAD_TINY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(additions_alone_are_never_refused),
        cmocka_unit_test(beside_others_none_is_lost),
    };
    slice_of_time = td_seconds(3) / 30;
    td_watchdog(300);
    return cmocka_run_group_tests_name("add", tests, NULL, NULL);
}
