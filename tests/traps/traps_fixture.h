/* traps_fixture.h - what the tests of this folder share: a database in memory that nobody sweeps but the test, short
 * names for rows, and a hook that runs other transactions while one is about to sleep.
 *
 * One thread plays all the transactions: where a commit is about to sleep for a lock, the script is asked to act, and it
 * runs whatever the schedule says happens meanwhile. So each schedule is exact and runs the same every time.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_TRAPS_FIXTURE_H
#define VARVE_TESTS_TRAPS_FIXTURE_H

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
#include "os/rcu.h"
#include "storage/version_int.h"
#include "support/testdb.h"

#define tp_unused __attribute__((unused))

/* Everything scarce: four keys to a leaf, four reader bits, small chunks; scans of more than four rows are re-scanned. */
#define TP_TINY ((struct vk_limits){8, 4, 4, 4, 512, 512, 8 << 10, 8 << 10, 1 << 10, 4, 1, 1, 0})

struct tp {
    varve_db *db;
    varve_table *table;
    void (*act)(struct tp *tp, const struct vk_wait_info *info); /* at the sleep number `sleeps`; NULL: none expected */
    unsigned sleeps;
    struct vk_hooks hooks;
};

tp_unused static bool tp_on_wait(void *arg, const struct vk_wait_info *info) {
    struct tp *tp = arg;
    tp->sleeps++;
    TD_CHECK(tp->act != NULL && tp->sleeps < 100, "sleep %u for a lock (mode %u) was not expected", tp->sleeps,
             info->mode);
    tp->act(tp, info);
    return true;
}

/* limits NULL: the tiny ones. The janitor runs when tp_sweep is called. */
tp_unused static void tp_open(struct tp *tp, const char *options, const struct vk_limits *limits) {
    static const struct vk_limits tiny = TP_TINY;
    memset(tp, 0, sizeof *tp);
    tp->hooks = (struct vk_hooks){.arg = tp, .on_wait = tp_on_wait};
    struct vdb_setup setup = {
        .limits = limits != NULL ? limits : &tiny, .hooks = &tp->hooks, .no_threads = true};
    td_context("%s", options);
    TD_STATUS(vdb_open(":memory:", options, &setup, &tp->db), VARVE_OK);
    tp->table = td_table(tp->db, "t");
}
tp_unused static void tp_close(struct tp *tp) { td_close(tp->db); }

/* Rounds enough for whatever is unlinked in the first to be freed in the last. */
tp_unused static void tp_sweep(struct tp *tp) {
    for (int i = 0; i < 4; i++) (void)vdb_janitor_step(tp->db);
}

tp_unused static varve_txn *tp_begin(struct tp *tp, varve_isolation level) { return td_begin(tp->db, level); }
/* A transaction that has failed three times already: it runs under locks, in every scheme. Older than all others. */
tp_unused static varve_txn *tp_begin_escalated(struct tp *tp) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_txn *txn = NULL;
    options.retry_token = 1u << 16 | 3;
    TD_STATUS(varve_begin(tp->db, &options, &txn), VARVE_OK);
    return txn;
}

tp_unused static int tp_put(struct tp *tp, varve_txn *txn, const char *key, const char *value) {
    return varve_put(txn, tp->table, td_str(key), td_str(value));
}
tp_unused static int tp_insert(struct tp *tp, varve_txn *txn, const char *key) {
    return varve_insert(txn, tp->table, td_str(key), td_str("inserted"));
}
tp_unused static int tp_delete(struct tp *tp, varve_txn *txn, const char *key) {
    return varve_delete(txn, tp->table, td_str(key));
}
tp_unused static int tp_get(struct tp *tp, varve_txn *txn, const char *key) {
    varve_slice value;
    return varve_get(txn, tp->table, td_str(key), &value);
}
tp_unused static void tp_store(struct tp *tp, const char *key) { td_store(tp->db, tp->table, key, "stored"); }
tp_unused static void tp_forget(struct tp *tp, const char *key) {
    varve_txn *txn = tp_begin(tp, VARVE_SERIALIZABLE);
    TD_STATUS(tp_delete(tp, txn, key), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
}

tp_unused static struct vst_record *tp_record(struct tp *tp, const char *key) {
    struct vst_found found;
    vos_rcu_enter();
    vst_lookup(tp->table->tree, td_str(key), &found);
    vos_rcu_exit();
    return found.record;
}

#endif
