/* test_contract.c - the contract is whole and agrees with itself: a stronger level never promises less.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/sm_contract.h"

static void every_phenomenon_once(void **state) {
    static const struct {
        char group;
        unsigned count;
    } groups[] = {{'A', 8}, {'B', 14}, {'C', 4}, {'D', 10}, {'E', 3}, {'F', 2}, {'G', 1}};
    unsigned at = 0;
    (void)state;
    for (unsigned g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        for (unsigned n = 1; n <= groups[g].count; n++, at++) {
            char id[8];
            snprintf(id, sizeof id, "%c%u", groups[g].group, n);
            assert_string_equal(sm_phenomena[at].id, id);
            assert_ptr_equal(sm_phenomenon_find(id), &sm_phenomena[at]);
        }
    }
    assert_int_equal(at, SM_PHENOMENA);
    assert_null(sm_phenomenon_find("D11"));
}

static void every_row_is_filled(void **state) {
    (void)state;
    for (unsigned i = 0; i < SM_PHENOMENA; i++) {
        const struct sm_phenomenon *p = &sm_phenomena[i];
        assert_true(p->group[0] != 0 && p->name[0] != 0 && p->about[0] != 0);
        assert_non_null(p->known);
        assert_non_null(p->note);
        assert_true(strlen(p->about) < 110);
        for (unsigned level = 0; level < SM_SERVED_LEVELS; level++) {
            assert_int_equal(strlen(p->cells[level]), 3);
            assert_int_equal(strspn(p->cells[level], "NSU-"), 3);
        }
        assert_int_equal(strcmp(p->cells[2] + 1, "--"), 0); /* snapshot: mvcc alone */
    }
}

static void what_is_served(void **state) {
    static const struct {
        varve_isolation asked, served[SS_SCHEMES];
    } rows[] = {
        {VARVE_READ_UNCOMMITTED, {VARVE_READ_COMMITTED, VARVE_READ_COMMITTED, VARVE_READ_COMMITTED}},
        {VARVE_READ_COMMITTED, {VARVE_READ_COMMITTED, VARVE_READ_COMMITTED, VARVE_READ_COMMITTED}},
        {VARVE_REPEATABLE_READ, {VARVE_REPEATABLE_READ, VARVE_REPEATABLE_READ, VARVE_REPEATABLE_READ}},
        {VARVE_SNAPSHOT, {VARVE_SNAPSHOT, VARVE_SERIALIZABLE, VARVE_SERIALIZABLE}},
        {VARVE_SERIALIZABLE, {VARVE_SERIALIZABLE, VARVE_SERIALIZABLE, VARVE_SERIALIZABLE}},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (unsigned scheme = 0; scheme < SS_SCHEMES; scheme++)
            assert_int_equal(sm_served(rows[i].asked, scheme), rows[i].served[scheme]);
}

/* Along the lattice (rc below rr and si, both below ser) what is never stays never; a moving snapshot is no anomaly of
 * a serial order, and is the one exception. */
static void a_stronger_level_promises_no_less(void **state) {
    static const struct { unsigned weaker, stronger; } pairs[] = {{0, 1}, {0, 2}, {1, 3}, {2, 3}};
    (void)state;
    for (unsigned i = 0; i < SM_PHENOMENA; i++) {
        const struct sm_phenomenon *p = &sm_phenomena[i];
        if (strcmp(p->id, "B12") == 0 || strcmp(p->id, "B3") == 0) continue;
        for (unsigned n = 0; n < 4; n++)
            for (unsigned scheme = 0; scheme < SS_SCHEMES; scheme++)
                if (p->cells[pairs[n].weaker][scheme] == 'N' && p->cells[pairs[n].stronger][scheme] != '-')
                    assert_int_equal(p->cells[pairs[n].stronger][scheme], 'N');
    }
}

static void cells_of_the_table(void **state) {
    (void)state;
    const struct sm_phenomenon *skew = sm_phenomenon_find("D2");
    assert_int_equal(sm_promised(skew, VARVE_READ_UNCOMMITTED, 1), SM_MUST_SHOW);
    assert_int_equal(sm_promised(skew, VARVE_REPEATABLE_READ, 0), SM_UNSPECIFIED);
    assert_int_equal(sm_promised(skew, VARVE_REPEATABLE_READ, 2), SM_MUST_SHOW);
    assert_int_equal(sm_promised(skew, VARVE_SNAPSHOT, 0), SM_MUST_SHOW);
    assert_int_equal(sm_promised(skew, VARVE_SNAPSHOT, 1), SM_MUST_NOT);
    assert_int_equal(sm_promised(skew, VARVE_SERIALIZABLE, 0), SM_MUST_NOT);
    assert_int_equal(sm_promised(sm_phenomenon_find("B3"), VARVE_READ_COMMITTED, 1), SM_UNSPECIFIED);
    assert_int_equal(sm_promised(sm_phenomenon_find("B14"), VARVE_READ_COMMITTED, 0), SM_NOT_APPLICABLE);
    assert_int_equal(sm_promised(sm_phenomenon_find("D1"), VARVE_REPEATABLE_READ, 0), SM_MUST_NOT);
    for (varve_isolation level = VARVE_READ_UNCOMMITTED; level <= VARVE_SERIALIZABLE; level++)
        assert_int_equal(sm_promised(sm_phenomenon_find("C3"), level, 2), SM_MUST_NOT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_phenomenon_once), cmocka_unit_test(every_row_is_filled),
        cmocka_unit_test(what_is_served),        cmocka_unit_test(a_stronger_level_promises_no_less),
        cmocka_unit_test(cells_of_the_table),
    };
    return cmocka_run_group_tests_name("contract", tests, NULL, NULL);
}
