/* recover.c - judging the whole log, then applying it.
 *
 * Thread rule: one thread judges; the caller and its helpers apply, each its own cuts, in any order.
 * Invariants
 *   1. Nothing is applied before every block has been judged, and nothing is written at all: run twice, it gives the
 *      same.
 *   2. A cut counts whole or not at all: one that lacks its last block is cut off with the tail.
 *   3. What is applied is read again and must have the sum it was judged with.
 *
 * SPDX-License-Identifier: MIT
 */
#include "txnlog/txnlog_int.h"

#include "base/planted.h"

struct entry {
    uint64_t offset, sum;
    uint32_t file, payload_bytes;
};
struct group {
    uint64_t cut_lo, cut_hi, bytes;
    size_t first, count;
};

struct vector {
    void *items;
    size_t count, capacity, size;
};

struct job {
    struct vtl_scan scan;
    struct vector entries, groups;
    uint64_t cut;
    vtl_apply_fn apply;
    void *arg;
    struct vk_detail *detail;
    size_t next;           /* atomic: next group nobody has taken */
    uint64_t transactions; /* atomic */
    int status;            /* atomic: the first failure; its thread fills the detail */
};

struct worker {
    struct job *job;
    unsigned index;
    struct vos_thread *thread;
    uint8_t *block, *whole; /* one block; the payload of a cut of several */
    size_t block_capacity, whole_capacity;
};

static void *append(struct vector *v) {
    if (v->count == v->capacity) {
        size_t capacity = v->capacity != 0 ? v->capacity * 2 : 64;
        void *grown = vb_alloc(capacity * v->size);
        if (grown == NULL) return NULL;
        if (v->count != 0) memcpy(grown, v->items, v->count * v->size);
        vb_free(v->items, v->capacity * v->size);
        v->items = grown;
        v->capacity = capacity;
    }
    return (uint8_t *)v->items + v->size * v->count++;
}

static int no_memory(struct vk_detail *detail) {
    return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "no memory to read the log");
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

/* The cut that is being read. */
struct chain {
    uint64_t seq, check;
    size_t entries;
    bool skip;
};

static int index_block(struct job *job, const struct vtl_walk *walk, const struct vtl_block *block,
                       struct chain *chain) {
    if ((block->flags & VTL_BLOCK_PART) == 0) {
        *chain = (struct chain){block->seq, block->prev_check, job->entries.count, false};
    }
    bool last = (block->flags & VTL_BLOCK_MORE) == 0;
    if (chain->skip || block->cut_hi <= job->cut) return VARVE_OK;
    struct entry *entry = append(&job->entries);
    if (entry == NULL) return no_memory(job->detail);
    *entry = (struct entry){walk->block_offset, block->sum, (uint32_t)walk->block_file, block->payload_bytes};
    if (!last) return VARVE_OK;
    struct group *group = append(&job->groups);
    if (group == NULL) return no_memory(job->detail);
    *group = (struct group){block->cut_lo, block->cut_hi, 0, chain->entries, job->entries.count - chain->entries};
    for (size_t i = 0; i < group->count; i++)
        group->bytes += ((struct entry *)job->entries.items)[chain->entries + i].payload_bytes;
    return VARVE_OK;
}

static int judge_all(struct job *job, size_t start, uint64_t first_log_seq, struct vtl_recovered *out) {
    struct vtl_walk walk;
    struct vtl_block block;
    const uint8_t *payload;
    struct chain chain = {.skip = true}; /* until the first block that begins a cut */
    vtl_walk_begin(&walk, &job->scan, start);
    int status;
    while ((status = vtl_walk_next(&walk, &block, &payload)) == VARVE_OK) {
        if (chain.skip && (block.flags & VTL_BLOCK_PART) != 0 && block.seq >= first_log_seq) {
            status =
                vtl_scan_corrupt(&job->scan, walk.block_file, walk.block_offset, "the first part of a cut is missing");
            break;
        }
        status = index_block(job, &walk, &block, &chain);
        if (status != VARVE_OK) break;
    }
    if (status == VARVE_END) {
        out->last_seq = walk.inside && !chain.skip ? chain.seq - 1 : walk.seq - 1;
        out->last_check = walk.inside && !chain.skip ? chain.check : walk.check;
        out->torn = walk.torn || walk.inside;
        out->max_cts = walk.max_cts;
        if (VB_PLANTED(71) && out->max_cts > 1) out->max_cts--;
        status = VARVE_OK;
        if (out->last_seq + 1 < first_log_seq) {
            status = vtl_scan_corrupt(&job->scan, walk.file, walk.offset,
                                      "the log ends before the checkpoint it belongs to");
        }
    }
    vtl_walk_end(&walk);
    return status;
}

static int find_start(const struct vtl_scan *scan, uint64_t first_log_seq, size_t *start) {
    uint64_t wanted = first_log_seq != 0 ? first_log_seq : 1;
    size_t below = 0;
    while (below < scan->count && scan->files[below]->first_seq <= wanted) below++;
    if (below == 0) {
        return vk_fail(scan->detail, VARVE_CORRUPT, VARVE_REASON_NONE, "no log segment holds block %llu",
                       (unsigned long long)wanted);
    }
    *start = below - 1;
    return VARVE_OK;
}

/* --- applying ----------------------------------------------------------------------------------------------------- */

static void fail_job(struct job *job, int status, const struct vk_detail *detail) {
    int none = VARVE_OK;
    if (vb_cas(&job->status, &none, status) && job->detail != NULL && detail != NULL) *job->detail = *detail;
}

static int reserve_bytes(uint8_t **bytes, size_t *capacity, size_t wanted, struct vk_detail *detail) {
    if (*capacity >= wanted) return VARVE_OK;
    vb_free(*bytes, *capacity);
    *capacity = 0;
    *bytes = vb_alloc(wanted);
    if (*bytes == NULL) return no_memory(detail);
    *capacity = wanted;
    return VARVE_OK;
}

static int read_block(struct worker *w, const struct entry *entry, struct vk_detail *detail) {
    const struct vtl_segment *segment = w->job->scan.files[entry->file];
    uint32_t unit = segment->header.unit_bytes;
    size_t padded = vtl_round_up(VTL_BLOCK_HEADER_BYTES + (uint64_t)entry->payload_bytes, unit);
    VB_TRY(reserve_bytes(&w->block, &w->block_capacity, padded, detail));
    struct vos_error error = {0};
    size_t got = 0;
    int status =
        w->job->scan.config->domain->os->ops->file_read(segment->file, entry->offset, w->block, padded, &got, &error);
    if (status != VARVE_OK) return vk_fail(detail, status, VARVE_REASON_RESOURCE, "%s", error.text);
    struct vtl_block block;
    bool same = got == padded && vtl_block_parse(w->block, padded, unit, &block) && block.sum == entry->sum &&
                block.payload_bytes == entry->payload_bytes &&
                vtl_block_sum_holds(w->block, &block, unit, vk_file_seed(&segment->header, entry->offset));
    struct vtl_scan scan = w->job->scan;
    scan.detail = detail;
    return same ? VARVE_OK
                : vtl_scan_corrupt(&scan, entry->file, entry->offset, "the block has changed while it was read");
}

static int read_group(struct worker *w, const struct group *group, const uint8_t **payload, struct vk_detail *detail) {
    const struct entry *entries = (const struct entry *)w->job->entries.items + group->first;
    if (group->count == 1) {
        VB_TRY(read_block(w, entries, detail));
        *payload = w->block + VTL_BLOCK_HEADER_BYTES;
        return VARVE_OK;
    }
    VB_TRY(reserve_bytes(&w->whole, &w->whole_capacity, group->bytes, detail));
    size_t at = 0;
    for (size_t i = 0; i < group->count; i++) {
        VB_TRY(read_block(w, &entries[i], detail));
        memcpy(w->whole + at, w->block + VTL_BLOCK_HEADER_BYTES, entries[i].payload_bytes);
        at += entries[i].payload_bytes;
    }
    *payload = w->whole;
    return VARVE_OK;
}

static int apply_group(struct worker *w, const struct group *group, struct vk_detail *detail) {
    struct job *job = w->job;
    const uint8_t *payload;
    VB_TRY(read_group(w, group, &payload, detail));
    struct vb_reader reader;
    vb_reader_init(&reader, payload, group->bytes);
    struct vtl_txn txn;
    int status;
    while ((status = vtl_payload_next(&reader, group->cut_lo, group->cut_hi, &txn)) == VARVE_OK) {
        if (txn.cts <= job->cut + (VB_PLANTED(84) ? 1 : 0)) continue;
        VB_TRY(job->apply(job->arg, w->index, &txn));
        vb_add_relaxed(&job->transactions, 1);
    }
    if (status == VARVE_END) return VARVE_OK;
    const struct entry *entry = (const struct entry *)job->entries.items + group->first;
    struct vtl_scan scan = job->scan;
    scan.detail = detail;
    return vtl_scan_corrupt(&scan, entry->file, entry->offset, "the block's content is not a list of transactions");
}

static void work(void *arg) {
    struct worker *w = arg;
    struct job *job = w->job;
    while (vb_load_relaxed(&job->status) == VARVE_OK) {
        size_t next = vb_add_relaxed(&job->next, 1);
        if (next >= job->groups.count) break;
        struct vk_detail detail = {0};
        int status = apply_group(w, (const struct group *)job->groups.items + next, &detail);
        if (status != VARVE_OK) fail_job(job, status, detail.status != VARVE_OK ? &detail : NULL);
    }
    vb_free(w->block, w->block_capacity);
    vb_free(w->whole, w->whole_capacity);
}

/* A helper that cannot be had is done without. */
static int apply_all(struct job *job, unsigned threads) {
    if (threads == 0) threads = 1;
    if (threads > job->groups.count) threads = job->groups.count != 0 ? (unsigned)job->groups.count : 1;
    struct worker *workers = vb_alloc(threads * sizeof(*workers));
    if (workers == NULL) return no_memory(job->detail);
    for (unsigned i = 0; i < threads; i++) workers[i] = (struct worker){.job = job, .index = i};
    for (unsigned i = 1; i < threads; i++) {
        if (vos_thread_start(work, &workers[i], "varve-recover", &workers[i].thread) != VARVE_OK)
            workers[i].thread = NULL;
    }
    work(&workers[0]);
    for (unsigned i = 1; i < threads; i++) {
        if (workers[i].thread != NULL) vos_thread_join(workers[i].thread);
    }
    vb_free(workers, threads * sizeof(*workers));
    return vb_load_acquire(&job->status);
}

static int run_job(struct job *job, uint64_t first_log_seq, unsigned threads, struct vtl_recovered *out) {
    if (job->scan.count == 0 && first_log_seq == 0) return VARVE_OK; /* a log that was never opened for writing */
    size_t start = 0;
    VB_TRY(find_start(&job->scan, first_log_seq, &start));
    VB_TRY(judge_all(job, start, first_log_seq, out));
    out->generation = job->scan.generation;
    for (size_t i = 0; i < job->scan.count + job->scan.replaced; i++) {
        uint64_t named = job->scan.files[i]->manifest_sequence;
        if (named > out->manifest_sequence) out->manifest_sequence = named;
    }
    VB_TRY(apply_all(job, threads));
    out->transactions = vb_load_relaxed(&job->transactions);
    return VARVE_OK;
}

int vtl_recover(const struct vtl_config *config, uint64_t cut, uint64_t first_log_seq, unsigned threads,
                vtl_apply_fn apply, void *arg, struct vtl_recovered *recovered, struct vk_detail *detail) {
    struct vtl_recovered found = {0};
    int status = VARVE_OK;
    if (config->dir != NULL) {
        struct job job = {.cut = cut, .apply = apply, .arg = arg, .detail = detail};
        job.entries.size = sizeof(struct entry);
        job.groups.size = sizeof(struct group);
        status = vtl_scan_open(&job.scan, config, detail);
        if (status == VARVE_OK) status = run_job(&job, first_log_seq, threads, &found);
        vtl_scan_close(&job.scan);
        vb_free(job.entries.items, job.entries.capacity * job.entries.size);
        vb_free(job.groups.items, job.groups.capacity * job.groups.size);
    }
    if (status == VARVE_OK) *recovered = found;
    return status;
}
