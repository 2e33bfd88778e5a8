/* test_page.c - the page: every cell is there, pictures are well formed, names from outside stay text, nothing leads
 * out, violations stand at the top, and a matrix of nothing gives a page too.
 *
 * SPDX-License-Identifier: MIT
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/page.h"
#include "suite/report/wellformed.h"
#include "support/testdb.h"

static const char TEXT[] =
    "schedule D1 write-skew\nabout both read both rows, each <b>overwrites</b> one & \"commits\"\nlike nobody's "
    "<script>\n"
    "init x=0 y=0\ns1: r x | r y | w x 1 | c\ns2: r x | r y | w y 1 | c\nanomaly s1.1=0 s1.2=0 s2.1=0 s2.2=0 "
    "all-commit\nmust ser rr\nshow si@mvcc rc\n"
    "schedule A1 dirty-write\nabout two writers\ninit x=0 y=0\ns1: w x 1 | w y 1 | c\ns2: w x 2 | w y 2 | c\n"
    "anomaly final x=1 final y=2 all-commit\nmust rc rr si ser\n"
    "schedule ODD own-family\nabout a family of its own\ninit x=0\ns1: r x | c\ns2: w x 1 | c\nanomaly s1.1=7\n";

static struct ss_set set;
static struct sr_matrix matrix;

static void sweep(const char *text) {
    char error[300];
    ss_set_init(&set);
    assert_int_equal(ss_set_add_text(&set, "here.sched", text, stderr), VARVE_OK);
    int status = sr_sweep(&set, &(struct sr_options){.threads = 1}, &matrix, error, sizeof error);
    TD_CHECK(status == VARVE_OK, "%s", error);
    sr_print_findings(stdout, &matrix); /* none, unless a test plants one */
}

static void release(void) {
    sr_release(&matrix);
    ss_set_release(&set);
}

static char *page(const struct sp_about *about) {
    static char *text; /* static: gcc takes a stream's buffer for the address of the variable */
    static size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(sp_page(out, &matrix, about), VARVE_OK);
    fclose(out);
    return text;
}

static unsigned count_of(const char *text, const char *part) {
    unsigned count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part)) count++;
    return count;
}

static unsigned pictures_well_formed(const char *text) {
    unsigned count = 0;
    char fault[160];
    for (const char *at = strstr(text, "<svg "); at; at = strstr(at + 1, "<svg "), count++) {
        const char *end = strstr(at, "</svg>");
        assert_non_null(end);
        TD_CHECK(wf_check(at, (size_t)(end + 6 - at), fault, sizeof fault) > 10, "picture %u: %s", count, fault);
    }
    return count;
}

/* Of the matrix: what stands between the head of a row and its end. */
static char *row_of(const char *text, const char *id) {
    char head[64];
    snprintf(head, sizeof head, "<tr data-row=\"%s\">", id);
    const char *begin = strstr(text, head);
    assert_non_null(begin);
    return strndup(begin, (size_t)(strstr(begin, "</tr>") - begin));
}

static void page__has_every_cell(void **state) {
    (void)state;
    sweep(TEXT);
    char *text = page(NULL), *skew = row_of(text, "D1"), *write = row_of(text, "A1");
    assert_int_equal(matrix.pair_count, 15);
    assert_int_equal(count_of(text, "<tr data-row="), 3);
    assert_int_equal(count_of(skew, "<td "), 15);
    assert_int_equal(count_of(write, "<td "), 15);
    assert_int_equal(count_of(write, "<td class=\"p"), 15);
    assert_int_equal(count_of(skew, "title=\"mvcc at snapshot: shown, shown in 68 of 70 runs"), 1);
    assert_int_equal(count_of(skew, "title=\"2pl at snapshot, served as serializable: prevented"), 1);
    assert_int_equal(count_of(skew, "<td class=\"s"), 7); /* ru and rc everywhere, si in mvcc */
    assert_non_null(strstr(skew, "validation"));
    assert_non_null(strstr(skew, "wounded"));
    assert_int_equal(count_of(text, "<details class=\"phenomenon\""), 3);
    assert_true(pictures_well_formed(text) >= 3 * 3 + 1);
    for (const char *at = text; *at; at++)
        TD_CHECK((unsigned char)*at >= 0x20 || *at == '\n', "a control character before %.40s", at + 1);
    free(skew);
    free(write);
    free(text);
    release();
}

static void page__keeps_text_as_text(void **state) {
    (void)state;
    sweep(TEXT);
    struct sp_about about = {.version = "<script>alert(1)</script>", .compiler = "\"><img src=x>", .date = "a & b"};
    char *text = page(&about);
    assert_int_equal(count_of(text, "<script"), 1); /* our own */
    assert_null(strstr(text, "<img"));
    assert_null(strstr(text, "<b>overwrites"));
    assert_non_null(strstr(text, "&lt;b&gt;overwrites&lt;/b&gt; one &amp; &quot;commits&quot;"));
    assert_non_null(strstr(text, "nobody&#39;s &lt;script&gt;"));
    free(text);
    release();
}

static void page__leads_nowhere(void **state) {
    (void)state;
    sweep(TEXT);
    char *text = page(NULL);
    assert_null(strstr(text, "src="));
    assert_null(strstr(text, "@import"));
    assert_null(strstr(text, "url("));
    assert_non_null(strstr(text, "default-src 'none'"));
    for (const char *at = strstr(text, "href=\""); at; at = strstr(at + 1, "href=\""))
        TD_CHECK(at[6] == '#' || !strncmp(at + 6, "data:,", 6), "%.60s", at);
    for (const char *at = strstr(text, "http"); at; at = strstr(at + 1, "http"))
        TD_CHECK(!strncmp(at, "http://www.w3.org/2000/svg", 26) || !strncmp(at, "http-equiv", 10), "%.60s", at);
    free(text);
    release();
}

static void page__puts_violations_first(void **state) {
    (void)state;
    sweep(TEXT);
    char *clean = page(NULL);
    assert_null(strstr(clean, "id=\"violations\""));
    assert_null(strstr(clean, "<td class=\"v"));
    free(clean);
    struct sr_finding *own = matrix.findings, planted = {.kind = SR_ANOMALY,
                                                         .schedule = 0,
                                                         .id = "D1",
                                                         .pair = 3,
                                                         .line = 8,
                                                         .interleaving = 1,
                                                         .count = 2,
                                                         .text = "planted <here>"};
    unsigned own_count = matrix.finding_count;
    matrix.findings = &planted;
    matrix.finding_count = 1;
    char *text = page(NULL), *row = row_of(text, "D1");
    const char *violations = strstr(text, "id=\"violations\"");
    assert_non_null(violations);
    assert_true(violations < strstr(text, "id=\"matrix\""));
    assert_non_null(strstr(violations, "planted &lt;here&gt;"));
    assert_non_null(strstr(violations, "<figure class=\"bad\""));
    assert_int_equal(count_of(row, "<td class=\"v"), 1);
    free(row);
    free(text);
    matrix.findings = own;
    matrix.finding_count = own_count;
    release();
}

static void page__shows_other_engines(void **state) {
    (void)state;
    sweep(TEXT);
    struct sp_peer_cell cells[] = {{70, 12, 0, 3}, {20, 0, 9, 0}, {0, 0, 0, 0}};
    struct sp_peer peer = {.engine = "engine <1>", .level = "degree 2", .cells = cells};
    char *text = page(&(struct sp_about){.peers = &peer, .peer_count = 1});
    const char *part = strstr(text, "id=\"peers\"");
    assert_non_null(part);
    assert_non_null(strstr(part, "engine &lt;1&gt;"));
    assert_non_null(strstr(part, "shown in 12 of 70 runs, 0 blocked, 3 refused"));
    assert_non_null(strstr(part, "<i>blocked</i>"));
    assert_non_null(strstr(part, "<i>not run</i>"));
    free(text);
    release();
}

static void page__of_nothing(void **state) {
    (void)state;
    ss_set_init(&set);
    memset(&matrix, 0, sizeof matrix);
    matrix.set = &set;
    char *text = page(NULL);
    assert_non_null(strstr(text, "</html>"));
    free(text);
    ss_set_release(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page__has_every_cell),      cmocka_unit_test(page__keeps_text_as_text),
        cmocka_unit_test(page__leads_nowhere),       cmocka_unit_test(page__puts_violations_first),
        cmocka_unit_test(page__shows_other_engines), cmocka_unit_test(page__of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
