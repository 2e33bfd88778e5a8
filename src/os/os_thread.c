/* os_thread.c - threads, futex waits and the mutex for rare paths.
 *
 * Thread rule: everything here may be called by any thread.
 * Invariants
 *   1. A thread of ours has every signal blocked from its first instruction on: the host's handlers never run on it.
 *   2. Nothing here is called inside a read section (asserted).
 *   3. Mutex word: 0 unlocked, 1 locked, 2 locked and someone may sleep on it.
 * Source of the mutex: Ulrich Drepper, Futexes Are Tricky, 2011, section 6 (mutex 2).
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/os.h"
#include "os/rcu.h"

struct vos_thread {
    pthread_t id;
    void (*run)(void *arg);
    void *arg;
    char name[16];
};

static void *thread_main(void *arg) {
    struct vos_thread *thread = arg;
    pthread_setname_np(pthread_self(), thread->name);
    thread->run(thread->arg);
    return NULL;
}

/* The new thread inherits the mask of its creator, so there is no moment in which it could take a signal. */
int vos_thread_start(void (*run)(void *arg), void *arg, const char *name, struct vos_thread **thread) {
    struct vos_thread *made = vb_alloc(sizeof(*made));
    if (made == NULL) return VARVE_NOMEM;
    made->run = run;
    made->arg = arg;
    memcpy(made->name, name, strnlen(name, sizeof(made->name) - 1));
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&made->id, NULL, thread_main, made);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) {
        vb_free(made, sizeof(*made));
        return VARVE_NOMEM;
    }
    *thread = made;
    return VARVE_OK;
}

void vos_thread_join(struct vos_thread *thread) {
    vos_assert_may_wait();
    pthread_join(thread->id, NULL);
    vb_free(thread, sizeof(*thread));
}

void vos_thread_yield(void) {
#ifdef VARVE_TEST_POINTS
    if (vb_test_hooks.relax != NULL && vb_test_hooks.relax()) return;
#endif
    sched_yield();
}

bool vos_futex_wait(const uint32_t *word, uint32_t expected, uint64_t timeout_ns) {
    vos_assert_may_wait();
#ifdef VARVE_TEST_POINTS
    bool woken;
    if (vb_test_hooks.futex_wait != NULL && vb_test_hooks.futex_wait(word, expected, timeout_ns, &woken)) return woken;
#endif
    struct timespec limit = {(time_t)(timeout_ns / 1000000000u), (long)(timeout_ns % 1000000000u)};
    long result = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns != 0 ? &limit : NULL, NULL, 0);
    return result == 0 || errno != ETIMEDOUT;
}

void vos_futex_wake(const uint32_t *word, unsigned count) {
    int most = count < INT32_MAX ? (int)count : INT32_MAX;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, most, NULL, NULL, 0);
}

/* A machine with more processors than the set has room for answers EINVAL. */
unsigned vos_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0) return (unsigned)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

void vos_mutex_lock(struct vos_mutex *mutex) {
    vos_assert_may_wait();
    uint32_t word = 0;
    if (vb_cas(&mutex->word, &word, 1)) return;
    if (word != 2) word = vb_exchange_acq_rel(&mutex->word, 2);
    while (word != 0) {
        vos_futex_wait(&mutex->word, 2, 0);
        word = vb_exchange_acq_rel(&mutex->word, 2);
    }
}

bool vos_mutex_try(struct vos_mutex *mutex) {
    uint32_t word = 0;
    return vb_cas(&mutex->word, &word, 1);
}

void vos_mutex_unlock(struct vos_mutex *mutex) {
    uint32_t word = vb_exchange_acq_rel(&mutex->word, 0);
    VB_ASSERT(word != 0);
    if (word == 2) vos_futex_wake(&mutex->word, 1);
}

unsigned vos_cpu(void) {
    int cpu = sched_getcpu();
    return cpu < 0 ? 0 : (unsigned)cpu;
}
