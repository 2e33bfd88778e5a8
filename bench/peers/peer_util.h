/* peer_util.h - the few things that every adapter needs: errors, the ends of scans, handles kept for the next transaction.
 *
 * A call that is refused (blocked, conflict, deadlock) or that fails ends its transaction in the engine at once; the
 * handle then repeats the status until it is committed or aborted. Adapters keep that status in `ended`.
 *
 * Handles: engines want sessions, connections and transaction objects to be used again. A pool keeps those that are idle
 * on shelves; a thread has a shelf of its own as long as there are not more threads than shelves, so that its lock is
 * not fought for.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_PEER_UTIL_H
#define VARVE_BENCH_PEER_UTIL_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peers/peer.h"

/* What a module shows; everything else in it is static. */
#define PEER_EXPORT __attribute__((visibility("default")))

static inline int peer_fail(char *error, size_t error_bytes, int status, const char *what, const char *why) {
    snprintf(error, error_bytes, "%s: %s", what, why);
    return status;
}

/* An answer, or a fault of the caller, leaves the transaction as it was; anything else is its end. */
static inline bool peer_ends(int status) {
    switch (status) {
    case VARVE_OK:
    case VARVE_NOTFOUND:
    case VARVE_EXISTS:
    case VARVE_INVALID:
    case VARVE_READONLY:
    case VARVE_TOOBIG:
    case VARVE_MISUSE: return false;
    default: return true;
    }
}

/* memcmp order, shorter first. */
static inline int peer_compare(varve_slice a, varve_slice b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common != 0 ? memcmp(a.data, b.data, common) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* A key on the way of a scan lies before its end. */
static inline bool peer_within(varve_slice key, varve_slice low, varve_slice high, bool reverse) {
    if (reverse) return low.data == NULL || peer_compare(key, low) >= 0;
    return high.data == NULL || peer_compare(key, high) < 0;
}

/* --- idle handles --------------------------------------------------------------------------------------------------- */

enum { PEER_SHELVES = 16 };

struct peer_handle { /* the first member of a struct peer_txn */
    struct peer_handle *next_idle, *next;
};
struct peer_shelf {
    pthread_mutex_t mutex;
    struct peer_handle *idle, *all;
} __attribute__((aligned(64)));
struct peer_pool {
    struct peer_shelf shelves[PEER_SHELVES];
};

static inline void peer_pool_init(struct peer_pool *pool) {
    for (unsigned i = 0; i < PEER_SHELVES; i++) {
        pthread_mutex_init(&pool->shelves[i].mutex, NULL);
        pool->shelves[i].idle = pool->shelves[i].all = NULL;
    }
}

static inline struct peer_shelf *peer_shelf_of_thread(struct peer_pool *pool) {
    static unsigned threads;
    static _Thread_local unsigned mine;
    if (mine == 0) mine = __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
    return &pool->shelves[mine % PEER_SHELVES];
}

/* An idle handle, or NULL: make one and add it. */
static inline struct peer_handle *peer_pool_take(struct peer_pool *pool) {
    struct peer_shelf *shelf = peer_shelf_of_thread(pool);
    pthread_mutex_lock(&shelf->mutex);
    struct peer_handle *handle = shelf->idle;
    if (handle != NULL) shelf->idle = handle->next_idle;
    pthread_mutex_unlock(&shelf->mutex);
    return handle;
}

static inline void peer_pool_add(struct peer_pool *pool, struct peer_handle *handle) {
    struct peer_shelf *shelf = peer_shelf_of_thread(pool);
    pthread_mutex_lock(&shelf->mutex);
    handle->next = shelf->all;
    shelf->all = handle;
    pthread_mutex_unlock(&shelf->mutex);
}

static inline void peer_pool_put(struct peer_pool *pool, struct peer_handle *handle) {
    struct peer_shelf *shelf = peer_shelf_of_thread(pool);
    pthread_mutex_lock(&shelf->mutex);
    handle->next_idle = shelf->idle;
    shelf->idle = handle;
    pthread_mutex_unlock(&shelf->mutex);
}

/* Every handle once, for the close; none may be in use. */
static inline void peer_pool_release(struct peer_pool *pool, void (*release)(struct peer_handle *handle)) {
    for (unsigned i = 0; i < PEER_SHELVES; i++) {
        struct peer_handle *next;
        for (struct peer_handle *handle = pool->shelves[i].all; handle != NULL; handle = next) {
            next = handle->next;
            release(handle);
        }
        pthread_mutex_destroy(&pool->shelves[i].mutex);
    }
}

#endif
