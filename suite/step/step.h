/* step.h - runs a schedule on the engine, one step at a time, and tells what came out.
 *
 * One operating-system thread, one baton: a session runs on a fibre of its own as soon as it has to wait, and a step is
 * blocked exactly when the engine's wait hook fired. Nothing sleeps; the clock that lock timeouts count on is logical
 * and moves only when nothing else can. The same schedule, interleaving and options give the same run.
 *
 * Thread rule: a stage is used by one thread at a time, from open to close the same one; stages share nothing.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_STEP_H
#define VARVE_SUITE_STEP_H

#include "history/history.h"
#include "schedule/schedule.h"

struct st_stage; /* a database and its sessions, used again for many runs */

struct st_options {
    const char *scheme;   /* "mvcc", "2pl", "occ" */
    const char *deadlock; /* NULL: wound_wait */
    varve_isolation level;
    const char *directory; /* where durable schedules make their files; NULL: /dev/shm, $TMPDIR or /tmp */
    bool tiny;             /* leaves of four, four reader bits: what is rare happens all the time */
    bool keep_ghosts;      /* rows of the run before stay as ghosts; else each run has fresh keys */
    uint64_t seed;         /* which runs get a table of their own, and whose keys come before whose: no answer may change */
    bool fresh_tables;     /* a table of its own for each run: open ends of ranges are the table's own */
};
/* INVALID, NOMEM or IO with the reason in `error`; *stage is NULL then. */
int st_open(const struct st_options *options, struct st_stage **stage, char *error, size_t error_bytes);
void st_close(struct st_stage *stage);
/* The same stage at another level; cheap. */
void st_set_level(struct st_stage *stage, varve_isolation level);
varve_isolation st_served(const struct st_stage *stage); /* what is served for the level of the stage */

/* Runs the schedule in this order; a step of a session that waits is put off until it has woken. OK whatever the
 * outcome; NOMEM, IO: the machine's. *run is complete. */
int st_run(struct st_stage *stage, const struct ss_schedule *schedule, const uint8_t *order, struct ss_run *run);

/* --- the run before, closer ----------------------------------------------------------------------------------------- */

enum st_event_kind {
    ST_EVENT_START, /* of a step */
    ST_EVENT_WAIT,  /* the step has to wait */
    ST_EVENT_WAKE,  /* it goes on */
    ST_EVENT_END,   /* it has its answer */
    ST_EVENT_STUCK, /* nothing can move: the clock runs out for it */
};
struct st_event {
    uint8_t kind; /* enum st_event_kind */
    uint8_t step; /* index into the schedule's steps */
    uint8_t wait; /* ST_EVENT_WAIT: enum ss_waited */
    int8_t on;    /* ST_EVENT_WAIT: the session that holds what it waits for, -1: not known, or several */
};
/* Events of the last run, in order; valid until the next. */
const struct st_event *st_events(const struct st_stage *stage, unsigned *count);
/* A number that two runs share only when they had the same events and answers. */
uint64_t st_fingerprint(const struct st_stage *stage);
/* The last run as a history with stamps and versions, initial rows as a transaction of session SS_SESSIONS_MAX. The
 * history is initialised and finished here; release it. OK, NOMEM, INVALID with *problem. */
int st_history(const struct st_stage *stage, const struct ss_schedule *schedule, const struct ss_run *run,
               struct hs_history *history, struct hs_problem *problem);

#endif
