/* manifest_state.c - the state that the edits add up to.
 *
 * One thread at a time. Invariants
 *   1. A change is refused, or its memory is taken, before it is written; applying it cannot fail.
 *   2. Run ids are unique; table ids are unique for ever, names among the live; the timeline rises; the cut, the
 *      clock's floor and the next ids never fall. A file whose edits say otherwise is damaged.
 *   3. Dropped tables stay, without their rules, so that replay knows which rows to skip.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "runs/manifest_int.h"

#define HIDDEN_TABLES UINT32_C(0x80000000) /* ids from here on are not the user's */

const struct vrn_table *vrn_state_table(const struct vrn_state *state, uint32_t id) {
    for (size_t i = 0; i < state->table_count; i++)
        if (state->tables[i].id == id) return &state->tables[i];
    return NULL;
}

static bool has_run(const struct vrn_facts *runs, size_t count, uint64_t file_id) {
    for (size_t i = 0; i < count; i++)
        if (runs[i].file_id == file_id) return true;
    return false;
}

/* --- refusing ----------------------------------------------------------------------------------------------------- */

static const char *runs_refusal(const struct vrn_state *state, const struct vrn_edit *edit) {
    for (size_t i = 0; i < edit->add_run_count; i++) {
        uint64_t id = edit->add_runs[i].file_id;
        if (has_run(state->runs, state->run_count, id) || has_run(edit->add_runs, i, id)) return "a run added twice";
    }
    for (size_t i = 0; i < edit->drop_file_count; i++) {
        if (!has_run(state->runs, state->run_count, edit->drop_files[i])) return "a run dropped that is not there";
        for (size_t k = 0; k < i; k++)
            if (edit->drop_files[k] == edit->drop_files[i]) return "a run dropped twice";
    }
    return NULL;
}

static const char *table_refusal(const struct vrn_state *state, const struct vrn_table *table) {
    const struct vrn_table *known = vrn_state_table(state, table->id);
    size_t name_bytes = strnlen(table->name, sizeof(table->name));
    if (name_bytes > VRN_TABLE_NAME_MAX) return "a table name that is too long";
    for (size_t i = 0; i < table->rule_count; i++)
        if (strlen(table->rules[i]) > UINT16_MAX) return "a rule that is too long";
    if (known != NULL) return known->dropped ? "a change of a dropped table" : NULL;
    if (name_bytes == 0) return "a table without a name";
    for (size_t i = 0; i < state->table_count; i++)
        if (!state->tables[i].dropped && !table->dropped && strcmp(state->tables[i].name, table->name) == 0)
            return "two tables of one name";
    return NULL;
}

const char *vrn_state_refusal(const struct vrn_state *state, const struct vrn_change *change) {
    const struct vrn_edit *edit = change->edit;
    if (change->next_file != 0 && change->next_file < state->next_file) return "file ids that go back";
    if (change->next_table != 0 && change->next_table < state->next_table) return "table ids that go back";
    if (edit == NULL) return NULL;
    if (edit->set_cut && edit->cut_cts < state->cut_cts) return "a cut that goes back";
    if (edit->timeline != 0 && edit->timeline <= state->timeline) return "a timeline that does not rise";
    const char *why = runs_refusal(state, edit);
    if (why == NULL && edit->table != NULL) why = table_refusal(state, edit->table);
    return why;
}

/* --- preparing ---------------------------------------------------------------------------------------------------- */

static size_t rules_bytes(char *const *rules, size_t count) {
    size_t bytes = count * sizeof(char *);
    for (size_t i = 0; i < count; i++) bytes += strlen(rules[i]) + 1;
    return bytes;
}

/* Pointers and texts in one piece. */
static char **copy_rules(char *const *rules, size_t count) {
    char **made = vb_alloc(rules_bytes(rules, count));
    if (made == NULL) return NULL;
    char *at = (char *)(made + count);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = strlen(rules[i]) + 1;
        memcpy(at, rules[i], bytes);
        made[i] = at;
        at += bytes;
    }
    return made;
}

static void free_rules(char **rules, size_t count) {
    if (rules != NULL) vb_free(rules, rules_bytes(rules, count));
}

/* Room for `more` elements behind `count`. */
static int reserve(void **array, size_t count, size_t *capacity, size_t more, size_t element_bytes) {
    if (more <= *capacity - count) return VARVE_OK;
    size_t grown = *capacity * 2 > count + more ? *capacity * 2 : count + more + 4;
    void *made = vb_alloc(grown * element_bytes);
    if (made == NULL) return VARVE_NOMEM;
    if (count != 0) memcpy(made, *array, count * element_bytes);
    vb_free(*array, *capacity * element_bytes);
    *array = made;
    *capacity = grown;
    return VARVE_OK;
}

int vrn_state_prepare(struct vrn_state *state, const struct vrn_change *change, struct vrn_prepared *prepared) {
    const struct vrn_edit *edit = change->edit;
    prepared->rules = NULL;
    if (edit == NULL) return VARVE_OK;
    void *runs = state->runs, *tables = state->tables;
    VB_TRY(reserve(&runs, state->run_count, &state->run_capacity, edit->add_run_count, sizeof(struct vrn_facts)));
    state->runs = runs;
    if (edit->table == NULL) return VARVE_OK;
    VB_TRY(reserve(&tables, state->table_count, &state->table_capacity, 1, sizeof(struct vrn_table)));
    state->tables = tables;
    if (edit->table->rule_count == 0) return VARVE_OK;
    prepared->rules = copy_rules(edit->table->rules, edit->table->rule_count);
    return prepared->rules != NULL ? VARVE_OK : VARVE_NOMEM;
}

void vrn_state_discard(const struct vrn_change *change, struct vrn_prepared *prepared) {
    if (prepared->rules != NULL) free_rules(prepared->rules, change->edit->table->rule_count);
    prepared->rules = NULL;
}

/* --- applying ----------------------------------------------------------------------------------------------------- */

static void apply_runs(struct vrn_state *state, const struct vrn_edit *edit) {
    for (size_t i = 0; i < edit->drop_file_count; i++) {
        size_t kept = 0;
        for (size_t k = 0; k < state->run_count; k++)
            if (state->runs[k].file_id != edit->drop_files[i]) state->runs[kept++] = state->runs[k];
        state->run_count = kept;
    }
    for (size_t i = 0; i < edit->add_run_count; i++) state->runs[state->run_count++] = edit->add_runs[i];
}

static void apply_table(struct vrn_state *state, const struct vrn_table *edited, struct vrn_prepared *prepared) {
    struct vrn_table *table = (struct vrn_table *)vrn_state_table(state, edited->id);
    if (table == NULL) {
        table = &state->tables[state->table_count++];
        *table = (struct vrn_table){.id = edited->id, .collation = edited->collation};
        memcpy(table->name, edited->name, strlen(edited->name) + 1);
        if (edited->id < HIDDEN_TABLES && edited->id >= state->next_table) state->next_table = edited->id + 1;
    }
    free_rules(table->rules, table->rule_count);
    table->dropped = edited->dropped;
    table->rules = edited->dropped ? NULL : prepared->rules;
    table->rule_count = edited->dropped ? 0 : edited->rule_count;
    if (edited->dropped) free_rules(prepared->rules, edited->rule_count);
    prepared->rules = NULL;
}

void vrn_state_apply(struct vrn_state *state, const struct vrn_change *change, struct vrn_prepared *prepared) {
    if (change->next_file > state->next_file) state->next_file = change->next_file;
    if (change->next_table > state->next_table) state->next_table = change->next_table;
    const struct vrn_edit *edit = change->edit;
    if (edit == NULL) return;
    apply_runs(state, edit);
    if (edit->set_cut) {
        state->cut_cts = edit->cut_cts;
        state->cut_first_log_seq = edit->cut_first_log_seq;
    }
    if (edit->clock_floor > state->clock_floor) state->clock_floor = edit->clock_floor;
    if (edit->log_file != 0) state->log_file = edit->log_file;
    if (edit->timeline != 0) state->timeline = edit->timeline;
    if (edit->table != NULL) apply_table(state, edit->table, prepared);
}

void vrn_state_free(struct vrn_state *state) {
    for (size_t i = 0; i < state->table_count; i++) free_rules(state->tables[i].rules, state->tables[i].rule_count);
    vb_free(state->runs, state->run_capacity * sizeof(struct vrn_facts));
    vb_free(state->tables, state->table_capacity * sizeof(struct vrn_table));
    *state = (struct vrn_state){0};
}
