/* test_check.c - the status macros pass on and stop; a failed assertion says where and ends the process.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int calls;

static int step(int status) {
    calls++;
    return status;
}

static int two_steps(int first, int second) {
    VB_TRY(step(first));
    VB_TRY(step(second));
    return 7;
}

static int with_exit(int first, int *cleaned) {
    int status;
    VB_TRY_GOTO(status, step(first), done);
    status = 9;
done:
    *cleaned = 1;
    return status;
}

static void check__status_macros(void **state) {
    (void)state;
    calls = 0;
    assert_int_equal(two_steps(VARVE_OK, VARVE_OK), 7);
    assert_int_equal(two_steps(VARVE_IO, VARVE_OK), VARVE_IO);
    assert_int_equal(two_steps(VARVE_OK, VARVE_FULL), VARVE_FULL);
    assert_int_equal(calls, 5);
    int cleaned = 0;
    assert_int_equal(with_exit(VARVE_NOMEM, &cleaned), VARVE_NOMEM);
    assert_int_equal(cleaned, 1);
    assert_int_equal(with_exit(VARVE_OK, &cleaned), 9);
}

static void check__assertions(void **state) {
    (void)state;
    int evaluated = 0;
    VB_ASSERT(++evaluated > 0);
#ifdef VARVE_ASSERTS
    assert_int_equal(evaluated, 1);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        signal(SIGABRT, SIG_DFL);
        VB_ASSERT(1 + 1 == 3);
        _exit(0);
    }
    close(ends[1]);
    char text[512] = "";
    size_t used = 0;
    ssize_t n;
    while (used < sizeof(text) - 1 && (n = read(ends[0], text + used, sizeof(text) - 1 - used)) > 0)
        used += (size_t)n;
    close(ends[0]);
    int how;
    waitpid(child, &how, 0);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
    assert_non_null(strstr(text, "test_check.c:"));
    assert_non_null(strstr(text, "1 + 1 == 3"));
#else
    assert_int_equal(evaluated, 0); /* the condition is compiled and not run */
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check__status_macros),
        cmocka_unit_test(check__assertions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
