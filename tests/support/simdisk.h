/* simdisk.h - a disk in memory behind struct vos: it knows what a power cut may leave, and fails on demand.
 *
 * Model. A file has a durable image and, over it, what reads see. A write changes what reads see at once and leaves one
 * pending operation per 512-byte sector (with the sector as it was then) and, where the file grew, one for its size,
 * which comes first. Creating, renaming and removing a name each leave one pending operation of the directory. A file
 * sync makes the file's own pending operations durable, a directory sync the directory's; neither does the other's.
 * Making a directory is durable at once, because dir_open syncs the parent.
 *
 * A crash is two steps: sim_crash_after cuts the power after the n-th counted operation (from then on every file call
 * fails with VARVE_IO), and sim_reboot makes a new disk of what one policy lets survive. A test enumerates
 *     n = 0 .. sim_ops of a run without a cut,  policy = 0 .. SIM_POLICIES-1,  choice = 0 .. sim_choices-1
 * and may do it again while it recovers. Counted are: create, write, truncate, file sync, rename, remove, directory
 * sync; not reads, opens of what exists, or closes.
 *
 * Threads. Every function may be called from any thread; one mutex guards the disk. Handles belong to their disk and
 * must be closed before sim_free, also after a cut. The mutex is never held while a callback runs.
 *
 * Source of the policies: the crash states of Pillai et al., All File Systems Are Not Created Equal, OSDI 2014, and of
 * Mohan et al., Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing, OSDI 2018; behaviour after a
 * failed fsync: Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_SUPPORT_SIMDISK_H
#define VARVE_TESTS_SUPPORT_SIMDISK_H

#include <stdio.h>

#include "os/os.h"

enum { SIM_SECTOR = 512 };

/* Which pending operations survive, numbered as P0 to P7. In parentheses the number of choices with N pending
 * operations, W of them sector writes; choices are taken modulo it. */
enum sim_policy {
    SIM_NOTHING = 0,      /* none (1) */
    SIM_ALL = 1,          /* all, as after the end of the process alone (1) */
    SIM_PREFIX = 2,       /* the first `choice`, in the order they were made (N + 1) */
    SIM_ALL_BUT_ONE = 3,  /* all but number `choice` (N, at least 1) */
    SIM_EXACTLY_ONE = 4,  /* number `choice` alone (N, at least 1) */
    SIM_RANDOM = 5,       /* each with a chance of 1/4, 1/2 or 3/4, by seed and choice (8; any number will do) */
    SIM_BOUNDARY = 6,     /* all before sector write choice/4, none after; it is old, new, zero or garbage (4W) */
    SIM_METADATA_SKEW = 7 /* sizes and names without data, data without both, data and sizes without names (3) */
};
enum { SIM_POLICIES = 8 };

/* What a failed file sync does to the sectors it was to write. The size stays pending unless it says otherwise. */
enum sim_sync_failure {
    SIM_SYNC_DROPS = 0,      /* none reaches the disk or is tried again; reads show the new bytes (ext4, XFS) */
    SIM_SYNC_DROPS_SOME = 1, /* the same, but a random half and the size did reach the disk */
    SIM_SYNC_REVERTS = 2     /* none reaches the disk, and reads show the old bytes again (btrfs) */
};

struct sim_disk;

struct sim_disk *sim_create(uint64_t seed);
void sim_free(struct sim_disk *disk); /* every handle closed */
struct vos *sim_os(struct sim_disk *disk);
/* A copy with the same files, pending operations, clock and capacity; power on, nothing counted, no faults or locks. */
struct sim_disk *sim_clone(const struct sim_disk *disk);

uint64_t sim_ops(const struct sim_disk *disk);   /* counted so far */
uint64_t sim_reads(const struct sim_disk *disk); /* calls of file_read so far */
uint64_t sim_syncs(const struct sim_disk *disk); /* file syncs so far, failed ones included */
unsigned sim_pending(const struct sim_disk *disk);
/* Power goes off when operation n has been done; n at or below sim_ops: now. UINT64_MAX: never. */
void sim_crash_after(struct sim_disk *disk, uint64_t nth_io_op);
bool sim_power_is_off(const struct sim_disk *disk);
unsigned sim_choices(const struct sim_disk *disk, enum sim_policy policy);
/* What survives, on a new disk with power on, nothing pending and nothing counted. The old one is left as it is. */
struct sim_disk *sim_reboot(const struct sim_disk *disk, enum sim_policy policy, unsigned choice, uint64_t seed);

/* Counted operation number op_index (1 = the first of this disk's life) and, when persistent, every later one, fails
 * with `status`. VARVE_FULL spares removals. VARVE_OK means that the device lies: it reports success and does nothing.
 * A failing write has written some of its sectors. Up to 8 plans at a time. */
void sim_fail_at(struct sim_disk *disk, uint64_t op_index, int status, bool persistent);
void sim_fail_read_at(struct sim_disk *disk, uint64_t read_index, int status, bool persistent);
void sim_fail_clear(struct sim_disk *disk);
void sim_set_sync_failure(struct sim_disk *disk, enum sim_sync_failure behaviour);
/* Bytes of all files together, as reads see them; a write that would pass it writes what fits and returns FULL. */
void sim_set_capacity(struct sim_disk *disk, uint64_t bytes);
uint64_t sim_used_bytes(const struct sim_disk *disk);

/* The clock stands still but for tick_ns per question (default 1000) and what is added here. */
void sim_set_tick(struct sim_disk *disk, uint64_t tick_ns);
void sim_advance(struct sim_disk *disk, uint64_t ns);

/* Behind the back of the program under test; path is "directory/name". All change what reads see and the durable image
 * alike, and are not counted. False: no such file, or not within it. */
int sim_list(const struct sim_disk *disk, int (*fn)(void *arg, const char *path, uint64_t size), void *arg);
bool sim_file_size(const struct sim_disk *disk, const char *path, uint64_t *size);
bool sim_peek(const struct sim_disk *disk, const char *path, uint64_t offset, void *data, size_t size);
bool sim_peek_durable(const struct sim_disk *disk, const char *path, uint64_t offset, void *data, size_t size);
bool sim_poke(struct sim_disk *disk, const char *path, uint64_t offset, const void *data, size_t size);
bool sim_flip(struct sim_disk *disk, const char *path, uint64_t offset, unsigned bit);
bool sim_resize(struct sim_disk *disk, const char *path, uint64_t size);
bool sim_delete(struct sim_disk *disk, const char *path);
bool sim_move(struct sim_disk *disk, const char *from, const char *to); /* replaces; within one directory */
bool sim_put(struct sim_disk *disk, const char *path, const void *data, size_t size); /* creates or replaces */

/* The last operations (at most 64) and what is pending, for the report of a failure. */
void sim_trace(const struct sim_disk *disk, FILE *out);

#endif
