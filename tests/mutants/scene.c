/* scene.c - runs a scene: parses its programs, drives its fibres, judges the answers.
 *
 * One thread. The hooks of the database and of the process lead to pause(), which goes back to the driver.
 *  1. A fibre keeps its own depth of read sections; the janitor runs only while nobody is in one.
 *  2. The logical clock stands still, so a wait ends only by being woken; a turn of everybody in which nobody comes
 *     further is a hang.
 *
 * SPDX-License-Identifier: MIT
 */
#include "mutants/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/test_hooks.h"
#include "db/db.h"
#include "db/db_int.h"
#include "os/rcu.h"
#include "step/fibre.h"
#include "support/load.h"
#include "support/testdb.h"

enum { OPS_MAX = 16, WORD = 24, LOG = 256, KEYS = 40, RELAXES = 40, IDLE_ROUNDS = 60 };

struct op {
    char word[4][WORD];
    char answer[LOG];
    bool done;
};

enum why { AT_POINT, AFTER_OPS, WAITS, ENDED };

struct session {
    struct op ops[OPS_MAX];
    unsigned count, next;
    struct fb_fibre *fibre;
    varve_txn *txn;
    unsigned mark, depth, relaxes;
    enum why why;
    bool ended, committed;
    char point[WORD * 2];
    unsigned turns, ops_left;
    bool stop_at_point, stop_after_ops;
    unsigned sleeps_in; /* the slot it sleeps in until it is woken; 0: it does not */
    varve_cursor *cursor;
};

static struct stage {
    varve_db *db;
    varve_table *table;
    struct fb_fibre *home;
    struct session sessions[SC_SESSIONS];
    unsigned count;
    struct session *running;
    bool detect;
    char path[TD_PATH_BYTES]; /* empty: in memory */
    uint64_t now_ns;
    uint64_t progress; /* operations done and places passed */
    char keys[KEYS][WORD];
    unsigned key_count;
    char fault[2048];
} st;

/* --- switching ---------------------------------------------------------------------------------------------------- */

#ifdef VARVE_ASSERTS
#define DEPTH vos_rcu_depth
#else
static unsigned no_depth;
#define DEPTH no_depth
#endif

static void pause_here(enum why why) {
    struct session *self = st.running;
    self->why = why;
    self->depth = DEPTH;
    DEPTH = 0;
    st.running = NULL;
    fb_switch(self->fibre, st.home);
    DEPTH = self->depth;
}

static void resume(struct session *session) {
    if (session->ended || session->sleeps_in != 0) return;
    session->relaxes = 0;
    st.running = session;
    fb_switch(st.home, session->fibre);
    st.running = NULL;
}

static void on_yield(void *arg, const char *point) {
    (void)arg;
    struct session *self = st.running;
    if (self == NULL) return;
    st.progress++;
    if (!self->stop_at_point || strcmp(self->point, point) != 0 || --self->turns != 0) return;
    self->stop_at_point = false;
    pause_here(AT_POINT);
}

static bool on_relax(void) {
    if (st.running == NULL) return false;
    if (++st.running->relaxes >= RELAXES) pause_here(WAITS);
    return true;
}

static bool on_futex(const uint32_t *word, uint32_t expected, uint64_t timeout_ns, bool *woken) {
    (void)timeout_ns;
    if (st.running == NULL) return false;
    if (vb_load_acquire(word) == expected) pause_here(WAITS);
    *woken = true;
    return true;
}

static bool sections_open(void) {
    for (unsigned i = 0; i < st.count; i++)
        if (&st.sessions[i] != st.running && !st.sessions[i].ended && st.sessions[i].depth != 0) return true;
    return false;
}

static bool on_synchronize(void) {
    TD_CHECK(st.running != NULL || !sections_open(), "the script runs the janitor beside a read section");
    while (sections_open()) pause_here(WAITS);
    return true;
}

static bool on_wait(void *arg, const struct vk_wait_info *info) {
    (void)arg;
    if (st.running == NULL) return false;
    st.now_ns += 300000000;
    bool told = info->kind == VK_WAIT_LOCK || info->kind == VK_WAIT_GAP; /* when it is over, by on_wake */
    if (!st.detect && told) st.running->sleeps_in = info->slot;
    pause_here(WAITS);
    return true;
}

static void on_wake(void *arg, unsigned slot) {
    (void)arg;
    for (unsigned i = 0; i < st.count; i++)
        if (st.sessions[i].sleeps_in == slot) st.sessions[i].sleeps_in = 0;
}

static uint64_t scene_clock(void *arg) {
    (void)arg;
    return st.now_ns;
}

/* --- values ------------------------------------------------------------------------------------------------------- */

/* The bytes of a value; "#5" is the number 5 in eight of them. */
static varve_slice bytes_of(const char *text, struct load_number *number) {
    if (text[0] != '#') return td_str(text);
    *number = load_number(strtoll(text + 1, NULL, 10));
    return load_slice(number);
}

/* And back, into a buffer of WORD bytes. */
static const char *text_of(varve_slice value, char *text) {
    if (value.size == sizeof(struct load_number))
        snprintf(text, WORD, "#%lld", (long long)load_value(value));
    else
        snprintf(text, WORD, "%.*s", (int)value.size, (const char *)value.data);
    return text;
}

/* --- operations --------------------------------------------------------------------------------------------------- */

static const char *status_word(int status) { return status == VARVE_OK ? "ok" : varve_strerror(status); }

static void begin(struct session *s, const struct op *op) {
    varve_txn_options o = VARVE_TXN_OPTIONS_INIT;
    o.isolation = VARVE_SERIALIZABLE;
    for (unsigned i = 1; i < 4; i++) {
        const char *w = op->word[i];
        if (strcmp(w, "rc") == 0) o.isolation = VARVE_READ_COMMITTED;
        if (strcmp(w, "rr") == 0) o.isolation = VARVE_REPEATABLE_READ;
        if (strcmp(w, "si") == 0) o.isolation = VARVE_SNAPSHOT;
        if (strcmp(w, "ro") == 0) o.read_only = true;
        if (strcmp(w, "old") == 0) o.retry_token = 1u << 16 | 3;
    }
    TD_STATUS(varve_begin(st.db, &o, &s->txn), VARVE_OK);
}

static void scan(struct session *s, struct op *op) {
    varve_range range = {.reverse = op->word[0][0] == 'r'};
    if (strcmp(op->word[1], "-") != 0) range.low = td_str(op->word[1]);
    if (strcmp(op->word[2], "-") != 0) range.high = td_str(op->word[2]);
    varve_cursor *cursor;
    varve_slice key, value;
    char text[WORD];
    int status = varve_cursor_open(s->txn, st.table, &range, &cursor);
    size_t used = (size_t)snprintf(op->answer, LOG, "{");
    while (status == VARVE_OK && (status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK)
        used += (size_t)snprintf(op->answer + used, LOG - used, "%s%.*s=%s", used > 1 ? " " : "", (int)key.size,
                                 (const char *)key.data, text_of(value, text));
    if (status == VARVE_END)
        snprintf(op->answer + used, LOG - used, "}");
    else
        snprintf(op->answer, LOG, "!%s", varve_strerror(status));
}

static void next_row(struct session *s, struct op *op) {
    varve_slice key, value;
    int status = varve_cursor_next(s->cursor, &key, &value);
    if (status == VARVE_OK)
        snprintf(op->answer, LOG, "%.*s=%.*s", (int)key.size, (const char *)key.data, (int)value.size,
                 (const char *)value.data);
    else
        snprintf(op->answer, LOG, "%s%s", status == VARVE_END ? "}" : "!",
                 status == VARVE_END ? "" : varve_strerror(status));
}

static void open_cursor(struct session *s, const struct op *op) {
    varve_range range = {0};
    if (strcmp(op->word[1], "-") != 0) range.low = td_str(op->word[1]);
    if (strcmp(op->word[2], "-") != 0) range.high = td_str(op->word[2]);
    TD_STATUS(varve_cursor_open(s->txn, st.table, &range, &s->cursor), VARVE_OK);
}

static void read_row(struct session *s, struct op *op) {
    varve_slice value = {NULL, 0}, key = td_str(op->word[1]);
    char text[WORD];
    bool has = op->word[0][0] == 'h';
    int status = op->word[0][0] == 'g'   ? varve_get_for_update(s->txn, st.table, key, &value)
                 : has ? varve_contains(s->txn, st.table, key)
                                         : varve_get(s->txn, st.table, key, &value);
    if (status == VARVE_OK)
        snprintf(op->answer, LOG, "%s", has ? "+" : text_of(value, text));
    else
        snprintf(op->answer, LOG, "%s%s", status == VARVE_NOTFOUND ? "-" : "!",
                 status == VARVE_NOTFOUND ? "" : varve_strerror(status));
}

static void write_row(struct session *s, struct op *op) {
    struct load_number number;
    varve_slice key = td_str(op->word[1]), value = bytes_of(op->word[2], &number);
    int status = VARVE_OK;
    switch (op->word[0][0]) {
    case 'w': status = varve_put(s->txn, st.table, key, value); break;
    case 'i': status = varve_insert(s->txn, st.table, key, value); break;
    case 'u': status = varve_update(s->txn, st.table, key, value); break;
    case '+': status = varve_add(s->txn, st.table, key, strtoll(op->word[2], NULL, 10)); break;
    default: status = varve_delete(s->txn, st.table, key); break;
    }
    bool answer = status == VARVE_OK || status == VARVE_EXISTS || status == VARVE_NOTFOUND;
    snprintf(op->answer, LOG, "%s%s", answer ? "" : "!", status_word(status));
}

/* False: the transaction is over. */
static bool carry_out(struct session *s, struct op *op) {
    const char *verb = op->word[0];
    if (strcmp(verb, "b") == 0) {
        begin(s, op);
    } else if (strcmp(verb, "c") == 0) {
        int status = varve_commit(s->txn);
        s->committed = status == VARVE_OK;
        snprintf(op->answer, LOG, "%s%s", status == VARVE_OK ? "" : "!", status_word(status));
        return false;
    } else if (strcmp(verb, "a") == 0) {
        varve_abort(s->txn);
        return false;
    } else if (strcmp(verb, "sp") == 0) {
        TD_STATUS(varve_savepoint(s->txn, &s->mark), VARVE_OK);
    } else if (strcmp(verb, "rb") == 0) {
        int status = varve_rollback_to(s->txn, s->mark);
        snprintf(op->answer, LOG, "%s%s", status == VARVE_OK ? "" : "!", status_word(status));
    } else if (strcmp(verb, "gc") == 0) {
        (void)vdb_janitor_step(st.db);
    } else if (strcmp(verb, "o") == 0) {
        open_cursor(s, op);
    } else if (strcmp(verb, "n") == 0) {
        next_row(s, op);
    } else if (strcmp(verb, "s") == 0 || strcmp(verb, "rs") == 0) {
        scan(s, op);
    } else if (strcmp(verb, "r") == 0 || strcmp(verb, "g") == 0 || strcmp(verb, "has") == 0) {
        read_row(s, op);
    } else {
        write_row(s, op);
    }
    if (op->answer[0] != '!') return true;
    varve_abort(s->txn);
    return false;
}

static void play(void *arg) {
    struct session *s = arg;
    while (s->next < s->count) {
        struct op *op = &s->ops[s->next++];
        bool on = carry_out(s, op);
        op->done = true;
        st.progress++;
        if (!on) break;
        if (s->stop_after_ops && --s->ops_left == 0) {
            s->stop_after_ops = false;
            pause_here(AFTER_OPS);
        }
    }
    s->ended = true;
    for (;;) pause_here(ENDED);
}

/* --- parsing ------------------------------------------------------------------------------------------------------ */

static void parse_program(struct session *s, const char *text) {
    while (*text != 0) {
        size_t size = strcspn(text, ";");
        char one[LOG];
        snprintf(one, sizeof one, "%.*s", (int)size, text);
        struct op *op = &s->ops[s->count++];
        TD_CHECK(s->count <= OPS_MAX, "a program is too long");
        memset(op, 0, sizeof *op);
        sscanf(one, "%23s %23s %23s %23s", op->word[0], op->word[1], op->word[2], op->word[3]);
        text += size + (text[size] == ';');
    }
}

/* One word of the script. */
static void follow(const char *word) {
    if (strcmp(word, "gc") == 0) {
        for (int i = 0; i < 4; i++) (void)vdb_janitor_step(st.db);
        return;
    }
    struct session *s = &st.sessions[word[0] - '1'];
    s->stop_at_point = word[1] == '@';
    s->stop_after_ops = word[1] == ':';
    s->turns = 1;
    if (s->stop_at_point) {
        const char *number = strchr(word, '#');
        if (number != NULL) s->turns = (unsigned)strtoul(number + 1, NULL, 10);
        snprintf(s->point, sizeof s->point, "%.*s", (int)strcspn(word + 2, "#"), word + 2);
    }
    if (s->stop_after_ops) s->ops_left = (unsigned)strtoul(word + 2, NULL, 10);
    resume(s);
}

/* False: they wait for each other for ever. */
static bool finish_all(void) {
    for (unsigned idle = 0; idle < IDLE_ROUNDS;) {
        uint64_t before = st.progress;
        bool open = false;
        for (unsigned i = 0; i < st.count; i++) {
            st.sessions[i].stop_at_point = st.sessions[i].stop_after_ops = false;
            resume(&st.sessions[i]);
            open |= !st.sessions[i].ended;
        }
        if (!open) return true;
        idle = st.progress == before ? idle + 1 : idle / 2;
        if (st.progress > 1000000) return false;
    }
    return false;
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

struct state {
    char value[KEYS][WORD]; /* empty: absent */
};
/* Where a replayed cursor is. */
struct walk {
    const char *low, *high;
    char last[WORD];
};

static unsigned key_index(const char *key) {
    for (unsigned i = 0; i < st.key_count; i++)
        if (strcmp(st.keys[i], key) == 0) return i;
    TD_CHECK(st.key_count < KEYS, "too many keys");
    snprintf(st.keys[st.key_count], WORD, "%s", key);
    return st.key_count++;
}

static void expect_scan(const struct state *state, const struct op *op, char *text) {
    bool reverse = op->word[0][0] == 'r';
    size_t used = (size_t)snprintf(text, LOG, "{");
    const char *last = reverse ? "\x7f" : "";
    for (;;) {
        int best = -1;
        for (unsigned i = 0; i < st.key_count; i++) {
            const char *key = st.keys[i];
            if (state->value[i][0] == 0) continue;
            if (strcmp(op->word[1], "-") != 0 && strcmp(key, op->word[1]) < 0) continue;
            if (strcmp(op->word[2], "-") != 0 && strcmp(key, op->word[2]) >= 0) continue;
            if (reverse ? strcmp(key, last) >= 0 : strcmp(key, last) <= 0) continue;
            if (best < 0 || (strcmp(key, st.keys[best]) < 0) != reverse) best = (int)i;
        }
        if (best < 0) break;
        last = st.keys[best];
        used += (size_t)snprintf(text + used, LOG - used, "%s%s=%s", used > 1 ? " " : "", last, state->value[best]);
    }
    snprintf(text + used, LOG - used, "}");
}

static void expect_next(const struct state *state, struct walk *walk, char *text) {
    int best = -1;
    for (unsigned i = 0; i < st.key_count; i++) {
        const char *key = st.keys[i];
        bool inside = (strcmp(walk->low, "-") == 0 || strcmp(key, walk->low) >= 0) &&
                      (strcmp(walk->high, "-") == 0 || strcmp(key, walk->high) < 0);
        if (state->value[i][0] == 0 || !inside || strcmp(key, walk->last) <= 0) continue;
        if (best < 0 || strcmp(key, st.keys[best]) < 0) best = (int)i;
    }
    snprintf(text, LOG, "}");
    if (best < 0) return;
    snprintf(walk->last, WORD, "%s", st.keys[best]);
    snprintf(text, LOG, "%s=%s", st.keys[best], state->value[best]);
}

/* Replays one operation; false: its answer was another. */
static bool replay_op(struct state *state, struct walk *walk, const struct op *op) {
    char expected[LOG];
    const char *verb = op->word[0];
    if (strcmp(verb, "o") == 0) {
        *walk = (struct walk){.low = op->word[1], .high = op->word[2]};
        return true;
    }
    if (strcmp(verb, "n") == 0) {
        expect_next(state, walk, expected);
        return strcmp(expected, op->answer) == 0;
    }
    if (strcmp(verb, "s") == 0 || strcmp(verb, "rs") == 0) {
        expect_scan(state, op, expected);
        return strcmp(expected, op->answer) == 0;
    }
    if (strchr("bac", verb[0]) != NULL || strcmp(verb, "sp") == 0 || strcmp(verb, "rb") == 0) return true;
    if (strcmp(verb, "gc") == 0) return true;
    char *value = state->value[key_index(op->word[1])];
    if (strcmp(verb, "has") == 0) return strcmp(op->answer, value[0] != 0 ? "+" : "-") == 0;
    if (verb[0] == 'r' || verb[0] == 'g') return strcmp(op->answer, value[0] != 0 ? value : "-") == 0;
    if (verb[0] == '+') {
        long long base = value[0] == '#' ? strtoll(value + 1, NULL, 10) : 0;
        snprintf(value, WORD, "#%lld", base + strtoll(op->word[2], NULL, 10));
        return strcmp(op->answer, "ok") == 0;
    }
    bool may = verb[0] == 'w' || (verb[0] == 'i') == (value[0] == 0);
    if (may) snprintf(value, WORD, "%s", verb[0] == 'd' ? "" : op->word[2]);
    return (strcmp(op->answer, "ok") == 0) == may;
}

static bool replay(struct state *state, const struct session *s) {
    struct state saved = *state;
    struct walk walk = {"-", "-", ""};
    for (unsigned i = 0; i < s->count; i++) {
        const struct op *op = &s->ops[i];
        if (!op->done) break;
        if (strcmp(op->word[0], "sp") == 0) saved = *state;
        if (strcmp(op->word[0], "rb") == 0) *state = saved;
        if (!replay_op(state, &walk, op)) return false;
    }
    return true;
}

/* Tries every order of the committed sessions not in `used`. */
static bool some_order(const struct state *state, const struct state *final, unsigned used) {
    bool any = false;
    for (unsigned i = 0; i < st.count; i++) {
        if (!st.sessions[i].committed || (used >> i & 1) != 0) continue;
        any = true;
        struct state next = *state;
        if (replay(&next, &st.sessions[i]) && some_order(&next, final, used | 1u << i)) return true;
    }
    return !any && memcmp(state, final, sizeof *state) == 0;
}

static void read_final(struct state *final) {
    memset(final, 0, sizeof *final);
    for (unsigned i = 0; i < st.key_count; i++) {
        varve_slice value;
        varve_txn *txn = td_begin(st.db, VARVE_SERIALIZABLE);
        if (varve_get(txn, st.table, td_str(st.keys[i]), &value) == VARVE_OK) (void)text_of(value, final->value[i]);
        TD_STATUS(varve_commit(txn), VARVE_OK);
    }
}

/* Closes the database and opens it again; a failure to open it is an answer too. */
static bool same_after_reopening(const struct state *before) {
    struct state after;
    td_close(st.db);
    bool opened = varve_open(st.path, NULL, &st.db) == VARVE_OK;
    if (!opened) {
        varve_close(st.db);
        st.db = NULL;
        return false;
    }
    st.table = td_table(st.db, "t");
    read_final(&after);
    return memcmp(before, &after, sizeof after) == 0;
}

static size_t tell(size_t used, const struct session *s, unsigned number) {
    used += (size_t)snprintf(st.fault + used, sizeof st.fault - used, "\n      %u:", number);
    for (unsigned i = 0; i < s->count && used < sizeof st.fault; i++) {
        const struct op *op = &s->ops[i];
        used += (size_t)snprintf(st.fault + used, sizeof st.fault - used, " %s%s%s%s%s|", op->word[0],
                                 op->word[1][0] != 0 ? " " : "", op->word[1], op->done ? "=" : " not done",
                                 op->answer);
        if (used >= sizeof st.fault) return sizeof st.fault - 1;
    }
    return used;
}

static const char *fault(const char *what) {
    size_t used = (size_t)snprintf(st.fault, sizeof st.fault, "%s", what);
    for (unsigned i = 0; i < st.count && used < sizeof st.fault; i++) used = tell(used, &st.sessions[i], i + 1);
    return st.fault;
}

static void answers_of(const struct session *s, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (unsigned i = 0; i < s->count; i++)
        if (s->ops[i].answer[0] != 0 && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used != 0 ? " " : "", s->ops[i].answer);
}

static bool never_seen(const struct scene *scene) {
    bool all = false;
    for (unsigned i = 0; i < st.count; i++) {
        char text[1024];
        if (scene->never[i] == NULL) continue;
        answers_of(&st.sessions[i], text, sizeof text);
        if (strcmp(text, scene->never[i]) != 0) return false;
        all = true;
    }
    return all;
}

static bool locks_left(void) {
    for (unsigned i = 0; i < st.key_count; i++) {
        struct vst_found found;
        vos_rcu_enter();
        vst_lookup(st.table->tree, td_str(st.keys[i]), &found);
        vos_rcu_exit();
        if (found.record != NULL && (found.record->lk != 0 || found.record->gap != 0)) return true;
    }
    return false;
}

static const char *judge(const struct scene *scene, bool ended) {
    struct state first, final;
    if (!ended) return fault("they wait for ever");
    if (locks_left()) return fault("a lock is left");
    memset(&first, 0, sizeof first);
    for (const char *at = scene->init; at != NULL && *at != 0;) {
        char key[WORD], value[WORD];
        int size = 0;
        if (sscanf(at, " %23[^= ]=%23s%n", key, value, &size) < 2) break;
        snprintf(first.value[key_index(key)], WORD, "%s", value);
        at += size;
    }
    read_final(&final);
    for (unsigned i = 0; i < st.count; i++)
        for (unsigned o = 0; o < st.sessions[i].count; o++)
            if (strstr(st.sessions[i].ops[o].answer, varve_strerror(VARVE_TIMEOUT)) != NULL)
                return fault("a wait ended by its timeout only");
    for (unsigned i = 0; scene->all_commit && i < st.count; i++)
        if (!st.sessions[i].committed) return fault("all must commit");
    if (st.path[0] != 0 && !same_after_reopening(&final)) return fault("other rows, or none, when opened again");
    if (never_seen(scene)) return fault("this must never be answered");
    if (scene->never_only || some_order(&first, &final, 0)) return NULL;
    return fault("no serial order of the committed gives these answers and the rows at the end");
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static void store_initial(const char *init) {
    varve_txn *txn = td_begin(st.db, VARVE_SERIALIZABLE);
    while (init != NULL && *init != 0) {
        char key[WORD], value[WORD];
        int size = 0;
        if (sscanf(init, " %23[^= ]=%23s%n", key, value, &size) < 2) break;
        struct load_number number;
        TD_STATUS(varve_put(txn, st.table, td_str(key), bytes_of(value, &number)), VARVE_OK);
        (void)key_index(key);
        init += size;
    }
    TD_STATUS(varve_commit(txn), VARVE_OK);
}

static void open_stage(const struct scene *scene, const char *scheme) {
    static const struct vk_limits tiny = {8, 4, 4, 4, 512, 512, 8 << 10, 8 << 10, 1 << 10, 4, 1, 1, 0};
    struct vk_hooks hooks = {.on_wait = on_wait, .on_wake = on_wake, .now_ns = scene_clock, .yield = on_yield};
    struct vdb_setup setup = {.limits = &tiny, .hooks = &hooks, .no_threads = true};
    char options[96];
    memset(&st, 0, sizeof st);
    snprintf(options, sizeof options, "cc=%s,lock_timeout_ms=3600000%s", scheme,
             scene->options != NULL ? scene->options : "");
    st.detect = strstr(options, "detect") != NULL;
    st.now_ns = 1000;
    vb_test_hooks = (struct vb_test_hooks){on_relax, on_futex, on_synchronize};
    if (scene->durable) td_scratch(st.path);
    TD_STATUS(vdb_open(scene->durable ? st.path : ":memory:", options, &setup, &st.db), VARVE_OK);
    st.table = td_table(st.db, "t");
    st.home = fb_home();
    store_initial(scene->init);
    for (; st.count < SC_SESSIONS && scene->programs[st.count] != NULL; st.count++) {
        struct session *s = &st.sessions[st.count];
        parse_program(s, scene->programs[st.count]);
        for (unsigned i = 0; i < s->count; i++)
            if (s->ops[i].word[1][0] != 0 && strchr("wiud+", s->ops[i].word[0][0]) != NULL)
                (void)key_index(s->ops[i].word[1]);
        s->fibre = fb_make(play, s);
    }
}

const char *scene_run(const struct scene *scene, const char *scheme) {
    char script[512], *rest = NULL;
    td_context("scene %s, %s", scene->name, scheme);
    open_stage(scene, scheme);
    snprintf(script, sizeof script, "%s", scene->script);
    for (char *word = strtok_r(script, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) follow(word);
    bool ended = finish_all();
    const char *verdict = judge(scene, ended);
    if (verdict == NULL && getenv("VARVE_SCENE") != NULL)
        printf("scene %s, %s: %s\n", scene->name, scheme, fault("it holds"));
    if (ended && st.db != NULL) td_close(st.db); /* a stage whose sessions hang is left as it is */
    if (st.path[0] != 0) td_remove_tree(st.path);
    vb_test_hooks = (struct vb_test_hooks){NULL, NULL, NULL};
    for (unsigned i = 0; i < st.count; i++) fb_free(st.sessions[i].fibre);
    fb_free(st.home);
    return verdict;
}
