/* build.h - histories written by hand: one line of text a transaction.
 *
 *   hb_txn(&b, "T1 ser B0 E5 S3 C7 : r x=1@3 ; w x=2 ; s [a,m) x=1@3 y=2@4 ; d y");
 *
 * Before the colon, in any order: a level (ru rc rr si ser; none = not known), B begin, E end, S snapshot, C cts, P
 * session, `aborted`, `unknown`, `torn`; a word that begins with T is a label for the reader. After it, operations:
 *   r K=V[@VERSION]   read; V may be -            own K=V#OP    read answered from own operation OP
 *   has K, hasnt K    contains                    w K=V, d K    put, delete
 *   ins K=V, upd K=V, del K                       insert, update, delete of what must be there
 *   insx K, updx K    refused: EXISTS, NOTFOUND   s [L,H) K=V@VERSION ... a scan; `rev` and `]` as they read; K=V#OP own
 *   add K=V           an addition                 app K=V, list K=1,2,3   list histories
 * An operation that begins with ! is rolled back; with + it is of the same statement as the one before.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_SUITE_CHECKER_BUILD_H
#define VARVE_TESTS_SUITE_CHECKER_BUILD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker/checker.h"

struct hb {
    struct hs_history h;
    uint16_t statement;
};

static inline void hb_must(int status, const char *what) {
    if (status == VARVE_OK) return;
    fprintf(stderr, "build: %s: %d\n", what, status);
    exit(1);
}

static inline void hb_init(struct hb *b, bool stamps) {
    hs_init(&b->h);
    b->h.stamps = stamps;
    b->h.timed = true;
    b->h.by_session = true;
}

static inline uint32_t hb_key(struct hb *b, const char *name, size_t size) {
    uint32_t id;
    hb_must(hs_key(&b->h, name, size, &id), "key");
    return id;
}

/* K=V@VERSION, K=V#OP, K=V or K. */
static inline struct hs_op hb_parse(struct hb *b, const char *text) {
    struct hs_op op = {.statement = b->statement, .value = HS_ABSENT};
    size_t size = strcspn(text, "=@#");
    op.key = hb_key(b, text, size);
    if (text[size] != '=') return op;
    char *end;
    if (text[size + 1] == '-')
        end = (char *)text + size + 2;
    else
        op.value = strtoll(text + size + 1, &end, 10);
    if (*end == '@') op.version = strtoull(end + 1, NULL, 10);
    if (*end == '#') {
        op.version = strtoull(end + 1, NULL, 10);
        op.flags = HS_OWN;
    }
    return op;
}

static inline void hb_scan(struct hb *b, char *words[], unsigned count) {
    struct hs_range range = {HS_OPEN, HS_OPEN, 0};
    char *bounds = words[0], *comma = strchr(bounds, ','), *end = bounds + strlen(bounds) - 1;
    if (bounds[0] == '(') range.flags |= HS_LOW_EXCLUSIVE;
    if (*end == ']') range.flags |= HS_HIGH_INCLUSIVE;
    if (comma > bounds + 1) range.low = hb_key(b, bounds + 1, (size_t)(comma - bounds - 1));
    if (end > comma + 1) range.high = hb_key(b, comma + 1, (size_t)(end - comma - 1));
    unsigned first = 1;
    if (count > 1 && strcmp(words[1], "rev") == 0) {
        range.flags |= HS_REVERSE;
        first = 2;
    }
    struct hs_op op = {.kind = HS_SCAN, .statement = b->statement, .value = (int64_t)count - first};
    hb_must(hs_range_add(&b->h, &range, &op.key), "range");
    hb_must(hs_op_add(&b->h, &op), "scan");
    for (unsigned i = first; i < count; i++) {
        op = hb_parse(b, words[i]);
        op.kind = HS_ROW;
        hb_must(hs_op_add(&b->h, &op), "row");
    }
}

static inline void hb_list(struct hb *b, const char *text) {
    struct hs_op op = hb_parse(b, text);
    int64_t elements[64];
    size_t count = 0;
    const char *at = strchr(text, '=');
    op.kind = HS_LIST;
    if (at != NULL && at[1] == '-') {
        op.value = HS_ABSENT;
    } else {
        for (char *end; at != NULL && at[1] != 0; at = end) {
            elements[count++] = strtoll(at + 1, &end, 10);
            if (*end != ',') break;
        }
        op.value = (int64_t)count;
        hb_must(hs_list_add(&b->h, elements, count, &op.version), "list");
    }
    hb_must(hs_op_add(&b->h, &op), "op");
}

static inline void hb_op(struct hb *b, char *text) {
    static const struct {
        const char *name;
        uint8_t kind, flags;
        int value; /* 1: as written; 0: 0; -1: absent */
    } verbs[] = {
        {"r", HS_READ, 0, 1},        {"own", HS_READ, HS_OWN, 1}, {"has", HS_EXISTS, 0, 0},
        {"hasnt", HS_EXISTS, 0, -1}, {"w", HS_WRITE, 0, 1},       {"d", HS_DELETE, 0, -1},
        {"ins", HS_WRITE, HS_NEEDS_ABSENT, 1},                    {"upd", HS_WRITE, HS_NEEDS_PRESENT, 1},
        {"del", HS_DELETE, HS_NEEDS_PRESENT, -1},                 {"insx", HS_WRITE, HS_NEEDS_ABSENT | HS_FAILED, 0},
        {"updx", HS_WRITE, HS_NEEDS_PRESENT | HS_FAILED, 0},      {"app", HS_APPEND, 0, 1},
        {"add", HS_WRITE, HS_ADDITION, 1},
    };
    char *words[24];
    unsigned count = 0;
    uint8_t flags = 0;
    if (text[0] == '+')
        text++;
    else
        b->statement++;
    if (text[0] == '!') {
        flags = HS_ROLLED_BACK;
        text++;
    }
    for (char *rest = NULL, *w = strtok_r(text, " ", &rest); w != NULL && count < 24; w = strtok_r(NULL, " ", &rest))
        words[count++] = w;
    if (count == 0) return;
    if (strcmp(words[0], "s") == 0) {
        hb_scan(b, words + 1, count - 1);
        return;
    }
    if (strcmp(words[0], "list") == 0) {
        hb_list(b, words[1]);
        return;
    }
    for (size_t v = 0; v < sizeof(verbs) / sizeof(verbs[0]); v++) {
        if (strcmp(verbs[v].name, words[0]) != 0) continue;
        struct hs_op op = hb_parse(b, words[1]);
        op.kind = verbs[v].kind;
        op.flags |= (uint8_t)(verbs[v].flags | flags);
        if (verbs[v].value <= 0) op.value = verbs[v].value == 0 ? 0 : HS_ABSENT;
        hb_must(hs_op_add(&b->h, &op), "op");
        return;
    }
    fprintf(stderr, "build: no such operation: %s\n", words[0]);
    exit(1);
}

static inline void hb_word(struct hs_txn *txn, const char *word) {
    static const char *const levels[] = {"", "ru", "rc", "rr", "si", "ser"};
    uint64_t number = strtoull(word + 1, NULL, 10);
    for (uint8_t i = 1; i < 6; i++)
        if (strcmp(word, levels[i]) == 0) txn->level = i;
    if (strcmp(word, "aborted") == 0) txn->outcome = HS_ABORTED;
    if (strcmp(word, "unknown") == 0) txn->outcome = HS_UNKNOWN;
    if (strcmp(word, "torn") == 0) txn->flags |= HS_TORN;
    switch (word[0]) {
    case 'B': txn->begin = number; break;
    case 'E': txn->end = number; break;
    case 'S': txn->snapshot = number; break;
    case 'C': txn->cts = number; break;
    case 'P': txn->session = (uint32_t)number; break;
    default: break;
    }
}

static inline void hb_txn(struct hb *b, const char *line) {
    char text[1024];
    struct hs_txn txn = {.end = 1000, .snapshot = HS_NO_STAMP, .session = (uint32_t)b->h.txn_count};
    snprintf(text, sizeof(text), "%s", line);
    char *ops = strchr(text, ':'), *rest = NULL;
    *ops++ = 0;
    for (char *w = strtok_r(text, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) hb_word(&txn, w);
    hb_must(hs_txn_add(&b->h, &txn), "transaction");
    b->statement = UINT16_MAX;
    for (char *o = strtok_r(ops, ";", &rest); o != NULL; o = strtok_r(NULL, ";", &rest)) {
        while (*o == ' ') o++;
        if (*o != 0) hb_op(b, o);
    }
}

/* Keys a .. e, x, y, z exist in every history so that ranges mean the same in all. Ends the program on a bad history. */
static inline void hb_finish(struct hb *b) {
    struct hs_problem problem = {0, ""};
    int status = hs_finish(&b->h, &problem);
    if (status == VARVE_OK) return;
    fprintf(stderr, "build: %s\n", problem.text);
    exit(1);
}

#endif
