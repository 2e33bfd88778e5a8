/* check_progress.c - tells a terminal what a long `varve check` is doing: a thread that wakes once a second, and a file
 * that counts what is read from it.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check_cmd.h"

enum { QUIET_SECONDS = 2 };

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool running, ended, drawn, reading;
    const char *what;
    uint64_t since_ns;
    atomic_uint_least64_t bytes;
    uint64_t size; /* of the file, 0 = not known */
} progress = {.lock = PTHREAD_MUTEX_INITIALIZER};

uint64_t check_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- a file that counts ------------------------------------------------------------------------------------------- */

static ssize_t counted_read(void *cookie, char *buffer, size_t size) {
    ssize_t got;
    do got = read((int)(intptr_t)cookie, buffer, size);
    while (got < 0 && errno == EINTR);
    if (got > 0) atomic_fetch_add_explicit(&progress.bytes, (uint64_t)got, memory_order_relaxed);
    return got;
}

static int counted_close(void *cookie) {
    int fd = (int)(intptr_t)cookie;
    return fd == STDIN_FILENO ? 0 : close(fd);
}

FILE *check_open(const char *file) {
    int fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    struct stat about;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
        pthread_mutex_lock(&progress.lock);
        progress.size = (uint64_t)about.st_size;
        pthread_mutex_unlock(&progress.lock);
    }
    FILE *in = fopencookie((void *)(intptr_t)fd, "r", (cookie_io_functions_t){counted_read, NULL, NULL, counted_close});
    if (in == NULL && fd != STDIN_FILENO) close(fd);
    return in;
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static void draw(uint64_t now) {
    uint64_t ns = now - progress.since_ns;
    if (progress.what == NULL || ns < QUIET_SECONDS * 1000000000u) return;
    double megabytes = (double)atomic_load_explicit(&progress.bytes, memory_order_relaxed) / 1e6;
    fprintf(stderr, "\r\033[K%s, %.0f s", progress.what, (double)ns / 1e9);
    if (progress.reading && progress.size != 0)
        fprintf(stderr, ", %.0f of %.0f MB", megabytes, (double)progress.size / 1e6);
    else if (progress.reading)
        fprintf(stderr, ", %.0f MB", megabytes);
    progress.drawn = true;
}

static void *tell(void *unused) {
    (void)unused;
    pthread_mutex_lock(&progress.lock);
    while (!progress.ended) {
        struct timespec next;
        clock_gettime(CLOCK_MONOTONIC, &next);
        next.tv_sec++;
        if (pthread_cond_timedwait(&progress.stop, &progress.lock, &next) == ETIMEDOUT) draw(check_now_ns());
    }
    if (progress.drawn) fputs("\r\033[K", stderr);
    pthread_mutex_unlock(&progress.lock);
    return NULL;
}

void check_progress_start(bool quiet) {
    if (quiet || !isatty(STDERR_FILENO)) return;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&progress.stop, &attributes);
    pthread_condattr_destroy(&attributes);
    progress.ended = false;
    progress.running = pthread_create(&progress.thread, NULL, tell, NULL) == 0;
}

void check_progress_phase(const char *what, bool reading) {
    pthread_mutex_lock(&progress.lock);
    progress.what = what;
    progress.reading = reading;
    progress.since_ns = check_now_ns();
    pthread_mutex_unlock(&progress.lock);
}

void check_progress_end(void) {
    if (!progress.running) return;
    pthread_mutex_lock(&progress.lock);
    progress.ended = true;
    pthread_cond_signal(&progress.stop);
    pthread_mutex_unlock(&progress.lock);
    pthread_join(progress.thread, NULL);
    pthread_cond_destroy(&progress.stop);
    progress.running = false;
}
