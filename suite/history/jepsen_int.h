/* jepsen_int.h - what the two halves of the Jepsen reader share: one operation as it stands in the file. Private to
 * history.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_JEPSEN_INT_H
#define VARVE_SUITE_JEPSEN_INT_H

#include "history/history_int.h"

enum hj_type { HJ_NO_TYPE, HJ_INVOKE, HJ_OK, HJ_FAIL, HJ_INFO };
enum hj_process { HJ_NO_PROCESS, HJ_CLIENT, HJ_OTHER /* a nemesis, say */ };
enum hj_value { HJ_NO_VALUE, HJ_MICRO_OPS, HJ_WRONG };

/* [verb key value] */
struct hj_micro {
    uint32_t key;
    uint8_t kind;  /* HS_READ, HS_WRITE, HS_APPEND or HS_LIST */
    int64_t value; /* HS_LIST: the number of elements, HS_ABSENT for nil */
    size_t offset; /* HS_LIST: into elements */
};

/* {:type .. :f .. :process .. :time .. :value ..}; the buffers are used again for the next one. */
struct hj_op {
    enum hj_type type;
    enum hj_process by;
    enum hj_value what;
    bool is_txn; /* f is txn, or there is none */
    bool has_time;
    int64_t process;
    uint64_t time, line;
    char f[40];
    struct hs_problem wrong; /* what is wrong with the value: told only when the operation turns out to be a client's */
    struct hj_micro *micros;
    size_t micro_count, micro_capacity;
    int64_t *elements;
    size_t element_count, element_capacity;
};

/* Reads the members behind the opening bracket of a map. *shape becomes known with the first operation that shows it.
 */
int hj_read_op(struct hs_lexer *x, struct hs_history *history, enum hs_jepsen_shape *shape, struct hj_op *op);
void hj_op_release(struct hj_op *op);

#endif
