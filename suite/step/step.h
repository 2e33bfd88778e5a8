/* step.h - runs a schedule on the engine, one step at a time, and tells what came out.
 *
 * One operating-system thread, one baton: a session runs on a fibre of its own as soon as it has to wait, and a step is
 * blocked exactly when the engine's wait hook fired. Nothing sleeps; the clock that lock timeouts count on is logical
 * and moves only when nothing else can. The same schedule, interleaving and seed give the same run.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_STEP_H
#define VARVE_SUITE_STEP_H

#include "schedule/schedule.h"

struct st_stage; /* a database and its sessions, used again for many runs */

struct st_options {
    const char *scheme;   /* "mvcc", "2pl", "occ" */
    const char *deadlock; /* NULL: wound_wait */
    varve_isolation level;
    const char *directory; /* where durable schedules make their files; NULL: $TMPDIR or /tmp */
    bool tiny;             /* leaves of four, four reader bits: what is rare happens all the time */
    bool keep_ghosts;      /* rows of the run before stay as ghosts; else each run has fresh keys */
};
int st_open(const struct st_options *options, struct st_stage **stage, char *error, size_t error_bytes);
void st_close(struct st_stage *stage);
/* The same stage at another level; cheap. */
void st_set_level(struct st_stage *stage, varve_isolation level);
varve_isolation st_served(const struct st_stage *stage); /* what is served for the level of the stage */

/* Runs the schedule in this order; a step of a session that waits is put off until it has woken. OK whatever the
 * outcome; NOMEM, IO: the machine's. *run is complete. */
int st_run(struct st_stage *stage, const struct ss_schedule *schedule, const uint8_t *order, struct ss_run *run);

#endif
