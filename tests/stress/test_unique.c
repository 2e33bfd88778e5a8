/* test_unique.c - storms of insert, delete and insert again over few keys: a key has one owner at a time. A client owns
 * what it inserted until it deletes it; meanwhile every other insert must answer EXISTS or be refused, and nobody else
 * deletes. That holds at every level, for uniqueness of keys is the engine's, not the level's.
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

enum { PLACES = 6 };

static double slice_of_time;

struct ground {
    varve_table *table;
    varve_isolation level;
    atomic_uint owner[PLACES]; /* worker + 1, 0 = nobody, as told by acknowledged commits */
    atomic_ulong claims;
};

struct claim {
    struct ground *ground;
    struct load_worker *worker;
    unsigned place;
    int answer;
    int64_t seen;
};

static void place_key(char key[64], unsigned place) {
    snprintf(key, 64, "%s%u", place % 2 == 0 ? "" : "a long prefix that makes this key larger than a node's ",
             place % 100);
}

/* EXISTS is an answer, to be committed: what it says must then hold as much as a success. */
static int insert_mine(varve_txn *txn, void *arg) {
    struct claim *claim = arg;
    struct load_number me = load_number((int64_t)claim->worker->index + 1);
    char key[64];
    place_key(key, claim->place);
    claim->answer = varve_insert(txn, claim->ground->table, td_str(key), load_slice(&me));
    return claim->answer == VARVE_EXISTS ? VARVE_OK : claim->answer;
}

static int update_mine(varve_txn *txn, void *arg) {
    struct claim *claim = arg;
    struct load_number me = load_number((int64_t)claim->worker->index + 1);
    char key[64];
    place_key(key, claim->place);
    return varve_update(txn, claim->ground->table, td_str(key), load_slice(&me));
}

static int read_mine(varve_txn *txn, void *arg) {
    struct claim *claim = arg;
    varve_slice value;
    char key[64];
    place_key(key, claim->place);
    int status = varve_get(txn, claim->ground->table, td_str(key), &value);
    claim->seen = status == VARVE_OK ? load_value(value) : 0;
    return status == VARVE_NOTFOUND ? VARVE_OK : status;
}

static int delete_mine(varve_txn *txn, void *arg) {
    struct claim *claim = arg;
    char key[64];
    place_key(key, claim->place);
    return varve_delete(txn, claim->ground->table, td_str(key));
}

/* What was owned before the call and is another's afterwards proves nothing, so only one's own ownership is judged. */
static void claim_and_leave(struct load_worker *worker) {
    struct ground *ground = worker->load->arg;
    struct claim claim = {.ground = ground, .worker = worker};
    varve_isolation level = ground->level;
    unsigned me = worker->index + 1;
    claim.place = (unsigned)td_below(&worker->random, PLACES);
    if (!load_transact(worker, level, false, insert_mine, &claim) || claim.answer != VARVE_OK)
        return;
    unsigned before = atomic_exchange(&ground->owner[claim.place], me);
    if (before != 0)
        load_fail(worker, "place %u was inserted by %u while %u owned it", claim.place, me, before);
    atomic_fetch_add(&ground->claims, 1);
    if (td_chance(&worker->random, 50))
        load_transact(worker, level, false, update_mine, &claim);
    if (load_transact(worker, level, td_chance(&worker->random, 50), read_mine, &claim) && claim.seen != (int64_t)me)
        load_fail(worker, "place %u of %u holds %lld", claim.place, me, (long long)claim.seen);
    if (atomic_exchange(&ground->owner[claim.place], 0) != me)
        load_fail(worker, "place %u was taken from %u", claim.place, me);
    load_transact(worker, level, false, delete_mine, &claim);
}

static void run_ground(const char *cc, varve_isolation level, enum load_size size) {
    static struct load load;
    static struct ground ground;
    varve_slice key, value;
    varve_cursor *cursor;
    char name[96];
    if (!td_scheme_wanted(cc))
        return;
    snprintf(name, sizeof name, "%s, %s, %s", cc, td_level_name(level), load_size_names[size]);
    memset(&ground, 0, sizeof ground);
    ground.level = level;
    load.name = name;
    load.db = load_open(NULL, cc, size);
    load.worker_count = size == LOAD_TINY ? 12 : 6;
    load.seconds = slice_of_time;
    load.least = 10;
    load.fn = claim_and_leave;
    load.arg = &ground;
    ground.table = td_table(load.db, "places");
    load_run(&load);
    TD_CHECK(atomic_load(&ground.claims) > 0, "%s: nobody ever owned a place", name);
    varve_txn *txn = td_begin(load.db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_cursor_open(txn, ground.table, NULL, &cursor), VARVE_OK);
    TD_STATUS(varve_cursor_next(cursor, &key, &value), VARVE_END);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    td_close(load.db);
}

static void a_key_has_one_owner(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++)
        for (unsigned level = 0; level < TD_LEVELS; level++)
            run_ground(td_schemes[cc], td_levels[level], level % 2 == 0 ? LOAD_DEFAULT : LOAD_TINY);
}

/* --- a queue: the smallest key is taken, the next number is added ------------------------------------------- */

struct queue {
    varve_table *table;
    atomic_ullong added, taken, sum_added, sum_taken;
};

struct item {
    struct queue *queue;
    uint64_t number;
    bool found;
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

static int find_end(varve_txn *txn, struct item *item, bool back, uint64_t *number) {
    varve_range range;
    varve_cursor *cursor;
    varve_slice key, value;
    memset(&range, 0, sizeof range);
    range.reverse = back;
    int status = varve_cursor_open(txn, item->queue->table, &range, &cursor);
    if (status != VARVE_OK)
        return status;
    status = varve_cursor_next(cursor, &key, &value);
    item->found = status == VARVE_OK;
    if (item->found)
        *number = queue_number(key);
    varve_cursor_close(cursor);
    return status == VARVE_END ? VARVE_OK : status;
}

static int add_item(varve_txn *txn, void *arg) {
    struct item *item = arg;
    unsigned char key[8];
    uint64_t last = 0;
    int status = find_end(txn, item, true, &last);
    if (status != VARVE_OK)
        return status;
    item->number = item->found ? last + 1 : 1;
    queue_key(key, item->number);
    return varve_insert(txn, item->queue->table, VARVE_SLICE(key, 8), VARVE_STR("item"));
}

static int take_item(varve_txn *txn, void *arg) {
    struct item *item = arg;
    unsigned char key[8];
    int status = find_end(txn, item, false, &item->number);
    if (status != VARVE_OK || !item->found)
        return status;
    queue_key(key, item->number);
    return varve_delete(txn, item->queue->table, VARVE_SLICE(key, 8));
}

static void queue_day(struct load_worker *worker) {
    struct queue *queue = worker->load->arg;
    struct item item = {queue, 0, false};
    if (td_chance(&worker->random, 55)) {
        if (load_transact(worker, VARVE_SERIALIZABLE, false, add_item, &item)) {
            atomic_fetch_add(&queue->added, 1);
            atomic_fetch_add(&queue->sum_added, item.number);
        }
    } else if (load_transact(worker, VARVE_SERIALIZABLE, false, take_item, &item) && item.found) {
        atomic_fetch_add(&queue->taken, 1);
        atomic_fetch_add(&queue->sum_taken, item.number);
    }
}

static void run_queue(const char *cc) {
    static struct load load;
    static struct queue queue;
    varve_slice key, value;
    varve_cursor *cursor;
    char name[64];
    uint64_t left = 0, sum = 0, last = 0;
    memset(&queue, 0, sizeof queue);
    snprintf(name, sizeof name, "%s, queue", cc);
    load.name = name;
    load.db = load_open(NULL, cc, LOAD_DEFAULT);
    load.worker_count = 5;
    load.seconds = 3 * slice_of_time;
    load.least = 20;
    load.fn = queue_day;
    load.arg = &queue;
    queue.table = td_table(load.db, "queue");
    load_run(&load);
    varve_txn *txn = td_begin(load.db, VARVE_SERIALIZABLE);
    TD_STATUS(varve_cursor_open(txn, queue.table, NULL, &cursor), VARVE_OK);
    while (varve_cursor_next(cursor, &key, &value) == VARVE_OK) {
        uint64_t number = queue_number(key);
        TD_CHECK(left == 0 || number == last + 1, "%s: a gap, %llu then %llu", name, (unsigned long long)last,
                 (unsigned long long)number);
        last = number;
        sum += number;
        left++;
    }
    TD_STATUS(varve_commit(txn), VARVE_OK);
    TD_CHECK(left == queue.added - queue.taken, "%s: %llu left of %llu added and %llu taken", name,
             (unsigned long long)left, (unsigned long long)queue.added, (unsigned long long)queue.taken);
    TD_CHECK(sum == queue.sum_added - queue.sum_taken, "%s: not the items that were added and not taken", name);
    td_close(load.db);
}

static void a_queue_has_no_gap_and_no_double(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++)
        if (td_scheme_wanted(td_schemes[cc]))
            run_queue(td_schemes[cc]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_one_owner),
        cmocka_unit_test(a_queue_has_no_gap_and_no_double),
    };
    slice_of_time = td_seconds(2.5) / 24;
    td_watchdog(300);
    return cmocka_run_group_tests_name("unique", tests, NULL, NULL);
}
