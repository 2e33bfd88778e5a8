/* manifest_file.c - the manifest's file: reading it, appending an edit, writing it anew.
 *
 * One thread at a time. Invariants
 *   1. Each edit is synced before the next is written. Therefore a frame that is not whole is a torn write only if no
 *      whole frame follows it; otherwise it was synced once, and is damage.
 *   2. A file takes the place of another only when it is synced, with its name; its first frame is never torn.
 *   3. An edit goes into bytes that are zeros on the disk already, unless the file had to grow for it; so FULL can only
 *      come from growing, when the edit has not been written.
 *   4. After an error that leaves open what the file holds, nothing is written to it again.
 *
 * Sources: an append-only log of edits under one name follows Chang et al., Bigtable, OSDI 2006, 5.1; what may be
 * believed after a failed sync, Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "runs/manifest_int.h"

static const char file_name[] = "manifest", new_name[] = "manifest.new";

static uint64_t round_up(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

static uint64_t frame_bytes(uint64_t payload_bytes) {
    return round_up(VRN_EDIT_HEADER_BYTES + payload_bytes + VRN_EDIT_SUM_BYTES, VRN_MANIFEST_UNIT);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int read_at(struct vrn_manifest *manifest, uint64_t offset, void *data, size_t size, struct vk_detail *detail) {
    struct vos_error error = {0};
    size_t got = 0;
    int status = manifest->config.os->ops->file_read(manifest->file, offset, data, size, &got, &error);
    if (status != VARVE_OK) return vrn_os_fail(detail, status, &error);
    return got == size ? VARVE_OK : vrn_corrupt(detail, file_name, offset + got, "file ends too early");
}

struct frame {
    bool whole;
    uint64_t sequence;
    varve_slice payload; /* in the manifest's scratch */
    uint64_t bytes_read;
};

/* Looks at the frame at `offset`. Whole: its sum is right. */
static int read_frame(struct vrn_manifest *manifest, uint64_t offset, struct frame *frame, struct vk_detail *detail) {
    uint8_t head[VRN_EDIT_HEADER_BYTES];
    *frame = (struct frame){.whole = false};
    uint64_t left = manifest->file_bytes - offset;
    if (left < VRN_EDIT_HEADER_BYTES + VRN_EDIT_SUM_BYTES) return VARVE_OK;
    VB_TRY(read_at(manifest, offset, head, sizeof(head), detail));
    uint32_t payload_bytes = vb_get_u32(head);
    if (vb_get_u32(head + 4) != ~payload_bytes || payload_bytes > VRN_EDIT_PAYLOAD_MAX) return VARVE_OK;
    uint64_t bytes = VRN_EDIT_HEADER_BYTES + (uint64_t)payload_bytes + VRN_EDIT_SUM_BYTES;
    if (bytes > left) return VARVE_OK;
    manifest->scratch.size = 0;
    if (vrn_bytes_reserve(&manifest->scratch, (size_t)bytes) != VARVE_OK) return vrn_nomem(detail, file_name);
    uint8_t *data = manifest->scratch.data;
    VB_TRY(read_at(manifest, offset, data, (size_t)bytes, detail));
    frame->bytes_read = bytes;
    size_t summed = (size_t)bytes - VRN_EDIT_SUM_BYTES;
    uint64_t sum = vb_hash64(data, summed, vk_file_seed(&manifest->header, offset));
    if (vb_get_u64(data + summed) != sum) return VARVE_OK;
    frame->whole = true;
    frame->sequence = vb_get_u64(data + 8);
    frame->payload = (varve_slice){data + VRN_EDIT_HEADER_BYTES, payload_bytes};
    return VARVE_OK;
}

/* At the first place without a whole frame: nothing whole may follow. The work is bounded, for the lengths that are
 * found on the way may be anything. */
static int check_end(struct vrn_manifest *manifest, struct vk_detail *detail) {
    uint64_t budget = 8 * manifest->file_bytes;
    for (uint64_t at = manifest->end; at < manifest->file_bytes; at += VRN_MANIFEST_UNIT) {
        struct frame frame;
        VB_TRY(read_frame(manifest, at, &frame, detail));
        if (frame.whole)
            return vrn_corrupt(detail, file_name, manifest->end,
                               "edit damaged: a later one is whole, so it was synced");
        uint64_t cost = VRN_MANIFEST_UNIT + frame.bytes_read;
        if (cost > budget) return vrn_corrupt(detail, file_name, manifest->end, "edit damaged");
        budget -= cost;
    }
    return VARVE_OK;
}

static int read_frames(struct vrn_manifest *manifest, struct vk_detail *detail) {
    uint64_t first = vb_get_u64(manifest->header.extra + VRN_EXTRA_FIRST_SEQUENCE);
    manifest->end = VK_FILE_HEADER_BYTES;
    for (uint64_t expected = first;; expected++) {
        struct frame frame;
        const char *why = NULL;
        if (manifest->end >= manifest->file_bytes) break;
        VB_TRY(read_frame(manifest, manifest->end, &frame, detail));
        if (!frame.whole) break;
        if (frame.sequence != expected) return vrn_corrupt(detail, file_name, manifest->end, "edit out of sequence");
        int status = vrn_payload_apply(&manifest->state, frame.payload, &why);
        if (status == VARVE_NOMEM) return vrn_nomem(detail, file_name);
        if (status != VARVE_OK) return vrn_corrupt(detail, file_name, manifest->end, why);
        manifest->sequence = expected;
        manifest->end += frame_bytes(frame.payload.size);
    }
    if (manifest->end == VK_FILE_HEADER_BYTES) return vrn_corrupt(detail, file_name, manifest->end, "state damaged");
    return check_end(manifest, detail);
}

int vrn_manifest_load(struct vrn_manifest *manifest, struct vk_detail *detail) {
    const struct vos_ops *ops = manifest->config.os->ops;
    struct vos_error error = {0};
    uint8_t bytes[VK_FILE_HEADER_BYTES];
    const char *why;
    int status = ops->file_open(manifest->config.dir, file_name, VOS_READ, 0, &manifest->file, &error);
    if (status == VARVE_OK) status = ops->file_size(manifest->file, &manifest->file_bytes, &error);
    if (status != VARVE_OK) return vrn_os_fail(detail, status, &error);
    VB_TRY(read_at(manifest, 0, bytes, sizeof(bytes), detail));
    if (vk_file_header_decode(bytes, VK_FILE_MANIFEST, &manifest->header, &why) != VARVE_OK)
        return vrn_corrupt(detail, file_name, 0, why);
    uint64_t made = vb_get_u64(manifest->header.extra + VRN_EXTRA_FILE_BYTES);
    if (manifest->file_bytes < made || manifest->file_bytes > VRN_MANIFEST_BYTES_MAX)
        return vrn_corrupt(detail, file_name, manifest->file_bytes, "file has another length than it was made with");
    memcpy(manifest->config.database_id, manifest->header.database_id, sizeof(manifest->config.database_id));
    return read_frames(manifest, detail);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Makes a frame of the payload that begins VRN_EDIT_HEADER_BYTES after `start` in `out` and ends where it ends; pads
 * with zeros. */
static int close_frame(struct vrn_bytes *out, size_t start, const struct vk_file_header *header, uint64_t offset,
                       uint64_t sequence) {
    size_t summed = out->size - start, payload_bytes = summed - VRN_EDIT_HEADER_BYTES;
    if (payload_bytes > VRN_EDIT_PAYLOAD_MAX) return VARVE_TOOBIG;
    size_t end = start + (size_t)frame_bytes(payload_bytes);
    VB_TRY(vrn_bytes_reserve(out, end));
    uint8_t *frame = out->data + start;
    vb_put_u32(frame, (uint32_t)payload_bytes);
    vb_put_u32(frame + 4, ~(uint32_t)payload_bytes);
    vb_put_u64(frame + 8, sequence);
    vb_put_u64(frame + summed, vb_hash64(frame, summed, vk_file_seed(header, offset)));
    memset(frame + summed + VRN_EDIT_SUM_BYTES, 0, end - start - summed - VRN_EDIT_SUM_BYTES);
    out->size = end;
    return VARVE_OK;
}

static int open_frame(struct vrn_bytes *out) {
    VB_TRY(vrn_bytes_reserve(out, out->size + VRN_EDIT_HEADER_BYTES));
    out->size += VRN_EDIT_HEADER_BYTES;
    return VARVE_OK;
}

/* NOMEM or TOOBIG of making bytes, in words. */
static int encode_fail(struct vk_detail *detail, int status) {
    if (status == VARVE_NOMEM) return vrn_nomem(detail, file_name);
    return vk_fail(detail, status, VARVE_REASON_RESOURCE, "%s: an edit that is too large", file_name);
}

static int unknown_now(struct vrn_manifest *manifest, const struct vos_error *error, struct vk_detail *detail) {
    manifest->failed = true;
    return vrn_os_fail(detail, VARVE_IO, error);
}

/* The whole content of a new file: header, state, change, zeros. *end is where the next frame will go. */
static int encode_file(struct vrn_manifest *manifest, const struct vrn_change *change, struct vk_file_header *header,
                       uint64_t *end) {
    struct vrn_bytes *out = &manifest->scratch;
    out->size = 0;
    VB_TRY(vrn_bytes_reserve(out, VK_FILE_HEADER_BYTES));
    out->size = VK_FILE_HEADER_BYTES;
    VB_TRY(open_frame(out));
    VB_TRY(vrn_state_encode(&manifest->state, out));
    VB_TRY(close_frame(out, VK_FILE_HEADER_BYTES, header, VK_FILE_HEADER_BYTES, manifest->sequence));
    if (change != NULL) {
        size_t start = out->size;
        VB_TRY(open_frame(out));
        VB_TRY(vrn_change_encode(change, out));
        VB_TRY(close_frame(out, start, header, start, manifest->sequence + 1));
    }
    *end = out->size;
    size_t bytes = (size_t)round_up(out->size + 1, manifest->limits.grow_bytes);
    VB_TRY(vrn_bytes_reserve(out, bytes));
    memset(out->data + out->size, 0, bytes - out->size);
    out->size = bytes;
    vb_put_u64(header->extra + VRN_EXTRA_FIRST_SEQUENCE, manifest->sequence);
    vb_put_u64(header->extra + VRN_EXTRA_FILE_BYTES, bytes);
    vk_file_header_encode(header, out->data);
    return VARVE_OK;
}

/* Writes and syncs manifest.new. On failure it is gone again, as far as that can be had. */
static int write_new(struct vrn_manifest *manifest, struct vos_file **file, struct vk_detail *detail) {
    const struct vrn_config *config = &manifest->config;
    const struct vos_ops *ops = config->os->ops;
    struct vos_error error = {0};
    struct vos_file *made = NULL;
    int status = ops->dir_remove(config->dir, new_name, &error);
    if (status == VARVE_OK || status == VARVE_NOTFOUND)
        status = ops->file_open(config->dir, new_name, VOS_WRITE | VOS_CREATE, config->file_mode, &made, &error);
    if (status != VARVE_OK) return vrn_os_fail(detail, status, &error);
    status = ops->file_write(made, 0, manifest->scratch.data, manifest->scratch.size, &error);
    if (status == VARVE_OK) status = ops->file_sync(made, &error);
    if (status == VARVE_OK) {
        *file = made;
        return VARVE_OK;
    }
    ops->file_truncate(made, 0, NULL); /* gives its room back now, not when the removal has reached the disk */
    ops->file_close(made, NULL);
    ops->dir_remove(config->dir, new_name, NULL);
    return vrn_os_fail(detail, status, &error);
}

int vrn_manifest_rewrite(struct vrn_manifest *manifest, const struct vrn_change *change, struct vk_detail *detail) {
    const struct vos_ops *ops = manifest->config.os->ops;
    struct vk_file_header header = {.kind = VK_FILE_MANIFEST, .unit_bytes = VRN_MANIFEST_UNIT};
    struct vos_error error = {0};
    struct vos_file *file = NULL;
    uint64_t end;
    memcpy(header.database_id, manifest->config.database_id, sizeof(header.database_id));
    int status = ops->random(manifest->config.os, &header.salt, sizeof(header.salt));
    if (status != VARVE_OK) return vk_fail(detail, status, VARVE_REASON_RESOURCE, "no random bytes to be had");
    status = encode_file(manifest, change, &header, &end);
    if (status != VARVE_OK) return encode_fail(detail, status);
    VB_TRY(write_new(manifest, &file, detail));
    status = ops->dir_rename(manifest->config.dir, new_name, file_name, &error);
    if (status == VARVE_OK) status = ops->dir_sync(manifest->config.dir, &error);
    if (status != VARVE_OK) {
        ops->file_close(file, NULL);
        return unknown_now(manifest, &error, detail);
    }
    if (manifest->file != NULL) ops->file_close(manifest->file, NULL); /* nothing in it counts any more */
    manifest->file = file;
    manifest->header = header;
    manifest->end = end;
    manifest->file_bytes = manifest->scratch.size;
    manifest->rewrite_bytes = 2 * end > manifest->limits.rewrite_bytes ? 2 * end : manifest->limits.rewrite_bytes;
    manifest->settled = true;
    if (change != NULL) manifest->sequence++;
    return VARVE_OK;
}

/* Zeros up to a multiple of grow_bytes that leaves room for `bytes` more. */
static int grow(struct vrn_manifest *manifest, uint64_t bytes, struct vk_detail *detail) {
    static const uint8_t zeros[VRN_MANIFEST_UNIT];
    struct vos_error error = {0};
    uint64_t target = round_up(manifest->end + bytes, manifest->limits.grow_bytes);
    for (uint64_t at = manifest->file_bytes; at < target; at += sizeof(zeros)) {
        int status = manifest->config.os->ops->file_write(manifest->file, at, zeros, sizeof(zeros), &error);
        if (status == VARVE_FULL) return vrn_os_fail(detail, status, &error);
        if (status != VARVE_OK) return unknown_now(manifest, &error, detail);
    }
    manifest->file_bytes = target;
    return VARVE_OK;
}

/* The change as the one frame in the scratch, for the end of the file. */
static int encode_next(struct vrn_manifest *manifest, const struct vrn_change *change, struct vk_detail *detail) {
    struct vrn_bytes *out = &manifest->scratch;
    out->size = 0;
    int status = open_frame(out);
    if (status == VARVE_OK) status = vrn_change_encode(change, out);
    if (status == VARVE_OK) status = close_frame(out, 0, &manifest->header, manifest->end, manifest->sequence + 1);
    return status == VARVE_OK ? VARVE_OK : encode_fail(detail, status);
}

int vrn_manifest_append(struct vrn_manifest *manifest, const struct vrn_change *change, struct vk_detail *detail) {
    const struct vos_ops *ops = manifest->config.os->ops;
    struct vrn_bytes *out = &manifest->scratch;
    struct vos_error error = {0};
    VB_TRY(encode_next(manifest, change, detail));
    if (manifest->end + out->size > manifest->rewrite_bytes) {
        int status = vrn_manifest_rewrite(manifest, change, detail);
        if (status != VARVE_FULL) return status;
        VB_TRY(encode_next(manifest, change, detail)); /* a full disk may still have room for one edit */
    }
    if (manifest->end + out->size > manifest->file_bytes) VB_TRY(grow(manifest, out->size, detail));
    int status = ops->file_write(manifest->file, manifest->end, out->data, out->size, &error);
    if (status == VARVE_OK) status = ops->file_sync(manifest->file, &error);
    if (status != VARVE_OK) return unknown_now(manifest, &error, detail);
    manifest->end += out->size;
    manifest->sequence++;
    return VARVE_OK;
}
