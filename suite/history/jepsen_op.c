/* jepsen_op.c - one Jepsen operation: a map of which type, process, f, time and value are looked at, in any order.
 *
 * The value of an operation that is not a client's transaction may be anything, and its process may stand behind it:
 * what is wrong with a value is kept, and told once the whole map is known.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "history/jepsen_int.h"

void hj_op_release(struct hj_op *op) {
    hs_column_free(op->micros, op->micro_capacity, sizeof *op->micros);
    hs_column_free(op->elements, op->element_capacity, sizeof *op->elements);
}

/* --- the value ---------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static bool wrong(struct hs_lexer *x, struct hj_op *op, const char *format, ...) {
    if (x->status != VARVE_OK || op->what == HJ_WRONG) return false;
    va_list arguments;
    va_start(arguments, format);
    op->what = HJ_WRONG;
    op->wrong.line = x->line;
    vsnprintf(op->wrong.text, sizeof op->wrong.text, format, arguments);
    va_end(arguments);
    return false;
}

static bool number(struct hs_lexer *x, struct hj_op *op, const char *what, int64_t *value) {
    if (x->token != HT_INTEGER) return wrong(x, op, "%s is not a whole number", what);
    if (x->huge || x->magnitude > INT64_MAX) return wrong(x, op, "%s is out of range: %.40s", what, x->text);
    *value = x->negative ? -(int64_t)x->magnitude : (int64_t)x->magnitude;
    return true;
}

static bool be(struct hs_lexer *x, struct hj_op *op, enum hs_jepsen_shape *shape, enum hs_jepsen_shape seen) {
    if (*shape == HJ_ANY) *shape = seen;
    if (*shape == seen) return true;
    return wrong(x, op, seen == HJ_LISTS ? "a list in a history of registers" : "a register in a history of lists");
}

static bool read_elements(struct hs_lexer *x, struct hj_op *op, struct hj_micro *micro) {
    micro->kind = HS_LIST;
    micro->offset = op->element_count;
    while (hs_lex(x) != HT_CLOSE) {
        if (x->status != VARVE_OK) return false;
        size_t needed = op->element_count + 1;
        int status = hs_grow((void **)&op->elements, &op->element_capacity, needed, sizeof *op->elements);
        if (hs_lex_status(x, status) != VARVE_OK) return false;
        if (!number(x, op, "an element of a list", &op->elements[op->element_count])) return false;
        op->element_count++;
    }
    micro->value = (int64_t)(op->element_count - micro->offset);
    return true;
}

static bool read_result(struct hs_lexer *x, struct hj_op *op, enum hs_jepsen_shape *shape, struct hj_micro *micro) {
    enum hs_token token = hs_lex(x);
    if (micro->kind != HS_READ) return number(x, op, "what is written", &micro->value);
    if (token == HT_NULL || token == HT_CLOSE) return true; /* [:r key] is a read not yet answered */
    if (token != HT_SEQ) return be(x, op, shape, HJ_REGISTERS) && number(x, op, "what is read", &micro->value);
    return be(x, op, shape, HJ_LISTS) && read_elements(x, op, micro);
}

/* [verb key value] behind its opening bracket. */
static bool read_micro(struct hs_lexer *x, struct hs_history *h, enum hs_jepsen_shape *shape, struct hj_op *op) {
    struct hj_micro micro = {.kind = HS_READ, .value = HS_ABSENT};
    enum hs_token token = hs_lex(x);
    if (token != HT_NAME && token != HT_STRING) return wrong(x, op, "a micro-operation begins with its verb");
    if (hs_lex_is(x, "append"))
        micro.kind = HS_APPEND;
    else if (hs_lex_is(x, "w"))
        micro.kind = HS_WRITE;
    else if (!hs_lex_is(x, "r"))
        return wrong(x, op, "unknown verb '%.40s'; r, w and append are known", x->size == 0 ? "" : x->text);
    if (micro.kind != HS_READ && !be(x, op, shape, micro.kind == HS_APPEND ? HJ_LISTS : HJ_REGISTERS)) return false;
    token = hs_lex(x);
    if (token != HT_INTEGER && token != HT_STRING && token != HT_NAME)
        return wrong(x, op, "the key of a micro-operation must be a whole number, a string or a name");
    if (hs_lex_key(x, h, &micro.key) != VARVE_OK || !read_result(x, op, shape, &micro)) return false;
    bool ended = x->token == HT_CLOSE && micro.kind == HS_READ && micro.value == HS_ABSENT;
    if (!ended && hs_lex(x) != HT_CLOSE) return wrong(x, op, "a micro-operation has a verb, a key and a value");
    int status = hs_grow((void **)&op->micros, &op->micro_capacity, op->micro_count + 1, sizeof *op->micros);
    if (hs_lex_status(x, status) != VARVE_OK) return false;
    op->micros[op->micro_count++] = micro;
    return true;
}

static void read_value(struct hs_lexer *x, struct hs_history *h, enum hs_jepsen_shape *shape, struct hj_op *op) {
    enum hs_token token = hs_lex(x);
    unsigned depth = x->depth;
    op->what = HJ_NO_VALUE;
    op->micro_count = op->element_count = 0;
    if (token == HT_NULL) return;
    if (token != HT_SEQ) {
        (void)wrong(x, op, "the value of a transaction is a vector of micro-operations");
        hs_lex_skip(x);
        return;
    }
    op->what = HJ_MICRO_OPS;
    while (hs_lex(x) == HT_SEQ)
        if (!read_micro(x, h, shape, op)) break;
    if (x->status == VARVE_OK && op->what == HJ_MICRO_OPS && x->token != HT_CLOSE)
        (void)wrong(x, op, "a micro-operation must be a vector");
    while (x->status == VARVE_OK && x->depth >= depth) (void)hs_lex(x);
}

/* --- the other members -------------------------------------------------------------------------------------------- */

static void read_type(struct hs_lexer *x, struct hj_op *op) {
    static const char *const names[] = {"", "invoke", "ok", "fail", "info"};
    (void)hs_lex(x);
    for (unsigned i = HJ_INVOKE; i <= HJ_INFO; i++) {
        if (!hs_lex_is(x, names[i])) continue;
        op->type = (enum hj_type)i;
        return;
    }
    bool word = x->token == HT_NAME || x->token == HT_STRING;
    (void)hs_lex_bad(x, "unknown type '%.40s'; invoke, ok, fail and info are known",
                     word && x->size != 0 ? x->text : "");
}

static void read_process(struct hs_lexer *x, struct hj_op *op) {
    enum hs_token token = hs_lex(x);
    op->by = token == HT_INTEGER ? HJ_CLIENT : token == HT_NULL ? HJ_NO_PROCESS : HJ_OTHER;
    if (token == HT_INTEGER) {
        (void)hs_lex_i64(x, "the process", &op->process);
        if (op->process < 0) op->by = HJ_OTHER;
        if (op->process > UINT32_MAX) (void)hs_lex_bad(x, "the process is out of range: %.40s", x->text);
    }
    hs_lex_skip(x);
}

static void read_f(struct hs_lexer *x, struct hj_op *op) {
    enum hs_token token = hs_lex(x);
    bool word = token == HT_NAME || token == HT_STRING;
    op->is_txn = token == HT_NULL || hs_lex_is(x, "txn");
    snprintf(op->f, sizeof op->f, "%s", word && x->size != 0 ? x->text : "?");
    hs_lex_skip(x);
}

/* A time that is no whole number counts as none. */
static void read_time(struct hs_lexer *x, struct hj_op *op) {
    op->has_time = hs_lex(x) == HT_INTEGER && !x->huge && (!x->negative || x->magnitude == 0);
    if (op->has_time) op->time = x->magnitude;
    hs_lex_skip(x);
}

int hj_read_op(struct hs_lexer *x, struct hs_history *h, enum hs_jepsen_shape *shape, struct hj_op *op) {
    op->type = HJ_NO_TYPE, op->by = HJ_NO_PROCESS, op->what = HJ_NO_VALUE;
    op->is_txn = true, op->has_time = false, op->process = -1, op->line = x->line;
    op->micro_count = op->element_count = 0;
    while (hs_lex(x) != HT_CLOSE && x->status == VARVE_OK) {
        if (hs_lex_is(x, "type")) {
            read_type(x, op);
        } else if (hs_lex_is(x, "process")) {
            read_process(x, op);
        } else if (hs_lex_is(x, "f")) {
            read_f(x, op);
        } else if (hs_lex_is(x, "time")) {
            read_time(x, op);
        } else if (hs_lex_is(x, "value")) {
            read_value(x, h, shape, op);
        } else {
            hs_lex_skip(x); /* an EDN key may be a collection */
            (void)hs_lex(x);
            hs_lex_skip(x);
        }
    }
    if (x->status != VARVE_OK) return x->status;
    x->line = op->line;
    return op->type != HJ_NO_TYPE ? VARVE_OK : hs_lex_bad(x, "an operation without a type");
}
