/* first.c - a database in memory, one transaction, one row. The example of README.md.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <varve.h>

int main(void) {
    varve_db *db;
    varve_table *accounts;
    varve_txn *txn;
    varve_slice value;
    if (varve_open(":memory:", "cc=mvcc", &db) != VARVE_OK) { /* a path makes it durable */
        fprintf(stderr, "%s\n", varve_db_error(db));
        return 1;
    }
    int status = varve_table_open(db, "accounts", NULL, &accounts);
    if (status == VARVE_OK) status = varve_begin(db, NULL, &txn); /* serializable unless asked otherwise */
    if (status != VARVE_OK) return 1;
    if (varve_get(txn, accounts, VARVE_STR("alice"), &value) == VARVE_NOTFOUND)
        status = varve_insert(txn, accounts, VARVE_STR("alice"), VARVE_STR("100"));
    if (status == VARVE_OK && varve_get(txn, accounts, VARVE_STR("alice"), &value) == VARVE_OK)
        printf("alice has %.*s\n", (int)value.size, (const char *)value.data);
    status = varve_commit(txn); /* VARVE_OK: committed, and as durable as the sync mode promises */
    printf("%s\n", varve_strerror(status));
    varve_close(db);
    return status == VARVE_OK ? 0 : 1;
}
