/* stage.c - who may write and who may sync: one holder at a time, the others asleep on a word that cannot miss them.
 *
 * Thread rule: any thread.
 * Invariants
 *   1. Both words change at every release, after the outcome was stored and the stage is free, and at poisoning.
 *   2. Whoever a round covers is woken by its end. If anybody is left, one of them is woken too, first, and finds the
 *      stage free, or held by somebody whose end will wake the rest.
 *   3. A waiter that was woken to hold the next round does so, unless what it waits for has come meanwhile: then a
 *      later round has ended and has woken the rest.
 * Source: leader and followers as in group commit (DeWitt et al., Implementation Techniques for Main Memory Database
 * Systems, SIGMOD 1984, 5); two alternating words so that the end of a round does not wake those of the next.
 *
 * SPDX-License-Identifier: MIT
 */
#include "txnlog/txnlog_int.h"

void vtl_stage_look(struct vtl_stage *stage, struct vtl_ticket *ticket) {
    ticket->word[0] = vb_load_acquire(&stage->word[0]);
    ticket->word[1] = vb_load_acquire(&stage->word[1]);
    ticket->cut = vb_load_acquire(&stage->cut);
}

void vtl_stage_cover(struct vtl_stage *stage, uint64_t cts) {
    uint64_t before = vb_load_relaxed(&stage->cut);
    vb_store_release(&stage->cut, cts << 1 | (~before & 1));
}

/* The sleeper counts itself before the kernel compares the word; the waker changes the word before it looks at the
 * count. */
static void bump(struct vtl_stage *stage, unsigned which, unsigned wake) {
    vb_add_acq_rel(&stage->word[which], 1);
    vb_fence_seq_cst();
    if (vb_load_acquire(&stage->sleepers[which]) != 0) vos_futex_wake(&stage->word[which], wake);
}

void vtl_stage_wake_all(struct vtl_stage *stage) {
    bump(stage, 0, UINT32_MAX);
    bump(stage, 1, UINT32_MAX);
}

void vtl_stage_release(struct vtl_stage *stage, bool round_done) {
    unsigned covered = (unsigned)(vb_load_relaxed(&stage->cut) & 1);
    if (round_done) stage->served = vb_load_relaxed(&stage->sleepers[covered]) + 1;
    vb_store_release(&stage->held, 0);
    bump(stage, !covered, round_done ? 1 : UINT32_MAX);
    bump(stage, covered, UINT32_MAX);
}

static unsigned next_word(const struct vtl_stage *stage) { return !(vb_load_relaxed(&stage->cut) & 1); }

uint32_t vtl_stage_waiting(const struct vtl_stage *stage) {
    return vb_load_acquire(&stage->sleepers[next_word(stage)]);
}

/* Either the sleeper that completes the company sees the goal, or the holder sees the sleeper. */
void vtl_stage_gather(struct vtl_stage *stage, uint32_t goal, uint64_t limit_ns) {
    uint32_t word = vb_load_relaxed(&stage->complete);
    vb_store_release(&stage->goal, goal);
    vb_fence_seq_cst();
    if (vtl_stage_waiting(stage) < goal) vos_futex_wait(&stage->complete, word, limit_ns);
    vb_store_relaxed(&stage->goal, 0);
}

static void tell_gatherer(struct vtl_stage *stage, uint32_t sleepers) {
    uint32_t goal = vb_load_relaxed(&stage->goal);
    if (goal == 0 || sleepers < goal) return;
    vb_add_acq_rel(&stage->complete, 1);
    vos_futex_wake(&stage->complete, 1);
}

/* True: the word has changed. One waiter at a time watches, so that at most one processor is kept from the holder, and
 * none where others sleep already: with so many about, that processor has better things to do. */
static bool watch(struct vtl_stage *stage, unsigned which, uint32_t word) {
    uint32_t nobody = 0;
    if (stage->watch_turns == 0 || vb_load_relaxed(&stage->watched) != 0) return false;
    if (vb_load_relaxed(&stage->sleepers[0]) + vb_load_relaxed(&stage->sleepers[1]) != 0) return false;
    if (!vb_cas(&stage->watched, &nobody, 1)) return false;
    bool changed = false;
    for (uint32_t turn = 0; turn < stage->watch_turns && !changed; turn++) {
        vb_cpu_relax();
        changed = vb_load_acquire(&stage->word[which]) != word;
    }
    vb_store_release(&stage->watched, 0);
    return changed;
}

void vtl_stage_sleep(struct vtl_stage *stage, const struct vtl_ticket *ticket, uint64_t target) {
    unsigned running = (unsigned)(ticket->cut & 1);
    unsigned which = target <= ticket->cut >> 1 ? running : !running;
    if (watch(stage, which, ticket->word[which])) return;
    uint32_t sleepers = vb_add_acq_rel(&stage->sleepers[which], 1) + 1;
    vb_fence_seq_cst();
    if (which != running) tell_gatherer(stage, sleepers);
    vos_futex_wait(&stage->word[which], ticket->word[which], 0);
    vb_sub_acq_rel(&stage->sleepers[which], 1);
}

/* No round covers the end of time, so this waiter is woken to hold; it never leaves without holding (invariant 3). */
void vtl_stage_lock(struct vtl_stage *stage) {
    struct vtl_ticket ticket;
    for (;;) {
        vtl_stage_look(stage, &ticket);
        if (vtl_stage_try(stage)) return;
        vtl_stage_sleep(stage, &ticket, UINT64_MAX);
    }
}
