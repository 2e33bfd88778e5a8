/* test_picture.c - pictures of histories and runs: always well formed, whatever stands in them; nothing is missing;
 * what was seen stands below the commit that wrote it; edges lead where the finding says.
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
#include <unistd.h>

#include <cmocka.h>

#include "report/picture.h"
#include "step/step.h"
#include "suite/report/wellformed.h"
#include "support/testdb.h"

enum { CASES = 400, DOT_CASES = 12 };

/* --- help ------------------------------------------------------------------------------------------------------------
 */

struct drawn {
    char *text;
    size_t size;
};

static struct drawn draw(const struct hs_history *h, const struct ck_finding *finding, const char *title,
                         enum sp_form form, unsigned columns) {
    struct drawn drawn;
    FILE *out = open_memstream(&drawn.text, &drawn.size);
    int status = form == SP_SVG   ? sp_svg(out, h, finding, title)
                 : form == SP_DOT ? sp_dot(out, h, finding, title)
                                  : sp_text(out, h, finding, columns);
    assert_int_equal(status, VARVE_OK);
    fclose(out);
    return drawn;
}

static unsigned count_of(const char *text, const char *part) {
    unsigned count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part)) count++;
    return count;
}

static void is_well_formed(const struct drawn *drawn, unsigned least_elements) {
    char fault[160];
    unsigned elements = wf_check(drawn->text, drawn->size, fault, sizeof fault);
    TD_CHECK(elements >= least_elements && elements > 0, "%u elements; %s", elements, fault);
}

static uint32_t key(struct hs_history *h, const char *name) {
    uint32_t id;
    assert_int_equal(hs_key(h, name, strlen(name), &id), VARVE_OK);
    return id;
}

static void begin(struct hs_history *h, uint32_t session, uint64_t from, uint64_t to, enum hs_outcome outcome) {
    struct hs_txn txn = {.begin = from,
                         .end = to,
                         .snapshot = HS_NO_STAMP,
                         .session = session,
                         .outcome = (uint8_t)outcome,
                         .level = VARVE_SNAPSHOT};
    assert_int_equal(hs_txn_add(h, &txn), VARVE_OK);
}

static void op(struct hs_history *h, enum hs_kind kind, const char *name, int64_t value) {
    struct hs_op added = {.key = key(h, name), .kind = (uint8_t)kind, .value = value};
    assert_int_equal(hs_op_add(h, &added), VARVE_OK);
}

static void finish(struct hs_history *h) {
    struct hs_problem problem;
    int status = hs_finish(h, &problem);
    TD_CHECK(status == VARVE_OK, "%s", problem.text);
}

/* T0 and T1 of a write skew; both begin before either ends. */
static void write_skew(struct hs_history *h, struct ck_finding *finding) {
    hs_init(h);
    h->timed = h->by_session = true;
    begin(h, 1, 1, 10, HS_COMMITTED);
    op(h, HS_READ, "x", 0);
    op(h, HS_READ, "y", 0);
    op(h, HS_WRITE, "x", 1);
    begin(h, 2, 2, 11, HS_COMMITTED);
    op(h, HS_READ, "x", 0);
    op(h, HS_READ, "y", 0);
    op(h, HS_WRITE, "y", 2);
    finish(h);
    memset(finding, 0, sizeof *finding);
    finding->anomaly = CK_G2_ITEM;
    finding->op = UINT64_MAX;
    finding->other = finding->txn = HS_OPEN;
    finding->edge_count = 2;
    finding->edges[0] = (struct ck_edge){0, 1, key(h, "y"), CK_RW, 0, 2};
    finding->edges[1] = (struct ck_edge){1, 0, key(h, "x"), CK_RW, 0, 1};
    snprintf(finding->proof, sizeof finding->proof, "T0 before T1: T0 read y=0, T1 wrote y=2 over it");
}

/* --- escaping --------------------------------------------------------------------------------------------------------
 */

static void escape__lets_nothing_through(void **state) {
    (void)state;
    static const struct {
        const char *in;
        size_t size;
        const char *out;
    } cases[] = {
        {"plain", 5, "plain"},
        {"<script>", 8, "&lt;script&gt;"},
        {"\"a\" & 'b'", 9, "&quot;a&quot; &amp; &#39;b&#39;"},
        {"]]>", 3, "]]&gt;"},
        {"a\0b", 3, "a\uFFFDb"},
        {"\x1b[31m", 5, "\uFFFD[31m"},
        {"gr\xc3\xbcn", 5, "gr\xc3\xbcn"},
        {"\xc3", 1, "\uFFFD"},
        {"\xc3(", 2, "\uFFFD("},
        {"\xff\xfe", 2, "\uFFFD\uFFFD"},
        {"\xed\xa0\x80", 3, "\uFFFD\uFFFD\uFFFD"}, /* half a surrogate */
        {"\xc0\xbc", 2, "\uFFFD\uFFFD"},           /* '<' in too many bytes */
        {"\xe2\x80\xae", 3, "\uFFFD\uFFFD\uFFFD"}, /* turns the direction of what follows */
        {"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
        {"\xf4\x90\x80\x80", 4, "\uFFFD\uFFFD\uFFFD\uFFFD"}, /* past the last code point */
        {"\xef\xbf\xbf", 3, "\uFFFD\uFFFD\uFFFD"},           /* no character of XML */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        sp_escape(out, cases[i].in, cases[i].size);
        fclose(out);
        TD_CHECK(!strcmp(text, cases[i].out), "case %zu gives \"%s\"", i, text);
        free(text);
    }
}

static void hostile_names__stay_text(void **state) {
    (void)state;
    struct hs_history h;
    hs_init(&h);
    begin(&h, 0, 0, 0, HS_COMMITTED);
    op(&h, HS_WRITE, "<script>alert(1)</script>", 1);
    op(&h, HS_READ, "\" onload=\"x", 2);
    op(&h, HS_READ, "&#0;]]>", 2);
    op(&h, HS_READ, "\xff\x00\x1b[2J", HS_ABSENT);
    finish(&h);
    const char *title = "</title><script>1</script>";
    struct drawn svg = draw(&h, NULL, title, SP_SVG, 0), dot = draw(&h, NULL, "\"];}\nx -> y [label=\"", SP_DOT, 0);
    is_well_formed(&svg, 10);
    assert_null(strstr(svg.text, "<script"));
    assert_null(strstr(svg.text, "\" onload=\""));
    assert_null(strchr(svg.text, 0x1b));
    assert_non_null(strstr(dot.text, "\\\"];}"));
    assert_int_equal(count_of(dot.text, "\n  T0 ["), 1);
    struct drawn text = draw(&h, NULL, "", SP_TEXT, 80);
    assert_null(strchr(text.text, 0x1b));
    free(svg.text);
    free(dot.text);
    free(text.text);
    hs_release(&h);
}

/* --- what is drawn
 * ----------------------------------------------------------------------------------------------------- */

static void write_skew__has_both_edges(void **state) {
    (void)state;
    struct hs_history h;
    struct ck_finding finding;
    write_skew(&h, &finding);
    struct drawn svg = draw(&h, &finding, "write skew", SP_SVG, 0);
    is_well_formed(&svg, 40);
    assert_int_equal(count_of(svg.text, "class=\"edge"), 2);
    assert_int_equal(count_of(svg.text, "data-edge=\"T0-T1\""), 1);
    assert_int_equal(count_of(svg.text, "data-edge=\"T1-T0\""), 1);
    assert_non_null(strstr(svg.text, "y: 0 \u2192 2</text>"));
    assert_non_null(strstr(svg.text, "x: 0 \u2192 1</text>"));
    assert_int_equal(count_of(svg.text, ">read x = 0<"), 2);
    assert_int_equal(count_of(svg.text, ">commit<"), 2);
    assert_non_null(strstr(svg.text, ">session 1<"));
    assert_non_null(strstr(svg.text, "T0 before T1"));
    assert_non_null(strstr(svg.text, "prefers-color-scheme:dark"));
    assert_null(strstr(svg.text, "href"));
    assert_null(strstr(svg.text, "url("));
    assert_null(strstr(svg.text, " id="));
    free(svg.text);
    struct drawn dot = draw(&h, &finding, "write skew", SP_DOT, 0);
    assert_non_null(strstr(dot.text, "  T0 -> T1 ["));
    assert_non_null(strstr(dot.text, "  T1 -> T0 ["));
    free(dot.text);
    struct drawn text = draw(&h, &finding, "", SP_TEXT, 80);
    assert_non_null(strstr(text.text, "T0 --rw--> T1  y: 0 -> 2"));
    free(text.text);
    hs_release(&h);
}

/* Neither sees the other: each read that the cycle needs stands above the commit that it missed. */
static void missed__stands_above_the_commit(void **state) {
    (void)state;
    struct hs_history h;
    struct ck_finding finding;
    for (int timed = 0; timed < 2; timed++) {
        write_skew(&h, &finding);
        h.timed = timed;
        struct drawn text = draw(&h, &finding, "", SP_TEXT, 80);
        const char *commit = strstr(text.text, "+- commit"), *first = strstr(text.text, "read x = 0");
        const char *second = first ? strstr(first + 1, "read x = 0") : NULL, *other = strstr(text.text, "read y = 0");
        TD_CHECK(commit && second && other && second < commit && other < strstr(commit + 1, "+- commit"), "%s",
                 text.text);
        free(text.text);
        hs_release(&h);
    }
}

/* Even where the read comes late in a long transaction, and the writer is short. */
static void missed_late__stands_above_the_commit(void **state) {
    (void)state;
    struct hs_history h;
    hs_init(&h);
    begin(&h, 0, 0, 0, HS_COMMITTED);
    for (int i = 0; i < 8; i++) op(&h, HS_READ, "filler", 3);
    op(&h, HS_READ, "y", 0);
    begin(&h, 1, 0, 0, HS_COMMITTED);
    op(&h, HS_WRITE, "y", 1);
    finish(&h);
    struct ck_finding finding = {
        .anomaly = CK_G2_ITEM, .txn = HS_OPEN, .other = HS_OPEN, .op = UINT64_MAX, .edge_count = 1};
    finding.edges[0] = (struct ck_edge){0, 1, key(&h, "y"), CK_RW, 0, 1};
    struct drawn text = draw(&h, &finding, "", SP_TEXT, 80);
    const char *read = strstr(text.text, "read y = 0"), *commit = strstr(text.text, "+- commit");
    TD_CHECK(read && commit && read < commit, "%s", text.text);
    free(text.text);
    hs_release(&h);
}

/* A version that was read had been committed, and sessions keep their order, where nothing is timed. */
static void seen__stands_below_the_commit(void **state) {
    (void)state;
    struct hs_history h;
    hs_init(&h);
    h.by_session = true;
    begin(&h, 2, 0, 0, HS_COMMITTED);
    op(&h, HS_READ, "x", 7);
    begin(&h, 1, 0, 0, HS_COMMITTED);
    op(&h, HS_WRITE, "x", 7);
    begin(&h, 1, 0, 0, HS_ABORTED);
    op(&h, HS_WRITE, "x", 8);
    finish(&h);
    struct drawn text = draw(&h, NULL, "", SP_TEXT, 100);
    const char *commit = strstr(text.text, "+- commit"), *read = strstr(text.text, "read x = 7");
    TD_CHECK(commit && read && commit < read, "%s", text.text);
    TD_CHECK(strstr(text.text, "write x = 8") > commit, "%s", text.text);
    assert_non_null(strstr(text.text, "T1 --wr--> T0  x = 7"));
    assert_non_null(strstr(text.text, "+- abort"));
    free(text.text);
    hs_release(&h);
}

/* Of a list every element had been committed; the edge comes from the last one's writer. */
static void lists__stand_below_all_their_appends(void **state) {
    (void)state;
    struct hs_history h;
    hs_init(&h);
    h.shape = HS_LISTS;
    begin(&h, 0, 0, 0, HS_COMMITTED);
    struct hs_op read = {.key = key(&h, "x"), .kind = HS_LIST, .value = 2};
    assert_int_equal(hs_list_add(&h, (int64_t[]){7, 8}, 2, &read.version), VARVE_OK);
    assert_int_equal(hs_op_add(&h, &read), VARVE_OK);
    for (int64_t element = 7; element < 9; element++) {
        begin(&h, (uint32_t)element, 0, 0, HS_COMMITTED);
        op(&h, HS_APPEND, "x", element);
    }
    finish(&h);
    struct drawn text = draw(&h, NULL, "", SP_TEXT, 100);
    const char *read_at = strstr(text.text, "read x = [7 8]"), *first = strstr(text.text, "+- commit");
    TD_CHECK(read_at && first && first < read_at && strstr(first + 1, "+- commit") < read_at, "%s", text.text);
    assert_int_equal(count_of(text.text, "--wr-->"), 1);
    assert_non_null(strstr(text.text, "T2 --wr--> T0  x = 8"));
    free(text.text);
    hs_release(&h);
}

/* A finding without a cycle: the operation is marked and an edge comes from the other's write. */
static void culprit__is_marked(void **state) {
    (void)state;
    struct hs_history h;
    hs_init(&h);
    begin(&h, 0, 0, 0, HS_ABORTED);
    op(&h, HS_WRITE, "x", 5);
    begin(&h, 1, 0, 0, HS_COMMITTED);
    op(&h, HS_READ, "x", 5);
    begin(&h, 2, 0, 0, HS_COMMITTED);
    op(&h, HS_READ, "z", 1);
    finish(&h);
    struct ck_finding finding = {.anomaly = CK_G1A, .txn = 1, .op = 1, .other = 0};
    struct drawn svg = draw(&h, &finding, "aborted read", SP_SVG, 0);
    is_well_formed(&svg, 20);
    assert_int_equal(count_of(svg.text, "class=\"culprit\""), 1);
    assert_int_equal(count_of(svg.text, "data-edge=\"T0-T1\""), 1);
    assert_null(strstr(svg.text, ">T2<"));
    free(svg.text);
    hs_release(&h);
}

/* The same of a list: the element that the aborted one appended names the edge. */
static void culprit_of_a_list__names_the_element(void **state) {
    (void)state;
    struct hs_history h;
    hs_init(&h);
    h.shape = HS_LISTS;
    begin(&h, 0, 0, 0, HS_ABORTED);
    op(&h, HS_APPEND, "x", 5);
    begin(&h, 1, 0, 0, HS_COMMITTED);
    struct hs_op read = {.key = key(&h, "x"), .kind = HS_LIST, .value = 3};
    assert_int_equal(hs_list_add(&h, (int64_t[]){4, 5, 6}, 3, &read.version), VARVE_OK);
    assert_int_equal(hs_op_add(&h, &read), VARVE_OK);
    finish(&h);
    struct ck_finding finding = {.anomaly = CK_G1A, .txn = 1, .op = 1, .other = 0};
    struct drawn text = draw(&h, &finding, "", SP_TEXT, 80);
    TD_CHECK(strstr(text.text, "T0 --wr--> T1  x = 5"), "%s", text.text);
    free(text.text);
    hs_release(&h);
}

static void long_transactions__are_folded_but_for_what_matters(void **state) {
    (void)state;
    struct hs_history h;
    hs_init(&h);
    begin(&h, 0, 0, 0, HS_COMMITTED);
    for (int i = 0; i < 500; i++) op(&h, HS_READ, i == 250 ? "x" : "filler", i == 250 ? 0 : 3);
    begin(&h, 1, 0, 0, HS_COMMITTED);
    op(&h, HS_WRITE, "x", 1);
    finish(&h);
    struct ck_finding finding = {
        .anomaly = CK_G2_ITEM, .txn = HS_OPEN, .other = HS_OPEN, .op = UINT64_MAX, .edge_count = 1};
    finding.edges[0] = (struct ck_edge){0, 1, key(&h, "x"), CK_RW, 0, 1};
    struct drawn svg = draw(&h, &finding, "", SP_SVG, 0);
    is_well_formed(&svg, 20);
    assert_non_null(strstr(svg.text, ">read x = 0<"));
    assert_int_equal(count_of(svg.text, "operations<"), 2);
    TD_CHECK(svg.size < 20000, "%zu bytes", svg.size);
    free(svg.text);
    hs_release(&h);
}

static void nothing__is_drawn_too(void **state) {
    (void)state;
    struct hs_history h;
    hs_init(&h);
    finish(&h);
    struct drawn svg = draw(&h, NULL, NULL, SP_SVG, 0), dot = draw(&h, NULL, NULL, SP_DOT, 0),
                 text = draw(&h, NULL, NULL, SP_TEXT, 0);
    is_well_formed(&svg, 3);
    assert_non_null(strstr(dot.text, "digraph"));
    free(svg.text);
    free(dot.text);
    free(text.text);
    hs_release(&h);
}

/* --- random histories
 * ---------------------------------------------------------------------------------------------------- */

static void random_key(struct hs_history *h, struct td_random *random, uint32_t *id) {
    uint8_t bytes[40];
    size_t size = 1 + td_below(random, td_below(random, 4) ? 2 : sizeof bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(td_below(random, 3) ? 'a' + td_below(random, 4) : td_next(random));
    assert_int_equal(hs_key(h, bytes, size, id), VARVE_OK);
}

static void random_op(struct hs_history *h, struct td_random *random) {
    static const enum hs_kind registers[] = {HS_READ, HS_EXISTS, HS_SCAN, HS_WRITE, HS_DELETE};
    bool lists = h->shape == HS_LISTS;
    struct hs_op added = {.kind = lists ? td_below(random, 2) ? HS_APPEND : HS_LIST : registers[td_below(random, 5)]};
    added.flags = (uint8_t)(td_below(random, 4) ? 0 : td_next(random) & 63);
    added.version = added.flags & HS_OWN ? 0 : td_below(random, 9);
    added.value = td_below(random, 6) ? (int64_t)td_below(random, 9) : td_below(random, 2) ? HS_ABSENT : INT64_MAX;
    random_key(h, random, &added.key);
    if (added.kind == HS_EXISTS) added.value = td_below(random, 2) ? 0 : HS_ABSENT;
    if (added.kind == HS_LIST && added.value != HS_ABSENT) {
        int64_t elements[40] = {1, -2, INT64_MIN + 1};
        added.value = (int64_t)td_below(random, 40);
        assert_int_equal(hs_list_add(h, elements, (size_t)added.value, &added.version), VARVE_OK);
    }
    if (added.kind == HS_SCAN) {
        struct hs_range range = {HS_OPEN, HS_OPEN, (uint32_t)td_below(random, 8)};
        if (td_below(random, 2)) random_key(h, random, &range.low);
        if (td_below(random, 2)) random_key(h, random, &range.high);
        assert_int_equal(hs_range_add(h, &range, &added.key), VARVE_OK);
        added.value = (int64_t)td_below(random, 4);
    }
    assert_int_equal(hs_op_add(h, &added), VARVE_OK);
    for (int64_t i = 0; added.kind == HS_SCAN && i < added.value; i++) {
        struct hs_op row = {.kind = HS_ROW, .value = (int64_t)td_below(random, 9)};
        random_key(h, random, &row.key);
        assert_int_equal(hs_op_add(h, &row), VARVE_OK);
    }
}

static void random_history(struct hs_history *h, struct td_random *random) {
    hs_init(h);
    h->timed = td_below(random, 2);
    h->by_session = td_below(random, 2);
    h->stamps = td_below(random, 2);
    h->shape = td_below(random, 3) ? HS_REGISTERS : HS_LISTS;
    uint64_t txns = td_below(random, 5) ? td_below(random, 8) : td_below(random, 90);
    for (uint64_t t = 0; t < txns; t++) {
        struct hs_txn txn = {.begin = td_below(random, 100),
                             .snapshot = td_below(random, 9),
                             .cts = td_below(random, 9),
                             .session = (uint32_t)td_below(random, td_below(random, 2) ? 4 : 40),
                             .level = (uint8_t)td_below(random, 6),
                             .outcome = (uint8_t)td_below(random, 3),
                             .reason = (uint8_t)td_below(random, 14),
                             .flags = (uint8_t)td_below(random, 8)};
        txn.end = txn.begin + td_below(random, 30);
        assert_int_equal(hs_txn_add(h, &txn), VARVE_OK);
        for (uint64_t ops = td_below(random, td_below(random, 9) ? 6 : 60); ops > 0; ops--) random_op(h, random);
    }
    finish(h);
}

static void random_finding(const struct hs_history *h, struct td_random *random, struct ck_finding *finding) {
    memset(finding, 0, sizeof *finding);
    finding->txn = (uint32_t)td_below(random, h->txn_count + 1);
    finding->other = td_below(random, 2) ? HS_OPEN : (uint32_t)td_below(random, h->txn_count);
    finding->op = h->op_count && td_below(random, 2) ? td_below(random, h->op_count) : UINT64_MAX;
    unsigned edges = (unsigned)td_below(random, td_below(random, 6) ? 5 : CK_CYCLE_MAX + 1);
    for (unsigned e = 0; e < edges && h->key_count; e++) {
        finding->edges[e] = (struct ck_edge){(uint32_t)td_below(random, h->txn_count),
                                             (uint32_t)td_below(random, h->txn_count),
                                             (uint32_t)td_below(random, h->key_count),
                                             (enum ck_edge_kind)td_below(random, CK_SO + 1),
                                             (int64_t)td_below(random, 9),
                                             td_below(random, 4) ? 3 : HS_ABSENT};
        if (finding->edges[e].kind >= CK_RT) finding->edges[e].key = HS_OPEN;
        finding->edge_count = e + 1;
    }
    for (size_t i = 0; i + 1 < sizeof finding->proof && td_below(random, 300); i++)
        finding->proof[i] = (char)(1 + td_below(random, 255));
}

/* dot reads it, where it is installed. */
static void dot_accepts(const char *text) {
    if (access("/usr/bin/dot", X_OK)) return;
    FILE *dot = popen("/usr/bin/dot -Tcanon -o /dev/null 2>&1", "w");
    assert_non_null(dot);
    fputs(text, dot);
    TD_CHECK(pclose(dot) == 0, "dot refuses:\n%s", text);
}

static void random_histories__are_well_formed(void **state) {
    (void)state;
    struct td_random random = {td_seed()};
    uint64_t cases = td_case_count(CASES);
    for (uint64_t i = 0; i < cases; i++) {
        td_context("case %llu of seed %llu", (unsigned long long)i, (unsigned long long)td_seed());
        struct hs_history h;
        static struct ck_finding finding;
        random_history(&h, &random);
        bool found = h.txn_count && td_below(&random, 2);
        if (found) random_finding(&h, &random, &finding);
        struct drawn svg = draw(&h, found ? &finding : NULL, "random", SP_SVG, 0);
        is_well_formed(&svg, 3);
        if (!found) assert_int_equal(count_of(svg.text, "class=\"name\""), h.txn_count < 64 ? h.txn_count : 64);
        free(svg.text);
        struct drawn text = draw(&h, found ? &finding : NULL, "", SP_TEXT, 200);
        assert_null(strchr(text.text, 0x1b));
        free(text.text);
        struct drawn dot = draw(&h, found ? &finding : NULL, "random", SP_DOT, 0);
        if (i < DOT_CASES) dot_accepts(dot.text);
        free(dot.text);
        hs_release(&h);
    }
}

static void text__keeps_to_its_columns(void **state) {
    (void)state;
    struct hs_history h;
    struct ck_finding finding;
    write_skew(&h, &finding);
    for (unsigned columns = 36; columns < 120; columns += 7) {
        struct drawn text = draw(&h, &finding, "", SP_TEXT, columns);
        for (const char *line = text.text; *line; line = strchr(line, '\n') + 1) {
            size_t size = strcspn(line, "\n");
            TD_CHECK(size <= columns, "%zu columns of %u: %.*s", size, columns, (int)size, line);
        }
        free(text.text);
    }
    hs_release(&h);
}

/* --- runs
 * ------------------------------------------------------------------------------------------------------------------ */

static struct ss_schedule schedule;
static struct ss_run run;

static char *run_svg(const char *text, const char *scheme, varve_isolation level) {
    struct ss_problem problem;
    const char *next;
    unsigned line;
    int status = ss_parse(text, 1, &schedule, &next, &line, &problem);
    TD_CHECK(status == VARVE_OK, "line %u: %s", problem.line, problem.text);
    struct st_options options = {.scheme = scheme, .level = level};
    struct st_stage *stage;
    char error[200];
    status = st_open(&options, &stage, error, sizeof error);
    TD_CHECK(status == VARVE_OK, "%s", error);
    uint8_t order[SS_STEPS_MAX];
    ss_interleaving(&schedule, 0, order);
    assert_int_equal(st_run(stage, &schedule, order, &run), VARVE_OK);
    st_close(stage);
    struct drawn drawn;
    FILE *out = open_memstream(&drawn.text, &drawn.size);
    assert_int_equal(sp_run(out, SP_SVG, &schedule, &run, "a run", 0), VARVE_OK);
    fclose(out);
    is_well_formed(&drawn, 20);
    return drawn.text;
}

static const char SKEW[] = "schedule D2 skew\ninit x=0 y=0\ns1: s [a,m) | w n 1 | c\ns2: s [m,x) | w b 1 | c\n"
                           "run 1 2 1 2 1 2\nanomaly s1.1={} s2.1={} all-commit\n";

static void run__shows_the_cycle_and_says_why(void **state) {
    (void)state;
    char *svg = run_svg(SKEW, "mvcc", VARVE_SNAPSHOT);
    assert_int_equal(count_of(svg, "data-edge=\"T1-T2\""), 1);
    assert_int_equal(count_of(svg, "data-edge=\"T2-T1\""), 1);
    assert_int_equal(count_of(svg, "class=\"edge\""), 2);
    assert_non_null(strstr(svg, "b: none \u2192 1"));
    assert_non_null(strstr(svg, "at the end: b=1, n=1, x=0, y=0"));
    assert_non_null(strstr(svg, "T1 before T2"));
    assert_non_null(strstr(svg, "T1 scanned b = none"));
    free(svg);
}

static void run__shows_who_was_refused(void **state) {
    (void)state;
    char *svg = run_svg(SKEW, "mvcc", VARVE_SERIALIZABLE);
    assert_int_equal(count_of(svg, "commit: range changed"), 1);
    assert_int_equal(count_of(svg, "class=\"box lost\""), 1);
    assert_null(strstr(svg, "class=\"edge"));
    free(svg);
}

static void run__shows_who_waited(void **state) {
    (void)state;
    char *svg = run_svg("schedule A1 wait\ninit x=0\ns1: w x 1 | c\ns2: r x | c\nrun 1 2 1 2\nanomaly all-commit\n",
                        "2pl", VARVE_SERIALIZABLE);
    assert_int_equal(count_of(svg, "class=\"wait\""), 1);
    assert_int_equal(count_of(svg, ">\u2026 = 1<"), 1);
    assert_int_equal(count_of(svg, "data-edge=\"T1-T2\""), 1);
    free(svg);
}

static void run__leaves_rolled_back_writes_alone(void **state) {
    (void)state;
    char *svg =
        run_svg("schedule A8 back\ninit x=0\ns1: sp | w x 1 | rb | c\ns2: r x | c\nrun 1 1 1 1 2 2\nanomaly s2.1=1\n",
                "mvcc", VARVE_SERIALIZABLE);
    assert_null(strstr(svg, "class=\"edge"));
    assert_non_null(strstr(svg, ">read x = 0<"));
    free(svg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escape__lets_nothing_through),
        cmocka_unit_test(hostile_names__stay_text),
        cmocka_unit_test(write_skew__has_both_edges),
        cmocka_unit_test(missed__stands_above_the_commit),
        cmocka_unit_test(missed_late__stands_above_the_commit),
        cmocka_unit_test(seen__stands_below_the_commit),
        cmocka_unit_test(lists__stand_below_all_their_appends),
        cmocka_unit_test(culprit__is_marked),
        cmocka_unit_test(culprit_of_a_list__names_the_element),
        cmocka_unit_test(long_transactions__are_folded_but_for_what_matters),
        cmocka_unit_test(nothing__is_drawn_too),
        cmocka_unit_test(random_histories__are_well_formed),
        cmocka_unit_test(text__keeps_to_its_columns),
        cmocka_unit_test(run__shows_the_cycle_and_says_why),
        cmocka_unit_test(run__shows_who_was_refused),
        cmocka_unit_test(run__shows_who_waited),
        cmocka_unit_test(run__leaves_rolled_back_writes_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
