/* test_rcu.c - what was published stays until its readers have left: readers follow a pointer that a writer replaces
 * and frees after a grace period. Under an address or thread sanitizer a missing grace period is reported.
 *
 * SPDX-License-Identifier: MIT
 */
#include "os/rcu.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/os.h"

struct box {
    uint64_t value, twice; /* plain: only publication and the grace period order them */
};
static struct box *published;
static bool stop;
static uint64_t torn, reads;

static void follow(void *arg) {
    (void)arg;
    uint64_t mine = 0, wrong = 0;
    while (!vb_load_acquire(&stop) || mine == 0) {
        vos_rcu_enter();
        const volatile struct box *box = vos_rcu_deref(&published);
        for (int look = 0; look < 300; look++) { /* long enough to be overtaken by the writer */
            wrong += box->twice != box->value * 2;
            vb_cpu_relax();
        }
        mine++;
        vb_add_relaxed(&reads, 1);
        vos_rcu_exit();
        if (mine % 8 == 0) vos_thread_yield();
    }
    vb_add_relaxed(&torn, wrong);
}

static void rcu__readers_keep_what_they_found(void **state) {
    (void)state;
    struct vos_thread *threads[3];
    published = malloc(sizeof(struct box));
    *published = (struct box){1, 2};
    for (int i = 0; i < 3; i++)
        assert_int_equal(vos_thread_start(follow, NULL, "reader", &threads[i]), VARVE_OK);
    for (uint64_t i = 2; i < 60; i++) {
        struct box *fresh = malloc(sizeof(*fresh)), *old = published;
        *fresh = (struct box){i, i * 2};
        for (uint64_t before = vb_load_relaxed(&reads); vb_load_relaxed(&reads) < before + 4;)
            vos_thread_yield(); /* readers are at work */
        vos_rcu_publish(&published, fresh);
        vos_rcu_synchronize();
        old->value = old->twice = 0;
        free(old);
    }
    vb_store_release(&stop, true);
    for (int i = 0; i < 3; i++)
        vos_thread_join(threads[i]);
    assert_int_equal(torn, 0);
    assert_true(reads >= 3);
    free(published);
}

#ifdef VARVE_ASSERTS
static bool dies(void (*wait)(void)) {
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(2);
        vos_rcu_enter();
        wait();
        _exit(0);
    }
    int how;
    waitpid(child, &how, 0);
    return WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT;
}

static void wait_on_futex(void) {
    uint32_t word = 1;
    vos_futex_wait(&word, 0, 1);
}

static void wait_on_mutex(void) {
    struct vos_mutex mutex = {0};
    vos_mutex_lock(&mutex);
}

static void rcu__no_wait_inside_a_section(void **state) {
    (void)state;
    assert_true(dies(wait_on_futex));
    assert_true(dies(wait_on_mutex));
    assert_true(dies(vos_rcu_synchronize));
    vos_rcu_enter();
    vos_rcu_enter(); /* sections nest */
    assert_int_equal(vos_rcu_depth, 2);
    vos_rcu_exit();
    vos_rcu_exit();
    wait_on_futex();
    wait_on_mutex();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rcu__readers_keep_what_they_found),
#ifdef VARVE_ASSERTS
        cmocka_unit_test(rcu__no_wait_inside_a_section),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
