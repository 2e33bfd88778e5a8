/* values.c - who wrote a value: a hash over all writes of a history without versions.
 *
 * Owns the table. A value that two operations wrote to one key tells nothing of its reader: the history is then not
 * judged further than that.
 *
 * SPDX-License-Identifier: MIT
 */
#include "checker/blackbox.h"

static uint64_t mix(uint32_t key, int64_t value) {
    uint64_t x = (uint64_t)value * 0x9e3779b97f4a7c15u + ((uint64_t)key << 32 | key);
    x = (x ^ (x >> 31)) * 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 29);
}

static bool is_written(const struct hs_op *op) {
    return (op->kind == HS_WRITE || op->kind == HS_APPEND) && (op->flags & HS_FAILED) == 0;
}

static uint64_t *slot_of(const struct ck_blackbox *b, uint32_t key, int64_t value) {
    const struct hs_op *ops = b->work->h->ops;
    size_t mask = b->table_size - 1, i = mix(key, value) & mask;
    while (b->table[i] != 0 && (ops[b->table[i] - 1].key != key || ops[b->table[i] - 1].value != value))
        i = (i + 1) & mask;
    return &b->table[i];
}

/* A value written again: harmless within one transaction, and to registers that are never read. */
static void note_twice(struct ck_blackbox *b, uint32_t txn, uint64_t first, uint64_t second) {
    const struct hs_op *op = &b->work->h->ops[second];
    if (b->owner[first] == txn && op->kind == HS_WRITE) return;
    if (!b->twice)
        snprintf(b->work->report->unknown, sizeof(b->work->report->unknown),
                 "T%u and T%u both wrote %.24s to %.40s: whom a reader has read cannot be told", b->owner[first], txn,
                 ck_value_name(op->value).text, ck_key_name(b->work, op->key).text);
    b->twice = true;
}

bool ck_values_build(struct ck_blackbox *b) {
    const struct hs_history *h = b->work->h;
    size_t writes = 0;
    for (size_t i = 0; i < h->op_count; i++) writes += is_written(&h->ops[i]);
    for (b->table_size = 64; b->table_size < 2 * writes;) b->table_size *= 2;
    b->table = ck_zalloc(b->work, b->table_size, sizeof(*b->table));
    b->owner = ck_alloc(b->work, h->op_count, sizeof(*b->owner));
    if (b->work->status != VARVE_OK) return false;
    for (size_t t = 0; t < h->txn_count; t++)
        for (uint64_t i = h->txns[t].first_op; i < h->txns[t].first_op + h->txns[t].op_count; i++) {
            if (!is_written(&h->ops[i])) continue;
            b->owner[i] = (uint32_t)t;
            uint64_t *slot = slot_of(b, h->ops[i].key, h->ops[i].value);
            if (*slot != 0) note_twice(b, (uint32_t)t, *slot - 1, i);
            *slot = i + 1;
        }
    return true;
}

uint64_t ck_value_written(const struct ck_blackbox *b, uint32_t key, int64_t value) {
    return *slot_of(b, key, value) - 1; /* 0 - 1: none */
}

/* A transaction of unknown outcome has committed if a committed one has read from it. */
static void find_observed(struct ck_blackbox *b) {
    struct ck_work *work = b->work;
    const struct hs_history *h = work->h;
    size_t unknown = 0;
    for (size_t t = 0; t < h->txn_count; t++) unknown += h->txns[t].outcome == HS_UNKNOWN;
    if (unknown == 0) return;
    work->observed = ck_zalloc(work, h->txn_count / 64 + 1, sizeof(*work->observed));
    if (work->observed == NULL) return;
    for (size_t t = 0; t < h->txn_count; t++)
        for (uint64_t i = h->txns[t].first_op; i < h->txns[t].first_op + h->txns[t].op_count; i++) {
            const struct hs_op *op = &h->ops[i];
            bool list = op->kind == HS_LIST && op->value > 0, reads = op->kind == HS_READ || op->kind == HS_ROW;
            if (h->txns[t].outcome != HS_COMMITTED || (!list && (!reads || op->value == HS_ABSENT))) continue;
            for (int64_t e = 0; e < (list ? op->value : 1); e++) {
                uint64_t write = ck_value_written(b, op->key, list ? h->lists[op->version + (uint64_t)e] : op->value);
                if (write == CK_NO_OP || h->txns[b->owner[write]].outcome != HS_UNKNOWN) continue;
                work->observed[b->owner[write] >> 6] |= (uint64_t)1 << (b->owner[write] & 63);
            }
        }
}

void ck_blackbox_positions(struct ck_blackbox *b) {
    struct ck_work *work = b->work;
    const struct hs_history *h = work->h;
    find_observed(b);
    b->position = ck_zalloc(work, h->txn_count, sizeof(*b->position));
    work->txn_at = ck_alloc(work, h->txn_count + 1, sizeof(*work->txn_at));
    if (work->status != VARVE_OK) return;
    work->txn_at[0] = CK_NO_TXN;
    for (size_t t = 0; t < h->txn_count; t++) {
        if (!ck_committed(work, (uint32_t)t) || !ck_has_writes(h, &h->txns[t])) continue;
        b->position[t] = ++work->commit_count;
        work->txn_at[work->commit_count] = (uint32_t)t;
    }
}

static void say_source(struct ck_blackbox *b, enum ck_anomaly anomaly, uint32_t txn, uint64_t read, uint64_t write) {
    struct ck_work *work = b->work;
    const struct hs_op *op = &work->h->ops[read];
    uint32_t writer = write == CK_NO_OP ? CK_NO_TXN : b->owner[write];
    struct ck_finding *finding = ck_found(work, anomaly, txn, read, writer);
    int64_t value = write == CK_NO_OP ? op->value : work->h->ops[write].value;
    ck_say(finding, "T%u read %s of %s", txn, ck_value_name(value).text, ck_key_name(work, op->key).text);
    switch (anomaly) {
    case CK_GARBAGE: ck_say(finding, "nobody wrote it"); break;
    case CK_G1B: ck_say(finding, "T%u wrote it, and then another value before it committed", writer); break;
    case CK_DIRTY_UPDATE:
        ck_say(finding, "T%u wrote it and was aborted, and a committed write builds on it", writer);
        break;
    default: ck_say(finding, "T%u wrote it and was aborted", writer); break;
    }
}

uint32_t ck_judge_source(struct ck_blackbox *b, uint32_t txn, uint64_t read, uint64_t write, bool updates) {
    const struct hs_history *h = b->work->h;
    bool weak = ck_level(b->work, &h->txns[txn]) == VARVE_READ_UNCOMMITTED;
    if (write == CK_NO_OP) {
        say_source(b, CK_GARBAGE, txn, read, write);
        return CK_NO_TXN;
    }
    uint32_t writer = b->owner[write];
    if (writer == txn) return CK_NO_TXN; /* its own: the internal pass judges that */
    if (!ck_committed(b->work, writer) || (h->ops[write].flags & HS_ROLLED_BACK) != 0) {
        if (!weak || updates) say_source(b, updates ? CK_DIRTY_UPDATE : CK_G1A, txn, read, write);
        return CK_NO_TXN;
    }
    const struct hs_op *last = ck_last_write(h, &h->txns[writer], h->ops[write].key);
    bool same = last != NULL && last->kind != HS_DELETE && last->value == h->ops[write].value;
    if (!same && !weak) say_source(b, CK_G1B, txn, read, write);
    return writer;
}

bool ck_pair_add(struct ck_blackbox *b, uint32_t before, uint32_t after) {
    if (b->pair_count == b->pair_capacity) {
        size_t capacity = b->pair_capacity == 0 ? 1024 : 2 * b->pair_capacity;
        struct ck_pair *pairs = ck_alloc(b->work, capacity, sizeof(*pairs));
        if (pairs == NULL) return false;
        for (size_t i = 0; i < b->pair_count; i++) pairs[i] = b->pairs[i];
        ck_free(b->work, b->pairs, b->pair_capacity, sizeof(*b->pairs));
        b->pairs = pairs;
        b->pair_capacity = capacity;
    }
    b->pairs[b->pair_count++] = (struct ck_pair){before, after};
    return true;
}

bool ck_partial_build(struct ck_blackbox *b) {
    struct ck_work *work = b->work;
    struct ck_partial *p = &b->partial;
    size_t entries = work->versions->count;
    ck_free(work, p->later, p->later_count, sizeof(*p->later));
    p->later = ck_alloc(work, b->pair_count, sizeof(*p->later));
    p->later_count = b->pair_count;
    if (p->later_start == NULL) p->later_start = ck_alloc(work, entries + 1, sizeof(*p->later_start));
    if (work->status != VARVE_OK) return false;
    for (size_t e = 0; e <= entries; e++) p->later_start[e] = 0;
    for (size_t i = 0; i < b->pair_count; i++) p->later_start[b->pairs[i].before]++;
    for (size_t e = 1; e <= entries; e++) p->later_start[e] += p->later_start[e - 1];
    for (size_t i = b->pair_count; i-- > 0;) p->later[--p->later_start[b->pairs[i].before]] = b->pairs[i].after;
    work->partial = p;
    return true;
}
