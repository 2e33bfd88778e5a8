/* os_barrier.c - the process-wide memory barrier, the page that tells a forked child, and large pages of memory.
 *
 * Thread rule: any thread.
 * Invariants
 *   1. vos_membarrier_missing goes from true to false once and never back, so that two threads that both came after
 *      their own vos_membarrier_ready agree on which half of the pair is the real fence; a thread with the older view
 *      only fences more than it must.
 * Source: membarrier(2); Mathieu Desnoyers, the membarrier system call (Linux 4.14).
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "os/os.h"

bool vos_membarrier_missing = true;

static int membarrier_call(int command) {
    return (int)syscall(SYS_membarrier, command, 0, 0);
}

/* Asked at every open: registering again is free, and a process that was forked has to register anew. */
bool vos_membarrier_ready(void) {
    if (membarrier_call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0) return false;
    if (membarrier_call(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0) return false;
    vb_store_release(&vos_membarrier_missing, false);
    return true;
}

/* In a forked child of a registered process the first call may be refused until the child is registered; the slow
 * global form is the last resort. Both would have to be forbidden while the process runs for neither to work. */
void vos_membarrier(void) {
    vb_fence_seq_cst();
    if (vb_load_relaxed(&vos_membarrier_missing)) return;
    if (membarrier_call(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) return;
    if (vos_membarrier_ready()) return;
    int failed = membarrier_call(MEMBARRIER_CMD_GLOBAL);
    VB_ASSERT(failed == 0);
    (void)failed;
}

void vos_light_fence_slow(void) {
    vb_fence_seq_cst();
}

static size_t page_bytes(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void *map_pages(size_t size) {
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

int vos_fork_mark_open(struct vos_fork_mark *mark) {
    uint64_t *page = map_pages(page_bytes());
    if (page == NULL) return VARVE_NOMEM;
    if (madvise(page, page_bytes(), MADV_WIPEONFORK) != 0) {
        int status = errno == ENOMEM || errno == EAGAIN ? VARVE_NOMEM : VARVE_IO;
        munmap(page, page_bytes());
        return status;
    }
    *page = 1;
    mark->page = page;
    return VARVE_OK;
}

void vos_fork_mark_close(struct vos_fork_mark *mark) {
    munmap(mark->page, page_bytes());
    mark->page = NULL;
}

static const size_t huge_bytes = (size_t)2 << 20;

static size_t rounded_up(size_t size) {
    size_t page = page_bytes();
    return (size + page - 1) & ~(page - 1);
}

/* Asks for one huge page more than needed and gives back what lies before and behind the aligned part, because only
 * aligned memory becomes huge. */
void *vos_pages_alloc(size_t size) {
    if (size == 0 || size > SIZE_MAX / 4) return NULL;
    size_t wanted = rounded_up(size);
    if (wanted < huge_bytes) return map_pages(wanted);
    char *pages = map_pages(wanted + huge_bytes);
    if (pages == NULL) return NULL;
    size_t before = (size_t)(-(uintptr_t)pages & (huge_bytes - 1));
    if (before != 0) munmap(pages, before);
    munmap(pages + before + wanted, huge_bytes - before);
    madvise(pages + before, wanted, MADV_HUGEPAGE);
    return pages + before;
}

void vos_pages_free(void *pages, size_t size) {
    if (pages != NULL) munmap(pages, rounded_up(size));
}
