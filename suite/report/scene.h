/* scene.h - what a picture shows, before anyone draws it: boxes in lanes, one event a row, edges between rows.
 *
 * A scene is made from a history and a finding (scene_history.c) or from a run of a schedule (scene_run.c), and drawn
 * as SVG, DOT or text. Rows are events in time order, one event a row, so that a horizontal line at the height of an
 * event meets no text of another lane.
 *
 * Invariants
 * 1. Every row but SC_ENGINE belongs to a box; the rows of a box are its SC_BEGIN, then steps, then at most one SC_END.
 * 2. An edge leads from a row to a row; both belong to boxes.
 * 3. Texts are UTF-8, not escaped, without line breaks (but `title` and `proof`).
 *
 * Thread rule: one thread at a time. Memory: the C library's.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_SCENE_H
#define VARVE_SUITE_SCENE_H

#include <stdio.h>

#include "checker/checker.h"
#include "schedule/schedule.h"

enum { SC_TEXT_BYTES = 160, SC_LABEL_BYTES = 96, SC_BOXES_MAX = 64, SC_NONE = -1 };

enum sc_row_kind {
    SC_BEGIN,  /* the head of a box */
    SC_STEP,   /* an operation with its answer, or without it where it waits */
    SC_ANSWER, /* the answer of an operation that waited */
    SC_END,    /* commit or abort */
    SC_ENGINE, /* the engine's own: a checkpoint, a crash; across all lanes */
};

enum sc_outcome { SC_COMMITTED, SC_ABORTED, SC_UNFINISHED, SC_UNKNOWN };

struct sc_row {
    int box; /* SC_NONE: the engine's */
    enum sc_row_kind kind;
    bool refused; /* the answer is an error */
    bool marked;  /* the culprit's */
    int wait_end; /* the row of its SC_ANSWER or end of its wait; SC_NONE: it did not wait */
    char text[SC_TEXT_BYTES];
};

struct sc_box {
    char name[16]; /* "T3" */
    char note[48]; /* its level, "read only", ... */
    int lane;
    enum sc_outcome outcome;
    int first_row, last_row;
};

struct sc_edge {
    int from_row, to_row;
    enum ck_edge_kind kind;
    bool minor; /* not part of the cycle */
    char label[SC_LABEL_BYTES];
    char why[SC_TEXT_BYTES]; /* "T1 read y = 0, and T2 changed it to 1"; may be empty */
};

struct sc_scene {
    char title[240];                                  /* written above */
    char name[240];                                   /* for those who cannot see it; empty: the title is */
    char before[SC_TEXT_BYTES], after[SC_TEXT_BYTES]; /* the rows at the start and at the end; may be empty */
    char proof[1600];
    bool on_cycle; /* there is a cycle: edges that are not minor are on one */
    int lane_count;
    char (*lanes)[32]; /* [lane_count] names; empty where a lane stands for no session */
    struct sc_row *rows;
    struct sc_box *boxes;
    struct sc_edge *edges;
    int row_count, box_count, edge_count;
    int row_capacity, box_capacity, edge_capacity;
};

void sc_release(struct sc_scene *scene);
/* All return VARVE_OK or VARVE_NOMEM; *index may be NULL. */
int sc_row_add(struct sc_scene *scene, const struct sc_row *row, int *index);
int sc_box_add(struct sc_scene *scene, const struct sc_box *box, int *index);
int sc_edge_add(struct sc_scene *scene, const struct sc_edge *edge);
int sc_lanes_set(struct sc_scene *scene, int count);
/* Sets first_row and last_row of the boxes from the rows. */
void sc_bounds(struct sc_scene *scene);

/* A scene from a history: the transactions of the finding, or the first SC_BOXES_MAX. *scene is zeroed first. */
int sc_from_history(struct sc_scene *scene, const struct hs_history *history, const struct ck_finding *finding,
                    const char *title);
/* A scene from a run. */
int sc_from_run(struct sc_scene *scene, const struct ss_schedule *schedule, const struct ss_run *run,
                const char *title);

/* Drawing. VARVE_OK, NOMEM or IO. `styled`: with the style inside (a page has it once: sc_svg_style). */
int sc_svg(FILE *out, const struct sc_scene *scene, bool styled);
extern const char sc_svg_style[];
/* How wide it is, and how narrow a page may make it; 0 without memory. */
double sc_svg_width(const struct sc_scene *scene, double *least);
int sc_dot(FILE *out, const struct sc_scene *scene);
int sc_text(FILE *out, const struct sc_scene *scene, unsigned columns);

/* --- text ----------------------------------------------------------------------------------------------------------
 */

const char *sc_edge_name(enum ck_edge_kind kind);  /* "rw" */
const char *sc_edge_about(enum ck_edge_kind kind); /* one line */
const char *sc_level_name(varve_isolation level);  /* "snapshot"; "" for 0 */
const char *sc_reason_name(int reason);            /* two or three words of a varve_reason */
const char *sc_reason_about(int reason);           /* a sentence */
const char *sc_status_name(int status);            /* "conflict" */
/* Appends to a text that ends in time: never past bytes - 1, always terminated. */
void sc_append(char *text, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A number, or "none" for HS_ABSENT. */
void sc_append_value(char *text, size_t bytes, int64_t value);
/* "x: 0 -> 1", or "x = 1" where both sides are one version. */
void sc_edge_label(struct sc_edge *edge, const char *key, int64_t from, int64_t to);
/* Columns of UTF-8 text, counted as code points; malformed bytes count one each. */
unsigned sc_columns(const char *text);
/* Bytes of the longest beginning of `text` that takes at most `columns`. */
size_t sc_prefix(const char *text, unsigned columns);
/* One line of at most `columns` from `text`, broken at a blank where there is one: its bytes; *next is where to go on.
 */
size_t sc_line(const char *text, unsigned columns, const char **next);
/* The length of the code point that begins here, 0 where the bytes are not UTF-8 or not allowed in XML. */
unsigned sc_code_point(const unsigned char *text, size_t size);

#endif
