/* txnlog_fixture.h - what the tests of the log share: a log over a simulated disk, a player of the committer's part,
 * and a model that knows what was published and acknowledged, and judges what comes back.
 *
 * A transaction of the tests has an id: its first operation's key is the id, and the sizes and bytes of all its
 * operations follow from it, so that whatever recovery hands out can be checked without the model's help.
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_TXNLOG_FIXTURE_H
#define VARVE_TESTS_TXNLOG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/atomics.h"
#include "base/random.h"
#include "support/simdisk.h"
#include "txnlog/txnlog_int.h"

enum { FX_SLOTS = 8, FX_TXNS = 4096, FX_OPS = 4 };

struct fx_txn {
    uint64_t cts;
    enum varve_sync_mode acked;
    bool recovered;
}; /* acked DEFAULT: not */

struct fx_model {
    struct fx_txn txns[FX_TXNS]; /* by id, from 1 */
    uint64_t count;              /* atomic */
    uint64_t cut, first_seq;     /* of the last checkpoint */
    uint64_t next_file;          /* atomic */
    uint32_t no_files;           /* the manifest hands out no ids */
};

struct fx {
    struct fx_model *model;
    struct vos *os;
    struct vb_memory *memory;
    struct vb_heap *heaps[FX_SLOTS + 1];
    struct vk_domain domain;
    struct vtl_config config;
    struct vtl_log *log;
    struct vtl_ring *rings[FX_SLOTS + 1];
    struct vk_detail detail;
    struct vtl_recovered recovered;
};

#define FX_LIMITS ((struct vk_limits){FX_SLOTS, 4, 4, 4, 512, 512, 8 << 10, 16 << 10, 1 << 10, 4, 1, 1, 0})

static inline int fx_next_file(void *arg, uint64_t *file_id) {
    struct fx_model *model = arg;
    if (vb_load_relaxed(&model->no_files)) return VARVE_IO;
    *file_id = vb_add_relaxed(&model->next_file, 1) + 1;
    return VARVE_OK;
}
static inline uint64_t fx_manifest(void *arg) {
    (void)arg;
    return 7;
}

/* Everything but the log itself. */
static inline void fx_init(struct fx *fx, struct fx_model *model, struct vos *os, const struct vk_limits *limits) {
    memset(fx, 0, sizeof(*fx));
    fx->model = model;
    fx->os = os;
    fx->memory = vb_memory_open(FX_SLOTS + 1);
    assert_non_null(fx->memory);
    assert_int_equal(vk_domain_open(&fx->domain, os, fx->memory, limits), VARVE_OK);
    fx->config = (struct vtl_config){.domain = &fx->domain,
                                     .file_mode = 0600,
                                     .timeline = 1,
                                     .sync = VARVE_SYNC_GROUP,
                                     .next_file_id = fx_next_file,
                                     .manifest_sequence = fx_manifest,
                                     .arg = model};
    memcpy(fx->config.database_id, "fixture database", 16);
}

/* Blocks of a sector each; or several of them in a page, as in a database whose commits do not wait for syncs. */
static inline void fx_init_as(struct fx *fx, struct fx_model *model, struct vos *os, bool shared_pages) {
    struct vk_limits limits = FX_LIMITS;
    if (shared_pages) {
        limits.log_unit_bytes = 2048;
        limits.segment_first_bytes = limits.segment_max_bytes = 16 << 10;
    }
    fx_init(fx, model, os, &limits);
    if (shared_pages) fx->config.sync = VARVE_SYNC_WRITE;
}

static inline int fx_open_dir(struct fx *fx) {
    return fx->os->ops->dir_open(fx->os, "db", true, 0700, &fx->config.dir, NULL);
}

static inline void fx_open_rings(struct fx *fx) {
    for (unsigned i = 1; i <= FX_SLOTS; i++) {
        fx->heaps[i] = vb_heap_open(fx->memory, i);
        assert_non_null(fx->heaps[i]);
        assert_int_equal(vtl_ring_open(fx->log, i, fx->heaps[i], &fx->rings[i]), VARVE_OK);
    }
}

static inline void fx_close_rings(struct fx *fx) {
    for (unsigned i = 1; i <= FX_SLOTS; i++) {
        if (fx->rings[i] != NULL) vtl_ring_close(fx->rings[i]);
        if (fx->heaps[i] != NULL) vb_heap_close(fx->heaps[i]);
        fx->rings[i] = NULL;
        fx->heaps[i] = NULL;
    }
}

static inline void fx_done(struct fx *fx) {
    if (fx->config.dir != NULL) fx->os->ops->dir_close(fx->config.dir);
    vk_domain_close(&fx->domain);
    vb_memory_close(fx->memory);
}

/* The log is closed before its rings, as after a crash. */
static inline int fx_close(struct fx *fx) {
    int status = fx->log != NULL ? vtl_close(fx->log, &fx->detail) : VARVE_OK;
    fx->log = NULL;
    fx_close_rings(fx);
    fx_done(fx);
    return status;
}

/* --- the content of a transaction --------------------------------------------------------------------------------- */

static inline unsigned fx_op_count(uint64_t id) { return 1 + (unsigned)(id % FX_OPS); }
/* Mostly small, some larger than a ring, a few larger than a segment. */
static inline size_t fx_value_bytes(uint64_t id, unsigned op) {
    if (op != 0) return (id * 7 + op) % 60;
    if (id % 29 == 0) return 20000 + id % 100;
    return id % 7 == 0 ? 600 + id % 500 : id % 90;
}

static inline void fx_fill(uint8_t *bytes, size_t size, uint64_t id, unsigned op) {
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(id * 31 + op * 7 + i * 13 + (i >> 8));
}

struct fx_write {
    struct vk_write writes[FX_OPS + 1];
    struct vk_write *list[FX_OPS + 1];
    uint8_t keys[FX_OPS + 1][16];
    uint8_t *values[FX_OPS + 1];
    size_t count;
};

static inline void fx_write_make(struct fx_write *w, uint64_t id) {
    memset(w, 0, sizeof(*w));
    w->count = fx_op_count(id);
    for (unsigned i = 0; i < w->count; i++) {
        size_t size = fx_value_bytes(id, i);
        w->values[i] = malloc(size + 1);
        assert_non_null(w->values[i]);
        fx_fill(w->values[i], size, id, i);
        vb_put_u64(w->keys[i], id);
        vb_put_u64(w->keys[i] + 8, i);
        bool delete = i != 0 && (id + i) % 5 == 0;
        w->writes[i] =
            (struct vk_write){.table_id = 1 + i, .key = {w->keys[i], 16}, .kind = delete ? VK_DELETE : VK_PUT};
        if (!delete) w->writes[i].value = (varve_slice){w->values[i], size};
        w->list[i] = &w->writes[i];
    }
    w->writes[w->count] = w->writes[0]; /* an operation that a later one superseded is not logged */
    w->writes[w->count].superseded = true;
    w->list[w->count] = &w->writes[w->count];
    w->count++;
}

static inline void fx_write_free(struct fx_write *w) {
    for (unsigned i = 0; i < w->count; i++) free(w->values[i]);
}

/* The id, or 0 when a byte of it is wrong. */
static inline uint64_t fx_check_txn(const struct vtl_txn *txn) {
    struct vtl_op op;
    size_t offset = 0;
    uint64_t id = 0;
    unsigned count = 0;
    while (vtl_txn_next(txn, &offset, &op) == VARVE_OK) {
        if (op.key.size != 16) return 0;
        uint64_t here = vb_get_u64(op.key.data);
        if (count == 0) id = here;
        if (here != id || vb_get_u64((const uint8_t *)op.key.data + 8) != count || op.table_id != 1 + count) return 0;
        bool delete = count != 0 && (id + count) % 5 == 0;
        if (op.kind != (delete ? VTL_DELETE : VTL_PUT)) return 0;
        if (!delete) {
            size_t size = fx_value_bytes(id, count);
            if (op.value.size != size) return 0;
            uint8_t *want = malloc(size + 1);
            fx_fill(want, size, id, count);
            bool same = size == 0 || memcmp(want, op.value.data, size) == 0;
            free(want);
            if (!same) return 0;
        }
        count++;
    }
    return count == fx_op_count(id) && txn->ops == count ? id : 0;
}

/* --- the committer's part ----------------------------------------------------------------------------------------- */

/* Reserve, stamp, publish; *cts is 0 when the reservation failed, whose status is returned. */
static inline int fx_publish(struct fx *fx, unsigned slot_id, uint64_t *cts, uint64_t *id_out) {
    uint64_t id = vb_add_relaxed(&fx->model->count, 1) + 1;
    assert_true(id < FX_TXNS);
    struct fx_write w;
    struct vk_detail detail = {0};
    struct vk_slot *slot = &fx->domain.slots[slot_id];
    *cts = 0;
    *id_out = id;
    fx_write_make(&w, id);
    int status = vtl_reserve(fx->rings[slot_id], w.list, w.count, &detail);
    fx_write_free(&w);
    if (status != VARVE_OK) {
        assert_int_equal(detail.status, status);
        return status;
    }
    vb_store_release(&slot->commit, vk_commit_word(0, VK_PREP));
    *cts = vb_add_acq_rel(&fx->domain.clock, 1) + 1;
    vb_store_release(&slot->commit, vk_commit_word(*cts, VK_COMMITTING));
    vtl_publish(fx->rings[slot_id], *cts);
    vb_store_relaxed(&fx->model->txns[id].cts, *cts);
    vb_store_release(&slot->commit, vk_commit_word(0, VK_IDLE));
    return VARVE_OK;
}

static inline int fx_harden(struct fx *fx, unsigned slot_id, uint64_t id, uint64_t cts, enum varve_sync_mode mode) {
    int status = vtl_harden(fx->log, &fx->domain.slots[slot_id], cts, mode);
    if (status == VARVE_OK) fx->model->txns[id].acked = mode;
    return status;
}

static inline int fx_commit(struct fx *fx, unsigned slot_id, enum varve_sync_mode mode) {
    uint64_t cts, id;
    VB_TRY(fx_publish(fx, slot_id, &cts, &id));
    return fx_harden(fx, slot_id, id, cts, mode);
}

/* A stamp that stays a gap: aborted after reserve. */
static inline int fx_abort(struct fx *fx, unsigned slot_id) {
    struct fx_write w;
    fx_write_make(&w, 14);
    int status = vtl_reserve(fx->rings[slot_id], w.list, w.count, NULL);
    fx_write_free(&w);
    if (status != VARVE_OK) return status;
    struct vk_slot *slot = &fx->domain.slots[slot_id];
    vb_store_release(&slot->commit, vk_commit_word(0, VK_PREP));
    uint64_t cts = vb_add_acq_rel(&fx->domain.clock, 1) + 1;
    vb_store_release(&slot->commit, vk_commit_word(cts, VK_COMMITTING));
    vtl_cancel(fx->rings[slot_id]);
    vb_store_release(&slot->commit, vk_commit_word(0, VK_IDLE));
    return VARVE_OK;
}

static inline int fx_checkpoint(struct fx *fx) {
    uint64_t first = vtl_next_seq(fx->log), cut = vb_load_acquire(&fx->domain.clock);
    VB_TRY(vtl_sync(fx->log));
    fx->model->first_seq = first;
    fx->model->cut = cut;
    return vtl_truncate(fx->log, first, &fx->detail);
}

/* --- recovery and its judge --------------------------------------------------------------------------------------- */

static inline int fx_apply(void *arg, unsigned thread, const struct vtl_txn *txn) {
    struct fx_model *model = arg;
    (void)thread;
    uint64_t id = fx_check_txn(txn);
    if (id == 0 || id > model->count || model->txns[id].cts != txn->cts) return VARVE_MISUSE; /* not what was written */
    if (txn->cts <= model->cut || model->txns[id].recovered) return VARVE_MISUSE;
    model->txns[id].recovered = true;
    return VARVE_OK;
}

static inline int fx_recover(struct fx *fx, unsigned threads) {
    for (uint64_t id = 1; id <= fx->model->count; id++) fx->model->txns[id].recovered = false;
    return vtl_recover(&fx->config, fx->model->cut, fx->model->first_seq, threads, fx_apply, fx->model, &fx->recovered,
                       &fx->detail);
}

static inline bool fx_is_durable_mode(enum varve_sync_mode mode) {
    return mode == VARVE_SYNC_SYNC || mode == VARVE_SYNC_GROUP;
}

/* NULL when what came back is a prefix of the commit order that holds all that was promised. killed: the process
 * died, the machine did not. */
static inline const char *fx_judge(const struct fx *fx, bool killed) {
    const struct fx_model *model = fx->model;
    uint64_t highest = model->cut;
    for (uint64_t id = 1; id <= model->count; id++) {
        if (model->txns[id].recovered && model->txns[id].cts > highest) highest = model->txns[id].cts;
    }
    for (uint64_t id = 1; id <= model->count; id++) {
        const struct fx_txn *txn = &model->txns[id];
        if (txn->cts == 0 || txn->cts <= model->cut || txn->recovered) continue;
        if (txn->cts < highest) return "a hole below a transaction that came back";
        if (fx_is_durable_mode(txn->acked)) return "a hardened transaction is lost";
        if (killed && txn->acked == VARVE_SYNC_WRITE) return "a written transaction is lost though the machine went on";
    }
    if (fx->recovered.max_cts < highest && highest != model->cut) return "max_cts is too low";
    return NULL;
}

/* What did not come back never will: a new life numbers its stamps from max_cts on. */
static inline void fx_forget_lost(struct fx_model *model) {
    for (uint64_t id = 1; id <= model->count; id++) {
        if (!model->txns[id].recovered && model->txns[id].cts > model->cut) model->txns[id].cts = 0;
    }
}

static inline int fx_reopen(struct fx *fx) {
    fx_forget_lost(fx->model);
    uint64_t clock = fx->recovered.max_cts > fx->model->cut ? fx->recovered.max_cts : fx->model->cut;
    vb_store_release(&fx->domain.clock, clock);
    int status = vtl_open(&fx->config, &fx->recovered, &fx->log, &fx->detail);
    if (status == VARVE_OK) fx_open_rings(fx);
    return status;
}

/* A whole life's beginning: directory, recovery, judge, log. */
static inline void fx_start(struct fx *fx, struct fx_model *model, struct vos *os, const struct vk_limits *limits) {
    fx_init(fx, model, os, limits);
    assert_int_equal(fx_open_dir(fx), VARVE_OK);
    int status = fx_recover(fx, 1);
    if (status != VARVE_OK) fail_msg("recovery: %d %s", status, fx->detail.text);
    status = fx_reopen(fx);
    if (status != VARVE_OK) fail_msg("open: %d %s", status, fx->detail.text);
}

#endif
