/* files.c - a database with files for one run, and what is left of it when its process is killed.
 *
 * A kill takes the process and leaves what it has handed to the operating system. So: copy the files as they are, give
 * the old database up, open the copy. Commits are acknowledged once they are handed over (sync=write), which is all that
 * a kill can be asked to spare; power cuts are the business of the simulated disk in tests/support.
 *
 * SPDX-License-Identifier: MIT
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step/step_int.h"

enum { COPY_BYTES = 1 << 16 };

/* Calls fn(path of each file) until it fails; VARVE_OK or VARVE_IO. */
static int each_file(const char *directory, int (*fn)(const char *name, const char *path, const char *to),
                     const char *to) {
    DIR *dir = opendir(directory);
    if (dir == NULL) return VARVE_IO;
    int status = VARVE_OK;
    char path[ST_PATH_BYTES + 264];
    for (struct dirent *entry; status == VARVE_OK && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        status = fn(entry->d_name, path, to);
    }
    closedir(dir);
    return status;
}

static int copy_bytes(int from, int to) {
    static _Thread_local char buffer[COPY_BYTES];
    ssize_t got;
    while ((got = read(from, buffer, sizeof buffer)) > 0)
        if (write(to, buffer, (size_t)got) != got) return VARVE_IO;
    return got == 0 ? VARVE_OK : VARVE_IO;
}

static int copy_file(const char *name, const char *path, const char *directory) {
    char target[ST_PATH_BYTES + 264];
    snprintf(target, sizeof target, "%s/%s", directory, name);
    int from = open(path, O_RDONLY | O_CLOEXEC), status = VARVE_IO;
    if (from < 0) return VARVE_IO;
    int to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to >= 0) {
        status = copy_bytes(from, to);
        if (close(to) != 0) status = VARVE_IO;
    }
    close(from);
    return status;
}

static int remove_file(const char *name, const char *path, const char *unused) {
    (void)name, (void)unused;
    return unlink(path) == 0 ? VARVE_OK : VARVE_IO;
}

static void remove_directory(const char *path) {
    (void)each_file(path, remove_file, NULL);
    (void)rmdir(path);
}

static int make_directory(struct st_stage *stage) {
    snprintf(stage->durable_path, sizeof stage->durable_path, "%.400s/varve-step-%ld-%p-%u", stage->directory,
             (long)getpid(), (void *)stage, stage->durable_number++);
    return mkdir(stage->durable_path, 0700) == 0 ? VARVE_OK : VARVE_IO;
}

static int open_here(struct st_stage *stage) {
    int status = st_database_open(stage, stage->durable_path, "write", &stage->db);
    if (status == VARVE_OK) status = varve_table_open(stage->db, "turns", NULL, &stage->turns);
    return status;
}

int st_files_open(struct st_stage *stage) {
    stage->db = NULL;
    int status = make_directory(stage);
    return status == VARVE_OK ? open_here(stage) : status;
}

int st_files_crash(struct st_stage *stage) {
    if (!stage->schedule->durable) return VARVE_INVALID;
    char old[ST_PATH_BYTES];
    snprintf(old, sizeof old, "%s", stage->durable_path);
    int status = make_directory(stage);
    if (status == VARVE_OK) status = each_file(old, copy_file, stage->durable_path);
    (void)vdb_close(stage->db); /* whatever it still writes, it writes into the old files */
    stage->db = NULL;
    remove_directory(old);
    if (status == VARVE_OK) status = open_here(stage);
    if (status == VARVE_OK) status = varve_table_open(stage->db, stage->space.name, "create=false", &stage->space.table);
    stage->clock_moved = false;
    return status;
}

void st_files_close(struct st_stage *stage) {
    if (stage->db != NULL) (void)vdb_close(stage->db);
    remove_directory(stage->durable_path);
}
