/* steps.c - reads the steps of a session: STEP | STEP & STEP | ...
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "schedule/parse_int.h"

static bool begin_arguments(struct ssp_reader *reader, struct ss_step *step) {
    static const char *const words[] = {"ru", "rc", "rr", "si", "ser", "ro", "deferrable"};
    while (!ssp_at_end(reader)) {
        char word[SP_WORD_BYTES];
        unsigned which = 0;
        if (!ssp_word(reader, "", "a level, ro or deferrable", word, sizeof word) ||
            !ssp_choose(reader, words, 7, "level, ro or deferrable", word, &which))
            return false;
        if (which == 5)
            step->read_only = true;
        else if (which == 6)
            step->deferrable = true;
        else if (step->level != VARVE_ISOLATION_DEFAULT)
            return ssp_fail(reader, "a second level, `%s`, in one b", word);
        else
            step->level = (varve_isolation)(which + 1);
    }
    return true;
}

static bool scan_arguments(struct ssp_reader *reader, struct ss_step *step, bool limit_allowed) {
    static const char *const words[] = {"rev", "limit"};
    if (!ssp_range(reader, &step->range)) return false;
    while (!ssp_at_end(reader)) {
        char word[SP_WORD_BYTES];
        unsigned which = 0;
        if (!ssp_word(reader, "", "rev or limit", word, sizeof word) ||
            !ssp_choose(reader, words, limit_allowed ? 2 : 1, "word after a range", word, &which))
            return false;
        if (which == 0)
            step->range.reverse = true;
        else if (!ssp_count(reader, "a limit", 1000, &step->range.limit))
            return false;
        else if (step->range.limit == 0)
            return ssp_fail(reader, "a limit of 0");
    }
    return true;
}

static bool scheme_argument(struct ssp_reader *reader, struct ss_step *step) {
    char word[SP_WORD_BYTES];
    unsigned which = 0;
    if (!ssp_word(reader, "", "a scheme", word, sizeof word) ||
        !ssp_choose(reader, ss_schemes, SS_SCHEMES, "scheme", word, &which))
        return false;
    memcpy(step->scheme, word, strlen(word) + 1);
    if (ssp_at_end(reader)) return true;
    if (!ssp_word(reader, "", "wait", word, sizeof word)) return false;
    step->waits = strcmp(word, "wait") == 0;
    return step->waits || ssp_fail(reader, "after the scheme of `switch` comes `wait` or nothing, not `%s`", word);
}

static bool arguments(struct ssp_reader *reader, struct ss_step *step) {
    switch (step->verb) {
    case SS_BEGIN: return begin_arguments(reader, step);
    case SS_GET:
    case SS_GET_FOR_UPDATE:
    case SS_HAS:
    case SS_DELETE: return ssp_key(reader, &step->key);
    case SS_PUT:
    case SS_INSERT:
    case SS_UPDATE:
    case SS_ADD: return ssp_key(reader, &step->key) && ssp_expression(reader, &step->value);
    case SS_SCAN: return scan_arguments(reader, step, true);
    case SS_OPEN: return scan_arguments(reader, step, false);
    case SS_DELETE_RANGE: return ssp_range(reader, &step->range);
    case SS_SWITCH: return scheme_argument(reader, step);
    default: return true;
    }
}

static bool guard(struct ssp_reader *reader, struct ss_step *step) {
    static const struct {
        const char *sign;
        enum ss_comparison comparison;
    } signs[] = {{"!=", SS_NE}, {"<=", SS_LE}, {">=", SS_GE}, {"=", SS_EQ}, {"<", SS_LT}, {">", SS_GT}};
    if (!ssp_expression(reader, &step->guard_left)) return false;
    for (unsigned i = 0; i < sizeof signs / sizeof signs[0] && step->guard == SS_ALWAYS; i++)
        if (ssp_accept(reader, signs[i].sign)) step->guard = signs[i].comparison;
    if (step->guard == SS_ALWAYS) return ssp_fail(reader, "after `when` comes E < E, with one of = != < <= > >=");
    return ssp_expression(reader, &step->guard_right) && ssp_expect(reader, ":");
}

/* A guard that does not hold must leave the shape of the transaction as it is written. */
static bool may_be_guarded(enum ss_verb verb) {
    return verb != SS_BEGIN && verb != SS_SAVEPOINT && verb != SS_OPEN && verb != SS_CLOSE && verb != SS_CRASH &&
           verb != SS_SWITCH;
}

static bool step_of(struct ssp_reader *reader, struct ss_step *step) {
    char word[SP_WORD_BYTES];
    unsigned verb = 0;
    if (!ssp_word(reader, "", "a step", word, sizeof word)) return false;
    if (strcmp(word, "when") == 0 &&
        (!guard(reader, step) || !ssp_word(reader, "", "a step after `when ... :`", word, sizeof word)))
        return false;
    if (!ssp_choose(reader, ssp_verbs, SS_VERBS, "step", word, &verb)) return false;
    step->verb = (enum ss_verb)verb;
    if (step->guard != SS_ALWAYS && !may_be_guarded(step->verb))
        return ssp_fail(reader, "`%s` cannot have a guard", word);
    return arguments(reader, step) && ssp_line_ends(reader);
}

/* The first | or & that is left, or the end. */
static const char *step_end(const struct ssp_reader *reader) {
    const char *at = reader->at;
    while (at < reader->end && *at != '|' && *at != '&') at++;
    return at;
}

bool ssp_session(struct ssp_reader *reader, unsigned session) {
    struct ss_schedule *schedule = reader->schedule;
    bool joined = false;
    schedule->first_step[session] = schedule->step_count;
    for (bool more = true; more;) {
        struct ssp_reader part = *reader, text;
        part.end = step_end(reader);
        if (schedule->step_count == SS_STEPS_MAX) return ssp_fail(reader, "more than %d steps", SS_STEPS_MAX);
        struct ss_step *step = &schedule->steps[schedule->step_count];
        step->session = (uint8_t)session;
        step->number = (uint8_t)(schedule->step_count - schedule->first_step[session]);
        step->line = reader->line;
        step->txn = SS_TXNS_MAX;
        step->joined = joined;
        text = part;
        ssp_rest(&text, step->text, sizeof step->text); /* only a picture shows it: cut where it is long */
        if (!step_of(&part, step)) return false;
        schedule->step_count++;
        more = part.end < reader->end;
        joined = more && *part.end == '&';
        reader->at = more ? part.end + 1 : reader->end;
    }
    schedule->first_step[session + 1] = schedule->step_count;
    return true;
}
