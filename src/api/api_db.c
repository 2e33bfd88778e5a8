/* api_db.c - the database family: open, close, tables, checkpoints, rules.
 *
 * SPDX-License-Identifier: MIT
 */
#include "api/api_int.h"
#include "base/check.h"

int varve_open(const char *path, const char *options, varve_db **db) {
    if (path == NULL || db == NULL) return VARVE_INVALID;
    return vdb_open(path, options, NULL, db);
}

int varve_close(varve_db *db) { return db != NULL ? vdb_close(db) : VARVE_INVALID; }

int varve_table_open(varve_db *db, const char *name, const char *options, varve_table **table) {
    VB_TRY(api_check_db(db));
    if (name == NULL || table == NULL) return vdb_refuse(db, VARVE_INVALID, "table_open: name or table is NULL");
    return vdb_table_open(db, name, options, table);
}

int varve_table_drop(varve_db *db, const char *name) {
    VB_TRY(api_check_db(db));
    if (name == NULL) return vdb_refuse(db, VARVE_INVALID, "table_drop: name is NULL");
    return vdb_table_drop(db, name);
}

int varve_table_list(varve_db *db, varve_table_fn fn, void *arg) {
    VB_TRY(api_check_db(db));
    if (fn == NULL) return vdb_refuse(db, VARVE_INVALID, "table_list: fn is NULL");
    return vdb_table_list(db, fn, arg);
}

int varve_checkpoint(varve_db *db) {
    VB_TRY(api_check_db(db));
    return vdb_checkpoint(db);
}

int varve_sync(varve_db *db) {
    VB_TRY(api_check_db(db));
    return vdb_sync(db);
}

int varve_stats(varve_db *db, varve_stats_info *info) {
    VB_TRY(api_check_db(db));
    if (info == NULL || info->size < sizeof info->size)
        return vdb_refuse(db, VARVE_INVALID, "stats: info is NULL or its size is not set");
    vdb_stats(db, info);
    return VARVE_OK;
}

int varve_set_concurrency(varve_db *db, const char *cc, uint32_t timeout_ms) {
    VB_TRY(api_check_db(db));
    if (cc == NULL) return vdb_refuse(db, VARVE_INVALID, "set_concurrency: cc is NULL");
    return vdb_set_concurrency(db, cc, timeout_ms);
}

const char *varve_db_error(const varve_db *db) { return db != NULL ? vdb_error(db) : "out of memory"; }

int varve_constraint_add(varve_db *db, varve_table *t, const char *rule) {
    VB_TRY(api_check_db(db));
    if (t == NULL || rule == NULL) return vdb_refuse(db, VARVE_INVALID, "constraint_add: table or rule is NULL");
    return vdb_constraint_add(db, t, rule);
}

int varve_constraint_drop(varve_db *db, varve_table *t, const char *name) {
    VB_TRY(api_check_db(db));
    if (t == NULL || name == NULL) return vdb_refuse(db, VARVE_INVALID, "constraint_drop: table or name is NULL");
    return vdb_constraint_drop(db, t, name);
}

int varve_constraint_list(varve_db *db, varve_table *t, varve_constraint_list_fn fn, void *arg) {
    VB_TRY(api_check_db(db));
    if (t == NULL || fn == NULL) return vdb_refuse(db, VARVE_INVALID, "constraint_list: table or fn is NULL");
    return vdb_constraint_list(db, t, fn, arg);
}

int varve_constraint_register(varve_db *db, const char *name, varve_constraint_fn fn, void *arg) {
    VB_TRY(api_check_db(db));
    if (name == NULL || fn == NULL) return vdb_refuse(db, VARVE_INVALID, "constraint_register: name or fn is NULL");
    return vdb_constraint_register(db, name, fn, arg);
}
