/* check.c - `varve check`: judges a history from a file.
 *
 * SPDX-License-Identifier: MIT
 */
#include "varve_cmd.h"

int cmd_check(int argc, char **argv) {
    (void)argc, (void)argv;
    return cmd_usage("check is not built yet");
}
