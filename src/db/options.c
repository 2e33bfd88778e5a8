/* options.c - "name=value,..." into struct vdb_options. One table of options; an unknown name is answered with the
 * nearest known one.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "db/db_int.h"

enum kind { BOOLEAN, COUNT, BYTES, OCTAL, CHOICE };
struct option {
    const char *name;
    enum kind kind;
    size_t offset;            /* of the field in struct vdb_options */
    uint64_t low, high;       /* COUNT and BYTES */
    const char *const *words; /* CHOICE: word i stores the number i + first */
    int first;
};

static const char *const isolation_words[] = {"read_uncommitted", "read_committed", "repeatable_read",
                                              "snapshot",         "serializable",   NULL};
static const char *const sync_words[] = {"sync", "group", "write", "interval", "none", NULL};
static const char *const deadlock_words[] = {"wound_wait", "no_wait", "wait_die", "detect", NULL};
static const char *const storage_words[] = {"memory", NULL};

#define FIELD(f) offsetof(struct vdb_options, f)
static const struct option known[] = {
    {"create", BOOLEAN, FIELD(create), 0, 0, NULL, 0},
    {"cc", CHOICE, FIELD(cc), 0, 0, vdb_scheme_names, 0},
    {"isolation", CHOICE, FIELD(isolation), 0, 0, isolation_words, VARVE_READ_UNCOMMITTED},
    {"sync", CHOICE, FIELD(sync), 0, 0, sync_words, VARVE_SYNC_SYNC},
    {"group_wait_us", COUNT, FIELD(group_wait_us), 0, 1000000, NULL, 0},
    {"sync_interval_ms", COUNT, FIELD(sync_interval_ms), 1, 3600000, NULL, 0},
    {"segment_bytes", BYTES, FIELD(segment_bytes), 8192, (uint64_t)1 << 32, NULL, 0},
    {"max_txn_bytes", BYTES, FIELD(max_txn_bytes), 1024, (uint64_t)1 << 50, NULL, 0},
    {"memory", BYTES, FIELD(memory_bytes), 1 << 20, (uint64_t)1 << 50, NULL, 0},
    {"max_transactions", COUNT, FIELD(max_transactions), 1, VK_SLOTS_MAX, NULL, 0},
    {"begin_timeout_ms", COUNT, FIELD(begin_timeout_ms), 0, 3600000, NULL, 0},
    {"lock_timeout_ms", COUNT, FIELD(lock_timeout_ms), 1, 3600000, NULL, 0},
    {"deadlock", CHOICE, FIELD(deadlock), 0, 0, deadlock_words, VCC_WOUND_WAIT},
    {"checkpoint_bytes", BYTES, FIELD(checkpoint_bytes), 0, (uint64_t)1 << 50, NULL, 0},
    {"max_snapshot_age_ms", COUNT, FIELD(max_snapshot_age_ms), 0, UINT32_MAX, NULL, 0},
    {"storage", CHOICE, SIZE_MAX, 0, 0, storage_words, 0},
    {"mode", OCTAL, FIELD(file_mode), 0, 0777, NULL, 0},
};
enum { KNOWN = sizeof known / sizeof *known, WORD_MAX = 63 };

static int bad(struct vk_detail *detail, const char *name, const char *value, const char *wanted) {
    return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "option %s: '%s' is not %s", name, value, wanted);
}

/* Digits of a base with an optional K, M or G. */
static bool parse_number(const char *text, unsigned base, bool suffix, uint64_t *out) {
    uint64_t number = 0;
    const char *p = text;
    for (; *p >= '0' && *p < (char)('0' + base); p++) {
        if (__builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*p - '0'), &number))
            return false;
    }
    if (p == text) return false;
    if (suffix && *p != 0) {
        static const char units[] = "KMG";
        const char *unit = strchr(units, *p);
        if (unit == NULL) return false;
        for (long i = unit - units; i >= 0; i--)
            if (__builtin_mul_overflow(number, 1024u, &number)) return false;
        p++;
    }
    *out = number;
    return *p == 0;
}

static int set_choice(struct vdb_options *o, const struct option *option, const char *value, struct vk_detail *detail) {
    size_t count = 0;
    int at = -1;
    for (; option->words[count] != NULL; count++)
        if (strcmp(option->words[count], value) == 0) at = (int)count;
    if (at < 0)
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "option %s: '%s' is not known; the nearest is '%s'",
                       option->name, value, vb_nearest(value, option->words, count));
    if (option->offset == SIZE_MAX) return VARVE_OK;
    if (option->offset == FIELD(cc))
        o->cc = vdb_scheme(value);
    else
        *(int *)(void *)((char *)o + option->offset) = at + option->first;
    return VARVE_OK;
}

static int set_option(struct vdb_options *o, const struct option *option, const char *value, struct vk_detail *detail) {
    void *field = (char *)o + option->offset;
    uint64_t number = 0;
    switch (option->kind) {
    case CHOICE: return set_choice(o, option, value, detail);
    case BOOLEAN:
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return bad(detail, option->name, value, "true or false");
        *(bool *)field = value[0] == 't';
        return VARVE_OK;
    case OCTAL:
        if (!parse_number(value, 8, false, &number) || number > option->high)
            return bad(detail, option->name, value, "octal permission bits");
        *(unsigned *)field = (unsigned)number;
        return VARVE_OK;
    case COUNT:
    case BYTES:
        if (!parse_number(value, 10, option->kind == BYTES, &number) || number < option->low || number > option->high)
            return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER,
                           "option %s: '%s' is not a number from %llu to %llu%s", option->name, value,
                           (unsigned long long)option->low, (unsigned long long)option->high,
                           option->kind == BYTES ? " (K, M and G are understood)" : "");
        if (option->kind == BYTES)
            *(uint64_t *)field = number;
        else
            *(uint32_t *)field = (uint32_t)number;
        return VARVE_OK;
    }
    return VARVE_INVALID;
}

static int set_named(struct vdb_options *o, const char *name, const char *value, struct vk_detail *detail) {
    const char *names[KNOWN];
    for (size_t i = 0; i < KNOWN; i++) {
        names[i] = known[i].name;
        if (strcmp(known[i].name, name) == 0) {
            if (known[i].offset == FIELD(sync)) o->sync_given = true;
            return set_option(o, &known[i], value, detail);
        }
    }
    return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "option '%s' is not known; the nearest is '%s'", name,
                   vb_nearest(name, names, KNOWN));
}

/* Copies [from, to) without surrounding blanks into word; false when it is longer than a word may be. */
static bool take_word(const char *from, const char *to, char word[WORD_MAX + 1]) {
    while (from < to && (*from == ' ' || *from == '\t' || *from == '\n')) from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\n')) to--;
    if (to - from > WORD_MAX) return false;
    memcpy(word, from, (size_t)(to - from));
    word[to - from] = 0;
    return true;
}

static void set_defaults(const char *path, struct vdb_options *o) {
    *o = (struct vdb_options){.create = true,
                              .in_memory = strcmp(path, ":memory:") == 0,
                              .cc = vdb_scheme("mvcc"),
                              .isolation = VARVE_SERIALIZABLE,
                              .sync = VARVE_SYNC_GROUP,
                              .deadlock = VCC_WOUND_WAIT,
                              .sync_interval_ms = 100,
                              .max_transactions = 0,
                              .begin_timeout_ms = 1000,
                              .lock_timeout_ms = 10000,
                              .memory_bytes = (uint64_t)4 << 30,
                              .checkpoint_bytes = 64 << 20,
                              .file_mode = 0600};
}

int vdb_options_parse(const char *path, const char *text, struct vdb_options *o, struct vk_detail *detail) {
    set_defaults(path, o);
    while (text != NULL && *text != 0) {
        const char *end = text + strcspn(text, ",");
        const char *equals = memchr(text, '=', (size_t)(end - text));
        char name[WORD_MAX + 1], value[WORD_MAX + 1];
        if (!take_word(text, equals != NULL ? equals : end, name) ||
            !take_word(equals != NULL ? equals + 1 : end, end, value))
            return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "options: a word longer than %d bytes",
                           (int)WORD_MAX);
        if (equals != NULL && name[0] == 0)
            return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER, "options: a value without a name ('=%s')",
                           value);
        if (equals == NULL && name[0] != 0)
            return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER,
                           "options: '%s' has no value (name=value is expected)", name);
        if (name[0] != 0) {
            int status = set_named(o, name, value, detail);
            if (status != VARVE_OK) return status;
        }
        text = *end != 0 ? end + 1 : end;
    }
    if (o->in_memory && o->sync_given && o->sync != VARVE_SYNC_NONE)
        return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER,
                       "option sync: a :memory: database has nothing to sync; only none is possible");
    if (o->in_memory) o->sync = VARVE_SYNC_NONE;
    if (o->max_txn_bytes == 0) o->max_txn_bytes = o->memory_bytes / 8;
    return VARVE_OK;
}
