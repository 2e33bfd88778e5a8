/* page_int.h - what the files that write the page share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_PAGE_INT_H
#define VARVE_SUITE_PAGE_INT_H

#include "report/page.h"

extern const char pg_style[], pg_script[];

struct pg_page {
    FILE *out;
    const struct sr_matrix *matrix;
    const struct sp_about *about;
    struct st_stage *stages[SS_SCHEMES]; /* by scheme; NULL: not opened yet, or it could not be */
    bool failed[SS_SCHEMES];
    struct ss_run *run; /* the last one */
};

/* --- words -------------------------------------------------------------------------------------------------------- */

struct pg_word {
    const char *id, *name, *known_as, *text; /* known_as: its names elsewhere, may be empty */
};
const struct pg_word *pg_word_find(const char *id); /* NULL: not of the catalogue */
const char *pg_family(const char *id);              /* "Skew": by the letter of an id of the catalogue */
const char *pg_level_long(varve_isolation level);   /* "repeatable read" */
const char *pg_way_short(enum sr_way way);          /* for a cell: at most twelve columns a word */

/* --- cells -------------------------------------------------------------------------------------------------------- */

enum pg_mark { PG_NONE, PG_PREVENTED, PG_SHOWN, PG_VIOLATION };
enum pg_mark pg_row_mark(const struct sr_matrix *matrix, const struct sr_row *row, unsigned pair);
enum pg_mark pg_schedule_mark(const struct sr_matrix *matrix, unsigned schedule, unsigned pair);
const char *pg_mark_class(enum pg_mark mark); /* "p" */
const char *pg_mark_sign(enum pg_mark mark);  /* a tick, a triangle, a cross, a dash */
const char *pg_mark_word(enum pg_mark mark);
/* The ways of a cell, most frequent first; returns how many. */
unsigned pg_ways_of(const struct sr_cell *cell, enum sr_way ways[SR_WAYS]);

/* --- writing ------------------------------------------------------------------------------------------------------ */

void pg_text(struct pg_page *page, const char *text);      /* escaped */
void pg_number(struct pg_page *page, uint64_t number);     /* 12,345 */
void pg_attribute(struct pg_page *page, const char *text); /* an id made safe: letters, digits, - and _ */

void pg_write_matrix(struct pg_page *page);
void pg_write_rows(struct pg_page *page);
void pg_write_needless(struct pg_page *page);
void pg_write_peers(struct pg_page *page);
void pg_write_findings(struct pg_page *page);

/* --- pictures -------------------------------------------------------------------------------------------------------
 */

/* Runs one interleaving at a pair into page->run; false: it could not be run. */
bool pg_run(struct pg_page *page, const struct ss_schedule *schedule, uint64_t interleaving, const char *scheme,
            varve_isolation level);
/* The run just made as a figure with a caption (plain text). */
void pg_figure(struct pg_page *page, const struct ss_schedule *schedule, const char *class, const char *caption);

#endif
