/* open.c - open and close: what is brought up in which order, and taken down in the reverse.
 *
 * Nothing is written into a directory before it is known to be a database or empty, and before its lock is held. A
 * failed open leaves a handle with the error's text only.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "db/db_int.h"
#include "os/rcu.h"

enum { EXTRA_HEAPS = 8 }; /* janitor, checkpointer, recovery threads */

/* --- the directory ------------------------------------------------------------------------------------------------ */

struct look {
    bool manifest, foreign;
    char example[64];
};

static int look_at(void *arg, const char *name) {
    struct look *look = arg;
    if (strcmp(name, "manifest") == 0) look->manifest = true;
    if (strncmp(name, "manifest", 8) == 0 || strcmp(name, "LOCK") == 0) return 0;
    look->foreign = true;
    if (look->example[0] == 0) snprintf(look->example, sizeof look->example, "%.60s", name);
    return 0;
}

static int world(struct vk_detail *detail, int status, const struct vos_error *error) {
    return vk_fail(detail, status, VARVE_REASON_RESOURCE, "%s", error->text);
}

static int open_directory(struct varve_db *db, const char *path, struct vk_detail *detail) {
    struct vos_error error = {0};
    int status = db->os->ops->dir_open(db->os, path, db->options.create, 0700, &db->dir, &error);
    if (status != VARVE_OK) return world(detail, status, &error);
    struct look look = {0};
    status = db->os->ops->dir_list(db->dir, look_at, &look, &error);
    if (status != VARVE_OK) return world(detail, status, &error);
    if (!look.manifest && look.foreign)
        return vk_fail(detail, VARVE_CORRUPT, VARVE_REASON_RESOURCE, "%s: not a database: it holds %s and no manifest",
                       path, look.example);
    if (!look.manifest && !db->options.create)
        return vk_fail(detail, VARVE_NOTFOUND, VARVE_REASON_CALLER, "%s: no database there, and create=false", path);
    uint64_t holder = 0;
    status = db->os->ops->dir_lock(db->dir, "LOCK", db->options.file_mode, &db->lock_file, &holder, &error);
    if (status == VARVE_BUSY)
        return vk_fail(detail, VARVE_BUSY, VARVE_REASON_RESOURCE, "%s: open already, by process %llu", path,
                       (unsigned long long)holder);
    return status == VARVE_OK ? VARVE_OK : world(detail, status, &error);
}

static int open_manifest(struct varve_db *db, bool *is_new, struct vk_detail *detail) {
    struct vrn_config config = {.os = db->os, .dir = db->dir, .file_mode = db->options.file_mode, .zlib_level = 1};
    *is_new = false;
    int status = vrn_manifest_open(&config, &db->manifest, detail);
    if (status != VARVE_NOTFOUND) return status;
    *is_new = true;
    return vrn_manifest_create(&config, &db->manifest, detail);
}

/* --- bringing up -------------------------------------------------------------------------------------------------- */

static struct vk_limits choose_limits(const struct vdb_setup *setup, struct vdb_options *o) {
    struct vk_limits limits = setup->limits != NULL ? *setup->limits : VK_LIMITS_DEFAULT;
    if (o->max_transactions != 0) limits.slots = o->max_transactions;
    o->max_transactions = limits.slots;
    if (o->segment_bytes != 0) limits.segment_max_bytes = o->segment_bytes;
    if (limits.segment_first_bytes > limits.segment_max_bytes) limits.segment_first_bytes = limits.segment_max_bytes;
    limits.slots += 1; /* the last slot is the checkpointer's */
    return limits;
}

static int open_memory_side(struct varve_db *db, const struct vdb_setup *setup, struct vk_detail *detail) {
    struct vk_limits limits = choose_limits(setup, &db->options);
    vos_membarrier_ready();
    db->memory = vb_memory_open(limits.slots + 1 + EXTRA_HEAPS);
    if (db->memory == NULL) goto nomem;
    VB_TRY(vk_domain_open(&db->domain, db->os, db->memory, &limits));
    if (setup->hooks != NULL) db->domain.hooks = *setup->hooks;
    db->domain.ghosts_wait_durable = db->options.sync == VARVE_SYNC_SYNC || db->options.sync == VARVE_SYNC_GROUP;
    db->work_heap = vb_heap_open(db->memory, limits.slots + 2); /* + 1 is the store's own */
    if (db->work_heap == NULL || vcn_callbacks_open(&db->callbacks) != VARVE_OK) goto nomem;
    if (vst_store_open(&db->domain, &db->store) == VARVE_OK) return VARVE_OK;
nomem:
    return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory while opening");
}

static int open_durable_side(struct varve_db *db, const char *path, struct vk_detail *detail) {
    if (db->options.in_memory) return vdb_new_log(db, detail);
    VB_TRY(open_directory(db, path, detail));
    bool is_new;
    VB_TRY(open_manifest(db, &is_new, detail));
    return is_new ? vdb_new_log(db, detail) : vdb_recover(db, detail);
}

static int open_pool(struct varve_db *db, struct vk_detail *detail) {
    const struct vdb_options *o = &db->options;
    struct vtx_config config = {.db = db,
                                .domain = &db->domain,
                                .store = db->store,
                                .log = db->log,
                                .handles = o->max_transactions,
                                .ops = o->cc,
                                .locking = vdb_scheme_locking(),
                                .isolation = o->isolation,
                                .sync = o->sync,
                                .deadlock = o->deadlock,
                                .max_txn_bytes = o->max_txn_bytes,
                                .begin_timeout_ms = o->begin_timeout_ms,
                                .lock_timeout_ms = o->lock_timeout_ms,
                                .max_snapshot_age_ms = o->max_snapshot_age_ms,
                                .fork_mark = db->fork_mark};
    if (vtx_pool_open(&config, &db->pool) != VARVE_OK || vdb_threads_start(db) != VARVE_OK)
        return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory or threads while opening");
    return VARVE_OK;
}

static int bring_up(struct varve_db *db, const char *path, const char *options, const struct vdb_setup *setup,
                    struct vk_detail *detail) {
    VB_TRY(vdb_options_parse(path, options, &db->options, detail));
    if (vos_fork_mark_open(&db->fork_mark) != VARVE_OK)
        return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory while opening");
    VB_TRY(open_memory_side(db, setup, detail));
    VB_TRY(open_durable_side(db, path, detail));
    return open_pool(db, detail);
}

/* --- taking down -------------------------------------------------------------------------------------------------- */

/* Releases whatever is up, in reverse; keeps the handle and its error text. Returns the log's last word. */
static int take_down(struct varve_db *db, struct vk_detail *detail) {
    int status = VARVE_OK;
    vdb_threads_stop(db);
    if (db->pool != NULL) vtx_pool_close(db->pool);
    if (db->log != NULL) status = vtl_close(db->log, detail);
    vdb_recovery_release(db);
    if (db->store != NULL) vst_store_close(db->store);
    vdb_tables_free(db);
    if (db->callbacks != NULL) vcn_callbacks_close(db->callbacks);
    if (db->manifest != NULL) vrn_manifest_close(db->manifest);
    if (db->work_heap != NULL) vb_heap_close(db->work_heap);
    if (db->domain.slots != NULL) vk_domain_close(&db->domain);
    if (db->memory != NULL) vb_memory_close(db->memory);
    if (db->lock_file != NULL) db->os->ops->dir_unlock(db->lock_file);
    if (db->dir != NULL) db->os->ops->dir_close(db->dir);
    if (db->fork_mark.page != NULL) vos_fork_mark_close(&db->fork_mark);
    return status;
}

int vdb_open(const char *path, const char *options, const struct vdb_setup *setup, struct varve_db **out) {
    static const struct vdb_setup plain;
    if (setup == NULL) setup = &plain;
    struct varve_db *db = vos_pages_alloc(sizeof *db); /* cache-line aligned, as the domain asks */
    *out = db;
    if (db == NULL) return VARVE_NOMEM;
    db->os = setup->os != NULL ? setup->os : vos_posix();
    db->no_threads = setup->no_threads;
    struct vk_detail detail = {0};
    int status = bring_up(db, path, options, setup, &detail);
    if (status == VARVE_OK) return VARVE_OK;
    struct vk_detail ignored = {0};
    (void)take_down(db, &ignored);
    memset(db, 0, sizeof *db);
    db->failed_open = true;
    return vdb_take_detail(db, &detail, status);
}

int vdb_close(struct varve_db *db) {
    int status = VARVE_OK;
    if (!db->failed_open) {
        if (vdb_forked(db)) return VARVE_FORKED;
        vos_mutex_lock(&db->catalogue_mutex);
        status = vtx_gate_close(db->pool, 0);
        vos_mutex_unlock(&db->catalogue_mutex);
        if (status != VARVE_OK) return vdb_refuse(db, VARVE_BUSY, "close: transactions are open");
        struct vk_detail detail = {0};
        status = take_down(db, &detail);
    }
    vos_pages_free(db, sizeof *db);
    return status;
}

/* --- small answers ------------------------------------------------------------------------------------------------ */

bool vdb_failed_open(const struct varve_db *db) { return db->failed_open; }
bool vdb_forked(const struct varve_db *db) { return vos_forked(&db->fork_mark); }
struct vtx_pool *vdb_pool(struct varve_db *db) {
    return db->pool;
}
const char *vdb_error(const struct varve_db *db) { return db->error; }

int vdb_refuse(struct varve_db *db, int status, const char *text) {
    vos_mutex_lock(&db->error_mutex);
    snprintf(db->error, sizeof db->error, "%s", text);
    vos_mutex_unlock(&db->error_mutex);
    return status;
}

int vdb_take_detail(struct varve_db *db, const struct vk_detail *detail, int status) {
    if (status == VARVE_OK) return status;
    return vdb_refuse(db, status, detail->text[0] != 0 ? detail->text : varve_strerror(status));
}

int vdb_sync(struct varve_db *db) {
    int status = vtl_sync(db->log);
    return status == VARVE_OK ? status : vdb_refuse(db, status, vtl_poison_text(db->log));
}

int vdb_set_concurrency(struct varve_db *db, const char *cc, uint32_t timeout_ms) {
    const struct vcc_ops *ops = vdb_scheme(cc);
    if (ops == NULL) return vdb_refuse(db, VARVE_INVALID, "set_concurrency: the schemes are mvcc, 2pl and occ");
    vos_mutex_lock(&db->catalogue_mutex);
    int status = vtx_gate_close(db->pool, timeout_ms);
    if (status == VARVE_OK) {
        vtx_pool_switch(db->pool, ops);
        vtx_gate_open(db->pool);
    }
    vos_mutex_unlock(&db->catalogue_mutex);
    return status == VARVE_OK
               ? status
               : vdb_refuse(db, status, "set_concurrency: transactions are still open; nothing has changed");
}
