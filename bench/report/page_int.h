/* page_int.h - what the files that write the page share. Private to bench/report.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_PAGE_INT_H
#define VARVE_BENCH_PAGE_INT_H

#include "bench/report/report.h"

extern const char bp_style[];

void bp_text(FILE *out, const char *text);                         /* escaped */
void bp_count(char text[32], double number);                       /* 1.23 M, 45.6 k, 789, 0.5 */
void bp_time(char text[32], double ns);                            /* 12.3 us, 4.5 ms */
void bp_bytes(char text[32], double bytes);                        /* 45 MiB */

/* --- charts: drawn at 420 wide, which a narrow screen shows whole --------------------------------------------------- */

enum { BP_POINTS = 120, BP_SERIES = 24, BP_COLOURS = 8 };

enum bp_scale { BP_LINEAR, BP_LOG, BP_NINES }; /* nines: a quantile; 0.9, 0.99, 0.999 at equal distances */

struct bp_series {
    char name[96];
    unsigned colour, dash; /* of the engine, of the level */
    unsigned count;
    double x[BP_POINTS], y[BP_POINTS];
};
struct bp_lines {
    char title[160];
    const char *x_name, *y_name;
    enum bp_scale x_scale, y_scale;
    void (*x_text)(char text[32], double value);
    void (*y_text)(char text[32], double value);
    bool dots; /* each point was measured; else a curve */
    unsigned count;
    struct bp_series series[BP_SERIES];
};
void bp_draw_lines(FILE *out, const struct bp_lines *chart); /* a figure with its legend; nothing when it has no point */

struct bp_bar {
    char name[96];
    unsigned colour, dash;
    double value, least, most;
    char note[96]; /* instead of a bar when there is no value; after the name otherwise */
};
void bp_draw_bars(FILE *out, const char *title, const struct bp_bar *bars, unsigned count);

/* --- parts -------------------------------------------------------------------------------------------------------- */

void bp_write_loads(FILE *out, const struct br_report *report);
void bp_write_table(FILE *out, const struct br_report *report);
void bp_write_words(FILE *out, const struct br_report *report);

/* How a run is called and drawn: engine and level; colours by engine in their order, dashes by level. */
void bp_run_name(const struct br_run *run, char *text, size_t bytes);
unsigned bp_colour(const struct br_report *report, const struct br_run *run);
unsigned bp_dash(const struct br_run *run);

#endif
