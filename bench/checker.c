/* checker.c - how fast the checker judges: throughput of each pass and the most memory held.
 *
 * It makes a white-box history of N transactions that is serializable by construction: they are run one after another on
 * a small model, spread over sessions, with reads, writes, some scans, and some readers at a snapshot of a little while
 * ago (each ends before the next writer it has not seen begins, so that real time is kept). The verdict must be ok.
 *
 *   checker [--txns N] [--keys N] [--ops N] [--zipf S] [--scans PERCENT] [--readers PERCENT] [--level NAME] [--graph 1]
 *           [--undeclared 1]: readers leave no snapshot behind
 *
 * SPDX-License-Identifier: MIT
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "checker/checker.h"

enum { SESSIONS = 64, SCAN_ROWS = 8, ZIPF_CELLS = 1 << 16, OPS_MAX = 64 };

struct settings {
    uint64_t txns, keys, ops;
    double zipf;
    unsigned scans, readers;
    bool graph, undeclared;
    uint8_t level;
};

struct model {
    struct settings set;
    struct hs_history h;
    uint64_t random, clock, next_value;
    uint64_t *version; /* by key */
    int64_t *value;
    uint32_t *zipf; /* a sample of the distribution */
};

static uint64_t draw(struct model *m, uint64_t bound) {
    uint64_t x = m->random += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (uint64_t)(((unsigned __int128)(x ^ (x >> 31)) * bound) >> 64);
}

static void must(int status) {
    if (status == VARVE_OK) return;
    fprintf(stderr, "checker: %s\n", status == VARVE_NOMEM ? "out of memory" : "the history was refused");
    exit(3);
}

/* Cells of equal probability, by the continuous form of the distribution; a key is drawn evenly within its cell. */
static void zipf_init(struct model *m) {
    m->zipf = malloc((ZIPF_CELLS + 1) * sizeof(*m->zipf));
    if (m->zipf == NULL) must(VARVE_NOMEM);
    double s = 1 - m->set.zipf, top = pow((double)m->set.keys, s);
    for (unsigned i = 0; i <= ZIPF_CELLS; i++)
        m->zipf[i] = (uint32_t)(pow((top - 1) * i / ZIPF_CELLS + 1, 1 / s) - 1);
}

static uint32_t draw_key(struct model *m) {
    if (m->zipf == NULL) return (uint32_t)draw(m, m->set.keys);
    uint64_t cell = draw(m, ZIPF_CELLS);
    uint64_t key = m->zipf[cell] + draw(m, (uint64_t)(m->zipf[cell + 1] - m->zipf[cell]) + 1);
    if (key >= m->set.keys) key = m->set.keys - 1;
    return (uint32_t)(key * 2654435761u % m->set.keys);
}

static void add_scan(struct model *m, uint16_t statement) {
    uint32_t low = (uint32_t)draw(m, m->set.keys), high = low + SCAN_ROWS;
    struct hs_op op = {.kind = HS_SCAN, .statement = statement, .value = 0};
    if (high >= m->set.keys) high = HS_OPEN;
    struct hs_range range = {low, high, 0};
    for (uint32_t k = low; k < low + SCAN_ROWS && k < m->set.keys; k++) op.value += m->version[k] != 0;
    must(hs_range_add(&m->h, &range, &op.key));
    must(hs_op_add(&m->h, &op));
    for (uint32_t k = low; k < low + SCAN_ROWS && k < m->set.keys; k++) {
        if (m->version[k] == 0) continue;
        op = (struct hs_op){k, HS_ROW, 0, statement, m->version[k], m->value[k]};
        must(hs_op_add(&m->h, &op));
    }
}

static bool wrote(const uint32_t *own, unsigned count, uint32_t key) {
    for (unsigned i = 0; i < count; i++)
        if (own[i] == key) return true;
    return false;
}

/* Half of the operations read, half read and write; `last` of the load phase writes only. */
static void add_txn(struct model *m, bool reader, uint64_t load) {
    uint64_t now = m->clock + 1;
    struct hs_txn txn = {.begin = 10 * now, .end = 10 * now + 5, .snapshot = reader && !m->set.undeclared ? m->clock : HS_NO_STAMP};
    uint32_t own[OPS_MAX];
    unsigned own_count = 0;
    txn.level = m->set.level;
    txn.session = (uint32_t)draw(m, SESSIONS);
    if (!reader) txn.cts = m->clock = now;
    if (reader) {
        txn.begin = 10 * m->clock + 6;
        txn.end = 10 * m->clock + 8;
    }
    must(hs_txn_add(&m->h, &txn));
    for (uint16_t i = 0; i < m->set.ops; i++) {
        uint32_t key = load != UINT64_MAX ? (uint32_t)(load + i) : draw_key(m);
        if (load == UINT64_MAX && draw(m, 100) < m->set.scans && own_count == 0) {
            add_scan(m, i);
            continue;
        }
        if (key >= m->set.keys || wrote(own, own_count, key)) continue;
        struct hs_op op = {key, HS_READ, 0, i, m->version[key], m->version[key] != 0 ? m->value[key] : HS_ABSENT};
        if (load == UINT64_MAX && (reader || i % 2 == 0)) {
            must(hs_op_add(&m->h, &op));
            continue;
        }
        op = (struct hs_op){key, HS_WRITE, 0, i, 0, (int64_t)++m->next_value};
        must(hs_op_add(&m->h, &op));
        m->version[key] = now;
        m->value[key] = op.value;
        own[own_count++] = key;
    }
}

static void make(struct model *m) {
    struct hs_problem problem;
    hs_init(&m->h);
    m->h.stamps = m->h.timed = m->h.by_session = true;
    m->version = calloc(m->set.keys, sizeof(*m->version));
    m->value = calloc(m->set.keys, sizeof(*m->value));
    if (m->version == NULL || m->value == NULL) must(VARVE_NOMEM);
    if (m->set.zipf > 0) zipf_init(m);
    for (uint64_t k = 0; k < m->set.keys; k++) {
        char name[24];
        uint32_t id;
        int size = snprintf(name, sizeof(name), "%012llu", (unsigned long long)k);
        must(hs_key(&m->h, name, (size_t)size, &id));
    }
    for (uint64_t k = 0; k < m->set.keys / 2; k += m->set.ops) add_txn(m, false, k);
    while (m->h.txn_count < m->set.txns) add_txn(m, draw(m, 100) < m->set.readers, UINT64_MAX);
    free(m->version);
    free(m->value);
    free(m->zipf);
    must(hs_finish(&m->h, &problem));
}

static bool parse(int argc, char **argv, struct settings *set) {
    static const char *const levels[] = {"", "ru", "rc", "rr", "si", "ser"};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--txns") == 0) set->txns = strtoull(value, NULL, 10);
        else if (strcmp(name, "--keys") == 0) set->keys = strtoull(value, NULL, 10);
        else if (strcmp(name, "--ops") == 0) set->ops = strtoull(value, NULL, 10);
        else if (strcmp(name, "--zipf") == 0) set->zipf = strtod(value, NULL);
        else if (strcmp(name, "--scans") == 0) set->scans = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--readers") == 0) set->readers = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--graph") == 0) set->graph = strcmp(value, "0") != 0;
        else if (strcmp(name, "--undeclared") == 0) set->undeclared = strcmp(value, "0") != 0;
        else if (strcmp(name, "--level") == 0) {
            set->level = 0;
            for (uint8_t n = 1; n < 6; n++)
                if (strcmp(levels[n], value) == 0) set->level = n;
            if (set->level == 0) return false;
        } else return false;
    }
    return argc % 2 == 1 && set->txns > 0 && set->keys >= 16 && set->keys < HS_OPEN && set->ops > 0 &&
           set->ops <= OPS_MAX && set->zipf >= 0 && set->zipf < 1;
}

static void print(const struct model *m, const struct ck_report *report) {
    struct rusage usage;
    uint64_t sum = 0;
    getrusage(RUSAGE_SELF, &usage);
    for (unsigned i = 0; i < report->pass_count; i++) {
        sum += report->passes[i].ns;
        printf("  %-10s %9.3f s %12.0f txn/s\n", report->passes[i].name, (double)report->passes[i].ns * 1e-9,
               (double)report->passes[i].txns * 1e9 / (double)(report->passes[i].ns + 1));
    }
    double txns = (double)m->h.txn_count;
    printf("  %-10s %9.3f s %12.0f txn/s\n", "all", (double)sum * 1e-9, txns * 1e9 / (double)(sum + 1));
    printf("  bytes a transaction: history %.0f, checker %.0f; peak of the process %.0f MiB\n",
           (double)hs_memory(&m->h) / txns, (double)report->memory_bytes / txns, (double)usage.ru_maxrss / 1024);
}

int main(int argc, char **argv) {
    struct model m = {.set = {1000000, 1000000, 8, 0, 2, 10, false, false, VARVE_SERIALIZABLE}, .random = 1};
    struct ck_options options = {.strict = true, .sessions = false};
    struct ck_report report;
    if (!parse(argc, argv, &m.set)) {
        fprintf(stderr, "usage: checker [--txns N] [--keys N] [--ops N] [--zipf S (0 <= S < 1)] [--scans PERCENT]\n"
                        "               [--readers PERCENT] [--level ru|rc|rr|si|ser] [--graph 0|1] [--undeclared 0|1]\n");
        return 2;
    }
    make(&m);
    printf("%llu transactions of %llu operations, %llu keys, zipf %.2f, %u %% scans, %u %% readers: %zu operations\n",
           (unsigned long long)m.set.txns, (unsigned long long)m.set.ops, (unsigned long long)m.set.keys, m.set.zipf,
           m.set.scans, m.set.readers, m.h.op_count);
    options.graph = m.set.graph;
    must(ck_check(&m.h, &options, &report));
    print(&m, &report);
    printf("  verdict: %s\n", report.verdict == CK_OK ? "ok" : "NOT OK");
    if (report.verdict != CK_OK) printf("%s%s\n", report.finding.proof, report.unknown);
    hs_release(&m.h);
    return report.verdict == CK_OK ? 0 : 1;
}
