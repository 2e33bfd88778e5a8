/* test_peers.c - each adapter that was built does what bench/peers/peer.h says, at each of its levels: rows and their order,
 * what others see of a transaction, refusals that end it, one thread with several transactions that never waits, threads
 * that do, and rows that are there after a close and after the death of the process.
 *
 * A peer whose module was not built is left out, and said so. What is expected comes from peer.h and from the level that
 * each claims, never from what an engine answered.
 *
 * Read uncommitted is the one level at which others may see what is not committed; above it a transaction that reads two
 * rows and writes both must not lose another's update, from repeatable read on.
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/peers/find.h"
#include "support/testdb.h"

enum { ACCOUNTS = 6, START = 100, MANY = 10000, TRANSFERS = 150, THREADS = 4, AT_ONCE = 3 };

static const struct peer *peers[PEERS_KNOWN];
static unsigned peer_count;

/* A database of one peer at one level, in a directory of its own. */
struct bed {
    const struct peer *peer;
    unsigned level;
    char path[TD_PATH_BYTES];
    struct peer_db *db;
};

static void bed_open(struct bed *bed, bool no_wait, enum peer_sync sync) {
    char error[256] = "";
    struct peer_options options = {.directory = bed->path, .level = bed->level, .sync = sync, .no_wait = no_wait,
                                   .cache_bytes = 32 << 20, .threads = THREADS};
    int status = bed->peer->open(&options, &bed->db, error, sizeof(error));
    TD_CHECK(status == VARVE_OK, "%s, %s: open: %d, %s", bed->peer->name, bed->peer->levels[bed->level].name, status, error);
    td_context("%s, %s", bed->peer->name, bed->peer->levels[bed->level].name);
}

static struct bed bed_make(const struct peer *peer, unsigned level, bool no_wait) {
    struct bed bed = {.peer = peer, .level = level};
    td_scratch(bed.path);
    assert_int_equal(mkdir(bed.path, 0700), 0);
    bed_open(&bed, no_wait, PEER_SYNC_NONE);
    return bed;
}

static void bed_drop(struct bed *bed) {
    bed->peer->close(bed->db);
    td_remove_tree(bed->path);
}

static void each_level(void (*fn)(struct bed *bed), bool no_wait) {
    for (unsigned i = 0; i < peer_count; i++) {
        for (unsigned level = 0; level < peers[i]->level_count; level++) {
            struct bed bed = bed_make(peers[i], level, no_wait);
            fn(&bed);
            bed_drop(&bed);
        }
    }
}

static struct peer_txn *begin(struct bed *bed, bool read_only) {
    struct peer_txn *txn = NULL;
    TD_STATUS(bed->peer->begin(bed->db, read_only, &txn), VARVE_OK);
    return txn;
}

static void expect(struct bed *bed, struct peer_txn *txn, varve_slice key, const char *wanted) {
    varve_slice value = {NULL, 0};
    TD_STATUS(bed->peer->get(txn, key, &value), wanted != NULL ? VARVE_OK : VARVE_NOTFOUND);
    TD_CHECK(wanted == NULL || td_equal(value, td_str(wanted)), "value %.*s, wanted %s", (int)value.size,
             (const char *)value.data, wanted);
}

static void store(struct bed *bed, const char *key, const char *value) {
    struct peer_txn *txn = begin(bed, false);
    TD_STATUS(bed->peer->put(txn, td_str(key), td_str(value)), VARVE_OK);
    TD_STATUS(bed->peer->commit(txn), VARVE_OK);
}

/* --- rows and their order ------------------------------------------------------------------------------------------- */

struct seen {
    char text[512];
    unsigned rows, stop_after;
};
static int see(void *arg, varve_slice key, varve_slice value) {
    struct seen *seen = arg;
    size_t at = strlen(seen->text);
    snprintf(seen->text + at, sizeof(seen->text) - at, "%.*s=%.*s ", (int)key.size, (const char *)key.data, (int)value.size,
             (const char *)value.data);
    return ++seen->rows == seen->stop_after;
}

static const varve_slice open_end = {NULL, 0};
static varve_slice bound(const char *text) { return text != NULL ? td_str(text) : open_end; }

static void rows_of(struct bed *bed, struct peer_txn *txn, const char *low, const char *high, uint64_t limit, bool reverse,
                    const char *wanted) {
    struct seen seen = {.rows = 0};
    TD_STATUS(bed->peer->scan(txn, bound(low), bound(high), limit, reverse, see, &seen), VARVE_OK);
    TD_CHECK(strcmp(seen.text, wanted) == 0, "[%s, %s) limit %llu%s: \"%s\", wanted \"%s\"", low, high,
             (unsigned long long)limit, reverse ? " reverse" : "", seen.text, wanted);
}

static void ranges(struct bed *bed, struct peer_txn *txn) {
    rows_of(bed, txn, NULL, NULL, 0, false, "a=0 b=1 c=2 ");
    rows_of(bed, txn, NULL, NULL, 0, true, "c=2 b=1 a=0 ");
    rows_of(bed, txn, "a", "c", 0, false, "a=0 b=1 ");
    rows_of(bed, txn, "a", "c", 0, true, "b=1 a=0 ");
    rows_of(bed, txn, NULL, "b", 0, false, "a=0 ");
    rows_of(bed, txn, NULL, "bb", 0, true, "b=1 a=0 ");
    rows_of(bed, txn, "aa", NULL, 1, false, "b=1 ");
    rows_of(bed, txn, "b", NULL, 0, true, "c=2 b=1 ");
    rows_of(bed, txn, NULL, NULL, 2, true, "c=2 b=1 ");
    rows_of(bed, txn, NULL, "a", 0, true, "");
    rows_of(bed, txn, "d", "z", 0, false, "");
    rows_of(bed, txn, "d", "z", 0, true, "");
    rows_of(bed, txn, "a", "a", 0, false, "");
    struct seen seen = {.stop_after = 2};
    TD_STATUS(bed->peer->scan(txn, open_end, open_end, 0, false, see, &seen), VARVE_OK);
    assert_string_equal(seen.text, "a=0 b=1 ");
}

static void rows_of_one_level(struct bed *bed) {
    const struct peer *peer = bed->peer;
    struct peer_txn *txn = begin(bed, false);
    expect(bed, txn, td_str("a"), NULL);
    rows_of(bed, txn, NULL, NULL, 0, false, "");
    rows_of(bed, txn, NULL, NULL, 0, true, "");
    TD_STATUS(peer->put(txn, td_str("b"), td_str("1")), VARVE_OK);
    TD_STATUS(peer->put(txn, td_str("a"), td_str("0")), VARVE_OK);
    TD_STATUS(peer->put(txn, td_str("c"), td_str("old")), VARVE_OK);
    TD_STATUS(peer->put(txn, td_str("c"), td_str("2")), VARVE_OK);
    ranges(bed, txn); /* its own writes */
    TD_STATUS(peer->commit(txn), VARVE_OK);
    txn = begin(bed, false);
    ranges(bed, txn);
    TD_STATUS(peer->remove(txn, td_str("b")), VARVE_OK);
    TD_STATUS(peer->remove(txn, td_str("b")), VARVE_NOTFOUND);
    TD_STATUS(peer->remove(txn, td_str("x")), VARVE_NOTFOUND);
    rows_of(bed, txn, NULL, NULL, 0, false, "a=0 c=2 ");
    if (peer->insert != NULL) {
        TD_STATUS(peer->insert(txn, td_str("a"), td_str("9")), VARVE_EXISTS);
        TD_STATUS(peer->insert(txn, td_str("b"), td_str("9")), VARVE_OK);
    }
    peer->abort(txn);
    txn = begin(bed, true);
    ranges(bed, txn);
    TD_STATUS(peer->put(txn, td_str("a"), td_str("9")), peer->name[0] != 0 ? VARVE_READONLY : 0);
    expect(bed, txn, td_str("a"), "0"); /* still usable */
    TD_STATUS(peer->commit(txn), VARVE_OK);
}

/* Zeros and high bytes in keys and values, and the empty value. */
static void bytes_of_one_level(struct bed *bed) {
    static const char keys[] = "k\0a\0\377";
    struct peer_txn *txn = begin(bed, false);
    varve_slice shorter = {keys, 3}, longer = {keys, 5}, value;
    TD_STATUS(bed->peer->put(txn, longer, (varve_slice){"\0\0z\0", 4}), VARVE_OK);
    TD_STATUS(bed->peer->put(txn, shorter, (varve_slice){"", 0}), VARVE_OK);
    TD_STATUS(bed->peer->commit(txn), VARVE_OK);
    txn = begin(bed, true);
    TD_STATUS(bed->peer->get(txn, longer, &value), VARVE_OK);
    assert_true(td_equal(value, (varve_slice){"\0\0z\0", 4}));
    TD_STATUS(bed->peer->get(txn, shorter, &value), VARVE_OK);
    assert_int_equal(value.size, 0);
    TD_STATUS(bed->peer->get(txn, (varve_slice){keys, 4}, &value), VARVE_NOTFOUND);
    struct seen seen = {.rows = 0};
    TD_STATUS(bed->peer->scan(txn, (varve_slice){keys, 2}, longer, 0, false, see, &seen), VARVE_OK);
    assert_int_equal(seen.rows, 1);
    bed->peer->abort(txn);
}

/* Values longer than any buffer or page, among short ones. */
static int sum_sizes(void *arg, varve_slice key, varve_slice value) {
    (void)key;
    *(size_t *)arg += value.size;
    return 0;
}
static void long_values_of_one_level(struct bed *bed) {
    static char bytes[300000];
    static const size_t sizes[] = {10, 100000, 3, sizeof bytes, 0, 20000};
    struct peer_txn *txn = begin(bed, false);
    size_t total = 0, wanted = 0;
    for (unsigned i = 0; i < 6; i++, wanted += sizes[i - 1]) {
        char key[2] = {(char)('a' + i), 0};
        memset(bytes, 'a' + (int)i, sizeof bytes);
        TD_STATUS(bed->peer->put(txn, td_str(key), (varve_slice){bytes, sizes[i]}), VARVE_OK);
    }
    TD_STATUS(bed->peer->commit(txn), VARVE_OK);
    txn = begin(bed, true);
    for (unsigned reverse = 0; reverse < 2; reverse++)
        TD_STATUS(bed->peer->scan(txn, open_end, open_end, 0, reverse, sum_sizes, &total), VARVE_OK);
    assert_int_equal(total, 2 * wanted);
    varve_slice value;
    TD_STATUS(bed->peer->get(txn, td_str("d"), &value), VARVE_OK);
    TD_CHECK(value.size == sizeof bytes && ((const char *)value.data)[299999] == 'd',
             "a long value came back as another");
    bed->peer->abort(txn);
}

static void rows_are_kept_in_order(void **state) {
    (void)state;
    each_level(rows_of_one_level, false);
    each_level(rows_of_one_level, true);
    each_level(bytes_of_one_level, false);
    each_level(long_values_of_one_level, false);
}

/* Row n of MANY: the key tells n, and so does the value. */
static void many_row(unsigned n, char key[16], char value[80]) {
    snprintf(key, 16, "k%07u", n);
    snprintf(value, 80, "%u:%0*u", n, (int)(n % 64 + 1), 7u);
}
struct order {
    unsigned next;
    bool reverse;
};
static int check_row(void *arg, varve_slice key, varve_slice value) {
    struct order *order = arg;
    char k[16], v[80];
    many_row(order->next, k, v);
    TD_CHECK(td_equal(key, td_str(k)) && td_equal(value, td_str(v)), "row %u is %.*s", order->next, (int)key.size,
             (const char *)key.data);
    order->next += order->reverse ? -1u : 1u;
    return 0;
}

static void fill_many(struct bed *bed) {
    char key[16], value[80];
    struct peer_txn *txn = begin(bed, false);
    for (unsigned i = 0; i < MANY; i++) {
        many_row(i * 7919 % MANY, key, value);
        TD_STATUS(bed->peer->put(txn, td_str(key), td_str(value)), VARVE_OK);
    }
    TD_STATUS(bed->peer->commit(txn), VARVE_OK);
}

static void check_many(struct bed *bed) {
    char low[16], high[16], value[80];
    struct peer_txn *txn = begin(bed, true);
    struct order forward = {0, false}, backward = {MANY - 1, true}, part = {1234, false}, back_part = {8999, true};
    TD_STATUS(bed->peer->scan(txn, open_end, open_end, 0, false, check_row, &forward), VARVE_OK);
    assert_int_equal(forward.next, MANY);
    TD_STATUS(bed->peer->scan(txn, open_end, open_end, 0, true, check_row, &backward), VARVE_OK);
    assert_int_equal(backward.next, -1u);
    many_row(1234, low, value);
    many_row(9000, high, value);
    TD_STATUS(bed->peer->scan(txn, td_str(low), td_str(high), 5000, false, check_row, &part), VARVE_OK);
    assert_int_equal(part.next, 6234);
    TD_STATUS(bed->peer->scan(txn, td_str(low), td_str(high), 0, true, check_row, &back_part), VARVE_OK);
    assert_int_equal(back_part.next, 1233);
    bed->peer->abort(txn);
}

static void many_rows_of_one_level(struct bed *bed) {
    fill_many(bed);
    check_many(bed);
}
static void ten_thousand_rows_keep_their_order(void **state) {
    (void)state;
    each_level(many_rows_of_one_level, false);
}

static void savepoint_of_one_level(struct bed *bed) {
    const struct peer *peer = bed->peer;
    if (peer->savepoint == NULL) return;
    struct peer_txn *txn = begin(bed, false);
    TD_STATUS(peer->put(txn, td_str("a"), td_str("1")), VARVE_OK);
    TD_STATUS(peer->savepoint(txn), VARVE_OK);
    for (unsigned again = 0; again < 2; again++) {
        TD_STATUS(peer->put(txn, td_str("a"), td_str("2")), VARVE_OK);
        TD_STATUS(peer->put(txn, td_str("b"), td_str("2")), VARVE_OK);
        TD_STATUS(peer->rollback(txn), VARVE_OK);
        rows_of(bed, txn, NULL, NULL, 0, false, "a=1 ");
    }
    TD_STATUS(peer->put(txn, td_str("c"), td_str("3")), VARVE_OK);
    TD_STATUS(peer->savepoint(txn), VARVE_OK); /* takes the place of the first */
    TD_STATUS(peer->remove(txn, td_str("a")), VARVE_OK);
    TD_STATUS(peer->rollback(txn), VARVE_OK);
    TD_STATUS(peer->put(txn, td_str("d"), td_str("4")), VARVE_OK);
    TD_STATUS(peer->commit(txn), VARVE_OK);
    txn = begin(bed, true);
    rows_of(bed, txn, NULL, NULL, 0, false, "a=1 c=3 d=4 ");
    peer->abort(txn);
    txn = begin(bed, false);
    TD_STATUS(peer->savepoint(txn), VARVE_OK);
    TD_STATUS(peer->put(txn, td_str("a"), td_str("5")), VARVE_OK);
    peer->abort(txn); /* both layers */
    txn = begin(bed, true);
    expect(bed, txn, td_str("a"), "1");
    peer->abort(txn);
}
static void savepoints_take_back(void **state) {
    (void)state;
    each_level(savepoint_of_one_level, false);
    each_level(savepoint_of_one_level, true);
}

/* --- several transactions of one thread ------------------------------------------------------------------------------- */

static bool refused(int status) {
    return status == PEER_BLOCKED || status == VARVE_CONFLICT || status == VARVE_DEADLOCK;
}

/* What is not committed is not seen, is not there after an abort, and is there after a commit. A refusal is no sight. */
static void sight_of_one_level(struct bed *bed) {
    const struct peer *peer = bed->peer;
    bool dirty = peer->levels[bed->level].claims == VARVE_READ_UNCOMMITTED;
    for (unsigned end = 0; end < 2; end++) {
        store(bed, "x", "0");
        struct peer_txn *writer = begin(bed, false), *reader = begin(bed, true);
        varve_slice value = {NULL, 0};
        TD_STATUS(peer->put(writer, td_str("x"), td_str("1")), VARVE_OK);
        int status = peer->get(reader, td_str("x"), &value);
        TD_CHECK(refused(status) || status == VARVE_OK, "get: %d", status);
        TD_CHECK(status != VARVE_OK || dirty || td_equal(value, td_str("0")), "it saw what is not committed");
        peer->abort(reader);
        if (end == 0)
            peer->abort(writer);
        else
            TD_STATUS(peer->commit(writer), VARVE_OK);
        reader = begin(bed, true);
        expect(bed, reader, td_str("x"), end == 0 ? "0" : "1");
        TD_STATUS(peer->commit(reader), VARVE_OK);
    }
}
static void others_see_what_is_committed(void **state) {
    (void)state;
    each_level(sight_of_one_level, true);
}

enum { GET, GET_FOR_UPDATE, PUT, INSERT, REMOVE, SCAN, SCAN_BACK, VERBS };

static int carry_out(struct bed *bed, struct peer_txn *txn, unsigned verb) {
    const struct peer *peer = bed->peer;
    struct seen seen = {.rows = 0};
    varve_slice value;
    switch (verb) {
    case GET: return peer->get(txn, td_str("x"), &value);
    case GET_FOR_UPDATE:
        return peer->get_for_update != NULL ? peer->get_for_update(txn, td_str("x"), &value) : VARVE_OK;
    case PUT: return peer->put(txn, td_str("x"), td_str("new"));
    case INSERT: return peer->insert != NULL ? peer->insert(txn, td_str("x"), td_str("newer")) : VARVE_OK;
    case REMOVE: return peer->remove(txn, td_str("x"));
    default: return peer->scan(txn, td_str("w"), td_str("y"), 0, verb == SCAN_BACK, see, &seen);
    }
}

static bool an_answer(int status) { return status == VARVE_OK || status == VARVE_NOTFOUND || status == VARVE_EXISTS; }

/* Two transactions, each one step on the same row: whatever the steps, every call comes back; one that is refused says
 * so again, and does not keep the other from its commit. */
static void pair_of_steps(struct bed *bed, unsigned first, unsigned second) {
    const struct peer *peer = bed->peer;
    struct peer_txn *one, *two = NULL;
    varve_slice value;
    store(bed, "x", "0");
    one = begin(bed, false);
    TD_CHECK(an_answer(carry_out(bed, one, first)), "step %u alone", first);
    int status = peer->begin(bed->db, false, &two);
    if (status == VARVE_OK) status = carry_out(bed, two, second);
    TD_CHECK(an_answer(status) || refused(status), "step %u after %u: %d", second, first, status);
    if (!an_answer(status) && two != NULL) {
        TD_STATUS(peer->get(two, td_str("x"), &value), status);
        TD_STATUS(peer->commit(two), status);
        TD_STATUS(peer->commit(one), VARVE_OK);
        return;
    }
    int ended = two != NULL ? peer->commit(two) : status, first_ended = peer->commit(one);
    TD_CHECK(ended == VARVE_OK || refused(ended), "commit: %d", ended);
    TD_CHECK(first_ended == VARVE_OK || refused(first_ended), "first's commit: %d", first_ended);
    TD_CHECK(ended == VARVE_OK || first_ended == VARVE_OK, "steps %u and %u: none committed", first, second);
}

static void pairs_of_one_level(struct bed *bed) {
    for (unsigned first = 0; first < VERBS; first++)
        for (unsigned second = 0; second < VERBS; second++) pair_of_steps(bed, first, second);
}
static void one_thread_never_waits(void **state) {
    (void)state;
    each_level(pairs_of_one_level, true);
}

/* --- transfers between accounts ----------------------------------------------------------------------------------------- */

static int read_account(struct bed *bed, struct peer_txn *txn, unsigned account, long *amount) {
    char key[16];
    varve_slice value;
    snprintf(key, sizeof(key), "account%u", account);
    int status = bed->peer->get(txn, td_str(key), &value);
    if (status == VARVE_OK) *amount = strtol((const char *)value.data, NULL, 10);
    return status;
}
static int write_account(struct bed *bed, struct peer_txn *txn, unsigned account, long amount) {
    char key[16], value[16];
    snprintf(key, sizeof(key), "account%u", account);
    snprintf(value, sizeof(value), "%ld;", amount);
    return bed->peer->put(txn, td_str(key), td_str(value));
}

static void fill_accounts(struct bed *bed) {
    struct peer_txn *txn = begin(bed, false);
    for (unsigned i = 0; i < ACCOUNTS; i++) TD_STATUS(write_account(bed, txn, i, START), VARVE_OK);
    TD_STATUS(bed->peer->commit(txn), VARVE_OK);
}

static void check_accounts(struct bed *bed) {
    struct peer_txn *txn = begin(bed, true);
    long total = 0, amount = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++, total += amount) TD_STATUS(read_account(bed, txn, i, &amount), VARVE_OK);
    TD_STATUS(bed->peer->commit(txn), VARVE_OK);
    if (bed->peer->levels[bed->level].claims >= VARVE_REPEATABLE_READ)
        TD_CHECK(total == (long)ACCOUNTS * START, "an update was lost: %ld", total);
}

/* One transfer, a step a call: two reads, two writes, the commit. */
struct transfer {
    struct peer_txn *txn;
    unsigned step, from, to;
    long had[2];
};
static int transfer_step(struct bed *bed, struct transfer *t) {
    switch (t->step++) {
    case 0: return read_account(bed, t->txn, t->from, &t->had[0]);
    case 1: return read_account(bed, t->txn, t->to, &t->had[1]);
    case 2: return write_account(bed, t->txn, t->from, t->had[0] - 1);
    case 3: return write_account(bed, t->txn, t->to, t->had[1] + 1);
    default: return bed->peer->commit(t->txn);
    }
}
static void choose(struct transfer *t, struct td_random *random) {
    t->step = 0;
    t->from = (unsigned)td_below(random, ACCOUNTS);
    t->to = (t->from + 1 + (unsigned)td_below(random, ACCOUNTS - 1)) % ACCOUNTS;
}

/* Three of them by turns, on one thread. */
static void turns_of_one_level(struct bed *bed) {
    struct td_random random = {td_seed()};
    struct transfer open[AT_ONCE];
    unsigned done = 0, tries = 0, wanted = TRANSFERS;
    memset(open, 0, sizeof(open));
    fill_accounts(bed);
    for (; done < wanted && tries < 200 * wanted; tries++) {
        struct transfer *t = &open[td_below(&random, AT_ONCE)];
        if (t->txn == NULL) {
            int status = bed->peer->begin(bed->db, false, &t->txn);
            TD_CHECK(status == VARVE_OK || status == PEER_BLOCKED, "begin: %d", status);
            if (status != VARVE_OK) t->txn = NULL;
            choose(t, &random);
            continue;
        }
        int status = transfer_step(bed, t);
        TD_CHECK(status == VARVE_OK || refused(status), "step %u: %d", t->step, status);
        if (status != VARVE_OK && t->step < 5) bed->peer->abort(t->txn);
        if (status != VARVE_OK || t->step == 5) t->txn = NULL;
        done += status == VARVE_OK && t->txn == NULL;
    }
    for (unsigned i = 0; i < AT_ONCE; i++)
        if (open[i].txn != NULL) bed->peer->abort(open[i].txn);
    TD_CHECK(done == wanted, "%u of %u transfers after %u steps", done, wanted, tries);
    check_accounts(bed);
}
static void transfers_by_turns_lose_nothing(void **state) {
    (void)state;
    each_level(turns_of_one_level, true);
}

struct customer {
    struct bed *bed;
    struct td_random random;
    unsigned done, tries;
    int status;
};
static void *customer_main(void *arg) {
    struct customer *c = arg;
    while (c->done < TRANSFERS / THREADS && c->tries < 100000) {
        struct transfer t = {.txn = NULL};
        choose(&t, &c->random);
        c->tries++;
        int status = c->bed->peer->begin(c->bed->db, false, &t.txn);
        while (status == VARVE_OK && t.step < 5) status = transfer_step(c->bed, &t);
        if (status != VARVE_OK && t.txn != NULL && t.step < 5) c->bed->peer->abort(t.txn);
        c->done += status == VARVE_OK;
        if (status == VARVE_OK || varve_retryable(status)) continue;
        c->status = status;
        return NULL;
    }
    return NULL;
}

static void threads_of_one_level(struct bed *bed) {
    struct customer customers[THREADS];
    pthread_t threads[THREADS];
    fill_accounts(bed);
    for (unsigned i = 0; i < THREADS; i++) {
        customers[i] = (struct customer){.bed = bed, .random = {td_seed() + i}};
        assert_int_equal(pthread_create(&threads[i], NULL, customer_main, &customers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < THREADS; i++)
        TD_CHECK(customers[i].status == VARVE_OK && customers[i].done == TRANSFERS / THREADS,
                 "thread %u: %u transfers in %u tries, %d", i, customers[i].done, customers[i].tries, customers[i].status);
    check_accounts(bed);
}
static void transfers_of_threads_lose_nothing(void **state) {
    (void)state;
    each_level(threads_of_one_level, false);
}

/* --- what a level lets through ------------------------------------------------------------------------------------------ */

/* Each reads both ends of the table, leaves and pages apart, and writes one: both commit only where write skew is let
 * through. Whoever is refused has not committed. */
static bool skew_commits(struct bed *bed) {
    static const char *const ends[] = {"k0000000", "k0009999"};
    const struct peer *peer = bed->peer;
    struct peer_txn *txns[2] = {NULL, NULL};
    int statuses[2];
    varve_slice value;
    for (unsigned i = 0; i < 2; i++) statuses[i] = peer->begin(bed->db, false, &txns[i]);
    for (unsigned i = 0; i < 4; i++)
        if (statuses[i % 2] == VARVE_OK) statuses[i % 2] = peer->get(txns[i % 2], td_str(ends[i / 2]), &value);
    for (unsigned i = 0; i < 2; i++)
        if (statuses[i] == VARVE_OK) statuses[i] = peer->put(txns[i], td_str(ends[i]), td_str("off"));
    for (unsigned i = 0; i < 2; i++) {
        if (statuses[i] == VARVE_OK)
            statuses[i] = peer->commit(txns[i]);
        else if (txns[i] != NULL)
            peer->abort(txns[i]);
        TD_CHECK(statuses[i] == VARVE_OK || refused(statuses[i]), "transaction %u: %d", i, statuses[i]);
    }
    return statuses[0] == VARVE_OK && statuses[1] == VARVE_OK;
}

/* Repeatable read and serializable forbid it: every row was read. Snapshot permits it, and all of these engines show it;
 * below, a lock may prevent it all the same. */
static void skew_of_one_level(struct bed *bed) {
    varve_isolation claims = bed->peer->levels[bed->level].claims;
    fill_many(bed);
    bool both = skew_commits(bed);
    TD_CHECK(!both || (claims != VARVE_SERIALIZABLE && claims != VARVE_REPEATABLE_READ), "write skew was let through");
    TD_CHECK(both || claims != VARVE_SNAPSHOT, "no write skew at snapshot");
}
static void snapshots_alone_let_write_skew_through(void **state) {
    (void)state;
    each_level(skew_of_one_level, true);
}

/* --- what lasts ------------------------------------------------------------------------------------------------------- */

static void rows_survive_a_close(void **state) {
    (void)state;
    for (unsigned i = 0; i < peer_count; i++) {
        struct bed bed = bed_make(peers[i], 0, false);
        fill_many(&bed);
        TD_STATUS(peers[i]->sync(bed.db), VARVE_OK);
        peers[i]->close(bed.db);
        bed_open(&bed, false, PEER_SYNC_FULL);
        check_many(&bed);
        store(&bed, "z", "1");
        if (peers[i]->stats != NULL) {
            struct peer_stats stats;
            TD_STATUS(peers[i]->stats(bed.db, &stats), VARVE_OK);
            assert_true(stats.memory_bytes > 0);
        }
        bed_drop(&bed);
    }
}

/* Each in a process of its own that ends without a close, and all before this process has opened any: an engine's threads
 * do not come along with a fork. */
static void rows_survive_the_death_of_the_process(void **state) {
    static struct bed beds[PEERS_KNOWN][2];
    (void)state;
    for (unsigned i = 0; i < peer_count * 2; i++) {
        struct bed *bed = &beds[i / 2][i % 2];
        bed->peer = peers[i / 2];
        td_scratch(bed->path);
        assert_int_equal(mkdir(bed->path, 0700), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            bed_open(bed, false, i % 2 == 0 ? PEER_SYNC_FULL : PEER_SYNC_WRITE);
            store(bed, "kept", "1");
            store(bed, "kept", "2");
            (void)bed->peer->put(begin(bed, false), td_str("open"), td_str("1"));
            _exit(0);
        }
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        TD_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: the process ended with %d", bed->peer->name, status);
    }
    for (unsigned i = 0; i < peer_count * 2; i++) {
        struct bed *bed = &beds[i / 2][i % 2];
        bed_open(bed, false, PEER_SYNC_FULL);
        struct peer_txn *txn = begin(bed, true);
        rows_of(bed, txn, NULL, NULL, 0, false, "kept=2 ");
        bed->peer->abort(txn);
        bed_drop(bed);
    }
}

/* --- the rest --------------------------------------------------------------------------------------------------------- */

static void an_unknown_option_is_refused(void **state) {
    (void)state;
    for (unsigned i = 0; i < peer_count; i++) {
        char path[TD_PATH_BYTES], error[256] = "";
        struct peer_db *db = NULL;
        td_scratch(path);
        assert_int_equal(mkdir(path, 0700), 0);
        struct peer_options options = {.directory = path, .threads = 1, .extra = "nonsense_of_ours=1"};
        int status = peers[i]->open(&options, &db, error, sizeof(error));
        TD_CHECK(status != VARVE_OK && error[0] != 0, "%s took it", peers[i]->name);
        td_remove_tree(path);
    }
}

static void unknown_peers_are_named(void **state) {
    char why[200];
    (void)state;
    assert_null(peer_find("oracle", NULL, why, sizeof(why)));
    assert_non_null(strstr(why, "no such peer"));
    assert_null(peer_find("lmdb", "/nonexistent", why, sizeof(why)));
    assert_non_null(strstr(why, "liblmdb-dev"));
}

int main(void) {
    char why[200];
    for (unsigned i = 0; i < PEERS_KNOWN; i++) {
        const struct peer *peer = peer_find(peer_names[i], NULL, why, sizeof(why));
        if (peer != NULL) {
            peers[peer_count++] = peer;
            printf("%s: %s\n", peer->name, peer->title);
        } else {
            printf("left out: %s\n", why);
        }
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_survive_the_death_of_the_process), /* first: it forks */
        cmocka_unit_test(rows_are_kept_in_order),
        cmocka_unit_test(ten_thousand_rows_keep_their_order),
        cmocka_unit_test(savepoints_take_back),
        cmocka_unit_test(others_see_what_is_committed),
        cmocka_unit_test(one_thread_never_waits),
        cmocka_unit_test(transfers_by_turns_lose_nothing),
        cmocka_unit_test(transfers_of_threads_lose_nothing),
        cmocka_unit_test(snapshots_alone_let_write_skew_through),
        cmocka_unit_test(rows_survive_a_close),
        cmocka_unit_test(an_unknown_option_is_refused),
        cmocka_unit_test(unknown_peers_are_named),
    };
    td_watchdog(240);
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
