/* rcu.h - read sections and grace periods (liburcu, bp flavour: threads register themselves, made for libraries inside
 * foreign programs; Desnoyers et al., User-Level Implementations of Read-Copy Update, IEEE TPDS 2012).
 *
 * One section per public call; nothing waits inside one. Pointers published with vos_rcu_publish and read with
 * vos_rcu_deref inside a section stay valid until its end. vos_rcu_synchronize is for the janitor and for close.
 * Under a thread sanitizer the wrappers tell it what the library's own barriers do (no suppression file). Sanitizer
 * builds call into the library instead of compiling its inline functions: version 0.13 places its reader structures at
 * addresses less aligned than their type says, which the undefined-behaviour checks report.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_OS_RCU_H
#define VARVE_OS_RCU_H

#include "base/atomics.h"
#include "base/check.h"

#if !VB_TSAN && !VB_ASAN
#define _LGPL_SOURCE
#endif
#include <urcu-bp.h>

#if VB_TSAN
extern char vos_rcu_tag;
void __tsan_release(void *address);
void __tsan_acquire(void *address);
#endif

#ifdef VARVE_ASSERTS
extern _Thread_local unsigned vos_rcu_depth; /* debug builds only: sections this thread is in */
#define VOS_RCU_DEPTH_ADD(n) (vos_rcu_depth += (unsigned)(n))
#define vos_assert_may_wait() VB_ASSERT(vos_rcu_depth == 0)
#else
#define VOS_RCU_DEPTH_ADD(n) ((void)0)
#define vos_assert_may_wait() ((void)0)
#endif

static inline void vos_rcu_enter(void) {
    VOS_RCU_DEPTH_ADD(1);
    urcu_bp_read_lock();
}
static inline void vos_rcu_exit(void) {
#if VB_TSAN
    __tsan_release(&vos_rcu_tag);
#endif
    urcu_bp_read_unlock();
    VOS_RCU_DEPTH_ADD(-1);
}
#define vos_rcu_deref(p) vb_load_acquire(p)
#define vos_rcu_publish(p, v) vb_store_release(p, v)
void vos_rcu_synchronize(void); /* waits for every section that is open now; not inside one (asserted) */

#endif
