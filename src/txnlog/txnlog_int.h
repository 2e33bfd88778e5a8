/* txnlog_int.h - what the files of the log share. Private to txnlog.
 *
 * Two stages, each with one holder at a time: `write` (cut, gather, write) and `sync` (sync of the current segment, and
 * the switch to the next). Lock order: sync, write; prepare, list. Never the other way round.
 *  S1  space + charges == free units, and space >= 0. A charge is what a reserved transaction would need in blocks of
 *      its own; free is what is left of the current segment in whole pages plus, for each spare one, its units but one.
 * A flush gathers transactions, which needs no more than their charges together; where a cut crosses into a spare
 *      segment it needs one block header more, and that is the unit held back. Hence a write after reserve never
 *      lacks space (L1).
 *  S2  every block of a segment is synced before the next segment is named .log: only the last segment can be torn
 *  S3  current, its offset and the sequence change only under `write`; the switch also holds `sync`, so the file does
 *      not change under a sync
 *  S4  a ring's tail, and its space, are given back before `written` covers them; both after the write returned
 *  S5  blocks are padded to a grain, charges and space count pages of a unit, and a page that a block has begun is
 * used. Where the grain is smaller a page may take several blocks, but only until a sync: the rest of the page is then
 *      filled first, so that what a sync covers shares no page with what is written later, and takes no space
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TXNLOG_TXNLOG_INT_H
#define VARVE_TXNLOG_TXNLOG_INT_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/check.h"
#include "core/file_header.h"
#include "txnlog/log_format.h"
#include "txnlog/txnlog.h"

/* --- blocks and transactions (block.c, encode.c) ------------------------------------------------------------------ */

struct vtl_block {
    uint32_t flags, payload_bytes, generation, timeline;
    uint64_t seq, cut_lo, cut_hi, durable_seq, prev_check, wall_ns, sum;
};
static inline uint64_t vtl_round_up(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }
/* The payload lies in buffer at VTL_BLOCK_HEADER_BYTES; writes the header and the padding, and sets block->sum.
 * Returns the padded bytes. */
size_t vtl_block_seal(uint8_t *buffer, struct vtl_block *block, uint32_t unit, uint64_t seed);
/* Reads a header; false unless it could be one of ours with at most `room` bytes up to the end of its file. */
bool vtl_block_parse(const uint8_t *header, uint64_t room, uint32_t unit, struct vtl_block *block);
/* Tests the sum over the whole padded block; the bytes are as before afterwards. */
bool vtl_block_sum_holds(uint8_t *buffer, const struct vtl_block *block, uint32_t unit, uint64_t seed);

#define VTL_PREFIX_BYTES 32u /* room for the varints before a transaction's operations */
size_t vtl_prefix_put(uint8_t *out, uint64_t delta, uint32_t ops, uint64_t bytes);
/* The encoded size of an operation and the encoding of it; returns where the next one goes. */
uint64_t vtl_op_bytes(const struct vtl_op *op);
uint8_t *vtl_op_put(uint8_t *out, const struct vtl_op *op);
/* Next transaction of a payload, its operations checked: OK, END or CORRUPT. */
int vtl_payload_next(struct vb_reader *payload, uint64_t cut_lo, uint64_t cut_hi, struct vtl_txn *txn);

/* --- segments ----------------------------------------------------------------------------------------------------- */

struct vtl_segment {
    struct vtl_segment *next;
    struct vos_file *file; /* open while spare or current */
    struct vk_file_header header;
    uint32_t generation, timeline;
    uint64_t first_seq, prev_seq, prev_check, manifest_sequence;
    uint64_t bytes; /* of the file */
};
void vtl_segment_name(char name[VTL_NAME_BYTES], uint64_t file_id, const char *suffix);
/* False unless name is 16 lower-case hexadecimal digits and the suffix. */
bool vtl_segment_parse_name(const char *name, const char *suffix, uint64_t *file_id);
void vtl_segment_encode(struct vtl_segment *segment, uint8_t out[VK_FILE_HEADER_BYTES]);
int vtl_segment_decode(struct vtl_segment *segment, const uint8_t in[VK_FILE_HEADER_BYTES], const char **why);

/* --- rings -------------------------------------------------------------------------------------------------------- */

struct vtl_record { /* in a ring, 8-byte aligned; the encoded operations follow unless they lie outside */
    uint64_t span;  /* bytes up to the next record; with VTL_RECORD_SKIP only this field is there */
    uint64_t cts;
    uint64_t bytes;
    uint32_t ops, charge;
    uint8_t *outside;
};
#define VTL_RECORD_SKIP (UINT64_C(1) << 63)

struct vtl_outside { /* redo of a transaction too large for the ring; freed by the ring's owner */
    struct vtl_outside *next;
    uint64_t position; /* of its record; free once the tail has passed it */
    size_t size;
    uint8_t bytes[];
};

struct vtl_ring {
    /* owner-written */
    vb_aligned_line uint64_t head; /* end of the published records; stored release, after their bytes */
    uint64_t published;            /* cts of the last published transaction; stored release, after head */
    struct vtl_record *pending;    /* reserved, not published */
    uint64_t pending_end;
    struct vtl_outside *outside;
    struct vtl_log *log; /* NULL once the log is closed */
    struct vb_heap *heap;
    uint8_t *bytes;
    uint64_t size; /* a power of two */
    unsigned slot_id;
    /* written by the holder of `write` */
    vb_aligned_line uint64_t tail; /* everything below is written; stored release */
    uint64_t take;                 /* up to where the cut in progress takes */
    struct vtl_ring *next;         /* in that cut */
};

void vtl_ring_reclaim(struct vtl_ring *ring); /* owner: frees redo outside the ring that is written */

/* --- stages (stage.c) --------------------------------------------------------------------------------------------- */

/* A stage that one thread at a time holds and others wait for. Its rounds alternate between two words, so that the
 * end of a round wakes those it covers, and only one of those it does not: that one holds the next round.
 * A waiter loads both words, then the cut, then looks whether it is done, then tries to hold, then sleeps: on the
 * word of the round that covers it, else on the other. A cut that is one round old sends it to the right word or to
 * one that is woken sooner; with an older one the word has changed. */
struct vtl_stage {
    vb_aligned_line uint32_t held;
    uint32_t word[2], sleepers[2];
    uint64_t cut;         /* highest cts that the running (or last) round covers << 1 | its word */
    uint32_t watched;     /* a waiter watches instead of sleeping: one at a time */
    uint32_t watch_turns; /* how long: 0 where rounds are long or there is one processor; constant */
    uint32_t served;      /* how many the last round covered, about; under `held` */
    uint32_t goal;        /* the holder sleeps on `complete` until so many wait for the next round; 0: it does not */
    uint32_t complete;
};
struct vtl_ticket {
    uint32_t word[2];
    uint64_t cut;
};
void vtl_stage_look(struct vtl_stage *stage, struct vtl_ticket *ticket);
static inline bool vtl_stage_try(struct vtl_stage *stage) {
    uint32_t free_word = 0;
    return vb_load_relaxed(&stage->held) == 0 && vb_cas(&stage->held, &free_word, 1);
}
void vtl_stage_cover(struct vtl_stage *stage, uint64_t cts);      /* holder: this round covers every cts up to here */
void vtl_stage_release(struct vtl_stage *stage, bool round_done); /* not done: wakes everybody */
void vtl_stage_wake_all(struct vtl_stage *stage);
/* Sleeps as a waiter for `target` with this ticket. */
void vtl_stage_sleep(struct vtl_stage *stage, const struct vtl_ticket *ticket, uint64_t target);
void vtl_stage_lock(struct vtl_stage *stage);
/* Holder, before it covers: how many sleep until the next round, about; sleeps until there are so many, or the limit. */
uint32_t vtl_stage_waiting(const struct vtl_stage *stage);
void vtl_stage_gather(struct vtl_stage *stage, uint32_t goal, uint64_t limit_ns);

/* --- company (company.c): of use where the leader waits for others; all under `sync` -------------------------------- */

struct vtl_company {
    uint64_t sync_ns;       /* of one sync, running mean; 0: none yet */
    uint32_t skip, refused; /* rounds that will not wait; how many that were when it last did not pay */
};
void vtl_company_synced(struct vtl_company *company, uint64_t ns);
/* A wait of `ns` for which `came` came, where `before` waited already. */
void vtl_company_learn(struct vtl_company *company, uint64_t before, uint64_t came, uint64_t ns);
/* came_late: the leader slept through a round, so it is none of those whom the last one let go. */
void vtl_company_keep(struct vtl_log *log, bool came_late);

/* --- the log ------------------------------------------------------------------------------------------------------ */

struct vtl_note_record { /* a transaction without a slot, for the next cut */
    uint64_t cts;
    const uint8_t *bytes;
    uint64_t size;
    int64_t charge;
};

struct vtl_log {
    /* constant after open */
    struct vtl_config config;
    struct vk_domain *domain;
    struct vos *os;
    void *allocation; /* what this lies in, aligned to a cache line */
    uint32_t unit;    /* of charges and space, and what a sync covers in whole: a page */
    uint32_t grain;   /* to which blocks are padded: divides the unit (S5) */
    uint32_t generation;
    size_t block_bytes; /* largest block, a multiple of the unit */
    size_t rings_bytes;
    struct vtl_ring **rings; /* [slot_count + 1], by slot id */
    uint8_t *block;          /* [block_bytes]: the block being filled, under `write` */

    struct vtl_stage write, sync;
    struct vtl_company company;
    vb_aligned_line int64_t space;    /* units that may still be charged, S1 */
    uint32_t rings_high;              /* highest slot id that ever had a ring */
    vb_aligned_line uint64_t written; /* every cts up to here is written */
    uint64_t last_seq;                /* last block of the last whole cut that is written */
    uint64_t synced_seq;              /* last block that a completed sync covers; under `sync` */
    uint32_t poison;                  /* 0 healthy, 1 text being written, 2 text there */
    char poison_text[256];

    /* under `write` */
    vb_aligned_line uint64_t seq; /* last block written, unfinished cuts included */
    uint64_t check;               /* its sum */
    uint64_t cut;                 /* cut_hi of the last block of a whole cut */
    uint64_t offset;              /* end of the blocks in the current segment; read by others for a guess */
    uint64_t current_bytes;       /* its size; the same */
    uint64_t behind;              /* below it the system was asked to write out; under `sync` */
    const struct vtl_note_record *note;
    struct vtl_segment *current;

    struct vos_mutex prepare;   /* makes, recycles and removes segment files */
    struct vos_mutex list;      /* the two lists below; held for no I/O */
    struct vtl_segment *live;   /* oldest to current */
    struct vtl_segment *spares; /* ready for use */
    uint64_t next_bytes;        /* of the next new segment; under prepare */
    uint32_t spare_count;       /* atomic */
    uint32_t prepare_refused;   /* atomic: the disk was full when a leader prepared ahead */

    uint64_t stat_bytes, stat_blocks, stat_syncs, stat_segments, live_base; /* atomic */
    uint64_t open_bytes;           /* of the live segments found at open; constant */
    uint64_t mark_seq, mark_bytes; /* what vtl_next_seq last told; under list */
};

/* Where the page ends in which the bytes before this offset end. */
static inline uint64_t vtl_page_end(const struct vtl_log *log, uint64_t offset) {
    return VK_FILE_HEADER_BYTES + vtl_round_up(offset - VK_FILE_HEADER_BYTES, log->unit);
}
int64_t vtl_charge(const struct vtl_log *log, uint64_t bytes); /* units of a transaction in blocks of its own */
/* Do commits wait for a sync each, as a rule? Where they do not, blocks share pages until
 * a sync. */
static inline bool vtl_syncs_each(const struct vtl_log *log) {
    return log->config.sync == VARVE_SYNC_SYNC || log->config.sync == VARVE_SYNC_GROUP;
}
static inline bool vtl_is_memory(const struct vtl_log *log) { return log->config.dir == NULL; }
static inline bool vtl_healthy(const struct vtl_log *log) { return vb_load_acquire(&log->poison) == 0; }
void vtl_poison_io(struct vtl_log *log, const struct vos_error *error);

/* Waits until written (durable) >= target, leading where it can. OK or FAILED. slot may be NULL. */
int vtl_write_to(struct vtl_log *log, struct vk_slot *slot, uint64_t target);
int vtl_sync_to(struct vtl_log *log, struct vk_slot *slot, uint64_t target, bool company);
/* Takes `charge` units, flushing and making segments as needed. OK, FULL, NOMEM, IO or FAILED. */
int vtl_space_take(struct vtl_log *log, int64_t charge, struct vk_detail *detail);
static inline void vtl_space_give(struct vtl_log *log, int64_t units) { vb_add_acq_rel(&log->space, units); }

/* segment.c */
/* A zero-filled .new file of at least `bytes`, not synced. */
int vtl_segment_create(struct vtl_log *log, uint64_t bytes, struct vtl_segment **segment, struct vos_error *error);
void vtl_segment_discard(struct vtl_log *log, struct vtl_segment *segment); /* removes its .new file */
/* Writes the header, syncs the file, names it .log and syncs the directory. IO or FULL: the log is unusable. */
int vtl_segment_activate(struct vtl_log *log, struct vtl_segment *segment, struct vos_error *error);
int vtl_segment_prepare(struct vtl_log *log, struct vk_detail *detail); /* holding prepare: one more spare */
void vtl_segment_ahead(struct vtl_log *log, unsigned quarters); /* a spare, if that part of the current one is used */
/* Holding sync and write, the current segment full: goes on in a spare. Failure poisons. */
int vtl_segment_switch(struct vtl_log *log, uint64_t cut_lo);
void vtl_segments_free(struct vtl_log *log);
/* Empty blocks behind block *seq up to the end of a page that is begun (S5), in one write; buffer has a page's room.
 * Moves *seq, the log's check and its offset. Holding `write`, or while opening. */
int vtl_segment_fill(struct vtl_log *log, struct vtl_segment *segment, uint8_t *buffer, uint64_t *seq, uint64_t cut,
                     uint64_t durable_seq, struct vos_error *error);
/* Writes the block whose payload lies in buffer to the segment. */
int vtl_block_write(struct vtl_log *log, struct vtl_segment *segment, uint64_t offset, uint8_t *buffer,
                    struct vtl_block *block, size_t *padded, struct vos_error *error);

/* --- reading (reader.c) ------------------------------------------------------------------------------------------- */

struct vtl_scan { /* the segments of a directory in sequence order; those that others replace come last */
    const struct vtl_config *config;
    struct vtl_segment **files;
    size_t count;    /* in use */
    size_t replaced; /* files[count .. count + replaced) */
    size_t capacity;
    uint32_t generation; /* highest */
    struct vk_detail *detail;
};
int vtl_scan_open(struct vtl_scan *scan, const struct vtl_config *config, struct vk_detail *detail);
void vtl_scan_close(struct vtl_scan *scan);
int vtl_scan_corrupt(const struct vtl_scan *scan, size_t file, uint64_t offset, const char *why);

struct vtl_walk { /* block by block */
    struct vtl_scan *scan;
    size_t file;
    uint64_t offset;             /* of the next block */
    uint64_t seq, check, cut_lo; /* what the next block must carry */
    uint64_t chain_hi;           /* cut_hi of the cut that goes on */
    bool inside;                 /* the next block goes on with a cut */
    bool fresh;                  /* nothing read yet: the first block may be the middle of a cut */
    bool torn;                   /* after END: something was cut off */
    uint64_t max_cts;            /* highest cut_hi met, cut off blocks included */
    uint64_t block_offset;       /* of the block just returned */
    size_t block_file;
    uint8_t *window; /* bytes of the file from window_at */
    size_t window_capacity, window_bytes;
    uint64_t window_at;
    size_t window_file;
};
void vtl_walk_begin(struct vtl_walk *walk, struct vtl_scan *scan, size_t file);
void vtl_walk_end(struct vtl_walk *walk);
/* The next block; payload is borrowed until the next call. OK, END, CORRUPT, IO, NOMEM. */
int vtl_walk_next(struct vtl_walk *walk, struct vtl_block *block, const uint8_t **payload);

#endif
