/* engine_none.h - an engine that does nothing: what a load costs by itself.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_ENGINE_NONE_H
#define VARVE_BENCH_ENGINE_NONE_H

#include "bench/peers/peer.h"

/* A driver that runs it sets bd_options.generator: nothing can be verified. */
extern const struct peer bench_none;

#endif
