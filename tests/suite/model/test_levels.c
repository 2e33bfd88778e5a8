/* test_levels.c - over the whole corpus: run by definition, a level shows what it permits and nothing that it forbids.
 *
 * The definition has two readings of repeatable read and serializable: mvcc reads the state of the begin, 2pl and occ
 * the newest at each statement; a rule for a scheme is held against its reading. Schedules about what the model does
 * not do (waits, crashes, declared rules, collection) are left to the engine. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/oracle.h"
#include "model/sm_contract.h"
#include "schedule/load.h"
#include "support/testdb.h"

enum { ORDERS_MOST = 3000 };

static struct ss_set set;
static struct ss_run run;

static int load(void **state) {
    (void)state;
    ss_set_init(&set);
    return ss_set_add_corpus(&set, stderr) == VARVE_OK ? 0 : -1;
}

static int release(void **state) {
    (void)state;
    ss_set_release(&set);
    return 0;
}

static bool for_the_model(const struct ss_schedule *schedule) {
    bool engine = schedule->constraint_count > 0 || schedule->id[0] == 'F' || schedule->id[0] == 'G';
    for (unsigned i = 0; i < schedule->step_count; i++)
        engine |= schedule->steps[i].verb == SS_CRASH || schedule->steps[i].verb == SS_SWITCH;
    for (unsigned i = 0; i < schedule->condition_count; i++) {
        const struct ss_condition *condition = &schedule->conditions[i];
        engine |= condition->is_status && condition->status != VARVE_OK && condition->status != VARVE_NOTFOUND &&
                  condition->status != VARVE_EXISTS;
    }
    return !engine;
}

/* Whether some interleaving shows the anomaly, read in this way; what is not allowed at its level fails at once. */
static bool shown(const struct ss_schedule *schedule, const struct sm_way *way) {
    uint64_t count = ss_interleavings(schedule), step = 1 + count / ORDERS_MOST;
    for (uint64_t n = 0; n < count; n += step) {
        uint8_t order[SS_STEPS_MAX];
        struct sm_verdict verdict;
        char words[300];
        ss_interleaving(schedule, n, order);
        sm_run(schedule, order, way, &run);
        sm_judge(schedule, &run, false, &verdict);
        sm_explain(schedule, &run, &verdict, words, sizeof words);
        TD_CHECK(verdict.safe, "%s/%llu at %s: %s", schedule->name, (unsigned long long)n, ss_level_name(way->level),
                 words);
        TD_CHECK(sm_needless(schedule, order, &run) == 0 || way->level != VARVE_SNAPSHOT, "%s/%llu: needless",
                 schedule->name, (unsigned long long)n);
        if (ss_is_anomaly(schedule, &run, !verdict.serial)) return true;
    }
    return false;
}

/* A rule for these schemes, as far as they serve the level itself: 1 = shown, 0 = not, -1 = none of them does. */
static int shown_for(const struct ss_schedule *schedule, const struct ss_rule *rule) {
    int result = -1;
    for (unsigned fresh = 0; fresh < 2; fresh++) {
        bool asked = fresh ? rule->schemes[1] || rule->schemes[2] : rule->schemes[0];
        struct sm_way way = {.level = rule->level, .fresh_reads = fresh == 1};
        if (!asked || sm_served(rule->level, fresh) != rule->level) continue;
        bool here = shown(schedule, &way);
        result = here || result == 1;
    }
    return result;
}

static unsigned check(const struct ss_schedule *schedule) {
    unsigned wrong = 0;
    for (unsigned i = 0; i < schedule->rule_count; i++) {
        const struct ss_rule *rule = &schedule->rules[i];
        int here = rule->kind == SS_MUST || rule->kind == SS_SHOW ? shown_for(schedule, rule) : -1;
        if (here < 0 || here == (rule->kind == SS_SHOW)) continue;
        print_error("%s %s: %s at %s by definition, and the file says %s (line %u)\n", schedule->id, schedule->name,
                    here ? "shown" : "never", ss_level_name(rule->level), here ? "must" : "show", rule->line);
        wrong++;
    }
    return wrong;
}

static void the_corpus_by_definition(void **state) {
    unsigned wrong = 0, looked_at = 0;
    (void)state;
    for (unsigned i = 0; i < set.count; i++) {
        if (!for_the_model(set.schedules[i])) continue;
        wrong += check(set.schedules[i]);
        looked_at++;
    }
    print_message("%u of %u schedules\n", looked_at, set.count);
    assert_int_equal(wrong, 0);
    assert_true(looked_at > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_corpus_by_definition)};
    return cmocka_run_group_tests_name("levels", tests, load, release);
}
