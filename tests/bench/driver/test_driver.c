/* test_driver.c - the driver measures what it says: quantiles, latency from the intended start, retries and what an
 * engine is asked for; it ends cleanly when it is interrupted and when the disk is full.
 *
 * SPDX-License-Identifier: MIT
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/atomics.h"
#include "bench/driver/driver.h"
#include "bench/driver/engine_varve.h"
#include "bench/loads/loads.h"
#include "support/testdb.h"

static struct bd_result result; /* large */

static struct bd_options options_of(const struct bl_load *load, const struct peer *engine) {
    struct bd_options o = {.engine = engine, .load = load, .seconds = 0.05, .repeats = 1};
    o.settings = (struct bl_settings){.records = 1000, .value_bytes = 32, .ops_per_txn = 4, .read_ratio = 50,
                                      .warehouses = 1, .hot = 10, .scan_seconds = 1, .threads = 2, .seed = td_seed()};
    o.open = (struct peer_options){.directory = ":memory:", .level = EV_SERIALIZABLE, .cache_bytes = 1ull << 30,
                                   .threads = 4};
    return o;
}

/* --- histogram ---------------------------------------------------------------------------------------------------- */

static struct bd_histogram histogram, other;

static void a_value_is_kept_within_one_part_in_128(void **state) {
    struct td_random random = {td_seed()};
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t value = td_next(&random) >> (24 + td_below(&random, 40)); /* below 2^40 */
        memset(&histogram, 0, sizeof histogram);
        bd_record(&histogram, value);
        bd_record(&histogram, UINT64_C(1) << 40); /* so that the largest does not hide the bucket's error */
        uint64_t found = bd_quantile(&histogram, 0.5);
        TD_CHECK(found >= value && found - value <= value / 128, "%llu, kept as %llu", (unsigned long long)value,
                 (unsigned long long)found);
    }
}

static void quantiles_count_from_below(void **state) {
    (void)state;
    memset(&histogram, 0, sizeof histogram);
    memset(&other, 0, sizeof other);
    assert_int_equal(bd_quantile(&histogram, 0.5), 0);
    for (uint64_t i = 1; i <= 100; i++) bd_record(i % 2 == 0 ? &histogram : &other, i); /* exact below 128 */
    bd_merge(&histogram, &other);
    assert_int_equal(histogram.total, 100);
    assert_int_equal(bd_quantile(&histogram, 0), 1);
    assert_int_equal(bd_quantile(&histogram, 0.5), 50);
    assert_int_equal(bd_quantile(&histogram, 0.99), 99);
    assert_int_equal(bd_quantile(&histogram, 1), 100);
    bd_record(&histogram, UINT64_MAX); /* beyond all buckets */
    assert_true(bd_quantile(&histogram, 1) >= (UINT64_C(1) << 40) - 1);
    assert_true(histogram.max == UINT64_MAX);
}

/* --- an engine that does something at its n-th write ---------------------------------------------------------------- */

static struct peer odd;
static uint32_t armed, put_count, act_at, word;
static void (*act)(void);
static int answer;

static int odd_put(struct peer_txn *txn, varve_slice key, varve_slice value) {
    if (vb_load_relaxed(&armed) != 0) {
        uint32_t n = vb_add_relaxed(&put_count, 1) + 1;
        if (n == act_at && act != NULL) act();
        if (n >= act_at && answer != VARVE_OK) return answer;
    }
    return bench_varve_mvcc.put(txn, key, value);
}
static void arm_after_fill(void *arg, const char *what, double done) {
    (void)arg, (void)done;
    if (strcmp(what, "warm") == 0) vb_store_relaxed(&armed, 1);
}

static struct bd_options odd_options(const struct bl_load *load, uint32_t at, void (*what)(void), int status) {
    struct bd_options o = options_of(load, &odd);
    odd = bench_varve_mvcc;
    odd.put = odd_put;
    act_at = at;
    act = what;
    answer = status;
    armed = put_count = word = 0;
    o.progress = arm_after_fill;
    return o;
}

static void stall(void) {
    uint64_t until = td_now_ns() + 200000000;
    while (td_now_ns() < until) sched_yield();
}

/* 2000 a second for 0.6 s; a fifth of a second's stall is paid by all who were due in it: a third of the transactions, by
 * up to 200 ms each. In a closed loop one pays. */
static void an_open_loop_counts_from_the_intended_start(void **state) {
    struct bd_options o = odd_options(&bl_rmw, 200, stall, VARVE_OK);
    (void)state;
    o.settings.threads = 1;
    o.seconds = 0.6;
    o.rate = 2000;
    assert_int_equal(bd_run(&o, &result), VARVE_OK);
    TD_CHECK(!result.failed, "%s", result.text);
    TD_CHECK(result.latency.total > 600 && result.latency.total <= 1300, "%llu committed, 1200 were due",
             (unsigned long long)result.latency.total);
    uint64_t p85 = bd_quantile(&result.latency, 0.85), p99 = bd_quantile(&result.latency, 0.99);
    TD_CHECK(p99 > 150000000 && p85 > 50000000, "p85 %llu, p99 %llu ns", (unsigned long long)p85, (unsigned long long)p99);
    TD_CHECK(result.latency.max < UINT64_C(60000000000), "a latency of %llu ns", (unsigned long long)result.latency.max);

    o = odd_options(&bl_rmw, 200, stall, VARVE_OK);
    o.settings.threads = 1;
    o.seconds = 0.6;
    assert_int_equal(bd_run(&o, &result), VARVE_OK);
    TD_CHECK(bd_quantile(&result.latency, 0.99) < 50000000 && result.latency.max >= 200000000, "in a closed loop p99 %llu",
             (unsigned long long)bd_quantile(&result.latency, 0.99));
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

static void interrupt(void) { vb_store_relaxed(&word, 1); }

static void an_interrupt_ends_a_run_cleanly(void **state) {
    char files[TD_PATH_BYTES];
    struct bd_options o = odd_options(&bl_rmw, 300, interrupt, VARVE_OK);
    (void)state;
    td_scratch(files);
    assert_int_equal(mkdir(files, 0700), 0);
    o.open.directory = files;
    o.interrupted = &word;
    o.seconds = 600;
    o.repeats = 5;
    uint64_t begun = td_now_ns();
    assert_int_equal(bd_run(&o, &result), VARVE_OK);
    TD_CHECK(td_now_ns() - begun < UINT64_C(20000000000), "it went on");
    TD_CHECK(!result.failed && result.repeats == 1, "%u repeats: %s", result.repeats, result.text);
    assert_int_equal(rmdir(files), 0);
}

/* A fill of a hundred million rows is left at its next batch. */
static void an_interrupt_ends_a_fill(void **state) {
    struct bd_options o = odd_options(&bl_rmw, 1500, interrupt, VARVE_OK);
    (void)state;
    o.interrupted = &word;
    o.progress = NULL;
    vb_store_relaxed(&armed, 1);
    o.settings.records = 100000000;
    o.repeats = 5;
    assert_int_equal(bd_run(&o, &result), VARVE_OK);
    TD_CHECK(!result.failed && result.repeats == 0, "%u repeats: %s", result.repeats, result.text);
}

static void an_interrupted_reader_of_all_does_not_keep_its_pace(void **state) {
    struct bd_options o = odd_options(&bl_htap, 300, interrupt, VARVE_OK);
    (void)state;
    o.interrupted = &word;
    o.seconds = 600;
    o.settings.scan_seconds = 600;
    uint64_t begun = td_now_ns();
    assert_int_equal(bd_run(&o, &result), VARVE_OK);
    TD_CHECK(td_now_ns() - begun < UINT64_C(20000000000), "it went on");
    TD_CHECK(!result.failed, "%s", result.text);
}

static void a_full_disk_is_told(void **state) {
    char files[TD_PATH_BYTES];
    (void)state;
    td_scratch(files);
    assert_int_equal(mkdir(files, 0700), 0);
    for (unsigned in_fill = 0; in_fill < 2; in_fill++) {
        struct bd_options o = odd_options(&bl_mixed, 300, NULL, VARVE_FULL);
        armed = in_fill;
        o.open.directory = files;
        o.seconds = 600;
        assert_int_equal(bd_run(&o, &result), VARVE_FULL);
        TD_CHECK(result.failed && strstr(result.text, varve_strerror(VARVE_FULL)) != NULL, "'%s'", result.text);
        TD_CHECK(strstr(result.text, in_fill ? "fill" : "transaction") != NULL, "'%s'", result.text);
    }
    assert_int_equal(rmdir(files), 0);
}

static void a_directory_that_is_not_there_is_told(void **state) {
    char files[TD_PATH_BYTES];
    struct bd_options o = options_of(&bl_rmw, &bench_varve_mvcc);
    (void)state;
    td_scratch(files);
    o.open.directory = files;
    assert_int_equal(bd_run(&o, &result), VARVE_IO);
    TD_CHECK(result.failed && strstr(result.text, files) != NULL, "'%s'", result.text);
}

/* --- attempts ----------------------------------------------------------------------------------------------------- */

static uint32_t commits, begun_read_only, begun_to_write;
static int refuse_every_third(struct peer_txn *txn) {
    if (vb_add_relaxed(&commits, 1) % 3 != 0) return bench_varve_mvcc.commit(txn);
    bench_varve_mvcc.abort(txn);
    return PEER_BLOCKED;
}

static void refused_commits_are_tried_again_and_counted(void **state) {
    struct bd_options o = options_of(&bl_rmw, &odd);
    (void)state;
    odd = bench_varve_mvcc;
    odd.run = NULL; /* so that the driver tries again itself */
    odd.commit = refuse_every_third;
    commits = 0;
    assert_int_equal(bd_run(&o, &result), VARVE_OK);
    TD_CHECK(!result.failed, "%s", result.text);
    uint64_t committed = result.committed[0];
    TD_CHECK(committed > 0 && result.attempts == committed + result.aborts, "%llu attempts, %llu aborts, %llu committed",
             (unsigned long long)result.attempts, (unsigned long long)result.aborts, (unsigned long long)committed);
    TD_CHECK(result.aborts * 3 + 12 > committed && result.aborts < committed + 4, "%llu aborts for %llu",
             (unsigned long long)result.aborts, (unsigned long long)committed);
    TD_CHECK(result.operations == 2 * result.attempts && result.wasted == 2 * result.aborts, "wasted work");
    assert_true(result.longest_aborts >= 1);
}

static int note_begin(struct peer_db *db, bool read_only, struct peer_txn **txn) {
    vb_add_relaxed(read_only ? &begun_read_only : &begun_to_write, 1);
    return bench_varve_mvcc.begin(db, read_only, txn);
}
static int note_run(struct peer_db *db, bool read_only, int (*fn)(void *arg, struct peer_txn *txn), void *arg,
                    uint64_t *attempts) {
    vb_add_relaxed(read_only ? &begun_read_only : &begun_to_write, 1);
    return bench_varve_mvcc.run(db, read_only, fn, arg, attempts);
}
static void arm_counters(void *arg, const char *what, double done) {
    (void)arg, (void)done;
    if (strcmp(what, "warm") != 0) return;
    vb_store_relaxed(&begun_read_only, 0);
    vb_store_relaxed(&begun_to_write, 0);
}

/* A load that only reads begins no transaction that could write, by either way of running one. */
static void readers_begin_read_only(void **state) {
    static const struct bl_load *const readers[] = {&bl_reads, &bl_scan_reverse, &bl_ycsb_c};
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct bd_options o = options_of(readers[i / 2], &odd);
        odd = bench_varve_mvcc;
        odd.begin = note_begin;
        odd.run = i % 2 == 0 ? note_run : NULL;
        o.progress = arm_counters;
        assert_int_equal(bd_run(&o, &result), VARVE_OK);
        TD_CHECK(!result.failed && begun_read_only > 0 && begun_to_write <= 2, "%s: %u read-only, %u not",
                 readers[i / 2]->name, begun_read_only, begun_to_write);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_value_is_kept_within_one_part_in_128),
                                       cmocka_unit_test(quantiles_count_from_below),
                                       cmocka_unit_test(an_open_loop_counts_from_the_intended_start),
                                       cmocka_unit_test(an_interrupt_ends_a_run_cleanly),
                                       cmocka_unit_test(an_interrupt_ends_a_fill),
                                       cmocka_unit_test(an_interrupted_reader_of_all_does_not_keep_its_pace),
                                       cmocka_unit_test(a_full_disk_is_told),
                                       cmocka_unit_test(a_directory_that_is_not_there_is_told),
                                       cmocka_unit_test(refused_commits_are_tried_again_and_counted),
                                       cmocka_unit_test(readers_begin_read_only)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
