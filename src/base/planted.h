/* planted.h - bugs planted on purpose, to prove that the tests find them: tests/mutants has the catalogue.
 *
 * With VARVE_PLANTED all of them are compiled in and one is chosen at run time, so that one build serves for all.
 * Without it, as in every build a user gets, VB_PLANTED is false and the bug is gone before the compiler's first pass.
 * vb_planted is set once, before the first call of the library, and only by tests.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BASE_PLANTED_H
#define VARVE_BASE_PLANTED_H

#ifdef VARVE_PLANTED
extern unsigned vb_planted; /* the number of the bug; 0: none */
#define VB_PLANTED(number) (vb_planted == (number))
#else
#define VB_PLANTED(number) 0
#endif

#endif
