/* weave.c - the fibres of an explored run, and the hooks under them.
 *
 *  W1  a fibre is ready, or it spins: it may look again once anybody else has had a turn. Who sleeps looks at its futex
 *      word and goes on only when that has changed, so a lost wake-up stays lost, and shows as a hang
 *  W2  the depth of read sections is kept for each fibre; a grace period ends when every fibre that was in a section has
 *      been seen outside one
 *  W3  the clock stands still; only when nobody can go on does it move, so that a search for deadlocks and a lock timeout
 *      get their turn, and a timeout that was needed is a hang
 *
 * SPDX-License-Identifier: MIT
 */
#include "explore/weave.h"

#ifdef VARVE_TEST_POINTS

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/test_hooks.h"
#include "db/db.h"
#include "os/rcu.h"
#include "record/lane.h"
#include "step/fibre.h"

enum { JANITOR_ROUNDS = 3, SLOTS = 16, TICK_NS = 1000000, HANG_NS = 2000000000, FIRST_KEY = 10, FILLERS = 6, ATTEMPTS = 5 };

enum state { READY, SPINNING, ENDED };

struct weaver {
    enum state state;
    uint64_t seen;      /* progress when it began to spin */
    unsigned depth;     /* of read sections, while it does not run */
    bool in_section_at_sync;
    struct fb_fibre *fibre;
    struct rc_lane lane;
};

struct weave {
    const struct sx_setup *setup;
    struct sx_strategy *strategy;
    struct sx_outcome *outcome;
    struct varve_db *db;
    struct varve_table *table;
    struct fb_fibre *home;
    struct weaver fibres[SX_FIBRES_MAX];
    unsigned count, current, sessions;
    int janitor, switcher; /* indexes of those fibres, -1 none */
    uint64_t progress, now_ns;
    bool on;            /* hooks weave; else everything runs through */
    bool drain;         /* giving up: every wait times out */
};
/* The library's test hooks know no argument; one thread weaves at a time. */
static _Thread_local struct weave *weaving;

/* Made by the first run of a thread and kept until it ends. */
static _Thread_local struct {
    struct fb_fibre *home, *fibres[SX_FIBRES_MAX];
} stacks;

void sx_weave_forget(void) {
    for (unsigned i = 0; i < SX_FIBRES_MAX; i++) fb_free(stacks.fibres[i]);
    fb_free(stacks.home);
    memset(&stacks, 0, sizeof(stacks));
}

static void mix(struct weave *w, uint64_t word) {
    w->outcome->fingerprint = (w->outcome->fingerprint ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    w->outcome->fingerprint ^= w->outcome->fingerprint >> 29;
}

/* --- who goes on -------------------------------------------------------------------------------------------------- */

static bool can_go(const struct weave *w, unsigned i) {
    const struct weaver *f = &w->fibres[i];
    if (f->state == READY) return true;
    return f->state == SPINNING && (f->seen != w->progress || w->drain);
}

static uint32_t ready_set(const struct weave *w) {
    uint32_t ready = 0;
    for (unsigned i = 0; i < w->count; i++)
        if (can_go(w, i)) ready |= 1u << i;
    return ready;
}

static bool all_ended(const struct weave *w) {
    for (unsigned i = 0; i < w->count; i++)
        if (w->fibres[i].state != ENDED) return false;
    return true;
}

static void switch_to(struct weave *w, unsigned next) {
    struct weaver *from = &w->fibres[w->current], *to = &w->fibres[next];
    if (from == to) return;
    from->depth = vos_rcu_depth;
    if (from->depth == 0) from->in_section_at_sync = false;
    vos_rcu_depth = to->depth;
    w->current = next;
    mix(w, 0x100 + next);
    fb_switch(from->fibre, to->fibre);
}

/* Nobody can go on: time moves (W3). */
static void let_time_pass(struct weave *w) {
    w->now_ns += TICK_NS << (w->now_ns / (200 * TICK_NS) < 8 ? w->now_ns / (200 * TICK_NS) : 8);
    w->progress++; /* sleepers look at the clock */
    if (w->now_ns < HANG_NS || w->drain) return;
    w->outcome->hang = true;
    w->drain = true;
}

/* The current fibre has reached a turn; `may_stay` unless it waits, spins or has ended. */
static void turn(struct weave *w, bool may_stay) {
    struct sx_outcome *o = w->outcome;
    uint32_t ready = ready_set(w) & ~(may_stay ? 0 : 1u << w->current);
    uint32_t self = may_stay ? 1u << w->current : 0;
    if (++o->turns > SX_TURNS_MAX) o->endless = w->drain = true;
    if (!may_stay) o->forced++;
    if ((ready & ~self) == 0 && may_stay) return;
    while (ready == 0) {
        if (all_ended(w)) return;
        let_time_pass(w);
        ready = ready_set(w);
    }
    unsigned next = w->strategy->choose(w->strategy, o->turns, w->current, ready);
    if (may_stay && next != w->current && o->switch_count < SX_SWITCHES_MAX)
        o->switches[o->switch_count++] = (struct sx_switch){o->turns, (uint8_t)next};
    switch_to(w, next);
}

static void reach(struct weave *w, const char *point) {
    for (unsigned i = 0; i < VK_POINT_COUNT; i++)
        if (vk_point_names[i] == point) {
            w->outcome->reached[i / 64] |= UINT64_C(1) << i % 64;
            mix(w, i);
        }
}

/* --- hooks -------------------------------------------------------------------------------------------------------- */

static void on_yield(void *arg, const char *point) {
    struct weave *w = arg;
    if (!w->on) return;
    w->progress++;
    reach(w, point);
    turn(w, true);
}

static bool on_fault(void *arg, const char *point) {
    struct weave *w = arg;
    (void)point;
    return w->on && ++w->outcome->faults == w->setup->fault;
}

static uint64_t on_clock(void *arg) {
    struct weave *w = arg;
    if (w->drain) w->now_ns += HANG_NS;
    return w->now_ns;
}

/* A turn of a loop: others first. */
static void spin(struct weave *w) {
    struct weaver *f = &w->fibres[w->current];
    f->state = SPINNING;
    f->seen = w->progress;
    turn(w, false);
    f->state = READY;
}

static bool on_relax(void) {
    if (weaving == NULL || !weaving->on) return false;
    spin(weaving);
    return true;
}

static bool on_futex(const uint32_t *word, uint32_t expected, uint64_t timeout_ns, bool *woken) {
    if (weaving == NULL || !weaving->on) return false;
    uint64_t until = weaving->now_ns + timeout_ns;
    while (vb_load_acquire(word) == expected && (timeout_ns == 0 || weaving->now_ns < until) && !weaving->drain)
        spin(weaving);
    *woken = vb_load_acquire(word) != expected;
    return true;
}

static bool on_synchronize(void) {
    struct weave *w = weaving;
    if (w == NULL || !w->on) return false;
    bool left;
    for (unsigned i = 0; i < w->count; i++)
        w->fibres[i].in_section_at_sync = i != w->current && w->fibres[i].state != ENDED && w->fibres[i].depth != 0;
    do {
        left = false;
        for (unsigned i = 0; i < w->count; i++) left |= i != w->current && w->fibres[i].in_section_at_sync;
        if (left) spin(w);
    } while (left);
    return true;
}

/* --- what the fibres do ------------------------------------------------------------------------------------------- */

static uint32_t key_of(unsigned number) { return FIRST_KEY + number * 3; }
static uint32_t bound_of(unsigned number, uint32_t open) { return number >= SS_KEYS_MAX ? open : key_of(number); }

static int do_scan(struct weave *w, struct rc_lane *lane, const struct ss_range *range) {
    struct rc_row rows[SS_ROWS_MAX];
    unsigned count;
    unsigned most = range->limit != 0 && range->limit < SS_ROWS_MAX ? range->limit : SS_ROWS_MAX;
    (void)w;
    return rc_scan(lane, bound_of(range->low, 0), bound_of(range->high, 200), range->reverse, rows, most, &count);
}

/* Where rows are added to, all of them are numbers; else an update outgrows its record. */
static bool adds(const struct ss_schedule *program) {
    for (unsigned i = 0; i < program->step_count; i++)
        if (program->steps[i].verb == SS_ADD) return true;
    return false;
}

static int do_step(struct weave *w, struct rc_lane *lane, const struct ss_step *step) {
    switch (step->verb) {
    case SS_GET: return rc_get(lane, key_of(step->key), RC_GET, NULL);
    case SS_GET_FOR_UPDATE: return rc_get(lane, key_of(step->key), RC_GET_FOR_UPDATE, NULL);
    case SS_HAS: return rc_get(lane, key_of(step->key), RC_CONTAINS, NULL);
    case SS_PUT: return rc_write(lane, key_of(step->key), RC_PUT, 8);
    case SS_ADD: return rc_write(lane, key_of(step->key), RC_ADD, 8);
    case SS_INSERT: return rc_write(lane, key_of(step->key), RC_INSERT, 8);
    case SS_UPDATE: return rc_write(lane, key_of(step->key), RC_UPDATE, adds(w->setup->program) ? 8 : 300);
    case SS_DELETE: return rc_write(lane, key_of(step->key), RC_DELETE, 0);
    case SS_SCAN:
    case SS_OPEN: return do_scan(w, lane, &step->range);
    case SS_SAVEPOINT: return rc_savepoint(lane);
    case SS_ROLLBACK: return rc_rollback(lane);
    case SS_COMMIT: return rc_commit(lane);
    case SS_ABORT: rc_abort(lane); return VARVE_OK;
    default: return VARVE_OK; /* the engine's own verbs have fibres; a cursor is one scan here */
    }
}

static int begin_for(struct weave *w, struct rc_lane *lane, const struct ss_step *step, uint64_t token) {
    bool explicit = step->verb == SS_BEGIN;
    varve_isolation level = explicit && step->level != 0 ? step->level : w->setup->level;
    return rc_begin(lane, level, explicit && step->read_only, token);
}

static bool ends(const struct ss_step *step) { return step->verb == SS_COMMIT || step->verb == SS_ABORT; }

/* Steps first..last, one transaction. The status that ended it. */
static int run_txn(struct weave *w, struct rc_lane *lane, unsigned first, unsigned last, uint64_t token) {
    const struct ss_step *steps = w->setup->program->steps;
    int status = begin_for(w, lane, &steps[first], token);
    for (unsigned i = first; i <= last && lane->txn != NULL; i++)
        if (steps[i].txn < SS_TXNS_MAX && steps[i].verb != SS_BEGIN) status = do_step(w, lane, &steps[i]);
    if (lane->txn != NULL) rc_abort(lane);
    return status;
}

/* A transaction that was refused is tried again with its age, so that escalated ones take part. */
static void run_session(struct weave *w, unsigned session) {
    const struct ss_schedule *p = w->setup->program;
    struct rc_lane *lane = &w->fibres[session].lane;
    unsigned first = p->first_step[session], end = p->first_step[session + 1];
    while (first < end) {
        unsigned last = first;
        while (last + 1 < end && !ends(&p->steps[last])) last++;
        uint64_t token = 0;
        for (unsigned n = 0; n < ATTEMPTS && !w->drain; n++) {
            if (!varve_retryable(run_txn(w, lane, first, last, token))) break;
            token = lane->error.retry_token;
        }
        first = last + 1;
    }
}

static void fibre_body(struct weave *w, unsigned self) {
    if ((int)self == w->janitor) {
        for (unsigned i = 0; i < JANITOR_ROUNDS && !w->drain; i++) {
            (void)vdb_janitor_step(w->db);
            turn(w, true);
        }
    } else if ((int)self == w->switcher) {
        int status = varve_set_concurrency(w->db, w->setup->switch_to, 1000);
        mix(w, (uint64_t)(unsigned)status);
    } else {
        run_session(w, self);
    }
}

/* Fibres are kept from run to run: one that has ended is entered again by the next run. */
static void fibre_main(void *arg) {
    unsigned self = (unsigned)(uintptr_t)arg;
    for (;;) {
        struct weave *w = weaving;
        fibre_body(w, self);
        w->fibres[self].state = ENDED;
        w->progress++;
        if (all_ended(w)) {
            w->on = false;
            vos_rcu_depth = 0;
            fb_switch(w->fibres[self].fibre, w->home);
        } else {
            turn(w, false);
        }
    }
}

/* --- a run -------------------------------------------------------------------------------------------------------- */

static int open_db(struct weave *w) {
    struct vk_limits limits = VK_LIMITS_DEFAULT;
    struct vk_hooks hooks = {.arg = w, .now_ns = on_clock, .yield = on_yield, .fault = on_fault};
    if (w->setup->tiny) {
        limits.reader_bits = 4;
        limits.leaf_fanout = limits.inner_fanout = 4;
        limits.scan_small = 2;
        limits.chunk_bytes = 1024;
        limits.hash_least = 0;
        limits.long_rounds = 1;
        limits.split_reach = 1;
    }
    struct vdb_setup setup = {.limits = &limits, .hooks = &hooks, .no_threads = true};
    char text[120];
    snprintf(text, sizeof(text), "cc=%s,deadlock=%s,max_transactions=%d", w->setup->scheme,
             w->setup->deadlock != NULL ? w->setup->deadlock : "wound_wait", SLOTS);
    int status = vdb_open(":memory:", text, &setup, &w->db);
    return status == VARVE_OK ? varve_table_open(w->db, "t", NULL, &w->table) : status;
}

/* The rows before, and others beside them, so that leaves are nearly full; all recorded, by a session of its own. */
static int load(struct weave *w) {
    const struct ss_schedule *p = w->setup->program;
    struct rc_lane *lane = &w->fibres[w->count].lane;
    rc_lane_open(lane, w->db, w->table, SX_FIBRES_MAX);
    int status = rc_begin(lane, VARVE_SERIALIZABLE, false, 0);
    for (unsigned k = 0; status == VARVE_OK && k < p->key_count; k++)
        if (p->initial[k] != SS_ABSENT) status = rc_write(lane, key_of(k), RC_INSERT, 8);
    for (unsigned k = 0; status == VARVE_OK && k < FILLERS; k++) status = rc_write(lane, 120 + k, RC_INSERT, 8);
    return status == VARVE_OK ? rc_commit(lane) : status;
}

static int make_fibres(struct weave *w) {
    w->sessions = w->setup->program->session_count;
    w->count = w->sessions;
    w->janitor = w->setup->janitor ? (int)w->count++ : -1;
    w->switcher = w->setup->switch_to != NULL ? (int)w->count++ : -1;
    if (stacks.home == NULL) stacks.home = fb_home();
    if (stacks.home == NULL) return VARVE_NOMEM;
    w->home = stacks.home;
    for (unsigned i = 0; i < w->count; i++) {
        rc_lane_open(&w->fibres[i].lane, w->db, w->table, i);
        if (stacks.fibres[i] == NULL) stacks.fibres[i] = fb_make(fibre_main, (void *)(uintptr_t)i);
        if (stacks.fibres[i] == NULL) return VARVE_NOMEM;
        w->fibres[i].fibre = stacks.fibres[i];
    }
    return VARVE_OK;
}

/* A sum that nobody has read yet is held to its additions by this. */
static int read_and_write(struct rc_lane *lane, uint32_t key) {
    int status = rc_get(lane, key, RC_GET, NULL);
    return status == VARVE_OK || status == VARVE_NOTFOUND ? rc_write(lane, key, RC_PUT, 8) : status;
}

/* Everybody has ended: every key can be written without waiting, and nothing but live rows is left. */
static void look_for_leftovers(struct weave *w) {
    struct rc_lane *lane = &w->fibres[w->count].lane;
    struct sx_outcome *o = w->outcome;
    varve_stats_info info = {.size = sizeof(info)};
    int status = varve_stats(w->db, &info);
    if (status == VARVE_OK && info.open_txns != 0) {
        o->leftover = true;
        snprintf(o->text, sizeof(o->text), "%llu transactions are open", (unsigned long long)info.open_txns);
        return;
    }
    w->drain = true; /* whoever would wait is told at once that time is up */
    status = rc_begin(lane, VARVE_SERIALIZABLE, false, 0);
    for (unsigned k = 0; status == VARVE_OK && k < w->setup->program->key_count; k++)
        status = read_and_write(lane, key_of(k));
    if (status == VARVE_OK) status = rc_commit(lane);
    for (unsigned i = 0; i < 4; i++) (void)vdb_janitor_step(w->db);
    if (status != VARVE_OK) {
        o->leftover = true;
        snprintf(o->text, sizeof(o->text), "afterwards a write of every key: %s %.200s", varve_status_name(status),
                 lane->error.text);
    } else if (varve_stats(w->db, &info) == VARVE_OK && info.ghosts != 0) {
        o->leftover = true;
        snprintf(o->text, sizeof(o->text), "%llu ghosts are left", (unsigned long long)info.ghosts);
    }
}

static int judge(struct weave *w) {
    struct rc_lane lanes[SX_FIBRES_MAX];
    struct hs_problem problem = {0, ""};
    struct ck_options options = {.level = VARVE_SERIALIZABLE, .strict = true};
    for (unsigned i = 0; i <= w->count; i++) {
        lanes[i] = w->fibres[i].lane;
        memset(&w->fibres[i].lane, 0, sizeof(w->fibres[i].lane));
    }
    int status = rc_gather(lanes, w->count + 1, &w->outcome->history, &problem);
    for (unsigned i = 0; i <= w->count; i++) rc_lane_close(&lanes[i]);
    if (status != VARVE_OK) snprintf(w->outcome->text, sizeof(w->outcome->text), "history: %s", problem.text);
    return status == VARVE_OK ? ck_check(&w->outcome->history, &options, &w->outcome->report) : status;
}

static void torn_lanes(struct weave *w) {
    bool two_phase = strcmp(w->setup->scheme, "2pl") == 0 ||
                     (w->setup->switch_to != NULL && strcmp(w->setup->switch_to, "2pl") == 0);
    for (unsigned i = 0; i < w->count; i++) w->fibres[i].lane.torn = two_phase;
}

static void run(struct weave *w) {
    w->on = true;
    uint32_t ready = ready_set(w);
    w->current = w->strategy->choose(w->strategy, 0, w->count, ready);
    vos_rcu_depth = 0;
    fb_switch(w->home, w->fibres[w->current].fibre);
    w->on = false;
}

int sx_weave(const struct sx_setup *setup, struct sx_strategy *strategy, struct sx_outcome *outcome) {
    static _Thread_local struct weave weave;
    struct weave *w = &weave;
    memset(w, 0, sizeof(*w));
    memset(outcome, 0, sizeof(*outcome));
    hs_init(&outcome->history);
    w->setup = setup;
    w->strategy = strategy;
    w->outcome = outcome;
    w->now_ns = TICK_NS;
    weaving = w;
    vb_test_hooks = (struct vb_test_hooks){.relax = on_relax, .futex_wait = on_futex, .synchronize = on_synchronize};
    int status = open_db(w);
    if (status == VARVE_OK) status = make_fibres(w);
    if (status == VARVE_OK) status = load(w);
    if (status == VARVE_OK) {
        torn_lanes(w);
        run(w);
        if (!outcome->hang && !outcome->endless) look_for_leftovers(w);
        status = judge(w);
    } else {
        snprintf(outcome->text, sizeof(outcome->text), "open: %s", varve_strerror(status));
    }
    for (unsigned i = 0; i <= w->count; i++) rc_lane_close(&w->fibres[i].lane);
    vb_test_hooks = (struct vb_test_hooks){.relax = NULL};
    weaving = NULL;
    if (w->db != NULL) (void)varve_close(w->db);
    return status;
}

void sx_outcome_release(struct sx_outcome *outcome) { hs_release(&outcome->history); }

#else
typedef int sx_weave_needs_test_points; /* a file must not be empty */
#endif
