/* small_database.c - a database of a few rows takes little memory: what is made for many transactions and large tables is
 * not touched before there are any.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "varve.h"

enum { MOST_KB = 4096 };

/* What lies in memory, in KiB; -1 where the system does not tell. */
static long resident(void) {
    char line[256];
    long kb = -1;
    FILE *file = fopen("/proc/self/status", "r");
    if (file == NULL) return -1;
    while (kb < 0 && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kb) != 1) kb = -1;
    fclose(file);
    return kb;
}

static int write_rows(varve_db *db) {
    varve_table *table;
    varve_txn *txn;
    int status = varve_table_open(db, "t", NULL, &table);
    for (unsigned i = 0; i < 100 && status == VARVE_OK; i++) {
        status = varve_begin(db, NULL, &txn);
        if (status == VARVE_OK) status = varve_put(txn, table, VARVE_SLICE(&i, sizeof(i)), VARVE_SLICE("value", 5));
        if (status == VARVE_OK) status = varve_commit(txn);
    }
    return status;
}

int main(void) {
    varve_db *db;
    long before = resident();
    if (varve_open(":memory:", NULL, &db) != VARVE_OK || write_rows(db) != VARVE_OK) return 1;
    long after = resident();
    printf("resident before %ld KiB, with a database of 100 rows %ld KiB more\n", before, after - before);
    if (varve_close(db) != VARVE_OK) return 1;
    return before >= 0 && after - before > MOST_KB ? 1 : 0;
}
