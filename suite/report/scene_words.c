/* scene_words.c - an operation of a history, and how a transaction ended, in a few words.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>

#include "report/scene_history.h"

static void append_key(char *text, const struct hs_history *h, uint32_t key) {
    char buffer[SC_TEXT_BYTES];
    sc_append(text, SC_TEXT_BYTES, "%s", hs_key_text(h, key, buffer, sizeof buffer));
}

static void scan_text(const struct hs_history *h, const struct sc_item *item, char *text) {
    const struct hs_op *op = &h->ops[item->op];
    const struct hs_range *range = &h->ranges[op->key];
    sc_append(text, SC_TEXT_BYTES, "scan %c", range->flags & HS_LOW_EXCLUSIVE ? '(' : '[');
    if (range->low != HS_OPEN) append_key(text, h, range->low);
    sc_append(text, SC_TEXT_BYTES, ",");
    if (range->high != HS_OPEN) append_key(text, h, range->high);
    sc_append(text, SC_TEXT_BYTES, "%c = {", range->flags & HS_HIGH_INCLUSIVE ? ']' : ')');
    for (uint32_t i = 1; i < item->ops; i++) {
        sc_append(text, SC_TEXT_BYTES, i > 1 ? ", " : "");
        append_key(text, h, op[i].key);
        sc_append(text, SC_TEXT_BYTES, "=");
        sc_append_value(text, SC_TEXT_BYTES, op[i].value);
    }
    sc_append(text, SC_TEXT_BYTES, "}%s", range->flags & HS_REVERSE ? " backwards" : "");
}

static void list_text(const struct hs_history *h, const struct hs_op *op, char *text) {
    sc_append(text, SC_TEXT_BYTES, "read ");
    append_key(text, h, op->key);
    if (op->value == HS_ABSENT) {
        sc_append(text, SC_TEXT_BYTES, " = none");
        return;
    }
    sc_append(text, SC_TEXT_BYTES, " = [");
    for (int64_t i = 0; i < op->value; i++)
        sc_append(text, SC_TEXT_BYTES, "%s%lld", i ? " " : "", (long long)h->lists[op->version + (uint64_t)i]);
    sc_append(text, SC_TEXT_BYTES, "]");
}

void sc_item_text(const struct hs_history *h, const struct sc_item *item, char *text) {
    const struct hs_op *op = &h->ops[item->op];
    *text = 0;
    if (item->gap)
        sc_append(text, SC_TEXT_BYTES, "\u2026 %" PRIu32 " operations", item->ops);
    else if (op->kind == HS_SCAN)
        scan_text(h, item, text);
    else if (op->kind == HS_LIST)
        list_text(h, op, text);
    if (*text) return;
    static const char *const verbs[HS_KINDS] = {"read", "has", "", "row", "write", "delete", "append", ""};
    bool writes_new = op->flags & HS_NEEDS_ABSENT, updates = op->flags & HS_NEEDS_PRESENT;
    const char *verb = op->flags & HS_ADDITION ? "add" : op->kind != HS_WRITE ? verbs[op->kind] : writes_new ? "insert" : updates ? "update" : "write";
    sc_append(text, SC_TEXT_BYTES, "%s ", op->flags & HS_FOR_UPDATE ? "lock" : verb);
    append_key(text, h, op->key);
    if (op->flags & HS_FAILED) {
        sc_append(text, SC_TEXT_BYTES, writes_new ? ": exists" : ": not found");
    } else if (op->kind == HS_EXISTS) {
        sc_append(text, SC_TEXT_BYTES, op->value == HS_ABSENT ? " = no" : " = yes");
    } else if (op->kind != HS_DELETE) {
        sc_append(text, SC_TEXT_BYTES, op->kind == HS_APPEND || op->flags & HS_ADDITION ? " " : " = ");
        sc_append_value(text, SC_TEXT_BYTES, op->value);
    }
    if (op->flags & HS_ROLLED_BACK) sc_append(text, SC_TEXT_BYTES, " (rolled back)");
}

void sc_end_text(const struct hs_history *h, const struct hs_txn *txn, char *text) {
    *text = 0;
    if (txn->outcome == HS_UNKNOWN)
        sc_append(text, SC_TEXT_BYTES, "outcome unknown");
    else if (txn->outcome == HS_ABORTED)
        sc_append(text, SC_TEXT_BYTES, txn->reason ? "abort: %s" : "abort", sc_reason_name(txn->reason));
    else if (h->stamps && txn->cts)
        sc_append(text, SC_TEXT_BYTES, "commit at %" PRIu64, txn->cts);
    else
        sc_append(text, SC_TEXT_BYTES, "commit");
}
