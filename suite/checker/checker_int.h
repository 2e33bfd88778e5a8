/* checker_int.h - what the passes share: the work at hand, its memory, the order of commits, findings as they come in.
 *
 * A pass is a function over struct ck_work. It reports through ck_found, which keeps the worst, and stops at the first
 * fault it meets; a failed allocation is kept in work->status and ends the check.
 *
 * Words. Position: the place of a committed transaction with effective writes in the order of commit timestamps, from
 * 1; position 0 is the state before all. A stamp s names the state after the commits at positions 1 .. s.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_CHECKER_INT_H
#define VARVE_SUITE_CHECKER_INT_H

#include "checker/checker.h"

#define CK_NO_TXN UINT32_MAX
#define CK_NO_OP  UINT64_MAX

struct ck_versions;
struct ck_partial;

struct ck_work {
    const struct hs_history *h;
    struct ck_options options; /* level is set */
    struct ck_report *report;
    bool strict, sessions; /* asked for, and the history can tell */
    int status;            /* OK, or NOMEM from the first failed allocation on */
    bool found;            /* report->finding holds one */
    bool explaining;       /* the graph is looked at: a finding of the same class with a cycle is better */
    bool broken;           /* a pass met a fault: the passes after it only explain */
    uint64_t held;         /* bytes */

    uint64_t *observed; /* bits of transactions of unknown outcome whose commit was seen; NULL: none are unknown */
    uint32_t commit_count;
    uint32_t *txn_at;  /* [commit_count + 1]: position to transaction */
    uint64_t *cts_at;  /* [commit_count + 1], ascending */
    uint32_t *buckets; /* positions by the high part of the cts */
    uint64_t first_cts;
    unsigned bucket_shift;
    uint32_t bucket_count;
    uint64_t *end_after; /* [commit_count + 2]: the earliest end at this or a later position */
    uint32_t *chosen;    /* [txn_count]: stamps found for readers without one; NULL: there are none */
    struct ck_versions *versions;
    struct hs_history *lowered; /* sums.c: the copy in which additions are writes of sums; NULL: there are none */
    uint32_t *slots; /* black box: [op_count] the entry that a read was answered with; NULL: versions tell */
    const struct ck_partial *partial; /* black box: keys whose versions are not in order; NULL: all are */
    uint32_t *session_at;             /* [txn_count]: sessions numbered from 0; NULL: they do not count */
    uint32_t session_count;
};

/* --- work.c ------------------------------------------------------------------------------------------------------- */

void *ck_alloc(struct ck_work *work, size_t count, size_t bytes);  /* not cleared */
void *ck_zalloc(struct ck_work *work, size_t count, size_t bytes); /* cleared */
void ck_free(struct ck_work *work, void *memory, size_t count, size_t bytes);

uint64_t ck_now_ns(void);
void ck_pass(struct ck_work *work, const char *name, uint64_t began_ns, uint64_t txns);

/* The finding to fill, or NULL when a worse one is known. `other` CK_NO_TXN: none. */
struct ck_finding *ck_found(struct ck_work *work, enum ck_anomaly anomaly, uint32_t txn, uint64_t op, uint32_t other);
/* Appends a line of proof. */
void ck_say(struct ck_finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct ck_text {
    char text[80];
};
struct ck_text ck_key_name(const struct ck_work *work, uint32_t key);
struct ck_text ck_value_name(int64_t value);

struct ck_item {
    uint64_t key;
    uint32_t txn;
    uint32_t kind;
};
/* By key; stable. `spare` is as long. */
void ck_sort(struct ck_item *items, struct ck_item *spare, size_t count);

static inline varve_isolation ck_level(const struct ck_work *work, const struct hs_txn *txn) {
    return work->options.no_own_level || txn->level == 0 ? work->options.level : (varve_isolation)txn->level;
}

/* A snapshot on record that was one of the level it is judged at. */
static inline bool ck_has_snapshot(const struct ck_work *work, const struct hs_txn *txn) {
    return txn->snapshot != HS_NO_STAMP &&
           (!work->options.no_own_level || txn->level == 0 || txn->level == (uint8_t)work->options.level);
}

static inline bool ck_committed(const struct ck_work *work, uint32_t txn) {
    const struct hs_txn *t = &work->h->txns[txn];
    if (t->outcome == HS_COMMITTED) return true;
    return t->outcome == HS_UNKNOWN && work->observed != NULL && (work->observed[txn >> 6] >> (txn & 63) & 1) != 0;
}

static inline bool ck_is_write(const struct hs_op *op) {
    return (op->kind == HS_WRITE || op->kind == HS_DELETE || op->kind == HS_APPEND) &&
           (op->flags & (HS_FAILED | HS_ROLLED_BACK)) == 0;
}

static inline bool ck_torn(const struct ck_work *work, const struct hs_txn *txn) {
    return work->options.torn || (txn->flags & HS_TORN) != 0;
}

bool ck_has_writes(const struct hs_history *history, const struct hs_txn *txn);
/* The last effective write of the key, or NULL. */
const struct hs_op *ck_last_write(const struct hs_history *history, const struct hs_txn *txn, uint32_t key);
/* Whether an operation of the transaction before `op` wrote the key, rolled back or not. */
bool ck_wrote_before(const struct hs_history *history, const struct hs_txn *txn, uint64_t op, uint32_t key);
/* Places low .. high - 1 in key order that the scan has covered. */
void ck_interval(const struct hs_history *history, const struct hs_op *scan, uint32_t *low, uint32_t *high);

/* The rows of a scan, asked about in ascending order of ranks. */
struct ck_rows {
    const struct hs_history *history;
    const struct hs_op *rows;
    uint64_t count, next;
    bool reverse;
};
struct ck_rows ck_rows_of(const struct hs_history *history, uint64_t scan, uint64_t count);
bool ck_rows_have(struct ck_rows *rows, uint32_t rank);

/* What an operation says of the presence of its key, where it says only that. */
enum ck_presence { CK_SAYS_NOTHING, CK_SAYS_ABSENT, CK_SAYS_PRESENT };
static inline enum ck_presence ck_presence(const struct hs_op *op) {
    if (op->kind == HS_EXISTS || op->kind == HS_READ) return op->value == HS_ABSENT ? CK_SAYS_ABSENT : CK_SAYS_PRESENT;
    if ((op->flags & HS_FAILED) != 0) return (op->flags & HS_NEEDS_ABSENT) != 0 ? CK_SAYS_PRESENT : CK_SAYS_ABSENT;
    return CK_SAYS_NOTHING;
}

/* Numbers the sessions, where they count. */
bool ck_sessions_init(struct ck_work *work);

/* --- commits.c ---------------------------------------------------------------------------------------------------- */

/* Fills observed, txn_at, cts_at, buckets, end_after. False with report->unknown where stamps are missing. */
bool ck_commits_init(struct ck_work *work);
void ck_commits_release(struct ck_work *work);
/* The last position with a cts at or before this; 0 = none. */
uint32_t ck_position(const struct ck_work *work, uint64_t cts);
void ck_position_fetch(const struct ck_work *work, uint64_t cts); /* it will be asked for soon */
/* The position of exactly this cts, or 0. */
uint32_t ck_position_of(const struct ck_work *work, uint64_t cts);
/* The last position that was acknowledged before this time; 0 unless real time counts. */
uint32_t ck_acknowledged(const struct ck_work *work, uint64_t begin);

/* --- versions.c: by key, the positions that wrote it ----------------------------------------------------------------
 */

/* An entry is position << 1 | deleted. */
struct ck_versions {
    uint32_t *start, *end; /* [key_count]: of its entries */
    uint32_t *entries;
    int64_t *values;   /* of each entry as built; HS_ABSENT for a deletion */
    uint64_t *deleted; /* bits by key: some entry is a deletion */
    size_t count;
};
bool ck_versions_build(struct ck_work *work);
void ck_versions_release(struct ck_work *work);
/* The index of the last entry of the key at or before the stamp, or start - 1 (wrapping) where there is none. */
uint32_t ck_version_at(const struct ck_versions *versions, uint32_t key, uint32_t stamp);
static inline bool ck_is_present(const struct ck_versions *versions, uint32_t key, uint32_t index) {
    return index + 1 != versions->start[key] && (versions->entries[index] & 1) == 0;
}

/* --- sums.c ------------------------------------------------------------------------------------------------------- */

/* In the flags of the copy: a read below an own sum, with the base as its answer. It passes the pass that looks at own
 * writes. */
enum { CK_UNDER_SUM = 128 };
/* Makes writes of the additions of a white-box history, in a copy that becomes work->h. False: no memory, or
 * report->unknown says why the sums cannot be told. */
bool ck_sums(struct ck_work *work);
void ck_sums_release(struct ck_work *work); /* after everything that has looked at work->h */

/* --- the passes --------------------------------------------------------------------------------------------------- */

void ck_pass_internal(struct ck_work *work); /* internal.c: what a transaction says of itself */
void ck_pass_stamps(struct ck_work *work);   /* stamps.c: read committed, and readers without a stamp */
void ck_pass_replay(struct ck_work *work);   /* replay.c: everything at its stamp, in order */
void ck_pass_reads(struct ck_work *work);    /* reads.c: whose versions were read; only to explain */

#endif
