/* test_adds.c - additions on a disk that loses its power after every operation: no sum is lost, halved or counted twice.
 *
 * One thread runs a fixed workload in which up to three transactions that only add are open at once and end in any order,
 * beside short ones that also put numbers and texts, delete, read, and roll back to savepoints. Every transaction leaves
 * a row of its own. For every sync mode and scheme the workload runs again up to each operation of the disk, and what
 * each policy of the simulated disk leaves is opened under another scheme: the transactions that are there must be the
 * first p in the order of their commits, with all that was promised among them, and every counter must hold what exactly
 * these p make of it. A sample is recovered twice, so that a log that was replayed once is replayed again.
 *
 * The model knows varve.h alone: an addition counts when its transaction commits, on what is there then; an absent row
 * counts as 0; sums wrap; a row of another length than 8 bytes refuses the whole transaction with INVALID.
 *
 * VARVE_TEST_BUDGET multiplies the choices tried per policy (1 where there are more).
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "db/db_int.h"
#include "support/crashkit.h"
#include "support/load.h"

enum { COUNTERS = 4, OPEN_MOST = 3, TXNS = 120, OPS = 8, MODE_WRITE = 2, AGAIN_EVERY = 5 };

/* b: a transaction that only adds begins   f, l: the oldest, the newest of them commits   x: the oldest aborts
 * t: a short one   k: checkpoint   y: sync   i: the log's tick   j: a round of the janitor */
static const char script[] = "ttbbtfbtlftbbbtttlktlfbtyxtibbltftktbtbfjtlbtbttxfytbkbtflttbbtilfty";

enum kind { NUMBER, TEXT, ABSENT };
struct counter {
    enum kind kind;
    int64_t number;
};
enum what { ADD, PUT_NUMBER, PUT_TEXT, DELETE };
struct op {
    enum what what;
    unsigned counter;
    int64_t number;
};
struct open_txn {
    varve_txn *txn;
    struct op ops[OPS]; /* those that savepoints have left */
    unsigned count;
};

static struct {
    struct counter after[TXNS + 1][COUNTERS]; /* the first n commits */
    uint32_t name[TXNS + 1];                  /* of the n-th */
    unsigned count, acked, safe;
    uint32_t attempts;
} model;

static struct sim_disk *disk;
static varve_db *db;
static varve_table *table;
static struct open_txn open_txns[OPEN_MOST];
static unsigned open_count, mode;
static struct td_random dice;
static bool over; /* the power is off, or a commit has an outcome that nobody knows */
static unsigned long images, again, refused;

/* --- rows --------------------------------------------------------------------------------------------------------- */

static varve_slice counter_key(unsigned counter) {
    static const char *const names[COUNTERS] = {"a", "m", "n", "zz"};
    return td_str(names[counter]);
}

/* Rows of transactions lie among the counters, and are now and then larger than a ring. */
static varve_slice txn_key(uint32_t name, char buffer[16]) {
    snprintf(buffer, 16, "k%04u", name);
    return td_str(buffer);
}

static varve_slice txn_value(uint32_t name) {
    static const char filling[700];
    return VARVE_SLICE(filling, name % 9 == 0 ? sizeof filling : name % 90);
}

/* False: nobody can add to it. */
static bool apply(struct counter *counter, const struct op *op) {
    if (op->what == ADD && counter->kind == TEXT) return false;
    int64_t base = counter->kind == NUMBER ? counter->number : 0;
    uint64_t sum = (uint64_t)base + (uint64_t)op->number;
    switch (op->what) {
    case ADD: *counter = (struct counter){NUMBER, (int64_t)sum}; break;
    case PUT_NUMBER: *counter = (struct counter){NUMBER, op->number}; break;
    case PUT_TEXT: *counter = (struct counter){TEXT, 0}; break;
    case DELETE: *counter = (struct counter){ABSENT, 0}; break;
    }
    return true;
}

/* The counters as this transaction would leave them now. False: its commit must be INVALID. */
static bool apply_all(const struct open_txn *open, struct counter counters[COUNTERS]) {
    memcpy(counters, model.after[model.count], sizeof model.after[0]);
    for (unsigned i = 0; i < open->count; i++)
        if (!apply(&counters[open->ops[i].counter], &open->ops[i])) return false;
    return true;
}

static const char *compare(varve_txn *txn, unsigned i, const struct counter *wanted) {
    static char text[160];
    varve_slice value = {NULL, 0};
    int status = varve_get(txn, table, counter_key(i), &value);
    enum kind kind = status == VARVE_NOTFOUND ? ABSENT : value.size == sizeof(int64_t) ? NUMBER : TEXT;
    if (status != VARVE_OK && status != VARVE_NOTFOUND) return varve_status_name(status);
    if (kind == wanted->kind && (kind != NUMBER || load_value(value) == wanted->number)) return NULL;
    snprintf(text, sizeof text, "counter %u: of kind %d, %lld; wanted kind %d, %lld", i, kind,
             kind == NUMBER ? (long long)load_value(value) : 0, wanted->kind, (long long)wanted->number);
    return text;
}

/* --- the workload ------------------------------------------------------------------------------------------------- */

static bool lost_power(int status) {
    bool off = sim_power_is_off(disk);
    if (status == VARVE_IO || status == VARVE_FAILED || status == VARVE_UNKNOWN_OUTCOME) {
        TD_CHECK(off, "%s on a healthy disk: %s", varve_status_name(status), varve_db_error(db));
        over = true;
    }
    return over;
}

static int64_t draw_number(void) {
    uint64_t shape = td_below(&dice, 8);
    if (shape == 0) return INT64_MAX - (int64_t)td_below(&dice, 3);
    if (shape == 1) return INT64_MIN + (int64_t)td_below(&dice, 3);
    return (int64_t)td_below(&dice, 2001) - 1000;
}

static int call(varve_txn *txn, const struct op *op) {
    struct load_number number = load_number(op->number);
    varve_slice key = counter_key(op->counter);
    switch (op->what) {
    case ADD: return varve_add(txn, table, key, op->number);
    case PUT_NUMBER: return varve_put(txn, table, key, load_slice(&number));
    case PUT_TEXT: return varve_put(txn, table, key, VARVE_SLICE("not eight", td_below(&dice, 8)));
    case DELETE: break;
    }
    return varve_delete(txn, table, key);
}

/* One operation that the model judges. An addition that is refused at the call is one that the commit would refuse. */
static void operate(struct open_txn *open, enum what what) {
    struct counter now[COUNTERS];
    struct op op = {what, (unsigned)td_below(&dice, COUNTERS), draw_number()};
    bool fits = apply_all(open, now);
    int status = call(open->txn, &op);
    if (lost_power(status)) return;
    if (what == DELETE && fits)
        TD_STATUS(status, now[op.counter].kind == ABSENT ? VARVE_NOTFOUND : VARVE_OK);
    else if (what == ADD && now[op.counter].kind == TEXT)
        TD_CHECK(status == VARVE_INVALID || status == VARVE_OK, "add to a text: %s", varve_status_name(status));
    else
        TD_STATUS(status, VARVE_OK);
    refused += status == VARVE_INVALID;
    if (status == VARVE_OK) open->ops[open->count++] = op;
}

/* Two operations that stay, and perhaps some that a savepoint takes back, before them or after. */
static void fill(struct open_txn *open, bool only_adds) {
    bool rolls_back = td_chance(&dice, 40), last = td_chance(&dice, 50);
    for (unsigned part = 0; part < 2 && !over; part++) {
        unsigned mark, kept = open->count;
        bool taken_back = rolls_back && (part == 1) == last;
        if (taken_back) TD_STATUS(varve_savepoint(open->txn, &mark), VARVE_OK);
        for (unsigned i = 0; i < 2 && !over; i++)
            operate(open, only_adds || td_chance(&dice, 60) ? ADD : (enum what)td_below(&dice, 4));
        if (!taken_back || over) continue;
        TD_STATUS(varve_rollback_to(open->txn, mark), VARVE_OK);
        open->count = kept;
    }
}

static void begin(bool only_adds) {
    struct open_txn *open = &open_txns[open_count];
    int status = varve_begin(db, NULL, &open->txn);
    if (lost_power(status)) return;
    TD_STATUS(status, VARVE_OK);
    open->count = 0;
    open_count++;
    fill(open, only_adds);
}

static void forget(unsigned which) {
    open_count--;
    memmove(&open_txns[which], &open_txns[which + 1], (open_count - which) * sizeof open_txns[0]);
}

static void finish(unsigned which) {
    struct open_txn *open = &open_txns[which];
    char buffer[16];
    uint32_t name = ++model.attempts;
    int status = varve_put(open->txn, table, txn_key(name, buffer), txn_value(name));
    if (!lost_power(status)) TD_STATUS(status, VARVE_OK);
    bool fits = apply_all(open, model.after[model.count + 1]);
    status = varve_commit(open->txn);
    forget(which);
    if (!lost_power(status) && !fits) {
        TD_STATUS(status, VARVE_INVALID);
        refused++;
        return;
    }
    if (status == VARVE_IO || status == VARVE_FAILED) return;
    if (!over) TD_STATUS(status, VARVE_OK);
    model.name[++model.count] = name;
    if (status != VARVE_OK) return;
    model.acked = model.count;
    if (mode < MODE_WRITE) model.safe = model.count;
}

static void finish_short(void) {
    struct open_txn *open = &open_txns[open_count - 1];
    struct counter now[COUNTERS];
    if (over) return;
    bool fits = apply_all(open, now);
    for (unsigned i = 0; i < COUNTERS && fits && td_chance(&dice, 25); i++) {
        const char *why = compare(open->txn, i, &now[i]);
        TD_CHECK(why == NULL || sim_power_is_off(disk), "inside a transaction: %s", why);
    }
    finish(open_count - 1);
}

static void harden(int status) {
    if (lost_power(status)) return;
    TD_STATUS(status, VARVE_OK);
    model.safe = model.acked;
}

static void step(char what) {
    switch (what) {
    case 'b':
        if (open_count + 1 < OPEN_MOST) begin(true);
        break;
    case 'f':
    case 'l':
        if (open_count != 0) finish(what == 'f' ? 0 : open_count - 1);
        break;
    case 'x':
        if (open_count == 0) break;
        varve_abort(open_txns[0].txn);
        forget(0);
        break;
    case 't':
        begin(false);
        finish_short();
        break;
    case 'k': harden(varve_checkpoint(db)); break;
    case 'y': harden(varve_sync(db)); break;
    case 'j': (void)vdb_janitor_step(db); break;
    default: vtl_tick(db->log); break;
    }
}

/* --- cuts and remainders ------------------------------------------------------------------------------------------ */

static int open_db(struct sim_disk *on, const char *sync, const char *cc) {
    struct vk_limits limits = ck_limits;
    struct vdb_setup setup = {.os = sim_os(on), .limits = &limits, .no_threads = true};
    char options[64];
    limits.slots = OPEN_MOST + 2;
    snprintf(options, sizeof options, "cc=%s,sync=%s,memory=64M", cc, sync);
    int status = vdb_open("db", options, &setup, &db);
    return status == VARVE_OK ? varve_table_open(db, "t", NULL, &table) : status;
}

static void lose_power_and_close(struct sim_disk *on) {
    sim_crash_after(on, 0);
    varve_close(db);
}

/* True: the power went off. */
static bool run_until(const char *cc, uint64_t cut) {
    memset(&model, 0, sizeof model);
    for (unsigned i = 0; i < COUNTERS; i++) model.after[0][i].kind = ABSENT;
    dice.state = 7;
    open_count = 0;
    sim_crash_after(disk, cut);
    int status = open_db(disk, ck_modes[mode], cc);
    over = status != VARVE_OK;
    TD_CHECK(!over || sim_power_is_off(disk), "open: %s: %s", varve_status_name(status), varve_db_error(db));
    for (const char *s = script; *s != '\0' && !over; s++) step(*s);
    while (open_count != 0) varve_abort(open_txns[--open_count].txn);
    bool off = sim_power_is_off(disk);
    if (off || td_chance(&dice, 50)) {
        lose_power_and_close(disk);
    } else {
        TD_STATUS(varve_close(db), VARVE_OK);
        model.safe = model.acked;
    }
    return off;
}

/* The transactions whose rows are there: the first p of the order. */
static unsigned count_txns(varve_txn *txn) {
    char buffer[16];
    varve_slice value;
    unsigned p = 0, seen = 0;
    while (p < model.count && varve_get(txn, table, txn_key(model.name[p + 1], buffer), &value) == VARVE_OK) {
        TD_CHECK(td_equal(value, txn_value(model.name[p + 1])), "the row of transaction %u is damaged", p + 1);
        p++;
    }
    varve_range range = {.prefix = td_str("k")};
    varve_cursor *cursor;
    varve_slice key;
    TD_STATUS(varve_cursor_open(txn, table, &range, &cursor), VARVE_OK);
    while (varve_cursor_next(cursor, &key, &value) == VARVE_OK) seen++;
    TD_CHECK(seen == p, "%u transactions are there, but not number %u of the order", seen, p + 1);
    return p;
}

static unsigned judge(struct sim_disk *image, unsigned least) {
    int status = open_db(image, "group", td_schemes[images % TD_SCHEMES]);
    if (status != VARVE_OK) sim_trace(image, stderr);
    TD_CHECK(status == VARVE_OK, "reopen: %s: %s", varve_status_name(status), varve_db_error(db));
    varve_txn *txn = td_begin(db, VARVE_SERIALIZABLE);
    unsigned p = count_txns(txn);
    TD_CHECK(p >= least, "%u transactions are there, %u must be", p, least);
    for (unsigned i = 0; i < COUNTERS; i++) {
        const char *why = compare(txn, i, &model.after[p][i]);
        TD_CHECK(why == NULL, "after %u transactions, %s", p, why);
    }
    TD_STATUS(varve_commit(txn), VARVE_OK);
    return p;
}

static void check_image(struct sim_disk *image, unsigned least) {
    unsigned p = judge(image, least);
    lose_power_and_close(image);
    if (images++ % AGAIN_EVERY == 0) {
        struct sim_disk *later = sim_reboot(image, SIM_ALL, 0, 1);
        TD_CHECK(judge(later, p) == p, "recovered once %u transactions, twice more", p);
        lose_power_and_close(later);
        sim_free(later);
        again++;
    }
    sim_free(image);
}

static void for_each_image(const char *cc, uint64_t cut) {
    unsigned most = ck_budget(1);
    for (unsigned policy = 0; policy < SIM_POLICIES; policy++) {
        unsigned choices = sim_choices(disk, policy), step_size = choices > most ? choices / most : 1;
        unsigned least = policy == SIM_ALL && mode <= MODE_WRITE ? model.acked : model.safe;
        for (unsigned choice = (unsigned)(cut % step_size); choice < choices; choice += step_size) {
            td_context("cc=%s, sync=%s, power off after %llu, policy %u choice %u", cc, ck_modes[mode],
                       (unsigned long long)cut, policy, choice);
            check_image(sim_reboot(disk, policy, choice, cut + 1), least);
        }
    }
}

static void every_cut_leaves_whole_sums(void **state) {
    mode = *(const unsigned *)*state;
    for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
        if (!td_scheme_wanted(td_schemes[cc])) continue;
        uint64_t cut = 0;
        unsigned long before = images;
        refused = 0;
        for (bool off = true; off; cut++) {
            td_context("cc=%s, sync=%s, power off after %llu", td_schemes[cc], ck_modes[mode], (unsigned long long)cut);
            disk = sim_create(1);
            off = run_until(td_schemes[cc], cut);
            for_each_image(td_schemes[cc], cut);
            sim_free(disk);
        }
        print_message("%s, sync=%s: %llu operations, %u commits, %lu remainders, %lu recovered twice\n", td_schemes[cc],
                      ck_modes[mode], (unsigned long long)cut - 1, model.count, images - before, again);
        assert_true(model.count > 30 && refused != 0 && images - before > 200);
    }
}

int main(void) {
    static unsigned modes[CK_MODES] = {0, 1, 2, 3, 4};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_cut_leaves_whole_sums, &modes[0]),
        cmocka_unit_test_prestate(every_cut_leaves_whole_sums, &modes[1]),
        cmocka_unit_test_prestate(every_cut_leaves_whole_sums, &modes[2]),
        cmocka_unit_test_prestate(every_cut_leaves_whole_sums, &modes[3]),
        cmocka_unit_test_prestate(every_cut_leaves_whole_sums, &modes[4]),
    };
    return cmocka_run_group_tests_name("adds", tests, NULL, NULL);
}
