/* expression.c - reads an integer expression into postfix: sums of products of numbers, r(KEY), sum(), count().
 *
 * SPDX-License-Identifier: MIT
 */
#include "schedule/parse_int.h"

enum { NESTING_MAX = 12 };

static bool sum_of(struct ssp_reader *reader, struct ss_expression *expression, unsigned nesting);

static bool put(struct ssp_reader *reader, struct ss_expression *expression, struct ss_term term) {
    if (expression->count == SS_TERMS_MAX) return ssp_fail(reader, "an expression of more than %d terms", SS_TERMS_MAX);
    expression->terms[expression->count++] = term;
    return true;
}

static bool put_kind(struct ssp_reader *reader, struct ss_expression *expression, enum ss_term_kind kind) {
    return put(reader, expression, (struct ss_term){.kind = (uint8_t)kind});
}

static bool function_of(struct ssp_reader *reader, struct ss_expression *expression) {
    static const char *const names[] = {"r", "sum", "count"};
    static const enum ss_term_kind kinds[] = {SS_READ_OF, SS_SUM, SS_COUNT};
    char word[SP_WORD_BYTES];
    unsigned which = 0;
    if (!ssp_word(reader, "", "a number, r(KEY), sum(), count() or (", word, sizeof word) ||
        !ssp_choose(reader, names, 3, "function of an expression", word, &which) || !ssp_expect(reader, "("))
        return false;
    struct ss_term term = {.kind = (uint8_t)kinds[which]};
    if (term.kind == SS_READ_OF && !ssp_key(reader, &term.key)) return false;
    return ssp_expect(reader, ")") && put(reader, expression, term);
}

static bool next_is_digit(const struct ssp_reader *reader, unsigned ahead) {
    return reader->at + ahead < reader->end && reader->at[ahead] >= '0' && reader->at[ahead] <= '9';
}

static bool factor(struct ssp_reader *reader, struct ss_expression *expression, unsigned nesting) {
    ssp_blanks(reader);
    bool minus = reader->at < reader->end && *reader->at == '-';
    if (next_is_digit(reader, minus ? 1 : 0)) {
        struct ss_term term = {.kind = SS_NUMBER};
        return ssp_number(reader, &term.number) && put(reader, expression, term);
    }
    if (nesting == NESTING_MAX) return ssp_fail(reader, "an expression nested more than %d deep", NESTING_MAX);
    if (ssp_accept(reader, "-"))
        return put_kind(reader, expression, SS_NUMBER) && factor(reader, expression, nesting + 1) &&
               put_kind(reader, expression, SS_MINUS);
    if (ssp_accept(reader, "(")) return sum_of(reader, expression, nesting + 1) && ssp_expect(reader, ")");
    return function_of(reader, expression);
}

static bool product(struct ssp_reader *reader, struct ss_expression *expression, unsigned nesting) {
    if (!factor(reader, expression, nesting)) return false;
    while (ssp_accept(reader, "*"))
        if (!factor(reader, expression, nesting) || !put_kind(reader, expression, SS_TIMES)) return false;
    return true;
}

static bool sum_of(struct ssp_reader *reader, struct ss_expression *expression, unsigned nesting) {
    if (!product(reader, expression, nesting)) return false;
    for (;;) {
        bool plus = ssp_accept(reader, "+");
        if (!plus && !ssp_accept(reader, "-")) return true;
        if (!product(reader, expression, nesting) || !put_kind(reader, expression, plus ? SS_PLUS : SS_MINUS))
            return false;
    }
}

bool ssp_expression(struct ssp_reader *reader, struct ss_expression *expression) {
    expression->count = 0;
    return sum_of(reader, expression, 0);
}
