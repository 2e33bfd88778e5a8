/* check.h - the three kinds of check, and the two macros that pass a status on.
 *
 *   VB_ASSERT     a mistake of ours; off in release builds; no side effects in its condition
 *   an invariant  that guards data is a plain test, always on; who finds it broken poisons the database
 *   a status      anything the world does: memory, files, arguments
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BASE_CHECK_H
#define VARVE_BASE_CHECK_H

#include "varve.h"

/* 1 under an address sanitizer (atomics.h has VB_TSAN for thread sanitizers). */
#if defined(__SANITIZE_ADDRESS__)
#define VB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VB_ASAN 1
#endif
#endif
#ifndef VB_ASAN
#define VB_ASAN 0
#endif

#ifdef VARVE_ASSERTS
_Noreturn void vb_assert_failed(const char *condition, const char *file, int line);
#define VB_ASSERT(c) ((c) ? (void)0 : vb_assert_failed(#c, __FILE__, __LINE__))
#else
#define VB_ASSERT(c) ((void)sizeof(c))
#endif

/* Return the status of a failing call. */
#define VB_TRY(call)                                \
    do {                                            \
        int vb_try_status = (call);                 \
        if (vb_try_status != VARVE_OK) return vb_try_status; \
    } while (0)

/* Keep the status of a failing call in `status` and go to the function's one exit label. */
#define VB_TRY_GOTO(status, call, label)            \
    do {                                            \
        (status) = (call);                          \
        if ((status) != VARVE_OK) goto label;       \
    } while (0)

#endif
