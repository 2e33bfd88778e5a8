/* schedule.h - a schedule file: sessions of steps, the interleavings to run them in, and what is expected of them.
 *
 * A schedule names no scheme and no engine: whoever runs it crosses it with schemes and levels. The format and its
 * meaning are in README.md beside this file. Everything here is constant after ss_parse.
 *
 * Keys are numbers: every key and range bound named in the file, in byte order. Values are 64-bit numbers.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_SCHEDULE_H
#define VARVE_SUITE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "varve.h"

enum {
    SS_SESSIONS_MAX = 8,
    SS_STEPS_MAX = 96, /* of all sessions together */
    SS_KEYS_MAX = 24,
    SS_ROWS_MAX = 24,
    SS_TXNS_MAX = 16, /* of all sessions together: a session begins anew after c or a */
    SS_NAME_BYTES = 64,
    SS_TERMS_MAX = 16,
    SS_CONDITIONS_MAX = 24,
    SS_RULES_MAX = 12,
    SS_LISTED_MAX = 256, /* interleavings listed by hand */
    SS_SCHEMES = 3,
};
#define SS_ABSENT INT64_MIN

enum ss_verb {
    SS_BEGIN,          /* b [LEVEL] [ro] [deferrable] */
    SS_GET,            /* r KEY */
    SS_GET_FOR_UPDATE, /* g KEY */
    SS_HAS,            /* has KEY */
    SS_PUT,            /* w KEY VALUE */
    SS_INSERT,         /* ins KEY VALUE */
    SS_UPDATE,         /* upd KEY VALUE */
    SS_DELETE,         /* d KEY */
    SS_ADD,            /* add KEY VALUE */
    SS_SCAN,           /* s [LOW,HIGH) [rev] [limit N] */
    SS_DELETE_RANGE,   /* del [LOW,HIGH) */
    SS_OPEN,           /* open [LOW,HIGH) [rev]: a cursor */
    SS_NEXT,           /* next: its next row */
    SS_CLOSE,          /* close */
    SS_SAVEPOINT,      /* sp */
    SS_ROLLBACK,       /* rb: to the last sp */
    SS_COMMIT,         /* c */
    SS_ABORT,          /* a */
    SS_GC,             /* gc: a round of the janitor */
    SS_CHECKPOINT,     /* checkpoint */
    SS_SPLIT,          /* split: rows beside the keys are inserted until leaves split; not part of any transaction */
    SS_CRASH,          /* crash: kill, reopen; open transactions are gone */
    SS_SWITCH,         /* switch SCHEME */
    SS_VERBS
};
const char *ss_verb_name(enum ss_verb verb); /* as in a file */
const char *ss_level_name(varve_isolation level); /* ru rc rr si ser; "default" for 0 */
bool ss_level_find(const char *name, varve_isolation *level);
extern const char *const ss_schemes[SS_SCHEMES]; /* mvcc, 2pl, occ: the order of ss_rule.schemes */
int ss_scheme_find(const char *name);            /* its index, or -1 */

/* An integer expression in postfix: numbers, r(KEY) the last value this session read of KEY (0 where absent), sum() and
 * count() of its last scan, + - *. */
enum ss_term_kind { SS_NUMBER, SS_READ_OF, SS_SUM, SS_COUNT, SS_PLUS, SS_MINUS, SS_TIMES };
struct ss_term {
    uint8_t kind;
    uint8_t key;
    int64_t number;
};
struct ss_expression {
    unsigned count;
    struct ss_term terms[SS_TERMS_MAX];
};

enum ss_comparison { SS_ALWAYS, SS_EQ, SS_NE, SS_LT, SS_LE, SS_GT, SS_GE };

struct ss_range {
    uint8_t low, high; /* key numbers; SS_KEYS_MAX: open end */
    bool reverse;
    unsigned limit; /* 0: none */
};

struct ss_step {
    enum ss_verb verb;
    uint8_t session; /* 0-based */
    uint8_t number;  /* within its session, 0-based; the file counts from 1 */
    uint8_t txn;     /* index of the transaction it belongs to, over all sessions; engine verbs: SS_TXNS_MAX. A c or a
                        with a guard ends it only where the guard holds: what follows belongs to it still */
    bool joined;     /* by & to the step before: no interleaving parts them */
    uint8_t key;
    struct ss_range range;
    struct ss_expression value;
    enum ss_comparison guard; /* when LEFT < RIGHT: STEP; a step whose guard is false is skipped */
    struct ss_expression guard_left, guard_right;
    varve_isolation level; /* SS_BEGIN: 0 = the level of the run */
    bool read_only, deferrable;
    char scheme[8];        /* SS_SWITCH */
    bool waits;            /* SS_SWITCH: for every open transaction, instead of giving up */
    unsigned line;
    char text[48];         /* as written, for pictures */
};

/* What makes an outcome the anomaly: every condition holds. */
enum ss_condition_kind {
    SS_ANSWER,     /* sN.M=V: that step answered so; V a number, - for absent, {k=v,...} for a scan, or a status word
                      (ok, exists, notfound) */
    SS_COMMITTED,  /* sN.commit or sN.M=commit: the transaction that step belongs to committed; sN.commit: all of sN's */
    SS_ABORTED,    /* sN.abort */
    SS_ALL_COMMIT, /* all-commit */
    SS_FINAL,      /* final KEY=V */
    SS_UNSERIAL,   /* not-serial: no serial order of the committed gives the answers and the final state */
};
struct ss_condition {
    enum ss_condition_kind kind;
    bool negated; /* ! before it */
    uint8_t step; /* index into steps[] */
    uint8_t session;
    uint8_t key;
    int status;   /* of is_status */
    int64_t value;
    unsigned row_count;
    bool is_status; /* a status word was given: the step answered with `status` */
    bool is_rows;   /* {k=v,...}: rows[] in the order returned; else `value` */
    struct {
        uint8_t key;
        int64_t value;
    } rows[SS_ROWS_MAX];
};

/* must LEVELS / show LEVELS / allow LEVELS / precision N LEVELS; LEVEL[@SCHEME[,SCHEME]...]. */
enum ss_rule_kind { SS_MUST, SS_SHOW, SS_PRECISION, SS_ALLOW };
struct ss_rule {
    enum ss_rule_kind kind;
    varve_isolation level;
    bool schemes[SS_SCHEMES];
    unsigned number; /* SS_PRECISION: needless aborts at most, over all interleavings */
    unsigned line;
};

struct ss_problem {
    unsigned line; /* 1-based */
    char text[200];
};

struct ss_schedule {
    char id[16];               /* phenomenon ("D2") or family ("PG", "BUG", "H") */
    char name[SS_NAME_BYTES];  /* unique in a corpus */
    char about[400];
    char like[SS_NAME_BYTES];  /* where its shape is known from, in a word or two; may be empty */
    unsigned line;             /* of `schedule` in its file */
    unsigned session_count, step_count, key_count, txn_count;
    struct ss_step steps[SS_STEPS_MAX];              /* by session, then in order */
    unsigned first_step[SS_SESSIONS_MAX + 1];        /* session s has steps first_step[s] .. first_step[s + 1] */
    char keys[SS_KEYS_MAX][16];
    int64_t initial[SS_KEYS_MAX];                    /* SS_ABSENT: not there */
    char rules_of_rows[4][96];                       /* constraint TEXT: declared rules of the table */
    unsigned constraint_count;
    bool run_all;                                    /* every interleaving; else listed[] */
    unsigned listed_count;
    uint8_t listed[SS_LISTED_MAX][SS_STEPS_MAX];     /* indexes into steps[] */
    unsigned condition_count;                        /* 0: the anomaly is SS_UNSERIAL */
    struct ss_condition conditions[SS_CONDITIONS_MAX];
    unsigned rule_count;
    struct ss_rule rules[SS_RULES_MAX];
    bool durable;                                    /* it has a crash or a checkpoint: needs files */
};

/* One schedule from text; *next is set to what follows it (a file may hold several, each from `schedule` to the next).
 * `first_line` is the line number of `text`. OK, END (nothing but comments is left), INVALID with *problem. */
int ss_parse(const char *text, unsigned first_line, struct ss_schedule *schedule, const char **next, unsigned *next_line,
             struct ss_problem *problem);

/* The schedule as a file from which ss_parse reads the same: OK, or IO. */
int ss_write(FILE *out, const struct ss_schedule *schedule);

/* Interleavings, in lexical order of sessions, from 0. A session's steps keep their order, joined ones stay together. */
uint64_t ss_interleavings(const struct ss_schedule *schedule); /* how many are to be run */
/* The n-th: order[step_count] gets indexes into steps[]. */
void ss_interleaving(const struct ss_schedule *schedule, uint64_t n, uint8_t *order);
/* Turns the n-th of all interleavings into the next; false, and the first again, after the last. For loops over all of
 * them: cheaper than ss_interleaving. With a list of interleavings use that. */
bool ss_interleaving_next(const struct ss_schedule *schedule, uint8_t *order);

/* --- one execution ------------------------------------------------------------------------------------------------ */

enum ss_waited { SS_NO_WAIT = 0, SS_WAITED_LOCK = 1, SS_WAITED_GAP = 2, SS_WAITED_OTHER = 4 };

/* A row that was returned. */
struct ss_row {
    uint8_t key;
    int64_t value;
};

struct ss_answer {
    bool done;         /* it was carried out; false: never reached, skipped by its guard, or after the end of its txn */
    bool skipped;      /* by its guard */
    int status;        /* varve_status */
    uint8_t reason;    /* varve_reason of a refusal */
    uint8_t waited;    /* enum ss_waited bits */
    bool stuck;        /* it waits still: hang */
    int64_t value;     /* SS_GET and SS_NEXT: SS_ABSENT or the value; SS_DELETE_RANGE: the count; SS_HAS: 0 or SS_ABSENT */
    uint8_t next_key;  /* SS_NEXT: the key */
    unsigned row_count;
    struct ss_row rows[SS_ROWS_MAX];
    int64_t written;    /* the value of a write, its expression evaluated */
    unsigned started, ended; /* positions in the order of events of the whole run, from 1 */
    unsigned commits_before, commits_after; /* commits with writes acknowledged at those moments */
};

struct ss_txn_end {
    bool begun, committed;
    int status;     /* of commit, or the status that ended it */
    uint8_t reason; /* varve_reason */
    varve_isolation level; /* served */
    unsigned begin_event, end_event;
    unsigned commits_before;
};

struct ss_run {
    struct ss_answer answers[SS_STEPS_MAX]; /* [step_count] */
    struct ss_txn_end txns[SS_TXNS_MAX];
    unsigned commit_count;               /* committed transactions */
    uint8_t commit_order[SS_TXNS_MAX];   /* their indexes, in the order in which commit returned */
    int64_t final[SS_KEYS_MAX];          /* the rows at the end */
    bool hang;                           /* every session waits */
    char note[160];                      /* what else happened: who waited for whom, what failed */
};

int64_t ss_evaluate(const struct ss_schedule *schedule, const struct ss_run *run, unsigned step,
                    const struct ss_expression *expression); /* with what its session has read so far */
bool ss_guard_holds(const struct ss_schedule *schedule, const struct ss_run *run, unsigned step);
/* The outcome is the anomaly the schedule is about. `unserial`: what a judge says of SS_UNSERIAL. */
bool ss_is_anomaly(const struct ss_schedule *schedule, const struct ss_run *run, bool unserial);

#endif
