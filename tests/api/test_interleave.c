/* test_interleave.c - random interleavings of two or three open transactions, by one thread, over a few keys; what was
 * answered and what committed goes before the brute-force judge (model/judge.h), each transaction at the level that
 * the engine says it served.
 *
 * One thread cannot wait for itself: where a lock is held the run uses deadlock=no_wait, or a lock timeout of two
 * milliseconds, and the status that comes back ends the transaction. Aborted transactions begin again with their retry
 * token half of the time, so that escalated ones take part.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/judge.h"
#include "support/testdb.h"

enum { SESSIONS = 3, USUAL_CASES = 6000, OPS = 6, FILLER = 24 };

struct session {
    varve_txn *txn;
    unsigned number; /* of the transaction in the history */
    unsigned left;   /* operations to go */
    bool read_only;
    varve_error error;
    unsigned mark;      /* the engine's */
    int mark_op;        /* its operation, -1 = none */
    varve_cursor *cursor; /* a scan that is done a row at a time */
    struct judge_op scan;
};

struct run {
    struct td_random random;
    const char *cc;
    varve_isolation level;
    bool mixed;
    bool filler_between;
    unsigned keys;
    unsigned sessions;
    varve_db *db;
    varve_table *table;
    struct session session[SESSIONS];
    struct judge_history history;
    unsigned step;
    unsigned commits; /* with writes */
    int64_t next_value;
};

static struct {
    unsigned committed, aborted, skewed;
} totals[TD_SCHEMES][TD_LEVELS + 1];

/* --- keys and values ---------------------------------------------------------------------------------------- */

struct name {
    char text[16];
};

/* Keys sort as their numbers; one of them begins another, so that the edges of a range are tight. */
static struct name key_name(unsigned key) {
    struct name name;
    snprintf(name.text, sizeof name.text, key % 2 == 0 ? "m%c" : "m%cx", 'a' + (int)(key / 2));
    return name;
}

static varve_slice key_slice(const struct name *name) {
    return td_str(name->text);
}

/* The number of a key, or -1 for filler. */
static int key_number(varve_slice key) {
    const char *text = key.data;
    if (key.size < 2 || key.size > 3 || text[0] != 'm' || text[1] < 'a' || text[1] >= 'a' + JUDGE_KEYS / 2)
        return -1;
    if (key.size == 3 && text[2] != 'x')
        return -1;
    return 2 * (text[1] - 'a') + (key.size == 3 ? 1 : 0);
}

static void encode(unsigned char bytes[8], int64_t value) {
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)value >> (8 * i));
}

static int64_t decode(varve_slice slice) {
    uint64_t value = 0;
    TD_CHECK(slice.size == 8, "a value of %zu bytes, all are of 8", slice.size);
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)((const unsigned char *)slice.data)[i] << (8 * i);
    return (int64_t)value;
}

/* --- recording ---------------------------------------------------------------------------------------------- */

static struct judge_txn *record_of(struct run *r, struct session *s) {
    return &r->history.txns[s->number];
}

static void record(struct run *r, struct session *s, struct judge_op op) {
    struct judge_txn *txn = record_of(r, s);
    TD_CHECK(txn->op_count < JUDGE_OPS, "more operations than a record holds");
    op.commits_after = r->commits;
    txn->ops[txn->op_count++] = op;
}

static void close_cursor(struct session *s) {
    if (s->cursor != NULL)
        varve_cursor_close(s->cursor);
    s->cursor = NULL;
}

static void finish(struct run *r, struct session *s, bool committed) {
    struct judge_txn *txn = record_of(r, s);
    txn->end_step = ++r->step;
    txn->committed = committed;
    if (committed) {
        r->history.commit_order[r->history.commit_count++] = s->number;
        r->commits += judge_has_writes(txn) ? 1 : 0;
    }
    unsigned cc = 0;
    while (strcmp(td_schemes[cc], r->cc) != 0)
        cc++;
    if (committed)
        totals[cc][r->mixed ? TD_LEVELS : r->level - 1].committed++;
    else
        totals[cc][r->mixed ? TD_LEVELS : r->level - 1].aborted++;
    s->txn = NULL;
    s->cursor = NULL;
}

/* A retry status dooms: it is repeated by every call, and by commit. */
static void doomed(struct run *r, struct session *s, int status) {
    varve_slice value;
    TD_CHECK(varve_retryable(status) && status != VARVE_BUSY, "T%u: an operation answered %s: %s", s->number,
             varve_status_name(status), varve_txn_error(s->txn));
    TD_CHECK(!s->read_only, "T%u: a read-only transaction met %s", s->number, varve_status_name(status));
    TD_CHECK(s->error.status == status, "T%u: the error holds %s after %s", s->number,
             varve_status_name(s->error.status), varve_status_name(status));
    if (td_chance(&r->random, 30)) {
        struct name name = key_name(0);
        int again = varve_get(s->txn, r->table, key_slice(&name), &value);
        TD_CHECK(again == status, "T%u: %s, then %s", s->number, varve_status_name(status), varve_status_name(again));
    }
    if (td_chance(&r->random, 50)) {
        int end = varve_commit(s->txn);
        TD_CHECK(end == status, "T%u: commit of a doomed transaction gave %s, not %s", s->number,
                 varve_status_name(end), varve_status_name(status));
    } else {
        varve_abort(s->txn);
    }
    finish(r, s, false);
}

/* Records an answer, or ends a transaction that got none. False when it ended. */
static bool answered(struct run *r, struct session *s, struct judge_op op) {
    td_trace("T%u op %d key %u..%u value %lld -> %s", s->number, (int)op.kind, op.low, op.high, (long long)op.value,
             varve_status_name(op.status));
    if (op.status == VARVE_OK || op.status == VARVE_NOTFOUND || op.status == VARVE_EXISTS) {
        record(r, s, op);
        return true;
    }
    doomed(r, s, op.status);
    return false;
}

/* --- operations --------------------------------------------------------------------------------------------- */

static struct judge_op new_op(struct run *r, enum judge_kind kind) {
    struct judge_op op;
    memset(&op, 0, sizeof op);
    op.kind = kind;
    op.low = (unsigned)td_below(&r->random, r->keys);
    op.high = op.low + 1;
    op.commits_before = r->commits;
    return op;
}

static void do_get(struct run *r, struct session *s, bool for_update) {
    struct judge_op op = new_op(r, JUDGE_GET);
    struct name name = key_name(op.low);
    varve_slice value;
    if (for_update)
        op.status = varve_get_for_update(s->txn, r->table, key_slice(&name), &value);
    else
        op.status = varve_get(s->txn, r->table, key_slice(&name), &value);
    op.value = op.status == VARVE_OK ? decode(value) : JUDGE_ABSENT;
    answered(r, s, op);
}

static void do_get_many(struct run *r, struct session *s) {
    struct judge_op ops[2] = {new_op(r, JUDGE_GET), new_op(r, JUDGE_GET)};
    struct name names[2] = {key_name(ops[0].low), key_name(ops[1].low)};
    varve_slice keys[2] = {key_slice(&names[0]), key_slice(&names[1])}, values[2];
    int statuses[2];
    int status = varve_get_many(s->txn, r->table, keys, values, statuses, 2);
    if (status != VARVE_OK) {
        doomed(r, s, status);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        ops[i].status = statuses[i];
        ops[i].value = statuses[i] == VARVE_OK ? decode(values[i]) : JUDGE_ABSENT;
        if (!answered(r, s, ops[i]))
            return;
    }
}

static void do_contains(struct run *r, struct session *s) {
    struct judge_op op = new_op(r, JUDGE_CONTAINS);
    struct name name = key_name(op.low);
    op.status = varve_contains(s->txn, r->table, key_slice(&name));
    answered(r, s, op);
}

static void do_write(struct run *r, struct session *s, enum judge_kind kind) {
    struct judge_op op = new_op(r, kind);
    struct name name = key_name(op.low);
    unsigned char bytes[8];
    varve_slice key = key_slice(&name), value = VARVE_SLICE(bytes, 8);
    op.value = kind == JUDGE_DELETE ? 0 : r->next_value;
    r->next_value += 1000;
    encode(bytes, op.value);
    switch (kind) {
    case JUDGE_PUT:
        op.status = varve_put(s->txn, r->table, key, value);
        break;
    case JUDGE_INSERT:
        op.status = varve_insert(s->txn, r->table, key, value);
        break;
    case JUDGE_UPDATE:
        op.status = varve_update(s->txn, r->table, key, value);
        break;
    case JUDGE_DELETE:
        op.status = varve_delete(s->txn, r->table, key);
        break;
    default:
        op.status = varve_add(s->txn, r->table, key, op.value);
    }
    answered(r, s, op);
}

static void choose_range(struct run *r, struct judge_op *op) {
    unsigned one = (unsigned)td_below(&r->random, r->keys + 1), other = (unsigned)td_below(&r->random, r->keys + 1);
    op->low = one < other ? one : other;
    op->high = one < other ? other : one;
}

static varve_range range_of(const struct judge_op *op, struct name bounds[2]) {
    varve_range range;
    memset(&range, 0, sizeof range);
    bounds[0] = key_name(op->low);
    bounds[1] = key_name(op->high);
    range.low = key_slice(&bounds[0]);
    range.high = key_slice(&bounds[1]);
    range.reverse = op->reverse;
    return range;
}

static void do_delete_range(struct run *r, struct session *s) {
    struct judge_op op = new_op(r, JUDGE_DELETE_RANGE);
    struct name bounds[2];
    uint64_t count = 0;
    choose_range(r, &op);
    varve_range range = range_of(&op, bounds);
    op.status = varve_delete_range(s->txn, r->table, &range, &count);
    op.value = (int64_t)count;
    answered(r, s, op);
}

/* Closes the scan and records what it saw; one that stopped early saw no further than its last row. */
static void scan_done(struct run *r, struct session *s, bool complete) {
    struct judge_op op = s->scan;
    if (!complete)
        op.limit = op.row_count;
    close_cursor(s);
    if (complete || op.row_count > 0)
        answered(r, s, op);
}

static void scan_row(struct run *r, struct session *s) {
    varve_slice key, value;
    int number, status;
    do {
        status = varve_cursor_next(s->cursor, &key, &value);
        number = status == VARVE_OK ? key_number(key) : 0;
    } while (status == VARVE_OK && number < 0);
    if (status == VARVE_END) {
        scan_done(r, s, true);
        return;
    }
    if (status != VARVE_OK) {
        doomed(r, s, status);
        return;
    }
    TD_CHECK(s->scan.row_count < JUDGE_KEYS, "T%u: a scan returned more rows than there are keys", s->number);
    s->scan.rows[s->scan.row_count].key = (unsigned)number;
    s->scan.rows[s->scan.row_count++].value = decode(value);
    if (s->scan.limit > 0 && s->scan.row_count == s->scan.limit)
        scan_done(r, s, true);
}

static void start_scan(struct run *r, struct session *s, bool at_once) {
    struct judge_op op = new_op(r, JUDGE_SCAN);
    struct name bounds[2];
    choose_range(r, &op);
    op.reverse = td_chance(&r->random, 30);
    op.limit = td_chance(&r->random, 25) ? 1 + (unsigned)td_below(&r->random, 3) : 0;
    op.torn = !at_once && strcmp(r->cc, "2pl") == 0 && record_of(r, s)->level <= VARVE_READ_COMMITTED;
    varve_range range = range_of(&op, bounds);
    range.limit = r->filler_between ? 0 : op.limit;
    int status = varve_cursor_open(s->txn, r->table, &range, &s->cursor);
    td_trace("T%u scan [%u,%u)%s limit %u -> %s", s->number, op.low, op.high, op.reverse ? " reverse" : "", op.limit,
             varve_status_name(status));
    if (status != VARVE_OK) {
        s->cursor = NULL;
        doomed(r, s, status);
        return;
    }
    s->scan = op;
    while (at_once && s->cursor != NULL)
        scan_row(r, s);
}

static void do_savepoint(struct run *r, struct session *s) {
    struct judge_op op = new_op(r, s->mark_op < 0 ? JUDGE_SAVEPOINT : JUDGE_ROLLBACK);
    if (s->mark_op < 0) {
        s->mark_op = (int)record_of(r, s)->op_count;
        op.status = varve_savepoint(s->txn, &s->mark);
    } else {
        op.low = (unsigned)s->mark_op;
        op.status = varve_rollback_to(s->txn, s->mark);
    }
    answered(r, s, op);
}

/* --- transactions ------------------------------------------------------------------------------------------- */

static void begin(struct run *r, struct session *s) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    uint64_t token = td_chance(&r->random, 50) ? s->error.retry_token : 0;
    s->error = (varve_error)VARVE_ERROR_INIT;
    options.isolation = r->mixed ? td_levels[td_below(&r->random, TD_LEVELS)] : r->level;
    options.read_only = s->read_only = td_chance(&r->random, 10);
    options.retry_token = s->read_only ? 0 : token;
    options.error = &s->error;
    s->number = r->history.txn_count++;
    s->left = 1 + (unsigned)td_below(&r->random, OPS);
    s->mark_op = -1;
    struct judge_txn *txn = record_of(r, s);
    txn->begin_step = ++r->step;
    txn->commits_before = r->commits;
    int status = varve_begin(r->db, &options, &s->txn);
    TD_CHECK(status == VARVE_OK, "begin gave %s: %s", varve_status_name(status), varve_db_error(r->db));
    txn->level = varve_txn_effective_isolation(s->txn);
    td_trace("T%u begins, %s%s%s", s->number, td_level_name(txn->level), s->read_only ? ", read only" : "",
             token != 0 ? ", again" : "");
    TD_CHECK(txn->level >= (s->read_only ? options.isolation : td_served_level(r->cc, options.isolation)),
             "%s in %s is served as %s",
             td_level_name(options.isolation), r->cc, td_level_name(txn->level));
}

static void end(struct run *r, struct session *s) {
    if (s->cursor != NULL && td_chance(&r->random, 50))
        scan_done(r, s, false);
    if (s->txn == NULL)
        return;
    if (td_chance(&r->random, 8)) {
        td_trace("T%u aborts", s->number);
        varve_abort(s->txn);
        finish(r, s, false);
        return;
    }
    if (s->cursor != NULL && s->scan.row_count > 0) {
        struct judge_op op = s->scan;
        op.limit = op.row_count;
        answered(r, s, op);
    }
    int status = varve_commit(s->txn);
    td_trace("T%u commits -> %s %s", s->number, varve_status_name(status), s->error.text);
    TD_CHECK(status == VARVE_OK || varve_retryable(status), "T%u: commit gave %s", s->number,
             varve_status_name(status));
    TD_CHECK(status == VARVE_OK || !s->read_only, "T%u: a read-only transaction met %s", s->number,
             varve_status_name(status));
    TD_CHECK(status == VARVE_OK || s->error.status == status, "T%u: the error holds %s after %s", s->number,
             varve_status_name(s->error.status), varve_status_name(status));
    finish(r, s, status == VARVE_OK);
}

static void do_read(struct run *r, struct session *s) {
    switch (td_below(&r->random, 4)) {
    case 0:
        do_contains(r, s);
        return;
    case 1:
        do_get_many(r, s);
        return;
    default:
        do_get(r, s, false);
    }
}

/* What a deletion of a range deletes, and a sum, can be told from the answers only at some levels. */
static void do_any(struct run *r, struct session *s) {
    varve_isolation level = record_of(r, s)->level;
    unsigned dice = (unsigned)td_below(&r->random, 100);
    if (dice < 22 || (s->read_only && dice >= 34))
        do_read(r, s);
    else if (dice < 34)
        start_scan(r, s, td_chance(&r->random, 60));
    else if (dice < 58)
        do_write(r, s, JUDGE_PUT);
    else if (dice < 79)
        do_write(r, s, dice < 66 ? JUDGE_INSERT : dice < 72 ? JUDGE_UPDATE : JUDGE_DELETE);
    else if (dice < 84)
        do_get(r, s, true);
    else if (dice < 90 && level >= VARVE_SNAPSHOT && !r->filler_between)
        do_delete_range(r, s);
    else if (dice < 95 && level >= VARVE_REPEATABLE_READ)
        do_write(r, s, JUDGE_ADD);
    else
        do_savepoint(r, s);
}

static bool has_room(const struct run *r, const struct session *s) {
    return r->history.txns[s->number].op_count + 4 < JUDGE_OPS;
}

static void step(struct run *r, struct session *s) {
    r->step++;
    if (s->txn == NULL)
        begin(r, s);
    else if (s->left == 0 || !has_room(r, s))
        end(r, s);
    else if (s->cursor != NULL && td_chance(&r->random, 80))
        scan_row(r, s);
    else if (s->cursor != NULL)
        do_read(r, s);
    else
        do_any(r, s);
    if (s->left > 0 && s->cursor == NULL)
        s->left--;
}

/* --- a case ------------------------------------------------------------------------------------------------- */

static void fill(struct run *r, varve_txn *txn, const char *prefix) {
    char key[24];
    for (int i = 0; i < FILLER; i++) {
        snprintf(key, sizeof key, "%s%02d", prefix, i);
        TD_STATUS(varve_put(txn, r->table, td_str(key), td_str("filler")), VARVE_OK);
    }
}

/* Some keys hold a value, some were deleted before, some never were; rows around them, and between them, spread them
 * over the leaves of the tree. */
static void prepare(struct run *r) {
    varve_txn *txn = td_begin(r->db, VARVE_SERIALIZABLE);
    unsigned filler = (unsigned)td_below(&r->random, 3);
    unsigned char bytes[8];
    r->filler_between = filler == 2;
    for (unsigned k = 0; k < JUDGE_KEYS; k++) {
        struct name name = key_name(k);
        encode(bytes, r->history.initial[k] = 1 + (int64_t)k);
        if (td_chance(&r->random, 70))
            TD_STATUS(varve_put(txn, r->table, key_slice(&name), VARVE_SLICE(bytes, 8)), VARVE_OK);
        else
            r->history.initial[k] = JUDGE_ABSENT;
        char prefix[24];
        snprintf(prefix, sizeof prefix, "%s!", name.text);
        if (r->filler_between)
            fill(r, txn, prefix);
    }
    if (filler > 0) {
        fill(r, txn, "a");
        fill(r, txn, "z");
    }
    TD_STATUS(varve_commit(txn), VARVE_OK);
    txn = td_begin(r->db, VARVE_SERIALIZABLE);
    for (unsigned k = 0; k < JUDGE_KEYS; k++) {
        struct name name = key_name(k);
        if (r->history.initial[k] == JUDGE_ABSENT || td_chance(&r->random, 60))
            continue;
        TD_STATUS(varve_delete(txn, r->table, key_slice(&name)), VARVE_OK);
        r->history.initial[k] = JUDGE_ABSENT;
    }
    TD_STATUS(varve_commit(txn), VARVE_OK);
}

static void read_final(struct run *r) {
    varve_txn *txn = td_begin(r->db, VARVE_SERIALIZABLE);
    varve_slice value;
    for (unsigned k = 0; k < JUDGE_KEYS; k++) {
        struct name name = key_name(k);
        int status = varve_get(txn, r->table, key_slice(&name), &value);
        TD_CHECK(status == VARVE_OK || status == VARVE_NOTFOUND, "final get gave %s", varve_status_name(status));
        r->history.final[k] = status == VARVE_OK ? decode(value) : JUDGE_ABSENT;
    }
    TD_STATUS(varve_commit(txn), VARVE_OK);
}

static void convict(const struct run *r, const char *why, unsigned culprit) {
    judge_print(&r->history);
    td_fail(__FILE__, __LINE__, "%s (T%u)", why, culprit);
}

static bool all_committed_at(const struct run *r, varve_isolation level) {
    for (unsigned i = 0; i < r->history.txn_count; i++)
        if (r->history.txns[i].committed && r->history.txns[i].level != level)
            return false;
    return true;
}

static void judge(struct run *r) {
    unsigned culprit = 0, cc = 0;
    bool serial = judge_serializable(&r->history, JUDGE_STRICT);
    while (strcmp(td_schemes[cc], r->cc) != 0)
        cc++;
    totals[cc][r->mixed ? TD_LEVELS : r->level - 1].skewed += serial ? 0 : 1;
    if (all_committed_at(r, VARVE_SERIALIZABLE)) {
        if (!judge_serializable(&r->history, 0))
            convict(r, "not serializable", 99);
        if (!serial)
            convict(r, "serializable, but not in real-time order", 99);
        if (!judge_serializable(&r->history, JUDGE_STRICT | JUDGE_COMMIT_ORDER))
            convict(r, "serializable, but not in commit order", 99);
    }
    if (all_committed_at(r, VARVE_REPEATABLE_READ) && !judge_serializable(&r->history, JUDGE_ITEMS))
        convict(r, "not repeatable read: no order fits the items read", 99);
    if (!judge_positions(&r->history, &culprit))
        convict(r, "a transaction does not fit its level at its place in the commit order", culprit);
}

static void open_run(struct run *r) {
    bool no_wait = td_chance(&r->random, 90);
    r->db = td_open(":memory:", "cc=%s,deadlock=%s,lock_timeout_ms=2", r->cc, no_wait ? "no_wait" : "wound_wait");
    r->table = td_table(r->db, "t");
    prepare(r);
}

static void run_case(uint64_t seed, unsigned number) {
    struct run run, *r = &run;
    memset(r, 0, sizeof *r);
    r->random.state = seed * 7919 + number;
    r->cc = td_schemes[number % TD_SCHEMES];
    unsigned level = number / TD_SCHEMES % (TD_LEVELS + 1);
    r->mixed = level == TD_LEVELS;
    r->level = r->mixed ? VARVE_SERIALIZABLE : td_levels[level];
    r->keys = 2 + (unsigned)td_below(&r->random, JUDGE_KEYS - 2);
    r->sessions = 2 + (unsigned)td_below(&r->random, SESSIONS - 1);
    r->next_value = 1000;
    td_trace_clear();
    td_context("VARVE_TEST_SEED=%llu VARVE_TEST_CASE=%u: cc=%s, %s, %u keys, %u sessions", (unsigned long long)seed,
               number, r->cc, r->mixed ? "mixed levels" : td_level_name(r->level), r->keys, r->sessions);
    open_run(r);
    for (;;) {
        struct session *s = &r->session[td_below(&r->random, r->sessions)];
        bool may_begin = r->history.txn_count < JUDGE_TXNS - 1;
        bool open = false;
        for (unsigned i = 0; i < r->sessions; i++)
            open = open || r->session[i].txn != NULL;
        if (!open && !may_begin)
            break;
        if (s->txn != NULL || may_begin)
            step(r, s);
    }
    read_final(r);
    judge(r);
    td_close(r->db);
}

static void print_totals(void) {
    printf("committed/aborted/histories not serializable\n%-6s", "");
    for (unsigned level = 0; level <= TD_LEVELS; level++)
        printf(" %18s", level == TD_LEVELS ? "mixed" : td_level_name(td_levels[level]));
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        printf("\n%-6s", td_schemes[cc]);
        for (unsigned level = 0; level <= TD_LEVELS; level++) {
            char cell[40];
            snprintf(cell, sizeof cell, "%u/%u/%u", totals[cc][level].committed, totals[cc][level].aborted,
                     totals[cc][level].skewed);
            printf(" %18s", cell);
        }
    }
    printf("\n");
}

static void every_history_fits_its_level(void **state) {
    uint64_t seed = td_seed();
    unsigned cases = td_case_count(USUAL_CASES);
    (void)state;
    for (unsigned i = 0; i < cases || (long)i <= td_only_case(); i++) {
        bool wanted = td_only_case() < 0 || td_only_case() == (long)i;
        if (wanted && td_scheme_wanted(td_schemes[i % TD_SCHEMES]))
            run_case(seed, i);
    }
    print_totals();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_history_fits_its_level)};
    td_watchdog(300);
    return cmocka_run_group_tests_name("interleave", tests, NULL, NULL);
}
