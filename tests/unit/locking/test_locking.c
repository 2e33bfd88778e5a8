/* test_locking.c - the 2pl table over a real index: what each level locks, and no phantoms under many threads.
 *
 * SPDX-License-Identifier: MIT
 */
#include "unit/lockmgr/table_fixture.h"

#include "base/bytes.h"
#include "locking/locking.h"

struct script {
    struct lx lx;
    void (*act)(struct script *s, const struct vk_wait_info *info);
    unsigned sleeps;
    uint64_t now;
    struct vk_wait_info last;
};

static bool on_wait(void *arg, const struct vk_wait_info *info) {
    struct script *s = arg;
    s->last = *info;
    s->sleeps++;
    s->now += 1000000000;
    if (s->act != NULL) s->act(s, info);
    return true;
}
static uint64_t now_ns(void *arg) { return ((struct script *)arg)->now; }

static void open_script(struct script *s) {
    memset(s, 0, sizeof(*s));
    lx_open(&s->lx, VCC_WOUND_WAIT, 44);
    s->lx.domain.hooks = (struct vk_hooks){.arg = s, .on_wait = on_wait, .now_ns = now_ns};
    lx_open_table(&s->lx);
}

static struct vcc_txn *begin_at(struct lx *lx, unsigned id, uint64_t age, enum varve_isolation level, bool read_only) {
    struct vcc_txn *t = lx_begin(lx, id, age);
    t->ops = &vlk_ops;
    t->level = level;
    t->read_only = read_only;
    t->observed = 0;
    lx_check(vcc_begin(t) == VARVE_OK);
    return t;
}
static struct vcc_txn *begin(struct script *s, unsigned id, enum varve_isolation level) {
    return begin_at(&s->lx, id, 0, level, false);
}
static void end(struct vcc_txn *t) {
    vcc_end(t, false);
    lx_end(t, false);
}

/* --- what a caller does with the calls of a scheme ---------------------------------------------------------------- */

static int absence(struct vcc_txn *t, struct vst_table *table, varve_slice key) {
    struct vcc_scan scan = {.table = table, .direction = VST_FORWARD, .from = key, .point = true};
    struct vcc_step step = {.to = key, .to_inclusive = true, .guard = vst_successor(table, key, false)};
    return vcc_range(t, &scan, &step);
}

static int get(struct vcc_txn *t, struct lx *lx, const char *key, enum vcc_hint hint, bool *present) {
    for (;;) {
        struct vcc_access access = {.table = lx->table, .key = lx_text(key), .hint = hint, .arena = &t->arena};
        struct vcc_result result = {{NULL, 0}, 0, false};
        vos_rcu_enter();
        vst_lookup(lx->table, access.key, &access.found);
        int status = VARVE_OK;
        if (access.found.record != NULL)
            status = vcc_read(t, &access, &result);
        else if (hint != VCC_UNTRACKED)
            status = absence(t, lx->table, access.key);
        vos_rcu_exit();
        *present = result.present;
        if (status <= VARVE_OK) return status;
        if (status == VCC_WAIT && (status = vlm_wait(t)) != VARVE_OK) return status;
    }
}

static int write_row(struct vcc_txn *t, struct lx *lx, const char *key, enum vk_write_kind kind,
                     enum vk_precondition precondition) {
    for (;;) {
        struct vst_found found;
        vos_rcu_enter();
        vst_lookup(lx->table, lx_text(key), &found);
        int status = vcc_write(t, lx->table, lx_text(key), found.record);
        vos_rcu_exit();
        if (status == VARVE_OK) {
            lx_stage(t, lx, key, kind, precondition)->record = found.record;
            return VARVE_OK;
        }
        if (status < VARVE_OK) return status;
        if (status == VCC_WAIT && (status = vlm_wait(t)) != VARVE_OK) return status;
    }
}

static void commit(struct vcc_txn *t) {
    lx_commit(t); /* ends with vlm_release_all, which is all that the scheme's end does for a writer */
}

static void put_committed(struct lx *lx, const char *key, enum vk_write_kind kind) {
    struct vcc_txn *t = begin_at(lx, LX_SLOTS, 0, VARVE_READ_COMMITTED, false);
    assert_int_equal(write_row(t, lx, key, kind, VK_ANY), VARVE_OK);
    assert_int_equal(vcc_precommit(t), VARVE_OK);
    commit(t);
}

/* A cursor without own writes. Rows as one hash of their keys. */
struct rows {
    uint64_t count, hash;
};

/* In the storm: gives the others a chance between a look at the index and the lock that it is for. */
static _Thread_local struct vb_random *dawdler;
static void dawdle(void) {
    if (dawdler != NULL && vb_random_below(dawdler, 8) == 0) vos_thread_yield();
}

static int cross(struct vcc_txn *t, struct vcc_scan *scan, const struct vst_portion *portion, varve_slice to,
                 bool inclusive) {
    struct vcc_step step = {.portion = portion, .to = to, .to_inclusive = inclusive};
    bool reverse = scan->direction == VST_REVERSE;
    if (to.data != NULL)
        step.guard = vst_successor(scan->table, to, reverse && inclusive);
    else
        step.guard = reverse ? vst_successor(scan->table, VARVE_SLICE("", 0), false) : vst_sentinel(scan->table);
    dawdle();
    return vcc_range(t, scan, &step);
}

struct walk {
    struct vcc_scan scan;
    varve_slice at;
    bool strict, over;
    struct rows rows;
};

static int walk_portion(struct vcc_txn *t, struct walk *w) {
    struct vst_portion portion;
    vst_portion_read(w->scan.table, w->at, w->strict, w->scan.direction, &portion);
    dawdle();
    for (unsigned i = 0; i < portion.count; i++) {
        varve_slice key = vst_record_key(portion.records[i]);
        struct vcc_access access = {.table = w->scan.table, .key = key, .hint = VCC_SCAN};
        access.found = (struct vst_found){portion.records[i], portion.leaf, portion.phantom};
        struct vcc_result result;
        int status = vcc_read(t, &access, &result);
        if (status == VARVE_OK) status = cross(t, &w->scan, &portion, key, true);
        if (status != VARVE_OK) return status;
        w->at = key;
        w->strict = true;
        if (!result.present) continue;
        w->rows.count++;
        w->rows.hash += vb_hash64(key.data, key.size, 0);
    }
    int status = cross(t, &w->scan, &portion, vst_portion_fence(&portion), false);
    if (status != VARVE_OK) return status;
    w->at = vst_portion_fence(&portion);
    w->strict = w->scan.direction == VST_REVERSE;
    w->over = vst_portion_fence(&portion).data == NULL;
    return VARVE_OK;
}

static int scan_all(struct vcc_txn *t, struct lx *lx, enum vst_direction direction, struct rows *rows) {
    struct walk w = {.scan = {.table = lx->table, .direction = direction}};
    while (!w.over) {
        vos_rcu_enter();
        int status = walk_portion(t, &w);
        vos_rcu_exit();
        if (status < VARVE_OK) return status;
        if (status == VCC_WAIT && (status = vlm_wait(t)) != VARVE_OK) return status;
    }
    *rows = w.rows;
    return VARVE_OK;
}

/* --- levels ------------------------------------------------------------------------------------------------------- */

static void levels__served(void **state) {
    (void)state;
    assert_true(vcc_ops_complete(&vlk_ops));
    assert_string_equal(vlk_ops.name, "2pl");
    assert_int_equal(vlk_ops.effective_level(VARVE_READ_UNCOMMITTED, false), VARVE_READ_COMMITTED);
    assert_int_equal(vlk_ops.effective_level(VARVE_READ_COMMITTED, false), VARVE_READ_COMMITTED);
    assert_int_equal(vlk_ops.effective_level(VARVE_REPEATABLE_READ, false), VARVE_REPEATABLE_READ);
    assert_int_equal(vlk_ops.effective_level(VARVE_SNAPSHOT, false), VARVE_SERIALIZABLE);
    assert_int_equal(vlk_ops.effective_level(VARVE_SNAPSHOT, true), VARVE_SNAPSHOT);
    assert_int_equal(vlk_ops.effective_level(VARVE_SERIALIZABLE, false), VARVE_SERIALIZABLE);
}

/* L1 to L3: what is held after a read of a present row, a ghost's key and a key without record. */
static void levels__what_reads_leave_locked(void **state) {
    (void)state;
    static const struct {
        enum varve_isolation level;
        bool row, ghost, gap;
    } rows[] = {{VARVE_READ_COMMITTED, false, false, false},
                {VARVE_REPEATABLE_READ, true, true, true},
                {VARVE_SERIALIZABLE, true, true, true}};
    for (unsigned i = 0; i < 3; i++) {
        struct script s;
        bool present;
        open_script(&s);
        put_committed(&s.lx, "b", VK_PUT);
        put_committed(&s.lx, "d", VK_PUT);
        put_committed(&s.lx, "d", VK_DELETE);
        struct vcc_txn *t = begin(&s, 1, rows[i].level);
        assert_int_equal(get(t, &s.lx, "b", VCC_PLAIN, &present), VARVE_OK);
        assert_true(present && t->observed != 0);
        assert_int_equal(get(t, &s.lx, "d", VCC_PLAIN, &present), VARVE_OK);
        assert_false(present);
        assert_int_equal(get(t, &s.lx, "c", VCC_PLAIN, &present), VARVE_OK);
        assert_int_equal(get(t, &s.lx, "z", VCC_EXISTENCE, &present), VARVE_OK);
        assert_false(present);
        assert_int_equal(vlm_holds(t, lx_find(&s.lx, "b"), VLM_S), rows[i].row);
        assert_int_equal(vlm_holds(t, lx_find(&s.lx, "d"), VLM_S), rows[i].ghost);
        assert_int_equal(vlm_holds(t, lx_find(&s.lx, "d"), VLM_GS), rows[i].gap);
        assert_int_equal(vlm_holds(t, vst_sentinel(s.lx.table), VLM_GS), rows[i].gap);
        assert_false(vlm_holds(t, lx_find(&s.lx, "b"), VLM_GS));
        end(t);
        assert_int_equal(vst_sentinel(s.lx.table)->gap, 0);
        lx_close_table(&s.lx);
    }
}

static void levels__what_scans_leave_locked(void **state) {
    (void)state;
    static const struct {
        enum varve_isolation level;
        bool row, ghost, gap;
    } rows[] = {{VARVE_READ_COMMITTED, false, false, false},
                {VARVE_REPEATABLE_READ, true, false, false},
                {VARVE_SERIALIZABLE, true, true, true}};
    for (unsigned i = 0; i < 6; i++) {
        struct script s;
        struct rows seen;
        open_script(&s);
        put_committed(&s.lx, "b", VK_PUT);
        put_committed(&s.lx, "d", VK_PUT);
        put_committed(&s.lx, "d", VK_DELETE);
        struct vcc_txn *t = begin(&s, 1, rows[i / 2].level);
        assert_int_equal(scan_all(t, &s.lx, i % 2 == 0 ? VST_FORWARD : VST_REVERSE, &seen), VARVE_OK);
        assert_int_equal(seen.count, 1);
        assert_int_equal(vlm_holds(t, lx_find(&s.lx, "b"), VLM_S), rows[i / 2].row);
        assert_int_equal(vlm_holds(t, lx_find(&s.lx, "d"), VLM_S), rows[i / 2].ghost);
        assert_int_equal(vlm_holds(t, lx_find(&s.lx, "b"), VLM_GS), rows[i / 2].gap);
        assert_int_equal(vlm_holds(t, lx_find(&s.lx, "d"), VLM_GS), rows[i / 2].gap);
        assert_int_equal(vlm_holds(t, vst_sentinel(s.lx.table), VLM_GS), rows[i / 2].gap);
        end(t);
        lx_close_table(&s.lx);
    }
}

/* L4. */
static void levels__what_writes_lock(void **state) {
    (void)state;
    static const enum varve_isolation each[] = {VARVE_READ_COMMITTED, VARVE_REPEATABLE_READ, VARVE_SERIALIZABLE};
    for (unsigned i = 0; i < 3; i++) {
        struct script s;
        bool present;
        open_script(&s);
        put_committed(&s.lx, "b", VK_PUT);
        struct vcc_txn *t = begin(&s, 1, each[i]);
        assert_int_equal(get(t, &s.lx, "b", VCC_PLAIN, &present), VARVE_OK);
        assert_int_equal(write_row(t, &s.lx, "b", VK_PUT, VK_ANY), VARVE_OK);
        assert_true(lx_find(&s.lx, "b")->lk == vst_lk_of(1)); /* S became X */
        assert_int_equal(write_row(t, &s.lx, "c", VK_PUT, VK_MUST_BE_ABSENT), VARVE_OK);
        assert_null(lx_find(&s.lx, "c"));
        assert_int_equal(vlm_holds(t, vst_sentinel(s.lx.table), VLM_GS), each[i] == VARVE_SERIALIZABLE);
        assert_int_equal(vcc_precommit(t), VARVE_OK);
        assert_true(lx_find(&s.lx, "c")->lk == vst_lk_of(1));
        commit(t);
        assert_true(lx_free(lx_find(&s.lx, "b")) && lx_free(lx_find(&s.lx, "c")));
        assert_int_equal(vst_sentinel(s.lx.table)->gap, 0);
        lx_close_table(&s.lx);
    }
}

static void levels__for_update(void **state) {
    (void)state;
    struct script s;
    bool present;
    open_script(&s);
    put_committed(&s.lx, "b", VK_PUT);
    struct vcc_txn *t = begin(&s, 1, VARVE_SERIALIZABLE);
    assert_int_equal(get(t, &s.lx, "b", VCC_FOR_UPDATE, &present), VARVE_OK);
    assert_true(lx_find(&s.lx, "b")->lk == (vst_lk_of(1) | VST_LK_UPGRADE));
    assert_int_equal(write_row(t, &s.lx, "b", VK_PUT, VK_ANY), VARVE_OK);
    assert_int_equal(vcc_precommit(t), VARVE_OK);
    assert_true(t->sorted[0]->held);
    commit(t);
    assert_true(lx_free(lx_find(&s.lx, "b")));
    lx_close_table(&s.lx);
}

/* L6. */
static void read_only__meets_no_lock(void **state) {
    (void)state;
    struct script s;
    struct rows seen;
    bool present;
    open_script(&s);
    put_committed(&s.lx, "b", VK_PUT);
    struct vcc_txn *reader = begin_at(&s.lx, 1, 0, VARVE_SERIALIZABLE, true),
                   *writer = begin(&s, 2, VARVE_SERIALIZABLE);
    assert_int_equal(write_row(writer, &s.lx, "b", VK_DELETE, VK_ANY), VARVE_OK);
    assert_int_equal(write_row(writer, &s.lx, "c", VK_PUT, VK_ANY), VARVE_OK);
    assert_int_equal(get(reader, &s.lx, "b", VCC_PLAIN, &present), VARVE_OK);
    assert_true(present);
    assert_int_equal(vcc_precommit(writer), VARVE_OK);
    commit(writer);
    assert_int_equal(get(reader, &s.lx, "c", VCC_PLAIN, &present), VARVE_OK);
    assert_false(present);
    assert_int_equal(scan_all(reader, &s.lx, VST_FORWARD, &seen), VARVE_OK);
    assert_int_equal(seen.count, 1);
    assert_int_equal(s.sleeps, 0);
    assert_int_equal(reader->slot->lock_holder, 0);
    assert_true(lx_free(lx_find(&s.lx, "b")));
    end(reader);
    lx_close_table(&s.lx);
}

static void end_writer(struct script *s, const struct vk_wait_info *info) {
    if (info->slot != 2 || s->sleeps != 2) return;
    lx_check(vcc_precommit(&s->lx.txns[1]) == VARVE_OK);
    commit(&s->lx.txns[1]);
}

/* A reader waits for a writer's X, at read committed as well, and sees what it committed. */
static void reads__wait_for_the_writer(void **state) {
    (void)state;
    static const enum varve_isolation each[] = {VARVE_READ_COMMITTED, VARVE_REPEATABLE_READ, VARVE_SERIALIZABLE};
    for (unsigned i = 0; i < 6; i++) {
        struct script s;
        struct rows seen = {0, 0};
        bool present = false;
        open_script(&s);
        s.act = end_writer;
        put_committed(&s.lx, "b", VK_PUT);
        struct vcc_txn *writer = begin(&s, 1, VARVE_SERIALIZABLE), *reader = begin(&s, 2, each[i / 2]);
        assert_int_equal(write_row(writer, &s.lx, "b", VK_DELETE, VK_ANY), VARVE_OK);
        if (i % 2 == 0)
            assert_int_equal(get(reader, &s.lx, "b", VCC_PLAIN, &present), VARVE_OK);
        else
            assert_int_equal(scan_all(reader, &s.lx, VST_FORWARD, &seen), VARVE_OK);
        assert_true(!present && seen.count == 0);
        assert_int_equal(s.sleeps, 2);
        assert_true(reader->observed == s.lx.domain.clock);
        end(reader);
        lx_close_table(&s.lx);
    }
}

/* An insert into a gap that a serializable transaction has read waits for it; at repeatable read only where a point was
 * read. */
static void gaps__inserts_wait(void **state) {
    (void)state;
    static const struct {
        enum varve_isolation level;
        bool scan, waits;
    } rows[] = {{VARVE_SERIALIZABLE, true, true},     {VARVE_SERIALIZABLE, false, true},
                {VARVE_REPEATABLE_READ, true, false}, {VARVE_REPEATABLE_READ, false, true},
                {VARVE_READ_COMMITTED, true, false},  {VARVE_READ_COMMITTED, false, false}};
    for (unsigned i = 0; i < 6; i++) {
        struct script s;
        struct rows seen;
        bool present;
        open_script(&s);
        put_committed(&s.lx, "b", VK_PUT);
        struct vcc_txn *reader = begin(&s, 1, rows[i].level), *writer = begin(&s, 2, VARVE_READ_COMMITTED);
        if (rows[i].scan)
            assert_int_equal(scan_all(reader, &s.lx, VST_FORWARD, &seen), VARVE_OK);
        else
            assert_int_equal(get(reader, &s.lx, "c", VCC_PLAIN, &present), VARVE_OK);
        writer->deadline_ms = 2000;
        assert_int_equal(write_row(writer, &s.lx, "c", VK_PUT, VK_ANY), VARVE_OK);
        int expected = rows[i].waits ? VARVE_TIMEOUT : VARVE_OK;
        assert_int_equal(vcc_precommit(writer), expected);
        if (expected == VARVE_TIMEOUT) assert_int_equal(s.last.kind, VK_WAIT_GAP);
        end(writer);
        end(reader);
        lx_close_table(&s.lx);
    }
}

/* A new record splits the gap: the inserter's own protection of both parts stays (K8). */
static void gaps__own_insert_keeps_the_range(void **state) {
    (void)state;
    struct script s;
    struct rows seen;
    open_script(&s);
    put_committed(&s.lx, "f", VK_PUT);
    struct vcc_txn *t = begin(&s, 1, VARVE_SERIALIZABLE), *rival = begin(&s, 2, VARVE_READ_COMMITTED);
    assert_int_equal(scan_all(t, &s.lx, VST_FORWARD, &seen), VARVE_OK);
    assert_int_equal(write_row(t, &s.lx, "d", VK_PUT, VK_ANY), VARVE_OK);
    assert_int_equal(vcc_precommit(t), VARVE_OK);
    rival->deadline_ms = 1000;
    assert_int_equal(write_row(rival, &s.lx, "b", VK_PUT, VK_ANY), VARVE_OK);
    assert_int_equal(vcc_precommit(rival), VARVE_TIMEOUT);
    end(rival);
    commit(t);
    lx_close_table(&s.lx);
}

static void purge(struct lx *lx, const char *key) {
    for (unsigned round = 0; lx_find(lx, key) != NULL; round++) {
        assert_true(round < 10);
        assert_int_equal(vk_janitor_round(&lx->domain), VARVE_OK);
        vst_collect(lx->store);
    }
}

/* L5: between the look for the guard, in the next leaf, and the GS on it a rival links a key in front of it. */
static void gaps__a_guard_that_is_none_any_more(void **state) {
    (void)state;
    static const char *const keys[] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"};
    for (unsigned late = 0; late < 2; late++) {
        struct script s;
        struct vst_portion portion;
        open_script(&s);
        for (unsigned i = 0; i < 10; i++) put_committed(&s.lx, keys[i], VK_PUT);
        struct vcc_txn *t = begin(&s, 1, VARVE_SERIALIZABLE);
        vst_portion_read(s.lx.table, VARVE_SLICE(NULL, 0), false, VST_FORWARD, &portion);
        assert_non_null(vst_portion_fence(&portion).data);
        char first[8] = {0};
        memcpy(first, vst_portion_fence(&portion).data, vst_portion_fence(&portion).size);
        put_committed(&s.lx, first, VK_DELETE);
        put_committed(&s.lx, "k0", VK_PUT); /* a snapshot above the delete */
        end(t);
        purge(&s.lx, first);
        t = begin(&s, 1, VARVE_SERIALIZABLE);
        vos_rcu_enter();
        vst_portion_read(s.lx.table, VARVE_SLICE(NULL, 0), false, VST_FORWARD, &portion);
        assert_memory_equal(vst_portion_fence(&portion).data, first, vst_portion_fence(&portion).size);
        struct vcc_scan scan = {.table = s.lx.table, .direction = VST_FORWARD};
        struct vcc_step step = {.portion = &portion, .to = vst_portion_fence(&portion)};
        step.guard = vst_successor(s.lx.table, vst_portion_fence(&portion), false);
        vos_rcu_exit();
        if (late == 0) put_committed(&s.lx, first, VK_PUT);
        vos_rcu_enter();
        assert_int_equal(vcc_range(t, &scan, &step), late == 0 ? VCC_RETRY : VARVE_OK);
        vos_rcu_exit();
        end(t);
        lx_close_table(&s.lx);
    }
}

/* --- phantoms ----------------------------------------------------------------------------------------------------- */

enum { KEYS = 24, THREADS = 4 };
static char names[KEYS][4];

struct storm {
    struct lx lx;
    uint64_t rounds;
    pthread_barrier_t start;
    uint64_t scans, points, inserts, conflicts; /* atomic */
    bool over;
};
struct actor {
    struct storm *storm;
    unsigned id;
    struct vb_random random;
};

static const char *any_key(struct actor *a) { return names[vb_random_below(&a->random, KEYS)]; }

/* Everything read twice must be the same, whatever the others do meanwhile. */
static int read_twice(struct actor *a, struct vcc_txn *t) {
    struct lx *lx = &a->storm->lx;
    if (vb_random_below(&a->random, 2) == 0) {
        bool before, after;
        const char *key = any_key(a);
        VB_TRY(get(t, lx, key, VCC_PLAIN, &before));
        vos_thread_yield();
        VB_TRY(get(t, lx, key, VCC_PLAIN, &after));
        lx_check(before == after);
        vb_add_relaxed(&a->storm->points, 1);
        return VARVE_OK;
    }
    struct rows before, after;
    enum vst_direction first = vb_random_below(&a->random, 2) == 0 ? VST_FORWARD : VST_REVERSE;
    VB_TRY(scan_all(t, lx, first, &before));
    vos_thread_yield();
    VB_TRY(scan_all(t, lx, first == VST_FORWARD ? VST_REVERSE : VST_FORWARD, &after));
    lx_check(before.count == after.count && before.hash == after.hash);
    vb_add_relaxed(&a->storm->scans, 1);
    return VARVE_OK;
}

static int write_some(struct actor *a, struct vcc_txn *t, bool by_scheme) {
    struct lx *lx = &a->storm->lx;
    for (unsigned i = 0; i < 2; i++) {
        enum vk_write_kind kind = vb_random_below(&a->random, 2) == 0 ? VK_PUT : VK_DELETE;
        const char *key = any_key(a);
        if (by_scheme)
            VB_TRY(write_row(t, lx, key, kind, VK_ANY));
        else
            lx_stage(t, lx, key, kind, VK_ANY);
    }
    VB_TRY(by_scheme ? vcc_precommit(t) : vlm_lock_writes(t, NULL, NULL));
    if (vb_random_below(&a->random, 3) == 0) return VARVE_CONFLICT; /* changes its mind: ghosts come and go */
    return vlm_check_wound(t);
}

/* Thread 1 reads, thread 2 reads and writes, thread 3 writes by 2pl, thread 4 commits as an ordinary one does. */
static int body(struct actor *a, struct vcc_txn *t) {
    if (a->id <= 2) VB_TRY(read_twice(a, t));
    if (a->id == 1) return VARVE_OK;
    return write_some(a, t, a->id != 4);
}

static void *storm_thread(void *arg) {
    struct actor *a = arg;
    struct storm *s = a->storm;
    dawdler = &a->random;
    pthread_barrier_wait(&s->start);
    for (uint64_t round = 0; round < s->rounds; round++) {
        uint64_t age = 0;
        for (;;) {
            struct vcc_txn *t;
            if (a->id == 4) {
                t = lx_begin(&s->lx, a->id, age);
                t->snap = 0; /* not 2pl */
            } else {
                t = begin_at(&s->lx, a->id, age, VARVE_SERIALIZABLE, false);
            }
            age = t->slot->age;
            int status = body(a, t);
            lx_check(status == VARVE_OK || status == VARVE_DEADLOCK || status == VARVE_CONFLICT);
            if (status == VARVE_OK && t->sorted_count != 0) {
                vb_add_relaxed(&s->inserts, 1);
                commit(t);
            } else {
                lx_end(t, false);
            }
            if (status != VARVE_DEADLOCK) break;
            vb_add_relaxed(&s->conflicts, 1);
        }
    }
    return NULL;
}

static void *janitor_thread(void *arg) {
    struct storm *s = arg;
    while (!vb_load_acquire(&s->over)) {
        lx_check(vk_janitor_round(&s->lx.domain) == VARVE_OK);
        vst_collect(s->lx.store);
    }
    return NULL;
}

static void phantoms__none(void **state) {
    (void)state;
    static struct storm s;
    struct actor actors[THREADS];
    pthread_t threads[THREADS], janitor;
    uint64_t seed = lx_seed();
    memset(&s, 0, sizeof(s));
    for (unsigned k = 0; k < KEYS; k++) snprintf(names[k], sizeof(names[k]), "k%02u", k);
    lx_open(&s.lx, VCC_WOUND_WAIT, 44);
    lx_open_table(&s.lx);
    s.rounds = lx_rounds(40000);
    pthread_barrier_init(&s.start, NULL, THREADS);
    assert_int_equal(pthread_create(&janitor, NULL, janitor_thread, &s), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        actors[i] = (struct actor){.storm = &s, .id = i + 1};
        vb_random_init(&actors[i].random, seed + i);
        assert_int_equal(pthread_create(&threads[i], NULL, storm_thread, &actors[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    vb_store_release(&s.over, true);
    pthread_join(janitor, NULL);
    pthread_barrier_destroy(&s.start);
    printf("%llu scans and %llu points read twice, %llu commits, %llu wounded, %llu sleeps\n",
           (unsigned long long)s.scans, (unsigned long long)s.points, (unsigned long long)s.inserts,
           (unsigned long long)s.conflicts, (unsigned long long)s.lx.lock_waits);
    for (unsigned k = 0; k < KEYS; k++) {
        struct vst_record *record = lx_find(&s.lx, names[k]);
        if (record != NULL) assert_true(lx_free(record));
    }
    assert_int_equal(vst_sentinel(s.lx.table)->gap, 0);
    lx_close_table(&s.lx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels__served),
        cmocka_unit_test(levels__what_reads_leave_locked),
        cmocka_unit_test(levels__what_scans_leave_locked),
        cmocka_unit_test(levels__what_writes_lock),
        cmocka_unit_test(levels__for_update),
        cmocka_unit_test(read_only__meets_no_lock),
        cmocka_unit_test(reads__wait_for_the_writer),
        cmocka_unit_test(gaps__inserts_wait),
        cmocka_unit_test(gaps__own_insert_keeps_the_range),
        cmocka_unit_test(gaps__a_guard_that_is_none_any_more),
        cmocka_unit_test(phantoms__none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
