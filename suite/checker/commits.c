/* commits.c - the order of commit timestamps: which transaction stands where, and what was acknowledged when.
 *
 * Owns txn_at, cts_at and what finds a position by its cts. Readers do not stand in this order.
 *
 * Invariants: 1. cts_at is strictly ascending (two transactions with one cts are a finding). 2. end_after[p] is the
 * least end at positions p and later, so that it ascends with p, and the last p with end_after[p] < t is the last
 * position that was acknowledged before t.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/checker_int.h"

/* A transaction of unknown outcome has committed if a committed one has seen its version. */
static void note_observed(struct ck_work *work, const struct ck_item *unknown, size_t count) {
    const struct hs_history *h = work->h;
    for (size_t t = 0; t < h->txn_count; t++) {
        if (h->txns[t].outcome != HS_COMMITTED) continue;
        const struct hs_op *ops = h->ops + h->txns[t].first_op;
        for (uint32_t i = 0; i < h->txns[t].op_count; i++) {
            bool reads = ops[i].kind == HS_READ || ops[i].kind == HS_ROW || ops[i].kind == HS_EXISTS;
            if (!reads || (ops[i].flags & HS_OWN) != 0) continue;
            size_t low = 0, high = count;
            while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (unknown[middle].key < ops[i].version)
                    low = middle + 1;
                else
                    high = middle;
            }
            if (low < count && unknown[low].key == ops[i].version)
                work->observed[unknown[low].txn >> 6] |= (uint64_t)1 << (unknown[low].txn & 63);
        }
    }
}

static bool find_observed(struct ck_work *work) {
    const struct hs_history *h = work->h;
    size_t count = 0;
    for (size_t t = 0; t < h->txn_count; t++) count += h->txns[t].outcome == HS_UNKNOWN && h->txns[t].cts != 0;
    if (count == 0) return true;
    struct ck_item *items = ck_alloc(work, count, 2 * sizeof(*items));
    work->observed = ck_zalloc(work, h->txn_count / 64 + 1, sizeof(*work->observed));
    if (work->status == VARVE_OK) {
        size_t n = 0;
        for (size_t t = 0; t < h->txn_count; t++)
            if (h->txns[t].outcome == HS_UNKNOWN && h->txns[t].cts != 0)
                items[n++] = (struct ck_item){h->txns[t].cts, (uint32_t)t, 0};
        ck_sort(items, items + count, count);
        note_observed(work, items, count);
    }
    ck_free(work, items, count, 2 * sizeof(*items));
    return work->status == VARVE_OK;
}

/* Committed transactions with writes; counts what the report tells. SIZE_MAX: one has no cts. */
static size_t count_writers(struct ck_work *work) {
    const struct hs_history *h = work->h;
    size_t count = 0;
    for (size_t t = 0; t < h->txn_count; t++) {
        const struct hs_txn *txn = &h->txns[t];
        if (!ck_committed(work, (uint32_t)t) || !ck_has_writes(h, txn)) continue;
        if (txn->cts == 0) {
            snprintf(work->report->unknown, sizeof(work->report->unknown),
                     "T%zu has committed writes without a commit timestamp", t);
            return SIZE_MAX;
        }
        count++;
    }
    return count;
}

static bool sort_writers(struct ck_work *work, size_t count) {
    const struct hs_history *h = work->h;
    struct ck_item *items = ck_alloc(work, count, 2 * sizeof(*items));
    if (items == NULL) return false;
    size_t n = 0;
    for (size_t t = 0; t < h->txn_count; t++)
        if (ck_committed(work, (uint32_t)t) && ck_has_writes(h, &h->txns[t]))
            items[n++] = (struct ck_item){h->txns[t].cts, (uint32_t)t, 0};
    ck_sort(items, items + count, count);
    for (size_t i = 0; i < count; i++) {
        work->txn_at[i + 1] = items[i].txn;
        work->cts_at[i + 1] = items[i].key;
        if (i == 0 || items[i - 1].key != items[i].key) continue;
        struct ck_finding *finding = ck_found(work, CK_DUPLICATE, items[i].txn, CK_NO_OP, items[i - 1].txn);
        ck_say(finding, "T%u and T%u have the same commit timestamp %llu", items[i - 1].txn, items[i].txn,
               (unsigned long long)items[i].key);
    }
    ck_free(work, items, count, 2 * sizeof(*items));
    return true;
}

static void fill_buckets(struct ck_work *work) {
    uint32_t count = work->commit_count, bucket = 0;
    for (uint32_t p = 1; p <= count; p++) {
        uint64_t wanted = (work->cts_at[p] - work->first_cts) >> work->bucket_shift;
        while (bucket <= wanted) work->buckets[bucket++] = p;
    }
    while (bucket <= work->bucket_count) work->buckets[bucket++] = count + 1;
}

static bool index_positions(struct ck_work *work) {
    uint32_t count = work->commit_count;
    work->first_cts = count == 0 ? 0 : work->cts_at[1];
    uint64_t span = count == 0 ? 0 : work->cts_at[count] - work->first_cts;
    while (span >> work->bucket_shift >= (uint64_t)count / 2 + 1) work->bucket_shift++;
    work->bucket_count = (uint32_t)(span >> work->bucket_shift) + 1;
    work->buckets = ck_alloc(work, (size_t)work->bucket_count + 1, sizeof(*work->buckets));
    work->end_after = ck_alloc(work, (size_t)count + 2, sizeof(*work->end_after));
    if (work->status != VARVE_OK) return false;
    fill_buckets(work);
    work->end_after[count + 1] = UINT64_MAX;
    for (uint32_t p = count; p > 0; p--) {
        uint64_t end = work->h->txns[work->txn_at[p]].end;
        work->end_after[p] = end < work->end_after[p + 1] ? end : work->end_after[p + 1];
    }
    return true;
}

bool ck_commits_init(struct ck_work *work) {
    uint64_t began = ck_now_ns();
    if (!find_observed(work)) return false;
    size_t count = count_writers(work);
    if (count >= UINT32_MAX / 2) return false;
    work->commit_count = (uint32_t)count;
    work->txn_at = ck_alloc(work, count + 1, sizeof(*work->txn_at));
    work->cts_at = ck_alloc(work, count + 1, sizeof(*work->cts_at));
    if (work->status != VARVE_OK) return false;
    work->txn_at[0] = CK_NO_TXN;
    work->cts_at[0] = 0;
    bool done = sort_writers(work, count) && index_positions(work);
    ck_pass(work, "commits", began, work->h->txn_count);
    return done;
}

void ck_commits_release(struct ck_work *work) {
    size_t count = work->commit_count;
    ck_free(work, work->observed, work->h->txn_count / 64 + 1, sizeof(*work->observed));
    ck_free(work, work->txn_at, count + 1, sizeof(*work->txn_at));
    ck_free(work, work->cts_at, count + 1, sizeof(*work->cts_at));
    ck_free(work, work->buckets, (size_t)work->bucket_count + 1, sizeof(*work->buckets));
    ck_free(work, work->end_after, count + 2, sizeof(*work->end_after));
    ck_free(work, work->chosen, work->h->txn_count, sizeof(*work->chosen));
    work->observed = work->cts_at = work->end_after = NULL;
    work->txn_at = work->buckets = work->chosen = NULL;
}

uint32_t ck_position(const struct ck_work *work, uint64_t cts) {
    if (work->commit_count == 0 || cts < work->first_cts) return 0;
    uint64_t bucket = (cts - work->first_cts) >> work->bucket_shift;
    if (bucket >= work->bucket_count) return work->commit_count;
    uint32_t low = work->buckets[bucket], high = work->buckets[bucket + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (work->cts_at[middle] <= cts)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

void ck_position_fetch(const struct ck_work *work, uint64_t cts) {
    if (work->commit_count == 0 || cts < work->first_cts) return;
    uint64_t bucket = (cts - work->first_cts) >> work->bucket_shift;
    if (bucket >= work->bucket_count) return;
    __builtin_prefetch(&work->buckets[bucket]);
    /* About where it stands if the stamps are spread evenly. */
    __builtin_prefetch(&work->cts_at[1 + bucket * work->commit_count / work->bucket_count]);
}

uint32_t ck_position_of(const struct ck_work *work, uint64_t cts) {
    uint32_t position = ck_position(work, cts);
    return position != 0 && work->cts_at[position] == cts ? position : 0;
}

uint32_t ck_acknowledged(const struct ck_work *work, uint64_t begin) {
    uint32_t low = 1, high = work->commit_count + 1;
    if (!work->strict) return 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (work->end_after[middle] < begin)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}
