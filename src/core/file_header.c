/* file_header.c - encoding and decoding of the header that every file of a database begins with.
 *
 * Any thread; pure functions over bytes. Invariants
 *   1. Decoding believes no field before the sum of the whole header has been found right.
 *   2. Bytes without a meaning are written as zero, so that no memory of the process reaches a file.
 *
 * SPDX-License-Identifier: MIT
 */
#include "core/file_header.h"

#include <string.h>

#include "base/bytes.h"

static const uint8_t magic[8] = {0x89, 'V', 'A', 'R', 0x56, 0x0d, 0x0a, 0x1a};

enum {
    AT_MAJOR = 8,
    AT_MINOR = 10,
    AT_KIND = 12,
    AT_INCOMPAT = 16,
    AT_RO_COMPAT = 24,
    AT_UNIT = 40,
    AT_SUM_ID = 44,
    AT_DATABASE_ID = 48,
    AT_FILE_ID = 64,
    AT_SALT = 72,
    AT_CREATION_CTS = 80,
    AT_SUM = 4088,
    SUM_XXH3_64 = 1
};

void vk_file_header_encode(const struct vk_file_header *header, uint8_t out[VK_FILE_HEADER_BYTES]) {
    memset(out, 0, VK_FILE_HEADER_BYTES);
    memcpy(out, magic, sizeof(magic));
    vb_put_u16(out + AT_MAJOR, VK_FILE_MAJOR);
    vb_put_u16(out + AT_MINOR, VK_FILE_MINOR);
    vb_put_u32(out + AT_KIND, header->kind);
    vb_put_u32(out + AT_UNIT, header->unit_bytes);
    vb_put_u32(out + AT_SUM_ID, SUM_XXH3_64);
    memcpy(out + AT_DATABASE_ID, header->database_id, sizeof(header->database_id));
    vb_put_u64(out + AT_FILE_ID, header->file_id);
    vb_put_u64(out + AT_SALT, header->salt);
    vb_put_u64(out + AT_CREATION_CTS, header->creation_cts);
    memcpy(out + VK_FILE_EXTRA_OFFSET, header->extra, sizeof(header->extra));
    vb_put_u64(out + AT_SUM, vb_hash64(out, AT_SUM, 0));
}

/* NULL when the header can be read by this version. */
static const char *refusal(const uint8_t *in, uint32_t kind) {
    if (memcmp(in, magic, sizeof(magic)) != 0) return "not a file of this engine";
    if (vb_get_u64(in + AT_SUM) != vb_hash64(in, AT_SUM, 0)) return "file header damaged";
    if (vb_get_u16(in + AT_MAJOR) != VK_FILE_MAJOR) return "written by an incompatible version";
    if (vb_get_u32(in + AT_SUM_ID) != SUM_XXH3_64) return "unknown checksum";
    if (vb_get_u64(in + AT_INCOMPAT) != 0) return "needs a feature this version does not know";
    if (vb_get_u64(in + AT_RO_COMPAT) != 0) return "needs a feature this version does not know to write";
    if (kind != 0 && vb_get_u32(in + AT_KIND) != kind) return "a file of another kind";
    return NULL;
}

int vk_file_header_decode(const uint8_t in[VK_FILE_HEADER_BYTES], uint32_t kind, struct vk_file_header *header,
                          const char **why) {
    const char *text = refusal(in, kind);
    if (text != NULL) {
        *why = text;
        return VARVE_CORRUPT;
    }
    header->kind = vb_get_u32(in + AT_KIND);
    header->unit_bytes = vb_get_u32(in + AT_UNIT);
    memcpy(header->database_id, in + AT_DATABASE_ID, sizeof(header->database_id));
    header->file_id = vb_get_u64(in + AT_FILE_ID);
    header->salt = vb_get_u64(in + AT_SALT);
    header->creation_cts = vb_get_u64(in + AT_CREATION_CTS);
    memcpy(header->extra, in + VK_FILE_EXTRA_OFFSET, sizeof(header->extra));
    return VARVE_OK;
}

uint64_t vk_file_seed(const struct vk_file_header *header, uint64_t offset) {
    uint8_t bytes[40];
    memcpy(bytes, header->database_id, 16);
    vb_put_u64(bytes + 16, header->file_id);
    vb_put_u64(bytes + 24, offset);
    vb_put_u64(bytes + 32, header->salt);
    return vb_hash64(bytes, sizeof(bytes), 0);
}
