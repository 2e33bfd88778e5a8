/* lexer.c - one stream of tokens for EDN and JSON: brackets are matched, commas and colons checked, comments, tags and
 * discarded forms passed over, so that a reader sees values alone. No tree of the file is ever built.
 *
 * EDN as its description has it (maps, vectors, lists, sets, strings, characters, keywords, symbols, numbers, #tag,
 * #_); a tagged value stands for the value. JSON as in RFC 8259; several values may follow one another (JSON lines).
 * Limits: 64 brackets deep, 512 KiB a token.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "history/history_int.h"

void hs_lexer_init(struct hs_lexer *x, struct hs_input *in, bool edn, struct hs_problem *problem) {
    *x = (struct hs_lexer){.in = in, .problem = problem, .edn = edn};
}

void hs_lexer_release(struct hs_lexer *x) { hs_column_free(x->text, x->capacity, 1); }

int hs_lex_bad(struct hs_lexer *x, const char *format, ...) {
    x->token = HT_BAD;
    if (x->status != VARVE_OK) return x->status;
    x->status = VARVE_INVALID;
    if (x->problem == NULL) return x->status;
    va_list arguments;
    va_start(arguments, format);
    x->problem->line = x->line;
    vsnprintf(x->problem->text, sizeof x->problem->text, format, arguments);
    va_end(arguments);
    return x->status;
}

int hs_lex_status(struct hs_lexer *x, int status) {
    if (status == VARVE_TOOBIG) return hs_lex_bad(x, "more keys than a history can name");
    if (status != VARVE_OK && x->status == VARVE_OK) x->status = status;
    return x->status;
}

static enum hs_token bad(struct hs_lexer *x, const char *why) {
    (void)hs_lex_bad(x, "%s", why);
    return HT_BAD;
}

/* --- the text of a token ------------------------------------------------------------------------------------------ */

static bool add(struct hs_lexer *x, int byte) {
    if (x->size + 2 > x->capacity) {
        if (x->size >= HS_TOKEN_MAX) return bad(x, "a word of more than 512 KiB"), false;
        int status = hs_grow((void **)&x->text, &x->capacity, x->size + 2, 1);
        if (status != VARVE_OK) return (void)hs_lex_status(x, status), false;
    }
    x->text[x->size++] = (char)byte;
    x->text[x->size] = 0;
    return true;
}

/* All bytes of the buffer from here on that stand for themselves, at once. The predicate is a table of 256. */
static bool add_run(struct hs_lexer *x, const bool *plain) {
    struct hs_input *in = x->in;
    do {
        size_t from = in->at;
        while (in->at < in->end && plain[in->buffer[in->at]]) in->at++;
        size_t more = in->at - from;
        if (x->size + more > HS_TOKEN_MAX) return bad(x, "a word of more than 512 KiB"), false;
        int status = hs_grow((void **)&x->text, &x->capacity, x->size + more + 1, 1);
        if (status != VARVE_OK) return (void)hs_lex_status(x, status), false;
        memcpy(x->text + x->size, in->buffer + from, more);
        x->size += more;
        x->text[x->size] = 0;
    } while (in->at == in->end && hs_input_fill(in));
    return true;
}

static bool add_code_point(struct hs_lexer *x, uint32_t point) {
    if (point < 0x80) return add(x, (int)point);
    if (point < 0x800) return add(x, (int)(0xc0 | point >> 6)) && add(x, (int)(0x80 | (point & 63)));
    if (point < 0x10000)
        return add(x, (int)(0xe0 | point >> 12)) && add(x, (int)(0x80 | (point >> 6 & 63))) &&
               add(x, (int)(0x80 | (point & 63)));
    return add(x, (int)(0xf0 | point >> 18)) && add(x, (int)(0x80 | (point >> 12 & 63))) &&
           add(x, (int)(0x80 | (point >> 6 & 63))) && add(x, (int)(0x80 | (point & 63)));
}

static bool four_digits(struct hs_lexer *x, uint32_t *unit) {
    *unit = 0;
    for (unsigned i = 0; i < 4; i++) {
        int byte = hs_take(x->in);
        const char *digits = "0123456789abcdef", *found = NULL;
        if (byte > 0) found = strchr(digits, byte >= 'A' && byte <= 'F' ? byte + 32 : byte);
        if (found == NULL) return bad(x, "\\u without four hexadecimal digits"), false;
        *unit = *unit << 4 | (uint32_t)(found - digits);
    }
    return true;
}

static bool unicode_escape(struct hs_lexer *x) {
    uint32_t unit, low;
    if (!four_digits(x, &unit)) return false;
    if (unit < 0xd800 || unit > 0xdfff) return add_code_point(x, unit);
    if (unit > 0xdbff || hs_take(x->in) != '\\' || hs_take(x->in) != 'u' || !four_digits(x, &low) || low < 0xdc00 ||
        low > 0xdfff)
        return bad(x, "half of a surrogate pair"), false;
    return add_code_point(x, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
}

static bool escape(struct hs_lexer *x) {
    int byte = hs_take(x->in);
    switch (byte) {
    case 'n': return add(x, '\n');
    case 't': return add(x, '\t');
    case 'r': return add(x, '\r');
    case 'b': return add(x, '\b');
    case 'f': return add(x, '\f');
    case '/':
    case '\\':
    case '"': return add(x, byte);
    case 'u': return unicode_escape(x);
    default: return bad(x, byte < 0 ? "the file ends inside a string" : "an unknown escape in a string"), false;
    }
}

/* Bytes of a string that stand for themselves: all but the quote, the backslash and control characters. */
static const bool plain_in_string[256] = {
    [' '] = true, [0x21] = true, [0x23 ... '\\' - 1] = true, ['\\' + 1 ... 0xff] = true};

static enum hs_token lex_string(struct hs_lexer *x) {
    for (;;) {
        if (!add_run(x, plain_in_string)) return HT_BAD;
        int byte = hs_take(x->in);
        if (byte == '"') return HT_STRING;
        if (byte < 0) return bad(x, "the file ends inside a string");
        if (byte < ' ' && !x->edn) return bad(x, "a control character inside a string");
        if (byte == '\\' ? !escape(x) : !add(x, byte)) return HT_BAD;
    }
}

/* Bytes of numbers, names and symbols; a colon inside one is EDN's alone. */
#define WORD_BYTES                                                                                              \
    ['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['+'] = true, ['-'] = true, ['.'] = true, \
             ['_'] = true, ['*'] = true, ['!'] = true, ['?'] = true, ['$'] = true, ['%'] = true, ['&'] = true,  \
             ['='] = true, ['<'] = true, ['>'] = true, ['/'] = true, ['|'] = true, ['#'] = true, ['\''] = true, \
             [0x80 ... 0xff] = true
static const bool in_json_word[256] = {WORD_BYTES}, in_edn_word[256] = {WORD_BYTES, [':'] = true};

static bool in_word(int byte) { return byte >= 0 && in_edn_word[byte]; }

static bool take_word(struct hs_lexer *x) { return add_run(x, x->edn ? in_edn_word : in_json_word); }

/* --- numbers and words -------------------------------------------------------------------------------------------- */

static enum hs_token number_of(struct hs_lexer *x) {
    const char *digit = x->text;
    x->negative = *digit == '-';
    if (*digit == '-' || *digit == '+') digit++;
    x->magnitude = 0, x->huge = false;
    const char *first = digit;
    for (; *digit >= '0' && *digit <= '9'; digit++)
        if (__builtin_mul_overflow(x->magnitude, 10u, &x->magnitude) ||
            __builtin_add_overflow(x->magnitude, (uint64_t)(*digit - '0'), &x->magnitude))
            x->huge = true;
    if (digit != first && *digit == 0) return HT_INTEGER;
    if (digit != first && x->edn && digit[0] == 'N' && digit[1] == 0) return HT_INTEGER;
    char *end;
    (void)strtod(x->text, &end);
    if (end != x->text && (*end == 0 || (x->edn && (*end == 'M' || *end == '/')))) return HT_NUMBER;
    return (void)hs_lex_bad(x, "'%.40s' is not a number", x->text), HT_BAD;
}

static enum hs_token word_of(struct hs_lexer *x) {
    const char *text = x->text;
    if (strcmp(text, "true") == 0) return HT_TRUE;
    if (strcmp(text, "false") == 0) return HT_FALSE;
    if (strcmp(text, x->edn ? "nil" : "null") == 0) return HT_NULL;
    if (x->edn) return HT_NAME;
    return (void)hs_lex_bad(x, "'%.40s' is not JSON", text), HT_BAD;
}

static enum hs_token lex_word(struct hs_lexer *x, int byte) {
    if (!add(x, hs_take(x->in)) || !take_word(x)) return HT_BAD;
    bool sign = byte == '-' || byte == '+';
    if ((byte >= '0' && byte <= '9') || (sign && x->text[1] >= '0' && x->text[1] <= '9')) return number_of(x);
    return word_of(x);
}

static enum hs_token lex_keyword(struct hs_lexer *x) {
    (void)hs_take(x->in);
    if (!take_word(x)) return HT_BAD;
    return x->size != 0 ? HT_NAME : bad(x, "a colon without a name");
}

/* --- brackets ----------------------------------------------------------------------------------------------------- */

static enum hs_token lex_open(struct hs_lexer *x, int byte) {
    (void)hs_take(x->in);
    if (x->depth == HS_DEPTH_MAX) return bad(x, "brackets nested more than 64 deep");
    uint8_t closer = byte == '{' ? '}' : byte == '[' ? ']' : ')';
    x->frames[x->depth++] = (struct hs_frame){.closer = closer, .map = byte == '{', .expect = HX_FIRST};
    return byte == '{' ? HT_MAP : HT_SEQ;
}

static enum hs_token lex_close(struct hs_lexer *x, int byte) {
    (void)hs_take(x->in);
    if (x->depth == 0) return (void)hs_lex_bad(x, "'%c' closes nothing", byte), HT_BAD;
    const struct hs_frame *frame = &x->frames[x->depth - 1];
    if (frame->closer != byte) return (void)hs_lex_bad(x, "'%c' where '%c' must come", byte, frame->closer), HT_BAD;
    if (x->edn ? frame->odd : frame->expect != HX_FIRST && frame->expect != HX_COMMA)
        return bad(x, frame->map ? "a map ends after a key without its value" : "a comma without a value behind it");
    x->depth--;
    return HT_CLOSE;
}

static enum hs_token lex_end(struct hs_lexer *x) {
    if (x->in->io_failed) return (void)hs_lex_status(x, VARVE_IO), HT_BAD;
    if (x->depth == 0) return HT_END;
    return (void)hs_lex_bad(x, "the file ends %u bracket%s deep: '%c' is missing", x->depth, x->depth == 1 ? "" : "s",
                            x->frames[x->depth - 1].closer),
           HT_BAD;
}

/* --- what stands between tokens ----------------------------------------------------------------------------------- */

static void pass_line(struct hs_lexer *x) {
    for (int byte = hs_peek(x->in); byte >= 0 && byte != '\n'; byte = hs_peek(x->in)) (void)hs_take(x->in);
}

/* JSON: a comma or a colon moves the state of its container on. */
static bool separator(struct hs_lexer *x, int byte) {
    struct hs_frame *frame = x->depth == 0 ? NULL : &x->frames[x->depth - 1];
    if (frame == NULL || frame->expect != (byte == ',' ? HX_COMMA : HX_COLON))
        return (void)hs_lex_bad(x, "'%c' where none belongs", byte), false;
    frame->expect = byte == ',' ? HX_ITEM : HX_VALUE;
    return true;
}

/* The next byte that begins a token, or -1; *good is false after a fault. */
static int pass_blanks(struct hs_lexer *x, bool *good) {
    *good = true;
    for (;;) {
        int byte = hs_peek(x->in);
        x->line = x->in->line;
        if (byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r' || (x->edn && byte == ','))
            (void)hs_take(x->in);
        else if (x->edn && byte == ';')
            pass_line(x);
        else if (!x->edn && (byte == ',' || byte == ':')) {
            (void)hs_take(x->in);
            if (!(*good = separator(x, byte))) return -1;
        } else
            return byte;
    }
}

static enum hs_token lex_value(struct hs_lexer *x);

/* Everything EDN begins with a hash: sets, discards, symbolic numbers, tags. */
static enum hs_token lex_hash(struct hs_lexer *x) {
    (void)hs_take(x->in);
    int byte = hs_peek(x->in);
    if (byte == '{') {
        enum hs_token token = lex_open(x, byte);
        if (token == HT_MAP) x->frames[x->depth - 1].map = false;
        return token == HT_MAP ? HT_SEQ : token;
    }
    if (!in_word(byte) && byte != '_') return bad(x, "a '#' that begins nothing");
    x->size = 0;
    if (byte == '_') {
        (void)hs_take(x->in);
        if (++x->discards > HS_DEPTH_MAX) return bad(x, "more than 64 discards in a row");
        unsigned depth = x->depth;
        x->token = lex_value(x);
        if (x->token == HT_CLOSE || x->token == HT_END) return bad(x, "'#_' before nothing");
        while (x->token != HT_BAD && x->depth > depth) x->token = hs_lex(x);
        x->discards--;
        return x->token == HT_BAD ? HT_BAD : lex_value(x);
    }
    if (!take_word(x)) return HT_BAD;
    if (x->text[0] == '#') return HT_NUMBER;
    if (++x->discards > HS_DEPTH_MAX) return bad(x, "more than 64 tags in a row");
    enum hs_token token = lex_value(x);
    x->discards--;
    return token == HT_CLOSE || token == HT_END ? bad(x, "a tag before nothing") : token;
}

static enum hs_token lex_value(struct hs_lexer *x) {
    bool good;
    int byte = pass_blanks(x, &good);
    x->size = 0;
    if (!good) return HT_BAD;
    if (byte < 0) return lex_end(x);
    if (byte == '{' || byte == '[' || (byte == '(' && x->edn)) return lex_open(x, byte);
    if (byte == '}' || byte == ']' || (byte == ')' && x->edn)) return lex_close(x, byte);
    if (byte == '"') return (void)hs_take(x->in), lex_string(x);
    if (x->edn && byte == '#') return lex_hash(x);
    if (x->edn && byte == ':') return lex_keyword(x);
    if (x->edn && byte == '\\') {
        (void)hs_take(x->in);
        return add(x, hs_take(x->in)) && take_word(x) ? HT_NAME : bad(x, "a broken character");
    }
    if (in_word(byte) && byte < 0x80 && byte != '\'') return lex_word(x, byte);
    if (byte > ' ' && byte < 0x7f) return (void)hs_lex_bad(x, "'%c' where a value must come", byte), HT_BAD;
    return (void)hs_lex_bad(x, "byte 0x%02x does not belong in a history of text", byte), HT_BAD;
}

/* A value has come in the innermost container `frame`. */
static bool advance(struct hs_lexer *x, struct hs_frame *frame, enum hs_token token) {
    if (x->edn) {
        if (frame->map) frame->odd = !frame->odd;
        return true;
    }
    if (frame->expect == HX_COMMA) return bad(x, "a comma is missing before this value"), false;
    if (frame->expect == HX_COLON) return bad(x, "a colon is missing before this value"), false;
    if (frame->map && frame->expect != HX_VALUE) {
        frame->expect = HX_COLON;
        return token == HT_STRING || (bad(x, "a member name that is not a string"), false);
    }
    frame->expect = HX_COMMA;
    return true;
}

enum hs_token hs_lex(struct hs_lexer *x) {
    if (x->status != VARVE_OK) return x->token = HT_BAD;
    enum hs_token token = lex_value(x);
    if (token == HT_BAD || token == HT_CLOSE || token == HT_END) return x->token = token;
    unsigned own = token == HT_MAP || token == HT_SEQ; /* a bracket counts in the container around it */
    if (x->depth > own && !advance(x, &x->frames[x->depth - 1 - own], token)) return x->token = HT_BAD;
    return x->token = token;
}

void hs_lex_skip(struct hs_lexer *x) {
    if (x->token != HT_MAP && x->token != HT_SEQ) return;
    for (unsigned depth = x->depth; x->depth >= depth && hs_lex(x) != HT_BAD;) continue;
}

/* --- the last token as something ---------------------------------------------------------------------------------- */

int hs_lex_i64(struct hs_lexer *x, const char *what, int64_t *value) {
    if (x->token != HT_INTEGER) return hs_lex_bad(x, "%s is not a whole number", what);
    if (x->huge || x->magnitude > INT64_MAX) return hs_lex_bad(x, "%s is out of range: %.40s", what, x->text);
    *value = x->negative ? -(int64_t)x->magnitude : (int64_t)x->magnitude;
    return VARVE_OK;
}

int hs_lex_u64(struct hs_lexer *x, const char *what, uint64_t *value) {
    if (x->token != HT_INTEGER) return hs_lex_bad(x, "%s is not a whole number", what);
    if (x->huge || (x->negative && x->magnitude != 0)) return hs_lex_bad(x, "%s is out of range: %.40s", what, x->text);
    *value = x->magnitude;
    return VARVE_OK;
}

bool hs_lex_is(const struct hs_lexer *x, const char *word) {
    return (x->token == HT_STRING || x->token == HT_NAME) &&
           strcmp(x->text == NULL || x->size == 0 ? "" : x->text, word) == 0;
}

int hs_lex_key(struct hs_lexer *x, struct hs_history *history, uint32_t *id) {
    if (x->token != HT_STRING && x->token != HT_NAME && x->token != HT_INTEGER)
        return hs_lex_bad(x, "a key must be a string, a name or a whole number");
    return hs_lex_status(x, hs_key(history, x->size == 0 ? "" : x->text, x->size, id));
}
