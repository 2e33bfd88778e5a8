/* bytes.h - little-endian loads and stores, varints, a bounded reader, and hashing. The only decoding of file bytes.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BASE_BYTES_H
#define VARVE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "varve.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define VB_LITTLE(v, bits) (v)
#else
#define VB_LITTLE(v, bits) __builtin_bswap##bits(v)
#endif

static inline uint16_t vb_get_u16(const void *p) {
    uint16_t v;
    memcpy(&v, p, 2);
    return VB_LITTLE(v, 16);
}
static inline uint32_t vb_get_u32(const void *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return VB_LITTLE(v, 32);
}
static inline uint64_t vb_get_u64(const void *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return VB_LITTLE(v, 64);
}
/* The first 8 bytes of a key, as a number that orders as they do. */
static inline uint64_t vb_get_u64_be(const void *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(VB_LITTLE(v, 64));
}
static inline void vb_put_u16(void *p, uint16_t v) {
    v = VB_LITTLE(v, 16);
    memcpy(p, &v, 2);
}
static inline void vb_put_u32(void *p, uint32_t v) {
    v = VB_LITTLE(v, 32);
    memcpy(p, &v, 4);
}
static inline void vb_put_u64(void *p, uint64_t v) {
    v = VB_LITTLE(v, 64);
    memcpy(p, &v, 8);
}

/* LEB128. put returns the bytes written (at most 10). */
size_t vb_put_varint(uint8_t *out, uint64_t value);
size_t vb_varint_bytes(uint64_t value);
static inline uint64_t vb_zigzag(int64_t v) { return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63); }
static inline int64_t vb_unzigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }

/* A reader that never passes its end: after the first failure every read fails, and `bad` is set. */
struct vb_reader {
    const uint8_t *next, *end;
    bool bad;
};
static inline void vb_reader_init(struct vb_reader *r, const void *data, size_t size) {
    r->next = data;
    r->end = size != 0 ? r->next + size : r->next; /* data may be NULL then */
    r->bad = false;
}
uint8_t vb_read_u8(struct vb_reader *r);
uint16_t vb_read_u16(struct vb_reader *r);
uint32_t vb_read_u32(struct vb_reader *r);
uint64_t vb_read_u64(struct vb_reader *r);
uint64_t vb_read_varint(struct vb_reader *r);
varve_slice vb_read_bytes(struct vb_reader *r, size_t size); /* borrowed; {NULL, 0} and bad when short */

/* Order of keys: memcmp, then the shorter first. <0, 0, >0. */
static inline int vb_compare(varve_slice a, varve_slice b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common != 0 ? memcmp(a.data, b.data, common) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}
/* Keys that differ mostly differ in their last bytes, and most are 16 bytes or shorter: two words settle it then. */
static inline bool vb_equal(varve_slice a, varve_slice b) {
    if (a.size != b.size) return false;
    if (a.size < 8) return a.size == 0 || memcmp(a.data, b.data, a.size) == 0;
    if (vb_get_u64((const uint8_t *)a.data + a.size - 8) != vb_get_u64((const uint8_t *)b.data + a.size - 8)) return false;
    if (a.size <= 16) return vb_get_u64(a.data) == vb_get_u64(b.data);
    return memcmp(a.data, b.data, a.size - 8) == 0;
}

/* XXH3-64 (Debian's libxxhash). */
uint64_t vb_hash64(const void *data, size_t size, uint64_t seed);

/* Key bytes for an error text: printable bytes as they are, others as \xHH, cut with "..." to fit size (with its
 * NUL). */
void vb_printable(varve_slice bytes, char *out, size_t size);

#endif
