/* picture.h - a counterexample or a schedule as a picture: lanes are sessions, time runs down, edges are dependencies.
 *
 * The SVG stands alone (no script, no font, no reference), is readable in light and in dark, and is 320 to 1100 pixels
 * wide (wider only where many transactions run side by side); the DOT has the same names. Text is escaped for
 * where it goes.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_PICTURE_H
#define VARVE_SUITE_PICTURE_H

#include <stdio.h>

#include "checker/checker.h"
#include "schedule/schedule.h"

/* What is drawn: the transactions of the finding, or all when finding is NULL (at most 64). VARVE_OK, NOMEM or IO. */
int sp_svg(FILE *out, const struct hs_history *history, const struct ck_finding *finding, const char *title);
int sp_dot(FILE *out, const struct hs_history *history, const struct ck_finding *finding, const char *title);
/* The same as text for a terminal, at most `columns` wide; a column a session. */
int sp_text(FILE *out, const struct hs_history *history, const struct ck_finding *finding, unsigned columns);
/* A run of a schedule, with what waited and for how long; `columns` is for SP_TEXT. */
enum sp_form { SP_SVG, SP_DOT, SP_TEXT };
int sp_run(FILE *out, enum sp_form form, const struct ss_schedule *schedule, const struct ss_run *run,
           const char *title, unsigned columns);
/* Text escaped for HTML and SVG. */
void sp_escape(FILE *out, const char *text, size_t size);

#endif
