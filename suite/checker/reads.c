/* reads.c - whose versions were read: garbage, aborted and intermediate reads, dirty updates.
 *
 * Runs only when a pass before it has met a fault: what replays cleanly was written by whom it says. Aborted writers
 * are found by their cts where they drew one, else by the value, with a walk over all operations for each.
 *
 * Source: Adya, Weak Consistency, MIT 1999, section 3.2 (G1a, G1b).
 *
 * SPDX-License-Identifier: MIT
 */
#include "checker/checker_int.h"

enum { WALKS_MAX = 64 }; /* over all operations, to find the writer of a value */

struct suspect {
    struct ck_work *work;
    unsigned walks;
};

/* Whose write, if anybody's, put this value there: the transaction, or CK_NO_TXN. */
static uint32_t who_wrote(struct suspect *s, const struct hs_op *read, uint64_t *op) {
    const struct hs_history *h = s->work->h;
    if (s->walks++ >= WALKS_MAX) return CK_NO_TXN;
    for (size_t t = 0; t < h->txn_count; t++) {
        const struct hs_txn *txn = &h->txns[t];
        for (uint64_t i = txn->first_op; i < txn->first_op + txn->op_count; i++)
            if (h->ops[i].kind == HS_WRITE && h->ops[i].key == read->key && h->ops[i].value == read->value &&
                (h->ops[i].flags & (HS_FAILED | HS_ADDITION)) == 0) {
                *op = i;
                return (uint32_t)t;
            }
    }
    return CK_NO_TXN;
}

static bool writes_later(const struct hs_history *h, uint32_t txn, uint64_t op, uint32_t key) {
    const struct hs_txn *t = &h->txns[txn];
    for (uint64_t i = op + 1; i < t->first_op + t->op_count; i++)
        if (h->ops[i].key == key && ck_is_write(&h->ops[i])) return true;
    return false;
}

static void fault(struct suspect *s, enum ck_anomaly anomaly, uint32_t txn, uint64_t op, uint32_t other) {
    const struct hs_op *read = &s->work->h->ops[op];
    bool unread = ck_level(s->work, &s->work->h->txns[txn]) == VARVE_READ_UNCOMMITTED;
    if (unread && (anomaly == CK_G1A || anomaly == CK_G1B)) return;
    struct ck_finding *finding = ck_found(s->work, anomaly, txn, op, other);
    if (finding == NULL) return;
    ck_say(finding, "T%u read %s = %s (version %llu)", txn, ck_key_name(s->work, read->key).text,
           ck_value_name(read->value).text, (unsigned long long)read->version);
    switch (anomaly) {
    case CK_G1B: ck_say(finding, "T%u wrote that, and overwrote it before it committed", other); break;
    case CK_G1A: ck_say(finding, "T%u wrote that, and it was aborted", other); break;
    case CK_DIRTY_UPDATE:
        ck_say(finding, "T%u wrote that, and it was aborted", other);
        ck_say(finding, "T%u then wrote %s and committed", txn, ck_key_name(s->work, read->key).text);
        break;
    default: ck_say(finding, "no transaction wrote that version"); break;
    }
}

static void aborted_read(struct suspect *s, uint32_t txn, uint64_t op, uint32_t writer) {
    bool updates = writes_later(s->work->h, txn, op, s->work->h->ops[op].key);
    fault(s, updates ? CK_DIRTY_UPDATE : CK_G1A, txn, op, writer);
}

/* The version is one of a committed transaction: is the value its last? */
static void judge_writer(struct suspect *s, uint32_t txn, uint64_t op, uint32_t writer) {
    const struct hs_history *h = s->work->h;
    const struct hs_op *read = &h->ops[op], *last = ck_last_write(h, &h->txns[writer], read->key);
    const struct hs_txn *w = &h->txns[writer];
    if (last != NULL && last->kind == HS_WRITE && last->value == read->value) return;
    for (uint64_t i = w->first_op; i < w->first_op + w->op_count; i++) {
        const struct hs_op *o = &h->ops[i];
        if (o->kind != HS_WRITE || o->key != read->key || o->value != read->value || (o->flags & HS_FAILED) != 0)
            continue;
        if ((o->flags & HS_ROLLED_BACK) != 0)
            aborted_read(s, txn, op, writer);
        else
            fault(s, CK_G1B, txn, op, writer);
        return;
    }
    fault(s, CK_GARBAGE, txn, op, writer);
}

static void judge_read(struct suspect *s, uint32_t txn, uint64_t op) {
    const struct hs_history *h = s->work->h;
    const struct hs_op *read = &h->ops[op];
    uint64_t write = 0;
    uint32_t position = ck_position_of(s->work, read->version);
    if (position != 0) {
        judge_writer(s, txn, op, s->work->txn_at[position]);
        return;
    }
    uint32_t writer = who_wrote(s, read, &write);
    if (writer == CK_NO_TXN && s->walks > WALKS_MAX) return;
    if (writer == CK_NO_TXN || writer == txn)
        fault(s, CK_GARBAGE, txn, op, CK_NO_TXN);
    else if (!ck_committed(s->work, writer) || (h->ops[write].flags & HS_ROLLED_BACK) != 0)
        aborted_read(s, txn, op, writer);
    else
        fault(s, CK_GARBAGE, txn, op, writer);
}

/* A key was there that nobody but the transaction itself, later, has ever put there. */
static void judge_existence(struct suspect *s, uint32_t txn, uint64_t op) {
    const struct ck_versions *v = s->work->versions;
    const struct hs_history *h = s->work->h;
    uint32_t key = h->ops[op].key;
    if (ck_presence(&h->ops[op]) != CK_SAYS_PRESENT || ck_wrote_before(h, &h->txns[txn], op, key)) return;
    for (uint32_t i = v->start[key]; i < v->end[key]; i++)
        if (ck_is_present(v, key, i) && s->work->txn_at[v->entries[i] >> 1] != txn) return;
    struct ck_finding *finding = ck_found(
        s->work, ck_last_write(h, &h->txns[txn], key) != NULL ? CK_FUTURE_READ : CK_GARBAGE, txn, op, CK_NO_TXN);
    ck_say(finding, "T%u was told that %s is there, and nobody else has ever put it there", txn,
           ck_key_name(s->work, key).text);
}

void ck_pass_reads(struct ck_work *work) {
    const struct hs_history *h = work->h;
    struct suspect s = {.work = work};
    uint64_t began = ck_now_ns();
    if (!ck_versions_build(work)) return;
    for (size_t t = 0; t < h->txn_count; t++) {
        const struct hs_txn *txn = &h->txns[t];
        if (!ck_committed(work, (uint32_t)t)) continue;
        for (uint64_t i = txn->first_op; i < txn->first_op + txn->op_count; i++) {
            bool reads = h->ops[i].kind == HS_READ || h->ops[i].kind == HS_ROW;
            if (reads && h->ops[i].value != HS_ABSENT && (h->ops[i].flags & HS_OWN) == 0)
                judge_read(&s, (uint32_t)t, i);
            else if ((h->ops[i].flags & HS_OWN) == 0)
                judge_existence(&s, (uint32_t)t, i);
        }
    }
    ck_pass(work, "reads", began, work->report->committed);
}
