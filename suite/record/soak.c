/* soak.c - a random run: the database, the sessions' threads, and the one that disturbs them.
 *
 * The calling thread is the disturber: it switches schemes and shows progress, and wakes at once when the last session
 * ends. Sessions share nothing that is written but the database.
 *
 * SPDX-License-Identifier: MIT
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/db.h"
#include "record/soak_int.h"

enum { DISTURB_NS = 50000000, SWITCH_TIMEOUT_MS = 5000 };

static const char *const schemes[] = {"mvcc", "2pl", "occ"};

void rs_skew_init(struct rs_skew *skew, uint32_t count, double theta) {
    double zeta = 0;
    for (uint32_t i = 1; i <= count; i++) zeta += 1 / pow(i, theta);
    skew->count = count;
    skew->theta = theta;
    skew->zeta = zeta;
    skew->alpha = 1 / (1 - theta);
    skew->eta = (1 - pow(2.0 / count, 1 - theta)) / (1 - (1 + pow(0.5, theta)) / zeta);
}

uint32_t rs_skew_draw(const struct rs_skew *skew, struct vb_random *random) {
    if (skew->theta == 0) return (uint32_t)vb_random_below(random, skew->count);
    double u = (double)(vb_random_u64(random) >> 11) * 0x1p-53, uz = u * skew->zeta;
    if (uz < 1) return 0;
    if (uz < 1 + pow(0.5, skew->theta)) return 1 % skew->count;
    uint32_t rank = (uint32_t)(skew->count * pow(skew->eta * u - skew->eta + 1, skew->alpha));
    return rank < skew->count ? rank : skew->count - 1;
}

/* --- a session ---------------------------------------------------------------------------------------------------- */

static bool worth_going_on(int status) {
    return status == VARVE_OK || status == RS_ROLLED_BACK || varve_retryable(status);
}

static void session_main(void *arg) {
    struct rs_session *s = arg;
    const struct rs_options *o = s->shared->options;
    uint64_t token = 0;
    while (s->left != 0 && !s->lane.out_of_memory && vb_load_relaxed(&s->shared->stop) == 0) {
        varve_isolation level =
            o->level != 0 ? o->level : (varve_isolation)(1 + vb_random_below(&s->random, VARVE_SERIALIZABLE));
        int status = rs_transaction(s, level, token);
        s->left--;
        vb_store_relaxed(&s->done, s->done + 1);
        if (status == VARVE_OK)
            s->committed++;
        else
            s->aborted++;
        /* Half of what was refused comes again with its age, so that escalated transactions take part. */
        token = status != VARVE_OK && status != RS_ROLLED_BACK && vb_random_below(&s->random, 2) == 0 ? s->lane.error.retry_token : 0;
        if (worth_going_on(status)) continue;
        s->failure = status;
        snprintf(s->text, sizeof(s->text), "%s: %s", varve_status_name(status), s->lane.error.text);
        break;
    }
    if (vb_sub_acq_rel(&s->shared->running, 1) == 1 || s->failure != VARVE_OK) {
        vb_store_release(&s->shared->stop, 1);
        vos_futex_wake(&s->shared->stop, 1);
    }
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

static int fail(struct rs_result *result, int status, const char *what, const char *text) {
    snprintf(result->failure, sizeof(result->failure), "%s: %s", what, text);
    return status;
}

static int open_database(const struct rs_options *o, struct rs_shared *shared, struct rs_result *result) {
    struct vk_limits tiny = VK_LIMITS_DEFAULT;
    tiny.reader_bits = 4;
    tiny.leaf_fanout = tiny.inner_fanout = 4;
    tiny.log_buffer_bytes = 2048;
    tiny.log_unit_bytes = 512;
    tiny.segment_first_bytes = tiny.segment_max_bytes = 64 << 10;
    tiny.chunk_bytes = 1024;
    tiny.scan_small = 4;
    tiny.hash_least = 0;
    tiny.long_rounds = 1;
    tiny.split_reach = 1;
    struct vdb_setup setup = {.limits = o->tiny ? &tiny : NULL};
    char text[160];
    snprintf(text, sizeof(text), "cc=%s,deadlock=%s,memory=8G,max_txn_bytes=1M,lock_timeout_ms=2000%s", o->cc,
             o->deadlock != NULL ? o->deadlock : "wound_wait",
             o->directory != NULL ? ",sync=none,checkpoint_bytes=4M" : "");
    const char *path = o->directory != NULL ? o->directory : ":memory:";
    int status = vdb_open(path, text, &setup, &shared->db);
    if (status == VARVE_OK) status = varve_table_open(shared->db, "soak", NULL, &shared->table);
    if (status == VARVE_OK) return VARVE_OK;
    fail(result, status, "open", varve_db_error(shared->db));
    if (shared->db != NULL) varve_close(shared->db);
    return status;
}

/* Every second key is there at the start, put by the first session in ordinary transactions. */
static int load(struct rs_session *s) {
    uint32_t keys = s->shared->options->keys;
    for (uint32_t first = 0; first < keys; first += 200) {
        int status = rc_begin(&s->lane, VARVE_SERIALIZABLE, false, 0);
        for (uint32_t k = first; status == VARVE_OK && k < keys && k < first + 200; k += 2)
            status = rc_write(&s->lane, k, RC_INSERT, rs_is_counter(k) ? 8 : 16);
        if (status == VARVE_OK) status = rc_commit(&s->lane);
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

static uint64_t done_by_all(const struct rs_session *sessions, unsigned count) {
    uint64_t done = 0;
    for (unsigned i = 0; i < count; i++) done += vb_load_relaxed(&sessions[i].done);
    return done;
}

static void switch_scheme(struct rs_shared *shared, struct rs_result *result, unsigned *scheme) {
    unsigned next = (*scheme + 1) % 3;
    if (strcmp(schemes[next], "2pl") == 0) vb_store_release(&shared->torn, 1);
    if (varve_set_concurrency(shared->db, schemes[next], SWITCH_TIMEOUT_MS) != VARVE_OK) return;
    *scheme = next;
    result->switches++;
    if (strcmp(schemes[next], "2pl") != 0) vb_store_release(&shared->torn, 0);
}

static void disturb(struct rs_shared *shared, struct rs_session *sessions, struct rs_result *result) {
    const struct rs_options *o = shared->options;
    unsigned scheme = 0, turns = 0;
    while (scheme < 2 && strcmp(schemes[scheme], o->cc) != 0) scheme++;
    while (vb_load_acquire(&shared->stop) == 0) {
        vos_futex_wait(&shared->stop, 0, DISTURB_NS);
        if (o->switching && vb_load_acquire(&shared->stop) == 0) switch_scheme(shared, result, &scheme);
        if (++turns % 20 == 0 && o->progress != NULL) o->progress(o->arg, done_by_all(sessions, o->threads));
    }
}

static double processor_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int run_sessions(struct rs_shared *shared, struct rs_session *sessions, struct rs_result *result) {
    const struct rs_options *o = shared->options;
    struct vos *os = vos_posix();
    uint64_t begun = os->ops->now_ns(os);
    double processor = processor_seconds();
    shared->running = o->threads;
    int status = VARVE_OK;
    for (unsigned i = 0; i < o->threads; i++) {
        sessions[i].left = o->txns / o->threads + (i < o->txns % o->threads);
        if (status == VARVE_OK) status = vos_thread_start(session_main, &sessions[i], "session", &sessions[i].thread);
        if (status == VARVE_OK) continue;
        vb_store_release(&shared->stop, 1);
        (void)vb_sub_acq_rel(&shared->running, 1);
    }
    disturb(shared, sessions, result);
    for (unsigned i = 0; i < o->threads; i++)
        if (sessions[i].thread != NULL) vos_thread_join(sessions[i].thread);
    result->seconds = (double)(os->ops->now_ns(os) - begun) * 1e-9;
    result->processor = processor_seconds() - processor;
    if (status != VARVE_OK) return fail(result, status, "threads", varve_strerror(status));
    for (unsigned i = 0; i < o->threads; i++) {
        result->committed += sessions[i].committed;
        result->aborted += sessions[i].aborted;
        if (sessions[i].failure != VARVE_OK) status = fail(result, sessions[i].failure, "session", sessions[i].text);
        if (sessions[i].lane.out_of_memory) status = fail(result, VARVE_NOMEM, "recorder", "out of memory");
    }
    return status;
}

static int gather(struct rs_session *sessions, unsigned count, struct hs_history *history, struct rs_result *result) {
    struct hs_problem problem = {0, ""};
    struct rc_lane *lanes = calloc(count, sizeof(*lanes));
    if (lanes == NULL) return fail(result, VARVE_NOMEM, "gather", "out of memory");
    for (unsigned i = 0; i < count; i++) {
        lanes[i] = sessions[i].lane;
        memset(&sessions[i].lane, 0, sizeof(sessions[i].lane));
    }
    int status = rc_gather(lanes, count, history, &problem);
    for (unsigned i = 0; i < count; i++) rc_lane_close(&lanes[i]);
    free(lanes);
    return status == VARVE_OK ? VARVE_OK : fail(result, status, "gather", problem.text);
}

static void take_stats(struct rs_shared *shared, struct rs_result *result) {
    varve_stats_info info = {.size = sizeof(info)};
    if (varve_stats(shared->db, &info) != VARVE_OK) return;
    result->escalations = info.escalations;
    result->checkpoints = info.checkpoints;
    result->lock_waits = info.lock_waits;
    result->extensions = info.extensions;
}

int rs_run(const struct rs_options *o, struct hs_history *history, struct rs_result *result) {
    struct rs_shared shared = {.options = o, .torn = strcmp(o->cc, "2pl") == 0};
    memset(result, 0, sizeof(*result));
    hs_init(history);
    if (o->keys < 32 || o->keys > RC_KEYS_MAX || o->threads == 0 || o->theta < 0 || o->theta >= 1)
        return fail(result, VARVE_INVALID, "options", "32 keys and one thread at least; theta from 0 to below 1");
    rs_skew_init(&shared.skew, o->keys, o->theta);
    struct rs_session *sessions = aligned_alloc(128, sizeof(*sessions) * o->threads);
    if (sessions == NULL) return fail(result, VARVE_NOMEM, "sessions", "out of memory");
    memset(sessions, 0, sizeof(*sessions) * o->threads);
    int status = open_database(o, &shared, result);
    if (status != VARVE_OK) {
        free(sessions);
        return status;
    }
    for (unsigned i = 0; i < o->threads; i++) {
        rc_lane_open(&sessions[i].lane, shared.db, shared.table, i);
        sessions[i].lane.off = o->unrecorded;
        sessions[i].shared = &shared;
        vb_random_init(&sessions[i].random, o->seed * 1000003u + i);
    }
    status = load(&sessions[0]);
    if (status != VARVE_OK) fail(result, status, "load", varve_strerror(status));
    if (status == VARVE_OK) status = run_sessions(&shared, sessions, result);
    take_stats(&shared, result);
    if (status == VARVE_OK && !o->unrecorded) status = gather(sessions, o->threads, history, result);
    for (unsigned i = 0; i < o->threads; i++) rc_lane_close(&sessions[i].lane);
    free(sessions);
    int closed = varve_close(shared.db);
    return status != VARVE_OK ? status : closed == VARVE_OK ? VARVE_OK : fail(result, closed, "close", varve_strerror(closed));
}
