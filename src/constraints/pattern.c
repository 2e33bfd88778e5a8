/* pattern.c - patterns by PCRE2, with limits: a hostile pattern or subject ends in a clear refusal, not in a hang.
 *
 * Compiled once, matched by any thread: PCRE2 code is read-only after compilation; each match has its own data.
 * Patterns are bytes, not characters. Source: Hazel, PCRE2 API (pcre2api(3), pcre2limits(3)).
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/alloc.h"
#include "constraints/constraints_int.h"

/* Steps are generous for real patterns (a 64 KiB key against a plain class needs about as many steps as bytes) and end
 * a nested repeat within milliseconds. */
enum { MATCH_STEPS_MAX = 1000000, DEPTH_MAX = 10000, HEAP_KIB_MAX = 8192, PREFIX_BYTES = 16 };

struct vcn_pattern {
    pcre2_general_context *general;
    pcre2_match_context *limits;
    pcre2_code *code;
};

/* PCRE2 frees without a size, so each block carries its own in front. */
static void *take(PCRE2_SIZE size, void *unused) {
    (void)unused;
    uint8_t *block = vb_alloc(size + PREFIX_BYTES);
    if (block == NULL) return NULL;
    memcpy(block, &size, sizeof size);
    return block + PREFIX_BYTES;
}

static void give(void *pointer, void *unused) {
    (void)unused;
    if (pointer == NULL) return;
    uint8_t *block = (uint8_t *)pointer - PREFIX_BYTES;
    PCRE2_SIZE size;
    memcpy(&size, block, sizeof size);
    vb_free(block, size + PREFIX_BYTES);
}

static int compile(struct vcn_pattern *pattern, const char *text, struct vk_detail *detail) {
    pcre2_compile_context *context = pcre2_compile_context_create(pattern->general);
    if (context == NULL) return VARVE_NOMEM;
    pcre2_set_max_pattern_length(context, VCN_PATTERN_MAX);
    pcre2_set_parens_nest_limit(context, 50);
    int code;
    PCRE2_SIZE offset;
    pattern->code = pcre2_compile((PCRE2_SPTR)text, strlen(text),
                                  PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL | PCRE2_NEVER_BACKSLASH_C |
                                      PCRE2_NEVER_UTF | PCRE2_NEVER_UCP,
                                  &code, &offset, context);
    pcre2_compile_context_free(context);
    if (pattern->code != NULL) return VARVE_OK;
    if (code == PCRE2_ERROR_HEAP_FAILED) return VARVE_NOMEM;
    PCRE2_UCHAR reason[120];
    if (pcre2_get_error_message(code, reason, sizeof reason) < 0) reason[0] = 0;
    return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "the pattern is not valid at byte %zu: %s",
                   (size_t)offset, (const char *)reason);
}

int vcn_pattern_create(const char *text, struct vcn_pattern **out, struct vk_detail *detail) {
    if (text[0] == 0) return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "a pattern is missing");
    struct vcn_pattern *pattern = vb_alloc(sizeof *pattern);
    if (pattern == NULL) return vk_fail(detail, VARVE_NOMEM, VARVE_REASON_RESOURCE, "out of memory for a pattern");
    int status = VARVE_NOMEM;
    pattern->general = pcre2_general_context_create(take, give, NULL);
    if (pattern->general != NULL) pattern->limits = pcre2_match_context_create(pattern->general);
    if (pattern->limits != NULL) {
        pcre2_set_match_limit(pattern->limits, MATCH_STEPS_MAX);
        pcre2_set_depth_limit(pattern->limits, DEPTH_MAX);
        pcre2_set_heap_limit(pattern->limits, HEAP_KIB_MAX);
        status = compile(pattern, text, detail);
    }
    if (status == VARVE_OK) {
        *out = pattern;
        return VARVE_OK;
    }
    vcn_pattern_free(pattern);
    return status == VARVE_NOMEM ? vk_fail(detail, status, VARVE_REASON_RESOURCE, "out of memory for a pattern")
                                 : status;
}

void vcn_pattern_free(struct vcn_pattern *pattern) {
    if (pattern == NULL) return;
    pcre2_code_free(pattern->code);
    pcre2_match_context_free(pattern->limits);
    pcre2_general_context_free(pattern->general);
    vb_free(pattern, sizeof *pattern);
}

int vcn_pattern_match(const struct vcn_pattern *pattern, varve_slice subject, struct vcn_verdict *verdict) {
    pcre2_match_data *data = pcre2_match_data_create(1, pattern->general);
    if (data == NULL) return VARVE_NOMEM;
    PCRE2_SPTR bytes = subject.size != 0 ? subject.data : (PCRE2_SPTR) "";
    int answer = pcre2_match(pattern->code, bytes, subject.size, 0, 0, data, pattern->limits);
    pcre2_match_data_free(data);
    if (answer >= 0) return VARVE_OK;
    if (answer == PCRE2_ERROR_NOMEMORY) return VARVE_NOMEM;
    const char *limit = answer == PCRE2_ERROR_MATCHLIMIT   ? "step"
                        : answer == PCRE2_ERROR_DEPTHLIMIT ? "depth"
                        : answer == PCRE2_ERROR_HEAPLIMIT  ? "memory"
                                                           : NULL;
    if (answer == PCRE2_ERROR_NOMATCH)
        snprintf(verdict->text, sizeof verdict->text, "it does not match the pattern");
    else if (limit != NULL)
        snprintf(verdict->text, sizeof verdict->text, "the pattern's %s limit was reached on it", limit);
    else
        snprintf(verdict->text, sizeof verdict->text, "the pattern cannot be tried on it (PCRE2 error %d)", answer);
    return VARVE_CONSTRAINT;
}
