/* peer_run.h - runs a schedule on another engine, through a module of bench/peers found with dlopen.
 *
 * The same steps in the same order, one thread, no waiting: where a call would have to wait, the adapter answers
 * PEER_BLOCKED, and the transaction is refused there. So a cell tells what the engine lets through, not what it would do
 * once the wait was over.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_PEER_RUN_H
#define VARVE_SUITE_PEER_RUN_H

#include "schedule/schedule.h"

struct peer;
struct st_peer;

/* INVALID: not a module of ours, or it cannot be loaded; NOMEM. The reason in `error`. */
int st_peer_load(const char *path, struct st_peer **peer, char *error, size_t error_bytes);
/* For a table that is there already; it must outlive *peer. */
int st_peer_wrap(const struct peer *table, struct st_peer **peer);
void st_peer_close(struct st_peer *peer);
const char *st_peer_name(const struct st_peer *peer);  /* "lmdb" */
const char *st_peer_title(const struct st_peer *peer); /* with its version */
unsigned st_peer_levels(const struct st_peer *peer);
const char *st_peer_level_name(const struct st_peer *peer, unsigned level);
varve_isolation st_peer_claims(const struct st_peer *peer, unsigned level);

/* Opens an empty database at that level below `directory` (NULL: as st_options), closing the one before. */
int st_peer_open(struct st_peer *peer, unsigned level, const char *directory, char *error, size_t error_bytes);
/* Whether the engine has what the schedule asks for: savepoints, reads for update; no rules, no levels of single
 * transactions, no crash and no switch. */
bool st_peer_can(const struct st_peer *peer, const struct ss_schedule *schedule);
/* As st_run. *blocked: how many transactions were refused because they would have had to wait. */
int st_peer_run(struct st_peer *peer, const struct ss_schedule *schedule, const uint8_t *order, struct ss_run *run,
                unsigned *blocked);

#endif
