/* deps.c - what each read depends on: the version it was answered with, and the first version that changes the answer.
 *
 * A read of a value names its version. A read of presence or absence, and the silence of a scan on a key, hold for a
 * run of versions: from the one that made the key so to the one that ended it. If the state at the transaction's stamp
 * is so, that run is meant, whatever the version on record (absent is absent). Else it is the only such run; else the
 * one of the version on record; else the last such run before the stamp where no later one can have been seen (an
 * earlier run would only bind more: what ended it comes before what ended a later one). Where it is not known there is
 * no dependency, never a guess.
 *
 * Source: Adya, Weak Consistency, MIT 1999, section 3.1 (item and predicate dependencies).
 *
 * SPDX-License-Identifier: MIT
 */
#include "checker/blackbox.h"

#define NO_STAMP UINT32_MAX

enum { LOOK_THROUGH = 64 };

struct walk {
    const struct ck_work *work;
    const struct hs_txn *t;
    uint32_t txn;
    uint32_t stamp; /* of its reads, NO_STAMP: not known */
    struct ck_dependency d;
    ck_dependency_fn fn;
    void *arg;
};

uint32_t ck_entry_of(const struct ck_work *work, uint64_t op) {
    if (work->slots != NULL) return work->slots[op];
    return ck_find_entry(work, op);
}

uint32_t ck_find_entry(const struct ck_work *work, uint64_t op) {
    const struct ck_versions *v = work->versions;
    uint32_t key = work->h->ops[op].key, position = ck_position_of(work, work->h->ops[op].version);
    if (position == 0) return CK_NO_ENTRY;
    uint32_t index = ck_version_at(v, key, position);
    return index + 1 != v->start[key] && v->entries[index] >> 1 == position ? index : CK_NO_ENTRY;
}

/* Every index below is of an entry, or start - 1 for the state before all. */
static void send_run(struct walk *w, uint32_t index, bool sure) {
    const struct ck_versions *v = w->work->versions;
    uint32_t key = w->d.key, first = index;
    bool present = ck_is_present(v, key, index);
    while (first + 1 != v->start[key] && ck_is_present(v, key, first - 1) == present && first != v->start[key]) first--;
    if (first == v->start[key] && !present) first--; /* absent from the beginning */
    while (index + 1 != v->end[key] && ck_is_present(v, key, index + 1) == present) index++;
    /* It has not seen the run that it began itself, but a later part of it. */
    if (first + 1 != v->start[key] && first != index && ck_writer(w->work, first) == w->txn) first++;
    w->d.from = sure && first + 1 != v->start[key] ? first : CK_NO_ENTRY;
    w->d.next = index + 1 == v->end[key] ? CK_NO_ENTRY : index + 1;
    if (w->d.from != CK_NO_ENTRY || w->d.next != CK_NO_ENTRY) w->fn(w->arg, &w->d);
}

/* The only run in which the key is there, or is not; `last` is an index in it. False: none, or several, or too many
 * versions to look through. */
static bool only_run(const struct ck_versions *v, uint32_t key, bool present, uint32_t *last) {
    unsigned runs = present ? 0 : 1;
    *last = v->start[key] - 1;
    if ((v->deleted[key >> 6] >> (key & 63) & 1) == 0) {
        if (present) *last = v->end[key] - 1;
        return !present || v->start[key] != v->end[key];
    }
    for (uint32_t i = v->start[key]; i < v->end[key] && i < v->start[key] + LOOK_THROUGH; i++) {
        if (ck_is_present(v, key, i) != present) continue;
        runs += ck_is_present(v, key, i - 1) != present;
        *last = i;
    }
    return runs == 1 && v->end[key] - v->start[key] <= LOOK_THROUGH;
}

/* The last index at or before the stamp at which the key is there, or is not; false where there is none, or where a
 * later one may have been seen: a transaction with a cts has read nothing that was committed after it. */
static bool last_run(const struct walk *w, bool present, uint32_t *last) {
    const struct ck_versions *v = w->work->versions;
    uint32_t key = w->d.key, before = v->start[key] - 1, at = ck_version_at(v, key, w->stamp);
    for (uint32_t i = at + 1; i < v->end[key] && w->t->cts == 0; i++)
        if (ck_is_present(v, key, i) == present) return false;
    while (at != before && ck_is_present(v, key, at) != present) at--;
    *last = at;
    return at != before || !present;
}

static bool is_unordered(const struct ck_work *work, uint32_t key) {
    return work->partial != NULL && (work->partial->unordered[key >> 6] >> (key & 63) & 1) != 0;
}

/* Of a key whose versions are in no order: all that is known to come later. */
static void send_later(struct walk *w, uint32_t entry) {
    const struct ck_partial *p = w->work->partial;
    w->d.from = entry;
    w->d.next = CK_NO_ENTRY;
    w->fn(w->arg, &w->d);
    w->d.from = CK_NO_ENTRY;
    for (uint32_t i = p->later_start[entry]; i < p->later_start[entry + 1]; i++) {
        w->d.next = p->later[i];
        w->fn(w->arg, &w->d);
    }
}

/* The state before all of a key that was never deleted: every version comes later. */
static void send_initial(struct walk *w, bool present) {
    const struct ck_versions *v = w->work->versions;
    uint32_t key = w->d.key;
    if (present || (v->deleted[key >> 6] >> (key & 63) & 1) != 0) return;
    w->d.from = CK_NO_ENTRY;
    for (uint32_t e = v->start[key]; e < v->end[key]; e++) {
        w->d.next = e;
        w->fn(w->arg, &w->d);
    }
}

static void send_presence(struct walk *w, bool present, uint32_t entry) {
    const struct ck_versions *v = w->work->versions;
    uint32_t key = w->d.key, last;
    if (is_unordered(w->work, key)) {
        send_initial(w, present);
        return;
    }
    uint32_t at = w->stamp == NO_STAMP ? 0 : ck_version_at(v, key, w->stamp);
    if (w->stamp != NO_STAMP && ck_is_present(v, key, at) == present)
        send_run(w, at, only_run(v, key, present, &last));
    else if (only_run(v, key, present, &last))
        send_run(w, last, true);
    else if (w->stamp != NO_STAMP && entry != CK_NO_ENTRY && ck_is_present(v, key, entry) == present)
        send_run(w, entry, true);
    else if (w->stamp != NO_STAMP && last_run(w, present, &last))
        send_run(w, last, false);
}

static void send_value(struct walk *w, uint64_t op) {
    const struct ck_versions *v = w->work->versions;
    uint32_t entry = ck_entry_of(w->work, op);
    if (entry == CK_NO_ENTRY) return;
    if (is_unordered(w->work, w->d.key)) {
        send_later(w, entry);
        return;
    }
    w->d.from = entry;
    w->d.next = entry + 1 == v->end[w->d.key] ? CK_NO_ENTRY : entry + 1;
    w->fn(w->arg, &w->d);
}

static void send_gaps(struct walk *w, uint64_t scan) {
    const struct hs_history *h = w->work->h;
    uint64_t end = w->t->first_op + w->t->op_count, rows = scan + 1;
    uint32_t low, high;
    while (rows < end && h->ops[rows].kind == HS_ROW) rows++;
    struct ck_rows returned = ck_rows_of(h, scan, rows - scan - 1);
    ck_interval(h, &h->ops[scan], &low, &high);
    w->d.range = true;
    for (uint32_t rank = low; rank < high; rank++) {
        uint32_t key = w->d.key = h->key_order[rank];
        if (w->work->versions->start[key] == w->work->versions->end[key]) continue;
        if (ck_rows_have(&returned, rank) || ck_wrote_before(h, w->t, scan, key)) continue;
        send_presence(w, false, CK_NO_ENTRY);
    }
    w->d.range = false;
}

static void send_op(struct walk *w, uint64_t i) {
    const struct hs_op *op = &w->work->h->ops[i];
    enum ck_presence presence = ck_presence(op);
    if ((op->flags & HS_OWN) != 0) return;
    w->d.key = op->key;
    if ((op->kind == HS_READ || op->kind == HS_ROW) && op->value != HS_ABSENT) {
        send_value(w, i);
    } else if (op->kind == HS_LIST) {
        if (ck_entry_of(w->work, i) != CK_NO_ENTRY)
            send_value(w, i);
        else if (!ck_wrote_before(w->work->h, w->t, i, op->key) || op->value > 0)
            send_presence(w, false, CK_NO_ENTRY); /* empty but for its own elements */
    } else if (presence != CK_SAYS_NOTHING && !ck_wrote_before(w->work->h, w->t, i, op->key)) {
        bool versioned = w->work->h->stamps && op->kind != HS_WRITE && op->kind != HS_DELETE;
        send_presence(w, presence == CK_SAYS_PRESENT, versioned ? ck_entry_of(w->work, i) : CK_NO_ENTRY);
    }
}

/* Not for the first operation. */
static bool begins_statement(const struct hs_op *op, bool torn) { return torn || op->statement != op[-1].statement; }

static uint32_t stamp_of(const struct ck_work *work, uint32_t txn, varve_isolation level) {
    const struct hs_txn *t = &work->h->txns[txn];
    if (!work->h->stamps || work->h->shape == HS_LISTS || level == VARVE_READ_COMMITTED) return NO_STAMP;
    if (level != VARVE_SNAPSHOT && ck_has_writes(work->h, t)) return ck_position_of(work, t->cts) - 1;
    if (work->chosen != NULL && work->chosen[txn] != UINT32_MAX) return work->chosen[txn];
    return ck_has_snapshot(work, t) ? ck_position(work, t->snapshot) : NO_STAMP;
}

void ck_dependencies(const struct ck_work *work, uint32_t txn, ck_dependency_fn fn, void *arg) {
    const struct hs_txn *t = &work->h->txns[txn];
    const struct hs_op *ops = work->h->ops;
    varve_isolation level = ck_level(work, t);
    if (level == VARVE_READ_UNCOMMITTED) return;
    bool torn = level == VARVE_READ_COMMITTED && ck_torn(work, t);
    bool gaps = level != VARVE_REPEATABLE_READ && !torn;
    struct walk w = {.work = work, .t = t, .txn = txn, .fn = fn, .arg = arg};
    w.stamp = stamp_of(work, txn, level);
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
        if (i != t->first_op && begins_statement(&ops[i], torn)) w.d.statement++;
        w.d.op = i;
        if (ops[i].kind == HS_SCAN) {
            if (gaps) send_gaps(&w, i);
        } else {
            send_op(&w, i);
        }
    }
}

uint32_t ck_statements(const struct ck_work *work, const struct hs_txn *txn) {
    const struct hs_op *ops = work->h->ops + txn->first_op;
    bool torn = ck_torn(work, txn);
    uint32_t count = txn->op_count != 0;
    for (uint32_t i = 1; i < txn->op_count; i++) count += begins_statement(&ops[i], torn);
    return count;
}

bool ck_reads_from(const struct ck_work *work, uint32_t txn, uint32_t statement, uint32_t writer) {
    const struct hs_txn *t = &work->h->txns[txn];
    const struct hs_op *ops = work->h->ops;
    bool torn = ck_torn(work, t);
    uint32_t now = 0;
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
        if (i != t->first_op) now += begins_statement(&ops[i], torn);
        bool reads = ops[i].kind == HS_READ || ops[i].kind == HS_ROW || ops[i].kind == HS_LIST;
        if (now > statement) return false;
        if (!reads || (ops[i].flags & HS_OWN) != 0) continue;
        uint32_t entry = ck_entry_of(work, i);
        if (entry != CK_NO_ENTRY && ck_writer(work, entry) == writer) return true;
    }
    return false;
}
