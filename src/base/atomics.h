/* atomics.h - every atomic access and every fence of the engine, by name of its order.
 *
 * Objects are plain integers and pointers that are only touched through these macros once they are shared. Fences
 * exist nowhere else (a check enforces it): thread sanitizers do not model them, so under one the seqlock accessors
 * become acquire and release accesses and the fences vanish.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BASE_ATOMICS_H
#define VARVE_BASE_ATOMICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/test_hooks.h"

#if defined(__SANITIZE_THREAD__)
#define VB_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VB_TSAN 1
#endif
#endif
#ifndef VB_TSAN
#define VB_TSAN 0
#endif

#define vb_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define vb_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define vb_load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define vb_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define vb_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define vb_store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define vb_exchange_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define vb_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define vb_add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define vb_sub_acq_rel(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)
#define vb_or_acq_rel(p, v) __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL)
#define vb_and_acq_rel(p, v) __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL)
/* expected is updated on failure; order acq_rel on success, acquire on failure */
#define vb_cas(p, expected, desired) \
    __atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

/* Seqlock payload: word-wise, relaxed; the fences below order them against the sequence word. */
#if VB_TSAN
#define vb_seq_load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define vb_seq_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
static inline void vb_fence_acquire(void) {}
static inline void vb_fence_release(void) {}
static inline void vb_fence_seq_cst(void) {}
#else
#define vb_seq_load(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define vb_seq_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
static inline void vb_fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
static inline void vb_fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
static inline void vb_fence_seq_cst(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
#endif

/* Sixteen bytes of payload, by one load and one store that may be torn: see seqcopy.h. */
#if defined(__x86_64__) && !VB_TSAN && !defined(__SANITIZE_ADDRESS__)
#define VB_SEQ_WIDE 1
static inline void vb_seq_copy16(void *to, const void *from) {
    __asm__ volatile("movdqu (%1), %%xmm15\n\tmovdqu %%xmm15, (%0)" : : "r"(to), "r"(from) : "xmm15", "memory");
}
#else
#define VB_SEQ_WIDE 0
#endif

static inline void vb_compiler_barrier(void) { __asm__ volatile("" ::: "memory"); }

static inline void vb_cpu_relax(void) {
#ifdef VARVE_TEST_POINTS
    if (vb_test_hooks.relax != 0 && vb_test_hooks.relax()) return;
#endif
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

#define VB_CACHE_LINE 64
#define vb_aligned_line __attribute__((aligned(VB_CACHE_LINE)))
#define vb_likely(x) __builtin_expect(!!(x), 1)
#define vb_unlikely(x) __builtin_expect(!!(x), 0)
/* A step of every operation that has a name of its own and must not cost a call. */
#define vb_step static inline __attribute__((always_inline))

#endif
