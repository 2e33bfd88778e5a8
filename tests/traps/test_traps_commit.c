/* test_traps_commit.c - the order of a commit's steps, looked at between them: the program compiles its own copy of the
 * conductor, with its yield points led here, and links it in the place of the library's.
 *
 * SPDX-License-Identifier: MIT
 */
#include "traps_fixture.h"

#include "txn/txn_int.h"

enum { KEYS = 3 };
static const char *const keys[KEYS] = {"a", "b", "k"};

static struct watch {
    struct tp tp;
    const struct varve_txn *txn; /* whose commit is watched; NULL: none */
    varve_txn *old;              /* a snapshot of before */
    unsigned stamp, stamped, installed;
    uint64_t clock;
} w;

/* All rows are locked by the committer, the new one included. */
static void all_locked(void) {
    for (unsigned i = 0; i < KEYS; i++) {
        struct vst_record *record = tp_record(&w.tp, keys[i]);
        assert_non_null(record);
        assert_int_equal(vst_lk_writer(vb_load_acquire(&record->lk)), w.txn->cc.self);
    }
}

static void old_reader_sees(const char *key, const char *text) {
    varve_slice value;
    int status = varve_get(w.old, w.tp.table, td_str(key), &value);
    TD_STATUS(status, text != NULL ? VARVE_OK : VARVE_NOTFOUND);
    if (text != NULL) assert_true(td_equal(value, td_str(text)));
}

static void look(const struct vk_domain *domain, const char *name) {
    bool watched = strcmp(name, "stamp_before") == 0 || strcmp(name, "stamp_drawn") == 0 ||
                   strcmp(name, "install_record") == 0;
    if (w.txn == NULL || !watched) return;
    uint64_t word = vb_load_acquire(&w.txn->cc.slot->commit), clock = vb_load_acquire(&domain->clock);
    all_locked();
    if (strcmp(name, "stamp_before") == 0) {
        w.stamp++;
        assert_int_equal(clock, w.clock); /* trap 1: nobody's snapshot can be as new as this commit yet */
    } else if (strcmp(name, "stamp_drawn") == 0) {
        w.stamped++;
        assert_int_equal(clock, w.clock + 1);
        assert_int_equal(vk_commit_state(word), VK_PREP); /* trap 2: whoever meets a lock from here on waits */
    } else {
        w.installed++;
        assert_int_equal(word, vk_commit_word(w.clock + 1, VK_COMMITTING)); /* trap 3: until all is there */
        old_reader_sees("a", "stored");
        old_reader_sees("b", "stored");
        old_reader_sees("k", NULL);
    }
}

#undef VK_YIELD
#define VK_YIELD(domain, point) look((domain), #point)
#include "txn/commit.c"

/* Two rows overwritten and one inserted, at every level. */
static void trap_01_to_03_the_order_of_a_commit(void **state) {
    (void)state;
    for (unsigned i = 0; i < TD_SCHEMES * TD_LEVELS; i++) {
        char options[64];
        snprintf(options, sizeof options, "cc=%s", td_schemes[i / TD_LEVELS]);
        memset(&w, 0, sizeof w);
        tp_open(&w.tp, options, NULL);
        tp_store(&w.tp, "a");
        tp_store(&w.tp, "b");
        varve_txn_options before = VARVE_TXN_OPTIONS_INIT;
        before.read_only = true;
        TD_STATUS(varve_begin(w.tp.db, &before, &w.old), VARVE_OK);
        varve_txn *txn = tp_begin(&w.tp, td_levels[i % TD_LEVELS]);
        for (unsigned k = 0; k < KEYS; k++) TD_STATUS(tp_put(&w.tp, txn, keys[k], "new"), VARVE_OK);
        w.clock = vb_load_acquire(&w.tp.db->domain.clock);
        w.txn = txn;
        TD_STATUS(varve_commit(txn), VARVE_OK);
        w.txn = NULL;
        assert_int_equal(w.stamp, 1);
        assert_int_equal(w.stamped, 1);
        assert_int_equal(w.installed, KEYS);
        TD_STATUS(varve_commit(w.old), VARVE_OK);
        tp_close(&w.tp);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(trap_01_to_03_the_order_of_a_commit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
