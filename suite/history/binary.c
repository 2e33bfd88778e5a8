/* binary.c - our own compact binary: blocks of numbers in few bytes, each with its checksum. The layout is described in
 * README.md.
 *
 * A reader trusts nothing: a block is used only when its sum is right, every number is bounded by what is left of its
 * block, and the last block must agree with what came before it.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "history/history_int.h"

#define MARK "\x89VARVEH\n"
enum {
    MARK_BYTES = 8,
    FORMAT_VERSION = 1,
    BLOCK_BYTES = 1 << 18, /* a block is closed behind the item that passes this */
    HEAD_BYTES = 13,       /* tag, payload bytes u32, sum u64 */
    STEP_BYTES = 1 << 20   /* a payload is read in such pieces, so that a wrong size takes no memory */
};
/* The first byte of an operation: its kind, and what follows. */
enum { KIND_MASK = 7, WITH_FLAGS = 8, WITH_STATEMENT = 16, WITH_VERSION = 32, ABSENT = 64 };

struct block {
    uint8_t *bytes;
    size_t size, capacity;
};

static uint64_t zigzag(int64_t value) { return (uint64_t)value << 1 ^ (uint64_t)(value >> 63); }
static int64_t unzigzag(uint64_t coded) { return (int64_t)(coded >> 1 ^ (0 - (coded & 1))); }

/* --- writing ------------------------------------------------------------------------------------------------------ */

struct writer {
    FILE *out;
    struct block block;
    int status;
};

static void put_bytes(struct writer *w, const void *bytes, size_t size) {
    if (w->status == VARVE_OK)
        w->status = hs_grow((void **)&w->block.bytes, &w->block.capacity, w->block.size + size + 1, 1);
    if (w->status != VARVE_OK) return;
    if (size != 0) memcpy(w->block.bytes + w->block.size, bytes, size);
    w->block.size += size;
}

static void put_byte(struct writer *w, unsigned byte) { put_bytes(w, &(uint8_t){(uint8_t)byte}, 1); }

static void put(struct writer *w, uint64_t value) {
    uint8_t bytes[10];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7) bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    put_bytes(w, bytes, size);
}

static void little(uint8_t *bytes, uint64_t value, unsigned count) {
    for (unsigned i = 0; i < count; i++) bytes[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t sum_of(uint8_t tag, const struct block *block) {
    return XXH3_64bits_withSeed(block->bytes, block->size, tag);
}

static void end_block(struct writer *w, uint8_t tag) {
    if (w->status != VARVE_OK) return;
    if (w->block.size > UINT32_MAX) {
        w->status = VARVE_TOOBIG;
        return;
    }
    uint8_t head[HEAD_BYTES] = {tag};
    little(head + 1, w->block.size, 4);
    little(head + 5, sum_of(tag, &w->block), 8);
    if (fwrite(head, 1, sizeof head, w->out) != sizeof head ||
        fwrite(w->block.bytes, 1, w->block.size, w->out) != w->block.size)
        w->status = VARVE_IO;
    w->block.size = 0;
}

static void put_op(struct writer *w, const struct hs_history *h, const struct hs_op *op, const struct hs_op *before) {
    bool statement = op->statement != hs_usual_statement((enum hs_kind)op->kind, before);
    bool version = op->version != 0 && op->kind != HS_LIST, absent = op->value == HS_ABSENT;
    put_byte(w, op->kind | (op->flags != 0 ? WITH_FLAGS : 0u) | (statement ? WITH_STATEMENT : 0u) |
                    (version ? WITH_VERSION : 0u) | (absent ? ABSENT : 0u));
    if (op->flags != 0) put_byte(w, op->flags);
    if (statement) put(w, op->statement);
    if (version) put(w, op->version);
    if (op->kind == HS_SCAN) {
        const struct hs_range *range = &h->ranges[op->key];
        put(w, (uint32_t)(range->low + 1)); /* HS_OPEN becomes 0 */
        put(w, (uint32_t)(range->high + 1));
        put(w, range->flags);
    } else
        put(w, op->key);
    if (!absent) put(w, zigzag(op->value));
    if (op->kind != HS_LIST || absent) return;
    for (int64_t i = 0; i < op->value; i++) put(w, zigzag(h->lists[op->version + (uint64_t)i]));
}

static void put_txn(struct writer *w, const struct hs_history *h, const struct hs_txn *txn, uint64_t *clock) {
    put(w, txn->session);
    put_byte(w, txn->level | (unsigned)txn->outcome << 4);
    put_byte(w, txn->reason);
    put_byte(w, txn->flags);
    put(w, zigzag((int64_t)(txn->begin - *clock)));
    put(w, txn->end - txn->begin);
    put(w, txn->snapshot + 1); /* HS_NO_STAMP becomes 0 */
    put(w, txn->cts);
    put(w, txn->spare);
    put(w, txn->op_count);
    *clock = txn->begin;
    const struct hs_op *ops = h->ops + txn->first_op;
    for (uint32_t i = 0; i < txn->op_count; i++) put_op(w, h, &ops[i], i == 0 ? NULL : &ops[i - 1]);
}

int hs_write_binary(FILE *out, const struct hs_history *h, struct hs_problem *problem) {
    struct writer w = {.out = out, .status = fwrite(MARK, 1, MARK_BYTES, out) == MARK_BYTES ? VARVE_OK : VARVE_IO};
    uint64_t clock = 0;
    put_byte(&w, FORMAT_VERSION);
    put_byte(&w, (h->shape == HS_LISTS) | (unsigned)h->stamps << 1 | (unsigned)h->timed << 2 |
                     (unsigned)h->by_session << 3);
    end_block(&w, 'H');
    for (uint32_t id = 0; id < h->key_count; id++) {
        varve_slice key = hs_key_bytes(h, id);
        put(&w, key.size);
        put_bytes(&w, key.data, key.size);
        if (w.block.size >= BLOCK_BYTES || id + 1 == h->key_count) end_block(&w, 'K');
    }
    for (size_t i = 0; i < h->txn_count; i++) {
        put_txn(&w, h, &h->txns[i], &clock);
        if (w.block.size >= BLOCK_BYTES || i + 1 == h->txn_count) end_block(&w, 'T');
    }
    put(&w, h->key_count);
    put(&w, h->txn_count);
    put(&w, h->op_count);
    end_block(&w, 'E');
    hs_column_free(w.block.bytes, w.block.capacity, 1);
    if (w.status == VARVE_TOOBIG) return hs_bad(problem, 0, "one transaction of more than 4 GiB");
    return w.status;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct reader {
    struct hs_input *in;
    struct hs_history *history;
    struct hs_problem *problem;
    struct block block;
    uint64_t block_at; /* where it begins in the file */
    size_t at;
    bool broken; /* a number ran over the end of its block */
    uint64_t clock;
    int64_t *elements;
    size_t element_capacity;
};

static int damaged(struct reader *r, const char *why) {
    return hs_bad(r->problem, 0, "block at byte %llu: %s", (unsigned long long)r->block_at, why);
}

static int copy(struct hs_input *in, uint8_t *to, size_t size) {
    while (size != 0) {
        if (in->at == in->end && !hs_input_fill(in)) return VARVE_INVALID;
        size_t part = in->end - in->at < size ? in->end - in->at : size;
        memcpy(to, in->buffer + in->at, part);
        in->at += part, to += part, size -= part;
    }
    return VARVE_OK;
}

static uint64_t number_at(const uint8_t *bytes, unsigned count) {
    uint64_t value = 0;
    for (unsigned i = count; i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

static int read_block(struct reader *r, uint8_t *tag) {
    uint8_t head[HEAD_BYTES];
    r->block_at = hs_input_offset(r->in);
    if (copy(r->in, head, sizeof head) != VARVE_OK) return damaged(r, "the file ends where a block must begin");
    size_t size = number_at(head + 1, 4);
    r->block.size = 0, r->at = 0, r->broken = false;
    while (r->block.size < size) {
        size_t part = size - r->block.size < STEP_BYTES ? size - r->block.size : STEP_BYTES;
        int status = hs_grow((void **)&r->block.bytes, &r->block.capacity, r->block.size + part, 1);
        if (status != VARVE_OK) return status;
        if (copy(r->in, r->block.bytes + r->block.size, part) != VARVE_OK) return damaged(r, "the file ends inside it");
        r->block.size += part;
    }
    if (sum_of(head[0], &r->block) != number_at(head + 5, 8)) return damaged(r, "its checksum is wrong");
    *tag = head[0];
    return VARVE_OK;
}

static unsigned get_byte(struct reader *r) {
    if (r->at < r->block.size) return r->block.bytes[r->at++];
    r->broken = true;
    return 0;
}

static uint64_t get(struct reader *r, uint64_t most) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        unsigned byte = get_byte(r);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) != 0) continue;
        if (value > most) r->broken = true;
        return value > most ? 0 : value;
    }
    r->broken = true;
    return 0;
}

static int get_keys(struct reader *r) {
    while (r->at < r->block.size) {
        size_t size = get(r, UINT32_MAX);
        if (r->broken || size > r->block.size - r->at) return damaged(r, "a key runs over its end");
        uint32_t id;
        size_t before = r->history->key_count;
        int status = hs_key(r->history, r->block.bytes + r->at, size, &id);
        if (status != VARVE_OK) return status == VARVE_TOOBIG ? damaged(r, "too many keys") : status;
        if (id != before) return damaged(r, "one key twice");
        r->at += size;
    }
    return VARVE_OK;
}

static int get_elements(struct reader *r, struct hs_op *op) {
    if (r->broken || op->value < 0 || (uint64_t)op->value > r->block.size - r->at)
        return damaged(r, "a list runs over its end");
    size_t count = (size_t)op->value;
    int status = hs_grow((void **)&r->elements, &r->element_capacity, count, sizeof *r->elements);
    if (status != VARVE_OK) return status;
    for (size_t i = 0; i < count; i++) r->elements[i] = unzigzag(get(r, UINT64_MAX));
    return hs_list_add(r->history, r->elements, count, &op->version);
}

static int get_op(struct reader *r) {
    unsigned first = get_byte(r);
    const struct hs_history *h = r->history;
    const struct hs_op *before = h->txns[h->txn_count - 1].op_count == 0 ? NULL : &h->ops[h->op_count - 1];
    struct hs_op op = {.kind = first & KIND_MASK, .value = HS_ABSENT};
    op.statement = hs_usual_statement((enum hs_kind)op.kind, before);
    if ((first & WITH_FLAGS) != 0) op.flags = (uint8_t)get_byte(r);
    if ((first & WITH_STATEMENT) != 0) op.statement = (uint16_t)get(r, UINT16_MAX);
    if ((first & WITH_VERSION) != 0) op.version = get(r, UINT64_MAX);
    if (op.kind == HS_SCAN) {
        struct hs_range range = {.low = (uint32_t)get(r, UINT32_MAX) - 1, .high = (uint32_t)get(r, UINT32_MAX) - 1};
        range.flags = (uint32_t)get(r, UINT32_MAX);
        int status = hs_range_add(r->history, &range, &op.key);
        if (status != VARVE_OK) return status;
    } else
        op.key = (uint32_t)get(r, UINT32_MAX);
    if ((first & ABSENT) == 0) op.value = unzigzag(get(r, UINT64_MAX));
    if (op.kind == HS_LIST && (first & ABSENT) == 0) {
        int status = get_elements(r, &op);
        if (status != VARVE_OK) return status;
    }
    return r->broken ? damaged(r, "an operation runs over its end") : hs_op_add(r->history, &op);
}

static int get_txn(struct reader *r) {
    struct hs_txn txn = {.session = (uint32_t)get(r, UINT32_MAX)};
    unsigned level = get_byte(r);
    txn.level = level & 15, txn.outcome = (uint8_t)(level >> 4);
    txn.reason = (uint8_t)get_byte(r);
    txn.flags = (uint8_t)get_byte(r);
    txn.begin = r->clock + (uint64_t)unzigzag(get(r, UINT64_MAX));
    txn.end = txn.begin + get(r, UINT64_MAX);
    txn.snapshot = get(r, UINT64_MAX) - 1;
    txn.cts = get(r, UINT64_MAX);
    txn.spare = (uint32_t)get(r, UINT32_MAX);
    uint64_t ops = get(r, UINT32_MAX);
    r->clock = txn.begin;
    if (r->broken) return damaged(r, "a transaction runs over its end");
    int status = hs_txn_add(r->history, &txn);
    for (uint64_t i = 0; i < ops && status == VARVE_OK; i++) status = get_op(r);
    return status;
}

static int get_txns(struct reader *r) {
    int status = VARVE_OK;
    while (r->at < r->block.size && status == VARVE_OK) status = get_txn(r);
    return status;
}

static int get_head(struct reader *r) {
    uint8_t mark[MARK_BYTES], tag;
    if (copy(r->in, mark, MARK_BYTES) != VARVE_OK || memcmp(mark, MARK, MARK_BYTES) != 0)
        return hs_bad(r->problem, 0, "not a binary history: it begins with other bytes");
    int status = read_block(r, &tag);
    if (status != VARVE_OK) return status;
    unsigned version = get_byte(r), what = get_byte(r);
    if (tag != 'H' || r->broken || what > 15) return damaged(r, "not the head of a history");
    if (version != FORMAT_VERSION)
        return hs_bad(r->problem, 0, "a binary history of version %u; version 1 is known", version);
    r->history->shape = (what & 1) != 0 ? HS_LISTS : HS_REGISTERS;
    r->history->stamps = (what & 2) != 0;
    r->history->timed = (what & 4) != 0;
    r->history->by_session = (what & 8) != 0;
    return VARVE_OK;
}

static int get_end(struct reader *r) {
    const struct hs_history *h = r->history;
    uint64_t keys = get(r, UINT64_MAX), txns = get(r, UINT64_MAX), ops = get(r, UINT64_MAX);
    if (r->broken || keys != h->key_count || txns != h->txn_count || ops != h->op_count)
        return damaged(r, "the last block counts other than what came before it");
    if (hs_peek(r->in) >= 0) return damaged(r, "bytes behind the last block");
    return VARVE_OK;
}

static int get_blocks(struct reader *r) {
    int status = get_head(r);
    while (status == VARVE_OK) {
        uint8_t tag;
        status = read_block(r, &tag);
        if (status != VARVE_OK) break;
        if (tag == 'E') return get_end(r);
        if (tag != 'K' && tag != 'T') return damaged(r, "of an unknown kind");
        status = tag == 'K' ? get_keys(r) : get_txns(r);
    }
    return status;
}

int hs_read_binary(struct hs_input *in, struct hs_history *history, struct hs_problem *problem) {
    struct reader r = {.in = in, .history = history, .problem = problem};
    int status = get_blocks(&r);
    hs_column_free(r.block.bytes, r.block.capacity, 1);
    hs_column_free(r.elements, r.element_capacity, sizeof *r.elements);
    return status;
}
