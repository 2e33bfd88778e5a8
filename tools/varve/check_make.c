/* check_make.c - a made-up history to measure with: transactions one after another over a quarter as many keys, each
 * reading four keys and writing them again, white box and with times.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check_cmd.h"

/* What a key holds: its last value, and the commit that wrote it (0: never). */
struct held {
    int64_t value;
    uint64_t cts;
    uint32_t id;
};

static int add_txn(struct hs_history *h, struct held *held, uint64_t keys, uint64_t t, uint64_t *random) {
    uint64_t chosen[4];
    struct hs_txn txn = {.begin = 10 * t,
                         .end = 10 * t + 9,
                         .snapshot = t,
                         .cts = t + 1,
                         .session = t % 16,
                         .level = VARVE_SERIALIZABLE};
    int status = hs_txn_add(h, &txn);
    for (unsigned i = 0; i < 4; i++) {
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        chosen[i] = ((*random >> 33) % (keys / 4)) * 4 + i; /* four different ones */
        const struct held *at = &held[chosen[i]];
        struct hs_op read = {.key = at->id, .kind = HS_READ, .statement = (uint16_t)i, .version = at->cts};
        read.value = at->cts == 0 ? HS_ABSENT : at->value;
        if (status == VARVE_OK) status = hs_op_add(h, &read);
    }
    for (unsigned i = 0; i < 4; i++) {
        struct held *at = &held[chosen[i]];
        at->value = (int64_t)(t * 4 + i + 1);
        at->cts = t + 1;
        struct hs_op write = {.key = at->id, .kind = HS_WRITE, .statement = (uint16_t)(4 + i), .value = at->value};
        if (status == VARVE_OK) status = hs_op_add(h, &write);
    }
    return status;
}

int check_make(uint64_t txns, struct hs_history *h) {
    uint64_t keys = (txns / 16 + 1) * 4, random = 1;
    struct held *held = calloc(keys, sizeof *held);
    int status = held == NULL ? VARVE_NOMEM : VARVE_OK;
    h->stamps = h->timed = h->by_session = true;
    for (uint64_t k = 0; k < keys && status == VARVE_OK; k++) {
        char text[24];
        int size = snprintf(text, sizeof text, "%" PRIu64, k);
        status = hs_key(h, text, (size_t)size, &held[k].id);
    }
    for (uint64_t t = 0; t < txns && status == VARVE_OK; t++) status = add_txn(h, held, keys, t, &random);
    free(held);
    return status == VARVE_OK ? hs_finish(h, NULL) : status;
}
