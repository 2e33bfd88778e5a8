/* test_word.c - the lock words: every word, every request.
 *
 * SPDX-License-Identifier: MIT
 */
#include "lock_fixture.h"

enum { ME = 3, OTHER = 9, MY_BIT = 5, HIS_BIT = 11, THIRD_BIT = 43 };
static const struct vlm_me me = {ME, (uint64_t)1 << MY_BIT};
static const struct vlm_me him = {OTHER, (uint64_t)1 << HIS_BIT};

static const unsigned modes[] = {VLM_S, VLM_U, VLM_X, VLM_GS, VLM_INSERT};
enum { MODES = 5 };

/* What a word says, in plain terms. */
struct plain {
    bool mine_writes, his_writes, upgrade, my_bit, his_bit, third_bit;
};

static bool expect_free(const struct plain *p, unsigned mode) {
    bool other_reader = p->his_bit || p->third_bit;
    switch (mode) {
    case VLM_S: return !p->his_writes;
    case VLM_U: return !p->his_writes;
    case VLM_X: return !p->his_writes && !other_reader;
    case VLM_GS: return true;
    default: return !other_reader;
    }
}

static bool expect_covered(const struct plain *p, unsigned mode) {
    switch (mode) {
    case VLM_S: return p->mine_writes || p->my_bit;
    case VLM_U: return p->mine_writes;
    case VLM_X: return p->mine_writes && !p->upgrade;
    case VLM_GS: return p->my_bit;
    default: return false;
    }
}

static uint64_t word_of(const struct plain *p, unsigned flags) {
    uint64_t v = 0;
    if (p->mine_writes) v |= vst_lk_of(ME);
    if (p->his_writes) v |= vst_lk_of(OTHER);
    if (p->upgrade) v |= VST_LK_UPGRADE;
    if (p->my_bit) v |= me.bit;
    if (p->his_bit) v |= him.bit;
    if (p->third_bit) v |= (uint64_t)1 << THIRD_BIT;
    if ((flags & 1) != 0) v |= VST_LK_WAITERS;
    if ((flags & 2) != 0) v |= VST_LK_CLAIM;
    return v;
}

static void judge_word(const struct plain *p, unsigned flags) {
    uint64_t v = word_of(p, flags), marks = v & (VST_LK_WAITERS | VST_LK_CLAIM);
    struct plain others = {false, p->his_writes, p->upgrade && p->his_writes, false, p->his_bit, p->third_bit};
    for (unsigned i = 0; i < MODES; i++) {
        struct vlm_rivals rivals = vlm_rivals(v, modes[i], me);
        assert_int_equal(rivals.writer == 0 && rivals.readers == 0, expect_free(p, modes[i]));
        assert_int_equal(vlm_covers(v, modes[i], me), expect_covered(p, modes[i]));
        assert_int_equal(rivals.readers & me.bit, 0);
        if (modes[i] == VLM_INSERT || !expect_free(p, modes[i]) || expect_covered(p, modes[i])) continue;
        uint64_t granted = vlm_granted(v, modes[i], me);
        assert_true(vlm_covers(granted, modes[i], me));
        assert_true((granted & (VST_LK_WAITERS | VST_LK_CLAIM)) == marks);
        assert_true((granted & him.bit) == (v & him.bit)); /* nobody else's lock is touched */
        if (modes[i] == VLM_X) assert_true((granted & VST_LK_READERS) == 0 && (granted & VST_LK_UPGRADE) == 0);
        if (modes[i] == VLM_U) assert_true((granted & me.bit) == 0 && (granted & VST_LK_UPGRADE) != 0);
        /* dropping leaves exactly what the others have, and the claim */
        assert_true(vlm_dropped(granted, me) == word_of(&others, flags & 2));
    }
    assert_true(vlm_dropped(v, me) == word_of(&others, flags & 2));
    assert_false(vlm_has_any(vlm_dropped(v, me), me));
}

static void word__every_request_on_every_word(void **state) {
    (void)state;
    unsigned words = 0;
    for (unsigned bits = 0; bits < 64; bits++) {
        struct plain p = {bits & 1, bits & 2, bits & 4, bits & 8, bits & 16, bits & 32};
        bool writer = p.mine_writes || p.his_writes;
        if (p.mine_writes && p.his_writes) continue;
        if (p.upgrade && !writer) continue;
        if (writer && !p.upgrade && (p.my_bit || p.his_bit || p.third_bit)) continue; /* X stands alone */
        if (p.mine_writes && p.my_bit) continue;                                      /* an upgrade gives S up */
        for (unsigned flags = 0; flags < 4; flags++, words++) judge_word(&p, flags);
    }
    assert_int_equal(words, 22 * 4);
}

/* Two transactions, every held mode against every request: the table of compatibility. */
static void word__compatibility(void **state) {
    (void)state;
    static const unsigned requests[] = {VLM_S, VLM_U, VLM_X};
    static const bool compatible[3][3] = {{true, true, false}, {false, false, false}, {false, false, false}};
    for (unsigned held = 0; held < 3; held++)
        for (unsigned asked = 0; asked < 3; asked++) {
            uint64_t v = vlm_granted(0, requests[held], him);
            struct vlm_rivals rivals = vlm_rivals(v, requests[asked], me);
            assert_int_equal(rivals.writer == 0 && rivals.readers == 0, compatible[held][asked]);
            assert_int_equal(rivals.writer != 0 ? rivals.writer : OTHER, OTHER);
        }
}

static void word__gap(void **state) {
    (void)state;
    uint64_t v = vlm_granted(0, VLM_GS, him);
    assert_true(v == him.bit);
    v = vlm_granted(v, VLM_GS, me);
    assert_true(vlm_rivals(v, VLM_INSERT, me).readers == him.bit);
    assert_true(vlm_rivals(vlm_dropped(v, him), VLM_INSERT, me).readers == 0);
}

static void word__without_a_reader_bit(void **state) {
    (void)state;
    struct vlm_me bare = {ME, 0};
    uint64_t readers = VST_LK_READERS;
    assert_false(vlm_covers(readers, VLM_S, bare));
    assert_true(vlm_rivals(readers, VLM_X, bare).readers == readers);
    assert_true(vlm_dropped(readers, bare) == readers);
}

static void word__drop_of_nothing_changes_nothing(void **state) {
    (void)state;
    struct lx lx;
    lx_open(&lx, VCC_WOUND_WAIT, 44);
    uint64_t v = vst_lk_of(OTHER) | VST_LK_WAITERS | VST_LK_CLAIM, word = v;
    vlm_drop(&lx.domain, &word, me);
    assert_true(word == v);
    lx.domain.slots[7].waiting_on = (uint64_t)(uintptr_t)&word;
    vlm_drop(&lx.domain, &word, him);
    assert_true(word == VST_LK_CLAIM);
    assert_int_equal(lx.domain.slots[7].wake, 1);
    assert_int_equal(lx.domain.slots[8].wake, 0);
    lx.domain.slots[7].waiting_on = 0;
    lx_close(&lx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(word__every_request_on_every_word),
        cmocka_unit_test(word__compatibility),
        cmocka_unit_test(word__gap),
        cmocka_unit_test(word__without_a_reader_bit),
        cmocka_unit_test(word__drop_of_nothing_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
