/* word.c - the two lock words of a record: who is in the way, what a grant and a release make of a word.
 *
 * Owns nothing. Thread rule: any thread. Everything but vlm_drop and vlm_wake_word is a function of a loaded value.
 *
 * | request | lk: writer field | lk: reader bits | becomes |
 * | S | must be empty | any | + own bit |
 * | U | empty | any | writer = own, UPGRADE; own bit goes |
 * | X | empty or own | none but own | writer = own; UPGRADE and own bit go |
 *
 * | request | gap: reader bits | becomes |
 * | GS | any | + own bit |
 * | INSERT | none but own | (nothing is taken) |
 *
 * WAITERS and CLAIM pass through a grant unchanged; a release takes WAITERS with it and leaves CLAIM.
 * Source: the lock word of Graefe, A Survey of B-Tree Locking Techniques, TODS 2010, 3 (S, U, X); that bits name their
 * owners, so that a conflict is known by name, is ours.
 *
 * SPDX-License-Identifier: MIT
 */
#include "lockmgr/lockmgr_int.h"

#include "base/planted.h"

struct vlm_rivals vlm_rivals(uint64_t v, unsigned mode, struct vlm_me me) {
    struct vlm_rivals rivals = {0, 0};
    if (mode != VLM_GS && mode != VLM_INSERT && vst_lk_writer(v) != me.slot) rivals.writer = vst_lk_writer(v);
    if (VB_PLANTED(25) && mode == VLM_X && (v & me.bit) != 0) return rivals;
    if (mode == VLM_X || mode == VLM_INSERT) rivals.readers = v & VST_LK_READERS & ~me.bit;
    return rivals;
}

bool vlm_covers(uint64_t v, unsigned mode, struct vlm_me me) {
    bool writer = vst_lk_writer(v) == me.slot;
    switch (mode) {
    case VLM_S: return writer || (v & (VB_PLANTED(32) ? VST_LK_READERS : me.bit)) != 0;
    case VLM_U: return writer;
    case VLM_X: return writer && (v & VST_LK_UPGRADE) == 0;
    case VLM_GS: return (v & me.bit) != 0;
    default: return false;
    }
}

bool vlm_has_any(uint64_t v, struct vlm_me me) { return vst_lk_writer(v) == me.slot || (v & me.bit) != 0; }

uint64_t vlm_granted(uint64_t v, unsigned mode, struct vlm_me me) {
    switch (mode) {
    case VLM_S:
    case VLM_GS: return v | me.bit;
    case VLM_U: return (v & ~me.bit) | vst_lk_of(me.slot) | VST_LK_UPGRADE;
    case VLM_X: return (v & ~(me.bit | VST_LK_UPGRADE)) | vst_lk_of(me.slot);
    default: return v;
    }
}

uint64_t vlm_dropped(uint64_t v, struct vlm_me me) {
    v &= ~(me.bit | VST_LK_WAITERS);
    if (vst_lk_writer(v) == me.slot) v &= ~(VST_LK_UPGRADE | vst_lk_of(0xffff));
    return v;
}

void vlm_drop(struct vk_domain *domain, uint64_t *word, struct vlm_me me) {
    uint64_t v = vb_load_relaxed(word);
    do {
        if (!vlm_has_any(v, me)) return;
    } while (!vb_cas(word, &v, vlm_dropped(v, me)));
    VK_YIELD(domain, lock_release);
    if (vb_unlikely((v & VST_LK_WAITERS) != 0)) vlm_wake_word(domain, word);
}

void vlm_wake_word(struct vk_domain *domain, const uint64_t *word) {
    for (unsigned id = 1; id <= domain->slot_count; id++)
        if (vb_load_acquire(&domain->slots[id].waiting_on) == (uint64_t)(uintptr_t)word) {
            vk_wake(domain, id);
            if (VB_PLANTED(31)) break;
        }
}
