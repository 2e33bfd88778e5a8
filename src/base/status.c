/* status.c - names and one-line texts of the statuses, and which of them are worth another try.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stddef.h>

#include "varve.h"

struct entry {
    int status;
    const char *name, *text;
};
static const struct entry entries[] = {
    {VARVE_OK, "VARVE_OK", "done"},
    {VARVE_NOTFOUND, "VARVE_NOTFOUND", "not found"},
    {VARVE_EXISTS, "VARVE_EXISTS", "the key is there already"},
    {VARVE_END, "VARVE_END", "no further row"},
    {VARVE_CONFLICT, "VARVE_CONFLICT", "conflicts with another transaction's commit; run it again"},
    {VARVE_DEADLOCK, "VARVE_DEADLOCK", "chosen as the victim of a lock conflict; run it again"},
    {VARVE_SNAPSHOT_TOO_OLD, "VARVE_SNAPSHOT_TOO_OLD", "the snapshot was given up to free memory"},
    {VARVE_INVALID, "VARVE_INVALID", "an argument or option is not acceptable"},
    {VARVE_CONSTRAINT, "VARVE_CONSTRAINT", "a declared rule refuses the row"},
    {VARVE_READONLY, "VARVE_READONLY", "a write in a read-only transaction"},
    {VARVE_TOOBIG, "VARVE_TOOBIG", "over a size limit"},
    {VARVE_MISUSE, "VARVE_MISUSE", "a handle used in a state or place where it may not be"},
    {VARVE_NOMEM, "VARVE_NOMEM", "out of memory"},
    {VARVE_FULL, "VARVE_FULL", "the disk is full"},
    {VARVE_IO, "VARVE_IO", "reading or writing failed"},
    {VARVE_BUSY, "VARVE_BUSY", "in use"},
    {VARVE_TIMEOUT, "VARVE_TIMEOUT", "a wait ran into its limit"},
    {VARVE_CORRUPT, "VARVE_CORRUPT", "a file is damaged or not ours"},
    {VARVE_FAILED, "VARVE_FAILED", "an earlier write or sync failed: reopen to go on"},
    {VARVE_UNKNOWN_OUTCOME, "VARVE_UNKNOWN_OUTCOME", "the commit may or may not survive: reopen to know"},
    {VARVE_FORKED, "VARVE_FORKED", "the handle was made in a parent process"},
};

static const struct entry *find(int status) {
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (entries[i].status == status) return &entries[i];
    return NULL;
}

const char *varve_strerror(int status) {
    const struct entry *entry = find(status);
    return entry != NULL ? entry->text : "not a status of this library";
}

const char *varve_status_name(int status) {
    const struct entry *entry = find(status);
    return entry != NULL ? entry->name : "?";
}

bool varve_retryable(int status) {
    return status == VARVE_CONFLICT || status == VARVE_DEADLOCK || status == VARVE_SNAPSHOT_TOO_OLD ||
           status == VARVE_TIMEOUT || status == VARVE_BUSY;
}

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
const char *varve_version(void) {
    return TEXT(VARVE_VERSION_MAJOR) "." TEXT(VARVE_VERSION_MINOR) "." TEXT(VARVE_VERSION_PATCH);
}
