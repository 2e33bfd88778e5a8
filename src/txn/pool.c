/* pool.c - transaction handles: taking one, giving it back, the drain gate.
 *
 *  P1  a handle is in exactly one place: a shard, the rest list, or in use
 *  P2  begin stores `open` and then looks at the gate; the drain closes the gate, runs a membarrier, and then looks at
 *      `open`: one of the two sees the other
 *  P3  a handle is first taken from the rest list, lowest first, and set up there; those from `used` on are untouched, and
 *      so is their memory. `used` moves before the handle is open
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/check.h"
#include "base/planted.h"
#include "certify/certify.h"
#include "os/os.h"
#include "os/rcu.h"
#include "txn/txn_int.h"

/* What an attempt is taken to last before any was timed. */
enum { DRAIN_POLL_NS = 200 * 1000, ATTEMPT_FIRST_NS = 10 * 1000 };

static void spin_lock(uint32_t *lock) {
    for (unsigned spins = 0; vb_exchange_acq_rel(lock, 1) != 0; spins++) {
        while (vb_load_relaxed(lock) != 0) {
            vb_cpu_relax();
            if (++spins % 128 == 0) vos_thread_yield();
        }
    }
}
static void spin_unlock(uint32_t *lock) { vb_store_release(lock, 0); }

static struct varve_txn *shard_take(struct vtx_shard *shard, unsigned at_least) {
    struct varve_txn *txn = NULL;
    spin_lock(&shard->lock);
    if (shard->count > at_least) {
        txn = shard->handles[shard->first];
        shard->first = (shard->first + 1) % VTX_SHARD_HANDLES;
        shard->count--;
    }
    spin_unlock(&shard->lock);
    return txn;
}

static bool shard_put(struct vtx_shard *shard, struct varve_txn *txn) {
    spin_lock(&shard->lock);
    bool room = shard->count < VTX_SHARD_HANDLES;
    if (room) shard->handles[(shard->first + shard->count++) % VTX_SHARD_HANDLES] = txn;
    spin_unlock(&shard->lock);
    return room;
}

static void set_up(struct vtx_pool *pool, struct varve_txn *txn) {
    unsigned self = (unsigned)(txn - pool->handles) + 1;
    txn->pool = pool;
    txn->cc.shared = &pool->shared;
    txn->cc.domain = pool->config.domain;
    txn->cc.slot = &pool->config.domain->slots[self];
    txn->cc.self = self;
    vb_store_release(&pool->used, self);
}

static struct varve_txn *rest_take(struct vtx_pool *pool) {
    struct varve_txn *txn = NULL;
    if (vb_load_relaxed(&pool->rest_count) == 0) return NULL;
    spin_lock(&pool->rest_lock);
    if (pool->rest_count != 0) {
        txn = pool->rest[pool->rest_first];
        if (vb_unlikely(txn == &pool->handles[pool->used])) set_up(pool, txn);
        pool->rest_first = (pool->rest_first + 1) % pool->count;
        vb_store_relaxed(&pool->rest_count, pool->rest_count - 1);
    }
    spin_unlock(&pool->rest_lock);
    return txn;
}

static void rest_put(struct vtx_pool *pool, struct varve_txn *txn) {
    spin_lock(&pool->rest_lock);
    pool->rest[(pool->rest_first + pool->rest_count) % pool->count] = txn;
    vb_store_relaxed(&pool->rest_count, pool->rest_count + 1);
    spin_unlock(&pool->rest_lock);
}

static struct vtx_shard *home(struct vtx_pool *pool) {
    unsigned cpu = vos_cpu();
    return &pool->shards[vb_likely(cpu < pool->shard_count) ? cpu : cpu % pool->shard_count];
}

/* A handle goes back to the shard that its transaction began at, where it is as warm as anywhere. */
static struct varve_txn *take_any(struct vtx_pool *pool) {
    struct vtx_shard *shard = home(pool);
    struct varve_txn *txn = shard_take(shard, VTX_SHARD_RESTING);
    if (vb_likely(txn != NULL)) return txn;
    txn = rest_take(pool);
    for (unsigned i = 0; txn == NULL && i < pool->shard_count; i++) txn = shard_take(&pool->shards[i], 0);
    if (txn != NULL) txn->shard = shard;
    return txn;
}

/* What a handle needs beyond its struct, made when it is first used. */
static int equip(struct varve_txn *txn, struct vk_detail *detail) {
    if (vb_likely(txn->ring != NULL)) return VARVE_OK;
    struct vtx_pool *pool = txn->pool;
    struct vcc_txn *cc = &txn->cc;
    if (cc->heap == NULL) cc->heap = vb_heap_open(pool->config.domain->memory, cc->self);
    if (cc->heap == NULL) return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for a transaction");
    if (cc->versions == NULL) {
        vb_arena_init(&cc->arena, cc->heap, 16 << 10);
        vk_wset_init(&cc->wset, &cc->arena);
        if (vst_versions_open(pool->config.store, cc->heap, &cc->versions) != VARVE_OK)
            return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for a transaction");
    }
    if (vtl_ring_open(pool->config.log, cc->self, cc->heap, &txn->ring) != VARVE_OK)
        return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for a transaction");
    return VARVE_OK;
}

/* Sleeps until a handle comes back or the gate opens. False: the deadline passed. */
static bool wait_turn(struct vtx_pool *pool, uint64_t deadline_ns) {
    uint32_t seen = vb_load_acquire(&pool->returned);
    struct vk_domain *domain = pool->config.domain;
    vb_add_acq_rel(&pool->begin_waiters, 1);
    bool in_time = true;
    struct varve_txn *late =
        vb_load_seq_cst(&pool->gate) == 0 ? take_any(pool) : NULL; /* returned before it saw the waiter */
    if (late != NULL) {
        rest_put(pool, late);
    } else {
        uint64_t now = vk_now_ns(domain);
        struct vk_wait_info info = {VK_WAIT_BEGIN, 0, 0, NULL, 0};
        bool hooked = domain->hooks.on_wait != NULL && domain->hooks.on_wait(domain->hooks.arg, &info);
        if (now >= deadline_ns)
            in_time = false;
        else if (!hooked)
            vos_futex_wait(&pool->returned, seen, deadline_ns - now < 10000000 ? deadline_ns - now : 10000000);
    }
    vb_sub_acq_rel(&pool->begin_waiters, 1);
    return in_time;
}

int vtx_handle_take(struct vtx_pool *pool, struct varve_txn **out, struct vk_detail *detail) {
    uint64_t deadline = 0;
    for (;;) {
        struct varve_txn *txn = vb_load_acquire(&pool->gate) == 0 ? take_any(pool) : NULL;
        if (vb_likely(txn != NULL)) {
            vb_store_relaxed(&txn->open, 1);
            vos_light_barrier(); /* P2 */
            if (vb_likely(vb_load_acquire(&pool->gate) == 0)) {
                int status = equip(txn, detail);
                if (status != VARVE_OK)
                    vtx_handle_return(txn);
                else
                    *out = txn;
                return status;
            }
            vtx_handle_return(txn);
        }
        if (deadline == 0) deadline = vk_now_ns(pool->config.domain) + pool->config.begin_timeout_ms * 1000000ull;
        if (!wait_turn(pool, deadline))
            return vk_fail(detail, VARVE_TIMEOUT, VARVE_REASON_RESOURCE,
                           "no transaction could begin within %u ms: %u are open%s", pool->config.begin_timeout_ms,
                           vtx_pool_open_count(pool),
                           vb_load_relaxed(&pool->gate) != 0 ? " and the database is draining" : "");
    }
}

static void wake_waiters(struct vtx_pool *pool) {
    vb_add_acq_rel(&pool->returned, 1);
    vos_futex_wake(&pool->returned, 1u << 30);
}

void vtx_handle_return(struct varve_txn *txn) {
    struct vtx_pool *pool = txn->pool;
    vb_store_release(&txn->open, 0);
    bool waiters = vb_load_seq_cst(&pool->begin_waiters) != 0;
    if (waiters || !shard_put(txn->shard, txn)) rest_put(pool, txn);
    if (vb_unlikely(waiters || vb_load_seq_cst(&pool->begin_waiters) != 0)) wake_waiters(pool);
}

unsigned vtx_pool_open_count(struct vtx_pool *pool) {
    unsigned open = 0, used = vb_load_acquire(&pool->used);
    for (unsigned i = 0; i < used; i++) open += vb_load_acquire(&pool->handles[i].open);
    return open;
}

int vtx_gate_close(struct vtx_pool *pool, uint32_t timeout_ms) {
    struct vk_domain *domain = pool->config.domain;
    uint64_t deadline = vk_now_ns(domain) + timeout_ms * 1000000ull;
    vb_store_seq_cst(&pool->gate, 1);
    vos_membarrier(); /* P2 */
    VK_YIELD(domain, gate_closed);
    static const uint32_t never_changes = 0;
    const struct vk_wait_info info = {VK_WAIT_DRAIN, 0, 0, NULL, 0};
    while (!VB_PLANTED(77) && vtx_pool_open_count(pool) != 0) {
        if (vk_now_ns(domain) >= deadline) {
            vtx_gate_open(pool);
            return VARVE_TIMEOUT;
        }
        if (domain->hooks.on_wait == NULL || !domain->hooks.on_wait(domain->hooks.arg, &info))
            vos_futex_wait(&never_changes, 0, DRAIN_POLL_NS);
    }
    VK_YIELD(domain, gate_drained);
    return VARVE_OK;
}

void vtx_gate_open(struct vtx_pool *pool) {
    vb_store_seq_cst(&pool->gate, 0);
    wake_waiters(pool);
}

void vtx_pool_switch(struct vtx_pool *pool, const struct vcc_ops *ops) {
    VB_ASSERT(vb_load_relaxed(&pool->gate) == 1);
    pool->config.ops = ops;
    VK_YIELD(pool->config.domain, gate_switched);
}

const struct vcc_ops *vtx_pool_ops(const struct vtx_pool *pool) { return pool->config.ops; }

void vtx_pool_counters(const struct vtx_pool *pool, struct vtx_counters *counters) {
    enum { WORDS = sizeof(struct vtx_counters) / sizeof(uint64_t) };
    uint64_t *to = (uint64_t *)counters;
    const uint64_t *shared = (const uint64_t *)&pool->counters;
    for (unsigned w = 0; w < WORDS; w++) to[w] = vb_load_relaxed(&shared[w]);
    for (unsigned i = 0, used = vb_load_acquire(&pool->used); i < used; i++) {
        const uint64_t *own = (const uint64_t *)&pool->handles[i].counters;
        for (unsigned w = 0; w < WORDS; w++) to[w] += vb_load_relaxed(&own[w]);
    }
}

unsigned vtx_pool_expire(struct vtx_pool *pool, uint64_t max_age_ms) {
    uint64_t now = vk_now_ns(pool->config.domain);
    unsigned asked = 0;
    for (unsigned i = 0, used = vb_load_acquire(&pool->used); i < used; i++) {
        struct varve_txn *txn = &pool->handles[i];
        uint64_t begun = vb_load_relaxed(&txn->begin_ns);
        if (vb_load_acquire(&txn->open) == 0 || begun == 0 || now - begun < max_age_ms * 1000000ull) continue;
        vb_store_release(&txn->expire, 1);
        asked++;
    }
    return asked;
}

void vtx_pool_memory_full(struct vtx_pool *pool, bool full) { vb_store_relaxed(&pool->memory_full, full); }

int vtx_pool_open(const struct vtx_config *config, struct vtx_pool **out) {
    struct vtx_pool *pool = vos_pages_alloc(sizeof *pool); /* cache-line aligned, as its members ask */
    if (pool == NULL) return VARVE_NOMEM;
    pool->config = *config;
    pool->count = config->handles;
    pool->attempt_ns = ATTEMPT_FIRST_NS;
    unsigned cpus = vos_cpu_count();
    pool->shard_count = cpus < VTX_SHARDS_MAX ? cpus : VTX_SHARDS_MAX;
    while (pool->shard_count > 1 && pool->shard_count * VTX_SHARD_HANDLES > pool->count) pool->shard_count--;
    pool->shards = vos_pages_alloc(pool->shard_count * sizeof *pool->shards);
    pool->handles = vos_pages_alloc(pool->count * sizeof *pool->handles);
    pool->rest = vb_alloc(pool->count * sizeof(struct varve_txn *));
    if (pool->shards == NULL || pool->handles == NULL || pool->rest == NULL) {
        vtx_pool_close(pool);
        return VARVE_NOMEM;
    }
    pool->shared = (struct vcc_shared){config->domain,
                                       config->store,
                                       config->deadlock,
                                       &pool->counters.lock_waits,
                                       &pool->counters.extensions,
                                       &pool->counters.range_rescans};
    for (unsigned i = 0; i < pool->count; i++) pool->rest[i] = &pool->handles[i];
    pool->rest_count = pool->count;
    *out = pool;
    return VARVE_OK;
}

static void handle_release(struct varve_txn *txn) {
    struct vcc_txn *cc = &txn->cc;
    if (cc->heap == NULL) return;
    vtx_cursors_release(txn);
    vct_release(cc);
    if (txn->ring != NULL) vtl_ring_close(txn->ring);
    vb_heap_free(cc->heap, cc->locks.held, cc->locks.capacity * sizeof *cc->locks.held);
    vb_heap_free(cc->heap, cc->sorted, cc->sorted_capacity * sizeof *cc->sorted);
    if (cc->versions != NULL) {
        vst_versions_close(cc->versions);
        vb_arena_release(&cc->arena);
    }
    vb_heap_close(cc->heap);
}

void vtx_pool_close(struct vtx_pool *pool) {
    for (unsigned i = 0; i < pool->used; i++) handle_release(&pool->handles[i]);
    if (pool->shards != NULL) vos_pages_free(pool->shards, pool->shard_count * sizeof *pool->shards);
    if (pool->handles != NULL) vos_pages_free(pool->handles, pool->count * sizeof *pool->handles);
    if (pool->rest != NULL) vb_free(pool->rest, pool->count * sizeof(struct varve_txn *));
    vos_pages_free(pool, sizeof *pool);
}
