/* counters.c - hot counters, write-skew pairs, and a bank with an auditor: three loads of a few rows that all meet.
 *
 * hot-counters: each transaction raises one of `hot` counters, by a read and a write, or by `add`. Their sum is the number of
 * commits. write-skew: pairs x, y with x + y >= 0; each transaction reads both and takes one from one of them if the sum
 * stays at least zero; an empty pair is filled again. At serializable nobody may see a pair below zero, then or at the end. bank: transfers
 * between accounts, and one transaction in a hundred sums all of them, which must always give the same.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/loads/common.h"
#include "bench/loads/loads.h"

enum { COUNTER = 'n', PAIR = 'p', ACCOUNT = 'a', START = 100, AUDIT_PERCENT = 1, ACCOUNTS = 1000 };
enum { COMMITS, WRONG_AUDITS, WRONG_PAIRS = WRONG_AUDITS }; /* tally */

struct rows {
    uint8_t table;
    uint64_t count;
    int64_t value;
};
static int put_rows(struct bl_session *s, void *arg) {
    const struct rows *rows = arg;
    for (uint64_t i = 0; i < rows->count; i++) BL_TRY(bl_set_number(s, rows->table, i, rows->value));
    return VARVE_OK;
}
static int fill_rows(struct bl_session *s, unsigned part, struct rows rows) {
    return part == 0 ? bl_transaction(s, false, put_rows, &rows) : VARVE_OK;
}

static int prepare_hot(struct bl_run *run) {
    if (run->settings.hot == 0 || run->settings.hot > 1000000)
        return bl_refuse(run, VARVE_INVALID, "1 to 1,000,000 hot rows");
    return VARVE_OK;
}
static unsigned draw_hot(struct bl_session *s) {
    s->draw[0] = vb_random_below(&s->random, s->run->settings.hot);
    s->draw[1] = vb_random_below(&s->random, 2);
    return 0;
}
static void count_commits(struct bl_session *s, unsigned kind, bool committed) {
    (void)kind;
    s->tally[COMMITS] += committed;
}

/* --- hot counters ------------------------------------------------------------------------------------------------- */

static int fill_counters(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts) {
    (void)parts;
    return fill_rows(s, part, (struct rows){COUNTER, run->settings.hot, 0});
}

static int raise_counter(struct bl_session *s, unsigned kind) {
    int64_t value;
    const struct peer *engine = s->run->engine;
    (void)kind;
    if (s->run->settings.use_add && engine->add != NULL) {
        struct bl_key key = bl_numbered(COUNTER, s->draw[0]);
        s->writes++;
        return engine->add(s->txn, bl_slice(&key), 1);
    }
    BL_TRY(bl_get_number(s, COUNTER, s->draw[0], true, &value));
    return bl_set_number(s, COUNTER, s->draw[0], value + 1);
}

static int verify_counters(struct bl_run *run, struct bl_session *sessions, unsigned count) {
    struct bl_sum sum = {.table = COUNTER};
    int64_t commits = 0;
    for (unsigned i = 0; i < count; i++) commits += sessions[i].tally[COMMITS];
    int status = bl_transaction(&sessions[0], true, bl_sum_table, &sum);
    if (status != VARVE_OK) return bl_refuse(run, status, "the check could not read the rows");
    if (sum.sum == commits || (run->level != 0 && run->level < VARVE_REPEATABLE_READ && sum.sum < commits))
        return VARVE_OK; /* below repeatable read updates may be lost, and are */
    snprintf(run->text, sizeof(run->text), "%s: counters sum up to %lld, %lld were committed", run->load->name,
             (long long)sum.sum, (long long)commits);
    return VARVE_CORRUPT;
}

/* --- write skew --------------------------------------------------------------------------------------------------- */

static int fill_pairs(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts) {
    (void)parts;
    return fill_rows(s, part, (struct rows){PAIR, 2ull * run->settings.hot, START});
}

static int take_one(struct bl_session *s, unsigned kind) {
    int64_t x, y;
    uint64_t pair = s->draw[0] * 2;
    (void)kind;
    BL_TRY(bl_get_number(s, PAIR, pair, false, &x));
    BL_TRY(bl_get_number(s, PAIR, pair + 1, false, &y));
    s->draw[2] = x + y < 0;
    if (x + y < 1) { /* empty: fill it again, so that the load goes on */
        BL_TRY(bl_set_number(s, PAIR, pair, START));
        return bl_set_number(s, PAIR, pair + 1, START);
    }
    return s->draw[1] == 0 ? bl_set_number(s, PAIR, pair, x - 1) : bl_set_number(s, PAIR, pair + 1, y - 1);
}

static void done_take(struct bl_session *s, unsigned kind, bool committed) {
    (void)kind;
    if (committed) s->tally[WRONG_PAIRS] += (int64_t)s->draw[2];
}

struct pairs {
    int64_t x;
    uint64_t rows, broken;
};
static int see_pair(void *arg, varve_slice key, varve_slice value) {
    struct pairs *p = arg;
    int64_t number;
    (void)key;
    memcpy(&number, value.data, sizeof(number));
    if (p->rows++ % 2 == 0)
        p->x = number;
    else
        p->broken += p->x + number < 0;
    return 0;
}
static int see_pairs(struct bl_session *s, void *arg) {
    uint8_t low[1] = {PAIR}, high[1] = {PAIR + 1};
    *(struct pairs *)arg = (struct pairs){0, 0, 0};
    return s->run->engine->scan(s->txn, VARVE_SLICE(low, 1), VARVE_SLICE(high, 1), 0, false, see_pair, arg);
}

static int verify_pairs(struct bl_run *run, struct bl_session *sessions, unsigned count) {
    struct pairs pairs;
    int64_t seen = 0; /* by transactions that then filled the pair again */
    for (unsigned i = 0; i < count; i++) seen += sessions[i].tally[WRONG_PAIRS];
    int status = bl_transaction(&sessions[0], true, see_pairs, &pairs);
    if (status != VARVE_OK) return bl_refuse(run, status, "the check could not read the rows");
    bool broken = pairs.broken != 0 || seen != 0;
    if (pairs.rows == 2ull * run->settings.hot && (!broken || !bl_serializable(run))) return VARVE_OK;
    snprintf(run->text, sizeof(run->text), "write-skew: %llu rows, %llu pairs below zero, and %lld were seen so while it ran",
             (unsigned long long)pairs.rows, (unsigned long long)pairs.broken, (long long)seen);
    return VARVE_CORRUPT;
}

/* --- bank --------------------------------------------------------------------------------------------------------- */

static uint64_t accounts(const struct bl_run *run) {
    return run->settings.records < ACCOUNTS ? run->settings.records : ACCOUNTS;
}
static int prepare_bank(struct bl_run *run) {
    return run->settings.records >= 2 ? VARVE_OK : bl_refuse(run, VARVE_INVALID, "two accounts at least (--records)");
}
static int fill_accounts(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts) {
    (void)parts;
    return fill_rows(s, part, (struct rows){ACCOUNT, accounts(run), START});
}
static unsigned draw_transfer(struct bl_session *s) {
    uint64_t count = accounts(s->run);
    s->draw[0] = vb_random_below(&s->random, count);
    s->draw[1] = (s->draw[0] + 1 + vb_random_below(&s->random, count - 1)) % count;
    return vb_random_below(&s->random, 100) < AUDIT_PERCENT;
}

static int transfer_or_audit(struct bl_session *s, unsigned kind) {
    int64_t from, to;
    if (kind == 1) {
        struct bl_sum sum = {.table = ACCOUNT};
        BL_TRY(bl_sum_table(s, &sum));
        s->reads += sum.rows;
        s->draw[2] = sum.sum != (int64_t)accounts(s->run) * START;
        return VARVE_OK;
    }
    BL_TRY(bl_get_number(s, ACCOUNT, s->draw[0], true, &from));
    BL_TRY(bl_get_number(s, ACCOUNT, s->draw[1], true, &to));
    if (from < 1) return BL_ROLLBACK;
    BL_TRY(bl_set_number(s, ACCOUNT, s->draw[0], from - 1));
    return bl_set_number(s, ACCOUNT, s->draw[1], to + 1);
}

static void done_bank(struct bl_session *s, unsigned kind, bool committed) {
    if (committed && kind == 1) s->tally[WRONG_AUDITS] += (int64_t)s->draw[2];
}

static int verify_bank(struct bl_run *run, struct bl_session *sessions, unsigned count) {
    struct bl_sum sum = {.table = ACCOUNT};
    int64_t wrong = 0, total = (int64_t)accounts(run) * START;
    for (unsigned i = 0; i < count; i++) wrong += sessions[i].tally[WRONG_AUDITS];
    int status = bl_transaction(&sessions[0], true, bl_sum_table, &sum);
    if (status != VARVE_OK) return bl_refuse(run, status, "the check could not read the rows");
    bool lost = sum.sum != total && !(run->level != 0 && run->level < VARVE_REPEATABLE_READ);
    if (!lost && (wrong == 0 || !(run->level == 0 || run->level >= VARVE_SNAPSHOT))) return VARVE_OK;
    snprintf(run->text, sizeof(run->text), "bank: %lld in all, %lld expected; %lld audits saw another sum",
             (long long)sum.sum, (long long)total, (long long)wrong);
    return VARVE_CORRUPT;
}

const struct bl_load bl_counters = {.name = "hot-counters",
                                    .about = "one of `hot` counters is raised, by read and write or by add",
                                    .kind_count = 1,
                                    .kinds = {"raise"},
                                    .prepare = prepare_hot,
                                    .fill = fill_counters,
                                    .draw = draw_hot,
                                    .body = raise_counter,
                                    .done = count_commits,
                                    .verify = verify_counters};
const struct bl_load bl_write_skew = {.name = "write-skew",
                                      .about = "pairs whose sum must not fall below zero; each transaction writes one of two it read",
                                      .kind_count = 1,
                                      .kinds = {"take"},
                                      .prepare = prepare_hot,
                                      .fill = fill_pairs,
                                      .draw = draw_hot,
                                      .body = take_one,
                                      .done = done_take,
                                      .verify = verify_pairs};
const struct bl_load bl_bank = {.name = "bank",
                                .about = "transfers between accounts, and an auditor that sums all of them",
                                .kind_count = 2,
                                .kinds = {"transfer", "audit"},
                                .read_only = {false, true},
                                .prepare = prepare_bank,
                                .fill = fill_accounts,
                                .draw = draw_transfer,
                                .body = transfer_or_audit,
                                .done = done_bank,
                                .verify = verify_bank};
