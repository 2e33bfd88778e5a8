/* test_judge.c - the judge must acquit what a level allows and convict what it forbids: the classic anomalies written
 * down as histories, with the verdict of every level.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/judge.h"

enum { X = 0, Y = 1, Z = 2, A = 3, B = 4, M = 5, N = 6 };

static struct judge_history history;
static unsigned step_count;
static unsigned commit_count;

/* Keys X, Y and Z hold 0, the others are absent. */
static int fresh_history(void **state) {
    (void)state;
    memset(&history, 0, sizeof history);
    for (unsigned k = 0; k < JUDGE_KEYS; k++)
        history.initial[k] = history.final[k] = k <= Z ? 0 : JUDGE_ABSENT;
    step_count = commit_count = 0;
    return 0;
}

static struct judge_txn *begun(unsigned t) {
    struct judge_txn *txn = &history.txns[t];
    if (t >= history.txn_count) {
        history.txn_count = t + 1;
        txn->begin_step = ++step_count;
        txn->commits_before = commit_count;
    }
    return txn;
}

static struct judge_op *op(unsigned t, enum judge_kind kind, unsigned key, int64_t value) {
    struct judge_txn *txn = begun(t);
    struct judge_op *new_op = &txn->ops[txn->op_count++];
    new_op->kind = kind;
    new_op->low = key;
    new_op->high = key + 1;
    new_op->value = value;
    new_op->status = value == JUDGE_ABSENT && kind <= JUDGE_CONTAINS ? VARVE_NOTFOUND : VARVE_OK;
    new_op->commits_before = new_op->commits_after = commit_count;
    return new_op;
}

static void scan(unsigned t, unsigned low, unsigned high, unsigned row_count, unsigned key, int64_t value) {
    struct judge_op *new_op = op(t, JUDGE_SCAN, low, 0);
    new_op->high = high;
    new_op->row_count = row_count;
    new_op->rows[0].key = key;
    new_op->rows[0].value = value;
}

static void commit(unsigned t) {
    struct judge_txn *txn = begun(t);
    txn->committed = true;
    txn->end_step = ++step_count;
    history.commit_order[history.commit_count++] = t;
    commit_count += judge_has_writes(txn) ? 1 : 0;
}

static bool serializable(unsigned flags) {
    return judge_serializable(&history, flags);
}

static bool all_at(varve_isolation level) {
    unsigned culprit;
    for (unsigned i = 0; i < history.txn_count; i++)
        history.txns[i].level = level;
    return judge_positions(&history, &culprit);
}

static void verdicts(bool committed, bool repeatable, bool snapshot, bool serial) {
    assert_int_equal(all_at(VARVE_READ_COMMITTED), committed);
    assert_int_equal(all_at(VARVE_REPEATABLE_READ), repeatable);
    assert_int_equal(all_at(VARVE_SNAPSHOT), snapshot);
    assert_int_equal(all_at(VARVE_SERIALIZABLE), serial);
    assert_int_equal(serializable(JUDGE_STRICT | JUDGE_COMMIT_ORDER), serial);
    assert_int_equal(serializable(JUDGE_ITEMS), repeatable);
}

static void write_skew(void **state) {
    (void)state;
    op(0, JUDGE_GET, X, 0);
    op(1, JUDGE_GET, Y, 0);
    op(0, JUDGE_PUT, Y, history.final[Y] = 1);
    op(1, JUDGE_PUT, X, history.final[X] = 1);
    commit(0);
    commit(1);
    verdicts(true, false, true, false);
}

static void lost_update(void **state) {
    (void)state;
    op(0, JUDGE_GET, X, 0);
    op(1, JUDGE_GET, X, 0);
    op(0, JUDGE_PUT, X, 1);
    commit(0);
    op(1, JUDGE_PUT, X, history.final[X] = 2);
    commit(1);
    verdicts(true, false, false, false);
}

static void phantom_pair(void **state) {
    (void)state;
    scan(0, A, M, 0, 0, 0);
    scan(1, M, JUDGE_KEYS, 0, 0, 0);
    op(0, JUDGE_PUT, N, history.final[N] = 1);
    op(1, JUDGE_PUT, B, history.final[B] = 1);
    commit(0);
    commit(1);
    verdicts(true, true, true, false);
}

static void absent_skew(void **state) {
    (void)state;
    op(0, JUDGE_GET, A, JUDGE_ABSENT);
    op(1, JUDGE_GET, B, JUDGE_ABSENT);
    op(0, JUDGE_PUT, B, history.final[B] = 1);
    op(1, JUDGE_PUT, A, history.final[A] = 1);
    commit(0);
    commit(1);
    verdicts(true, false, true, false);
}

static void fuzzy_read(void **state) {
    (void)state;
    op(0, JUDGE_GET, X, 0);
    op(1, JUDGE_PUT, X, history.final[X] = 1);
    commit(1);
    op(0, JUDGE_GET, X, 1);
    commit(0);
    verdicts(true, false, false, false);
}

static void repeated_scan_with_phantom(void **state) {
    (void)state;
    scan(0, A, M, 0, 0, 0);
    op(1, JUDGE_PUT, B, history.final[B] = 1);
    commit(1);
    scan(0, A, M, 1, B, 1);
    commit(0);
    verdicts(true, true, false, false);
}

static void read_only_anomaly(void **state) {
    (void)state;
    op(0, JUDGE_GET, X, 0);
    op(0, JUDGE_GET, Y, 0);
    op(1, JUDGE_GET, Y, 0);
    op(1, JUDGE_PUT, Y, history.final[Y] = 20);
    commit(1);
    op(2, JUDGE_GET, X, 0);
    op(2, JUDGE_GET, Y, 20);
    commit(2);
    op(0, JUDGE_PUT, X, history.final[X] = -11);
    commit(0);
    verdicts(true, false, true, false);
}

static void aborted_read(void **state) {
    (void)state;
    op(0, JUDGE_PUT, X, 1);
    op(1, JUDGE_GET, X, 1);
    commit(1);
    verdicts(false, false, false, false);
}

static void circular_flow(void **state) {
    (void)state;
    op(0, JUDGE_PUT, X, history.final[X] = 1);
    op(1, JUDGE_PUT, Y, history.final[Y] = 1);
    op(0, JUDGE_GET, Y, 1);
    op(1, JUDGE_GET, X, 1);
    commit(0);
    commit(1);
    verdicts(false, false, false, false);
}

static void going_back(void **state) {
    (void)state;
    op(0, JUDGE_GET, Z, 0);
    op(1, JUDGE_PUT, X, history.final[X] = 1);
    op(1, JUDGE_PUT, Y, history.final[Y] = 1);
    commit(1);
    op(0, JUDGE_GET, X, 1);
    op(0, JUDGE_GET, Y, 0);
    commit(0);
    verdicts(false, false, false, false);
}

static void stale_read(void **state) {
    (void)state;
    op(0, JUDGE_PUT, X, history.final[X] = 1);
    commit(0);
    op(1, JUDGE_GET, X, 0);
    commit(1);
    assert_true(serializable(0));
    assert_false(serializable(JUDGE_STRICT));
    assert_false(all_at(VARVE_READ_COMMITTED));
    assert_false(all_at(VARVE_SNAPSHOT));
}

static void double_create(void **state) {
    (void)state;
    op(0, JUDGE_INSERT, A, 1);
    op(1, JUDGE_INSERT, A, history.final[A] = 2);
    commit(0);
    commit(1);
    verdicts(false, false, false, false);
}

static void against_commit_order(void **state) {
    (void)state;
    op(0, JUDGE_GET, X, 0);
    op(1, JUDGE_PUT, X, history.final[X] = 1);
    commit(1);
    op(0, JUDGE_PUT, Y, history.final[Y] = 1);
    commit(0);
    assert_true(serializable(JUDGE_STRICT));
    assert_false(serializable(JUDGE_COMMIT_ORDER));
    assert_false(all_at(VARVE_SERIALIZABLE));
    assert_true(all_at(VARVE_SNAPSHOT));
}

static void own_writes_and_savepoints(void **state) {
    (void)state;
    op(0, JUDGE_PUT, A, 1);
    unsigned mark = history.txns[0].op_count;
    op(0, JUDGE_SAVEPOINT, 0, 0);
    op(0, JUDGE_PUT, A, 2);
    op(0, JUDGE_DELETE, X, 0);
    op(0, JUDGE_ROLLBACK, mark, 0);
    op(0, JUDGE_GET, A, history.final[A] = 1);
    op(0, JUDGE_CONTAINS, X, 0);
    commit(0);
    verdicts(true, true, true, true);
    history.txns[0].ops[5].value = 2;
    verdicts(false, false, false, false);
}

static void own_row_missed_by_scan(void **state) {
    (void)state;
    op(0, JUDGE_PUT, B, history.final[B] = 1);
    scan(0, A, M, 0, 0, 0);
    commit(0);
    verdicts(false, false, false, false);
}

static void wrong_final_state(void **state) {
    (void)state;
    op(0, JUDGE_PUT, X, 1);
    commit(0);
    verdicts(false, false, false, false);
    history.final[X] = 1;
    verdicts(true, true, true, true);
}

static void weak_beside_strong(void **state) {
    unsigned culprit;
    (void)state;
    write_skew(NULL);
    history.txns[0].level = VARVE_READ_COMMITTED;
    history.txns[1].level = VARVE_SERIALIZABLE;
    assert_false(judge_positions(&history, &culprit));
    assert_int_equal(culprit, 1);
    history.txns[0].level = VARVE_SERIALIZABLE;
    history.txns[1].level = VARVE_READ_COMMITTED;
    assert_true(judge_positions(&history, &culprit));
}

#define CASE(name) cmocka_unit_test_setup(name, fresh_history)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(write_skew),
        CASE(lost_update),
        CASE(phantom_pair),
        CASE(absent_skew),
        CASE(fuzzy_read),
        CASE(repeated_scan_with_phantom),
        CASE(read_only_anomaly),
        CASE(aborted_read),
        CASE(circular_flow),
        CASE(going_back),
        CASE(stale_read),
        CASE(double_create),
        CASE(against_commit_order),
        CASE(own_writes_and_savepoints),
        CASE(own_row_missed_by_scan),
        CASE(wrong_final_state),
        CASE(weak_beside_strong),
    };
    return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
