/* os.h - the one door to the operating system: files, directories, clocks, random bytes, threads, futex waits.
 *
 * A struct vos is the world one database lives in. vos_posix() is the real one; tests bring a simulated disk and clock
 * (tests/support). Nothing outside this folder calls the operating system; a check with nm proves it.
 *
 * All paths are names inside a directory handle that was opened once. File calls return VARVE_OK or a status (IO, FULL,
 * NOMEM, NOTFOUND, EXISTS, CORRUPT for what is not a regular file, INVALID for a name with a slash in it and for a path
 * to something that is not a directory); the detail goes to the caller's `struct vos_error`.
 * Short reads and writes are completed or reported; EINTR is retried. A failed sync must never be tried again: the
 * system forgets what it could not write and calls the next one a success.
 * Creating, renaming or removing a name is durable after dir_sync; dir_open with create has synced the parent.
 * Waits, sleeps and syncs may not be called inside a read section (asserted: vos_assert_may_wait).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_OS_OS_H
#define VARVE_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomics.h"
#include "varve.h"

struct vos;
struct vos_dir;  /* an open directory */
struct vos_file; /* an open regular file */
struct vos_thread;

/* Detail of the last failing call, filled when not NULL. */
struct vos_error {
    int code;       /* errno, 0 = none */
    char text[192]; /* "pwrite 0000000000000001.log at 4096: Input/output error" */
};

enum vos_open_flags {
    VOS_READ = 0,
    VOS_WRITE = 1,     /* read and write */
    VOS_CREATE = 2,    /* must not exist (EXISTS) */
    VOS_CREATE_OR_OPEN = 4
};

struct vos_ops {
    /* directories; path is the caller's, absolute or relative */
    int (*dir_open)(struct vos *os, const char *path, bool create, unsigned mode, struct vos_dir **dir,
                    struct vos_error *error);
    void (*dir_close)(struct vos_dir *dir);
    int (*dir_sync)(struct vos_dir *dir, struct vos_error *error);
    /* Every name but "." and "..", in any order; fn non-zero: stop, returned. */
    int (*dir_list)(struct vos_dir *dir, int (*fn)(void *arg, const char *name), void *arg, struct vos_error *error);
    int (*dir_rename)(struct vos_dir *dir, const char *from, const char *to, struct vos_error *error);
    int (*dir_remove)(struct vos_dir *dir, const char *name, struct vos_error *error); /* NOTFOUND */
    /* Takes the exclusive lock of file `name` (created if absent) for this process and handle: BUSY if held, then
     * *holder_pid is what the holder wrote (0 = unknown). Kept until dir_unlock or the end of the process; a forked
     * child that lives on keeps it too, and dir_unlock in the child leaves the parent's lock alone. */
    int (*dir_lock)(struct vos_dir *dir, const char *name, unsigned mode, struct vos_file **lock, uint64_t *holder_pid,
                    struct vos_error *error);
    void (*dir_unlock)(struct vos_file *lock);
    /* files; offsets and sizes in bytes */
    int (*file_open)(struct vos_dir *dir, const char *name, unsigned flags, unsigned mode, struct vos_file **file,
                     struct vos_error *error);
    int (*file_close)(struct vos_file *file, struct vos_error *error); /* the handle is gone whatever it returns */
    int (*file_size)(struct vos_file *file, uint64_t *size, struct vos_error *error);
    int (*file_read)(struct vos_file *file, uint64_t offset, void *data, size_t size, size_t *got,
                     struct vos_error *error); /* *got < size only at the end of file */
    int (*file_write)(struct vos_file *file, uint64_t offset, const void *data, size_t size,
                      struct vos_error *error); /* all or a status; a status leaves any part of it written */
    int (*file_sync)(struct vos_file *file, struct vos_error *error); /* fdatasync */
    /* Asks the system to begin writing these bytes out, which nobody writes again, so that a later sync has less to
     * wait for. Promises nothing and tells nothing: what fails is told by that sync. NULL where there is no such thing. */
    void (*file_write_behind)(struct vos_file *file, uint64_t offset, uint64_t size);
    /* Asks that writes of the first `size` bytes, which the file has, take no system call each where that can be had.
     * They promise what they did. From now on one thread at a time writes the file. NULL where there is no such thing. */
    void (*file_map)(struct vos_file *file, uint64_t size);
    int (*file_truncate)(struct vos_file *file, uint64_t size, struct vos_error *error);
    /* Makes the file at least `size` bytes long, new bytes zero, and takes their room now: FULL here and not at a later
     * write. A first write of such a byte may cost a journal entry at its sync that one of a written byte does not. */
    int (*file_allocate)(struct vos_file *file, uint64_t size, struct vos_error *error);
    /* the rest of the world */
    uint64_t (*now_ns)(struct vos *os);  /* monotonic */
    uint64_t (*wall_ns)(struct vos *os); /* since 1970; never used for correctness */
    int (*random)(struct vos *os, void *data, size_t size);
    uint64_t (*pid)(struct vos *os);
};
struct vos {
    const struct vos_ops *ops;
};

struct vos *vos_posix(void); /* static, shared, stateless */

/* Threads, futexes and barriers are the process's, whatever the disk is. */
/* A thread with all signals blocked; name: at most 15 bytes are kept. NOMEM when none can be had. */
int vos_thread_start(void (*run)(void *arg), void *arg, const char *name, struct vos_thread **thread);
void vos_thread_join(struct vos_thread *thread); /* and free */
void vos_thread_yield(void);
/* Sleeps while *word == expected, at most timeout_ns (0 = no limit). True: woken or changed; false: timed out. May wake
 * early. */
bool vos_futex_wait(const uint32_t *word, uint32_t expected, uint64_t timeout_ns);
void vos_futex_wake(const uint32_t *word, unsigned count);
unsigned vos_cpu_count(void);
unsigned vos_cpu(void); /* the CPU this thread ran on a moment ago; a hint */

/* A mutex for rare paths (catalogue, open, manifest); a futex word, no allocation, zero = unlocked. */
struct vos_mutex { uint32_t word; };
void vos_mutex_lock(struct vos_mutex *mutex);
bool vos_mutex_try(struct vos_mutex *mutex);
void vos_mutex_unlock(struct vos_mutex *mutex);

/* A full barrier on every thread of this process that is running (MEMBARRIER_CMD_PRIVATE_EXPEDITED).
 * vos_membarrier_ready registers and tells whether it exists; where it does not, vos_light_barrier is a real fence and
 * this too. */
bool vos_membarrier_ready(void);
void vos_membarrier(void);
extern bool vos_membarrier_missing; /* true until the first vos_membarrier_ready that finds it; call it at every open */
void vos_light_fence_slow(void);
/* The cheap half of the pair: a compiler barrier where membarrier works, a sequentially consistent fence elsewhere. */
static inline void vos_light_barrier(void) {
    vb_compiler_barrier();
    if (vb_unlikely(vb_load_relaxed(&vos_membarrier_missing))) vos_light_fence_slow();
}

/* A word that reads zero in a child after fork (a MADV_WIPEONFORK page, Linux 4.14). OK, NOMEM, or IO where the
 * kernel cannot do it. */
struct vos_fork_mark { uint64_t *page; };
int vos_fork_mark_open(struct vos_fork_mark *mark);
void vos_fork_mark_close(struct vos_fork_mark *mark);
static inline bool vos_forked(const struct vos_fork_mark *mark) { return *(volatile uint64_t *)mark->page == 0; }

/* Large, zeroed, page-aligned memory with huge pages asked for (MADV_HUGEPAGE); NULL when out of memory. */
void *vos_pages_alloc(size_t size);
void vos_pages_free(void *pages, size_t size);

#endif
