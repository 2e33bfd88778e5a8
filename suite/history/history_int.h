/* history_int.h - what the files of history share: growing columns, buffered input, the lexer of EDN and JSON, and the
 * reader and writer of each format. Private to history.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_HISTORY_INT_H
#define VARVE_SUITE_HISTORY_INT_H

#include "history/history.h"

/* Room for one more element: capacities double while small and grow by a quarter later, so that little is held in
 * vain. OK or NOMEM; on failure the column stays as it was. */
int hs_grow(void **column, size_t *capacity, size_t needed, size_t element_bytes);
void hs_column_trim(void **column, size_t *capacity, size_t count, size_t element_bytes); /* gives back spare room */
void hs_column_free(void *column, size_t capacity, size_t element_bytes); /* every grown column ends here */

void hs_index_free(struct hs_index *index);
uint64_t hs_index_memory(const struct hs_index *index);
int hs_rank_keys(struct hs_history *history); /* fills key_rank and key_order; OK or NOMEM */

/* Fills *problem (may be NULL) and returns VARVE_INVALID. */
int hs_bad(struct hs_problem *problem, uint64_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* --- input: bytes with a line number ------------------------------------------------------------------------------ */

enum { HS_INPUT_BYTES = 1 << 17 };
struct hs_input {
    FILE *file;
    uint8_t *buffer; /* [HS_INPUT_BYTES] */
    size_t at, end;
    uint64_t line;   /* of the next byte, 1-based */
    uint64_t before; /* bytes before the buffer */
    bool io_failed;
};
int hs_input_open(struct hs_input *in, FILE *file); /* fills the buffer once; OK, NOMEM or IO */
void hs_input_close(struct hs_input *in);
bool hs_input_fill(struct hs_input *in); /* false: nothing more (or io_failed) */
static inline int hs_peek(struct hs_input *in) {
    return in->at < in->end || hs_input_fill(in) ? in->buffer[in->at] : -1;
}
static inline int hs_take(struct hs_input *in) {
    int byte = hs_peek(in);
    if (byte < 0) return byte;
    in->at++;
    in->line += byte == '\n';
    return byte;
}
static inline uint64_t hs_input_offset(const struct hs_input *in) { return in->before + in->at; }

/* --- lexer: one stream of tokens for EDN and JSON ----------------------------------------------------------------- */

enum hs_token {
    HT_END, /* of the file, outside all brackets */
    HT_MAP,
    HT_SEQ, /* vector, list, set, array */
    HT_CLOSE,
    HT_STRING,
    HT_NAME, /* EDN: keyword without its colon, or symbol */
    HT_INTEGER,
    HT_NUMBER, /* with a fraction or exponent */
    HT_NULL,
    HT_TRUE,
    HT_FALSE,
    HT_BAD /* status and *problem say what */
};

enum { HS_DEPTH_MAX = 64, HS_TOKEN_MAX = 1 << 19 };
enum hs_expect { HX_FIRST, HX_ITEM, HX_COLON, HX_VALUE, HX_COMMA }; /* JSON: what may come next in a container */
struct hs_frame {
    uint8_t closer; /* ']', '}' or ')' */
    bool map;
    uint8_t expect; /* enum hs_expect */
    bool odd;       /* EDN map: a key without its value so far */
};
/* Brackets, commas and colons are checked here: the consumer sees values and HT_CLOSE only. */
struct hs_lexer {
    struct hs_input *in;
    struct hs_problem *problem;
    int status; /* OK until something is wrong; then every token is HT_BAD */
    bool edn;
    enum hs_token token; /* the last one */
    uint64_t line;       /* where it began */
    char *text;          /* of strings, names and numbers; ends with a zero beyond `size` */
    size_t size, capacity;
    uint64_t magnitude; /* of HT_INTEGER */
    bool negative, huge;
    unsigned depth, discards;
    struct hs_frame frames[HS_DEPTH_MAX];
};
void hs_lexer_init(struct hs_lexer *lexer, struct hs_input *in, bool edn, struct hs_problem *problem);
void hs_lexer_release(struct hs_lexer *lexer);
enum hs_token hs_lex(struct hs_lexer *lexer);
/* Passes over the rest of the value whose first token was the last one. */
void hs_lex_skip(struct hs_lexer *lexer);
/* INVALID at the line of the last token; keeps an earlier failure. */
int hs_lex_bad(struct hs_lexer *lexer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A status of ours (NOMEM, TOOBIG) becomes the lexer's. */
int hs_lex_status(struct hs_lexer *lexer, int status);
/* The last token as a number; `what` names it in the message. */
int hs_lex_i64(struct hs_lexer *lexer, const char *what, int64_t *value); /* INT64_MIN is out of range */
int hs_lex_u64(struct hs_lexer *lexer, const char *what, uint64_t *value);
bool hs_lex_is(const struct hs_lexer *lexer, const char *word); /* a string or name with this text */
/* Interns the last token (string, name or whole number) as a key. */
int hs_lex_key(struct hs_lexer *lexer, struct hs_history *history, uint32_t *id);

/* --- formats ------------------------------------------------------------------------------------------------------ */

/* Each reads into an empty history and does not finish it. */
int hs_read_jsonl(struct hs_input *in, struct hs_history *history, struct hs_problem *problem);
int hs_read_binary(struct hs_input *in, struct hs_history *history, struct hs_problem *problem);
enum hs_jepsen_shape { HJ_ANY, HJ_LISTS, HJ_REGISTERS };
int hs_read_jepsen(struct hs_input *in, bool edn, enum hs_jepsen_shape shape, struct hs_history *history,
                   struct hs_problem *problem);
int hs_read_plume(struct hs_input *in, struct hs_history *history, struct hs_problem *problem);
int hs_read_dbcop(struct hs_input *in, struct hs_history *history, struct hs_problem *problem);

int hs_write_jsonl(FILE *out, const struct hs_history *history, struct hs_problem *problem);
int hs_write_binary(FILE *out, const struct hs_history *history, struct hs_problem *problem);
int hs_write_jepsen(FILE *out, bool edn, const struct hs_history *history, struct hs_problem *problem);
int hs_write_plume(FILE *out, const struct hs_history *history, struct hs_problem *problem);
int hs_write_dbcop(FILE *out, const struct hs_history *history, struct hs_problem *problem);

/* What the foreign formats can hold: reads and writes of registers (or of lists, where `lists`), nothing undone. */
int hs_plain(const struct hs_history *history, bool lists, struct hs_problem *problem);
/* Each operation becomes a statement of its own: what the foreign formats mean. */
void hs_number_statements(struct hs_history *history);
/* The statement of an operation where none is written: that of its scan for a row, else the one after `before`, which
 * stands before it in its transaction (NULL: it is the first). */
uint16_t hs_usual_statement(enum hs_kind kind, const struct hs_op *before);
/* The decimal number that a key is the text of; false for others. */
bool hs_key_number(const struct hs_history *history, uint32_t id, uint64_t *number);
void hs_write_string(FILE *out, varve_slice bytes); /* quoted, escaped for JSON and EDN alike */
bool hs_is_utf8(varve_slice bytes);

/* A set of (key, value) pairs as 64-bit marks, to find a value written twice. A mark already there is only a hint. */
struct hs_marks {
    uint64_t *slots;
    size_t count, capacity;
};
int hs_mark(struct hs_marks *marks, uint32_t key, int64_t value, bool *seen); /* OK or NOMEM */

#endif
