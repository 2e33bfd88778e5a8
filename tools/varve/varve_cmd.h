/* varve_cmd.h - what the verbs of the `varve` command share: opening, exit codes, escapes, progress.
 *
 * Exit status: 0 done, 1 the answer is no (not found, refused by a rule), 2 usage, 3 the database or the machine
 * failed.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TOOLS_VARVE_CMD_H
#define VARVE_TOOLS_VARVE_CMD_H

#include <stdio.h>

#include "varve.h"

enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_USAGE = 2, EXIT_FAILED = 3 };

/* The options of all verbs; each verb says in the table which it takes. */
struct cmd_options {
    const char *db_options; /* --options TEXT */
    const char *format;     /* --format tsv|json; NULL: tsv */
    const char *prefix, *low, *high;
    uint64_t limit, batch;
    bool json, reverse, keys_only, quiet;
};

struct cmd {
    const char *verb;
    int (*run)(struct cmd *cmd);
    struct cmd_options o;
    int argc; /* words after the verb, options taken out */
    char **argv;
    varve_db *db;
    varve_table *table;
};

int cmd_get(struct cmd *cmd);
int cmd_put(struct cmd *cmd);
int cmd_del(struct cmd *cmd);
int cmd_scan(struct cmd *cmd);
int cmd_load(struct cmd *cmd);
int cmd_dump(struct cmd *cmd);
int cmd_stat(struct cmd *cmd);
int cmd_checkpoint(struct cmd *cmd);
int cmd_constraint(struct cmd *cmd);
int cmd_bench(int argc, char **argv); /* raw */
int cmd_check(int argc, char **argv); /* raw: parses its own options */
int cmd_check_run(int argc, char **argv); /* check --run: random transactions, recorded and judged */
int cmd_anomalies(int argc, char **argv); /* raw */
int cmd_space(int argc, char **argv);     /* anomalies --space: every small program */

/* Opens argv[0] as the database (never created unless `create`) and argv[1] as the table where `table`. 0, or the exit
 * status after a message. */
int cmd_open(struct cmd *cmd, bool create, bool table);
/* Closes; a failure turns `status` into EXIT_FAILED. */
int cmd_close(struct cmd *cmd, int status);
int cmd_exit_of(int status);                                  /* varve_status to exit status */
int cmd_fail(const char *what, int status, const char *text); /* prints "varve: WHAT: TEXT", returns the exit status */
int cmd_usage(const char *text);                              /* prints, returns EXIT_USAGE */
/* Names the nearest of the known options, returns EXIT_USAGE. */
int cmd_unknown_option(const char *name, const char *const *known, size_t count);

/* Escapes of TSV: \t \n \\ and \xHH for bytes that are not printable UTF-8. */
void cmd_write_escaped(FILE *out, varve_slice bytes);
/* Undoes them in place; false when an escape is broken. */
bool cmd_unescape(char *bytes, size_t *size);
/* One row as a TSV or JSON line. */
int cmd_write_row(FILE *out, bool json, varve_slice key, varve_slice value);
/* Reads a JSON line {"k":..,"v":..} or with k64, v64; the bytes are malloc'ed. NULL, or what is wrong. */
const char *cmd_parse_json(const char *line, size_t size, varve_slice *key, varve_slice *value);

/* Rows and rate on a terminal, once a second at most; the last call prints the total. */
struct cmd_progress {
    uint64_t rows, bytes, started_ns, last_ns;
    bool on;
    const char *what;
};
void cmd_progress_start(struct cmd_progress *p, const char *what, bool quiet);
void cmd_progress_row(struct cmd_progress *p, size_t bytes);
void cmd_progress_end(struct cmd_progress *p);

#endif
