/* block.c - frames (length, kind, sum, codec) and the blocks of entries inside them.
 *
 * Pure functions over bytes; a buffer belongs to one thread. Invariants
 *   1. No field of a frame is believed before its sum is right, and none of a block before it was found to lie within
 *      the block: a sum tells that the bytes are those that were written, not that whoever wrote them meant well.
 *   2. A buffer grows to what the file's own bytes justify: the stored bytes of a frame, and VRN_INFLATE_MAX times as
 *      many.
 *
 * Source: the key prefix with slots instead of restart points follows Graefe, Modern B-Tree Techniques, 2011, 3.4 and
 * 3.5; a parent that keeps its child's sum follows the file systems (Bonwick et al., The Zettabyte File System, 2003).
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "runs/run_int.h"

void vrn_handle_encode(const struct vrn_handle *handle, uint8_t out[VRN_HANDLE_BYTES]) {
    vb_put_u64(out, handle->offset);
    vb_put_u32(out + 8, handle->frame_bytes);
    vb_put_u32(out + 12, handle->check);
}

struct vrn_handle vrn_handle_decode(const uint8_t in[VRN_HANDLE_BYTES]) {
    return (struct vrn_handle){vb_get_u64(in), vb_get_u32(in + 8), vb_get_u32(in + 12)};
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

static size_t padded(size_t bytes) { return (bytes + 7) & ~(size_t)7; }

static uint64_t frame_sum(const uint8_t *frame, size_t frame_bytes, uint64_t seed) {
    uint64_t inner = vb_hash64(frame, VRN_FRAME_SUM, seed);
    return vb_hash64(frame + VRN_FRAME_BYTES, frame_bytes - VRN_FRAME_BYTES, inner);
}

int vrn_frame_seal(const struct vrn_frame *frame, struct vrn_zip *zip, struct vrn_bytes *out, uint64_t *sum) {
    if (frame->raw.size > VRN_RAW_MAX) return VARVE_TOOBIG;
    VB_TRY(vrn_bytes_reserve(out, out->size + VRN_FRAME_BYTES + padded(frame->raw.size)));
    uint8_t *at = out->data + out->size, *payload = at + VRN_FRAME_BYTES;
    size_t stored = frame->raw.size;
    bool smaller = frame->level > 0 &&
                   vrn_deflate(zip, frame->level, frame->raw, payload, frame->raw.size - frame->raw.size / 10, &stored);
    if (!smaller) {
        stored = frame->raw.size;
        if (stored != 0) memcpy(payload, frame->raw.data, stored);
    }
    size_t frame_bytes = VRN_FRAME_BYTES + padded(stored);
    memset(payload + stored, 0, frame_bytes - VRN_FRAME_BYTES - stored);
    vb_put_u32(at, (uint32_t)stored);
    vb_put_u32(at + 4, (uint32_t)frame->raw.size);
    at[8] = (uint8_t)frame->kind;
    at[9] = smaller ? VRN_DEFLATED : VRN_STORED;
    vb_put_u16(at + 10, (uint16_t)frame->entries);
    vb_put_u32(at + 12, 0);
    *sum = frame_sum(at, frame_bytes, frame->seed);
    vb_put_u64(at + VRN_FRAME_SUM, *sum);
    out->size += frame_bytes;
    return VARVE_OK;
}

/* NULL when the frame in buffer->stored may be believed. */
static const char *frame_fault(const struct vrn_bytes *stored, enum vrn_block_kind kind, uint64_t seed,
                               uint32_t check) {
    const uint8_t *frame = stored->data;
    if (stored->size < VRN_FRAME_BYTES) return "block cut short";
    uint64_t sum = vb_get_u64(frame + VRN_FRAME_SUM);
    if (sum != frame_sum(frame, stored->size, seed)) return "block checksum does not match";
    if ((uint32_t)sum != check) return "another block than the one its parent names";
    if (frame[8] != (uint8_t)kind) return "a block of another kind";
    if (padded(vb_get_u32(frame)) != stored->size - VRN_FRAME_BYTES) return "block length does not match";
    if (vb_get_u32(frame + 12) != 0 || frame[9] > VRN_DEFLATED) return "block needs a newer version";
    return NULL;
}

int vrn_frame_unseal(struct vrn_buffer *buffer, enum vrn_block_kind kind, uint64_t seed, uint32_t check,
                     struct vrn_opened *opened, const char **why) {
    *why = frame_fault(&buffer->stored, kind, seed, check);
    if (*why != NULL) return VARVE_CORRUPT;
    const uint8_t *frame = buffer->stored.data;
    uint64_t stored = vb_get_u32(frame), raw = vb_get_u32(frame + 4);
    opened->entries = vb_get_u16(frame + 10);
    opened->size = (size_t)raw;
    *why = "block length does not match";
    if (frame[9] == VRN_STORED) {
        opened->raw = frame + VRN_FRAME_BYTES;
        return raw == stored ? VARVE_OK : VARVE_CORRUPT;
    }
    uint64_t most = kind == VRN_INDEX ? VRN_INDEX_MAX : VRN_RAW_MAX;
    if (raw > most || raw > stored * VRN_INFLATE_MAX) return VARVE_CORRUPT;
    buffer->raw.size = 0;
    VB_TRY(vrn_bytes_reserve(&buffer->raw, (size_t)raw));
    *why = "block does not inflate to its length";
    varve_slice in = {frame + VRN_FRAME_BYTES, (size_t)stored};
    VB_TRY(vrn_inflate(&buffer->zip, in, buffer->raw.data, (size_t)raw));
    opened->raw = buffer->raw.data;
    return VARVE_OK;
}

void vrn_buffer_release(struct vrn_buffer *buffer) {
    vrn_bytes_free(&buffer->stored);
    vrn_bytes_free(&buffer->raw);
    vrn_bytes_free(&buffer->key);
    vrn_bytes_free(&buffer->wanted);
    vrn_zip_close(&buffer->zip);
}

/* --- encoding a block --------------------------------------------------------------------------------------------- */

static size_t common_prefix(const struct vrn_item *a, const struct vrn_item *b) {
    size_t most = a->key_bytes < b->key_bytes ? a->key_bytes : b->key_bytes, n = 0;
    if (most > UINT16_MAX) most = UINT16_MAX;
    while (n < most && a->key[n] == b->key[n]) n++;
    return n;
}

static size_t item_bytes(const struct vrn_item *item, size_t prefix, uint64_t base_cts) {
    size_t suffix = item->key_bytes - prefix;
    return 1 + vb_varint_bytes(suffix) + vb_varint_bytes(item->value_bytes) +
           vb_varint_bytes(vb_zigzag((int64_t)(item->cts - base_cts))) + suffix + item->value_bytes;
}

static uint8_t *item_encode(const struct vrn_item *item, size_t prefix, uint64_t base_cts, uint8_t *at) {
    size_t suffix = item->key_bytes - prefix;
    *at++ = item->flags;
    at += vb_put_varint(at, suffix);
    at += vb_put_varint(at, item->value_bytes);
    at += vb_put_varint(at, vb_zigzag((int64_t)(item->cts - base_cts)));
    memcpy(at, item->key + prefix, suffix);
    at += suffix;
    if (item->value_bytes != 0) memcpy(at, item->value, item->value_bytes);
    return at + item->value_bytes;
}

int vrn_block_encode(const struct vrn_item *items, size_t count, struct vrn_bytes *out) {
    if (count == 0 || count > VRN_COUNT_MAX) return VARVE_TOOBIG;
    size_t prefix = common_prefix(&items[0], &items[count - 1]); /* ascending: what the ends share, all share */
    uint64_t base_cts = items[0].cts, slots_offset = VRN_BLOCK_HEADER_BYTES + prefix;
    for (size_t i = 0; i < count; i++) slots_offset += item_bytes(&items[i], prefix, base_cts);
    size_t slot_bytes = slots_offset + count * 2 > VRN_WIDE_SLOTS ? 4 : 2;
    uint64_t size = slots_offset + count * slot_bytes;
    if (size > VRN_RAW_MAX) return VARVE_TOOBIG;
    out->size = 0;
    VB_TRY(vrn_bytes_reserve(out, (size_t)size));
    uint8_t *block = out->data, *at = block + VRN_BLOCK_HEADER_BYTES, *slot = block + slots_offset;
    vb_put_u16(block, (uint16_t)count);
    vb_put_u16(block + 2, (uint16_t)prefix);
    vb_put_u32(block + 4, (uint32_t)slots_offset);
    vb_put_u64(block + 8, base_cts);
    memcpy(at, items[0].key, prefix);
    at += prefix;
    for (size_t i = 0; i < count; i++, slot += slot_bytes) {
        if (slot_bytes == 2)
            vb_put_u16(slot, (uint16_t)(at - block));
        else
            vb_put_u32(slot, (uint32_t)(at - block));
        at = item_encode(&items[i], prefix, base_cts, at);
    }
    VB_ASSERT(at == block + slots_offset);
    out->size = (size_t)size;
    return VARVE_OK;
}

/* --- reading a block ---------------------------------------------------------------------------------------------- */

bool vrn_block_open(struct vrn_block *block, const struct vrn_opened *opened) {
    const uint8_t *raw = opened->raw;
    if (opened->size < VRN_BLOCK_HEADER_BYTES) return false;
    block->raw = raw;
    block->size = opened->size;
    block->count = vb_get_u16(raw);
    block->prefix_bytes = vb_get_u16(raw + 2);
    block->slots_offset = vb_get_u32(raw + 4);
    block->base_cts = vb_get_u64(raw + 8);
    block->slot_bytes = opened->size > VRN_WIDE_SLOTS ? 4 : 2;
    if (block->count == 0 || block->count != opened->entries) return false;
    if (block->slots_offset < VRN_BLOCK_HEADER_BYTES + block->prefix_bytes) return false;
    if (block->slots_offset > opened->size) return false;
    return opened->size - block->slots_offset == (size_t)block->count * block->slot_bytes;
}

bool vrn_block_item(const struct vrn_block *block, unsigned index, struct vrn_item *item) {
    const uint8_t *slot = block->raw + block->slots_offset + (size_t)index * block->slot_bytes;
    size_t at = block->slot_bytes == 2 ? vb_get_u16(slot) : vb_get_u32(slot);
    if (at < VRN_BLOCK_HEADER_BYTES + block->prefix_bytes || at > block->slots_offset) return false;
    struct vb_reader reader;
    vb_reader_init(&reader, block->raw + at, block->slots_offset - at);
    item->flags = vb_read_u8(&reader);
    uint64_t suffix_bytes = vb_read_varint(&reader), value_bytes = vb_read_varint(&reader);
    item->cts = block->base_cts + (uint64_t)vb_unzigzag(vb_read_varint(&reader));
    if (suffix_bytes > VARVE_KEY_MAX_BYTES + VRN_TABLE_ID_BYTES || value_bytes > VARVE_VALUE_MAX_BYTES) return false;
    varve_slice suffix = vb_read_bytes(&reader, (size_t)suffix_bytes);
    varve_slice value = vb_read_bytes(&reader, (size_t)value_bytes);
    if (reader.bad) return false;
    item->key = suffix.data;
    item->key_bytes = (uint32_t)suffix.size;
    item->value = value.data;
    item->value_bytes = (uint32_t)value.size;
    return true;
}

int vrn_block_compare(const struct vrn_block *block, const struct vrn_item *item, varve_slice key) {
    varve_slice prefix = {block->raw + VRN_BLOCK_HEADER_BYTES, block->prefix_bytes};
    varve_slice suffix = {item->key, item->key_bytes};
    if (key.size <= prefix.size) {
        int order = vb_compare((varve_slice){prefix.data, key.size}, key);
        return order != 0 ? order : prefix.size + suffix.size > key.size;
    }
    int order = vb_compare(prefix, (varve_slice){key.data, prefix.size});
    if (order != 0) return order;
    return vb_compare(suffix, (varve_slice){(const uint8_t *)key.data + prefix.size, key.size - prefix.size});
}

bool vrn_block_seek(const struct vrn_block *block, varve_slice key, unsigned *index) {
    unsigned low = 0, high = block->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        struct vrn_item item;
        if (!vrn_block_item(block, middle, &item)) return false;
        if (vrn_block_compare(block, &item, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *index = low;
    return true;
}
