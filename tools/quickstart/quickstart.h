/* quickstart.h - what the parts of the quick start share: the package index, the memory that outlives a killed child,
 * and the report of one scheme.
 *
 * The quick start uses varve.h and nothing else of the engine. Every use of it happens in a child process; parent and
 * children share one anonymous mapping (struct qs_shared), which a SIGKILL does not touch.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_QUICKSTART_H
#define VARVE_QUICKSTART_H

#include <stdint.h>

#include "varve.h"

enum {
    QS_LANES = 4,             /* threads that write */
    QS_LANE_MAX = 1 << 21,    /* transactions that one of them can announce */
    QS_TOUCHED_MAX = 4,       /* packages of one transaction */
    QS_HISTORY_BYTES = 2 + QS_TOUCHED_MAX * 12
};

/* --- source.c: the rows ------------------------------------------------------------------------------------- */

struct qs_row {
    varve_slice key, value;
};
struct qs_source {
    struct qs_row *rows; /* [count], by key, no key twice */
    uint64_t count, bytes;
    const char *origin;
};
/* The machine's package index, or lines "key<TAB>value" of `file` when it is not NULL. limit 0 = all. Returns 0, or 1
 * with a message on stderr. */
int qs_source_read(struct qs_source *source, const char *file, uint64_t limit);
/* Index of the row with this key, or -1. */
int64_t qs_source_find(const struct qs_source *source, varve_slice key);

/* --- the mapping that outlives a child ---------------------------------------------------------------------- */

/* What a lane says about its transaction number `seq`. The hash covers the history row that it writes. */
enum qs_state {
    QS_NEVER = 0,     /* not begun: must not be there */
    QS_REFUSED,       /* taken back, or refused by commit: must not be there */
    QS_ANNOUNCED,     /* about to commit: may be there */
    QS_ACKNOWLEDGED   /* varve_run returned VARVE_OK: must be there */
};
struct qs_entry {
    uint64_t hash;
    uint32_t state;
};
struct qs_lane {
    uint64_t acknowledged, read_only, attempts, inconsistent;
    struct qs_entry entries[QS_LANE_MAX];
};

/* What is told about one scheme. Times in seconds. */
struct qs_report {
    const char *scheme;
    double load_seconds, run_seconds, reopen_seconds;
    varve_stats_info before; /* the killed process, a few milliseconds before its end */
    varve_stats_info after;  /* the database as it was reopened */
    uint64_t acknowledged, read_only, attempts, inconsistent;
    uint64_t survived, vanished;                /* announced and not acknowledged when the kill came */
    uint64_t missing, half, foreign, different; /* all must be 0 */
};

struct qs_shared {
    uint32_t loaded; /* the index is in the database, the lanes run */
    uint32_t failed; /* a child gave up; text says why */
    uint32_t committed[2];
    int32_t refusal; /* varve_status of the transaction that was refused */
    int32_t effective;
    char text[400];
    struct qs_report report;
    struct qs_lane lanes[QS_LANES];
};

/* Where the parts keep the world; constant after main has filled it. */
struct qs_world {
    struct qs_source source;
    struct qs_shared *shared;
    const char *scheme, *sync;
    char directory[4096];
    uint64_t seed;
};

/* Writes the message of a failed call into shared memory and ends this child with status 1. */
_Noreturn void qs_give_up(struct qs_world *world, const char *what, int status, const char *detail);
double qs_now(void);
uint64_t qs_mix(uint64_t x);
uint64_t qs_hash(const void *data, size_t size);

/* --- the children ------------------------------------------------------------------------------------------- */

void qs_work(struct qs_world *world);   /* loads the index, then runs transactions until it is killed */
void qs_verify(struct qs_world *world); /* reopens and compares with what the killed child said */
/* Two transactions that each read two rows and clear one of them, at `level`; the outcome is in shared memory. */
void qs_skew(struct qs_world *world, varve_isolation level);

/* --- rows of the working tables ----------------------------------------------------------------------------- */

/* Table "uses", key = package key: how many acknowledged transactions touched it, and how many of them moved it. */
struct qs_use {
    uint64_t touched, moved;
};
/* Table "history", key = lane and number, big-endian: the packages that the transaction touched and the count that each
 * had afterwards. */
struct qs_touch {
    uint32_t row;
    uint64_t count;
};
struct qs_history {
    bool moves;
    unsigned count;
    struct qs_touch touched[QS_TOUCHED_MAX];
};
size_t qs_history_encode(const struct qs_history *history, uint8_t *out); /* out: [QS_HISTORY_BYTES] */
bool qs_history_decode(struct qs_history *history, varve_slice bytes);
void qs_history_key(unsigned lane, uint64_t number, uint8_t *out); /* out: [9] */

#endif
