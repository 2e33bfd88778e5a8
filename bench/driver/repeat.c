/* repeat.c - a repeat: a fresh database, filled, verified, warmed, measured, verified again, closed, removed.
 *
 * SPDX-License-Identifier: MIT
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/atomics.h"
#include "bench/driver/driver_int.h"

enum { TICK_NS = 100000000, STEADY_WINDOWS = 5 };

double bd_cpu_seconds(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6;
}

uint64_t bd_memory_bytes(void) {
    unsigned long long total = 0, resident = 0;
    FILE *in = fopen("/proc/self/statm", "r");
    if (in == NULL) return 0;
    if (fscanf(in, "%llu %llu", &total, &resident) != 2) resident = 0;
    fclose(in);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int fail(struct bd_result *result, int status, const char *what, const char *text) {
    result->failed = true;
    snprintf(result->text, sizeof(result->text), "%s: %s", what, text);
    return status;
}

static void stop(struct bd_repeat *r) {
    vb_store_relaxed(&r->stop, 1);
    vb_store_release(&r->phase, BD_STOP);
}

/* --- directories -------------------------------------------------------------------------------------------------- */

static void remove_tree(const char *path) {
    DIR *dir = opendir(path);
    if (dir != NULL) {
        struct dirent *entry;
        char inside[1024];
        while ((entry = readdir(dir)) != NULL) {
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
            snprintf(inside, sizeof(inside), "%s/%s", path, entry->d_name);
            if (unlink(inside) != 0 && (errno == EISDIR || errno == EPERM)) remove_tree(inside);
        }
        closedir(dir);
    }
    (void)rmdir(path);
}

static int make_directory(struct bd_repeat *r, struct bd_result *result) {
    const char *base = r->options->open.directory;
    if (strcmp(base, ":memory:") == 0) {
        snprintf(r->directory, sizeof(r->directory), ":memory:");
        return VARVE_OK;
    }
    int size = snprintf(r->directory, sizeof(r->directory), "%s/varve-bench-XXXXXX", base);
    if (size < 0 || (size_t)size >= sizeof(r->directory)) return fail(result, VARVE_INVALID, base, "path too long");
    if (mkdtemp(r->directory) == NULL) return fail(result, VARVE_IO, r->directory, strerror(errno));
    return VARVE_OK;
}

/* --- filling ------------------------------------------------------------------------------------------------------ */

static void *fill_main(void *arg) {
    struct bd_worker *worker = arg;
    struct bl_run *run = worker->session.run;
    worker->status = run->load->fill(run, &worker->session, worker->session.thread, run->settings.threads);
    return NULL;
}

static int on_all(struct bd_repeat *r, void *(*main)(void *), struct bd_result *result, const char *what) {
    unsigned started = 0, threads = r->run.settings.threads;
    int status = VARVE_OK;
    for (; started < threads; started++)
        if (pthread_create(&r->workers[started].thread, NULL, main, &r->workers[started]) != 0) break;
    if (started < threads) stop(r);
    for (unsigned i = 0; i < started; i++) pthread_join(r->workers[i].thread, NULL);
    for (unsigned i = 0; i < started && status == VARVE_OK; i++) status = r->workers[i].status;
    if (started < threads) return fail(result, VARVE_NOMEM, what, "a thread could not be started");
    if (status == VARVE_OK || status == BL_GIVEN_UP) return status;
    return fail(result, status, what, r->run.text[0] != 0 ? r->run.text : varve_strerror(status));
}

static int open_and_fill(struct bd_repeat *r, struct bd_result *result) {
    char error[BL_TEXT_BYTES] = "";
    struct peer_options open = r->options->open;
    open.directory = r->directory;
    int status = r->options->engine->open(&open, &r->run.db, error, sizeof(error));
    if (status != VARVE_OK) return fail(result, status, r->options->engine->name, error);
    status = r->run.load->prepare(&r->run);
    if (status != VARVE_OK) return fail(result, status, r->run.load->name, r->run.text);
    for (unsigned i = 0; i < r->run.settings.threads; i++) {
        struct bl_session *s = &r->workers[i].session;
        s->run = &r->run;
        s->thread = i;
        r->workers[i].repeat = r;
        vb_random_init(&s->random, r->run.settings.seed * 7919 + i);
    }
    if (r->options->progress != NULL) r->options->progress(r->options->arg, "fill", 0);
    uint64_t begun = bd_now_ns();
    r->run.give_up = r->options->interrupted;
    if (!r->options->generator) status = on_all(r, fill_main, result, "fill");
    r->run.give_up = NULL;
    result->fill_seconds += (double)(bd_now_ns() - begun) * 1e-9;
    return status;
}

static int verify(struct bd_repeat *r, struct bd_result *result, const char *when) {
    if (r->options->generator) return VARVE_OK;
    unsigned threads = r->run.settings.threads;
    struct bl_session *sessions = aligned_alloc(128, sizeof(*sessions) * threads);
    if (sessions == NULL) return fail(result, VARVE_NOMEM, "verify", "out of memory");
    for (unsigned i = 0; i < threads; i++) sessions[i] = r->workers[i].session;
    int status = r->run.load->verify(&r->run, sessions, threads);
    free(sessions);
    return status == VARVE_OK ? VARVE_OK : fail(result, status, when, r->run.text);
}

/* --- measuring ---------------------------------------------------------------------------------------------------- */

static uint64_t finished(const struct bd_repeat *r) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < r->run.settings.threads; i++) sum += vb_load_relaxed(&r->workers[i].finished);
    return sum;
}

static bool interrupted(const struct bd_repeat *r) {
    const uint32_t *word = r->options->interrupted;
    if (word != NULL && vb_load_relaxed(word) != 0) return true;
    for (unsigned i = 0; i < r->run.settings.threads; i++)
        if (vb_load_relaxed(&r->workers[i].status) != VARVE_OK) return true;
    return false;
}

/* A tenth of a second, or what is left of `seconds` where that is less. */
static void tick(double seconds) {
    struct timespec t = {0, seconds * 1e9 < TICK_NS ? (long)(seconds * 1e9) + 1 : TICK_NS};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* No warm-up where none is asked for. Else until five windows in a row are within two percent of their mean, or the limit is reached. */
static bool warm(struct bd_repeat *r) {
    if (r->options->warm_seconds_max <= 0) return false;
    double windows[STEADY_WINDOWS] = {0};
    uint64_t begun = bd_now_ns(), last = finished(r), last_ns = begun;
    for (unsigned n = 0; !interrupted(r); n++) {
        for (unsigned i = 0; i < 3; i++) tick(1);
        uint64_t now = bd_now_ns(), done = finished(r);
        windows[n % STEADY_WINDOWS] = (double)(done - last) / (double)(now - last_ns);
        last = done;
        last_ns = now;
        double mean = 0, worst = 0;
        for (unsigned i = 0; i < STEADY_WINDOWS; i++) mean += windows[i] / STEADY_WINDOWS;
        for (unsigned i = 0; i < STEADY_WINDOWS; i++) {
            double off = windows[i] > mean ? windows[i] - mean : mean - windows[i];
            if (off > worst) worst = off;
        }
        if (n >= STEADY_WINDOWS && worst < 0.02 * mean) return true;
        if ((double)(now - begun) * 1e-9 >= r->options->warm_seconds_max) return false;
    }
    return false;
}

static void sample(struct bd_repeat *r, struct bd_result *result, double at, uint64_t done, double span) {
    struct peer_stats stats = {0};
    if (result->sample_count == BD_SAMPLES_MAX) return;
    if (r->options->engine->stats != NULL) (void)r->options->engine->stats(r->run.db, &stats);
    result->samples[result->sample_count++] =
        (struct bd_sample){at, (double)done / span, bd_memory_bytes(), stats.version_bytes};
}

static double measure(struct bd_repeat *r, struct bd_result *result) {
    uint64_t begun = bd_now_ns(), last = finished(r), last_ns = begun;
    vb_store_release(&r->phase, BD_MEASURE);
    double left = r->options->seconds;
    for (; left > 0 && !interrupted(r); left = r->options->seconds - (double)(bd_now_ns() - begun) * 1e-9) {
        tick(left);
        uint64_t now = bd_now_ns();
        if (now - last_ns < 1000000000u) continue;
        uint64_t done = finished(r);
        double at = (double)(now - begun) * 1e-9;
        sample(r, result, at, done - last, (double)(now - last_ns) * 1e-9);
        last = done;
        last_ns = now;
        if (r->options->progress != NULL) r->options->progress(r->options->arg, "measure", at / r->options->seconds);
    }
    uint64_t ended = bd_now_ns();
    stop(r);
    return (double)(ended - begun) * 1e-9;
}

static void gather(struct bd_repeat *r, struct bd_result *result, double seconds) {
    uint64_t committed = 0;
    for (unsigned i = 0; i < r->run.settings.threads; i++) {
        const struct bd_worker *w = &r->workers[i];
        for (unsigned k = 0; k < BL_KINDS_MAX; k++) {
            result->committed[k] += w->counts.committed[k];
            committed += w->counts.committed[k];
            bd_merge(&result->by_kind[k], &w->by_kind[k]);
        }
        bd_merge(&result->latency, &w->latency);
        result->rolled_back += w->counts.rolled_back;
        result->attempts += w->counts.attempts;
        result->aborts += w->counts.aborts;
        result->operations += w->counts.operations;
        result->wasted += w->counts.wasted;
        if (w->counts.longest_aborts > result->longest_aborts) result->longest_aborts = w->counts.longest_aborts;
    }
    result->rate[result->repeats++] = (double)committed / seconds;
    result->seconds += seconds;
}

static int run_workers(struct bd_repeat *r, struct bd_result *result) {
    unsigned threads = r->run.settings.threads, started = 0;
    struct peer_stats before = {0}, after = {0};
    uint64_t now = bd_now_ns(), step = r->options->rate > 0 ? (uint64_t)(1e9 * threads / r->options->rate) : 0;
    for (; started < threads; started++) {
        struct bd_worker *w = &r->workers[started];
        w->step_ns = step;
        w->due_ns = now + step * started / threads;
        if (pthread_create(&w->thread, NULL, bd_worker_main, w) != 0) break;
    }
    double seconds = 0, cpu = 0;
    if (started == threads) {
        if (r->options->progress != NULL) r->options->progress(r->options->arg, "warm", 0);
        result->steady = warm(r);
        if (r->options->engine->stats != NULL) (void)r->options->engine->stats(r->run.db, &before);
        cpu = bd_cpu_seconds();
        seconds = measure(r, result);
        cpu = bd_cpu_seconds() - cpu;
    }
    stop(r);
    for (unsigned i = 0; i < started; i++) pthread_join(r->workers[i].thread, NULL);
    if (started < threads) return fail(result, VARVE_NOMEM, "threads", "a thread could not be started");
    for (unsigned i = 0; i < threads; i++)
        if (r->workers[i].status != VARVE_OK)
            return fail(result, r->workers[i].status, "a transaction", varve_strerror(r->workers[i].status));
    if (r->options->engine->stats != NULL) (void)r->options->engine->stats(r->run.db, &after);
    result->cpu_seconds += cpu;
    result->memory_bytes = after.memory_bytes != 0 ? after.memory_bytes : bd_memory_bytes();
    result->records = after.records;
    result->log_bytes += after.log_bytes - before.log_bytes;
    result->syncs += after.syncs - before.syncs;
    for (unsigned i = 0; i < BD_CAUSES; i++)
        result->aborts_by_cause[i] += after.aborts_by_reason[i] - before.aborts_by_reason[i];
    gather(r, result, seconds);
    return VARVE_OK;
}

static int one_repeat(const struct bd_options *options, struct bd_result *result) {
    struct bd_repeat r = {.options = options, .phase = BD_WARM};
    r.run = (struct bl_run){.load = options->load, .engine = options->engine, .settings = options->settings,
                             .generator = options->generator,
                             .level = options->engine->levels[options->open.level].claims};
    size_t bytes = sizeof(*r.workers) * options->settings.threads;
    r.run.stop = &r.stop;
    r.workers = aligned_alloc(128, bytes);
    if (r.workers == NULL) return fail(result, VARVE_NOMEM, "workers", "out of memory");
    memset(r.workers, 0, bytes);
    int status = make_directory(&r, result);
    if (status == VARVE_OK) {
        status = open_and_fill(&r, result);
        if (status == VARVE_OK) status = verify(&r, result, "after the fill");
        if (status == VARVE_OK) status = run_workers(&r, result);
        if (status == VARVE_OK) status = verify(&r, result, "after the run");
        if (r.run.state != NULL && options->load->release != NULL) options->load->release(&r.run);
        if (r.run.db != NULL) options->engine->close(r.run.db);
        if (!options->keep && strcmp(r.directory, ":memory:") != 0) remove_tree(r.directory);
    }
    free(r.workers);
    return status;
}

int bd_run(const struct bd_options *options, struct bd_result *result) {
    memset(result, 0, sizeof(*result));
    result->steady = true;
    unsigned repeats = options->repeats < BD_REPEATS_MAX ? options->repeats : BD_REPEATS_MAX;
    for (unsigned i = 0; i < repeats; i++) {
        int status = one_repeat(options, result);
        if (status == BL_GIVEN_UP) break;
        if (status != VARVE_OK) return result->failed && status == VARVE_CORRUPT ? VARVE_OK : status;
        if (options->interrupted != NULL && vb_load_relaxed(options->interrupted) != 0) break;
    }
    return VARVE_OK;
}
