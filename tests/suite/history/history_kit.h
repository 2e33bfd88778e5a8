/* history_kit.h - what the tests of histories share: text in and out, histories by chance, and the comparison of two.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_HISTORY_KIT_H
#define VARVE_TESTS_HISTORY_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "history/history.h"
#include "support/testdb.h"

/* Reads `size` bytes into an initialised history. */
static inline int kit_read_bytes(const void *bytes, size_t size, enum hs_format format, struct hs_history *h,
                                 struct hs_problem *problem) {
    FILE *in = size == 0 ? fopen("/dev/null", "r") : fmemopen((void *)(uintptr_t)bytes, size, "r");
    assert_non_null(in);
    *problem = (struct hs_problem){0};
    hs_init(h);
    int status = hs_read(in, format, h, problem);
    fclose(in);
    return status;
}

static inline int kit_read(const char *text, enum hs_format format, struct hs_history *h, struct hs_problem *problem) {
    return kit_read_bytes(text, strlen(text), format, h, problem);
}

/* Must be readable. */
static inline void kit_good(const char *text, enum hs_format format, struct hs_history *h) {
    struct hs_problem problem;
    int status = kit_read(text, format, h, &problem);
    TD_CHECK(status == VARVE_OK, "%s: line %llu: %s in\n%s", varve_status_name(status),
             (unsigned long long)problem.line, problem.text, text);
}

/* What is written, malloc'ed. */
static inline char *kit_write(const struct hs_history *h, enum hs_format format, size_t *size) {
    char *bytes = NULL;
    struct hs_problem problem = {0};
    FILE *out = open_memstream(&bytes, size);
    assert_non_null(out);
    int status = hs_write(out, format, h, &problem);
    fclose(out);
    TD_CHECK(status == VARVE_OK, "writing %s: %s", hs_format_name(format), problem.text);
    return bytes;
}

/* --- comparison: the same up to the numbers of keys, ranges and places in lists -------------------------------------
 */

static inline bool kit_same_key(const struct hs_history *a, uint32_t x, const struct hs_history *b, uint32_t y) {
    if (x == HS_OPEN || y == HS_OPEN) return x == y;
    return td_equal(hs_key_bytes(a, x), hs_key_bytes(b, y));
}

static inline bool kit_same_op(const struct hs_history *a, const struct hs_op *x, const struct hs_history *b,
                               const struct hs_op *y) {
    if (x->kind != y->kind || x->flags != y->flags || x->statement != y->statement || x->value != y->value)
        return false;
    if (x->kind == HS_SCAN) {
        const struct hs_range *p = &a->ranges[x->key], *q = &b->ranges[y->key];
        return p->flags == q->flags && kit_same_key(a, p->low, b, q->low) && kit_same_key(a, p->high, b, q->high) &&
               x->version == y->version;
    }
    if (!kit_same_key(a, x->key, b, y->key)) return false;
    if (x->kind != HS_LIST) return x->version == y->version;
    for (int64_t i = 0; x->value != HS_ABSENT && i < x->value; i++)
        if (a->lists[x->version + (uint64_t)i] != b->lists[y->version + (uint64_t)i]) return false;
    return true;
}

static inline bool kit_same_txn(const struct hs_txn *x, const struct hs_txn *y) {
    return x->begin == y->begin && x->end == y->end && x->snapshot == y->snapshot && x->cts == y->cts &&
           x->op_count == y->op_count && x->session == y->session && x->level == y->level && x->outcome == y->outcome &&
           x->reason == y->reason && x->flags == y->flags;
}

static inline void kit_assert_same(const struct hs_history *a, const struct hs_history *b) {
    TD_CHECK(a->txn_count == b->txn_count && a->op_count == b->op_count,
             "%zu and %zu transactions, %zu and %zu operations", a->txn_count, b->txn_count, a->op_count, b->op_count);
    TD_CHECK(a->shape == b->shape && a->stamps == b->stamps && a->timed == b->timed && a->by_session == b->by_session,
             "another head");
    for (size_t t = 0; t < a->txn_count; t++) {
        const struct hs_txn *x = &a->txns[t], *y = &b->txns[t];
        TD_CHECK(kit_same_txn(x, y), "transaction %zu differs", t);
        for (uint32_t i = 0; i < x->op_count; i++)
            TD_CHECK(kit_same_op(a, &a->ops[x->first_op + i], b, &b->ops[y->first_op + i]),
                     "operation %u of transaction %zu differs", i, t);
    }
}

/* --- histories by chance: everything the form can hold, likely or not -----------------------------------------------
 */

struct kit_plan {
    bool lists, stamps, timed, by_session;
    bool plain;   /* only what foreign formats hold: reads and writes (or lists), every value once */
    bool ordered; /* sessions do not overlap, times grow */
    unsigned txns, keys;
};

static inline uint32_t kit_key(struct hs_history *h, struct td_random *random, const struct kit_plan *plan) {
    char bytes[40];
    uint32_t id;
    uint64_t number = td_below(random, plan->keys);
    int size = snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)number);
    if (!plan->plain && number % 5 == 1)
        size = snprintf(bytes, sizeof bytes, "a \"b\"\\%llu\n", (unsigned long long)number);
    if (!plan->plain && number % 5 == 2)
        size = snprintf(bytes, sizeof bytes, "\xff%c%llu", 0, (unsigned long long)number);
    if (!plan->plain && number % 11 == 3) size = 0;
    assert_int_equal(hs_key(h, bytes, (size_t)size, &id), VARVE_OK);
    return id;
}

static inline int64_t kit_value(struct td_random *random) {
    switch (td_below(random, 6)) {
    case 0: return HS_ABSENT;
    case 1: return INT64_MAX;
    case 2: return INT64_MIN + 1;
    case 3: return -(int64_t)td_below(random, 1000);
    default: return (int64_t)td_below(random, 100000);
    }
}

static inline uint64_t kit_stamp(struct td_random *random) {
    switch (td_below(random, 5)) {
    case 0: return HS_NO_STAMP;
    case 1: return 0;
    case 2: return UINT64_MAX - 1;
    default: return td_below(random, 1000000);
    }
}

static inline void kit_scan(struct hs_history *h, struct td_random *random, const struct kit_plan *plan) {
    struct hs_range range = {HS_OPEN, HS_OPEN, (uint32_t)td_below(random, 8)};
    if (td_chance(random, 60)) range.low = kit_key(h, random, plan);
    if (td_chance(random, 60)) range.high = kit_key(h, random, plan);
    struct hs_op scan = {
        .kind = HS_SCAN, .value = (int64_t)td_below(random, 4), .statement = (uint16_t)td_below(random, 3)};
    assert_int_equal(hs_range_add(h, &range, &scan.key), VARVE_OK);
    assert_int_equal(hs_op_add(h, &scan), VARVE_OK);
    for (int64_t i = 0; i < scan.value; i++) {
        struct hs_op row = {.kind = HS_ROW,
                            .key = kit_key(h, random, plan),
                            .version = kit_stamp(random),
                            .value = kit_value(random),
                            .statement = td_chance(random, 80) ? scan.statement : (uint16_t)td_below(random, 9)};
        assert_int_equal(hs_op_add(h, &row), VARVE_OK);
    }
}

static inline void kit_op(struct hs_history *h, struct td_random *random, const struct kit_plan *plan, int64_t *next) {
    static const enum hs_kind registers[] = {HS_READ, HS_WRITE, HS_SCAN, HS_EXISTS, HS_DELETE};
    enum hs_kind kind = registers[td_below(random, plan->plain ? 2 : 5)];
    if (plan->lists) kind = td_chance(random, 50) ? HS_LIST : HS_APPEND;
    if (kind == HS_SCAN) {
        kit_scan(h, random, plan);
        return;
    }
    struct hs_op op = {.kind = (uint8_t)kind, .key = kit_key(h, random, plan), .value = kit_value(random)};
    if (kind == HS_EXISTS && op.value != HS_ABSENT) op.value = 0;
    if (kind == HS_WRITE || kind == HS_APPEND) op.value = (*next)++;
    if (kind == HS_READ && plan->plain)
        op.value = td_chance(random, 30) ? HS_ABSENT : 1 + (int64_t)td_below(random, 50);
    op.statement = (uint16_t)h->txns[h->txn_count - 1].op_count;
    if (!plan->plain) {
        op.flags = (uint8_t)(td_below(random, 64) & ~(unsigned)HS_OWN);
        if (kind == HS_WRITE && td_chance(random, 20)) op.flags = HS_ADDITION | (op.flags & HS_ROLLED_BACK);
        if (td_chance(random, 50)) op.statement = (uint16_t)td_below(random, 70000);
        op.version = kit_stamp(random);
    }
    if (kind == HS_LIST) {
        int64_t elements[5];
        size_t count = td_below(random, 6);
        for (size_t i = 0; i < count; i++) elements[i] = kit_value(random) / 2;
        op.value = td_chance(random, 20) ? HS_ABSENT : (int64_t)count;
        op.version = 0;
        if (op.value != HS_ABSENT) assert_int_equal(hs_list_add(h, elements, count, &op.version), VARVE_OK);
    }
    assert_int_equal(hs_op_add(h, &op), VARVE_OK);
}

static inline void kit_history(struct hs_history *h, struct td_random *random, const struct kit_plan *plan) {
    hs_init(h);
    h->shape = plan->lists ? HS_LISTS : HS_REGISTERS;
    h->stamps = plan->stamps, h->timed = plan->timed, h->by_session = plan->by_session;
    uint64_t clock = 0;
    int64_t next = 1;
    for (unsigned t = 0; t < plan->txns; t++) {
        struct hs_txn txn = {.snapshot = HS_NO_STAMP, .session = (uint32_t)td_below(random, 5)};
        if (plan->timed) txn.begin = clock += 1 + td_below(random, 3), txn.end = clock += 1 + td_below(random, 3);
        if (!plan->plain) {
            txn.snapshot = kit_stamp(random), txn.cts = kit_stamp(random);
            txn.level = (uint8_t)td_below(random, 6), txn.reason = (uint8_t)td_below(random, 14);
            txn.flags = (uint8_t)td_below(random, 8), txn.session = (uint32_t)td_next(random);
            if (plan->timed && !plan->ordered)
                txn.begin = td_below(random, 100), txn.end = txn.begin + td_below(random, 100);
        }
        txn.outcome = (uint8_t)td_below(random, plan->plain ? 2 : 3);
        assert_int_equal(hs_txn_add(h, &txn), VARVE_OK);
        unsigned ops = (unsigned)td_below(random, 7);
        for (unsigned i = 0; i < ops; i++) kit_op(h, random, plan, &next);
    }
    struct hs_problem problem = {0};
    int status = hs_finish(h, &problem);
    TD_CHECK(status == VARVE_OK, "finish: %s", problem.text);
}

#endif
