/* space.c - the rows of a run: which table, which keys, what is there before, what is there after.
 *
 * A run has the table to itself as far as it can see. Its place is one of
 *  - a prefix of its own in a shared table: nothing is left to clean, and the open end of a range is the end of the
 *    prefix. Even runs count up from the middle and odd ones down, so that either the table's end or rows of another run
 *    come after the last key;
 *  - a table of its own, where open ends are the table's: for declared rules and cursors, and in turn with the first;
 *  - the same keys as the run before, whose rows are deleted first: ghosts everywhere.
 * With `split` in it, a row on either side of the keys keeps the rows that fill the leaves out of the ranges that the
 * schedule scans or locks.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "step/step_int.h"

enum { FRESH_EVERY = 16, SPLIT_ROWS = 60, SPLIT_ROWS_TINY = 8 };
enum { BELOW = 0x20, FENCE_LOW = 0x2f, OURS = 0x30, FENCE_HIGH = 0x31, ABOVE = 0x40 }; /* last byte of a prefix */

/* --- keys and values ---------------------------------------------------------------------------------------------- */

varve_slice st_key(const struct st_keys *keys, unsigned key, uint8_t buffer[ST_KEY_BYTES]) {
    size_t size = strlen(keys->schedule->keys[key]);
    memcpy(buffer, keys->prefix, ST_PREFIX_BYTES);
    memcpy(buffer + keys->prefix_bytes, keys->schedule->keys[key], size);
    return (varve_slice){buffer, keys->prefix_bytes + size};
}

unsigned st_key_number(const struct st_keys *keys, varve_slice key) {
    if (key.size < keys->prefix_bytes || memcmp(key.data, keys->prefix, keys->prefix_bytes) != 0) return SS_KEYS_MAX;
    const char *text = (const char *)key.data + keys->prefix_bytes;
    size_t size = key.size - keys->prefix_bytes;
    for (unsigned k = 0; k < keys->schedule->key_count; k++)
        if (strlen(keys->schedule->keys[k]) == size && memcmp(keys->schedule->keys[k], text, size) == 0) return k;
    return SS_KEYS_MAX;
}

void st_bounds(const struct st_keys *keys, const struct ss_range *range, struct st_bounds *bounds) {
    bounds->range = (varve_range){.limit = range->limit, .reverse = range->reverse};
    if (range->low < SS_KEYS_MAX) {
        bounds->range.low = st_key(keys, range->low, bounds->low);
    } else if (keys->prefix_bytes != 0) {
        memcpy(bounds->low, keys->prefix, keys->prefix_bytes);
        bounds->range.low = (varve_slice){bounds->low, keys->prefix_bytes};
    }
    if (range->high < SS_KEYS_MAX) {
        bounds->range.high = st_key(keys, range->high, bounds->high);
    } else if (keys->prefix_bytes != 0) {
        memcpy(bounds->high, keys->prefix, keys->prefix_bytes);
        bounds->high[keys->prefix_bytes - 1]++;
        bounds->range.high = (varve_slice){bounds->high, keys->prefix_bytes};
    }
}

void st_prefix(struct st_keys *keys, uint64_t run_number) {
    uint32_t middle = UINT32_C(1) << 31, step = (uint32_t)(run_number / 2 + 1);
    uint32_t number = run_number % 2 == 0 ? middle + step : middle - step;
    for (unsigned i = 0; i < 4; i++) keys->prefix[i] = (uint8_t)(number >> (24 - 8 * i));
    keys->prefix[4] = OURS;
    keys->prefix_bytes = ST_PREFIX_BYTES;
}

void st_value(int64_t number, uint8_t bytes[8]) {
    for (unsigned i = 0; i < 8; i++) bytes[i] = (uint8_t)((uint64_t)number >> (8 * i));
}

int64_t st_number(varve_slice value, bool *good) {
    *good = value.size == 8;
    uint64_t number = 0;
    for (size_t i = 0; i < value.size && i < 8; i++) number |= (uint64_t)((const uint8_t *)value.data)[i] << (8 * i);
    return (int64_t)number;
}

/* --- before the run ----------------------------------------------------------------------------------------------- */

static bool has_verb(const struct ss_schedule *schedule, enum ss_verb verb) {
    for (unsigned i = 0; i < schedule->step_count; i++)
        if (schedule->steps[i].verb == verb) return true;
    return false;
}

static int own_table(struct st_stage *stage) {
    struct st_space *space = &stage->space;
    snprintf(space->name, sizeof space->name, "run-%llu", (unsigned long long)stage->run_number);
    int status = varve_table_open(stage->db, space->name, NULL, &space->table);
    for (unsigned i = 0; status == VARVE_OK && i < stage->schedule->constraint_count; i++) {
        status = varve_constraint_add(stage->db, space->table, stage->schedule->rules_of_rows[i]);
        if (status != VARVE_OK) st_note(stage, "the rule is refused: %s", varve_db_error(stage->db));
    }
    return status;
}

static int fence(struct st_stage *stage, struct varve_txn *txn) {
    uint8_t key[ST_PREFIX_BYTES];
    memcpy(key, stage->space.keys.prefix, sizeof key);
    key[sizeof key - 1] = FENCE_LOW;
    int status = varve_put(txn, stage->space.table, (varve_slice){key, sizeof key}, VARVE_STR("fence"));
    key[sizeof key - 1] = FENCE_HIGH;
    if (status == VARVE_OK)
        status = varve_put(txn, stage->space.table, (varve_slice){key, sizeof key}, VARVE_STR("fence"));
    return status;
}

static int initial_rows(struct st_stage *stage, struct varve_txn *txn) {
    const struct ss_schedule *schedule = stage->schedule;
    uint8_t buffer[ST_KEY_BYTES], bytes[8];
    for (unsigned k = 0; k < schedule->key_count; k++) {
        if (schedule->initial[k] == SS_ABSENT) continue;
        st_value(schedule->initial[k], bytes);
        int status = varve_put(txn, stage->space.table, st_key(&stage->space.keys, k, buffer), (varve_slice){bytes, sizeof bytes});
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

static int fill(struct st_stage *stage, bool clear, bool fenced) {
    struct varve_txn *txn;
    int status = varve_begin(stage->db, NULL, &txn);
    if (status != VARVE_OK) return status;
    if (clear) status = varve_delete_range(txn, stage->space.table, NULL, NULL);
    if (status == VARVE_OK && fenced) status = fence(stage, txn);
    if (status == VARVE_OK) status = initial_rows(stage, txn);
    if (status != VARVE_OK) {
        st_note(stage, "the initial rows are refused: %s", varve_txn_error(txn));
        varve_abort(txn);
        return status;
    }
    status = varve_commit(txn);
    stage->setup_cts = status == VARVE_OK ? vtx_commit_cts(txn) : 0;
    stage->clock_moved = stage->setup_cts != 0;
    return status;
}

int st_space_open(struct st_stage *stage) {
    struct st_space *space = &stage->space;
    const struct ss_schedule *schedule = stage->schedule;
    *space = (struct st_space){.table = stage->memory_table, .keys = {.schedule = schedule}};
    bool split = has_verb(schedule, SS_SPLIT);
    /* Where a cursor of 2pl at read committed has looked before its next row is asked for, depends on where leaves end. */
    bool cursor = has_verb(schedule, SS_OPEN) && !stage->keep_ghosts;
    bool own = schedule->constraint_count != 0 || schedule->durable || stage->fresh_tables || cursor ||
               (stage->run_number % FRESH_EVERY == 0 && !stage->keep_ghosts && !split);
    stage->run_number++;
    if (own) {
        int status = own_table(stage);
        if (status != VARVE_OK) return status;
    }
    if (split || (!own && !stage->keep_ghosts)) st_prefix(&space->keys, stage->run_number);
    return fill(stage, !own && stage->keep_ghosts && !split, split);
}

void st_space_close(struct st_stage *stage) {
    if (stage->space.name[0] == 0 || stage->schedule->durable || stage->db == NULL) return;
    if (varve_table_drop(stage->db, stage->space.name) != VARVE_OK) stage->runs_since_open = UINT32_MAX;
}

/* --- during and after it ------------------------------------------------------------------------------------------ */

/* Rows below the lower fence, downwards, and above the upper one, upwards: in none of the gaps that the schedule may
 * have locked. */
int st_split(struct st_stage *stage) {
    unsigned rows = stage->tiny ? SPLIT_ROWS_TINY : SPLIT_ROWS;
    struct varve_txn *txn;
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.isolation = VARVE_READ_COMMITTED; /* as a writer it takes none of the few read locks there are */
    int status = varve_begin(stage->db, &options, &txn);
    if (status != VARVE_OK) return status;
    uint8_t key[ST_PREFIX_BYTES + 2];
    memcpy(key, stage->space.keys.prefix, ST_PREFIX_BYTES);
    for (unsigned i = 0; i < rows && status == VARVE_OK; i++) {
        key[ST_PREFIX_BYTES - 1] = BELOW;
        key[ST_PREFIX_BYTES] = (uint8_t)(255 - i);
        key[ST_PREFIX_BYTES + 1] = (uint8_t)stage->events_seen;
        status = varve_put(txn, stage->space.table, (varve_slice){key, sizeof key}, VARVE_STR("beside"));
        key[ST_PREFIX_BYTES - 1] = ABOVE;
        key[ST_PREFIX_BYTES] = (uint8_t)i;
        if (status == VARVE_OK)
            status = varve_put(txn, stage->space.table, (varve_slice){key, sizeof key}, VARVE_STR("beside"));
    }
    if (status != VARVE_OK) {
        varve_abort(txn);
        return status;
    }
    return varve_commit(txn);
}

/* The rows at the end, of a state that is committed. */
int st_final(struct st_stage *stage) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    options.read_only = true;
    struct varve_txn *txn;
    varve_cursor *cursor;
    varve_slice key, value;
    struct st_bounds bounds;
    for (unsigned k = 0; k < stage->schedule->key_count; k++) stage->run->final[k] = SS_ABSENT;
    int status = varve_begin(stage->db, &options, &txn);
    if (status != VARVE_OK) return status;
    st_bounds(&stage->space.keys, &(struct ss_range){.low = SS_KEYS_MAX, .high = SS_KEYS_MAX}, &bounds);
    status = varve_cursor_open(txn, stage->space.table, &bounds.range, &cursor);
    while (status == VARVE_OK && (status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK) {
        bool good;
        unsigned number = st_key_number(&stage->space.keys, key);
        if (number == SS_KEYS_MAX)
            st_note(stage, "at the end there is a key that nobody has written");
        else
            stage->run->final[number] = st_number(value, &good);
    }
    varve_abort(txn);
    return status == VARVE_END ? VARVE_OK : status;
}
