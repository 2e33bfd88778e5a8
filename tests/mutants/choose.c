/* choose.c - chooses the planted bug from VARVE_PLANTED in the environment, before main. Linked into the programs of a
 * build with planted bugs, into nothing else; the library itself reads no environment.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/planted.h"

__attribute__((constructor)) static void choose(void) {
    const char *number = getenv("VARVE_PLANTED");
    if (number != NULL) vb_planted = (unsigned)strtoul(number, NULL, 10);
}
