/* load.h - a workload of the benchmark: how it is filled, what its transactions do, and what must hold afterwards.
 *
 * A load runs on any engine behind peers/peer.h, ours included. It uses one ordered map of byte keys; a load with several
 * tables begins each key with a byte for the table and big-endian numbers after it, so that order is as in the table.
 * Every load has an invariant: a run that breaks it prints FAIL and no figure.
 *
 * Thread rule: `fill` runs in parallel on disjoint parts; a session belongs to one thread; `verify` runs alone.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_LOAD_H
#define VARVE_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "bench/peers/peer.h"

/* BL_ROLLBACK: what a body returns when its transaction should end by rolling back. */
/* BL_GIVEN_UP: of a fill that was told to end. */
enum { BL_KINDS_MAX = 8, BL_TEXT_BYTES = 256, BL_ROLLBACK = 2, BL_GIVEN_UP = 3 };

/* What the command line says; a load reads what it knows and checks it in `prepare`. */
struct bl_settings {
    uint64_t records;     /* rows; TPC-C: unused */
    uint32_t value_bytes;
    uint32_t ops_per_txn;
    uint32_t read_ratio;  /* percent */
    double theta;         /* skew of keys: 0 = uniform, below 1 */
    bool string_keys;     /* keys of 16 characters with a common prefix; else 8 big-endian bytes */
    bool sorted_keys;     /* plain loads: rows are filled in the order of their keys; else all over them */
    bool use_get_many, use_add, use_for_update;
    uint32_t warehouses;  /* TPC-C */
    uint32_t hot;         /* SmallBank and counters: size of the hot set */
    uint32_t scan_seconds; /* HTAP: how long a reader takes; 0: there is none */
    unsigned threads;
    uint64_t seed;
};

struct bl_run;     /* one filled database and its load; private state of the load hangs off it */
struct bl_session; /* one thread of it */

struct bl_load {
    const char *name;  /* "ycsb-a" */
    const char *about; /* one line */
    unsigned kind_count;
    const char *kinds[BL_KINDS_MAX]; /* names of its transaction types */
    bool read_only[BL_KINDS_MAX];    /* those that never write: begun read-only */
    /* Checks the settings and makes run->state. INVALID with run->text. */
    int (*prepare)(struct bl_run *run);
    void (*release)(struct bl_run *run); /* frees run->state; NULL where there is none */
    /* Rows of part `part` of `parts`, in transactions of its own. */
    int (*fill)(struct bl_run *run, struct bl_session *session, unsigned part, unsigned parts);
    /* Draws the next transaction: its type (an index into kinds) and its parameters, kept in session->draw for every
     * attempt. */
    unsigned (*draw)(struct bl_session *session);
    /* One attempt of it, inside session->txn. OK: commit it; BL_ROLLBACK: roll it back, that is how it should end
     * (TPC-C's one percent, SmallBank's overdraft); else the status of the call that failed. */
    int (*body)(struct bl_session *session, unsigned kind);
    /* It has committed (or ended by its own rollback): what the invariant has to know. NULL: nothing. */
    void (*done)(struct bl_session *session, unsigned kind, bool committed);
    /* The invariant, over the database and all sessions. OK, or CORRUPT with run->text. */
    int (*verify)(struct bl_run *run, struct bl_session *sessions, unsigned count);
};

struct bl_run {
    const struct bl_load *load;
    const struct peer *engine;
    struct peer_db *db;
    struct bl_settings settings;
    varve_isolation level; /* what the engine claims at the level it runs at; 0 = not known */
    bool generator;        /* the engine does nothing and its rows are zeros: rows read are not looked at */
    void *state;
    const uint32_t *give_up; /* non-zero: bl_transaction begins nothing and returns BL_GIVEN_UP; NULL but in a fill */
    const uint32_t *stop; /* non-zero: the run ends, so a body that paces itself hurries; NULL: never */
    char text[BL_TEXT_BYTES];
};

struct bl_session {
    struct bl_run *run;
    struct peer_txn *txn; /* set by the driver around body, and by bl_transaction */
    unsigned thread;
    struct vb_random random;
    uint64_t draw[16];    /* parameters of the transaction that runs */
    int64_t tally[16];    /* what `done` counts */
    uint64_t reads, writes; /* operations of the current attempt, for wasted work */
    uint8_t buffer[4096];
} __attribute__((aligned(128)));

extern const struct bl_load *const bl_loads[]; /* NULL-terminated */
const struct bl_load *bl_find(const char *name);

/* Draws from 0 .. count-1 with skew theta, scrambled so that hot rows are not neighbours. */
enum { BL_ZIPF_EXACT = 64 };
struct bl_zipf {
    uint64_t count;
    double theta, alpha, zeta, tail; /* alpha: 1 / (1 - theta); zeta: the sum of 1/i^theta; tail: where the integral begins */
    double below[BL_ZIPF_EXACT];     /* the sum over the first ranks, up to and with this one */
};
void bl_zipf_init(struct bl_zipf *zipf, uint64_t count, double theta);
uint64_t bl_zipf_rank(const struct bl_zipf *zipf, struct vb_random *random); /* 0 is the hottest */
uint64_t bl_scramble(uint64_t rank, uint64_t count); /* a permutation of 0 .. count-1 */
uint64_t bl_zipf_row(const struct bl_zipf *zipf, struct vb_random *random); /* a rank, the hot ones spread over all rows */

/* Runs fn in transactions of its own until it commits: for fill and verify. */
int bl_transaction(struct bl_session *session, bool read_only, int (*fn)(struct bl_session *session, void *arg),
                   void *arg);

#endif
