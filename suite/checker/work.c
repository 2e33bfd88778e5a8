/* work.c - memory that is counted, findings that keep the worst, and small questions about transactions.
 *
 * Invariants: 1. report->memory_bytes is the most that was held at once. 2. A finding is replaced only by a worse one.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checker/checker_int.h"

static void *account(struct ck_work *work, void *memory, size_t count, size_t bytes) {
    if (memory == NULL) {
        work->status = VARVE_NOMEM;
        return NULL;
    }
    work->held += (uint64_t)count * bytes;
    if (work->held > work->report->memory_bytes) work->report->memory_bytes = work->held;
    return memory;
}

void *ck_alloc(struct ck_work *work, size_t count, size_t bytes) {
    if (work->status != VARVE_OK || (bytes != 0 && count > SIZE_MAX / 2 / bytes)) {
        work->status = VARVE_NOMEM;
        return NULL;
    }
    return account(work, malloc(count * bytes + 1), count, bytes);
}

void *ck_zalloc(struct ck_work *work, size_t count, size_t bytes) {
    if (work->status != VARVE_OK) return NULL;
    return account(work, calloc(count + 1, bytes), count, bytes);
}

void ck_free(struct ck_work *work, void *memory, size_t count, size_t bytes) {
    if (memory == NULL) return;
    free(memory);
    work->held -= (uint64_t)count * bytes;
}

uint64_t ck_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void ck_pass(struct ck_work *work, const char *name, uint64_t began_ns, uint64_t txns) {
    struct ck_report *report = work->report;
    if (report->pass_count == CK_PASSES_MAX) return;
    report->passes[report->pass_count].name = name;
    report->passes[report->pass_count].ns = ck_now_ns() - began_ns;
    report->passes[report->pass_count].txns = txns;
    report->pass_count++;
}

struct ck_finding *ck_found(struct ck_work *work, enum ck_anomaly anomaly, uint32_t txn, uint64_t op, uint32_t other) {
    struct ck_finding *finding = &work->report->finding;
    work->broken = true;
    bool same = finding->anomaly == anomaly && !(work->explaining && finding->edge_count == 0);
    if (work->found && (finding->anomaly < anomaly || same)) return NULL;
    memset(finding, 0, sizeof(*finding));
    finding->anomaly = anomaly;
    finding->txn = txn;
    finding->op = op;
    finding->other = other;
    work->found = true;
    return finding;
}

void ck_say(struct ck_finding *finding, const char *format, ...) {
    va_list arguments;
    if (finding == NULL) return;
    size_t used = strlen(finding->proof);
    if (used + 2 >= sizeof(finding->proof)) return;
    if (used != 0) finding->proof[used++] = '\n';
    va_start(arguments, format);
    vsnprintf(finding->proof + used, sizeof(finding->proof) - used, format, arguments);
    va_end(arguments);
}

struct ck_text ck_key_name(const struct ck_work *work, uint32_t key) {
    struct ck_text text;
    hs_key_text(work->h, key, text.text, sizeof(text.text));
    return text;
}

struct ck_text ck_value_name(int64_t value) {
    struct ck_text text;
    if (value == HS_ABSENT)
        snprintf(text.text, sizeof(text.text), "absent");
    else
        snprintf(text.text, sizeof(text.text), "%lld", (long long)value);
    return text;
}

/* --- sorting --------------------------------------------------------------------------------------------------------
 */

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

static void sort_digit(const struct ck_item *from, struct ck_item *to, size_t count, unsigned shift, uint64_t base) {
    size_t places[DIGITS] = {0}, sum = 0;
    for (size_t i = 0; i < count; i++) places[(from[i].key - base) >> shift & (DIGITS - 1)]++;
    for (size_t d = 0; d < DIGITS; d++) {
        size_t n = places[d];
        places[d] = sum;
        sum += n;
    }
    for (size_t i = 0; i < count; i++) to[places[(from[i].key - base) >> shift & (DIGITS - 1)]++] = from[i];
}

void ck_sort(struct ck_item *items, struct ck_item *spare, size_t count) {
    uint64_t low = UINT64_MAX, high = 0;
    bool sorted = true;
    for (size_t i = 0; i < count; i++) {
        if (items[i].key < low) low = items[i].key;
        if (items[i].key > high) high = items[i].key;
        sorted = sorted && (i == 0 || items[i - 1].key <= items[i].key);
    }
    if (sorted) return;
    struct ck_item *from = items, *to = spare;
    for (unsigned shift = 0; shift < 64 && (high - low) >> shift != 0; shift += DIGIT_BITS) {
        sort_digit(from, to, count, shift, low);
        struct ck_item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) memcpy(items, from, count * sizeof(*items));
}

/* --- transactions ---------------------------------------------------------------------------------------------------
 */

bool ck_has_writes(const struct hs_history *history, const struct hs_txn *txn) {
    const struct hs_op *op = history->ops + txn->first_op;
    for (uint32_t i = 0; i < txn->op_count; i++)
        if (ck_is_write(&op[i])) return true;
    return false;
}

const struct hs_op *ck_last_write(const struct hs_history *history, const struct hs_txn *txn, uint32_t key) {
    const struct hs_op *ops = history->ops + txn->first_op;
    for (uint32_t i = txn->op_count; i-- > 0;)
        if (ops[i].key == key && ck_is_write(&ops[i])) return &ops[i];
    return NULL;
}

bool ck_wrote_before(const struct hs_history *history, const struct hs_txn *txn, uint64_t op, uint32_t key) {
    for (uint64_t i = txn->first_op; i < op; i++) {
        const struct hs_op *o = &history->ops[i];
        bool writes = o->kind == HS_WRITE || o->kind == HS_DELETE || o->kind == HS_APPEND;
        if (writes && o->key == key && (o->flags & HS_FAILED) == 0) return true;
    }
    return false;
}

void ck_interval(const struct hs_history *history, const struct hs_op *scan, uint32_t *low, uint32_t *high) {
    const struct hs_range *range = &history->ranges[scan->key];
    *low = range->low == HS_OPEN ? 0 : history->key_rank[range->low] + ((range->flags & HS_LOW_EXCLUSIVE) != 0);
    *high = range->high == HS_OPEN ? (uint32_t)history->key_count
                                   : history->key_rank[range->high] + ((range->flags & HS_HIGH_INCLUSIVE) != 0);
}

struct ck_rows ck_rows_of(const struct hs_history *history, uint64_t scan, uint64_t count) {
    bool reverse = (history->ranges[history->ops[scan].key].flags & HS_REVERSE) != 0;
    return (struct ck_rows){history, history->ops + scan + 1, count, 0, reverse};
}

bool ck_rows_have(struct ck_rows *rows, uint32_t rank) {
    while (rows->next < rows->count) {
        uint64_t i = rows->reverse ? rows->count - 1 - rows->next : rows->next;
        uint32_t at = rows->history->key_rank[rows->rows[i].key];
        if (at >= rank) return at == rank;
        rows->next++;
    }
    return false;
}

bool ck_sessions_init(struct ck_work *work) {
    const struct hs_history *h = work->h;
    if (!work->sessions) return true;
    struct ck_item *items = ck_alloc(work, h->txn_count, 2 * sizeof(*items));
    work->session_at = ck_alloc(work, h->txn_count, sizeof(*work->session_at));
    if (work->status == VARVE_OK) {
        for (size_t t = 0; t < h->txn_count; t++) items[t] = (struct ck_item){h->txns[t].session, (uint32_t)t, 0};
        ck_sort(items, items + h->txn_count, h->txn_count);
        for (size_t i = 0; i < h->txn_count; i++) {
            work->session_count += i == 0 || items[i].key != items[i - 1].key;
            work->session_at[items[i].txn] = work->session_count - 1;
        }
    }
    ck_free(work, items, h->txn_count, 2 * sizeof(*items));
    return work->status == VARVE_OK;
}
