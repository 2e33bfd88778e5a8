/* read.c - reads one line: words, numbers, keys, ranges, names of steps.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "schedule/parse_int.h"

#define NUMBER_MOST (INT64_C(1) << 62)

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

void ssp_blanks(struct ssp_reader *reader) {
    while (reader->at < reader->end && is_blank(*reader->at)) reader->at++;
}

bool ssp_at_end(struct ssp_reader *reader) {
    ssp_blanks(reader);
    return reader->at == reader->end;
}

bool ssp_accept(struct ssp_reader *reader, const char *text) {
    size_t size = strlen(text);
    ssp_blanks(reader);
    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, text, size) != 0) return false;
    reader->at += size;
    return true;
}

/* What stands at the reader, for a message: at most 20 bytes, printable ones only. */
static const char *here(struct ssp_reader *reader, char text[24]) {
    unsigned size = 0;
    if (ssp_at_end(reader)) return "the end of the line";
    text[size++] = '`';
    for (const char *c = reader->at; c < reader->end && !is_blank(*c) && size < 21; c++)
        text[size++] = *c >= 0x20 && *c < 0x7f ? *c : '?';
    text[size++] = '`';
    text[size] = 0;
    return text;
}

bool ssp_expect(struct ssp_reader *reader, const char *wanted) {
    char text[24];
    return ssp_accept(reader, wanted) || ssp_fail(reader, "expected `%s`, found %s", wanted, here(reader, text));
}

bool ssp_line_ends(struct ssp_reader *reader) {
    char text[24];
    return ssp_at_end(reader) || ssp_fail(reader, "nothing more was expected, found %s", here(reader, text));
}

bool ssp_word(struct ssp_reader *reader, const char *also, const char *what, char *word, size_t word_bytes) {
    char text[24];
    size_t size = 0;
    ssp_blanks(reader);
    const char *from = reader->at;
    while (reader->at + size < reader->end &&
           (is_letter(from[size]) || is_digit(from[size]) || (from[size] != 0 && strchr(also, from[size]) != NULL)))
        size++;
    if (size == 0) return ssp_fail(reader, "expected %s, found %s", what, here(reader, text));
    if (size >= word_bytes)
        return ssp_fail(reader, "%s %s... is longer than %zu bytes", what, here(reader, text), word_bytes - 1);
    memcpy(word, from, size);
    word[size] = 0;
    reader->at += size;
    return true;
}

bool ssp_number(struct ssp_reader *reader, int64_t *number) {
    char text[24];
    int64_t value = 0;
    bool negative = ssp_accept(reader, "-");
    if (reader->at == reader->end || !is_digit(*reader->at))
        return ssp_fail(reader, "expected a number, found %s", here(reader, text));
    for (; reader->at < reader->end && is_digit(*reader->at); reader->at++) {
        if (value >= NUMBER_MOST / 10) return ssp_fail(reader, "a number beyond 2^62 / 10");
        value = value * 10 + (*reader->at - '0');
    }
    if (reader->at < reader->end && is_letter(*reader->at))
        return ssp_fail(reader, "expected a number, found %s after digits", here(reader, text));
    *number = negative ? -value : value;
    return true;
}

bool ssp_count(struct ssp_reader *reader, const char *what, unsigned most, unsigned *count) {
    int64_t number = 0;
    if (!ssp_number(reader, &number)) return false;
    if (number < 0 || number > most) return ssp_fail(reader, "%s must be from 0 to %u", what, most);
    *count = (unsigned)number;
    return true;
}

bool ssp_key(struct ssp_reader *reader, uint8_t *key) {
    struct ss_schedule *schedule = reader->schedule;
    char word[sizeof schedule->keys[0]] = "";
    if (!ssp_word(reader, "", "a key", word, sizeof word)) return false;
    for (unsigned k = 0; k < schedule->key_count; k++) {
        if (strcmp(schedule->keys[k], word) != 0) continue;
        *key = (uint8_t)k;
        return true;
    }
    if (schedule->key_count == SS_KEYS_MAX)
        return ssp_fail(reader, "key `%s` is one too many: %d keys and range ends at most", word, SS_KEYS_MAX);
    schedule->initial[schedule->key_count] = SS_ABSENT;
    *key = (uint8_t)schedule->key_count;
    memcpy(schedule->keys[schedule->key_count++], word, sizeof word);
    return true;
}

bool ssp_range(struct ssp_reader *reader, struct ss_range *range) {
    range->low = range->high = SS_KEYS_MAX;
    if (!ssp_expect(reader, "[")) return false;
    if (!ssp_accept(reader, ",") && (!ssp_key(reader, &range->low) || !ssp_expect(reader, ","))) return false;
    if (!ssp_accept(reader, ")") && (!ssp_key(reader, &range->high) || !ssp_expect(reader, ")"))) return false;
    const char(*keys)[16] = reader->schedule->keys;
    if (range->low < SS_KEYS_MAX && range->high < SS_KEYS_MAX && strcmp(keys[range->low], keys[range->high]) >= 0)
        return ssp_fail(reader, "the range [%s,%s) is empty: its ends are not in order", keys[range->low],
                        keys[range->high]);
    return true;
}

bool ssp_step_name(struct ssp_reader *reader, bool alone_allowed, uint8_t *session, uint8_t *step) {
    const struct ss_schedule *schedule = reader->schedule;
    unsigned which = 0, number = 0;
    if (!ssp_expect(reader, "s") || !ssp_count(reader, "a session", 99, &which)) return false;
    if (which == 0 || which > schedule->session_count)
        return ssp_fail(reader, "there is no session s%u: there are %u", which, schedule->session_count);
    *session = (uint8_t)(which - 1);
    *step = SS_STEPS_MAX;
    bool dotted = reader->at < reader->end && *reader->at == '.';
    if (alone_allowed && (!dotted || (reader->at + 1 < reader->end && is_letter(reader->at[1])))) return true;
    if (!ssp_expect(reader, ".") || !ssp_count(reader, "a step", 999, &number)) return false;
    unsigned steps = schedule->first_step[which] - schedule->first_step[which - 1];
    if (number == 0 || number > steps)
        return ssp_fail(reader, "there is no step s%u.%u: s%u has %u", which, number, which, steps);
    *step = (uint8_t)(schedule->first_step[which - 1] + number - 1);
    return true;
}

bool ssp_rest(struct ssp_reader *reader, char *text, size_t text_bytes) {
    size_t size = 0;
    while (!ssp_at_end(reader)) {
        if (size > 0 && size + 1 < text_bytes) text[size++] = ' ';
        for (; reader->at < reader->end && !is_blank(*reader->at); reader->at++) {
            if (size + 1 == text_bytes) {
                text[size] = 0;
                return false;
            }
            text[size++] = *reader->at;
        }
    }
    text[size] = 0;
    return true;
}
