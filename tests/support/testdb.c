/* testdb.c - shared helpers of the tests of the public interface; see testdb.h.
 * SPDX-License-Identifier: MIT
 */
#include "support/testdb.h"

#include "db/db.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { TRACE_LINES = 64, TRACE_BYTES = 200 };

const char *const td_schemes[TD_SCHEMES] = {"mvcc", "2pl", "occ"};
const varve_isolation td_levels[TD_LEVELS] = {VARVE_READ_UNCOMMITTED, VARVE_READ_COMMITTED, VARVE_REPEATABLE_READ,
                                              VARVE_SNAPSHOT, VARVE_SERIALIZABLE};

static char context[512];
static char trace[TRACE_LINES][TRACE_BYTES];
static unsigned trace_count;

const char *td_level_name(varve_isolation level) {
    static const char *const names[] = {"default",         "read_uncommitted", "read_committed",
                                        "repeatable_read", "snapshot",         "serializable"};
    return (unsigned)level < sizeof names / sizeof names[0] ? names[level] : "?";
}

bool td_scheme_wanted(const char *cc) {
    const char *only = getenv("VARVE_TEST_CC");
    return only == NULL || *only == '\0' || strcmp(only, cc) == 0;
}

varve_isolation td_served_level(const char *cc, varve_isolation asked) {
    if (asked == VARVE_ISOLATION_DEFAULT)
        return VARVE_SERIALIZABLE;
    if (asked == VARVE_READ_UNCOMMITTED)
        return VARVE_READ_COMMITTED;
    if (asked == VARVE_SNAPSHOT && strcmp(cc, "mvcc") != 0)
        return VARVE_SERIALIZABLE;
    return asked;
}

uint64_t td_next(struct td_random *random) {
    uint64_t z = (random->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t td_below(struct td_random *random, uint64_t bound) {
    return td_next(random) % bound;
}

bool td_chance(struct td_random *random, unsigned percent) {
    return td_below(random, 100) < percent;
}

uint64_t td_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t td_seed(void) {
    static uint64_t seed;
    static bool known;
    if (!known) {
        const char *text = getenv("VARVE_TEST_SEED");
        if (text != NULL && strcmp(text, "random") == 0)
            seed = td_now_ns() % 1000000000u;
        else
            seed = text != NULL && *text != '\0' ? strtoull(text, NULL, 0) : 1;
        known = true;
        printf("VARVE_TEST_SEED=%llu\n", (unsigned long long)seed);
        fflush(stdout);
    }
    return seed;
}

/* A number from the environment, `otherwise` when it is not there. */
static double number_from(const char *name, double otherwise) {
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtod(text, NULL) : otherwise;
}

unsigned td_case_count(unsigned usual) {
    return (unsigned)number_from("VARVE_TEST_CASES", usual * number_from("VARVE_TEST_BUDGET", 1));
}

double td_seconds(double usual) {
    return number_from("VARVE_TEST_SECONDS", usual * number_from("VARVE_TEST_BUDGET", 1));
}

long td_only_case(void) {
    const char *text = getenv("VARVE_TEST_CASE");
    return text != NULL && *text != '\0' ? strtol(text, NULL, 0) : -1;
}

/* Only write and _exit: the handler may interrupt anything. */
static void watchdog_bites(int signal_number) {
    static const char text[] = "\nwatchdog: the test hangs: ";
    (void)signal_number;
    if (write(STDERR_FILENO, text, sizeof text - 1) >= 0 && write(STDERR_FILENO, context, strlen(context)) >= 0)
        (void)!write(STDERR_FILENO, "\n", 1);
    _exit(99);
}

void td_watchdog(unsigned seconds) {
    double budget = number_from("VARVE_TEST_BUDGET", 1);
    signal(SIGALRM, watchdog_bites);
    alarm((unsigned)(seconds * (budget > 1 ? budget : 1)));
}

void td_scratch(char path[TD_PATH_BYTES]) {
    static atomic_uint serial;
    const char *base = getenv("TMPDIR");
    snprintf(path, TD_PATH_BYTES, "%s/varve-test-%ld-%u", base != NULL && *base != '\0' ? base : "/tmp",
             (long)getpid(), atomic_fetch_add(&serial, 1));
    td_remove_tree(path);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

void td_remove_tree(const char *path) {
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* VARVE_TEST_LIMITS=tiny: leaves of four, four reader bits, rings of 512 bytes, so that splits, waits and flushes happen all
 * the time. The mock has no limits to shrink: there vdb_open is not linked. */
#pragma weak vdb_open
static int open_with_limits(const char *path, const char *options, varve_db **db) {
    struct vk_limits limits = VK_LIMITS_DEFAULT;
    struct vdb_setup setup = {.limits = &limits};
    const char *wanted = getenv("VARVE_TEST_LIMITS");
    if (wanted == NULL || strcmp(wanted, "tiny") != 0 || vdb_open == NULL)
        return varve_open(path, options, db);
    limits.slots = 128;
    limits.reader_bits = 4;
    limits.leaf_fanout = limits.inner_fanout = 4;
    limits.log_buffer_bytes = 512;
    limits.log_unit_bytes = 512;
    limits.segment_first_bytes = 8 << 10;
    limits.segment_max_bytes = 64 << 10;
    limits.chunk_bytes = 1 << 10;
    limits.scan_small = 4;
    limits.hash_least = 0;
    limits.long_rounds = 1;
    limits.split_reach = 1;
    return vdb_open(path, options, &setup, db);
}

varve_db *td_open(const char *path, const char *format, ...) {
    char options[512];
    varve_db *db = NULL;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(options, sizeof options, format, arguments);
    va_end(arguments);
    int status = open_with_limits(path, options, &db);
    TD_CHECK(status == VARVE_OK, "varve_open(\"%s\", \"%s\") = %s: %s", path, options, varve_status_name(status),
             db != NULL ? varve_db_error(db) : "no handle");
    TD_CHECK(db != NULL, "varve_open answered OK without a handle");
    return db;
}

void td_close(varve_db *db) {
    int status = varve_close(db);
    TD_CHECK(status == VARVE_OK, "varve_close = %s", varve_status_name(status));
}

varve_table *td_table(varve_db *db, const char *name) {
    varve_table *table = NULL;
    int status = varve_table_open(db, name, NULL, &table);
    TD_CHECK(status == VARVE_OK, "varve_table_open(\"%s\") = %s: %s", name, varve_status_name(status),
             varve_db_error(db));
    return table;
}

varve_txn *td_begin(varve_db *db, varve_isolation level) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_txn *txn = NULL;
    options.isolation = level;
    int status = varve_begin(db, &options, &txn);
    TD_CHECK(status == VARVE_OK, "varve_begin(%s) = %s: %s", td_level_name(level), varve_status_name(status),
             varve_db_error(db));
    return txn;
}

varve_slice td_str(const char *text) {
    return VARVE_SLICE(text, strlen(text));
}

bool td_equal(varve_slice a, varve_slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

struct row {
    varve_table *table;
    varve_slice key;
    varve_slice value;
    char *buffer;
    size_t buffer_bytes;
    bool found;
};

static int store_row(varve_txn *txn, void *arg) {
    struct row *row = arg;
    return varve_put(txn, row->table, row->key, row->value);
}

void td_store(varve_db *db, varve_table *t, const char *key, const char *value) {
    struct row row = {t, td_str(key), td_str(value), NULL, 0, false};
    td_status(__FILE__, __LINE__, "td_store", varve_run(db, NULL, store_row, &row), VARVE_OK);
}

static int load_row(varve_txn *txn, void *arg) {
    struct row *row = arg;
    varve_slice value;
    int status = varve_get(txn, row->table, row->key, &value);
    row->found = status == VARVE_OK;
    if (status == VARVE_OK)
        snprintf(row->buffer, row->buffer_bytes, "%.*s", (int)value.size, (const char *)value.data);
    return status == VARVE_NOTFOUND ? VARVE_OK : status;
}

const char *td_load(varve_db *db, varve_table *t, const char *key, char *buffer, size_t buffer_bytes) {
    struct row row = {t, td_str(key), {NULL, 0}, buffer, buffer_bytes, false};
    td_status(__FILE__, __LINE__, "td_load", varve_run(db, NULL, load_row, &row), VARVE_OK);
    return row.found ? buffer : NULL;
}

void td_context(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
}

void td_trace_clear(void) {
    trace_count = 0;
}

void td_trace(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(trace[trace_count++ % TRACE_LINES], TRACE_BYTES, format, arguments);
    va_end(arguments);
}

void td_fail(const char *file, int line, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fflush(stdout);
    fprintf(stderr, "\n%s:%d: %s\n  in: %s\n", file, line, text, context);
    unsigned first = trace_count > TRACE_LINES ? trace_count - TRACE_LINES : 0;
    for (unsigned i = first; i < trace_count; i++)
        fprintf(stderr, "  %4u  %s\n", i, trace[i % TRACE_LINES]);
    fflush(stderr);
    _fail(file, line);
    abort();
}

void td_status(const char *file, int line, const char *what, int got, int wanted) {
    if (got != wanted)
        td_fail(file, line, "%s = %s, wanted %s", what, varve_status_name(got), varve_status_name(wanted));
}
