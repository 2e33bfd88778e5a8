/* verify.c - what came back after the kill, held against what the killed child had said and against the index itself.
 *
 *   missing    acknowledged, and no history row
 *   half       its history row and its other writes do not agree (invariants 1 and 2 of work.c)
 *   foreign    a history row that was never announced, was taken back or refused, or holds other bytes
 *   different  a stanza that is lost, doubled or not byte for byte what was loaded
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quickstart.h"

/* What history says about one package. */
struct told {
    uint64_t touched, moved, sum, largest;
    bool here, away, used;
};

struct check {
    struct qs_world *world;
    struct qs_report *report;
    struct told *told; /* [source.count] */
    varve_db *db;
    varve_txn *txn;
    uint64_t found; /* history rows of acknowledged transactions */
};

typedef void (*row_fn)(struct check *check, varve_slice key, varve_slice value);

static void need(struct check *check, int status, const char *what) {
    if (status != VARVE_OK) qs_give_up(check->world, what, status, varve_db_error(check->db));
}

static void each_row(struct check *check, const char *name, row_fn fn) {
    varve_table *table;
    varve_cursor *cursor;
    varve_slice key, value;
    need(check, varve_table_open(check->db, name, "create=false", &table), name);
    need(check, varve_cursor_open(check->txn, table, NULL, &cursor), name);
    int status;
    while ((status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK) fn(check, key, value);
    varve_cursor_close(cursor);
    if (status != VARVE_END) need(check, status, name);
}

/* The package that a row is about, or NULL when nobody ever wrote such a key. */
static struct told *told_of(struct check *check, varve_slice key) {
    int64_t row = qs_source_find(&check->world->source, key);
    if (row >= 0) return &check->told[row];
    check->report->foreign++;
    return NULL;
}

static bool same(varve_slice a, varve_slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void history_row(struct check *check, varve_slice key, varve_slice value) {
    struct qs_history history;
    uint64_t number = 0;
    const uint8_t *bytes = key.data;
    bool known = key.size == 9 && bytes[0] < QS_LANES && qs_history_decode(&history, value);
    for (unsigned i = 1; known && i < 9; i++) number = number << 8 | bytes[i];
    const struct qs_entry *entry =
        known && number < QS_LANE_MAX ? &check->world->shared->lanes[bytes[0]].entries[number] : NULL;
    if (entry == NULL || entry->state < QS_ANNOUNCED || entry->hash != qs_hash(value.data, value.size)) {
        check->report->foreign++;
        return;
    }
    check->found += entry->state == QS_ACKNOWLEDGED;
    check->report->survived += entry->state == QS_ANNOUNCED;
    for (unsigned i = 0; i < history.count; i++) {
        if (history.touched[i].row >= check->world->source.count) {
            check->report->foreign++;
            continue;
        }
        struct told *told = &check->told[history.touched[i].row];
        told->touched++;
        told->moved += history.moves;
        told->sum += history.touched[i].count;
        if (history.touched[i].count > told->largest) told->largest = history.touched[i].count;
    }
}

static void use_row(struct check *check, varve_slice key, varve_slice value) {
    struct told *told = told_of(check, key);
    struct qs_use use;
    if (told == NULL) return;
    if (value.size != sizeof(use)) {
        check->report->foreign++;
        return;
    }
    memcpy(&use, value.data, sizeof(use));
    told->used = true;
    /* Counts 1..n, each once: as many as n, none above n, and the sum that they must have. */
    uint64_t n = told->touched;
    if (use.touched != n || use.moved != told->moved || told->largest != n || told->sum != n * (n + 1) / 2)
        check->report->half++;
}

static void package_row(struct check *check, varve_slice key, varve_slice value) {
    struct told *told = told_of(check, key);
    if (told == NULL) return;
    told->here = true;
    if (!same(value, check->world->source.rows[told - check->told].value)) check->report->different++;
}

static void removed_row(struct check *check, varve_slice key, varve_slice value) {
    struct told *told = told_of(check, key);
    if (told == NULL) return;
    told->away = true;
    if (!same(value, check->world->source.rows[told - check->told].value)) check->report->different++;
}

static void check_packages(struct check *check) {
    for (uint64_t i = 0; i < check->world->source.count; i++) {
        const struct told *told = &check->told[i];
        if (told->here == told->away || !told->used) check->report->different++;
        else if (told->away != (told->moved % 2 == 1)) check->report->half++;
    }
}

/* The reopened database is a whole one: it takes a commit and gives it back. */
static void check_alive(struct check *check) {
    varve_table *table;
    varve_slice value;
    need(check, varve_table_open(check->db, "afterwards", NULL, &table), "creating a table after recovery");
    need(check, varve_begin(check->db, NULL, &check->txn), "beginning after recovery");
    need(check, varve_put(check->txn, table, VARVE_STR("alive"), VARVE_STR("yes")), "writing after recovery");
    need(check, varve_commit(check->txn), "committing after recovery");
    need(check, varve_begin(check->db, NULL, &check->txn), "beginning after recovery");
    need(check, varve_get(check->txn, table, VARVE_STR("alive"), &value), "reading after recovery");
    varve_abort(check->txn);
}

void qs_verify(struct qs_world *world) {
    struct check check = {.world = world, .report = &world->shared->report};
    varve_txn_options read_only = VARVE_TXN_OPTIONS_INIT;
    char options[64];
    check.told = calloc(world->source.count, sizeof(*check.told));
    if (check.told == NULL) qs_give_up(world, "comparing", VARVE_NOMEM, "");
    snprintf(options, sizeof(options), "cc=%s,create=false", world->scheme);
    double began = qs_now();
    int status = varve_open(world->directory, options, &check.db);
    if (status != VARVE_OK)
        qs_give_up(world, "reopening", status, check.db != NULL ? varve_db_error(check.db) : "");
    check.report->reopen_seconds = qs_now() - began;
    check.report->after.size = sizeof(check.report->after);
    need(&check, varve_stats(check.db, &check.report->after), "asking for the counters");
    read_only.read_only = true;
    need(&check, varve_begin(check.db, &read_only, &check.txn), "beginning");
    each_row(&check, "history", history_row);
    each_row(&check, "uses", use_row);
    each_row(&check, "packages", package_row);
    each_row(&check, "removed", removed_row);
    varve_abort(check.txn);
    check_packages(&check);
    check.report->missing = check.report->acknowledged - check.found;
    check_alive(&check);
    need(&check, varve_close(check.db), "closing");
    free(check.told);
}
