/* ranges.c - rows in order: a prefix forwards, a range backwards, a seek, and a range deleted.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <varve.h>

static int fill(varve_txn *txn, void *table) {
    static const char *const keys[] = {"apple", "apricot", "banana", "blackberry", "blueberry", "cherry"};
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char key[16];
        int size = snprintf(key, sizeof(key), "%s", keys[i]);
        int status = varve_put(txn, table, VARVE_SLICE(key, (size_t)size), VARVE_SLICE(&size, sizeof(size)));
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

static unsigned show(varve_txn *txn, varve_table *table, const char *title, const varve_range *range) {
    varve_cursor *cursor;
    varve_slice key, value;
    unsigned count = 0;
    printf("%s:", title);
    if (varve_cursor_open(txn, table, range, &cursor) != VARVE_OK) return 0;
    for (; varve_cursor_next(cursor, &key, &value) == VARVE_OK; count++)
        printf(" %.*s", (int)key.size, (const char *)key.data);
    varve_cursor_close(cursor);
    printf("\n");
    return count;
}

static int use(varve_txn *txn, void *table) {
    const varve_range prefix = {.prefix = VARVE_STR("ap")};
    const varve_range back = {.low = VARVE_STR("b"), .high = VARVE_STR("c"), .reverse = true};
    const varve_range berries = {.low = VARVE_STR("bl"), .high = VARVE_STR("bm")};
    varve_cursor *cursor;
    varve_slice key, value;
    uint64_t deleted = 0;
    unsigned wrong = show(txn, table, "everything", NULL) != 6;
    wrong += show(txn, table, "prefix ap", &prefix) != 2;
    wrong += show(txn, table, "b to c, backwards", &back) != 3;
    int status = varve_cursor_open(txn, table, NULL, &cursor);
    if (status == VARVE_OK) status = varve_cursor_seek_ge(cursor, VARVE_STR("c"), &key, &value);
    if (status != VARVE_OK) return status;
    printf("first at or after c: %.*s\n", (int)key.size, (const char *)key.data);
    varve_cursor_close(cursor);
    status = varve_delete_range(txn, table, &berries, &deleted);
    printf("deleted: %llu\n", (unsigned long long)deleted);
    wrong += deleted != 2 || show(txn, table, "left", NULL) != 4;
    return status != VARVE_OK ? status : (int)wrong;
}

int main(void) {
    varve_db *db;
    varve_table *table;
    if (varve_open(":memory:", NULL, &db) != VARVE_OK) return 1;
    if (varve_table_open(db, "fruit", NULL, &table) != VARVE_OK) return 1;
    int status = varve_run(db, NULL, fill, table);
    if (status == VARVE_OK) status = varve_run(db, NULL, use, table);
    if (status != VARVE_OK) fprintf(stderr, "%s\n", varve_strerror(status));
    return varve_close(db) == VARVE_OK && status == VARVE_OK ? 0 : 1;
}
