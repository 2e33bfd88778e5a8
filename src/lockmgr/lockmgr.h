/* lockmgr.h - locks on records and gaps: acquiring, waiting, wounding, releasing; and the locking of a write set.
 *
 * The words live in the records (storage/record.h). A lock holder is a transaction that holds a lock taken before
 * precommit (2pl, escalated, or by get_for_update), marked in its slot before its first one; all others are ordinary
 * committers, which lock their write set in order in precommit only.
 *
 * Rules (each model checked; tests cite the numbers):
 *  K1  S is granted only when the writer field is empty; the version is read after the grant
 *  K2  lock holders use the deadlock policy among themselves, in precommit too, and never wound an ordinary committer
 *  K3  an ordinary committer that meets a lock holder's S, U, X or GS, or a claim, releases every lock taken in this
 *      precommit, takes back its new ghosts (unless another holds S or GS on one), waits, starts precommit again;
 *      behind an ordinary committer it may wait with its locks, and judges again whenever the word changes
 *  K4  a lock holder that must wait sets a claim in the CAS that sets WAITERS; releasers leave it; its owner clears it
 *      when granted, wounded or timed out, and clearing wakes like a release
 *  K5  a waiter clears its wake word, publishes waiting_on, sets WAITERS by CAS, judges and wounds the holders, starts
 *      over if the word moved, tests its own wound, sleeps - in this order
 *  K6  a releaser drops the lock and WAITERS in one CAS, then wakes every slot whose waiting_on is this word
 *  K7  a wounder reads the generation, checks that the word still shows this holder, CASes {gen, flag}, wakes the
 *      victim; no wound after COMMITTING
 *  K8  a new record is linked X-locked and its gap word starts with its inserter's own GS; an aborter leaves its ghost
 *      linked while another holds S on it or GS on its gap
 *  K9  after its last GS a scanner re-validates the leaf; on retry it keeps the locks it has
 *  K10 nothing waits inside a read section or with a latch held
 * Sources: Rosenkrantz, Stearns, Lewis, System Level Concurrency Control for Distributed Database Systems, TODS 1978
 * (wound-wait, wait-die); Graefe, Lomet et al., orthogonal key-value locking, BTW 2015 (gap words); departures: words
 * in records, no lock table, reader bits leased.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_LOCKMGR_LOCKMGR_H
#define VARVE_LOCKMGR_LOCKMGR_H

#include "cc/cc.h"

enum vlm_mode {
    VLM_S = 1,       /* shared: reader bit in lk */
    VLM_U = 2,       /* update: writer field with UPGRADE; readers may stay, no other U or X */
    VLM_X = 4,       /* exclusive: writer field alone */
    VLM_GS = 8,      /* shared on the gap below: reader bit in gap; never has to wait */
    VLM_INSERT = 16, /* waited for, never held: nobody else has GS on the gap below */
};

/* Makes the transaction a lock holder (K2) until its end. vlm_acquire does it by itself, at the first lock. */
void vlm_become_holder(struct vcc_txn *t);
/* Tries to take `mode` (S, U, X or GS) for a lock holder, leasing a reader bit where one is needed. Holding a mode that
 * covers it is OK. S to U, S to X and U to X are upgrades. In a read section; never waits. OK: granted and recorded.
 * VCC_WAIT: t->pending says what for; leave the section, vlm_wait, look up again. VCC_RETRY: the record is FROZEN.
 * DEADLOCK: wounded, or no reader bit is left (t->detail filled). NOMEM. */
int vlm_acquire(struct vcc_txn *t, struct vst_record *record, enum vlm_mode mode);
/* As S taken and released at once: OK when the writer field was empty a moment ago, or is the transaction's own. What
 * is read after that is committed, and whole: whoever writes the row later holds all its locks by then. Nothing is
 * held. */
int vlm_pass(struct vcc_txn *t, struct vst_record *record);
/* Outside sections: waits for what t->pending describes (also an install wait). OK: look up and try again; the lock
 * itself has been granted already where one was asked for. DEADLOCK (wounded, died, part of a cycle), TIMEOUT with the
 * holder's label, NOMEM. */
int vlm_wait(struct vcc_txn *t);
/* Drops a lock early. */
void vlm_release(struct vcc_txn *t, struct vst_record *record, enum vlm_mode mode);
/* DEADLOCK when this attempt has been wounded, with detail; else OK. Called at the start of every operation of a lock
 * holder and before the stamp. */
int vlm_check_wound(struct vcc_txn *t);
/* The transaction holds `mode` or one that covers it. */
bool vlm_holds(const struct vcc_txn *t, const struct vst_record *record, enum vlm_mode mode);

/* Locks the live writes in (table, key) order for an ordinary committer or a lock holder (K2, K3): finds or links their
 * records, re-checks FROZEN and the presence preconditions (CONFLICT, reason PRECONDITION), and calls check (may be
 * NULL) for each record once it is locked. On failure everything taken here is released. Fills t->sorted. Outside
 * sections; may wait. on_insert (may be NULL) tells certify about each ghost it linked. */
typedef int (*vlm_check_fn)(struct vcc_txn *t, const struct vk_write *write);
typedef void (*vlm_inserted_fn)(struct vcc_txn *t, const struct vst_inserted *inserted);
int vlm_lock_writes(struct vcc_txn *t, vlm_check_fn check, vlm_inserted_fn on_insert);

/* End of a transaction: takes back unused ghosts (not committed), releases every lock and the reader bit, clears the
 * lock-holder mark, wakes waiters. The caller then stores IDLE and raises gen. Outside or inside a section. */
void vlm_release_all(struct vcc_txn *t, bool committed);

#endif
