/* longrw.c - long transactions that read much and write a little, beside short ones.
 *
 * One transaction in a hundred reads a hundred rows and then changes one of them; the others change one row. Certifiers that
 * ask whether a read set is still current starve the long ones: see Nemoto, Kambayashi, Hoshino, Kawashima, Oze:
 * Decentralized Graph-based Concurrency Control for Real-world Long Transactions on BoM Benchmark, 2022, section 2, whose
 * bill of materials is left out here: rows are drawn by theta. Latency by kind, and the most aborts in a row, tell what
 * became of the long ones.
 *
 * Invariant: a value begins with a counter and its row's number; every row is there, and the counters sum up to what was
 * committed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/loads/common.h"
#include "bench/loads/loads.h"

enum { TABLE = 'l', LONG_PERCENT = 1, LONG_READS = 100, VALUE_LEAST = 16, VALUE_MOST = 4000 };
enum kind { SHORT, LONG };
enum { COMMITS }; /* tally */

struct longrw {
    struct bl_zipf zipf;
};

static int prepare(struct bl_run *run) {
    const struct bl_settings *o = &run->settings;
    if (o->records == 0) return bl_refuse(run, VARVE_INVALID, "records must be above 0");
    if (o->value_bytes < VALUE_LEAST || o->value_bytes > VALUE_MOST)
        return bl_refuse(run, VARVE_INVALID, "values of 16 to 4000 bytes");
    if (o->theta < 0 || o->theta >= 1) return bl_refuse(run, VARVE_INVALID, "theta from 0 to below 1");
    struct longrw *l = calloc(1, sizeof(*l));
    if (l == NULL) return bl_refuse(run, VARVE_NOMEM, "out of memory");
    bl_zipf_init(&l->zipf, o->records, o->theta);
    run->state = l;
    return VARVE_OK;
}

static void release(struct bl_run *run) {
    free(run->state);
    run->state = NULL;
}

static int put_row(struct bl_session *s, uint64_t row, int64_t counter) {
    struct bl_key key = bl_numbered(TABLE, row);
    size_t size = s->run->settings.value_bytes;
    memset(s->buffer, (int)(row & 0x7f), size);
    memcpy(s->buffer, &counter, sizeof(counter));
    memcpy(s->buffer + 8, &row, sizeof(row));
    return bl_write(s, bl_slice(&key), s->buffer, size);
}

static int get_row(struct bl_session *s, uint64_t row, bool to_write, int64_t *counter) {
    struct bl_key key = bl_numbered(TABLE, row);
    uint64_t stored;
    size_t size = s->run->settings.value_bytes;
    BL_TRY(to_write ? bl_read_to_write(s, bl_slice(&key), s->buffer, size) : bl_read(s, bl_slice(&key), s->buffer, size));
    memcpy(counter, s->buffer, sizeof(*counter));
    memcpy(&stored, s->buffer + 8, sizeof(stored));
    return stored == row || s->run->generator ? VARVE_OK : VARVE_CORRUPT;
}

static int fill_batch(struct bl_session *s, void *arg) {
    const struct bl_batch *batch = arg;
    for (uint64_t row = batch->first; row < batch->end; row++) BL_TRY(put_row(s, row, 0));
    return VARVE_OK;
}
static int fill(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts) {
    (void)run;
    return bl_fill_rows(s, part, parts, fill_batch);
}

static uint64_t draw_row(const struct longrw *l, struct vb_random *random) {
    return bl_scramble(bl_zipf_rank(&l->zipf, random), l->zipf.count);
}

/* draw[0]: the row that changes. draw[1]: the seed of a long one's reads, so that every attempt reads the same. */
static unsigned draw(struct bl_session *s) {
    s->draw[0] = draw_row(s->run->state, &s->random);
    s->draw[1] = vb_random_u64(&s->random);
    return vb_random_below(&s->random, 100) < LONG_PERCENT ? LONG : SHORT;
}

static int body(struct bl_session *s, unsigned kind) {
    struct vb_random random;
    int64_t counter;
    vb_random_init(&random, s->draw[1]);
    for (unsigned i = 0; kind == LONG && i < LONG_READS; i++)
        BL_TRY(get_row(s, draw_row(s->run->state, &random), false, &counter));
    BL_TRY(get_row(s, s->draw[0], true, &counter));
    return put_row(s, s->draw[0], counter + 1);
}

static void done(struct bl_session *s, unsigned kind, bool committed) {
    (void)kind;
    s->tally[COMMITS] += committed;
}

static int verify(struct bl_run *run, struct bl_session *sessions, unsigned count) {
    struct bl_sum sum = {.table = TABLE};
    int64_t commits = 0;
    for (unsigned i = 0; i < count; i++) commits += sessions[i].tally[COMMITS];
    int status = bl_transaction(&sessions[0], true, bl_sum_table, &sum);
    if (status != VARVE_OK) return bl_refuse(run, status, "the check could not read the rows");
    bool lost = run->level != 0 && run->level < VARVE_REPEATABLE_READ && sum.sum < commits; /* allowed there */
    if (sum.rows == run->settings.records && (sum.sum == commits || lost)) return VARVE_OK;
    snprintf(run->text, sizeof(run->text), "long-rw: %zu rows with %lld changes; %llu rows and %lld changes expected",
             sum.rows, (long long)sum.sum, (unsigned long long)run->settings.records, (long long)commits);
    return VARVE_CORRUPT;
}

const struct bl_load bl_longrw = {.name = "long-rw",
                                  .about = "one row changes; one transaction in a hundred reads a hundred rows before",
                                  .kind_count = 2,
                                  .kinds = {"short", "long"},
                                  .prepare = prepare,
                                  .release = release,
                                  .fill = fill,
                                  .draw = draw,
                                  .body = body,
                                  .done = done,
                                  .verify = verify};
