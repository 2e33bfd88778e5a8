/* contract.c - the table of sm_contract.h.
 *
 * Where si stands for mvcc alone, 2pl and occ serve serializable in its place and their cells hold "-".
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "model/sm_contract.h"

#define NEVER \
    { "NNN", "NNN", "N--", "NNN" }
#define BELOW_RR \
    { "SSS", "NNN", "N--", "NNN" } /* shown at rc, never above */
#define RANGES_OF_READS \
    { "SSS", "USS", "N--", "NNN" } /* repeatable read looks after rows, not ranges */
#define SKEW_OF_ITEMS \
    { "SSS", "NNN", "S--", "NNN" }
#define SKEW_OF_RANGES \
    { "SSS", "USS", "S--", "NNN" }

#define DATA    "uncommitted and own data"
#define READS   "reads of changing data"
#define LOST    "lost writes"
#define SKEW    "skew"
#define TIME    "sessions and real time"
#define DURABLE "durability"
#define LIVE    "liveness and honesty"

#define OCC_PRIVATE \
    "mvcc and occ keep writes private until the commit; 2pl holds its write locks to the end at every level"
#define RU_AS_RC "read uncommitted is served as read committed in every scheme"
#define ITEMS_NOT_GAPS \
    "repeatable read holds the rows read, not the gaps of ranges; mvcc happens to read one snapshot there"
#define SI_IN_MVCC "snapshot is served by mvcc alone; 2pl and occ serve serializable for it"

const struct sm_phenomenon sm_phenomena[SM_PHENOMENA] = {
    {"A1", DATA, "dirty write", "G0, P0", "two transactions overwrite each other's writes, each winning one key",
     OCC_PRIVATE, NEVER},
    {"A2", DATA, "aborted read", "G1a, P1", "a committed transaction has seen what an aborted one wrote", RU_AS_RC,
     NEVER},
    {"A3", DATA, "intermediate read", "G1b", "a value is seen that its own writer later replaced", RU_AS_RC, NEVER},
    {"A4", DATA, "circular information flow", "G1c", "two committed transactions have each seen the other's writes",
     RU_AS_RC, NEVER},
    {"A5", DATA, "dirty update", "", "a committed value was computed from one that was aborted", "", NEVER},
    {"A6", DATA, "internal inconsistency", "INT", "a transaction misses its own last write, delete or insert", "",
     NEVER},
    {"A7", DATA, "garbage read", "", "a value nobody wrote, an own later write, or one write seen twice", "", NEVER},
    {"A8", DATA, "partial rollback", "", "an abort or a rollback to a savepoint undoes too much or too little", "",
     NEVER},
    {"B1", READS, "observed transaction vanishes", "OTV",
     "after one effect of a transaction was seen, another of its effects is missed",
     "a commit becomes visible at one instant, not key by key", NEVER},
    {"B2", READS, "fractured read", "", "part of an atomic commit is seen and part is not", "", BELOW_RR},
    {"B3",
     READS,
     "scan tear",
     "",
     "one scan mixes committed states: a moved row is returned twice or not at all",
     "2pl at read committed locks rows one at a time and cannot promise it",
     {"NUN", "UUU", "N--", "NNN"}},
    {"B4", READS, "fuzzy read", "P2", "one key, read twice, has two values", "", BELOW_RR},
    {"B5", READS, "phantom", "P3, A3", "one range, read twice, has two sets of rows", ITEMS_NOT_GAPS, RANGES_OF_READS},
    {"B6", READS, "predicate-many-preceders", "PMP",
     "two overlapping ranges read by one transaction are of different states", ITEMS_NOT_GAPS, RANGES_OF_READS},
    {"B7", READS, "predicate-many-preceders on write", "PMP",
     "a deletion of a range takes rows that the transaction's own read of it did not return", ITEMS_NOT_GAPS,
     RANGES_OF_READS},
    {"B8", READS, "read skew", "G-single-item, A5A",
     "two keys that belong together are read from before and after a commit", "", BELOW_RR},
    {"B9", READS, "predicate read skew", "G-single", "a range is read from before a commit and a key from after it",
     ITEMS_NOT_GAPS, RANGES_OF_READS},
    {"B10",
     READS,
     "long fork",
     "G-nonadjacent",
     "two readers see two commits in opposite orders",
     "one sequence of commits rules it out for whoever reads one state",
     {"UUU", "NNN", "N--", "NNN"}},
    {"B11",
     READS,
     "causality violation",
     "",
     "an effect is seen without the write that it was based on",
     "",
     {"UUU", "NNN", "N--", "NNN"}},
    {"B12",
     READS,
     "moving snapshot",
     "G-SIa",
     "a transaction sees a commit that came after its begin",
     "serializable may: reads that moved forward, or waited, fit a later place in the order",
     {"SSS", "UUU", "N--", "UUU"}},
    {"B13",
     READS,
     "non-monotonic snapshots",
     "",
     "two readers' states are not one a prefix of the other's",
     "",
     {"SSS", "UUU", "N--", "NNN"}},
    {"B14",
     READS,
     "version lost to collection",
     "",
     "an old snapshot finds a newer value, or nothing",
     "VARVE_SNAPSHOT_TOO_OLD is an honest answer; read committed keeps no old snapshot",
     {"---", "NNN", "N--", "NNN"}},
    {"C1", LOST, "lost update", "P4", "two transactions read one version and both overwrite it", "", BELOW_RR},
    {"C2", LOST, "cursor lost update", "G-cursor, P4C", "the same where the row was read under a cursor",
     "there is no cursor stability between read committed and repeatable read", BELOW_RR},
    {"C3", LOST, "double create", "", "two inserts of one key succeed",
     "presence is looked at again at commit, at every level", NEVER},
    {"C4", LOST, "lost delete", "", "an update brings back a deleted row, or a delete drops an update it has not seen",
     "", BELOW_RR},
    {"D1", SKEW, "write skew", "G2-item, A5B", "two read each other's key and each writes its own", SI_IN_MVCC,
     SKEW_OF_ITEMS},
    {"D2", SKEW, "predicate skew", "G2", "two read each other's range, perhaps empty, and each writes into its own",
     "mvcc and occ look at ranges again at commit, 2pl locks gaps; " SI_IN_MVCC, SKEW_OF_RANGES},
    {"D3", SKEW, "absent-key skew", "G2-item", "write skew where what was read was the absence of a key", SI_IN_MVCC,
     SKEW_OF_ITEMS},
    {"D4", SKEW, "delete skew", "G2-item",
     "write skew where the writes are deletions, or the reads see what was deleted", SI_IN_MVCC, SKEW_OF_ITEMS},
    {"D5", SKEW, "read-only anomaly", "",
     "two updaters alone are serializable and a reader of both makes a cycle of three",
     "a declared reader never aborts; its snapshot is a prefix of the serial order", SKEW_OF_ITEMS},
    {"D6", SKEW, "ring", "G2-item", "three or more, each having read what the next one writes", SI_IN_MVCC,
     SKEW_OF_ITEMS},
    {"D7", SKEW, "late edge", "G2-item", "a committed reader's row is overwritten only afterwards", SI_IN_MVCC,
     SKEW_OF_ITEMS},
    {"D8", SKEW, "intersecting sums", "G2", "each sums one class of rows and adds the sum to the other", SI_IN_MVCC,
     SKEW_OF_RANGES},
    {"D9", SKEW, "mixed-path cycle", "G2-item",
     "a cycle of two overwritten reads with a third transaction between them", SI_IN_MVCC, SKEW_OF_ITEMS},
    {"D10", SKEW, "constraint skew", "", "a declared rule is false in a committed state",
     "declared rules hold at every level; a rule kept by the caller's own reads needs serializable", NEVER},
    {"E1", TIME, "session guarantee", "", "a later transaction of a session misses what an earlier one wrote or saw",
     "", NEVER},
    {"E2", TIME, "stale read", "", "a transaction misses a commit that was acknowledged before it began",
     "holds at every level", NEVER},
    {"E3", TIME, "causal reverse", "",
     "two commits, one acknowledged before the other began, are seen the other way round", "", NEVER},
    {"F1", DURABLE, "recovery fork", "",
     "what is recovered is no prefix of the commits in their order, or lacks an acknowledged one",
     "in the durable sync modes; the order of the log is the order of the commits", NEVER},
    {"F2", DURABLE, "dependent on the lost", "",
     "an acknowledged transaction has read a commit that the crash took away",
     "no acknowledgement, of a reader either, before all it saw is durable", NEVER},
    {"G1", LIVE, "liveness and honesty", "",
     "a hang, a false or missed deadlock, a dead transaction that answers, an end other than the one told", "", NEVER},
};

const char *sm_promise_name(enum sm_promise promise) {
    static const char *const names[] = {"n/a", "never", "shown", "unspecified"};
    return names[promise];
}

const struct sm_phenomenon *sm_phenomenon_find(const char *id) {
    for (unsigned i = 0; i < SM_PHENOMENA; i++)
        if (strcmp(sm_phenomena[i].id, id) == 0) return &sm_phenomena[i];
    return NULL;
}

varve_isolation sm_served(varve_isolation asked, unsigned scheme) {
    if (asked == VARVE_ISOLATION_DEFAULT) return VARVE_SERIALIZABLE;
    if (asked == VARVE_READ_UNCOMMITTED) return VARVE_READ_COMMITTED;
    return asked == VARVE_SNAPSHOT && scheme != 0 ? VARVE_SERIALIZABLE : asked;
}

enum sm_promise sm_promised(const struct sm_phenomenon *phenomenon, varve_isolation asked, unsigned scheme) {
    switch (phenomenon->cells[sm_served(asked, scheme) - VARVE_READ_COMMITTED][scheme]) {
    case 'N': return SM_MUST_NOT;
    case 'S': return SM_MUST_SHOW;
    case 'U': return SM_UNSPECIFIED;
    default: return SM_NOT_APPLICABLE;
    }
}
