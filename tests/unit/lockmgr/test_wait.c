/* test_wait.c - waiting for one lock, step by step: who waits, dies, wounds; claims, timeouts, reader bits. One thread:
 * the hook that is asked before a sleep plays the others.
 *
 * SPDX-License-Identifier: MIT
 */
#include "lock_fixture.h"

/* What happens while a transaction sleeps. */
struct script {
    struct lx lx;
    struct vst_record *record;
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

static void open_script(struct script *s, enum vcc_deadlock policy, unsigned reader_bits) {
    memset(s, 0, sizeof(*s));
    lx_open(&s->lx, policy, reader_bits);
    s->lx.domain.hooks = (struct vk_hooks){.arg = s, .on_wait = on_wait, .now_ns = now_ns};
    s->record = lx_record("row");
}
static void close_script(struct script *s) {
    assert_true(lx_free(s->record));
    free(s->record);
    lx_close(&s->lx);
}

/* --- grants ------------------------------------------------------------------------------------------------------- */

static void acquire__upgrades_and_releases(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    struct vcc_txn *t = lx_begin(&s.lx, 1, 0);
    static const enum vlm_mode ladder[] = {VLM_S, VLM_U, VLM_X, VLM_S};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(lx_lock(t, s.record, ladder[i]), VARVE_OK);
        assert_true(vlm_holds(t, s.record, ladder[i]));
        assert_int_equal(t->locks.count, 1);
    }
    assert_true(s.record->lk == vst_lk_of(1));
    assert_int_equal(lx_lock(t, s.record, VLM_GS), VARVE_OK);
    assert_int_equal(t->locks.count, 2);
    assert_int_equal(t->slot->lock_holder, 1);
    vlm_release(t, s.record, VLM_GS);
    assert_int_equal(t->locks.count, 1);
    assert_true(s.record->gap == 0 && s.record->lk != 0);
    lx_end(t, true);
    assert_int_equal(t->slot->lock_holder, 0);
    assert_int_equal(t->slot->reader_bit, 0);
    close_script(&s);
}

static void acquire__frozen_is_dropped(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    struct vcc_txn *t = lx_begin(&s.lx, 1, 0);
    s.record->tid |= VST_FROZEN;
    static const enum vlm_mode each[] = {VLM_S, VLM_U, VLM_X, VLM_GS};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(lx_lock(t, s.record, each[i]), VCC_RETRY);
        assert_true(lx_free(s.record));
    }
    assert_int_equal(vlm_pass(t, s.record), VCC_RETRY);
    assert_int_equal(t->locks.count, 0);
    lx_end(t, false);
    close_script(&s);
}

static void acquire__out_of_memory_takes_nothing(void **state) {
    (void)state;
#ifdef VARVE_ASSERTS
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    struct vcc_txn *t = lx_begin(&s.lx, 1, 0);
    vb_alloc_fail_after(1);
    assert_int_equal(lx_lock(t, s.record, VLM_X), VARVE_NOMEM);
    vb_alloc_fail_after(0);
    assert_true(lx_free(s.record));
    assert_int_equal(lx_lock(t, s.record, VLM_X), VARVE_OK);
    lx_end(t, true);
    close_script(&s);
#else
    skip();
#endif
}

static void pass__waits_for_a_writer_and_holds_nothing(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    struct vcc_txn *writer = lx_begin(&s.lx, 1, 0), *reader = lx_begin(&s.lx, 2, 0);
    reader->level = VARVE_READ_COMMITTED;
    assert_int_equal(vlm_pass(reader, s.record), VARVE_OK);
    assert_int_equal(lx_lock(writer, s.record, VLM_U), VARVE_OK);
    assert_int_equal(vlm_pass(writer, s.record), VARVE_OK);
    assert_int_equal(vlm_pass(reader, s.record), VCC_WAIT);
    assert_int_equal(reader->pending.mode & 31, VLM_S);
    lx_end(writer, true);
    assert_int_equal(vlm_wait(reader), VARVE_OK);
    assert_int_equal(vlm_pass(reader, s.record), VARVE_OK);
    assert_true(lx_free(s.record));
    assert_int_equal(reader->slot->reader_bit, 0);
    lx_end(reader, true);
    close_script(&s);
}

/* --- conflicts ---------------------------------------------------------------------------------------------------- */

static void end_holder(struct script *s, const struct vk_wait_info *info) {
    (void)info;
    if (s->sleeps == 3) lx_end(&s->lx.txns[1], true);
}

static void wait__granted_at_the_release(void **state) {
    (void)state;
    static const enum vlm_mode each[] = {VLM_S, VLM_U, VLM_X};
    for (unsigned i = 0; i < 3; i++) {
        struct script s;
        open_script(&s, VCC_WOUND_WAIT, 44);
        s.act = end_holder;
        struct vcc_txn *holder = lx_begin(&s.lx, 1, 0), *t = lx_begin(&s.lx, 2, 0);
        assert_int_equal(lx_lock(holder, s.record, VLM_X), VARVE_OK);
        assert_int_equal(lx_lock(t, s.record, each[i]), VARVE_OK);
        assert_int_equal(s.sleeps, 3);
        assert_int_equal(s.last.kind, VK_WAIT_LOCK);
        assert_int_equal(s.last.slot, 2);
        assert_ptr_equal(s.last.resource, s.record);
        assert_int_equal(s.last.mode, each[i]);
        assert_true((s.record->lk & (VST_LK_CLAIM | VST_LK_WAITERS)) == 0);
        assert_int_equal(t->slot->waiting_on, 0);
        assert_int_equal(t->locks.count, 1);
        assert_int_equal(s.lx.lock_waits, 3);
        lx_end(t, true);
        close_script(&s);
    }
}

static void see_claim(struct script *s, const struct vk_wait_info *info) {
    (void)info;
    assert_true((s->record->lk & (VST_LK_CLAIM | VST_LK_WAITERS)) == (VST_LK_CLAIM | VST_LK_WAITERS)); /* K4 */
    assert_true(s->lx.txns[2].slot->waiting_on == (uint64_t)(uintptr_t)&s->record->lk);
}

static void wait__timeout_names_key_and_holder(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    s.act = see_claim;
    struct vcc_txn *holder = lx_begin(&s.lx, 1, 0), *t = lx_begin(&s.lx, 2, 0);
    strcpy(holder->slot->label, "nightly report");
    t->deadline_ms = 5000;
    assert_int_equal(lx_lock(holder, s.record, VLM_S), VARVE_OK);
    assert_int_equal(lx_lock(t, s.record, VLM_X), VARVE_TIMEOUT);
    assert_int_equal(s.sleeps, 5);
    assert_int_equal(t->detail.reason, VARVE_REASON_LOCK_TIMEOUT);
    assert_int_equal(t->detail.other_txn, 1001);
    assert_non_null(strstr(t->detail.text, "row"));
    assert_non_null(strstr(t->detail.text, "(nightly report)"));
    assert_true((s.record->lk & (VST_LK_CLAIM | VST_LK_WAITERS)) == 0);
    assert_int_equal(t->slot->waiting_on, 0);
    holder->slot->label[0] = 0;
    lx_end(t, false);
    lx_end(holder, true);
    close_script(&s);
}

/* An idle holder that was wounded keeps its lock until its next call: who waits for it hears who it is. */
static void wait__idle_wounded_holder(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    struct vcc_txn *t = lx_begin(&s.lx, 2, 0), *holder = lx_begin(&s.lx, 1, 0);
    strcpy(holder->slot->label, "asleep");
    t->deadline_ms = 2000;
    assert_int_equal(lx_lock(holder, s.record, VLM_X), VARVE_OK);
    assert_int_equal(vlm_check_wound(holder), VARVE_OK);
    assert_int_equal(lx_lock(t, s.record, VLM_S), VARVE_TIMEOUT);
    assert_non_null(strstr(t->detail.text, "(asleep)"));
    assert_int_equal(vlm_check_wound(holder), VARVE_DEADLOCK);
    assert_int_equal(holder->detail.reason, VARVE_REASON_WOUNDED);
    assert_int_equal(lx_lock(holder, s.record, VLM_X), VARVE_DEADLOCK); /* even what it has */
    holder->slot->label[0] = 0;
    lx_end(holder, false);
    assert_false(vk_wounded(holder->slot)); /* C5: the wound was that attempt's */
    lx_end(t, false);
    close_script(&s);
}

static void policies__one_conflict(void **state) {
    (void)state;
    /* does who asks die? does who holds get wounded? */
    static const struct {
        enum vcc_deadlock policy;
        bool older_asks, dies, wounds;
    } rows[] = {
        {VCC_WOUND_WAIT, true, false, true}, {VCC_WOUND_WAIT, false, false, false}, {VCC_NO_WAIT, true, true, false},
        {VCC_NO_WAIT, false, true, false},   {VCC_WAIT_DIE, true, false, false},    {VCC_WAIT_DIE, false, true, false},
        {VCC_DETECT, true, false, false},    {VCC_DETECT, false, false, false},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct script s;
        open_script(&s, rows[i].policy, 44);
        struct vcc_txn *t = lx_begin(&s.lx, 1, rows[i].older_asks ? 10 : 30), *holder = lx_begin(&s.lx, 2, 20);
        t->deadline_ms = 3000;
        assert_int_equal(lx_lock(holder, s.record, VLM_S), VARVE_OK);
        assert_int_equal(lx_lock(t, s.record, VLM_X), rows[i].dies ? VARVE_DEADLOCK : VARVE_TIMEOUT);
        if (rows[i].dies) assert_int_equal(t->detail.reason, VARVE_REASON_DIED);
        if (rows[i].dies) assert_int_equal(t->detail.other_txn, 1002);
        assert_int_equal(vk_wounded(holder->slot), rows[i].wounds);
        lx_end(t, false);
        lx_end(holder, true);
        close_script(&s);
    }
}

static void committer_installs(struct script *s, const struct vk_wait_info *info) {
    (void)info;
    assert_false(vk_wounded(s->lx.txns[1].slot));
    if (s->sleeps == 2) lx_end(&s->lx.txns[1], true);
}

static void policies__a_committer_is_waited_for(void **state) {
    (void)state;
    for (enum vcc_deadlock policy = VCC_WOUND_WAIT; policy <= VCC_DETECT; policy++) {
        struct script s;
        open_script(&s, policy, 44);
        s.act = committer_installs;
        struct vcc_txn *t = lx_begin(&s.lx, 2, 20), *holder = lx_begin(&s.lx, 1, policy == VCC_WAIT_DIE ? 10 : 30);
        assert_int_equal(lx_lock(holder, s.record, VLM_X), VARVE_OK);
        holder->slot->commit = vk_commit_word(7, VK_COMMITTING);
        assert_int_equal(lx_lock(t, s.record, VLM_S), VARVE_OK);
        assert_int_equal(s.sleeps, 2);
        lx_end(t, true);
        close_script(&s);
    }
}

static void ordinary_ends(struct script *s, const struct vk_wait_info *info) {
    (void)info;
    assert_false(vk_wounded(s->lx.txns[1].slot));
    if (s->sleeps != 2) return;
    vlm_drop(&s->lx.domain, &s->record->lk, vlm_me(&s->lx.txns[1]));
    lx_end(&s->lx.txns[1], true);
}

/* K2: also an ordinary committer, which is younger, is left alone by a lock holder. */
static void policies__an_ordinary_committer_is_never_wounded(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    struct vcc_txn *t = lx_begin(&s.lx, 2, 20), *ordinary = lx_begin(&s.lx, 1, 30);
    assert_int_equal(vlm_take(ordinary, &(struct vlm_ask){s.record, VLM_X, VLM_ORDINARY | VLM_UNLISTED}), VARVE_OK);
    s.act = ordinary_ends;
    assert_int_equal(lx_lock(t, s.record, VLM_X), VARVE_OK);
    assert_int_equal(s.sleeps, 2);
    lx_end(t, true);
    close_script(&s);
}

static void wound__is_for_one_generation(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    struct vcc_txn *t = lx_begin(&s.lx, 1, 0);
    uint64_t gen = t->slot->gen;
    vlm_wound(&s.lx.domain, 1, gen - 1);
    assert_int_equal(vlm_check_wound(t), VARVE_OK);
    vlm_wound(&s.lx.domain, 1, gen);
    vlm_wound(&s.lx.domain, 1, gen - 1); /* a late wounder of an earlier attempt takes nothing back */
    assert_int_equal(t->slot->wake, 1);
    assert_int_equal(vlm_check_wound(t), VARVE_DEADLOCK);
    lx_end(t, false);
    t = lx_begin(&s.lx, 1, 0);
    assert_int_equal(vlm_check_wound(t), VARVE_OK);
    lx_end(t, false);
    close_script(&s);
}

static void wound_sleeper(struct script *s, const struct vk_wait_info *info) {
    (void)info;
    vlm_wound(&s->lx.domain, 2, s->lx.txns[2].slot->gen);
}

static void wait__wounded_in_its_sleep(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    s.act = wound_sleeper;
    struct vcc_txn *holder = lx_begin(&s.lx, 1, 0), *t = lx_begin(&s.lx, 2, 0);
    assert_int_equal(lx_lock(holder, s.record, VLM_X), VARVE_OK);
    assert_int_equal(lx_lock(t, s.record, VLM_X), VARVE_DEADLOCK);
    assert_int_equal(s.sleeps, 1);
    assert_true(s.record->lk == vst_lk_of(1)); /* no claim left behind */
    lx_end(t, false);
    lx_end(holder, true);
    close_script(&s);
}

/* --- queueing behind a claim -------------------------------------------------------------------------------------- */

static void readers_come(struct script *s, const struct vk_wait_info *info) {
    if (info->slot != 2) return;
    assert_int_equal(vlm_acquire(&s->lx.txns[3], s->record, VLM_S), VCC_WAIT); /* younger than who waits */
    assert_int_equal(vlm_acquire(&s->lx.txns[4], s->record, VLM_S), VARVE_OK); /* older */
    lx_end(&s->lx.txns[4], true);
    lx_end(&s->lx.txns[1], true);
}

static void claim__younger_readers_queue(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    s.act = readers_come;
    struct vcc_txn *holder = lx_begin(&s.lx, 1, 10), *t = lx_begin(&s.lx, 2, 20), *younger = lx_begin(&s.lx, 3, 30);
    lx_begin(&s.lx, 4, 15);
    assert_int_equal(lx_lock(holder, s.record, VLM_S), VARVE_OK);
    assert_int_equal(lx_lock(t, s.record, VLM_X), VARVE_OK);
    lx_end(t, true);
    assert_int_equal(vlm_wait(younger), VARVE_OK); /* granted in there */
    assert_true(vlm_holds(younger, s.record, VLM_S));
    lx_end(younger, true);
    close_script(&s);
}

static void claim__an_orphan_holds_up_no_reader(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    struct vcc_txn *t = lx_begin(&s.lx, 1, 0);
    s.record->lk = VST_LK_CLAIM;
    assert_int_equal(lx_lock(t, s.record, VLM_S), VARVE_OK);
    lx_end(t, true);
    assert_true(s.record->lk == VST_LK_CLAIM); /* K6: a releaser leaves it */
    s.record->lk = 0;
    close_script(&s);
}

static void ordinary_meets(struct script *s, uint64_t lk, int expected) {
    struct vcc_txn *t = lx_begin(&s->lx, 2, 0);
    s->record->lk = lk;
    struct vlm_ask ask = {s->record, VLM_X, VLM_ORDINARY | VLM_UNLISTED};
    t->deadline_ms = 2000;
    assert_int_equal(vlm_take(t, &ask), expected);
    s->record->lk &= ~(VST_LK_WAITERS | vst_lk_of(2));
    assert_true(s->record->lk == (expected == VARVE_OK ? 0 : lk));
    s->record->lk = 0;
    lx_end(t, false);
}

/* K3. */
static void ordinary__barred_by_what_lock_holders_leave(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    struct vcc_txn *other = lx_begin(&s.lx, 1, 0);
    ordinary_meets(&s, 0, VARVE_OK);
    ordinary_meets(&s, VST_LK_CLAIM, VLM_BARRED);
    ordinary_meets(&s, 1, VLM_BARRED);
    ordinary_meets(&s, vst_lk_of(1), VARVE_TIMEOUT); /* an ordinary committer: waits with its locks */
    vlm_become_holder(other);
    ordinary_meets(&s, vst_lk_of(1), VLM_BARRED);
    ordinary_meets(&s, vst_lk_of(1) | VST_LK_UPGRADE, VLM_BARRED);
    lx_end(other, false);
    close_script(&s);
}

/* The holder that an ordinary committer waits for, with its locks, turns into a lock holder: it judges again. */
static void turn_into_holder(struct script *s, const struct vk_wait_info *info) {
    (void)info;
    struct vcc_txn *other = &s->lx.txns[1];
    lx_end(other, true);
    vlm_drop(&s->lx.domain, &s->record->lk, vlm_me(other));
    lx_begin(&s->lx, 1, 0);
    assert_int_equal(vlm_acquire(other, s->record, VLM_X), VARVE_OK);
}

static void ordinary__judges_again_when_the_word_changes(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    s.act = turn_into_holder;
    struct vcc_txn *other = lx_begin(&s.lx, 1, 0), *t = lx_begin(&s.lx, 2, 0);
    struct vlm_ask ask = {s.record, VLM_X, VLM_ORDINARY | VLM_UNLISTED};
    assert_int_equal(vlm_take(other, &ask), VARVE_OK);
    assert_int_equal(vlm_take(t, &ask), VLM_BARRED);
    assert_int_equal(s.sleeps, 1);
    lx_end(t, false);
    lx_end(other, true);
    close_script(&s);
}

/* --- reader bits -------------------------------------------------------------------------------------------------- */

static void end_reader(struct script *s, const struct vk_wait_info *info) {
    assert_int_equal(info->kind, VK_WAIT_READER_BIT);
    if (s->sleeps == 2) lx_end(&s->lx.txns[1], true);
}

static void reader_bits__the_next_waits(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 2);
    s.act = end_reader;
    struct vcc_txn *a = lx_begin(&s.lx, 1, 0), *b = lx_begin(&s.lx, 2, 0), *c = lx_begin(&s.lx, 3, 0);
    assert_int_equal(lx_lock(a, s.record, VLM_S), VARVE_OK);
    assert_int_equal(lx_lock(b, s.record, VLM_GS), VARVE_OK);
    assert_int_equal(lx_lock(c, s.record, VLM_S), VARVE_OK);
    assert_int_equal(s.sleeps, 2);
    lx_end(b, true);
    lx_end(c, true);
    close_script(&s);
}

static void reader_bits__timeout(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 1);
    struct vcc_txn *a = lx_begin(&s.lx, 1, 0), *b = lx_begin(&s.lx, 2, 0);
    b->deadline_ms = 3000;
    assert_int_equal(lx_lock(a, s.record, VLM_S), VARVE_OK);
    assert_int_equal(lx_lock(b, s.record, VLM_S), VARVE_TIMEOUT);
    assert_int_equal(s.sleeps, 3);
    lx_end(a, true);
    lx_end(b, false);
    close_script(&s);
}

/* Who has locks may not wait for a bit: its holder may be waiting for those. A 2pl transaction that will read therefore
 * leases with its first lock, whatever that is; one that locks rows for update under a snapshot needs none. */
static void reader_bits__never_waited_for_with_locks(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 1);
    struct vcc_txn *a = lx_begin(&s.lx, 1, 0), *b = lx_begin(&s.lx, 2, 0), *c = lx_begin(&s.lx, 3, 0);
    struct vst_record *second = lx_record("second");
    b->level = VARVE_READ_COMMITTED;
    c->snap = 5;
    assert_int_equal(lx_lock(a, s.record, VLM_X), VARVE_OK);
    assert_int_not_equal(a->slot->reader_bit, 0);
    assert_int_equal(lx_lock(b, second, VLM_X), VARVE_OK);
    assert_int_equal(b->slot->reader_bit, 0);
    assert_int_equal(lx_lock(b, s.record, VLM_GS), VARVE_DEADLOCK);
    assert_int_equal(b->detail.reason, VARVE_REASON_DIED);
    lx_end(b, false);
    assert_int_equal(lx_lock(c, second, VLM_U), VARVE_OK);
    assert_int_equal(c->slot->reader_bit, 0);
    lx_end(c, true);
    lx_end(a, true);
    assert_true(lx_free(second));
    free(second);
    close_script(&s);
}

/* --- cycles ------------------------------------------------------------------------------------------------------- */

static void cycle__found_and_blamed_on_the_youngest(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_DETECT, 44);
    struct vst_record *second = lx_record("second");
    uint64_t gen = 0;
    struct vcc_txn *a = lx_begin(&s.lx, 1, 10), *b = lx_begin(&s.lx, 2, 30), *c = lx_begin(&s.lx, 3, 20);
    assert_int_equal(lx_lock(a, s.record, VLM_S), VARVE_OK);
    assert_int_equal(lx_lock(b, s.record, VLM_S), VARVE_OK);
    assert_int_equal(lx_lock(c, second, VLM_X), VARVE_OK);
    a->slot->waiting_on = (uint64_t)(uintptr_t)&s.record->lk; /* for b: an upgrade */
    assert_int_equal(vlm_find_cycle(&s.lx.domain, 1, &gen), 0);
    b->slot->waiting_on = (uint64_t)(uintptr_t)&second->lk; /* for c */
    assert_int_equal(vlm_find_cycle(&s.lx.domain, 1, &gen), 0);
    c->slot->waiting_on = (uint64_t)(uintptr_t)&s.record->lk; /* for a and b */
    b->slot->gen = 77;
    assert_int_equal(vlm_find_cycle(&s.lx.domain, 1, &gen), 2);
    assert_int_equal(gen, 77);
    assert_int_equal(vlm_find_cycle(&s.lx.domain, 3, &gen), 2);
    a->slot->waiting_on = 0;
    assert_int_equal(vlm_find_cycle(&s.lx.domain, 1, &gen), 0);
    assert_int_equal(vlm_find_cycle(&s.lx.domain, 3, &gen), 2); /* b and c still wait for each other */
    b->slot->waiting_on = 0;
    assert_int_equal(vlm_find_cycle(&s.lx.domain, 3, &gen), 0);
    c->slot->waiting_on = 0;
    lx_end(a, true);
    lx_end(b, true);
    lx_end(c, true);
    free(second);
    close_script(&s);
}

/* Alone in the thread: the other end of the cycle is made by hand; the searcher is the youngest. */
static void cycle__the_youngest_dies(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_DETECT, 44);
    struct vst_record *second = lx_record("second");
    struct vcc_txn *a = lx_begin(&s.lx, 1, 10), *b = lx_begin(&s.lx, 2, 20);
    assert_int_equal(lx_lock(a, s.record, VLM_X), VARVE_OK);
    assert_int_equal(lx_lock(b, second, VLM_X), VARVE_OK);
    a->slot->waiting_on = (uint64_t)(uintptr_t)&second->lk;
    assert_int_equal(lx_lock(b, s.record, VLM_S), VARVE_DEADLOCK);
    assert_int_equal(b->detail.reason, VARVE_REASON_CYCLE);
    a->slot->waiting_on = 0;
    lx_end(b, false);
    lx_end(a, true);
    free(second);
    close_script(&s);
}

static void install_wait__ends_with_the_install(void **state) {
    (void)state;
    struct script s;
    open_script(&s, VCC_WOUND_WAIT, 44);
    struct vcc_txn *t = lx_begin(&s.lx, 2, 0);
    s.lx.domain.slots[1].commit = vk_commit_word(9, VK_COMMITTING);
    t->pending = (struct vcc_pending){.writer = 1, .stamp = 8};
    assert_int_equal(vlm_wait(t), VARVE_OK); /* a larger cts is none of its business */
    s.lx.domain.slots[1].commit = vk_commit_word(0, VK_IDLE);
    t->pending.stamp = 9;
    assert_int_equal(vlm_wait(t), VARVE_OK);
    lx_end(t, true);
    close_script(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acquire__upgrades_and_releases),
        cmocka_unit_test(acquire__frozen_is_dropped),
        cmocka_unit_test(acquire__out_of_memory_takes_nothing),
        cmocka_unit_test(pass__waits_for_a_writer_and_holds_nothing),
        cmocka_unit_test(wait__granted_at_the_release),
        cmocka_unit_test(wait__timeout_names_key_and_holder),
        cmocka_unit_test(wait__idle_wounded_holder),
        cmocka_unit_test(policies__one_conflict),
        cmocka_unit_test(policies__a_committer_is_waited_for),
        cmocka_unit_test(policies__an_ordinary_committer_is_never_wounded),
        cmocka_unit_test(wound__is_for_one_generation),
        cmocka_unit_test(wait__wounded_in_its_sleep),
        cmocka_unit_test(claim__younger_readers_queue),
        cmocka_unit_test(claim__an_orphan_holds_up_no_reader),
        cmocka_unit_test(ordinary__barred_by_what_lock_holders_leave),
        cmocka_unit_test(ordinary__judges_again_when_the_word_changes),
        cmocka_unit_test(reader_bits__the_next_waits),
        cmocka_unit_test(reader_bits__timeout),
        cmocka_unit_test(reader_bits__never_waited_for_with_locks),
        cmocka_unit_test(cycle__found_and_blamed_on_the_youngest),
        cmocka_unit_test(cycle__the_youngest_dies),
        cmocka_unit_test(install_wait__ends_with_the_install),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
