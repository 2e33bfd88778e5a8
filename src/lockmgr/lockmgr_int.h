/* lockmgr_int.h - what the files of this folder share: words, asks, verdicts.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_LOCKMGR_LOCKMGR_INT_H
#define VARVE_LOCKMGR_LOCKMGR_INT_H

#include "lockmgr/lockmgr.h"

/* --- word.c: what a word says and how it changes ------------------------------------------------------------------ */

/* One who locks: its slot, and its leased reader bit as a mask (0: none yet). */
struct vlm_me {
    unsigned slot;
    uint64_t bit;
};
static inline struct vlm_me vlm_me(const struct vcc_txn *t) {
    uint32_t leased = vb_load_relaxed(&t->slot->reader_bit);
    return (struct vlm_me){t->self, leased != 0 ? (uint64_t)1 << (leased - 1) : 0};
}

/* Those who stand in the way of a mode. */
struct vlm_rivals {
    unsigned writer;  /* 0: none */
    uint64_t readers; /* bits */
};

static inline uint64_t *vlm_word(struct vst_record *record, unsigned mode) {
    return (mode & (VLM_GS | VLM_INSERT)) != 0 ? &record->gap : &record->lk;
}
struct vlm_rivals vlm_rivals(uint64_t v, unsigned mode, struct vlm_me me);
bool vlm_covers(uint64_t v, unsigned mode, struct vlm_me me);      /* held already, or something stronger */
bool vlm_has_any(uint64_t v, struct vlm_me me);                    /* holds anything at all in this word */
uint64_t vlm_granted(uint64_t v, unsigned mode, struct vlm_me me); /* the word once `mode` is taken */
uint64_t vlm_dropped(uint64_t v, struct vlm_me me);                /* the word once all of me and WAITERS are gone */
/* Two values of a word that show the same holders. */
static inline bool vlm_same_holders(uint64_t a, uint64_t b) {
    return ((a ^ b) & ~(VST_LK_WAITERS | VST_LK_CLAIM)) == 0;
}
/* K6: releases whatever the owner holds in a word; nothing held: nothing happens. */
void vlm_drop(struct vk_domain *domain, uint64_t *word, struct vlm_me me);
/* K6, its second half. */
void vlm_wake_word(struct vk_domain *domain, const uint64_t *word);

/* --- policy.c ----------------------------------------------------------------------------------------------------- */

struct vlm_party {
    uint64_t age;
    unsigned slot;
    bool lock_holder;
    bool committing; /* at or past its stamp: waits for no lock any more */
};
struct vlm_party vlm_party_of(const struct vk_slot *slot);
bool vlm_older(const struct vlm_party *a, const struct vlm_party *b);

enum vlm_verdict { VLM_WAITS, VLM_DIES, VLM_WOUNDS };
enum vlm_verdict vlm_on_conflict(enum vcc_deadlock policy, const struct vlm_party *holder, const struct vlm_party *me);

/* --- wait.c ------------------------------------------------------------------------------------------------------- */

enum vlm_ask_flags {
    VLM_INSTANT = 32,   /* wait until it could be had; do not take it. In pending.mode beside the mode */
    VLM_ORDINARY = 64,  /* asked by an ordinary committer: claims count, nobody is wounded */
    VLM_UNLISTED = 128, /* precommit keeps track of it by the write; not added to t->locks */
};
struct vlm_ask {
    struct vst_record *record;
    unsigned mode;  /* one of enum vlm_mode */
    unsigned flags; /* enum vlm_ask_flags */
};
enum { VLM_BARRED = 3 }; /* beside statuses, VCC_WAIT and VCC_RETRY: K3, release everything first */

/* One attempt. OK: had, taken or (INSTANT) free; VCC_WAIT: somebody is in the way; VCC_RETRY: FROZEN. Room in t->locks
 * has been made. `claimed`: the claim in the word is this transaction's; taking the lock clears it. Does not wait. */
int vlm_try(struct vcc_txn *t, const struct vlm_ask *ask, bool claimed);
/* Attempts until it is had. OK, VCC_RETRY, BARRED, DEADLOCK, TIMEOUT. Outside sections. */
int vlm_take(struct vcc_txn *t, const struct vlm_ask *ask);
/* K7. */
void vlm_wound(struct vk_domain *domain, unsigned victim, uint64_t gen);
/* A lock holder older than `self` that sleeps for this word: the first with a slot id above `after`, 0: none. */
unsigned vlm_older_waiter(struct vk_domain *domain, const uint64_t *word, unsigned self, unsigned after);
/* The first of the rivals as a slot, 0 when it cannot be told any more. */
unsigned vlm_first_rival(struct vk_domain *domain, struct vlm_rivals rivals);
/* As vk_fail, naming key and holder (slot 0: unknown) after `what`. */
int vlm_blame(struct vcc_txn *t, int status, enum varve_reason reason, const char *what, const struct vlm_ask *ask,
              unsigned holder);

/* --- cycle.c ------------------------------------------------------------------------------------------------------ */

/* Looks for a cycle of waiting transactions through this one. 0: none; else the slot of its youngest member, *gen being
 * the generation it was seen with. In a read section. */
unsigned vlm_find_cycle(struct vk_domain *domain, unsigned self, uint64_t *gen);

/* --- acquire.c ---------------------------------------------------------------------------------------------------- */

int vlm_make_room(struct vcc_txn *t); /* for one more entry of t->locks */

/* --- writes.c ----------------------------------------------------------------------------------------------------- */

/* Drops what precommit took, last first; unless committed, takes back the ghosts that it linked. */
void vlm_release_writes(struct vcc_txn *t, bool committed);

#endif
