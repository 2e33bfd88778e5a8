/* test_execute.c - running a schedule by definition: it does what the reference model does, an operation at a time, and
 * what it does is what the judge allows at every level.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "model/oracle.h"
#include "random_schedule.h"

static struct ss_schedule schedule;
static struct ss_run run;
static uint8_t order[SS_STEPS_MAX];
static char text[4000];

/* --- beside the reference model --------------------------------------------------------------------------------------
 */

static varve_slice key_of(unsigned key) { return VARVE_SLICE(schedule.keys[key], strlen(schedule.keys[key])); }

static varve_range range_of(const struct ss_range *range) {
    varve_range r;
    memset(&r, 0, sizeof r);
    if (range->low < SS_KEYS_MAX) r.low = key_of(range->low);
    if (range->high < SS_KEYS_MAX) r.high = key_of(range->high);
    r.reverse = range->reverse;
    r.limit = range->limit;
    return r;
}

static int64_t number_of(varve_slice value) {
    int64_t number;
    assert_int_equal(value.size, 8);
    memcpy(&number, value.data, 8);
    return number;
}

static void same_row(const struct model_row *row, unsigned key, int64_t value, unsigned at) {
    TD_CHECK(key < schedule.key_count && model_compare(row->key, key_of(key)) == 0 && number_of(row->value) == value,
             "step %u `%s`: another row\n%s", at, schedule.steps[at].text, text);
}

static int mirror_scan(struct model_txn *txn, unsigned at, const struct ss_answer *answer) {
    struct model_rows rows;
    varve_range range = range_of(&schedule.steps[at].range);
    int status = model_scan(txn, 0, &range, &rows);
    TD_CHECK(rows.count == answer->row_count, "step %u `%s`: %zu rows, not %u\n%s", at, schedule.steps[at].text,
             rows.count, answer->row_count, text);
    for (unsigned i = 0; i < rows.count; i++) same_row(&rows.items[i], answer->rows[i].key, answer->rows[i].value, at);
    model_rows_free(&rows);
    return status;
}

/* Each session has one cursor, which ends with its transaction. */
static struct {
    varve_range range;
    varve_slice position;
    bool at_row, pinned;
} cursors[SS_SESSIONS_MAX];
static unsigned marks[SS_SESSIONS_MAX];

static int mirror_next(struct model_txn *txn, unsigned at, const struct ss_answer *answer) {
    unsigned s = schedule.steps[at].session;
    struct model_row row = {{NULL, 0}, {NULL, 0}};
    bool reverse = cursors[s].range.reverse;
    enum model_seek how = cursors[s].at_row ? (reverse ? MODEL_LT : MODEL_GT) : (reverse ? MODEL_LAST : MODEL_FIRST);
    int status = model_seek(txn, 0, &cursors[s].range, how, cursors[s].position, &row);
    if (status != VARVE_OK) {
        /* The model would look again; a cursor stays at its end. */
        cursors[s].range.low = cursors[s].range.high = key_of(0);
        return status;
    }
    TD_CHECK(answer->status == VARVE_OK, "step %u: the model has a row\n%s", at, text);
    same_row(&row, answer->next_key, answer->value, at);
    cursors[s].position = row.key;
    cursors[s].at_row = true;
    return status;
}

static void unpin(struct model_txn *txn, unsigned session) {
    if (cursors[session].pinned) model_unpin(txn);
    cursors[session].pinned = false;
}

static int mirror_write(struct model_txn *txn, unsigned at, const struct ss_answer *answer) {
    const struct ss_step *step = &schedule.steps[at];
    varve_slice key = key_of(step->key), value = VARVE_SLICE(&answer->written, 8);
    varve_range range = range_of(&step->range);
    uint64_t count = 0;
    int status;
    switch (step->verb) {
    case SS_PUT: return model_put(txn, 0, key, value);
    case SS_INSERT: return model_insert(txn, 0, key, value);
    case SS_UPDATE: return model_update(txn, 0, key, value);
    case SS_DELETE: return model_delete(txn, 0, key);
    case SS_ADD: return model_add(txn, 0, key, answer->written);
    default:
        status = model_delete_range(txn, 0, &range, &count);
        TD_CHECK(status != VARVE_OK || (int64_t)count == answer->value, "step %u: %llu deleted\n%s", at,
                 (unsigned long long)count, text);
        return status;
    }
}

static int mirror_step(struct model_txn *txn, unsigned at, const struct ss_answer *answer) {
    const struct ss_step *step = &schedule.steps[at];
    unsigned s = step->session;
    varve_slice value;
    int status;
    switch (step->verb) {
    case SS_BEGIN: cursors[s].pinned = false; return VARVE_OK;
    case SS_GET:
        status = model_get(txn, 0, key_of(step->key), &value);
        TD_CHECK(status != VARVE_OK || number_of(value) == answer->value, "step %u: another value\n%s", at, text);
        return status;
    case SS_HAS: return model_contains(txn, 0, key_of(step->key));
    case SS_SCAN: return mirror_scan(txn, at, answer);
    case SS_OPEN:
        cursors[s].range = range_of(&step->range);
        cursors[s].at_row = false;
        cursors[s].pinned = true;
        model_pin(txn);
        return VARVE_OK;
    case SS_NEXT: return mirror_next(txn, at, answer);
    case SS_CLOSE: unpin(txn, s); return VARVE_OK;
    case SS_SAVEPOINT: marks[s] = model_savepoint(txn); return VARVE_OK;
    case SS_ROLLBACK: return model_rollback_to(txn, marks[s]);
    case SS_COMMIT: return model_commit(txn);
    case SS_ABORT: model_abort(txn); return VARVE_OK;
    default: return mirror_write(txn, at, answer);
    }
}

static void store_initial(struct model *model) {
    struct model_txn *txn = model_begin(model, VARVE_SERIALIZABLE, false);
    for (unsigned k = 0; k < schedule.key_count; k++)
        if (schedule.initial[k] != SS_ABSENT)
            assert_int_equal(model_put(txn, 0, key_of(k), VARVE_SLICE(&schedule.initial[k], 8)), VARVE_OK);
    assert_int_equal(model_commit(txn), VARVE_OK);
}

static void same_final(struct model *model) {
    struct model_txn *txn = model_begin(model, VARVE_SERIALIZABLE, true);
    for (unsigned k = 0; k < schedule.key_count; k++) {
        varve_slice value;
        int status = model_get(txn, 0, key_of(k), &value);
        TD_CHECK((status == VARVE_OK) == (run.final[k] != SS_ABSENT) &&
                     (status != VARVE_OK || number_of(value) == run.final[k]),
                 "key %s at the end\n%s", schedule.keys[k], text);
    }
    model_abort(txn);
}

static void run_beside_the_model(varve_isolation level, bool fresh) {
    struct model *model = model_create();
    struct model_txn *txns[SS_TXNS_MAX] = {NULL};
    store_initial(model);
    for (unsigned i = 0; i < schedule.step_count; i++) {
        const struct ss_step *step = &schedule.steps[order[i]];
        const struct ss_answer *answer = &run.answers[order[i]];
        if (step->verb == SS_BEGIN) {
            bool weak_reader = step->read_only && level < VARVE_SNAPSHOT;
            txns[step->txn] = model_begin(model, weak_reader ? VARVE_SNAPSHOT : level, step->read_only);
            if (fresh && !step->read_only && level != VARVE_SNAPSHOT) model_set_fresh_reads(txns[step->txn]);
        }
        TD_CHECK(answer->done, "step %u `%s` was left out\n%s", order[i], step->text, text);
        int status = mirror_step(txns[step->txn], order[i], answer);
        TD_CHECK(status == answer->status, "step %u `%s`: %s, and %s by the model\n%s", order[i], step->text,
                 varve_status_name(answer->status), varve_status_name(status), text);
    }
    same_final(model);
    model_free(model);
}

static const struct {
    varve_isolation level;
    bool fresh;
} ways[] = {{VARVE_READ_COMMITTED, false}, {VARVE_REPEATABLE_READ, false}, {VARVE_REPEATABLE_READ, true},
            {VARVE_SNAPSHOT, false},       {VARVE_SERIALIZABLE, false},    {VARVE_SERIALIZABLE, true}};
enum { WAYS = sizeof ways / sizeof ways[0] };

static void as_the_model_does(void **state) {
    struct td_random rng;
    uint64_t seed = td_seed();
    unsigned cases = td_case_count(8000), refused = 0;
    (void)state;
    for (unsigned number = 0; number < cases; number++) {
        if (td_only_case() >= 0 && td_only_case() != (long)number) continue;
        rng.state = seed * 7919 + number;
        struct shape shape = {.removes = td_chance(&rng, 50), .scans_after_write = td_chance(&rng, 50), .adds = true};
        rs_text(&rng, &shape, text);
        rs_parse(text, &schedule);
        rs_order(&rng, &schedule, order);
        for (unsigned w = 0; w < WAYS; w++) {
            struct sm_way way = {.level = ways[w].level, .fresh_reads = ways[w].fresh};
            if (way.level == VARVE_SERIALIZABLE && shape.scans_after_write)
                continue; /* the model also refuses for own rows that a scan passed */
            td_context("VARVE_TEST_SEED=%llu VARVE_TEST_CASE=%u, %s%s", (unsigned long long)seed, number,
                       ss_level_name(way.level), way.fresh_reads ? ", fresh reads" : "");
            sm_run(&schedule, order, &way, &run);
            run_beside_the_model(way.level, way.fresh_reads);
            for (unsigned t = 0; t < schedule.txn_count; t++) refused += run.txns[t].status == VARVE_CONFLICT;
        }
    }
    TD_CHECK(td_only_case() >= 0 || refused > cases / 4, "only %u transactions were refused", refused);
}

/* --- before the judge
 * -------------------------------------------------------------------------------------------------- */

static void what_it_does_is_allowed(void **state) {
    struct td_random rng;
    uint64_t seed = td_seed();
    unsigned cases = td_case_count(20000), skewed = 0;
    (void)state;
    for (unsigned number = 0; number < cases; number++) {
        if (td_only_case() >= 0 && td_only_case() != (long)number) continue;
        rng.state = seed * 104729 + number;
        struct shape shape = {td_chance(&rng, 50), true, td_chance(&rng, 50), td_chance(&rng, 50)};
        rs_text(&rng, &shape, text);
        rs_parse(text, &schedule);
        rs_order(&rng, &schedule, order);
        for (unsigned w = 0; w < WAYS; w++) {
            struct sm_way way = {.level = ways[w].level, .fresh_reads = ways[w].fresh};
            struct sm_verdict verdict;
            char words[300];
            td_context("VARVE_TEST_SEED=%llu VARVE_TEST_CASE=%u, %s%s", (unsigned long long)seed, number,
                       ss_level_name(way.level), way.fresh_reads ? ", fresh reads" : "");
            sm_run(&schedule, order, &way, &run);
            sm_judge(&schedule, &run, false, &verdict);
            sm_explain(&schedule, &run, &verdict, words, sizeof words);
            TD_CHECK(verdict.safe && words[0] == 0, "%s\n%s", words, text);
            TD_CHECK(verdict.serial || way.level != VARVE_SERIALIZABLE, "not serial\n%s", text);
            skewed += !verdict.serial;
        }
    }
    TD_CHECK(td_only_case() >= 0 || skewed > cases / 20, "only %u runs were not serial", skewed);
}

/* An answer that is not what the model gave is convicted: values are unique, so that no other state can explain it. */
static void a_spoilt_answer_is_convicted(void **state) {
    struct td_random rng;
    uint64_t seed = td_seed();
    unsigned cases = td_case_count(5000), spoilt = 0;
    (void)state;
    for (unsigned number = 0; number < cases; number++) {
        rng.state = seed * 31 + number;
        struct shape shape = {.removes = true, .scans_after_write = true};
        rs_text(&rng, &shape, text);
        rs_parse(text, &schedule);
        rs_order(&rng, &schedule, order);
        struct sm_way way = {.level = ways[number % WAYS].level};
        struct sm_verdict verdict;
        char words[300];
        sm_run(&schedule, order, &way, &run);
        unsigned at = (unsigned)td_below(&rng, schedule.step_count);
        struct ss_answer *answer = &run.answers[at];
        if (schedule.steps[at].verb != SS_GET || answer->status != VARVE_OK ||
            !run.txns[schedule.steps[at].txn].committed)
            continue;
        answer->value += 500;
        spoilt++;
        sm_judge(&schedule, &run, false, &verdict);
        sm_explain(&schedule, &run, &verdict, words, sizeof words);
        td_context("VARVE_TEST_SEED=%llu case %u", (unsigned long long)seed, number);
        TD_CHECK(!verdict.safe && !verdict.serial && verdict.reason == SMR_ANSWER, "acquitted\n%s", text);
        TD_CHECK(verdict.txn == schedule.steps[at].txn && words[0] == 's', "another culprit\n%s", text);
    }
    TD_CHECK(spoilt > cases / 40, "only %u answers were spoilt", spoilt);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_model_does),
        cmocka_unit_test(what_it_does_is_allowed),
        cmocka_unit_test(a_spoilt_answer_is_convicted),
    };
    return cmocka_run_group_tests_name("execute", tests, NULL, NULL);
}
