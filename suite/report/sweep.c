/* sweep.c - every interleaving of every schedule at every pair, on a few threads.
 *
 * A worker has one stage for each scheme and takes one schedule after another; for each interleaving it runs all pairs,
 * because only then is it known which interleavings were dangerous. What a worker finds goes into the cells of the
 * schedule, which are its own, and into its own list of findings; the lists are merged by schedule and pair at the end,
 * so that the result does not depend on who ran what.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/matrix_int.h"

enum { THREADS_MAX = 16, THREADS_USUAL = 2, PROGRESS_EVERY = 512 };

struct sweep {
    struct sr_matrix *matrix;
    const struct sr_options *options;
    /* under mutex */
    unsigned next;      /* schedule */
    uint64_t done;      /* interleavings */
    int status;         /* the first failure */
    char *error;
    size_t error_bytes;
    pthread_mutex_t mutex;
};

/* One schedule's numbers while it runs. */
struct worker {
    struct sweep *sweep;
    struct st_stage *stages[SS_SCHEMES]; /* NULL: not wanted */
    struct sr_judge *judge;
    struct sr_matrix found; /* only its findings */
    struct ss_run run;
    struct sr_verdict verdicts[SR_PAIRS_MAX];
    struct sr_finding seen[SR_PAIRS_MAX][SR_FINDING_KINDS]; /* count 0: none */
    uint64_t ways_everywhere[SR_PAIRS_MAX][SR_WAYS];
    bool ever;
    unsigned untold; /* interleavings not yet told as progress */
    char error[2 * SR_TEXT_BYTES];
};

static void fail(struct sweep *sweep, int status, const char *text) {
    pthread_mutex_lock(&sweep->mutex);
    if (sweep->status == VARVE_OK) {
        sweep->status = status;
        snprintf(sweep->error, sweep->error_bytes, "%s", text[0] != 0 ? text : varve_strerror(status));
    }
    pthread_mutex_unlock(&sweep->mutex);
}

static struct st_stage *stage_of(struct worker *w, const struct sr_pair *pair) {
    return w->stages[ss_scheme_find(pair->scheme)];
}

/* --- one interleaving --------------------------------------------------------------------------------------------- */

static void see(struct worker *w, unsigned pair, enum sr_finding_kind kind, uint64_t n, const char *text) {
    struct sr_finding *finding = &w->seen[pair][kind];
    if (finding->count++ != 0) return;
    finding->interleaving = n;
    snprintf(finding->text, sizeof finding->text, "%s", text);
}

/* Rules about who is refused are written for policies that wait where they can. */
static bool refuses_instead_of_waiting(const struct sr_options *options) {
    return options->deadlock != NULL &&
           (strcmp(options->deadlock, "no_wait") == 0 || strcmp(options->deadlock, "wait_die") == 0);
}

static void count_run(struct worker *w, struct sr_cell *cell, unsigned pair, uint64_t n) {
    const struct sr_verdict *verdict = &w->verdicts[pair];
    cell->runs++;
    cell->txns += verdict->txns;
    cell->aborts += verdict->aborts;
    cell->needless += verdict->needless;
    cell->needless_runs += verdict->needless != 0;
    cell->victims += verdict->victims;
    cell->hangs += w->run.hang;
    cell->mismatches += verdict->mismatch;
    if (verdict->anomaly && cell->shown++ == 0) cell->first = n;
    if (w->run.hang) see(w, pair, SR_HANG, n, w->run.note);
    if (!w->run.hang && w->run.note[0] != 0) see(w, pair, SR_STRANGE, n, w->run.note);
    if (verdict->mismatch) see(w, pair, SR_MISMATCH, n, verdict->text);
    if (verdict->disagreed) see(w, pair, SR_CHECKER, n, verdict->text);
    bool by_policy = refuses_instead_of_waiting(w->sweep->options) && verdict->victims != 0;
    if (verdict->anomaly && cell->demand == SR_MUST_NOT && !by_policy)
        see(w, pair, SR_ANOMALY, n, "the anomaly has happened");
}

/* The ways of a pair that did not show what another did. */
static void count_ways(struct worker *w, struct sr_cell *cells) {
    unsigned pairs = w->sweep->matrix->pair_count;
    bool dangerous = false;
    for (unsigned p = 0; p < pairs; p++) dangerous |= w->verdicts[p].anomaly;
    w->ever |= dangerous;
    for (unsigned p = 0; p < pairs; p++) {
        if (w->verdicts[p].anomaly) continue;
        for (unsigned way = 0; way < SR_WAYS; way++) {
            if ((w->verdicts[p].ways >> way & 1) == 0) continue;
            w->ways_everywhere[p][way]++;
            cells[p].way_runs[way] += dangerous;
        }
    }
}

static int run_interleaving(struct worker *w, unsigned index, uint64_t n, const uint8_t *order) {
    struct sr_matrix *matrix = w->sweep->matrix;
    const struct ss_schedule *schedule = matrix->set->schedules[index];
    for (unsigned p = 0; p < matrix->pair_count; p++) {
        struct st_stage *stage = stage_of(w, &matrix->pairs[p]);
        st_set_level(stage, matrix->pairs[p].asked);
        int status = st_run(stage, schedule, order, &w->run);
        struct sr_subject subject = {stage, schedule, order, &w->run, &matrix->pairs[p]};
        if (status == VARVE_OK) status = sr_judge_run(w->judge, &subject, &w->verdicts[p]);
        if (status != VARVE_OK) {
            snprintf(w->error, sizeof w->error, "%s/%llu: %s", schedule->name, (unsigned long long)n,
                     w->run.note[0] != 0 ? w->run.note : varve_strerror(status));
            return status;
        }
        count_run(w, &matrix->cells[index][p], p, n);
    }
    count_ways(w, matrix->cells[index]);
    return VARVE_OK;
}

/* --- one schedule ------------------------------------------------------------------------------------------------- */

static void begin_schedule(struct worker *w, unsigned index) {
    struct sr_matrix *matrix = w->sweep->matrix;
    unsigned line;
    memset(w->seen, 0, sizeof w->seen);
    memset(w->ways_everywhere, 0, sizeof w->ways_everywhere);
    w->ever = false;
    for (unsigned p = 0; p < matrix->pair_count; p++) {
        struct sr_cell *cell = &matrix->cells[index][p];
        *cell = (struct sr_cell){.first = SR_NEVER, .first_schedule = index};
        cell->demand = sr_demand_of(matrix->set->schedules[index], &matrix->pairs[p], &line);
    }
}

/* What only the whole of a schedule's runs can tell. */
static void judge_schedule(struct worker *w, unsigned index) {
    struct sr_matrix *matrix = w->sweep->matrix;
    const struct ss_schedule *schedule = matrix->set->schedules[index];
    const struct sr_options *options = w->sweep->options;
    /* Under another policy, or over rows that are locked as ghosts, fewer interleavings come about. */
    bool shows = !refuses_instead_of_waiting(options) && !options->keep_ghosts;
    char text[SR_TEXT_BYTES];
    for (unsigned p = 0; p < matrix->pair_count; p++) {
        struct sr_cell *cell = &matrix->cells[index][p];
        unsigned line, most;
        if (cell->demand == SR_MUST_SHOW && cell->shown == 0 && shows)
            see(w, p, SR_NOT_SHOWN, SR_NEVER, "no interleaving shows what this level permits");
        if (sr_precision_of(schedule, &matrix->pairs[p], &most, &line) && cell->needless > most && shows) {
            snprintf(text, sizeof text, "%llu needless aborts, at most %u are allowed",
                     (unsigned long long)cell->needless, most);
            see(w, p, SR_NEEDLESS, SR_NEVER, text);
        }
        for (unsigned way = 0; way < SR_WAYS; way++) {
            if (!w->ever) cell->way_runs[way] = w->ways_everywhere[p][way];
            if (cell->way_runs[way] != 0) cell->ways |= 1u << way;
        }
    }
}

static unsigned line_of(const struct ss_schedule *schedule, const struct sr_pair *pair, enum sr_finding_kind kind) {
    unsigned line = 0, most;
    if (kind == SR_ANOMALY || kind == SR_NOT_SHOWN) (void)sr_demand_of(schedule, pair, &line);
    if (kind == SR_NEEDLESS) (void)sr_precision_of(schedule, pair, &most, &line);
    return line != 0 ? line : schedule->line;
}

static int keep_findings(struct worker *w, unsigned index) {
    struct sr_matrix *matrix = w->sweep->matrix;
    const struct ss_schedule *schedule = matrix->set->schedules[index];
    for (unsigned p = 0; p < matrix->pair_count; p++) {
        for (unsigned kind = 0; kind < SR_FINDING_KINDS; kind++) {
            struct sr_finding *finding = &w->seen[p][kind];
            if (finding->count == 0) continue;
            finding->kind = (enum sr_finding_kind)kind;
            finding->schedule = index;
            finding->pair = p;
            finding->line = line_of(schedule, &matrix->pairs[p], finding->kind);
            memcpy(finding->id, schedule->id, sizeof finding->id);
            if (sr_add_finding(&w->found, finding) != VARVE_OK) return VARVE_NOMEM;
        }
    }
    return VARVE_OK;
}

static void tell_progress(struct worker *w) {
    struct sweep *sweep = w->sweep;
    pthread_mutex_lock(&sweep->mutex);
    sweep->done += w->untold;
    w->untold = 0;
    if (sweep->options->progress != NULL)
        sweep->options->progress(sweep->options->progress_arg, sweep->done, sweep->matrix->interleavings);
    pthread_mutex_unlock(&sweep->mutex);
}

static int run_schedule(struct worker *w, unsigned index) {
    const struct ss_schedule *schedule = w->sweep->matrix->set->schedules[index];
    uint64_t all = ss_interleavings(schedule);
    uint8_t order[SS_STEPS_MAX];
    begin_schedule(w, index);
    for (uint64_t n = 0; n < all; n++) {
        if (n == 0 || !schedule->run_all)
            ss_interleaving(schedule, n, order);
        else
            (void)ss_interleaving_next(schedule, order);
        int status = run_interleaving(w, index, n, order);
        if (status != VARVE_OK) return status;
        if (++w->untold == PROGRESS_EVERY) tell_progress(w);
    }
    judge_schedule(w, index);
    return keep_findings(w, index);
}

/* --- the workers -------------------------------------------------------------------------------------------------- */

static int worker_open(struct worker *w) {
    const struct sr_options *options = w->sweep->options;
    const struct sr_matrix *matrix = w->sweep->matrix;
    if (sr_judge_open(&w->judge) != VARVE_OK) return VARVE_NOMEM;
    for (unsigned p = 0; p < matrix->pair_count; p++) {
        int scheme = ss_scheme_find(matrix->pairs[p].scheme);
        if (w->stages[scheme] != NULL) continue;
        struct st_options wanted = {.scheme = matrix->pairs[p].scheme,
                                    .deadlock = options->deadlock,
                                    .level = VARVE_SERIALIZABLE,
                                    .tiny = options->tiny,
                                    .keep_ghosts = options->keep_ghosts,
                                    .seed = options->seed};
        int status = st_open(&wanted, &w->stages[scheme], w->error, sizeof w->error);
        if (status != VARVE_OK) return status;
    }
    return VARVE_OK;
}

/* False: none is left, or somebody has failed. */
static bool take_schedule(struct sweep *sweep, unsigned *index) {
    const struct sr_matrix *matrix = sweep->matrix;
    pthread_mutex_lock(&sweep->mutex);
    while (sweep->next < matrix->set->count && !matrix->chosen[sweep->next]) sweep->next++;
    *index = sweep->next++;
    bool more = *index < matrix->set->count && sweep->status == VARVE_OK;
    pthread_mutex_unlock(&sweep->mutex);
    return more;
}

static void *work(void *arg) {
    struct worker *w = arg;
    struct sweep *sweep = w->sweep;
    int status = worker_open(w);
    for (unsigned index; status == VARVE_OK && take_schedule(sweep, &index);) status = run_schedule(w, index);
    if (status != VARVE_OK) fail(sweep, status, w->error);
    for (unsigned i = 0; i < SS_SCHEMES; i++) st_close(w->stages[i]);
    sr_judge_close(w->judge);
    return NULL;
}

static int merge(struct sweep *sweep, struct worker *w) {
    int status = VARVE_OK;
    for (unsigned i = 0; i < w->found.finding_count && status == VARVE_OK; i++)
        status = sr_add_finding(sweep->matrix, &w->found.findings[i]);
    free(w->found.findings);
    return status;
}

static int run_workers(struct sweep *sweep, unsigned count) {
    struct worker *workers = calloc(count, sizeof *workers);
    pthread_t threads[THREADS_MAX];
    if (workers == NULL) return VARVE_NOMEM;
    unsigned started = 0;
    for (; started < count; started++) {
        workers[started].sweep = sweep;
        if (pthread_create(&threads[started], NULL, work, &workers[started]) != 0) break;
    }
    if (started == 0) fail(sweep, VARVE_NOMEM, "no thread can be started");
    for (unsigned i = 0; i < started; i++) pthread_join(threads[i], NULL);
    int status = sweep->status;
    for (unsigned i = 0; i < count; i++) {
        int merged = merge(sweep, &workers[i]);
        if (status == VARVE_OK) status = merged;
    }
    free(workers);
    return status;
}

/* --- what is to be run -------------------------------------------------------------------------------------------- */

static bool chosen(const struct ss_schedule *schedule, const char *only) {
    return only == NULL || strcmp(only, schedule->id) == 0 || strcmp(only, schedule->name) == 0;
}

static bool any(const bool *flags, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (flags[i]) return true;
    return false;
}

static int add_pairs(struct sr_matrix *matrix, const struct sr_options *options, char *error, size_t error_bytes) {
    bool all_schemes = !any(options->schemes, SS_SCHEMES), all_levels = !any(options->levels, VARVE_SERIALIZABLE + 1);
    for (unsigned s = 0; s < SS_SCHEMES; s++) {
        if (!all_schemes && !options->schemes[s]) continue;
        struct st_options wanted = {.scheme = ss_schemes[s], .deadlock = options->deadlock, .level = VARVE_SERIALIZABLE};
        struct st_stage *stage;
        int status = st_open(&wanted, &stage, error, error_bytes);
        if (status != VARVE_OK) return status;
        for (unsigned l = VARVE_READ_UNCOMMITTED; l <= VARVE_SERIALIZABLE; l++) {
            if (!all_levels && !options->levels[l]) continue;
            struct sr_pair *pair = &matrix->pairs[matrix->pair_count++];
            snprintf(pair->scheme, sizeof pair->scheme, "%s", ss_schemes[s]);
            pair->asked = (varve_isolation)l;
            st_set_level(stage, pair->asked);
            pair->served = st_served(stage);
        }
        st_close(stage);
    }
    return VARVE_OK;
}

static int prepare(struct sr_matrix *matrix, const struct sr_options *options, char *error, size_t error_bytes) {
    unsigned count = matrix->set->count;
    matrix->cells = calloc(count + 1, sizeof *matrix->cells);
    matrix->chosen = calloc(count + 1, sizeof *matrix->chosen);
    if (matrix->cells == NULL || matrix->chosen == NULL) {
        snprintf(error, error_bytes, "out of memory for the matrix");
        return VARVE_NOMEM;
    }
    for (unsigned i = 0; i < count; i++) {
        matrix->chosen[i] = chosen(matrix->set->schedules[i], options->only);
        if (!matrix->chosen[i]) continue;
        matrix->schedules++;
        matrix->interleavings += ss_interleavings(matrix->set->schedules[i]);
    }
    if (matrix->schedules == 0) {
        snprintf(error, error_bytes, "no schedule has the id or name '%s'", options->only != NULL ? options->only : "");
        return VARVE_INVALID;
    }
    int status = add_pairs(matrix, options, error, error_bytes);
    matrix->runs = matrix->interleavings * matrix->pair_count;
    return status;
}

static uint64_t monotonic_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int sr_sweep(const struct ss_set *set, const struct sr_options *options, struct sr_matrix *matrix, char *error,
             size_t error_bytes) {
    memset(matrix, 0, sizeof *matrix);
    matrix->set = set;
    matrix->whole = options->only == NULL && !options->part;
    uint64_t begun = monotonic_ns();
    int status = prepare(matrix, options, error, error_bytes);
    if (status == VARVE_OK) {
        struct sweep sweep = {.matrix = matrix, .options = options, .error = error, .error_bytes = error_bytes};
        pthread_mutex_init(&sweep.mutex, NULL);
        unsigned threads = options->threads != 0 ? options->threads : THREADS_USUAL;
        status = run_workers(&sweep, threads < THREADS_MAX ? threads : THREADS_MAX);
        pthread_mutex_destroy(&sweep.mutex);
        if (status == VARVE_OK) status = sr_gather(matrix);
    }
    matrix->ns = monotonic_ns() - begun;
    if (status != VARVE_OK) sr_release(matrix);
    return status;
}
