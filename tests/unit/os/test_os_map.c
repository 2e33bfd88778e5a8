/* test_os_map.c - writes by a mapping: what the file holds, windows, the end of the mapping, and what the system refuses.
 *
 * SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "os/os.h"
#include "os/os_int.h"

enum { BYTES = 2 << 20, MOST = 300 << 10 };

static char scratch[256];
static struct vos *os;
static const struct vos_ops *ops;
static struct vos_dir *dir;
static struct vos_error error;
static struct vos_file *file;
static uint8_t model[BYTES + MOST], data[MOST], seen[BYTES + MOST];

static int setup(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(scratch, sizeof(scratch), "%s/varve-map-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(scratch) == NULL) return 1;
    os = vos_posix();
    ops = os->ops;
    if (ops->dir_open(os, scratch, false, 0600, &dir, &error) != VARVE_OK) return 1;
    memset(model, 0, sizeof(model));
    if (ops->file_open(dir, "log", VOS_CREATE, 0600, &file, &error) != VARVE_OK) return 1;
    return ops->file_allocate(file, BYTES, &error);
}

static int teardown(void **state) {
    (void)state;
    char command[400];
    if (file != NULL) assert_int_equal(ops->file_close(file, &error), VARVE_OK);
    ops->dir_close(dir);
    snprintf(command, sizeof(command), "rm -rf '%s'", scratch);
    return system(command);
}

static void put(struct vb_random *random, uint64_t offset, size_t size) {
    for (size_t i = 0; i < size; i++) data[i] = (uint8_t)vb_random_below(random, 256);
    memcpy(model + offset, data, size);
    assert_int_equal(ops->file_write(file, offset, data, size, &error), VARVE_OK);
}

static void compare(struct vos_file *with) {
    uint64_t size;
    size_t got;
    assert_int_equal(ops->file_size(with, &size, &error), VARVE_OK);
    assert_true(size >= BYTES && size <= sizeof(model));
    memset(seen, 0, sizeof(seen));
    assert_int_equal(ops->file_read(with, 0, seen, (size_t)size, &got, &error), VARVE_OK);
    assert_int_equal(got, size);
    assert_memory_equal(seen, model, size);
}

/* As a log is written: forwards, in pieces of all sizes, and handed to the device behind; another handle sees everything. */
static void map__is_the_file(void **state) {
    (void)state;
    struct vb_random random;
    vb_random_init(&random, 11);
    struct vos_file *other;
    assert_int_equal(ops->file_open(dir, "log", 0, 0, &other, &error), VARVE_OK);
    ops->file_map(file, BYTES);
    print_message("mapped: %s\n", file->map.bytes != NULL ? "yes" : "no, not on this file system");
    uint64_t offset = 4096, behind = 0;
    while (offset < BYTES) {
        size_t size = 1 + (size_t)vb_random_below(&random, vb_random_below(&random, 20) == 0 ? MOST : 2000);
        put(&random, offset, size); /* the last one goes on behind the mapping */
        offset += size;
        if (offset - behind < 512 << 10) continue;
        compare(other);
        ops->file_write_behind(file, behind, (offset - behind) / 4096 * 4096);
        behind += (offset - behind) / 4096 * 4096;
        if (vb_random_below(&random, 2) == 0) assert_int_equal(ops->file_sync(file, &error), VARVE_OK);
    }
    put(&random, 0, 4096); /* before what is ready */
    compare(other);
    for (int i = 0; i < 200; i++) put(&random, vb_random_below(&random, BYTES), 1 + (size_t)vb_random_below(&random, 5000));
    compare(other);
    assert_int_equal(ops->file_sync(file, &error), VARVE_OK);
    assert_int_equal(ops->file_close(file, &error), VARVE_OK);
    file = NULL;
    compare(other);
    assert_int_equal(ops->file_close(other, &error), VARVE_OK);
}

/* Somebody has cut the file short: what is not there is not stored to, but written, as without a mapping. */
static void map__a_file_cut_short(void **state) {
    (void)state;
    struct vb_random random;
    vb_random_init(&random, 12);
    ops->file_map(file, BYTES);
    put(&random, 4096, 1000);
    char path[400];
    snprintf(path, sizeof(path), "%s/log", scratch);
    assert_int_equal(truncate(path, 600 << 10), 0);
    put(&random, 1 << 20, 1000);
    put(&random, (1 << 20) + 1000, 1000);
    assert_true(file->map.bytes == NULL || file->map.refused);
    uint64_t size;
    size_t got;
    assert_int_equal(ops->file_size(file, &size, &error), VARVE_OK);
    assert_int_equal(size, (1 << 20) + 2000);
    assert_int_equal(ops->file_read(file, 0, seen, (size_t)size, &got, &error), VARVE_OK);
    assert_memory_equal(seen, model, size);
}

/* No room for another mapping in the process; in a child, whose limits end with it. */
static void map__refused(void **state) {
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {1 << 20, 1 << 20};
        if (setrlimit(RLIMIT_AS, &none) != 0) _exit(2);
        ops->file_map(file, BYTES);
        bool written = ops->file_write(file, 5000, "hello", 5, NULL) == VARVE_OK;
        _exit(file->map.bytes == NULL && written ? 0 : 1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
    char got_bytes[5];
    size_t got;
    assert_int_equal(ops->file_read(file, 5000, got_bytes, 5, &got, &error), VARVE_OK);
    assert_memory_equal(got_bytes, "hello", 5);
}

/* What a process has stored outlives it, however it ends. */
static void map__outlives_the_process(void **state) {
    (void)state;
    struct vb_random random;
    vb_random_init(&random, 13);
    pid_t child = fork();
    assert_true(child >= 0);
    for (uint64_t at = 4096; at < BYTES - 5000; at += 4500) { /* the same in both */
        size_t size = 1 + (size_t)vb_random_below(&random, 4000);
        for (size_t i = 0; i < size; i++) model[at + i] = (uint8_t)vb_random_below(&random, 256);
        if (child != 0) continue;
        if (at == 4096) ops->file_map(file, BYTES);
        if (ops->file_write(file, at, model + at, size, NULL) != VARVE_OK) _exit(1);
    }
    if (child == 0) kill(getpid(), SIGKILL);
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    compare(file);
}

#define MAP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        MAP_TEST(map__is_the_file),
        MAP_TEST(map__a_file_cut_short),
        MAP_TEST(map__refused),
        MAP_TEST(map__outlives_the_process),
    };
    return cmocka_run_group_tests_name("os.map", tests, NULL, NULL);
}
