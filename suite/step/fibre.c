/* fibre.c - fibres by ucontext, with a guard page below each stack and the sanitizers' notes at each switch.
 *
 *  1. came_from of the fibre switched to names the fibre that was left: AddressSanitizer tells the bounds of the stack
 *     that was left only after the switch.
 *  2. A stack is mapped once and given back at fb_free; its shadow is cleared first, because frames that never return
 *     leave their red zones behind.
 * Sources: the contexts of POSIX.1-2001; sanitizer/common_interface_defs.h for the notes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "step/fibre.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define FB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FB_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FB_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FB_TSAN 1
#endif
#endif
#ifdef FB_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FB_TSAN
#include <sanitizer/tsan_interface.h>
#endif

enum { STACK_BYTES = 512 << 10, GUARD_BYTES = 16 << 10 };

struct fb_fibre {
    ucontext_t context;
    void (*run)(void *arg);
    void *arg;
    void *mapping; /* NULL: a home */
    struct fb_fibre *came_from;
    const void *stack; /* as AddressSanitizer knows it */
    size_t stack_bytes;
    void *fake_stack; /* AddressSanitizer's */
    void *tsan;
};

/* After a switch: the stack that was left is told (invariant 1). */
static void arrived(struct fb_fibre *here) {
#ifdef FB_ASAN
    struct fb_fibre *left = here->came_from;
    __sanitizer_finish_switch_fiber(here->fake_stack, &left->stack, &left->stack_bytes);
#else
    (void)here;
#endif
}

static void enter(unsigned high, unsigned low) {
    struct fb_fibre *self = (struct fb_fibre *)(uintptr_t)((uint64_t)high << 32 | low);
    arrived(self);
    self->run(self->arg);
    abort(); /* run never returns */
}

struct fb_fibre *fb_home(void) {
    struct fb_fibre *fibre = calloc(1, sizeof *fibre);
#ifdef FB_TSAN
    if (fibre != NULL) fibre->tsan = __tsan_get_current_fiber();
#endif
    return fibre;
}

static void prepare(struct fb_fibre *fibre) {
    ucontext_t *context = &fibre->context;
    uint64_t word = (uint64_t)(uintptr_t)fibre;
    (void)getcontext(context);
    context->uc_stack.ss_sp = (char *)fibre->mapping + GUARD_BYTES;
    context->uc_stack.ss_size = STACK_BYTES;
    context->uc_link = NULL;
    makecontext(context, (void (*)(void))(uintptr_t)enter, 2, (unsigned)(word >> 32), (unsigned)word);
}

struct fb_fibre *fb_make(void (*run)(void *arg), void *arg) {
    struct fb_fibre *fibre = fb_home();
    if (fibre == NULL) return NULL;
    void *mapping = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        free(fibre);
        return NULL;
    }
    (void)mprotect(mapping, GUARD_BYTES, PROT_NONE);
    fibre->mapping = mapping;
    fibre->stack = (char *)mapping + GUARD_BYTES;
    fibre->stack_bytes = STACK_BYTES;
    fibre->run = run;
    fibre->arg = arg;
    prepare(fibre);
#ifdef FB_TSAN
    fibre->tsan = __tsan_create_fiber(0);
#endif
    return fibre;
}

void fb_switch(struct fb_fibre *from, struct fb_fibre *to) {
    to->came_from = from;
#ifdef FB_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->stack_bytes);
#endif
#ifdef FB_TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    (void)swapcontext(&from->context, &to->context);
    arrived(from);
}

void fb_free(struct fb_fibre *fibre) {
    if (fibre == NULL) return;
    if (fibre->mapping != NULL) {
#ifdef FB_ASAN
        __asan_unpoison_memory_region((char *)fibre->mapping + GUARD_BYTES, STACK_BYTES);
#endif
#ifdef FB_TSAN
        __tsan_destroy_fiber(fibre->tsan);
#endif
        (void)munmap(fibre->mapping, GUARD_BYTES + STACK_BYTES);
    }
    free(fibre);
}
