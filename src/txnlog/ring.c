/* ring.c - one slot's redo buffer: reserve, publish, cancel; and the space of the log.
 *
 * Thread rule: a ring is used by the owner of its slot; the holder of `write` reads what is published and moves the
 * tail. Invariants
 *   1. Bytes in [tail, head) belong to published transactions and are not touched by the owner.
 *   2. A record never wraps: a skip fills the end. A record is at most half a ring, so an empty ring always has room.
 *   3. The head moves only at publish: what is reserved lies above it.
 *   4. Redo outside the ring is freed by the owner once the tail has passed its record.
 *
 * SPDX-License-Identifier: MIT
 */
#include "txnlog/txnlog_int.h"

#define TXN_BYTES_MAX (UINT64_C(1) << 36)

int64_t vtl_charge(const struct vtl_log *log, uint64_t bytes) {
    uint64_t payload = bytes + VTL_PREFIX_BYTES;
    uint64_t headers = 1 + payload / (log->block_bytes - VTL_BLOCK_HEADER_BYTES);
    return (int64_t)((payload + headers * VTL_BLOCK_HEADER_BYTES + log->unit - 1) / log->unit);
}

static bool try_charge(struct vtl_log *log, int64_t charge) {
    int64_t space = vb_load_relaxed(&log->space);
    while (space >= charge) {
        if (vb_cas(&log->space, &space, space - charge)) return true;
    }
    return false;
}

/* A charge is the worst case; a flush gives back what it did not need, so that comes first. Only then the log grows. */
int vtl_space_take(struct vtl_log *log, int64_t charge, struct vk_detail *detail) {
    if (try_charge(log, charge)) return VARVE_OK;
    int status = vtl_write_to(log, NULL, vb_load_acquire(&log->domain->clock));
    while (status == VARVE_OK && !try_charge(log, charge)) {
        if (!vtl_healthy(log)) {
            status = VARVE_FAILED;
            break;
        }
        vos_mutex_lock(&log->prepare);
        if (vb_load_relaxed(&log->space) < charge) status = vtl_segment_prepare(log, detail);
        vos_mutex_unlock(&log->prepare);
    }
    if (status == VARVE_FAILED) return vk_fail(detail, VARVE_FAILED, VARVE_REASON_FAILED, "%s", vtl_poison_text(log));
    return status;
}

static uint64_t ring_size(size_t wanted) {
    uint64_t size = 512;
    while (size * 2 <= wanted && size < (1u << 20)) size *= 2;
    return size;
}

int vtl_ring_open(struct vtl_log *log, unsigned slot_id, struct vb_heap *heap, struct vtl_ring **ring) {
    VB_ASSERT(slot_id >= 1 && slot_id <= log->domain->slot_count);
    struct vtl_ring *made = vb_heap_alloc_line(heap, sizeof(*made));
    if (made == NULL) return VARVE_NOMEM;
    memset(made, 0, sizeof(*made));
    made->heap = heap;
    made->slot_id = slot_id;
    made->log = log;
    if (!vtl_is_memory(log)) {
        made->size = ring_size(log->domain->limits.log_buffer_bytes);
        made->bytes = vb_heap_alloc_line(heap, made->size);
        if (made->bytes == NULL) {
            vb_heap_free_line(heap, made, sizeof(*made));
            return VARVE_NOMEM;
        }
        vb_store_release(&log->rings[slot_id], made);
        uint32_t high = vb_load_relaxed(&log->rings_high);
        while (high < slot_id && !vb_cas(&log->rings_high, &high, slot_id)) continue;
    }
    *ring = made;
    return VARVE_OK;
}

static void free_outside(struct vtl_ring *ring, uint64_t below) {
    for (struct vtl_outside **link = &ring->outside; *link != NULL;) {
        struct vtl_outside *one = *link;
        if (one->position >= below) {
            link = &one->next;
            continue;
        }
        *link = one->next;
        vb_heap_free(ring->heap, one, one->size);
    }
}

void vtl_ring_reclaim(struct vtl_ring *ring) {
    if (ring->outside != NULL) free_outside(ring, vb_load_acquire(&ring->tail));
}

/* What is published is written first: with the ring its records would be gone. */
void vtl_ring_close(struct vtl_ring *ring) {
    struct vtl_log *log = ring->log;
    VB_ASSERT(ring->pending == NULL);
    if (log != NULL && ring->bytes != NULL) {
        (void)vtl_write_to(log, NULL, ring->published);
        vtl_stage_lock(&log->write);
        vb_store_release(&log->rings[ring->slot_id], (struct vtl_ring *)NULL);
        vtl_stage_release(&log->write, false);
    }
    free_outside(ring, UINT64_MAX);
    if (ring->bytes != NULL) vb_heap_free_line(ring->heap, ring->bytes, ring->size);
    vb_heap_free_line(ring->heap, ring, sizeof(*ring));
}

static struct vtl_op op_of(const struct vk_write *write) {
    if (write->kind == VK_DELETE) return (struct vtl_op){VTL_DELETE, write->table_id, write->key, {NULL, 0}};
    return (struct vtl_op){VTL_PUT, write->table_id, write->key, write->value};
}

static void measure(struct vk_write *const *writes, size_t count, uint64_t *bytes, uint32_t *ops) {
    for (size_t i = 0; i < count; i++) {
        if (writes[i]->superseded) continue;
        struct vtl_op op = op_of(writes[i]);
        *bytes += vtl_op_bytes(&op);
        *ops += 1;
    }
}

static void encode(struct vk_write *const *writes, size_t count, uint8_t *out) {
    for (size_t i = 0; i < count; i++) {
        if (writes[i]->superseded) continue;
        struct vtl_op op = op_of(writes[i]);
        out = vtl_op_put(out, &op);
    }
}

/* Finds `span` bytes in one piece above the head, flushing while others' or own older records are in the way. */
static int ring_room(struct vtl_ring *ring, uint64_t span) {
    for (;;) {
        uint64_t head = ring->head;
        uint64_t at = head & (ring->size - 1);
        uint64_t skip = at + span > ring->size ? ring->size - at : 0;
        if (skip + span <= ring->size - (head - vb_load_acquire(&ring->tail))) {
            if (skip != 0) {
                struct vtl_record *end = (struct vtl_record *)(void *)(ring->bytes + at);
                end->span = skip | VTL_RECORD_SKIP;
            }
            ring->pending = (struct vtl_record *)(void *)(ring->bytes + ((head + skip) & (ring->size - 1)));
            ring->pending->span = span;
            ring->pending_end = head + skip + span;
            return VARVE_OK;
        }
        VB_TRY(vtl_write_to(ring->log, NULL, ring->published));
    }
}

/* Room in the ring for a record and, if it is too large for that, memory outside for its bytes. */
static int place(struct vtl_ring *ring, uint64_t bytes, uint8_t **outside) {
    uint64_t span = sizeof(struct vtl_record) + ((bytes + 7) & ~UINT64_C(7));
    *outside = NULL;
    free_outside(ring, vb_load_acquire(&ring->tail));
    if (span <= ring->size / 2) return ring_room(ring, span);
    VB_TRY(ring_room(ring, sizeof(struct vtl_record)));
    size_t size = sizeof(struct vtl_outside) + bytes;
    struct vtl_outside *one = vb_heap_alloc(ring->heap, size);
    if (one == NULL) return VARVE_NOMEM;
    one->size = size;
    one->position = ring->pending_end - sizeof(struct vtl_record);
    one->next = ring->outside;
    ring->outside = one;
    *outside = one->bytes;
    return VARVE_OK;
}

/* Frees what the reservation holds. A pending transaction outside the ring is the first of its list. */
static void unplace(struct vtl_ring *ring, bool outside) {
    if (outside) {
        struct vtl_outside *one = ring->outside;
        ring->outside = one->next;
        vb_heap_free(ring->heap, one, one->size);
    }
    ring->pending = NULL;
}

int vtl_reserve(struct vtl_ring *ring, struct vk_write *const *writes, size_t count, struct vk_detail *detail) {
    struct vtl_log *log = ring->log;
    if (VK_FAULT(log->domain, log_space))
        return vk_fail(detail, VARVE_FULL, VARVE_REASON_RESOURCE, "the log has no space");
    if (VK_FAULT(log->domain, log_memory))
        return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "no memory for a transaction's redo");
    if (vtl_is_memory(log)) return VARVE_OK;
    VB_ASSERT(ring->pending == NULL);
    if (!vtl_healthy(log)) return vk_fail(detail, VARVE_FAILED, VARVE_REASON_FAILED, "%s", vtl_poison_text(log));
    uint64_t bytes = 0;
    uint32_t ops = 0;
    measure(writes, count, &bytes, &ops);
    if (bytes > TXN_BYTES_MAX) {
        return vk_fail(detail, VARVE_TOOBIG, VARVE_REASON_RESOURCE, "%llu bytes of redo", (unsigned long long)bytes);
    }
    uint8_t *out;
    int status = place(ring, bytes, &out);
    if (status == VARVE_FAILED) return vk_fail(detail, status, VARVE_REASON_FAILED, "%s", vtl_poison_text(log));
    if (status != VARVE_OK) {
        ring->pending = NULL;
        return vk_fail(detail, status, VARVE_REASON_RESOURCE, "no memory for %llu bytes of redo",
                       (unsigned long long)bytes);
    }
    int64_t charge = vtl_charge(log, bytes);
    status = vtl_space_take(log, charge, detail);
    if (status != VARVE_OK) {
        unplace(ring, out != NULL);
        return status;
    }
    struct vtl_record *record = ring->pending;
    record->bytes = bytes;
    record->ops = ops;
    record->charge = (uint32_t)charge;
    record->outside = out;
    encode(writes, count, out != NULL ? out : (uint8_t *)(record + 1));
    return VARVE_OK;
}

void vtl_publish(struct vtl_ring *ring, uint64_t cts) {
    if (vtl_is_memory(ring->log)) return;
    VB_ASSERT(ring->pending != NULL);
    VB_ASSERT(cts > ring->published);
    ring->pending->cts = cts;
    ring->pending = NULL;
    vb_store_release(&ring->head, ring->pending_end);
    VK_YIELD(ring->log->domain, publish_head);
    vb_store_release(&ring->published, cts);
}

void vtl_cancel(struct vtl_ring *ring) {
    if (vtl_is_memory(ring->log) || ring->pending == NULL) return;
    vtl_space_give(ring->log, ring->pending->charge);
    unplace(ring, ring->pending->outside != NULL);
}
