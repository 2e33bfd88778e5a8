/* test_damage.c - files that are damaged, cut, missing, swapped, stale or misplaced.
 *
 * Four databases, one closed in order, one left by the end of the process, one left in the middle of unsynced writes,
 * one that has never had a checkpoint, are damaged in one place at a time and opened. Either the open says CORRUPT,
 * names file and place, and has written nothing; or what opens is right: every commit and table that was there, but
 * that the very last block of a log that was not closed in order may count as torn, because no later block vouches for
 * it.
 *
 * VARVE_TEST_BUDGET 8 or more: one bit at every byte; else strides, closer in headers.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/crashkit.h"

static const char script[] = "cctttatrttktcttkttstdttrtctkttttrt";
static const char young_script[] = "ccttt";

enum { FILES_MOST = 32, PATH_BYTES = 80, MODE_GROUP = 1, HANG_SECONDS = 60 };

enum { CLOSED, KILLED, TORN, YOUNG, IMAGES };
static struct image {
    const char *name;
    struct sim_disk *disk;
    struct ck_model model; /* its safe commits must be there */
} images[IMAGES] = {{.name = "closed"}, {.name = "killed"}, {.name = "torn"}, {.name = "young"}};
static struct ck_model model;
static unsigned long opened, refused;

struct files {
    unsigned count;
    char path[FILES_MOST][PATH_BYTES];
    uint64_t size[FILES_MOST];
};

static int collect(void *arg, const char *path, uint64_t size) {
    struct files *files = arg;
    if (strcmp(path, "db/LOCK") == 0) return 0;
    assert_true(files->count < FILES_MOST);
    snprintf(files->path[files->count], PATH_BYTES, "%s", path);
    files->size[files->count++] = size;
    return 0;
}

static void list(const struct sim_disk *disk, struct files *files) {
    files->count = 0;
    sim_list(disk, collect, files);
}

static bool ends_with(const char *path, const char *end) {
    size_t length = strlen(path), tail = strlen(end);
    return length >= tail && strcmp(path + length - tail, end) == 0;
}

static bool is_log(const char *path) { return ends_with(path, ".log"); }

static const char *last_log(const struct files *files) {
    const char *last = "";
    for (unsigned f = 0; f < files->count; f++)
        if (is_log(files->path[f])) last = files->path[f];
    return last;
}

static const char *name_in(const char *path) { return strrchr(path, '/') + 1; }

static uint8_t *read_whole(const struct sim_disk *disk, const char *path, uint64_t size) {
    uint8_t *bytes = malloc(size + 1);
    assert_true(bytes != NULL && sim_peek(disk, path, 0, bytes, size));
    return bytes;
}

/* --- the databases
 * ---------------------------------------------------------------------------------------------------- */

/* The remainder after an orderly close; and, where asked for, of the end of the process instead. */
static struct sim_disk *build(uint64_t seed, const char *steps, struct ck_model *with,
                              struct sim_disk **without_close) {
    struct sim_disk *disk = sim_create(seed);
    struct ck_run run;
    td_context("building");
    ck_model_init(with);
    TD_STATUS(ck_open(&run, with, disk, MODE_GROUP, "mvcc"), VARVE_OK);
    ck_play(&run, steps);
    if (without_close != NULL) *without_close = sim_reboot(disk, SIM_NOTHING, 0, 1);
    TD_STATUS(ck_close(&run), VARVE_OK);
    struct sim_disk *after = sim_reboot(disk, SIM_ALL, 0, 1);
    sim_free(disk);
    return after;
}

/* In the middle of writes that nothing has synced; what is there undamaged is what must be there. */
static void build_torn(struct image *image) {
    struct ck_run life, look;
    unsigned place[2];
    struct sim_disk *disk = sim_create(1);
    ck_model_init(&image->model);
    TD_STATUS(ck_open(&life, &image->model, disk, MODE_GROUP + 1, "mvcc"), VARVE_OK);
    ck_play(&life, script);
    ck_play(&life, "ytttttt"); /* later blocks vouch for what the sync has covered */
    unsigned safe = image->model.safe;
    image->disk = sim_reboot(disk, SIM_PREFIX, sim_choices(disk, SIM_PREFIX) / 2, 1);
    sim_crash_after(disk, 0);
    ck_close(&life);
    sim_free(disk);
    struct sim_disk *copy = sim_clone(image->disk);
    TD_STATUS(ck_open(&look, &image->model, copy, MODE_GROUP, "mvcc"), VARVE_OK);
    const char *why = ck_judge(&look, 0, &place[0], &place[1]);
    TD_CHECK(why == NULL, "%s", why);
    sim_crash_after(copy, 0);
    ck_close(&look);
    sim_free(copy);
    TD_CHECK(place[0] > safe, "nothing is there behind the last sync");
    image->model.safe = safe;
}

static int build_all(void **state) {
    (void)state;
    td_watchdog(HANG_SECONDS);
    images[CLOSED].disk = build(1, script, &images[CLOSED].model, &images[KILLED].disk);
    images[KILLED].model = images[CLOSED].model;
    images[KILLED].model.safe--; /* no later block vouches for the last one */
    build_torn(&images[TORN]);
    images[YOUNG].disk = build(3, young_script, &images[YOUNG].model, NULL);
    td_trace_clear();
    return 0;
}

static int free_all(void **state) {
    (void)state;
    for (unsigned i = 0; i < IMAGES; i++) sim_free(images[i].disk);
    td_watchdog(0);
    return 0;
}

/* --- the verdict
 * ------------------------------------------------------------------------------------------------------- */

/* Opens a damaged copy of the image, and frees it. If it opens, what was safe must be there. True: refused. */
static bool verdict(const struct image *image, struct sim_disk *disk, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool verdict(const struct image *image, struct sim_disk *disk, const char *format, ...) {
    char what[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    td_context("%s: %s", image->name, what);
    td_watchdog(HANG_SECONDS);
    struct sim_disk *before = sim_clone(disk);
    struct ck_run look;
    unsigned place[2];
    const char *why = NULL;
    model = image->model;
    int status = ck_open(&look, &model, disk, MODE_GROUP, td_schemes[(opened + refused) % TD_SCHEMES]);
    TD_CHECK(status == VARVE_OK || status == VARVE_CORRUPT, "open: %s: %s", varve_status_name(status),
             varve_db_error(look.db));
    if (status == VARVE_OK) {
        opened++;
        why = ck_judge(&look, model.safe, &place[0], &place[1]);
        TD_CHECK(why == NULL, "opened, and %s", why);
        sim_crash_after(disk, 0);
    } else {
        refused++;
        TD_CHECK(varve_db_error(look.db)[0] != '\0', "refused without a text");
        TD_CHECK(ck_same_files(before, disk, &why), "a failed open has written: %s", why);
    }
    if (getenv("VARVE_TEST_VERBOSE") != NULL && status != VARVE_OK)
        fprintf(stderr, "%s: %s: %s\n", image->name, what, varve_db_error(look.db));
    ck_close(&look);
    sim_free(before);
    sim_free(disk);
    return status != VARVE_OK;
}

/* The text names a file of the database, or the directory where one is missing. */
static void expect_place(const struct sim_disk *image, const char *path, uint64_t offset) {
    struct ck_run look;
    struct sim_disk *disk = sim_clone(image);
    sim_flip(disk, path, offset, 3);
    if (ck_open(&look, &model, disk, MODE_GROUP, "mvcc") == VARVE_CORRUPT) {
        const char *text = varve_db_error(look.db);
        TD_CHECK(strstr(text, name_in(path)) != NULL && strstr(text, " at ") != NULL,
                 "the text names neither %s nor a place: %s", name_in(path), text);
    } else {
        sim_crash_after(disk, 0);
    }
    ck_close(&look);
    sim_free(disk);
}

/* The closest step at which a byte of this file is tried. */
static uint64_t stride(uint64_t offset) {
    if (ck_budget(1) >= 8) return 1;
    return offset < 256 || offset % SIM_SECTOR < 96 ? 5 : 37;
}

static void report(const char *what) {
    print_message("%s: %lu opened right, %lu refused\n", what, opened, refused);
    opened = refused = 0;
}

/* --- tests
 * --------------------------------------------------------------------------------------------------------------- */

static void a_flipped_bit_is_found_or_harmless(void **state) {
    (void)state;
    struct files files;
    for (unsigned i = 0; i < IMAGES; i++) {
        list(images[i].disk, &files);
        for (unsigned f = 0; f < files.count; f++) {
            for (uint64_t at = f; at < files.size[f]; at += stride(at)) {
                struct sim_disk *disk = sim_clone(images[i].disk);
                sim_flip(disk, files.path[f], at, (unsigned)(at * 5 / 3));
                if (verdict(&images[i], disk, "bit %u of byte %llu of %s flipped", (unsigned)(at * 5 / 3) % 8,
                            (unsigned long long)at, files.path[f]) &&
                    at % 5 == 0)
                    expect_place(images[i].disk, files.path[f], at);
            }
        }
    }
    assert_true(opened > 100 && refused > 100);
    report("flips");
}

static void a_cut_file_is_found_or_harmless(void **state) {
    (void)state;
    struct files files;
    for (unsigned i = 0; i < IMAGES; i++) {
        list(images[i].disk, &files);
        for (unsigned f = 0; f < files.count; f++) {
            uint64_t step = ck_budget(1) >= 8 ? 7 : 131;
            for (uint64_t size = 0; size < files.size[f]; size += step) {
                struct sim_disk *disk = sim_clone(images[i].disk);
                sim_resize(disk, files.path[f], size);
                verdict(&images[i], disk, "%s cut to %llu of %llu bytes", files.path[f], (unsigned long long)size,
                        (unsigned long long)files.size[f]);
            }
            for (unsigned more = 1; more <= 4096; more *= 16) {
                struct sim_disk *disk = sim_clone(images[i].disk);
                sim_resize(disk, files.path[f], files.size[f] + more);
                verdict(&images[i], disk, "%s with %u zero bytes more", files.path[f], more);
            }
        }
    }
    assert_true(refused > 50);
    report("cuts");
}

static void a_missing_file_is_found(void **state) {
    (void)state;
    struct files files;
    for (unsigned i = 0; i < IMAGES; i++) {
        list(images[i].disk, &files);
        for (unsigned f = 0; f < files.count; f++) {
            struct sim_disk *disk = sim_clone(images[i].disk);
            sim_delete(disk, files.path[f]);
            verdict(&images[i], disk, "%s deleted", files.path[f]);
        }
    }
    assert_true(refused > 5);
    report("deleted files");
}

/* A write that went to another place, or never happened. */
static void a_misplaced_or_lost_sector_is_found(void **state) {
    (void)state;
    struct files files;
    static const uint8_t zeros[SIM_SECTOR];
    struct td_random random = {td_seed()};
    unsigned rounds = ck_budget(40);
    for (unsigned i = 0; i < IMAGES; i++) {
        list(images[i].disk, &files);
        for (unsigned f = 0; f < files.count; f++) {
            uint64_t sectors = files.size[f] / SIM_SECTOR;
            for (uint64_t at = 0; at < sectors; at++) {
                struct sim_disk *disk = sim_clone(images[i].disk);
                sim_poke(disk, files.path[f], at * SIM_SECTOR, zeros, SIM_SECTOR);
                verdict(&images[i], disk, "sector %llu of %s zeroed", (unsigned long long)at, files.path[f]);
            }
            for (unsigned n = 0; n < rounds && sectors != 0; n++) {
                uint8_t sector[SIM_SECTOR];
                unsigned g = (unsigned)td_below(&random, files.count);
                uint64_t to = td_below(&random, sectors), theirs = files.size[g] / SIM_SECTOR;
                uint64_t from = td_below(&random, theirs + (theirs == 0));
                struct sim_disk *disk = sim_clone(images[i].disk);
                if (sim_peek(disk, files.path[g], from * SIM_SECTOR, sector, SIM_SECTOR))
                    sim_poke(disk, files.path[f], to * SIM_SECTOR, sector, SIM_SECTOR);
                verdict(&images[i], disk, "sector %llu of %s written over sector %llu of %s", (unsigned long long)from,
                        files.path[g], (unsigned long long)to, files.path[f]);
            }
        }
    }
    assert_true(refused > 50);
    report("misplaced sectors");
}

static void files_of_another_database_are_refused(void **state) {
    (void)state;
    static struct ck_model unused;
    struct files files, theirs;
    struct sim_disk *other[IMAGES] = {NULL};
    other[CLOSED] = build(2, script, &unused, &other[KILLED]);
    other[YOUNG] = build(4, young_script, &unused, NULL);
    for (unsigned i = 0; i < IMAGES; i++) {
        const struct sim_disk *from = other[i];
        if (from == NULL) continue;
        list(images[i].disk, &files);
        list(from, &theirs);
        for (unsigned f = 0; f < files.count; f++) {
            for (unsigned g = 0; g < theirs.count; g++) {
                if (strcmp(name_in(files.path[f]), name_in(theirs.path[g])) != 0) continue;
                struct sim_disk *disk = sim_clone(images[i].disk);
                uint8_t *bytes = read_whole(from, theirs.path[g], theirs.size[g]);
                sim_put(disk, files.path[f], bytes, theirs.size[g]);
                free(bytes);
                bool said = verdict(&images[i], disk, "%s of another database", files.path[f]);
                TD_CHECK(said || ends_with(files.path[f], ".new"), "accepted");
            }
        }
    }
    sim_free(other[CLOSED]);
    sim_free(other[KILLED]);
    sim_free(other[YOUNG]);
    assert_true(refused > 5);
    report("another's files");
}

static void swapped_files_are_refused(void **state) {
    (void)state;
    struct files files;
    for (unsigned i = 0; i < IMAGES; i++) {
        list(images[i].disk, &files);
        for (unsigned f = 0; f < files.count; f++) {
            for (unsigned g = f + 1; g < files.count; g++) {
                struct sim_disk *disk = sim_clone(images[i].disk);
                sim_move(disk, files.path[f], "db/other");
                sim_move(disk, files.path[g], files.path[f]);
                sim_move(disk, "db/other", files.path[g]);
                bool said = verdict(&images[i], disk, "%s and %s swapped", files.path[f], files.path[g]);
                TD_CHECK(said || ends_with(files.path[f], ".new"), "accepted");
            }
        }
    }
    assert_true(refused > 5);
    report("swapped files");
}

/* Files as they were earlier in the same database's life. A stale last segment or manifest is an older state that
 * nothing on the disk contradicts; everything else must be found, or ignored where it does not count any more. */
static void stale_files_are_found_or_ignored(void **state) {
    static const char *const earlier[] = {"cct", "cctttatrtt", "cctttatrttkt", "cctttatrttktcttktts",
                                          "cctttatrttktcttkttstdttrtct"};
    static struct ck_model unused;
    (void)state;
    struct files old, now;
    for (unsigned e = 0; e < sizeof earlier / sizeof *earlier; e++) {
        struct sim_disk *before, *closed = build(1, earlier[e], &unused, &before);
        list(before, &old);
        list(images[KILLED].disk, &now);
        for (unsigned f = 0; f < old.count; f++) {
            bool last = strcmp(old.path[f], last_log(&now)) == 0, manifest = ends_with(old.path[f], "manifest");
            static struct image stale;
            stale = images[KILLED];
            uint8_t *bytes = read_whole(before, old.path[f], old.size[f]);
            struct sim_disk *disk = sim_clone(stale.disk);
            sim_put(disk, old.path[f], bytes, old.size[f]);
            free(bytes);
            if (manifest) stale.model.catalogue_safe = 0;
            stale.model.safe = last || manifest ? 0 : stale.model.acked;
            verdict(&stale, disk, "%s as it was after \"%s\"", old.path[f], earlier[e]);
        }
        sim_free(before);
        sim_free(closed);
    }
    assert_true(opened + refused > 8);
    report("stale files");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_is_found_or_harmless),
        cmocka_unit_test(a_cut_file_is_found_or_harmless),
        cmocka_unit_test(a_missing_file_is_found),
        cmocka_unit_test(a_misplaced_or_lost_sector_is_found),
        cmocka_unit_test(files_of_another_database_are_refused),
        cmocka_unit_test(swapped_files_are_refused),
        cmocka_unit_test(stale_files_are_found_or_ignored),
    };
    return cmocka_run_group_tests(tests, build_all, free_all);
}
