/* load.c - many schedules at once; see load.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "schedule/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "schedule/corpus.h"

void ss_set_init(struct ss_set *set) { memset(set, 0, sizeof *set); }

void ss_set_release(struct ss_set *set) {
    for (unsigned i = 0; i < set->count; i++) free(set->schedules[i]);
    free(set->schedules);
    free(set->files);
    ss_set_init(set);
}

static int place_for(const struct ss_set *set, const char *name) {
    for (unsigned i = 0; i < set->count; i++)
        if (strcmp(set->schedules[i]->name, name) == 0) return (int)i;
    return -1;
}

const struct ss_schedule *ss_set_find(const struct ss_set *set, const char *name) {
    int place = place_for(set, name);
    return place < 0 ? NULL : set->schedules[place];
}

static int grow(struct ss_set *set) {
    if (set->count < set->capacity) return VARVE_OK;
    unsigned capacity = set->capacity == 0 ? 64 : set->capacity * 2;
    struct ss_schedule **schedules = realloc(set->schedules, capacity * sizeof(struct ss_schedule *));
    if (schedules != NULL) set->schedules = schedules;
    const char **files = realloc(set->files, capacity * sizeof(const char *));
    if (files != NULL) set->files = files;
    if (schedules == NULL || files == NULL) return VARVE_NOMEM;
    set->capacity = capacity;
    return VARVE_OK;
}

static void tell(struct ss_set *set, FILE *problems, const char *file, unsigned line, const char *text) {
    set->problem_count++;
    if (problems == NULL) return;
    if (line != 0)
        fprintf(problems, "%s:%u: %s\n", file, line, text);
    else
        fprintf(problems, "%s: %s\n", file, text); /* of the file as a whole */
}

/* Takes over `parsed`, unless its name is there already. */
static int keep(struct ss_set *set, const char *file, struct ss_schedule *parsed, FILE *problems) {
    int same = place_for(set, parsed->name);
    if (same >= 0) {
        char text[SS_NAME_BYTES + 320];
        snprintf(text, sizeof text, "a second schedule `%s`: the first is in %.200s", parsed->name, set->files[same]);
        tell(set, problems, file, parsed->line, text);
        free(parsed);
        return VARVE_INVALID;
    }
    if (grow(set) != VARVE_OK) {
        free(parsed);
        return VARVE_NOMEM;
    }
    set->schedules[set->count] = parsed;
    set->files[set->count++] = file;
    return VARVE_OK;
}

int ss_set_add_text(struct ss_set *set, const char *file, const char *text, FILE *problems) {
    unsigned line = 1;
    int result = VARVE_OK;
    for (;;) {
        struct ss_problem problem;
        struct ss_schedule *parsed = malloc(sizeof *parsed);
        if (parsed == NULL) return VARVE_NOMEM;
        int status = ss_parse(text, line, parsed, &text, &line, &problem);
        if (status == VARVE_OK) {
            status = keep(set, file, parsed, problems);
        } else {
            free(parsed);
            if (status == VARVE_END) return result;
            tell(set, problems, file, problem.line, problem.text);
        }
        if (status == VARVE_NOMEM) return status;
        if (status != VARVE_OK) result = VARVE_INVALID;
    }
}

int ss_set_add_corpus(struct ss_set *set, FILE *problems) {
    int result = VARVE_OK;
    for (unsigned i = 0; i < ss_corpus_count; i++) {
        int status = ss_set_add_text(set, ss_corpus[i].name, ss_corpus[i].text, problems);
        if (status == VARVE_NOMEM) return status;
        if (status != VARVE_OK) result = status;
    }
    return result;
}

/* The whole file as a string; a zero byte in it is no text. */
static int read_file(FILE *in, char **text, const char **reason) {
    char *bytes = malloc(SS_FILE_MAX_BYTES + 1);
    if (bytes == NULL) return VARVE_NOMEM;
    size_t size = fread(bytes, 1, SS_FILE_MAX_BYTES + 1, in);
    *reason = ferror(in)                       ? strerror(errno)
              : size > SS_FILE_MAX_BYTES       ? "larger than 16 MiB"
              : memchr(bytes, 0, size) != NULL ? "not a text: it holds a zero byte"
                                               : NULL;
    if (*reason != NULL) {
        free(bytes);
        return VARVE_IO;
    }
    bytes[size] = 0;
    *text = bytes;
    return VARVE_OK;
}

int ss_set_add_file(struct ss_set *set, const char *path, FILE *problems) {
    char *text = NULL;
    const char *reason = NULL;
    FILE *in = fopen(path, "rb");
    int status = in == NULL ? VARVE_IO : read_file(in, &text, &reason);
    if (status == VARVE_IO) tell(set, problems, path, 0, reason != NULL ? reason : strerror(errno));
    if (in != NULL) fclose(in);
    if (status != VARVE_OK) return status;
    unsigned before = set->count;
    status = ss_set_add_text(set, path, text, problems);
    free(text);
    if (status == VARVE_OK && set->count == before) {
        tell(set, problems, path, 1, "no schedule in it");
        status = VARVE_INVALID;
    }
    return status;
}
