/* test_anomalies.c - every class of cycle with a small history that shows it, from the catalogue of phenomena, and with
 * its nearest legal neighbour; white box.
 *
 * The stamps of these histories are those of an engine that let the anomaly through: commit timestamps in the order of
 * the commits, each read with the version it was given.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "suite/checker/cases.h"

#define NO VARVE_ISOLATION_DEFAULT
#define INIT "T0 ser C1 B0 E1 : w x=100 ; w y=101 ; w z=102"

static const struct case_row rows[] = {
    /* A4 */
    {"G1c", CK_G1C, {"ser C1 : w x=1 ; r y=1@2", "ser C2 : w y=1 ; r x=1@1"}, NO, 2, 0, 0, 0},
    {"G1c at read committed", CK_G1C, {"rc C1 : w x=1 ; r y=1@2", "rc C2 : w y=1 ; r x=1@1"}, NO, 2, 0, 0, 0},
    {"G1c, one way only", CK_NONE, {"ser C1 : w x=1 ; r y=-@0", "ser C2 : w y=1 ; r x=1@1"}, NO, 0, 0, 0, 0},
    {"G1c with a ww", CK_G1C, {"ser C1 : w x=1 ; r y=1@2", "ser C2 : w x=2 ; w y=1"}, NO, 2, 0, 0, 0},
    {"G1c of three", CK_G1C, {"rc C1 : w x=1 ; r z=1@3", "rc C2 : r x=1@1 ; w y=1", "rc C3 : r y=1@2 ; w z=1"}, NO, 3, 0, 0, 0},
    {"G1c at read uncommitted", CK_NONE, {"ru C1 : w x=1 ; r y=1@2", "ru C2 : w y=1 ; r x=1@1"}, NO, 0, 0, 0, 0},
    /* B1 */
    {"OTV", CK_OTV, {"rc C1 : w x=1 ; w y=1", "rc C2 : w x=2 ; w y=2", "rc : r x=2@2 ; r y=1@1"}, NO, 2, 0, 0, 0},
    {"OTV at serializable", CK_OTV, {"ser C1 : w x=1 ; w y=1", "ser C2 : w x=2 ; w y=2", "ser : r x=2@2 ; r y=1@1"}, NO, 2, 0, 0, 0},
    {"seen in the other order", CK_NONE, {"rc C1 : w x=1 ; w y=1", "rc C2 : w x=2 ; w y=2", "rc : r x=1@1 ; r y=2@2"}, NO, 0, 0, 0, 0},
    {"one statement tears", CK_OTV, {"rc C1 : w x=1 ; w y=1", "rc C2 : w x=2 ; w y=2", "rc : r x=1@1 ; +r y=2@2"}, NO, 2, 0, 0, 0},
    {"scan tear", CK_OTV, {"rc C1 : w y=1", "rc C2 : d y ; w b=1", "rc : s [a,z) b=1@2 y=1@1"}, NO, 2, 0, 0, 0},
    {"scan sees a moved row never", CK_ORDER, {"rc C1 B0 E1 : w y=1", "rc C2 B2 : d y ; w b=1", "rc B3 : s [a,z)"}, NO, 0, 0, 0, 0},
    {"cause vanishes at read committed", CK_OTV,
     {"rc C1 : w x=1", "rc C2 : r x=1@1 ; w y=1", "rc : r y=1@2 ; r x=-@0"}, NO, 3, 0, 0, 0},
    /* B2, B8: the same history */
    {"fractured", CK_FRACTURED, {"ser C1 : w x=1 ; w y=1", "ser : r y=-@0 ; r x=1@1"}, NO, 2, 0, 0, 0},
    {"read skew", CK_FRACTURED, {INIT, "rr C2 : w x=1 ; w y=1", "rr C3 : r x=100@1 ; r y=1@2 ; w a=1"}, NO, 2, 0, 0, 0},
    {"read skew at read committed", CK_NONE, {INIT, "rc C2 : w x=1 ; w y=1", "rc C3 : r x=100@1 ; r y=1@2 ; w a=1"}, NO, 0, 0, 0, 0},
    {"no skew", CK_NONE, {INIT, "rr C3 : w x=1 ; w y=1", "rr C2 : r x=100@1 ; r y=101@1 ; w a=1"}, NO, 0, 0, 0, 0},
    {"fuzzy read", CK_FRACTURED, {INIT, "ser C2 : w x=1", "ser C3 : r x=100@1 ; r x=1@2 ; w a=1"}, NO, 2, 0, 0, 0},
    /* C1, C4 */
    {"lost update", CK_LOST_UPDATE, {INIT, "ser C2 : r x=100@1 ; w x=1", "ser C3 : r x=100@1 ; w x=2"}, NO, 2, 0, 0, 0},
    {"lost update at snapshot", CK_LOST_UPDATE, {INIT, "si S1 C2 : r x=100@1 ; w x=1", "si S1 C3 : r x=100@1 ; w x=2"}, NO, 2, 0, 0, 0},
    {"lost update at read committed", CK_NONE, {INIT, "rc C2 : r x=100@1 ; w x=1", "rc C3 : r x=100@1 ; w x=2"}, NO, 0, 0, 0, 0},
    {"updates in turn", CK_NONE, {INIT, "ser C2 : r x=100@1 ; w x=1", "ser C3 : r x=1@2 ; w x=2"}, NO, 0, 0, 0, 0},
    {"resurrection", CK_LOST_UPDATE, {INIT, "ser C2 : d x", "ser C3 : r x=100@1 ; w x=1"}, NO, 2, 0, 0, 0},
    {"lost delete", CK_LOST_UPDATE, {INIT, "ser C2 : r x=100@1 ; w x=1", "ser C3 : r x=100@1 ; d x"}, NO, 2, 0, 0, 0},
    {"double create", CK_LOST_UPDATE, {"rc C1 : ins x=1", "rc C2 : ins x=2"}, NO, 0, 0, 0, 0},
    /* G-single: B9, B11, and with a third transaction */
    {"G-single-item", CK_G_SINGLE_ITEM,
     {INIT, "ser C2 : w x=1", "ser C3 : r x=1@2 ; w y=1", "ser C4 : r x=100@1 ; r y=1@3 ; w a=1"}, NO, 3, 0, 0, 0},
    {"G-single-item, snapshot that moves", CK_G_SINGLE_ITEM,
     {INIT, "si S1 C2 : w x=1", "si S2 C3 : r x=1@2 ; w y=1", "si S3 : r x=100@1 ; r y=1@3"}, NO, 3, 0, 0, 0},
    {"no cause missing", CK_NONE,
     {INIT, "ser C2 : w x=1", "ser C3 : r x=1@2 ; w y=1", "ser C4 : r x=1@2 ; r y=1@3 ; w a=1"}, NO, 0, 0, 0, 0},
    {"G-single", CK_G_SINGLE, {"ser C1 : w b=1 ; w n=1", "ser C2 : s [a,m) ; r n=1@1 ; w y=1"}, NO, 2, 0, 0, 0},
    {"phantom", CK_G_SINGLE, {"ser C1 : w b=1", "ser C2 : s [a,m) ; s [a,m) b=1@1 ; w y=1"}, NO, 2, 0, 0, 0},
    {"phantom at repeatable read", CK_NONE, {"rr C1 : w b=1", "rr C2 : s [a,m) ; s [a,m) b=1@1 ; w y=1"}, NO, 0, 0, 0, 0},
    {"predicate-many-preceders", CK_G_SINGLE, {"si C1 : w b=1", "si S0 C2 : s [a,d) ; s [b,m) b=1@1 ; w y=1"}, NO, 2, 0, 0, 0},
    /* B10 */
    {"long fork", CK_G_NONADJACENT,
     {INIT, "si S1 C2 : w x=1", "si S1 C3 : w y=1", "si S3 : r x=1@2 ; r y=101@1", "si S3 : r x=100@1 ; r y=1@3"}, NO, 4, 0, 0, 0},
    {"no fork", CK_NONE,
     {INIT, "si S1 C2 : w x=1", "si S1 C3 : w y=1", "si S2 : r x=1@2 ; r y=101@1", "si S3 : r x=1@2 ; r y=1@3"}, NO, 0, 0, 0, 0},
    /* B12 */
    {"moving snapshot", CK_G_SI, {INIT, "si S1 C2 : w y=1", "si S1 C3 : r x=100@1 ; r y=1@2 ; w a=1"}, NO, 0, 0, 0, 0},
    {"first committer", CK_G_SI, {"si S0 C1 : w x=1", "si S0 C2 : w x=2"}, NO, 0, 0, 0, 0},
    /* D1 to D9 */
    {"write skew", CK_G2_ITEM, {INIT, "ser C2 : r x=100@1 ; r y=101@1 ; w x=1", "ser C3 : r x=100@1 ; r y=101@1 ; w y=1"}, NO, 2, 0, 0, 0},
    {"write skew at repeatable read", CK_G2_ITEM, {INIT, "rr C2 : r x=100@1 ; r y=101@1 ; w x=1", "rr C3 : r x=100@1 ; r y=101@1 ; w y=1"}, NO, 2, 0, 0, 0},
    {"write skew at snapshot", CK_NONE, {INIT, "si S1 C2 : r x=100@1 ; r y=101@1 ; w x=1", "si S1 C3 : r x=100@1 ; r y=101@1 ; w y=1"}, NO, 0, 0, 0, 0},
    {"absent-key skew", CK_G2_ITEM, {"ser C1 : r a=-@0 ; w b=1", "ser C2 : r b=-@0 ; w a=1"}, NO, 2, 0, 0, 0},
    {"existence skew", CK_G2_ITEM, {INIT, "ser C2 : has x ; d y", "ser C3 : has y ; d x"}, NO, 2, 0, 0, 0},
    {"refused insert skew", CK_G2_ITEM, {INIT, "ser C2 : insx x ; d y", "ser C3 : insx y ; d x"}, NO, 2, 0, 0, 0},
    {"delete skew", CK_G2_ITEM, {INIT, "ser C2 : r x=100@1 ; r y=101@1 ; d x", "ser C3 : r x=100@1 ; r y=101@1 ; d y"}, NO, 2, 0, 0, 0},
    {"predicate skew", CK_G2, {"ser C1 : s [a,m) ; w n=1", "ser C2 : s [m,z) ; w b=1"}, NO, 2, 0, 0, 0},
    {"predicate skew at repeatable read", CK_NONE, {"rr C1 : s [a,m) ; w n=1", "rr C2 : s [m,z) ; w b=1"}, NO, 0, 0, 0, 0},
    {"predicate skew in turn", CK_NONE, {"ser C1 : s [a,m) ; w n=1", "ser C2 : s [m,z) n=1@1 ; w b=1"}, NO, 0, 0, 0, 0},
    {"predicate skew over tombstones", CK_G2,
     {"ser C1 : w b=1 ; w n=1", "ser C2 : d b ; d n", "ser C3 : s [a,m) ; w n=2", "ser C4 : s [m,z) ; w b=2"}, NO, 2, 0, 0, 0},
    {"read-only anomaly", CK_G2_ITEM,
     {INIT, "ser C2 : r y=101@1 ; w y=20", "ser S2 : r x=100@1 ; r y=20@2", "ser C3 : r x=100@1 ; r y=101@1 ; w x=-11"}, NO, 3, 0, 0, 0},
    {"read-only anomaly, without the reader", CK_NONE,
     {INIT, "si S1 C2 : r y=101@1 ; w y=20", "si S1 C3 : r x=100@1 ; r y=101@1 ; w x=-11"}, NO, 0, 0, 0, 0},
    {"ring of three", CK_G2_ITEM,
     {INIT, "ser C2 : r x=100@1 ; w y=1", "ser C3 : r y=101@1 ; w z=1", "ser C4 : r z=102@1 ; w x=1"}, NO, 3, 0, 0, 0},
    {"mixed path", CK_G2_ITEM,
     {INIT, "ser C2 : w x=1", "ser C3 : r x=1@2 ; r y=101@1 ; w z=1", "ser C4 : r x=100@1 ; w y=1"}, NO, 3, 0, 0, 0},
    /* E1 to E3 */
    {"stale read", CK_REAL_TIME, {"ser C1 B0 E5 : w x=1", "ser S0 B6 E9 : r x=-@0"}, NO, 2, 0, 0, 0},
    {"stale read, not strict", CK_NONE, {"ser C1 B0 E5 : w x=1", "ser S0 B6 E9 : r x=-@0"}, NO, 0, 1, 0, 0},
    {"causal reverse", CK_REAL_TIME,
     {"ser C2 B0 E5 : w x=1", "ser C1 B6 E9 : w y=1", "ser S1 B3 E10 : r y=1@1 ; r x=-@0"}, NO, 3, 0, 0, 0},
    {"order in a session", CK_SESSION, {"ser C1 P3 : w x=1", "ser S0 P3 : r x=-@0"}, NO, 2, 1, 1, 0},
    {"stale read at read committed", CK_REAL_TIME, {"rc C1 B0 E5 : w x=1", "rc B6 E9 : r x=-@0"}, NO, 2, 0, 0, 0},
    /* the order of commits alone */
    {"another order", CK_ORDER, {"ser C1 : w x=1", "ser C2 : r x=-@0 ; w y=1"}, NO, 0, 0, 0, 0},
    {"stamps against time, unseen", CK_ORDER, {"ser C2 B0 E5 : w x=1", "ser C1 B6 E9 : w y=1"}, NO, 0, 0, 0, 0},
    {"snapshot one too late", CK_ORDER, {"ser C1 : w x=1", "ser S1 : r x=-@0"}, NO, 0, 0, 0, 0},
    /* judged by another level than their own */
    {"unknown level, asked for snapshot", CK_NONE, {INIT, "S1 C2 : r x=100@1 ; r y=101@1 ; w x=1", "S1 C3 : r x=100@1 ; r y=101@1 ; w y=1"}, VARVE_SNAPSHOT, 0, 0, 0, 0},
    {"unknown level, asked for serializable", CK_G2_ITEM, {INIT, "S1 C2 : r x=100@1 ; r y=101@1 ; w x=1", "S1 C3 : r x=100@1 ; r y=101@1 ; w y=1"}, NO, 2, 0, 0, 0},
    {"a weak one in the cycle", CK_NONE, {INIT, "ser C2 : r x=100@1 ; r y=101@1 ; w x=1", "rc C3 : r x=100@1 ; r y=101@1 ; w y=1"}, NO, 0, 0, 0, 0},
    {"a weak one before the cycle", CK_LOST_UPDATE, {INIT, "rc C2 : r x=100@1 ; w x=1", "ser C3 : r x=100@1 ; w x=2"}, NO, 2, 0, 0, 0},
};

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) case_run(&rows[i], true);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
