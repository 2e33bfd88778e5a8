/* test_review.c - schedules that a reading of the engine against the traps brought up; each has failed once.
 *
 * SPDX-License-Identifier: MIT
 */
#include "traps_fixture.h"

static const char *const every_scheme[] = {"cc=mvcc", "cc=occ", "cc=2pl,deadlock=no_wait"};
enum { SCHEMES = 3 };

/* --- an answer counts though the write behind it was undone ------------------------------------------------------- */

/* Each finds the other's key absent by inserting it, takes that back, and writes its own: one came first, and the other
 * must have found its key. */
static void savepoint__an_undone_insert_still_found_nothing(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < SCHEMES; cc++) {
        struct tp tp;
        tp_open(&tp, every_scheme[cc], NULL);
        varve_txn *txn[2];
        static const char *const finds[] = {"x", "y"};
        int status[2] = {VARVE_OK, VARVE_OK};
        for (unsigned i = 0; i < 2; i++) {
            unsigned mark;
            txn[i] = tp_begin(&tp, VARVE_SERIALIZABLE);
            TD_STATUS(varve_savepoint(txn[i], &mark), VARVE_OK);
            status[i] = tp_insert(&tp, txn[i], finds[i]);
            if (status[i] == VARVE_OK) status[i] = varve_rollback_to(txn[i], mark);
            if (status[i] == VARVE_OK) status[i] = tp_put(&tp, txn[i], finds[1 - i], "mine");
        }
        for (unsigned i = 0; i < 2; i++) {
            int end = varve_commit(txn[i]);
            if (status[i] == VARVE_OK) status[i] = end;
        }
        tp_close(&tp);
        TD_CHECK(status[0] != VARVE_OK || status[1] != VARVE_OK, "both committed");
    }
}

/* The same with update and delete of rows that are there, each removing the other's. */
static void savepoint__an_undone_update_still_found_its_row(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < SCHEMES; cc++) {
        struct tp tp;
        tp_open(&tp, every_scheme[cc], NULL);
        tp_store(&tp, "x");
        tp_store(&tp, "y");
        varve_txn *txn[2];
        static const char *const finds[] = {"x", "y"};
        int status[2] = {VARVE_OK, VARVE_OK};
        for (unsigned i = 0; i < 2; i++) {
            unsigned mark;
            txn[i] = tp_begin(&tp, VARVE_SERIALIZABLE);
            TD_STATUS(varve_savepoint(txn[i], &mark), VARVE_OK);
            if (i == 0)
                status[i] = varve_update(txn[i], tp.table, td_str(finds[i]), td_str("new"));
            else
                status[i] = tp_delete(&tp, txn[i], finds[i]);
            if (status[i] == VARVE_OK) status[i] = varve_rollback_to(txn[i], mark);
            if (status[i] == VARVE_OK) status[i] = tp_delete(&tp, txn[i], finds[1 - i]);
        }
        for (unsigned i = 0; i < 2; i++) {
            int end = varve_commit(txn[i]);
            if (status[i] == VARVE_OK) status[i] = end;
        }
        tp_close(&tp);
        TD_CHECK(status[0] != VARVE_OK || status[1] != VARVE_OK, "both committed");
    }
}

/* The stamp moves on after the insert, past a rival's insert of the same key: what is read then is not of the state in
 * which the key was absent. */
static void savepoint__an_undone_insert_moves_with_the_stamp(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < 2; cc++) {
        struct tp tp;
        tp_open(&tp, every_scheme[cc], NULL);
        tp_store(&tp, "other");
        varve_txn *txn = tp_begin(&tp, VARVE_SERIALIZABLE), *rival;
        unsigned mark;
        TD_STATUS(varve_savepoint(txn, &mark), VARVE_OK);
        TD_STATUS(tp_insert(&tp, txn, "x"), VARVE_OK);
        rival = tp_begin(&tp, VARVE_SERIALIZABLE);
        TD_STATUS(tp_put(&tp, rival, "x", "rival"), VARVE_OK);
        TD_STATUS(tp_put(&tp, rival, "other", "rival"), VARVE_OK);
        TD_STATUS(varve_commit(rival), VARVE_OK);
        int status = varve_rollback_to(txn, mark);
        varve_slice value = {NULL, 0};
        if (status == VARVE_OK) status = varve_get(txn, tp.table, td_str("other"), &value);
        bool saw_rival = status == VARVE_OK && td_equal(value, td_str("rival"));
        int end = varve_commit(txn);
        tp_close(&tp);
        TD_CHECK(!saw_rival || end != VARVE_OK, "x was absent and other is the rival's, which put both");
    }
}

/* --- trap 18: ghosts ---------------------------------------------------------------------------------------------- */

/* a finds k absent and writes k, l and m. Its ghost of k is linked while it waits behind a writer of l; an escalated
 * transaction e takes the gap below k meanwhile, and m. At m a gives everything back and waits; its ghost stays linked
 * for e's sake, and a rival puts k into it. No key was linked after a's look but by a itself, and yet k is there. */
static struct {
    varve_txn *e;
    struct vst_record *l;
} revived;

static void revive(struct tp *tp, const struct vk_wait_info *info) {
    (void)info;
    if (tp->sleeps == 1) {
        revived.e = tp_begin_escalated(tp);
        TD_STATUS(tp_get(tp, revived.e, "j"), VARVE_NOTFOUND);
        TD_STATUS(tp_get(tp, revived.e, "m"), VARVE_OK);
        vst_writer_drop(&tp->db->domain, revived.l);
        return;
    }
    varve_txn *rival = tp_begin(tp, VARVE_SERIALIZABLE);
    TD_STATUS(tp_put(tp, rival, "k", "rival"), VARVE_OK);
    TD_STATUS(varve_commit(rival), VARVE_OK);
    TD_STATUS(varve_commit(revived.e), VARVE_OK);
}

static void trap_18_own_ghost_is_revived_by_a_rival(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < 2; cc++) {
        struct tp tp;
        tp_open(&tp, every_scheme[cc], NULL);
        tp_store(&tp, "l");
        tp_store(&tp, "m");
        varve_txn *a = tp_begin(&tp, VARVE_SERIALIZABLE);
        TD_STATUS(tp_get(&tp, a, "k"), VARVE_NOTFOUND);
        TD_STATUS(tp_put(&tp, a, "k", "first"), VARVE_OK);
        TD_STATUS(tp_put(&tp, a, "l", "a"), VARVE_OK);
        TD_STATUS(tp_put(&tp, a, "m", "a"), VARVE_OK);
        revived.l = tp_record(&tp, "l");
        assert_true(vst_writer_try(revived.l, VK_SLOT_APPLIER));
        tp.act = revive;
        int status = varve_commit(a);
        TD_CHECK(tp.sleeps == 2, "%u sleeps", tp.sleeps);
        tp.act = NULL;
        tp_close(&tp);
        TD_STATUS(status, VARVE_CONFLICT);
    }
}

/* --- trap 19: purge ----------------------------------------------------------------------------------------------- */

/* Nobody else is there: the janitor's tidying is no conflict. */
static void trap_19_a_purge_is_no_conflict(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < SCHEMES; cc++) {
        struct tp tp;
        tp_open(&tp, every_scheme[cc], NULL);
        tp_store(&tp, "k");
        tp_forget(&tp, "k");
        tp_store(&tp, "other");
        varve_txn *txn = tp_begin(&tp, VARVE_SERIALIZABLE);
        TD_STATUS(tp_get(&tp, txn, "k"), VARVE_NOTFOUND);
        varve_cursor *cursor;
        varve_slice key, value;
        TD_STATUS(varve_cursor_open(txn, tp.table, NULL, &cursor), VARVE_OK);
        TD_STATUS(varve_cursor_next(cursor, &key, &value), VARVE_OK);
        tp_sweep(&tp);
        TD_STATUS(tp_put(&tp, txn, "z", "v"), VARVE_OK);
        TD_STATUS(varve_commit(txn), VARVE_OK);
        tp_close(&tp);
    }
}

/* --- trap 43: callbacks ------------------------------------------------------------------------------------------- */

static varve_txn *inside;
static bool abort_inside;
static int ends_its_transaction(void *arg, varve_slice key, varve_slice value) {
    (void)arg;
    (void)key;
    (void)value;
    if (abort_inside) {
        varve_abort(inside);
        return 0;
    }
    return varve_commit(inside) == VARVE_MISUSE ? 0 : 1;
}

/* It may not; but the transaction must not be gone under the call that runs it, and nothing of it may turn up in the
 * next transaction. */
static void trap_43_a_callback_cannot_end_its_transaction(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct tp tp;
        tp_open(&tp, "cc=mvcc", NULL);
        abort_inside = i == 1;
        TD_STATUS(varve_constraint_register(tp.db, "ends", ends_its_transaction, NULL), VARVE_OK);
        TD_STATUS(varve_constraint_add(tp.db, tp.table, "rule callback ends"), VARVE_OK);
        inside = tp_begin(&tp, VARVE_SERIALIZABLE);
        TD_STATUS(tp_put(&tp, inside, "a", "1"), VARVE_OK);
        TD_STATUS(tp_put(&tp, inside, "b", "1"), VARVE_OK);
        TD_STATUS(varve_commit(inside), VARVE_OK);
        tp_close(&tp);
    }
}

/* --- handles ------------------------------------------------------------------------------------------------------ */

/* The transaction has closed them; closing them again in the usual order of clean-up does no harm. */
static void cursors__may_be_closed_after_the_end(void **state) {
    (void)state;
    struct tp tp;
    tp_open(&tp, "cc=mvcc", NULL);
    varve_txn *txn = tp_begin(&tp, VARVE_SERIALIZABLE);
    varve_cursor *cursor[3];
    for (unsigned i = 0; i < 3; i++) TD_STATUS(varve_cursor_open(txn, tp.table, NULL, &cursor[i]), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    varve_slice key, value;
    for (unsigned i = 0; i < 3; i++) {
        TD_STATUS(varve_cursor_next(cursor[i], &key, &value), VARVE_MISUSE);
        varve_cursor_close(cursor[i]);
    }
    tp_close(&tp);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(savepoint__an_undone_insert_still_found_nothing),
        cmocka_unit_test(savepoint__an_undone_update_still_found_its_row),
        cmocka_unit_test(savepoint__an_undone_insert_moves_with_the_stamp),
        cmocka_unit_test(trap_18_own_ghost_is_revived_by_a_rival),
        cmocka_unit_test(trap_19_a_purge_is_no_conflict),
        cmocka_unit_test(trap_43_a_callback_cannot_end_its_transaction),
        cmocka_unit_test(cursors__may_be_closed_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
