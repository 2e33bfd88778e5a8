/* test_settings.c - each setting of an experiment does what its name says, and none of them is on by itself.
 *
 * Two transactions take turns in one thread, so that every conflict is made and none happens by chance.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/experiment.h"
#include "varve.h"

static varve_db *db;
static varve_table *table;

static varve_slice slice(const char *text) { return VARVE_SLICE(text, 1); }

static void put_one(const char *key, const char *value) {
    varve_txn *txn;
    assert_int_equal(varve_begin(db, NULL, &txn), VARVE_OK);
    assert_int_equal(varve_put(txn, table, slice(key), slice(value)), VARVE_OK);
    assert_int_equal(varve_commit(txn), VARVE_OK);
}

static int open_db(void **state) {
    (void)state;
    vb_experiment = (struct vb_experiment)VB_EXPERIMENT_NONE;
    assert_int_equal(varve_open(":memory:", "cc=mvcc", &db), VARVE_OK);
    assert_int_equal(varve_table_open(db, "t", NULL, &table), VARVE_OK);
    put_one("a", "1");
    put_one("b", "1");
    return 0;
}
static int close_db(void **state) {
    (void)state;
    vb_experiment = (struct vb_experiment)VB_EXPERIMENT_NONE;
    return varve_close(db);
}

/* Reads a, sees b change, reads b, writes a. */
static int across_a_change(void) {
    varve_txn *txn;
    varve_slice value;
    assert_int_equal(varve_begin(db, NULL, &txn), VARVE_OK);
    assert_int_equal(varve_get(txn, table, slice("a"), &value), VARVE_OK);
    put_one("b", "2");
    assert_int_equal(varve_get(txn, table, slice("b"), &value), VARVE_OK);
    int status = varve_put(txn, table, slice("a"), slice("2"));
    int ended = varve_commit(txn);
    return status != VARVE_OK ? status : ended;
}

static uint64_t stat_of(size_t offset) {
    varve_stats_info info = {.size = sizeof(info)};
    assert_int_equal(varve_stats(db, &info), VARVE_OK);
    return *(uint64_t *)(void *)((char *)&info + offset);
}
#define STAT(field) stat_of(offsetof(varve_stats_info, field))

static void extension_is_on_unless_the_budget_is_zero(void **state) {
    (void)state;
    assert_int_equal(across_a_change(), VARVE_OK);
    assert_int_equal(STAT(extensions), 1);
    vb_experiment.recheck_factor = 0;
    assert_int_equal(across_a_change(), VARVE_CONFLICT);
    assert_int_equal(STAT(extensions), 1);
}

struct collide {
    unsigned attempts, escalated_at; /* the aborts before the attempt under locks; UINT32_MAX: none was */
};

/* Conflicts until it runs under locks, or for twelve attempts. */
static int collide(varve_txn *txn, void *arg) {
    struct collide *c = arg;
    varve_slice value;
    unsigned aborts = c->attempts++;
    if (STAT(escalations) != 0) {
        c->escalated_at = aborts;
        return varve_put(txn, table, slice("b"), slice("3"));
    }
    int status = varve_get(txn, table, slice("a"), &value);
    if (status != VARVE_OK || aborts == 12) return status;
    put_one("a", "4");
    return varve_put(txn, table, slice("b"), slice("3"));
}

static unsigned escalates_after(int setting) {
    struct collide c = {0, UINT32_MAX};
    vb_experiment.escalate_after = setting;
    assert_int_equal(varve_run(db, NULL, collide, &c), VARVE_OK);
    return c.escalated_at;
}
static void escalation_comes_after_three_aborts(void **state) {
    (void)state;
    assert_int_equal(escalates_after(-1), 3);
}
static void escalation_comes_when_it_is_told(void **state) {
    (void)state;
    assert_int_equal(escalates_after(5), 5);
}
static void escalation_may_never_come(void **state) {
    (void)state;
    assert_int_equal(escalates_after(1000), UINT32_MAX);
}

static unsigned asked, last_aborts;
static int last_status;
static uint64_t note_pause(int status, unsigned aborts, uint64_t mean_ns) {
    (void)mean_ns;
    asked++;
    last_status = status;
    last_aborts = aborts;
    return 0;
}
static void each_abort_asks_for_its_pause(void **state) {
    (void)state;
    vb_experiment.pause_limit_ns = note_pause;
    assert_int_equal(escalates_after(4), 4);
    assert_int_equal(asked, 4);
    assert_int_equal(last_aborts, 4);
    assert_int_equal(last_status, VARVE_CONFLICT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(extension_is_on_unless_the_budget_is_zero, open_db, close_db),
        cmocka_unit_test_setup_teardown(escalation_comes_after_three_aborts, open_db, close_db),
        cmocka_unit_test_setup_teardown(escalation_comes_when_it_is_told, open_db, close_db),
        cmocka_unit_test_setup_teardown(escalation_may_never_come, open_db, close_db),
        cmocka_unit_test_setup_teardown(each_abort_asks_for_its_pause, open_db, close_db)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
