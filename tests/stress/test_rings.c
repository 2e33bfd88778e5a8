/* test_rings.c - rings of anti-dependencies: transaction i of n reads place i and, if it finds it untouched, touches
 * place i+1. In any serial order one of them comes after the one that touched what it reads, so never all n places are
 * touched; n = 2 is write skew, and with ranges it is the phantom pair. Places are rows, absent keys, empty ranges, or
 * rows to be deleted. Run with retries at levels that must prevent it, and without at levels that must show it.
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

enum { RING_MAX = 5, RINGS = 3 };

enum kind { ROWS, ROWS_FOR_UPDATE, ABSENT_KEYS, RANGES, DELETED_ROWS, EXISTENCE, KINDS };

static const char *const kind_names[KINDS] = {"rows",   "rows for update", "absent keys",
                                              "ranges", "deleted rows",    "existence"};

static double slice_of_time;

struct ring {
    struct load_barrier start, acted;
    struct load_meeting meeting;
};

struct rings {
    varve_table *table;
    enum kind kind;
    varve_isolation level;
    unsigned n;
    bool retried;
    unsigned patience_us;
    struct ring ring[RINGS];
};

struct part {
    struct rings *rings;
    struct load_worker *worker;
    struct ring *ring;
    unsigned ring_number, place;
    bool met;
    uint64_t salt;
};

static void place_key(char key[24], unsigned ring, unsigned place, const char *row) {
    snprintf(key, 24, "r%u.%u%s", ring % 1000, place % 1000, row);
}

/* --- one member --------------------------------------------------------------------------------------------- */

static int range_is_empty(varve_txn *txn, const struct part *part, bool *untouched) {
    char prefix[24];
    varve_range range;
    varve_cursor *cursor;
    varve_slice key, value;
    memset(&range, 0, sizeof range);
    place_key(prefix, part->ring_number, part->place, "/");
    range.prefix = td_str(prefix);
    int status = varve_cursor_open(txn, part->rings->table, &range, &cursor);
    if (status != VARVE_OK)
        return status;
    status = varve_cursor_next(cursor, &key, &value);
    varve_cursor_close(cursor);
    *untouched = status == VARVE_END;
    return status == VARVE_END ? VARVE_OK : status;
}

static int look(varve_txn *txn, const struct part *part, bool *untouched) {
    char key[24];
    varve_slice value;
    varve_table *table = part->rings->table;
    int status;
    place_key(key, part->ring_number, part->place, "");
    switch (part->rings->kind) {
    case RANGES:
        return range_is_empty(txn, part, untouched);
    case EXISTENCE:
        status = varve_contains(txn, table, td_str(key));
        break;
    case ROWS_FOR_UPDATE:
        status = varve_get_for_update(txn, table, td_str(key), &value);
        break;
    default:
        status = varve_get(txn, table, td_str(key), &value);
    }
    if (status != VARVE_OK && status != VARVE_NOTFOUND)
        return status;
    if (part->rings->kind == ABSENT_KEYS)
        *untouched = status == VARVE_NOTFOUND;
    else if (part->rings->kind == DELETED_ROWS || part->rings->kind == EXISTENCE)
        *untouched = status == VARVE_OK;
    else
        *untouched = status == VARVE_OK && load_value(value) == 0;
    return VARVE_OK;
}

static int touch(varve_txn *txn, const struct part *part) {
    char key[24], row[16] = "";
    struct load_number one = load_number(1);
    varve_table *table = part->rings->table;
    if (part->rings->kind == RANGES)
        snprintf(row, sizeof row, "/%u", (unsigned)(part->salt % 1000));
    place_key(key, part->ring_number, (part->place + 1) % part->rings->n, row);
    switch (part->rings->kind) {
    case ABSENT_KEYS:
    case RANGES:
        return varve_insert(txn, table, td_str(key), load_slice(&one));
    case DELETED_ROWS:
    case EXISTENCE:
        return varve_delete(txn, table, td_str(key));
    default:
        return varve_put(txn, table, td_str(key), load_slice(&one));
    }
}

/* EXISTS and NOTFOUND say that the place is touched already: by one's own earlier attempt it cannot be. */
static int act(varve_txn *txn, void *arg) {
    struct part *part = arg;
    bool untouched = false;
    int status = look(txn, part, &untouched);
    if (!part->met)
        load_meet(part->worker, &part->ring->meeting, part->rings->n, part->rings->patience_us);
    part->met = true;
    if (status != VARVE_OK || !untouched)
        return status;
    return touch(txn, part);
}

/* --- a round ------------------------------------------------------------------------------------------------ */

static int clear_places(varve_txn *txn, void *arg) {
    struct part *part = arg;
    struct load_number zero = load_number(0);
    varve_range range;
    char key[24], prefix[24];
    memset(&range, 0, sizeof range);
    snprintf(prefix, sizeof prefix, "r%u.", part->ring_number);
    range.prefix = td_str(prefix);
    int status = varve_delete_range(txn, part->rings->table, &range, NULL);
    bool rows = part->rings->kind != ABSENT_KEYS && part->rings->kind != RANGES;
    for (unsigned i = 0; rows && i < part->rings->n && status == VARVE_OK; i++) {
        place_key(key, part->ring_number, i, "");
        status = varve_put(txn, part->rings->table, td_str(key), load_slice(&zero));
    }
    return status;
}

struct count {
    struct part *part;
    unsigned touched;
};

static int count_touched(varve_txn *txn, void *arg) {
    struct count *count = arg;
    struct part part = *count->part;
    count->touched = 0;
    for (part.place = 0; part.place < part.rings->n; part.place++) {
        bool untouched = false;
        int status = look(txn, &part, &untouched);
        if (status != VARVE_OK)
            return status;
        count->touched += untouched ? 0 : 1;
    }
    return VARVE_OK;
}

static void act_once(struct part *part) {
    varve_txn *txn = td_begin(part->worker->load->db, part->rings->level);
    int status = act(txn, part);
    if (status == VARVE_OK)
        status = varve_commit(txn);
    else
        varve_abort(txn);
    if (status != VARVE_OK && !varve_retryable(status))
        load_fail(part->worker, "a member ended with %s", varve_status_name(status));
}

static void judge(struct part *part) {
    struct count count = {part, 0};
    if (!load_transact(part->worker, VARVE_SERIALIZABLE, false, count_touched, &count))
        return;
    if (count.touched == part->rings->n)
        load_fail(part->worker, "all %u places of a ring of %s are touched at %s", count.touched,
                  kind_names[part->rings->kind], td_level_name(part->rings->level));
    if (count.touched == 0 && part->rings->retried)
        load_fail(part->worker, "no place is touched: the members did nothing");
}

static void ring_round(struct load_worker *worker) {
    struct rings *rings = worker->load->arg;
    struct part part = {.rings = rings, .worker = worker};
    part.ring_number = worker->index / rings->n;
    part.place = worker->index % rings->n;
    part.ring = &rings->ring[part.ring_number];
    part.salt = td_next(&worker->random);
    if (part.place == 0) {
        load_transact(worker, VARVE_SERIALIZABLE, false, clear_places, &part);
        load_meeting_clear(&part.ring->meeting);
    }
    if (!load_wait_for_all(worker, &part.ring->start, rings->n))
        return;
    if (rings->retried)
        load_transact(worker, rings->level, false, act, &part);
    else
        act_once(&part);
    if (load_wait_for_all(worker, &part.ring->acted, rings->n) && part.place == 0)
        judge(&part);
}

static void set_up(struct load *load, struct rings *rings, const char *name, const char *cc, enum load_size size) {
    memset(rings->ring, 0, sizeof rings->ring);
    load->name = name;
    load->db = load_open(NULL, cc, size);
    load->fn = ring_round;
    load->arg = rings;
    load->least = 3;
    load->seconds = slice_of_time;
    rings->table = td_table(load->db, "rings");
}

static void must_hold(const char *cc, varve_isolation level, enum kind kind, unsigned n, enum load_size size) {
    static struct load load;
    struct rings rings = {.kind = kind, .level = level, .n = n, .retried = true, .patience_us = 300};
    char name[96];
    if (!td_scheme_wanted(cc))
        return;
    snprintf(name, sizeof name, "%s, %s, %u %s, %s", cc, td_level_name(level), n, kind_names[kind],
             load_size_names[size]);
    set_up(&load, &rings, name, cc, size);
    load.worker_count = n * (size == LOAD_TINY ? 1 : n == 2 ? RINGS : 2);
    load_run(&load);
    td_close(load.db);
}

static void must_show(const char *cc, varve_isolation level, enum kind kind, unsigned n) {
    static struct load load;
    struct rings rings = {.kind = kind, .level = level, .n = n, .retried = false, .patience_us = 100000};
    char name[96];
    if (!td_scheme_wanted(cc))
        return;
    snprintf(name, sizeof name, "%s, %s, %u %s, must be shown", cc, td_level_name(level), n, kind_names[kind]);
    set_up(&load, &rings, name, cc, LOAD_DEFAULT);
    load.worker_count = n;
    load.seconds = 20;
    TD_CHECK(load_run_until_failure(&load), "%s: was not", name);
    td_close(load.db);
}

/* --- tests -------------------------------------------------------------------------------------------------- */

static void serializable_breaks_every_ring(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++)
        for (unsigned kind = 0; kind < KINDS; kind++)
            must_hold(td_schemes[cc], VARVE_SERIALIZABLE, (enum kind)kind, 2 + (kind + cc) % 4,
                      kind % 2 == 0 ? LOAD_DEFAULT : LOAD_TINY);
}

static void serializable_breaks_pairs(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        must_hold(td_schemes[cc], VARVE_SERIALIZABLE, ROWS, 2, LOAD_DEFAULT);
        must_hold(td_schemes[cc], VARVE_SERIALIZABLE, RANGES, 2, LOAD_DEFAULT);
        must_hold(td_schemes[cc], VARVE_SERIALIZABLE, ABSENT_KEYS, 2, LOAD_DEFAULT);
    }
}

static void repeatable_read_breaks_rings_of_items(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        must_hold(td_schemes[cc], VARVE_REPEATABLE_READ, ROWS, 2, LOAD_DEFAULT);
        must_hold(td_schemes[cc], VARVE_REPEATABLE_READ, ABSENT_KEYS, 3, LOAD_DEFAULT);
        must_hold(td_schemes[cc], VARVE_REPEATABLE_READ, DELETED_ROWS, 2, LOAD_DEFAULT);
    }
}

static void reading_for_update_breaks_rings_at_any_level(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        must_hold(td_schemes[cc], VARVE_READ_COMMITTED, ROWS_FOR_UPDATE, 2, LOAD_DEFAULT);
        must_hold(td_schemes[cc], VARVE_SNAPSHOT, ROWS_FOR_UPDATE, 3, LOAD_DEFAULT);
    }
}

static void weak_levels_show_their_rings(void **state) {
    (void)state;
    must_show("mvcc", VARVE_SNAPSHOT, ROWS, 2);
    must_show("mvcc", VARVE_SNAPSHOT, RANGES, 2);
    must_show("mvcc", VARVE_SNAPSHOT, ABSENT_KEYS, 3);
    must_show("mvcc", VARVE_SNAPSHOT, DELETED_ROWS, 2);
    must_show("2pl", VARVE_REPEATABLE_READ, RANGES, 2);
    must_show("occ", VARVE_REPEATABLE_READ, RANGES, 2);
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++)
        must_show(td_schemes[cc], VARVE_READ_COMMITTED, ROWS, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serializable_breaks_every_ring),
        cmocka_unit_test(serializable_breaks_pairs),
        cmocka_unit_test(repeatable_read_breaks_rings_of_items),
        cmocka_unit_test(reading_for_update_breaks_rings_at_any_level),
        cmocka_unit_test(weak_levels_show_their_rings),
    };
    slice_of_time = td_seconds(4) / 45;
    td_watchdog(300);
    return cmocka_run_group_tests_name("rings", tests, NULL, NULL);
}
