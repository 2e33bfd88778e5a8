/* htap.c - short writers beside a reader of everything: what one long snapshot costs the others.
 *
 * Rows are accounts; a value begins with a balance. Thread 0 only reads: one read-only transaction goes over all rows in
 * key order, in chunks spread over scan_seconds by the clock, so that its snapshot is as old as that at the end whatever
 * the engine's speed. With scan_seconds 0 it only waits, which tells what the others do without it. They move one unit
 * between two rows drawn by theta. The shape is that of mixed loads as in Cole et al., The mixed workload CH-benCHmark,
 * DBTest 2011, cut down to the one thing that hurts: an old snapshot.
 *
 * Invariant: every committed read of everything sees all rows and the constant total (at snapshot and above), and so does
 * the check. When the run ends a reader under way goes on without its pace.
 *
 * SPDX-License-Identifier: MIT
 */
#include <time.h>

#include "bench/loads/common.h"
#include "bench/loads/loads.h"

enum { TABLE = 'h', START = 1000, CHUNK = 100, VALUE_LEAST = 8, VALUE_MOST = 4000, NAP_NS = 2000000 };
enum kind { TRANSFER, READ_ALL };
enum { WRONG_READS }; /* tally */

struct htap {
    struct bl_zipf zipf;
};

static int prepare(struct bl_run *run) {
    const struct bl_settings *o = &run->settings;
    if (o->threads < 2 && !run->generator)
        return bl_refuse(run, VARVE_INVALID, "two threads at least: thread 0 is the reader (--threads)");
    if (o->records < 2) return bl_refuse(run, VARVE_INVALID, "two rows at least (--records)");
    if (o->value_bytes < VALUE_LEAST || o->value_bytes > VALUE_MOST)
        return bl_refuse(run, VARVE_INVALID, "values of 8 to 4000 bytes");
    if (o->theta < 0 || o->theta >= 1) return bl_refuse(run, VARVE_INVALID, "theta from 0 to below 1");
    struct htap *h = calloc(1, sizeof(*h));
    if (h == NULL) return bl_refuse(run, VARVE_NOMEM, "out of memory");
    bl_zipf_init(&h->zipf, o->records, o->theta);
    run->state = h;
    return VARVE_OK;
}

static void release(struct bl_run *run) {
    free(run->state);
    run->state = NULL;
}

static int put_balance(struct bl_session *s, uint64_t row, int64_t balance) {
    struct bl_key key = bl_numbered(TABLE, row);
    size_t size = s->run->settings.value_bytes;
    memset(s->buffer, (int)(row & 0x7f), size);
    memcpy(s->buffer, &balance, sizeof(balance));
    return bl_write(s, bl_slice(&key), s->buffer, size);
}

static int get_balance(struct bl_session *s, uint64_t row, int64_t *balance) {
    struct bl_key key = bl_numbered(TABLE, row);
    BL_TRY(bl_read_to_write(s, bl_slice(&key), s->buffer, s->run->settings.value_bytes));
    memcpy(balance, s->buffer, sizeof(*balance));
    return VARVE_OK;
}

static int fill_batch(struct bl_session *s, void *arg) {
    const struct bl_batch *batch = arg;
    for (uint64_t row = batch->first; row < batch->end; row++) BL_TRY(put_balance(s, row, START));
    return VARVE_OK;
}
static int fill(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts) {
    (void)run;
    return bl_fill_rows(s, part, parts, fill_batch);
}

/* --- transactions ------------------------------------------------------------------------------------------------- */

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Sleeps until then, in short naps, so that the end of a run is seen. */
static void wait_until(const struct bl_run *run, uint64_t due_ns) {
    for (uint64_t now; (now = now_ns()) < due_ns;) {
        if (run->stop != NULL && __atomic_load_n(run->stop, __ATOMIC_RELAXED) != 0) return;
        struct timespec nap = {0, due_ns - now < NAP_NS ? (long)(due_ns - now) : NAP_NS};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
    }
}

/* Alone, on the engine that does nothing, thread 0 is a writer. */
static unsigned draw(struct bl_session *s) {
    const struct htap *h = s->run->state;
    uint64_t rows = h->zipf.count;
    if (s->thread == 0 && s->run->settings.threads > 1) {
        if (s->run->settings.scan_seconds == 0) wait_until(s->run, UINT64_MAX);
        return READ_ALL;
    }
    s->draw[0] = bl_zipf_row(&h->zipf, &s->random);
    do s->draw[1] = bl_zipf_row(&h->zipf, &s->random);
    while (rows > 2 && s->draw[1] == s->draw[0]);
    if (s->draw[1] == s->draw[0]) s->draw[1] = 1 - s->draw[0];
    return TRANSFER;
}

static int transfer(struct bl_session *s) {
    int64_t from, to;
    BL_TRY(get_balance(s, s->draw[0], &from));
    BL_TRY(get_balance(s, s->draw[1], &to));
    BL_TRY(put_balance(s, s->draw[0], from - 1));
    return put_balance(s, s->draw[1], to + 1);
}

struct pass {
    uint64_t rows;
    int64_t sum;
    struct bl_key next; /* the smallest key not yet seen */
};
static int see(void *arg, varve_slice key, varve_slice value) {
    struct pass *pass = arg;
    int64_t balance = 0;
    if (value.size >= sizeof(balance)) memcpy(&balance, value.data, sizeof(balance));
    pass->sum += balance;
    pass->rows++;
    if (key.size >= sizeof(pass->next.bytes)) return 1;
    memcpy(pass->next.bytes, key.data, key.size);
    pass->next.bytes[key.size] = 0;
    pass->next.size = key.size + 1;
    return 0;
}

/* The whole table in one transaction, each chunk at its time: `span_ns` from the first row to the last. */
static int read_all(struct bl_session *s, uint64_t span_ns, struct pass *pass) {
    const struct bl_run *run = s->run;
    struct bl_key end = bl_key_of(TABLE + 1);
    uint64_t begun = now_ns();
    *pass = (struct pass){0, 0, bl_key_of(TABLE)};
    for (;;) {
        struct bl_key low = pass->next;
        uint64_t before = pass->rows;
        BL_TRY(run->engine->scan(s->txn, bl_slice(&low), bl_slice(&end), CHUNK, false, see, pass));
        s->reads += pass->rows - before;
        if (pass->rows - before < CHUNK || (run->generator && pass->rows >= run->settings.records)) return VARVE_OK;
        if (span_ns == 0) continue;
        double part = (double)pass->rows / (double)run->settings.records;
        wait_until(run, begun + (uint64_t)((double)span_ns * (part < 1 ? part : 1)));
    }
}

static bool right(const struct bl_run *run, const struct pass *pass) {
    return pass->rows == run->settings.records && pass->sum == (int64_t)run->settings.records * START;
}

static int body(struct bl_session *s, unsigned kind) {
    struct pass pass;
    if (kind == TRANSFER) return transfer(s);
    BL_TRY(read_all(s, s->run->settings.scan_seconds * UINT64_C(1000000000), &pass));
    s->draw[0] = !right(s->run, &pass);
    return VARVE_OK;
}

static void done(struct bl_session *s, unsigned kind, bool committed) {
    if (committed && kind == READ_ALL) s->tally[WRONG_READS] += (int64_t)s->draw[0];
}

static int check(struct bl_session *s, void *arg) { return read_all(s, 0, arg); }

static int verify(struct bl_run *run, struct bl_session *sessions, unsigned count) {
    struct pass pass;
    int64_t wrong = 0;
    for (unsigned i = 0; i < count; i++) wrong += sessions[i].tally[WRONG_READS];
    int status = bl_transaction(&sessions[0], true, check, &pass);
    if (status != VARVE_OK) return bl_refuse(run, status, "the check could not read the rows");
    bool total = right(run, &pass) || (run->level != 0 && run->level < VARVE_REPEATABLE_READ &&
                                       pass.rows == run->settings.records); /* updates may be lost there, and are */
    bool one_state = run->level == 0 || run->level >= VARVE_SNAPSHOT;
    if (total && (wrong == 0 || !one_state)) return VARVE_OK;
    snprintf(run->text, sizeof(run->text), "htap: %llu rows with %lld in all, expected %llu with %lld; %lld reads saw another total",
             (unsigned long long)pass.rows, (long long)pass.sum, (unsigned long long)run->settings.records,
             (long long)run->settings.records * START, (long long)wrong);
    return VARVE_CORRUPT;
}

const struct bl_load bl_htap = {.name = "htap",
                                .about = "transfers, beside one reader that takes scan-seconds for all rows",
                                .kind_count = 2,
                                .kinds = {"transfer", "read-all"},
                                .read_only = {false, true},
                                .prepare = prepare,
                                .release = release,
                                .fill = fill,
                                .draw = draw,
                                .body = body,
                                .done = done,
                                .verify = verify};
