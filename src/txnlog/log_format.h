/* log_format.h - the bytes of the redo log, and nothing else.
 *
 * A segment `<16 hex digits of its file id>.log` is a file header (core/file_header.h, kind 5) and then blocks, each
 * padded with zeros to the unit of its file. A segment that is not in use yet is named `<16 hex digits>.new`.
 * All integers are little-endian.
 *
 * | kind-specific bytes of the file header, from 160 | |
 * | 0 | 4 | generation | 4 | 4 | timeline | 8 | 8 | sequence of its first block |
 * | 16 | 8 | predecessor's last sequence | 24 | 8 | and that block's sum |
 * | 32 | 8 | manifest sequence | 40 | 8 | bytes of the file |
 * The header's creation cts is the cut_lo of its first block.
 *
 * | block header | |
 * | 0 | 4 | magic | 4 | 2 | bytes of this header | 6 | 2 | flags |
 * | 8 | 4 | payload bytes | 12 | 4 | their complement |
 * | 16 | 4 | generation | 20 | 4 | timeline | 24 | 8 | sequence |
 * | 32 | 8 | cut_lo | 40 | 8 | cut_hi: the block holds every transaction with cut_lo < cts <= cut_hi |
 * | 48 | 8 | durable_seq: last block that a completed sync covers | 56 | 8 | sum of the block before |
 * | 64 | 8 | wall clock, ns | 72 | 4 | raw bytes | 76 | 1 | codec | 77 | 3 | zero | 80 | 8 | zero |
 * | 88 | 8 | XXH3-64 of the whole block, padding included, with this field zero; seed: vk_file_seed of its offset |
 * A block without payload, whose cut_lo is its cut_hi, fills a page or closes the log.
 * The transactions of one cut that need more than one block (MORE, PART) count whole or not at all.
 *
 * | payload: transactions in any order | |
 * | varint | cts - cut_lo | varint | flags (0) | varint | operations | varint | bytes of the operations |
 * | operation: u8 kind, varint table id, varint key bytes, varint value bytes (not for delete), key, value |
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TXNLOG_LOG_FORMAT_H
#define VARVE_TXNLOG_LOG_FORMAT_H

#define VTL_SEGMENT_AT_GENERATION 0
#define VTL_SEGMENT_AT_TIMELINE 4
#define VTL_SEGMENT_AT_FIRST_SEQ 8
#define VTL_SEGMENT_AT_PREV_SEQ 16
#define VTL_SEGMENT_AT_PREV_CHECK 24
#define VTL_SEGMENT_AT_MANIFEST 32
#define VTL_SEGMENT_AT_BYTES 40

#define VTL_BLOCK_MAGIC 0xb10c5eedu
#define VTL_BLOCK_AT_MAGIC 0
#define VTL_BLOCK_AT_HEADER_BYTES 4
#define VTL_BLOCK_AT_FLAGS 6
#define VTL_BLOCK_AT_PAYLOAD 8
#define VTL_BLOCK_AT_COMPLEMENT 12
#define VTL_BLOCK_AT_GENERATION 16
#define VTL_BLOCK_AT_TIMELINE 20
#define VTL_BLOCK_AT_SEQ 24
#define VTL_BLOCK_AT_CUT_LO 32
#define VTL_BLOCK_AT_CUT_HI 40
#define VTL_BLOCK_AT_DURABLE_SEQ 48
#define VTL_BLOCK_AT_PREV_CHECK 56
#define VTL_BLOCK_AT_WALL 64
#define VTL_BLOCK_AT_RAW 72
#define VTL_BLOCK_AT_CODEC 76
#define VTL_BLOCK_AT_ZERO 80
#define VTL_BLOCK_AT_SUM 88
#define VTL_BLOCK_HEADER_BYTES 96

#define VTL_BLOCK_MORE 1u   /* the next block goes on with the same cut */
#define VTL_BLOCK_PART 2u   /* goes on with the cut of the block before */
#define VTL_BLOCK_CLOSED 4u /* empty; written by an orderly close to vouch for all blocks before it */
#define VTL_BLOCK_FLAGS_KNOWN 7u

#define VTL_CODEC_NONE 0
#define VTL_CTS_MAX ((UINT64_C(1) << 55) - 1) /* a slot's commit word keeps the cts in 56 bits */
#define VTL_UNIT_MIN 128u
#define VTL_UNIT_MAX 65536u
#define VTL_NAME_BYTES 21 /* 16 digits, ".log" or ".new", NUL */

#endif
