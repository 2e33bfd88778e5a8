/* manifest_int.h - what the files of the manifest share. Private to runs; tests use it for the limits.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_RUNS_MANIFEST_INT_H
#define VARVE_RUNS_MANIFEST_INT_H

#include "runs/manifest_format.h"
#include "runs/run_int.h"

/* What the edits add up to. */
struct vrn_state {
    uint64_t log_file;
    uint64_t cut_cts, cut_first_log_seq, clock_floor;
    uint64_t next_file; /* no id at or above it was handed out */
    uint32_t next_table, timeline;
    struct vrn_facts *runs; /* [run_count] */
    size_t run_count, run_capacity;
    struct vrn_table *tables; /* [table_count], in order of creation; the rules of each are one piece of memory */
    size_t table_count, table_capacity;
};
/* A change is an edit of the caller's, and ids of our own. edit NULL, 0: nothing. */
struct vrn_change {
    const struct vrn_edit *edit;
    uint64_t next_file;
    uint32_t next_table;
};
/* What a change needs, taken before it is written, so that nothing can fail afterwards. */
struct vrn_prepared {
    char **rules;
};

/* NULL, or why the change does not fit the state (static text). */
const char *vrn_state_refusal(const struct vrn_state *state, const struct vrn_change *change);
int vrn_state_prepare(struct vrn_state *state, const struct vrn_change *change, struct vrn_prepared *prepared);
void vrn_state_apply(struct vrn_state *state, const struct vrn_change *change, struct vrn_prepared *prepared);
void vrn_state_discard(const struct vrn_change *change, struct vrn_prepared *prepared);
void vrn_state_free(struct vrn_state *state);
const struct vrn_table *vrn_state_table(const struct vrn_state *state, uint32_t id);

/* Append payloads. NOMEM. */
int vrn_change_encode(const struct vrn_change *change, struct vrn_bytes *out);
int vrn_state_encode(const struct vrn_state *state, struct vrn_bytes *out);
/* Applies a payload. CORRUPT with *why (static text), the state half changed; NOMEM. */
int vrn_payload_apply(struct vrn_state *state, varve_slice payload, const char **why);

struct vrn_manifest_limits {
    uint64_t rewrite_bytes; /* a longer file is written anew */
    uint64_t grow_bytes;    /* zeros written ahead, a multiple of 4096 */
};
#define VRN_MANIFEST_LIMITS ((struct vrn_manifest_limits){4 << 20, 64 << 10})

struct vrn_manifest {
    struct vrn_config config;
    struct vrn_manifest_limits limits;
    struct vk_file_header header;
    struct vos_file *file;
    struct vrn_state state;
    struct vrn_bytes scratch;
    uint64_t sequence;
    uint64_t next_file;     /* handed out next; state.next_file is what the file says */
    uint64_t end;           /* where the next frame goes */
    uint64_t file_bytes;    /* written, zeros included */
    uint64_t rewrite_bytes; /* limits.rewrite_bytes, or more where the state is large */
    bool settled;           /* written by this handle, so surely on the disk */
    bool failed;            /* what the file holds is unknown */
};

/* vrn_manifest_open and _create with limits of the test's choice. */
int vrn_manifest_open_with(const struct vrn_config *config, const struct vrn_manifest_limits *limits,
                           struct vrn_manifest **manifest, struct vk_detail *detail);
int vrn_manifest_create_with(const struct vrn_config *config, const struct vrn_manifest_limits *limits,
                             struct vrn_manifest **manifest, struct vk_detail *detail);

/* Reads the file into the state. */
int vrn_manifest_load(struct vrn_manifest *manifest, struct vk_detail *detail);
/* Writes the state, and the change as the next edit, into a new file that takes the old one's place. The state itself
 * is the caller's to change. Any status but IO: nothing has changed. */
int vrn_manifest_rewrite(struct vrn_manifest *manifest, const struct vrn_change *change, struct vk_detail *detail);
/* Appends the change as the next edit, synced. The same. */
int vrn_manifest_append(struct vrn_manifest *manifest, const struct vrn_change *change, struct vk_detail *detail);

#endif
