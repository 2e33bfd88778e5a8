/* test_concurrent_crash.c - several threads commit on a simulated disk, and the power goes off at a random operation.
 *
 * Each transaction moves money between accounts, writes itself into the accounts it touched and leaves a row of its
 * own; its cts is read from there before the database is closed. What comes back must be a prefix in cts order: the
 * transactions whose rows are there are those up to some cts; they include everything acknowledged (in sync and group)
 * or what the engine said was durable (in write and none); each account is as the last of them left it; and the total
 * has not changed.
 *
 * The schedule is the machine's, so a case is not repeatable; the seed gives the power's last operation and the
 * policies. VARVE_TEST_CASES: power cuts (default 150). SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/db.h"
#include "support/crashkit.h"

enum { WORKERS = 4, ACCOUNTS = 6, OPENING = 1000, TXNS_MOST = 400, REBOOTS = 6, HANG_SECONDS = 60, SLOTS = 60 };

struct account {
    int64_t balance;
    uint64_t writer; /* id of the transaction */
};

struct entry { /* one transaction that may have happened */
    uint64_t id, cts;
    unsigned from, to;
    struct account after[2];
    int status;
    bool there; /* after the reboot */
};

struct worker {
    pthread_t thread;
    unsigned index;
    varve_db *db;
    struct td_random random;
    struct entry entries[TXNS_MOST];
    unsigned count;
    char failure[400];
};

static struct worker workers[WORKERS];
static varve_table *accounts, *journal;
static atomic_bool stop;
static struct entry *ordered[WORKERS * TXNS_MOST];
static unsigned long commits, checked;

/* --- a disk on which checkpoints are slow
 * -------------------------------------------------------------------------------- */

/* The simulated disk answers at once, so a checkpoint would be over before anybody commits. The thread that makes them
 * stands back at each of its writes and syncs; the rest goes straight through. */
struct slow_os {
    struct vos os; /* first, so that one is the other */
    struct vos *disk;
};
static _Thread_local bool stands_back;
static struct vos_ops slow_ops;
static const struct vos_ops *fast_ops;
static struct slow_os slow;

static void stand_back(void) {
    for (unsigned i = 0; stands_back && i < 200; i++) sched_yield();
}

static int slow_write(struct vos_file *file, uint64_t offset, const void *data, size_t size, struct vos_error *error) {
    stand_back();
    return fast_ops->file_write(file, offset, data, size, error);
}

static int slow_sync(struct vos_file *file, struct vos_error *error) {
    stand_back();
    return fast_ops->file_sync(file, error);
}

static int slow_dir_open(struct vos *os, const char *path, bool create, unsigned mode, struct vos_dir **dir,
                         struct vos_error *error) {
    return fast_ops->dir_open(((struct slow_os *)os)->disk, path, create, mode, dir, error);
}

static uint64_t slow_now(struct vos *os) { return fast_ops->now_ns(((struct slow_os *)os)->disk); }
static uint64_t slow_wall(struct vos *os) { return fast_ops->wall_ns(((struct slow_os *)os)->disk); }
static uint64_t slow_pid(struct vos *os) { return fast_ops->pid(((struct slow_os *)os)->disk); }
static int slow_random(struct vos *os, void *data, size_t size) {
    return fast_ops->random(((struct slow_os *)os)->disk, data, size);
}

static struct vos *slow_disk(struct sim_disk *disk) {
    fast_ops = sim_os(disk)->ops;
    slow_ops = *fast_ops;
    slow_ops.file_write = slow_write;
    slow_ops.file_sync = slow_sync;
    slow_ops.dir_open = slow_dir_open;
    slow_ops.now_ns = slow_now;
    slow_ops.wall_ns = slow_wall;
    slow_ops.pid = slow_pid;
    slow_ops.random = slow_random;
    slow = (struct slow_os){{&slow_ops}, sim_os(disk)};
    return &slow.os;
}

static varve_slice number(const uint64_t *value) { return VARVE_SLICE(value, sizeof *value); }

/* --- the load
 * --------------------------------------------------------------------------------------------------------- */

static int read_account(varve_txn *txn, unsigned which, struct account *account) {
    uint64_t key = which;
    varve_slice value;
    int status = varve_get(txn, accounts, number(&key), &value);
    if (status == VARVE_OK) memcpy(account, value.data, sizeof *account);
    return status;
}

static int write_account(varve_txn *txn, unsigned which, const struct account *account) {
    uint64_t key = which;
    return varve_put(txn, accounts, number(&key), VARVE_SLICE(account, sizeof *account));
}

static int move_money(struct worker *w, varve_txn *txn, struct entry *entry) {
    static const uint8_t padding[600];
    struct account *after = entry->after;
    int64_t amount = (int64_t)td_below(&w->random, 50);
    int status = read_account(txn, entry->from, &after[0]);
    if (status == VARVE_OK) status = read_account(txn, entry->to, &after[1]);
    if (status != VARVE_OK) return status;
    after[0] = (struct account){after[0].balance - amount, entry->id};
    after[1] = (struct account){after[1].balance + amount, entry->id};
    status = write_account(txn, entry->from, &after[0]);
    if (status == VARVE_OK) status = write_account(txn, entry->to, &after[1]);
    size_t size = td_chance(&w->random, 10) ? sizeof padding : td_below(&w->random, 40);
    if (status == VARVE_OK) status = varve_put(txn, journal, number(&entry->id), VARVE_SLICE(padding, size));
    return status;
}

/* One attempt. False: the database has failed. */
static bool attempt(struct worker *w, varve_txn_options *options) {
    struct entry *entry = &w->entries[w->count];
    *entry = (struct entry){.id = (uint64_t)(w->index + 1) << 32 | (w->count + 1)};
    entry->from = (unsigned)td_below(&w->random, ACCOUNTS);
    entry->to = (entry->from + 1 + (unsigned)td_below(&w->random, ACCOUNTS - 1)) % ACCOUNTS;
    varve_txn *txn;
    int status = varve_begin(w->db, options, &txn);
    if (status == VARVE_OK) {
        status = move_money(w, txn, entry);
        if (status == VARVE_OK) {
            status = varve_commit(txn);
        } else {
            varve_abort(txn);
        }
    }
    entry->status = status;
    if (status == VARVE_OK || status == VARVE_UNKNOWN_OUTCOME) w->count++;
    if (status == VARVE_OK) options->retry_token = 0;
    if (varve_retryable(status)) options->retry_token = options->error->retry_token;
    if (status != VARVE_OK && !varve_retryable(status) && status != VARVE_UNKNOWN_OUTCOME && status != VARVE_FAILED &&
        status != VARVE_IO)
        snprintf(w->failure, sizeof w->failure, "%s: %s", varve_status_name(status), options->error->text);
    return status == VARVE_OK || varve_retryable(status);
}

static void *work(void *arg) {
    struct worker *w = arg;
    varve_error error = VARVE_ERROR_INIT;
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.error = &error;
    while (w->count < TXNS_MOST && !atomic_load(&stop) && attempt(w, &options)) {
    }
    return NULL;
}

/* Checkpoints as they come, until the work is over. */
static void *make_checkpoints(void *arg) {
    varve_db *db = arg;
    stands_back = true;
    while (!atomic_load(&stop) && varve_checkpoint(db) == VARVE_OK) {
    }
    return NULL;
}

static void fill_accounts(varve_db *db) {
    varve_txn *txn;
    TD_STATUS(varve_begin(db, NULL, &txn), VARVE_OK);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct account account = {OPENING, 0};
        TD_STATUS(write_account(txn, i, &account), VARVE_OK);
    }
    TD_STATUS(varve_commit(txn), VARVE_OK);
    TD_STATUS(varve_sync(db), VARVE_OK);
}

static int open_db(struct sim_disk *disk, const char *cc, const char *sync, bool threads, varve_db **db) {
    struct vk_limits limits = ck_limits;
    char options[96];
    limits.slots = SLOTS;
    limits.reader_bits = 8;
    struct vdb_setup setup = {
        .os = threads ? slow_disk(disk) : sim_os(disk), .limits = &limits, .no_threads = !threads};
    snprintf(options, sizeof options, "cc=%s,sync=%s,memory=64M,sync_interval_ms=1,lock_timeout_ms=20000", cc, sync);
    int status = vdb_open("db", options, &setup, db);
    if (status == VARVE_OK) status = varve_table_open(*db, "accounts", NULL, &accounts);
    return status == VARVE_OK ? varve_table_open(*db, "journal", NULL, &journal) : status;
}

/* --- the verdict
 * --------------------------------------------------------------------------------------------------------- */

/* The cts of every commit, from the versions of the journal: a handle may have been reused as soon as commit returns.
 */
static void learn_stamps(varve_db *db) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_slice value;
    varve_txn *txn;
    options.read_only = true;
    TD_STATUS(varve_begin(db, &options, &txn), VARVE_OK);
    for (unsigned i = 0; i < WORKERS; i++) {
        for (unsigned k = 0; k < workers[i].count; k++) {
            TD_STATUS(varve_get(txn, journal, number(&workers[i].entries[k].id), &value), VARVE_OK);
            workers[i].entries[k].cts = vtx_last_read(txn).version_cts;
        }
    }
    varve_abort(txn);
}

static int by_cts(const void *a, const void *b) {
    const struct entry *one = *(struct entry *const *)a, *other = *(struct entry *const *)b;
    return one->cts < other->cts ? -1 : one->cts > other->cts;
}

static unsigned put_in_order(void) {
    unsigned count = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        TD_CHECK(workers[i].failure[0] == '\0', "worker %u: %s", i, workers[i].failure);
        for (unsigned k = 0; k < workers[i].count; k++) ordered[count++] = &workers[i].entries[k];
    }
    qsort(ordered, count, sizeof *ordered, by_cts);
    for (unsigned i = 0; i < count; i++)
        TD_CHECK(ordered[i]->cts != 0 && (i == 0 || ordered[i]->cts != ordered[i - 1]->cts),
                 "two commits have cts %llu", (unsigned long long)ordered[i]->cts);
    return count;
}

static struct entry *find(uint64_t id, unsigned count) {
    uint64_t worker = (id >> 32) - 1, serial = (id & UINT32_MAX) - 1;
    (void)count;
    return worker < WORKERS && serial < workers[worker].count ? &workers[worker].entries[serial] : NULL;
}

static void read_journal(varve_txn *txn, unsigned count) {
    varve_cursor *cursor;
    varve_slice key, value;
    for (unsigned i = 0; i < count; i++) ordered[i]->there = false;
    TD_STATUS(varve_cursor_open(txn, journal, NULL, &cursor), VARVE_OK);
    int status;
    while ((status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK) {
        uint64_t id;
        memcpy(&id, key.data, sizeof id);
        struct entry *entry = find(id, count);
        TD_CHECK(entry != NULL, "a transaction is there that never committed: %llx", (unsigned long long)id);
        entry->there = true;
    }
    TD_STATUS(status, VARVE_END);
}

static void check_accounts(varve_txn *txn, unsigned prefix) {
    struct account expected[ACCOUNTS], found;
    int64_t total = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++) expected[i] = (struct account){OPENING, 0};
    for (unsigned i = 0; i < prefix; i++) {
        expected[ordered[i]->from] = ordered[i]->after[0];
        expected[ordered[i]->to] = ordered[i]->after[1];
    }
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        TD_STATUS(read_account(txn, i, &found), VARVE_OK);
        TD_CHECK(found.writer == expected[i].writer && found.balance == expected[i].balance,
                 "account %u was last written by %llx (balance %lld); of the prefix of %u commits %llx was last (%lld)",
                 i, (unsigned long long)found.writer, (long long)found.balance, prefix,
                 (unsigned long long)expected[i].writer, (long long)expected[i].balance);
        total += found.balance;
    }
    TD_CHECK(total == ACCOUNTS * OPENING, "the total is %lld", (long long)total);
}

/* Opens what is left: a prefix, with every commit up to cts `durable` in it and, where acknowledged ones count, those.
 */
static void check_image(struct sim_disk *image, unsigned count, bool acked_count, uint64_t durable) {
    varve_db *db;
    varve_txn *txn;
    int status = open_db(image, td_schemes[checked++ % TD_SCHEMES], "group", false, &db);
    if (status != VARVE_OK) sim_trace(image, stderr);
    TD_CHECK(status == VARVE_OK, "reopen: %s: %s", varve_status_name(status), varve_db_error(db));
    TD_STATUS(varve_begin(db, NULL, &txn), VARVE_OK);
    read_journal(txn, count);
    unsigned prefix = 0;
    while (prefix < count && ordered[prefix]->there) prefix++;
    for (unsigned i = prefix; i < count; i++) {
        const struct entry *entry = ordered[i];
        TD_CHECK(!entry->there, "cts %llu is missing and cts %llu is there", (unsigned long long)ordered[prefix]->cts,
                 (unsigned long long)entry->cts);
        TD_CHECK(!(acked_count && entry->status == VARVE_OK), "cts %llu was acknowledged and is missing",
                 (unsigned long long)entry->cts);
        TD_CHECK(entry->cts > durable, "cts %llu was durable (%llu) and is missing", (unsigned long long)entry->cts,
                 (unsigned long long)durable);
    }
    check_accounts(txn, prefix);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    sim_crash_after(image, 0);
    varve_close(db);
    sim_free(image);
}

static uint64_t run_load(varve_db *db, struct sim_disk *disk, uint64_t seed, uint64_t last_op) {
    pthread_t checkpointer;
    varve_stats_info info = {.size = sizeof info};
    atomic_store(&stop, false);
    sim_crash_after(disk, sim_ops(disk) + last_op);
    for (unsigned i = 0; i < WORKERS; i++) {
        memset(&workers[i], 0, sizeof workers[i]);
        workers[i].index = i;
        workers[i].db = db;
        workers[i].random.state = seed * WORKERS + i;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    bool checkpoints = seed % 3 != 0;
    if (checkpoints) assert_int_equal(pthread_create(&checkpointer, NULL, make_checkpoints, db), 0);
    for (unsigned i = 0; i < WORKERS; i++) pthread_join(workers[i].thread, NULL);
    atomic_store(&stop, true);
    if (checkpoints) pthread_join(checkpointer, NULL);
    TD_STATUS(varve_stats(db, &info), VARVE_OK);
    return info.durable;
}

static void one_case(unsigned number_of_case) {
    static const enum sim_policy policies[REBOOTS] = {SIM_NOTHING, SIM_RANDOM,   SIM_RANDOM,
                                                      SIM_RANDOM,  SIM_BOUNDARY, SIM_ALL};
    static const unsigned modes[] = {1, 0, 2, 4};
    struct td_random random = {td_seed() * 7919 + number_of_case};
    unsigned mode = modes[number_of_case % 4];
    const char *cc = td_schemes[number_of_case / 4 % TD_SCHEMES];
    uint64_t last_op = td_below(&random, 400);
    td_context("case %u: cc=%s, sync=%s, power off after %llu more operations", number_of_case, cc, ck_modes[mode],
               (unsigned long long)last_op);
    td_watchdog(HANG_SECONDS);
    struct sim_disk *disk = sim_create(number_of_case + 1);
    varve_db *db;
    TD_STATUS(open_db(disk, cc, ck_modes[mode], true, &db), VARVE_OK);
    fill_accounts(db);
    uint64_t durable = run_load(db, disk, number_of_case, last_op);
    learn_stamps(db);
    sim_crash_after(disk, 0); /* if the work was done first */
    varve_close(db);
    unsigned count = put_in_order();
    commits += count;
    for (unsigned i = 0; i < REBOOTS; i++) {
        unsigned choice = (unsigned)td_below(&random, sim_choices(disk, policies[i]));
        td_context("case %u: cc=%s, sync=%s, policy %u choice %u", number_of_case, cc, ck_modes[mode], policies[i],
                   choice);
        struct sim_disk *image = sim_reboot(disk, policies[i], choice, td_next(&random));
        check_image(image, count, mode <= 1 || (mode == 2 && policies[i] == SIM_ALL), durable);
    }
    sim_free(disk);
}

static void a_prefix_in_cts_order_comes_back(void **state) {
    (void)state;
    unsigned cases = td_case_count(150);
    for (unsigned i = 0; i < cases; i++)
        if (td_only_case() < 0 || td_only_case() == (long)i) one_case(i);
    td_watchdog(0);
    print_message("%u power cuts, %lu commits, %lu remainders opened\n", cases, commits, checked);
    assert_true(td_only_case() >= 0 || commits > cases * 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_prefix_in_cts_order_comes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
