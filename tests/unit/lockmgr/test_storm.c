/* test_storm.c - many threads on few records: mutual exclusion, no lost wake-up, wounds, upgrades, claims, starvation.
 *
 * No lock timeouts: what is lost hangs, and the alarm ends the program.
 *
 * SPDX-License-Identifier: MIT
 */
#include "lock_fixture.h"

enum { RECORDS = 3, THREADS = 4 };

struct storm {
    struct lx lx;
    pthread_barrier_t start;
    struct vst_record *records[RECORDS];
    uint64_t guarded[RECORDS];  /* plain: written under X, read under S and U */
    uint32_t readers[RECORDS];  /* atomic: who really holds what */
    uint32_t updaters[RECORDS]; /* U or X */
    uint32_t exclusive[RECORDS];
    uint64_t rounds;
    uint64_t seed;
    uint64_t done;       /* atomic */
    uint64_t aborts;     /* atomic */
    uint64_t most_tries; /* atomic: of one transaction */
    bool upgrades_only;
};

struct actor {
    struct storm *storm;
    unsigned id;
    struct vcc_txn *t;
    unsigned modes[RECORDS];
    struct vb_random random;
    uint64_t sum;
};

static void note_grant(struct actor *a, unsigned r, unsigned mode) {
    struct storm *s = a->storm;
    unsigned had = a->modes[r];
    if (had >= mode) return;
    if (mode == VLM_S) {
        vb_add_acq_rel(&s->readers[r], 1);
    } else {
        if (had == 0 || had == VLM_S) lx_check(vb_add_acq_rel(&s->updaters[r], 1) == 0);
        if (had == VLM_S) vb_sub_acq_rel(&s->readers[r], 1);
    }
    if (mode == VLM_X) {
        vb_store_seq_cst(&s->exclusive[r], a->id);
        lx_check(vb_load_seq_cst(&s->readers[r]) == 0);
        s->guarded[r]++;
    } else {
        lx_check(vb_load_seq_cst(&s->exclusive[r]) == 0);
        a->sum += s->guarded[r];
    }
    a->modes[r] = mode;
}

static void note_end(struct actor *a) {
    struct storm *s = a->storm;
    for (unsigned r = 0; r < RECORDS; r++) {
        if (a->modes[r] == VLM_X) {
            lx_check(vb_load_seq_cst(&s->exclusive[r]) == a->id);
            vb_store_seq_cst(&s->exclusive[r], 0);
        }
        if (a->modes[r] >= VLM_U) vb_sub_acq_rel(&s->updaters[r], 1);
        if (a->modes[r] == VLM_S) vb_sub_acq_rel(&s->readers[r], 1);
        a->modes[r] = 0;
    }
}

struct request {
    unsigned record, mode;
};

/* Gives the others a chance while locks are held; without it the threads hardly meet on a small machine. */
static void linger(struct actor *a) {
    if (vb_random_below(&a->random, 4) == 0) vos_thread_yield();
}

static int attempt(struct actor *a, const struct request *script, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        int status = lx_lock(a->t, a->storm->records[script[i].record], script[i].mode);
        if (status != VARVE_OK) return status;
        note_grant(a, script[i].record, script[i].mode);
        linger(a);
    }
    return vlm_check_wound(a->t);
}

/* One transaction, retried with its age until it is through. */
static void transaction(struct actor *a, const struct request *script, unsigned count) {
    struct storm *s = a->storm;
    uint64_t age = 0, tries = 1;
    for (;; tries++) {
        a->t = lx_begin(&s->lx, a->id, age);
        age = a->t->slot->age;
        int status = attempt(a, script, count);
        lx_check(status == VARVE_OK || status == VARVE_DEADLOCK);
        note_end(a);
        lx_end(a->t, status == VARVE_OK);
        if (status == VARVE_OK) break;
        vb_add_relaxed(&s->aborts, 1);
        if (s->lx.shared.deadlock == VCC_NO_WAIT || s->lx.shared.deadlock == VCC_WAIT_DIE) vos_thread_yield();
    }
    uint64_t most = vb_load_relaxed(&s->most_tries);
    while (tries > most && !vb_cas(&s->most_tries, &most, tries)) continue;
    vb_add_relaxed(&s->done, 1);
}

static void *storm_thread(void *arg) {
    static const unsigned modes[] = {VLM_S, VLM_S, VLM_U, VLM_X, VLM_X};
    struct actor *a = arg;
    struct storm *s = a->storm;
    for (uint64_t round = 0; round < s->rounds; round++) {
        struct request script[4];
        unsigned count = 1 + (unsigned)vb_random_below(&a->random, 4);
        for (unsigned i = 0; i < count; i++)
            script[i] =
                (struct request){(unsigned)vb_random_below(&a->random, RECORDS), modes[vb_random_below(&a->random, 5)]};
        if (s->upgrades_only) {
            count = 2;
            script[0] = (struct request){0, VLM_S};
            script[1] = (struct request){0, VLM_X};
        }
        transaction(a, script, count);
    }
    return NULL;
}

struct start {
    struct actor *actor;
    void *(*run)(void *);
};

static void *start_thread(void *arg) {
    struct start *start = arg;
    pthread_barrier_wait(&start->actor->storm->start);
    return start->run(start->actor);
}

static void run_threads(unsigned count, void *(*run)(void *), struct actor *actors, struct storm *s) {
    pthread_t threads[LX_SLOTS];
    struct start starts[LX_SLOTS];
    pthread_barrier_init(&s->start, NULL, count);
    for (unsigned i = 0; i < count; i++) {
        actors[i] = (struct actor){.storm = s, .id = i + 1};
        vb_random_init(&actors[i].random, s->seed + i);
        starts[i] = (struct start){&actors[i], run};
        lx_check(pthread_create(&threads[i], NULL, start_thread, &starts[i]) == 0);
    }
    for (unsigned i = 0; i < count; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&s->start);
}

static void storm_open(struct storm *s, enum vcc_deadlock policy, unsigned reader_bits) {
    memset(s, 0, sizeof(*s));
    lx_open(&s->lx, policy, reader_bits);
    for (unsigned r = 0; r < RECORDS; r++) s->records[r] = lx_record("row");
    s->seed = lx_seed();
}

static void storm_close(struct storm *s) {
    for (unsigned r = 0; r < RECORDS; r++) {
        assert_true(lx_free(s->records[r]));
        free(s->records[r]);
    }
    lx_close(&s->lx);
}

static void storm_run(enum vcc_deadlock policy, unsigned threads, unsigned reader_bits, uint64_t rounds,
                      bool upgrades_only) {
    struct storm s;
    struct actor actors[LX_SLOTS];
    storm_open(&s, policy, reader_bits);
    s.rounds = rounds;
    s.upgrades_only = upgrades_only;
    run_threads(threads, storm_thread, actors, &s);
    printf("policy %d: %llu done, %llu aborts, %llu sleeps, most tries %llu\n", (int)policy, (unsigned long long)s.done,
           (unsigned long long)s.aborts, (unsigned long long)s.lx.lock_waits, (unsigned long long)s.most_tries);
    assert_int_equal(s.done, rounds * threads);
    if (upgrades_only) assert_true(s.guarded[0] >= rounds * threads); /* more: some hear of a wound after their grant */
    storm_close(&s);
}

static void storm__all_policies(void **state) {
    (void)state;
    for (enum vcc_deadlock policy = VCC_WOUND_WAIT; policy <= VCC_DETECT; policy++)
        storm_run(policy, THREADS, 44, lx_rounds(policy == VCC_DETECT ? 3000 : 30000), false);
}

static void storm__upgrades(void **state) {
    (void)state;
    for (enum vcc_deadlock policy = VCC_WOUND_WAIT; policy <= VCC_DETECT; policy++)
        storm_run(policy, THREADS, 44, lx_rounds(policy == VCC_DETECT ? 500 : 20000), true);
}

/* More clients than reader bits: some wait for their turn before their first lock. */
static void storm__more_clients_than_reader_bits(void **state) {
    (void)state;
    storm_run(VCC_WOUND_WAIT, 12, 3, lx_rounds(5000), false);
}

/* --- a lock handed from one to the next --------------------------------------------------------------------------- */

static void *hand_off_thread(void *arg) {
    struct actor *a = arg;
    struct storm *s = a->storm;
    for (uint64_t round = 0; round < s->rounds; round++) {
        static const struct request one = {0, VLM_X};
        transaction(a, &one, 1);
    }
    return NULL;
}

static void hand_offs__a_million(void **state) {
    (void)state;
    struct storm s;
    struct actor actors[LX_SLOTS];
    storm_open(&s, VCC_WOUND_WAIT, 44);
    s.rounds = lx_rounds(250000);
    run_threads(THREADS, hand_off_thread, actors, &s);
    assert_true(s.guarded[0] >= s.rounds * THREADS);
    printf("%llu hand-offs, %llu sleeps, %llu wounded\n", (unsigned long long)s.guarded[0],
           (unsigned long long)s.lx.lock_waits, (unsigned long long)s.aborts);
    storm_close(&s);
}

/* --- upgrade deadlocks, two transactions -------------------------------------------------------------------------- */

struct duel {
    struct storm *storm;
    pthread_barrier_t barrier;
    int status[3];
    enum varve_reason reason[3];
};
struct duellist {
    struct duel *duel;
    unsigned id;
};

static void *duel_thread(void *arg) {
    struct duellist *d = arg;
    struct lx *lx = &d->duel->storm->lx;
    struct vcc_txn *t = lx_begin(lx, d->id, d->id * 10); /* 1 is the older */
    lx_check(lx_lock(t, d->duel->storm->records[0], VLM_S) == VARVE_OK);
    pthread_barrier_wait(&d->duel->barrier);
    int status = lx_lock(t, d->duel->storm->records[0], VLM_X);
    if (status == VARVE_OK) status = vlm_check_wound(t);
    d->duel->status[d->id] = status;
    d->duel->reason[d->id] = t->detail.reason;
    lx_end(t, status == VARVE_OK);
    return NULL;
}

static void duel(struct storm *s, struct duel *duel) {
    pthread_t threads[2];
    struct duellist duellists[2] = {{duel, 1}, {duel, 2}};
    duel->storm = s;
    pthread_barrier_init(&duel->barrier, NULL, 2);
    for (unsigned i = 0; i < 2; i++) lx_check(pthread_create(&threads[i], NULL, duel_thread, &duellists[i]) == 0);
    for (unsigned i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&duel->barrier);
}

static void upgrades__who_dies(void **state) {
    (void)state;
    static const enum varve_reason reasons[] = {VARVE_REASON_WOUNDED, VARVE_REASON_DIED, VARVE_REASON_DIED,
                                                VARVE_REASON_CYCLE};
    for (enum vcc_deadlock policy = VCC_WOUND_WAIT; policy <= VCC_DETECT; policy++) {
        for (unsigned round = 0; round < lx_rounds(200); round++) {
            struct storm s;
            struct duel d = {0};
            memset(&s, 0, sizeof(s));
            lx_open(&s.lx, policy, 44);
            s.records[0] = lx_record("row");
            duel(&s, &d);
            if (policy == VCC_NO_WAIT) {
                assert_true(d.status[1] == VARVE_DEADLOCK || d.status[2] == VARVE_DEADLOCK);
            } else {
                assert_int_equal(d.status[1], VARVE_OK);
                assert_int_equal(d.status[2], VARVE_DEADLOCK);
                assert_int_equal(d.reason[2], reasons[policy]);
            }
            assert_true(lx_free(s.records[0]));
            free(s.records[0]);
            lx_close(&s.lx);
        }
    }
}

/* --- starvation --------------------------------------------------------------------------------------------------- */

struct stream {
    struct storm *storm;
    uint64_t commits; /* atomic: of the ordinary committers */
    uint64_t at_claim, claims;
    bool asleep;
    bool over; /* atomic */
    uint64_t worst;
};
static struct stream stream;

/* The lock holder is about to sleep for the first time: its claim is in the word. */
static bool note_claim(void *arg, const struct vk_wait_info *info) {
    struct stream *st = arg;
    if (info->slot != 1 || st->asleep) return false;
    lx_check((vb_load_seq_cst(&st->storm->records[0]->lk) & VST_LK_CLAIM) != 0);
    st->asleep = true;
    st->claims++;
    st->at_claim = vb_load_seq_cst(&st->commits);
    return false;
}

static void *ordinary_stream(void *arg) {
    struct actor *a = arg;
    struct storm *s = a->storm;
    while (!vb_load_acquire(&stream.over)) {
        struct vcc_txn *t = lx_begin(&s->lx, a->id, 0);
        struct vlm_ask ask = {s->records[0], VLM_X, VLM_ORDINARY | VLM_UNLISTED};
        struct vlm_ask barrier = {s->records[0], VLM_X, VLM_ORDINARY | VLM_UNLISTED | VLM_INSTANT};
        int status;
        while ((status = vlm_take(t, &ask)) == VLM_BARRED) lx_check(vlm_take(t, &barrier) == VARVE_OK);
        lx_check(status == VARVE_OK);
        s->guarded[0]++;
        linger(a);
        vb_store_release(&t->slot->commit, vk_commit_word(1, VK_COMMITTING));
        vb_add_acq_rel(&stream.commits, 1);
        vlm_drop(&s->lx.domain, &s->records[0]->lk, vlm_me(t));
        lx_end(t, true);
    }
    return NULL;
}

static void *holder_stream(void *arg) {
    struct actor *a = arg;
    struct storm *s = a->storm;
    if (a->id != 1) return ordinary_stream(arg);
    for (uint64_t round = 0; round < s->rounds; round++) {
        struct vcc_txn *t = lx_begin(&s->lx, 1, 0);
        stream.asleep = false;
        lx_check(lx_lock(t, s->records[0], round % 3 == 0 ? VLM_X : round % 3 == 1 ? VLM_U : VLM_S) == VARVE_OK);
        uint64_t passed = stream.asleep ? vb_load_seq_cst(&stream.commits) - stream.at_claim : 0;
        if (passed > stream.worst) stream.worst = passed;
        if (round % 3 == 0) s->guarded[0]++;
        linger(a);
        lx_end(t, true);
        linger(a);
    }
    vb_store_release(&stream.over, true);
    return NULL;
}

static void claims__a_stream_of_ordinary_committers(void **state) {
    (void)state;
    struct storm s;
    struct actor actors[LX_SLOTS];
    storm_open(&s, VCC_WOUND_WAIT, 44);
    stream = (struct stream){.storm = &s};
    s.lx.domain.hooks = (struct vk_hooks){.arg = &stream, .on_wait = note_claim};
    s.rounds = lx_rounds(20000);
    run_threads(THREADS, holder_stream, actors, &s);
    printf("%llu ordinary commits, %llu claims; after one at most %llu passed\n", (unsigned long long)stream.commits,
           (unsigned long long)stream.claims, (unsigned long long)stream.worst);
    assert_true(stream.commits >= s.rounds / 10 && stream.claims >= s.rounds / 100); /* they did meet */
    assert_true(stream.worst <= 1);                                                  /* the one that had the lock */
    storm_close(&s);
}

/* An upgrade among readers that come again at once. */
static void *reader_stream(void *arg) {
    struct actor *a = arg;
    struct storm *s = a->storm;
    static const struct request script[] = {{0, VLM_S}, {0, VLM_X}};
    if (a->id == 1) {
        for (uint64_t round = 0; round < s->rounds; round++) transaction(a, script, 2);
        vb_store_release(&stream.over, true);
        return NULL;
    }
    while (!vb_load_acquire(&stream.over)) transaction(a, script, 1);
    return NULL;
}

static void claims__an_upgrade_among_readers(void **state) {
    (void)state;
    struct storm s;
    struct actor actors[LX_SLOTS];
    storm_open(&s, VCC_WOUND_WAIT, 44);
    stream = (struct stream){.storm = &s};
    s.rounds = lx_rounds(5000);
    run_threads(THREADS, reader_stream, actors, &s);
    assert_true(s.guarded[0] >= s.rounds);
    printf("%llu done, %llu aborts, most tries %llu\n", (unsigned long long)s.done, (unsigned long long)s.aborts,
           (unsigned long long)s.most_tries);
    storm_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storm__all_policies),
        cmocka_unit_test(storm__upgrades),
        cmocka_unit_test(storm__more_clients_than_reader_bits),
        cmocka_unit_test(hand_offs__a_million),
        cmocka_unit_test(upgrades__who_dies),
        cmocka_unit_test(claims__a_stream_of_ordinary_committers),
        cmocka_unit_test(claims__an_upgrade_among_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
