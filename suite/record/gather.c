/* gather.c - the columns of all lanes as one history.
 *
 * Columns are copied lane by lane and freed as they go, so that the most held at once is the history and one lane.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

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

static int reserve(struct hs_history *h, const struct rc_lane *lanes, unsigned count) {
    size_t txns = 0, ops = 0, ranges = 0;
    for (unsigned n = 0; n < count; n++) {
        txns += lanes[n].txn_count;
        ops += lanes[n].op_count;
        ranges += lanes[n].range_count;
    }
    h->txns = malloc((txns + 1) * sizeof(*h->txns));
    h->ops = malloc((ops + 1) * sizeof(*h->ops));
    h->ranges = malloc((ranges + 1) * sizeof(*h->ranges));
    h->txn_capacity = txns + 1;
    h->op_capacity = ops + 1;
    h->range_capacity = ranges + 1;
    return h->txns != NULL && h->ops != NULL && h->ranges != NULL ? VARVE_OK : VARVE_NOMEM;
}

static void append(struct hs_history *h, const struct rc_lane *lane) {
    for (size_t i = 0; i < lane->txn_count; i++) {
        h->txns[h->txn_count] = lane->txns[i];
        h->txns[h->txn_count++].first_op += h->op_count;
    }
    for (size_t i = 0; i < lane->op_count; i++) {
        struct hs_op *op = &h->ops[h->op_count + i];
        *op = lane->ops[i];
        if (op->kind == HS_SCAN) op->key += (uint32_t)h->range_count;
    }
    h->op_count += lane->op_count;
    if (lane->range_count != 0)
        memcpy(h->ranges + h->range_count, lane->ranges, lane->range_count * sizeof(*h->ranges));
    h->range_count += lane->range_count;
}

int rc_gather(struct rc_lane *lanes, unsigned count, struct hs_history *history, struct hs_problem *problem) {
    hs_init(history);
    int status = name_keys(history, highest_key(lanes, count) + 1);
    if (status == VARVE_OK) status = reserve(history, lanes, count);
    if (status != VARVE_OK) return status;
    for (unsigned n = 0; n < count; n++) {
        append(history, &lanes[n]);
        rc_lane_close(&lanes[n]);
    }
    history->stamps = history->timed = history->by_session = true;
    return hs_finish(history, problem);
}
