/* peers.c - schedules on other engines: running, counting, printing.
 *
 * SPDX-License-Identifier: MIT
 */
#include "report/peers.h"

#include <stdlib.h>
#include <string.h>

#include "model/oracle.h"
#include "report/matrix_int.h"

void sr_peers_init(struct sr_peers *peers) { *peers = (struct sr_peers){0}; }

void sr_peers_release(struct sr_peers *peers) {
    for (unsigned i = 0; i < peers->count; i++) free(peers->columns[i].cells);
    free(peers->columns);
    sr_peers_init(peers);
}

static struct sr_peer_column *add_column(struct sr_peers *peers, unsigned rows) {
    if (peers->count == peers->capacity) {
        unsigned capacity = peers->capacity != 0 ? peers->capacity * 2 : 8;
        struct sr_peer_column *bigger = realloc(peers->columns, capacity * sizeof *bigger);
        if (bigger == NULL) return NULL;
        peers->columns = bigger;
        peers->capacity = capacity;
    }
    struct sr_peer_column *column = &peers->columns[peers->count];
    *column = (struct sr_peer_column){.cells = calloc(rows + 1, sizeof *column->cells)};
    if (column->cells == NULL) return NULL;
    peers->count++;
    return column;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static bool anything_refused(const struct ss_schedule *schedule, const struct ss_run *run) {
    for (unsigned t = 0; t < schedule->txn_count; t++)
        if (run->txns[t].begun && !run->txns[t].committed && run->txns[t].status != VARVE_OK) return true;
    return false;
}

/* An anomaly is something that was let through. Conditions that ask for an abort are about something else; those that
 * say what was not answered were written for runs in which nothing is refused on the way, which is often here. */
static bool let_through(const struct ss_schedule *schedule, const struct ss_run *run) {
    for (unsigned i = 0; i < schedule->condition_count; i++) {
        const struct ss_condition *condition = &schedule->conditions[i];
        bool commits = condition->kind == SS_COMMITTED || condition->kind == SS_ALL_COMMIT;
        if (condition->kind == SS_ABORTED ? !condition->negated : commits && condition->negated) return false;
        if (condition->negated && anything_refused(schedule, run)) return false;
    }
    return true;
}

static void count_run(struct sp_peer_cell *cell, const struct ss_schedule *schedule, const struct ss_run *run,
                      unsigned blocked) {
    struct sm_verdict verdict;
    sm_judge(schedule, run, false, &verdict);
    unsigned refused = 0;
    for (unsigned t = 0; t < schedule->txn_count; t++)
        refused += run->txns[t].begun && !run->txns[t].committed && run->txns[t].status != VARVE_OK;
    cell->runs++;
    cell->shown += ss_is_anomaly(schedule, run, !verdict.serial) && let_through(schedule, run);
    cell->blocked += blocked;
    cell->refused += refused > blocked ? refused - blocked : 0;
}

/* Levels of transactions count for the judge only where it asks about one level; here only the serial order is asked. */
static void claim(struct ss_run *run, unsigned txn_count, varve_isolation level) {
    for (unsigned t = 0; t < txn_count; t++) run->txns[t].level = level;
}

static int run_schedule(struct st_peer *peer, const struct ss_schedule *schedule, varve_isolation claims,
                        struct sp_peer_cell *cell) {
    static _Thread_local struct ss_run run;
    uint8_t order[SS_STEPS_MAX];
    uint64_t all = ss_interleavings(schedule);
    for (uint64_t n = 0; n < all; n++) {
        unsigned blocked;
        ss_interleaving(schedule, n, order);
        int status = st_peer_run(peer, schedule, order, &run, &blocked);
        if (status != VARVE_OK) return status;
        claim(&run, schedule->txn_count, claims);
        count_run(cell, schedule, &run, blocked);
    }
    return VARVE_OK;
}

static unsigned row_of(const struct sr_matrix *matrix, const char *id) {
    unsigned row = 0;
    while (strcmp(matrix->rows[row].id, id) != 0) row++;
    return row;
}

static int run_column(struct sr_peer_column *column, const struct sr_matrix *matrix, struct st_peer *peer, char *error,
                      size_t error_bytes) {
    for (unsigned i = 0; i < matrix->set->count; i++) {
        const struct ss_schedule *schedule = matrix->set->schedules[i];
        if (!matrix->chosen[i]) continue;
        if (!st_peer_can(peer, schedule)) {
            column->left_out++;
            continue;
        }
        int status = run_schedule(peer, schedule, column->claims, &column->cells[row_of(matrix, schedule->id)]);
        if (status == VARVE_OK) continue;
        snprintf(error, error_bytes, "%s, %s: %s: %s", column->engine, column->level, schedule->name,
                 varve_strerror(status));
        return status;
    }
    return VARVE_OK;
}

int sr_peers_add(struct sr_peers *peers, const struct sr_matrix *matrix, struct st_peer *peer, char *error,
                 size_t error_bytes) {
    for (unsigned level = 0; level < st_peer_levels(peer); level++) {
        struct sr_peer_column *column = add_column(peers, matrix->row_count);
        if (column == NULL) {
            snprintf(error, error_bytes, "out of memory for the matrix");
            return VARVE_NOMEM;
        }
        snprintf(column->engine, sizeof column->engine, "%s", st_peer_title(peer));
        snprintf(column->level, sizeof column->level, "%s", st_peer_level_name(peer, level));
        column->claims = st_peer_claims(peer, level);
        int status = st_peer_open(peer, level, NULL, error, error_bytes);
        if (status == VARVE_OK) status = run_column(column, matrix, peer, error, error_bytes);
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

/* --- printing ----------------------------------------------------------------------------------------------------- */

static void cell_text(const struct sp_peer_cell *cell, char text[12]) {
    if (cell->runs == 0)
        snprintf(text, 12, "-");
    else if (cell->shown != 0)
        snprintf(text, 12, "%llu", (unsigned long long)(cell->shown % 100000));
    else
        snprintf(text, 12, "%s%s%s", cell->blocked != 0 ? "b" : "", cell->refused != 0 ? "r" : "",
                 cell->blocked + cell->refused == 0 ? "o" : "");
}

void sr_peers_print_text(FILE *out, const struct sr_matrix *matrix, const struct sr_peers *peers) {
    char text[12];
    fputs("\nOther engines, by the same schedules; a transaction that would have to wait is refused there.\n", out);
    for (unsigned c = 0; c < peers->count; c++)
        fprintf(out, "  %2u  %s, %s (at least %s, by its documentation); %u schedules ask for what it lacks\n", c + 1,
                peers->columns[c].engine, peers->columns[c].level, ss_level_name(peers->columns[c].claims),
                peers->columns[c].left_out);
    fprintf(out, "\n%-25s", "");
    for (unsigned c = 0; c < peers->count; c++) fprintf(out, "%-5u", c + 1);
    fputc('\n', out);
    for (unsigned i = 0; i < matrix->row_count; i++) {
        fprintf(out, "%-4s%-21.20s", matrix->rows[i].id, matrix->rows[i].title);
        for (unsigned c = 0; c < peers->count; c++) {
            cell_text(&peers->columns[c].cells[i], text);
            fprintf(out, "%-5s", text);
        }
        fputc('\n', out);
    }
    fputs("A number: interleavings that showed it. b somebody would have had to wait, r refused, o neither, - not run.\n",
          out);
}

void sr_peers_print_json(FILE *out, const struct sr_matrix *matrix, const struct sr_peers *peers) {
    fputc('[', out);
    for (unsigned c = 0; c < peers->count; c++) {
        const struct sr_peer_column *column = &peers->columns[c];
        fputs(c != 0 ? ",\n {" : "\n {", out);
        sr_json_named(out, "engine", column->engine);
        fputc(',', out);
        sr_json_named(out, "level", column->level);
        fputc(',', out);
        sr_json_named(out, "claims", ss_level_name(column->claims));
        fprintf(out, ",\"schedules_left_out\":%u,\"cells\":[", column->left_out);
        for (unsigned i = 0; i < matrix->row_count; i++) {
            const struct sp_peer_cell *cell = &column->cells[i];
            fputs(i != 0 ? ",\n  {" : "\n  {", out);
            sr_json_named(out, "id", matrix->rows[i].id);
            fprintf(out, ",\"runs\":%llu,\"shown\":%llu,\"blocked\":%llu,\"refused\":%llu}",
                    (unsigned long long)cell->runs, (unsigned long long)cell->shown, (unsigned long long)cell->blocked,
                    (unsigned long long)cell->refused);
        }
        fputs("]}", out);
    }
    fputc(']', out);
}
