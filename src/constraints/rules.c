/* rules.c - a table's rule set: parsing it, and checking rows against it.
 *
 *  G1  a set is immutable once created; it is replaced whole under the drain gate
 *  G2  a check changes nothing: a refused row leaves no trace
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/nearest.h"
#include "constraints/constraints_int.h"

struct vcn_rules {
    size_t count;
    struct vcn_rule rules[]; /* [count] */
};

static size_t set_bytes(size_t count) { return sizeof(struct vcn_rules) + count * sizeof(struct vcn_rule); }

/* Copies the next word; what follows it, blanks skipped, is the rest. False: none, or too long. */
static bool take_word(const char **text, char word[VCN_NAME_MAX + 1]) {
    const char *p = *text;
    while (*p == ' ') p++;
    size_t size = strcspn(p, " ");
    if (size == 0 || size > VCN_NAME_MAX) return false;
    memcpy(word, p, size);
    word[size] = 0;
    p += size;
    while (*p == ' ') p++;
    *text = p;
    return true;
}

static int find_kind(const char *word, struct vcn_rule *rule, struct vk_detail *detail) {
    const char *names[16];
    VB_ASSERT(vcn_kind_count <= sizeof names / sizeof *names);
    for (size_t i = 0; i < vcn_kind_count; i++) {
        names[i] = vcn_kinds[i].name;
        if (strcmp(word, names[i]) == 0) {
            rule->kind = &vcn_kinds[i];
            return VARVE_OK;
        }
    }
    return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "rule %s: no kind '%s'; the nearest is '%s'", rule->name,
                   word, vb_nearest(word, names, vcn_kind_count));
}

static int parse_rule(struct vcn_rule *rule, const char *text, struct vcn_callbacks *callbacks,
                      struct vk_detail *detail) {
    const char *rest = text;
    char kind[VCN_NAME_MAX + 1];
    size_t size = strlen(text);
    if (size > VCN_TEXT_MAX)
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "a rule has at most %d bytes", (int)VCN_TEXT_MAX);
    if (!take_word(&rest, rule->name) || !take_word(&rest, kind))
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "a rule is \"NAME KIND PARAMETER...\", not '%.100s'",
                       text);
    int status = find_kind(kind, rule, detail);
    if (status != VARVE_OK) return status;
    rule->callbacks = callbacks;
    rule->text = vb_alloc(size + 1);
    if (rule->text == NULL) return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for a rule");
    memcpy(rule->text, text, size + 1);
    return rule->kind->parse(rule, rest, detail);
}

int vcn_rules_create(const char *const *texts, size_t count, struct vcn_callbacks *callbacks, struct vcn_rules **out,
                     struct vk_detail *detail) {
    struct vcn_rules *set = vb_alloc(set_bytes(count));
    if (set == NULL) return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for rules");
    set->count = count;
    int status = VARVE_OK;
    for (size_t i = 0; i < count && status == VARVE_OK; i++) {
        status = parse_rule(&set->rules[i], texts[i], callbacks, detail);
        for (size_t j = 0; j < i && status == VARVE_OK; j++)
            if (strcmp(set->rules[i].name, set->rules[j].name) == 0)
                status = vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "there is a rule %s already",
                                 set->rules[i].name);
    }
    if (status == VARVE_OK)
        *out = set;
    else
        vcn_rules_free(set);
    return status;
}

void vcn_rules_free(struct vcn_rules *set) {
    if (set == NULL) return;
    for (size_t i = 0; i < set->count; i++) {
        struct vcn_rule *rule = &set->rules[i];
        vcn_pattern_free(rule->pattern);
        if (rule->text != NULL) vb_free(rule->text, strlen(rule->text) + 1);
    }
    vb_free(set, set_bytes(set->count));
}

size_t vcn_rules_count(const struct vcn_rules *rules) { return rules->count; }
const char *vcn_rules_text(const struct vcn_rules *rules, size_t index) { return rules->rules[index].text; }

int vcn_rules_find(const struct vcn_rules *rules, const char *name) {
    for (size_t i = 0; i < rules->count; i++)
        if (strcmp(rules->rules[i].name, name) == 0) return (int)i;
    return -1;
}

int vcn_check_row(const struct vcn_rules *rules, const char *table_name, varve_slice key, varve_slice value,
                  struct vk_detail *detail) {
    for (size_t i = 0; rules != NULL && i < rules->count; i++) {
        const struct vcn_rule *rule = &rules->rules[i];
        struct vcn_verdict verdict;
        int status = rule->kind->check(rule, key, value, &verdict);
        if (status == VARVE_OK) continue;
        if (status == VARVE_NOMEM)
            return vk_fail(detail, status, VARVE_REASON_RESOURCE, "rule %s: out of memory", rule->name);
        char shown[64];
        vb_printable(key, shown, sizeof shown);
        return vk_fail(detail, status, VARVE_REASON_CONSTRAINT, "rule %s of table %s, key %s: %s", rule->name,
                       table_name, shown, verdict.text);
    }
    return VARVE_OK;
}
