/* replay.h - judges a small finished history by replaying it: a transaction run alone from a known state must give the
 * recorded answers, and every level is put in terms of the states there are to run from.
 *
 * States. The line of a history is the state before, and the state after each commit with writes in the order of
 * commit_order. A transaction at serializable or repeatable read is run from the state at its place in the line (any
 * state between its begin and that place when it writes nothing), one at snapshot from some state since its begin with
 * no writer of one of its keys in between, one at read committed statement by statement, each from some state and none
 * before the one of the statement before. No state from before the begin may be read at any level.
 *
 * An `add` is a delta on the state at the transaction's place, at every level, and where the transaction has not read
 * the sum it is no write of its key for who was first at snapshot: two of them commute.
 *
 * Choices. Where an answer does not tell what was done (rows that `del` took below snapshot, the
 * state of a cursor at read committed) every possibility is tried; past SMR_TRIES of them the history is
 * acquitted.
 *
 * Nothing here allocates but smr_serializable, and that only for more than five transactions. Structs are filled by the
 * caller and never cleared as a whole: a history of two transactions is judged in about a microsecond.
 *
 * Thread rule: a call uses the history read-only and may run beside others.
 * Sources: Adya, Weak Consistency, MIT 1999, chapters 3 and 4 (PL-2, PL-2.99, PL-SI, PL-3); Papadimitriou, The
 * Serializability of Concurrent Database Updates, JACM 1979 (searching the orders).
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_REPLAY_H
#define VARVE_SUITE_REPLAY_H

#include "schedule/schedule.h"

enum {
    SMR_KEYS = SS_KEYS_MAX,
    SMR_TXNS = SS_TXNS_MAX,
    SMR_MARKS = SS_STEPS_MAX,
    SMR_TRIES = 20000,
    SMR_STEPS = 4000000
};

enum smr_kind {
    SMR_GET,
    SMR_CONTAINS,
    SMR_PUT,
    SMR_INSERT,
    SMR_UPDATE,
    SMR_DELETE,
    SMR_ADD,
    SMR_DELETE_RANGE,
    SMR_SCAN, /* also a row of a cursor: a scan with limit 1 of what was left of its range */
    SMR_SAVEPOINT,
    SMR_ROLLBACK,
    SMR_OPEN, /* a cursor: answers nothing, but its state is of this moment */
};

struct smr_op {
    uint8_t kind;      /* enum smr_kind */
    uint8_t low, high; /* key, or low <= k < high */
    bool reverse;
    bool torn;             /* scan, delete-range: rows may come from different states (2pl below snapshot) */
    bool of_cursor;        /* a row of the cursor opened last: at read committed it is of that cursor's state */
    bool beside_cursor;    /* a read while it is open: it may be of that state */
    uint8_t mark;          /* savepoint, rollback: number of the savepoint */
    uint8_t before, after; /* commits with writes acknowledged when it began and when it returned */
    int status;            /* VARVE_OK, NOTFOUND or EXISTS */
    unsigned limit;        /* scan: rows at most, 0 = none */
    unsigned row_count;
    const struct ss_row *rows;
    int64_t value; /* read, written or added; count of delete-range */
};

struct smr_txn {
    varve_isolation level;
    bool committed;
    bool writes;         /* smr_has_writes */
    uint8_t before;      /* commits with writes acknowledged when it began */
    unsigned begin, end; /* in real-time order of the whole history */
    unsigned op_count;
    const struct smr_op *ops;
};

struct smr_history {
    unsigned key_count, txn_count, commit_count;
    const int64_t *initial, *final; /* [key_count], SS_ABSENT where a key is not there */
    const struct smr_txn *txns;
    const uint8_t *commit_order; /* [commit_count], the order in which commit returned */
};

/* Whether committing it can change the state; writes rolled back, and an insert deleted again, do not count. */
bool smr_has_writes(const struct smr_op *ops, unsigned op_count);

enum smr_flags {
    SMR_STRICT = 1,       /* a before b when a had ended before b began */
    SMR_COMMIT_ORDER = 2, /* transactions with writes in the order of their ends */
    SMR_ITEMS = 4,        /* scans may miss or skip rows of others */
};
/* Some order of the committed transactions, one after another, gives every answer and the final state. True also where
 * SMR_STEPS of the search, some seconds, did not find that there is none. */
bool smr_serializable(const struct smr_history *history, unsigned flags);

enum smr_reason {
    SMR_FITS,
    SMR_ANSWER,      /* an answer that no state it may read gives */
    SMR_OVERWRITTEN, /* snapshot: another committed a write of the same key in between */
    SMR_PRESENCE,    /* insert, update or delete relied on a presence that is not so at its commit */
    SMR_FINAL,       /* the final state is not what the commits add up to */
};
struct smr_culprit {
    enum smr_reason reason;
    unsigned txn; /* txn_count: the final state */
    unsigned op;  /* SMR_ANSWER: index into its ops; SMR_FINAL: the key */
};
/* Each committed transaction keeps its own level, given the commit order, and the final state is explained. `culprit`
 * (of the attempt that came furthest) is set when not. */
bool smr_positions(const struct smr_history *history, struct smr_culprit *culprit);

#endif
