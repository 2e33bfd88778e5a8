/* checkpoint.c - the state at a snapshot into a sorted run, one manifest edit, then the log below it is freed.
 *
 * Transactions go on meanwhile. A crash at any step leaves either the old image with the old log or the new image with
 * the new log: the edit is the only authority, and it is made after the run is synced and the log is durable up to the
 * cut.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/check.h"
#include "db/db_int.h"
#include "os/rcu.h"

struct image {
    struct varve_db *db;
    struct vk_slot *slot; /* the checkpointer's own */
    uint64_t snap;
    struct vb_arena arena; /* one portion's values */
    int zlib_level;
    struct vrn_writer *writer;
    struct vk_detail *detail;
};

struct row {
    varve_slice key, value;
    uint64_t cts;
};

/* Reads one leaf's rows at the snapshot. In a read section; VST_WAIT: a commit at or below the snapshot is being
 * installed by *writer. */
static int read_rows(struct image *image, const struct vst_portion *portion, struct row *rows, unsigned *count,
                     unsigned *writer) {
    *count = 0;
    for (unsigned i = 0; i < portion->count; i++) {
        struct vst_seen seen;
        int status =
            vst_read_at(&image->db->domain, portion->records[i], image->snap, image->slot->id, &image->arena, &seen);
        if (status == VST_WAIT) *writer = seen.writer;
        if (status != VARVE_OK) return status;
        if (seen.present) rows[(*count)++] = (struct row){vst_record_key(portion->records[i]), seen.value, seen.cts};
    }
    return VARVE_OK;
}

/* One leaf portion from `*from` on; *from becomes the next fence, data NULL at the end of the table. */
static int write_portion(struct image *image, struct varve_table *table, varve_slice *from) {
    struct vst_portion portion;
    struct row rows[VST_PORTION_MAX];
    unsigned count = 0, writer = 0;
    int status;
    for (;;) {
        vb_arena_reset(&image->arena);
        vos_rcu_enter();
        vst_portion_read(table->tree, *from, false, VST_FORWARD, &portion);
        status = read_rows(image, &portion, rows, &count, &writer);
        vos_rcu_exit();
        if (status != VST_WAIT) break;
        vst_install_wait(&image->db->domain, writer, image->snap);
    }
    if (status != VARVE_OK)
        return vk_fail(image->detail, status, VARVE_REASON_RESOURCE, "out of memory in a checkpoint");
    for (unsigned i = 0; i < count; i++) {
        struct vrn_entry entry = {
            .table_id = table->id, .key = rows[i].key, .value = rows[i].value, .cts = rows[i].cts};
        VB_TRY(vrn_writer_add(image->writer, &entry, image->detail));
    }
    *from = vst_portion_fence(&portion); /* the slot's pin keeps it */
    return VARVE_OK;
}

/* Every live table, in id order: the catalogue only grows at its end, so its order is the id order. */
static int write_tables(struct image *image) {
    struct varve_db *db = image->db;
    vos_mutex_lock(&db->catalogue_mutex);
    size_t count = db->table_count;
    vos_mutex_unlock(&db->catalogue_mutex);
    for (size_t i = 0; i < count; i++) {
        vos_mutex_lock(&db->catalogue_mutex);
        struct varve_table *table = db->tables[i];
        vos_mutex_unlock(&db->catalogue_mutex);
        varve_slice from = {NULL, 0};
        if (table->tree == NULL) continue; /* drops wait for the checkpoint */
        do {
            VB_TRY(write_portion(image, table, &from));
        } while (from.data != NULL);
    }
    return VARVE_OK;
}

/* The edit that makes the run the image and names where the log begins. */
static int commit_image(struct varve_db *db, const struct vrn_facts *facts, uint64_t snap, uint64_t first_log_seq,
                        struct vk_detail *detail) {
    const struct vrn_facts *old;
    vos_mutex_lock(&db->manifest_mutex);
    size_t count = vrn_manifest_runs(db->manifest, &old);
    uint64_t *dropped = count != 0 ? vb_alloc(count * sizeof *dropped) : NULL;
    int status = VARVE_NOMEM;
    if (count == 0 || dropped != NULL) {
        for (size_t i = 0; i < count; i++) dropped[i] = old[i].file_id;
        struct vrn_edit edit = {.add_runs = facts,
                                .add_run_count = 1,
                                .drop_files = dropped,
                                .drop_file_count = count,
                                .set_cut = true,
                                .cut_cts = snap,
                                .cut_first_log_seq = first_log_seq,
                                .clock_floor = snap,
                                .log_file = db->log_tip};
        status = vrn_manifest_edit(db->manifest, &edit, detail);
        if (status == VARVE_OK) vb_store_relaxed(&db->image_bytes, facts->bytes);
        if (status == VARVE_OK) (void)vrn_manifest_sweep(db->manifest, detail); /* a file left over is swept at open */
    }
    if (dropped != NULL) vb_free(dropped, count * sizeof *dropped);
    vos_mutex_unlock(&db->manifest_mutex);
    if (status == VARVE_IO) vdb_poison(db, detail->text); /* outside the mutex: the log may want it */
    return status;
}

static int write_run(struct image *image, struct vrn_facts *facts) {
    struct varve_db *db = image->db;
    struct vrn_config config = {.os = db->os,
                                .dir = db->dir,
                                .file_mode = db->options.file_mode,
                                .zlib_level = image->zlib_level};
    memcpy(config.database_id, vrn_manifest_database_id(db->manifest), sizeof config.database_id);
    uint64_t salt = 0;
    VB_TRY(db->os->ops->random(db->os, &salt, sizeof salt));
    vos_mutex_lock(&db->manifest_mutex);
    uint64_t file_id = vrn_manifest_next_file(db->manifest, image->detail);
    vos_mutex_unlock(&db->manifest_mutex);
    if (file_id == 0) return image->detail->status == VARVE_FULL ? VARVE_FULL : VARVE_IO;
    VB_TRY(vrn_writer_open(&config, file_id, image->snap, salt, &image->writer, image->detail));
    int status = write_tables(image);
    if (status == VARVE_OK) return vrn_writer_finish(image->writer, facts, image->detail);
    vrn_writer_abandon(image->writer);
    return status;
}

static int checkpoint(struct varve_db *db, int zlib_level, struct vk_detail *detail) {
    if (vtl_poisoned(db->log))
        return vk_fail(detail, VARVE_FAILED, VARVE_REASON_FAILED, "%s", vtl_poison_text(db->log));
    struct image image = {.db = db,
                          .slot = &db->domain.slots[db->domain.slot_count],
                          .zlib_level = zlib_level,
                          .detail = detail};
    struct vrn_facts facts;
    uint64_t first_log_seq = vtl_next_seq(db->log); /* before the snapshot: blocks below it hold only cts <= snap */
    vb_arena_init(&image.arena, db->work_heap, 64 << 10);
    vk_pin(&db->domain, image.slot);
    image.snap = vk_snapshot_register(&db->domain, image.slot);
    int status = write_run(&image, &facts);
    vk_snapshot_release(image.slot);
    vk_unpin(image.slot);
    vb_arena_release(&image.arena);
    if (status != VARVE_OK) return status;
    VB_TRY(vtl_sync(db->log)); /* a cut is committed only when its cts is durable */
    VB_TRY(commit_image(db, &facts, image.snap, first_log_seq, detail));
    vb_add_relaxed(&db->checkpoints, 1);
    return vtl_truncate(db->log, first_log_seq, detail);
}

static int one_at_a_time(struct varve_db *db, int zlib_level) {
    if (db->dir == NULL) return VARVE_OK;
    struct vk_detail detail = {0};
    vos_mutex_lock(&db->checkpoint_mutex);
    int status = checkpoint(db, zlib_level, &detail);
    vos_mutex_unlock(&db->checkpoint_mutex);
    return vdb_take_detail(db, &detail, status);
}

int vdb_checkpoint(struct varve_db *db) { return one_at_a_time(db, 1); }

/* Beside transactions deflating costs more of a processor than all the rest of a checkpoint. */
int vdb_checkpoint_beside(struct varve_db *db) { return one_at_a_time(db, 0); }
