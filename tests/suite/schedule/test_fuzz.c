/* test_fuzz.c - whatever a file holds, the parser answers with a schedule or with a line and a reason; what it accepts
 * is within its limits, reads the same when written out, and can be run. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/oracle.h"
#include "schedule/corpus.h"
#include "support/testdb.h"

enum { TEXT_BYTES = 40000 };

static struct ss_schedule schedule, again;
static struct ss_run run;
static char text[TEXT_BYTES];
static unsigned accepted, rejected;

/* --- what is accepted
 * ------------------------------------------------------------------------------------------------- */

static void same(const void *a, const void *b, size_t size, const char *what) {
    TD_CHECK(memcmp(a, b, size) == 0, "%s of %s differ when written and read again", what, schedule.name);
}

static void same_steps(void) {
    TD_CHECK(schedule.step_count == again.step_count, "%s: steps", schedule.name);
    for (unsigned i = 0; i < schedule.step_count; i++) {
        struct ss_step *a = &schedule.steps[i], *b = &again.steps[i];
        b->line = a->line;
        memcpy(b->text, a->text, sizeof a->text);
    }
    same(schedule.steps, again.steps, sizeof schedule.steps, "steps");
    same(schedule.first_step, again.first_step, sizeof schedule.first_step, "sessions");
}

static void write_and_read(void) {
    char *written = NULL;
    size_t size = 0;
    struct ss_problem problem;
    const char *next;
    unsigned line;
    FILE *out = open_memstream(&written, &size);
    assert_non_null(out);
    assert_int_equal(ss_write(out, &schedule), VARVE_OK);
    fclose(out);
    int status = ss_parse(written, 1, &again, &next, &line, &problem);
    TD_CHECK(status == VARVE_OK, "%s: line %u: %s\n%s", schedule.name, problem.line, problem.text, written);
    same_steps();
    for (unsigned i = 0; i < schedule.rule_count; i++) again.rules[i].line = schedule.rules[i].line;
    again.line = schedule.line;
    same(&schedule, &again, sizeof schedule, "parts");
    free(written);
}

static void within_limits(void) {
    TD_CHECK(schedule.session_count >= 1 && schedule.session_count <= SS_SESSIONS_MAX, "sessions");
    TD_CHECK(schedule.step_count >= 1 && schedule.step_count <= SS_STEPS_MAX, "steps");
    TD_CHECK(schedule.key_count <= SS_KEYS_MAX && schedule.txn_count <= SS_TXNS_MAX, "keys");
    for (unsigned k = 1; k < schedule.key_count; k++)
        TD_CHECK(strcmp(schedule.keys[k - 1], schedule.keys[k]) < 0, "keys are not in order");
    for (unsigned i = 0; i < schedule.step_count; i++)
        TD_CHECK(schedule.steps[i].txn <= SS_TXNS_MAX &&
                     (schedule.steps[i].txn == SS_TXNS_MAX) == (schedule.steps[i].verb >= SS_GC),
                 "txn of step %u", i);
}

static void run_once(struct td_random *rng) {
    uint8_t order[SS_STEPS_MAX];
    struct sm_way way = {.level = (varve_isolation)(1 + td_below(rng, 5)), .fresh_reads = td_chance(rng, 50)};
    struct sm_verdict verdict;
    uint64_t count = ss_interleavings(&schedule);
    assert_true(count > 0);
    ss_interleaving(&schedule, td_below(rng, count), order);
    sm_run(&schedule, order, &way, &run);
    if (schedule.txn_count > 6) return; /* the search for an order is another test's */
    sm_judge(&schedule, &run, false, &verdict);
    char words[300];
    sm_explain(&schedule, &run, &verdict, words, sizeof words);
    TD_CHECK(verdict.safe, "%s, run at %s%s: %s\n%s", schedule.name, ss_level_name(way.level),
             way.fresh_reads ? ", fresh" : "", words, text);
    (void)ss_is_anomaly(&schedule, &run, !verdict.serial);
}

/* Parses the whole text; a problem has a line of it and a reason. */
static void parse_all(struct td_random *rng) {
    const char *at = text;
    unsigned line = 1, lines = 1;
    for (const char *c = text; *c != 0; c++) lines += *c == '\n';
    for (;;) {
        struct ss_problem problem;
        const char *before = at;
        int status = ss_parse(at, line, &schedule, &at, &line, &problem);
        if (status == VARVE_END) break;
        TD_CHECK(at > before, "the parser stands still");
        if (status == VARVE_OK) {
            accepted++;
            within_limits();
            write_and_read();
            run_once(rng);
            continue;
        }
        rejected++;
        TD_CHECK(status == VARVE_INVALID, "status %d", status);
        TD_CHECK(problem.line >= 1 && problem.line <= lines, "line %u of %u", problem.line, lines);
        TD_CHECK(problem.text[0] != 0 && strlen(problem.text) < sizeof problem.text, "no reason");
        for (const char *c = problem.text; *c != 0; c++)
            TD_CHECK((unsigned char)*c >= 0x20 && *c != 0x7f, "a reason that cannot be printed: %s", problem.text);
    }
    TD_CHECK(*at == 0, "the parser stopped before the end");
}

/* --- spoilt files
 * ----------------------------------------------------------------------------------------------------- */

static const char *const pieces[] = {"schedule ",
                                     "s1: ",
                                     "s2: ",
                                     "s9: ",
                                     " | ",
                                     " & ",
                                     "\n",
                                     "r x",
                                     "w x 1",
                                     "w y r(x)+1",
                                     "s [a,m)",
                                     "del [,)",
                                     "c",
                                     "a",
                                     "b ser ro",
                                     "open [a,z) rev",
                                     "next",
                                     "close",
                                     "sp",
                                     "rb",
                                     "when r(x) < 1 : ",
                                     "gc",
                                     "crash",
                                     "switch occ",
                                     "run all",
                                     "run 1 2 1 2",
                                     "anomaly ",
                                     "s1.1=0 ",
                                     "s2.2={x=1,y=2}",
                                     "!all-commit",
                                     "final x=-",
                                     "must ser@2pl,occ",
                                     "show rc",
                                     "precision 3 ser",
                                     "init x=1",
                                     "((((((((",
                                     "))))",
                                     "99999999999999999999",
                                     "-",
                                     "-1",
                                     "#",
                                     "{",
                                     "}",
                                     "=",
                                     "@",
                                     ",",
                                     "\t",
                                     "\r",
                                     "\x01",
                                     "\xff",
                                     "limit 3",
                                     "allow rr",
                                     "count()",
                                     "sum()",
                                     "constraint k key_bytes 1 9",
                                     "s1.commit",
                                     "s1.2=abort",
                                     "ins k1 2",
                                     "about words",
                                     "like",
                                     "1",
                                     ".",
                                     "*",
                                     "+"};
enum { PIECES = sizeof pieces / sizeof pieces[0] };

static void insert(size_t at, const char *piece) {
    size_t size = strlen(text), more = strlen(piece);
    if (size + more + 1 > sizeof text) return;
    memmove(text + at + more, text + at, size - at + 1);
    memcpy(text + at, piece, more);
}

static void spoil(struct td_random *rng) {
    size_t size = strlen(text), at = td_below(rng, size + 1), many = td_below(rng, 12);
    switch (td_below(rng, 5)) {
    case 0: insert(at, pieces[td_below(rng, PIECES)]); return;
    case 1:
        if (at < size) text[at] = (char)(1 + td_below(rng, 255));
        return;
    case 2:
        if (at + many <= size) memmove(text + at, text + at + many, size - at - many + 1);
        return;
    case 3: {
        char copy[13] = "";
        if (at + many <= size) memcpy(copy, text + at, many);
        insert(td_below(rng, size + 1), copy);
        return;
    }
    default:
        if (at < size && td_chance(rng, 20)) text[at] = 0;
    }
}

static void spoilt_files(void **state) {
    struct td_random rng;
    uint64_t seed = td_seed();
    unsigned cases = td_case_count(20000);
    (void)state;
    for (unsigned number = 0; number < cases; number++) {
        if (td_only_case() >= 0 && td_only_case() != (long)number) continue;
        rng.state = seed * 7919 + number;
        td_context("VARVE_TEST_SEED=%llu VARVE_TEST_CASE=%u", (unsigned long long)seed, number);
        const char *file = ss_corpus[td_below(&rng, ss_corpus_count)].text, *from = file;
        for (unsigned skip = (unsigned)td_below(&rng, 20); skip > 0; skip--) { /* one of its schedules, and a bit */
            const char *later = strstr(from + 1, "\nschedule ");
            from = later != NULL ? later : file;
        }
        snprintf(text, 200 + td_below(&rng, 1000), "%s", from);
        for (unsigned faults = (unsigned)td_below(&rng, 5); faults > 0; faults--) spoil(&rng);
        parse_all(&rng);
    }
}

static void heaps_of_pieces(void **state) {
    struct td_random rng;
    uint64_t seed = td_seed();
    unsigned cases = td_case_count(20000);
    (void)state;
    for (unsigned number = 0; number < cases; number++) {
        if (td_only_case() >= 0 && td_only_case() != (long)number) continue;
        rng.state = seed * 104729 + number;
        td_context("VARVE_TEST_SEED=%llu VARVE_TEST_CASE=%u", (unsigned long long)seed, number);
        strcpy(text, "schedule A1 x\ns1: ");
        for (unsigned count = (unsigned)td_below(&rng, 30); count > 0; count--)
            strcat(text, pieces[td_below(&rng, PIECES)]);
        parse_all(&rng);
    }
    TD_CHECK(td_only_case() >= 0 || (accepted > cases / 40 && rejected > cases / 40), "%u accepted, %u rejected",
             accepted, rejected);
}

static void the_corpus_reads_the_same(void **state) {
    struct td_random rng = {td_seed()};
    (void)state;
    accepted = rejected = 0;
    for (unsigned i = 0; i < ss_corpus_count; i++) {
        TD_CHECK(strlen(ss_corpus[i].text) < sizeof text, "%s is larger than this test thinks", ss_corpus[i].name);
        strcpy(text, ss_corpus[i].text);
        td_context("%s", ss_corpus[i].name);
        parse_all(&rng);
    }
    assert_int_equal(rejected, 0);
    assert_true(accepted >= ss_corpus_count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_corpus_reads_the_same),
        cmocka_unit_test(spoilt_files),
        cmocka_unit_test(heaps_of_pieces),
    };
    return cmocka_run_group_tests_name("fuzz", tests, NULL, NULL);
}
