/* test_loads.c - every load runs and holds its invariant on each scheme; every invariant can fail; settings that make no
 * sense are refused; draws are as theory says. TPC-C has a test of its own.
 *
 * SPDX-License-Identifier: MIT
 */
#include <math.h>
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
#include "bench/driver/engine_none.h"
#include "bench/driver/engine_varve.h"
#include "bench/loads/loads.h"
#include "support/testdb.h"

enum { RECORDS = 400, EVERY = 200, ENOUGH = 8 * EVERY, TRIES = 20 };

static struct bd_result result; /* large */

static struct bd_options options_of(const struct bl_load *load, const struct peer *engine, const char *directory) {
    struct bd_options o = {.engine = engine, .load = load, .seconds = 0.03, .repeats = 1};
    o.settings = (struct bl_settings){.records = RECORDS, .value_bytes = 32, .ops_per_txn = 4, .read_ratio = 50,
                                      .theta = 0.6, .warehouses = 1, .hot = 10, .scan_seconds = 1, .threads = 2,
                                      .seed = td_seed()};
    o.open = (struct peer_options){.directory = directory, .level = EV_SERIALIZABLE, .cache_bytes = 1ull << 30,
                                   .threads = 4};
    return o;
}

/* --- they hold ---------------------------------------------------------------------------------------------------- */

static void run_well(const struct bd_options *o) {
    uint64_t committed = 0;
    td_context("%s on %s, %s, %u threads", o->load->name, o->engine->name, o->open.directory, o->settings.threads);
    int status = bd_run(o, &result);
    TD_CHECK(status == VARVE_OK && !result.failed, "%s: %s", varve_strerror(status), result.text);
    for (unsigned k = 0; k < BL_KINDS_MAX; k++) {
        committed += result.committed[k];
        TD_CHECK(k < o->load->kind_count || result.committed[k] == 0, "a kind that it does not have");
    }
    TD_CHECK(committed != 0 && result.attempts >= committed, "nothing was committed");
    TD_CHECK(result.latency.total == committed, "%llu latencies of %llu", (unsigned long long)result.latency.total,
             (unsigned long long)committed);
}

static void every_load_holds_on_every_scheme(void **state) {
    static const struct peer *const engines[] = {&bench_varve_mvcc, &bench_varve_2pl, &bench_varve_occ};
    char files[TD_PATH_BYTES];
    unsigned n = 0;
    (void)state;
    td_scratch(files);
    assert_int_equal(mkdir(files, 0700), 0);
    for (const struct bl_load *const *load = bl_loads; *load != NULL; load++) {
        if (*load == &bl_tpcc) continue;
        for (unsigned i = 0; i < 3; i++, n++) {
            struct bd_options o = options_of(*load, engines[i], ":memory:");
            o.settings.threads = 2 + n % 3;
            run_well(&o);
        }
        struct bd_options o = options_of(*load, engines[n / 3 % 3], files);
        o.settings.string_keys = o.settings.use_get_many = o.settings.use_for_update = o.settings.use_add = true;
        run_well(&o);
    }
    assert_int_equal(rmdir(files), 0); /* nothing was left in it */
}

/* The generator's own cost can be measured: on an engine that does nothing these loads still end and commit. */
static void an_engine_that_does_nothing_will_do(void **state) {
    static const struct bl_load *const loads[] = {&bl_reads, &bl_mixed, &bl_rmw,  &bl_scan,   &bl_ycsb_a, &bl_ycsb_e,
                                                  &bl_tatp,  &bl_htap,  &bl_longrw, &bl_queue};
    (void)state;
    for (unsigned i = 0; i < sizeof loads / sizeof *loads; i++) {
        struct bd_options o = options_of(loads[i], &bench_none, ":memory:");
        o.open.level = 0;
        o.generator = true;
        run_well(&o);
    }
}

/* At weak levels what is allowed to go wrong may; nothing else does. */
static void weak_levels_are_forgiven(void **state) {
    static const struct bl_load *const loads[] = {&bl_tatp, &bl_htap, &bl_longrw, &bl_queue, &bl_bank, &bl_write_skew};
    (void)state;
    for (unsigned level = 1; level < EV_SERIALIZABLE; level++)
        for (unsigned i = 0; i < sizeof loads / sizeof *loads; i++) {
            struct bd_options o = options_of(loads[i], i % 2 == 0 ? &bench_varve_mvcc : &bench_varve_2pl, ":memory:");
            o.open.level = level;
            o.settings.records = 50;
            run_well(&o);
        }
}

/* --- they can fail ------------------------------------------------------------------------------------------------ */

/* An engine that loses, or spoils, every 200th write from `armed` on; after eight of them the run ends. */
enum harm { LOSE, SPOIL };
static struct peer harmful;
static enum harm harm;
static uint32_t armed, writes, enough;

static bool harmed(void) {
    if (vb_load_relaxed(&armed) == 0) return false;
    uint32_t number = vb_add_relaxed(&writes, 1) + 1;
    if (number > ENOUGH) vb_store_relaxed(&enough, 1);
    return number % EVERY == 0;
}

static int harmful_put(struct peer_txn *txn, varve_slice key, varve_slice value) {
    int64_t bent[64] = {0};
    if (!harmed()) return bench_varve_mvcc.put(txn, key, value);
    if (harm == LOSE) return VARVE_OK;
    memcpy(bent, value.data, value.size);
    bent[0] -= 1000;
    return bench_varve_mvcc.put(txn, key, VARVE_SLICE(bent, value.size));
}
static int harmful_insert(struct peer_txn *txn, varve_slice key, varve_slice value) {
    return harmed() ? VARVE_OK : bench_varve_mvcc.insert(txn, key, value);
}
static int harmful_remove(struct peer_txn *txn, varve_slice key) {
    return harmed() ? VARVE_OK : bench_varve_mvcc.remove(txn, key);
}
static void arm_after_fill(void *arg, const char *what, double done) {
    (void)arg, (void)done;
    if (strcmp(what, "warm") == 0) vb_store_relaxed(&armed, 1);
}

static void expect_corrupt(const struct bl_load *load, enum harm how, bool in_fill) {
    struct bd_options o = options_of(load, &harmful, ":memory:");
    harm = how;
    vb_store_relaxed(&armed, in_fill);
    vb_store_relaxed(&writes, 0);
    if (!in_fill) o.progress = arm_after_fill;
    vb_store_relaxed(&enough, 0);
    if (!in_fill) o.interrupted = &enough, o.seconds = 60;
    td_context("%s, %s, %s", load->name, how == LOSE ? "lost" : "spoiled", in_fill ? "in the fill" : "in the run");
    int status = bd_run(&o, &result);
    TD_CHECK(status == VARVE_OK && result.failed, "%s: not noticed", varve_strerror(status));
    TD_CHECK(strstr(result.text, load->name) != NULL || strstr(result.text, "a transaction") != NULL, "%s", result.text);
}

static void every_invariant_can_fail(void **state) {
    /* What a lost update does not show in: blind updates, and runs that only read. */
    static const struct bl_load *const in_fill[] = {&bl_reads,  &bl_scan,   &bl_ycsb_a, &bl_ycsb_b,
                                                    &bl_ycsb_c, &bl_ycsb_d, &bl_ycsb_e, &bl_ycsb_f,
                                                    &bl_scan_reverse, &bl_scan_checked};
    static const struct bl_load *const in_run[] = {&bl_mixed, &bl_rmw,  &bl_insert_sorted, &bl_insert_random,
                                                   &bl_ycsb_d, &bl_ycsb_e, &bl_smallbank, &bl_counters,
                                                   &bl_bank,  &bl_tatp, &bl_htap,          &bl_longrw,
                                                   &bl_queue};
    static const struct bl_load *const spoiled[] = {&bl_mixed, &bl_smallbank, &bl_counters, &bl_write_skew,
                                                    &bl_bank,  &bl_htap,      &bl_longrw};
    (void)state;
    harmful = bench_varve_mvcc;
    harmful.put = harmful_put;
    harmful.insert = harmful_insert;
    harmful.remove = harmful_remove;
    for (unsigned i = 0; i < sizeof in_fill / sizeof *in_fill; i++) expect_corrupt(in_fill[i], LOSE, true);
    for (unsigned i = 0; i < sizeof in_run / sizeof *in_run; i++) expect_corrupt(in_run[i], LOSE, false);
    for (unsigned i = 0; i < sizeof spoiled / sizeof *spoiled; i++) expect_corrupt(spoiled[i], SPOIL, false);
}

/* An engine that claims serializable and gives less; it lets others run between a transaction's reads and its writes. */
static int slow_put(struct peer_txn *txn, varve_slice key, varve_slice value) {
    sched_yield();
    return bench_varve_mvcc.put(txn, key, value);
}

static void expect_found_out(const struct bl_load *load, unsigned served) {
    static struct peer_level claims[EV_LEVELS];
    struct bd_options o = options_of(load, &harmful, ":memory:");
    for (unsigned i = 0; i < EV_LEVELS; i++) claims[i] = (struct peer_level){"serializable, it says", VARVE_SERIALIZABLE};
    harmful = bench_varve_mvcc;
    harmful.put = slow_put;
    harmful.levels = claims;
    o.open.level = served;
    o.settings.threads = 4;
    o.settings.hot = 2;
    o.settings.records = load == &bl_htap ? RECORDS : 3;
    o.settings.theta = 0;
    o.seconds = 0.2;
    td_context("%s served at level %u of %u", load->name, served, EV_LEVELS);
    for (unsigned i = 0; i < TRIES; i++) { /* what goes wrong needs two that meet */
        int status = bd_run(&o, &result);
        TD_CHECK(status == VARVE_OK, "%s: %s", varve_strerror(status), result.text);
        if (result.failed) return;
    }
    TD_CHECK(false, "not found out");
}

static void a_level_that_does_not_hold_is_found_out(void **state) {
    enum { READ_COMMITTED = 1, SNAPSHOT = 3 };
    static const struct bl_load *const loads[] = {&bl_counters, &bl_bank, &bl_smallbank, &bl_longrw, &bl_htap, &bl_tatp,
                                                  &bl_rmw};
    (void)state;
    for (unsigned i = 0; i < sizeof loads / sizeof *loads; i++) expect_found_out(loads[i], READ_COMMITTED);
    expect_found_out(&bl_write_skew, SNAPSHOT);
}

/* --- settings ----------------------------------------------------------------------------------------------------- */

static void refused(const char *name, void (*bend)(struct bl_settings *settings)) {
    const struct bl_load *load = bl_find(name);
    assert_non_null(load);
    struct bd_options o = options_of(load, &bench_varve_mvcc, ":memory:");
    bend(&o.settings);
    td_context("%s", name);
    int status = bd_run(&o, &result);
    TD_CHECK(status == VARVE_INVALID && result.failed, "%s, not refused", varve_strerror(status));
    TD_CHECK(strstr(result.text, name) != NULL && strlen(result.text) > 2 * strlen(name) + 8, "'%s'", result.text);
}
static void no_records(struct bl_settings *o) { o->records = 0; }
static void one_record(struct bl_settings *o) { o->records = 1; }
static void tiny_values(struct bl_settings *o) { o->value_bytes = 4; }
static void huge_values(struct bl_settings *o) { o->value_bytes = 5000; }
static void no_operations(struct bl_settings *o) { o->ops_per_txn = 0; }
static void many_operations(struct bl_settings *o) { o->ops_per_txn = 17; }
static void all_skew(struct bl_settings *o) { o->theta = 1; }
static void negative_skew(struct bl_settings *o) { o->theta = -0.1; }
static void nothing_hot(struct bl_settings *o) { o->hot = 0; }
static void more_hot_than_rows(struct bl_settings *o) { o->hot = RECORDS + 1; }
static void one_thread(struct bl_settings *o) { o->threads = 1; }
static void no_warehouse(struct bl_settings *o) { o->warehouses = 0; }

static void settings_without_sense_are_refused(void **state) {
    static const char *const with_rows[] = {"reads", "mixed", "rmw", "scan", "ycsb-a", "ycsb-e"};
    (void)state;
    for (unsigned i = 0; i < sizeof with_rows / sizeof *with_rows; i++) {
        refused(with_rows[i], no_records);
        refused(with_rows[i], tiny_values);
        refused(with_rows[i], huge_values);
        refused(with_rows[i], no_operations);
        refused(with_rows[i], many_operations);
        refused(with_rows[i], all_skew);
        refused(with_rows[i], negative_skew);
    }
    refused("smallbank", one_record);
    refused("smallbank", more_hot_than_rows);
    refused("hot-counters", nothing_hot);
    refused("write-skew", nothing_hot);
    refused("bank", one_record);
    refused("tatp", no_records);
    refused("htap", one_thread);
    refused("htap", one_record);
    refused("htap", tiny_values);
    refused("htap", all_skew);
    refused("long-rw", no_records);
    refused("long-rw", huge_values);
    refused("long-rw", all_skew);
    refused("queue", tiny_values);
    refused("tpcc", no_warehouse);
}

static void loads_are_found_by_name(void **state) {
    (void)state;
    for (unsigned i = 0; bl_loads[i] != NULL; i++) {
        const struct bl_load *load = bl_loads[i];
        assert_ptr_equal(bl_find(load->name), load);
        assert_in_range(load->kind_count, 1, BL_KINDS_MAX);
        for (unsigned k = 0; k < BL_KINDS_MAX; k++) assert_int_equal(load->kinds[k] != NULL, k < load->kind_count);
    }
    assert_null(bl_find("no such load"));
}

/* --- draws -------------------------------------------------------------------------------------------------------- */

/* The share of the k hottest ranks, for some k, against the sum of 1/i^theta. */
static void one_skew(uint64_t count, double theta) {
    enum { DRAWS = 400000, HOT = 1024 };
    static unsigned seen[HOT];
    struct bl_zipf zipf;
    struct vb_random random;
    double all = 0, part = 0, drawn = 0;
    memset(seen, 0, sizeof seen);
    bl_zipf_init(&zipf, count, theta);
    vb_random_init(&random, td_seed());
    for (unsigned i = 0; i < DRAWS; i++) {
        uint64_t rank = bl_zipf_rank(&zipf, &random);
        assert_true(rank < count);
        if (rank < HOT) seen[rank]++;
    }
    for (uint64_t i = 1; i <= count; i++) all += pow((double)i, -theta);
    for (uint64_t k = 1; k <= HOT && k <= count; k++) {
        part += pow((double)k, -theta) / all;
        drawn += (double)seen[k - 1] / DRAWS;
        if (part * DRAWS < 4000) continue; /* too few to tell five percent from chance */
        TD_CHECK(fabs(drawn - part) < 0.05 * part, "theta %g, %llu ranks, the first %llu: %.5f drawn, %.5f expected", theta,
                 (unsigned long long)count, (unsigned long long)k, drawn, part);
    }
}

static void ranks_follow_the_zipf_law(void **state) {
    (void)state;
    one_skew(1000, 0);
    one_skew(1000, 0.6);
    one_skew(1000, 0.9);
    one_skew(1000, 0.99);
    one_skew(64, 0.5);
    one_skew(65, 0.5);
    one_skew(100000, 0.99);
    one_skew(3, 0.9);
}

static void a_single_row_is_rank_zero(void **state) {
    struct bl_zipf zipf;
    struct vb_random random;
    (void)state;
    vb_random_init(&random, td_seed());
    for (unsigned t = 0; t < 100; t++) {
        bl_zipf_init(&zipf, 1, t / 100.0);
        for (unsigned i = 0; i < 100; i++) assert_int_equal(bl_zipf_rank(&zipf, &random), 0);
    }
}

static void the_scramble_is_a_permutation(void **state) {
    static uint8_t seen[5000];
    (void)state;
    for (uint64_t count = 1; count < 5000; count = count < 70 ? count + 1 : count * 5 / 4) {
        memset(seen, 0, sizeof seen);
        for (uint64_t rank = 0; rank < count; rank++) {
            uint64_t place = bl_scramble(rank, count);
            assert_true(place < count);
            assert_int_equal(seen[place]++, 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(loads_are_found_by_name),
                                       cmocka_unit_test(ranks_follow_the_zipf_law),
                                       cmocka_unit_test(a_single_row_is_rank_zero),
                                       cmocka_unit_test(the_scramble_is_a_permutation),
                                       cmocka_unit_test(settings_without_sense_are_refused),
                                       cmocka_unit_test(every_load_holds_on_every_scheme),
                                       cmocka_unit_test(an_engine_that_does_nothing_will_do),
                                       cmocka_unit_test(weak_levels_are_forgiven),
                                       cmocka_unit_test(every_invariant_can_fail),
                                       cmocka_unit_test(a_level_that_does_not_hold_is_found_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
