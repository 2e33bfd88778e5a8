/* test_bank.c - money moves between accounts and is neither made nor lost: transfers beside auditors that add up all
 * accounts, in every scheme; at every level that forbids lost updates; with accounts that come and go; with levels
 * mixed; with more clients than the lock words have reader bits; with the scheme switched meanwhile. At read committed
 * the money must be seen to go wrong, or the test sees nothing.
 * SPDX-License-Identifier: MIT
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/testdb.h"

enum { ACCOUNTS = 48, OPENING = 100 };

/* Seconds for each of the about thirty loads. */
static double slice_of_time;

struct bank {
    varve_table *table;
    varve_isolation level; /* DEFAULT = each transaction picks one */
    unsigned account_count;
    bool closing;  /* an account without money has no row */
    bool yielding; /* between read and write, to overlap the more */
    unsigned audit_percent;
};

struct job {
    struct bank *bank;
    struct load_worker *worker;
    unsigned from, to;
    int64_t amount;
    bool for_update;
    int64_t sum;
    unsigned rows;
    bool disordered;
};

static void account_key(char key[8], unsigned account) {
    snprintf(key, 8, "a%04u", account % 10000);
}

/* --- transfers ---------------------------------------------------------------------------------------------- */

static int read_balance(varve_txn *txn, const struct job *job, unsigned account, int64_t *balance) {
    char key[8];
    varve_slice value;
    account_key(key, account);
    int status = job->for_update ? varve_get_for_update(txn, job->bank->table, td_str(key), &value)
                                 : varve_get(txn, job->bank->table, td_str(key), &value);
    if (status == VARVE_OK)
        *balance = load_value(value);
    else if (status == VARVE_NOTFOUND)
        *balance = 0;
    return status == VARVE_NOTFOUND ? VARVE_OK : status;
}

static int write_balance(varve_txn *txn, const struct job *job, unsigned account, int64_t old, int64_t balance) {
    char key[8];
    struct load_number number = load_number(balance);
    varve_table *table = job->bank->table;
    account_key(key, account);
    if (!job->bank->closing)
        return varve_put(txn, table, td_str(key), load_slice(&number));
    if (old == 0 && balance == 0)
        return VARVE_OK;
    if (balance == 0)
        return varve_delete(txn, table, td_str(key));
    return old == 0 ? varve_insert(txn, table, td_str(key), load_slice(&number))
                    : varve_update(txn, table, td_str(key), load_slice(&number));
}

static int transfer(varve_txn *txn, void *arg) {
    struct job *job = arg;
    int64_t from = 0, to = 0;
    int status = read_balance(txn, job, job->from, &from);
    if (status == VARVE_OK)
        status = read_balance(txn, job, job->to, &to);
    if (status != VARVE_OK)
        return status;
    if (job->bank->yielding)
        sched_yield();
    int64_t amount = job->amount < from ? job->amount : from;
    status = write_balance(txn, job, job->from, from, from - amount);
    return status != VARVE_OK ? status : write_balance(txn, job, job->to, to, to + amount);
}

/* Adds up the rows; what it found is looked at after the commit, for only then is it promised. */
static int audit(varve_txn *txn, void *arg) {
    struct job *job = arg;
    varve_cursor *cursor;
    varve_slice key, value;
    char last[8] = "", now[8];
    job->sum = 0;
    job->rows = 0;
    job->disordered = false;
    int status = varve_cursor_open(txn, job->bank->table, NULL, &cursor);
    if (status != VARVE_OK)
        return status;
    while ((status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK) {
        snprintf(now, sizeof now, "%.*s", (int)key.size, (const char *)key.data);
        job->disordered = job->disordered || strcmp(last, now) >= 0;
        snprintf(last, sizeof last, "%s", now);
        job->sum += load_value(value);
        job->rows++;
    }
    varve_cursor_close(cursor);
    return status == VARVE_END ? VARVE_OK : status;
}

static void do_transfer(struct load_worker *worker, struct job *job, varve_isolation level) {
    unsigned count = job->bank->account_count;
    job->from = (unsigned)td_below(&worker->random, count);
    job->to = (job->from + 1 + (unsigned)td_below(&worker->random, count - 1)) % count;
    job->amount = (int64_t)td_below(&worker->random, OPENING);
    load_transact(worker, level, false, transfer, job);
}

static void do_audit(struct load_worker *worker, struct job *job, varve_isolation level) {
    bool read_only = td_chance(&worker->random, 40);
    int64_t wanted = (int64_t)job->bank->account_count * OPENING;
    if (!load_transact(worker, level, read_only, audit, job))
        return;
    if (job->sum != wanted)
        load_fail(worker, "an auditor at %s%s found %lld in %u accounts, not %lld", td_level_name(level),
                  read_only ? ", read only," : "", (long long)job->sum, job->rows, (long long)wanted);
    if (job->disordered || (!job->bank->closing && job->rows != job->bank->account_count))
        load_fail(worker, "an auditor at %s read %u rows%s", td_level_name(level), job->rows,
                  job->disordered ? ", out of order" : "");
}

/* Levels that forbid lost updates; read committed too, where it reads for update. */
static varve_isolation some_level(struct load_worker *worker, bool *for_update) {
    varve_isolation level = td_levels[1 + td_below(&worker->random, TD_LEVELS - 1)];
    *for_update = level == VARVE_READ_COMMITTED || td_chance(&worker->random, 20);
    return level;
}

static void bank_day(struct load_worker *worker) {
    struct bank *bank = worker->load->arg;
    struct job job = {.bank = bank, .worker = worker};
    varve_isolation level = bank->level;
    if (level == VARVE_ISOLATION_DEFAULT)
        level = some_level(worker, &job.for_update);
    if (!td_chance(&worker->random, bank->audit_percent)) {
        do_transfer(worker, &job, level);
        return;
    }
    if (level == VARVE_READ_COMMITTED)
        level = VARVE_SERIALIZABLE;
    do_audit(worker, &job, level);
}

/* --- the house ---------------------------------------------------------------------------------------------- */

static int open_accounts(varve_txn *txn, void *arg) {
    struct bank *bank = arg;
    struct load_number number = load_number(OPENING);
    char key[8];
    int status = VARVE_OK;
    for (unsigned i = 0; i < bank->account_count && status == VARVE_OK; i++) {
        account_key(key, i);
        status = varve_put(txn, bank->table, td_str(key), load_slice(&number));
    }
    return status;
}

static int64_t total(varve_db *db, struct bank *bank) {
    struct job job = {.bank = bank};
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    TD_STATUS(audit(txn, &job), VARVE_OK);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    return job.sum;
}

static void found(struct load *load, struct bank *bank, const char *path, const char *cc, enum load_size size) {
    load->db = load_open(path, cc, size);
    load->fn = bank_day;
    load->arg = bank;
    bank->table = td_table(load->db, "accounts");
    TD_STATUS(varve_run(load->db, NULL, open_accounts, bank), VARVE_OK);
}

static void run_bank(struct bank *bank, const char *path, const char *cc, enum load_size size, unsigned workers) {
    static struct load load;
    char name[128];
    snprintf(name, sizeof name, "%s, %s, %s, %u clients%s%s", cc,
             bank->level == VARVE_ISOLATION_DEFAULT ? "mixed levels" : td_level_name(bank->level),
             load_size_names[size], workers, path != NULL ? ", on disk" : "", bank->closing ? ", closing" : "");
    load.name = name;
    load.worker_count = workers;
    load.least = 3;
    load.seconds = slice_of_time;
    found(&load, bank, path, cc, size);
    load_run(&load);
    int64_t sum = total(load.db, bank);
    TD_CHECK(sum == (int64_t)bank->account_count * OPENING, "%s: %lld at the end", name, (long long)sum);
    td_close(load.db);
    if (path == NULL)
        return;
    load.db = load_open(path, cc, size);
    bank->table = td_table(load.db, "accounts");
    sum = total(load.db, bank);
    TD_CHECK(sum == (int64_t)bank->account_count * OPENING, "%s: %lld after reopening", name, (long long)sum);
    td_close(load.db);
}

/* --- tests -------------------------------------------------------------------------------------------------- */

static void money_is_kept_at_each_level(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        for (unsigned level = 2; level < TD_LEVELS && td_scheme_wanted(td_schemes[cc]); level++) {
            struct bank bank = {.level = td_levels[level], .account_count = level % 2 == 0 ? 4 : ACCOUNTS,
                                .yielding = true, .audit_percent = 25};
            run_bank(&bank, NULL, td_schemes[cc], level % 2 == 0 ? LOAD_DEFAULT : LOAD_TINY, 6);
        }
    }
}

static void money_is_kept_when_accounts_come_and_go(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        struct bank bank = {.level = VARVE_SERIALIZABLE, .account_count = 10, .closing = true, .audit_percent = 25};
        if (td_scheme_wanted(td_schemes[cc]))
            run_bank(&bank, NULL, td_schemes[cc], LOAD_DEFAULT, 6);
    }
}

static void money_is_kept_on_disk(void **state) {
    char path[TD_PATH_BYTES];
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        struct bank bank = {.level = VARVE_SERIALIZABLE, .account_count = ACCOUNTS, .closing = true,
                            .audit_percent = 15};
        if (!td_scheme_wanted(td_schemes[cc]))
            continue;
        td_scratch(path);
        run_bank(&bank, path, td_schemes[cc], cc % 2 == 0 ? LOAD_TINY : LOAD_DEFAULT, 6);
        td_remove_tree(path);
    }
}

static void money_is_kept_with_levels_mixed(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        struct bank bank = {.level = VARVE_ISOLATION_DEFAULT, .account_count = 8, .yielding = true,
                            .audit_percent = 25};
        if (td_scheme_wanted(td_schemes[cc]))
            run_bank(&bank, NULL, td_schemes[cc], LOAD_DEFAULT, 6);
    }
}

static void money_is_kept_by_many_clients(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        for (unsigned size = 0; size < LOAD_SIZES && td_scheme_wanted(td_schemes[cc]); size++) {
            struct bank bank = {.level = VARVE_SERIALIZABLE, .account_count = ACCOUNTS, .audit_percent = 30,
                                .yielding = true};
            run_bank(&bank, NULL, td_schemes[cc], (enum load_size)size, 56);
        }
    }
}

/* More readers of the same rows at once than a lock word has bits: the rest must wait their turn, and get it. */
struct crowd {
    struct bank bank;
    struct load_meeting meeting;
    struct load_worker *worker;
};

static int audit_and_linger(varve_txn *txn, void *arg) {
    struct job *job = arg;
    struct crowd *crowd = job->worker->load->arg;
    int status = audit(txn, job);
    if (status == VARVE_OK)
        load_meet(job->worker, &crowd->meeting, job->worker->load->worker_count, 3000);
    return status;
}

static void crowd_day(struct load_worker *worker) {
    struct crowd *crowd = worker->load->arg;
    struct job job = {.bank = &crowd->bank, .worker = worker};
    if (worker->index == 0)
        load_meeting_clear(&crowd->meeting);
    if (worker->index % 8 == 0)
        do_transfer(worker, &job, VARVE_SERIALIZABLE);
    else if (load_transact(worker, VARVE_SERIALIZABLE, false, audit_and_linger, &job) &&
             job.sum != (int64_t)crowd->bank.account_count * OPENING)
        load_fail(worker, "one of a crowd of auditors found %lld", (long long)job.sum);
}

static void a_crowd_of_readers_is_served(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        static struct load load;
        static struct crowd crowd;
        char name[64];
        if (!td_scheme_wanted(td_schemes[cc]))
            continue;
        memset(&crowd, 0, sizeof crowd);
        crowd.bank = (struct bank){.level = VARVE_SERIALIZABLE, .account_count = 6};
        snprintf(name, sizeof name, "%s, a crowd of 64", td_schemes[cc]);
        found(&load, &crowd.bank, NULL, td_schemes[cc], LOAD_DEFAULT);
        load.name = name;
        load.fn = crowd_day;
        load.arg = &crowd;
        load.worker_count = 64;
        load.least = 2;
        load.seconds = slice_of_time;
        load_run(&load);
        td_close(load.db);
    }
}

/* --- switching ---------------------------------------------------------------------------------------------- */

static void switching_day(struct load_worker *worker) {
    if (worker->index > 0 || worker->done % 16 != 0) {
        bank_day(worker);
        return;
    }
    const char *cc = td_schemes[td_below(&worker->random, TD_SCHEMES)];
    int status = varve_set_concurrency(worker->load->db, cc, 2000);
    if (status != VARVE_OK && status != VARVE_TIMEOUT)
        load_fail(worker, "switching to %s gave %s: %s", cc, varve_status_name(status),
                  varve_db_error(worker->load->db));
}

static void money_is_kept_while_the_scheme_is_switched(void **state) {
    static struct load load;
    struct bank bank = {.level = VARVE_SERIALIZABLE, .account_count = 12, .closing = true, .audit_percent = 25};
    (void)state;
    load.name = "scheme switched under load";
    load.worker_count = 6;
    load.least = 60;
    found(&load, &bank, NULL, "mvcc", LOAD_DEFAULT);
    load.fn = switching_day;
    load.seconds = 3 * slice_of_time;
    load_run(&load);
    assert_int_equal(total(load.db, &bank), 12 * OPENING);
    td_close(load.db);
}

/* --- the canary --------------------------------------------------------------------------------------------- */

static void canary_day(struct load_worker *worker) {
    struct bank *bank = worker->load->arg;
    struct job job = {.bank = bank, .worker = worker};
    if (worker->index > 0) {
        do_transfer(worker, &job, VARVE_READ_COMMITTED);
        return;
    }
    do_audit(worker, &job, VARVE_SERIALIZABLE);
}

static void read_committed_loses_money(void **state) {
    (void)state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        static struct load load;
        struct bank bank = {.level = VARVE_READ_COMMITTED, .account_count = 3, .yielding = true};
        char name[64];
        if (!td_scheme_wanted(td_schemes[cc]))
            continue;
        snprintf(name, sizeof name, "%s, read committed, must lose money", td_schemes[cc]);
        load.name = name;
        load.worker_count = 4;
        load.least = 0;
        found(&load, &bank, NULL, td_schemes[cc], LOAD_DEFAULT);
        load.fn = canary_day;
        load.seconds = 20;
        assert_true(load_run_until_failure(&load));
        td_close(load.db);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_is_kept_at_each_level),
        cmocka_unit_test(money_is_kept_when_accounts_come_and_go),
        cmocka_unit_test(money_is_kept_on_disk),
        cmocka_unit_test(money_is_kept_with_levels_mixed),
        cmocka_unit_test(money_is_kept_by_many_clients),
        cmocka_unit_test(a_crowd_of_readers_is_served),
        cmocka_unit_test(money_is_kept_while_the_scheme_is_switched),
        cmocka_unit_test(read_committed_loses_money),
    };
    slice_of_time = td_seconds(4) / 30;
    td_watchdog(300);
    return cmocka_run_group_tests_name("bank", tests, NULL, NULL);
}
