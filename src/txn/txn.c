/* txn.c - the life of a transaction: begin, the way into and out of every operation, abort, finish, savepoints.
 *
 * States: FINISHED -> ACTIVE (begin) -> SEALED (commit) -> FINISHED. A transaction that heard a retry status is
 * doomed: it stays ACTIVE and repeats the status until its owner ends it.
 *  T1  whoever ends a transaction releases locks first, then stores IDLE, then raises gen (C5), then drops the pin
 *  T2  age: smaller is older; a retry keeps the age of its first attempt
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/experiment.h"
#include "base/planted.h"
#include "certify/certify.h"
#include "lockmgr/lockmgr.h"
#include "txn/txn_int.h"

/* An attempt after this many aborts in a row runs under locks with its first age. */
enum { ESCALATE_AFTER = 3 };
enum { TOKEN_ATTEMPT_BITS = 4, TOKEN_ATTEMPT_MAX = 15, AGE_SLOT_BITS = 12 };

static const varve_txn_options default_options = VARVE_TXN_OPTIONS_INIT;

static int check_options(const varve_txn_options *o, struct vk_detail *detail) {
    if (o->size < sizeof(varve_txn_options))
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER,
                       "transaction options: size is %u, at least %zu expected "
                       "(begin with VARVE_TXN_OPTIONS_INIT)",
                       o->size, sizeof(varve_txn_options));
    if ((unsigned)o->isolation > VARVE_SERIALIZABLE)
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "transaction options: no isolation level %d",
                       (int)o->isolation);
    if ((unsigned)o->sync > VARVE_SYNC_NONE)
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "transaction options: no sync mode %d",
                       (int)o->sync);
    if (o->deferrable && !o->read_only)
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "transaction options: deferrable needs read_only");
    return VARVE_OK;
}

/* Fills the caller's varve_error from a detail. */
static void report(varve_error *error, int status, const struct vk_detail *detail, uint64_t retry_token) {
    if (error == NULL || error->size < sizeof *error) return;
    error->status = status;
    error->reason = (int32_t)detail->reason;
    error->phenomenon = 0;
    error->other_txn = detail->other_txn;
    error->retry_token = retry_token;
    memccpy(error->text, detail->text, 0, sizeof error->text);
}

/* Scheme and level, and the retry's memory: age, attempts, escalation. */
static int choose_scheme(struct varve_txn *txn, const varve_txn_options *o, struct vk_detail *detail) {
    struct vtx_config *config = &txn->pool->config;
    struct vcc_txn *cc = &txn->cc;
    enum varve_isolation asked = o->isolation != VARVE_ISOLATION_DEFAULT ? o->isolation : config->isolation;
    cc->ops = config->ops;
    cc->read_only = o->read_only;
    cc->level = cc->ops->effective_level(asked, o->read_only);
    if (o->exact && cc->level != asked)
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER,
                       "%s cannot serve exactly the isolation level that was asked for", cc->ops->name);
    txn->attempts = (unsigned)(o->retry_token & TOKEN_ATTEMPT_MAX);
    bool may_be_stronger = !o->exact || asked == VARVE_SERIALIZABLE;
    cc->escalated = txn->attempts >= VB_SETTING(escalate_after, ESCALATE_AFTER) && !o->read_only &&
                    cc->ops != config->locking && may_be_stronger;
    if (cc->escalated) {
        cc->ops = config->locking;
        cc->level = VARVE_SERIALIZABLE;
        vtx_count(&txn->counters.escalations);
        VK_YIELD(cc->domain, escalated);
    }
    return VARVE_OK;
}

/* By words: whoever waits for this transaction may be reading it. */
static void set_label(struct vk_slot *slot, const char *label) {
    uint64_t words[sizeof slot->label / sizeof(uint64_t)] = {0};
    if (label == NULL && vb_load_relaxed((uint64_t *)(void *)slot->label) == 0) return;
    if (label != NULL) snprintf((char *)words, sizeof words, "%s", label);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        vb_store_relaxed((uint64_t *)(void *)(slot->label + i * sizeof *words), words[i]);
}

/* The public words of the slot, before the first read. */
static void occupy_slot(struct varve_txn *txn, const varve_txn_options *o) {
    struct vcc_txn *cc = &txn->cc;
    struct vk_slot *slot = cc->slot;
    uint64_t age = o->retry_token >> TOKEN_ATTEMPT_BITS;
    if (age == 0) age = (vb_load_relaxed(&cc->domain->clock) + 1) << AGE_SLOT_BITS | cc->self;
    unsigned next = txn->attempts < TOKEN_ATTEMPT_MAX ? txn->attempts + 1 : TOKEN_ATTEMPT_MAX;
    txn->retry_token = age << TOKEN_ATTEMPT_BITS | next;
    txn->serial++;
    vb_store_relaxed(&slot->txn_id, txn->serial << AGE_SLOT_BITS | cc->self);
    vb_store_release(&slot->age, age);
    set_label(slot, o->label);
    vk_pin(cc->domain, slot);
}

static void start(struct varve_txn *txn, const varve_txn_options *o) {
    struct vtx_config *config = &txn->pool->config;
    struct vcc_txn *cc = &txn->cc;
    cc->stale = false;
    cc->snap = VK_NO_SNAP;
    cc->observed = 0;
    cc->cts = 0;
    cc->open_statements = 0;
    cc->deadline_ms = o->timeout_ms != 0 ? o->timeout_ms : config->lock_timeout_ms;
    cc->detail.text[0] = 0;
    cc->detail.other_txn = 0;
    txn->sync = o->sync != VARVE_SYNC_DEFAULT ? o->sync : config->sync;
    txn->error = o->error;
    txn->doomed = VARVE_OK;
    txn->last_cts = 0;
    txn->tell_cts = NULL;
    txn->last_record = NULL;
    txn->last_leaf = NULL;
    txn->bytes = 0;
    txn->witness = (struct vtx_witness){0, 0};
    vb_store_relaxed(&txn->expire, 0);
    if (config->max_snapshot_age_ms != 0) vb_store_relaxed(&txn->begin_ns, vk_now_ns(cc->domain));
}

int vtx_begin(struct vtx_pool *pool, const varve_txn_options *options, struct varve_txn **out,
              struct vk_detail *detail) {
    const varve_txn_options *o = options != NULL ? options : &default_options;
    struct varve_txn *txn = NULL;
    int status = check_options(o, detail);
    if (status == VARVE_OK) status = vtx_handle_take(pool, &txn, detail);
    if (status == VARVE_OK) status = choose_scheme(txn, o, detail);
    if (status != VARVE_OK) {
        if (txn != NULL) vtx_handle_return(txn);
        if (o->size >= sizeof *o) report(o->error, status, detail, o->retry_token);
        return status;
    }
    VK_YIELD(txn->cc.domain, begin_taken);
    start(txn, o);
    occupy_slot(txn, o);
    VK_YIELD(txn->cc.domain, begin_pinned);
    status = vcc_begin(&txn->cc);
    VB_ASSERT(status == VARVE_OK);
    (void)status;
    vb_store_relaxed(&txn->state, VTX_ACTIVE);
    vtx_count(&txn->counters.begins);
    *out = txn;
    return VARVE_OK;
}

/* The janitor asked for the snapshot back. */
static int give_up_snapshot(struct varve_txn *txn) {
    vk_snapshot_release(txn->cc.slot);
    return vk_fail(&txn->cc.detail, VARVE_SNAPSHOT_TOO_OLD, VARVE_REASON_RESOURCE,
                   "memory is short and this snapshot was held longer than max_snapshot_age_ms");
}

int vtx_enter_slowly(struct varve_txn *txn) {
    if (vos_forked(&txn->pool->config.fork_mark)) return VARVE_FORKED;
    if (vb_unlikely(vb_load_relaxed(&txn->state) != VTX_ACTIVE)) return VARVE_MISUSE;
    if (vb_unlikely(txn->in_callback))
        return vtx_refuse(txn, VARVE_MISUSE, VARVE_REASON_CALLER, "a constraint callback may not call the library");
    if (vb_unlikely(txn->doomed != VARVE_OK) && !VB_PLANTED(48)) return vtx_leave(txn, txn->doomed);
    if (vb_unlikely(vb_load_relaxed(&txn->expire) != 0) && txn->cc.snap != VK_NO_SNAP)
        return vtx_leave(txn, give_up_snapshot(txn));
    if (vb_load_relaxed(&txn->cc.slot->lock_holder) != 0) {
        int status = vlm_check_wound(&txn->cc);
        if (status != VARVE_OK) return vtx_leave(txn, status);
    }
    return VARVE_OK;
}

static bool dooms(int status) {
    return status == VARVE_CONFLICT || status == VARVE_DEADLOCK || status == VARVE_SNAPSHOT_TOO_OLD ||
           status == VARVE_TIMEOUT;
}

int vtx_leave_with(struct varve_txn *txn, int status) {
    if (vb_likely(status == VARVE_OK || status == VARVE_NOTFOUND || status == VARVE_EXISTS || status == VARVE_END))
        return status;
    if (dooms(status)) txn->doomed = status;
    txn->cc.detail.status = status;
    report(txn->error, status, &txn->cc.detail, txn->retry_token);
    return status;
}

int vtx_refuse(struct varve_txn *txn, int status, enum varve_reason reason, const char *text) {
    if (vb_load_relaxed(&txn->state) != VTX_ACTIVE) return VARVE_MISUSE;
    return vtx_leave(txn, vk_fail(&txn->cc.detail, status, reason, "%s", text));
}

void vtx_statement_open(struct varve_txn *txn) {
    struct vcc_txn *cc = &txn->cc;
    if ((cc->open_statements++ != 0 && !VB_PLANTED(86)) || cc->snap == VK_NO_SNAP) return;
    cc->snap = vk_snapshot_register(cc->domain, cc->slot);
    cc->snap_moves++;
}

static void count_end(struct varve_txn *txn, bool committed, enum varve_reason reason) {
    struct vtx_counters *counters = &txn->counters;
    if (committed) {
        vtx_count(txn->cc.cts != 0 ? &counters->commits : &counters->commits_read_only);
        return;
    }
    vtx_count(&counters->aborts);
    if (reason == VARVE_REASON_NONE)
        vtx_count(&counters->aborts_user);
    else
        vtx_count(&counters->aborts_by_reason[reason & 15]);
}

void vtx_finish(struct varve_txn *txn, bool committed, enum varve_reason reason) {
    struct vcc_txn *cc = &txn->cc;
    struct vk_slot *slot = cc->slot;
    vtx_cursors_close_all(txn);
    vcc_end(cc, committed);
    VK_YIELD(cc->domain, end_released);
    vb_store_release(&slot->commit, vk_commit_word(0, VK_IDLE)); /* T1 */
    VK_YIELD(cc->domain, end_idle);
    vb_store_release(&slot->gen, slot->gen + 1);
    vb_store_release(&slot->age, 0);
    vk_unpin(slot);
    VK_YIELD(cc->domain, end_unpinned);
    count_end(txn, committed, reason);
    txn->last_cts = cc->cts;
    if (txn->tell_cts != NULL) *txn->tell_cts = cc->cts;
    vct_reset(cc);
    vk_wset_reset(&cc->wset);
    txn->read_any = false;
    vb_arena_reset(&cc->arena);
    if (txn->pool->config.max_snapshot_age_ms != 0) vb_store_relaxed(&txn->begin_ns, 0);
}

void vtx_abort(struct varve_txn *txn) {
    if (vb_load_relaxed(&txn->state) != VTX_ACTIVE || txn->in_callback) return;
    vtx_finish(txn, false, txn->doomed != VARVE_OK ? txn->cc.detail.reason : VARVE_REASON_NONE);
    vb_store_relaxed(&txn->state, VTX_FINISHED);
    vtx_handle_return(txn);
}

int vtx_savepoint(struct varve_txn *txn, unsigned *mark) {
    VB_TRY(vtx_enter(txn));
    *mark = vk_wset_mark(&txn->cc.wset);
    return VARVE_OK;
}

/* insert, update and delete have told their caller whether the key is there. While the write lives its precondition
 * protects that answer; once it is rolled back the answer becomes a read like any other. */
static int keep_answer(struct varve_txn *txn, const struct vk_write *write) {
    struct vtx_row row;
    if (write->previous != NULL || write->precondition == VK_ANY) return VARVE_OK;
    VB_TRY(vtx_read_row(txn, write->table, write->key, VCC_EXISTENCE, NULL, &row));
    if (row.result.present == (write->precondition == VK_MUST_BE_PRESENT)) return VARVE_OK;
    return vcc_refuse(&txn->cc, VARVE_CONFLICT, VARVE_REASON_PRECONDITION, write->table, write->key,
                      "it came or went since this transaction looked");
}

int vtx_rollback_to(struct varve_txn *txn, unsigned mark) {
    VB_TRY(vtx_enter(txn));
    struct vk_wset *wset = &txn->cc.wset;
    unsigned count = vk_wset_mark(wset);
    if (mark > count)
        return vtx_refuse(txn, VARVE_INVALID, VARVE_REASON_CALLER,
                          "no such savepoint: it was rolled back, or is another transaction's");
    for (unsigned i = mark; VB_PLANTED(29) && i < count; i++)
        if (wset->writes[i]->record != NULL) vlm_release(&txn->cc, wset->writes[i]->record, VLM_X);
    vk_wset_rollback(wset, mark);
    VK_YIELD(txn->cc.domain, savepoint_rolled);
    int status = VARVE_OK;
    if (VB_PLANTED(14)) return VARVE_OK;
    for (unsigned i = mark; i < count && status == VARVE_OK; i++) status = keep_answer(txn, wset->writes[i]);
    return vtx_leave(txn, status);
}

int vtx_check(const struct varve_txn *txn) {
    if (vos_forked(&txn->pool->config.fork_mark)) return VARVE_FORKED;
    return vb_load_relaxed(&txn->state) == VTX_ACTIVE ? VARVE_OK : VARVE_MISUSE;
}
struct varve_db *vtx_db(const struct varve_txn *txn) {
    return txn->pool->config.db;
}
enum varve_isolation vtx_effective(const struct varve_txn *txn) { return txn->cc.level; }
uint64_t vtx_id(const struct varve_txn *txn) { return vb_load_relaxed(&txn->cc.slot->txn_id); }
const char *vtx_error_text(const struct varve_txn *txn) { return txn->cc.detail.text; }
struct vtx_witness vtx_last_read(const struct varve_txn *txn) {
    return txn->witness;
}
uint64_t vtx_commit_cts(const struct varve_txn *txn) { return txn->last_cts; }
void vtx_tell_cts(struct varve_txn *txn, uint64_t *cts) { txn->tell_cts = cts; }
uint64_t vtx_clock(const struct vtx_pool *pool) { return vb_load_acquire(&pool->config.domain->clock); }
uint64_t vtx_snapshot(const struct varve_txn *txn) { return txn->cc.snap; }
