/* test_sequential.c - random operations, one transaction at a time, each done by the engine and by the reference model;
 * every answer must be the same, and bytes borrowed must stay what they were. Crossed with schemes, levels, memory and
 * directory (closed and opened again in between, under another scheme too).
 *
 * With one transaction open nothing may conflict, so a retry status is a failure here.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "support/testdb.h"

enum { KEYS = 160, TABLES = 12, CURSORS = 3, MARKS = 6, BORROWED = 96, USUAL_CASES = 60, MANY = 6 };

struct bytes {
    unsigned char *data;
    size_t size;
};

/* Bytes that the engine lent, and a copy made when it did. */
struct loan {
    varve_slice lent;
    struct bytes copy;
};

enum place { BEFORE_FIRST, ON_ROW, AFTER_LAST, SOMEWHERE };

struct twin_cursor {
    varve_cursor *engine;
    unsigned table;
    varve_range range;
    struct bytes bounds[3];
    enum place place;
    bool written_since_end;
    uint64_t given;
    struct bytes at;
    struct loan key, value;
};

struct world {
    struct td_random random;
    const char *cc;
    varve_isolation level;
    bool on_disk;
    char path[TD_PATH_BYTES];
    varve_db *db;
    struct model *model;
    unsigned table_count;
    varve_table *tables[TABLES];
    struct bytes keys[KEYS];
    /* the open transaction */
    varve_txn *engine;
    struct model_txn *twin;
    bool read_only;
    varve_error error;
    struct twin_cursor cursors[CURSORS];
    unsigned mark_count;
    unsigned marks[MARKS], twin_marks[MARKS];
    unsigned loan_count;
    struct loan loans[BORROWED];
};

/* --- bytes -------------------------------------------------------------------------------------------------- */

/* Exactly as large as it says, so that a sanitizer sees every read past it. */
static struct bytes bytes_make(size_t size) {
    struct bytes bytes = {malloc(size > 0 ? size : 1), size};
    assert_non_null(bytes.data);
    return bytes;
}

static struct bytes bytes_copy(varve_slice slice) {
    struct bytes bytes = bytes_make(slice.size);
    if (slice.size > 0)
        memcpy(bytes.data, slice.data, slice.size);
    return bytes;
}

static varve_slice slice_of(struct bytes bytes) {
    return VARVE_SLICE(bytes.data, bytes.size);
}

/* What was passed in may be freed, so it is spoiled first. */
static void bytes_spoil(struct bytes *bytes) {
    if (bytes->data != NULL)
        memset(bytes->data, 0xDD, bytes->size);
    free(bytes->data);
    *bytes = (struct bytes){NULL, 0};
}

static const char *shown(varve_slice slice) {
    static char text[4][64];
    static unsigned next;
    char *out = text[next++ % 4];
    unsigned at = 0;
    for (size_t i = 0; i < slice.size && i < 16; i++)
        at += (unsigned)snprintf(out + at, 64 - at, "%02x", ((const unsigned char *)slice.data)[i]);
    snprintf(out + at, 64 - at, "%s(%zu)", slice.size > 16 ? ".." : "", slice.size);
    return out;
}

/* Long shared beginnings, then a few bytes of a small alphabet; now and then one that begins another. */
static void make_keys(struct world *w) {
    for (unsigned i = 0; i < KEYS; i++) {
        static const unsigned shared[] = {0, 0, 1, 7, 8, 16, 40, 120, 290};
        size_t prefix = shared[td_below(&w->random, 9)];
        size_t tail = 1 + td_below(&w->random, td_chance(&w->random, 50) ? 2 : 9);
        struct bytes key = bytes_make(prefix + tail);
        memset(key.data, td_chance(&w->random, 80) ? 'p' : 0xFF, prefix);
        for (size_t n = 0; n < tail; n++)
            key.data[prefix + n] = (unsigned char)"\0\1ab\177\200\377z"[td_below(&w->random, 8)];
        if (i > 0 && td_chance(&w->random, 15)) {
            bytes_spoil(&key);
            key = bytes_copy(slice_of(w->keys[td_below(&w->random, i)]));
            key.size = 1 + td_below(&w->random, key.size);
        }
        w->keys[i] = key;
    }
}

static struct bytes some_key(struct world *w) {
    return bytes_copy(slice_of(w->keys[td_below(&w->random, KEYS)]));
}

static struct bytes some_value(struct world *w) {
    size_t size;
    switch (td_below(&w->random, 12)) {
    case 0:
        size = 0;
        break;
    case 1:
        size = td_below(&w->random, 5001);
        break;
    case 2:
        size = td_chance(&w->random, 4) ? 100000 + td_below(&w->random, 60000) : 8;
        break;
    case 3:
        size = 8;
        break;
    default:
        size = td_below(&w->random, 200);
    }
    struct bytes value = bytes_make(size);
    uint64_t fill = td_next(&w->random);
    for (size_t i = 0; i < size; i++)
        value.data[i] = (unsigned char)(fill >> (8 * (i % 8))) ^ (unsigned char)(i / 8);
    return value;
}

/* --- comparing ---------------------------------------------------------------------------------------------- */

static void same_bytes(const char *what, varve_slice engine, varve_slice model) {
    TD_CHECK(td_equal(engine, model), "%s: engine %s, model %s", what, shown(engine), shown(model));
}

static void same_status(struct world *w, const char *what, int engine, int model) {
    TD_CHECK(engine == model, "%s: engine %s, model %s (%s)", what, varve_status_name(engine),
             varve_status_name(model), w->error.text);
}

static void lend(struct loan *loan, varve_slice lent) {
    bytes_spoil(&loan->copy);
    loan->lent = lent;
    loan->copy = bytes_copy(lent);
}

static void check_loan(const struct loan *loan) {
    if (loan->copy.data != NULL)
        same_bytes("borrowed bytes have changed", loan->lent, slice_of(loan->copy));
}

static void borrow(struct world *w, varve_slice lent) {
    struct loan *loan = &w->loans[w->loan_count < BORROWED ? w->loan_count++ : td_below(&w->random, BORROWED)];
    check_loan(loan);
    lend(loan, lent);
}

static void check_borrowed(struct world *w) {
    for (unsigned i = 0; i < w->loan_count; i++)
        check_loan(&w->loans[i]);
    for (unsigned i = 0; i < CURSORS; i++) {
        check_loan(&w->cursors[i].key);
        check_loan(&w->cursors[i].value);
    }
}

static void return_borrowed(struct world *w) {
    for (unsigned i = 0; i < w->loan_count; i++)
        bytes_spoil(&w->loans[i].copy);
    w->loan_count = 0;
}

static void wrote(struct world *w) {
    for (unsigned i = 0; i < CURSORS; i++)
        w->cursors[i].written_since_end = true;
}

/* --- row operations ----------------------------------------------------------------------------------------- */

static void do_read(struct world *w, unsigned table, struct bytes key) {
    varve_slice got = {NULL, 0}, wanted = {NULL, 0}, k = slice_of(key);
    int status, model = model_get(w->twin, table, k, &wanted);
    switch (td_below(&w->random, 4)) {
    case 0:
        status = varve_contains(w->engine, w->tables[table], k);
        td_trace("contains %u %s -> %s", table, shown(k), varve_status_name(status));
        same_status(w, "contains", status, model);
        return;
    case 1:
        if (w->read_only)
            return;
        status = varve_get_for_update(w->engine, w->tables[table], k, &got);
        break;
    default:
        status = varve_get(w->engine, w->tables[table], k, &got);
    }
    td_trace("get %u %s -> %s %s", table, shown(k), varve_status_name(status), shown(got));
    same_status(w, "get", status, model);
    if (status != VARVE_OK)
        return;
    same_bytes("get", got, wanted);
    borrow(w, got);
}

static void do_get_many(struct world *w, unsigned table) {
    struct bytes keys[MANY];
    varve_slice slices[MANY], got[MANY], wanted;
    int statuses[MANY];
    size_t count = td_below(&w->random, MANY + 1);
    for (size_t i = 0; i < count; i++) {
        keys[i] = some_key(w);
        slices[i] = slice_of(keys[i]);
    }
    int status = varve_get_many(w->engine, w->tables[table], slices, got, statuses, count);
    td_trace("get_many %u %zu -> %s", table, count, varve_status_name(status));
    same_status(w, "get_many", status, VARVE_OK);
    for (size_t i = 0; i < count; i++) {
        same_status(w, "get_many, one of them", statuses[i], model_get(w->twin, table, slices[i], &wanted));
        if (statuses[i] == VARVE_OK) {
            same_bytes("get_many", got[i], wanted);
            borrow(w, got[i]);
        }
        bytes_spoil(&keys[i]);
    }
}

static void do_write(struct world *w, unsigned table, struct bytes key) {
    struct bytes value = some_value(w);
    varve_slice k = slice_of(key), v = slice_of(value);
    int64_t delta = (int64_t)td_next(&w->random);
    int status, model;
    const char *what;
    switch (td_below(&w->random, 7)) {
    case 0:
        what = "insert";
        status = varve_insert(w->engine, w->tables[table], k, v);
        model = model_insert(w->twin, table, k, v);
        break;
    case 1:
        what = "update";
        status = varve_update(w->engine, w->tables[table], k, v);
        model = model_update(w->twin, table, k, v);
        break;
    case 2:
    case 3:
        what = "delete";
        status = varve_delete(w->engine, w->tables[table], k);
        model = model_delete(w->twin, table, k);
        break;
    case 4:
        what = "add";
        status = varve_add(w->engine, w->tables[table], k, delta);
        model = model_add(w->twin, table, k, delta);
        break;
    default:
        what = "put";
        status = varve_put(w->engine, w->tables[table], k, v);
        model = model_put(w->twin, table, k, v);
    }
    td_trace("%s %u %s %s -> %s", what, table, shown(k), shown(v), varve_status_name(status));
    same_status(w, what, status, model);
    bytes_spoil(&value);
    wrote(w);
}

/* --- ranges ------------------------------------------------------------------------------------------------- */

static varve_range some_range(struct world *w, struct bytes bounds[3]) {
    varve_range range;
    memset(&range, 0, sizeof range);
    memset(bounds, 0, 3 * sizeof bounds[0]);
    if (td_chance(&w->random, 60)) {
        bounds[0] = some_key(w);
        range.low = slice_of(bounds[0]);
    }
    if (td_chance(&w->random, 60)) {
        bounds[1] = some_key(w);
        range.high = slice_of(bounds[1]);
    }
    if (range.low.data != NULL && range.high.data != NULL && model_compare(range.low, range.high) > 0) {
        varve_slice low = range.high;
        range.high = range.low;
        range.low = low;
    }
    if (td_chance(&w->random, 25)) {
        bounds[2] = some_key(w);
        bounds[2].size = 1 + td_below(&w->random, bounds[2].size);
        range.prefix = slice_of(bounds[2]);
    }
    range.reverse = td_chance(&w->random, 40);
    range.limit = td_chance(&w->random, 15) ? 1 + td_below(&w->random, 12) : 0;
    return range;
}

static void trace_range(const char *what, unsigned table, const varve_range *range) {
    td_trace("%s %u [%s, %s) prefix %s%s limit %llu", what, table, range->low.data ? shown(range->low) : "-",
             range->high.data ? shown(range->high) : "-", range->prefix.data ? shown(range->prefix) : "-",
             range->reverse ? " reverse" : "", (unsigned long long)range->limit);
}

/* The bounds given to the engine are spoiled while its cursor is open: it must have copied them. */
static void do_scan(struct world *w, unsigned table) {
    struct bytes bounds[3];
    varve_range range = some_range(w, bounds);
    struct model_rows rows;
    varve_cursor *cursor;
    varve_slice key, value;
    trace_range("scan", table, &range);
    model_scan(w->twin, table, &range, &rows);
    same_status(w, "cursor_open", varve_cursor_open(w->engine, w->tables[table], &range, &cursor), VARVE_OK);
    for (unsigned i = 0; i < 3; i++)
        bytes_spoil(&bounds[i]);
    for (size_t i = 0; i < rows.count; i++) {
        td_trace("  wanted %s", shown(rows.items[i].key));
        same_status(w, "scan", varve_cursor_next(cursor, &key, &value), VARVE_OK);
        same_bytes("scan, key", key, rows.items[i].key);
        same_bytes("scan, value", value, rows.items[i].value);
    }
    same_status(w, "scan, after the last row", varve_cursor_next(cursor, &key, &value), VARVE_END);
    varve_cursor_close(cursor);
    model_rows_free(&rows);
}

static void do_delete_range(struct world *w, unsigned table) {
    struct bytes bounds[3];
    varve_range range = some_range(w, bounds);
    uint64_t engine = 0, model = 0;
    if (td_chance(&w->random, 70) && range.limit == 0)
        range.limit = 1 + td_below(&w->random, 8);
    trace_range("delete_range", table, &range);
    int status = varve_delete_range(w->engine, w->tables[table], &range, &engine);
    same_status(w, "delete_range", status, model_delete_range(w->twin, table, &range, &model));
    if (status == VARVE_OK)
        TD_CHECK(engine == model, "delete_range: engine deleted %llu, model %llu", (unsigned long long)engine,
                 (unsigned long long)model);
    for (unsigned i = 0; i < 3; i++)
        bytes_spoil(&bounds[i]);
    wrote(w);
}

/* --- cursors that stay open --------------------------------------------------------------------------------- */

static void cursor_forget(struct twin_cursor *c) {
    for (unsigned i = 0; i < 3; i++)
        bytes_spoil(&c->bounds[i]);
    bytes_spoil(&c->at);
    bytes_spoil(&c->key.copy);
    bytes_spoil(&c->value.copy);
    memset(c, 0, sizeof *c);
}

static void cursor_start(struct world *w, struct twin_cursor *c, unsigned number) {
    c->table = (unsigned)td_below(&w->random, w->table_count);
    c->range = some_range(w, c->bounds);
    c->place = BEFORE_FIRST;
    trace_range("cursor", c->table, &c->range);
    td_trace("  is number %u", number);
    same_status(w, "cursor_open", varve_cursor_open(w->engine, w->tables[c->table], &c->range, &c->engine), VARVE_OK);
}

enum move { MOVE_NEXT, MOVE_PREV, MOVE_FIRST, MOVE_LAST, MOVE_SEEK_GE, MOVE_SEEK_LE };

static int engine_move(struct twin_cursor *c, enum move move, varve_slice target, varve_slice *key,
                       varve_slice *value) {
    switch (move) {
    case MOVE_NEXT:
        return varve_cursor_next(c->engine, key, value);
    case MOVE_PREV:
        return varve_cursor_prev(c->engine, key, value);
    case MOVE_FIRST:
        return varve_cursor_first(c->engine, key, value);
    case MOVE_LAST:
        return varve_cursor_last(c->engine, key, value);
    case MOVE_SEEK_GE:
        return varve_cursor_seek_ge(c->engine, target, key, value);
    default:
        return varve_cursor_seek_le(c->engine, target, key, value);
    }
}

/* next, prev, first and last follow the cursor's direction; the seeks are named by key order. */
static int model_move(struct world *w, struct twin_cursor *c, enum move move, varve_slice target,
                      struct model_row *row) {
    bool down = c->range.reverse;
    varve_slice at = slice_of(c->at);
    enum model_seek how = down ? MODEL_LAST : MODEL_FIRST;
    if (move == MOVE_SEEK_GE || move == MOVE_SEEK_LE) {
        how = move == MOVE_SEEK_GE ? MODEL_GE : MODEL_LE;
        at = target;
    } else if (move == MOVE_LAST || (move == MOVE_PREV && c->place == AFTER_LAST)) {
        how = down ? MODEL_FIRST : MODEL_LAST;
    } else if (c->place == (move == MOVE_NEXT ? AFTER_LAST : BEFORE_FIRST) && move != MOVE_FIRST) {
        return VARVE_END;
    } else if (c->place == ON_ROW && move != MOVE_FIRST) {
        how = (move == MOVE_NEXT) != down ? MODEL_GT : MODEL_LT;
    }
    return model_seek(w->twin, c->table, &c->range, how, at, row);
}

/* A limit is only tried with next alone. Where a cursor stands after END with rows written since, and after a seek that
 * found nothing, is not promised: there it is placed anew. */
static enum move some_move(struct world *w, const struct twin_cursor *c) {
    if (c->range.limit > 0)
        return MOVE_NEXT;
    bool lost = c->place == SOMEWHERE || ((c->place == AFTER_LAST || c->place == BEFORE_FIRST) &&
                                          c->written_since_end && c->at.data != NULL);
    if (!lost && td_chance(&w->random, 70))
        return td_chance(&w->random, 75) ? MOVE_NEXT : MOVE_PREV;
    return MOVE_FIRST + (enum move)td_below(&w->random, 4);
}

static void cursor_end(struct twin_cursor *c, enum move move) {
    if (move == MOVE_NEXT)
        c->place = AFTER_LAST;
    else if (move == MOVE_PREV)
        c->place = BEFORE_FIRST;
    else
        c->place = SOMEWHERE;
    c->written_since_end = false;
}

static void do_move(struct world *w, unsigned number) {
    static const char *const names[] = {"next", "prev", "first", "last", "seek_ge", "seek_le"};
    struct twin_cursor *c = &w->cursors[number];
    enum move move = some_move(w, c);
    struct bytes target = some_key(w);
    struct model_row row = {{NULL, 0}, {NULL, 0}};
    varve_slice key = {NULL, 0}, value = {NULL, 0};
    check_loan(&c->key);
    check_loan(&c->value);
    bool spent = c->range.limit > 0 && c->given == c->range.limit;
    int model = spent ? VARVE_END : model_move(w, c, move, slice_of(target), &row);
    int status = engine_move(c, move, slice_of(target), &key, &value);
    td_trace("cursor %u %s %s -> %s %s", number, names[move], move >= MOVE_SEEK_GE ? shown(slice_of(target)) : "",
             varve_status_name(status), shown(key));
    same_status(w, names[move], status, model);
    bytes_spoil(&target);
    if (status == VARVE_OK) {
        same_bytes("cursor, key", key, row.key);
        same_bytes("cursor, value", value, row.value);
        c->place = ON_ROW;
        c->given++;
        bytes_spoil(&c->at);
        c->at = bytes_copy(row.key);
        lend(&c->key, key);
        lend(&c->value, value);
        return;
    }
    bytes_spoil(&c->key.copy);
    bytes_spoil(&c->value.copy);
    cursor_end(c, move);
}

static void do_cursor(struct world *w) {
    unsigned number = (unsigned)td_below(&w->random, CURSORS);
    struct twin_cursor *c = &w->cursors[number];
    if (c->engine == NULL) {
        cursor_start(w, c, number);
    } else if (td_chance(&w->random, 6)) {
        td_trace("cursor %u close", number);
        varve_cursor_close(c->engine);
        cursor_forget(c);
        return;
    }
    for (uint64_t moves = 1 + td_below(&w->random, 6); moves > 0; moves--)
        do_move(w, number);
}

/* Writes the very row that a cursor stands on, whose lent bytes must survive that. */
static void do_write_under_cursor(struct world *w) {
    struct twin_cursor *c = &w->cursors[td_below(&w->random, CURSORS)];
    if (c->engine == NULL || c->place != ON_ROW || w->read_only)
        return;
    struct bytes key = bytes_copy(slice_of(c->at));
    do_write(w, c->table, key);
    check_loan(&c->key);
    check_loan(&c->value);
    bytes_spoil(&key);
}

/* --- transactions ------------------------------------------------------------------------------------------- */

static void do_savepoint(struct world *w) {
    unsigned at;
    if (w->mark_count < MARKS && td_chance(&w->random, 60)) {
        same_status(w, "savepoint", varve_savepoint(w->engine, &w->marks[w->mark_count]), VARVE_OK);
        w->twin_marks[w->mark_count] = model_savepoint(w->twin);
        td_trace("savepoint %u", w->mark_count++);
    } else if (w->mark_count > 0) {
        at = (unsigned)td_below(&w->random, w->mark_count);
        td_trace("rollback_to %u", at);
        int status = varve_rollback_to(w->engine, w->marks[at]);
        same_status(w, "rollback_to", status, model_rollback_to(w->twin, w->twin_marks[at]));
        w->mark_count = at + 1;
        wrote(w);
    }
}

static void do_operation(struct world *w) {
    unsigned table = (unsigned)td_below(&w->random, w->table_count);
    unsigned dice = (unsigned)td_below(&w->random, 100);
    struct bytes key = some_key(w);
    if (dice < 25)
        do_read(w, table, key);
    else if (dice < 55)
        do_write(w, table, key);
    else if (dice < 60)
        do_get_many(w, table);
    else if (dice < 65)
        do_scan(w, table);
    else if (dice < 68)
        do_delete_range(w, table);
    else if (dice < 75)
        do_savepoint(w);
    else if (dice < 80)
        do_write_under_cursor(w);
    else
        do_cursor(w);
    bytes_spoil(&key);
}

static void begin(struct world *w) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.isolation = w->level;
    options.read_only = w->read_only = td_chance(&w->random, 12);
    w->error = (varve_error)VARVE_ERROR_INIT;
    options.error = &w->error;
    td_trace("begin%s", w->read_only ? " read only" : "");
    same_status(w, "begin", varve_begin(w->db, &options, &w->engine), VARVE_OK);
    TD_CHECK(w->read_only || varve_txn_effective_isolation(w->engine) == td_served_level(w->cc, w->level),
             "%s in %s is served as %s", td_level_name(w->level), w->cc,
             td_level_name(varve_txn_effective_isolation(w->engine)));
    w->twin = model_begin(w->model, w->level, w->read_only);
    w->mark_count = 0;
}

static void end(struct world *w) {
    check_borrowed(w);
    for (unsigned i = 0; i < CURSORS; i++) {
        if (w->cursors[i].engine != NULL && td_chance(&w->random, 50))
            varve_cursor_close(w->cursors[i].engine);
        cursor_forget(&w->cursors[i]);
    }
    return_borrowed(w);
    if (td_chance(&w->random, 75)) {
        td_trace("commit");
        int status = varve_commit(w->engine);
        w->engine = NULL;
        same_status(w, "commit", status, model_commit(w->twin));
    } else {
        td_trace("abort");
        varve_abort(w->engine);
        model_abort(w->twin);
        w->engine = NULL;
    }
}

static void compare_table(struct world *w, unsigned table) {
    struct model_rows rows;
    varve_cursor *cursor;
    varve_slice key, value;
    varve_txn *txn = td_begin(w->db, VARVE_SERIALIZABLE);
    struct model_txn *twin = model_begin(w->model, VARVE_SERIALIZABLE, true);
    model_scan(twin, table, NULL, &rows);
    TD_STATUS(varve_cursor_open(txn, w->tables[table], NULL, &cursor), VARVE_OK);
    for (size_t i = 0; i < rows.count; i++) {
        TD_STATUS(varve_cursor_next(cursor, &key, &value), VARVE_OK);
        same_bytes("table, key", key, rows.items[i].key);
        same_bytes("table, value", value, rows.items[i].value);
    }
    TD_STATUS(varve_cursor_next(cursor, &key, &value), VARVE_END);
    TD_STATUS(varve_commit(txn), VARVE_OK);
    model_abort(twin);
    model_rows_free(&rows);
}

static void compare_all(struct world *w) {
    td_trace("compare all tables");
    for (unsigned i = 0; i < w->table_count; i++)
        compare_table(w, i);
}

/* --- the database ------------------------------------------------------------------------------------------- */

static void table_name(char name[32], unsigned table) {
    snprintf(name, 32, "table.%u", table);
}

static void open_world(struct world *w) {
    static const char *const syncs[] = {"none", "none", "interval", "write", "group"};
    char name[32];
    td_trace("open, cc=%s", w->cc);
    if (w->on_disk)
        w->db = td_open(w->path, "cc=%s,sync=%s,segment_bytes=%s,checkpoint_bytes=%s", w->cc,
                        syncs[td_below(&w->random, 5)], td_chance(&w->random, 50) ? "8K" : "1M",
                        td_chance(&w->random, 50) ? "0" : "64K");
    else
        w->db = td_open(":memory:", "cc=%s", w->cc);
    for (unsigned i = 0; i < w->table_count; i++) {
        table_name(name, i);
        w->tables[i] = td_table(w->db, name);
    }
}

/* Under another scheme too: the files are the same. */
static void reopen(struct world *w) {
    td_close(w->db);
    if (td_chance(&w->random, 40))
        w->cc = td_schemes[td_below(&w->random, TD_SCHEMES)];
    open_world(w);
    compare_all(w);
}

static void drop_a_table(struct world *w) {
    char name[32];
    unsigned table = (unsigned)td_below(&w->random, w->table_count);
    table_name(name, table);
    td_trace("drop %s", name);
    TD_STATUS(varve_table_drop(w->db, name), VARVE_OK);
    model_table_clear(w->model, table);
    w->tables[table] = td_table(w->db, name);
}

static void between_transactions(struct world *w) {
    if (w->on_disk && td_chance(&w->random, 15))
        TD_STATUS(varve_checkpoint(w->db), VARVE_OK);
    if (w->on_disk && td_chance(&w->random, 10))
        TD_STATUS(varve_sync(w->db), VARVE_OK);
    if (td_chance(&w->random, 3))
        drop_a_table(w);
    if (td_chance(&w->random, 10))
        compare_all(w);
    if (w->on_disk && td_chance(&w->random, 25))
        reopen(w);
    else if (td_chance(&w->random, 5)) {
        w->cc = td_schemes[td_below(&w->random, TD_SCHEMES)];
        td_trace("switch to %s", w->cc);
        TD_STATUS(varve_set_concurrency(w->db, w->cc, 1000), VARVE_OK);
    }
}

static void run_case(uint64_t seed, unsigned number) {
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->random.state = seed * 1000003 + number;
    w->cc = td_schemes[number % TD_SCHEMES];
    w->level = td_levels[number / TD_SCHEMES % TD_LEVELS];
    w->on_disk = number / (TD_SCHEMES * TD_LEVELS) % 2 == 1;
    w->table_count = 1 + (unsigned)td_below(&w->random, TABLES);
    td_trace_clear();
    td_context("VARVE_TEST_SEED=%llu VARVE_TEST_CASE=%u: cc=%s, %s, %s, %u tables", (unsigned long long)seed, number,
               w->cc, td_level_name(w->level), w->on_disk ? "directory" : "memory", w->table_count);
    make_keys(w);
    td_scratch(w->path);
    w->model = model_create();
    open_world(w);
    for (uint64_t txns = 6 + td_below(&w->random, 12); txns > 0; txns--) {
        begin(w);
        for (uint64_t ops = 1 + td_below(&w->random, 60); ops > 0; ops--)
            do_operation(w);
        end(w);
        between_transactions(w);
    }
    compare_all(w);
    if (w->on_disk)
        reopen(w);
    td_close(w->db);
    model_free(w->model);
    td_remove_tree(w->path);
    for (unsigned i = 0; i < KEYS; i++)
        bytes_spoil(&w->keys[i]);
    for (unsigned i = 0; i < BORROWED; i++)
        bytes_spoil(&w->loans[i].copy);
    free(w);
}

static void engine_answers_as_the_model(void **state) {
    uint64_t seed = td_seed();
    unsigned cases = td_case_count(USUAL_CASES);
    (void)state;
    for (unsigned i = 0; i < cases || (long)i <= td_only_case(); i++) {
        bool wanted = td_only_case() < 0 || td_only_case() == (long)i;
        if (wanted && td_scheme_wanted(td_schemes[i % TD_SCHEMES]))
            run_case(seed, i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(engine_answers_as_the_model)};
    td_watchdog(300);
    return cmocka_run_group_tests_name("sequential", tests, NULL, NULL);
}
