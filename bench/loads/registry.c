/* registry.c - the list of loads, and transactions for filling and checking.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "bench/loads/loads.h"

const struct bl_load *const bl_loads[] = {&bl_reads,       &bl_mixed,         &bl_rmw,
                                          &bl_scan,        &bl_scan_reverse,  &bl_scan_checked,
                                          &bl_insert_sorted, &bl_insert_random,
                                          &bl_ycsb_a,      &bl_ycsb_b,        &bl_ycsb_c,
                                          &bl_ycsb_d,      &bl_ycsb_e,        &bl_ycsb_f,
                                          &bl_smallbank,   &bl_counters,      &bl_write_skew,
                                          &bl_bank,        &bl_tatp,          &bl_htap,
                                          &bl_longrw,      &bl_queue,         &bl_tpcc,
                                          NULL};

const struct bl_load *bl_find(const char *name) {
    for (size_t i = 0; bl_loads[i] != NULL; i++)
        if (strcmp(bl_loads[i]->name, name) == 0) return bl_loads[i];
    return NULL;
}

struct call {
    struct bl_session *session;
    int (*fn)(struct bl_session *session, void *arg);
    void *arg;
};

static int run_call(void *arg, struct peer_txn *txn) {
    struct call *call = arg;
    call->session->txn = txn;
    return call->fn(call->session, call->arg);
}

int bl_transaction(struct bl_session *session, bool read_only, int (*fn)(struct bl_session *session, void *arg),
                   void *arg) {
    const struct peer *engine = session->run->engine;
    struct call call = {session, fn, arg};
    uint64_t attempts;
    const uint32_t *give_up = session->run->give_up;
    if (give_up != NULL && __atomic_load_n(give_up, __ATOMIC_RELAXED) != 0) return BL_GIVEN_UP;
    if (engine->run != NULL) return engine->run(session->run->db, read_only, run_call, &call, &attempts);
    for (;;) {
        struct peer_txn *txn;
        int status = engine->begin(session->run->db, read_only, &txn);
        if (status == VARVE_OK) {
            status = run_call(&call, txn);
            if (status == VARVE_OK)
                status = engine->commit(txn);
            else
                engine->abort(txn);
        }
        if (status != PEER_BLOCKED && !varve_retryable(status)) return status;
    }
}
