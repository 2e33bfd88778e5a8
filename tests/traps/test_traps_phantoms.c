/* test_traps_phantoms.c - keys that come, go and come back under a transaction that has looked for them. Each schedule
 * runs in every scheme: the look and the rival's write may not both stand.
 *
 * SPDX-License-Identifier: MIT
 */
#include "traps_fixture.h"

static const char *const every_scheme[] = {"cc=mvcc", "cc=occ", "cc=2pl,deadlock=no_wait"};
enum { SCHEMES = 3 };

/* Rows of [low, high); a refusal is the answer instead. */
static int scan(struct tp *tp, varve_txn *txn, const char *low, const char *high, unsigned *rows) {
    varve_range range = {.low = td_str(low), .high = td_str(high)};
    varve_cursor *cursor;
    varve_slice key, value;
    TD_STATUS(varve_cursor_open(txn, tp->table, &range, &cursor), VARVE_OK);
    int status;
    *rows = 0;
    while ((status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK) ++*rows;
    varve_cursor_close(cursor);
    return status == VARVE_END ? VARVE_OK : status;
}

/* One row put in a transaction of its own. */
static int rival_puts(struct tp *tp, const char *key) {
    varve_txn *rival = tp_begin(tp, VARVE_SERIALIZABLE);
    int status = tp_put(tp, rival, key, "rival");
    int end = varve_commit(rival);
    return status == VARVE_OK ? end : status;
}

/* Writes elsewhere and commits: fails exactly if the rival has committed before. */
static void finish(struct tp *tp, varve_txn *txn, int rival) {
    int status = tp_put(tp, txn, "zz", "mine");
    int end = varve_commit(txn);
    TD_CHECK((status == VARVE_OK && end == VARVE_OK) == (rival != VARVE_OK), "rival %d, put %d, commit %d", rival,
             status, end);
}

/* The key's record is there all along, so no leaf changes. */
static void trap_15_a_revived_ghost_is_a_phantom(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2 * SCHEMES; i++) {
        struct tp tp;
        unsigned rows;
        tp_open(&tp, every_scheme[i / 2], NULL);
        tp_store(&tp, "k");
        tp_forget(&tp, "k");
        struct vst_record *ghost = tp_record(&tp, "k");
        assert_non_null(ghost);
        varve_txn *txn = tp_begin(&tp, VARVE_SERIALIZABLE);
        if (i % 2 == 0)
            TD_STATUS(tp_get(&tp, txn, "k"), VARVE_NOTFOUND);
        else
            TD_STATUS(scan(&tp, txn, "a", "m", &rows), VARVE_OK);
        int rival = rival_puts(&tp, "k");
        assert_ptr_equal(tp_record(&tp, "k"), ghost);
        finish(&tp, txn, rival);
        tp_close(&tp);
    }
}

/* Four keys to a leaf, eight scanned: the rival's key makes a leaf split, and may lie in either half of it. */
static void trap_16_a_phantom_beside_a_split(void **state) {
    (void)state;
    for (unsigned i = 0; i < 17 * SCHEMES; i++) {
        struct tp tp;
        unsigned rows;
        char key[8];
        tp_open(&tp, every_scheme[i / 17], NULL);
        for (unsigned k = 2; k <= 16; k += 2) {
            snprintf(key, sizeof key, "k%02u", k);
            tp_store(&tp, key);
        }
        varve_txn *txn = tp_begin(&tp, VARVE_SERIALIZABLE);
        TD_STATUS(scan(&tp, txn, "k", "k99", &rows), VARVE_OK);
        assert_int_equal(rows, 8);
        snprintf(key, sizeof key, "k%02u", i % 17 + 1);
        int rival = VARVE_OK;
        for (unsigned twin = 0; twin < 3 && rival == VARVE_OK; twin++) {
            rival = rival_puts(&tp, key);
            strcat(key, "x");
        }
        finish(&tp, txn, rival);
        tp_close(&tp);
    }
}

/* A leaf that splits outside what was scanned is looked at again, and nothing is wrong. */
static void trap_16_a_split_alone_is_no_phantom(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < 2; cc++) {
        struct tp tp;
        unsigned rows;
        tp_open(&tp, every_scheme[cc], NULL);
        for (unsigned i = 0; i < 3; i++) tp_store(&tp, (const char *[]){"b", "c", "m"}[i]);
        varve_txn *txn = tp_begin(&tp, VARVE_SERIALIZABLE);
        TD_STATUS(scan(&tp, txn, "a", "d", &rows), VARVE_OK);
        for (unsigned i = 0; i < 4; i++) TD_STATUS(rival_puts(&tp, (const char *[]){"n", "o", "p", "q"}[i]), VARVE_OK);
        finish(&tp, txn, VARVE_CONFLICT);
        varve_stats_info info = {.size = sizeof info};
        TD_STATUS(varve_stats(tp.db, &info), VARVE_OK);
        assert_true(info.range_rescans != 0);
        tp_close(&tp);
    }
}

/* Own new keys in the leaf that was scanned, enough to split it, are no phantoms; a rival's among them is one. */
static void trap_17_own_inserts_hide_no_rival(void **state) {
    (void)state;
    static const char *const own[] = {"c", "e", "g", "i", "k"};
    for (unsigned i = 0; i < 4 * SCHEMES; i++) {
        struct tp tp;
        unsigned rows, mine = i % 2 == 0 ? 1 : 5;
        tp_open(&tp, every_scheme[i / 4], NULL);
        tp_store(&tp, "b");
        varve_txn *txn = tp_begin(&tp, VARVE_SERIALIZABLE);
        TD_STATUS(scan(&tp, txn, "a", "m", &rows), VARVE_OK);
        for (unsigned k = 0; k < mine; k++) TD_STATUS(tp_insert(&tp, txn, own[k]), VARVE_OK);
        TD_STATUS(scan(&tp, txn, "a", "m", &rows), VARVE_OK);
        assert_int_equal(rows, 1 + mine);
        finish(&tp, txn, i % 4 >= 2 ? rival_puts(&tp, "d") : VARVE_CONFLICT);
        tp_close(&tp);
    }
}

/* A stamp that is registered keeps every ghost above it, also that of the optimistic scheme: a scan that looks again
 * must meet the key that came and went. It goes with the transaction. */
static void trap_19_a_read_stamp_keeps_younger_ghosts(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < 2; cc++) {
        struct tp tp;
        unsigned rows;
        tp_open(&tp, every_scheme[cc], NULL);
        tp_store(&tp, "other");
        varve_txn *txn = tp_begin(&tp, VARVE_SERIALIZABLE);
        TD_STATUS(scan(&tp, txn, "a", "m", &rows), VARVE_OK);
        TD_STATUS(rival_puts(&tp, "k"), VARVE_OK);
        tp_forget(&tp, "k");
        tp_store(&tp, "x"); /* without the reader the ghost would be old enough now */
        tp_sweep(&tp);
        assert_non_null(tp_record(&tp, "k"));
        finish(&tp, txn, VARVE_OK);
        tp_sweep(&tp);
        assert_null(tp_record(&tp, "k"));
        tp_close(&tp);
    }
}

/* Found absent in a ghost; the ghost is purged, and the key comes back in a record that never was the one read. */
static void trap_20_a_purged_key_comes_back(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < SCHEMES; cc++) {
        struct tp tp;
        tp_open(&tp, every_scheme[cc], NULL);
        tp_store(&tp, "k");
        tp_forget(&tp, "k");
        tp_store(&tp, "other");
        varve_txn *txn = tp_begin(&tp, VARVE_SERIALIZABLE);
        TD_STATUS(tp_get(&tp, txn, "k"), VARVE_NOTFOUND);
        tp_sweep(&tp);
        if (cc < 2) assert_null(tp_record(&tp, "k"));
        finish(&tp, txn, rival_puts(&tp, "k"));
        tp_close(&tp);
    }
}

/* Read as present; deleted, swept, and put back with the same bytes. */
static void trap_20_deleted_and_put_back_is_a_change(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < SCHEMES; cc++) {
        struct tp tp;
        tp_open(&tp, every_scheme[cc], NULL);
        TD_STATUS(rival_puts(&tp, "k"), VARVE_OK);
        varve_txn *txn = tp_begin(&tp, VARVE_SERIALIZABLE);
        TD_STATUS(tp_get(&tp, txn, "k"), VARVE_OK);
        varve_txn *rival = tp_begin(&tp, VARVE_SERIALIZABLE);
        int status = tp_delete(&tp, rival, "k");
        int end = varve_commit(rival);
        if (status == VARVE_OK) status = end;
        tp_sweep(&tp);
        if (status == VARVE_OK) status = rival_puts(&tp, "k");
        finish(&tp, txn, status);
        tp_close(&tp);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trap_15_a_revived_ghost_is_a_phantom),
        cmocka_unit_test(trap_16_a_phantom_beside_a_split),
        cmocka_unit_test(trap_16_a_split_alone_is_no_phantom),
        cmocka_unit_test(trap_17_own_inserts_hide_no_rival),
        cmocka_unit_test(trap_19_a_read_stamp_keeps_younger_ghosts),
        cmocka_unit_test(trap_20_a_purged_key_comes_back),
        cmocka_unit_test(trap_20_deleted_and_put_back_is_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
