/* page.c - the page of `varve bench --html`.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/report/report.h"

int br_page(FILE *out, const struct br_report *report) {
    fprintf(out, "<!doctype html>\n<title>Varve bench</title>\n<p>%u runs</p>\n", report->run_count);
    return ferror(out) ? VARVE_IO : VARVE_OK;
}
