/* text.c - rows as lines of text: TSV with escapes, and JSON lines.
 *
 * SPDX-License-Identifier: MIT
 */
#ifdef VARVE_HAVE_JANSSON
#include <jansson.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "varve_cmd.h"

/* Bytes of a well-formed UTF-8 character at p, 0 when it is none. */
static size_t utf8_bytes(const unsigned char *p, size_t left) {
    size_t size = p[0] < 0x80                    ? 1
                  : p[0] >= 0xc2 && p[0] <= 0xdf ? 2
                  : (p[0] & 0xf0) == 0xe0        ? 3
                  : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                 : 0;
    if (size == 0 || size > left) return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (size == 3 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0)))
        return 0; /* overlong, surrogate */
    if (size == 4 && ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90)))
        return 0; /* overlong, beyond the end */
    return size;
}

void cmd_write_escaped(FILE *out, varve_slice bytes) {
    const unsigned char *p = bytes.data;
    for (size_t i = 0; i < bytes.size;) {
        size_t size = utf8_bytes(p + i, bytes.size - i);
        if (p[i] == '\t')
            fputs("\\t", out);
        else if (p[i] == '\n')
            fputs("\\n", out);
        else if (p[i] == '\\')
            fputs("\\\\", out);
        else if (size == 0 || p[i] < 0x20 || p[i] == 0x7f)
            fprintf(out, "\\x%02x", p[i]);
        else
            fwrite(p + i, 1, size, out);
        i += size != 0 ? size : 1;
    }
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool cmd_unescape(char *bytes, size_t *size) {
    size_t to = 0;
    for (size_t from = 0; from < *size; from++) {
        if (bytes[from] != '\\') {
            bytes[to++] = bytes[from];
            continue;
        }
        char kind = from + 1 < *size ? bytes[++from] : 0;
        if (kind == 't')
            bytes[to++] = '\t';
        else if (kind == 'n')
            bytes[to++] = '\n';
        else if (kind == '\\')
            bytes[to++] = '\\';
        else if (kind == 'x' && from + 2 < *size && hex_digit(bytes[from + 1]) >= 0 &&
                 hex_digit(bytes[from + 2]) >= 0) {
            bytes[to++] = (char)(hex_digit(bytes[from + 1]) << 4 | hex_digit(bytes[from + 2]));
            from += 2;
        } else
            return false;
    }
    *size = to;
    return true;
}

/* --- JSON ------------------------------------------------------------------------------------------------------------
 */

#ifdef VARVE_HAVE_JANSSON

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *encode64(varve_slice bytes) {
    const unsigned char *p = bytes.data;
    char *text = malloc((bytes.size + 2) / 3 * 4 + 1);
    if (text == NULL) return NULL;
    size_t to = 0;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        unsigned word = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        text[to++] = alphabet[word >> 18];
        text[to++] = alphabet[word >> 12 & 63];
        text[to++] = left > 1 ? alphabet[word >> 6 & 63] : '=';
        text[to++] = left > 2 ? alphabet[word & 63] : '=';
    }
    text[to] = 0;
    return text;
}

static bool decode64(const char *text, size_t size, char *out, size_t *out_size) {
    unsigned word = 0, bits = 0;
    *out_size = 0;
    while (size != 0 && text[size - 1] == '=') size--;
    for (size_t i = 0; i < size; i++) {
        const char *at = strchr(alphabet, text[i]);
        if (at == NULL || text[i] == 0) return false;
        word = word << 6 | (unsigned)(at - alphabet);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out[(*out_size)++] = (char)(word >> bits & 0xff);
    }
    return true;
}

static bool is_text(varve_slice bytes) {
    const unsigned char *p = bytes.data;
    for (size_t i = 0; i < bytes.size;) {
        size_t size = utf8_bytes(p + i, bytes.size - i);
        if (size == 0) return false;
        i += size;
    }
    return true;
}

static json_t *json_bytes(varve_slice bytes, bool *as_text) {
    *as_text = is_text(bytes);
    if (*as_text) return json_stringn(bytes.size != 0 ? bytes.data : "", bytes.size);
    char *text = encode64(bytes);
    json_t *string = text != NULL ? json_string(text) : NULL;
    free(text);
    return string;
}

static int write_json(FILE *out, varve_slice key, varve_slice value) {
    bool key_text, value_text;
    json_t *row = json_object();
    json_t *k = json_bytes(key, &key_text), *v = json_bytes(value, &value_text);
    int bad = row == NULL || json_object_set_new(row, key_text ? "k" : "k64", k) != 0 ||
              json_object_set_new(row, value_text ? "v" : "v64", v) != 0 || json_dumpf(row, out, JSON_COMPACT) != 0;
    json_decref(row);
    return bad || fputc('\n', out) == EOF ? EOF : 0;
}

/* The bytes of member `name`, or of `name64`. False: neither is there, or not acceptable. */
static bool member_bytes(json_t *row, const char *name, const char *name64, varve_slice *out) {
    json_t *member = json_object_get(row, name);
    bool coded = member == NULL;
    if (coded) member = json_object_get(row, name64);
    if (!json_is_string(member)) return false;
    size_t size = json_string_length(member);
    char *bytes = malloc(size + 1);
    if (bytes == NULL) return false;
    bool good = true;
    if (coded)
        good = decode64(json_string_value(member), size, bytes, &size);
    else
        memcpy(bytes, json_string_value(member), size);
    *out = VARVE_SLICE(bytes, size);
    return good;
}

const char *cmd_parse_json(const char *line, size_t size, varve_slice *key, varve_slice *value) {
    static char reason[256];
    json_error_t error;
    *key = *value = VARVE_SLICE(NULL, 0);
    json_t *row = json_loadb(line, size, JSON_ALLOW_NUL, &error);
    if (row == NULL) {
        snprintf(reason, sizeof reason, "not JSON: %.200s", error.text);
        return reason;
    }
    const char *wrong = NULL;
    if (!json_is_object(row))
        wrong = "not an object";
    else if (!member_bytes(row, "k", "k64", key))
        wrong = "member k (or k64, base64) is missing or not a string";
    else if (!member_bytes(row, "v", "v64", value))
        wrong = "member v (or v64, base64) is missing or not a string";
    json_decref(row);
    return wrong;
}

#else

static int write_json(FILE *out, varve_slice key, varve_slice value) {
    (void)key;
    (void)value;
    fputs("varve: this build has no JSON (jansson was not there)\n", stderr);
    return out != NULL ? EOF : 0;
}

const char *cmd_parse_json(const char *line, size_t size, varve_slice *key, varve_slice *value) {
    (void)line;
    (void)size;
    *key = *value = VARVE_SLICE(NULL, 0);
    return "this build has no JSON (jansson was not there)";
}

#endif

int cmd_write_row(FILE *out, bool json, varve_slice key, varve_slice value) {
    if (json) return write_json(out, key, value);
    cmd_write_escaped(out, key);
    fputc('\t', out);
    cmd_write_escaped(out, value);
    return fputc('\n', out) == EOF ? EOF : 0;
}
