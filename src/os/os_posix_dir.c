/* os_posix_dir.c - directories of the real world: open and create, sync, list, rename, remove, and the lock that keeps
 * a second opener out.
 *
 * Owns no state. The path of the database is the caller's and may lead through symbolic links; names below it are ours
 * and may not.
 * Invariants
 *   1. A directory opened with create has an entry in its parent that is durable, made now or before a crash.
 *   2. The lock is an open-file-description lock: it conflicts with a second open from this process too, and no close
 *      of another descriptor drops it. It is taken on the file that the name leads to at the end, not on one that was
 *      replaced between the open and the lock.
 *   3. Only the process that took the lock gives it up; a forked child closes its descriptor and no more.
 *
 * SPDX-License-Identifier: MIT
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/os_int.h"
#include "os/rcu.h"

static int open_directory(int at, const char *path) {
    int fd;
    do
        fd = vos_posix_high_fd(openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* File systems that cannot sync a directory say EINVAL or ENOTSUP; what they promise is not ours to refuse. */
static int sync_directory(int fd) {
    int failed;
    do
        failed = fsync(fd);
    while (failed != 0 && errno == EINTR);
    return failed == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
}

/* A parent that may be passed through but not read cannot be opened, and so is synced with its whole file system. */
static int sync_parent(int fd) {
    int parent = open_directory(fd, "..");
    if (parent < 0 && errno == EACCES) return syncfs(fd) == 0 ? 0 : errno;
    if (parent < 0) return errno;
    int code = sync_directory(parent);
    close(parent);
    return code;
}

/* Who may read the files may search the directory. */
static mode_t directory_mode(unsigned mode) {
    return (mode_t)(mode | ((mode & 0444) >> 2));
}

int vos_posix_dir_open(struct vos *os, const char *path, bool create, unsigned mode, struct vos_dir **dir,
                       struct vos_error *error) {
    (void)os;
    if (create && mkdir(path, directory_mode(mode)) != 0 && errno != EEXIST)
        return vos_posix_fail(error, errno, "mkdir", path, -1);
    size_t bytes = sizeof(struct vos_dir) + strlen(path) + 1;
    struct vos_dir *made = vb_alloc(bytes);
    if (made == NULL) return vos_posix_fail(error, ENOMEM, "open", path, -1);
    made->all_bytes = bytes;
    memcpy(made->path, path, strlen(path) + 1);
    made->fd = open_directory(AT_FDCWD, path);
    int code = made->fd < 0 ? errno : create ? sync_parent(made->fd) : 0;
    if (code != 0) {
        int status = vos_posix_fail(error, code, made->fd < 0 ? "open" : "sync the parent of", path, -1);
        if (code == ENOTDIR) status = VARVE_INVALID;
        if (made->fd >= 0) close(made->fd);
        vb_free(made, bytes);
        return status;
    }
    *dir = made;
    return VARVE_OK;
}

void vos_posix_dir_close(struct vos_dir *dir) {
    close(dir->fd);
    vb_free(dir, dir->all_bytes);
}

int vos_posix_dir_sync(struct vos_dir *dir, struct vos_error *error) {
    vos_assert_may_wait();
    int code = sync_directory(dir->fd);
    return code == 0 ? VARVE_OK : vos_posix_fail(error, code, "fsync", dir->path, -1);
}

/* A second descriptor, because the listing owns its own and moves its position. */
int vos_posix_dir_list(struct vos_dir *dir, int (*fn)(void *arg, const char *name), void *arg,
                       struct vos_error *error) {
    int fd = open_directory(dir->fd, ".");
    DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
    if (list == NULL) {
        int status = vos_posix_fail(error, errno, "list", dir->path, -1);
        if (fd >= 0) close(fd);
        return status;
    }
    int stop = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(list);
        if (entry == NULL) {
            if (errno != 0) stop = vos_posix_fail(error, errno, "list", dir->path, -1);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        stop = fn(arg, entry->d_name);
        if (stop != 0) break;
    }
    closedir(list);
    return stop;
}

int vos_posix_dir_rename(struct vos_dir *dir, const char *from, const char *to, struct vos_error *error) {
    VB_TRY(vos_posix_check_name(from, error));
    VB_TRY(vos_posix_check_name(to, error));
    if (renameat(dir->fd, from, dir->fd, to) != 0) return vos_posix_fail(error, errno, "rename", from, -1);
    return VARVE_OK;
}

int vos_posix_dir_remove(struct vos_dir *dir, const char *name, struct vos_error *error) {
    VB_TRY(vos_posix_check_name(name, error));
    if (unlinkat(dir->fd, name, 0) != 0) return vos_posix_fail(error, errno, "remove", name, -1);
    return VARVE_OK;
}

static int set_lock(int fd, short type) {
    struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &whole) == 0 ? 0 : errno;
}

static uint64_t read_pid(int fd) {
    char text[32];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0) return 0;
    text[n] = '\0';
    return strtoull(text, NULL, 10);
}

/* For people and error texts only, so a full disk is no reason to refuse the open. */
static void write_pid(int fd) {
    char text[32];
    int length = snprintf(text, sizeof(text), "%lld\n", (long long)getpid());
    if (vos_posix_write_all(fd, 0, text, (size_t)length) != 0) length = 0;
    if (ftruncate(fd, length) != 0) return;
}

static bool still_named(struct vos_dir *dir, const struct vos_file *file) {
    struct stat mine, named;
    return fstat(file->fd, &mine) == 0 && fstatat(dir->fd, file->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
}

int vos_posix_dir_lock(struct vos_dir *dir, const char *name, unsigned mode, struct vos_file **lock,
                       uint64_t *holder_pid, struct vos_error *error) {
    int status = VARVE_OK;
    for (int attempt = 0; attempt < 8; attempt++) {
        struct vos_file *file;
        VB_TRY(vos_posix_open_regular(dir, name, O_RDWR | O_CREAT, mode, &file, error));
        int code = set_lock(file->fd, F_WRLCK);
        if (code == 0 && still_named(dir, file)) {
            write_pid(file->fd);
            *lock = file;
            return VARVE_OK;
        }
        if (code == EAGAIN || code == EACCES) {
            *holder_pid = read_pid(file->fd);
            status = vos_posix_refuse(error, VARVE_BUSY, name, "locked by another opener");
        } else if (code != 0) {
            status = vos_posix_fail(error, code, "lock", name, -1);
        }
        close(file->fd);
        vos_posix_free_file(file);
        if (status != VARVE_OK) return status;
    }
    return vos_posix_refuse(error, VARVE_IO, name, "replaced again and again while being locked");
}

void vos_posix_dir_unlock(struct vos_file *lock) {
    if (lock->owner == getpid()) set_lock(lock->fd, F_UNLCK);
    close(lock->fd);
    vos_posix_free_file(lock);
}
