/* test_writes.c - locking a write set over a real index: records found or linked, conditions, barriers, everything
 * taken back.
 *
 * SPDX-License-Identifier: MIT
 */
#include "table_fixture.h"

struct script {
    struct lx lx;
    void (*act)(struct script *s, const struct vk_wait_info *info);
    unsigned sleeps;
    uint64_t now;
    struct vk_wait_info last;
    unsigned inserted;
    int check_status;
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

static struct script *current;

static void open_script(struct script *s) {
    memset(s, 0, sizeof(*s));
    lx_open(&s->lx, VCC_WOUND_WAIT, 44);
    s->lx.domain.hooks = (struct vk_hooks){.arg = s, .on_wait = on_wait, .now_ns = now_ns};
    lx_open_table(&s->lx);
    current = s;
}
static void close_script(struct script *s) { lx_close_table(&s->lx); }

static void put(struct lx *lx, const char *key) {
    struct vcc_txn *t = lx_begin(lx, LX_SLOTS, 0);
    lx_stage(t, lx, key, VK_PUT, VK_ANY);
    assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_OK);
    lx_commit(t);
}

static void count_insert(struct vcc_txn *t, const struct vst_inserted *inserted) {
    (void)t;
    assert_int_equal(inserted->phantom_after, inserted->phantom_before + 1);
    current->inserted++;
}
static int check(struct vcc_txn *t, const struct vk_write *write) {
    assert_int_equal(vst_lk_writer(write->record->lk), t->self);
    return current->check_status;
}

/* --- one transaction ---------------------------------------------------------------------------------------------- */

static void writes__in_order_with_records(void **state) {
    (void)state;
    struct script s;
    open_script(&s);
    put(&s.lx, "b");
    struct vcc_txn *t = lx_begin(&s.lx, 1, 0);
    lx_stage(t, &s.lx, "c", VK_PUT, VK_MUST_BE_ABSENT);
    lx_stage(t, &s.lx, "a", VK_PUT, VK_ANY);
    lx_stage(t, &s.lx, "b", VK_DELETE, VK_MUST_BE_PRESENT);
    assert_int_equal(vlm_lock_writes(t, check, count_insert), VARVE_OK);
    assert_int_equal(t->sorted_count, 3);
    assert_int_equal(s.inserted, 2);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(((const char *)t->sorted[i]->key.data)[0], 'a' + (int)i);
        assert_true(t->sorted[i]->locked && !t->sorted[i]->held);
        assert_int_equal(t->sorted[i]->new_ghost, i != 1);
        assert_true(t->sorted[i]->record->lk == vst_lk_of(1));
    }
    lx_commit(t);
    assert_true(lx_free(lx_find(&s.lx, "a")) && lx_free(lx_find(&s.lx, "b")) && lx_free(lx_find(&s.lx, "c")));
    assert_int_equal(lx_find(&s.lx, "a")->tid & VST_GHOST, 0);
    assert_int_not_equal(lx_find(&s.lx, "b")->tid & VST_GHOST, 0);
    close_script(&s);
}

/* A failure leaves no lock and no ghost of this precommit. */
static void writes__failure_takes_everything_back(void **state) {
    (void)state;
    static const struct {
        const char *key;
        enum vk_write_kind kind;
        enum vk_precondition precondition;
        int check_status, expected;
    } rows[] = {
        {"b", VK_PUT, VK_MUST_BE_ABSENT, VARVE_OK, VARVE_CONFLICT},
        {"z", VK_DELETE, VK_MUST_BE_PRESENT, VARVE_OK, VARVE_CONFLICT},
        {"d", VK_PUT, VK_MUST_BE_PRESENT, VARVE_OK, VARVE_CONFLICT}, /* a ghost is absent */
        {"b", VK_PUT, VK_ANY, VARVE_CONFLICT, VARVE_CONFLICT},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct script s;
        open_script(&s);
        put(&s.lx, "b");
        put(&s.lx, "d");
        struct vcc_txn *t = lx_begin(&s.lx, 1, 0);
        lx_stage(t, &s.lx, "d", VK_DELETE, VK_MUST_BE_PRESENT);
        assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_OK);
        lx_commit(t);
        t = lx_begin(&s.lx, 1, 0);
        lx_stage(t, &s.lx, "a", VK_PUT, VK_ANY);
        lx_stage(t, &s.lx, rows[i].key, rows[i].kind, rows[i].precondition);
        s.check_status = VARVE_OK;
        if (rows[i].check_status != VARVE_OK) s.check_status = rows[i].check_status;
        assert_int_equal(vlm_lock_writes(t, check, NULL), rows[i].expected);
        if (rows[i].check_status == VARVE_OK) {
            assert_int_equal(t->detail.reason, VARVE_REASON_PRECONDITION);
            assert_non_null(strstr(t->detail.text, rows[i].key));
        }
        assert_int_equal(t->sorted_count, 0);
        assert_null(lx_find(&s.lx, "a"));
        assert_null(lx_find(&s.lx, "z"));
        assert_true(lx_free(lx_find(&s.lx, "b")) && lx_free(lx_find(&s.lx, "d")));
        lx_end(t, false);
        close_script(&s);
    }
}

static void writes__an_abort_after_precommit(void **state) {
    (void)state;
    struct script s;
    open_script(&s);
    put(&s.lx, "b");
    struct vcc_txn *t = lx_begin(&s.lx, 1, 0);
    lx_stage(t, &s.lx, "a", VK_PUT, VK_ANY);
    lx_stage(t, &s.lx, "b", VK_PUT, VK_ANY);
    assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_OK);
    lx_end(t, false);
    assert_null(lx_find(&s.lx, "a"));
    assert_true(lx_free(lx_find(&s.lx, "b")));
    close_script(&s);
}

static void writes__out_of_memory(void **state) {
    (void)state;
#ifdef VARVE_ASSERTS
    for (unsigned n = 1; n <= 3; n++) {
        struct script s;
        open_script(&s);
        put(&s.lx, "b");
        struct vcc_txn *t = lx_begin(&s.lx, 1, 0);
        lx_stage(t, &s.lx, "a", VK_PUT, VK_ANY);
        lx_stage(t, &s.lx, "b", VK_PUT, VK_ANY);
        lx_stage(t, &s.lx, "c", VK_PUT, VK_ANY);
        vb_alloc_fail_after(n);
        assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_NOMEM);
        vb_alloc_fail_after(0);
        assert_null(lx_find(&s.lx, "a"));
        assert_null(lx_find(&s.lx, "c"));
        assert_true(lx_free(lx_find(&s.lx, "b")));
        lx_end(t, false);
        close_script(&s);
    }
#else
    skip();
#endif
}

static void writes__locks_held_before_stay(void **state) {
    (void)state;
    struct script s;
    open_script(&s);
    put(&s.lx, "b");
    struct vst_record *b = lx_find(&s.lx, "b");
    struct vcc_txn *t = lx_begin(&s.lx, 1, 0);
    assert_int_equal(lx_lock(t, b, VLM_U), VARVE_OK);
    lx_stage(t, &s.lx, "b", VK_PUT, VK_ANY)->record = b;
    lx_stage(t, &s.lx, "c", VK_DELETE, VK_MUST_BE_PRESENT);
    assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_CONFLICT);
    assert_true(vlm_holds(t, b, VLM_X));
    lx_end(t, false);
    assert_true(lx_free(b));
    close_script(&s);
}

static void writes__a_frozen_record_is_looked_up_again(void **state) {
    (void)state;
    struct script s;
    open_script(&s);
    struct vcc_txn *t = lx_begin(&s.lx, 1, 0), *other = lx_begin(&s.lx, 2, 0);
    lx_stage(other, &s.lx, "b", VK_PUT, VK_ANY);
    assert_int_equal(vlm_lock_writes(other, NULL, NULL), VARVE_OK);
    struct vst_record *ghost = lx_find(&s.lx, "b");
    lx_end(other, false);
    assert_int_not_equal(ghost->tid & VST_FROZEN, 0);
    lx_stage(t, &s.lx, "b", VK_PUT, VK_ANY)->record = ghost;
    assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_OK);
    assert_ptr_not_equal(t->sorted[0]->record, ghost);
    lx_commit(t);
    close_script(&s);
}

/* --- against others ----------------------------------------------------------------------------------------------- */

/* K3: while it sleeps behind a lock holder it has neither locks nor ghosts. */
static void release_reader(struct script *s, const struct vk_wait_info *info) {
    assert_int_equal(info->slot, 2);
    assert_null(lx_find(&s->lx, "a"));
    assert_true(lx_free(lx_find(&s->lx, "b")));
    if (s->sleeps == 2) lx_end(&s->lx.txns[1], true);
}

static void ordinary__sleeps_with_empty_hands(void **state) {
    (void)state;
    static const enum vlm_mode each[] = {VLM_S, VLM_U, VLM_X};
    for (unsigned i = 0; i < 3; i++) {
        struct script s;
        open_script(&s);
        s.act = release_reader;
        put(&s.lx, "b");
        put(&s.lx, "c");
        struct vcc_txn *holder = lx_begin(&s.lx, 1, 0), *t = lx_begin(&s.lx, 2, 0);
        assert_int_equal(lx_lock(holder, lx_find(&s.lx, "c"), each[i]), VARVE_OK);
        lx_stage(t, &s.lx, "a", VK_PUT, VK_ANY);
        lx_stage(t, &s.lx, "b", VK_PUT, VK_ANY);
        lx_stage(t, &s.lx, "c", VK_PUT, VK_ANY);
        assert_int_equal(vlm_lock_writes(t, NULL, count_insert), VARVE_OK);
        assert_int_equal(s.sleeps, 2);
        assert_int_equal(s.inserted, 2);
        lx_commit(t);
        close_script(&s);
    }
}

static void ordinary__waits_for_a_gap(void **state) {
    (void)state;
    struct script s;
    open_script(&s);
    s.act = release_reader;
    put(&s.lx, "b");
    put(&s.lx, "d");
    struct vcc_txn *holder = lx_begin(&s.lx, 1, 0), *t = lx_begin(&s.lx, 2, 0);
    assert_int_equal(lx_lock(holder, lx_find(&s.lx, "d"), VLM_GS), VARVE_OK);
    lx_stage(t, &s.lx, "a", VK_PUT, VK_ANY);
    lx_stage(t, &s.lx, "c", VK_PUT, VK_ANY);
    assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_OK);
    assert_int_equal(s.last.kind, VK_WAIT_GAP);
    assert_int_equal(s.sleeps, 2);
    lx_commit(t);
    assert_int_equal(lx_find(&s.lx, "d")->gap, 0);
    close_script(&s);
}

static void see_locks(struct script *s, const struct vk_wait_info *info) {
    if (info->slot != 2) return;
    assert_true(lx_find(&s->lx, "b")->lk == vst_lk_of(2)); /* it keeps what it has */
    if (s->sleeps == 2) vlm_drop(&s->lx.domain, &lx_find(&s->lx, "c")->lk, vlm_me(&s->lx.txns[1]));
}

static void ordinary__waits_for_another_with_its_locks(void **state) {
    (void)state;
    struct script s;
    open_script(&s);
    s.act = see_locks;
    put(&s.lx, "b");
    put(&s.lx, "c");
    struct vcc_txn *other = lx_begin(&s.lx, 1, 0), *t = lx_begin(&s.lx, 2, 0);
    struct vlm_ask ask = {lx_find(&s.lx, "c"), VLM_X, VLM_ORDINARY | VLM_UNLISTED};
    assert_int_equal(vlm_take(other, &ask), VARVE_OK);
    lx_stage(t, &s.lx, "b", VK_PUT, VK_ANY);
    lx_stage(t, &s.lx, "c", VK_PUT, VK_ANY);
    assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_OK);
    assert_int_equal(s.sleeps, 2);
    lx_commit(t);
    lx_end(other, true);
    close_script(&s);
}

/* K2: a lock holder in precommit keeps its locks and wounds. */
static void holder_is_wounded(struct script *s, const struct vk_wait_info *info) {
    (void)info;
    assert_true(vk_wounded(s->lx.txns[1].slot));
    assert_true(lx_find(&s->lx, "b")->lk == vst_lk_of(2));
    lx_end(&s->lx.txns[1], false);
}

static void holder__wounds_in_precommit(void **state) {
    (void)state;
    static const enum vlm_mode each[] = {VLM_S, VLM_U, VLM_X, VLM_GS};
    for (unsigned i = 0; i < 4; i++) {
        struct script s;
        open_script(&s);
        s.act = holder_is_wounded;
        put(&s.lx, "b");
        put(&s.lx, "d");
        struct vcc_txn *t = lx_begin(&s.lx, 2, 10), *younger = lx_begin(&s.lx, 1, 20);
        vlm_become_holder(t);
        assert_int_equal(lx_lock(younger, lx_find(&s.lx, "d"), each[i]), VARVE_OK);
        lx_stage(t, &s.lx, "b", VK_PUT, VK_ANY);
        lx_stage(t, &s.lx, each[i] == VLM_GS ? "c" : "d", VK_PUT, VK_ANY);
        assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_OK);
        assert_int_equal(s.sleeps, 1);
        assert_int_equal(lx_find(&s.lx, "d")->lk & VST_LK_CLAIM, 0);
        lx_commit(t);
        close_script(&s);
    }
}

/* K8: own GS on the successor allows the insert, is inherited, and is gone in the end, committed or not. */
static void ghosts__inherit_own_gap_locks(void **state) {
    (void)state;
    for (unsigned committed = 0; committed < 2; committed++) {
        struct script s;
        open_script(&s);
        put(&s.lx, "d");
        struct vcc_txn *t = lx_begin(&s.lx, 1, 0);
        assert_int_equal(lx_lock(t, lx_find(&s.lx, "d"), VLM_GS), VARVE_OK);
        lx_stage(t, &s.lx, "b", VK_PUT, VK_ANY);
        assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_OK);
        assert_true(lx_find(&s.lx, "b")->gap == vlm_me(t).bit);
        struct vst_record *b = lx_find(&s.lx, "b");
        if (committed != 0)
            lx_commit(t);
        else
            lx_end(t, false);
        assert_true(lx_free(b));
        assert_true(lx_free(lx_find(&s.lx, "d")));
        assert_ptr_equal(lx_find(&s.lx, "b"), committed != 0 ? b : NULL);
        close_script(&s);
    }
}

/* K8: an aborter leaves its ghost where another's GS anchors. */
static void ghosts__stay_for_a_foreign_gap_lock(void **state) {
    (void)state;
    struct script s;
    open_script(&s);
    struct vcc_txn *t = lx_begin(&s.lx, 1, 0), *scanner = lx_begin(&s.lx, 2, 0);
    lx_stage(t, &s.lx, "b", VK_PUT, VK_ANY);
    assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_OK);
    struct vst_record *b = lx_find(&s.lx, "b");
    assert_int_equal(lx_lock(scanner, b, VLM_GS), VARVE_OK);
    lx_end(t, false);
    assert_ptr_equal(lx_find(&s.lx, "b"), b);
    assert_int_equal(b->lk, 0);
    assert_true(b->gap == vlm_me(scanner).bit);
    lx_end(scanner, true);
    close_script(&s);
}

static struct vst_record *taken_back;
static unsigned wakes;
static void see_frozen(void *arg, unsigned slot) {
    (void)arg;
    assert_int_equal(slot, 2);
    assert_int_not_equal(taken_back->tid & VST_FROZEN, 0);
    wakes++;
}

/* Whoever waits for a ghost that is taken back must not find it usable. */
static void ghosts__are_unlinked_before_they_are_unlocked(void **state) {
    (void)state;
    struct script s;
    open_script(&s);
    struct vcc_txn *t = lx_begin(&s.lx, 1, 0), *waiter = lx_begin(&s.lx, 2, 0);
    lx_stage(t, &s.lx, "b", VK_PUT, VK_ANY);
    assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_OK);
    taken_back = lx_find(&s.lx, "b");
    waiter->slot->waiting_on = (uint64_t)(uintptr_t)&taken_back->lk;
    vb_or_acq_rel(&taken_back->lk, VST_LK_WAITERS);
    wakes = 0;
    s.lx.domain.hooks.on_wake = see_frozen;
    lx_end(t, false);
    assert_int_equal(wakes, 1);
    waiter->slot->waiting_on = 0;
    lx_end(waiter, false);
    lx_close_table(&s.lx);
}

static void writes__timeout_takes_everything_back(void **state) {
    (void)state;
    struct script s;
    open_script(&s);
    put(&s.lx, "c");
    struct vcc_txn *holder = lx_begin(&s.lx, 1, 0), *t = lx_begin(&s.lx, 2, 0);
    t->deadline_ms = 3000;
    assert_int_equal(lx_lock(holder, lx_find(&s.lx, "c"), VLM_S), VARVE_OK);
    lx_stage(t, &s.lx, "a", VK_PUT, VK_ANY);
    lx_stage(t, &s.lx, "c", VK_PUT, VK_ANY);
    assert_int_equal(vlm_lock_writes(t, NULL, NULL), VARVE_TIMEOUT);
    assert_int_equal(t->detail.other_txn, 1001);
    assert_null(lx_find(&s.lx, "a"));
    assert_int_equal(lx_find(&s.lx, "c")->lk & (VST_LK_WAITERS | VST_LK_CLAIM), 0);
    lx_end(t, false);
    lx_end(holder, true);
    close_script(&s);
}

/* --- many threads ------------------------------------------------------------------------------------------------- */

enum { KEYS = 6, THREADS = 4 };

struct storm {
    struct lx lx;
    uint64_t rounds, seed;
    uint64_t owners[KEYS]; /* atomic: who has the key locked for writing */
    uint64_t commits;
    bool over;
    pthread_barrier_t start;
};
struct actor {
    struct storm *storm;
    unsigned id;
    struct vb_random random;
};
static const char *const names[KEYS] = {"a", "b", "c", "d", "e", "f"};

static void claim_keys(struct actor *a, const struct vcc_txn *t) {
    for (uint32_t i = 0; i < t->sorted_count; i++) {
        uint64_t *owner = &a->storm->owners[((const char *)t->sorted[i]->key.data)[0] - 'a'];
        lx_check(vb_exchange_acq_rel(owner, a->id) == 0);
    }
    if (vb_random_below(&a->random, 4) == 0) vos_thread_yield();
    for (uint32_t i = 0; i < t->sorted_count; i++) {
        uint64_t *owner = &a->storm->owners[((const char *)t->sorted[i]->key.data)[0] - 'a'];
        lx_check(vb_exchange_acq_rel(owner, 0) == a->id);
    }
}

/* Lock holders lock what is there, or the gap, before they write. */
static int lock_first(struct actor *a, struct vcc_txn *t) {
    static const enum vlm_mode modes[] = {VLM_S, VLM_U, VLM_X, VLM_GS};
    for (unsigned i = 0; i < 2; i++) {
        struct vst_record *record = lx_find(&a->storm->lx, names[vb_random_below(&a->random, KEYS)]);
        if (record == NULL) record = vst_sentinel(a->storm->lx.table);
        bool sentinel = record == vst_sentinel(a->storm->lx.table);
        int status = lx_lock(t, record, sentinel ? VLM_GS : modes[vb_random_below(&a->random, 4)]);
        if (status != VARVE_OK && status != VCC_RETRY) return status;
    }
    return VARVE_OK;
}

static void *storm_thread(void *arg) {
    struct actor *a = arg;
    struct storm *s = a->storm;
    pthread_barrier_wait(&s->start);
    bool holder = a->id % 2 == 0;
    for (uint64_t round = 0; round < s->rounds;) {
        uint64_t age = 0;
        for (;;) {
            struct vcc_txn *t = lx_begin(&s->lx, a->id, age);
            age = t->slot->age;
            int status = holder ? lock_first(a, t) : VARVE_OK;
            for (unsigned i = 0; status == VARVE_OK && i < 3; i++)
                lx_stage(t, &s->lx, names[vb_random_below(&a->random, KEYS)],
                         vb_random_below(&a->random, 2) == 0 ? VK_PUT : VK_DELETE, VK_ANY);
            if (status == VARVE_OK) status = vlm_lock_writes(t, NULL, NULL);
            lx_check(status == VARVE_OK || (holder && status == VARVE_DEADLOCK));
            if (status == VARVE_OK) claim_keys(a, t);
            bool commits = status == VARVE_OK && vb_random_below(&a->random, 3) != 0 && vlm_check_wound(t) == VARVE_OK;
            if (commits)
                lx_commit(t);
            else
                lx_end(t, false);
            if (status == VARVE_OK) break;
        }
        round++;
        vb_add_relaxed(&s->commits, 1);
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

static void storm__holders_and_ordinary_committers(void **state) {
    (void)state;
    static struct storm s;
    struct actor actors[THREADS];
    pthread_t threads[THREADS], janitor;
    memset(&s, 0, sizeof(s));
    lx_open(&s.lx, VCC_WOUND_WAIT, 44);
    lx_open_table(&s.lx);
    s.rounds = lx_rounds(20000);
    s.seed = lx_seed();
    pthread_barrier_init(&s.start, NULL, THREADS);
    assert_int_equal(pthread_create(&janitor, NULL, janitor_thread, &s), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        actors[i] = (struct actor){.storm = &s, .id = i + 1};
        vb_random_init(&actors[i].random, s.seed + i);
        assert_int_equal(pthread_create(&threads[i], NULL, storm_thread, &actors[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    vb_store_release(&s.over, true);
    pthread_join(janitor, NULL);
    pthread_barrier_destroy(&s.start);
    assert_int_equal(s.commits, s.rounds * THREADS);
    printf("%llu transactions, %llu sleeps\n", (unsigned long long)s.commits, (unsigned long long)s.lx.lock_waits);
    for (unsigned k = 0; k < KEYS; k++) {
        struct vst_record *record = lx_find(&s.lx, names[k]);
        if (record != NULL) assert_true(lx_free(record));
    }
    assert_int_equal(vst_sentinel(s.lx.table)->gap, 0);
    lx_close_table(&s.lx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes__in_order_with_records),
        cmocka_unit_test(writes__failure_takes_everything_back),
        cmocka_unit_test(writes__an_abort_after_precommit),
        cmocka_unit_test(writes__out_of_memory),
        cmocka_unit_test(writes__locks_held_before_stay),
        cmocka_unit_test(writes__a_frozen_record_is_looked_up_again),
        cmocka_unit_test(ordinary__sleeps_with_empty_hands),
        cmocka_unit_test(ordinary__waits_for_a_gap),
        cmocka_unit_test(ordinary__waits_for_another_with_its_locks),
        cmocka_unit_test(holder__wounds_in_precommit),
        cmocka_unit_test(ghosts__inherit_own_gap_locks),
        cmocka_unit_test(ghosts__stay_for_a_foreign_gap_lock),
        cmocka_unit_test(ghosts__are_unlinked_before_they_are_unlocked),
        cmocka_unit_test(writes__timeout_takes_everything_back),
        cmocka_unit_test(storm__holders_and_ordinary_committers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
