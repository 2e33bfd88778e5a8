/* rules.c - declared rules: a pattern for keys, a length for values, a function of the program's own. Every one holds at
 * every isolation level; a refused row leaves the transaction usable.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>
#include <varve.h>

static int no_spaces(void *arg, varve_slice key, varve_slice value) {
    (void)arg, (void)key;
    return value.size != 0 && memchr(value.data, ' ', value.size) != NULL;
}

static int try_row(varve_txn *txn, varve_table *table, varve_slice key, varve_slice value, int expected) {
    int status = varve_put(txn, table, key, value);
    printf("%.*s = %.*s: %s\n", (int)key.size, (const char *)key.data, (int)value.size, (const char *)value.data,
           status == VARVE_OK ? "accepted" : varve_txn_error(txn));
    return status == expected ? 0 : 1;
}

int main(void) {
    varve_db *db;
    varve_table *users;
    varve_txn *txn;
    if (varve_open(":memory:", NULL, &db) != VARVE_OK) return 1;
    int status = varve_table_open(db, "users", NULL, &users);
    if (status == VARVE_OK) status = varve_constraint_register(db, "no_spaces", no_spaces, NULL);
    if (status == VARVE_OK) status = varve_constraint_add(db, users, "name key_pattern [a-z][a-z0-9]*");
    if (status == VARVE_OK) status = varve_constraint_add(db, users, "size value_bytes 3 20");
    if (status == VARVE_OK) status = varve_constraint_add(db, users, "words callback no_spaces");
    if (status == VARVE_OK) status = varve_begin(db, NULL, &txn);
    if (status != VARVE_OK) {
        fprintf(stderr, "%s: %s\n", varve_strerror(status), varve_db_error(db));
        return 1;
    }
    int wrong = try_row(txn, users, VARVE_STR("alice"), VARVE_STR("secret"), VARVE_OK);
    wrong += try_row(txn, users, VARVE_STR("Bob"), VARVE_STR("secret"), VARVE_CONSTRAINT);
    wrong += try_row(txn, users, VARVE_STR("bob"), VARVE_STR("no"), VARVE_CONSTRAINT);
    wrong += try_row(txn, users, VARVE_STR("bob"), VARVE_STR("two words"), VARVE_CONSTRAINT);
    wrong += try_row(txn, users, VARVE_STR("bob"), VARVE_STR("oneword"), VARVE_OK);
    status = varve_commit(txn);
    return varve_close(db) == VARVE_OK && status == VARVE_OK && wrong == 0 ? 0 : 1;
}
