/* test_os_barrier.c - the asymmetric barrier (a Dekker test that a missing barrier fails), the fork mark, pages.
 *
 * SPDX-License-Identifier: MIT
 */
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if VB_TSAN
enum { DEKKER_ROUNDS = 500 }; /* fences are not modelled there; the rounds only show that nothing is reported */
#else
enum { DEKKER_ROUNDS = 200000 };
#endif

static struct {
    vb_aligned_line uint32_t light_flag;
    vb_aligned_line uint32_t heavy_flag;
    vb_aligned_line uint32_t light_saw;
    vb_aligned_line uint32_t round_light; /* rounds the light side has been let into */
    vb_aligned_line uint32_t round_done;  /* rounds the light side has finished */
} dekker;

static void wait_for_round(const uint32_t *word, uint32_t round) {
    for (unsigned spins = 0; vb_load_acquire(word) < round; spins++) {
        if (spins < 200)
            vb_cpu_relax();
        else
            vos_thread_yield();
    }
}

static void light_side(void *arg) {
    (void)arg;
    for (uint32_t round = 1; round <= DEKKER_ROUNDS; round++) {
        wait_for_round(&dekker.round_light, round);
        vb_store_relaxed(&dekker.light_flag, 1);
        vos_light_barrier();
        vb_store_relaxed(&dekker.light_saw, vb_load_relaxed(&dekker.heavy_flag));
        vb_store_release(&dekker.round_done, round);
    }
}

/* In no round may both sides miss the other's flag. */
static void barrier__light_and_heavy_halves_pair(void **state) {
    (void)state;
    bool ready = vos_membarrier_ready();
    assert_int_equal(vos_membarrier_missing, !ready);
    struct vos_thread *thread;
    assert_int_equal(vos_thread_start(light_side, NULL, "light", &thread), VARVE_OK);
    unsigned both_missed = 0;
    for (uint32_t round = 1; round <= DEKKER_ROUNDS; round++) {
        vb_store_relaxed(&dekker.light_flag, 0);
        vb_store_relaxed(&dekker.heavy_flag, 0);
        vb_store_release(&dekker.round_light, round);
        for (uint32_t i = 0; i < round % 512; i++)
            vb_compiler_barrier(); /* another phase each round, about a nanosecond apart */
        vb_store_relaxed(&dekker.heavy_flag, 1);
        vos_membarrier();
        uint32_t heavy_saw = vb_load_relaxed(&dekker.light_flag);
        wait_for_round(&dekker.round_done, round);
        if (heavy_saw == 0 && vb_load_relaxed(&dekker.light_saw) == 0) both_missed++;
    }
    vos_thread_join(thread);
#if VB_TSAN
    (void)both_missed;
#else
    assert_int_equal(both_missed, 0);
#endif
}

static void barrier__works_in_a_forked_child(void **state) {
    (void)state;
    bool ready = vos_membarrier_ready();
    pid_t child = fork();
    if (child == 0) {
        vos_membarrier();
        _exit(vos_membarrier_ready() == ready ? 0 : 1);
    }
    int how;
    waitpid(child, &how, 0);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

static void fork_mark__tells_the_child(void **state) {
    (void)state;
    struct vos_fork_mark mark;
    assert_int_equal(vos_fork_mark_open(&mark), VARVE_OK);
    assert_false(vos_forked(&mark));
    pid_t child = fork();
    if (child == 0) {
        if (!vos_forked(&mark)) _exit(1);
        pid_t grandchild = fork();
        if (grandchild == 0) _exit(vos_forked(&mark) ? 0 : 2);
        int how;
        waitpid(grandchild, &how, 0);
        _exit(WIFEXITED(how) ? WEXITSTATUS(how) : 3);
    }
    int how;
    waitpid(child, &how, 0);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
    assert_false(vos_forked(&mark));
    vos_fork_mark_close(&mark);
}

static void pages__zeroed_and_aligned(void **state) {
    (void)state;
    const size_t sizes[] = {1, 4096, 4097, (2u << 20) - 1, 2u << 20, (5u << 20) + 13};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *pages = vos_pages_alloc(sizes[i]);
        assert_non_null(pages);
        assert_int_equal((uintptr_t)pages % (sizes[i] >= (2u << 20) ? 2u << 20 : 4096), 0);
        assert_true(pages[0] == 0 && pages[sizes[i] / 2] == 0 && pages[sizes[i] - 1] == 0);
        memset(pages, 0xa5, sizes[i]);
        vos_pages_free(pages, sizes[i]);
    }
    assert_null(vos_pages_alloc(0));
    assert_null(vos_pages_alloc(SIZE_MAX));
    assert_null(vos_pages_alloc((size_t)1 << 60));
    vos_pages_free(NULL, 4096);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(barrier__light_and_heavy_halves_pair),
        cmocka_unit_test(barrier__works_in_a_forked_child),
        cmocka_unit_test(fork_mark__tells_the_child),
        cmocka_unit_test(pages__zeroed_and_aligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
