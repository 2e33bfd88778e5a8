/* test_manifest_crash.c - the power goes at every operation of a manifest's life, and again while it is opened: every
 * edit that was acknowledged is there, in order, and each is whole or not there at all.
 *
 * SPDX-License-Identifier: MIT
 */
#include "runs/manifest_int.h"

#include "runs_fixture.h"

enum { EDITS = 14 };
static const struct vrn_manifest_limits tiny = {.rewrite_bytes = 28 << 10, .grow_bytes = 4096};

/* Edit i: run i takes the place of run i - 1, the cut becomes i, and table i appears. */
static int edit_number(struct vrn_manifest *manifest, uint64_t i, struct vk_detail *detail) {
    static char rule[] = "n key_bytes 1 2";
    char *rules[] = {rule};
    uint64_t before = i - 1;
    struct vrn_facts facts = {.file_id = i, .bytes = i};
    struct vrn_table table = {.id = (uint32_t)i, .rules = rules, .rule_count = 1};
    snprintf(table.name, sizeof(table.name), "table%u", (unsigned)i);
    struct vrn_edit edit = {.add_runs = &facts, .add_run_count = 1, .drop_files = &before, .drop_file_count = i > 1,
                            .set_cut = true, .cut_cts = i, .table = &table};
    return vrn_manifest_edit(manifest, &edit, detail);
}

/* The number of the last edit, having checked that the state is exactly what the edits up to it make. */
static uint64_t check_whole(const struct vrn_manifest *manifest) {
    const struct vrn_facts *runs;
    const struct vrn_table *tables;
    uint64_t first, cut = vrn_manifest_cut(manifest, &first);
    assert_int_equal(vrn_manifest_runs(manifest, &runs), cut != 0);
    if (cut != 0) assert_int_equal(runs[0].file_id, cut);
    assert_int_equal(vrn_manifest_tables(manifest, &tables), cut);
    for (size_t i = 0; i < cut; i++) assert_int_equal(tables[i].id, i + 1);
    return cut;
}

/* Opens what there is (or makes it anew), settles it, and goes on until the power goes. Returns the highest edit that
 * was acknowledged, and never less than `acknowledged` unless something was lost. */
static uint64_t live(struct fixture *fixture, uint64_t acknowledged, uint64_t *attempted, bool *created) {
    struct vrn_manifest *manifest = NULL;
    int status = vrn_manifest_open_with(&fixture->config, &tiny, &manifest, &fixture->detail);
    if (status == VARVE_IO && sim_power_is_off(fixture->disk)) return acknowledged;
    if (status == VARVE_NOTFOUND) {
        assert_false(*created); /* it was there once */
        status = vrn_manifest_create_with(&fixture->config, &tiny, &manifest, &fixture->detail);
        if (status == VARVE_OK) *created = true;
    }
    if (status != VARVE_OK) {
        if (!sim_power_is_off(fixture->disk)) fail_msg("open: %s", fixture->detail.text);
        return acknowledged;
    }
    uint64_t cut = check_whole(manifest);
    assert_true(cut >= acknowledged && cut <= *attempted);
    if (vrn_manifest_check_vouched(manifest, 0, &fixture->detail) == VARVE_OK) {
        acknowledged = cut;
        for (uint64_t i = cut + 1; i <= EDITS; i++) {
            if (i > *attempted) *attempted = i;
            if (edit_number(manifest, i, &fixture->detail) != VARVE_OK) break;
            acknowledged = i;
        }
    }
    vrn_manifest_close(manifest);
    return acknowledged;
}

static uint64_t operations_of_a_life(void) {
    struct fixture fixture;
    fixture_open(&fixture, sim_create(1));
    uint64_t attempted = 0;
    bool created = false;
    assert_int_equal(live(&fixture, 0, &attempted, &created), EDITS);
    uint64_t ops = sim_ops(fixture.disk);
    fixture_close(&fixture);
    return ops;
}

struct outcome {
    uint64_t acknowledged, attempted;
    bool created;
};

static struct outcome crashed_life(struct fixture *fixture, uint64_t after, struct outcome before) {
    sim_crash_after(fixture->disk, sim_ops(fixture->disk) + after);
    before.acknowledged = live(fixture, before.acknowledged, &before.attempted, &before.created);
    return before;
}

/* Reboots with every choice of a policy (at most `choices_max`, spread evenly) and calls fn on each new disk. */
static void each_reboot(const struct sim_disk *disk, unsigned choices_max,
                        void (*fn)(struct sim_disk *disk, struct outcome outcome), struct outcome outcome) {
    for (unsigned policy = 0; policy < SIM_POLICIES; policy++) {
        unsigned choices = sim_choices(disk, (enum sim_policy)policy);
        unsigned step = choices > choices_max ? choices / choices_max : 1;
        for (unsigned choice = 0; choice < choices; choice += step)
            fn(sim_reboot(disk, (enum sim_policy)policy, choice, 7 + choice), outcome);
    }
}

static uint64_t lives;

static void check_and_finish(struct sim_disk *disk, struct outcome outcome) {
    struct fixture fixture;
    fixture_open(&fixture, disk);
    assert_int_equal(live(&fixture, outcome.acknowledged, &outcome.attempted, &outcome.created), EDITS);
    lives++;
    fixture_close(&fixture);
}

static void crash__at_every_operation(void **state) {
    (void)state;
    uint64_t ops = operations_of_a_life();
    lives = 0;
    for (uint64_t n = 1; n <= ops; n++) {
        struct fixture fixture;
        fixture_open(&fixture, sim_create(1));
        struct outcome outcome = crashed_life(&fixture, n, (struct outcome){0, 0, false});
        each_reboot(fixture.disk, 1000, check_and_finish, outcome);
        fixture_close(&fixture);
    }
    printf("%llu operations, %llu lives\n", (unsigned long long)ops, (unsigned long long)lives);
    assert_true(lives > ops * 8);
}

/* The second life ends within its first operations, where it opens and settles. */
static void crash_again(struct sim_disk *disk, struct outcome outcome) {
    for (uint64_t n = 0; n <= 8; n += 2) {
        struct fixture fixture;
        fixture_open(&fixture, sim_clone(disk));
        struct outcome second = crashed_life(&fixture, n, outcome);
        each_reboot(fixture.disk, 3, check_and_finish, second);
        fixture_close(&fixture);
    }
    sim_free(disk);
}

static void crash__again_while_opening(void **state) {
    (void)state;
    uint64_t ops = operations_of_a_life();
    lives = 0;
    for (uint64_t n = 2; n <= ops; n += 5) {
        struct fixture fixture;
        fixture_open(&fixture, sim_create(1));
        struct outcome outcome = crashed_life(&fixture, n, (struct outcome){0, 0, false});
        each_reboot(fixture.disk, 3, crash_again, outcome);
        fixture_close(&fixture);
    }
    printf("%llu lives\n", (unsigned long long)lives);
}

/* A device that says it has synced and has not: an edit that a log segment vouches for and that is gone is told. */
static void crash__lost_sync_is_told_by_a_voucher(void **state) {
    (void)state;
    struct fixture fixture, after;
    fixture_open(&fixture, sim_create(1));
    struct vrn_manifest *manifest;
    assert_int_equal(vrn_manifest_create_with(&fixture.config, &tiny, &manifest, &fixture.detail), VARVE_OK);
    assert_int_equal(edit_number(manifest, 1, &fixture.detail), VARVE_OK);
    sim_fail_at(fixture.disk, sim_ops(fixture.disk) + 1, VARVE_OK, true);
    assert_int_equal(edit_number(manifest, 2, &fixture.detail), VARVE_OK);
    uint64_t vouched = vrn_manifest_sequence(manifest);
    vrn_manifest_close(manifest);
    fixture_open(&after, sim_reboot(fixture.disk, SIM_ALL, 0, 1));
    assert_int_equal(vrn_manifest_open_with(&after.config, &tiny, &manifest, &after.detail), VARVE_OK);
    assert_int_equal(vrn_manifest_check_vouched(manifest, vouched, &after.detail), VARVE_CORRUPT);
    assert_non_null(strstr(after.detail.text, "manifest at "));
    vrn_manifest_close(manifest);
    fixture_close(&after);
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash__at_every_operation),
        cmocka_unit_test(crash__again_while_opening),
        cmocka_unit_test(crash__lost_sync_is_told_by_a_voucher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
