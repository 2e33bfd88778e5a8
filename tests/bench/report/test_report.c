/* test_report.c - what a report tells is what was measured: medians and ranges, failures without figures, text from outside
 * escaped in JSON and on the page.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/driver/engine_varve.h"
#include "bench/loads/loads.h"
#include "bench/report/report.h"
#include "support/testdb.h"

static struct bd_result result; /* large */

/* A result of these rates, in this order. */
static void set_rates(const double *rates, unsigned count) {
    memset(&result, 0, sizeof result);
    result.repeats = count;
    memcpy(result.rate, rates, count * sizeof *rates);
}

static void the_median_is_of_the_sorted_rates(void **state) {
    static const double odd[] = {30, 10, 20}, even[] = {40, 10, 30, 20}, one[] = {7};
    struct br_measure m;
    (void)state;
    set_rates(odd, 3);
    br_measure_of(&m, &result, 0);
    assert_true(m.median == 20 && m.least == 10 && m.most == 30);
    assert_true(m.rate[0] == 30 && m.rate[2] == 20); /* in the order measured */
    set_rates(even, 4);
    br_measure_of(&m, &result, 0);
    assert_true(m.median == 25 && m.least == 10 && m.most == 40);
    set_rates(one, 1);
    br_measure_of(&m, &result, 0);
    assert_true(m.median == 7 && m.least == 7 && m.most == 7);
    set_rates(one, 0);
    br_measure_of(&m, &result, 0);
    assert_true(m.repeats == 0 && m.median == 0);
}

static void quantiles_and_kinds_are_those_of_the_histograms(void **state) {
    static const double one[] = {1};
    struct br_measure m;
    (void)state;
    set_rates(one, 1);
    for (uint64_t i = 1; i <= 100; i++) bd_record(&result.latency, i); /* exact below 128 */
    for (uint64_t i = 1; i <= 100; i += 2) bd_record(&result.by_kind[1], i);
    result.committed[0] = 50;
    result.committed[1] = 50;
    br_measure_of(&m, &result, 123);
    assert_int_equal(m.committed, 100);
    assert_true(m.target == 123);
    assert_int_equal(m.p50, bd_quantile(&result.latency, 0.5));
    assert_true(m.p50 >= 50 && m.p50 <= 51 && m.p99 >= 99 && m.max == 100);
    assert_int_equal(m.kind_p50[1], bd_quantile(&result.by_kind[1], 0.5));
    assert_int_equal(m.kind_p50[0], 0);
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static struct br_section section;
static struct br_run run;

static struct br_report a_report(const char *command) {
    section = (struct br_section){.load = &bl_rmw, .threads = 2};
    memset(&run, 0, sizeof run);
    run.engine = &bench_varve_mvcc;
    run.level = EV_SERIALIZABLE;
    run.asked = VARVE_SERIALIZABLE;
    run.ours = true;
    return (struct br_report){.command = command, .sync = "none", .seconds = 1, .repeats = 1, .sections = &section,
                              .runs = &run, .section_count = 1, .run_count = 1};
}

/* What fn writes; freed by the caller. */
static char *json_of(const struct br_report *report) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    br_json(out, report, &report->runs[0]);
    assert_int_equal(fclose(out), 0);
    return text;
}
static char *page_of(const struct br_report *report) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(br_page(out, report), VARVE_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void expect_in(const char *text, const char *wanted, bool there) {
    TD_CHECK((strstr(text, wanted) != NULL) == there, "'%s' %s in: %.2000s", wanted, there ? "is not" : "is", text);
}

static void text_from_outside_is_escaped(void **state) {
    static const double one[] = {1000};
    struct br_report report = a_report("varve bench --dir \"a\\b\"\n<script>&amp;</script>");
    (void)state;
    set_rates(one, 1);
    br_measure_of(&run.peak, &result, 0);
    char *json = json_of(&report), *page = page_of(&report);
    expect_in(json, "\"command\":\"varve bench --dir \\\"a\\\\b\\\"\\u000a<script>&amp;</script>\"", true);
    assert_ptr_equal(strchr(json, '\n'), json + strlen(json) - 1); /* one line */
    expect_in(page, "<script", false);
    expect_in(page, "&lt;script&gt;&amp;amp;", true);
    free(json);
    free(page);
}

static void a_run_that_failed_has_a_reason_and_no_figure(void **state) {
    static const double one[] = {987654};
    struct br_report report = a_report("varve bench");
    (void)state;
    set_rates(one, 1);
    result.failed = true;
    snprintf(result.text, sizeof result.text, "after the run: a row is <gone>");
    br_measure_of(&run.peak, &result, 0);
    char *json = json_of(&report), *page = page_of(&report);
    expect_in(json, "\"failed\":true,\"failure\":\"after the run: a row is <gone>\"", true);
    expect_in(json, "txn_per_s", false);
    expect_in(page, "after the run: a row is &lt;gone&gt;", true);
    expect_in(page, "987", false);
    free(json);
    free(page);
}

static void what_was_not_measured_is_not_told(void **state) {
    struct br_report report = a_report("varve bench");
    (void)state;
    char *json = json_of(&report);
    assert_string_equal(json, "");
    free(json);
}

static void weaker_is_less_than_was_asked(void **state) {
    (void)state;
    a_report("");
    assert_false(br_weaker(&run));
    run.level = EV_SERIALIZABLE - 1; /* snapshot */
    assert_true(br_weaker(&run));
    run.asked = VARVE_REPEATABLE_READ;
    assert_false(br_weaker(&run));
    run.level = 0; /* ours serves it as read committed */
    run.asked = VARVE_READ_UNCOMMITTED;
    assert_false(br_weaker(&run));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_median_is_of_the_sorted_rates),
                                       cmocka_unit_test(quantiles_and_kinds_are_those_of_the_histograms),
                                       cmocka_unit_test(text_from_outside_is_escaped),
                                       cmocka_unit_test(a_run_that_failed_has_a_reason_and_no_figure),
                                       cmocka_unit_test(what_was_not_measured_is_not_told),
                                       cmocka_unit_test(weaker_is_less_than_was_asked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
