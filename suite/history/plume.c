/* plume.c - the text of PolySI, Plume and IsoVista: a line an operation, r(key,value,session,transaction) or
 * w(key,value,session,transaction), all numbers.
 *
 * As those tools have it: transactions have committed, but transaction -1 stands for writes of aborted ones; every
 * value is written once to a key; 0 is what a key holds before it is written, unless 0 is written to it. Operations of
 * a transaction may be apart in the file: they are brought together at the end.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "history/history_int.h"

enum { MAP_FIRST = 64 };

struct entry {
    uint64_t number; /* of the transaction in the file */
    uint32_t txn_plus_1;
};
struct reader {
    struct hs_input *in;
    struct hs_history *history;
    struct hs_problem *problem;
    struct hs_marks marks;
    struct entry *map; /* transaction numbers, open addressing */
    size_t map_count, map_capacity;
    uint32_t *owner; /* [op_count] once operations are apart */
    size_t owner_capacity;
    uint32_t current;  /* transaction of the last line */
    bool aborted_open; /* the last line was of an aborted transaction */
    uint64_t line;
};
struct operation {
    bool write, aborted;
    uint64_t key, value, session, txn;
};

/* --- one line ----------------------------------------------------------------------------------------------------- */

static void pass_blanks(struct hs_input *in) {
    while (hs_peek(in) == ' ' || hs_peek(in) == '\t' || hs_peek(in) == '\r') (void)hs_take(in);
}

static int number(struct reader *r, const char *what, char end, uint64_t *value) {
    pass_blanks(r->in);
    *value = 0;
    bool any = false;
    for (int byte = hs_peek(r->in); byte >= '0' && byte <= '9'; byte = hs_peek(r->in), any = true) {
        (void)hs_take(r->in);
        if (__builtin_mul_overflow(*value, 10u, value) ||
            __builtin_add_overflow(*value, (uint64_t)(byte - '0'), value) || *value > INT64_MAX)
            return hs_bad(r->problem, r->line, "the %s is out of range", what);
    }
    if (!any) return hs_bad(r->problem, r->line, "the %s is not a number", what);
    pass_blanks(r->in);
    if (hs_peek(r->in) != end) return hs_bad(r->problem, r->line, "'%c' expected behind the %s", end, what);
    (void)hs_take(r->in);
    return VARVE_OK;
}

static int parse(struct reader *r, struct operation *op) {
    int verb = hs_take(r->in);
    if (verb != 'r' && verb != 'w') {
        if (verb > ' ' && verb < 0x7f) return hs_bad(r->problem, r->line, "'%c' is neither r nor w", verb);
        return hs_bad(r->problem, r->line, "byte 0x%02x is neither r nor w", verb);
    }
    *op = (struct operation){.write = verb == 'w'};
    pass_blanks(r->in);
    if (hs_take(r->in) != '(') return hs_bad(r->problem, r->line, "'(' expected behind %c", verb);
    int status = number(r, "key", ',', &op->key);
    if (status == VARVE_OK) status = number(r, "value", ',', &op->value);
    if (status == VARVE_OK) status = number(r, "session", ',', &op->session);
    pass_blanks(r->in);
    op->aborted = hs_peek(r->in) == '-';
    if (op->aborted) (void)hs_take(r->in);
    if (status == VARVE_OK) status = number(r, "transaction", ')', &op->txn);
    if (status != VARVE_OK) return status;
    if (op->aborted && op->txn != 1)
        return hs_bad(r->problem, r->line, "the only transaction below 0 is -1, for aborted writes");
    if (op->session > UINT32_MAX) return hs_bad(r->problem, r->line, "the session is out of range");
    pass_blanks(r->in);
    int byte = hs_peek(r->in);
    return byte < 0 || byte == '\n' ? VARVE_OK : hs_bad(r->problem, r->line, "more than one operation on a line");
}

/* --- transactions by their number --------------------------------------------------------------------------------- */

static struct entry *slot_of(struct entry *map, size_t capacity, uint64_t wanted) {
    size_t at = (wanted * 0x9e3779b97f4a7c15u >> 20) & (capacity - 1);
    while (map[at].txn_plus_1 != 0 && map[at].number != wanted) at = (at + 1) & (capacity - 1);
    return &map[at];
}

static int grow_map(struct reader *r) {
    size_t capacity = r->map_capacity == 0 ? MAP_FIRST : r->map_capacity * 2;
    struct entry *map = calloc(capacity, sizeof *map);
    if (map == NULL) return VARVE_NOMEM;
    for (size_t i = 0; i < r->map_capacity; i++)
        if (r->map[i].txn_plus_1 != 0) *slot_of(map, capacity, r->map[i].number) = r->map[i];
    free(r->map);
    r->map = map;
    r->map_capacity = capacity;
    return VARVE_OK;
}

static int add_txn(struct reader *r, const struct operation *op) {
    struct hs_txn txn = {.session = (uint32_t)op->session, .snapshot = HS_NO_STAMP};
    txn.outcome = op->aborted ? HS_ABORTED : HS_COMMITTED;
    int status = hs_txn_add(r->history, &txn);
    if (status == VARVE_OK) r->current = (uint32_t)r->history->txn_count - 1;
    return status;
}

/* r->current becomes the transaction of the operation. */
static int find_txn(struct reader *r, const struct operation *op) {
    if (op->aborted) {
        bool same = r->aborted_open && r->history->txns[r->current].session == op->session;
        r->aborted_open = true;
        return same ? VARVE_OK : add_txn(r, op);
    }
    r->aborted_open = false;
    if ((r->map_count + 1) * 4 > r->map_capacity * 3) {
        int status = grow_map(r);
        if (status != VARVE_OK) return status;
    }
    struct entry *entry = slot_of(r->map, r->map_capacity, op->txn);
    if (entry->txn_plus_1 == 0) {
        int status = add_txn(r, op);
        if (status != VARVE_OK) return status;
        *entry = (struct entry){op->txn, r->current + 1};
        r->map_count++;
        return VARVE_OK;
    }
    r->current = entry->txn_plus_1 - 1;
    if (r->history->txns[r->current].session == op->session) return VARVE_OK;
    return hs_bad(r->problem, r->line, "transaction %" PRIu64 " is of session %" PRIu32 " in an earlier line", op->txn,
                  r->history->txns[r->current].session);
}

/* --- operations --------------------------------------------------------------------------------------------------- */

/* The mark may be another pair's: look for the write itself. */
static bool written_before(const struct hs_history *h, uint32_t key, int64_t value) {
    for (size_t i = 0; i < h->op_count; i++)
        if (h->ops[i].kind == HS_WRITE && h->ops[i].key == key && h->ops[i].value == value) return true;
    return false;
}

/* The owners of what has come so far, from the transactions while they stood together. */
static int begin_owners(struct reader *r) {
    const struct hs_history *h = r->history;
    int status = hs_grow((void **)&r->owner, &r->owner_capacity, h->op_count + 1, sizeof *r->owner);
    if (status != VARVE_OK) return status;
    for (uint32_t t = 0; t < h->txn_count; t++)
        for (uint32_t i = 0; i < h->txns[t].op_count; i++) r->owner[h->txns[t].first_op + i] = t;
    return VARVE_OK;
}

static int add_op(struct reader *r, const struct hs_op *op) {
    struct hs_history *h = r->history;
    int status = VARVE_OK;
    if (r->owner == NULL && r->current != h->txn_count - 1) status = begin_owners(r);
    if (status == VARVE_OK && r->owner != NULL)
        status = hs_grow((void **)&r->owner, &r->owner_capacity, h->op_count + 1, sizeof *r->owner);
    if (status != VARVE_OK) return status;
    if (r->owner != NULL) r->owner[h->op_count] = r->current;
    return hs_op_add(h, op);
}

static int add_line(struct reader *r, const struct operation *line) {
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRIu64, line->key);
    struct hs_op op = {.kind = line->write ? HS_WRITE : HS_READ, .value = (int64_t)line->value};
    if (line->aborted && !line->write) return VARVE_OK; /* as those tools do */
    int status = hs_key(r->history, text, (size_t)length, &op.key);
    if (status == VARVE_TOOBIG) return hs_bad(r->problem, r->line, "more keys than a history can name");
    bool seen = false;
    if (status == VARVE_OK && line->write) status = hs_mark(&r->marks, op.key, op.value, &seen);
    if (seen && written_before(r->history, op.key, op.value))
        return hs_bad(r->problem, r->line,
                      "value %" PRId64 " is written to key %s twice; this form needs every value once", op.value, text);
    if (status == VARVE_OK) status = find_txn(r, line);
    return status == VARVE_OK ? add_op(r, &op) : status;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* Operations by transaction, in the order of the file within each. */
static int gather(struct reader *r) {
    struct hs_history *h = r->history;
    struct hs_op *ops = NULL;
    size_t op_capacity = 0;
    uint64_t *next = calloc(h->txn_count + 1, sizeof *next);
    if (next == NULL || hs_grow((void **)&ops, &op_capacity, h->op_count, sizeof *ops) != VARVE_OK) {
        free(next);
        return VARVE_NOMEM;
    }
    for (size_t i = 0; i < h->op_count; i++) next[r->owner[i] + 1]++;
    for (size_t t = 0; t < h->txn_count; t++) {
        h->txns[t].op_count = (uint32_t)next[t + 1];
        next[t + 1] += next[t];
        h->txns[t].first_op = next[t];
    }
    for (size_t i = 0; i < h->op_count; i++) ops[next[r->owner[i]]++] = h->ops[i];
    hs_column_free(h->ops, h->op_capacity, sizeof *h->ops);
    free(next);
    h->ops = ops;
    h->op_capacity = op_capacity;
    return VARVE_OK;
}

static int zero_is_absent(struct reader *r) {
    struct hs_history *h = r->history;
    uint8_t *written = calloc(1, h->key_count / 8 + 1);
    if (written == NULL) return VARVE_NOMEM;
    for (size_t i = 0; i < h->op_count; i++) {
        const struct hs_op *op = &h->ops[i];
        if (op->kind == HS_WRITE && op->value == 0) written[op->key / 8] |= (uint8_t)(1u << op->key % 8);
    }
    for (size_t i = 0; i < h->op_count; i++) {
        struct hs_op *op = &h->ops[i];
        if (op->kind == HS_READ && op->value == 0 && (written[op->key / 8] >> op->key % 8 & 1) == 0)
            op->value = HS_ABSENT;
    }
    free(written);
    return VARVE_OK;
}

static int read_lines(struct reader *r) {
    for (;;) {
        pass_blanks(r->in);
        int byte = hs_peek(r->in);
        if (byte < 0) break;
        if (byte == '#')
            while (hs_peek(r->in) >= 0 && hs_peek(r->in) != '\n') (void)hs_take(r->in);
        if (hs_peek(r->in) == '\n') {
            (void)hs_take(r->in);
            continue;
        }
        if (hs_peek(r->in) < 0) break;
        struct operation line;
        r->line = r->in->line;
        int status = parse(r, &line);
        if (status == VARVE_OK) status = add_line(r, &line);
        if (status != VARVE_OK) return status;
    }
    if (r->history->txn_count == 0) return hs_bad(r->problem, r->in->line, "no operation in the file");
    int status = r->owner == NULL ? VARVE_OK : gather(r);
    return status == VARVE_OK ? zero_is_absent(r) : status;
}

int hs_read_plume(struct hs_input *in, struct hs_history *history, struct hs_problem *problem) {
    struct reader r = {.in = in, .history = history, .problem = problem};
    history->by_session = true;
    int status = read_lines(&r);
    if (status == VARVE_OK) hs_number_statements(history);
    free(r.marks.slots);
    free(r.map);
    hs_column_free(r.owner, r.owner_capacity, sizeof *r.owner);
    return status;
}
