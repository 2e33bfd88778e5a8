/* certify.h - reads validated at commit: the read set, ranges with a node set and re-scan, snapshot extension. Shared
 * by mvcc and occ.
 *
 *  V1  every lock is held and the cts drawn before a read is validated: whoever overwrote a read with a lower cts is
 *      seen as lock or as new tid
 *  V2  a locker with a larger cts is no conflict and is never waited for
 *  V3  a range holds when no leaf it crossed has gained or lost a key, or when a re-scan of [low, where it stopped]
 *      meets no record (ghosts included) with a cts above the stamp and no locker with a smaller cts, own new ghosts
 *      excepted
 *  V4  the stamp is registered in the slot while ranges are kept, so that ghosts above it are not purged
 *  V5  an extension loads the clock, re-checks every read and range as of that value, moves the stamp there, then reads
 *      the record again
 *
 * Sources: Haerder, Observations on Optimistic Concurrency Control Schemes, Information Systems 1984 (backward
 * validation); Tu et al., Speedy Transactions in Multicore In-Memory Databases (Silo), SOSP 2013, 4 (read and node
 * sets; departures: re-scan instead of abort, existence reads, a global clock); Larson et al., High-Performance
 * Concurrency Control Mechanisms for Main-Memory Databases, VLDB 2012, 3 (validation of snapshot reads); Felber et al.,
 * Dynamic Performance Tuning of Word-Based STM (LSA/TinySTM), PPoPP 2008 (snapshot extension).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CERTIFY_CERTIFY_H
#define VARVE_CERTIFY_CERTIFY_H

#include "cc/cc.h"

/* Which levels have their rows, and this scan's gaps, validated. */
bool vct_validates_rows(const struct vcc_txn *t);
bool vct_validates_ranges(const struct vcc_txn *t, const struct vcc_scan *scan);
/* The read call of mvcc and occ: at the stamp t->snap, noted where the level validates it. Meeting a newer version
 * moves the stamp; where that fails the transaction goes stale (may_go_stale, and it has written and locked nothing) or
 * gets CONFLICT. */
int vct_read(struct vcc_txn *t, const struct vcc_access *access, struct vcc_result *result, bool may_go_stale);
/* Adds one step of a scan or an absent key. NOMEM. */
int vct_note_range(struct vcc_txn *t, struct vcc_scan *scan, const struct vcc_step *step);
/* A ghost of this transaction was linked: advances its own node-set entries whose counter equals phantom_before. */
void vct_own_insert(struct vcc_txn *t, const struct vst_inserted *inserted);
/* All reads and ranges hold as of cts. OK, or CONFLICT with detail (READ or PHANTOM). In a read section. */
int vct_validate(struct vcc_txn *t, uint64_t cts);
/* The validate and end calls of mvcc and occ: what the level validates; then locks and the stamp are let go. */
int vct_validate_level(struct vcc_txn *t, uint64_t cts);
void vct_end(struct vcc_txn *t, bool committed);
/* Tries to move the stamp to the clock (V5). OK: t->snap moved. CONFLICT with detail: it stays where it was and is
 * still registered... or, when the janitor passed it in between, the transaction cannot go on: *lost is set. In a read
 * section. */
int vct_extend(struct vcc_txn *t, bool *lost);
void vct_reset(struct vcc_txn *t);   /* forgets all reads; keeps the arrays */
void vct_release(struct vcc_txn *t); /* frees the arrays */

#endif
