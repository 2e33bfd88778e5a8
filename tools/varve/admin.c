/* admin.c - stat, checkpoint, constraint.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "varve_cmd.h"

static int print_table(void *arg, const char *name, varve_table *table) {
    (void)table;
    bool *first = arg;
    printf("%s\"%s\"", *first ? "" : ",", name); /* names need no escapes */
    *first = false;
    return 0;
}

static int list_table(void *arg, const char *name, varve_table *table) {
    (void)arg;
    (void)table;
    printf("table            %s\n", name);
    return 0;
}

int cmd_stat(struct cmd *cmd) {
    int result = cmd_open(cmd, false, false);
    if (result != 0) return result;
    varve_stats_info s = {.size = sizeof s};
    int status = varve_stats(cmd->db, &s);
    if (status != VARVE_OK) return cmd_close(cmd, cmd_fail(cmd->argv[0], status, varve_db_error(cmd->db)));
    const struct {
        const char *name;
        uint64_t value;
    } lines[] = {{"tables", s.tables},
                 {"records", s.records},
                 {"ghosts", s.ghosts},
                 {"clock", s.clock},
                 {"durable", s.durable},
                 {"memory_bytes", s.memory_bytes},
                 {"version_bytes", s.version_bytes},
                 {"recovered_rows", s.recovered_rows},
                 {"recovered_txns", s.recovered_txns},
                 {"log_bytes", s.log_bytes},
                 {"log_syncs", s.log_syncs}};
    bool first = true;
    printf(cmd->o.json ? "{\"cc\":\"%s\"" : "cc               %s\n", s.cc);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        printf(cmd->o.json ? ",\"%s\":%" PRIu64 : "%-16s %" PRIu64 "\n", lines[i].name, lines[i].value);
    if (cmd->o.json) fputs(",\"table_names\":[", stdout);
    (void)varve_table_list(cmd->db, cmd->o.json ? print_table : list_table, &first);
    if (cmd->o.json) puts("]}");
    return cmd_close(cmd, EXIT_DONE);
}

int cmd_checkpoint(struct cmd *cmd) {
    int result = cmd_open(cmd, false, false);
    if (result != 0) return result;
    int status = varve_checkpoint(cmd->db);
    if (status != VARVE_OK) result = cmd_fail(cmd->argv[0], status, varve_db_error(cmd->db));
    return cmd_close(cmd, result);
}

static int print_rule(void *arg, const char *rule) {
    (void)arg;
    return puts(rule) < 0;
}

/* The words of a rule as one text. */
static char *join(int count, char **words) {
    size_t size = 1;
    for (int i = 0; i < count; i++) size += strlen(words[i]) + 1;
    char *text = calloc(1, size);
    for (int i = 0; text != NULL && i < count; i++) {
        if (i != 0) strcat(text, " ");
        strcat(text, words[i]);
    }
    return text;
}

static int change_rules(struct cmd *cmd, const char *what, char *rule) {
    if (strcmp(what, "add") == 0) return varve_constraint_add(cmd->db, cmd->table, rule);
    if (strcmp(what, "drop") == 0) return varve_constraint_drop(cmd->db, cmd->table, rule);
    return varve_constraint_list(cmd->db, cmd->table, print_rule, NULL);
}

int cmd_constraint(struct cmd *cmd) {
    const char *what = cmd->argv[0];
    bool list = strcmp(what, "list") == 0;
    if (!list && strcmp(what, "add") != 0 && strcmp(what, "drop") != 0)
        return cmd_usage("constraint: add, list or drop");
    if (list != (cmd->argc == 3))
        return cmd_usage("constraint: add DIR TABLE NAME KIND PARAMETER..., drop DIR TABLE NAME, list DIR TABLE");
    char *rule = join(cmd->argc - 3, cmd->argv + 3);
    if (rule == NULL) return cmd_fail("constraint", VARVE_NOMEM, "");
    cmd->argv++;
    cmd->argc--;
    int result = cmd_open(cmd, false, true);
    if (result == 0) {
        int status = change_rules(cmd, what, rule);
        if (status < 0) result = cmd_fail(cmd->argv[1], status, varve_db_error(cmd->db));
        result = cmd_close(cmd, result);
    }
    free(rule);
    return result;
}
