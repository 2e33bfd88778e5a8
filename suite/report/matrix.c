/* matrix.c - from the cells of schedules to the rows of phenomena, totals and findings.
 *
 * A row's demand is the contract's; its findings are those of the phenomenon as a whole: a level that must show it is
 * content when one schedule does. Rows stand in the order of the catalogue, then the families by name.
 *
 * SPDX-License-Identifier: MIT
 */
#include "report/matrix_int.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    char letter;
    const char *name;
} ways[SR_WAYS] = {
    [SR_VALIDATED] = {'v', "validation"},     [SR_FIRST_COMMITTER] = {'f', "first committer"},
    [SR_VICTIM] = {'d', "deadlock victim"},   [SR_WAITED] = {'w', "waited"},
    [SR_PRECONDITION] = {'p', "presence"},    [SR_RULE] = {'c', "constraint"},
    [SR_OLDER] = {'o', "other version read"},
};

char sr_way_letter(enum sr_way way) { return ways[way].letter; }
const char *sr_way_name(enum sr_way way) { return ways[way].name; }

const char *sr_finding_name(enum sr_finding_kind kind) {
    static const char *const names[SR_FINDING_KINDS] = {
        [SR_ANOMALY] = "anomaly",       [SR_NOT_SHOWN] = "not shown", [SR_MISMATCH] = "against the model",
        [SR_HANG] = "hang",             [SR_NEEDLESS] = "needless",   [SR_STRANGE] = "strange",
        [SR_CHECKER] = "checker differs", [SR_UNPROVEN] = "unproven"};
    return names[kind];
}

/* --- what rules ask ----------------------------------------------------------------------------------------------- */

static bool applies(const struct ss_rule *rule, const struct sr_pair *pair) {
    return rule->level == pair->served && rule->schemes[ss_scheme_find(pair->scheme)];
}

enum sr_demand sr_demand_of(const struct ss_schedule *schedule, const struct sr_pair *pair, unsigned *line) {
    for (unsigned i = 0; i < schedule->rule_count; i++) {
        const struct ss_rule *rule = &schedule->rules[i];
        if (!applies(rule, pair) || rule->kind == SS_PRECISION) continue;
        *line = rule->line;
        if (rule->kind == SS_MUST) return SR_MUST_NOT;
        if (rule->kind == SS_SHOW) return SR_MUST_SHOW;
        return SR_FREE;
    }
    return SR_FREE;
}

bool sr_precision_of(const struct ss_schedule *schedule, const struct sr_pair *pair, unsigned *most, unsigned *line) {
    for (unsigned i = 0; i < schedule->rule_count; i++) {
        const struct ss_rule *rule = &schedule->rules[i];
        if (rule->kind != SS_PRECISION || !applies(rule, pair)) continue;
        *most = rule->number;
        *line = rule->line;
        return true;
    }
    return false;
}

/* --- cells and findings ------------------------------------------------------------------------------------------- */

void sr_add_cell(struct sr_cell *to, const struct sr_cell *from) {
    if (to->shown == 0 && from->shown != 0) {
        to->first = from->first;
        to->first_schedule = from->first_schedule;
    }
    to->runs += from->runs;
    to->shown += from->shown;
    to->ways |= from->ways;
    for (unsigned w = 0; w < SR_WAYS; w++) to->way_runs[w] += from->way_runs[w];
    to->txns += from->txns;
    to->aborts += from->aborts;
    to->needless += from->needless;
    to->needless_runs += from->needless_runs;
    to->victims += from->victims;
    to->hangs += from->hangs;
    to->mismatches += from->mismatches;
}

int sr_add_finding(struct sr_matrix *matrix, const struct sr_finding *finding) {
    if (matrix->finding_count == matrix->finding_capacity) {
        unsigned capacity = matrix->finding_capacity != 0 ? matrix->finding_capacity * 2 : 16;
        struct sr_finding *bigger = realloc(matrix->findings, capacity * sizeof *bigger);
        if (bigger == NULL) return VARVE_NOMEM;
        matrix->findings = bigger;
        matrix->finding_capacity = capacity;
    }
    matrix->findings[matrix->finding_count++] = *finding;
    return VARVE_OK;
}

static int by_place(const void *a, const void *b) {
    const struct sr_finding *x = a, *y = b;
    if (x->schedule != y->schedule) return x->schedule < y->schedule ? -1 : 1;
    if (x->pair != y->pair) return x->pair < y->pair ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b) {
    const struct sr_row *x = a, *y = b;
    unsigned x_place = UINT_MAX, y_place = UINT_MAX;
    (void)sr_title_of(x->id, &x_place);
    (void)sr_title_of(y->id, &y_place);
    if (x_place != y_place) return x_place < y_place ? -1 : 1;
    return strcmp(x->id, y->id);
}

static struct sr_row *row_of(struct sr_matrix *matrix, const struct ss_schedule *schedule) {
    for (unsigned i = 0; i < matrix->row_count; i++)
        if (strcmp(matrix->rows[i].id, schedule->id) == 0) return &matrix->rows[i];
    struct sr_row *row = &matrix->rows[matrix->row_count++];
    unsigned place;
    const char *title = sr_title_of(schedule->id, &place);
    memcpy(row->id, schedule->id, sizeof row->id);
    if (title != NULL) snprintf(row->title, sizeof row->title, "%s", title);
    for (unsigned p = 0; p < matrix->pair_count; p++) {
        row->cells[p].first = SR_NEVER;
        row->cells[p].demand = sr_contract_of(row->id, &matrix->pairs[p]);
    }
    return row;
}

/* Where the contract forbids a phenomenon, only those of its schedules count that say the same. */
static void add_to_row(struct sr_cell *to, const struct sr_cell *from) {
    struct sr_cell counted = *from;
    if (to->demand == SR_MUST_NOT && from->demand != SR_MUST_NOT) {
        to->excused += counted.shown;
        counted.shown = 0;
        counted.ways = 0;
        memset(counted.way_runs, 0, sizeof counted.way_runs);
    }
    to->promised |= from->demand == SR_MUST_NOT;
    sr_add_cell(to, &counted);
}

/* Findings of a phenomenon as a whole: what no rule of a schedule has said already. */
static int judge_row(struct sr_matrix *matrix, const struct sr_row *row) {
    for (unsigned p = 0; p < matrix->pair_count; p++) {
        const struct sr_cell *cell = &row->cells[p];
        struct sr_finding finding = {.schedule = UINT_MAX, .pair = p, .interleaving = SR_NEVER, .count = 1};
        memcpy(finding.id, row->id, sizeof finding.id);
        if (cell->runs == 0) continue;
        if (cell->demand == SR_MUST_NOT && !cell->promised) {
            finding.kind = SR_UNPROVEN;
            snprintf(finding.text, sizeof finding.text, "no schedule tries what the level forbids");
        } else if (cell->demand == SR_MUST_SHOW && cell->shown == 0) {
            finding.kind = SR_NOT_SHOWN;
            snprintf(finding.text, sizeof finding.text, "no schedule shows what the level permits");
        } else {
            continue;
        }
        if (sr_add_finding(matrix, &finding) != VARVE_OK) return VARVE_NOMEM;
    }
    return VARVE_OK;
}

int sr_gather(struct sr_matrix *matrix) {
    matrix->rows = calloc(matrix->set->count + 1, sizeof *matrix->rows);
    if (matrix->rows == NULL) return VARVE_NOMEM;
    for (unsigned i = 0; i < matrix->set->count; i++) {
        if (!matrix->chosen[i]) continue;
        struct sr_row *row = row_of(matrix, matrix->set->schedules[i]);
        row->schedule_count++;
        row->interleavings += ss_interleavings(matrix->set->schedules[i]);
        for (unsigned p = 0; p < matrix->pair_count; p++) {
            add_to_row(&row->cells[p], &matrix->cells[i][p]);
            sr_add_cell(&matrix->totals[p], &matrix->cells[i][p]);
        }
    }
    for (unsigned i = 0; i < matrix->row_count; i++) {
        unsigned place;
        struct sr_row *row = &matrix->rows[i];
        if (sr_title_of(row->id, &place) == NULL)
            snprintf(row->title, sizeof row->title, "%u schedules", row->schedule_count);
    }
    qsort(matrix->rows, matrix->row_count, sizeof *matrix->rows, compare_rows);
    int status = VARVE_OK;
    for (unsigned i = 0; i < matrix->row_count && matrix->whole && status == VARVE_OK; i++)
        status = judge_row(matrix, &matrix->rows[i]);
    if (matrix->finding_count != 0)
        qsort(matrix->findings, matrix->finding_count, sizeof *matrix->findings, by_place);
    return status;
}

void sr_release(struct sr_matrix *matrix) {
    free(matrix->cells);
    free(matrix->chosen);
    free(matrix->rows);
    free(matrix->findings);
    memset(matrix, 0, sizeof *matrix);
}

void sr_summary(const struct sr_matrix *matrix, char *buffer, size_t buffer_bytes) {
    snprintf(buffer, buffer_bytes, "%llu schedules, %u scheme-level pairs, %u violations",
             (unsigned long long)matrix->interleavings, matrix->pair_count, matrix->finding_count);
}
