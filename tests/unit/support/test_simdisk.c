/* test_simdisk.c - the simulated disk against expectations worked out by hand: what each policy leaves, what faults do.
 *
 * SPDX-License-Identifier: MIT
 */
#include "support/simdisk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sim_disk *disk;
static struct vos *os;
static struct vos_dir *dir;
static struct vos_file *file;
static struct vos_error error;

static int setup(void **state) {
    (void)state;
    disk = sim_create(1);
    os = sim_os(disk);
    file = NULL;
    return os->ops->dir_open(os, "db/", true, 0600, &dir, &error);
}

static int teardown(void **state) {
    (void)state;
    if (file != NULL) os->ops->file_close(file, NULL);
    os->ops->dir_close(dir);
    sim_free(disk);
    return 0;
}

static struct vos_file *open_file(const char *name, unsigned flags) {
    struct vos_file *opened = NULL;
    assert_int_equal(os->ops->file_open(dir, name, flags, 0600, &opened, &error), VARVE_OK);
    return opened;
}

/* `count` sectors filled with `byte`, from sector `at` on. */
static int write_sectors(uint64_t at, unsigned count, char byte) {
    static char data[SIM_SECTOR * 64];
    memset(data, byte, count * SIM_SECTOR);
    return os->ops->file_write(file, at * SIM_SECTOR, data, count * SIM_SECTOR, &error);
}

/* One letter per sector: its byte, '.' for zero, '?' for anything mixed. "-" when there is no such file. */
static const char *sectors(const struct sim_disk *of, const char *path) {
    static char text[80];
    uint64_t size;
    if (!sim_file_size(of, path, &size)) return "-";
    size_t count = (size_t)((size + SIM_SECTOR - 1) / SIM_SECTOR);
    for (size_t i = 0; i < count; i++) {
        char data[SIM_SECTOR];
        size_t there = size - i * SIM_SECTOR < SIM_SECTOR ? (size_t)(size - i * SIM_SECTOR) : SIM_SECTOR;
        assert_true(sim_peek(of, path, i * SIM_SECTOR, data, there));
        text[i] = data[0] == '\0' ? '.' : data[0];
        for (size_t k = 1; k < there; k++)
            if (data[k] != data[0]) text[i] = '?';
    }
    text[count] = '\0';
    return text;
}

static void after_reboot(enum sim_policy policy, unsigned choice, const char *path, const char *expected) {
    struct sim_disk *after = sim_reboot(disk, policy, choice, 7);
    assert_string_equal(sectors(after, path), expected);
    assert_int_equal(sim_pending(after), 0);
    sim_free(after);
}

/* File "a" with sectors "ABC" durable. */
static void make_abc(void) {
    file = open_file("a", VOS_CREATE);
    assert_int_equal(write_sectors(0, 1, 'A'), VARVE_OK);
    assert_int_equal(write_sectors(1, 1, 'B'), VARVE_OK);
    assert_int_equal(write_sectors(2, 1, 'C'), VARVE_OK);
    assert_int_equal(os->ops->file_sync(file, &error), VARVE_OK);
    assert_int_equal(os->ops->dir_sync(dir, &error), VARVE_OK);
    assert_int_equal(sim_pending(disk), 0);
}

static void sim__is_a_file_system(void **state) {
    (void)state;
    char data[1200] = "";
    size_t got;
    uint64_t size;
    file = open_file("a", VOS_CREATE);
    assert_int_equal(os->ops->file_write(file, 1000, "hello", 5, &error), VARVE_OK);
    assert_int_equal(os->ops->file_size(file, &size, &error), VARVE_OK);
    assert_int_equal(size, 1005);
    assert_int_equal(os->ops->file_read(file, 998, data, sizeof(data), &got, &error), VARVE_OK);
    assert_int_equal(got, 7);
    assert_memory_equal(data, "\0\0hello", 7);
    assert_int_equal(os->ops->file_read(file, 5000, data, 10, &got, &error), VARVE_OK);
    assert_int_equal(got, 0);
    assert_int_equal(os->ops->file_truncate(file, 1002, &error), VARVE_OK);
    assert_int_equal(os->ops->file_truncate(file, 1004, &error), VARVE_OK);
    assert_int_equal(os->ops->file_read(file, 1000, data, 10, &got, &error), VARVE_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(data, "he\0\0", 4);
    assert_int_equal(os->ops->file_allocate(file, 1000, &error), VARVE_OK);
    assert_int_equal(os->ops->file_allocate(file, 1006, &error), VARVE_OK);
    assert_int_equal(os->ops->file_size(file, &size, &error), VARVE_OK);
    assert_int_equal(size, 1006);
    assert_int_equal(os->ops->file_truncate(file, 1004, &error), VARVE_OK);
    struct vos_file *other = NULL;
    assert_int_equal(os->ops->file_open(dir, "a", VOS_CREATE, 0600, &other, &error), VARVE_EXISTS);
    assert_int_equal(os->ops->file_open(dir, "b", VOS_WRITE, 0600, &other, &error), VARVE_NOTFOUND);
    assert_int_equal(os->ops->file_open(dir, "x/y", VOS_CREATE, 0600, &other, &error), VARVE_INVALID);
    other = open_file("a", VOS_READ);
    assert_int_equal(os->ops->file_write(other, 0, "x", 1, &error), VARVE_IO);
    assert_int_equal(os->ops->dir_rename(dir, "a", "b", &error), VARVE_OK);
    assert_int_equal(os->ops->dir_rename(dir, "a", "b", &error), VARVE_NOTFOUND);
    assert_int_equal(os->ops->dir_remove(dir, "b", &error), VARVE_OK);
    assert_int_equal(os->ops->dir_remove(dir, "b", &error), VARVE_NOTFOUND);
    assert_int_equal(os->ops->file_read(other, 1000, data, 2, &got, &error), VARVE_OK); /* the handle still reads */
    assert_memory_equal(data, "he", 2);
    os->ops->file_close(other, NULL);
    struct vos_dir *absent = NULL;
    assert_int_equal(os->ops->dir_open(os, "nowhere", false, 0600, &absent, &error), VARVE_NOTFOUND);
    assert_int_equal(os->ops->dir_open(os, "db", false, 0600, &absent, &error), VARVE_OK);
    os->ops->dir_close(absent);
}

static void sim__counts_what_can_be_cut(void **state) {
    (void)state;
    assert_int_equal(sim_ops(disk), 0);
    file = open_file("a", VOS_CREATE);                                     /* 1 */
    write_sectors(0, 3, 'A');                                              /* 2 */
    os->ops->file_truncate(file, 100, &error);                             /* 3 */
    os->ops->file_sync(file, &error);                                      /* 4 */
    os->ops->dir_rename(dir, "a", "b", &error);                            /* 5 */
    os->ops->dir_sync(dir, &error);                                        /* 6 */
    os->ops->dir_remove(dir, "b", &error);                                 /* 7 */
    assert_int_equal(os->ops->file_write(file, 0, "", 0, &error), VARVE_OK); /* nothing to do is not counted */
    assert_int_equal(os->ops->dir_remove(dir, "b", &error), VARVE_NOTFOUND);
    assert_int_equal(sim_ops(disk), 7);
    assert_int_equal(sim_syncs(disk), 1);
}

/* "ABC" durable; then X over B, and two sectors YY appended: pending are sector 1 = X, the size, sectors 3 and 4. */
static void policies__of_data(void **state) {
    (void)state;
    make_abc();
    write_sectors(1, 1, 'X');
    write_sectors(3, 2, 'Y');
    assert_string_equal(sectors(disk, "db/a"), "AXCYY");
    assert_int_equal(sim_pending(disk), 4);
    after_reboot(SIM_NOTHING, 0, "db/a", "ABC");
    after_reboot(SIM_ALL, 0, "db/a", "AXCYY");
    assert_int_equal(sim_choices(disk, SIM_PREFIX), 5);
    const char *const prefixes[] = {"ABC", "AXC", "AXC..", "AXCY.", "AXCYY"};
    for (unsigned i = 0; i < 5; i++)
        after_reboot(SIM_PREFIX, i, "db/a", prefixes[i]);
    assert_int_equal(sim_choices(disk, SIM_ALL_BUT_ONE), 4);
    const char *const all_but[] = {"ABCYY", "AXC", "AXC.Y", "AXCY."}; /* without the size the new ones are not seen */
    for (unsigned i = 0; i < 4; i++)
        after_reboot(SIM_ALL_BUT_ONE, i, "db/a", all_but[i]);
    assert_int_equal(sim_choices(disk, SIM_EXACTLY_ONE), 4);
    const char *const only[] = {"AXC", "ABC..", "ABC", "ABC"};
    for (unsigned i = 0; i < 4; i++)
        after_reboot(SIM_EXACTLY_ONE, i, "db/a", only[i]);
    const char *const skew[] = {"ABC..", "AXC", "AXCYY"};
    for (unsigned i = 0; i < 3; i++)
        after_reboot(SIM_METADATA_SKEW, i, "db/a", skew[i]);
    assert_int_equal(sim_choices(disk, SIM_BOUNDARY), 12);
    const char *const boundary[] = {"ABC",   "AXC",   "A.C",   "A?C",   "AXC..", "AXCY.",
                                    "AXC..", "AXC?.", "AXCY.", "AXCYY", "AXCY.", "AXCY?"};
    for (unsigned i = 0; i < 12; i++)
        after_reboot(SIM_BOUNDARY, i, "db/a", boundary[i]);
}

static void policies__random_subsets(void **state) {
    (void)state;
    make_abc();
    write_sectors(0, 3, 'X');
    write_sectors(1, 1, 'Y'); /* the same sector twice: the later one wins, or the earlier one alone survives */
    bool seen[3][256] = {{false}};
    for (unsigned choice = 0; choice < 300; choice++) {
        struct sim_disk *after = sim_reboot(disk, SIM_RANDOM, choice, 99), *again;
        char text[8];
        strcpy(text, sectors(after, "db/a"));
        assert_int_equal(strlen(text), 3);
        for (int i = 0; i < 3; i++)
            seen[i][(unsigned char)text[i]] = true;
        again = sim_reboot(disk, SIM_RANDOM, choice, 99);
        assert_string_equal(sectors(again, "db/a"), text);
        sim_free(after);
        sim_free(again);
    }
    assert_true(seen[0]['A'] && seen[0]['X'] && seen[2]['C'] && seen[2]['X']);
    assert_true(seen[1]['B'] && seen[1]['X'] && seen[1]['Y']);
    assert_false(seen[0]['B'] || seen[1]['A'] || seen[0]['.'] || seen[0]['?']);
}

/* Sector writes carry what the page cache held: an append within a sector brings the bytes before it along. */
static void policies__sectors_are_whole(void **state) {
    (void)state;
    file = open_file("a", VOS_CREATE);
    os->ops->dir_sync(dir, &error);
    os->ops->file_write(file, 0, "first", 5, &error);
    os->ops->file_write(file, 5, "second", 6, &error);
    assert_int_equal(sim_pending(disk), 4); /* size, sector, size, sector */
    struct sim_disk *after = sim_reboot(disk, SIM_ALL_BUT_ONE, 1, 7);
    char data[11];
    assert_true(sim_peek(after, "db/a", 0, data, 11));
    assert_memory_equal(data, "firstsecond", 11);
    sim_free(after);
    after = sim_reboot(disk, SIM_PREFIX, 2, 7);
    uint64_t size;
    assert_true(sim_file_size(after, "db/a", &size));
    assert_int_equal(size, 5);
    sim_free(after);
}

static void policies__sizes(void **state) {
    (void)state;
    make_abc();
    os->ops->file_truncate(file, SIM_SECTOR, &error);
    os->ops->file_truncate(file, 3 * SIM_SECTOR, &error);
    assert_string_equal(sectors(disk, "db/a"), "A..");
    after_reboot(SIM_NOTHING, 0, "db/a", "ABC");
    after_reboot(SIM_PREFIX, 1, "db/a", "A");
    after_reboot(SIM_PREFIX, 2, "db/a", "A.."); /* what was cut off does not come back */
    os->ops->file_truncate(file, 100, &error);
    os->ops->file_sync(file, &error);
    os->ops->file_truncate(file, 600, &error);
    os->ops->file_sync(file, &error);
    after_reboot(SIM_NOTHING, 0, "db/a", "?.");
}

static void policies__names(void **state) {
    (void)state;
    make_abc();
    struct vos_file *fresh = open_file("t", VOS_CREATE); /* 0: create t */
    os->ops->file_write(fresh, 0, "T", 1, &error);       /* 1, 2: size and sector */
    os->ops->file_sync(fresh, &error);                   /* ... durable, but the name is not */
    os->ops->file_close(fresh, NULL);
    os->ops->dir_rename(dir, "t", "a", &error); /* 1: rename t to a */
    assert_int_equal(sim_pending(disk), 2);
    assert_string_equal(sectors(disk, "db/a"), "T");
    assert_string_equal(sectors(disk, "db/t"), "-");
    after_reboot(SIM_NOTHING, 0, "db/a", "ABC");
    after_reboot(SIM_NOTHING, 0, "db/t", "-");
    after_reboot(SIM_PREFIX, 1, "db/a", "ABC");
    after_reboot(SIM_PREFIX, 1, "db/t", "T");
    after_reboot(SIM_ALL, 0, "db/a", "T");
    after_reboot(SIM_ALL, 0, "db/t", "-");
    after_reboot(SIM_EXACTLY_ONE, 1, "db/a", "T"); /* the rename alone */
    os->ops->dir_remove(dir, "a", &error);
    after_reboot(SIM_NOTHING, 0, "db/a", "ABC");
    after_reboot(SIM_EXACTLY_ONE, 2, "db/a", "-");
    assert_int_equal(os->ops->dir_sync(dir, &error), VARVE_OK);
    after_reboot(SIM_NOTHING, 0, "db/a", "-");
}

/* A rename that is durable before the bytes are: the classic empty file. */
static void policies__rename_without_content(void **state) {
    (void)state;
    struct vos_file *fresh = open_file("t", VOS_CREATE);
    os->ops->file_write(fresh, 0, "T", 1, &error);
    os->ops->file_close(fresh, NULL);
    os->ops->dir_rename(dir, "t", "a", &error);
    os->ops->dir_sync(dir, &error);
    assert_int_equal(sim_pending(disk), 2);
    after_reboot(SIM_NOTHING, 0, "db/a", "");
    after_reboot(SIM_METADATA_SKEW, 0, "db/a", ".");
    after_reboot(SIM_ALL, 0, "db/a", "T");
}

static void sync__covers_its_own_file_only(void **state) {
    (void)state;
    file = open_file("a", VOS_CREATE);
    struct vos_file *other = open_file("b", VOS_CREATE);
    os->ops->file_write(file, 0, "A", 1, &error);
    os->ops->file_write(other, 0, "B", 1, &error);
    os->ops->file_sync(file, &error);
    after_reboot(SIM_NOTHING, 0, "db/a", "-"); /* the bytes are durable, the name is not */
    os->ops->dir_sync(dir, &error);
    after_reboot(SIM_NOTHING, 0, "db/a", "A");
    after_reboot(SIM_NOTHING, 0, "db/b", "");
    os->ops->file_close(other, NULL);
}

/* Bytes of a file whose name is gone for good are no longer part of what may survive. */
static void sync__forgets_removed_files(void **state) {
    (void)state;
    make_abc();
    write_sectors(0, 3, 'X');
    os->ops->dir_remove(dir, "a", &error);
    os->ops->dir_sync(dir, &error);
    assert_int_equal(sim_pending(disk), 3); /* the handle still holds it */
    os->ops->file_close(file, NULL);
    file = NULL;
    assert_int_equal(sim_pending(disk), 0);
    assert_int_equal(sim_used_bytes(disk), 0);
}

static void crash__cuts_after_the_nth(void **state) {
    (void)state;
    make_abc(); /* 6 operations: create, 3 writes, file sync, directory sync */
    assert_int_equal(sim_ops(disk), 6);
    sim_crash_after(disk, 8);
    assert_int_equal(write_sectors(0, 1, 'X'), VARVE_OK);
    assert_false(sim_power_is_off(disk));
    assert_int_equal(write_sectors(1, 1, 'Y'), VARVE_OK); /* the eighth is done */
    assert_true(sim_power_is_off(disk));
    assert_int_equal(write_sectors(2, 1, 'Z'), VARVE_IO);
    assert_int_equal(os->ops->file_sync(file, &error), VARVE_IO);
    assert_int_equal(os->ops->dir_sync(dir, &error), VARVE_IO);
    assert_int_equal(os->ops->dir_remove(dir, "a", &error), VARVE_IO);
    char byte;
    size_t got;
    uint64_t size;
    struct vos_file *other = NULL;
    assert_int_equal(os->ops->file_read(file, 0, &byte, 1, &got, &error), VARVE_IO);
    assert_int_equal(os->ops->file_size(file, &size, &error), VARVE_IO);
    assert_int_equal(os->ops->file_open(dir, "a", VOS_READ, 0600, &other, &error), VARVE_IO);
    assert_int_equal(os->ops->file_close(file, &error), VARVE_IO);
    file = NULL;
    assert_int_equal(sim_ops(disk), 8);
    after_reboot(SIM_NOTHING, 0, "db/a", "ABC");
    after_reboot(SIM_ALL, 0, "db/a", "XYC");
    struct sim_disk *after = sim_reboot(disk, SIM_ALL, 0, 1);
    sim_crash_after(after, 0);
    assert_true(sim_power_is_off(after));
    sim_free(after);
}

static void faults__fail_and_count(void **state) {
    (void)state;
    make_abc();
    sim_fail_at(disk, 7, VARVE_IO, false);
    sim_fail_at(disk, 9, VARVE_FULL, true);
    assert_int_equal(write_sectors(0, 3, 'X'), VARVE_IO); /* 7: some of it is written, never all */
    assert_true(sectors(disk, "db/a")[2] == 'C');
    assert_int_equal(write_sectors(0, 1, 'X'), VARVE_OK);                        /* 8 */
    assert_int_equal(write_sectors(5, 1, 'X'), VARVE_FULL);                      /* 9 */
    assert_int_equal(os->ops->file_truncate(file, 10000, &error), VARVE_FULL);   /* 10 */
    struct vos_file *other = NULL;
    assert_int_equal(os->ops->file_open(dir, "b", VOS_CREATE, 0600, &other, &error), VARVE_FULL);
    assert_int_equal(os->ops->dir_rename(dir, "a", "b", &error), VARVE_FULL);
    assert_int_equal(os->ops->dir_remove(dir, "a", &error), VARVE_OK); /* a full disk lets go */
    sim_fail_clear(disk);
    assert_int_equal(write_sectors(5, 1, 'X'), VARVE_OK);
    sim_fail_read_at(disk, sim_reads(disk) + 2, VARVE_IO, false);
    char byte;
    size_t got;
    assert_int_equal(os->ops->file_read(file, 0, &byte, 1, &got, &error), VARVE_OK);
    assert_int_equal(os->ops->file_read(file, 0, &byte, 1, &got, &error), VARVE_IO);
    assert_int_equal(os->ops->file_read(file, 0, &byte, 1, &got, &error), VARVE_OK);
}

/* After a failed sync the next one succeeds and the bytes are gone all the same: who retries loses. */
static void faults__a_failed_sync_is_for_ever(void **state) {
    (void)state;
    make_abc();
    write_sectors(1, 1, 'X');
    write_sectors(3, 1, 'Y');
    sim_fail_at(disk, sim_ops(disk) + 1, VARVE_IO, false);
    assert_int_equal(os->ops->file_sync(file, &error), VARVE_IO);
    assert_string_equal(sectors(disk, "db/a"), "AXCY");
    assert_int_equal(os->ops->file_sync(file, &error), VARVE_OK);
    assert_string_equal(sectors(disk, "db/a"), "AXCY");
    after_reboot(SIM_ALL, 0, "db/a", "ABC."); /* the size reached the disk with the second */
    write_sectors(1, 1, 'Z');                  /* written again it is dirty again */
    assert_int_equal(os->ops->file_sync(file, &error), VARVE_OK);
    after_reboot(SIM_NOTHING, 0, "db/a", "AZC.");
}

static void faults__a_failed_sync_that_reverts(void **state) {
    (void)state;
    make_abc();
    sim_set_sync_failure(disk, SIM_SYNC_REVERTS);
    write_sectors(1, 1, 'X');
    write_sectors(3, 1, 'Y');
    sim_fail_at(disk, sim_ops(disk) + 1, VARVE_IO, false);
    assert_int_equal(os->ops->file_sync(file, &error), VARVE_IO);
    assert_string_equal(sectors(disk, "db/a"), "ABC.");
    sim_set_sync_failure(disk, SIM_SYNC_DROPS_SOME);
    write_sectors(0, 32, 'Z');
    sim_fail_at(disk, sim_ops(disk) + 1, VARVE_IO, false);
    assert_int_equal(os->ops->file_sync(file, &error), VARVE_IO);
    struct sim_disk *after = sim_reboot(disk, SIM_ALL, 0, 1);
    const char *text = sectors(after, "db/a");
    size_t fresh = 0;
    for (size_t i = 0; i < 32; i++)
        fresh += text[i] == 'Z';
    assert_in_range(fresh, 4, 28);
    sim_free(after);
}

/* A device that reports success and does nothing: reads agree with the program until the power goes. */
static void faults__a_lying_device(void **state) {
    (void)state;
    make_abc();
    sim_fail_at(disk, sim_ops(disk) + 1, VARVE_OK, false);
    assert_int_equal(write_sectors(1, 1, 'X'), VARVE_OK);
    assert_int_equal(os->ops->file_sync(file, &error), VARVE_OK);
    assert_string_equal(sectors(disk, "db/a"), "AXC");
    after_reboot(SIM_ALL, 0, "db/a", "ABC");
    assert_int_equal(write_sectors(2, 1, 'Y'), VARVE_OK);
    sim_fail_at(disk, sim_ops(disk) + 1, VARVE_OK, false);
    assert_int_equal(os->ops->file_sync(file, &error), VARVE_OK);
    after_reboot(SIM_NOTHING, 0, "db/a", "ABC");
    after_reboot(SIM_ALL, 0, "db/a", "ABY");
}

static void faults__capacity(void **state) {
    (void)state;
    make_abc();
    sim_set_capacity(disk, 5 * SIM_SECTOR);
    assert_int_equal(sim_used_bytes(disk), 3 * SIM_SECTOR);
    assert_int_equal(write_sectors(0, 3, 'X'), VARVE_OK); /* in place */
    assert_int_equal(write_sectors(3, 4, 'Y'), VARVE_FULL);
    assert_string_equal(sectors(disk, "db/a"), "XXXYY");
    assert_int_equal(os->ops->file_truncate(file, 6 * SIM_SECTOR, &error), VARVE_FULL);
    assert_int_equal(os->ops->file_truncate(file, SIM_SECTOR, &error), VARVE_OK);
    assert_int_equal(write_sectors(1, 4, 'Z'), VARVE_OK);
    assert_int_equal(sim_used_bytes(disk), 5 * SIM_SECTOR);
    struct vos_file *other = open_file("b", VOS_CREATE); /* an empty file takes no room */
    assert_int_equal(os->ops->file_write(other, 0, "x", 1, &error), VARVE_FULL);
    os->ops->file_close(other, NULL);
}

static void lock__is_held_and_ends_at_the_reboot(void **state) {
    (void)state;
    struct vos_file *lock = NULL, *second = NULL;
    uint64_t pid = 0;
    assert_int_equal(os->ops->dir_lock(dir, "LOCK", 0600, &lock, &pid, &error), VARVE_OK);
    assert_int_equal(os->ops->dir_lock(dir, "LOCK", 0600, &second, &pid, &error), VARVE_BUSY);
    assert_int_equal(pid, os->ops->pid(os));
    os->ops->dir_sync(dir, &error);
    struct sim_disk *after = sim_reboot(disk, SIM_ALL, 0, 1);
    struct vos *after_os = sim_os(after);
    struct vos_dir *after_dir;
    assert_int_equal(after_os->ops->dir_open(after_os, "db", false, 0600, &after_dir, &error), VARVE_OK);
    assert_int_equal(after_os->ops->dir_lock(after_dir, "LOCK", 0600, &second, &pid, &error), VARVE_OK);
    after_os->ops->dir_unlock(second);
    after_os->ops->dir_close(after_dir);
    sim_free(after);
    os->ops->dir_unlock(lock);
    assert_int_equal(os->ops->dir_lock(dir, "LOCK", 0600, &lock, &pid, &error), VARVE_OK);
    os->ops->dir_unlock(lock);
}

static void clone__is_independent(void **state) {
    (void)state;
    make_abc();
    write_sectors(1, 1, 'X');
    struct vos_file *fresh = open_file("n", VOS_CREATE);
    os->ops->file_write(fresh, 0, "N", 1, &error);
    struct sim_disk *copy = sim_clone(disk);
    assert_int_equal(sim_pending(copy), sim_pending(disk));
    assert_int_equal(sim_ops(copy), 0);
    os->ops->file_write(fresh, 0, "M", 1, &error);
    os->ops->file_close(fresh, NULL);
    write_sectors(0, 3, 'Z');
    assert_string_equal(sectors(copy, "db/a"), "AXC");
    assert_string_equal(sectors(copy, "db/n"), "N");
    struct sim_disk *after = sim_reboot(copy, SIM_NOTHING, 0, 1);
    assert_string_equal(sectors(after, "db/a"), "ABC");
    assert_string_equal(sectors(after, "db/n"), "-");
    sim_free(after);
    after = sim_reboot(copy, SIM_ALL, 0, 1);
    assert_string_equal(sectors(after, "db/a"), "AXC");
    assert_string_equal(sectors(after, "db/n"), "N");
    sim_free(after);
    sim_free(copy);
}

static int take_path(void *arg, const char *path, uint64_t size) {
    char *text = arg;
    sprintf(text + strlen(text), "%s:%llu ", path, (unsigned long long)size);
    return 0;
}

static void raw__access(void **state) {
    (void)state;
    make_abc();
    char text[200] = "", byte;
    assert_true(sim_put(disk, "db/0", "zero", 4));
    assert_true(sim_put(disk, "other/x", NULL, 0));
    assert_int_equal(sim_list(disk, take_path, text), 0);
    assert_string_equal(text, "db/0:4 db/a:1536 other/x:0 ");
    write_sectors(1, 1, 'X');
    assert_true(sim_flip(disk, "db/a", 600, 1)); /* 'X' 0x58 becomes 'Z' 0x5a, on its way to the disk too */
    after_reboot(SIM_ALL, 0, "db/a", "A?C");
    struct sim_disk *after = sim_reboot(disk, SIM_ALL, 0, 1);
    assert_true(sim_peek(after, "db/a", 600, &byte, 1));
    assert_int_equal(byte, 'Z');
    assert_true(sim_peek_durable(disk, "db/a", 600, &byte, 1));
    assert_int_equal(byte, 'Z');
    assert_true(sim_peek_durable(disk, "db/a", 601, &byte, 1));
    assert_int_equal(byte, 'B');
    sim_free(after);
    assert_true(sim_poke(disk, "db/a", 0, "pp", 2));
    assert_false(sim_poke(disk, "db/a", 1535, "pp", 2));
    assert_false(sim_flip(disk, "db/a", 1536, 0));
    assert_false(sim_peek(disk, "db/none", 0, &byte, 1));
    assert_true(sim_resize(disk, "db/a", 10));
    after_reboot(SIM_NOTHING, 0, "db/a", "?");
    assert_true(sim_move(disk, "db/a", "db/0"));
    assert_true(sim_peek(disk, "db/0", 0, &byte, 1));
    assert_int_equal(byte, 'p');
    assert_true(sim_delete(disk, "db/0"));
    assert_false(sim_delete(disk, "db/0"));
    after_reboot(SIM_ALL, 0, "db/0", "-");
}

static void world__clock_and_random(void **state) {
    (void)state;
    uint64_t a = os->ops->now_ns(os);
    assert_int_equal(os->ops->now_ns(os), a + 1000);
    sim_set_tick(disk, 0);
    sim_advance(disk, 5);
    assert_int_equal(os->ops->now_ns(os), a + 1005);
    uint8_t mine[16], theirs[16];
    struct sim_disk *same = sim_create(1), *other = sim_create(2);
    assert_int_equal(os->ops->random(os, mine, 16), VARVE_OK);
    assert_int_equal(sim_os(same)->ops->random(sim_os(same), theirs, 16), VARVE_OK);
    assert_memory_equal(mine, theirs, 16);
    assert_int_equal(sim_os(other)->ops->random(sim_os(other), theirs, 16), VARVE_OK);
    assert_memory_not_equal(mine, theirs, 16);
    sim_free(same);
    sim_free(other);
}

/* The protocol that every durable file of ours follows, at every cut and under every policy and choice: the old
 * content or the new, never anything else. The same with one step left out must be found out. */
static int replace(unsigned skip) {
    struct vos_file *fresh = NULL;
    int status = os->ops->file_open(dir, "t", VOS_CREATE_OR_OPEN, 0600, &fresh, NULL);
    if (status != VARVE_OK) return status;
    char data[2 * SIM_SECTOR];
    memset(data, 'N', sizeof(data));
    status = os->ops->file_write(fresh, 0, data, sizeof(data), NULL);
    if (status == VARVE_OK && skip != 1) status = os->ops->file_sync(fresh, NULL);
    os->ops->file_close(fresh, NULL);
    if (status == VARVE_OK) status = os->ops->dir_rename(dir, "t", "a", NULL);
    if (status == VARVE_OK && skip != 2) status = os->ops->dir_sync(dir, NULL);
    return status;
}

/* How many of all the ways to crash break the promise: old or new, and new once the replacement had returned OK. */
static unsigned broken_promises(unsigned skip, unsigned *cases) {
    unsigned broken = 0;
    struct sim_disk *start = disk;
    struct vos_dir *start_dir = dir;
    for (uint64_t cut = 0; cut <= 5; cut++) {
        disk = sim_clone(start);
        os = sim_os(disk);
        assert_int_equal(os->ops->dir_open(os, "db", false, 0600, &dir, NULL), VARVE_OK);
        sim_crash_after(disk, cut);
        bool acknowledged = replace(skip) == VARVE_OK;
        for (int policy = 0; policy < SIM_POLICIES; policy++)
            for (unsigned choice = 0; choice < sim_choices(disk, (enum sim_policy)policy); choice++) {
                struct sim_disk *after = sim_reboot(disk, (enum sim_policy)policy, choice, 5);
                const char *text = sectors(after, "db/a");
                bool is_new = strcmp(text, "NN") == 0, is_old = strcmp(text, "ABC") == 0;
                broken += !is_new && (!is_old || acknowledged);
                ++*cases;
                sim_free(after);
            }
        os->ops->dir_close(dir);
        sim_free(disk);
    }
    disk = start;
    os = sim_os(disk);
    dir = start_dir;
    return broken;
}

static void crash__finds_what_a_protocol_lacks(void **state) {
    (void)state;
    make_abc();
    os->ops->file_close(file, NULL);
    file = NULL;
    unsigned cases = 0;
    assert_int_equal(broken_promises(0, &cases), 0);
    assert_true(cases > 60);
    assert_true(broken_promises(1, &cases) > 0); /* no file sync */
    assert_true(broken_promises(2, &cases) > 0); /* no directory sync */
}

struct worker {
    unsigned number;
    int status;
};

static void write_and_read(void *arg) {
    struct worker *worker = arg;
    char name[16], data[64];
    struct vos_file *mine = NULL;
    snprintf(name, sizeof(name), "w%u", worker->number);
    worker->status = os->ops->file_open(dir, name, VOS_CREATE, 0600, &mine, NULL);
    for (unsigned i = 0; i < 300 && worker->status == VARVE_OK; i++) {
        size_t got;
        snprintf(data, sizeof(data), "%u-%u", worker->number, i);
        worker->status = os->ops->file_write(mine, i * 64, data, sizeof(data), NULL);
        if (i % 50 == 49) os->ops->file_sync(mine, NULL);
        char back[64] = "";
        os->ops->file_read(mine, i * 64, back, sizeof(back), &got, NULL);
        if (strcmp(back, data) != 0) worker->status = VARVE_CORRUPT;
    }
    os->ops->file_close(mine, NULL);
}

static void threads__share_a_disk(void **state) {
    (void)state;
    struct vos_thread *threads[4];
    struct worker workers[4];
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (struct worker){i, VARVE_OK};
        assert_int_equal(vos_thread_start(write_and_read, &workers[i], "sim", &threads[i]), VARVE_OK);
    }
    for (unsigned i = 0; i < 4; i++) {
        vos_thread_join(threads[i]);
        assert_int_equal(workers[i].status, VARVE_OK);
    }
    assert_int_equal(sim_ops(disk), 4 * (1 + 300 + 6));
}

#define SIM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        SIM_TEST(sim__is_a_file_system),
        SIM_TEST(sim__counts_what_can_be_cut),
        SIM_TEST(policies__of_data),
        SIM_TEST(policies__random_subsets),
        SIM_TEST(policies__sectors_are_whole),
        SIM_TEST(policies__sizes),
        SIM_TEST(policies__names),
        SIM_TEST(policies__rename_without_content),
        SIM_TEST(sync__covers_its_own_file_only),
        SIM_TEST(sync__forgets_removed_files),
        SIM_TEST(crash__cuts_after_the_nth),
        SIM_TEST(crash__finds_what_a_protocol_lacks),
        SIM_TEST(faults__fail_and_count),
        SIM_TEST(faults__a_failed_sync_is_for_ever),
        SIM_TEST(faults__a_failed_sync_that_reverts),
        SIM_TEST(faults__a_lying_device),
        SIM_TEST(faults__capacity),
        SIM_TEST(lock__is_held_and_ends_at_the_reboot),
        SIM_TEST(clone__is_independent),
        SIM_TEST(raw__access),
        SIM_TEST(world__clock_and_random),
        SIM_TEST(threads__share_a_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
