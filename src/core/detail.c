/* detail.c - filling the detail of a failure.
 *
 * Owns nothing: the buffer is the caller's. Any thread, each with its own detail. Allocates nothing, so that it works
 * when memory is what is missing; a text that is too long is cut.
 *
 * SPDX-License-Identifier: MIT
 */
#include "core/detail.h"

#include <stdarg.h>
#include <stdio.h>

int vk_fail(struct vk_detail *detail, int status, enum varve_reason reason, const char *format, ...) {
    if (detail == NULL) return status;
    detail->status = status;
    detail->reason = reason;
    detail->other_txn = 0;
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(detail->text, sizeof(detail->text), format, arguments) < 0) detail->text[0] = '\0';
    va_end(arguments);
    return status;
}
