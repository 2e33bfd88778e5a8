/* scene.c - the storage of a scene and the small text helpers that every drawing uses.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include "report/scene.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- storage -------------------------------------------------------------------------------------------------------
 */

void sc_release(struct sc_scene *scene) {
    free(scene->rows);
    free(scene->boxes);
    free(scene->edges);
    free(scene->lanes);
    memset(scene, 0, sizeof *scene);
}

/* Makes room for one more of `bytes` in an array of *capacity that holds `count`; NULL: no memory, nothing has changed.
 */
static void *grow(void *array, int count, int *capacity, size_t bytes) {
    if (count < *capacity) return array;
    int wanted = *capacity ? *capacity * 2 : 16;
    void *grown = realloc(array, (size_t)wanted * bytes);
    if (grown) *capacity = wanted;
    return grown;
}

int sc_row_add(struct sc_scene *scene, const struct sc_row *row, int *index) {
    struct sc_row *rows = grow(scene->rows, scene->row_count, &scene->row_capacity, sizeof *rows);
    if (!rows) return VARVE_NOMEM;
    scene->rows = rows;
    rows[scene->row_count] = *row;
    if (index) *index = scene->row_count;
    scene->row_count++;
    return VARVE_OK;
}

int sc_box_add(struct sc_scene *scene, const struct sc_box *box, int *index) {
    struct sc_box *boxes = grow(scene->boxes, scene->box_count, &scene->box_capacity, sizeof *boxes);
    if (!boxes) return VARVE_NOMEM;
    scene->boxes = boxes;
    boxes[scene->box_count] = *box;
    if (index) *index = scene->box_count;
    scene->box_count++;
    return VARVE_OK;
}

int sc_edge_add(struct sc_scene *scene, const struct sc_edge *edge) {
    struct sc_edge *edges = grow(scene->edges, scene->edge_count, &scene->edge_capacity, sizeof *edges);
    if (!edges) return VARVE_NOMEM;
    scene->edges = edges;
    edges[scene->edge_count++] = *edge;
    return VARVE_OK;
}

int sc_lanes_set(struct sc_scene *scene, int count) {
    free(scene->lanes);
    scene->lane_count = 0;
    scene->lanes = calloc(count ? (size_t)count : 1, sizeof *scene->lanes);
    if (!scene->lanes) return VARVE_NOMEM;
    scene->lane_count = count;
    return VARVE_OK;
}

void sc_bounds(struct sc_scene *scene) {
    for (int b = 0; b < scene->box_count; b++) scene->boxes[b].first_row = scene->boxes[b].last_row = SC_NONE;
    for (int r = 0; r < scene->row_count; r++) {
        if (scene->rows[r].box == SC_NONE) continue;
        struct sc_box *box = &scene->boxes[scene->rows[r].box];
        if (box->first_row == SC_NONE) box->first_row = r;
        box->last_row = r;
    }
}

/* --- names ---------------------------------------------------------------------------------------------------------
 */

const char *sc_edge_name(enum ck_edge_kind kind) {
    static const char *const names[] = {
        [CK_WW] = "ww",       [CK_WR] = "wr",        [CK_RW] = "rw",
        [CK_RW_RANGE] = "rw", [CK_RT] = "real time", [CK_SO] = "session",
    };
    return names[kind];
}

const char *sc_edge_about(enum ck_edge_kind kind) {
    static const char *const texts[] = {
        [CK_WW] = "wrote over what the other had written", [CK_WR] = "was read by the other",
        [CK_RW] = "read what the other then wrote over",   [CK_RW_RANGE] = "scanned what the other then changed",
        [CK_RT] = "ended before the other began",          [CK_SO] = "came earlier in one session",
    };
    return texts[kind];
}

const char *sc_level_name(varve_isolation level) {
    static const char *const names[] = {
        "", "read uncommitted", "read committed", "repeatable read", "snapshot", "serializable",
    };
    return (unsigned)level < sizeof names / sizeof *names ? names[level] : "";
}

const char *sc_reason_name(int reason) {
    static const char *const names[] = {
        [VARVE_REASON_NONE] = "",
        [VARVE_REASON_WRITE_WRITE] = "first committer",
        [VARVE_REASON_READ] = "read changed",
        [VARVE_REASON_PHANTOM] = "range changed",
        [VARVE_REASON_STALE] = "stale snapshot",
        [VARVE_REASON_PRECONDITION] = "presence changed",
        [VARVE_REASON_WOUNDED] = "wounded",
        [VARVE_REASON_DIED] = "died",
        [VARVE_REASON_CYCLE] = "wait cycle",
        [VARVE_REASON_LOCK_TIMEOUT] = "lock timeout",
        [VARVE_REASON_CONSTRAINT] = "constraint",
        [VARVE_REASON_RESOURCE] = "resources",
        [VARVE_REASON_CALLER] = "misuse",
        [VARVE_REASON_FAILED] = "failed database",
    };
    return (unsigned)reason < sizeof names / sizeof *names ? names[reason] : "";
}

const char *sc_reason_about(int reason) {
    static const char *const texts[] = {
        [VARVE_REASON_NONE] = "A transaction is refused.",
        [VARVE_REASON_WRITE_WRITE] =
            "Refused: another had already committed a newer version of a row that was to be written.",
        [VARVE_REASON_READ] = "Refused: a row that had been read has changed since.",
        [VARVE_REASON_PHANTOM] = "Refused: a range that had been read has gained or lost rows since.",
        [VARVE_REASON_STALE] = "Refused: the snapshot was overtaken, and the transaction went on to write.",
        [VARVE_REASON_PRECONDITION] = "Refused: a row that had to be absent, or present, no longer is.",
        [VARVE_REASON_WOUNDED] = "Refused: an older transaction needed a lock that this one held.",
        [VARVE_REASON_DIED] = "Refused: an older transaction held the lock.",
        [VARVE_REASON_CYCLE] = "Refused: the transactions waited for each other in a circle.",
        [VARVE_REASON_LOCK_TIMEOUT] = "Refused: it waited too long for a lock.",
        [VARVE_REASON_CONSTRAINT] = "Refused: a declared rule does not hold.",
    };
    return (unsigned)reason < sizeof texts / sizeof *texts ? texts[reason] : texts[0];
}

const char *sc_status_name(int status) {
    switch (status) {
    case VARVE_OK: return "ok";
    case VARVE_NOTFOUND: return "not found";
    case VARVE_EXISTS: return "exists";
    case VARVE_END: return "end";
    case VARVE_CONFLICT: return "conflict";
    case VARVE_DEADLOCK: return "deadlock";
    case VARVE_SNAPSHOT_TOO_OLD: return "snapshot too old";
    case VARVE_CONSTRAINT: return "constraint";
    case VARVE_READONLY: return "read only";
    case VARVE_TIMEOUT: return "timeout";
    case VARVE_MISUSE: return "misuse";
    default: return "error";
    }
}

/* --- text ----------------------------------------------------------------------------------------------------------
 */

void sc_append(char *text, size_t bytes, const char *format, ...) {
    size_t used = strlen(text);
    if (used + 1 >= bytes) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, bytes - used, format, arguments);
    va_end(arguments);
}

void sc_append_value(char *text, size_t bytes, int64_t value) {
    if (value == HS_ABSENT)
        sc_append(text, bytes, "none");
    else
        sc_append(text, bytes, "%lld", (long long)value);
}

void sc_edge_label(struct sc_edge *edge, const char *key, int64_t from, int64_t to) {
    bool one = edge->kind == CK_WR && from == to;
    *edge->label = 0;
    sc_append(edge->label, sizeof edge->label, one ? "%s = " : "%s: ", key);
    sc_append_value(edge->label, sizeof edge->label, from);
    if (one) return;
    sc_append(edge->label, sizeof edge->label, " \u2192 ");
    sc_append_value(edge->label, sizeof edge->label, to);
}

/* Bytes of a code point by its first byte, and the smallest value that needs so many; 0 for a byte that begins none. */
static unsigned code_point_bytes(unsigned char first, unsigned *least) {
    *least = first < 0x80 ? 0 : first < 0xe0 ? 0x80 : first < 0xf0 ? 0x800 : 0x10000;
    return first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
}

unsigned sc_code_point(const unsigned char *text, size_t size) {
    unsigned least, bytes = size ? code_point_bytes(text[0], &least) : 0;
    if (!bytes || bytes > size) return 0;
    uint32_t value = bytes == 1 ? text[0] : text[0] & (0x7fu >> bytes);
    for (unsigned i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0;
        value = value << 6 | (text[i] & 0x3fu);
    }
    bool control = (value < 0x20 && value != '\n') || (value >= 0x7f && value < 0xa0);
    bool turned = (value >= 0x200e && value <= 0x200f) || (value >= 0x2028 && value <= 0x202e) ||
                  (value >= 0x2066 && value <= 0x2069); /* marks that turn the direction of text, or break a line */
    bool hole = (value >= 0xd800 && value < 0xe000) || (value & 0xfffe) == 0xfffe || value > 0x10ffff;
    return value < least || control || turned || hole ? 0 : bytes;
}

unsigned sc_columns(const char *text) {
    unsigned columns = 0;
    for (size_t left = strlen(text); left; columns++) {
        unsigned bytes = sc_code_point((const unsigned char *)text, left);
        text += bytes ? bytes : 1;
        left -= bytes ? bytes : 1;
    }
    return columns;
}

size_t sc_prefix(const char *text, unsigned columns) {
    size_t size = strlen(text), at = 0;
    while (at < size && columns--) {
        unsigned bytes = sc_code_point((const unsigned char *)text + at, size - at);
        at += bytes ? bytes : 1;
    }
    return at;
}

size_t sc_line(const char *text, unsigned columns, const char **next) {
    size_t end = strcspn(text, "\n"), fits = sc_prefix(text, columns ? columns : 1);
    if (fits >= end) {
        *next = text + end + (text[end] == '\n');
        return end;
    }
    size_t cut = fits;
    while (cut > 0 && text[cut] != ' ') cut--;
    if (!cut) {
        *next = text + fits;
        return fits;
    }
    *next = text + cut + 1;
    return cut;
}
