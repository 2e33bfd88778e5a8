/* wellformed.h - whether a text is a well-formed XML element: tags that match, attributes in quotes, entities that
 * exist, characters that XML allows. Enough of XML 1.0 for what the suite writes, and stricter than a browser.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_WELLFORMED_H
#define VARVE_TESTS_WELLFORMED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { WF_DEPTH_MAX = 64, WF_NAME_BYTES = 32 };

struct wf_reader {
    const char *at, *end;
    char open[WF_DEPTH_MAX][WF_NAME_BYTES];
    unsigned depth, elements;
    char fault[160];
};

static inline bool wf_fault(struct wf_reader *r, const char *what) {
    snprintf(r->fault, sizeof r->fault, "%s before \"%.*s\"", what, (int)(r->end - r->at < 60 ? r->end - r->at : 60),
             r->at);
    return false;
}

static inline bool wf_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == ':' ||
           c == '_';
}

static inline size_t wf_name(const struct wf_reader *r, char *name) {
    size_t size = 0;
    while (r->at + size < r->end && wf_name_byte(r->at[size]) && size + 1 < WF_NAME_BYTES) {
        name[size] = r->at[size];
        size++;
    }
    name[size] = 0;
    return size;
}

/* One character of text or of an attribute's value. */
static inline bool wf_character(struct wf_reader *r) {
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    unsigned char first = (unsigned char)*r->at;
    if (first == '&') {
        for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
            if (!strncmp(r->at, entities[i], strlen(entities[i]))) {
                r->at += strlen(entities[i]);
                return true;
            }
        return wf_fault(r, "an entity that is none");
    }
    if (first == '<' || (first < 0x20 && first != '\n' && first != '\t') || first == 0x7f)
        return wf_fault(r, "a character that may not stand here");
    unsigned bytes = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    if (!bytes || r->at + bytes > r->end) return wf_fault(r, "bytes that are not UTF-8");
    for (unsigned i = 1; i < bytes; i++)
        if (((unsigned char)r->at[i] & 0xc0) != 0x80) return wf_fault(r, "bytes that are not UTF-8");
    r->at += bytes;
    return true;
}

static inline bool wf_attributes(struct wf_reader *r) {
    char name[WF_NAME_BYTES];
    while (r->at < r->end && *r->at == ' ') {
        r->at++;
        size_t size = wf_name(r, name);
        if (!size || r->at + size + 2 >= r->end || strncmp(r->at + size, "=\"", 2))
            return wf_fault(r, "an attribute without a value in quotes");
        for (r->at += size + 2; r->at < r->end && *r->at != '"';)
            if (!wf_character(r)) return false;
        r->at++;
    }
    return true;
}

static inline bool wf_tag(struct wf_reader *r) {
    char name[WF_NAME_BYTES];
    bool closes = r->at[1] == '/';
    r->at += closes ? 2 : 1;
    size_t size = wf_name(r, name);
    if (!size) return wf_fault(r, "a tag without a name");
    r->at += size;
    if (closes) {
        if (!r->depth || strcmp(r->open[r->depth - 1], name)) return wf_fault(r, "a closing tag that closes nothing");
        r->depth--;
    } else {
        if (!wf_attributes(r)) return false;
        r->elements++;
        if (r->at < r->end && *r->at == '/') {
            r->at++;
        } else if (r->depth == WF_DEPTH_MAX) {
            return wf_fault(r, "too deep");
        } else {
            memcpy(r->open[r->depth++], name, size + 1);
        }
    }
    if (r->at >= r->end || *r->at != '>') return wf_fault(r, "a tag that does not end");
    r->at++;
    return true;
}

/* The number of elements; 0: not well formed, *fault says why. */
static inline unsigned wf_check(const char *text, size_t size, char *fault, size_t fault_bytes) {
    struct wf_reader r = {.at = text, .end = text + size};
    bool good = true;
    while (good && r.at < r.end) good = *r.at == '<' ? wf_tag(&r) : wf_character(&r);
    if (good && r.depth) good = wf_fault(&r, "an element is left open");
    snprintf(fault, fault_bytes, "%s", r.fault);
    return good ? r.elements : 0;
}

#endif
