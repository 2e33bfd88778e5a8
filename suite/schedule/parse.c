/* parse.c - reads one schedule: finds its lines, reads them by their first word, then judges the whole.
 *
 * Lines may stand in any order after `schedule`: the sessions are read first, then what refers to their steps.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "schedule/parse_int.h"

enum keyword { ABOUT, LIKE, INIT, CONSTRAINT, RUN, ANOMALY, MUST, SHOW, ALLOW, PRECISION, SCHEDULE, SESSION, KEYWORDS };
static const char *const keywords[SESSION] = {"about", "like", "init",  "constraint", "run",     "anomaly",
                                              "must",  "show", "allow", "precision",  "schedule"};

/* The lines of a text that are left. */
struct lines {
    const char *at;
    unsigned line; /* number of the line at `at` */
};

static const char *line_end(const char *at) { return at + strcspn(at, "\n"); }

/* The next line with something in it, without its comment; false at the end of the text. */
static bool next_line(struct lines *lines, struct ssp_reader *reader) {
    while (*lines->at != 0) {
        const char *end = line_end(lines->at);
        const char *comment = memchr(lines->at, '#', (size_t)(end - lines->at));
        reader->at = lines->at;
        reader->end = comment != NULL ? comment : end;
        reader->line = lines->line++;
        lines->at = *end == 0 ? end : end + 1;
        if (!ssp_at_end(reader)) return true;
    }
    return false;
}

static bool starts_schedule(const struct ssp_reader *reader) {
    static const char word[] = "schedule";
    size_t size = sizeof word - 1, left = (size_t)(reader->end - reader->at);
    return left >= size && memcmp(reader->at, word, size) == 0 &&
           (left == size || strchr(" \t\r", reader->at[size]) != NULL);
}

/* Moves on to the next `schedule`, or to the end. */
static void skip_to_schedule(struct lines *lines) {
    struct ssp_reader reader;
    struct lines before = *lines;
    while (next_line(lines, &reader) && !starts_schedule(&reader)) before = *lines;
    *lines = before;
}

/* sN: */
static bool session_name(struct ssp_reader *reader, unsigned *session) {
    struct ssp_reader tried = *reader;
    struct ss_problem none = {.line = 1};
    tried.problem = &none;
    if (!ssp_accept(&tried, "s") || !ssp_count(&tried, "a session", 999, session) || !ssp_accept(&tried, ":"))
        return false;
    tried.problem = reader->problem;
    *reader = tried;
    return true;
}

static bool keyword_of(struct ssp_reader *reader, enum keyword *keyword, unsigned *session) {
    char word[SP_WORD_BYTES];
    unsigned which = 0;
    if (session_name(reader, session)) {
        *keyword = SESSION;
        return true;
    }
    if (!ssp_word(reader, "", "a word that begins a line", word, sizeof word) ||
        !ssp_choose(reader, keywords, SESSION, "word that begins a line", word, &which))
        return false;
    *keyword = (enum keyword)which;
    return true;
}

/* --- the plain lines ------------------------------------------------------------------------------------------------
 */

static bool head_line(struct ssp_reader *reader) {
    struct ss_schedule *schedule = reader->schedule;
    schedule->line = reader->line;
    reader->at += strlen("schedule");
    return ssp_word(reader, "-.", "the id of a phenomenon", schedule->id, sizeof schedule->id) &&
           ssp_word(reader, "-.", "a name", schedule->name, sizeof schedule->name) && ssp_line_ends(reader);
}

static bool text_line(struct ssp_reader *reader, const char *what, char *text, size_t text_bytes) {
    if (text[0] != 0) return ssp_fail(reader, "a second `%s`", what);
    if (ssp_at_end(reader)) return ssp_fail(reader, "`%s` says nothing", what);
    return ssp_rest(reader, text, text_bytes) ||
           ssp_fail(reader, "`%s` is longer than %zu bytes", what, text_bytes - 1);
}

static bool init_line(struct ssp_reader *reader) {
    struct ss_schedule *schedule = reader->schedule;
    while (!ssp_at_end(reader)) {
        uint8_t key = 0;
        int64_t value = 0;
        if (!ssp_key(reader, &key) || !ssp_expect(reader, "=")) return false;
        if (schedule->initial[key] != SS_ABSENT) return ssp_fail(reader, "key `%s` is set twice", schedule->keys[key]);
        if (!ssp_number(reader, &value)) return false;
        schedule->initial[key] = value;
    }
    return true;
}

static bool constraint_line(struct ssp_reader *reader) {
    struct ss_schedule *schedule = reader->schedule;
    unsigned most = sizeof schedule->rules_of_rows / sizeof schedule->rules_of_rows[0];
    if (schedule->constraint_count == most) return ssp_fail(reader, "more than %u constraints", most);
    char *text = schedule->rules_of_rows[schedule->constraint_count++];
    return text_line(reader, "constraint", text, sizeof schedule->rules_of_rows[0]);
}

static bool plain_line(struct ssp_reader *reader, enum keyword keyword) {
    struct ss_schedule *schedule = reader->schedule;
    switch (keyword) {
    case ABOUT: return text_line(reader, "about", schedule->about, sizeof schedule->about);
    case LIKE: return text_line(reader, "like", schedule->like, sizeof schedule->like);
    case INIT: return init_line(reader);
    case CONSTRAINT: return constraint_line(reader);
    case MUST: return ssp_rule_line(reader, SS_MUST);
    case SHOW: return ssp_rule_line(reader, SS_SHOW);
    case ALLOW: return ssp_rule_line(reader, SS_ALLOW);
    case PRECISION: return ssp_rule_line(reader, SS_PRECISION);
    default: return true;
    }
}

/* --- the whole
 * -------------------------------------------------------------------------------------------------------- */

/* Reads every line that refers to no step, and finds those of the sessions. */
static bool first_pass(struct lines lines, const char *end, struct ssp_reader *reader, struct ssp_reader sessions[]) {
    struct ss_schedule *schedule = reader->schedule;
    while (lines.at < end && next_line(&lines, reader)) {
        enum keyword keyword;
        unsigned session = 0;
        if (!keyword_of(reader, &keyword, &session)) return false;
        if (keyword != SESSION) {
            if (!plain_line(reader, keyword)) return false;
            continue;
        }
        if (session == 0 || session > SS_SESSIONS_MAX)
            return ssp_fail(reader, "there is no session s%u: s1 to s%d", session, SS_SESSIONS_MAX);
        if (sessions[session - 1].at != NULL)
            return ssp_fail(reader, "s%u is written twice, first in line %u", session, sessions[session - 1].line);
        sessions[session - 1] = *reader;
        if (session > schedule->session_count) schedule->session_count = session;
    }
    return true;
}

static bool read_sessions(struct ssp_reader *reader, struct ssp_reader sessions[]) {
    struct ss_schedule *schedule = reader->schedule;
    if (schedule->session_count == 0) return ssp_fail(reader, "schedule `%s` has no session", schedule->name);
    for (unsigned s = 0; s < schedule->session_count; s++) {
        if (sessions[s].at == NULL) return ssp_fail(reader, "s%u without s%u", schedule->session_count, s + 1);
        if (!ssp_session(&sessions[s], s)) return false;
    }
    return ssp_check_sessions(reader);
}

static bool second_pass(struct lines lines, const char *end, struct ssp_reader *reader) {
    struct ss_schedule *schedule = reader->schedule;
    while (lines.at < end && next_line(&lines, reader)) {
        enum keyword keyword;
        unsigned session;
        if (!keyword_of(reader, &keyword, &session)) return false;
        if (keyword == RUN && !ssp_run_line(reader)) return false;
        if (keyword == ANOMALY && !ssp_anomaly_line(reader)) return false;
    }
    schedule->run_all = schedule->listed_count == 0;
    return ssp_check_rules(reader);
}

static bool read_schedule(struct lines lines, const char *end, struct ssp_reader *reader) {
    struct ssp_reader sessions[SS_SESSIONS_MAX] = {0};
    if (!head_line(reader) || !first_pass(lines, end, reader, sessions)) return false;
    reader->line = reader->schedule->line;
    if (!read_sessions(reader, sessions) || !second_pass(lines, end, reader)) return false;
    ssp_keys_in_order(reader->schedule);
    return true;
}

int ss_parse(const char *text, unsigned first_line, struct ss_schedule *schedule, const char **next,
             unsigned *next_line_, struct ss_problem *problem) {
    struct lines lines = {text, first_line};
    struct ssp_reader reader = {.schedule = schedule, .problem = problem};
    memset(schedule, 0, sizeof *schedule);
    memset(problem, 0, sizeof *problem);
    bool found = next_line(&lines, &reader);
    struct lines body = lines;
    if (found) skip_to_schedule(&lines);
    *next = lines.at;
    *next_line_ = lines.line;
    if (!found) return VARVE_END;
    if (!starts_schedule(&reader)) {
        ssp_fail(&reader, "a file begins with `schedule ID NAME`");
        return VARVE_INVALID;
    }
    return read_schedule(body, lines.at, &reader) ? VARVE_OK : VARVE_INVALID;
}
