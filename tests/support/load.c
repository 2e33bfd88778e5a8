/* load.c - threads for the stress programs; see load.h.
 * SPDX-License-Identifier: MIT
 */
#include "support/load.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const char *const load_size_names[LOAD_SIZES] = {"default", "tiny"};

struct load_number load_number(int64_t value) {
    struct load_number number;
    for (unsigned i = 0; i < 8; i++)
        number.bytes[i] = (unsigned char)((uint64_t)value >> (8 * i));
    return number;
}

varve_slice load_slice(const struct load_number *number) {
    return VARVE_SLICE(number->bytes, sizeof number->bytes);
}

int64_t load_value(varve_slice slice) {
    uint64_t value = 0;
    if (slice.size != 8)
        return INT64_MIN;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)((const unsigned char *)slice.data)[i] << (8 * i);
    return (int64_t)value;
}

varve_db *load_open(const char *path, const char *cc, enum load_size size) {
    static const char *const in_memory[LOAD_SIZES] = {"", ",max_transactions=6,lock_timeout_ms=100,memory=64M"};
    static const char *const on_disk[LOAD_SIZES] = {
        ",sync=write",
        ",sync=none,max_transactions=6,lock_timeout_ms=100,memory=64M,segment_bytes=8K,checkpoint_bytes=64K"};
    if (path == NULL)
        return td_open(":memory:", "cc=%s%s", cc, in_memory[size]);
    return td_open(path, "cc=%s%s", cc, on_disk[size]);
}

void load_fail(struct load_worker *worker, const char *format, ...) {
    struct load *load = worker->load;
    va_list arguments;
    if (atomic_exchange(&load->failed, true))
        return;
    va_start(arguments, format);
    vsnprintf(load->failure, sizeof load->failure, format, arguments);
    va_end(arguments);
    atomic_store(&load->stop, true);
}

bool load_stopped(const struct load_worker *worker) {
    return atomic_load_explicit(&worker->load->stop, memory_order_relaxed);
}

void load_meet(struct load_worker *worker, struct load_meeting *meeting, unsigned count, unsigned patience_us) {
    uint64_t give_up = td_now_ns() + (uint64_t)patience_us * 1000;
    atomic_fetch_add(&meeting->arrived, 1);
    while (atomic_load(&meeting->arrived) < count && !load_stopped(worker) && td_now_ns() < give_up)
        sched_yield();
}

void load_meeting_clear(struct load_meeting *meeting) {
    atomic_store(&meeting->arrived, 0);
}

bool load_wait_for_all(struct load_worker *worker, struct load_barrier *barrier, unsigned count) {
    unsigned round = atomic_load(&barrier->round);
    if (atomic_fetch_add(&barrier->arrived, 1) + 1 == count) {
        atomic_store(&barrier->arrived, 0);
        atomic_fetch_add(&barrier->round, 1);
        return true;
    }
    while (atomic_load(&barrier->round) == round) {
        worker->deserted = load_stopped(worker) || atomic_load(&worker->load->left) > 0;
        if (worker->deserted)
            return false;
        sched_yield();
    }
    return true;
}

struct attempt {
    struct load_worker *worker;
    varve_txn_fn fn;
    void *arg;
};

static int count_and_run(varve_txn *txn, void *arg) {
    struct attempt *attempt = arg;
    attempt->worker->tries++;
    return attempt->fn(txn, attempt->arg);
}

bool load_transact(struct load_worker *worker, varve_isolation level, bool read_only, varve_txn_fn fn, void *arg) {
    struct attempt attempt = {worker, fn, arg};
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_error error = VARVE_ERROR_INIT;
    options.isolation = level;
    options.read_only = read_only;
    options.error = &error;
    int status = varve_run(worker->load->db, &options, count_and_run, &attempt);
    if (status != VARVE_OK)
        load_fail(worker, "varve_run at %s gave %s (%d): %s", td_level_name(level), varve_status_name(status), status,
                  error.text);
    return status == VARVE_OK;
}

static void *work(void *arg) {
    struct load_worker *worker = arg;
    struct load *load = worker->load;
    uint64_t end = td_now_ns() + (uint64_t)(load->seconds * 1e9);
    while (!load_stopped(worker) && !worker->deserted && (worker->done < load->least || td_now_ns() < end)) {
        load->fn(worker);
        worker->done++;
    }
    atomic_fetch_add(&load->left, 1);
    return NULL;
}

static void start_and_join(struct load *load) {
    uint64_t seed = td_seed();
    assert_true(load->worker_count <= LOAD_WORKERS);
    atomic_store(&load->stop, false);
    atomic_store(&load->failed, false);
    atomic_store(&load->left, 0);
    load->done = load->tries = 0;
    for (unsigned i = 0; i < load->worker_count; i++) {
        struct load_worker *worker = &load->workers[i];
        memset(worker, 0, sizeof *worker);
        worker->load = load;
        worker->index = i;
        worker->random.state = seed * 31 + i;
        assert_int_equal(pthread_create(&worker->thread, NULL, work, worker), 0);
    }
    for (unsigned i = 0; i < load->worker_count; i++) {
        pthread_join(load->workers[i].thread, NULL);
        load->done += load->workers[i].done;
        load->tries += load->workers[i].tries;
    }
}

void load_run(struct load *load) {
    td_context("VARVE_TEST_SEED=%llu: %s", (unsigned long long)td_seed(), load->name);
    start_and_join(load);
    printf("    %-48s %8llu done, %8llu tries\n", load->name, (unsigned long long)load->done,
           (unsigned long long)load->tries);
    TD_CHECK(!atomic_load(&load->failed), "%s: %s", load->name, load->failure);
}

bool load_run_until_failure(struct load *load) {
    td_context("VARVE_TEST_SEED=%llu: %s", (unsigned long long)td_seed(), load->name);
    start_and_join(load);
    printf("    %-48s %8llu done: %s\n", load->name, (unsigned long long)load->done,
           atomic_load(&load->failed) ? load->failure : "nothing seen");
    return atomic_load(&load->failed);
}
