/* Several committers at once: what is acknowledged is safe, syncs are shared and never overlap, and a failure is
 * heard by all. SPDX-License-Identifier: MIT
 */
#include <pthread.h>

#include "txnlog_fixture.h"

enum { THREADS = 6 };

/* A world whose syncs can be counted, held back and made to fail. */
static struct sim_disk *disk;
static struct vos world;
static struct vos_ops world_ops;
static uint32_t syncing, overlaps, syncs_after_failure, sync_failed, fail_at_sync, sync_calls;
static uint64_t hold_until_published; /* a sync waits until so many transactions are published */
static uint64_t sync_takes_ns, clock_ahead_ns; /* each sync moves the clock by so much; how far it is ahead of the disk's */
static struct fx_model model;
static struct fx fx;

static int world_dir_open(struct vos *os, const char *path, bool create, unsigned mode, struct vos_dir **dir,
                          struct vos_error *error) {
    (void)os;
    return sim_os(disk)->ops->dir_open(sim_os(disk), path, create, mode, dir, error);
}
static uint64_t world_now(struct vos *os) {
    (void)os;
    return sim_os(disk)->ops->now_ns(sim_os(disk)) + vb_load_relaxed(&clock_ahead_ns);
}
static uint64_t world_wall(struct vos *os) { return (void)os, sim_os(disk)->ops->wall_ns(sim_os(disk)); }
static int world_random(struct vos *os, void *data, size_t size) {
    (void)os;
    return sim_os(disk)->ops->random(sim_os(disk), data, size);
}

static uint64_t published_count(void) {
    uint64_t all = 0;
    for (unsigned i = 1; i <= FX_SLOTS; i++)
        all += fx.rings[i] != NULL && vb_load_acquire(&fx.rings[i]->published) != 0;
    return all;
}

/* Which files are segments in use: spare ones may be synced beside them. */
enum { OPENED_MOST = 256 };
static struct {
    struct vos_file *file;
    char name[24];
    uint32_t in_use;
} opened[OPENED_MOST];
static uint32_t opened_count, slow_syncs;

static int world_file_open(struct vos_dir *dir, const char *name, unsigned flags, unsigned mode, struct vos_file **file,
                           struct vos_error *error) {
    VB_TRY(sim_os(disk)->ops->file_open(dir, name, flags, mode, file, error));
    uint32_t at = vb_add_acq_rel(&opened_count, 1);
    assert_true(at < OPENED_MOST);
    snprintf(opened[at].name, sizeof(opened[at].name), "%s", name);
    vb_store_release(&opened[at].file, *file);
    return VARVE_OK;
}

static int world_rename(struct vos_dir *dir, const char *from, const char *to, struct vos_error *error) {
    VB_TRY(sim_os(disk)->ops->dir_rename(dir, from, to, error));
    for (uint32_t i = 0; i < vb_load_acquire(&opened_count); i++) {
        if (vb_load_acquire(&opened[i].file) != NULL && strcmp(opened[i].name, from) == 0) {
            vb_store_release(&opened[i].in_use, strstr(to, ".log") != NULL);
        }
    }
    return VARVE_OK;
}

static bool is_spare(const struct vos_file *file) {
    uint32_t i = vb_load_acquire(&opened_count);
    while (i > 0 && vb_load_acquire(&opened[i - 1].file) != file) i--; /* the newest: handles are used again */
    return i > 0 && vb_load_acquire(&opened[i - 1].in_use) == 0;
}

static int world_sync(struct vos_file *file, struct vos_error *error) {
    if (is_spare(file)) return sim_os(disk)->ops->file_sync(file, error);
    if (vb_load_acquire(&sync_failed) != 0) vb_add_acq_rel(&syncs_after_failure, 1);
    if (vb_add_acq_rel(&syncing, 1) != 0) vb_add_acq_rel(&overlaps, 1);
    while (published_count() < vb_load_acquire(&hold_until_published)) vos_thread_yield();
    for (uint32_t i = 0; i < vb_load_relaxed(&slow_syncs); i++) vos_thread_yield();
    vb_add_acq_rel(&clock_ahead_ns, sync_takes_ns);
    int status;
    if (vb_add_acq_rel(&sync_calls, 1) + 1 == vb_load_acquire(&fail_at_sync)) {
        vb_store_release(&sync_failed, 1);
        status = VARVE_IO;
        memcpy(error->text, "planned", 8);
    } else {
        status = sim_os(disk)->ops->file_sync(file, error);
    }
    vb_sub_acq_rel(&syncing, 1);
    return status;
}

static void open_world_with(enum varve_sync_mode mode, uint32_t group_wait_us, uint64_t segment_bytes) {
    disk = sim_create(1);
    world_ops = *sim_os(disk)->ops;
    world_ops.dir_open = world_dir_open;
    world_ops.now_ns = world_now;
    world_ops.wall_ns = world_wall;
    world_ops.random = world_random;
    world_ops.file_sync = world_sync;
    world_ops.file_open = world_file_open;
    world_ops.dir_rename = world_rename;
    memset(opened, 0, sizeof(opened));
    opened_count = slow_syncs = 0;
    world.ops = &world_ops;
    syncing = overlaps = syncs_after_failure = sync_failed = fail_at_sync = sync_calls = 0;
    hold_until_published = sync_takes_ns = clock_ahead_ns = 0;
    memset(&model, 0, sizeof(model));
    struct vk_limits limits = FX_LIMITS;
    limits.segment_first_bytes = limits.segment_max_bytes = segment_bytes;
    fx_init(&fx, &model, &world, &limits);
    fx.config.sync = mode;
    fx.config.group_wait_us = group_wait_us;
    assert_int_equal(fx_open_dir(&fx), VARVE_OK);
    assert_int_equal(fx_recover(&fx, 1), VARVE_OK);
    assert_int_equal(fx_reopen(&fx), VARVE_OK);
    sync_calls = 0;
}

/* One segment: no syncs but those of groups. */
static void open_world(enum varve_sync_mode mode, uint32_t group_wait_us) {
    open_world_with(mode, group_wait_us, 4 << 20);
}

static void close_world(void) {
    fx_close(&fx);
    sim_free(disk);
}

struct player {
    pthread_t thread;
    unsigned slot, commits;
    uint64_t seed;
    enum varve_sync_mode mode; /* DEFAULT: any */
    unsigned ok, unknown, refused, wrong;
};

static void *play(void *arg) {
    struct player *p = arg;
    struct vb_random random;
    vb_random_init(&random, p->seed);
    bool failed = false;
    for (unsigned i = 0; i < p->commits; i++) {
        enum varve_sync_mode mode =
            p->mode != VARVE_SYNC_DEFAULT ? p->mode : 1 + (enum varve_sync_mode)vb_random_below(&random, 5);
        uint64_t cts, id;
        if (vb_random_below(&random, 8) == 0 && fx_abort(&fx, p->slot) == VARVE_OK) continue;
        int status = fx_publish(&fx, p->slot, &cts, &id);
        if (status == VARVE_FAILED) {
            p->refused++;
            continue;
        }
        if (status != VARVE_OK) p->wrong++;
        status = fx_harden(&fx, p->slot, id, cts, mode);
        if (status == VARVE_OK) {
            p->ok++;
            if (failed) p->wrong++;
            if (fx_is_durable_mode(mode) && vb_load_acquire(&fx.domain.durable) < cts) p->wrong++;
        } else if (status == VARVE_UNKNOWN_OUTCOME) {
            p->unknown++;
            failed = true;
        } else {
            p->wrong++;
        }
        if (vb_random_below(&random, 16) == 0) vtl_tick(fx.log);
        if (vb_random_below(&random, 32) == 0 && vtl_sync(fx.log) == VARVE_OK && failed) p->wrong++;
    }
    return NULL;
}

static void play_all(struct player *players, unsigned count, unsigned commits, enum varve_sync_mode mode) {
    for (unsigned i = 0; i < count; i++) {
        players[i] = (struct player){.slot = 1 + i, .commits = commits, .seed = 100 + i, .mode = mode};
        assert_int_equal(pthread_create(&players[i].thread, NULL, play, &players[i]), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(players[i].thread, NULL);
        assert_int_equal(players[i].wrong, 0);
    }
}

/* Everything acknowledged with a sync is on the disk the moment all players are done; nothing in between is missing. */
static void check_after_cut(void) {
    struct sim_disk *image = sim_reboot(disk, SIM_NOTHING, 0, 1);
    struct fx other;
    fx_init(&other, &model, sim_os(image), &FX_LIMITS);
    assert_int_equal(fx_open_dir(&other), VARVE_OK);
    int status = fx_recover(&other, 2);
    if (status != VARVE_OK) fail_msg("recovery: %d %s", status, other.detail.text);
    const char *why = fx_judge(&other, false);
    if (why != NULL) fail_msg("%s", why);
    fx_close(&other);
    sim_free(image);
}

static void all_modes_at_once(void **state) {
    (void)state;
    struct player players[THREADS];
    open_world(VARVE_SYNC_GROUP, 0);
    play_all(players, THREADS, 120, VARVE_SYNC_DEFAULT);
    assert_int_equal(overlaps, 0);
    check_after_cut();
    close_world();
}

static void a_group_shares_its_sync(void **state) {
    (void)state;
    struct player players[4];
    open_world(VARVE_SYNC_GROUP, 0);
    hold_until_published = 4; /* the first sync lasts until all have published */
    play_all(players, 4, 1, VARVE_SYNC_GROUP);
    unsigned ok = 0;
    for (unsigned i = 0; i < 4; i++) ok += players[i].ok;
    assert_true(sync_calls <= 2 && ok >= 3);
    assert_int_equal(overlaps, 0);
    close_world();
    open_world(VARVE_SYNC_GROUP, 50);
    play_all(players, 4, 20, VARVE_SYNC_GROUP);
    check_after_cut();
    close_world();
}

/* Write-mode committers are not held up by a sync, nor acknowledged before their bytes are in the system's hands. */
static void write_mode_goes_on_during_a_sync(void **state) {
    (void)state;
    struct player leader = {.slot = 1, .commits = 1, .seed = 1, .mode = VARVE_SYNC_SYNC};
    open_world(VARVE_SYNC_GROUP, 0);
    hold_until_published = 3;
    assert_int_equal(pthread_create(&leader.thread, NULL, play, &leader), 0);
    while (vb_load_acquire(&syncing) == 0) vos_thread_yield();
    assert_int_equal(fx_commit(&fx, 2, VARVE_SYNC_WRITE), VARVE_OK);
    assert_int_equal(vb_load_acquire(&syncing), 1);
    assert_true(vb_load_acquire(&fx.domain.durable) < 2);
    assert_int_equal(fx_commit(&fx, 3, VARVE_SYNC_WRITE), VARVE_OK);
    pthread_join(leader.thread, NULL);
    assert_int_equal(leader.wrong, 0);
    struct sim_disk *image = sim_reboot(disk, SIM_ALL, 0, 1);
    struct fx other;
    fx_init(&other, &model, sim_os(image), &FX_LIMITS);
    assert_int_equal(fx_open_dir(&other), VARVE_OK);
    assert_int_equal(fx_recover(&other, 1), VARVE_OK);
    assert_null(fx_judge(&other, true));
    fx_close(&other);
    sim_free(image);
    close_world();
}

/* Every sync in turn fails with at least four waiting for it: all hear of it, none is told OK later, none syncs
 * again. */
static void a_failed_sync_is_heard_by_all(void **state) {
    (void)state;
    struct player players[THREADS];
    for (uint32_t nth = 1; nth <= 6; nth++) {
        open_world(VARVE_SYNC_GROUP, 0);
        fail_at_sync = nth;
        if (nth == 1) hold_until_published = THREADS;
        play_all(players, THREADS, 30, nth % 2 != 0 ? VARVE_SYNC_GROUP : VARVE_SYNC_DEFAULT);
        assert_int_equal(syncs_after_failure, 0);
        assert_int_equal(overlaps, 0);
        assert_true(vtl_poisoned(fx.log));
        assert_string_equal(vtl_poison_text(fx.log), "planned");
        for (unsigned i = 0; i < THREADS; i++) {
            uint64_t cts, id; /* in the modes that wait for nothing some are through before that sync */
            assert_true(players[i].refused > 0 || nth % 2 == 0);
            assert_int_equal(fx_publish(&fx, players[i].slot, &cts, &id), VARVE_FAILED);
            if (nth == 1) assert_true(players[i].ok == 0 && players[i].unknown == 1);
        }
        assert_int_equal(vtl_sync(fx.log), VARVE_FAILED);
        assert_int_equal(vtl_note(fx.log, &(struct vtl_op){VTL_LABEL, 0, VARVE_STR("x"), {NULL, 0}}, NULL),
                         VARVE_FAILED);
        assert_int_equal(vtl_truncate(fx.log, 1, NULL), VARVE_FAILED);
        check_after_cut();
        close_world();
    }
}

static uint32_t heard;

static void *wait_for_durable(void *arg) {
    struct player *p = arg;
    p->ok = vtl_harden(fx.log, &fx.domain.slots[p->slot], 1000, VARVE_SYNC_SYNC) == VARVE_OK;
    vb_add_acq_rel(&heard, 1);
    return NULL;
}

/* A failure elsewhere in the database wakes those who wait for this log. */
static void poison_wakes_everybody(void **state) {
    (void)state;
    struct player players[4];
    open_world(VARVE_SYNC_GROUP, 0);
    vb_store_release(&fx.domain.slots[8].commit,
                     vk_commit_word(0, VK_PREP)); /* nobody can cut before this one is done */
    vb_store_release(&fx.domain.clock, 1000);
    for (unsigned i = 0; i < 4; i++) {
        players[i] = (struct player){.slot = 1 + i};
        assert_int_equal(pthread_create(&players[i].thread, NULL, wait_for_durable, &players[i]), 0);
    }
    while (vb_load_acquire(&fx.log->sync.sleepers[0]) + vb_load_acquire(&fx.log->sync.sleepers[1]) < 3)
        vos_thread_yield();
    heard = 0;
    vtl_poison(fx.log, "elsewhere");
    while (vb_load_acquire(&heard) < 3) vos_thread_yield(); /* though the leader is still held up */
    vb_store_release(&fx.domain.slots[8].commit, vk_commit_word(0, VK_IDLE));
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(players[i].thread, NULL);
        assert_int_equal(players[i].ok, 0);
    }
    assert_string_equal(vtl_poison_text(fx.log), "elsewhere");
    close_world();
}

/* Small segments and rings, everything at once: switching, preparing and truncating under committers. */
static void *cut_the_log(void *arg) {
    uint32_t *stop = arg;
    while (vb_load_acquire(stop) == 0) {
        uint64_t first = vtl_next_seq(fx.log), cut = vb_load_acquire(&fx.domain.clock);
        if (vtl_sync(fx.log) != VARVE_OK) break;
        model.first_seq = first;
        model.cut = cut;
        if (vtl_truncate(fx.log, first, NULL) != VARVE_OK) break;
        vtl_tick(fx.log);
        vos_thread_yield();
    }
    return NULL;
}

static void small_segments_under_load(void **state) {
    (void)state;
    struct player players[THREADS];
    open_world_with(VARVE_SYNC_GROUP, 0, 8 << 10);
    slow_syncs = 3;
    pthread_t cutter;
    uint32_t stop = 0;
    assert_int_equal(pthread_create(&cutter, NULL, cut_the_log, &stop), 0);
    play_all(players, THREADS, 60, VARVE_SYNC_DEFAULT);
    vb_store_release(&stop, 1);
    pthread_join(cutter, NULL);
    assert_false(vtl_poisoned(fx.log));
    assert_int_equal(overlaps, 0);
    check_after_cut();
    close_world();
}

/* A committer between its stamp and its log record holds the cut back: nothing above it becomes durable before it. */
static void a_cut_waits_for_the_unpublished(void **state) {
    (void)state;
    open_world(VARVE_SYNC_GROUP, 0);
    struct vk_slot *slot = &fx.domain.slots[1];
    struct fx_write w;
    fx_write_make(&w, 1);
    model.count = 1;
    assert_int_equal(vtl_reserve(fx.rings[1], w.list, w.count, NULL), VARVE_OK);
    fx_write_free(&w);
    vb_store_release(&slot->commit, vk_commit_word(0, VK_PREP));
    uint64_t low = vb_add_acq_rel(&fx.domain.clock, 1) + 1;
    struct player other = {.slot = 2, .commits = 1, .seed = 2, .mode = VARVE_SYNC_SYNC};
    assert_int_equal(pthread_create(&other.thread, NULL, play, &other), 0);
    while (vb_load_acquire(&fx.log->sync.held) == 0) vos_thread_yield();
    for (unsigned i = 0; i < 100; i++) vos_thread_yield();
    assert_int_equal(vb_load_acquire(&fx.log->written), 0);
    vb_store_release(&slot->commit, vk_commit_word(low, VK_COMMITTING));
    for (unsigned i = 0; i < 100; i++) vos_thread_yield();
    assert_int_equal(vb_load_acquire(&fx.log->written), 0);
    vtl_publish(fx.rings[1], low);
    model.txns[1].cts = low;
    pthread_join(other.thread, NULL);
    assert_int_equal(other.ok, 1);
    check_after_cut();
    assert_true(model.txns[1].recovered);
    vb_store_release(&slot->commit, vk_commit_word(0, VK_IDLE));
    close_world();
}

/* What is published above C while a leader waits for somebody below it stays for the next cut. */
static void a_cut_takes_nothing_above_it(void **state) {
    (void)state;
    open_world(VARVE_SYNC_GROUP, 0);
    struct vk_slot *slot = &fx.domain.slots[1];
    struct fx_write w;
    fx_write_make(&w, 1);
    model.count = 1;
    assert_int_equal(vtl_reserve(fx.rings[1], w.list, w.count, NULL), VARVE_OK);
    fx_write_free(&w);
    vb_store_release(&slot->commit, vk_commit_word(0, VK_PREP));
    uint64_t low = vb_add_acq_rel(&fx.domain.clock, 1) + 1, cts, id;
    struct player other = {.slot = 2, .commits = 1, .seed = 2, .mode = VARVE_SYNC_WRITE};
    assert_int_equal(pthread_create(&other.thread, NULL, play, &other), 0);
    while (vb_load_acquire(&fx.log->write.held) == 0) vos_thread_yield();
    for (unsigned i = 0; i < 100; i++) vos_thread_yield(); /* C is loaded: 2, or 3 where this thread was faster */
    assert_int_equal(fx_publish(&fx, 3, &cts, &id), VARVE_OK);
    vtl_publish(fx.rings[1], low);
    model.txns[1].cts = low;
    vb_store_release(&slot->commit, vk_commit_word(0, VK_IDLE));
    pthread_join(other.thread, NULL);
    assert_int_equal(other.ok, 1);
    uint64_t written = vb_load_acquire(&fx.log->written);
    assert_int_equal(vb_load_acquire(&fx.rings[3]->tail) != 0, written >= cts);
    struct sim_disk *image = sim_reboot(disk, SIM_ALL, 0, 1);
    struct fx after;
    fx_init(&after, &model, sim_os(image), &FX_LIMITS);
    assert_int_equal(fx_open_dir(&after), VARVE_OK);
    assert_int_equal(fx_recover(&after, 1), VARVE_OK);
    assert_int_equal(after.recovered.transactions, written);
    fx_close(&after);
    sim_free(image);
    close_world();
}

static void *commit_group(void *arg) {
    struct player *p = arg;
    uint64_t cts, id;
    p->wrong = fx_publish(&fx, p->slot, &cts, &id) != VARVE_OK;
    p->unknown = fx_harden(&fx, p->slot, id, cts, VARVE_SYNC_GROUP) == VARVE_UNKNOWN_OUTCOME;
    return NULL;
}

/* A leader that finds the log poisoned when its turn comes does not sync, though there is nothing left to write. */
static void no_sync_once_poisoned(void **state) {
    (void)state;
    struct player leader = {.slot = 1};
    open_world(VARVE_SYNC_GROUP, 3600u * 1000000u); /* the leader waits for company until something happens */
    assert_int_equal(pthread_create(&leader.thread, NULL, commit_group, &leader), 0);
    while (vb_load_acquire(&fx.log->sync.held) == 0) vos_thread_yield();
    assert_int_equal(fx_commit(&fx, 2, VARVE_SYNC_WRITE), VARVE_OK);
    uint32_t calls = vb_load_acquire(&sync_calls);
    vtl_poison(fx.log, "elsewhere");
    pthread_join(leader.thread, NULL);
    assert_int_equal(leader.wrong, 0);
    assert_int_equal(leader.unknown, 1);
    assert_int_equal(vb_load_acquire(&sync_calls), calls);
    assert_int_equal(vtl_harden(fx.log, NULL, 1, VARVE_SYNC_NONE), VARVE_UNKNOWN_OUTCOME);
    close_world();
}

/* Syncs that seem to take long are waited for: the last of those whom a round let go wakes the next leader. */
static void a_leader_waits_for_those_let_go(void **state) {
    (void)state;
    struct player players[THREADS];
    open_world(VARVE_SYNC_GROUP, 0);
    sync_takes_ns = 20000000;
    play_all(players, THREADS, 60, VARVE_SYNC_GROUP);
    assert_int_equal(overlaps, 0);
    assert_int_not_equal(fx.log->sync.complete, 0);
    check_after_cut();
    close_world();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_modes_at_once),
        cmocka_unit_test(a_group_shares_its_sync),
        cmocka_unit_test(a_leader_waits_for_those_let_go),
        cmocka_unit_test(write_mode_goes_on_during_a_sync),
        cmocka_unit_test(a_failed_sync_is_heard_by_all),
        cmocka_unit_test(poison_wakes_everybody),
        cmocka_unit_test(small_segments_under_load),
        cmocka_unit_test(a_cut_waits_for_the_unpublished),
        cmocka_unit_test(a_cut_takes_nothing_above_it),
        cmocka_unit_test(no_sync_once_poisoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
