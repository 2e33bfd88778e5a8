/* reads.c - the read set: rows, ranges and the leaves they crossed, kept until commit.
 *
 * Owner thread only. Arrays grow in the transaction's heap and are kept from one transaction to the next.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/planted.h"
#include "certify/certify.h"
#include "certify/certify_int.h"

enum { FIRST_CAPACITY = 32 };

/* Makes room for one more element of `size` bytes. */
static int grow(struct vcc_txn *t, void **array, uint32_t count, uint32_t *capacity, size_t size) {
    bool fails = VK_FAULT(t->domain, read_set);
    if (vb_likely(count < *capacity) && !fails) return VARVE_OK;
    uint32_t wanted = *capacity != 0 ? *capacity * 2 : FIRST_CAPACITY;
    void *bigger = fails ? NULL : vb_heap_alloc(t->heap, wanted * size);
    if (bigger == NULL)
        return vk_fail(&t->detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for the read set");
    if (count != 0) memcpy(bigger, *array, count * size);
    vb_heap_free(t->heap, *array, *capacity * size);
    *array = bigger;
    *capacity = wanted;
    return VARVE_OK;
}

int vct_reads_grow(struct vcc_txn *t) {
    struct vcc_reads *reads = &t->reads;
    return grow(t, (void **)&reads->entries, reads->entry_count, &reads->entry_capacity, sizeof *reads->entries);
}

/* A copy that lives as long as the transaction; an open end stays open. */
static int keep_bytes(struct vcc_txn *t, varve_slice bytes, varve_slice *kept) {
    *kept = bytes;
    if (bytes.data == NULL) return VARVE_OK;
    void *copy = VK_FAULT(t->domain, range) ? NULL : vb_arena_alloc(&t->arena, bytes.size != 0 ? bytes.size : 1);
    if (copy == NULL) return vk_fail(&t->detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for a range");
    memcpy(copy, bytes.data, bytes.size);
    kept->data = copy;
    return VARVE_OK;
}

static int range_open(struct vcc_txn *t, struct vcc_scan *scan) {
    struct vcc_reads *reads = &t->reads;
    VB_TRY(grow(t, (void **)&reads->ranges, reads->range_count, &reads->range_capacity, sizeof *reads->ranges));
    varve_slice from;
    VB_TRY(keep_bytes(t, scan->from, &from));
    struct vcc_range_entry *range = &reads->ranges[reads->range_count];
    memset(range, 0, sizeof *range);
    range->table = scan->table;
    range->low = from;
    range->high = from;
    range->low_strict = scan->from_strict && !scan->point;
    range->high_inclusive = scan->point || !scan->from_strict;
    scan->range = ++reads->range_count;
    return VARVE_OK;
}

/* Adds the leaf that a step lies in; a leaf met again with another counter has changed under the scan, which only a
 * re-scan can judge. */
static int note_leaf(struct vcc_txn *t, uint32_t index, const struct vst_portion *portion) {
    struct vcc_reads *reads = &t->reads;
    struct vcc_range_entry *range = &reads->ranges[index];
    if (range->nodes != 0 && reads->node_count != 0) {
        const struct vcc_node_entry *last = &reads->nodes[reads->node_count - 1];
        if (last->range == index && last->leaf == portion->leaf) {
            if (last->phantom != portion->phantom) range->large = true;
            return VARVE_OK;
        }
    }
    VB_TRY(grow(t, (void **)&reads->nodes, reads->node_count, &reads->node_capacity, sizeof *reads->nodes));
    uint32_t phantom = VB_PLANTED(95) ? vst_phantom_now(portion->leaf) : portion->phantom;
    reads->nodes[reads->node_count++] = (struct vcc_node_entry){portion->leaf, phantom, index};
    range->nodes++;
    return VARVE_OK;
}

int vct_note_range(struct vcc_txn *t, struct vcc_scan *scan, const struct vcc_step *step) {
    if (scan->range == 0) VB_TRY(range_open(t, scan));
    struct vcc_range_entry *range = &t->reads.ranges[scan->range - 1];
    if (!scan->point) {
        if (scan->direction == VST_FORWARD) {
            range->high = step->to;
            range->high_inclusive = step->to_inclusive;
        } else {
            range->low = step->to;
            range->low_strict = !step->to_inclusive || VB_PLANTED(87);
        }
        if (++range->rows > t->domain->limits.scan_small) range->large = true;
    }
    return range->large ? VARVE_OK : note_leaf(t, scan->range - 1, step->portion);
}

void vct_own_insert(struct vcc_txn *t, const struct vst_inserted *inserted) {
    for (uint32_t i = 0; i < t->reads.node_count; i++) {
        struct vcc_node_entry *node = &t->reads.nodes[i];
        if (node->leaf == inserted->leaf && (node->phantom == inserted->phantom_before || VB_PLANTED(56)))
            node->phantom = inserted->phantom_after;
    }
}

void vct_reset(struct vcc_txn *t) {
    t->reads.entry_count = t->reads.node_count = t->reads.range_count = 0;
    t->reads.rechecks = 0;
}

void vct_release(struct vcc_txn *t) {
    struct vcc_reads *reads = &t->reads;
    vb_heap_free(t->heap, reads->entries, reads->entry_capacity * sizeof *reads->entries);
    vb_heap_free(t->heap, reads->nodes, reads->node_capacity * sizeof *reads->nodes);
    vb_heap_free(t->heap, reads->ranges, reads->range_capacity * sizeof *reads->ranges);
    memset(reads, 0, sizeof *reads);
}
