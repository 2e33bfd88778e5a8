/* What is written is handed to the device as the segment fills, where commits do not sync; in order, once, and never
 * anything that was not written.
 * SPDX-License-Identifier: MIT
 */
#include "txnlog_fixture.h"

enum { SEGMENT = 4 << 20, STEP = 1 << 20, VALUE = 100000 };

static struct fx_model model;
static struct fx fx;
static struct sim_disk *disk;
static struct vos world;
static struct vos_ops world_ops;
static unsigned calls, wrong, files;
static uint64_t last_id, until;

static int world_dir_open(struct vos *os, const char *path, bool create, unsigned mode, struct vos_dir **dir,
                          struct vos_error *error) {
    (void)os;
    return sim_os(disk)->ops->dir_open(sim_os(disk), path, create, mode, dir, error);
}
static uint64_t world_now(struct vos *os) { return (void)os, sim_os(disk)->ops->now_ns(sim_os(disk)); }
static uint64_t world_wall(struct vos *os) { return (void)os, sim_os(disk)->ops->wall_ns(sim_os(disk)); }
static int world_random(struct vos *os, void *data, size_t size) {
    (void)os;
    return sim_os(disk)->ops->random(sim_os(disk), data, size);
}

static void world_behind(struct vos_file *file, uint64_t offset, uint64_t size) {
    calls++;
    uint64_t id = fx.log->current->header.file_id;
    if (id != last_id) {
        files++;
        until = 0;
    }
    last_id = id;
    if (file != fx.log->current->file || offset != until || size == 0) wrong++;
    until = offset + size;
    if (until > vb_load_relaxed(&fx.log->offset) || until % STEP != 0) wrong++;
    if (vb_load_relaxed(&fx.log->sync.held) == 0) wrong++; /* else the file could be closed meanwhile */
}

static void open_world(enum varve_sync_mode mode) {
    disk = sim_create(1);
    world_ops = *sim_os(disk)->ops;
    world_ops.dir_open = world_dir_open;
    world_ops.now_ns = world_now;
    world_ops.wall_ns = world_wall;
    world_ops.random = world_random;
    world_ops.file_write_behind = world_behind;
    world.ops = &world_ops;
    calls = wrong = files = 0;
    last_id = 0;
    memset(&model, 0, sizeof(model));
    struct vk_limits limits = FX_LIMITS;
    limits.segment_first_bytes = limits.segment_max_bytes = SEGMENT;
    fx_init(&fx, &model, &world, &limits);
    fx.config.sync = mode;
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    assert_int_equal(fx_recover(&fx, 1), VARVE_OK);
    assert_int_equal(fx_reopen(&fx), VARVE_OK);
}

static void commit_large(enum varve_sync_mode mode, unsigned count) {
    static uint8_t value[VALUE];
    struct vk_write write = {.table_id = 4, .key = VARVE_STR("large"), .value = {value, VALUE}, .kind = VK_PUT};
    struct vk_write *list = &write;
    while (count-- != 0) {
        assert_int_equal(vtl_reserve(fx.rings[1], &list, 1, NULL), VARVE_OK);
        uint64_t cts = ++fx.domain.clock;
        vtl_publish(fx.rings[1], cts);
        assert_int_equal(vtl_harden(fx.log, &fx.domain.slots[1], cts, mode), VARVE_OK);
    }
}

static void what_is_written_is_handed_on(void **state) {
    (void)state;
    open_world(VARVE_SYNC_WRITE);
    commit_large(VARVE_SYNC_WRITE, 9);
    assert_int_equal(calls, 0); /* less than a step */
    commit_large(VARVE_SYNC_WRITE, 120);
    assert_int_equal(wrong, 0);
    assert_true(files >= 3 && calls >= 3 * files - 3);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

static void a_log_that_syncs_each_group_needs_none(void **state) {
    (void)state;
    open_world(VARVE_SYNC_GROUP);
    commit_large(VARVE_SYNC_GROUP, 60);
    assert_int_equal(calls, 0);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    sim_free(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_handed_on),
        cmocka_unit_test(a_log_that_syncs_each_group_needs_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
