/* replay.c - the second and third pass: every committed transaction at its stamp, in the order of commits.
 *
 * Owns the state of the store as it was at the stamp the walk has reached: by key the cts and value of the newest
 * version, and a bit for each present key in key order. A transaction with writes comes at its cts: at serializable and
 * repeatable read what it read must be the state then; at every level what its writes relied on must hold then. A
 * snapshot is looked at right after the commits it covers; at snapshot isolation a writer comes a second time, at its
 * cts, where nothing it overwrites may be newer than its snapshot. That the whole is explained by one state that moves
 * in one order is the proof: README.md.
 *
 * Real time costs one comparison: in an order that keeps it, no transaction may have ended before another began that
 * stands before it.
 *
 * Source: the idea of replaying an expected serialization order: Clark et al., Validating Database System Isolation
 * Level Implementations with Version Certificate Recovery, EuroSys 2024.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/checker_int.h"

struct newest {
    uint64_t cts;
    int64_t value; /* HS_ABSENT: never was, or deleted */
};

/* What a snapshot event is for. */
enum snapshot_kind { READ_AND_TIME, TIME_ONLY, READ_ONLY };

struct replay {
    struct ck_work *work;
    const struct hs_history *h;
    struct newest *state; /* [key_count] */
    uint64_t *present;    /* bits by rank */
    size_t words;
    struct ck_item *snapshots; /* by position */
    size_t snapshot_count;
    uint64_t latest_begin, group_begin, group_stamp; /* real time */
    uint32_t latest_txn, group_txn;
    uint32_t *session_seen; /* by session: one more than the last transaction of it in the order so far */
};

/* --- faults ---------------------------------------------------------------------------------------------------------
 */

static enum ck_anomaly class_of(const struct ck_work *work, const struct hs_txn *txn) {
    return ck_level(work, txn) == VARVE_SNAPSHOT ? CK_G_SI : CK_ORDER;
}

static void say_place(const struct replay *r, struct ck_finding *finding, uint32_t txn, bool at_commit) {
    const struct hs_txn *t = &r->h->txns[txn];
    if (at_commit)
        ck_say(finding, "T%u is judged at its commit timestamp %llu", txn, (unsigned long long)t->cts);
    else if (t->snapshot != HS_NO_STAMP)
        ck_say(finding, "T%u is judged at its snapshot %llu", txn, (unsigned long long)t->snapshot);
}

static uint32_t writer_of(const struct replay *r, uint64_t cts) {
    uint32_t position = ck_position_of(r->work, cts);
    return position == 0 ? CK_NO_TXN : r->work->txn_at[position];
}

static void misread(struct replay *r, uint32_t txn, uint64_t op, bool at_commit) {
    const struct hs_op *o = &r->h->ops[op];
    const struct newest *now = &r->state[o->key];
    struct ck_finding *finding =
        ck_found(r->work, class_of(r->work, &r->h->txns[txn]), txn, op, writer_of(r, now->cts));
    if (finding == NULL) return;
    say_place(r, finding, txn, at_commit);
    ck_say(finding, "it was answered %s = %s (version %llu)", ck_key_name(r->work, o->key).text,
           ck_value_name(o->value).text, (unsigned long long)o->version);
    ck_say(finding, "the state there is %s = %s (version %llu)", ck_key_name(r->work, o->key).text,
           ck_value_name(now->value).text, (unsigned long long)now->cts);
}

static void missed_row(struct replay *r, uint32_t txn, uint64_t scan, uint32_t key, bool at_commit) {
    struct ck_finding *finding =
        ck_found(r->work, class_of(r->work, &r->h->txns[txn]), txn, scan, writer_of(r, r->state[key].cts));
    if (finding == NULL) return;
    say_place(r, finding, txn, at_commit);
    ck_say(finding, "a scan did not return %s, which is %s there (version %llu)", ck_key_name(r->work, key).text,
           ck_value_name(r->state[key].value).text, (unsigned long long)r->state[key].cts);
}

static void relied_in_vain(struct replay *r, uint32_t txn, uint64_t op) {
    const struct hs_op *o = &r->h->ops[op];
    struct ck_finding *finding = ck_found(r->work, CK_LOST_UPDATE, txn, op, writer_of(r, r->state[o->key].cts));
    if (finding == NULL) return;
    ck_say(finding, "T%u wrote %s and relied on its being %s", txn, ck_key_name(r->work, o->key).text,
           (o->flags & HS_NEEDS_ABSENT) != 0 ? "absent" : "there");
    ck_say(finding, "at its commit timestamp it is %s (version %llu)", ck_value_name(r->state[o->key].value).text,
           (unsigned long long)r->state[o->key].cts);
}

static void overwrote_unseen(struct replay *r, uint32_t txn, uint64_t op) {
    const struct hs_op *o = &r->h->ops[op];
    struct ck_finding *finding = ck_found(r->work, CK_G_SI, txn, op, writer_of(r, r->state[o->key].cts));
    if (finding == NULL) return;
    ck_say(finding,
           "T%u at snapshot %llu overwrote %s, whose version %llu is newer than its snapshot: the first committer "
           "did not win",
           txn, (unsigned long long)r->h->txns[txn].snapshot, ck_key_name(r->work, o->key).text,
           (unsigned long long)r->state[o->key].cts);
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

static inline bool matches(const struct newest *now, const struct hs_op *op) {
    if (op->value == HS_ABSENT) return now->value == HS_ABSENT;
    return now->cts == op->version && now->value == op->value;
}

static bool presence_holds(const struct replay *r, uint32_t txn, uint64_t op) {
    const struct hs_op *o = &r->h->ops[op];
    bool absent = r->state[o->key].value == HS_ABSENT;
    if (absent == (ck_presence(o) == CK_SAYS_ABSENT)) return true;
    return ck_wrote_before(r->h, &r->h->txns[txn], op, o->key); /* judged by the first pass */
}

/* Present keys at ranks low .. high - 1. */
static uint64_t count_present(const struct replay *r, uint32_t low, uint32_t high) {
    if (low >= high) return 0;
    size_t first = low >> 6, last = (high - 1) >> 6;
    uint64_t head = ~(uint64_t)0 << (low & 63), tail = ~(uint64_t)0 >> (63 - ((high - 1) & 63));
    if (first == last) return (uint64_t)__builtin_popcountll(r->present[first] & head & tail);
    uint64_t count = (uint64_t)__builtin_popcountll(r->present[first] & head);
    for (size_t w = first + 1; w < last; w++) count += (uint64_t)__builtin_popcountll(r->present[w]);
    return count + (uint64_t)__builtin_popcountll(r->present[last] & tail);
}

/* The first present key at rank low or later, or `high`. */
static uint32_t next_present(const struct replay *r, uint32_t low, uint32_t high) {
    while (low < high) {
        uint64_t word = r->present[low >> 6] >> (low & 63);
        if (word != 0) {
            uint32_t found = low + (uint32_t)__builtin_ctzll(word);
            return found < high ? found : high;
        }
        low = (low | 63) + 1;
    }
    return high;
}

/* The slow way, when counts differ: the first present key that is neither a row nor an own key. */
static bool find_missed(struct replay *r, uint32_t txn, uint64_t scan, uint64_t count, bool at_commit) {
    uint32_t low, high;
    struct ck_rows rows = ck_rows_of(r->h, scan, count);
    ck_interval(r->h, &r->h->ops[scan], &low, &high);
    for (uint32_t rank = next_present(r, low, high); rank < high; rank = next_present(r, rank + 1, high)) {
        uint32_t key = r->h->key_order[rank];
        if (ck_rows_have(&rows, rank) || ck_wrote_before(r->h, &r->h->txns[txn], scan, key)) continue;
        missed_row(r, txn, scan, key, at_commit);
        return false;
    }
    return true;
}

/* The rows of a scan and, where gaps count, the absence of all else. */
static bool scan_holds(struct replay *r, uint32_t txn, uint64_t scan, uint64_t *last, bool gaps, bool at_commit) {
    const struct hs_txn *t = &r->h->txns[txn];
    const struct hs_op *ops = r->h->ops;
    uint64_t end = t->first_op + t->op_count, i = scan + 1, external = 0;
    for (; i < end && ops[i].kind == HS_ROW; i++) {
        if ((ops[i].flags & HS_OWN) != 0) continue;
        external += ops[i].value != HS_ABSENT; /* absent: the base below an own sum */
        if (!matches(&r->state[ops[i].key], &ops[i])) {
            misread(r, txn, i, at_commit);
            return false;
        }
    }
    *last = i - 1;
    if (!gaps) return true;
    uint32_t low, high;
    ck_interval(r->h, &ops[scan], &low, &high);
    if (count_present(r, low, high) == external) return true;
    return find_missed(r, txn, scan, i - 1 - scan, at_commit);
}

static bool op_holds(struct replay *r, uint32_t txn, uint64_t *at, bool gaps, bool at_commit) {
    const struct hs_op *op = &r->h->ops[*at];
    bool holds = true;
    switch (op->kind) {
    case HS_READ: holds = (op->flags & HS_OWN) != 0 || matches(&r->state[op->key], op); break;
    case HS_EXISTS: holds = (op->flags & HS_OWN) != 0 || presence_holds(r, txn, *at); break;
    case HS_SCAN: return scan_holds(r, txn, *at, at, gaps, at_commit);
    case HS_WRITE:
    case HS_DELETE: holds = (op->flags & HS_FAILED) == 0 || presence_holds(r, txn, *at); break;
    default: break;
    }
    if (!holds) misread(r, txn, *at, at_commit);
    return holds;
}

/* Up to the first fault: those after it say no more. */
static void check_reads(struct replay *r, uint32_t txn, bool gaps, bool at_commit) {
    const struct hs_txn *t = &r->h->txns[txn];
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++)
        if (!op_holds(r, txn, &i, gaps, at_commit)) return;
}

/* --- writing --------------------------------------------------------------------------------------------------------
 */

static void set_present(struct replay *r, uint32_t key, bool present) {
    uint32_t rank = r->h->key_rank[key];
    uint64_t bit = (uint64_t)1 << (rank & 63);
    if (present)
        r->present[rank >> 6] |= bit;
    else
        r->present[rank >> 6] &= ~bit;
}

static bool precondition_holds(const struct newest *now, const struct hs_op *op) {
    if ((op->flags & HS_NEEDS_ABSENT) != 0) return now->value == HS_ABSENT;
    return (op->flags & HS_NEEDS_PRESENT) == 0 || now->value != HS_ABSENT;
}

/* Applies what the transaction wrote. An entry that already has its cts was written by it, and judged there. */
static void apply(struct replay *r, uint32_t txn, bool first_committer) {
    const struct hs_txn *t = &r->h->txns[txn];
    const struct hs_op *ops = r->h->ops;
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
        if (!ck_is_write(&ops[i])) continue;
        struct newest *now = &r->state[ops[i].key];
        int64_t value = ops[i].kind == HS_DELETE ? HS_ABSENT : ops[i].value;
        if (now->cts != t->cts) {
            if (!precondition_holds(now, &ops[i]) && !ck_wrote_before(r->h, t, i, ops[i].key))
                relied_in_vain(r, txn, i);
            bool depends = (ops[i].flags & HS_ADDITION) == 0;
            if (first_committer && depends && now->cts > t->snapshot) overwrote_unseen(r, txn, i);
        }
        if ((now->value == HS_ABSENT) != (value == HS_ABSENT)) set_present(r, ops[i].key, value != HS_ABSENT);
        *now = (struct newest){t->cts, value};
    }
}

/* --- time -----------------------------------------------------------------------------------------------------------
 */

/* Transactions of one stamp are of one group: among them any order will do. */
static void enter_group(struct replay *r, uint64_t stamp) {
    if (stamp == r->group_stamp) return;
    if (r->group_begin > r->latest_begin) {
        r->latest_begin = r->group_begin;
        r->latest_txn = r->group_txn;
    }
    r->group_stamp = stamp;
    r->group_begin = 0;
}

static void note_begin(struct replay *r, uint32_t txn) {
    uint64_t begin = r->h->txns[txn].begin;
    if (begin <= r->group_begin) return;
    r->group_begin = begin;
    r->group_txn = txn;
}

static void check_time(struct replay *r, uint32_t txn) {
    if (!r->work->strict || r->h->txns[txn].end >= r->latest_begin) return;
    struct ck_finding *finding = ck_found(r->work, CK_REAL_TIME, txn, CK_NO_OP, r->latest_txn);
    ck_say(finding, "T%u had ended before T%u began, but stands after it in the order of commit timestamps", txn,
           r->latest_txn);
}

static void check_session(struct replay *r, uint32_t txn, bool starts, bool ends) {
    if (!r->work->sessions) return;
    uint32_t *seen = &r->session_seen[r->work->session_at[txn]];
    if (ends && *seen > txn + 1) {
        struct ck_finding *finding = ck_found(r->work, CK_SESSION, txn, CK_NO_OP, *seen - 1);
        ck_say(finding, "T%u came before T%u in session %u, but stands after it in the order of commit timestamps", txn,
               *seen - 1, r->h->txns[txn].session);
    }
    if (starts && *seen < txn + 1) *seen = txn + 1;
}

/* --- the walk: it goes on after a fault, since a worse one may follow
 * ------------------------------------------------- */

static void at_commit_of(struct replay *r, uint32_t position) {
    uint32_t txn = r->work->txn_at[position];
    const struct hs_txn *t = &r->h->txns[txn];
    varve_isolation level = ck_level(r->work, t);
    bool snapshot = level == VARVE_SNAPSHOT;
    enter_group(r, (uint64_t)position * 2);
    check_time(r, txn);
    check_session(r, txn, !snapshot, true);
    if (!snapshot) note_begin(r, txn);
    if (level == VARVE_SERIALIZABLE || level == VARVE_REPEATABLE_READ)
        check_reads(r, txn, level == VARVE_SERIALIZABLE, true);
    apply(r, txn, snapshot && ck_has_snapshot(r->work, t));
}

static void at_snapshot(struct replay *r, const struct ck_item *item) {
    bool writer = item->kind == READ_ONLY; /* it ends at its cts */
    enter_group(r, item->key * 2 + 1);
    if (!writer) check_time(r, item->txn);
    check_session(r, item->txn, true, !writer);
    note_begin(r, item->txn);
    if (item->kind != TIME_ONLY)
        check_reads(r, item->txn, ck_level(r->work, &r->h->txns[item->txn]) != VARVE_REPEATABLE_READ, false);
}

/* Everything the walk touches is known long before: the transaction, then its operations, then the state of its keys.
 */
enum { TXN_AHEAD = 24, OPS_AHEAD = 16, STATE_AHEAD = 8, OPS_FETCHED = 16 };

static inline void fetch_ops(const struct replay *r, uint32_t txn) {
    const char *ops = (const char *)(r->h->ops + r->h->txns[txn].first_op);
    for (unsigned line = 0; line < 4; line++) __builtin_prefetch(ops + line * 64u);
}

static inline void fetch_state(const struct replay *r, uint32_t txn) {
    const struct hs_txn *t = &r->h->txns[txn];
    const struct hs_op *ops = r->h->ops + t->first_op;
    uint32_t count = t->op_count < OPS_FETCHED ? t->op_count : OPS_FETCHED;
    for (uint32_t i = 0; i < count; i++)
        if (ops[i].kind != HS_SCAN) __builtin_prefetch(&r->state[ops[i].key], 1);
}

static inline void fetch_ahead(const struct replay *r, uint32_t p) {
    const struct ck_work *work = r->work;
    if (p + TXN_AHEAD > work->commit_count) return;
    __builtin_prefetch(&r->h->txns[work->txn_at[p + TXN_AHEAD]]);
    fetch_ops(r, work->txn_at[p + OPS_AHEAD]);
    fetch_state(r, work->txn_at[p + STATE_AHEAD]);
}

static inline void fetch_snapshots(const struct replay *r, size_t s) {
    if (s + OPS_AHEAD >= r->snapshot_count) return;
    fetch_ops(r, r->snapshots[s + OPS_AHEAD].txn);
    fetch_state(r, r->snapshots[s + STATE_AHEAD].txn);
}

static void walk(struct replay *r) {
    const struct ck_work *work = r->work;
    size_t s = 0;
    for (uint32_t p = 1; p <= work->commit_count; p++) {
        fetch_ahead(r, p);
        for (; s < r->snapshot_count && r->snapshots[s].key < p; s++) {
            fetch_snapshots(r, s);
            at_snapshot(r, &r->snapshots[s]);
        }
        at_commit_of(r, p);
    }
    for (; s < r->snapshot_count; s++) at_snapshot(r, &r->snapshots[s]);
}

/* --- setting up ------------------------------------------------------------------------------------------------------
 */

/* Whether the transaction is looked at apart from its cts, and at what stamp. */
static bool snapshot_event(const struct ck_work *work, uint32_t t, struct ck_item *item) {
    const struct hs_txn *txn = &work->h->txns[t];
    if (!ck_committed(work, t)) return false;
    varve_isolation level = ck_level(work, txn);
    if (level <= VARVE_READ_COMMITTED) return false;
    bool writes = ck_has_writes(work->h, txn);
    if (writes && level != VARVE_SNAPSHOT) return false;
    if (work->chosen != NULL && work->chosen[t] != UINT32_MAX) {
        *item = (struct ck_item){work->chosen[t], t, TIME_ONLY};
        return !writes;
    }
    if (!ck_has_snapshot(work, txn)) return false;
    *item = (struct ck_item){ck_position(work, txn->snapshot), t, writes ? READ_ONLY : READ_AND_TIME};
    return true;
}

static bool gather_snapshots(struct replay *r, size_t *capacity) {
    struct ck_item item;
    size_t count = 0;
    for (size_t t = 0; t < r->h->txn_count; t++) count += snapshot_event(r->work, (uint32_t)t, &item);
    *capacity = 2 * count;
    r->snapshots = ck_alloc(r->work, *capacity, sizeof(*r->snapshots));
    if (r->snapshots == NULL) return false;
    for (size_t t = 0; t < r->h->txn_count; t++)
        if (snapshot_event(r->work, (uint32_t)t, &item)) r->snapshots[r->snapshot_count++] = item;
    ck_sort(r->snapshots, r->snapshots + count, count);
    return true;
}

static bool replay_init(struct replay *r, size_t *capacity) {
    size_t keys = r->h->key_count;
    r->words = keys / 64 + 1;
    r->state = ck_alloc(r->work, keys, sizeof(*r->state));
    r->present = ck_zalloc(r->work, r->words, sizeof(*r->present));
    r->session_seen = ck_zalloc(r->work, r->work->session_count, sizeof(*r->session_seen));
    if (r->work->status != VARVE_OK || !gather_snapshots(r, capacity)) return false;
    for (size_t k = 0; k < keys; k++) r->state[k] = (struct newest){0, HS_ABSENT};
    return true;
}

void ck_pass_replay(struct ck_work *work) {
    struct replay r = {.work = work, .h = work->h, .group_stamp = UINT64_MAX};
    uint64_t began = ck_now_ns();
    size_t capacity = 0;
    if (replay_init(&r, &capacity)) walk(&r);
    ck_free(work, r.state, work->h->key_count, sizeof(*r.state));
    ck_free(work, r.present, r.words, sizeof(*r.present));
    ck_free(work, r.snapshots, capacity, sizeof(*r.snapshots));
    ck_free(work, r.session_seen, work->session_count, sizeof(*r.session_seen));
    ck_pass(work, "replay", began, work->report->committed);
}
