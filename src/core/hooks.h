/* hooks.h - what a scripted scheduler may replace: waiting, waking and the clock that lock timeouts count on.
 * Always compiled; consulted only on the path that is about to sleep. Yield, choose and fault points exist in test
 * builds only (VARVE_TEST_POINTS).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CORE_HOOKS_H
#define VARVE_CORE_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

enum vk_wait_kind {
    VK_WAIT_LOCK,    /* a record's lock word */
    VK_WAIT_GAP,     /* a record's gap word */
    VK_WAIT_INSTALL, /* a committer between its stamp and its last unlock */
    VK_WAIT_READER_BIT,
    VK_WAIT_DURABLE,
    VK_WAIT_BEGIN, /* a free transaction, or the drain gate */
};

struct vk_wait_info {
    enum vk_wait_kind kind;
    uint64_t txn_id;
    unsigned slot;        /* 1-based; 0 where there is none yet */
    const void *resource; /* the record, or NULL */
    unsigned mode;        /* what is asked: enum vlm_mode, 0 where it does not apply */
};

struct vk_hooks {
    void *arg;
    /* About to sleep. True: the hook did the waiting (the wait is over or may be tested again); false: sleep for real.
     */
    bool (*on_wait)(void *arg, const struct vk_wait_info *info);
    /* The holder is about to wake the transaction in `slot`. */
    void (*on_wake)(void *arg, unsigned slot);
    /* Replaces the monotonic clock for lock and begin timeouts, in nanoseconds. NULL: the os's. */
    uint64_t (*now_ns)(void *arg);
#ifdef VARVE_TEST_POINTS
    void (*yield)(void *arg, const char *point);
#endif
};

/* Yield points inside operations, for schedule exploration. */
#ifdef VARVE_TEST_POINTS
#define VK_YIELD(domain, name) \
    ((domain)->hooks.yield != NULL ? (domain)->hooks.yield((domain)->hooks.arg, (name)) : (void)0)
#else
#define VK_YIELD(domain, name) ((void)0)
#endif

#endif
