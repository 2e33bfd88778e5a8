/* policy.c - what a lock holder does about another that is in its way.
 *
 * Owns nothing. Thread rule: any thread.
 *  1. In wound-wait every wait is of a younger for an older lock holder, or for a victim, which will let go; in
 *     wait-die every wait is of an older for a younger. Either way no cycle can close.
 *  2. A holder that is committing is waited for under every policy, and never wounded: it waits for no lock any more.
 *  3. An ordinary committer is waited for under every policy: it holds nothing while it waits for a lock holder.
 *  4. Ages may be equal (a retry keeps its age and may run in another slot while its first slot begins anew at the same
 *     clock), so slot numbers decide then.
 * Source: Rosenkrantz, Stearns, Lewis, System Level Concurrency Control for Distributed Database Systems, TODS 1978, 4.
 *
 * SPDX-License-Identifier: MIT
 */
#include "lockmgr/lockmgr_int.h"

struct vlm_party vlm_party_of(const struct vk_slot *slot) {
    return (struct vlm_party){
        .age = vb_load_acquire(&slot->age),
        .slot = slot->id,
        .lock_holder = vb_load_acquire(&slot->lock_holder) != 0,
        .committing = vk_commit_state(vb_load_acquire(&slot->commit)) != VK_IDLE,
    };
}

bool vlm_older(const struct vlm_party *a, const struct vlm_party *b) {
    return a->age != b->age ? a->age < b->age : a->slot < b->slot;
}

enum vlm_verdict vlm_on_conflict(enum vcc_deadlock policy, const struct vlm_party *holder, const struct vlm_party *me) {
    if (!holder->lock_holder || holder->committing) return VLM_WAITS;
    switch (policy) {
    case VCC_WOUND_WAIT: return vlm_older(me, holder) ? VLM_WOUNDS : VLM_WAITS;
    case VCC_NO_WAIT: return VLM_DIES;
    case VCC_WAIT_DIE: return vlm_older(me, holder) ? VLM_WAITS : VLM_DIES;
    case VCC_DETECT: break;
    }
    return VLM_WAITS;
}
