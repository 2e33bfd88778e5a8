/* fibre.h - stacks that one thread switches between by hand.
 *
 * A thread's own stack is its home fibre; others are made with a function that never returns. A switch leaves where it
 * was called and comes back there when somebody switches to it again. The sanitizers are told of every switch.
 *
 * Thread rule: a fibre is used by the thread that made it. Nothing thread-local may be held across a switch.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_FIBRE_H
#define VARVE_SUITE_FIBRE_H

#include <stddef.h>

struct fb_fibre;

struct fb_fibre *fb_home(void); /* stands for the stack it is called on; NULL: no memory */
/* A new stack on which run(arg) starts at the first switch to it; run never returns. NULL: no memory. */
struct fb_fibre *fb_make(void (*run)(void *arg), void *arg);
void fb_switch(struct fb_fibre *from, struct fb_fibre *to); /* `from` is the one that runs */
void fb_free(struct fb_fibre *fibre);                       /* not the one that runs; NULL is allowed */

#endif
