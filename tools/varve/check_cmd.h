/* check_cmd.h - what the files of `varve check` share: what was asked, and progress while a long phase runs.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TOOLS_CHECK_CMD_H
#define VARVE_TOOLS_CHECK_CMD_H

#include <stdbool.h>

#include "checker/checker.h"

enum { EXIT_UNDECIDED = 4 };

struct check_ask {
    const char *file; /* NULL: none; "-": standard input */
    enum hs_format format;
    struct ck_options options;
    const char *svg, *dot, *out;
    enum hs_format convert; /* HS_FORMAT_AUTO: do not */
    uint64_t make;          /* transactions to make up in place of a file; 0 = none */
    bool json, quiet, shrink, help;
};

/* What came out, for printing. */
struct check_result {
    const struct check_ask *ask;
    const struct hs_history *history; /* the one judged: the small one after --shrink */
    const struct ck_report *report;
    uint64_t txns; /* of the history as it was read */
    uint64_t read_ns, judge_ns;
    uint64_t history_bytes; /* held by the history as it was read */
};
const char *check_level_name(varve_isolation level);
void check_print_text(const struct check_result *result);
void check_print_json(const struct check_result *result);

/* Opens FILE ("-": standard input) so that what is read counts as progress. NULL with errno. */
FILE *check_open(const char *file);
/* From here on the terminal is told, once a second, that `what` goes on, from two seconds of it on. A thread of its
 * own; nothing where standard error is no terminal or `quiet`. */
void check_progress_start(bool quiet);
void check_progress_phase(const char *what, bool reading);
void check_progress_end(void);
uint64_t check_now_ns(void);

/* A serial history of `txns` transactions of eight operations, each four keys read and written: to measure with. */
int check_make(uint64_t txns, struct hs_history *history);

#endif
