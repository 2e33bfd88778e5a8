/* bench.c - `varve bench`: loads on this engine in each scheme, and on others, measured in turns.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "bench/driver/driver.h"
#include "bench/driver/engine_varve.h"
#include "bench/peers/find.h"
#include "varve_cmd.h"

enum { ENGINES_MAX = 32, LOADS_MAX = 16, DEFAULT_SECONDS = 5 };

struct contender {
    const struct peer *engine;
    unsigned level;
    struct bd_result result;
};

struct ask {
    const char *loads, *cc, *isolation, *deadlock, *sync, *peers, *peer_dir, *directory, *key, *extra;
    struct bl_settings settings;
    double seconds, warm, rate;
    unsigned repeats;
    bool json, keep, unequal;
    struct contender *contenders; /* [count] */
    unsigned count;
};

static const char usage[] =
    "usage: varve bench [--load NAME,...] [--cc mvcc|2pl|occ|all] [--isolation LEVEL] [--deadlock POLICY] [--sync MODE]\n"
    "           [--threads N] [--records N] [--value-size N] [--key string|binary] [--theta X] [--ops-per-txn N]\n"
    "           [--read-ratio PERCENT] [--seconds S] [--warm S] [--repeat N] [--rate TXN_PER_S] [--get-many] [--add]\n"
    "           [--for-update] [--warehouses N] [--hot N] [--scan-seconds N] [--seed N] [--dir DIR|:memory:] [--keep]\n"
    "           [--peer NAME,...|all] [--peer-dir DIR] [--options TEXT] [--json]\n";

static volatile sig_atomic_t stop_asked;
static uint32_t stop_word;
static void on_interrupt(int number) {
    (void)number;
    stop_asked = 1;
    __atomic_store_n(&stop_word, 1, __ATOMIC_RELAXED);
}

static int complain(const char *what, const char *why) {
    fprintf(stderr, "varve bench: %s: %s\n", what, why);
    return EXIT_USAGE;
}

/* --- options ------------------------------------------------------------------------------------------------------ */

struct number_option {
    const char *name;
    uint64_t least, most;
    size_t offset;
    bool wide; /* uint64_t, else uint32_t */
};
#define NUMBER(name, least, most, field, wide) {name, least, most, offsetof(struct ask, field), wide}
static const struct number_option numbers[] = {
    NUMBER("--threads", 1, 1024, settings.threads, false),
    NUMBER("--records", 1, UINT64_MAX, settings.records, true),
    NUMBER("--value-size", 1, 1 << 20, settings.value_bytes, false),
    NUMBER("--ops-per-txn", 1, 1000, settings.ops_per_txn, false),
    NUMBER("--read-ratio", 0, 100, settings.read_ratio, false),
    NUMBER("--warehouses", 1, 100000, settings.warehouses, false),
    NUMBER("--hot", 1, UINT32_MAX, settings.hot, false),
    NUMBER("--scan-seconds", 1, 3600, settings.scan_seconds, false),
    NUMBER("--seed", 0, UINT64_MAX, settings.seed, true),
    NUMBER("--repeat", 1, BD_REPEATS_MAX, repeats, false)};
struct real_option {
    const char *name;
    double least, below;
    size_t offset;
};
static const struct real_option reals[] = {{"--theta", 0, 1, offsetof(struct ask, settings.theta)},
                                           {"--seconds", 0.01, 1e6, offsetof(struct ask, seconds)},
                                           {"--warm", 0, 1e6, offsetof(struct ask, warm)},
                                           {"--rate", 0, 1e9, offsetof(struct ask, rate)}};
struct text_option {
    const char *name;
    size_t offset;
};
static const struct text_option texts[] = {
    {"--load", offsetof(struct ask, loads)},         {"--cc", offsetof(struct ask, cc)},
    {"--isolation", offsetof(struct ask, isolation)}, {"--deadlock", offsetof(struct ask, deadlock)},
    {"--sync", offsetof(struct ask, sync)},          {"--peer", offsetof(struct ask, peers)},
    {"--peer-dir", offsetof(struct ask, peer_dir)},  {"--dir", offsetof(struct ask, directory)},
    {"--key", offsetof(struct ask, key)},            {"--options", offsetof(struct ask, extra)}};
struct flag_option {
    const char *name;
    size_t offset;
};
static const struct flag_option flags[] = {{"--json", offsetof(struct ask, json)},
                                           {"--keep", offsetof(struct ask, keep)},
                                           {"--unequal", offsetof(struct ask, unequal)},
                                           {"--get-many", offsetof(struct ask, settings.use_get_many)},
                                           {"--add", offsetof(struct ask, settings.use_add)},
                                           {"--for-update", offsetof(struct ask, settings.use_for_update)}};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static int set_number(struct ask *ask, const struct number_option *o, const char *value) {
    char *end, why[80];
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (errno != 0 || end == value || *end != 0 || value[0] == '-' || number < o->least || number > o->most) {
        snprintf(why, sizeof(why), "a number from %llu to %llu is expected", (unsigned long long)o->least,
                 (unsigned long long)o->most);
        return complain(o->name, why);
    }
    char *field = (char *)ask + o->offset;
    if (o->wide)
        *(uint64_t *)(void *)field = number;
    else
        *(uint32_t *)(void *)field = (uint32_t)number;
    return 0;
}

static int set_real(struct ask *ask, const struct real_option *o, const char *value) {
    char *end, why[80];
    double number = strtod(value, &end);
    if (end == value || *end != 0 || !(number >= o->least) || !(number < o->below)) {
        snprintf(why, sizeof(why), "a number from %g to below %g is expected", o->least, o->below);
        return complain(o->name, why);
    }
    *(double *)(void *)((char *)ask + o->offset) = number;
    return 0;
}

/* 0: taken, with *used words; EXIT_USAGE: said why; -1: no such option. */
static int take_option(struct ask *ask, int left, char **argv, int *used) {
    const char *name = argv[0];
    *used = 1;
    for (size_t i = 0; i < COUNT(flags); i++)
        if (strcmp(flags[i].name, name) == 0) return *(bool *)(void *)((char *)ask + flags[i].offset) = true, 0;
    *used = 2;
    const char *value = left > 1 ? argv[1] : NULL;
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (strcmp(numbers[i].name, name) == 0)
            return value == NULL ? complain(name, "a value is missing") : set_number(ask, &numbers[i], value);
    for (size_t i = 0; i < COUNT(reals); i++)
        if (strcmp(reals[i].name, name) == 0)
            return value == NULL ? complain(name, "a value is missing") : set_real(ask, &reals[i], value);
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (strcmp(texts[i].name, name) != 0) continue;
        if (value == NULL) return complain(name, "a value is missing");
        *(const char **)(void *)((char *)ask + texts[i].offset) = value;
        return 0;
    }
    return -1;
}

static int unknown_option(const char *name) {
    const char *known[COUNT(numbers) + COUNT(reals) + COUNT(texts) + COUNT(flags)];
    size_t count = 0;
    for (size_t i = 0; i < COUNT(numbers); i++) known[count++] = numbers[i].name;
    for (size_t i = 0; i < COUNT(reals); i++) known[count++] = reals[i].name;
    for (size_t i = 0; i < COUNT(texts); i++) known[count++] = texts[i].name;
    for (size_t i = 0; i < COUNT(flags); i++) known[count++] = flags[i].name;
    fprintf(stderr, "varve bench: no option '%s'; the nearest is '%s'\n%s", name, vb_nearest(name, known, count), usage);
    return EXIT_USAGE;
}

static int take_options(struct ask *ask, int argc, char **argv) {
    for (int i = 0; i < argc;) {
        int used, status = take_option(ask, argc - i, argv + i, &used);
        if (status < 0) return unknown_option(argv[i]);
        if (status != 0) return status;
        i += used;
    }
    if (strcmp(ask->key, "string") != 0 && strcmp(ask->key, "binary") != 0) return complain("--key", "string or binary");
    ask->settings.string_keys = strcmp(ask->key, "string") == 0;
    return 0;
}

/* --- who runs ----------------------------------------------------------------------------------------------------- */

static int add_contender(struct ask *ask, const struct peer *engine, unsigned level) {
    if (ask->count == ENGINES_MAX) return complain(engine->name, "too many");
    ask->contenders[ask->count].engine = engine;
    ask->contenders[ask->count++].level = level;
    return 0;
}

static int level_index(const char *name, unsigned *level) {
    static const char *const names[EV_LEVELS][2] = {{"ru", "read_uncommitted"},
                                                    {"rc", "read_committed"},
                                                    {"rr", "repeatable_read"},
                                                    {"si", "snapshot"},
                                                    {"ser", "serializable"}};
    for (*level = 0; *level < EV_LEVELS; ++*level)
        if (strcmp(name, names[*level][0]) == 0 || strcmp(name, names[*level][1]) == 0) return 0;
    return complain("--isolation", "ru, rc, rr, si or ser, or the long names");
}

static int add_ours(struct ask *ask) {
    static const struct {
        const char *name;
        const struct peer *engine;
    } schemes[] = {{"mvcc", &bench_varve_mvcc}, {"2pl", &bench_varve_2pl}, {"occ", &bench_varve_occ}};
    unsigned level, found = 0;
    if (level_index(ask->isolation, &level) != 0) return EXIT_USAGE;
    for (size_t i = 0; i < COUNT(schemes); i++) {
        const char *at = strstr(ask->cc, schemes[i].name);
        if (strcmp(ask->cc, "all") != 0 && at == NULL) continue;
        if (add_contender(ask, schemes[i].engine, level) != 0) return EXIT_USAGE;
        found++;
    }
    return found != 0 || strcmp(ask->cc, "none") == 0 ? 0 : complain("--cc", "mvcc, 2pl, occ, all or none");
}

/* The weakest level of the peer that is at least what is asked for; else its strongest. */
static unsigned peer_level(const struct peer *peer, varve_isolation wanted) {
    unsigned best = 0;
    for (unsigned i = 1; i < peer->level_count; i++) {
        varve_isolation claims = peer->levels[i].claims, so_far = peer->levels[best].claims;
        bool better = so_far < wanted ? claims > so_far : claims >= wanted && claims < so_far;
        if (better) best = i;
    }
    return best;
}

static int add_peers(struct ask *ask) {
    char list[256], why[200], *rest = list, *name;
    unsigned level;
    if (ask->peers == NULL) return 0;
    (void)level_index(ask->isolation, &level);
    snprintf(list, sizeof(list), "%s",
             strcmp(ask->peers, "all") == 0 ? "lmdb,wiredtiger,rocksdb,rocksdb-optimistic,berkeleydb,sqlite" : ask->peers);
    while ((name = strsep(&rest, ",")) != NULL) {
        const struct peer *peer = peer_find(name, ask->peer_dir, why, sizeof(why));
        if (peer == NULL && strcmp(ask->peers, "all") == 0) {
            fprintf(stderr, "left out: %s\n", why);
            continue;
        }
        if (peer == NULL) return complain("--peer", why);
        if (add_contender(ask, peer, peer_level(peer, (varve_isolation)(level + 1))) != 0) return EXIT_USAGE;
    }
    return 0;
}

/* --- a load ------------------------------------------------------------------------------------------------------- */

static int sync_of(const char *name, enum peer_sync *sync) {
    static const struct {
        const char *name;
        enum peer_sync sync;
    } modes[] = {{"none", PEER_SYNC_NONE}, {"write", PEER_SYNC_WRITE}, {"group", PEER_SYNC_FULL}, {"sync", PEER_SYNC_FULL}};
    for (size_t i = 0; i < COUNT(modes); i++)
        if (strcmp(modes[i].name, name) == 0) return *sync = modes[i].sync, 0;
    return complain("--sync", "none, write or sync");
}

static void show_progress(void *arg, const char *what, double done) {
    fprintf(stderr, "\r\033[K%s: %s %3.0f %%", (const char *)arg, what, 100 * done);
}

static void print_header(const struct ask *ask, const struct bl_load *load) {
    printf("\n%s: %s\n", load->name, load->about);
    printf("%llu records, %u-byte values, %s keys, theta %g, %u threads, sync=%s, %g s x %u%s\n",
           (unsigned long long)ask->settings.records, ask->settings.value_bytes, ask->key, ask->settings.theta,
           ask->settings.threads, ask->sync, ask->seconds, ask->repeats,
           ask->rate > 0 ? ", open loop" : "");
    printf("%-19s %-26s %11s %21s %9s %9s %9s %9s %8s %8s\n", "engine", "isolation", "txn/s", "(range)", "aborted", "p50 us",
           "p99 us", "p99.9 us", "cpu us", "log B");
}

static int by_rate(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_result(const struct contender *c) {
    const struct bd_result *r = &c->result;
    double sorted[BD_REPEATS_MAX];
    uint64_t committed = 0;
    if (r->failed) {
        printf("%-19s %-26s FAIL: %s\n", c->engine->name, c->engine->levels[c->level].name, r->text);
        return;
    }
    memcpy(sorted, r->rate, sizeof(sorted));
    qsort(sorted, r->repeats, sizeof(*sorted), by_rate);
    for (unsigned k = 0; k < BL_KINDS_MAX; k++) committed += r->committed[k];
    double each = (double)(committed + !committed);
    printf("%-19s %-26s %11.0f %10.0f-%-10.0f %7.3f %% %9.1f %9.1f %9.1f %8.2f %8.0f%s\n", c->engine->name,
           c->engine->levels[c->level].name, sorted[r->repeats / 2], sorted[0], sorted[r->repeats - 1],
           100.0 * (double)r->aborts / (double)(r->attempts + !r->attempts), (double)bd_quantile(&r->latency, 0.5) * 1e-3,
           (double)bd_quantile(&r->latency, 0.99) * 1e-3, (double)bd_quantile(&r->latency, 0.999) * 1e-3,
           r->cpu_seconds * 1e6 / each, (double)r->log_bytes / each, r->steady ? "" : "  (not steady)");
}

static void print_json(const struct ask *ask, const struct bl_load *load, const struct contender *c) {
    const struct bd_result *r = &c->result;
    printf("{\"load\":\"%s\",\"engine\":\"%s\",\"title\":\"%s\",\"isolation\":\"%s\",\"sync\":\"%s\",\"threads\":%u,"
           "\"records\":%llu,\"theta\":%g,\"failed\":%s,\"rates\":[",
           load->name, c->engine->name, c->engine->title, c->engine->levels[c->level].name, ask->sync,
           ask->settings.threads, (unsigned long long)ask->settings.records, ask->settings.theta,
           r->failed ? "true" : "false");
    for (unsigned i = 0; i < r->repeats && !r->failed; i++) printf("%s%.1f", i != 0 ? "," : "", r->rate[i]);
    printf("],\"attempts\":%llu,\"aborts\":%llu,\"operations\":%llu,\"wasted\":%llu,\"longest_aborts\":%llu,"
           "\"p50_ns\":%llu,\"p95_ns\":%llu,\"p99_ns\":%llu,\"p999_ns\":%llu,\"max_ns\":%llu,\"cpu_s\":%.3f,"
           "\"memory_bytes\":%llu,\"log_bytes\":%llu,\"syncs\":%llu,\"fill_s\":%.3f}\n",
           (unsigned long long)r->attempts, (unsigned long long)r->aborts, (unsigned long long)r->operations,
           (unsigned long long)r->wasted, (unsigned long long)r->longest_aborts,
           (unsigned long long)bd_quantile(&r->latency, 0.5), (unsigned long long)bd_quantile(&r->latency, 0.95),
           (unsigned long long)bd_quantile(&r->latency, 0.99), (unsigned long long)bd_quantile(&r->latency, 0.999),
           (unsigned long long)r->latency.max, r->cpu_seconds, (unsigned long long)r->memory_bytes,
           (unsigned long long)r->log_bytes, (unsigned long long)r->syncs, r->fill_seconds);
}

/* Repeats take turns: each round runs every contender once. */
static void merge(struct bd_result *into, const struct bd_result *from) {
    if (into->repeats == 0 || from->failed) {
        *into = *from;
        return;
    }
    for (unsigned i = 0; i < from->repeats && into->repeats < BD_REPEATS_MAX; i++) into->rate[into->repeats++] = from->rate[i];
    for (unsigned k = 0; k < BL_KINDS_MAX; k++) {
        into->committed[k] += from->committed[k];
        bd_merge(&into->by_kind[k], &from->by_kind[k]);
    }
    bd_merge(&into->latency, &from->latency);
    into->rolled_back += from->rolled_back;
    into->attempts += from->attempts;
    into->aborts += from->aborts;
    into->operations += from->operations;
    into->wasted += from->wasted;
    into->cpu_seconds += from->cpu_seconds;
    into->log_bytes += from->log_bytes;
    into->syncs += from->syncs;
    into->seconds += from->seconds;
    into->fill_seconds += from->fill_seconds;
    into->steady = into->steady && from->steady;
    if (from->longest_aborts > into->longest_aborts) into->longest_aborts = from->longest_aborts;
}

static int one_turn(const struct ask *ask, const struct bl_load *load, struct contender *c) {
    static struct bd_result result;
    char extra[256] = "";
    struct bd_options options = {.engine = c->engine,
                                 .load = load,
                                 .settings = ask->settings,
                                 .seconds = ask->seconds,
                                 .warm_seconds_max = ask->warm,
                                 .repeats = 1,
                                 .rate = ask->rate,
                                 .keep = ask->keep,
                                 .interrupted = &stop_word};
    options.open = (struct peer_options){
        .directory = ask->directory, .level = c->level, .cache_bytes = 4ull << 30, .threads = ask->settings.threads};
    if (sync_of(ask->sync, &options.open.sync) != 0) return EXIT_USAGE;
    if (strcmp(c->engine->package, "varve") == 0) {
        snprintf(extra, sizeof(extra), "%s%s%s%s", ask->deadlock != NULL ? ",deadlock=" : "",
                 ask->deadlock != NULL ? ask->deadlock : "", ask->extra != NULL ? "," : "",
                 ask->extra != NULL ? ask->extra : "");
        options.open.extra = extra;
    }
    if (isatty(2)) {
        options.progress = show_progress;
        options.arg = (void *)(uintptr_t)c->engine->name;
    }
    int status = bd_run(&options, &result);
    if (isatty(2)) fputs("\r\033[K", stderr);
    if (status != VARVE_OK && !result.failed) return cmd_fail(c->engine->name, status, result.text);
    if (status == VARVE_INVALID) return complain("options", result.text);
    merge(&c->result, &result);
    return 0;
}

static int run_load(struct ask *ask, const struct bl_load *load, unsigned *failed) {
    for (unsigned i = 0; i < ask->count; i++) memset(&ask->contenders[i].result, 0, sizeof(struct bd_result));
    for (unsigned turn = 0; turn < ask->repeats && !stop_asked; turn++)
        for (unsigned i = 0; i < ask->count && !stop_asked; i++) {
            if (ask->contenders[i].result.failed) continue;
            int status = one_turn(ask, load, &ask->contenders[i]);
            if (status != 0) return status;
        }
    if (!ask->json) print_header(ask, load);
    for (unsigned i = 0; i < ask->count; i++) {
        if (ask->contenders[i].result.repeats == 0 && !ask->contenders[i].result.failed) continue;
        if (ask->json)
            print_json(ask, load, &ask->contenders[i]);
        else
            print_result(&ask->contenders[i]);
        *failed += ask->contenders[i].result.failed;
    }
    fflush(stdout);
    return 0;
}

static int run_loads(struct ask *ask) {
    char list[256], *rest = list, *name;
    unsigned failed = 0;
    snprintf(list, sizeof(list), "%s", ask->loads);
    while ((name = strsep(&rest, ",")) != NULL && !stop_asked) {
        const struct bl_load *load = bl_find(name);
        if (load == NULL) {
            const char *names[64];
            size_t count = 0;
            for (; bl_loads[count] != NULL && count < 64; count++) names[count] = bl_loads[count]->name;
            fprintf(stderr, "varve bench: no load '%s'; the nearest is '%s'; there are:\n", name,
                    vb_nearest(name, names, count));
            for (size_t i = 0; i < count; i++) fprintf(stderr, "  %-16s %s\n", bl_loads[i]->name, bl_loads[i]->about);
            return EXIT_USAGE;
        }
        int status = run_load(ask, load, &failed);
        if (status != 0) return status;
    }
    if (stop_asked) fprintf(stderr, "interrupted: what was measured until then is above\n");
    return failed != 0 ? EXIT_NO : stop_asked ? EXIT_FAILED : EXIT_DONE;
}

int cmd_bench(int argc, char **argv) {
    struct ask ask = {.loads = "reads,mixed", .cc = "all", .isolation = "serializable", .sync = "none", .key = "string",
                      .seconds = DEFAULT_SECONDS, .warm = 5, .repeats = 1};
    ask.settings = (struct bl_settings){.records = 1000000, .value_bytes = 100, .ops_per_txn = 10, .read_ratio = 50,
                                        .warehouses = 2, .hot = 100, .scan_seconds = 10, .threads = 2, .seed = 1};
    const char *tmp = getenv("TMPDIR");
    ask.directory = tmp != NULL && tmp[0] != 0 ? tmp : "/tmp";
    if (argc > 0 && strcmp(argv[0], "--help") == 0) return fputs(usage, stdout) < 0 ? EXIT_FAILED : EXIT_DONE;
    int status = take_options(&ask, argc, argv);
    if (status != 0) return status;
    ask.contenders = calloc(ENGINES_MAX, sizeof(*ask.contenders));
    if (ask.contenders == NULL) return cmd_fail("bench", VARVE_NOMEM, "out of memory");
    status = add_ours(&ask);
    if (status == 0) status = add_peers(&ask);
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    if (status == 0) status = run_loads(&ask);
    free(ask.contenders);
    return status;
}
