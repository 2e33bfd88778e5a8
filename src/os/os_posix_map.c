/* os_posix_map.c - writes to a file through a mapping: no system call for each.
 *
 * What is stored into a shared mapping is in the page cache at once, as what pwrite has written: it survives the process,
 * a sync makes it durable, and the error of a write-back is told by that sync. What a mapping lacks is a way to refuse a
 * store: the process gets SIGBUS. So a page is asked for before anything is stored to it, by MADV_POPULATE_WRITE, which
 * tells what is the matter; the file is written by pwrite from then on, which tells it again, in words.
 *
 * Thread rule: map, unmap, and every write of a mapped file by one thread at a time; all else by any, elsewhere in the file.
 * Invariants
 *   1. Stores go to [ready, ready_end) alone: pages that were present and writable when they were asked for.
 *   2. Only file systems are mapped that have given the page its block by then, and do not take it back: a store never
 *      needs room.
 * What is left: a file that somebody else cuts short, and a device that dies while a page that was asked for has left the
 * cache again. Both come as SIGBUS.
 * Sources: madvise(2), Linux 5.14; Crotty, Leis, Pavlo, Are You Sure You Want to Use MMAP in Your Database Management System?,
 * CIDR 2022 (what is wrong with mappings: none of it concerns an append to room that was taken before).
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/atomics.h"
#include "os/os_int.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define AHEAD_BYTES (UINT64_C(256) << 10)
#define LARGE_BYTES (32u << 10) /* by one call each, for a page that a fault brings costs more than its part of that */

/* By their numbers in statfs(2). Others may copy a block when it is written, and need room for that. */
static bool keeps_its_blocks(int fd) {
    enum { EXT4 = 0xef53, XFS = 0x58465342, TMPFS = 0x01021994 };
    struct statfs facts;
    if (fstatfs(fd, &facts) != 0) return false;
    return facts.f_type == EXT4 || facts.f_type == XFS || facts.f_type == TMPFS;
}

void vos_posix_file_map(struct vos_file *file, uint64_t size) {
    struct vos_map *map = &file->map;
    if (map->bytes != NULL || size == 0 || size > SIZE_MAX / 2 || !keeps_its_blocks(file->fd)) return;
    void *bytes = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
    if (bytes == MAP_FAILED) return;
    (void)madvise(bytes, (size_t)size, MADV_DONTFORK);
    *map = (struct vos_map){.bytes = bytes, .size = size};
}

void vos_posix_file_unmap(struct vos_file *file) {
    if (file->map.bytes != NULL) (void)munmap(file->map.bytes, (size_t)file->map.size);
    file->map = (struct vos_map){.bytes = NULL};
}

/* The system makes a mapped page clean by asking every processor to forget it, one page after the other. A range that is left
 * is forgotten at once: what was stored is the page cache's already. */
void vos_posix_map_leave(struct vos_file *file, uint64_t offset, uint64_t size) {
    const struct vos_map *map = &file->map;
    if (map->bytes == NULL || offset > map->size || size > map->size - offset) return;
    (void)madvise(map->bytes + offset, (size_t)size, MADV_DONTNEED);
}

static bool make_ready(struct vos_map *map, uint64_t offset, size_t size) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t from = offset / page * page, end = offset + size + AHEAD_BYTES;
    if (end > map->size) end = map->size;
    if (madvise(map->bytes + from, (size_t)(end - from), MADV_POPULATE_WRITE) != 0) return false;
    map->ready = from;
    map->ready_end = end;
    return true;
}

bool vos_posix_map_write(struct vos_file *file, uint64_t offset, const void *data, size_t size) {
    struct vos_map *map = &file->map;
    if (map->bytes == NULL || map->refused || size >= LARGE_BYTES || offset > map->size || size > map->size - offset) return false;
    if (vb_unlikely(offset < map->ready || offset + size > map->ready_end) && !make_ready(map, offset, size)) {
        map->refused = true;
        return false;
    }
    if (size != 0) memcpy(map->bytes + offset, data, size);
    return true;
}
