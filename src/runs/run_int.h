/* run_int.h - what the files of the run format share: byte buffers, frames, blocks. Private to runs.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_RUNS_RUN_INT_H
#define VARVE_RUNS_RUN_INT_H

#define ZLIB_CONST
#include <zlib.h>

#include "runs/run_format.h"
#include "runs/runs.h"

/* --- bytes that grow ---------------------------------------------------------------------------------------------- */

struct vrn_bytes {
    uint8_t *data;
    size_t size, capacity;
};
/* Room for `capacity` bytes in all; what is there stays. NOMEM. */
int vrn_bytes_reserve(struct vrn_bytes *bytes, size_t capacity);
void vrn_bytes_free(struct vrn_bytes *bytes);

/* --- zlib --------------------------------------------------------------------------------------------------------- */

struct vrn_zip {
    z_stream stream;
    bool deflates, inflates; /* which of the two it is open for */
};
/* True: deflated into `out`, *out_size bytes, at most `out_max`. False: it does not fit, or zlib has no memory. */
bool vrn_deflate(struct vrn_zip *zip, int level, varve_slice in, uint8_t *out, size_t out_max, size_t *out_size);
/* OK: exactly out_size bytes came out of exactly the input. CORRUPT, NOMEM. */
int vrn_inflate(struct vrn_zip *zip, varve_slice in, uint8_t *out, size_t out_size);
void vrn_zip_close(struct vrn_zip *zip);

/* --- frames ------------------------------------------------------------------------------------------------------- */

struct vrn_handle {
    uint64_t offset;
    uint32_t frame_bytes; /* 0: there is none */
    uint32_t check;
};
void vrn_handle_encode(const struct vrn_handle *handle, uint8_t out[VRN_HANDLE_BYTES]);
struct vrn_handle vrn_handle_decode(const uint8_t in[VRN_HANDLE_BYTES]);

struct vrn_frame { /* what to seal */
    enum vrn_block_kind kind;
    unsigned entries;
    varve_slice raw;
    uint64_t seed; /* of the file at the frame's offset */
    int level;
};
/* Appends the frame to `out`: deflated if that saves a tenth. *sum is what the parent keeps. NOMEM, TOOBIG. */
int vrn_frame_seal(const struct vrn_frame *frame, struct vrn_zip *zip, struct vrn_bytes *out, uint64_t *sum);

struct vrn_buffer {
    struct vrn_bytes stored, raw, key, wanted;
    struct vrn_zip zip;
};
struct vrn_opened {
    const uint8_t *raw; /* in the buffer */
    size_t size;
    unsigned entries;
};
/* Checks and inflates the frame that lies in buffer->stored. CORRUPT with *why (static text); NOMEM. */
int vrn_frame_unseal(struct vrn_buffer *buffer, enum vrn_block_kind kind, uint64_t seed, uint32_t check,
                     struct vrn_opened *opened, const char **why);
void vrn_buffer_release(struct vrn_buffer *buffer);

/* --- blocks ------------------------------------------------------------------------------------------------------- */

struct vrn_item {
    const uint8_t *key; /* encode: the full key; decode: its suffix */
    const uint8_t *value;
    uint32_t key_bytes, value_bytes;
    uint64_t cts;
    uint8_t flags;
};
/* Replaces `out` by the block of the items, ascending by key. NOMEM, TOOBIG. */
int vrn_block_encode(const struct vrn_item *items, size_t count, struct vrn_bytes *out);

struct vrn_block {
    const uint8_t *raw;
    size_t size, slots_offset, prefix_bytes;
    unsigned count, slot_bytes;
    uint64_t base_cts;
};
/* False: not a block. Entries are checked one by one as they are read. */
bool vrn_block_open(struct vrn_block *block, const struct vrn_opened *opened);
bool vrn_block_item(const struct vrn_block *block, unsigned index, struct vrn_item *item);
/* The first entry whose full key is not below `key` (block->count: none). False: damaged. */
bool vrn_block_seek(const struct vrn_block *block, varve_slice key, unsigned *index);
/* Order of a full key made of the block's prefix and a suffix against `key`. */
int vrn_block_compare(const struct vrn_block *block, const struct vrn_item *item, varve_slice key);

/* --- texts -------------------------------------------------------------------------------------------------------- */

enum { VRN_NAME_BYTES = 24 };
void vrn_run_name(uint64_t file_id, char name[VRN_NAME_BYTES]);
bool vrn_run_name_parse(const char *name, uint64_t *file_id);
int vrn_os_fail(struct vk_detail *detail, int status, const struct vos_error *error);
int vrn_corrupt(struct vk_detail *detail, const char *name, uint64_t offset, const char *why);
int vrn_nomem(struct vk_detail *detail, const char *name);

#endif
