/* test_traps_host.c - the engine and its host: a kernel without membarrier, callbacks that take their time, syncs
 * that cover what was only read.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "traps_fixture.h"

/* --- trap 6: no membarrier ---------------------------------------------------------------------------------------- */

static const char in_the_sandbox[] = "VARVE_TRAP_06_SANDBOX";

/* From here on the call answers ENOSYS, also in the program that is executed next. */
static bool forbid_membarrier(void) {
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Rewrites two rows with the same number, over and over, while the janitor runs. */
static void *rewrite(void *arg) {
    struct tp *tp = arg;
    char text[16];
    intptr_t status = VARVE_OK;
    for (unsigned n = 0; n < 2000 && status == VARVE_OK; n++) {
        varve_txn *txn;
        status = varve_begin(tp->db, NULL, &txn);
        if (status != VARVE_OK) break;
        snprintf(text, sizeof text, "%u", n);
        status = tp_put(tp, txn, "a", text);
        if (status == VARVE_OK) status = tp_put(tp, txn, "b", text);
        int end = varve_commit(txn);
        if (status == VARVE_OK) status = end;
    }
    return (void *)status;
}

static int life_in_the_sandbox(void) {
    struct tp tp = {.db = NULL};
    if (syscall(SYS_membarrier, 0, 0, 0) != -1 || errno != ENOSYS) return 2;
    if (varve_open(":memory:", NULL, &tp.db) != VARVE_OK) return 3;
    if (!vos_membarrier_missing) return 4;
    if (varve_table_open(tp.db, "t", NULL, &tp.table) != VARVE_OK) return 5;
    pthread_t writer;
    if (pthread_create(&writer, NULL, rewrite, &tp) != 0) return 6;
    bool whole = true;
    for (unsigned i = 0; i < 2000; i++) {
        varve_txn *txn;
        varve_slice a = {NULL, 0}, b = {NULL, 0};
        if (varve_begin(tp.db, NULL, &txn) != VARVE_OK) return 7;
        bool both = varve_get(txn, tp.table, td_str("a"), &a) == VARVE_OK &&
                    varve_get(txn, tp.table, td_str("b"), &b) == VARVE_OK;
        if (both) whole = whole && td_equal(a, b);
        varve_abort(txn);
    }
    void *status;
    pthread_join(writer, &status);
    if (varve_close(tp.db) != VARVE_OK) return 8;
    return whole && status == (void *)VARVE_OK ? 0 : 9;
}

/* The program executes itself without the call; 127 means that this machine lets nobody filter calls. */
static void trap_06_without_membarrier(void **state) {
    (void)state;
    char self[] = "/proc/self/exe";
    char *arguments[] = {self, NULL};
    pid_t child = fork();
    if (child == 0) {
        if (setenv(in_the_sandbox, "1", 1) != 0 || !forbid_membarrier()) _exit(127);
        execv(self, arguments);
        _exit(1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    if (WEXITSTATUS(how) == 127) skip();
    assert_int_equal(WEXITSTATUS(how), 0);
}

/* --- trap 11: callbacks may take their time ----------------------------------------------------------------------- */

#ifdef VARVE_ASSERTS
static unsigned calls;

/* No read section is open, and another transaction can do its work meanwhile. */
static int works_elsewhere(void *arg, varve_slice key, varve_slice value) {
    struct tp *tp = arg;
    (void)value;
    calls++;
    if (vos_rcu_depth != 0) return 1;
    if (key.size != 1) return 0;
    varve_txn *other;
    if (varve_begin(tp->db, NULL, &other) != VARVE_OK) return 2;
    int status = tp_put(tp, other, "elsewhere", "1");
    int end = varve_commit(other);
    return status == VARVE_OK && end == VARVE_OK ? 0 : 3;
}

static void trap_11_a_callback_holds_nothing_up(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        struct tp tp;
        char options[64];
        snprintf(options, sizeof options, "cc=%s,deadlock=no_wait", td_schemes[cc]);
        tp_open(&tp, options, NULL);
        calls = 0;
        TD_STATUS(varve_constraint_register(tp.db, "works", works_elsewhere, &tp), VARVE_OK);
        TD_STATUS(varve_constraint_add(tp.db, tp.table, "rule callback works"), VARVE_OK);
        varve_txn *txn = tp_begin(&tp, VARVE_SERIALIZABLE);
        TD_STATUS(tp_put(&tp, txn, "a", "1"), VARVE_OK);
        TD_STATUS(tp_insert(&tp, txn, "b"), VARVE_OK);
        TD_STATUS(varve_commit(txn), VARVE_OK);
        assert_int_equal(calls, 4);
        tp_close(&tp);
    }
}
#endif

/* --- trap 35: an answer is an output, too ------------------------------------------------------------------------- */

static uint64_t durable_after_reading(varve_db *db, varve_table *table, const char *key, uint64_t *clock) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_stats_info info = {.size = sizeof info};
    varve_txn *txn;
    varve_slice value;
    options.sync = VARVE_SYNC_SYNC;
    options.read_only = true;
    TD_STATUS(varve_begin(db, &options, &txn), VARVE_OK);
    int status = varve_get(txn, table, td_str(key), &value);
    TD_CHECK(status == VARVE_OK || status == VARVE_NOTFOUND, "%s", varve_strerror(status));
    TD_STATUS(varve_commit(txn), VARVE_OK);
    TD_STATUS(varve_stats(db, &info), VARVE_OK);
    *clock = info.clock;
    return info.durable;
}

/* Written with sync=none, read with sync=sync: when the reader's commit returns, what it read is durable. */
static void trap_35_a_reader_waits_for_what_it_saw(void **state) {
    (void)state;
    struct vdb_setup setup = {.no_threads = true};
    char path[TD_PATH_BYTES];
    varve_db *db;
    uint64_t clock;
    varve_stats_info info = {.size = sizeof info};
    td_scratch(path);
    TD_STATUS(vdb_open(path, "sync=none", &setup, &db), VARVE_OK);
    varve_table *table = td_table(db, "t");
    td_store(db, table, "k", "1");
    TD_STATUS(varve_stats(db, &info), VARVE_OK);
    assert_true(info.durable < info.clock);
    assert_true(durable_after_reading(db, table, "k", &clock) >= clock);
    td_close(db);
    td_remove_tree(path);
}

int main(void) {
    if (getenv(in_the_sandbox) != NULL) return life_in_the_sandbox();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trap_06_without_membarrier),
#ifdef VARVE_ASSERTS
        cmocka_unit_test(trap_11_a_callback_holds_nothing_up),
#endif
        cmocka_unit_test(trap_35_a_reader_waits_for_what_it_saw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
