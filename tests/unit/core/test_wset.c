/* test_wset.c - the write set against a plain list: adding, superseding, rolling back, finding, walking, sorting.
 *
 * SPDX-License-Identifier: MIT
 */
#include "core/wset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/random.h"

struct fixture {
    struct vb_memory *memory;
    struct vb_heap *heap;
    struct vb_arena arena;
    struct vk_wset wset;
};

static int setup(void **state) {
    static struct fixture fixture;
    fixture.memory = vb_memory_open(1);
    fixture.heap = vb_heap_open(fixture.memory, 0);
    vb_arena_init(&fixture.arena, fixture.heap, 4096);
    vk_wset_init(&fixture.wset, &fixture.arena);
    *state = &fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    vb_arena_release(&fixture->arena);
    vb_heap_close(fixture->heap);
    assert_int_equal(vb_memory_used(fixture->memory), 0);
    vb_memory_close(fixture->memory);
    return 0;
}

static varve_slice text(const char *string) {
    return (varve_slice){string, strlen(string)};
}

static struct vk_write *put(struct vk_wset *wset, uint32_t table, const char *key, const char *value) {
    struct vk_write write = {.table_id = table, .key = text(key), .value = text(value), .kind = VK_PUT}, *added = NULL;
    assert_int_equal(vk_wset_add(wset, &write, &added), VARVE_OK);
    return added;
}

static void wset__empty(void **state) {
    struct vk_wset *wset = &((struct fixture *)*state)->wset;
    assert_null(vk_wset_find(wset, 1, text("a")));
    assert_null(vk_wset_ge(wset, 1, text("a"), false));
    assert_null(vk_wset_le(wset, 1, (varve_slice){NULL, 0}, false));
    assert_int_equal(vk_wset_mark(wset), 0);
    vk_wset_rollback(wset, 0);
    vk_wset_sorted(wset, NULL);
}

static void wset__copies_what_it_is_given(void **state) {
    struct vk_wset *wset = &((struct fixture *)*state)->wset;
    char key[] = "key", value[] = "value";
    struct vk_write *write = put(wset, 1, key, value);
    memset(key, 'x', 3);
    memset(value, 'x', 5);
    assert_true(vb_equal(write->key, text("key")));
    assert_true(vb_equal(write->value, text("value")));
    assert_ptr_equal(vk_wset_find(wset, 1, text("key")), write);
    assert_null(vk_wset_find(wset, 2, text("key")));
    assert_null(vk_wset_find(wset, 1, text("ke")));
    assert_int_equal(wset->bytes, 8);
}

static void wset__supersede_inherits(void **state) {
    struct vk_wset *wset = &((struct fixture *)*state)->wset;
    int record;
    struct vk_write *first = put(wset, 1, "k", "1");
    first->record = (struct vst_record *)(void *)&record;
    first->held = true;
    first->precondition = VK_MUST_BE_ABSENT;
    struct vk_write *second = put(wset, 1, "k", "22");
    assert_true(first->superseded);
    assert_ptr_equal(second->previous, first);
    assert_ptr_equal(second->record, &record);
    assert_true(second->held);
    assert_int_equal(second->precondition, VK_MUST_BE_ABSENT);
    assert_int_equal(wset->live, 1);
    assert_int_equal(wset->count, 2);
    assert_ptr_equal(vk_wset_find(wset, 1, text("k")), second);
    vk_wset_rollback(wset, 1);
    assert_false(first->superseded);
    assert_ptr_equal(vk_wset_find(wset, 1, text("k")), first);
    assert_int_equal(wset->bytes, 2);
}

/* A lock taken for the write that is rolled back is still held. */
static void wset__revived_write_keeps_the_lock(void **state) {
    struct vk_wset *wset = &((struct fixture *)*state)->wset;
    int record;
    struct vk_write *first = put(wset, 1, "k", "1");
    struct vk_write *second = put(wset, 1, "k", "2");
    second->record = (struct vst_record *)(void *)&record;
    second->held = true;
    vk_wset_rollback(wset, 1);
    assert_ptr_equal(first->record, &record);
    assert_true(first->held);
}

static void wset__delete_has_no_value(void **state) {
    struct vk_wset *wset = &((struct fixture *)*state)->wset;
    struct vk_write write = {.table_id = 1, .key = text("k"), .value = text("rest"), .kind = VK_DELETE}, *added;
    assert_int_equal(vk_wset_add(wset, &write, &added), VARVE_OK);
    assert_int_equal(added->value.size, 0);
    assert_int_equal(wset->bytes, 1);
}

static void wset__order_is_table_then_key(void **state) {
    struct vk_wset *wset = &((struct fixture *)*state)->wset;
    struct vk_write *c = put(wset, 256, "a", ""), *b = put(wset, 2, "ab", ""), *a = put(wset, 2, "a", "");
    struct vk_write *sorted[3];
    vk_wset_sorted(wset, sorted);
    assert_ptr_equal(sorted[0], a);
    assert_ptr_equal(sorted[1], b);
    assert_ptr_equal(sorted[2], c);
    assert_ptr_equal(vk_wset_ge(wset, 2, (varve_slice){NULL, 0}, false), a);
    assert_ptr_equal(vk_wset_le(wset, 2, (varve_slice){NULL, 0}, false), b);
    assert_ptr_equal(vk_wset_ge(wset, 2, text("a"), true), b);
    assert_null(vk_wset_ge(wset, 2, text("ab"), true)); /* not into the next table */
    assert_null(vk_wset_le(wset, 256, text("a"), true));
    assert_null(vk_wset_ge(wset, 3, (varve_slice){NULL, 0}, false));
}

static void wset__out_of_memory_changes_nothing(void **state) {
#ifdef VARVE_ASSERTS
    struct fixture *fixture = *state;
    char value[3000];
    memset(value, 'v', sizeof(value));
    unsigned refused = 0;
    for (unsigned i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%u", i);
        struct vk_write write = {.table_id = 1, .key = text(key), .value = {value, sizeof(value)}, .kind = VK_PUT};
        struct vk_write *added = NULL;
        uint64_t bytes = fixture->wset.bytes;
        vb_alloc_fail_after(1);
        int status = vk_wset_add(&fixture->wset, &write, &added);
        vb_alloc_fail_after(0);
        if (status == VARVE_OK) continue;
        refused++;
        assert_int_equal(status, VARVE_NOMEM);
        assert_null(added);
        assert_int_equal(fixture->wset.bytes, bytes);
        assert_null(vk_wset_find(&fixture->wset, 1, text(key)));
        assert_int_equal(vk_wset_add(&fixture->wset, &write, &added), VARVE_OK);
        assert_int_equal(fixture->wset.live, i + 1);
    }
    assert_true(refused > 50);
#else
    (void)state;
    skip();
#endif
}

/* --- against a plain list ----------------------------------------------------------------------------------------- */

enum { MODEL_MAX = 600, KEYS = 90 };

struct model_write {
    uint32_t table;
    unsigned key;
    struct vk_write *write;
};
struct model {
    struct model_write list[MODEL_MAX];
    unsigned count;
};

/* Keys of many lengths with long common beginnings. */
static varve_slice key_of(unsigned key, char *buffer) {
    unsigned size = 1 + key % 7 * 3;
    memset(buffer, 'p', size);
    buffer[size - 1] = (char)(key & 0xff);
    return (varve_slice){buffer, size};
}

static const struct model_write *model_find(const struct model *model, uint32_t table, unsigned key) {
    for (unsigned i = model->count; i-- > 0;)
        if (model->list[i].table == table && model->list[i].key == key) return &model->list[i];
    return NULL;
}

static bool model_live(const struct model *model, unsigned i) {
    return model_find(model, model->list[i].table, model->list[i].key) == &model->list[i];
}

static struct vk_write *model_seek(const struct model *model, uint32_t table, varve_slice key, bool strict, int dir) {
    struct vk_write *best = NULL;
    for (unsigned i = 0; i < model->count; i++) {
        struct vk_write *write = model->list[i].write;
        if (model->list[i].table != table || !model_live(model, i)) continue;
        int order = key.data == NULL ? 1 : dir * vb_compare(write->key, key);
        if (order < 0 || (order == 0 && strict)) continue;
        if (best == NULL || dir * vb_compare(write->key, best->key) < 0) best = write;
    }
    return best;
}

static void check_walks(struct vk_wset *wset, const struct model *model, struct vb_random *random) {
    char buffer[32];
    for (unsigned i = 0; i < 4; i++) {
        uint32_t table = 1 + (uint32_t)vb_random_below(random, 3);
        varve_slice key = key_of((unsigned)vb_random_below(random, KEYS), buffer);
        if (vb_random_below(random, 6) == 0) key = (varve_slice){NULL, 0};
        bool strict = vb_random_below(random, 2) != 0;
        assert_ptr_equal(vk_wset_ge(wset, table, key, strict), model_seek(model, table, key, strict, 1));
        assert_ptr_equal(vk_wset_le(wset, table, key, strict), model_seek(model, table, key, strict, -1));
    }
}

static void check_sorted(struct vk_wset *wset, const struct model *model) {
    static struct vk_write *sorted[MODEL_MAX];
    unsigned live = 0;
    for (unsigned i = 0; i < model->count; i++) live += model_live(model, i);
    assert_int_equal(wset->live, live);
    vk_wset_sorted(wset, sorted);
    for (unsigned i = 0; i < live; i++) {
        assert_false(sorted[i]->superseded);
        if (i == 0) continue;
        const struct vk_write *a = sorted[i - 1], *b = sorted[i];
        assert_true(a->table_id < b->table_id || (a->table_id == b->table_id && vb_compare(a->key, b->key) < 0));
    }
}

static void random_step(struct vk_wset *wset, struct model *model, struct vb_random *random) {
    char buffer[32], value[8];
    if (model->count != 0 && (model->count == MODEL_MAX || vb_random_below(random, 40) == 0)) {
        unsigned mark = (unsigned)vb_random_below(random, model->count + 1);
        if (vb_random_below(random, 2) != 0 && model->count > 4) mark = model->count - 4;
        vk_wset_rollback(wset, mark);
        model->count = mark;
        assert_int_equal(vk_wset_mark(wset), mark);
        return;
    }
    struct model_write *made = &model->list[model->count];
    made->table = 1 + (uint32_t)vb_random_below(random, 3);
    made->key = (unsigned)vb_random_below(random, KEYS);
    snprintf(value, sizeof(value), "%u", model->count);
    struct vk_write write = {.table_id = made->table, .key = key_of(made->key, buffer), .value = text(value),
                             .kind = VK_PUT};
    const struct model_write *old = model_find(model, made->table, made->key);
    struct vk_write *old_write = old != NULL ? old->write : NULL;
    assert_int_equal(vk_wset_add(wset, &write, &made->write), VARVE_OK);
    assert_ptr_equal(made->write->previous, old_write);
    model->count++;
}

static void wset__agrees_with_a_list(void **state) {
    struct fixture *fixture = *state;
    const char *given = getenv("VARVE_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 1;
    printf("seed %llu\n", (unsigned long long)seed);
    static struct model model;
    struct vb_random random;
    char buffer[32];
    for (unsigned round = 0; round < 60; round++) {
        vb_random_init(&random, seed + round);
        vk_wset_reset(&fixture->wset);
        vb_arena_reset(&fixture->arena);
        model.count = 0;
        unsigned walk_from = (unsigned)vb_random_below(&random, 300); /* the ordered view is built late */
        for (unsigned step = 0; step < 500; step++) {
            random_step(&fixture->wset, &model, &random);
            unsigned key = (unsigned)vb_random_below(&random, KEYS);
            const struct model_write *found = model_find(&model, 2, key);
            assert_ptr_equal(vk_wset_find(&fixture->wset, 2, key_of(key, buffer)), found != NULL ? found->write : NULL);
            if (step >= walk_from) check_walks(&fixture->wset, &model, &random);
            if (step % 50 == 0) check_sorted(&fixture->wset, &model);
        }
    }
}

/* A whole walk up and down, over enough ascending keys to make a list of an unbalanced tree. */
static void wset__long_walk(void **state) {
    struct vk_wset *wset = &((struct fixture *)*state)->wset;
    enum { COUNT = 20000 };
    static struct vk_write *sorted[COUNT];
    char key[16];
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(key, sizeof(key), "%08u", i);
        put(wset, 1, key, "v");
    }
    vk_wset_sorted(wset, sorted);
    unsigned seen = 0;
    for (struct vk_write *w = vk_wset_ge(wset, 1, (varve_slice){NULL, 0}, false); w != NULL;
         w = vk_wset_ge(wset, 1, w->key, true))
        assert_ptr_equal(w, sorted[seen++]);
    assert_int_equal(seen, COUNT);
    for (struct vk_write *w = vk_wset_le(wset, 1, (varve_slice){NULL, 0}, false); w != NULL;
         w = vk_wset_le(wset, 1, w->key, true))
        assert_ptr_equal(w, sorted[--seen]);
    assert_int_equal(seen, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wset__empty, setup, teardown),
        cmocka_unit_test_setup_teardown(wset__copies_what_it_is_given, setup, teardown),
        cmocka_unit_test_setup_teardown(wset__supersede_inherits, setup, teardown),
        cmocka_unit_test_setup_teardown(wset__revived_write_keeps_the_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(wset__delete_has_no_value, setup, teardown),
        cmocka_unit_test_setup_teardown(wset__order_is_table_then_key, setup, teardown),
        cmocka_unit_test_setup_teardown(wset__out_of_memory_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(wset__agrees_with_a_list, setup, teardown),
        cmocka_unit_test_setup_teardown(wset__long_walk, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
