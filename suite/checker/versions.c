/* versions.c - by key, the positions that wrote it: who was newest at a stamp, and who came next.
 *
 * Owns the index. It is filled by one walk over the commits in order, so that the entries of a key ascend; a
 * transaction that wrote a key twice has one entry, with the last of its writes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "checker/checker_int.h"

static size_t count_entries(struct ck_work *work, uint32_t *counts) {
    const struct hs_history *h = work->h;
    size_t sum = 0;
    for (uint32_t p = 1; p <= work->commit_count; p++) {
        const struct hs_txn *txn = &h->txns[work->txn_at[p]];
        const struct hs_op *ops = h->ops + txn->first_op;
        for (uint32_t i = 0; i < txn->op_count; i++)
            if (ck_is_write(&ops[i])) {
                counts[ops[i].key]++;
                sum++;
            }
    }
    return sum;
}

enum { AHEAD = 8 };

static inline void fetch_ahead(const struct ck_work *work, const uint32_t *column, uint32_t p) {
    if (p + AHEAD > work->commit_count) return;
    const struct hs_txn *txn = &work->h->txns[work->txn_at[p + AHEAD]];
    const struct hs_op *ops = work->h->ops + txn->first_op;
    uint32_t count = txn->op_count < 16 ? txn->op_count : 16;
    for (uint32_t i = 0; i < count; i++)
        if (ck_is_write(&ops[i])) __builtin_prefetch(&column[ops[i].key], 1);
}

static void fill_entries(struct ck_work *work, struct ck_versions *versions) {
    const struct hs_history *h = work->h;
    for (uint32_t p = 1; p <= work->commit_count; p++) {
        fetch_ahead(work, versions->end, p);
        const struct hs_txn *txn = &h->txns[work->txn_at[p]];
        const struct hs_op *ops = h->ops + txn->first_op;
        for (uint32_t i = 0; i < txn->op_count; i++) {
            if (!ck_is_write(&ops[i])) continue;
            uint32_t key = ops[i].key, *end = &versions->end[key];
            uint32_t entry = p << 1 | (ops[i].kind == HS_DELETE);
            if (ops[i].kind == HS_DELETE) versions->deleted[key >> 6] |= (uint64_t)1 << (key & 63);
            bool again = *end > versions->start[key] && versions->entries[*end - 1] >> 1 == p;
            if (!again) ++*end;
            versions->entries[*end - 1] = entry;
            versions->values[*end - 1] = ops[i].kind == HS_DELETE ? HS_ABSENT : ops[i].value;
        }
    }
}

bool ck_versions_build(struct ck_work *work) {
    size_t keys = work->h->key_count;
    if (work->versions != NULL) return true;
    struct ck_versions *versions = work->versions = ck_zalloc(work, 1, sizeof(*versions));
    if (versions == NULL) return false;
    versions->start = ck_zalloc(work, keys, sizeof(*versions->start));
    versions->end = ck_alloc(work, keys, sizeof(*versions->end));
    versions->deleted = ck_zalloc(work, keys / 64 + 1, sizeof(*versions->deleted));
    if (work->status != VARVE_OK) return false;
    versions->count = count_entries(work, versions->start);
    if (versions->count >= UINT32_MAX) {
        work->status = VARVE_NOMEM;
        return false;
    }
    versions->entries = ck_zalloc(work, versions->count, sizeof(*versions->entries));
    versions->values = ck_alloc(work, versions->count, sizeof(*versions->values));
    if (work->status != VARVE_OK) return false;
    uint32_t sum = 0;
    for (size_t k = 0; k < keys; k++) {
        uint32_t n = versions->start[k];
        versions->start[k] = versions->end[k] = sum;
        sum += n;
    }
    fill_entries(work, versions);
    return true;
}

void ck_versions_release(struct ck_work *work) {
    struct ck_versions *versions = work->versions;
    if (versions == NULL) return;
    ck_free(work, versions->start, work->h->key_count, sizeof(*versions->start));
    ck_free(work, versions->end, work->h->key_count, sizeof(*versions->end));
    ck_free(work, versions->deleted, work->h->key_count / 64 + 1, sizeof(*versions->deleted));
    ck_free(work, versions->entries, versions->count, sizeof(*versions->entries));
    ck_free(work, versions->values, versions->count, sizeof(*versions->values));
    ck_free(work, versions, 1, sizeof(*versions));
    work->versions = NULL;
}

uint32_t ck_version_at(const struct ck_versions *versions, uint32_t key, uint32_t stamp) {
    uint32_t low = versions->start[key], high = versions->end[key];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (versions->entries[middle] >> 1 <= stamp)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}
