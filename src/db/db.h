/* db.h - the database: open, close, tables, rules, checkpoints, the two background threads. The only room that names
 * concrete schemes.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_DB_DB_H
#define VARVE_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/hooks.h"
#include "core/limits.h"
#include "os/os.h"
#include "txn/txn.h"
#include "varve.h"

/* What tests and tools set beside the options; zero = the defaults. */
struct vdb_setup {
    struct vos *os;                 /* NULL: the real one */
    const struct vk_limits *limits; /* NULL: VK_LIMITS_DEFAULT; max_transactions and segment_bytes options overrule */
    const struct vk_hooks *hooks;   /* NULL: none */
    bool no_threads; /* no janitor and checkpointer: vdb_janitor_step and vdb_checkpoint are called by hand */
};

int vdb_open(const char *path, const char *options, const struct vdb_setup *setup, struct varve_db **db);
int vdb_close(struct varve_db *db);
bool vdb_failed_open(const struct varve_db *db); /* only error text and close */
bool vdb_forked(const struct varve_db *db);
struct vtx_pool *vdb_pool(struct varve_db *db);
const char *vdb_error(const struct varve_db *db);
/* Stores a failure's text for varve_db_error; returns status. */
int vdb_refuse(struct varve_db *db, int status, const char *text);
int vdb_take_detail(struct varve_db *db, const struct vk_detail *detail, int status);

int vdb_table_open(struct varve_db *db, const char *name, const char *options, struct varve_table **table);
int vdb_table_drop(struct varve_db *db, const char *name);
int vdb_table_list(struct varve_db *db, varve_table_fn fn, void *arg);
int vdb_constraint_add(struct varve_db *db, struct varve_table *table, const char *rule);
int vdb_constraint_drop(struct varve_db *db, struct varve_table *table, const char *name);
int vdb_constraint_list(struct varve_db *db, struct varve_table *table, varve_constraint_list_fn fn, void *arg);
int vdb_constraint_register(struct varve_db *db, const char *name, varve_constraint_fn fn, void *arg);

int vdb_checkpoint(struct varve_db *db);
int vdb_sync(struct varve_db *db);
int vdb_set_concurrency(struct varve_db *db, const char *cc, uint32_t timeout_ms);
void vdb_stats(struct varve_db *db, varve_stats_info *info);
/* One round of the janitor, for tests without threads. True if it freed anything. */
bool vdb_janitor_step(struct varve_db *db);

#endif
