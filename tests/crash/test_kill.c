/* test_kill.c - a process that commits from several threads is killed at any moment, again and again.
 *
 * The child acknowledges each commit through a pipe; the parent kills it after a random number of them, opens the same
 * files and looks. Every transaction draws the next number of one counter row and writes it into a row of its own, so
 * the numbers are the serial order: those that are there must be 1 to n without a gap, each acknowledged one among
 * them, and as many of each thread as its last row says. Two more threads never look at a row that they share: each adds
 * 1, 2, 3 ... to one sum and leaves the last number in a row of its own, so the sum must be that of what is in these rows,
 * and no acknowledged number above them. The directory lives on from kill to kill, with checkpoints and
 * small segments, and the next child goes on under another scheme.
 *
 * VARVE_TEST_CASES: kills per sync mode and scheme (default 10).
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/crashkit.h"

enum { THREADS = 4, ADDERS = 2, ACKS_MOST = 120, HANG_SECONDS = 120, READY = 0xffff };

struct ack { /* written whole: smaller than a pipe's atomic size */
    uint32_t thread, serial;
    uint64_t number;
};

static const char *program;
static unsigned long kills, acked_total;

/* --- the child
 * ------------------------------------------------------------------------------------------------------------ */

static varve_db *child_db;
static varve_table *child_rows;

struct job {
    uint32_t thread, serial;
    uint64_t number;
};

static uint64_t get_number(varve_txn *txn, varve_table *table, const char *key, int *status) {
    varve_slice value;
    uint64_t number = 0;
    *status = varve_get(txn, table, td_str(key), &value);
    if (*status == VARVE_OK && value.size >= sizeof number) memcpy(&number, value.data, sizeof number);
    if (*status == VARVE_NOTFOUND) *status = VARVE_OK;
    return number;
}

static int draw(varve_txn *txn, void *arg) {
    struct job *job = arg;
    char key[32];
    int status;
    job->number = get_number(txn, child_rows, "counter", &status) + 1;
    if (status != VARVE_OK) return status;
    varve_slice value = VARVE_SLICE(&job->number, sizeof job->number);
    status = varve_put(txn, child_rows, td_str("counter"), value);
    if (status != VARVE_OK) return status;
    snprintf(key, sizeof key, "row-%012llu", (unsigned long long)job->number);
    struct ack row = {job->thread, job->serial, job->number};
    return varve_put(txn, child_rows, td_str(key), VARVE_SLICE(&row, sizeof row));
}

static const char *adder_key(uint32_t thread, char buffer[32]) {
    snprintf(buffer, 32, "done-%u", thread);
    return buffer;
}

static int add(varve_txn *txn, void *arg) {
    const struct job *job = arg;
    char key[32];
    uint64_t serial = job->serial;
    int status = varve_add(txn, child_rows, td_str("sum"), job->serial);
    if (status != VARVE_OK) return status;
    return varve_put(txn, child_rows, td_str(adder_key(job->thread, key)), VARVE_SLICE(&serial, sizeof serial));
}

/* The last number that this adder has committed, in lives before this one. */
static int find_serial(varve_txn *txn, void *arg) {
    struct job *job = arg;
    char key[32];
    int status;
    job->serial = (uint32_t)get_number(txn, child_rows, adder_key(job->thread, key), &status);
    return status;
}

static void *commit_for_ever(void *arg) {
    struct job *job = arg;
    bool adds = job->thread >= THREADS;
    int status = adds ? varve_run(child_db, NULL, find_serial, job) : VARVE_OK;
    for (;;) {
        job->serial++;
        if (status == VARVE_OK) status = varve_run(child_db, NULL, adds ? add : draw, job);
        if (status != VARVE_OK) {
            fprintf(stderr, "child: %s\n", varve_status_name(status));
            _exit(3);
        }
        struct ack ack = {job->thread, job->serial, job->number};
        if (write(STDOUT_FILENO, &ack, sizeof ack) != sizeof ack) _exit(4);
    }
    return NULL;
}

static int child(const char *path, const char *options) {
    static struct job jobs[THREADS + ADDERS];
    pthread_t threads[THREADS + ADDERS];
    struct ack ready = {READY, 0, 0};
    if (varve_open(path, options, &child_db) != VARVE_OK ||
        varve_table_open(child_db, "rows", NULL, &child_rows) != VARVE_OK) {
        fprintf(stderr, "child: open: %s\n", varve_db_error(child_db));
        return 5;
    }
    if (write(STDOUT_FILENO, &ready, sizeof ready) != sizeof ready) return 4;
    for (unsigned i = 0; i < THREADS + ADDERS; i++) {
        jobs[i].thread = i;
        if (pthread_create(&threads[i], NULL, commit_for_ever, &jobs[i]) != 0) return 6;
    }
    for (unsigned i = 0; i < THREADS + ADDERS; i++) pthread_join(threads[i], NULL);
    return 0;
}

/* --- the parent
 * ----------------------------------------------------------------------------------------------------------- */

static pid_t start_child(const char *path, const char *options, int *from_child) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl(program, program, "--child", path, options, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *from_child = ends[0];
    return pid;
}

/* False at the end of the pipe. */
static bool next_ack(int from_child, struct ack *ack) {
    size_t got = 0;
    while (got < sizeof *ack) {
        ssize_t some = read(from_child, (char *)ack + got, sizeof *ack - got);
        if (some < 0 && errno == EINTR) continue;
        if (some <= 0) return false;
        got += (size_t)some;
    }
    return true;
}

/* Lets the child go on for a while that is not the same twice: it is killed at whatever it is doing then. */
static void step_aside(unsigned turns) {
    while (turns-- != 0) sched_yield();
}

/* What was acknowledged in one life. */
static struct ack acks[1 << 16];
static unsigned ack_count;

static void run_and_kill(const char *path, const char *options, unsigned after, unsigned delay) {
    int from_child, how;
    struct ack ack;
    pid_t pid = start_child(path, options, &from_child);
    ack_count = 0;
    bool ready = next_ack(from_child, &ack);
    if (!ready) waitpid(pid, &how, 0);
    TD_CHECK(ready && ack.thread == READY, "the child did not start");
    while (ack_count < after && next_ack(from_child, &ack)) acks[ack_count++] = ack;
    step_aside(delay);
    kill(pid, SIGKILL);
    while (next_ack(from_child, &ack))
        if (ack_count < sizeof acks / sizeof *acks) acks[ack_count++] = ack;
    close(from_child);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    TD_CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL, "the child ended by itself: %x", how);
    kills++;
    acked_total += ack_count;
}

/* Kills it while it opens or recovers. */
static void kill_early(const char *path, const char *options, unsigned delay) {
    int from_child, how;
    struct ack ack;
    pid_t pid = start_child(path, options, &from_child);
    step_aside(delay);
    kill(pid, SIGKILL);
    ack_count = 0;
    while (next_ack(from_child, &ack))
        if (ack.thread != READY && ack_count < sizeof acks / sizeof *acks) acks[ack_count++] = ack;
    close(from_child);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    kills++;
}

/* The rows of the table are 1 to n; returns n. rows[i] is row i + 1 from `from` on, where acks may lie. */
static uint64_t read_rows(varve_db *db, varve_table *table, uint64_t from, struct ack *rows, size_t room) {
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    varve_cursor *cursor;
    varve_slice key, value;
    varve_range range = {.prefix = td_str("row-")};
    uint64_t n = 0;
    int status;
    TD_STATUS(varve_cursor_open(txn, table, &range, &cursor), VARVE_OK);
    while ((status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK) {
        struct ack row;
        TD_CHECK(value.size == sizeof row, "a row of %zu bytes", value.size);
        memcpy(&row, value.data, sizeof row);
        n++;
        TD_CHECK(row.number == n, "row %llu is missing, row %llu is there", (unsigned long long)n,
                 (unsigned long long)row.number);
        if (n > from && n - from <= room) rows[n - from - 1] = row;
    }
    TD_STATUS(status, VARVE_END);
    uint64_t counter = get_number(txn, table, "counter", &status);
    TD_STATUS(status, VARVE_OK);
    TD_CHECK(counter == n, "the counter says %llu, and there are %llu rows", (unsigned long long)counter,
             (unsigned long long)n);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    return n;
}

/* The sum is what exactly those additions make that are there; none that was acknowledged is missing. */
static void check_sum(varve_db *db, varve_table *table) {
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    uint64_t wanted = 0, last[ADDERS];
    char key[32];
    int status;
    for (unsigned i = 0; i < ADDERS; i++) {
        last[i] = get_number(txn, table, adder_key(THREADS + i, key), &status);
        TD_STATUS(status, VARVE_OK);
        wanted += last[i] * (last[i] + 1) / 2;
    }
    uint64_t sum = get_number(txn, table, "sum", &status);
    TD_STATUS(status, VARVE_OK);
    TD_CHECK(sum == wanted, "the sum is %llu; %llu and %llu additions make %llu", (unsigned long long)sum,
             (unsigned long long)last[0], (unsigned long long)last[1], (unsigned long long)wanted);
    for (unsigned i = 0; i < ack_count; i++)
        TD_CHECK(acks[i].thread < THREADS || acks[i].serial <= last[acks[i].thread - THREADS],
                 "addition %u of thread %u was acknowledged and is not there", acks[i].serial, acks[i].thread);
    TD_STATUS(varve_commit(txn), VARVE_OK);
}

static uint64_t verify(const char *path, const char *options, uint64_t before) {
    static struct ack rows[1 << 17];
    varve_db *db = td_open(path, "%s", options);
    varve_table *table = td_table(db, "rows");
    uint64_t now = read_rows(db, table, before, rows, sizeof rows / sizeof *rows);
    TD_CHECK(now >= before, "%llu rows are left of %llu", (unsigned long long)now, (unsigned long long)before);
    uint32_t serial[THREADS] = {0};
    for (uint64_t i = 0; i < now - before; i++) {
        TD_CHECK(rows[i].thread < THREADS && rows[i].serial == serial[rows[i].thread] + 1,
                 "row %llu: transaction %u of thread %u after %u", (unsigned long long)(before + i + 1), rows[i].serial,
                 rows[i].thread, serial[rows[i].thread]);
        serial[rows[i].thread]++;
    }
    for (unsigned i = 0; i < ack_count; i++)
        TD_CHECK(acks[i].thread >= THREADS ||
                     (acks[i].number > before && acks[i].number <= now &&
                      rows[acks[i].number - before - 1].thread == acks[i].thread &&
                      rows[acks[i].number - before - 1].serial == acks[i].serial),
                 "number %llu was acknowledged and is not there (%llu rows)", (unsigned long long)acks[i].number,
                 (unsigned long long)now);
    check_sum(db, table);
    td_close(db);
    return now;
}

/* Rows do not pile up for ever. */
static void empty_if_large(const char *path, uint64_t *rows) {
    if (*rows < 20000) return;
    td_remove_tree(path);
    *rows = 0;
}

static void kill_loop(void **state) {
    const char *sync = *state;
    unsigned count = td_case_count(10) * TD_SCHEMES;
    struct td_random random = {td_seed()};
    char path[TD_PATH_BYTES], options[160];
    uint64_t rows = 0;
    td_scratch(path);
    for (unsigned i = 0; i < count; i++) {
        snprintf(options, sizeof options, "cc=%s,sync=%s,segment_bytes=64K,checkpoint_bytes=128K",
                 td_schemes[i % TD_SCHEMES], sync);
        td_context("kill %u, %s", i, options);
        td_watchdog(HANG_SECONDS);
        unsigned after = (unsigned)td_below(&random, ACKS_MOST), delay = (unsigned)td_below(&random, 3000);
        if (i % 8 == 7)
            kill_early(path, options, delay * 10);
        else
            run_and_kill(path, options, after, i % 2 == 0 ? delay : 0);
        rows = verify(path, options, rows);
        empty_if_large(path, &rows);
    }
    td_watchdog(0);
    td_remove_tree(path);
    print_message("sync=%s: %lu kills, %lu acknowledged\n", sync, kills, acked_total);
    assert_true(kills >= count && acked_total > count);
}

int main(int argc, char **argv) {
    static char group[] = "group", write_mode[] = "write";
    if (argc == 4 && strcmp(argv[1], "--child") == 0) return child(argv[2], argv[3]);
    program = "/proc/self/exe";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(kill_loop, group),
        cmocka_unit_test_prestate(kill_loop, write_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
