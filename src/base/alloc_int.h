/* alloc_int.h - what the two allocator backends share: the counter of a heap and the failure that tests plan.
 *
 * Private to base.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BASE_ALLOC_INT_H
#define VARVE_BASE_ALLOC_INT_H

#include "base/alloc.h"
#include "base/atomics.h"
#include "base/check.h"

#ifdef VARVE_ASSERTS
bool vb_alloc_planned_failure(void); /* counts one allocation; true: it is to fail */
#else
static inline bool vb_alloc_planned_failure(void) {
    return false;
}
#endif

/* Only the owner of the heap writes its counter, so a load and a store will do; readers take what they find. */
static inline void vb_count(int64_t *used, int64_t bytes) {
    vb_store_relaxed(used, vb_load_relaxed(used) + bytes);
}

#endif
