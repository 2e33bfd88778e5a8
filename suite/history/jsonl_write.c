/* jsonl_write.c - our own JSON lines, writing; what has its usual value is left out.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>

#include "history/history_int.h"
#include "history/jsonl_names.h"

const char *const hs_kind_names[HS_KINDS] = {"read", "exists", "scan", "row", "write", "delete", "append", "list"};
const char *const hs_op_flag_names[HS_OP_FLAGS] = {"own",           "rolled-back", "for-update", "needs-absent",
                                                   "needs-present", "failed",      "addition"};
const char *const hs_range_flag_names[HS_RANGE_FLAGS] = {"high-inclusive", "low-exclusive", "reverse"};
const char *const hs_txn_flag_names[HS_TXN_FLAGS] = {"read-only", "escalated", "torn"};
const char *const hs_level_names[HS_LEVELS] = {"unknown",         "read-uncommitted", "read-committed",
                                               "repeatable-read", "snapshot",         "serializable"};
const char *const hs_outcome_names[HS_OUTCOMES] = {"committed", "aborted", "unknown"};

bool hs_is_utf8(varve_slice bytes) {
    const uint8_t *p = bytes.data, *end = p + bytes.size;
    while (p < end) {
        unsigned more = *p < 0x80 ? 0 : *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
        uint32_t point = *p & (more == 0 ? 0x7fu : 0x3fu >> more);
        if ((*p >= 0x80 && *p < 0xc2) || *p > 0xf4 || (size_t)(end - p) <= more) return false;
        p++;
        for (unsigned i = 0; i < more; i++, p++) {
            if ((*p & 0xc0) != 0x80) return false;
            point = point << 6 | (*p & 0x3f);
        }
        if ((more == 2 && (point < 0x800 || (point >= 0xd800 && point <= 0xdfff))) || (more == 3 && point < 0x10000) ||
            point > 0x10ffff)
            return false;
    }
    return true;
}

void hs_write_string(FILE *out, varve_slice bytes) {
    const uint8_t *p = bytes.data;
    putc('"', out);
    for (size_t i = 0; i < bytes.size; i++) {
        if (p[i] == '"' || p[i] == '\\')
            putc('\\', out), putc(p[i], out);
        else if (p[i] < ' ' || p[i] == 0x7f)
            fprintf(out, "\\u%04x", p[i]);
        else
            putc(p[i], out);
    }
    putc('"', out);
}

static void write_key(FILE *out, const struct hs_history *h, uint32_t id) {
    varve_slice key = hs_key_bytes(h, id);
    if (hs_is_utf8(key)) {
        hs_write_string(out, key);
        return;
    }
    fputs("{\"hex\":\"", out);
    for (size_t i = 0; i < key.size; i++) fprintf(out, "%02x", ((const uint8_t *)key.data)[i]);
    fputs("\"}", out);
}

static void write_value(FILE *out, int64_t value) {
    if (value == HS_ABSENT)
        fputs("null", out);
    else
        fprintf(out, "%" PRId64, value);
}

/* "name":["a","b"] for the bits set; nothing where none is. */
static void write_flags(FILE *out, const char *before, unsigned flags, const char *const *names, unsigned count) {
    if (flags == 0) return;
    fprintf(out, "%s\"flags\":[", before);
    const char *comma = "";
    for (unsigned bit = 0; bit < count; bit++) {
        if ((flags >> bit & 1) == 0) continue;
        fprintf(out, "%s\"%s\"", comma, names[bit]);
        comma = ",";
    }
    putc(']', out);
}

/* `before` is the operation before it in its transaction, NULL for the first. */
static void write_rest(FILE *out, const struct hs_op *op, const struct hs_op *before) {
    bool statement = op->statement != hs_usual_statement((enum hs_kind)op->kind, before);
    bool version = op->version != 0 && op->kind != HS_LIST;
    bool value = op->value != 0 && op->kind == HS_DELETE;
    if (version || value || statement || op->flags != 0) {
        const char *comma = "";
        fputs(",{", out);
        if (version) fprintf(out, "\"version\":%" PRIu64, op->version), comma = ",";
        if (value) {
            fprintf(out, "%s\"value\":", comma), comma = ",";
            write_value(out, op->value);
        }
        if (statement) fprintf(out, "%s\"statement\":%u", comma, op->statement), comma = ",";
        write_flags(out, comma, op->flags, hs_op_flag_names, HS_OP_FLAGS);
        putc('}', out);
    }
    putc(']', out);
}

static void write_scan(FILE *out, const struct hs_history *h, const struct hs_op *op) {
    const struct hs_range *range = &h->ranges[op->key];
    const char *comma = "";
    putc('{', out);
    if (range->low != HS_OPEN) fputs("\"low\":", out), write_key(out, h, range->low), comma = ",";
    if (range->high != HS_OPEN) fprintf(out, "%s\"high\":", comma), write_key(out, h, range->high), comma = ",";
    write_flags(out, comma, range->flags, hs_range_flag_names, HS_RANGE_FLAGS);
    fputs("},[", out);
    for (int64_t i = 1; i <= op->value; i++) {
        fputs(i == 1 ? "[" : ",[", out);
        write_key(out, h, op[i].key);
        putc(',', out);
        write_value(out, op[i].value);
        write_rest(out, &op[i], op);
    }
    putc(']', out);
}

static void write_elements(FILE *out, const struct hs_history *h, const struct hs_op *op) {
    if (op->value == HS_ABSENT) {
        fputs("null", out);
        return;
    }
    putc('[', out);
    for (int64_t i = 0; i < op->value; i++)
        fprintf(out, "%s%" PRId64, i == 0 ? "" : ",", h->lists[op->version + (uint64_t)i]);
    putc(']', out);
}

static void write_op(FILE *out, const struct hs_history *h, const struct hs_op *op, const struct hs_op *before) {
    fprintf(out, "[\"%s\",", hs_kind_names[op->kind]);
    if (op->kind == HS_SCAN) {
        write_scan(out, h, op);
        write_rest(out, op, before);
        return;
    }
    write_key(out, h, op->key);
    if (op->kind != HS_DELETE) putc(',', out);
    if (op->kind == HS_EXISTS)
        fputs(op->value == HS_ABSENT ? "false" : "true", out);
    else if (op->kind == HS_LIST)
        write_elements(out, h, op);
    else if (op->kind != HS_DELETE)
        write_value(out, op->value);
    write_rest(out, op, before);
}

static void write_stamp(FILE *out, const char *name, uint64_t value, uint64_t usual) {
    if (value != usual) fprintf(out, ",\"%s\":%" PRIu64, name, value);
}

static void write_txn(FILE *out, const struct hs_history *h, const struct hs_txn *txn) {
    fprintf(out, "{\"session\":%" PRIu32 ",\"outcome\":\"%s\"", txn->session, hs_outcome_names[txn->outcome]);
    write_stamp(out, "begin", txn->begin, 0);
    write_stamp(out, "end", txn->end, h->timed && txn->outcome == HS_UNKNOWN ? HS_NO_STAMP : 0);
    write_stamp(out, "snapshot", txn->snapshot, HS_NO_STAMP);
    write_stamp(out, "cts", txn->cts, 0);
    write_stamp(out, "reason", txn->reason, 0);
    if (txn->level != 0) fprintf(out, ",\"level\":\"%s\"", hs_level_names[txn->level]);
    write_flags(out, ",", txn->flags, hs_txn_flag_names, HS_TXN_FLAGS);
    fputs(",\"ops\":[", out);
    const struct hs_op *ops = h->ops + txn->first_op;
    for (uint32_t i = 0; i < txn->op_count; i++) {
        if (ops[i].kind == HS_ROW) continue; /* written with its scan */
        if (i != 0) putc(',', out);
        write_op(out, h, &ops[i], i == 0 ? NULL : &ops[i - 1]);
    }
    fputs("]}\n", out);
}

int hs_write_jsonl(FILE *out, const struct hs_history *h, struct hs_problem *problem) {
    (void)problem;
    fprintf(out, "{\"varve-history\":1,\"shape\":\"%s\",\"stamps\":%s,\"timed\":%s,\"sessions\":%s}\n",
            h->shape == HS_LISTS ? "lists" : "registers", h->stamps ? "true" : "false", h->timed ? "true" : "false",
            h->by_session ? "true" : "false");
    for (size_t i = 0; i < h->txn_count && !ferror(out); i++) write_txn(out, h, &h->txns[i]);
    return ferror(out) ? VARVE_IO : VARVE_OK;
}
