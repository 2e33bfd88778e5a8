/* history.h - a history in memory: which transactions ran, what each operation was answered, when, and how it ended.
 *
 * Everything that judges or pictures a history works on this one form, whether it was recorded from this engine (with
 * stamps and version identities: white box), from another engine, or read from a file (black box: values only). It
 * knows nothing of any engine; of varve.h only the names of levels, reasons and statuses are used.
 *
 * Shape. Columns of plain structs that point into each other by index: txns[txn_count] in the order they were added;
 * the operations of a transaction stand together in ops[] in program order; a scan is one HS_SCAN followed by its
 * HS_ROWs. Keys are interned: an id is an index into keys[], key_rank[id] its place in memcmp order. A transaction of
 * eight operations takes about 250 bytes.
 *
 * Versions. Every key begins absent, as version 0. In a white-box history `version` is the commit timestamp (cts) of the
 * writer whose version was read (0: never existed; a deleted row may be seen as the deletion's cts or as 0). `value` is
 * what was read or written as a number; generators make every written value unique, so that in a black-box history the
 * value alone names its writer.
 *
 * Thread rule: one thread at a time. Memory: the C library's; NOMEM is reported, and what was there stays valid.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_HISTORY_H
#define VARVE_SUITE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "varve.h"

#define HS_ABSENT INT64_MIN    /* `value` of a read that found nothing */
#define HS_NO_STAMP UINT64_MAX /* no snapshot, or not known */
#define HS_OPEN UINT32_MAX     /* an open end of a range */

enum hs_kind {
    HS_READ,   /* get: value and version, or HS_ABSENT */
    HS_EXISTS, /* contains: value is 0 (there) or HS_ABSENT */
    HS_SCAN,   /* `key` is the index of its hs_range; `value` the number of HS_ROWs that follow */
    HS_ROW,    /* one row of the scan before it */
    HS_WRITE,  /* put, insert, update: `value` is the new value; add: what was added */
    HS_DELETE,
    HS_APPEND, /* list histories: `value` is the element */
    HS_LIST,   /* list histories: the list read; `version` is an offset into lists[], `value` the number of elements,
                  HS_ABSENT for a key that was not there */
    HS_KINDS
};

enum hs_op_flags {
    HS_OWN = 1,          /* answered from an own write: `version` is the index of that operation in the transaction */
    HS_ROLLED_BACK = 2,  /* a write undone by rollback to a savepoint: it has no effect, its reads still count */
    HS_FOR_UPDATE = 4,   /* read under a write lock */
    HS_NEEDS_ABSENT = 8, /* write: insert, it relied on the key being absent */
    HS_NEEDS_PRESENT = 16, /* write or delete: update or delete, it relied on the key being there */
    HS_FAILED = 32,      /* a write that answered EXISTS or NOTFOUND: it is a read of presence and writes nothing */
    HS_ADDITION = 64,    /* a write that adds `value` to what the row holds at the commit (absent: 0), wrapping */
};

/* 24 bytes. */
struct hs_op {
    uint32_t key;  /* key id; HS_SCAN: index into ranges[] */
    uint8_t kind;  /* enum hs_kind */
    uint8_t flags; /* enum hs_op_flags */
    uint16_t statement; /* operations of one statement share it (get_many, a cursor); counts from 0 in a transaction */
    uint64_t version;
    int64_t value;
};

enum hs_outcome { HS_COMMITTED, HS_ABORTED, HS_UNKNOWN /* the client never learned it */ };

enum hs_txn_flags {
    HS_READ_ONLY = 1, /* declared */
    HS_ESCALATED = 2, /* ran under locks */
    HS_TORN = 4,      /* read committed under short locks: the rows of one statement may come from different states */
};

/* 56 bytes. Times are of one clock for all sessions: nanoseconds, steps of a scheduler, or an engine's commit clock. */
struct hs_txn {
    uint64_t begin;    /* when begin was called */
    uint64_t end;      /* when commit or abort returned; HS_NO_STAMP: never, the outcome is unknown */
    uint64_t snapshot; /* white box: last registered snapshot, HS_NO_STAMP = none */
    uint64_t cts;      /* white box: commit timestamp; 0 = none */
    uint64_t first_op;
    uint32_t op_count;
    uint32_t session;
    uint8_t level;   /* varve_isolation as served; 0 = not known: judged at the level asked of the checker */
    uint8_t outcome; /* enum hs_outcome */
    uint8_t reason;  /* varve_reason of an abort */
    uint8_t flags;   /* enum hs_txn_flags */
    uint32_t spare;
};

enum hs_range_flags {
    HS_HIGH_INCLUSIVE = 1, /* the scan stopped on `high` and has seen it */
    HS_LOW_EXCLUSIVE = 2,  /* the scan began above `low` */
    HS_REVERSE = 4,
};
/* The keys a scan has covered, as far as it went: what it did not return from here was absent. 12 bytes. */
struct hs_range {
    uint32_t low, high; /* key ids, HS_OPEN: open end; low <= k < high */
    uint32_t flags;     /* enum hs_range_flags */
};

struct hs_key {
    uint64_t offset; /* into key_bytes */
    uint32_t size;
};

enum hs_shape { HS_REGISTERS, HS_LISTS };

struct hs_index; /* the hash of the keys; private */

struct hs_history {
    struct hs_txn *txns; /* [txn_count] */
    struct hs_op *ops;   /* [op_count] */
    struct hs_range *ranges;
    struct hs_key *keys;
    uint8_t *key_bytes;
    uint32_t *key_rank;  /* [key_count] after hs_finish: id to place in order */
    uint32_t *key_order; /* [key_count] after hs_finish: place to id */
    int64_t *lists;      /* elements of HS_LISTs, one after another */
    size_t txn_count, op_count, range_count, key_count, key_bytes_count, list_count;
    size_t txn_capacity, op_capacity, range_capacity, key_capacity, key_bytes_capacity, list_capacity;
    struct hs_index *index;
    enum hs_shape shape;
    bool stamps;      /* white box: versions, snapshots and cts mean what they say */
    bool timed;       /* begin and end are of one clock: real-time order may be judged */
    bool by_session;  /* session order is known */
    bool additions;   /* some write is an addition; set by hs_finish */
};

/* What is wrong with an input, and where. */
struct hs_problem {
    uint64_t line; /* 1-based; 0: no line */
    char text[240];
};

void hs_init(struct hs_history *history); /* empty, registers, nothing known */
void hs_release(struct hs_history *history);
uint64_t hs_memory(const struct hs_history *history); /* bytes held */

/* All return VARVE_OK or VARVE_NOMEM; hs_key also TOOBIG past 2^32 - 2 keys. */
int hs_key(struct hs_history *history, const void *bytes, size_t size, uint32_t *id);
int hs_txn_add(struct hs_history *history, const struct hs_txn *txn); /* first_op and op_count are set here */
int hs_op_add(struct hs_history *history, const struct hs_op *op);    /* to the transaction added last */
int hs_range_add(struct hs_history *history, const struct hs_range *range, uint32_t *index);
int hs_list_add(struct hs_history *history, const int64_t *elements, size_t count, uint64_t *offset);
/* Sorts the keys; call after the last addition, before judging. INVALID with *problem for what cannot be a history (an
 * index out of range, rows without a scan, an end before a begin). */
int hs_finish(struct hs_history *history, struct hs_problem *problem);

static inline varve_slice hs_key_bytes(const struct hs_history *h, uint32_t id) {
    return (varve_slice){h->key_bytes + h->keys[id].offset, h->keys[id].size};
}
/* "T12", "x" for printable keys, "0x00ff" for others; returns buffer. */
const char *hs_key_text(const struct hs_history *history, uint32_t id, char *buffer, size_t buffer_bytes);

/* --- files ------------------------------------------------------------------------------------------------------- */

enum hs_format {
    HS_FORMAT_AUTO = 0,   /* reading: from the first bytes */
    HS_FORMAT_JSONL,      /* ours: one transaction a line, everything kept (suite/history/README.md) */
    HS_FORMAT_BINARY,     /* ours: the columns, with a checksum */
    HS_FORMAT_EDN_LIST,   /* Jepsen operations, list-append */
    HS_FORMAT_EDN_REGISTER,
    HS_FORMAT_JSON_LIST,  /* the same operations as JSON, one a line or one array */
    HS_FORMAT_JSON_REGISTER,
    HS_FORMAT_PLUME,      /* text: r(key,value,session,txn) and w(...), committed transactions only */
    HS_FORMAT_DBCOP,      /* JSON: sessions of transactions of events */
    HS_FORMATS
};
const char *hs_format_name(enum hs_format format);
bool hs_format_find(const char *name, enum hs_format *format); /* by its name: "edn-list" */
/* Into an initialised history. INVALID with line and reason for what is not a history in that format; IO; NOMEM. Memory
 * stays within 400 bytes a transaction of eight operations, however long the file is. The history comes finished; after a
 * failure it holds what was read so far and is to be released. */
int hs_read(FILE *in, enum hs_format format, struct hs_history *history, struct hs_problem *problem);
/* INVALID with *problem where the format cannot hold it (scans in Plume's text, say). */
int hs_write(FILE *out, enum hs_format format, const struct hs_history *history, struct hs_problem *problem);

#endif
