/* bytes.c - varints, the bounded reader, hashing and the printable form of keys.
 *
 * Thread rule: no state.
 * Invariants
 *   1. A reader's next never passes its end, whatever the bytes say.
 *   2. After a failed read next == end and bad is set, so every later read fails too and returns zero.
 * Source: LEB128 as in DWARF 5, section 7.6; XXH3: Yann Collet, xxHash specification 0.1.1 (libxxhash).
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/bytes.h"

#include <xxhash.h>

size_t vb_put_varint(uint8_t *out, uint64_t value) {
    size_t count = 0;
    while (value >= 0x80) {
        out[count++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[count++] = (uint8_t)value;
    return count;
}

size_t vb_varint_bytes(uint64_t value) {
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

/* The next `size` bytes, or NULL with the reader spent. */
static const uint8_t *reader_take(struct vb_reader *r, size_t size) {
    if ((size_t)(r->end - r->next) < size) {
        r->next = r->end;
        r->bad = true;
        return NULL;
    }
    const uint8_t *at = r->next;
    if (size != 0) r->next += size;
    return at;
}

uint8_t vb_read_u8(struct vb_reader *r) {
    const uint8_t *at = reader_take(r, 1);
    return at != NULL ? *at : 0;
}

uint16_t vb_read_u16(struct vb_reader *r) {
    const uint8_t *at = reader_take(r, 2);
    return at != NULL ? vb_get_u16(at) : 0;
}

uint32_t vb_read_u32(struct vb_reader *r) {
    const uint8_t *at = reader_take(r, 4);
    return at != NULL ? vb_get_u32(at) : 0;
}

uint64_t vb_read_u64(struct vb_reader *r) {
    const uint8_t *at = reader_take(r, 8);
    return at != NULL ? vb_get_u64(at) : 0;
}

/* Refuses what does not fit in 64 bits; a value padded with zero groups is accepted up to ten bytes. */
uint64_t vb_read_varint(struct vb_reader *r) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t *at = reader_take(r, 1);
        if (at == NULL) return 0;
        uint8_t byte = *at;
        if (shift == 63 && byte > 1) break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    r->next = r->end;
    r->bad = true;
    return 0;
}

varve_slice vb_read_bytes(struct vb_reader *r, size_t size) {
    varve_slice none = {NULL, 0};
    if (r->bad) return none;
    const uint8_t *at = reader_take(r, size);
    return r->bad ? none : (varve_slice){at, size};
}

uint64_t vb_hash64(const void *data, size_t size, uint64_t seed) {
    return XXH3_64bits_withSeed(data, size, seed);
}

/* Writes one byte's printable form and returns its length, 1 or 4. */
static size_t printable_byte(uint8_t byte, char *out) {
    static const char digits[] = "0123456789abcdef";
    if (byte >= 0x20 && byte < 0x7f) {
        out[0] = (char)byte;
        return 1;
    }
    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[byte >> 4];
    out[3] = digits[byte & 15];
    return 4;
}

void vb_printable(varve_slice bytes, char *out, size_t size) {
    if (size == 0) return;
    const uint8_t *in = bytes.data;
    size_t used = 0, cut = 0; /* cut: the longest prefix that leaves room for "..." and the NUL */
    for (size_t i = 0; i < bytes.size; i++) {
        char form[4];
        size_t length = printable_byte(in[i], form);
        if (used + length + 1 > size) {
            size_t dots = size - 1 - cut < 3 ? size - 1 - cut : 3;
            memcpy(out + cut, "...", dots);
            out[cut + dots] = '\0';
            return;
        }
        memcpy(out + used, form, length);
        used += length;
        if (used + 4 <= size) cut = used;
    }
    out[used] = '\0';
}
