/* source.c - the rows: the package index that Debian's tools print, the list of installed packages where there is no
 * index, or a file of tab-separated lines.
 *
 * A stanza is a paragraph of "Field: text" lines; its key is "name_version_architecture", its value the whole stanza.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quickstart.h"

enum { WORTHWHILE = 100 }; /* fewer stanzas than this are no index */

static char *read_all(FILE *file, size_t *size) {
    size_t capacity = 1 << 20;
    char *text = malloc(capacity);
    *size = 0;
    while (text != NULL) {
        *size += fread(text + *size, 1, capacity - *size, file);
        if (*size < capacity) break;
        capacity *= 2;
        char *larger = realloc(text, capacity);
        if (larger == NULL) free(text);
        text = larger;
    }
    return text;
}

static int add_row(struct qs_source *source, varve_slice key, varve_slice value) {
    if (key.size == 0 || key.size > VARVE_KEY_MAX_BYTES) return 0;
    if ((source->count & (source->count - 1)) == 0) {
        size_t capacity = source->count == 0 ? 1 : source->count * 2;
        struct qs_row *rows = realloc(source->rows, capacity * sizeof(*rows));
        if (rows == NULL) return 1;
        source->rows = rows;
    }
    source->rows[source->count++] = (struct qs_row){key, value};
    return 0;
}

/* The end of the line that begins at `at`: its newline, or `end`. */
static const char *line_end(const char *at, const char *end) {
    const char *found = memchr(at, '\n', (size_t)(end - at));
    return found != NULL ? found : end;
}

/* The text of `field` in the stanza [at, end), or an empty slice. */
static varve_slice field_of(const char *at, const char *end, const char *field) {
    size_t length = strlen(field);
    while (at < end) {
        const char *stop = line_end(at, end);
        if ((size_t)(stop - at) > length + 2 && memcmp(at, field, length) == 0 && at[length] == ':')
            return VARVE_SLICE(at + length + 2, (size_t)(stop - at) - length - 2);
        at = stop + 1;
    }
    return VARVE_SLICE(NULL, 0);
}

static int add_stanza(struct qs_source *source, const char *at, const char *end) {
    varve_slice name = field_of(at, end, "Package"), version = field_of(at, end, "Version");
    varve_slice architecture = field_of(at, end, "Architecture");
    if (name.size == 0) return 0;
    size_t size = name.size + version.size + architecture.size + 2;
    char *key = malloc(size + 1);
    if (key == NULL) return 1;
    snprintf(key, size + 1, "%.*s_%.*s_%.*s", (int)name.size, (const char *)name.data, (int)version.size,
             version.size != 0 ? (const char *)version.data : "", (int)architecture.size,
             architecture.size != 0 ? (const char *)architecture.data : "");
    return add_row(source, VARVE_SLICE(key, size), VARVE_SLICE(at, (size_t)(end - at)));
}

static int parse_stanzas(struct qs_source *source, const char *text, size_t size) {
    const char *end = text + size, *start = text;
    int failed = 0;
    while (text < end && !failed) {
        const char *stop = line_end(text, end);
        const char *next = stop < end ? stop + 1 : end;
        if (stop == text || next == end) { /* an empty line, or the last one */
            failed = add_stanza(source, start, stop == text ? text : next);
            start = next;
        }
        text = next;
    }
    return failed;
}

static int parse_lines(struct qs_source *source, const char *text, size_t size) {
    const char *end = text + size;
    int failed = 0;
    while (text < end && !failed) {
        const char *stop = line_end(text, end);
        const char *tab = memchr(text, '\t', (size_t)(stop - text));
        const char *value = tab != NULL ? tab + 1 : stop;
        failed = add_row(source, VARVE_SLICE(text, (size_t)((tab != NULL ? tab : stop) - text)),
                         VARVE_SLICE(value, (size_t)(stop - value)));
        text = stop < end ? stop + 1 : end;
    }
    return failed;
}

static int compare(varve_slice a, varve_slice b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common != 0 ? memcmp(a.data, b.data, common) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_rows(const void *a, const void *b) {
    return compare(((const struct qs_row *)a)->key, ((const struct qs_row *)b)->key);
}

/* Sorts by key and keeps the first of equal keys: an index may list one package twice. */
static void arrange(struct qs_source *source, uint64_t limit) {
    uint64_t kept = 0;
    qsort(source->rows, source->count, sizeof(*source->rows), compare_rows);
    for (uint64_t i = 0; i < source->count; i++)
        if (kept == 0 || compare_rows(&source->rows[kept - 1], &source->rows[i]) != 0)
            source->rows[kept++] = source->rows[i];
    source->count = limit != 0 && limit < kept ? limit : kept;
    source->bytes = 0;
    for (uint64_t i = 0; i < source->count; i++) source->bytes += source->rows[i].key.size + source->rows[i].value.size;
}

static int read_stanzas(struct qs_source *source, FILE *file) {
    size_t size;
    char *text = file != NULL ? read_all(file, &size) : NULL; /* kept: the rows point into it */
    source->count = 0;
    return text == NULL || parse_stanzas(source, text, size) != 0;
}

int qs_source_read(struct qs_source *source, const char *path, uint64_t limit) {
    size_t size;
    FILE *file = path != NULL ? fopen(path, "r") : popen("apt-cache dumpavail 2>/dev/null", "r");
    int failed;
    source->origin = path != NULL ? path : "apt-cache dumpavail";
    if (path != NULL) {
        char *text = file != NULL ? read_all(file, &size) : NULL;
        failed = text == NULL || parse_lines(source, text, size) != 0;
        if (file != NULL) fclose(file);
    } else {
        failed = read_stanzas(source, file);
        if (file != NULL) pclose(file);
        if (failed || source->count < WORTHWHILE) {
            source->origin = "/var/lib/dpkg/status";
            file = fopen(source->origin, "r");
            failed = read_stanzas(source, file);
            if (file != NULL) fclose(file);
        }
    }
    if (!failed) arrange(source, limit);
    if (!failed && source->count >= QS_TOUCHED_MAX * 2) return 0;
    fprintf(stderr, "quickstart: %s has no rows to load; name a file of \"key<TAB>value\" lines\n", source->origin);
    return 1;
}

int64_t qs_source_find(const struct qs_source *source, varve_slice key) {
    uint64_t low = 0, high = source->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int order = compare(source->rows[middle].key, key);
        if (order == 0) return (int64_t)middle;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return -1;
}
