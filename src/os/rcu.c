/* rcu.c - the out-of-line part of rcu.h.
 *
 * Thread rule: any thread, outside its own read sections.
 * Under a thread sanitizer the wait for a grace period tells it that everything before the ends of the sections it
 * waited for happened before its return; the barriers that make it so are inside a library it cannot see into.
 *
 * SPDX-License-Identifier: MIT
 */
#include "os/rcu.h"

#if VB_TSAN
char vos_rcu_tag;
#endif

#ifdef VARVE_ASSERTS
_Thread_local unsigned vos_rcu_depth;
#endif

void vos_rcu_synchronize(void) {
    vos_assert_may_wait();
#ifdef VARVE_TEST_POINTS
    if (vb_test_hooks.synchronize != NULL && vb_test_hooks.synchronize()) return;
#endif
    urcu_bp_synchronize_rcu();
#if VB_TSAN
    __tsan_acquire(&vos_rcu_tag);
#endif
}
