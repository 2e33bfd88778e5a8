/* check_run.c - `varve check --run`: random transactions of many sessions on this engine, recorded and judged.
 *
 * One run for each scheme and level asked for; each prints a line when it is judged. A violation is shrunk, explained
 * and, with --export, kept. Exit status as for a file: 0 only when every run was found ok.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checker/checker.h"
#include "record/soak.h"
#include "varve_cmd.h"

enum { LEVELS = 5, SCHEMES = 3 };
static const char *const scheme_names[SCHEMES] = {"mvcc", "2pl", "occ"};
static const char *const level_names[LEVELS + 1] = {"mixed", "ru", "rc", "rr", "si", "ser"};

struct plan {
    struct rs_options run;
    bool schemes[SCHEMES];
    bool levels[LEVELS + 1]; /* [0]: mixed, else varve_isolation */
    const char *directory, *export;
    uint64_t planned, runs, txns, violations, unknown;
};

static const char usage[] =
    "usage: varve check --run [--cc mvcc,2pl,occ|all] [--isolation ru,rc,rr,si,ser,mixed|all] [--txns N] [--threads N]\n"
    "           [--keys N] [--theta X] [--seed N] [--deadlock POLICY] [--switch] [--tiny] [--dir DIR] [--export FILE]\n"
    "  runs N random transactions at each scheme and level, records them and judges the history.\n"
    "  --dir DIR     with files, a log and checkpoints in a new directory DIR (else in memory)\n"
    "  --switch      the scheme is switched while transactions run\n"
    "  --export FILE the history of the last run, or of the first violation, shrunk, as JSON lines\n"
    "  Each run says how many bytes its history took, and how many more it took to judge it.\n";

static int complain(const char *option, const char *why) {
    fprintf(stderr, "varve check --run: %s: %s\n%s", option, why, usage);
    return EXIT_USAGE;
}

/* Sets flags[i] for each name of the list; "all" sets all but [skip_first ? 0]. */
static bool take_list(const char *text, const char *const *names, unsigned count, unsigned first, bool *flags) {
    memset(flags, 0, count * sizeof(*flags));
    if (strcmp(text, "all") == 0) {
        for (unsigned i = first; i < count; i++) flags[i] = true;
        return true;
    }
    while (*text != 0) {
        size_t size = strcspn(text, ",");
        unsigned i = 0;
        while (i < count && (strlen(names[i]) != size || strncmp(names[i], text, size) != 0)) i++;
        if (i == count) return false;
        flags[i] = true;
        text += size + (text[size] == ',');
    }
    return true;
}

static bool take_number(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == 0 && text[0] != '-';
}

static const char *set_option(struct plan *plan, const char *name, const char *value) {
    uint64_t number = 0;
    if (strcmp(name, "--cc") == 0)
        return take_list(value, scheme_names, SCHEMES, 0, plan->schemes) ? NULL : "mvcc, 2pl, occ or all";
    if (strcmp(name, "--isolation") == 0)
        return take_list(value, level_names, LEVELS + 1, 1, plan->levels) ? NULL : "ru, rc, rr, si, ser, mixed or all";
    if (strcmp(name, "--theta") == 0) {
        char *end;
        plan->run.theta = strtod(value, &end);
        return end != value && *end == 0 && plan->run.theta >= 0 && plan->run.theta < 1 ? NULL : "from 0 to below 1";
    }
    if (strcmp(name, "--deadlock") == 0) return plan->run.deadlock = value, NULL;
    if (strcmp(name, "--dir") == 0) return plan->directory = value, NULL;
    if (strcmp(name, "--export") == 0) return plan->export = value, NULL;
    if (!take_number(value, &number)) return "a number is expected";
    if (strcmp(name, "--txns") == 0)
        plan->run.txns = number;
    else if (strcmp(name, "--threads") == 0)
        plan->run.threads = (unsigned)number;
    else if (strcmp(name, "--keys") == 0)
        plan->run.keys = (uint32_t)number;
    else if (strcmp(name, "--seed") == 0)
        plan->run.seed = number;
    else
        return "no such option";
    if (number == 0 && strcmp(name, "--seed") != 0) return "must be above 0";
    if (plan->run.keys > RC_KEYS_MAX || plan->run.threads > 1000) return "too many";
    return NULL;
}

static int take_options(struct plan *plan, int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--run") == 0) continue;
        if (strcmp(argv[i], "--switch") == 0)
            plan->run.switching = true;
        else if (strcmp(argv[i], "--tiny") == 0)
            plan->run.tiny = true;
        else if (i + 1 >= argc)
            return complain(argv[i], "no such option, or its value is missing");
        else {
            const char *why = set_option(plan, argv[i], argv[i + 1]);
            if (why != NULL) return complain(argv[i], why);
            i++;
        }
    }
    if (plan->run.keys < 32) return complain("--keys", "32 at least");
    return 0;
}

/* --- a run -------------------------------------------------------------------------------------------------------- */

static void show_progress(void *arg, uint64_t done) {
    struct plan *plan = arg;
    fprintf(stderr, "\r  %llu of %llu transactions ", (unsigned long long)done, (unsigned long long)plan->run.txns);
}

static int keep(const struct plan *plan, const struct hs_history *history) {
    struct hs_problem problem = {0, ""};
    if (plan->export == NULL) return 0;
    FILE *out = fopen(plan->export, "wb");
    if (out == NULL) return cmd_fail(plan->export, VARVE_IO, strerror(errno));
    int status = hs_write(out, HS_FORMAT_JSONL, history, &problem);
    if (fclose(out) != 0 && status == VARVE_OK) status = VARVE_IO;
    return status == VARVE_OK ? 0 : cmd_fail(plan->export, status, problem.text);
}

static int explain(struct plan *plan, const struct hs_history *history, const struct ck_options *options,
                   const struct ck_report *report) {
    struct hs_history small;
    struct ck_report small_report;
    bool first = plan->violations++ == 0;
    printf("    %s: %s\n%s\n", ck_anomaly_name(report->finding.anomaly), ck_anomaly_about(report->finding.anomaly),
           report->finding.proof);
    if (history->txn_count > 200000 || ck_shrink(history, options, report, &small, &small_report) != VARVE_OK)
        return first ? keep(plan, history) : 0;
    printf("    shrunk to %zu transactions:\n%s\n", small.txn_count, small_report.finding.proof);
    int status = first ? keep(plan, &small) : 0;
    hs_release(&small);
    return status;
}

static int judge(struct plan *plan, const struct hs_history *history, const struct rs_result *result) {
    struct ck_options options = {.level = VARVE_SERIALIZABLE, .strict = true};
    struct ck_report report;
    uint64_t ns = 0;
    int status = ck_check(history, &options, &report);
    if (status != VARVE_OK) return cmd_fail("check", status, varve_strerror(status));
    for (unsigned i = 0; i < report.pass_count; i++) ns += report.passes[i].ns;
    static const char *const words[] = {"ok", "VIOLATION", "unknown"};
    uint64_t txns = history->txn_count == 0 ? 1 : history->txn_count;
    printf("%10llu committed %9llu aborted  run %6.1f s  check %5.1f s  %llu + %llu bytes/txn  %s\n",
           (unsigned long long)result->committed, (unsigned long long)result->aborted, result->seconds,
           (double)ns * 1e-9, (unsigned long long)(hs_memory(history) / txns),
           (unsigned long long)(report.memory_bytes / txns), words[report.verdict]);
    plan->runs++;
    plan->txns += result->committed + result->aborted;
    if (report.verdict == CK_UNKNOWN) {
        plan->unknown++;
        printf("    %s\n", report.unknown);
    }
    fflush(stdout);
    if (report.verdict == CK_VIOLATION) return explain(plan, history, &options, &report);
    return plan->runs == plan->planned && plan->violations == 0 ? keep(plan, history) : 0;
}

static int one_run(struct plan *plan, unsigned scheme, unsigned level) {
    struct hs_history history;
    struct rs_result result;
    char directory[512];
    plan->run.cc = scheme_names[scheme];
    plan->run.level = (varve_isolation)level;
    if (plan->directory != NULL) {
        snprintf(directory, sizeof(directory), "%s.%s.%s", plan->directory, scheme_names[scheme], level_names[level]);
        plan->run.directory = directory;
    }
    if (isatty(2)) {
        plan->run.progress = show_progress;
        plan->run.arg = plan;
    }
    int status = rs_run(&plan->run, &history, &result);
    if (isatty(2)) fputs("\r\033[K", stderr);
    if (status != VARVE_OK) {
        hs_release(&history);
        return cmd_fail("run", status, result.failure);
    }
    printf("%-4s %-5s ", scheme_names[scheme], level_names[level]);
    status = judge(plan, &history, &result);
    hs_release(&history);
    return status;
}

int cmd_check_run(int argc, char **argv) {
    struct plan plan = {.run = {.threads = 4, .txns = 100000, .keys = 500, .theta = 0.6, .seed = 1},
                        .schemes = {true, true, true},
                        .levels = {false, true, true, true, true, true}};
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0) return fputs(usage, stdout), EXIT_DONE;
    int status = take_options(&plan, argc, argv);
    for (unsigned i = 0; i < SCHEMES * (LEVELS + 1); i++)
        plan.planned += plan.schemes[i % SCHEMES] && plan.levels[i / SCHEMES];
    for (unsigned scheme = 0; scheme < SCHEMES && status == 0; scheme++)
        for (unsigned level = 0; level <= LEVELS && status == 0; level++)
            if (plan.schemes[scheme] && plan.levels[level]) status = one_run(&plan, scheme, level);
    if (status != 0) return status;
    printf("%llu runs, %llu transactions, %llu violations, seed %llu\n", (unsigned long long)plan.runs,
           (unsigned long long)plan.txns, (unsigned long long)plan.violations, (unsigned long long)plan.run.seed);
    return plan.violations != 0 ? EXIT_NO : plan.unknown != 0 ? 4 : EXIT_DONE;
}
