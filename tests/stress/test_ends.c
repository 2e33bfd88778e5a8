/* test_ends.c - readers at the ends of a queue that grows at one end and shrinks at the other: the last key is found by
 * a scan, and the key after it, asked for by name, must not be there; nor must the key before the first. The scan reads
 * a gap that others insert into while their commits are under way, so a reader whose snapshot is moved forward, or that
 * is validated, at the wrong moment sees a row in a gap that it has found empty. Judged when the reader has committed;
 * at snapshot, serializable and in declared read-only transactions.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/testdb.h"

enum { WRITERS = 3, READERS = 3 };

static double slice_of_time;

struct queue {
    varve_table *table;
    varve_table *notes;
    varve_isolation level;
    atomic_ulong looks;
};

struct look {
    struct queue *queue;
    unsigned how;
    unsigned note; /* number of the note to write, 0 = none */
    bool back;     /* the last key, else the first */
    bool read_only;
    bool found;
    uint64_t end;
    bool beyond; /* there is a key beyond the end */
};

static void queue_key(unsigned char key[8], uint64_t number) {
    for (unsigned i = 0; i < 8; i++)
        key[i] = (unsigned char)(number >> (56 - 8 * i));
}

static uint64_t queue_number(varve_slice key) {
    uint64_t number = 0;
    for (size_t i = 0; i < key.size; i++)
        number = number << 8 | ((const unsigned char *)key.data)[i];
    return number;
}

static int find_end(varve_txn *txn, struct look *look) {
    varve_range range;
    varve_cursor *cursor;
    varve_slice key, value;
    memset(&range, 0, sizeof range);
    range.reverse = look->back;
    int status = varve_cursor_open(txn, look->queue->table, &range, &cursor);
    if (status != VARVE_OK)
        return status;
    status = varve_cursor_next(cursor, &key, &value);
    look->found = status == VARVE_OK;
    if (look->found)
        look->end = queue_number(key);
    varve_cursor_close(cursor);
    return status == VARVE_END ? VARVE_OK : status;
}

/* Adds one behind the last, or takes the first away. An answer that does not fit what was scanned means that the reads
 * of this transaction were of two states; the commit must then refuse it, so it goes on to the commit. */
static int grow_or_shrink(varve_txn *txn, void *arg) {
    struct look *look = arg;
    unsigned char key[8];
    look->beyond = false;
    int status = find_end(txn, look);
    if (status != VARVE_OK || (!look->back && !look->found))
        return status;
    queue_key(key, !look->found ? 1000000 : look->back ? look->end + 1 : look->end);
    if (look->back)
        status = varve_insert(txn, look->queue->table, VARVE_SLICE(key, 8), VARVE_STR("row"));
    else
        status = varve_delete(txn, look->queue->table, VARVE_SLICE(key, 8));
    look->beyond = status == VARVE_EXISTS || status == VARVE_NOTFOUND;
    return look->beyond ? VARVE_OK : status;
}

static int ask_for(varve_txn *txn, struct look *look, varve_slice key) {
    varve_slice value;
    int status, one = VARVE_OK;
    switch (look->how) {
    case 0:
        return varve_get(txn, look->queue->table, key, &value);
    case 1:
        return varve_contains(txn, look->queue->table, key);
    default:
        status = varve_get_many(txn, look->queue->table, &key, &value, &one, 1);
        return status != VARVE_OK ? status : one;
    }
}

static int look_beyond(varve_txn *txn, void *arg) {
    struct look *look = arg;
    unsigned char key[8];
    char note[16];
    int status = find_end(txn, look);
    look->beyond = false;
    if (status != VARVE_OK || !look->found)
        return status;
    queue_key(key, look->back ? look->end + 1 : look->end - 1);
    status = ask_for(txn, look, VARVE_SLICE(key, 8));
    look->beyond = status == VARVE_OK;
    if (status != VARVE_OK && status != VARVE_NOTFOUND)
        return status;
    if (look->note == 0 || look->read_only)
        return VARVE_OK;
    snprintf(note, sizeof note, "n%u", look->note % 64);
    return varve_put(txn, look->queue->notes, td_str(note), VARVE_STR("seen"));
}

static void ends_day(struct load_worker *worker) {
    struct queue *queue = worker->load->arg;
    struct look look = {.queue = queue, .back = td_chance(&worker->random, 55)};
    if (worker->index < WRITERS) {
        if (load_transact(worker, VARVE_SERIALIZABLE, false, grow_or_shrink, &look) && look.beyond)
            load_fail(worker, "a committed writer found %llu to be the %s key, and %s", (unsigned long long)look.end,
                      look.back ? "last" : "first", look.back ? "one after it" : "not there");
        return;
    }
    look.read_only = worker->index == WRITERS;
    look.how = (unsigned)td_below(&worker->random, 3);
    look.note = (unsigned)td_below(&worker->random, 2) * (1 + (unsigned)td_below(&worker->random, 60));
    if (!load_transact(worker, queue->level, look.read_only, look_beyond, &look))
        return;
    atomic_fetch_add(&queue->looks, 1);
    if (look.beyond)
        load_fail(worker, "a committed reader%s at %s found %llu to be the %s key, and one beyond it by %s%s",
                  look.read_only ? ", read only," : "", td_level_name(queue->level), (unsigned long long)look.end,
                  look.back ? "last" : "first", look.how == 0 ? "get" : look.how == 1 ? "contains" : "get_many",
                  look.note != 0 ? ", and wrote" : "");
}

static void run_queue(const char *cc, varve_isolation level) {
    static struct load load;
    struct queue queue = {.level = level};
    char name[64];
    if (!td_scheme_wanted(cc))
        return;
    snprintf(name, sizeof name, "%s, %s", cc, td_level_name(level));
    load.name = name;
    load.db = load_open(NULL, cc, LOAD_DEFAULT);
    load.worker_count = WRITERS + READERS;
    load.seconds = slice_of_time;
    load.least = 20;
    load.fn = ends_day;
    load.arg = &queue;
    queue.table = td_table(load.db, "queue");
    queue.notes = td_table(load.db, "notes");
    load_run(&load);
    TD_CHECK(atomic_load(&queue.looks) > 0, "%s: nobody looked", name);
    td_close(load.db);
}

static void a_gap_found_empty_stays_empty(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        run_queue(td_schemes[cc], VARVE_SERIALIZABLE);
        run_queue(td_schemes[cc], VARVE_SNAPSHOT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_gap_found_empty_stays_empty)};
    slice_of_time = td_seconds(3) / 6;
    td_watchdog(300);
    return cmocka_run_group_tests_name("ends", tests, NULL, NULL);
}
