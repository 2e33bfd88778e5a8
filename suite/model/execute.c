/* execute.c - an interleaving on the plainest multi-version store: a list of whole states, one for each commit.
 *
 * Levels as they are defined, nobody waits:
 *   read_committed    a statement, or an open cursor and what is read beside it, sees the newest state at its start
 *   repeatable_read   reads at the begin (fresh_reads: at the statement); commit refuses when a key read has a newer
 *                     version, or a key asked for is there now and was not, or the other way round
 *   snapshot          reads at the begin; commit refuses when a key written has a newer version, but for a key that was
 *                     only added to
 *   serializable      as repeatable read, and for every key of a range that a scan has covered
 * A row read for update is not changed by others until the end, at any level: their commits are refused. insert,
 * update, delete and delete-range hold at every level only while the presence they relied on is so. A read-only
 * transaction reads at its begin and is never refused; below snapshot it is served as snapshot.
 *
 * Invariant: a refused transaction is over at once, as whoever runs schedules on an engine ends it.
 * Sources: Adya, Weak Consistency, MIT 1999 (levels); Berenson et al., A Critique of ANSI SQL Isolation Levels, SIGMOD
 * 1995, section 4.2 (snapshot: first committer wins).
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "model/oracle_int.h"
#include "model/replay_int.h"

struct store {
    unsigned commits;
    int64_t states[SS_TXNS_MAX + 1][SS_KEYS_MAX];
    uint8_t newest[SS_KEYS_MAX]; /* the commit that wrote it last; 0 = none */
};

struct covered {
    uint32_t mine; /* keys that were own writes then */
    uint8_t low, high, as_of;
};

/* An open transaction. Arrays are valid up to their count or where their mask says. */
struct view {
    bool open, read_only, fresh, pinned;
    varve_isolation level;
    uint8_t snapshot;
    struct smr_own own, saved;
    uint32_t items, for_update; /* keys read; item_as_of has the earliest state each was read from */
    uint32_t was_there, was_not;
    uint8_t item_as_of[SS_KEYS_MAX];
    unsigned range_count;
    struct covered ranges[2 * SS_STEPS_MAX];
    struct ss_range cursor; /* what is left of it, with ends filled in */
};

struct machine {
    const struct ss_schedule *schedule;
    const struct sm_way *way;
    struct ss_run *run;
    unsigned event, commits; /* commits with writes acknowledged */
    struct store store;
    struct view views[SS_TXNS_MAX];
};

/* --- reading ---------------------------------------------------------------------------------------------------------
 */

static uint8_t stamp(const struct machine *m, const struct view *v) {
    return v->fresh && !v->pinned ? (uint8_t)m->store.commits : v->snapshot;
}

static bool validates(const struct view *v) {
    return !v->read_only && (v->level == VARVE_REPEATABLE_READ || v->level == VARVE_SERIALIZABLE);
}

static void note_item(const struct machine *m, struct view *v, unsigned key, bool for_update) {
    uint32_t bit = UINT32_C(1) << key;
    smr_look(&v->own, key);
    if ((!validates(v) && !for_update) || v->read_only || (v->own.own & ~v->own.added & bit) != 0) return;
    uint8_t now = stamp(m, v);
    if ((v->items & bit) == 0 || now < v->item_as_of[key]) v->item_as_of[key] = now;
    v->items |= bit;
    v->for_update |= for_update ? bit : 0;
}

static void note_presence(const struct machine *m, struct view *v, unsigned key) {
    uint32_t bit = UINT32_C(1) << key;
    if (!validates(v) || (v->own.own & bit) != 0) return;
    bool there = m->store.states[stamp(m, v)][key] != SS_ABSENT;
    v->was_there |= there ? bit : 0;
    v->was_not |= there ? 0 : bit;
}

static int64_t look(const struct machine *m, const struct view *v, unsigned key) {
    return smr_seen(m->store.states[stamp(m, v)], &v->own, key);
}

static int get(const struct machine *m, struct view *v, unsigned key, int64_t *value) {
    note_item(m, v, key, false);
    *value = look(m, v, key);
    return *value == SS_ABSENT ? VARVE_NOTFOUND : VARVE_OK;
}

/* Another open transaction has taken the row for update. */
static bool taken_by_other(const struct machine *m, const struct view *v, unsigned key) {
    for (unsigned t = 0; t < m->schedule->txn_count; t++)
        if (m->run->txns[t].begun && m->views[t].open && &m->views[t] != v && (m->views[t].for_update >> key & 1) != 0)
            return true;
    return false;
}

/* The newest row, and nobody may change it from here on. At snapshot it must be the row of the snapshot; at read
 * committed, while a cursor is open, that of the cursor's state, for a cursor is one statement and what is read beside it
 * is of its state. Whoever reads the state of its begin loses nothing by not waiting for another that has taken the row;
 * whoever reads the newest would. */
static int get_for_update(const struct machine *m, struct view *v, unsigned key, int64_t *value) {
    bool pinned = v->pinned;
    bool one_state = v->level == VARVE_SNAPSHOT || (v->level == VARVE_READ_COMMITTED && pinned);
    bool newer = one_state && m->store.newest[key] > v->snapshot;
    if (!v->read_only && (newer || (v->fresh && taken_by_other(m, v, key)))) return VARVE_CONFLICT;
    v->pinned = pinned && !v->fresh;
    note_item(m, v, key, true);
    *value = look(m, v, key);
    v->pinned = pinned;
    return *value == SS_ABSENT ? VARVE_NOTFOUND : VARVE_OK;
}

static int has(const struct machine *m, struct view *v, unsigned key, int64_t *value) {
    note_presence(m, v, key);
    *value = look(m, v, key) == SS_ABSENT ? SS_ABSENT : 0;
    return *value == SS_ABSENT ? VARVE_NOTFOUND : VARVE_OK;
}

static void fill_ends(const struct ss_schedule *schedule, struct ss_range *range) {
    range->low = range->low == SS_KEYS_MAX ? 0 : range->low;
    range->high = range->high == SS_KEYS_MAX ? (uint8_t)schedule->key_count : range->high;
}

/* The first row of what is left of the range, which is shortened to what lies behind it; false at its end. What was
 * passed on the way counts as covered. */
static bool next_row(const struct machine *m, struct view *v, struct ss_range *left, struct ss_row *row) {
    struct covered covered = {v->own.own, left->low, left->high, stamp(m, v)};
    bool found = false;
    while (!found && left->low < left->high) {
        unsigned key = left->reverse ? left->high - 1u : left->low;
        if (left->reverse)
            left->high--;
        else
            left->low++;
        *row = (struct ss_row){(uint8_t)key, look(m, v, key)};
        found = row->value != SS_ABSENT;
    }
    if (found && left->reverse)
        covered.low = row->key;
    else if (found)
        covered.high = (uint8_t)(row->key + 1);
    if (validates(v)) v->ranges[v->range_count++] = covered;
    if (found) note_item(m, v, row->key, false);
    return found;
}

/* Rows of a scan; the range it has covered is noted once. */
static unsigned scan(const struct machine *m, struct view *v, const struct ss_range *range, struct ss_row *rows) {
    struct ss_range left = *range;
    struct ss_row row;
    unsigned count = 0, first_range = v->range_count;
    fill_ends(m->schedule, &left);
    struct covered whole = {v->own.own, left.low, left.high, stamp(m, v)};
    while ((range->limit == 0 || count < range->limit) && count < SS_ROWS_MAX && next_row(m, v, &left, &row)) {
        rows[count++] = row;
        v->range_count = first_range;
    }
    v->range_count = first_range;
    if (left.reverse)
        whole.low = left.high;
    else
        whole.high = left.low;
    if (validates(v)) v->ranges[v->range_count++] = whole;
    return count;
}

/* --- writing ---------------------------------------------------------------------------------------------------------
 */

static int write_row(const struct machine *m, struct view *v, const struct ss_step *step, int64_t value) {
    int64_t there = SS_ABSENT;
    if (step->verb == SS_INSERT || step->verb == SS_UPDATE || step->verb == SS_DELETE) {
        int status = has(m, v, step->key, &there);
        if (step->verb == SS_INSERT ? status == VARVE_OK : status != VARVE_OK)
            return step->verb == SS_INSERT ? VARVE_EXISTS : VARVE_NOTFOUND;
    }
    enum smr_relies relies = step->verb == SS_INSERT                              ? SMR_RELIES_ON_ABSENT
                             : step->verb == SS_UPDATE || step->verb == SS_DELETE ? SMR_RELIES_ON_PRESENT
                                                                                  : SMR_RELIES_ON_NOTHING;
    if (step->verb == SS_ADD) {
        smr_stage_add(&v->own, step->key, value);
        return VARVE_OK;
    }
    smr_stage(&v->own, step->key, step->verb == SS_DELETE ? SS_ABSENT : value, relies);
    return VARVE_OK;
}

static int delete_range(const struct machine *m, struct view *v, const struct ss_range *range, int64_t *count) {
    struct ss_row rows[SS_ROWS_MAX];
    unsigned found = scan(m, v, range, rows);
    for (unsigned i = 0; i < found; i++) smr_stage(&v->own, rows[i].key, SS_ABSENT, SMR_RELIES_ON_PRESENT);
    *count = found;
    return VARVE_OK;
}

/* --- begin and end
 * ----------------------------------------------------------------------------------------------------- */

static void begin(struct machine *m, const struct ss_step *step, struct view *v) {
    struct ss_txn_end *end = &m->run->txns[step->txn];
    varve_isolation level = m->way->level;
    if (step->verb == SS_BEGIN && step->level != VARVE_ISOLATION_DEFAULT) level = step->level;
    if (m->way->levels != NULL && m->way->levels[step->txn] != VARVE_ISOLATION_DEFAULT)
        level = m->way->levels[step->txn];
    v->read_only = step->verb == SS_BEGIN && step->read_only;
    if (level == VARVE_ISOLATION_DEFAULT) level = VARVE_SERIALIZABLE;
    if (level == VARVE_READ_UNCOMMITTED) level = VARVE_READ_COMMITTED;
    v->level = v->read_only && level < VARVE_SNAPSHOT ? VARVE_SNAPSHOT : level;
    v->fresh = !v->read_only && (level == VARVE_READ_COMMITTED || (m->way->fresh_reads && level != VARVE_SNAPSHOT));
    v->snapshot = (uint8_t)m->store.commits;
    v->open = true;
    v->pinned = false;
    v->items = v->for_update = v->was_there = v->was_not = 0;
    v->range_count = 0;
    smr_own_clear(&v->own);
    end->begun = true;
    end->level = v->level;
    end->begin_event = m->event;
    end->commits_before = m->commits;
}

static void finish(struct machine *m, unsigned txn, bool committed, int status, unsigned reason) {
    struct ss_txn_end *end = &m->run->txns[txn];
    end->committed = committed;
    end->status = status;
    end->reason = (uint8_t)reason;
    end->end_event = ++m->event;
    m->views[txn].open = false;
    if (committed) m->run->commit_order[m->run->commit_count++] = (uint8_t)txn;
}

/* The keys in a mask whose newest version is above what `as_of` gives. */
static bool any_newer(const struct store *store, uint32_t keys, const uint8_t *as_of, uint8_t at_least) {
    for (; keys != 0; keys &= keys - 1) {
        unsigned key = (unsigned)__builtin_ctz(keys);
        if (store->newest[key] > (as_of != NULL ? as_of[key] : at_least)) return true;
    }
    return false;
}

static bool any_range_changed(const struct store *store, const struct view *v) {
    for (unsigned i = 0; i < v->range_count; i++)
        for (unsigned key = v->ranges[i].low; key < v->ranges[i].high; key++)
            if (store->newest[key] > v->ranges[i].as_of && (v->ranges[i].mine >> key & 1) == 0) return true;
    return false;
}

/* Of the keys in two masks, is one not there that should be, or there that should not? */
static bool presence_differs(const struct machine *m, uint32_t there, uint32_t absent) {
    const int64_t *now = m->store.states[m->store.commits];
    for (unsigned key = 0; key < m->schedule->key_count; key++)
        if ((now[key] == SS_ABSENT ? there : absent) >> key & 1) return true;
    return false;
}

static enum varve_reason refusal(const struct machine *m, const struct view *v) {
    const struct store *store = &m->store;
    bool first_committer = v->level == VARVE_SNAPSHOT || (m->way->first_committer_only && validates(v));
    if (v->read_only) return VARVE_REASON_NONE;
    for (uint32_t left = v->own.own; left != 0; left &= left - 1)
        if (taken_by_other(m, v, (unsigned)__builtin_ctz(left))) return VARVE_REASON_WRITE_WRITE;
    if (first_committer && any_newer(store, (v->own.own & ~smr_blind(&v->own)) | v->for_update, NULL, v->snapshot))
        return VARVE_REASON_WRITE_WRITE;
    if (presence_differs(m, v->own.relies_present, v->own.relies_absent)) return VARVE_REASON_PRECONDITION;
    if (any_newer(store, m->way->first_committer_only ? v->for_update : v->items, v->item_as_of, 0))
        return VARVE_REASON_READ;
    if (m->way->first_committer_only || !validates(v)) return VARVE_REASON_NONE;
    if (presence_differs(m, v->was_there, v->was_not)) return VARVE_REASON_READ;
    return v->level == VARVE_SERIALIZABLE && any_range_changed(store, v) ? VARVE_REASON_PHANTOM : VARVE_REASON_NONE;
}

static bool install(struct machine *m, const struct smr_own *own) {
    struct store *store = &m->store;
    uint32_t written = own->own;
    for (unsigned key = 0; key < m->schedule->key_count; key++)
        if ((own->own & own->relies_absent) >> key & 1 && own->value[key] == SS_ABSENT)
            written &= ~(UINT32_C(1) << key); /* inserted and deleted again */
    if (written == 0) return false;
    memcpy(store->states[store->commits + 1], store->states[store->commits], sizeof store->states[0]);
    store->commits++;
    smr_apply(store->states[store->commits], own);
    for (; written != 0; written &= written - 1) store->newest[__builtin_ctz(written)] = (uint8_t)store->commits;
    return true;
}

static int commit(struct machine *m, unsigned txn, struct view *v) {
    enum varve_reason reason = refusal(m, v);
    bool writes = reason == VARVE_REASON_NONE && install(m, &v->own);
    finish(m, txn, reason == VARVE_REASON_NONE, reason == VARVE_REASON_NONE ? VARVE_OK : VARVE_CONFLICT, reason);
    m->commits += writes;
    return reason == VARVE_REASON_NONE ? VARVE_OK : VARVE_CONFLICT;
}

/* --- steps
 * ------------------------------------------------------------------------------------------------------------- */

static int next(const struct machine *m, struct view *v, struct ss_answer *answer) {
    struct ss_row row;
    bool found = next_row(m, v, &v->cursor, &row);
    answer->value = found ? row.value : SS_ABSENT;
    answer->next_key = found ? row.key : SS_KEYS_MAX;
    return found ? VARVE_OK : VARVE_END;
}

/* While a cursor is open all reads share its state. */
static int open_cursor(const struct machine *m, struct view *v, const struct ss_range *range) {
    v->cursor = *range;
    fill_ends(m->schedule, &v->cursor);
    if (v->fresh) v->snapshot = (uint8_t)m->store.commits;
    v->pinned = true;
    return VARVE_OK;
}

static int write_step(struct machine *m, struct view *v, unsigned at, struct ss_answer *answer) {
    const struct ss_step *step = &m->schedule->steps[at];
    if (v->read_only) return VARVE_READONLY;
    if (step->verb == SS_DELETE_RANGE) return delete_range(m, v, &step->range, &answer->value);
    if (step->verb != SS_DELETE) answer->written = ss_evaluate(m->schedule, m->run, at, &step->value);
    return write_row(m, v, step, answer->written);
}

static int read_step(struct machine *m, struct view *v, const struct ss_step *step, struct ss_answer *answer) {
    switch (step->verb) {
    case SS_GET: return get(m, v, step->key, &answer->value);
    case SS_GET_FOR_UPDATE: return get_for_update(m, v, step->key, &answer->value);
    case SS_HAS: return has(m, v, step->key, &answer->value);
    case SS_SCAN: answer->row_count = scan(m, v, &step->range, answer->rows); return VARVE_OK;
    case SS_OPEN: return open_cursor(m, v, &step->range);
    default: return next(m, v, answer);
    }
}

/* What was read stays read. */
static int rollback(struct view *v) {
    uint32_t read = v->own.read;
    v->own = v->saved;
    v->own.read |= read;
    v->own.looked |= v->own.added & read;
    return VARVE_OK;
}

static int step_of_txn(struct machine *m, struct view *v, unsigned at, struct ss_answer *answer) {
    const struct ss_step *step = &m->schedule->steps[at];
    switch (step->verb) {
    case SS_BEGIN: return VARVE_OK;
    case SS_SAVEPOINT: v->saved = v->own; return VARVE_OK;
    case SS_ROLLBACK: return rollback(v);
    case SS_CLOSE: v->pinned = false; return VARVE_OK;
    case SS_COMMIT: return commit(m, step->txn, v);
    case SS_ABORT: finish(m, step->txn, false, VARVE_OK, VARVE_REASON_NONE); return VARVE_OK;
    case SS_PUT:
    case SS_INSERT:
    case SS_UPDATE:
    case SS_DELETE:
    case SS_ADD:
    case SS_DELETE_RANGE: return write_step(m, v, at, answer);
    default: return read_step(m, v, step, answer);
    }
}

static void engine_step(struct machine *m, const struct ss_step *step) {
    for (unsigned t = 0; step->verb == SS_CRASH && t < m->schedule->txn_count; t++)
        if (m->run->txns[t].begun && m->views[t].open) finish(m, t, false, VARVE_OK, VARVE_REASON_NONE);
}

static void carry_out(struct machine *m, unsigned at) {
    const struct ss_step *step = &m->schedule->steps[at];
    struct ss_answer *answer = &m->run->answers[at];
    if (step->txn < SS_TXNS_MAX && m->run->txns[step->txn].begun && !m->views[step->txn].open) return;
    if (!ss_guard_holds(m->schedule, m->run, at)) {
        answer->skipped = true;
        return;
    }
    answer->started = ++m->event;
    answer->commits_before = m->commits;
    if (step->txn == SS_TXNS_MAX) {
        engine_step(m, step);
    } else {
        struct view *v = &m->views[step->txn];
        if (!m->run->txns[step->txn].begun) begin(m, step, v);
        answer->status = step_of_txn(m, v, at, answer);
        answer->reason = m->run->txns[step->txn].reason;
        if (answer->status == VARVE_CONFLICT && v->open)
            finish(m, step->txn, false, VARVE_CONFLICT, answer->reason = VARVE_REASON_WRITE_WRITE);
    }
    answer->done = true;
    answer->ended = ++m->event;
    answer->commits_after = m->commits;
}

static void clear(const struct ss_schedule *schedule, struct ss_run *run) {
    for (unsigned i = 0; i < schedule->step_count; i++) {
        struct ss_answer *a = &run->answers[i];
        memset(a, 0, offsetof(struct ss_answer, rows));
        a->written = 0;
        a->started = a->ended = a->commits_before = a->commits_after = 0;
    }
    memset(run->txns, 0, sizeof run->txns);
    run->commit_count = 0;
    run->hang = false;
    run->note[0] = 0;
}

void sm_run(const struct ss_schedule *schedule, const uint8_t *order, const struct sm_way *way, struct ss_run *run) {
    struct machine m;
    uint8_t left[SS_SESSIONS_MAX];
    m.schedule = schedule;
    m.way = way;
    m.run = run;
    m.event = m.commits = m.store.commits = 0;
    memset(m.store.newest, 0, sizeof m.store.newest);
    memcpy(m.store.states[0], schedule->initial, sizeof m.store.states[0]);
    clear(schedule, run);
    for (unsigned s = 0; s < schedule->session_count; s++)
        left[s] = (uint8_t)(schedule->first_step[s + 1] - schedule->first_step[s]);
    for (unsigned i = 0; i < schedule->step_count; i++) {
        const struct ss_step *step = &schedule->steps[order[i]];
        carry_out(&m, order[i]);
        /* What is open at the end of its session is aborted there. */
        const struct ss_step *last = &schedule->steps[schedule->first_step[step->session + 1] - 1];
        if (--left[step->session] == 0 && last->txn < SS_TXNS_MAX && run->txns[last->txn].begun &&
            m.views[last->txn].open)
            finish(&m, last->txn, false, VARVE_OK, VARVE_REASON_NONE);
    }
    memcpy(run->final, m.store.states[m.store.commits], sizeof run->final);
}

/* --- needless aborts
 * ------------------------------------------------------------------------------------------------------ */

static bool refused(const struct ss_txn_end *end) {
    bool retry = end->status == VARVE_CONFLICT || end->status == VARVE_DEADLOCK || end->status == VARVE_TIMEOUT ||
                 end->status == VARVE_SNAPSHOT_TOO_OLD;
    return end->begun && !end->committed && retry;
}

static unsigned refused_count(const struct ss_schedule *schedule, const struct ss_run *run) {
    unsigned count = 0;
    for (unsigned t = 0; t < schedule->txn_count; t++) count += refused(&run->txns[t]);
    return count;
}

unsigned sm_needless(const struct ss_schedule *schedule, const uint8_t *order, const struct ss_run *run) {
    unsigned aborts = refused_count(schedule, run);
    varve_isolation levels[SS_TXNS_MAX];
    struct sm_way way = {.level = VARVE_SERIALIZABLE, .levels = levels, .first_committer_only = true};
    struct sm_history h;
    struct smr_culprit culprit;
    struct ss_run plain;
    if (aborts == 0) return 0;
    for (unsigned t = 0; t < schedule->txn_count; t++)
        levels[t] = run->txns[t].begun ? run->txns[t].level : VARVE_ISOLATION_DEFAULT;
    sm_run(schedule, order, &way, &plain);
    if (refused_count(schedule, &plain) > 0) return 0;
    sm_history_of(schedule, &plain, false, &h);
    bool allowed = sm_all_at(&h.history, VARVE_SERIALIZABLE)      ? smr_serializable(&h.history, SMR_STRICT)
                   : sm_all_at(&h.history, VARVE_REPEATABLE_READ) ? smr_serializable(&h.history, SMR_STRICT | SMR_ITEMS)
                                                                  : smr_positions(&h.history, &culprit);
    return allowed ? aborts : 0;
}
