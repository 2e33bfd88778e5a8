/* shrink.c - a smaller history with the same anomaly.
 *
 * First a guess: the transactions of the finding and those that wrote what they read. If it shows the anomaly, all else
 * is gone at one stroke; if not, the search begins with the whole. Then delta debugging: parts of transactions are left
 * out, in halves, quarters and so on down to one, then single operations (a scan goes with its rows, an operation with
 * the reads that were answered from it), as long as the anomaly stays; until nothing can be left out.
 *
 * Source: Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 2002, section 3.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "checker/checker.h"

struct shrink {
    const struct hs_history *h;
    struct ck_options options;
    enum ck_anomaly anomaly;
    uint32_t *kept; /* [kept_count] transactions, ascending */
    size_t kept_count;
    bool *dropped; /* [op_count] */
    struct hs_history best;
    struct ck_report best_report;
    bool have_best;
    int status;
};

/* --- copying --------------------------------------------------------------------------------------------------------
 */

static int copy_key(const struct shrink *s, struct hs_history *to, uint32_t *key) {
    varve_slice name = hs_key_bytes(s->h, *key);
    return *key == HS_OPEN ? VARVE_OK : hs_key(to, name.data, name.size, key);
}

/* The index of an own write among the operations that are kept. */
static uint64_t kept_index(const struct shrink *s, const struct hs_txn *txn, uint64_t index) {
    uint64_t kept = 0;
    for (uint64_t i = txn->first_op; i < txn->first_op + index && i < txn->first_op + txn->op_count; i++)
        kept += !s->dropped[i];
    return kept;
}

static int copy_op(const struct shrink *s, struct hs_history *to, const struct hs_txn *txn, uint64_t i) {
    struct hs_op op = s->h->ops[i];
    int status = VARVE_OK;
    if (op.kind == HS_SCAN) {
        struct hs_range range = s->h->ranges[op.key];
        status = copy_key(s, to, &range.low);
        if (status == VARVE_OK) status = copy_key(s, to, &range.high);
        if (status == VARVE_OK) status = hs_range_add(to, &range, &op.key);
    } else {
        status = copy_key(s, to, &op.key);
    }
    if (status == VARVE_OK && op.kind == HS_LIST && op.value > 0)
        status = hs_list_add(to, s->h->lists + op.version, (size_t)op.value, &op.version);
    if (op.kind != HS_LIST && (op.flags & HS_OWN) != 0) op.version = kept_index(s, txn, op.version);
    return status == VARVE_OK ? hs_op_add(to, &op) : status;
}

static int copy(const struct shrink *s, const uint32_t *txns, size_t count, struct hs_history *to) {
    struct hs_problem problem;
    hs_init(to);
    to->shape = s->h->shape;
    to->stamps = s->h->stamps;
    to->timed = s->h->timed;
    to->by_session = s->h->by_session;
    for (size_t n = 0; n < count; n++) {
        const struct hs_txn *txn = &s->h->txns[txns[n]];
        int status = hs_txn_add(to, txn);
        for (uint64_t i = txn->first_op; i < txn->first_op + txn->op_count && status == VARVE_OK; i++)
            if (!s->dropped[i]) status = copy_op(s, to, txn, i);
        if (status != VARVE_OK) return status;
    }
    return hs_finish(to, &problem);
}

/* Whether these transactions show the anomaly; if so they are the best so far. */
static bool shows(struct shrink *s, const uint32_t *txns, size_t count) {
    struct hs_history tried;
    struct ck_report report;
    if (s->status != VARVE_OK) return false;
    int status = copy(s, txns, count, &tried);
    if (status == VARVE_OK) status = ck_check(&tried, &s->options, &report);
    if (status == VARVE_NOMEM) s->status = status;
    if (status != VARVE_OK || report.verdict != CK_VIOLATION || report.finding.anomaly != s->anomaly) {
        hs_release(&tried);
        return false;
    }
    if (s->have_best) hs_release(&s->best);
    s->best = tried;
    s->best_report = report;
    s->have_best = true;
    return true;
}

/* --- the guess ------------------------------------------------------------------------------------------------------
 */

static void mark(bool *wanted, const struct hs_history *h, uint32_t txn) {
    if (txn < h->txn_count) wanted[txn] = true;
}

static void mark_finding(bool *wanted, const struct hs_history *h, const struct ck_finding *finding) {
    mark(wanted, h, finding->txn);
    mark(wanted, h, finding->other);
    for (unsigned i = 0; i < finding->edge_count; i++) mark(wanted, h, finding->edges[i].from);
}

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* What the wanted transactions read: stamps, or values in a history without. */
static uint64_t *gather_read(const struct hs_history *h, const bool *wanted, size_t *count) {
    size_t capacity = 64;
    uint64_t *read = malloc(capacity * sizeof(*read));
    *count = 0;
    for (size_t t = 0; t < h->txn_count && read != NULL; t++)
        for (uint64_t i = h->txns[t].first_op; wanted[t] && i < h->txns[t].first_op + h->txns[t].op_count; i++) {
            const struct hs_op *op = &h->ops[i];
            bool list = op->kind == HS_LIST && op->value > 0;
            size_t many = list ? (size_t)op->value : op->kind == HS_READ || op->kind == HS_ROW || op->kind == HS_EXISTS;
            while (read != NULL && *count + many > capacity) {
                uint64_t *grown = realloc(read, 2 * capacity * sizeof(*read));
                if (grown == NULL) free(read);
                read = grown;
                capacity *= 2;
            }
            for (size_t e = 0; e < many && read != NULL; e++)
                read[(*count)++] = list        ? (uint64_t)h->lists[op->version + e]
                                   : h->stamps ? op->version
                                               : (uint64_t)op->value;
        }
    if (read != NULL) qsort(read, *count, sizeof(*read), by_number);
    return read;
}

static bool has(const uint64_t *read, size_t count, uint64_t number) {
    return count != 0 && bsearch(&number, read, count, sizeof(*read), by_number) != NULL;
}

static bool wrote_any(const struct hs_history *h, const struct hs_txn *txn, const uint64_t *read, size_t count) {
    if (h->stamps && h->shape == HS_REGISTERS) return txn->cts != 0 && has(read, count, txn->cts);
    for (uint64_t i = txn->first_op; i < txn->first_op + txn->op_count; i++)
        if ((h->ops[i].kind == HS_WRITE || h->ops[i].kind == HS_APPEND) && has(read, count, (uint64_t)h->ops[i].value))
            return true;
    return false;
}

static void guess(struct shrink *s, const struct ck_finding *finding) {
    const struct hs_history *h = s->h;
    size_t read_count, n = 0;
    bool *wanted = calloc(h->txn_count + 1, sizeof(*wanted));
    uint32_t *txns = malloc((h->txn_count + 1) * sizeof(*txns));
    uint64_t *read = NULL;
    if (wanted != NULL) {
        mark_finding(wanted, h, finding);
        read = gather_read(h, wanted, &read_count);
    }
    if (read == NULL || txns == NULL) {
        s->status = VARVE_NOMEM;
    } else {
        for (size_t t = 0; t < h->txn_count; t++)
            if (wanted[t] || wrote_any(h, &h->txns[t], read, read_count)) txns[n++] = (uint32_t)t;
        if (shows(s, txns, n)) {
            memcpy(s->kept, txns, n * sizeof(*txns));
            s->kept_count = n;
        }
    }
    free(wanted);
    free(txns);
    free(read);
}

/* --- delta debugging ------------------------------------------------------------------------------------------------
 */

/* Tries to leave out kept[first .. first + size - 1]. */
static bool without(struct shrink *s, size_t first, size_t size, uint32_t *rest) {
    size_t after = s->kept_count - first - size;
    memcpy(rest, s->kept, first * sizeof(*rest));
    memcpy(rest + first, s->kept + first + size, after * sizeof(*rest));
    if (!shows(s, rest, first + after)) return false;
    memcpy(s->kept, rest, (first + after) * sizeof(*rest));
    s->kept_count = first + after;
    return true;
}

static bool shrink_txns(struct shrink *s) {
    uint32_t *rest = malloc((s->kept_count + 1) * sizeof(*rest));
    bool any = false;
    if (rest == NULL) s->status = VARVE_NOMEM;
    for (size_t size = s->kept_count / 2 + 1; rest != NULL && size != 0 && s->status == VARVE_OK; size /= 2)
        for (size_t first = 0; first < s->kept_count;) {
            size_t now = size < s->kept_count - first ? size : s->kept_count - first;
            if (now < s->kept_count && without(s, first, now, rest))
                any = true;
            else
                first += now;
        }
    free(rest);
    return any;
}

/* Drops or restores an operation with what hangs on it: the rows of a scan, the reads answered from a write. */
static void drop_op(struct shrink *s, const struct hs_txn *txn, uint64_t op, bool drop) {
    const struct hs_op *ops = s->h->ops;
    uint64_t end = txn->first_op + txn->op_count;
    s->dropped[op] = drop;
    for (uint64_t i = op + 1; i < end && ops[op].kind == HS_SCAN && ops[i].kind == HS_ROW; i++) s->dropped[i] = drop;
    for (uint64_t i = op + 1; i < end; i++) {
        bool own = ops[i].kind == HS_READ && (ops[i].flags & HS_OWN) != 0;
        if (own && ops[i].version == op - txn->first_op) s->dropped[i] = drop;
    }
}

static bool shrink_ops(struct shrink *s) {
    bool any = false;
    for (size_t n = 0; n < s->kept_count; n++) {
        const struct hs_txn *txn = &s->h->txns[s->kept[n]];
        for (uint64_t i = txn->first_op + txn->op_count; i-- > txn->first_op && s->status == VARVE_OK;) {
            if (s->dropped[i] || s->h->ops[i].kind == HS_ROW) continue;
            drop_op(s, txn, i, true);
            if (shows(s, s->kept, s->kept_count))
                any = true;
            else
                drop_op(s, txn, i, false);
        }
    }
    return any;
}

int ck_shrink(const struct hs_history *history, const struct ck_options *options, const struct ck_report *report,
              struct hs_history *small, struct ck_report *small_report) {
    struct shrink s = {.h = history, .options = *options, .anomaly = report->finding.anomaly};
    s.options.graph = false;
    s.kept = malloc((history->txn_count + 1) * sizeof(*s.kept));
    s.dropped = calloc(history->op_count + 1, sizeof(*s.dropped));
    if (s.kept == NULL || s.dropped == NULL) s.status = VARVE_NOMEM;
    for (size_t t = 0; s.status == VARVE_OK && t < history->txn_count; t++) s.kept[s.kept_count++] = (uint32_t)t;
    if (s.status == VARVE_OK) guess(&s, &report->finding);
    if (s.status == VARVE_OK && !s.have_best && !shows(&s, s.kept, s.kept_count) && s.status == VARVE_OK)
        s.status = VARVE_INVALID; /* the report is not one of this history */
    while (s.status == VARVE_OK && (shrink_txns(&s) || shrink_ops(&s))) {
    }
    free(s.kept);
    free(s.dropped);
    if (s.status == VARVE_OK) {
        *small = s.best;
        *small_report = s.best_report;
    } else if (s.have_best) {
        hs_release(&s.best);
    }
    return s.status;
}
