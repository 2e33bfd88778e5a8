/* manifest_format.h - the bytes of the manifest, and nothing else. Private to runs.
 *
 * File `manifest`: header (core/file_header.h, kind 4, file id 0, a new salt each time it is written anew), then
 * frames, each beginning at a multiple of 4096, zeros to the end. Everything little-endian.
 *
 * Header, kind-specific: | 160 | u64 | sequence of the first frame | 168 | u64 | bytes of the file when it was made |
 *
 * Frame | 0 | u32 | payload bytes | 4 | u32 | their complement | 8 | u64 | sequence | 16 | payload | .. | u64 | sum |
 *       sum = XXH3-64(all before it, seed of the file at the frame's offset). One frame is one atomic edit, synced
 *       before the next is written; sequences rise by one. A frame shares no 4096-byte unit with another, so that a
 *       torn write of one cannot harm those before. The first frame of a file holds the whole state.
 *
 * Payload: items | u8 | kind | u32 | body bytes | body |
 *   1 ADD_RUN    u32 level (0), u64 file id, bytes, entries, tombstones, min cts, max cts
 *   2 DROP_FILE  u64 file id
 *   3 CUT        u64 cts, u64 first log sequence
 *   4 TREE, 5 BLOB_MAP, 7 ENGINE  reserved
 *   6 TABLE      u32 id, u32 collation, u8 flags (1 dropped), u8 name bytes, name, u32 rules, each u32 bytes and text
 *   8 IDS        u64 next file, u32 next table
 *   9 CLOCK      u64 floor
 *  10 TIMELINE   u32
 *  11 LOG        u64 file id of the newest log segment: it must be there
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_RUNS_MANIFEST_FORMAT_H
#define VARVE_RUNS_MANIFEST_FORMAT_H

#include "core/file_header.h"

enum {
    VRN_MANIFEST_UNIT = 4096,
    VRN_EDIT_HEADER_BYTES = 16,
    VRN_EDIT_SUM_BYTES = 8,
    VRN_EXTRA_FIRST_SEQUENCE = 0, /* in the header's extra bytes */
    VRN_EXTRA_FILE_BYTES = 8,
    VRN_TABLE_DROPPED = 1
};
#define VRN_EDIT_PAYLOAD_MAX   (UINT32_C(64) << 20)
#define VRN_MANIFEST_BYTES_MAX (UINT64_C(1) << 30)

enum vrn_edit_item {
    VRN_ADD_RUN = 1,
    VRN_DROP_FILE = 2,
    VRN_CUT = 3,
    VRN_TABLE = 6,
    VRN_IDS = 8,
    VRN_CLOCK = 9,
    VRN_TIMELINE = 10,
    VRN_LOG = 11
};

#endif
