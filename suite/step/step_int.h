/* step_int.h - private to suite/step: the stage, its sessions and where a run keeps its rows.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_STEP_INT_H
#define VARVE_SUITE_STEP_INT_H

#include "db/db.h"
#include "step/fibre.h"
#include "step/step.h"

enum {
    ST_PREFIX_BYTES = 5,
    ST_KEY_BYTES = ST_PREFIX_BYTES + 16,
    ST_MARKS_MAX = SS_STEPS_MAX,
    ST_EVENTS_MAX = SS_STEPS_MAX * 8,
    ST_FIBRES_MAX = SS_SESSIONS_MAX + 1, /* every session may wait, and the scheduler must run somewhere */
    ST_PATH_BYTES = 512,
};

enum st_state { ST_READY, ST_WAITING, ST_WOKEN };

struct st_session {
    enum st_state state;
    struct fb_fibre *fibre; /* where it waits */
    unsigned slot;          /* it waits as; 0: not known, so it looks again after every step */
    unsigned step;          /* it is in */
    bool searched;          /* detect: it has looked for a cycle in this wait */
    unsigned left;          /* steps not yet started */
    struct varve_txn *txn;  /* NULL: none is open */
    unsigned txn_number; /* index into the run's txns */
    unsigned txn_slot;
    bool wrote;
    varve_cursor *cursor;
    unsigned marks[ST_MARKS_MAX], mark_count;
    varve_error error;
};

/* What the engine tells of versions, beside the answers: for histories. */
struct st_witness {
    uint64_t version;  /* of the row read, 0: none */
    bool own;          /* read from an own write */
    uint64_t rows[SS_ROWS_MAX];
    bool own_rows[SS_ROWS_MAX];
    bool undone;       /* a write rolled back to a savepoint */
};
struct st_txn_witness {
    uint64_t snapshot, cts;
    bool read_only;
    bool torn; /* read committed under short locks */
};

/* The keys of a run: those of its schedule, unless the table is its own behind a prefix of the run's. */
struct st_keys {
    const struct ss_schedule *schedule;
    uint8_t prefix[ST_PREFIX_BYTES];
    unsigned prefix_bytes; /* 0: the table is the run's own */
};

/* Where a run keeps its rows. */
struct st_space {
    struct varve_table *table;
    struct st_keys keys;
    char name[32]; /* of a table of its own, to drop it; empty: not */
};

struct st_stage {
    /* constant after open */
    char scheme[8], deadlock[16];
    bool detect, tiny, keep_ghosts, fresh_tables;
    char directory[ST_PATH_BYTES];
    /* between runs */
    varve_isolation level;
    varve_isolation served[VARVE_SERIALIZABLE + 1];
    struct varve_db *memory_db;
    struct varve_table *memory_table, *memory_turns;
    unsigned runs_since_open;
    uint64_t run_number;
    struct fb_fibre *home, *fibres[ST_FIBRES_MAX]; /* all made; home apart */
    unsigned fibre_count;
    /* of a run */
    struct varve_db *db;
    struct varve_table *turns; /* a commit here makes the next transaction younger than all before it */
    struct st_space space;
    const struct ss_schedule *schedule;
    const uint8_t *order;
    struct ss_run *run;
    bool started[SS_STEPS_MAX];
    bool txn_over[SS_TXNS_MAX];
    unsigned first_open;       /* every step of order[] before it has been started */
    struct st_session sessions[SS_SESSIONS_MAX];
    int running;               /* the session whose step the current fibre is in; -1: none */
    struct fb_fibre *current, *idle[ST_FIBRES_MAX + 1]; /* the stack in use; those parked in the scheduler */
    unsigned idle_count;
    uint64_t now_ns;
    bool draining;             /* the stage is being cleared: nobody waits, every wait times out */
    struct fb_fibre *drainer;  /* the stack that clears it, while it waits for the others to end */
    int trouble;               /* NOMEM or IO of the machine */
    bool clock_moved;          /* somebody has committed since the last begin */
    unsigned events_seen, commits;
    unsigned durable_number;
    char durable_path[ST_PATH_BYTES];
    /* of the last run, for those who look closer */
    struct st_event events[ST_EVENTS_MAX];
    unsigned event_count;
    uint64_t fingerprint;
    struct st_witness witness[SS_STEPS_MAX];
    struct st_txn_witness txn_witness[SS_TXNS_MAX];
    uint64_t setup_cts;
};

/* baton.c: the scheduler and the engine's hooks. */
struct vk_hooks st_hooks(struct st_stage *stage);
void st_play(struct st_stage *stage); /* all steps of the run, on the caller's stack and as many fibres as it takes */
void st_drain(struct st_stage *stage); /* waiters are told that time is up, open transactions are aborted */
void st_event(struct st_stage *stage, enum st_event_kind kind, unsigned step, unsigned wait, int on);
void st_mix(struct st_stage *stage, uint64_t word); /* into the fingerprint */
void st_note(struct st_stage *stage, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* verbs.c: one step, from its start to its answer. */
void st_step(struct st_stage *stage, unsigned step);
/* Ends the session's transaction because of `status`; its rest is not carried out. */
void st_txn_lost(struct st_stage *stage, struct st_session *session, int status, unsigned reason);

/* space.c: keys and rows. */
int st_space_open(struct st_stage *stage); /* the place for this run, with its initial rows */
void st_space_close(struct st_stage *stage);
varve_slice st_key(const struct st_keys *keys, unsigned key, uint8_t buffer[ST_KEY_BYTES]);
/* The number of a key that came from the engine; SS_KEYS_MAX: none of the schedule's. */
unsigned st_key_number(const struct st_keys *keys, varve_slice key);
struct st_bounds {
    varve_range range;
    uint8_t low[ST_KEY_BYTES], high[ST_KEY_BYTES];
};
void st_bounds(const struct st_keys *keys, const struct ss_range *range, struct st_bounds *bounds);
void st_prefix(struct st_keys *keys, uint64_t run_number); /* of that run, in a table that many share */
void st_value(int64_t number, uint8_t bytes[8]);
int64_t st_number(varve_slice value, bool *good);
int st_final(struct st_stage *stage);
int st_split(struct st_stage *stage); /* rows beside the keys until leaves split */

/* files.c: databases with files, and what a kill leaves. */
int st_files_open(struct st_stage *stage);
int st_files_crash(struct st_stage *stage); /* no transaction is open any more */
void st_files_close(struct st_stage *stage);
/* stage.c: where files go: `given`, or a place that costs little. */
const char *st_scratch(const char *given);
/* A database as the stage's options say; *turns is opened too. */
int st_database_open(struct st_stage *stage, const char *path, const char *sync, struct varve_db **db);

#endif
