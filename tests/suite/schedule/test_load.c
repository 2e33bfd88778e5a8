/* test_load.c - sets of schedules: the corpus is whole, a user's file tells every problem with its line, names are
 * unique. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "schedule/corpus.h"
#include "schedule/load.h"
#include "support/testdb.h"

static struct ss_set set;
static char *told;
static size_t told_bytes;
static FILE *problems;
static char path[TD_PATH_BYTES];

static int fresh(void **state) {
    (void)state;
    ss_set_init(&set);
    problems = open_memstream(&told, &told_bytes);
    td_scratch(path);
    return problems == NULL || mkdir(path, 0700) != 0 ? -1 : 0;
}

static int gone(void **state) {
    (void)state;
    fclose(problems);
    free(told);
    ss_set_release(&set);
    td_remove_tree(path);
    return 0;
}

static void tells(const char *wanted) {
    fflush(problems);
    assert_string_equal(told, wanted);
}

static const char *file(const char *bytes, size_t size) {
    static char name[TD_PATH_BYTES + 8];
    snprintf(name, sizeof name, "%s/x.sched", path);
    FILE *out = fopen(name, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    fclose(out);
    return name;
}

static void the_corpus_is_whole(void **state) {
    (void)state;
    int status = ss_set_add_corpus(&set, problems);
    tells("");
    assert_int_equal(status, VARVE_OK);
    assert_true(ss_corpus_count > 0 && set.count >= ss_corpus_count);
    for (unsigned i = 0; i < set.count; i++) {
        const struct ss_schedule *schedule = set.schedules[i];
        assert_ptr_equal(ss_set_find(&set, schedule->name), schedule);
        assert_true(ss_interleavings(schedule) > 0);
        assert_true(schedule->rule_count > 0); /* a schedule that expects nothing cannot fail */
    }
}

static void every_schedule_tells_its_problem(void **state) {
    (void)state;
    static const char text[] = "schedule A1 one\ns1: r x\n"
                               "schedule A1 two\ns1: wr x\n"
                               "# between\nschedule A1 three\ns1: r x\nmust sre\n"
                               "schedule A1 one\ns1: r y\n"
                               "schedule A1 four\ns1: c\n";
    assert_int_equal(ss_set_add_text(&set, "mine.sched", text, problems), VARVE_INVALID);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.problem_count, 3);
    assert_non_null(ss_set_find(&set, "four"));
    assert_null(ss_set_find(&set, "two"));
    assert_string_equal(ss_set_find(&set, "one")->keys[0], "x");
    assert_string_equal(set.files[1], "mine.sched");
    tells("mine.sched:4: `wr` is not a step; the nearest is `w`\n"
          "mine.sched:8: `sre` is not a level; the nearest is `ser`\n"
          "mine.sched:9: a second schedule `one`: the first is in mine.sched\n");
}

static void text_before_the_first_schedule(void **state) {
    (void)state;
    assert_int_equal(ss_set_add_text(&set, "f", "# fine\nhello\nschedule A1 one\ns1: r x\n", problems), VARVE_INVALID);
    assert_int_equal(set.count, 1);
    tells("f:2: a file begins with `schedule ID NAME`\n");
}

static void files(void **state) {
    char wanted[2 * TD_PATH_BYTES];
    (void)state;
    const char *name = file("schedule A1 one\r\ns1: r x | c\r\n", 30);
    assert_int_equal(ss_set_add_file(&set, name, problems), VARVE_OK);
    assert_int_equal(set.count, 1);
    name = file("# nothing\n", 10);
    assert_int_equal(ss_set_add_file(&set, name, problems), VARVE_INVALID);
    snprintf(wanted, sizeof wanted, "%s:1: no schedule in it\n", name);
    tells(wanted);
}

static void what_cannot_be_read(void **state) {
    char wanted[4 * TD_PATH_BYTES], missing[TD_PATH_BYTES + 8];
    (void)state;
    snprintf(missing, sizeof missing, "%s/none", path);
    assert_int_equal(ss_set_add_file(&set, missing, problems), VARVE_IO);
    const char *name = file("schedule\0 A1 one\n", 17);
    assert_int_equal(ss_set_add_file(&set, name, problems), VARVE_IO);
    snprintf(wanted, sizeof wanted, "%s: No such file or directory\n%s: not a text: it holds a zero byte\n",
             missing, name);
    tells(wanted);
    assert_int_equal(ss_set_add_file(&set, path, NULL), VARVE_IO); /* a directory; nobody listens */
    assert_int_equal(set.problem_count, 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fresh, gone)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_corpus_is_whole),
        CASE(every_schedule_tells_its_problem),
        CASE(text_before_the_first_schedule),
        CASE(files),
        CASE(what_cannot_be_read),
    };
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
