/* Blocks that are smaller than a page: several share one until a sync, none shares one with a block that a sync
 * has covered, and space is counted as if each had its own.
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>

#include "support/testdb.h"
#include "txnlog_fixture.h"

enum { PAGE = 4096, SEQS_MOST = 1 << 16, THREADS = 4 };

static struct fx_model model;
static struct fx fx;
static struct sim_disk *disk;
static struct vk_limits limits;

static void start(uint64_t segment_bytes) {
    memset(&model, 0, sizeof(model));
    disk = sim_create(1);
    limits = FX_LIMITS;
    limits.log_unit_bytes = PAGE;
    limits.log_buffer_bytes = 4096;
    limits.segment_first_bytes = limits.segment_max_bytes = segment_bytes;
}

static void open_log(enum varve_sync_mode mode) {
    fx_init(&fx, &model, sim_os(disk), &limits);
    fx.config.sync = mode;
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    int status = fx_recover(&fx, 1);
    if (status != VARVE_OK) fail_msg("recovery: %d %s", status, fx.detail.text);
    const char *why = fx_judge(&fx, true);
    if (why != NULL) fail_msg("%s", why);
    status = fx_reopen(&fx);
    if (status != VARVE_OK) fail_msg("open: %d %s", status, fx.detail.text);
}

static uint64_t page_of(uint64_t offset) { return offset / PAGE; }

/* Reads the log back: no block begins in the page in which a block ends that it says was synced. Returns how many
 * blocks begin in the middle of a page. */
static unsigned check_pages(void) {
    static struct {
        size_t file;
        uint64_t end;
    } blocks[SEQS_MOST];
    struct vtl_scan scan;
    struct vtl_walk walk;
    struct vtl_block block;
    const uint8_t *payload;
    unsigned inside = 0;
    int status = vtl_scan_open(&scan, &fx.config, &fx.detail);
    assert_int_equal(status, VARVE_OK);
    memset(blocks, 0, sizeof(blocks));
    vtl_walk_begin(&walk, &scan, 0);
    while ((status = vtl_walk_next(&walk, &block, &payload)) == VARVE_OK) {
        assert_true(block.seq < SEQS_MOST);
        blocks[block.seq].file = walk.block_file + 1;
        blocks[block.seq].end = walk.offset;
        uint64_t synced = block.durable_seq;
        inside += walk.block_offset % PAGE != 0;
        if (blocks[synced].file != walk.block_file + 1) continue;
        if (page_of(blocks[synced].end - 1) >= page_of(walk.block_offset))
            fail_msg("block %llu shares a page with block %llu, which was synced before it",
                     (unsigned long long)block.seq, (unsigned long long)synced);
    }
    if (status != VARVE_END) fail_msg("%s", fx.detail.text);
    vtl_walk_end(&walk);
    vtl_scan_close(&scan);
    return inside;
}

static void check_space(void) {
    assert_int_equal(vtl_sync(fx.log), VARVE_OK);
    int64_t units = (int64_t)((fx.log->current->bytes - vtl_page_end(fx.log, fx.log->offset)) / PAGE);
    for (struct vtl_segment *s = fx.log->spares; s != NULL; s = s->next)
        units += (int64_t)((s->bytes - VK_FILE_HEADER_BYTES) / PAGE) - 1;
    assert_int_equal(fx.log->space, units);
    assert_int_equal(fx.log->offset % PAGE, 0); /* what was just synced ends with its page */
}

static void blocks_share_pages_until_a_sync(void **state) {
    (void)state;
    static const enum varve_sync_mode modes[] = {VARVE_SYNC_WRITE, VARVE_SYNC_INTERVAL, VARVE_SYNC_NONE};
    struct vb_random random;
    vb_random_init(&random, td_seed());
    for (unsigned m = 0; m < 3; m++) {
        start(32 << 10);
        open_log(modes[m]);
        for (unsigned i = 0; i < 500; i++) {
            unsigned slot = 1 + (unsigned)vb_random_below(&random, FX_SLOTS);
            bool synced = vb_random_below(&random, 6) == 0;
            assert_int_equal(fx_commit(&fx, slot, synced ? VARVE_SYNC_GROUP : VARVE_SYNC_WRITE), VARVE_OK);
            if (vb_random_below(&random, 16) == 0) assert_int_equal(fx_abort(&fx, slot), VARVE_OK);
            if (vb_random_below(&random, 16) == 0) vtl_tick(fx.log);
            if (vb_random_below(&random, 64) == 0) check_space();
            if (vb_random_below(&random, 100) == 0) assert_int_equal(fx_checkpoint(&fx), VARVE_OK);
        }
        assert_true(check_pages() > 100);
        assert_int_equal(fx_close(&fx), VARVE_OK);
        sim_free(disk);
    }
}

/* Lives that end without a close, and the copies that the next ones make of their tails. */
static void the_next_life_keeps_the_pages_apart(void **state) {
    (void)state;
    start(64 << 10);
    for (unsigned life = 0; life < 6; life++) {
        open_log(life % 3 == 2 ? VARVE_SYNC_GROUP : VARVE_SYNC_WRITE); /* a database may be opened in another mode */
        for (unsigned i = 0; i < 20 + life; i++)
            assert_int_equal(fx_commit(&fx, 1 + i % FX_SLOTS, i == 7 ? VARVE_SYNC_SYNC : VARVE_SYNC_WRITE), VARVE_OK);
        check_pages();
        struct sim_disk *image = sim_reboot(disk, SIM_ALL, 0, 1);
        fx_close(&fx);
        sim_free(disk);
        disk = image;
    }
    open_log(VARVE_SYNC_WRITE);
    check_pages();
    check_space();
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

static void *commit_many(void *arg) {
    unsigned slot = *(unsigned *)arg;
    for (unsigned i = 0; i < 150; i++) {
        enum varve_sync_mode mode = (i + slot) % 5 == 0 ? VARVE_SYNC_GROUP : VARVE_SYNC_WRITE;
        if (fx_commit(&fx, slot, mode) != VARVE_OK) *(unsigned *)arg = 0;
    }
    return NULL;
}

static void pages_stay_apart_with_several_committers(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    unsigned slots[THREADS];
    start(1 << 20);
    open_log(VARVE_SYNC_WRITE);
    for (unsigned i = 0; i < THREADS; i++) {
        slots[i] = 1 + i;
        assert_int_equal(pthread_create(&threads[i], NULL, commit_many, &slots[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(slots[i], 1 + i);
    }
    assert_true(check_pages() > 0);
    check_space();
    assert_int_equal(fx_close(&fx), VARVE_OK);
    fx_init(&fx, &model, sim_os(disk), &limits);
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    assert_int_equal(fx_recover(&fx, 2), VARVE_OK);
    assert_null(fx_judge(&fx, true));
    assert_int_equal(fx.recovered.transactions, THREADS * 150);
    fx_close(&fx);
    sim_free(disk);
}

/* What is reserved can be written, however the pages are shared, when nothing can be added to the disk any more. */
static void what_is_reserved_fits_with_shared_pages(void **state) {
    (void)state;
    start(32 << 10);
    open_log(VARVE_SYNC_WRITE);
    for (unsigned round = 0; round < 80; round++) {
        struct fx_write w;
        uint64_t ids[FX_SLOTS + 1];
        for (unsigned s = 1; s <= FX_SLOTS; s++) {
            ids[s] = ++model.count;
            fx_write_make(&w, ids[s]);
            assert_int_equal(vtl_reserve(fx.rings[s], w.list, w.count, NULL), VARVE_OK);
            fx_write_free(&w);
        }
        sim_set_capacity(disk, sim_used_bytes(disk));
        for (unsigned s = 1; s <= FX_SLOTS; s++) {
            uint64_t cts = ++fx.domain.clock;
            model.txns[ids[s]].cts = cts;
            vtl_publish(fx.rings[s], cts);
            enum varve_sync_mode mode = (round + s) % 3 == 0 ? VARVE_SYNC_SYNC : VARVE_SYNC_WRITE;
            assert_int_equal(fx_harden(&fx, s, ids[s], cts, mode), VARVE_OK);
        }
        check_space();
        sim_set_capacity(disk, UINT64_MAX);
    }
    check_pages();
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_share_pages_until_a_sync),
        cmocka_unit_test(the_next_life_keeps_the_pages_apart),
        cmocka_unit_test(pages_stay_apart_with_several_committers),
        cmocka_unit_test(what_is_reserved_fits_with_shared_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
