/* tables.c - the catalogue: tables and their rules. Manifest edits, synced before the call returns; not part of any
 * transaction.
 *
 * Each edit also goes to the log, so that whoever follows the log needs nothing else. Lock order: checkpoint_mutex,
 * catalogue_mutex, manifest_mutex.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "db/db_int.h"
#include "os/rcu.h"

static bool good_name(const char *name) {
    size_t size = strlen(name);
    if (size == 0 || size > VRN_TABLE_NAME_MAX) return false;
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                    c == '.' || c == '-';
        if (!good) return false;
    }
    return true;
}

static struct varve_table *find_live(struct varve_db *db, const char *name) {
    for (size_t i = 0; i < db->table_count; i++)
        if (db->tables[i]->tree != NULL && strcmp(db->tables[i]->name, name) == 0) return db->tables[i];
    return NULL;
}

struct varve_table *vdb_table_by_id(struct varve_db *db, uint32_t id) {
    size_t low = 0, high = db->table_count; /* ascending ids */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (db->tables[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < db->table_count && db->tables[low]->id == id && db->tables[low]->tree != NULL ? db->tables[low] : NULL;
}

static int grow(struct varve_db *db) {
    if (db->table_count < db->table_capacity) return VARVE_OK;
    size_t capacity = db->table_capacity != 0 ? db->table_capacity * 2 : 16;
    struct varve_table **bigger = vb_alloc(capacity * sizeof *bigger);
    if (bigger == NULL) return VARVE_NOMEM;
    if (db->table_count != 0) memcpy(bigger, db->tables, db->table_count * sizeof *bigger);
    if (db->tables != NULL) vb_free(db->tables, db->table_capacity * sizeof *bigger);
    db->tables = bigger;
    db->table_capacity = capacity;
    return VARVE_OK;
}

int vdb_table_make(struct varve_db *db, uint32_t id, const char *name, struct varve_table **out,
                   struct vk_detail *detail) {
    struct varve_table *table = NULL;
    int status = grow(db);
    if (status == VARVE_OK) table = vb_alloc(sizeof *table);
    if (status == VARVE_OK) status = table != NULL ? vst_table_create(db->store, id, name, &table->tree) : VARVE_NOMEM;
    if (status != VARVE_OK) {
        if (table != NULL) vb_free(table, sizeof *table);
        return vk_fail(detail, status, VARVE_REASON_RESOURCE,
                       status == VARVE_FULL ? "table %s: %d tables are the most" : "table %s: out of memory", name,
                       VK_TABLES_MAX);
    }
    table->db = db;
    table->id = id;
    snprintf(table->name, sizeof table->name, "%s", name);
    db->tables[db->table_count++] = table;
    if (db->next_table_id <= id) db->next_table_id = id + 1;
    *out = table;
    return VARVE_OK;
}

static int set_rules(struct varve_db *db, struct varve_table *table, const char *const *texts, size_t count,
                     struct vk_detail *detail) {
    struct vcn_rules *rules = NULL;
    if (count != 0) VB_TRY(vcn_rules_create(texts, count, db->callbacks, &rules, detail));
    vcn_rules_free((struct vcn_rules *)(uintptr_t)table->rules);
    table->rules = rules;
    return VARVE_OK;
}

int vdb_table_load(struct varve_db *db, const struct vrn_table *from, struct vk_detail *detail) {
    struct varve_table *table;
    VB_TRY(vdb_table_make(db, from->id, from->name, &table, detail));
    return set_rules(db, table, (const char *const *)from->rules, from->rule_count, detail);
}

void vdb_tables_free(struct varve_db *db) {
    for (size_t i = 0; i < db->table_count; i++) {
        vcn_rules_free((struct vcn_rules *)(uintptr_t)db->tables[i]->rules);
        vb_free(db->tables[i], sizeof **db->tables);
    }
    if (db->tables != NULL) vb_free(db->tables, db->table_capacity * sizeof *db->tables);
    db->tables = NULL;
    db->table_count = db->table_capacity = 0;
}

/* --- edits -------------------------------------------------------------------------------------------------------- */

/* What the table shall be, as one catalogue edit in manifest and log. */
static struct vrn_table as_edited(uint32_t id, const char *name) {
    struct vrn_table edited = {.id = id};
    snprintf(edited.name, sizeof edited.name, "%s", name);
    return edited;
}

static int record_edit(struct varve_db *db, const struct vrn_table *edited, struct vk_detail *detail) {
    if (db->manifest == NULL) return VARVE_OK;
    struct vrn_edit edit = {.table = edited};
    if (vtl_poisoned(db->log))
        return vk_fail(detail, VARVE_FAILED, VARVE_REASON_FAILED, "%s", vtl_poison_text(db->log));
    vos_mutex_lock(&db->manifest_mutex);
    int status = vrn_manifest_edit(db->manifest, &edit, detail);
    uint8_t sequence[8];
    vb_put_u64(sequence, vrn_manifest_sequence(db->manifest));
    vos_mutex_unlock(&db->manifest_mutex);
    if (status == VARVE_IO) vdb_poison(db, detail->text);
    if (status != VARVE_OK) return status;
    struct vtl_op op = {.kind = VTL_TABLE,
                        .table_id = edited->id,
                        .key = VARVE_SLICE(edited->name, strlen(edited->name)),
                        /* vouches for the edit */ .value = VARVE_SLICE(sequence, sizeof sequence)};
    struct vk_detail ignored = {0};
    (void)vtl_note(db->log, &op,
                   &ignored); /* the manifest is the authority; a follower asks it when a note is missing */
    return VARVE_OK;
}

static int parse_table_options(const char *options, bool *create, struct vk_detail *detail) {
    *create = true;
    if (options == NULL || options[0] == 0 || strcmp(options, "create=true") == 0) return VARVE_OK;
    if (strcmp(options, "create=false") == 0) {
        *create = false;
        return VARVE_OK;
    }
    return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER,
                   "table options: '%s' is not known; the nearest is 'create=false'", options);
}

static int create_table(struct varve_db *db, const char *name, struct varve_table **table, struct vk_detail *detail) {
    uint32_t id = db->next_table_id != 0 ? db->next_table_id : 1;
    if (db->manifest != NULL) id = vrn_manifest_next_table_id(db->manifest);
    VB_TRY(vdb_table_make(db, id, name, table, detail));
    struct vrn_table edited = as_edited(id, name);
    int status = record_edit(db, &edited, detail);
    if (status == VARVE_OK) return VARVE_OK;
    vst_table_destroy(db->store, (*table)->tree); /* nobody has seen it */
    vb_free(db->tables[--db->table_count], sizeof **table);
    return status;
}

int vdb_table_open(struct varve_db *db, const char *name, const char *options, struct varve_table **out) {
    struct vk_detail detail = {0};
    struct varve_table *table = NULL;
    bool create;
    if (!good_name(name))
        return vdb_refuse(db, VARVE_INVALID, "a table's name has 1 to 63 characters of A-Z a-z 0-9 _ . -");
    int status = parse_table_options(options, &create, &detail);
    vos_mutex_lock(&db->catalogue_mutex);
    if (status == VARVE_OK) table = find_live(db, name);
    if (status == VARVE_OK && table == NULL)
        status = create ? create_table(db, name, &table, &detail)
                        : vk_fail(&detail, VARVE_NOTFOUND, VARVE_REASON_CALLER, "no table %s, and create=false", name);
    vos_mutex_unlock(&db->catalogue_mutex);
    if (status == VARVE_OK) *out = table;
    return vdb_take_detail(db, &detail, status);
}

static int drop_locked(struct varve_db *db, const char *name, struct vk_detail *detail) {
    struct varve_table *table = find_live(db, name);
    if (table == NULL) return vk_fail(detail, VARVE_NOTFOUND, VARVE_REASON_CALLER, "no table %s", name);
    if (vtx_gate_close(db->pool, db->options.begin_timeout_ms) != VARVE_OK)
        return vk_fail(detail, VARVE_BUSY, VARVE_REASON_RESOURCE, "drop %s: transactions are open", name);
    struct vrn_table edited = as_edited(table->id, name);
    edited.dropped = true;
    int status = record_edit(db, &edited, detail);
    if (status == VARVE_OK) {
        vst_table_destroy(db->store, table->tree);
        table->tree = NULL;
    }
    vtx_gate_open(db->pool);
    return status;
}

int vdb_table_drop(struct varve_db *db, const char *name) {
    struct vk_detail detail = {0};
    vos_mutex_lock(&db->checkpoint_mutex);
    vos_mutex_lock(&db->catalogue_mutex);
    int status = drop_locked(db, name, &detail);
    vos_mutex_unlock(&db->catalogue_mutex);
    vos_mutex_unlock(&db->checkpoint_mutex);
    return vdb_take_detail(db, &detail, status);
}

int vdb_table_list(struct varve_db *db, varve_table_fn fn, void *arg) {
    int answer = 0;
    char last[64] = "";
    for (;;) {
        struct varve_table *next = NULL;
        vos_mutex_lock(&db->catalogue_mutex);
        for (size_t i = 0; i < db->table_count; i++) {
            struct varve_table *table = db->tables[i];
            if (table->tree == NULL || strcmp(table->name, last) <= 0) continue;
            if (next == NULL || strcmp(table->name, next->name) < 0) next = table;
        }
        vos_mutex_unlock(&db->catalogue_mutex);
        if (next == NULL || answer != 0) return answer;
        memcpy(last, next->name, sizeof last);
        answer = fn(arg, next->name, next);
    }
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

/* Reads one leaf's rows in a section; the rules judge them outside it, for a callback may take its time. */
static int check_portion(struct varve_table *table, const struct vcn_rules *rules, varve_slice *from,
                         struct vb_arena *arena, struct vk_detail *detail) {
    struct vst_portion portion;
    struct vst_seen seen[VST_PORTION_MAX];
    vos_rcu_enter();
    int status = VARVE_OK;
    vst_portion_read(table->tree, *from, false, VST_FORWARD, &portion);
    for (unsigned i = 0; status == VARVE_OK && i < portion.count; i++)
        status = vst_read_newest(portion.records[i], arena, &seen[i]);
    vos_rcu_exit();
    if (status != VARVE_OK)
        return vk_fail(detail, status, VARVE_REASON_RESOURCE, "out of memory while checking the rows of %s",
                       table->name);
    for (unsigned i = 0; i < portion.count; i++) {
        if (!seen[i].present) continue;
        varve_slice key = vst_record_key(portion.records[i]);
        VB_TRY(vcn_check_row(rules, table->name, key, seen[i].value, detail));
    }
    *from = vst_portion_fence(&portion);
    return VARVE_OK;
}

/* Checks every row there is against one rule, with the gate closed: nothing commits meanwhile. The checkpointer's slot
 * pins the records and the fences between portions. */
static int check_rows(struct varve_db *db, struct varve_table *table, const struct vcn_rules *rules,
                      struct vk_detail *detail) {
    struct vk_slot *slot = &db->domain.slots[db->domain.slot_count];
    struct vb_arena arena;
    varve_slice from = {NULL, 0};
    int status;
    vb_arena_init(&arena, db->work_heap, 64 << 10);
    vk_pin(&db->domain, slot);
    do {
        vb_arena_reset(&arena);
        status = check_portion(table, rules, &from, &arena, detail);
    } while (status == VARVE_OK && from.data != NULL);
    vk_unpin(slot);
    vb_arena_release(&arena);
    return status;
}

/* Replaces the table's rule texts under the closed gate. */
static int replace_rules(struct varve_db *db, struct varve_table *table, const char **texts, size_t count,
                         const char *added, struct vk_detail *detail) {
    struct vcn_rules *fresh = NULL;
    int status = VARVE_OK;
    if (added != NULL) { /* only the new one has to be checked against the rows */
        VB_TRY(vcn_rules_create(&added, 1, db->callbacks, &fresh, detail));
        status = check_rows(db, table, fresh, detail);
        vcn_rules_free(fresh);
        fresh = NULL;
    }
    if (status == VARVE_OK && count != 0) status = vcn_rules_create(texts, count, db->callbacks, &fresh, detail);
    struct vrn_table edited = as_edited(table->id, table->name);
    edited.rules = (char **)(uintptr_t)texts;
    edited.rule_count = count;
    if (status == VARVE_OK) status = record_edit(db, &edited, detail);
    if (status != VARVE_OK) {
        vcn_rules_free(fresh);
        return status;
    }
    vcn_rules_free((struct vcn_rules *)(uintptr_t)table->rules);
    table->rules = fresh;
    return VARVE_OK;
}

/* Makes the list of texts without rule `drop` (an index, or -1) and with `add` (or NULL), and puts it in force. */
static int edit_rules(struct varve_db *db, struct varve_table *table, int drop, const char *add,
                      struct vk_detail *detail) {
    size_t old = table->rules != NULL ? vcn_rules_count(table->rules) : 0;
    const char **texts = vb_alloc((old + 1) * sizeof *texts);
    if (texts == NULL) return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for a rule");
    size_t count = 0;
    for (size_t i = 0; i < old; i++)
        if ((int)i != drop) texts[count++] = vcn_rules_text(table->rules, i);
    if (add != NULL) texts[count++] = add;
    int status = vtx_gate_close(db->pool, db->options.begin_timeout_ms);
    if (status != VARVE_OK) {
        status = vk_fail(detail, VARVE_BUSY, VARVE_REASON_RESOURCE, "rules of %s: transactions are open", table->name);
    } else {
        status = replace_rules(db, table, texts, count, add, detail);
        vtx_gate_open(db->pool);
    }
    vb_free(texts, (old + 1) * sizeof *texts);
    return status;
}

static int usable(struct varve_db *db, const struct varve_table *table, struct vk_detail *detail) {
    if (table->tree != NULL && table->db == db) return VARVE_OK;
    return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER,
                   "table %s has been dropped, or belongs to another database", table->name);
}

int vdb_constraint_add(struct varve_db *db, struct varve_table *table, const char *rule) {
    struct vk_detail detail = {0};
    vos_mutex_lock(&db->checkpoint_mutex); /* the work heap */
    vos_mutex_lock(&db->catalogue_mutex);
    int status = usable(db, table, &detail);
    if (status == VARVE_OK) status = edit_rules(db, table, -1, rule, &detail);
    vos_mutex_unlock(&db->catalogue_mutex);
    vos_mutex_unlock(&db->checkpoint_mutex);
    return vdb_take_detail(db, &detail, status);
}

int vdb_constraint_drop(struct varve_db *db, struct varve_table *table, const char *name) {
    struct vk_detail detail = {0};
    vos_mutex_lock(&db->catalogue_mutex);
    int status = usable(db, table, &detail);
    int at = status == VARVE_OK && table->rules != NULL ? vcn_rules_find(table->rules, name) : -1;
    if (status == VARVE_OK && at < 0)
        status = vk_fail(&detail, VARVE_NOTFOUND, VARVE_REASON_CALLER, "table %s has no rule %s", table->name, name);
    if (status == VARVE_OK) status = edit_rules(db, table, at, NULL, &detail);
    vos_mutex_unlock(&db->catalogue_mutex);
    return vdb_take_detail(db, &detail, status);
}

int vdb_constraint_list(struct varve_db *db, struct varve_table *table, varve_constraint_list_fn fn, void *arg) {
    struct vk_detail detail = {0};
    int answer = 0;
    vos_mutex_lock(&db->catalogue_mutex);
    int status = usable(db, table, &detail);
    size_t count = status == VARVE_OK && table->rules != NULL ? vcn_rules_count(table->rules) : 0;
    for (size_t i = 0; i < count && answer == 0; i++) answer = fn(arg, vcn_rules_text(table->rules, i));
    vos_mutex_unlock(&db->catalogue_mutex);
    return status == VARVE_OK ? answer : vdb_take_detail(db, &detail, status);
}

int vdb_constraint_register(struct varve_db *db, const char *name, varve_constraint_fn fn, void *arg) {
    int status = vcn_callbacks_register(db->callbacks, name, fn, arg);
    return status == VARVE_OK ? status : vdb_refuse(db, status, "constraint_register: a bad name, or out of memory");
}
