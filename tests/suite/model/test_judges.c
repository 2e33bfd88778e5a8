/* test_judges.c - the fast judge says what the plain one says, on random histories: ones that the reference model made
 * at random levels, and the same with an answer or the final state spoilt. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plain_judge.h"
#include "support/testdb.h"

enum { SESSIONS = 3, TXNS = 6, OPS = 4, KEYS = 4 };

/* One open transaction on the committed states; how it reads decides what the history will be. */
struct session {
    int number; /* -1: none */
    unsigned left, from;
    bool stable; /* reads the state of its begin */
    struct overlay own;
    int mark;
    struct overlay saved;
};

static struct judge_history h;
static int64_t states[JUDGE_TXNS + 1][JUDGE_KEYS];
static unsigned commits, steps;
static int64_t next_value;
static struct td_random rng;

static struct judge_op *new_op(struct session *s, enum judge_kind kind) {
    struct judge_txn *txn = &h.txns[s->number];
    struct judge_op *op = &txn->ops[txn->op_count++];
    memset(op, 0, sizeof *op);
    op->kind = kind;
    op->low = (unsigned)td_below(&rng, KEYS);
    op->high = op->low + 1;
    op->commits_before = op->commits_after = commits;
    return op;
}

static void do_scan(struct session *s, const int64_t *state) {
    struct judge_op *op = new_op(s, JUDGE_SCAN);
    op->low = (unsigned)td_below(&rng, KEYS);
    op->high = op->low + 1 + (unsigned)td_below(&rng, KEYS - op->low);
    op->reverse = td_chance(&rng, 30);
    op->limit = td_chance(&rng, 30) ? 1 + (unsigned)td_below(&rng, 2) : 0;
    for (unsigned i = 0; i < op->high - op->low; i++) {
        unsigned key = op->reverse ? op->high - 1 - i : op->low + i;
        int64_t value = seen(state, &s->own, key);
        if (value == JUDGE_ABSENT || (op->limit > 0 && op->row_count == op->limit)) continue;
        op->rows[op->row_count].key = key;
        op->rows[op->row_count++].value = value;
    }
}

static void do_mark(struct session *s) {
    struct judge_op *op = new_op(s, s->mark < 0 ? JUDGE_SAVEPOINT : JUDGE_ROLLBACK);
    unsigned at = h.txns[s->number].op_count - 1;
    if (s->mark < 0) {
        s->mark = (int)at;
        s->saved = s->own;
    } else {
        op->low = (unsigned)s->mark;
        s->own = s->saved;
    }
}

static void do_write(struct session *s, const int64_t *state) {
    static const enum judge_kind kinds[] = {JUDGE_PUT, JUDGE_PUT, JUDGE_INSERT, JUDGE_UPDATE, JUDGE_DELETE};
    struct judge_op *op = new_op(s, kinds[td_below(&rng, 5)]);
    bool present = seen(state, &s->own, op->low) != JUDGE_ABSENT;
    op->value = op->kind == JUDGE_DELETE ? 0 : ++next_value;
    if (op->kind == JUDGE_INSERT && present) op->status = VARVE_EXISTS;
    if ((op->kind == JUDGE_UPDATE || op->kind == JUDGE_DELETE) && !present) op->status = VARVE_NOTFOUND;
    assert_true(op_fits(op, state, &s->own, WHOLE));
}

static void do_read(struct session *s, const int64_t *state) {
    struct judge_op *op = new_op(s, td_chance(&rng, 25) ? JUDGE_CONTAINS : JUDGE_GET);
    int64_t value = seen(state, &s->own, op->low);
    op->status = value == JUDGE_ABSENT ? VARVE_NOTFOUND : VARVE_OK;
    op->value = value;
}

static void do_any(struct session *s) {
    const int64_t *state = states[s->stable ? s->from : commits];
    unsigned dice = (unsigned)td_below(&rng, 100);
    if (dice < 35)
        do_read(s, state);
    else if (dice < 50)
        do_scan(s, state);
    else if (dice < 92)
        do_write(s, state);
    else
        do_mark(s);
}

static void begin(struct session *s) {
    static const varve_isolation levels[] = {VARVE_READ_COMMITTED, VARVE_REPEATABLE_READ, VARVE_SNAPSHOT,
                                             VARVE_SERIALIZABLE};
    s->number = (int)h.txn_count++;
    s->left = 1 + (unsigned)td_below(&rng, OPS);
    s->from = commits;
    s->stable = td_chance(&rng, 50);
    s->mark = -1;
    overlay_clear(&s->own);
    struct judge_txn *txn = &h.txns[s->number];
    txn->level = levels[td_below(&rng, 4)];
    txn->begin_step = ++steps;
    txn->commits_before = commits;
}

static void end(struct session *s) {
    struct judge_txn *txn = &h.txns[s->number];
    txn->end_step = ++steps;
    txn->committed = td_chance(&rng, 90);
    if (txn->committed) {
        h.commit_order[h.commit_count++] = (unsigned)s->number;
        if (plain_has_writes(txn)) {
            memcpy(states[commits + 1], states[commits], sizeof states[0]);
            apply(states[++commits], &s->own);
        }
    }
    s->number = -1;
}

static void make_history(void) {
    struct session sessions[SESSIONS];
    unsigned open = 0;
    memset(&h, 0, sizeof h);
    commits = steps = 0;
    for (unsigned k = 0; k < JUDGE_KEYS; k++)
        states[0][k] = h.initial[k] = k < KEYS && td_chance(&rng, 60) ? ++next_value : JUDGE_ABSENT;
    for (unsigned s = 0; s < SESSIONS; s++) sessions[s].number = -1;
    while (h.txn_count < TXNS || open > 0) {
        struct session *s = &sessions[td_below(&rng, SESSIONS)];
        if (s->number < 0 && h.txn_count == TXNS) continue;
        if (s->number < 0) {
            begin(s);
            open++;
        } else if (s->left == 0) {
            end(s);
            open--;
        } else {
            do_any(s);
            s->left--;
        }
    }
    memcpy(h.final, states[commits], sizeof h.final);
}

static void spoil(void) {
    struct judge_txn *txn = &h.txns[td_below(&rng, h.txn_count)];
    if (txn->op_count == 0 || td_chance(&rng, 10)) {
        h.final[td_below(&rng, KEYS)] = td_chance(&rng, 50) ? JUDGE_ABSENT : 1 + (int64_t)td_below(&rng, 9);
        return;
    }
    struct judge_op *op = &txn->ops[td_below(&rng, txn->op_count)];
    if (op->kind == JUDGE_SCAN && op->row_count > 0)
        op->rows[td_below(&rng, op->row_count)].value = next_value - (int64_t)td_below(&rng, 6);
    else if (op->kind == JUDGE_GET && op->status == VARVE_OK)
        op->value = next_value - (int64_t)td_below(&rng, 6);
    else if (op->kind == JUDGE_CONTAINS)
        op->status = op->status == VARVE_OK ? VARVE_NOTFOUND : VARVE_OK;
}

static unsigned verdicts[6][2];

static void compare(unsigned number) {
    static const unsigned flags[] = {0, JUDGE_STRICT, JUDGE_STRICT | JUDGE_COMMIT_ORDER, JUDGE_ITEMS,
                                     JUDGE_ITEMS | JUDGE_STRICT};
    unsigned culprit = 0, plain_culprit = 0;
    for (unsigned i = 0; i < h.txn_count; i++)
        TD_CHECK(judge_has_writes(&h.txns[i]) == plain_has_writes(&h.txns[i]), "case %u: T%u has writes", number, i);
    for (unsigned f = 0; f < 5; f++) {
        bool fast = judge_serializable(&h, flags[f]), plain = plain_serializable(&h, flags[f]);
        verdicts[f][plain]++;
        if (fast != plain) judge_print(&h);
        TD_CHECK(fast == plain, "case %u, flags %u: %d, and %d by the plain judge", number, flags[f], fast, plain);
    }
    bool fast = judge_positions(&h, &culprit), plain = plain_positions(&h, &plain_culprit);
    verdicts[5][plain]++;
    if (fast != plain || (!plain && culprit != plain_culprit)) judge_print(&h);
    TD_CHECK(fast == plain, "case %u: positions %d (T%u), %d (T%u) by the plain judge", number, fast, culprit, plain,
             plain_culprit);
    TD_CHECK(plain || culprit == plain_culprit, "case %u: T%u, T%u by the plain judge", number, culprit, plain_culprit);
}

static void both_judges_agree(void **state) {
    uint64_t seed = td_seed();
    unsigned cases = td_case_count(30000);
    (void)state;
    for (unsigned number = 0; number < cases; number++) {
        rng.state = seed * 7919 + number;
        td_context("VARVE_TEST_SEED=%llu VARVE_TEST_CASE=%u", (unsigned long long)seed, number);
        if (td_only_case() >= 0 && td_only_case() != (long)number) continue;
        next_value = 10;
        make_history();
        for (unsigned spoilt = (unsigned)td_below(&rng, 3); spoilt > 0; spoilt--) spoil();
        compare(number);
    }
    if (td_only_case() >= 0) return;
    for (unsigned f = 0; f < 6; f++) /* neither verdict is rare: the comparison says something */
        for (unsigned v = 0; v < 2; v++)
            TD_CHECK(verdicts[f][v] > cases / 50, "verdict %u came %u times in kind %u", v, verdicts[f][v], f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_judges_agree)};
    return cmocka_run_group_tests_name("judges", tests, NULL, NULL);
}
