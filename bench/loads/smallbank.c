/* smallbank.c - SmallBank: Alomari, Cahill, Fekete, Roehm, The Cost of Serializability on Platforms That Use Snapshot
 * Isolation, ICDE 2008, with the standard mix of 15/15/15/25/15/15.
 *
 * Customers are numbers; each has a checking and a savings row. Ninety of a hundred transactions use the `hot` first
 * customers. An overdraft of transact-savings, and a payment without cover, roll back by themselves. The invariant: the sum of all
 * balances is what was there at first, plus deposits, minus what was drawn (with the penalty of a check without cover).
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/loads/common.h"
#include "bench/loads/loads.h"

enum kind { BALANCE, DEPOSIT_CHECKING, TRANSACT_SAVINGS, AMALGAMATE, WRITE_CHECK, SEND_PAYMENT };
enum { SAVINGS = 's', CHECKING = 'c', START = 10000, OVERDRAWN = BL_ROLLBACK };
enum { MOVED, LAST_DELTA }; /* tally: sum of committed changes; that of the attempt before done */
enum { FIRST, SECOND, AMOUNT }; /* draw */

static int prepare(struct bl_run *run) {
    const struct bl_settings *o = &run->settings;
    if (o->records < 2) return bl_refuse(run, VARVE_INVALID, "two customers at least (--records)");
    if (o->hot < 2 || o->hot > o->records) return bl_refuse(run, VARVE_INVALID, "a hot set of 2 up to all customers");
    return VARVE_OK;
}

static int fill_batch(struct bl_session *s, void *arg) {
    const struct bl_batch *batch = arg;
    for (uint64_t c = batch->first; c < batch->end; c++) {
        BL_TRY(bl_set_number(s, SAVINGS, c, START));
        BL_TRY(bl_set_number(s, CHECKING, c, START));
    }
    return VARVE_OK;
}
static int fill(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts) {
    (void)run;
    return bl_fill_rows(s, part, parts, fill_batch);
}

static uint64_t draw_customer(struct bl_session *s) {
    bool hot = vb_random_below(&s->random, 100) < 90;
    return vb_random_below(&s->random, hot ? s->run->settings.hot : s->run->settings.records);
}

static unsigned draw(struct bl_session *s) {
    static const uint8_t until[] = {15, 30, 45, 60, 75, 100};
    uint64_t dice = vb_random_below(&s->random, 100);
    unsigned kind = 0;
    while (dice >= until[kind]) kind++;
    s->draw[FIRST] = draw_customer(s);
    do s->draw[SECOND] = draw_customer(s);
    while (s->draw[SECOND] == s->draw[FIRST]);
    s->draw[AMOUNT] = 1 + vb_random_below(&s->random, 100);
    return kind;
}

static int amalgamate(struct bl_session *s, uint64_t from, uint64_t to) {
    int64_t savings, checking, target;
    BL_TRY(bl_get_number(s, SAVINGS, from, true, &savings));
    BL_TRY(bl_get_number(s, CHECKING, from, true, &checking));
    BL_TRY(bl_get_number(s, CHECKING, to, true, &target));
    BL_TRY(bl_set_number(s, SAVINGS, from, 0));
    BL_TRY(bl_set_number(s, CHECKING, from, 0));
    return bl_set_number(s, CHECKING, to, target + savings + checking);
}

static int write_check(struct bl_session *s, uint64_t customer, int64_t amount) {
    int64_t savings, checking;
    BL_TRY(bl_get_number(s, SAVINGS, customer, false, &savings));
    BL_TRY(bl_get_number(s, CHECKING, customer, true, &checking));
    if (savings + checking < amount) amount++; /* the penalty */
    s->tally[LAST_DELTA] = -amount;
    return bl_set_number(s, CHECKING, customer, checking - amount);
}

static int send_payment(struct bl_session *s, uint64_t from, uint64_t to, int64_t amount) {
    int64_t source, target;
    BL_TRY(bl_get_number(s, CHECKING, from, true, &source));
    if (source < amount) return OVERDRAWN;
    BL_TRY(bl_get_number(s, CHECKING, to, true, &target));
    BL_TRY(bl_set_number(s, CHECKING, from, source - amount));
    return bl_set_number(s, CHECKING, to, target + amount);
}

/* By `amount`, to either side. */
static int change(struct bl_session *s, uint8_t table, uint64_t customer, int64_t amount) {
    int64_t balance;
    BL_TRY(bl_get_number(s, table, customer, true, &balance));
    if (balance + amount < 0) return OVERDRAWN;
    s->tally[LAST_DELTA] = amount;
    return bl_set_number(s, table, customer, balance + amount);
}

static int body(struct bl_session *s, unsigned kind) {
    int64_t amount = (int64_t)s->draw[AMOUNT], savings, checking;
    uint64_t first = s->draw[FIRST], second = s->draw[SECOND];
    s->tally[LAST_DELTA] = 0;
    switch ((enum kind)kind) {
    case BALANCE:
        BL_TRY(bl_get_number(s, SAVINGS, first, false, &savings));
        return bl_get_number(s, CHECKING, first, false, &checking);
    case DEPOSIT_CHECKING: return change(s, CHECKING, first, amount);
    case TRANSACT_SAVINGS: return change(s, SAVINGS, first, amount % 2 == 0 ? amount : -amount);
    case AMALGAMATE: return amalgamate(s, first, second);
    case WRITE_CHECK: return write_check(s, first, amount);
    case SEND_PAYMENT: return send_payment(s, first, second, amount);
    }
    return VARVE_INVALID;
}

static void done(struct bl_session *s, unsigned kind, bool committed) {
    (void)kind;
    if (committed) s->tally[MOVED] += s->tally[LAST_DELTA];
}

static int verify(struct bl_run *run, struct bl_session *sessions, unsigned count) {
    struct bl_sum savings = {.table = SAVINGS}, checking = {.table = CHECKING};
    int64_t expected = (int64_t)run->settings.records * 2 * START;
    for (unsigned i = 0; i < count; i++) expected += sessions[i].tally[MOVED];
    int status = bl_transaction(&sessions[0], true, bl_sum_table, &savings);
    if (status == VARVE_OK) status = bl_transaction(&sessions[0], true, bl_sum_table, &checking);
    if (status != VARVE_OK) return bl_refuse(run, status, "the check could not read the rows");
    if (savings.rows == run->settings.records && checking.rows == run->settings.records &&
        (savings.sum + checking.sum == expected || run->level < VARVE_REPEATABLE_READ))
        return VARVE_OK; /* below repeatable read updates may be lost, and are */
    snprintf(run->text, sizeof(run->text), "smallbank: %zu and %zu rows, %lld in all; %llu rows each and %lld expected",
             savings.rows, checking.rows, (long long)(savings.sum + checking.sum),
             (unsigned long long)run->settings.records, (long long)expected);
    return VARVE_CORRUPT;
}

const struct bl_load bl_smallbank = {
    .name = "smallbank",
    .about = "SmallBank: six short transactions over checking and savings accounts, most over a hot set",
    .kind_count = 6,
    .kinds = {"balance", "deposit-checking", "transact-savings", "amalgamate", "write-check", "send-payment"},
    .read_only = {true},
    .prepare = prepare, .fill = fill, .draw = draw, .body = body, .done = done, .verify = verify};
