/* os_int.h - what the files of the real operating system share. Private to os.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_OS_OS_INT_H
#define VARVE_OS_OS_INT_H

#include <sys/types.h>

#include "os/os.h"

/* os_posix_map.c */
struct vos_map {
    uint8_t *bytes; /* constant from map to unmap; NULL: not mapped */
    uint64_t size;
    uint64_t ready, ready_end; /* the writer's alone, as the next */
    bool refused;
};
/* Constant after open, but for its mapping. */
struct vos_file {
    int fd;
    struct vos_map map;
    pid_t owner;      /* the process that opened it: a forked child must not drop the parent's lock */
    size_t all_bytes; /* of this structure, the name included */
    char name[];      /* for error texts */
};
struct vos_dir {
    int fd;
    size_t all_bytes;
    char path[];
};

/* Fills *error (may be NULL) from errno value `code` and gives the status it stands for. at < 0: no offset. */
int vos_posix_fail(struct vos_error *error, int code, const char *call, const char *name, int64_t at);
/* Fills *error with a text that no errno stands for, and gives `status` back. */
int vos_posix_refuse(struct vos_error *error, int status, const char *name, const char *why);
/* Moves a descriptor out of 0 to 2, which a host may have closed and may open again; -1 with errno. Takes fd over. */
int vos_posix_high_fd(int fd);
int vos_posix_check_name(const char *name, struct vos_error *error); /* a name of ours: not empty, no slash, no dots */
int vos_posix_open_regular(struct vos_dir *dir, const char *name, int flags, unsigned mode, struct vos_file **file,
                           struct vos_error *error);
void vos_posix_free_file(struct vos_file *file);
/* All of the bytes, over short writes and interruptions. 0 or an errno value. */
int vos_posix_write_all(int fd, uint64_t offset, const void *data, size_t size);

void vos_posix_file_map(struct vos_file *file, uint64_t size);
void vos_posix_file_unmap(struct vos_file *file);
/* False: nothing was stored, the file is to be written instead. */
void vos_posix_map_leave(struct vos_file *file, uint64_t offset, uint64_t size); /* nobody writes there any more */
bool vos_posix_map_write(struct vos_file *file, uint64_t offset, const void *data, size_t size);

int vos_posix_dir_open(struct vos *os, const char *path, bool create, unsigned mode, struct vos_dir **dir,
                       struct vos_error *error);
void vos_posix_dir_close(struct vos_dir *dir);
int vos_posix_dir_sync(struct vos_dir *dir, struct vos_error *error);
int vos_posix_dir_list(struct vos_dir *dir, int (*fn)(void *arg, const char *name), void *arg,
                       struct vos_error *error);
int vos_posix_dir_rename(struct vos_dir *dir, const char *from, const char *to, struct vos_error *error);
int vos_posix_dir_remove(struct vos_dir *dir, const char *name, struct vos_error *error);
int vos_posix_dir_lock(struct vos_dir *dir, const char *name, unsigned mode, struct vos_file **lock,
                       uint64_t *holder_pid, struct vos_error *error);
void vos_posix_dir_unlock(struct vos_file *lock);

#endif
