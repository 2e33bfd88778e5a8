/* parse_int.h - the parser from the inside: a line being read, and the tables of words.
 *
 * A reader stands in one line of the text. Every function that reads moves it on and answers false with *problem filled
 * when what stands there is not what it wants; the first problem of a parse is the one that is reported. Keys get
 * numbers in the order in which they are met and are put in byte order at the end (ssp_keys_in_order).
 *
 * Thread rule: one thread a parse.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_PARSE_INT_H
#define VARVE_SUITE_PARSE_INT_H

#include "schedule/schedule.h"

struct ssp_reader {
    const char *at, *end; /* what is left of the line, comment taken off */
    unsigned line;
    struct ss_schedule *schedule;
    struct ss_problem *problem;
};

enum { SP_WORD_BYTES = 64 };

bool ssp_fail(const struct ssp_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- words of the format (words.c) --- */

/* The index of `word` in names[count], or -1. */
int ssp_find(const char *const *names, unsigned count, const char *word);
/* The name nearest to `word` by edit distance, or NULL when none is near. */
const char *ssp_nearest(const char *const *names, unsigned count, const char *word);
/* As ssp_find; fails with "`word` is not a `what`" and the nearest name, or all names. */
bool ssp_choose(const struct ssp_reader *reader, const char *const *names, unsigned count, const char *what,
                const char *word, unsigned *index);
extern const char *const ssp_verbs[SS_VERBS];
bool ssp_level(const struct ssp_reader *reader, const char *word, varve_isolation *level);

/* --- reading a line (read.c) --- */

void ssp_blanks(struct ssp_reader *reader);
bool ssp_at_end(struct ssp_reader *reader);                   /* after blanks */
bool ssp_accept(struct ssp_reader *reader, const char *text); /* after blanks; false without a problem */
bool ssp_expect(struct ssp_reader *reader, const char *text);
/* Letters and digits (and `also`), at least one; fails with "expected `what`". */
bool ssp_word(struct ssp_reader *reader, const char *also, const char *what, char *word, size_t word_bytes);
bool ssp_number(struct ssp_reader *reader, int64_t *number); /* an optional -, digits; within 2^62 */
bool ssp_count(struct ssp_reader *reader, const char *what, unsigned most, unsigned *count);
bool ssp_key(struct ssp_reader *reader, uint8_t *key);
bool ssp_range(struct ssp_reader *reader, struct ss_range *range); /* [LOW,HIGH) */
bool ssp_line_ends(struct ssp_reader *reader);
/* sN.M -> index into steps[]; sN alone -> *step = SS_STEPS_MAX. */
bool ssp_step_name(struct ssp_reader *reader, bool alone_allowed, uint8_t *session, uint8_t *step);
/* As many bytes as fit of what is left, runs of blanks made one; false when it does not fit. */
bool ssp_rest(struct ssp_reader *reader, char *text, size_t text_bytes);

/* --- the parts of a file --- */

bool ssp_expression(struct ssp_reader *reader, struct ss_expression *expression); /* expression.c */
bool ssp_session(struct ssp_reader *reader, unsigned session);                    /* steps.c */
const char *ssp_status_name(int status); /* expect.c; the word for it in a condition */
bool ssp_run_line(struct ssp_reader *reader);                                     /* expect.c */
bool ssp_anomaly_line(struct ssp_reader *reader);
bool ssp_rule_line(struct ssp_reader *reader, enum ss_rule_kind kind);
/* What needs all of it: transactions, savepoints, cursors, what expressions refer to. */
bool ssp_check_sessions(struct ssp_reader *reader); /* check.c */
bool ssp_check_rules(struct ssp_reader *reader);
void ssp_keys_in_order(struct ss_schedule *schedule);

#endif
