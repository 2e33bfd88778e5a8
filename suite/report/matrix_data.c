/* matrix_data.c - the matrix as Markdown for the documents and as JSON for programs.
 *
 * Markdown leaves out what changes whenever a schedule is added: it says shown or how mostly prevented, not how often.
 *
 * SPDX-License-Identifier: MIT
 */
#include <limits.h>
#include <string.h>

#include "report/matrix_int.h"
#include "report/peers.h"

/* --- Markdown ----------------------------------------------------------------------------------------------------- */

static void markdown_cell(FILE *out, const struct sr_cell *cell) {
    if (cell->runs == 0 || cell->demand == SR_NOT_APPLICABLE) {
        fputs(" - |", out);
        return;
    }
    if (cell->shown != 0) {
        fputs(" **shown** |", out);
        return;
    }
    unsigned main_way = SR_WAYS;
    for (unsigned way = 0; way < SR_WAYS; way++)
        if (cell->way_runs[way] != 0 && (main_way == SR_WAYS || cell->way_runs[way] > cell->way_runs[main_way]))
            main_way = way;
    fprintf(out, " %s |", main_way < SR_WAYS ? sr_way_name((enum sr_way)main_way) : "never");
}

static void markdown_scheme(FILE *out, const struct sr_matrix *matrix, unsigned from, unsigned to) {
    fprintf(out, "### %s\n\n| | phenomenon |", matrix->pairs[from].scheme);
    for (unsigned p = from; p < to; p++) {
        const struct sr_pair *pair = &matrix->pairs[p];
        fprintf(out, " %s", ss_level_name(pair->asked));
        if (pair->asked != pair->served) fprintf(out, " as %s", ss_level_name(pair->served));
        fputs(" |", out);
    }
    fputs("\n| --- | --- |", out);
    for (unsigned p = from; p < to; p++) fputs(" --- |", out);
    fputc('\n', out);
    for (unsigned i = 0; i < matrix->row_count; i++) {
        const struct sr_row *row = &matrix->rows[i];
        unsigned place;
        if (sr_title_of(row->id, &place) == NULL) continue;
        fprintf(out, "| %s | %s |", row->id, row->title);
        for (unsigned p = from; p < to; p++) markdown_cell(out, &row->cells[p]);
        fputc('\n', out);
    }
    fputc('\n', out);
}

static void markdown_published(FILE *out, const struct sr_matrix *matrix) {
    bool any = false;
    for (unsigned i = 0; i < SR_PUBLISHED; i++) {
        int index = sr_find_schedule(matrix, sr_published[i].name);
        if (index < 0) continue;
        if (!any) fputs("Interleavings with a needless abort, at serializable:\n\n| schedule | of |", out);
        for (unsigned p = 0; p < matrix->pair_count && !any; p++)
            if (matrix->pairs[p].asked == VARVE_SERIALIZABLE) fprintf(out, " %s |", matrix->pairs[p].scheme);
        if (!any) fputs(" PostgreSQL |\n| --- | --- |", out);
        for (unsigned p = 0; p < matrix->pair_count && !any; p++)
            if (matrix->pairs[p].asked == VARVE_SERIALIZABLE) fputs(" --- |", out);
        if (!any) fputs(" --- |\n", out);
        any = true;
        fprintf(out, "| %s | %llu |", sr_published[i].name,
                (unsigned long long)ss_interleavings(matrix->set->schedules[index]));
        for (unsigned p = 0; p < matrix->pair_count; p++)
            if (matrix->pairs[p].asked == VARVE_SERIALIZABLE)
                fprintf(out, " %llu |", (unsigned long long)matrix->cells[index][p].needless_runs);
        fprintf(out, " %u |\n", sr_published[i].needless);
    }
    if (any) fputc('\n', out);
}

void sr_print_markdown(FILE *out, const struct sr_matrix *matrix) {
    fputs("**shown**: some interleaving shows it. Else it never happened, and the word tells how most of the interleavings\n"
          "ended that show it at a weaker level (where none does anywhere: most of all interleavings):\n",
          out);
    for (unsigned way = 0; way < SR_WAYS; way++)
        fprintf(out, "%s%s", sr_way_name((enum sr_way)way), way + 1 < SR_WAYS ? ", " : ".\n");
    fputs("A dash: the level does not know it. Where a level forbids a phenomenon, the schedules count that say so: a rule that only\n"
          "the caller's own reads keep is kept at serializable alone.\n\n",
          out);
    for (unsigned from = 0, to; from < matrix->pair_count; from = to) {
        for (to = from + 1; to < matrix->pair_count; to++)
            if (strcmp(matrix->pairs[to].scheme, matrix->pairs[from].scheme) != 0) break;
        markdown_scheme(out, matrix, from, to);
    }
    markdown_published(out, matrix);
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static void json_string(FILE *out, const char *text) {
    fputc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; *p != 0; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p < 0x20)
            fprintf(out, "\\u%04x", *p);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

void sr_json_named(FILE *out, const char *name, const char *text) {
    fprintf(out, "\"%s\":", name);
    json_string(out, text);
}

static void json_pair(FILE *out, const struct sr_pair *pair) {
    fputc('{', out);
    sr_json_named(out, "scheme", pair->scheme);
    fputc(',', out);
    sr_json_named(out, "asked", ss_level_name(pair->asked));
    fputc(',', out);
    sr_json_named(out, "served", ss_level_name(pair->served));
}

static void json_ways(FILE *out, const struct sr_cell *cell) {
    fputs("\"prevented_by\":{", out);
    const char *comma = "";
    for (unsigned way = 0; way < SR_WAYS; way++) {
        if (cell->way_runs[way] == 0) continue;
        fprintf(out, "%s\"%s\":%llu", comma, sr_way_name((enum sr_way)way), (unsigned long long)cell->way_runs[way]);
        comma = ",";
    }
    fputc('}', out);
}

static void json_cell(FILE *out, const struct sr_matrix *matrix, unsigned pair, const struct sr_cell *cell) {
    static const char *const demands[] = {"free", "never", "shown", "not applicable"};
    json_pair(out, &matrix->pairs[pair]);
    fprintf(out, ",\"demand\":\"%s\",\"runs\":%llu,\"shown\":%llu,\"excused\":%llu,", demands[cell->demand],
            (unsigned long long)cell->runs, (unsigned long long)cell->shown, (unsigned long long)cell->excused);
    if (cell->shown != 0) {
        sr_json_named(out, "first_schedule", matrix->set->schedules[cell->first_schedule]->name);
        fprintf(out, ",\"first_interleaving\":%llu,", (unsigned long long)cell->first);
    }
    json_ways(out, cell);
    fprintf(out, ",\"transactions\":%llu,\"refused\":%llu,\"needless\":%llu,\"needless_runs\":%llu,\"victims\":%llu,"
                 "\"hangs\":%llu,\"mismatches\":%llu}",
            (unsigned long long)cell->txns, (unsigned long long)cell->aborts, (unsigned long long)cell->needless,
            (unsigned long long)cell->needless_runs, (unsigned long long)cell->victims, (unsigned long long)cell->hangs,
            (unsigned long long)cell->mismatches);
}

static void json_cells(FILE *out, const struct sr_matrix *matrix, const struct sr_cell *cells) {
    fputs("\"cells\":[", out);
    for (unsigned p = 0; p < matrix->pair_count; p++) {
        if (p != 0) fputs(",\n    ", out);
        json_cell(out, matrix, p, &cells[p]);
    }
    fputs("]}", out);
}

static void json_schedules(FILE *out, const struct sr_matrix *matrix) {
    const char *comma = "";
    fputs("\"schedules\":[\n", out);
    for (unsigned i = 0; i < matrix->set->count; i++) {
        if (!matrix->chosen[i]) continue;
        const struct ss_schedule *schedule = matrix->set->schedules[i];
        fprintf(out, "%s {", comma);
        sr_json_named(out, "name", schedule->name);
        fputc(',', out);
        sr_json_named(out, "id", schedule->id);
        fputc(',', out);
        sr_json_named(out, "file", matrix->set->files[i]);
        fprintf(out, ",\"line\":%u,", schedule->line);
        sr_json_named(out, "about", schedule->about);
        fprintf(out, ",\"interleavings\":%llu,\n   ", (unsigned long long)ss_interleavings(schedule));
        json_cells(out, matrix, matrix->cells[i]);
        comma = ",\n";
    }
    fputs("],\n", out);
}

static void json_findings(FILE *out, const struct sr_matrix *matrix) {
    fputs("\"violations\":[", out);
    for (unsigned i = 0; i < matrix->finding_count; i++) {
        const struct sr_finding *finding = &matrix->findings[i];
        fputs(i != 0 ? ",\n " : "\n ", out);
        json_pair(out, &matrix->pairs[finding->pair]);
        fputc(',', out);
        sr_json_named(out, "kind", sr_finding_name(finding->kind));
        fputc(',', out);
        sr_json_named(out, "id", finding->id);
        if (finding->schedule != UINT_MAX) {
            fputc(',', out);
            sr_json_named(out, "schedule", matrix->set->schedules[finding->schedule]->name);
            fputc(',', out);
            sr_json_named(out, "file", matrix->set->files[finding->schedule]);
            fprintf(out, ",\"line\":%u", finding->line);
        }
        if (finding->interleaving != SR_NEVER)
            fprintf(out, ",\"interleaving\":%llu", (unsigned long long)finding->interleaving);
        fprintf(out, ",\"count\":%llu,", (unsigned long long)finding->count);
        sr_json_named(out, "text", finding->text);
        fputc('}', out);
    }
    fputs("],\n", out);
}

void sr_print_json(FILE *out, const struct sr_matrix *matrix, const struct sr_peers *peers) {
    char summary[160];
    fputs("{\"phenomena\":[\n", out);
    for (unsigned i = 0; i < matrix->row_count; i++) {
        const struct sr_row *row = &matrix->rows[i];
        fputs(i != 0 ? ",\n {" : " {", out);
        sr_json_named(out, "id", row->id);
        fputc(',', out);
        sr_json_named(out, "title", row->title);
        fprintf(out, ",\"schedules\":%u,\"interleavings\":%llu,\n   ", row->schedule_count,
                (unsigned long long)row->interleavings);
        json_cells(out, matrix, row->cells);
    }
    fputs("],\n", out);
    json_schedules(out, matrix);
    json_findings(out, matrix);
    if (peers != NULL) {
        fputs("\"peers\":", out);
        sr_peers_print_json(out, matrix, peers);
        fputs(",\n", out);
    }
    sr_summary(matrix, summary, sizeof summary);
    fprintf(out, "\"schedule_count\":%llu,\"interleavings\":%llu,\"runs\":%llu,\"ns\":%llu,",
            (unsigned long long)matrix->schedules, (unsigned long long)matrix->interleavings,
            (unsigned long long)matrix->runs, (unsigned long long)matrix->ns);
    sr_json_named(out, "summary", summary);
    fputs("}\n", out);
}
