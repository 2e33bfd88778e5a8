/* transfer.c - four threads move money between accounts; varve_run repeats what was refused. The sum stays what it was
 * in each of the three schemes.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <varve.h>

enum { ACCOUNTS = 20, THREADS = 4, TRANSFERS = 500, START = 1000 };

struct transfer {
    varve_db *db;
    varve_table *table;
    int from, to, number, status;
};

static varve_slice name_of(int account, char *buffer, size_t size) {
    return VARVE_SLICE(buffer, (size_t)snprintf(buffer, size, "account%04d", account));
}

static int change(varve_txn *txn, varve_table *table, int account, int64_t delta) {
    char buffer[16];
    int64_t balance;
    varve_slice value, key = name_of(account, buffer, sizeof(buffer));
    int status = varve_get(txn, table, key, &value);
    if (status != VARVE_OK) return status;
    memcpy(&balance, value.data, sizeof(balance));
    balance += delta;
    return varve_put(txn, table, key, VARVE_SLICE(&balance, sizeof(balance)));
}

static int transfer(varve_txn *txn, void *arg) {
    const struct transfer *t = arg;
    int status = change(txn, t->table, t->from, -1);
    return status == VARVE_OK ? change(txn, t->table, t->to, 1) : status;
}

static void *teller(void *arg) {
    struct transfer *t = arg;
    for (int i = 0; i < TRANSFERS && t->status == VARVE_OK; i++) {
        t->from = (i * 7 + t->number) % ACCOUNTS;
        t->to = (i * 3 + t->number * 5 + 1) % ACCOUNTS;
        t->status = varve_run(t->db, NULL, transfer, t);
    }
    return NULL;
}

static int open_accounts(varve_txn *txn, void *table) {
    int status = VARVE_OK;
    for (int i = 0; i < ACCOUNTS && status == VARVE_OK; i++) {
        char buffer[16];
        status = varve_add(txn, table, name_of(i, buffer, sizeof(buffer)), START);
    }
    return status;
}

static int64_t sum_of(varve_db *db, varve_table *table) {
    varve_txn *txn;
    varve_cursor *cursor;
    varve_slice key, value;
    int64_t sum = 0, balance;
    if (varve_begin(db, NULL, &txn) != VARVE_OK) return -1;
    if (varve_cursor_open(txn, table, NULL, &cursor) == VARVE_OK)
        for (; varve_cursor_next(cursor, &key, &value) == VARVE_OK; sum += balance)
            memcpy(&balance, value.data, sizeof(balance));
    return varve_commit(txn) == VARVE_OK ? sum : -1;
}

static int run_scheme(const char *scheme) {
    char options[32];
    varve_db *db;
    varve_table *table;
    pthread_t threads[THREADS];
    struct transfer tellers[THREADS];
    snprintf(options, sizeof(options), "cc=%s", scheme);
    if (varve_open(":memory:", options, &db) != VARVE_OK) return 1;
    if (varve_table_open(db, "accounts", NULL, &table) != VARVE_OK) return 1;
    if (varve_run(db, NULL, open_accounts, table) != VARVE_OK) return 1;
    for (int i = 0; i < THREADS; i++) {
        tellers[i] = (struct transfer){.db = db, .table = table, .number = i};
        pthread_create(&threads[i], NULL, teller, &tellers[i]);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    int64_t sum = sum_of(db, table);
    printf("%-4s: %d transfers, sum %lld\n", scheme, THREADS * TRANSFERS, (long long)sum);
    for (int i = 0; i < THREADS; i++)
        if (tellers[i].status != VARVE_OK) sum = -1;
    return varve_close(db) == VARVE_OK && sum == (int64_t)ACCOUNTS * START ? 0 : 1;
}

int main(void) { return run_scheme("mvcc") | run_scheme("2pl") | run_scheme("occ"); }
