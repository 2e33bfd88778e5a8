/* common.c - opening, closing, exit codes and progress.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "varve_cmd.h"

int cmd_exit_of(int status) {
    switch (status) {
    case VARVE_OK: return EXIT_DONE;
    case VARVE_NOTFOUND:
    case VARVE_EXISTS:
    case VARVE_END:
    case VARVE_CONSTRAINT: return EXIT_NO;
    case VARVE_INVALID:
    case VARVE_READONLY:
    case VARVE_TOOBIG:
    case VARVE_MISUSE: return EXIT_USAGE;
    default: return EXIT_FAILED;
    }
}

int cmd_fail(const char *what, int status, const char *text) {
    fprintf(stderr, "varve: %s: %s: %s\n", what, varve_strerror(status),
            text != NULL && text[0] != 0 ? text : varve_status_name(status));
    return cmd_exit_of(status);
}

int cmd_open(struct cmd *cmd, bool create, bool table) {
    char options[512];
    snprintf(options, sizeof options, "create=%s%s%s", create ? "true" : "false", cmd->o.db_options != NULL ? "," : "",
             cmd->o.db_options != NULL ? cmd->o.db_options : "");
    int status = varve_open(cmd->argv[0], options, &cmd->db);
    if (status != VARVE_OK) {
        int result = cmd_fail(cmd->argv[0], status, varve_db_error(cmd->db));
        if (cmd->db != NULL) (void)varve_close(cmd->db);
        return status == VARVE_NOTFOUND ? EXIT_FAILED : result;
    }
    if (!table) return 0;
    status = varve_table_open(cmd->db, cmd->argv[1], create ? NULL : "create=false", &cmd->table);
    if (status == VARVE_OK) return 0;
    return cmd_close(cmd, cmd_fail(cmd->argv[1], status, varve_db_error(cmd->db)));
}

int cmd_close(struct cmd *cmd, int result) {
    int status = varve_close(cmd->db);
    return status == VARVE_OK ? result : cmd_fail(cmd->argv[0], status, "close");
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void cmd_progress_start(struct cmd_progress *p, const char *what, bool quiet) {
    *p = (struct cmd_progress){.started_ns = now_ns(), .last_ns = now_ns(), .on = !quiet, .what = what};
}

static void print_progress(const struct cmd_progress *p, uint64_t now, const char *end) {
    double seconds = (double)(now - p->started_ns) / 1e9;
    fprintf(stderr, "\r%s %llu rows, %.1f MB, %.0f rows/s%s", p->what, (unsigned long long)p->rows,
            (double)p->bytes / 1e6, seconds > 0 ? (double)p->rows / seconds : 0.0, end);
}

void cmd_progress_row(struct cmd_progress *p, size_t bytes) {
    p->rows++;
    p->bytes += bytes;
    if (!p->on || p->rows % 1024 != 0 || !isatty(STDERR_FILENO)) return;
    uint64_t now = now_ns();
    if (now - p->last_ns < 1000000000u) return;
    p->last_ns = now;
    print_progress(p, now, "");
}

void cmd_progress_end(struct cmd_progress *p) {
    if (p->on) print_progress(p, now_ns(), "\n");
}
