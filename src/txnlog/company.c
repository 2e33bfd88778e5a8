/* company.c - before it cuts, a group's leader waits for those whom the last round let go, where that pays.
 *
 * A round that begins the moment the last one ends covers those who came meanwhile and none of those who are being
 * woken: the committers fall into two halves that take turns, and every sync serves one half. Waking a committer, its
 * next transaction and its coming back take less time than a sync on most devices; then waiting for them is the faster
 * way. Where they stay away (they think, or there are none), the wait is left out for a while, longer each time.
 *
 * Thread rule: the holder of `sync`.
 * Source: the delay of a group commit by a count of those expected and a limit (DeWitt et al., Implementation
 * Techniques for Main Memory Database Systems, SIGMOD 1984, 5); here both are measured instead of set.
 *
 * SPDX-License-Identifier: MIT
 */
#include "txnlog/txnlog_int.h"

enum { LEAST_WAIT_NS = 20000, MOST_WAIT_NS = 10000000, MOST_SKIPPED = 63, WEIGHT = 8 };

void vtl_company_synced(struct vtl_company *company, uint64_t ns) {
    company->sync_ns += company->sync_ns == 0 ? ns : ns / WEIGHT - company->sync_ns / WEIGHT;
}

/* Did it pay, by half as much again as it cost? Without the wait `before` + 1 had shared a sync. */
void vtl_company_learn(struct vtl_company *company, uint64_t before, uint64_t came, uint64_t ns) {
    if (2 * came * company->sync_ns >= 3 * (before + 1) * ns) {
        company->refused = 0;
    } else if (company->refused < MOST_SKIPPED) {
        company->refused = 2 * company->refused + 1;
    }
    company->skip = company->refused;
}

void vtl_company_keep(struct vtl_log *log, bool came_late) {
    struct vtl_company *company = &log->company;
    uint64_t limit = company->sync_ns / 2 < MOST_WAIT_NS ? company->sync_ns / 2 : MOST_WAIT_NS;
    uint32_t gone = log->sync.served - (came_late || log->sync.served == 0 ? 0 : 1);
    if (gone == 0 || limit < LEAST_WAIT_NS) return;
    if (company->skip != 0) {
        company->skip--;
        return;
    }
    uint64_t begun = log->os->ops->now_ns(log->os);
    uint32_t before = vtl_stage_waiting(&log->sync);
    vtl_stage_gather(&log->sync, before + gone - gone / 8, limit);
    uint32_t after = vtl_stage_waiting(&log->sync);
    vtl_company_learn(company, before, after > before ? after - before : 0, log->os->ops->now_ns(log->os) - begun);
}
