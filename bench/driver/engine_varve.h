/* engine_varve.h - our own engine behind the peers' table, once for each scheme.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_ENGINE_VARVE_H
#define VARVE_BENCH_ENGINE_VARVE_H

#include "bench/peers/peer.h"

extern const struct peer bench_varve_mvcc, bench_varve_2pl, bench_varve_occ;
/* Levels of all three, by index: ru, rc, rr, si, ser. peer_options.extra is further text for varve_open, comma before
 * it included; directory ":memory:" is a database without files. */
enum { EV_LEVELS = 5, EV_SERIALIZABLE = 4 };

#endif
