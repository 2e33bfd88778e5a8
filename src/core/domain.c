/* domain.c - opening a domain, the janitor's round, sleeping and waking, reader bits.
 *
 * Thread rule: open, close and vk_janitor_round by one thread at a time; the rest by any thread.
 * Invariants, besides those of domain.h
 *   1. Two captures exist for the life of the domain: the published one, and one that nobody can reach because a grace
 *      period has passed since it was replaced. A round therefore needs no memory: it is wanted most when there is
 *      none.
 *   2. A captured stamp is one that its owner may go on to use: every slot value at or above the last floor, and of the
 *      lower ones those that were captured before. What is left out belongs to a slot whose owner is about to see the
 *      floor and take a newer stamp; believing it would make min_snap fall.
 *   3. reader_bit_owner[b] is stored before any lock word shows bit b, and cleared before the bit can be leased again.
 * Sources: those of domain.h. The pair of a cheap barrier and membarrier(2) is Dekker's algorithm made asymmetric, as
 * in Desnoyers et al., User-Level Implementations of Read-Copy Update, IEEE TPDS 2012, 3.
 *
 * SPDX-License-Identifier: MIT
 */
#include "core/domain.h"

#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/planted.h"
#include "os/rcu.h"

/* One block holds the slots, the two captures and the owners of the reader bits, in this order. */
static size_t slots_bytes(const struct vk_domain *domain) {
    return ((size_t)domain->slot_count + 1) * sizeof(struct vk_slot);
}

static size_t capture_bytes(const struct vk_domain *domain) {
    size_t bytes = sizeof(struct vk_capture) + (size_t)domain->slot_count * sizeof(uint64_t);
    return (bytes + VB_CACHE_LINE - 1) & ~(size_t)(VB_CACHE_LINE - 1);
}

static size_t block_bytes(const struct vk_domain *domain) {
    return slots_bytes(domain) + 2 * capture_bytes(domain) + VK_READER_BITS_MAX * sizeof(uint32_t);
}

static struct vk_capture *capture_at(const struct vk_domain *domain, unsigned which) {
    return (struct vk_capture *)(void *)((uint8_t *)domain->slots + slots_bytes(domain) +
                                         which * capture_bytes(domain));
}

static uint32_t *reader_bit_owners(const struct vk_domain *domain) {
    return (uint32_t *)(void *)((uint8_t *)domain->slots + slots_bytes(domain) + 2 * capture_bytes(domain));
}

int vk_domain_open(struct vk_domain *domain, struct vos *os, struct vb_memory *memory, const struct vk_limits *limits) {
    VB_ASSERT(limits->slots >= 1 && limits->slots <= VK_SLOTS_MAX);
    VB_ASSERT(limits->reader_bits >= 1 && limits->reader_bits <= VK_READER_BITS_MAX);
    memset(domain, 0, sizeof(*domain));
    vos_membarrier_ready();
    domain->os = os;
    domain->memory = memory;
    domain->limits = *limits;
    domain->slot_count = limits->slots;
    domain->janitor_heap = vb_heap_open(memory, 0); /* heaps 1..slots are the slots' own */
    if (domain->janitor_heap == NULL) return VARVE_NOMEM;
    domain->slots = vb_heap_alloc_line(domain->janitor_heap, block_bytes(domain));
    if (domain->slots == NULL) {
        vb_heap_close(domain->janitor_heap);
        domain->janitor_heap = NULL;
        return VARVE_NOMEM;
    }
    memset(domain->slots, 0, block_bytes(domain));
    for (unsigned id = 0; id <= domain->slot_count; id++) {
        struct vk_slot *slot = &domain->slots[id];
        slot->id = id;
        slot->snap = VK_NO_SNAP;
        slot->pin = VK_NO_PIN;
        slot->gen = 1;
    }
    domain->split_reach = limits->split_reach;
    domain->epoch = 1;
    domain->min_pin = 1;
    domain->capture = capture_at(domain, 0);
    vb_arena_poison(capture_at(domain, 1), capture_bytes(domain));
    return VARVE_OK;
}

void vk_domain_close(struct vk_domain *domain) {
    if (domain->slots == NULL) return;
    vb_arena_unpoison(domain->slots, block_bytes(domain));
    vb_heap_free_line(domain->janitor_heap, domain->slots, block_bytes(domain));
    vb_heap_close(domain->janitor_heap);
    domain->slots = NULL;
    domain->janitor_heap = NULL;
    domain->capture = NULL;
}

/* --- the janitor's round ------------------------------------------------------------------------------------------ */

/* Shell's sort with Ciura's gaps: a few thousand stamps at most, often in order already, no memory. */
static void sort_stamps(uint64_t *stamps, size_t count) {
    static const size_t gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
        size_t gap = gaps[g];
        for (size_t i = gap; i < count; i++) {
            uint64_t stamp = stamps[i];
            size_t j = i;
            for (; j >= gap && stamps[j - gap] > stamp; j -= gap) stamps[j] = stamps[j - gap];
            stamps[j] = stamp;
        }
    }
}

static size_t drop_repeats(uint64_t *stamps, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || stamps[kept - 1] != stamps[i]) stamps[kept++] = stamps[i];
    return kept;
}

static bool captured(const struct vk_capture *capture, uint64_t stamp) {
    size_t low = 0, high = capture->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (capture->snaps[middle] < stamp)
            low = middle + 1;
        else
            high = middle;
    }
    return low < capture->count && capture->snaps[low] == stamp;
}

/* After the membarrier: fills `next` with what the slots show. */
static void capture_snapshots(const struct vk_domain *domain, const struct vk_capture *last, uint64_t gc_floor,
                              struct vk_capture *next) {
    size_t count = 0;
    for (unsigned id = 1; id <= domain->slot_count; id++) {
        uint64_t snap = vb_load_acquire(&domain->slots[id].snap); /* pairs with vk_snapshot_release */
        if (snap == VK_NO_SNAP) continue;
        VK_YIELD(domain, gc_slot);
        if (snap < last->gc_floor && (!captured(last, snap) || VB_PLANTED(52))) continue;
        next->snaps[count++] = snap;
    }
    sort_stamps(next->snaps, count);
    next->count = drop_repeats(next->snaps, count);
    next->gc_floor = gc_floor;
    next->min_snap = next->count != 0 && next->snaps[0] < gc_floor ? next->snaps[0] : gc_floor;
}

/* --- the split ---------------------------------------------------------------------------------------------------- */

/* Before the membarrier: draws a split where the oldest snapshot is a long one and there is none. */
static uint64_t split_drawn(struct vk_domain *domain, const struct vk_capture *last, uint64_t gc_floor) {
    if (last->split != 0) return last->split;
    if (domain->long_rounds < domain->limits.long_rounds) return 0;
    uint64_t reach = 2 * (gc_floor - last->gc_floor);
    if (reach > domain->split_reach) domain->split_reach = reach;
    uint64_t split = gc_floor + domain->split_reach;
    vb_store_release(&domain->split, split);
    return split;
}

/* After it: a split that the clock has passed already may have been missed by whoever drew a stamp above it. */
static uint64_t split_certified(struct vk_domain *domain, const struct vk_capture *last, uint64_t split) {
    if (split == 0 || last->split != 0) return split;
    if (vb_load_acquire(&domain->clock) <= split || VB_PLANTED(120)) {
        domain->split_reach = domain->limits.split_reach;
        return split;
    }
    domain->split_reach *= 2;
    vb_store_release(&domain->split, 0);
    return 0;
}

static uint64_t lowest_above(const struct vk_capture *capture, uint64_t split) {
    for (size_t i = 0; i < capture->count; i++)
        if (capture->snaps[i] > split) return capture->snaps[i] < capture->gc_floor ? capture->snaps[i] : capture->gc_floor;
    return capture->gc_floor;
}

/* Fills in split and young_min of the next capture, whose snapshots are known. */
static void split_settle(struct vk_domain *domain, const struct vk_capture *last, uint64_t split, struct vk_capture *next) {
    bool same = last->min_snap == next->min_snap && next->min_snap < next->gc_floor;
    domain->long_rounds = same ? domain->long_rounds + 1 : 0;
    bool passed = next->min_snap > split || (VB_PLANTED(121) && next->gc_floor > split);
    if (split != 0 && passed) vb_store_release(&domain->split, 0);
    next->split = passed ? 0 : split;
    next->young_min = next->split == 0 && !VB_PLANTED(127) ? next->min_snap : lowest_above(next, split);
}

static uint64_t lowest_pin(const struct vk_domain *domain, uint64_t otherwise) {
    uint64_t lowest = otherwise;
    for (unsigned id = 1; id <= domain->slot_count; id++) {
        uint64_t pin = vb_load_acquire(&domain->slots[id].pin); /* pairs with vk_unpin */
        if (pin < lowest) lowest = pin;
    }
    return lowest;
}

int vk_janitor_round(struct vk_domain *domain) {
    vos_assert_may_wait();
    struct vk_capture *last = domain->capture;
    struct vk_capture *next = capture_at(domain, last == capture_at(domain, 0) ? 1 : 0);
    vb_arena_unpoison(next, capture_bytes(domain));
    vb_store_relaxed(&domain->janitor_asked, 0);
    uint64_t gc_floor = vb_load_acquire(&domain->clock);
    VK_YIELD(domain, gc_clock);
    vb_store_release(&domain->gc_floor, gc_floor);
    VK_YIELD(domain, gc_floor);
    uint64_t split = split_drawn(domain, last, gc_floor);
    VK_YIELD(domain, gc_split);
    vos_membarrier(); /* pairs with the light barriers of vk_snapshot_register, vk_snapshot_move, vk_pin and vst_install */
    split = split_certified(domain, last, split);
    capture_snapshots(domain, last, gc_floor, next);
    split_settle(domain, last, split, next);
    VB_ASSERT(next->min_snap >= last->min_snap && next->young_min >= last->young_min); /* C4 */
    vos_rcu_publish(&domain->capture, next);
    VK_YIELD(domain, gc_captured);
    vb_store_release(&domain->min_snap, next->min_snap);
    vb_store_release(&domain->young_min, next->young_min);
    uint64_t epoch = vb_load_relaxed(&domain->epoch) + 1;
    uint64_t min_pin = lowest_pin(domain, epoch);
    vb_store_release(&domain->epoch, epoch);
    vb_store_release(&domain->min_pin, min_pin);
    VK_YIELD(domain, gc_epoch);
    vos_rcu_synchronize();
    vb_arena_poison(last, capture_bytes(domain));
    return VARVE_OK;
}

/* --- sleeping and waking ------------------------------------------------------------------------------------------ */

uint64_t vk_now_ns(struct vk_domain *domain) {
    if (domain->hooks.now_ns != NULL) return domain->hooks.now_ns(domain->hooks.arg);
    return domain->os->ops->now_ns(domain->os);
}

void vk_wake(struct vk_domain *domain, unsigned slot_id) {
    VB_ASSERT(slot_id >= 1 && slot_id <= domain->slot_count);
    struct vk_slot *slot = &domain->slots[slot_id];
    uint32_t before = vb_exchange_acq_rel(&slot->wake, 1); /* pairs with the load in vk_sleep */
    if (domain->hooks.on_wake != NULL) domain->hooks.on_wake(domain->hooks.arg, slot_id);
    /* Whoever set the word first also wakes the sleeper; nobody falls asleep while it is set. */
    if (before == 0) vos_futex_wake(&slot->wake, 1);
}

bool vk_sleep(struct vk_domain *domain, struct vk_slot *self, const struct vk_wait_info *info, uint64_t deadline_ns) {
    vos_assert_may_wait();
    for (;;) {
        if (vb_load_acquire(&self->wake) != 0) return true;
        uint64_t now = deadline_ns != 0 ? vk_now_ns(domain) : 0;
        if (deadline_ns != 0 && now >= deadline_ns) return false;
        if (domain->hooks.on_wait != NULL && domain->hooks.on_wait(domain->hooks.arg, info)) return true;
        vos_futex_wait(&self->wake, 0, deadline_ns != 0 ? deadline_ns - now : 0);
    }
}

/* --- reader bits -------------------------------------------------------------------------------------------------- */

static uint64_t all_reader_bits(const struct vk_domain *domain) {
    return (UINT64_C(1) << domain->limits.reader_bits) - 1;
}

bool vk_reader_bit_lease(struct vk_domain *domain, struct vk_slot *slot) {
    if (slot->reader_bit != 0) return true;
    if (VK_FAULT(domain, reader_bits)) return false;
    uint64_t taken = vb_load_relaxed(&domain->reader_bits);
    unsigned bit;
    do {
        uint64_t open = all_reader_bits(domain) & ~taken;
        if (open == 0) return false;
        bit = (unsigned)__builtin_ctzll(open);
    } while (!vb_cas(&domain->reader_bits, &taken, taken | UINT64_C(1) << bit));
    vb_store_release(&reader_bit_owners(domain)[bit], slot->id);
    vb_store_release(&slot->reader_bit, bit + 1);
    return true;
}

/* Waiters load the wake word before they try to lease and sleep only when every bit is out, so only the return that
 * ends that state has somebody to tell. */
void vk_reader_bit_return(struct vk_domain *domain, struct vk_slot *slot) {
    if (slot->reader_bit == 0) return;
    unsigned bit = slot->reader_bit - 1;
    vb_store_release(&slot->reader_bit, 0);
    vb_store_release(&reader_bit_owners(domain)[bit], 0);
    uint64_t before = vb_and_acq_rel(&domain->reader_bits, ~(UINT64_C(1) << bit));
    VB_ASSERT((before >> bit & 1) != 0);
    if (before != all_reader_bits(domain)) return;
    vb_add_acq_rel(&domain->reader_bits_wake, 1);
    vos_futex_wake(&domain->reader_bits_wake, UINT32_MAX);
}

unsigned vk_reader_bit_owner(struct vk_domain *domain, unsigned bit) {
    if (bit >= domain->limits.reader_bits) return 0;
    return vb_load_acquire(&reader_bit_owners(domain)[bit]);
}
