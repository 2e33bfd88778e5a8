/* run_format.h - the bytes of a run file, and nothing else. Private to runs.
 *
 * File:   header (core/file_header.h, kind 1) | data blocks | index partitions | properties | top index | footer.
 *         Everything little-endian; frames begin at multiples of 8.
 *
 * Frame   | 0 | u32 | stored bytes | 4 | u32 | raw bytes | 8 | u8 | kind | 9 | u8 | codec | 10 | u16 | entries |
 *         | 12 | u32 | zero | 16 | u64 | sum | 24 | payload, padded with zeros to a multiple of 8 |
 *         sum = XXH3-64(payload and padding, seed = XXH3-64(bytes 0..15, seed of the file at the frame's offset))
 * Handle  | 0 | u64 | offset | 8 | u32 | bytes of the frame | 12 | u32 | low half of its sum |
 *         All zero stands for a part that the file does not have.
 * Block   the payload of data, index and top frames, inflated:
 *         | 0 | u16 | count | 2 | u16 | prefix bytes | 4 | u32 | offset of the slots | 8 | u64 | base cts |
 *         | 16 | prefix | entries | slots: offset of each entry, u16[count], or u32[count] in blocks above 64 KiB |
 * Entry   u8 flags | varint suffix bytes | varint value bytes | zigzag varint cts - base | suffix | value
 *         Full key = table id u32 big-endian + the user's key: one memcmp orders tables and keys, and the table id is
 *         part of the prefix almost always. In index and top blocks the key is the shortest separator that is not
 *         below the last key of the child, the value is its handle, and cts is 0.
 * Properties  text, "name=value\n" each.
 * Footer, the last 4096 bytes:
 *         | 0 | 8 | magic2 | 8 | u64 | file id | 16 | handle | top index | 32 | handle | filter directory (zero) |
 *         | 48 | handle | references (zero) | 64 | handle | properties | 80 | u64 | entries | 88 | u64 | tombstones |
 *         | 96 | u64 | min cts | 104 | u64 | max cts | 112 | u64 | raw bytes | 120 | u64 | stored bytes |
 *         | 128 | u32 | level | 132 | u32 | flags | 136 | lowest key: u16 size, at most 1900 bytes, cut downward |
 *         | 2038 | highest key, the same, cut upward; size 0 = no bound | 4080 | u64 | running sum of all block sums |
 *         | 4088 | u64 | sum of 0..4087 |
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_RUNS_RUN_FORMAT_H
#define VARVE_RUNS_RUN_FORMAT_H

#include "core/file_header.h"

enum {
    VRN_FRAME_BYTES = 24,
    VRN_FRAME_SUM = 16,
    VRN_HANDLE_BYTES = 16,
    VRN_BLOCK_HEADER_BYTES = 16,
    VRN_TABLE_ID_BYTES = 4,
    VRN_FOOTER_BYTES = 4096,
    VRN_FOOTER_FILE_ID = 8,
    VRN_FOOTER_TOP = 16,
    VRN_FOOTER_FILTER = 32,
    VRN_FOOTER_REFERENCES = 48,
    VRN_FOOTER_PROPERTIES = 64,
    VRN_FOOTER_ENTRIES = 80,
    VRN_FOOTER_TOMBSTONES = 88,
    VRN_FOOTER_MIN_CTS = 96,
    VRN_FOOTER_MAX_CTS = 104,
    VRN_FOOTER_RAW = 112,
    VRN_FOOTER_STORED = 120,
    VRN_FOOTER_LOWEST = 136,
    VRN_FOOTER_HIGHEST = 2038,
    VRN_FOOTER_KEY_MAX = 1900,
    VRN_FOOTER_RUNNING = 4080,
    VRN_FOOTER_SUM = 4088,
    VRN_DATA_TARGET = 4096,   /* raw bytes of a data block; a larger entry has a block of its own */
    VRN_INDEX_TARGET = 65536, /* raw bytes of an index partition */
    VRN_INDEX_MAX = 1 << 20,  /* no index partition is larger */
    VRN_WIDE_SLOTS = 65536,   /* blocks with more raw bytes have u32 slots */
    VRN_COUNT_MAX = 65535     /* entries of a block */
};
#define VRN_RAW_MAX     ((UINT64_C(1) << 20) + VARVE_VALUE_MAX_BYTES)
#define VRN_INFLATE_MAX 1040 /* deflate makes at most so many bytes of one (1032, and room for its end) */

enum vrn_block_kind {
    VRN_DATA = 1,
    VRN_INDEX = 2,
    VRN_TOP = 3,
    VRN_FILTER = 4,
    VRN_FILTER_DIRECTORY = 5,
    VRN_REFERENCES = 6,
    VRN_PROPERTIES = 7
};
enum vrn_codec { VRN_STORED = 0, VRN_DEFLATED = 1 };
enum vrn_entry_flags { VRN_TOMBSTONE = 1 };

static const uint8_t vrn_footer_magic[8] = {0x8a, 'v', 'a', 'r', 'v', 'e', 'e', 0x0a};

#endif
