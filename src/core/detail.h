/* detail.h - the detail of a failure: fixed buffers, no allocation on the error path.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CORE_DETAIL_H
#define VARVE_CORE_DETAIL_H

#include <stdint.h>

#include "varve.h"

struct vk_detail {
    int status;
    enum varve_reason reason;
    uint64_t other_txn;
    char text[256];
};
/* No failure yet. The text beyond its first byte is nobody's. */
static inline void vk_detail_init(struct vk_detail *detail) {
    detail->status = VARVE_OK;
    detail->reason = VARVE_REASON_NONE;
    detail->other_txn = 0;
    detail->text[0] = 0;
}
/* Fills the detail and returns status, so that `return vk_fail(...)` reads as one thought. detail may be NULL. */
int vk_fail(struct vk_detail *detail, int status, enum varve_reason reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
