/* blackbox.h - what the files that judge a history by its values alone share.
 *
 * Positions number the committed transactions with writes in the order of the history; they are names, not an order.
 * The entries of a key in work->versions stand in the order of its versions where that is known (bit in `unordered`
 * clear), else in any order, and then `later` says, by entry, which entries are known to come after it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_CHECKER_BLACKBOX_H
#define VARVE_SUITE_CHECKER_BLACKBOX_H

#include "checker/graph.h"

struct ck_partial {
    uint64_t *unordered;   /* bits by key */
    uint32_t *later_start; /* [entries + 1] */
    uint32_t *later;
    size_t later_count;
};

/* A pair of entries of one key, the first before the second. */
struct ck_pair {
    uint32_t before, after;
};

struct ck_values; /* by key and value, the operation that wrote it */

struct ck_blackbox {
    struct ck_work *work;
    uint64_t *table; /* operation + 1; open addressing */
    size_t table_size;
    uint32_t *position; /* [txn_count]; 0: none */
    uint32_t *owner;    /* [op_count] of writes: the transaction; filled only for operations that write */
    bool twice;         /* one value was written twice: readers cannot be told whom they read */
    bool ambiguous;     /* an absence of a key that is also deleted: it may be the one before or the one after */
    struct ck_partial partial;
    struct ck_pair *pairs; /* known orders of unordered keys */
    size_t pair_count, pair_capacity;
};

/* values.c */
bool ck_values_build(struct ck_blackbox *b);
uint64_t ck_value_written(const struct ck_blackbox *b, uint32_t key, int64_t value); /* the operation, or CK_NO_OP */
void ck_blackbox_positions(struct ck_blackbox *b);
/* The committed transaction whose last word on the key this operation is; else reports what it is, and CK_NO_TXN. */
uint32_t ck_judge_source(struct ck_blackbox *b, uint32_t txn, uint64_t read, uint64_t write, bool updates);

bool ck_pair_add(struct ck_blackbox *b, uint32_t before, uint32_t after);
bool ck_partial_build(struct ck_blackbox *b); /* `later` from the pairs */

void ck_lists_resolve(struct ck_blackbox *b);     /* lists.c: versions, slots and what is not in order */
void ck_registers_resolve(struct ck_blackbox *b); /* registers.c: versions, slots, pairs that updates tell */
/* registers.c: adds the pairs that follow from what readers found at the level they are judged at. */
void ck_registers_hints(struct ck_blackbox *b);
/* registers.c: puts every unordered key in the order of `rank` by transaction. */
bool ck_registers_settle(struct ck_blackbox *b, const uint32_t *rank);

/* guess.c: an order of the transactions with writes, by rank, in which what is known can have happened; it is a guess. */
bool ck_guess(struct ck_blackbox *b, const struct ck_graph *known, uint32_t *rank);

enum ck_search { CK_SEARCH_LEGAL, CK_SEARCH_ILLEGAL, CK_SEARCH_GAVE_UP };
/* search.c: is there an order of the versions of unordered keys without a cycle? ILLEGAL: a finding was made. */
enum ck_search ck_search_orders(struct ck_blackbox *b, const struct ck_graph *known);

void ck_black_box(struct ck_work *work); /* blackbox.c */

#endif
