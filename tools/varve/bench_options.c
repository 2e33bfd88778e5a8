/* bench_options.c - the command line of `varve bench`, and what cannot be asked together.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "bench.h"
#include "varve_cmd.h"

const char bench_usage[] =
    "usage: varve bench [--load NAME,...] [--cc mvcc|2pl|occ|all|none] [--isolation LEVEL,...] [--deadlock POLICY]\n"
    "           [--sync none|write|interval|group|sync] [--threads N,...] [--records N] [--value-size N]\n"
    "           [--key string|binary] [--key-order random|sorted] [--theta X,...] [--ops-per-txn N]\n"
    "           [--read-ratio PERCENT] [--seconds S] [--warm S] [--repeat N] [--open | --rate TXN_PER_S] [--get-many]\n"
    "           [--add] [--for-update] [--warehouses N] [--hot N] [--scan-seconds N] [--seed N] [--dir DIR|:memory:]\n"
    "           [--keep] [--peer NAME,...|all] [--peer-dir DIR] [--unequal] [--options TEXT] [--json] [--html FILE]\n"
    "\n"
    "Lists are run in every combination. --open: after the closed loop, open loops at 50, 70 and 90 % of its rate.\n"
    "--unequal: compare engines although they do not lose the same in a crash. docs/benchmark.md explains the figures.\n"
    "Exit status: 0 done, 1 a run broke its invariant, 2 usage, 3 the machine failed or it was interrupted.\n";

int bench_complain(const char *what, const char *why) {
    fprintf(stderr, "varve bench: %s: %s\n", what, why);
    return EXIT_USAGE;
}

struct number_option {
    const char *name;
    uint64_t least, most;
    size_t offset;
    bool wide; /* uint64_t, else uint32_t */
};
#define NUMBER(name, least, most, field, wide) {name, least, most, offsetof(struct bench_ask, field), wide}
static const struct number_option numbers[] = {NUMBER("--records", 1, UINT64_MAX, settings.records, true),
                                               NUMBER("--value-size", 1, 1 << 20, settings.value_bytes, false),
                                               NUMBER("--ops-per-txn", 1, 1000, settings.ops_per_txn, false),
                                               NUMBER("--read-ratio", 0, 100, settings.read_ratio, false),
                                               NUMBER("--warehouses", 1, 100000, settings.warehouses, false),
                                               NUMBER("--hot", 1, UINT32_MAX, settings.hot, false),
                                               NUMBER("--scan-seconds", 0, 3600, settings.scan_seconds, false),
                                               NUMBER("--seed", 0, UINT64_MAX, settings.seed, true),
                                               NUMBER("--repeat", 1, BD_REPEATS_MAX, repeats, false)};
struct real_option {
    const char *name;
    double least, below;
    size_t offset;
};
static const struct real_option reals[] = {{"--seconds", 0.01, 1e6, offsetof(struct bench_ask, seconds)},
                                           {"--warm", 0, 1e6, offsetof(struct bench_ask, warm)},
                                           {"--rate", 0, 1e9, offsetof(struct bench_ask, rate)}};
struct other_option {
    const char *name;
    size_t offset;
};
#define TEXT(name, field) {name, offsetof(struct bench_ask, field)}
static const struct other_option texts[] = {
    TEXT("--load", loads),         TEXT("--cc", cc),       TEXT("--isolation", isolation), TEXT("--deadlock", deadlock),
    TEXT("--sync", sync),          TEXT("--peer", peers),  TEXT("--peer-dir", peer_dir),   TEXT("--dir", directory),
    TEXT("--key", key),            TEXT("--options", extra), TEXT("--html", html),         TEXT("--threads", threads),
    TEXT("--theta", theta),       TEXT("--key-order", key_order)};
static const struct other_option flags[] = {
    TEXT("--json", json),         TEXT("--keep", keep),        TEXT("--unequal", unequal), TEXT("--get-many", settings.use_get_many),
    TEXT("--add", settings.use_add), TEXT("--for-update", settings.use_for_update), TEXT("--open", open)};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static int take_whole(const char *name, const char *value, uint64_t least, uint64_t most, uint64_t *number) {
    char *end, why[80];
    errno = 0;
    *number = strtoull(value, &end, 10);
    if (errno == 0 && end != value && *end == 0 && value[0] != '-' && *number >= least && *number <= most) return 0;
    snprintf(why, sizeof(why), "a number from %llu to %llu is expected", (unsigned long long)least,
             (unsigned long long)most);
    return bench_complain(name, why);
}

static int take_real(const char *name, const char *value, double least, double below, double *number) {
    char *end, why[80];
    *number = strtod(value, &end);
    if (end != value && *end == 0 && *number >= least && *number < below) return 0;
    snprintf(why, sizeof(why), "a number from %g to below %g is expected", least, below);
    return bench_complain(name, why);
}

static int set_number(struct bench_ask *ask, const struct number_option *o, const char *value) {
    uint64_t number;
    char *field = (char *)ask + o->offset;
    int status = take_whole(o->name, value, o->least, o->most, &number);
    if (status != 0) return status;
    if (o->wide)
        *(uint64_t *)(void *)field = number;
    else
        *(uint32_t *)(void *)field = (uint32_t)number;
    return 0;
}

/* 0: taken, with *used words; EXIT_USAGE: said why; -1: no such option. */
static int take_option(struct bench_ask *ask, int left, char **argv, int *used) {
    const char *name = argv[0];
    *used = 1;
    for (size_t i = 0; i < COUNT(flags); i++)
        if (strcmp(flags[i].name, name) == 0) return *(bool *)(void *)((char *)ask + flags[i].offset) = true, 0;
    *used = 2;
    const char *value = left > 1 ? argv[1] : NULL;
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (strcmp(numbers[i].name, name) == 0)
            return value == NULL ? bench_complain(name, "a value is missing") : set_number(ask, &numbers[i], value);
    for (size_t i = 0; i < COUNT(reals); i++)
        if (strcmp(reals[i].name, name) == 0)
            return value == NULL ? bench_complain(name, "a value is missing")
                                 : take_real(name, value, reals[i].least, reals[i].below,
                                             (double *)(void *)((char *)ask + reals[i].offset));
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (strcmp(texts[i].name, name) != 0) continue;
        if (value == NULL) return bench_complain(name, "a value is missing");
        *(const char **)(void *)((char *)ask + texts[i].offset) = value;
        if (strcmp(name, "--sync") == 0) ask->sync_given = true;
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
    fprintf(stderr, "varve bench: no option '%s'; the nearest is '%s'\n%s", name, vb_nearest(name, known, count),
            bench_usage);
    return EXIT_USAGE;
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

static int take_level(struct bench_ask *ask, unsigned at, const char *word) {
    static const char *const names[][2] = {{"ru", "read_uncommitted"},
                                           {"rc", "read_committed"},
                                           {"rr", "repeatable_read"},
                                           {"si", "snapshot"},
                                           {"ser", "serializable"}};
    for (unsigned i = 0; i < COUNT(names); i++)
        if (strcmp(word, names[i][0]) == 0 || strcmp(word, names[i][1]) == 0)
            return ask->levels[at] = (varve_isolation)(VARVE_READ_UNCOMMITTED + i), 0;
    return bench_complain("--isolation", "ru, rc, rr, si, ser, or the long names, with commas between");
}
static int take_threads(struct bench_ask *ask, unsigned at, const char *word) {
    uint64_t number;
    int status = take_whole("--threads", word, 1, 1024, &number);
    if (status == 0) ask->thread_counts[at] = (unsigned)number;
    return status;
}
static int take_theta(struct bench_ask *ask, unsigned at, const char *word) {
    return take_real("--theta", word, 0, 1, &ask->thetas[at]);
}
static int take_load(struct bench_ask *ask, unsigned at, const char *word) {
    const char *names[64] = {NULL};
    size_t count = 0;
    if ((ask->load_list[at] = bl_find(word)) != NULL) return 0;
    for (; bl_loads[count] != NULL && count < 64; count++) names[count] = bl_loads[count]->name;
    fprintf(stderr, "varve bench: no load '%s'; the nearest is '%s'; there are:\n", word, vb_nearest(word, names, count));
    for (size_t i = 0; i < count; i++) fprintf(stderr, "  %-16s %s\n", bl_loads[i]->name, bl_loads[i]->about);
    return EXIT_USAGE;
}

static int take_list(struct bench_ask *ask, const char *name, const char *list, unsigned *count,
                     int (*take)(struct bench_ask *ask, unsigned at, const char *word)) {
    char copy[256], *rest = copy, *word;
    if (strlen(list) >= sizeof(copy)) return bench_complain(name, "the list is too long");
    snprintf(copy, sizeof(copy), "%s", list);
    for (*count = 0; (word = strsep(&rest, ",")) != NULL; ++*count) {
        if (*count == BENCH_LIST_MAX) return bench_complain(name, "at most 16 at once");
        int status = take(ask, *count, word);
        if (status != 0) return status;
    }
    return 0;
}

static int take_lists(struct bench_ask *ask) {
    int status = take_list(ask, "--load", ask->loads, &ask->load_count, take_load);
    if (status == 0) status = take_list(ask, "--isolation", ask->isolation, &ask->level_count, take_level);
    if (status == 0) status = take_list(ask, "--threads", ask->threads, &ask->thread_count, take_threads);
    return status == 0 ? take_list(ask, "--theta", ask->theta, &ask->theta_count, take_theta) : status;
}

/* --- what goes together ------------------------------------------------------------------------------------------- */

static int take_sync(struct bench_ask *ask) {
    static const struct {
        const char *name;
        enum peer_sync sync;
    } modes[] = {{"none", PEER_SYNC_NONE},
                 {"write", PEER_SYNC_WRITE},
                 {"interval", PEER_SYNC_WRITE},
                 {"group", PEER_SYNC_FULL},
                 {"sync", PEER_SYNC_FULL}};
    bool memory = strcmp(ask->directory, ":memory:") == 0;
    if (ask->sync == NULL) ask->sync = ask->peers != NULL && !memory ? "write" : "none";
    if (memory && ask->sync_given && strcmp(ask->sync, "none") != 0)
        return bench_complain("--sync", "a database in :memory: has nothing to sync; give a directory with --dir");
    for (size_t i = 0; i < COUNT(modes); i++)
        if (strcmp(modes[i].name, ask->sync) == 0) return ask->sync_mode = modes[i].sync, 0;
    return bench_complain("--sync", "none, write, interval, group or sync");
}

static int check_page(const struct bench_ask *ask) {
    if (ask->html == NULL) return 0;
    FILE *out = fopen(ask->html, "a");
    if (out == NULL) {
        fprintf(stderr, "varve bench: %s: %s\n", ask->html, strerror(errno));
        return EXIT_FAILED;
    }
    fclose(out);
    return 0;
}

static int check_together(struct bench_ask *ask) {
    if (strcmp(ask->key, "string") != 0 && strcmp(ask->key, "binary") != 0)
        return bench_complain("--key", "string or binary");
    ask->settings.string_keys = strcmp(ask->key, "string") == 0;
    if (strcmp(ask->key_order, "random") != 0 && strcmp(ask->key_order, "sorted") != 0)
        return bench_complain("--key-order", "random or sorted");
    ask->settings.sorted_keys = strcmp(ask->key_order, "sorted") == 0;
    if (ask->open && ask->rate > 0)
        return bench_complain("--open", "takes its rates from the closed loop; --rate gives one: use one of them");
    if (strcmp(ask->cc, "none") == 0 && ask->peers == NULL)
        return bench_complain("--cc", "none leaves nothing to run without --peer");
    if (ask->deadlock != NULL && strcmp(ask->cc, "none") == 0)
        return bench_complain("--deadlock", "is Varve's, and --cc none leaves Varve out");
    if (strcmp(ask->directory, ":memory:") != 0 && access(ask->directory, W_OK) != 0) {
        fprintf(stderr, "varve bench: %s: %s\n", ask->directory, strerror(errno));
        return EXIT_FAILED;
    }
    int status = take_sync(ask);
    return status == 0 ? check_page(ask) : status;
}

int bench_take_options(struct bench_ask *ask, int argc, char **argv) {
    for (int i = 0; i < argc;) {
        int used, status = take_option(ask, argc - i, argv + i, &used);
        if (status < 0) return unknown_option(argv[i]);
        if (status != 0) return status;
        i += used;
    }
    int status = take_lists(ask);
    return status == 0 ? check_together(ask) : status;
}
