/* seqcopy.h - payload under a sequence lock, in and out: whole pieces, checked by the sequence word afterwards.
 *
 * The shared side is an array of words, 8-byte aligned, whose last word is whole whatever the size. What is read while
 * somebody writes may be torn in any way; the caller looks at the sequence word, behind a fence, before he believes a byte.
 * Words are relaxed atomics (Boehm, Can seqlocks get along with programming language memory models?, MSPC 2012). On x86-64
 * pieces of sixteen bytes go by one instruction each, which the compiler would not make of atomics; to the C memory model
 * that is opaque, and the processor orders such loads and stores as any other. Sanitizers get the words.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BASE_SEQCOPY_H
#define VARVE_BASE_SEQCOPY_H

#include <stddef.h>
#include <string.h>

#include "base/atomics.h"

#if VB_SEQ_WIDE
/* size >= 16; the last piece may overlap the one before. */
static inline void vb_copy_wide(void *to, const void *from, size_t size) {
    char *target = to;
    const char *source = from, *last = source + size - 16;
    for (; source < last; source += 16, target += 16) vb_seq_copy16(target, source);
    vb_seq_copy16((char *)to + size - 16, last);
}
#endif

/* Reads `size` bytes. */
static inline void vb_seq_copy_out(void *to, const uint64_t *from, size_t size) {
#if VB_SEQ_WIDE
    if (vb_likely(size >= 16)) {
        vb_copy_wide(to, from, size);
        return;
    }
#endif
    uint8_t *out = to;
    for (; size >= 8; size -= 8, out += 8, from++) {
        uint64_t word = vb_seq_load(from);
        memcpy(out, &word, 8);
    }
    if (size == 0) return;
    uint64_t word = vb_seq_load(from);
    memcpy(out, &word, size);
}

/* Writes `size` bytes; what is left of the last word may become anything. */
static inline void vb_seq_copy_in(uint64_t *to, const void *from, size_t size) {
#if VB_SEQ_WIDE
    if (vb_likely(size >= 16)) {
        vb_copy_wide(to, from, size);
        return;
    }
#endif
    const uint8_t *in = from;
    for (; size >= 8; size -= 8, in += 8, to++) {
        uint64_t word;
        memcpy(&word, in, 8);
        vb_seq_store(to, word);
    }
    if (size == 0) return;
    uint64_t word = 0;
    memcpy(&word, in, size);
    vb_seq_store(to, word);
}

#endif
