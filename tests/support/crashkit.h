/* crashkit.h - what the crash tests share: a database with tiny limits on a simulated disk, a scripted workload, and a
 * model that knows after each step what a crash may leave.
 *
 * The model. Commits are numbered in the order they were made, which is their cts order because one thread makes them.
 * Each writes its attempt's number into one marker row, so that the recovered marker names the one commit number p that
 * the rows must be the state of: fewer commits is a prefix, anything else is a hole, a mixture or an invention. Tables
 * are not transactional: each creation and drop makes a version of the catalogue, and what is there must be one version
 * from the last that was acknowledged on.
 *
 * A script is a text of steps:
 *   t  a transaction of 1 to 5 rows      r  one larger than a ring        s  one larger than a segment
 *   a  one that is aborted               o  a read-only one that compares every row with the model
 *   k  checkpoint    y  sync    i  the log's tick    j  a round of the janitor
 *   c  creates the next table that is not there    d  drops table t
 * Every call's answer is judged: what is refused must be refused as varve.h says, and nothing is acknowledged after a
 * commit of unknown outcome.
 *
 * Thread rule: the thread of the test. SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_SUPPORT_CRASHKIT_H
#define VARVE_TESTS_SUPPORT_CRASHKIT_H

#include "core/limits.h"
#include "support/simdisk.h"
#include "support/testdb.h"
#include "varve.h"

enum { CK_TABLES = 6, CK_KEYS = 20, CK_TXNS = 160, CK_CATALOGUES = 16, CK_VALUE_BYTES = 6000, CK_MODES = 5 };

/* Fan-out 4, rings and units of 512 bytes, segments of 8 KiB. */
extern const struct vk_limits ck_limits;
extern const char *const ck_modes[CK_MODES]; /* sync, group, write, interval, none */
/* The value of VARVE_TEST_BUDGET times `usual`, at least 1. */
unsigned ck_budget(unsigned usual);

typedef uint32_t ck_state[CK_TABLES][CK_KEYS]; /* which value each row has, 0 = absent; row 0 is the marker's */

struct ck_model {
    ck_state state[CK_TXNS + 2];   /* after the first n commits */
    uint32_t attempt[CK_TXNS + 2]; /* the number in the marker row then */
    uint64_t cts[CK_TXNS + 2];
    unsigned count;                   /* commits that may be there */
    unsigned acked;                   /* answered with OK: count, or one less */
    unsigned safe;                    /* must survive a power cut */
    unsigned attempts;                /* made so far; never reset, so that no value is made twice */
    uint8_t catalogue[CK_CATALOGUES]; /* tables that are live, a bit each */
    unsigned catalogues;              /* versions that may be there, the first included */
    unsigned catalogue_safe;          /* the last one acknowledged */
    uint8_t used;                     /* tables ever created, dropped ones too */
};
void ck_model_init(struct ck_model *model);
/* What is there becomes the start: commit p of catalogue v. */
void ck_model_rebase(struct ck_model *model, unsigned p, unsigned v);

struct ck_run {
    struct ck_model *model;
    struct sim_disk *disk;
    varve_db *db;
    varve_table *table[CK_TABLES];
    unsigned mode;                     /* of ck_modes */
    bool full_allowed;                 /* FULL is an answer */
    bool io_allowed;                   /* so are IO, FAILED and UNKNOWN_OUTCOME; always true once the power is off */
    bool lied;                         /* the device says that it has done what it has not: any refusal is good */
    bool failed;                       /* the database has failed */
    bool unknown;                      /* the last commit counted has no known outcome */
    unsigned full_count, failed_count; /* answers of that kind */
};

/* Opens "db" on the disk without threads. On failure run->db is the handle that holds the text. */
int ck_open(struct ck_run *run, struct ck_model *model, struct sim_disk *disk, unsigned mode, const char *cc);
int ck_close(struct ck_run *run);
/* Runs the steps until the power is off. */
void ck_play(struct ck_run *run, const char *script);
/* Compares what the open database holds with the model: NULL, or what is wrong. *p is the number of commits there, *v
 * the catalogue; at least `least` commits must be there. */
const char *ck_judge(struct ck_run *run, unsigned least, unsigned *p, unsigned *v);
/* How many commits must be there after this policy. */
unsigned ck_least(const struct ck_run *run, const struct ck_model *model, enum sim_policy policy);
/* Whether two disks hold the same files with the same bytes, LOCK aside; *why tells the first difference. */
bool ck_same_files(const struct sim_disk *a, const struct sim_disk *b, const char **why);

#endif
