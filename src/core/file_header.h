/* file_header.h - the 4096-byte header that every file of a database begins with.
 *
 * | offset | bytes | field |
 * | 0 | 8 | magic 89 56 41 52 56 0D 0A 1A |
 * | 8 | 2 | major | 10 | 2 | minor |
 * | 12 | 4 | kind (enum vk_file_kind) |
 * | 16 | 8 | incompat bits | 24 | 8 | ro-compat bits | 32 | 8 | compat bits |
 * | 40 | 4 | unit bytes | 44 | 4 | sum id (1 = XXH3-64) |
 * | 48 | 16 | database id | 64 | 8 | file id | 72 | 8 | salt | 80 | 8 | creation cts |
 * | 88 | ... | kind-specific; 96..159 stay zero for a wrapped file key |
 * | 4088 | 8 | XXH3-64 of 0..4087, seed 0 |
 * All little-endian. Kind-specific bytes are at 160 and up.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CORE_FILE_HEADER_H
#define VARVE_CORE_FILE_HEADER_H

#include <stddef.h>
#include <stdint.h>

#define VK_FILE_HEADER_BYTES 4096
#define VK_FILE_EXTRA_OFFSET 160 /* kind-specific bytes */
#define VK_FILE_MAJOR 1
#define VK_FILE_MINOR 0

enum vk_file_kind { VK_FILE_RUN = 1, VK_FILE_TREE = 2, VK_FILE_BLOB = 3, VK_FILE_MANIFEST = 4, VK_FILE_LOG = 5, VK_FILE_BACKUP = 6 };

struct vk_file_header {
    uint32_t kind;
    uint32_t unit_bytes;
    uint8_t database_id[16];
    uint64_t file_id;
    uint64_t salt;
    uint64_t creation_cts;
    uint8_t extra[256];  /* kind-specific, from VK_FILE_EXTRA_OFFSET */
};
void vk_file_header_encode(const struct vk_file_header *header, uint8_t out[VK_FILE_HEADER_BYTES]);
/* CORRUPT with *why (static text) when it is not ours, damaged, of another kind (kind != 0), or newer than we read. */
int vk_file_header_decode(const uint8_t in[VK_FILE_HEADER_BYTES], uint32_t kind, struct vk_file_header *header, const char **why);
/* Seed of every sum in a file: XXH3-64 of database id, file id, offset and salt, so that a block in the wrong place fails. */
uint64_t vk_file_seed(const struct vk_file_header *header, uint64_t offset);

#endif
