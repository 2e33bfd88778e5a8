/* peers.h - the second matrix: the same schedules on other engines, at each of their levels. It tells what happened and
 * judges nobody.
 *
 * A transaction that would have to wait is refused (suite/step/peer_run.h), so a cell counts what an engine lets through.
 * Schedules that ask for what an engine lacks are not run on it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_PEERS_H
#define VARVE_SUITE_PEERS_H

#include "report/page.h"
#include "step/peer_run.h"

struct sr_peer_column {
    char engine[48], level[48];
    varve_isolation claims;
    unsigned left_out;          /* schedules that were not run */
    struct sp_peer_cell *cells; /* [matrix->row_count] */
};
struct sr_peers {
    struct sr_peer_column *columns;
    unsigned count, capacity;
};

void sr_peers_init(struct sr_peers *peers);
void sr_peers_release(struct sr_peers *peers);
/* Runs all chosen schedules of the matrix at every level of one engine. OK; IO, NOMEM, INVALID with the reason. */
int sr_peers_add(struct sr_peers *peers, const struct sr_matrix *matrix, struct st_peer *peer, char *error,
                 size_t error_bytes);
void sr_peers_print_text(FILE *out, const struct sr_matrix *matrix, const struct sr_peers *peers);
void sr_peers_print_json(FILE *out, const struct sr_matrix *matrix, const struct sr_peers *peers); /* an array */

#endif
