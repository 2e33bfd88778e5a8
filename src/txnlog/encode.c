/* encode.c - transactions and operations, to bytes and back.
 *
 * Thread rule: pure functions over the caller's buffers. Decoding trusts nothing: a sum that holds does not make the
 * content right.
 *
 * SPDX-License-Identifier: MIT
 */
#include "txnlog/txnlog_int.h"

size_t vtl_prefix_put(uint8_t *out, uint64_t delta, uint32_t ops, uint64_t bytes) {
    size_t at = vb_put_varint(out, delta);
    at += vb_put_varint(out + at, 0); /* flags */
    at += vb_put_varint(out + at, ops);
    return at + vb_put_varint(out + at, bytes);
}

uint64_t vtl_op_bytes(const struct vtl_op *op) {
    uint64_t bytes = 1 + vb_varint_bytes(op->table_id) + vb_varint_bytes(op->key.size) + op->key.size;
    return op->kind == VTL_DELETE ? bytes : bytes + vb_varint_bytes(op->value.size) + op->value.size;
}

static uint8_t *put_bytes(uint8_t *out, varve_slice bytes) {
    if (bytes.size != 0) memcpy(out, bytes.data, bytes.size);
    return out + bytes.size;
}

uint8_t *vtl_op_put(uint8_t *out, const struct vtl_op *op) {
    *out++ = (uint8_t)op->kind;
    out += vb_put_varint(out, op->table_id);
    out += vb_put_varint(out, op->key.size);
    if (op->kind != VTL_DELETE) out += vb_put_varint(out, op->value.size);
    out = put_bytes(out, op->key);
    return op->kind == VTL_DELETE ? out : put_bytes(out, op->value);
}

int vtl_txn_next(const struct vtl_txn *txn, size_t *offset, struct vtl_op *op) {
    if (*offset > txn->bytes.size) return VARVE_CORRUPT;
    if (*offset == txn->bytes.size) return VARVE_END;
    struct vb_reader reader;
    vb_reader_init(&reader, (const uint8_t *)txn->bytes.data + *offset, txn->bytes.size - *offset);
    unsigned kind = vb_read_u8(&reader);
    if (kind < VTL_PUT || kind > VTL_LABEL) return VARVE_CORRUPT;
    uint64_t table = vb_read_varint(&reader);
    uint64_t key_bytes = vb_read_varint(&reader);
    uint64_t value_bytes = kind != VTL_DELETE ? vb_read_varint(&reader) : 0;
    if (reader.bad || table > UINT32_MAX || key_bytes > VARVE_KEY_MAX_BYTES || value_bytes > VARVE_VALUE_MAX_BYTES) {
        return VARVE_CORRUPT;
    }
    varve_slice key = vb_read_bytes(&reader, key_bytes);
    varve_slice value = vb_read_bytes(&reader, value_bytes);
    if (reader.bad) return VARVE_CORRUPT;
    *op = (struct vtl_op){(enum vtl_op_kind)kind, (uint32_t)table, key, value};
    *offset = (size_t)(reader.next - (const uint8_t *)txn->bytes.data);
    return VARVE_OK;
}

static int check_ops(const struct vtl_txn *txn) {
    struct vtl_op op;
    size_t offset = 0;
    uint64_t count = 0;
    int status;
    while ((status = vtl_txn_next(txn, &offset, &op)) == VARVE_OK) count++;
    return status == VARVE_END && count == txn->ops ? VARVE_OK : VARVE_CORRUPT;
}

int vtl_payload_next(struct vb_reader *payload, uint64_t cut_lo, uint64_t cut_hi, struct vtl_txn *txn) {
    if (payload->next == payload->end) return VARVE_END;
    uint64_t delta = vb_read_varint(payload);
    uint64_t flags = vb_read_varint(payload);
    uint64_t ops = vb_read_varint(payload);
    uint64_t bytes = vb_read_varint(payload);
    if (payload->bad || delta == 0 || delta > cut_hi - cut_lo || flags != 0 || ops > UINT32_MAX) return VARVE_CORRUPT;
    if (bytes > (uint64_t)(payload->end - payload->next)) return VARVE_CORRUPT;
    struct vtl_txn found = {cut_lo + delta, (uint32_t)ops, vb_read_bytes(payload, bytes)};
    VB_TRY(check_ops(&found));
    *txn = found;
    return VARVE_OK;
}
