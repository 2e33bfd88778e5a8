/* figures.c - the plain figures: transactions per second of three loads in each scheme, on one machine, in one minute.
 *
 * One table of records with 16-byte keys (hexadecimal digits of a scrambled number, so neighbours in time are not
 * neighbours in order) and 100-byte values; keys are drawn uniformly. Loads: one read; ten reads; five reads and five
 * read-modify-writes; every transaction at the database's default level. Each load ends with a check: every read
 * found a value of the right size, and the sum over all records is the number of acknowledged increments.
 *
 * Thread rule: one worker is one thread; the main thread waits for a clock and reads their counters after joining.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "varve.h"

enum { KEY_BYTES = 16, VALUE_BYTES = 100, OPERATIONS_MAX = 10, THREADS_MAX = 64, LOAD_BATCH = 1000 };

struct settings {
    uint64_t records;
    double seconds;
    unsigned threads;
    const char *sync, *schemes, *isolation, *directory;
};

struct load {
    const char *name;
    unsigned reads, changes;
};
static const struct load loads[] = {{"1 read", 1, 0}, {"10 reads", 10, 0}, {"5 reads + 5 changes", 5, 5}};
enum { LOADS = sizeof(loads) / sizeof(loads[0]) };

struct worker {
    pthread_t thread;
    varve_db *db;
    varve_table *table;
    const struct load *load;
    const int *stop;
    uint64_t records, random, commits, attempts, first, last;
    uint64_t picks[OPERATIONS_MAX];
    int status; /* of the first call that failed with something else than a conflict */
} __attribute__((aligned(128)));

struct result {
    double rate, aborted;
    int status;
};

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t draw(struct worker *worker) {
    worker->random += 0x9e3779b97f4a7c15u;
    return mix(worker->random) % worker->records;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static varve_slice key_of(uint64_t index, char *buffer) {
    static const char digits[] = "0123456789abcdef";
    uint64_t scrambled = mix(index);
    for (int i = 0; i < KEY_BYTES; i++) buffer[i] = digits[(scrambled >> (60 - 4 * i)) & 15];
    return VARVE_SLICE(buffer, KEY_BYTES);
}

/* --- loading ------------------------------------------------------------------------------------------------ */

static int load_batch(varve_txn *txn, void *arg) {
    struct worker *worker = arg;
    char key[KEY_BYTES], value[VALUE_BYTES] = {0};
    uint64_t last = worker->first + LOAD_BATCH < worker->last ? worker->first + LOAD_BATCH : worker->last;
    for (uint64_t i = worker->first; i < last; i++) {
        memcpy(value + 8, &i, sizeof(i));
        int status = varve_insert(txn, worker->table, key_of(i, key), VARVE_SLICE(value, VALUE_BYTES));
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

static void *load_records(void *arg) {
    struct worker *worker = arg;
    for (; worker->first < worker->last && worker->status == VARVE_OK; worker->first += LOAD_BATCH)
        worker->status = varve_run(worker->db, NULL, load_batch, worker);
    return NULL;
}

/* --- running ------------------------------------------------------------------------------------------------ */

static int change(varve_txn *txn, struct worker *worker, varve_slice key, varve_slice old) {
    char value[VALUE_BYTES];
    uint64_t count;
    memcpy(value, old.data, VALUE_BYTES);
    memcpy(&count, value, sizeof(count));
    count++;
    memcpy(value, &count, sizeof(count));
    return varve_put(txn, worker->table, key, VARVE_SLICE(value, VALUE_BYTES));
}

static int one_transaction(varve_txn *txn, void *arg) {
    struct worker *worker = arg;
    const struct load *load = worker->load;
    char key[KEY_BYTES];
    worker->attempts++;
    for (unsigned i = 0; i < load->reads + load->changes; i++) {
        varve_slice value, name = key_of(worker->picks[i], key);
        int status = varve_get(txn, worker->table, name, &value);
        if (status == VARVE_OK && value.size != VALUE_BYTES) status = VARVE_CORRUPT;
        if (status == VARVE_OK && i >= load->reads) status = change(txn, worker, name, value);
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

static bool picked(const struct worker *worker, unsigned count, uint64_t index) {
    for (unsigned i = 0; i < count; i++)
        if (worker->picks[i] == index) return true;
    return false;
}

static void *run_load(void *arg) {
    struct worker *worker = arg;
    unsigned operations = worker->load->reads + worker->load->changes;
    while (__atomic_load_n(worker->stop, __ATOMIC_RELAXED) == 0 && worker->status == VARVE_OK) {
        for (unsigned i = 0; i < operations; i++) {
            do worker->picks[i] = draw(worker);
            while (picked(worker, i, worker->picks[i]));
        }
        worker->status = varve_run(worker->db, NULL, one_transaction, worker);
        worker->commits += worker->status == VARVE_OK;
    }
    return NULL;
}

static void wait_seconds(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&t, &t) != 0) {}
}

/* Starts one thread per worker on `body`; with `seconds` > 0 tells them to stop after that time. Returns the time. */
static double run_workers(struct worker *workers, unsigned count, void *(*body)(void *), int *stop, double seconds) {
    double start = now();
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&workers[i].thread, NULL, body, &workers[i]) != 0) abort();
    if (seconds > 0) wait_seconds(seconds);
    __atomic_store_n(stop, 1, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < count; i++) pthread_join(workers[i].thread, NULL);
    return now() - start;
}

static int sum_of_changes(varve_db *db, varve_table *table, uint64_t *rows, uint64_t *sum) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_txn *txn;
    varve_cursor *cursor;
    varve_slice key, value;
    options.read_only = true;
    *rows = *sum = 0;
    int status = varve_begin(db, &options, &txn);
    if (status != VARVE_OK) return status;
    status = varve_cursor_open(txn, table, NULL, &cursor);
    while (status == VARVE_OK && (status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK) {
        uint64_t count;
        memcpy(&count, value.data, sizeof(count));
        *sum += count;
        ++*rows;
    }
    varve_abort(txn);
    return status == VARVE_END ? VARVE_OK : status;
}

static struct result measure(struct worker *base, const struct settings *settings, const struct load *load) {
    static struct worker workers[THREADS_MAX];
    int stop = 0;
    struct result result = {0, 0, VARVE_OK};
    uint64_t commits = 0, attempts = 0;
    for (unsigned i = 0; i < settings->threads; i++) {
        workers[i] = *base;
        workers[i].load = load;
        workers[i].stop = &stop;
        workers[i].random = base->random + mix(i + 1);
    }
    double seconds = run_workers(workers, settings->threads, run_load, &stop, settings->seconds);
    for (unsigned i = 0; i < settings->threads; i++) {
        commits += workers[i].commits;
        attempts += workers[i].attempts;
        if (workers[i].status != VARVE_OK) result.status = workers[i].status;
    }
    base->random = mix(base->random);
    base->commits += commits * load->changes;
    result.rate = (double)commits / seconds;
    result.aborted = attempts == 0 ? 0 : 100.0 * (double)(attempts - commits) / (double)attempts;
    return result;
}

static int load_table(struct worker *base, const struct settings *settings) {
    static struct worker workers[THREADS_MAX];
    int stop = 0, status = VARVE_OK;
    for (unsigned i = 0; i < settings->threads; i++) {
        workers[i] = *base;
        workers[i].first = settings->records * i / settings->threads;
        workers[i].last = settings->records * (i + 1) / settings->threads;
    }
    double seconds = run_workers(workers, settings->threads, load_records, &stop, 0);
    for (unsigned i = 0; i < settings->threads; i++)
        if (workers[i].status != VARVE_OK) status = workers[i].status;
    printf("%-6s %11.0f", "", (double)settings->records / seconds);
    return status;
}

/* One scheme: open, load, three loads, check, close. Prints one row; 0 = all well. */
static int run_scheme(const struct settings *settings, const char *scheme, const char *directory) {
    struct worker base = {.records = settings->records, .random = 1};
    struct result results[LOADS] = {{0, 0, VARVE_OK}};
    char options[160];
    uint64_t rows = 0, sum = 0;
    snprintf(options, sizeof(options), "cc=%s,sync=%s,isolation=%s", scheme, settings->sync, settings->isolation);
    int status = varve_open(directory, options, &base.db);
    if (status != VARVE_OK) {
        fprintf(stderr, "figures: %s: %s\n", varve_strerror(status), base.db != NULL ? varve_db_error(base.db) : "");
        if (base.db != NULL) varve_close(base.db);
        return 1;
    }
    printf("%-5s", scheme);
    status = varve_table_open(base.db, "figures", NULL, &base.table);
    if (status == VARVE_OK) status = load_table(&base, settings);
    for (unsigned i = 0; i < LOADS && status == VARVE_OK; i++) {
        results[i] = measure(&base, settings, &loads[i]);
        status = results[i].status;
        printf("  %13.0f", results[i].rate);
        fflush(stdout);
    }
    if (status == VARVE_OK) status = sum_of_changes(base.db, base.table, &rows, &sum);
    printf("  %9.3f %%\n", results[LOADS - 1].aborted);
    if (status != VARVE_OK) fprintf(stderr, "figures: %s: %s\n", varve_strerror(status), varve_db_error(base.db));
    if (status == VARVE_OK && (rows != settings->records || sum != base.commits)) {
        fprintf(stderr, "figures: %s: %llu rows of %llu, %llu changes of %llu acknowledged\n", scheme,
                (unsigned long long)rows, (unsigned long long)settings->records, (unsigned long long)sum,
                (unsigned long long)base.commits);
        status = VARVE_CORRUPT;
    }
    int closed = varve_close(base.db);
    return status == VARVE_OK && closed == VARVE_OK ? 0 : 1;
}

static bool parse(int argc, char **argv, struct settings *settings) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--records") == 0) settings->records = strtoull(value, NULL, 10);
        else if (strcmp(name, "--seconds") == 0) settings->seconds = strtod(value, NULL);
        else if (strcmp(name, "--threads") == 0) settings->threads = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--sync") == 0) settings->sync = value;
        else if (strcmp(name, "--isolation") == 0) settings->isolation = value;
        else if (strcmp(name, "--cc") == 0) settings->schemes = value;
        else if (strcmp(name, "--directory") == 0) settings->directory = value;
        else return false;
    }
    return argc % 2 == 1 && settings->records >= OPERATIONS_MAX && settings->seconds > 0 && settings->threads >= 1 &&
           settings->threads <= THREADS_MAX;
}

/* Removes a database that this program made: a directory of plain files. */
static void remove_directory(const char *path) {
    char command[4200];
    snprintf(command, sizeof(command), "rm -rf -- '%s'", path);
    if (system(command) != 0) fprintf(stderr, "figures: %s was left behind\n", path);
}

int main(int argc, char **argv) {
    const char *temporary = getenv("TMPDIR");
    struct settings settings = {1000000, 3, 2, "none", "mvcc,2pl,occ", "serializable",
                                temporary != NULL ? temporary : "/tmp"};
    char schemes[64], path[4096], *rest = NULL;
    int failed = 0;
    if (!parse(argc, argv, &settings)) {
        fprintf(stderr, "usage: figures [--records N] [--seconds S] [--threads N] [--sync MODE] [--isolation LEVEL]\n"
                        "               [--cc SCHEME,...] [--directory DIR | :memory:]\n");
        return 2;
    }
    printf("varve %s: %llu records, %d-byte keys, %d-byte values, %u threads, sync=%s, %s, %g s each\n",
           varve_version(), (unsigned long long)settings.records, KEY_BYTES, VALUE_BYTES, settings.threads,
           settings.sync, settings.isolation, settings.seconds);
    printf("%-5s %18s", "cc", "records loaded/s");
    for (unsigned i = 0; i < LOADS; i++) printf("  %13s", i == 2 ? "5 r + 5 rmw" : loads[i].name);
    printf("  %11s\n%-5s %18s  %13s  %13s  %13s  %11s\n", "aborted", "", "", "txn/s", "txn/s", "txn/s", "of 5 r+5 rmw");
    snprintf(schemes, sizeof(schemes), "%s", settings.schemes);
    for (char *scheme = strtok_r(schemes, ",", &rest); scheme != NULL; scheme = strtok_r(NULL, ",", &rest)) {
        bool memory = strcmp(settings.directory, ":memory:") == 0;
        snprintf(path, sizeof(path), memory ? "%s" : "%s/varve-figures-XXXXXX", settings.directory);
        if (!memory && mkdtemp(path) == NULL) {
            perror(path);
            return 1;
        }
        failed |= run_scheme(&settings, scheme, path);
        if (!memory) remove_directory(path);
    }
    return failed;
}
