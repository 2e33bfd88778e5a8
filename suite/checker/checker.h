/* checker.h - says whether a history is one that a level allows, and if not, shows the shortest reason of the worst kind.
 *
 * White box (history->stamps): linear passes over the recorded stamps, then the dependency graph where they do not
 * decide. Black box: the version order is inferred (lists, read-modify-write chains, or saturation and a bounded search),
 * then the same graph. The answer is ok, violation or unknown, never a guess. Theory, passes and sources: README.md
 * beside this file.
 *
 * Thread rule: a call uses the history read-only and may run beside others.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_CHECKER_H
#define VARVE_SUITE_CHECKER_H

#include "history/history.h"

enum ck_verdict { CK_OK, CK_VIOLATION, CK_UNKNOWN };

/* Worst first: a smaller number is reported when a history shows several. Names as in the field: Adya's and Elle's. */
enum ck_anomaly {
    CK_NONE = 0,
    CK_GARBAGE,        /* a value nobody wrote, or a version of a transaction that does not exist */
    CK_DUPLICATE,      /* one value written twice, or one element twice in a list */
    CK_FUTURE_READ,    /* an own later write was read */
    CK_INTERNAL,       /* a transaction misses its own last write (get or scan) */
    CK_INCOMPATIBLE,   /* two reads imply different orders of one key */
    CK_G0,             /* dirty write: a cycle of ww */
    CK_DIRTY_UPDATE,   /* a committed state embeds an aborted one */
    CK_G1A,            /* aborted read */
    CK_G1B,            /* intermediate read */
    CK_G1C,            /* circular information flow: a cycle of ww and wr */
    CK_OTV,            /* observed transaction vanishes: part of a commit was seen, and after or with it not the rest */
    CK_FRACTURED,      /* part of an atomic commit was seen, the older state first */
    CK_LOST_UPDATE,    /* two transactions read one version and both overwrote it */
    CK_G_SINGLE_ITEM,  /* read skew: one rw edge, of an item */
    CK_G_SINGLE,       /* one rw edge, of a predicate */
    CK_G_NONADJACENT,  /* long fork: two or more rw edges, none adjacent */
    CK_G_SI,           /* snapshot: read a state that is no snapshot, or first committer did not win */
    CK_G2_ITEM,        /* write skew: rw edges of items */
    CK_G2,             /* rw edges, one at least of a predicate */
    CK_REAL_TIME,      /* serializable, but not in an order that keeps real time */
    CK_SESSION,        /* the same with the order of one session */
    CK_ORDER,          /* the engine's own serial order (cts) was broken, though another order exists */
    CK_ANOMALIES
};
const char *ck_anomaly_name(enum ck_anomaly anomaly);  /* "G-single-item" */
const char *ck_anomaly_about(enum ck_anomaly anomaly); /* one line, own words */
/* The weakest level that forbids it: what a finding speaks against. */
varve_isolation ck_anomaly_level(enum ck_anomaly anomaly);

enum ck_edge_kind { CK_WW, CK_WR, CK_RW, CK_RW_RANGE, CK_RT, CK_SO };
struct ck_edge {
    uint32_t from, to;  /* transactions: indexes into history->txns */
    uint32_t key;       /* key id; HS_OPEN for CK_RT and CK_SO */
    enum ck_edge_kind kind;
    int64_t from_value, to_value; /* what `from` wrote or read and `to` wrote or read; HS_ABSENT where it was absent */
};

enum { CK_CYCLE_MAX = 64 };
struct ck_finding {
    enum ck_anomaly anomaly;
    uint32_t txn;      /* the culprit, where one transaction is (internal, garbage, G1a, ...) */
    uint64_t op;       /* its operation: index into history->ops; UINT64_MAX = none */
    uint32_t other;    /* the other transaction, HS_OPEN = none */
    unsigned edge_count;
    struct ck_edge edges[CK_CYCLE_MAX]; /* a closed walk: edges[i].to == edges[i+1].from, the last leads to the first */
    char proof[1600];  /* at most ten lines of text: "T1 before T2: T1 read x=0, T2 wrote x=1 over it", ... */
};

struct ck_options {
    varve_isolation level;  /* judges transactions of unknown level, and black-box histories; 0 = serializable */
    bool strict;            /* real-time order counts; needs history->timed, else it is left out and the report says so */
    bool sessions;          /* session order counts */
    bool no_own_level;      /* judge all at `level`, whatever they ran at */
    bool torn;              /* read committed: rows of one statement may come from different states (as HS_TORN) */
    bool graph;             /* build the graph even where the passes before it have found nothing */
    uint64_t search_steps;  /* black box: bound of the search, 0 = a default that takes a second or so */
};

enum { CK_PASSES_MAX = 12 };
struct ck_report {
    enum ck_verdict verdict;
    struct ck_finding finding; /* of a violation */
    char unknown[200];         /* why, of an unknown */
    uint64_t committed, aborted, undecided, reads, writes, scans; /* what was looked at */
    uint64_t edges[6];         /* [enum ck_edge_kind] of the graph, where one was built */
    unsigned pass_count;
    struct {
        const char *name;
        uint64_t ns;           /* of processor time */
        uint64_t txns;
    } passes[CK_PASSES_MAX];
    uint64_t memory_bytes;     /* at most held beside the history */
};

/* OK: *report says what was found. NOMEM; INVALID: the history is not finished. */
int ck_check(const struct hs_history *history, const struct ck_options *options, struct ck_report *report);

/* A smaller history with a finding of the same anomaly: transactions, then operations, are left out while the anomaly
 * stays; what is left out of appends is left out of lists read too; a history with additions stays whole. `small` is initialised and finished here; its transactions keep their order. OK, NOMEM; INVALID: the history
 * does not show what the report says. Only after OK is there something to release. */
int ck_shrink(const struct hs_history *history, const struct ck_options *options, const struct ck_report *report,
              struct hs_history *small, struct ck_report *small_report);

#endif
