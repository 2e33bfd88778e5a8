/* lists.c - histories of lists: the longest list that was read of a key is the order of its versions.
 *
 * Every other list must be a beginning of it. What was appended and never read stands behind it, in an order that
 * nobody knows. An element that nobody appended, or one of an aborted transaction, or one that stands there twice, is a
 * finding of its own.
 *
 * Source: Kingsbury and Alvaro, Elle, VLDB 2020, sections 4.2 and 5.1 (traceable, recoverable histories).
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/blackbox.h"

struct lists {
    struct ck_blackbox *b;
    struct ck_work *work;
    const struct hs_history *h;
    uint64_t *longest;    /* [key_count]: its HS_LIST, CK_NO_OP none */
    uint64_t *external;   /* [key_count]: its length without its reader's own elements */
    uint32_t *longest_of; /* [key_count]: its reader */
    uint32_t *entry_at;   /* [list_count]: at the offsets of longest lists, the entry of each element */
    uint64_t *seen;       /* bits by operation: the element stands in the longest list of its key */
};

/* The length of the list without the elements at its end that the reader itself had appended. */
static uint64_t external_length(const struct lists *l, uint32_t txn, const struct hs_op *op) {
    uint64_t n = op->value > 0 ? (uint64_t)op->value : 0;
    while (n != 0) {
        uint64_t write = ck_value_written(l->b, op->key, l->h->lists[op->version + n - 1]);
        if (write == CK_NO_OP || l->b->owner[write] != txn) break;
        n--;
    }
    return n;
}

/* An own element in the list that was appended only later. */
static bool is_future(struct lists *l, uint32_t txn, uint64_t read) {
    const struct hs_op *op = &l->h->ops[read];
    for (int64_t n = 0; n < op->value; n++) {
        uint64_t write = ck_value_written(l->b, op->key, l->h->lists[op->version + (uint64_t)n]);
        if (write == CK_NO_OP || l->b->owner[write] != txn || write < read) continue;
        ck_say(ck_found(l->work, CK_FUTURE_READ, txn, read, CK_NO_TXN), "T%u read %s, which it was yet to append to %s",
               txn, ck_value_name(l->h->ops[write].value).text, ck_key_name(l->work, op->key).text);
        return true;
    }
    return false;
}

/* Behind what it has appended, a transaction finds what it had read before, from repeatable read on. */
static void check_before_own(struct lists *l, uint32_t txn, uint64_t read, uint64_t length) {
    const struct hs_op *ops = l->h->ops, *op = &ops[read];
    bool appended = false;
    if (ck_level(l->work, &l->h->txns[txn]) < VARVE_REPEATABLE_READ) return;
    for (uint64_t i = read; i-- > l->h->txns[txn].first_op;) {
        if (ops[i].kind == HS_SCAN || ops[i].key != op->key) continue;
        appended = appended || (ops[i].kind == HS_APPEND && ck_is_write(&ops[i]));
        if (ops[i].kind != HS_LIST) continue;
        uint64_t before = external_length(l, txn, &ops[i]);
        bool same = before == length && (length == 0 || memcmp(l->h->lists + ops[i].version, l->h->lists + op->version,
                                                               (size_t)length * sizeof(*l->h->lists)) == 0);
        if (same || !appended) return;
        ck_say(ck_found(l->work, CK_INTERNAL, txn, read, CK_NO_TXN),
               "T%u read %s, appended to it, and then found something else than both together", txn,
               ck_key_name(l->work, op->key).text);
        return;
    }
}

/* The end of a list must be what the transaction has appended so far. */
static void check_own(struct lists *l, uint32_t txn, uint64_t read) {
    const struct hs_op *ops = l->h->ops, *op = &ops[read];
    uint64_t n = op->value > 0 ? (uint64_t)op->value : 0;
    if (is_future(l, txn, read)) return;
    for (uint64_t i = read; i-- > l->h->txns[txn].first_op;) {
        if (ops[i].kind != HS_APPEND || ops[i].key != op->key || !ck_is_write(&ops[i])) continue;
        if (n != 0 && l->h->lists[op->version + n - 1] == ops[i].value) {
            n--;
            continue;
        }
        struct ck_finding *finding = ck_found(l->work, CK_INTERNAL, txn, read, CK_NO_TXN);
        ck_say(finding, "T%u read %s without the %s that it had appended, at its place", txn,
               ck_key_name(l->work, op->key).text, ck_value_name(ops[i].value).text);
        return;
    }
    check_before_own(l, txn, read, external_length(l, txn, op));
}

static void each_list(struct lists *l, void (*fn)(struct lists *, uint32_t, uint64_t)) {
    for (size_t t = 0; t < l->h->txn_count; t++) {
        if (!ck_committed(l->work, (uint32_t)t)) continue;
        for (uint64_t i = l->h->txns[t].first_op; i < l->h->txns[t].first_op + l->h->txns[t].op_count; i++)
            if (l->h->ops[i].kind == HS_LIST) fn(l, (uint32_t)t, i);
    }
}

static void find_longest(struct lists *l, uint32_t txn, uint64_t read) {
    const struct hs_op *op = &l->h->ops[read];
    uint64_t n = external_length(l, txn, op);
    check_own(l, txn, read);
    if (l->longest[op->key] != CK_NO_OP && l->external[op->key] >= n) return;
    l->longest[op->key] = read;
    l->external[op->key] = n;
    l->longest_of[op->key] = txn;
}

static void check_prefix(struct lists *l, uint32_t txn, uint64_t read) {
    const struct hs_op *op = &l->h->ops[read], *longest = &l->h->ops[l->longest[op->key]];
    uint64_t n = external_length(l, txn, op);
    for (uint64_t i = 0; i < n; i++) {
        if (l->h->lists[op->version + i] == l->h->lists[longest->version + i]) continue;
        struct ck_finding *finding = ck_found(l->work, CK_INCOMPATIBLE, txn, read, l->longest_of[op->key]);
        ck_say(finding, "T%u read %s with %s as element %llu, T%u read it with %s there", txn,
               ck_key_name(l->work, op->key).text, ck_value_name(l->h->lists[op->version + i]).text,
               (unsigned long long)i + 1, l->longest_of[op->key],
               ck_value_name(l->h->lists[longest->version + i]).text);
        return;
    }
}

/* --- the order of versions
 * --------------------------------------------------------------------------------------------- */

static void add_entry(struct ck_versions *v, uint32_t key, uint32_t position) {
    if (v->end[key] != v->start[key] && v->entries[v->end[key] - 1] >> 1 == position) return;
    v->entries[v->end[key]++] = position << 1;
}

static void order_key(struct lists *l, uint32_t key) {
    const struct hs_op *op = &l->h->ops[l->longest[key]];
    uint64_t n = l->external[key];
    struct ck_versions *v = l->work->versions;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t write = ck_value_written(l->b, key, l->h->lists[op->version + i]);
        bool more = false;
        for (uint64_t j = i + 1; j < n && !more; j++) {
            uint64_t next = ck_value_written(l->b, key, l->h->lists[op->version + j]);
            more = next != CK_NO_OP && ck_committed(l->work, l->b->owner[next]);
            if (j > i + 8) break;
        }
        l->entry_at[op->version + i] = v->end[key] == v->start[key] ? CK_NO_ENTRY : v->end[key] - 1;
        if (write == CK_NO_OP || !ck_committed(l->work, l->b->owner[write]) || !ck_is_write(&l->h->ops[write])) {
            (void)ck_judge_source(l->b, l->longest_of[key], l->longest[key], write, more);
            continue;
        }
        if ((l->seen[write >> 6] >> (write & 63) & 1) != 0) {
            struct ck_finding *finding =
                ck_found(l->work, CK_DUPLICATE, l->longest_of[key], l->longest[key], CK_NO_TXN);
            ck_say(finding, "T%u read %s with %s in it twice", l->longest_of[key], ck_key_name(l->work, key).text,
                   ck_value_name(l->h->ops[write].value).text);
            continue;
        }
        l->seen[write >> 6] |= (uint64_t)1 << (write & 63);
        add_entry(v, key, l->b->position[l->b->owner[write]]);
        l->entry_at[op->version + i] = v->end[key] - 1;
    }
}

/* Whether the transaction had read all of the list that is known, and then appended to it, at a level at which nobody
 * may come between; *read is the read. */
static bool extends(struct lists *l, uint32_t txn, uint32_t key, uint64_t *read) {
    const struct hs_txn *t = &l->h->txns[txn];
    if (ck_level(l->work, t) < VARVE_REPEATABLE_READ) return false;
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
        const struct hs_op *op = &l->h->ops[i];
        if (op->key != key || op->kind != HS_LIST) continue;
        *read = i;
        return external_length(l, txn, op) == l->external[key];
    }
    return false;
}

static void lost_update(struct lists *l, uint32_t key, uint32_t first, uint32_t second, uint64_t read) {
    struct ck_finding *finding = ck_found(l->work, CK_LOST_UPDATE, second, read, first);
    const struct hs_op *op = &l->h->ops[l->longest[key]];
    if (finding == NULL) return;
    int64_t last = l->external[key] == 0 ? HS_ABSENT : l->h->lists[op->version + l->external[key] - 1];
    finding->edge_count = 2;
    finding->edges[0] = (struct ck_edge){first, second, key, CK_RW, last, 0};
    finding->edges[1] = (struct ck_edge){second, first, key, CK_RW, last, 0};
    finding->edges[0].to_value = ck_last_write(l->h, &l->h->txns[second], key)->value;
    finding->edges[1].to_value = ck_last_write(l->h, &l->h->txns[first], key)->value;
    ck_say(finding, "T%u and T%u both read %s up to %s and appended to that", first, second,
           ck_key_name(l->work, key).text, ck_value_name(last).text);
    ck_say(finding, "T%u before T%u: T%u did not see what T%u appended", first, second, first, second);
    ck_say(finding, "T%u before T%u: T%u did not see what T%u appended", second, first, second, first);
}

/* The one that extends what is known comes right behind it: its entry is moved there, and the tail begins after it. */
static void move_extension(struct lists *l, uint32_t key, uint32_t *tail) {
    struct ck_versions *v = l->work->versions;
    uint32_t first = CK_NO_TXN;
    uint64_t read = 0;
    for (uint32_t e = *tail; e < v->end[key]; e++) {
        uint32_t txn = ck_writer(l->work, e), entry = v->entries[e];
        if (!extends(l, txn, key, &read)) continue;
        if (first != CK_NO_TXN) {
            lost_update(l, key, first, txn, read);
            return;
        }
        first = txn;
        v->entries[e] = v->entries[*tail];
        v->entries[*tail] = entry;
    }
    if (first != CK_NO_TXN) ++*tail;
}

static void add_unseen(struct lists *l) {
    for (uint32_t p = 1; p <= l->work->commit_count; p++) {
        const struct hs_txn *txn = &l->h->txns[l->work->txn_at[p]];
        for (uint64_t i = txn->first_op; i < txn->first_op + txn->op_count; i++)
            if (ck_is_write(&l->h->ops[i]) && (l->seen[i >> 6] >> (i & 63) & 1) == 0)
                add_entry(l->work->versions, l->h->ops[i].key, p);
    }
}

/* What was appended and stands in no list comes last. */
static void add_tails(struct lists *l, uint32_t *tail) {
    struct ck_versions *v = l->work->versions;
    for (size_t k = 0; k < l->h->key_count; k++) tail[k] = v->end[k];
    add_unseen(l);
    for (size_t k = 0; k < l->h->key_count; k++) {
        if (v->end[k] != tail[k] && l->longest[k] != CK_NO_OP) move_extension(l, (uint32_t)k, &tail[k]);
        if (v->end[k] - tail[k] < 2) continue;
        l->b->partial.unordered[k >> 6] |= (uint64_t)1 << (k & 63);
        for (uint32_t e = v->start[k]; e + 1 < tail[k]; e++) (void)ck_pair_add(l->b, e, e + 1);
        for (uint32_t e = tail[k]; e < v->end[k] && tail[k] != v->start[k]; e++)
            (void)ck_pair_add(l->b, tail[k] - 1, e);
    }
}

static void set_slot(struct lists *l, uint32_t txn, uint64_t read) {
    const struct hs_op *op = &l->h->ops[read];
    uint64_t n = external_length(l, txn, op);
    if (n == 0 || n > l->external[op->key]) return;
    l->work->slots[read] = l->entry_at[l->h->ops[l->longest[op->key]].version + n - 1];
    uint64_t write = ck_value_written(l->b, op->key, l->h->lists[op->version + n - 1]);
    if (write != CK_NO_OP && ck_committed(l->work, l->b->owner[write]))
        (void)ck_judge_source(l->b, txn, read, write, false);
}

static bool versions_init(struct lists *l) {
    struct ck_work *work = l->work;
    size_t keys = l->h->key_count;
    if (!ck_versions_build(work)) return false; /* room for an entry for each append */
    memcpy(work->versions->end, work->versions->start, keys * sizeof(*work->versions->end));
    l->longest = ck_alloc(work, keys, sizeof(*l->longest));
    l->external = ck_zalloc(work, keys, sizeof(*l->external));
    l->longest_of = ck_zalloc(work, keys, sizeof(*l->longest_of));
    l->entry_at = ck_alloc(work, l->h->list_count, sizeof(*l->entry_at));
    l->seen = ck_zalloc(work, l->h->op_count / 64 + 1, sizeof(*l->seen));
    if (work->status == VARVE_OK) memset(l->longest, 0xff, keys * sizeof(*l->longest));
    return work->status == VARVE_OK;
}

void ck_lists_resolve(struct ck_blackbox *b) {
    struct ck_work *work = b->work;
    struct lists l = {.b = b, .work = work, .h = work->h};
    size_t keys = work->h->key_count;
    uint32_t *tail = ck_alloc(work, keys, sizeof(*tail));
    if (versions_init(&l) && tail != NULL) {
        each_list(&l, find_longest);
        each_list(&l, check_prefix);
        for (size_t k = 0; k < keys; k++)
            if (l.longest[k] != CK_NO_OP) order_key(&l, (uint32_t)k);
        add_tails(&l, tail);
        each_list(&l, set_slot);
    }
    ck_free(work, tail, keys, sizeof(*tail));
    ck_free(work, l.longest, keys, sizeof(*l.longest));
    ck_free(work, l.external, keys, sizeof(*l.external));
    ck_free(work, l.longest_of, keys, sizeof(*l.longest_of));
    ck_free(work, l.entry_at, work->h->list_count, sizeof(*l.entry_at));
    ck_free(work, l.seen, work->h->op_count / 64 + 1, sizeof(*l.seen));
}
