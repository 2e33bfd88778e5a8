/* constraints.h - the face of the constraint validator: a decorator in front of the version store, in every scheme.
 *
 * Rules are declared per table as text (varve.h), parsed into a rule set, and checked when a row is staged. A rule kind
 * is one line in a table of kinds (rule_kinds.c), so that further kinds come in without touching the others. Rule sets
 * are immutable once published; the caller replaces the whole set under the drain gate.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CONSTRAINTS_CONSTRAINTS_H
#define VARVE_CONSTRAINTS_CONSTRAINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/detail.h"
#include "varve.h"

struct vcn_rules;     /* the rules of one table */
struct vcn_callbacks; /* functions registered with one database */

int vcn_callbacks_open(struct vcn_callbacks **callbacks);
void vcn_callbacks_close(struct vcn_callbacks *callbacks);
int vcn_callbacks_register(struct vcn_callbacks *callbacks, const char *name, varve_constraint_fn fn,
                           void *arg); /* replaces */

/* A set made of `count` rule texts. INVALID with the reason (unknown kind with the nearest known one, bad number,
 * pattern error with its offset, name used twice). count 0 gives an empty set. */
int vcn_rules_create(const char *const *texts, size_t count, struct vcn_callbacks *callbacks, struct vcn_rules **rules,
                     struct vk_detail *detail);
void vcn_rules_free(struct vcn_rules *rules);
size_t vcn_rules_count(const struct vcn_rules *rules);
const char *vcn_rules_text(const struct vcn_rules *rules, size_t index);
/* Index of the rule of that name, or -1. */
int vcn_rules_find(const struct vcn_rules *rules, const char *name);

/* Row rules, at put, insert and update: OK or CONSTRAINT with rule, table and key in detail. Stages nothing. Any
 * thread. */
int vcn_check_row(const struct vcn_rules *rules, const char *table_name, varve_slice key, varve_slice value,
                  struct vk_detail *detail);
/* True when the set holds no rule that could refuse anything: the caller skips the call. */
static inline bool vcn_none(const struct vcn_rules *rules) { return rules == NULL; }

#endif
