/* test_os_posix.c - files and directories of the real system: what is created, refused, locked and reported.
 *
 * SPDX-License-Identifier: MIT
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char scratch[256];
static struct vos *os;
static const struct vos_ops *ops;
static struct vos_dir *dir;
static struct vos_error error;

static const char *in_scratch(const char *name) {
    static char path[2][400];
    static int turn;
    turn ^= 1;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", scratch, name);
    return path[turn];
}

static int setup(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(scratch, sizeof(scratch), "%s/varve-os-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(scratch) == NULL) return 1;
    os = vos_posix();
    ops = os->ops;
    return ops->dir_open(os, in_scratch("db"), true, 0600, &dir, &error);
}

static int teardown(void **state) {
    (void)state;
    char command[400];
    ops->dir_close(dir);
    snprintf(command, sizeof(command), "rm -rf '%s'", scratch);
    return system(command);
}

static struct vos_file *create(const char *name) {
    struct vos_file *file = NULL;
    assert_int_equal(ops->file_open(dir, name, VOS_CREATE, 0600, &file, &error), VARVE_OK);
    return file;
}

static void file__write_read_size_truncate(void **state) {
    (void)state;
    struct vos_file *file = create("a");
    char data[16] = "";
    size_t got = 99;
    uint64_t size = 99;
    assert_int_equal(ops->file_write(file, 3, "hello", 5, &error), VARVE_OK);
    assert_int_equal(ops->file_size(file, &size, &error), VARVE_OK);
    assert_int_equal(size, 8);
    assert_int_equal(ops->file_read(file, 0, data, 16, &got, &error), VARVE_OK);
    assert_int_equal(got, 8);
    assert_memory_equal(data, "\0\0\0hello", 8);
    assert_int_equal(ops->file_read(file, 8, data, 1, &got, &error), VARVE_OK);
    assert_int_equal(got, 0);
    assert_int_equal(ops->file_read(file, 1000, data, 1, &got, &error), VARVE_OK);
    assert_int_equal(got, 0);
    assert_int_equal(ops->file_truncate(file, 5, &error), VARVE_OK);
    assert_int_equal(ops->file_truncate(file, 7, &error), VARVE_OK);
    assert_int_equal(ops->file_read(file, 0, data, 16, &got, NULL), VARVE_OK);
    assert_int_equal(got, 7);
    assert_memory_equal(data, "\0\0\0he\0\0", 7);
    assert_int_equal(ops->file_allocate(file, 4, &error), VARVE_OK); /* long enough: nothing changes */
    assert_int_equal(ops->file_allocate(file, 100000, &error), VARVE_OK);
    assert_int_equal(ops->file_size(file, &size, &error), VARVE_OK);
    assert_int_equal(size, 100000);
    assert_int_equal(ops->file_read(file, 3, data, 4, &got, NULL), VARVE_OK);
    assert_memory_equal(data, "he\0\0", 4);
    assert_int_equal(ops->file_allocate(file, UINT64_MAX, &error), VARVE_FULL);
    assert_int_equal(ops->file_sync(file, &error), VARVE_OK);
    assert_int_equal(ops->file_write(file, 0, NULL, 0, &error), VARVE_OK);
    assert_int_equal(ops->file_close(file, &error), VARVE_OK);
}

static void file__offsets_that_overflow(void **state) {
    (void)state;
    struct vos_file *file = create("a");
    size_t got = 5;
    char byte = 0;
    assert_int_equal(ops->file_write(file, UINT64_MAX, "x", 1, &error), VARVE_FULL);
    assert_int_equal(ops->file_write(file, INT64_MAX, "x", 1, &error), VARVE_FULL);
    assert_int_equal(ops->file_read(file, UINT64_MAX, &byte, 1, &got, &error), VARVE_IO);
    assert_int_equal(ops->file_truncate(file, UINT64_MAX, &error), VARVE_FULL);
    assert_int_equal(got, 5);
    ops->file_close(file, NULL);
}

static void file__modes_and_flags(void **state) {
    (void)state;
    struct vos_file *file = NULL, *same = NULL;
    struct stat facts;
    mode_t mask = umask(0);
    file = create("a");
    umask(mask);
    assert_int_equal(stat(in_scratch("db/a"), &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
    assert_int_equal(stat(in_scratch("db"), &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0700);
    assert_int_equal(ops->file_open(dir, "a", VOS_CREATE, 0600, &same, &error), VARVE_EXISTS);
    assert_int_equal(error.code, EEXIST);
    assert_non_null(strstr(error.text, "open a: "));
    assert_int_equal(ops->file_open(dir, "none", VOS_WRITE, 0600, &same, &error), VARVE_NOTFOUND);
    assert_int_equal(ops->file_open(dir, "none", VOS_READ, 0600, &same, &error), VARVE_NOTFOUND);
    assert_null(same);
    assert_int_equal(ops->file_open(dir, "a", VOS_READ, 0, &same, &error), VARVE_OK);
    assert_int_equal(ops->file_write(same, 0, "x", 1, &error), VARVE_IO);
    assert_string_equal(error.text, "pwrite a at 0: Bad file descriptor");
    ops->file_close(same, NULL);
    assert_int_equal(ops->file_open(dir, "a", VOS_CREATE_OR_OPEN, 0600, &same, &error), VARVE_OK);
    assert_int_equal(ops->file_write(same, 0, "x", 1, &error), VARVE_OK);
    ops->file_close(same, NULL);
    ops->file_close(file, NULL);
}

/* What a hostile or careless user may have put where our files belong. */
static void file__refuses_what_is_not_a_regular_file(void **state) {
    (void)state;
    struct vos_file *file = NULL;
    assert_int_equal(symlink("/etc/passwd", in_scratch("db/link")), 0);
    assert_int_equal(mkfifo(in_scratch("db/fifo"), 0600), 0);
    assert_int_equal(mkdir(in_scratch("db/folder"), 0700), 0);
    const char *const bad[] = {"link", "fifo", "folder"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ops->file_open(dir, bad[i], VOS_READ, 0600, &file, &error), VARVE_CORRUPT);
        assert_int_equal(ops->file_open(dir, bad[i], VOS_WRITE, 0600, &file, &error), VARVE_CORRUPT);
        assert_int_equal(ops->file_open(dir, bad[i], VOS_CREATE_OR_OPEN, 0600, &file, &error), VARVE_CORRUPT);
        assert_int_equal(ops->file_open(dir, bad[i], VOS_CREATE, 0600, &file, &error), VARVE_EXISTS);
    }
    const char *const names[] = {"", ".", "..", "../escape", "folder/x", "/etc/passwd"};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(ops->file_open(dir, names[i], VOS_CREATE_OR_OPEN, 0600, &file, &error), VARVE_INVALID);
        assert_int_equal(ops->dir_remove(dir, names[i], &error), VARVE_INVALID);
        assert_int_equal(ops->dir_rename(dir, "fifo", names[i], &error), VARVE_INVALID);
    }
    assert_null(file);
}

static void file__never_a_standard_descriptor(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        close(0);
        close(2);
        struct vos_file *file;
        struct vos_dir *again;
        if (ops->file_open(dir, "a", VOS_CREATE, 0600, &file, NULL) != VARVE_OK) _exit(1);
        if (ops->dir_open(os, in_scratch("db"), true, 0600, &again, NULL) != VARVE_OK) _exit(2);
        if (fcntl(0, F_GETFD) != -1 || fcntl(2, F_GETFD) != -1) _exit(3);
        if (ops->file_write(file, 0, "x", 1, NULL) != VARVE_OK) _exit(4);
        _exit(0);
    }
    int how;
    waitpid(child, &how, 0);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

/* Descriptors are closed by exec, and none is left behind. */
static void file__descriptors_are_private(void **state) {
    (void)state;
    int before = dup(1);
    close(before);
    struct vos_file *file = create("a"), *lock = NULL;
    uint64_t pid;
    assert_int_equal(ops->dir_lock(dir, "LOCK", 0600, &lock, &pid, &error), VARVE_OK);
    int after = dup(1);
    close(after);
    for (int fd = before; fd < after; fd++)
        if (fcntl(fd, F_GETFD) != -1) assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    ops->file_close(file, NULL);
    ops->dir_unlock(lock);
    assert_int_equal(ops->dir_remove(dir, "none", &error), VARVE_NOTFOUND);
    int last = dup(1);
    close(last);
    assert_int_equal(last, before);
}

static void file__out_of_descriptors_is_clean(void **state) {
    (void)state;
    struct rlimit limit, none;
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    struct vos_file *file = NULL;
    struct vos_dir *again = NULL;
    int opened = ops->file_open(dir, "a", VOS_CREATE, 0600, &file, &error);
    int code = error.code;
    int opened_dir = ops->dir_open(os, in_scratch("db"), false, 0600, &again, &error);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(opened, VARVE_IO);
    assert_int_equal(code, EMFILE);
    assert_int_equal(opened_dir, VARVE_IO);
    assert_true(file == NULL && again == NULL);
}

static void file__full_at_the_size_limit(void **state) {
    (void)state;
    struct rlimit limit, small;
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 1000;
    struct vos_file *file = create("a");
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    static char data[1500];
    int status = ops->file_write(file, 0, data, sizeof(data), &error); /* a short write first, then the refusal */
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, VARVE_FULL);
    ops->file_close(file, NULL);
}

struct names {
    char text[200];
    int stop_after;
};

static int take_name(void *arg, const char *name) {
    struct names *names = arg;
    strcat(names->text, name);
    strcat(names->text, " ");
    return --names->stop_after == 0 ? 42 : 0;
}

static void dir__list_rename_remove(void **state) {
    (void)state;
    ops->file_close(create("one"), NULL);
    ops->file_close(create("two"), NULL);
    struct names names = {.stop_after = -1};
    assert_int_equal(ops->dir_list(dir, take_name, &names, &error), VARVE_OK);
    assert_int_equal(strlen(names.text), 8);
    assert_true(strstr(names.text, "one ") != NULL && strstr(names.text, "two ") != NULL);
    assert_int_equal(ops->dir_rename(dir, "one", "two", &error), VARVE_OK);
    names = (struct names){.stop_after = -1};
    assert_int_equal(ops->dir_list(dir, take_name, &names, &error), VARVE_OK); /* again from the start */
    assert_string_equal(names.text, "two ");
    assert_int_equal(ops->dir_rename(dir, "one", "two", &error), VARVE_NOTFOUND);
    ops->file_close(create("three"), NULL);
    names = (struct names){.stop_after = 1};
    assert_int_equal(ops->dir_list(dir, take_name, &names, &error), 42);
    assert_int_equal(ops->dir_remove(dir, "two", &error), VARVE_OK);
    assert_int_equal(ops->dir_remove(dir, "two", &error), VARVE_NOTFOUND);
    assert_int_equal(ops->dir_sync(dir, &error), VARVE_OK);
}

static void dir__open(void **state) {
    (void)state;
    struct vos_dir *other = NULL;
    assert_int_equal(ops->dir_open(os, in_scratch("absent"), false, 0600, &other, &error), VARVE_NOTFOUND);
    assert_int_equal(ops->dir_open(os, in_scratch("absent/deep"), true, 0600, &other, &error), VARVE_NOTFOUND);
    ops->file_close(create("plain"), NULL);
    assert_int_equal(ops->dir_open(os, in_scratch("db/plain"), false, 0600, &other, &error), VARVE_INVALID);
    assert_int_equal(ops->dir_open(os, in_scratch("db/plain"), true, 0600, &other, &error), VARVE_INVALID);
    assert_null(other);
    assert_int_equal(ops->dir_open(os, in_scratch("db"), true, 0600, &other, &error), VARVE_OK);
    ops->dir_close(other);
    assert_int_equal(ops->dir_open(os, in_scratch("shared"), true, 0640, &other, &error), VARVE_OK);
    ops->dir_close(other);
    struct stat facts;
    assert_int_equal(stat(in_scratch("shared"), &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0750);
}

/* The directory may be moved while it is open: names are looked up in the handle, not in the path. */
static void dir__survives_a_rename_of_itself(void **state) {
    (void)state;
    char moved[400];
    snprintf(moved, sizeof(moved), "%s", in_scratch("moved"));
    assert_int_equal(rename(in_scratch("db"), moved), 0);
    ops->file_close(create("late"), NULL);
    assert_int_equal(access(in_scratch("moved/late"), F_OK), 0);
}

static void lock__busy_in_the_same_process(void **state) {
    (void)state;
    struct vos_file *lock = NULL, *second = NULL, *reader = NULL;
    uint64_t pid = 1;
    assert_int_equal(ops->dir_lock(dir, "LOCK", 0600, &lock, &pid, &error), VARVE_OK);
    assert_int_equal(pid, 1); /* untouched */
    assert_int_equal(ops->dir_lock(dir, "LOCK", 0600, &second, &pid, &error), VARVE_BUSY);
    assert_int_equal(pid, getpid());
    /* Neither closing another descriptor of the file nor the failed attempt drops the lock. */
    assert_int_equal(ops->file_open(dir, "LOCK", VOS_READ, 0600, &reader, &error), VARVE_OK);
    ops->file_close(reader, NULL);
    assert_int_equal(ops->dir_lock(dir, "LOCK", 0600, &second, &pid, &error), VARVE_BUSY);
    ops->dir_unlock(lock);
    assert_int_equal(ops->dir_lock(dir, "LOCK", 0600, &second, &pid, &error), VARVE_OK);
    ops->dir_unlock(second);
}

static void lock__busy_through_a_symbolic_link_and_a_hard_link(void **state) {
    (void)state;
    struct vos_file *lock = NULL, *second = NULL;
    struct vos_dir *other = NULL;
    uint64_t pid = 0;
    assert_int_equal(symlink(in_scratch("db"), in_scratch("alias")), 0);
    assert_int_equal(ops->dir_lock(dir, "LOCK", 0600, &lock, &pid, &error), VARVE_OK);
    assert_int_equal(ops->dir_open(os, in_scratch("alias"), true, 0600, &other, &error), VARVE_OK);
    assert_int_equal(ops->dir_lock(other, "LOCK", 0600, &second, &pid, &error), VARVE_BUSY);
    assert_int_equal(pid, getpid());
    assert_int_equal(link(in_scratch("db/LOCK"), in_scratch("db/HARD")), 0);
    assert_int_equal(ops->dir_lock(other, "HARD", 0600, &second, &pid, &error), VARVE_BUSY);
    ops->dir_close(other);
    ops->dir_unlock(lock);
}

/* The child's attempt fails and names the parent; what the child does to its copy leaves the parent's lock alone. */
static void lock__busy_from_a_child(void **state) {
    (void)state;
    struct vos_file *lock = NULL, *second = NULL;
    uint64_t pid = 0;
    pid_t parent = getpid();
    assert_int_equal(ops->dir_lock(dir, "LOCK", 0600, &lock, &pid, &error), VARVE_OK);
    pid_t child = fork();
    if (child == 0) {
        uint64_t holder = 0;
        if (ops->dir_lock(dir, "LOCK", 0600, &second, &holder, NULL) != VARVE_BUSY) _exit(1);
        if (holder != (uint64_t)parent) _exit(2);
        ops->dir_unlock(lock);
        if (ops->dir_lock(dir, "LOCK", 0600, &second, &holder, NULL) != VARVE_BUSY) _exit(3);
        _exit(0);
    }
    int how;
    waitpid(child, &how, 0);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
    assert_int_equal(ops->dir_lock(dir, "LOCK", 0600, &second, &pid, &error), VARVE_BUSY);
    ops->dir_unlock(lock);
}

/* A lock left behind by a killed process is no lock; one held by a live process is, and the number is right. */
static void lock__ends_with_its_process(void **state) {
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct vos_file *mine;
        uint64_t holder;
        char word = (char)ops->dir_lock(dir, "LOCK", 0600, &mine, &holder, NULL);
        if (write(ready[1], &word, 1) != 1) _exit(1);
        for (;;)
            pause();
    }
    char word = 1;
    assert_int_equal(read(ready[0], &word, 1), 1);
    assert_int_equal(word, VARVE_OK);
    struct vos_file *lock = NULL;
    uint64_t pid = 0;
    assert_int_equal(ops->dir_lock(dir, "LOCK", 0600, &lock, &pid, &error), VARVE_BUSY);
    assert_int_equal(pid, child);
    kill(child, SIGKILL);
    int how;
    waitpid(child, &how, 0);
    assert_int_equal(ops->dir_lock(dir, "LOCK", 0600, &lock, &pid, &error), VARVE_OK);
    char text[32] = "", expected[32];
    size_t got = 0;
    assert_int_equal(ops->file_read(lock, 0, text, 31, &got, &error), VARVE_OK);
    snprintf(expected, sizeof(expected), "%lld\n", (long long)getpid());
    assert_string_equal(text, expected);
    ops->dir_unlock(lock);
    close(ready[0]);
    close(ready[1]);
}

static void lock__refuses_a_symbolic_link(void **state) {
    (void)state;
    struct vos_file *lock = NULL;
    uint64_t pid = 0;
    assert_int_equal(symlink("/tmp/elsewhere", in_scratch("db/LOCK")), 0);
    assert_int_equal(ops->dir_lock(dir, "LOCK", 0600, &lock, &pid, &error), VARVE_CORRUPT);
    assert_null(lock);
}

static void world__clocks_random_pid(void **state) {
    (void)state;
    uint64_t a = ops->now_ns(os), b = ops->now_ns(os);
    assert_true(a != 0 && b >= a);
    assert_true(ops->wall_ns(os) > 1600000000ull * 1000000000ull);
    assert_int_equal(ops->pid(os), getpid());
    uint8_t first[600] = {0}, second[600] = {0};
    assert_int_equal(ops->random(os, first, sizeof(first)), VARVE_OK);
    assert_int_equal(ops->random(os, second, sizeof(second)), VARVE_OK);
    assert_memory_not_equal(first, second, sizeof(first));
}

#define OS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        OS_TEST(file__write_read_size_truncate),
        OS_TEST(file__offsets_that_overflow),
        OS_TEST(file__modes_and_flags),
        OS_TEST(file__refuses_what_is_not_a_regular_file),
        OS_TEST(file__never_a_standard_descriptor),
        OS_TEST(file__descriptors_are_private),
        OS_TEST(file__out_of_descriptors_is_clean),
        OS_TEST(file__full_at_the_size_limit),
        OS_TEST(dir__list_rename_remove),
        OS_TEST(dir__open),
        OS_TEST(dir__survives_a_rename_of_itself),
        OS_TEST(lock__busy_in_the_same_process),
        OS_TEST(lock__busy_through_a_symbolic_link_and_a_hard_link),
        OS_TEST(lock__busy_from_a_child),
        OS_TEST(lock__ends_with_its_process),
        OS_TEST(lock__refuses_a_symbolic_link),
        OS_TEST(world__clocks_random_pid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
