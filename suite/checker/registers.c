/* registers.c - histories of registers: who read whom, and what updates tell of the order of versions.
 *
 * A transaction that read a version of a key and then wrote the key comes after that version. If every writer of a key
 * is such an update (but for one at most, the first), the updates form a chain and the order is known. Two updates of
 * one version are a lost update, whatever the order.
 *
 * Source: mini-transactions, each write after a read of its key: Huang et al., MTC, 2025.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/blackbox.h"

struct registers {
    struct ck_blackbox *b;
    struct ck_work *work;
    const struct hs_history *h;
    uint32_t *updated; /* by entry: the entry it updated; INITIAL, UNKNOWN */
    uint32_t *updater; /* by entry: the first that updated it, or UNKNOWN */
    uint32_t *initial; /* by key: the first that updated the initial state, or UNKNOWN */
};
#define UNKNOWN UINT32_MAX
#define INITIAL (UINT32_MAX - 1)

static bool is_deleted(const struct ck_work *work, uint32_t key) {
    return (work->versions->deleted[key >> 6] >> (key & 63) & 1) != 0;
}

static uint32_t entry_of_txn(const struct registers *r, uint32_t txn, uint32_t key) {
    return ck_version_at(r->work->versions, key, r->b->position[txn]);
}

/* --- reads
 * ------------------------------------------------------------------------------------------------------------ */

static bool writes_later(const struct hs_history *h, const struct hs_txn *txn, uint64_t op) {
    for (uint64_t i = op + 1; i < txn->first_op + txn->op_count; i++)
        if (h->ops[i].key == h->ops[op].key && h->ops[i].kind != HS_SCAN && ck_is_write(&h->ops[i])) return true;
    return false;
}

static void resolve_read(struct registers *r, uint32_t txn, uint64_t i) {
    const struct hs_op *op = &r->h->ops[i];
    bool own = (op->flags & HS_OWN) != 0 || ck_wrote_before(r->h, &r->h->txns[txn], i, op->key);
    bool value = op->kind == HS_READ || op->kind == HS_ROW;
    if (value && op->value != HS_ABSENT) {
        uint64_t write = ck_value_written(r->b, op->key, op->value);
        bool mine = write != CK_NO_OP && r->b->owner[write] == txn;
        if (mine || (own && (op->flags & HS_OWN) != 0)) return;
        uint32_t writer = ck_judge_source(r->b, txn, i, write, writes_later(r->h, &r->h->txns[txn], i));
        if (writer == CK_NO_TXN || ck_last_write(r->h, &r->h->txns[writer], op->key) == NULL) return;
        r->work->slots[i] = entry_of_txn(r, writer, op->key);
        return;
    }
    enum ck_presence presence = ck_presence(op);
    if (own || presence == CK_SAYS_NOTHING) return;
    bool absent = presence == CK_SAYS_ABSENT;
    const struct ck_versions *v = r->work->versions;
    if (is_deleted(r->work, op->key) || (!absent && v->end[op->key] - v->start[op->key] > 1)) r->b->ambiguous = true;
}

/* What a scan did not return was absent: told only if it was never deleted. */
static void resolve_gaps(struct registers *r, uint64_t scan) {
    uint32_t low, high;
    ck_interval(r->h, &r->h->ops[scan], &low, &high);
    for (uint32_t rank = low; rank < high && !r->b->ambiguous; rank++)
        if (is_deleted(r->work, r->h->key_order[rank])) r->b->ambiguous = true;
}

/* --- updates
 * ---------------------------------------------------------------------------------------------------------- */

/* The first read of the key by this transaction, before it wrote it. */
static uint64_t read_before(const struct hs_history *h, const struct hs_txn *txn, uint32_t key) {
    for (uint64_t i = txn->first_op; i < txn->first_op + txn->op_count; i++) {
        if (h->ops[i].kind == HS_SCAN || h->ops[i].key != key) continue;
        if (h->ops[i].kind == HS_READ || h->ops[i].kind == HS_ROW) return i;
        if (ck_is_write(&h->ops[i])) return (h->ops[i].flags & HS_NEEDS_ABSENT) != 0 ? i : CK_NO_OP;
    }
    return CK_NO_OP;
}

static void lost_update(struct registers *r, uint32_t key, uint32_t a, uint32_t b) {
    uint32_t first = ck_writer(r->work, a), second = ck_writer(r->work, b);
    const struct hs_history *h = r->h;
    uint64_t read = read_before(h, &h->txns[second], key), other = read_before(h, &h->txns[first], key);
    bool insert = ck_is_write(&h->ops[read]) && ck_is_write(&h->ops[other]);
    bool weak = ck_level(r->work, &h->txns[first]) < VARVE_REPEATABLE_READ ||
                ck_level(r->work, &h->txns[second]) < VARVE_REPEATABLE_READ;
    if (weak && !insert) return;
    struct ck_finding *finding = ck_found(r->work, CK_LOST_UPDATE, second, read, first);
    if (finding == NULL) return;
    int64_t value = ck_is_write(&h->ops[read]) ? HS_ABSENT : h->ops[read].value;
    finding->edge_count = 2;
    finding->edges[0] = (struct ck_edge){first, second, key, CK_RW, value, 0};
    finding->edges[1] = (struct ck_edge){second, first, key, CK_RW, value, 0};
    for (unsigned i = 0; i < 2; i++) {
        const struct hs_op *write = ck_last_write(h, &h->txns[finding->edges[i].to], key);
        finding->edges[i].to_value = write->kind == HS_DELETE ? HS_ABSENT : write->value;
    }
    ck_say(finding, "T%u and T%u both read %s = %s and overwrote it", first, second, ck_key_name(r->work, key).text,
           ck_value_name(value).text);
    ck_say(finding, "T%u before T%u: T%u did not see what T%u wrote", first, second, first, second);
    ck_say(finding, "T%u before T%u: T%u did not see what T%u wrote", second, first, second, first);
}

static void find_update(struct registers *r, uint32_t key, uint32_t entry) {
    uint32_t txn = ck_writer(r->work, entry);
    uint64_t read = read_before(r->h, &r->h->txns[txn], key);
    r->updated[entry] = UNKNOWN;
    if (read == CK_NO_OP) return;
    const struct hs_op *op = &r->h->ops[read];
    bool absent = ck_is_write(op) || op->value == HS_ABSENT;
    if (absent && is_deleted(r->work, key)) return;
    uint32_t from = absent ? INITIAL : r->work->slots[read];
    if (from == CK_NO_ENTRY) return;
    r->updated[entry] = from;
    uint32_t *first = absent ? &r->initial[key] : &r->updater[from];
    if (*first != UNKNOWN)
        lost_update(r, key, *first, entry);
    else
        *first = entry;
}

/* The chain of updates from `at` on; the number of entries in it. Writes them to order[]. */
static uint32_t follow(const struct registers *r, uint32_t at, uint32_t most, uint32_t *order) {
    uint32_t n = 0;
    while (at != UNKNOWN && n < most) {
        order[n++] = at;
        at = r->updater[at];
    }
    return n;
}

/* True with order[] where the updates tell all of the key's order. */
static bool chain(const struct registers *r, uint32_t key, uint32_t *order) {
    const struct ck_versions *v = r->work->versions;
    uint32_t count = v->end[key] - v->start[key], blind = UNKNOWN, blinds = 0;
    for (uint32_t e = v->start[key]; e < v->end[key]; e++) {
        if (r->updated[e] != UNKNOWN) continue;
        blind = e;
        blinds++;
    }
    if (blinds > 1 || count == 0) return count == 0;
    if (blinds == 1 && r->initial[key] != UNKNOWN) return false;
    return follow(r, blinds == 1 ? blind : r->initial[key], count, order) == count;
}

/* Puts the entries of a key in this order; slots follow in `moved`. */
static void reorder(struct ck_work *work, uint32_t key, const uint32_t *order, uint32_t *moved, uint32_t *spare) {
    struct ck_versions *v = work->versions;
    uint32_t count = v->end[key] - v->start[key];
    for (uint32_t i = 0; i < count; i++) spare[i] = v->entries[order[i]];
    for (uint32_t i = 0; i < count; i++) {
        v->entries[v->start[key] + i] = spare[i];
        moved[order[i]] = v->start[key] + i;
    }
}

static void move_slots(struct ck_work *work, const uint32_t *moved) {
    for (size_t i = 0; i < work->h->op_count; i++)
        if (work->slots[i] != CK_NO_ENTRY) work->slots[i] = moved[work->slots[i]];
}

/* --- all
 * ---------------------------------------------------------------------------------------------------------------- */

static void resolve_reads(struct registers *r) {
    for (size_t t = 0; t < r->h->txn_count; t++) {
        const struct hs_txn *txn = &r->h->txns[t];
        if (!ck_committed(r->work, (uint32_t)t)) continue;
        for (uint64_t i = txn->first_op; i < txn->first_op + txn->op_count; i++) {
            if (r->h->ops[i].kind == HS_SCAN)
                resolve_gaps(r, i);
            else
                resolve_read(r, (uint32_t)t, i);
        }
    }
}

static void order_keys(struct registers *r, uint32_t *moved, uint32_t *order, uint32_t *spare) {
    struct ck_versions *v = r->work->versions;
    size_t keys = r->h->key_count;
    for (size_t e = 0; e < v->count; e++) moved[e] = (uint32_t)e;
    for (size_t k = 0; k < keys; k++)
        for (uint32_t e = v->start[k]; e < v->end[k]; e++) find_update(r, (uint32_t)k, e);
    for (size_t k = 0; k < keys; k++) {
        if (chain(r, (uint32_t)k, order)) {
            reorder(r->work, (uint32_t)k, order, moved, spare);
            continue;
        }
        r->b->partial.unordered[k >> 6] |= (uint64_t)1 << (k & 63);
        for (uint32_t e = v->start[k]; e < v->end[k]; e++)
            if (r->updated[e] < INITIAL) (void)ck_pair_add(r->b, r->updated[e], e);
    }
    move_slots(r->work, moved);
}

void ck_registers_resolve(struct ck_blackbox *b) {
    struct ck_work *work = b->work;
    struct registers r = {.b = b, .work = work, .h = work->h};
    size_t keys = work->h->key_count;
    if (!ck_versions_build(work)) return;
    size_t entries = work->versions->count;
    r.updated = ck_alloc(work, entries, 5 * sizeof(*r.updated));
    r.initial = ck_alloc(work, keys, sizeof(*r.initial));
    if (work->status == VARVE_OK) {
        r.updater = r.updated + entries;
        memset(r.updater, 0xff, entries * sizeof(*r.updater));
        memset(r.initial, 0xff, keys * sizeof(*r.initial));
        resolve_reads(&r);
        if (!b->twice) order_keys(&r, r.updated + 2 * entries, r.updated + 3 * entries, r.updated + 4 * entries);
    }
    ck_free(work, r.updated, entries, 5 * sizeof(*r.updated));
    ck_free(work, r.initial, keys, sizeof(*r.initial));
}

bool ck_registers_settle(struct ck_blackbox *b, const uint32_t *rank) {
    struct ck_work *work = b->work;
    struct ck_versions *v = work->versions;
    size_t entries = v->count;
    uint32_t *moved = ck_alloc(work, entries, 3 * sizeof(*moved));
    struct ck_item *items = ck_alloc(work, entries, 2 * sizeof(*items));
    if (work->status == VARVE_OK) {
        uint32_t *order = moved + entries, *spare = moved + 2 * entries;
        for (size_t e = 0; e < entries; e++) moved[e] = (uint32_t)e;
        for (size_t k = 0; k < work->h->key_count; k++) {
            uint32_t count = v->end[k] - v->start[k];
            if ((b->partial.unordered[k >> 6] >> (k & 63) & 1) == 0) continue;
            for (uint32_t i = 0; i < count; i++)
                items[i] = (struct ck_item){rank[ck_writer(work, v->start[k] + i)], v->start[k] + i, 0};
            ck_sort(items, items + count, count);
            for (uint32_t i = 0; i < count; i++) order[i] = items[i].txn;
            reorder(work, (uint32_t)k, order, moved, spare);
        }
        move_slots(work, moved);
        work->partial = NULL; /* every key is in order now */
    }
    ck_free(work, moved, entries, 3 * sizeof(*moved));
    ck_free(work, items, entries, 2 * sizeof(*items));
    return work->status == VARVE_OK;
}

/* --- what readers tell
 * ------------------------------------------------------------------------------------------------- */

enum { WRITERS_LOOKED_AT = 1024 };

/* The reader found `entry` of the key when another writer of the key had committed: that one came before. Known are
 * those that it read from too, not later than this, and those that were acknowledged before it began. */
static void pair_with(const struct registers *r, uint32_t txn, uint32_t statement, uint32_t key, uint32_t entry) {
    const struct ck_versions *v = r->work->versions;
    const struct hs_txn *txns = r->h->txns, *t = &txns[txn], *w = &txns[ck_writer(r->work, entry)];
    bool strict = r->work->strict, time = strict && ck_level(r->work, t) >= VARVE_REPEATABLE_READ;
    if (v->end[key] - v->start[key] > WRITERS_LOOKED_AT) return;
    for (uint32_t e = v->start[key]; e < v->end[key]; e++) {
        uint32_t other = ck_writer(r->work, e);
        if (e == entry || other == txn || (strict && txns[other].end < w->begin)) continue;
        bool known = time && txns[other].end < t->begin;
        if (known || ck_reads_from(r->work, txn, statement, other)) (void)ck_pair_add(r->b, e, entry);
    }
}

void ck_registers_hints(struct ck_blackbox *b) {
    const struct registers own = {.b = b, .work = b->work, .h = b->work->h}, *r = &own;
    for (size_t t = 0; t < r->h->txn_count; t++) {
        const struct hs_txn *txn = &r->h->txns[t];
        const struct hs_op *ops = r->h->ops;
        varve_isolation level = ck_level(r->work, txn);
        bool weak = level == VARVE_READ_COMMITTED, torn = weak && ck_torn(r->work, txn);
        uint32_t statement = 0;
        if (!ck_committed(r->work, (uint32_t)t) || level == VARVE_READ_UNCOMMITTED) continue;
        for (uint64_t i = txn->first_op; i < txn->first_op + txn->op_count; i++) {
            if (i != txn->first_op) statement += torn || ops[i].statement != ops[i - 1].statement;
            uint32_t entry = r->work->slots[i], key = ops[i].key;
            if (entry == CK_NO_ENTRY || (r->b->partial.unordered[key >> 6] >> (key & 63) & 1) == 0) continue;
            pair_with(r, (uint32_t)t, weak ? statement : UINT32_MAX, key, entry);
        }
    }
}
