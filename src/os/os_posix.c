/* os_posix.c - the real world's table: regular files, clocks and random bytes. Directories are in os_posix_dir.c.
 *
 * Owns no state; a vos_file is immutable after open, so that any thread may use it (positions are always given); but a mapped
 * one (os_posix_map.c) is written by one thread at a time.
 * Invariants
 *   1. Files are opened relative to a directory handle, never through a symbolic link, closed on exec, and are regular
 *      files: a fifo or a device planted under one of our names is refused and cannot block the open.
 *   2. No descriptor of ours is 0, 1 or 2.
 *   3. A write or read that the system cuts short or interrupts is taken up again; one that makes no progress fails.
 *
 * SPDX-License-Identifier: MIT
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/os_int.h"
#include "os/rcu.h"

static int status_of(int code) {
    switch (code) {
    case ENOENT: return VARVE_NOTFOUND;
    case EEXIST: return VARVE_EXISTS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return VARVE_FULL;
    case ENOMEM: return VARVE_NOMEM;
    default: return VARVE_IO;
    }
}

int vos_posix_fail(struct vos_error *error, int code, const char *call, const char *name, int64_t at) {
    if (error == NULL) return status_of(code);
    char reason[64], where[32] = "";
    const char *text = strerror_r(code, reason, sizeof(reason));
    if (at >= 0) snprintf(where, sizeof(where), " at %lld", (long long)at);
    error->code = code;
    snprintf(error->text, sizeof(error->text), "%s %.80s%s: %.60s", call, name, where, text);
    return status_of(code);
}

int vos_posix_refuse(struct vos_error *error, int status, const char *name, const char *why) {
    if (error == NULL) return status;
    error->code = 0;
    snprintf(error->text, sizeof(error->text), "%.100s: %.80s", name, why);
    return status;
}

int vos_posix_high_fd(int fd) {
    if (fd < 0 || fd > 2) return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int code = errno;
    close(fd);
    errno = code;
    return high;
}

int vos_posix_check_name(const char *name, struct vos_error *error) {
    bool bad = name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    return bad ? vos_posix_refuse(error, VARVE_INVALID, name, "not a file name") : VARVE_OK;
}

static struct vos_file *new_file(const char *name) {
    size_t bytes = sizeof(struct vos_file) + strlen(name) + 1;
    struct vos_file *file = vb_alloc(bytes);
    if (file == NULL) return NULL;
    file->all_bytes = bytes;
    file->owner = getpid();
    file->fd = -1;
    file->map = (struct vos_map){.bytes = NULL};
    memcpy(file->name, name, strlen(name) + 1);
    return file;
}

void vos_posix_free_file(struct vos_file *file) {
    vb_free(file, file->all_bytes);
}

/* Not blocking: the open of a fifo must return, so that it can be refused. Regular files do not know the flag. */
int vos_posix_open_regular(struct vos_dir *dir, const char *name, int flags, unsigned mode, struct vos_file **file,
                           struct vos_error *error) {
    VB_TRY(vos_posix_check_name(name, error));
    struct vos_file *made = new_file(name);
    if (made == NULL) return vos_posix_fail(error, ENOMEM, "open", name, -1);
    int all_flags = flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    do
        made->fd = vos_posix_high_fd(openat(dir->fd, name, all_flags, (mode_t)mode));
    while (made->fd < 0 && errno == EINTR);
    int status = VARVE_OK;
    struct stat facts;
    if (made->fd < 0) {
        int code = errno;
        status = vos_posix_fail(error, code, "open", name, -1);
        if (code == ELOOP || code == EISDIR || code == ENXIO) status = VARVE_CORRUPT;
    } else if (fstat(made->fd, &facts) != 0) {
        status = vos_posix_fail(error, errno, "fstat", name, -1);
    } else if (!S_ISREG(facts.st_mode)) {
        status = vos_posix_refuse(error, VARVE_CORRUPT, name, "not a regular file");
    }
    if (status != VARVE_OK) {
        if (made->fd >= 0) close(made->fd);
        vos_posix_free_file(made);
        return status;
    }
    *file = made;
    return VARVE_OK;
}

static int file_open(struct vos_dir *dir, const char *name, unsigned flags, unsigned mode, struct vos_file **file,
                     struct vos_error *error) {
    int how = O_RDONLY;
    if ((flags & (VOS_WRITE | VOS_CREATE | VOS_CREATE_OR_OPEN)) != 0) how = O_RDWR;
    if ((flags & VOS_CREATE) != 0)
        how |= O_CREAT | O_EXCL;
    else if ((flags & VOS_CREATE_OR_OPEN) != 0)
        how |= O_CREAT;
    return vos_posix_open_regular(dir, name, how, mode, file, error);
}

/* Linux has given the descriptor back even when close is interrupted: closing again could hit another thread's file. */
static int file_close(struct vos_file *file, struct vos_error *error) {
    int status = VARVE_OK;
    vos_posix_file_unmap(file);
    if (close(file->fd) != 0 && errno != EINTR) status = vos_posix_fail(error, errno, "close", file->name, -1);
    vos_posix_free_file(file);
    return status;
}

static int file_size(struct vos_file *file, uint64_t *size, struct vos_error *error) {
    struct stat facts;
    if (fstat(file->fd, &facts) != 0) return vos_posix_fail(error, errno, "fstat", file->name, -1);
    *size = (uint64_t)facts.st_size;
    return VARVE_OK;
}

static bool range_fits(uint64_t offset, size_t size) {
    return offset <= INT64_MAX && size <= (uint64_t)INT64_MAX - offset;
}

static int file_read(struct vos_file *file, uint64_t offset, void *data, size_t size, size_t *got,
                     struct vos_error *error) {
    if (!range_fits(offset, size)) return vos_posix_fail(error, EOVERFLOW, "pread", file->name, -1);
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(file->fd, (char *)data + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return vos_posix_fail(error, errno, "pread", file->name, (int64_t)(offset + done));
        if (n == 0) break;
        done += (size_t)n;
    }
    *got = done;
    return VARVE_OK;
}

int vos_posix_write_all(int fd, uint64_t offset, const void *data, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t n = pwrite(fd, (const char *)data + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return EIO;
        done += (size_t)n;
    }
    return 0;
}

static int file_write(struct vos_file *file, uint64_t offset, const void *data, size_t size, struct vos_error *error) {
    if (!range_fits(offset, size)) return vos_posix_fail(error, EFBIG, "pwrite", file->name, -1);
    if (vos_posix_map_write(file, offset, data, size)) return VARVE_OK;
    int code = vos_posix_write_all(file->fd, offset, data, size);
    return code == 0 ? VARVE_OK : vos_posix_fail(error, code, "pwrite", file->name, (int64_t)offset);
}

/* An interrupted sync has reported nothing yet, so it is the one outcome after which it may be called again. */
static int file_sync(struct vos_file *file, struct vos_error *error) {
    vos_assert_may_wait();
    int failed;
    do
        failed = fdatasync(file->fd);
    while (failed != 0 && errno == EINTR);
    return failed == 0 ? VARVE_OK : vos_posix_fail(error, errno, "fdatasync", file->name, -1);
}

/* Only begun and not waited for: a wait here would take the error that the next sync has to tell. */
static void file_write_behind(struct vos_file *file, uint64_t offset, uint64_t size) {
    if (!range_fits(offset, size)) return;
    vos_posix_map_leave(file, offset, size);
    (void)sync_file_range(file->fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
}

static int file_truncate(struct vos_file *file, uint64_t size, struct vos_error *error) {
    if (size > INT64_MAX) return vos_posix_fail(error, EFBIG, "ftruncate", file->name, -1);
    int failed;
    do
        failed = ftruncate(file->fd, (off_t)size);
    while (failed != 0 && errno == EINTR);
    return failed == 0 ? VARVE_OK : vos_posix_fail(error, errno, "ftruncate", file->name, (int64_t)size);
}

/* A file system that cannot reserve is written to instead. */
static int write_zeros(struct vos_file *file, uint64_t from, uint64_t size, struct vos_error *error) {
    static const uint8_t zeros[64 << 10];
    for (uint64_t at = from; at < size; at += sizeof(zeros)) {
        size_t some = size - at < sizeof(zeros) ? (size_t)(size - at) : sizeof(zeros);
        VB_TRY(file_write(file, at, zeros, some, error));
    }
    return VARVE_OK;
}

static int file_allocate(struct vos_file *file, uint64_t size, struct vos_error *error) {
    if (size > INT64_MAX) return vos_posix_fail(error, EFBIG, "fallocate", file->name, -1);
    uint64_t now;
    VB_TRY(file_size(file, &now, error));
    if (now >= size) return VARVE_OK;
    int failed;
    do
        failed = fallocate(file->fd, 0, (off_t)now, (off_t)(size - now));
    while (failed != 0 && errno == EINTR);
    if (failed == 0) return VARVE_OK;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return write_zeros(file, now, size, error);
    return vos_posix_fail(error, errno, "fallocate", file->name, (int64_t)size);
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t now_ns(struct vos *os) {
    (void)os;
    return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t wall_ns(struct vos *os) {
    (void)os;
    return clock_ns(CLOCK_REALTIME);
}

static int random_bytes(struct vos *os, void *data, size_t size) {
    (void)os;
    size_t done = 0;
    while (done < size) {
        ssize_t n = getrandom((char *)data + done, size - done, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return VARVE_IO;
        done += (size_t)n;
    }
    return VARVE_OK;
}

static uint64_t process_id(struct vos *os) {
    (void)os;
    return (uint64_t)getpid();
}

struct vos *vos_posix(void) {
    static const struct vos_ops ops = {
        .dir_open = vos_posix_dir_open,
        .dir_close = vos_posix_dir_close,
        .dir_sync = vos_posix_dir_sync,
        .dir_list = vos_posix_dir_list,
        .dir_rename = vos_posix_dir_rename,
        .dir_remove = vos_posix_dir_remove,
        .dir_lock = vos_posix_dir_lock,
        .dir_unlock = vos_posix_dir_unlock,
        .file_open = file_open,
        .file_close = file_close,
        .file_size = file_size,
        .file_read = file_read,
        .file_write = file_write,
        .file_sync = file_sync,
        .file_write_behind = file_write_behind,
        .file_map = vos_posix_file_map,
        .file_truncate = file_truncate,
        .file_allocate = file_allocate,
        .now_ns = now_ns,
        .wall_ns = wall_ns,
        .random = random_bytes,
        .pid = process_id,
    };
    static struct vos os = {&ops}; /* never written */
    return &os;
}
