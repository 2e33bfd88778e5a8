/* check.c - `varve check`: reads a history, judges it, prints and draws what was found; or turns it into another form.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "check_cmd.h"
#include "report/picture.h"
#include "varve_cmd.h"

static int help(void) {
    fputs(
        "varve check FILE [OPTION...]             FILE - is standard input\n\n"
        "Reads the history of a database's transactions and says whether an isolation level allows it; if not, which\n"
        "anomaly it shows, with a proof. No database is needed.\n\n"
        "  --format NAME      jsonl, binary (ours), edn-list, edn-register, json-list, json-register (Jepsen, Elle),\n"
        "                     plume (PolySI, IsoVista), dbcop; left out: from the first bytes\n"
        "  --level LEVEL      ru, rc, rr, si or ser (the default): judges transactions of which no level is known\n"
        "  --all-levels       judges all transactions at LEVEL, whatever they ran at\n"
        "  --no-strict        real-time order does not count\n"
        "  --sessions         the order of transactions in one session counts\n"
        "  --steps N          bound of the search where no version order is known\n"
        "  --shrink           leaves out what the anomaly does not need, and shows what is left\n"
        "  --svg FILE         a picture of what was found (of all, at most 64 transactions, if nothing was)\n"
        "  --dot FILE         the same for graphviz\n"
        "  --json             the answer for programs\n"
        "  --quiet            the verdict alone\n"
        "  --convert NAME     writes the history (after --shrink: the small one) in another form, to --out FILE or\n"
        "                     standard output; without --shrink nothing is judged\n"
        "  --make N           no FILE: makes up a serial history of N transactions of eight operations, to measure "
        "with\n"
        "  --run              no FILE: random transactions on this engine, recorded and judged (varve check --run "
        "--help)\n\n"
        "Exit status: 0 ok, 1 a violation, 2 usage or not a history, 3 the machine failed, 4 unknown: neither a\n"
        "violation nor its absence could be shown within the bounds of the search.\n",
        stdout);
    return EXIT_DONE;
}

/* --- options ------------------------------------------------------------------------------------------------------ */

static bool set_flag(struct check_ask *ask, const char *name) {
    if (strcmp(name, "--json") == 0)
        ask->json = true;
    else if (strcmp(name, "--quiet") == 0)
        ask->quiet = true;
    else if (strcmp(name, "--shrink") == 0)
        ask->shrink = true;
    else if (strcmp(name, "--sessions") == 0)
        ask->options.sessions = true;
    else if (strcmp(name, "--no-strict") == 0)
        ask->options.strict = false;
    else if (strcmp(name, "--all-levels") == 0)
        ask->options.no_own_level = true;
    else if (strcmp(name, "--help") == 0)
        ask->help = true;
    else
        return false;
    return true;
}

static bool parse_level(const char *text, varve_isolation *level) {
    static const char *const names[] = {"ru", "rc", "rr", "si", "ser"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        varve_isolation at = (varve_isolation)(VARVE_READ_UNCOMMITTED + i);
        if (strcmp(text, names[i]) != 0 && strcmp(text, check_level_name(at)) != 0) continue;
        *level = at;
        return true;
    }
    return false;
}

static bool parse_count(const char *text, uint64_t *count) {
    char *end;
    errno = 0;
    *count = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == 0 && text[0] != '-' && *count != 0;
}

/* False: no such option. */
static bool set_value(struct check_ask *ask, const char *name, const char *value, bool *good) {
    *good = true;
    if (strcmp(name, "--format") == 0)
        *good = hs_format_find(value, &ask->format);
    else if (strcmp(name, "--convert") == 0)
        *good = hs_format_find(value, &ask->convert) && ask->convert != HS_FORMAT_AUTO;
    else if (strcmp(name, "--level") == 0)
        *good = parse_level(value, &ask->options.level);
    else if (strcmp(name, "--steps") == 0)
        *good = parse_count(value, &ask->options.search_steps);
    else if (strcmp(name, "--make") == 0)
        *good = parse_count(value, &ask->make) && ask->make < UINT32_MAX;
    else if (strcmp(name, "--svg") == 0)
        ask->svg = value;
    else if (strcmp(name, "--dot") == 0)
        ask->dot = value;
    else if (strcmp(name, "--out") == 0)
        ask->out = value;
    else
        return false;
    return true;
}

static int unknown_option(const char *name) {
    static const char *const known[] = {"--format",     "--level", "--no-strict", "--sessions", "--json", "--svg",
                                        "--dot",        "--steps", "--shrink",    "--convert",  "--out",  "--quiet",
                                        "--all-levels", "--make",  "--run",       "--help"};
    return cmd_unknown_option(name, known, sizeof known / sizeof *known);
}

static int bad_value(const char *name, const char *value) {
    bool of_format = strcmp(name, "--format") == 0 || strcmp(name, "--convert") == 0;
    if (value == NULL)
        fprintf(stderr, "varve: option %s: a value is missing\n", name);
    else if (of_format) {
        const char *names[HS_FORMATS];
        for (unsigned i = 0; i < HS_FORMATS; i++) names[i] = hs_format_name((enum hs_format)i);
        fprintf(stderr, "varve: option %s: no form '%s'; the nearest is '%s'\n", name, value,
                vb_nearest(value, names, HS_FORMATS));
    } else
        fprintf(stderr, "varve: option %s: '%s' is not acceptable (varve check --help tells more)\n", name, value);
    return EXIT_USAGE;
}

static int parse(struct check_ask *ask, int argc, char **argv) {
    bool words_only = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool good;
        if (words_only || word[0] != '-' || word[1] == 0) {
            if (ask->file != NULL) return cmd_usage("check takes one file");
            ask->file = word;
        } else if (strcmp(word, "--") == 0)
            words_only = true;
        else if (set_flag(ask, word))
            continue;
        else if (!set_value(ask, word, value == NULL ? "" : value, &good))
            return unknown_option(word);
        else if (value == NULL || !good)
            return bad_value(word, value);
        else
            i++;
    }
    if (ask->help) return 0;
    if ((ask->file == NULL) == (ask->make == 0)) return cmd_usage("check takes one file, or --make N");
    if (ask->out != NULL && ask->convert == HS_FORMAT_AUTO) return cmd_usage("--out goes with --convert NAME");
    if (ask->convert != HS_FORMAT_AUTO && ask->out == NULL && ask->shrink)
        return cmd_usage("--shrink --convert NAME needs --out FILE");
    return 0;
}

/* --- reading and writing ------------------------------------------------------------------------------------------ */

static int tell_problem(const char *what, const struct hs_problem *problem) {
    if (problem->line != 0)
        fprintf(stderr, "varve: %s: line %llu: %s\n", what, (unsigned long long)problem->line, problem->text);
    else
        fprintf(stderr, "varve: %s: %s\n", what, problem->text);
    return EXIT_USAGE;
}

static int read_history(const struct check_ask *ask, struct hs_history *history) {
    struct hs_problem problem = {0};
    if (ask->make != 0) {
        check_progress_phase("making up a history", false);
        int status = check_make(ask->make, history);
        return status == VARVE_OK ? EXIT_DONE : cmd_fail("--make", status, NULL);
    }
    FILE *in = check_open(ask->file);
    if (in == NULL) return cmd_fail(ask->file, VARVE_IO, strerror(errno));
    check_progress_phase("reading", true);
    errno = 0;
    int status = hs_read(in, ask->format, history, &problem);
    int code = errno;
    fclose(in);
    if (status == VARVE_OK) return EXIT_DONE;
    check_progress_end();
    if (status == VARVE_INVALID) return tell_problem(ask->file, &problem);
    return cmd_fail(ask->file, status, status == VARVE_IO ? strerror(code) : NULL);
}

static int convert(const struct check_ask *ask, const struct hs_history *history) {
    struct hs_problem problem = {0};
    FILE *out = ask->out == NULL ? stdout : fopen(ask->out, "w");
    const char *what = ask->out == NULL ? "standard output" : ask->out;
    if (out == NULL) return cmd_fail(what, VARVE_IO, strerror(errno));
    check_progress_phase("writing", false);
    int status = hs_write(out, ask->convert, history, &problem);
    if ((out == stdout ? fflush(out) : fclose(out)) != 0 && status == VARVE_OK) status = VARVE_IO;
    check_progress_end();
    if (status == VARVE_OK) return EXIT_DONE;
    return status == VARVE_INVALID ? tell_problem(what, &problem) : cmd_fail(what, status, strerror(errno));
}

typedef int draw_fn(FILE *out, const struct hs_history *history, const struct ck_finding *finding, const char *title);

static int draw(const char *file, draw_fn *fn, const struct hs_history *history, const struct ck_report *report) {
    if (file == NULL) return EXIT_DONE;
    bool found = report->verdict == CK_VIOLATION;
    FILE *out = fopen(file, "w");
    if (out == NULL) return cmd_fail(file, VARVE_IO, strerror(errno));
    int status = fn(out, history, found ? &report->finding : NULL,
                    found ? ck_anomaly_name(report->finding.anomaly) : "a history");
    if (fclose(out) != 0 && status == VARVE_OK) status = VARVE_IO;
    return status == VARVE_OK ? EXIT_DONE : cmd_fail(file, status, strerror(errno));
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

static int show(const struct check_result *r) {
    static const int exits[] = {[CK_OK] = EXIT_DONE, [CK_VIOLATION] = EXIT_NO, [CK_UNKNOWN] = EXIT_UNDECIDED};
    const struct check_ask *ask = r->ask;
    if (ask->json)
        check_print_json(r);
    else
        check_print_text(r);
    int status = draw(ask->svg, sp_svg, r->history, r->report);
    if (status == EXIT_DONE) status = draw(ask->dot, sp_dot, r->history, r->report);
    if (status == EXIT_DONE && ask->convert != HS_FORMAT_AUTO) status = convert(ask, r->history);
    return status == EXIT_DONE ? exits[r->report->verdict] : status;
}

static int shrink(struct check_result *r) {
    struct hs_history small;
    struct ck_report *report = calloc(1, sizeof *report);
    if (report == NULL) return cmd_fail("shrinking", VARVE_NOMEM, NULL);
    check_progress_phase("shrinking", false);
    int status = ck_shrink(r->history, &r->ask->options, r->report, &small, report);
    check_progress_end();
    if (status != VARVE_OK) {
        free(report);
        return cmd_fail("shrinking", status, NULL);
    }
    struct check_result of_small = *r;
    of_small.history = &small;
    of_small.report = report;
    int result = show(&of_small);
    hs_release(&small);
    free(report);
    return result;
}

static int judge(struct check_result *r, struct ck_report *report) {
    const struct check_ask *ask = r->ask;
    uint64_t began = check_now_ns();
    check_progress_phase("judging", false);
    int status = ck_check(r->history, &ask->options, report);
    r->judge_ns = check_now_ns() - began;
    r->report = report;
    if (status == VARVE_OK && ask->shrink && report->verdict == CK_VIOLATION) return shrink(r);
    check_progress_end();
    return status == VARVE_OK ? show(r) : cmd_fail("judging", status, NULL);
}

int cmd_check(int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--run") == 0) return cmd_check_run(argc, argv);
    struct check_ask ask = {.options = {.level = VARVE_SERIALIZABLE, .strict = true}};
    int status = parse(&ask, argc, argv);
    if (status != 0) return status;
    if (ask.help) return help();
    struct hs_history history;
    struct ck_report *report = calloc(1, sizeof *report);
    if (report == NULL) return cmd_fail("check", VARVE_NOMEM, NULL);
    hs_init(&history);
    uint64_t began = check_now_ns();
    check_progress_start(ask.quiet);
    status = read_history(&ask, &history);
    struct check_result result = {.ask = &ask, .history = &history, .txns = history.txn_count};
    result.read_ns = check_now_ns() - began;
    result.history_bytes = hs_memory(&history);
    if (status == EXIT_DONE)
        status = ask.convert != HS_FORMAT_AUTO && !ask.shrink ? convert(&ask, &history) : judge(&result, report);
    check_progress_end();
    hs_release(&history);
    free(report);
    return status;
}
