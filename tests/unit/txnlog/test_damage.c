/* Damaged, cut, missing, swapped and forged files: never a silent wrong answer, never a crash.
 * SPDX-License-Identifier: MIT
 */
#include "txnlog_fixture.h"

enum { FILES_MOST = 32 };

static struct fx_model model;
static struct fx fx;

struct files {
    char paths[FILES_MOST][64];
    uint64_t sizes[FILES_MOST];
    unsigned count;
};

static int add_file(void *arg, const char *path, uint64_t size) {
    struct files *files = arg;
    if (strstr(path, ".log") == NULL) return 0;
    assert_true(files->count < FILES_MOST);
    snprintf(files->paths[files->count], sizeof(files->paths[0]), "%s", path);
    files->sizes[files->count++] = size;
    return 0;
}

static int by_path(const void *a, const void *b) { return strcmp(a, b); }

/* A log of a few segments. The names sort by age, and all sizes are equal where the test needs them to be. */
static struct sim_disk *make_log(unsigned commits, bool closed, struct files *files) {
    struct vk_limits limits = FX_LIMITS;
    limits.segment_max_bytes = limits.segment_first_bytes;
    memset(&model, 0, sizeof(model));
    struct sim_disk *disk = sim_create(1), *image = NULL;
    fx_start(&fx, &model, sim_os(disk), &limits);
    for (unsigned i = 0; i < commits; i++)
        assert_int_equal(fx_commit(&fx, 1 + i % FX_SLOTS, VARVE_SYNC_SYNC), VARVE_OK);
    if (!closed) image = sim_reboot(disk, SIM_ALL, 0, 1);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    if (!closed) {
        sim_free(disk);
        disk = image;
    }
    memset(files, 0, sizeof(*files));
    sim_list(disk, add_file, files);
    qsort(files->paths, files->count, sizeof(files->paths[0]), by_path);
    for (unsigned i = 0; i < files->count; i++) sim_file_size(disk, files->paths[i], &files->sizes[i]);
    return disk;
}

/* How many of the model's transactions come back, or a negative status; anything wrong in them fails the test. */
static int64_t recover_count(struct sim_disk *disk) {
    fx_init(&fx, &model, sim_os(disk), &FX_LIMITS);
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    int status = fx_recover(&fx, 1);
    if (status == VARVE_OK && fx_judge(&fx, false) != NULL) {
        for (uint64_t id = 1; id <= model.count; id++) model.txns[id].acked = VARVE_SYNC_DEFAULT;
        assert_null(fx_judge(&fx, false)); /* without the promises: still a prefix */
        for (uint64_t id = 1; id <= model.count; id++) model.txns[id].acked = VARVE_SYNC_SYNC;
    }
    if (status == VARVE_CORRUPT) assert_true(fx.detail.text[0] != '\0' && fx.detail.status == VARVE_CORRUPT);
    int64_t result = status == VARVE_OK ? (int64_t)fx.recovered.transactions : status;
    fx_close(&fx);
    return result;
}

/* After an orderly close every flip is harmless or told. */
static void a_flip_is_told_after_an_orderly_close(void **state) {
    (void)state;
    struct files files;
    struct sim_disk *disk = make_log(26, true, &files);
    assert_true(files.count >= 3);
    unsigned told = 0, harmless = 0;
    for (unsigned f = 0; f < files.count; f++) {
        for (uint64_t at = 0; at < files.sizes[f]; at++) {
            assert_true(sim_flip(disk, files.paths[f], at, (unsigned)(at * 5 + f) % 8));
            int64_t got = recover_count(disk);
            if (got != VARVE_CORRUPT && got != 26)
                fail_msg("flip in %s at %u: %d", files.paths[f], (unsigned)at, (int)got);
            got == 26 ? harmless++ : told++;
            assert_true(sim_flip(disk, files.paths[f], at, (unsigned)(at * 5 + f) % 8));
        }
    }
    assert_true(told > 4096 * files.count);
    assert_true(harmless < 8192); /* the closing block and the unused end of the last segment */
    sim_free(disk);
}

/* After a power cut the last synced block has nobody to vouch for it; all before it has. */
static void a_flip_after_a_cut_costs_the_last_block_at_most(void **state) {
    (void)state;
    struct files files;
    struct sim_disk *disk = make_log(20, false, &files);
    for (unsigned f = 0; f < files.count; f++) {
        for (uint64_t at = 0; at < files.sizes[f]; at++) {
            assert_true(sim_flip(disk, files.paths[f], at, (unsigned)at % 8));
            int64_t got = recover_count(disk);
            if (got != VARVE_CORRUPT && got < 19)
                fail_msg("flip in %s at %u: %d", files.paths[f], (unsigned)at, (int)got);
            assert_true(sim_flip(disk, files.paths[f], at, (unsigned)at % 8));
        }
    }
    sim_free(disk);
}

static void a_file_of_another_length_is_told(void **state) {
    (void)state;
    struct files files;
    struct sim_disk *disk = make_log(12, true, &files);
    for (unsigned f = 0; f < files.count; f++) {
        for (uint64_t size = 0; size < files.sizes[f]; size++) {
            struct sim_disk *copy = sim_clone(disk);
            assert_true(sim_resize(copy, files.paths[f], size));
            assert_int_equal(recover_count(copy), VARVE_CORRUPT);
            sim_free(copy);
        }
        struct sim_disk *copy = sim_clone(disk);
        assert_true(sim_resize(copy, files.paths[f], files.sizes[f] + 512));
        assert_int_equal(recover_count(copy), VARVE_CORRUPT);
        sim_free(copy);
    }
    sim_free(disk);
}

static void missing_and_swapped_segments_are_told(void **state) {
    (void)state;
    struct files files;
    struct sim_disk *disk = make_log(40, true, &files);
    assert_true(files.count >= 4);
    for (unsigned f = 0; f + 1 < files.count; f++) { /* that the last one is gone, only a manifest could know */
        struct sim_disk *copy = sim_clone(disk);
        assert_true(sim_delete(copy, files.paths[f]));
        assert_int_equal(recover_count(copy), VARVE_CORRUPT);
        sim_free(copy);
    }
    uint8_t *bytes = malloc(files.sizes[0]), *other = malloc(files.sizes[1]);
    assert_true(sim_peek(disk, files.paths[0], 0, bytes, files.sizes[0]));
    assert_true(sim_peek(disk, files.paths[1], 0, other, files.sizes[1]));
    struct sim_disk *copy = sim_clone(disk); /* two files with their contents exchanged */
    assert_true(sim_put(copy, files.paths[0], other, files.sizes[1]));
    assert_true(sim_put(copy, files.paths[1], bytes, files.sizes[0]));
    assert_int_equal(recover_count(copy), VARVE_CORRUPT);
    sim_free(copy);
    copy = sim_clone(disk); /* one file twice */
    assert_true(sim_put(copy, "db/00000000000000ff.log", bytes, files.sizes[0]));
    assert_int_equal(recover_count(copy), VARVE_CORRUPT);
    sim_free(copy);
    copy = sim_clone(disk); /* a file of ours that is empty, and names that are not ours */
    assert_true(sim_put(copy, "db/00000000000000FE.log", "x", 1));
    assert_true(sim_put(copy, "db/00000000000000fe.new", "x", 1));
    assert_int_equal(recover_count(copy), 40);
    assert_true(sim_put(copy, "db/00000000000000fe.log", "", 0));
    assert_int_equal(recover_count(copy), VARVE_CORRUPT);
    sim_free(copy);
    free(bytes);
    free(other);
    sim_free(disk);
}

static void blocks_in_the_wrong_place_are_told(void **state) {
    (void)state;
    struct files files;
    struct sim_disk *disk = make_log(40, true, &files);
    uint8_t a[512], b[512], zero[512] = {0};
    for (uint64_t i = 4096; i + 512 <= files.sizes[1]; i += 512) {
        assert_true(sim_peek(disk, files.paths[1], i, a, 512));
        for (uint64_t j = i + 512; j + 512 <= files.sizes[1]; j += 512) {
            assert_true(sim_peek(disk, files.paths[1], j, b, 512));
            sim_poke(disk, files.paths[1], i, b, 512);
            sim_poke(disk, files.paths[1], j, a, 512);
            assert_int_equal(recover_count(disk), VARVE_CORRUPT);
            sim_poke(disk, files.paths[1], i, a, 512);
            sim_poke(disk, files.paths[1], j, b, 512);
        }
        sim_poke(disk, files.paths[1], i, zero, 512);
        assert_int_equal(recover_count(disk), VARVE_CORRUPT);
        sim_poke(disk, files.paths[1], i, a, 512);
    }
    assert_int_equal(recover_count(disk), 40);
    sim_free(disk);
}

/* Another database's log, or a checkpoint further on than the log. */
static void a_log_that_does_not_belong_is_told(void **state) {
    (void)state;
    struct files files;
    struct sim_disk *disk = make_log(10, true, &files);
    fx_init(&fx, &model, sim_os(disk), &FX_LIMITS);
    fx.config.database_id[3] ^= 1;
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    assert_int_equal(fx_recover(&fx, 1), VARVE_CORRUPT);
    fx_close(&fx);
    model.first_seq = 100;
    assert_int_equal(recover_count(disk), VARVE_CORRUPT);
    model.first_seq = 0;
    fx_init(&fx, &model, sim_os(disk), &FX_LIMITS); /* a new database does not begin on an old one's log */
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    assert_int_equal(vtl_open(&fx.config, NULL, &fx.log, &fx.detail), VARVE_CORRUPT);
    fx_close(&fx);
    sim_free(disk);
}

static int ignore(void *arg, unsigned thread, const struct vtl_txn *txn) {
    struct vtl_op op;
    size_t offset = 0;
    (void)arg, (void)thread;
    int status;
    while ((status = vtl_txn_next(txn, &offset, &op)) == VARVE_OK) continue;
    return status == VARVE_END ? VARVE_OK : status;
}

/* A copy of the database has gone another way: its segments fit by name, identity and numbers, but not by what they
 * follow. */
static void a_segment_of_a_diverged_copy_is_told(void **state) {
    (void)state;
    struct files files;
    uint8_t *bytes[2];
    struct sim_disk *disks[2] = {make_log(40, true, &files), NULL};
    struct vk_limits limits = FX_LIMITS;
    limits.segment_max_bytes = limits.segment_first_bytes;
    memset(&model, 0, sizeof(model)); /* the same again, with one transaction more early on */
    disks[1] = sim_create(1);
    fx_start(&fx, &model, sim_os(disks[1]), &limits);
    model.count = 1;
    for (unsigned i = 0; i < 40; i++) assert_int_equal(fx_commit(&fx, 1 + i % FX_SLOTS, VARVE_SYNC_SYNC), VARVE_OK);
    assert_int_equal(fx_close(&fx), VARVE_OK);
    unsigned tried = 0;
    for (unsigned f = 0; f < files.count; f++) {
        uint64_t size;
        if (!sim_file_size(disks[1], files.paths[f], &size) || size != files.sizes[f]) continue;
        for (unsigned d = 0; d < 2; d++) {
            bytes[d] = malloc(size);
            assert_true(sim_peek(disks[d], files.paths[f], 0, bytes[d], size));
        }
        const char *why;
        struct vtl_segment a = {0}, b = {0};
        assert_int_equal(vtl_segment_decode(&a, bytes[0], &why), VARVE_OK);
        assert_int_equal(vtl_segment_decode(&b, bytes[1], &why), VARVE_OK);
        if (f != 0 && a.first_seq == b.first_seq) {
            struct sim_disk *mixed = sim_clone(disks[0]);
            sim_put(mixed, files.paths[f], bytes[1], size);
            fx_init(&fx, &model, sim_os(mixed), &FX_LIMITS);
            assert_int_equal(fx_open_dir(&fx), VARVE_OK);
            assert_int_equal(vtl_recover(&fx.config, 0, 0, 1, ignore, NULL, &fx.recovered, &fx.detail), VARVE_CORRUPT);
            fx_close(&fx);
            sim_free(mixed);
            tried++;
        }
        free(bytes[0]);
        free(bytes[1]);
    }
    assert_true(tried > 0);
    sim_free(disks[0]);
    sim_free(disks[1]);
}

/* The same for a single block: its sum holds, its number is right, but it follows another one. */
static void a_block_of_a_diverged_copy_is_told(void **state) {
    (void)state;
    struct files files;
    struct sim_disk *disks[2];
    uint64_t at = VK_FILE_HEADER_BYTES + 512;
    uint8_t block[512], other[512];
    for (unsigned d = 0; d < 2; d++) { /* the disks' random bytes are the same, so both files have the same salt */
        memset(&model, 0, sizeof(model));
        disks[d] = sim_create(1);
        fx_start(&fx, &model, sim_os(disks[d]), &FX_LIMITS);
        model.count = d;
        for (unsigned i = 0; i < 5; i++) {
            if (i == 1) model.count = 10;
            assert_int_equal(fx_commit(&fx, 1, VARVE_SYNC_SYNC), VARVE_OK);
        }
        assert_int_equal(fx_close(&fx), VARVE_OK);
        memset(&files, 0, sizeof(files));
        sim_list(disks[d], add_file, &files);
    }
    assert_true(sim_peek(disks[0], files.paths[0], at, block, 512) &&
                sim_peek(disks[1], files.paths[0], at, other, 512));
    assert_memory_equal(block + VTL_BLOCK_HEADER_BYTES, other + VTL_BLOCK_HEADER_BYTES, 512 - VTL_BLOCK_HEADER_BYTES);
    assert_true(sim_poke(disks[1], files.paths[0], at, block, 512));
    fx_init(&fx, &model, sim_os(disks[1]), &FX_LIMITS);
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    assert_int_equal(vtl_recover(&fx.config, 0, 0, 1, ignore, NULL, &fx.recovered, &fx.detail), VARVE_CORRUPT);
    assert_non_null(strstr(fx.detail.text, "does not follow"));
    fx_close(&fx);
    sim_free(disks[0]);
    sim_free(disks[1]);
}

/* Recovery may begin in the middle of a cut only if the checkpoint covers that. */
static void half_a_cut_at_the_beginning_is_told(void **state) {
    (void)state;
    struct files files;
    struct sim_disk *disk = make_log(40, true, &files); /* number 29 needs several segments */
    unsigned tried = 0;
    for (unsigned f = 1; f < files.count; f++) {
        uint8_t bytes[VK_FILE_HEADER_BYTES + 512];
        const char *why;
        struct vtl_segment segment = {0};
        struct vtl_block block;
        assert_true(sim_peek(disk, files.paths[f], 0, bytes, sizeof(bytes)));
        assert_int_equal(vtl_segment_decode(&segment, bytes, &why), VARVE_OK);
        if (!vtl_block_parse(bytes + VK_FILE_HEADER_BYTES, files.sizes[f], 512, &block)) continue;
        if ((block.flags & VTL_BLOCK_PART) == 0) continue;
        struct sim_disk *copy = sim_clone(disk);
        for (unsigned older = 0; older < f; older++) sim_delete(copy, files.paths[older]);
        model.first_seq = segment.first_seq;
        assert_int_equal(recover_count(copy), VARVE_CORRUPT);
        model.cut = model.txns[29].cts;
        model.first_seq = segment.first_seq + 1000; /* and one the log has not reached */
        assert_int_equal(recover_count(copy), VARVE_CORRUPT);
        model.cut = model.first_seq = 0;
        sim_free(copy);
        tried++;
    }
    assert_true(tried >= 2);
    sim_free(disk);
}

/* Forged files: a byte changes and every sum is made right again. Any answer but a crash, a hang or a huge
 * allocation. */
static void forged_sums_do_no_harm(void **state) {
    (void)state;
    struct files files;
    struct sim_disk *disk = make_log(24, true, &files);
    struct vb_random random;
    uint64_t seed = 20240607;
    print_message("seed %llu\n", (unsigned long long)seed);
    vb_random_init(&random, seed);
    uint8_t *original = malloc(files.sizes[1]), *bytes = malloc(files.sizes[1]);
    assert_true(sim_peek(disk, files.paths[1], 0, original, files.sizes[1]));
    for (unsigned i = 0; i < 6000; i++) {
        memcpy(bytes, original, files.sizes[1]);
        struct vk_file_header header;
        const char *why;
        assert_int_equal(vk_file_header_decode(bytes, VK_FILE_LOG, &header, &why), VARVE_OK);
        if (i % 8 == 0) {
            header.extra[vb_random_below(&random, 48)] ^= (uint8_t)(1u << vb_random_below(&random, 8));
            vk_file_header_encode(&header, bytes);
        } else {
            uint64_t at = 4096 + 512 * vb_random_below(&random, (files.sizes[1] - 4096) / 512);
            struct vtl_block block;
            uint64_t span = i % 3 == 0 ? VTL_BLOCK_HEADER_BYTES : 512;
            if (!vtl_block_parse(bytes + at, files.sizes[1] - at, 512, &block)) continue;
            bytes[at + vb_random_below(&random, span)] ^= (uint8_t)(1u << vb_random_below(&random, 8));
            uint32_t length = vb_get_u32(bytes + at + VTL_BLOCK_AT_PAYLOAD);
            if (vtl_round_up(96 + (uint64_t)length, 512) > files.sizes[1] - at) length = 1;
            vb_put_u32(bytes + at + VTL_BLOCK_AT_PAYLOAD, length);
            vb_put_u32(bytes + at + VTL_BLOCK_AT_COMPLEMENT, ~length);
            vb_put_u64(bytes + at + VTL_BLOCK_AT_SUM, 0);
            uint64_t sum = vb_hash64(bytes + at, vtl_round_up(96 + (uint64_t)length, 512), vk_file_seed(&header, at));
            vb_put_u64(bytes + at + VTL_BLOCK_AT_SUM, sum);
        }
        sim_put(disk, files.paths[1], bytes, files.sizes[1]);
        fx_init(&fx, &model, sim_os(disk), &FX_LIMITS);
        assert_int_equal(fx_open_dir(&fx), VARVE_OK);
        int status = vtl_recover(&fx.config, 0, 0, 1, ignore, NULL, &fx.recovered, &fx.detail);
        assert_true(status == VARVE_OK || status == VARVE_CORRUPT);
        fx_close(&fx);
    }
    free(original);
    free(bytes);
    sim_free(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flip_is_told_after_an_orderly_close),
        cmocka_unit_test(a_flip_after_a_cut_costs_the_last_block_at_most),
        cmocka_unit_test(a_file_of_another_length_is_told),
        cmocka_unit_test(missing_and_swapped_segments_are_told),
        cmocka_unit_test(blocks_in_the_wrong_place_are_told),
        cmocka_unit_test(a_log_that_does_not_belong_is_told),
        cmocka_unit_test(a_segment_of_a_diverged_copy_is_told),
        cmocka_unit_test(a_block_of_a_diverged_copy_is_told),
        cmocka_unit_test(half_a_cut_at_the_beginning_is_told),
        cmocka_unit_test(forged_sums_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
