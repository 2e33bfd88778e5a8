/* run_writer.c - writes a run: entries into blocks, blocks into frames, an index over them, the footer.
 *
 * Owner thread only. Owns the file until finish or abandon.
 * Invariants
 *   1. Entries come in strictly ascending (table id, key) order; what does not is refused and nothing is written.
 *   2. The file is complete and synced, and so is its name, before finish returns OK: an edit of the manifest may name
 *      it.
 *   3. Memory is bounded by the index (about 0.6 % of the data) and by three times the largest entry: index partitions
 *      are kept encoded until the data is written, because they come after it in the file.
 *
 * Sources: sorted immutable files with a sparse index follow O'Neil et al., The Log-Structured Merge-Tree, 1996, and
 * Chang et al., Bigtable, OSDI 2006, 5.3 and 6; separators follow Bayer and Unterauer, Prefix B-Trees, 1977.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/check.h"
#include "runs/run_int.h"

enum {
    ITEMS = 2048,           /* entries of a block at most */
    DATA_BUFFER = 64 << 10, /* keys and values of the block that is being filled */
    INDEX_BUFFER = 256 << 10,
    OUTPUT_TARGET = 256 << 10, /* bytes of one write */
    KEEP_MAX = 4 << 20         /* larger buffers are given back after use */
};

/* The block that is being filled. Bytes of the items lie in `bytes`, which never moves while it holds any. */
struct builder {
    struct vrn_item *items; /* [ITEMS] */
    size_t count;
    struct vrn_bytes bytes;
    size_t raw_bytes; /* estimate of the block's size, a little above it */
    size_t target, capacity;
};

/* An index partition that waits for its place in the file. */
struct partition {
    struct partition *next;
    struct vrn_bytes raw;
    unsigned entries;
    size_t all_bytes;
    uint32_t last_bytes;
    uint8_t last[]; /* the separator of its last entry */
};

struct vrn_writer {
    struct vrn_config config;
    struct vk_file_header header;
    struct vos_file *file;
    char name[VRN_NAME_BYTES];
    int status; /* of the first failure; every later call repeats it */
    struct vrn_zip zip;
    struct vrn_bytes raw, output; /* one block; frames that are not written yet */
    uint64_t output_offset;       /* where `output` begins in the file */
    struct builder data, index;
    struct vrn_bytes last_key, separator;
    struct partition *first, **tail;
    size_t partitions;
    struct vrn_handle last_block; /* sealed, but not in the index yet: its separator needs the next key */
    bool has_last_block;
    uint64_t running, raw_bytes, stored_bytes;
    struct vrn_facts facts;
    uint8_t lowest[VRN_FOOTER_KEY_MAX];
    size_t lowest_bytes;
};

/* --- output ------------------------------------------------------------------------------------------------------- */

/* Remembers and tells the first failure. */
static int writer_fail(struct vrn_writer *writer, int status, struct vk_detail *detail) {
    writer->status = status;
    if (status == VARVE_NOMEM) return vrn_nomem(detail, writer->name);
    return vk_fail(detail, status, VARVE_REASON_RESOURCE, "%s: an entry or an index that is too large", writer->name);
}

static int flush_output(struct vrn_writer *writer, struct vk_detail *detail) {
    if (writer->output.size == 0) return VARVE_OK;
    struct vos_error error = {0};
    int status = writer->config.os->ops->file_write(writer->file, writer->output_offset, writer->output.data,
                                                    writer->output.size, &error);
    if (status != VARVE_OK) {
        writer->status = status;
        return vrn_os_fail(detail, status, &error);
    }
    writer->output_offset += writer->output.size;
    writer->output.size = 0;
    if (writer->output.capacity > KEEP_MAX) vrn_bytes_free(&writer->output);
    return VARVE_OK;
}

static int append(struct vrn_writer *writer, const void *data, size_t size, struct vk_detail *detail) {
    if (vrn_bytes_reserve(&writer->output, writer->output.size + size) != VARVE_OK)
        return writer_fail(writer, VARVE_NOMEM, detail);
    memcpy(writer->output.data + writer->output.size, data, size);
    writer->output.size += size;
    return VARVE_OK;
}

/* Appends one frame of `raw`. */
static int write_frame(struct vrn_writer *writer, enum vrn_block_kind kind, const struct vrn_bytes *raw,
                       unsigned entries, struct vrn_handle *handle, struct vk_detail *detail) {
    handle->offset = writer->output_offset + writer->output.size;
    struct vrn_frame frame = {.kind = kind,
                              .entries = entries,
                              .raw = {raw->data, raw->size},
                              .seed = vk_file_seed(&writer->header, handle->offset),
                              .level = writer->config.zlib_level};
    uint64_t sum;
    int status = vrn_frame_seal(&frame, &writer->zip, &writer->output, &sum);
    if (status != VARVE_OK) return writer_fail(writer, status, detail);
    handle->frame_bytes = (uint32_t)(writer->output_offset + writer->output.size - handle->offset);
    handle->check = (uint32_t)sum;
    uint8_t bytes[8];
    vb_put_u64(bytes, sum);
    writer->running = vb_hash64(bytes, sizeof(bytes), writer->running);
    writer->raw_bytes += raw->size;
    writer->stored_bytes += handle->frame_bytes;
    return writer->output.size >= OUTPUT_TARGET ? flush_output(writer, detail) : VARVE_OK;
}

/* --- filling blocks ----------------------------------------------------------------------------------------------- */

static int builder_open(struct builder *builder, size_t target, size_t capacity) {
    builder->target = target;
    builder->capacity = capacity;
    builder->items = vb_alloc(ITEMS * sizeof(struct vrn_item));
    if (builder->items == NULL) return VARVE_NOMEM;
    return vrn_bytes_reserve(&builder->bytes, capacity);
}

static void builder_close(struct builder *builder) {
    vb_free(builder->items, ITEMS * sizeof(struct vrn_item));
    vrn_bytes_free(&builder->bytes);
}

static void builder_clear(struct builder *builder) {
    builder->count = 0;
    builder->bytes.size = 0;
    builder->raw_bytes = 0;
}

/* Bytes that an item adds to a block; its prefix is taken off as far as the item before shares it. */
static size_t builder_cost(const struct builder *builder, const struct vrn_item *item) {
    size_t shared = 0;
    if (builder->count != 0) {
        const struct vrn_item *first = &builder->items[0];
        size_t most = first->key_bytes < item->key_bytes ? first->key_bytes : item->key_bytes;
        while (shared < most && first->key[shared] == item->key[shared]) shared++;
    }
    return 12 + item->key_bytes - shared + item->value_bytes;
}

static bool builder_has_room(const struct builder *builder, const struct vrn_item *item) {
    if (builder->count == 0) return true;
    if (builder->count == ITEMS) return false;
    if (builder->bytes.size + item->key_bytes + item->value_bytes > builder->capacity) return false;
    return builder->raw_bytes + builder_cost(builder, item) <= builder->target;
}

/* Takes the item, copying its bytes where they fit; otherwise it is alone in its block and stays the caller's. */
static void builder_take(struct builder *builder, const struct vrn_item *item) {
    struct vrn_item *made = &builder->items[builder->count];
    *made = *item;
    builder->raw_bytes += builder_cost(builder, item);
    builder->count++;
    size_t bytes = (size_t)item->key_bytes + item->value_bytes;
    if (builder->bytes.size + bytes > builder->capacity) return;
    uint8_t *at = builder->bytes.data + builder->bytes.size;
    memcpy(at, item->key, item->key_bytes);
    if (item->value_bytes != 0) memcpy(at + item->key_bytes, item->value, item->value_bytes);
    made->key = at;
    made->value = at + item->key_bytes;
    builder->bytes.size += bytes;
}

/* True when the block holds bytes that are the caller's. */
static bool builder_borrows(const struct builder *builder) { return builder->count == 1 && builder->bytes.size == 0; }

/* --- the index ---------------------------------------------------------------------------------------------------- */

/* Encodes the index partition that is being filled and puts it aside. */
static int close_partition(struct vrn_writer *writer, struct vk_detail *detail) {
    struct builder *index = &writer->index;
    if (index->count == 0) return VARVE_OK;
    const struct vrn_item *last = &index->items[index->count - 1];
    if (++writer->partitions > VRN_COUNT_MAX) return writer_fail(writer, VARVE_TOOBIG, detail);
    size_t all_bytes = sizeof(struct partition) + last->key_bytes;
    struct partition *made = vb_alloc(all_bytes);
    if (made == NULL) return writer_fail(writer, VARVE_NOMEM, detail);
    made->all_bytes = all_bytes;
    made->entries = (unsigned)index->count;
    made->last_bytes = last->key_bytes;
    memcpy(made->last, last->key, last->key_bytes);
    *writer->tail = made;
    writer->tail = &made->next;
    int status = vrn_block_encode(index->items, index->count, &made->raw);
    if (status != VARVE_OK) return writer_fail(writer, status, detail);
    builder_clear(index);
    return VARVE_OK;
}

static int index_add(struct vrn_writer *writer, varve_slice separator, struct vk_detail *detail) {
    uint8_t value[VRN_HANDLE_BYTES];
    vrn_handle_encode(&writer->last_block, value);
    struct vrn_item item = {
        .key = separator.data, .key_bytes = (uint32_t)separator.size, .value = value, .value_bytes = sizeof(value)};
    if (!builder_has_room(&writer->index, &item)) VB_TRY(close_partition(writer, detail));
    builder_take(&writer->index, &item);
    VB_ASSERT(!builder_borrows(&writer->index)); /* the longest key fits its buffer */
    writer->has_last_block = false;
    return VARVE_OK;
}

/* Puts the block before into the index: `next` is the first key after it (NULL: there is none). The separator is the
 * shortest beginning of `next` that is above the last key, or that key itself. */
static int index_last_block(struct vrn_writer *writer, const varve_slice *next, struct vk_detail *detail) {
    if (!writer->has_last_block) return VARVE_OK;
    varve_slice separator = {writer->last_key.data, writer->last_key.size};
    if (next != NULL) {
        const uint8_t *a = separator.data, *b = next->data;
        size_t n = 0;
        while (n < separator.size && a[n] == b[n]) n++; /* they differ within `next`, which is above */
        if (n + 1 < next->size && n + 1 < separator.size) separator = (varve_slice){b, n + 1};
    }
    return index_add(writer, separator, detail);
}

static int close_block(struct vrn_writer *writer, struct vk_detail *detail) {
    struct builder *data = &writer->data;
    if (data->count == 0) return VARVE_OK;
    const struct vrn_item *first = &data->items[0], *last = &data->items[data->count - 1];
    varve_slice next = {first->key, first->key_bytes};
    VB_TRY(index_last_block(writer, &next, detail));
    int status = vrn_block_encode(data->items, data->count, &writer->raw);
    if (status == VARVE_OK) status = vrn_bytes_reserve(&writer->last_key, last->key_bytes);
    if (status != VARVE_OK) return writer_fail(writer, status, detail);
    memcpy(writer->last_key.data, last->key, last->key_bytes);
    writer->last_key.size = last->key_bytes;
    VB_TRY(write_frame(writer, VRN_DATA, &writer->raw, (unsigned)data->count, &writer->last_block, detail));
    writer->has_last_block = true;
    if (writer->raw.capacity > KEEP_MAX) vrn_bytes_free(&writer->raw);
    builder_clear(data);
    return VARVE_OK;
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

static void writer_free(struct vrn_writer *writer) {
    builder_close(&writer->data);
    builder_close(&writer->index);
    while (writer->first != NULL) {
        struct partition *gone = writer->first;
        writer->first = gone->next;
        vrn_bytes_free(&gone->raw);
        vb_free(gone, gone->all_bytes);
    }
    vrn_bytes_free(&writer->raw);
    vrn_bytes_free(&writer->output);
    vrn_bytes_free(&writer->last_key);
    vrn_bytes_free(&writer->separator);
    vrn_zip_close(&writer->zip);
    vb_free(writer, sizeof(*writer));
}

static void discard(struct vrn_writer *writer) {
    if (writer->file != NULL) {
        writer->config.os->ops->file_close(writer->file, NULL);
        writer->config.os->ops->dir_remove(writer->config.dir, writer->name, NULL); /* or the sweep takes it */
    }
    writer_free(writer);
}

static int writer_begin(struct vrn_writer *writer, struct vk_detail *detail) {
    uint8_t header[VK_FILE_HEADER_BYTES];
    if (builder_open(&writer->data, VRN_DATA_TARGET, DATA_BUFFER) != VARVE_OK ||
        builder_open(&writer->index, VRN_INDEX_TARGET, INDEX_BUFFER) != VARVE_OK ||
        vrn_bytes_reserve(&writer->output, OUTPUT_TARGET + (64 << 10)) != VARVE_OK)
        return vrn_nomem(detail, writer->name);
    struct vos_error error = {0};
    int status = writer->config.os->ops->file_open(writer->config.dir, writer->name, VOS_WRITE | VOS_CREATE,
                                                   writer->config.file_mode, &writer->file, &error);
    if (status != VARVE_OK) return vrn_os_fail(detail, status, &error);
    vk_file_header_encode(&writer->header, header);
    return append(writer, header, sizeof(header), detail);
}

int vrn_writer_open(const struct vrn_config *config, uint64_t file_id, uint64_t creation_cts, uint64_t salt,
                    struct vrn_writer **writer, struct vk_detail *detail) {
    char name[VRN_NAME_BYTES];
    vrn_run_name(file_id, name);
    struct vrn_writer *made = vb_alloc(sizeof(*made));
    if (made == NULL) return vrn_nomem(detail, name);
    made->config = *config;
    made->tail = &made->first;
    memcpy(made->name, name, sizeof(name));
    made->header = (struct vk_file_header){.kind = VK_FILE_RUN,
                                           .unit_bytes = VRN_FOOTER_BYTES,
                                           .file_id = file_id,
                                           .salt = salt,
                                           .creation_cts = creation_cts};
    memcpy(made->header.database_id, config->database_id, sizeof(made->header.database_id));
    made->facts = (struct vrn_facts){.file_id = file_id, .min_cts = UINT64_MAX};
    int status = writer_begin(made, detail);
    if (status != VARVE_OK) {
        discard(made);
        return status;
    }
    *writer = made;
    return VARVE_OK;
}

static int entry_refusal(const struct vrn_writer *writer, varve_slice full, const struct vrn_entry *entry,
                         struct vk_detail *detail) {
    if (entry->key.size < 1 || entry->key.size > VARVE_KEY_MAX_BYTES || entry->value.size > VARVE_VALUE_MAX_BYTES)
        return vk_fail(detail, VARVE_TOOBIG, VARVE_REASON_CALLER, "%s: key or value too large", writer->name);
    const struct builder *data = &writer->data;
    varve_slice last = {writer->last_key.data, writer->last_key.size};
    if (data->count != 0) {
        const struct vrn_item *item = &data->items[data->count - 1];
        last = (varve_slice){item->key, item->key_bytes};
    }
    if (writer->facts.entries != 0 && vb_compare(full, last) <= 0)
        return vk_fail(detail, VARVE_MISUSE, VARVE_REASON_CALLER, "%s: entries out of order", writer->name);
    return VARVE_OK;
}

static void count_entry(struct vrn_writer *writer, const struct vrn_entry *entry, varve_slice full) {
    struct vrn_facts *facts = &writer->facts;
    if (facts->entries == 0) {
        writer->lowest_bytes = full.size < VRN_FOOTER_KEY_MAX ? full.size : VRN_FOOTER_KEY_MAX;
        memcpy(writer->lowest, full.data, writer->lowest_bytes);
    }
    facts->entries++;
    facts->tombstones += entry->tombstone;
    if (entry->cts < facts->min_cts) facts->min_cts = entry->cts;
    if (entry->cts > facts->max_cts) facts->max_cts = entry->cts;
}

int vrn_writer_add(struct vrn_writer *writer, const struct vrn_entry *entry, struct vk_detail *detail) {
    if (writer->status != VARVE_OK)
        return vk_fail(detail, writer->status, VARVE_REASON_FAILED, "%s: an earlier write failed", writer->name);
    size_t full_bytes = VRN_TABLE_ID_BYTES + entry->key.size;
    if (vrn_bytes_reserve(&writer->separator, full_bytes) != VARVE_OK) return writer_fail(writer, VARVE_NOMEM, detail);
    uint8_t *key = writer->separator.data;
    for (unsigned i = 0; i < VRN_TABLE_ID_BYTES; i++) key[i] = (uint8_t)(entry->table_id >> (24 - 8 * i));
    if (entry->key.size != 0) memcpy(key + VRN_TABLE_ID_BYTES, entry->key.data, entry->key.size);
    varve_slice full = {key, full_bytes};
    VB_TRY(entry_refusal(writer, full, entry, detail));
    struct vrn_item item = {.key = key,
                            .key_bytes = (uint32_t)full_bytes,
                            .value = entry->tombstone ? NULL : entry->value.data,
                            .value_bytes = entry->tombstone ? 0 : (uint32_t)entry->value.size,
                            .cts = entry->cts,
                            .flags = entry->tombstone ? VRN_TOMBSTONE : 0};
    if (!builder_has_room(&writer->data, &item)) VB_TRY(close_block(writer, detail));
    builder_take(&writer->data, &item);
    count_entry(writer, entry, full);
    return builder_borrows(&writer->data) ? close_block(writer, detail) : VARVE_OK;
}

/* --- finishing ---------------------------------------------------------------------------------------------------- */

static int write_index(struct vrn_writer *writer, struct vrn_handle *top, struct vk_detail *detail) {
    if (writer->partitions == 0) return VARVE_OK;
    size_t items_bytes = writer->partitions * sizeof(struct vrn_item), i = 0;
    size_t handles_bytes = writer->partitions * VRN_HANDLE_BYTES;
    struct vrn_item *items = vb_alloc(items_bytes);
    uint8_t *handles = vb_alloc(handles_bytes);
    int status = items != NULL && handles != NULL ? VARVE_OK : writer_fail(writer, VARVE_NOMEM, detail);
    for (struct partition *p = writer->first; p != NULL && status == VARVE_OK; p = p->next, i++) {
        struct vrn_handle handle;
        status = write_frame(writer, VRN_INDEX, &p->raw, p->entries, &handle, detail);
        vrn_handle_encode(&handle, handles + i * VRN_HANDLE_BYTES);
        items[i] = (struct vrn_item){.key = p->last,
                                     .key_bytes = p->last_bytes,
                                     .value = handles + i * VRN_HANDLE_BYTES,
                                     .value_bytes = VRN_HANDLE_BYTES};
    }
    if (status == VARVE_OK) {
        status = vrn_block_encode(items, writer->partitions, &writer->raw);
        if (status != VARVE_OK) status = writer_fail(writer, status, detail);
    }
    if (status == VARVE_OK)
        status = write_frame(writer, VRN_TOP, &writer->raw, (unsigned)writer->partitions, top, detail);
    vb_free(items, items_bytes);
    vb_free(handles, handles_bytes);
    return status;
}

static int write_properties(struct vrn_writer *writer, struct vrn_handle *handle, struct vk_detail *detail) {
    char text[128];
    int size = snprintf(text, sizeof(text), "writer=varve %d.%d.%d\nzlib_level=%d\n", VARVE_VERSION_MAJOR,
                        VARVE_VERSION_MINOR, VARVE_VERSION_PATCH, writer->config.zlib_level);
    struct vrn_bytes raw = {(uint8_t *)text, (size_t)size, sizeof(text)};
    return write_frame(writer, VRN_PROPERTIES, &raw, 0, handle, detail);
}

/* The highest key, cut so that what is left is not below it: the last byte that can be raised is, the rest goes. */
static size_t cut_upward(varve_slice key, uint8_t *out) {
    size_t size = key.size < VRN_FOOTER_KEY_MAX ? key.size : VRN_FOOTER_KEY_MAX;
    memcpy(out, key.data, size);
    if (size == key.size) return size;
    while (size != 0 && out[size - 1] == 0xff) size--;
    if (size != 0) out[size - 1]++;
    return size;
}

static int write_footer(struct vrn_writer *writer, const struct vrn_handle *top, const struct vrn_handle *properties,
                        struct vk_detail *detail) {
    uint8_t footer[VRN_FOOTER_BYTES] = {0};
    uint64_t offset = writer->output_offset + writer->output.size;
    const struct vrn_facts *facts = &writer->facts;
    memcpy(footer, vrn_footer_magic, sizeof(vrn_footer_magic));
    vb_put_u64(footer + VRN_FOOTER_FILE_ID, facts->file_id);
    vrn_handle_encode(top, footer + VRN_FOOTER_TOP);
    vrn_handle_encode(properties, footer + VRN_FOOTER_PROPERTIES);
    vb_put_u64(footer + VRN_FOOTER_ENTRIES, facts->entries);
    vb_put_u64(footer + VRN_FOOTER_TOMBSTONES, facts->tombstones);
    vb_put_u64(footer + VRN_FOOTER_MIN_CTS, facts->min_cts);
    vb_put_u64(footer + VRN_FOOTER_MAX_CTS, facts->max_cts);
    vb_put_u64(footer + VRN_FOOTER_RAW, writer->raw_bytes);
    vb_put_u64(footer + VRN_FOOTER_STORED, writer->stored_bytes);
    vb_put_u16(footer + VRN_FOOTER_LOWEST, (uint16_t)writer->lowest_bytes);
    memcpy(footer + VRN_FOOTER_LOWEST + 2, writer->lowest, writer->lowest_bytes);
    varve_slice last = {writer->last_key.data, writer->last_key.size};
    size_t highest = last.size != 0 ? cut_upward(last, footer + VRN_FOOTER_HIGHEST + 2) : 0;
    vb_put_u16(footer + VRN_FOOTER_HIGHEST, (uint16_t)highest);
    vb_put_u64(footer + VRN_FOOTER_RUNNING, writer->running);
    vb_put_u64(footer + VRN_FOOTER_SUM, vb_hash64(footer, VRN_FOOTER_SUM, vk_file_seed(&writer->header, offset)));
    return append(writer, footer, sizeof(footer), detail);
}

static int write_rest(struct vrn_writer *writer, struct vk_detail *detail) {
    struct vrn_handle top = {0}, properties = {0};
    VB_TRY(close_block(writer, detail));
    VB_TRY(index_last_block(writer, NULL, detail));
    VB_TRY(close_partition(writer, detail));
    VB_TRY(write_index(writer, &top, detail));
    VB_TRY(write_properties(writer, &properties, detail));
    if (writer->facts.entries == 0) writer->facts.min_cts = 0;
    VB_TRY(write_footer(writer, &top, &properties, detail));
    return flush_output(writer, detail);
}

int vrn_writer_finish(struct vrn_writer *writer, struct vrn_facts *facts, struct vk_detail *detail) {
    const struct vos_ops *ops = writer->config.os->ops;
    struct vos_error error = {0};
    int status = writer->status;
    if (status != VARVE_OK)
        vk_fail(detail, status, VARVE_REASON_FAILED, "%s: an earlier write failed", writer->name);
    else
        status = write_rest(writer, detail);
    if (status == VARVE_OK) {
        status = ops->file_sync(writer->file, &error);
        if (status == VARVE_OK) {
            struct vos_file *file = writer->file;
            writer->file = NULL;
            status = ops->file_close(file, &error);
            if (status != VARVE_OK) ops->dir_remove(writer->config.dir, writer->name, NULL);
        }
        if (status == VARVE_OK) status = ops->dir_sync(writer->config.dir, &error);
        if (status != VARVE_OK) vrn_os_fail(detail, status, &error);
    }
    if (status == VARVE_OK) {
        writer->facts.bytes = writer->output_offset;
        *facts = writer->facts;
    }
    discard(writer); /* the file is closed by then, unless something failed */
    return status;
}

void vrn_writer_abandon(struct vrn_writer *writer) { discard(writer); }
