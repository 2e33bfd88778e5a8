/* ycsb.c - YCSB A to F: Cooper, Silberstein, Tam, Ramakrishnan, Sears, Benchmarking Cloud Serving Systems with YCSB, SoCC
 * 2010, section 4.
 *
 * A transaction is ops_per_txn operations of the load's mix. Rows are user numbers; inserts of D and E go to the right
 * edge, each thread to numbers of its own there, and D reads near what its own thread inserted last. Departures: one value
 * instead of ten fields, and an update reads nothing. The invariant: a value tells its row's number and the number of its
 * writer's transaction, every row is there once, and inserted rows are as many as were committed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/loads/common.h"
#include "bench/loads/loads.h"

enum operation { READ, UPDATE, INSERT, SCAN, CHANGE, OPERATIONS };
enum { TABLE = 'y', OPS_MOST = 16, SCAN_MOST = 100, VALUE_LEAST = 16, VALUE_MOST = 4000 };
enum { INSERTED }; /* tally */

struct ycsb {
    struct bl_zipf zipf;
    unsigned share[OPERATIONS]; /* percent */
    bool latest;
};

static struct bl_key key_of(const struct bl_session *s, uint64_t row) {
    struct bl_key key = bl_key_of(TABLE);
    if (!s->run->settings.string_keys) {
        bl_key_add(&key, row, 8);
        return key;
    }
    key.size += (size_t)snprintf((char *)key.bytes + 1, sizeof(key.bytes) - 1, "user%012llu", (unsigned long long)row);
    return key;
}

static varve_slice value_of(struct bl_session *s, uint64_t row) {
    uint32_t size = s->run->settings.value_bytes;
    uint64_t writer = (uint64_t)s->thread << 48 | (vb_random_u64(&s->random) & 0xffffffffffff);
    memset(s->buffer, (int)(row & 0x7f), size);
    memcpy(s->buffer, &row, sizeof(row));
    memcpy(s->buffer + 8, &writer, sizeof(writer));
    return VARVE_SLICE(s->buffer, size);
}

static int prepare_mix(struct bl_run *run, const unsigned share[OPERATIONS], bool latest) {
    const struct bl_settings *o = &run->settings;
    if (o->records == 0) return bl_refuse(run, VARVE_INVALID, "records must be above 0");
    if (o->value_bytes < VALUE_LEAST || o->value_bytes > VALUE_MOST)
        return bl_refuse(run, VARVE_INVALID, "values of 16 to 4000 bytes");
    if (o->ops_per_txn == 0 || o->ops_per_txn > OPS_MOST)
        return bl_refuse(run, VARVE_INVALID, "1 to 16 operations a transaction");
    if (o->theta < 0 || o->theta >= 1) return bl_refuse(run, VARVE_INVALID, "theta from 0 to below 1");
    struct ycsb *y = calloc(1, sizeof(*y));
    if (y == NULL) return bl_refuse(run, VARVE_NOMEM, "out of memory");
    bl_zipf_init(&y->zipf, o->records, o->theta);
    memcpy(y->share, share, sizeof(y->share));
    y->latest = latest;
    run->state = y;
    return VARVE_OK;
}

static void release(struct bl_run *run) {
    free(run->state);
    run->state = NULL;
}

static int fill_batch(struct bl_session *s, void *arg) {
    const struct bl_batch *batch = arg;
    for (uint64_t row = batch->first; row < batch->end; row++) {
        struct bl_key key = key_of(s, row);
        BL_TRY(s->run->engine->put(s->txn, bl_slice(&key), value_of(s, row)));
    }
    return VARVE_OK;
}

static int fill(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts) {
    (void)run;
    return bl_fill_rows(s, part, parts, fill_batch);
}

/* Numbers behind the filled rows: each thread takes every threads-th. */
static uint64_t inserted_row(const struct bl_session *s, uint64_t number) {
    return s->run->settings.records + number * s->run->settings.threads + s->thread;
}

static enum operation draw_operation(const struct ycsb *y, uint64_t dice) {
    unsigned operation = 0;
    while (operation + 1 < OPERATIONS && dice >= y->share[operation]) dice -= y->share[operation++];
    return (enum operation)operation;
}

/* draw[i]: the operation in the low byte, the row above it. An insert's row is numbered from what has committed. */
static unsigned draw(struct bl_session *s) {
    const struct ycsb *y = s->run->state;
    uint64_t inserts = 0, committed = (uint64_t)s->tally[INSERTED];
    for (unsigned i = 0; i < s->run->settings.ops_per_txn; i++) {
        enum operation operation = draw_operation(y, vb_random_below(&s->random, 100));
        uint64_t rank = bl_zipf_rank(&y->zipf, &s->random), row;
        if (operation == INSERT)
            row = inserted_row(s, committed + inserts++);
        else if (y->latest && rank < committed)
            row = inserted_row(s, committed - 1 - rank);
        else
            row = y->latest ? y->zipf.count - 1 - rank : bl_scramble(rank, y->zipf.count);
        s->draw[i] = row << 8 | operation;
    }
    return 0;
}

static int read_row(struct bl_session *s, uint64_t row) {
    struct bl_key key = key_of(s, row);
    varve_slice value;
    uint64_t stored;
    s->reads++;
    int status = s->run->engine->get(s->txn, bl_slice(&key), &value);
    if (status == VARVE_NOTFOUND) return VARVE_CORRUPT;
    if (status != VARVE_OK) return status;
    memcpy(&stored, value.data, sizeof(stored));
    return stored == row || s->run->generator ? VARVE_OK : VARVE_CORRUPT;
}

static int write_row(struct bl_session *s, uint64_t row, bool insert) {
    struct bl_key key = key_of(s, row);
    const struct peer *engine = s->run->engine;
    s->writes++;
    if (insert && engine->insert != NULL) return engine->insert(s->txn, bl_slice(&key), value_of(s, row));
    return engine->put(s->txn, bl_slice(&key), value_of(s, row));
}

static int count_row(void *arg, varve_slice key, varve_slice value) {
    (void)key, (void)value;
    ++*(uint64_t *)arg;
    return 0;
}

static int scan_rows(struct bl_session *s, uint64_t row) {
    struct bl_key key = key_of(s, row);
    uint64_t rows = 0, most = 1 + (row * 7919) % SCAN_MOST;
    int status =
        s->run->engine->scan(s->txn, bl_slice(&key), (varve_slice){NULL, 0}, most, false, count_row, &rows);
    s->reads += rows;
    return status == VARVE_OK && rows == 0 ? VARVE_CORRUPT : status;
}

static int body(struct bl_session *s, unsigned kind) {
    int status = VARVE_OK;
    (void)kind;
    for (unsigned i = 0; i < s->run->settings.ops_per_txn && status == VARVE_OK; i++) {
        uint64_t row = s->draw[i] >> 8;
        switch ((enum operation)(s->draw[i] & 0xff)) {
        case READ: status = read_row(s, row); break;
        case UPDATE: status = write_row(s, row, false); break;
        case INSERT: status = write_row(s, row, true); break;
        case SCAN: status = scan_rows(s, row); break;
        case CHANGE:
        case OPERATIONS:
            status = read_row(s, row);
            if (status == VARVE_OK) status = write_row(s, row, false);
            break;
        }
    }
    return status;
}

static void done(struct bl_session *s, unsigned kind, bool committed) {
    (void)kind;
    for (unsigned i = 0; committed && i < s->run->settings.ops_per_txn; i++)
        s->tally[INSERTED] += (s->draw[i] & 0xff) == INSERT;
}

static int verify(struct bl_run *run, struct bl_session *sessions, unsigned count) {
    struct bl_sum sum = {.table = TABLE};
    uint64_t rows = run->settings.records, numbers = rows * (rows - 1) / 2;
    for (unsigned i = 0; i < count; i++)
        for (uint64_t n = 0; n < (uint64_t)sessions[i].tally[INSERTED]; n++, rows++)
            numbers += inserted_row(&sessions[i], n);
    int status = bl_transaction(&sessions[0], true, bl_sum_table, &sum);
    if (status != VARVE_OK) return bl_refuse(run, status, "the check could not read the rows");
    if (sum.rows == rows && (uint64_t)sum.sum == numbers) return VARVE_OK;
    snprintf(run->text, sizeof(run->text), "%s: %zu rows with numbers that sum up to %lld; %llu rows and %llu expected",
             run->load->name, sum.rows, (long long)sum.sum, (unsigned long long)rows, (unsigned long long)numbers);
    return VARVE_CORRUPT;
}

#define YCSB(id, called, what, newest, reader, ...)                                                            \
    static int prepare_##id(struct bl_run *run) {                                                              \
        static const unsigned share[OPERATIONS] = {__VA_ARGS__};                                               \
        return prepare_mix(run, share, newest);                                                                \
    }                                                                                                          \
    const struct bl_load bl_ycsb_##id = {.name = called, .about = what, .kind_count = 1, .kinds = {called},    \
                                         .read_only = {reader}, .prepare = prepare_##id, .release = release,   \
                                         .fill = fill, .draw = draw, .body = body, .done = done, .verify = verify}

YCSB(a, "ycsb-a", "YCSB A: half reads, half updates", false, false, [READ] = 50, [UPDATE] = 50);
YCSB(b, "ycsb-b", "YCSB B: 95 % reads, 5 % updates", false, false, [READ] = 95, [UPDATE] = 5);
YCSB(c, "ycsb-c", "YCSB C: reads", false, true, [READ] = 100);
YCSB(d, "ycsb-d", "YCSB D: reads of what was inserted last, 5 % inserts", true, false, [READ] = 95, [INSERT] = 5);
YCSB(e, "ycsb-e", "YCSB E: scans of up to 100 rows, 5 % inserts", false, false, [SCAN] = 95, [INSERT] = 5);
YCSB(f, "ycsb-f", "YCSB F: half reads, half read-modify-writes", false, false, [READ] = 50, [CHANGE] = 50);
