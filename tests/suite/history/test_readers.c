/* test_readers.c - bad input: every fault is told with its line and reason, and no input, however it is broken, makes a
 * reader do anything but that or give a history that can be finished.
 *
 * SPDX-License-Identifier: MIT
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "history_kit.h"

static const struct {
    const char *text;
    enum hs_format format;
    uint64_t line;
    const char *why;
} bad[] = {
    {"", HS_FORMAT_AUTO, 1, "empty"},
    {"hello world\n", HS_FORMAT_AUTO, 1, "not a history"},
    {"\x01\x02\x03", HS_FORMAT_AUTO, 1, "not a history"},
    /* EDN */
    {"{:type :ok :value [[:r 1 nil]]}\n{:type :okay :value []}", HS_FORMAT_AUTO, 2, "unknown type 'okay'"},
    {"{:type :ok :value [[:r 1 nil]]}\n\n{:type :ok :value [[:zap 1 2]]}", HS_FORMAT_AUTO, 3, "unknown verb 'zap'"},
    {"{:type :ok :f :transfer :process 1 :value {:from 1}}", HS_FORMAT_AUTO, 1, "unknown operation 'transfer'"},
    {"{:type :invoke :process 1 :value [[:r 1 nil]]}\n{:type :ok :process 2 :value [[:r 1 nil]]}", HS_FORMAT_AUTO, 2,
     "an ok of process 2 without its invoke"},
    {"{:type :invoke :process 1 :value [[:r 1 nil]]}\n{:type :invoke :process 1 :value [[:r 1 nil]]}", HS_FORMAT_AUTO,
     2, "process 1 invokes again; its transaction of line 1"},
    {"{:type :ok :process 1 :value [[:r 1 nil]]}\n{:type :invoke :process 1 :value [[:r 1 nil]]}", HS_FORMAT_AUTO, 2,
     "ended without one"},
    {"{:type :ok :process 1}", HS_FORMAT_AUTO, 1, "an ok without its value"},
    {"{:value [[:r 1 nil]]}", HS_FORMAT_AUTO, 1, "without a type"},
    {"{:type :ok :value [[:r 1 nil]}", HS_FORMAT_AUTO, 1, "'}' where ']' must come"},
    {"{:type :ok :value [[:r 1 nil]]\n", HS_FORMAT_AUTO, 2, "the file ends 1 bracket deep"},
    {"{:type :ok :value [[:r 1 nil]]}}", HS_FORMAT_AUTO, 1, "closes nothing"},
    {"{:type :ok :value}", HS_FORMAT_AUTO, 1, "a key without its value"},
    {"{:type :ok :value [[:w 1 99999999999999999999]]}", HS_FORMAT_AUTO, 1, "out of range"},
    {"{:type :ok :value [[:w 1 -9223372036854775808]]}", HS_FORMAT_AUTO, 1, "out of range"},
    {"{:type :ok :value [[:w 1 \"x\"]]}", HS_FORMAT_AUTO, 1, "not a whole number"},
    {"{:type :ok :value [[:w 1 nil]]}", HS_FORMAT_AUTO, 1, "not a whole number"},
    {"{:type :ok :value [[:w 1 1] [:append 1 1]]}", HS_FORMAT_AUTO, 1, "a list in a history of registers"},
    {"{:type :ok :value [[:append 1 1]]}", HS_FORMAT_EDN_REGISTER, 1, "a list in a history of registers"},
    {"{:type :ok :value [[:r 1 5]]}", HS_FORMAT_EDN_LIST, 1, "a register in a history of lists"},
    {"{:type :ok :value [[:r 1 [1 :x]]]}", HS_FORMAT_AUTO, 1, "an element of a list is not a whole number"},
    {"{:type :ok :value [[:r]]}", HS_FORMAT_AUTO, 1, "the key of a micro-operation"},
    {"{:type :ok :value [[:w 1]]}", HS_FORMAT_AUTO, 1, "what is written is not a whole number"},
    {"{:type :ok :value [[:r 1 2 3]]}", HS_FORMAT_AUTO, 1, "a verb, a key and a value"},
    {"{:type :ok :value [:r 1 2]}", HS_FORMAT_AUTO, 1, "must be a vector"},
    {"{:type :ok :value 7}", HS_FORMAT_AUTO, 1, "a vector of micro-operations"},
    {"{:type :ok :value [[:r [1] 2]]}", HS_FORMAT_AUTO, 1, "the key of a micro-operation"},
    {"{:type :ok, :value \"abc", HS_FORMAT_AUTO, 1, "ends inside a string"},
    {"{:type :ok, :value \"a\\q\"}", HS_FORMAT_AUTO, 1, "unknown escape"},
    {"[{:type :ok, :value [] #_}]", HS_FORMAT_AUTO, 1, "'#_' before nothing"},
    {"[{:type :ok, :value #inst}]", HS_FORMAT_AUTO, 1, "a key without its value"},
    {"{:type :ok :process 99999999999 :value []}", HS_FORMAT_AUTO, 1, "the process is out of range"},
    {"[:type :ok]", HS_FORMAT_AUTO, 1, "must be a map"},
    /* JSON */
    {"{\"type\":\"ok\" \"value\":[]}", HS_FORMAT_AUTO, 1, "a comma is missing"},
    {"{\"type\" \"ok\"}", HS_FORMAT_AUTO, 1, "a colon is missing"},
    {"{\"type\":\"ok\",}", HS_FORMAT_AUTO, 1, "ends after a key"},
    {"[{\"type\":\"ok\",\"value\":[]},]", HS_FORMAT_AUTO, 1, "a comma without a value"},
    {"[{\"type\":\"ok\",,\"value\":[]}]", HS_FORMAT_AUTO, 1, "',' where none belongs"},
    {"{\"type\":ok}", HS_FORMAT_AUTO, 1, "'ok' is not JSON"},
    {"{\"type\":\"ok\",\"value\":[[\"w\",1,1.5]]}", HS_FORMAT_AUTO, 1, "not a whole number"},
    {"{\"type\":\"ok\",\"value\":[[\"w\",1,1-5]]}", HS_FORMAT_AUTO, 1, "'1-5' is not a number"},
    {"{\"type\":\"\\ud800x\"}", HS_FORMAT_AUTO, 1, "surrogate"},
    {"{1:2,\"type\":3}", HS_FORMAT_AUTO, 1, "not a string"},
    /* Plume */
    {"w(1,1,1,1)\nx(1,1,1,1)", HS_FORMAT_AUTO, 2, "'x' is neither r nor w"},
    {"w(1,1,1,1)\nw(1,1,1)", HS_FORMAT_AUTO, 2, "',' expected behind the session"},
    {"w(1,1,1,1)\nw(1,1,1,", HS_FORMAT_AUTO, 2, "the transaction is not a number"},
    {"w(1,1,1,1)\nw(1,99999999999999999999,1,2)", HS_FORMAT_AUTO, 2, "the value is out of range"},
    {"w(1,1,1,1)\nw(1,1,2,2)", HS_FORMAT_AUTO, 2, "value 1 is written to key 1 twice"},
    {"w(1,1,1,1)\nw(2,1,2,1)", HS_FORMAT_AUTO, 2, "of session 1 in an earlier line"},
    {"w(1,1,1,-2)", HS_FORMAT_AUTO, 1, "below 0"},
    {"w(1,1,1,1) w(2,2,2,2)", HS_FORMAT_AUTO, 1, "more than one operation"},
    {"w(1,1,5000000000,1)", HS_FORMAT_AUTO, 1, "the session is out of range"},
    {"# nothing\n\n", HS_FORMAT_PLUME, 3, "no operation"},
    /* dbcop */
    {"[[{\"events\":[{\"Write\":{\"variable\":0}}]}]]", HS_FORMAT_AUTO, 1, "says what it does"},
    {"[[{\"events\":[{\"Write\":{\"variable\":0,\"version\":null}}]}]]", HS_FORMAT_AUTO, 1, "without a version"},
    {"[[{\"events\":[]}],\n[{\"events\":[{\"Erase\":1}]}]]", HS_FORMAT_AUTO, 2, "no member 'Erase'"},
    {"[[{\"events\":[[\"w\",0,1],\n[\"w\",0,1]]}]]", HS_FORMAT_AUTO, 2, "written twice"},
    {"{\"data\":[[{\"committed\":true}]],\"events\":0}", HS_FORMAT_AUTO, 1, "without events"},
    {"{\"info\":\"data\"}", HS_FORMAT_DBCOP, 1, "no \"data\""},
    {"[[{\"events\":[]}]]\n[]", HS_FORMAT_AUTO, 2, "behind the history"},
    /* ours */
    {"{\"varve-history\":2}", HS_FORMAT_AUTO, 1, "must be {\"varve-history\":1"},
    {"{\"varve-history\":1}\n[]", HS_FORMAT_AUTO, 2, "must be an object"},
    {"{\"varve-history\":1}\n{\"opps\":[]}", HS_FORMAT_AUTO, 2, "no member 'opps'"},
    {"{\"varve-history\":1}\n{\"ops\":[[\"peek\",\"x\",1]]}", HS_FORMAT_AUTO, 2, "operation 'peek' is not known"},
    {"{\"varve-history\":1}\n{\"level\":\"chaos\",\"ops\":[]}", HS_FORMAT_AUTO, 2, "level 'chaos' is not known"},
    {"{\"varve-history\":1}\n{\"ops\":[[\"row\",\"x\",1]]}", HS_FORMAT_AUTO, 2, "row outside of a scan"},
    {"{\"varve-history\":1}\n{\"ops\":[[\"read\",{\"hex\":\"0g\"},1]]}", HS_FORMAT_AUTO, 2, "not hexadecimal"},
    {"{\"varve-history\":1}\n{\"session\":-1,\"ops\":[]}", HS_FORMAT_AUTO, 2, "out of range"},
    {"{\"varve-history\":1}\n{\"ops\":[[\"read\",\"x\",1,{\"statement\":65536}]]}", HS_FORMAT_AUTO, 2, "out of range"},
    {"{\"varve-history\":1,\"timed\":true}\n\n{\"begin\":5,\"end\":4,\"ops\":[]}", HS_FORMAT_AUTO, 3,
     "before it begins"},
    {"{\"varve-history\":1}\n{\"ops\":[[\"append\",\"x\",1]]}", HS_FORMAT_AUTO, 2, "a list in a history of registers"},
    {"{\"varve-history\":1,\"timed\":true}\n\n{\"begin\":1,\"ops\":[]}", HS_FORMAT_AUTO, 3, "the end is missing"},
    {"{\"varve-history\":1}\n{\"ops\":[[\"read\",\"x\",1,{\"flags\":[\"own\"],\"version\":9}]]}", HS_FORMAT_AUTO, 0,
     "own write"},
};

static void readers__tell_line_and_reason(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct hs_history h;
        struct hs_problem problem;
        int status = kit_read(bad[i].text, bad[i].format, &h, &problem);
        TD_CHECK(status == VARVE_INVALID, "case %zu: %s for\n%s", i, varve_status_name(status), bad[i].text);
        TD_CHECK(problem.line == bad[i].line && strstr(problem.text, bad[i].why) != NULL, "line %llu: %s for\n%s",
                 (unsigned long long)problem.line, problem.text, bad[i].text);
        hs_release(&h);
    }
}

static void readers__stop_at_absurd_sizes(void **state) {
    (void)state;
    struct hs_history h;
    struct hs_problem problem;
    size_t size = 2 << 20;
    char *text = malloc(size);
    memset(text, '[', size);
    assert_int_equal(kit_read_bytes(text, size, HS_FORMAT_EDN_LIST, &h, &problem), VARVE_INVALID);
    assert_non_null(strstr(problem.text, "must be a map"));
    hs_release(&h);
    memcpy(text, "{:x ", 4);
    assert_int_equal(kit_read_bytes(text, size, HS_FORMAT_EDN_LIST, &h, &problem), VARVE_INVALID);
    assert_non_null(strstr(problem.text, "64 deep"));
    hs_release(&h);
    memset(text + 4, 'a', size - 4);
    assert_int_equal(kit_read_bytes(text, size, HS_FORMAT_EDN_LIST, &h, &problem), VARVE_INVALID);
    assert_non_null(strstr(problem.text, "512 KiB"));
    hs_release(&h);
    memset(text + 4, '1', size - 4);
    assert_int_equal(kit_read_bytes(text, size, HS_FORMAT_PLUME, &h, &problem), VARVE_INVALID);
    hs_release(&h);
    for (size_t i = 4; i + 2 < size; i += 3) memcpy(text + i, "#_ ", 3);
    assert_int_equal(kit_read_bytes(text, size, HS_FORMAT_EDN_LIST, &h, &problem), VARVE_INVALID);
    assert_non_null(strstr(problem.text, "64 discards"));
    hs_release(&h);
    free(text);
}

/* --- binary: every cut and every flipped byte is found --------------------------------------------------------------
 */

static void binary__every_cut_and_flip_is_found(void **state) {
    (void)state;
    struct td_random random = {td_seed()};
    struct kit_plan plan = {.txns = 12, .keys = 10, .stamps = true};
    struct hs_history h, back;
    struct hs_problem problem;
    kit_history(&h, &random, &plan);
    size_t size;
    char *bytes = kit_write(&h, HS_FORMAT_BINARY, &size);
    for (size_t i = 0; i < size; i++) {
        int status = kit_read_bytes(bytes, i, HS_FORMAT_BINARY, &back, &problem);
        TD_CHECK(status == VARVE_INVALID && problem.text[0] != 0, "cut at %zu: %d", i, status);
        hs_release(&back);
        bytes[i] ^= (char)(1u << td_below(&random, 8));
        status = kit_read_bytes(bytes, size, HS_FORMAT_BINARY, &back, &problem);
        TD_CHECK(status == VARVE_INVALID && problem.text[0] != 0, "flip at %zu: %d", i, status);
        hs_release(&back);
        free(bytes);
        bytes = kit_write(&h, HS_FORMAT_BINARY, &size);
    }
    free(bytes);
    hs_release(&h);
}

/* A payload that is broken but has the right sum is for the decoder to find: bytes of it are changed, the sum made
 * right again. Head of a block: tag, payload bytes u32, sum u64. */
static void binary__nonsense_with_a_right_sum(void **state) {
    (void)state;
    struct td_random random = {td_seed()};
    unsigned accepted = 0, count = td_case_count(3000);
    for (unsigned i = 0; i < count; i++) {
        struct kit_plan plan = {.txns = 6, .keys = 10, .lists = i % 2 == 0};
        struct hs_history h, back;
        struct hs_problem problem;
        size_t size;
        kit_history(&h, &random, &plan);
        uint8_t *bytes = (uint8_t *)kit_write(&h, HS_FORMAT_BINARY, &size);
        for (size_t at = 8; at < size;) {
            uint32_t payload;
            memcpy(&payload, bytes + at + 1, 4);
            for (unsigned n = (unsigned)td_below(&random, 3); n > 0 && payload != 0; n--)
                bytes[at + 13 + td_below(&random, payload)] = (uint8_t)td_next(&random);
            uint64_t sum = XXH3_64bits_withSeed(bytes + at + 13, payload, bytes[at]);
            memcpy(bytes + at + 5, &sum, 8);
            at += 13 + payload;
        }
        int status = kit_read_bytes(bytes, size, HS_FORMAT_BINARY, &back, &problem);
        TD_CHECK(status == VARVE_OK || (status == VARVE_INVALID && problem.text[0] != 0), "case %u: %d", i, status);
        accepted += status == VARVE_OK;
        hs_release(&back), hs_release(&h);
        free(bytes);
    }
    printf("%u of %u were histories\n", accepted, count);
}

/* --- fuzz --------------------------------------------------------------------------------------------------------- */

static const char *const pieces[] = {"[",
                                     "]",
                                     "{",
                                     "}",
                                     "(",
                                     ")",
                                     "\"",
                                     ":",
                                     ",",
                                     "\\",
                                     "#_",
                                     "#{",
                                     ";",
                                     "nil",
                                     "null",
                                     "true",
                                     "-1",
                                     "0",
                                     "99999999999999999999",
                                     "1e9",
                                     "\n",
                                     ":r",
                                     "\"r\"",
                                     "[:r 1 nil]",
                                     "invoke",
                                     "\"ops\"",
                                     "scan",
                                     "r(1,2,3,4)\n",
                                     "\xff",
                                     "\"\\u0000\"",
                                     "-9223372036854775808"};
enum { PIECES = sizeof pieces / sizeof *pieces };

/* Cuts, doubles, moves, flips or inserts something; returns the new size. */
static size_t mutate(char *text, size_t size, size_t room, struct td_random *random) {
    size_t at = td_below(random, size + 1), span = td_below(random, 40);
    if (span > size - at) span = size - at;
    switch (td_below(random, 6)) {
    case 0: /* leave out */ memmove(text + at, text + at + span, size - at - span); return size - span;
    case 1: /* double */
        if (size + span > room) return size;
        memmove(text + at + span, text + at, size - at);
        return size + span;
    case 2: return at; /* cut */
    case 3:
        if (size != 0) text[at == size ? size - 1 : at] ^= (char)(1u << td_below(random, 8));
        return size;
    case 4:
        if (size != 0) text[at == size ? size - 1 : at] = (char)td_next(random);
        return size;
    default: {
        const char *piece = pieces[td_below(random, PIECES)];
        size_t more = strlen(piece);
        if (size + more > room) return size;
        memmove(text + at + more, text + at, size - at);
        memcpy(text + at, piece, more);
        return size + more;
    }
    }
}

/* A history that was accepted can be written and read again. */
static void use(const struct hs_history *h) {
    size_t size;
    struct hs_history back;
    struct hs_problem problem;
    char *bytes = kit_write(h, HS_FORMAT_BINARY, &size);
    int status = kit_read_bytes(bytes, size, HS_FORMAT_AUTO, &back, &problem);
    TD_CHECK(status == VARVE_OK, "an accepted history did not come back: %s", problem.text);
    kit_assert_same(h, &back);
    hs_release(&back);
    free(bytes);
}

static void try_mutants(const char *bytes, size_t size, enum hs_format format, struct td_random *random, unsigned count,
                        unsigned *accepted) {
    size_t room = size + 400;
    char *text = malloc(room);
    for (unsigned i = 0; i < count; i++) {
        memcpy(text, bytes, size);
        size_t now = size;
        for (unsigned steps = 1 + (unsigned)td_below(random, 4); steps > 0; steps--)
            now = mutate(text, now, room, random);
        struct hs_history h;
        struct hs_problem problem;
        int status = kit_read_bytes(text, now, td_chance(random, 70) ? format : HS_FORMAT_AUTO, &h, &problem);
        TD_CHECK(status == VARVE_OK || (status == VARVE_INVALID && problem.text[0] != 0), "%s: %d \"%s\" for\n%.*s",
                 hs_format_name(format), status, problem.text, (int)now, text);
        if (status == VARVE_OK) use(&h), ++*accepted;
        hs_release(&h);
    }
    free(text);
}

static void fuzz__every_format(void **state) {
    (void)state;
    struct td_random random = {td_seed()};
    unsigned count = td_case_count(400);
    for (unsigned f = HS_FORMAT_JSONL; f < HS_FORMATS; f++) {
        enum hs_format format = (enum hs_format)f;
        unsigned accepted = 0;
        bool ours = format == HS_FORMAT_JSONL || format == HS_FORMAT_BINARY;
        for (unsigned i = 0; i < count / 20 + 1; i++) {
            struct kit_plan plan = {
                .plain = !ours, .ordered = true, .txns = 6, .keys = 8, .by_session = true, .timed = true};
            plan.lists = format == HS_FORMAT_EDN_LIST || format == HS_FORMAT_JSON_LIST || (ours && i % 2 == 0);
            td_context("%s, history %u", hs_format_name(format), i);
            struct hs_history h;
            kit_history(&h, &random, &plan);
            for (size_t t = 0; t < h.txn_count && !ours; t++) h.txns[t].outcome = HS_COMMITTED;
            size_t size;
            char *bytes = kit_write(&h, format, &size);
            try_mutants(bytes, size, format, &random, 20, &accepted);
            free(bytes);
            hs_release(&h);
        }
        printf("%-14s %u mutants of %u were histories\n", hs_format_name(format), accepted, (count / 20 + 1) * 20);
    }
}

int main(void) {
    td_watchdog(300);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers__tell_line_and_reason),
        cmocka_unit_test(readers__stop_at_absurd_sizes),
        cmocka_unit_test(binary__every_cut_and_flip_is_found),
        cmocka_unit_test(binary__nonsense_with_a_right_sum),
        cmocka_unit_test(fuzz__every_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
