/* main.c - the `varve` command: which verb, which options.
 *
 * Verbs over a database share one flat set of options, taken out here. Verbs without one (raw_verbs) get their words
 * untouched and parse, help included, for themselves.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "varve_cmd.h"

struct verb {
    const char *name;
    int (*run)(struct cmd *cmd);
    int least, most; /* words after the verb */
    const char *usage;
};

static const struct verb verbs[] = {
    {"get", cmd_get, 3, 3, "varve get DIR TABLE KEY                 print the value of a key"},
    {"put", cmd_put, 4, 4, "varve put DIR TABLE KEY VALUE           set it"},
    {"del", cmd_del, 3, 3, "varve del DIR TABLE KEY                 delete it"},
    {"scan", cmd_scan, 2, 2, "varve scan DIR TABLE [--prefix P] [--low K] [--high K] [--reverse] [--limit N] [--keys]"},
    {"load", cmd_load, 2, 3,
     "varve load DIR TABLE [FILE]             rows from a file or standard input [--format tsv|json] [--batch N]"},
    {"dump", cmd_dump, 2, 3,
     "varve dump DIR TABLE [FILE]             rows to a file or standard output [--format tsv|json]"},
    {"stat", cmd_stat, 1, 1, "varve stat DIR [--json]                 counters and sizes"},
    {"checkpoint", cmd_checkpoint, 1, 1,
     "varve checkpoint DIR                    write a checkpoint and free the log before it"},
    {"constraint", cmd_constraint, 3, -1, "varve constraint add|list|drop DIR TABLE [RULE...]"},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

/* Verbs that parse their own options: run gets what follows the verb. */
struct raw_verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
};
static const struct raw_verb raw_verbs[] = {
    {"anomalies", cmd_anomalies,
     "varve anomalies [OPTION...]             which anomalies each scheme shows and prevents (varve anomalies --help)"},
    {"bench", cmd_bench, "varve bench [OPTION...]                 loads, measured (varve bench --help)"},
    {"check", cmd_check, "varve check FILE [OPTION...]            judge a history (varve check --help)"},
};
enum { RAW_VERBS = sizeof raw_verbs / sizeof *raw_verbs };

static int help(FILE *out, int status) {
    fprintf(out, "varve %s - an embeddable transactional ordered key-value engine\n\n", varve_version());
    for (size_t i = 0; i < VERBS; i++) fprintf(out, "  %s\n", verbs[i].usage);
    for (size_t i = 0; i < RAW_VERBS; i++) fprintf(out, "  %s\n", raw_verbs[i].usage);
    fputs("\n--options TEXT gives the database's options, as varve_open takes them (\"cc=occ,sync=none\").\n"
          "TSV: key, tab, value; \\t \\n \\\\ and \\xHH are escapes. JSON lines: {\"k\":..,\"v\":..}, or k64 and v64.\n"
          "Exit status: 0 done, 1 the answer is no, 2 usage, 3 the database or the machine failed.\n",
          out);
    return status;
}

int cmd_usage(const char *text) {
    fprintf(stderr, "varve: %s (varve --help tells more)\n", text);
    return EXIT_USAGE;
}

static const struct verb *find_verb(const char *name) {
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    return NULL;
}

static const struct raw_verb *find_raw_verb(const char *name) {
    for (size_t i = 0; i < RAW_VERBS; i++)
        if (strcmp(raw_verbs[i].name, name) == 0) return &raw_verbs[i];
    return NULL;
}

static int unknown_verb(const char *name) {
    const char *names[VERBS + RAW_VERBS];
    for (size_t i = 0; i < VERBS; i++) names[i] = verbs[i].name;
    for (size_t i = 0; i < RAW_VERBS; i++) names[VERBS + i] = raw_verbs[i].name;
    fprintf(stderr, "varve: no verb '%s'; the nearest is '%s' (varve --help tells more)\n", name,
            vb_nearest(name, names, VERBS + RAW_VERBS));
    return EXIT_USAGE;
}

/* --- options -------------------------------------------------------------------------------------------------------
 */

static bool parse_count(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == 0 && text[0] != '-';
}

/* Options with a value; false: not one of them. */
static bool set_value(struct cmd_options *o, const char *name, const char *value, bool *good) {
    *good = true;
    if (strcmp(name, "--options") == 0)
        o->db_options = value;
    else if (strcmp(name, "--format") == 0) {
        o->format = value;
        *good = strcmp(value, "tsv") == 0 || strcmp(value, "json") == 0;
        o->json = strcmp(value, "json") == 0;
    } else if (strcmp(name, "--prefix") == 0)
        o->prefix = value;
    else if (strcmp(name, "--low") == 0)
        o->low = value;
    else if (strcmp(name, "--high") == 0)
        o->high = value;
    else if (strcmp(name, "--limit") == 0)
        *good = parse_count(value, &o->limit);
    else if (strcmp(name, "--batch") == 0)
        *good = parse_count(value, &o->batch) && o->batch != 0;
    else
        return false;
    return true;
}

static bool set_flag(struct cmd_options *o, const char *name) {
    if (strcmp(name, "--json") == 0)
        o->json = true;
    else if (strcmp(name, "--reverse") == 0)
        o->reverse = true;
    else if (strcmp(name, "--keys") == 0)
        o->keys_only = true;
    else if (strcmp(name, "--quiet") == 0)
        o->quiet = true;
    else
        return false;
    return true;
}

int cmd_unknown_option(const char *name, const char *const *known, size_t count) {
    fprintf(stderr, "varve: no option '%s'; the nearest is '%s'\n", name, vb_nearest(name, known, count));
    return EXIT_USAGE;
}

static int unknown_option(const char *name) {
    static const char *const known[] = {"--options", "--format", "--prefix", "--low",     "--high",
                                        "--limit",   "--batch",  "--json",   "--reverse", "--keys",
                                        "--quiet",   "--help",   "--version"};
    return cmd_unknown_option(name, known, sizeof known / sizeof *known);
}

/* Takes the options out of argv; what is left are the words. "--" ends them. 0 or EXIT_USAGE. */
static int take_options(struct cmd *cmd, int argc, char **argv) {
    bool words_only = false;
    for (int i = 0; i < argc; i++) {
        if (words_only || argv[i][0] != '-' || argv[i][1] == 0) {
            cmd->argv[cmd->argc++] = argv[i];
            continue;
        }
        bool good = true;
        if (strcmp(argv[i], "--") == 0)
            words_only = true;
        else if (set_flag(&cmd->o, argv[i]))
            continue;
        else if (!set_value(&cmd->o, argv[i], i + 1 < argc ? argv[i + 1] : "", &good))
            return unknown_option(argv[i]);
        else if (i + 1 >= argc || !good) {
            fprintf(stderr, "varve: option %s: a value is missing or not acceptable\n", argv[i]);
            return EXIT_USAGE;
        } else
            i++;
    }
    return 0;
}

static int flushed(int status) {
    if (fflush(stdout) != 0 || ferror(stdout)) return cmd_fail("standard output", VARVE_IO, strerror(errno));
    return status;
}

int main(int argc, char **argv) {
    if (argc < 2) return help(stderr, EXIT_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) return help(stdout, EXIT_DONE);
    if (strcmp(argv[1], "--version") == 0) return printf("varve %s\n", varve_version()) < 0 ? EXIT_FAILED : EXIT_DONE;
    const struct raw_verb *raw = find_raw_verb(argv[1]);
    if (raw != NULL) return flushed(raw->run(argc - 2, argv + 2));
    const struct verb *verb = find_verb(argv[1]);
    if (verb == NULL) return unknown_verb(argv[1]);
    struct cmd cmd = {.verb = verb->name, .o = {.batch = 1000}};
    cmd.argv = argv + 2; /* words move down over the options that are taken out */
    int status = take_options(&cmd, argc - 2, argv + 2);
    if (status != 0) return status;
    if (cmd.argc < verb->least || (verb->most >= 0 && cmd.argc > verb->most)) {
        fprintf(stderr, "usage: %s\n", verb->usage);
        return EXIT_USAGE;
    }
    return flushed(verb->run(&cmd));
}
