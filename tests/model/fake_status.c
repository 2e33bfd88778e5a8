/* fake_status.c - names and classes of statuses, and the declared rules that the fake engine does not have.
 * SPDX-License-Identifier: MIT
 */
#include "model/fake_varve.h"

int varve_constraint_add(varve_db *db, varve_table *t, const char *rule) {
    (void)t;
    (void)rule;
    return fake_db_error(db, VARVE_INVALID, "the model has no constraints");
}

int varve_constraint_drop(varve_db *db, varve_table *t, const char *name) {
    (void)t;
    (void)name;
    return fake_db_error(db, VARVE_NOTFOUND, "the model has no constraints");
}

int varve_constraint_list(varve_db *db, varve_table *t, varve_constraint_list_fn fn, void *arg) {
    (void)t;
    (void)fn;
    (void)arg;
    return fake_db_usable(db);
}

int varve_constraint_register(varve_db *db, const char *name, varve_constraint_fn fn, void *arg) {
    (void)name;
    (void)fn;
    (void)arg;
    return fake_db_usable(db);
}

const char *varve_status_name(int status) {
    static const struct {
        int status;
        const char *name;
    } names[] = {{VARVE_OK, "VARVE_OK"}, {VARVE_NOTFOUND, "VARVE_NOTFOUND"}, {VARVE_EXISTS, "VARVE_EXISTS"},
                 {VARVE_END, "VARVE_END"}, {VARVE_CONFLICT, "VARVE_CONFLICT"}, {VARVE_DEADLOCK, "VARVE_DEADLOCK"},
                 {VARVE_SNAPSHOT_TOO_OLD, "VARVE_SNAPSHOT_TOO_OLD"}, {VARVE_INVALID, "VARVE_INVALID"},
                 {VARVE_CONSTRAINT, "VARVE_CONSTRAINT"}, {VARVE_READONLY, "VARVE_READONLY"},
                 {VARVE_TOOBIG, "VARVE_TOOBIG"}, {VARVE_MISUSE, "VARVE_MISUSE"}, {VARVE_NOMEM, "VARVE_NOMEM"},
                 {VARVE_FULL, "VARVE_FULL"}, {VARVE_IO, "VARVE_IO"}, {VARVE_BUSY, "VARVE_BUSY"},
                 {VARVE_TIMEOUT, "VARVE_TIMEOUT"}, {VARVE_CORRUPT, "VARVE_CORRUPT"}, {VARVE_FAILED, "VARVE_FAILED"},
                 {VARVE_UNKNOWN_OUTCOME, "VARVE_UNKNOWN_OUTCOME"}, {VARVE_FORKED, "VARVE_FORKED"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].status == status)
            return names[i].name;
    return "not a varve status";
}

const char *varve_strerror(int status) {
    return varve_status_name(status);
}

bool varve_retryable(int status) {
    return status == VARVE_CONFLICT || status == VARVE_DEADLOCK || status == VARVE_SNAPSHOT_TOO_OLD ||
           status == VARVE_TIMEOUT || status == VARVE_BUSY;
}

const char *varve_version(void) {
    return "0.1.0";
}
