/* Space: FULL comes from reserve only, comes back after a truncation, and whatever was reserved can be written.
 * SPDX-License-Identifier: MIT
 */
#include "txnlog_fixture.h"

static struct fx_model model;
static struct fx fx;
static struct sim_disk *disk;

static void start(const struct vk_limits *limits) {
    memset(&model, 0, sizeof(model));
    disk = sim_create(1);
    fx_start(&fx, &model, sim_os(disk), limits);
}

static void finish(void) {
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

/* S1, when nothing is reserved or published. */
static void check_space(void) {
    assert_int_equal(vtl_sync(fx.log), VARVE_OK);
    int64_t units = (int64_t)((fx.log->current->bytes - fx.log->offset) / fx.log->unit);
    for (struct vtl_segment *s = fx.log->spares; s != NULL; s = s->next) {
        units += (int64_t)((s->bytes - VK_FILE_HEADER_BYTES) / fx.log->unit) - 1;
    }
    assert_int_equal(fx.log->space, units);
}

static void full_is_told_by_reserve_and_passes(void **state) {
    (void)state;
    start(&FX_LIMITS);
    sim_set_capacity(disk, 64 << 10);
    for (unsigned round = 0; round < 4; round++) {
        unsigned done = 0;
        int status = VARVE_OK;
        while (status == VARVE_OK && done < 1000) {
            status = fx_commit(&fx, 1 + done % FX_SLOTS, round % 2 != 0 ? VARVE_SYNC_NONE : VARVE_SYNC_GROUP);
            done += status == VARVE_OK;
        }
        assert_int_equal(status, VARVE_FULL);
        assert_true(done > 5 && done < 1000);
        assert_false(vtl_poisoned(fx.log));
        check_space();
        assert_int_equal(fx_checkpoint(&fx), VARVE_OK);
        assert_true(fx.log->spare_count > 0);
        check_space();
    }
    sim_set_capacity(disk, UINT64_MAX);
    for (unsigned i = 0; i < 100; i++) assert_int_equal(fx_commit(&fx, 1 + i % FX_SLOTS, VARVE_SYNC_GROUP), VARVE_OK);
    check_space();
    finish();
}

/* All that was reserved before the disk filled up is written after it did, each in a block of its own or all in one. */
static void what_is_reserved_can_be_written(void **state) {
    (void)state;
    for (unsigned separately = 0; separately < 2; separately++) {
        start(&FX_LIMITS);
        for (unsigned round = 0; round < 60; round++) {
            struct fx_write writes[FX_SLOTS + 1];
            uint64_t ids[FX_SLOTS + 1];
            for (unsigned s = 1; s <= FX_SLOTS; s++) {
                ids[s] = ++model.count;
                fx_write_make(&writes[s], ids[s]);
                assert_int_equal(vtl_reserve(fx.rings[s], writes[s].list, writes[s].count, NULL), VARVE_OK);
                fx_write_free(&writes[s]);
            }
            sim_set_capacity(disk, sim_used_bytes(disk));
            for (unsigned s = 1; s <= FX_SLOTS; s++) {
                if ((round + s) % 9 == 0) {
                    vtl_cancel(fx.rings[s]);
                    continue;
                }
                uint64_t cts = ++fx.domain.clock;
                model.txns[ids[s]].cts = cts;
                vtl_publish(fx.rings[s], cts);
                if (separately != 0) assert_int_equal(fx_harden(&fx, s, ids[s], cts, VARVE_SYNC_WRITE), VARVE_OK);
            }
            assert_int_equal(vtl_sync(fx.log), VARVE_OK);
            check_space();
            sim_set_capacity(disk, UINT64_MAX);
        }
        assert_int_equal(fx_close(&fx), VARVE_OK);
        fx_init(&fx, &model, sim_os(disk), &FX_LIMITS);
        assert_int_equal(fx_open_dir(&fx), VARVE_OK);
        assert_int_equal(fx_recover(&fx, 1), VARVE_OK);
        assert_null(fx_judge(&fx, true));
        uint64_t published = 0;
        for (uint64_t id = 1; id <= model.count; id++) published += model.txns[id].cts != 0;
        assert_int_equal(fx.recovered.transactions, published);
        finish();
    }
}

/* A ring full of transactions that nobody waits for: who needs room leads. */
static void a_full_ring_is_flushed_by_its_owner(void **state) {
    (void)state;
    start(&FX_LIMITS);
    for (unsigned i = 0; i < 300; i++) assert_int_equal(fx_commit(&fx, 1, VARVE_SYNC_NONE), VARVE_OK);
    struct vtl_stats stats;
    vtl_stats(fx.log, &stats);
    assert_true(stats.blocks > 20);
    assert_true(vb_load_acquire(&fx.log->written) > 200);
    check_space();
    finish();
}

/* Blocks are bounded; a cut larger than that goes on in the next, in the same segment. */
static void a_large_cut_in_a_large_segment(void **state) {
    (void)state;
    struct vk_limits limits = FX_LIMITS;
    limits.segment_first_bytes = limits.segment_max_bytes = 1 << 20;
    start(&limits);
    size_t size = 700000;
    uint8_t *value = malloc(size);
    fx_fill(value, size, 3, 0);
    struct vk_write write = {.table_id = 4, .key = VARVE_STR("large"), .value = {value, size}, .kind = VK_PUT};
    struct vk_write *list = &write;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(vtl_reserve(fx.rings[1], &list, 1, NULL), VARVE_OK);
        uint64_t cts = ++fx.domain.clock;
        vtl_publish(fx.rings[1], cts);
        assert_int_equal(vtl_harden(fx.log, &fx.domain.slots[1], cts, VARVE_SYNC_GROUP), VARVE_OK);
        assert_null(fx.rings[1]->outside); /* freed as soon as it is written */
    }
    struct vtl_stats stats;
    vtl_stats(fx.log, &stats);
    assert_true(stats.blocks >= 3 * (size / (128 << 10)));
    check_space();
    free(value);
    finish();
}

/* Every size around the edges of blocks and rings comes back whole. */
static int check_size(void *arg, unsigned thread, const struct vtl_txn *txn) {
    uint64_t *seen = arg;
    struct vtl_op op;
    size_t offset = 0;
    (void)thread;
    if (vtl_txn_next(txn, &offset, &op) != VARVE_OK || op.kind != VTL_PUT || op.value.size != txn->cts - 1)
        return VARVE_MISUSE;
    for (size_t i = 0; i < op.value.size; i++) {
        if (((const uint8_t *)op.value.data)[i] != (uint8_t)(i * 3)) return VARVE_MISUSE;
    }
    (*seen)++;
    return VARVE_OK;
}

static void every_size_comes_back(void **state) {
    (void)state;
    start(&FX_LIMITS);
    uint8_t *value = malloc(1100);
    for (size_t i = 0; i < 1100; i++) value[i] = (uint8_t)(i * 3);
    for (size_t size = 0; size < 1100; size++) {
        struct vk_write write = {.table_id = 4, .key = VARVE_STR("k"), .value = {value, size}, .kind = VK_PUT};
        struct vk_write *list = &write;
        assert_int_equal(vtl_reserve(fx.rings[1], &list, 1, NULL), VARVE_OK);
        uint64_t cts = ++fx.domain.clock;
        vtl_publish(fx.rings[1], cts);
        if (size % 3 == 0) assert_int_equal(vtl_harden(fx.log, NULL, cts, VARVE_SYNC_WRITE), VARVE_OK);
    }
    free(value);
    check_space();
    assert_int_equal(fx_close(&fx), VARVE_OK);
    fx_init(&fx, &model, sim_os(disk), &FX_LIMITS);
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    uint64_t seen = 0;
    assert_int_equal(vtl_recover(&fx.config, 0, 0, 1, check_size, &seen, &fx.recovered, &fx.detail), VARVE_OK);
    assert_int_equal(seen, 1100);
    finish();
}

static void segments_grow_and_are_prepared_ahead(void **state) {
    (void)state;
    struct vk_limits limits = FX_LIMITS;
    limits.segment_max_bytes = 64 << 10;
    start(&limits);
    uint64_t largest = 0, waited = 0, switches = 0;
    const struct vtl_segment *current = fx.log->current;
    for (unsigned i = 0; i < 400; i++) {
        bool tight = fx.log->space < 4;
        if (i % 29 == 28) vb_add_relaxed(&model.count, 1); /* none of those that need several segments */
        assert_int_equal(fx_commit(&fx, 1, VARVE_SYNC_GROUP), VARVE_OK);
        waited += tight;
        switches += current != fx.log->current;
        current = fx.log->current;
        if (current->bytes > largest) largest = current->bytes;
        vtl_tick(fx.log);
    }
    assert_int_equal(largest, 64 << 10);
    assert_true(switches >= 5);
    assert_int_equal(waited, 0);
    finish();
}

static void the_ring_can_be_closed_before_the_log(void **state) {
    (void)state;
    start(&FX_LIMITS);
    uint64_t cts, id;
    assert_int_equal(fx_publish(&fx, 3, &cts, &id), VARVE_OK);
    fx_close_rings(&fx);
    assert_true(vb_load_acquire(&fx.log->written) >= cts);
    assert_int_equal(vtl_sync(fx.log), VARVE_OK);
    fx_open_rings(&fx);
    assert_int_equal(fx_commit(&fx, 3, VARVE_SYNC_GROUP), VARVE_OK);
    finish();
}

static void without_file_ids_nothing_is_lost(void **state) {
    (void)state;
    start(&FX_LIMITS);
    model.no_files = 1;
    int status = VARVE_OK;
    for (unsigned i = 0; i < 100 && status == VARVE_OK; i++) {
        status = fx_commit(&fx, 1 + i % FX_SLOTS, VARVE_SYNC_GROUP);
        assert_int_equal(fx_checkpoint(&fx), VARVE_OK);
    }
    assert_int_equal(status, VARVE_IO);
    assert_false(vtl_poisoned(fx.log));
    check_space();
    model.no_files = 0;
    for (unsigned i = 0; i < 60; i++) assert_int_equal(fx_commit(&fx, 1 + i % FX_SLOTS, VARVE_SYNC_GROUP), VARVE_OK);
    model.no_files = 1;
    assert_int_equal(fx_checkpoint(&fx), VARVE_IO); /* a segment is neither recycled nor lost */
    assert_false(vtl_poisoned(fx.log));
    model.no_files = 0;
    assert_int_equal(fx_checkpoint(&fx), VARVE_OK);
    check_space();
    finish();
}

static void hardening_nothing_is_free(void **state) {
    (void)state;
    start(&FX_LIMITS);
    uint64_t syncs = sim_syncs(disk);
    assert_int_equal(vtl_harden(fx.log, NULL, 0, VARVE_SYNC_SYNC), VARVE_OK);
    assert_int_equal(vtl_sync(fx.log), VARVE_OK);
    assert_int_equal(fx_abort(&fx, 1), VARVE_OK); /* its stamp stays a gap */
    assert_int_equal(vtl_harden(fx.log, NULL, 1, VARVE_SYNC_SYNC), VARVE_OK);
    assert_int_equal(vb_load_acquire(&fx.domain.durable), 1);
    vtl_tick(fx.log);
    assert_int_equal(sim_syncs(disk), syncs);
    finish();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_is_told_by_reserve_and_passes),
        cmocka_unit_test(what_is_reserved_can_be_written),
        cmocka_unit_test(a_full_ring_is_flushed_by_its_owner),
        cmocka_unit_test(a_large_cut_in_a_large_segment),
        cmocka_unit_test(every_size_comes_back),
        cmocka_unit_test(segments_grow_and_are_prepared_ahead),
        cmocka_unit_test(the_ring_can_be_closed_before_the_log),
        cmocka_unit_test(without_file_ids_nothing_is_lost),
        cmocka_unit_test(hardening_nothing_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
