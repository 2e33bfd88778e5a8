/* main.c - the quick start: loads this machine's own package index, runs concurrent transactions over it in each
 * scheme at serializable, kills the process in the middle, reopens, and compares what came back with what had been
 * acknowledged; then shows write skew where it is permitted and refused where it is not. Exit 0 = everything held.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "quickstart.h"

enum { SCHEMES = 3 };
static const char *const schemes[SCHEMES] = {"mvcc", "2pl", "occ"};

/* --- what all parts use ------------------------------------------------------------------------------------- */

double qs_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

uint64_t qs_mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
uint64_t qs_hash(const void *data, size_t size) {
    const uint8_t *bytes = data;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

void qs_give_up(struct qs_world *world, const char *what, int status, const char *detail) {
    if (__atomic_exchange_n(&world->shared->failed, 1, __ATOMIC_ACQ_REL) == 0)
        snprintf(world->shared->text, sizeof(world->shared->text), "%s: %s: %s", what, varve_strerror(status), detail);
    _exit(1);
}

size_t qs_history_encode(const struct qs_history *history, uint8_t *out) {
    size_t size = 2;
    out[0] = history->moves;
    out[1] = (uint8_t)history->count;
    for (unsigned i = 0; i < history->count; i++, size += 12) {
        memcpy(out + size, &history->touched[i].row, 4);
        memcpy(out + size + 4, &history->touched[i].count, 8);
    }
    return size;
}

bool qs_history_decode(struct qs_history *history, varve_slice bytes) {
    const uint8_t *in = bytes.data;
    if (bytes.size < 2 || in[1] > QS_TOUCHED_MAX || bytes.size != 2 + 12u * in[1]) return false;
    history->moves = in[0] != 0;
    history->count = in[1];
    for (unsigned i = 0; i < history->count; i++) {
        memcpy(&history->touched[i].row, in + 2 + 12 * i, 4);
        memcpy(&history->touched[i].count, in + 6 + 12 * i, 8);
    }
    return true;
}

void qs_history_key(unsigned lane, uint64_t number, uint8_t *out) {
    out[0] = (uint8_t)lane;
    for (unsigned i = 0; i < 8; i++) out[8 - i] = (uint8_t)(number >> (8 * i));
}

/* --- children ----------------------------------------------------------------------------------------------- */

static void pause_seconds(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {}
}

static pid_t start_child(struct qs_world *world, void (*body)(struct qs_world *world)) {
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(1);
    }
    if (child > 0) return child;
    body(world);
    _exit(0);
}

/* Waits for a child that ends by itself; 0 when it ended well. */
static int finish_child(struct qs_world *world, pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    fprintf(stderr, "quickstart: %s: %s\n", world->scheme,
            world->shared->failed ? world->shared->text : "a child process ended by itself");
    return 1;
}

/* Lets the child work for a random while after it has loaded the index, then kills it. 0 when it was still at work. */
static int kill_in_the_middle(struct qs_world *world, pid_t child, double seconds) {
    struct qs_shared *shared = world->shared;
    int status;
    double fraction = 0.5 + 0.5 * (double)(qs_mix(world->seed) % 1000) / 1000;
    while (!__atomic_load_n(&shared->loaded, __ATOMIC_ACQUIRE)) {
        if (waitpid(child, &status, WNOHANG) == child) goto ended;
        pause_seconds(0.01);
    }
    double began = qs_now();
    pause_seconds(seconds * fraction);
    if (waitpid(child, &status, WNOHANG) == child) goto ended;
    kill(child, SIGKILL);
    shared->report.run_seconds = qs_now() - began;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return 0;
ended:
    fprintf(stderr, "quickstart: %s: %s\n", world->scheme,
            shared->failed ? shared->text : "the working process ended before it was killed");
    return 1;
}

static void sum_lanes(struct qs_shared *shared) {
    uint64_t announced = 0;
    struct qs_report *report = &shared->report;
    for (unsigned i = 0; i < QS_LANES; i++) {
        const struct qs_lane *lane = &shared->lanes[i];
        report->read_only += lane->read_only;
        report->attempts += lane->attempts;
        report->inconsistent += lane->inconsistent;
        for (unsigned j = 0; j < QS_LANE_MAX && lane->entries[j].state != QS_NEVER; j++) {
            report->acknowledged += lane->entries[j].state == QS_ACKNOWLEDGED;
            announced += lane->entries[j].state == QS_ANNOUNCED;
        }
    }
    report->vanished = announced;
}

static void remove_directory(const char *path) {
    char command[4200];
    snprintf(command, sizeof(command), "rm -rf -- '%s'", path);
    if (system(command) != 0) fprintf(stderr, "quickstart: %s was left behind\n", path);
}

static struct qs_shared *share(void) {
    void *mapped = mmap(NULL, sizeof(struct qs_shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return mapped;
}

/* Load, run, kill, reopen, compare in one scheme. 0 when every promise was kept. */
static int run_scheme(struct qs_world *world, double seconds, struct qs_report *report) {
    const char *base = getenv("TMPDIR");
    snprintf(world->directory, sizeof(world->directory), "%s/varve-quickstart-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(world->directory) == NULL) {
        perror(world->directory);
        return 1;
    }
    world->shared = share();
    world->shared->report.scheme = world->scheme;
    world->seed = qs_mix(world->seed + 1);
    int failed = kill_in_the_middle(world, start_child(world, qs_work), seconds);
    if (!failed) {
        sum_lanes(world->shared);
        failed = finish_child(world, start_child(world, qs_verify));
    }
    *report = world->shared->report;
    report->vanished -= report->survived;
    munmap(world->shared, sizeof(*world->shared));
    remove_directory(world->directory);
    return failed || report->missing + report->half + report->foreign + report->different + report->inconsistent != 0;
}

/* --- what is shown ------------------------------------------------------------------------------------------ */

static void line(const char *name, const struct qs_report *reports, double (*figure)(const struct qs_report *),
                 const char *unit) {
    printf("%-44s", name);
    for (unsigned i = 0; i < SCHEMES; i++) printf(" %11.0f", figure(&reports[i]));
    printf("  %s\n", unit);
}

static double per_second(uint64_t count, double seconds) {
    return seconds > 0 ? (double)count / seconds : 0;
}
static double writes(const struct qs_report *r) { return per_second(r->acknowledged, r->run_seconds); }
static double reads(const struct qs_report *r) { return per_second(r->read_only, r->run_seconds); }
static double run_ms(const struct qs_report *r) { return r->run_seconds * 1e3; }
static double load_ms(const struct qs_report *r) { return r->load_seconds * 1e3; }
static double reopen_ms(const struct qs_report *r) { return r->reopen_seconds * 1e3; }
static double replayed(const struct qs_report *r) { return (double)r->after.recovered_txns; }
static double from_image(const struct qs_report *r) { return (double)r->after.recovered_rows; }
static double acknowledged(const struct qs_report *r) { return (double)r->acknowledged; }
static double missing(const struct qs_report *r) { return (double)r->missing; }
static double half(const struct qs_report *r) { return (double)r->half; }
static double foreign(const struct qs_report *r) { return (double)r->foreign; }
static double different(const struct qs_report *r) { return (double)r->different; }
static double inconsistent(const struct qs_report *r) { return (double)r->inconsistent; }
static double survived(const struct qs_report *r) { return (double)r->survived; }
static double vanished(const struct qs_report *r) { return (double)r->vanished; }
static double aborts(const struct qs_report *r) { return (double)r->before.aborts; }
static double by_user(const struct qs_report *r) { return (double)r->before.aborts_user; }

static void show_aborts(const struct qs_report *reports) {
    static const char *const reasons[] = {
        [VARVE_REASON_WRITE_WRITE] = "first committer wins",
        [VARVE_REASON_READ] = "a row that was read has changed",
        [VARVE_REASON_PHANTOM] = "a range that was read has changed",
        [VARVE_REASON_STALE] = "its snapshot had become too old to write",
        [VARVE_REASON_PRECONDITION] = "presence of a row changed before commit",
        [VARVE_REASON_WOUNDED] = "an older transaction needed its lock",
        [VARVE_REASON_DIED] = "an older transaction held the lock",
        [VARVE_REASON_CYCLE] = "part of a cycle of waiting transactions",
        [VARVE_REASON_LOCK_TIMEOUT] = "a lock took too long",
    };
    line("attempts aborted", reports, aborts, "all of the following");
    line("  taken back by the program", reports, by_user, "on purpose, one in twenty");
    for (unsigned reason = 1; reason < sizeof(reasons) / sizeof(reasons[0]); reason++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < SCHEMES; i++) sum += reports[i].before.aborts_by_reason[reason];
        if (sum == 0) continue;
        printf("  %-42s", reasons[reason]);
        for (unsigned i = 0; i < SCHEMES; i++)
            printf(" %11llu", (unsigned long long)reports[i].before.aborts_by_reason[reason]);
        printf("\n");
    }
}

static void show_reports(const struct qs_report *reports) {
    printf("\n%-44s", "");
    for (unsigned i = 0; i < SCHEMES; i++) printf(" %11s", reports[i].scheme);
    printf("\n");
    line("loaded in", reports, load_ms, "ms");
    line("writing transactions, acknowledged", reports, writes, "a second");
    line("read-only transactions", reports, reads, "a second");
    show_aborts(reports);
    line("killed after", reports, run_ms, "ms, by SIGKILL");
    line("reopened in", reports, reopen_ms, "ms");
    line("  rows from the checkpoint", reports, from_image, "");
    line("  transactions replayed from the log", reports, replayed, "");
    line("acknowledged before the kill", reports, acknowledged, "transactions");
    line("  missing", reports, missing, "must be 0");
    line("  only half there", reports, half, "must be 0");
    line("in flight at the kill, now there", reports, survived, "either is right");
    line("in flight at the kill, not there", reports, vanished, "");
    line("rows that nobody committed", reports, foreign, "must be 0");
    line("stanzas not byte for byte as loaded", reports, different, "must be 0");
    line("inconsistent reads while running", reports, inconsistent, "must be 0");
}

/* --- write skew --------------------------------------------------------------------------------------------- */

static void skew_at_snapshot(struct qs_world *world) { qs_skew(world, VARVE_SNAPSHOT); }
static void skew_at_serializable(struct qs_world *world) { qs_skew(world, VARVE_SERIALIZABLE); }

static int show_skew(struct qs_world *world, bool serializable) {
    static const char *const levels[] = {"default", "read_uncommitted", "read_committed", "repeatable_read",
                                         "snapshot", "serializable"};
    world->shared = share();
    int failed = finish_child(world, start_child(world, serializable ? skew_at_serializable : skew_at_snapshot));
    const struct qs_shared *shared = world->shared;
    int effective = shared->effective;
    uint32_t commits = shared->committed[0] + shared->committed[1];
    bool skew = effective == VARVE_SNAPSHOT;
    if (!failed) {
        printf("  %-5s at %-13s served as %-13s ", world->scheme, serializable ? "serializable" : "snapshot",
               effective >= 0 && effective <= VARVE_SERIALIZABLE ? levels[effective] : "?");
        if (commits == 2) printf("both committed: the machine has no mail server\n");
        else printf("%u committed, the other refused: %s\n", commits, varve_status_name(shared->refusal));
        failed = commits != (skew ? 2 : 1) || (serializable && effective != VARVE_SERIALIZABLE) ||
                 effective < VARVE_SNAPSHOT;
    }
    if (failed) printf("        ^ this is not what the level promises\n");
    munmap(world->shared, sizeof(*world->shared));
    return failed;
}

/* --- main --------------------------------------------------------------------------------------------------- */

struct settings {
    double seconds;
    uint64_t limit, seed;
    const char *file, *sync;
};

static int parse(int argc, char **argv, struct settings *settings) {
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') settings->file = argv[i];
        else if (i + 1 == argc) return 0;
        else if (strcmp(argv[i], "--seconds") == 0) settings->seconds = strtod(argv[++i], NULL);
        else if (strcmp(argv[i], "--limit") == 0) settings->limit = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0) settings->seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--sync") == 0) settings->sync = argv[++i];
        else return 0;
    }
    return settings->seconds > 0;
}

int main(int argc, char **argv) {
    struct settings settings = {4, 0, (uint64_t)time(NULL), NULL, "group"};
    static struct qs_world world;
    struct qs_report reports[SCHEMES] = {{0}};
    int failed = 0;
    if (!parse(argc, argv, &settings)) {
        fprintf(stderr, "usage: quickstart [--seconds S] [--limit ROWS] [--sync MODE] [--seed N] [FILE.tsv]\n");
        return 2;
    }
    if (qs_source_read(&world.source, settings.file, settings.limit) != 0) return 1;
    world.sync = settings.sync;
    world.seed = settings.seed;
    printf("varve %s, quick start (seed %llu)\n%llu rows, %.1f MB, from %s; %d writing threads, serializable, sync=%s\n",
           varve_version(), (unsigned long long)settings.seed, (unsigned long long)world.source.count,
           (double)world.source.bytes / 1e6, world.source.origin, QS_LANES, settings.sync);
    for (unsigned i = 0; i < SCHEMES; i++) {
        world.scheme = schemes[i];
        printf("  %s: loading, running, killing, reopening, comparing\n", schemes[i]);
        failed |= run_scheme(&world, settings.seconds, &reports[i]);
    }
    show_reports(reports);
    printf("\nWrite skew: each of two transactions sees both mail servers installed and removes one.\n");
    for (unsigned i = 0; i < SCHEMES; i++) {
        world.scheme = schemes[i];
        failed |= show_skew(&world, false);
        failed |= show_skew(&world, true);
    }
    printf("\n%s\n", failed ? "FAILED: a promise was broken; see above." : "Every promise was kept.");
    return failed;
}
