/* matrix_text.c - the matrix for a terminal of a hundred columns, and its findings with file and line.
 *
 * Nothing here has state.
 *
 * SPDX-License-Identifier: MIT
 */
#include <limits.h>
#include <string.h>

#include "report/matrix_int.h"

enum { TITLE_WIDTH = 21, CELL_WIDTH = SR_CELL_TEXT - 1 };

enum tint { PLAIN, GREEN, YELLOW, RED };
static const char *const tints[] = {"", "\033[32m", "\033[33m", "\033[1;31m"};

/* --- the matrix --------------------------------------------------------------------------------------------------- */

static enum tint tint_of(const struct sr_cell *cell) {
    if (cell->runs == 0 || cell->demand == SR_NOT_APPLICABLE) return PLAIN;
    if (cell->demand == SR_MUST_NOT && cell->shown != 0) return RED;
    if (cell->demand == SR_MUST_SHOW && cell->shown == 0) return RED;
    return cell->shown != 0 ? YELLOW : GREEN;
}

void sr_cell_text(const struct sr_cell *cell, char text[SR_CELL_TEXT]) {
    if (cell->runs == 0 || cell->demand == SR_NOT_APPLICABLE) {
        snprintf(text, CELL_WIDTH + 1, "-");
    } else if (cell->shown != 0) {
        bool thousands = cell->shown > 9999;
        snprintf(text, CELL_WIDTH + 1, "%u%s", (unsigned)(thousands ? cell->shown / 1000 : cell->shown) % 10000,
                 thousands ? "k" : "");
    } else {
        unsigned at = 0;
        for (unsigned way = 0; way < SR_WAYS && at < CELL_WIDTH - 1u - (cell->excused != 0); way++)
            if ((cell->ways >> way & 1) != 0) text[at++] = sr_way_letter((enum sr_way)way);
        if (at == 0) text[at++] = '.';
        if (cell->excused != 0) text[at++] = '*';
        text[at] = 0;
    }
}

static void print_row(FILE *out, const struct sr_matrix *matrix, const struct sr_row *row, bool colours) {
    char text[SR_CELL_TEXT];
    fprintf(out, "%-4s%-*.*s", row->id, TITLE_WIDTH, TITLE_WIDTH - 1, row->title);
    for (unsigned p = 0; p < matrix->pair_count; p++) {
        sr_cell_text(&row->cells[p], text);
        enum tint tint = colours ? tint_of(&row->cells[p]) : PLAIN;
        bool last = p + 1 == matrix->pair_count;
        fprintf(out, "%s%-*s%s", tints[tint], last ? 1 : CELL_WIDTH, text, tint != PLAIN ? "\033[0m" : "");
    }
    fputc('\n', out);
}

static void print_head(FILE *out, const struct sr_matrix *matrix) {
    fprintf(out, "%-*s", TITLE_WIDTH + 4, "");
    for (unsigned p = 0; p < matrix->pair_count; p++) {
        bool first = p == 0 || strcmp(matrix->pairs[p].scheme, matrix->pairs[p - 1].scheme) != 0;
        fprintf(out, "%-*s", CELL_WIDTH, first ? matrix->pairs[p].scheme : "");
    }
    fprintf(out, "\n%-*s", TITLE_WIDTH + 4, "asked");
    for (unsigned p = 0; p < matrix->pair_count; p++)
        fprintf(out, "%-*s", CELL_WIDTH, ss_level_name(matrix->pairs[p].asked));
    fprintf(out, "\n%-*s", TITLE_WIDTH + 4, "served");
    for (unsigned p = 0; p < matrix->pair_count; p++)
        fprintf(out, "%-*s", CELL_WIDTH, ss_level_name(matrix->pairs[p].served));
    fputc('\n', out);
}

static void print_legend(FILE *out) {
    fputs("\nA number: interleavings that showed the anomaly. Letters: how it was prevented:\n ", out);
    for (unsigned way = 0; way < SR_WAYS; way++)
        fprintf(out, " %c %s%s", sr_way_letter((enum sr_way)way), sr_way_name((enum sr_way)way),
                way + 1 < SR_WAYS ? "," : ".\n");
    fputs("  * shown by schedules that say so of themselves, where the level forbids it to others. - not applicable.\n",
          out);
}

/* --- precision ---------------------------------------------------------------------------------------------------- */

static double percent(uint64_t part, uint64_t whole) { return whole == 0 ? 0 : 100.0 * (double)part / (double)whole; }

static void print_precision(FILE *out, const struct sr_matrix *matrix) {
    fputs("\nRefused transactions, and of them the needless ones: all of the run would have been as one after another.\n",
          out);
    fprintf(out, "%-6s%-7s%-8s%14s%12s%12s%10s%12s\n", "", "asked", "served", "transactions", "refused", "needless", "",
            "victims");
    for (unsigned p = 0; p < matrix->pair_count; p++) {
        const struct sr_cell *total = &matrix->totals[p];
        fprintf(out, "%-6s%-7s%-8s%14llu%12llu%12llu%9.2f%%%12llu\n", matrix->pairs[p].scheme,
                ss_level_name(matrix->pairs[p].asked), ss_level_name(matrix->pairs[p].served),
                (unsigned long long)total->txns, (unsigned long long)total->aborts, (unsigned long long)total->needless,
                percent(total->needless, total->txns), (unsigned long long)total->victims);
    }
}

const struct sr_published sr_published[SR_PUBLISHED] = {
    {"pg-two-ids", 12, 90},
    {"pg-receipt-report", 42, 210},
};

int sr_find_schedule(const struct sr_matrix *matrix, const char *name) {
    for (unsigned i = 0; i < matrix->set->count; i++)
        if (matrix->chosen[i] && strcmp(matrix->set->schedules[i]->name, name) == 0) return (int)i;
    return -1;
}

static void print_published(FILE *out, const struct sr_matrix *matrix) {
    for (unsigned i = 0; i < SR_PUBLISHED; i++) {
        int index = sr_find_schedule(matrix, sr_published[i].name);
        if (index < 0) continue;
        fprintf(out, "%s%-18s interleavings with a needless abort, serializable:", i == 0 ? "\n" : "",
                sr_published[i].name);
        for (unsigned p = 0; p < matrix->pair_count; p++)
            if (matrix->pairs[p].asked == VARVE_SERIALIZABLE)
                fprintf(out, " %s %llu,", matrix->pairs[p].scheme,
                        (unsigned long long)matrix->cells[index][p].needless_runs);
        fprintf(out, " of %llu; PostgreSQL %u of %u\n",
                (unsigned long long)ss_interleavings(matrix->set->schedules[index]), sr_published[i].needless,
                sr_published[i].interleavings);
    }
}

void sr_print_text(FILE *out, const struct sr_matrix *matrix, bool colours) {
    print_head(out, matrix);
    for (unsigned i = 0; i < matrix->row_count; i++) print_row(out, matrix, &matrix->rows[i], colours);
    print_legend(out);
    print_precision(out, matrix);
    print_published(out, matrix);
}

/* --- findings ----------------------------------------------------------------------------------------------------- */

static void print_order(FILE *out, const struct ss_schedule *schedule, uint64_t n) {
    uint8_t order[SS_STEPS_MAX];
    ss_interleaving(schedule, n, order);
    fputs("    order:", out);
    for (unsigned i = 0; i < schedule->step_count; i++)
        fprintf(out, " s%u.%u", schedule->steps[order[i]].session + 1u, schedule->steps[order[i]].number + 1u);
    fputc('\n', out);
}

static void print_finding(FILE *out, const struct sr_matrix *matrix, const struct sr_finding *finding) {
    const struct sr_pair *pair = &matrix->pairs[finding->pair];
    const char *kind = sr_finding_name(finding->kind);
    if (finding->schedule == UINT_MAX) {
        fprintf(out, "%s: %s at %s, asked %s, served %s: %s\n", finding->id, kind, pair->scheme,
                ss_level_name(pair->asked), ss_level_name(pair->served), finding->text);
        return;
    }
    const struct ss_schedule *schedule = matrix->set->schedules[finding->schedule];
    fprintf(out, "%s:%u: %s: %s %s", matrix->set->files[finding->schedule], finding->line, kind, schedule->id,
            schedule->name);
    if (finding->interleaving != SR_NEVER) fprintf(out, "/%llu", (unsigned long long)finding->interleaving);
    fprintf(out, " at %s, asked %s, served %s", pair->scheme, ss_level_name(pair->asked), ss_level_name(pair->served));
    if (finding->count > 1) fprintf(out, ", %llu interleavings", (unsigned long long)finding->count);
    fprintf(out, ": %s\n", finding->text);
    if (finding->interleaving != SR_NEVER) print_order(out, schedule, finding->interleaving);
}

void sr_print_findings(FILE *out, const struct sr_matrix *matrix) {
    for (unsigned i = 0; i < matrix->finding_count; i++) print_finding(out, matrix, &matrix->findings[i]);
}
