/* flush.c - cut by cts, gather, write, sync; and all that waits for it.
 *
 * Thread rule: any thread. A round is led by a committer that waits, vtl_sync, vtl_tick, vtl_note, or one that waits
 * for room.
 *
 * Invariants (L and S: txnlog.h, txnlog_int.h)
 *   1. C is loaded before any slot is looked at. C >= cts implies that the owner's PREP is visible (the clock is only
 *      changed by read-modify-writes), so a slot found IDLE has published all it will publish up to C.
 *   2. Records of a ring are in cts order, so what a cut takes from it is a prefix.
 *   3. A cut is written by one holder of `write` from its first block to its last; `written` and last_seq move at its
 *      end.
 *   4. Only a holder of `sync` calls file_sync on a segment in use and stores durable.
 * Source: cut by a global stamp instead of log sequence numbers per buffer, after Tu et al., Speedy Transactions in
 * Multicore In-Memory Databases, SOSP 2013, 4.10 (epochs); a cut here is a single cts, so that durability is a prefix
 * of the serial order. Leader and followers: DeWitt et al., SIGMOD 1984. The protocol was model checked.
 *
 * SPDX-License-Identifier: MIT
 */
#include "txnlog/txnlog_int.h"

#include "base/planted.h"

enum { SPINS_BEFORE_YIELD = 64, BEHIND_BYTES = 1 << 20 };

struct cut {
    uint64_t lo, hi;
    uint64_t payload; /* at most this many bytes */
    int64_t charges;
    int64_t used;                  /* units written */
    struct vtl_ring *first, **end; /* the rings it takes from */
};

/* L3: returns once the slot has nothing in flight with a cts up to hi. */
static void await_slot(const struct vk_slot *slot, const struct vtl_ring *ring, uint64_t hi) {
    if (VB_PLANTED(43)) return;
    for (unsigned spins = 0;; spins++) {
        uint64_t word = vb_load_acquire(&slot->commit);
        enum vk_state state = vk_commit_state(word);
        if (state == VK_IDLE) return;
        if (state == VK_COMMITTING) {
            uint64_t cts = vk_commit_cts(word);
            if (cts > hi || vb_load_acquire(&ring->published) >= cts) return;
        }
        if (spins < SPINS_BEFORE_YIELD) {
            vb_cpu_relax();
        } else {
            vos_thread_yield();
        }
    }
}

static struct vtl_record *record_at(const struct vtl_ring *ring, uint64_t position) {
    return (struct vtl_record *)(void *)(ring->bytes + (position & (ring->size - 1)));
}

static void collect_ring(struct vtl_ring *ring, struct cut *cut) {
    uint64_t head = vb_load_acquire(&ring->head);
    uint64_t at = vb_load_relaxed(&ring->tail);
    while (at < head) {
        const struct vtl_record *record = record_at(ring, at);
        if ((record->span & VTL_RECORD_SKIP) == 0) {
            if (record->cts > cut->hi && !VB_PLANTED(88)) break;
            cut->payload += record->bytes + VTL_PREFIX_BYTES;
            cut->charges += record->charge;
        }
        at += record->span & ~VTL_RECORD_SKIP;
    }
    if (at == vb_load_relaxed(&ring->tail)) return;
    ring->take = at;
    ring->next = NULL;
    *cut->end = ring;
    cut->end = &ring->next;
}

static void collect(struct vtl_log *log, struct cut *cut) {
    cut->end = &cut->first;
    uint32_t high = vb_load_acquire(&log->rings_high);
    for (uint32_t id = 1; id <= high; id++) {
        struct vtl_ring *ring = vb_load_acquire(&log->rings[id]);
        if (ring == NULL) continue;
        VK_YIELD(log->domain, cut_slot);
        await_slot(&log->domain->slots[id], ring, cut->hi);
        collect_ring(ring, cut);
    }
    if (log->note != NULL) {
        cut->payload += log->note->size + VTL_PREFIX_BYTES;
        cut->charges += log->note->charge;
    }
}

/* The block being filled. */
struct emitter {
    struct vtl_log *log;
    struct cut *cut;
    size_t fill, limit;
    uint32_t part;
    int status;
};

static void begin_block(struct emitter *e) {
    struct vtl_log *log = e->log;
    if (log->offset == log->current->bytes) e->status = vtl_segment_switch(log, e->cut->lo);
    uint64_t room = log->current->bytes - log->offset;
    e->limit = room < log->block_bytes ? (size_t)room : log->block_bytes;
    e->fill = VTL_BLOCK_HEADER_BYTES;
}

static void end_block(struct emitter *e, uint32_t more) {
    struct vtl_log *log = e->log;
    if (e->status != VARVE_OK) return;
    struct vtl_block block = {.flags = e->part | more,
                              .payload_bytes = (uint32_t)(e->fill - VTL_BLOCK_HEADER_BYTES),
                              .seq = log->seq + 1,
                              .cut_lo = e->cut->lo,
                              .cut_hi = e->cut->hi,
                              .prev_check = log->check,
                              .durable_seq = vb_load_acquire(&log->synced_seq),
                              .wall_ns = log->os->ops->wall_ns(log->os)};
    struct vos_error error = {0};
    size_t padded = 0;
    e->status = vtl_block_write(log, log->current, log->offset, log->block, &block, &padded, &error);
    if (e->status != VARVE_OK) {
        vtl_poison_io(log, &error);
        return;
    }
    log->seq = block.seq;
    log->check = block.sum;
    uint64_t end = log->offset + padded;
    e->cut->used += (int64_t)((vtl_page_end(log, end) - vtl_page_end(log, log->offset)) / log->unit);
    vb_store_relaxed(&log->offset, end);
    e->part = VTL_BLOCK_PART;
    vb_add_relaxed(&log->stat_bytes, padded);
    vb_add_relaxed(&log->stat_blocks, 1);
}

static void emit(struct emitter *e, const uint8_t *bytes, uint64_t size) {
    while (size != 0 && e->status == VARVE_OK) {
        if (e->fill == e->limit) {
            end_block(e, VTL_BLOCK_MORE);
            if (e->status == VARVE_OK) begin_block(e);
            continue;
        }
        size_t some = e->limit - e->fill;
        if (size < some) some = (size_t)size;
        memcpy(e->log->block + e->fill, bytes, some);
        e->fill += some;
        bytes += some;
        size -= some;
    }
}

static void emit_txn(struct emitter *e, uint64_t cts, uint32_t ops, const uint8_t *bytes, uint64_t size) {
    uint8_t prefix[VTL_PREFIX_BYTES];
    emit(e, prefix, vtl_prefix_put(prefix, cts - e->cut->lo, ops, size));
    emit(e, bytes, size);
}

static void emit_ring(struct emitter *e, const struct vtl_ring *ring) {
    for (uint64_t at = vb_load_relaxed(&ring->tail); at < ring->take;) {
        const struct vtl_record *record = record_at(ring, at);
        if ((record->span & VTL_RECORD_SKIP) == 0) {
            const uint8_t *bytes = record->outside != NULL ? record->outside : (const uint8_t *)(record + 1);
            emit_txn(e, record->cts, record->ops, bytes, record->bytes);
        }
        at += record->span & ~VTL_RECORD_SKIP;
    }
}

/* Writes what collect has found. */
static int write_blocks(struct vtl_log *log, struct cut *cut) {
    struct emitter e = {.log = log, .cut = cut};
    begin_block(&e);
    for (const struct vtl_ring *ring = cut->first; ring != NULL; ring = ring->next) emit_ring(&e, ring);
    if (log->note != NULL) emit_txn(&e, log->note->cts, 1, log->note->bytes, log->note->size);
    end_block(&e, 0);
    return e.status;
}

static void release_rings(const struct cut *cut) {
    for (struct vtl_ring *ring = cut->first; ring != NULL; ring = ring->next) vb_store_release(&ring->tail, ring->take);
}

static bool may_cross(const struct vtl_log *log, const struct cut *cut) {
    uint64_t blocks = 1 + cut->payload / (log->block_bytes - VTL_BLOCK_HEADER_BYTES);
    uint64_t need = vtl_round_up(cut->payload + blocks * VTL_BLOCK_HEADER_BYTES, log->grain);
    return need > log->current->bytes - log->offset;
}

/* One round of `write`, which the caller holds. BUSY: it may have to go on in the next segment, for which the caller
 * must hold `sync` too; nothing was done. FAILED: poisoned. */
static int cut_and_write(struct vtl_log *log, bool holds_sync) {
    if (!vtl_healthy(log)) return VARVE_FAILED;
    struct cut cut = {.lo = log->cut, .hi = vb_load_acquire(&log->domain->clock)};
    VK_YIELD(log->domain, cut_clock);
    collect(log, &cut);
    if (cut.payload != 0) {
        if (!holds_sync && may_cross(log, &cut)) return VARVE_BUSY;
        vtl_stage_cover(&log->write, cut.hi);
        if (write_blocks(log, &cut) != VARVE_OK) return VARVE_FAILED;
        log->cut = cut.hi;
        release_rings(&cut);
        vtl_space_give(log, cut.charges - cut.used);
        vb_store_release(&log->last_seq, log->seq);
    } else {
        vtl_stage_cover(&log->write, cut.hi);
    }
    VK_YIELD(log->domain, cut_written);
    vb_store_release(&log->written, cut.hi);
    return VARVE_OK;
}

static void wait_for_round(struct vtl_log *log, struct vtl_stage *stage, const struct vtl_ticket *ticket,
                           uint64_t target, const struct vk_slot *slot) {
    const struct vk_hooks *hooks = &log->domain->hooks;
    if (slot != NULL && hooks->on_wait != NULL) {
        struct vk_wait_info info = {VK_WAIT_DURABLE, vb_load_relaxed(&slot->txn_id), slot->id, NULL, 0};
        if (hooks->on_wait(hooks->arg, &info)) return;
    }
    vtl_stage_sleep(stage, ticket, target);
}

/* A cut that has to cross into the next segment. The switch is no round of `sync`: everybody looks again. */
static void write_across(struct vtl_log *log) {
    vtl_stage_lock(&log->sync);
    vtl_stage_lock(&log->write);
    bool done = cut_and_write(log, true) == VARVE_OK;
    vtl_stage_release(&log->write, done);
    vtl_stage_release(&log->sync, false);
}

/* Where commits do not sync, a whole segment would be left for the sync at its end, which everybody waits for. Holding
 * `sync` keeps the file open (S3). */
static void write_behind(struct vtl_log *log) {
    if (log->grain == log->unit || log->os->ops->file_write_behind == NULL) return;
    if (vb_load_relaxed(&log->offset) < vb_load_relaxed(&log->behind) + BEHIND_BYTES || !vtl_stage_try(&log->sync))
        return;
    uint64_t from = vb_load_relaxed(&log->behind);
    uint64_t until = vb_load_relaxed(&log->offset) / BEHIND_BYTES * BEHIND_BYTES;
    if (until > from && log->current->file != NULL) {
        log->os->ops->file_write_behind(log->current->file, from, until - from);
        vb_store_relaxed(&log->behind, until);
    }
    vtl_stage_release(&log->sync, true);
}

static int write_to(struct vtl_log *log, const struct vk_slot *slot, uint64_t target, bool holds_sync) {
    struct vtl_ticket ticket;
    for (;;) {
        vtl_stage_look(&log->write, &ticket);
        if (vb_load_acquire(&log->written) >= target) return VARVE_OK;
        if (!vtl_healthy(log)) return VARVE_FAILED;
        if (!vtl_stage_try(&log->write)) {
            wait_for_round(log, &log->write, &ticket, target, slot);
            continue;
        }
        int status = cut_and_write(log, holds_sync);
        vtl_stage_release(&log->write, status == VARVE_OK);
        if (status == VARVE_BUSY) write_across(log);
        if (status == VARVE_OK && !holds_sync) write_behind(log);
    }
}

int vtl_write_to(struct vtl_log *log, struct vk_slot *slot, uint64_t target) {
    return write_to(log, slot, target, false);
}

/* Group commit: the leader gives others group_wait_us to publish, or as long as it pays. */
static void keep_company(struct vtl_log *log, bool came_late) {
    if (log->config.group_wait_us == 0) {
        vtl_company_keep(log, came_late);
        return;
    }
    uint64_t until = log->os->ops->now_ns(log->os) + log->config.group_wait_us * UINT64_C(1000);
    while (vtl_healthy(log)) {
        uint64_t now = log->os->ops->now_ns(log->os);
        if (now >= until || !vos_futex_wait(&log->poison, 0, until - now)) return;
    }
}

static bool fill_page(struct vtl_log *log) {
    struct vos_error error = {0};
    if (!vtl_healthy(log)) return false;
    uint64_t durable_seq = vb_load_acquire(&log->synced_seq), before = log->offset, seq = log->seq;
    if (vtl_segment_fill(log, log->current, log->block, &log->seq, log->cut, durable_seq, &error) != VARVE_OK) {
        vtl_poison_io(log, &error);
        return false;
    }
    vb_add_relaxed(&log->stat_bytes, log->offset - before);
    vb_add_relaxed(&log->stat_blocks, log->seq - seq);
    vb_store_release(&log->last_seq, log->seq);
    return true;
}

/* Before a sync: the page that the last block covered ends with it, or is filled (S5). What is seen at the end of a
 * page stays true, since blocks are only added behind it. */
static bool settle(struct vtl_log *log) {
    uint64_t offset = vb_load_relaxed(&log->offset);
    if (log->grain == log->unit || offset == vtl_page_end(log, offset)) return true;
    vtl_stage_lock(&log->write);
    bool done = fill_page(log);
    vtl_stage_release(&log->write, done);
    return done;
}

/* One round of `sync`, which the caller holds. True: durable has moved. */
static bool write_and_sync(struct vtl_log *log, const struct vk_slot *slot, uint64_t target) {
    uint64_t clock = vb_load_acquire(&log->domain->clock);
    if (write_to(log, slot, target > clock ? target : clock, true) != VARVE_OK) return false;
    uint64_t written = vb_load_acquire(&log->written);
    uint64_t seq = vb_load_acquire(&log->last_seq); /* after written: covers that, and is written itself */
    if (!settle(log)) return false;
    if (!vtl_healthy(log)) return false; /* L5: the sync before may have failed since the caller looked */
    vtl_stage_cover(&log->sync, written);
    if (seq > vb_load_relaxed(&log->synced_seq) + (VB_PLANTED(73) ? 1 : 0)) {
        struct vos_error error = {0};
        vb_add_relaxed(&log->stat_syncs, 1);
        VK_YIELD(log->domain, sync_before);
        uint64_t begun = log->os->ops->now_ns(log->os);
        if (log->os->ops->file_sync(log->current->file, &error) != VARVE_OK && !VB_PLANTED(46))
            vtl_poison_io(log, &error);
        vtl_company_synced(&log->company, log->os->ops->now_ns(log->os) - begun);
    }
    VK_YIELD(log->domain, sync_done);
    if (!vtl_healthy(log)) return false; /* L4: also when another's write has failed meanwhile */
    vb_store_release(&log->synced_seq, seq);
    if (written > vb_load_relaxed(&log->domain->durable)) vb_store_release(&log->domain->durable, written);
    return true;
}

int vtl_sync_to(struct vtl_log *log, struct vk_slot *slot, uint64_t target, bool company) {
    struct vtl_ticket ticket;
    for (bool came_late = false;; came_late = true) {
        vtl_stage_look(&log->sync, &ticket);
        if (vb_load_acquire(&log->domain->durable) >= target) return VARVE_OK;
        if (!vtl_healthy(log)) return VARVE_FAILED;
        if (!vtl_stage_try(&log->sync)) {
            wait_for_round(log, &log->sync, &ticket, target, slot);
            continue;
        }
        if (company) keep_company(log, came_late);
        bool done = write_and_sync(log, slot, target);
        vtl_stage_release(&log->sync, done);
        if (done) vtl_segment_ahead(log, 3);
    }
}

int vtl_harden(struct vtl_log *log, struct vk_slot *slot, uint64_t cts, enum varve_sync_mode mode) {
    if (cts == 0 || vtl_is_memory(log)) return VARVE_OK;
    if (mode == VARVE_SYNC_DEFAULT) mode = log->config.sync;
    int status = VARVE_OK;
    struct vtl_ring *ring = slot != NULL ? vb_load_relaxed(&log->rings[slot->id]) : NULL;
    if (mode == VARVE_SYNC_SYNC || mode == VARVE_SYNC_GROUP) {
        status = vtl_sync_to(log, slot, cts, mode == VARVE_SYNC_GROUP);
    } else if (mode == VARVE_SYNC_WRITE) {
        status = vtl_write_to(log, slot, cts);
    } else if (!vtl_healthy(log) && vb_load_acquire(&log->domain->durable) < cts) {
        status = VARVE_FAILED; /* nothing is promised, but that it will never be written is known */
    }
    if (ring != NULL) vtl_ring_reclaim(ring);
    return status == VARVE_OK ? VARVE_OK : VARVE_UNKNOWN_OUTCOME;
}

int vtl_sync(struct vtl_log *log) {
    if (vtl_is_memory(log)) return VARVE_OK;
    return vtl_sync_to(log, NULL, vb_load_acquire(&log->domain->clock), false);
}

/* In sync and group mode committers flush for themselves; what is left here are transactions that asked for less. */
void vtl_tick(struct vtl_log *log) {
    if (vtl_is_memory(log) || !vtl_healthy(log)) return;
    uint64_t clock = vb_load_acquire(&log->domain->clock);
    if (log->config.sync == VARVE_SYNC_WRITE || log->config.sync == VARVE_SYNC_NONE) {
        (void)vtl_write_to(log, NULL, clock);
    } else if (log->config.sync == VARVE_SYNC_INTERVAL || vb_load_relaxed(&log->sync.held) == 0) {
        (void)vtl_sync_to(log, NULL, clock, false);
    }
    vtl_segment_ahead(log, 2);
}

static int note_encoded(struct vtl_log *log, struct vtl_note_record *note) {
    vtl_stage_lock(&log->sync);
    vtl_stage_lock(&log->write);
    int status = VARVE_FAILED;
    if (vtl_healthy(log)) {
        note->cts = vb_add_acq_rel(&log->domain->clock, 1) + 1; /* nobody cuts while `write` is held here */
        log->note = note;
        status = cut_and_write(log, true) == VARVE_OK ? VARVE_OK : VARVE_UNKNOWN_OUTCOME;
        log->note = NULL;
    }
    vtl_stage_release(&log->write, status == VARVE_OK);
    vtl_stage_release(&log->sync, false);
    if (status != VARVE_OK) return status;
    return vtl_sync_to(log, NULL, note->cts, false) == VARVE_OK ? VARVE_OK : VARVE_UNKNOWN_OUTCOME;
}

int vtl_note(struct vtl_log *log, const struct vtl_op *op, struct vk_detail *detail) {
    if (vtl_is_memory(log)) return VARVE_OK;
    if (!vtl_healthy(log)) return vk_fail(detail, VARVE_FAILED, VARVE_REASON_FAILED, "%s", vtl_poison_text(log));
    uint64_t size = vtl_op_bytes(op);
    uint8_t *bytes = vb_alloc(size);
    if (bytes == NULL) return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "no memory for a log record");
    vtl_op_put(bytes, op);
    struct vtl_note_record note = {.bytes = bytes, .size = size, .charge = vtl_charge(log, size)};
    int status = vtl_space_take(log, note.charge, detail);
    if (status == VARVE_OK) {
        status = note_encoded(log, &note);
        if (status != VARVE_OK) vk_fail(detail, status, VARVE_REASON_FAILED, "%s", vtl_poison_text(log));
    }
    vb_free(bytes, size);
    return status;
}
