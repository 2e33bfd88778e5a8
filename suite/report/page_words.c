/* page_words.c - the catalogue of phenomena in one line each, and short names for a table.
 *
 * Names elsewhere are those of ANSI (P1-P3), Berenson et al. (P0, P4, A5), Adya (G0-G2, PL), and Elle.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "report/page_int.h"

static const struct pg_word words[] = {
    {"A1", "Dirty write", "G0, P0",
     "Two transactions write the same rows in opposite orders: each row ends with another's value."},
    {"A2", "Aborted read", "G1a, P1", "A committed transaction has seen what an aborted one had written."},
    {"A3", "Intermediate read", "G1b",
     "A transaction has seen a value that its writer itself overwrote before committing."},
    {"A4", "Circular information flow", "G1c",
     "Two transactions have each seen what the other wrote: neither can come first."},
    {"A5", "Dirty update", "", "A committed value was computed from one that was rolled back."},
    {"A6", "Internal inconsistency", "INT",
     "A transaction does not see what it has itself written, inserted or deleted."},
    {"A7", "Garbage read", "future read, duplicate",
     "A value is read that nobody wrote, or not yet, or a write takes effect twice."},
    {"A8", "Partial rollback", "", "After an abort, or a rollback to a savepoint, too much or too little is left."},
    {"B1", "Observed transaction vanishes", "OTV",
     "One effect of a transaction has been seen; later another effect of it is missing."},
    {"B2", "Fractured read", "", "Part of what one transaction committed at once is seen, part is not."},
    {"B3", "Scan tear", "", "One scan mixes two states: a row that moved is seen twice, or not at all."},
    {"B4", "Fuzzy read", "P2, non-repeatable read", "The same row read twice has two values."},
    {"B5", "Phantom", "P3, A3", "The same range read twice has two sets of rows."},
    {"B6", "Predicate many preceders", "PMP",
     "Two ranges read by one transaction show different sets of committed work."},
    {"B7", "Predicate many preceders on write", "PMP",
     "A range is deleted, and with it rows that the transaction's own scan had not shown."},
    {"B8", "Read skew", "G-single-item, A5A",
     "One row is read from before another's commit, a second row from after it."},
    {"B9", "Predicate read skew", "G-single", "A range is read from before another's commit, a row from after it."},
    {"B10", "Long fork", "G-nonadjacent", "Two readers see two independent writes in opposite orders."},
    {"B11", "Causality violation", "", "An effect is visible, its cause is not."},
    {"B12", "Moving snapshot", "G-SIa", "A transaction sees what was committed after it had begun to read."},
    {"B13", "Non-monotonic snapshots", "",
     "Of two snapshots neither contains the other: they follow no one order of commits."},
    {"B14", "Version lost to collection", "",
     "An old reader finds a newer value, or none, because its version was thrown away."},
    {"C1", "Lost update", "P4",
     "Two transactions read one version and both write over it: one of the updates is gone."},
    {"C2", "Cursor lost update", "P4C, G-cursor", "The same, where the read is the row under a cursor."},
    {"C3", "Double create", "", "Two inserts of one key both succeed."},
    {"C4", "Lost delete", "resurrection",
     "An update revives a row that was deleted, or a delete drops an update that it never saw."},
    {"D1", "Write skew", "G2-item, A5B",
     "Each of two transactions reads a row that the other writes: both act on a state that neither leaves."},
    {"D2", "Predicate skew", "G2", "The same over ranges, which may both be empty."},
    {"D3", "Absent-key skew", "G2-item", "The same over keys that are not there yet."},
    {"D4", "Delete skew", "G2-item", "The same where the writes are deletes: each believes that the other row stays."},
    {"D5", "Read-only anomaly", "G2", "Two updates would be serializable; one that only reads makes the circle."},
    {"D6", "Ring of three or more", "G2-item",
     "Every transaction misses the write of the next, all the way round; no two of them conflict both ways."},
    {"D7", "Late edge", "G2-item", "The reader has committed long before the write that it missed appears."},
    {"D8", "Intersecting sums", "G2", "Each sums one class of rows and adds the sum to the other class."},
    {"D9", "Mixed-path cycle", "G-update",
     "A circle through a third transaction: it has read one, and is missed by the other."},
    {"D10", "Constraint skew", "", "A declared rule is false in a committed state."},
    {"E1", "Session guarantees", "RYW, MR, MW, WFR",
     "A later transaction of a session does not see, or is ordered before, an earlier one."},
    {"E2", "Stale read", "real time", "A transaction that began after a commit was acknowledged does not see it."},
    {"E3", "Causal reverse", "real time", "The later of two writes in real time is seen without the earlier one."},
    {"F1", "Recovery fork", "",
     "What is recovered after a crash is no state that readers could have seen, or lacks an acknowledged commit."},
    {"F2", "Dependent on non-durable", "", "An acknowledged transaction has read from a commit that a crash erased."},
    {"G1", "Liveness and honesty", "",
     "A missed or invented deadlock, a lost wake-up, a refusal without need, an answer from a dead transaction."},
    {"H", "Hermitage's cases", "", "The cases of Hermitage that have a meaning for keys and values."},
    {"PG", "PostgreSQL's cases", "",
     "The shapes of PostgreSQL's tests of serializable isolation and of its locks, as scans, reads and writes."},
    {"BUG", "Cases from bugs", "", "The shapes of bugs that were reported against engines."},
};

const struct pg_word *pg_word_find(const char *id) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].id, id)) return &words[i];
    return NULL;
}

const char *pg_family(const char *id) {
    static const char *const families[] = {
        "Uncommitted and own data", "What a reader sees",
        "Updates that get lost",    "Skew",
        "Sessions and real time",   "Crashes",
        "Waiting and answering",
    };
    if (!pg_word_find(id)) return "Other schedules";
    return id[1] >= '0' && id[1] <= '9' ? families[id[0] - 'A'] : "Known from elsewhere";
}

const char *pg_level_long(varve_isolation level) {
    static const char *const names[] = {"",         "read uncommitted", "read committed", "repeatable read",
                                        "snapshot", "serializable"};
    return (unsigned)level < sizeof names / sizeof *names ? names[level] : "";
}

const char *pg_way_short(enum sr_way way) {
    static const char *const names[SR_WAYS] = {
        [SR_VALIDATED] = "validation", [SR_FIRST_COMMITTER] = "first committer", [SR_VICTIM] = "wounded",
        [SR_WAITED] = "waited",        [SR_PRECONDITION] = "presence",           [SR_RULE] = "constraint",
        [SR_OLDER] = "version",
    };
    return names[way];
}
