/* test_cc.c - the contract of a scheme: no empty slot, and the order in which the calls come, told by the tracer.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "db/db.h"
#include "locking/locking.h"
#include "mvcc/mvcc.h"
#include "occ/occ.h"

static const struct vcc_ops *const schemes[] = {&vmv_ops, &vlk_ops, &vox_ops};
static char told[512];

static void note(void *arg, const struct vcc_txn *t, const char *call, int status) {
    (void)arg;
    assert_non_null(t);
    size_t at = strlen(told);
    snprintf(told + at, sizeof told - at, "%s%s", call, status == VARVE_OK ? " " : "! ");
}

/* A database whose transactions run under a tracer of the scheme. */
static varve_db *open_traced(struct vcc_tracer *tracer, const struct vcc_ops *scheme) {
    varve_db *db;
    assert_int_equal(vdb_open(":memory:", NULL, NULL, &db), VARVE_OK);
    vcc_tracer_init(tracer, scheme, note, NULL);
    assert_true(vcc_ops_complete(&tracer->ops));
    assert_int_equal(vtx_gate_close(vdb_pool(db), 1000), VARVE_OK);
    vtx_pool_switch(vdb_pool(db), &tracer->ops);
    vtx_gate_open(vdb_pool(db));
    return db;
}

static void every_scheme_fills_every_slot(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(vcc_ops_complete(schemes[i]));
        for (size_t slot = 0; slot < 8; slot++) {
            struct vcc_ops holed = *schemes[i];
            void *slots[] = {&holed.name,  &holed.effective_level, &holed.begin,    &holed.read,
                             &holed.write, &holed.precommit,       &holed.validate, &holed.end};
            memset(slots[slot], 0, sizeof(void *));
            assert_false(vcc_ops_complete(&holed));
        }
    }
}

static void a_commit_calls_in_the_contracts_order(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct vcc_tracer tracer;
        varve_db *db = open_traced(&tracer, schemes[i]);
        varve_table *table;
        varve_txn *txn;
        varve_slice value;
        assert_int_equal(varve_table_open(db, "t", NULL, &table), VARVE_OK);
        told[0] = 0;
        assert_int_equal(varve_begin(db, NULL, &txn), VARVE_OK);
        assert_int_equal(varve_put(txn, table, VARVE_STR("a"), VARVE_STR("1")), VARVE_OK);
        assert_int_equal(varve_commit(txn), VARVE_OK);
        assert_string_equal(told, "begin write precommit validate end ");
        told[0] = 0;
        assert_int_equal(varve_begin(db, NULL, &txn), VARVE_OK);
        assert_int_equal(varve_get(txn, table, VARVE_STR("a"), &value), VARVE_OK);
        assert_int_equal(varve_get(txn, table, VARVE_STR("b"), &value), VARVE_NOTFOUND);
        assert_int_equal(varve_commit(txn), VARVE_OK);
        assert_string_equal(told, "begin read range end "); /* without writes there is nothing to lock or validate */
        assert_int_equal(varve_close(db), VARVE_OK);
    }
}

static void a_refused_validation_is_told(void **state) {
    (void)state;
    struct vcc_tracer tracer;
    varve_db *db = open_traced(&tracer, &vmv_ops);
    varve_table *table;
    varve_txn *one, *two;
    varve_slice value;
    assert_int_equal(varve_table_open(db, "t", NULL, &table), VARVE_OK);
    assert_int_equal(varve_begin(db, NULL, &one), VARVE_OK);
    assert_int_equal(varve_get(one, table, VARVE_STR("a"), &value), VARVE_NOTFOUND);
    assert_int_equal(varve_put(one, table, VARVE_STR("b"), VARVE_STR("1")), VARVE_OK);
    assert_int_equal(varve_begin(db, NULL, &two), VARVE_OK);
    assert_int_equal(varve_put(two, table, VARVE_STR("a"), VARVE_STR("1")), VARVE_OK);
    assert_int_equal(varve_commit(two), VARVE_OK);
    told[0] = 0;
    assert_int_equal(varve_commit(one), VARVE_CONFLICT);
    assert_string_equal(told, "precommit validate! end! ");
    assert_int_equal(varve_close(db), VARVE_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scheme_fills_every_slot),
        cmocka_unit_test(a_commit_calls_in_the_contracts_order),
        cmocka_unit_test(a_refused_validation_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
