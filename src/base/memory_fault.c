/* memory_fault.c - the allocation failure that a test plans (builds with assertions only): one counter for the whole
 * process, consulted by both backends before they allocate.
 *
 * Thread rule: any thread; with several threads it is not determined which of them meets the failure.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/alloc_int.h"

#ifdef VARVE_ASSERTS
static uint64_t allocations; /* since the last plan */
static uint64_t failures;    /* since the last plan */
static uint64_t fail_at;     /* number of the allocation that fails; 0 = none */
static bool fail_for_ever;

static void plan(uint64_t n, bool for_ever) {
    vb_store_relaxed(&fail_at, 0);
    vb_store_relaxed(&allocations, 0);
    vb_store_relaxed(&failures, 0);
    vb_store_relaxed(&fail_for_ever, for_ever);
    vb_store_release(&fail_at, n);
}

void vb_alloc_fail_after(uint64_t n) {
    plan(n, false);
}

void vb_alloc_fail_from(uint64_t n) {
    plan(n, true);
}

uint64_t vb_alloc_failures(void) {
    return vb_load_relaxed(&failures);
}

uint64_t vb_alloc_count(void) {
    return vb_load_relaxed(&allocations);
}

bool vb_alloc_planned_failure(void) {
    uint64_t planned = vb_load_acquire(&fail_at);
    uint64_t number = vb_add_relaxed(&allocations, 1) + 1;
    if (planned == 0 || number < planned) return false;
    if (number > planned && !vb_load_relaxed(&fail_for_ever)) return false;
    vb_add_relaxed(&failures, 1);
    return true;
}
#endif
