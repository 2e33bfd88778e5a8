/* rows.c - get, put, del, scan, dump, load.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "varve_cmd.h"

static varve_slice word(const char *text) { return VARVE_SLICE(text, strlen(text)); }

/* A key from the command line, with the escapes of TSV. */
static varve_slice key_word(char *text) {
    size_t size = strlen(text);
    return cmd_unescape(text, &size) ? VARVE_SLICE(text, size) : word(text);
}

struct one {
    struct cmd *cmd;
    varve_slice key, value;
};

static int get_one(varve_txn *txn, void *arg) {
    struct one *one = arg;
    varve_slice value;
    int status = varve_get(txn, one->cmd->table, one->key, &value);
    if (status == VARVE_OK) {
        fwrite(value.data, 1, value.size, stdout);
        fputc('\n', stdout);
    }
    return status;
}
static int put_one(varve_txn *txn, void *arg) {
    struct one *one = arg;
    return varve_put(txn, one->cmd->table, one->key, one->value);
}
static int del_one(varve_txn *txn, void *arg) {
    struct one *one = arg;
    return varve_delete(txn, one->cmd->table, one->key);
}

static int run_one(struct cmd *cmd, bool create, varve_txn_fn fn, const char *value) {
    int result = cmd_open(cmd, create, true);
    if (result != 0) return result;
    varve_error error = VARVE_ERROR_INIT;
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.error = &error;
    struct one one = {cmd, key_word(cmd->argv[2]), value != NULL ? word(value) : VARVE_SLICE(NULL, 0)};
    int status = varve_run(cmd->db, &options, fn, &one);
    if (status == VARVE_NOTFOUND)
        result = EXIT_NO;
    else if (status != VARVE_OK)
        result = cmd_fail(cmd->argv[2], status, error.text);
    return cmd_close(cmd, result);
}

int cmd_get(struct cmd *cmd) { return run_one(cmd, false, get_one, NULL); }
int cmd_put(struct cmd *cmd) { return run_one(cmd, true, put_one, cmd->argv[3]); }
int cmd_del(struct cmd *cmd) { return run_one(cmd, false, del_one, NULL); }

/* --- scan and dump
 * ------------------------------------------------------------------------------------------------------ */

static int write_rows(struct cmd *cmd, varve_txn *txn, FILE *out, struct cmd_progress *progress) {
    varve_range range = {.limit = cmd->o.limit, .reverse = cmd->o.reverse};
    if (cmd->o.low != NULL) range.low = word(cmd->o.low);
    if (cmd->o.high != NULL) range.high = word(cmd->o.high);
    if (cmd->o.prefix != NULL) range.prefix = word(cmd->o.prefix);
    varve_cursor *cursor;
    int status = varve_cursor_open(txn, cmd->table, &range, &cursor);
    while (status == VARVE_OK) {
        varve_slice key, value;
        status = varve_cursor_next(cursor, &key, &value);
        if (status != VARVE_OK) break;
        if (cmd->o.keys_only) {
            cmd_write_escaped(out, key);
            fputc('\n', out);
        } else if (cmd_write_row(out, cmd->o.json, key, value) != 0)
            return VARVE_IO;
        if (progress != NULL) cmd_progress_row(progress, key.size + value.size);
    }
    return status == VARVE_END ? VARVE_OK : status;
}

static int read_all(struct cmd *cmd, FILE *out, struct cmd_progress *progress) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.read_only = true;
    varve_txn *txn;
    int status = varve_begin(cmd->db, &options, &txn);
    if (status != VARVE_OK) return cmd_fail(cmd->argv[1], status, varve_db_error(cmd->db));
    status = write_rows(cmd, txn, out, progress);
    int result = status != VARVE_OK ? cmd_fail(cmd->argv[1], status, varve_txn_error(txn)) : EXIT_DONE;
    varve_abort(txn);
    return result;
}

int cmd_scan(struct cmd *cmd) {
    int result = cmd_open(cmd, false, true);
    return result != 0 ? result : cmd_close(cmd, read_all(cmd, stdout, NULL));
}

int cmd_dump(struct cmd *cmd) {
    int result = cmd_open(cmd, false, true);
    if (result != 0) return result;
    FILE *out = cmd->argc > 2 ? fopen(cmd->argv[2], "wb") : stdout;
    if (out == NULL) return cmd_close(cmd, cmd_fail(cmd->argv[2], VARVE_IO, strerror(errno)));
    struct cmd_progress progress;
    cmd_progress_start(&progress, "dumped", cmd->o.quiet);
    result = read_all(cmd, out, &progress);
    cmd_progress_end(&progress);
    if (out != stdout && fclose(out) != 0) result = cmd_fail(cmd->argv[2], VARVE_IO, strerror(errno));
    return cmd_close(cmd, result);
}

/* --- load
 * ---------------------------------------------------------------------------------------------------------------- */

struct loader {
    struct cmd *cmd;
    FILE *in;
    const char *name;
    uint64_t line; /* of the row read last */
    varve_txn *txn;
    uint64_t in_batch;
    varve_error error;
    struct cmd_progress progress;
};

static int bad_line(struct loader *l, int status, const char *text) {
    fprintf(stderr, "varve: %s, line %llu: %s\n", l->name, (unsigned long long)l->line, text);
    return cmd_exit_of(status);
}

static int begin_batch(struct loader *l) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.error = &l->error;
    int status = varve_begin(l->cmd->db, &options, &l->txn);
    return status == VARVE_OK ? 0 : cmd_fail(l->name, status, l->error.text);
}

static int end_batch(struct loader *l) {
    if (l->txn == NULL) return 0;
    int status = varve_commit(l->txn);
    l->txn = NULL;
    l->in_batch = 0;
    return status == VARVE_OK ? 0 : bad_line(l, status, l->error.text);
}

static int put_row(struct loader *l, varve_slice key, varve_slice value) {
    int result = l->txn == NULL ? begin_batch(l) : 0;
    if (result != 0) return result;
    int status = varve_put(l->txn, l->cmd->table, key, value);
    if (status != VARVE_OK) return bad_line(l, status, varve_txn_error(l->txn));
    cmd_progress_row(&l->progress, key.size + value.size);
    return ++l->in_batch >= l->cmd->o.batch ? end_batch(l) : 0;
}

static int tsv_row(struct loader *l, char *line, size_t size) {
    char *tab = memchr(line, '\t', size);
    if (tab == NULL) return bad_line(l, VARVE_INVALID, "no tab between key and value");
    size_t key_size = (size_t)(tab - line), value_size = size - key_size - 1;
    if (!cmd_unescape(line, &key_size) || !cmd_unescape(tab + 1, &value_size))
        return bad_line(l, VARVE_INVALID, "a backslash is followed by none of t n \\ xHH");
    return put_row(l, VARVE_SLICE(line, key_size), VARVE_SLICE(tab + 1, value_size));
}

static int json_row(struct loader *l, const char *line, size_t size) {
    varve_slice key, value;
    const char *wrong = cmd_parse_json(line, size, &key, &value);
    int result = wrong != NULL ? bad_line(l, VARVE_INVALID, wrong) : put_row(l, key, value);
    free((void *)(uintptr_t)key.data);
    free((void *)(uintptr_t)value.data);
    return result;
}

static int load_lines(struct loader *l) {
    char *line = NULL;
    size_t capacity = 0;
    int result = 0;
    while (result == 0) {
        ssize_t got = getline(&line, &capacity, l->in);
        if (got < 0) break;
        l->line++;
        size_t size = (size_t)got - (line[got - 1] == '\n');
        if (size == 0) continue;
        result = l->cmd->o.json ? json_row(l, line, size) : tsv_row(l, line, size);
    }
    free(line);
    if (result == 0 && ferror(l->in)) result = cmd_fail(l->name, VARVE_IO, strerror(errno));
    if (result == 0) return end_batch(l);
    if (l->txn != NULL) varve_abort(l->txn); /* the batch of the bad line is not loaded; those before it are */
    fprintf(stderr, "varve: %llu rows before its batch are loaded\n",
            (unsigned long long)(l->progress.rows - l->in_batch));
    return result;
}

int cmd_load(struct cmd *cmd) {
    struct loader l = {.cmd = cmd, .in = stdin, .name = "standard input", .error = VARVE_ERROR_INIT};
    if (cmd->argc > 2 && strcmp(cmd->argv[2], "-") != 0) {
        l.name = cmd->argv[2];
        l.in = fopen(l.name, "rb");
        if (l.in == NULL) return cmd_fail(l.name, VARVE_IO, strerror(errno));
    }
    int result = cmd_open(cmd, true, true);
    if (result == 0) {
        cmd_progress_start(&l.progress, "loaded", cmd->o.quiet);
        result = load_lines(&l);
        cmd_progress_end(&l.progress);
        result = cmd_close(cmd, result);
    }
    if (l.in != stdin) fclose(l.in);
    return result;
}
