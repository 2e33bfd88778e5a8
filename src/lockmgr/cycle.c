/* cycle.c - the search for a cycle in the waits-for graph, for the policy `detect`.
 *
 * Owns nothing; the graph is in the slots (waiting_on) and in the words they wait for. Thread rule: any thread, in a
 * read section: a waiter's pin keeps the record it waits for, and the section keeps it once the waiter has gone.
 *  1. A waiter waits for the writer of its word, or, where the writer field is empty or its own, for the other readers;
 *     and, while the word shows a claim, for the older ones that wait for it too. A waiter for X behind a U that others
 *     read beside waits for both; the readers are seen once the U has gone.
 *  2. Words change while they are read, so a cycle may be found that never stood at one moment: a victim too many,
 *     never a missed deadlock, for a cycle that stands is found by every later search.
 *  3. The path is at most PATH_MAX_SLOTS long; longer cycles end by the lock timeout.
 *  4. All who search a cycle choose the same victim, its youngest member.
 * Source: depth-first search over one outgoing wait per transaction; Agrawal, Carey, DeWitt, Deadlock Detection is
 * Cheap, SIGMOD Record 1983.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "lockmgr/lockmgr_int.h"

#include "base/planted.h"

enum { PATH_MAX_SLOTS = 64 };

struct step {
    unsigned slot;
    const uint64_t *queue; /* its older waiters are still to follow, after slot `queued`; NULL: none */
    unsigned queued;
    unsigned writer;  /* still to follow, 0: none */
    uint64_t readers; /* still to follow, by reader bit */
};
struct path {
    struct vk_domain *domain;
    unsigned depth;
    struct step steps[PATH_MAX_SLOTS];
    uint64_t visited[(VK_SLOTS_MAX + 64) / 64];
};

static void push(struct path *path, unsigned slot_id) {
    const struct vk_slot *slot = &path->domain->slots[slot_id];
    struct step *step = &path->steps[path->depth++];
    *step = (struct step){.slot = slot_id};
    path->visited[slot_id / 64] |= (uint64_t)1 << (slot_id % 64);
    const uint64_t *word = (const uint64_t *)(uintptr_t)vb_load_acquire(&slot->waiting_on);
    if (word == NULL) return;
    uint64_t v = vb_load_acquire(word);
    uint32_t leased = vb_load_relaxed(&slot->reader_bit);
    uint64_t own = leased != 0 ? (uint64_t)1 << (leased - 1) : 0;
    if (vst_lk_writer(v) != 0 && vst_lk_writer(v) != slot_id)
        step->writer = vst_lk_writer(v);
    else if (!VB_PLANTED(26))
        step->readers = v & VST_LK_READERS & ~own;
    if ((v & VST_LK_CLAIM) != 0 || VB_PLANTED(27)) step->queue = word;
}

static unsigned any_waiter(struct vk_domain *domain, const uint64_t *word, unsigned self, unsigned after) {
    for (unsigned id = after + 1; id <= domain->slot_count; id++)
        if (id != self && vb_load_acquire(&domain->slots[id].waiting_on) == (uint64_t)(uintptr_t)word) return id;
    return 0;
}

/* The next slot that the last of the path waits for, 0: none is left. */
static unsigned next_edge(struct path *path) {
    struct step *step = &path->steps[path->depth - 1];
    unsigned to = step->writer <= path->domain->slot_count ? step->writer : 0;
    step->writer = 0;
    while (to == 0 && step->readers != 0) {
        to = vk_reader_bit_owner(path->domain, (unsigned)__builtin_ctzll(step->readers));
        step->readers &= step->readers - 1;
    }
    if (to != 0 || step->queue == NULL) return to;
    to = VB_PLANTED(27) ? any_waiter(path->domain, step->queue, step->slot, step->queued)
                        : vlm_older_waiter(path->domain, step->queue, step->slot, step->queued);
    step->queued = to;
    if (to == 0) step->queue = NULL;
    return to;
}

static unsigned youngest(const struct path *path, uint64_t *gen) {
    struct vlm_party victim = {0};
    for (unsigned i = 0; i < path->depth; i++) {
        const struct vk_slot *slot = &path->domain->slots[path->steps[i].slot];
        uint64_t seen = vb_load_acquire(&slot->gen);
        struct vlm_party party = vlm_party_of(slot);
        if (i != 0 && !vlm_older(&victim, &party)) continue;
        victim = party;
        *gen = seen;
    }
    return victim.slot;
}

unsigned vlm_find_cycle(struct vk_domain *domain, unsigned self, uint64_t *gen) {
    struct path path;
    path.domain = domain;
    path.depth = 0;
    memset(path.visited, 0, sizeof(path.visited));
    push(&path, self);
    while (path.depth != 0) {
        VK_YIELD(domain, lock_search);
        unsigned to = next_edge(&path);
        if (to == self) return youngest(&path, gen);
        if (to == 0)
            path.depth--;
        else if ((path.visited[to / 64] >> (to % 64) & 1) == 0 && path.depth < (VB_PLANTED(15) ? 2 : PATH_MAX_SLOTS))
            push(&path, to);
    }
    return 0;
}
