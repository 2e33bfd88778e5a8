/* verbs.c - one step of a schedule as calls of the engine, and its answer.
 *
 *  1. A transaction begins with the first step that needs one and ends with c, a, or the first status that dooms it: the
 *     steps left of it are not carried out. Whoever is refused ends its transaction at once, as a client would.
 *  2. A doomed transaction must repeat its status: one more call is made to see that it does.
 *  3. Between two begins somebody has committed (in a table of its own, if need be), so that who began first is older.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "step/step_int.h"

typedef int (*verb_fn)(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                       struct ss_answer *answer);

static bool dooms(int status) {
    return status == VARVE_CONFLICT || status == VARVE_DEADLOCK || status == VARVE_SNAPSHOT_TOO_OLD ||
           status == VARVE_TIMEOUT;
}

static unsigned index_of(const struct st_stage *stage, const struct ss_step *step) {
    return (unsigned)(step - stage->schedule->steps);
}

static struct st_witness *witness_of(struct st_stage *stage, const struct ss_step *step) {
    return &stage->witness[index_of(stage, step)];
}

/* --- transactions ------------------------------------------------------------------------------------------------- */

/* Invariant 3. At read committed, where a writer needs nothing that the sessions may have used up. */
static void move_clock(struct st_stage *stage) {
    struct varve_txn *txn;
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.isolation = VARVE_READ_COMMITTED;
    if (stage->clock_moved || varve_begin(stage->db, &options, &txn) != VARVE_OK) return;
    int status = varve_put(txn, stage->turns, VARVE_STR("turn"), VARVE_STR("x"));
    if (status == VARVE_OK)
        status = varve_commit(txn);
    else
        varve_abort(txn);
    if (status != VARVE_OK) stage->trouble = VARVE_IO;
}

static int begin(struct st_stage *stage, struct st_session *session, const struct ss_step *step) {
    static const char *const labels[SS_SESSIONS_MAX] = {"s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"};
    struct ss_txn_end *end = &stage->run->txns[step->txn];
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_isolation wanted = step->verb == SS_BEGIN ? step->level : VARVE_ISOLATION_DEFAULT;
    options.isolation = wanted != VARVE_ISOLATION_DEFAULT ? wanted : stage->level;
    options.read_only = step->verb == SS_BEGIN && step->read_only;
    options.deferrable = step->verb == SS_BEGIN && step->deferrable;
    options.label = labels[step->session];
    options.error = &session->error;
    move_clock(stage);
    session->error = (varve_error)VARVE_ERROR_INIT;
    int status = varve_begin(stage->db, &options, &session->txn);
    end->begun = true;
    end->begin_event = stage->events_seen;
    end->commits_before = stage->commits;
    if (status != VARVE_OK) {
        session->txn = NULL;
        return status;
    }
    stage->clock_moved = false;
    session->txn_number = step->txn;
    session->txn_slot = (unsigned)(varve_txn_id(session->txn) & 0xfff);
    session->wrote = false;
    session->mark_count = 0;
    session->cursor = NULL;
    end->level = varve_txn_effective_isolation(session->txn);
    struct st_txn_witness *witness = &stage->txn_witness[step->txn];
    witness->read_only = options.read_only;
    witness->torn = end->level == VARVE_READ_COMMITTED && strcmp(vtx_pool_ops(vdb_pool(stage->db))->name, "2pl") == 0;
    return VARVE_OK;
}

static void txn_ended(struct st_stage *stage, struct st_session *session, bool committed, int status, unsigned reason) {
    struct ss_run *run = stage->run;
    struct ss_txn_end *end = &run->txns[session->txn_number];
    end->committed = committed;
    end->status = status;
    end->reason = (uint8_t)reason;
    end->end_event = ++stage->events_seen;
    stage->txn_over[session->txn_number] = true;
    session->txn = NULL;
    session->cursor = NULL;
    if (!committed) return;
    run->commit_order[run->commit_count++] = (uint8_t)session->txn_number;
    stage->commits += session->wrote;
    stage->clock_moved |= session->wrote;
}

static unsigned reason_of(const struct st_session *session, int status) {
    return status == VARVE_OK || session->error.status != status ? VARVE_REASON_NONE : (unsigned)session->error.reason;
}

void st_txn_lost(struct st_stage *stage, struct st_session *session, int status, unsigned reason) {
    if (dooms(status)) { /* invariant 2 */
        int again = varve_contains(session->txn, stage->space.table, VARVE_STR("?"));
        if (again != status)
            st_note(stage, "a transaction that had answered %s answered %s to the next call", varve_status_name(status),
                    varve_status_name(again));
        st_mix(stage, (uint64_t)(uint32_t)again);
    }
    varve_abort(session->txn);
    txn_ended(stage, session, false, status, reason);
}

static int step_commit(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                       struct ss_answer *answer) {
    (void)answer;
    struct varve_txn *txn = session->txn;
    struct st_txn_witness *witness = &stage->txn_witness[step->txn];
    witness->snapshot = vtx_snapshot(txn);
    int status = varve_commit(txn);
    bool committed = status == VARVE_OK || status == VARVE_UNKNOWN_OUTCOME;
    witness->cts = committed ? vtx_commit_cts(txn) : 0;
    txn_ended(stage, session, committed, status, reason_of(session, status));
    return status;
}

static int step_abort(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                      struct ss_answer *answer) {
    (void)step, (void)answer;
    st_txn_lost(stage, session, VARVE_OK, VARVE_REASON_NONE);
    return VARVE_OK;
}

static int step_begin(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                      struct ss_answer *answer) {
    (void)stage, (void)session, (void)step, (void)answer;
    return VARVE_OK; /* it has begun already */
}

static int step_savepoint(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                          struct ss_answer *answer) {
    (void)stage, (void)step, (void)answer;
    return varve_savepoint(session->txn, &session->marks[session->mark_count++]);
}

/* The writes since the savepoint are undone, for the history. */
static void mark_undone(struct st_stage *stage, const struct ss_step *rollback) {
    unsigned at = index_of(stage, rollback);
    while (at-- > stage->schedule->first_step[rollback->session]) {
        const struct ss_step *step = &stage->schedule->steps[at];
        if (step->txn != rollback->txn || step->verb == SS_SAVEPOINT) break;
        stage->witness[at].undone = true;
    }
}

static int step_rollback(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                         struct ss_answer *answer) {
    (void)answer;
    if (session->mark_count == 0) return VARVE_INVALID;
    int status = varve_rollback_to(session->txn, session->marks[session->mark_count - 1]);
    if (status == VARVE_OK) mark_undone(stage, step);
    return status;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static int64_t number_of(struct st_stage *stage, varve_slice value) {
    bool good;
    int64_t number = st_number(value, &good);
    if (!good) st_note(stage, "a value of %zu bytes was read, and all that is written has 8", value.size);
    return number;
}

static void see(struct st_stage *stage, struct st_session *session, const struct ss_step *step) {
    struct vtx_witness seen = vtx_last_read(session->txn);
    struct st_witness *witness = witness_of(stage, step);
    witness->version = seen.version_cts;
    witness->own = seen.own_write != 0;
}

static int step_get(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                    struct ss_answer *answer) {
    uint8_t buffer[ST_KEY_BYTES];
    varve_slice key = st_key(&stage->space.keys, step->key, buffer), value;
    int status = step->verb == SS_GET ? varve_get(session->txn, stage->space.table, key, &value)
                                      : varve_get_for_update(session->txn, stage->space.table, key, &value);
    answer->value = SS_ABSENT;
    if (status == VARVE_OK) answer->value = number_of(stage, value);
    if (status == VARVE_OK || status == VARVE_NOTFOUND) see(stage, session, step);
    return status;
}

static int step_has(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                    struct ss_answer *answer) {
    uint8_t buffer[ST_KEY_BYTES];
    int status = varve_contains(session->txn, stage->space.table, st_key(&stage->space.keys, step->key, buffer));
    answer->value = status == VARVE_OK ? 0 : SS_ABSENT;
    if (status == VARVE_OK || status == VARVE_NOTFOUND) see(stage, session, step);
    return status;
}

static int step_write(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                      struct ss_answer *answer) {
    uint8_t buffer[ST_KEY_BYTES], bytes[8];
    varve_slice key = st_key(&stage->space.keys, step->key, buffer), value = {bytes, sizeof bytes};
    struct varve_txn *txn = session->txn;
    struct varve_table *table = stage->space.table;
    if (step->verb != SS_DELETE)
        answer->written = ss_evaluate(stage->schedule, stage->run, index_of(stage, step), &step->value);
    st_value(answer->written, bytes);
    int status = VARVE_INVALID;
    if (step->verb == SS_PUT) status = varve_put(txn, table, key, value);
    if (step->verb == SS_INSERT) status = varve_insert(txn, table, key, value);
    if (step->verb == SS_UPDATE) status = varve_update(txn, table, key, value);
    if (step->verb == SS_DELETE) status = varve_delete(txn, table, key);
    if (step->verb == SS_ADD) status = varve_add(txn, table, key, answer->written);
    session->wrote |= status == VARVE_OK;
    return status;
}

static void add_row(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                    struct ss_answer *answer, const varve_slice row[2]) {
    if (answer->row_count == SS_ROWS_MAX) {
        st_note(stage, "a scan returned more than %u rows", (unsigned)SS_ROWS_MAX);
        return;
    }
    struct vtx_witness seen = vtx_last_read(session->txn);
    struct st_witness *witness = witness_of(stage, step);
    unsigned at = answer->row_count++;
    answer->rows[at].key = (uint8_t)st_key_number(&stage->space.keys, row[0]);
    answer->rows[at].value = number_of(stage, row[1]);
    witness->rows[at] = seen.version_cts;
    witness->own_rows[at] = seen.own_write != 0;
    if (answer->rows[at].key == SS_KEYS_MAX) st_note(stage, "a scan returned a key that nobody has written");
}

static int step_scan(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                     struct ss_answer *answer) {
    struct st_bounds bounds;
    st_bounds(&stage->space.keys, &step->range, &bounds);
    varve_cursor *cursor;
    varve_slice row[2];
    int status = varve_cursor_open(session->txn, stage->space.table, &bounds.range, &cursor);
    if (status != VARVE_OK) return status;
    while ((status = varve_cursor_next(cursor, &row[0], &row[1])) == VARVE_OK)
        add_row(stage, session, step, answer, row);
    varve_cursor_close(cursor);
    return status == VARVE_END ? VARVE_OK : status;
}

static int step_delete_range(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                             struct ss_answer *answer) {
    struct st_bounds bounds;
    uint64_t count = 0;
    st_bounds(&stage->space.keys, &step->range, &bounds);
    int status = varve_delete_range(session->txn, stage->space.table, &bounds.range, &count);
    answer->value = (int64_t)count;
    session->wrote |= status == VARVE_OK && count != 0;
    return status;
}

static int step_open(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                     struct ss_answer *answer) {
    (void)answer;
    struct st_bounds bounds;
    st_bounds(&stage->space.keys, &step->range, &bounds);
    varve_cursor_close(session->cursor);
    session->cursor = NULL;
    return varve_cursor_open(session->txn, stage->space.table, &bounds.range, &session->cursor);
}

static int step_next(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                     struct ss_answer *answer) {
    varve_slice key, value;
    answer->value = SS_ABSENT;
    answer->next_key = SS_KEYS_MAX;
    if (session->cursor == NULL) return VARVE_INVALID;
    int status = varve_cursor_next(session->cursor, &key, &value);
    if (status != VARVE_OK) return status;
    answer->next_key = (uint8_t)st_key_number(&stage->space.keys, key);
    answer->value = number_of(stage, value);
    see(stage, session, step);
    return status;
}

static int step_close(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                      struct ss_answer *answer) {
    (void)stage, (void)step, (void)answer;
    varve_cursor_close(session->cursor);
    session->cursor = NULL;
    return VARVE_OK;
}

/* --- the engine's own --------------------------------------------------------------------------------------------- */

static int step_gc(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                   struct ss_answer *answer) {
    (void)session, (void)step, (void)answer;
    for (unsigned rounds = 0; rounds < 4; rounds++) (void)vdb_janitor_step(stage->db);
    return VARVE_OK;
}

static int step_checkpoint(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                           struct ss_answer *answer) {
    (void)session, (void)step, (void)answer;
    return vdb_checkpoint(stage->db);
}

static int step_split(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                      struct ss_answer *answer) {
    (void)session, (void)step, (void)answer;
    return st_split(stage);
}

static int step_crash(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                      struct ss_answer *answer) {
    (void)session, (void)step, (void)answer;
    st_drain(stage);
    int status = st_files_crash(stage);
    if (status != VARVE_OK && stage->trouble == VARVE_OK) stage->trouble = status;
    return status;
}

enum { LONG_MS = 3600000 }; /* by the logical clock, which stands still while anything can run */

/* With no time to wait, where it is not to wait: TIMEOUT while a transaction is open, and nothing has changed. */
static int step_switch(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                       struct ss_answer *answer) {
    (void)session, (void)answer;
    return vdb_set_concurrency(stage->db, step->scheme, step->waits ? LONG_MS : 0);
}

/* --- one step ----------------------------------------------------------------------------------------------------- */

static const verb_fn verbs[SS_VERBS] = {
    [SS_BEGIN] = step_begin,          [SS_GET] = step_get,     [SS_GET_FOR_UPDATE] = step_get,
    [SS_HAS] = step_has,              [SS_PUT] = step_write,   [SS_INSERT] = step_write,
    [SS_UPDATE] = step_write,         [SS_DELETE] = step_write, [SS_ADD] = step_write,
    [SS_SCAN] = step_scan,            [SS_OPEN] = step_open,   [SS_DELETE_RANGE] = step_delete_range,
    [SS_NEXT] = step_next,            [SS_CLOSE] = step_close, [SS_SAVEPOINT] = step_savepoint,
    [SS_ROLLBACK] = step_rollback,    [SS_COMMIT] = step_commit, [SS_ABORT] = step_abort,
    [SS_GC] = step_gc,                [SS_SPLIT] = step_split, [SS_CHECKPOINT] = step_checkpoint,
    [SS_CRASH] = step_crash,          [SS_SWITCH] = step_switch,
};

/* Begin, where one is needed, and the call itself. */
static int carry_out(struct st_stage *stage, struct st_session *session, const struct ss_step *step,
                     struct ss_answer *answer) {
    bool in_txn = step->txn < SS_TXNS_MAX;
    if (in_txn && session->txn == NULL) {
        int status = begin(stage, session, step);
        if (status != VARVE_OK) {
            session->txn_number = step->txn;
            txn_ended(stage, session, false, status, reason_of(session, status));
            return status;
        }
    }
    int status = verbs[step->verb](stage, session, step, answer);
    answer->reason = (uint8_t)reason_of(session, status);
    if (!dooms(status) || !in_txn || session->txn == NULL) return status;
    if (stage->draining && stage->drainer == NULL) st_note(stage, "%s", session->error.text);
    st_txn_lost(stage, session, status, answer->reason);
    return status;
}

static void finish(struct st_stage *stage, unsigned index, struct ss_answer *answer) {
    answer->done = stage->drainer == NULL; /* else it waited when the process was killed */
    answer->ended = ++stage->events_seen;
    answer->commits_after = stage->commits;
    st_mix(stage, (uint64_t)answer->value);
    st_mix(stage, (uint64_t)(uint32_t)answer->status << 8 | answer->reason);
    for (unsigned i = 0; i < answer->row_count; i++)
        st_mix(stage, (uint64_t)answer->rows[i].value * 32 + answer->rows[i].key);
    st_event(stage, ST_EVENT_END, index, 0, -1);
}

/* A transaction left open by the last step of its session is aborted there. */
static void end_session(struct st_stage *stage, struct st_session *session) {
    if (session->left == 0 && session->txn != NULL) st_txn_lost(stage, session, VARVE_OK, VARVE_REASON_NONE);
}

void st_step(struct st_stage *stage, unsigned index) {
    const struct ss_step *step = &stage->schedule->steps[index];
    struct ss_answer *answer = &stage->run->answers[index];
    struct st_session *session = &stage->sessions[step->session];
    stage->started[index] = true;
    session->left--;
    if (step->txn < SS_TXNS_MAX && stage->txn_over[step->txn]) return;
    if (step->guard != SS_ALWAYS && !ss_guard_holds(stage->schedule, stage->run, index)) {
        answer->skipped = true;
        end_session(stage, session);
        return;
    }
    session->step = index;
    answer->started = ++stage->events_seen;
    answer->commits_before = stage->commits;
    st_event(stage, ST_EVENT_START, index, 0, -1);
    stage->running = step->session;
    answer->status = carry_out(stage, session, step, answer);
    stage->running = -1;
    session->searched = false;
    finish(stage, index, answer);
    end_session(stage, session);
}
