/* test_matrix.c - the matrix: that it counts what the definitions say, names what contradicts a rule, and does not depend
 * on who ran what.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/matrix.h"
#include "support/testdb.h"

static struct ss_set set;
static struct sr_matrix matrix;

static void sweep(const char *text, const struct sr_options *options) {
    char error[256];
    ss_set_init(&set);
    struct sr_options with = *options;
    with.part = text != NULL;
    int status = text != NULL ? ss_set_add_text(&set, "test", text, stderr) : ss_set_add_corpus(&set, stderr);
    assert_int_equal(status, VARVE_OK);
    status = sr_sweep(&set, &with, &matrix, error, sizeof error);
    TD_CHECK(status == VARVE_OK, "%s", error);
}

static void over(void) {
    sr_release(&matrix);
    ss_set_release(&set);
}

static unsigned pair_of(const char *scheme, varve_isolation asked) {
    for (unsigned p = 0; p < matrix.pair_count; p++)
        if (strcmp(matrix.pairs[p].scheme, scheme) == 0 && matrix.pairs[p].asked == asked) return p;
    fail_msg("no pair %s", scheme);
    return 0;
}

static const struct sr_cell *cell(const char *scheme, varve_isolation asked) {
    return &matrix.cells[0][pair_of(scheme, asked)];
}

#define LOST_UPDATE        \
    "schedule C1 lost\n"   \
    "init x=0\n"           \
    "s1: r x | w x 1 | c\n" \
    "s2: r x | w x 2 | c\n" \
    "anomaly s1.1=0 s2.1=0 all-commit\n"

/* Both read before either has committed: of the 20 interleavings, 20 less the 2 serial ones in which a commit comes first. */
static void it_counts_what_the_definition_says(void **state) {
    (void)state;
    struct sr_options options = {0};
    sweep(LOST_UPDATE "must rr si ser\nshow rc\n", &options);
    assert_int_equal(matrix.pair_count, 15);
    assert_int_equal(matrix.interleavings, 20);
    assert_int_equal(matrix.runs, 300);
    assert_int_equal(cell("mvcc", VARVE_READ_COMMITTED)->shown, 18);
    assert_int_equal(cell("occ", VARVE_READ_COMMITTED)->shown, 18);
    for (unsigned i = 0; i < TD_SCHEMES; i++) {
        assert_true(cell(td_schemes[i], VARVE_READ_COMMITTED)->shown > 0);
        assert_int_equal(cell(td_schemes[i], VARVE_SERIALIZABLE)->shown, 0);
        assert_int_equal(cell(td_schemes[i], VARVE_SERIALIZABLE)->runs, 20);
    }
    assert_int_equal(matrix.finding_count, 0);
    assert_true((cell("mvcc", VARVE_SERIALIZABLE)->ways & 1u << SR_VALIDATED) != 0);
    assert_int_equal(cell("mvcc", VARVE_SERIALIZABLE)->ways & 1u << SR_VICTIM, 0);
    assert_int_equal(cell("mvcc", VARVE_SNAPSHOT)->ways, 1u << SR_FIRST_COMMITTER);
    assert_true((cell("2pl", VARVE_SERIALIZABLE)->ways & 1u << SR_VICTIM) != 0);
    assert_int_equal(cell("2pl", VARVE_SERIALIZABLE)->ways & 1u << SR_VALIDATED, 0);
    assert_int_equal(cell("occ", VARVE_SERIALIZABLE)->ways, 1u << SR_VALIDATED);
    assert_int_equal(matrix.pairs[pair_of("occ", VARVE_SNAPSHOT)].served, VARVE_SERIALIZABLE);
    over();
}

static const struct sr_finding *finding(enum sr_finding_kind kind, const char *scheme, varve_isolation asked) {
    unsigned pair = pair_of(scheme, asked);
    for (unsigned i = 0; i < matrix.finding_count; i++)
        if (matrix.findings[i].kind == kind && matrix.findings[i].pair == pair && matrix.findings[i].schedule == 0)
            return &matrix.findings[i];
    return NULL;
}

/* Rules that are wrong on purpose. */
static void it_names_what_contradicts_a_rule(void **state) {
    (void)state;
    struct sr_options options = {.only = "lost"};
    sweep(LOST_UPDATE "must rc\nshow ser@mvcc,2pl\n", &options);
    const struct sr_finding *found = finding(SR_ANOMALY, "mvcc", VARVE_READ_COMMITTED);
    assert_non_null(found);
    assert_int_equal(found->line, 6);
    assert_int_equal(found->count, 18);
    assert_non_null(finding(SR_ANOMALY, "mvcc", VARVE_READ_UNCOMMITTED)); /* judged as it is served */
    assert_null(finding(SR_ANOMALY, "mvcc", VARVE_REPEATABLE_READ));
    found = finding(SR_NOT_SHOWN, "2pl", VARVE_SERIALIZABLE);
    assert_non_null(found);
    assert_int_equal(found->line, 7);
    assert_non_null(finding(SR_NOT_SHOWN, "2pl", VARVE_SNAPSHOT)); /* which 2pl serves as serializable */
    assert_non_null(finding(SR_NOT_SHOWN, "mvcc", VARVE_SERIALIZABLE));
    assert_null(finding(SR_NOT_SHOWN, "mvcc", VARVE_SNAPSHOT));
    assert_null(finding(SR_NOT_SHOWN, "occ", VARVE_SERIALIZABLE));
    uint8_t order[SS_STEPS_MAX];
    ss_interleaving(set.schedules[0], finding(SR_ANOMALY, "mvcc", VARVE_READ_COMMITTED)->interleaving, order);
    char summary[160];
    sr_summary(&matrix, summary, sizeof summary);
    assert_non_null(strstr(summary, "20 schedules, 15 scheme-level pairs, "));
    assert_null(strstr(summary, " 0 violations"));
    over();
}

static void a_choice_of_pairs_is_kept(void **state) {
    (void)state;
    struct sr_options options = {.only = "C1"};
    options.schemes[ss_scheme_find("occ")] = true;
    options.levels[VARVE_SNAPSHOT] = options.levels[VARVE_READ_COMMITTED] = true;
    sweep(LOST_UPDATE "schedule D1 other\ns1: w x 1 | c\n", &options);
    assert_int_equal(matrix.pair_count, 2);
    assert_int_equal(matrix.schedules, 1);
    assert_true(matrix.chosen[0] && !matrix.chosen[1]);
    over();
    options.only = "nothing";
    char error[256];
    ss_set_init(&set);
    assert_int_equal(ss_set_add_text(&set, "test", LOST_UPDATE, stderr), VARVE_OK);
    assert_int_equal(sr_sweep(&set, &options, &matrix, error, sizeof error), VARVE_INVALID);
    assert_non_null(strstr(error, "nothing"));
    over();
}

/* The JSON of the whole corpus, but for the time it took. */
static char *corpus_as_json(const struct sr_options *options) {
    char *text = NULL;
    size_t size = 0;
    sweep(NULL, options);
    matrix.ns = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    sr_print_json(out, &matrix, NULL);
    assert_int_equal(fclose(out), 0);
    over();
    return text;
}

static void who_runs_what_does_not_matter(void **state) {
    (void)state;
    struct sr_options one = {.threads = 1}, three = {.threads = 3, .seed = 12345};
    char *a = corpus_as_json(&one), *b = corpus_as_json(&three);
    assert_true(strlen(a) > 1000);
    assert_true(strcmp(a, b) == 0);
    free(a);
    free(b);
}

/* Small leaves, few read locks, ghosts everywhere, every policy: nothing that is promised is broken. */
static void no_variant_violates_anything(void **state) {
    (void)state;
    const struct sr_options variants[] = {{.tiny = true, .deadlock = "no_wait"},
                                          {.tiny = true, .keep_ghosts = true, .deadlock = "detect"},
                                          {.deadlock = "wait_die", .seed = 3}};
    for (unsigned i = 0; i < sizeof variants / sizeof *variants; i++) {
        sweep(NULL, &variants[i]);
        sr_print_findings(stderr, &matrix);
        assert_int_equal(matrix.finding_count, 0);
        over();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_counts_what_the_definition_says),
        cmocka_unit_test(it_names_what_contradicts_a_rule),
        cmocka_unit_test(a_choice_of_pairs_is_kept),
        cmocka_unit_test(who_runs_what_does_not_matter),
        cmocka_unit_test(no_variant_violates_anything),
    };
    td_watchdog(300);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
