/* runs.h - the face of the durable image: sorted run files and the manifest, the only authority over what is live.
 *
 * A run is an immutable file of entries in (table id, key) order in zlib-compressed, checksummed blocks; checkpoint,
 * backup and the cold tiers share it. The manifest is an append-only file of edits, each synced, and rewritten when
 * large. One caller at a time writes; readers of a run are independent of each other.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_RUNS_RUNS_H
#define VARVE_RUNS_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "core/detail.h"
#include "core/file_header.h"
#include "os/os.h"
#include "varve.h"

/* --- run files ---------------------------------------------------------------------------------------------------- */

struct vrn_entry {
    uint32_t table_id;
    varve_slice key;
    varve_slice value;
    uint64_t cts;
    bool tombstone;
};

struct vrn_config {
    struct vos *os;
    struct vos_dir *dir;
    unsigned file_mode;
    uint8_t database_id[16];
    int zlib_level; /* 0..9; blocks are stored as they are when it does not save a tenth */
};

struct vrn_facts { /* what the manifest keeps of a run */
    uint64_t file_id, bytes, entries, tombstones, min_cts, max_cts;
};

struct vrn_writer;
int vrn_writer_open(const struct vrn_config *config, uint64_t file_id, uint64_t creation_cts, uint64_t salt,
                    struct vrn_writer **writer, struct vk_detail *detail);
/* Strictly ascending, or MISUSE. */
int vrn_writer_add(struct vrn_writer *writer, const struct vrn_entry *entry, struct vk_detail *detail);
/* Writes index and footer, syncs the file and its directory. The writer is gone either way. */
int vrn_writer_finish(struct vrn_writer *writer, struct vrn_facts *facts, struct vk_detail *detail);
void vrn_writer_abandon(struct vrn_writer *writer); /* removes the file */

struct vrn_reader;
int vrn_reader_open(const struct vrn_config *config, const struct vrn_facts *facts, struct vrn_reader **reader,
                    struct vk_detail *detail);
void vrn_reader_close(struct vrn_reader *reader);
/* Data blocks, in order: how many, and the entries of one, until fn returns another status than OK, which is passed on.
 * An entry's bytes live until its fn returns. Any thread, each with its own buffer: recovery reads blocks in parallel.
 * CORRUPT with file and offset. */
size_t vrn_reader_blocks(const struct vrn_reader *reader);
struct vrn_buffer;
int vrn_buffer_open(struct vrn_buffer **buffer);
void vrn_buffer_close(struct vrn_buffer *buffer);
typedef int (*vrn_entry_fn)(void *arg, const struct vrn_entry *entry);
int vrn_reader_block(struct vrn_reader *reader, size_t block, struct vrn_buffer *buffer, vrn_entry_fn fn, void *arg,
                     struct vk_detail *detail);
/* One key. NOTFOUND; entry bytes lie in the buffer until its next use. */
int vrn_reader_get(struct vrn_reader *reader, uint32_t table_id, varve_slice key, struct vrn_buffer *buffer,
                   struct vrn_entry *entry, struct vk_detail *detail);

/* --- the manifest ------------------------------------------------------------------------------------------------- */

#define VRN_TABLE_NAME_MAX 63

struct vrn_table {
    uint32_t id;
    uint32_t collation; /* 0 = bytes */
    char name[VRN_TABLE_NAME_MAX + 1];
    bool dropped;
    char **rules; /* [rule_count] constraint texts */
    size_t rule_count;
};

struct vrn_manifest; /* the state after all edits, and the file */
/* Reads the manifest of the directory; writes nothing. NOTFOUND: there is none (a new or a foreign directory). CORRUPT
 * with file and offset. A torn last frame is left out. */
int vrn_manifest_open(const struct vrn_config *config, struct vrn_manifest **manifest, struct vk_detail *detail);
/* To be called when the log has been read and before anything is built on the manifest. `vouched_sequence` is the
 * highest manifest sequence that any log segment names (0 = unknown): an edit at or below it that is missing is damage,
 * CORRUPT, and nothing is written. Otherwise makes sure that what was read is on the disk (see README.md). */
int vrn_manifest_check_vouched(struct vrn_manifest *manifest, uint64_t vouched_sequence, struct vk_detail *detail);
/* Makes a new database: a random id, an empty manifest, synced with its directory. */
int vrn_manifest_create(const struct vrn_config *config, struct vrn_manifest **manifest, struct vk_detail *detail);
void vrn_manifest_close(struct vrn_manifest *manifest);

const uint8_t *vrn_manifest_database_id(const struct vrn_manifest *manifest); /* [16] */
uint64_t vrn_manifest_sequence(const struct vrn_manifest *manifest);          /* of the last edit */
/* cts up to which the runs hold the state; 0 = none */
uint64_t vrn_manifest_cut(const struct vrn_manifest *manifest, uint64_t *first_log_seq);
uint64_t vrn_manifest_clock(const struct vrn_manifest *manifest); /* floor for the clock */
uint32_t vrn_manifest_timeline(const struct vrn_manifest *manifest);
/* Live runs, and tables, dropped ones too; [count], until the next edit. */
size_t vrn_manifest_runs(const struct vrn_manifest *manifest, const struct vrn_facts **facts);
size_t vrn_manifest_tables(const struct vrn_manifest *manifest, const struct vrn_table **tables);
/* Ids never handed out before; persisted in batches so that a crash skips some but repeats none. 0: the edit failed. */
uint64_t vrn_manifest_next_file(struct vrn_manifest *manifest, struct vk_detail *detail);

/* One atomic edit, synced when the call returns. IO: the outcome is unknown, and the caller poisons the database.
 * FAILED: an earlier edit ended so. FULL, NOMEM, TOOBIG, MISUSE (it does not fit the state): nothing has changed. */
struct vrn_edit {
    const struct vrn_facts *add_runs; /* [add_run_count] */
    size_t add_run_count;
    const uint64_t *drop_files; /* [drop_file_count] */
    size_t drop_file_count;
    bool set_cut;
    uint64_t cut_cts, cut_first_log_seq;
    uint64_t clock_floor;          /* 0 = leave */
    const struct vrn_table *table; /* create, change of rules, or drop; NULL = none. A known id keeps its name */
    uint32_t timeline;             /* 0 = leave */
    uint64_t log_file;             /* the newest log segment, which is synced under its name; 0 = leave */
};
/* The newest log segment that an edit named: it must be there. 0: none. */
uint64_t vrn_manifest_log_file(const struct vrn_manifest *manifest);
int vrn_manifest_edit(struct vrn_manifest *manifest, const struct vrn_edit *edit, struct vk_detail *detail);
/* The id the next table gets: one above the highest ever used, hidden ones not counted. */
uint32_t vrn_manifest_next_table_id(const struct vrn_manifest *manifest);
/* Removes run files that no edit names and whose id is below the next file id; nothing else. After open. */
int vrn_manifest_sweep(struct vrn_manifest *manifest, struct vk_detail *detail);

#endif
