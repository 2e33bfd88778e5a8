/* sums.c - additions as writes of their sums, so that the passes after it know no additions.
 *
 * An addition reads nothing and writes the state at its commit plus what was added. In a white-box history the order of
 * commits is known, so the sums follow from it: one walk over the commits. The passes then work on a copy of the
 * operations in which each effective addition of a committed transaction is a write of its sum. HS_ADDITION stays on those
 * of them that depend on nothing: keys to which the transaction does nothing but add, and which it does not read; first
 * committer wins is not asked of them.
 *
 * A read that was answered from an own sum is a read of the base below it: it becomes a read of the version that fits,
 * marked CK_UNDER_SUM. Where the stamp of the read is on record, or follows from the level, that is the version there, or
 * else the last that fits, to be found fault with. Where it is not, it is the only version that fits; if several fit,
 * nobody knows, and the verdict is unknown unless something else is wrong. A rollback to a savepoint may have been before
 * a read or after it: all amounts that the transaction may have added by then are tried.
 *
 * The verdict is also unknown where a transaction of unknown outcome wrote a row that others added to: its part may be in
 * their sums, and no version tells.
 *
 * Owns the copy. Invariant: ck_sums either leaves work->h as it was, or sets it to the copy for good.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/checker_int.h"

enum { AMOUNTS_MAX = 32 };

/* What a transaction may have made of a key so far: the base plus `value`, or, once it has put or deleted, `value`. */
struct amount {
    int64_t value;
    bool own; /* not on the base */
    bool added;
};

struct amounts {
    struct amount at[AMOUNTS_MAX];
    unsigned count;
    bool many; /* more than are kept */
};

struct lowering {
    struct ck_work *work;
    struct hs_history *h; /* the copy */
    uint32_t txn;
    uint32_t limit; /* the last position whose state the transaction may have read */
};

static int64_t plus(int64_t base, int64_t delta) {
    return (int64_t)((uint64_t)(base == HS_ABSENT ? 0 : base) + (uint64_t)delta);
}

static bool is_addition(const struct hs_op *op) { return op->kind == HS_WRITE && (op->flags & HS_ADDITION) != 0; }

static bool writes_key(const struct hs_op *op, uint32_t key) {
    return (op->kind == HS_WRITE || op->kind == HS_DELETE) && op->key == key && (op->flags & HS_FAILED) == 0;
}

static void unknown(struct ck_work *work, uint32_t txn, const char *what, uint32_t key) {
    if (work->report->unknown[0] != 0) return;
    snprintf(work->report->unknown, sizeof(work->report->unknown), "T%u %s %s", txn, what,
             ck_key_name(work, key).text);
}

/* --- sums ----------------------------------------------------------------------------------------------------------- */

static void sum_txn(struct lowering *l, uint32_t txn, int64_t *state) {
    const struct hs_txn *t = &l->h->txns[txn];
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
        struct hs_op *op = &l->h->ops[i];
        if (!ck_is_write(op)) continue;
        if (is_addition(op)) op->value = plus(state[op->key], op->value);
        if (is_addition(op) && op->value == HS_ABSENT)
            unknown(l->work, txn, "makes the one sum that a history cannot hold, of", op->key);
        state[op->key] = op->kind == HS_DELETE ? HS_ABSENT : op->value;
    }
}

static void sum_all(struct lowering *l) {
    size_t keys = l->h->key_count;
    int64_t *state = ck_alloc(l->work, keys, sizeof(*state));
    if (state == NULL) return;
    for (size_t k = 0; k < keys; k++) state[k] = HS_ABSENT;
    for (uint32_t p = 1; p <= l->work->commit_count; p++) sum_txn(l, l->work->txn_at[p], state);
    ck_free(l->work, state, keys, sizeof(*state));
}

/* Bits of the keys that committed transactions added to. */
static void mark_added(const struct lowering *l, uint64_t *added) {
    for (uint32_t p = 1; p <= l->work->commit_count; p++) {
        const struct hs_txn *t = &l->h->txns[l->work->txn_at[p]];
        for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
            const struct hs_op *op = &l->h->ops[i];
            if (is_addition(op) && ck_is_write(op)) added[op->key >> 6] |= (uint64_t)1 << (op->key & 63);
        }
    }
}

/* Writes of unknown outcome below the sums of others. */
static void look_for_hidden(struct lowering *l) {
    size_t words = l->h->key_count / 64 + 1;
    uint64_t *added = ck_zalloc(l->work, words, sizeof(*added));
    if (added == NULL) return;
    mark_added(l, added);
    for (size_t t = 0; t < l->h->txn_count; t++) {
        const struct hs_txn *txn = &l->h->txns[t];
        if (txn->outcome != HS_UNKNOWN || ck_committed(l->work, (uint32_t)t)) continue;
        for (uint64_t i = txn->first_op; i < txn->first_op + txn->op_count; i++) {
            const struct hs_op *op = &l->h->ops[i];
            if (ck_is_write(op) && (added[op->key >> 6] >> (op->key & 63) & 1) != 0)
                unknown(l->work, (uint32_t)t, "has no known outcome, and others added to", op->key);
        }
    }
    ck_free(l->work, added, words, sizeof(*added));
}

/* --- reads of own sums ---------------------------------------------------------------------------------------------- */

static struct amount after(const struct amount *before, const struct hs_op *op) {
    if (op->kind == HS_DELETE) return (struct amount){HS_ABSENT, true, false};
    if (!is_addition(op)) return (struct amount){op->value, true, false};
    return (struct amount){plus(before->value, op->value), before->own, true};
}

static void remember(struct amounts *all, struct amount amount) {
    for (unsigned i = 0; i < all->count; i++)
        if (all->at[i].value == amount.value && all->at[i].own == amount.own && all->at[i].added == amount.added) return;
    if (all->count == AMOUNTS_MAX)
        all->many = true;
    else
        all->at[all->count++] = amount;
}

/* What the transaction may have made of the key before operation `end`. A write that stays proves that all undone before
 * it had been undone by then; one that is undone may have been there or not. From the history as it was given. */
static void amounts_before(const struct hs_history *given, const struct hs_txn *t, uint64_t end, uint32_t key,
                           struct amounts *all) {
    struct amount kept = {0, false, false};
    *all = (struct amounts){.count = 1};
    all->at[0] = kept;
    for (uint64_t i = t->first_op; i < end; i++) {
        const struct hs_op *op = &given->ops[i];
        if (!writes_key(op, key)) continue;
        if ((op->flags & HS_ROLLED_BACK) == 0) {
            kept = after(&kept, op);
            *all = (struct amounts){.count = 1};
            all->at[0] = kept;
            continue;
        }
        for (unsigned a = all->count; a-- > 0;) remember(all, after(&all->at[a], op));
    }
}

/* The state at an entry, or at the one before all. */
static int64_t state_at(const struct ck_versions *v, uint32_t key, uint32_t index) {
    return index + 1 == v->start[key] || !ck_is_present(v, key, index) ? HS_ABSENT : v->values[index];
}

static bool fits(const struct amounts *all, int64_t state, int64_t answer) {
    for (unsigned i = 0; i < all->count; i++)
        if (all->at[i].added && !all->at[i].own && plus(state, all->at[i].value) == answer) return true;
    return false;
}

/* The stamp at which the base was read; UINT32_MAX: not known. */
static uint32_t stamp_of(const struct lowering *l, const struct hs_txn *t) {
    varve_isolation level = ck_level(l->work, t);
    bool writes = ck_has_writes(l->h, t);
    if (level == VARVE_READ_COMMITTED) return UINT32_MAX;
    if (ck_has_snapshot(l->work, t) && (level == VARVE_SNAPSHOT || !writes)) return ck_position(l->work, t->snapshot);
    return writes ? l->limit : UINT32_MAX;
}

/* The entry of the base: the one at the stamp if it fits, else the last that does; start - 1 is the state before all.
 * False: none fits. *several: another fits as well; of absences it does not matter which. What is older than what was
 * acknowledged at the begin is looked at only where nothing newer fits. */
static bool find_base(const struct lowering *l, const struct hs_op *op, const struct amounts *all, uint32_t stamp,
                      uint32_t *base, bool *several) {
    const struct ck_versions *v = l->work->versions;
    uint32_t before = v->start[op->key] - 1, present = 0, absent = 0;
    uint32_t floor = ck_version_at(v, op->key, ck_acknowledged(l->work, l->h->txns[l->txn].begin));
    *base = ck_version_at(v, op->key, stamp == UINT32_MAX ? l->limit : stamp);
    *several = false;
    if (stamp != UINT32_MAX && fits(all, state_at(v, op->key, *base), op->value)) return true;
    for (uint32_t i = ck_version_at(v, op->key, l->limit);; i--) { /* those it may have read */
        int64_t state = state_at(v, op->key, i);
        if (fits(all, state, op->value)) {
            if (present + absent == 0) *base = i;
            absent += state == HS_ABSENT;
            present += state != HS_ABSENT;
        }
        if (i == before || (i == floor && present + absent != 0)) break;
    }
    *several = stamp == UINT32_MAX && present + (absent != 0) > 1;
    for (uint32_t i = v->end[op->key] - 1; present + absent == 0 && i != before; i--) { /* and those it may not */
        bool later = v->entries[i] >> 1 > l->limit + 1 && fits(all, v->values[i], op->value);
        *base = i;
        if (later) return true;
    }
    return present + absent != 0;
}

static void lower_read(struct lowering *l, uint64_t i, const struct amounts *all) {
    const struct ck_versions *v = l->work->versions;
    const struct hs_txn *t = &l->h->txns[l->txn];
    struct hs_op *op = &l->h->ops[i];
    uint32_t base;
    bool several;
    if (all->many || op->value == HS_ABSENT) {
        if (all->many) unknown(l->work, l->txn, "rolled back too many additions to tell what it read of", op->key);
        return;
    }
    bool known = find_base(l, op, all, stamp_of(l, t), &base, &several);
    op->flags |= CK_UNDER_SUM;
    if (several) {
        unknown(l->work, l->txn, "read a sum that several states explain, of", op->key);
        return; /* as answered from an own write, and that is all */
    }
    op->flags &= (uint8_t)~HS_OWN;
    op->version = known && base + 1 != v->start[op->key] ? l->work->cts_at[v->entries[base] >> 1] : 0;
    op->value = known ? state_at(v, op->key, base) : op->value;
    if (!known) op->version = UINT64_MAX; /* nobody's: the sum is of nothing that ever was */
}

/* An answer that the own writes alone explain. */
static bool own_alone(const struct amounts *all, int64_t answer) {
    for (unsigned i = 0; i < all->count; i++)
        if (all->at[i].own && all->at[i].value == answer) return true;
    return false;
}

static bool on_base(const struct amounts *all) {
    bool any = all->many;
    for (unsigned i = 0; i < all->count; i++) any = any || (all->at[i].added && !all->at[i].own);
    return any;
}

static bool added_before(const struct hs_history *given, const struct hs_txn *t, uint64_t end, uint32_t key) {
    for (uint64_t i = t->first_op; i < end; i++)
        if (writes_key(&given->ops[i], key) && is_addition(&given->ops[i])) return true;
    return false;
}

/* The key is read, or written in another way than by adding: its additions depend on it. */
static void bind(struct lowering *l, uint32_t key) {
    const struct hs_txn *t = &l->h->txns[l->txn];
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++)
        if (is_addition(&l->h->ops[i]) && l->h->ops[i].key == key) l->h->ops[i].flags &= (uint8_t)~HS_ADDITION;
}

static void lower_txn(struct lowering *l, const struct hs_history *given) {
    const struct hs_txn *t = &given->txns[l->txn];
    uint32_t own = ck_has_writes(given, t) ? ck_position_of(l->work, t->cts) : 0;
    l->limit = own != 0 ? own - 1 : l->work->commit_count;
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
        const struct hs_op *op = &given->ops[i];
        bool reads = op->kind == HS_READ || op->kind == HS_ROW;
        if (op->kind == HS_SCAN || (!reads && (!ck_is_write(op) || is_addition(op)))) continue;
        struct amounts all;
        bool sum = reads && (op->flags & HS_OWN) != 0 && added_before(given, t, i, op->key);
        if (sum) {
            amounts_before(given, t, i, op->key, &all);
            if (own_alone(&all, op->value))
                l->h->ops[i].flags |= CK_UNDER_SUM; /* the first pass could not tell which was undone */
            else if (on_base(&all))
                lower_read(l, i, &all);
        }
        bind(l, op->key);
    }
}

static bool adds(const struct hs_history *h, uint32_t txn) {
    const struct hs_txn *t = &h->txns[txn];
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++)
        if (is_addition(&h->ops[i])) return true;
    return false;
}

/* --- the copy ------------------------------------------------------------------------------------------------------- */

static bool copy(struct ck_work *work, struct lowering *l) {
    const struct hs_history *given = work->h;
    l->h = work->lowered = ck_alloc(work, 1, sizeof(*work->lowered));
    if (l->h == NULL) return false;
    *l->h = *given;
    l->h->ops = ck_alloc(work, given->op_count, sizeof(*given->ops));
    if (l->h->ops == NULL) return false;
    memcpy(l->h->ops, given->ops, given->op_count * sizeof(*given->ops));
    work->h = l->h;
    return true;
}

bool ck_sums(struct ck_work *work) {
    const struct hs_history *given = work->h;
    uint64_t began = ck_now_ns();
    if (!given->additions) return true;
    struct lowering l = {.work = work};
    if (!copy(work, &l)) return false;
    look_for_hidden(&l);
    sum_all(&l);
    if (work->status != VARVE_OK || work->report->unknown[0] != 0 || !ck_versions_build(work)) return false;
    for (size_t t = 0; t < given->txn_count; t++) {
        l.txn = (uint32_t)t;
        if (ck_committed(work, l.txn) && adds(given, l.txn)) lower_txn(&l, given);
    }
    ck_pass(work, "sums", began, given->txn_count);
    return true;
}

void ck_sums_release(struct ck_work *work) {
    if (work->lowered == NULL) return;
    if (work->h == work->lowered) ck_free(work, work->lowered->ops, work->h->op_count, sizeof(*work->h->ops));
    ck_free(work, work->lowered, 1, sizeof(*work->lowered));
    work->lowered = NULL;
}
