/* reader.c - reading the log back: which segments count, block after block, and where it ends.
 *
 * Thread rule: one thread; nothing is written.
 * Invariants
 *   1. A segment counts up to the first sequence of the next one. One of an older generation that begins at or after
 *      the first sequence of a newer generation is replaced by that and does not count.
 *   2. Only the last segment may end early. The first block there that does not follow is a torn tail, unless a whole
 *      block behind it says that a sync had covered that sequence: then it is damage.
 *   3. No allocation is larger than what the rest of the file could hold; the search behind a bad block sums at most
 *      SEARCH_FACTOR times the file.
 * Source of the distinction in 2: Alagappan et al., Protocol-Aware Recovery for Consensus-Based Storage, FAST 2018 (a
 * crash and a corruption cannot be told apart without a further identifier on disk); here that is durable_seq.
 *
 * SPDX-License-Identifier: MIT
 */
#include "txnlog/txnlog_int.h"

enum { WINDOW_BYTES = 256 << 10, SEARCH_FACTOR = 4 };

int vtl_scan_corrupt(const struct vtl_scan *scan, size_t file, uint64_t offset, const char *why) {
    char name[VTL_NAME_BYTES];
    vtl_segment_name(name, scan->files[file]->header.file_id, ".log");
    return vk_fail(scan->detail, VARVE_CORRUPT, VARVE_REASON_NONE, "%s at offset %llu: %s", name,
                   (unsigned long long)offset, why);
}

static int fail_read(const struct vtl_scan *scan, int status, const struct vos_error *error) {
    return vk_fail(scan->detail, status, VARVE_REASON_RESOURCE, "%s",
                   status == VARVE_NOMEM ? "no memory" : error->text);
}

/* --- the segments of a directory ---------------------------------------------------------------------------------- */

static int collect_name(void *arg, const char *name) {
    struct vtl_scan *scan = arg;
    uint64_t file_id;
    if (!vtl_segment_parse_name(name, ".log", &file_id)) return VARVE_OK;
    if (scan->count == scan->capacity) {
        size_t capacity = scan->capacity != 0 ? scan->capacity * 2 : 16;
        struct vtl_segment **grown = vb_alloc(capacity * sizeof(*grown));
        if (grown == NULL) return VARVE_NOMEM;
        if (scan->count != 0) memcpy(grown, scan->files, scan->count * sizeof(*grown));
        vb_free(scan->files, scan->capacity * sizeof(*grown));
        scan->files = grown;
        scan->capacity = capacity;
    }
    struct vtl_segment *segment = vb_alloc(sizeof(*segment));
    if (segment == NULL) return VARVE_NOMEM;
    segment->header.file_id = file_id;
    scan->files[scan->count++] = segment;
    return VARVE_OK;
}

static int read_header(struct vtl_scan *scan, size_t at) {
    struct vtl_segment *segment = scan->files[at];
    struct vos *os = scan->config->domain->os;
    char name[VTL_NAME_BYTES];
    uint8_t bytes[VK_FILE_HEADER_BYTES];
    struct vos_error error = {0};
    size_t got = 0;
    uint64_t size = 0, file_id = segment->header.file_id;
    vtl_segment_name(name, file_id, ".log");
    int status = os->ops->file_open(scan->config->dir, name, VOS_READ, 0, &segment->file, &error);
    if (status == VARVE_OK) status = os->ops->file_size(segment->file, &size, &error);
    if (status == VARVE_OK) status = os->ops->file_read(segment->file, 0, bytes, sizeof(bytes), &got, &error);
    if (status != VARVE_OK) return fail_read(scan, status, &error);
    if (got < sizeof(bytes)) return vtl_scan_corrupt(scan, at, 0, "the file is shorter than its header");
    const char *why = NULL;
    struct vtl_segment found = {.file = segment->file};
    if (vtl_segment_decode(&found, bytes, &why) != VARVE_OK) return vtl_scan_corrupt(scan, at, 0, why);
    if (memcmp(found.header.database_id, scan->config->database_id, sizeof(found.header.database_id)) != 0) {
        return vtl_scan_corrupt(scan, at, 0, "the segment belongs to another database");
    }
    if (found.header.file_id != file_id) return vtl_scan_corrupt(scan, at, 0, "the file has another's name");
    if (size != found.bytes)
        return vtl_scan_corrupt(scan, at, size, "the file does not have the size it was made with");
    *segment = found;
    if (segment->generation > scan->generation) scan->generation = segment->generation;
    return VARVE_OK;
}

/* Newest generation first, so that one pass from the back finds what is replaced; few files, so an insertion sort. */
static bool comes_before(const struct vtl_segment *a, const struct vtl_segment *b) {
    return a->first_seq != b->first_seq ? a->first_seq < b->first_seq : a->generation < b->generation;
}

static void sort_files(struct vtl_segment **files, size_t count) {
    for (size_t i = 1; i < count; i++) {
        struct vtl_segment *one = files[i];
        size_t at = i;
        for (; at > 0 && comes_before(one, files[at - 1]); at--) files[at] = files[at - 1];
        files[at] = one;
    }
}

static bool is_replaced(const struct vtl_scan *scan, const struct vtl_segment *segment, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct vtl_segment *other = scan->files[i];
        if (other->generation > segment->generation && other->first_seq <= segment->first_seq) return true;
    }
    return false;
}

/* Moves the replaced ones behind the others; both parts keep their order. */
static int resolve(struct vtl_scan *scan) {
    size_t all = scan->count;
    struct vtl_segment **kept = vb_alloc((all != 0 ? all : 1) * sizeof(*kept));
    if (kept == NULL) return fail_read(scan, VARVE_NOMEM, NULL);
    size_t in_use = 0, replaced = 0;
    for (size_t i = 0; i < all; i++) {
        bool gone = is_replaced(scan, scan->files[i], all);
        kept[gone ? all - ++replaced : in_use++] = scan->files[i];
    }
    if (all != 0) memcpy(scan->files, kept, all * sizeof(*kept));
    vb_free(kept, (all != 0 ? all : 1) * sizeof(*kept));
    scan->count = in_use;
    scan->replaced = replaced;
    for (size_t i = 1; i < in_use; i++) {
        if (scan->files[i]->first_seq == scan->files[i - 1]->first_seq) {
            return vtl_scan_corrupt(scan, i, 0, "two segments of a generation begin with the same block");
        }
    }
    return VARVE_OK;
}

int vtl_scan_open(struct vtl_scan *scan, const struct vtl_config *config, struct vk_detail *detail) {
    *scan = (struct vtl_scan){.config = config, .detail = detail};
    struct vos_error error = {0};
    int status = config->domain->os->ops->dir_list(config->dir, collect_name, scan, &error);
    if (status != VARVE_OK) return fail_read(scan, status, &error);
    for (size_t i = 0; i < scan->count; i++) VB_TRY(read_header(scan, i));
    sort_files(scan->files, scan->count);
    return resolve(scan);
}

void vtl_scan_close(struct vtl_scan *scan) {
    for (size_t i = 0; i < scan->count + scan->replaced; i++) {
        struct vtl_segment *segment = scan->files[i];
        if (segment->file != NULL) (void)scan->config->domain->os->ops->file_close(segment->file, NULL);
        vb_free(segment, sizeof(*segment));
    }
    vb_free(scan->files, scan->capacity * sizeof(*scan->files));
    *scan = (struct vtl_scan){0};
}

/* --- block after block -------------------------------------------------------------------------------------------- */

void vtl_walk_begin(struct vtl_walk *walk, struct vtl_scan *scan, size_t file) {
    const struct vtl_segment *segment = scan->files[file];
    *walk = (struct vtl_walk){.scan = scan,
                              .file = file,
                              .offset = VK_FILE_HEADER_BYTES,
                              .seq = segment->first_seq,
                              .check = segment->prev_check,
                              .cut_lo = segment->header.creation_cts,
                              .fresh = true,
                              .window_file = SIZE_MAX,
                              .max_cts = segment->header.creation_cts};
}

void vtl_walk_end(struct vtl_walk *walk) {
    vb_free(walk->window, walk->window_capacity);
    walk->window = NULL;
    walk->window_capacity = 0;
}

/* Puts [offset, offset + size) of the current file into the window; the caller knows that the file is that long. */
static int load(struct vtl_walk *walk, uint64_t offset, size_t size, uint8_t **bytes) {
    const struct vtl_segment *segment = walk->scan->files[walk->file];
    if (walk->window_file == walk->file && offset >= walk->window_at &&
        offset + size <= walk->window_at + walk->window_bytes) {
        *bytes = walk->window + (offset - walk->window_at);
        return VARVE_OK;
    }
    size_t want = size > WINDOW_BYTES ? size : WINDOW_BYTES;
    if (want > segment->bytes - offset) want = (size_t)(segment->bytes - offset);
    if (walk->window_capacity < want) {
        vtl_walk_end(walk);
        walk->window = vb_alloc(want);
        if (walk->window == NULL) return fail_read(walk->scan, VARVE_NOMEM, NULL);
        walk->window_capacity = want;
    }
    walk->window_file = SIZE_MAX;
    struct vos_error error = {0};
    size_t got = 0;
    int status =
        walk->scan->config->domain->os->ops->file_read(segment->file, offset, walk->window, want, &got, &error);
    if (status != VARVE_OK) return fail_read(walk->scan, status, &error);
    if (got < want) return vtl_scan_corrupt(walk->scan, walk->file, offset + got, "the file has shrunk");
    walk->window_file = walk->file;
    walk->window_at = offset;
    walk->window_bytes = want;
    *bytes = walk->window;
    return VARVE_OK;
}

/* A whole block with a sum that holds at this place? *found is false where not. */
static int probe(struct vtl_walk *walk, uint64_t offset, struct vtl_block *block, uint8_t **bytes, bool *found,
                 uint64_t *summed) {
    const struct vtl_segment *segment = walk->scan->files[walk->file];
    uint32_t unit = segment->header.unit_bytes;
    *found = false;
    if (segment->bytes - offset < unit) return VARVE_OK;
    VB_TRY(load(walk, offset, VTL_BLOCK_HEADER_BYTES, bytes));
    if (!vtl_block_parse(*bytes, segment->bytes - offset, unit, block)) return VARVE_OK;
    if (block->generation != segment->generation) return VARVE_OK;
    size_t padded = vtl_round_up(VTL_BLOCK_HEADER_BYTES + (uint64_t)block->payload_bytes, unit);
    VB_TRY(load(walk, offset, padded, bytes));
    *summed += padded;
    *found = vtl_block_sum_holds(*bytes, block, unit, vk_file_seed(&segment->header, offset));
    return VARVE_OK;
}

/* What a sum cannot say: that the block belongs here. */
static const char *judge(const struct vtl_walk *walk, const struct vtl_block *block, const uint8_t *bytes) {
    const struct vtl_segment *segment = walk->scan->files[walk->file];
    bool part = (block->flags & VTL_BLOCK_PART) != 0;
    if ((block->flags & ~VTL_BLOCK_FLAGS_KNOWN) != 0 || bytes[VTL_BLOCK_AT_CODEC] != VTL_CODEC_NONE) {
        return "the block was written by a newer version";
    }
    if (vb_get_u32(bytes + VTL_BLOCK_AT_RAW) != block->payload_bytes) return "the block's lengths differ";
    if (block->timeline != segment->timeline) return "the block is of another timeline";
    if (block->seq != walk->seq || block->prev_check != walk->check) return "the block does not follow the one before";
    if (block->cut_lo != walk->cut_lo || block->cut_hi < block->cut_lo || block->cut_hi > VTL_CTS_MAX) {
        return "the block's cut does not follow the one before";
    }
    if (block->durable_seq >= block->seq) return "the block vouches for itself";
    if (!walk->fresh && part != walk->inside) return "the parts of a cut do not follow each other";
    if (walk->inside && block->cut_hi != walk->chain_hi) return "the parts of a cut differ";
    return NULL;
}

/* The last segment ends here. A whole block further on that knows of a sync covering this sequence: damage. */
static int judge_end(struct vtl_walk *walk) {
    const struct vtl_segment *segment = walk->scan->files[walk->file];
    uint64_t summed = 0, bad = walk->offset;
    uint32_t unit = segment->header.unit_bytes;
    for (uint64_t at = bad; segment->bytes - at >= unit;) {
        struct vtl_block block;
        uint8_t *bytes;
        bool found;
        VB_TRY(probe(walk, at, &block, &bytes, &found, &summed));
        if (summed > segment->bytes * SEARCH_FACTOR) {
            return vtl_scan_corrupt(walk->scan, walk->file, bad, "bad block; what follows only looks like blocks");
        }
        if (!found) {
            at += unit;
            continue;
        }
        if (block.durable_seq >= walk->seq) {
            return vtl_scan_corrupt(walk->scan, walk->file, bad, "a block that was synced is damaged");
        }
        walk->torn = true;
        if (block.cut_hi <= VTL_CTS_MAX && block.cut_hi > walk->max_cts) walk->max_cts = block.cut_hi;
        at += vtl_round_up(VTL_BLOCK_HEADER_BYTES + (uint64_t)block.payload_bytes, unit);
    }
    return VARVE_END;
}

/* Goes on in the next segment when this one has given all its blocks. */
static int next_file(struct vtl_walk *walk) {
    struct vtl_scan *scan = walk->scan;
    while (walk->file + 1 < scan->count && scan->files[walk->file + 1]->first_seq == walk->seq) {
        const struct vtl_segment *next = scan->files[++walk->file];
        walk->offset = VK_FILE_HEADER_BYTES;
        if (next->prev_check != walk->check || next->header.creation_cts != walk->cut_lo) {
            return vtl_scan_corrupt(scan, walk->file, 0, "the segment does not follow the one before");
        }
        if (next->timeline < scan->files[walk->file - 1]->timeline) {
            return vtl_scan_corrupt(scan, walk->file, 0, "the segment is of an older timeline than the one before");
        }
    }
    return VARVE_OK;
}

static bool looks_begun(const struct vtl_walk *walk, const uint8_t *bytes) {
    return vb_get_u32(bytes + VTL_BLOCK_AT_MAGIC) == VTL_BLOCK_MAGIC &&
           vb_get_u64(bytes + VTL_BLOCK_AT_SEQ) == walk->seq &&
           vb_get_u32(bytes + VTL_BLOCK_AT_GENERATION) == walk->scan->files[walk->file]->generation;
}

int vtl_walk_next(struct vtl_walk *walk, struct vtl_block *block, const uint8_t **payload) {
    VB_TRY(next_file(walk));
    const struct vtl_scan *scan = walk->scan;
    bool last = walk->file + 1 == scan->count, found = false;
    uint64_t summed = 0;
    uint8_t *bytes = NULL;
    VB_TRY(probe(walk, walk->offset, block, &bytes, &found, &summed));
    if (!found) {
        if (!last) return vtl_scan_corrupt(scan, walk->file, walk->offset, "bad block before the end of the log");
        if (bytes != NULL && looks_begun(walk, bytes)) walk->torn = true;
        return judge_end(walk);
    }
    const char *why = judge(walk, block, bytes);
    if (why != NULL) return vtl_scan_corrupt(scan, walk->file, walk->offset, why);
    walk->block_file = walk->file;
    walk->block_offset = walk->offset;
    walk->offset += vtl_round_up(VTL_BLOCK_HEADER_BYTES + (uint64_t)block->payload_bytes,
                                 scan->files[walk->file]->header.unit_bytes);
    walk->seq++;
    walk->check = block->sum;
    walk->inside = (block->flags & VTL_BLOCK_MORE) != 0;
    walk->chain_hi = block->cut_hi;
    walk->cut_lo = walk->inside ? block->cut_lo : block->cut_hi;
    walk->fresh = false;
    if (block->cut_hi > walk->max_cts) walk->max_cts = block->cut_hi;
    *payload = bytes + VTL_BLOCK_HEADER_BYTES;
    return VARVE_OK;
}
