/* cc_trace.c - a scheme that tells somebody each call and its answer, and leaves the work to another scheme.
 *
 * The tracer belongs to its owner and outlives every transaction that runs under it; the table finds it through the
 * table's own address (the table is its first member).
 *
 * SPDX-License-Identifier: MIT
 */
#include "cc/cc.h"

static const struct vcc_tracer *tracer_of(const struct vcc_txn *t) { return (const struct vcc_tracer *)t->ops; }

static int told(const struct vcc_txn *t, const char *call, int status) {
    const struct vcc_tracer *tracer = tracer_of(t);
    tracer->sink(tracer->arg, t, call, status);
    return status;
}

static int trace_begin(struct vcc_txn *t) { return told(t, "begin", tracer_of(t)->inner->begin(t)); }

static int trace_read(struct vcc_txn *t, const struct vcc_access *access, struct vcc_result *result) {
    return told(t, "read", tracer_of(t)->inner->read(t, access, result));
}

static int trace_range(struct vcc_txn *t, struct vcc_scan *scan, const struct vcc_step *step) {
    return told(t, "range", tracer_of(t)->inner->range(t, scan, step));
}

static int trace_write(struct vcc_txn *t, struct vst_table *table, varve_slice key, struct vst_record *record) {
    return told(t, "write", tracer_of(t)->inner->write(t, table, key, record));
}

static int trace_precommit(struct vcc_txn *t) { return told(t, "precommit", tracer_of(t)->inner->precommit(t)); }

static int trace_validate(struct vcc_txn *t, uint64_t cts) {
    return told(t, "validate", tracer_of(t)->inner->validate(t, cts));
}

static void trace_end(struct vcc_txn *t, bool committed) {
    tracer_of(t)->inner->end(t, committed);
    (void)told(t, "end", committed ? VARVE_OK : VARVE_CONFLICT);
}

void vcc_tracer_init(struct vcc_tracer *tracer, const struct vcc_ops *inner, vcc_trace_fn sink, void *arg) {
    tracer->ops = *inner;
    tracer->ops.begin = trace_begin;
    tracer->ops.read = trace_read;
    tracer->ops.range = trace_range;
    tracer->ops.write = trace_write;
    tracer->ops.precommit = trace_precommit;
    tracer->ops.validate = trace_validate;
    tracer->ops.end = trace_end;
    tracer->inner = inner;
    tracer->sink = sink;
    tracer->arg = arg;
}
