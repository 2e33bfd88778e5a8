/* exhaust.c - workers over the space of small programs.
 *
 * Interleavings are numbered through all programs; with `every` above 1 a run is made where the number, scrambled, is a
 * multiple of it, so that a sample is spread over all shapes and always the same.
 *
 * SPDX-License-Identifier: MIT
 */
#include "explore/exhaust.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/atomics.h"
#include "model/oracle.h"
#include "step/step.h"

static const char *const schemes[SX_SCHEMES] = {"mvcc", "2pl", "occ"};

struct worker {
    const struct sx_exhaust *options;
    unsigned number;
    pthread_t thread;
    bool started;
    struct st_stage *stages[SX_SCHEMES];
    struct sx_count counts[SX_SCHEMES][SX_LEVELS + 1];
    uint64_t programs, interleavings, runs;
    int status;
    char error[200];
    struct ss_schedule schedule;
    struct ss_run run;
};

static bool wanted_sample(uint64_t number, uint64_t every) {
    if (every <= 1) return true;
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (number ^ (number >> 31)) % every == 0;
}

/* --- one run ------------------------------------------------------------------------------------------------------ */

static void describe(const struct ss_schedule *p, const uint8_t *order, const char *why, char *text, size_t bytes) {
    size_t at = (size_t)snprintf(text, bytes, "%s:", p->name);
    for (unsigned i = 0; i < p->step_count && at < bytes; i++)
        at += (size_t)snprintf(text + at, bytes - at, " s%u.%s;", p->steps[order[i]].session + 1u,
                               p->steps[order[i]].text);
    if (at < bytes) snprintf(text + at, bytes - at, " %s", why);
}

static void count_answers(struct sx_count *c, const struct ss_schedule *p, const struct ss_run *run) {
    for (unsigned i = 0; i < p->step_count; i++) c->waits += run->answers[i].waited != SS_NO_WAIT;
    for (unsigned t = 0; t < p->txn_count; t++) {
        c->txns += run->txns[t].begun;
        c->aborts += run->txns[t].begun && !run->txns[t].committed;
    }
}

static void count_run(struct worker *w, struct sx_count *c, const uint8_t *order, bool tears) {
    const struct ss_schedule *p = &w->schedule;
    struct sm_verdict verdict;
    uint64_t aborts = c->aborts;
    c->runs++;
    count_answers(c, p, &w->run);
    sm_judge(p, &w->run, tears, &verdict);
    if (!verdict.safe || w->run.hang) {
        char why[200];
        c->violations += !verdict.safe;
        c->hangs += w->run.hang;
        if (c->first_bad[0] == 0)
            describe(p, order, verdict.safe ? "hang" : sm_explain(p, &w->run, &verdict, why, sizeof(why)), c->first_bad,
                     sizeof(c->first_bad));
    }
    if (c->aborts == aborts) return;
    unsigned needless = sm_needless(p, order, &w->run);
    c->needless += needless;
    c->needless_runs += needless != 0;
}

static int run_at_all_levels(struct worker *w, unsigned scheme, const uint8_t *order) {
    struct st_stage *stage = w->stages[scheme];
    bool tears = sm_tears(&w->schedule, schemes[scheme]);
    for (unsigned level = 1; level <= SX_LEVELS; level++) {
        struct sx_count *c = &w->counts[scheme][level];
        if (!w->options->levels[level] || c->shared) continue;
        st_set_level(stage, (varve_isolation)level);
        int status = st_run(stage, &w->schedule, order, &w->run);
        if (status != VARVE_OK) return status;
        w->runs++;
        count_run(w, c, order, tears);
    }
    return VARVE_OK;
}

/* --- workers ------------------------------------------------------------------------------------------------------ */

static int run_program(struct worker *w, uint64_t first) {
    uint64_t count = ss_interleavings(&w->schedule);
    uint8_t order[SS_STEPS_MAX];
    for (uint64_t n = 0; n < count; n++) {
        if (!wanted_sample(first + n, w->options->every)) continue;
        ss_interleaving(&w->schedule, n, order);
        w->interleavings++;
        for (unsigned scheme = 0; scheme < SX_SCHEMES; scheme++) {
            if (w->stages[scheme] == NULL) continue;
            int status = run_at_all_levels(w, scheme, order);
            if (status != VARVE_OK) return status;
        }
    }
    return VARVE_OK;
}

static void *worker_main(void *arg) {
    struct worker *w = arg;
    const struct sx_exhaust *o = w->options;
    struct sx_program program;
    uint64_t first = 0, of = sx_programs(&o->space);
    sx_first(&o->space, &program);
    do {
        sx_schedule(&o->space, &program, &w->schedule);
        if (program.index % o->threads == w->number) {
            w->status = run_program(w, first);
            w->programs++;
            if (w->number == 0 && o->progress != NULL && w->programs % 256 == 0) o->progress(o->arg, program.index, of);
        }
        first += ss_interleavings(&w->schedule);
    } while (w->status == VARVE_OK && sx_next(&o->space, &program));
    return NULL;
}

/* A level that is served like a weaker one is not run again. */
static void share(struct worker *w, unsigned scheme) {
    for (unsigned level = 1; level <= SX_LEVELS; level++) {
        struct sx_count *c = &w->counts[scheme][level];
        st_set_level(w->stages[scheme], (varve_isolation)level);
        c->served = st_served(w->stages[scheme]);
        for (unsigned weaker = 1; weaker < level; weaker++)
            if (w->options->levels[weaker] && w->counts[scheme][weaker].served == c->served) c->shared = true;
    }
}

static int open_stages(struct worker *w) {
    for (unsigned scheme = 0; scheme < SX_SCHEMES; scheme++) {
        if (!w->options->schemes[scheme]) continue;
        struct st_options options = {.scheme = schemes[scheme],
                                     .deadlock = w->options->deadlock,
                                     .level = VARVE_SERIALIZABLE,
                                     .tiny = w->options->tiny,
                                     .keep_ghosts = w->options->ghosts};
        int status = st_open(&options, &w->stages[scheme], w->error, sizeof(w->error));
        if (status != VARVE_OK) return status;
        share(w, scheme);
    }
    return VARVE_OK;
}

/* A stage belongs to one thread from open to close, so the worker does both. */
static void *worker_life(void *arg) {
    struct worker *w = arg;
    w->status = open_stages(w);
    if (w->status == VARVE_OK) (void)worker_main(w);
    for (unsigned scheme = 0; scheme < SX_SCHEMES; scheme++)
        if (w->stages[scheme] != NULL) st_close(w->stages[scheme]);
    return NULL;
}

static void add(struct sx_count *into, const struct sx_count *from) {
    into->served = from->served;
    into->shared = from->shared;
    into->runs += from->runs;
    into->txns += from->txns;
    into->aborts += from->aborts;
    into->needless += from->needless;
    into->needless_runs += from->needless_runs;
    into->waits += from->waits;
    into->violations += from->violations;
    into->hangs += from->hangs;
    if (into->first_bad[0] == 0) memcpy(into->first_bad, from->first_bad, sizeof(into->first_bad));
}

static void merge(struct sx_exhaust_result *result, const struct worker *w) {
    result->programs += w->programs;
    result->interleavings += w->interleavings;
    result->runs += w->runs;
    for (unsigned scheme = 0; scheme < SX_SCHEMES; scheme++)
        for (unsigned level = 1; level <= SX_LEVELS; level++)
            add(&result->counts[scheme][level], &w->counts[scheme][level]);
    if (w->error[0] != 0) memcpy(result->error, w->error, sizeof(result->error));
}

/* Numbers of a level that was not run for itself. */
static void copy_shared(const struct sx_exhaust *o, struct sx_exhaust_result *result) {
    for (unsigned scheme = 0; scheme < SX_SCHEMES; scheme++)
        for (unsigned level = 2; level <= SX_LEVELS; level++) {
            struct sx_count *c = &result->counts[scheme][level];
            for (unsigned weaker = 1; weaker < level && c->shared; weaker++)
                if (o->levels[weaker] && result->counts[scheme][weaker].served == c->served) {
                    *c = result->counts[scheme][weaker];
                    c->shared = true;
                    break;
                }
        }
}

int sx_exhaust(const struct sx_exhaust *o, struct sx_exhaust_result *result) {
    struct timespec begun, ended;
    memset(result, 0, sizeof(*result));
    clock_gettime(CLOCK_MONOTONIC, &begun);
    struct worker *workers = calloc(o->threads, sizeof(*workers));
    int status = workers != NULL ? VARVE_OK : VARVE_NOMEM;
    for (unsigned i = 0; status == VARVE_OK && i < o->threads; i++) {
        workers[i].options = o;
        workers[i].number = i;
        workers[i].started = pthread_create(&workers[i].thread, NULL, worker_life, &workers[i]) == 0;
        if (!workers[i].started) status = VARVE_NOMEM;
    }
    for (unsigned i = 0; workers != NULL && i < o->threads; i++) {
        if (!workers[i].started) continue;
        pthread_join(workers[i].thread, NULL);
        if (status == VARVE_OK) status = workers[i].status;
        merge(result, &workers[i]);
    }
    free(workers);
    copy_shared(o, result);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    result->seconds = (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) * 1e-9;
    if (status != VARVE_OK && result->error[0] == 0)
        snprintf(result->error, sizeof(result->error), "%s", varve_strerror(status));
    return status;
}

uint64_t sx_exhaust_bad(const struct sx_exhaust_result *result) {
    uint64_t bad = 0;
    for (unsigned scheme = 0; scheme < SX_SCHEMES; scheme++)
        for (unsigned level = 1; level <= SX_LEVELS; level++)
            if (!result->counts[scheme][level].shared)
                bad += result->counts[scheme][level].violations + result->counts[scheme][level].hangs;
    return bad;
}
