/* test_traps_reads.c - what readers may see and what they may hold back: snapshots beside rivals that rewrite, delete
 * and purge, on the smallest database there is.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>

#include "traps_fixture.h"

/* --- trap 4 (and 1, 3, 45): a writer and a reader take turns in two slots ----------------------------------------- */

enum { KEYS = 10, COMMITS = 4000 };

static varve_slice number_key(char text[4], unsigned i) {
    snprintf(text, 4, "n%u", i % KEYS);
    return td_str(text);
}

static void *rewrite(void *arg) {
    struct tp *tp = arg;
    intptr_t status = VARVE_OK;
    for (uint64_t n = 1; n <= COMMITS && status == VARVE_OK; n++) {
        varve_txn *txn;
        char text[4];
        status = varve_begin(tp->db, NULL, &txn);
        if (status != VARVE_OK) break;
        for (unsigned i = 0; i < KEYS && status == VARVE_OK; i++)
            status = varve_put(txn, tp->table, number_key(text, i), (varve_slice){&n, sizeof n});
        int end = varve_commit(txn);
        if (status == VARVE_OK) status = end;
    }
    return (void *)status;
}

/* The number that all keys hold in one transaction that reads from key `first` on. */
static uint64_t read_all(struct tp *tp, unsigned first) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_txn *txn;
    uint64_t all = 0, one;
    char text[4];
    varve_slice value;
    options.read_only = true;
    TD_STATUS(varve_begin(tp->db, &options, &txn), VARVE_OK);
    for (unsigned i = 0; i < KEYS; i++) {
        int status = varve_get(txn, tp->table, number_key(text, first + i), &value);
        one = 0;
        if (status == VARVE_OK) memcpy(&one, value.data, sizeof one);
        TD_CHECK(i == 0 || one == all, "key %u holds %u beside %u", i, (unsigned)one, (unsigned)all);
        all = one;
    }
    TD_STATUS(varve_commit(txn), VARVE_OK);
    return all;
}

/* Each slot is used again as soon as it is free: no reader sees half a commit, nor an older one than before. */
static void trap_04_slots_used_again_under_a_reader(void **state) {
    (void)state;
    struct vk_limits limits = TP_TINY;
    limits.slots = 2;
    static struct tp tp; /* outlives a failure that leaves the writer running */
    tp_open(&tp, "cc=mvcc", &limits);
    tp.db->domain.hooks.on_wait = NULL; /* two threads really wait for each other */
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, rewrite, &tp), 0);
    uint64_t last = 0;
    for (unsigned i = 0; last < COMMITS; i++) {
        uint64_t now = read_all(&tp, i);
        TD_CHECK(now >= last, "%u after %u", (unsigned)now, (unsigned)last);
        last = now;
        if (i % 64 == 0) tp_sweep(&tp);
    }
    void *status;
    pthread_join(writer, &status);
    assert_ptr_equal(status, (void *)VARVE_OK);
    tp_close(&tp);
}

/* --- trap 7: no read section is left open ------------------------------------------------------------------------- */

#ifdef VARVE_ASSERTS
static unsigned sections(int status) {
    (void)status;
    return vos_rcu_depth;
}

/* After each call, whether it did its work or was refused. */
static void trap_07_a_section_ends_with_its_call(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        struct tp tp;
        char options[64];
        snprintf(options, sizeof options, "cc=%s,deadlock=no_wait", td_schemes[cc]);
        tp_open(&tp, options, NULL);
        tp_store(&tp, "a");
        varve_txn *txn = tp_begin(&tp, VARVE_SERIALIZABLE), *rival = tp_begin(&tp, VARVE_SERIALIZABLE);
        varve_cursor *cursor;
        varve_slice key, value;
        assert_int_equal(sections(tp_get(&tp, txn, "a")), 0);
        assert_int_equal(sections(tp_get(&tp, txn, "b")), 0);
        assert_int_equal(sections(varve_get_for_update(txn, tp.table, td_str("a"), &value)), 0);
        assert_int_equal(sections(varve_cursor_open(txn, tp.table, NULL, &cursor)), 0);
        assert_int_equal(sections(varve_cursor_next(cursor, &key, &value)), 0);
        assert_int_equal(sections(varve_cursor_next(cursor, &key, &value)), 0);
        assert_int_equal(sections(tp_insert(&tp, txn, "a")), 0);
        assert_int_equal(sections(tp_put(&tp, txn, "c", "1")), 0);
        assert_int_equal(sections(varve_get_for_update(rival, tp.table, td_str("a"), &value)), 0);
        assert_int_equal(sections(tp_put(&tp, rival, "b", "2")), 0);
        assert_int_equal(sections(varve_commit(txn)), 0);
        assert_int_equal(sections(varve_commit(rival)), 0);
        tp_close(&tp);
    }
}
#endif

/* --- trap 8: what an idle transaction holds back ------------------------------------------------------------------ */

static uint64_t version_bytes(struct tp *tp) {
    varve_stats_info info = {.size = sizeof info};
    TD_STATUS(varve_stats(tp->db, &info), VARVE_OK);
    return info.version_bytes;
}

/* One version a key, not every version since: memory stays as it was after the first rounds. */
static void trap_08_an_idle_snapshot_keeps_one_version(void **state) {
    (void)state;
    struct tp tp;
    char value[200] = "", first[200];
    tp_open(&tp, "cc=mvcc", NULL);
    memset(value, 'v', sizeof value - 1);
    td_store(tp.db, tp.table, "k", value);
    memcpy(first, value, sizeof value);
    varve_txn *idle = tp_begin(&tp, VARVE_SNAPSHOT);
    TD_STATUS(tp_get(&tp, idle, "k"), VARVE_OK);
    uint64_t early = 0;
    for (unsigned i = 0; i < 3000; i++) {
        value[0] = (char)('a' + i % 26);
        td_store(tp.db, tp.table, "k", value);
        if (i % 8 == 0) tp_sweep(&tp);
        if (i == 300) early = version_bytes(&tp);
    }
    uint64_t late = version_bytes(&tp);
    varve_slice seen;
    TD_STATUS(varve_get(idle, tp.table, td_str("k"), &seen), VARVE_OK);
    assert_true(td_equal(seen, td_str(first)));
    TD_STATUS(varve_commit(idle), VARVE_OK);
    tp_close(&tp);
    TD_CHECK(late <= early + (16 << 10), "%u bytes, %u before", (unsigned)late, (unsigned)early);
}

/* --- trap 23: lost updates without a read of the row -------------------------------------------------------------- */

enum rival_does { PUTS, DELETES, PUTS_AND_DELETES, DELETES_AND_PUTS, RIVALS };

static void rival_acts(struct tp *tp, enum rival_does what) {
    if (what == DELETES || what == DELETES_AND_PUTS) tp_forget(tp, "k");
    if (what != DELETES) tp_store(tp, "k");
    if (what == PUTS_AND_DELETES) tp_forget(tp, "k");
    tp_sweep(tp);
}

/* At snapshot the first committer wins, also where the later one never looked, and where the key is absent before,
 * after, or both. */
static void trap_23_blind_writes_lose_no_update(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2 * RIVALS; i++) {
        enum rival_does what = i / 2;
        bool there = what == DELETES || what == DELETES_AND_PUTS;
        struct tp tp;
        tp_open(&tp, "cc=mvcc", NULL);
        tp_store(&tp, "other");
        if (there) tp_store(&tp, "k");
        varve_txn *txn = tp_begin(&tp, VARVE_SNAPSHOT);
        TD_STATUS(tp_get(&tp, txn, "other"), VARVE_OK);
        int status = VARVE_OK;
        if (i % 2 == 0) status = tp_put(&tp, txn, "k", "mine"); /* staged before the rival, or after it */
        rival_acts(&tp, what);
        if (i % 2 == 1) status = tp_put(&tp, txn, "k", "mine");
        int end = varve_commit(txn);
        tp_close(&tp);
        TD_CHECK(status == VARVE_CONFLICT || end == VARVE_CONFLICT, "case %u: %d, then %d", i, status, end);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trap_04_slots_used_again_under_a_reader),
#ifdef VARVE_ASSERTS
        cmocka_unit_test(trap_07_a_section_ends_with_its_call),
#endif
        cmocka_unit_test(trap_08_an_idle_snapshot_keeps_one_version),
        cmocka_unit_test(trap_23_blind_writes_lose_no_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
