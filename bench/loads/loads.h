/* loads.h - the loads there are; registry.c lists them for the command.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_LOADS_H
#define VARVE_BENCH_LOADS_H

#include "bench/loads/load.h"

/* micro.c */
extern const struct bl_load bl_reads, bl_mixed, bl_rmw, bl_scan, bl_scan_reverse, bl_scan_checked,
    bl_insert_sorted, bl_insert_random;
/* ycsb.c */
extern const struct bl_load bl_ycsb_a, bl_ycsb_b, bl_ycsb_c, bl_ycsb_d, bl_ycsb_e, bl_ycsb_f;
extern const struct bl_load bl_smallbank;
/* counters.c */
extern const struct bl_load bl_counters, bl_write_skew, bl_bank;

extern const struct bl_load bl_tatp, bl_htap, bl_longrw, bl_queue;
extern const struct bl_load bl_tpcc;

#endif
