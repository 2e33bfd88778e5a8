/* worker.c - one thread of a run: draws transactions, carries them out with their retries, counts.
 *
 * An engine with a `run` of its own is driven by it, as its users would; the others get the same policy for all: random
 * back-off of up to 2^n mean attempt times after n aborts, n at most 6.
 *
 * SPDX-License-Identifier: MIT
 */
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/atomics.h"
#include "bench/driver/driver_int.h"

enum { BACKOFF_DOUBLINGS = 6, BACKOFF_MAX_NS = 50000000, SPIN_NS = 20000, EARLY_NS = 250000, NAP_NS = 100000000 };

uint64_t bd_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool worth_retrying(int status) { return status == PEER_BLOCKED || varve_retryable(status); }

/* What one transaction's attempts share. */
struct attempt {
    struct bd_worker *worker;
    unsigned kind;
    uint64_t tries;      /* times the body ran */
    uint64_t operations; /* of the attempt that runs */
    uint64_t all;        /* of all attempts */
    int answer;          /* of the body */
};

static int run_body(void *arg, struct peer_txn *txn) {
    struct attempt *a = arg;
    struct bl_session *s = &a->worker->session;
    a->tries++;
    s->txn = txn;
    s->reads = s->writes = 0;
    a->answer = s->run->load->body(s, a->kind);
    a->operations = s->reads + s->writes;
    a->all += a->operations;
    return a->answer;
}

static void back_off(struct bd_worker *worker, uint64_t aborts, uint64_t attempt_ns) {
    uint64_t most = attempt_ns << (aborts < BACKOFF_DOUBLINGS ? aborts : BACKOFF_DOUBLINGS);
    if (most > BACKOFF_MAX_NS) most = BACKOFF_MAX_NS;
    uint64_t pause = most > 1 ? vb_random_below(&worker->session.random, most) : 0, until = bd_now_ns() + pause;
    if (pause > SPIN_NS) {
        struct timespec t = {(time_t)(pause / 1000000000u), (long)(pause % 1000000000u)};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
        return;
    }
    while (bd_now_ns() < until) sched_yield();
}

/* begin, body, commit, once. A positive answer of the body is its own rollback. */
static int once(const struct bl_run *run, struct attempt *a) {
    struct peer_txn *txn;
    int status = run->engine->begin(run->db, run->load->read_only[a->kind], &txn);
    if (status != VARVE_OK) return status;
    status = run_body(a, txn);
    if (status == VARVE_OK) return run->engine->commit(txn);
    run->engine->abort(txn);
    return status;
}

static int until_committed(const struct bl_run *run, struct attempt *a) {
    for (;;) {
        uint64_t begun = bd_now_ns(), before = a->tries;
        int status = once(run, a);
        if (a->tries == before) a->tries++; /* begin itself was refused */
        if (status == VARVE_OK || !worth_retrying(status) || (status == a->answer && status > 0 && status != PEER_BLOCKED))
            return status;
        if (vb_load_relaxed(&a->worker->repeat->phase) == BD_STOP) return status;
        back_off(a->worker, a->tries, bd_now_ns() - begun);
    }
}

static void count(struct bd_worker *worker, const struct attempt *a, int status, uint64_t intended_ns) {
    struct bd_counts *c = &worker->counts;
    uint64_t aborts = a->tries > 0 ? a->tries - 1 : 0;
    bool own = a->answer > 0 && a->answer != PEER_BLOCKED && status == a->answer;
    bool good = status == VARVE_OK || own;
    c->attempts += a->tries;
    c->aborts += good ? aborts : a->tries;
    if (aborts > c->longest_aborts) c->longest_aborts = aborts;
    c->operations += a->all;
    c->wasted += good ? a->all - a->operations : a->all;
    if (own) c->rolled_back++;
    if (status == VARVE_OK) {
        vb_store_relaxed(&c->committed[a->kind], c->committed[a->kind] + 1);
        uint64_t ns = bd_now_ns() - intended_ns;
        bd_record(&worker->latency, ns);
        bd_record(&worker->by_kind[a->kind], ns);
    }
    vb_store_relaxed(&worker->finished, worker->finished + 1);
    if (good && worker->session.run->load->done != NULL)
        worker->session.run->load->done(&worker->session, a->kind, status == VARVE_OK);
}

int bd_transaction(struct bd_worker *worker, unsigned kind, uint64_t intended_ns) {
    const struct bl_run *run = worker->session.run;
    struct attempt a = {.worker = worker, .kind = kind};
    uint64_t attempts = 0;
    int status = run->engine->run != NULL ? run->engine->run(run->db, run->load->read_only[kind], run_body, &a, &attempts)
                                          : until_committed(run, &a);
    count(worker, &a, status, intended_ns);
    bool own = a.answer > 0 && a.answer != PEER_BLOCKED && status == a.answer;
    return own ? VARVE_OK : status;
}

/* Counters begin anew when the measurement does. */
static void enter_phase(struct bd_worker *worker, unsigned phase) {
    worker->phase = phase;
    if (phase != BD_MEASURE) return;
    memset(&worker->counts, 0, sizeof(worker->counts));
    memset(&worker->latency, 0, sizeof(worker->latency));
    memset(worker->by_kind, 0, sizeof(worker->by_kind));
}

/* Open loop: until the next transaction is due. Sleeping is late, so it ends early, and the rest is waited for by the
 * clock; a long sleep is taken in naps, so that the end of a run is seen. */
static uint64_t wait_until_due(struct bd_worker *worker) {
    uint64_t due = worker->due_ns, now;
    worker->due_ns += worker->step_ns;
    while ((now = bd_now_ns()) < due && vb_load_relaxed(&worker->repeat->phase) != BD_STOP) {
        if (due - now <= EARLY_NS) {
            sched_yield();
            continue;
        }
        uint64_t nap = due - now - EARLY_NS < NAP_NS ? due - now - EARLY_NS : NAP_NS;
        struct timespec t = {(time_t)(nap / 1000000000u), (long)(nap % 1000000000u)};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
    }
    return due;
}

void *bd_worker_main(void *arg) {
    struct bd_worker *worker = arg;
    struct bl_session *s = &worker->session;
    for (;;) {
        unsigned phase = vb_load_acquire(&worker->repeat->phase);
        if (phase != worker->phase) enter_phase(worker, phase);
        if (phase == BD_STOP) return NULL;
        unsigned kind = s->run->load->draw(s);
        uint64_t intended = worker->step_ns != 0 ? wait_until_due(worker) : bd_now_ns();
        if (worker->step_ns != 0 && intended > bd_now_ns()) return NULL; /* the run ended before it was due */
        int status = bd_transaction(worker, kind, intended);
        if (status == VARVE_OK || worth_retrying(status)) continue;
        vb_store_relaxed(&worker->status, status);
        return NULL;
    }
}
