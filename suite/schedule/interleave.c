/* interleave.c - counts the interleavings of a schedule and finds the n-th.
 *
 * An interleaving is a word in which session s stands as often as it has units (a step and those joined to it); their
 * number is the multinomial coefficient, and the words are ranked in lexical order by counting those that begin with a
 * smaller session (Knuth, The Art of Computer Programming, volume 4A, section 7.2.1.2). A number that does not fit is
 * UINT64_MAX.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "schedule/schedule.h"

/* How many ways n things can be taken from n + more, or UINT64_MAX. */
static uint64_t binomial(unsigned n, unsigned more) {
    uint64_t ways = 1;
    for (unsigned i = 1; i <= n; i++) {
        __extension__ unsigned __int128 product = (unsigned __int128)ways * (more + i) / i;
        if (product >= UINT64_MAX) return UINT64_MAX;
        ways = (uint64_t)product;
    }
    return ways;
}

static uint64_t multinomial(const unsigned left[], unsigned sessions) {
    uint64_t ways = 1;
    unsigned placed = 0;
    for (unsigned s = 0; s < sessions; s++) {
        uint64_t here = binomial(left[s] < placed ? left[s] : placed, left[s] < placed ? placed : left[s]);
        if (__builtin_mul_overflow(ways, here, &ways)) return UINT64_MAX;
        placed += left[s];
    }
    return ways;
}

static void units_left(const struct ss_schedule *schedule, unsigned left[]) {
    for (unsigned s = 0; s < schedule->session_count; s++) left[s] = 0;
    for (unsigned i = 0; i < schedule->step_count; i++) left[schedule->steps[i].session] += !schedule->steps[i].joined;
}

/* Writes the next unit of a session; the place after it. */
static unsigned put_unit(const struct ss_schedule *schedule, unsigned session, uint8_t next[], uint8_t *order,
                         unsigned place) {
    do order[place++] = next[session]++;
    while (next[session] < schedule->first_step[session + 1] && schedule->steps[next[session]].joined);
    return place;
}

static void first_steps(const struct ss_schedule *schedule, uint8_t next[]) {
    for (unsigned s = 0; s < schedule->session_count; s++) next[s] = (uint8_t)schedule->first_step[s];
}

uint64_t ss_interleavings(const struct ss_schedule *schedule) {
    unsigned left[SS_SESSIONS_MAX];
    if (!schedule->run_all) return schedule->listed_count;
    units_left(schedule, left);
    return multinomial(left, schedule->session_count);
}

void ss_interleaving(const struct ss_schedule *schedule, uint64_t n, uint8_t *order) {
    unsigned left[SS_SESSIONS_MAX];
    uint8_t next[SS_SESSIONS_MAX];
    if (!schedule->run_all) {
        memcpy(order, schedule->listed[n], schedule->step_count);
        return;
    }
    units_left(schedule, left);
    first_steps(schedule, next);
    for (unsigned place = 0; place < schedule->step_count;) {
        for (unsigned s = 0; s < schedule->session_count; s++) {
            if (left[s] == 0) continue;
            left[s]--;
            uint64_t ways = multinomial(left, schedule->session_count);
            if (n < ways) {
                place = put_unit(schedule, s, next, order, place);
                break;
            }
            left[s]++;
            n -= ways;
        }
    }
}

static void reverse(uint8_t *from, uint8_t *to) {
    for (; from < to && from < --to; from++) {
        uint8_t kept = *from;
        *from = *to;
        *to = kept;
    }
}

/* The next word in lexical order, by the classical step: raise the last letter that can be raised, sort what follows.
 */
bool ss_interleaving_next(const struct ss_schedule *schedule, uint8_t *order) {
    uint8_t sessions[SS_STEPS_MAX], next[SS_SESSIONS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < schedule->step_count; i++)
        if (!schedule->steps[order[i]].joined) sessions[count++] = schedule->steps[order[i]].session;
    unsigned tail = count - 1; /* sessions[tail ..] does not rise */
    while (tail > 0 && sessions[tail - 1] >= sessions[tail]) tail--;
    bool more = tail > 0;
    if (more) {
        unsigned higher = count - 1;
        while (sessions[higher] <= sessions[tail - 1]) higher--;
        uint8_t kept = sessions[tail - 1];
        sessions[tail - 1] = sessions[higher];
        sessions[higher] = kept;
    }
    reverse(sessions + tail, sessions + count);
    first_steps(schedule, next);
    for (unsigned i = 0, place = 0; i < count; i++) place = put_unit(schedule, sessions[i], next, order, place);
    return more;
}
