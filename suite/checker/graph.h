/* graph.h - the dependency graph of a history: points of transactions, and who has to come before whom.
 *
 * Points. What a transaction does happens at one or at several points in the order of all: serializable, repeatable
 * read and read uncommitted have one; snapshot has two, where it reads and where it commits; read committed has one for
 * each statement and one for the commit. The points of a transaction stand together and in order, and each comes before
 * the next without an edge of its own. Edges of reads enter and leave the point that read; writes belong to the last
 * point. A history is one that its levels allow exactly if these points can be put in one order: if there is no cycle.
 *
 * Real time is a chain of helper points after all others: a transaction that has ended leads to the first helper after
 * its end, a helper leads to what began after it and comes before the next helper.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_CHECKER_GRAPH_H
#define VARVE_SUITE_CHECKER_GRAPH_H

#include "checker/checker_int.h"

#define CK_NO_ENTRY UINT32_MAX

/* What one read depends on. */
struct ck_dependency {
    uint64_t op; /* the read, or the scan that did not return the key */
    uint32_t key;
    uint32_t statement; /* ordinal of its statement in the transaction */
    uint32_t from;      /* entry of versions that was read, CK_NO_ENTRY: the state before all, or not known */
    uint32_t next;      /* the first entry that changes what was read, CK_NO_ENTRY: none */
    bool range;         /* the absence of a key in a scan */
};
typedef void (*ck_dependency_fn)(void *arg, const struct ck_dependency *dependency);

/* deps.c: calls fn for every read of the transaction that its level judges. */
void ck_dependencies(const struct ck_work *work, uint32_t txn, ck_dependency_fn fn, void *arg);
/* The entry of the version that a read of a present value was answered with, or CK_NO_ENTRY. */
uint32_t ck_entry_of(const struct ck_work *work, uint64_t op);
uint32_t ck_find_entry(const struct ck_work *work, uint64_t op); /* the same by the version on record */
/* Whether the transaction had read from the writer by the end of that statement. */
bool ck_reads_from(const struct ck_work *work, uint32_t txn, uint32_t statement, uint32_t writer);
uint32_t ck_statements(const struct ck_work *work, const struct hs_txn *txn);
static inline uint32_t ck_writer(const struct ck_work *work, uint32_t entry) {
    return work->txn_at[work->versions->entries[entry] >> 1];
}

enum { CK_MASK_DEPS = 1 << CK_WW | 1 << CK_WR, CK_MASK_RW = 1 << CK_RW | 1 << CK_RW_RANGE };
enum { CK_MASK_DATA = CK_MASK_DEPS | CK_MASK_RW };

struct ck_graph {
    uint32_t *first_point; /* [txn_count + 1] */
    uint32_t *txn_of;      /* [points] CK_NO_TXN: a helper */
    uint32_t points, helpers_from;
    uint32_t *edge_start; /* [points + 1] */
    uint32_t *edge_to;
    uint8_t *edge_kind; /* enum ck_edge_kind */
    size_t edges;
};

/* graph.c */
bool ck_graph_build(struct ck_work *work, struct ck_graph *graph);
void ck_graph_release(struct ck_work *work, struct ck_graph *graph);
/* The next point of the same transaction or the next helper; UINT32_MAX where there is none. */
static inline uint32_t ck_next_point(const struct ck_graph *graph, uint32_t point) {
    uint32_t next = point + 1;
    return next < graph->points && graph->txn_of[next] == graph->txn_of[point] ? next : UINT32_MAX;
}

/* scc.c: component[point] of the graph with the kinds of `mask` only; false where all components are single points. */
bool ck_components(struct ck_work *work, const struct ck_graph *graph, unsigned mask, uint32_t *component);

/* cycles.c: reports the shortest cycle of the worst class; true where there is one. */
bool ck_cycles(struct ck_work *work, const struct ck_graph *graph);

/* explain.c: a cycle as edges between transactions, and in words. */
struct ck_step {
    uint32_t from, to; /* points */
    uint8_t kind;
};
void ck_explain(struct ck_work *work, const struct ck_graph *graph, struct ck_finding *finding,
                const struct ck_step *steps, unsigned count);

#endif
