/* test_internal.c - what a transaction says of itself, and whose versions it read: every class with a history that shows
 * it and a neighbour that is legal.
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
    /* INTERNAL: A6 of the catalogue, in each of its forms */
    {"own write seen", CK_NONE, {"C1 : w x=1 ; w x=2 ; own x=2#1"}, SER, 0, 0, 0, 0},
    {"intermediate own write", CK_INTERNAL, {"C1 : w x=1 ; w x=2 ; own x=1#0"}, SER, 0, 0, 0, 0},
    {"own write missed", CK_INTERNAL, {"C1 : w x=1 ; r x=-@0"}, SER, 0, 0, 0, 0},
    {"own insert missed by a scan", CK_INTERNAL, {"C1 : w b=1 ; s [a,m)"}, SER, 0, 0, 0, 0},
    {"own insert shown by a scan", CK_NONE, {"C1 : w b=1 ; s [a,m) b=1#0"}, SER, 0, 0, 0, 0},
    {"own insert outside a scan", CK_NONE, {"C1 : w n=1 ; s [a,m)"}, SER, 0, 0, 0, 0},
    {"own insert at an inclusive end", CK_INTERNAL, {"C1 : w m=1 ; s [a,m]"}, SER, 0, 0, 0, 0},
    {"own insert at an exclusive start", CK_NONE, {"C1 : w a=1 ; s (a,m)"}, SER, 0, 0, 0, 0},
    {"own delete shown by a scan", CK_INTERNAL, {"C1 : w x=1", "C2 : d x ; s [a,z) x=1@1"}, SER, 0, 0, 0, 0},
    {"own delete hidden from a scan", CK_NONE, {"C1 : w x=1", "C2 : d x ; s [a,z)"}, SER, 0, 0, 0, 0},
    {"own delete read", CK_NONE, {"C1 : w x=1", "C2 : d x ; own x=-#0"}, SER, 0, 0, 0, 0},
    {"own delete, still there", CK_INTERNAL, {"C1 : w x=1", "C2 : d x ; has x"}, SER, 0, 0, 0, 0},
    {"insert after own insert", CK_INTERNAL, {"C1 : w x=1 ; ins x=2"}, SER, 0, 0, 0, 0},
    {"insert refused after own insert", CK_NONE, {"C1 : w x=1 ; insx x"}, SER, 0, 0, 0, 0},
    {"update refused after own insert", CK_INTERNAL, {"C1 : w x=1 ; updx x"}, SER, 0, 0, 0, 0},
    {"update after own delete", CK_INTERNAL, {"C1 : w x=1", "C2 : d x ; upd x=2"}, SER, 0, 0, 0, 0},
    {"rolled back, then as before", CK_NONE, {"C1 : w x=1 ; !w x=2 ; own x=1#0"}, SER, 0, 0, 0, 0},
    {"read before the rollback", CK_NONE, {"C1 : w x=1 ; !w x=2 ; own x=2#1"}, SER, 0, 0, 0, 0},
    {"rolled back too far", CK_INTERNAL, {"C1 : w x=1 ; !w x=2 ; r x=-@0"}, SER, 0, 0, 0, 0},
    {"rolled back to nothing", CK_NONE, {"C1 : w y=1 ; !w x=2 ; r x=-@0"}, SER, 0, 0, 0, 0},
    {"scan after a rollback", CK_NONE, {"C1 : w y=1 ; !w b=2 ; s [a,c)"}, SER, 0, 0, 0, 0},
    {"twenty own writes",
     CK_INTERNAL,
     {"C1 : w a=1 ; w b=2 ; w c=3 ; w d=4 ; w e=5 ; w f=6 ; w g=7 ; w h=8 ; w i=9 ; w j=10 ; w k=11 ; w l=12 ; w m=13 ; "
      "w n=14 ; w o=15 ; w p=16 ; w q=17 ; w r=18 ; own q=17#16 ; w b=20 ; own b=2#1"},
     SER, 0, 0, 0, 0},
    {"an aborted transaction is not judged", CK_NONE, {"aborted : w x=1 ; r x=-@0"}, SER, 0, 0, 0, 0},
    /* FUTURE */
    {"future read", CK_FUTURE_READ, {"C1 : own x=1#1 ; w x=1"}, SER, 0, 0, 0, 0},
    {"future read by version", CK_FUTURE_READ, {"C1 : r x=1@1 ; w x=1"}, SER, 0, 0, 0, 0},
    {"read before the write", CK_NONE, {"C1 : r x=-@0 ; w x=1"}, SER, 0, 0, 0, 0},
    /* GARBAGE */
    {"garbage value", CK_GARBAGE, {"C1 : w x=1", "C2 : r x=9@1 ; w y=1"}, SER, 0, 0, 0, 0},
    {"garbage version", CK_GARBAGE, {"C1 : w x=1", "C3 : r x=1@2 ; w y=1"}, SER, 0, 0, 0, 0},
    {"version of a deletion", CK_GARBAGE, {"C1 : w x=1", "C2 : d x", "C3 : r x=2@2 ; w y=1"}, SER, 0, 0, 0, 0},
    {"the written value", CK_NONE, {"C1 : w x=1", "C3 : r x=1@1 ; w y=1"}, SER, 0, 0, 0, 0},
    {"a row outside the range", CK_GARBAGE, {"C1 : w x=1", "S1 : s [a,m) x=1@1"}, SER, 0, 0, 0, 0},
    {"rows out of order", CK_GARBAGE, {"C1 : w x=1 ; w y=2", "S1 : s [a,z) y=2@1 x=1@1"}, SER, 0, 0, 0, 0},
    {"rows in reverse", CK_NONE, {"C1 : w x=1 ; w y=2", "S1 : s [a,z) rev y=2@1 x=1@1"}, SER, 0, 0, 0, 0},
    /* DUPLICATE */
    {"one row twice", CK_DUPLICATE, {"C1 : w x=1", "S1 : s [a,z) x=1@1 x=1@1"}, SER, 0, 0, 0, 0},
    {"one cts twice", CK_DUPLICATE, {"C1 : w x=1", "C1 : w y=1"}, SER, 0, 0, 0, 0},
    /* G1a, dirty update: A2, A5 */
    {"aborted read", CK_G1A, {"aborted C1 : w x=1", "C2 : r x=1@1 ; w y=1"}, SER, 0, 0, 0, 0},
    {"aborted read without a cts", CK_G1A, {"aborted : w x=1", "C2 : r x=1@77 ; w y=1"}, SER, 0, 0, 0, 0},
    {"aborted read by a scan", CK_G1A, {"aborted C1 : w x=1", "C2 : s [a,z) x=1@1 ; w y=1"}, SER, 0, 0, 0, 0},
    {"read of what was rolled back", CK_G1A, {"C1 : w y=1 ; !w x=1", "C2 : r x=1@1 ; w z=1"}, SER, 0, 0, 0, 0},
    {"not read of what was aborted", CK_NONE, {"aborted C1 : w x=1", "C2 : r x=-@0 ; w y=1"}, SER, 0, 0, 0, 0},
    {"aborted read at read committed", CK_G1A, {"aborted C1 : w x=1", "rc S1 : r x=1@1"}, SER, 0, 0, 0, 0},
    {"aborted read at read uncommitted", CK_NONE, {"aborted C1 : w x=1", "ru S1 : r x=1@1"}, SER, 0, 0, 0, 0},
    {"garbage at read uncommitted", CK_GARBAGE, {"aborted C1 : w x=1", "ru S1 : r x=2@1"}, SER, 0, 0, 0, 0},
    {"dirty update", CK_DIRTY_UPDATE, {"aborted C1 : w x=1", "C2 : r x=1@1 ; w x=2"}, SER, 0, 0, 0, 0},
    {"dirty update at read uncommitted", CK_DIRTY_UPDATE, {"aborted C1 : w x=1", "ru C2 : r x=1@1 ; w x=2"}, SER, 0, 0, 0, 0},
    /* G1b: A3 */
    {"intermediate read", CK_G1B, {"C1 : w x=1 ; w x=2", "C2 : r x=1@1 ; w y=1"}, SER, 0, 0, 0, 0},
    {"last write read", CK_NONE, {"C1 : w x=1 ; w x=2", "C2 : r x=2@1 ; w y=1"}, SER, 0, 0, 0, 0},
    {"intermediate read at read committed", CK_G1B, {"C1 : w x=1 ; w x=2", "rc C2 : r x=1@1 ; w y=1"}, SER, 0, 0, 0, 0},
    {"the worst is told", CK_GARBAGE, {"C1 : w x=1 ; w x=2", "C2 : r x=1@1 ; w y=1", "C3 : r y=7@2 ; w z=1"}, SER, 0, 0, 0, 0},
    /* unknown outcome */
    {"unknown, and not seen", CK_NONE, {"unknown C1 : w x=1", "C2 : r x=-@0 ; w y=1"}, SER, 0, 0, 0, 0},
    {"unknown, but seen", CK_NONE, {"unknown C1 : w x=1", "C2 : r x=1@1 ; w y=1"}, SER, 0, 0, 0, 0},
};

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) case_run(&rows[i], true);
}

/* Every class has a name, a sentence and a level of its own. */
static void test_names(void **state) {
    (void)state;
    for (int a = 0; a < CK_ANOMALIES; a++) {
        assert_non_null(ck_anomaly_name((enum ck_anomaly)a));
        assert_true(strlen(ck_anomaly_about((enum ck_anomaly)a)) > 10);
        assert_in_range(ck_anomaly_level((enum ck_anomaly)a), VARVE_READ_UNCOMMITTED, VARVE_SERIALIZABLE);
        for (int b = 0; b < a; b++)
            assert_string_not_equal(ck_anomaly_name((enum ck_anomaly)a), ck_anomaly_name((enum ck_anomaly)b));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
