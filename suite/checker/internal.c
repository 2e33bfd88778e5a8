/* internal.c - the first pass: what each committed transaction says of itself. One linear walk.
 *
 * Owns the overlay of a transaction's own writes. A read of an own key must give the last own write; a scan must show
 * own inserts and not own deletes; rows come in order, each once, from within the range. A write that a rollback to a
 * savepoint undid may or may not have been undone yet when a later read came: the history does not say when, so both
 * the write and what stood before it are accepted.
 *
 * In a black-box history a read does not say that it was answered from an own write; there the value alone decides.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "checker/checker_int.h"

enum { HASHED_FROM = 16 };

struct own_write {
    uint32_t op; /* index in the transaction */
    uint32_t key;
    uint32_t previous; /* own write of the same key before it, or NONE */
    uint32_t scan;     /* last scan that returned it */
};
#define NONE UINT32_MAX

struct slot {
    uint32_t txn, key, write;
};

struct overlay {
    struct ck_work *work;
    uint32_t txn;
    const struct hs_op *ops; /* of the transaction */
    uint32_t op_count;
    struct own_write *writes;
    size_t write_capacity;
    uint32_t count;
    struct slot *slots; /* hash of the last write of each key; used from HASHED_FROM writes on */
    size_t slot_count;
    uint32_t scan;
};

/* What the overlay says of an answer. */
enum answer { EXTERNAL, MATCHES, MISSES };

static struct slot *slot_of(const struct overlay *o, uint32_t key) {
    size_t mask = o->slot_count - 1, i = (size_t)key * 0x9e3779b1u & mask;
    while (o->slots[i].txn == o->txn && o->slots[i].key != key) i = (i + 1) & mask;
    return &o->slots[i];
}

static uint32_t last_own(const struct overlay *o, uint32_t key) {
    if (o->count > HASHED_FROM) {
        const struct slot *slot = slot_of(o, key);
        return slot->txn == o->txn ? slot->write : NONE;
    }
    for (uint32_t i = o->count; i-- > 0;)
        if (o->writes[i].key == key) return i;
    return NONE;
}

static void set_slot(struct overlay *o, uint32_t write) {
    struct slot *slot = slot_of(o, o->writes[write].key);
    *slot = (struct slot){o->txn, o->writes[write].key, write};
}

static void own_add(struct overlay *o, uint32_t op) {
    uint32_t key = o->ops[op].key;
    o->writes[o->count] = (struct own_write){op, key, last_own(o, key), 0};
    o->count++;
    if (o->count == HASHED_FROM + 1)
        for (uint32_t i = 0; i < o->count; i++) set_slot(o, i);
    else if (o->count > HASHED_FROM)
        set_slot(o, o->count - 1);
}

/* Room for all writes of the transaction. */
static bool reserve(struct overlay *o, uint32_t writes) {
    struct ck_work *work = o->work;
    if (writes > o->write_capacity) {
        size_t capacity = (size_t)writes * 2;
        ck_free(work, o->writes, o->write_capacity, sizeof(*o->writes));
        o->writes = ck_alloc(work, capacity, sizeof(*o->writes));
        o->write_capacity = o->writes == NULL ? 0 : capacity;
    }
    size_t slots = o->slot_count == 0 ? 64 : o->slot_count;
    while (slots < (size_t)writes * 2) slots *= 2;
    if (slots != o->slot_count) {
        ck_free(work, o->slots, o->slot_count, sizeof(*o->slots));
        o->slots = ck_alloc(work, slots, sizeof(*o->slots));
        o->slot_count = o->slots == NULL ? 0 : slots;
        if (o->slots != NULL) memset(o->slots, 0xff, slots * sizeof(*o->slots));
    }
    return work->status == VARVE_OK;
}

static int64_t written(const struct hs_op *op) { return op->kind == HS_DELETE ? HS_ABSENT : op->value; }

static bool agrees(const struct hs_op *op, int64_t own, bool presence) {
    return presence ? (own == HS_ABSENT) == (ck_presence(op) == CK_SAYS_ABSENT) : own == op->value;
}

static enum answer judge(const struct overlay *o, const struct hs_op *op, bool presence) {
    for (uint32_t w = last_own(o, op->key); w != NONE; w = o->writes[w].previous) {
        const struct hs_op *write = &o->ops[o->writes[w].op];
        if (agrees(op, written(write), presence)) return MATCHES;
        if ((write->flags & HS_ROLLED_BACK) == 0) return MISSES;
    }
    return EXTERNAL;
}

static void report(struct overlay *o, enum ck_anomaly anomaly, uint32_t op, const char *what) {
    struct ck_finding *finding = ck_found(o->work, anomaly, o->txn, o->work->h->txns[o->txn].first_op + op, CK_NO_TXN);
    if (finding == NULL) return;
    uint32_t key = o->ops[op].key, own = last_own(o, key);
    ck_say(finding, "T%u %s %s", o->txn, what, ck_key_name(o->work, key).text);
    if (o->ops[op].kind == HS_READ || o->ops[op].kind == HS_ROW)
        ck_say(finding, "it was answered %s", ck_value_name(o->ops[op].value).text);
    if (own != NONE)
        ck_say(finding, "its last own write there is %s", ck_value_name(written(&o->ops[o->writes[own].op])).text);
}

/* An own write after `op` of the value that was read. */
static bool is_future(const struct overlay *o, uint32_t op) {
    if (o->ops[op].value == HS_ABSENT) return false;
    for (uint32_t i = op + 1; i < o->op_count; i++)
        if (o->ops[i].kind == HS_WRITE && o->ops[i].key == o->ops[op].key && o->ops[i].value == o->ops[op].value &&
            (o->ops[i].flags & HS_FAILED) == 0)
            return true;
    return false;
}

static void check_read(struct overlay *o, uint32_t i) {
    const struct hs_op *op = &o->ops[i];
    if ((op->flags & CK_UNDER_SUM) != 0) return;
    bool stamps = o->work->h->stamps, own = (op->flags & HS_OWN) != 0;
    const struct hs_txn *txn = &o->work->h->txns[o->txn];
    bool own_version =
        stamps && !own && op->kind != HS_EXISTS && txn->cts != 0 && op->version == txn->cts && op->value != HS_ABSENT;
    if (o->count == 0 && !own && !own_version && stamps) return;
    enum answer answer = judge(o, op, op->kind != HS_READ && op->kind != HS_ROW);
    if (answer == MATCHES && (own || !stamps)) return;
    if (answer == EXTERNAL && !own && !own_version) {
        if (!stamps && is_future(o, i)) report(o, CK_FUTURE_READ, i, "read what it wrote only later:");
        return;
    }
    if (is_future(o, i))
        report(o, CK_FUTURE_READ, i, "read what it wrote only later:");
    else if (answer != MATCHES || last_own(o, op->key) == NONE ||
             (o->ops[o->writes[last_own(o, op->key)].op].flags & HS_ROLLED_BACK) == 0)
        report(o, CK_INTERNAL, i, "did not see its own last write of");
}

/* What a write relied on, where the key is an own one. */
static void check_write(struct overlay *o, uint32_t i) {
    const struct hs_op *op = &o->ops[i];
    if ((op->flags & HS_FAILED) != 0) {
        if (o->count != 0 && judge(o, op, true) == MISSES)
            report(o, CK_INTERNAL, i, "was refused a write, as if it had not made its own last write of");
        return;
    }
    if (o->count != 0 && (op->flags & (HS_NEEDS_ABSENT | HS_NEEDS_PRESENT)) != 0) {
        struct hs_op needs = {.key = op->key, .kind = HS_EXISTS};
        needs.value = (op->flags & HS_NEEDS_ABSENT) != 0 ? HS_ABSENT : 0;
        if (judge(o, &needs, true) == MISSES)
            report(o, CK_INTERNAL, i, "was allowed a write that its own last write rules out:");
    }
    own_add(o, i);
}

static void check_row(struct overlay *o, uint32_t i, uint32_t low, uint32_t high) {
    uint32_t rank = o->work->h->key_rank[o->ops[i].key];
    if (rank < low || rank >= high) {
        struct ck_finding *finding =
            ck_found(o->work, CK_GARBAGE, o->txn, o->work->h->txns[o->txn].first_op + i, CK_NO_TXN);
        ck_say(finding, "T%u: a scan returned %s, which is outside its range", o->txn,
               ck_key_name(o->work, o->ops[i].key).text);
        return;
    }
    check_read(o, i);
    uint32_t own = o->count == 0 ? NONE : last_own(o, o->ops[i].key);
    if (own != NONE) o->writes[own].scan = o->scan;
}

static void check_order(struct overlay *o, uint32_t i, bool reverse) {
    const uint32_t *rank = o->work->h->key_rank;
    uint32_t before = rank[o->ops[i - 1].key], now = rank[o->ops[i].key];
    if (reverse ? now < before : now > before) return;
    struct ck_finding *finding = ck_found(o->work, now == before ? CK_DUPLICATE : CK_GARBAGE, o->txn,
                                          o->work->h->txns[o->txn].first_op + i, CK_NO_TXN);
    ck_say(finding, "T%u: a scan returned %s %s", o->txn, ck_key_name(o->work, o->ops[i].key).text,
           now == before ? "twice" : "out of order");
}

/* Own rows within the interval that a scan has to show. */
static void check_missing(struct overlay *o, uint32_t scan, uint32_t low, uint32_t high) {
    for (uint32_t w = 0; w < o->count; w++) {
        const struct own_write *own = &o->writes[w];
        const struct hs_op *write = &o->ops[own->op];
        uint32_t rank = o->work->h->key_rank[own->key];
        bool must = write->kind == HS_WRITE && (write->flags & HS_ROLLED_BACK) == 0;
        if (!must || own->scan == o->scan || rank < low || rank >= high || last_own(o, own->key) != w) continue;
        struct ck_finding *finding =
            ck_found(o->work, CK_INTERNAL, o->txn, o->work->h->txns[o->txn].first_op + scan, CK_NO_TXN);
        ck_say(finding, "T%u: a scan over %s did not return it, though the transaction had written %s there", o->txn,
               ck_key_name(o->work, own->key).text, ck_value_name(write->value).text);
    }
}

/* Returns the index of the last row. */
static uint32_t check_scan(struct overlay *o, uint32_t i) {
    uint32_t low, high, row = i;
    ck_interval(o->work->h, &o->ops[i], &low, &high);
    bool reverse = (o->work->h->ranges[o->ops[i].key].flags & HS_REVERSE) != 0;
    o->scan++;
    while (row + 1 < o->op_count && o->ops[row + 1].kind == HS_ROW) {
        row++;
        check_row(o, row, low, high);
        if (row > i + 1) check_order(o, row, reverse);
    }
    if (o->count != 0) check_missing(o, i, low, high);
    return row;
}

static void check_txn(struct overlay *o) {
    uint32_t writes = 0;
    struct ck_report *r = o->work->report;
    for (uint32_t i = 0; i < o->op_count; i++) {
        uint8_t kind = o->ops[i].kind;
        writes += kind == HS_WRITE || kind == HS_DELETE;
        r->reads += kind == HS_READ || kind == HS_EXISTS || kind == HS_ROW || kind == HS_LIST;
        r->writes += kind == HS_WRITE || kind == HS_DELETE || kind == HS_APPEND;
        r->scans += kind == HS_SCAN;
    }
    if (!reserve(o, writes)) return;
    o->count = o->scan = 0;
    for (uint32_t i = 0; i < o->op_count; i++) {
        uint8_t kind = o->ops[i].kind;
        if (kind == HS_READ || kind == HS_EXISTS)
            check_read(o, i);
        else if (kind == HS_SCAN)
            i = check_scan(o, i);
        else if (kind == HS_WRITE || kind == HS_DELETE)
            check_write(o, i);
    }
}

void ck_pass_internal(struct ck_work *work) {
    const struct hs_history *h = work->h;
    struct overlay o = {.work = work};
    uint64_t began = ck_now_ns();
    for (size_t t = 0; t < h->txn_count && work->status == VARVE_OK; t++) {
        if (!ck_committed(work, (uint32_t)t)) {
            work->report->aborted += h->txns[t].outcome == HS_ABORTED;
            work->report->undecided += h->txns[t].outcome == HS_UNKNOWN;
            continue;
        }
        work->report->committed++;
        o.txn = (uint32_t)t;
        o.ops = h->ops + h->txns[t].first_op;
        o.op_count = h->txns[t].op_count;
        check_txn(&o);
    }
    ck_free(work, o.writes, o.write_capacity, sizeof(*o.writes));
    ck_free(work, o.slots, o.slot_count, sizeof(*o.slots));
    ck_pass(work, "internal", began, h->txn_count);
}
