/* nearest.c - edit distance in one row of the usual table.
 *
 * Source: Wagner, Fischer, The String-to-String Correction Problem, Journal of the ACM 1974.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/nearest.h"

#include <string.h>

enum { WORD_MAX = 63 };

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

static unsigned distance(const char *a, const char *b) {
    size_t a_size = strnlen(a, WORD_MAX), b_size = strnlen(b, WORD_MAX);
    unsigned row[WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++) row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_size; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_size; j++) {
            unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_size];
}

const char *vb_nearest(const char *word, const char *const *known, size_t count) {
    const char *best = NULL;
    unsigned best_distance = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned d = distance(word, known[i]);
        if (best != NULL && d >= best_distance) continue;
        best = known[i];
        best_distance = d;
    }
    return best;
}
