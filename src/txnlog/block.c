/* block.c - the header and sum of a log block, the names and headers of segments, to bytes and back.
 *
 * Thread rule: pure functions over the caller's buffers.
 *
 * SPDX-License-Identifier: MIT
 */
#include "txnlog/txnlog_int.h"

size_t vtl_block_seal(uint8_t *buffer, struct vtl_block *block, uint32_t unit, uint64_t seed) {
    size_t used = VTL_BLOCK_HEADER_BYTES + (size_t)block->payload_bytes;
    size_t padded = vtl_round_up(used, unit);
    memset(buffer, 0, VTL_BLOCK_HEADER_BYTES);
    memset(buffer + used, 0, padded - used);
    vb_put_u32(buffer + VTL_BLOCK_AT_MAGIC, VTL_BLOCK_MAGIC);
    vb_put_u16(buffer + VTL_BLOCK_AT_HEADER_BYTES, VTL_BLOCK_HEADER_BYTES);
    vb_put_u16(buffer + VTL_BLOCK_AT_FLAGS, (uint16_t)block->flags);
    vb_put_u32(buffer + VTL_BLOCK_AT_PAYLOAD, block->payload_bytes);
    vb_put_u32(buffer + VTL_BLOCK_AT_COMPLEMENT, ~block->payload_bytes);
    vb_put_u32(buffer + VTL_BLOCK_AT_GENERATION, block->generation);
    vb_put_u32(buffer + VTL_BLOCK_AT_TIMELINE, block->timeline);
    vb_put_u64(buffer + VTL_BLOCK_AT_SEQ, block->seq);
    vb_put_u64(buffer + VTL_BLOCK_AT_CUT_LO, block->cut_lo);
    vb_put_u64(buffer + VTL_BLOCK_AT_CUT_HI, block->cut_hi);
    vb_put_u64(buffer + VTL_BLOCK_AT_DURABLE_SEQ, block->durable_seq);
    vb_put_u64(buffer + VTL_BLOCK_AT_PREV_CHECK, block->prev_check);
    vb_put_u64(buffer + VTL_BLOCK_AT_WALL, block->wall_ns);
    vb_put_u32(buffer + VTL_BLOCK_AT_RAW, block->payload_bytes);
    block->sum = vb_hash64(buffer, padded, seed);
    vb_put_u64(buffer + VTL_BLOCK_AT_SUM, block->sum);
    return padded;
}

bool vtl_block_parse(const uint8_t *header, uint64_t room, uint32_t unit, struct vtl_block *block) {
    if (vb_get_u32(header + VTL_BLOCK_AT_MAGIC) != VTL_BLOCK_MAGIC) return false;
    if (vb_get_u16(header + VTL_BLOCK_AT_HEADER_BYTES) != VTL_BLOCK_HEADER_BYTES) return false;
    uint32_t bytes = vb_get_u32(header + VTL_BLOCK_AT_PAYLOAD);
    if (vb_get_u32(header + VTL_BLOCK_AT_COMPLEMENT) != ~bytes) return false;
    if (vtl_round_up(VTL_BLOCK_HEADER_BYTES + (uint64_t)bytes, unit) > room) return false;
    block->flags = vb_get_u16(header + VTL_BLOCK_AT_FLAGS);
    block->payload_bytes = bytes;
    block->generation = vb_get_u32(header + VTL_BLOCK_AT_GENERATION);
    block->timeline = vb_get_u32(header + VTL_BLOCK_AT_TIMELINE);
    block->seq = vb_get_u64(header + VTL_BLOCK_AT_SEQ);
    block->cut_lo = vb_get_u64(header + VTL_BLOCK_AT_CUT_LO);
    block->cut_hi = vb_get_u64(header + VTL_BLOCK_AT_CUT_HI);
    block->durable_seq = vb_get_u64(header + VTL_BLOCK_AT_DURABLE_SEQ);
    block->prev_check = vb_get_u64(header + VTL_BLOCK_AT_PREV_CHECK);
    block->wall_ns = vb_get_u64(header + VTL_BLOCK_AT_WALL);
    block->sum = vb_get_u64(header + VTL_BLOCK_AT_SUM);
    return true;
}

/* The buffer is the caller's own, so that the field may be zero for a moment. */
bool vtl_block_sum_holds(uint8_t *buffer, const struct vtl_block *block, uint32_t unit, uint64_t seed) {
    size_t padded = vtl_round_up(VTL_BLOCK_HEADER_BYTES + (uint64_t)block->payload_bytes, unit);
    vb_put_u64(buffer + VTL_BLOCK_AT_SUM, 0);
    uint64_t sum = vb_hash64(buffer, padded, seed);
    vb_put_u64(buffer + VTL_BLOCK_AT_SUM, block->sum);
    return sum == block->sum;
}

void vtl_segment_name(char name[VTL_NAME_BYTES], uint64_t file_id, const char *suffix) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; i--, file_id >>= 4) name[i] = digits[file_id & 15];
    memcpy(name + 16, suffix, 5);
}

bool vtl_segment_parse_name(const char *name, const char *suffix, uint64_t *file_id) {
    if (strnlen(name, VTL_NAME_BYTES) != VTL_NAME_BYTES - 1 || strcmp(name + 16, suffix) != 0) return false;
    uint64_t id = 0;
    for (int i = 0; i < 16; i++) {
        char c = name[i];
        if (c >= '0' && c <= '9') {
            id = id << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            id = id << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *file_id = id;
    return true;
}

void vtl_segment_encode(struct vtl_segment *segment, uint8_t out[VK_FILE_HEADER_BYTES]) {
    uint8_t *extra = segment->header.extra;
    memset(extra, 0, sizeof(segment->header.extra));
    vb_put_u32(extra + VTL_SEGMENT_AT_GENERATION, segment->generation);
    vb_put_u32(extra + VTL_SEGMENT_AT_TIMELINE, segment->timeline);
    vb_put_u64(extra + VTL_SEGMENT_AT_FIRST_SEQ, segment->first_seq);
    vb_put_u64(extra + VTL_SEGMENT_AT_PREV_SEQ, segment->prev_seq);
    vb_put_u64(extra + VTL_SEGMENT_AT_PREV_CHECK, segment->prev_check);
    vb_put_u64(extra + VTL_SEGMENT_AT_MANIFEST, segment->manifest_sequence);
    vb_put_u64(extra + VTL_SEGMENT_AT_BYTES, segment->bytes);
    vk_file_header_encode(&segment->header, out);
}

int vtl_segment_decode(struct vtl_segment *segment, const uint8_t in[VK_FILE_HEADER_BYTES], const char **why) {
    VB_TRY(vk_file_header_decode(in, VK_FILE_LOG, &segment->header, why));
    const uint8_t *extra = segment->header.extra;
    segment->generation = vb_get_u32(extra + VTL_SEGMENT_AT_GENERATION);
    segment->timeline = vb_get_u32(extra + VTL_SEGMENT_AT_TIMELINE);
    segment->first_seq = vb_get_u64(extra + VTL_SEGMENT_AT_FIRST_SEQ);
    segment->prev_seq = vb_get_u64(extra + VTL_SEGMENT_AT_PREV_SEQ);
    segment->prev_check = vb_get_u64(extra + VTL_SEGMENT_AT_PREV_CHECK);
    segment->manifest_sequence = vb_get_u64(extra + VTL_SEGMENT_AT_MANIFEST);
    segment->bytes = vb_get_u64(extra + VTL_SEGMENT_AT_BYTES);
    uint32_t unit = segment->header.unit_bytes;
    *why = "the header of the segment contradicts itself";
    if (unit < VTL_UNIT_MIN || unit > VTL_UNIT_MAX || (unit & (unit - 1)) != 0) return VARVE_CORRUPT;
    if (segment->first_seq == 0 || segment->prev_seq != segment->first_seq - 1) return VARVE_CORRUPT;
    if (segment->bytes < VK_FILE_HEADER_BYTES || (segment->bytes - VK_FILE_HEADER_BYTES) % unit != 0)
        return VARVE_CORRUPT;
    if (segment->header.creation_cts > VTL_CTS_MAX || segment->generation == 0) return VARVE_CORRUPT;
    return VARVE_OK;
}
