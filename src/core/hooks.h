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

#include "core/points.h"

enum vk_wait_kind {
    VK_WAIT_LOCK,    /* a record's lock word */
    VK_WAIT_GAP,     /* a record's gap word */
    VK_WAIT_INSTALL, /* a committer between its stamp and its last unlock */
    VK_WAIT_READER_BIT,
    VK_WAIT_DURABLE,
    VK_WAIT_BEGIN, /* a free transaction, or the drain gate */
    VK_WAIT_DRAIN, /* the gate is closed: for the last open transaction */
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
    /* At a place of VK_POINTS: another transaction may go on here. Also in read sections and with latches held. */
    void (*yield)(void *arg, const char *point);
    /* At a place of VK_FAULTS. True: what is about to be done fails the way the world makes it fail. */
    bool (*fault)(void *arg, const char *point);
#endif
};

/* Places inside operations, by their names in points.h without the prefix. In every other build they are nothing:
 * the first has no effect and the second is false. */
#ifdef VARVE_TEST_POINTS
#define VK_YIELD(domain, point)                                                                           \
    ((domain)->hooks.yield != NULL                                                                        \
         ? (domain)->hooks.yield((domain)->hooks.arg, vk_point_names[VK_POINT_##point])                   \
         : (void)0)
#define VK_FAULT(domain, point)                                                                           \
    ((domain)->hooks.fault != NULL &&                                                                     \
     (domain)->hooks.fault((domain)->hooks.arg, vk_fault_names[VK_FAULT_##point]))
/* Somebody asks for faults: a short way round an allocation is not taken, lest it go round its fault point. */
#define VK_FAULTS_WANTED(domain) ((domain)->hooks.fault != NULL)
#else
#define VK_FAULTS_WANTED(domain) ((void)(domain), false)
#define VK_YIELD(domain, point) ((void)(domain))
#define VK_FAULT(domain, point) ((void)(domain), false)
#endif

#endif
