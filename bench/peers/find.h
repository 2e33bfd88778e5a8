/* find.h - peers by name: their modules, opened with dlopen.
 *
 * Looked for in the directory given, else in `peers` beside the running program, else in ../lib/varve/peers from there
 * (and lib64, lib/<triple>).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_FIND_H
#define VARVE_BENCH_FIND_H

#include "bench/peers/peer.h"

enum { PEERS_KNOWN = 6 };
extern const char *const peer_names[PEERS_KNOWN]; /* every peer there is an adapter for */

/* NULL with a reason in `why` (NULL: not wanted) when there is no such peer or its module cannot be loaded. Modules stay
 * loaded. directory NULL: the usual places. */
const struct peer *peer_find(const char *name, const char *directory, char *why, size_t why_bytes);

#endif
