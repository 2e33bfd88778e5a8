/* corpus.h - the schedule files that ship with the suite, compiled in.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_CORPUS_H
#define VARVE_SUITE_CORPUS_H

struct ss_corpus_file {
    const char *name; /* "D2-predicate-skew.sched" */
    const char *text; /* the whole file */
};
extern const struct ss_corpus_file ss_corpus[]; /* [ss_corpus_count], then a row of NULLs */
extern const unsigned ss_corpus_count;

#endif
