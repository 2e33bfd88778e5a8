/* input.c - bytes of a file with their line number, in one buffer; the first filling stays to be looked at.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "history/history_int.h"

int hs_input_open(struct hs_input *in, FILE *file) {
    *in = (struct hs_input){.file = file, .line = 1, .buffer = malloc(HS_INPUT_BYTES)};
    if (in->buffer == NULL) return VARVE_NOMEM;
    (void)hs_input_fill(in);
    return in->io_failed ? VARVE_IO : VARVE_OK;
}

void hs_input_close(struct hs_input *in) {
    free(in->buffer);
    in->buffer = NULL;
}

bool hs_input_fill(struct hs_input *in) {
    if (in->io_failed) return false;
    in->before += in->end;
    in->at = in->end = 0;
    size_t got = fread(in->buffer, 1, HS_INPUT_BYTES, in->file);
    if (got == 0 && ferror(in->file)) in->io_failed = true;
    in->end = got;
    return got != 0;
}
