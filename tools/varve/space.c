/* space.c - `varve anomalies --space 2x3`: every interleaving of every small program, at every scheme and level.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explore/exhaust.h"
#include "varve_cmd.h"

static const char usage[] =
    "usage: varve anomalies --space TXNSxOPS [--every N] [--threads N] [--empty] [--ghosts] [--tiny] [--cc LIST]\n"
    "           [--deadlock POLICY]\n"
    "  runs every interleaving of every program of TXNS transactions (1 to 3) of up to OPS operations (1 to 3) over\n"
    "  two keys, judges each and counts needless aborts; --every N takes a fixed sample of one in N.\n"
    "  --empty: the keys are absent at first; --ghosts: rows of the run before stay as ghosts.\n";

static int complain(const char *option, const char *why) {
    fprintf(stderr, "varve anomalies --space: %s: %s\n%s", option, why, usage);
    return EXIT_USAGE;
}

static bool take_schemes(struct sx_exhaust *o, const char *text) {
    static const char *const names[SX_SCHEMES] = {"mvcc", "2pl", "occ"};
    memset(o->schemes, 0, sizeof(o->schemes));
    while (*text != 0) {
        size_t size = strcspn(text, ",");
        unsigned i = 0;
        while (i < SX_SCHEMES && (strlen(names[i]) != size || strncmp(names[i], text, size) != 0)) i++;
        if (i == SX_SCHEMES) return false;
        o->schemes[i] = true;
        text += size + (text[size] == ',');
    }
    return true;
}

static const char *set_option(struct sx_exhaust *o, const char *name, const char *value) {
    char *end;
    if (strcmp(name, "--cc") == 0) return take_schemes(o, value) ? NULL : "mvcc, 2pl, occ";
    if (strcmp(name, "--deadlock") == 0) return o->deadlock = value, NULL;
    unsigned long number = strtoul(value, &end, 10);
    if (strcmp(name, "--space") == 0) {
        o->space.txns = (unsigned)number;
        o->space.ops = *end == 'x' ? (unsigned)strtoul(end + 1, &end, 10) : 0;
        bool good = *end == 0 && o->space.txns >= 1 && o->space.txns <= SX_TXNS_MAX && o->space.ops >= 1 &&
                    o->space.ops <= SX_OPS_MAX;
        return good ? NULL : "1x1 to 3x3";
    }
    if (end == value || *end != 0 || number == 0 || value[0] == '-') return "a number above 0 is expected";
    if (strcmp(name, "--every") == 0)
        o->every = number;
    else if (strcmp(name, "--threads") == 0 && number <= 256)
        o->threads = (unsigned)number;
    else
        return "no such option";
    return NULL;
}

static int take_options(struct sx_exhaust *o, int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--empty") == 0)
            o->space.empty = true;
        else if (strcmp(argv[i], "--ghosts") == 0)
            o->ghosts = true;
        else if (strcmp(argv[i], "--tiny") == 0)
            o->tiny = true;
        else if (i + 1 >= argc)
            return complain(argv[i], "no such option, or its value is missing");
        else {
            const char *why = set_option(o, argv[i], argv[i + 1]);
            if (why != NULL) return complain(argv[i], why);
            i++;
        }
    }
    return 0;
}

static void show_progress(void *arg, uint64_t programs, uint64_t of) {
    (void)arg;
    fprintf(stderr, "\r  %llu of %llu programs ", (unsigned long long)programs, (unsigned long long)of);
}

static void print_count(const char *scheme, const char *asked, const struct sx_count *c) {
    static const char *const names[] = {"", "ru", "rc", "rr", "si", "ser"};
    printf("%-4s  %-5s  %-6s  %12llu  %9.3f %%  %11.4f %%  %9.3f %%  %10llu  %5llu%s\n", scheme, asked,
           names[c->served], (unsigned long long)c->runs, 100.0 * (double)c->aborts / (double)(c->txns + !c->txns),
           100.0 * (double)c->needless / (double)(c->txns + !c->txns),
           100.0 * (double)c->waits / (double)(c->txns + !c->txns), (unsigned long long)c->violations,
           (unsigned long long)c->hangs, c->shared ? "  (as above)" : "");
    if (c->first_bad[0] != 0 && !c->shared) printf("      %s\n", c->first_bad);
}

static void print_result(const struct sx_exhaust *o, const struct sx_exhaust_result *r) {
    static const char *const schemes[SX_SCHEMES] = {"mvcc", "2pl", "occ"};
    static const char *const levels[] = {"", "ru", "rc", "rr", "si", "ser"};
    printf("%s  %-5s  %-6s  %12s  %11s  %13s  %11s  %10s  %5s\n", "cc  ", "asked", "served", "runs", "aborted",
           "needlessly", "waited", "violations", "hangs");
    for (unsigned scheme = 0; scheme < SX_SCHEMES; scheme++)
        for (unsigned level = 1; level <= SX_LEVELS && o->schemes[scheme]; level++)
            print_count(schemes[scheme], levels[level], &r->counts[scheme][level]);
    printf("%ux%u%s%s: %llu programs, %llu interleavings, %llu runs in %.1f s (%.1f us each), %llu violations\n",
           o->space.txns, o->space.ops, o->space.empty ? " empty" : "", o->ghosts ? " ghosts" : "",
           (unsigned long long)r->programs, (unsigned long long)r->interleavings, (unsigned long long)r->runs,
           r->seconds, r->seconds * 1e6 * o->threads / (double)(r->runs + !r->runs),
           (unsigned long long)sx_exhaust_bad(r));
}

int cmd_space(int argc, char **argv) {
    struct sx_exhaust options = {
        .schemes = {true, true, true}, .levels = {false, true, true, true, true, true}, .threads = 2, .every = 1};
    static struct sx_exhaust_result result;
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0) return fputs(usage, stdout), EXIT_DONE;
    int status = take_options(&options, argc, argv);
    if (status != 0) return status;
    if (isatty(2)) options.progress = show_progress;
    int outcome = sx_exhaust(&options, &result);
    if (isatty(2)) fputs("\r\033[K", stderr);
    if (outcome == VARVE_INVALID) return complain("options", result.error);
    if (outcome != VARVE_OK) return cmd_fail("space", outcome, result.error);
    print_result(&options, &result);
    return sx_exhaust_bad(&result) != 0 ? EXIT_NO : EXIT_DONE;
}
