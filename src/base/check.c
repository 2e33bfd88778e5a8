/* check.c - what a failed VB_ASSERT does: one line on stderr, then abort. Exists in builds with assertions only; the
 * delivered library never ends its host.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/check.h"

#ifdef VARVE_ASSERTS
#include <stdio.h>
#include <stdlib.h>

void vb_assert_failed(const char *condition, const char *file, int line) {
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    fflush(stderr);
    abort();
}
#endif
