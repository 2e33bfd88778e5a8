/* constraints_int.h - private to src/constraints: a rule, a kind of rule, and the table of kinds.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CONSTRAINTS_CONSTRAINTS_INT_H
#define VARVE_CONSTRAINTS_CONSTRAINTS_INT_H

#include "constraints/constraints.h"

enum { VCN_NAME_MAX = 63, VCN_TEXT_MAX = 4096, VCN_PATTERN_MAX = 1024 };

struct vcn_pattern; /* a compiled PCRE2 pattern: pattern.c */

/* One parsed rule; immutable once its set is published. */
struct vcn_rule {
    char name[VCN_NAME_MAX + 1];
    const struct vcn_kind *kind;
    char *text; /* as given, [strlen + 1] */
    uint64_t low, high;
    struct vcn_pattern *pattern;
    struct vcn_callbacks *callbacks;
    char function[VCN_NAME_MAX + 1];
};

/* What a row is refused for; the text goes into the detail after "rule NAME of table T, key K: ". */
struct vcn_verdict {
    char text[128];
};

/* A kind of rule: one line in the table of rule_kinds.c. */
typedef int (*vcn_parse_fn)(struct vcn_rule *rule, const char *parameters, struct vk_detail *detail);
/* VARVE_OK, VARVE_CONSTRAINT with the verdict's text, or VARVE_NOMEM. Any thread. */
typedef int (*vcn_check_fn)(const struct vcn_rule *rule, varve_slice key, varve_slice value,
                            struct vcn_verdict *verdict);
struct vcn_kind {
    const char *name;
    vcn_parse_fn parse;
    vcn_check_fn check;
};
extern const struct vcn_kind vcn_kinds[];
extern const size_t vcn_kind_count;

/* pattern.c: anchored at both ends; limits on match steps, depth and heap. INVALID with offset and reason. */
int vcn_pattern_create(const char *text, struct vcn_pattern **pattern, struct vk_detail *detail);
void vcn_pattern_free(struct vcn_pattern *pattern);
/* VARVE_OK: it matches. VARVE_CONSTRAINT with why not (no match, or a limit). VARVE_NOMEM. */
int vcn_pattern_match(const struct vcn_pattern *pattern, varve_slice subject, struct vcn_verdict *verdict);

/* callbacks.c: the function of that name, false when none is registered. */
bool vcn_callbacks_find(struct vcn_callbacks *callbacks, const char *name, varve_constraint_fn *fn, void **arg);

#endif
