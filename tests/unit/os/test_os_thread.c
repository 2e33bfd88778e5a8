/* test_os_thread.c - threads with no signals, futex waits and wakes, the mutex.
 *
 * SPDX-License-Identifier: MIT
 */
#include "os/os.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>

#include <cmocka.h>

#include "os/rcu.h"

struct seen {
    sigset_t mask;
    char name[32];
    int value;
};

static void look_around(void *arg) {
    struct seen *seen = arg;
    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
    prctl(PR_GET_NAME, seen->name);
    seen->value = 17;
}

static void thread__blocks_every_signal(void **state) {
    (void)state;
    struct vos_thread *thread;
    struct seen seen = {.value = 0};
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(vos_thread_start(look_around, &seen, "varve-a-rather-long-name", &thread), VARVE_OK);
    vos_thread_join(thread);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(seen.value, 17);
    assert_string_equal(seen.name, "varve-a-rather-");
    const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, SIGALRM, SIGPIPE, SIGSEGV, SIGPROF};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        assert_int_equal(sigismember(&seen.mask, signals[i]), 1);
        assert_int_equal(sigismember(&after, signals[i]), sigismember(&before, signals[i]));
    }
}

static void futex__value_already_changed(void **state) {
    (void)state;
    uint32_t word = 5;
    assert_true(vos_futex_wait(&word, 4, 0));
    assert_true(vos_futex_wait(&word, 4, 1000));
}

static void futex__times_out(void **state) {
    (void)state;
    struct vos *os = vos_posix();
    uint32_t word = 5;
    uint64_t start = os->ops->now_ns(os);
    bool woken;
    do
        woken = vos_futex_wait(&word, 5, 2000000);
    while (woken); /* may wake early */
    assert_true(os->ops->now_ns(os) - start >= 2000000);
}

struct ping {
    uint32_t word;
    uint32_t rounds;
};

/* Even: the main thread's turn; odd: the other's. */
static void take_turns(struct ping *ping, uint32_t mine) {
    for (uint32_t i = 0; i < ping->rounds; i++) {
        uint32_t now;
        while (((now = vb_load_acquire(&ping->word)) & 1) != mine)
            vos_futex_wait(&ping->word, now, 0);
        vb_store_release(&ping->word, now + 1);
        vos_futex_wake(&ping->word, 1);
    }
}

static void other_turns(void *arg) {
    take_turns(arg, 1);
}

/* A lost wake-up would hang here. */
static void futex__wakes_in_turns(void **state) {
    (void)state;
    struct ping ping = {0, 3000};
    struct vos_thread *thread;
    assert_int_equal(vos_thread_start(other_turns, &ping, "turns", &thread), VARVE_OK);
    take_turns(&ping, 0);
    vos_thread_join(thread);
    assert_int_equal(ping.word, 6000);
}

static uint32_t gate, passed;

static void wait_at_gate(void *arg) {
    (void)arg;
    while (vb_load_acquire(&gate) == 0)
        vos_futex_wait(&gate, 0, 0);
    vb_add_relaxed(&passed, 1);
}

static void futex__wakes_all(void **state) {
    (void)state;
    struct vos_thread *threads[6];
    for (int i = 0; i < 6; i++)
        assert_int_equal(vos_thread_start(wait_at_gate, NULL, "gate", &threads[i]), VARVE_OK);
    for (int i = 0; i < 100; i++)
        vos_thread_yield();
    vb_store_release(&gate, 1);
    vos_futex_wake(&gate, UINT32_MAX);
    for (int i = 0; i < 6; i++)
        vos_thread_join(threads[i]);
    assert_int_equal(passed, 6);
}

static struct vos_mutex mutex;
static uint64_t guarded; /* plain: only the mutex protects it */

/* Now and then the holder lets others run, so that they find the mutex locked and go to sleep: a lost wake-up hangs. */
static void count_up(void *arg) {
    (void)arg;
    for (int i = 0; i < 20000; i++) {
        vos_mutex_lock(&mutex);
        uint64_t before = guarded;
        if (i % 16 == 0) vos_thread_yield();
        guarded = before + 1;
        vos_mutex_unlock(&mutex);
    }
}

static void mutex__excludes(void **state) {
    (void)state;
    struct vos_thread *threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(vos_thread_start(count_up, NULL, "count", &threads[i]), VARVE_OK);
    for (int i = 0; i < 4; i++)
        vos_thread_join(threads[i]);
    assert_int_equal(guarded, 80000);
    assert_int_equal(mutex.word, 0);
    assert_true(vos_mutex_try(&mutex));
    assert_false(vos_mutex_try(&mutex));
    vos_mutex_unlock(&mutex);
    assert_true(vos_mutex_try(&mutex));
    vos_mutex_unlock(&mutex);
    assert_true(vos_cpu_count() >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread__blocks_every_signal),
        cmocka_unit_test(futex__value_already_changed),
        cmocka_unit_test(futex__times_out),
        cmocka_unit_test(futex__wakes_in_turns),
        cmocka_unit_test(futex__wakes_all),
        cmocka_unit_test(mutex__excludes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
