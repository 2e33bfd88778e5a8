/* test_hooks.h - what a test build lets an explorer replace for the whole process: the places where a thread waits for
 * another without going through the hooks of a database.
 *
 * An explorer runs the sessions of a database as fibres of one operating-system thread. A loop that spins for another
 * thread, a futex, a mutex and a grace period would then wait for themselves, so each asks here first. With everything
 * NULL, as it is unless a test says otherwise, the real thing happens. Exists only with VARVE_TEST_POINTS. Whoever
 * sets a hook does so before the first call of the library and not while others are inside it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BASE_TEST_HOOKS_H
#define VARVE_BASE_TEST_HOOKS_H

#ifdef VARVE_TEST_POINTS

#include <stdbool.h>
#include <stdint.h>

struct vb_test_hooks {
    /* A turn of a loop that another thread ends (vb_cpu_relax, vos_thread_yield). May be called in a read section and
     * with a latch held. A loop may also wait for a clock: a replaced one has to move on. True: others have had their
     * turn; false: do the real thing. */
    bool (*relax)(void);
    /* vos_futex_wait, and through it every mutex and every stage of the log. True: *woken is the answer (waking early
     * is allowed); false: wait for real. */
    bool (*futex_wait)(const uint32_t *word, uint32_t expected, uint64_t timeout_ns, bool *woken);
    /* vos_rcu_synchronize. True: every section that was open at the call has ended; false: wait for real. */
    bool (*synchronize)(void);
};
extern struct vb_test_hooks vb_test_hooks;

#endif
#endif
