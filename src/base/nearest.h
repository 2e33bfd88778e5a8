/* nearest.h - the known word that is most like a mistyped one.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BASE_NEAREST_H
#define VARVE_BASE_NEAREST_H

#include <stddef.h>

/* The nearest of `count` known words by edit distance (Levenshtein, 1966); the first of equals; NULL only when there
 * are none. Words beyond 63 bytes are compared by their beginning. Allocates nothing; any thread. */
const char *vb_nearest(const char *word, const char *const *known, size_t count);

#endif
