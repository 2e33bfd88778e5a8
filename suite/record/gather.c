/* gather.c - the columns of all lanes as one history.
 *
 * Columns are copied lane by lane and freed as they go, so that the most held at once is the history and one lane.
 *
 * SPDX-License-Identifier: MIT
 */
#include "record/lane.h"

/* Every key that a lane could name, in order: ids are the numbers themselves. */
static int name_keys(struct hs_history *history, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        char buffer[RC_KEY_BYTES];
        uint32_t id;
        varve_slice key = rc_key(i, buffer);
        int status = hs_key(history, key.data, key.size, &id);
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

static uint32_t highest_key(const struct rc_lane *lanes, unsigned count) {
    uint32_t highest = 0;
    for (unsigned n = 0; n < count; n++) {
        for (size_t i = 0; i < lanes[n].op_count; i++)
            if (lanes[n].ops[i].kind != HS_SCAN && lanes[n].ops[i].key > highest) highest = lanes[n].ops[i].key;
        for (size_t i = 0; i < lanes[n].range_count; i++)
            if (lanes[n].ranges[i].high > highest) highest = lanes[n].ranges[i].high;
    }
    return highest;
}

static int append_ops(struct hs_history *h, const struct hs_op *ops, size_t count, uint32_t first_range) {
    for (size_t i = 0; i < count; i++) {
        struct hs_op op = ops[i];
        if (op.kind == HS_SCAN) op.key += first_range;
        int status = hs_op_add(h, &op);
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

static int append(struct hs_history *h, const struct rc_lane *lane) {
    uint32_t first_range = (uint32_t)h->range_count, index;
    int status = VARVE_OK;
    for (size_t i = 0; i < lane->range_count && status == VARVE_OK; i++)
        status = hs_range_add(h, &lane->ranges[i], &index);
    for (size_t i = 0; i < lane->txn_count && status == VARVE_OK; i++) {
        const struct hs_txn *txn = &lane->txns[i];
        status = hs_txn_add(h, txn);
        if (status == VARVE_OK) status = append_ops(h, lane->ops + txn->first_op, txn->op_count, first_range);
    }
    return status;
}

int rc_gather(struct rc_lane *lanes, unsigned count, struct hs_history *history, struct hs_problem *problem) {
    hs_init(history);
    int status = name_keys(history, highest_key(lanes, count) + 1);
    for (unsigned n = 0; n < count && status == VARVE_OK; n++) {
        status = append(history, &lanes[n]);
        rc_lane_close(&lanes[n]);
    }
    if (status != VARVE_OK) return status;
    history->stamps = history->timed = history->by_session = true;
    return hs_finish(history, problem);
}
