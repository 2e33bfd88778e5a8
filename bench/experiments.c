/* experiments.c - settings of the engine that were decided by measurement, measured: snapshot extension, escalation,
 * back-off, the lock at the first write, and what 2pl does about deadlocks.
 *
 * A part is one question and its settings; it is asked of each load, number of threads and scheme. The settings of a
 * question take turns, each turn on a fresh database in memory, so that what changes in the machine meets all alike; the
 * median of the rates is printed with the least and the most. Latency, aborts and wasted work are of all turns together.
 * The program has an engine of its own, built with VARVE_EXPERIMENTS; figures are for comparing its settings.
 *
 * Thread rule: settings change between turns, when no transaction runs.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/experiment.h"
#include "bench/driver/driver.h"
#include "bench/driver/engine_varve.h"
#include "bench/loads/loads.h"

enum { SETTINGS_MAX = 8, LIST_MAX = 8, CAUSES_BYTES = 160, NEVER = 1000 };

/* --- what is compared --------------------------------------------------------------------------------------------- */

struct setting {
    const char *name;
    struct vb_experiment engine;
    const char *extra; /* options of varve_open, NULL: none */
    bool for_update;   /* rows that will be written are read by get_for_update */
};
struct part {
    const char *name, *about;
    const char *loads, *schemes; /* where the command line names none */
    struct setting settings[SETTINGS_MAX];
};

static uint64_t no_pause(int status, unsigned aborts, uint64_t mean_ns) {
    (void)status, (void)aborts, (void)mean_ns;
    return 0;
}
static uint64_t ten_us(int status, unsigned aborts, uint64_t mean_ns) {
    (void)status, (void)aborts, (void)mean_ns;
    return 10000;
}
static uint64_t half_us_doubled(int status, unsigned aborts, uint64_t mean_ns) {
    (void)status, (void)mean_ns;
    return (uint64_t)250 << (aborts < 4 ? aborts : 4);
}
static uint64_t two_us_doubled(int status, unsigned aborts, uint64_t mean_ns) {
    (void)status, (void)mean_ns;
    return (uint64_t)1000 << (aborts < 10 ? aborts : 10);
}
static uint64_t mean_doubled(int status, unsigned aborts, uint64_t mean_ns) {
    (void)status;
    return mean_ns << (aborts < 4 ? aborts : 4);
}

#define AS_IT_IS VB_EXPERIMENT_NONE
static const struct part parts[] = {
    {"extension", "a newer version is met: move the snapshot, or not; how often reads may be checked again for it",
     "long-rw,tpcc,ycsb-a,ycsb-f", "mvcc,occ",
     {{.name = "none", .engine = {0, -1, NULL}},
      {.name = "budget 1", .engine = {1, -1, NULL}},
      {.name = "budget 4", .engine = {4, -1, NULL}},
      {.name = "budget 100", .engine = {100, -1, NULL}}}},
    {"escalation", "aborts in a row before an attempt under locks", "long-rw,tpcc,ycsb-a,ycsb-f", "mvcc,occ",
     {{.name = "after 1", .engine = {-1, 1, NULL}},
      {.name = "after 3", .engine = {-1, 3, NULL}},
      {.name = "after 5", .engine = {-1, 5, NULL}},
      {.name = "after 8", .engine = {-1, 8, NULL}},
      {.name = "never", .engine = {-1, NEVER, NULL}}}},
    {"back-off", "the longest pause before the next attempt", "long-rw,tpcc,ycsb-a,ycsb-f", "mvcc,occ,2pl",
     {{.name = "none", .engine = {-1, -1, no_pause}},
      {.name = "10 us", .engine = {-1, -1, ten_us}},
      {.name = "0.5 us doubled", .engine = {-1, -1, half_us_doubled}},
      {.name = "2 us doubled", .engine = {-1, -1, two_us_doubled}},
      {.name = "mean doubled", .engine = {-1, -1, mean_doubled}},
      {.name = "by cause", .engine = AS_IT_IS}}},
    {"for-update", "a row that will be written is read by get, or by get_for_update", "smallbank", "mvcc,occ,2pl",
     {{.name = "get", .engine = AS_IT_IS}, {.name = "get_for_update", .engine = AS_IT_IS, .for_update = true}}},
    {"deadlock", "2pl: what a lock holder does about another", "long-rw,tpcc,ycsb-a,ycsb-f,smallbank", "2pl",
     {{.name = "wound_wait", .engine = AS_IT_IS, .extra = ",deadlock=wound_wait"},
      {.name = "no_wait", .engine = AS_IT_IS, .extra = ",deadlock=no_wait"},
      {.name = "wait_die", .engine = AS_IT_IS, .extra = ",deadlock=wait_die"},
      {.name = "detect", .engine = AS_IT_IS, .extra = ",deadlock=detect"}}},
};
enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

/* --- one setting's turns, together -------------------------------------------------------------------------------- */

struct tally {
    double rates[BD_REPEATS_MAX];
    unsigned turns;
    uint64_t attempts, aborts, operations, wasted, longest_aborts, causes[BD_CAUSES];
    struct bd_histogram latency, by_kind[BL_KINDS_MAX];
};

static void add_turn(struct tally *into, const struct bd_result *turn) {
    into->rates[into->turns++] = turn->rate[0];
    into->attempts += turn->attempts;
    into->aborts += turn->aborts;
    into->operations += turn->operations;
    into->wasted += turn->wasted;
    if (turn->longest_aborts > into->longest_aborts) into->longest_aborts = turn->longest_aborts;
    for (unsigned i = 0; i < BD_CAUSES; i++) into->causes[i] += turn->aborts_by_cause[i];
    bd_merge(&into->latency, &turn->latency);
    for (unsigned k = 0; k < BL_KINDS_MAX; k++) bd_merge(&into->by_kind[k], &turn->by_kind[k]);
}

static int by_rate(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double share(uint64_t part, uint64_t whole) { return whole != 0 ? 100.0 * (double)part / (double)whole : 0; }

static void write_causes(const struct tally *t, char text[CAUSES_BYTES]) {
    static const char *const names[BD_CAUSES] = {
        [VARVE_REASON_NONE] = "asked",           [VARVE_REASON_WRITE_WRITE] = "write-write",
        [VARVE_REASON_READ] = "read",            [VARVE_REASON_PHANTOM] = "phantom",
        [VARVE_REASON_PRECONDITION] = "presence", [VARVE_REASON_STALE] = "stale",
        [VARVE_REASON_WOUNDED] = "wounded",      [VARVE_REASON_DIED] = "died",
        [VARVE_REASON_CYCLE] = "cycle",
        [VARVE_REASON_LOCK_TIMEOUT] = "timeout", [VARVE_REASON_RESOURCE] = "resource"};
    uint64_t all = 0;
    size_t used = 0;
    text[0] = 0;
    for (unsigned i = 0; i < BD_CAUSES; i++) all += t->causes[i];
    for (unsigned i = 0; i < BD_CAUSES; i++) {
        if (t->causes[i] == 0 || used >= CAUSES_BYTES) continue;
        used += (size_t)snprintf(text + used, CAUSES_BYTES - used, " %s %.0f%%", names[i] != NULL ? names[i] : "other",
                                 share(t->causes[i], all));
    }
}

/* The kind whose transactions take longest is the one that may starve. */
static uint64_t slowest_kind(const struct tally *t, unsigned *kind) {
    uint64_t slowest = 0;
    for (unsigned k = 0; k < BL_KINDS_MAX; k++) {
        uint64_t median = t->by_kind[k].total != 0 ? bd_quantile(&t->by_kind[k], 0.5) : 0;
        if (median <= slowest) continue;
        slowest = median;
        *kind = k;
    }
    return bd_quantile(&t->by_kind[*kind], 0.999);
}

static void print_row(const struct bl_load *load, const char *name, struct tally *t) {
    char causes[CAUSES_BYTES];
    unsigned kind = 0;
    uint64_t slowest = slowest_kind(t, &kind);
    qsort(t->rates, t->turns, sizeof(t->rates[0]), by_rate);
    write_causes(t, causes);
    double median = (t->rates[(t->turns - 1) / 2] + t->rates[t->turns / 2]) / 2;
    printf("  %-15s %9.0f %9.0f..%-9.0f %6.2f %6.2f %8.1f %8.1f %9.1f %-12s %5llu %s\n", name, median,
           t->rates[0], t->rates[t->turns - 1], share(t->aborts, t->attempts), share(t->wasted, t->operations),
           1e-3 * (double)bd_quantile(&t->latency, 0.99), 1e-3 * (double)bd_quantile(&t->latency, 0.999),
           1e-3 * (double)slowest, load->kinds[kind], (unsigned long long)t->longest_aborts, causes);
    fflush(stdout);
}

/* --- what is asked ------------------------------------------------------------------------------------------------ */

struct ask {
    const char *part, *loads, *schemes, *threads;
    double seconds, turns, records, theta, warehouses, hot, operations;
};

static int complain(const char *what, const char *why) {
    fprintf(stderr, "bench_experiments: %s: %s\n", what, why);
    return 2;
}

static const struct peer *engine_of(const char *scheme) {
    const struct peer *const engines[] = {&bench_varve_mvcc, &bench_varve_occ, &bench_varve_2pl};
    for (unsigned i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
        if (strcmp(engines[i]->name + strlen("varve-"), scheme) == 0) return engines[i];
    return NULL;
}

struct question {
    const struct part *part;
    const struct bl_load *load;
    const struct peer *engine;
    unsigned threads;
};

static int one_turn(const struct ask *ask, const struct question *q, const struct setting *setting, struct tally *into) {
    static struct bd_result result;
    struct bd_options options = {.engine = q->engine, .load = q->load, .seconds = ask->seconds, .warm_seconds_max = 0.3,
                                 .repeats = 1};
    options.settings = (struct bl_settings){
        .records = (uint64_t)ask->records, .value_bytes = 100, .ops_per_txn = (uint32_t)ask->operations, .read_ratio = 50,
        .theta = ask->theta, .string_keys = true, .use_for_update = setting->for_update,
        .warehouses = (uint32_t)ask->warehouses, .hot = (uint32_t)ask->hot, .scan_seconds = 1, .threads = q->threads,
        .seed = 1 + into->turns}; /* the same draws for all settings of a turn */
    options.open = (struct peer_options){.directory = ":memory:", .level = VARVE_SERIALIZABLE - VARVE_READ_UNCOMMITTED,
                                         .sync = PEER_SYNC_NONE, .threads = q->threads, .extra = setting->extra};
    vb_experiment = setting->engine;
    int status = bd_run(&options, &result);
    vb_experiment = (struct vb_experiment)VB_EXPERIMENT_NONE;
    if (status == VARVE_OK && !result.failed) {
        add_turn(into, &result);
        return 0;
    }
    fprintf(stderr, "bench_experiments: %s, %s: %s\n", q->load->name, setting->name, result.text);
    return result.failed && status == VARVE_OK ? 1 : 3;
}

static int answer(const struct ask *ask, const struct question *q) {
    unsigned count = 0;
    while (count < SETTINGS_MAX && q->part->settings[count].name != NULL) count++;
    struct tally *tallies = calloc(count, sizeof(*tallies));
    if (tallies == NULL) return complain("tallies", "out of memory"), 3;
    int status = 0;
    for (unsigned turn = 0; turn < (unsigned)ask->turns; turn++)
        for (unsigned i = 0; i < count && status == 0; i++)
            status = one_turn(ask, q, &q->part->settings[i], &tallies[i]);
    if (status == 0) {
        printf("%s: %s, %s, %u threads\n", q->part->name, q->load->name, q->engine->name + strlen("varve-"), q->threads);
        for (unsigned i = 0; i < count; i++) print_row(q->load, q->part->settings[i].name, &tallies[i]);
    }
    free(tallies);
    return status;
}

/* Calls fn for each word of a list. */
static int each(const char *list, struct question *q, const struct ask *ask,
                int (*fn)(const char *word, struct question *q, const struct ask *ask)) {
    char copy[256], *rest = copy, *word;
    int status = 0;
    if (strlen(list) >= sizeof(copy)) return complain(list, "the list is too long");
    snprintf(copy, sizeof(copy), "%s", list);
    while (status == 0 && (word = strsep(&rest, ",")) != NULL) status = fn(word, q, ask);
    return status;
}

static int with_scheme(const char *word, struct question *q, const struct ask *ask) {
    q->engine = engine_of(word);
    return q->engine != NULL ? answer(ask, q) : complain(word, "no such scheme; there are mvcc, occ and 2pl");
}
static int with_threads(const char *word, struct question *q, const struct ask *ask) {
    char *end;
    unsigned long threads = strtoul(word, &end, 10);
    if (*word < '0' || *word > '9' || *end != 0 || threads < 1 || threads > 1024)
        return complain("--threads", "numbers from 1 to 1024, with commas between");
    q->threads = (unsigned)threads;
    return each(ask->schemes != NULL ? ask->schemes : q->part->schemes, q, ask, with_scheme);
}
static int with_load(const char *word, struct question *q, const struct ask *ask) {
    q->load = bl_find(word);
    return q->load != NULL ? each(ask->threads, q, ask, with_threads)
                           : complain(word, "no such load; varve bench --load '?' lists them");
}
static int with_part(const char *word, struct question *q, const struct ask *ask) {
    char why[160] = "no such part; there are";
    for (unsigned i = 0; i < PARTS; i++) {
        q->part = &parts[i];
        if (strcmp(word, parts[i].name) == 0) return each(ask->loads != NULL ? ask->loads : parts[i].loads, q, ask, with_load);
        snprintf(why + strlen(why), sizeof(why) - strlen(why), " %s", parts[i].name);
    }
    return complain(word, why);
}

/* --- the command line --------------------------------------------------------------------------------------------- */

static const char usage[] =
    "usage: bench_experiments [--part NAME,...] [--load NAME,...] [--cc SCHEME,...] [--threads N,...] [--seconds S]\n"
    "           [--repeat N] [--records N] [--theta X] [--warehouses N] [--hot N] [--ops-per-txn N]\n"
    "Every combination is run; a part left out is run with all that it asks for. Times are in microseconds.\n";

static int take_number(const char *name, const char *value, double least, double most, double *number) {
    char *end, why[80];
    *number = strtod(value, &end);
    if (end != value && *end == 0 && *number >= least && *number <= most) return 0;
    snprintf(why, sizeof(why), "a number from %g to %g is expected", least, most);
    return complain(name, why);
}

static int take(struct ask *ask, const char *name, const char *value) {
    const struct {
        const char *name, **text;
    } texts[] = {{"--part", &ask->part}, {"--load", &ask->loads}, {"--cc", &ask->schemes}, {"--threads", &ask->threads}};
    const struct {
        const char *name;
        double least, most, *number;
    } numbers[] = {{"--seconds", 0.01, 3600, &ask->seconds},    {"--repeat", 1, BD_REPEATS_MAX, &ask->turns},
                   {"--records", 1, 1e9, &ask->records},        {"--theta", 0, 0.999, &ask->theta},
                   {"--warehouses", 1, 1e5, &ask->warehouses},  {"--hot", 1, 1e9, &ask->hot},
                   {"--ops-per-txn", 1, 16, &ask->operations}};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strcmp(name, texts[i].name) == 0) return *texts[i].text = value, 0;
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (strcmp(name, numbers[i].name) == 0)
            return take_number(name, value, numbers[i].least, numbers[i].most, numbers[i].number);
    fprintf(stderr, "bench_experiments: no option '%s'\n%s", name, usage);
    return 2;
}

static void print_head(int argc, char **argv, const struct ask *ask) {
    printf("#");
    for (int i = 0; i < argc; i++) printf(" %s", i == 0 ? "bench_experiments" : argv[i]);
    printf("\n# %g s a turn, %.0f turns; %.0f records, theta %g, %.0f operations; TPC-C of %.0f warehouses; SmallBank's hot set %.0f\n",
           ask->seconds, ask->turns, ask->records, ask->theta, ask->operations, ask->warehouses, ask->hot);
    printf("  %-15s %9s %-20s %6s %6s %8s %8s %9s %-12s %5s %s\n", "setting", "txn/s", "   (range)", "abort%", "waste%",
           "p99", "p99.9", "p99.9 of", "slowest kind", "row", "causes");
}

int main(int argc, char **argv) {
    struct ask ask = {.threads = "2,4,16", .seconds = 1, .turns = 3, .records = 100000, .theta = 0.9, .warehouses = 4,
                      .hot = 100, .operations = 10};
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0) return fputs(usage, stdout), 0;
        if (i + 1 == argc) return complain(argv[i], "a value is missing");
        int status = take(&ask, argv[i], argv[i + 1]);
        if (status != 0) return status;
    }
    struct question q = {0};
    int status = 0;
    print_head(argc, argv, &ask);
    if (ask.part != NULL) return each(ask.part, &q, &ask, with_part);
    for (unsigned i = 0; i < PARTS && status == 0; i++) status = with_part(parts[i].name, &q, &ask);
    return status;
}
