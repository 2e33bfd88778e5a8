/* write.c - a schedule as a file again: what ss_parse reads from it is the same schedule.
 *
 * Comments, blanks and the text of steps as they were written are gone; steps, expressions, conditions and rules are
 * written from what they mean.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "schedule/parse_int.h"

/* --- expressions ----------------------------------------------------------------------------------------------------
 */

enum binding { ATOM, PRODUCT, SUM };
struct piece {
    enum binding binding;
    char text[SS_TERMS_MAX * 32];
};

static void wrap(struct piece *piece) {
    char inner[sizeof piece->text];
    memcpy(inner, piece->text, sizeof inner);
    snprintf(piece->text, sizeof piece->text, "(%.*s)", (int)sizeof inner - 3, inner);
    piece->binding = ATOM;
}

static void join(struct piece *left, struct piece right, enum ss_term_kind kind) {
    enum binding binding = kind == SS_TIMES ? PRODUCT : SUM;
    if (left->binding > binding) wrap(left);
    if (right.binding >= binding) wrap(&right);
    size_t used = strlen(left->text);
    char sign = kind == SS_TIMES ? '*' : kind == SS_PLUS ? '+' : '-';
    snprintf(left->text + used, sizeof left->text - used, "%c%s", sign, right.text);
    left->binding = binding;
}

static void atom(const struct ss_schedule *schedule, const struct ss_term *term, struct piece *piece) {
    piece->binding = ATOM;
    if (term->kind == SS_NUMBER)
        snprintf(piece->text, sizeof piece->text, "%lld", (long long)term->number);
    else if (term->kind == SS_READ_OF)
        snprintf(piece->text, sizeof piece->text, "r(%s)", schedule->keys[term->key]);
    else
        snprintf(piece->text, sizeof piece->text, "%s", term->kind == SS_SUM ? "sum()" : "count()");
}

static void write_expression(FILE *out, const struct ss_schedule *schedule, const struct ss_expression *expression) {
    struct piece stack[SS_TERMS_MAX];
    unsigned depth = 0;
    for (unsigned i = 0; i < expression->count; i++) {
        const struct ss_term *term = &expression->terms[i];
        if (term->kind < SS_PLUS) {
            atom(schedule, term, &stack[depth++]);
        } else {
            depth--;
            join(&stack[depth - 1], stack[depth], (enum ss_term_kind)term->kind);
        }
    }
    fputs(stack[0].text, out);
}

/* --- steps
 * ------------------------------------------------------------------------------------------------------------ */

static void write_range(FILE *out, const struct ss_schedule *schedule, const struct ss_range *range) {
    fprintf(out, " [%s,%s)%s", range->low < SS_KEYS_MAX ? schedule->keys[range->low] : "",
            range->high < SS_KEYS_MAX ? schedule->keys[range->high] : "", range->reverse ? " rev" : "");
    if (range->limit > 0) fprintf(out, " limit %u", range->limit);
}

static void write_arguments(FILE *out, const struct ss_schedule *schedule, const struct ss_step *step) {
    switch (step->verb) {
    case SS_BEGIN:
        if (step->level != VARVE_ISOLATION_DEFAULT) fprintf(out, " %s", ss_level_name(step->level));
        fprintf(out, "%s%s", step->read_only ? " ro" : "", step->deferrable ? " deferrable" : "");
        return;
    case SS_GET:
    case SS_GET_FOR_UPDATE:
    case SS_HAS:
    case SS_DELETE: fprintf(out, " %s", schedule->keys[step->key]); return;
    case SS_PUT:
    case SS_INSERT:
    case SS_UPDATE:
    case SS_ADD:
        fprintf(out, " %s ", schedule->keys[step->key]);
        write_expression(out, schedule, &step->value);
        return;
    case SS_SCAN:
    case SS_OPEN:
    case SS_DELETE_RANGE: write_range(out, schedule, &step->range); return;
    case SS_SWITCH: fprintf(out, " %s%s", step->scheme, step->waits ? " wait" : ""); return;
    default: return;
    }
}

static void write_step(FILE *out, const struct ss_schedule *schedule, const struct ss_step *step) {
    static const char *const signs[] = {
        [SS_EQ] = "=", [SS_NE] = "!=", [SS_LT] = "<", [SS_LE] = "<=", [SS_GT] = ">", [SS_GE] = ">="};
    if (step->guard != SS_ALWAYS) {
        fputs("when ", out);
        write_expression(out, schedule, &step->guard_left);
        fprintf(out, " %s ", signs[step->guard]);
        write_expression(out, schedule, &step->guard_right);
        fputs(" : ", out);
    }
    fputs(ss_verb_name(step->verb), out);
    write_arguments(out, schedule, step);
}

static void write_session(FILE *out, const struct ss_schedule *schedule, unsigned session) {
    fprintf(out, "s%u: ", session + 1);
    for (unsigned i = schedule->first_step[session]; i < schedule->first_step[session + 1]; i++) {
        const struct ss_step *step = &schedule->steps[i];
        if (step->number > 0) fputs(step->joined ? " & " : " | ", out);
        write_step(out, schedule, step);
    }
    fputs("\n", out);
}

/* --- what is run and expected
 * ------------------------------------------------------------------------------------------ */

static void write_listed(FILE *out, const struct ss_schedule *schedule) {
    for (unsigned n = 0; n < schedule->listed_count; n++) {
        fputs("run", out);
        for (unsigned i = 0; i < schedule->step_count; i++)
            fprintf(out, " %u", schedule->steps[schedule->listed[n][i]].session + 1u);
        fputs("\n", out);
    }
}

static void write_value(FILE *out, int64_t value) {
    if (value == SS_ABSENT)
        fputs("-", out);
    else
        fprintf(out, "%lld", (long long)value);
}

static void write_answer(FILE *out, const struct ss_schedule *schedule, const struct ss_condition *condition) {
    if (condition->is_status) {
        fputs(ssp_status_name(condition->status), out);
    } else if (condition->is_rows) {
        fputs("{", out);
        for (unsigned i = 0; i < condition->row_count; i++)
            fprintf(out, "%s%s=%lld", i > 0 ? "," : "", schedule->keys[condition->rows[i].key],
                    (long long)condition->rows[i].value);
        fputs("}", out);
    } else {
        write_value(out, condition->value);
    }
}

static void write_condition(FILE *out, const struct ss_schedule *schedule, const struct ss_condition *condition) {
    bool committed = condition->kind == SS_COMMITTED;
    fputs(condition->negated ? " !" : " ", out);
    switch (condition->kind) {
    case SS_ALL_COMMIT: fputs("all-commit", out); return;
    case SS_UNSERIAL: fputs("not-serial", out); return;
    case SS_FINAL:
        fprintf(out, "final %s=", schedule->keys[condition->key]);
        write_value(out, condition->value);
        return;
    default: break;
    }
    fprintf(out, "s%u.", condition->session + 1u);
    if (condition->step == SS_STEPS_MAX) {
        fputs(committed ? "commit" : "abort", out);
        return;
    }
    fprintf(out, "%u=", schedule->steps[condition->step].number + 1u);
    if (condition->kind == SS_ANSWER)
        write_answer(out, schedule, condition);
    else
        fputs(committed ? "commit" : "abort", out);
}

static void write_rule(FILE *out, const struct ss_rule *rule) {
    static const char *const names[] = {
        [SS_MUST] = "must", [SS_SHOW] = "show", [SS_PRECISION] = "precision", [SS_ALLOW] = "allow"};
    fputs(names[rule->kind], out);
    if (rule->kind == SS_PRECISION) fprintf(out, " %u", rule->number);
    fprintf(out, " %s", ss_level_name(rule->level));
    char before = '@';
    bool all = rule->schemes[0] && rule->schemes[1] && rule->schemes[2];
    for (unsigned i = 0; i < SS_SCHEMES && !all; i++) {
        if (!rule->schemes[i]) continue;
        fprintf(out, "%c%s", before, ss_schemes[i]);
        before = ',';
    }
    fputs("\n", out);
}

int ss_write(FILE *out, const struct ss_schedule *schedule) {
    fprintf(out, "schedule %s %s\n", schedule->id, schedule->name);
    if (schedule->about[0] != 0) fprintf(out, "about %s\n", schedule->about);
    if (schedule->like[0] != 0) fprintf(out, "like %s\n", schedule->like);
    for (unsigned i = 0; i < schedule->constraint_count; i++)
        fprintf(out, "constraint %s\n", schedule->rules_of_rows[i]);
    for (unsigned k = 0; k < schedule->key_count; k++)
        if (schedule->initial[k] != SS_ABSENT)
            fprintf(out, "init %s=%lld\n", schedule->keys[k], (long long)schedule->initial[k]);
    for (unsigned s = 0; s < schedule->session_count; s++) write_session(out, schedule, s);
    write_listed(out, schedule);
    for (unsigned i = 0; i < schedule->condition_count; i++) {
        fputs("anomaly", out);
        write_condition(out, schedule, &schedule->conditions[i]);
        fputs("\n", out);
    }
    for (unsigned i = 0; i < schedule->rule_count; i++) write_rule(out, &schedule->rules[i]);
    return ferror(out) ? VARVE_IO : VARVE_OK;
}
