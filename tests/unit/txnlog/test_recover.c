/* The log end to end on one thread: what is written comes back, whatever the segments, lives and threads.
 * SPDX-License-Identifier: MIT
 */
#include "txnlog_fixture.h"

static struct fx_model model;
static struct fx fx;

static void check_all_back(unsigned threads) {
    int status = fx_recover(&fx, threads);
    if (status != VARVE_OK) fail_msg("recovery: %d %s", status, fx.detail.text);
    const char *why = fx_judge(&fx, true);
    if (why != NULL) fail_msg("%s", why);
    uint64_t count = 0;
    for (uint64_t id = 1; id <= model.count; id++) count += model.txns[id].cts > model.cut;
    assert_int_equal(fx.recovered.transactions, count);
}

static void several_lives(enum varve_sync_mode mode, unsigned threads) {
    memset(&model, 0, sizeof(model));
    struct sim_disk *disk = sim_create(1);
    for (unsigned life = 0; life < 5; life++) {
        fx_init(&fx, &model, sim_os(disk), &FX_LIMITS);
        fx.config.sync = mode;
        assert_int_equal(fx_open_dir(&fx), VARVE_OK);
        check_all_back(threads);
        assert_false(fx.recovered.torn);
        assert_int_equal(fx_reopen(&fx), VARVE_OK);
        for (unsigned i = 0; i < 70; i++) {
            assert_int_equal(fx_commit(&fx, 1 + i % FX_SLOTS, mode), VARVE_OK);
            if (i % 5 == 0) assert_int_equal(fx_abort(&fx, 1 + i % FX_SLOTS), VARVE_OK);
            if (i % 11 == 0) vtl_tick(fx.log);
        }
        assert_int_equal(fx_close(&fx), VARVE_OK);
    }
    fx_init(&fx, &model, sim_os(disk), &FX_LIMITS);
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    check_all_back(threads);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

static void every_mode_comes_back(void **state) {
    (void)state;
    for (enum varve_sync_mode mode = VARVE_SYNC_DEFAULT; mode <= VARVE_SYNC_NONE; mode++) several_lives(mode, 1);
}

static void threads_share_the_work(void **state) {
    (void)state;
    several_lives(VARVE_SYNC_NONE, 4);
}

static void a_missing_log_is_told(void **state) {
    (void)state;
    memset(&model, 0, sizeof(model));
    struct sim_disk *disk = sim_create(1);
    fx_init(&fx, &model, sim_os(disk), &FX_LIMITS);
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    assert_int_equal(fx_recover(&fx, 1), VARVE_OK);
    assert_int_equal(fx.recovered.last_seq, 0);
    model.first_seq = 1;
    assert_int_equal(fx_recover(&fx, 1), VARVE_CORRUPT);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

static void checkpoints_cut_the_log(void **state) {
    (void)state;
    memset(&model, 0, sizeof(model));
    struct sim_disk *disk = sim_create(1);
    fx_start(&fx, &model, sim_os(disk), &FX_LIMITS);
    uint64_t used = 0;
    for (unsigned i = 0; i < 600; i++) {
        assert_int_equal(fx_commit(&fx, 1 + i % FX_SLOTS, VARVE_SYNC_GROUP), VARVE_OK);
        if (i % 50 == 49) assert_int_equal(fx_checkpoint(&fx), VARVE_OK);
        if (i == 199) used = sim_used_bytes(disk);
    }
    assert_true(sim_used_bytes(disk) < used * 2); /* segments are recycled or removed */
    struct vtl_stats stats;
    vtl_stats(fx.log, &stats);
    assert_int_equal(stats.live_bytes, 0);
    for (unsigned i = 0; i < 20; i++) assert_int_equal(fx_commit(&fx, 1, VARVE_SYNC_GROUP), VARVE_OK);
    vtl_stats(fx.log, &stats);
    assert_true(stats.live_bytes >= 20 * 512 && stats.live_bytes < stats.bytes);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    fx_init(&fx, &model, sim_os(disk), &FX_LIMITS);
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    check_all_back(2);
    assert_int_equal(fx.recovered.transactions, 20);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

/* Every possible first sequence: exactly the segments wholly below it go. */
static void truncation_is_exact(void **state) {
    (void)state;
    memset(&model, 0, sizeof(model));
    struct sim_disk *disk = sim_create(1);
    fx_start(&fx, &model, sim_os(disk), &FX_LIMITS);
    for (unsigned i = 0; i < 80; i++) assert_int_equal(fx_commit(&fx, 1 + i % FX_SLOTS, VARVE_SYNC_SYNC), VARVE_OK);
    uint64_t last = vtl_next_seq(fx.log), removed = 0;
    for (uint64_t first = 1; first <= last; first++) {
        const struct vtl_segment *before = fx.log->live;
        assert_int_equal(vtl_truncate(fx.log, first, NULL), VARVE_OK);
        removed += fx.log->live != before;
        assert_true(fx.log->live->first_seq <= first);
        assert_true(fx.log->live->next == NULL || fx.log->live->next->first_seq > first);
    }
    assert_true(removed > 3);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

/* Segments of an earlier life are recycled in a later one, with a new identity. */
static void segments_of_an_older_life_are_recycled(void **state) {
    (void)state;
    memset(&model, 0, sizeof(model));
    struct sim_disk *disk = sim_create(1);
    struct vk_limits limits = FX_LIMITS;
    limits.segment_max_bytes = limits.segment_first_bytes;
    for (unsigned life = 0; life < 4; life++) {
        fx_init(&fx, &model, sim_os(disk), &limits);
        fx.config.timeline = 1 + life;
        assert_int_equal(fx_open_dir(&fx), VARVE_OK);
        check_all_back(1);
        assert_int_equal(fx_reopen(&fx), VARVE_OK);
        if (life != 0) {
            assert_int_equal(fx_checkpoint(&fx), VARVE_OK);
            assert_true(fx.log->spare_count > 0);
        }
        for (unsigned i = 0; i < 60; i++) assert_int_equal(fx_commit(&fx, 1 + i % FX_SLOTS, VARVE_SYNC_SYNC), VARVE_OK);
        struct sim_disk *after = sim_reboot(disk, SIM_NOTHING, 0, 1);
        fx_close(&fx);
        sim_free(disk);
        disk = after;
    }
    fx_init(&fx, &model, sim_os(disk), &limits);
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    check_all_back(1);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

static int count_files(void *arg, const char *path, uint64_t size) {
    unsigned *counts = arg;
    (void)size;
    counts[strstr(path, ".new") != NULL]++;
    return 0;
}

/* Lives that write nothing leave one segment and no file in the making, however they end. */
static void nothing_is_left_lying_about(void **state) {
    (void)state;
    memset(&model, 0, sizeof(model));
    struct sim_disk *disk = sim_create(1);
    for (unsigned life = 0; life < 90; life++) {
        fx_init(&fx, &model, sim_os(disk), &FX_LIMITS);
        assert_int_equal(fx_open_dir(&fx), VARVE_OK);
        check_all_back(1);
        assert_int_equal(fx_reopen(&fx), VARVE_OK);
        if (life == 0) assert_int_equal(fx_commit(&fx, 1, VARVE_SYNC_SYNC), VARVE_OK);
        struct sim_disk *after = sim_reboot(disk, SIM_ALL, 0, 1);
        if (life % 2 == 0) {
            for (unsigned i = 0; i < life; i++) {
                char name[40];
                snprintf(name, sizeof(name), "db/%016x.new", 0xff000 + i);
                sim_put(after, name, "x", 1);
            }
        }
        fx_close(&fx);
        sim_free(disk);
        disk = after;
    }
    fx_start(&fx, &model, sim_os(disk), &FX_LIMITS);
    unsigned counts[2] = {0, 0};
    sim_list(disk, count_files, counts);
    assert_int_equal(counts[0], 1); /* each life has copied the one block, which nothing vouches for */
    assert_int_equal(counts[1], 0);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

struct seen_note {
    unsigned tables, labels;
};
static int see_notes(void *arg, unsigned thread, const struct vtl_txn *txn) {
    struct seen_note *seen = arg;
    struct vtl_op op;
    size_t offset = 0;
    (void)thread;
    while (vtl_txn_next(txn, &offset, &op) == VARVE_OK) {
        if (op.kind == VTL_TABLE && op.table_id == 9 && vb_equal(op.key, VARVE_STR("accounts")) &&
            vb_equal(op.value, VARVE_STR("payload"))) {
            seen->tables++;
        }
        if (op.kind == VTL_LABEL && vb_equal(op.key, VARVE_STR("here"))) seen->labels++;
    }
    return VARVE_OK;
}

static void notes_are_transactions_of_their_own(void **state) {
    (void)state;
    memset(&model, 0, sizeof(model));
    struct sim_disk *disk = sim_create(1);
    fx_start(&fx, &model, sim_os(disk), &FX_LIMITS);
    uint64_t cts, id;
    assert_int_equal(fx_publish(&fx, 1, &cts, &id), VARVE_OK);
    struct vtl_op table = {VTL_TABLE, 9, VARVE_STR("accounts"), VARVE_STR("payload")};
    struct vtl_op label = {VTL_LABEL, 0, VARVE_STR("here"), {NULL, 0}};
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(vtl_note(fx.log, &table, &fx.detail), VARVE_OK);
        assert_int_equal(vtl_note(fx.log, &label, &fx.detail), VARVE_OK);
    }
    assert_int_equal(vb_load_acquire(&fx.domain.durable), 81);
    struct sim_disk *after = sim_reboot(disk, SIM_NOTHING, 0, 1);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    fx_init(&fx, &model, sim_os(after), &FX_LIMITS);
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    struct seen_note seen = {0};
    assert_int_equal(vtl_recover(&fx.config, 0, 0, 1, see_notes, &seen, &fx.recovered, &fx.detail), VARVE_OK);
    assert_int_equal(seen.tables, 40);
    assert_int_equal(seen.labels, 40);
    assert_int_equal(fx.recovered.max_cts, 81);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
    sim_free(after);
}

static void a_memory_log_has_no_files(void **state) {
    (void)state;
    memset(&model, 0, sizeof(model));
    struct sim_disk *disk = sim_create(1);
    fx_init(&fx, &model, sim_os(disk), &FX_LIMITS);
    assert_int_equal(fx_recover(&fx, 1), VARVE_OK);
    assert_int_equal(fx_reopen(&fx), VARVE_OK);
    for (unsigned i = 0; i < 40; i++) assert_int_equal(fx_commit(&fx, 1 + i % FX_SLOTS, VARVE_SYNC_NONE), VARVE_OK);
    assert_int_equal(fx_abort(&fx, 1), VARVE_OK);
    assert_int_equal(vtl_sync(fx.log), VARVE_OK);
    vtl_tick(fx.log);
    assert_int_equal(vtl_truncate(fx.log, vtl_next_seq(fx.log), NULL), VARVE_OK);
    assert_int_equal(sim_ops(disk), 0);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mode_comes_back),       cmocka_unit_test(threads_share_the_work),
        cmocka_unit_test(a_missing_log_is_told),       cmocka_unit_test(checkpoints_cut_the_log),
        cmocka_unit_test(truncation_is_exact),         cmocka_unit_test(segments_of_an_older_life_are_recycled),
        cmocka_unit_test(nothing_is_left_lying_about), cmocka_unit_test(notes_are_transactions_of_their_own),
        cmocka_unit_test(a_memory_log_has_no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
