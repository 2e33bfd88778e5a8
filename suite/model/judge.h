/* judge.h - says by brute force whether a small finished history is one that an isolation level allows.
 *
 * A history is what a client saw: the state before, each transaction's operations with their answers, the order in
 * which transactions began and ended, and the state after. Keys are the numbers 0 .. JUDGE_KEYS-1 in key order, values
 * are numbers; a good history gives every write a value of its own. The judge knows nothing of how the answers came
 * about.
 *
 * This is the form that tests fill in by hand, an operation at a time; what is asked of it is model/replay.h:
 *
 *   judge_serializable   some order of the committed transactions, one after another, gives every answer and the
 *                        final state. JUDGE_STRICT: an order that keeps a before b when a had ended before b began.
 *                        JUDGE_COMMIT_ORDER: one that keeps transactions with writes in the order of their commits.
 *                        JUDGE_ITEMS: rows returned, and keys asked for, must agree, but a scan may miss or skip rows
 *                        of others (PL-2.99 of Adya, Weak Consistency, MIT 1999, chapter 4).
 *   judge_positions      each transaction by its own level, given the commit order. This is what an engine promises
 *                        whose serial order is its commit order, and the only judge here for mixed levels.
 *
 * Schedules have more keys and transactions than this form: they are judged by model/oracle.h.
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_JUDGE_H
#define VARVE_SUITE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "varve.h"

enum { JUDGE_KEYS = 8, JUDGE_TXNS = 6, JUDGE_OPS = 24 };

#define JUDGE_ABSENT INT64_MIN

enum judge_kind {
    JUDGE_GET, /* get, get_for_update, one key of get_many */
    JUDGE_CONTAINS,
    JUDGE_PUT,
    JUDGE_INSERT,
    JUDGE_UPDATE,
    JUDGE_DELETE,
    JUDGE_ADD,
    JUDGE_DELETE_RANGE,
    JUDGE_SCAN,
    JUDGE_SAVEPOINT,
    JUDGE_ROLLBACK /* to the savepoint that is operation number `low` of this transaction */
};

struct judge_op {
    enum judge_kind kind;
    unsigned low;        /* the key, or the first key of a range */
    unsigned high;       /* one past the last key of a range */
    unsigned limit;      /* scan: rows at most, 0 = none */
    bool reverse;        /* scan */
    bool torn;           /* scan: rows may come from different states (read committed under short locks) */
    int64_t value;       /* read, written or added; count of DELETE_RANGE */
    int status;          /* VARVE_OK, NOTFOUND or EXISTS */
    unsigned row_count;
    struct {
        unsigned key;
        int64_t value;
    } rows[JUDGE_KEYS];
    unsigned commits_before; /* commits with writes acknowledged when the operation began */
    unsigned commits_after;  /* the same when it returned */
};

struct judge_txn {
    varve_isolation level;
    bool committed;
    unsigned begin_step;     /* steps of the whole history, in real-time order */
    unsigned end_step;
    unsigned commits_before; /* commits with writes acknowledged when it began */
    unsigned op_count;
    struct judge_op ops[JUDGE_OPS];
};

struct judge_history {
    int64_t initial[JUDGE_KEYS];
    int64_t final[JUDGE_KEYS];
    unsigned txn_count;
    struct judge_txn txns[JUDGE_TXNS];
    unsigned commit_count;              /* committed transactions */
    unsigned commit_order[JUDGE_TXNS];  /* [commit_count] their indexes, in the order in which commit returned */
};

/* Whether committing it can change the state; writes rolled back, and an insert deleted again, do not count. */
bool judge_has_writes(const struct judge_txn *txn);

enum { JUDGE_STRICT = 1, JUDGE_COMMIT_ORDER = 2, JUDGE_ITEMS = 4 };

bool judge_serializable(const struct judge_history *history, unsigned flags);
/* `culprit` gets the index of the transaction that does not fit, txn_count for the final state. */
bool judge_positions(const struct judge_history *history, unsigned *culprit);
void judge_print(const struct judge_history *history);

#endif
