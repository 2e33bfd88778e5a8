/* recovery.c - how long an open takes: over a log, against reading the log's files, and after a checkpoint.
 *
 * A child fills a table, then writes random rows of it in transactions of ten until the log has the size asked for, with
 * no checkpoint on the way, and is gone without closing: what it leaves is what a killed process leaves. Each repeat opens
 * the database in a child of its own, so that none finds memory of the one before, counts the rows, and closes. Between
 * them the log's files are read from end to end by one thread through a buffer, which is the least that a recovery does.
 * Then a checkpoint is taken, and the opens are measured again.
 *
 *   recovery [--records N] [--log-mb N] [--value-size N] [--threads N] [--repeat N] [--directory DIR] [--json]
 *
 * The files are in the operating system's cache throughout: the device is not what is measured.
 *
 * Thread rule: one thread, but for the writers of the child that fills.
 *
 * SPDX-License-Identifier: MIT
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "varve.h"

enum { KEY_BYTES = 16, VALUE_MOST = 4000, THREADS_MAX = 64, FILL_BATCH = 1000, CHANGES = 10, REPEATS_MAX = 32 };
enum { READ_BYTES = 1 << 20 };
enum { WRONG_ROWS = 100 }; /* exit status of a child: a row is missing, or one too many */

struct settings {
    uint64_t records, log_mb, value_bytes, threads, repeats;
    const char *directory;
    int json;
};
static struct settings set = {1000000, 256, 100, 2, 3, NULL, 0};
static char directory[4096];

/* What a child tells; in memory shared with it. */
struct told {
    double seconds;
    uint64_t transactions, rows; /* replayed, and loaded from the checkpoint */
    char error[256];
};
static struct told *told;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static varve_slice key_of(uint64_t row, char *buffer) {
    static const char digits[] = "0123456789abcdef";
    uint64_t scrambled = mix(row);
    for (int i = 0; i < KEY_BYTES; i++) buffer[i] = digits[(scrambled >> (60 - 4 * i)) & 15];
    return VARVE_SLICE(buffer, KEY_BYTES);
}

/* --- children ------------------------------------------------------------------------------------------------------- */

/* Runs fn in a process of its own; 0, or what it exited with. */
static int in_child(int (*fn)(void)) {
    int state;
    memset(told, 0, sizeof(*told));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) _exit(fn());
    if (child < 0 || waitpid(child, &state, 0) != child) return 1;
    return WIFEXITED(state) ? WEXITSTATUS(state) : 1;
}

static int complain(varve_db *db, int status) {
    snprintf(told->error, sizeof(told->error), "%s: %s", varve_strerror(status), db != NULL ? varve_db_error(db) : "");
    return 1;
}

static int open_db(varve_db **db, varve_table **table) {
    double begun = now();
    int status = varve_open(directory, "sync=none,checkpoint_bytes=0,memory=16G", db);
    told->seconds = now() - begun;
    return status == VARVE_OK ? varve_table_open(*db, "recovery", NULL, table) : status;
}

/* --- the log -------------------------------------------------------------------------------------------------------- */

struct writer {
    pthread_t thread;
    varve_db *db;
    varve_table *table;
    uint64_t first, last, random;
    int status;
} __attribute__((aligned(128)));

static int put_row(varve_txn *txn, struct writer *w, uint64_t row) {
    char key[KEY_BYTES], value[VALUE_MOST];
    memset(value, (int)(w->random & 0x7f), set.value_bytes);
    memcpy(value, &row, sizeof(row));
    return varve_put(txn, w->table, key_of(row, key), VARVE_SLICE(value, set.value_bytes));
}

static int fill_batch(varve_txn *txn, void *arg) {
    struct writer *w = arg;
    uint64_t end = w->first + FILL_BATCH < w->last ? w->first + FILL_BATCH : w->last;
    int status = VARVE_OK;
    for (uint64_t row = w->first; row < end && status == VARVE_OK; row++) status = put_row(txn, w, row);
    return status;
}

static int change_rows(varve_txn *txn, void *arg) {
    struct writer *w = arg;
    int status = VARVE_OK;
    for (unsigned i = 0; i < CHANGES && status == VARVE_OK; i++) status = put_row(txn, w, mix(++w->random) % set.records);
    return status;
}

static uint64_t log_bytes(varve_db *db) {
    varve_stats_info info = {.size = sizeof(info)};
    return varve_stats(db, &info) == VARVE_OK ? info.log_bytes : UINT64_MAX;
}

static void *write_log(void *arg) {
    struct writer *w = arg;
    for (; w->first < w->last && w->status == VARVE_OK; w->first += FILL_BATCH)
        w->status = varve_run(w->db, NULL, fill_batch, w);
    for (unsigned n = 0; w->status == VARVE_OK && (n % 64 != 0 || log_bytes(w->db) < set.log_mb << 20); n++)
        w->status = varve_run(w->db, NULL, change_rows, w);
    return NULL;
}

/* Child: makes the log and is gone as a killed process is. */
static int make_log(void) {
    static struct writer writers[THREADS_MAX];
    varve_db *db = NULL;
    varve_table *table;
    int status = open_db(&db, &table);
    if (status != VARVE_OK) return complain(db, status);
    for (uint64_t i = 0; i < set.threads; i++) {
        writers[i] = (struct writer){.db = db, .table = table, .random = mix(i + 1)};
        writers[i].first = set.records * i / set.threads;
        writers[i].last = set.records * (i + 1) / set.threads;
        if (pthread_create(&writers[i].thread, NULL, write_log, &writers[i]) != 0) abort();
    }
    for (uint64_t i = 0; i < set.threads; i++) {
        pthread_join(writers[i].thread, NULL);
        if (writers[i].status != VARVE_OK) status = writers[i].status;
    }
    if (status == VARVE_OK) status = varve_sync(db);
    return status == VARVE_OK ? 0 : complain(db, status);
}

/* --- opening -------------------------------------------------------------------------------------------------------- */

static int count_rows(varve_db *db, varve_table *table, uint64_t *rows) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_txn *txn;
    varve_cursor *cursor;
    varve_slice key, value;
    options.read_only = true;
    *rows = 0;
    int status = varve_begin(db, &options, &txn);
    if (status != VARVE_OK) return status;
    status = varve_cursor_open(txn, table, NULL, &cursor);
    while (status == VARVE_OK && (status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK)
        *rows += value.size == set.value_bytes;
    varve_abort(txn);
    return status == VARVE_END ? VARVE_OK : status;
}

static int open_and_count(bool checkpoint) {
    varve_db *db = NULL;
    varve_table *table;
    uint64_t rows;
    varve_stats_info info = {.size = sizeof(info)};
    int status = open_db(&db, &table);
    if (status == VARVE_OK) status = varve_stats(db, &info);
    if (status == VARVE_OK) status = count_rows(db, table, &rows);
    if (status == VARVE_OK && checkpoint) status = varve_checkpoint(db);
    if (status != VARVE_OK) return complain(db, status);
    told->transactions = info.recovered_txns;
    told->rows = info.recovered_rows;
    status = varve_close(db);
    if (status != VARVE_OK) return complain(NULL, status);
    return rows == set.records ? 0 : WRONG_ROWS;
}
static int open_once(void) { return open_and_count(false); }
static int take_checkpoint(void) { return open_and_count(true); }

/* --- the files ------------------------------------------------------------------------------------------------------ */

/* Reads all files with that ending; the bytes, and how long it took. */
static uint64_t read_files(const char *ending, double *seconds) {
    static char buffer[READ_BYTES];
    char path[4600];
    uint64_t bytes = 0;
    double begun = now();
    DIR *dir = opendir(directory);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ending) != 0) continue;
        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        int file = open(path, O_RDONLY);
        for (ssize_t n; file >= 0 && (n = read(file, buffer, sizeof(buffer))) > 0;) bytes += (uint64_t)n;
        if (file >= 0) close(file);
    }
    if (dir != NULL) closedir(dir);
    *seconds = now() - begun;
    return bytes;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Opens several times and tells; `ending` names the files that are read. */
static int measure(const char *what, const char *ending) {
    double opens[REPEATS_MAX], reads[REPEATS_MAX];
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < set.repeats; i++) {
        bytes = read_files(ending, &reads[i]);
        int status = in_child(open_once);
        if (status != 0) {
            fprintf(stderr, "recovery: %s\n", status == WRONG_ROWS ? "not the rows that were written" : told->error);
            return 1;
        }
        opens[i] = told->seconds;
    }
    qsort(opens, set.repeats, sizeof(*opens), by_value);
    qsort(reads, set.repeats, sizeof(*reads), by_value);
    double open_s = opens[set.repeats / 2], read_s = reads[set.repeats / 2], mb = (double)bytes / 1e6;
    if (set.json)
        printf("{\"what\":\"%s\",\"bytes\":%llu,\"open_s\":%.4f,\"open_least_s\":%.4f,\"open_most_s\":%.4f,\"read_s\":%.4f,"
               "\"transactions\":%llu,\"checkpoint_rows\":%llu,\"rows\":%llu}\n",
               what, (unsigned long long)bytes, open_s, opens[0], opens[set.repeats - 1], read_s,
               (unsigned long long)told->transactions, (unsigned long long)told->rows, (unsigned long long)set.records);
    else
        printf("%-10s %8.0f MB  open %7.3f s (%.3f-%.3f)  %6.0f MB/s;  reading the files %7.3f s  %6.0f MB/s;  "
               "%llu transactions and %llu rows of the checkpoint\n",
               what, mb, open_s, opens[0], opens[set.repeats - 1], mb / open_s, read_s, mb / read_s,
               (unsigned long long)told->transactions, (unsigned long long)told->rows);
    fflush(stdout);
    return 0;
}

static int run(void) {
    if (in_child(make_log) != 0 || measure("log", ".log") != 0) return 1;
    return in_child(take_checkpoint) != 0 || measure("checkpoint", ".run") != 0;
}

/* --- the command line ----------------------------------------------------------------------------------------------- */

static bool parse(int argc, char **argv) {
    const struct {
        const char *name;
        uint64_t *number;
    } numbers[] = {{"--records", &set.records}, {"--log-mb", &set.log_mb},   {"--value-size", &set.value_bytes},
                   {"--threads", &set.threads}, {"--repeat", &set.repeats}};
    for (int i = 1; i < argc; i++) {
        size_t at = 0;
        if (strcmp(argv[i], "--json") == 0) {
            set.json = 1;
            continue;
        }
        if (i + 1 == argc) return false;
        if (strcmp(argv[i], "--directory") == 0) {
            set.directory = argv[++i];
            continue;
        }
        while (at < sizeof(numbers) / sizeof(*numbers) && strcmp(numbers[at].name, argv[i]) != 0) at++;
        if (at == sizeof(numbers) / sizeof(*numbers)) return false;
        char *end;
        *numbers[at].number = strtoull(argv[++i], &end, 10);
        if (*end != 0) return false;
    }
    return set.records >= 1 && set.log_mb < 1 << 20 && set.value_bytes >= 8 && set.value_bytes <= VALUE_MOST &&
           set.threads >= 1 && set.threads <= THREADS_MAX && set.repeats >= 1 && set.repeats <= REPEATS_MAX;
}

int main(int argc, char **argv) {
    const char *temporary = getenv("TMPDIR");
    char command[4200];
    set.directory = temporary != NULL ? temporary : "/tmp";
    if (!parse(argc, argv)) {
        fprintf(stderr, "usage: recovery [--records N] [--log-mb N] [--value-size N] [--threads N] [--repeat N]\n"
                        "                [--directory DIR] [--json]\n");
        return 2;
    }
    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    snprintf(directory, sizeof(directory), "%s/varve-recovery-XXXXXX", set.directory);
    if (told == MAP_FAILED || mkdtemp(directory) == NULL) {
        perror(directory);
        return 1;
    }
    int failed = run();
    if (failed && told->error[0] != 0) fprintf(stderr, "recovery: %s\n", told->error);
    snprintf(command, sizeof(command), "rm -rf -- '%s'", directory);
    if (system(command) != 0) fprintf(stderr, "recovery: %s was left behind\n", directory);
    return failed;
}
