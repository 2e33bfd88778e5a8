/* stage.c - a stage: the database that many runs share, and one run from its initial rows to its final ones.
 *
 * The database in memory is opened anew after some thousands of runs, which bounds what they leave behind. A schedule
 * with a crash or a checkpoint in it gets a database with files of its own.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "step/step_int.h"

enum { RUNS_UNTIL_REOPEN = 4096, SLOTS = 24 };

/* --- the database ------------------------------------------------------------------------------------------------- */

static struct vk_limits limits_of(bool tiny) {
    struct vk_limits limits = VK_LIMITS_DEFAULT;
    limits.slots = SLOTS;
    limits.segment_first_bytes = 16 << 10; /* zero-filled at every open */
    limits.segment_max_bytes = 1 << 20;
    if (!tiny) return limits;
    limits.reader_bits = 4;
    limits.leaf_fanout = limits.inner_fanout = 4;
    limits.log_buffer_bytes = 512;
    limits.log_unit_bytes = 512;
    limits.segment_first_bytes = 8 << 10;
    limits.segment_max_bytes = 64 << 10;
    limits.chunk_bytes = 1 << 10;
    limits.scan_small = 4;
    limits.hash_least = 0;
    limits.long_rounds = 1;
    limits.split_reach = 1;
    return limits;
}

int st_database_open(struct st_stage *stage, const char *path, const char *sync, struct varve_db **db) {
    char options[128];
    struct vk_limits limits = limits_of(stage->tiny);
    struct vk_hooks hooks = st_hooks(stage);
    struct vdb_setup setup = {.limits = &limits, .hooks = &hooks, .no_threads = true};
    snprintf(options, sizeof options, "cc=%s,deadlock=%s,sync=%s,memory=256M", stage->scheme, stage->deadlock, sync);
    int status = vdb_open(path, options, &setup, db);
    if (status == VARVE_OK || *db == NULL) return status;
    if (stage->run != NULL) st_note(stage, "%s", vdb_error(*db));
    return status;
}

static int memory_open(struct st_stage *stage) {
    stage->runs_since_open = 0;
    stage->now_ns = UINT64_C(1000000000);
    int status = st_database_open(stage, ":memory:", "none", &stage->memory_db);
    if (status != VARVE_OK) return status;
    status = varve_table_open(stage->memory_db, "rows", NULL, &stage->memory_table);
    if (status == VARVE_OK) status = varve_table_open(stage->memory_db, "turns", NULL, &stage->memory_turns);
    return status;
}

static void memory_close(struct st_stage *stage) {
    if (stage->memory_db != NULL) (void)vdb_close(stage->memory_db);
    stage->memory_db = NULL;
}

/* Begins one transaction at each level and asks what it got. */
static int ask_levels(struct st_stage *stage) {
    for (unsigned level = VARVE_READ_UNCOMMITTED; level <= VARVE_SERIALIZABLE; level++) {
        varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
        struct varve_txn *txn;
        options.isolation = (varve_isolation)level;
        int status = varve_begin(stage->memory_db, &options, &txn);
        if (status != VARVE_OK) return status;
        stage->served[level] = varve_txn_effective_isolation(txn);
        varve_abort(txn);
    }
    return VARVE_OK;
}

/* --- opening and closing a stage ---------------------------------------------------------------------------------- */

const char *st_scratch(const char *given) {
    if (given != NULL) return given;
    if (access("/dev/shm", W_OK | X_OK) == 0) return "/dev/shm";
    const char *directory = getenv("TMPDIR");
    return directory != NULL && directory[0] != 0 ? directory : "/tmp";
}

int st_open(const struct st_options *options, struct st_stage **out, char *error, size_t error_bytes) {
    *out = NULL;
    struct st_stage *stage = calloc(1, sizeof *stage);
    if (stage == NULL || (stage->home = fb_home()) == NULL) {
        free(stage);
        snprintf(error, error_bytes, "out of memory for a stage");
        return VARVE_NOMEM;
    }
    const char *deadlock = options->deadlock != NULL ? options->deadlock : "wound_wait";
    snprintf(stage->scheme, sizeof stage->scheme, "%s", options->scheme);
    snprintf(stage->deadlock, sizeof stage->deadlock, "%s", deadlock);
    snprintf(stage->directory, sizeof stage->directory, "%s", st_scratch(options->directory));
    stage->detect = strcmp(deadlock, "detect") == 0;
    stage->tiny = options->tiny;
    stage->keep_ghosts = options->keep_ghosts;
    stage->fresh_tables = options->fresh_tables;
    stage->level = options->level;
    stage->run_number = options->seed % (UINT64_C(1) << 30);
    stage->running = -1;
    int status = memory_open(stage);
    if (status == VARVE_OK) status = ask_levels(stage);
    if (status != VARVE_OK) {
        const char *text = stage->memory_db != NULL ? vdb_error(stage->memory_db) : "";
        snprintf(error, error_bytes, "%s", text[0] != 0 ? text : varve_strerror(status));
        st_close(stage);
        return status;
    }
    *out = stage;
    return VARVE_OK;
}

void st_close(struct st_stage *stage) {
    if (stage == NULL) return;
    memory_close(stage);
    for (unsigned i = 0; i < stage->fibre_count; i++) fb_free(stage->fibres[i]);
    fb_free(stage->home);
    free(stage);
}

void st_set_level(struct st_stage *stage, varve_isolation level) { stage->level = level; }

varve_isolation st_served(const struct st_stage *stage) {
    return stage->served[stage->level != VARVE_ISOLATION_DEFAULT ? stage->level : VARVE_SERIALIZABLE];
}

const struct st_event *st_events(const struct st_stage *stage, unsigned *count) {
    *count = stage->event_count;
    return stage->events;
}

uint64_t st_fingerprint(const struct st_stage *stage) { return stage->fingerprint; }

/* --- one run ------------------------------------------------------------------------------------------------------ */

static void clear_run(struct st_stage *stage, const struct ss_schedule *schedule, struct ss_run *run) {
    memset(run->answers, 0, schedule->step_count * sizeof *run->answers);
    memset(run->txns, 0, sizeof run->txns);
    run->commit_count = 0;
    run->hang = false;
    run->note[0] = 0;
    for (unsigned k = 0; k < SS_KEYS_MAX; k++) run->final[k] = SS_ABSENT;
    memset(stage->started, 0, sizeof stage->started);
    memset(stage->txn_over, 0, sizeof stage->txn_over);
    memset(stage->witness, 0, schedule->step_count * sizeof *stage->witness);
    memset(stage->txn_witness, 0, sizeof stage->txn_witness);
    for (unsigned s = 0; s < schedule->session_count; s++) {
        struct st_session *session = &stage->sessions[s];
        session->state = ST_READY;
        session->searched = false;
        session->left = schedule->first_step[s + 1] - schedule->first_step[s];
        session->txn = NULL;
        session->cursor = NULL;
        session->step = schedule->first_step[s];
    }
    stage->first_open = stage->events_seen = stage->commits = stage->event_count = 0;
    stage->draining = false;
    stage->trouble = VARVE_OK;
    stage->fingerprint = 1;
}

static int prepare(struct st_stage *stage) {
    if (stage->schedule->durable) return st_files_open(stage);
    if (stage->runs_since_open >= RUNS_UNTIL_REOPEN || stage->memory_db == NULL) {
        memory_close(stage);
        int status = memory_open(stage);
        if (status != VARVE_OK) return status;
    }
    stage->runs_since_open++;
    stage->db = stage->memory_db;
    stage->turns = stage->memory_turns;
    return VARVE_OK;
}

/* The rows before are part of the schedule: where they cannot be made, a rule of the schedule forbids them. */
static int play(struct st_stage *stage) {
    int status = st_space_open(stage);
    if (status == VARVE_OK) {
        st_play(stage);
        status = stage->trouble;
    }
    if (status == VARVE_OK) status = st_final(stage);
    for (unsigned k = 0; k < stage->schedule->key_count; k++) st_mix(stage, (uint64_t)stage->run->final[k]);
    return status;
}

/* A switch of schemes is not left behind. */
static void restore_scheme(struct st_stage *stage) {
    for (unsigned i = 0; i < stage->schedule->step_count; i++) {
        if (stage->schedule->steps[i].verb != SS_SWITCH) continue;
        (void)vdb_set_concurrency(stage->db, stage->scheme, 0);
        return;
    }
}

int st_run(struct st_stage *stage, const struct ss_schedule *schedule, const uint8_t *order, struct ss_run *run) {
    stage->schedule = schedule;
    stage->order = order;
    stage->run = run;
    clear_run(stage, schedule, run);
    int status = prepare(stage);
    if (status == VARVE_OK) {
        status = play(stage);
        if (!schedule->durable) restore_scheme(stage);
        st_space_close(stage);
    }
    if (schedule->durable) st_files_close(stage);
    stage->schedule = NULL;
    stage->run = NULL;
    stage->db = stage->memory_db;
    return status;
}
