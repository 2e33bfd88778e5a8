/* stamps.c - transactions whose stamp is not on record: is there one that explains what they read?
 *
 * Read committed: each statement must see one committed state, not older than what was acknowledged at the begin (to
 * its writer, or as an answer to a reader of a stronger level), and not older than the statement before it saw
 * (monotonic atomic view). Readers without a snapshot (undeclared ones under locks), and snapshot isolation where no
 * snapshot was recorded: one state for all.
 *
 * The least stamp is found by going up from a floor: an operation that does not hold at s is moved to the next stamp at
 * which it may, until all hold. A version once overwritten never comes back, so that going up loses nothing; and the
 * least stamp of each leaves the most room for those after it. Readers are taken in the order in which they began, each
 * with the floor that the readers and writers that had ended before give it, so that real time is kept among them too.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/checker_int.h"

struct search {
    struct ck_work *work;
    const struct ck_versions *versions;
    uint32_t txn;
    uint32_t stamp; /* so far */
    uint32_t limit; /* no later than this */
    bool gaps;      /* what scans did not return was absent */
    uint64_t fault; /* the operation that cannot hold */
    uint32_t fault_key;
};

/* --- going up -------------------------------------------------------------------------------------------------------
 */

/* To the next stamp at which the key is there, or is not. */
static bool lift_presence(struct search *s, uint32_t key, bool present) {
    const struct ck_versions *v = s->versions;
    uint32_t index = ck_version_at(v, key, s->stamp);
    while (ck_is_present(v, key, index) != present) {
        if (++index == v->end[key]) return false;
        s->stamp = v->entries[index] >> 1;
    }
    return s->stamp <= s->limit;
}

static bool lift_version(struct search *s, const struct hs_op *op) {
    const struct ck_versions *v = s->versions;
    uint32_t position = ck_position_of(s->work, op->version);
    if (position == 0) return false;
    uint32_t index = ck_version_at(v, op->key, position);
    if (index + 1 == v->start[op->key] || v->entries[index] != position << 1) return false;
    if (v->values[index] != op->value) return false;
    if (s->stamp < position) s->stamp = position;
    bool overwritten = index + 1 < v->end[op->key] && v->entries[index + 1] >> 1 <= s->stamp;
    return !overwritten && s->stamp <= s->limit;
}

static bool lift_gaps(struct search *s, uint64_t scan, uint64_t count) {
    const struct hs_history *h = s->work->h;
    struct ck_rows rows = ck_rows_of(h, scan, count);
    uint32_t low, high;
    ck_interval(h, &h->ops[scan], &low, &high);
    for (uint32_t rank = low; rank < high; rank++) {
        uint32_t key = h->key_order[rank];
        if (s->versions->start[key] == s->versions->end[key] || ck_rows_have(&rows, rank)) continue;
        if (!ck_is_present(s->versions, key, ck_version_at(s->versions, key, s->stamp))) continue;
        if (ck_wrote_before(h, &h->txns[s->txn], scan, key) || lift_presence(s, key, false)) continue;
        s->fault_key = key;
        return false;
    }
    return true;
}

static uint64_t rows_after(const struct hs_history *h, const struct hs_txn *txn, uint64_t scan) {
    uint64_t i = scan + 1, end = txn->first_op + txn->op_count;
    while (i < end && h->ops[i].kind == HS_ROW) i++;
    return i - scan - 1;
}

static bool lift_op(struct search *s, uint64_t i) {
    const struct hs_history *h = s->work->h;
    const struct hs_op *op = &h->ops[i];
    if (op->kind == HS_SCAN) return !s->gaps || lift_gaps(s, i, rows_after(h, &h->txns[s->txn], i));
    if ((op->flags & HS_OWN) != 0) return true;
    s->fault_key = op->key;
    if ((op->kind == HS_READ || op->kind == HS_ROW) && op->value != HS_ABSENT) return lift_version(s, op);
    enum ck_presence presence = ck_presence(op);
    if (presence == CK_SAYS_NOTHING) return true;
    if (op->kind != HS_READ && ck_wrote_before(h, &h->txns[s->txn], i, op->key)) return true;
    return lift_presence(s, op->key, presence == CK_SAYS_PRESENT);
}

/* The least stamp from s->stamp on at which the operations first .. last - 1 hold. */
static bool settle(struct search *s, uint64_t first, uint64_t last) {
    uint32_t before;
    do {
        before = s->stamp;
        for (uint64_t i = first; i < last; i++) {
            s->fault = i;
            if (!lift_op(s, i)) return false;
        }
    } while (s->stamp != before);
    return true;
}

/* --- one transaction ------------------------------------------------------------------------------------------------
 */

static void misfit(struct search *s, enum ck_anomaly anomaly, const char *what) {
    struct ck_work *work = s->work;
    const struct hs_op *op = &work->h->ops[s->fault];
    struct ck_finding *finding = ck_found(work, anomaly, s->txn, s->fault, CK_NO_TXN);
    if (finding == NULL) return;
    ck_say(finding, "T%u: %s", s->txn, what);
    if (op->kind == HS_SCAN)
        ck_say(finding, "its scan did not return %s, which was there in all of them",
               ck_key_name(work, s->fault_key).text);
    else
        ck_say(finding, "its read of %s = %s fits none of them", ck_key_name(work, op->key).text,
               ck_value_name(op->value).text);
    ck_say(finding, "the state after %u commits is the first that the other reads allow", s->stamp);
}

static uint32_t own_position(const struct ck_work *work, uint32_t txn) {
    return ck_has_writes(work->h, &work->h->txns[txn]) ? ck_position_of(work, work->h->txns[txn].cts) : 0;
}

static void check_statements(struct ck_work *work, uint32_t txn, uint32_t floor) {
    const struct hs_history *h = work->h;
    const struct hs_txn *t = &h->txns[txn];
    uint32_t own = own_position(work, txn);
    bool torn = ck_torn(work, t);
    struct search s = {.work = work, .versions = work->versions, .txn = txn, .gaps = !torn};
    s.limit = own != 0 ? own - 1 : work->commit_count;
    s.stamp = floor;
    for (uint64_t i = t->first_op, end = i + t->op_count; i < end;) {
        uint64_t next = i + 1;
        while (!torn && next < end && h->ops[next].statement == h->ops[i].statement) next++;
        if (!settle(&s, i, next)) {
            misfit(&s, CK_ORDER,
                   "a statement at read committed saw no committed state, not older than what was seen "
                   "or acknowledged before");
            return;
        }
        i = next;
    }
}

/* One stamp for all of it; from `floor` on. UINT32_MAX: there is none, and a finding says so. */
static uint32_t choose_stamp(struct ck_work *work, uint32_t txn, uint32_t floor) {
    const struct hs_history *h = work->h;
    const struct hs_txn *t = &h->txns[txn];
    uint32_t own = own_position(work, txn);
    struct search s = {.work = work, .versions = work->versions, .txn = txn, .stamp = floor};
    s.limit = own != 0 ? own - 1 : work->commit_count;
    s.gaps = ck_level(work, t) != VARVE_REPEATABLE_READ;
    for (uint64_t i = t->first_op; own != 0 && i < t->first_op + t->op_count; i++) {
        if (!ck_is_write(&h->ops[i]) || (h->ops[i].flags & HS_ADDITION) != 0) continue;
        uint32_t key = h->ops[i].key, index = ck_version_at(work->versions, key, own - 1);
        if (index + 1 != work->versions->start[key] && work->versions->entries[index] >> 1 > s.stamp)
            s.stamp = work->versions->entries[index] >> 1;
    }
    if (settle(&s, t->first_op, t->first_op + t->op_count)) return s.stamp;
    misfit(&s, ck_level(work, t) == VARVE_SNAPSHOT ? CK_G_SI : CK_ORDER,
           "no state between its begin and its end explains what it read");
    return UINT32_MAX;
}

/* --- all of them ----------------------------------------------------------------------------------------------------
 */

enum need { NOTHING, STATEMENTS, STAMP };

static enum need need_of(const struct ck_work *work, uint32_t txn) {
    const struct hs_txn *t = &work->h->txns[txn];
    if (!ck_committed(work, txn)) return NOTHING;
    varve_isolation level = ck_level(work, t);
    if (level == VARVE_READ_UNCOMMITTED) return NOTHING;
    if (level == VARVE_READ_COMMITTED) return STATEMENTS;
    if (ck_has_snapshot(work, t)) return NOTHING;
    return level == VARVE_SNAPSHOT || !ck_has_writes(work->h, t) ? STAMP : NOTHING;
}

struct readers {
    struct ck_item *by_begin, *by_end;
    size_t count, ended;
    uint32_t floor;          /* of all that have ended */
    uint32_t *session_floor; /* by session */
};

/* Those to be judged, and those that bound them: readers, and, where sessions count, everybody. */
static bool takes_part(const struct ck_work *work, uint32_t txn) {
    if (!ck_committed(work, txn)) return false;
    if (need_of(work, txn) != NOTHING || work->sessions) return true;
    return ck_level(work, &work->h->txns[txn]) >= VARVE_REPEATABLE_READ && !ck_has_writes(work->h, &work->h->txns[txn]);
}

static bool readers_init(struct ck_work *work, struct readers *r) {
    const struct hs_history *h = work->h;
    for (size_t t = 0; t < h->txn_count; t++) r->count += takes_part(work, (uint32_t)t);
    r->by_begin = ck_alloc(work, r->count, 3 * sizeof(*r->by_begin));
    r->session_floor = ck_zalloc(work, work->session_count, sizeof(*r->session_floor));
    work->chosen = ck_alloc(work, h->txn_count, sizeof(*work->chosen));
    if (work->status != VARVE_OK) return false;
    memset(work->chosen, 0xff, h->txn_count * sizeof(*work->chosen));
    r->by_end = r->by_begin + r->count;
    size_t n = 0;
    for (size_t t = 0; t < h->txn_count; t++) {
        if (!takes_part(work, (uint32_t)t)) continue;
        r->by_begin[n] = (struct ck_item){work->strict ? h->txns[t].begin : t, (uint32_t)t, 0};
        r->by_end[n++] = (struct ck_item){work->strict ? h->txns[t].end : t, (uint32_t)t, 0};
    }
    ck_sort(r->by_begin, r->by_end + r->count, n);
    ck_sort(r->by_end, r->by_end + r->count, n);
    return true;
}

/* The stamp at which the transaction ends, as far as others are bound by it; 0 = by nothing. */
static uint32_t stamp_of(const struct ck_work *work, uint32_t txn) {
    const struct hs_txn *t = &work->h->txns[txn];
    if (ck_has_writes(work->h, t)) return ck_position_of(work, t->cts);
    if (work->chosen != NULL && work->chosen[txn] != UINT32_MAX) return work->chosen[txn];
    bool snapshot = ck_level(work, t) >= VARVE_REPEATABLE_READ && ck_has_snapshot(work, t);
    return snapshot ? ck_position(work, t->snapshot) : 0;
}

/* What the search for the stamp of a later transaction will touch. */
enum { OPS_AHEAD = 12, KEYS_AHEAD = 8, ENTRIES_AHEAD = 4, OPS_FETCHED = 16 };

static void fetch_keys(const struct ck_work *work, uint32_t txn, bool entries) {
    const struct hs_txn *t = &work->h->txns[txn];
    const struct hs_op *ops = work->h->ops + t->first_op;
    uint32_t count = t->op_count < OPS_FETCHED ? t->op_count : OPS_FETCHED;
    for (uint32_t i = 0; i < count; i++) {
        if (ops[i].kind == HS_SCAN) continue;
        if (entries) {
            __builtin_prefetch(&work->versions->entries[work->versions->start[ops[i].key]]);
            __builtin_prefetch(&work->versions->values[work->versions->start[ops[i].key]]);
            continue;
        }
        ck_position_fetch(work, ops[i].version);
        __builtin_prefetch(&work->versions->start[ops[i].key]);
        __builtin_prefetch(&work->versions->end[ops[i].key]);
    }
}

static void fetch_ahead(const struct ck_work *work, const struct readers *r, size_t i) {
    if (i + OPS_AHEAD >= r->count) return;
    const char *ops = (const char *)(work->h->ops + work->h->txns[r->by_begin[i + OPS_AHEAD].txn].first_op);
    for (unsigned line = 0; line < 4; line++) __builtin_prefetch(ops + line * 64u);
    fetch_keys(work, r->by_begin[i + KEYS_AHEAD].txn, false);
    fetch_keys(work, r->by_begin[i + ENTRIES_AHEAD].txn, true);
}

static void judge_in_order(struct ck_work *work, struct readers *r) {
    const struct hs_history *h = work->h;
    for (size_t i = 0; i < r->count; i++) {
        uint32_t txn = r->by_begin[i].txn, *session = NULL;
        const struct hs_txn *t = &h->txns[txn];
        fetch_ahead(work, r, i);
        for (; work->strict && r->by_end[r->ended].key < t->begin; r->ended++) {
            uint32_t stamp = stamp_of(work, r->by_end[r->ended].txn);
            if (stamp > r->floor) r->floor = stamp;
        }
        uint32_t floor = ck_acknowledged(work, t->begin);
        if (r->floor > floor) floor = r->floor;
        if (work->sessions) session = &r->session_floor[work->session_at[txn]];
        if (session != NULL && *session > floor) floor = *session;
        enum need need = need_of(work, txn);
        if (need == STAMP) work->chosen[txn] = choose_stamp(work, txn, floor);
        if (need == STATEMENTS) check_statements(work, txn, floor);
        uint32_t stamp = stamp_of(work, txn);
        if (session != NULL && stamp != UINT32_MAX && stamp > *session) *session = stamp;
    }
}

static void judge_all(struct ck_work *work) {
    struct readers r = {0};
    if (readers_init(work, &r)) judge_in_order(work, &r);
    ck_free(work, r.by_begin, r.count, 3 * sizeof(*r.by_begin));
    ck_free(work, r.session_floor, work->session_count, sizeof(*r.session_floor));
}

void ck_pass_stamps(struct ck_work *work) {
    const struct hs_history *h = work->h;
    uint64_t began = ck_now_ns();
    size_t statements = 0, stamps = 0;
    for (size_t t = 0; t < h->txn_count; t++) {
        enum need need = need_of(work, (uint32_t)t);
        statements += need == STATEMENTS;
        stamps += need == STAMP;
    }
    if (statements + stamps == 0 || !ck_versions_build(work)) return;
    judge_all(work);
    ck_pass(work, "stamps", began, statements + stamps);
}
