/* guess.c - an order of all points in which everything that is known can happen: if one is found, it is a witness.
 *
 * The points of the known graph are worked off as they become ready, earliest end first, as if they were executed: a
 * writer of a key whose order is not known has to wait until all who read the version that is there now have done so,
 * and, behind a writer at snapshot that has read, until that has committed. Which of several ready writers goes first
 * is a guess; one that leads nowhere ends the attempt, and the search is asked.
 *
 * Source: Kahn, Topological Sorting of Large Networks, CACM 1962; the rest is a scheduler without a second thought.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/blackbox.h"

enum { TRIES_A_POINT = 64 };

struct guess {
    const struct ck_blackbox *b;
    struct ck_work *work;
    const struct ck_graph *g;
    uint32_t *waits;     /* [points] edges into it that are not worked off */
    uint32_t *remaining; /* [entries] reads of it that are still to come */
    uint32_t *current;   /* [key_count] the entry that is there now */
    uint32_t *held_by;   /* [key_count] writer at snapshot that has read and not committed */
    struct ck_item *heap;
    size_t heap_count;
    uint32_t *blocked; /* ready, but has to wait */
    size_t blocked_count;
    uint32_t point, txn; /* being worked off */
};

static void heap_push(struct guess *s, struct ck_item item) {
    size_t i = s->heap_count++;
    for (; i > 0 && s->heap[(i - 1) / 2].key > item.key; i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = item;
}

static struct ck_item heap_pop(struct guess *s) {
    struct ck_item top = s->heap[0], last = s->heap[--s->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < s->heap_count; i = child) {
        if (child + 1 < s->heap_count && s->heap[child + 1].key < s->heap[child].key) child++;
        if (s->heap[child].key >= last.key) break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return top;
}

static void push_point(struct guess *s, uint32_t point) {
    uint32_t txn = s->g->txn_of[point];
    uint64_t key = txn == CK_NO_TXN ? 0 : s->work->h->timed ? s->work->h->txns[txn].end : txn;
    heap_push(s, (struct ck_item){key, point, 0});
}

static bool is_unordered(const struct guess *s, uint32_t key) {
    return (s->b->partial.unordered[key >> 6] >> (key & 63) & 1) != 0;
}

static varve_isolation level_of(const struct guess *s, uint32_t txn) {
    return ck_level(s->work, &s->work->h->txns[txn]);
}

/* --- reads
 * ------------------------------------------------------------------------------------------------------------ */

static void count_read(void *arg, const struct ck_dependency *d) {
    struct guess *s = arg;
    if (d->from != CK_NO_ENTRY && is_unordered(s, d->key)) s->remaining[d->from]++;
}

static void finish_read(void *arg, const struct ck_dependency *d) {
    struct guess *s = arg;
    if (d->from != CK_NO_ENTRY && is_unordered(s, d->key)) s->remaining[d->from]--;
}

/* At read committed nobody has to wait: what binds there is among the known pairs. */
static bool binds(const struct guess *s, uint32_t txn) { return level_of(s, txn) >= VARVE_REPEATABLE_READ; }

/* What binds is read at the first point. */
static bool reads_here(const struct guess *s) { return binds(s, s->txn) && s->point == s->g->first_point[s->txn]; }

static uint32_t own_reads(const struct guess *s, uint32_t entry) {
    const struct hs_txn *t = &s->work->h->txns[s->txn];
    uint32_t count = 0;
    bool done = !reads_here(s);
    for (uint64_t i = t->first_op; !done && i < t->first_op + t->op_count; i++) {
        uint8_t kind = s->work->h->ops[i].kind;
        count += (kind == HS_READ || kind == HS_ROW || kind == HS_LIST) && s->work->slots[i] == entry;
    }
    return count;
}

/* --- writes
 * ----------------------------------------------------------------------------------------------------------- */

static bool may_go(const struct guess *s) {
    const struct hs_history *h = s->work->h;
    const struct hs_txn *t = &h->txns[s->txn];
    bool snapshot = level_of(s, s->txn) == VARVE_SNAPSHOT, last = ck_next_point(s->g, s->point) == UINT32_MAX;
    if (!last && !snapshot) return true;
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
        uint32_t key = h->ops[i].key;
        if (!ck_is_write(&h->ops[i]) || !is_unordered(s, key)) continue;
        if (s->held_by[key] != CK_NO_TXN && s->held_by[key] != s->txn) return false;
        uint32_t now = s->current[key];
        if (last && now != CK_NO_ENTRY && s->remaining[now] > own_reads(s, now)) return false;
    }
    return true;
}

/* The last entry of the transaction in the key; those of lists are not by position. */
static uint32_t entry_of(const struct guess *s, uint32_t key) {
    const struct ck_versions *v = s->work->versions;
    uint32_t position = s->b->position[s->txn], e = v->end[key];
    if (s->work->h->shape != HS_LISTS) return ck_version_at(v, key, position);
    while (e-- > v->start[key])
        if (v->entries[e] >> 1 == position) return e;
    return CK_NO_ENTRY;
}

static void install(struct guess *s) {
    const struct hs_history *h = s->work->h;
    const struct hs_txn *t = &h->txns[s->txn];
    bool snapshot = level_of(s, s->txn) == VARVE_SNAPSHOT, last = ck_next_point(s->g, s->point) == UINT32_MAX;
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
        uint32_t key = h->ops[i].key;
        if (!ck_is_write(&h->ops[i]) || !is_unordered(s, key)) continue;
        if (snapshot) s->held_by[key] = last ? CK_NO_TXN : s->txn;
        if (last) s->current[key] = entry_of(s, key);
    }
}

/* --- working off
 * ------------------------------------------------------------------------------------------------------ */

static bool execute(struct guess *s, uint32_t point, uint32_t *rank, uint32_t *next_rank) {
    const struct ck_graph *g = s->g;
    s->point = point;
    s->txn = g->txn_of[point];
    uint32_t next = ck_next_point(g, point);
    if (s->txn != CK_NO_TXN) {
        if (!may_go(s)) return false;
        if (reads_here(s)) ck_dependencies(s->work, s->txn, finish_read, s);
        install(s);
        if (next == UINT32_MAX) rank[s->txn] = (*next_rank)++;
    }
    for (uint32_t e = g->edge_start[point]; e < g->edge_start[point + 1]; e++)
        if (--s->waits[g->edge_to[e]] == 0) push_point(s, g->edge_to[e]);
    if (next != UINT32_MAX && --s->waits[next] == 0) push_point(s, next);
    return true;
}

static void work_off(struct guess *s, uint32_t *rank) {
    const struct ck_graph *g = s->g;
    uint32_t next_rank = 0;
    uint64_t tries = (uint64_t)g->points * TRIES_A_POINT;
    for (uint32_t p = 0; p < g->points; p++) {
        for (uint32_t e = g->edge_start[p]; e < g->edge_start[p + 1]; e++) s->waits[g->edge_to[e]]++;
        if (ck_next_point(g, p) != UINT32_MAX) s->waits[p + 1]++;
    }
    for (uint32_t p = 0; p < g->points; p++)
        if (s->waits[p] == 0) push_point(s, p);
    for (; s->heap_count != 0 && tries != 0; tries--) {
        uint32_t point = heap_pop(s).txn;
        if (!execute(s, point, rank, &next_rank)) {
            s->blocked[s->blocked_count++] = point;
            continue;
        }
        while (g->txn_of[point] != CK_NO_TXN && s->blocked_count != 0) push_point(s, s->blocked[--s->blocked_count]);
    }
}

bool ck_guess(struct ck_blackbox *b, const struct ck_graph *known, uint32_t *rank) {
    struct ck_work *work = b->work;
    size_t points = known->points, keys = work->h->key_count, entries = work->versions->count;
    struct guess s = {.b = b, .work = work, .g = known};
    s.waits = ck_zalloc(work, points, sizeof(*s.waits));
    s.blocked = ck_alloc(work, points, sizeof(*s.blocked));
    s.heap = ck_alloc(work, points, sizeof(*s.heap));
    s.remaining = ck_zalloc(work, entries, sizeof(*s.remaining));
    s.current = ck_alloc(work, keys, 2 * sizeof(*s.current));
    if (work->status == VARVE_OK) {
        s.held_by = s.current + keys;
        memset(s.current, 0xff, 2 * keys * sizeof(*s.current));
        for (size_t t = 0; t < work->h->txn_count; t++)
            if (ck_committed(work, (uint32_t)t) && binds(&s, (uint32_t)t))
                ck_dependencies(work, (uint32_t)t, count_read, &s);
        work_off(&s, rank);
    }
    ck_free(work, s.waits, points, sizeof(*s.waits));
    ck_free(work, s.blocked, points, sizeof(*s.blocked));
    ck_free(work, s.heap, points, sizeof(*s.heap));
    ck_free(work, s.remaining, entries, sizeof(*s.remaining));
    ck_free(work, s.current, keys, 2 * sizeof(*s.current));
    return work->status == VARVE_OK;
}
