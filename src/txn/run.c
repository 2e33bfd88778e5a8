/* run.c - varve_run: begin, body, commit; back off and retry with the age kept.
 *
 * What an aborted attempt waits for decides how long its back-off is; both are random and double up to four times.
 *  1. After a conflict the winner has committed already and nothing is left to wait for: half a microsecond, only so
 *     that two that collide again and again do not do it in step.
 *  2. After a wound, or whatever else a lock brought, the older one has still to wake and to take what it needs; who
 *     comes back before that takes it away again. The measure is the mean time of a retry.
 * An attempt after three aborts in a row runs under locks (txn.c).
 * Measured in docs/decisions/013-back-off-by-cause.md.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/check.h"
#include "base/experiment.h"
#include "base/planted.h"
#include "base/random.h"
#include "os/os.h"
#include "os/rcu.h"
#include "txn/txn_int.h"

enum { DOUBLINGS_MAX = 4, CONFLICT_NS = 250, SLEEP_NS = 20000, PAUSE_MAX_NS = 50000000 };

/* A running mean of how long retries take, over all threads: only they are timed. An update that is lost is no loss. */
static void note_attempt(struct vtx_pool *pool, uint64_t begun_ns) {
    uint64_t mean = vb_load_relaxed(&pool->attempt_ns);
    uint64_t took = vk_now_ns(pool->config.domain) - begun_ns;
    vb_store_relaxed(&pool->attempt_ns, mean - mean / 8 + took / 8);
}

static uint64_t pause_limit_ns(int status, unsigned aborts, uint64_t mean_ns) {
#ifdef VARVE_EXPERIMENTS
    if (vb_experiment.pause_limit_ns != NULL) return vb_experiment.pause_limit_ns(status, aborts, mean_ns);
#endif
    uint64_t first = status == VARVE_CONFLICT ? CONFLICT_NS : mean_ns;
    return first << (aborts < DOUBLINGS_MAX ? aborts : DOUBLINGS_MAX);
}

/* A long pause sleeps; a short one lets others run who may be what it waits for. */
static void back_off(struct vtx_pool *pool, struct vb_random *random, int status, unsigned aborts) {
    struct vk_domain *domain = pool->config.domain;
    uint64_t limit = pause_limit_ns(status, aborts, vb_load_relaxed(&pool->attempt_ns));
    if (limit == 0) return;
    uint64_t pause = vb_random_below(random, limit < PAUSE_MAX_NS ? limit : PAUSE_MAX_NS);
    static const uint32_t never_changes = 0;
    if (pause > SLEEP_NS) {
        vos_futex_wait(&never_changes, 0, pause);
        return;
    }
    uint64_t until = vk_now_ns(domain) + pause;
    do vos_thread_yield();
    while (vk_now_ns(domain) < until);
}

static bool worth_retrying(int status) {
    return status == VARVE_CONFLICT || status == VARVE_DEADLOCK || status == VARVE_SNAPSHOT_TOO_OLD ||
           status == VARVE_TIMEOUT || status == VARVE_BUSY || (VB_PLANTED(47) && status == VARVE_UNKNOWN_OUTCOME);
}

/* One attempt; *error carries the token for the next. */
static int attempt(struct vtx_pool *pool, const varve_txn_options *options, varve_txn_fn fn, void *arg,
                   bool *own_answer, struct vk_detail *detail) {
    struct varve_txn *txn;
    *own_answer = false;
    VB_TRY(vtx_begin(pool, options, &txn, detail));
    int answer = fn(txn, arg);
    if (answer == VARVE_OK) return vtx_commit(txn);
    int doomed = txn->doomed;
    vtx_abort(txn);
    if (doomed != VARVE_OK) return doomed; /* whatever the body made of it */
    *own_answer = true;
    return answer;
}

/* The text beyond its first byte is nobody's. */
static void error_init(varve_error *error) {
    error->size = sizeof *error;
    error->status = VARVE_OK;
    error->reason = VARVE_REASON_NONE;
    error->phenomenon = 0;
    error->other_txn = 0;
    error->retry_token = 0;
    error->text[0] = 0;
}

static void tell(varve_error *wanted, const varve_error *error) {
    wanted->status = error->status;
    wanted->reason = error->reason;
    wanted->phenomenon = error->phenomenon;
    wanted->other_txn = error->other_txn;
    wanted->retry_token = error->retry_token;
    memccpy(wanted->text, error->text, 0, sizeof wanted->text);
}

int vtx_run(struct vtx_pool *pool, const varve_txn_options *options, varve_txn_fn fn, void *arg,
            struct vk_detail *detail) {
    varve_txn_options o = VARVE_TXN_OPTIONS_INIT;
    varve_error error, *wanted = NULL;
    error_init(&error);
    if (options != NULL) {
        if (options->size < sizeof o)
            return vk_fail(detail, VARVE_INVALID, VARVE_REASON_CALLER,
                           "transaction options: size is %u, at least %zu expected", options->size, sizeof o);
        o = *options;
        wanted = options->error;
    }
    o.error = &error;
    struct vb_random random;
    uint64_t begun = 0; /* the clock is not asked before an attempt has failed */
    for (unsigned aborts = 0;; aborts++) {
        bool own_answer;
        int status = attempt(pool, &o, fn, arg, &own_answer, detail);
        if (aborts != 0) note_attempt(pool, begun);
        if (vb_likely(status == VARVE_OK)) return VARVE_OK;
        if (wanted != NULL && wanted->size >= sizeof error) tell(wanted, &error);
        if (own_answer || !worth_retrying(status)) return status;
        if (aborts == 0) vb_random_init(&random, (uint64_t)(uintptr_t)&o ^ vk_now_ns(pool->config.domain));
        o.retry_token = error.retry_token;
        back_off(pool, &random, status, aborts + 1);
        begun = vk_now_ns(pool->config.domain);
    }
}
