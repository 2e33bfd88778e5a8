/* facts.c - what a figure depends on besides the engine: processor, kernel, build, and how long the device takes to sync.
 *
 * What cannot be read is left empty. The device is measured where the databases will be: writes of 4 KiB one behind the
 * other into a file that was written and synced before, each followed by fdatasync, which is what a log does.
 *
 * Thread rule: one thread.
 *
 * SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench/report/report.h"
#include "varve_bench_commit.h"

enum { BLOCK = 4096, SYNCS = 200 };
static const uint64_t LONGEST_NS = 1500000000;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void read_line(const char *path, char *text, size_t bytes) {
    FILE *in = fopen(path, "r");
    text[0] = 0;
    if (in == NULL) return;
    if (fgets(text, (int)bytes, in) == NULL) text[0] = 0;
    text[strcspn(text, "\n")] = 0;
    fclose(in);
}

static void read_processor(struct br_facts *facts) {
    char line[256];
    FILE *in = fopen("/proc/cpuinfo", "r");
    while (in != NULL && facts->cpu[0] == 0 && fgets(line, sizeof(line), in) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
        snprintf(facts->cpu, sizeof(facts->cpu), "%.120s", colon + 2);
        facts->cpu[strcspn(facts->cpu, "\n")] = 0;
    }
    if (in != NULL) fclose(in);
    long cores = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    facts->cores = cores > 0 ? (unsigned)cores : 0;
    facts->memory_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
}

/* Of "always [madvise] never" the word in brackets. */
static void read_huge_pages(struct br_facts *facts) {
    char line[128];
    read_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof(line));
    char *from = strchr(line, '['), *to = from != NULL ? strchr(from, ']') : NULL;
    if (to == NULL) return;
    *to = 0;
    snprintf(facts->huge_pages, sizeof(facts->huge_pages), "%.40s", from + 1);
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void measure_syncs(struct br_facts *facts, int file) {
    static const uint8_t block[BLOCK] = {1};
    uint64_t times[SYNCS], begun = now_ns();
    unsigned count = 0;
    for (; count < SYNCS && (count < 8 || now_ns() - begun < LONGEST_NS); count++) {
        uint64_t from = now_ns();
        if (pwrite(file, block, BLOCK, (off_t)count * BLOCK) != BLOCK || fdatasync(file) != 0) break;
        times[count] = now_ns() - from;
    }
    if (count == 0) return;
    qsort(times, count, sizeof(*times), by_size);
    facts->sync_ns = times[count / 2];
    facts->sync_p95_ns = times[count * 95 / 100];
}

static void read_device(struct br_facts *facts, const char *directory) {
    static const uint8_t zeros[BLOCK];
    char path[512];
    snprintf(facts->directory, sizeof(facts->directory), "%s", directory);
    int size = snprintf(path, sizeof(path), "%s/varve-sync-XXXXXX", directory);
    if (strcmp(directory, ":memory:") == 0 || size < 0 || (size_t)size >= sizeof(path)) return;
    int file = mkstemp(path);
    if (file < 0) return;
    (void)unlink(path);
    bool good = true;
    for (unsigned i = 0; i < SYNCS && good; i++) good = pwrite(file, zeros, BLOCK, (off_t)i * BLOCK) == BLOCK;
    if (good && fsync(file) == 0) measure_syncs(facts, file);
    close(file);
}

void br_facts_read(struct br_facts *facts, const char *directory) {
    struct utsname system;
    time_t now = time(NULL);
    struct tm utc;
    memset(facts, 0, sizeof(*facts));
    snprintf(facts->varve, sizeof(facts->varve), "%s", varve_version());
    snprintf(facts->commit, sizeof(facts->commit), "%s", VARVE_BENCH_COMMIT);
    snprintf(facts->compiler, sizeof(facts->compiler), "%s", VARVE_BENCH_COMPILER);
    snprintf(facts->build, sizeof(facts->build), "%s", VARVE_BENCH_BUILD);
    read_processor(facts);
    if (uname(&system) == 0)
        snprintf(facts->kernel, sizeof(facts->kernel), "%.40s %.60s %.40s", system.sysname, system.release, system.machine);
    read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", facts->governor, sizeof(facts->governor));
    read_huge_pages(facts);
    if (gmtime_r(&now, &utc) != NULL) strftime(facts->date, sizeof(facts->date), "%Y-%m-%d %H:%M UTC", &utc);
    read_device(facts, directory);
}
