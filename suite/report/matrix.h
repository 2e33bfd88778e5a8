/* matrix.h - which anomalies each scheme shows and prevents at each level: the sweep that finds out, what it found, and
 * its prints.
 *
 * A pair is a scheme and a level asked for; the level served stands beside it, always. Every interleaving of every
 * schedule runs at every pair. A cell tells what became of one schedule, or of all schedules of one phenomenon, at one
 * pair. What contradicts the schedule's own rules, the contract of the levels or the model is a finding; no findings, and
 * the matrix is what the engine promises.
 *
 * How an anomaly was prevented is read off the dangerous interleavings: those that showed it at some pair. Where none
 * did anywhere, off all of them.
 *
 * Thread rule: sr_sweep starts threads of its own; everything else belongs to one thread. Memory: the C library's.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_MATRIX_H
#define VARVE_SUITE_MATRIX_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "schedule/load.h"
#include "step/step.h"

enum { SR_PAIRS_MAX = 15, SR_TEXT_BYTES = 240 };
#define SR_NEVER UINT64_MAX

struct sr_pair {
    char scheme[8];
    varve_isolation asked, served;
};

/* Ways in which an anomaly was prevented; a cell has a set of them. */
enum sr_way {
    SR_VALIDATED,       /* refused when what was read was checked (CONFLICT: read, phantom, stale) */
    SR_FIRST_COMMITTER, /* refused: another had written the row first */
    SR_VICTIM,          /* refused as the victim of a lock conflict (DEADLOCK) */
    SR_WAITED,          /* a step waited, and then it was harmless */
    SR_PRECONDITION,    /* refused: a row had come or gone */
    SR_RULE,            /* refused by a declared rule */
    SR_OLDER,           /* nothing was refused and nobody waited: another version was read */
    SR_WAYS
};
char sr_way_letter(enum sr_way way);       /* v f d w p c o */
const char *sr_way_name(enum sr_way way);  /* "validation" */

/* What is asked of a schedule or a phenomenon at a pair. */
enum sr_demand { SR_FREE, SR_MUST_NOT, SR_MUST_SHOW, SR_NOT_APPLICABLE };

struct sr_cell {
    enum sr_demand demand;
    uint64_t runs;           /* 0: not applicable */
    uint64_t shown;          /* of them, with the anomaly */
    uint64_t excused;        /* rows: shown where the contract forbids it, by schedules that say they may (a rule that only
                                the caller's reads keep, say); not in `shown` */
    bool promised;           /* rows: one schedule at least says that it must not happen */
    unsigned ways;           /* 1 << enum sr_way; of the runs that could have shown it */
    uint64_t way_runs[SR_WAYS];
    unsigned first_schedule; /* index of the schedule that first showed it, and the interleaving; SR_NEVER: none */
    uint64_t first;
    uint64_t txns, aborts;   /* transactions that were to commit, and those of them that were refused */
    uint64_t needless;       /* of them, refused although all of the run would have been as one after another */
    uint64_t needless_runs;  /* runs with one at least */
    uint64_t victims, hangs, mismatches;
};

enum sr_finding_kind {
    SR_ANOMALY,   /* shown at a level that must never show it */
    SR_NOT_SHOWN, /* a level that must show it never did */
    SR_MISMATCH,  /* the model does not allow the run */
    SR_HANG,      /* a step waits for ever */
    SR_NEEDLESS,  /* more needless aborts than the schedule allows */
    SR_STRANGE,   /* an answer that cannot be one: st_run's note */
    SR_CHECKER,   /* the checker of histories and the model differ */
    SR_UNPROVEN,  /* a level must never show it, and no schedule tries */
    SR_FINDING_KINDS
};
const char *sr_finding_name(enum sr_finding_kind kind);

struct sr_finding {
    enum sr_finding_kind kind;
    unsigned schedule; /* UINT_MAX: of a phenomenon as a whole */
    char id[16];       /* the phenomenon */
    unsigned pair;
    unsigned line;     /* of the rule, or of the schedule */
    uint64_t interleaving, count; /* the first, and how many; SR_NEVER: none */
    char text[SR_TEXT_BYTES];
};

/* All schedules with one id. */
struct sr_row {
    char id[16];
    char title[SS_NAME_BYTES];
    unsigned schedule_count;
    uint64_t interleavings;
    struct sr_cell cells[SR_PAIRS_MAX];
};

struct sr_matrix {
    const struct ss_set *set;
    unsigned pair_count;
    struct sr_pair pairs[SR_PAIRS_MAX];
    struct sr_cell (*cells)[SR_PAIRS_MAX]; /* [set->count][pair_count] */
    bool whole;                            /* all schedules run, so that the contract can be asked of rows */
    bool *chosen;                          /* [set->count]: it was run */
    struct sr_row *rows;                   /* [row_count], by id */
    unsigned row_count;
    struct sr_finding *findings;           /* [finding_count], by schedule, then pair */
    unsigned finding_count, finding_capacity;
    uint64_t schedules, interleavings, runs; /* chosen schedules; their interleavings; times pairs */
    uint64_t ns;
    struct sr_cell totals[SR_PAIRS_MAX];
};

struct sr_options {
    bool schemes[SS_SCHEMES];                   /* none: all; in the order of the names of ss_schemes */
    bool levels[VARVE_SERIALIZABLE + 1];        /* none: all; as asked */
    const char *only;                           /* an id or a name of a schedule; NULL: all */
    bool part;                                  /* the set is not the corpus: the contract is not asked of rows */
    const char *deadlock;                       /* NULL: wound_wait */
    bool tiny, keep_ghosts;
    uint64_t seed;                              /* as st_options */
    unsigned threads;                           /* 0: 2 */
    void (*progress)(void *arg, uint64_t done, uint64_t all); /* now and then, one at a time; NULL: not */
    void *progress_arg;
};

/* OK: *matrix is complete, whatever it says; release it. INVALID, NOMEM or IO with the reason in `error`. */
int sr_sweep(const struct ss_set *set, const struct sr_options *options, struct sr_matrix *matrix, char *error,
             size_t error_bytes);
void sr_release(struct sr_matrix *matrix);

/* "2143 schedules, 15 scheme-level pairs, 0 violations", without the end of the line. */
void sr_summary(const struct sr_matrix *matrix, char *buffer, size_t buffer_bytes);
void sr_print_text(FILE *out, const struct sr_matrix *matrix, bool colours);
void sr_print_findings(FILE *out, const struct sr_matrix *matrix);
void sr_print_markdown(FILE *out, const struct sr_matrix *matrix); /* the part of docs/isolation.md */
struct sr_peers;
void sr_print_json(FILE *out, const struct sr_matrix *matrix, const struct sr_peers *peers); /* peers NULL: none */

/* One schedule, one interleaving, one pair, step by step. OK, INVALID (text in `error`), NOMEM, IO. */
int sr_show(FILE *out, const struct ss_schedule *schedule, uint64_t interleaving, const struct st_options *options,
            char *error, size_t error_bytes);

#endif
