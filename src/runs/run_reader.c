/* run_reader.c - reads a run: the footer, the index, blocks in order, one key.
 *
 * A reader is constant after open and may be used by any number of threads, each with its own buffer.
 * Invariants
 *   1. The file is the one the manifest names: its size, its ids and its counts are compared at open.
 *   2. Every offset and length that comes from the file is checked against the file before it is used, and every block
 *      against its place in the order: the keys of block i lie above separator i - 1 and not above separator i.
 *   3. What a hostile file can make the reader allocate is bounded by the file's size (see block.c).
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/check.h"
#include "runs/run_int.h"

struct partition { /* an index partition, as it is in the file but inflated */
    struct vrn_bytes raw;
    struct vrn_block block;
};

struct leaf { /* a data block, as the index names it */
    struct vrn_handle handle;
    uint32_t partition, item; /* where its separator is */
};

struct vrn_reader {
    struct vrn_config config;
    struct vk_file_header header;
    struct vrn_facts facts;
    struct vos_file *file;
    char name[VRN_NAME_BYTES];
    uint64_t footer_offset;
    struct partition *partitions; /* [partition_count] */
    size_t partition_count, partition_room;
    struct leaf *leaves; /* [leaf_count] */
    size_t leaf_count, leaf_capacity;
    uint8_t footer[VRN_FOOTER_BYTES];
};

int vrn_buffer_open(struct vrn_buffer **buffer) {
    struct vrn_buffer *made = vb_alloc(sizeof(*made));
    if (made == NULL) return VARVE_NOMEM;
    *buffer = made;
    return VARVE_OK;
}

void vrn_buffer_close(struct vrn_buffer *buffer) {
    if (buffer == NULL) return;
    vrn_buffer_release(buffer);
    vb_free(buffer, sizeof(*buffer));
}

/* --- frames of the file ------------------------------------------------------------------------------------------- */

static int read_exactly(struct vrn_reader *reader, uint64_t offset, void *data, size_t size, struct vk_detail *detail) {
    struct vos_error error = {0};
    size_t got = 0;
    int status = reader->config.os->ops->file_read(reader->file, offset, data, size, &got, &error);
    if (status != VARVE_OK) return vrn_os_fail(detail, status, &error);
    return got == size ? VARVE_OK : vrn_corrupt(detail, reader->name, offset + got, "file ends too early");
}

static bool handle_fits(const struct vrn_reader *reader, const struct vrn_handle *handle) {
    if (handle->offset % 8 != 0 || handle->frame_bytes % 8 != 0 || handle->frame_bytes < VRN_FRAME_BYTES) return false;
    if (handle->offset < VK_FILE_HEADER_BYTES || handle->offset > reader->footer_offset) return false;
    return handle->frame_bytes <= reader->footer_offset - handle->offset;
}

static int read_block(struct vrn_reader *reader, const struct vrn_handle *handle, enum vrn_block_kind kind,
                      struct vrn_buffer *buffer, struct vrn_block *block, struct vk_detail *detail) {
    if (!handle_fits(reader, handle))
        return vrn_corrupt(detail, reader->name, handle->offset, "a block outside the file");
    buffer->stored.size = 0;
    if (vrn_bytes_reserve(&buffer->stored, handle->frame_bytes) != VARVE_OK) return vrn_nomem(detail, reader->name);
    VB_TRY(read_exactly(reader, handle->offset, buffer->stored.data, handle->frame_bytes, detail));
    buffer->stored.size = handle->frame_bytes;
    struct vrn_opened opened;
    const char *why;
    uint64_t seed = vk_file_seed(&reader->header, handle->offset);
    int status = vrn_frame_unseal(buffer, kind, seed, handle->check, &opened, &why);
    if (status == VARVE_NOMEM) return vrn_nomem(detail, reader->name);
    if (status != VARVE_OK) return vrn_corrupt(detail, reader->name, handle->offset, why);
    if (!vrn_block_open(block, &opened))
        return vrn_corrupt(detail, reader->name, handle->offset, "block layout makes no sense");
    return VARVE_OK;
}

static int bad_entry(const struct vrn_reader *reader, const struct vrn_handle *handle, struct vk_detail *detail) {
    return vrn_corrupt(detail, reader->name, handle->offset, "entry makes no sense");
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int read_header(struct vrn_reader *reader, struct vk_detail *detail) {
    uint8_t bytes[VK_FILE_HEADER_BYTES];
    const char *why;
    VB_TRY(read_exactly(reader, 0, bytes, sizeof(bytes), detail));
    if (vk_file_header_decode(bytes, VK_FILE_RUN, &reader->header, &why) != VARVE_OK)
        return vrn_corrupt(detail, reader->name, 0, why);
    if (memcmp(reader->header.database_id, reader->config.database_id, sizeof(reader->header.database_id)) != 0)
        return vrn_corrupt(detail, reader->name, 0, "belongs to another database");
    if (reader->header.file_id != reader->facts.file_id)
        return vrn_corrupt(detail, reader->name, 0, "another file under this name");
    return VARVE_OK;
}

static int read_footer(struct vrn_reader *reader, struct vk_detail *detail) {
    uint8_t *footer = reader->footer;
    uint64_t offset = reader->footer_offset;
    VB_TRY(read_exactly(reader, offset, footer, VRN_FOOTER_BYTES, detail));
    uint64_t sum = vb_hash64(footer, VRN_FOOTER_SUM, vk_file_seed(&reader->header, offset));
    if (memcmp(footer, vrn_footer_magic, sizeof(vrn_footer_magic)) != 0 || vb_get_u64(footer + VRN_FOOTER_SUM) != sum)
        return vrn_corrupt(detail, reader->name, offset, "footer damaged");
    const struct vrn_facts *facts = &reader->facts;
    if (vb_get_u64(footer + VRN_FOOTER_FILE_ID) != facts->file_id ||
        vb_get_u64(footer + VRN_FOOTER_ENTRIES) != facts->entries ||
        vb_get_u64(footer + VRN_FOOTER_TOMBSTONES) != facts->tombstones ||
        vb_get_u64(footer + VRN_FOOTER_MIN_CTS) != facts->min_cts ||
        vb_get_u64(footer + VRN_FOOTER_MAX_CTS) != facts->max_cts)
        return vrn_corrupt(detail, reader->name, offset, "footer is not the one the manifest names");
    return VARVE_OK;
}

static int leaves_reserve(struct vrn_reader *reader, size_t count) {
    if (count <= reader->leaf_capacity) return VARVE_OK;
    size_t capacity = reader->leaf_capacity * 2 > count ? reader->leaf_capacity * 2 : count;
    struct leaf *leaves = vb_alloc(capacity * sizeof(struct leaf));
    if (leaves == NULL) return VARVE_NOMEM;
    if (reader->leaf_count != 0) memcpy(leaves, reader->leaves, reader->leaf_count * sizeof(struct leaf));
    vb_free(reader->leaves, reader->leaf_capacity * sizeof(struct leaf));
    reader->leaves = leaves;
    reader->leaf_capacity = capacity;
    return VARVE_OK;
}

/* Replaces `out` by the full key of an entry. */
static int full_key(const struct vrn_block *block, const struct vrn_item *item, struct vrn_bytes *out) {
    out->size = 0;
    VB_TRY(vrn_bytes_reserve(out, block->prefix_bytes + item->key_bytes));
    memcpy(out->data, block->raw + VRN_BLOCK_HEADER_BYTES, block->prefix_bytes);
    if (item->key_bytes != 0) memcpy(out->data + block->prefix_bytes, item->key, item->key_bytes);
    out->size = block->prefix_bytes + item->key_bytes;
    return VARVE_OK;
}

/* The separator of a leaf; its item was found whole at open. */
static const struct vrn_block *separator_item(const struct vrn_reader *reader, size_t index, struct vrn_item *item) {
    const struct leaf *leaf = &reader->leaves[index];
    const struct vrn_block *block = &reader->partitions[leaf->partition].block;
    *item = (struct vrn_item){0};
    (void)vrn_block_item(block, leaf->item, item);
    return block;
}

static int compare_separator(const struct vrn_reader *reader, size_t index, varve_slice key) {
    struct vrn_item item;
    const struct vrn_block *block = separator_item(reader, index, &item);
    return vrn_block_compare(block, &item, key);
}

/* Adds the entries of a partition to the leaves, in strictly ascending order over all partitions, so that none can
 * come twice. `last` holds the separator before. */
static int add_leaves(struct vrn_reader *reader, const struct vrn_handle *handle, struct vrn_bytes *last,
                      struct vk_detail *detail) {
    uint32_t which = (uint32_t)reader->partition_count - 1;
    const struct vrn_block *block = &reader->partitions[which].block;
    if (leaves_reserve(reader, reader->leaf_count + block->count) != VARVE_OK) return vrn_nomem(detail, reader->name);
    for (unsigned i = 0; i < block->count; i++) {
        struct vrn_item item;
        if (!vrn_block_item(block, i, &item) || item.value_bytes != VRN_HANDLE_BYTES)
            return bad_entry(reader, handle, detail);
        struct leaf *leaf = &reader->leaves[reader->leaf_count];
        *leaf = (struct leaf){vrn_handle_decode(item.value), which, i};
        if (!handle_fits(reader, &leaf->handle)) return bad_entry(reader, handle, detail);
        if (reader->leaf_count != 0 && vrn_block_compare(block, &item, (varve_slice){last->data, last->size}) <= 0)
            return vrn_corrupt(detail, reader->name, handle->offset, "index out of order");
        if (full_key(block, &item, last) != VARVE_OK) return vrn_nomem(detail, reader->name);
        reader->leaf_count++;
    }
    return VARVE_OK;
}

/* Loads one partition and keeps a copy of its block, which the separators stay in. */
static int load_partition(struct vrn_reader *reader, const struct vrn_handle *handle, struct vrn_buffer *buffer,
                          struct vk_detail *detail) {
    struct vrn_block block;
    VB_TRY(read_block(reader, handle, VRN_INDEX, buffer, &block, detail));
    struct partition *made = &reader->partitions[reader->partition_count];
    if (vrn_bytes_reserve(&made->raw, block.size) != VARVE_OK) return vrn_nomem(detail, reader->name);
    memcpy(made->raw.data, block.raw, block.size);
    made->raw.size = block.size;
    made->block = block;
    made->block.raw = made->raw.data;
    reader->partition_count++;
    return VARVE_OK;
}

static int load_partitions(struct vrn_reader *reader, const struct vrn_handle *top, const struct vrn_block *block,
                           struct vk_detail *detail) {
    struct vrn_buffer buffer = {0};
    struct vrn_bytes last = {0};
    int status = VARVE_OK;
    for (unsigned i = 0; status == VARVE_OK && i < block->count; i++) {
        struct vrn_item item;
        if (!vrn_block_item(block, i, &item) || item.value_bytes != VRN_HANDLE_BYTES) {
            status = bad_entry(reader, top, detail);
            break;
        }
        struct vrn_handle handle = vrn_handle_decode(item.value);
        status = load_partition(reader, &handle, &buffer, detail);
        if (status == VARVE_OK) status = add_leaves(reader, &handle, &last, detail);
    }
    vrn_buffer_release(&buffer);
    vrn_bytes_free(&last);
    return status;
}

static int load_index(struct vrn_reader *reader, struct vk_detail *detail) {
    struct vrn_handle top = vrn_handle_decode(reader->footer + VRN_FOOTER_TOP);
    if ((top.frame_bytes == 0) != (reader->facts.entries == 0))
        return vrn_corrupt(detail, reader->name, reader->footer_offset, "index missing");
    if (top.frame_bytes == 0) return VARVE_OK;
    struct vrn_buffer buffer = {0};
    struct vrn_block block = {0};
    int status = read_block(reader, &top, VRN_TOP, &buffer, &block, detail);
    if (status == VARVE_OK) {
        reader->partition_room = block.count;
        reader->partitions = vb_alloc(block.count * sizeof(struct partition));
        status = reader->partitions != NULL ? load_partitions(reader, &top, &block, detail)
                                            : vrn_nomem(detail, reader->name);
    }
    vrn_buffer_release(&buffer);
    return status;
}

static int reader_load(struct vrn_reader *reader, struct vk_detail *detail) {
    const struct vos_ops *ops = reader->config.os->ops;
    struct vos_error error = {0};
    int status = ops->file_open(reader->config.dir, reader->name, VOS_READ, 0, &reader->file, &error);
    if (status == VARVE_NOTFOUND) return vrn_corrupt(detail, reader->name, 0, "missing, though the manifest names it");
    if (status != VARVE_OK) return vrn_os_fail(detail, status, &error);
    uint64_t size;
    status = ops->file_size(reader->file, &size, &error);
    if (status != VARVE_OK) return vrn_os_fail(detail, status, &error);
    if (size != reader->facts.bytes || size < VK_FILE_HEADER_BYTES + VRN_FOOTER_BYTES || size % 8 != 0)
        return vrn_corrupt(detail, reader->name, size, "file has another length than the manifest names");
    reader->footer_offset = size - VRN_FOOTER_BYTES;
    VB_TRY(read_header(reader, detail));
    VB_TRY(read_footer(reader, detail));
    return load_index(reader, detail);
}

int vrn_reader_open(const struct vrn_config *config, const struct vrn_facts *facts, struct vrn_reader **reader,
                    struct vk_detail *detail) {
    char name[VRN_NAME_BYTES];
    vrn_run_name(facts->file_id, name);
    struct vrn_reader *made = vb_alloc(sizeof(*made));
    if (made == NULL) return vrn_nomem(detail, name);
    made->config = *config;
    made->facts = *facts;
    memcpy(made->name, name, sizeof(name));
    int status = reader_load(made, detail);
    if (status != VARVE_OK) {
        vrn_reader_close(made);
        return status;
    }
    *reader = made;
    return VARVE_OK;
}

void vrn_reader_close(struct vrn_reader *reader) {
    if (reader->file != NULL) reader->config.os->ops->file_close(reader->file, NULL);
    vb_free(reader->leaves, reader->leaf_capacity * sizeof(struct leaf));
    for (size_t i = 0; i < reader->partition_count; i++) vrn_bytes_free(&reader->partitions[i].raw);
    vb_free(reader->partitions, reader->partition_room * sizeof(struct partition));
    vb_free(reader, sizeof(*reader));
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

size_t vrn_reader_blocks(const struct vrn_reader *reader) { return reader->leaf_count; }

/* The entry of an item; its key is put together in the buffer. */
static int make_entry(const struct vrn_block *block, const struct vrn_item *item, struct vrn_buffer *buffer,
                      struct vrn_entry *entry) {
    size_t bytes = block->prefix_bytes + item->key_bytes;
    if (bytes <= VRN_TABLE_ID_BYTES || bytes > VRN_TABLE_ID_BYTES + VARVE_KEY_MAX_BYTES) return VARVE_CORRUPT;
    if (item->flags > VRN_TOMBSTONE || (item->flags == VRN_TOMBSTONE && item->value_bytes != 0)) return VARVE_CORRUPT;
    VB_TRY(full_key(block, item, &buffer->key));
    const uint8_t *key = buffer->key.data;
    entry->table_id = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
    entry->key = (varve_slice){key + VRN_TABLE_ID_BYTES, bytes - VRN_TABLE_ID_BYTES};
    entry->value = (varve_slice){item->value, item->value_bytes};
    entry->cts = item->cts;
    entry->tombstone = item->flags == VRN_TOMBSTONE;
    return VARVE_OK;
}

/* CORRUPT unless the first key of a block lies above the separator before it, and its last not above its own. */
static int block_in_place(const struct vrn_reader *reader, size_t index, const struct vrn_block *block,
                          struct vrn_bytes *key, struct vk_detail *detail) {
    const struct vrn_handle *handle = &reader->leaves[index].handle;
    struct vrn_item first, last;
    if (!vrn_block_item(block, 0, &first) || !vrn_block_item(block, block->count - 1, &last))
        return bad_entry(reader, handle, detail);
    if (full_key(block, &last, key) != VARVE_OK) return vrn_nomem(detail, reader->name);
    bool in_place = compare_separator(reader, index, (varve_slice){key->data, key->size}) >= 0;
    if (in_place && index != 0) {
        if (full_key(block, &first, key) != VARVE_OK) return vrn_nomem(detail, reader->name);
        in_place = compare_separator(reader, index - 1, (varve_slice){key->data, key->size}) < 0;
    }
    return in_place ? VARVE_OK : vrn_corrupt(detail, reader->name, handle->offset, "a block in another's place");
}

int vrn_reader_block(struct vrn_reader *reader, size_t block_index, struct vrn_buffer *buffer, vrn_entry_fn fn,
                     void *arg, struct vk_detail *detail) {
    if (block_index >= reader->leaf_count)
        return vk_fail(detail, VARVE_MISUSE, VARVE_REASON_CALLER, "%s: no such block", reader->name);
    const struct vrn_handle *handle = &reader->leaves[block_index].handle;
    struct vrn_block block;
    VB_TRY(read_block(reader, handle, VRN_DATA, buffer, &block, detail));
    VB_TRY(block_in_place(reader, block_index, &block, &buffer->key, detail));
    struct vrn_item item, before = {0};
    for (unsigned i = 0; i < block.count; i++, before = item) {
        struct vrn_entry entry;
        if (!vrn_block_item(&block, i, &item)) return bad_entry(reader, handle, detail);
        if (i != 0 &&
            vb_compare((varve_slice){before.key, before.key_bytes}, (varve_slice){item.key, item.key_bytes}) >= 0)
            return vrn_corrupt(detail, reader->name, handle->offset, "entries out of order");
        int status = make_entry(&block, &item, buffer, &entry);
        if (status == VARVE_NOMEM) return vrn_nomem(detail, reader->name);
        if (status != VARVE_OK) return bad_entry(reader, handle, detail);
        VB_TRY(fn(arg, &entry));
    }
    return VARVE_OK;
}

/* The first leaf whose separator is not below the key; leaf_count when there is none. */
static size_t find_leaf(const struct vrn_reader *reader, varve_slice key) {
    size_t low = 0, high = reader->leaf_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_separator(reader, middle, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Looks the full key up. NOTFOUND. */
static int get_full(struct vrn_reader *reader, varve_slice full, struct vrn_buffer *buffer, struct vrn_entry *entry,
                    struct vk_detail *detail) {
    size_t index = find_leaf(reader, full);
    if (index == reader->leaf_count) return VARVE_NOTFOUND;
    const struct vrn_handle *handle = &reader->leaves[index].handle;
    struct vrn_block block;
    struct vrn_item item;
    VB_TRY(read_block(reader, handle, VRN_DATA, buffer, &block, detail));
    VB_TRY(block_in_place(reader, index, &block, &buffer->key, detail));
    unsigned at;
    if (!vrn_block_seek(&block, full, &at)) return bad_entry(reader, handle, detail);
    if (at == block.count) return VARVE_NOTFOUND;
    if (!vrn_block_item(&block, at, &item)) return bad_entry(reader, handle, detail);
    if (vrn_block_compare(&block, &item, full) != 0) return VARVE_NOTFOUND;
    int status = make_entry(&block, &item, buffer, entry);
    if (status == VARVE_NOMEM) return vrn_nomem(detail, reader->name);
    return status == VARVE_OK ? VARVE_OK : bad_entry(reader, handle, detail);
}

int vrn_reader_get(struct vrn_reader *reader, uint32_t table_id, varve_slice key, struct vrn_buffer *buffer,
                   struct vrn_entry *entry, struct vk_detail *detail) {
    if (key.size > VARVE_KEY_MAX_BYTES) return VARVE_NOTFOUND;
    size_t bytes = VRN_TABLE_ID_BYTES + key.size;
    buffer->wanted.size = 0;
    if (vrn_bytes_reserve(&buffer->wanted, bytes) != VARVE_OK) return vrn_nomem(detail, reader->name);
    uint8_t *full = buffer->wanted.data;
    for (unsigned i = 0; i < VRN_TABLE_ID_BYTES; i++) full[i] = (uint8_t)(table_id >> (24 - 8 * i));
    if (key.size != 0) memcpy(full + VRN_TABLE_ID_BYTES, key.data, key.size);
    return get_full(reader, (varve_slice){full, bytes}, buffer, entry, detail);
}
