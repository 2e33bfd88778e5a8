/* jsonl.c - our own JSON lines, reading: a line that describes the history, then a line a transaction. Everything a
 * history holds is kept; what is not written has its usual value. The format is described in README.md.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "history/history_int.h"
#include "history/jsonl_names.h"

struct reader {
    struct hs_lexer x;
    struct hs_history *history;
    int64_t *elements; /* of the list being read */
    size_t element_count, element_capacity;
    bool ended; /* the transaction being read has an end */
};

/* The place of the last token in `names`, or -1 after a message. */
static int name_of(struct hs_lexer *x, const char *const *names, size_t count, const char *what) {
    if (x->token != HT_STRING) return (void)hs_lex_bad(x, "%s must be a string", what), -1;
    for (size_t i = 0; i < count; i++)
        if (hs_lex_is(x, names[i])) return (int)i;
    return (void)hs_lex_bad(x, "%s '%.40s' is not known", what, x->size == 0 ? "" : x->text), -1;
}

/* The next token must be this; false after a message. */
static bool need(struct hs_lexer *x, enum hs_token token, const char *what) {
    if (hs_lex(x) == token) return true;
    return (void)hs_lex_bad(x, "%s expected", what), false;
}

static bool truth(struct hs_lexer *x, const char *what) {
    enum hs_token token = hs_lex(x);
    if (token != HT_TRUE && token != HT_FALSE) (void)hs_lex_bad(x, "%s must be true or false", what);
    return token == HT_TRUE;
}

static int read_u64(struct hs_lexer *x, const char *what, uint64_t most, uint64_t *value) {
    (void)hs_lex(x);
    int status = hs_lex_u64(x, what, value);
    if (status == VARVE_OK && *value > most) return hs_lex_bad(x, "%s is out of range: %.40s", what, x->text);
    return status;
}

/* A value as in hs_op: null is HS_ABSENT. */
static int value_here(struct hs_lexer *x, int64_t *value) {
    *value = HS_ABSENT;
    return x->token == HT_NULL ? VARVE_OK : hs_lex_i64(x, "a value", value);
}

static uint32_t read_flags(struct hs_lexer *x, const char *const *names, size_t count, const char *what) {
    uint32_t flags = 0;
    if (!need(x, HT_SEQ, "an array of flags")) return 0;
    while (hs_lex(x) != HT_CLOSE) {
        int bit = name_of(x, names, count, what);
        if (bit < 0) return 0;
        flags |= 1u << bit;
    }
    return flags;
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static int hex_digit(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* {"hex":"00ff"} behind its opening bracket. */
static int hex_key(struct reader *r, uint32_t *id) {
    struct hs_lexer *x = &r->x;
    if (!need(x, HT_STRING, "\"hex\"") || !hs_lex_is(x, "hex"))
        return hs_lex_bad(x, "a key is a string or {\"hex\":...}");
    if (!need(x, HT_STRING, "hexadecimal digits")) return x->status;
    if (x->size % 2 != 0) return hs_lex_bad(x, "an odd number of hexadecimal digits");
    for (size_t i = 0; i < x->size; i += 2) {
        int high = hex_digit(x->text[i]), low = hex_digit(x->text[i + 1]);
        if (high < 0 || low < 0) return hs_lex_bad(x, "a key with a digit that is not hexadecimal");
        x->text[i / 2] = (char)(high << 4 | low);
    }
    int status = hs_key(r->history, x->size == 0 ? "" : x->text, x->size / 2, id);
    if (hs_lex_status(x, status) != VARVE_OK) return x->status;
    return need(x, HT_CLOSE, "the end of the key") ? VARVE_OK : x->status;
}

static int key_here(struct reader *r, uint32_t *id) {
    return r->x.token == HT_MAP ? hex_key(r, id) : hs_lex_key(&r->x, r->history, id);
}

static int read_key(struct reader *r, uint32_t *id) {
    (void)hs_lex(&r->x);
    return key_here(r, id);
}

/* --- operations --------------------------------------------------------------------------------------------------- */

/* In the flags of a row, until its scan is complete: the statement was not written and is the scan's. */
enum { STATEMENT_OF_SCAN = 128 };

/* The operation added last, if it is of the transaction added last. */
static const struct hs_op *op_before(const struct reader *r) {
    const struct hs_history *h = r->history;
    return h->txns[h->txn_count - 1].op_count == 0 ? NULL : &h->ops[h->op_count - 1];
}

/* What may follow in an operation: {"version":..,"statement":..,"value":..,"flags":[..]}, then its end. */
static int read_rest(struct reader *r, struct hs_op *op) {
    struct hs_lexer *x = &r->x;
    uint8_t not_written = op->kind == HS_ROW ? STATEMENT_OF_SCAN : 0;
    op->flags = not_written;
    if (hs_lex(x) == HT_CLOSE) return VARVE_OK;
    if (x->token != HT_MAP) return hs_lex_bad(x, "an object or the end of the operation expected");
    while (hs_lex(x) != HT_CLOSE && x->status == VARVE_OK) {
        uint64_t number = 0;
        if (hs_lex_is(x, "version")) {
            (void)read_u64(x, "version", UINT64_MAX, &op->version);
        } else if (hs_lex_is(x, "statement")) {
            (void)read_u64(x, "statement", UINT16_MAX, &number);
            op->statement = (uint16_t)number;
            op->flags &= (uint8_t)~STATEMENT_OF_SCAN;
            not_written = 0;
        } else if (hs_lex_is(x, "value")) {
            (void)hs_lex(x);
            (void)value_here(x, &op->value);
        } else if (hs_lex_is(x, "flags"))
            op->flags = (uint8_t)(not_written | read_flags(x, hs_op_flag_names, HS_OP_FLAGS, "flag"));
        else
            return hs_lex_bad(x, "an operation has no member '%.40s'", x->size == 0 ? "" : x->text);
    }
    if (x->status != VARVE_OK) return x->status;
    return need(x, HT_CLOSE, "the end of the operation") ? VARVE_OK : x->status;
}

static int read_range(struct reader *r, struct hs_range *range) {
    struct hs_lexer *x = &r->x;
    *range = (struct hs_range){HS_OPEN, HS_OPEN, 0};
    if (!need(x, HT_MAP, "the bounds of a scan")) return x->status;
    while (hs_lex(x) != HT_CLOSE && x->status == VARVE_OK) {
        if (hs_lex_is(x, "low"))
            (void)read_key(r, &range->low);
        else if (hs_lex_is(x, "high"))
            (void)read_key(r, &range->high);
        else if (hs_lex_is(x, "flags"))
            range->flags = read_flags(x, hs_range_flag_names, HS_RANGE_FLAGS, "flag of a range");
        else
            return hs_lex_bad(x, "a range has no member '%.40s'", x->size == 0 ? "" : x->text);
    }
    return x->status;
}

static int read_row(struct reader *r) {
    struct hs_op row = {.kind = HS_ROW};
    if (read_key(r, &row.key) != VARVE_OK) return r->x.status;
    (void)hs_lex(&r->x);
    if (value_here(&r->x, &row.value) != VARVE_OK || read_rest(r, &row) != VARVE_OK) return r->x.status;
    return hs_lex_status(&r->x, hs_op_add(r->history, &row));
}

/* ["scan",{bounds},[rows],{rest}] behind its name. The scan stands before its rows and is completed after them. */
static int read_scan(struct reader *r) {
    struct hs_lexer *x = &r->x;
    struct hs_range range;
    struct hs_op op = {.kind = HS_SCAN, .statement = hs_usual_statement(HS_SCAN, op_before(r))};
    if (read_range(r, &range) != VARVE_OK) return x->status;
    if (hs_lex_status(x, hs_range_add(r->history, &range, &op.key)) != VARVE_OK) return x->status;
    size_t place = r->history->op_count;
    if (hs_lex_status(x, hs_op_add(r->history, &op)) != VARVE_OK) return x->status;
    if (!need(x, HT_SEQ, "the rows of a scan")) return x->status;
    while (hs_lex(x) != HT_CLOSE) {
        if (x->token != HT_SEQ) return hs_lex_bad(x, "a row must be an array");
        if (read_row(r) != VARVE_OK) return x->status;
        op.value++;
    }
    if (read_rest(r, &op) != VARVE_OK) return x->status;
    struct hs_op *ops = r->history->ops + place;
    ops[0] = op;
    for (int64_t i = 1; i <= op.value; i++) {
        if ((ops[i].flags & STATEMENT_OF_SCAN) == 0) continue;
        ops[i].flags &= (uint8_t)~STATEMENT_OF_SCAN;
        ops[i].statement = op.statement;
    }
    return VARVE_OK;
}

static int read_list(struct reader *r, struct hs_op *op) {
    struct hs_lexer *x = &r->x;
    op->value = HS_ABSENT;
    if (hs_lex(x) == HT_NULL) return VARVE_OK;
    if (x->token != HT_SEQ) return hs_lex_bad(x, "a list read is an array or null");
    r->element_count = 0;
    while (hs_lex(x) != HT_CLOSE) {
        size_t needed = r->element_count + 1;
        int status = hs_grow((void **)&r->elements, &r->element_capacity, needed, sizeof *r->elements);
        if (hs_lex_status(x, status) != VARVE_OK) return status;
        if (hs_lex_i64(x, "an element", &r->elements[r->element_count++]) != VARVE_OK) return x->status;
    }
    op->value = (int64_t)r->element_count;
    return hs_lex_status(x, hs_list_add(r->history, r->elements, r->element_count, &op->version));
}

static int read_op(struct reader *r) {
    struct hs_lexer *x = &r->x;
    if (x->token != HT_SEQ || hs_lex(x) != HT_STRING)
        return hs_lex_bad(x, "an operation is an array that begins with its name");
    int kind = name_of(x, hs_kind_names, HS_KINDS, "operation");
    if (kind < 0) return x->status;
    bool of_lists = kind == HS_APPEND || kind == HS_LIST;
    if (of_lists != (r->history->shape == HS_LISTS))
        return hs_lex_bad(x, of_lists ? "a list in a history of registers" : "a register in a history of lists");
    if (kind == HS_SCAN) return read_scan(r);
    if (kind == HS_ROW) return hs_lex_bad(x, "a row outside of a scan");
    struct hs_op op = {.kind = (uint8_t)kind, .statement = hs_usual_statement((enum hs_kind)kind, op_before(r))};
    if (read_key(r, &op.key) != VARVE_OK) return x->status;
    if (kind == HS_LIST) {
        (void)read_list(r, &op);
    } else if (kind == HS_EXISTS) {
        op.value = truth(x, "an answer about presence") ? 0 : HS_ABSENT;
    } else if (kind != HS_DELETE) {
        (void)hs_lex(x);
        (void)value_here(x, &op.value);
    }
    uint64_t offset = op.version;
    if (x->status != VARVE_OK || read_rest(r, &op) != VARVE_OK) return x->status;
    if (kind == HS_LIST) op.version = offset;
    return hs_lex_status(x, hs_op_add(r->history, &op));
}

/* --- transactions ------------------------------------------------------------------------------------------------- */

static int read_ops(struct reader *r) {
    struct hs_lexer *x = &r->x;
    if (!need(x, HT_SEQ, "an array of operations")) return x->status;
    while (hs_lex(x) != HT_CLOSE && x->status == VARVE_OK)
        if (read_op(r) != VARVE_OK) return x->status;
    return x->status;
}

static int read_number_member(struct hs_lexer *x, struct hs_txn *txn, bool *known) {
    uint64_t number = 0;
    *known = true;
    if (hs_lex_is(x, "begin")) return read_u64(x, "begin", UINT64_MAX, &txn->begin);
    if (hs_lex_is(x, "end")) return read_u64(x, "end", UINT64_MAX, &txn->end);
    if (hs_lex_is(x, "snapshot")) return read_u64(x, "snapshot", UINT64_MAX, &txn->snapshot);
    if (hs_lex_is(x, "cts")) return read_u64(x, "cts", UINT64_MAX, &txn->cts);
    if (hs_lex_is(x, "session")) {
        (void)read_u64(x, "session", UINT32_MAX, &number);
        txn->session = (uint32_t)number;
    } else if (hs_lex_is(x, "reason")) {
        (void)read_u64(x, "reason", UINT8_MAX, &number);
        txn->reason = (uint8_t)number;
    } else
        *known = false;
    return x->status;
}

static int read_member(struct reader *r, struct hs_txn *txn) {
    struct hs_lexer *x = &r->x;
    bool known;
    r->ended = r->ended || hs_lex_is(x, "end");
    if (read_number_member(x, txn, &known) != VARVE_OK || known) return x->status;
    if (hs_lex_is(x, "ops")) return read_ops(r);
    if (hs_lex_is(x, "flags")) {
        txn->flags = (uint8_t)read_flags(x, hs_txn_flag_names, HS_TXN_FLAGS, "flag");
        return x->status;
    }
    bool level = hs_lex_is(x, "level");
    if (!level && !hs_lex_is(x, "outcome"))
        return hs_lex_bad(x, "a transaction has no member '%.40s'", x->size == 0 ? "" : x->text);
    (void)hs_lex(x);
    int place =
        level ? name_of(x, hs_level_names, HS_LEVELS, "level") : name_of(x, hs_outcome_names, HS_OUTCOMES, "outcome");
    if (place >= 0 && level) txn->level = (uint8_t)place;
    if (place >= 0 && !level) txn->outcome = (uint8_t)place;
    return x->status;
}

/* Members may come in any order, so the transaction is added first and completed last. */
static int read_txn(struct reader *r) {
    struct hs_txn txn = {.snapshot = HS_NO_STAMP};
    struct hs_lexer *x = &r->x;
    uint64_t line = x->line;
    if (x->token != HT_MAP) return hs_lex_bad(x, "a transaction must be an object");
    if (hs_lex_status(x, hs_txn_add(r->history, &txn)) != VARVE_OK) return x->status;
    r->ended = false;
    while (hs_lex(x) != HT_CLOSE && x->status == VARVE_OK)
        if (read_member(r, &txn) != VARVE_OK) return x->status;
    if (x->status != VARVE_OK) return x->status;
    struct hs_txn *added = &r->history->txns[r->history->txn_count - 1];
    if (r->history->timed && txn.outcome == HS_UNKNOWN && !r->ended) txn.end = HS_NO_STAMP;
    txn.first_op = added->first_op;
    txn.op_count = added->op_count;
    *added = txn;
    x->line = line;
    if (r->history->timed && !r->ended && txn.end < txn.begin)
        return hs_lex_bad(x, "the end is missing: without one the outcome must be \"unknown\"");
    if (r->history->timed && txn.end < txn.begin) return hs_lex_bad(x, "a transaction that ends before it begins");
    return VARVE_OK;
}

static int read_head(struct reader *r) {
    static const char *const shapes[] = {"registers", "lists"};
    struct hs_lexer *x = &r->x;
    struct hs_history *h = r->history;
    uint64_t version = 0;
    if (hs_lex(x) == HT_END) return hs_lex_bad(x, "the file is empty");
    if (x->token != HT_MAP) return hs_lex_bad(x, "not a history: the first line must be an object");
    while (hs_lex(x) != HT_CLOSE && x->status == VARVE_OK) {
        if (hs_lex_is(x, "varve-history")) {
            (void)read_u64(x, "varve-history", UINT64_MAX, &version);
        } else if (hs_lex_is(x, "shape")) {
            (void)hs_lex(x);
            h->shape = name_of(x, shapes, 2, "shape") == 1 ? HS_LISTS : HS_REGISTERS;
        } else if (hs_lex_is(x, "stamps"))
            h->stamps = truth(x, "stamps");
        else if (hs_lex_is(x, "timed"))
            h->timed = truth(x, "timed");
        else if (hs_lex_is(x, "sessions"))
            h->by_session = truth(x, "sessions");
        else
            return hs_lex_bad(x, "the first line has no member '%.40s'", x->size == 0 ? "" : x->text);
    }
    if (x->status == VARVE_OK && version != 1) return hs_lex_bad(x, "the first line must be {\"varve-history\":1,...}");
    return x->status;
}

int hs_read_jsonl(struct hs_input *in, struct hs_history *history, struct hs_problem *problem) {
    struct reader r = {.history = history};
    hs_lexer_init(&r.x, in, false, problem);
    int status = read_head(&r);
    while (status == VARVE_OK && hs_lex(&r.x) != HT_END) status = read_txn(&r);
    status = r.x.status;
    hs_lexer_release(&r.x);
    hs_column_free(r.elements, r.element_capacity, sizeof *r.elements);
    return status;
}
