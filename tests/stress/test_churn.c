/* test_churn.c - rows that come and go while others look them up by key: whatever leads from a key to its record must never
 * lead to a record that has gone, to one of another key, or past one that is there.
 *
 * Rows come in pairs that are inserted, changed and deleted together, each time with a higher number. A transaction that
 * looks at a pair must find both rows with one number, or neither; the number is of that pair; and it is never lower than
 * one that the same worker has seen before, because later transactions see later states. Keys are of many lengths. Now
 * and then a table is made, filled, looked through and dropped, and its place is taken by the next.
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

enum { PAIRS_MOST = 3000, WORKERS = 4, LOOKED_AT = 8, KEY_BYTES = 64, DROPPED_ROWS = 40 };

static double slice_of_time;

struct churn {
    varve_table *table;
    unsigned pairs;
    atomic_ullong next; /* number of the next change */
    uint64_t seen[WORKERS][PAIRS_MOST];
};
struct row {
    uint64_t number;
    uint32_t pair, side;
};
struct job {
    struct churn *churn;
    unsigned pair, count, kind;
    uint64_t number;
    struct row rows[2 * LOOKED_AT];
    int statuses[2 * LOOKED_AT];
};
enum { ONE_BY_ONE, TOGETHER, FOR_UPDATE, KINDS };

/* Short ones, ones of a word or two, and long ones; the two of a pair lie apart. */
static varve_slice key_of(unsigned pair, unsigned side, char text[KEY_BYTES]) {
    static const unsigned lengths[] = {4, 6, 8, 11, 16, 17, 40};
    unsigned length = lengths[pair % (sizeof lengths / sizeof *lengths)];
    memset(text, 'k', KEY_BYTES);
    text[0] = side == 0 ? 'a' : 'z';
    for (unsigned at = 1, left = pair; at < 4; at++, left /= 16) text[at] = "0123456789abcdef"[left % 16];
    return VARVE_SLICE(text, length);
}

static int load_row(int status, varve_slice value, struct row *row) {
    *row = (struct row){0, 0, 0};
    if (status == VARVE_OK && value.size == sizeof *row) memcpy(row, value.data, sizeof *row);
    return status;
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

static int put_pair(varve_txn *txn, const struct job *job) {
    int status = VARVE_OK;
    for (unsigned side = 0; side < 2 && status == VARVE_OK; side++) {
        char text[KEY_BYTES];
        struct row row = {job->number, job->pair, side};
        status = varve_put(txn, job->churn->table, key_of(job->pair, side, text), VARVE_SLICE(&row, sizeof row));
    }
    return status;
}

/* The number is drawn after the rows are this transaction's or will be validated, so numbers of a pair ascend. */
static int change(varve_txn *txn, void *arg) {
    struct job *job = arg;
    char text[KEY_BYTES];
    varve_slice value = {NULL, 0};
    varve_table *table = job->churn->table;
    int status = varve_get_for_update(txn, table, key_of(job->pair, 0, text), &value);
    if (status != VARVE_OK && status != VARVE_NOTFOUND) return status;
    job->number = atomic_fetch_add(&job->churn->next, 1) + 1;
    if (status == VARVE_NOTFOUND || job->kind % 2 == 0) return put_pair(txn, job);
    for (unsigned side = 0; side < 2; side++) {
        status = varve_delete(txn, table, key_of(job->pair, side, text));
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

/* --- looks -------------------------------------------------------------------------------------------------------- */

static int look_together(varve_txn *txn, struct job *job) {
    static _Thread_local char texts[2 * LOOKED_AT][KEY_BYTES];
    varve_slice keys[2 * LOOKED_AT] = {{NULL, 0}}, values[2 * LOOKED_AT];
    unsigned count = 2 * job->count;
    for (unsigned i = 0; i < count; i++)
        keys[i] = key_of((job->pair + i / 2) % job->churn->pairs, i % 2, texts[i]);
    int status = varve_get_many(txn, job->churn->table, keys, values, job->statuses, count);
    for (unsigned i = 0; i < count && status == VARVE_OK; i++)
        job->statuses[i] = load_row(job->statuses[i], values[i], &job->rows[i]);
    return status;
}

static int look(varve_txn *txn, void *arg) {
    struct job *job = arg;
    if (job->kind == TOGETHER) return look_together(txn, job);
    for (unsigned i = 0; i < 2 * job->count; i++) {
        char text[KEY_BYTES];
        varve_slice value = {NULL, 0}, key = key_of((job->pair + i / 2) % job->churn->pairs, i % 2, text);
        int status = job->kind == FOR_UPDATE ? varve_get_for_update(txn, job->churn->table, key, &value)
                                             : varve_get(txn, job->churn->table, key, &value);
        if (status != VARVE_OK && status != VARVE_NOTFOUND) return status;
        job->statuses[i] = load_row(status, value, &job->rows[i]);
    }
    return VARVE_OK;
}

static void judge(struct load_worker *worker, const struct job *job) {
    for (unsigned i = 0; i < 2 * job->count; i += 2) {
        unsigned pair = (job->pair + i / 2) % job->churn->pairs;
        const struct row *a = &job->rows[i], *b = &job->rows[i + 1];
        uint64_t *seen = &job->churn->seen[worker->index][pair];
        if (job->statuses[i] != job->statuses[i + 1] || a->number != b->number)
            load_fail(worker, "pair %u: one row is %s with number %llu, the other %s with %llu", pair,
                      varve_status_name(job->statuses[i]), (unsigned long long)a->number,
                      varve_status_name(job->statuses[i + 1]), (unsigned long long)b->number);
        if (job->statuses[i] != VARVE_OK) continue;
        if (a->pair != pair || b->pair != pair || a->side != 0 || b->side != 1)
            load_fail(worker, "pair %u: rows of %u.%u and %u.%u", pair, a->pair, a->side, b->pair, b->side);
        if (a->number < *seen)
            load_fail(worker, "pair %u: number %llu after %llu", pair, (unsigned long long)a->number,
                      (unsigned long long)*seen);
        *seen = a->number;
    }
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

static int fill(varve_txn *txn, void *arg) {
    int status = VARVE_OK;
    for (unsigned i = 0; i < DROPPED_ROWS && status == VARVE_OK; i++) {
        char text[KEY_BYTES];
        varve_slice key = key_of(i, 0, text);
        status = varve_insert(txn, arg, key, key);
    }
    return status;
}

static int look_through(varve_txn *txn, void *arg) {
    for (unsigned i = 0; i < DROPPED_ROWS; i++) {
        char text[KEY_BYTES];
        varve_slice key = key_of(i, 0, text), value;
        int status = varve_get(txn, arg, key, &value);
        if (status != VARVE_OK) return status == VARVE_NOTFOUND ? 1 : status;
        if (!td_equal(key, value)) return 2;
    }
    return VARVE_OK;
}

static void make_and_drop(struct load_worker *worker) {
    char name[16];
    varve_table *table;
    varve_db *db = worker->load->db;
    snprintf(name, sizeof name, "drop%u", worker->index);
    int status = varve_table_open(db, name, NULL, &table);
    if (status == VARVE_OK) status = varve_run(db, NULL, fill, table);
    for (unsigned i = 0; i < 2 && status == VARVE_OK; i++) status = varve_run(db, NULL, look_through, table);
    if (status == VARVE_OK) status = varve_table_drop(db, name);
    if (status == VARVE_BUSY || status == VARVE_TIMEOUT) status = varve_table_drop(db, name);
    if (status != VARVE_OK) load_fail(worker, "table %s: %s", name, status > 0 ? "lost a row" : varve_status_name(status));
}

/* --- the load ----------------------------------------------------------------------------------------------------- */

static void turn(struct load_worker *worker) {
    struct churn *churn = worker->load->arg;
    struct job job = {.churn = churn, .pair = (unsigned)td_below(&worker->random, churn->pairs)};
    uint64_t dice = td_below(&worker->random, 1000);
    job.kind = (unsigned)td_below(&worker->random, KINDS);
    job.count = 1 + (unsigned)td_below(&worker->random, job.kind == TOGETHER ? LOOKED_AT : 2);
    bool read_only = job.kind != FOR_UPDATE && td_chance(&worker->random, 50);
    if (dice == 0)
        make_and_drop(worker);
    else if (dice < 400)
        (void)load_transact(worker, VARVE_SERIALIZABLE, false, change, &job);
    else if (load_transact(worker, VARVE_SERIALIZABLE, read_only, look, &job))
        judge(worker, &job);
}

/* When all is quiet the look-ups and a walk over the whole must agree. */
static void compare_with_a_walk(const struct churn *churn, varve_db *db) {
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    varve_cursor *cursor;
    varve_slice key, value, found;
    unsigned walked = 0, there = 0;
    TD_STATUS(varve_cursor_open(txn, churn->table, NULL, &cursor), VARVE_OK);
    while (varve_cursor_next(cursor, &key, &value) == VARVE_OK) {
        TD_STATUS(varve_get(txn, churn->table, key, &found), VARVE_OK);
        TD_CHECK(td_equal(value, found), "a walk and a look-up of %.*s differ", (int)key.size, (const char *)key.data);
        walked++;
    }
    varve_cursor_close(cursor);
    for (unsigned i = 0; i < 2 * churn->pairs; i++) {
        char text[KEY_BYTES];
        there += varve_get(txn, churn->table, key_of(i / 2, i % 2, text), &found) == VARVE_OK;
    }
    TD_CHECK(walked == there, "a walk finds %u rows, look-ups find %u", walked, there);
    TD_STATUS(varve_commit(txn), VARVE_OK);
}

static void run_churn(const char *cc, unsigned pairs, enum load_size size) {
    static struct load load;
    static struct churn churn;
    char name[96];
    if (!td_scheme_wanted(cc)) return;
    snprintf(name, sizeof name, "%s, %u pairs, %s", cc, pairs, load_size_names[size]);
    memset(&churn, 0, sizeof churn);
    churn.pairs = pairs;
    load.name = name;
    load.db = load_open(NULL, cc, size);
    load.worker_count = WORKERS;
    load.seconds = slice_of_time;
    load.least = 50;
    load.fn = turn;
    load.arg = &churn;
    churn.table = td_table(load.db, "rows");
    load_run(&load);
    compare_with_a_walk(&churn, load.db);
    td_close(load.db);
}

static void few_rows_are_found_as_they_come_and_go(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2 * TD_SCHEMES; i++)
        run_churn(td_schemes[i / 2], 12, i % 2 == 0 ? LOAD_DEFAULT : LOAD_TINY);
}

static void many_rows_are_found_as_they_come_and_go(void **state) {
    (void)state;
    for (unsigned i = 0; i < TD_SCHEMES; i++) run_churn(td_schemes[i], PAIRS_MOST, LOAD_DEFAULT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_rows_are_found_as_they_come_and_go),
        cmocka_unit_test(many_rows_are_found_as_they_come_and_go),
    };
    slice_of_time = td_seconds(3) / 9;
    td_watchdog(300);
    return cmocka_run_group_tests_name("churn", tests, NULL, NULL);
}
