/* storage_fixture.h - a store with one table and a few actors that commit by the protocol, for the tests of versions
 * and collection.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_STORAGE_FIXTURE_H
#define VARVE_TESTS_STORAGE_FIXTURE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/random.h"
#include "os/rcu.h"
#include "storage/storage.h"

#define FX_SLOTS 12

struct fixture {
    struct vb_memory *memory;
    struct vk_limits limits;
    struct vk_domain domain;
    struct vst_store *store;
    struct vst_table *table;
};

/* One transaction slot and what comes with it. */
struct actor {
    struct fixture *fx;
    struct vk_slot *slot;
    struct vb_heap *heap;
    struct vst_versions *versions;
    struct vb_arena arena;
    unsigned self;
};

/* One write of a batch; size: bytes of the value, all of them `fill`; SIZE_MAX: delete. */
struct put {
    uint32_t key;
    uint8_t fill;
    size_t size;
    struct vst_record *record;
    struct vst_image *image;
    void *blob;
    struct vst_inserted inserted;
    bool fresh;
};
#define FX_DELETE SIZE_MAX
#define FX_VALUE_MAX 4096

__attribute__((unused)) static void fx_open(struct fixture *fx, size_t chunk_bytes) {
    memset(fx, 0, sizeof(*fx));
    fx->limits = VK_LIMITS_DEFAULT;
    fx->limits.slots = FX_SLOTS;
    fx->limits.leaf_fanout = 4;
    fx->limits.inner_fanout = 4;
    fx->limits.chunk_bytes = chunk_bytes;
    fx->memory = vb_memory_open(FX_SLOTS + 2);
    assert_non_null(fx->memory);
    assert_int_equal(vk_domain_open(&fx->domain, vos_posix(), fx->memory, &fx->limits), VARVE_OK);
    assert_int_equal(vst_store_open(&fx->domain, &fx->store), VARVE_OK);
    assert_int_equal(vst_table_create(fx->store, 1, "t", &fx->table), VARVE_OK);
}

/* From now on a snapshot is a long one after a round, and its split the next stamp. */
__attribute__((unused)) static void fx_split_soon(struct fixture *fx) {
    fx->domain.limits.long_rounds = 1;
    fx->domain.limits.split_reach = fx->domain.split_reach = 1;
}

__attribute__((unused)) static void fx_close(struct fixture *fx) {
    vst_store_close(fx->store);
    vk_domain_close(&fx->domain);
    vb_memory_close(fx->memory); /* asserts that every byte was freed */
}

__attribute__((unused)) static void actor_open(struct actor *a, struct fixture *fx, unsigned id) {
    memset(a, 0, sizeof(*a));
    a->fx = fx;
    a->self = id;
    a->slot = &fx->domain.slots[id];
    a->heap = vb_heap_open(fx->memory, id);
    assert_non_null(a->heap);
    assert_int_equal(vst_versions_open(fx->store, a->heap, &a->versions), VARVE_OK);
    vb_arena_init(&a->arena, a->heap, 4096);
}

__attribute__((unused)) static void actor_close(struct actor *a) {
    vst_versions_close(a->versions);
    vb_arena_release(&a->arena);
    vb_heap_close(a->heap);
}

/* Keys of three lengths. */
__attribute__((unused)) static varve_slice fx_key(uint32_t key, uint8_t bytes[32]) {
    memset(bytes, 'k', 32);
    bytes[0] = (uint8_t)(key >> 24);
    bytes[1] = (uint8_t)(key >> 16);
    bytes[2] = (uint8_t)(key >> 8);
    bytes[3] = (uint8_t)key;
    return VARVE_SLICE(bytes, 4 + key % 3 * 9);
}

/* In a read section. */
__attribute__((unused)) static struct vst_record *fx_find(struct fixture *fx, uint32_t key) {
    uint8_t bytes[32];
    struct vst_found found;
    vst_lookup(fx->table, fx_key(key, bytes), &found);
    return found.record;
}

__attribute__((unused)) static bool fx_try_lock(struct vst_record *record, unsigned self) {
    uint64_t lk = vb_load_relaxed(&record->lk);
    while (vst_lk_writer(lk) == 0)
        if (vb_cas(&record->lk, &lk, lk | vst_lk_of(self))) return true;
    return false;
}

__attribute__((unused)) static void fx_unlock(struct vst_record *record) {
    vb_and_acq_rel(&record->lk, VST_LK_READERS | VST_LK_CLAIM);
}

/* Finds or links the record of a put and locks it; the caller's pin is set. */
__attribute__((unused)) static void actor_lock(struct actor *a, struct put *p) {
    uint8_t bytes[32];
    varve_slice key = fx_key(p->key, bytes);
    p->fresh = false;
    for (;; vos_thread_yield()) {
        struct vst_found found;
        vos_rcu_enter();
        vst_lookup(a->fx->table, key, &found);
        if (found.record == NULL) {
            int status = vst_insert_ghost(a->fx->table, a->heap, key, p->size == FX_DELETE ? 8 : p->size, a->self, 0,
                                          NULL, &p->inserted);
            vos_rcu_exit();
            if (status == VARVE_EXISTS) continue;
            assert_int_equal(status, VARVE_OK);
            p->record = p->inserted.record;
            p->fresh = true;
            return;
        }
        bool locked = fx_try_lock(found.record, a->self);
        bool gone = locked && (vb_load_acquire(&found.record->tid) & VST_FROZEN) != 0;
        if (gone) fx_unlock(found.record);
        vos_rcu_exit();
        if (!locked || gone) continue;
        p->record = found.record;
        return;
    }
}

__attribute__((unused)) static void actor_reserve(struct actor *a, struct put *p) {
    uint8_t value[FX_VALUE_MAX];
    p->image = NULL;
    p->blob = NULL;
    if (vst_tid_cts(vb_load_relaxed(&p->record->tid)) != 0)
        assert_int_equal(vst_image_reserve(a->versions, p->record, &p->image), VARVE_OK);
    if (p->size == FX_DELETE || vst_fits_inline(p->record, p->size)) return;
    memset(value, p->fill, p->size);
    assert_int_equal(vst_blob_create(a->heap, VARVE_SLICE(value, p->size), &p->blob), VARVE_OK);
}

__attribute__((unused)) static void actor_install(struct actor *a, const struct put *p, uint64_t cts) {
    uint8_t value[FX_VALUE_MAX];
    struct vst_change change = {.record = p->record, .image = p->image, .ghost = p->size == FX_DELETE, .blob = p->blob};
    if (!change.ghost && p->blob == NULL) {
        memset(value, p->fill, p->size);
        change.value = VARVE_SLICE(value, p->size);
    }
    vst_install(a->versions, &change, cts);
}

/* Commits a batch whose keys ascend. Returns its cts. */
__attribute__((unused)) static uint64_t actor_commit(struct actor *a, struct put *puts, size_t count) {
    struct vk_domain *domain = &a->fx->domain;
    vk_pin(domain, a->slot);
    for (size_t i = 0; i < count; i++)
        actor_lock(a, &puts[i]);
    for (size_t i = 0; i < count; i++)
        actor_reserve(a, &puts[i]);
    vb_store_release(&a->slot->commit, vk_commit_word(0, VK_PREP));
    uint64_t cts = vb_add_acq_rel(&domain->clock, 1) + 1;
    vb_store_release(&a->slot->commit, vk_commit_word(cts, VK_COMMITTING));
    for (size_t i = 0; i < count; i++)
        actor_install(a, &puts[i], cts);
    for (size_t i = 0; i < count; i++)
        fx_unlock(puts[i].record);
    vb_store_release(&a->slot->commit, vk_commit_word(0, VK_IDLE));
    vb_store_release(&a->slot->gen, a->slot->gen + 1);
    vk_unpin(a->slot);
    return cts;
}

__attribute__((unused)) static uint64_t actor_put(struct actor *a, uint32_t key, uint8_t fill, size_t size) {
    struct put p = {.key = key, .fill = fill, .size = size};
    return actor_commit(a, &p, 1);
}

/* Reads a key at s, waiting for installs as a transaction does. Resets the actor's arena. */
__attribute__((unused)) static struct vst_seen actor_read(struct actor *a, uint32_t key, uint64_t s) {
    struct vst_seen seen;
    for (;;) {
        memset(&seen, 0, sizeof(seen));
        vb_arena_reset(&a->arena);
        vos_rcu_enter();
        struct vst_record *record = fx_find(a->fx, key);
        int status = record == NULL ? VARVE_OK : vst_read_at(&a->fx->domain, record, s, a->self, &a->arena, &seen);
        vos_rcu_exit();
        if (status == VST_WAIT) {
            vst_install_wait(&a->fx->domain, seen.writer, s);
            continue;
        }
        assert_int_equal(status, VARVE_OK);
        return seen;
    }
}

/* One round of the janitor. */
__attribute__((unused)) static bool fx_round(struct fixture *fx) {
    assert_int_equal(vk_janitor_round(&fx->domain), VARVE_OK);
    return vst_collect(fx->store);
}

/* Are all bytes of a value `fill`, and is it of this size? */
__attribute__((unused)) static bool fx_is(const struct vst_seen *seen, uint8_t fill, size_t size) {
    if (!seen->present || seen->value.size != size) return false;
    for (size_t i = 0; i < size; i++)
        if (((const uint8_t *)seen->value.data)[i] != fill) return false;
    return true;
}

__attribute__((unused)) static uint64_t fx_version_bytes(struct fixture *fx) {
    struct vst_gc_stats stats;
    vst_gc_stats(fx->store, &stats);
    return stats.version_bytes;
}

#endif
