/* test_formats.c - each format: what its examples mean, and that what is written is read again as it was.
 *
 * The examples are small enough that their meaning can be said from the definition of the form alone.
 *
 * SPDX-License-Identifier: MIT
 */
#include "history_kit.h"

static void expect_op(const struct hs_history *h, size_t t, uint32_t i, enum hs_kind kind, const char *key,
                      int64_t value) {
    TD_CHECK(t < h->txn_count && i < h->txns[t].op_count, "no operation %u of transaction %zu", i, t);
    const struct hs_op *op = &h->ops[h->txns[t].first_op + i];
    char text[64];
    TD_CHECK(op->kind == kind, "operation %u of transaction %zu is of kind %u", i, t, op->kind);
    TD_CHECK(strcmp(hs_key_text(h, op->key, text, sizeof text), key) == 0, "key %s, not %s", text, key);
    TD_CHECK(op->value == value, "value %lld, not %lld", (long long)op->value, (long long)value);
}

static void expect_list(const struct hs_history *h, size_t t, uint32_t i, const int64_t *elements, size_t count) {
    const struct hs_op *op = &h->ops[h->txns[t].first_op + i];
    assert_int_equal(op->kind, HS_LIST);
    assert_int_equal(op->value, count);
    for (size_t e = 0; e < count; e++) assert_int_equal(h->lists[op->version + e], elements[e]);
}

static void expect_txn(const struct hs_history *h, size_t t, enum hs_outcome outcome, uint32_t session, uint64_t begin,
                       uint64_t end) {
    const struct hs_txn *txn = &h->txns[t];
    TD_CHECK(txn->outcome == outcome && txn->session == session, "transaction %zu: outcome %u, session %u", t,
             txn->outcome, txn->session);
    TD_CHECK(txn->begin == begin && txn->end == end, "transaction %zu: from %llu to %llu", t,
             (unsigned long long)txn->begin, (unsigned long long)txn->end);
}

/* --- Jepsen ------------------------------------------------------------------------------------------------------- */

static const char list_edn[] =
    "; a comment\n"
    "{:type :invoke, :f :txn, :value [[:append 3 1] [:r 3 nil]], :process 0, :index 0, :time 10}\n"
    "{:type :info, :f :start-partition, :process :nemesis, :value [:isolated {\"n1\" #{\"n2\"}}], :time 11}\n"
    "{:type :invoke, :f :txn, :value [[:append 4 7] [:r 4]], :process 1, :index 2, :time 20}\n"
    "#jepsen.history.Op{:type :ok, :f :txn, :value [[:append 3 1] [:r 3 [1]]], :process 0, :index 3, :time 30}\n"
    "{:type :fail, :f :txn, :value [[:append 4 7] [:r 4 nil]], :process 1, :index 4, :time 40, :error #_ gone \"x\"}\n"
    "{:process 2 :type :invoke, :time 50 :value [[:append 5 1]]}\n"
    "{:process 2 :type :info, :time 60 :value [[:append 5 1]]}\n"
    "{:process 0 :type :invoke :time 70 :value [(:append \"k\" 9) [:r 4 nil]]}\n";

static void jepsen__list_append(void **state) {
    (void)state;
    struct hs_history h;
    for (int named = 0; named < 2; named++) {
        kit_good(list_edn, named ? HS_FORMAT_EDN_LIST : HS_FORMAT_AUTO, &h);
        assert_int_equal(h.shape, HS_LISTS);
        assert_true(h.timed && h.by_session && !h.stamps);
        assert_int_equal(h.txn_count, 4);
        expect_txn(&h, 0, HS_COMMITTED, 0, 10, 30);
        expect_op(&h, 0, 0, HS_APPEND, "3", 1);
        expect_list(&h, 0, 1, (int64_t[]){1}, 1);
        expect_txn(&h, 1, HS_ABORTED, 1, 20, 40);
        assert_int_equal(h.txns[1].op_count, 1); /* what an aborted read saw is not known */
        expect_op(&h, 1, 0, HS_APPEND, "4", 7);
        expect_txn(&h, 2, HS_UNKNOWN, 2, 50, HS_NO_STAMP);
        expect_txn(&h, 3, HS_UNKNOWN, 0, 70, HS_NO_STAMP); /* open at the end */
        expect_op(&h, 3, 0, HS_APPEND, "k", 9);
        hs_release(&h);
    }
}

static void jepsen__registers_in_json(void **state) {
    (void)state;
    static const char lines[] =
        "{\"type\":\"invoke\",\"f\":\"txn\",\"value\":[[\"w\",\"x\",2],[\"r\",\"y\",null]],\"process\":3,\"index\":1}\n"
        "{\"type\":\"ok\",\"f\":\"txn\",\"value\":[[\"w\",\"x\",2],[\"r\",\"y\",null]],\"process\":3,\"index\":2}\n";
    char array[sizeof lines + 4];
    snprintf(array, sizeof array, "[%s]", lines);
    *strchr(array, '\n') = ',';
    const char *texts[] = {lines, array};
    for (int i = 0; i < 4; i++) {
        struct hs_history h;
        kit_good(texts[i / 2], i % 2 ? HS_FORMAT_JSON_REGISTER : HS_FORMAT_AUTO, &h);
        assert_int_equal(h.shape, HS_REGISTERS);
        assert_int_equal(h.txn_count, 1);
        expect_txn(&h, 0, HS_COMMITTED, 3, 1, 2); /* no times: places in the file */
        expect_op(&h, 0, 0, HS_WRITE, "x", 2);
        expect_op(&h, 0, 1, HS_READ, "y", HS_ABSENT);
        hs_release(&h);
    }
}

/* Ends alone: no real time. Times that stand still: the order of the file is the clock. */
static void jepsen__clocks(void **state) {
    (void)state;
    struct hs_history h;
    kit_good("[{:type :ok :process 1 :time 5 :value [[:w 1 1]]} {:type :ok :process 2 :time 6 :value [[:r 1 1]]}]",
             HS_FORMAT_AUTO, &h);
    assert_false(h.timed);
    assert_true(h.by_session);
    assert_int_equal(h.txn_count, 2);
    hs_release(&h);
    kit_good("{:type :invoke :process 1 :time 0 :value [[:w 1 1]]}{:type :ok :process 1 :time 0 :value [[:w 1 1]]}"
             "{:type :invoke :process 2 :time 0 :value [[:r 1 nil]]}{:type :ok :process 2 :time 0 :value [[:r 1 nil]]}",
             HS_FORMAT_AUTO, &h);
    assert_true(h.timed);
    expect_txn(&h, 0, HS_COMMITTED, 1, 1, 2);
    expect_txn(&h, 1, HS_COMMITTED, 2, 3, 4);
    hs_release(&h);
    kit_good("{:type :invoke :value [[:r 1 nil]]}\n{:type :ok :value [[:r 1 [1 2]]]}\n", HS_FORMAT_AUTO, &h);
    assert_false(h.by_session); /* no process */
    expect_list(&h, 0, 0, (int64_t[]){1, 2}, 2);
    hs_release(&h);
}

static void jepsen__nil_reads_take_the_shape_seen_later(void **state) {
    (void)state;
    struct hs_history h;
    kit_good("{:type :ok :value [[:r 1 nil]]} {:type :ok :value [[:append 1 1]]}", HS_FORMAT_AUTO, &h);
    assert_int_equal(h.shape, HS_LISTS);
    expect_op(&h, 0, 0, HS_LIST, "1", HS_ABSENT);
    hs_release(&h);
    kit_good("{:type :ok :value [[:r 1 nil]]} {:type :ok :value [[:w 1 1]]}", HS_FORMAT_AUTO, &h);
    assert_int_equal(h.shape, HS_REGISTERS);
    expect_op(&h, 0, 0, HS_READ, "1", HS_ABSENT);
    hs_release(&h);
}

/* --- Plume and dbcop ---------------------------------------------------------------------------------------------- */

static void plume__lines(void **state) {
    (void)state;
    struct hs_history h;
    kit_good("w(1,0,0,0)\nw(2,5,0,0)\nr(1,0,1,1)\nr(3,0,1,1)\nr(2, 5, 2, 7)\r\nw(9,9,3,-1)\nr(9,9,1,1)\n\n",
             HS_FORMAT_AUTO, &h);
    assert_int_equal(h.txn_count, 4);
    assert_true(h.by_session && !h.timed);
    expect_op(&h, 0, 0, HS_WRITE, "1", 0);
    expect_op(&h, 1, 0, HS_READ, "1", 0); /* 0 was written to it */
    expect_op(&h, 1, 1, HS_READ, "3", HS_ABSENT);
    expect_op(&h, 1, 2, HS_READ, "9", 9); /* apart in the file */
    assert_int_equal(h.ops[h.txns[1].first_op + 2].statement, 2);
    expect_op(&h, 2, 0, HS_READ, "2", 5);
    expect_txn(&h, 3, HS_ABORTED, 3, 0, 0);
    expect_op(&h, 3, 0, HS_WRITE, "9", 9);
    hs_release(&h);
}

static void dbcop__three_generations(void **state) {
    (void)state;
    static const char *const texts[] = {
        "[[{\"events\":[{\"Write\":{\"variable\":0,\"version\":1}},{\"Read\":{\"variable\":1,\"version\":null}}],"
        "\"committed\":true}],[{\"committed\":false,\"events\":[{\"Write\":{\"variable\":1,\"version\":2}}]}]]",
        "{\"params\":{\"id\":0},\"info\":\"x\",\"start\":\"2025\",\"data\":[[{\"events\":[[\"w\",0,1],[\"r\",1,null]],"
        "\"committed\":true}],[{\"events\":[[\"w\",1,2]],\"committed\":false}]],\"end\":1}",
        "{\"data\":[[{\"events\":[{\"write\":true,\"variable\":0,\"value\":1,\"success\":true},"
        "{\"write\":false,\"variable\":5,\"value\":1,\"success\":false},"
        "{\"write\":false,\"variable\":1,\"value\":0,\"success\":true}],\"success\":true}],"
        "[{\"events\":[{\"write\":true,\"variable\":1,\"value\":2,\"success\":true}],\"success\":false}]]}",
    };
    for (size_t i = 0; i < 3; i++) {
        struct hs_history h;
        kit_good(texts[i], HS_FORMAT_AUTO, &h);
        assert_int_equal(h.txn_count, 2);
        expect_txn(&h, 0, HS_COMMITTED, 0, 0, 0);
        expect_op(&h, 0, 0, HS_WRITE, "0", 1);
        expect_op(&h, 0, 1, HS_READ, "1", HS_ABSENT);
        expect_txn(&h, 1, HS_ABORTED, 1, 0, 0);
        expect_op(&h, 1, 0, HS_WRITE, "1", 2);
        hs_release(&h);
    }
}

/* --- ours --------------------------------------------------------------------------------------------------------- */

static void jsonl__by_hand(void **state) {
    (void)state;
    struct hs_history h;
    kit_good("{\"varve-history\":1,\"shape\":\"registers\",\"stamps\":true,\"timed\":true,\"sessions\":true}\n"
             "{\"session\":2,\"level\":\"snapshot\",\"outcome\":\"aborted\",\"reason\":1,\"begin\":3,\"end\":9,"
             "\"snapshot\":5,"
             "\"flags\":[\"read-only\",\"torn\"],\"ops\":[[\"read\",\"x\",null],"
             "[\"scan\",{\"low\":\"a\",\"high\":{\"hex\":\"00ff\"},\"flags\":[\"reverse\"]},[[\"b\",4,{\"version\":2}],"
             "[\"c\",5]],"
             "{\"statement\":4}],[\"write\",\"x\",7,{\"flags\":[\"needs-absent\",\"failed\"]}],[\"delete\",\"y\"],"
             "[\"exists\",\"x\",true]]}\n",
             HS_FORMAT_AUTO, &h);
    expect_txn(&h, 0, HS_ABORTED, 2, 3, 9);
    assert_int_equal(h.txns[0].level, VARVE_SNAPSHOT);
    assert_int_equal(h.txns[0].flags, HS_READ_ONLY | HS_TORN);
    assert_int_equal(h.txns[0].snapshot, 5);
    assert_int_equal(h.txns[0].op_count, 7);
    expect_op(&h, 0, 0, HS_READ, "x", HS_ABSENT);
    const struct hs_op *scan = &h.ops[1];
    assert_int_equal(scan->kind, HS_SCAN);
    assert_int_equal(scan->value, 2);
    static const uint16_t statements[] = {0, 4, 4, 4, 5, 6, 7}; /* rows as their scan, others one after another */
    for (unsigned i = 0; i < 7; i++) assert_int_equal(h.ops[i].statement, statements[i]);
    assert_int_equal(h.ranges[scan->key].flags, HS_REVERSE);
    char text[16];
    assert_string_equal(hs_key_text(&h, h.ranges[scan->key].high, text, sizeof text), "0x00ff");
    expect_op(&h, 0, 2, HS_ROW, "b", 4);
    assert_int_equal(h.ops[2].version, 2);
    expect_op(&h, 0, 3, HS_ROW, "c", 5);
    expect_op(&h, 0, 4, HS_WRITE, "x", 7);
    assert_int_equal(h.ops[4].flags, HS_NEEDS_ABSENT | HS_FAILED);
    expect_op(&h, 0, 5, HS_DELETE, "y", 0);
    expect_op(&h, 0, 6, HS_EXISTS, "x", 0);
    hs_release(&h);
}

/* --- there and back ----------------------------------------------------------------------------------------------- */

static void there_and_back(const struct hs_history *h, enum hs_format format, struct hs_history *back) {
    size_t size;
    char *bytes = kit_write(h, format, &size);
    for (int named = 0; named < 2; named++) {
        struct hs_problem problem;
        int status = kit_read_bytes(bytes, size, named ? format : HS_FORMAT_AUTO, back, &problem);
        TD_CHECK(status == VARVE_OK, "%s, %s: line %llu: %s\n%.2000s", hs_format_name(format),
                 named ? "named" : "guessed", (unsigned long long)problem.line, problem.text, bytes);
        if (!named) hs_release(back);
    }
    free(bytes);
}

static void round_trips__ours(void **state) {
    (void)state;
    struct td_random random = {td_seed()};
    for (unsigned i = 0; i < td_case_count(200); i++) {
        struct kit_plan plan = {.txns = (unsigned)td_below(&random, 30), .keys = 1 + (unsigned)td_below(&random, 40)};
        plan.lists = td_chance(&random, 40), plan.stamps = td_chance(&random, 50), plan.timed = td_chance(&random, 50);
        plan.by_session = td_chance(&random, 50);
        td_context("case %u", i);
        struct hs_history h, text, binary;
        kit_history(&h, &random, &plan);
        there_and_back(&h, HS_FORMAT_JSONL, &text);
        kit_assert_same(&h, &text);
        there_and_back(&text, HS_FORMAT_BINARY, &binary);
        kit_assert_same(&h, &binary);
        hs_release(&h), hs_release(&text), hs_release(&binary);
    }
}

static uint32_t writes_in(const struct hs_history *h, size_t t) {
    uint32_t writes = 0;
    for (uint32_t i = 0; i < h->txns[t].op_count; i++) {
        enum hs_kind kind = h->ops[h->txns[t].first_op + i].kind;
        writes += kind == HS_WRITE || kind == HS_APPEND;
    }
    return writes;
}

/* The order of transactions, sessions and operations of committed transactions stays; foreign forms keep no more. */
static void assert_same_plain(const struct hs_history *a, const struct hs_history *b, bool times) {
    assert_int_equal(a->txn_count, b->txn_count);
    for (size_t t = 0; t < a->txn_count; t++) {
        const struct hs_txn *x = &a->txns[t], *y = &b->txns[t];
        assert_int_equal(x->outcome, y->outcome);
        if (a->by_session) assert_int_equal(x->session, y->session);
        if (times) assert_true(x->begin == y->begin && x->end == y->end);
        assert_int_equal(writes_in(a, t), writes_in(b, t));
        if (x->outcome != HS_COMMITTED) continue;
        assert_int_equal(x->op_count, y->op_count);
        for (uint32_t i = 0; i < x->op_count; i++)
            assert_true(kit_same_op(a, &a->ops[x->first_op + i], b, &b->ops[y->first_op + i]));
    }
}

static void round_trips__jepsen(void **state) {
    (void)state;
    struct td_random random = {td_seed()};
    for (unsigned i = 0; i < td_case_count(200); i++) {
        struct kit_plan plan = {.plain = true, .ordered = true, .keys = 5, .txns = 1 + (unsigned)td_below(&random, 30)};
        plan.lists = td_chance(&random, 50), plan.timed = td_chance(&random, 60), plan.by_session = true;
        td_context("case %u", i);
        struct hs_history h, edn, json;
        kit_history(&h, &random, &plan);
        (void)hs_txn_add(&h, &(struct hs_txn){.snapshot = HS_NO_STAMP, .begin = 900, .end = 901}); /* shows the shape */
        (void)hs_op_add(&h, &(struct hs_op){.kind = plan.lists ? HS_APPEND : HS_WRITE,
                                            .value = 999,
                                            .key = kit_key(&h, &random, &plan)});
        assert_int_equal(hs_finish(&h, NULL), VARVE_OK);
        there_and_back(&h, plan.lists ? HS_FORMAT_EDN_LIST : HS_FORMAT_EDN_REGISTER, &edn);
        assert_same_plain(&h, &edn, plan.timed);
        assert_true(edn.timed == plan.timed);
        there_and_back(&edn, plan.lists ? HS_FORMAT_JSON_LIST : HS_FORMAT_JSON_REGISTER, &json);
        assert_same_plain(&h, &json, plan.timed);
        hs_release(&h), hs_release(&edn), hs_release(&json);
    }
}

/* A client that never learned its outcome need not say when. */
static void round_trips__an_open_end(void **state) {
    (void)state;
    struct hs_history h, back;
    kit_good("{\"varve-history\":1,\"timed\":true}\n"
             "{\"begin\":7,\"outcome\":\"unknown\",\"ops\":[[\"write\",\"x\",1]]}\n"
             "{\"outcome\":\"unknown\",\"begin\":7,\"end\":8,\"ops\":[[\"write\",\"x\",2]]}\n",
             HS_FORMAT_JSONL, &h);
    assert_true(h.txns[0].end == HS_NO_STAMP);
    assert_int_equal(h.txns[1].end, 8);
    there_and_back(&h, HS_FORMAT_JSONL, &back);
    assert_true(back.txns[0].end == HS_NO_STAMP);
    assert_int_equal(back.txns[1].end, 8);
    hs_release(&h), hs_release(&back);
}

/* What meets at one time still overlaps when only the order of the file is left. */
static void round_trips__jepsen_keeps_overlap(void **state) {
    (void)state;
    struct hs_history h, back;
    kit_good("{\"varve-history\":1,\"timed\":true,\"sessions\":true}\n"
             "{\"session\":0,\"begin\":1,\"end\":5,\"ops\":[[\"write\",\"x\",1]]}\n"
             "{\"session\":1,\"begin\":5,\"end\":9,\"ops\":[[\"write\",\"x\",2]]}\n"
             "{\"session\":2,\"begin\":5,\"end\":5,\"ops\":[[\"write\",\"x\",3]]}\n"
             "{\"session\":0,\"begin\":6,\"end\":7,\"outcome\":\"unknown\",\"ops\":[[\"write\",\"x\",4]]}\n",
             HS_FORMAT_JSONL, &h);
    there_and_back(&h, HS_FORMAT_EDN_REGISTER, &back);
    assert_int_equal(back.txn_count, 4);
    assert_true(back.timed);
    for (size_t a = 0; a < 4; a++) {
        for (size_t b = 0; b < 4; b++) {
            const struct hs_op *x = &back.ops[back.txns[a].first_op], *y = &back.ops[back.txns[b].first_op];
            bool before = h.txns[x->value - 1].end < h.txns[y->value - 1].begin && x->value != 4;
            TD_CHECK(before == (back.txns[a].end < back.txns[b].begin), "%lld and %lld", (long long)x->value,
                     (long long)y->value);
        }
    }
    hs_release(&h), hs_release(&back);
}

static void round_trips__plume_and_dbcop(void **state) {
    (void)state;
    struct td_random random = {td_seed()};
    for (unsigned i = 0; i < td_case_count(200); i++) {
        struct kit_plan plan = {
            .plain = true, .keys = 5, .txns = 1 + (unsigned)td_below(&random, 30), .by_session = true};
        td_context("case %u", i);
        struct hs_history h, one, two;
        kit_history(&h, &random, &plan);
        for (size_t t = 0; t < h.txn_count; t++) h.txns[t].outcome = HS_COMMITTED, h.txns[t].session = (uint32_t)t / 5;
        there_and_back(&h, HS_FORMAT_DBCOP, &one);
        assert_same_plain(&h, &one, false);
        if (h.op_count != 0) {
            there_and_back(&one, HS_FORMAT_PLUME, &two); /* transactions without operations are lost */
            assert_int_equal(two.op_count, h.op_count);
            for (size_t o = 0; o < h.op_count; o++) assert_true(kit_same_op(&h, &h.ops[o], &two, &two.ops[o]));
            hs_release(&two);
        }
        hs_release(&h), hs_release(&one);
    }
}

static void writing__refuses_what_a_form_cannot_hold(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
        enum hs_format format;
    } cases[] = {
        {"{\"varve-history\":1}\n{\"ops\":[[\"scan\",{},[]]]}", "no scans", HS_FORMAT_PLUME},
        {"{\"varve-history\":1}\n{\"ops\":[[\"write\",\"x\",1,{\"flags\":[\"addition\"]}]]}", "no additions",
         HS_FORMAT_EDN_REGISTER},
        {"{\"varve-history\":1}\n{\"ops\":[[\"write\",\"x\",1,{\"flags\":[\"addition\"]}]]}", "no additions", HS_FORMAT_PLUME},
        {"{\"varve-history\":1}\n{\"ops\":[[\"write\",\"x\",1,{\"flags\":[\"addition\"]}]]}", "no additions", HS_FORMAT_DBCOP},
        {"{\"varve-history\":1}\n{\"ops\":[[\"delete\",\"x\"]]}", "deletion", HS_FORMAT_EDN_REGISTER},
        {"{\"varve-history\":1}\n{\"ops\":[[\"write\",\"x\",1]]}", "registers", HS_FORMAT_EDN_LIST},
        {"{\"varve-history\":1}\n{\"ops\":[[\"write\",\"x\",-1]]}", "below 0", HS_FORMAT_PLUME},
        {"{\"varve-history\":1}\n{\"ops\":[[\"write\",\"x\",0],[\"read\",\"x\",null]]}", "stands for", HS_FORMAT_PLUME},
        {"{\"varve-history\":1}\n{\"outcome\":\"unknown\",\"ops\":[[\"write\",\"x\",1]]}", "unknown", HS_FORMAT_DBCOP},
        {"{\"varve-history\":1}\n{\"ops\":[[\"write\",\"x\",1],[\"write\",\"x\",1]]}", "twice", HS_FORMAT_PLUME},
        {"{\"varve-history\":1}\n{\"ops\":[[\"write\",{\"hex\":\"ff\"},1]]}", "UTF-8", HS_FORMAT_JSON_REGISTER},
        {"{\"varve-history\":1,\"timed\":true,\"sessions\":true}\n{\"begin\":1,\"end\":5,\"ops\":[]}"
         "{\"begin\":2,\"end\":3,\"ops\":[]}",
         "overlap", HS_FORMAT_EDN_REGISTER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hs_history h;
        struct hs_problem problem = {0};
        kit_good(cases[i].text, HS_FORMAT_JSONL, &h);
        FILE *out = fopen("/dev/null", "w");
        assert_int_equal(hs_write(out, cases[i].format, &h, &problem), VARVE_INVALID);
        TD_CHECK(strstr(problem.text, cases[i].why) != NULL, "case %zu: %s", i, problem.text);
        fclose(out);
        hs_release(&h);
    }
}

static void names__find_their_format(void **state) {
    (void)state;
    for (unsigned i = 0; i < HS_FORMATS; i++) {
        enum hs_format found;
        assert_true(hs_format_find(hs_format_name((enum hs_format)i), &found));
        assert_int_equal(found, i);
    }
    assert_false(hs_format_find("xml", &(enum hs_format){0}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jepsen__list_append),
        cmocka_unit_test(jepsen__registers_in_json),
        cmocka_unit_test(jepsen__clocks),
        cmocka_unit_test(jepsen__nil_reads_take_the_shape_seen_later),
        cmocka_unit_test(plume__lines),
        cmocka_unit_test(dbcop__three_generations),
        cmocka_unit_test(jsonl__by_hand),
        cmocka_unit_test(round_trips__ours),
        cmocka_unit_test(round_trips__jepsen),
        cmocka_unit_test(round_trips__an_open_end),
        cmocka_unit_test(round_trips__jepsen_keeps_overlap),
        cmocka_unit_test(round_trips__plume_and_dbcop),
        cmocka_unit_test(writing__refuses_what_a_form_cannot_hold),
        cmocka_unit_test(names__find_their_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
