/* test_savepoints.c - savepoints under load: every transaction writes rubbish after a savepoint and rolls it back, then
 * writes a pair of rows that must stay equal. Nobody may ever see rubbish, at any level; whoever reads both rows in one
 * consistent state must find them equal.
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

enum { PAIRS = 5, RUBBISH = -777 };

static double slice_of_time;

struct pairs {
    varve_table *table;
    varve_isolation level;
};

struct pair_job {
    struct pairs *pairs;
    struct load_worker *worker;
    unsigned pair;
    int64_t value;
    int64_t left, right;
    bool scanned;
    bool rubbish;
};

static void row_key(char key[16], unsigned pair, char side) {
    snprintf(key, 16, "p%02u%c", pair % 100, side);
}

static int put_side(varve_txn *txn, const struct pair_job *job, unsigned pair, char side, int64_t value) {
    struct load_number number = load_number(value);
    char key[16];
    row_key(key, pair, side);
    return varve_put(txn, job->pairs->table, td_str(key), load_slice(&number));
}

/* Rubbish of every kind: other rows overwritten, inserted and deleted, over two nested savepoints. */
static int make_rubbish(varve_txn *txn, struct pair_job *job) {
    struct td_random *random = &job->worker->random;
    unsigned outer, inner, other = (unsigned)td_below(random, PAIRS);
    char key[16];
    int status = varve_savepoint(txn, &outer);
    if (status == VARVE_OK)
        status = put_side(txn, job, other, 'l', RUBBISH);
    if (status == VARVE_OK)
        status = varve_savepoint(txn, &inner);
    if (status == VARVE_OK)
        status = put_side(txn, job, other, 'x', RUBBISH);
    row_key(key, job->pair, 'r');
    if (status == VARVE_OK)
        status = varve_delete(txn, job->pairs->table, td_str(key));
    if (status == VARVE_OK && td_chance(random, 50))
        status = varve_rollback_to(txn, inner);
    return status == VARVE_OK ? varve_rollback_to(txn, outer) : status;
}

static int write_pair(varve_txn *txn, void *arg) {
    struct pair_job *job = arg;
    int status = VARVE_OK;
    if (td_chance(&job->worker->random, 50))
        status = put_side(txn, job, job->pair, 'l', job->value);
    if (status == VARVE_OK)
        status = make_rubbish(txn, job);
    if (status == VARVE_OK)
        status = put_side(txn, job, job->pair, 'l', job->value);
    return status == VARVE_OK ? put_side(txn, job, job->pair, 'r', job->value) : status;
}

static int read_by_scan(varve_txn *txn, struct pair_job *job) {
    varve_range range;
    varve_cursor *cursor;
    varve_slice key, value;
    char prefix[16];
    int64_t found[2] = {0, 0};
    unsigned rows = 0;
    memset(&range, 0, sizeof range);
    snprintf(prefix, sizeof prefix, "p%02u", job->pair % 100);
    range.prefix = td_str(prefix);
    int status = varve_cursor_open(txn, job->pairs->table, &range, &cursor);
    if (status != VARVE_OK)
        return status;
    while ((status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK) {
        if (rows < 2)
            found[rows] = load_value(value);
        rows++;
        job->rubbish = job->rubbish || load_value(value) == RUBBISH;
    }
    varve_cursor_close(cursor);
    job->rubbish = job->rubbish || rows != 2;
    job->left = found[0];
    job->right = found[1];
    return status == VARVE_END ? VARVE_OK : status;
}

static int read_by_get(varve_txn *txn, struct pair_job *job) {
    varve_slice value;
    char key[16];
    row_key(key, job->pair, 'l');
    int status = varve_get(txn, job->pairs->table, td_str(key), &value);
    if (status != VARVE_OK)
        return status;
    job->left = load_value(value);
    row_key(key, job->pair, 'r');
    status = varve_get(txn, job->pairs->table, td_str(key), &value);
    if (status == VARVE_OK)
        job->right = load_value(value);
    return status;
}

static int read_pair(varve_txn *txn, void *arg) {
    struct pair_job *job = arg;
    job->rubbish = false;
    int status = job->scanned ? read_by_scan(txn, job) : read_by_get(txn, job);
    job->rubbish = job->rubbish || job->left == RUBBISH || job->right == RUBBISH;
    return status;
}

static void pairs_day(struct load_worker *worker) {
    struct pairs *pairs = worker->load->arg;
    struct pair_job job = {.pairs = pairs, .worker = worker};
    bool one_state = pairs->level > VARVE_READ_COMMITTED;
    job.pair = (unsigned)td_below(&worker->random, PAIRS);
    job.value = (int64_t)(worker->done * LOAD_WORKERS + worker->index);
    if (td_chance(&worker->random, 60)) {
        load_transact(worker, pairs->level, false, write_pair, &job);
        return;
    }
    job.scanned = td_chance(&worker->random, 50);
    bool read_only = td_chance(&worker->random, 40);
    if (!load_transact(worker, pairs->level, read_only, read_pair, &job))
        return;
    if (job.rubbish)
        load_fail(worker, "rubbish was seen in pair %u: %lld, %lld", job.pair, (long long)job.left,
                  (long long)job.right);
    if ((one_state || read_only) && job.left != job.right)
        load_fail(worker, "pair %u is %lld and %lld%s", job.pair, (long long)job.left, (long long)job.right,
                  job.scanned ? ", by scan" : "");
}

static int first_pairs(varve_txn *txn, void *arg) {
    struct pair_job job = {.pairs = arg};
    int status = VARVE_OK;
    for (unsigned i = 0; i < 2 * PAIRS && status == VARVE_OK; i++)
        status = put_side(txn, &job, i / 2, i % 2 == 0 ? 'l' : 'r', 0);
    return status;
}

static void run_pairs(const char *cc, varve_isolation level, enum load_size size) {
    static struct load load;
    struct pairs pairs = {.level = level};
    char name[96];
    if (!td_scheme_wanted(cc))
        return;
    snprintf(name, sizeof name, "%s, %s, %s", cc, td_level_name(level), load_size_names[size]);
    load.name = name;
    load.db = load_open(NULL, cc, size);
    load.worker_count = size == LOAD_TINY ? 10 : 5;
    load.seconds = slice_of_time;
    load.least = 10;
    load.fn = pairs_day;
    load.arg = &pairs;
    pairs.table = td_table(load.db, "pairs");
    TD_STATUS(varve_run(load.db, NULL, first_pairs, &pairs), VARVE_OK);
    load_run(&load);
    td_close(load.db);
}

static void what_was_rolled_back_is_never_seen(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++)
        for (unsigned level = 1; level < TD_LEVELS; level++)
            run_pairs(td_schemes[cc], td_levels[level], level % 2 == 0 ? LOAD_DEFAULT : LOAD_TINY);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_rolled_back_is_never_seen)};
    slice_of_time = td_seconds(1.5) / 12;
    td_watchdog(300);
    return cmocka_run_group_tests_name("savepoints", tests, NULL, NULL);
}
