/* format.c - the formats by name, and which one a file is in.
 *
 * A guess looks at the first filling of the input only: our binary form by its mark; text of the form r(...) or w(...);
 * EDN by a keyword or a word that JSON has not; our JSON lines by the name of their first member; Jepsen operations in
 * JSON by "type", sessions by what else begins with a bracket. Whether Jepsen operations are of lists or of registers
 * is seen from the operations while they are read.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "history/history_int.h"

static const char *const names[HS_FORMATS] = {
    [HS_FORMAT_AUTO] = "auto",
    [HS_FORMAT_JSONL] = "jsonl",
    [HS_FORMAT_BINARY] = "binary",
    [HS_FORMAT_EDN_LIST] = "edn-list",
    [HS_FORMAT_EDN_REGISTER] = "edn-register",
    [HS_FORMAT_JSON_LIST] = "json-list",
    [HS_FORMAT_JSON_REGISTER] = "json-register",
    [HS_FORMAT_PLUME] = "plume",
    [HS_FORMAT_DBCOP] = "dbcop",
};

const char *hs_format_name(enum hs_format format) { return (unsigned)format < HS_FORMATS ? names[format] : "unknown"; }

bool hs_format_find(const char *name, enum hs_format *format) {
    for (unsigned i = 0; i < HS_FORMATS; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *format = (enum hs_format)i;
        return true;
    }
    return false;
}

/* --- the guess ---------------------------------------------------------------------------------------------------- */

enum guess { GUESS_NONE, GUESS_JSONL, GUESS_BINARY, GUESS_EDN, GUESS_JSON, GUESS_PLUME, GUESS_DBCOP };

static bool holds(const struct hs_input *in, const char *word) {
    return memmem(in->buffer + in->at, in->end - in->at, word, strlen(word)) != NULL;
}

/* The first byte that is neither blank nor part of a comment; NULL: none. */
static const uint8_t *first_byte(const struct hs_input *in) {
    const uint8_t *p = in->buffer + in->at, *end = in->buffer + in->end;
    while (p < end && (strchr(" \t\r\n,", *p) != NULL || *p == ';' || *p == '#')) {
        if (*p == '#' && p + 1 < end && p[1] != ' ') return p;
        bool comment = *p == ';' || *p == '#';
        while (comment && p < end && *p != '\n') p++;
        if (p < end) p++;
    }
    return p < end ? p : NULL;
}

static enum guess guess(const struct hs_input *in) {
    const uint8_t *first = first_byte(in);
    if (in->end - in->at >= 8 && memcmp(in->buffer + in->at, "\x89VARVEH", 7) == 0) return GUESS_BINARY;
    if (first == NULL) return GUESS_NONE;
    const uint8_t *second = first + 1 < in->buffer + in->end ? first + 1 : first;
    if ((*first == 'r' || *first == 'w') && (*second == '(' || *second == ' ')) return GUESS_PLUME;
    if (*first == '(' || *first == '#') return GUESS_EDN;
    if (*first != '{' && *first != '[') return GUESS_NONE;
    if (holds(in, "\"varve-history\"")) return GUESS_JSONL;
    if (holds(in, ":type") || holds(in, ":value")) return GUESS_EDN;
    if (holds(in, "\"type\"")) return GUESS_JSON;
    if (holds(in, "\"events\"") || holds(in, "\"data\"")) return GUESS_DBCOP;
    return GUESS_NONE;
}

static int read_guessed(struct hs_input *in, struct hs_history *h, struct hs_problem *problem) {
    switch (guess(in)) {
    case GUESS_JSONL: return hs_read_jsonl(in, h, problem);
    case GUESS_BINARY: return hs_read_binary(in, h, problem);
    case GUESS_EDN: return hs_read_jepsen(in, true, HJ_ANY, h, problem);
    case GUESS_JSON: return hs_read_jepsen(in, false, HJ_ANY, h, problem);
    case GUESS_PLUME: return hs_read_plume(in, h, problem);
    case GUESS_DBCOP: return hs_read_dbcop(in, h, problem);
    case GUESS_NONE: break;
    }
    if (in->end == in->at) return hs_bad(problem, 1, "the file is empty");
    return hs_bad(problem, 1, "not a history in a form that is known by its beginning; --format names one");
}

static int read_as(struct hs_input *in, enum hs_format format, struct hs_history *h, struct hs_problem *problem) {
    switch (format) {
    case HS_FORMAT_AUTO: return read_guessed(in, h, problem);
    case HS_FORMAT_JSONL: return hs_read_jsonl(in, h, problem);
    case HS_FORMAT_BINARY: return hs_read_binary(in, h, problem);
    case HS_FORMAT_EDN_LIST: return hs_read_jepsen(in, true, HJ_LISTS, h, problem);
    case HS_FORMAT_EDN_REGISTER: return hs_read_jepsen(in, true, HJ_REGISTERS, h, problem);
    case HS_FORMAT_JSON_LIST: return hs_read_jepsen(in, false, HJ_LISTS, h, problem);
    case HS_FORMAT_JSON_REGISTER: return hs_read_jepsen(in, false, HJ_REGISTERS, h, problem);
    case HS_FORMAT_PLUME: return hs_read_plume(in, h, problem);
    case HS_FORMAT_DBCOP: return hs_read_dbcop(in, h, problem);
    case HS_FORMATS: break;
    }
    return hs_bad(problem, 0, "no such format");
}

int hs_read(FILE *file, enum hs_format format, struct hs_history *h, struct hs_problem *problem) {
    struct hs_input in;
    int status = hs_input_open(&in, file);
    if (status == VARVE_OK && in.end >= 3 && memcmp(in.buffer, "\xef\xbb\xbf", 3) == 0) in.at = 3;
    if (status == VARVE_OK) status = read_as(&in, format, h, problem);
    if (in.io_failed) status = VARVE_IO;
    if (status == VARVE_OK) status = hs_finish(h, problem);
    hs_input_close(&in);
    return status;
}

int hs_write(FILE *out, enum hs_format format, const struct hs_history *h, struct hs_problem *problem) {
    switch (format) {
    case HS_FORMAT_JSONL: return hs_write_jsonl(out, h, problem);
    case HS_FORMAT_BINARY: return hs_write_binary(out, h, problem);
    case HS_FORMAT_EDN_LIST:
    case HS_FORMAT_EDN_REGISTER:
    case HS_FORMAT_JSON_LIST:
    case HS_FORMAT_JSON_REGISTER: {
        bool lists = format == HS_FORMAT_EDN_LIST || format == HS_FORMAT_JSON_LIST;
        int status = hs_plain(h, lists, problem);
        if (status != VARVE_OK) return status;
        return hs_write_jepsen(out, format == HS_FORMAT_EDN_LIST || format == HS_FORMAT_EDN_REGISTER, h, problem);
    }
    case HS_FORMAT_PLUME: return hs_write_plume(out, h, problem);
    case HS_FORMAT_DBCOP: return hs_write_dbcop(out, h, problem);
    default: return hs_bad(problem, 0, "no such format to write");
    }
}
