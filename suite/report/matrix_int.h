/* matrix_int.h - private to the matrix: what the sweep, the judging and the gathering share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_MATRIX_INT_H
#define VARVE_SUITE_MATRIX_INT_H

#include "report/matrix.h"

/* What one run amounts to. */
struct sr_verdict {
    bool anomaly;
    bool mismatch, disagreed; /* the model, the checker: text says what */
    unsigned ways;            /* 1 << enum sr_way */
    unsigned txns, aborts, needless, victims;
    char text[SR_TEXT_BYTES];
};

/* What is judged. */
struct sr_subject {
    const struct st_stage *stage; /* right after the run */
    const struct ss_schedule *schedule;
    const uint8_t *order;
    const struct ss_run *run;
    const struct sr_pair *pair;
};

/* judging.c: the model judges the answers, the checker of histories the stamps; both must agree. */
struct sr_judge;
int sr_judge_open(struct sr_judge **judge);
void sr_judge_close(struct sr_judge *judge);
int sr_judge_run(struct sr_judge *judge, const struct sr_subject *subject, struct sr_verdict *verdict);

/* What a schedule's own rules ask at a pair, and of which line. */
enum sr_demand sr_demand_of(const struct ss_schedule *schedule, const struct sr_pair *pair, unsigned *line);
/* Needless aborts at most; false: no rule says. */
bool sr_precision_of(const struct ss_schedule *schedule, const struct sr_pair *pair, unsigned *most, unsigned *line);
/* What the contract of the levels asks of a phenomenon at a pair: SR_FREE where it says nothing. */
enum sr_demand sr_contract_of(const char *id, const struct sr_pair *pair);
/* The name of a phenomenon, NULL: not of the catalogue. `place`: its place there. */
const char *sr_title_of(const char *id, unsigned *place);

/* matrix_text.c */
struct sr_published { /* what others count of the same schedule: interleavings with a needless abort */
    const char *name;
    unsigned needless, interleavings;
};
enum { SR_PUBLISHED = 2, SR_CELL_TEXT = 6 };
extern const struct sr_published sr_published[SR_PUBLISHED]; /* PostgreSQL's test sources, README-SSI and the specs */
int sr_find_schedule(const struct sr_matrix *matrix, const char *name); /* chosen; -1: none */
void sr_cell_text(const struct sr_cell *cell, char text[SR_CELL_TEXT]);

/* matrix_data.c: "name":"text", escaped */
void sr_json_named(FILE *out, const char *name, const char *text);

/* matrix.c */
void sr_add_cell(struct sr_cell *to, const struct sr_cell *from);
int sr_add_finding(struct sr_matrix *matrix, const struct sr_finding *finding);
int sr_gather(struct sr_matrix *matrix); /* rows, totals, and findings of phenomena, once all cells are there */

#endif
