/* limits.h - limits that tests set at run time, fixed when a database opens, and the few that are fixed for ever.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CORE_LIMITS_H
#define VARVE_CORE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#define VK_SLOTS_MAX 4093       /* transactions open at once; slot ids 1..4093 fit 16 bits, the rest are special */
#define VK_SLOT_APPLIER 4094    /* writer id of recovery and of a follower's apply */
#define VK_READER_BITS_MAX 44   /* reader bits of a lock word */
#define VK_TABLES_MAX 4095      /* live tables: a 12-bit table slot in every record */
#define VK_INLINE_BYTES 256     /* largest inline value; longer ones are blobs */

struct vk_limits {
    unsigned slots;             /* transactions open at once, 1..VK_SLOTS_MAX */
    unsigned reader_bits;       /* 1..VK_READER_BITS_MAX */
    unsigned leaf_fanout;       /* records per leaf, 4..64 */
    unsigned inner_fanout;      /* children per inner node, 4..64 */
    size_t log_buffer_bytes;    /* redo ring of a slot, 512..1 MiB */
    size_t log_unit_bytes;      /* what a sync of the log covers in whole: 4096, 512 in tests */
    uint64_t segment_first_bytes, segment_max_bytes;
    size_t chunk_bytes;         /* version chunk, 1 KiB..64 KiB */
    unsigned scan_small;        /* rows up to which a scan keeps a node set; beyond it the range is re-scanned */
    unsigned long_rounds;       /* rounds of the janitor that make the oldest snapshot a long one, at least 1 */
    unsigned split_reach;       /* stamps by which a split is drawn ahead of the clock, at least */
    unsigned hash_least;        /* room for so many rows, and more, and a table has a hash beside its tree; 0: always */
};

/* What a release runs with; the tests' tiny set is in tests/support. */
#define VK_LIMITS_DEFAULT \
    ((struct vk_limits){1024, VK_READER_BITS_MAX, 48, 48, 64 << 10, 4096, 1 << 20, 64 << 20, 32 << 10, 64, 8, 64, 1024})

#endif
