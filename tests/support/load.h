/* load.h - runs a piece of work in many threads until a time is over, for the stress programs. A worker that finds an
 * invariant broken says so with load_fail; all stop, and the test fails in its own thread, where cmocka may.
 *
 * Threads. load_run belongs to the test's thread; everything that takes a worker to that worker's thread.
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_SUPPORT_LOAD_H
#define VARVE_TESTS_SUPPORT_LOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "support/testdb.h"
#include "varve.h"

enum { LOAD_WORKERS = 96 };

struct load;

struct load_worker {
    struct load *load;
    unsigned index;
    struct td_random random;
    uint64_t done;  /* units of work finished */
    uint64_t tries; /* transactions begun for them */
    bool deserted;  /* its round was off: there is no further one */
    pthread_t thread;
};

/* One unit of work. Called again and again. */
typedef void (*load_fn)(struct load_worker *worker);

struct load {
    /* set by the caller */
    const char *name;
    varve_db *db;
    unsigned worker_count;
    double seconds;
    uint64_t least; /* units that every worker does, however long it takes: a starved one shows as a hang */
    load_fn fn;
    void *arg;
    /* filled by load_run */
    uint64_t done;
    uint64_t tries;
    atomic_uint left; /* workers whose time is over */
    atomic_bool stop;
    atomic_bool failed;
    char failure[512];
    struct load_worker workers[LOAD_WORKERS];
};

/* Runs the load, prints one line of figures, and fails the test when a worker did. */
void load_run(struct load *load);
/* As load_run, but hands a worker's failure back instead of failing the test: for loads that must go wrong. */
bool load_run_until_failure(struct load *load);
void load_fail(struct load_worker *worker, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool load_stopped(const struct load_worker *worker);

/* A place where `count` workers wait for each other, but not for ever: those that arrive go on after patience_us even
 * when the others do not come, because a lock may keep them away. Cleared by load_meeting_clear between rounds. */
struct load_meeting {
    atomic_uint arrived;
};
void load_meet(struct load_worker *worker, struct load_meeting *meeting, unsigned count, unsigned patience_us);
void load_meeting_clear(struct load_meeting *meeting);

/* A barrier for rounds: all wait for all. False when the load has stopped or a worker has left it: the round is off. */
struct load_barrier {
    atomic_uint arrived;
    atomic_uint round;
};
bool load_wait_for_all(struct load_worker *worker, struct load_barrier *barrier, unsigned count);

/* Values of the loads are numbers of eight bytes. */
struct load_number {
    unsigned char bytes[8];
};
struct load_number load_number(int64_t value);
varve_slice load_slice(const struct load_number *number);
int64_t load_value(varve_slice slice); /* INT64_MIN when it is not one */

/* "default" is what a user gets; "tiny" makes everything scarce. */
enum load_size { LOAD_DEFAULT, LOAD_TINY, LOAD_SIZES };
extern const char *const load_size_names[LOAD_SIZES];
/* In memory when path is NULL. */
varve_db *load_open(const char *path, const char *cc, enum load_size size);

/* Counts a try and runs the transaction at a level until it commits; fails the load on any other end. */
bool load_transact(struct load_worker *worker, varve_isolation level, bool read_only, varve_txn_fn fn, void *arg);

#endif
