/* cases.h - a table of histories with what is to be said of each, and the loop over it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_SUITE_CHECKER_CASES_H
#define VARVE_TESTS_SUITE_CHECKER_CASES_H

#include "suite/checker/build.h"
#include "support/testdb.h"

enum { CASE_TXNS = 8 };

struct case_row {
    const char *name;
    enum ck_anomaly anomaly; /* CK_NONE: it is legal */
    const char *txns[CASE_TXNS];
    varve_isolation level;
    unsigned edges;  /* of the cycle; 0 = not looked at */
    bool no_strict;  /* judged without real time */
    bool sessions;
    bool unknown;    /* the verdict is unknown */
};

static inline void case_build(const struct case_row *row, bool stamps, struct hb *b) {
    hb_init(b, stamps);
    for (unsigned i = 0; i < CASE_TXNS && row->txns[i] != NULL; i++) {
        hb_txn(b, row->txns[i]);
        if (strstr(row->txns[i], "app ") != NULL || strstr(row->txns[i], "list ") != NULL) b->h.shape = HS_LISTS;
    }
    hb_finish(b);
}

static inline void case_closed_walk(const char *name, const struct ck_finding *finding) {
    for (unsigned i = 0; i < finding->edge_count; i++)
        TD_CHECK(finding->edges[i].to == finding->edges[(i + 1) % finding->edge_count].from,
                 "%s: the edges are no closed walk\n%s", name, finding->proof);
}

static inline void case_run(const struct case_row *row, bool stamps) {
    struct hb b;
    struct ck_report report;
    struct ck_options options = {.level = row->level, .strict = !row->no_strict, .sessions = row->sessions};
    case_build(row, stamps, &b);
    TD_STATUS(ck_check(&b.h, &options, &report), VARVE_OK);
    enum ck_verdict wanted = row->unknown ? CK_UNKNOWN : row->anomaly == CK_NONE ? CK_OK : CK_VIOLATION;
    enum ck_anomaly got = report.verdict == CK_VIOLATION ? report.finding.anomaly : CK_NONE;
    TD_CHECK(report.verdict == wanted && got == row->anomaly, "%s: verdict %d %s, wanted %d %s\n%s%s", row->name,
             report.verdict, ck_anomaly_name(got), wanted, ck_anomaly_name(row->anomaly), report.finding.proof,
             report.unknown);
    case_closed_walk(row->name, &report.finding);
    TD_CHECK(row->edges == 0 || report.finding.edge_count == row->edges, "%s: %u edges, wanted %u\n%s", row->name,
             report.finding.edge_count, row->edges, report.finding.proof);
    TD_CHECK(wanted != CK_VIOLATION || report.finding.proof[0] != 0, "%s: no proof", row->name);
    hs_release(&b.h);
}

#endif
