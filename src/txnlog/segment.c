/* segment.c - the files of the log: made ahead, zero-filled and synced; put to use; recycled or removed.
 *
 * Thread rule: `prepare` is held for everything that creates, recycles or removes a file; `list` for the two lists,
 * without I/O; a switch happens under `sync` and `write`.
 * Invariants
 *   1. A file named .log has a whole, synced header of its own: it gets that name after both, and the directory is
 *      synced before a block of it counts. So a .log with a bad header is damage, and a .new is nothing.
 *   2. The room of the bytes behind the header was taken before space counts them: later writes allocate nothing.
 *   3. A recycled file is renamed, and the directory synced, before its header changes; its new id and salt are in
 *      every seed, so no block of its former life can match.
 *   4. All blocks of the segment before are synced when a segment gets its name (S2).
 *
 * SPDX-License-Identifier: MIT
 */
#include "txnlog/txnlog_int.h"

enum { ZERO_BYTES = 64 << 10, UNITS_MIN = 4, SPARES_KEPT = 2 };
static const uint8_t zeros[ZERO_BYTES];

static int fail_world(struct vk_detail *detail, int status, const struct vos_error *error) {
    return vk_fail(detail, status, VARVE_REASON_RESOURCE, "%s", error->text);
}

/* --- making ------------------------------------------------------------------------------------------------------- */

/* Commits that wait for a sync each want bytes that were written before: a sync of those moves data only. Elsewhere it
 * is enough that the room is taken, and the log is not written twice. */
static int make_room(struct vtl_log *log, struct vos_file *file, uint64_t bytes, struct vos_error *error) {
    if (!vtl_syncs_each(log)) return log->os->ops->file_allocate(file, bytes, error);
    for (uint64_t at = 0; at < bytes; at += ZERO_BYTES) {
        size_t some = bytes - at < ZERO_BYTES ? (size_t)(bytes - at) : ZERO_BYTES;
        VB_TRY(log->os->ops->file_write(file, at, zeros, some, error));
    }
    return VARVE_OK;
}

/* A new identity: what a fresh file and a recycled one have in common. */
static int fill_identity(struct vtl_log *log, struct vtl_segment *segment) {
    segment->header.kind = VK_FILE_LOG;
    segment->header.unit_bytes = log->grain;
    memcpy(segment->header.database_id, log->config.database_id, sizeof(segment->header.database_id));
    segment->generation = log->generation;
    segment->timeline = log->config.timeline;
    return log->os->ops->random(log->os, &segment->header.salt, sizeof(segment->header.salt));
}

static int next_id(struct vtl_log *log, uint64_t *file_id, struct vos_error *error) {
    static const char why[] = "the manifest gave no file id";
    int status = log->config.next_file_id(log->config.arg, file_id);
    if (status != VARVE_OK) memcpy(error->text, why, sizeof(why));
    return status;
}

int vtl_segment_create(struct vtl_log *log, uint64_t bytes, struct vtl_segment **segment, struct vos_error *error) {
    struct vtl_segment *made = vb_alloc(sizeof(*made));
    if (made == NULL) return VARVE_NOMEM;
    uint64_t least = VK_FILE_HEADER_BYTES + (uint64_t)UNITS_MIN * log->unit;
    made->bytes = bytes < least ? least : VK_FILE_HEADER_BYTES + vtl_round_up(bytes - VK_FILE_HEADER_BYTES, log->unit);
    char name[VTL_NAME_BYTES];
    int status;
    VB_TRY_GOTO(status, next_id(log, &made->header.file_id, error), fail);
    vtl_segment_name(name, made->header.file_id, ".new");
    VB_TRY_GOTO(status, fill_identity(log, made), fail);
    VB_TRY_GOTO(status,
                log->os->ops->file_open(log->config.dir, name, VOS_WRITE | VOS_CREATE, log->config.file_mode,
                                        &made->file, error),
                fail);
    status = make_room(log, made->file, made->bytes, error);
    if (status != VARVE_OK) {
        vtl_segment_discard(log, made);
        return status;
    }
    *segment = made;
    return VARVE_OK;
fail:
    vb_free(made, sizeof(*made));
    return status;
}

static void free_segment(struct vtl_log *log, struct vtl_segment *segment) {
    if (segment->file != NULL) (void)log->os->ops->file_close(segment->file, NULL);
    vb_free(segment, sizeof(*segment));
}

void vtl_segment_discard(struct vtl_log *log, struct vtl_segment *segment) {
    char name[VTL_NAME_BYTES];
    vtl_segment_name(name, segment->header.file_id, ".new");
    (void)log->os->ops->dir_remove(log->config.dir, name, NULL);
    free_segment(log, segment);
}

static void add_spare(struct vtl_log *log, struct vtl_segment *segment) {
    vos_mutex_lock(&log->list);
    struct vtl_segment **link = &log->spares;
    while (*link != NULL) link = &(*link)->next;
    segment->next = NULL;
    *link = segment;
    vos_mutex_unlock(&log->list);
    vb_add_relaxed(&log->spare_count, 1);
    vtl_space_give(log, (int64_t)((segment->bytes - VK_FILE_HEADER_BYTES) / log->unit) - 1);
}

int vtl_segment_prepare(struct vtl_log *log, struct vk_detail *detail) {
    struct vos_error error = {0};
    struct vtl_segment *made = NULL;
    int status = vtl_segment_create(log, log->next_bytes, &made, &error);
    if (status == VARVE_OK) {
        status = log->os->ops->file_sync(made->file, &error);
        if (status != VARVE_OK) vtl_segment_discard(log, made);
    }
    if (status != VARVE_OK) {
        vb_store_relaxed(&log->prepare_refused, 1);
        return fail_world(detail, status, &error);
    }
    vb_store_relaxed(&log->prepare_refused, 0);
    uint64_t most = log->domain->limits.segment_max_bytes;
    if (log->next_bytes < most) log->next_bytes = log->next_bytes * 2 < most ? log->next_bytes * 2 : most;
    add_spare(log, made);
    return VARVE_OK;
}

void vtl_segment_ahead(struct vtl_log *log, unsigned quarters) {
    if (vb_load_relaxed(&log->spare_count) != 0 || !vtl_healthy(log)) return;
    uint64_t used = vb_load_relaxed(&log->offset) - VK_FILE_HEADER_BYTES;
    if (used * 4 < (vb_load_relaxed(&log->current_bytes) - VK_FILE_HEADER_BYTES) * quarters) return;
    if (quarters > 2 && vb_load_relaxed(&log->prepare_refused) != 0)
        return; /* a full disk is not asked at every commit */
    if (!vos_mutex_try(&log->prepare)) return;
    if (vb_load_relaxed(&log->spare_count) == 0) (void)vtl_segment_prepare(log, NULL);
    vos_mutex_unlock(&log->prepare);
}

/* --- use ---------------------------------------------------------------------------------------------------------- */

int vtl_segment_activate(struct vtl_log *log, struct vtl_segment *segment, struct vos_error *error) {
    const struct vos_ops *ops = log->os->ops;
    char from[VTL_NAME_BYTES], to[VTL_NAME_BYTES];
    uint8_t header[VK_FILE_HEADER_BYTES];
    vtl_segment_name(from, segment->header.file_id, ".new");
    vtl_segment_name(to, segment->header.file_id, ".log");
    vtl_segment_encode(segment, header);
    VB_TRY(ops->file_write(segment->file, 0, header, sizeof(header), error));
    VB_TRY(ops->file_sync(segment->file, error));
    VB_TRY(ops->dir_rename(log->config.dir, from, to, error));
    VB_TRY(ops->dir_sync(log->config.dir, error));
    /* A sync for each commit would take the pages of a mapping away again; and a large block is written as well in one call. */
    if (log->config.sync == VARVE_SYNC_WRITE && ops->file_map != NULL) ops->file_map(segment->file, segment->bytes);
    return VARVE_OK;
}

static struct vtl_segment *pop_spare(struct vtl_log *log) {
    vos_mutex_lock(&log->list);
    struct vtl_segment *spare = log->spares;
    if (spare != NULL) log->spares = spare->next;
    vos_mutex_unlock(&log->list);
    if (spare == NULL) return NULL;
    vb_sub_acq_rel(&log->spare_count, 1);
    spare->next = NULL;
    return spare;
}

/* The blocks of the segment that is full, down to the disk; its outcome is published like that of any sync (L4). */
static int finish_current(struct vtl_log *log, struct vos_error *error) {
    if (log->seq > vb_load_relaxed(&log->synced_seq)) {
        vb_add_relaxed(&log->stat_syncs, 1);
        VB_TRY(log->os->ops->file_sync(log->current->file, error));
        if (!vtl_healthy(log)) return VARVE_FAILED;
        vb_store_release(&log->synced_seq, log->seq);
        uint64_t written = vb_load_relaxed(&log->written);
        if (written > vb_load_relaxed(&log->domain->durable)) vb_store_release(&log->domain->durable, written);
    }
    struct vos_file *file = log->current->file;
    log->current->file = NULL;
    return log->os->ops->file_close(file, error);
}

static int fail_switch(struct vtl_log *log, const struct vos_error *error) {
    vtl_poison_io(log, error);
    return VARVE_FAILED;
}

int vtl_segment_switch(struct vtl_log *log, uint64_t cut_lo) {
    struct vos_error error = {0};
    if (finish_current(log, &error) != VARVE_OK) return fail_switch(log, &error);
    struct vtl_segment *next = pop_spare(log);
    if (next == NULL) { /* S1 says this cannot be */
        vtl_poison(log, "no segment left for what was reserved");
        return VARVE_FAILED;
    }
    next->first_seq = log->seq + 1;
    next->prev_seq = log->seq;
    next->prev_check = log->check;
    next->header.creation_cts = cut_lo;
    next->manifest_sequence = log->config.manifest_sequence(log->config.arg);
    int status = vtl_segment_activate(log, next, &error);
    if (status == VARVE_OK && log->config.segment_named != NULL) {
        status = log->config.segment_named(log->config.arg, next->header.file_id);
        if (status == VARVE_FULL) status = VARVE_OK; /* the next one, or a checkpoint, will tell */
    }
    vos_mutex_lock(&log->list);
    log->current->next = next;
    log->current = next;
    vb_add_relaxed(&log->stat_segments, 1);
    vos_mutex_unlock(&log->list);
    if (status != VARVE_OK) return fail_switch(log, &error);
    vb_store_relaxed(&log->offset, VK_FILE_HEADER_BYTES);
    vb_store_relaxed(&log->behind, 0);
    vb_store_relaxed(&log->current_bytes, next->bytes);
    vtl_space_give(log, 1); /* the unit held back for the header that crossing costs */
    return VARVE_OK;
}

int vtl_block_write(struct vtl_log *log, struct vtl_segment *segment, uint64_t offset, uint8_t *buffer,
                    struct vtl_block *block, size_t *padded, struct vos_error *error) {
    block->generation = segment->generation;
    block->timeline = segment->timeline;
    *padded = vtl_block_seal(buffer, block, log->grain, vk_file_seed(&segment->header, offset));
    return log->os->ops->file_write(segment->file, offset, buffer, *padded, error);
}

int vtl_segment_fill(struct vtl_log *log, struct vtl_segment *segment, uint8_t *buffer, uint64_t *seq, uint64_t cut,
                     uint64_t durable_seq, struct vos_error *error) {
    size_t room = (size_t)(vtl_page_end(log, log->offset) - log->offset);
    if (room == 0) return VARVE_OK;
    struct vtl_block block = {.generation = segment->generation,
                              .timeline = segment->timeline,
                              .seq = *seq,
                              .cut_lo = cut,
                              .cut_hi = cut,
                              .durable_seq = durable_seq,
                              .wall_ns = log->os->ops->wall_ns(log->os),
                              .sum = log->check};
    for (size_t at = 0; at < room; at += log->grain) {
        block.seq++;
        block.prev_check = block.sum;
        vtl_block_seal(buffer + at, &block, log->grain, vk_file_seed(&segment->header, log->offset + at));
    }
    VB_TRY(log->os->ops->file_write(segment->file, log->offset, buffer, room, error));
    *seq = block.seq;
    log->check = block.sum;
    vb_store_relaxed(&log->offset, log->offset + room);
    return VARVE_OK;
}

/* --- truncation --------------------------------------------------------------------------------------------------- */

/* Takes the oldest segment off the list if all its blocks are below first_log_seq. */
static struct vtl_segment *pop_dead(struct vtl_log *log, uint64_t first_log_seq) {
    struct vtl_segment *dead = NULL;
    vos_mutex_lock(&log->list);
    struct vtl_segment *oldest = log->live;
    if (oldest != NULL && oldest->next != NULL && oldest->next->first_seq <= first_log_seq) {
        dead = oldest;
        log->live = oldest->next;
        vb_add_relaxed(&log->stat_segments, (uint64_t)-1);
    }
    vos_mutex_unlock(&log->list);
    return dead;
}

static void push_live(struct vtl_log *log, struct vtl_segment *segment) {
    vos_mutex_lock(&log->list);
    segment->next = log->live;
    log->live = segment;
    vb_add_relaxed(&log->stat_segments, 1);
    vos_mutex_unlock(&log->list);
}

/* Gives a dead segment a new name, so that it may become a spare, or removes it. */
static int retire(struct vtl_log *log, struct vtl_segment *dead, bool keep, struct vos_error *error) {
    const struct vos_ops *ops = log->os->ops;
    char from[VTL_NAME_BYTES], to[VTL_NAME_BYTES];
    vtl_segment_name(from, dead->header.file_id, ".log");
    if (!keep) return ops->dir_remove(log->config.dir, from, error);
    uint64_t file_id;
    VB_TRY(next_id(log, &file_id, error));
    vtl_segment_name(to, file_id, ".new");
    VB_TRY(ops->dir_rename(log->config.dir, from, to, error));
    dead->header.file_id = file_id;
    return VARVE_OK;
}

static bool worth_keeping(const struct vtl_log *log, const struct vtl_segment *dead, unsigned kept) {
    return vb_load_relaxed(&log->spare_count) + kept < SPARES_KEPT && dead->header.unit_bytes == log->grain &&
           dead->bytes > vb_load_relaxed(&log->current_bytes) / 2;
}

/* The renamed files become spares once the directory is synced; one that cannot is dropped without harm. */
static void adopt(struct vtl_log *log, struct vtl_segment *kept) {
    while (kept != NULL) {
        struct vtl_segment *segment = kept;
        kept = kept->next;
        char name[VTL_NAME_BYTES];
        vtl_segment_name(name, segment->header.file_id, ".new");
        int status = fill_identity(log, segment);
        if (status == VARVE_OK)
            status = log->os->ops->file_open(log->config.dir, name, VOS_WRITE, 0, &segment->file, NULL);
        if (status != VARVE_OK) {
            vtl_segment_discard(log, segment);
            continue;
        }
        vb_store_relaxed(&log->prepare_refused, 0);
        add_spare(log, segment);
    }
}

static int truncate_files(struct vtl_log *log, uint64_t first_log_seq, struct vos_error *error) {
    struct vtl_segment *kept = NULL, *dead;
    unsigned kept_count = 0, removed = 0;
    int status = VARVE_OK;
    while (status == VARVE_OK && (dead = pop_dead(log, first_log_seq)) != NULL) {
        bool keep = worth_keeping(log, dead, kept_count);
        status = retire(log, dead, keep, error);
        if (status != VARVE_OK) {
            push_live(log, dead);
        } else if (keep) {
            dead->next = kept;
            kept = dead;
            kept_count++;
        } else {
            free_segment(log, dead);
            removed++;
        }
    }
    if (kept_count + removed != 0) {
        int synced = log->os->ops->dir_sync(log->config.dir, error);
        if (synced != VARVE_OK) {
            vtl_poison_io(log, error);
            status = synced;
        }
    }
    adopt(log, kept);
    return status;
}

int vtl_truncate(struct vtl_log *log, uint64_t first_log_seq, struct vk_detail *detail) {
    if (vtl_is_memory(log)) return VARVE_OK;
    if (!vtl_healthy(log)) return vk_fail(detail, VARVE_FAILED, VARVE_REASON_FAILED, "%s", vtl_poison_text(log));
    struct vos_error error = {0};
    vos_mutex_lock(&log->prepare);
    int status = truncate_files(log, first_log_seq, &error);
    vos_mutex_unlock(&log->prepare);
    if (status != VARVE_OK) return fail_world(detail, status, &error);
    vos_mutex_lock(&log->list);
    uint64_t below = log->mark_seq == first_log_seq ? log->mark_bytes : 0;
    if (below > vb_load_relaxed(&log->live_base)) vb_store_relaxed(&log->live_base, below);
    vos_mutex_unlock(&log->list);
    return VARVE_OK;
}

void vtl_segments_free(struct vtl_log *log) {
    while (log->live != NULL) {
        struct vtl_segment *segment = log->live;
        log->live = segment->next;
        free_segment(log, segment);
    }
    while (log->spares != NULL) {
        struct vtl_segment *segment = log->spares;
        log->spares = segment->next;
        free_segment(log, segment);
    }
}
