/* background.c - the two threads of a database: the janitor and the checkpointer; and poison.
 *
 * Both run with all signals blocked and sleep on db->stop. The janitor's pace follows what there is to do: a millisecond
 * while rounds free something, up to 32 when they do not. Every sync_interval_ms it ticks the log: commits that nobody
 * waits for are written, and the next segment is made before it is needed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/check.h"
#include "db/db_int.h"

enum { PACE_MIN_NS = 1000000, PACE_MAX_NS = 32000000, CHECKPOINTER_PACE_NS = 50000000 };
#define TELLING_BYTES (UINT64_C(16) << 20)
#define QUICKLY_REPLAYED (UINT64_C(1) << 30)

void vdb_poison(struct varve_db *db, const char *why) { vtl_poison(db->log, why); }

bool vdb_janitor_step(struct varve_db *db) {
    if (vk_janitor_round(&db->domain) != VARVE_OK) return false; /* out of memory: the next round tries again */
    return vst_collect(db->store);
}

/* Over the budget: old snapshots go, and writes are refused until it is better. Ghosts wait for a later commit, which may
 * not come when all are refused, so the clock moves on by a stamp that nobody has, like that of an aborted commit. */
static void watch_memory(struct varve_db *db) {
    bool full = vb_memory_used(db->memory) > db->options.memory_bytes;
    if (full && db->options.max_snapshot_age_ms != 0) vtx_pool_expire(db->pool, db->options.max_snapshot_age_ms);
    vtx_pool_memory_full(db->pool, full);
    if (full) (void)vb_add_acq_rel(&db->domain.clock, 1);
}

static void janitor(void *arg) {
    struct varve_db *db = arg;
    uint64_t pace = PACE_MIN_NS;
    uint64_t tick_ns = db->options.sync_interval_ms * 1000000ull;
    uint64_t last_tick = db->os->ops->now_ns(db->os);
    while (vb_load_acquire(&db->stop) == 0) {
        bool freed = vdb_janitor_step(db);
        watch_memory(db);
        uint64_t now = db->os->ops->now_ns(db->os);
        if (db->dir != NULL && now - last_tick >= tick_ns) {
            vtl_tick(db->log);
            last_tick = now;
        }
        pace = freed ? PACE_MIN_NS : pace * 2 < PACE_MAX_NS ? pace * 2 : PACE_MAX_NS;
        vos_futex_wait(&db->stop, 0, tick_ns < pace ? tick_ns : pace);
    }
}

/* A checkpoint writes the whole image, so it waits until the log is eight times as long, which a restart replays about as
 * fast as the disk reads it; beyond QUICKLY_REPLAYED the time of a restart counts more, and twice has to do. */
uint64_t vdb_log_between_checkpoints(uint64_t least, uint64_t image) {
    uint64_t most = 2 * image > QUICKLY_REPLAYED ? 2 * image : QUICKLY_REPLAYED;
    uint64_t wanted = 8 * image < most ? 8 * image : most;
    return wanted > least ? wanted : least;
}

/* What a checkpoint of now would take, about: a table that is being loaded has no image yet, or one of its first rows. Up to
 * some megabytes the memory is mostly the engine's own and tells nothing. */
static uint64_t image_now(const struct varve_db *db) {
    uint64_t used = vb_memory_used(db->memory);
    return used > TELLING_BYTES ? used / 2 : 0;
}

static bool wants_checkpoint(struct varve_db *db) {
    struct vtl_stats stats;
    vtl_stats(db->log, &stats);
    uint64_t least = db->options.checkpoint_bytes, image = vb_load_relaxed(&db->image_bytes);
    if (least == 0 || vtl_poisoned(db->log)) return false;
    uint64_t rows = image_now(db);
    return stats.live_bytes > vdb_log_between_checkpoints(least, image > rows ? image : rows);
}

static void checkpointer(void *arg) {
    struct varve_db *db = arg;
    while (vb_load_acquire(&db->stop) == 0) {
        if (wants_checkpoint(db)) (void)vdb_checkpoint_beside(db); /* its text is in db->error; FULL is tried again */
        vos_futex_wait(&db->stop, 0, CHECKPOINTER_PACE_NS);
    }
}

int vdb_threads_start(struct varve_db *db) {
    if (db->no_threads) return VARVE_OK;
    VB_TRY(vos_thread_start(janitor, db, "varve-janitor", &db->janitor));
    if (db->dir == NULL) return VARVE_OK;
    return vos_thread_start(checkpointer, db, "varve-checkpt", &db->checkpointer);
}

void vdb_threads_stop(struct varve_db *db) {
    vb_store_release(&db->stop, 1);
    vos_futex_wake(&db->stop, 2);
    if (db->janitor != NULL) vos_thread_join(db->janitor);
    if (db->checkpointer != NULL) vos_thread_join(db->checkpointer);
    db->janitor = db->checkpointer = NULL;
}

/* Copies what fits the caller's struct, which may be of an older or newer header. */
void vdb_stats(struct varve_db *db, varve_stats_info *out) {
    struct vtx_counters c;
    struct vtl_stats log;
    struct vst_gc_stats gc;
    vtx_pool_counters(db->pool, &c);
    vtl_stats(db->log, &log);
    vst_gc_stats(db->store, &gc);
    varve_stats_info info = {.size = out->size,
                             .begins = c.begins,
                             .commits = c.commits,
                             .commits_read_only = c.commits_read_only,
                             .aborts = c.aborts,
                             .aborts_user = c.aborts_user,
                             .escalations = c.escalations,
                             .extensions = c.extensions,
                             .range_rescans = c.range_rescans,
                             .lock_waits = c.lock_waits,
                             .clock = vb_load_acquire(&db->domain.clock),
                             .durable = vb_load_acquire(&db->domain.durable),
                             .records = gc.records,
                             .ghosts = gc.ghosts,
                             .memory_bytes = vb_memory_used(db->memory),
                             .version_bytes = gc.version_bytes,
                             .log_bytes = log.bytes,
                             .log_blocks = log.blocks,
                             .log_syncs = log.syncs,
                             .checkpoints = vb_load_relaxed(&db->checkpoints),
                             .recovered_txns = db->recovered_txns,
                             .recovered_rows = db->recovered_rows,
                             .open_txns = vtx_pool_open_count(db->pool),
                             .failed = vtl_poisoned(db->log)};
    vos_mutex_lock(&db->catalogue_mutex);
    for (size_t i = 0; i < db->table_count; i++) info.tables += db->tables[i]->tree != NULL;
    vos_mutex_unlock(&db->catalogue_mutex);
    if (db->dir == NULL) info.durable = info.clock;
    uint64_t oldest = info.clock;
    for (unsigned i = 1; i <= db->domain.slot_count; i++) {
        uint64_t snap = vb_load_acquire(&db->domain.slots[i].snap);
        if (snap < oldest) oldest = snap;
    }
    info.oldest_snapshot = oldest;
    __builtin_memcpy(info.cc, vtx_pool_ops(db->pool)->name, __builtin_strlen(vtx_pool_ops(db->pool)->name));
    for (unsigned i = 0; i < 16; i++) info.aborts_by_reason[i] = c.aborts_by_reason[i];
    __builtin_memcpy(out, &info, out->size < sizeof info ? out->size : sizeof info);
}
