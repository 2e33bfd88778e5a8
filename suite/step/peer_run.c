/* peer_run.c - the steps of a schedule as calls of another engine.
 *
 *  1. A transaction without a write in the schedule begins as a reader: engines with one writer expect to be told.
 *  2. Whatever is neither OK nor an answer ends the transaction; what is left of it is not carried out.
 *  3. What an engine lacks is made of what it has: insert and update of a get and a put, a range deletion of a scan and
 *     deletions, a cursor of scans of one row that begin behind the last.
 *
 * SPDX-License-Identifier: MIT
 */
#include "step/peer_run.h"

#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/peers/peer.h"
#include "step/step_int.h"

struct session {
    struct peer_txn *txn;
    unsigned number; /* of the transaction */
    bool wrote;
    bool cursor_open, cursor_started;
    struct ss_range cursor_range;
    uint8_t cursor_at[ST_KEY_BYTES + 1]; /* key of its last row, and room for a zero behind it */
    size_t cursor_bytes;
};

struct st_peer {
    void *module; /* NULL: wrapped */
    const struct peer *table;
    struct peer_db *db;
    char path[ST_PATH_BYTES];
    uint64_t run_number;
    /* of a run */
    const struct ss_schedule *schedule;
    struct ss_run *run;
    struct st_keys keys;
    struct session sessions[SS_SESSIONS_MAX];
    bool over[SS_TXNS_MAX];
    unsigned events, commits, blocked;
};

/* --- modules ------------------------------------------------------------------------------------------------------ */

int st_peer_wrap(const struct peer *table, struct st_peer **out) {
    struct st_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) return VARVE_NOMEM;
    peer->table = table;
    *out = peer;
    return VARVE_OK;
}

int st_peer_load(const char *path, struct st_peer **out, char *error, size_t error_bytes) {
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL) {
        snprintf(error, error_bytes, "%s", dlerror());
        return VARVE_INVALID;
    }
    const struct peer *table = dlsym(module, "varve_peer");
    if (table == NULL || table->abi != PEER_ABI) {
        snprintf(error, error_bytes, "%s: %s", path,
                 table == NULL ? "no symbol varve_peer" : "made for another version of this command");
        dlclose(module);
        return VARVE_INVALID;
    }
    int status = st_peer_wrap(table, out);
    if (status != VARVE_OK) {
        snprintf(error, error_bytes, "out of memory");
        dlclose(module);
        return status;
    }
    (*out)->module = module;
    return VARVE_OK;
}

const char *st_peer_name(const struct st_peer *peer) { return peer->table->name; }
const char *st_peer_title(const struct st_peer *peer) { return peer->table->title; }
unsigned st_peer_levels(const struct st_peer *peer) { return peer->table->level_count; }
const char *st_peer_level_name(const struct st_peer *peer, unsigned level) { return peer->table->levels[level].name; }
varve_isolation st_peer_claims(const struct st_peer *peer, unsigned level) { return peer->table->levels[level].claims; }

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)kind, (void)walk;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

static void close_database(struct st_peer *peer) {
    if (peer->db != NULL) peer->table->close(peer->db);
    peer->db = NULL;
    if (peer->path[0] != 0) (void)nftw(peer->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    peer->path[0] = 0;
}

int st_peer_open(struct st_peer *peer, unsigned level, const char *directory, char *error, size_t error_bytes) {
    close_database(peer);
    snprintf(peer->path, sizeof peer->path, "%.400s/varve-peer-XXXXXX", st_scratch(directory));
    if (mkdtemp(peer->path) == NULL) {
        snprintf(error, error_bytes, "%s: %s", peer->path, strerror(errno));
        peer->path[0] = 0;
        return VARVE_IO;
    }
    struct peer_options options = {.directory = peer->path, .level = level, .no_wait = true, .threads = 1};
    int status = peer->table->open(&options, &peer->db, error, error_bytes);
    if (status != VARVE_OK) peer->db = NULL;
    return status;
}

void st_peer_close(struct st_peer *peer) {
    if (peer == NULL) return;
    close_database(peer);
    if (peer->module != NULL) dlclose(peer->module);
    free(peer);
}

bool st_peer_can(const struct st_peer *peer, const struct ss_schedule *schedule) {
    if (schedule->constraint_count != 0) return false;
    for (unsigned i = 0; i < schedule->step_count; i++) {
        const struct ss_step *step = &schedule->steps[i];
        switch (step->verb) {
        case SS_GET_FOR_UPDATE:
            if (peer->table->get_for_update == NULL) return false;
            break;
        case SS_SAVEPOINT:
        case SS_ROLLBACK:
            if (peer->table->savepoint == NULL || peer->table->rollback == NULL) return false;
            break;
        case SS_BEGIN:
            if (step->level != VARVE_ISOLATION_DEFAULT) return false;
            break;
        case SS_CRASH:
        case SS_SWITCH:
        case SS_SPLIT: return false;
        default: break;
        }
    }
    return true;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

/* Of a scan: where its rows go. */
struct taking {
    struct st_peer *peer;
    struct ss_answer *answer;
    struct session *cursor; /* whose place moves; NULL: none */
    unsigned seen;
};

static int take_row(void *arg, varve_slice key, varve_slice value) {
    struct taking *t = arg;
    struct ss_answer *answer = t->answer;
    bool good;
    if (answer->row_count == SS_ROWS_MAX) return 1;
    struct ss_row *row = &answer->rows[answer->row_count++];
    row->key = (uint8_t)st_key_number(&t->peer->keys, key);
    row->value = st_number(value, &good);
    if (t->cursor == NULL || key.size > ST_KEY_BYTES) return 0;
    memcpy(t->cursor->cursor_at, key.data, key.size);
    t->cursor->cursor_bytes = key.size;
    return 0;
}

static int scan(struct st_peer *peer, struct session *session, const struct ss_range *range, struct ss_answer *answer) {
    struct st_bounds bounds;
    struct taking taking = {.peer = peer, .answer = answer};
    st_bounds(&peer->keys, range, &bounds);
    return peer->table->scan(session->txn, bounds.range.low, bounds.range.high, range->limit, range->reverse, take_row,
                             &taking);
}

static int next_row(struct st_peer *peer, struct session *session, struct ss_answer *answer) {
    struct st_bounds bounds;
    struct taking taking = {.peer = peer, .answer = answer, .cursor = session};
    uint8_t from[ST_KEY_BYTES + 1];
    answer->value = SS_ABSENT;
    answer->next_key = SS_KEYS_MAX;
    if (!session->cursor_open) return VARVE_INVALID;
    st_bounds(&peer->keys, &session->cursor_range, &bounds);
    if (session->cursor_started) { /* behind the last row: the first key after it, or all below it */
        memcpy(from, session->cursor_at, session->cursor_bytes);
        from[session->cursor_bytes] = 0;
        if (session->cursor_range.reverse)
            bounds.range.high = (varve_slice){from, session->cursor_bytes};
        else
            bounds.range.low = (varve_slice){from, session->cursor_bytes + 1};
    }
    int status = peer->table->scan(session->txn, bounds.range.low, bounds.range.high, 1, session->cursor_range.reverse,
                                   take_row, &taking);
    if (status != VARVE_OK) return status;
    if (answer->row_count == 0) return VARVE_END;
    session->cursor_started = true;
    answer->next_key = answer->rows[0].key;
    answer->value = answer->rows[0].value;
    answer->row_count = 0;
    return VARVE_OK;
}

static int get(struct st_peer *peer, struct session *session, const struct ss_step *step, struct ss_answer *answer) {
    uint8_t buffer[ST_KEY_BYTES];
    varve_slice key = st_key(&peer->keys, step->key, buffer), value;
    bool good;
    int status = step->verb == SS_GET_FOR_UPDATE ? peer->table->get_for_update(session->txn, key, &value)
                                                 : peer->table->get(session->txn, key, &value);
    answer->value = SS_ABSENT;
    if (status == VARVE_OK) answer->value = step->verb == SS_HAS ? 0 : st_number(value, &good);
    return status;
}

/* Invariant 3. */
static int write_row(struct st_peer *peer, struct session *session, const struct ss_step *step,
                     struct ss_answer *answer) {
    const struct peer *table = peer->table;
    uint8_t buffer[ST_KEY_BYTES], bytes[8];
    varve_slice key = st_key(&peer->keys, step->key, buffer), old, value = {bytes, sizeof bytes};
    unsigned index = (unsigned)(step - peer->schedule->steps);
    bool good;
    if (step->verb == SS_DELETE) return table->remove(session->txn, key);
    answer->written = ss_evaluate(peer->schedule, peer->run, index, &step->value);
    st_value(answer->written, bytes);
    if (step->verb == SS_PUT) return table->put(session->txn, key, value);
    if (step->verb == SS_INSERT && table->insert != NULL) return table->insert(session->txn, key, value);
    if (step->verb == SS_ADD && table->add != NULL) return table->add(session->txn, key, answer->written);
    int status = table->get(session->txn, key, &old);
    if (status != VARVE_OK && status != VARVE_NOTFOUND) return status;
    if (step->verb == SS_INSERT && status == VARVE_OK) return VARVE_EXISTS;
    if (step->verb == SS_UPDATE && status == VARVE_NOTFOUND) return status;
    if (step->verb == SS_ADD) st_value(answer->written + (status == VARVE_OK ? st_number(old, &good) : 0), bytes);
    return table->put(session->txn, key, value);
}

static int delete_range(struct st_peer *peer, struct session *session, const struct ss_step *step,
                        struct ss_answer *answer) {
    struct ss_answer found = {0};
    uint8_t buffer[ST_KEY_BYTES];
    int status = scan(peer, session, &step->range, &found);
    for (unsigned i = 0; i < found.row_count && status == VARVE_OK; i++)
        if (found.rows[i].key < SS_KEYS_MAX)
            status = peer->table->remove(session->txn, st_key(&peer->keys, found.rows[i].key, buffer));
    answer->value = found.row_count;
    return status;
}

/* --- transactions ------------------------------------------------------------------------------------------------- */

static bool writes(enum ss_verb verb) {
    return verb == SS_PUT || verb == SS_INSERT || verb == SS_UPDATE || verb == SS_DELETE || verb == SS_ADD ||
           verb == SS_DELETE_RANGE || verb == SS_GET_FOR_UPDATE;
}

/* Invariant 1. */
static bool reads_only(const struct ss_schedule *schedule, unsigned txn) {
    for (unsigned i = 0; i < schedule->step_count; i++)
        if (schedule->steps[i].txn == txn && writes(schedule->steps[i].verb)) return false;
    return true;
}

static int begin(struct st_peer *peer, struct session *session, const struct ss_step *step) {
    struct ss_txn_end *end = &peer->run->txns[step->txn];
    *session = (struct session){.number = step->txn};
    end->begun = true;
    end->begin_event = peer->events;
    end->commits_before = peer->commits;
    int status = peer->table->begin(peer->db, reads_only(peer->schedule, step->txn), &session->txn);
    if (status != VARVE_OK) session->txn = NULL;
    return status;
}

static void ended(struct st_peer *peer, struct session *session, bool committed, int status) {
    struct ss_run *run = peer->run;
    struct ss_txn_end *end = &run->txns[session->number];
    end->committed = committed;
    end->status = status == PEER_BLOCKED ? VARVE_BUSY : status;
    end->end_event = ++peer->events;
    peer->over[session->number] = true;
    peer->blocked += status == PEER_BLOCKED;
    session->txn = NULL;
    if (!committed) return;
    run->commit_order[run->commit_count++] = (uint8_t)session->number;
    peer->commits += session->wrote;
}

static int commit(struct st_peer *peer, struct session *session) {
    struct peer_txn *txn = session->txn;
    session->txn = NULL;
    int status = peer->table->commit(txn);
    ended(peer, session, status == VARVE_OK, status);
    return status;
}

static void abandon(struct st_peer *peer, struct session *session, int status) {
    peer->table->abort(session->txn);
    ended(peer, session, false, status);
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static int call(struct st_peer *peer, struct session *session, const struct ss_step *step, struct ss_answer *answer) {
    switch (step->verb) {
    case SS_GET:
    case SS_GET_FOR_UPDATE:
    case SS_HAS: return get(peer, session, step, answer);
    case SS_SCAN: return scan(peer, session, &step->range, answer);
    case SS_OPEN:
        session->cursor_open = true;
        session->cursor_started = false;
        session->cursor_range = step->range;
        return VARVE_OK;
    case SS_NEXT: return next_row(peer, session, answer);
    case SS_CLOSE: session->cursor_open = false; return VARVE_OK;
    case SS_DELETE_RANGE: return delete_range(peer, session, step, answer);
    case SS_SAVEPOINT: return peer->table->savepoint(session->txn);
    case SS_ROLLBACK: return peer->table->rollback(session->txn);
    case SS_COMMIT: return commit(peer, session);
    case SS_ABORT: abandon(peer, session, VARVE_OK); return VARVE_OK;
    default: return writes(step->verb) ? write_row(peer, session, step, answer) : VARVE_OK;
    }
}

static bool is_answer(int status) {
    return status == VARVE_OK || status == VARVE_NOTFOUND || status == VARVE_EXISTS || status == VARVE_END;
}

static int carry_out(struct st_peer *peer, struct session *session, const struct ss_step *step,
                     struct ss_answer *answer) {
    if (step->txn >= SS_TXNS_MAX) return VARVE_OK; /* the engine's own: it has none of ours */
    if (session->txn == NULL) {
        int status = begin(peer, session, step);
        if (status != VARVE_OK) {
            ended(peer, session, false, status);
            return status;
        }
    }
    int status = call(peer, session, step, answer);
    session->wrote |= writes(step->verb) && step->verb != SS_GET_FOR_UPDATE && status == VARVE_OK;
    if (!is_answer(status) && session->txn != NULL) abandon(peer, session, status); /* invariant 2 */
    return status;
}

static void do_step(struct st_peer *peer, unsigned index, bool last) {
    const struct ss_step *step = &peer->schedule->steps[index];
    struct ss_answer *answer = &peer->run->answers[index];
    struct session *session = &peer->sessions[step->session];
    bool reached = step->txn >= SS_TXNS_MAX || !peer->over[step->txn];
    if (reached && step->guard != SS_ALWAYS && !ss_guard_holds(peer->schedule, peer->run, index)) {
        answer->skipped = true;
        reached = false;
    }
    if (reached) {
        answer->started = ++peer->events;
        answer->commits_before = peer->commits;
        int status = carry_out(peer, session, step, answer);
        answer->status = status == PEER_BLOCKED ? VARVE_BUSY : status;
        answer->done = true;
        answer->ended = ++peer->events;
        answer->commits_after = peer->commits;
    }
    if (last && session->txn != NULL) abandon(peer, session, VARVE_OK);
}

/* --- before and after --------------------------------------------------------------------------------------------- */

static int initial_rows(struct st_peer *peer) {
    struct peer_txn *txn;
    uint8_t buffer[ST_KEY_BYTES], bytes[8];
    int status = peer->table->begin(peer->db, false, &txn);
    if (status != VARVE_OK) return status;
    for (unsigned k = 0; k < peer->schedule->key_count && status == VARVE_OK; k++) {
        if (peer->schedule->initial[k] == SS_ABSENT) continue;
        st_value(peer->schedule->initial[k], bytes);
        status = peer->table->put(txn, st_key(&peer->keys, k, buffer), (varve_slice){bytes, sizeof bytes});
    }
    if (status == VARVE_OK) return peer->table->commit(txn);
    peer->table->abort(txn);
    return status;
}

static int final_rows(struct st_peer *peer) {
    struct session reader = {0};
    static const struct ss_range all = {.low = SS_KEYS_MAX, .high = SS_KEYS_MAX};
    struct ss_answer rows = {0};
    int status = peer->table->begin(peer->db, true, &reader.txn);
    if (status != VARVE_OK) return status;
    status = scan(peer, &reader, &all, &rows);
    peer->table->abort(reader.txn);
    for (unsigned i = 0; i < rows.row_count; i++)
        if (rows.rows[i].key < SS_KEYS_MAX) peer->run->final[rows.rows[i].key] = rows.rows[i].value;
    return status;
}

static void clear(struct st_peer *peer, const struct ss_schedule *schedule, struct ss_run *run) {
    memset(run->answers, 0, schedule->step_count * sizeof *run->answers);
    memset(run->txns, 0, sizeof run->txns);
    run->commit_count = 0;
    run->hang = false;
    run->note[0] = 0;
    for (unsigned k = 0; k < SS_KEYS_MAX; k++) run->final[k] = SS_ABSENT;
    peer->schedule = schedule;
    peer->run = run;
    memset(peer->sessions, 0, sizeof peer->sessions);
    memset(peer->over, 0, sizeof peer->over);
    peer->events = peer->commits = peer->blocked = 0;
    peer->keys = (struct st_keys){.schedule = schedule};
    st_prefix(&peer->keys, peer->run_number++);
}

int st_peer_run(struct st_peer *peer, const struct ss_schedule *schedule, const uint8_t *order, struct ss_run *run,
                unsigned *blocked) {
    unsigned left[SS_SESSIONS_MAX];
    clear(peer, schedule, run);
    for (unsigned s = 0; s < schedule->session_count; s++) left[s] = schedule->first_step[s + 1] - schedule->first_step[s];
    int status = initial_rows(peer);
    for (unsigned i = 0; i < schedule->step_count && status == VARVE_OK; i++)
        do_step(peer, order[i], --left[schedule->steps[order[i]].session] == 0);
    if (status == VARVE_OK) status = final_rows(peer);
    if (status == PEER_BLOCKED) status = VARVE_BUSY;
    *blocked = peer->blocked;
    return status;
}
