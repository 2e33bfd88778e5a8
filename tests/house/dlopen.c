/* dlopen.c - libvarve_plain.so loaded late, as a plugin host does it: opens it, commits a transaction in memory, reads
 * it back in another, closes. Static thread-local storage that does not fit would make dlopen fail here.
 *
 * SPDX-License-Identifier: MIT
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "varve.h"

static void *library;

static void *find(const char *name) {
    void *symbol = dlsym(library, name);
    if (symbol == NULL) fprintf(stderr, "%s\n", dlerror());
    return symbol;
}

#define CALL(function) ((__typeof__(&(function)))find(#function))

static int work(varve_db *db) {
    varve_table *table;
    varve_txn *txn;
    varve_slice value = VARVE_STR("");
    int status = CALL(varve_table_open)(db, "plugins", NULL, &table);
    if (status == VARVE_OK) status = CALL(varve_begin)(db, NULL, &txn);
    if (status == VARVE_OK) status = CALL(varve_put)(txn, table, VARVE_STR("name"), VARVE_STR("value"));
    if (status == VARVE_OK) status = CALL(varve_commit)(txn);
    if (status == VARVE_OK) status = CALL(varve_begin)(db, NULL, &txn);
    if (status != VARVE_OK) return status;
    status = CALL(varve_get)(txn, table, VARVE_STR("name"), &value);
    int equal = status == VARVE_OK && value.size == 5 && memcmp(value.data, "value", 5) == 0;
    CALL(varve_abort)(txn);
    return equal ? VARVE_OK : VARVE_NOTFOUND;
}

int main(int argc, char **argv) {
    varve_db *db;
    library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (library == NULL) {
        fprintf(stderr, "%s\n", argc == 2 ? dlerror() : "usage: dlopen LIBRARY");
        return 1;
    }
    int status = CALL(varve_open)(":memory:", NULL, &db);
    if (status == VARVE_OK) status = work(db);
    if (status == VARVE_OK) status = CALL(varve_close)(db);
    if (status != VARVE_OK) fprintf(stderr, "%s\n", CALL(varve_strerror)(status));
    dlclose(library);
    return status == VARVE_OK ? 0 : 1;
}
