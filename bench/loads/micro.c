/* micro.c - the plain loads: reads, reads with changes, one change, a scan, and inserts.
 *
 * Rows are numbered; a key is a row's number, scrambled unless sorted_keys, as 16 hexadecimal digits or 8 big-endian
 * bytes. A value begins with a counter that every change raises by one and with the row's number. The invariant: every row
 * of the fill is there with its own number and length, and the counters of all rows sum up to the changes that were
 * committed; inserted rows are there once each.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/bytes.h"
#include "bench/loads/common.h"
#include "bench/loads/loads.h"

enum { STRING_KEY = 16, BINARY_KEY = 8, VALUE_LEAST = 16, VALUE_MOST = 4000, OPS_MOST = 16, SCAN_ROWS = 100 };
enum { CHANGES, INSERTS }; /* tally */

struct micro {
    struct bl_zipf zipf;
};

static const struct bl_settings *settings(const struct bl_session *s) { return &s->run->settings; }

/* The hexadecimal digits of half a number: its nibbles are spread over the bytes of a word, and each becomes its digit,
 * all at once, because a key is made for every operation. */
static uint64_t digits_of(uint32_t half) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word = half;
    word = (word | word << 16) & UINT64_C(0x0000ffff0000ffff);
    word = (word | word << 8) & UINT64_C(0x00ff00ff00ff00ff);
    word = (word | word << 4) & (ones * 15);
    uint64_t letters = (word + ones * 6) >> 4 & ones; /* 1 where the digit is a letter */
    return word + ones * '0' + letters * ('a' - '0' - 10);
}

static varve_slice key_at(const struct bl_settings *o, uint64_t place, uint8_t key[STRING_KEY]) {
    if (!o->string_keys) {
        vb_put_u64(key, __builtin_bswap64(place));
        return VARVE_SLICE(key, BINARY_KEY);
    }
    vb_put_u64(key, __builtin_bswap64(digits_of((uint32_t)(place >> 32))));
    vb_put_u64(key + 8, __builtin_bswap64(digits_of((uint32_t)place)));
    return VARVE_SLICE(key, STRING_KEY);
}

/* Places are spread over all keys, so that neighbours in time are none in order. */
static uint64_t place_of(uint64_t row) { return row * UINT64_C(0x9e3779b97f4a7c15); }

static varve_slice row_key(const struct bl_settings *o, uint64_t row, uint8_t key[STRING_KEY]) {
    return key_at(o, o->sorted_keys ? row : place_of(row), key);
}

static varve_slice value_of(struct bl_session *s, uint64_t counter, uint64_t row) {
    uint32_t size = settings(s)->value_bytes;
    memset(s->buffer, (int)(row & 0x7f), size);
    memcpy(s->buffer, &counter, sizeof(counter));
    memcpy(s->buffer + 8, &row, sizeof(row));
    return VARVE_SLICE(s->buffer, size);
}

static int prepare(struct bl_run *run) {
    const struct bl_settings *o = &run->settings;
    if (o->records == 0) return bl_refuse(run, VARVE_INVALID, "records must be above 0");
    if (o->value_bytes < VALUE_LEAST || o->value_bytes > VALUE_MOST)
        return bl_refuse(run, VARVE_INVALID, "values of 16 to 4000 bytes");
    if (o->ops_per_txn == 0 || o->ops_per_txn > OPS_MOST) return bl_refuse(run, VARVE_INVALID, "1 to 16 operations a transaction");
    if (o->theta < 0 || o->theta >= 1) return bl_refuse(run, VARVE_INVALID, "theta from 0 to below 1");
    struct micro *m = calloc(1, sizeof(*m));
    if (m == NULL) return bl_refuse(run, VARVE_NOMEM, "out of memory");
    bl_zipf_init(&m->zipf, o->records, o->theta);
    run->state = m;
    return VARVE_OK;
}

static void release(struct bl_run *run) {
    free(run->state);
    run->state = NULL;
}

/* --- filling ------------------------------------------------------------------------------------------------------ */

static int fill_batch(struct bl_session *s, void *arg) {
    const struct bl_batch *batch = arg;
    uint8_t key[STRING_KEY];
    for (uint64_t row = batch->first; row < batch->end; row++)
        BL_TRY(s->run->engine->put(s->txn, row_key(settings(s), row, key), value_of(s, 0, row)));
    return VARVE_OK;
}

static int fill(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts) {
    (void)run;
    return bl_fill_rows(s, part, parts, fill_batch);
}

static int fill_nothing(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts) {
    (void)run, (void)s, (void)part, (void)parts;
    return VARVE_OK;
}

/* --- transactions ------------------------------------------------------------------------------------------------- */

static unsigned draw_rows(struct bl_session *s) {
    const struct micro *m = s->run->state;
    for (unsigned i = 0; i < settings(s)->ops_per_txn; i++)
        s->draw[i] = bl_zipf_row(&m->zipf, &s->random);
    return 0;
}

static int check_value(struct bl_session *s, varve_slice value, uint64_t row) {
    uint64_t stored;
    if (s->run->generator) return VARVE_OK;
    if (value.size != settings(s)->value_bytes) return VARVE_CORRUPT;
    memcpy(&stored, (const uint8_t *)value.data + 8, sizeof(stored));
    return stored == row ? VARVE_OK : VARVE_CORRUPT;
}

static int read_row(struct bl_session *s, uint64_t row, bool for_update, varve_slice *value) {
    uint8_t key[STRING_KEY];
    const struct peer *engine = s->run->engine;
    varve_slice name = row_key(settings(s), row, key);
    s->reads++;
    int status = for_update && engine->get_for_update != NULL ? engine->get_for_update(s->txn, name, value)
                                                              : engine->get(s->txn, name, value);
    if (status == VARVE_NOTFOUND) return VARVE_CORRUPT;
    return status == VARVE_OK ? check_value(s, *value, row) : status;
}

/* The drawn rows at once; their values, `count` of them, live as long as the engine promises. */
static int read_many(struct bl_session *s, unsigned count, varve_slice *values) {
    uint8_t bytes[OPS_MOST][STRING_KEY];
    varve_slice keys[OPS_MOST] = {{NULL, 0}};
    int statuses[OPS_MOST];
    for (unsigned i = 0; i < count; i++) keys[i] = row_key(settings(s), s->draw[i], bytes[i]);
    s->reads += count;
    int status = s->run->engine->get_many(s->txn, keys, values, statuses, count);
    for (unsigned i = 0; i < count && status == VARVE_OK; i++)
        status = statuses[i] == VARVE_OK ? check_value(s, values[i], s->draw[i]) : VARVE_CORRUPT;
    return status;
}

static bool at_once(const struct bl_session *s) { return settings(s)->use_get_many && s->run->engine->get_many != NULL; }

static int read_rows(struct bl_session *s, unsigned count) {
    varve_slice value, values[OPS_MOST];
    int status = VARVE_OK;
    if (at_once(s)) return read_many(s, count, values);
    for (unsigned i = 0; i < count && status == VARVE_OK; i++) status = read_row(s, s->draw[i], false, &value);
    return status;
}

static uint64_t counter_of(varve_slice value) {
    uint64_t counter;
    memcpy(&counter, value.data, sizeof(counter));
    return counter;
}

static int put_row(struct bl_session *s, uint64_t row, uint64_t counter) {
    uint8_t key[STRING_KEY];
    s->writes++;
    return s->run->engine->put(s->txn, row_key(settings(s), row, key), value_of(s, counter, row));
}

static int change_row(struct bl_session *s, uint64_t row) {
    varve_slice value;
    int status = read_row(s, row, settings(s)->use_for_update, &value);
    return status == VARVE_OK ? put_row(s, row, counter_of(value) + 1) : status;
}

static int body_reads(struct bl_session *s, unsigned kind) {
    (void)kind;
    return read_rows(s, settings(s)->ops_per_txn);
}

static int change_rows(struct bl_session *s, unsigned first) {
    int status = VARVE_OK;
    for (unsigned i = first; i < settings(s)->ops_per_txn && status == VARVE_OK; i++) status = change_row(s, s->draw[i]);
    return status;
}

/* How often the row drawn at `i` was changed by this transaction before; a row may be drawn twice. */
static uint64_t changed_before(const struct bl_session *s, unsigned first, unsigned i) {
    uint64_t times = 0;
    for (unsigned j = first; j < i; j++) times += s->draw[j] == s->draw[i];
    return times;
}

/* All rows are asked for at once, those that will be changed too; then the changes are made. */
static int mixed_at_once(struct bl_session *s, unsigned reads) {
    unsigned count = settings(s)->ops_per_txn;
    varve_slice values[OPS_MOST];
    int status = read_many(s, count, values);
    for (unsigned i = reads; i < count && status == VARVE_OK; i++)
        status = put_row(s, s->draw[i], counter_of(values[i]) + changed_before(s, reads, i) + 1);
    return status;
}

static int body_mixed(struct bl_session *s, unsigned kind) {
    unsigned reads = settings(s)->ops_per_txn * settings(s)->read_ratio / 100;
    (void)kind;
    if (at_once(s)) return mixed_at_once(s, reads);
    int status = read_rows(s, reads);
    return status == VARVE_OK ? change_rows(s, reads) : status;
}

static void done_mixed(struct bl_session *s, unsigned kind, bool committed) {
    unsigned reads = settings(s)->ops_per_txn * settings(s)->read_ratio / 100;
    (void)kind;
    if (committed) s->tally[CHANGES] += (int64_t)(settings(s)->ops_per_txn - reads);
}

static int body_rmw(struct bl_session *s, unsigned kind) {
    (void)kind;
    return change_row(s, s->draw[0]);
}

static void done_rmw(struct bl_session *s, unsigned kind, bool committed) {
    (void)kind;
    s->tally[CHANGES] += committed;
}

struct touch {
    uint64_t rows, sum;
};
static int touch(void *arg, varve_slice key, varve_slice value) {
    struct touch *t = arg;
    (void)key;
    t->sum += counter_of(value);
    t->rows++;
    return 0;
}

static int scan_from(struct bl_session *s, bool reverse) {
    uint8_t bytes[STRING_KEY];
    struct touch t = {0, 0};
    const varve_slice open = {NULL, 0};
    varve_slice key = row_key(settings(s), s->draw[0], bytes);
    int status = s->run->engine->scan(s->txn, reverse ? open : key, reverse ? key : open, SCAN_ROWS, reverse, touch, &t);
    s->reads += t.rows;
    return status == VARVE_OK && t.rows == 0 && !reverse ? VARVE_CORRUPT : status; /* nothing is below the first row */
}

static int body_scan(struct bl_session *s, unsigned kind) {
    (void)kind;
    return scan_from(s, false);
}

static int body_scan_reverse(struct bl_session *s, unsigned kind) {
    (void)kind;
    return scan_from(s, true);
}

/* --- inserts: each session numbers its own rows ------------------------------------------------------------------- */

static unsigned draw_insert(struct bl_session *s) {
    s->draw[0] = s->draw[1]++;
    return 0;
}

static uint64_t inserted_place(const struct bl_session *s, uint64_t number, bool sorted) {
    uint64_t place = (uint64_t)s->thread << 48 | number;
    return sorted ? place : place_of(place + 1);
}

static int insert_at(struct bl_session *s, uint64_t place) {
    uint8_t key[STRING_KEY];
    return bl_insert(s, key_at(settings(s), place, key), value_of(s, 0, place));
}

static int body_insert_sorted(struct bl_session *s, unsigned kind) {
    int status = VARVE_OK;
    for (unsigned i = 0; i < settings(s)->ops_per_txn && status == VARVE_OK; i++)
        status = insert_at(s, inserted_place(s, s->draw[0] * settings(s)->ops_per_txn + i, true));
    (void)kind;
    return status;
}

static int body_insert_random(struct bl_session *s, unsigned kind) {
    int status = VARVE_OK;
    for (unsigned i = 0; i < settings(s)->ops_per_txn && status == VARVE_OK; i++)
        status = insert_at(s, inserted_place(s, s->draw[0] * settings(s)->ops_per_txn + i, false));
    (void)kind;
    return status;
}

static void done_insert(struct bl_session *s, unsigned kind, bool committed) {
    (void)kind;
    s->tally[INSERTS] += committed ? (int64_t)settings(s)->ops_per_txn : 0;
}

/* --- the invariant ------------------------------------------------------------------------------------------------ */

static int sum_all(struct bl_session *s, void *arg) {
    struct touch *t = arg;
    *t = (struct touch){0, 0};
    return s->run->engine->scan(s->txn, (varve_slice){NULL, 0}, (varve_slice){NULL, 0}, 0, false, touch, t);
}

static int compare_counts(struct bl_run *run, struct bl_session *sessions, unsigned count, bool filled) {
    struct touch t = {0, 0};
    uint64_t changes = 0, rows = filled ? run->settings.records : 0;
    for (unsigned i = 0; i < count; i++) {
        changes += (uint64_t)sessions[i].tally[CHANGES];
        rows += (uint64_t)sessions[i].tally[INSERTS];
    }
    int status = bl_transaction(&sessions[0], true, sum_all, &t);
    if (status != VARVE_OK) return bl_refuse(run, status, "the check could not read the rows");
    /* Below repeatable read an update may be lost: that is the level, and no fault. */
    bool lossy = run->level != 0 && run->level < VARVE_REPEATABLE_READ;
    if (t.rows == rows && (lossy ? t.sum <= changes : t.sum == changes)) return VARVE_OK;
    snprintf(run->text, sizeof(run->text), "%s: %llu rows with %llu changes, but %llu rows and %llu changes were committed",
             run->load->name, (unsigned long long)t.rows, (unsigned long long)t.sum, (unsigned long long)rows,
             (unsigned long long)changes);
    return VARVE_CORRUPT;
}

static int verify(struct bl_run *run, struct bl_session *sessions, unsigned count) {
    return compare_counts(run, sessions, count, true);
}
static int verify_inserted(struct bl_run *run, struct bl_session *sessions, unsigned count) {
    return compare_counts(run, sessions, count, false);
}

#define MICRO(id, called, what, ...)                                                                              \
    const struct bl_load id = {.name = called, .about = what, .kind_count = 1, .kinds = {called},                 \
                               .prepare = prepare, .release = release, __VA_ARGS__}

MICRO(bl_reads, "reads", "reads of single rows, ops-per-txn of them", .fill = fill, .draw = draw_rows,
      .body = body_reads, .read_only = {true}, .verify = verify);
MICRO(bl_mixed, "mixed", "reads, then read-modify-writes, by read-ratio", .fill = fill, .draw = draw_rows,
      .body = body_mixed, .done = done_mixed, .verify = verify);
MICRO(bl_rmw, "rmw", "one read-modify-write", .fill = fill, .draw = draw_rows, .body = body_rmw, .done = done_rmw,
      .verify = verify);
MICRO(bl_scan, "scan", "a scan of 100 rows from a random key", .fill = fill, .draw = draw_rows, .body = body_scan,
      .read_only = {true}, .verify = verify);
MICRO(bl_scan_reverse, "scan-reverse", "a scan of 100 rows downwards from a random key", .fill = fill, .draw = draw_rows,
      .body = body_scan_reverse, .read_only = {true}, .verify = verify);
MICRO(bl_scan_checked, "scan-checked", "a scan of 100 rows in a transaction that is not declared read-only", .fill = fill,
      .draw = draw_rows, .body = body_scan, .verify = verify);
MICRO(bl_insert_sorted, "insert-sorted", "inserts in key order, each thread its own range", .fill = fill_nothing,
      .draw = draw_insert, .body = body_insert_sorted, .done = done_insert, .verify = verify_inserted);
MICRO(bl_insert_random, "insert-random", "inserts all over the keys", .fill = fill_nothing, .draw = draw_insert,
      .body = body_insert_random, .done = done_insert, .verify = verify_inserted);
