/* testdb.h - what the tests of the public interface share: seeds and budgets from the environment, a small random
 * generator, scratch directories, opening and closing with the text of a failure, and checks that print where in a
 * random run they failed.
 *
 *   VARVE_TEST_SEED     number that starts every random choice, or "random" (default 1)
 *   VARVE_TEST_CASES    how many random cases, where a suite counts cases
 *   VARVE_TEST_CASE     run only this case of a random suite, to replay a failure
 *   VARVE_TEST_SECONDS  how long, where a suite counts time
 *   VARVE_TEST_BUDGET   multiplies what the two above are when they are not set
 *   VARVE_TEST_CC       run only this scheme (mvcc, 2pl or occ)
 *
 * Threads. Everything but td_context, td_trace and TD_CHECK may be used from any thread; those belong to the thread
 * that runs the tests, because a failing cmocka test leaves by longjmp.
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_SUPPORT_TESTDB_H
#define VARVE_TESTS_SUPPORT_TESTDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "varve.h"

enum { TD_SCHEMES = 3, TD_LEVELS = 5, TD_PATH_BYTES = 256 };

extern const char *const td_schemes[TD_SCHEMES];
extern const varve_isolation td_levels[TD_LEVELS]; /* weakest first */
const char *td_level_name(varve_isolation level);
/* False when VARVE_TEST_CC names another scheme. */
bool td_scheme_wanted(const char *cc);
/* The level that 3.1 of the isolation design serves in place of the one asked for. */
varve_isolation td_served_level(const char *cc, varve_isolation asked);

/* splitmix64: any seed will do, 0 included. */
struct td_random {
    uint64_t state;
};
uint64_t td_next(struct td_random *random);
uint64_t td_below(struct td_random *random, uint64_t bound); /* 0 .. bound-1; bound > 0 */
bool td_chance(struct td_random *random, unsigned percent);

/* The seed of this run; printed once. */
uint64_t td_seed(void);
unsigned td_case_count(unsigned usual);
double td_seconds(double usual);
/* The only case to run, or -1 for all. */
long td_only_case(void);
uint64_t td_now_ns(void); /* monotonic */

/* Ends the process with the context printed when a test hangs for so long, times the budget. 0 = off. */
void td_watchdog(unsigned seconds);

/* Scratch directories below $TMPDIR or /tmp. The directory itself does not exist yet when td_scratch returns. */
void td_scratch(char path[TD_PATH_BYTES]);
void td_remove_tree(const char *path);

/* Opens, or fails the test with the database's own words. */
varve_db *td_open(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
void td_close(varve_db *db);
varve_table *td_table(varve_db *db, const char *name);
varve_txn *td_begin(varve_db *db, varve_isolation level);
varve_slice td_str(const char *text);
bool td_equal(varve_slice a, varve_slice b);
/* One row in one transaction of its own, by varve_run; fails the test unless it commits. */
void td_store(varve_db *db, varve_table *t, const char *key, const char *value);
/* The value as text in `buffer`, or NULL when absent. */
const char *td_load(varve_db *db, varve_table *t, const char *key, char *buffer, size_t buffer_bytes);

/* What a failure prints: the context (seed, case, scheme) and the last operations of the trace. */
void td_context(const char *format, ...) __attribute__((format(printf, 1, 2)));
void td_trace_clear(void);
void td_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
void td_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4), noreturn));

#define TD_CHECK(condition, ...)                       \
    do {                                               \
        if (!(condition))                              \
            td_fail(__FILE__, __LINE__, __VA_ARGS__);  \
    } while (0)

/* Both statuses are printed by name when they differ. */
#define TD_STATUS(expression, wanted) td_status(__FILE__, __LINE__, #expression, (expression), (wanted))
void td_status(const char *file, int line, const char *what, int got, int wanted);

#endif
