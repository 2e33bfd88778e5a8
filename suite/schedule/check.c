/* check.c - what can only be judged with the whole schedule in hand: where transactions begin and end, savepoints and
 * cursors, what expressions refer to, rules that contradict each other; and the keys put in order.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "schedule/parse_int.h"

/* Where a session stands between two of its steps. */
struct walk {
    bool open;      /* a transaction */
    bool savepoint; /* it has one */
    bool cursor;
};

static bool begin_if_needed(struct ssp_reader *reader, struct ss_step *step, struct walk *walk) {
    struct ss_schedule *schedule = reader->schedule;
    if (walk->open && step->verb == SS_BEGIN) return ssp_fail(reader, "`b` inside a transaction: it has had no c or a");
    if (!walk->open) {
        if (schedule->txn_count == SS_TXNS_MAX) return ssp_fail(reader, "more than %d transactions", SS_TXNS_MAX);
        schedule->txn_count++;
        *walk = (struct walk){.open = true};
    }
    step->txn = (uint8_t)(schedule->txn_count - 1);
    return true;
}

static bool engine_step(struct ssp_reader *reader, const struct ss_step *step, struct walk *walk) {
    if (step->verb == SS_SWITCH && walk->open)
        return ssp_fail(reader, "`switch` inside a transaction of its session: it would wait for it for ever");
    if (step->verb == SS_CRASH) *walk = (struct walk){0};
    if (step->verb == SS_CRASH || step->verb == SS_CHECKPOINT) reader->schedule->durable = true;
    return true;
}

static bool walk_step(struct ssp_reader *reader, struct ss_step *step, struct walk *walk) {
    if (step->verb >= SS_GC) return engine_step(reader, step, walk);
    if (!begin_if_needed(reader, step, walk)) return false;
    switch (step->verb) {
    case SS_SAVEPOINT: walk->savepoint = true; return true;
    case SS_ROLLBACK: return walk->savepoint || ssp_fail(reader, "`rb` without an `sp` before it in its transaction");
    case SS_OPEN:
        if (walk->cursor) return ssp_fail(reader, "`open` while a cursor is open: a session has one");
        walk->cursor = true;
        return true;
    case SS_NEXT:
    case SS_CLOSE:
        if (!walk->cursor)
            return ssp_fail(reader, "`%s` without an `open` before it in its transaction", ss_verb_name(step->verb));
        walk->cursor = step->verb == SS_NEXT;
        return true;
    case SS_COMMIT:
    case SS_ABORT:
        if (step->guard == SS_ALWAYS) *walk = (struct walk){0};
        return true;
    default: return true;
    }
}

/* --- expressions ----------------------------------------------------------------------------------------------------
 */

static bool in_range(const struct ss_schedule *schedule, const struct ss_range *range, unsigned key) {
    const char *word = schedule->keys[key];
    return (range->low == SS_KEYS_MAX || strcmp(schedule->keys[range->low], word) <= 0) &&
           (range->high == SS_KEYS_MAX || strcmp(word, schedule->keys[range->high]) < 0);
}

static bool reads(const struct ss_schedule *schedule, const struct ss_step *step, unsigned key) {
    if (step->verb == SS_GET || step->verb == SS_GET_FOR_UPDATE) return step->key == key;
    return (step->verb == SS_SCAN || step->verb == SS_OPEN) && in_range(schedule, &step->range, key);
}

static bool term_refers(struct ssp_reader *reader, const struct ss_step *at, const struct ss_term *term) {
    const struct ss_schedule *schedule = reader->schedule;
    if (term->kind != SS_READ_OF && term->kind != SS_SUM && term->kind != SS_COUNT) return true;
    for (const struct ss_step *s = &schedule->steps[schedule->first_step[at->session]]; s < at; s++)
        if (term->kind == SS_READ_OF ? reads(schedule, s, term->key) : s->verb == SS_SCAN) return true;
    if (term->kind == SS_READ_OF)
        return ssp_fail(reader, "r(%s): no step of s%u before this one reads %s", schedule->keys[term->key],
                        at->session + 1u, schedule->keys[term->key]);
    return ssp_fail(reader, "%s: no step of s%u before this one is a scan", term->kind == SS_SUM ? "sum()" : "count()",
                    at->session + 1u);
}

static bool expressions_refer(struct ssp_reader *reader, const struct ss_step *step) {
    const struct ss_expression *const all[] = {&step->value, &step->guard_left, &step->guard_right};
    for (unsigned e = 0; e < 3; e++)
        for (unsigned i = 0; i < all[e]->count; i++)
            if (!term_refers(reader, step, &all[e]->terms[i])) return false;
    return true;
}

/* While a switch waits it holds what the engine's other steps need, and they would stand still on its thread. */
static bool switch_is_alone(struct ssp_reader *reader) {
    const struct ss_schedule *schedule = reader->schedule;
    for (unsigned i = 0; i < schedule->step_count; i++)
        for (unsigned k = 0; k < schedule->step_count && schedule->steps[i].waits; k++) {
            const struct ss_step *other = &schedule->steps[k];
            reader->line = other->line;
            if (other->verb >= SS_GC && other->session != schedule->steps[i].session)
                return ssp_fail(reader, "`%s` beside a switch that waits", ss_verb_name(other->verb));
        }
    return true;
}

bool ssp_check_sessions(struct ssp_reader *reader) {
    struct ss_schedule *schedule = reader->schedule;
    for (unsigned s = 0; s < schedule->session_count; s++) {
        struct walk walk = {0};
        for (unsigned i = schedule->first_step[s]; i < schedule->first_step[s + 1]; i++) {
            reader->line = schedule->steps[i].line;
            if (!walk_step(reader, &schedule->steps[i], &walk) || !expressions_refer(reader, &schedule->steps[i]))
                return false;
        }
    }
    return switch_is_alone(reader);
}

/* --- rules -----------------------------------------------------------------------------------------------------------
 */

static bool same_cell(const struct ss_rule *a, const struct ss_rule *b, unsigned *scheme) {
    for (*scheme = 0; *scheme < SS_SCHEMES; ++*scheme)
        if (a->level == b->level && a->schemes[*scheme] && b->schemes[*scheme]) return true;
    return false;
}

bool ssp_check_rules(struct ssp_reader *reader) {
    static const char *const names[] = {
        [SS_MUST] = "must", [SS_SHOW] = "show", [SS_PRECISION] = "precision", [SS_ALLOW] = "allow"};
    const struct ss_schedule *schedule = reader->schedule;
    for (unsigned j = 1; j < schedule->rule_count; j++) {
        const struct ss_rule *later = &schedule->rules[j];
        for (unsigned i = 0; i < j; i++) {
            const struct ss_rule *earlier = &schedule->rules[i];
            unsigned scheme;
            bool rivals = (earlier->kind == SS_PRECISION) == (later->kind == SS_PRECISION);
            if (!rivals || !same_cell(earlier, later, &scheme)) continue;
            reader->line = later->line;
            return ssp_fail(reader, "%s@%s stands in `%s` and again in `%s`", ss_level_name(later->level),
                            ss_schemes[scheme], names[earlier->kind], names[later->kind]);
        }
    }
    return true;
}

/* --- keys in byte order ----------------------------------------------------------------------------------------------
 */

static void renumber_expression(struct ss_expression *expression, const uint8_t place[]) {
    for (unsigned i = 0; i < expression->count; i++)
        if (expression->terms[i].kind == SS_READ_OF) expression->terms[i].key = place[expression->terms[i].key];
}

static bool has_key(enum ss_verb verb) {
    return verb >= SS_GET && verb <= SS_ADD;
}

static bool has_range(enum ss_verb verb) {
    return verb == SS_SCAN || verb == SS_DELETE_RANGE || verb == SS_OPEN;
}

static void renumber(struct ss_schedule *schedule, const uint8_t place[]) {
    for (unsigned i = 0; i < schedule->step_count; i++) {
        struct ss_step *step = &schedule->steps[i];
        if (has_key(step->verb)) step->key = place[step->key];
        if (has_range(step->verb)) step->range.low = place[step->range.low];
        if (has_range(step->verb)) step->range.high = place[step->range.high];
        renumber_expression(&step->value, place);
        renumber_expression(&step->guard_left, place);
        renumber_expression(&step->guard_right, place);
    }
    for (unsigned i = 0; i < schedule->condition_count; i++) {
        struct ss_condition *condition = &schedule->conditions[i];
        if (condition->kind == SS_FINAL) condition->key = place[condition->key];
        for (unsigned r = 0; r < condition->row_count; r++)
            condition->rows[r].key = place[condition->rows[r].key];
    }
}

void ssp_keys_in_order(struct ss_schedule *schedule) {
    char keys[SS_KEYS_MAX][sizeof schedule->keys[0]];
    int64_t initial[SS_KEYS_MAX];
    uint8_t place[SS_KEYS_MAX + 1];
    memcpy(keys, schedule->keys, sizeof keys);
    memcpy(initial, schedule->initial, sizeof initial);
    place[SS_KEYS_MAX] = SS_KEYS_MAX; /* an open end stays open */
    for (unsigned k = schedule->key_count; k < SS_KEYS_MAX; k++) place[k] = (uint8_t)k;
    for (unsigned k = 0; k < schedule->key_count; k++) {
        place[k] = 0;
        for (unsigned other = 0; other < schedule->key_count; other++) place[k] += strcmp(keys[other], keys[k]) < 0;
        memcpy(schedule->keys[place[k]], keys[k], sizeof keys[k]);
        schedule->initial[place[k]] = initial[k];
    }
    renumber(schedule, place);
}
