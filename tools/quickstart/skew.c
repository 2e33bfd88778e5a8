/* skew.c - write skew, the anomaly between snapshot and serializable: a machine needs one of two mail servers; two
 * transactions read both rows, see that the other one stays, and each removes its own.
 *
 * Both have read before either writes (a barrier), so the schedule is the same every time. Run one after the other,
 * in any order, one of them would have seen the server gone: two commits have no serial order.
 * Source of the phenomenon: Berenson et al., A Critique of ANSI SQL Isolation Levels, 1995, A5B.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <stdio.h>

#include "quickstart.h"

struct side {
    struct qs_world *world;
    varve_db *db;
    varve_table *table;
    varve_isolation level;
    unsigned number;
    pthread_barrier_t *both_have_read;
};

static const varve_slice servers[2] = {{"exim4", 5}, {"postfix", 7}};

/* Reads both rows, waits for the other side to have done so, removes its own. */
static int attempt(struct side *side, varve_txn *txn) {
    varve_slice value;
    int mine = varve_get(txn, side->table, servers[side->number], &value);
    int other = varve_get(txn, side->table, servers[1 - side->number], &value);
    pthread_barrier_wait(side->both_have_read);
    if (mine != VARVE_OK) return mine;
    if (other != VARVE_OK) return other;
    return varve_delete(txn, side->table, servers[side->number]);
}

static void *one_side(void *arg) {
    struct side *side = arg;
    struct qs_shared *shared = side->world->shared;
    varve_error error = VARVE_ERROR_INIT;
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_txn *txn;
    options.isolation = side->level;
    options.timeout_ms = 5000;
    options.error = &error;
    int status = varve_begin(side->db, &options, &txn);
    if (status != VARVE_OK) qs_give_up(side->world, "beginning", status, error.text);
    if (side->number == 0) shared->effective = (int32_t)varve_txn_effective_isolation(txn);
    status = attempt(side, txn);
    if (status == VARVE_OK) status = varve_commit(txn);
    else varve_abort(txn);
    shared->committed[side->number] = status == VARVE_OK;
    if (status == VARVE_OK) return NULL;
    if (!varve_retryable(status)) qs_give_up(side->world, "removing a row", status, error.text);
    __atomic_store_n(&shared->refusal, status, __ATOMIC_RELAXED);
    return NULL;
}

void qs_skew(struct qs_world *world, varve_isolation level) {
    char options[32];
    varve_db *db;
    varve_table *table;
    varve_txn *txn;
    pthread_t threads[2];
    struct side sides[2];
    pthread_barrier_t both_have_read;
    snprintf(options, sizeof(options), "cc=%s", world->scheme);
    int status = varve_open(":memory:", options, &db);
    if (status == VARVE_OK) status = varve_table_open(db, "installed", NULL, &table);
    if (status == VARVE_OK) status = varve_begin(db, NULL, &txn);
    for (unsigned i = 0; i < 2 && status == VARVE_OK; i++)
        status = varve_put(txn, table, servers[i], VARVE_STR("installed"));
    if (status == VARVE_OK) status = varve_commit(txn);
    if (status != VARVE_OK) qs_give_up(world, "preparing the write skew", status, "");
    pthread_barrier_init(&both_have_read, NULL, 2);
    for (unsigned i = 0; i < 2; i++) {
        sides[i] = (struct side){world, db, table, level, i, &both_have_read};
        if (pthread_create(&threads[i], NULL, one_side, &sides[i]) != 0)
            qs_give_up(world, "starting a thread", VARVE_NOMEM, "");
    }
    for (unsigned i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&both_have_read);
    status = varve_close(db);
    if (status != VARVE_OK) qs_give_up(world, "closing", status, "");
}
