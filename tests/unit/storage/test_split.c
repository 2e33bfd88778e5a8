/* test_split.c - a long reader and what comes after it: the split, shortcuts, what is cut off and recycled above it, a
 * second long reader, the end of both.
 *
 * SPDX-License-Identifier: MIT
 */
#include "unit/storage/storage_fixture.h"

#include "storage/version_int.h"

enum { CHUNK = 1024, VALUE = 100 };

static struct fixture fx;
static struct actor writer, other, reader, second;

static int setup(void **state) {
    (void)state;
    fx_open(&fx, CHUNK);
    fx_split_soon(&fx);
    actor_open(&writer, &fx, 1);
    actor_open(&other, &fx, 2);
    actor_open(&reader, &fx, 3);
    actor_open(&second, &fx, 4);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    actor_close(&second);
    actor_close(&reader);
    actor_close(&other);
    actor_close(&writer);
    fx_close(&fx);
    return 0;
}

static uint64_t put(uint32_t key, uint8_t fill) { return actor_put(&writer, key, fill, VALUE); }
static void tick(unsigned count) {
    for (unsigned i = 0; i < count; i++) actor_put(&other, 1000, 1, 8);
}
static void rounds(unsigned count) {
    for (unsigned i = 0; i < count; i++) fx_round(&fx);
}
static uint64_t split(void) { return fx.domain.capture->split; }

static void expect(uint32_t key, uint64_t s, int fill) {
    struct vst_seen seen = actor_read(&reader, key, s);
    assert_int_equal(seen.present, fill >= 0);
    if (fill >= 0) assert_true(fx_is(&seen, (uint8_t)fill, VALUE));
}

/* The clock passes the split, and a floor above it is taken. */
static void pass_split(void) {
    assert_true(split() != 0);
    while (vb_load_relaxed(&fx.domain.clock) <= split()) tick(1);
    rounds(1);
    assert_true(fx.domain.young_min > split());
}

/* A snapshot that is long, with a split above it. */
static uint64_t long_reader(struct actor *a) {
    uint64_t s = vk_snapshot_register(&fx.domain, a->slot);
    for (int i = 0; i < 4 && split() == 0; i++) {
        tick(1);
        rounds(1);
    }
    assert_true(split() > s);
    return s;
}

static void test_only_for_long_ones(void **state) {
    (void)state;
    put(1, 'a');
    for (int i = 0; i < 20; i++) { /* always another one, each as old as a round */
        vk_snapshot_register(&fx.domain, reader.slot);
        tick(3);
        rounds(1);
        assert_true(split() == 0 && fx.domain.young_min == fx.domain.min_snap);
    }
    vk_snapshot_release(reader.slot);
    for (int i = 0; i < 5; i++) {
        tick(i % 2);
        rounds(1);
        assert_true(split() == 0 && fx.domain.split == 0);
    }
}

/* A snapshot of nothing, taken before the first commit, is one like any other; stamp 0 is not taken for "no split". */
static void test_before_the_first_commit(void **state) {
    (void)state;
    uint64_t s = vk_snapshot_register(&fx.domain, reader.slot);
    assert_true(s == 0);
    fx.domain.limits.long_rounds = 1000; /* no split for a while */
    for (int i = 0; i < 60; i++) {
        for (uint32_t k = 0; k < 5; k++) put(k, (uint8_t)i);
        rounds(1);
        if (i == 30) fx.domain.limits.long_rounds = 1;
        if (i <= 30) assert_true(split() == 0 && fx.domain.min_snap == 0 && fx.domain.young_min == 0);
        for (uint32_t k = 0; k < 5; k++) expect(k, s, -1);
    }
    assert_true(split() != 0);
    vk_snapshot_release(reader.slot);
}

static void test_shortcut(void **state) {
    (void)state;
    enum { KEYS = 5 };
    for (uint32_t k = 0; k < KEYS; k++) put(k, 'o');
    uint64_t s = long_reader(&reader);
    uint64_t floor = fx.domain.gc_floor;
    assert_true(split() >= floor); /* C7 */
    put(0, 'p');                   /* at or below the split, or above it: either way */
    pass_split();
    for (uint32_t k = 0; k < KEYS; k++) expect(k, s, 'o');
    for (int i = 0; i < 200; i++) {
        for (uint32_t k = 0; k < KEYS - 1; k++) put(k, (uint8_t)i);
        rounds(1);
        for (uint32_t k = 0; k < KEYS; k++) expect(k, s, 'o');
        expect(1, fx.domain.clock, (uint8_t)i);
    }
    assert_true(fx_version_bytes(&fx) <= 8 * CHUNK); /* a thousand versions do not fit */
    struct vst_gc_stats stats;
    vst_gc_stats(fx.store, &stats);
    assert_true(stats.pruned_images <= KEYS && stats.recycled_chunks > 50); /* whole chunks go, nobody prunes */
    vk_snapshot_release(reader.slot);
    rounds(3);
    assert_true(split() == 0 && fx.domain.split == 0 && fx.domain.young_min == fx.domain.min_snap);
}

/* Rows that begin, end and come back on either side of the split; values in blobs. */
static void test_rows_come_and_go(void **state) {
    (void)state;
    enum { GONE = 1, LATE, BACK, LARGE, NEVER };
    put(GONE, 'g');
    put(BACK, 'b');
    actor_put(&writer, BACK, 0, FX_DELETE);
    actor_put(&writer, LARGE, 'l', 3000);
    uint64_t s = long_reader(&reader);
    put(LATE, 'x');
    pass_split();
    for (int i = 0; i < 40; i++) {
        actor_put(&writer, GONE, (uint8_t)i, i % 3 == 0 ? FX_DELETE : VALUE);
        actor_put(&writer, LATE, (uint8_t)i, i % 4 == 1 ? FX_DELETE : VALUE);
        actor_put(&writer, BACK, (uint8_t)i, i % 5 == 2 ? FX_DELETE : VALUE);
        actor_put(&writer, LARGE, (uint8_t)i, i % 2 == 0 ? VALUE : 3000);
        actor_put(&writer, NEVER, (uint8_t)i, i % 2 == 1 ? FX_DELETE : VALUE);
        if (i % 3 == 0) rounds(1);
        expect(GONE, s, 'g');
        expect(LATE, s, -1);
        expect(BACK, s, -1);
        expect(NEVER, s, -1);
        struct vst_seen seen = actor_read(&reader, LARGE, s);
        assert_true(fx_is(&seen, 'l', 3000));
    }
    vk_snapshot_release(reader.slot);
}

/* The second is above the split of the first: it holds the young versions, until it has a split of its own. */
static void test_two_long_readers(void **state) {
    (void)state;
    for (uint32_t k = 0; k < 3; k++) put(k, 'o');
    uint64_t s = long_reader(&reader);
    pass_split();
    uint64_t first_split = split();
    for (uint32_t k = 0; k < 3; k++) put(k, 'p');
    uint64_t t = vk_snapshot_register(&fx.domain, second.slot);
    for (int i = 0; i < 60; i++) {
        for (uint32_t k = 0; k < 2; k++) put(k, (uint8_t)i);
        if (i % 2 == 0) rounds(1);
        assert_true(split() == first_split && fx.domain.young_min <= t);
        for (uint32_t k = 0; k < 3; k++) {
            expect(k, s, 'o');
            expect(k, t, 'p');
        }
    }
    vk_snapshot_release(reader.slot);
    for (int i = 0; i < 60; i++) {
        for (uint32_t k = 0; k < 2; k++) put(k, (uint8_t)i);
        if (i % 2 == 0) rounds(1);
        for (uint32_t k = 0; k < 3; k++) expect(k, t, 'p');
    }
    assert_true(split() > t && fx.domain.young_min > split());
    vk_snapshot_release(second.slot);
    rounds(3);
    assert_true(split() == 0);
}

/* Where the shortcut leads nobody above the split has to look; the chain behind it is pruned like any other. */
static void test_behind_the_shortcut(void **state) {
    (void)state;
    put(1, 'o');
    uint64_t s = long_reader(&reader);
    put(1, 'a');
    pass_split();
    uint64_t t = vk_snapshot_register(&fx.domain, second.slot);
    put(1, 'b'); /* keeps 'a' for the second, and leads to 'o' */
    for (int i = 0; i < 30; i++) {
        put(1, (uint8_t)i);
        put(2, (uint8_t)i);
        rounds(2);
        expect(1, s, 'o');
        if (i < 15) expect(1, t, 'a');
        if (i == 15) vk_snapshot_release(second.slot);
    }
    vk_snapshot_release(reader.slot);
}

/* Chunks that were begun before the split hold what the long reader needs, and stay. */
static void test_old_chunks_stay(void **state) {
    (void)state;
    for (uint32_t k = 0; k < 40; k++) put(k, 'o');
    uint64_t s = vk_snapshot_register(&fx.domain, reader.slot);
    for (uint32_t k = 0; k < 40; k++) put(k, 'n'); /* into chunks that know of no split */
    long_reader(&second);
    vk_snapshot_release(second.slot);
    pass_split();
    for (int i = 0; i < 20; i++) {
        for (uint32_t k = 50; k < 60; k++) put(k, (uint8_t)i);
        rounds(1);
    }
    for (uint32_t k = 0; k < 40; k++) expect(k, s, 'o');
    vk_snapshot_release(reader.slot);
}

#ifdef VARVE_TEST_POINTS
/* --- what may happen between two steps ---------------------------------------------------------------------------- */

static struct {
    const char *point;
    bool armed;
    void (*then)(void);
} plan;

static void on_yield(void *arg, const char *point) {
    (void)arg;
    if (!plan.armed || strcmp(point, plan.point) != 0) return;
    plan.armed = false;
    plan.then();
}

static void at(const char *point, void (*then)(void)) {
    plan.point = point;
    plan.then = then;
    plan.armed = true;
    fx.domain.hooks.yield = on_yield;
}

static struct put unaware;
static uint64_t unaware_cts;
static void clock_passes(void) {
    /* Somebody has drawn a stamp above the split and has not looked at it yet. */
    fx.domain.hooks.yield = NULL;
    uint64_t drawn = fx.domain.split;
    while (fx.domain.clock < drawn) tick(1);
    vb_store_release(&fx.domain.split, 0); /* what he sees */
    unaware = (struct put){.key = 1, .fill = 'n', .size = VALUE};
    unaware_cts = actor_commit(&writer, &unaware, 1);
    assert_true(unaware_cts > drawn);
    vb_store_release(&fx.domain.split, drawn);
}

/* The clock has passed a split before the janitor looked again: it counts for nothing, and the next is drawn further ahead. */
static void test_passed_before_it_was_seen(void **state) {
    (void)state;
    put(1, 'o');
    uint64_t s = vk_snapshot_register(&fx.domain, reader.slot);
    tick(1);
    rounds(1);
    tick(1);
    rounds(1);
    while (fx.domain.long_rounds == 0) rounds(1);
    at("gc.split", clock_passes);
    rounds(1);
    expect(1, s, 'o');
    assert_true(split() == 0 && fx.domain.split == 0);
    uint64_t reach = fx.domain.split_reach;
    assert_true(reach > 1);
    for (int i = 0; i < 10; i++) {
        put(1, (uint8_t)i);
        rounds(1);
        expect(1, s, 'o');
    }
    assert_true(split() > s);
    vk_snapshot_release(reader.slot);
}

static pthread_t janitor;
static void *one_round(void *arg) {
    (void)arg;
    fx_round(&fx);
    return NULL;
}
static void twice(void) {
    fx.domain.hooks.yield = NULL;
    uint64_t cts = put(1, 'a');
    assert_true(cts > split());
    assert_int_equal(pthread_create(&janitor, NULL, one_round, NULL), 0);
    while (vb_load_acquire(&fx.domain.young_min) < cts) vos_thread_yield(); /* it waits for the reader's section */
    put(1, 'b');
}

/* Two installs above the split while a reader below it stands between the record's word and its chain: the second has cut
 * the head off. */
static void test_cut_under_a_reader(void **state) {
    (void)state;
    put(1, 'o');
    uint64_t s = long_reader(&reader);
    put(1, 'p'); /* s has to look for an older version, by the head, for the record is not above the split */
    assert_true(fx.domain.clock <= split());
    while (vb_load_relaxed(&fx.domain.clock) <= split()) tick(1);
    at("read.older", twice);
    expect(1, s, 'o');
    assert_false(plan.armed);
    pthread_join(janitor, NULL);
    expect(1, s, 'o');
    vk_snapshot_release(reader.slot);
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_only_for_long_ones),
        TEST(test_before_the_first_commit),
        TEST(test_shortcut),
        TEST(test_rows_come_and_go),
        TEST(test_two_long_readers),
        TEST(test_behind_the_shortcut),
        TEST(test_old_chunks_stay),
#ifdef VARVE_TEST_POINTS
        TEST(test_passed_before_it_was_seen),
        TEST(test_cut_under_a_reader),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
