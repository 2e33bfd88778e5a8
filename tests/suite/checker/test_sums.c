/* test_sums.c - additions: a sum is the state at the commit plus what was added, a read of an own sum is a read of its
 * base, and what cannot be told is unknown.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "suite/checker/cases.h"

#define SER VARVE_SERIALIZABLE

static const struct case_row rows[] = {
    /* the sum, as others read it */
    {"two additions", CK_NONE, {"ser C1 : w x=5", "ser C2 : add x=1", "ser C3 : add x=10", "ser S3 : r x=16@3"}, SER, 0, 0, 0, 0},
    {"between two additions", CK_NONE, {"ser C1 : w x=5", "ser C2 : add x=1", "ser C3 : add x=10", "ser S2 : r x=6@2"}, SER, 0, 0, 0, 0},
    {"one is lost", CK_GARBAGE, {"ser C1 : w x=5", "ser C2 : add x=1", "ser C3 : add x=10", "ser S3 : r x=15@3"}, SER, 0, 0, 0, 0},
    {"one counts twice", CK_GARBAGE, {"ser C1 : w x=5", "ser C2 : add x=1", "ser S3 : r x=7@2"}, SER, 0, 0, 0, 0},
    {"absent counts as 0", CK_NONE, {"ser C1 : add x=7", "ser S1 : s [a,z) x=7@1"}, SER, 0, 0, 0, 0},
    {"deleted counts as 0", CK_NONE, {"ser C1 : w x=5", "ser C2 : d x", "ser C3 : add x=7", "ser S3 : r x=7@3"}, SER, 0, 0, 0, 0},
    {"deleted and still counted", CK_GARBAGE, {"ser C1 : w x=5", "ser C2 : d x", "ser C3 : add x=7", "ser S3 : r x=12@3"}, SER, 0, 0, 0, 0},
    {"overwritten", CK_NONE, {"ser C1 : add x=5", "ser C2 : w x=2", "ser C3 : add x=1", "ser S3 : r x=3@3"}, SER, 0, 0, 0, 0},
    {"twice in one", CK_NONE, {"ser C1 : add x=5 ; add x=2", "ser S3 : r x=7@1"}, SER, 0, 0, 0, 0},
    {"undone", CK_NONE, {"ser C1 : add x=5 ; !add x=2", "ser S3 : r x=5@1"}, SER, 0, 0, 0, 0},
    {"undone and counted", CK_GARBAGE, {"ser C1 : add x=5 ; !add x=2", "ser S3 : r x=7@1"}, SER, 0, 0, 0, 0},
    {"aborted", CK_NONE, {"ser C1 : add x=5", "ser C2 aborted : add x=2", "ser S3 : r x=5@1"}, SER, 0, 0, 0, 0},
    {"aborted and counted", CK_GARBAGE, {"ser C1 : add x=5", "ser C2 aborted : add x=2", "ser S3 : r x=7@1"}, SER, 0, 0, 0, 0},
    {"over an own put", CK_NONE, {"ser C1 : w x=5", "ser C2 : w x=1 ; add x=2", "ser S3 : r x=3@2"}, SER, 0, 0, 0, 0},
    {"over an own delete", CK_NONE, {"ser C1 : w x=5", "ser C2 : d x ; add x=2", "ser S3 : r x=2@2"}, SER, 0, 0, 0, 0},
    {"wraps", CK_NONE, {"ser C1 : w x=9223372036854775807", "ser C2 : add x=9223372036854775807 ; add x=3", "ser S3 : r x=1@2"}, SER, 0, 0, 0, 0},
    {"phantom of an addition", CK_G2, {"ser S0 C1 : s [a,m) ; w y=1", "ser S0 C2 : r y=-@0 ; add b=1"}, SER, 2, 0, 0, 0},
    {"skew by additions", CK_G2_ITEM, {"ser S0 C1 : r x=-@0 ; add y=1", "ser S0 C2 : r y=-@0 ; add x=1"}, SER, 2, 0, 0, 0},
    {"skew by additions at si", CK_NONE, {"si S0 C1 : r x=-@0 ; add y=1", "si S0 C2 : r y=-@0 ; add x=1"}, SER, 0, 0, 0, 0},
    /* first committer wins, but not of those that only add */
    {"si two that only add", CK_NONE, {"si S0 C1 : add x=1", "si S0 C2 : add x=10", "ser S2 : r x=11@2"}, SER, 0, 0, 0, 0},
    {"si without a snapshot, two that only add", CK_NONE,
     {"si C1 : add x=1", "si C2 : w y=1", "si C3 : r y=-@0 ; add x=10"}, SER, 0, 0, 0, 0},
    {"si, the row was read before", CK_LOST_UPDATE, {"si S0 C1 : add x=1", "si S0 C2 : r x=-@0 ; add x=10"}, SER, 0, 0, 0, 0},
    {"si, the row was read after", CK_G_SI, {"si S0 C1 : add x=1", "si S0 C2 : add x=10 ; own x=10#0"}, SER, 0, 0, 0, 0},
    {"si, and put", CK_G_SI, {"si S0 C1 : add x=1", "si S0 C2 : add x=10 ; w x=3"}, SER, 0, 0, 0, 0},
    {"si, put first", CK_G_SI, {"si S0 C1 : add x=1", "si S0 C2 : w x=3 ; add x=10"}, SER, 0, 0, 0, 0},
    /* reads of own sums */
    {"own sum", CK_NONE, {"ser C1 : w x=5", "ser C2 : add x=1 ; own x=6#0"}, SER, 0, 0, 0, 0},
    {"own sum, of nothing", CK_NONE, {"ser C2 : add x=1 ; own x=1#0"}, SER, 0, 0, 0, 0},
    {"own sum, wrong", CK_GARBAGE, {"ser C1 : w x=5", "ser C2 : add x=1 ; own x=9#0"}, SER, 0, 0, 0, 0},
    {"own sum, stale", CK_LOST_UPDATE, {"ser C1 : w x=5", "ser C2 : add x=2", "ser C3 : add x=1 ; own x=6#0"}, SER, 2, 0, 0, 0},
    {"own sum, not yet", CK_G1C, {"ser C1 : w x=5", "ser C4 : w x=7", "ser C3 : add x=1 ; own x=8#0"}, SER, 0, 0, 0, 0},
    {"own sum of two", CK_NONE, {"ser C1 : w x=5", "ser C2 : add x=1 ; own x=6#0 ; add x=1 ; own x=7#2"}, SER, 0, 0, 0, 0},
    {"own sum of two, one missed", CK_GARBAGE, {"ser C1 : w x=5", "ser C2 : add x=1 ; add x=1 ; own x=6#1"}, SER, 0, 0, 0, 0},
    {"own sum over an own put", CK_NONE, {"ser C1 : w x=5", "ser C2 : w x=1 ; add x=1 ; own x=2#1"}, SER, 0, 0, 0, 0},
    {"own sum beside an own put", CK_INTERNAL, {"ser C1 : w x=5", "ser C2 : w x=1 ; add x=1 ; own x=6#1"}, SER, 0, 0, 0, 0},
    {"own sum, then put", CK_NONE, {"ser C1 : w x=5", "ser C2 : add x=1 ; w x=1 ; own x=1#1"}, SER, 0, 0, 0, 0},
    {"own sum before the rollback", CK_NONE, {"ser C1 : w x=5", "ser C2 : add x=1 ; !add x=2 ; own x=8#1"}, SER, 0, 0, 0, 0},
    {"own sum after the rollback", CK_NONE, {"ser C1 : w x=5", "ser C2 : add x=1 ; !add x=2 ; own x=6#0"}, SER, 0, 0, 0, 0},
    {"own sum, half rolled back", CK_GARBAGE, {"ser C1 : w x=5", "ser C2 : add x=1 ; !add x=2 ; own x=7#1"}, SER, 0, 0, 0, 0},
    {"own sum in a scan", CK_NONE, {"ser C1 : w x=5 ; w a=1", "ser C2 : add x=1 ; s [a,z) a=1@1 x=6#0"}, SER, 0, 0, 0, 0},
    {"own sum of nothing in a scan", CK_NONE, {"ser C1 : w a=1", "ser C2 : add x=1 ; s [a,z) a=1@1 x=1#0"}, SER, 0, 0, 0, 0},
    {"own sum of nothing hides no row", CK_ORDER, {"ser C1 : w a=1", "ser C2 : add x=1 ; s [a,z) x=1#0"}, SER, 0, 0, 0, 0},
    {"own sum missed by a scan", CK_INTERNAL, {"ser C1 : w a=1", "ser C2 : add x=1 ; s [a,z) a=1@1"}, SER, 0, 0, 0, 0},
    {"si own sum at its snapshot", CK_NONE, {"si C1 : w x=5", "si C2 : w y=1", "si S1 C3 : add x=1 ; own x=6#0"}, SER, 0, 0, 0, 0},
    {"rc own sum, old", CK_NONE, {"rc C1 : w x=5", "rc C2 : add x=2", "rc C3 : add x=1 ; own x=6#0"}, SER, 0, 0, 0, 0},
    {"rc own sum, new", CK_NONE, {"rc C1 : w x=5", "rc C2 : add x=2", "rc C3 : add x=1 ; own x=8#0"}, SER, 0, 0, 0, 0},
    {"rc own sum, backwards", CK_OTV,
     {"rc C1 : w x=5", "rc C2 : add x=2", "rc C3 : add x=1 ; own x=8#0 ; own x=6#0"}, SER, 0, 0, 0, 0},
    {"rc own sum, acknowledged too late", CK_REAL_TIME,
     {"rc C1 B0 E1 : w x=5", "rc C2 B2 E3 : add x=2", "rc C3 B4 E5 : add x=1 ; own x=6#0"}, SER, 0, 0, 0, 0},
    {"a reader's own sum, undone", CK_NONE, {"ser C1 : w x=5", "ser S1 : !add x=1 ; own x=6#0"}, SER, 0, 0, 0, 0},
    {"a reader's own sum, past its snapshot", CK_ORDER,
     {"ser C1 : w x=5", "ser C2 : w x=7", "ser S2 : !add x=1 ; own x=6#0"}, SER, 0, 1, 0, 0},
    /* what cannot be told */
    {"rc own sum, of several states", CK_NONE,
     {"rc C1 : w x=5", "rc C2 : w x=6", "rc C3 : w x=5", "rc C4 : add x=1 ; own x=6#0"}, SER, 0, 0, 0, 1},
    {"unknown below a sum", CK_NONE, {"ser C1 unknown : add x=5", "ser C2 : add x=1", "ser S3 : r x=1@2"}, SER, 0, 0, 0, 1},
    {"unknown put below a sum", CK_NONE, {"ser unknown : w x=5", "ser C2 : add x=1", "ser S3 : r x=6@2"}, SER, 0, 0, 0, 1},
    {"unknown, but seen", CK_NONE, {"ser C1 unknown : add x=5", "ser C2 : r x=5@1 ; add x=1", "ser S3 : r x=6@2"}, SER, 0, 0, 0, 0},
    {"unknown, of another row", CK_NONE, {"ser C1 unknown : add y=5", "ser C2 : add x=1", "ser S3 : r x=1@2"}, SER, 0, 0, 0, 0},
    {"a sum that cannot be held", CK_NONE, {"ser C1 : w x=9223372036854775807", "ser C2 : add x=1"}, SER, 0, 0, 0, 1},
};

static void test_sums(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (td_only_case() < 0 || td_only_case() == (long)i) case_run(&rows[i], true);
}

static void test_without_stamps(void **state) {
    (void)state;
    static const struct case_row row = {.name = "no stamps", .txns = {": add x=1", ": r x=1"}, .unknown = true};
    case_run(&row, false);
}

/* The history is left as it was given, and whole when it is shrunk. */
static void test_given_is_kept(void **state) {
    static const struct case_row row = {
        .name = "lost", .txns = {"ser C1 : w x=5", "ser C2 : add x=2", "ser C3 : add x=1 ; own x=6#0", "ser C4 : w y=1"}};
    struct ck_options options = {.strict = true};
    struct ck_report report, small_report;
    struct hs_history small;
    struct hb b;
    (void)state;
    case_build(&row, true, &b);
    TD_STATUS(ck_check(&b.h, &options, &report), VARVE_OK);
    assert_true(b.h.ops[1].value == 2 && b.h.ops[3].flags == HS_OWN && b.h.ops[3].value == 6);
    TD_STATUS(ck_shrink(&b.h, &options, &report, &small, &small_report), VARVE_OK);
    assert_true(small.txn_count == 4 && small_report.finding.anomaly == report.finding.anomaly);
    hs_release(&small);
    hs_release(&b.h);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_without_stamps),
                                       cmocka_unit_test(test_given_is_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
