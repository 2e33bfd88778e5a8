/* random_schedule.h - the text of a random schedule of two or three sessions over a few keys, for tests of the model.
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_RANDOM_SCHEDULE_H
#define VARVE_TESTS_RANDOM_SCHEDULE_H

#include <stdio.h>

#include "schedule/schedule.h"
#include "support/testdb.h"

struct shape {
    bool removes;           /* d and del, and then no ins */
    bool scans_after_write; /* a transaction may scan what it has written */
    bool locks;             /* g */
    bool adds;              /* add and del, whose answers do not tell what they did */
};

static const char *const rs_keys[] = {"a", "b", "c", "x"};

static const char *rs_range(struct td_random *rng, char text[16]) {
    unsigned low = (unsigned)td_below(rng, 4), high = low + 1 + (unsigned)td_below(rng, 4 - low);
    snprintf(text, 16, "[%s,%s)", low == 0 && td_chance(rng, 30) ? "" : rs_keys[low], high > 3 ? "" : rs_keys[high]);
    return text;
}

static const char *rs_value(struct td_random *rng, const char *key, bool was_read, int64_t *next, char text[32]) {
    if (was_read && td_chance(rng, 50))
        snprintf(text, 32, "r(%s)+%lld", key, (long long)(*next += 1000));
    else
        snprintf(text, 32, "%lld", (long long)(*next += 1000));
    return text;
}

struct rs_txn {
    bool wrote, savepoint, cursor, read[4];
};

static void rs_write(struct td_random *rng, const struct shape *shape, struct rs_txn *txn, int64_t *next, char *text) {
    char value[32], range[16];
    unsigned k = (unsigned)td_below(rng, 4), dice = (unsigned)td_below(rng, 100);
    const char *key = rs_keys[k];
    bool may_scan = shape->scans_after_write || !txn->wrote;
    txn->wrote = true;
    if (dice < 50)
        sprintf(text, "w %s %s", key, rs_value(rng, key, txn->read[k], next, value));
    else if (dice < 65)
        sprintf(text, "upd %s %s", key, rs_value(rng, key, txn->read[k], next, value));
    else if (dice < 72 && shape->adds)
        sprintf(text, "add %s %lld", key, (long long)(*next += 1000));
    else if (dice < 90 || !shape->removes || !shape->adds || !may_scan)
        sprintf(text, shape->removes ? "d %s" : "ins %s %lld", key, (long long)(*next += 1000));
    else
        sprintf(text, "del %s", rs_range(rng, range));
}

static void rs_read(struct td_random *rng, const struct shape *shape, struct rs_txn *txn, char *text) {
    char range[16];
    unsigned k = (unsigned)td_below(rng, 4), dice = (unsigned)td_below(rng, 100);
    if (dice < 30 && (shape->scans_after_write || !txn->wrote)) {
        sprintf(text, "s %s%s%s", rs_range(rng, range), td_chance(rng, 30) ? " rev" : "",
                td_chance(rng, 20) ? " limit 1" : "");
    } else if (dice < 45 && (shape->scans_after_write || !txn->wrote)) {
        if (txn->cursor)
            sprintf(text, td_chance(rng, 70) ? "next" : "close");
        else
            sprintf(text, "open %s%s", rs_range(rng, range), td_chance(rng, 30) ? " rev" : "");
        txn->cursor = text[0] != 'c';
    } else if (dice < 60) {
        sprintf(text, "has %s", rs_keys[k]);
    } else {
        sprintf(text, "%s %s", shape->locks && td_chance(rng, 30) ? "g" : "r", rs_keys[k]);
        txn->read[k] = true;
    }
}

/* One schedule of at most 8 transactions; returns its text in `text`. */
static void rs_text(struct td_random *rng, const struct shape *shape, char *text) {
    int64_t next = 0;
    text += sprintf(text, "schedule A1 random\ninit");
    for (unsigned k = 0; k < 4; k++)
        if (td_chance(rng, 60)) text += sprintf(text, " %s=%u", rs_keys[k], k + 1);
    unsigned sessions = 2 + (unsigned)td_below(rng, 2);
    for (unsigned s = 1; s <= sessions; s++) {
        text += sprintf(text, "\ns%u: ", s);
        unsigned txns = 1 + (unsigned)td_below(rng, 2);
        for (unsigned t = 0; t < txns; t++) {
            struct rs_txn txn = {0};
            text += sprintf(text, "b%s | ", td_chance(rng, 10) ? " ro" : "");
            for (unsigned left = 1 + (unsigned)td_below(rng, 4); left > 0; left--) {
                if (td_chance(rng, 12)) {
                    sprintf(text, txn.savepoint && td_chance(rng, 60) ? "rb" : "sp");
                    txn.savepoint = true;
                } else if (td_chance(rng, 50)) {
                    rs_read(rng, shape, &txn, text);
                } else {
                    rs_write(rng, shape, &txn, &next, text);
                }
                while (*text != 0) text++;
                text += sprintf(text, " | ");
            }
            text += sprintf(text, "%s%s", td_chance(rng, 92) ? "c" : "a", t + 1 < txns ? " | " : "");
        }
    }
    sprintf(text, "\n");
}

static void rs_parse(const char *text, struct ss_schedule *schedule) {
    struct ss_problem problem;
    const char *next;
    unsigned line;
    int status = ss_parse(text, 1, schedule, &next, &line, &problem);
    TD_CHECK(status == VARVE_OK, "line %u: %s\n%s", problem.line, problem.text, text);
}

/* A random shuffle of the sessions. */
static void rs_order(struct td_random *rng, const struct ss_schedule *schedule, uint8_t *order) {
    unsigned taken[SS_SESSIONS_MAX] = {0};
    for (unsigned i = 0; i < schedule->step_count;) {
        unsigned s = (unsigned)td_below(rng, schedule->session_count);
        unsigned step = schedule->first_step[s] + taken[s];
        if (step == schedule->first_step[s + 1]) continue;
        order[i++] = (uint8_t)step;
        taken[s]++;
    }
}

#endif
