/* words.c - the words of the format: verbs, levels, schemes, and the nearest one to a word that is none.
 *
 * Distances are Damerau's (A technique for computer detection and correction of spelling errors, 1964): edits of one
 * letter, and swaps of two neighbours.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "schedule/parse_int.h"

const char *const ssp_verbs[SS_VERBS] = {
    [SS_BEGIN] = "b",
    [SS_GET] = "r",
    [SS_GET_FOR_UPDATE] = "g",
    [SS_HAS] = "has",
    [SS_PUT] = "w",
    [SS_INSERT] = "ins",
    [SS_UPDATE] = "upd",
    [SS_DELETE] = "d",
    [SS_ADD] = "add",
    [SS_SCAN] = "s",
    [SS_DELETE_RANGE] = "del",
    [SS_OPEN] = "open",
    [SS_NEXT] = "next",
    [SS_CLOSE] = "close",
    [SS_SAVEPOINT] = "sp",
    [SS_ROLLBACK] = "rb",
    [SS_COMMIT] = "c",
    [SS_ABORT] = "a",
    [SS_GC] = "gc",
    [SS_CHECKPOINT] = "checkpoint",
    [SS_SPLIT] = "split",
    [SS_CRASH] = "crash",
    [SS_SWITCH] = "switch",
};

const char *const ss_schemes[SS_SCHEMES] = {"mvcc", "2pl", "occ"};

static const char *const level_names[] = {"ru", "rc", "rr", "si", "ser"};
enum { LEVELS = 5 };

const char *ss_verb_name(enum ss_verb verb) { return (unsigned)verb < SS_VERBS ? ssp_verbs[verb] : "?"; }

const char *ss_level_name(varve_isolation level) {
    return level >= VARVE_READ_UNCOMMITTED && level <= VARVE_SERIALIZABLE ? level_names[level - 1] : "default";
}

bool ss_level_find(const char *name, varve_isolation *level) {
    int found = ssp_find(level_names, LEVELS, name);
    if (found >= 0) *level = (varve_isolation)(found + 1);
    return found >= 0;
}

int ss_scheme_find(const char *name) { return ssp_find(ss_schemes, SS_SCHEMES, name); }

bool ssp_fail(const struct ssp_reader *reader, const char *format, ...) {
    va_list arguments;
    if (reader->problem->line != 0) return false;
    reader->problem->line = reader->line;
    va_start(arguments, format);
    vsnprintf(reader->problem->text, sizeof reader->problem->text, format, arguments);
    va_end(arguments);
    return false;
}

int ssp_find(const char *const *names, unsigned count, const char *word) {
    for (unsigned i = 0; i < count; i++)
        if (strcmp(names[i], word) == 0) return (int)i;
    return -1;
}

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

/* Insertions, deletions, exchanges, and two neighbours swapped. Both words are shorter than SP_WORD_BYTES. */
static unsigned distance(const char *a, const char *b) {
    unsigned far[SP_WORD_BYTES][SP_WORD_BYTES];
    size_t height = strlen(a), width = strlen(b);
    for (unsigned i = 0; i <= height; i++) {
        for (unsigned j = 0; j <= width; j++) {
            if (i == 0 || j == 0) {
                far[i][j] = i + j;
                continue;
            }
            far[i][j] = least(least(far[i - 1][j], far[i][j - 1]) + 1, far[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                far[i][j] = least(far[i][j], far[i - 2][j - 2] + 1);
        }
    }
    return far[height][width];
}

const char *ssp_nearest(const char *const *names, unsigned count, const char *word) {
    const char *nearest = NULL;
    unsigned best = 5; /* two edits at most, and fewer than the word is long: else anything is near a short word */
    if (strlen(word) >= SP_WORD_BYTES) return NULL;
    for (unsigned i = 0; i < count; i++) {
        unsigned edits = distance(word, names[i]);
        unsigned far =
            2 * edits - (edits > 0 && word[0] == names[i][0]); /* of two as near, the one that begins alike */
        if (far < best && edits < strlen(word)) {
            best = far;
            nearest = names[i];
        }
    }
    return nearest;
}

bool ssp_choose(const struct ssp_reader *reader, const char *const *names, unsigned count, const char *what,
                const char *word, unsigned *index) {
    int found = ssp_find(names, count, word);
    if (found >= 0) {
        *index = (unsigned)found;
        return true;
    }
    const char *nearest = ssp_nearest(names, count, word);
    if (nearest != NULL) return ssp_fail(reader, "`%.40s` is not a %s; the nearest is `%s`", word, what, nearest);
    char all[160] = "";
    size_t used = 0;
    for (unsigned i = 0; i < count && used + 14 < sizeof all; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, " %s", names[i]);
    return ssp_fail(reader, "`%.40s` is not a %s; there are:%s", word, what, all);
}

bool ssp_level(const struct ssp_reader *reader, const char *word, varve_isolation *level) {
    unsigned index = 0;
    if (!ssp_choose(reader, level_names, LEVELS, "level", word, &index)) return false;
    *level = (varve_isolation)(index + 1);
    return true;
}
