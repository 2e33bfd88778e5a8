/* lane.h - a recorder of histories: the public calls of one session, written down as they are answered.
 *
 * A lane is a session of one thread with columns of its own, so that recording shares no memory with other sessions: 56
 * bytes a transaction, 24 an operation, two loads of the commit clock, which is also the clock of begins and ends. Lanes are put together into one hs_history when all
 * sessions have ended. Identities of versions come from the engine (cts of the version each read returned), not from
 * values; the values are unique all the same, so that a history can be judged without them too.
 *
 * Keys are numbers below rc_keys.count, in byte order of their texts. Values begin with eight bytes that name them.
 *
 * Thread rule: a lane belongs to one thread; rc_gather runs when all have ended.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_LANE_H
#define VARVE_SUITE_LANE_H

#include "history/history.h"
#include "varve.h"

/* What a row's key looks like: 'k', five digits, and for every third key a tail, so that some keys begin others. */
enum { RC_KEY_BYTES = 12, RC_KEYS_MAX = 100000, RC_VALUE_BYTES = 640 };
varve_slice rc_key(uint32_t number, char buffer[RC_KEY_BYTES]);
uint32_t rc_key_number(varve_slice key);

struct rc_lane {
    /* set by rc_lane_open */
    varve_db *db;
    varve_table *table;
    uint32_t session;
    bool off;             /* nothing is written down: for measuring what recording costs */
    bool torn;            /* set by the owner: read committed may mix states within a statement now */
    /* the transaction that runs */
    varve_txn *txn;
    struct hs_txn now;
    size_t first_op;      /* in ops[] */
    size_t mark_op;       /* of the last savepoint */
    unsigned mark;
    uint16_t statement;
    varve_error error;    /* of the last failure: its retry_token belongs to the next attempt */
    /* columns */
    struct hs_txn *txns;
    struct hs_op *ops;
    struct hs_range *ranges;
    size_t txn_count, op_count, range_count, txn_capacity, op_capacity, range_capacity;
    uint64_t next_value;
    bool out_of_memory;   /* the recorder's own: the history ends here */
};
struct rc_row {
    uint32_t key;
    int64_t value;
};

void rc_lane_open(struct rc_lane *lane, varve_db *db, varve_table *table, uint32_t session);
void rc_lane_close(struct rc_lane *lane);

/* As the public calls. A status that is neither OK nor an answer ends the transaction: it is aborted and recorded, and the
 * caller begins again or gives up. */
int rc_begin(struct rc_lane *lane, varve_isolation level, bool read_only, uint64_t retry_token);
int rc_commit(struct rc_lane *lane);
void rc_abort(struct rc_lane *lane);
enum rc_read { RC_GET, RC_GET_FOR_UPDATE, RC_CONTAINS };
int rc_get(struct rc_lane *lane, uint32_t key, enum rc_read how, int64_t *value); /* HS_ABSENT; value may be NULL */
enum rc_write { RC_PUT, RC_INSERT, RC_UPDATE, RC_DELETE, RC_ADD };
/* value: the next unique one; RC_ADD adds it, and INVALID ends the transaction where the row has not eight bytes. */
int rc_write(struct rc_lane *lane, uint32_t key, enum rc_write how, size_t value_bytes);
/* Rows of [low, high) into rows[] (at most `most`, a limit of the scan too). OK with *count. */
int rc_scan(struct rc_lane *lane, uint32_t low, uint32_t high, bool reverse, struct rc_row *rows, unsigned most,
            unsigned *count);
int rc_savepoint(struct rc_lane *lane);
int rc_rollback(struct rc_lane *lane);

/* All lanes as one finished history; their columns are moved out of them. OK, NOMEM, INVALID with *problem. */
int rc_gather(struct rc_lane *lanes, unsigned count, struct hs_history *history, struct hs_problem *problem);

#endif
