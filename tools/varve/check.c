/* check.c - `varve check`: judges a history from a file.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "varve_cmd.h"

int cmd_check(int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--run") == 0) return cmd_check_run(argc, argv);
    return cmd_usage("check is not built yet");
}
