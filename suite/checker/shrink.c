/* shrink.c - a smaller history with the same anomaly.
 *
 * First guesses: the transactions of the finding alone; with the bare writes of those that wrote what they read; with all
 * that these did. The first that shows the anomaly does away with all else at one stroke; if none does, the search begins
 * with the whole. An append that is left out is left out of the lists that were read, so that the writers of a long list
 * need not stay. Then delta debugging: parts of transactions are left
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

/* Who appended an element. */
struct append {
    uint32_t key, txn;
    int64_t value;
    uint64_t op;
};

struct shrink {
    const struct hs_history *h;
    struct ck_options options;
    enum ck_anomaly anomaly;
    uint32_t *kept; /* [kept_count] transactions, ascending */
    size_t kept_count;
    bool *dropped; /* [op_count] */
    bool *bare;    /* [txn_count]: what its writes relied on is left out */
    bool *tried;   /* [txn_count]: the transactions of the copy that is being made */
    struct append *appends; /* [append_count], by key and value */
    size_t append_count;
    int64_t *elements; /* room for one list */
    struct hs_history best;
    struct ck_report best_report;
    bool have_best;
    int status;
};

/* --- copying --------------------------------------------------------------------------------------------------------
 */

static int copy_key(const struct shrink *s, struct hs_history *to, uint32_t *key) {
    if (*key == HS_OPEN) return VARVE_OK;
    varve_slice name = hs_key_bytes(s->h, *key);
    return hs_key(to, name.data, name.size, key);
}

/* The index of an own write among the operations that are kept. */
static uint64_t kept_index(const struct shrink *s, const struct hs_txn *txn, uint64_t index) {
    uint64_t kept = 0;
    for (uint64_t i = txn->first_op; i < txn->first_op + index && i < txn->first_op + txn->op_count; i++)
        kept += !s->dropped[i];
    return kept;
}

static int by_element(const void *a, const void *b) {
    const struct append *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

/* Whether somebody has appended the element, and nobody of those who did is left. */
static bool left_out(const struct shrink *s, uint32_t key, int64_t value) {
    size_t low = 0, high = s->append_count;
    const struct append wanted = {.key = key, .value = value};
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_element(&s->appends[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool any = false;
    for (; low < s->append_count && by_element(&s->appends[low], &wanted) == 0; low++) {
        if (s->tried[s->appends[low].txn] && !s->dropped[s->appends[low].op]) return false;
        any = true;
    }
    return any;
}

static int copy_list(const struct shrink *s, struct hs_history *to, struct hs_op *op, uint32_t key) {
    size_t kept = 0;
    for (int64_t e = 0; e < op->value; e++) {
        int64_t element = s->h->lists[op->version + (uint64_t)e];
        if (!left_out(s, key, element)) s->elements[kept++] = element;
    }
    op->value = kept == 0 ? HS_ABSENT : (int64_t)kept;
    return hs_list_add(to, s->elements, kept, &op->version);
}

static int copy_op(const struct shrink *s, struct hs_history *to, const struct hs_txn *txn, uint64_t i) {
    struct hs_op op = s->h->ops[i];
    int status = VARVE_OK;
    if (s->bare[txn - s->h->txns]) op.flags &= (uint8_t) ~(HS_NEEDS_ABSENT | HS_NEEDS_PRESENT);
    if (op.kind == HS_SCAN) {
        struct hs_range range = s->h->ranges[op.key];
        status = copy_key(s, to, &range.low);
        if (status == VARVE_OK) status = copy_key(s, to, &range.high);
        if (status == VARVE_OK) status = hs_range_add(to, &range, &op.key);
    } else {
        status = copy_key(s, to, &op.key);
    }
    if (status == VARVE_OK && op.kind == HS_LIST && op.value > 0)
        status = copy_list(s, to, &op, s->h->ops[i].key);
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
    memset(s->tried, 0, s->h->txn_count * sizeof(*s->tried));
    for (size_t n = 0; n < count; n++) s->tried[txns[n]] = true;
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

enum guess { FINDING_ALONE, BARE_WRITERS, WRITERS, GUESSES };

/* Of a transaction that stays for what it wrote: the reads go, and what its writes relied on. */
static void make_bare(struct shrink *s, size_t txn, bool bare) {
    const struct hs_txn *t = &s->h->txns[txn];
    s->bare[txn] = bare;
    for (uint64_t i = t->first_op; i < t->first_op + t->op_count; i++) {
        const struct hs_op *op = &s->h->ops[i];
        bool writes = op->kind == HS_WRITE || op->kind == HS_DELETE || op->kind == HS_APPEND;
        s->dropped[i] = bare && (!writes || (op->flags & HS_FAILED) != 0);
    }
}

/* read[]: what the wanted read. */
static bool guess(struct shrink *s, enum guess how, const bool *wanted, const uint64_t *read, size_t read_count) {
    const struct hs_history *h = s->h;
    size_t n = 0;
    for (size_t t = 0; t < h->txn_count; t++) {
        if (!wanted[t] && (how == FINDING_ALONE || !wrote_any(h, &h->txns[t], read, read_count))) continue;
        if (!wanted[t] && how == BARE_WRITERS) make_bare(s, t, true);
        s->kept[n++] = (uint32_t)t;
    }
    if (shows(s, s->kept, n)) {
        s->kept_count = n;
        return true;
    }
    for (size_t i = 0; i < n; i++)
        if (s->bare[s->kept[i]]) make_bare(s, s->kept[i], false);
    return false;
}

static void keep_all(struct shrink *s) {
    s->kept_count = s->h->txn_count;
    for (size_t t = 0; t < s->h->txn_count; t++) s->kept[t] = (uint32_t)t;
}

static void guess_all(struct shrink *s, const struct ck_finding *finding) {
    const struct hs_history *h = s->h;
    size_t read_count = 0;
    if (h->additions) {
        keep_all(s);
        return;
    }
    bool *wanted = calloc(h->txn_count + 1, sizeof(*wanted));
    uint64_t *read = NULL;
    if (wanted != NULL) {
        mark_finding(wanted, h, finding);
        read = gather_read(h, wanted, &read_count);
    }
    if (read == NULL) s->status = VARVE_NOMEM;
    for (int how = 0; how < GUESSES && s->status == VARVE_OK && !s->have_best; how++)
        (void)guess(s, (enum guess)how, wanted, read, read_count);
    free(wanted);
    free(read);
    if (s->status == VARVE_OK && !s->have_best) keep_all(s);
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

/* --- all ------------------------------------------------------------------------------------------------------------
 */

static void gather_appends(struct shrink *s) {
    const struct hs_history *h = s->h;
    size_t count = 0, longest = 0;
    for (size_t i = 0; i < h->op_count; i++) {
        count += h->ops[i].kind == HS_APPEND;
        if (h->ops[i].kind == HS_LIST && h->ops[i].value > (int64_t)longest) longest = (size_t)h->ops[i].value;
    }
    s->appends = malloc((count + 1) * sizeof(*s->appends));
    s->elements = malloc((longest + 1) * sizeof(*s->elements));
    if (s->appends == NULL || s->elements == NULL) {
        s->status = VARVE_NOMEM;
        return;
    }
    for (size_t t = 0; t < h->txn_count; t++)
        for (uint64_t i = h->txns[t].first_op; i < h->txns[t].first_op + h->txns[t].op_count; i++)
            if (h->ops[i].kind == HS_APPEND)
                s->appends[s->append_count++] = (struct append){h->ops[i].key, (uint32_t)t, h->ops[i].value, i};
    qsort(s->appends, s->append_count, sizeof(*s->appends), by_element);
}

static void init(struct shrink *s) {
    size_t txns = s->h->txn_count + 1;
    s->kept = malloc(txns * sizeof(*s->kept));
    s->dropped = calloc(s->h->op_count + 1, sizeof(*s->dropped));
    s->bare = calloc(txns, sizeof(*s->bare));
    s->tried = calloc(txns, sizeof(*s->tried));
    if (s->kept == NULL || s->dropped == NULL || s->bare == NULL || s->tried == NULL) s->status = VARVE_NOMEM;
    if (s->status == VARVE_OK) gather_appends(s);
}

static void release(struct shrink *s) {
    free(s->kept);
    free(s->dropped);
    free(s->bare);
    free(s->tried);
    free(s->appends);
    free(s->elements);
}

int ck_shrink(const struct hs_history *history, const struct ck_options *options, const struct ck_report *report,
              struct hs_history *small, struct ck_report *small_report) {
    struct shrink s = {.h = history, .options = *options, .anomaly = report->finding.anomaly};
    s.options.graph = false;
    init(&s);
    if (s.status == VARVE_OK) guess_all(&s, &report->finding);
    if (s.status == VARVE_OK && !s.have_best && !shows(&s, s.kept, s.kept_count) && s.status == VARVE_OK)
        s.status = VARVE_INVALID; /* the report is not one of this history */
    /* What is left out would be missing in the sums of others. */
    while (s.status == VARVE_OK && !history->additions && (shrink_txns(&s) || shrink_ops(&s))) {
    }
    release(&s);
    if (s.status == VARVE_OK) {
        *small = s.best;
        *small_report = s.best_report;
    } else if (s.have_best) {
        hs_release(&s.best);
    }
    return s.status;
}
