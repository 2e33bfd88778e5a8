/* page.h - the page of `varve anomalies --html`: one HTML file that holds the matrix, every phenomenon with its
 * schedules and pictures, what was refused without need, and what other engines do.
 *
 * The file stands alone: no reference leads out of it, and it says so to the browser (a Content-Security-Policy that
 * allows nothing to be fetched). It works without its script. Pictures are of runs made while the page is written.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_PAGE_H
#define VARVE_SUITE_PAGE_H

#include <stdio.h>

#include "report/matrix.h"

/* What another engine did with the schedules of a row, at one of its levels. */
struct sp_peer_cell {
    uint64_t runs, shown, blocked, refused; /* runs 0: not run */
};
struct sp_peer {
    char engine[48], level[48];
    const struct sp_peer_cell *cells; /* [row_count of the matrix] */
};

/* What is known of the program and the machine; NULL: left out. */
struct sp_about {
    const char *version, *compiler, *build, *machine, *date;
    const char *command;          /* how to make the page again */
    const struct st_options *run; /* scheme and level are ignored; NULL: as st_open does by itself */
    const struct sp_peer *peers;
    unsigned peer_count;
};
/* VARVE_OK, NOMEM or IO. A picture whose run fails is left out, and the page says so. */
int sp_page(FILE *out, const struct sr_matrix *matrix, const struct sp_about *about);

#endif
