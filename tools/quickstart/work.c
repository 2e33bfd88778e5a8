/* work.c - the child that is killed: loads the index, then runs transactions in QS_LANES threads and says in shared
 * memory, before each commit and after it, what must be found later.
 *
 * Tables: "packages" (key -> stanza), "removed" (the same rows while they are moved away), "uses" (how often a package
 * was touched), "history" (one row a transaction). Invariants, checked by readers on the way and by verify.c at the end:
 *  1. a package is in exactly one of "packages" and "removed", and in "removed" when it was moved an odd number of times;
 *  2. the counts that history rows give to one package are 1, 2, ..., n, each once, and its row in "uses" says n.
 * A transaction that is half there, or that saw something that no serial order explains, breaks one of them.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "quickstart.h"

enum { LOAD_BATCH = 500, READS = 10, TAKEN_BACK = 1 };

struct tables {
    varve_db *db;
    varve_table *packages, *removed, *uses, *history;
};

struct lane {
    struct qs_world *world;
    struct tables *tables;
    struct qs_lane *shared;
    unsigned number;
    uint64_t random, sequence, first, last;
    bool moves, takes_back; /* of the transaction at hand */
    unsigned picked_count;
    uint32_t picked[READS];
};

static uint64_t draw(struct lane *lane, uint64_t bound) {
    lane->random += 0x9e3779b97f4a7c15u;
    return qs_mix(lane->random) % bound;
}

static void pick(struct lane *lane, unsigned count) {
    lane->picked_count = count;
    for (unsigned i = 0; i < count; i++) {
        /* Every fourth pick is from a few hot packages, so that transactions meet. */
        uint64_t bound = draw(lane, 4) == 0 ? 16 : lane->world->source.count;
        if (bound > lane->world->source.count) bound = lane->world->source.count;
        lane->picked[i] = (uint32_t)draw(lane, bound);
        for (unsigned j = 0; j < i; j++)
            if (lane->picked[j] == lane->picked[i]) {
                i--;
                break;
            }
    }
}

/* --- loading ------------------------------------------------------------------------------------------------ */

static int load_batch(varve_txn *txn, void *arg) {
    struct lane *lane = arg;
    const struct qs_use unused = {0, 0};
    for (uint64_t i = lane->first; i < lane->first + LOAD_BATCH && i < lane->last; i++) {
        const struct qs_row *row = &lane->world->source.rows[i];
        int status = varve_insert(txn, lane->tables->packages, row->key, row->value);
        if (status == VARVE_OK)
            status = varve_insert(txn, lane->tables->uses, row->key, VARVE_SLICE(&unused, sizeof(unused)));
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

static void *load_rows(void *arg) {
    struct lane *lane = arg;
    uint64_t count = lane->world->source.count;
    lane->first = count * lane->number / QS_LANES;
    lane->last = count * (lane->number + 1) / QS_LANES;
    for (; lane->first < lane->last; lane->first += LOAD_BATCH) {
        int status = varve_run(lane->tables->db, NULL, load_batch, lane);
        if (status != VARVE_OK) qs_give_up(lane->world, "loading", status, varve_db_error(lane->tables->db));
    }
    return NULL;
}

/* --- a transaction that writes ------------------------------------------------------------------------------ */

/* Takes the package from the table that has it to the other one. */
static int move(varve_txn *txn, struct tables *tables, varve_slice key) {
    varve_table *from = tables->packages, *to = tables->removed;
    varve_slice value;
    int status = varve_get(txn, from, key, &value);
    if (status == VARVE_NOTFOUND) {
        from = tables->removed;
        to = tables->packages;
        status = varve_get(txn, from, key, &value);
    }
    if (status == VARVE_OK) status = varve_insert(txn, to, key, value);
    if (status == VARVE_OK) status = varve_delete(txn, from, key);
    return status;
}

static int touch(varve_txn *txn, struct lane *lane, uint32_t row, struct qs_touch *touched) {
    varve_slice key = lane->world->source.rows[row].key, value;
    struct qs_use use;
    int status = varve_get(txn, lane->tables->uses, key, &value);
    if (status != VARVE_OK) return status;
    memcpy(&use, value.data, sizeof(use));
    use.touched++;
    use.moved += lane->moves;
    *touched = (struct qs_touch){row, use.touched};
    status = varve_put(txn, lane->tables->uses, key, VARVE_SLICE(&use, sizeof(use)));
    return status == VARVE_OK && lane->moves ? move(txn, lane->tables, key) : status;
}

static void announce(struct lane *lane, enum qs_state state, uint64_t hash) {
    struct qs_entry *entry = &lane->shared->entries[lane->sequence];
    entry->hash = hash;
    __atomic_store_n(&entry->state, (uint32_t)state, __ATOMIC_RELEASE);
}

static int write_transaction(varve_txn *txn, void *arg) {
    struct lane *lane = arg;
    struct qs_history history = {lane->moves, lane->picked_count, {{0, 0}}};
    uint8_t key[9], value[QS_HISTORY_BYTES];
    announce(lane, QS_REFUSED, 0); /* the attempt before, if any, came to nothing */
    lane->shared->attempts++;
    for (unsigned i = 0; i < lane->picked_count; i++) {
        int status = touch(txn, lane, lane->picked[i], &history.touched[i]);
        if (status != VARVE_OK) return status;
    }
    size_t size = qs_history_encode(&history, value);
    qs_history_key(lane->number, lane->sequence, key);
    int status = varve_insert(txn, lane->tables->history, VARVE_SLICE(key, sizeof(key)), VARVE_SLICE(value, size));
    if (status != VARVE_OK) return status;
    if (lane->takes_back) return TAKEN_BACK;
    announce(lane, QS_ANNOUNCED, qs_hash(value, size));
    return VARVE_OK;
}

/* --- a transaction that reads ------------------------------------------------------------------------------- */

static int read_transaction(varve_txn *txn, void *arg) {
    struct lane *lane = arg;
    for (unsigned i = 0; i < lane->picked_count; i++) {
        varve_slice key = lane->world->source.rows[lane->picked[i]].key;
        int here = varve_contains(txn, lane->tables->packages, key);
        int away = varve_contains(txn, lane->tables->removed, key);
        if (here != VARVE_OK && here != VARVE_NOTFOUND) return here;
        if (away != VARVE_OK && away != VARVE_NOTFOUND) return away;
        if (here == away) lane->shared->inconsistent++;
    }
    return VARVE_OK;
}

static void read_once(struct lane *lane) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.read_only = true;
    pick(lane, READS);
    int status = varve_run(lane->tables->db, &options, read_transaction, lane);
    if (status != VARVE_OK) qs_give_up(lane->world, "reading", status, varve_db_error(lane->tables->db));
    lane->shared->read_only++;
}

static void write_once(struct lane *lane) {
    varve_error error = VARVE_ERROR_INIT;
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.error = &error;
    lane->moves = draw(lane, 4) == 0;
    lane->takes_back = draw(lane, 20) == 0;
    pick(lane, lane->moves ? 1 : 1 + (unsigned)draw(lane, QS_TOUCHED_MAX));
    int status = varve_run(lane->tables->db, &options, write_transaction, lane);
    if (status == VARVE_OK) {
        announce(lane, QS_ACKNOWLEDGED, lane->shared->entries[lane->sequence].hash);
        lane->shared->acknowledged++;
    } else if (status == TAKEN_BACK) {
        announce(lane, QS_REFUSED, 0);
    } else {
        qs_give_up(lane->world, "writing", status, error.text);
    }
    lane->sequence++;
}

static void *run_lane(void *arg) {
    struct lane *lane = arg;
    while (lane->sequence < QS_LANE_MAX) {
        write_once(lane);
        if (draw(lane, 2) == 0) read_once(lane);
    }
    return NULL;
}

/* --- the child ---------------------------------------------------------------------------------------------- */

static void start(struct lane *lanes, pthread_t *threads, void *(*body)(void *)) {
    for (unsigned i = 0; i < QS_LANES; i++)
        if (pthread_create(&threads[i], NULL, body, &lanes[i]) != 0)
            qs_give_up(lanes[i].world, "starting a thread", VARVE_NOMEM, "");
}

static void open_tables(struct qs_world *world, struct tables *tables) {
    char options[96];
    const char *const names[] = {"packages", "removed", "uses", "history"};
    varve_table **const handles[] = {&tables->packages, &tables->removed, &tables->uses, &tables->history};
    snprintf(options, sizeof(options), "cc=%s,sync=%s,isolation=serializable", world->scheme, world->sync);
    int status = varve_open(world->directory, options, &tables->db);
    for (unsigned i = 0; i < 4 && status == VARVE_OK; i++)
        status = varve_table_open(tables->db, names[i], NULL, handles[i]);
    if (status != VARVE_OK)
        qs_give_up(world, "opening", status, tables->db != NULL ? varve_db_error(tables->db) : "");
}

void qs_work(struct qs_world *world) {
    struct tables tables = {0};
    static struct lane lanes[QS_LANES];
    pthread_t threads[QS_LANES];
    const struct timespec pause = {0, 5000000};
    open_tables(world, &tables);
    for (unsigned i = 0; i < QS_LANES; i++)
        lanes[i] = (struct lane){.world = world, .tables = &tables, .shared = &world->shared->lanes[i], .number = i,
                                 .random = world->seed + qs_mix(i)};
    double began = qs_now();
    start(lanes, threads, load_rows);
    for (unsigned i = 0; i < QS_LANES; i++) pthread_join(threads[i], NULL);
    world->shared->report.load_seconds = qs_now() - began;
    start(lanes, threads, run_lane);
    __atomic_store_n(&world->shared->loaded, 1, __ATOMIC_RELEASE);
    for (;;) { /* until the parent's signal */
        varve_stats_info stats = {.size = sizeof(stats)};
        if (varve_stats(tables.db, &stats) == VARVE_OK) world->shared->report.before = stats;
        nanosleep(&pause, NULL);
    }
}
