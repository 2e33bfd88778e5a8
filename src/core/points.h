/* points.h - the table of places inside operations at which a test may let another transaction go on (VK_YIELD), or
 * make an operation fail the way the world would (VK_FAULT). Exists in test builds only (VARVE_TEST_POINTS).
 *
 * Each row: the identifier used in the code, the name that hooks are told, and what has just happened or is about to.
 * Tests enumerate the table and show that each place is reached, so a place that is removed from the code fails there.
 * A place may be in a read section or under a latch: whoever switches there to another fibre of the same thread keeps
 * the depth of read sections apart for each, and lets the holder go on when others spin (base/test_hooks.h).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CORE_POINTS_H
#define VARVE_CORE_POINTS_H

#ifdef VARVE_TEST_POINTS

#define VK_POINTS(X)                                                                                                  \
    /* begin */                                                                                                       \
    X(begin_taken, "begin.taken", "a handle is taken, nothing of it is public yet")                                   \
    X(begin_pinned, "begin.pinned", "age and pin are stored, no stamp yet")                                           \
    X(snapshot_loaded, "snapshot.loaded", "the clock is loaded, the stamp not yet stored in the slot")                \
    X(snapshot_stored, "snapshot.stored", "the stamp is stored, the floor not yet looked at")                         \
    X(escalated, "escalated", "this attempt will run under locks with its first age")                                 \
    /* read */                                                                                                        \
    X(read_found, "read.found", "a record was looked up, no version chosen yet")                                      \
    X(hash_found, "hash.found", "the hash led to a record with the key, FROZEN not yet looked at")                    \
    X(hash_stored, "hash.stored", "an entry of the hash is stored, FROZEN not yet looked at again")                   \
    X(read_absent, "read.absent", "no record is there, the absence not yet protected")                                \
    X(read_judged, "read.judged", "the lock word allowed the read, tid not yet loaded")                               \
    X(read_picked, "read.picked", "the version is chosen, its bytes not yet copied")                                  \
    X(read_older, "read.older", "the record's own version is too new, the chain not yet walked")                      \
    X(read_copied, "read.copied", "a version was read, not yet noted in the read set")                                \
    X(scan_portion, "scan.portion", "a leaf's records are at hand, none of them read")                                \
    X(gap_found, "gap.found", "the record behind an absent key was looked up, its gap is not yet locked")             \
    X(scan_crossed, "scan.crossed", "a gap is about to be noted or locked")                                           \
    /* write */                                                                                                       \
    X(write_settled, "write.settled", "presence was looked at, the row not yet asked for")                            \
    X(write_checked, "write.checked", "the scheme allowed the write, it is not staged")                               \
    X(write_staged, "write.staged", "the write is in the write set")                                                  \
    X(savepoint_rolled, "savepoint.rolled", "writes were taken back, their answers not yet kept as reads")            \
    /* precommit */                                                                                                   \
    X(precommit_sorted, "precommit.sorted", "the write set is sorted, nothing locked")                                \
    X(precommit_found, "precommit.found", "a write's record was looked up, it is not locked")                         \
    X(precommit_leaf, "precommit.leaf", "the leaf of a new key is found, not latched")                                \
    X(precommit_latched, "precommit.latched", "the leaf of a new key is latched, its gap tested")                     \
    X(precommit_linked, "precommit.linked", "a ghost is linked")                                                      \
    X(precommit_locked, "precommit.locked", "one more record of the write set is locked")                             \
    X(precommit_released, "precommit.released", "a lock holder is in the way: everything was let go")                 \
    /* reserve, stamp */                                                                                              \
    X(reserve_begin, "reserve.begin", "all locks are held, nothing reserved")                                         \
    X(reserve_done, "reserve.done", "all is reserved, the last look at a wound is to come")                           \
    X(stamp_before, "stamp.before", "before PREP")                                                                    \
    X(stamp_prep, "stamp.prep", "PREP is stored, no cts drawn")                                                       \
    X(stamp_drawn, "stamp.drawn", "the cts is drawn, the slot shows PREP")                                            \
    X(stamp_committing, "stamp.committing", "the slot shows the cts")                                                 \
    /* validate */                                                                                                    \
    X(validate_row, "validate.row", "a row of the read set is about to be validated")                                 \
    X(validate_judged, "validate.judged", "no committer below is in its lock word, tid not yet loaded")               \
    X(validate_range, "validate.range", "a range is about to be validated")                                           \
    X(validate_leaf, "validate.leaf", "a leaf of a range is about to be read again")                                  \
    X(extend_clock, "extend.clock", "an extension has loaded the clock")                                              \
    X(extend_checked, "extend.checked", "all reads hold, the stamp has not moved")                                    \
    X(extend_moved, "extend.moved", "the stamp has moved")                                                            \
    /* publish, install */                                                                                            \
    X(publish_before, "publish.before", "validated, nothing public")                                                  \
    X(publish_head, "publish.head", "the redo record is in the ring, its cts not yet published")                      \
    X(install_shortcut, "install.shortcut", "a shortcut is set if one is due, the head is as it was")                 \
    X(install_image, "install.image", "the before-image is the head, the record not yet BUSY")                        \
    X(install_busy, "install.busy", "BUSY is set, the value not yet written")                                         \
    X(install_value, "install.value", "the value is written, the new tid is not")                                     \
    X(install_record, "install.record", "one record has its new version")                                             \
    /* end */                                                                                                         \
    X(end_unlinked, "end.unlinked", "an own unused ghost was taken back, its lock is held")                           \
    X(end_unlocked, "end.unlocked", "one record is unlocked")                                                         \
    X(end_released, "end.released", "no lock and no stamp is left, the slot is not IDLE")                             \
    X(end_idle, "end.idle", "IDLE is stored, the generation has not risen")                                           \
    X(end_unpinned, "end.unpinned", "the transaction is over but for its durability")                                 \
    /* locks */                                                                                                       \
    X(lock_granted, "lock.granted", "a lock word has been taken, FROZEN not yet looked at")                           \
    X(lock_mark, "lock.mark", "a waiter has published what it waits for, WAITERS not yet set")                        \
    X(lock_judge, "lock.judge", "WAITERS is set, the holders are not judged")                                         \
    X(lock_wound, "lock.wound", "a victim is wounded, not yet woken")                                                 \
    X(lock_sleep, "lock.sleep", "about to sleep")                                                                     \
    X(lock_search, "lock.search", "one more waiter is on the path of a search for a cycle")                           \
    X(lock_release, "lock.release", "a lock was dropped, its waiters not yet woken")                                  \
    X(lock_holder, "lock.holder", "the slot is marked as a lock holder")                                              \
    /* log */                                                                                                         \
    X(harden_before, "harden.before", "committed, not yet durable")                                                   \
    X(cut_clock, "cut.clock", "a cut has loaded the clock, no slot looked at")                                        \
    X(cut_slot, "cut.slot", "a cut is about to look at one more slot")                                                \
    X(cut_written, "cut.written", "a cut is written, `written` has not moved")                                        \
    X(sync_before, "sync.before", "about to sync")                                                                    \
    X(sync_done, "sync.done", "synced, `durable` has not moved")                                                      \
    /* index */                                                                                                       \
    X(split_latched, "split.latched", "node and parent are latched")                                                  \
    X(split_divided, "split.divided", "the node is divided, the right half not yet attached")                         \
    X(merge_latched, "merge.latched", "an empty leaf and its neighbour are latched")                                  \
    X(merge_taken, "merge.taken", "its parent does not lead to it any more, the neighbour's range is as it was")      \
    /* janitor */                                                                                                     \
    X(gc_clock, "gc.clock", "the floor is loaded, not stored")                                                        \
    X(gc_floor, "gc.floor", "the floor is stored, no slot looked at")                                                 \
    X(gc_split, "gc.split", "a split may be drawn, the clock has not been looked at again")                           \
    X(gc_slot, "gc.slot", "the stamp of one more slot is loaded")                                                     \
    X(gc_captured, "gc.captured", "the capture is published, min_snap is as it was")                                  \
    X(gc_epoch, "gc.epoch", "before the grace period")                                                                \
    X(gc_ghost, "gc.ghost", "a ghost's writer field is the purge's, it is still linked")                              \
    X(gc_unlink, "gc.unlink", "its leaf is latched, nobody has a lock on it, FROZEN not yet set")                     \
    X(gc_hash, "gc.hash", "a record is FROZEN and out of its leaf, its entry of the hash not yet looked for")         \
    X(gc_prune, "gc.prune", "one more image of a chain is judged")                                                    \
    X(gc_recycle, "gc.recycle", "the version chunks of a slot are about to move on")                                  \
    /* gate */                                                                                                        \
    X(gate_closed, "gate.closed", "the gate is closed, open transactions not yet counted")                            \
    X(gate_drained, "gate.drained", "no transaction is open")                                                         \
    X(gate_switched, "gate.switched", "another scheme serves, the gate is still closed")

#define VK_FAULTS(X)                                                                                                  \
    X(read_set, "read_set", "NOMEM: the read set cannot grow")                                                        \
    X(range, "range", "NOMEM: the bytes of a range cannot be kept")                                                   \
    X(write_set, "write_set", "NOMEM: a write cannot be staged")                                                      \
    X(value, "value", "NOMEM: no room for the bytes of a value")                                                      \
    X(cursor, "cursor", "NOMEM: no room for a cursor")                                                                \
    X(locks, "locks", "NOMEM: the list of locks held cannot grow")                                                    \
    X(reader_bits, "reader_bits", "every reader bit is leased")                                                       \
    X(ghost, "ghost", "NOMEM: no room for the record of a new key")                                                   \
    X(split, "split", "NOMEM: a full node cannot be split")                                                           \
    X(blob, "blob", "NOMEM: no room for a large value")                                                               \
    X(image, "image", "NOMEM: no room for a before-image")                                                            \
    X(log_space, "log_space", "FULL: the log has no space")                                                           \
    X(log_memory, "log_memory", "NOMEM: no room for the redo record")                                                 \
    X(conflict, "conflict", "CONFLICT: validation refuses")

enum vk_point {
#define VK_POINT_ENUM(point, name, when) VK_POINT_##point,
    VK_POINTS(VK_POINT_ENUM)
#undef VK_POINT_ENUM
        VK_POINT_COUNT
};
enum vk_fault {
#define VK_FAULT_ENUM(point, name, what) VK_FAULT_##point,
    VK_FAULTS(VK_FAULT_ENUM)
#undef VK_FAULT_ENUM
        VK_FAULT_COUNT
};
extern const char *const vk_point_names[VK_POINT_COUNT];
extern const char *const vk_fault_names[VK_FAULT_COUNT];

#endif
#endif
