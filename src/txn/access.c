/* access.c - rows: read, written, deleted; own writes first.
 *
 * Every operation is one or more read sections. A scheme that has to wait says VCC_WAIT; the section is left, the wait
 * happens outside, and the row is looked up again.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/planted.h"
#include "lockmgr/lockmgr.h"
#include "os/rcu.h"
#include "txn/txn_int.h"

int vtx_again(struct varve_txn *txn, int status) { return status == VCC_WAIT ? vlm_wait(&txn->cc) : VARVE_OK; }

vb_step bool within_limit(const struct varve_txn *txn, size_t more) {
    return vb_likely(txn->bytes + more <= txn->pool->config.max_txn_bytes);
}

int vtx_over_limit(struct varve_txn *txn, size_t more) {
    if (within_limit(txn, more)) return VARVE_OK;
    return vk_fail(&txn->cc.detail, VARVE_TOOBIG, VARVE_REASON_RESOURCE,
                   "keys, values and borrowed bytes of this transaction would pass max_txn_bytes (%llu): use a cursor "
                   "or shorter transactions",
                   (unsigned long long)txn->pool->config.max_txn_bytes);
}

/* There is no record for the key: its absence is protected as a scan of that one point. In a read section. */
static int note_absence(struct varve_txn *txn, struct vst_table *tree, varve_slice key, const struct vst_found *found) {
    struct vcc_txn *cc = &txn->cc;
    struct vcc_scan scan = {.table = tree, .direction = VST_FORWARD, .from = key, .point = true};
    struct vcc_step step = {.to = key, .to_inclusive = true};
    struct vst_portion portion; /* of which only the leaf and its counter mean anything for a point */
    VK_YIELD(cc->domain, read_absent);
    portion.leaf = found->leaf;
    portion.phantom = found->phantom;
    if ((cc->ops->caps & VCC_CAP_GAPS) != 0)
        step.guard = vst_sentinel(tree); /* the scheme looks for the real one itself */
    step.portion = &portion;
    return vcc_range(cc, &scan, &step);
}

/* A look-up begins at the leaf of the one before where that was the leaf of the one before it, too. */
vb_step void find_in_tree(struct varve_txn *txn, struct vst_table *tree, varve_slice key, struct vst_found *found) {
    bool same_tree = txn->last_tree == tree;
    vst_find(tree, key, same_tree && txn->stays ? txn->last_leaf : NULL, found);
    if (same_tree && found->leaf == NULL) return; /* the hash knew */
    txn->stays = same_tree && found->leaf == txn->last_leaf;
    txn->last_leaf = found->leaf;
}

/* Looks a row up; the one that was looked up last is at hand while it is in the index. In a read section. */
vb_step void find(struct varve_txn *txn, struct vst_table *tree, varve_slice key, struct vst_found *found) {
    struct vst_record *last = txn->last_record;
    if (last != NULL && txn->last_tree == tree && vst_key_is(last, key) &&
        ((vb_load_acquire(&last->tid) & VST_FROZEN) == 0 || VB_PLANTED(90))) {
        *found = (struct vst_found){.record = last};
        return;
    }
    find_in_tree(txn, tree, key, found);
    txn->last_tree = tree;
    txn->last_record = found->record;
}

static uint32_t key_bit(const struct vst_table *tree, varve_slice key) {
    return (uint32_t)vb_hash64(key.data, key.size, vst_table_id(tree)) % VTX_READ_KEYS;
}

void vtx_note_key_read(struct varve_txn *txn, const struct vst_table *tree, varve_slice key) {
    if (txn->cc.read_only) return;
    uint32_t bit = key_bit(tree, key);
    if (!txn->read_any) memset(txn->read_keys, 0, sizeof(txn->read_keys));
    txn->read_any = true;
    txn->read_keys[bit / 64] |= UINT64_C(1) << bit % 64;
}

static bool perhaps_read(const struct varve_txn *txn, const struct vst_table *tree, varve_slice key) {
    uint32_t bit = key_bit(tree, key);
    return txn->read_any && (txn->read_keys[bit / 64] >> bit % 64 & 1) != 0;
}

/* One look at the committed row, in a section of its own. */
vb_step int look(struct varve_txn *txn, struct vcc_access *access, struct vcc_result *result) {
    vos_rcu_enter();
    find(txn, access->table, access->key, &access->found);
    VK_YIELD(txn->cc.domain, read_found);
    int status;
    if (access->found.record != NULL) {
        status = vcc_read(&txn->cc, access, result);
    } else {
        *result = (struct vcc_result){{NULL, 0}, 0, false};
        status =
            access->hint == VCC_UNTRACKED ? VARVE_OK : note_absence(txn, access->table, access->key, &access->found);
    }
    vos_rcu_exit();
    if (access->hint != VCC_UNTRACKED) vtx_note_key(txn, access->table, access->key);
    return status;
}

/* The committed row as this transaction sees it. */
vb_step int read_committed_row(struct varve_txn *txn, struct vcc_access *access, struct vcc_result *result) {
    for (;;) {
        int status = look(txn, access, result);
        if (vb_likely(status <= VARVE_OK)) return status;
        VB_TRY(vtx_again(txn, status));
    }
}

int vtx_sum(struct varve_txn *txn, struct vk_write *add, enum vcc_hint hint, struct vb_arena *arena,
            varve_slice *value) {
    struct vcc_access access = {
        .table = add->table, .key = add->key, .hint = hint, .arena = arena != NULL ? arena : &txn->cc.arena};
    struct vcc_result base;
    VB_TRY(read_committed_row(txn, &access, &base));
    if (!VB_PLANTED(100)) add->looked = true;
    return vtx_plus(txn, add->table, add->key, base.present ? base.value : VARVE_SLICE(NULL, 0), add->value,
                    access.arena, value);
}

vb_step int read_row(struct varve_txn *txn, struct vst_table *tree, varve_slice key, enum vcc_hint hint,
                     struct vb_arena *arena, struct vtx_row *row) {
    row->own = txn->cc.wset.live != 0 ? vk_wset_find(&txn->cc.wset, vst_table_id(tree), key) : NULL;
    if (row->own != NULL) {
        row->result = (struct vcc_result){row->own->value, 0, row->own->kind != VK_DELETE};
        if (row->own->kind == VK_ADD && hint != VCC_EXISTENCE && hint != VCC_UNTRACKED)
            VB_TRY(vtx_sum(txn, row->own, hint, arena, &row->result.value));
        txn->witness = (struct vtx_witness){0, row->own->index + 1};
        return VARVE_OK;
    }
    struct vcc_access access = {.table = tree, .key = key, .hint = hint, .arena = arena};
    int status = read_committed_row(txn, &access, &row->result);
    if (vb_likely(status == VARVE_OK)) txn->witness = (struct vtx_witness){row->result.cts, 0};
    return status;
}

int vtx_read_row(struct varve_txn *txn, struct vst_table *tree, varve_slice key, enum vcc_hint hint,
                 struct vb_arena *arena, struct vtx_row *row) {
    return read_row(txn, tree, key, hint, arena, row);
}

static int refuse_table(struct varve_txn *txn, const struct varve_table *table) {
    return vk_fail(&txn->cc.detail, VARVE_INVALID, VARVE_REASON_CALLER,
                   table->tree == NULL ? "table %s has been dropped" : "table %s belongs to another database",
                   table->name);
}

static bool usable_table(const struct varve_txn *txn, const struct varve_table *table) {
    return vb_likely(table->tree != NULL && table->db == txn->pool->config.db);
}

static int refuse_key(struct varve_txn *txn, const struct varve_table *table, varve_slice key) {
    if (!usable_table(txn, table)) return refuse_table(txn, table);
    if (key.data == NULL || key.size == 0)
        return vk_fail(&txn->cc.detail, VARVE_INVALID, VARVE_REASON_CALLER,
                       "table %s: a key must have at least one byte", table->name);
    return vk_fail(&txn->cc.detail, VARVE_TOOBIG, VARVE_REASON_CALLER, "table %s: the key has %zu bytes, %u at most",
                   table->name, key.size, VARVE_KEY_MAX_BYTES);
}

vb_step int usable_key(struct varve_txn *txn, const struct varve_table *table, varve_slice key) {
    bool usable = usable_table(txn, table) && key.data != NULL && key.size - 1 < VARVE_KEY_MAX_BYTES;
    return vb_likely(usable) ? VARVE_OK : refuse_key(txn, table, key);
}

static int get_row(struct varve_txn *txn, struct varve_table *table, varve_slice key, enum vcc_hint hint,
                   varve_slice *value) {
    VB_TRY(usable_key(txn, table, key));
    struct vtx_row row;
    VB_TRY(read_row(txn, table->tree, key, hint, value != NULL ? &txn->cc.arena : NULL, &row));
    if (!row.result.present) return VARVE_NOTFOUND;
    if (value == NULL) return VARVE_OK;
    if (row.own == NULL) { /* own bytes have been counted when they were staged */
        VB_TRY(vtx_over_limit(txn, row.result.value.size));
        txn->bytes += row.result.value.size;
    }
    *value = row.result.value;
    return VARVE_OK;
}

int vtx_get(struct varve_txn *txn, struct varve_table *table, varve_slice key, enum vtx_get_mode mode,
            varve_slice *value) {
    static const enum vcc_hint hints[] = {
        [VTX_GET] = VCC_PLAIN, [VTX_GET_FOR_UPDATE] = VCC_FOR_UPDATE, [VTX_CONTAINS] = VCC_EXISTENCE};
    VB_TRY(vtx_enter(txn));
    if (mode == VTX_GET_FOR_UPDATE && txn->cc.read_only)
        return vtx_refuse(txn, VARVE_READONLY, VARVE_REASON_CALLER, "get_for_update in a read-only transaction");
    vtx_statement_begin(txn);
    int status = get_row(txn, table, key, hints[mode], value);
    vtx_statement_end(txn);
    return vtx_leave(txn, status);
}

/* Keys of get_many that are looked up together, so that their cache misses overlap. */
enum { TOGETHER = 16 };
struct group {
    const varve_slice *keys;
    struct vst_found found[TOGETHER];
    struct vcc_result results[TOGETHER];
    int statuses[TOGETHER]; /* of each read: OK, a failure, or a positive one: it is to be read by itself */
    unsigned count;
};

/* The rows of a group that can be read at once, in one section. A row that has to wait, an own write, and an absence
 * that was looked up under a stamp that has moved since are left for later. */
static void read_together(struct varve_txn *txn, struct vst_table *tree, struct group *g) {
    struct vcc_txn *cc = &txn->cc;
    uint64_t moves = cc->snap_moves;
    vos_rcu_enter();
    vst_lookup_many(tree, g->keys, g->found, g->count);
    for (unsigned i = 0; i < g->count; i++) {
        struct vcc_access access = {
            .table = tree, .key = g->keys[i], .found = g->found[i], .hint = VCC_PLAIN, .arena = &cc->arena};
        bool own = cc->wset.live != 0 && vk_wset_find(&cc->wset, vst_table_id(tree), g->keys[i]) != NULL;
        g->statuses[i] = VCC_RETRY;
        if (own || (access.found.record == NULL && cc->snap_moves != moves)) continue;
        g->results[i] = (struct vcc_result){{NULL, 0}, 0, false};
        g->statuses[i] = access.found.record != NULL ? vcc_read(cc, &access, &g->results[i])
                                                     : note_absence(txn, tree, access.key, &access.found);
        if (g->statuses[i] < VARVE_OK) break;
        vtx_note_key(txn, tree, g->keys[i]);
        txn->witness = (struct vtx_witness){g->results[i].cts, 0};
    }
    vos_rcu_exit();
}

/* What one read of a group amounts to, in the words of vtx_get. */
static int settle_read(struct varve_txn *txn, struct varve_table *table, struct group *g, unsigned i,
                       varve_slice *value) {
    if (g->statuses[i] > VARVE_OK) return get_row(txn, table, g->keys[i], VCC_PLAIN, value);
    if (g->statuses[i] != VARVE_OK) return g->statuses[i];
    if (!g->results[i].present) return VARVE_NOTFOUND;
    VB_TRY(vtx_over_limit(txn, g->results[i].value.size));
    txn->bytes += g->results[i].value.size;
    *value = g->results[i].value;
    return VARVE_OK;
}

static int get_group(struct varve_txn *txn, struct varve_table *table, struct group *g, varve_slice *values,
                     int *statuses) {
    for (unsigned i = 0; i < g->count; i++) VB_TRY(usable_key(txn, table, g->keys[i]));
    read_together(txn, table->tree, g);
    for (unsigned i = 0; i < g->count; i++) {
        statuses[i] = settle_read(txn, table, g, i, &values[i]);
        if (statuses[i] != VARVE_OK && statuses[i] != VARVE_NOTFOUND) return statuses[i];
    }
    return VARVE_OK;
}

int vtx_get_many(struct varve_txn *txn, struct varve_table *table, const varve_slice *keys, varve_slice *values,
                 int *statuses, size_t count) {
    VB_TRY(vtx_enter(txn));
    vtx_statement_begin(txn);
    int status = VARVE_OK;
    for (size_t done = 0; done < count && status == VARVE_OK; done += TOGETHER) {
        struct group g = {.keys = keys + done};
        g.count = count - done < TOGETHER ? (unsigned)(count - done) : TOGETHER;
        status = get_group(txn, table, &g, values + done, statuses + done);
    }
    vtx_statement_end(txn);
    return vtx_leave(txn, status);
}

/* Asks the scheme whether the row may be written; *record is the row's record where there is one. */
static int intend(struct varve_txn *txn, struct varve_table *table, varve_slice key, struct vst_record **record) {
    for (;;) {
        struct vst_found found;
        vos_rcu_enter();
        find(txn, table->tree, key, &found);
        int status = vcc_write(&txn->cc, table->tree, key, found.record);
        vos_rcu_exit();
        *record = found.record;
        if (vb_likely(status <= VARVE_OK)) return status;
        VB_TRY(vtx_again(txn, status));
    }
}

/* insert, update and delete first ask whether the row is there. An answer that ends the call has been observed, so it
 * is registered as an existence read; else the precondition protects it. */
static int settle_presence(struct varve_txn *txn, struct varve_table *table, varve_slice key,
                           enum vtx_write_mode mode) {
    struct vtx_row row;
    bool want_present = mode != VTX_INSERT;
    VB_TRY(vtx_read_row(txn, table->tree, key, VCC_UNTRACKED, NULL, &row));
    if (row.result.present == want_present) return VARVE_OK;
    VB_TRY(vtx_read_row(txn, table->tree, key, VCC_EXISTENCE, NULL, &row));
    if (row.result.present == want_present) return VARVE_OK; /* it changed in between */
    return want_present ? VARVE_NOTFOUND : VARVE_EXISTS;
}

static int check_rules(struct varve_txn *txn, const struct varve_table *table, varve_slice key, varve_slice value) {
    if (vb_likely(vcn_none(table->rules))) return VARVE_OK;
    if (VB_PLANTED(78) && vk_wset_find(&txn->cc.wset, table->id, key) != NULL) return VARVE_OK;
    txn->in_callback = true;
    int status = vcn_check_row(table->rules, table->name, key, value, &txn->cc.detail);
    txn->in_callback = false;
    return status;
}

static int check_write(struct varve_txn *txn, const struct varve_table *table, varve_slice key, varve_slice value,
                       enum vtx_write_mode mode) {
    if (txn->cc.read_only)
        return vk_fail(&txn->cc.detail, VARVE_READONLY, VARVE_REASON_CALLER, "a write in a read-only transaction");
    if (vtl_poisoned(txn->pool->config.log))
        return vk_fail(&txn->cc.detail, VARVE_FAILED, VARVE_REASON_FAILED, "the database takes no writes: %s",
                       vtl_poison_text(txn->pool->config.log));
    VB_TRY(usable_key(txn, table, key));
    if (mode == VTX_DELETE) return vtx_over_limit(txn, key.size);
    if (value.size > VARVE_VALUE_MAX_BYTES)
        return vk_fail(&txn->cc.detail, VARVE_TOOBIG, VARVE_REASON_CALLER,
                       "table %s: the value has %zu bytes, %u at most", table->name, value.size, VARVE_VALUE_MAX_BYTES);
    if (value.data == NULL && value.size != 0)
        return vk_fail(&txn->cc.detail, VARVE_INVALID, VARVE_REASON_CALLER, "table %s: the value is NULL", table->name);
    if (vb_load_relaxed(&txn->pool->memory_full))
        return vk_fail(&txn->cc.detail, VARVE_BUSY, VARVE_REASON_RESOURCE,
                       "the memory budget is used up: deletes and reads go on");
    VB_TRY(vtx_over_limit(txn, key.size + value.size));
    return mode == VTX_ADD ? VARVE_OK : check_rules(txn, table, key, value);
}

static int stage(struct varve_txn *txn, const struct vk_write *write) {
    struct vk_write *added;
    if (!VK_FAULT(txn->cc.domain, write_set) && vk_wset_add(&txn->cc.wset, write, &added) == VARVE_OK) {
        txn->bytes += write->key.size + write->value.size;
        VK_YIELD(txn->cc.domain, write_staged);
        return VARVE_OK;
    }
    return vk_fail(&txn->cc.detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for the write set");
}

static int write_row(struct varve_txn *txn, struct varve_table *table, varve_slice key, varve_slice value,
                     enum vtx_write_mode mode) {
    static const enum vk_precondition preconditions[] = {[VTX_PUT] = VK_ANY,
                                                         [VTX_INSERT] = VK_MUST_BE_ABSENT,
                                                         [VTX_UPDATE] = VK_MUST_BE_PRESENT,
                                                         [VTX_DELETE] = VK_MUST_BE_PRESENT};
    VB_TRY(check_write(txn, table, key, value, mode));
    if (mode != VTX_PUT) VB_TRY(settle_presence(txn, table, key, mode));
    VK_YIELD(txn->cc.domain, write_settled);
    struct vst_record *record;
    VB_TRY(intend(txn, table, key, &record));
    VK_YIELD(txn->cc.domain, write_checked);
    struct vk_write write = {.table = table->tree,
                             .key = key,
                             .value = mode == VTX_DELETE ? VARVE_SLICE(NULL, 0) : value,
                             .table_id = table->id,
                             .kind = mode == VTX_DELETE ? VK_DELETE : VK_PUT,
                             .precondition = (uint8_t)preconditions[mode],
                             .record = record};
    return stage(txn, &write);
}

int vtx_write(struct varve_txn *txn, struct varve_table *table, varve_slice key, varve_slice value,
              enum vtx_write_mode mode) {
    VB_TRY(vtx_enter(txn));
    vtx_statement_begin(txn);
    int status = write_row(txn, table, key, value, mode);
    vtx_statement_end(txn);
    return vtx_leave(txn, status);
}

/* --- add ---------------------------------------------------------------------------------------------------------- */

int vtx_plus(struct varve_txn *txn, const struct vst_table *tree, varve_slice key, varve_slice base, varve_slice delta,
             struct vb_arena *arena, varve_slice *sum) {
    if (base.data != NULL && base.size != VTX_NUMBER_BYTES)
        return vcc_refuse(&txn->cc, VARVE_INVALID, VARVE_REASON_CALLER, tree, key,
                          "add to a value that has not the 8 bytes of a number");
    uint8_t *bytes = vb_arena_alloc(arena, VTX_NUMBER_BYTES);
    if (bytes == NULL) return vk_fail(&txn->cc.detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for a sum");
    vb_put_u64(bytes, (base.data != NULL ? vb_get_u64(base.data) : 0) + vb_get_u64(delta.data));
    *sum = VARVE_SLICE(bytes, VTX_NUMBER_BYTES);
    return VARVE_OK;
}

/* What rules judge must be known when it is staged: the sum on what this transaction reads. */
static int add_by_reading(struct varve_txn *txn, struct varve_table *table, varve_slice key, varve_slice delta) {
    varve_slice old, sum;
    /* read committed does not validate: the sum must not be lost all the same */
    bool locks = txn->cc.level == VARVE_READ_COMMITTED;
    int status = get_row(txn, table, key, locks ? VCC_FOR_UPDATE : VCC_PLAIN, &old);
    if (status != VARVE_OK && status != VARVE_NOTFOUND) return status;
    bool absent = status == VARVE_NOTFOUND;
    VB_TRY(vtx_plus(txn, table->tree, key, absent ? VARVE_SLICE(NULL, 0) : old, delta, &txn->cc.arena, &sum));
    status = write_row(txn, table, key, sum, locks && absent ? VTX_INSERT : VTX_PUT);
    if (status == VARVE_EXISTS) /* it came in between: as if it had come after the commit */
        return vcc_refuse(&txn->cc, VARVE_CONFLICT, VARVE_REASON_PRECONDITION, table->tree, key,
                          "it came since this transaction looked");
    return status;
}

/* A row that is no number now is told at the call. Only a hint: nothing is registered or locked, and the commit looks
 * again. *record is the row's record where there is one. */
static int look_at_number(struct varve_txn *txn, struct varve_table *table, varve_slice key, varve_slice delta,
                          struct vst_record **record) {
    struct vst_found found;
    struct vst_seen seen = {.present = false};
    varve_slice sum;
    vos_rcu_enter();
    find(txn, table->tree, key, &found);
    int status = found.record != NULL ? vst_read_newest(found.record, &txn->cc.arena, &seen) : VARVE_OK;
    vos_rcu_exit();
    *record = found.record;
    if (status != VARVE_OK) return vk_fail(&txn->cc.detail, status, VARVE_REASON_RESOURCE, "out of memory for a value");
    txn->bytes += seen.value.size;
    return vtx_plus(txn, table->tree, key, seen.present ? seen.value : VARVE_SLICE(NULL, 0), delta, &txn->cc.arena,
                    &sum);
}

/* Nothing is read, locked or judged before the commit, so that no two additions are ever in each other's way. */
static int add_row(struct varve_txn *txn, struct varve_table *table, varve_slice key, varve_slice delta) {
    struct vcc_txn *cc = &txn->cc;
    VB_TRY(check_write(txn, table, key, delta, VTX_ADD));
    if (!vcn_none(table->rules)) return add_by_reading(txn, table, key, delta);
    struct vk_write write = {.table = table->tree,
                             .key = key,
                             .value = delta,
                             .table_id = table->id,
                             .kind = VK_ADD,
                             .precondition = VK_ANY};
    const struct vk_write *own = cc->wset.live != 0 ? vk_wset_find(&cc->wset, table->id, key) : NULL;
    if (own != NULL) {
        varve_slice base = own->kind == VK_DELETE ? VARVE_SLICE(NULL, 0) : own->value;
        VB_TRY(vtx_plus(txn, table->tree, key, base, delta, &cc->arena, &write.value));
        if (own->kind != VK_ADD && !(VB_PLANTED(102) && own->kind == VK_DELETE))
            return write_row(txn, table, key, write.value, VTX_PUT);
        if (VB_PLANTED(98)) {
            memcpy((void *)(uintptr_t)own->value.data, write.value.data, VTX_NUMBER_BYTES);
            return VARVE_OK;
        }
        return stage(txn, &write);
    }
    if (cc->stale)
        return vcc_refuse(cc, VARVE_CONFLICT, VARVE_REASON_STALE, table->tree, key,
                          "rows read before have changed, so this transaction can only finish without writes");
    VB_TRY(look_at_number(txn, table, key, delta, &write.record));
    write.looked = perhaps_read(txn, table->tree, key);
    return stage(txn, &write);
}

int vtx_add(struct varve_txn *txn, struct varve_table *table, varve_slice key, int64_t delta) {
    VB_TRY(vtx_enter(txn));
    uint8_t bytes[VTX_NUMBER_BYTES];
    vb_put_u64(bytes, (uint64_t)delta);
    vtx_statement_begin(txn);
    int status = add_row(txn, table, key, VARVE_SLICE(bytes, sizeof bytes));
    vtx_statement_end(txn);
    return vtx_leave(txn, status);
}

int vtx_delete_range(struct varve_txn *txn, struct varve_table *table, const varve_range *range, uint64_t *count) {
    struct varve_cursor *cursor;
    uint64_t deleted = 0;
    VB_TRY(vtx_enter(txn));
    if (txn->cc.read_only)
        return vtx_refuse(txn, VARVE_READONLY, VARVE_REASON_CALLER, "a write in a read-only transaction");
    VB_TRY(vtx_cursor_open(txn, table, range, &cursor));
    int status;
    for (;;) {
        varve_slice key, value;
        status = vtx_cursor_move(cursor, VTX_NEXT, VARVE_SLICE(NULL, 0), &key, &value);
        if (status != VARVE_OK) break;
        status = vtx_write(txn, table, key, VARVE_SLICE(NULL, 0), VTX_DELETE);
        if (status != VARVE_OK && status != VARVE_NOTFOUND) break;
        deleted += status == VARVE_OK;
    }
    vtx_cursor_close(cursor);
    if (status != VARVE_END) return status;
    if (count != NULL) *count = deleted;
    return VARVE_OK;
}
