/* names.c - what the anomalies are called, what they are, and which level speaks against them.
 *
 * Sources: Adya, Weak Consistency, MIT 1999, chapters 3 and 4; Kingsbury and Alvaro, Elle, VLDB 2020, section 6; Bailis
 * et al., Highly Available Transactions, VLDB 2013, appendix A (OTV).
 *
 * SPDX-License-Identifier: MIT
 */
#include "checker/checker.h"

struct row {
    const char *name, *about;
    varve_isolation level;
};

static const struct row rows[CK_ANOMALIES] = {
    [CK_NONE] = {"none", "nothing was found", VARVE_SERIALIZABLE},
    [CK_GARBAGE] = {"garbage", "a value was read that nobody wrote", VARVE_READ_UNCOMMITTED},
    [CK_DUPLICATE] = {"duplicate", "one write took effect, or one row was returned, twice", VARVE_READ_UNCOMMITTED},
    [CK_FUTURE_READ] = {"future-read", "a transaction read what it was yet to write", VARVE_READ_UNCOMMITTED},
    [CK_INTERNAL] = {"internal", "a transaction does not see its own last write", VARVE_READ_UNCOMMITTED},
    [CK_INCOMPATIBLE] = {"incompatible-order", "reads imply two different orders of the versions of one key",
                         VARVE_READ_UNCOMMITTED},
    [CK_G0] = {"G0", "dirty write: the writes of transactions are interleaved", VARVE_READ_UNCOMMITTED},
    [CK_DIRTY_UPDATE] = {"dirty-update", "a committed write builds on a write that was aborted",
                         VARVE_READ_UNCOMMITTED},
    [CK_G1A] = {"G1a", "aborted read: a write was seen whose transaction was aborted", VARVE_READ_COMMITTED},
    [CK_G1B] = {"G1b", "intermediate read: a write was seen that its transaction overwrote", VARVE_READ_COMMITTED},
    [CK_G1C] = {"G1c", "circular information flow: transactions depend on each other's writes", VARVE_READ_COMMITTED},
    [CK_OTV] = {"OTV",
                "observed transaction vanishes: a part of a commit was seen, and then or beside it the state before",
                VARVE_READ_COMMITTED},
    [CK_FRACTURED] = {"fractured-read", "the state before a commit was seen, and then a part of that commit",
                      VARVE_REPEATABLE_READ},
    [CK_LOST_UPDATE] = {"lost-update", "a version was overwritten by a transaction that had read an older one",
                        VARVE_REPEATABLE_READ},
    [CK_G_SINGLE_ITEM] = {"G-single-item", "read skew: a cycle with one anti-dependency, on an item",
                          VARVE_REPEATABLE_READ},
    [CK_G_SINGLE] = {"G-single", "read skew over a range: a cycle with one anti-dependency, on a predicate",
                     VARVE_SNAPSHOT},
    [CK_G_NONADJACENT] = {"G-nonadjacent", "long fork: a cycle with anti-dependencies, no two of them in a row",
                          VARVE_SNAPSHOT},
    [CK_G_SI] = {"G-SI", "no snapshot: a state was read that the snapshot is not, or the first committer did not win",
                 VARVE_SNAPSHOT},
    [CK_G2_ITEM] = {"G2-item", "write skew: a cycle with anti-dependencies on items", VARVE_REPEATABLE_READ},
    [CK_G2] = {"G2", "predicate skew: a cycle with anti-dependencies, one of them on a range", VARVE_SERIALIZABLE},
    [CK_REAL_TIME] = {"real-time", "there is an order, but none that keeps real time", VARVE_SERIALIZABLE},
    [CK_SESSION] = {"session", "there is an order, but none that keeps the order of each session", VARVE_SERIALIZABLE},
    [CK_ORDER] = {"order", "the order of commit timestamps was broken, though another order explains all that was read",
                  VARVE_SERIALIZABLE},
};

static const struct row *row_of(enum ck_anomaly anomaly) {
    return &rows[(unsigned)anomaly < CK_ANOMALIES ? anomaly : CK_NONE];
}

const char *ck_anomaly_name(enum ck_anomaly anomaly) { return row_of(anomaly)->name; }
const char *ck_anomaly_about(enum ck_anomaly anomaly) { return row_of(anomaly)->about; }
varve_isolation ck_anomaly_level(enum ck_anomaly anomaly) { return row_of(anomaly)->level; }
