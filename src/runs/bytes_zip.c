/* bytes_zip.c - buffers that grow, raw deflate and inflate with exact bounds, names and texts.
 *
 * Owner thread only. zlib takes its memory through the engine's allocator; sizes lie in front of each piece.
 * Invariants
 *   1. Inflating never writes past the size that was declared, and succeeds only when exactly that many bytes came out
 *      of exactly the input: a declared size that is not the true one never shows bytes that nobody wrote.
 *
 * Source of the coding: P. Deutsch, DEFLATE Compressed Data Format Specification 1.3, RFC 1951.
 *
 * SPDX-License-Identifier: MIT
 */
#include "runs/run_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

int vrn_bytes_reserve(struct vrn_bytes *bytes, size_t capacity) {
    if (capacity <= bytes->capacity) return VARVE_OK;
    size_t grown = bytes->capacity + bytes->capacity / 2;
    if (grown < capacity) grown = capacity;
    uint8_t *data = vb_alloc(grown);
    if (data == NULL) return VARVE_NOMEM;
    if (bytes->size != 0) memcpy(data, bytes->data, bytes->size);
    vb_free(bytes->data, bytes->capacity);
    bytes->data = data;
    bytes->capacity = grown;
    return VARVE_OK;
}

void vrn_bytes_free(struct vrn_bytes *bytes) {
    vb_free(bytes->data, bytes->capacity);
    *bytes = (struct vrn_bytes){NULL, 0, 0};
}

/* --- zlib --------------------------------------------------------------------------------------------------------- */

enum { SIZE_SPACE = 16 };

static voidpf zip_alloc(voidpf unused, uInt items, uInt size) {
    (void)unused;
    size_t bytes;
    if (__builtin_mul_overflow((size_t)items, (size_t)size, &bytes)) return NULL;
    uint8_t *space = vb_alloc(bytes + SIZE_SPACE);
    if (space == NULL) return NULL;
    memcpy(space, &bytes, sizeof(bytes));
    return space + SIZE_SPACE;
}

static void zip_free(voidpf unused, voidpf pointer) {
    (void)unused;
    if (pointer == NULL) return;
    uint8_t *space = (uint8_t *)pointer - SIZE_SPACE;
    size_t bytes;
    memcpy(&bytes, space, sizeof(bytes));
    vb_free(space, bytes + SIZE_SPACE);
}

enum { RAW_WINDOW_BITS = -15, DEFLATE_MEMORY = 8 };

static bool deflate_ready(struct vrn_zip *zip, int level) {
    if (zip->deflates) return deflateReset(&zip->stream) == Z_OK;
    memset(&zip->stream, 0, sizeof(zip->stream));
    zip->stream.zalloc = zip_alloc;
    zip->stream.zfree = zip_free;
    zip->deflates =
        deflateInit2(&zip->stream, level, Z_DEFLATED, RAW_WINDOW_BITS, DEFLATE_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
    return zip->deflates;
}

bool vrn_deflate(struct vrn_zip *zip, int level, varve_slice in, uint8_t *out, size_t out_max, size_t *out_size) {
    if (in.size == 0 || in.size > UINT32_MAX || out_max > UINT32_MAX || !deflate_ready(zip, level)) return false;
    zip->stream.next_in = in.data;
    zip->stream.avail_in = (uInt)in.size;
    zip->stream.next_out = out;
    zip->stream.avail_out = (uInt)out_max;
    if (deflate(&zip->stream, Z_FINISH) != Z_STREAM_END) return false;
    *out_size = zip->stream.total_out;
    return true;
}

int vrn_inflate(struct vrn_zip *zip, varve_slice in, uint8_t *out, size_t out_size) {
    if (in.size > UINT32_MAX || out_size > UINT32_MAX) return VARVE_CORRUPT;
    if (!zip->inflates) {
        memset(&zip->stream, 0, sizeof(zip->stream));
        zip->stream.zalloc = zip_alloc;
        zip->stream.zfree = zip_free;
        if (inflateInit2(&zip->stream, RAW_WINDOW_BITS) != Z_OK) return VARVE_NOMEM;
        zip->inflates = true;
    } else if (inflateReset(&zip->stream) != Z_OK) {
        return VARVE_CORRUPT;
    }
    zip->stream.next_in = in.data;
    zip->stream.avail_in = (uInt)in.size;
    zip->stream.next_out = out;
    zip->stream.avail_out = (uInt)out_size;
    int result = inflate(&zip->stream, Z_FINISH);
    if (result == Z_MEM_ERROR) return VARVE_NOMEM;
    bool exact = result == Z_STREAM_END && zip->stream.avail_out == 0 && zip->stream.avail_in == 0;
    return exact ? VARVE_OK : VARVE_CORRUPT;
}

void vrn_zip_close(struct vrn_zip *zip) {
    if (zip->deflates) deflateEnd(&zip->stream);
    if (zip->inflates) inflateEnd(&zip->stream);
    zip->deflates = zip->inflates = false;
}

/* --- names and texts ---------------------------------------------------------------------------------------------- */

void vrn_run_name(uint64_t file_id, char name[VRN_NAME_BYTES]) {
    snprintf(name, VRN_NAME_BYTES, "%016" PRIx64 ".run", file_id);
}

bool vrn_run_name_parse(const char *name, uint64_t *file_id) {
    uint64_t id = 0;
    for (unsigned i = 0; i < 16; i++) {
        char c = name[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else
            return false;
        id = id << 4 | digit;
    }
    if (strcmp(name + 16, ".run") != 0) return false;
    *file_id = id;
    return true;
}

int vrn_os_fail(struct vk_detail *detail, int status, const struct vos_error *error) {
    enum varve_reason reason =
        status == VARVE_IO || status == VARVE_CORRUPT ? VARVE_REASON_FAILED : VARVE_REASON_RESOURCE;
    return vk_fail(detail, status, reason, "%s", error->text);
}

int vrn_corrupt(struct vk_detail *detail, const char *name, uint64_t offset, const char *why) {
    return vk_fail(detail, VARVE_CORRUPT, VARVE_REASON_FAILED, "%s at %" PRIu64 ": %s", name, offset, why);
}

int vrn_nomem(struct vk_detail *detail, const char *name) {
    return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for %s", name);
}
