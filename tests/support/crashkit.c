/* crashkit.c - the workload and the model of the crash tests; see crashkit.h.
 * SPDX-License-Identifier: MIT
 */
#include "support/crashkit.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "db/db_int.h"

const struct vk_limits ck_limits = {.slots = 4,
                                    .reader_bits = 4,
                                    .leaf_fanout = 4,
                                    .inner_fanout = 4,
                                    .log_buffer_bytes = 512,
                                    .log_unit_bytes = 512,
                                    .segment_first_bytes = 8192,
                                    .segment_max_bytes = 8192,
                                    .chunk_bytes = 1024,
                                    .scan_small = 4,
                                    .long_rounds = 1,
                                    .split_reach = 1,
                                    .hash_least = 0};
const char *const ck_modes[CK_MODES] = {"sync", "group", "write", "interval", "none"};

enum { MODE_GROUP = 1, MODE_WRITE = 2, MARKER = 0, TAG_RING = 1u << 30, RING_VALUE_BYTES = 400, KEY_BYTES = 120 };
static const uint32_t tag_segment = 1u << 31;
static char why_text[256];

unsigned ck_budget(unsigned usual) {
    const char *text = getenv("VARVE_TEST_BUDGET");
    double budget = text != NULL && *text != '\0' ? strtod(text, NULL) : 1;
    double amount = usual * budget;
    return amount < 1 ? 1 : (unsigned)amount;
}

/* --- rows ------------------------------------------------------------------------------------------------------ */

static const char *table_name(unsigned table) { return table == 0 ? "a" : table == 1 ? "b" : "t"; }

/* Keys in the order of their numbers; every seventh is long. */
static varve_slice key_of(unsigned key, char buffer[KEY_BYTES]) {
    int size = snprintf(buffer, KEY_BYTES, "k%02u", key);
    if (key % 7 == 6) {
        memset(buffer + size, 'x', (size_t)(KEY_BYTES - size));
        size = KEY_BYTES;
    }
    return VARVE_SLICE(buffer, (size_t)size);
}

/* The bytes that a tag stands for. The marker's are the tag itself. */
static varve_slice value_of(unsigned table, unsigned key, uint32_t tag, uint8_t buffer[CK_VALUE_BYTES]) {
    struct td_random random = {tag};
    uint64_t shape = td_below(&random, 10);
    size_t size = shape == 0 ? 0 : shape < 8 ? 4 + td_below(&random, 90) : shape == 8 ? 270 : 700;
    if ((tag & TAG_RING) != 0) size = RING_VALUE_BYTES;
    if ((tag & tag_segment) != 0) size = CK_VALUE_BYTES;
    if (table == 0 && key == MARKER) size = 0;
    for (size_t i = 0; i < size; i++) buffer[i] = (uint8_t)td_next(&random);
    if (table == 0 && key == MARKER) {
        memcpy(buffer, &tag, sizeof tag);
        size = sizeof tag;
    }
    return VARVE_SLICE(buffer, size);
}

/* --- the model -------------------------------------------------------------------------------------------------- */

void ck_model_init(struct ck_model *model) {
    memset(model, 0, sizeof *model);
    model->catalogues = 1;
}

void ck_model_rebase(struct ck_model *model, unsigned p, unsigned v) {
    memmove(model->state[0], model->state[p], sizeof model->state[0]);
    model->attempt[0] = model->attempt[p];
    model->cts[0] = 0;
    model->count = model->acked = model->safe = 0;
    model->catalogue[0] = model->catalogue[v];
    model->catalogues = 1;
    model->catalogue_safe = 0;
}

unsigned ck_least(const struct ck_run *run, const struct ck_model *model, enum sim_policy policy) {
    return policy == SIM_ALL && run->mode <= MODE_WRITE ? model->acked : model->safe;
}

/* --- judging what is there ---------------------------------------------------------------------------------------- */

static const char *wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *wrong(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why_text, sizeof why_text, format, arguments);
    va_end(arguments);
    return why_text;
}

/* The first key number from `from` on that has a row; CK_KEYS: none. */
static unsigned next_row(const uint32_t *tags, unsigned from) {
    while (from < CK_KEYS && tags[from] == 0) from++;
    return from;
}

static const char *compare_table(varve_txn *txn, varve_table *table, unsigned number, const uint32_t *tags) {
    static uint8_t buffer[CK_VALUE_BYTES];
    char key_buffer[KEY_BYTES];
    varve_cursor *cursor;
    varve_slice key, value;
    int status = varve_cursor_open(txn, table, NULL, &cursor);
    if (status != VARVE_OK) return wrong("cursor: %s", varve_status_name(status));
    unsigned expected = 0;
    while ((status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK) {
        expected = next_row(tags, expected);
        if (expected == CK_KEYS)
            return wrong("table %u: row %.*s too many", number, (int)(key.size < 3 ? key.size : 3),
                         (const char *)key.data);
        if (!td_equal(key, key_of(expected, key_buffer)))
            return wrong("table %u: row %.*s where k%02u should be", number, (int)(key.size < 3 ? key.size : 3),
                         (const char *)key.data, expected);
        if (!td_equal(value, value_of(number, expected, tags[expected], buffer)))
            return wrong("table %u: row k%02u has another value than %x", number, expected, tags[expected]);
        if (varve_get(txn, table, key_of(expected, key_buffer), &value) != VARVE_OK ||
            !td_equal(value, value_of(number, expected, tags[expected], buffer)))
            return wrong("table %u: get of row k%02u and the scan differ", number, expected);
        expected++;
    }
    if (status != VARVE_END) return wrong("scan: %s", varve_status_name(status));
    expected = next_row(tags, expected);
    return expected == CK_KEYS ? NULL : wrong("table %u: row k%02u is missing", number, expected);
}

/* Every table of `live` against the state. */
static const char *compare(struct ck_run *run, ck_state *state, unsigned live, int *committed) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.read_only = true;
    varve_txn *txn;
    int status = varve_begin(run->db, &options, &txn);
    if (status != VARVE_OK) return wrong("begin: %s", varve_status_name(status));
    const char *why = NULL;
    for (unsigned i = 0; i < CK_TABLES && why == NULL; i++)
        if ((live & 1u << i) != 0) why = compare_table(txn, run->table[i], i, (*state)[i]);
    *committed = varve_commit(txn);
    return why;
}

static int open_existing(struct ck_run *run, const char *name, varve_table **table) {
    *table = NULL;
    return varve_table_open(run->db, name, "create=false", table);
}

/* Takes version v of the catalogue for what is there: false if its names are not the ones there. */
static bool try_catalogue(struct ck_run *run, unsigned v, varve_table *const there[3]) {
    unsigned live = run->model->catalogue[v], names = 0;
    for (unsigned i = 0; i < CK_TABLES; i++) {
        unsigned name = i < 2 ? i : 2;
        run->table[i] = (live & 1u << i) != 0 ? there[name] : NULL;
        if ((live & 1u << i) != 0) names |= 1u << name;
    }
    for (unsigned name = 0; name < 3; name++)
        if ((there[name] != NULL) != ((names & 1u << name) != 0)) return false;
    return true;
}

static const char *read_marker(struct ck_run *run, varve_table *a, unsigned *p) {
    uint32_t marker = 0;
    char buffer[KEY_BYTES];
    varve_slice value;
    if (a != NULL) {
        varve_txn *txn;
        int status = varve_begin(run->db, NULL, &txn);
        if (status != VARVE_OK) return wrong("begin: %s", varve_status_name(status));
        status = varve_get(txn, a, key_of(MARKER, buffer), &value);
        if (status == VARVE_OK && value.size == sizeof marker) memcpy(&marker, value.data, sizeof marker);
        int end = varve_commit(txn);
        if ((status != VARVE_OK && status != VARVE_NOTFOUND) || end != VARVE_OK)
            return wrong("reading the marker: %s, %s", varve_status_name(status), varve_status_name(end));
    }
    for (*p = 0; *p <= run->model->count; ++*p)
        if (run->model->attempt[*p] == marker) return NULL;
    return wrong("the marker says attempt %u, which is not one of the commits", marker);
}

const char *ck_judge(struct ck_run *run, unsigned least, unsigned *p, unsigned *v) {
    struct ck_model *model = run->model;
    varve_table *there[3];
    for (unsigned name = 0; name < 3; name++) {
        int status = open_existing(run, table_name(name), &there[name]);
        if (status != VARVE_OK && status != VARVE_NOTFOUND) return wrong("table: %s", varve_status_name(status));
    }
    const char *why = read_marker(run, there[0], p);
    if (why != NULL) return why;
    if (*p < least) return wrong("%u commits are there, and %u were safe", *p, least);
    why = wrong("tables%s%s%s are not those of any catalogue from %u on", there[0] != NULL ? " a" : "",
                there[1] != NULL ? " b" : "", there[2] != NULL ? " t" : "", model->catalogue_safe);
    for (*v = model->catalogue_safe; *v < model->catalogues; ++*v) {
        int committed;
        if (!try_catalogue(run, *v, there)) continue;
        why = compare(run, &model->state[*p], model->catalogue[*v], &committed);
        if (why == NULL) return committed == VARVE_OK ? NULL : wrong("read: %s", varve_status_name(committed));
    }
    return why;
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static unsigned live_now(const struct ck_model *model) { return model->catalogue[model->catalogues - 1]; }

static bool power_off(const struct ck_run *run) { return sim_power_is_off(run->disk); }

static bool world_may_fail(const struct ck_run *run) { return run->io_allowed || power_off(run); }

static bool has_failed(struct ck_run *run) {
    varve_stats_info info = {.size = sizeof info};
    TD_STATUS(varve_stats(run->db, &info), VARVE_OK);
    if (info.failed) run->failed = true;
    return info.failed;
}

/* What the engine itself calls durable must survive a power cut from now on. */
static void note_durable(struct ck_run *run) {
    struct ck_model *model = run->model;
    varve_stats_info info = {.size = sizeof info};
    TD_STATUS(varve_stats(run->db, &info), VARVE_OK);
    if (info.failed) run->failed = true;
    for (unsigned n = model->acked; n > model->safe; n--)
        if (model->cts[n] <= info.durable) model->safe = n;
}

/* A refusal that the world is to blame for, and nothing has been done. */
static void expect_refusal(struct ck_run *run, const char *what, int status) {
    if (run->lied) return;
    if (status == VARVE_FULL) {
        run->full_count++;
        TD_CHECK(run->full_allowed || world_may_fail(run), "%s: FULL on a disk with room", what);
        return;
    }
    TD_CHECK(status == VARVE_IO || status == VARVE_FAILED || status == VARVE_UNKNOWN_OUTCOME, "%s: %s: %s", what,
             varve_status_name(status), varve_db_error(run->db));
    TD_CHECK(world_may_fail(run), "%s: %s on a healthy disk: %s", what, varve_status_name(status),
             varve_db_error(run->db));
    run->failed_count++;
    if (status == VARVE_FAILED) TD_CHECK(has_failed(run), "%s: FAILED, but the database has not failed", what);
}

static void end_commit(struct ck_run *run, int status, uint64_t cts) {
    struct ck_model *model = run->model;
    if (status != VARVE_OK && status != VARVE_UNKNOWN_OUTCOME) {
        expect_refusal(run, "commit", status);
        return;
    }
    TD_CHECK(cts > model->cts[model->count], "a commit's cts is %llu after %llu", (unsigned long long)cts,
             (unsigned long long)model->cts[model->count]);
    model->count++;
    model->attempt[model->count] = model->attempts;
    model->cts[model->count] = cts;
    if (status == VARVE_OK) {
        TD_CHECK(!run->unknown, "a commit is acknowledged after one of unknown outcome");
        TD_CHECK(!run->failed, "a commit is acknowledged after the database has failed");
        model->acked = model->count;
        if (run->mode <= MODE_GROUP) model->safe = model->acked;
        return;
    }
    TD_CHECK(world_may_fail(run), "commit: unknown outcome on a healthy disk");
    TD_CHECK(!run->unknown, "two commits of unknown outcome");
    TD_CHECK(has_failed(run), "unknown outcome, but the database has not failed");
    run->unknown = true;
}

static int put_row(struct ck_run *run, varve_txn *txn, unsigned table, unsigned key, uint32_t tag) {
    static uint8_t buffer[CK_VALUE_BYTES];
    char key_buffer[KEY_BYTES];
    ck_state *next = &run->model->state[run->model->count + 1];
    int status = varve_put(txn, run->table[table], key_of(key, key_buffer), value_of(table, key, tag, buffer));
    if (status == VARVE_OK) (*next)[table][key] = tag;
    return status;
}

static int delete_row(struct ck_run *run, varve_txn *txn, unsigned table, unsigned key) {
    char key_buffer[KEY_BYTES];
    ck_state *next = &run->model->state[run->model->count + 1];
    bool there = (*next)[table][key] != 0;
    int status = varve_delete(txn, run->table[table], key_of(key, key_buffer));
    if (status == VARVE_OK || status == VARVE_NOTFOUND)
        TD_CHECK((status == VARVE_OK) == there, "delete of a row that is%s there: %s", there ? "" : " not",
                 varve_status_name(status));
    if (status == VARVE_OK) (*next)[table][key] = 0;
    return status == VARVE_NOTFOUND ? VARVE_OK : status;
}

/* The rows of one transaction, and the marker. */
static int write_rows(struct ck_run *run, varve_txn *txn, char step) {
    struct ck_model *model = run->model;
    struct td_random random = {model->attempts};
    unsigned live = live_now(model), rows = 1 + (unsigned)td_below(&random, 5);
    uint32_t flags = step == 'r' ? TAG_RING : step == 's' ? tag_segment : 0;
    int status = VARVE_OK;
    if (flags != 0) rows = 2;
    for (unsigned i = 0; i < rows && status == VARVE_OK; i++) {
        unsigned table = (unsigned)td_below(&random, CK_TABLES), key = 1 + (unsigned)td_below(&random, CK_KEYS - 1);
        if ((live & 1u << table) == 0) table = i & 1;
        if (flags == 0 && td_chance(&random, 25))
            status = delete_row(run, txn, table, key);
        else
            status = put_row(run, txn, table, key, flags | model->attempts << 8 | (i + 1));
    }
    return status == VARVE_OK ? put_row(run, txn, 0, MARKER, model->attempts) : status;
}

static void step_txn(struct ck_run *run, char step) {
    struct ck_model *model = run->model;
    varve_txn *txn;
    if ((live_now(model) & 3) != 3 || model->count == CK_TXNS) return;
    model->attempts++;
    memcpy(model->state[model->count + 1], model->state[model->count], sizeof(ck_state));
    int status = varve_begin(run->db, NULL, &txn);
    if (status != VARVE_OK) {
        expect_refusal(run, "begin", status);
        return;
    }
    status = write_rows(run, txn, step);
    if (status != VARVE_OK || step == 'a') {
        varve_abort(txn);
        if (status != VARVE_OK) expect_refusal(run, "a write", status);
        return;
    }
    status = varve_commit(txn);
    end_commit(run, status, vtx_commit_cts(txn));
    note_durable(run);
}

static void step_read(struct ck_run *run) {
    struct ck_model *model = run->model;
    int committed;
    bool failed = has_failed(run);
    unsigned safe = model->safe;
    const char *why = compare(run, &model->state[model->count], live_now(model), &committed);
    TD_CHECK(why == NULL, "before any crash: %s", why);
    if (committed == VARVE_OK) {
        /* A reader's acknowledgement covers what it saw. */
        if (live_now(model) != 0 && run->mode <= MODE_GROUP)
            TD_CHECK(safe == model->count, "a read of a commit that is not durable is acknowledged");
        return;
    }
    TD_CHECK(committed == VARVE_FAILED && (failed || has_failed(run)), "a read-only commit: %s",
             varve_status_name(committed));
}

static void step_create(struct ck_run *run) {
    struct ck_model *model = run->model;
    unsigned live = live_now(model), next = (live & 1) == 0 ? 0 : (live & 2) == 0 ? 1 : 2;
    while (next >= 2 && next < CK_TABLES && (model->used & 1u << next) != 0) next++;
    if (next >= CK_TABLES || (next >= 2 && (live & ~3u) != 0) || model->catalogues == CK_CATALOGUES) return;
    model->used |= (uint8_t)(1u << next);
    model->catalogue[model->catalogues++] = (uint8_t)(live | 1u << next);
    int status = varve_table_open(run->db, table_name(next), NULL, &run->table[next]);
    if (status == VARVE_OK) {
        model->catalogue_safe = model->catalogues - 1;
    } else {
        expect_refusal(run, "table_open", status);
        if (status == VARVE_FULL || status == VARVE_FAILED) model->catalogues--;
    }
    note_durable(run);
}

static void step_drop(struct ck_run *run) {
    struct ck_model *model = run->model;
    unsigned live = live_now(model);
    if ((live & ~3u) == 0 || model->catalogues == CK_CATALOGUES) return;
    model->catalogue[model->catalogues++] = (uint8_t)(live & 3);
    int status = varve_table_drop(run->db, "t");
    if (status == VARVE_OK) {
        model->catalogue_safe = model->catalogues - 1;
    } else {
        expect_refusal(run, "table_drop", status);
        if (status == VARVE_FULL || status == VARVE_FAILED) model->catalogues--;
    }
    note_durable(run);
}

/* Checkpoint and sync: what was acknowledged before is safe when they answer OK. */
static void step_harden(struct ck_run *run, char step) {
    struct ck_model *model = run->model;
    int status = step == 'k' ? varve_checkpoint(run->db) : varve_sync(run->db);
    if (status == VARVE_OK)
        model->safe = model->acked;
    else
        expect_refusal(run, step == 'k' ? "checkpoint" : "sync", status);
    if (status == VARVE_OK) TD_CHECK(!run->unknown, "checkpoint or sync is OK after a commit of unknown outcome");
    note_durable(run);
}

void ck_play(struct ck_run *run, const char *script) {
    for (const char *step = script; *step != '\0' && !power_off(run); step++) {
        /* A creation or drop of unknown outcome leaves what is live unknown; the database must have failed. */
        if (run->model->catalogue_safe + 1 != run->model->catalogues) {
            TD_CHECK(has_failed(run), "an edit of the catalogue failed, and the database goes on");
            return;
        }
        switch (*step) {
        case 'o': step_read(run); break;
        case 'k':
        case 'y': step_harden(run, *step); break;
        case 'c': step_create(run); break;
        case 'd': step_drop(run); break;
        case 'j': (void)vdb_janitor_step(run->db); break;
        case 'i':
            vtl_tick(run->db->log);
            note_durable(run);
            break;
        default: step_txn(run, *step); break;
        }
        td_trace("operation %llu: %c: %u commits, %u acknowledged, %u safe%s", (unsigned long long)sim_ops(run->disk),
                 *step, run->model->count, run->model->acked, run->model->safe, run->failed ? ", failed" : "");
    }
}

/* --- open, close -------------------------------------------------------------------------------------------------- */

int ck_open(struct ck_run *run, struct ck_model *model, struct sim_disk *disk, unsigned mode, const char *cc) {
    struct vdb_setup setup = {.os = sim_os(disk), .limits = &ck_limits, .no_threads = true};
    char options[64];
    *run = (struct ck_run){.model = model, .disk = disk, .mode = mode};
    snprintf(options, sizeof options, "cc=%s,sync=%s,memory=64M", cc, ck_modes[mode]);
    return vdb_open("db", options, &setup, &run->db);
}

int ck_close(struct ck_run *run) {
    /* Ids of files begin with 1; 0 stands for an id that could not be had. */
    static const char *const never[] = {"db/0000000000000000.log", "db/0000000000000000.new",
                                        "db/0000000000000000.run"};
    uint64_t size;
    for (unsigned i = 0; i < 3; i++) TD_CHECK(!sim_file_size(run->disk, never[i], &size), "there is a %s", never[i]);
    int status = varve_close(run->db);
    run->db = NULL;
    if (status == VARVE_OK && run->model != NULL && !power_off(run)) run->model->safe = run->model->acked;
    return status;
}

/* --- images ---------------------------------------------------------------------------------------------------------
 */

struct comparing {
    const struct sim_disk *other;
    const char *why;
    unsigned files;
};

static int same_file(void *arg, const char *path, uint64_t size) {
    struct comparing *comparing = arg;
    uint64_t other_size;
    if (strcmp(path, "db/LOCK") == 0) return 0;
    comparing->files++;
    if (!sim_file_size(comparing->other, path, &other_size)) {
        comparing->why = wrong("%s is there in one only", path);
    } else if (size != other_size) {
        comparing->why =
            wrong("%s has %llu bytes, and %llu", path, (unsigned long long)size, (unsigned long long)other_size);
    }
    return comparing->why != NULL;
}

static int same_bytes(void *arg, const char *path, uint64_t size) {
    struct comparing *comparing = ((void **)arg)[0];
    const struct sim_disk *disk = ((void **)arg)[1];
    static uint8_t mine[4096], theirs[4096];
    if (strcmp(path, "db/LOCK") == 0) return 0;
    for (uint64_t at = 0; at < size; at += sizeof mine) {
        size_t some = size - at < sizeof mine ? (size_t)(size - at) : sizeof mine;
        if (!sim_peek(disk, path, at, mine, some) || !sim_peek(comparing->other, path, at, theirs, some) ||
            memcmp(mine, theirs, some) != 0) {
            comparing->why = wrong("%s differs after offset %llu", path, (unsigned long long)at);
            return 1;
        }
    }
    return 0;
}

bool ck_same_files(const struct sim_disk *a, const struct sim_disk *b, const char **why) {
    struct comparing forth = {.other = b}, back = {.other = a};
    void *with_disk[2] = {&forth, (void *)(uintptr_t)a};
    sim_list(a, same_file, &forth);
    if (forth.why == NULL) sim_list(b, same_file, &back);
    if (forth.why == NULL && back.why == NULL) sim_list(a, same_bytes, with_disk);
    *why = forth.why != NULL ? forth.why : back.why;
    return *why == NULL;
}
