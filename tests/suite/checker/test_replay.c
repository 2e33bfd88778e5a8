/* test_replay.c - the order of commit timestamps, level by level: what each level must refuse, and its nearest legal
 * neighbour. Only the verdict is looked at here; names are the matter of test_anomalies.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "suite/checker/cases.h"

struct verdict_row {
    const char *name;
    bool legal;
    const char *txns[CASE_TXNS];
    bool no_strict;
    bool sessions;
};

static const struct verdict_row rows[] = {
    /* serializable: at its cts */
    {"newest", true, {"ser C1 : w x=1", "ser C2 : w x=2", "ser C3 : r x=2@2 ; w y=1"}, 0, 0},
    {"not newest", false, {"ser C1 : w x=1", "ser C2 : w x=2", "ser C3 : r x=1@1 ; w y=1"}, 0, 0},
    {"not yet", false, {"ser C1 : w x=1", "ser C3 : w x=2", "ser C2 : r x=2@3 ; w y=1"}, 0, 0},
    {"absent before", true, {"ser C2 : w x=1", "ser C1 : r x=-@0 ; w y=1"}, 0, 0},
    {"absent after", false, {"ser C1 : w x=1", "ser C2 : r x=-@0 ; w y=1"}, 0, 0},
    {"deleted, seen as 0", true, {"ser C1 : w x=1", "ser C2 : d x", "ser C3 : r x=-@0 ; w y=1"}, 0, 0},
    {"deleted, seen as the deletion", true, {"ser C1 : w x=1", "ser C2 : d x", "ser C3 : r x=-@2 ; w y=1"}, 0, 0},
    {"there after deletion", false, {"ser C1 : w x=1", "ser C2 : d x", "ser C3 : has x ; w y=1"}, 0, 0},
    {"exists whatever the value", true, {"ser C1 : w x=1", "ser C2 : w x=2", "ser C3 : has x ; w y=1"}, 0, 0},
    {"refused insert", true, {"ser C1 : w x=1", "ser C3 : insx x ; w y=1"}, 0, 0},
    {"refused insert, absent", false, {"ser C3 : insx x ; w y=1"}, 0, 0},
    {"refused update, there", false, {"ser C1 : w x=1", "ser C3 : updx x ; w y=1"}, 0, 0},
    {"scan with all", true, {"ser C1 : w x=1 ; w y=2", "ser C3 : s [a,z) x=1@1 y=2@1 ; w a=1"}, 0, 0},
    {"scan with a row missing", false, {"ser C1 : w x=1 ; w y=2", "ser C3 : s [a,z) x=1@1 ; w a=1"}, 0, 0},
    {"scan up to its limit", true, {"ser C1 : w x=1 ; w y=2", "ser C3 : s [a,x] x=1@1 ; w a=1"}, 0, 0},
    {"scan with open ends", false, {"ser C1 : w x=1 ; w y=2", "ser C3 : s [,) x=1@1 ; w a=1"}, 0, 0},
    {"scan of a stale row", false, {"ser C1 : w x=1", "ser C2 : w x=2", "ser C3 : s [a,z) x=1@1 ; w a=1"}, 0, 0},
    {"scan with own rows", true, {"ser C1 : w x=1 ; w y=2", "ser C3 : w b=1 ; d y ; s [a,z) b=1#0 x=1@1"}, 0, 0},
    {"scan with own rows, one missing", false,
     {"ser C1 : w x=1 ; w y=2 ; w z=3", "ser C3 : w b=1 ; d y ; s [a,z] b=1#0 x=1@1"}, 0, 0},
    {"reader at its snapshot", true, {"ser C1 : w x=1", "ser C3 : w x=2", "ser S2 : r x=1@1"}, 0, 0},
    {"reader past its snapshot", false, {"ser C1 : w x=1", "ser C3 : w x=2", "ser S2 : r x=2@3"}, 0, 0},
    {"reader before its snapshot", false, {"ser C1 : w x=1", "ser C3 : w x=2", "ser S3 : r x=1@1"}, 0, 0},
    /* readers without a snapshot */
    {"some stamp", true, {"ser C1 E1 : w x=1", "ser C2 : w x=2", "ser C3 : w y=1", "ser B2 E9 : r x=1@1 ; r y=-@0"}, 0, 0},
    {"no stamp", false, {"ser C1 E1 : w x=1", "ser C2 : w x=2", "ser C3 : w y=1", "ser B2 E9 : r x=1@1 ; r y=1@3"}, 0, 0},
    {"no stamp for a scan", false, {"ser C1 : w b=1", "ser C2 : d b", "ser C3 : w c=1", "ser : s [a,c) ; r c=1@3 ; has b"}, 0, 0},
    {"a stamp between", true, {"ser C1 : w b=1", "ser C2 : d b", "ser C3 : w c=1", "ser C4 : w b=2", "ser : s [a,c) ; r c=1@3"}, 0, 0},
    {"two readers agree", true, {"ser C1 B0 E9 : w x=1", "ser B1 E2 : r x=1@1", "ser B3 E4 : r x=1@1"}, 0, 0},
    {"readers go back", false, {"ser C1 B0 E9 : w x=1", "ser B1 E2 : r x=1@1", "ser B3 E4 : r x=-@0"}, 0, 0},
    {"readers go back, beside each other", true, {"ser C1 B0 E9 : w x=1", "ser B1 E4 : r x=1@1", "ser B3 E5 : r x=-@0"}, 0, 0},
    {"the least stamp leaves room", true,
     {"ser C1 B0 E99 : w x=1", "ser C2 B0 E99 : w y=1", "ser B1 E2 : r x=1@1", "ser B3 E4 : r y=-@0", "ser B5 E6 : r y=1@2"}, 0, 0},
    /* real time */
    {"stale", false, {"ser C1 B0 E5 : w x=1", "ser S0 B6 E9 : r x=-@0"}, 0, 0},
    {"stale, but real time does not count", true, {"ser C1 B0 E5 : w x=1", "ser S0 B6 E9 : r x=-@0"}, 1, 0},
    {"beside each other", true, {"ser C1 B0 E7 : w x=1", "ser S0 B6 E9 : r x=-@0"}, 0, 0},
    {"causal reverse", false, {"ser C2 B0 E1 : w x=1", "ser C1 B2 E3 : w y=1"}, 0, 0},
    {"read before it began", false, {"ser S1 B0 E1 : r x=1@1", "ser C1 B2 E3 : w x=1"}, 0, 0},
    {"stale without a snapshot", false, {"ser C1 B0 E5 : w x=1", "ser B6 E9 : r x=-@0"}, 0, 0},
    {"two gaps of one state", true, {"ser C1 B0 E1 : w x=1", "ser S7 B2 E3 : r x=1@1", "ser S5 B4 E6 : r x=1@1"}, 0, 0},
    {"session order", false, {"ser C1 P3 : w x=1", "ser S0 P3 : r x=-@0"}, 1, 1},
    {"session order, other sessions", true, {"ser C1 P3 : w x=1", "ser S0 P4 : r x=-@0"}, 1, 1},
    {"session order without a snapshot", false, {"ser C1 P3 : w x=1", "ser P3 : r x=-@0"}, 1, 1},
    /* repeatable read: items, not gaps */
    {"rr phantom", true, {"rr C2 : w b=1", "rr C3 : s [a,m) ; w y=1"}, 0, 0},
    {"rr row", false, {"rr C1 : w b=1", "rr C2 : w b=2", "rr C3 : s [a,m) b=1@1 ; w y=1"}, 0, 0},
    {"rr absent point", false, {"rr C2 : w b=1", "rr C3 : r b=-@0 ; w y=1"}, 0, 0},
    /* snapshot */
    {"si write skew", true, {"si S0 C1 : r x=-@0 ; r y=-@0 ; w x=1", "si S0 C2 : r x=-@0 ; r y=-@0 ; w y=1"}, 0, 0},
    {"ser write skew", false, {"ser S0 C1 : r x=-@0 ; r y=-@0 ; w x=1", "ser S0 C2 : r x=-@0 ; r y=-@0 ; w y=1"}, 0, 0},
    {"si moving snapshot", false, {"si C1 : w y=1", "si S0 C2 : r x=-@0 ; r y=1@1 ; w z=1"}, 0, 0},
    {"si first committer", false, {"si S0 C1 : w x=1", "si S0 C2 : w x=2"}, 0, 0},
    {"si one after another", true, {"si S0 C1 : w x=1", "si S1 C2 : w x=2"}, 0, 0},
    {"si phantom", false, {"si C1 : w b=1", "si S0 C2 : s [a,m) b=1@1 ; w y=1"}, 0, 0},
    {"si stale", false, {"si S0 C1 B0 E1 : w x=1", "si S0 C2 B2 E3 : r x=-@0 ; w y=1"}, 0, 0},
    {"si without a snapshot", true, {"si C1 : w x=1", "si C2 : w y=1", "si C3 : r x=1@1 ; r y=-@0 ; w z=1"}, 0, 0},
    {"si without a snapshot, lost update", false, {"si C1 : w x=1", "si C2 : w x=2", "si C3 : r x=1@1 ; w x=3"}, 0, 0},
    /* read committed */
    {"rc fuzzy", true, {"rc C1 : w x=1", "rc C2 : r x=-@0 ; r x=1@1 ; w z=1"}, 0, 0},
    {"rc backwards", false, {"rc C1 : w x=1", "rc C2 : r x=1@1 ; r x=-@0 ; w z=1"}, 0, 0},
    {"rc observed transaction vanishes", false, {"rc C1 : w x=1 ; w y=1", "rc C2 : r x=1@1 ; r y=-@0 ; w z=1"}, 0, 0},
    {"rc read skew", true, {"rc C1 : w x=1 ; w y=1", "rc C2 : r x=-@0 ; r y=1@1 ; w z=1"}, 0, 0},
    {"rc one statement", false, {"rc C1 : w x=1 ; w y=1", "rc C2 : r x=-@0 ; +r y=1@1 ; w z=1"}, 0, 0},
    {"rc one statement, torn", true, {"rc C1 : w x=1 ; w y=1", "rc torn C2 : r x=-@0 ; +r y=1@1 ; w z=1"}, 0, 0},
    {"rc torn, backwards", false, {"rc C1 : w x=1 ; w y=1", "rc torn C2 : r x=1@1 ; +r y=-@0 ; w z=1"}, 0, 0},
    {"rc scan tear", false, {"rc C1 : w y=1", "rc C2 : d y ; w b=1", "rc : s [a,z)", "rc : s [a,z) b=1@2 y=1@1"}, 0, 0},
    {"rc lost update", true, {"rc C1 : r x=-@0 ; w x=1", "rc C2 : r x=-@0 ; w x=2"}, 0, 0},
    {"rc stale", false, {"rc C1 B0 E1 : w x=1", "rc B2 E3 : r x=-@0"}, 0, 0},
    {"rc double create", false, {"rc C1 : ins x=1", "rc C2 : ins x=2"}, 0, 0},
    {"rc update of the deleted", false, {"rc C1 : w x=1", "rc C2 : d x", "rc C3 : upd x=1"}, 0, 0},
    {"rc created once", true, {"rc C1 : ins x=1", "rc C2 : d x", "rc C3 : ins x=2"}, 0, 0},
    {"ru sees anything", true, {"rc C1 : w x=1", "rc C2 : w x=2", "ru : r x=2@2 ; r x=1@1"}, 0, 0},
    /* mixed levels */
    {"a weak reader does not matter", true,
     {"ser S0 C1 : r x=-@0 ; r y=-@0 ; w x=1", "rc S0 C2 : r x=-@0 ; r y=-@0 ; w y=1"}, 0, 0},
    {"a strong one does", false, {"rc S0 C1 : r x=-@0 ; r y=-@0 ; w x=1", "ser S0 C2 : r x=-@0 ; r y=-@0 ; w y=1"}, 0, 0},
};

static void test_verdicts(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct case_row row = {.name = rows[i].name};
        struct ck_options options = {.strict = !rows[i].no_strict, .sessions = rows[i].sessions};
        struct ck_report report;
        struct hb b;
        memcpy(row.txns, rows[i].txns, sizeof(row.txns));
        case_build(&row, true, &b);
        TD_STATUS(ck_check(&b.h, &options, &report), VARVE_OK);
        TD_CHECK(report.verdict == (rows[i].legal ? CK_OK : CK_VIOLATION), "%s: verdict %d\n%s%s", rows[i].name,
                 report.verdict, report.finding.proof, report.unknown);
        hs_release(&b.h);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_verdicts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
