/* rule_kinds.c - the kinds of rules: how each reads its parameters and judges a row.
 *
 * A new kind is two functions and one line in the table at the end. Stateless; any thread.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include "constraints/constraints_int.h"

static bool parse_number(const char **text, uint64_t *number) {
    const char *p = *text;
    while (*p == ' ') p++;
    const char *first = p;
    *number = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(*number, 10u, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*p - '0'), number))
            return false;
    *text = p;
    return p != first;
}

/* "MIN MAX", inclusive. */
static int parse_bounds(struct vcn_rule *rule, const char *parameters, struct vk_detail *detail) {
    const char *p = parameters;
    bool good = parse_number(&p, &rule->low) && *p == ' ' && parse_number(&p, &rule->high);
    while (*p == ' ') p++;
    if (!good || *p != 0)
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "rule %s: %s needs two numbers, MIN MAX, not '%s'",
                       rule->name, rule->kind->name, parameters);
    if (rule->low > rule->high)
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "rule %s: MIN is above MAX", rule->name);
    return VARVE_OK;
}

static int check_size(const struct vcn_rule *rule, const char *what, size_t size, struct vcn_verdict *verdict) {
    if (size >= rule->low && size <= rule->high) return VARVE_OK;
    snprintf(verdict->text, sizeof verdict->text, "the %s has %zu bytes, %llu to %llu are allowed", what, size,
             (unsigned long long)rule->low, (unsigned long long)rule->high);
    return VARVE_CONSTRAINT;
}

static int check_key_bytes(const struct vcn_rule *rule, varve_slice key, varve_slice value,
                           struct vcn_verdict *verdict) {
    (void)value;
    return check_size(rule, "key", key.size, verdict);
}

static int check_value_bytes(const struct vcn_rule *rule, varve_slice key, varve_slice value,
                             struct vcn_verdict *verdict) {
    (void)key;
    return check_size(rule, "value", value.size, verdict);
}

static int parse_pattern(struct vcn_rule *rule, const char *parameters, struct vk_detail *detail) {
    int status = vcn_pattern_create(parameters, &rule->pattern, detail);
    if (status != VARVE_INVALID) return status;
    char reason[sizeof detail->text];
    memcpy(reason, detail->text, sizeof reason);
    return vk_fail(detail, status, VARVE_REASON_CALLER, "rule %s: %.180s", rule->name, reason);
}

static int check_key_pattern(const struct vcn_rule *rule, varve_slice key, varve_slice value,
                             struct vcn_verdict *verdict) {
    (void)value;
    return vcn_pattern_match(rule->pattern, key, verdict);
}

static int check_value_pattern(const struct vcn_rule *rule, varve_slice key, varve_slice value,
                               struct vcn_verdict *verdict) {
    (void)key;
    return vcn_pattern_match(rule->pattern, value, verdict);
}

static int parse_callback(struct vcn_rule *rule, const char *parameters, struct vk_detail *detail) {
    size_t size = strlen(parameters);
    if (size == 0 || size > VCN_NAME_MAX || strchr(parameters, ' ') != NULL)
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER,
                       "rule %s: callback needs the name of a registered function", rule->name);
    memcpy(rule->function, parameters, size + 1);
    return VARVE_OK;
}

static int check_callback(const struct vcn_rule *rule, varve_slice key, varve_slice value,
                          struct vcn_verdict *verdict) {
    varve_constraint_fn fn;
    void *arg;
    if (!vcn_callbacks_find(rule->callbacks, rule->function, &fn, &arg)) {
        snprintf(verdict->text, sizeof verdict->text, "function %s is not registered, so the table is read-only",
                 rule->function);
        return VARVE_CONSTRAINT;
    }
    int answer = fn(arg, key, value);
    if (answer == 0) return VARVE_OK;
    snprintf(verdict->text, sizeof verdict->text, "function %s refuses it (%d)", rule->function, answer);
    return VARVE_CONSTRAINT;
}

const struct vcn_kind vcn_kinds[] = {
    {.name = "key_bytes", .parse = parse_bounds, .check = check_key_bytes},
    {.name = "value_bytes", .parse = parse_bounds, .check = check_value_bytes},
    {.name = "key_pattern", .parse = parse_pattern, .check = check_key_pattern},
    {.name = "value_pattern", .parse = parse_pattern, .check = check_value_pattern},
    {.name = "callback", .parse = parse_callback, .check = check_callback},
};
const size_t vcn_kind_count = sizeof vcn_kinds / sizeof *vcn_kinds;
