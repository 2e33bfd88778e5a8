/* log.c - opening the log for writing, closing it, poison, figures.
 *
 * Thread rule: open and close are the only ones running; the rest may be called by any thread.
 * Opening never goes on in an old segment. The blocks that no sync is known to cover may be in the page cache only,
 * so they are copied, in new frames of a new generation, into a new segment that begins right behind the last block
 * known to be synced. The old segment then counts up to there (reader.c, 1), whatever lies behind. The rename that
 * gives the new segment its name is the one step that changes what the next recovery finds: before it nothing has
 * happened, after it all has.
 *
 * SPDX-License-Identifier: MIT
 */
#include "txnlog/txnlog_int.h"

#include "base/planted.h"

enum { BLOCK_UNITS = 256, BLOCK_BYTES_MOST = 1 << 20, BLOCK_UNITS_LEAST = 4, WATCH_TURNS = 800 };

/* --- the tail of the log that was recovered ----------------------------------------------------------------------- */

struct tail {
    struct vtl_scan *scan;
    size_t home;       /* the segment that holds the last accepted block, or would hold the next */
    uint64_t last_seq; /* accepted */
    uint64_t keep;     /* last block that stays where it is */
    uint64_t keep_check, keep_cut;
    uint64_t synced;     /* highest sequence that a block vouches for */
    uint64_t bytes;      /* of the blocks to copy, in the log's grain */
    size_t largest;      /* of them */
    uint64_t check, cut; /* after the last accepted block */
};

typedef int (*block_fn)(void *arg, struct tail *tail, struct vtl_block *block, const uint8_t *payload);

/* Calls fn for the accepted blocks of the home segment above `keep`, and fills what follows from those up to it. */
static int each_block(struct tail *tail, block_fn fn, void *arg) {
    struct vtl_walk walk;
    vtl_walk_begin(&walk, tail->scan, tail->home);
    tail->keep_check = walk.check;
    tail->keep_cut = walk.cut_lo;
    int status = VARVE_OK;
    while (status == VARVE_OK && walk.seq <= tail->last_seq) {
        struct vtl_block block;
        const uint8_t *payload;
        status = vtl_walk_next(&walk, &block, &payload);
        if (status == VARVE_END)
            status = vtl_scan_corrupt(tail->scan, walk.file, walk.offset, "the log has changed since it was read");
        if (status != VARVE_OK) break;
        if (block.seq > tail->keep) {
            status = fn(arg, tail, &block, payload);
        } else {
            tail->keep_check = walk.check;
            tail->keep_cut = walk.cut_lo;
        }
    }
    tail->check = walk.check;
    tail->cut = walk.cut_lo;
    vtl_walk_end(&walk);
    return status;
}

static int see_synced(void *arg, struct tail *tail, struct vtl_block *block, const uint8_t *payload) {
    (void)arg, (void)payload;
    if (block->durable_seq > tail->synced) tail->synced = block->durable_seq;
    return VARVE_OK;
}

static int see_size(void *arg, struct tail *tail, struct vtl_block *block, const uint8_t *payload) {
    const struct vtl_log *log = arg;
    (void)payload;
    size_t padded = vtl_round_up(VTL_BLOCK_HEADER_BYTES + (uint64_t)block->payload_bytes, log->grain);
    tail->bytes += padded;
    if (padded > tail->largest) tail->largest = padded;
    return VARVE_OK;
}

/* Finds what is to be copied. last_seq 0 or no segment at all: nothing. */
static int measure_tail(struct vtl_log *log, struct tail *tail, const struct vtl_recovered *recovered,
                        struct vk_detail *detail) {
    const struct vtl_scan *scan = tail->scan;
    uint64_t last_seq = recovered != NULL ? recovered->last_seq : 0;
    if (scan->count == 0 && last_seq == 0) return VARVE_OK;
    if (recovered == NULL || scan->count == 0 || scan->files[0]->first_seq > last_seq + 1) {
        return vk_fail(detail, VARVE_CORRUPT, VARVE_REASON_NONE,
                       "the log's segments are not those that were read before");
    }
    while (tail->home + 1 < scan->count && scan->files[tail->home + 1]->first_seq <= last_seq + 1) tail->home++;
    tail->last_seq = last_seq;
    tail->keep = tail->synced = scan->files[tail->home]->prev_seq;
    VB_TRY(each_block(tail, see_synced, NULL));
    if (tail->check != recovered->last_check) {
        return vtl_scan_corrupt(scan, tail->home, 0, "the log has changed since it was read");
    }
    tail->keep = tail->synced < last_seq ? tail->synced : last_seq;
    VB_TRY(each_block(tail, see_size, log));
    tail->bytes = vtl_round_up(tail->bytes, log->unit);
    if (tail->largest < log->unit) tail->largest = log->unit;
    return VARVE_OK;
}

struct copy {
    struct vtl_log *log;
    struct vtl_segment *segment;
    uint8_t *buffer;
    struct vos_error *error;
};

static int copy_block(void *arg, struct tail *tail, struct vtl_block *block, const uint8_t *payload) {
    struct copy *copy = arg;
    struct vtl_log *log = copy->log;
    memcpy(copy->buffer + VTL_BLOCK_HEADER_BYTES, payload, block->payload_bytes);
    block->flags &= VTL_BLOCK_MORE | VTL_BLOCK_PART;
    block->prev_check = log->check;
    block->durable_seq = tail->keep;
    size_t padded = 0;
    VB_TRY(vtl_block_write(log, copy->segment, log->offset, copy->buffer, block, &padded, copy->error));
    log->offset += padded;
    log->check = block->sum;
    return VARVE_OK;
}

static int copy_tail(struct vtl_log *log, struct vtl_segment *segment, struct tail *tail, struct vos_error *error) {
    log->check = tail->keep_check;
    log->offset = VK_FILE_HEADER_BYTES;
    if (tail->bytes == 0) return VARVE_OK;
    struct copy copy = {log, segment, vb_alloc(tail->largest), error};
    if (copy.buffer == NULL) return VARVE_NOMEM;
    int status = each_block(tail, copy_block, &copy);
    if (status == VARVE_OK) /* they are about to be synced: nothing is added to their last page */
        status = vtl_segment_fill(log, segment, copy.buffer, &tail->last_seq, tail->cut, tail->keep, error);
    vb_free(copy.buffer, tail->largest);
    return status;
}

/* --- open --------------------------------------------------------------------------------------------------------- */

/* The new segment, with the tail in it, under its name. */
static int begin_segment(struct vtl_log *log, struct tail *tail, struct vk_detail *detail) {
    struct vos_error error = {0};
    struct vtl_segment *segment = NULL;
    const struct vk_limits *limits = &log->domain->limits;
    int status = vtl_segment_create(log, limits->segment_first_bytes + tail->bytes, &segment, &error);
    if (status == VARVE_OK) {
        status = copy_tail(log, segment, tail, &error);
        segment->first_seq = tail->keep + 1;
        segment->prev_seq = tail->keep;
        segment->prev_check = tail->keep_check;
        segment->header.creation_cts = tail->keep_cut;
        segment->manifest_sequence = log->config.manifest_sequence(log->config.arg);
        if (status == VARVE_OK) status = vtl_segment_activate(log, segment, &error);
        if (status == VARVE_OK && log->config.segment_named != NULL)
            status = log->config.segment_named(log->config.arg, segment->header.file_id);
        if (status != VARVE_OK) vtl_segment_discard(log, segment);
    }
    if (status == VARVE_CORRUPT) return status; /* told already */
    if (status != VARVE_OK) {
        return vk_fail(detail, status, VARVE_REASON_RESOURCE, "%s", status == VARVE_NOMEM ? "no memory" : error.text);
    }
    log->current = segment;
    log->current_bytes = segment->bytes;
    log->seq = log->last_seq = log->synced_seq = tail->last_seq;
    log->cut = tail->cut;
    log->space = (int64_t)((segment->bytes - vtl_page_end(log, log->offset)) / log->unit);
    log->next_bytes = limits->segment_first_bytes;
    if (log->next_bytes < limits->segment_max_bytes) log->next_bytes *= 2;
    return VARVE_OK;
}

/* The older segments that still count are handed to the log; those that do not any more are removed. */
static void take_over(struct vtl_log *log, struct vtl_scan *scan) {
    struct vtl_segment **link = &log->live;
    char name[VTL_NAME_BYTES];
    for (size_t i = 0; i < scan->count + scan->replaced; i++) {
        struct vtl_segment *segment = scan->files[i];
        if (segment->file != NULL) (void)log->os->ops->file_close(segment->file, NULL);
        segment->file = NULL;
        if (i < scan->count && segment->first_seq < log->current->first_seq) {
            *link = segment;
            link = &segment->next;
            log->open_bytes += segment->bytes - VK_FILE_HEADER_BYTES;
            log->stat_segments++;
            continue;
        }
        vtl_segment_name(name, segment->header.file_id, ".log");
        (void)log->os->ops->dir_remove(log->config.dir, name, NULL);
        vb_free(segment, sizeof(*segment));
    }
    *link = log->current;
    log->open_bytes += log->offset - VK_FILE_HEADER_BYTES;
    log->stat_segments++;
    scan->count = scan->replaced = 0;
}

struct leftovers {
    char names[64][VTL_NAME_BYTES];
    size_t count;
};

static int collect_leftover(void *arg, const char *name) {
    struct leftovers *left = arg;
    uint64_t file_id;
    if (!vtl_segment_parse_name(name, ".new", &file_id)) return VARVE_OK;
    memcpy(left->names[left->count++], name, VTL_NAME_BYTES);
    return left->count == sizeof(left->names) / sizeof(left->names[0]); /* full: stop, come back */
}

/* Files that a crash left between their making and their use. */
static int remove_leftovers(struct vtl_log *log, struct vk_detail *detail) {
    struct leftovers left;
    struct vos_error error = {0};
    int status;
    do {
        left.count = 0;
        status = log->os->ops->dir_list(log->config.dir, collect_leftover, &left, &error);
        for (size_t i = 0; i < left.count; i++) {
            int removed = log->os->ops->dir_remove(log->config.dir, left.names[i], &error);
            if (removed != VARVE_OK) status = removed;
        }
    } while (status > 0);
    return status == VARVE_OK ? status : vk_fail(detail, status, VARVE_REASON_RESOURCE, "%s", error.text);
}

static int open_files(struct vtl_log *log, const struct vtl_recovered *recovered, struct vk_detail *detail) {
    struct vtl_scan scan;
    struct tail tail = {.scan = &scan};
    int status = vtl_scan_open(&scan, &log->config, detail);
    if (status == VARVE_OK) {
        log->generation = scan.generation;
        if (recovered != NULL && recovered->generation > log->generation) log->generation = recovered->generation;
        log->generation++;
        status = measure_tail(log, &tail, recovered, detail);
    }
    if (status == VARVE_OK) status = remove_leftovers(log, detail);
    if (status == VARVE_OK) status = begin_segment(log, &tail, detail);
    if (status == VARVE_OK) take_over(log, &scan);
    vtl_scan_close(&scan);
    return status;
}

static int allocate(struct vtl_log *log, struct vk_detail *detail) {
    size_t unit = log->domain->limits.log_unit_bytes;
    if (unit < VTL_UNIT_MIN || unit > VTL_UNIT_MAX || (unit & (unit - 1)) != 0) {
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "log unit of %zu bytes", unit);
    }
    log->unit = (uint32_t)unit;
    log->grain = vtl_syncs_each(log) ? log->unit : VTL_UNIT_MIN;
    log->write.watch_turns = vos_cpu_count() > 1 ? WATCH_TURNS : 0;
    size_t units = BLOCK_BYTES_MOST / unit < BLOCK_UNITS ? BLOCK_BYTES_MOST / unit : BLOCK_UNITS;
    log->block_bytes = unit * (units > BLOCK_UNITS_LEAST ? units : BLOCK_UNITS_LEAST);
    log->block = vb_alloc(log->block_bytes);
    log->rings_bytes = (log->domain->slot_count + (size_t)1) * sizeof(*log->rings);
    log->rings = vb_alloc(log->rings_bytes);
    if (log->block == NULL || log->rings == NULL)
        return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "no memory");
    return VARVE_OK;
}

static void free_log(struct vtl_log *log) {
    vtl_segments_free(log);
    vb_free(log->block, log->block_bytes);
    vb_free(log->rings, log->rings_bytes);
    vb_free(log->allocation, sizeof(*log) + VB_CACHE_LINE);
}

static struct vtl_log *new_log(void) {
    uint8_t *allocation = vb_alloc(sizeof(struct vtl_log) + VB_CACHE_LINE);
    if (allocation == NULL) return NULL;
    uintptr_t aligned = ((uintptr_t)allocation + VB_CACHE_LINE - 1) / VB_CACHE_LINE * VB_CACHE_LINE;
    struct vtl_log *log = (struct vtl_log *)aligned;
    log->allocation = allocation;
    return log;
}

int vtl_open(const struct vtl_config *config, const struct vtl_recovered *recovered, struct vtl_log **log,
             struct vk_detail *detail) {
    struct vtl_log *made = new_log();
    if (made == NULL) return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "no memory");
    made->config = *config;
    made->domain = config->domain;
    made->os = config->domain->os;
    if (config->sync == VARVE_SYNC_DEFAULT) made->config.sync = VARVE_SYNC_GROUP;
    if (!vtl_is_memory(made)) {
        struct vk_domain *domain = made->domain;
        int status = allocate(made, detail);
        if (status == VARVE_OK) status = open_files(made, recovered, detail);
        if (status != VARVE_OK) {
            free_log(made);
            return status;
        }
        if (vb_load_acquire(&domain->clock) < made->cut && !VB_PLANTED(71)) vb_store_release(&domain->clock, made->cut);
        made->written = vb_load_acquire(&domain->clock);
        vb_store_release(&domain->durable, made->written);
    }
    *log = made;
    return VARVE_OK;
}

/* --- close -------------------------------------------------------------------------------------------------------- */

/* An empty block behind all others: damage to any of them is then told from a torn tail. It needs no sync itself. */
static void write_closing_block(struct vtl_log *log) {
    if (log->seq == 0 || log->current->bytes - log->offset < log->unit) return;
    struct vtl_block block = {.flags = VTL_BLOCK_CLOSED,
                              .seq = log->seq + 1,
                              .cut_lo = log->cut,
                              .cut_hi = log->cut,
                              .durable_seq = log->synced_seq,
                              .prev_check = log->check,
                              .wall_ns = log->os->ops->wall_ns(log->os)};
    struct vos_error error = {0};
    size_t padded;
    if (vtl_block_write(log, log->current, log->offset, log->block, &block, &padded, &error) != VARVE_OK) {
        vtl_poison_io(log, &error);
    }
}

static void close_files(struct vtl_log *log) {
    if (vtl_sync(log) == VARVE_OK) write_closing_block(log);
    struct vos_error error = {0};
    struct vos_file *file = log->current->file;
    log->current->file = NULL;
    if (file != NULL && log->os->ops->file_close(file, &error) != VARVE_OK) vtl_poison_io(log, &error);
    while (log->spares != NULL) {
        struct vtl_segment *spare = log->spares;
        log->spares = spare->next;
        vtl_segment_discard(log, spare);
    }
}

int vtl_close(struct vtl_log *log, struct vk_detail *detail) {
    int status = VARVE_OK;
    if (!vtl_is_memory(log)) {
        close_files(log);
        for (uint32_t id = 1; id <= log->rings_high; id++) {
            if (log->rings[id] != NULL) log->rings[id]->log = NULL;
        }
        if (!vtl_healthy(log)) status = vk_fail(detail, VARVE_IO, VARVE_REASON_FAILED, "%s", vtl_poison_text(log));
    }
    free_log(log);
    return status;
}

/* --- poison and figures ------------------------------------------------------------------------------------------- */

bool vtl_poisoned(const struct vtl_log *log) { return !vtl_healthy(log); }

void vtl_poison(struct vtl_log *log, const char *why) {
    uint32_t healthy = 0;
    if (!vb_cas(&log->poison, &healthy, 1)) return;
    size_t size = strnlen(why, sizeof(log->poison_text) - 1);
    memcpy(log->poison_text, why, size);
    log->poison_text[size] = '\0';
    vb_store_release(&log->poison, 2);
    vos_futex_wake(&log->poison, UINT32_MAX);
    vtl_stage_wake_all(&log->write);
    vtl_stage_wake_all(&log->sync);
}

void vtl_poison_io(struct vtl_log *log, const struct vos_error *error) {
    vtl_poison(log, error->text[0] != '\0' ? error->text : "the log could not be written");
}

const char *vtl_poison_text(const struct vtl_log *log) {
    return vb_load_acquire(&log->poison) == 2 ? log->poison_text : "";
}

uint64_t vtl_next_seq(struct vtl_log *log) {
    if (vtl_is_memory(log)) return 1;
    vos_mutex_lock(&log->list);
    uint64_t bytes = log->open_bytes + vb_load_relaxed(&log->stat_bytes);
    uint64_t next = vb_load_acquire(&log->last_seq) + 1;
    log->mark_seq = next;
    log->mark_bytes = bytes;
    vos_mutex_unlock(&log->list);
    return next;
}

void vtl_stats(const struct vtl_log *log, struct vtl_stats *stats) {
    uint64_t bytes = vb_load_relaxed(&log->stat_bytes);
    *stats = (struct vtl_stats){.bytes = bytes,
                                .blocks = vb_load_relaxed(&log->stat_blocks),
                                .syncs = vb_load_relaxed(&log->stat_syncs),
                                .segments = vb_load_relaxed(&log->stat_segments),
                                .live_bytes = log->open_bytes + bytes - vb_load_relaxed(&log->live_base)};
}
