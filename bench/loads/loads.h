/* loads.h - the loads there are; registry.c lists them for the command.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_LOADS_H
#define VARVE_BENCH_LOADS_H

#include "bench/loads/load.h"

/* micro.c */
extern const struct bl_load bl_reads, bl_mixed, bl_rmw, bl_scan, bl_insert_sorted, bl_insert_random;

#endif
