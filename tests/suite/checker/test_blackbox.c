/* test_blackbox.c - the classes again by values alone: lists, and registers with and without updates that tell the order;
 * and where the answer must be that it is not known.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "suite/checker/cases.h"

#define SER VARVE_SERIALIZABLE
#define SI VARVE_SNAPSHOT
#define RC VARVE_READ_COMMITTED
#define RR VARVE_REPEATABLE_READ

static const struct case_row list_rows[] = {
    {"lists in order", CK_NONE, {": app x=1", ": list x=1 ; app x=2", ": list x=1,2"}, SER, 0, 0, 0, 0},
    {"G0", CK_G0, {": app x=1 ; app y=1", ": app x=2 ; app y=2", ": list x=1,2 ; list y=2,1"}, SER, 2, 0, 0, 0},
    {"G0 at read uncommitted", CK_G0, {": app x=1 ; app y=1", ": app x=2 ; app y=2", ": list x=1,2 ; list y=2,1"},
     VARVE_READ_UNCOMMITTED, 2, 0, 0, 0},
    {"no G0", CK_NONE, {": app x=1 ; app y=1", ": app x=2 ; app y=2", ": list x=1,2 ; list y=1,2"}, SER, 0, 0, 0, 0},
    {"G0 within one key", CK_G0, {": app x=1 ; app x=3", ": app x=2", ": list x=1,2,3"}, SER, 2, 0, 0, 0},
    {"garbage", CK_GARBAGE, {": app x=1", ": list x=1,9"}, SER, 0, 0, 0, 0},
    {"duplicate", CK_DUPLICATE, {": app x=1", ": list x=1,1"}, SER, 0, 0, 0, 0},
    {"incompatible", CK_INCOMPATIBLE, {": app x=1", ": app x=2", ": list x=1,2", ": list x=2"}, SER, 0, 0, 0, 0},
    {"compatible", CK_NONE, {": app x=1", ": app x=2", ": list x=2,1", ": list x=2"}, SER, 0, 0, 0, 0},
    {"G1a", CK_G1A, {"aborted : app x=1", ": list x=1"}, SER, 0, 0, 0, 0},
    {"dirty update", CK_DIRTY_UPDATE, {"aborted : app x=1", ": app x=2", ": list x=1,2"}, SER, 0, 0, 0, 0},
    {"G1b", CK_G1B, {": app x=1 ; app x=2", ": list x=1", ": list x=1,2"}, SER, 0, 0, 0, 0},
    {"G1c", CK_G1C, {": app x=1 ; list y=1", ": app y=1 ; list x=1"}, RC, 2, 0, 0, 0},
    {"internal", CK_INTERNAL, {": app x=1 ; list x=-"}, SER, 0, 0, 0, 0},
    {"own element seen", CK_NONE, {": app x=1 ; list x=1"}, SER, 0, 0, 0, 0},
    {"own elements out of order", CK_INTERNAL, {": app x=1 ; app x=2 ; list x=2,1"}, SER, 0, 0, 0, 0},
    {"future", CK_FUTURE_READ, {": list x=1 ; app x=1"}, SER, 0, 0, 0, 0},
    {"OTV", CK_OTV, {": app x=1 ; app y=1", ": list x=1 ; list y=-"}, RC, 2, 0, 0, 0},
    {"fractured", CK_FRACTURED, {": app x=1 ; app y=1", ": list y=- ; list x=1"}, RR, 2, 0, 0, 0},
    {"fractured at read committed", CK_NONE, {": app x=1 ; app y=1", ": list y=- ; list x=1"}, RC, 0, 0, 0, 0},
    {"lost update", CK_LOST_UPDATE, {": list x=- ; app x=1", ": list x=- ; app x=2", ": list x=1,2"}, SI, 2, 0, 0, 0},
    {"lost update, neither seen", CK_LOST_UPDATE, {": app x=1", ": list x=1 ; app x=2", ": list x=1 ; app x=3"}, SI, 2, 0, 0, 0},
    {"lost update, neither seen, at read committed", CK_NONE,
     {": app x=1", ": list x=1 ; app x=2", ": list x=1 ; app x=3"}, RC, 0, 0, 0, 0},
    {"an update, and one unseen after it", CK_G_SINGLE_ITEM,
     {": list x=- ; app x=1 ; app y=1", ": app x=2 ; app z=1", ": list y=- ; list z=1"}, SER, 3, 0, 0, 0},
    {"something else behind the own append", CK_INTERNAL, {": app x=1", ": list x=- ; app x=2 ; list x=1,2"}, RR, 0, 0, 0, 0},
    {"the same behind the own append", CK_NONE, {": app x=1", ": list x=1 ; app x=2 ; list x=1,2"}, RR, 0, 0, 0, 0},
    {"future and internal", CK_FUTURE_READ, {": app x=1 ; list x=2 ; app x=2"}, RC, 0, 0, 0, 0},
    {"one of them was never seen", CK_NONE, {": list x=- ; app x=1", ": app x=2", ": list x=1"}, SI, 0, 0, 0, 0},
    {"G-single-item", CK_G_SINGLE_ITEM, {": app x=1", ": list x=1 ; app y=1", ": list x=- ; list y=1"}, SER, 3, 0, 0, 0},
    {"long fork", CK_G_NONADJACENT,
     {": app x=1", ": app y=1", ": list x=1 ; list y=-", ": list x=- ; list y=1"}, SI, 4, 0, 0, 0},
    {"write skew", CK_G2_ITEM, {": list x=- ; app y=1", ": list y=- ; app x=1"}, SER, 2, 0, 0, 0},
    {"write skew at snapshot", CK_NONE, {": list x=- ; app y=1", ": list y=- ; app x=1"}, SI, 0, 0, 0, 0},
    {"real time", CK_REAL_TIME, {"B0 E1 : app x=1", "B2 E3 : list x=-"}, SER, 2, 0, 0, 0},
    {"session", CK_SESSION, {"P1 : app x=1", "P1 : list x=-"}, SER, 2, 1, 1, 0},
    {"unknown, seen", CK_NONE, {"unknown : app x=1", ": list x=1"}, SER, 0, 0, 0, 0},
    {"unknown, not seen", CK_NONE, {"unknown : app x=1", ": list x=-"}, SER, 0, 0, 0, 0},
    {"two unread, either order", CK_NONE, {": app x=1", ": app x=2", ": list x=-"}, SER, 0, 0, 0, 0},
    {"two unread, both missed", CK_REAL_TIME, {"B0 E1 : app x=1", "B0 E1 : app x=2", "B2 E3 : list x=-"}, SER, 2, 0, 0, 0},
    {"one value appended twice", CK_NONE, {": app x=1", ": app x=1", ": list x=1"}, SER, 0, 0, 0, true},
};

static const struct case_row register_rows[] = {
    {"updates in turn", CK_NONE, {": w x=1", ": r x=1 ; w x=2", ": r x=2"}, SER, 0, 0, 0, 0},
    {"garbage", CK_GARBAGE, {": w x=1", ": r x=9"}, SER, 0, 0, 0, 0},
    {"G1a", CK_G1A, {"aborted : w x=1", ": r x=1"}, RC, 0, 0, 0, 0},
    {"dirty update", CK_DIRTY_UPDATE, {"aborted : w x=1", ": r x=1 ; w x=2"}, RC, 0, 0, 0, 0},
    {"G1b", CK_G1B, {": w x=1 ; w x=2", ": r x=1"}, RC, 0, 0, 0, 0},
    {"G1c", CK_G1C, {": w x=1 ; r y=1", ": w y=1 ; r x=1"}, RC, 2, 0, 0, 0},
    {"internal", CK_INTERNAL, {": w x=1", ": w x=2 ; r x=1"}, RC, 0, 0, 0, 0},
    {"future", CK_FUTURE_READ, {": r x=1 ; w x=1"}, RC, 0, 0, 0, 0},
    {"lost update", CK_LOST_UPDATE, {": w x=1", ": r x=1 ; w x=2", ": r x=1 ; w x=3"}, SI, 2, 0, 0, 0},
    {"lost update at read committed", CK_NONE, {": w x=1", ": r x=1 ; w x=2", ": r x=1 ; w x=3"}, RC, 0, 0, 0, 0},
    {"double create", CK_LOST_UPDATE, {": ins x=1", ": ins x=2"}, RC, 2, 0, 0, 0},
    {"OTV", CK_OTV, {": w x=1 ; w y=1", ": r x=1 ; r y=-"}, RC, 2, 0, 0, 0},
    {"fractured", CK_FRACTURED, {": w x=1 ; w y=1", ": r y=- ; r x=1"}, RR, 2, 0, 0, 0},
    {"write skew", CK_G2_ITEM, {": r x=- ; w y=1", ": r y=- ; w x=1"}, SER, 2, 0, 0, 0},
    {"write skew at snapshot", CK_NONE, {": r x=- ; w y=1", ": r y=- ; w x=1"}, SI, 0, 0, 0, 0},
    {"predicate skew", CK_G2, {": s [a,m) ; w n=1", ": s [m,z) ; w b=1"}, SER, 2, 0, 0, 0},
    {"long fork", CK_G_NONADJACENT, {": w x=1", ": w y=1", ": r x=1 ; r y=-", ": r x=- ; r y=1"}, SI, 4, 0, 0, 0},
    {"real time", CK_REAL_TIME, {"B0 E1 : w x=1", "B2 E3 : r x=-"}, SER, 2, 0, 0, 0},
    /* blind writes: the order is to be found */
    {"two blind writes", CK_NONE, {": w x=1", ": w x=2", ": r x=1", ": r x=2"}, SER, 0, 0, 0, 0},
    {"two blind writes, seen both ways", CK_FRACTURED,
     {": w x=1 ; w y=1", ": w x=2 ; w y=2", ": r x=1 ; r y=2"}, SER, 0, 0, 0, 0},
    {"two blind writes, both orders seen in turn", CK_G_SINGLE_ITEM,
     {"B0 E9 : w x=1", "B0 E9 : w x=2", ": r x=1 ; w a=1", ": r a=1 ; r x=2 ; w b=1", ": r b=1 ; r x=1"}, SER, 3, 0, 0, 0},
    {"the same, though real time had told the order", CK_FRACTURED,
     {"B0 E1 : w x=1 ; w y=1", "B2 E3 : w x=2 ; w y=2", "B4 E5 : r x=1 ; r y=2"}, RR, 0, 0, 0, 0},
    {"long fork at read committed", CK_NONE, {": w x=1", ": w y=1", ": r x=1 ; r y=-", ": r y=1 ; r x=-"}, RC, 0, 0, 0, 0},
    {"two blind writes, seen both ways, at read committed", CK_NONE,
     {": w x=1 ; w y=1", ": w x=2 ; w y=2", ": r x=1 ; r y=2"}, RC, 0, 0, 0, 0},
    {"a value written twice", CK_NONE, {": w x=1", ": w x=1", ": r x=1"}, SER, 0, 0, 0, true},
    {"absent, but which absence", CK_NONE, {": w x=1", ": d x", ": r x=-"}, SER, 0, 0, 0, true},
};

static void run(const struct case_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) case_run(&rows[i], false);
}

static void test_lists(void **state) {
    (void)state;
    run(list_rows, sizeof(list_rows) / sizeof(list_rows[0]));
}

static void test_registers(void **state) {
    (void)state;
    run(register_rows, sizeof(register_rows) / sizeof(register_rows[0]));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists), cmocka_unit_test(test_registers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
