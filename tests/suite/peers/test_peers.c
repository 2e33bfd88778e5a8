/* test_peers.c - each adapter that was built does what bench/peers/peer.h says: rows, order, visibility, one thread with
 * several transactions that never waits, and rows that are there after a close.
 *
 * A peer whose module was not built is left out, and said so.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "bench/peers/find.h"
#include "support/testdb.h"

static const struct peer *peers[PEERS_KNOWN];
static unsigned peer_count;

static struct peer_db *open_peer(const struct peer *peer, const char *path, unsigned level, bool no_wait,
                                 enum peer_sync sync) {
    char error[256] = "";
    struct peer_db *db = NULL;
    struct peer_options options = {
        .directory = path, .level = level, .sync = sync, .no_wait = no_wait, .cache_bytes = 64 << 20, .threads = 2};
    int status = peer->open(&options, &db, error, sizeof(error));
    if (status != VARVE_OK) fprintf(stderr, "%s: %s\n", peer->name, error);
    assert_int_equal(status, VARVE_OK);
    return db;
}

static struct peer_txn *begin(const struct peer *peer, struct peer_db *db, bool read_only) {
    struct peer_txn *txn = NULL;
    assert_int_equal(peer->begin(db, read_only, &txn), VARVE_OK);
    return txn;
}

static void expect(const struct peer *peer, struct peer_txn *txn, const char *key, const char *wanted) {
    varve_slice value = {NULL, 0};
    int status = peer->get(txn, td_str(key), &value);
    if (wanted == NULL) {
        assert_int_equal(status, VARVE_NOTFOUND);
        return;
    }
    assert_int_equal(status, VARVE_OK);
    assert_true(td_equal(value, td_str(wanted)));
}

static void store(const struct peer *peer, struct peer_db *db, const char *key, const char *value) {
    struct peer_txn *txn = begin(peer, db, false);
    assert_int_equal(peer->put(txn, td_str(key), td_str(value)), VARVE_OK);
    assert_int_equal(peer->commit(txn), VARVE_OK);
}

struct seen {
    char text[4096];
    unsigned rows, stop_after;
};
static int see(void *arg, varve_slice key, varve_slice value) {
    struct seen *seen = arg;
    size_t at = strlen(seen->text);
    if (at < sizeof(seen->text) - 64)
        snprintf(seen->text + at, sizeof(seen->text) - at, "%.*s=%.*s ", (int)key.size, (const char *)key.data,
                 (int)value.size, (const char *)value.data);
    return ++seen->rows == seen->stop_after;
}

static void rows_of(const struct peer *peer, struct peer_txn *txn, const char *low, const char *high, uint64_t limit,
                    bool reverse, const char *wanted) {
    struct seen seen = {.rows = 0};
    varve_slice none = {NULL, 0};
    assert_int_equal(peer->scan(txn, low != NULL ? td_str(low) : none, high != NULL ? td_str(high) : none, limit, reverse,
                                see, &seen),
                     VARVE_OK);
    assert_string_equal(seen.text, wanted);
}

static void one_level(const struct peer *peer, unsigned level) {
    char path[TD_PATH_BYTES];
    td_scratch(path);
    assert_int_equal(mkdir(path, 0700), 0);
    struct peer_db *db = open_peer(peer, path, level, false, PEER_SYNC_NONE);
    struct peer_txn *txn = begin(peer, db, false);
    expect(peer, txn, "a", NULL);
    assert_int_equal(peer->put(txn, td_str("b"), td_str("1")), VARVE_OK);
    assert_int_equal(peer->put(txn, td_str("a"), td_str("0")), VARVE_OK);
    assert_int_equal(peer->put(txn, td_str("c"), td_str("2")), VARVE_OK);
    expect(peer, txn, "b", "1");
    rows_of(peer, txn, NULL, NULL, 0, false, "a=0 b=1 c=2 ");
    assert_int_equal(peer->commit(txn), VARVE_OK);
    txn = begin(peer, db, false);
    rows_of(peer, txn, "a", "c", 0, false, "a=0 b=1 ");
    rows_of(peer, txn, "a", "c", 0, true, "b=1 a=0 ");
    rows_of(peer, txn, "aa", NULL, 1, false, "b=1 ");
    rows_of(peer, txn, NULL, NULL, 2, true, "c=2 b=1 ");
    rows_of(peer, txn, "d", "z", 0, false, "");
    rows_of(peer, txn, "d", "z", 0, true, "");
    assert_int_equal(peer->remove(txn, td_str("b")), VARVE_OK);
    assert_int_equal(peer->remove(txn, td_str("x")), VARVE_NOTFOUND);
    rows_of(peer, txn, NULL, NULL, 0, false, "a=0 c=2 ");
    peer->abort(txn);
    txn = begin(peer, db, true);
    rows_of(peer, txn, NULL, NULL, 0, false, "a=0 b=1 c=2 ");
    peer->abort(txn);
    peer->close(db);
    td_remove_tree(path);
}

/* Some levels are for readers only. */
static bool writes_at(const struct peer *peer, unsigned level) {
    return strcmp(peer->name, "wiredtiger") != 0 || level == 0;
}

static void rows_are_kept_in_order(void **state) {
    (void)state;
    for (unsigned i = 0; i < peer_count; i++)
        for (unsigned level = 0; level < peers[i]->level_count; level++)
            if (writes_at(peers[i], level)) one_level(peers[i], level);
}

static void savepoints_take_back(void **state) {
    char path[TD_PATH_BYTES];
    (void)state;
    for (unsigned i = 0; i < peer_count; i++) {
        const struct peer *peer = peers[i];
        if (peer->savepoint == NULL) continue;
        td_scratch(path);
        assert_int_equal(mkdir(path, 0700), 0);
        struct peer_db *db = open_peer(peer, path, 0, true, PEER_SYNC_NONE);
        struct peer_txn *txn = begin(peer, db, false);
        assert_int_equal(peer->put(txn, td_str("a"), td_str("1")), VARVE_OK);
        assert_int_equal(peer->savepoint(txn), VARVE_OK);
        for (unsigned again = 0; again < 2; again++) {
            assert_int_equal(peer->put(txn, td_str("a"), td_str("2")), VARVE_OK);
            assert_int_equal(peer->rollback(txn), VARVE_OK);
            expect(peer, txn, "a", "1");
        }
        assert_int_equal(peer->commit(txn), VARVE_OK);
        txn = begin(peer, db, true);
        expect(peer, txn, "a", "1");
        peer->abort(txn);
        peer->close(db);
        td_remove_tree(path);
    }
}

/* Whatever the answers, every call returns, and of two writers of one row at most one commits without the other. */
static void one_thread_never_waits(void **state) {
    char path[TD_PATH_BYTES];
    (void)state;
    for (unsigned i = 0; i < peer_count; i++) {
        const struct peer *peer = peers[i];
        td_scratch(path);
        assert_int_equal(mkdir(path, 0700), 0);
        struct peer_db *db = open_peer(peer, path, 0, true, PEER_SYNC_NONE);
        store(peer, db, "x", "0");
        struct peer_txn *one = begin(peer, db, false), *two = NULL;
        assert_int_equal(peer->put(one, td_str("x"), td_str("1")), VARVE_OK);
        int status = peer->begin(db, false, &two);
        if (status == VARVE_OK) {
            status = peer->put(two, td_str("x"), td_str("2"));
            if (status == VARVE_OK)
                status = peer->commit(two);
            else
                peer->abort(two);
        }
        assert_true(status == PEER_BLOCKED || status == VARVE_CONFLICT || status == VARVE_DEADLOCK || status == VARVE_OK);
        int first = peer->commit(one);
        assert_true((first == VARVE_OK) != (status == VARVE_OK));
        peer->close(db);
        td_remove_tree(path);
    }
}

static void rows_survive_a_close(void **state) {
    char path[TD_PATH_BYTES], key[32];
    (void)state;
    for (unsigned i = 0; i < peer_count; i++) {
        const struct peer *peer = peers[i];
        td_scratch(path);
        assert_int_equal(mkdir(path, 0700), 0);
        struct peer_db *db = open_peer(peer, path, 0, false, PEER_SYNC_FULL);
        struct peer_txn *txn = begin(peer, db, false);
        for (unsigned n = 0; n < 10000; n++) {
            snprintf(key, sizeof(key), "key%07u", n * 7919 % 10000);
            assert_int_equal(peer->put(txn, td_str(key), (varve_slice){"v\0w", 3}), VARVE_OK);
        }
        assert_int_equal(peer->commit(txn), VARVE_OK);
        assert_int_equal(peer->sync(db), VARVE_OK);
        peer->close(db);
        db = open_peer(peer, path, 0, false, PEER_SYNC_FULL);
        struct seen seen = {.rows = 0};
        txn = begin(peer, db, true);
        assert_int_equal(peer->scan(txn, (varve_slice){NULL, 0}, (varve_slice){NULL, 0}, 0, false, see, &seen), VARVE_OK);
        assert_int_equal(seen.rows, 10000);
        varve_slice value;
        assert_int_equal(peer->get(txn, td_str("key0000123"), &value), VARVE_OK);
        assert_int_equal(value.size, 3);
        peer->abort(txn);
        peer->close(db);
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
        if (peer != NULL)
            peers[peer_count++] = peer;
        else
            printf("left out: %s\n", why);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_kept_in_order), cmocka_unit_test(savepoints_take_back),
        cmocka_unit_test(one_thread_never_waits), cmocka_unit_test(rows_survive_a_close),
        cmocka_unit_test(unknown_peers_are_named),
    };
    td_watchdog(120);
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
