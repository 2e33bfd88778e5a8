/* model.c - the reference model; see model.h.
 * SPDX-License-Identifier: MIT
 */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

struct version {
    uint64_t commit;
    bool deleted;
    varve_slice value;
};

struct entry {
    varve_slice key;
    struct version *versions; /* [count], oldest first */
    size_t count;
    size_t capacity;
};

struct table {
    struct entry **entries; /* [count], rising keys */
    size_t count;
    size_t capacity;
};

/* Bytes are never freed before the model, so that whatever was handed out stays valid. */
struct chunk {
    struct chunk *next;
    unsigned char bytes[];
};

struct model {
    struct table tables[MODEL_TABLES];
    uint64_t commit; /* number of the last commit */
    struct chunk *chunks;
};

/* What a write relied on in the committed state under it. */
enum reliance { RELIES_ON_NOTHING, RELIES_ON_ABSENT, RELIES_ON_PRESENT };

struct write {
    unsigned table;
    varve_slice key;
    varve_slice value;
    bool deleted;
    enum reliance reliance;
    bool added;  /* value is a delta, on whatever the row holds */
    bool looked; /* added: the transaction has read the row */
};

/* An interval of keys read as of a commit number; a point when low == high. A NULL bound is none. */
struct read {
    unsigned table;
    uint64_t as_of;
    bool item;       /* a key that was asked for or returned, as opposed to the gap around it */
    bool existence;  /* only whether it was there counts */
    bool below_high; /* high itself was not looked at */
    varve_slice low;
    varve_slice high;
};

struct place {
    unsigned table;
    varve_slice key;
};

struct model_txn {
    struct model *model;
    varve_isolation level;
    bool read_only;
    bool fresh_reads;
    unsigned pins;
    uint64_t snapshot;
    struct write *writes; /* [write_count], oldest first */
    size_t write_count;
    size_t write_capacity;
    struct read *reads; /* [read_count] */
    size_t read_count;
    size_t read_capacity;
    struct place *seen; /* [seen_count]: rows read, those not there too */
    size_t seen_count;
    size_t seen_capacity;
    size_t *marks; /* [mark_count] write counts */
    size_t mark_count;
    size_t mark_capacity;
};

static void *grown(void *items, size_t count, size_t *capacity, size_t item_bytes) {
    if (count < *capacity) return items;
    *capacity = *capacity == 0 ? 8 : *capacity * 2;
    void *bigger = realloc(items, *capacity * item_bytes);
    if (bigger == NULL) abort();
    return bigger;
}

static varve_slice copied(struct model *model, varve_slice bytes) {
    struct chunk *chunk = malloc(sizeof *chunk + bytes.size + 1);
    if (chunk == NULL) abort();
    chunk->next = model->chunks;
    model->chunks = chunk;
    if (bytes.size > 0) memcpy(chunk->bytes, bytes.data, bytes.size);
    return VARVE_SLICE(chunk->bytes, bytes.size);
}

int model_compare(varve_slice a, varve_slice b) {
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    if (order != 0) return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

bool model_in_range(const varve_range *range, varve_slice key) {
    if (range == NULL) return true;
    if (range->low.data != NULL && model_compare(key, range->low) < 0) return false;
    if (range->high.data != NULL && model_compare(key, range->high) >= 0) return false;
    if (range->prefix.data == NULL) return true;
    return key.size >= range->prefix.size &&
           (range->prefix.size == 0 || memcmp(key.data, range->prefix.data, range->prefix.size) == 0);
}

/* --- committed state ---------------------------------------------------------------------------------------- */

struct model *model_create(void) {
    struct model *model = calloc(1, sizeof *model);
    if (model == NULL) abort();
    return model;
}

void model_table_clear(struct model *model, unsigned table) {
    struct table *t = &model->tables[table];
    for (size_t i = 0; i < t->count; i++) {
        free(t->entries[i]->versions);
        free(t->entries[i]);
    }
    free(t->entries);
    memset(t, 0, sizeof *t);
}

void model_free(struct model *model) {
    for (unsigned i = 0; i < MODEL_TABLES; i++) model_table_clear(model, i);
    while (model->chunks != NULL) {
        struct chunk *chunk = model->chunks;
        model->chunks = chunk->next;
        free(chunk);
    }
    free(model);
}

uint64_t model_commit_number(const struct model *model) { return model->commit; }

/* Index of the first entry whose key is not below `key`. */
static size_t lower_bound(const struct table *t, varve_slice key) {
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (model_compare(t->entries[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct entry *find_entry(const struct table *t, varve_slice key) {
    size_t at = lower_bound(t, key);
    return at < t->count && model_compare(t->entries[at]->key, key) == 0 ? t->entries[at] : NULL;
}

static struct entry *make_entry(struct model *model, struct table *t, varve_slice key) {
    struct entry *entry = find_entry(t, key);
    if (entry != NULL) return entry;
    size_t at = lower_bound(t, key);
    entry = calloc(1, sizeof *entry);
    if (entry == NULL) abort();
    entry->key = copied(model, key);
    t->entries = grown(t->entries, t->count, &t->capacity, sizeof *t->entries);
    memmove(t->entries + at + 1, t->entries + at, (t->count - at) * sizeof *t->entries);
    t->entries[at] = entry;
    t->count++;
    return entry;
}

/* The newest version with a commit number of at most as_of, NULL when there is none or it is a deletion. */
static const struct version *version_at(const struct entry *entry, uint64_t as_of) {
    for (size_t i = entry->count; i-- > 0;)
        if (entry->versions[i].commit <= as_of) return entry->versions[i].deleted ? NULL : &entry->versions[i];
    return NULL;
}

static bool changed_since(const struct entry *entry, uint64_t as_of) {
    return entry->count > 0 && entry->versions[entry->count - 1].commit > as_of;
}

/* --- a transaction's view ----------------------------------------------------------------------------------- */

static uint64_t statement_stamp(const struct model_txn *txn) {
    bool fresh = txn->level <= VARVE_READ_COMMITTED || txn->fresh_reads;
    return fresh && txn->pins == 0 && !txn->read_only ? txn->model->commit : txn->snapshot;
}

static struct write *own_write(const struct model_txn *txn, unsigned table, varve_slice key) {
    for (size_t i = txn->write_count; i-- > 0;)
        if (txn->writes[i].table == table && model_compare(txn->writes[i].key, key) == 0) return &txn->writes[i];
    return NULL;
}

bool model_has_written(const struct model_txn *txn, unsigned table, varve_slice key) {
    return own_write(txn, table, key) != NULL;
}

bool model_reads_newest(const struct model_txn *txn, unsigned table, varve_slice key) {
    const struct entry *entry = find_entry(&txn->model->tables[table], key);
    return entry == NULL || !changed_since(entry, statement_stamp(txn));
}

static uint64_t little_endian(varve_slice number) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < 8 && number.size == 8; i++)
        sum |= (uint64_t)((const unsigned char *)number.data)[i] << (8 * i);
    return sum;
}

/* What is absent, or no number, counts as 0. */
static varve_slice sum(struct model *model, varve_slice base, varve_slice delta) {
    unsigned char bytes[8];
    uint64_t number = little_endian(base) + little_endian(delta);
    for (unsigned i = 0; i < 8; i++) bytes[i] = (unsigned char)(number >> (8 * i));
    return copied(model, VARVE_SLICE(bytes, 8));
}

static bool look_up(const struct model_txn *txn, unsigned table, varve_slice key, varve_slice *value) {
    const struct write *own = own_write(txn, table, key);
    if (own != NULL && !own->added) {
        *value = own->value;
        return !own->deleted;
    }
    const struct entry *entry = find_entry(&txn->model->tables[table], key);
    const struct version *version = entry == NULL ? NULL : version_at(entry, statement_stamp(txn));
    if (own != NULL) {
        *value = sum(txn->model, version == NULL ? VARVE_SLICE(NULL, 0) : version->value, own->value);
        return true;
    }
    if (version != NULL) *value = version->value;
    return version != NULL;
}

static void note_read(struct model_txn *txn, unsigned table, bool item, varve_slice low, varve_slice high) {
    struct write *own = item ? own_write(txn, table, low) : NULL;
    if (own != NULL) own->looked = own->added;
    if (item) {
        txn->seen = grown(txn->seen, txn->seen_count, &txn->seen_capacity, sizeof *txn->seen);
        txn->seen[txn->seen_count++] = (struct place){table, copied(txn->model, low)};
    }
    if (txn->level < VARVE_REPEATABLE_READ || txn->level == VARVE_SNAPSHOT || txn->read_only) return;
    if (own != NULL && !own->added) return;
    txn->reads = grown(txn->reads, txn->read_count, &txn->read_capacity, sizeof *txn->reads);
    varve_slice low_copy = low.data == NULL ? low : copied(txn->model, low);
    varve_slice high_copy = high.data == NULL ? high : item ? low_copy : copied(txn->model, high);
    txn->reads[txn->read_count++] = (struct read){table, statement_stamp(txn), item, false, false, low_copy, high_copy};
}

static void add_write(struct model_txn *txn, struct write write) {
    write.key = copied(txn->model, write.key);
    write.value = copied(txn->model, write.value);
    if (own_write(txn, write.table, write.key) != NULL) write.reliance = RELIES_ON_NOTHING;
    txn->writes = grown(txn->writes, txn->write_count, &txn->write_capacity, sizeof *txn->writes);
    txn->writes[txn->write_count++] = write;
}

struct model_txn *model_begin(struct model *model, varve_isolation level, bool read_only) {
    struct model_txn *txn = calloc(1, sizeof *txn);
    if (txn == NULL) abort();
    txn->model = model;
    txn->level = level == VARVE_ISOLATION_DEFAULT ? VARVE_SERIALIZABLE : level;
    txn->read_only = read_only;
    txn->snapshot = model->commit;
    return txn;
}

void model_set_fresh_reads(struct model_txn *txn) { txn->fresh_reads = true; }

void model_pin(struct model_txn *txn) {
    if (!txn->read_only && (txn->level <= VARVE_READ_COMMITTED || txn->fresh_reads) && txn->pins == 0)
        txn->snapshot = txn->model->commit;
    txn->pins++;
}

void model_unpin(struct model_txn *txn) { txn->pins--; }

void model_abort(struct model_txn *txn) {
    free(txn->writes);
    free(txn->reads);
    free(txn->seen);
    free(txn->marks);
    free(txn);
}

/* --- commit ------------------------------------------------------------------------------------------------- */

static bool existence_holds(const struct table *t, const struct read *read, uint64_t now) {
    const struct entry *entry = find_entry(t, read->low);
    if (entry == NULL) return true;
    return (version_at(entry, read->as_of) == NULL) == (version_at(entry, now) == NULL);
}

static bool read_holds(const struct model_txn *txn, const struct read *read) {
    const struct table *t = &txn->model->tables[read->table];
    if (read->existence) return existence_holds(t, read, txn->model->commit);
    if (!read->item && txn->level != VARVE_SERIALIZABLE) return true;
    size_t at = read->low.data == NULL ? 0 : lower_bound(t, read->low);
    for (; at < t->count; at++) {
        int order = read->high.data == NULL ? -1 : model_compare(t->entries[at]->key, read->high);
        if (order > 0 || (order == 0 && read->below_high)) return true;
        if (changed_since(t->entries[at], read->as_of)) return false;
    }
    return true;
}

static bool write_holds(const struct model_txn *txn, const struct write *write) {
    const struct entry *entry = find_entry(&txn->model->tables[write->table], write->key);
    bool present = entry != NULL && version_at(entry, txn->model->commit) != NULL;
    if (write->added && !write->looked) return true;
    if (txn->level == VARVE_SNAPSHOT && entry != NULL && changed_since(entry, txn->snapshot)) return false;
    return write->reliance == RELIES_ON_NOTHING || present == (write->reliance == RELIES_ON_PRESENT);
}

static void install(struct model *model, const struct write *write, uint64_t commit) {
    struct entry *entry = make_entry(model, &model->tables[write->table], write->key);
    struct version version = {commit, write->deleted, write->value};
    if (write->added) {
        const struct version *below = version_at(entry, commit - 1);
        version.value = sum(model, below == NULL ? VARVE_SLICE(NULL, 0) : below->value, write->value);
    }
    if (entry->count > 0 && entry->versions[entry->count - 1].commit == commit) {
        entry->versions[entry->count - 1] = version;
        return;
    }
    entry->versions = grown(entry->versions, entry->count, &entry->capacity, sizeof *entry->versions);
    entry->versions[entry->count++] = version;
}

int model_commit(struct model_txn *txn) {
    bool holds = true;
    for (size_t i = 0; holds && i < txn->read_count; i++) holds = read_holds(txn, &txn->reads[i]);
    for (size_t i = 0; holds && i < txn->write_count; i++) holds = write_holds(txn, &txn->writes[i]);
    if (holds && txn->write_count > 0) {
        txn->model->commit++;
        for (size_t i = 0; i < txn->write_count; i++) install(txn->model, &txn->writes[i], txn->model->commit);
    }
    model_abort(txn);
    return holds ? VARVE_OK : VARVE_CONFLICT;
}

unsigned model_savepoint(struct model_txn *txn) {
    txn->marks = grown(txn->marks, txn->mark_count, &txn->mark_capacity, sizeof *txn->marks);
    txn->marks[txn->mark_count] = txn->write_count;
    return (unsigned)txn->mark_count++;
}

static bool has_seen(const struct model_txn *txn, unsigned table, varve_slice key) {
    for (size_t i = 0; i < txn->seen_count; i++)
        if (txn->seen[i].table == table && model_compare(txn->seen[i].key, key) == 0) return true;
    return false;
}

int model_rollback_to(struct model_txn *txn, unsigned mark) {
    if (mark >= txn->mark_count) return VARVE_INVALID;
    txn->write_count = txn->marks[mark];
    txn->mark_count = mark + 1;
    for (size_t i = 0; i < txn->write_count; i++) { /* what was read stays read */
        struct write *write = &txn->writes[i];
        write->looked |= write->added && has_seen(txn, write->table, write->key);
    }
    return VARVE_OK;
}

/* --- rows --------------------------------------------------------------------------------------------------- */

int model_get(struct model_txn *txn, unsigned table, varve_slice key, varve_slice *value) {
    note_read(txn, table, true, key, key);
    return look_up(txn, table, key, value) ? VARVE_OK : VARVE_NOTFOUND;
}

int model_contains(struct model_txn *txn, unsigned table, varve_slice key) {
    varve_slice value;
    size_t reads = txn->read_count, seen = txn->seen_count;
    const struct write *own = own_write(txn, table, key);
    if (own != NULL && own->added) return VARVE_OK;
    int status = model_get(txn, table, key, &value);
    if (txn->read_count > reads) txn->reads[reads].existence = true;
    txn->seen_count = seen;
    return status;
}

int model_put(struct model_txn *txn, unsigned table, varve_slice key, varve_slice value) {
    if (txn->read_only) return VARVE_READONLY;
    add_write(txn, (struct write){table, key, value, false, RELIES_ON_NOTHING, false, false});
    return VARVE_OK;
}

int model_insert(struct model_txn *txn, unsigned table, varve_slice key, varve_slice value) {
    if (txn->read_only) return VARVE_READONLY;
    if (model_contains(txn, table, key) == VARVE_OK) return VARVE_EXISTS;
    add_write(txn, (struct write){table, key, value, false, RELIES_ON_ABSENT, false, false});
    return VARVE_OK;
}

int model_update(struct model_txn *txn, unsigned table, varve_slice key, varve_slice value) {
    if (txn->read_only) return VARVE_READONLY;
    if (model_contains(txn, table, key) != VARVE_OK) return VARVE_NOTFOUND;
    add_write(txn, (struct write){table, key, value, false, RELIES_ON_PRESENT, false, false});
    return VARVE_OK;
}

int model_delete(struct model_txn *txn, unsigned table, varve_slice key) {
    if (txn->read_only) return VARVE_READONLY;
    if (model_contains(txn, table, key) != VARVE_OK) return VARVE_NOTFOUND;
    add_write(txn, (struct write){table, key, VARVE_SLICE("", 0), true, RELIES_ON_PRESENT, false, false});
    return VARVE_OK;
}

int model_add(struct model_txn *txn, unsigned table, varve_slice key, int64_t delta) {
    if (txn->read_only) return VARVE_READONLY;
    const struct write *own = own_write(txn, table, key);
    const struct entry *entry = find_entry(&txn->model->tables[table], key);
    const struct version *newest = entry == NULL ? NULL : version_at(entry, txn->model->commit);
    unsigned char bytes[8];
    for (unsigned i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)delta >> (8 * i));
    struct write write = {table, key, VARVE_SLICE(bytes, 8), false, RELIES_ON_NOTHING, true, has_seen(txn, table, key)};
    if (own == NULL && newest != NULL && newest->value.size != 8) return VARVE_INVALID;
    if (own != NULL && !own->deleted && own->value.size != 8) return VARVE_INVALID;
    if (own != NULL) {
        write.value = sum(txn->model, own->deleted ? VARVE_SLICE(NULL, 0) : own->value, write.value);
        write.added = own->added;
        write.looked = own->looked;
    }
    add_write(txn, write);
    return VARVE_OK;
}

/* The nearest visible row on one side of `at`, by trying every key that could be it. */
struct candidate {
    bool found;
    varve_slice key;
    varve_slice value;
};

static bool fits(enum model_seek how, varve_slice candidate, varve_slice key) {
    if (how == MODEL_FIRST || how == MODEL_LAST) return true;
    int order = model_compare(candidate, key);
    switch (how) {
    case MODEL_GE: return order >= 0;
    case MODEL_GT: return order > 0;
    case MODEL_LE: return order <= 0;
    default: return order < 0;
    }
}

static void consider(const struct model_txn *txn, unsigned table, bool upward, varve_slice key,
                     struct candidate *best) {
    varve_slice value;
    if (best->found && (model_compare(key, best->key) < 0) != upward) return;
    if (look_up(txn, table, key, &value)) *best = (struct candidate){true, key, value};
}

static struct candidate nearest(const struct model_txn *txn, unsigned table, const varve_range *range,
                                enum model_seek how, varve_slice key) {
    const struct table *t = &txn->model->tables[table];
    bool upward = how == MODEL_FIRST || how == MODEL_GE || how == MODEL_GT;
    struct candidate best = {false, {NULL, 0}, {NULL, 0}};
    for (size_t i = 0; i < t->count; i++)
        if (model_in_range(range, t->entries[i]->key) && fits(how, t->entries[i]->key, key))
            consider(txn, table, upward, t->entries[i]->key, &best);
    for (size_t i = 0; i < txn->write_count; i++)
        if (txn->writes[i].table == table && model_in_range(range, txn->writes[i].key) &&
            fits(how, txn->writes[i].key, key))
            consider(txn, table, upward, txn->writes[i].key, &best);
    return best;
}

/* Registers what lies between the place looked from and the row found, or the end of the range. */
static void note_gap(struct model_txn *txn, unsigned table, const varve_range *range, enum model_seek how,
                     varve_slice key, const struct candidate *found) {
    static const varve_range everything;
    bool upward = how == MODEL_FIRST || how == MODEL_GE || how == MODEL_GT;
    bool bounded = how != MODEL_FIRST && how != MODEL_LAST;
    if (range == NULL) range = &everything;
    varve_slice near = bounded ? key : upward ? range->low : range->high;
    varve_slice far = found->found ? found->key : upward ? range->high : range->low;
    size_t reads = txn->read_count;
    note_read(txn, table, false, upward ? near : far, upward ? far : near);
    if (txn->read_count > reads)
        txn->reads[reads].below_high = upward ? !found->found : !bounded; /* it is the end of the range */
    if (found->found) note_read(txn, table, true, found->key, found->key);
}

int model_seek(struct model_txn *txn, unsigned table, const varve_range *range, enum model_seek how, varve_slice key,
               struct model_row *row) {
    struct candidate found = nearest(txn, table, range, how, key);
    note_gap(txn, table, range, how, key, &found);
    if (!found.found) return VARVE_END;
    *row = (struct model_row){found.key, found.value};
    return VARVE_OK;
}

int model_scan(struct model_txn *txn, unsigned table, const varve_range *range, struct model_rows *rows) {
    static const varve_range everything;
    const varve_range *r = range == NULL ? &everything : range;
    enum model_seek how = r->reverse ? MODEL_LAST : MODEL_FIRST;
    struct model_row row = {{NULL, 0}, {NULL, 0}};
    *rows = (struct model_rows){NULL, 0, 0};
    while ((r->limit == 0 || rows->count < r->limit) && model_seek(txn, table, r, how, row.key, &row) == VARVE_OK) {
        rows->items = grown(rows->items, rows->count, &rows->capacity, sizeof *rows->items);
        rows->items[rows->count++] = row;
        how = r->reverse ? MODEL_LT : MODEL_GT;
    }
    return VARVE_OK;
}

void model_rows_free(struct model_rows *rows) {
    free(rows->items);
    *rows = (struct model_rows){NULL, 0, 0};
}

int model_delete_range(struct model_txn *txn, unsigned table, const varve_range *range, uint64_t *count) {
    struct model_rows rows;
    if (txn->read_only) return VARVE_READONLY;
    model_scan(txn, table, range, &rows);
    for (size_t i = 0; i < rows.count; i++)
        add_write(txn,
                  (struct write){table, rows.items[i].key, VARVE_SLICE("", 0), true, RELIES_ON_PRESENT, false, false});
    if (count != NULL) *count = rows.count;
    model_rows_free(&rows);
    return VARVE_OK;
}
