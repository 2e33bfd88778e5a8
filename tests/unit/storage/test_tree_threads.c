/* test_tree_threads.c - the index under threads: owners of keys who insert, take back and scan; scanners who lock gaps
 * against them; readers who trust phantom counters; and a janitor who purges and frees behind them all.
 *
 * What is checked holds at every schedule. Small fan-outs, so that leaves split and go all the time.
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>

#include "unit/storage/tree_fixture.h"

/* A thread sanitizer takes twenty times as long. */
#define STEPS(n) ((VB_TSAN ? (n) / 8 : (n)) * tf_budget())

#define OWNERS 4u
#define OWN_KEYS 150u

/* --- owners ------------------------------------------------------------------------------------------------------- */

enum presence { ABSENT, PRESENT, GIVEN }; /* GIVEN: left to the purge, which takes it at any time */

struct own_key {
    uint8_t bytes[64];
    size_t size;
    enum presence presence;
    struct vst_record *record;
};
struct owner {
    struct tf *tf;
    unsigned id;
    unsigned steps;
    unsigned used; /* keys it works with */
    const struct vst_leaf *near; /* some leaf that was met under the pin, or NULL */
    struct vb_heap *heap;
    struct vb_random random;
    struct own_key keys[OWN_KEYS]; /* ascending */
    uint64_t scanned, freed;
};

static struct {
    uint32_t running; /* owners that are not done */
    uint32_t failures;
} shared;

/* Failures of a thread are counted: the test framework's own asserts are for the main thread only. */
#define CHECK(c)                                                              \
    do {                                                                      \
        if (!(c)) {                                                           \
            vb_add_relaxed(&shared.failures, 1u);                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c);           \
        }                                                                     \
    } while (0)

static varve_slice own_slice(const struct own_key *k) { return VARVE_SLICE(k->bytes, k->size); }

static int by_key(const void *a, const void *b) { return vb_compare(own_slice(a), own_slice(b)); }

/* Keys of all owners interleave; the last two bytes name the owner. */
static void make_keys(struct owner *o) {
    for (unsigned i = 0; i < OWN_KEYS; i++) {
        struct own_key *k = &o->keys[i];
        k->size = (size_t)sprintf((char *)k->bytes, "%s%03u%.*s/%u", i % 3 == 0 ? "short" : "quite/a/long/prefix/", i,
                                  (int)(i % 5), "zzzzz", o->id);
        k->presence = ABSENT;
    }
    qsort(o->keys, OWN_KEYS, sizeof(o->keys[0]), by_key);
}

/* Often none, or one that is far away, split or gone. */
static const struct vst_leaf *near(struct owner *o) { return vb_random_below(&o->random, 3) == 0 ? NULL : o->near; }
static void meet(struct owner *o, const struct vst_leaf *leaf) {
    if (leaf != NULL && vb_random_below(&o->random, 4) != 0) o->near = leaf;
}

static void own_insert(struct owner *o, struct own_key *k) {
    struct vst_inserted in;
    vos_rcu_enter();
    int status = vst_insert_ghost(o->tf->table, o->heap, own_slice(k), 8, o->id + 1, 0, near(o), &in);
    if (k->presence == ABSENT) CHECK(status == VARVE_OK);
    if (k->presence == PRESENT) CHECK(status == VARVE_EXISTS && in.record == k->record);
    CHECK(status == VARVE_OK || status == VARVE_EXISTS);
    if (status == VARVE_OK) {
        k->presence = PRESENT;
        k->record = in.record;
        meet(o, in.leaf);
    }
    vos_rcu_exit();
}

static void own_remove(struct owner *o, struct own_key *k) {
    vos_rcu_enter();
    if (vb_random_below(&o->random, 2) == 0) {
        vst_remove_ghost(o->tf->table, o->heap, k->record, 0);
        k->presence = ABSENT;
    } else {
        vb_and_acq_rel(&k->record->lk, VST_LK_READERS); /* unlocked, for the purge to take */
        vst_ghost_note(o->tf->table, k->record);
        k->presence = GIVEN;
    }
    vos_rcu_exit();
}

static void own_lookup(struct owner *o, struct own_key *k) {
    struct vst_found found;
    vos_rcu_enter();
    if (vb_random_below(&o->random, 2) == 0)
        vst_lookup(o->tf->table, own_slice(k), &found);
    else
        vst_find(o->tf->table, own_slice(k), near(o), &found);
    meet(o, found.leaf);
    if (k->presence == ABSENT) CHECK(found.record == NULL);
    if (k->presence == PRESENT) CHECK(found.record == k->record);
    if (k->presence == GIVEN && found.record == NULL) k->presence = ABSENT;
    vos_rcu_exit();
}

static void own_lookup_many(struct owner *o) {
    unsigned which[20], count = (unsigned)vb_random_below(&o->random, 21);
    varve_slice keys[20];
    struct vst_found found[20];
    for (unsigned i = 0; i < count; i++) {
        which[i] = (unsigned)vb_random_below(&o->random, o->used) * OWN_KEYS / o->used;
        keys[i] = own_slice(&o->keys[which[i]]);
    }
    vos_rcu_enter();
    vst_lookup_many(o->tf->table, keys, found, count);
    for (unsigned i = 0; i < count; i++) {
        const struct own_key *k = &o->keys[which[i]];
        if (k->presence == ABSENT) CHECK(found[i].record == NULL);
        if (k->presence == PRESENT) CHECK(found[i].record == k->record);
    }
    vos_rcu_exit();
}

/* The index of an own key, or -1 for another's. */
static int own_index(const struct owner *o, varve_slice key) {
    if (((const uint8_t *)key.data)[key.size - 1] != '0' + o->id) return -1;
    struct own_key probe;
    memcpy(probe.bytes, key.data, key.size);
    probe.size = key.size;
    const struct own_key *k = bsearch(&probe, o->keys, OWN_KEYS, sizeof(probe), by_key);
    CHECK(k != NULL);
    return k != NULL ? (int)(k - o->keys) : -1;
}

/* Walks one portion; *next is the index of the own key that may come next. */
static void own_portion(struct owner *o, const struct vst_portion *p, enum vst_direction direction, int *next) {
    for (unsigned i = 0; i < p->count; i++) {
        int at = own_index(o, vst_record_key(p->records[i]));
        if (at < 0) continue;
        for (; *next != at && *next >= 0 && *next < (int)OWN_KEYS; *next += direction)
            CHECK(o->keys[*next].presence != PRESENT); /* it should have come */
        CHECK(*next == at);                            /* and no key comes twice, or too late */
        CHECK(o->keys[at].presence != ABSENT && o->keys[at].record == p->records[i]);
        *next = at + direction;
        o->scanned++;
    }
}

static void own_scan(struct owner *o) {
    struct vb_arena arena;
    vb_arena_init(&arena, o->heap, 1024);
    enum vst_direction direction = vb_random_below(&o->random, 2) == 0 ? VST_FORWARD : VST_REVERSE;
    int next = (int)vb_random_below(&o->random, OWN_KEYS);
    varve_slice from = own_slice(&o->keys[next]);
    bool strict = vb_random_below(&o->random, 2) != 0;
    if (strict) next += direction;
    for (;;) {
        struct vst_portion portion;
        vos_rcu_enter();
        vst_portion_read(o->tf->table, from, strict, direction, &portion);
        for (unsigned more = (unsigned)vb_random_below(&o->random, 4); more-- != 0;) {
            own_portion(o, &portion, direction, &next);
            if (!vst_portion_next(o->tf->table, &portion, &portion)) portion.count = 0;
        }
        own_portion(o, &portion, direction, &next);
        varve_slice fence = vst_portion_fence(&portion);
        void *copy = fence.data != NULL ? vb_arena_alloc(&arena, fence.size) : NULL;
        if (fence.data != NULL) from = VARVE_SLICE(memcpy(copy, fence.data, fence.size), fence.size);
        vos_rcu_exit();
        if (fence.data == NULL) break;
        strict = direction == VST_REVERSE;
    }
    for (; next >= 0 && next < (int)OWN_KEYS; next += direction)
        CHECK(o->keys[next].presence != PRESENT);
    vb_arena_release(&arena);
}

static void *own_run(void *arg) {
    struct owner *o = arg;
    struct vk_slot *slot = &o->tf->domain.slots[o->id + 1];
    vk_pin(&o->tf->domain, slot);
    for (unsigned step = 0; step < o->steps; step++) {
        if (step % 100 == 0) {
            vk_unpin(slot);
            vk_pin(&o->tf->domain, slot);
            o->near = NULL;
        }
        struct own_key *k = &o->keys[vb_random_below(&o->random, o->used) * OWN_KEYS / o->used];
        unsigned dice = (unsigned)vb_random_below(&o->random, 100);
        /* Phases in which most keys go, so that whole leaves do. */
        bool shrink = step / 700 % 2 != 0;
        if (dice < 10) own_lookup(o, k);
        else if (dice < 12) own_scan(o);
        else if (dice < 18) own_lookup_many(o);
        else if (k->presence == PRESENT && (shrink || dice < 40)) own_remove(o, k);
        else if (!shrink || dice < 20) own_insert(o, k);
    }
    vk_unpin(slot);
    vb_sub_acq_rel(&shared.running, 1u);
    return NULL;
}

static void *janitor_run(void *arg) {
    struct tf *tf = arg;
    while (vb_load_acquire(&shared.running) != 0) {
        CHECK(vk_janitor_round(&tf->domain) == VARVE_OK);
        vst_collect(tf->store);
        vos_thread_yield();
    }
    return NULL;
}

/* Every other run has a hash beside the tree. */
static void owners_at(unsigned leaf, unsigned inner, unsigned used, unsigned steps, uint64_t seed) {
    static struct owner owners[OWNERS];
    struct tf tf;
    pthread_t threads[OWNERS], janitor;
    tf_open_hashed(&tf, leaf, inner, seed % 2 == 0 ? 0 : UINT_MAX);
    shared.running = OWNERS;
    shared.failures = 0;
    for (unsigned i = 0; i < OWNERS; i++) {
        struct owner *o = &owners[i];
        memset(o, 0, sizeof(*o));
        o->tf = &tf;
        o->id = i;
        o->steps = steps;
        o->used = used;
        o->heap = vb_heap_open(tf.memory, 2 + i);
        vb_random_init(&o->random, seed + i);
        make_keys(o);
    }
    for (unsigned i = 0; i < OWNERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, own_run, &owners[i]), 0);
    assert_int_equal(pthread_create(&janitor, NULL, janitor_run, &tf), 0);
    for (unsigned i = 0; i < OWNERS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(janitor, NULL);
    assert_int_equal(shared.failures, 0);
    tf_settle(&tf);
    unsigned present = 0;
    for (unsigned i = 0; i < OWNERS; i++)
        for (unsigned k = 0; k < OWN_KEYS; k++)
            present += owners[i].keys[k].presence == PRESENT;
    struct tf_census census = tf_check(&tf);
    assert_int_equal(census.records, present);
    print_message("fan-out %u, %u records in %u leaves, %u empty\n", leaf, present, census.leaves, census.empty);
    for (unsigned i = 0; i < OWNERS; i++)
        vb_heap_close(owners[i].heap);
    tf_close(&tf);
}

static void test_owners(void **state) {
    (void)state;
    print_message("seed 11\n");
    owners_at(4, 4, OWN_KEYS, STEPS(60000), 11);
    owners_at(48, 48, OWN_KEYS, STEPS(60000), 22);
    owners_at(4, 4, 2, STEPS(100000), 33); /* the root comes and goes */
    owners_at(4, 4, 5, STEPS(100000), 44);
}

/* --- scanners ----------------------------------------------------------------------------------------------------- */

/* Writers insert and take back keys of their own; scanners freeze a range with gap locks, or remember phantom counters.
 * */
#define SPACE 60u
#define WRITERS 2u
#define SCANNERS 2u
#define LEAVES_MOST 64u

struct party {
    struct tf *tf;
    unsigned id; /* slot 1 .. */
    unsigned steps;
    struct vb_heap *heap;
    struct vb_random random;
    struct vb_arena arena;
    uint64_t busy, frozen, same;
};

static varve_slice space_key(unsigned n, uint8_t bytes[TF_KEY_MAX]) { return tf_key(TF_NUMBER, n, bytes); }

static void *writer_run(void *arg) {
    struct party *w = arg;
    struct vst_record *mine[SPACE] = {NULL};
    uint8_t bytes[TF_KEY_MAX];
    struct vk_slot *slot = &w->tf->domain.slots[w->id];
    vk_pin(&w->tf->domain, slot);
    for (unsigned step = 0; step < w->steps; step++) {
        unsigned n = (unsigned)vb_random_below(&w->random, SPACE / WRITERS) * WRITERS + w->id % WRITERS;
        vos_rcu_enter();
        if (mine[n] != NULL) {
            vst_remove_ghost(w->tf->table, w->heap, mine[n], 0);
            vb_store_release(&mine[n]->lk, 0);
            mine[n] = NULL;
        } else {
            struct vst_inserted in;
            int status = vst_insert_ghost(w->tf->table, w->heap, space_key(n, bytes), 8, w->id, 0, NULL, &in);
            CHECK(status == VARVE_OK || status == VARVE_BUSY || status == VARVE_EXISTS);
            if (status == VARVE_OK) mine[n] = in.record;
            if (status == VARVE_BUSY) w->busy++;
        }
        vos_rcu_exit();
        vk_unpin(slot);
        vk_pin(&w->tf->domain, slot);
    }
    for (unsigned n = 0; n < SPACE; n++) {
        if (mine[n] == NULL) continue;
        vos_rcu_enter();
        vst_remove_ghost(w->tf->table, w->heap, mine[n], 0);
        vb_store_release(&mine[n]->lk, 0);
        vos_rcu_exit();
    }
    vk_unpin(slot);
    vb_sub_acq_rel(&shared.running, 1u);
    return NULL;
}

/* What a scanner saw in [low, high). */
struct sight {
    unsigned count, leaves;
    struct vst_record *records[SPACE];
    struct vst_record *guard; /* the first record at or behind high */
    struct vst_leaf *leaf[LEAVES_MOST];
    uint32_t olc[LEAVES_MOST], phantom[LEAVES_MOST];
};

static void look(struct party *p, varve_slice low, varve_slice high, struct sight *s) {
    varve_slice from = low;
    struct vst_portion portion;
    s->count = 0;
    for (s->leaves = 0;; s->leaves++) {
        if (s->leaves == 0 || vb_random_below(&p->random, 2) == 0)
            vst_portion_read(p->tf->table, from, false, VST_FORWARD, &portion);
        else
            CHECK(vst_portion_next(p->tf->table, &portion, &portion));
        s->leaf[s->leaves] = portion.leaf;
        s->olc[s->leaves] = portion.olc;
        s->phantom[s->leaves] = portion.phantom;
        for (unsigned i = 0; i < portion.count; i++) {
            if (vb_compare(vst_record_key(portion.records[i]), high) >= 0) break;
            s->records[s->count++] = portion.records[i];
        }
        from = vst_portion_fence(&portion);
        if (from.data == NULL || vb_compare(from, high) >= 0) break;
    }
    s->leaves++;
    s->guard = vst_successor(p->tf->table, high, false);
}

struct held {
    unsigned count;
    struct vst_record *records[4096];
};

static void hold_gap(struct held *held, struct vst_record *record, uint64_t bit) {
    if ((vb_load_acquire(&record->gap) & bit) != 0) return;
    vb_or_acq_rel(&record->gap, bit);
    held->records[held->count++] = record;
}

/* Gap locks on all records of the range and on its successor; true when nothing moved meanwhile. */
static bool freeze(struct party *p, varve_slice high, const struct sight *s, struct held *held) {
    uint64_t bit = 1ull << p->id;
    for (unsigned i = 0; i < s->count; i++)
        hold_gap(held, s->records[i], bit);
    hold_gap(held, s->guard, bit);
    for (unsigned i = 0; i < s->leaves; i++)
        if (!vst_leaf_same(s->leaf[i], s->olc[i])) return false;
    return vst_successor(p->tf->table, high, false) == s->guard;
}

static void freeze_range(struct party *p, varve_slice low, varve_slice high, struct held *held) {
    struct sight first, again;
    held->count = 0;
    vos_rcu_enter();
    bool frozen = false;
    for (unsigned tries = 0; !frozen && tries < 50; tries++) {
        look(p, low, high, &first);
        frozen = freeze(p, high, &first, held);
    }
    vos_rcu_exit();
    for (unsigned i = 0; frozen && i < 3; i++) {
        if (i == 1) vos_thread_yield();
        vos_rcu_enter();
        look(p, low, high, &again);
        vos_rcu_exit();
        CHECK(again.count == first.count);
        if (again.count == first.count)
            CHECK(memcmp(again.records, first.records, first.count * sizeof(first.records[0])) == 0);
    }
    p->frozen += frozen;
    for (unsigned i = 0; i < held->count; i++)
        vb_and_acq_rel(&held->records[i]->gap, ~(1ull << p->id));
}

/* A key that is not there stays away while the gap it belongs to is locked. */
static void freeze_absence(struct party *p, varve_slice key, struct held *held) {
    struct vst_found found;
    held->count = 0;
    vos_rcu_enter();
    struct vst_record *guard = vst_successor(p->tf->table, key, false);
    bool absent = guard == vst_sentinel(p->tf->table) || !vb_equal(vst_record_key(guard), key);
    if (absent) hold_gap(held, guard, 1ull << p->id);
    bool frozen = absent && vst_successor(p->tf->table, key, false) == guard;
    for (unsigned i = 0; frozen && i < 3; i++) {
        if (i == 1) vos_thread_yield();
        vst_lookup(p->tf->table, key, &found);
        CHECK(found.record == NULL);
    }
    vos_rcu_exit();
    p->frozen += frozen;
    for (unsigned i = 0; i < held->count; i++)
        vb_and_acq_rel(&held->records[i]->gap, ~(1ull << p->id));
}

/* While the counters of all leaves stay, no key is new. */
static void trust_counters(struct party *p, varve_slice low, varve_slice high) {
    struct sight first, again;
    vos_rcu_enter();
    look(p, low, high, &first);
    vos_rcu_exit();
    vos_thread_yield();
    vos_rcu_enter();
    look(p, low, high, &again);
    vos_rcu_exit();
    for (unsigned i = 0; i < first.leaves; i++)
        if (!vst_phantom_same(first.leaf[i], first.phantom[i])) return;
    p->same++;
    unsigned at = 0;
    for (unsigned i = 0; i < again.count; i++) {
        while (at < first.count && first.records[at] != again.records[i])
            at++;
        CHECK(at < first.count);
    }
}

static void *scanner_run(void *arg) {
    struct party *p = arg;
    struct held *held = malloc(sizeof(*held));
    uint8_t low[TF_KEY_MAX], high[TF_KEY_MAX];
    struct vk_slot *slot = &p->tf->domain.slots[p->id];
    for (unsigned step = 0; step < p->steps; step++) {
        unsigned first = (unsigned)vb_random_below(&p->random, SPACE);
        unsigned end = first + 1 + (unsigned)vb_random_below(&p->random, 10); /* may be behind the last key */
        varve_slice from = space_key(first, low), to = space_key(end, high);
        vk_pin(&p->tf->domain, slot);
        if (step % 3 == 0) freeze_range(p, from, to, held);
        else if (step % 3 == 1) freeze_absence(p, from, held);
        else trust_counters(p, from, to);
        vb_arena_reset(&p->arena);
        vk_unpin(slot);
    }
    free(held);
    vb_sub_acq_rel(&shared.running, 1u);
    return NULL;
}

static void test_scanners(void **state) {
    (void)state;
    struct tf tf;
    struct party parties[WRITERS + SCANNERS];
    pthread_t threads[WRITERS + SCANNERS], janitor;
    print_message("seed 33\n");
    tf_open(&tf, 4, 4);
    memset(parties, 0, sizeof(parties));
    shared.running = WRITERS + SCANNERS;
    shared.failures = 0;
    for (unsigned i = 0; i < WRITERS + SCANNERS; i++) {
        struct party *p = &parties[i];
        p->tf = &tf;
        p->id = 2 + i;
        p->steps = STEPS(i < WRITERS ? 300000u : 10000u);
        p->heap = vb_heap_open(tf.memory, p->id);
        vb_arena_init(&p->arena, p->heap, 4096);
        vb_random_init(&p->random, 33 + i);
    }
    for (unsigned i = 0; i < WRITERS + SCANNERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? writer_run : scanner_run, &parties[i]), 0);
    assert_int_equal(pthread_create(&janitor, NULL, janitor_run, &tf), 0);
    for (unsigned i = 0; i < WRITERS + SCANNERS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(janitor, NULL);
    assert_int_equal(shared.failures, 0);
    tf_settle(&tf);
    assert_int_equal(tf_check(&tf).records, 0); /* what stayed for a gap lock was purged */
    uint64_t frozen = 0, same = 0, busy = 0;
    for (unsigned i = 0; i < WRITERS + SCANNERS; i++) {
        frozen += parties[i].frozen;
        same += parties[i].same;
        busy += parties[i].busy;
        vb_arena_release(&parties[i].arena);
        vb_heap_close(parties[i].heap);
    }
    print_message("%u ranges frozen, %u looks trusted, %u links refused\n", (unsigned)frozen, (unsigned)same,
                  (unsigned)busy);
    assert_true(frozen > 0 && same > 0 && busy > 0);
    tf_close(&tf);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_owners), cmocka_unit_test(test_scanners)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
