/* expect.c - reads what is to be run and what is expected of it: run, anomaly, must, show, allow, precision.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "schedule/parse_int.h"

/* --- run --------------------------------------------------------------------------------------------------------- */

/* sN.M: it must be the session's next step. */
static bool listed_by_name(struct ssp_reader *reader, unsigned *taken, uint8_t *step) {
    const struct ss_schedule *schedule = reader->schedule;
    uint8_t session = 0;
    if (!ssp_step_name(reader, false, &session, step)) return false;
    unsigned expected = schedule->first_step[session] + taken[session];
    unsigned number = *step - schedule->first_step[session] + 1u;
    if (*step < expected) return ssp_fail(reader, "s%u.%u stands twice", session + 1u, number);
    if (*step > expected)
        return ssp_fail(reader, "s%u.%u stands before s%u.%u", session + 1u, number, session + 1u, taken[session] + 1);
    taken[session]++;
    return true;
}

/* N: the next step of session sN. */
static bool listed_by_session(struct ssp_reader *reader, unsigned *taken, uint8_t *step) {
    const struct ss_schedule *schedule = reader->schedule;
    unsigned number = 0;
    if (!ssp_count(reader, "a session", 99, &number)) return false;
    if (number == 0 || number > schedule->session_count)
        return ssp_fail(reader, "there is no session s%u: there are %u", number, schedule->session_count);
    unsigned next = schedule->first_step[number - 1] + taken[number - 1];
    if (next >= schedule->first_step[number])
        return ssp_fail(reader, "s%u stands more often than it has steps, which are %u", number, taken[number - 1]);
    *step = (uint8_t)next;
    taken[number - 1]++;
    return true;
}

bool ssp_run_line(struct ssp_reader *reader) {
    struct ss_schedule *schedule = reader->schedule;
    unsigned taken[SS_SESSIONS_MAX] = {0};
    if (schedule->run_all) return ssp_fail(reader, "`run all` leaves nothing for a second `run`");
    if (ssp_accept(reader, "all")) {
        schedule->run_all = true;
        return schedule->listed_count == 0 ? ssp_line_ends(reader)
                                           : ssp_fail(reader, "`run all` after a list of interleavings");
    }
    if (schedule->listed_count == SS_LISTED_MAX) return ssp_fail(reader, "more than %d interleavings", SS_LISTED_MAX);
    uint8_t *order = schedule->listed[schedule->listed_count];
    unsigned count = 0;
    while (!ssp_at_end(reader)) {
        uint8_t step = 0;
        if (!(*reader->at == 's' ? listed_by_name : listed_by_session)(reader, taken, &step)) return false;
        if (schedule->steps[step].joined && (count == 0 || order[count - 1] != step - 1))
            return ssp_fail(reader, "`%s` is joined to the step before it", schedule->steps[step].text);
        order[count++] = step;
    }
    for (unsigned s = 0; s < schedule->session_count; s++) {
        unsigned steps = schedule->first_step[s + 1] - schedule->first_step[s];
        if (taken[s] < steps) return ssp_fail(reader, "the interleaving leaves out s%u.%u", s + 1, taken[s] + 1);
    }
    for (unsigned i = 0; i < schedule->listed_count; i++)
        if (memcmp(schedule->listed[i], order, count) == 0)
            return ssp_fail(reader, "the same interleaving as number %u", i);
    schedule->listed_count++;
    return true;
}

/* --- anomaly ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *word;
    int status;
} status_words[] = {
    {"ok", VARVE_OK},
    {"exists", VARVE_EXISTS},
    {"notfound", VARVE_NOTFOUND},
    {"conflict", VARVE_CONFLICT},
    {"deadlock", VARVE_DEADLOCK},
    {"constraint", VARVE_CONSTRAINT},
};

const char *ssp_status_name(int status) {
    for (unsigned i = 0; i < sizeof status_words / sizeof status_words[0]; i++)
        if (status_words[i].status == status) return status_words[i].word;
    return "?";
}

static bool rows(struct ssp_reader *reader, struct ss_condition *condition) {
    condition->is_rows = true;
    while (!ssp_accept(reader, "}")) {
        if (condition->row_count > 0 && !ssp_expect(reader, ",")) return false;
        if (condition->row_count == SS_ROWS_MAX) return ssp_fail(reader, "more than %d rows", SS_ROWS_MAX);
        if (!ssp_key(reader, &condition->rows[condition->row_count].key) || !ssp_expect(reader, "=") ||
            !ssp_number(reader, &condition->rows[condition->row_count].value))
            return false;
        condition->row_count++;
    }
    return true;
}

/* A number, or - for absent. */
static bool value(struct ssp_reader *reader, int64_t *number) {
    ssp_blanks(reader);
    bool minus = reader->at < reader->end && *reader->at == '-';
    bool digit = minus && reader->at + 1 < reader->end && reader->at[1] >= '0' && reader->at[1] <= '9';
    if (!minus || digit) return ssp_number(reader, number);
    *number = SS_ABSENT;
    return ssp_accept(reader, "-");
}

static bool status_word(struct ssp_reader *reader, struct ss_condition *condition) {
    const char *names[8] = {"commit", "abort"};
    char word[SP_WORD_BYTES];
    unsigned which = 0;
    for (unsigned i = 0; i < 6; i++) names[i + 2] = status_words[i].word;
    if (!ssp_word(reader, "", "an answer", word, sizeof word) ||
        !ssp_choose(reader, names, 8, "word for an answer", word, &which))
        return false;
    if (which >= 2) {
        condition->status = status_words[which - 2].status;
        condition->is_status = true;
        return true;
    }
    condition->kind = which == 0 ? SS_COMMITTED : SS_ABORTED;
    if (reader->schedule->steps[condition->step].txn == SS_TXNS_MAX)
        return ssp_fail(reader, "`%s` of a step that is in no transaction", word);
    return true;
}

/* What a step can be answered with. */
static bool answers(const struct ssp_reader *reader, const struct ss_condition *condition) {
    const struct ss_step *step = &reader->schedule->steps[condition->step];
    enum ss_verb verb = step->verb;
    bool reads = verb == SS_GET || verb == SS_GET_FOR_UPDATE || verb == SS_NEXT;
    if (condition->kind != SS_ANSWER || condition->is_status) return true;
    if (condition->is_rows)
        return verb == SS_SCAN || (verb == SS_NEXT && condition->row_count <= 1) ||
               ssp_fail(reader, "`%s` is not answered with rows", step->text);
    if (condition->value == SS_ABSENT ? reads || verb == SS_HAS : reads || verb == SS_DELETE_RANGE) return true;
    return ssp_fail(reader, "`%s` is not answered with %s", step->text,
                    condition->value == SS_ABSENT ? "absence" : "a number");
}

static bool of_step(struct ssp_reader *reader, struct ss_condition *condition) {
    static const char *const ends[] = {"commit", "abort"};
    char word[SP_WORD_BYTES];
    unsigned which = 0;
    if (!ssp_step_name(reader, true, &condition->session, &condition->step)) return false;
    if (condition->step == SS_STEPS_MAX) {
        if (!ssp_expect(reader, ".") || !ssp_word(reader, "", "commit, abort or a step", word, sizeof word) ||
            !ssp_choose(reader, ends, 2, "condition of a session", word, &which))
            return false;
        condition->kind = which == 0 ? SS_COMMITTED : SS_ABORTED;
        return true;
    }
    condition->kind = SS_ANSWER;
    if (!ssp_expect(reader, "=")) return false;
    ssp_blanks(reader);
    char first = reader->at < reader->end ? *reader->at : 0;
    bool good;
    if (ssp_accept(reader, "{"))
        good = rows(reader, condition);
    else if (first == '-' || (first >= '0' && first <= '9'))
        good = value(reader, &condition->value);
    else
        good = status_word(reader, condition);
    return good && answers(reader, condition);
}

static bool named_condition(struct ssp_reader *reader, struct ss_condition *condition) {
    static const char *const names[] = {"all-commit", "not-serial", "final"};
    static const enum ss_condition_kind kinds[] = {SS_ALL_COMMIT, SS_UNSERIAL, SS_FINAL};
    char word[SP_WORD_BYTES];
    unsigned which = 0;
    if (!ssp_word(reader, "-", "a condition", word, sizeof word) ||
        !ssp_choose(reader, names, 3, "condition", word, &which))
        return false;
    condition->kind = kinds[which];
    if (condition->kind != SS_FINAL) return true;
    return ssp_key(reader, &condition->key) && ssp_expect(reader, "=") && value(reader, &condition->value);
}

bool ssp_anomaly_line(struct ssp_reader *reader) {
    struct ss_schedule *schedule = reader->schedule;
    if (ssp_at_end(reader)) return ssp_fail(reader, "`anomaly` without a condition");
    while (!ssp_at_end(reader)) {
        if (schedule->condition_count == SS_CONDITIONS_MAX)
            return ssp_fail(reader, "more than %d conditions", SS_CONDITIONS_MAX);
        struct ss_condition *condition = &schedule->conditions[schedule->condition_count];
        condition->step = SS_STEPS_MAX;
        condition->negated = ssp_accept(reader, "!");
        ssp_blanks(reader);
        bool step =
            reader->end - reader->at > 1 && reader->at[0] == 's' && reader->at[1] >= '0' && reader->at[1] <= '9';
        if (!(step ? of_step(reader, condition) : named_condition(reader, condition))) return false;
        schedule->condition_count++;
    }
    return true;
}

/* --- must, show, allow, precision ----------------------------------------------------------------------------------
 */

static bool schemes_of(struct ssp_reader *reader, struct ss_rule *rule) {
    if (reader->at == reader->end || *reader->at != '@') {
        rule->schemes[0] = rule->schemes[1] = rule->schemes[2] = true;
        return true;
    }
    reader->at++;
    do {
        char word[SP_WORD_BYTES];
        unsigned which = 0;
        if (!ssp_word(reader, "", "a scheme", word, sizeof word) ||
            !ssp_choose(reader, ss_schemes, SS_SCHEMES, "scheme", word, &which))
            return false;
        rule->schemes[which] = true;
    } while (ssp_accept(reader, ","));
    return true;
}

bool ssp_rule_line(struct ssp_reader *reader, enum ss_rule_kind kind) {
    struct ss_schedule *schedule = reader->schedule;
    unsigned number = 0;
    if (kind == SS_PRECISION && !ssp_count(reader, "needless aborts", 1000000000, &number)) return false;
    if (ssp_at_end(reader)) return ssp_fail(reader, "no level is named");
    while (!ssp_at_end(reader)) {
        char word[SP_WORD_BYTES];
        if (schedule->rule_count == SS_RULES_MAX)
            return ssp_fail(reader, "more than %d levels in must, show, allow and precision", SS_RULES_MAX);
        struct ss_rule *rule = &schedule->rules[schedule->rule_count];
        if (!ssp_word(reader, "", "a level", word, sizeof word) || !ssp_level(reader, word, &rule->level) ||
            !schemes_of(reader, rule))
            return false;
        rule->kind = kind;
        rule->number = number;
        rule->line = reader->line;
        schedule->rule_count++;
    }
    return true;
}
