/* baton.c - who runs next: the scheduler of steps, and the hooks through which the engine says that somebody waits.
 *
 * The scheduler is a loop that runs on whatever stack is free. It calls a step as a plain function; only when the engine
 * is about to sleep is the stack kept for that session, and the loop goes on upon another one. A run in which nobody
 * waits never switches.
 *  1. A stack is in one of three places: current, kept by a waiting session, or idle, parked in the loop.
 *  2. A woken session finishes its step before the next scripted step starts; of several the lowest goes first.
 *  3. Steps of a waiting session are put off; the first step in the order whose session does not wait goes next.
 *  4. The logical clock stands still while anything can run. Deadlock detection by search is the exception: a session
 *     that begins to wait is given the time to search once, so a cycle is found when it closes.
 *  5. A session leaves no transaction open when its steps are done, so waiters with nothing left to run are stuck. That
 *     is a finding, and the clock runs out for them so that the stage is clean again.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdarg.h>
#include <stdio.h>

#include "lockmgr/lockmgr.h"
#include "step/step_int.h"
#include "storage/record.h"

#define SECOND_NS UINT64_C(1000000000)
#define SEARCH_NS (SECOND_NS / 2)       /* longer than the longest pause between two searches for a cycle */
#define FOREVER_NS (1000000 * SECOND_NS) /* longer than any timeout */

/* --- what happened ------------------------------------------------------------------------------------------------ */

void st_mix(struct st_stage *stage, uint64_t word) {
    stage->fingerprint = (stage->fingerprint ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    stage->fingerprint ^= stage->fingerprint >> 29;
}

void st_event(struct st_stage *stage, enum st_event_kind kind, unsigned step, unsigned wait, int on) {
    st_mix(stage, (uint64_t)kind << 32 | (uint64_t)step << 16 | wait << 8 | (uint8_t)on);
    if (stage->event_count == ST_EVENTS_MAX) return;
    stage->events[stage->event_count++] = (struct st_event){(uint8_t)kind, (uint8_t)step, (uint8_t)wait, (int8_t)on};
}

void st_note(struct st_stage *stage, const char *format, ...) {
    if (stage->run->note[0] != 0) return; /* the first says most */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(stage->run->note, sizeof stage->run->note, format, arguments);
    va_end(arguments);
}

/* --- switching ---------------------------------------------------------------------------------------------------- */

static void scheduler(struct st_stage *stage);

static void run_scheduler(void *arg) {
    for (;;) scheduler(arg);
}

static void switch_to(struct st_stage *stage, struct fb_fibre *to) {
    struct fb_fibre *from = stage->current;
    stage->current = to;
    fb_switch(from, to);
}

/* The current stack is parked in the loop until somebody needs one. */
static void park_for(struct st_stage *stage, struct fb_fibre *to) {
    stage->idle[stage->idle_count++] = stage->current;
    switch_to(stage, to);
}

static struct fb_fibre *idle_fibre(struct st_stage *stage) {
    if (stage->idle_count != 0) return stage->idle[--stage->idle_count];
    if (stage->fibre_count == ST_FIBRES_MAX) return NULL;
    struct fb_fibre *fibre = fb_make(run_scheduler, stage);
    if (fibre != NULL) stage->fibres[stage->fibre_count++] = fibre;
    return fibre;
}

static void go_home(struct st_stage *stage) {
    if (stage->current == stage->home) return;
    unsigned i = 0;
    while (stage->idle[i] != stage->home) i++;
    stage->idle[i] = stage->idle[--stage->idle_count];
    park_for(stage, stage->home);
}

/* --- the hooks ---------------------------------------------------------------------------------------------------- */

static unsigned waited_for(const struct vk_wait_info *info) {
    if (info->kind == VK_WAIT_LOCK) return SS_WAITED_LOCK;
    return info->kind == VK_WAIT_GAP ? SS_WAITED_GAP : SS_WAITED_OTHER;
}

/* The session that holds the write lock somebody waits for; -1: readers hold it, or it is no session's. */
static int holder_of(const struct st_stage *stage, const struct vk_wait_info *info) {
    const struct vst_record *record = info->resource;
    if (record == NULL) return -1;
    unsigned writer = vst_lk_writer(vb_load_acquire(info->kind == VK_WAIT_GAP ? &record->gap : &record->lk));
    for (unsigned s = 0; writer != 0 && s < stage->schedule->session_count; s++)
        if ((int)s != stage->running && stage->sessions[s].txn != NULL && stage->sessions[s].txn_slot == writer)
            return (int)s;
    return -1;
}

static bool on_wait(void *arg, const struct vk_wait_info *info) {
    struct st_stage *stage = arg;
    struct fb_fibre *next = stage->draining || stage->running < 0 ? NULL : idle_fibre(stage);
    if (next == NULL) { /* nobody may wait now: the wait is to end in its timeout */
        if (!stage->draining && stage->running >= 0) stage->trouble = VARVE_NOMEM;
        stage->now_ns += FOREVER_NS;
        return true;
    }
    int self = stage->running;
    struct st_session *session = &stage->sessions[self];
    if (stage->detect && !session->searched) {
        session->searched = true;
        stage->idle[stage->idle_count++] = next;
        stage->now_ns += SEARCH_NS;
        return true;
    }
    stage->run->answers[session->step].waited |= (uint8_t)waited_for(info);
    st_event(stage, ST_EVENT_WAIT, session->step, waited_for(info), holder_of(stage, info));
    session->state = ST_WAITING;
    session->slot = info->kind == VK_WAIT_READER_BIT ? 0 : info->slot;
    session->fibre = stage->current;
    stage->running = -1;
    switch_to(stage, next);
    stage->running = self;
    session->state = ST_READY;
    session->searched = false;
    st_event(stage, ST_EVENT_WAKE, session->step, 0, -1);
    return true;
}

static void on_wake(void *arg, unsigned slot) {
    struct st_stage *stage = arg;
    if (stage->schedule == NULL) return;
    for (unsigned s = 0; s < stage->schedule->session_count; s++)
        if (stage->sessions[s].state == ST_WAITING && stage->sessions[s].slot == slot)
            stage->sessions[s].state = ST_WOKEN;
}

static uint64_t now_ns(void *arg) { return ((struct st_stage *)arg)->now_ns; }

struct vk_hooks st_hooks(struct st_stage *stage) {
    return (struct vk_hooks){.arg = stage, .on_wait = on_wait, .on_wake = on_wake, .now_ns = now_ns};
}

/* --- who is next -------------------------------------------------------------------------------------------------- */

static struct st_session *woken(struct st_stage *stage) {
    for (unsigned s = 0; s < stage->schedule->session_count; s++)
        if (stage->sessions[s].state == ST_WOKEN) return &stage->sessions[s];
    return NULL;
}

static unsigned wake_all(struct st_stage *stage) {
    unsigned count = 0;
    for (unsigned s = 0; s < stage->schedule->session_count; s++) {
        if (stage->sessions[s].state != ST_WAITING) continue;
        stage->sessions[s].state = ST_WOKEN;
        count++;
    }
    return count;
}

/* Waits whose end no hook tells. */
static void look_again(struct st_stage *stage) {
    for (unsigned s = 0; s < stage->schedule->session_count; s++)
        if (stage->sessions[s].state == ST_WAITING && stage->sessions[s].slot == 0)
            stage->sessions[s].state = ST_WOKEN;
}

/* Invariant 3. False: there is none. */
static bool next_step(struct st_stage *stage, unsigned *step) {
    const struct ss_schedule *schedule = stage->schedule;
    while (stage->first_open < schedule->step_count && stage->started[stage->order[stage->first_open]])
        stage->first_open++;
    for (unsigned i = stage->first_open; i < schedule->step_count; i++) {
        *step = stage->order[i];
        if (!stage->started[*step] && stage->sessions[schedule->steps[*step].session].state == ST_READY) return true;
    }
    return false;
}

/* Invariant 5: nothing can run. False: nobody waits either. */
static bool unstick(struct st_stage *stage) {
    bool any = false;
    for (unsigned s = 0; s < stage->schedule->session_count; s++) {
        struct st_session *session = &stage->sessions[s];
        if (session->state != ST_WAITING) continue;
        stage->run->answers[session->step].stuck = true;
        st_event(stage, ST_EVENT_STUCK, session->step, 0, -1);
        any = true;
    }
    if (!any) return false;
    stage->run->hang = true;
    stage->draining = true;
    stage->now_ns += FOREVER_NS;
    (void)wake_all(stage);
    return true;
}

static void scheduler(struct st_stage *stage) {
    unsigned step;
    for (;;) {
        struct st_session *session = woken(stage);
        if (session != NULL) {
            park_for(stage, session->fibre);
        } else if (stage->drainer != NULL) {
            park_for(stage, stage->drainer);
        } else if (next_step(stage, &step)) {
            st_step(stage, step);
            look_again(stage);
        } else if (!unstick(stage)) {
            break;
        }
    }
    go_home(stage);
}

void st_play(struct st_stage *stage) {
    stage->current = stage->home;
    scheduler(stage);
}

void st_drain(struct st_stage *stage) {
    bool before = stage->draining;
    int self = stage->running;
    stage->draining = true;
    stage->now_ns += FOREVER_NS;
    stage->running = -1;
    stage->drainer = stage->current;
    (void)wake_all(stage);
    struct st_session *session = woken(stage);
    if (session != NULL) switch_to(stage, session->fibre);
    stage->drainer = NULL;
    for (unsigned s = 0; s < stage->schedule->session_count; s++)
        if (stage->sessions[s].txn != NULL)
            st_txn_lost(stage, &stage->sessions[s], VARVE_OK, VARVE_REASON_NONE);
    stage->running = self;
    stage->draining = before;
}
