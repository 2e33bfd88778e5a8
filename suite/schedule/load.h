/* load.h - many schedules at once: the corpus that is compiled in, or a file of the user.
 *
 * Every schedule that can be read is kept; what is wrong with the others is told with file and line. Names are unique
 * in a set. Memory: the C library's.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_LOAD_H
#define VARVE_SUITE_LOAD_H

#include <stdio.h>

#include "schedule/schedule.h"

struct ss_set {
    struct ss_schedule **schedules; /* [count], in the order of the files */
    const char **files;             /* [count]: the file each came from; as it was given */
    unsigned count, capacity;
    unsigned problem_count;
};
enum { SS_FILE_MAX_BYTES = 16 << 20 };

void ss_set_init(struct ss_set *set);
void ss_set_release(struct ss_set *set);
/* OK; INVALID: something could not be read, each told by a line "FILE:LINE: reason" on `problems` (NULL: nowhere) and
 * counted, the rest is in the set; NOMEM. `file` must outlive the set. */
int ss_set_add_text(struct ss_set *set, const char *file, const char *text, FILE *problems);
int ss_set_add_corpus(struct ss_set *set, FILE *problems); /* all of ss_corpus[] */
/* As ss_set_add_text, for a file of the user; IO with a line on `problems` when it cannot be read. */
int ss_set_add_file(struct ss_set *set, const char *path, FILE *problems);
const struct ss_schedule *ss_set_find(const struct ss_set *set, const char *name); /* NULL: not there */

#endif
