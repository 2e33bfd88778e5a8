/* consumer.c - the smallest program of somebody else: built against an installed Varve by tests/house/test_install.sh.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <varve.h>

int main(void) {
    varve_db *db;
    varve_table *table;
    varve_txn *txn;
    if (varve_open(":memory:", NULL, &db) != VARVE_OK) return 1;
    if (varve_table_open(db, "rows", NULL, &table) != VARVE_OK) return 1;
    if (varve_begin(db, NULL, &txn) != VARVE_OK) return 1;
    if (varve_insert(txn, table, VARVE_STR("key"), VARVE_STR("value")) != VARVE_OK) return 1;
    if (varve_commit(txn) != VARVE_OK || varve_close(db) != VARVE_OK) return 1;
    printf("varve %s\n", varve_version());
    return 0;
}
