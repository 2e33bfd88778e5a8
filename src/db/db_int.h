/* db_int.h - private to src/db: the database object.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_DB_DB_INT_H
#define VARVE_DB_DB_INT_H

#include "db/db.h"
#include "runs/runs.h"

struct vdb_options {
    bool create, in_memory, sync_given, create_given;
    const struct vcc_ops *cc;
    enum varve_isolation isolation;
    enum varve_sync_mode sync;
    enum vcc_deadlock deadlock;
    uint32_t group_wait_us, sync_interval_ms, max_transactions, begin_timeout_ms, lock_timeout_ms, max_snapshot_age_ms;
    uint64_t segment_bytes, max_txn_bytes, memory_bytes, checkpoint_bytes;
    unsigned file_mode;
};

enum { VDB_RECOVERY_THREADS = 4 };
struct vdb_recovery;

struct varve_db {
    /* constant after open */
    struct vdb_options options;
    struct vos *os;
    bool failed_open;
    bool no_threads;
    struct vos_fork_mark fork_mark;
    struct vos_dir *dir; /* NULL in memory */
    struct vos_file *lock_file;
    struct vb_memory *memory;
    struct vb_heap *work_heap; /* open, recovery and checkpoints: under checkpoint_mutex */
    struct vk_domain domain;
    struct vst_store *store;
    struct vtl_log *log;
    struct vtx_pool *pool;
    struct vos_mutex manifest_mutex;
    uint64_t log_tip;              /* file id of the newest log segment; under manifest_mutex */
    struct vrn_manifest *manifest; /* NULL in memory; under manifest_mutex */
    struct vcn_callbacks *callbacks;
    /* under catalogue_mutex */
    struct vos_mutex catalogue_mutex;
    struct varve_table **tables; /* [table_count], every handle ever given out */
    size_t table_count, table_capacity;
    uint32_t next_table_id; /* in memory; else the manifest's */
    /* checkpoints, one at a time */
    struct vos_mutex checkpoint_mutex;
    uint64_t image_bytes;          /* of the last checkpoint's files; relaxed */
    uint64_t checkpoints;          /* written since open; relaxed */
    struct vdb_recovery *recovery; /* NULL unless files were read at open */
    uint64_t vouched;              /* recovery: highest manifest sequence named by a note or a segment */
    uint64_t recovered_txns, recovered_rows;
    /* background threads */
    struct vos_thread *janitor, *checkpointer;
    uint32_t stop; /* futex: 1 = leave */
    /* the last error text */
    struct vos_mutex error_mutex;
    char error[256];
};

/* options.c: fills `o` from text; INVALID with detail. */
int vdb_options_parse(const char *path, const char *text, struct vdb_options *o, struct vk_detail *detail);
/* plugins.c */
const struct vcc_ops *vdb_scheme(const char *name); /* NULL: no such scheme */
const struct vcc_ops *vdb_scheme_locking(void);
extern const char *const vdb_scheme_names[]; /* NULL-terminated */
/* recover.c: checkpoint, then log, into the store; opens the log for writing. */
int vdb_recover(struct varve_db *db, struct vk_detail *detail);
void vdb_recovery_release(struct varve_db *db);
int vdb_new_log(struct varve_db *db, struct vk_detail *detail);
/* tables.c */
int vdb_table_make(struct varve_db *db, uint32_t id, const char *name, struct varve_table **table,
                   struct vk_detail *detail);
int vdb_table_load(struct varve_db *db, const struct vrn_table *from, struct vk_detail *detail);
struct varve_table *vdb_table_by_id(struct varve_db *db, uint32_t id); /* live ones */
void vdb_tables_free(struct varve_db *db);
/* checkpoint.c: as vdb_checkpoint, for the checkpointer: blocks are stored as they are. */
int vdb_checkpoint_beside(struct varve_db *db);
/* background.c */
/* Bytes of log that make a checkpoint worth its while; `image`: bytes of the last one, `least`: checkpoint_bytes. */
uint64_t vdb_log_between_checkpoints(uint64_t least, uint64_t image);
int vdb_threads_start(struct varve_db *db);
void vdb_threads_stop(struct varve_db *db);
void vdb_poison(struct varve_db *db, const char *why);

#endif
