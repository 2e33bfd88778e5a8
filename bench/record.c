/* record.c - what recording a history costs: processor time per transaction, recorded and not, in alternating runs.
 *
 * The runs are those of `varve check --run`: the same seed asks for the same transactions in both. A pair is one run of
 * each kind, and which goes first alternates, so that a machine that grows slower or faster spoils neither. What counts is
 * the processor time of all sessions while they run, and the median of the pairs' quotients. Putting the lanes together into
 * one history, after the run, is not in it.
 *
 *   record [--pairs N] [--txns N] [--threads N] [--keys N] [--cc mvcc|2pl|occ]
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history/history.h"
#include "record/soak.h"

enum { PAIRS_MAX = 1000 };

struct settings {
    uint64_t pairs, txns, threads, keys;
    const char *cc;
};

/* One run; microseconds of the processor per attempt. */
static double run(const struct settings *set, uint64_t seed, bool unrecorded) {
    struct rs_options options = {.cc = set->cc,
                                 .level = VARVE_SERIALIZABLE,
                                 .threads = (unsigned)set->threads,
                                 .txns = set->txns,
                                 .keys = (uint32_t)set->keys,
                                 .seed = seed,
                                 .unrecorded = unrecorded};
    struct rs_result result;
    struct hs_history history;
    int status = rs_run(&options, &history, &result);
    hs_release(&history);
    if (status != VARVE_OK) {
        fprintf(stderr, "record: %s\n", result.failure);
        exit(3);
    }
    return result.processor * 1e6 / (double)(result.committed + result.aborted);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, uint64_t count) {
    qsort(values, count, sizeof(*values), by_size);
    return count % 2 != 0 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void measure(const struct settings *set) {
    static double with[PAIRS_MAX], without[PAIRS_MAX], more[PAIRS_MAX];
    (void)run(set, 1, false); /* the first run pays for the memory of all */
    for (uint64_t i = 0; i < set->pairs; i++) {
        bool first = i % 2 == 0;
        double a = run(set, i + 1, first), b = run(set, i + 1, !first);
        without[i] = first ? a : b;
        with[i] = first ? b : a;
        more[i] = 100 * (with[i] / without[i] - 1);
    }
    double least = more[0], most = more[0];
    for (uint64_t i = 1; i < set->pairs; i++) {
        if (more[i] < least) least = more[i];
        if (more[i] > most) most = more[i];
    }
    printf("%s, %llu threads, %llu transactions, %llu pairs: unrecorded %.3f us, recorded %.3f us of the processor a "
           "transaction; more by %.1f %% (median; %.1f to %.1f)\n",
           set->cc, (unsigned long long)set->threads, (unsigned long long)set->txns, (unsigned long long)set->pairs,
           median(without, set->pairs), median(with, set->pairs), median(more, set->pairs), least, most);
}

static bool take_number(const char *text, uint64_t least, uint64_t most, uint64_t *number) {
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == 0 && text[0] != '-' && *number >= least && *number <= most;
}

static bool take_option(struct settings *set, const char *name, const char *value) {
    if (strcmp(name, "--pairs") == 0) return take_number(value, 1, PAIRS_MAX, &set->pairs);
    if (strcmp(name, "--txns") == 0) return take_number(value, 1000, 100000000, &set->txns);
    if (strcmp(name, "--threads") == 0) return take_number(value, 1, 1000, &set->threads);
    if (strcmp(name, "--keys") == 0) return take_number(value, 32, RC_KEYS_MAX, &set->keys);
    set->cc = value;
    return strcmp(name, "--cc") == 0 &&
           (strcmp(value, "mvcc") == 0 || strcmp(value, "2pl") == 0 || strcmp(value, "occ") == 0);
}

int main(int argc, char **argv) {
    struct settings set = {.pairs = 9, .txns = 200000, .threads = 2, .keys = 10000};
    for (int i = 1; i < argc; i += 2)
        if (i + 1 >= argc || !take_option(&set, argv[i], argv[i + 1])) {
            fprintf(stderr, "usage: record [--pairs N] [--txns N] [--threads N] [--keys N] [--cc mvcc|2pl|occ]\n");
            return 2;
        }
    static const char *const all[] = {"mvcc", "2pl", "occ"};
    const char *chosen = set.cc;
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        if (chosen != NULL && strcmp(chosen, all[i]) != 0) continue;
        set.cc = all[i];
        measure(&set);
    }
    return 0;
}
